"""HTTP to CoAP: representations (RFC 8075 6). Media types and codings become Content-Formats and come back, strict or loose; what is
accepted is asked for, one after another."""

import coap
import pytest
from coap import ACCEPT, CONTENT_FORMAT, code
from harness import ANYBODY
from http_client import WebPair

DEVICES = 'forward-to = ["coap://127.0.0.0/8:*"];'
ROUTES = """
  strict: { %(anybody)s http-path = "/hc/{+tu}"; %(devices)s };
  loose:  { %(anybody)s http-path = "/loose/{+tu}"; media = "loose"; %(devices)s };
  number: { %(anybody)s http-path = "/number/{+tu}"; coap-payload = true; %(devices)s };
  query:  { %(anybody)s http-path = "/query/{+tu}"; query-is-fetch = true; %(devices)s };
""" % dict(anybody=ANYBODY, devices=DEVICES)
STRICT, LOOSE, NUMBER = "/hc/%s%s", "/loose/%s%s", "/number/%s%s"
NOT_ACCEPTABLE = code("4.06")


def typed(content_type, coding=None):
    return [("Content-Type", content_type)] + ([("Content-Encoding", coding)] if coding else [])


# ---- what a request carries ----

# Content-Type, Content-Encoding, Content-Format
KNOWN = [
    ("application/json", None, 50), ("APPLICATION/JSON", None, 50), ("application/json", "identity", 50),
    ("application/json", "deflate", 11050),
    ("application/cbor", "DEFLATE", 11060), ("text/plain;charset=utf-8", None, 0), ('Text/Plain; Charset="UTF-8"', None, 0),
    ("text/plain ; charset=utf-8", None, 0), ('application/cose; cose-type="cose-sign1"', None, 18),
    ("application/cose;cose-type=cose-sign1", None, 18),
    ("application/senml+json", None, 110), ("application/octet-stream", None, 42), ("image/png", None, 23),
    ("application/link-format", None, 40),
]


@pytest.mark.covers("C8075-6.1-1", "C8075-6.4-1", "C8075-6.4-2")
@pytest.mark.parametrize("form", [STRICT, LOOSE])
def test_registered_types(gateway, form):
    pair = WebPair(gateway, form)
    for content_type, coding, expected in KNOWN:
        up, answer = pair.exchange("PUT", fields=typed(content_type, coding), body=b"body", answer=coap.CHANGED)
        assert up.uint(CONTENT_FORMAT) == expected, content_type
        assert up.payload == b"body" and answer.status == 204


# Content-Type, Content-Encoding, the Content-Format of the loose mapping (None: 415 there too)
UNKNOWN = [
    ("video/mp4", None, 42), ("application/soap+xml", None, 41), ("application/vnd.x+json", None, 50), ("application/vnd.x+cbor", None, 60),
    ("text/xml", None, 41), ("text/csv", None, 0), ("text/html;charset=latin-1", None, 42), ("image/bmp", None, 42),
    ("image/x-foo2", None, 42),
    ("application/json", "gzip", None), ("application/json", "deflate, deflate", None), ("video/mp4", "br", None),
    ("application/soap+xml", "deflate", None),
    ("application/", None, None), ("/json", None, None), ("json", None, None), ("application /json", None, None),
    ("application/json;", None, 50),
    ("application/json; charset", None, None), ("*/*", None, None), ("application/*", None, None), ("application/oscore", None, None),
]


