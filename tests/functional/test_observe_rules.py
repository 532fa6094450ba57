"""Observe at its edges: each of these tests fails when one condition is dropped or one figure moved."""

import pytest

import coap
from coap import BLOCK1, CON, GET, NON, OBSERVE, RST
from harness import Pair
from observing import Observer


@pytest.mark.covers("C7641-4.5.2-1")
def test_superseded_notification_keeps_the_series(proxy):
    """The newer state takes the place of the one under way: a Message ID of its own, but no new series of repeats; an ACK
    of the old Message ID does not stand for it."""
    o = Observer(proxy).register()
    o.notify(6, b"old")
    first = o.client.recv()
    o.notify(7, b"new")
    o.device.pending()
    o.client.quiet()
    seen = o.proxy.watch(100_000, o.client, step=100)
    assert [m.payload for _, _, m in seen] == [b"new"] * 4
    assert {m.mid for _, _, m in seen} == {seen[0][2].mid} and seen[0][2].mid != first.mid
    times = [0] + [at for at, _, _ in seen]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert all(abs(b - 2 * a) <= 400 for a, b in zip(gaps, gaps[1:])), gaps
    assert o.proxy.state()["deliveries"] == 0


@pytest.mark.covers("C7641-4.5.2-1")
def test_ack_of_the_superseded_message_id_is_none_of_the_new_one(proxy):
    o = Observer(proxy).register()
    o.notify(6, b"old")
    first = o.client.recv()
    o.notify(7, b"new")
    o.device.pending()
    o.proxy.advance(3_100)
    second = o.client.recv()
    assert second.payload == b"new" and second.mid != first.mid
    o.client.ack(first)
    o.proxy.advance(6_100)
    again = o.client.recv()
    assert again.raw == second.raw
    o.client.ack(again)
    assert o.proxy.watch(60_000, o.client, step=1000) == []
    assert o.notified(8, b"on").payload == b"on"


@pytest.mark.covers("C7641-4.1-1")
@pytest.mark.parametrize("oscore", [False, True])
def test_one_entry_for_a_token(proxy, oscore):
    """Registered again under the same token: whatever became of the first upstream, the client has one stream."""
    o = Observer(proxy).register(oscore=oscore)
    before = proxy.state()["observations"]
    first = o.up
    again = Observer(proxy, client=o.client, device=o.device).register(oscore=oscore, token=o.sent.token)
    assert again.up.uint(OBSERVE) == 0
    if not oscore:
        assert proxy.state()["observations"] == before
    assert again.notified(20, b"new").payload == b"new"
    if not oscore and again.up.token != first.token:
        o.up = first
        n = o.notify(30, b"ghost")
        assert [(m.type, m.mid) for m in o.device.pending()] == [(RST, n.mid)]
        o.client.quiet()


@pytest.mark.covers("C7641-3.2-1")
def test_registration_refused_with_observe_in_the_error_is_none(proxy):
    before = proxy.state()["observations"]
    pair = Pair(proxy)
    *_, down = pair.exchange(options=[(OBSERVE, b"")], answer=coap.code("4.04"), answer_options=[(OBSERVE, 3)])
    assert down.code == coap.code("4.04") and not down.has(OBSERVE)
    assert proxy.state()["observations"] == before


@pytest.mark.covers("C7252-4.3-1")
def test_repeated_non_notification_is_not_acknowledged(proxy):
    o = Observer(proxy).register()
    n = o.notify(6, b"x", NON)
    o.client.recv()
    o.device.send_raw(n.encode(), o.up.source)
    o.quiet()


@pytest.mark.covers("C7641-3.4-1")
def test_order_is_judged_by_the_newest_notification(proxy):
    """Not by the registration; and 128 s are counted from the newest as well."""
    o = Observer(proxy).register(value=10)
    o.notified(20, b"newest")
    o.notify(15, b"stale", NON)
    o.client.quiet()
    proxy.advance(100_000)
    o.notified(21, b"newest")
    proxy.advance(100_000)
    o.notify(15, b"stale", NON)
    o.client.quiet()
    assert o.notified(22, b"fresh").payload == b"fresh"


