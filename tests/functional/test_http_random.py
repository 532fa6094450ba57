"""Clients, devices, clock and configuration do what they like for a while. What each answer should be is other tests' affair: here the
gateway must live, hold to its limits, and have nothing left when all is over. A seed gives the same run, as far as the kernel lets it.
"""

import hashlib
import random
import select
import signal
import socket
import struct

import coap
import pytest
from coap import BLOCK1, BLOCK2, CON, CONTENT, ECHO, ETAG, MAX_AGE, NON, OBSERVE, RST
from harness import fresh_address

ROUNDS, CLIENTS, DEVICES = 500, 16, 4
SECTIONS = """
http: { credentials = "%s"; block-size = "64B"; event-interval = "5s"; stall = "20s"; idle-timeout = "60s"; body-timeout = "20s"; };
"""
TARGETS = 'forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"];'
ODD_CODES = "2.01", "2.02", "2.03", "4.01", "4.02", "4.04", "4.06", "4.08", "4.13", "5.03"
CODES = [CONTENT] * 6 + [coap.CHANGED, coap.CONTINUE] + [coap.code(c) for c in ODD_CODES]
METHODS = ["GET"] * 6 + ["HEAD", "PUT", "POST", "DELETE", "FETCH", "PATCH", "iPATCH", "OPTIONS", "QUERY", "TRACE"]
ODD_TARGETS = ["/.well-known/core", "/hc/coaps://h/p", "/hc/nonsense", "/hc/coap://127.0.0.1:5683/", "*", "/hc/coap://[ff02::fd]/"]
STREAM = "Accept: text/event-stream"
ACCEPTS = [STREAM, STREAM, "Prefer: wait=20", "Accept: text/plain, application/json;q=0.5", None, None, None]


def routes(r):
    """A configuration among many: routes come and go, and their limits change."""
    out = 'fwd: { from = ["coap"]; %s };' % TARGETS
    if r.random() < 0.8:
        out = 'named: { from = ["web"]; http-path = "/n/{+tu}"; timeout-http = "60s"; %s };' % TARGETS + out
    if r.random() < 0.8:
        out = ('web: { from = ["web"]; http-path = "/hc/{+tu}"; authenticate = "none"; cors = ["https://a.example"]; timeout = "%ds";'
               'body-limit = "%dkB"; exchanges = %d; %s };' % (r.randrange(5, 40), r.randrange(8, 100), r.randrange(4, 60), TARGETS)) + out
    return "no: { deny = true; };" + out if r.random() < 0.1 else out


class Whim:
    """A device."""

    def __init__(self, r, device):
        self.r, self.device, self.observers, self.owed, self.sequence = r, device, [], [], 5

    def act(self):
        while select.select([self.device.socket], [], [], 0)[0]:
            m = self.device._read()
            if m.is_empty and m.type == RST:
                self.observers = []
            elif not m.is_empty and m.code < 32:
                self.hear(m)
        if self.owed and self.r.random() < 0.3:
            self.answer(self.owed.pop(self.r.randrange(len(self.owed))), False)
        if self.observers and self.r.random() < 0.4:
            self.notify(self.r.choice(self.observers))

    def hear(self, m):
        what = self.r.random()
        if what < 0.08:
            return
        if what < 0.12:
            self.device.reset(m)
        elif what < 0.3:
            self.device.ack(m)
            self.owed.append(m)
        else:
            self.answer(m, True)

    def answer(self, m, at_once):
        r, code, options, payload = self.r, self.r.choice(CODES), [], bytes(self.r.choice([0, 1, 30, 64]))
        if m.has(BLOCK1) and r.random() < 0.9:
            number, more, szx = coap.block_parts(m.first(BLOCK1))
            options.append((BLOCK1, coap.block(number, more, szx)))
            code = coap.CONTINUE if more else coap.CHANGED
        if code == CONTENT and r.random() < 0.6:
            number, _, szx = coap.block_parts(m.first(BLOCK2)) if m.has(BLOCK2) else (0, False, 2)
            options.append((BLOCK2, coap.block(number, r.random() > 0.15, min(szx, 2))))
            payload = bytes(16 << min(szx, 2))
        if m.has(OBSERVE) and m.uint(OBSERVE) == 0 and code == CONTENT:
            options.append((OBSERVE, self.sequence))
            self.observers.append(m)
        options += [o for o in ((ETAG, b"\x07"), (MAX_AGE, 5), (ECHO, b"fresh?")) if r.random() < 0.3]
        options.sort(key=lambda o: o[0])
        if at_once and m.type == CON:
            self.device.piggyback(m, code, options, payload)
        else:
            self.device.separate(m, code, options, payload, type=r.choice([CON, NON]))

    def notify(self, m):
        self.sequence += 1
        options = [(OBSERVE, self.sequence)] if self.r.random() < 0.93 else []
        if self.r.random() < 0.2:
            options.append((BLOCK2, coap.block(0, True, 2)))
        code = CONTENT if self.r.random() < 0.9 else coap.code("4.04")
        self.device.separate(m, code, options, bytes(64), type=self.r.choice([CON, NON]))


