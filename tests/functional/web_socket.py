"""WebSockets with CoAP in them (RFC 6455, RFC 8323 4), as a client would have them that forgives nothing: over a connection of http_client."""

import base64
import hashlib
import os
import struct

import coap
from coap import FormatError
from http_client import WAIT

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


class WebSocket:
    """http: the connection, on which it is asked for here. fields: in place of the usual ones; ahead: bytes sent in the same piece."""

    def __init__(self, http, fields=None, ahead=b"", more=(), host="gw.example"):
        self.http, self.key = http, new_key()
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

    # out

    def send_frame(self, payload, opcode=BINARY, **kw):
        self.http.send_raw(frame(payload, opcode, **kw))

    def send(self, code, token=b"", options=(), payload=b""):
        self.send_frame(message(code, token, options, payload))

    # in

    def recv_frame(self, timeout=WAIT):
        """(opcode, payload) of the next frame."""
        first, second = self.http._exactly(2, timeout)
        if first & 0x70 or not first & 0x80:
            raise FormatError("reserved bits, or a fragment: %02x" % first)
        if second & 0x80:
            raise FormatError("a server's frame is masked")
        size = second & 127
        if size > 125:
            size = int.from_bytes(self.http._exactly(2 if size == 126 else 8, timeout), "big")
            if size < 126:
                raise FormatError("a length that is not in its shortest form")
        if first & 8 and size > 125:
            raise FormatError("a control frame of %d bytes" % size)
        return first & 15, self.http._exactly(size, timeout)

    def recv(self, timeout=WAIT):
        """The next message of CoAP."""
        opcode, raw = self.recv_frame(timeout)
        if opcode != BINARY:
            raise FormatError("opcode %d with %r, not a message" % (opcode, raw))
        if len(raw) < 2 or raw[0] >> 4:
            raise FormatError("no message: %s" % raw.hex())
        return coap.Message.parse(bytes([0x50 | raw[0], raw[1], 0, 0]) + raw[2:])

    def open(self):
        """Agreed, and both sides have said what they are capable of."""
        self.agreed()
        csm = self.recv()
        assert csm.code == CSM and csm.token == b""
        self.send(CSM)
        return csm

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
