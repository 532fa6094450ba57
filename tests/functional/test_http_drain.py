"""What becomes of HTTP clients when the gateway ends, when one of its workers dies, and where a device is another worker's."""

import os
import signal
import socket

import coap
import pytest
from coap import ETAG, OBSERVE
from house import PATIENCE, THREE, logged, pids, until
from http_bodies import Resource, Stream, Web, fetch, gateway, run

KB = 1 << 10


def drain(gw):
    """SIGTERM; every worker has heard it."""
    gw.process.send_signal(signal.SIGTERM)
    logged(gw, "no new exchange from now on")
    gw.settle()


def finishes(web, *resources):
    """The answer, read without asking the gateway, which ends behind it."""
    def look():
        for r in resources:
            for m in read_all(r.device):
                r.take(m)
        web.push()
        web.pull()
        return web.ended
    until(look)
    web.close()
    return web.answer


def read_all(device):
    out = []
    device.socket.setblocking(False)
    try:
        while True:
            out.append(device._read())
    except BlockingIOError:
        return [m for m in out if 0 < m.code < 32]


# The gateway ends


def test_idle_connections_are_closed_and_others_end_behind_their_answer(start):
    gw = gateway(start)
    idle, used, busy = Web(gw), Web(gw), Web(gw)
    r = Resource(gw.device(), b"21")
    assert fetch(used, r).status == 200
    busy.send("GET", r.device)
    up = r.device.recv()
    drain(gw)
    for web in (idle, used):
        web.wait(lambda web=web: web.ended)
        web.close()
        assert not web.reset and not web.raw
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(gw.web)
    r.take(up)
    answer = finishes(busy, r)
    assert answer.body == b"21" and answer.get("connection") == "close"
    assert gw.process.wait(PATIENCE) == 0


def test_pipelined_request_behind_the_one_under_way_is_not_begun(start):
    gw = gateway(start)
    r, web = Resource(gw.device(), b"21"), Web(gw)
    web.send("GET", r.device)
    up = r.device.recv()
    web.more(b"GET /hc/%s/next HTTP/1.1\r\nHost: gw\r\n\r\n" % r.device.url.encode())
    drain(gw)
    r.take(up)
    assert finishes(web, r).body == b"21" and len(r.seen) == 1
    assert gw.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_transfers_under_way_are_brought_to_their_end(start, method):
    """Block by block, though each of them is an exchange of its own."""
    gw = gateway(start)
    body = os.urandom(30 * KB)
    r, web = Resource(gw.device(), body if method == "GET" else b""), Web(gw)
    web.send(method, r.device, body=body if method == "PUT" else None)
    for _ in range(5):
        assert r.serve()
    drain(gw)
    answer = finishes(web, r)
    assert answer.complete and (r.bodies if method == "PUT" else [answer.body]) == [body]
    assert gw.process.wait(PATIENCE) == 0


def test_streams_end_in_order(start):
    gw = gateway(start)
    s = Stream(gw)
    assert len(s.events()) == 1
    drain(gw)
    cancel = read_all(s.device)
    s.device.piggyback(cancel[0])
    assert [(m.uint(OBSERVE), m.token) for m in cancel] == [(1, s.up.token)]
    answer = finishes(s.web)
    assert answer.complete and not s.web.reset and answer.body.count(b"data:") == 1
    assert gw.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("seen, status", [(True, 304), (False, 200)])
def test_whoever_waits_for_a_change_is_answered(start, seen, status):
    gw = gateway(start)
    device, web = gw.device(), Web(gw)
    web.send("GET", device, fields=[("Prefer", "wait=50")] + [("If-None-Match", '"01"')] * seen)
    device.piggyback(device.recv(), options=[(OBSERVE, 5), (ETAG, b"\x01")], payload=b"old")
    web.quiet()
    drain(gw)
    r = Resource(device, b"old", hook=lambda m: m.has(OBSERVE) and (r.reply(m, coap.CONTENT) or True))
    assert finishes(web, r).status == status
    assert gw.process.wait(PATIENCE) == 0


def test_what_is_not_answered_in_time_is_given_up(start):
    """A request that has no answer gets one; an answer that has begun ends short."""
    gw = gateway(start)
    silent, half, r = Web(gw), Web(gw), Resource(gw.device(), os.urandom(5000))
    silent.send("GET", gw.device())
    half.send("GET", r.device)
    for _ in range(3):
        assert r.serve()
    half.wait(lambda: half.answer)
    drain(gw)
    gw.steer.sendall(b"advance 10001\n")
    assert finishes(silent).status in (503, 504) and silent.answer.complete
    assert finishes(half).status == 200 and not half.answer.complete
    assert gw.process.wait(PATIENCE) == 0