@pytest.mark.covers("C8075-6.1-2", "C8075-6.1-6", "C8075-6.3-1", "C8075-6.3-2", "C8075-6.4-1", "C8075-6.4-3")
@pytest.mark.parametrize("content_type,coding,loosely", UNKNOWN)
def test_unregistered_types(gateway, content_type, coding, loosely):
    pair = WebPair(gateway, STRICT)
    if content_type != "application/json;":
        answer = pair.refused("PUT", fields=typed(content_type, coding), body=b"body")
        assert answer.status in ((400, 415) if content_type == "application/oscore" else (415,)), answer
    pair.form = LOOSE
    if loosely is None:
        assert pair.refused("PUT", fields=typed(content_type, coding), body=b"body").status in (400, 415)
    else:
        up, _ = pair.exchange("PUT", fields=typed(content_type, coding), body=b"body", answer=coap.CHANGED)
        assert (up.uint(CONTENT_FORMAT), up.payload) == (loosely, b"body")


@pytest.mark.covers("C8075-6.1-2")
def test_two_types_are_none(web):
    assert web.refused("PUT", fields=typed("application/json") + typed("application/cbor"), body=b"1").status == 415
    assert web.refused("PUT", fields=typed("application/json", "deflate") + [("Content-Encoding", "deflate")], body=b"1").status == 415
    assert web.refused("PUT", fields=typed("application/json, application/cbor"), body=b"1").status == 415


@pytest.mark.covers("C8075-6.1-2")
def test_no_type(web):
    """A body may do without where CoAP lets it; PATCH and FETCH are about a format."""
    up, answer = web.exchange("POST", body=b"1", answer=coap.CHANGED)
    assert not up.has(CONTENT_FORMAT) and answer.status == 204
    for method in ("PATCH", "iPATCH", "FETCH"):
        assert web.refused(method, body=b"1").status == 415
    assert web.refused("PUT", fields=[("Content-Encoding", "deflate")], body=b"1").status == 415
    up, _ = web.exchange("PUT", fields=typed("application/json"), body=b"", answer=coap.CHANGED)
    assert not up.payload


def test_bodies_where_coap_gives_them_no_meaning(web):
    for method in ("GET", "DELETE", "HEAD"):
        answer = web.refused(method, body=b"1")
        assert answer.status == 400
    assert web.exchange(fields=[("Content-Length", "0")])[1].status == 200


# ---- what a request of a number carries ----

@pytest.mark.covers("C8075-6.2-2", "C8075-6.2-3", "C8075-6.2-4", "S-8")
@pytest.mark.parametrize("parameters,strict,expected", [
    ("cf=60", (415,), 60), ("cf=0", (415,), 0), ("cf=65535", (415,), 65535), ('cf="60"', (415,), 60), (" CF=11050", (415,), 11050),
    ("cf=70000", (400, 415), None), ("cf=65536", (400, 415), None), ("cf=-1", (400, 415), None), ("cf=", (400, 415), None),
    ("cf=6 0", (400, 415), None),
    ("cf=0x3c", (400, 415), None), ("", (400, 415), None), ("cf=1;cf=2", (400, 415), None), ("cf=10001", (415,), None),
    ("charset=utf-8", (400, 415), None)])
def test_coap_payload_in_requests(gateway, parameters, strict, expected):
    content_type = "application/coap-payload" + (";" + parameters if parameters else "")
    pair = WebPair(gateway, STRICT)
    for form in (STRICT, LOOSE):
        pair.form = form
        assert pair.refused("PUT", fields=typed(content_type), body=b"1").status in strict
    pair.form = NUMBER
    if expected is None:
        assert pair.refused("PUT", fields=typed(content_type), body=b"1").status in (400, 415)
    else:
        up, _ = pair.exchange("PUT", fields=typed(content_type), body=b"1", answer=coap.CHANGED)
        assert (up.all(CONTENT_FORMAT), up.payload) == ([coap.uint(expected)], b"1")
        assert pair.refused("PUT", fields=typed(content_type, "deflate"), body=b"1").status in (400, 415)


