"""Options and payloads: RFC 7252 5.4, 5.5 (conformance 1.4, 1.5)."""

import random

import pytest

import coap
from coap import ACK, CON, GET, NON, POST, PUT, Message
from harness import Pair, oscore_request

BAD_OPTION, BAD_GATEWAY = coap.code("4.02"), coap.code("5.02")

# numbers nobody has defined, or whose meaning the gateway does not know, by their two low bits
UNKNOWN_SAFE_ELECTIVE = [24, 128, 248, 548, 2056, 2076, 65000, 65528]
UNKNOWN_SAFE_CRITICAL = [13, 21, 2049, 2053, 65001, 65533]
UNKNOWN_UNSAFE_ELECTIVE = [2, 10, 2050, 65002, 65534]
UNKNOWN_UNSAFE_CRITICAL = [19, 31, 235, 239, 2055, 65003, 65535]
UNKNOWN_UNSAFE = UNKNOWN_UNSAFE_ELECTIVE + UNKNOWN_UNSAFE_CRITICAL


@pytest.mark.covers("C7252-5.7.1-4", "C7252-5.4.1-1", "C7252-5.4.2-1")
@pytest.mark.parametrize("number", UNKNOWN_SAFE_ELECTIVE + UNKNOWN_SAFE_CRITICAL)
def test_unknown_safe_options_pass_both_ways(pair, number):
    """Critical or not does not matter to who only forwards."""
    _, up, down = pair.exchange(options=[(number, b"up")], answer_options=[(number, b"down")])
    assert up.all(number) == [b"up"] and down.all(number) == [b"down"]


@pytest.mark.covers("C7252-5.7.1-4", "C8613-4.1.2-2")
@pytest.mark.parametrize("number", [24, 2049, 2056, 65001, 65528])
def test_repeated_unknown_safe_options_keep_order_and_number(any_pair, number):
    values = [b"b", b"", b"a", b"a", b"\xff" * 20]
    options = [(number, v) for v in values]
    _, up, down = any_pair.exchange(options=options, answer_options=options)
    assert up.all(number) == values and down.all(number) == values


@pytest.mark.covers("C7252-5.7.1-3", "C7252-5.4.2-1", "C7252-5.4.6-1")
@pytest.mark.parametrize("number", UNKNOWN_UNSAFE)
def test_unknown_unsafe_option_in_a_request_gives_4_02(pair, number):
    assert pair.refused(options=[(number, b"x")]).code == BAD_OPTION


@pytest.mark.covers("C7252-5.7.1-3")
@pytest.mark.parametrize("number", [2, 2055, 65003])
@pytest.mark.parametrize("type_", [CON, NON])
def test_unknown_unsafe_option_by_every_form(any_pair, number, type_):
    assert any_pair.refused(options=[(number, b"x")], type=type_).code == BAD_OPTION


@pytest.mark.covers("C7252-5.7.1-3", "C8613-10-1")
@pytest.mark.parametrize("number", [2, 2055, 65003])
def test_unknown_unsafe_outer_option_of_an_oscore_request_gives_4_02(pair, number):
    pair.client.send(oscore_request(pair, options=[(number, b"x")]))
    assert pair.client.recv().code == BAD_OPTION
    pair.device.quiet()


@pytest.mark.covers("C7252-5.7.1-2", "C7252-5.4.2-1")
@pytest.mark.parametrize("number", UNKNOWN_UNSAFE)
def test_unknown_unsafe_option_in_a_response_gives_5_02(pair, number):
    *_, down = pair.exchange(answer_options=[(number, b"x")], answer_payload=b"secret")
    assert down.code == BAD_GATEWAY and b"secret" not in down.payload and not down.has(number)


@pytest.mark.covers("C7252-5.7.1-2")
def test_unknown_unsafe_option_in_a_separate_response_gives_5_02(pair):
    sent, up = pair.forward()
    pair.device.ack(up)
    pair.device.separate(up, options=[(65003, b"x")])
    down = [m for m in pair.client.pending() if m.code]
    assert [m.code for m in down] == [BAD_GATEWAY]


