"""OSCORE through the proxy: RFC 8613 2, 4, 10 (conformance 10.1, 10.3, 10.9).

Nothing here has a key. What looks like OSCORE must leave as it came, whatever it holds.
"""

import pathlib

import pytest

import coap
from coap import CON, FETCH, GET, NON, OSCORE, POST, Message
from harness import Pair, oscore_request

# sound, malformed, and of extensions: an endpoint judges them, a proxy does not
OPTIONS = {
    "empty": "", "PIV 0, empty kid": "0900", "kid 25, PIV 5": "090525", "kid context": "19050544616c656b",
    "response with PIV": "0107", "largest PIV": "0dffffffffff00", "kid only": "0825", "kid context of length 0": "190000",
    "kid of 7": "090001020304050607", "kid of 8": "09000102030405060708", "kid context without kid": "110005aabbccddee",
    "zero byte": "00", "n=6": "0e01010101010125", "n=7": "0f0101010101010125", "n=6 alone": "06", "n=7 alone": "07",
    "bit 0x20": "29052552", "bit 0x40": "490525", "bit 0x80": "89010525", "all bits": "ffffffffff", "PIV missing": "01",
    "PIV truncated": "0dffffff", "s missing": "1905", "s past the end": "1905060102030405", "s=255": "1905ff01",
    "k=0 and a tail": "010525", "k=0, h=1 and a tail": "11050144aa", "leading zero": "0a000525",
    "group request": "39050344616c25", "group response": "2852", "group response with PIV": "290752", "pairwise": "19050344616c25",
    "KUDOS": "8901052502", "KUDOS, three flag bytes": "898080010525", "255 bytes": "0900" + "5a" * 253,
    "context of 240 bytes": "1900f0" + "11" * 240 + "25",
}


def relayed(pair, option, payload=b"\x5a" * 32, code=POST, options=(), type=CON, answer=coap.CHANGED, answer_option=b"",
            answer_payload=b"\xa5" * 20):
    """A sealed exchange; asserts that option 9 and payload are the same on both legs. Returns (sent, up, down)."""
    sent = pair.client.send(oscore_request(pair, option, payload, code, options, type=type))
    up = pair.device.recv()
    assert up.all(OSCORE) == [option] and up.payload == payload and up.code == code
    pair.device.answer(up, answer, [(OSCORE, answer_option)], answer_payload)
    down = pair.client.recv()
    assert down.token == sent.token
    assert down.all(OSCORE) == [answer_option] and down.payload == answer_payload and down.code == answer
    return sent, up, down


@pytest.mark.covers("C8613-2-1", "C8613-2-5", "S-24", "D-KUD-1")
@pytest.mark.parametrize("value", OPTIONS.values(), ids=OPTIONS.keys())
def test_option_passes_byte_for_byte_in_requests(pair, value):
    relayed(pair, bytes.fromhex(value))


@pytest.mark.covers("C8613-2-1", "C8613-2-5", "S-24")
@pytest.mark.parametrize("value", OPTIONS.values(), ids=OPTIONS.keys())
def test_option_passes_byte_for_byte_in_responses(pair, value):
    relayed(pair, b"\x09\x05\x25", answer_option=bytes.fromhex(value))


@pytest.mark.covers("C8613-2-1", "C8613-10-1")
@pytest.mark.parametrize("type_", [CON, NON])
def test_every_form_of_naming_the_target(any_pair, type_):
    _, up, _ = relayed(any_pair, b"\x09\x05\x25", type=type_)
    assert up.without(OSCORE, coap.HOP_LIMIT) == []


@pytest.mark.covers("C8613-2-5")
@pytest.mark.parametrize("form", ["scheme", "uri", "reverse"])
def test_option_twice_gives_4_02(proxy, form):
    if form == "reverse":
        host, device = proxy.reverse()
        pair = Pair(proxy, form, device=device, host=host)
    else:
        pair = Pair(proxy, form)
    pair.client.send(oscore_request(pair, options=[(OSCORE, bytes.fromhex("090526"))]))
    assert pair.client.recv().code == coap.code("4.02")
    pair.device.quiet()


