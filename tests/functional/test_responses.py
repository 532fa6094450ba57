"""Responses and tokens: RFC 7252 5.2, 5.3 (conformance 1.3)."""

import pytest

import coap
from coap import ACK, CON, GET, NON, POST, RST, Message
from harness import Pair

CODES = ["2.01", "2.02", "2.03", "2.04", "2.05", "2.06", "2.30", "4.00", "4.01", "4.02", "4.03", "4.04", "4.05", "4.06",
         "4.08", "4.09", "4.12", "4.13", "4.15", "4.22", "4.29", "4.31", "5.00", "5.01", "5.02", "5.03", "5.04", "5.05",
         "5.06", "5.30", "5.31"]


@pytest.mark.covers("C7252-5.2-1")
@pytest.mark.parametrize("text", CODES)
def test_codes_pass_unchanged(pair, text):
    """Known or not: the class says what it means, the number goes on as it is."""
    *_, down = pair.exchange(POST, payload=b"q", answer=coap.code(text), answer_payload=b"text of the origin")
    assert down.code == coap.code(text) and down.payload == b"text of the origin"


@pytest.mark.covers("C8132-3-3")
@pytest.mark.parametrize("method", [coap.PATCH, coap.IPATCH])
@pytest.mark.parametrize("text", ["4.09", "4.22"])
def test_conflict_and_unprocessable_entity_keep_their_state(pair, method, text):
    *_, down = pair.exchange(method, payload=b"patch", answer=coap.code(text), answer_payload=b"state",
                             answer_options=[(coap.CONTENT_FORMAT, 60)])
    assert (down.code, down.payload, down.uint(coap.CONTENT_FORMAT)) == (coap.code(text), b"state", 60)


# piggybacked and separate

@pytest.mark.covers("C7252-5.2.1-1")
def test_piggybacked(any_pair):
    sent, up, down = any_pair.exchange(answer_payload=b"p")
    assert (down.type, down.mid, down.payload) == (ACK, sent.mid, b"p")


@pytest.mark.covers("C7252-5.2.1-1", "C7252-5.2.2-3")
@pytest.mark.parametrize("type_", [CON, NON])
def test_separate_in_time_is_piggybacked_downstream(any_pair, type_):
    """How the origin answers is its own leg's matter."""
    sent, up = any_pair.forward()
    any_pair.device.ack(up)
    any_pair.quiet()
    response = any_pair.device.separate(up, payload=b"s", type=type_)
    if type_ == CON:
        ack = any_pair.device.recv()
        assert (ack.type, ack.code, ack.mid) == (ACK, 0, response.mid)
    down = any_pair.client.recv()
    assert (down.type, down.mid, down.token, down.payload) == (ACK, sent.mid, sent.token, b"s")
    any_pair.quiet()


@pytest.mark.covers("C7252-5.2.2-1")
def test_empty_ack_leaves_after_one_second(pair):
    sent, up = pair.forward()
    pair.proxy.advance(950)
    pair.client.quiet()
    pair.proxy.advance(100)
    ack = pair.client.recv()
    assert (ack.type, ack.code, ack.mid, len(ack.raw)) == (ACK, 0, sent.mid, 4)
    pair.client.quiet()


@pytest.mark.covers("C7252-5.2.2-1")
def test_five_second_origin_costs_the_client_one_con(pair):
    """One Empty ACK before the client's timer can run out, one separate response."""
    sent, up = pair.forward()
    pair.device.ack(up)
    before = pair.proxy.watch(1_900, pair.client)
    assert [m.code for _, _, m in before] == [0]
    pair.proxy.advance(3_100)
    pair.client.quiet()
    pair.device.separate(up, payload=b"five")
    down = pair.client.recv()
    assert (down.type, down.token, down.payload) == (CON, sent.token, b"five")
    pair.client.ack(down)
    assert pair.proxy.watch(50_000, pair.client, step=1000) == []


@pytest.mark.covers("C7252-5.2.2-2")
def test_nothing_is_piggybacked_after_an_empty_ack(pair):
    sent, up = pair.forward()
    pair.proxy.advance(1_100)
    assert pair.client.recv().is_empty
    pair.device.answer(up, payload=b"x")
    down = pair.client.recv()
    assert down.type == CON and down.mid != sent.mid
    pair.client.send(sent)
    again = pair.client.recv()
    assert (again.type, again.code, again.mid) == (ACK, 0, sent.mid)
    pair.client.ack(down)
    pair.client.send(sent)
    assert pair.client.recv().is_empty


