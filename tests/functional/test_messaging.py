"""The messaging layer: RFC 7252 4 (conformance 1.2)."""

import pytest

import coap
from coap import ACK, CON, GET, NON, POST, PUT, RST, Message
from harness import Pair, oscore_request

LIFETIME, NON_LIFETIME = 247_000, 145_000


# 4.2: confirmable messages

@pytest.mark.covers("C7252-4.2-1")
def test_con_is_acknowledged_with_its_message_id(any_pair):
    sent, _, down = any_pair.exchange()
    assert (down.type, down.mid) == (ACK, sent.mid)
    any_pair.quiet()


@pytest.mark.covers("C7252-4.2-2")
@pytest.mark.parametrize("mid", [0, 1, 0x7FFF, 0xFFFF])
def test_ping(pair, mid):
    pair.client.send(coap.empty(CON, mid))
    pong = pair.client.recv()
    assert (pong.type, pong.code, pong.mid) == (RST, 0, mid)
    pair.quiet()


@pytest.mark.covers("C7252-4.2-2")
@pytest.mark.parametrize("code", ["1.00", "1.01", "1.31", "6.00", "6.05", "7.00", "7.01", "7.02", "7.31"])
def test_con_of_a_reserved_class_is_rejected(pair, code):
    sent = pair.client.send(Message(coap.code(code), CON, options=pair.target(("p",))))
    down = pair.client.recv()
    assert (down.type, down.code, down.mid) == (RST, 0, sent.mid)
    pair.quiet()


@pytest.mark.covers("C7252-4.3-1")
@pytest.mark.parametrize("code", ["1.01", "6.05", "7.01", "2.05", "4.04"])
def test_non_of_a_reserved_class_gets_a_reset_at_most(pair, code):
    sent = pair.client.send(Message(coap.code(code), NON, options=pair.target(("p",))))
    for down in pair.client.pending():
        assert (down.type, down.code, down.mid) == (RST, 0, sent.mid)
    pair.device.quiet()


@pytest.mark.covers("C7252-5.3-5")
@pytest.mark.parametrize("code", ["2.05", "2.04", "4.04", "5.00"])
def test_con_response_nobody_asked_for_is_rejected(pair, code):
    sent = pair.client.send(Message(coap.code(code), CON, payload=b"x"))
    down = pair.client.recv()
    assert (down.type, down.code, down.mid) == (RST, 0, sent.mid)
    pair.quiet()


@pytest.mark.covers("C7252-4.2-3")
@pytest.mark.parametrize("code", ["0.01", "0.05", "1.01", "2.05", "6.01", "7.02", "0.00"])
@pytest.mark.parametrize("type_", [ACK, RST])
def test_ack_and_reset_never_get_a_reaction(pair, type_, code):
    value = coap.code(code)
    raw = coap.head(type_, value, 0x4242, b"tok" if value else b"")
    pair.client.send(raw + (coap.encode_options(pair.target(("p",))) if value else b""))
    pair.quiet()


@pytest.mark.covers("C7252-4.2-3")
@pytest.mark.parametrize("type_", [ACK, RST])
def test_ack_and_reset_from_a_device_never_get_a_reaction(pair, type_):
    """A request in an ACK, a RST with a code: the exchange is not touched by them."""
    sent, up = pair.forward()
    pair.device.send_raw(coap.head(type_, GET, up.mid, up.token) + b"\xb1p", up.source)
    pair.quiet()
    pair.device.answer(up)
    assert pair.client.recv().token == sent.token


@pytest.mark.covers("C7252-4.2-3")
@pytest.mark.parametrize("code", ["1.01", "6.01", "7.01"])
def test_ack_of_a_reserved_class_from_a_device_is_ignored(pair, code):
    sent, up = pair.forward()
    pair.device.piggyback(up, coap.code(code))
    pair.quiet()
    pair.device.answer(up)
    assert pair.client.recv().code == coap.CONTENT


def transmissions(pair, milliseconds, step=100):
    """[(time, message)] of what a silent device receives."""
    return [(at, m) for at, who, m in pair.proxy.watch(milliseconds, pair.device, step=step)]