@pytest.mark.covers("C8613-2-5")
@pytest.mark.parametrize("size", [256, 300, 600])
def test_over_long_option_is_relayed_or_refused_whole(pair, size):
    value = b"\x09\x00" + b"\x5a" * (size - 2)
    sent = pair.client.send(oscore_request(pair, value))
    for up in pair.device.pending():
        assert up.all(OSCORE) == [value]
        pair.device.answer(up, coap.CHANGED)
    assert pair.client.recv().code in (coap.CHANGED, coap.code("4.02"))
    assert sent is not None


@pytest.mark.parametrize("payload", [b"\x00", b"\xff" * 9, b"\x01\x02\x03\x04\x05\x06\x07\x08", bytes(1100)],
                         ids=["1 byte", "markers", "shorter than a tag", "1100 zeros"])
@pytest.mark.covers("C8613-10-6")
def test_payload_is_not_judged(pair, payload):
    relayed(pair, b"\x09\x05\x25", payload=payload)


@pytest.mark.covers("S-6")
def test_option_without_payload_is_relayed(pair):
    relayed(pair, b"\x09\x05\x25", payload=b"")


@pytest.mark.parametrize("code", [coap.CHANGED, coap.CONTENT, coap.code("4.01"), coap.code("4.00"), coap.code("5.03")])
def test_unprotected_answers_pass_as_they_are(pair, code):
    """Whether it may be one is for the client to know."""
    pair.client.send(oscore_request(pair))
    pair.device.answer(pair.device.recv(), code, payload=b"plain")
    down = pair.client.recv()
    assert (down.code, down.payload) == (code, b"plain") and not down.has(OSCORE)


@pytest.mark.covers("C8613-10-2", "C8613-10-6", "S-12")
def test_equal_requests_all_go_upstream(pair):
    """No cache lookup, no joining: two clients may send the same bytes, one client may repeat itself."""
    device = pair.device
    for i in range(3):
        relayed(pair, b"\x09\x05\x25", answer_payload=b"%d" % i)
    other = Pair(pair.proxy, device=device)
    relayed(other, b"\x09\x05\x25")
    assert len(device.ledger) == 4


@pytest.mark.covers("C8613-10-3", "S-12")
@pytest.mark.parametrize("code,options", [("4.01", [(coap.MAX_AGE, 0)]), ("4.01", []), ("4.00", [(coap.MAX_AGE, 600)]),
                                          ("2.05", [(coap.MAX_AGE, 600)]), ("4.04", [])])
def test_nothing_of_an_oscore_exchange_is_stored(pair, code, options):
    """The context appears after the first 4.01: the next request must see the origin."""
    request = dict(option=b"\x09\x05\x25", code=FETCH)
    pair.client.send(oscore_request(pair, **request))
    pair.device.answer(pair.device.recv(), coap.code(code), options, b"Security context not found")
    assert pair.client.recv().code == coap.code(code)
    relayed(pair, b"\x09\x05\x25", code=FETCH)
    plain = pair.exchange(FETCH, path=(), payload=b"q", answer_payload=b"fresh")[2]
    assert plain.payload == b"fresh"


@pytest.mark.covers("C8613-10-6", "C8613-10-2")
def test_concurrent_equal_requests_are_not_joined(proxy):
    device = proxy.device()
    pairs = [Pair(proxy, device=device) for _ in range(5)]
    for p in pairs:
        p.client.send(oscore_request(p))
    seen = 0
    while seen < 5:
        ups = [m for m in device.pending() if m.code]
        assert ups
        for up in ups:
            device.answer(up, coap.CHANGED, [(OSCORE, b"")], b"%d" % seen)
            seen += 1
    assert sorted(p.client.recv().payload for p in pairs) == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.covers("C8613-4.1.3.1-1", "S-11")
