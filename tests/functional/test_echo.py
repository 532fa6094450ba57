"""Echo and reachability: RFC 9175 (conformance 7), seam S-16.

The proxies here trust no network, so that a loopback client must show that it is reachable.
"""

import pytest

import coap
from coap import ACK, BLOCK2, CON, ECHO, GET, NON, POST, block_parts
from harness import Pair, Proxy, oscore_request

UNAUTHORIZED = coap.code("4.01")
NOBODY = "downstream: { trusted = []; };"
BIG = b"x" * 1000


@pytest.fixture(scope="module")
def wary_shared(tmp_path_factory):
    p = Proxy(tmp_path_factory.mktemp("wary"), sections=NOBODY)
    yield p
    p.stop()


@pytest.fixture
def wary(wary_shared):
    yield Pair(wary_shared)
    wary_shared.close_peers()
    wary_shared.check()


def allowed(sent):
    return max(3 * len(sent.encode()), 136)


def try_once(pair, code=POST, payload=BIG, options=(), type=CON, request=None, answer_options=()):
    """Sends; the device answers with `payload` if it is asked; returns (sent, upstream requests, answer)."""
    sent = pair.client.send(request or pair.request(code, options=options, payload=b"q" if code != GET else b"", type=type))
    ups = [m for m in pair.device.pending() if m.code]
    for up in ups:
        pair.device.answer(up, coap.CONTENT, answer_options, payload)
    down = pair.client.recv()
    assert down.token == sent.token
    return sent, ups, down


def challenged(pair, **kw):
    sent, _, down = try_once(pair, **kw)
    assert down.code == UNAUTHORIZED, down
    value = down.first(ECHO)
    assert value is not None and 1 <= len(value) <= 40
    return sent, down, value


def verified(pair):
    *_, value = challenged(pair)
    *_, down = try_once(pair, options=[(ECHO, value)])
    assert down.payload == BIG
    return value


def test_trusted_clients_are_not_asked(pair):
    *_, down = pair.exchange(POST, payload=b"q", answer_payload=BIG)
    assert down.payload == BIG


@pytest.mark.covers("C9175-2.4-2")
@pytest.mark.parametrize("code", [GET, POST, coap.PUT, coap.FETCH])
@pytest.mark.parametrize("size", [0, 1, 60, 110])
def test_small_answers_pass(wary, code, size):
    """136 bytes, or three times the request."""
    *_, down = try_once(wary, code, b"s" * size)
    assert down.code == coap.CONTENT and down.payload == b"s" * size


@pytest.mark.covers("C9175-2.4-2")
def test_long_requests_earn_long_answers(wary):
    sent, up = wary.forward(POST, payload=b"q" * 400)
    wary.device.answer(up, payload=BIG)
    assert wary.client.recv().payload == BIG


@pytest.mark.covers("C9175-2.4-2", "C7252-11.3-1", "C9175-2.4-1")
@pytest.mark.parametrize("code", [GET, coap.FETCH])
@pytest.mark.parametrize("type_", [CON, NON])
def test_large_answer_is_cut_to_a_block_that_fits(wary, code, type_):
    sent, _, down = try_once(wary, code, bytes(i & 255 for i in range(1000)), type=type_)
    assert len(down.raw) <= allowed(sent)
    assert down.code == coap.CONTENT
    num, more, szx = block_parts(down.first(BLOCK2))
    assert (num, more) == (0, True) and len(down.payload) == 16 << szx
    assert down.payload == bytes(i & 255 for i in range(16 << szx))


@pytest.mark.covers("C9175-2.4-2")
def test_rest_of_a_cut_answer_can_be_fetched(wary):
    _, _, down = try_once(wary, GET)
    _, _, szx = block_parts(down.first(BLOCK2))
    sent, up = wary.forward(options=[(BLOCK2, coap.block(1, False, szx))])
    assert block_parts(up.first(BLOCK2)) == (1, False, szx)
    wary.device.answer(up, options=[(BLOCK2, coap.block(1, True, szx))], payload=b"y" * (16 << szx))
    down = wary.client.recv()
    assert down.payload == b"y" * (16 << szx)


