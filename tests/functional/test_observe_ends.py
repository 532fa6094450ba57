"""How observations end, and what observers get that were never seen: RFC 7641 4.5, 7; RFC 9175 2.4."""

import pytest

import coap
from coap import CON, GET, NON, OBSERVE, RST
from harness import Pair
from observing import Observer

NOBODY = "downstream: { trusted = []; };"


@pytest.mark.covers("C7641-3.6-1", "C7641-4.1-3")
def test_deregistration_uses_the_upstream_token(observer):
    gone = observer.client.send(observer.request(options=[(OBSERVE, 1)], token=observer.sent.token))
    up = observer.device.recv()
    assert up.uint(OBSERVE) == 1 and up.token == observer.up.token
    assert up.source == observer.up.source
    assert up.without(OBSERVE, coap.HOP_LIMIT) == observer.up.without(OBSERVE, coap.HOP_LIMIT)
    observer.device.answer(up, payload=b"bye")
    down = observer.client.recv()
    assert (down.mid, down.payload) == (gone.mid, b"bye") and not down.has(OBSERVE)
    observer.notify(9, b"ghost")
    assert observer.device.recv().type == RST
    observer.client.quiet()


@pytest.mark.covers("C7641-4.1-3")
def test_deregistration_of_nothing_is_a_plain_request(pair):
    sent, up = pair.forward(options=[(OBSERVE, 1)])
    pair.device.answer(up, payload=b"x")
    down = pair.client.recv()
    assert down.payload == b"x" and not down.has(OBSERVE)


def cancelled(o, quiet_after=True):
    """After a client's RST: the origin hears of it, by Observe=1 (plain) or by RST (OSCORE)."""
    told = [m for m in o.device.pending() if m.code or m.type == RST]
    if o.oscore:
        assert all(m.type == RST for m in told), "an OSCORE cancellation cannot be made up"
        if not told:
            o.notify(50, b"unwanted")
            told = [m for m in o.device.pending() if m.type == RST]
        assert told
    else:
        if not [m for m in told if m.code]:
            o.notify(50, b"unwanted")
            told = o.device.pending()
        assert any(m.type == RST for m in told) or any(
            m.uint(OBSERVE) == 1 and m.token == o.up.token and m.code == GET for m in told)
        for m in told:
            if m.code:
                o.device.answer(m)
    o.client.quiet()


@pytest.mark.covers("C7641-4.5-1", "C7641-5-5", "C7641-3.6-1")
@pytest.mark.parametrize("type_", [CON, NON])
def test_clients_reset_cancels_a_plain_observation(observer, type_):
    observer.notify(6, b"x", type_)
    observer.device.pending()
    observer.client.reset(observer.client.recv())
    cancelled(observer)


@pytest.mark.covers("C7641-4.5-1", "C8613-4.1.3.5-8", "C8613-10-4")
@pytest.mark.parametrize("type_", [CON, NON])
def test_clients_reset_cancels_an_oscore_observation(sealed, type_):
    sealed.notify(6, b"x", type_)
    sealed.device.pending()
    sealed.client.reset(sealed.client.recv())
    cancelled(sealed)


@pytest.mark.covers("C7641-4.5-4")
def test_reset_of_an_earlier_non_notification_is_understood(observer):
    got = []
    for value in range(6, 10):
        observer.notify(value, b"%d" % value, NON)
        got += observer.client.pending()
        for m in got:
            if m.type == CON:
                observer.client.ack(m)
        observer.proxy.advance(4_000)
        got += observer.client.pending()
    non = [m for m in got if m.type == NON]
    assert non, "notifications that came non-confirmable leave so, at least some"
    observer.device.pending()
    observer.client.reset(non[0])
    cancelled(observer)


@pytest.mark.covers("C7641-3.6-2")
def test_every_later_notification_is_rejected(sealed):
    """RST is unreliable: the origin may miss the first."""
    sealed.notify(6, b"x")
    sealed.device.pending()
    sealed.client.reset(sealed.client.recv())
    sealed.proxy.settle()
    sealed.device.pending()
    for value in (7, 8, 9):
        n = sealed.notify(value, b"ghost")
        reset = sealed.device.recv()
        assert (reset.type, reset.mid) == (RST, n.mid)
    sealed.client.quiet()


