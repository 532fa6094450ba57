"""Message format: RFC 7252 3 with the token lengths of RFC 8974 (conformance 1.1)."""

import random

import pytest

import coap
from coap import ACK, CON, GET, NON, POST, RST, Message
from harness import Pair


def rejected(client, raw, mid):
    """A CON that is rejected: one RST that repeats its Message ID, and nothing else."""
    client.send(raw)
    answer = client.recv()
    assert (answer.type, answer.code, answer.mid) == (RST, 0, mid)
    client.quiet()


def at_most_reset(client, raw, mid):
    client.send(raw)
    answers = client.pending()
    assert len(answers) <= 1
    for answer in answers:
        assert (answer.type, answer.code, answer.mid) == (RST, 0, mid)


def sound(pair):
    """A good request with its target options, as bytes behind the header and an 1-byte token."""
    return coap.encode_options(pair.target(("p",)))


@pytest.mark.covers("C7252-3-1")
@pytest.mark.parametrize("type_", [CON, NON, ACK, RST])
@pytest.mark.parametrize("version", [0, 2, 3])
def test_other_versions_get_no_reaction(pair, version, type_):
    pair.client.send(coap.head(type_, GET, 0x1234, b"t", version=version) + sound(pair))
    pair.quiet()


@pytest.mark.covers("C7252-3-1")
@pytest.mark.parametrize("code", [0, 1, 0x45, 0xE1])
def test_other_versions_are_not_looked_into(pair, code):
    pair.client.send(coap.head(CON, code, 0x1234, version=2))
    pair.quiet()


@pytest.mark.parametrize("raw", [b"", b"\x40", b"\x40\x01", b"\x40\x01\x12"])
def test_shorter_than_a_header_gets_no_reaction(pair, raw):
    pair.client.send(raw)
    pair.quiet()


@pytest.mark.covers("C7252-3-2", "C8974-2.1-1")
def test_token_length_15_is_rejected(pair):
    rejected(pair.client, coap.head(CON, GET, 0x0102, bytes(15), tkl=15) + sound(pair), 0x0102)
    pair.quiet()


@pytest.mark.covers("C7252-4.3-1", "C7252-3-2")
def test_token_length_15_in_non_gets_a_reset_at_most(pair):
    at_most_reset(pair.client, coap.head(NON, GET, 0x0103, bytes(15), tkl=15) + sound(pair), 0x0103)
    pair.quiet()


@pytest.mark.covers("C7252-3-2", "C7252-5.3-1", "C8974-2.1-1")
@pytest.mark.parametrize("length", [9, 10, 11, 12, 13, 14, 20, 63, 64])
def test_extended_tokens_are_echoed(pair, length):
    sent, up, down = pair.exchange(token=coap.token(length))
    assert down.token == sent.token and len(up.token) <= 8


@pytest.mark.parametrize("tkl,present", [(1, 0), (4, 3), (8, 0), (8, 7), (12, 11)])
@pytest.mark.covers("C7252-4.2-2")
def test_token_past_the_end(pair, tkl, present):
    rejected(pair.client, coap.head(CON, GET, 0x0203, b"", tkl=tkl) + bytes(present), 0x0203)
    pair.quiet()


@pytest.mark.covers("C8974-2.1-1")
@pytest.mark.parametrize("tail", [b"", b"\x07" + bytes(19)])
def test_extended_token_of_one_length_byte_past_the_end(pair, tail):
    rejected(pair.client, coap.head(CON, GET, 0x0204, b"", tkl=13) + tail, 0x0204)


@pytest.mark.covers("C8974-2.1-1")
@pytest.mark.parametrize("tail", [b"", b"\x00", b"\x00\x00" + bytes(268), b"\xff\xff" + bytes(30)])
def test_extended_token_of_two_length_bytes_past_the_end(pair, tail):
    rejected(pair.client, coap.head(CON, GET, 0x0205, b"", tkl=14) + tail, 0x0205)


