"""An HTTP client that reads exact bytes: what the gateway writes must be HTTP/1.1 to the letter (RFC 9112), or the test fails.

Nothing is shared with the product, and nothing is forgiven: neither a bare line feed nor a byte too many.
"""

import re
import select
import socket
import ssl
import struct

from coap import ACK, CON, CONTENT, FormatError

WAIT = 2.0  # seconds of real time that an answer may take once the proxy has settled
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)\Z")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ ]([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?\Z")
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT\Z")
PROXY_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CHUNK_SIZE = re.compile(rb"[1-9a-f][0-9a-f]*\Z|0\Z")
# No answer may have two of them.
SINGLE = ("content-type", "content-length", "content-encoding", "transfer-encoding", "cache-control", "etag", "location", "retry-after",
          "date", "connection", "allow", "oscore", "access-control-allow-origin", "preference-applied")


class Answer:
    """A response as it stood: status, reason, fields in order, body, how it was framed, and the bytes of its head."""

    def __init__(self, head):
        first, *lines = head.split(b"\r\n")
        match = STATUS_LINE.match(first)
        if not match:
            raise FormatError("no status line: %r" % first)
        self.head = head
        self.status, self.reason = int(match.group(1)), match.group(2).decode()
        self.fields, self.body, self.framing, self.chunks = [], b"", None, []
        for line in lines:
            match = FIELD.match(line)
            if not match:
                raise FormatError("no field: %r" % line)
            self.fields.append((match.group(1).decode(), (match.group(2) or b"").decode()))
        for name in SINGLE:
            if len(self.all(name)) > 1:
                raise FormatError("%s more than once: %r" % (name, head))
        if self.status >= 200 and not DATE.match(self.get("date") or ""):
            raise FormatError("no date: %r" % head)

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        assert len(values) <= 1, values
        return values[0] if values else None

    def has(self, name):
        return bool(self.all(name))

    @property
    def text(self):
        return self.body.decode()

    @property
    def closes(self):
        return (self.get("connection") or "").lower() == "close" or self.framing == "close"

    def __repr__(self):
        return "<%d %s %r %r>" % (self.status, self.reason, self.fields, self.body[:80])


def request_bytes(method, target, fields=(), body=None, host="gw.example"):
    """A request. fields: pairs, or names to values; a body that is bytes has its length, one that is a list goes in chunks."""
    fields = list(fields.items() if isinstance(fields, dict) else fields)
    names = [n.lower() for n, _ in fields]
    lines = ["%s %s HTTP/1.1" % (method, target)]
    if "host" not in names:
        lines.append("Host: " + host)
    lines += ["%s: %s" % f for f in fields]
    tail = b""
    if isinstance(body, list):
        lines.append("Transfer-Encoding: chunked")
        tail = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in body) + b"0\r\n\r\n"
    elif body is not None:
        lines.append("Content-Length: %d" % len(body))
        tail = body
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + tail


def proxy_header(source, port, command=1, family=0x11, target="10.9.9.9", more=b""):
    """PROXY protocol, version 2: a connection of that client."""
    kind = socket.AF_INET6 if ":" in source else socket.AF_INET
    addresses = socket.inet_pton(kind, source) + socket.inet_pton(kind, target) + struct.pack(">HH", port, 443)
    return PROXY_SIGNATURE + struct.pack(">BBH", 0x20 | command, family, len(addresses) + len(more)) + addresses + more


