"""HTTP to CoAP: what a device answers, as the client gets it (RFC 8075 7, RFC 7252 10.2): status, reason, freshness, diagnostics,
Location."""

import coap
import pytest
from coap import CHANGED, CONTENT, CREATED, DELETED, ETAG, LOCATION_PATH, LOCATION_QUERY, MAX_AGE, OBSERVE, VALID, code
from harness import ANYBODY, fresh_address, free_port
from http_client import WebPair

LAMP, PARENT, PORT = fresh_address(), fresh_address(), free_port()
DEVICES = 'forward-to = ["coap://127.0.0.0/8:*", "coap://[::1]:*"];'
ROUTES = """
  all:     { %(anybody)s http-path = "/hc/{+tu}"; %(devices)s };
  query:   { %(anybody)s http-path = "/q?target_uri={+tu}"; %(devices)s };
  parts:   { %(anybody)s http-path = "/e/{+s}/{+hp}{+p}{+qq}"; %(devices)s };
  chained: { %(anybody)s http-path = "/far/{+tu}"; %(devices)s via = "coap://%(parent)s:%(port)d"; };
  lamp:    { %(anybody)s http-path = "/lamp"; to = ["coap://%(lamp)s:%(port)d/light"]; };
  proxy:   { %(anybody)s %(devices)s };
""" % dict(anybody=ANYBODY, devices=DEVICES, lamp=LAMP, parent=PARENT, port=PORT)

# With content, and without. What is not there is as its class: 2.xx 200 and 204, 4.xx 400, 5.xx 500.
STATUS = {
    "2.01": (201, 201), "2.02": (200, 204), "2.03": (502, 502), "2.04": (200, 204), "2.05": (200, 200),
    "4.00": (400, 400), "4.01": (403, 403), "4.02": (500, 500), "4.03": (403, 403), "4.04": (404, 404), "4.05": (400, 400),
    "4.06": (406, 406), "4.08": (502, 502), "4.09": (409, 409), "4.12": (412, 412), "4.13": (413, 413), "4.15": (415, 415),
    "4.22": (422, 422), "4.29": (429, 429),
    "5.00": (500, 500), "5.01": (501, 501), "5.02": (502, 502), "5.03": (503, 503), "5.04": (504, 504), "5.05": (500, 500),
    "5.08": (508, 508),
}
OTHERS = {2: (200, 204), 4: (400, 400), 5: (500, 500)}
CODES = ["%d.%02d" % (c, d) for c in (2, 4, 5) for d in range(32) if not (c == 2 and d in (0, 31))]


def lifetime(answer):
    """What Cache-Control says: "no-store" or seconds."""
    value = answer.get("cache-control")
    assert value, "always there"
    return value if value == "no-store" else int(value.removeprefix("private, ").removeprefix("max-age="))


