"""What a client who was never seen can cost the address it claims, and the gateway's own addresses: RFC 9175 2.4, RFC 7252 5.7.2."""

import pytest

import coap
from coap import CON
from harness import Pair

NOBODY = "downstream: { trusted = []; };"


@pytest.mark.covers("C9175-2.4-2", "C7252-11.2-3")
@pytest.mark.parametrize("copies", [1, 2, 3])
def test_repeats_of_a_separate_answer_count_too(start, copies):
    proxy = start(sections=NOBODY)
    pair = Pair(proxy)
    sent = pair.client.send(pair.request(coap.GET, type=CON))
    up = pair.device.recv()
    raw = sent.encode()
    for _ in range(copies - 1):
        pair.client.send(raw)
        proxy.settle()
    proxy.advance(1_500)
    pair.device.answer(up, payload=b"x" * 100)
    proxy.advance(120_000)
    got = sum(len(m.raw) for m in pair.client.pending())
    assert 0 < got <= max(3 * len(raw), 136) + 4 * (copies - 1)


@pytest.mark.covers("C7252-5.7.2-2")
@pytest.mark.parametrize("form", ["scheme", "uri"])
@pytest.mark.parametrize("own", ["127.0.0.1", "127.0.0.9"])
def test_every_own_address_is_local(start, own, form):
    """A listener on all addresses; asked at one of them for another."""
    proxy = start(host="0.0.0.0")
    client = proxy.client()
    if form == "uri":
        options = [(coap.PROXY_URI, "coap://%s:%d/.well-known/core" % (own, proxy.port))]
    else:
        options = [(coap.URI_HOST, own), (coap.URI_PORT, proxy.port), (coap.URI_PATH, ".well-known"),
                   (coap.URI_PATH, "core"), (coap.PROXY_SCHEME, "coap")]
    down = client.ask(coap.Message(coap.GET, options=options))
    assert down.code == coap.CONTENT and b"core" in down.payload
