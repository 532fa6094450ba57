"""CoAP over connections (RFC 8323), as a client and as an origin: exact bytes, also ones that no honest peer would send.

Nothing is shared with the product. Messages are those of coap.py; type and Message ID mean nothing here.
"""

import select
import socket
import struct

import coap
from coap import FormatError, Message

WAIT = 3.0  # seconds of real time that a message may take once the proxy has settled
CSM, PING, PONG, RELEASE, ABORT = (coap.code("7.0%d" % n) for n in range(1, 6))
MAX_MESSAGE_SIZE, BLOCK_WISE, EXTENDED_TOKEN = 2, 4, 6  # of a CSM
CUSTODY, ALTERNATIVE_ADDRESS, HOLD_OFF, BAD_CSM_OPTION = 2, 2, 4, 2
OUR_CSM = ((MAX_MESSAGE_SIZE, 1 << 20), (BLOCK_WISE, b""), (EXTENDED_TOKEN, 65804))


def _length(value):
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    if value < 65805:
        return 14, struct.pack(">H", value - 269)
    return 15, struct.pack(">I", value - 65805)


def frame(message):
    """The bytes of a message as it goes over a connection."""
    token = message.token or b""
    body = coap.encode_options(message.options) + (b"\xff" + message.payload if message.payload else b"")
    length, length_more = _length(len(body))
    tkl, tkl_more = _length(len(token))
    return bytes([length << 4 | tkl]) + length_more + bytes([message.code]) + tkl_more + token + body


def _extended(raw, nibble, at):
    """(value, where it ends), or None if bytes are missing."""
    size = (0, 1, 2, 4)[max(0, nibble - 12)]
    if at + size > len(raw):
        return None
    return int.from_bytes(raw[at:at + size], "big") + (nibble if nibble < 13 else (13, 269, 65805)[nibble - 13]), at + size


def take_frame(raw):
    """The first message of these bytes and what is behind it, or None if it is not whole."""
    if len(raw) < 2:
        return None
    length, tkl = raw[0] >> 4, raw[0] & 15
    if tkl == 15:
        raise FormatError("TKL 15: %s" % raw[:40].hex())
    got = _extended(raw, length, 1)
    if got is None or got[1] >= len(raw):
        return None
    length, code_at = got
    got = _extended(raw, tkl, code_at + 1)
    if got is None:
        return None
    tkl, at = got
    end = at + tkl + length
    if end > len(raw):
        return None
    # the rest is written as in a datagram
    m = Message.parse(coap.head(coap.NON, raw[code_at], 0, raw[at:at + tkl]) + raw[at + tkl:end])
    m.raw = raw[:end]
    if frame(m) != m.raw:
        raise FormatError("not the shortest encoding: %s" % m.raw[:40].hex())
    return m, raw[end:]


class Connection:
    """One end of a connection of which the gateway has the other. csm: options of our CSM, or None to send none; tls: an
    ssl.SSLContext of the server's or client's side, name: the server's."""

    def __init__(self, proxy, connected, csm=OUR_CSM, tls=None, name=None, server=False):
        self.proxy, self.socket, self.held = proxy, connected, b""
        self.signals, self.theirs, self.ledger = [], None, []
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(WAIT)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=server, server_hostname=None if server else name)
        if csm is not None:
            self.send(Message(CSM, options=csm, token=b""))

    @property
    def address(self):
        return self.socket.getsockname()[:2]

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends it as a peer does that is switched off and comes back."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send_raw(self, raw):
        self.socket.sendall(raw)

    def send(self, message):
        if message.token is None:
            message.token = coap.token()
        self.send_raw(frame(message))
        return message

    def signal(self, code, options=(), token=b"", payload=b""):
        return self.send(Message(code, options=options, token=token, payload=payload))

    # what comes

    def _has_bytes(self, timeout):
        pending = getattr(self.socket, "pending", None)
        return bool(pending and pending()) or bool(select.select([self.socket], [], [], timeout)[0])

    def _read(self, timeout):
        """More bytes, b"" at the end, None if there are none in time."""
        if not self._has_bytes(timeout):
            return None
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def next(self, timeout=WAIT):
        """The next message, a signal or not; None at the end, or if none comes in time."""
        while True:
            got = take_frame(self.held)
            if got:
                m, self.held = got
                if m.code == CSM:
                    self.theirs = m
                self.ledger.append(m)
                return m
            if not self._has_bytes(0):
                self.proxy.settle()
            more = self._read(timeout)
            if not more:
                return None
            self.held += more

    def recv(self, timeout=WAIT):
        """The next message that is no signal; those that are gather in `signals`."""
        while True:
            m = self.next(timeout)
            if m is None:
                raise AssertionError("nothing came\n%s" % self.proxy.explain())
            if m.code >> 5 != 7:
                return m
            self.signals.append(m)

    def recv_signal(self, code, timeout=WAIT):
        """The next signal of this code; what comes before it must be signals, too."""
        while True:
            m = self.next(timeout)
            assert m is not None, "no signal %s\n%s" % (coap.code_text(code), self.proxy.explain())
            assert m.code >> 5 == 7, m
            if m.code == code:
                return m
            self.signals.append(m)

    def pending(self):
        """All messages that have come by now."""
        self.proxy.settle()
        out = []
        while True:
            m = self.next(0)
            if m is None:
                return out
            if m.code >> 5 == 7:
                self.signals.append(m)
            else:
                out.append(m)

    def quiet(self):
        got = self.pending()
        assert not got, "unexpected: %r" % got

    def is_closed(self, timeout=WAIT):
        """True if the gateway closes it, with nothing but signals before."""
        while self.next(timeout) is not None:
            assert self.ledger[-1].code >> 5 == 7, self.ledger[-1]
            self.signals.append(self.ledger[-1])
        assert not self.held, self.held
        self.socket.setblocking(False)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except (BlockingIOError, OSError):
            return False

    def ask(self, message, timeout=WAIT):
        self.send(message)
        return self.recv(timeout)

    def answer(self, request, code=coap.CONTENT, options=(), payload=b""):
        return self.send(Message(code, options=options, token=request.token, payload=payload))


def connect(proxy, to, host=None, **kw):
    """A client's connection; host: the address it comes from."""
    connection = Connection(proxy, socket.create_connection(to, WAIT, source_address=(host, 0) if host else None), **kw)
    proxy.peers.append(connection)
    return connection


class Origin:
    """A scripted origin that is connected to. `connections`: those it was asked for, in order."""

    def __init__(self, proxy, host, port=0, csm=OUR_CSM, tls=None):
        self.proxy, self.csm, self.tls = proxy, csm, tls
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, port))
        self.socket.listen(64)
        self.host, self.port = self.socket.getsockname()[:2]
        self.connections = []
        proxy.peers.append(self)

    @property
    def url(self):
        return "%s://%s:%d" % ("coaps+tcp" if self.tls else "coap+tcp", "[%s]" % self.host if ":" in self.host else self.host, self.port)

    def close(self):
        self.socket.close()
        for c in self.connections:
            c.close()

    def accept(self, timeout=WAIT, **kw):
        """The next connection that the gateway opens."""
        if not select.select([self.socket], [], [], 0)[0]:
            self.proxy.settle()
        if not select.select([self.socket], [], [], timeout)[0]:
            raise AssertionError("no connection\n%s" % self.proxy.explain())
        kw.setdefault("csm", self.csm)
        self.connections.append(Connection(self.proxy, self.socket.accept()[0], tls=self.tls, server=True, **kw))
        return self.connections[-1]

    def is_left_alone(self):
        self.proxy.settle()
        return not select.select([self.socket], [], [], 0)[0]
