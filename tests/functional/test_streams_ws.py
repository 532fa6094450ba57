"""Origins over WebSockets (RFC 8323 4): what the gateway asks of a server, and what it does with what it gets."""

import base64
import hashlib
import select
import socket
import ssl
import struct

import pytest

import coap
from coap import POST, Message
from coap_stream import ABORT, CSM, OUR_CSM, PING, PONG, Connection, frame
from harness import Proxy, ask, free_port
from test_https import Files

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ROUTES = """
  fwd: { from = ["coap"]; forward-to = ["coap+ws://*:*", "coaps+ws://*:*"]; allow-networks = ["127.0.0.0/8"]; };
"""
TEXT, BINARY, CLOSE, WS_PING, WS_PONG = 1, 2, 8, 9, 10


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    f = Files(tmp_path_factory.mktemp("made"))
    f.make("device", "device", "ca", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    return f


def begin(directory, files):
    port = free_port()
    p = Proxy(directory, routes=ROUTES, listeners='coap: { url = "coap://127.0.0.1:%d"; };' % port, port=port,
              sections='upstream: { ca = "%s"; };' % files.ca_pem)
    return p


class Socket:
    """The server's end of a WebSocket: like a socket, for frames that say their length. It checks that the client masks, and counts what
    is no message."""

    def __init__(self, connected, split=False):
        self.inner, self.held, self.ready, self.others, self.split = connected, b"", b"", [], split
        self.masks = set()

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def fileno(self):
        return self.inner.fileno()

    def pending(self):
        return len(self.ready) or self._size() is not None or (self.inner.pending() if isinstance(self.inner, ssl.SSLSocket) else 0)

    def send_frame(self, opcode, payload, fin=True):
        length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + struct.pack(">H", len(payload))
        self.inner.sendall(bytes([(0x80 if fin else 0) | opcode]) + length + payload)

    def sendall(self, raw):
        """Each message in a frame of its own, without its length."""
        length = raw[0] >> 4
        extra = (0, 1, 2, 4)[max(0, length - 12)]
        whole = bytes([raw[0] & 15]) + raw[1 + extra:]
        if self.split and len(whole) > 2:
            self.send_frame(BINARY, whole[:2], fin=False)
            self.send_frame(0, whole[2:])
        else:
            self.send_frame(BINARY, whole)

    def _size(self):
        """(length of the first frame's body, bytes before its mask), or None if it is not whole."""
        if len(self.held) < 4:
            return None
        assert self.held[0] & 0x70 == 0 and self.held[1] & 0x80, "not masked, or an extension: %s" % self.held[:2].hex()
        length, at = self.held[1] & 127, 2
        if length == 126:
            length, at = struct.unpack(">H", self.held[2:4])[0], 4
        return None if len(self.held) < at + 4 + length else (length, at)

    def _take(self):
        size = self._size()
        if size is None:
            return None
        length, at = size
        mask, body = self.held[at:at + 4], self.held[at + 4:at + 4 + length]
        opcode, self.held = self.held[0] & 15, self.held[at + 4 + length:]
        self.masks.add(mask)
        return opcode, bytes(b ^ mask[i % 4] for i, b in enumerate(body))

    def recv(self, size):
        """Messages in the form that says their length."""
        while not self.ready:
            got = self._take()
            if got is None:
                more = self.inner.recv(size)
                if not more:
                    return b""
                self.held += more
            elif got[0] == BINARY:
                assert got[1][0] >> 4 == 0, "a length that is not 0: %s" % got[1][:4].hex()
                m = Message.parse(coap.head(coap.NON, got[1][1], 0, tkl=got[1][0] & 15) + got[1][2:])
                self.ready += frame(m)
            else:
                self.others.append(got)
                if got[0] == CLOSE:
                    return b""
        out, self.ready = self.ready, b""
        return out


class Server:
    """A scripted origin of WebSockets."""

    def __init__(self, proxy, tls=None, host="127.0.0.1"):
        self.proxy, self.tls = proxy, tls
        self.socket = socket.create_server((host, 0))
        self.host, self.port = self.socket.getsockname()[:2]
        self.connections, self.head = [], b""
        proxy.peers.append(self)

    @property
    def url(self):
        return "%s://%s:%d" % ("coaps+ws" if self.tls else "coap+ws", self.host, self.port)

    def close(self):
        self.socket.close()
        for c in self.connections:
            c.close()

    def accept(self):
        """A connection whose request for an upgrade has come: `head`."""
        assert select.select([self.socket], [], [], 3)[0], "no connection\n%s" % self.proxy.explain()
        c = self.socket.accept()[0]
        c.settimeout(3)
        if self.tls:
            c = self.tls.wrap_socket(c, server_side=True)
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            got = c.recv(1)
            assert got, self.head
            self.head += got
        self.connections.append(c)
        return c

    def fields(self):
        lines = self.head.decode().split("\r\n")
        return lines[0], {n.lower(): v.strip() for n, v in (line.split(":", 1) for line in lines[1:] if line)}

    def agreement(self, key=None, protocol="coap", status="101 Switching Protocols", more=""):
        key = self.fields()[1]["sec-websocket-key"] if key is None else key
        accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
        return ("HTTP/1.1 %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s\r\n" % (
            status, accept, "Sec-WebSocket-Protocol: %s\r\n" % protocol if protocol else "", more)).encode()

    def open(self, ahead=b"", csm=OUR_CSM, **kw):
        c = self.accept()
        c.sendall(self.agreement() + ahead)
        return Connection(self.proxy, Socket(c, **kw), csm=csm)


def secure(files):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(files.folder / "device.pem", files.folder / "device.key")
    c.set_alpn_protocols(["http/1.1"])
    return c


@pytest.mark.covers("C8323-4.1-1", "C8323-4.2-1", "C8323-9.2-1")
@pytest.mark.parametrize("tls", [False, True])
def test_an_origin_is_asked(gw, files, tls):
    c, server = gw.client(), Server(gw, secure(files) if tls else None)
    sent = c.send(ask(server, POST, payload=b"x" * 300))
    link = server.open()
    line, fields = server.fields()
    assert line == "GET /.well-known/coap HTTP/1.1"
    assert fields["host"] == "%s:%d" % (server.host, server.port)
    assert (fields["upgrade"].lower(), fields["connection"].lower()) == ("websocket", "upgrade")
    assert fields["sec-websocket-protocol"] == "coap" and fields["sec-websocket-version"] == "13"
    assert len(base64.b64decode(fields["sec-websocket-key"])) == 16 and "sec-websocket-extensions" not in fields
    up = link.recv()
    assert link.theirs.code == CSM and up.payload == b"x" * 300
    link.answer(up, coap.CHANGED, payload=b"y" * 900)
    down = c.recv()
    assert (down.code, down.token, down.payload) == (coap.CHANGED, sent.token, b"y" * 900)
    for n in range(3):
        c.send(ask(server, POST, payload=b"%d" % n))
        up = link.recv()
        link.answer(up, coap.CHANGED, payload=up.payload)
        assert c.recv().payload == b"%d" % n
    assert len(server.connections) == 1 and len(link.socket.masks) > 3


def test_messages_in_fragments_and_right_behind_the_agreement(gw):
    c, server = gw.client(), Server(gw)
    c.send(ask(server))
    csm = frame(Message(CSM, options=OUR_CSM, token=b""))[1:]
    whole = bytes([0]) + csm
    link = server.open(ahead=bytes([0x82, len(whole)]) + whole, csm=None, split=True)
    up = link.recv()
    link.answer(up, payload=b"z" * 50)
    assert c.recv().payload == b"z" * 50


@pytest.mark.covers("C8323-4.4-1")
def test_pings_are_those_of_coap(gw):
    c, server = gw.client(), Server(gw)
    c.send(ask(server))
    link = server.open()
    link.answer(link.recv())
    c.recv()
    link.socket.send_frame(WS_PING, b"there?")
    link.signal(PING, token=b"p")
    assert link.recv_signal(PONG).token == b"p"
    assert link.socket.others == [(WS_PONG, b"there?")]
    gw.advance(200_000)
    link.quiet()
    assert link.socket.others == [(WS_PONG, b"there?")]


@pytest.mark.covers("C8323-4.1-1")
@pytest.mark.parametrize("wrong", [
    {"protocol": None}, {"protocol": "mqtt"}, {"key": "x"}, {"status": "200 OK"}, {"status": "404 Not Found"},
    {"more": "Sec-WebSocket-Extensions: permessage-deflate\r\n"},
])
def test_a_server_that_does_not_agree(gw, wrong):
    c, server = gw.client(), Server(gw)
    c.send(ask(server))
    s = server.accept()
    s.sendall(server.agreement(**wrong))
    assert c.recv().code == coap.code("5.02")
    assert s.recv(1) == b""


@pytest.mark.covers("C8323-4.2-1")
def test_a_message_with_a_length(gw):
    c, server = gw.client(), Server(gw)
    c.send(ask(server))
    link = server.open()
    link.recv()
    link.socket.send_frame(BINARY, b"\x10\x45\xff")
    assert link.recv_signal(ABORT)
    assert c.recv().code == coap.code("5.04")


@pytest.mark.parametrize("what", ["close", "text", "end", "unmasked"])
def test_it_ends(gw, what):
    c, server = gw.client(), Server(gw)
    c.send(ask(server, POST))
    link = server.open()
    link.recv()
    if what == "close":
        link.socket.send_frame(CLOSE, struct.pack(">H", 1001))
    elif what == "text":
        link.socket.send_frame(TEXT, b"hello")
    elif what == "unmasked":
        link.socket.inner.sendall(b"\x82\x81abcd\0")
    else:
        link.close()
    assert c.recv().code == coap.code("5.04")
    if what != "end":
        link.quiet()
        assert CLOSE in [o for o, _ in link.socket.others]


def test_a_server_that_does_not_answer(gw):
    c, server = gw.client(), Server(gw)
    c.send(ask(server))
    server.accept()
    gw.settle()
    gw.advance(5_100)
    assert [m.code for m in c.pending() if m.code] == [coap.code("5.04")]


def test_names_stand_in_the_host_field(gw):
    """The same address by another name is another origin."""
    c, server = gw.client(), Server(gw)
    c.send(ask(server, host="localhost"))
    link = server.open()
    assert server.fields()[1]["host"] == "localhost:%d" % server.port
    link.answer(link.recv())
    assert c.recv().code == coap.CONTENT
    c.send(ask(server))
    link = server.open()
    assert server.fields()[1]["host"] == "%s:%d" % (server.host, server.port)
    link.answer(link.recv())
    assert c.recv().code == coap.CONTENT


