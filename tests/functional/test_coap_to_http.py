"""CoAP clients at HTTP origins: methods, statuses, fields, freshness, errors (RFC 7252 10.1; conformance 1.12)."""

import urllib.parse

import pytest

import coap
from coap import (ACCEPT, CONTENT_FORMAT, ETAG, HOP_LIMIT, IF_MATCH, IF_NONE_MATCH, LOCATION_PATH, LOCATION_QUERY, MAX_AGE, NON, OBSERVE,
                  Message)
from harness import DEFAULT_ROUTE, NameServer, Proxy, fresh_address
from http_origin import Origin, WebPair

ROUTE = 'web: { from = ["coap"]; forward-to = ["http://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; %s };\n'
METHODS = {"GET": coap.GET, "POST": coap.POST, "PUT": coap.PUT, "DELETE": coap.DELETE, "PATCH": coap.PATCH, "iPATCH": coap.IPATCH}
OCTETS = ("Content-Type", "application/octet-stream")


def begin(directory):
    return Proxy(directory, routes=ROUTE % "" + DEFAULT_ROUTE)


@pytest.fixture
def pair(gw):
    return WebPair(gw)


def uint_of(message, number):
    value = message.first(number)
    return None if value is None else coap.number(value)


@pytest.mark.covers("C7252-10-1", "C7252-10.1.1-1")
@pytest.mark.parametrize("kind", [coap.CON, NON])
@pytest.mark.parametrize("form", ["uri", "scheme"])
def test_a_get_fetches_the_representation(gw, form, kind):
    pair = WebPair(gw, form)
    sent, up, down = pair.exchange(path=("a", "b"), query=("x=1", "y"), type=kind, fields=[("Content-Type", "text/plain; charset=utf-8")],
                                   body=b"hello")
    assert (up.method, up.target) == ("GET", "/a/b?x=1&y")
    assert up.field("host") == "%s:%d" % (pair.origin.host, pair.origin.port)
    assert up.field("content-length") is None and up.field("transfer-encoding") is None
    assert (down.code, down.payload) == (coap.CONTENT, b"hello")
    assert uint_of(down, CONTENT_FORMAT) == 0
    assert down.type == (coap.ACK if kind == coap.CON else NON)
    gw.close_peers()


def test_a_reverse_route_leads_to_an_origin_of_http(start):
    host = fresh_address()
    p = start(routes='web: { from = ["coap"]; paths = ["/api/**"]; strip-path = 1; to = ["http://%s:8099/base"]; };' % host)
    pair = WebPair(p, "reverse", origin=Origin(p, host, 8099))
    _, up, down = pair.exchange(path=("api", "a b", "c/d"), query=("q=1&2",), body=b"x", fields=[OCTETS])
    assert up.target == "/base/a%20b/c%2Fd?q=1%262" and up.field("host") == host + ":8099"
    assert (down.code, down.payload) == (coap.CONTENT, b"x")
    pair.origin.close()


@pytest.mark.parametrize("form", ["uri", "scheme"])
def test_an_origin_with_an_address_of_ipv6(start, form):
    p = start(routes='web: { from = ["coap"]; forward-to = ["http://[::1]:*"]; allow-networks = ["::1/128"]; };')
    pair = WebPair(p, form, origin=Origin(p, "::1"))
    _, up, down = pair.exchange(body=b"x", fields=[OCTETS])
    assert up.field("host") == "[::1]:%d" % pair.origin.port and down.payload == b"x"
    pair.origin.close()


def test_a_name_is_looked_up_and_stays_the_host(start, tmp_path):
    dns = NameServer()
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver %s:%d\n" % (dns.host, dns.port))
    p = start(routes='n: { from = ["coap"]; forward-to = ["http://*.example:*"]; allow-networks = ["127.0.0.0/8"]; };',
              sections='upstream: { resolv-conf = "%s"; };' % file)
    client, origin = p.client(), Origin(p)
    uri = "http://WEB%%31.Example:%d/a" % origin.port
    # a body in blocks: the first one waits for the name
    client.send(Message(coap.PUT, options=[(coap.PROXY_URI, uri), (coap.BLOCK1, coap.block(0, True, 0))], payload=b"0123456789abcdef"))
    dns.serve({"web1.example": [origin.host]})
    assert client.recv().code == coap.CONTINUE
    client.send(Message(coap.PUT, options=[(coap.PROXY_URI, uri), (coap.BLOCK1, coap.block(1, False, 0))], payload=b"end"))
    up = origin.request()
    assert (up.field("host"), up.target, up.body) == ("web1.example:%d" % origin.port, "/a", b"0123456789abcdefend")
    up.connection.answer(204)
    assert client.recv().code == coap.CHANGED
    client.send(Message(options=[(coap.PROXY_URI, "http://gone.example/")]))
    dns.serve({})
    assert coap.code_text(client.recv().code) == "5.02"
    origin.close()
    dns.close()