@pytest.mark.covers("C7252-5.4.2-1", "C7252-5.4.6-1")
@pytest.mark.parametrize("seed", range(4))
def test_the_number_alone_decides(pair, seed):
    """Numbers from the range that IANA keeps free for experiments and beyond: safe ones pass, unsafe ones do not."""
    r = random.Random(seed)
    for _ in range(25):
        number = r.randrange(2100, 65535)
        if number & 2:
            assert pair.refused(options=[(number, b"x")]).code == BAD_OPTION, number
        else:
            _, up, _ = pair.exchange(options=[(number, b"x")])
            assert up.all(number) == [b"x"], number


# illegal lengths, repetitions and places: as if the option were not known

ILLEGAL_UNSAFE = {
    "Uri-Host of length 0": [(coap.URI_HOST, b"")],
    "Uri-Host of 256 bytes": [(coap.URI_HOST, b"a" * 256)],
    "Uri-Port of 3 bytes": [(coap.URI_PORT, b"\x01\x16\x33")],
    "Observe of 4 bytes": [(coap.OBSERVE, b"\x01\0\0\0")],
    "Uri-Path of 256 bytes": [(coap.URI_PATH, b"a" * 256)],
    "Uri-Query of 256 bytes": [(coap.URI_QUERY, b"a" * 256)],
    "Block2 of 4 bytes": [(coap.BLOCK2, b"\x01\0\0\x06")],
    "Block1 of 4 bytes": [(coap.BLOCK1, b"\x01\0\0\x06")],
    "No-Response of 2 bytes": [(coap.NO_RESPONSE, b"\x01\x02")],
    "Max-Age in a request": [(coap.MAX_AGE, b"\x3c")],
    "two Observe": [(coap.OBSERVE, b""), (coap.OBSERVE, b"")],
    "two Block2": [(coap.BLOCK2, b"\x06"), (coap.BLOCK2, b"\x16")],
    "two No-Response": [(coap.NO_RESPONSE, b"\x02"), (coap.NO_RESPONSE, b"\x02")],
}


@pytest.mark.covers("C7252-5.4.3-1", "C7252-5.4.5-1", "C7252-5.4-1")
@pytest.mark.parametrize("options", ILLEGAL_UNSAFE.values(), ids=ILLEGAL_UNSAFE.keys())
def test_unrecognised_unsafe_instance_gives_4_02(proxy, options):
    pair = Pair(proxy)
    base = pair.target(("p",))
    if options[0][0] in (coap.URI_HOST, coap.URI_PORT):
        base = [o for o in base if o[0] != options[0][0]]
    sent = pair.client.send(Message(GET, options=base + options))
    down = pair.client.recv()
    assert (down.type, down.mid, down.code) == (ACK, sent.mid, BAD_OPTION)
    pair.quiet()


@pytest.mark.covers("C7252-5.4.3-1")
@pytest.mark.parametrize("option", [(coap.PROXY_URI, b""), (coap.PROXY_SCHEME, b""), (coap.PROXY_SCHEME, b"a" * 256),
                                    (coap.PROXY_URI, b"coap://127.0.0.1/" + b"a" * 1030)],
                         ids=["empty Proxy-Uri", "empty Proxy-Scheme", "long Proxy-Scheme", "long Proxy-Uri"])
def test_illegal_length_of_a_proxy_option(pair, option):
    down = pair.client.ask(Message(GET, options=[option, (coap.URI_PATH, "p")]))
    assert down.code == BAD_OPTION


@pytest.mark.covers("C7252-5.4.5-1")
def test_two_uri_hosts_give_4_02(pair):
    options = pair.target(("p",)) + [(coap.URI_HOST, "other.example")]
    assert pair.client.ask(Message(GET, options=options)).code == BAD_OPTION
    pair.device.quiet()


@pytest.mark.covers("C7252-5.4.5-1")
@pytest.mark.parametrize("number", [coap.URI_PORT, coap.PROXY_SCHEME, coap.PROXY_URI])
def test_two_of_what_names_the_target_give_4_02(pair, number):
    base = [(coap.PROXY_URI, pair.device.url + "/p")] if number == coap.PROXY_URI else pair.target(("p",))
    again = [o for o in base if o[0] == number]
    assert again
    assert pair.client.ask(Message(GET, options=base + again)).code == BAD_OPTION
    pair.device.quiet()