@pytest.mark.covers("C7252-5.2.2-2")
@pytest.mark.parametrize("refusal", ["reset", "timeout"])
def test_errors_after_an_empty_ack_are_separate_too(pair, refusal):
    sent, up = pair.forward()
    pair.proxy.advance(1_100)
    assert pair.client.recv().is_empty
    if refusal == "reset":
        pair.device.reset(up)
    else:
        pair.proxy.advance(93_000)
    down = pair.client.recv()
    assert down.type == CON and down.code >> 5 == 5 and down.token == sent.token
    pair.client.ack(down)


@pytest.mark.covers("C7252-5.2.2-3")
@pytest.mark.parametrize("how", ["ack", "reset"])
def test_any_matching_ack_or_reset_stops_a_separate_response(pair, how):
    sent, up = pair.forward()
    pair.proxy.advance(1_100)
    pair.client.recv()
    pair.device.answer(up)
    down = pair.client.recv()
    first = pair.proxy.watch(3_500, pair.client)
    assert len(first) == 1 and first[0][2].raw == down.raw, "not acknowledged: repeated"
    getattr(pair.client, "ack" if how == "ack" else "reset")(down)
    assert pair.proxy.watch(60_000, pair.client, step=500) == []


@pytest.mark.covers("C7252-4.2-4")
def test_separate_response_is_sent_five_times_to_a_deaf_client(pair):
    sent, up = pair.forward()
    pair.proxy.advance(1_100)
    pair.client.recv()
    pair.device.answer(up)
    seen = [(at, m) for at, _, m in pair.proxy.watch(110_000, pair.client, step=250)]
    assert len(seen) == 5 and len({m.raw for _, m in seen}) == 1
    times = [at for at, _ in seen]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert 1_750 <= gaps[0] <= 3_250
    assert all(abs(b - 2 * a) <= 1_000 for a, b in zip(gaps, gaps[1:])), gaps
    assert times[-1] <= 45_500


@pytest.mark.covers("C7252-4.4-3")
def test_ack_of_another_client_does_not_stop_a_separate_response(pair):
    sent, up = pair.forward()
    pair.proxy.advance(1_100)
    pair.client.recv()
    pair.device.answer(up)
    down = pair.client.recv()
    pair.proxy.client().ack(down)
    assert len(pair.proxy.watch(3_500, pair.client)) == 1
    pair.client.ack(down)


# tokens

@pytest.mark.covers("C7252-5.3-1")
@pytest.mark.parametrize("length", range(9))
def test_token_is_echoed(any_pair, length):
    sent, _, down = any_pair.exchange(token=coap.token(length))
    assert down.token == sent.token


@pytest.mark.covers("C7252-5.3-1")
@pytest.mark.parametrize("token", [b"", b"\x00", bytes(8), b"\xff" * 8])
def test_token_is_opaque(pair, token):
    *_, down = pair.exchange(type=NON, token=token)
    assert down.token == token


@pytest.mark.covers("C7252-5.3-1")
def test_token_is_echoed_in_a_separate_response(pair):
    sent, up = pair.forward(token=b"")
    pair.proxy.advance(1_100)
    pair.client.recv()
    pair.device.answer(up)
    down = pair.client.recv()
    assert down.type == CON and down.token == b""
    pair.client.ack(down)


@pytest.mark.covers("C7252-5.3-2")
def test_upstream_tokens_in_use_are_unique(proxy):
    device = proxy.device()
    tokens = set()
    for _ in range(30):
        pair = Pair(proxy, device=device)
        for _ in range(10):
            pair.send(token=b"\x01")
            for up in device.pending():
                assert up.token not in tokens
                tokens.add(up.token)
                device.ack(up)
    for up in device.pending():
        tokens.add(up.token)
    assert len(tokens) == 300


@pytest.mark.covers("C7252-5.3-3")
def test_upstream_tokens_are_random(pair):
    """At least 32 bits differ from token to token without pattern."""
    tokens = []
    for _ in range(64):
        _, up, _ = pair.exchange()
        assert len(up.token) >= 4
        tokens.append(int.from_bytes(up.token, "big"))
    bits = 8 * 8
    lively = 0
    for bit in range(bits):
        ones = sum(t >> bit & 1 for t in tokens)
        lively += 12 <= ones <= 52
    assert lively >= 32
    assert len({b - a for a, b in zip(tokens, tokens[1:])}) == 63