def test_of_two_origins_one_that_failed_rests(start):
    dead, alive = fresh_address(), fresh_address()
    p = start(routes='web: { from = ["coap"]; to = ["http://%s:8097", "http://%s:8098"]; rest = "10s"; };' % (dead, alive))
    pair = WebPair(p, "reverse", origin=Origin(p, alive, 8098))
    assert coap.code_text(pair.refused().code) == "5.02"
    assert pair.exchange(body=b"x", fields=[OCTETS])[2].payload == b"x"
    p.advance(11_000)
    silent = Origin(p, dead, 8097)
    sent = pair.send()
    silent.request()
    p.advance(94_000)
    assert coap.code_text(pair.hear(sent).code) == "5.04"
    assert pair.exchange(body=b"y", fields=[OCTETS])[2].payload == b"y"
    silent.close()
    pair.origin.close()


# ---- methods and statuses ----

@pytest.mark.covers("C7252-10.1.2-1", "C7252-10.1.3-1", "C7252-10.1.4-1", "S-26")
@pytest.mark.parametrize("method,status,code", [
    ("GET", 200, "2.05"), ("POST", 200, "2.04"), ("PUT", 200, "2.04"), ("DELETE", 200, "2.02"), ("PATCH", 200, "2.04"),
    ("iPATCH", 200, "2.04"), ("POST", 201, "2.01"), ("PUT", 201, "2.01"), ("POST", 202, "2.04"), ("PUT", 204, "2.04"),
    ("POST", 204, "2.04"), ("DELETE", 204, "2.02"), ("DELETE", 404, "2.02"), ("DELETE", 410, "2.02"), ("GET", 204, "2.05")])
def test_success_by_method(pair, method, status, code):
    content = {} if method in ("GET", "DELETE") else {"payload": b"in", "options": [(CONTENT_FORMAT, 42)]}
    _, up, down = pair.exchange(METHODS[method], status=status, fields=[OCTETS] if status == 200 else [], **content)
    assert up.method == method.upper().lstrip("I")
    if content:
        assert up.body == b"in" and up.field("content-length") == "2" and up.field("content-type") == "application/octet-stream"
    else:
        assert not up.body
    assert coap.code_text(down.code) == code


@pytest.mark.covers("S-26", "S-32", "C7252-10.1-1")
@pytest.mark.parametrize("status,code", [
    (206, "5.02"), (300, "5.02"), (301, "5.02"), (302, "5.02"), (303, "5.02"), (304, "5.02"), (307, "5.02"), (308, "5.02"),
    (400, "4.00"), (401, "4.01"), (402, "4.00"), (403, "4.03"), (404, "4.04"), (405, "4.05"), (406, "4.06"), (407, "5.02"),
    (408, "4.08"), (409, "4.09"), (410, "4.04"), (411, "4.00"), (412, "4.12"), (413, "4.13"), (414, "4.02"), (415, "4.15"),
    (416, "5.02"), (417, "5.02"), (418, "4.00"), (421, "5.02"), (422, "4.22"), (423, "4.09"), (424, "4.09"), (425, "5.03"),
    (428, "4.12"), (429, "4.29"), (431, "4.02"), (451, "4.03"), (499, "4.00"), (500, "5.00"), (501, "5.01"), (502, "5.02"),
    (503, "5.03"), (504, "5.04"), (505, "5.02"), (507, "5.00"), (508, "5.08"), (599, "5.00")])