@pytest.mark.covers("C8075-7-1", "C8075-7-n5", "C8075-7-n2", "C8075-7-n1", "S-29", "C8075-1-1", "U-4")
@pytest.mark.parametrize("content", [b"what happened", b""], ids=["content", "empty"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_code(gateway, method, content):
    pair = WebPair(gateway)
    for text in CODES:
        up = pair.forward(method, "/" + text, body=b"x" if method == "POST" else None)
        pair.device.piggyback(up, code(text), payload=content)
        for again in pair.device.pending():
            pair.device.piggyback(again, code(text), payload=content)  # 4.08 begins anew
        answer = pair.client.recv()
        assert answer.status == STATUS.get(text, OTHERS[int(text[0])])[0 if content else 1], (text, answer)
        if answer.status in (204, 502):
            continue
        expected = b"oscore-proxy " + content if text == "5.08" else content
        assert answer.body == expected.rstrip(), (text, answer)
        if expected:
            assert answer.get("content-type") == (None if text[0] == "2" else "text/plain;charset=utf-8"), (text, answer)
        lifetime(answer)
        assert b"what happened" not in answer.head
    pair.client.quiet()


@pytest.mark.covers("C8075-7-n2", "C7252-10.2.4-1", "C7252-10.2.5-1", "C7252-10.2.6-1", "C8075-7-n1")
@pytest.mark.parametrize("method,answered,full,empty", [
    ("POST", CREATED, 201, 201), ("PUT", CREATED, 201, 201), ("POST", CHANGED, 200, 204), ("PUT", CHANGED, 200, 204),
    ("POST", DELETED, 200, 204), ("DELETE", DELETED, 200, 204), ("PATCH", CHANGED, 200, 204), ("iPATCH", CREATED, 201, 201)])
def test_changes(web, method, answered, full, empty):
    body = None if method == "DELETE" else b"{}"
    fields = [("Content-Type", "application/json")] if body else []
    _, answer = web.exchange(method, fields=fields, body=body, answer=answered, answer_payload=b"\xa1",
                             answer_options=[(coap.CONTENT_FORMAT, 60)])
    assert (answer.status, answer.body, answer.get("content-type"), lifetime(answer)) == (full, b"\xa1", "application/cbor", "no-store")
    _, answer = web.exchange(method, fields=fields, body=body, answer=answered)
    assert (answer.status, answer.body, lifetime(answer)) == (empty, b"", "no-store")
    assert answer.get("content-length") == (None if empty == 204 else "0")


@pytest.mark.covers("C7252-10.2.2-2", "S-29")
@pytest.mark.parametrize("answered,options,expected", [
    (CONTENT, [], 60), (CONTENT, [(MAX_AGE, 0)], 0), (CONTENT, [(MAX_AGE, 5)], 5), (CONTENT, [(MAX_AGE, 0xFFFFFFFF)], 0xFFFFFFFF),
    (code("4.04"), [], 60), (code("4.04"), [(MAX_AGE, 9)], 9), (code("5.00"), [], 60), (code("5.03"), [(MAX_AGE, 7)], 7),
    (CHANGED, [(MAX_AGE, 9)], "no-store"), (CREATED, [], "no-store"), (DELETED, [], "no-store"), (code("2.06"), [], "no-store"),
    (code("4.29"), [(MAX_AGE, 9)], "no-store"), (code("4.12"), [], "no-store"), (code("4.02"), [], "no-store"),
    (code("5.08"), [], "no-store")])
def test_freshness_is_always_told(web, answered, options, expected):
    _, answer = web.exchange(answer=answered, answer_options=options, answer_payload=b"1")
    assert lifetime(answer) == expected
    if expected != "no-store":
        assert "Accept" in answer.get("vary").split(", ")


@pytest.mark.covers("C7252-10.2.2-2")
def test_freshness_is_what_is_left(web):
    """Max-Age counts from when the answer arrived here; it is not lengthened on the way."""
    web.send()
    up = web.device.recv()
    web.device.ack(up)
    web.proxy.settle()
    web.proxy.advance(5000)
    web.device.separate(up, options=[(MAX_AGE, 10)], payload=b"1")
    assert lifetime(web.client.recv()) <= 10


@pytest.mark.covers("C8075-7-n8", "S-32")
@pytest.mark.parametrize("answered,options,status,after", [
    ("5.03", [(MAX_AGE, 7)], 503, "7"), ("5.03", [], 503, None), ("4.29", [], 429, "60"), ("4.29", [(MAX_AGE, 12)], 429, "12"),
    ("4.04", [(MAX_AGE, 7)], 404, None), ("5.00", [(MAX_AGE, 7)], 500, None), ("2.05", [(MAX_AGE, 7)], 200, None)])
def test_retry_after(web, answered, options, status, after):
    _, answer = web.exchange(answer=code(answered), answer_options=options, answer_payload=b"later")
    assert (answer.status, answer.get("retry-after")) == (status, after)


@pytest.mark.covers("S-32")
def test_back_off_of_one_client_is_not_anothers(gateway):
    """4.29 is told to who asked, once. The gateway asks the same no more for a while (RFC 8516 4), which is 503 to others; else it goes
    on."""
    noisy = WebPair(gateway)
    _, answer = noisy.exchange(answer=code("4.29"), answer_options=[(MAX_AGE, 30)])
    assert answer.status == 429
    other = WebPair(gateway, device=noisy.device)
    answer = other.refused()
    assert answer.status == 503 and 0 < int(answer.get("retry-after")) <= 30
    assert other.exchange(path="/else", answer_payload=b"1")[1].body == b"1"
    gateway.advance(31_000)
    assert other.exchange(answer_payload=b"2")[1].body == b"2"


# Everything that could break a status line or a page, and what is no text at all.
DIAGNOSTICS = [b"no such", "kein Gerät".encode(), b"a\r\nSet-Cookie: x=1\r\n\r\n<script>", b"\x00\x01", b"\xff\xfe",
               b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 900]


@pytest.mark.covers("C8075-6.6-1", "C8075-6.6-2")
@pytest.mark.parametrize("answered,status,reason", [
    ("4.04", 404, "Not Found"), ("4.00", 400, "Bad Request"), ("5.00", 500, "Internal Server Error"), ("5.03", 503, "Service Unavailable"),
    ("4.05", 400, "CoAP server returned 4.05"), ("4.01", 403, "Forbidden")])
def test_diagnostics_are_text_and_nothing_else(gateway, answered, status, reason):
    pair = WebPair(gateway)
    for text in DIAGNOSTICS:
        _, answer = pair.exchange(answer=code(answered), answer_payload=text)
        assert (answer.status, answer.body) == (status, text)
        assert answer.reason.startswith(reason)
        assert answer.get("content-type") == "text/plain;charset=utf-8"
        assert {n for n, _ in answer.fields} <= {"Cache-Control", "Content-Type", "Vary", "Date", "Content-Length", "Retry-After",
                                                "Content-Security-Policy", "X-Content-Type-Options"}
    pair.client.quiet()


@pytest.mark.covers("C8075-6.6-1", "C8075-6.1-1")
def test_an_error_with_a_format_keeps_it(web):
    """A payload with Content-Format is no diagnostic message (RFC 7252 5.5.2)."""
    _, answer = web.exchange(answer=code("4.00"), answer_options=[(coap.CONTENT_FORMAT, 257)], answer_payload=b"\xa0")
    assert (answer.status, answer.get("content-type"), answer.body) == (400, "application/concise-problem-details+cbor", b"\xa0")


@pytest.mark.covers("C8075-7-n7")
def test_method_that_the_device_has_not(web):
    """400 with a reason of its own, for nobody knows what Allow would hold."""
    _, answer = web.exchange("PUT", body=b"1", answer=code("4.05"), answer_payload=b"only GET")
    assert (answer.status, answer.body) == (400, b"only GET")
    assert answer.reason.startswith("CoAP server returned 4.05") and not answer.has("allow")


@pytest.mark.covers("C8075-7-n7", "C8075-4-1")
def test_method_that_the_route_has_not(start):
    """There the methods are known: 405 with Allow."""
    proxy = start(routes='r: { %s http-path = "/hc/{+tu}"; methods = ["GET", "iPATCH"]; %s };' % (ANYBODY, DEVICES), web="")
    answer = WebPair(proxy).refused("PUT", body=b"1")
    assert (answer.status, answer.reason) == (405, "Method Not Allowed")
    assert set(answer.get("allow").split(", ")) == {"GET", "HEAD", "iPATCH"}
    assert lifetime(answer) == "no-store" and answer.text == "Method not allowed here"


@pytest.mark.covers("C8075-7-n6")
@pytest.mark.parametrize("fields,status", [((), 500), ([("Accept", "application/cbor")], 400), ([("If-Match", '"01"')], 400),
                                           ([("Accept", "*/*")], 500), ([("X-Anything", "1")], 500)])
def test_bad_option_is_the_clients_if_it_comes_from_a_field_of_his(web, fields, status):
    _, answer = web.exchange(fields=fields, answer=code("4.02"), answer_payload=b"what option?")
    assert (answer.status, answer.body) == (status, b"what option?")
    _, answer = web.exchange(fields=fields, answer=code("4.02"))
    assert answer.status == status


@pytest.mark.covers("C8075-7-n9")
def test_5_05_is_502_behind_another_proxy_alone(gateway):
    """A device that says so is at fault; a parent proxy is unwilling."""
    pair, parent = WebPair(gateway, "/far/%s%s"), gateway.device(PARENT, PORT)
    pair.send()
    up = parent.recv()
    assert up.has(coap.PROXY_SCHEME) or up.has(coap.PROXY_URI)
    parent.piggyback(up, code("5.05"), payload=b"not me")
    assert pair.client.recv().status == 502
    assert WebPair(gateway).exchange(answer=code("5.05"))[1].status == 500


@pytest.mark.covers("C8075-7-n10")
@pytest.mark.parametrize("text", ["2.31", "7.01", "1.00", "3.05", "6.00", "0.01"])
def test_codes_that_are_no_answer_stay_inside(web, text):
    web.send()
    up = web.device.recv()
    web.device.piggyback(up, code(text), payload=b"x")
    web.proxy.settle()
    web.proxy.advance(300_000)
    answer = web.client.recv()
    assert answer.status in (502, 504) and answer.body != b"x"


def test_a_loop_and_the_end_of_hops(web):
    """RFC 8768: 5.08 is 508, and the names of those it passed are its text; the gateway adds its own."""
    up, answer = web.exchange(answer=code("5.08"), answer_payload=b"proxy7")
    assert up.uint(coap.HOP_LIMIT) == 16
    assert (answer.status, answer.reason, answer.text) == (508, "Loop Detected", "oscore-proxy proxy7")
    _, answer = web.exchange(answer=code("5.08"), answer_payload=b"a oscore-proxy")
    assert (answer.status, answer.text) == (508, "oscore-proxy")
    answer = web.refused(fields=[("Via", "1.1 edge, 1.1 oscore-proxy")])
    assert answer.status == 508


@pytest.mark.covers("C8075-7-n10", "S-27")
def test_4_08_for_what_had_no_blocks_is_no_fault_of_the_client(web):
    web.send()
    for _ in range(8):
        for up in web.device.pending():
            web.device.piggyback(up, code("4.08"))
    assert web.client.recv().status == 502


# ---- conditions ----

TAG = b"\x01\xab"


@pytest.mark.covers("C8075-7-n3", "C7252-10.2.2-3")
def test_a_valid_tag_is_not_modified(web):
    up, answer = web.exchange(fields=[("If-None-Match", '"01ab", W/"c0", "zz", "not-hex"')], answer=VALID,
                              answer_options=[(ETAG, TAG), (MAX_AGE, 9)])
    assert up.all(ETAG) == [TAG, b"\xc0"]
    assert (answer.status, answer.body, answer.get("etag"), lifetime(answer)) == (304, b"", '"01ab"', 9)
    assert not answer.has("content-type") and not answer.has("content-length")
    assert web.exchange()[1].status == 200, "nothing was taken for a body"


@pytest.mark.covers("C8075-7-n3")
def test_valid_without_a_condition_is_no_answer(web):
    """Nobody asked whether anything is valid: never 304."""
    for fields in ((), [("If-None-Match", '"not-hex"')], [("If-None-Match", "*")]):
        up, answer = web.exchange(fields=fields, answer=VALID, answer_options=[(ETAG, TAG)])
        assert answer.status == 502 and not up.has(ETAG) and not up.has(coap.IF_NONE_MATCH), fields
    _, answer = web.exchange(fields=[("If-None-Match", '"01ab"')], answer=VALID)
    assert answer.status == 502, "which one is valid is not told"


@pytest.mark.covers("C7252-10.2.2-3")
def test_a_new_representation_answers_a_condition_with_its_tag(web):
    _, answer = web.exchange(fields=[("If-None-Match", '"01ab"')], answer_options=[(ETAG, b"\xff\x00\x22")], answer_payload=b"new")
    assert (answer.status, answer.body, answer.get("etag")) == (200, b"new", '"ff0022"')


@pytest.mark.covers("C7252-10.2.2-3")
def test_if_match_protects_a_change(web):
    fields = [("If-Match", '"01ab", W/"02"'), ("If-Match", '"03"')]
    up, answer = web.exchange("PUT", fields=fields, body=b"1", answer=code("4.12"))
    assert up.all(coap.IF_MATCH) == [TAG, b"\x03"], "a weak tag matches nothing"
    assert answer.status == 412
    up, answer = web.exchange("PUT", fields=[("If-Match", "*")], body=b"1", answer=CHANGED)
    assert up.all(coap.IF_MATCH) == [b""] and answer.status == 204
    assert web.refused("PUT", fields=[("If-Match", 'W/"01"')], body=b"1").status == 412
    assert web.refused("PUT", fields=[("If-Match", '"no-such-tag-here"')], body=b"1").status == 412
    assert web.refused("PUT", fields=[("If-Match", "unquoted")], body=b"1").status == 400
    assert web.refused("DELETE", fields=[("If-Match", ", ".join('"%02x"' % i for i in range(40)))]).status == 400


@pytest.mark.covers("C7252-10.2.2-3")
def test_if_none_match_star_only_creates(web):
    up, answer = web.exchange("PUT", fields=[("If-None-Match", "*")], body=b"1", answer=code("4.12"), answer_payload=b"it is there")
    assert up.all(coap.IF_NONE_MATCH) == [b""] and not up.has(ETAG)
    assert (answer.status, answer.text) == (412, "it is there")
    up, answer = web.exchange("PUT", fields=[("If-None-Match", "*")], body=b"1", answer=CREATED)
    assert answer.status == 201
    assert web.refused("PUT", fields=[("If-None-Match", '"01"')], body=b"1").status == 501


@pytest.mark.covers("C7252-10.2.2-3")
def test_conditions_of_time_are_no_option(web):
    """Dates are for a cache, and none is here."""
    fields = [("If-Modified-Since", "Tue, 24 Nov 2026 10:00:00 GMT"), ("If-Unmodified-Since", "Tue, 24 Nov 2026 10:00:00 GMT"),
              ("If-Range", '"01"'),
              ("Range", "bytes=0-1")]
    up, answer = web.exchange(fields=fields, answer_payload=b"whole")
    assert {n for n, _ in up.options} == {coap.URI_PATH, coap.HOP_LIMIT}
    assert (answer.status, answer.body) == (200, b"whole")


@pytest.mark.parametrize("tag", [b"\x00", b"12345678", b"\xff" * 8, b'"', b"\r\n"])
def test_tags_go_there_and_back(web, tag):
    _, answer = web.exchange(answer_options=[(ETAG, tag)], answer_payload=b"1")
    text = answer.get("etag")
    assert text == '"%s"' % tag.hex()
    up, answer = web.exchange(fields=[("If-None-Match", text)], answer=VALID, answer_options=[(ETAG, tag)])
    assert up.all(ETAG) == [tag] and answer.status == 304


# ---- where something was made ----

@pytest.mark.covers("C7252-10.2.4-1", "S-30")
@pytest.mark.parametrize("form,path,location", [
    ("/hc/%s%s", "/things", "/hc/%s/things/7?a=1&b%%26c"), ("/q?target_uri=%s%s", "/things", "/q?target_uri=%s/things/7?a=1&b%%26c"),
    ("%s%s", "/things", "%s/things/7?a=1&b%%26c")])
def test_location_is_in_the_space_of_the_gateway(gateway, form, path, location):
    pair = WebPair(gateway, form)
    made = [(LOCATION_PATH, "things"), (LOCATION_PATH, "7"), (LOCATION_QUERY, "a=1"), (LOCATION_QUERY, "b&c")]
    _, answer = pair.exchange("POST", path, body=b"x", answer=CREATED, answer_options=made)
    assert (answer.status, answer.get("location")) == (201, location % pair.device.url)
    # which names the same resource again
    pair.client.send("GET", answer.get("location"))
    up = pair.device.recv()
    assert up.all(coap.URI_PATH) == [b"things", b"7"] and up.all(coap.URI_QUERY) == [b"a=1", b"b&c"]
    pair.answer(up)


@pytest.mark.covers("C7252-10.2.4-1")
def test_location_of_parts(gateway):
    pair = WebPair(gateway)
    authority = pair.device.url[len("coap://"):]
    pair.client.send("POST", "/e/coap/%s/things" % authority, body=b"x")
    answer = pair.answer(pair.device.recv(), CREATED, [(LOCATION_PATH, "a/b"), (LOCATION_PATH, ""), (LOCATION_QUERY, "x")])
    assert answer.get("location") == "/e/coap/%s/a%%2Fb/?x" % authority


@pytest.mark.covers("C7252-10.2.4-1", "S-30")
@pytest.mark.parametrize("made,shown", [
    ([(LOCATION_PATH, "a b\r\nX: y")], "/a%20b%0D%0AX:%20y"), ([(LOCATION_PATH, "%2F/")], "/%252F%2F"),
    ([(LOCATION_PATH, b"\xff\xfe")], None),
    ([(LOCATION_PATH, "..")], None), ([(LOCATION_QUERY, "q")], "/?q"), ([], None), ([(LOCATION_PATH, "a"), (132, b"x")], None)])
def test_strange_locations(gateway, made, shown):
    """Coded so that nothing ends a line, or left out: never half of it."""
    pair = WebPair(gateway)
    _, answer = pair.exchange("POST", body=b"x", answer=CREATED, answer_options=made)
    if made and made[-1][0] == 132:
        assert answer.status == 201
    location = answer.get("location")
    if shown is not None:
        assert location == "/hc/" + pair.device.url + shown
    else:
        assert location is None or location.startswith("/hc/" + pair.device.url + "/")


def test_null_mapping_tells_no_location(gateway):
    """What the resource made has no name in the space of the gateway."""
    lamp, client = gateway.device(LAMP, PORT), gateway.http_client()
    client.send("POST", "/lamp", body=b"x")
    lamp.piggyback(lamp.recv(), CREATED, [(LOCATION_PATH, "7")])
    answer = client.recv()
    assert answer.status == 201 and not answer.has("location")


@pytest.mark.covers("C7252-10.2.4-1")
def test_location_goes_with_created_alone(web):
    for answered in (CHANGED, CONTENT, code("4.04")):
        _, answer = web.exchange("POST", body=b"x", answer=answered, answer_options=[(LOCATION_PATH, "a")], answer_payload=b"1")
        assert not answer.has("location")


# ---- what cannot be understood ----

@pytest.mark.covers("C7252-10.2-1")
@pytest.mark.parametrize("options", [[(65003, b"")], [(coap.CONTENT_FORMAT, b"\x27\x11")], [(9, b"\x09\x05\x25")], [(ETAG, b"")],
                                     [(ETAG, b"123456789")],
                                     [(MAX_AGE, b"12345")], [(coap.CONTENT_FORMAT, b"\x01\x02\x03")], [(2048, b"x")], [(OBSERVE, 5)]])
def test_strange_options(web, options):
    """A critical or unsafe one that is not understood is 502 (RFC 7252 5.4.1, 5.7.1); any other is as if it were not there."""
    critical = options[0][0] in (65003, 9, MAX_AGE) or options == [(coap.CONTENT_FORMAT, b"\x27\x11")]
    _, answer = web.exchange(answer_options=options, answer_payload=b"1")
    assert answer.status == (502 if critical else 200), answer
    if critical:
        assert answer.body != b"1"
    else:
        assert answer.body == b"1" and not answer.has("etag") and not answer.has("content-type")


@pytest.mark.covers("C7252-10.2-1")
def test_reset_of_the_device_is_502(web):
    web.send()
    web.device.reset(web.device.recv())
    answer = web.client.recv()
    assert (answer.status, answer.text) == (502, "Origin rejected the message")


@pytest.mark.covers("C7252-10.2-1")
def test_silent_device(web):
    """Never acknowledged: 504 after 93 s, when nothing more would be sent. With an acknowledgement: test_http_patience.py."""
    web.send()
    web.device.recv()
    web.proxy.advance(92_000)
    web.client.quiet()
    web.proxy.advance(2_000)
    answer = web.client.recv()
    assert (answer.status, answer.reason, answer.text) == (504, "Gateway Timeout", "No answer from the origin")
    assert lifetime(answer) == "no-store"


@pytest.mark.covers("C8075-8.1-1")
def test_who_left_is_not_waited_for(gateway):
    """The device's late answer to a client that is gone harms nobody."""
    pair = WebPair(gateway)
    pair.send()
    up = pair.device.recv()
    pair.client.close()
    gateway.settle()
    pair.device.piggyback(up, payload=b"late")
    other = WebPair(gateway, device=pair.device)
    assert other.exchange(answer_payload=b"new")[1].body == b"new"
