"""A device's observation as a stream of server-sent events: what one event says, how long the stream lives, and who is told of its end."""

import base64
import os

import coap
import pytest
from coap import ACK, BLOCK2, CON, CONTENT_FORMAT, ETAG, MAX_AGE, OBSERVE
from harness import WORKERS
from http_bodies import ROUTE, Resource, Stream, Web, access_lines, block2_of, fetch, gateway, gateway_in, stall_out, web_listener
from house import Configured

KB = 1 << 10
NOT_FOUND = coap.code("4.04")


def begin(directory):
    return gateway_in(directory, 'cors = ["https://app.example"];')


def content(event):
    data = event["data"]
    return data["text"].encode() if "text" in data else base64.b64decode(data["base64"])


def contents(s):
    return [content(e) for e in s.events() if "data" in e]


# One event


def test_each_notification_is_an_event(gw):
    options = [(ETAG, b"\x0a\xb1"), (CONTENT_FORMAT, 50), (MAX_AGE, 90)]
    s = Stream(gw, options=options, payload=b'{"t":21}', fields=[("Origin", "https://app.example")])
    assert s.up.uint(OBSERVE) == 0 and s.up.code == coap.GET and not s.up.has(coap.ACCEPT)
    assert s.web.answer.status == 200 and s.web.answer.get("content-type") == "text/event-stream"
    assert s.web.answer.get("cache-control") == "no-store" and s.web.answer.get("access-control-allow-origin") == "https://app.example"
    assert s.event() == {"id": "0ab1", "data": {"code": "2.05", "content-format": 50, "media-type": "application/json", "etag": "0ab1",
                                                "max-age": 90, "text": '{"t":21}'}}
    for i, type_ in enumerate((CON, coap.NON)):
        sent = s.notify(b"%d" % i, [(ETAG, bytes([i])), (CONTENT_FORMAT, 0)], type=type_)
        event = s.event()
        assert event["id"] == "%02x" % i and event["data"]["text"] == str(i) and event["data"]["max-age"] == 60
        got = s.device.pending()
        assert [(m.type, m.mid) for m in got] == ([(ACK, sent.mid)] if type_ == CON else [])


@pytest.mark.parametrize("format_, payload, form", [
    (0, "J\u00f6rg \u20ac \U0001f600".encode(), "text"), (50, b'{"a":\n\r"\\\\ \x7f\x01"}', "text"), (40, b"</a>", "text"),
    (0, b"", "text"), (0, b"\xff\xfe", "base64"), (0, b"\xed\xa0\x80", "base64"), (42, b"abc", "base64"), (60, bytes(range(256)), "base64"),
    (None, b"abc", "base64"), (42, b"", "base64"), (65000, b"\x00" * 5, "base64"), (11543, b"{}", "text")])
def test_content_is_text_where_it_is_text(gw, format_, payload, form):
    s = Stream(gw, options=[] if format_ is None else [(CONTENT_FORMAT, format_)], payload=payload)
    event = s.event()
    assert form in event["data"] and content(event) == payload
    assert event["data"].get("content-format") == format_


def test_id_without_an_etag_is_of_the_content(gw):
    s = Stream(gw, payload=b"same")
    first = s.event()
    s.notify(b"same")
    second = s.event()
    s.notify(b"other")
    assert first["id"] == second["id"] != s.event()["id"] and "etag" not in first["data"]


def test_notification_out_of_order_is_no_event(gw):
    s = Stream(gw)
    s.notify(b"new", value=9)
    s.notify(b"old", value=8)
    assert contents(s) == [b"first", b"new"]


def test_fetch_is_observed_with_its_body(gw):
    s = Stream(gw, method="FETCH", fields=[("Content-Type", "application/cbor")], body=b"\xa0")
    assert s.up.code == coap.FETCH and s.up.payload == b"\xa0" and s.up.uint(OBSERVE) == 0
    s.notify(b"second")
    assert contents(s) == [b"first", b"second"]