@pytest.mark.covers("C9175-2.4-1", "C9175-2.4-3")
@pytest.mark.parametrize("type_", [CON, NON])
@pytest.mark.parametrize("code", [POST, coap.PUT, coap.DELETE, coap.PATCH, coap.IPATCH])
def test_what_cannot_be_cut_is_challenged(wary, code, type_):
    sent, down, _ = challenged(wary, code=code, type=type_)
    assert down.type == (ACK if type_ == CON else NON), "never a separate CON"
    if type_ == CON:
        assert down.mid == sent.mid
    assert len(down.raw) <= 136


@pytest.mark.covers("C9175-2.3-2")
def test_own_echo_is_not_seen_upstream(wary):
    *_, value = challenged(wary)
    _, ups, down = try_once(wary, options=[(ECHO, value)])
    assert len(ups) == 1 and not ups[0].has(ECHO)
    assert down.payload == BIG and not down.has(ECHO)


@pytest.mark.covers("C9175-2.4-1")
def test_verified_client_gets_large_answers(wary):
    verified(wary)
    for code in (GET, POST, coap.FETCH):
        _, _, down = try_once(wary, code)
        assert down.payload == BIG and not down.has(BLOCK2)


@pytest.mark.covers("C9175-2.4-1", "C9175-5-1")
@pytest.mark.parametrize("after,still", [(590_000, True), (610_000, False)])
def test_verified_for_ten_minutes(wary, after, still):
    verified(wary)
    wary.proxy.advance(after)
    _, _, down = try_once(wary, GET)
    assert (down.payload == BIG) == still


@pytest.mark.covers("C9175-2.4-1")
def test_ack_of_our_random_message_id_verifies(wary):
    """Whoever acknowledges a separate response has seen its Message ID."""
    sent, up = wary.forward(POST, payload=b"q")
    wary.proxy.advance(1_100)
    assert wary.client.recv().is_empty
    wary.device.answer(up, payload=b"small")
    wary.client.ack(wary.client.recv())
    _, _, down = try_once(wary, POST)
    assert down.payload == BIG


@pytest.mark.covers("C9175-2.4-1")
def test_ack_of_another_message_id_does_not(wary):
    sent, up = wary.forward(POST, payload=b"q")
    wary.proxy.advance(1_100)
    wary.client.recv()
    wary.device.answer(up, payload=b"small")
    down = wary.client.recv()
    for offset in (1, 2, 0x8000):
        wary.client.send_raw(coap.empty(ACK, (down.mid + offset) & 0xFFFF), wary.client.to)
    challenged(wary)


@pytest.mark.covers("C9175-2.3-6")
@pytest.mark.parametrize("how", ["port", "address"])
def test_echo_of_another_endpoint_does_not_verify(wary, how):
    *_, value = challenged(wary)
    other = wary.proxy.client(host=wary.client.host) if how == "port" else wary.proxy.client(port=wary.client.port)
    thief = Pair(wary.proxy, client=other, device=wary.device)
    _, _, down = try_once(thief, options=[(ECHO, value)])
    assert down.payload != BIG


@pytest.mark.covers("C9175-2.3-6")
@pytest.mark.parametrize("at", [0, -1])
def test_changed_echo_does_not_verify(wary, at):
    *_, value = challenged(wary)
    forged = bytearray(value)
    forged[at] ^= 1
    thief = Pair(wary.proxy, device=wary.device)
    _, _, down = try_once(thief, options=[(ECHO, bytes(forged))])
    assert down.payload != BIG


@pytest.mark.covers("C9175-2.3-6", "C9175-5-1")
def test_key_changes_with_a_restart(start):
    first = start(sections=NOBODY)
    pair = Pair(first)
    *_, value = challenged(pair)
    host, port = pair.client.host, pair.client.port
    first.stop(drained=False)
    second = start(sections=NOBODY, port=first.port)
    again = Pair(second, client=second.client(host, port))
    _, _, down = try_once(again, options=[(ECHO, value)])
    assert down.payload != BIG