@pytest.mark.covers("C7252-4.2-4")
def test_silent_origin_gets_five_datagrams_with_doubling_gaps(pair):
    pair.send()
    seen = transmissions(pair, 92_000)
    assert len(seen) == 5
    assert len({m.raw for _, m in seen}) == 1, "a repeat is the same datagram"
    times = [at for at, _ in seen]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert 1900 <= gaps[0] <= 3100
    for before, after in zip(gaps, gaps[1:]):
        assert abs(after - 2 * before) <= 400, gaps
    assert times[-1] - times[0] <= 45_000 + 200
    pair.proxy.advance(2_000)
    assert any(m.code == coap.code("5.04") for m in pair.client.pending())


@pytest.mark.covers("C7252-4.2-4")
def test_first_timeouts_are_random(proxy):
    pairs = [Pair(proxy) for _ in range(12)]
    for p in pairs:
        p.send()
        p.device.recv()
    seen = proxy.watch(3_200, *[p.device for p in pairs], step=25)
    times = [at for at, _, _ in seen]
    assert len(times) == 12 and all(1_975 <= t <= 3_050 for t in times)
    assert max(times) - min(times) >= 150


@pytest.mark.covers("C7252-4.2-4", "C7252-5.7.1-1")
def test_silent_origin_gives_5_04_at_93_seconds(any_pair):
    sent = any_pair.send()
    any_pair.device.recv()
    any_pair.proxy.advance(92_500)
    assert [m for m in any_pair.client.pending() if m.code] == []
    any_pair.proxy.advance(1_000)
    answers = [m for m in any_pair.client.pending() if m.code]
    assert [(m.code, m.token) for m in answers] == [(coap.code("5.04"), sent.token)]
    any_pair.client.ack(answers[0])


@pytest.mark.covers("C7252-4.2-4")
def test_reset_ends_the_attempt(pair):
    sent, up = pair.forward()
    pair.device.reset(up)
    down = pair.client.recv()
    assert (down.type, down.code, down.token) == (ACK, coap.code("5.02"), sent.token)
    assert transmissions(pair, 50_000, 1000) == []


@pytest.mark.covers("C7252-4.7-3")
def test_acknowledged_request_is_not_repeated_and_waits_247_seconds(pair):
    sent, up = pair.forward()
    pair.device.ack(up)
    assert transmissions(pair, 246_000, 2000) == []
    assert [m for m in pair.client.pending() if m.code] == []
    pair.proxy.advance(2_000)
    assert [(m.code, m.token) for m in pair.client.pending() if m.code] == [(coap.code("5.04"), sent.token)]


@pytest.mark.covers("C7252-4.2-8", "C7252-5.2.1-1")
@pytest.mark.parametrize("type_", [CON, NON])
def test_response_before_the_ack_ends_the_repeats(pair, type_):
    sent, up = pair.forward()
    response = pair.device.separate(up, payload=b"early", type=type_)
    if type_ == CON:
        ack = pair.device.recv()
        assert (ack.type, ack.code, ack.mid) == (ACK, 0, response.mid)
    down = pair.client.recv()
    assert (down.token, down.payload) == (sent.token, b"early")
    assert transmissions(pair, 50_000, 1000) == []


@pytest.mark.covers("C7252-4.2-6")
def test_request_is_acknowledged_again_after_its_separate_response(pair):
    sent, up = pair.forward()
    pair.device.ack(up)
    pair.proxy.advance(1_100)
    assert pair.client.recv().is_empty
    pair.device.separate(up, payload=b"late")
    response = pair.client.recv()
    assert (response.type, response.payload) == (CON, b"late")
    pair.client.ack(response)
    pair.device.pending()
    pair.client.send(sent)
    again = pair.client.recv()
    assert (again.type, again.code, again.mid) == (ACK, 0, sent.mid)
    pair.quiet()


@pytest.mark.covers("C7252-4.2-7")
def test_icmp_unreachable_gives_5_02(pair):
    pair.device.close()
    pair.proxy.peers.remove(pair.device)
    sent = pair.send()
    down = pair.client.recv()
    assert (down.code, down.token) == (coap.code("5.02"), sent.token)


@pytest.mark.covers("C7252-4.2-7")
def test_icmp_of_one_origin_does_not_touch_another(pair):
    """Both from the same source port, perhaps: only the datagram quoted counts."""
    sent, up = pair.forward()
    other = pair.proxy.device(host=pair.device.host)
    dead = Pair(pair.proxy, client=pair.client, device=other)
    other.close()
    pair.proxy.peers.remove(other)
    refused = dead.send()
    down = pair.client.recv()
    assert (down.code, down.token) == (coap.code("5.02"), refused.token)
    pair.client.quiet()
    pair.device.answer(up, payload=b"alive")
    down = pair.client.recv()
    assert (down.payload, down.token) == (b"alive", sent.token)