# A worker dies


def worker_of(gw, web=None, count=3):
    """A new connection and the number of the worker that has accepted it."""
    before = [gw.counters(i)["http_connections_accepted"] for i in range(count)]
    web = web or Web(gw)
    gw.settle()
    number, = [i for i in range(count) if gw.counters(i)["http_connections_accepted"] != before[i]]
    return web, number


def home_of(gw, device, count=3):
    """The number of the worker that asks this device."""
    before = [gw.counters(i)["forwarded"] for i in range(count)]
    r = Resource(device)
    fetch(Web(gw), r)
    number, = [i for i in range(count) if gw.counters(i)["forwarded"] != before[i]]
    return number


def apart(gw):
    """A connection and a device that are different workers': (connection, device, its worker's number, the device's)."""
    device = gw.device()
    home = home_of(gw, device)
    while True:
        web, number = worker_of(gw)
        if number != home:
            return web, device, number, home


def kill(gw, number):
    """Returns when its successor serves."""
    old = pids(gw)[number]
    os.kill(old, signal.SIGKILL)
    until(lambda: pids(gw)[number] != old)
    gw.settle()


@pytest.fixture
def three(start):
    return gateway(start, sections=THREE % "")


def test_death_of_a_worker_closes_its_connections_and_no_others(three):
    by_worker = {}
    while len(by_worker) < 3:
        web, number = worker_of(three)
        by_worker.setdefault(number, web)
    r = Resource(three.device(), b"21")
    victim = (home_of(three, r.device) + 1) % 3
    by_worker[victim].send("GET", r.device)
    assert r.device.recv().code == coap.GET
    kill(three, victim)
    by_worker[victim].wait(lambda: by_worker[victim].ended)
    assert by_worker[victim].answer is None
    for number, web in by_worker.items():
        if number != victim:
            assert fetch(web, r).body == b"21"
    numbers = set()
    while victim not in numbers:
        web, number = worker_of(three)
        numbers.add(number)
        assert fetch(web, r).body == b"21"


def test_death_of_a_devices_worker_is_answered(three):
    """What it had sent is 504, an answer that had begun ends short, a stream ends with an error."""
    web, device, _, home = apart(three)
    web.send("GET", device)
    assert device.recv().code == coap.GET
    half, r = apart_from(three, home), Resource(device, os.urandom(9000))
    half.send("GET", device)
    for _ in range(4):
        assert r.serve()
    half.wait(lambda: half.answer)
    kill(three, home)
    assert web.wait().status in (503, 504)
    assert not half.wait_end().complete
    again = Resource(device, b"21")
    assert fetch(Web(three), again).body == b"21"


def apart_from(gw, home):
    while True:
        web, number = worker_of(gw)
        if number != home:
            return web


def test_streams_outlive_or_end_with_the_worker_of_their_device(three):
    """Either way the client is told: by the next event or by the end."""
    web, device, _, home = apart(three)
    s = Stream(three, device, web=web)
    assert len(s.events()) == 1
    kill(three, home)
    again = [m for m in device.pending() if m.code == coap.GET and m.uint(OBSERVE) == 0]
    if again:
        device.piggyback(again[-1], options=[(OBSERVE, 50)], payload=b"second")
    events = s.events()
    assert s.web.answer.complete or any(e.get("data", {}).get("code") == "2.05" for e in events)


# A device of another worker


def test_crossing_plain_and_by_blocks(three):
    web, device, _, home = apart(three)
    body = os.urandom(50 * KB)
    r = Resource(device, os.urandom(60 * KB))
    before = three.counters(home)["forwarded"]
    assert fetch(web, r).body == r.body
    assert fetch(web, r, method="PUT", body=body).status == 200 and r.bodies == [body]
    assert three.counters(home)["forwarded"] - before == len(r.seen)


def test_crossing_stream(three):
    web, device, _, _ = apart(three)
    s = Stream(three, device, web=web)
    for i in range(5):
        s.notify(b"%d" % i)
    assert len(s.events()) == 6
    s.web.close()
    three.settle()
    cancel, = {m.mid: m for m in device.pending() if m.code == coap.GET}.values()
    assert cancel.uint(OBSERVE) == 1 and cancel.token == s.up.token
    device.piggyback(cancel)
    three.settle()
    assert three.state()["observations"] == 0


def test_crossing_back_pressure(three):
    """A stalled reader of another worker stops the device as well."""
    web, device, _, _ = apart(three)
    r = Resource(device, os.urandom(1200 * KB))
    web.send("GET", device)
    while r.serve():
        pass
    count = len(r.seen)
    assert count < 1200 and count * KB - web.in_kernel() <= 66 * KB
    assert run(web, r).body == r.body