@pytest.mark.covers("C7252-5.4-1")
@pytest.mark.parametrize("code", [PUT, POST, coap.DELETE])
def test_observe_where_it_is_not_defined(pair, code):
    """Elective, but unsafe: an instance that is not understood is not forwarded."""
    assert pair.refused(code, options=[(coap.OBSERVE, b"")]).code == BAD_OPTION


ILLEGAL_SAFE = {
    "ETag of 9 bytes": [(coap.ETAG, b"123456789")],
    "ETag of length 0": [(coap.ETAG, b"")],
    "If-Match of 9 bytes": [(coap.IF_MATCH, b"123456789")],
    "If-None-Match with a value": [(coap.IF_NONE_MATCH, b"x")],
    "Content-Format of 3 bytes": [(coap.CONTENT_FORMAT, b"\x00\x00\x00")],
    "Accept of 3 bytes": [(coap.ACCEPT, b"\x00\x00\x00")],
    "two Content-Format": [(coap.CONTENT_FORMAT, b"\x2a"), (coap.CONTENT_FORMAT, b"")],
    "two Accept": [(coap.ACCEPT, b"\x28"), (coap.ACCEPT, b"\x3c")],
    "two If-None-Match": [(coap.IF_NONE_MATCH, b""), (coap.IF_NONE_MATCH, b"")],
    "Size1 of 5 bytes": [(coap.SIZE1, bytes(5))],
    "Location-Path in a request": [(coap.LOCATION_PATH, b"a")],
    "Request-Tag of 9 bytes": [(coap.REQUEST_TAG, b"123456789")],
}


@pytest.mark.covers("C7252-5.4.5-1", "C7252-5.4.3-1", "C7252-5.7.1-4")
@pytest.mark.parametrize("options", ILLEGAL_SAFE.values(), ids=ILLEGAL_SAFE.keys())
def test_unrecognised_safe_instance_is_relayed(pair, options):
    _, up, _ = pair.exchange(PUT, payload=b"x", options=options)
    assert up.all(options[0][0]) == [v for _, v in options]


# the option-difference harness: nothing is lost, nothing is added but what the gateway says it adds

REQUEST_OPTIONS = [(coap.IF_MATCH, b"tag1"), (coap.IF_MATCH, b""), (coap.ETAG, b"e1"), (coap.ETAG, b"e2"),
                   (coap.CONTENT_FORMAT, 60), (coap.ACCEPT, 11060), (coap.SIZE1, 4000), (coap.SIZE2, b""),
                   (coap.ECHO, b"echo of the origin"), (coap.REQUEST_TAG, b"\x01"), (coap.REQUEST_TAG, b""),
                   (13, 999), (2049, b"\x08\x00"), (2053, b"\x08\x00"), (2056, b"x"), (64988, bytes(30)), (65001, b"z")]
RESPONSE_OPTIONS = [(coap.ETAG, b"e1"), (coap.LOCATION_PATH, "a"), (coap.LOCATION_PATH, "b c"), (coap.CONTENT_FORMAT, 60),
                    (coap.LOCATION_QUERY, "q=1"), (coap.SIZE2, 5000), (coap.SIZE1, 100), (128, b"r"), (132, b"s"),
                    (2053, b"\x08\x00"), (2056, b"x"), (64988, bytes(30)), (65001, b"z"), (coap.ECHO, b"challenge")]


