"""Extended tokens: RFC 8974 2 (conformance 7)."""

import pytest

import coap
from coap import ACK, CON, NON
from harness import Pair, oscore_request

LENGTHS = [0, 1, 7, 8, 9, 12, 13, 14, 100, 255, 268, 269, 270, 300]
BAD_REQUEST, BUSY = coap.code("4.00"), coap.code("5.03")


@pytest.fixture(scope="module")
def long_tokens(tmp_path_factory):
    from harness import Proxy
    p = Proxy(tmp_path_factory.mktemp("tokens"), sections="limits: { token-length = 300; };")
    yield p
    p.stop()


@pytest.mark.covers("C8974-2.1-1", "C8974-2.3-1", "C7252-5.3-1")
@pytest.mark.parametrize("type_", [CON, NON])
@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_is_echoed(long_tokens, length, type_):
    sent, up, down = Pair(long_tokens).exchange(token=coap.token(length), type=type_)
    assert down.token == sent.token and len(up.token) <= 8


@pytest.mark.covers("C8974-2.1-1", "C8974-2.3-1")
@pytest.mark.parametrize("length", [9, 20, 269, 300])
def test_long_token_in_a_separate_response(long_tokens, length):
    pair = Pair(long_tokens)
    sent, up = pair.forward(token=coap.token(length))
    long_tokens.advance(1_100)
    assert pair.client.recv().is_empty
    pair.device.answer(up, payload=b"s")
    down = pair.client.recv()
    assert down.token == sent.token and down.payload == b"s"
    pair.client.ack(down)


@pytest.mark.covers("C8974-2.2.2-1")
@pytest.mark.parametrize("type_", [CON, NON])
@pytest.mark.parametrize("length", [301, 500, 1000])
def test_beyond_the_limit_an_answer_with_the_token_and_no_reset(long_tokens, length, type_):
    pair = Pair(long_tokens)
    down = pair.refused(token=coap.token(length), type=type_)
    assert down.code in (BAD_REQUEST, BUSY)


@pytest.mark.covers("C8974-2.2.2-1", "C8974-4.4-1")
@pytest.mark.parametrize("length", [65, 100, 400])
def test_beyond_the_default_limit(pair, length):
    down = pair.refused(token=coap.token(length))
    assert down.code in (BAD_REQUEST, BUSY)


@pytest.mark.covers("C8974-2.2.2-1")
def test_oscore_request_beyond_the_limit(pair):
    sent = pair.client.send(oscore_request(pair, token=coap.token(80)))
    down = pair.client.recv()
    assert down.code in (BAD_REQUEST, BUSY) and down.token == sent.token
    pair.device.quiet()


@pytest.mark.covers("C8974-2.2.2-1")
def test_token_of_two_kilobytes_gets_an_answer_or_4_13(pair):
    """It does not fit the receive buffer as a whole: never a reset."""
    pair.send(token=coap.token(1900))
    down = pair.client.recv()
    assert down.type == ACK and down.code >> 5 in (4, 5)
    pair.device.quiet()


@pytest.mark.covers("C8974-4.4-1")
def test_many_long_tokens_are_held_within_the_limit(long_tokens):
    device = long_tokens.device()
    pairs = [Pair(long_tokens, device=device) for _ in range(50)]
    sent = [p.send(token=coap.token(300)) for p in pairs]
    done = 0
    while done < 50:
        ups = [m for m in device.pending() if m.code]
        assert ups
        for up in ups:
            device.answer(up)
            done += 1
    assert [p.client.recv().token for p in pairs] == [s.token for s in sent]


@pytest.mark.covers("S-18")
def test_one_token_of_two_clients_at_once(proxy):
    """Each hop has its own tokens; none is copied upstream."""
    device = proxy.device()
    a, b = Pair(proxy, device=device), Pair(proxy, device=device)
    a.send(path=("a",), token=b"same")
    up_a = device.recv()
    device.ack(up_a)
    b.send(path=("b",), token=b"same")
    up_b = device.recv()
    device.ack(up_b)
    assert len({up_a.token, up_b.token, b"same"}) == 3
    device.separate(up_b, payload=b"for b")
    device.separate(up_a, payload=b"for a")
    assert a.client.recv().payload == b"for a"
    assert b.client.recv().payload == b"for b"


@pytest.mark.covers("S-18")
def test_tokens_differing_in_length_only(proxy):
    pair = Pair(proxy)
    ups = {}
    for token in (b"", b"\x00", b"\x00\x00", bytes(8), bytes(9)):
        pair.send(path=(str(len(token)),), token=token)
        up = pair.device.recv()
        pair.device.ack(up)
        ups[token] = up
    for token, up in reversed(list(ups.items())):
        pair.device.separate(up, payload=b"%d" % len(token))
        down = [m for m in pair.client.pending() if m.code]
        assert [(m.token, m.payload) for m in down] == [(token, b"%d" % len(token))]


@pytest.mark.covers("S-18", "C8974-2.3-1")
def test_token_lives_as_long_as_the_observation(proxy):
    pair = Pair(proxy)
    token = coap.token(20)
    sent, up = pair.forward(options=[(coap.OBSERVE, b"")], token=token)
    pair.device.answer(up, options=[(coap.OBSERVE, 1)])
    pair.client.recv()
    for _ in range(30):
        _, other, _ = pair.exchange()
        assert other.token != up.token
    proxy.advance(1_000_000)
    pair.device.separate(up, options=[(coap.OBSERVE, 2)], payload=b"n")
    down = [m for m in pair.client.pending() if m.code]
    assert [m.token for m in down] == [token]
    pair.client.ack(down[0])


@pytest.mark.parametrize("length,fits", [(8, True), (64, False)])
def test_answer_that_a_long_token_makes_too_long(proxy, length, fits):
    """What fitted with our own token upstream may not fit with the client's."""
    pair = Pair(proxy)
    sent, up = pair.forward(token=coap.token(length))
    payload = b"x" * (2048 - 4 - len(up.token) - 1)
    pair.device.answer(up, payload=payload)
    down = pair.client.recv()
    assert down.token == sent.token
    assert down.payload == payload if fits else down.code == coap.code("5.02")
    pair.client.quiet()
