"""The long poll: GET with Prefer: wait=N is answered when the resource changes, or when the time is over (RFC 7240 4.3)."""

import os

import coap
import pytest
from coap import BLOCK2, ETAG, OBSERVE, VALID
from harness import WORKERS
from http_bodies import ROUTE, Resource, Web, fetch, gateway, gateway_in, run, web_listener
from house import Configured

KB = 1 << 10
OLD, NEW = (ETAG, b"\x01"), (ETAG, b"\x02")
SEEN = ("If-None-Match", '"01"')


def begin(directory):
    return gateway_in(directory, 'wait-limit = "20s";')


class Poll:
    """A client that waits; the device has answered with what it has, observed."""

    def __init__(self, proxy, *fields, wait=10, code=coap.CONTENT, options=((OBSERVE, 5), OLD), payload=b"old"):
        self.proxy, self.device, self.web = proxy, proxy.device(), Web(proxy)
        self.web.send("GET", self.device, fields=[("Prefer", "wait=%d" % wait)] + list(fields))
        self.up = self.device.recv()
        assert self.up.uint(OBSERVE) == 0
        self.device.piggyback(self.up, code, options, b"" if code == VALID else payload)

    def notify(self, payload, *options, code=coap.CONTENT, value=6):
        self.device.separate(self.up, code, [(OBSERVE, value)] * (code < 0x80) + list(options), payload)

    def cancelled(self):
        got = {m.mid: m for m in self.device.pending() if not m.is_empty}
        assert [(m.uint(OBSERVE), m.token) for m in got.values()] == [(1, self.up.token)], got
        self.device.piggyback(*got.values(), payload=b"last")
        assert self.proxy.state()["observations"] == 0


def answered(poll, status, body=b"", applied=True):
    answer = poll.web.wait()
    assert (answer.status, answer.body) == (status, body)
    assert answer.get("preference-applied") == ("wait" if applied else None)
    return answer


@pytest.mark.parametrize("fields", [(), (SEEN,)], ids=["any", "if-none-match"])
def test_change_is_answered(gw, fields):
    p = Poll(gw, *fields)
    p.web.quiet()
    gw.advance(7_000)
    p.web.quiet()
    p.notify(b"new", NEW)
    assert answered(p, 200, b"new").get("etag") == '"02"'
    p.cancelled()
    gw.advance(20_000)
    assert fetch(p.web, Resource(p.device, b"next")).body == b"next", "the connection goes on, and its timer does not"


def test_without_a_change_the_end_is_304_for_whoever_has_it(gw):
    p = Poll(gw, SEEN)
    gw.advance(9_000)
    p.web.quiet()
    gw.advance(1_100)
    assert answered(p, 304).get("etag") == '"01"'
    p.cancelled()


def test_without_a_change_the_end_is_the_representation_for_whoever_has_nothing(gw):
    p = Poll(gw)
    gw.advance(9_000)
    p.web.quiet()
    gw.advance(1_100)
    asked = [m for m in p.device.pending() if not m.is_empty]
    plain, = [m for m in asked if not m.has(OBSERVE)]
    p.device.piggyback(plain, payload=b"as it is")
    answered(p, 200, b"as it is")
    cancel, = [m for m in asked if m.has(OBSERVE)]
    assert cancel.uint(OBSERVE) == 1 and cancel.token == p.up.token


def test_valid_answer_of_the_device_is_waited_on(gw):
    """2.03: the client's ETag went to the device."""
    p = Poll(gw, SEEN, code=VALID)
    assert p.up.all(ETAG) == [b"\x01"]
    p.web.quiet()
    p.notify(b"", OLD, code=VALID)
    p.web.quiet()
    p.notify(b"new", NEW, value=7)
    answered(p, 200, b"new")
    p = Poll(gw, SEEN, code=VALID)
    gw.advance(10_100)
    answered(p, 304)


def test_client_that_has_something_else_is_answered_at_once(gw):
    p = Poll(gw, ("If-None-Match", '"07"'))
    answered(p, 200, b"old", applied=False)
    p.cancelled()


