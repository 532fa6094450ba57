"""A CoAP codec of the tests' own: reads and writes any datagram, also ones that no honest peer would send.

Nothing is shared with the product, so that a mistake cannot be made on both sides alike. Options are (number, bytes)
pairs in message order.
"""

import os
import struct

CON, NON, ACK, RST = range(4)
EMPTY, GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH = range(8)


def code(text):
    """code("4.04") -> 0x84"""
    kind, detail = text.split(".")
    return int(kind) << 5 | int(detail)


def code_text(value):
    return "%d.%02d" % (value >> 5, value & 31)


CREATED, DELETED, VALID, CHANGED, CONTENT = (code("2.0%d" % n) for n in range(1, 6))
CONTINUE = code("2.31")

IF_MATCH, URI_HOST, ETAG, IF_NONE_MATCH, OBSERVE, URI_PORT = 1, 3, 4, 5, 6, 7
LOCATION_PATH, OSCORE, URI_PATH, CONTENT_FORMAT, URI_PATH_ABBREV, MAX_AGE = 8, 9, 11, 12, 13, 14
URI_QUERY, HOP_LIMIT, ACCEPT, Q_BLOCK1, LOCATION_QUERY, EDHOC = 15, 16, 17, 19, 20, 21
BLOCK2, BLOCK1, SIZE2, Q_BLOCK2, PROXY_URI, PROXY_SCHEME, SIZE1 = 23, 27, 28, 31, 35, 39, 60
PROXY_CRI, PROXY_SCHEME_NUMBER, ECHO, NO_RESPONSE, REQUEST_TAG = 235, 239, 252, 258, 292


class FormatError(Exception):
    pass


def uint(value):
    """The shortest form of a uint option; 0 is empty."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def number(value):
    return int.from_bytes(value, "big")


def block(num, more, szx):
    return uint(num << 4 | (8 if more else 0) | szx)


def block_parts(value):
    v = number(value)
    return v >> 4, bool(v & 8), v & 7


def as_value(value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return uint(value)


def _nibble(value):
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, struct.pack(">H", value - 269)


def encode_options(options):
    out, last = b"", 0
    for num, value in sorted(options, key=lambda o: o[0]):
        value = as_value(value)
        delta, delta_more = _nibble(num - last)
        length, length_more = _nibble(len(value))
        out += bytes([delta << 4 | length]) + delta_more + length_more + value
        last = num
    return out


def head(type_, code_, mid, token=b"", version=1, tkl=None):
    """Header and token; `tkl` overrides the nibble that belongs to the token."""
    nibble, more = _nibble(len(token))
    if tkl is not None:
        nibble, more = tkl, b""
    return bytes([version << 6 | type_ << 4 | nibble, code_]) + struct.pack(">H", mid) + more + token


class Message:
    """type, code, mid, token, options, payload; `raw` is what was received and `source` its sender."""

    def __init__(self, code=GET, type=CON, mid=None, token=None, options=(), payload=b""):
        self.type, self.code, self.mid, self.token = type, code, mid, token
        self.options = [(n, as_value(v)) for n, v in options]
        self.payload = payload
        self.raw = self.source = None

    def encode(self):
        out = head(self.type, self.code, self.mid, self.token) + encode_options(self.options)
        return out + b"\xff" + self.payload if self.payload else out

    def all(self, num):
        return [v for n, v in self.options if n == num]

    def first(self, num):
        values = self.all(num)
        return values[0] if values else None

    def uint(self, num):
        value = self.first(num)
        return None if value is None else number(value)

    def has(self, num):
        return any(n == num for n, _ in self.options)

    def without(self, *numbers):
        return [(n, v) for n, v in self.options if n not in numbers]

    @property
    def is_empty(self):
        return self.code == 0

    def __repr__(self):
        return "<%s %s mid=%04x token=%s %s payload=%r>" % (
            ("CON", "NON", "ACK", "RST")[self.type], code_text(self.code), self.mid or 0, (self.token or b"").hex(),
            " ".join("%d=%s" % (n, v.hex()) for n, v in self.options), self.payload[:40])

    @staticmethod
    def parse(raw):
        if len(raw) < 4 or raw[0] >> 6 != 1:
            raise FormatError("no CoAP header: %s" % raw.hex())
        m = Message(type=raw[0] >> 4 & 3, code=raw[1], mid=raw[2] << 8 | raw[3])
        at, tkl = 4, raw[0] & 15
        if tkl == 13:
            tkl, at = raw[at] + 13, at + 1
        elif tkl == 14:
            tkl, at = (raw[at] << 8 | raw[at + 1]) + 269, at + 2
        elif tkl == 15:
            raise FormatError("TKL 15")
        if at + tkl > len(raw):
            raise FormatError("token past the end")
        m.token, at, num = raw[at:at + tkl], at + tkl, 0
        while at < len(raw):
            if raw[at] == 0xFF:
                m.payload = raw[at + 1:]
                if not m.payload:
                    raise FormatError("marker without payload")
                break
            delta, length, at = raw[at] >> 4, raw[at] & 15, at + 1
            delta, at = _extended(raw, delta, at)
            length, at = _extended(raw, length, at)
            num += delta
            if num > 65535 or at + length > len(raw):
                raise FormatError("option past the end: %s" % raw.hex())
            m.options.append((num, raw[at:at + length]))
            at += length
        if m.code == 0 and len(raw) != 4:
            raise FormatError("Empty message with more: %s" % raw.hex())
        m.raw = raw
        return m


def _extended(raw, nibble, at):
    if nibble < 13:
        return nibble, at
    if nibble == 15:
        raise FormatError("nibble 15")
    size = nibble - 12
    if at + size > len(raw):
        raise FormatError("truncated")
    return int.from_bytes(raw[at:at + size], "big") + (13 if size == 1 else 269), at + size


def empty(type_, mid):
    return head(type_, 0, mid)


def token(length=8):
    return os.urandom(length)