@pytest.mark.parametrize("code", ["4.01", "4.02", "4.00", "5.03", "2.05"])
def test_outer_max_age_0_is_kept(pair, code):
    pair.client.send(oscore_request(pair))
    pair.device.answer(pair.device.recv(), coap.code(code), [(coap.MAX_AGE, 0)])
    down = pair.client.recv()
    assert down.all(coap.MAX_AGE) == [b""]


@pytest.mark.covers("C8613-4.1.3.1-1", "S-11")
def test_outer_max_age_0_survives_two_hops(start):
    second = start()
    first = start(routes='p: { from = ["coap"]; forward-to = ["coap://*:*"]; via = "coap://%s:%d"; };' % second.address)
    client, device = first.client(), second.device()
    client.send(Message(POST, options=[(coap.PROXY_URI, device.url), (OSCORE, b"\x09\x05\x25")], payload=b"c"))
    for p in (first, second):
        p.settle()
    device.answer(device.recv(), coap.code("4.01"), [(coap.MAX_AGE, 0)], b"Replay detected")
    for p in (second, first):
        p.settle()
    down = client.recv()
    assert down.all(coap.MAX_AGE) == [b""] and down.payload == b"Replay detected"


@pytest.mark.covers("C8613-4.1.3.3-2")
def test_proxy_uri_of_a_sealed_request_has_no_path(pair):
    """As the client makes it by RFC 8613: scheme, host and port stay outside, the rest is inside."""
    pair.client.send(Message(POST, options=[(OSCORE, b"\x09\x05\x25"), (coap.PROXY_URI, pair.device.url)], payload=b"c"))
    up = pair.device.recv()
    assert up.without(coap.HOP_LIMIT) == [(OSCORE, b"\x09\x05\x25")] and up.payload == b"c"
    pair.device.answer(up, coap.CHANGED)
    pair.client.recv()


@pytest.mark.parametrize("options", [[(coap.URI_PATH, b"a"), (coap.URI_QUERY, b"b")], [(coap.CONTENT_FORMAT, b"")],
                                     [(coap.ACCEPT, b"")], [(coap.IF_MATCH, b"x")], [(2056, b"x")], [(coap.ETAG, b"t")]])
@pytest.mark.covers("C7252-5.7.1-5", "C8613-10-6")
def test_other_outer_options_are_not_tidied_away(pair, options):
    _, up, _ = relayed(pair, b"\x09\x05\x25", options=options)
    assert [o for o in up.options if o[0] in {n for n, _ in options}] == options


@pytest.mark.covers("C8613-10-6", "S-13")
@pytest.mark.parametrize("code", [POST, FETCH])
def test_only_the_same_datagram_is_sent_again(pair, code):
    """Message-layer repeats under one Message ID are all that ever follows a sealed request."""
    pair.client.send(oscore_request(pair, code=code))
    seen = pair.proxy.watch(200_000, pair.device, step=1000)
    assert len(seen) == 5 and len({m.raw for _, _, m in seen}) == 1


@pytest.mark.covers("S-13", "C8613-10-6")
@pytest.mark.parametrize("how", ["reset", "ack then silence", "wrong token"])
def test_on_doubt_an_error_and_no_second_delivery(pair, how):
    pair.client.send(oscore_request(pair))
    up = pair.device.recv()
    if how == "reset":
        pair.device.reset(up)
    elif how == "ack then silence":
        pair.device.ack(up)
    else:
        pair.device.piggyback(up, coap.CHANGED, [(OSCORE, b"")], b"x", token=b"12345678")
    pair.proxy.advance(300_000)
    answers = [m for m in pair.client.pending() if m.code]
    assert answers and answers[0].code in (coap.code("5.02"), coap.code("5.04"))
    assert len({m.raw for m in answers}) == 1
    assert len(pair.device.distinct()) == 1


@pytest.mark.covers("S-13")
def test_lost_response_is_not_asked_for_again(pair):
    """The client repeats its request: it gets what was answered, the origin sees nothing."""
    sent, up, down = relayed(pair, b"\x09\x05\x25")
    for _ in range(4):
        pair.client.send(sent)
        assert pair.client.recv().raw == down.raw
    pair.device.quiet()