@pytest.mark.covers("C7641-3.2-1")
@pytest.mark.parametrize("text", ["4.04", "5.00"])
def test_error_notification_is_the_last_even_with_observe(proxy, text):
    """Whatever the origin wrote into it: nothing follows, and the client sees no Observe."""
    o = Observer(proxy).register()
    n = o.device.separate(o.up, coap.code(text), [(OBSERVE, 6)])
    assert o.device.recv().mid == n.mid
    down = o.client.recv()
    assert down.code == coap.code(text) and not down.has(OBSERVE)
    o.client.ack(down)
    ghost = o.notify(7, b"ghost")
    reset = o.device.recv()
    assert (reset.type, reset.mid) == (RST, ghost.mid)
    o.client.quiet()


@pytest.mark.covers("C7641-4.1-1")
def test_token_registered_for_something_else_ends_the_first(proxy):
    o = Observer(proxy).register()
    before = proxy.state()["observations"]
    first = o.up
    o.exchange(path=("other",), options=[(OBSERVE, b"")], token=o.sent.token, answer_options=[(OBSERVE, 1)])
    assert proxy.state()["observations"] == before
    o.up = first
    ghost = o.notify(30, b"ghost")
    reset = o.device.recv()
    assert (reset.type, reset.mid) == (RST, ghost.mid)
    o.client.quiet()


@pytest.mark.covers("C7641-3.6-1", "C7641-5-5")
def test_own_cancel_has_the_options_of_the_registration(proxy):
    """Observe apart, and the ETags, which would make no sense."""
    o = Observer(proxy).register(options=[(coap.ACCEPT, 60), (coap.ETAG, b"e"), (2052, b"x")])
    o.notify(6, b"x")
    o.device.pending()
    o.client.reset(o.client.recv())
    cancel = o.device.recv()
    assert (cancel.code, cancel.uint(OBSERVE), cancel.token, cancel.source) == (GET, 1, o.up.token, o.up.source)
    assert cancel.without(OBSERVE) == o.up.without(OBSERVE, coap.ETAG)
    o.device.answer(cancel)


@pytest.mark.covers("C7641-3.6-1")
def test_own_cancel_leaves_from_the_port_of_the_registration(proxy):
    """The pool of ports has grown meanwhile."""
    o = Observer(proxy).register()
    ports = set()
    for _ in range(3):
        upload = Pair(proxy, device=o.device)
        _, up = upload.forward(coap.PUT, payload=b"x" * 16, options=[(BLOCK1, coap.block(0, True, 0))])
        o.device.answer(up, coap.CONTINUE, [(BLOCK1, coap.block(0, True, 0))])
        upload.client.recv()
        ports.add(up.source[1])
    assert len(ports) == 3
    o.notify(6, b"x")
    o.device.pending()
    o.client.reset(o.client.recv())
    cancel = o.device.recv()
    assert (cancel.uint(OBSERVE), cancel.source) == (1, o.up.source)
    o.device.answer(cancel)


@pytest.mark.covers("C7641-4.5-2")
def test_a_con_after_24_hours(proxy):
    o = Observer(proxy).register()
    proxy.advance(24 * 3600 * 1000 - 10_000)
    assert o.notified(6, b"before", NON).type == NON
    proxy.advance(11_000)
    assert o.notified(7, b"after", NON).type == CON
    proxy.advance(1_000)
    assert o.notified(8, b"again", NON).type == NON


@pytest.mark.covers("C7641-4.5-2")
def test_a_con_after_five_minutes_for_the_unauthenticated(start):
    """The first at once, to see whether anybody is there."""
    o = Observer(start(sections="downstream: { trusted = []; };")).register(payload=b"f")
    assert o.notified(6, b"a", NON).type == CON
    o.proxy.advance(299_000)
    assert o.notified(7, b"b", NON).type == NON
    o.proxy.advance(2_000)
    assert o.notified(8, b"c", NON).type == CON