@pytest.mark.covers("C7252-3-3", "C7252-4.2-2")
def test_marker_without_payload(pair):
    rejected(pair.client, coap.head(CON, GET, 0x0301, b"t") + sound(pair) + b"\xff", 0x0301)
    pair.quiet()


@pytest.mark.covers("C7252-3-3")
def test_marker_without_payload_behind_the_token(pair):
    rejected(pair.client, coap.head(CON, POST, 0x0302, b"t") + b"\xff", 0x0302)
    pair.quiet()


@pytest.mark.covers("C7252-4.3-1")
def test_marker_without_payload_in_non(pair):
    at_most_reset(pair.client, coap.head(NON, GET, 0x0303, b"t") + sound(pair) + b"\xff", 0x0303)
    pair.device.quiet()


@pytest.mark.covers("C7252-3-4")
@pytest.mark.parametrize("value", [b"\xff", b"\xff\xff\xff", b"\x00\xff\x00\xff", b"\xff" * 8])
def test_marker_byte_inside_an_option_is_no_marker(pair, value):
    _, up, down = pair.exchange(options=[(coap.ETAG, value)], answer_options=[(coap.ETAG, value)])
    assert up.all(coap.ETAG) == [value] and down.all(coap.ETAG) == [value]


@pytest.mark.covers("C7252-3-4")
@pytest.mark.parametrize("payload", [b"\xff", b"\xff\xff", b"\xff" * 64, b"a\xffb"])
def test_marker_byte_inside_the_payload(pair, payload):
    _, up, down = pair.exchange(POST, payload=payload, answer_payload=payload)
    assert up.payload == payload and down.payload == payload


BAD_OPTIONS = {
    "delta nibble 15": b"\xf1\x61",
    "delta nibble 15, length 0": b"\xf0",
    "length nibble 15": b"\x1f" + bytes(20),
    "length nibble 15 behind a sound option": b"\xb1p\x0f" + bytes(20),
    "value past the end by one": b"\xb5path",
    "value past the end by far": b"\xbd\xf0" + bytes(10),
    "two-byte length past the end": b"\xbe\x01\x00" + bytes(100),
    "delta 13 without its byte": b"\xd0",
    "delta 14 without its bytes": b"\xe0",
    "delta 14 with one of two bytes": b"\xe0\x01",
    "length 13 without its byte": b"\xbd",
    "length 14 with one of two bytes": b"\xbe\x01",
}


