"""The proxy under test, the clients and the devices around it.

Everything runs in one thread: a test sends as a client, receives as a device, answers, receives as a client. The proxy is
the test build, whose clock stands still until `advance` moves it; `settle` returns when the proxy has handled all that
had arrived, so "nothing comes" is known at once and nothing sleeps.
"""

import os
import pathlib
import random
import re
import select
import signal
import socket
import struct
import subprocess
import time

import coap
from coap import ACK, CON, NON, RST, Message
from http_client import HttpClient

BUILD = pathlib.Path(os.environ.get("OSCORE_PROXY_BUILD") or os.environ.get("B", "build") + "/test")
if not BUILD.is_absolute():
    BUILD = pathlib.Path(__file__).resolve().parents[2] / BUILD
WORKERS = int(os.environ.get("OSCORE_PROXY_WORKERS") or 1)
# For tests of what each worker has of its own: its tables, its part of a memory, its names.
ONE_WORKER = '\nprocess: { workers = 1; user = ""; };\n'
WAIT = 1.0  # seconds of real time that a datagram may take once the proxy has settled
SANITIZER = re.compile(r"ERROR: \w*Sanitizer|runtime error:|SUMMARY: \w*Sanitizer|== ?ERROR")
READY = re.compile(r"workers? (is|are) ready$", re.M)
REVERSE_ROUTES = 40

_addresses = iter(range(1, 1 << 15))
_second_octet = 16 + (os.getpid() % 200)
_ports = set()  # that were given out


def fresh_address():
    """An address of 127/8 that no other test of this run has used."""
    n = next(_addresses)
    return "127.%d.%d.%d" % (_second_octet, n >> 7, 1 + (n & 127))


def _new_port():
    """One that no other listener of this run was told, while there are some."""
    for _ in range(50):
        port = random.randrange(20000, 32000)
        if port not in _ports:
            break
    _ports.add(port)
    return port