@pytest.mark.parametrize("method, fields", [
    ("HEAD", []), ("PUT", []), ("POST", [("OSCORE", "CQUl"), ("Content-Type", "application/oscore")]), ("POST", [])])
def test_what_is_not_read_is_not_observed(gw, method, fields):
    r = Resource(gw.device(), b"sealed" if fields else b"", options=[(coap.OSCORE, b"")] if fields else [])
    fields = [("Accept", "text/event-stream")] + fields
    answer = fetch(Web(gw), r, method=method, fields=fields, body=None if method == "HEAD" else b"x" * 20, path="")
    assert answer.status in (200, 204) and answer.get("content-type") != "text/event-stream"
    assert len(r.seen) == 1 and not r.seen[0].has(OBSERVE)


# How it begins


def test_device_that_is_not_observed_is_503(gw):
    s = Stream(gw, open=False)
    s.device.piggyback(s.up, payload=b"21")
    assert s.web.wait().status == 503 and b"observe" in s.web.answer.body
    gw.advance(100)
    s.device.quiet()
    assert gw.state()["observations"] == 0


@pytest.mark.parametrize("code, status", [("4.04", 404), ("5.03", 503), ("4.02", 500)])
def test_refusal_of_the_device_is_an_answer(gw, code, status):
    s = Stream(gw, open=False)
    s.device.piggyback(s.up, coap.code(code), payload=b"no")
    assert s.web.wait().status == status and s.web.answer.body == b"no"


def test_silent_device_is_504(gw):
    s = Stream(gw, open=False)
    s.device.ack(s.up)
    gw.advance(460_000)
    assert s.web.wait().status == 504 and gw.state()["observations"] == 0


@pytest.mark.parametrize("tag", [[(ETAG, b"\x07")], []], ids=["etag", "content"])
def test_client_that_comes_back_gets_what_it_does_not_have(gw, tag):
    """Last-Event-ID: what the client has is not told again, anything else is."""
    s = Stream(gw, options=tag)
    last = s.event()["id"]
    s.web.close()
    again = Stream(gw, fields=[("Last-Event-ID", last)], options=tag)
    assert again.events() == []
    again.notify(b"first", tag)
    assert contents(again) == [b"first"], "this one is news"
    changed = Stream(gw, fields=[("Last-Event-ID", last)], options=[(ETAG, b"\x08")] if tag else [], payload=b"changed")
    assert contents(changed) == [b"changed"]


def test_last_event_id_of_somebody_else_does_no_harm(gw):
    for value in ("x" * 31, "x" * 5000, "", "\x00"[1:]):
        s = Stream(gw, fields=[("Last-Event-ID", value)])
        assert contents(s) == [b"first"]


# How it lives


def test_comment_says_that_it_lives(gw):
    """Each 15 s without an event."""
    s = Stream(gw)
    assert contents(s) == [b"first"]
    gw.advance(14_900)
    assert s.events() == []
    gw.advance(200)
    assert s.events() == [{"comment": ""}]
    gw.advance(10_000)
    s.notify(b"second")
    assert contents(s) == [b"second"]
    gw.advance(14_000)
    assert s.events() == []
    gw.advance(16_100)
    assert s.events() == [{"comment": ""}] * 2


def test_stream_outlives_the_times_of_requests(gw):
    """Neither body-timeout, idle-timeout, stall nor the route's timeout ends it, as long as its client reads."""
    s = Stream(gw, options=[(MAX_AGE, 3600)])
    for _ in range(10):
        gw.advance(60_000)
        s.events()
    s.notify(b"late")
    assert contents(s) == [b"late"] and not s.web.ended