@pytest.mark.covers("C8974-2.3-1", "C7252-5.3-3")
def test_client_token_does_not_go_upstream(pair):
    sent, up, _ = pair.exchange(token=coap.token(8))
    assert up.token != sent.token


@pytest.mark.covers("C7252-5.3-4")
@pytest.mark.parametrize("type_", [CON, NON])
def test_right_token_from_another_port(pair, type_):
    sent, up = pair.forward()
    stranger = pair.proxy.device(host=pair.device.host)
    wrong = stranger.separate(up, payload=b"forged", type=type_)
    for m in stranger.pending():
        assert (m.type, m.mid) == (RST, wrong.mid)
    if type_ == CON:
        assert stranger.ledger, "an unexpected CON is rejected"
    pair.client.quiet()
    pair.device.answer(up, payload=b"true")
    assert pair.client.recv().payload == b"true"


@pytest.mark.covers("C7252-5.3-4")
def test_right_token_from_another_address(pair):
    sent, up = pair.forward()
    stranger = pair.proxy.device(port=pair.device.port)
    stranger.separate(up, payload=b"forged")
    assert stranger.recv().type == RST
    pair.client.quiet()
    pair.device.answer(up, payload=b"true")
    assert pair.client.recv().payload == b"true"


@pytest.mark.covers("C7252-5.3-4")
def test_piggybacked_answer_from_another_address_is_ignored(pair):
    sent, up = pair.forward()
    stranger = pair.proxy.device(port=pair.device.port)
    stranger.piggyback(up, payload=b"forged")
    stranger.quiet()
    pair.client.quiet()
    pair.device.answer(up, payload=b"true")
    assert pair.client.recv().payload == b"true"


@pytest.mark.covers("C7252-5.3-4")
def test_piggybacked_answer_needs_the_message_id(pair):
    sent, up = pair.forward()
    wrong = Message(coap.CONTENT, ACK, (up.mid + 1) & 0xFFFF, up.token, payload=b"forged")
    pair.device.send_raw(wrong.encode(), up.source)
    pair.quiet()
    pair.device.answer(up, payload=b"true")
    assert pair.client.recv().payload == b"true"


@pytest.mark.covers("C7252-5.3-4", "C8974-3.3-1")
@pytest.mark.parametrize("token", [b"", b"\x00", bytes(8), b"\xff" * 8, bytes(20)])
def test_piggybacked_answer_with_a_wrong_token(pair, token):
    """The acknowledgement counts, the response does not."""
    sent, up = pair.forward()
    pair.device.piggyback(up, payload=b"forged", token=token)
    pair.quiet()
    again = [m for _, _, m in pair.proxy.watch(20_000, pair.device, step=500)]
    assert again == [], "acknowledged, so not repeated"
    assert all(m.is_empty for m in pair.client.pending())
    pair.device.separate(up, payload=b"true")
    assert any(m.payload == b"true" for m in pair.client.pending())


@pytest.mark.covers("C8974-3.3-1", "C7252-5.3-5")
@pytest.mark.parametrize("flip", [0, 3, 7])
def test_con_response_with_a_wrong_token_is_rejected(pair, flip):
    sent, up = pair.forward()
    token = bytearray(up.token)
    token[flip] ^= 1
    wrong = pair.device.separate(up, payload=b"forged", token=bytes(token))
    reset = pair.device.recv()
    assert (reset.type, reset.code, reset.mid) == (RST, 0, wrong.mid)
    pair.client.quiet()
    pair.device.answer(up, payload=b"true")
    assert pair.client.recv().payload == b"true"


@pytest.mark.covers("C8974-3.3-1", "C7252-5.3-5")
@pytest.mark.parametrize("token", [b"", b"\x00", bytes(8), bytes(30)])
def test_non_response_with_a_wrong_token_is_rejected_or_ignored(pair, token):
    sent, up = pair.forward()
    wrong = pair.device.separate(up, payload=b"forged", token=token, type=NON)
    for m in pair.device.pending():
        assert (m.type, m.mid) == (RST, wrong.mid)
    pair.client.quiet()
    pair.device.answer(up, payload=b"true")
    assert pair.client.recv().payload == b"true"