def free_port(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(200):
        port = _new_port()
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            try:
                s.bind((host, port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


def free_tcp_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as s:
        for _ in range(200):
            try:
                s.bind((host, _new_port()))
                return s.getsockname()[1]
            except OSError:
                continue
    raise RuntimeError("no free port")


def in_brackets(host):
    return "[%s]" % host if ":" in host else host


class Peer:
    """A socket that speaks CoAP; `ledger` keeps every message it received, in order."""

    def __init__(self, proxy, host=None, port=0):
        host = host or fresh_address()
        self.proxy = proxy
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((host, port))
        self.host, self.port = self.socket.getsockname()[:2]
        self.ledger = []
        self.next_mid = random.randrange(65536)

    def take_mid(self):
        self.next_mid = (self.next_mid + 1) & 0xFFFF
        return self.next_mid

    def close(self):
        self.socket.close()

    def send_raw(self, raw, to):
        self.socket.sendto(raw, to)

    def _read(self):
        raw, source = self.socket.recvfrom(70000)
        m = Message.parse(raw)
        m.source = source[:2]
        assert m.encode() == raw, "not the shortest encoding: %s" % raw.hex()
        self.ledger.append(m)
        return m

    def recv(self, timeout=WAIT):
        """The next message; fails the test if none comes."""
        if not select.select([self.socket], [], [], 0)[0]:
            self.proxy.settle()
        if not select.select([self.socket], [], [], timeout)[0]:
            raise AssertionError("nothing came to %s:%d\n%s" % (self.host, self.port, self.proxy.explain()))
        return self._read()

    def pending(self):
        """Everything that has arrived by now, without waiting."""
        self.proxy.settle()
        out = []
        while select.select([self.socket], [], [], 0)[0]:
            out.append(self._read())
        return out

    def quiet(self):
        """Fails if anything came."""
        got = self.pending()
        assert not got, "unexpected: %r" % got


class Client(Peer):
    def __init__(self, proxy, host=None, port=0, to=None):
        super().__init__(proxy, host, port)
        self.to = to or proxy.address

    def send(self, message):
        """Sends it (Message ID and token are filled in if missing) and returns it."""
        if isinstance(message, bytes):
            self.send_raw(message, self.to)
            return message
        if message.mid is None:
            message.mid = self.take_mid()
        if message.token is None:
            message.token = coap.token()
        self.send_raw(message.encode(), self.to)
        return message

    def ask(self, message, timeout=WAIT):
        """Sends a request and returns the next message that comes."""
        self.send(message)
        return self.recv(timeout)

    def ack(self, message):
        self.send_raw(coap.empty(ACK, message.mid), self.to)

    def reset(self, message):
        self.send_raw(coap.empty(RST, message.mid), self.to)


class Device(Peer):
    """A scripted origin."""

    @property
    def url(self):
        return "coap://%s:%d" % (in_brackets(self.host), self.port)

    def ack(self, request):
        self.send_raw(coap.empty(ACK, request.mid), request.source)

    def reset(self, message):
        self.send_raw(coap.empty(RST, message.mid), message.source)

    def piggyback(self, request, code=coap.CONTENT, options=(), payload=b"", token=None):
        """The response in the ACK."""
        m = Message(code, ACK, request.mid, request.token if token is None else token, options, payload)
        self.send_raw(m.encode(), request.source)
        return m

    def separate(self, request, code=coap.CONTENT, options=(), payload=b"", type=CON, mid=None, token=None):
        """A response, or a notification, in a message of its own."""
        m = Message(code, type, self.take_mid() if mid is None else mid, request.token if token is None else token,
                    options, payload)
        self.send_raw(m.encode(), request.source)
        return m

    def answer(self, request, code=coap.CONTENT, options=(), payload=b""):
        """Piggybacked for CON, NON for NON."""
        if request.type == CON:
            return self.piggyback(request, code, options, payload)
        return self.separate(request, code, options, payload, type=NON)

    def distinct(self):
        """The requests received so far without their repeats."""
        seen, out = set(), []
        for m in self.ledger:
            key = (m.source, m.mid)
            if m.code and m.code < 32 and key not in seen:
                seen.add(key)
                out.append(m)
        return out


class NameServer:
    """A DNS server that answers when the test says so."""

    def __init__(self, proxy_settle=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((fresh_address(), 0))
        self.host, self.port = self.socket.getsockname()
        self.queries = []

    def close(self):
        self.socket.close()

    @staticmethod
    def _name(raw):
        at, labels = 12, []
        while raw[at]:
            labels.append(raw[at + 1:at + 1 + raw[at]].decode())
            at += 1 + raw[at]
        return ".".join(labels), struct.unpack(">H", raw[at + 1:at + 3])[0], at + 5

    def take(self, timeout=WAIT):
        """The next query: (name, type, raw, source); None if there is none."""
        if not select.select([self.socket], [], [], timeout)[0]:
            return None
        raw, source = self.socket.recvfrom(2048)
        name, kind, end = self._name(raw)
        self.queries.append((name.lower(), kind))
        return name, kind, raw[:end], source

    def answer(self, query, addresses=(), ttl=60, rcode=0):
        name, kind, raw, source = query
        family, size = (socket.AF_INET6, 28) if kind == 28 else (socket.AF_INET, 1)
        packed = [socket.inet_pton(family, a) for a in addresses if (":" in a) == (kind == 28)]
        head = raw[:2] + struct.pack(">HHHHH", 0x8180 | rcode, 1, len(packed), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", size, 1, ttl, len(p)) + p for p in packed)
        self.socket.sendto(head + raw[12:] + body, source)

    def serve(self, zone, ttl=60, first=WAIT):
        """Answers what comes from a table name -> list of addresses (absent: no such name) until it is quiet."""
        served, query = 0, self.take(first)
        while query:
            addresses = zone.get(query[0].lower())
            self.answer(query, addresses or (), ttl, 0 if addresses is not None else 3)
            served, query = served + 1, self.take(0.15)
        return served


DEFAULT_ROUTE = """
  fwd: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };
"""
# Whoever asks over HTTP may, and may ask every device there is.
ANYBODY = 'from = ["web"]; authenticate = "none"; allow-networks = ["127.0.0.0/8", "::1"];'
WEB_ROUTES = """
  web: { %s http-path = "/hc/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; };
""" % ANYBODY


class Proxy:
    """One running `oscore-proxy -c FILE --steer SOCKET`.

    routes, sections: texts put into the file; listeners: texts or None for one listener `coap` on `address`. web: settings of a further
    listener `web` of HTTP on `web_address`, or None; secure: it is one of https.
    """

    def __init__(self, directory, routes=DEFAULT_ROUTE, sections="", listeners=None, reverse=0, host="127.0.0.1",
                 port=None, web=None, secure=False):
        self.directory = pathlib.Path(directory)
        self.process = None
        self.peers = []
        self.now = 0
        self.host, self.port = host, port or free_port(host)
        self.address = (host, self.port)
        self.reverse_port = random.randrange(32100, 32700)
        self.reverse_used = 0
        self.reverse_hosts = [fresh_address() for _ in range(reverse)]
        routes = "".join('  r%d: { from = ["coap"]; hosts = ["r%d.example"]; to = ["coap://%s:%d"]; };\n' %
                         (i, i, h, self.reverse_port) for i, h in enumerate(self.reverse_hosts)) + routes
        listeners = listeners or 'coap: { url = "coap://%s:%d"; };' % (in_brackets(host), self.port)
        self.web_address = (host, free_tcp_port(host))
        if web is not None:
            listeners += ' web: { url = "%s://%s:%d"; %s };' % ("https" if secure else "http", in_brackets(host), self.web_address[1], web)
        if not re.search(r"^\s*process\s*[:=]", sections, re.M):
            sections += '\nprocess: { workers = %d; user = ""; };\n' % WORKERS
        self.config = self.directory / "proxy.conf"
        self.config.write_text("listeners: { %s };\nroutes: {\n%s};\n%s\n" % (listeners, routes, sections))
        self.log = self.directory / "stderr"
        self.steer_path = self.directory / "steer"
        self._start()

    def _start(self):
        binary = BUILD / "oscore-proxy"
        assert binary.exists(), "%s is missing: build it first" % binary
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:exitcode=99",
                           UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=0")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(binary), "-c", str(self.config), "--steer", str(self.steer_path)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        until = time.monotonic() + 20
        while not READY.search(self.explain()):
            if self.process.poll() is not None:
                raise AssertionError("the proxy ended at once\n%s\n%s" % (self.config.read_text(), self.explain()))
            if time.monotonic() > until:
                self.process.kill()
                raise AssertionError("the proxy is not ready\n%s" % self.explain())
            time.sleep(0.01)
        # bound by the directory's descriptor, as a path of this kind holds 107 bytes at most
        self.steer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            self.steer.connect("/proc/self/fd/%d/steer" % descriptor)
        finally:
            os.close(descriptor)
        self.steer.settimeout(120)
        self.lines = self.steer.makefile("rb")
        self.command("now")

    def explain(self):
        return self.log.read_text(errors="replace")

    # the steered clock

    def command(self, text):
        try:
            self.steer.sendall(text.encode() + b"\n")
            line = self.lines.readline().decode().strip()
        except OSError as e:
            line = str(e)
        if self.process.poll() is not None or not line:
            raise AssertionError("the proxy died at %r: %s\n%s" % (text, line, self.explain()))
        words = line.split()
        if words[0] == "ok" and len(words) > 1 and words[1].isdigit():
            self.now = int(words[1])
        assert words[0] != "error", "%s: %s" % (text, line)
        return line

    def settle(self):
        self.command("settle")

    def advance(self, milliseconds):
        self.command("advance %d" % milliseconds)

    def stall(self, milliseconds):
        """Time passes at once, as if the process had been stopped: what was due meanwhile runs late."""
        self.command("stall %d" % milliseconds)

    def faults(self, **settings):
        self.command("faults " + " ".join("%s=%s" % s for s in settings.items()))

    def counters(self, worker=None):
        """Of all workers, or of one."""
        out, line = {}, self.command("counters" if worker is None else "counters %d" % worker)
        while line != ".":
            name, value = line.split()
            out[name] = int(value)
            line = self.lines.readline().decode().strip()
        return out

    def state(self):
        return {k: int(v) for k, v in (w.split("=") for w in self.command("state").split())}

    def watch(self, milliseconds, *peers, step=100, each=None):
        """Moves time in small steps; returns (milliseconds since the start, peer, message) of all that came. `each` is
        called for each as it comes, and may answer."""
        out = []

        def look(at):
            for p in peers:
                for m in p.pending():
                    out.append((at, p, m))
                    if each:
                        each(p, m)
            if each:
                self.settle()

        look(0)
        at = 0
        while at < milliseconds:
            width = min(step, milliseconds - at)
            self.advance(width)
            at += width
            look(at)
        return out

    # peers

    def client(self, host=None, port=0, to=None):
        self.peers.append(Client(self, host, port, to))
        return self.peers[-1]

    def device(self, host=None, port=0):
        self.peers.append(Device(self, host, port))
        return self.peers[-1]

    def http_client(self, host=None, to=None, **kw):
        """A connection to the listener `web`."""
        self.peers.append(HttpClient(self, to or self.web_address, host, **kw))
        return self.peers[-1]

    def close_peers(self):
        for p in self.peers:
            p.close()
        self.peers = []

    def reverse(self):
        """A reverse route that nothing has used yet: (its host name, its device)."""
        index = self.reverse_used
        self.reverse_used += 1
        return "r%d.example" % index, self.device(self.reverse_hosts[index], self.reverse_port)

    # the end

    def check(self):
        """Fails if the process is gone or a sanitizer spoke."""
        assert self.process.poll() is None, "the proxy died\n%s" % self.explain()
        assert not SANITIZER.search(self.explain()), self.explain()

    def _wait_for_the_end(self):
        """Until what is under way is answered; what never will be is given up when drain-timeout is over."""
        for patience in (0.3, 20):
            try:
                self.process.wait(patience)
                return
            except subprocess.TimeoutExpired:
                try:
                    self.steer.sendall(b"advance 3600000\n")
                except OSError:
                    pass
        self.process.kill()
        self.process.wait()
        raise AssertionError("the proxy does not end on SIGTERM\n%s" % self.explain())

    def stop(self, drained=True):
        """Ends the process. Unless told otherwise nothing may be left under way after ten minutes without traffic."""
        left = None
        try:
            if drained and self.process.poll() is None:
                self.close_peers()
                self.advance(600_000)
                left = self.state()
        finally:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                self._wait_for_the_end()
            self.steer.close()
            self.close_peers()
        assert not SANITIZER.search(self.explain()), self.explain()
        assert self.process.returncode == 0, "exit status %s\n%s" % (self.process.returncode, self.explain())
        if left:
            assert left["exchanges"] or not left.get("buffers"), "copies of messages are left: %r" % left
            assert left["exchanges"] == left["observations"] and left["deliveries"] == 0, "left under way: %r" % left


def target(origin, path="p", scheme=None, host=None):
    """Options that name a resource of a scripted origin."""
    named = [(coap.PROXY_SCHEME, scheme or origin.url.split(":")[0]), (coap.URI_HOST, host or origin.host), (coap.URI_PORT, origin.port)]
    return named + ([(coap.URI_PATH, path)] if path else [])


def ask(origin, code=coap.GET, options=(), payload=b"", path="p", scheme=None, host=None, **kw):
    """A request for it; `kw`: type, mid, token."""
    return Message(code, options=target(origin, path, scheme, host) + list(options), payload=payload, **kw)


class Pair:
    """A client and a device of their own, and the proxy between them."""

    def __init__(self, proxy, form="scheme", client=None, device=None, host=None):
        self.proxy, self.form, self.host = proxy, form, host
        self.client = client or proxy.client()
        self.device = device or proxy.device()

    def target(self, path=(), query=()):
        """Options that name the device's resource in this pair's form."""
        options = [(coap.URI_PATH, p) for p in path] + [(coap.URI_QUERY, q) for q in query]
        if self.form == "uri":
            text = self.device.url + "".join("/" + p for p in path) + ("?" + "&".join(query) if query else "")
            return [(coap.PROXY_URI, text)]
        if self.form == "reverse":
            return [(coap.URI_HOST, self.host)] + options
        return [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, self.device.host),
                (coap.URI_PORT, self.device.port)] + options

    def request(self, code=coap.GET, path=("p",), query=(), options=(), payload=b"", type=CON, token=None, mid=None):
        return Message(code, type, mid, token, self.target(path, query) + list(options), payload)

    def send(self, *args, **kw):
        return self.client.send(self.request(*args, **kw))

    def forward(self, *args, **kw):
        """Sends a request; returns it and what the device received."""
        sent = self.send(*args, **kw)
        return sent, self.device.recv()

    def exchange(self, *args, answer=coap.CONTENT, answer_options=(), answer_payload=b"", **kw):
        """The whole way; returns (request, request upstream, response)."""
        sent, up = self.forward(*args, **kw)
        self.device.answer(up, answer, answer_options, answer_payload)
        down = self.client.recv()
        assert down.token == sent.token
        return sent, up, down

    def refused(self, *args, **kw):
        """Sends a request that must not reach the device; returns the answer."""
        sent = self.send(*args, **kw)
        down = self.client.recv()
        assert down.token == sent.token, (sent, down)
        if sent.type == CON:
            assert (down.type, down.mid) == (ACK, sent.mid)
        else:
            assert down.type == NON
        self.device.quiet()
        self.client.quiet()
        return down

    def quiet(self):
        self.device.quiet()
        self.client.quiet()


def oscore_request(pair, option=bytes.fromhex("090525"), payload=b"\x01" * 24, code=coap.POST, options=(), **kw):
    """A request that looks like OSCORE to whoever has no key."""
    return pair.request(code, path=(), options=[(coap.OSCORE, option)] + list(options), payload=payload, **kw)


def run_proxy(*arguments, input=None, timeout=30):
    """Runs the program to its end; returns (status, standard output, standard error)."""
    done = subprocess.run([str(BUILD / "oscore-proxy"), *map(str, arguments)], input=input, capture_output=True, text=True,
                          timeout=timeout)
    return done.returncode, done.stdout, done.stderr
