"""Messages of CoAP over TCP and TLS (RFC 8323 section 3.2) and over WebSockets (4.2), to and from the form of non-confirmable datagrams
with Message ID 0.
"""

import struct

import wire

CSM, PING, PONG, RELEASE, ABORT = (wire.code(f"7.0{n}") for n in range(1, 6))
_BYTE, _SHORT, _LONG = 13, 269, 65805


def _length(nibble, data):
    """(bytes of options and payload, bytes of the length behind the first byte), or None if that is not all there."""
    size = {13: 1, 14: 2, 15: 4}.get(nibble, 0)
    if len(data) < 1 + size:
        return None
    more = int.from_bytes(data[1 : 1 + size], "big")
    return {13: _BYTE, 14: _SHORT, 15: _LONG}.get(nibble, nibble) + more, size


def take(data):
    """(the first message as a datagram, what is behind it), or (None, data) while it is not complete."""
    measured = _length(data[0] >> 4, data) if data else None
    if measured is None:
        return None, data
    length, size = measured
    token = data[0] & 15
    end = 2 + size + token + length
    if len(data) < end:
        return None, data
    return struct.pack("!BBH", 0x50 | token, data[1 + size], 0) + data[2 + size : end], data[end:]


def write(datagram):
    """The frame of a message whose token has 8 bytes at most."""
    token = datagram[0] & 15
    rest = datagram[4 + token :]
    if len(rest) < _BYTE:
        nibble, more = len(rest), b""
    elif len(rest) < _SHORT:
        nibble, more = 13, bytes([len(rest) - _BYTE])
    elif len(rest) < _LONG:
        nibble, more = 14, struct.pack("!H", len(rest) - _SHORT)
    else:
        nibble, more = 15, struct.pack("!L", len(rest) - _LONG)
    return bytes([nibble << 4 | token]) + more + datagram[1:2] + datagram[4:]


def message(code, token=b"", options=(), payload=b""):
    """A frame of its own."""
    return write(wire.write(wire.Datagram(wire.NON, code, 0, token, list(options), payload)))


class Cutter:
    """Takes bytes as they come, of one direction, and gives messages as datagrams."""

    def __init__(self):
        self.data = b""

    def feed(self, data):
        self.data += data
        found = []
        while True:
            datagram, self.data = take(self.data)
            if datagram is None:
                return found
            found.append(datagram)


class Reader(Cutter):
    """The same, parsed."""

    def feed(self, data):
        return [wire.parse(datagram) for datagram in super().feed(data)]
