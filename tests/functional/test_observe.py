"""Observe, relayed: RFC 7641 (conformance 2)."""

import pytest

import coap
from coap import ACK, CON, GET, NON, OBSERVE, POST, RST, Message
from harness import Pair, oscore_request
from observing import DAY, OPTION, Observer


# registration

@pytest.mark.covers("C7641-2-1", "C7641-5-1")
@pytest.mark.parametrize("form", ["scheme", "uri", "reverse"])
def test_registration_goes_upstream_and_back(proxy, form):
    if form == "reverse":
        host, device = proxy.reverse()
        o = Observer(proxy, "reverse", device=device, host=host)
    else:
        o = Observer(proxy, form)
    o.register()
    assert o.first.has(OBSERVE) and o.first.token == o.sent.token and o.first.payload == b"first"
    assert o.up.token != o.sent.token


@pytest.mark.covers("C7641-2-3")
@pytest.mark.parametrize("value", [2, 5, 255, 0xFFFFFF])
def test_other_values_of_observe_are_a_plain_get(pair, value):
    _, up, down = pair.exchange(options=[(OBSERVE, value)])
    assert not up.has(OBSERVE) and down.code == coap.CONTENT


@pytest.mark.covers("C7641-4.1-2", "C7641-5-1")
def test_origin_that_does_not_observe(pair):
    sent, up = pair.forward(options=[(OBSERVE, b"")])
    pair.device.answer(up, payload=b"once")
    down = pair.client.recv()
    assert not down.has(OBSERVE) and down.payload == b"once"
    late = pair.device.separate(up, options=[(OBSERVE, 3)])
    assert pair.device.recv().type == RST, "no observation: not expected"
    pair.client.quiet()
    assert late is not None


def test_registration_that_fails_is_an_answer(pair):
    sent, up = pair.forward(options=[(OBSERVE, b"")])
    pair.device.answer(up, coap.code("4.04"))
    down = pair.client.recv()
    assert down.code == coap.code("4.04") and not down.has(OBSERVE)


@pytest.mark.covers("C7641-4.1-1")
def test_registering_again_with_the_same_token_replaces(observer):
    again = observer.client.send(observer.request(options=[(OBSERVE, b"")], token=observer.sent.token))
    up = observer.device.recv()
    assert up.source[1] == observer.up.source[1], "a refresh leaves from the port of the first"
    observer.device.answer(up, options=[(OBSERVE, 9)], payload=b"anew")
    down = observer.client.recv()
    assert (down.token, down.mid, down.payload) == (again.token, again.mid, b"anew")
    observer.up = up
    down = observer.notified(10, b"n1")
    assert down.payload == b"n1"
    observer.client.quiet()
    assert observer.proxy.state()["observations"] >= 1


@pytest.mark.covers("C7641-4.1-1")
def test_two_tokens_are_two_observations(observer):
    second = Observer(observer.proxy, client=observer.client, device=observer.device).register()
    a = observer.notified(6, b"one")
    b = second.notified(6, b"two")
    assert (a.token, a.payload) == (observer.sent.token, b"one")
    assert (b.token, b.payload) == (second.sent.token, b"two")


# notifications

@pytest.mark.covers("C7641-3.5-1")
def test_confirmable_notification_is_acknowledged_and_delivered(observer):
    n = observer.notify(6, b"next")
    ack = observer.device.recv()
    assert (ack.type, ack.code, ack.mid) == (ACK, 0, n.mid)
    down = observer.client.recv()
    assert (down.token, down.payload, down.code) == (observer.sent.token, b"next", coap.CONTENT)
    assert down.has(OBSERVE) and down.type in (CON, NON)
    if down.type == CON:
        observer.client.ack(down)


@pytest.mark.covers("C7641-3.5-1")
def test_non_confirmable_notification_is_delivered_and_not_acknowledged(observer):
    observer.notify(6, b"next", NON)
    down = observer.client.recv()
    assert down.payload == b"next"
    if down.type == CON:
        observer.client.ack(down)
    observer.device.quiet()


@pytest.mark.covers("C7641-3.5-1")
def test_notification_with_an_unknown_token_is_rejected(observer):
    n = observer.device.separate(observer.up, options=[(OBSERVE, 6)], token=b"12345678")
    reset = observer.device.recv()
    assert (reset.type, reset.mid) == (RST, n.mid)
    observer.client.quiet()


def test_notification_from_another_endpoint_is_rejected(observer):
    stranger = observer.proxy.device(host=observer.device.host)
    stranger.separate(observer.up, options=[(OBSERVE, 6)], payload=b"forged")
    assert stranger.recv().type == RST
    observer.client.quiet()


