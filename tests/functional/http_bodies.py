"""HTTP clients and CoAP devices for the tests of bodies and observation: a connection that reads as far as it is told to, and a
resource that takes and gives bodies by blocks.

As in harness.py all is in one thread: `run` lets both ends do what they can until the client has its answer.
"""

import fcntl
import functools
import json
import pathlib
import re
import select
import socket
import ssl
import struct
import termios

import coap
from coap import BLOCK1, BLOCK2, CHANGED, CONTENT, CONTINUE, ETAG, REQUEST_TAG, SIZE2
from harness import Proxy, fresh_address, free_port
from house import until

ROUTE = """
  hc: { from = ["web"]; http-path = "/hc/{+tu}"; authenticate = "none"; forward-to = ["coap://127.0.0.0/8:*"];
        allow-networks = ["127.0.0.0/8"]; access-log = "json"; %s };
"""
PIECE = 65536
NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def gateway(start, route="", sections="", routes=None, secure=""):
    """A gateway that serves HTTP at `web`; its one route leads to any device and has these settings too. secure: those of HTTPS."""
    host, port = fresh_address(), free_port()
    proxy = start(routes=ROUTE % route if routes is None else routes, sections=sections, listeners=web_listener(host, port, secure))
    proxy.web = (host, port)
    return proxy


def gateway_in(directory, *settings, **kw):
    """The same, for the begin() of a file."""
    return gateway(functools.partial(Proxy, directory), *settings, **kw)


def web_listener(host, port, secure=""):
    return 'web: { url = "%s://%s:%d"; %s };' % ("https" if secure else "http", host, port, secure)


class Answer:
    """What came of one answer so far."""

    def __init__(self, status, fields):
        self.status, self.fields = status, fields
        self.body, self.complete = b"", False

    def get(self, name):
        return self.fields.get(name.lower())


class Web:
    """One connection of an HTTP client. Nothing is read but by pull() and those that call it. tls: an ssl.SSLContext for HTTPS."""

    def __init__(self, proxy, receive=None, tls=None):
        self.proxy = proxy
        self.socket = socket.socket()
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.socket.bind((fresh_address(), 0))
        self.socket.connect(proxy.web)
        if tls:
            self.socket = tls.wrap_socket(self.socket)
        self.socket.setblocking(False)
        self.unsent, self.raw, self.ended, self.reset = b"", b"", False, False
        self.answer, self.asks_head, self.interim = None, False, []
        proxy.peers.append(self)

    def close(self):
        self.socket.close()

    # asking

    def send(self, method, device, path="p", fields=(), body=None, chunked=False, query=""):
        """Begins a request for a device's resource."""
        return self.send_to(method, "/hc/%s/%s%s" % (device.url, path, query), fields, body, chunked)

    def send_to(self, method, target, fields=(), body=None, chunked=False):
        lines = ["%s %s HTTP/1.1" % (method, target), "Host: gw.example"] + ["%s: %s" % f for f in fields]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif body is not None:
            lines.append("Content-Length: %d" % len(body))
        self.answer, self.asks_head = None, method == "HEAD"
        self.unsent += ("\r\n".join(lines) + "\r\n\r\n").encode()
        if chunked:
            self.unsent += chunks(body)
        elif body is not None:
            self.unsent += body
        self.push()
        return self

    def more(self, raw):
        """Further bytes, as they are."""
        self.unsent += raw
        self.push()

    def push(self):
        """Hands over what the socket takes; returns whether it took anything."""
        before = len(self.unsent)
        try:
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent[:PIECE]):]
        except NOT_NOW:
            pass
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.unsent = b""
        return len(self.unsent) != before

    # being answered

    def pull(self, most=1 << 30):
        """Reads what has come, up to about so many bytes; returns whether anything did."""
        before = len(self.raw), self.ended
        try:
            while not self.ended and most > 0:
                piece = self.socket.recv(min(PIECE, most))
                most -= len(piece)
                self.raw += piece
                self.ended = not piece
        except NOT_NOW:
            pass
        except (ConnectionResetError, ssl.SSLEOFError):
            self.ended = self.reset = True
        news = before != (len(self.raw), self.ended)
        self._parse()
        return news

    def _parse(self):
        while self.answer is None and b"\r\n\r\n" in self.raw:
            head, _, self.raw = self.raw.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
            status = int(lines[0].split(" ")[1])
            if status >= 200:
                self.answer = Answer(status, fields)
            else:
                self.interim.append(status)
        a = self.answer
        if a is None or a.complete:
            return
        if self.asks_head or a.status in (204, 304):
            a.complete = True
        elif a.get("transfer-encoding") == "chunked":
            self._parse_chunks(a)
        else:
            want = int(a.get("content-length")) - len(a.body)
            a.body, self.raw = a.body + self.raw[:want], self.raw[want:]
            a.complete = len(a.body) == int(a.get("content-length"))

    def _parse_chunks(self, a):
        pieces = []
        while not a.complete and b"\r\n" in self.raw:
            line, _, rest = self.raw.partition(b"\r\n")
            size = int(line, 16)
            if len(rest) < size + 2:
                break
            assert rest[size:size + 2] == b"\r\n"
            pieces.append(rest[:size])
            self.raw, a.complete = rest[size + 2:], size == 0
        a.body += b"".join(pieces)

    def wait(self, condition=None, serve=lambda: False):
        """Until the answer is complete, or the condition holds; settles and reads. serve: does a part, returns whether it did."""
        def look():
            goes_on = True
            while goes_on:
                goes_on = self.push()
                self.proxy.settle()
                goes_on = serve() or goes_on
                goes_on = self.pull() or goes_on
                if condition() if condition else self.answer and self.answer.complete:
                    return True
            return False
        until(look, lambda: "no answer came: %r %r\n%s" % (self.answer and vars(self.answer), self.raw[:200], self.proxy.explain()))
        return self.answer

    def wait_end(self):
        """Until the gateway closes; the answer as far as it came, or None."""
        self.wait(lambda: self.ended)
        return self.answer

    def in_kernel(self):
        """Bytes of answers that the gateway has handed over and that were not read."""
        unread = struct.unpack("i", fcntl.ioctl(self.socket, termios.FIONREAD, bytes(4)))[0]
        ends = "%s %s" % (hex_end(self.proxy.web), hex_end(self.socket.getsockname()))
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines():
            if ends in line:
                return unread + int(line.split()[4].split(":")[0], 16)
        return unread

    def quiet(self):
        """Fails if an answer came."""
        self.proxy.settle()
        self.pull()
        assert self.answer is None and not self.ended, (self.answer and vars(self.answer), self.ended)