@pytest.mark.covers("C7252-5.7.1-5", "C7252-5.7.1-4")
def test_no_request_option_is_lost(any_pair):
    sent, up, _ = any_pair.exchange(PUT, path=("a", "", "b"), query=("q", ""), payload=b"body", options=REQUEST_OPTIONS)
    # without the options that name the target on the first leg, all goes on; the Hop-Limit is ours
    consumed = (coap.PROXY_URI, coap.PROXY_SCHEME, coap.URI_HOST, coap.URI_PORT, coap.URI_PATH, coap.URI_QUERY)
    assert up.without(*consumed, coap.HOP_LIMIT) == sorted(sent.without(*consumed), key=lambda o: o[0])
    assert up.all(coap.URI_PATH) == [b"a", b"", b"b"] and up.all(coap.URI_QUERY) == [b"q", b""]
    assert up.all(coap.HOP_LIMIT) == [b"\x10"]
    assert not any(up.has(n) for n in (coap.PROXY_URI, coap.PROXY_SCHEME, coap.URI_HOST, coap.URI_PORT))
    assert (up.code, up.payload) == (PUT, b"body")


@pytest.mark.covers("C7252-5.7.1-5", "C7252-5.7.1-4")
def test_no_response_option_is_lost(any_pair):
    *_, down = any_pair.exchange(PUT, payload=b"body", answer=coap.CREATED, answer_options=RESPONSE_OPTIONS,
                                 answer_payload=b"made")
    assert down.options == sorted([(n, coap.as_value(v)) for n, v in RESPONSE_OPTIONS], key=lambda o: o[0])
    assert (down.code, down.payload) == (coap.CREATED, b"made")


@pytest.mark.covers("C7252-5.7.1-5", "C8613-10-6")
def test_no_option_of_an_oscore_request_is_lost(any_pair):
    options = [(coap.OSCORE, b"\x09\x05\x25")] + REQUEST_OPTIONS
    sent, up, _ = any_pair.exchange(POST, path=(), payload=b"sealed", options=options)
    consumed = (coap.PROXY_URI, coap.PROXY_SCHEME, coap.URI_HOST, coap.URI_PORT)
    assert up.without(*consumed, coap.HOP_LIMIT) == sorted(sent.without(*consumed), key=lambda o: o[0])
    assert up.payload == b"sealed" and up.code == POST


@pytest.mark.covers("C7252-5.7.1-5")
@pytest.mark.parametrize("option", REQUEST_OPTIONS, ids=lambda o: str(o[0]))
def test_each_request_option_alone(pair, option):
    _, up, _ = pair.exchange(PUT, payload=b"x", options=[option])
    assert up.without(coap.URI_PATH, coap.HOP_LIMIT) == [(option[0], coap.as_value(option[1]))]


@pytest.mark.covers("C7252-5.10.7-1")
@pytest.mark.parametrize("number", [128, 132, 136, 140])
def test_reserved_location_options_are_relayed(pair, number):
    options = [(coap.LOCATION_PATH, "a"), (number, b"r1"), (number, b"r2")]
    *_, down = pair.exchange(POST, payload=b"x", answer=coap.CREATED, answer_options=options)
    assert down.all(number) == [b"r1", b"r2"] and down.first(coap.LOCATION_PATH) == b"a"


@pytest.mark.covers("C7252-5.10.6-1")
@pytest.mark.parametrize("tag", [b"\x00", bytes(8), b"\xff" * 8, b"0123456\n"])
def test_etags_are_opaque(pair, tag):
    _, up, down = pair.exchange(options=[(coap.ETAG, tag)], answer=coap.VALID, answer_options=[(coap.ETAG, tag)])
    assert up.all(coap.ETAG) == [tag] and down.all(coap.ETAG)[0] == tag


@pytest.mark.covers("C7252-5.10.8-1")
@pytest.mark.parametrize("options", [[(coap.IF_MATCH, b"x")], [(coap.IF_NONE_MATCH, b"")]])
def test_conditional_requests_reach_the_origin_each_time(pair, options):
    for _ in range(2):
        *_, down = pair.exchange(PUT, payload=b"x", options=options, answer=coap.code("4.12"))
        assert down.code == coap.code("4.12")
    assert len(pair.device.ledger) == 2


# defaults

@pytest.mark.covers("C7252-5.4.4-1")
def test_no_max_age_is_made_up(pair):
    *_, down = pair.exchange()
    assert down.uint(coap.MAX_AGE) in (None, 60)