@pytest.mark.covers("C9175-5-1")
def test_old_echo_is_discarded(wary):
    *_, value = challenged(wary)
    wary.proxy.advance(3_600_000)
    before = wary.proxy.counters()["verified"]
    try_once(wary, options=[(ECHO, value)])
    assert wary.proxy.counters()["verified"] == before


@pytest.mark.covers("C7252-11.3-1")
def test_challenged_once_then_served_within_the_rate(wary):
    """A client that does not know Echo gets through, slowly."""
    challenged(wary)
    _, _, down = try_once(wary)
    assert down.payload == BIG


@pytest.mark.covers("C7252-11.3-1")
def test_rate_towards_a_network(start):
    """Many endpoints of one /24: together no more than the rate."""
    proxy = start(sections='downstream: { trusted = []; unverified-rate = "3kB"; };')
    device = proxy.device()
    total = 0
    for i in range(30):
        pair = Pair(proxy, client=proxy.client("127.201.7.%d" % (1 + i)), device=device)
        for _ in range(2):
            pair.send(POST, payload=b"q")
            for up in device.pending():
                if up.code:
                    device.answer(up, payload=BIG)
            total += sum(len(m.raw) for m in pair.client.pending() if len(m.raw) > 200)
    assert 0 < total <= 6_500
    assert proxy.counters()["unverified_rate_exceeded"] > 0


def test_route_without_echo(start):
    proxy = start(sections=NOBODY, routes='f: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; '
                                          'allow-networks = ["127.0.0.0/8"]; echo = false; };')
    _, _, down = try_once(Pair(proxy))
    assert down.payload == BIG


# OSCORE

@pytest.mark.covers("S-16", "C9175-2.4-3", "C9175-2.3-2")
@pytest.mark.parametrize("type_", [CON, NON])
def test_oscore_request_is_challenged_without_protection(wary, type_):
    request = oscore_request(wary, type=type_)
    sent, _, down = try_once(wary, request=request, answer_options=[(coap.OSCORE, b"")])
    assert down.code == UNAUTHORIZED and down.has(ECHO) and not down.has(coap.OSCORE)
    assert down.type == (ACK if type_ == CON else NON)
    again = oscore_request(wary, bytes.fromhex("090625"), options=[(ECHO, down.first(ECHO))], type=type_)
    _, ups, down = try_once(wary, request=again, answer_options=[(coap.OSCORE, b"")])
    assert len(ups) == 1 and not ups[0].has(ECHO) and ups[0].first(coap.OSCORE) == bytes.fromhex("090625")
    assert down.payload == BIG and down.first(coap.OSCORE) == b""


@pytest.mark.covers("S-16")
def test_oscore_answers_are_never_cut(wary):
    """The ciphertext is one piece."""
    _, _, down = try_once(wary, request=oscore_request(wary, code=coap.FETCH), answer_options=[(coap.OSCORE, b"")])
    assert down.code == UNAUTHORIZED or down.payload == BIG
    assert not down.has(BLOCK2)


@pytest.mark.covers("C8613-10-6", "S-13")
def test_challenged_oscore_request_is_not_resent_by_the_gateway(wary):
    _, ups, down = try_once(wary, request=oscore_request(wary), answer_options=[(coap.OSCORE, b"")])
    assert len(ups) <= 1 and down.code == UNAUTHORIZED
    wary.proxy.advance(100_000)
    assert not [m for m in wary.device.pending() if m.code]


# Echo of the origin: relayed

@pytest.mark.covers("C9175-2.2-1", "C9175-2.3-3", "S-16")
@pytest.mark.parametrize("value", [b"\x00", b"1", bytes(8), b"\xff" * 40])
def test_echo_of_the_origin_is_opaque_and_relayed_both_ways(any_pair, value):
    *_, down = any_pair.exchange(coap.PUT, payload=b"x", answer=UNAUTHORIZED, answer_options=[(ECHO, value)])
    assert down.code == UNAUTHORIZED and down.all(ECHO) == [value]
    _, up, down = any_pair.exchange(coap.PUT, payload=b"x", options=[(ECHO, value)], answer=coap.CHANGED)
    assert up.all(ECHO) == [value] and down.code == coap.CHANGED