# 4.3: non-confirmable messages

@pytest.mark.covers("C7252-4.3-1", "C7252-5.2.3-1")
def test_non_stays_non_on_both_legs_and_is_never_acknowledged(any_pair):
    sent, up, down = any_pair.exchange(type=NON)
    assert up.type == NON and down.type == NON and down.code == coap.CONTENT
    any_pair.quiet()
    assert all(m.type == NON for m in any_pair.client.ledger)


@pytest.mark.covers("C7252-4.3-1")
def test_non_response_is_not_acknowledged(pair):
    pair.exchange(type=NON)
    assert [m.type for m in pair.device.ledger] == [NON]


@pytest.mark.covers("C7252-4.3-2")
def test_non_request_without_answer_gives_5_04(pair):
    """Repeats, if there are any, are the same datagram inside MAX_TRANSMIT_SPAN."""
    sent, up = pair.forward(type=NON)
    again = pair.proxy.watch(94_000, pair.device, step=1000)
    assert all(at <= 45_000 and m.raw == up.raw for at, _, m in again)
    answers = pair.client.pending()
    assert [(m.type, m.code, m.token) for m in answers] == [(NON, coap.code("5.04"), sent.token)]


def test_route_makes_non_confirmable(start):
    proxy = start(routes='c: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; '
                         'confirmable = true; };')
    pair = Pair(proxy)
    sent, up = pair.forward(type=NON)
    assert up.type == CON
    pair.device.piggyback(up)
    down = pair.client.recv()
    assert (down.type, down.token) == (NON, sent.token)


# 4.4: Message IDs

@pytest.mark.covers("C7252-4.4-1")
def test_message_ids_of_one_port_differ(pair):
    seen = set()
    for i in range(300):
        sent, up = pair.forward(type=NON if i % 2 else CON)
        assert (up.source, up.mid) not in seen, "CON and NON share one space"
        seen.add((up.source, up.mid))
        pair.device.answer(up)
        pair.client.recv()


@pytest.mark.covers("C7252-4.4-1")
def test_own_message_ids_towards_a_client_differ(pair):
    seen = set()
    for _ in range(200):
        *_, down = pair.exchange(type=NON)
        assert down.mid not in seen
        seen.add(down.mid)


@pytest.mark.covers("C7252-4.4-2")
def test_message_ids_start_anywhere(start):
    firsts = set()
    for _ in range(3):
        pair = Pair(start())
        firsts.add(pair.forward()[1].mid)
    assert len(firsts) > 1


@pytest.mark.covers("C7252-4.4-2")
def test_message_ids_of_origins_are_independent(proxy):
    firsts = []
    for _ in range(8):
        _, up, _ = Pair(proxy).exchange()
        firsts.append(up.mid)
    assert len({(b - a) & 0xFFFF for a, b in zip(firsts, firsts[1:])}) > 1


@pytest.mark.covers("C7252-4.4-3")
@pytest.mark.parametrize("type_", [ACK, RST])
def test_ack_and_reset_from_another_port_are_ignored(pair, type_):
    sent, up = pair.forward()
    stranger = pair.proxy.device(host=pair.device.host)
    stranger.send_raw(coap.empty(type_, up.mid), up.source)
    pair.quiet()
    assert len(transmissions(pair, 3_500)) == 1, "the request is still on its way"
    pair.device.answer(up)
    assert any(m.token == sent.token and m.code == coap.CONTENT for m in pair.client.pending())


@pytest.mark.covers("C7252-4.4-3")
@pytest.mark.parametrize("offset", [1, 0x100, 0x8000])
def test_ack_and_reset_with_another_message_id_are_ignored(pair, offset):
    sent, up = pair.forward()
    for type_ in (ACK, RST):
        pair.device.send_raw(coap.empty(type_, (up.mid + offset) & 0xFFFF), up.source)
    pair.quiet()
    pair.device.answer(up)
    assert pair.client.recv().code == coap.CONTENT


# 4.5: duplicates

@pytest.mark.covers("C7252-4.5-1")
@pytest.mark.parametrize("code", [GET, POST, PUT])
def test_duplicate_is_answered_with_the_same_bytes(any_pair, code):
    sent, _, down = any_pair.exchange(code, payload=b"" if code == GET else b"x", answer_payload=b"answer")
    any_pair.client.send(sent)
    again = any_pair.client.recv()
    assert again.raw == down.raw
    any_pair.quiet()