@pytest.mark.covers("C8075-6.2-2")
def test_coap_payload_in_accept(gateway):
    pair = WebPair(gateway, STRICT)
    assert pair.refused(fields=[("Accept", "application/coap-payload;cf=60")]).status == 406
    pair.form = NUMBER
    up, _ = pair.exchange(fields=[("Accept", "application/coap-payload;cf=65000")])
    assert up.uint(ACCEPT) == 65000
    up, _ = pair.exchange(fields=[("Accept", "application/coap-payload")])
    assert not up.has(ACCEPT), "any number"
    for parameters in (";cf=70000", ";cf=10001", ";cf=x"):
        assert 400 <= pair.refused(fields=[("Accept", "application/coap-payload" + parameters)]).status < 500


# ---- what an answer carries ----

@pytest.mark.covers("C7252-10.2.2-1", "C8075-6.1-1", "C8075-6.2-1", "C8075-6.2-3", "C8075-6.5.2-1")
@pytest.mark.parametrize("format_,content_type,coding", [
    (50, "application/json", None), (0, "text/plain;charset=utf-8", None), (60, "application/cbor", None),
    (11050, "application/json", "deflate"),
    (11060, "application/cbor", "deflate"), (40, "application/link-format", None), (42, "application/octet-stream", None),
    (18, 'application/cose;cose-type="cose-sign1"', None), (64998, "application/coap-payload;cf=64998", None),
    (1, "application/coap-payload;cf=1", None), (65535, "application/coap-payload;cf=65535", None), (None, None, None)])
def test_content_format_of_an_answer(web, format_, content_type, coding):
    """Told by both fields; the bytes are as they were: nothing is transcoded, no link rewritten, no bomb unpacked."""
    for payload in (b"\x9f" * 64 + b"\xff", b'</a>;rt="x",<coap://h/b>', b"\x00\r\n\xff" * 50):
        _, answer = web.exchange(answer_options=[(CONTENT_FORMAT, format_)] if format_ is not None else [], answer_payload=payload)
        got = answer.get("content-type")
        assert (got.replace("; ", ";") if got else None) == content_type
        assert answer.get("content-encoding") == coding and answer.body == payload


# ---- what is accepted ----

@pytest.mark.covers("C8075-6.1-3", "C8075-6.1-4", "C7252-10.2.2-4")
@pytest.mark.parametrize("accept,expected", [
    ([], None), (["*/*"], None), (["*/*;q=0.1"], None), (["text/html"], None),
    (["text/html,application/xhtml+xml,image/webp,*/*;q=0.8"], None),
    (["application/json"], 50), (["application/cbor, application/json"], 60), (["application/json;q=0.5, application/cbor"], 60),
    (["application/json;q=0.5", "application/cbor;q=0.9"], 60), (["text/html, application/json;q=0.3"], 50),
    (["application/json;q=0"], None),
    (["application/json;q=0.0, application/cbor;q=0.001"], 60), (["text/plain;charset=utf-8"], 0), (["APPLICATION/Json ; Q=1.0"], 50),
    (["application/oscore"], None), ([""], None), ([",,application/json,,"], 50), (["application/json;q=2, application/cbor;q=0.1"], None),
    (["nonsense"], None)])
def test_what_is_accepted_is_asked_for(web, accept, expected):
    up = web.forward(fields=[("Accept", a) for a in accept])
    if accept and "q=2" in accept[0]:
        assert up.has(ACCEPT)  # a weight that is none
    else:
        assert up.uint(ACCEPT) == expected
    assert len(up.all(ACCEPT)) <= 1
    assert web.answer(up, options=[(CONTENT_FORMAT, 50)], payload=b"{}").status == 200


@pytest.mark.covers("C8075-6.1-1", "C7252-10.2.2-4")
def test_coding_that_is_accepted(web):
    for fields, expected in (([("Accept", "application/cbor"), ("Accept-Encoding", "deflate, identity;q=0")], 11060),
                             ([("Accept", "application/cbor"), ("Accept-Encoding", "gzip")], 60)):
        up, _ = web.exchange(fields=fields)
        assert up.uint(ACCEPT) == expected


