"""WebSockets with CoAP in them (RFC 6455, RFC 8323 4), as a client and as an origin that forgive nothing: over connections of http_client."""

import base64
import hashlib
import os
import select
import socket
import struct

import coap
from coap import FormatError
from http_client import WAIT, HttpClient

PATH = "/.well-known/coap"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CSM, COAP_PING, COAP_PONG, RELEASE, ABORT = (coap.code("7.0%d" % n) for n in range(1, 6))
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def new_key():
    return base64.b64encode(os.urandom(16)).decode()


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def upgrade_fields(key=None, without=(), **changed):
    """The fields that ask for a WebSocket. changed: others instead, by their names with _ for -; without: names that are left out."""
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "coap",
              "Sec-WebSocket-Key": key or new_key()}
    fields.update({name.replace("_", "-"): value for name, value in changed.items()})
    return [(n, v) for n, v in fields.items() if n not in without]


def frame(payload, opcode=BINARY, fin=True, mask=True, length=None):
    """A frame; a client's are masked."""
    size = len(payload) if length is None else length
    out = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if mask else 0
    if size < 126:
        out += bytes([bit | size])
    elif size < 1 << 16:
        out += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        out += bytes([bit | 127]) + struct.pack(">Q", size)
    if not mask:
        return out + payload
    key = os.urandom(4)
    return out + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def message(code, token=b"", options=(), payload=b""):
    """A message of CoAP as a WebSocket has it (RFC 8323 4.2)."""
    start = coap.head(coap.NON, code, 0, token)
    out = bytes([start[0] & 15, code]) + start[4:] + coap.encode_options(options)
    return out + b"\xff" + payload if payload else out


class End:
    """One end of a WebSocket, over this connection."""

    masks = True  # a client's frames are masked, a server's are not
    keys = ()     # by which those that came were

    def __init__(self, http):
        self.http = http

    # out

    def send_frame(self, payload, opcode=BINARY, **kw):
        self.http.send_raw(frame(payload, opcode, **{"mask": self.masks, **kw}))

    def send(self, code, token=b"", options=(), payload=b""):
        self.send_frame(message(code, token, options, payload))

    # in

    def recv_frame(self, timeout=WAIT):
        """(opcode, payload) of the next frame."""
        first, second = self.http._exactly(2, timeout)
        if first & 0x70 or not first & 0x80:
            raise FormatError("reserved bits, or a fragment: %02x" % first)
        if bool(second & 0x80) == self.masks:
            raise FormatError("masked by a server, or not by a client: %02x %02x" % (first, second))
        size = second & 127
        if size > 125:
            size = int.from_bytes(self.http._exactly(2 if size == 126 else 8, timeout), "big")
            if size < 126:
                raise FormatError("a length that is not in its shortest form")
        if first & 8 and size > 125:
            raise FormatError("a control frame of %d bytes" % size)
        key = b"" if self.masks else self.http._exactly(4, timeout)
        self.keys += (key,)
        payload = self.http._exactly(size, timeout)
        return first & 15, bytes(b ^ key[i % 4] for i, b in enumerate(payload)) if key else payload

    def recv(self, timeout=WAIT):
        """The next message of CoAP."""
        opcode, raw = self.recv_frame(timeout)
        if opcode != BINARY:
            raise FormatError("opcode %d with %r, not a message" % (opcode, raw))
        if len(raw) < 2 or raw[0] >> 4:
            raise FormatError("no message: %s" % raw.hex())
        return coap.Message.parse(bytes([0x50 | raw[0], raw[1], 0, 0]) + raw[2:])

    def ended(self, timeout=WAIT):
        """The status of Close that comes next, if any, and then the end of the connection."""
        status = None
        try:
            while True:
                opcode, payload = self.recv_frame(timeout)
                assert status is None, "something came behind Close"
                if opcode == CLOSE:
                    status = int.from_bytes(payload[:2], "big") if payload else 0
        except EOFError:
            assert self.http.held == b""
            return status

    def request(self, code=coap.GET, options=(), payload=b"", token=None):
        """Sends a request; returns its token."""
        token = coap.token() if token is None else token
        self.send(code, token, options, payload)
        return token

    def answer(self, request, code=coap.CONTENT, options=(), payload=b""):
        self.send(code, request.token, options, payload)


