"""How observations end, and what observers get that were never seen: RFC 7641 4.5, 7; RFC 9175 2.4."""

import pytest

import coap
from coap import CON, NON, OBSERVE, RST
from harness import Pair
from test_observe import Observer

NOBODY = "downstream: { trusted = []; };"


@pytest.mark.covers("C7641-3.2-1", "C7641-4.5-3")
@pytest.mark.parametrize("oscore", [False, True])
def test_last_notification_waits_behind_the_one_under_way(proxy, oscore):
    o = Observer(proxy).register(oscore=oscore)
    o.notify(6, b"second")
    second = o.client.recv()
    options = [(coap.OSCORE, b"\x01\x08")] if oscore else []
    o.device.separate(o.up, coap.code("4.04"), options=options, payload=b"gone", type=CON)
    o.client.ack(second)
    last = o.client.recv()
    assert last.code == coap.code("4.04") and last.payload == b"gone" and last.type == CON and not last.has(OBSERVE)
    o.client.ack(last)
    assert proxy.state()["observations"] == 0


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