class Fickle:
    """A client with a connection of its own, until he has had enough of it."""

    def __init__(self, r, to):
        self.r, self.unsent, self.gone, self.reads = r, b"", False, r.random() < 0.8
        self.socket = socket.socket()
        self.socket.bind((fresh_address(), 0))
        self.socket.connect(to)
        self.socket.setblocking(False)

    def ask(self, device):
        r, method = self.r, self.r.choice(METHODS)
        target = r.choice(ODD_TARGETS) if r.random() < 0.05 else r.choice(["/hc/", "/hc/", "/n/", ""]) + device.url + "/p?q"
        fields = ["Host: gw", r.choice(ACCEPTS)]
        fields += [f for f in ("Authorization: Bearer tok", 'If-None-Match: "07"', "Origin: https://a.example",
                               "Access-Control-Request-Method: GET") if r.random() < 0.4]
        body = b""
        if method in ("PUT", "POST", "FETCH", "PATCH", "iPATCH", "QUERY"):
            sealed = r.random() < 0.1
            fields += ["OSCORE: CQAA", "Content-Type: application/oscore"] if sealed else ["Content-Type: application/octet-stream"]
            fields.append("Expect: 100-continue" if r.random() < 0.2 else None)
            body = bytes(r.choice([0, 10, 500, 3000, 30000, 200000]))
            if r.random() < 0.5:
                fields.append("Content-Length: %d" % len(body))
            else:
                fields.append("Transfer-Encoding: chunked")
                body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
            if r.random() < 0.1:
                body = body[:len(body) // 2]
        self.unsent += ("%s %s HTTP/1.1\r\n" % (method, target) + "".join(f + "\r\n" for f in fields if f) + "\r\n").encode() + body

    def act(self):
        try:
            if self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent[:self.r.choice([10, 5000, 100000])]):]
            if self.reads and select.select([self.socket], [], [], 0)[0] and not self.socket.recv(self.r.choice([100, 100000])):
                self.gone = True
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True
        what = self.r.random()
        if what < 0.02:
            self.reads = not self.reads
        elif what < 0.03:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.gone = self.gone or 0.02 < what < 0.04
        if self.gone:
            self.socket.close()


def write_credentials(file, token):
    file.write_text("bearer alice %s\n" % hashlib.sha256(token.encode()).hexdigest())
    file.chmod(0o600)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_they_do(start, tmp_path, seed):
    r, file = random.Random(seed), tmp_path / "credentials"
    write_credentials(file, "tok")
    gw = start(routes=routes(r), sections=SECTIONS % file, web="")
    devices, clients = [Whim(r, gw.device()) for _ in range(DEVICES)], []
    for _ in range(ROUNDS):
        clients += [Fickle(r, gw.web_address) for _ in range(CLIENTS - len(clients))]
        for c in clients:
            if not c.unsent and r.random() < 0.3:
                c.ask(r.choice(devices).device)
            c.act()
        clients = [c for c in clients if not c.gone]
        gw.settle()
        for d in devices:
            d.act()
        gw.settle()
        if r.random() < 0.1:
            gw.advance(r.choice([10, 100, 500, 500, 3000, 3000, 20000]))
        if r.random() < 0.03:
            write_credentials(file, r.choice(["tok", "another"]))
            text = gw.config.read_text()
            gw.config.write_text(text[:text.index("routes: {")] + "routes: {\n" + routes(r) + text[text.index("};\n\nhttp:"):])
            gw.process.send_signal(signal.SIGHUP)
    for c in clients:
        c.socket.close()
    gw.settle()
    gw.close_peers()
    # the longest that anything waits for anybody, in both directions
    gw.advance(600_000)
    gw.advance(600_000)
    state = gw.state()
    assert (state["exchanges"], state["observations"], state["deliveries"], state["buffers"]) == (0, 0, 0, 0)
    assert gw.counters()["requests"] > ROUNDS / 10