@pytest.mark.covers("C7252-3.1-1", "C7252-3.1-3", "C7252-4.2-2")
@pytest.mark.parametrize("tail", BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_malformed_options_in_con_are_rejected(pair, tail):
    rejected(pair.client, coap.head(CON, GET, 0x0401, b"t") + tail, 0x0401)
    pair.quiet()


@pytest.mark.covers("C7252-4.3-1")
@pytest.mark.parametrize("tail", BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_malformed_options_in_non_get_a_reset_at_most(pair, tail):
    at_most_reset(pair.client, coap.head(NON, GET, 0x0402, b"t") + tail, 0x0402)


@pytest.mark.covers("C7252-4.2-3")
@pytest.mark.parametrize("type_", [ACK, RST])
@pytest.mark.parametrize("tail", BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_malformed_acks_and_resets_are_ignored(pair, tail, type_):
    pair.client.send(coap.head(type_, coap.CONTENT, 0x0403, b"t") + tail)
    pair.quiet()


@pytest.mark.covers("C7252-3.1-3")
@pytest.mark.parametrize("deltas", [(65535, 1), (65535, 269), (40000, 40000), (65804,), (65535, 13), (65800, 65800, 65800)])
def test_option_number_above_65535(pair, deltas):
    tail = b""
    for d in deltas:
        if d >= 269:
            tail += b"\xe0" + (d - 269).to_bytes(2, "big")
        elif d >= 13:
            tail += bytes([0xD0, d - 13])
        else:
            tail += bytes([d << 4])
    rejected(pair.client, coap.head(CON, GET, 0x0501, b"t") + tail, 0x0501)
    pair.quiet()


@pytest.mark.covers("C7252-3.1-3")
def test_option_number_65535_is_sound(pair):
    """65535 is critical and unsafe: understood as an option, refused as one that is not known."""
    down = pair.refused(options=[(65535, b"")])
    assert down.code == coap.code("4.02")


@pytest.mark.covers("C7252-3.1-2")
def test_hop_limit_goes_between_its_neighbours(pair):
    _, up, _ = pair.exchange(query=("a=1", "b=2"), options=[(coap.ACCEPT, 40), (2056, b"x"), (64988, b"yy")])
    numbers = [n for n, _ in up.options]
    assert numbers == sorted(numbers)
    assert up.all(coap.URI_QUERY) == [b"a=1", b"b=2"] and up.uint(coap.HOP_LIMIT) == 16
    assert up.uint(coap.ACCEPT) == 40 and up.first(2056) == b"x" and up.first(64988) == b"yy"


@pytest.mark.covers("C7252-3.1-2")
@pytest.mark.parametrize("number", [1, 4, 12, 17, 60, 252, 292, 2048 + 1, 2052, 65000])
def test_options_taken_out_leave_the_others_intact(any_pair, number):
    """Proxy-* and Uri-* go, Hop-Limit comes: every delta behind them changes."""
    _, up, _ = any_pair.exchange(options=[(number, b"ab")])
    assert up.all(number) == [b"ab"]


@pytest.mark.parametrize("length", [0, 1, 12, 13, 14, 268, 269, 270, 300, 600])
def test_every_form_of_the_option_length(pair, length):
    value = bytes(i & 0xFF for i in range(length))
    _, up, down = pair.exchange(options=[(2052, value)], answer_options=[(2052, value)])
    assert up.all(2052) == [value] and down.all(2052) == [value]


@pytest.mark.covers("C7252-3.2-1")
def test_own_uints_are_shortest(pair):
    down = pair.refused(options=[(coap.BLOCK2, coap.block(0, False, 7))])
    assert all(len(v) == len(coap.uint(coap.number(v))) for n, v in down.options if n in (coap.MAX_AGE, coap.CONTENT_FORMAT))
    _, up, _ = pair.exchange()
    assert up.first(coap.HOP_LIMIT) == b"\x10"


@pytest.mark.covers("C7252-3.2-2")
def test_leading_zero_in_observe(pair):
    """00 is the value 0: a registration."""
    _, up = pair.forward(options=[(coap.OBSERVE, b"\x00")])
    assert up.has(coap.OBSERVE) and up.uint(coap.OBSERVE) == 0
    pair.device.answer(up)
    pair.client.recv()


@pytest.mark.covers("C7252-3.2-2")
@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_leading_zeros_in_uri_port(pair, zeros):
    options = [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, pair.device.host),
               (coap.URI_PORT, bytes(zeros) + coap.uint(pair.device.port))]
    sent = pair.client.send(Message(GET, options=options))
    pair.device.answer(pair.device.recv())
    assert pair.client.recv().token == sent.token


@pytest.mark.covers("C7252-3.2-2")
def test_leading_zeros_in_block2(pair):
    _, up, _ = pair.exchange(options=[(coap.BLOCK2, b"\x00\x00\x16")])
    assert coap.block_parts(up.first(coap.BLOCK2)) == (1, False, 6)


@pytest.mark.covers("C7252-3.2-2")
def test_leading_zeros_in_a_response(pair):
    *_, down = pair.exchange(answer_options=[(coap.MAX_AGE, b"\x00\x00\x0a")])
    assert down.uint(coap.MAX_AGE) in (9, 10)


@pytest.mark.covers("C7252-3.2-3")
@pytest.mark.parametrize("name", ["\u00e9t\u00e9", "e\u0301te\u0301", "\u212b", "A\u030a"])
def test_strings_are_bytes(any_pair, name):
    """No Unicode normalisation: composed and decomposed forms stay what they are."""
    segment = name.encode()
    if any_pair.form == "uri":
        text = any_pair.device.url + "/" + "".join("%%%02X" % b for b in segment)
        sent = any_pair.client.send(Message(options=[(coap.PROXY_URI, text)]))
        up = any_pair.device.recv()
        any_pair.device.answer(up)
        assert any_pair.client.recv().token == sent.token
    else:
        _, up, _ = any_pair.exchange(path=(name,))
    assert up.all(coap.URI_PATH) == [segment]


@pytest.mark.covers("C7252-4.1-1")
@pytest.mark.parametrize("raw", [
    coap.head(CON, 0, 0x0601, b"t"), coap.head(CON, 0, 0x0601, bytes(8)), coap.head(CON, 0, 0x0601) + b"\xb1p",
    coap.head(CON, 0, 0x0601) + b"\xffx", coap.head(CON, 0, 0x0601) + b"\x00"],
    ids=["token", "long token", "option", "payload", "junk"])
def test_empty_con_with_more_is_rejected(pair, raw):
    rejected(pair.client, raw, 0x0601)


@pytest.mark.covers("C7252-4.1-1", "C7252-4.2-3")
@pytest.mark.parametrize("type_", [ACK, RST])
def test_empty_ack_and_reset_with_more_are_ignored(pair, type_):
    pair.client.send(coap.head(type_, 0, 0x0602, b"t") + b"\xffx")
    pair.quiet()


def test_bare_header_is_a_sound_request(pair):
    """GET / of our own address: no route has it."""
    down = pair.client.ask(Message(GET))
    assert (down.type, down.code) == (ACK, coap.code("4.04"))


def test_more_options_than_we_read(pair):
    options = [(2052, b"")] * 120
    down = pair.refused(options=options)
    assert down.code >> 5 == 4


@pytest.mark.covers("C7252-4.6-2")
@pytest.mark.parametrize("type_", [CON, NON])
def test_truncated_request_gets_4_13(pair, type_):
    """A datagram longer than the receive buffer cannot be forwarded whole, so it is not forwarded at all."""
    down = pair.refused(POST, payload=b"x" * 3000, type=type_)
    assert down.code == coap.code("4.13")


@pytest.mark.covers("C7252-4.6-2")
def test_truncated_oscore_request_gets_4_13(pair):
    down = pair.refused(POST, path=(), options=[(coap.OSCORE, b"\x09\x05\x25")], payload=b"x" * 4000)
    assert down.code == coap.code("4.13")


@pytest.mark.covers("C7252-4.6-2")
def test_truncated_response_is_not_delivered(pair):
    sent, up = pair.forward()
    pair.device.answer(up, payload=b"x" * 3000)
    first = pair.client.recv()
    assert first.code >> 5 == 5 or first.has(coap.BLOCK2)
    assert first.token == sent.token


@pytest.mark.covers("C7252-4.6-1")
@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1152])
def test_payloads_up_to_the_assumed_mtu(pair, size):
    _, up, down = pair.exchange(POST, payload=b"u" * size, answer_payload=b"d" * size)
    assert up.payload == b"u" * size and down.payload == b"d" * size


def test_random_datagrams_do_no_harm(pair):
    """Whatever comes: no crash, no answer to what must get none, and the next good request is served."""
    r = random.Random(7252)
    template = Message(GET, CON, 1, b"tokn", pair.target(("a", "b")), b"payload").encode()
    for i in range(400):
        raw = bytearray(template)
        for _ in range(r.randrange(1, 6)):
            raw[r.randrange(len(raw))] = r.randrange(256)
        raw[2:4] = i.to_bytes(2, "big")
        if r.randrange(4) == 0:
            raw = raw[:r.randrange(len(raw))]
        pair.client.send(bytes(raw))
    pair.proxy.settle()
    pair.device.pending()
    pair.client.pending()
    Pair(pair.proxy).exchange()


def test_random_bytes_from_a_device_do_no_harm(pair):
    r = random.Random(8613)
    sent, up = pair.forward()
    for _ in range(300):
        pair.device.send_raw(bytes(r.randrange(256) for _ in range(r.randrange(64))), up.source)
    pair.proxy.settle()
    pair.device.pending()
    pair.device.answer(up)
    answers = [m for m in pair.client.pending() if m.token == sent.token]
    assert len(answers) == 1
