"""Connections of CoAP in time: what may take how long, who may have how many, what becomes of them when the gateway changes or ends."""

import pytest

import coap
from coap import GET, POST, PUT, Message
from coap_stream import ABORT, CSM, PING, PONG, RELEASE, Origin, connect, frame
from harness import ask, fresh_address, target
from house import reload
from test_streams import begin, client, upstream  # noqa: F401


# ---- time ----


def test_a_client_that_says_nothing(own):
    gw = own(sections="transports: { csm-timeout = \"4s\"; };")
    c = client(gw, csm=None)
    gw.advance(3500)
    assert [m.code for m in (c.next(), c.next(0)) if m] == [CSM]
    gw.advance(1000)
    assert b"CSM" in c.recv_signal(ABORT).payload
    assert c.is_closed()
    gw.stop()


def test_an_origin_that_says_nothing(own):
    gw = own(sections="transports: { csm-timeout = \"4s\"; };")
    c, origin = gw.client(), Origin(gw, fresh_address(), csm=None)
    c.send(ask(origin, POST))
    link = origin.accept()
    gw.settle()
    gw.advance(4100)
    assert link.recv_signal(ABORT)
    assert [m.code for m in c.pending()] == [0, coap.code("5.04")]
    gw.stop()


def test_idle_connections_are_released(own):
    gw = own(sections='transports: { idle-timeout = "60s"; origin-idle = "20s"; };')
    c, observing, origin = client(gw), client(gw), Origin(gw, fresh_address())
    observing.send(ask(origin, options=[(coap.OBSERVE, b"")]))
    link, up = upstream(origin)
    link.answer(up, options=[(coap.OBSERVE, b"")])
    observing.recv()
    gw.advance(61_000)
    assert c.recv_signal(RELEASE)
    c.close()
    observing.quiet()
    assert not observing.signals[1:], observing.signals
    observing.send(Message(GET, options=target(origin) + [(coap.OBSERVE, 1)], token=observing.ledger[-1].token))
    up = link.recv()
    link.answer(up)
    observing.recv()
    gw.advance(21_000)
    assert link.recv_signal(RELEASE)
    assert link.is_closed()
    gw.stop()


def test_keepalive(own):
    gw = own(listener='keepalive = "10s";')
    alive, dead = client(gw), client(gw)
    for _ in range(3):
        gw.advance(10_100)
        ping = alive.recv_signal(PING)
        alive.signal(PONG, token=ping.token)
    assert dead.is_closed()
    assert [m.code for m in dead.ledger] == [CSM, PING]
    gw.stop()


# ---- limits ----


def test_connections_are_limited(own):
    gw = own(sections='transports: { client-connections = 3; };\nprocess: { workers = 1; user = ""; };')
    host, other = fresh_address(), fresh_address()
    first = [client(gw, host=host) for _ in range(3)]
    for c in first:
        c.signal(PING)
        c.recv_signal(PONG)
    refused = client(gw, host=host)
    assert b"Too many" in refused.recv_signal(ABORT).payload
    assert refused.is_closed()
    c = client(gw, host=other)
    c.signal(PING)
    assert c.recv_signal(PONG)
    first[0].close()
    gw.settle()
    c = client(gw, host=host)
    c.signal(PING)
    assert c.recv_signal(PONG)
    assert gw.counters()["connections_refused"] == 1
    gw.stop()


def test_who_asks_too_much_is_not_read(own):
    """No more than 256 requests of one client are under way; the rest waits in the network."""
    gw = own(sections='process: { workers = 1; user = ""; };')
    c, origin = client(gw), Origin(gw, fresh_address())
    c.socket.settimeout(0.5)
    sent = 0
    try:
        for n in range(60_000):
            c.send_raw(frame(ask(origin, PUT, payload=b"x" * 200, token=b"%d" % n)))
            sent += 1
    except TimeoutError:
        pass
    gw.settle()
    assert gw.state()["exchanges"] <= 256 + 16
    c.quiet()  # nothing was refused
    gw.stop(drained=False)


def test_who_does_not_read_is_ended(own):
    gw = own(sections='process: { workers = 1; user = ""; };')
    c, device = client(gw), gw.device()
    c.socket.setsockopt(1, 8, 4096)
    c.socket.settimeout(0.5)
    ping = b"\x00\xe2" * 8000
    try:
        for _ in range(2000):
            c.send_raw(ping)
    except TimeoutError:
        pass
    gw.settle()
    gw.advance(61_000)
    gw.settle()
    assert gw.counters()["connection_timeouts"] == 1
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(100):
            c.send_raw(ping)
    assert device
    gw.stop()


# ---- the life of the gateway ----


def test_clients_are_released_when_the_gateway_ends(own):
    gw = own()
    c, device = client(gw), gw.device()
    c.send(ask(device, POST))
    up = device.recv()
    device.ack(up)
    gw.process.send_signal(15)
    assert c.recv_signal(RELEASE)
    device.separate(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED
    c.close()
    gw.process.wait(10)
    assert gw.process.returncode == 0


def test_a_place_that_another_listener_takes(own):
    """Whoever came by the one before is not its client."""
    gw = own(sections='process: { workers = 1; user = ""; };')
    c, device = client(gw), gw.device()
    c.send(ask(device, POST))
    device.ack(device.recv())
    one, two = ('tcp: { url = "coap+tcp://127.0.0.%d:%d"' % (n, gw.port) for n in (1, 2))
    reload(gw, one, two, r"listener tcp on 127\.0\.0\.2:")
    assert c.recv_signal(RELEASE)
    c.quiet()
    reload(gw, two, 'more: { url = "coap+tcp://127.0.0.3:%d"; }; %s' % (gw.port, two), r"listener more on 127\.0\.0\.3:")
    assert b"listener" in c.recv_signal(ABORT).payload
    assert c.is_closed()
    gw.stop()


def test_a_listener_that_is_removed(own):
    gw = own()
    c, device = client(gw), gw.device()
    c.send(ask(device, POST))
    up = device.recv()
    device.ack(up)
    one, two = ('tcp: { url = "coap+tcp://127.0.0.%d:%d"' % (n, gw.port) for n in (1, 2))
    reload(gw, one, two, r"listener tcp on 127\.0\.0\.2:")
    assert c.recv_signal(RELEASE)
    device.separate(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED
    c.close()
    new = connect(gw, ("127.0.0.2", gw.port))
    new.signal(PING)
    assert new.recv_signal(PONG)
    gw.stop()