@pytest.mark.covers("C7252-5.4.4-1")
def test_default_port_and_host_are_not_sent(any_pair):
    _, up, _ = any_pair.exchange()
    assert not up.has(coap.URI_PORT) and not up.has(coap.URI_HOST)


@pytest.mark.parametrize("age", [0, 1, 59, 61, 255, 256, 65536, 0xFFFFFFFF])
def test_max_age_passes(pair, age):
    *_, down = pair.exchange(answer_options=[(coap.MAX_AGE, age)])
    assert down.uint(coap.MAX_AGE) == age


# payloads

@pytest.mark.covers("C7252-5.5-1")
@pytest.mark.parametrize("code", [GET, coap.DELETE])
def test_payload_where_none_is_defined_is_dropped(pair, code):
    _, up, _ = pair.exchange(code, payload=b"meaningless")
    assert up.code == code and up.payload == b""


@pytest.mark.covers("C7252-5.5-1", "C8613-10-6")
@pytest.mark.parametrize("code", [GET, coap.DELETE])
def test_oscore_payload_stays_whatever_the_outer_code(pair, code):
    pair.client.send(oscore_request(pair, code=code, payload=b"sealed"))
    up = pair.device.recv()
    assert up.code == code and up.payload == b"sealed"
    pair.device.answer(up, coap.CHANGED)
    pair.client.recv()


@pytest.mark.parametrize("code", [POST, PUT, coap.FETCH, coap.PATCH, coap.IPATCH])
def test_payload_passes_where_it_is_defined(any_pair, code):
    _, up, _ = any_pair.exchange(code, payload=bytes(range(256)))
    assert up.code == code and up.payload == bytes(range(256))


@pytest.mark.covers("C7252-5.5.1-1")
@pytest.mark.parametrize("options", [[(coap.CONTENT_FORMAT, 257)], [(coap.CONTENT_FORMAT, 50)], []])
def test_error_payloads_pass_as_they_are(pair, options):
    body = b"\xa1\x20\x64oops"
    *_, down = pair.exchange(answer=coap.code("4.00"), answer_options=options, answer_payload=body)
    assert down.payload == body
    assert down.all(coap.CONTENT_FORMAT) == [coap.as_value(v) for _, v in options]


REFUSALS = {
    "4.02": dict(options=[(2055, b"x")]),
    "5.08": dict(options=[(coap.HOP_LIMIT, 1)]),
    "4.00": dict(options=[(coap.HOP_LIMIT, b"\x00")]),
}


@pytest.mark.covers("C7252-5.5.2-1", "C7252-5.5.2-2")
@pytest.mark.parametrize("kw", REFUSALS.values(), ids=REFUSALS.keys())
def test_own_diagnostics_are_short_text_without_addresses(pair, kw):
    down = pair.refused(**kw)
    text = down.payload.decode("utf-8")
    assert len(down.payload) <= 64 and not any(ord(c) < 32 for c in text)
    assert not any(c.isdigit() for c in text), "no address, no port"
    assert not down.has(coap.CONTENT_FORMAT)


@pytest.mark.covers("C7252-5.5.2-2")
@pytest.mark.parametrize("text", [b"Hop limit exceeded", b"retry", b"Max-Age=0", b"4.04", b"\xff\xfe\x00"])
def test_diagnostics_of_the_origin_decide_nothing(pair, text):
    for code in ("4.04", "5.00"):
        *_, down = pair.exchange(answer=coap.code(code), answer_payload=text)
        assert (down.code, down.payload) == (coap.code(code), text)


@pytest.mark.covers("C7252-5.5.2-1")
def test_problem_details_where_the_client_accepts_them(pair):
    """RFC 9290: a CBOR map in Content-Format 257 in place of the text."""
    down = pair.refused(options=[(coap.ACCEPT, 257), (2055, b"x")])
    assert down.code == BAD_OPTION and down.uint(coap.CONTENT_FORMAT) == 257
    assert down.payload[0] >> 5 == 5, "a map"


def test_no_problem_details_for_other_formats(pair):
    down = pair.refused(options=[(coap.ACCEPT, 60), (2055, b"x")])
    assert not down.has(coap.CONTENT_FORMAT)
