"""CoAP datagrams as the tests read and write them, independent of every peer and of the proxy (RFC 7252 section 3)."""

import struct
from dataclasses import dataclass, field

CON, NON, ACK, RST = range(4)

OBSERVE = 6
URI_HOST = 3
URI_PORT = 7
OSCORE = 9
URI_PATH = 11
URI_QUERY = 15
HOP_LIMIT = 16
PROXY_URI = 35
PROXY_SCHEME = 39


def code(text):
    """2.05 as text to its octet."""
    major, minor = text.split(".")
    return int(major) << 5 | int(minor)


@dataclass
class Datagram:
    type: int
    code: int
    mid: int
    token: bytes = b""
    options: list = field(default_factory=list)  # (number, value), ascending
    payload: bytes = b""

    @property
    def is_request(self):
        return 0 < self.code < 32

    @property
    def is_empty(self):
        return self.code == 0

    def option(self, number):
        """The first value of an option, or None."""
        return next((value for n, value in self.options if n == number), None)

    def all(self, number):
        return [value for n, value in self.options if n == number]


def _extended(nibble, data, at):
    if nibble < 13:
        return nibble, at
    if nibble == 13:
        return data[at] + 13, at + 1
    if nibble == 14:
        return struct.unpack_from("!H", data, at)[0] + 269, at + 2
    raise ValueError("reserved nibble")


def parse(data):
    first, code_, mid = struct.unpack_from("!BBH", data)
    if first >> 6 != 1:
        raise ValueError("not version 1")
    length = first & 15
    if length > 8:
        raise ValueError("token of more than 8 bytes")
    message = Datagram(first >> 4 & 3, code_, mid, data[4 : 4 + length])
    at, number = 4 + length, 0
    while at < len(data):
        head = data[at]
        at += 1
        if head == 0xFF:
            message.payload = data[at:]
            break
        delta, at = _extended(head >> 4, data, at)
        size, at = _extended(head & 15, data, at)
        number += delta
        if at + size > len(data):
            raise ValueError("option beyond the datagram")
        message.options.append((number, data[at : at + size]))
        at += size
    return message


def _nibble(value):
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, struct.pack("!H", value - 269)


def write(message):
    out = struct.pack("!BBH", 0x40 | message.type << 4 | len(message.token), message.code, message.mid)
    out += message.token
    last = 0
    for number, value in sorted(message.options, key=lambda option: option[0]):
        delta, delta_more = _nibble(number - last)
        size, size_more = _nibble(len(value))
        out += bytes([delta << 4 | size]) + delta_more + size_more + value
        last = number
    if message.payload:
        out += b"\xff" + message.payload
    return out


def uint(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def pcap(packets):
    """A capture file of raw IPv4: packets are (seconds, source port, destination port, datagram), all on 127.0.0.1."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for when, source, destination, data in packets:
        udp = struct.pack("!HHHH", source, destination, 8 + len(data), 0) + data
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
        frame = ip + udp
        seconds = int(when)
        out += struct.pack("<IIII", seconds, int((when - seconds) * 1e6), len(frame), len(frame)) + frame
    return out