class HttpClient:
    """One connection. host: the address it comes from; tls: an ssl.SSLContext for https, name: the server's."""

    def __init__(self, proxy, to, host=None, tls=None, name="gw.example", prefix=b""):
        self.proxy, self.held, self.asked = proxy, b"", []
        self.socket = socket.create_connection(to, WAIT * 5, source_address=(host, 0) if host else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(prefix)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=name)
        self.host, self.port = self.socket.getsockname()[:2]

    def close(self):
        self.socket.close()

    # what goes out

    def send_raw(self, raw):
        self.socket.sendall(raw)

    def send(self, method, target, fields=(), body=None, **kw):
        """Sends a request without waiting for anything."""
        self.asked.append(method)
        self.send_raw(request_bytes(method, target, fields, body, **kw))

    def ask(self, method, target, fields=(), body=None, **kw):
        """Sends a request and reads its answer: for those that no device is asked for."""
        self.send(method, target, fields, body, **kw)
        return self.recv()

    # what comes in

    def _more(self, timeout):
        """Reads what is there; False at the end."""
        pending = isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()
        if not pending and not select.select([self.socket], [], [], 0)[0]:
            self.proxy.settle()
        if not pending and not select.select([self.socket], [], [], timeout)[0]:
            raise AssertionError("nothing came to %s:%d, held %r\n%s" % (self.host, self.port, self.held, self.proxy.explain()))
        piece = self.socket.recv(1 << 16)
        self.held += piece
        return bool(piece)

    def _until(self, mark, timeout):
        while mark not in self.held:
            if not self._more(timeout):
                raise EOFError("ended within %r" % self.held)
        piece, self.held = self.held.split(mark, 1)
        return piece

    def _exactly(self, count, timeout):
        while len(self.held) < count:
            if not self._more(timeout):
                raise EOFError("ended with %d of %d bytes" % (len(self.held), count))
        piece, self.held = self.held[:count], self.held[count:]
        return piece

    def _chunks(self, answer, timeout):
        while True:
            size = self._until(b"\r\n", timeout)
            if not CHUNK_SIZE.match(size):
                raise FormatError("chunk size %r" % size)
            count = int(size, 16)
            if count:
                answer.chunks.append(self._exactly(count, timeout))
            if self._exactly(2, timeout) != b"\r\n":
                raise FormatError("no end behind a chunk")
            if not count:
                return b"".join(answer.chunks)

    def recv_head(self, timeout=WAIT):
        """Status line and fields of the next answer; what follows is left to read_body()."""
        answer = Answer(self._until(b"\r\n\r\n", timeout))
        if answer.status >= 200:
            answer.method = self.asked.pop(0) if self.asked else None
        return answer

    def read_body(self, answer, timeout=WAIT):
        length, coding = answer.get("content-length"), answer.get("transfer-encoding")
        empty = answer.method == "HEAD" or answer.status < 200 or answer.status in (204, 304)
        if length is not None and (coding or answer.status < 200 or answer.status == 204 or not re.fullmatch("0|[1-9][0-9]*", length)):
            raise FormatError("framing: %r" % answer.fields)
        if coding not in (None, "chunked") or (coding and empty):
            raise FormatError("transfer coding: %r" % answer.fields)
        if empty:
            answer.framing = "empty"
        elif coding:
            answer.framing = "chunked"
            answer.body = self._chunks(answer, timeout)
        elif length is not None:
            answer.framing = "length"
            answer.body = self._exactly(int(length), timeout)
        else:
            answer.framing = "close"
            while self._more(timeout):
                pass
            answer.body, self.held = self.held, b""
        return answer

    def recv(self, timeout=WAIT):
        """The next final answer, whole."""
        while True:
            answer = self.recv_head(timeout)
            if answer.status >= 200:
                return self.read_body(answer, timeout)

    def quiet(self):
        """Fails if anything came, or if the gateway closed."""
        self.proxy.settle()
        ready = select.select([self.socket], [], [], 0)[0]
        assert not self.held and not ready, "unexpected: %r" % (self.held or self.socket.recv(1000))

    def closed(self, timeout=WAIT):
        """Fails unless the gateway ends the connection without another byte."""
        try:
            more = self._more(timeout)
        except ConnectionResetError:
            more = False
        assert not more and not self.held, "unexpected: %r" % self.held


class WebPair:
    """A connection of an HTTP client and a device of their own. `form` makes a request target out of the device's URL and a path."""

    def __init__(self, proxy, form="/hc/%s%s", client=None, device=None, **kw):
        self.proxy, self.form = proxy, form
        self.client = client or proxy.http_client(**kw)
        self.device = device or proxy.device()

    def target(self, path="/p"):
        return self.form % (self.device.url, path)

    def send(self, method="GET", path="/p", fields=(), body=None):
        self.client.send(method, self.target(path), fields, body)

    def forward(self, *args, **kw):
        """Sends a request and returns what the device received."""
        self.send(*args, **kw)
        up = self.device.recv()
        assert up.type == CON
        return up

    def answer(self, up, code=CONTENT, options=(), payload=b""):
        """The device answers, the client reads."""
        assert self.device.piggyback(up, code, options, payload).type == ACK
        return self.client.recv()

    def exchange(self, *args, answer=CONTENT, answer_options=(), answer_payload=b"", **kw):
        """The whole way; returns (request at the device, answer at the client)."""
        up = self.forward(*args, **kw)
        return up, self.answer(up, answer, answer_options, answer_payload)

    def refused(self, *args, **kw):
        """Sends a request that must not reach the device; returns the answer."""
        self.send(*args, **kw)
        answer = self.client.recv()
        self.device.quiet()
        return answer