@pytest.mark.covers("C8075-6.1-5", "C7252-10.2.2-4")
def test_formats_are_tried_by_preference(web):
    """While the device answers 4.06, three of them, each once; the client sees the one that fits."""
    accept = "application/xml;q=0.1, application/cbor, application/json;q=0.7, application/link-format;q=0.6"
    up = web.forward(fields=[("Accept", accept)])
    assert up.uint(ACCEPT) == 60
    web.device.piggyback(up, NOT_ACCEPTABLE, payload=b"no")
    up = web.device.recv()
    assert up.uint(ACCEPT) == 50
    web.client.quiet()
    answer = web.answer(up, options=[(CONTENT_FORMAT, 50)], payload=b"{}")
    assert (answer.status, answer.body, answer.get("content-type")) == (200, b"{}", "application/json")
    web.device.quiet()


@pytest.mark.covers("C8075-6.1-5", "C7252-10.2.2-4")
def test_formats_that_do_not_fit_end_in_406(web):
    up = web.forward(fields=[("Accept", "application/xml;q=0.1, application/cbor, application/json;q=0.7, application/link-format;q=0.6")])
    tried = []
    while True:
        tried.append(up.uint(ACCEPT))
        web.device.piggyback(up, NOT_ACCEPTABLE, payload=b"no %d" % len(tried))
        came = web.device.pending()
        if not came:
            break
        up, = came
    answer = web.client.recv()
    assert tried == [60, 50, 40], "no more than http.accepts"
    assert (answer.status, answer.text) == (406, "no 3")
    web.client.quiet()


@pytest.mark.covers("C8075-6.1-5")
@pytest.mark.parametrize("most", [1, 2, 16])
def test_how_many_are_tried_is_the_operators(start, most):
    proxy = start(routes=ROUTES, web="", sections="http: { accepts = %d; };" % most)
    pair = WebPair(proxy)
    types = ["application/json", "application/cbor", "application/xml", "application/link-format", "application/octet-stream"]
    pair.send(fields=[("Accept", ", ".join(types))])
    tried = 0
    for up in iter(lambda: pair.device.pending(), []):
        assert len(up) == 1
        tried += 1
        pair.device.piggyback(up[0], NOT_ACCEPTABLE)
    assert tried == min(most, len(types)) and pair.client.recv().status == 406


@pytest.mark.covers("C8075-6.1-5")
def test_other_refusals_are_not_tried_again(web):
    for answered, status in (("4.04", 404), ("4.15", 415), ("5.03", 503)):
        up = web.forward(path="/" + answered, fields=[("Accept", "application/cbor, application/json")])
        assert web.answer(up, code(answered)).status == status
        web.device.quiet()
    # nor is what carries a body, which has left
    up = web.forward("POST", fields=[("Accept", "application/cbor, application/json"), ("Content-Type", "application/cbor")], body=b"\xa0")
    assert web.answer(up, NOT_ACCEPTABLE).status == 406
    web.device.quiet()


@pytest.mark.covers("C8075-6.1-5")
def test_next_format_is_asked_with_the_same_conditions(web):
    """What else the request said stays."""
    fields = [("Accept", "application/cbor, application/json"), ("If-None-Match", '"01"')]
    first = web.forward(path="/a?b", fields=fields)
    web.device.piggyback(first, NOT_ACCEPTABLE)
    second = web.device.recv()
    assert second.without(ACCEPT) == first.without(ACCEPT) and second.uint(ACCEPT) == 50
    assert web.answer(second, coap.VALID, [(coap.ETAG, b"\x01")]).status == 304


