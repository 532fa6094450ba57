"""ICMP errors: RFC 7252 4.2. Only what quotes a request under way, and is final, ends it. Needs root, as it makes them."""

import socket
import struct

import pytest

import coap
from harness import fresh_address

BAD_GATEWAY = coap.code("5.02")
UNREACHABLE, TIME_EXCEEDED, SOURCE_QUENCH, PORT_UNREACHABLE, TOO_BIG = 3, 11, 4, 3, 4


def checksum(raw):
    total = sum(struct.unpack(">%dH" % (len(raw) // 2), raw + b"\0" * (len(raw) % 2)))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def send_icmp(kind, code, sender, target, datagram):
    """What a router on the way from `sender` to `target` would say about the datagram. Needs root."""
    udp = struct.pack(">HHHH", sender[1], target[1], 8 + len(datagram), 0) + datagram
    quoted = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton(sender[0]),
                         socket.inet_aton(target[0])) + udp
    head = struct.pack(">BBHI", kind, code, 0, 0)
    if len(quoted) % 2:
        quoted += b"\0"
    head = struct.pack(">BBHI", kind, code, checksum(head + quoted), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.sendto(head + quoted, (sender[0], 0))


def device_place(pair):
    return pair.device.host, pair.device.port


@pytest.mark.covers("C7252-4.2-7")
def test_icmp_that_quotes_the_request_gives_5_02(pair):
    sent, up = pair.forward()
    send_icmp(UNREACHABLE, PORT_UNREACHABLE, up.source, device_place(pair), up.raw)
    down = pair.client.recv()
    assert (down.code, down.token) == (BAD_GATEWAY, sent.token)


@pytest.mark.covers("C7252-4.2-7")
@pytest.mark.parametrize("kind,code", [(TIME_EXCEEDED, 0), (TIME_EXCEEDED, 1), (SOURCE_QUENCH, 0), (UNREACHABLE, TOO_BIG)])
def test_icmp_that_is_not_final_is_ignored(pair, kind, code):
    _, up = pair.forward()
    send_icmp(kind, code, up.source, device_place(pair), up.raw)
    pair.client.quiet()
    pair.device.answer(up)
    assert pair.client.recv().code == coap.CONTENT


@pytest.mark.covers("C7252-4.2-7")
@pytest.mark.parametrize("wrong", ["message id", "token", "target", "target port"])
def test_icmp_that_quotes_something_else_is_ignored(pair, wrong):
    _, up = pair.forward()
    host, port = device_place(pair)
    raw = up.raw
    if wrong == "message id":
        raw = raw[:2] + bytes([raw[2] ^ 1]) + raw[3:]
    elif wrong == "token":
        raw = raw[:4] + bytes(len(up.token)) + raw[4 + len(up.token):]
    elif wrong == "target":
        host = fresh_address()
    else:
        port ^= 1
    send_icmp(UNREACHABLE, PORT_UNREACHABLE, up.source, (host, port), raw)
    pair.client.quiet()
    pair.device.answer(up)
    assert pair.client.recv().code == coap.CONTENT