@pytest.mark.covers("C7641-5-2", "C7641-4.4-1")
@pytest.mark.parametrize("oscore", [False, True])
def test_own_observe_values_rise_whatever_the_origin_counts(proxy, oscore):
    o = Observer(proxy).register(oscore=oscore, value=135)
    values = [o.first.uint(OBSERVE)]
    for upstream in (136, 1000, 70000, 0x200000):
        values.append(o.notified(upstream, b"%d" % upstream).uint(OBSERVE))
    for a, b in zip(values, values[1:]):
        assert 0 < (b - a) & 0xFFFFFF < 1 << 23
    assert values[1:] != [136, 1000, 70000, 0x200000]


@pytest.mark.covers("C7641-5-2")
def test_two_clients_have_numbers_of_their_own(proxy):
    device = proxy.device()
    a = Observer(proxy, device=device).register(value=50)
    for i in range(5):
        a.notified(51 + i, b"x")
    b = Observer(proxy, device=device).register(value=90)
    assert a.notified(95, b"y").token == a.sent.token
    assert b.notified(95, b"z").token == b.sent.token


@pytest.mark.covers("C7641-4.4-1")
def test_changed_state_has_a_new_number_when_repeated(observer):
    """The client does not acknowledge; meanwhile the state moves on."""
    observer.notify(6, b"old")
    first = observer.client.recv()
    assert first.type == CON or observer.proxy is not None
    if first.type != CON:
        pytest.fail("a notification that came confirmable left non-confirmable")
    observer.notify(7, b"new")
    seen = [m for _, _, m in observer.proxy.watch(12_000, observer.client, step=250)]
    assert seen, "not acknowledged: repeated, or superseded by the new state"
    for m in seen:
        assert (m.payload, m.uint(OBSERVE)) == (b"old", first.uint(OBSERVE)) or m.payload == b"new"
    observer.client.ack(seen[-1])
    fresh = [m for m in seen + observer.client.pending() if m.payload == b"new"]
    assert fresh and all((m.uint(OBSERVE) - first.uint(OBSERVE)) & 0xFFFFFF in range(1, 1 << 23) for m in fresh)
    observer.client.ack(fresh[-1])


@pytest.mark.covers("C7641-4.5.2-1", "C7641-4.5-1")
def test_newer_state_takes_the_place_of_an_unacknowledged_one(observer):
    """A new message under a new Message ID, but neither the count of transmissions nor the timeout begins anew."""
    observer.notify(6, b"old")
    first = observer.client.recv()
    observer.notify(7, b"new")
    seen = [(at, m) for at, _, m in observer.proxy.watch(100_000, observer.client, step=100)]
    assert [m.payload for _, m in seen] == [b"new"] * 4, "with the first five transmissions in all"
    assert len({m.mid for _, m in seen}) == 1 and seen[0][1].mid != first.mid
    times = [0] + [at for at, _ in seen]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert 1_900 <= gaps[0] <= 3_100 and all(abs(b - 2 * a) <= 400 for a, b in zip(gaps, gaps[1:])), gaps


@pytest.mark.covers("C7641-3.4-1")
@pytest.mark.parametrize("last,old", [(10, 9), (10, 10), (1 << 22, 5), (5, 0xFFFFF0), (0x800005, 5)])
def test_older_notification_is_not_passed_on(proxy, last, old):
    o = Observer(proxy).register(value=last)
    o.notify(old, b"stale", NON)
    o.client.quiet()
    assert o.notified((last + 1) & 0xFFFFFF, b"fresh").payload == b"fresh"


@pytest.mark.covers("C7641-3.4-1")
@pytest.mark.parametrize("last,new", [(10, 11), (0xFFFFFF, 0), (0xFFFFF0, 5), (5, (1 << 23) + 4), (0x900000, 1)])
def test_newer_notification_is_passed_on(proxy, last, new):
    o = Observer(proxy).register(value=last)
    assert o.notified(new, b"fresh").payload == b"fresh"


@pytest.mark.covers("C7641-3.4-1")
@pytest.mark.parametrize("seconds,fresh", [(127, False), (129, True)])
def test_after_128_seconds_any_number_is_newer(proxy, seconds, fresh):
    o = Observer(proxy).register(value=1000)
    o.proxy.advance(seconds * 1000)
    o.notify(3, b"rebooted", NON)
    got = [m.payload for m in o.client.pending()]
    assert got == ([b"rebooted"] if fresh else [])


