"""An origin that fell silent is spared, and found again: RFC 7252 4.7."""

import pytest

import coap
from coap import NON
from harness import Pair


@pytest.mark.covers("C7252-4.7-2")
def test_requests_to_an_origin_that_came_back_are_not_held_until_their_deadline(proxy):
    pair = Pair(proxy)
    for _ in range(3):
        pair.client.send(pair.request(coap.GET, type=NON, path=("q" * 200,)))
        proxy.advance(100_000)
    pair.device.pending()
    pair.client.pending()
    sent = pair.client.send(pair.request(coap.GET, type=NON, path=("q" * 200,)))
    for _ in range(40):
        proxy.advance(2_000)
        ups = [m for m in pair.device.pending() if m.code]
        if ups:
            break
    assert ups, "the origin is asked again before the deadline of the request"
    pair.device.answer(ups[-1])
    down = [m for m in pair.client.pending() if m.code]
    assert down and down[-1].token == sent.token and down[-1].code == coap.CONTENT