@pytest.mark.covers("C7641-4.5-1", "C7641-5-5")
@pytest.mark.parametrize("oscore", [False, True])
def test_client_that_does_not_acknowledge_is_removed(proxy, oscore):
    o = Observer(proxy).register(oscore=oscore)
    o.notify(6, b"x")
    o.device.pending()
    proxy.watch(100_000, o.client, step=2000)
    sent = [m for m in o.client.ledger if m.payload == b"x"]
    assert 1 < len(sent) <= 5
    cancelled(o)


@pytest.mark.covers("C7641-4.5-2")
def test_a_con_at_least_once_a_day(observer):
    """The origin sends NON only; the client must show now and then that it is still there."""
    cons, value = [], 6
    for _ in range(26):
        observer.proxy.advance(3_600_000)
        observer.notify(value, b"h", NON)
        value += 1
        for m in observer.client.pending():
            if m.type == CON:
                cons.append(m)
                observer.client.ack(m)
    assert cons
    assert not [m for m in observer.device.pending() if m.code or m.type == RST]


@pytest.mark.covers("C7641-4.5-2", "C7641-5-5")
def test_silent_observer_of_non_notifications_is_removed_in_the_end(observer):
    value = 6
    for _ in range(30):
        observer.proxy.advance(3_600_000)
        observer.notify(value, b"h", NON)
        value += 1
        observer.client.pending()
    told = [m for m in observer.device.pending() if m.type == RST or m.uint(OBSERVE) == 1]
    assert told


@pytest.mark.covers("C7641-4.5-2")
def test_unverified_observer_is_confirmed_at_short_intervals(start):
    """Outside the trusted networks: an hour of NON notifications holds more than one CON."""
    proxy = start(sections="downstream: { trusted = []; };")
    o = Observer(proxy).register(payload=b"f")
    cons, value = 0, 6
    for _ in range(120):
        proxy.advance(30_000)
        o.notify(value, b"h", NON)
        value += 1
        for m in o.client.pending():
            if m.type == CON:
                cons += 1
                o.client.ack(m)
    assert cons >= 2


@pytest.mark.covers("C7641-3.2-1", "C7641-4.5-3")
@pytest.mark.parametrize("oscore", [False, True])
def test_last_notification_waits_behind_the_one_under_way(proxy, oscore):
    before = proxy.state()["observations"]
    o = Observer(proxy).register(oscore=oscore)
    o.notify(6, b"second")
    second = o.client.recv()
    options = [(coap.OSCORE, b"\x01\x08")] if oscore else []
    o.device.separate(o.up, coap.code("4.04"), options=options, payload=b"gone", type=CON)
    o.client.ack(second)
    last = o.client.recv()
    assert last.code == coap.code("4.04") and last.payload == b"gone" and last.type == CON and not last.has(OBSERVE)
    o.client.ack(last)
    assert proxy.state()["observations"] == before


@pytest.mark.covers("C9175-2.4-1", "C7252-11.3-1")
def test_unverified_observer_acknowledges_every_notification(start):
    proxy = start(sections=NOBODY)
    o = Observer(proxy).register(payload=b"f")
    o.notify(6, b"h", NON)
    proxy.advance(0)
    first = o.client.recv()
    assert first.type == CON
    proxy.advance(120_000)
    copies = [m for m in o.client.pending() if m.code]
    assert len(copies) <= 4 and all(m.mid == first.mid for m in copies)
    assert proxy.state()["observations"] == 0, "who does not answer is no observer"


@pytest.mark.covers("C9175-2.4-1")
def test_acknowledged_observer_is_verified(start):
    proxy = start(sections=NOBODY)
    o = Observer(proxy).register(payload=b"f")
    o.notify(6, b"h", NON)
    o.client.ack(o.client.recv())
    o.notify(7, b"i", NON)
    assert o.client.recv().type == NON


@pytest.mark.covers("C9175-2.4-1")
def test_challenged_registration_is_no_observation(start):
    proxy = start(sections=NOBODY)
    o = Pair(proxy)
    o.client.send(o.request(coap.GET, options=[(OBSERVE, b"")]))
    up = o.device.recv()
    o.device.answer(up, coap.CONTENT, [(OBSERVE, 5), (coap.BLOCK2, b"\x0e")], b"x" * 1024)
    assert o.client.recv().code == coap.code("4.01")
    assert proxy.state()["observations"] == 0
    o.device.separate(up, options=[(OBSERVE, 6)], payload=b"y", type=NON)
    assert o.device.recv().type == RST
    assert not [m for m in o.client.pending() if m.code]
