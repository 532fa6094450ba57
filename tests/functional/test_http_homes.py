"""Requests over HTTP whose connection and whose device belong to different workers: what a worker's death leaves owed, and what crosses."""

import os
import signal

import coap
import pytest
from coap import ACK, BLOCK1, BLOCK2, OBSERVE
from harness import WEB_ROUTES
from house import THREE, pids, until
from http_bodies import Stream
from http_client import WebPair


def counted(proxy, name, act):
    """The worker that counts what is done."""
    before = [proxy.counters(i)[name] for i in range(3)]
    result = act()
    proxy.settle()
    number, = [i for i in range(3) if proxy.counters(i)[name] != before[i]]
    return number, result


@pytest.fixture
def three(start):
    proxy = start(routes=WEB_ROUTES, sections=THREE % "", web="")
    proxy.web = proxy.web_address
    return proxy


def pair_that_crosses(proxy):
    """A connection in one worker, a device at home in another: (pair, worker of the connection, home)."""
    while True:
        served, pair = counted(proxy, "http_connections_accepted", lambda: WebPair(proxy))
        home, _ = counted(proxy, "forwarded", pair.exchange)
        if served != home:
            return pair, served, home


def kill(proxy, number):
    """Returns when its successor serves."""
    old = pids(proxy)[number]
    os.kill(old, signal.SIGKILL)
    until(lambda: pids(proxy)[number] != old)
    proxy.settle()


@pytest.mark.covers("C8075-8.1-1")
def test_a_home_that_dies_owes_504_for_what_it_sent(three):
    pair, _, home = pair_that_crosses(three)
    up = pair.forward()
    kill(three, home)
    answer = pair.client.recv()
    assert (answer.status, answer.text) == (504, "Gateway lost track of the request")
    pair.device.piggyback(up)
    assert pair.exchange()[1].status == 200


def test_a_home_that_dies_in_the_middle_of_an_answer(three):
    """What was begun cannot be ended: the connection is, short of the last chunk."""
    pair, _, home = pair_that_crosses(three)
    up = pair.forward()
    for number in range(3):
        pair.device.piggyback(up, options=[(BLOCK2, coap.block(number, True, 6))], payload=bytes(1024))
        up = pair.device.recv()
    kill(three, home)
    answer = pair.client.recv_head()
    assert answer.status == 200
    with pytest.raises(EOFError):
        pair.client.read_body(answer)
    assert WebPair(three, device=pair.device).exchange()[1].status == 200


def test_a_home_that_dies_ends_the_stream_and_says_so(three):
    pair, _, home = pair_that_crosses(three)
    served = home
    while served == home:
        served, stream = counted(three, "http_connections_accepted", lambda: Stream(three, pair.device))
    stream.events()
    kill(three, home)
    three.settle()
    assert [e.get("event") for e in stream.events()] in ([], ["error"]) and stream.web.answer.complete
    assert three.state()["observations"] == 0


@pytest.mark.covers("C8075-8.3-1")
def test_bodies_and_streams_cross(three):
    pair, _, _ = pair_that_crosses(three)
    body = os.urandom(3000)
    pair.send("PUT", fields=[("Content-Type", "application/octet-stream")], body=body)
    came = b""
    for number in range(3):
        up = pair.device.recv()
        came += up.payload
        pair.device.piggyback(up, coap.CHANGED if number == 2 else coap.CONTINUE, [(BLOCK1, up.first(BLOCK1))])
    assert pair.client.recv().status == 204 and came == body
    stream = Stream(three, pair.device)
    stream.events()
    sent = stream.notify(b"second")
    assert len(stream.events()) == 1
    assert [(m.type, m.mid) for m in pair.device.pending()] == [(ACK, sent.mid)]
    stream.web.close()
    three.settle()
    up, = pair.device.pending()
    assert up.uint(OBSERVE) == 1 and up.token == stream.up.token
    pair.device.piggyback(up)