def test_notification_of_what_the_client_has_is_no_change(gw):
    p = Poll(gw, SEEN)
    p.notify(b"old", OLD)
    p.web.quiet()
    p.notify(b"new", NEW, value=7)
    answered(p, 200, b"new")


def test_device_that_is_not_observed_is_answered_at_once(gw):
    answered(Poll(gw, options=[OLD]), 200, b"old", applied=False)
    answered(Poll(gw, SEEN, code=VALID, options=[OLD]), 304, applied=False)
    p = Poll(gw, code=coap.code("4.04"), options=[], payload=b"none")
    answered(p, 404, b"none", applied=False)
    assert gw.state()["observations"] == 0


def test_error_is_a_change(gw):
    p = Poll(gw)
    p.notify(b"gone", code=coap.code("4.04"))
    answered(p, 404, b"gone")
    assert gw.state()["observations"] == 0


def test_route_limits_the_waiting(gw):
    p = Poll(gw, SEEN, wait=4_000_000_000)
    gw.advance(19_000)
    p.web.quiet()
    gw.advance(1_100)
    answered(p, 304)


def test_route_that_waits_for_nothing(start):
    gw = gateway(start, 'wait-limit = "0s";')
    device, web = gw.device(), Web(gw)
    web.send("GET", device, fields=[("Prefer", "wait=5")])
    up = device.recv()
    assert not up.has(OBSERVE)
    device.piggyback(up, payload=b"now")
    assert web.wait().body == b"now" and web.answer.get("preference-applied") is None


@pytest.mark.parametrize("value", ["wait", "wait=", "wait=-1", "wait=x", "wait=0", "respond-async"])
def test_other_preferences_are_ignored(gw, value):
    r = Resource(gw.device(), b"now")
    answer = fetch(Web(gw), r, fields=[("Prefer", value)])
    assert answer.body == b"now" and answer.get("preference-applied") is None and not r.seen[0].has(OBSERVE)


def test_device_that_takes_all_the_time_for_its_first_answer(gw):
    """Nothing is left to wait for."""
    device, web = gw.device(), Web(gw)
    web.send("GET", device, fields=[("Prefer", "wait=5"), SEEN])
    up = device.recv()
    device.ack(up)
    gw.advance(6_000)
    web.quiet()
    device.separate(up, options=[(OBSERVE, 5), OLD], payload=b"old", type=coap.NON)
    assert web.wait().status in (200, 304)


@pytest.mark.parametrize("size", [1025, 5000])
def test_large_change_is_answered_whole(gw, size):
    p = Poll(gw)
    r = Resource(p.device, os.urandom(size), etag=b"\x02")
    p.notify(r.body[:KB], NEW, (BLOCK2, coap.block(0, True, 6)))
    assert run(p.web, r).body == r.body and p.web.answer.get("etag") == '"02"'
    assert r.seen[-1].uint(OBSERVE) == 1 or p.device.recv().uint(OBSERVE) == 1


def test_client_that_leaves_is_told_to_the_device(gw):
    p = Poll(gw)
    p.web.quiet()
    p.web.close()
    gw.settle()
    p.cancelled()


def test_reload_with_the_route_kept_waits_on(start):
    gw = gateway(start)
    conf = Configured(gw, ROUTE % "", listeners=web_listener(*gw.web), processes='process: { workers = %d; user = ""; };' % WORKERS)
    p = Poll(gw)
    p.web.quiet()
    conf.change(routes=ROUTE % 'timeout = "20s";')
    p.web.quiet()
    p.notify(b"new", NEW)
    answered(p, 200, b"new")


def test_reload_without_the_route_ends_the_waiting(start):
    gw = gateway(start)
    conf = Configured(gw, ROUTE % "", listeners=web_listener(*gw.web), processes='process: { workers = %d; user = ""; };' % WORKERS)
    p = Poll(gw)
    p.web.quiet()
    conf.change(routes='other: { from = ["web"]; http-path = "/other"; authenticate = "none"; to = ["coap://127.0.0.1"]; };')
    assert p.web.wait().status == 503
    p.cancelled()
