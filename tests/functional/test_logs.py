"""What the log and the counters tell: one line for a request where the route wants it, refusals by reason, SIGUSR2."""

import re
import signal
import time

import coap
from coap import GET, NO_RESPONSE, NON, OBSERVE, PUT
from harness import DEFAULT_ROUTE, Pair

LOGGED = DEFAULT_ROUTE.replace("forward-to", 'access-log = "text"; forward-to')


def lines(proxy, word):
    return [line for line in proxy.explain().splitlines() if " info: %s" % word in line]


def test_access_log_has_a_line_for_each_request(start):
    proxy = start(routes=LOGGED)
    pair = Pair(proxy)
    pair.exchange(GET)
    pair.exchange(PUT, payload=b"secret", answer=coap.CHANGED)
    assert len(lines(proxy, "request:")) == 2
    first, second = lines(proxy, "request:")
    assert re.search(r"request: GET from 127\.\S+:\d+ at coap, route fwd, origin 127\.\S+:\d+: 2\.05 after \d+ ms$", first)
    assert re.search(r"request: PUT .*: 2\.04 after \d+ ms$", second)
    assert "secret" not in proxy.explain()


def test_access_log_counts_an_observation_and_silence_once(start):
    proxy = start(routes=LOGGED)
    pair = Pair(proxy)
    sent, up = pair.forward(GET, options=[(OBSERVE, 0)])
    pair.device.answer(up, coap.CONTENT, options=[(OBSERVE, 1)], payload=b"a")
    pair.client.recv()
    for value in (2, 3):
        pair.device.separate(up, coap.CONTENT, options=[(OBSERVE, value)], payload=b"b", type=NON)
        pair.client.recv()
    assert len(lines(proxy, "request:")) == 1
    sent, up = pair.forward(PUT, payload=b"x", options=[(NO_RESPONSE, 26)], type=NON)
    pair.device.answer(up, coap.CHANGED)
    proxy.settle()
    assert len(lines(proxy, "request:")) == 2


def test_without_it_nothing_is_said_of_an_answer(proxy):
    Pair(proxy).exchange(GET)
    assert lines(proxy, "request:") == []


def test_refusals_are_told_once_in_ten_seconds_for_each_reason(start):
    proxy = start()
    pair = Pair(proxy, "reverse", device=Pair(proxy).device, host="nobody.example")
    for _ in range(5):
        pair.client.send(pair.request(GET))
        assert pair.client.recv().code == coap.code("4.04")
    assert len(lines(proxy, "refused_no_route:")) == 1
    proxy.advance(10_000)
    pair.client.send(pair.request(GET))
    pair.client.recv()
    assert len(lines(proxy, "refused_no_route:")) == 3
    assert "(and 4 more like it)" in proxy.explain()


def test_counters_are_printed_on_a_signal(start):
    proxy = start()
    Pair(proxy).exchange(GET)
    proxy.process.send_signal(signal.SIGUSR2)
    until = time.monotonic() + 5
    while "send_failed" not in proxy.explain() and time.monotonic() < until:
        time.sleep(0.01)
    counters = dict(re.findall(r"^([a-z_]+) (\d+)$", proxy.explain(), re.M))
    assert counters["requests"] == counters["forwarded"] == counters["responses"] == "1"