@pytest.mark.covers("C7641-3.5-1")
def test_stale_confirmable_notification_is_acknowledged_all_the_same(proxy):
    o = Observer(proxy).register(value=10)
    n = o.notify(9, b"stale")
    assert (o.device.recv().type, o.device.ledger[-1].mid) == (ACK, n.mid)
    o.client.quiet()


def test_repeated_notification_is_delivered_once(observer):
    n = observer.notify(6, b"x")
    observer.device.send_raw(n.encode(), observer.up.source)
    observer.device.pending()
    got = observer.client.pending()
    assert len(got) == 1
    if got[0].type == CON:
        observer.client.ack(got[0])


@pytest.mark.covers("C8613-4.1.3.1-1", "S-11")
@pytest.mark.parametrize("age", [0, 5, 3600])
def test_max_age_of_a_notification_passes(sealed, age):
    sealed.notify(6, b"x", options=[(coap.MAX_AGE, age)])
    down = sealed.client.recv()
    assert down.uint(coap.MAX_AGE) == age
    sealed.client.ack(down)


@pytest.mark.covers("C7641-4.3.1-1", "C7252-5.10.5-1")
def test_notification_that_waited_states_a_smaller_max_age(observer):
    """The first is not acknowledged yet when the second comes."""
    observer.notify(6, b"one", options=[(coap.MAX_AGE, 100)])
    first = observer.client.recv()
    observer.notify(7, b"two", options=[(coap.MAX_AGE, 100)])
    observer.client.quiet()
    observer.proxy.advance(1_500)
    observer.client.ack(first)
    second = observer.client.recv()
    assert second.payload == b"two" and second.uint(coap.MAX_AGE) in (98, 99)
    observer.client.ack(second)


@pytest.mark.covers("C7641-4.5-3", "C7641-4.5.1-1")
def test_one_outstanding_notification_and_the_newest_behind_it(observer):
    observer.notify(6, b"6")
    first = observer.client.recv()
    for value in range(7, 20):
        observer.notify(value, b"%d" % value)
    acks = observer.device.pending()
    assert all(m.type == ACK for m in acks)
    observer.client.quiet()
    observer.client.ack(first)
    second = observer.client.recv()
    assert second.payload == b"19", "the latest state arrives, those between may be skipped"
    observer.client.ack(second)
    observer.client.quiet()


@pytest.mark.covers("C7641-4.5.1-1")
def test_notifications_of_one_client_go_one_at_a_time(observer):
    second = Observer(observer.proxy, client=observer.client, device=observer.device).register()
    observer.notify(6, b"a")
    second.notify(6, b"b")
    got = observer.client.pending()
    assert len([m for m in got if m.type == CON]) == 1
    while got:
        for m in got:
            observer.client.ack(m)
        got = observer.client.pending()
    assert {m.payload for m in observer.client.ledger} >= {b"a", b"b"}


@pytest.mark.covers("C7641-3.2-1")
@pytest.mark.parametrize("text", ["4.04", "5.00", "4.06"])
def test_error_notification_ends_the_observation(observer, text):
    n = observer.device.separate(observer.up, coap.code(text))
    assert observer.device.recv().mid == n.mid
    down = observer.client.recv()
    assert down.code == coap.code(text) and not down.has(OBSERVE)
    observer.client.ack(down)
    observer.notify(8, b"ghost")
    assert observer.device.recv().type == RST
    observer.client.quiet()


@pytest.mark.covers("C7641-3.2-1")
def test_notification_without_observe_is_the_last(observer):
    observer.device.separate(observer.up, payload=b"last")
    observer.device.pending()
    down = observer.client.recv()
    assert down.payload == b"last" and not down.has(OBSERVE)
    observer.client.ack(down)
    observer.notify(8, b"ghost")
    assert observer.device.recv().type == RST


def test_unknown_unsafe_option_in_a_notification(observer):
    observer.notify(6, b"x", options=[(65003, b"")])
    observer.device.pending()
    for m in observer.client.pending():
        assert m.code == coap.code("5.02")
        observer.client.ack(m)


# what the gateway does not do by itself