@pytest.mark.covers("C7252-4.5-1")
@pytest.mark.parametrize("after", [1_000, 45_000, 92_000])
def test_answer_is_repeated_within_93_seconds(pair, after):
    sent, _, down = pair.exchange(POST, answer=coap.CHANGED)
    pair.proxy.advance(after)
    pair.client.send(sent)
    assert pair.client.recv().raw == down.raw
    pair.quiet()


@pytest.mark.covers("C7252-4.5-1")
@pytest.mark.parametrize("after", [120_000, 200_000, 246_000])
def test_late_duplicate_is_acknowledged_and_dropped(pair, after):
    sent, _, down = pair.exchange(POST, answer=coap.CHANGED)
    pair.proxy.advance(after)
    pair.client.send(sent)
    again = pair.client.recv()
    assert (again.type, again.mid) == (ACK, sent.mid)
    assert again.is_empty or again.raw == down.raw
    pair.quiet()


@pytest.mark.covers("C7252-4.5-1")
def test_after_247_seconds_it_is_a_new_request(pair):
    sent, *_ = pair.exchange(POST, answer=coap.CHANGED)
    pair.proxy.advance(LIFETIME + 20_000)
    pair.client.send(sent)
    up = pair.device.recv()
    pair.device.answer(up, coap.CHANGED)
    assert pair.client.recv().token == sent.token


@pytest.mark.covers("C7252-4.5-2")
@pytest.mark.parametrize("code", [GET, PUT, coap.DELETE, coap.FETCH])
def test_duplicates_of_idempotent_requests_are_found_too(pair, code):
    sent, _, down = pair.exchange(code)
    for _ in range(3):
        pair.client.send(sent)
        assert pair.client.recv().raw == down.raw
    pair.quiet()
    assert len(pair.device.ledger) == 1


@pytest.mark.covers("C7252-4.5-3")
@pytest.mark.parametrize("code", [POST, GET, coap.FETCH])
def test_duplicate_oscore_request_goes_upstream_once(pair, code):
    sent = pair.client.send(oscore_request(pair, code=code))
    up = pair.device.recv()
    pair.client.send(sent)
    pair.client.send(sent)
    pair.device.quiet()
    pair.device.piggyback(up, coap.CHANGED, [(coap.OSCORE, b"")], b"sealed")
    answers = [m for m in pair.client.pending() if m.code]
    assert len(answers) == 1 and answers[0].payload == b"sealed"
    pair.proxy.advance(100_000)
    pair.client.pending()
    pair.client.send(sent)
    pair.device.quiet()


@pytest.mark.covers("C7252-4.5-3")
@pytest.mark.parametrize("after", [30_000, 120_000, 240_000])
def test_late_duplicate_oscore_request_goes_nowhere(pair, after):
    sent = pair.client.send(oscore_request(pair))
    pair.device.piggyback(pair.device.recv(), coap.CHANGED, [(coap.OSCORE, b"")], b"sealed")
    pair.client.recv()
    pair.proxy.advance(after)
    pair.client.send(sent)
    pair.device.quiet()
    assert len(pair.device.distinct()) == 1


@pytest.mark.covers("C7252-4.5-1", "C7252-5.2.2-2")
def test_duplicate_while_waiting_is_acknowledged_at_once(pair):
    sent, up = pair.forward()
    pair.client.send(sent)
    ack = pair.client.recv()
    assert (ack.type, ack.code, ack.mid) == (ACK, 0, sent.mid)
    pair.device.quiet()
    pair.device.answer(up, payload=b"a")
    down = pair.client.recv()
    assert (down.type, down.token, down.payload) == (CON, sent.token, b"a")


@pytest.mark.covers("C7252-4.5-1")
def test_duplicate_of_a_refused_request_gets_the_same_refusal(pair):
    sent = pair.send(options=[(2055, b"")])
    first = pair.client.recv()
    assert first.code == coap.code("4.02")
    pair.client.send(sent)
    assert pair.client.recv().raw == first.raw


@pytest.mark.covers("C7252-4.5-4")
@pytest.mark.parametrize("after", [0, 60_000, 144_000])
def test_duplicate_non_is_ignored(pair, after):
    sent, *_ = pair.exchange(POST, type=NON, answer=coap.CHANGED)
    pair.proxy.advance(after)
    pair.client.send(sent)
    pair.device.quiet()
    assert all(m.type == NON for m in pair.client.pending())