class WebSocket(End):
    """A client's. It is asked for here, over the connection `http`. fields: in place of the usual ones; more: besides them; ahead: bytes
    sent in the same piece."""

    def __init__(self, http, fields=None, ahead=b"", more=(), host="gw.example"):
        super().__init__(http)
        self.key = new_key()
        fields = (fields or upgrade_fields(self.key)) + list(more)
        lines = ["GET %s HTTP/1.1" % PATH, "Host: " + host] + ["%s: %s" % f for f in fields]
        http.send_raw("\r\n".join(lines).encode() + b"\r\n\r\n" + ahead)

    def agreed(self):
        """Reads the server's agreement, which must be one to the letter."""
        head = self.http._until(b"\r\n\r\n", WAIT).decode()
        expected = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Sec-WebSocket-Accept: " + accept_of(self.key),
                    "Sec-WebSocket-Protocol: coap", "Upgrade: websocket"]
        assert sorted(head.split("\r\n")) == sorted(expected), head
        return self

    def open(self):
        """Agreed, and both sides have said what they are capable of."""
        self.agreed()
        csm = self.recv()
        assert csm.code == CSM and csm.token == b""
        self.send(CSM)
        return csm


class _Accepted(HttpClient):
    """The server's end of a connection."""

    def __init__(self, proxy, connected, tls):
        self.proxy, self.held, self.asked = proxy, b"", []
        self.socket = connected
        self.socket.settimeout(WAIT)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.host, self.port = self.socket.getpeername()[:2]


class ServedWebSocket(End):
    """A server's, whose client is the gateway: the request for it has been read, and must be one to the letter."""

    masks = False

    def __init__(self, http, host):
        super().__init__(http)
        first, *lines = http._until(b"\r\n\r\n", WAIT).decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        self.key = fields.pop("Sec-WebSocket-Key")
        assert len(lines) == 6 and len(base64.b64decode(self.key, validate=True)) == 16
        assert first == "GET %s HTTP/1.1" % PATH
        assert fields == {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Protocol": "coap",
                          "Sec-WebSocket-Version": "13"}

    def agreement(self, status="101 Switching Protocols", without=(), **changed):
        """The bytes of an answer that agrees, but for what is changed (see upgrade_fields)."""
        fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_of(self.key), "Sec-WebSocket-Protocol": "coap"}
        fields.update({name.replace("_", "-"): value for name, value in changed.items()})
        lines = ["HTTP/1.1 " + status] + ["%s: %s" % f for f in fields.items() if f[0] not in without]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def open(self):
        """Agrees; both sides say what they are capable of."""
        self.http.send_raw(self.agreement())
        self.send(CSM)
        csm = self.recv()
        assert csm.code == CSM and csm.token == b""
        return self


class WebSocketOrigin:
    """A scripted origin of coap+ws; tls: an ssl.SSLContext, for coaps+ws."""

    def __init__(self, proxy, host, tls=None):
        self.proxy, self.tls = proxy, tls
        self.socket = socket.create_server((host, 0))
        self.host, self.port = self.socket.getsockname()
        self.url = "%s://%s:%d" % ("coaps+ws" if tls else "coap+ws", self.host, self.port)
        self.connections = []
        proxy.peers.append(self)

    def close(self):
        for c in [self.socket] + self.connections:
            c.close()

    def accept(self, timeout=WAIT, name=None):
        """The next WebSocket that the gateway asks for, by this name."""
        if not select.select([self.socket], [], [], 0)[0]:
            self.proxy.settle()
        if not select.select([self.socket], [], [], timeout)[0]:
            raise AssertionError("no connection\n%s" % self.proxy.explain())
        self.connections.append(_Accepted(self.proxy, self.socket.accept()[0], self.tls))
        return ServedWebSocket(self.connections[-1], "%s:%d" % (name or self.host, self.port))
