"""A scripted HTTP origin for CoAP clients, in the tests' own thread: it answers when the test says so, well or badly."""

import select
import socket
import time

import coap
from coap import CON, Message
from harness import WAIT, fresh_address, in_brackets

PATIENCE = 5.0  # seconds of real time that bytes of a connection may take


class Request:
    """What came: method, target, fields (lower-case name -> list of values), body, and how that was framed."""

    def __init__(self, connection, head):
        lines = head.decode("latin-1").split("\r\n")
        self.connection, self.raw = connection, head
        self.method, self.target, self.version = lines[0].split(" ")
        self.fields, self.body = {}, b""
        for line in lines[1:]:
            name, value = line.split(":", 1)
            self.fields.setdefault(name.lower(), []).append(value.strip())

    def field(self, name):
        values = self.fields.get(name.lower(), [])
        assert len(values) <= 1, "%s stands there twice: %r" % (name, values)
        return values[0] if values else None


class Connection:
    def __init__(self, origin, sock):
        self.origin, self.socket, self.buffer, self.closed = origin, sock, b"", False

    def _more(self, timeout=PATIENCE):
        self.origin.proxy.settle()
        if not select.select([self.socket], [], [], timeout)[0]:
            raise AssertionError("nothing came over the connection, after %r\n%s" % (self.buffer[-200:], self.origin.proxy.explain()))
        try:
            got = self.socket.recv(1 << 16)
        except ConnectionResetError:
            got = b""
        self.closed = self.closed or not got
        self.buffer += got
        return bool(got)

    def _take(self, n):
        while len(self.buffer) < n:
            assert self._more(), "closed within a message: %r" % self.buffer
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def _line(self):
        while b"\r\n" not in self.buffer:
            assert self._more(), "closed within a line: %r" % self.buffer
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            assert self._more(), "closed before a request: %r" % self.buffer
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return Request(self, head)

    def chunk(self):
        size = int(self._line(), 16)
        data = self._take(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    def request(self):
        """The next request with its body."""
        r = self.head()
        if r.field("transfer-encoding") == "chunked":
            assert r.field("content-length") is None
            while True:
                chunk = self.chunk()
                r.body += chunk
                if not chunk:
                    break
        else:
            r.body = self._take(int(r.field("content-length") or 0))
        return r

    def say(self, data):
        self.socket.sendall(data)
        self.origin.proxy.settle()

    def answer(self, status=200, fields=(), body=b"", reason="Reason"):
        head = "HTTP/1.1 %d %s\r\n" % (status, reason)
        names = [name.lower() for name, _ in fields]
        if "content-length" not in names and "transfer-encoding" not in names and status not in (204, 304):
            fields = list(fields) + [("Content-Length", len(body))]
        head += "".join("%s: %s\r\n" % f for f in fields) + "\r\n"
        self.say(head.encode("latin-1") + body)

    def close(self):
        self.socket.close()
        self.origin.proxy.settle()

    def is_closed(self, timeout=PATIENCE):
        until = time.monotonic() + timeout
        while not self.closed and time.monotonic() < until:
            self.origin.proxy.settle()
            if select.select([self.socket], [], [], 0.05)[0]:
                self._more(0)
        return self.closed


class Origin:
    def __init__(self, proxy, host=None, port=0, scheme="http"):
        self.proxy, self.host, self.scheme = proxy, host or fresh_address(), scheme
        self.socket = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((self.host, port))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        self.connections = []

    @property
    def url(self):
        return "%s://%s:%d" % (self.scheme, in_brackets(self.host), self.port)

    def accept(self, timeout=WAIT):
        self.proxy.settle()
        if not select.select([self.socket], [], [], timeout)[0]:
            raise AssertionError("nobody connects\n%s" % self.proxy.explain())
        sock, _ = self.socket.accept()
        self.connections.append(Connection(self, sock))
        return self.connections[-1]

    def request(self):
        """The next request over any connection."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            self.proxy.settle()
            live = [c for c in self.connections if c.socket.fileno() >= 0 and not c.closed]
            ready = select.select([self.socket] + [c.socket for c in live], [], [], 0.05)[0]
            if self.socket in ready:
                self.accept()
                continue
            for c in live:
                if c.socket in ready and c._more(0):
                    return c.request()
        raise AssertionError("no request came\n%s" % self.proxy.explain())

    def quiet(self):
        self.proxy.settle()
        live = [c.socket for c in self.connections if c.socket.fileno() >= 0 and not c.closed]
        for s in select.select([self.socket] + live, [], [], 0.05)[0]:
            assert s is not self.socket, "somebody connects"
            assert not s.recv(65536, socket.MSG_PEEK), "a request came"

    def close(self):
        for c in self.connections:
            c.socket.close()
        self.socket.close()


class WebPair:
    """A CoAP client and an HTTP origin of their own, and the gateway between them."""

    def __init__(self, proxy, form="uri", client=None, origin=None):
        self.proxy, self.form = proxy, form
        self.client = client or proxy.client()
        self.origin = origin or Origin(proxy)
        if origin is None:
            proxy.peers.append(self.origin)

    def target(self, path=(), query=()):
        options = [(coap.URI_PATH, p) for p in path] + [(coap.URI_QUERY, q) for q in query]
        if self.form == "uri":
            return [(coap.PROXY_URI, self.origin.url + "".join("/" + p for p in path) + ("?" + "&".join(query) if query else ""))]
        if self.form == "reverse":
            return options
        return [(coap.PROXY_SCHEME, self.origin.scheme), (coap.URI_HOST, self.origin.host), (coap.URI_PORT, self.origin.port)] + options

    def message(self, code=coap.GET, path=("p",), query=(), options=(), payload=b"", type=CON):
        return Message(code, type, None, None, self.target(path, query) + list(options), payload)

    def send(self, *args, **kw):
        return self.client.send(self.message(*args, **kw))

    def forward(self, *args, **kw):
        """Sends a request; returns it and what the origin received."""
        sent = self.send(*args, **kw)
        return sent, self.origin.request()

    def hear(self, sent):
        """The answer to what was sent; an Empty ACK before it is passed over, a CON acknowledged."""
        m = self.client.recv(PATIENCE)
        if m.code == 0 and m.type == coap.ACK:
            m = self.client.recv(PATIENCE)
        assert m.token == sent.token, (sent, m)
        if m.type == CON:
            self.client.ack(m)
        return m

    def exchange(self, *args, status=200, fields=(), body=b"", **kw):
        """The whole way: (request, request of HTTP, response)."""
        sent, up = self.forward(*args, **kw)
        up.connection.answer(status, fields, body)
        return sent, up, self.hear(sent)

    def refused(self, *args, **kw):
        sent = self.send(*args, **kw)
        down = self.hear(sent)
        self.origin.quiet()
        return down

    def block(self, num, szx=6, path=("p",), code=coap.GET, options=(), **kw):
        """Asks for one block of the answer."""
        return self.ask(code, path, options=list(options) + [(coap.BLOCK2, coap.block(num, False, szx))], **kw)

    def ask(self, *args, **kw):
        return self.hear(self.send(*args, **kw))

    def ask_raw(self, code=coap.GET, options=(), payload=b"", type=CON):
        """A request with no options but these."""
        return self.hear(self.client.send(Message(code, type, None, None, list(options), payload)))