@pytest.mark.covers("C7959-2.6-1", "S-38")
@pytest.mark.parametrize("size", [1025, 5000, 100 * KB])
def test_rest_of_a_large_notification_is_fetched(gw, size):
    """By plain requests under another token; the event is whole, whatever its size."""
    s = Stream(gw)
    assert contents(s) == [b"first"]
    r = Resource(s.device, os.urandom(size), etag=b"\x02", options=[(CONTENT_FORMAT, 42)])
    s.notify(r.body[:KB], [(ETAG, b"\x02"), (CONTENT_FORMAT, 42), (BLOCK2, coap.block(0, True, 6))])
    while r.serve():
        s.web.pull()
    assert contents(s) == [r.body]
    assert [block2_of(m)[0] for m in r.seen] == list(range(1, (size + KB - 1) // KB))
    assert not any(m.has(OBSERVE) or m.token == s.up.token for m in r.seen)
    s.notify(b"small")
    assert contents(s) == [b"small"]


@pytest.mark.parametrize("piece, form", [(b"a\x01", "base64"), (b"a ", "text")])
def test_escapes_do_not_grow_beyond_what_is_held(gw, piece, form):
    """40 kB of text that a device fills with what becomes six bytes each would be held as three times the bound."""
    s = Stream(gw, open=False)
    r = Resource(s.device, piece * (20 * KB), options=[(CONTENT_FORMAT, 0)])
    s.device.piggyback(s.up, options=[(OBSERVE, 1), (ETAG, b"\x01"), (CONTENT_FORMAT, 0), (BLOCK2, coap.block(0, True, 6))],
                       payload=r.body[:KB])
    while r.serve():
        s.web.pull()
    event = s.event()
    assert form in event["data"] and content(event) == r.body


def test_large_first_representation_is_one_event(gw):
    s = Stream(gw, open=False)
    r = Resource(s.device, os.urandom(3000))
    s.device.piggyback(s.up, options=[(OBSERVE, 1), (ETAG, b"\x01"), (BLOCK2, coap.block(0, True, 6))], payload=r.body[:KB])
    while r.serve():
        pass
    s.web.wait(lambda: s.web.answer)
    assert contents(s) == [r.body] and len(r.seen) == 2


@pytest.mark.covers("C7959-2.4-2")
def test_event_is_never_made_of_two_representations(gw):
    """The resource changes while the rest of a notification is fetched: its successor is told, and nothing of it before."""
    s = Stream(gw)
    assert contents(s) == [b"first"]
    s.notify(b"a" * KB, [(ETAG, b"\x02"), (BLOCK2, coap.block(0, True, 6))])
    rest = s.device.recv()
    while rest.type != CON:
        rest = s.device.recv()
    s.device.piggyback(rest, options=[(ETAG, b"\x03"), (BLOCK2, coap.block(1, False, 6))], payload=b"b" * 10)
    again = [m for m in s.device.pending() if m.code == coap.GET]
    for m in again:
        assert not m.has(OBSERVE)
        s.device.piggyback(m, options=[(ETAG, b"\x03")], payload=b"all of it")
    s.notify(b"next", [(ETAG, b"\x04")])
    assert contents(s) == ([b"all of it"] if again else []) + [b"next"]


def test_newer_notification_takes_the_place_of_one_under_way(gw):
    s = Stream(gw)
    assert contents(s) == [b"first"]
    s.notify(b"a" * KB, [(ETAG, b"\x02"), (BLOCK2, coap.block(0, True, 6))])
    rest = [m for m in s.device.pending() if m.code == coap.GET]
    assert len(rest) == 1
    s.notify(b"newer", [(ETAG, b"\x03")])
    assert contents(s) == [b"newer"]
    s.device.piggyback(rest[0], options=[(ETAG, b"\x02"), (BLOCK2, coap.block(1, False, 6))], payload=b"a")
    assert s.events() == []
    s.notify(b"and on")
    assert contents(s) == [b"and on"]


def test_slow_reader_gets_the_newest_alone(gw):
    """What does not fit is not kept: the device is acknowledged, and the reader gets what is true when he reads on."""
    s = Stream(gw, receive=4096)
    sent = []
    for i in range(900):
        sent.append(b"%04d" % i + bytes(1000))
        s.notify(sent[-1], [(CONTENT_FORMAT, 42)])
        s.device.pending()
    got = contents(s)[1:]
    while more := contents(s):
        got += more
    assert got == [x for x in sent if x in set(got)] and len(got) < 800 and got[-1] == sent[-1]


# How it ends


def cancelled(s):
    """The device is told that nobody observes any more."""
    got = {m.mid: m for m in s.device.pending() if not m.is_empty}
    assert [(m.code, m.uint(OBSERVE), m.token) for m in got.values()] == [(coap.GET, 1, s.up.token)], got
    s.device.piggyback(*got.values(), payload=b"last")
    s.device.quiet()
    assert s.proxy.state()["observations"] == 0


def test_client_that_leaves_is_told_to_the_device(gw):
    s = Stream(gw)
    s.web.close()
    gw.settle()
    cancelled(s)


def test_client_that_leaves_before_the_answer_is_told_to_the_device(gw):
    s = Stream(gw, open=False)
    s.web.close()
    gw.settle()
    s.device.piggyback(s.up, options=[(OBSERVE, 5)], payload=b"first")
    cancelled(s)


@pytest.mark.parametrize("code, options, event", [
    (NOT_FOUND, [], "error"), (coap.code("5.03"), [(MAX_AGE, 5)], "error"), (coap.CONTENT, [], None)])
def test_end_at_the_device_is_the_end_of_the_stream(gw, code, options, event):
    """A last event, then the last chunk. Without an id: the client that comes back asks anew."""
    s = Stream(gw)
    assert contents(s) == [b"first"]
    s.notify(b"gone", options, code, value=())
    last = s.event()
    assert last.get("event") == event and last["data"]["code"] == coap.code_text(code) and content(last) == b"gone"
    assert ("id" in last) == (event is None)
    assert s.web.answer.complete and not s.web.ended
    assert gw.state()["observations"] == 0
    r = Resource(gw.device(), b"x")
    assert fetch(s.web, r).status == 200, "the connection goes on"


def test_reader_that_takes_nothing_is_ended(gw):
    s = Stream(gw, receive=4096)
    for i in range(600):
        s.notify(bytes(1000), [(CONTENT_FORMAT, 42)])
        s.device.pending()
    before = len(access_lines(gw))
    stall_out(gw, lambda: len(access_lines(gw)) > before)
    cancelled(s)
    s.web.wait(lambda: s.web.ended)
    line = access_lines(gw)[-1]
    assert s.web.reset and line["truncated"] is True


# The gateway's own affairs


def configured(start):
    """A gateway whose configuration changes, and its stream."""
    gw = gateway(start)
    processes = 'process: { workers = %d; user = ""; };' % WORKERS
    return gw, Configured(gw, ROUTE % "", listeners=web_listener(*gw.web), processes=processes)


def test_reload_with_the_route_kept_leaves_the_stream_alone(start):
    gw, conf = configured(start)
    s = Stream(gw)
    conf.change(routes=ROUTE % 'timeout = "20s";')
    s.notify(b"second")
    assert contents(s) == [b"first", b"second"] and not s.web.ended


@pytest.mark.parametrize("routes", [
    "", ROUTE % "deny = true;", ROUTE % 'methods = ["PUT"];', ROUTE.replace("127.0.0.0/8:*", "10.0.0.0/8:*") % ""],
    ids=["gone", "denied", "method", "target"])
def test_reload_without_the_route_ends_the_stream(start, routes):
    gw, conf = configured(start)
    s = Stream(gw)
    assert contents(s) == [b"first"]
    routes = routes.replace('forward-to = ["coap://127.0.0.0/8:*"];', "") if "deny" in routes else routes
    conf.change(routes=routes + 'other: { from = ["web"]; http-path = "/other"; authenticate = "none"; to = ["coap://127.0.0.1"]; };')
    assert all(e.get("event") == "error" for e in s.events()) and s.web.answer.complete
    cancelled(s)


def test_reload_without_the_listener_ends_the_stream(start):
    gw, conf = configured(start)
    s = Stream(gw)
    conf.change(routes=(ROUTE % "").replace('"web"', '"next"'), listeners=web_listener(gw.web[0], gw.web[1] + 1).replace("web:", "next:"))
    s.events()
    s.web.wait(lambda: s.web.ended or s.web.answer.complete)
    cancelled(s)