@pytest.mark.covers("C8613-4.1.3.5-6", "C8613-10-4", "S-3")
def test_no_refresh_of_an_oscore_observation(sealed):
    sealed.notify(6, b"x", options=[(coap.MAX_AGE, 10)])
    sealed.client.ack(sealed.client.recv())
    sealed.device.pending()
    sealed.proxy.advance(600_000)
    sealed.quiet()
    sealed.proxy.advance(DAY // 2)
    assert not [m for m in sealed.device.pending() if m.code]


@pytest.mark.covers("C7641-7-1")
def test_registration_does_not_loop(start):
    """Two gateways that map to each other: Hop-Limit ends it."""
    from harness import free_port
    ports = free_port(), free_port()
    text = 'x: { from = ["coap"]; to = ["coap://127.0.0.1:%d"]; allow-networks = ["127.0.0.1/32"]; };'
    a = start(port=ports[0], routes=text % ports[1])
    b = start(port=ports[1], routes=text % ports[0])
    client = a.client()
    sent = client.send(Message(GET, options=[(OBSERVE, b""), (coap.HOP_LIMIT, 6)]))
    answers = []
    for _ in range(20):
        for gateway in (a, b):
            gateway.advance(1_100)
        for m in client.pending():
            if m.type == CON:
                client.ack(m)
            if m.code:
                answers.append(m)
    down, = answers
    assert down.code == coap.code("5.08") and down.token == sent.token and not down.has(OBSERVE)


@pytest.mark.covers("S-1", "C8132-2.3.1-1")
def test_fetch_without_content_format_is_relayed(pair):
    o = Observer(pair.proxy, client=pair.client, device=pair.device).register(oscore=True)
    assert o.up.code == coap.FETCH and not o.up.has(coap.CONTENT_FORMAT)
    assert o.up.first(coap.OSCORE) == OPTION and o.first.code == coap.CONTENT
    assert not o.first.has(coap.CONTENT_FORMAT)


@pytest.mark.covers("S-1", "C8613-D.5-1")
@pytest.mark.parametrize("code", [coap.FETCH, POST, GET])
def test_outer_code_is_never_rewritten(pair, code):
    options = [(OBSERVE, b"")] if code in (coap.FETCH, GET) else []
    pair.client.send(oscore_request(pair, code=code, options=options))
    up = pair.device.recv()
    assert up.code == code
    pair.device.answer(up, coap.CONTENT, [(coap.OSCORE, b"")], b"c")
    assert pair.client.recv().code == coap.CONTENT


@pytest.mark.covers("S-4", "C8613-4.1.3.5-4")
def test_cancel_with_another_oscore_value(sealed):
    """The entry stays until the origin has answered; the request goes with the upstream token."""
    cancel = oscore_request(sealed, bytes.fromhex("090625"), b"\x02" * 30, coap.FETCH, [(OBSERVE, 1)],
                            token=sealed.sent.token)
    sealed.client.send(cancel)
    up = sealed.device.recv()
    assert up.token == sealed.up.token and up.source == sealed.up.source
    assert (up.uint(OBSERVE), up.first(coap.OSCORE), up.payload) == (1, bytes.fromhex("090625"), b"\x02" * 30)
    sealed.device.answer(up, options=[(coap.OSCORE, b"")], payload=b"gone")
    down = sealed.client.recv()
    assert down.payload == b"gone" and not down.has(OBSERVE)
    sealed.notify(9, b"ghost")
    assert sealed.device.recv().type == RST


@pytest.mark.covers("S-4")
def test_notification_while_the_cancel_is_under_way(sealed):
    sealed.client.send(oscore_request(sealed, bytes.fromhex("090625"), b"\x02" * 30, coap.FETCH, [(OBSERVE, 1)],
                                      token=sealed.sent.token))
    up = sealed.device.recv()
    n = sealed.notify(6, b"crossing")
    assert sealed.device.recv().mid == n.mid, "acknowledged or rejected, in no case left open"
    sealed.device.answer(up, options=[(coap.OSCORE, b"")], payload=b"gone")
    got = [m for m in sealed.client.pending()]
    for m in got:
        if m.type == CON:
            sealed.client.ack(m)
    got += sealed.client.pending()
    assert b"gone" in [m.payload for m in got]


@pytest.mark.covers("S-2", "C8613-10-6", "C8613-10-2")
def test_two_oscore_observers_have_their_own_streams(proxy):
    device = proxy.device()
    a = Observer(proxy, device=device).register(oscore=True)
    b = Observer(proxy, device=device).register(oscore=True)
    assert a.up.token != b.up.token and len(device.distinct()) == 2
    assert a.notified(6, b"for a").payload == b"for a"
    b.client.quiet()
    assert b.notified(6, b"for b").payload == b"for b"
    a.client.quiet()


@pytest.mark.covers("C8613-10-5")
def test_order_of_oscore_notifications_is_the_clients_matter(sealed):
    """The origin's Outer value stands still or falls: every notification arrives, byte for byte."""
    for i in range(5):
        n = sealed.device.separate(sealed.up, options=[(OBSERVE, 0), (coap.OSCORE, bytes([1, 10 + i]))], payload=b"n%d" % i)
        assert sealed.device.recv().mid == n.mid
        down = sealed.client.recv()
        assert (down.payload, down.first(coap.OSCORE)) == (b"n%d" % i, bytes([1, 10 + i]))
        sealed.client.ack(down)


@pytest.mark.covers("C8132-2.4-1")
def test_two_fetch_observers_with_different_bodies(proxy):
    device = proxy.device()
    pairs = []
    for body in (b"one", b"two"):
        o = Observer(proxy, device=device)
        o.oscore = False
        o.sent = o.client.send(o.request(coap.FETCH, options=[(OBSERVE, b"")], payload=body))
        o.up = device.recv()
        assert o.up.payload == body and o.up.has(OBSERVE)
        device.answer(o.up, options=[(OBSERVE, 1)], payload=b"of " + body)
        assert o.client.recv().payload == b"of " + body
        pairs.append(o)
    for o, body in zip(pairs, (b"one", b"two")):
        assert o.notified(2, b"n " + body).payload == b"n " + body


@pytest.mark.covers("C7641-4.1-2", "C7641-5-1")
def test_full_table_answers_without_observe(start):
    proxy = start(sections="limits: { client-observations = 2; };")
    client, device = proxy.client(), proxy.device()
    got = []
    for _ in range(4):
        pair = Pair(proxy, client=client, device=device)
        sent, up = pair.forward(options=[(OBSERVE, b"")])
        device.answer(up, options=[(OBSERVE, 1)] if up.has(OBSERVE) else [])
        got.append(client.recv())
    assert [m.has(OBSERVE) for m in got] == [True, True, False, False]
    assert all(m.code == coap.CONTENT for m in got)


@pytest.mark.covers("C7641-4.1-1")
@pytest.mark.parametrize("type_", [CON, NON])
def test_registration_answered_late_is_a_notification_stream(proxy, type_):
    o = Pair(proxy)
    sent, up = o.forward(options=[(OBSERVE, b"")], type=type_)
    o.proxy.advance(1_200)
    if type_ == CON:
        assert o.client.recv().is_empty
    o.device.answer(up, options=[(OBSERVE, 1)], payload=b"first")
    down = o.client.recv()
    assert down.has(OBSERVE) and down.token == sent.token and down.payload == b"first"
    if down.type == CON:
        o.client.ack(down)
    o.device.separate(up, options=[(OBSERVE, 2)], payload=b"second")
    down = o.client.recv()
    assert down.payload == b"second"
    o.client.ack(down)


@pytest.mark.covers("C7959-2.6-2", "C7959-2.6-1")
def test_block_size_of_the_registration_passes(proxy):
    o = Observer(proxy).register(options=[(coap.BLOCK2, coap.block(0, False, 2))])
    assert coap.block_parts(o.up.first(coap.BLOCK2)) == (0, False, 2)
    o.notify(6, b"x" * 64, options=[(coap.BLOCK2, coap.block(0, True, 2))])
    down = o.client.recv()
    assert coap.block_parts(down.first(coap.BLOCK2)) == (0, True, 2) and len(down.payload) == 64
    o.client.ack(down)
    o.device.pending()
    sent, up = o.forward(options=[(coap.BLOCK2, coap.block(1, False, 2))])
    assert not up.has(OBSERVE) and up.token != o.up.token and up.source == o.up.source
    o.device.answer(up, options=[(coap.BLOCK2, coap.block(1, False, 2))], payload=b"y" * 10)
    assert o.client.recv().payload == b"y" * 10
    assert o.notified(7, b"still there").payload == b"still there"


def test_observation_survives_other_requests_of_the_client(observer):
    for _ in range(5):
        observer.exchange()
    assert observer.notified(6, b"still there").payload == b"still there"


def test_origin_that_dies_does_not_hold_the_state_for_ever(observer):
    """Its port is closed when the gateway next sends something: the client is not told lies."""
    observer.device.close()
    observer.proxy.peers.remove(observer.device)
    observer.client.send(observer.request())
    assert observer.client.recv().code == coap.code("5.02")


@pytest.mark.covers("S-34")
def test_unacknowledged_notifications_do_not_block_requests(observer):
    observer.notify(6, b"x")
    observer.client.recv()
    observer.device.pending()
    observer.exchange()