@pytest.mark.covers("C9668-3.1-1", "S-25", "C9668-3.1-2")
def test_edhoc_and_oscore_combined(pair):
    """Option 21, empty; the payload is message_3 and ciphertext in one."""
    body = bytes.fromhex("58195be4f1a3") + bytes(40)
    for _ in range(2):
        _, up, _ = relayed(pair, bytes.fromhex("090027"), payload=body, options=[(coap.EDHOC, b"")])
        assert up.all(coap.EDHOC) == [b""]


@pytest.mark.covers("S-25")
@pytest.mark.parametrize("form", [64, 65])
def test_plain_edhoc_messages(pair, form):
    _, up, down = pair.exchange(POST, path=(".well-known", "edhoc"), payload=b"\xf5" + bytes(37), options=[(coap.CONTENT_FORMAT, form)],
                                answer=coap.CHANGED, answer_payload=bytes(45), answer_options=[(coap.CONTENT_FORMAT, 64)])
    assert up.payload == b"\xf5" + bytes(37) and up.uint(coap.CONTENT_FORMAT) == form and down.payload == bytes(45)


@pytest.mark.covers("C8613-10-1", "C8613-4.1.3.4-2")
def test_outer_blocks_of_a_sealed_message_pass(pair):
    for num in range(3):
        more = num < 2
        pair.client.send(oscore_request(pair, payload=bytes([num]) * 256, options=[(coap.BLOCK1, coap.block(num, more, 4))]))
        up = pair.device.recv()
        assert coap.block_parts(up.first(coap.BLOCK1)) == (num, more, 4) and up.payload == bytes([num]) * 256
        pair.device.answer(up, coap.CONTINUE if more else coap.CHANGED, [(coap.BLOCK1, coap.block(num, more, 4))])
        assert pair.client.recv().code == (coap.CONTINUE if more else coap.CHANGED)


@pytest.mark.parametrize("code", [GET, POST, coap.PUT, coap.DELETE, FETCH, coap.PATCH, coap.IPATCH])
def test_outer_code_is_kept(pair, code):
    relayed(pair, b"\x09\x05\x25", code=code)


@pytest.mark.parametrize("code", ["2.01", "2.02", "2.03", "2.04", "2.05", "4.04", "5.00", "5.05"])
def test_outer_response_code_is_kept(pair, code):
    relayed(pair, b"\x09\x05\x25", answer=coap.code(code))


@pytest.mark.covers("C8613-10-6")
def test_no_content_format_is_made_up(pair):
    _, up, down = relayed(pair, b"\x09\x05\x25")
    assert not up.has(coap.CONTENT_FORMAT) and not down.has(coap.CONTENT_FORMAT)
    assert not up.has(coap.ETAG) and not up.has(coap.ACCEPT)


@pytest.mark.parametrize("value", [0, 1])
def test_outer_observe_keeps_the_request_value(pair, value):
    pair.client.send(oscore_request(pair, code=FETCH, options=[(coap.OBSERVE, value)]))
    up = pair.device.recv()
    assert up.uint(coap.OBSERVE) == value
    pair.device.answer(up, coap.CONTENT, [(OSCORE, b"")], b"c")
    pair.client.recv()


@pytest.mark.covers("C8613-12.8-1")
def test_default_log_shows_no_kid(pair):
    relayed(pair, bytes.fromhex("19050844454144424545464b"))
    log = pair.proxy.explain().lower()
    assert "4445414442454546" not in log and "deadbeef" not in log


@pytest.mark.covers("C8613-D.1-1")
def test_security_text_says_what_a_gateway_can_still_do():
    text = (pathlib.Path(__file__).resolve().parents[2] / "SECURITY.md").read_text()
    promised_not = text[text.index("does not promise"):]
    for word in ("drop", "delay", "reorder", "repeat", "Outer options"):
        assert word in promised_not


def test_counted_as_oscore(pair):
    before = pair.proxy.counters()["requests_oscore"]
    relayed(pair, b"\x09\x05\x25")
    pair.exchange()
    assert pair.proxy.counters()["requests_oscore"] == before + 1