@pytest.mark.covers("C9175-2.3-3", "S-16")
@pytest.mark.parametrize("oscore", [False, True])
def test_gateway_does_not_answer_an_echo_itself(pair, oscore):
    """What was buffered is older than the challenge."""
    request = oscore_request(pair) if oscore else pair.request(POST, payload=b"x")
    pair.client.send(request)
    up = pair.device.recv()
    pair.device.answer(up, UNAUTHORIZED, [(ECHO, b"fresh?")])
    assert pair.client.recv().first(ECHO) == b"fresh?"
    pair.proxy.advance(100_000)
    pair.quiet()


@pytest.mark.covers("C9175-2.3-1")
def test_request_that_answers_an_echo_leaves_from_the_port_of_the_first(any_pair):
    _, first, _ = any_pair.exchange(coap.PUT, payload=b"x", answer=UNAUTHORIZED, answer_options=[(ECHO, b"e")])
    _, second, _ = any_pair.exchange(coap.PUT, payload=b"x", options=[(ECHO, b"e")], answer=coap.CHANGED)
    assert second.source == first.source


@pytest.mark.covers("C9175-2.3-1")
def test_echo_goes_to_the_origin_that_the_client_names(proxy):
    """Two origins behind one gateway: nothing is remembered and sent elsewhere."""
    client = proxy.client()
    a, b = Pair(proxy, client=client), Pair(proxy, client=client)
    a.exchange(answer=UNAUTHORIZED, answer_options=[(ECHO, b"of a")])
    _, up, _ = b.exchange()
    assert not up.has(ECHO)
    _, up, _ = a.exchange(options=[(ECHO, b"of a")])
    assert up.all(ECHO) == [b"of a"]


@pytest.mark.covers("S-16", "C9175-2.3-2")
def test_gateway_and_origin_both_challenge(wary):
    """First ours, which is stripped; then the origin's, which is relayed."""
    *_, value = challenged(wary)
    sent, up = wary.forward(POST, payload=b"q", options=[(ECHO, value)])
    assert not up.has(ECHO)
    wary.device.answer(up, UNAUTHORIZED, [(ECHO, b"origin")])
    down = wary.client.recv()
    assert down.first(ECHO) == b"origin"
    sent, up = wary.forward(POST, payload=b"q", options=[(ECHO, b"origin")])
    assert up.all(ECHO) == [b"origin"]
    wary.device.answer(up, payload=BIG)
    assert wary.client.recv().payload == BIG


@pytest.mark.covers("C9175-2.4-3")
def test_challenge_of_a_slow_answer_is_not_a_separate_con(wary):
    """The Empty ACK is out already: a NON, or the answer itself if it is too late for that."""
    sent, up = wary.forward(POST, payload=b"q")
    wary.proxy.advance(1_100)
    wary.client.recv()
    wary.device.answer(up, payload=BIG)
    for down in wary.client.pending():
        if down.code == UNAUTHORIZED and down.has(ECHO):
            assert down.type == NON
        else:
            assert len(down.raw) <= allowed(sent)


def test_notifications_do_not_amplify(wary):
    sent, up = wary.forward(options=[(coap.OBSERVE, b"")])
    wary.device.answer(up, options=[(coap.OBSERVE, 1)], payload=b"s")
    wary.client.recv()
    wary.device.separate(up, options=[(coap.OBSERVE, 2)], payload=BIG)
    got = wary.client.pending()
    assert sum(len(m.raw) for m in got) <= 2 * 136 + 3 * len(sent.encode()) or all(m.type == CON for m in got)


def test_counters(start):
    proxy = start(sections=NOBODY)
    pair = Pair(proxy)
    verified(pair)
    try_once(Pair(proxy), GET)
    counters = proxy.counters()
    assert counters["challenged"] == 1 and counters["verified"] == 1 and counters["cut_for_unverified"] == 1