@pytest.mark.covers("C7252-4.5-4")
def test_duplicate_non_while_waiting_is_ignored(pair):
    sent, up = pair.forward(POST, type=NON)
    pair.client.send(sent)
    pair.quiet()
    pair.device.answer(up, coap.CHANGED)
    assert pair.client.recv().token == sent.token
    pair.quiet()


@pytest.mark.covers("C7252-4.5-4")
def test_after_145_seconds_a_non_is_new(pair):
    sent, *_ = pair.exchange(POST, type=NON, answer=coap.CHANGED)
    pair.proxy.advance(NON_LIFETIME + 20_000)
    pair.client.send(sent)
    pair.device.answer(pair.device.recv(), coap.CHANGED)
    assert pair.client.recv().token == sent.token


@pytest.mark.covers("C7252-4.1-2")
def test_same_message_id_from_another_port_is_another_request(pair):
    other = Pair(pair.proxy, client=pair.proxy.client(host=pair.client.host), device=pair.device)
    pair.exchange(POST, mid=0x7777)
    other.exchange(POST, mid=0x7777)
    assert len(pair.device.ledger) == 2


@pytest.mark.covers("C7252-4.1-2")
def test_same_message_id_from_another_address_is_another_request(pair):
    other = Pair(pair.proxy, client=pair.proxy.client(port=pair.client.port), device=pair.device)
    assert other.client.host != pair.client.host and other.client.port == pair.client.port
    pair.exchange(POST, mid=0x7778, token=b"same")
    other.exchange(POST, mid=0x7778, token=b"same")
    assert len(pair.device.ledger) == 2


def test_duplicate_with_another_token_is_still_a_duplicate(pair):
    """Message ID and endpoint identify a message, nothing else does."""
    sent, _, down = pair.exchange(POST)
    sent.token = b"other"
    pair.client.send(sent)
    assert pair.client.recv().raw == down.raw
    pair.device.quiet()


# every accepted request ends in exactly one answer

@pytest.mark.covers("C7252-5.3-5")
def test_second_answer_of_an_origin_is_rejected(pair):
    sent, up, down = pair.exchange()
    extra = pair.device.separate(up, payload=b"again")
    reset = pair.device.recv()
    assert (reset.type, reset.mid) == (RST, extra.mid)
    pair.client.quiet()


@pytest.mark.covers("C7252-5.3-5")
def test_answer_after_5_04_is_rejected(pair):
    sent, up = pair.forward()
    pair.proxy.advance(94_000)
    answers = [m for m in pair.client.pending() if m.code]
    assert len(answers) == 1
    pair.client.ack(answers[0])
    pair.device.pending()
    late = pair.device.separate(up, payload=b"late")
    reset = pair.device.recv()
    assert (reset.type, reset.mid) == (RST, late.mid)
    pair.client.quiet()


def test_client_that_vanishes_leaves_nothing_behind(start):
    proxy = start()
    pair = Pair(proxy)
    for _ in range(20):
        pair.send()
    pair.client.close()
    proxy.peers.remove(pair.client)
    for up in pair.device.pending():
        pair.device.answer(up)
    proxy.advance(300_000)
    assert proxy.state()["exchanges"] == 0


def test_clients_reset_of_a_separate_response_ends_it(pair):
    sent, up = pair.forward()
    pair.proxy.advance(1_100)
    assert pair.client.recv().is_empty
    pair.device.answer(up)
    pair.client.reset(pair.client.recv())
    seen = pair.proxy.watch(60_000, pair.client, step=1000)
    assert seen == []


def test_configured_timeout(start):
    proxy = start(routes='c: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; '
                         'timeout = "5s"; timeout-acknowledged = "20s"; };')
    pair = Pair(proxy)
    pair.forward()
    proxy.advance(4_900)
    assert all(m.is_empty for m in pair.client.pending())
    proxy.advance(200)
    assert [m.code for m in pair.client.pending() if m.code] == [coap.code("5.04")]
    pair = Pair(proxy)
    _, up = pair.forward()
    pair.device.ack(up)
    proxy.advance(19_800)
    assert all(m.is_empty for m in pair.client.pending())
    proxy.advance(300)
    assert [m.code for m in pair.client.pending() if m.code] == [coap.code("5.04")]