def hex_end(address):
    """As in /proc/net/tcp."""
    return "%08X:%04X" % (int.from_bytes(socket.inet_aton(address[0]), "little"), address[1])


def chunks(body, size=1000, last=True):
    pieces = [body[at:at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + (b"0\r\n\r\n" if last else b"")


def fetch(web, *peers, method="GET", device=None, **kw):
    """One request to its end; peers: resources that answer meanwhile."""
    web.send(method, device or peers[0].device, **kw)
    return run(web, *peers)


def run(web, *resources, condition=None):
    """Both ends do what they can until the answer is complete."""
    def serve():
        return any([r.serve() for r in resources])
    return web.wait(condition, serve)


class Resource:
    """A resource of a device: what is put there comes by Block1 or whole, what is got leaves by Block2 or whole.

    szx: of its blocks, in both directions. hook(request): called first; it may answer itself and then returns True.
    """

    def __init__(self, device, body=b"", szx=6, etag=b"\x01", size=None, options=(), code=CHANGED, hook=None):
        self.device, self.body, self.szx, self.etag, self.size = device, body, szx, etag, size
        self.options, self.code, self.hook = list(options), code, hook
        self.seen = []      # requests in order, without repeats
        self.parts = {}     # (source, Request-Tag, OSCORE option) -> the body so far
        self.bodies = []    # those that came whole
        self.answered = {}

    def serve(self):
        """Answers all that has come; returns whether anything had."""
        requests = [m for m in self.device.pending() if 0 < m.code < 32]
        for m in requests:
            self.take(m)
        return bool(requests)

    def take(self, m):
        key = m.source, m.mid
        if key in self.answered:
            if self.answered[key]:
                self.device.send_raw(self.answered[key].encode(), m.source)
            return
        self.answered[key] = None
        self.seen.append(m)
        if not (self.hook and self.hook(m)):
            self.answer(m)

    def reply(self, m, code, options=(), payload=b""):
        self.answered[m.source, m.mid] = self.device.piggyback(m, code, options, payload)

    def answer(self, m):
        if not m.has(BLOCK1):
            if m.code != coap.GET and not (m.has(BLOCK2) and coap.block_parts(m.first(BLOCK2))[0]):
                self.bodies.append(m.payload)
            return self.give(m, [])
        num, more, szx = coap.block_parts(m.first(BLOCK1))
        key = m.source, m.first(REQUEST_TAG), m.first(coap.OSCORE)
        if num == 0:
            self.parts[key] = b""
        if len(self.parts.get(key, b"")) != num << szx + 4 or key not in self.parts:
            return self.reply(m, coap.code("4.08"))
        assert len(m.payload) == 16 << szx if more else len(m.payload) <= 16 << szx, m
        self.parts[key] += m.payload
        if more:
            return self.reply(m, CONTINUE, [(BLOCK1, coap.block(num, True, min(szx, self.szx)))])
        self.bodies.append(self.parts.pop(key))
        return self.give(m, [(BLOCK1, coap.block(num, False, szx))])

    def give(self, m, options):
        code = CONTENT if m.code in (coap.GET, coap.FETCH) else self.code
        num, szx = 0, self.szx
        if m.has(BLOCK2):
            num, _, wanted = coap.block_parts(m.first(BLOCK2))
            szx = min(szx, wanted) if num == 0 else wanted
        at, end = num << szx + 4, (num + 1) << szx + 4
        options = options + self.options
        if self.body and self.etag:
            options.append((ETAG, self.etag))
        if len(self.body) > 16 << szx or m.has(BLOCK2):
            options.append((BLOCK2, coap.block(num, end < len(self.body), szx)))
            if self.size is not None and num == 0 and m.has(SIZE2):
                options.append((SIZE2, self.size))
        return self.reply(m, code, options, self.body[at:end])


def block1_of(m):
    return coap.block_parts(m.first(BLOCK1)) if m.has(BLOCK1) else None


def block2_of(m):
    return coap.block_parts(m.first(BLOCK2)) if m.has(BLOCK2) else None


def access_lines(proxy):
    """What the access log says of requests over HTTP, in order."""
    return [json.loads(line) for line in re.findall(r"^\{.*\"status\":.*\}$", proxy.explain(), re.M)]


def stall_out(proxy, is_over, first=62_000):
    """Lets the time of a reader go by that takes nothing, `first` ms and then whole times. His kernel may still take a window's worth by
    itself, and that is progress."""
    proxy.advance(first)
    for _ in range(3):
        if is_over():
            return
        proxy.advance(62_000)
    assert is_over(), proxy.explain()


def is_readable(s):
    return bool(select.select([s], [], [], 0)[0])


class Stream:
    """A client that follows a device's resource as a stream of events. method, fields: of his request."""

    def __init__(self, proxy, device=None, method="GET", fields=(), receive=None, open=True, payload=b"first", options=(), web=None,
                 **kw):
        self.proxy, self.device = proxy, device or proxy.device()
        self.web = web or Web(proxy, receive)
        self.web.send(method, self.device, fields=[("Accept", "text/event-stream")] + list(fields), **kw)
        self.up = self.device.recv()
        self.value, self.read = 5, 0
        if open:
            self.device.piggyback(self.up, options=[(coap.OBSERVE, 5)] + list(options), payload=payload)
            self.web.wait(lambda: self.web.answer)

    def notify(self, payload, options=(), code=CONTENT, type=coap.CON, value=None):
        """The device sends a notification."""
        self.value += 1
        observe = [(coap.OBSERVE, self.value if value is None else value)] if code < 0x80 and value != () else []
        return self.device.separate(self.up, code, observe + list(options), payload, type)

    def events(self):
        """Those that have come since the last call, whole ones alone: {"id", "event", "data", "comment"}, as far as they have it."""
        self.proxy.settle()
        self.web.pull()
        *whole, _ = self.web.answer.body[self.read:].split(b"\n\n")
        self.read += sum(len(e) + 2 for e in whole)
        return [event_of(e.decode()) for e in whole]

    def event(self):
        """The next one, which is the only one."""
        event, = self.events()
        return event


def event_of(text):
    out = {}
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        assert name in ("", "id", "event", "data") and name not in out, text
        out[name or "comment"] = value.removeprefix(" ")
    if "data" in out:
        out["data"] = json.loads(out["data"])
    return out