@pytest.mark.covers("C7252-5.2.3-1")
def test_con_response_to_a_non_request_is_acknowledged_and_used(any_pair):
    sent, up = any_pair.forward(type=NON)
    response = any_pair.device.separate(up, payload=b"c", type=CON)
    ack = any_pair.device.recv()
    assert (ack.type, ack.mid) == (ACK, response.mid)
    down = any_pair.client.recv()
    assert (down.type, down.token, down.payload) == (NON, sent.token, b"c")


@pytest.mark.covers("C7252-5.2.3-1")
def test_non_response_to_a_con_request_is_used(pair):
    sent, up = pair.forward()
    pair.device.separate(up, payload=b"n", type=NON)
    down = pair.client.recv()
    assert (down.type, down.mid, down.payload) == (ACK, sent.mid, b"n")


@pytest.mark.covers("C7252-5.3-5")
def test_repeated_con_response_of_a_running_delivery(pair):
    """The origin did not see our ACK: the copy is acknowledged or rejected, never delivered twice."""
    sent, up = pair.forward()
    pair.device.ack(up)
    response = pair.device.separate(up, payload=b"one")
    pair.device.pending()
    assert pair.client.recv().payload == b"one"
    pair.device.send_raw(response.encode(), up.source)
    answers = pair.device.pending()
    assert [m.mid for m in answers] == [response.mid] and answers[0].type in (ACK, RST)
    pair.client.quiet()


@pytest.mark.covers("C7252-4.2-2")
@pytest.mark.parametrize("code", ["1.01", "6.01", "7.01"])
def test_con_of_a_reserved_class_from_a_device_is_rejected(pair, code):
    sent, up = pair.forward()
    wrong = pair.device.separate(up, coap.code(code))
    reset = pair.device.recv()
    assert (reset.type, reset.mid) == (RST, wrong.mid)
    pair.client.quiet()
    pair.device.answer(up)
    pair.client.recv()


@pytest.mark.covers("C7252-4.2-2")
def test_ping_of_a_device(pair):
    sent, up = pair.forward()
    pair.device.send_raw(coap.empty(CON, 0x5151), up.source)
    pong = pair.device.recv()
    assert (pong.type, pong.mid) == (RST, 0x5151)
    pair.device.answer(up)
    assert pair.client.recv().code == coap.CONTENT


MALFORMED = [b"\xf1\x61", b"\xbd", b"\xff", b"\x1f" + bytes(20), b"\xb5pat"]


@pytest.mark.covers("C7252-5.7.1-2")
@pytest.mark.parametrize("tail", MALFORMED, ids=lambda t: t[:4].hex())
@pytest.mark.parametrize("type_", [ACK, CON, NON])
def test_malformed_response_that_names_its_request_gives_5_02(pair, type_, tail):
    sent, up = pair.forward()
    mid = up.mid if type_ == ACK else pair.device.take_mid()
    pair.device.send_raw(coap.head(type_, coap.CONTENT, mid, up.token) + tail, up.source)
    down = pair.client.recv()
    assert (down.code, down.token) == (coap.code("5.02"), sent.token)
    for m in pair.device.pending():
        assert (m.type, m.mid) == (RST, mid) and type_ != ACK
    pair.client.quiet()


@pytest.mark.covers("C7252-5.3-4", "C7252-4.2-2")
@pytest.mark.parametrize("type_", [CON, NON])
def test_malformed_message_that_names_nothing_ends_nothing(pair, type_):
    """Its Message ID is the device's own, whatever number it has."""
    sent, up = pair.forward()
    pair.device.send_raw(coap.head(type_, coap.CONTENT, up.mid, b"12345678") + b"\xff", up.source)
    for m in pair.device.pending():
        assert (m.type, m.mid) == (RST, up.mid)
    pair.client.quiet()
    pair.device.answer(up, payload=b"true")
    assert pair.client.recv().payload == b"true"


def test_request_of_a_device_is_not_served(pair):
    """The ports towards origins are no listeners."""
    sent, up = pair.forward()
    other = pair.proxy.device()
    request = Message(GET, CON, 0x2222, b"tok", [(coap.PROXY_URI, other.url + "/x")])
    pair.device.send_raw(request.encode(), up.source)
    for m in pair.device.pending():
        assert (m.type, m.mid) == (RST, 0x2222)
    other.quiet()
    pair.device.answer(up)
    pair.client.recv()