def test_fields_that_have_no_option(web):
    """Nothing of the client's but what the tables name goes to the device."""
    fields = [("User-Agent", "x"), ("Cookie", "a=b"), ("Referer", "http://x/"), ("Accept-Language", "de"), ("Cache-Control", "no-cache"),
              ("Pragma", "no-cache"), ("Forwarded", "for=10.0.0.1"), ("X-Forwarded-For", "10.0.0.1"), ("Upgrade-Insecure-Requests", "1"),
              ("Connection", "X-Own"), ("X-Own", "y"), ("DNT", "1"), ("TE", "trailers"), ("Upgrade", "h2c"), ("Max-Forwards", "1"),
              ("Authorization", "Basic eDp5")]
    up, answer = web.exchange(fields=fields)
    assert {n for n, _ in up.options} == {coap.URI_PATH, coap.HOP_LIMIT} and answer.status == 200
    assert up.payload == b""


@pytest.mark.covers("C7252-10.2.1-1")
def test_query_is_fetch_where_a_route_says_so(gateway):
    fields = typed("application/json")
    assert WebPair(gateway, STRICT).refused("QUERY", fields=fields, body=b"{}").status == 501
    up, answer = WebPair(gateway, "/query/%s%s").exchange("QUERY", fields=fields, body=b"{}", answer_payload=b"1")
    assert (up.code, up.uint(CONTENT_FORMAT), answer.status) == (coap.FETCH, 50, 200)


@pytest.mark.covers("C8075-6.5.1-2")
@pytest.mark.parametrize("form", [STRICT, LOOSE])
def test_protected_content_is_never_touched(gateway, form):
    """Whatever it looks like, and whatever the client would rather have: both ways the bytes are the same."""
    pair = WebPair(gateway, form)
    fields = typed("application/oscore") + [("OSCORE", "CSU"), ("Accept", "application/json"), ("Accept-Encoding", "deflate, gzip")]
    for content in (b"\xa1\x01\x02", b'{"t": 21}', b"\x1f\x8b\x08\x00\x00", b"\x78\x9c\x03\x00\x00\x00\x00\x01", b"<a/>\r\n", b"\x00",
                    bytes(range(256))):
        up = pair.forward("POST", fields=fields, body=content)
        assert up.payload == content and not up.has(CONTENT_FORMAT) and not up.has(ACCEPT)
        answer = pair.answer(up, coap.CHANGED, [(coap.OSCORE, b"")], content[::-1])
        assert (answer.status, answer.body, answer.get("content-type")) == (200, content[::-1], "application/oscore")
        assert not answer.has("content-encoding") and answer.get("cache-control") == "no-store"


def test_limits_of_a_route(start):
    """What one route has under way is bounded by itself; the others go on, and so does it when there is room again."""
    routes = 'narrow: { %s http-path = "/narrow/{+tu}"; exchanges = 2; body-limit = "1kB"; %s };\n' % (ANYBODY, DEVICES) + ROUTES
    proxy = start(routes=routes, web="")
    under_way = [WebPair(proxy, "/narrow/%s%s") for _ in range(2)]
    asked = [pair.forward() for pair in under_way]
    late = WebPair(proxy, "/narrow/%s%s")
    answer = late.refused()
    assert answer.status == 503 and int(answer.get("retry-after")) > 0
    assert WebPair(proxy).exchange()[1].status == 200
    assert under_way[0].answer(asked[0]).status == 200
    assert late.exchange()[1].status == 200
    assert late.refused("POST", body=b"x" * 1001).status == 413
    assert late.exchange("POST", body=b"x" * 1000, answer=coap.CHANGED)[1].status == 204


@pytest.mark.covers("C7641-6-1", "C8613-9-1", "C8075-6.5.2-1")
def test_links_of_devices_pass_as_they_are(web):
    links = b'</s>;obs;osc;gosc;ct=0;title="a, b; <c>",<coap://[fd00::1]/x>;rt="t";anchor="/s"'
    up = web.forward()
    web.device.piggyback(up, options=[(coap.CONTENT_FORMAT, 40)], payload=links)
    answer = web.client.recv()
    assert (answer.get("content-type"), answer.body) == ("application/link-format", links)