def test_statuses(pair, status, code):
    _, _, down = pair.exchange(status=status, fields=[("Location", "/elsewhere")] if status // 100 == 3 else [])
    assert coap.code_text(down.code) == code


def test_a_method_without_a_counterpart_is_refused(pair):
    assert coap.code_text(pair.refused(coap.FETCH, payload=b"x", options=[(CONTENT_FORMAT, 42)]).code) == "4.05"


def test_a_payload_where_none_is_defined_goes_no_further(pair):
    _, up, down = pair.exchange(coap.DELETE, payload=b"x", status=204)
    assert up.body == b"" and down.code == coap.DELETED


# ---- content and its description ----

@pytest.mark.covers("C7252-10.1.1-1")
@pytest.mark.parametrize("fields,format", [
    ([("Content-Type", "text/plain;charset=utf-8")], 0), ([("Content-Type", "application/json")], 50),
    ([("Content-Type", "application/json"), ("Content-Encoding", "deflate")], 11050), ([("Content-Type", "application/cbor")], 60)])
def test_the_format_is_told(pair, fields, format):
    assert uint_of(pair.exchange(fields=fields, body=b"x")[2], CONTENT_FORMAT) == format


@pytest.mark.covers("C7252-10.1.1-1")
@pytest.mark.parametrize("fields", [[("Content-Type", "image/unheard-of")], [("Content-Type", "text/html; charset=latin1")],
                                    [("Content-Type", "text/plain")],
                                    [("Content-Type", "application/json"), ("Content-Encoding", "br")]])
def test_content_that_has_no_format_is_not_understood(pair, fields):
    """And that is told: it is for the operator to choose another mapping, or for the origin to say more."""
    before = pair.proxy.counters()["origin_media_type"]
    down = pair.exchange(fields=fields, body=b"x")[2]
    assert (coap.code_text(down.code), down.payload) == ("5.02", b"No Content-Format for the origin's content")
    assert pair.proxy.counters()["origin_media_type"] == before + 1


def test_the_loose_mapping_has_a_format_for_all(start):
    pair = WebPair(start(routes=ROUTE % 'media = "loose";'))
    down = pair.exchange(fields=[("Content-Type", "image/unheard-of")], body=b"x")[2]
    assert (down.code, uint_of(down, CONTENT_FORMAT)) == (coap.CONTENT, 42)


@pytest.mark.parametrize("accept,field", [(50, "application/json"), (60, "application/cbor"), (0, "text/plain;charset=utf-8")])
def test_accept_is_told(pair, accept, field):
    _, up, _ = pair.exchange(options=[(ACCEPT, accept)], fields=[("Content-Type", field)], body=b"x")
    assert up.field("accept").replace(" ", "") == field


@pytest.mark.covers("C7252-10.1.1-3")
@pytest.mark.parametrize("tag,option", [('"abc"', b"abc"), ('"0123456789abcdef"', bytes.fromhex("0123456789abcdef")), ('W/"abc"', None),
                                        ('"much-too-long-for-coap"', None)])
def test_strong_entity_tags_are_told(pair, tag, option):
    assert pair.exchange(fields=[OCTETS, ("ETag", tag)], body=b"x")[2].first(ETAG) == option


@pytest.mark.covers("C7252-10.1.1-3", "S-26")
def test_validation(pair):
    _, up, down = pair.exchange(options=[(ETAG, b"abc"), (ETAG, bytes(range(8)))], status=304, fields=[("ETag", '"abc"')])
    assert [t.strip() for t in up.field("if-none-match").split(",")] == ['"abc"', '"0001020304050607"']
    assert (down.code, down.first(ETAG), down.payload) == (coap.VALID, b"abc", b"")
    # a validation of what the client has not got
    assert coap.code_text(pair.exchange(options=[(ETAG, b"abc")], status=304, fields=[("ETag", '"xyz"')])[2].code) == "5.02"


def test_conditions_of_changes(pair):
    _, up, _ = pair.exchange(coap.PUT, options=[(IF_MATCH, b"abc")], payload=b"x", status=204)
    assert up.field("if-match") == '"abc"'
    _, up, _ = pair.exchange(coap.PUT, options=[(IF_MATCH, b"")], payload=b"x", status=204)
    assert up.field("if-match") == "*"
    _, up, down = pair.exchange(coap.PUT, options=[(IF_NONE_MATCH, b"")], payload=b"x", status=412)
    assert up.field("if-none-match") == "*" and coap.code_text(down.code) == "4.12"


@pytest.mark.covers("C7252-10.1.1-2")
@pytest.mark.parametrize("fields,least,most", [
    ([("Cache-Control", "max-age=10"), ("Age", "4")], 6, 6), ([("Cache-Control", "max-age=10")], 10, 10), ([], 0, 0),
    ([("Cache-Control", "no-store")], 0, 0), ([("Cache-Control", "max-age=100, s-maxage=7")], 7, 7), ([("Cache-Control", "private, max-age=9")], 0, 0),
    ([("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Expires", "Sun, 06 Nov 1994 08:50:00 GMT")], 23, 23)])
def test_max_age_is_no_more_than_what_is_left_of_freshness(pair, fields, least, most):
    down = pair.exchange(fields=[OCTETS] + fields, body=b"x")[2]
    assert least <= uint_of(down, MAX_AGE) <= most


@pytest.mark.covers("S-32")
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_max_age(pair, status):
    assert uint_of(pair.exchange(status=status, fields=[("Retry-After", "17")])[2], MAX_AGE) == 17


@pytest.mark.parametrize("location,path,query", [("/a/b%20c?x=1&y", [b"a", b"b c"], [b"x=1", b"y"]), ("http://%s/z", [b"z"], []),
                                                 ("http://elsewhere.example/z", [], [])])
def test_location(pair, location, path, query):
    if "%s" in location:
        location %= "%s:%d" % (pair.origin.host, pair.origin.port)
    down = pair.exchange(coap.POST, payload=b"x", status=201, fields=[("Location", location)])[2]
    assert [v for n, v in down.options if n == LOCATION_PATH] == path
    assert [v for n, v in down.options if n == LOCATION_QUERY] == query


def test_a_diagnostic_is_text_alone(pair):
    down = pair.exchange(status=404, fields=[("Content-Type", "text/plain")], body=b"no such thing")[2]
    assert down.payload == b"no such thing" and down.first(CONTENT_FORMAT) is None
    down = pair.exchange(status=404, fields=[("Content-Type", "text/html")], body=b"<h1>no</h1>")[2]
    assert down.payload == b""
    down = pair.exchange(status=404, fields=[("Content-Type", "text/plain")], body=b"long " * 1000)[2]
    assert (b"long " * 1000).startswith(down.payload) and 500 < len(down.payload) <= 1024 and down.first(coap.BLOCK2) is None
    assert pair.exchange(body=b"x", fields=[OCTETS])[2].payload == b"x"


# ---- rules of a proxy ----

def test_observe_is_answered_once(pair):
    _, up, down = pair.exchange(options=[(OBSERVE, b"")], fields=[OCTETS], body=b"x")
    assert up.field("observe") is None and down.first(OBSERVE) is None and down.code == coap.CONTENT


def test_the_hop_limit_counts(pair):
    assert coap.code_text(pair.refused(options=[(HOP_LIMIT, 1)]).code) == "5.08"
    _, up, _ = pair.exchange(options=[(HOP_LIMIT, 2)])
    assert up.field("via") and up.field("hop-limit") is None


@pytest.mark.parametrize("number", [65001, 65003, 2049])
def test_an_unknown_critical_option_has_no_place_in_http(pair, number):
    assert coap.code_text(pair.refused(options=[(number, b"x")]).code) == "4.02"


def test_an_unknown_option_that_may_be_left_out_is(pair):
    _, up, down = pair.exchange(options=[(65004, b"secret")], fields=[OCTETS], body=b"x")
    assert b"secret" not in up.raw and down.code == coap.CONTENT


@pytest.mark.parametrize("segment", ["a\r\nX-Evil: 1", "a b", "a?b", "a#b", "\u00e4", "a%0d%0ab", "a//b"])
def test_no_option_breaks_out_of_the_request_line(gw, segment):
    pair = WebPair(gw, "scheme")
    _, up, down = pair.exchange(path=(segment,), fields=[OCTETS], body=b"x")
    assert set(up.fields) <= {"host", "accept-encoding", "via"} and up.target.count("/") == 1 and "?" not in up.target
    assert down.code == coap.CONTENT
    gw.close_peers()


@pytest.mark.parametrize("segment", ["x/../../private", "..\\..\\private", "..;"])
def test_no_segment_leads_out_of_a_path(start, segment):
    """Many servers decode %2F before they look at dots: a route to one folder of theirs would be a route to all of them."""
    host = fresh_address()
    p = start(routes='folder: { from = ["coap"]; hosts = ["f.example"]; to = ["http://%s:8099/public"]; };'
                     'web: { from = ["coap"]; forward-to = ["http://*:*"]; allow-networks = ["127.0.0.0/8"]; };' % host)
    pair = WebPair(p, "reverse", origin=Origin(p, host, 8099))
    assert coap.code_text(pair.refused(path=(segment,), options=[(coap.URI_HOST, "f.example")]).code) == "4.02"
    pair.form = "scheme"
    assert coap.code_text(pair.refused(path=("public", segment)).code) == "4.02"
    uri = "%s/public/%s" % (pair.origin.url, urllib.parse.quote(segment, safe=";"))
    assert coap.code_text(pair.ask_raw(options=[(coap.PROXY_URI, uri)]).code) == "4.02"
    pair.origin.quiet()
    assert pair.exchange(path=("public", "a/b..", "..."), fields=[OCTETS])[1].target == "/public/a%2Fb../..."
    pair.origin.close()


# ---- what goes wrong ----

@pytest.mark.covers("C7252-10.1-1")
def test_a_target_that_no_route_has_is_refused(pair):
    for uri in ("http://10.1.2.3/x", "https://127.0.0.1/x", "ftp://127.0.0.1/x"):
        down = pair.ask_raw(options=[(coap.PROXY_URI, uri)])
        assert coap.code_text(down.code) == "5.05"


@pytest.mark.covers("C7252-10.1-1")
def test_a_silent_origin(gw, pair):
    sent, up = pair.forward()
    gw.advance(92_000)
    assert [m.code for m in pair.client.pending()] == [0]
    gw.advance(2_000)
    down = pair.client.recv()
    pair.client.ack(down)
    assert coap.code_text(down.code) == "5.04" and down.token == sent.token
    assert up.connection.is_closed()


@pytest.mark.covers("C7252-10.1-1")
def test_an_origin_that_is_not_there(pair):
    pair.origin.socket.close()
    down = pair.ask()
    assert coap.code_text(down.code) == "5.02"


@pytest.mark.covers("C7252-10.1-1")
@pytest.mark.parametrize("answer", [
    b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 101 Switching\r\n\r\n", b"HTTP/3 200\r\n\r\n"])
def test_a_broken_answer(pair, answer):
    sent, up = pair.forward()
    if answer:
        up.connection.say(answer)
    up.connection.close()
    assert coap.code_text(pair.hear(sent).code) == "5.02"


def test_an_answer_slower_than_a_second_is_separate(gw, pair):
    sent, up = pair.forward()
    gw.advance(1_500)
    assert (pair.client.recv().type, len(pair.client.ledger)) == (coap.ACK, 1)
    up.connection.answer(200, [OCTETS], b"late")
    down = pair.client.recv()
    pair.client.ack(down)
    assert (down.type, down.payload, down.token) == (coap.CON, b"late", sent.token)


def test_a_repeat_of_a_request_is_not_asked_twice(pair):
    sent, up = pair.forward(coap.POST, payload=b"once")
    pair.client.send_raw(sent.encode(), pair.client.to)
    pair.origin.quiet()
    up.connection.answer(204)
    assert pair.hear(sent).code == coap.CHANGED
    pair.client.send_raw(sent.encode(), pair.client.to)
    pair.origin.quiet()


def test_connections_are_kept(pair):
    for i in range(5):
        pair.exchange(fields=[OCTETS], body=b"%d" % i)
    assert len(pair.origin.connections) == 1


@pytest.mark.covers("S-13")
@pytest.mark.parametrize("method,code", [("GET", "2.05"), ("POST", "5.02"), ("DELETE", "5.02")])
def test_only_a_get_is_sent_again_over_a_new_connection(pair, method, code):
    pair.exchange(fields=[OCTETS], body=b"x")
    sent, up = pair.forward(METHODS[method])
    up.connection.close()
    if method == "GET":
        pair.origin.request().connection.answer(200, [OCTETS], b"again")
    down = pair.hear(sent)
    assert coap.code_text(down.code) == code
    pair.origin.quiet()
