"""No-Response: RFC 7967 (conformance 5), seam S-22."""

import pytest

import coap
from coap import ACK, CON, GET, NO_RESPONSE, NON, PUT
from harness import Pair, oscore_request

def first_of_each(messages):
    """Answers without their retransmissions."""
    return list({m.raw: m for m in messages if m.code}.values())


SUCCESS, CLIENT_ERROR, SERVER_ERROR = "2.04", "4.04", "5.00"
BIT = {SUCCESS: 2, CLIENT_ERROR: 8, SERVER_ERROR: 16}


@pytest.mark.covers("C7967-2-1", "S-22")
@pytest.mark.parametrize("value", [0, 2, 8, 16, 26])
def test_option_goes_upstream(any_pair, value):
    """Unsafe, and understood: it is not lost, the origin may save its answer."""
    sent, up = any_pair.forward(PUT, payload=b"x", options=[(NO_RESPONSE, value)], type=NON)
    assert up.all(NO_RESPONSE) == [coap.uint(value)]


@pytest.mark.covers("C7967-2.1-1")
@pytest.mark.parametrize("value", [0, 2, 8, 16, 10, 18, 24])
@pytest.mark.parametrize("text", [SUCCESS, CLIENT_ERROR, SERVER_ERROR])
def test_only_suppressed_classes_are_kept_back(pair, value, text):
    sent, up = pair.forward(PUT, payload=b"x", options=[(NO_RESPONSE, value)], type=NON)
    pair.device.answer(up, coap.code(text))
    got = pair.client.pending()
    if value & BIT[text]:
        assert got == []
    else:
        assert [(m.code, m.token) for m in got] == [(coap.code(text), sent.token)]


@pytest.mark.covers("C7967-2.1-1")
@pytest.mark.parametrize("value", [b"", b"\x00"])
def test_zero_and_empty_want_everything(pair, value):
    *_, down = pair.exchange(PUT, payload=b"x", options=[(NO_RESPONSE, value)], answer=coap.CHANGED)
    assert down.code == coap.CHANGED


@pytest.mark.covers("C7967-2.1-3")
@pytest.mark.parametrize("text", [SUCCESS, CLIENT_ERROR, SERVER_ERROR])
def test_con_is_acknowledged_all_the_same(pair, text):
    sent, up = pair.forward(PUT, payload=b"x", options=[(NO_RESPONSE, 26)])
    pair.device.answer(up, coap.code(text))
    pair.proxy.advance(1_500)
    got = pair.client.pending()
    assert [(m.type, m.code, m.mid) for m in got] == [(ACK, 0, sent.mid)]
    pair.client.send(sent)
    again = pair.client.recv()
    assert (again.type, again.code, again.mid) == (ACK, 0, sent.mid)
    pair.device.quiet()


@pytest.mark.covers("C7967-2.1-2", "S-22")
@pytest.mark.parametrize("type_", [CON, NON])
def test_no_5_04_where_nothing_is_wanted(pair, type_):
    sent, up = pair.forward(PUT, payload=b"x", options=[(NO_RESPONSE, 26)], type=type_)
    if type_ == CON:
        pair.device.ack(up)
    pair.proxy.advance(300_000)
    assert all(m.is_empty for m in pair.client.pending())


@pytest.mark.covers("C7967-2.1-2")
def test_non_with_26_holds_no_long_state(start):
    proxy = start()
    pair = Pair(proxy)
    pair.forward(PUT, payload=b"x", options=[(NO_RESPONSE, 26)], type=NON)
    proxy.advance(30_000)
    assert proxy.state()["exchanges"] == 0


@pytest.mark.covers("C7967-2.1-1")
def test_timeout_is_told_where_errors_are_wanted(pair):
    sent, _ = pair.forward(PUT, payload=b"x", options=[(NO_RESPONSE, 2)], type=NON)
    pair.proxy.advance(94_000)
    assert [m.code for m in pair.client.pending()] == [coap.code("5.04")]


@pytest.mark.covers("C7967-2.1-1", "D-CC-1")
def test_own_refusals_follow_it_too(pair):
    pair.send(PUT, payload=b"x", options=[(NO_RESPONSE, 8), (2055, b"")], type=NON)
    assert pair.client.pending() == []
    pair.send(PUT, payload=b"x", options=[(NO_RESPONSE, 2), (2055, b"")], type=NON)
    assert [m.code for m in pair.client.pending()] == [coap.code("4.02")]


@pytest.mark.covers("C7967-3.1-1")
def test_tokens_are_not_used_again_soon(pair):
    tokens = set()
    for _ in range(100):
        pair.send(PUT, payload=b"x", options=[(NO_RESPONSE, 26)], type=NON)
        for up in pair.device.pending():
            assert up.token not in tokens
            tokens.add(up.token)
        pair.proxy.advance(3_000)
        for up in pair.device.pending():
            assert up.token not in tokens
            tokens.add(up.token)
    assert len(tokens) >= 90


@pytest.mark.covers("C7967-3.2-1", "C7252-4.7-2")
def test_without_feedback_one_message_in_three_seconds(pair):
    for _ in range(30):
        pair.send(PUT, payload=b"x", options=[(NO_RESPONSE, 26)], type=NON)
    seen = pair.proxy.watch(12_000, pair.device, step=250)
    assert 1 <= len(seen) <= 7


@pytest.mark.covers("S-22")
@pytest.mark.parametrize("type_", [CON, NON])
def test_inner_no_response_is_invisible(pair, type_):
    """No Outer option: the origin stays silent, and the gateway says 5.04, which the client discards."""
    pair.client.send(oscore_request(pair, type=type_))
    up = pair.device.recv()
    if up.type == CON:
        pair.device.ack(up)
    pair.proxy.advance(260_000)
    assert [m.code for m in first_of_each(pair.client.pending())] == [coap.code("5.04")]


@pytest.mark.covers("S-22")
@pytest.mark.parametrize("type_", [CON, NON])
def test_outer_26_forwards_quietly(pair, type_):
    pair.client.send(oscore_request(pair, options=[(NO_RESPONSE, 26)], type=type_))
    up = pair.device.recv()
    assert up.uint(NO_RESPONSE) == 26
    if up.type == CON:
        pair.device.ack(up)
    pair.proxy.advance(300_000)
    assert all(m.is_empty for m in pair.client.pending())


def test_get_with_no_response_still_answers_what_is_wanted(pair):
    *_, down = pair.exchange(GET, options=[(NO_RESPONSE, 8)], answer_payload=b"v")
    assert down.payload == b"v"


