"""Where the gateway tells that it maps HTTP to CoAP: rt=core.hc in /.well-known/core, over HTTP and over CoAP (RFC 8075 5.5, RFC 6690);
pages that ask from elsewhere (CORS); what the access log says of requests over HTTP."""

import json
import re

import coap
import pytest
from coap import GET, Message
from harness import ANYBODY, free_port, free_tcp_port, fresh_address
from http_client import WebPair
from test_http_identity import basic, bearer, credentials  # noqa: F401 (a fixture)
from test_logs import accesses

DEVICES = 'forward-to = ["coap://127.0.0.0/8:*"];'
ROUTES = """
  denied:  { from = ["web"]; http-path = "/no/{+tu}"; deny = true; %(devices)s };
  all:     { %(anybody)s http-path = "/hc/{+tu}"; %(devices)s };
  again:   { %(anybody)s http-path = "/hc/{+tu}"; methods = ["PUT"]; %(devices)s };
  query:   { %(anybody)s http-path = "/q?target_uri={+tu}"; %(devices)s };
  parts:   { %(anybody)s http-path = "/e/{+s}/{+hp}{+p}{+qq}"; %(devices)s };
  lamp:    { %(anybody)s http-path = "/lamp"; to = ["coap://127.0.0.1:5700"]; };
  private: { from = ["other"]; authenticate = "none"; http-path = "/other/{+tu}"; %(devices)s };
""" % dict(anybody=ANYBODY, devices=DEVICES)
LINK = re.compile(r'<([^>]*)>((?:;[a-z-]+=(?:"[^"]*"|[^";,]*))*)(?:,|\Z)')
ORIGIN, ANOTHER = "https://web.example", "https://other.example"


def links(text):
    """Of a whole document: target to attributes, in order."""
    found, at = [], 0
    while at < len(text):
        match = LINK.match(text, at)
        assert match, text[at:]
        found.append((match.group(1), {k: v.strip('"') for k, v in re.findall(r';([a-z-]+)=("[^"]*"|[^";,]*)', match.group(2))}))
        at = match.end()
    return found


@pytest.fixture
def published(start):
    """Two listeners of HTTP with names, one of CoAP."""
    port = free_tcp_port()
    return start(routes=ROUTES, web='public-url = "%s"; }; other: { url = "http://127.0.0.1:%d"; public-url = "%s";' % (ORIGIN, port,
                                                                                                                        ANOTHER))


HERE = [("/hc/", {"rt": "core.hc"}), ("/q", {"rt": "core.hc", "hct": "?target_uri={+tu}"}),
        ("/e/", {"rt": "core.hc", "hct": "{+s}/{+hp}{+p}{+qq}"})]
THERE = [("/other/", {"anchor": ANOTHER, "rt": "core.hc"})]


def anchored(rows):
    return [(target, {"anchor": ORIGIN, **attributes}) for target, attributes in rows]


@pytest.mark.covers("C8075-5.5-1", "C8075-5.5-2", "C8075-5.5-3", "C8075-5.5-4")
def test_over_http(published):
    """Each mapping once, with its template unless that is the default one; no anchor where the origin is the one asked; none that
    denies."""
    client = published.http_client()
    answer = client.ask("GET", "/.well-known/core")
    assert (answer.status, answer.get("content-type")) == (200, "application/link-format")
    assert answer.get("cache-control")
    assert links(answer.text) == [("/.well-known/core", {"ct": "40"}), *HERE, *THERE]
    # what is told holds: the template behind the path
    device = published.device()
    for target, attributes in HERE:
        hct = attributes.get("hct", "{+tu}")
        authority = device.url[len("coap://"):]
        for variable, value in (("{+tu}", device.url + "/x?y"), ("{+s}", "coap"), ("{+hp}", authority), ("{+p}", "/x"), ("{+qq}", "?y")):
            hct = hct.replace(variable, value)
        client.send("GET", target + hct)
        up = device.recv()
        assert (up.all(coap.URI_PATH), up.all(coap.URI_QUERY)) == ([b"x"], [b"y"])
        device.piggyback(up)
        assert client.recv().status == 200


@pytest.mark.covers("C8075-5.5-1", "C8075-5.5-2", "C8075-5.5-3")
def test_over_coap(published):
    """There all of them have the HTTP origin as their anchor."""
    client = published.client()
    ask = Message(GET, options=[(coap.URI_PATH, ".well-known"), (coap.URI_PATH, "core")])
    answer = client.ask(ask)
    assert (answer.code, answer.uint(coap.CONTENT_FORMAT)) == (coap.CONTENT, 40)
    assert links(answer.payload.decode()) == [("/.well-known/core", {"ct": "40"}), *anchored(HERE), *THERE]


@pytest.mark.covers("C8075-5.5-3")
def test_listener_without_a_name_is_told_to_its_own_clients_alone(start):
    proxy = start(routes=ROUTES.replace("private:", "unused:").replace('"other"', '"web"'), web="")
    answer = proxy.http_client().ask("GET", "/.well-known/core")
    assert [target for target, _ in links(answer.text)] == ["/.well-known/core", "/hc/", "/q", "/e/", "/other/"]
    assert "anchor" not in answer.text
    answer = proxy.client().ask(Message(GET, options=[(coap.URI_PATH, ".well-known"), (coap.URI_PATH, "core")]))
    assert links(answer.payload.decode()) == [("/.well-known/core", {"ct": "40"})]


FILTERS = [
    (["rt=core.hc"], 4), (["rt=core.h*"], 4), (["rt=core"], 0), (["rt=core.hc", "hct=*"], 2), (["hct={+s}*"], 1), (["href=/hc/"], 1),
    (["href=/*"], 5),
    (["ct=40"], 1), (["rt=*"], 4), (["anchor=https://other.example"], 1), (["if=x"], 0), (["nothing"], 5), (["rt=Core.hc"], 0),
    (["href=/hc/", "rt=x"], 0),
]


@pytest.mark.covers("C8075-5.5-1")
@pytest.mark.parametrize("over", ["http", "coap"])
def test_filters(published, over):
    client = published.http_client() if over == "http" else published.client()
    for arguments, count in FILTERS:
        if over == "http":
            query = "&".join(arguments).replace("{", "%7B").replace("}", "%7D").replace("core.hc", "core%2Ehc")
            answer = client.ask("GET", "/.well-known/core?" + query)
            assert answer.status == 200
            text = answer.text
        else:
            options = [(coap.URI_PATH, ".well-known"), (coap.URI_PATH, "core")] + [(coap.URI_QUERY, a) for a in arguments]
            answer = client.ask(Message(GET, options=options))
            assert answer.code == coap.CONTENT
            text = answer.payload.decode()
        assert len(links(text)) == count, (arguments, text)


@pytest.mark.covers("C8075-5.5-1")
def test_long_document_in_blocks(start):
    """Over HTTP it is whole; over CoAP a block at a time, and put together it is the same but for the anchors."""
    routes = "".join('r%d: { %s http-path = "/mapping-number-%d/{+tu}"; %s };\n' % (i, ANYBODY, i, DEVICES) for i in range(60))
    proxy = start(routes=routes, web='public-url = "%s";' % ORIGIN)
    whole = links(proxy.http_client().ask("GET", "/.well-known/core").text)
    assert len(whole) == 61
    for szx in (None, 4, 6):
        client, text, num = proxy.client(), b"", 0
        while True:
            options = [(coap.URI_PATH, ".well-known"), (coap.URI_PATH, "core")]
            if num or szx is not None:
                options.append((coap.BLOCK2, coap.block(num, False, 6 if szx is None else szx)))
            answer = client.ask(Message(GET, options=options))
            got, more, size = coap.block_parts(answer.first(coap.BLOCK2))
            assert got == num and (szx is None or size <= szx)
            text += answer.payload
            num += 1
            if not more:
                break
        assert [target for target, _ in links(text.decode())] == [target for target, _ in whole]
        assert all(a.get("anchor") == ORIGIN for _, a in links(text.decode())[1:])


@pytest.mark.covers("C8075-5.5-4")
def test_other_ways_to_ask_for_the_links(gateway_plain):
    client = gateway_plain.http_client()
    head = client.ask("HEAD", "/.well-known/core")
    assert head.status == 200 and int(head.get("content-length")) > 20
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        answer = client.ask(method, "/.well-known/core", body=b"x" if method != "DELETE" else None,
                            fields=[("Content-Type", "text/plain;charset=utf-8")])
        assert (answer.status, answer.get("allow")) == (405, "GET, HEAD"), method
    for accept, status in (("application/link-format", 200), ("*/*", 200), ("application/*;q=0.2", 200), ("text/html, */*;q=0.1", 200),
                           ("application/json", 406), ("application/link-format+json", 406), ("application/link-format;q=0", 406)):
        assert client.ask("GET", "/.well-known/core", [("Accept", accept)]).status == status, accept
    for target in ("/.well-known/core/", "/.well-known", "/.well-known/corE", "/.well-known%2Fcore", "//.well-known/core",
                   "/.well-known/core/x"):
        assert client.ask("GET", target).status == 404, target


@pytest.fixture
def gateway_plain(start):
    return start(routes=ROUTES.replace('"other"', '"web"'), web="")


def test_resource_of_a_device_comes_before_ours(start):
    """A route may take the path; then what it says counts."""
    host, port = fresh_address(), free_port()
    proxy = start(routes='own: { %s http-path = "/.well-known/core"; to = ["coap://%s:%d/links"]; };' % (ANYBODY, host, port), web="")
    device, client = proxy.device(host, port), proxy.http_client()
    client.send("GET", "/.well-known/core")
    up = device.recv()
    assert up.all(coap.URI_PATH) == [b"links"]
    device.piggyback(up, payload=b"</own>")
    assert client.recv().body == b"</own>"


# ---- pages from elsewhere ----

PAGE = "https://app.example"
PAGES = """
  named:  { %(anybody)s http-path = "/named/{+tu}"; cors = ["%(page)s", "http://localhost:8080"]; methods = ["GET", "PUT"]; %(devices)s };
  posted: { %(anybody)s http-path = "/posted/{+tu}"; cors = ["%(page)s"]; %(devices)s };
  all:    { %(anybody)s http-path = "/all/{+tu}"; cors = ["*"]; %(devices)s };
  closed: { %(anybody)s http-path = "/closed/{+tu}"; %(devices)s };
""" % dict(anybody=ANYBODY, devices=DEVICES, page=PAGE)


@pytest.fixture
def pages(start):
    return start(routes=PAGES, web="")


def preflight(client, target, origin=PAGE, method="PUT"):
    return client.ask("OPTIONS", target, [("Origin", origin), ("Access-Control-Request-Method", method),
                                          ("Access-Control-Request-Headers", "content-type, authorization")])


def test_preflight(pages):
    """Answered by the gateway, without a name; the device hears nothing."""
    pair = WebPair(pages, "/named/%s%s")
    for origin in (PAGE, "http://localhost:8080"):
        answer = preflight(pair.client, pair.target(), origin)
        assert (answer.status, answer.get("access-control-allow-origin"), answer.get("access-control-allow-methods")) == (204, origin,
                                                                                                                          "PUT")
        allowed = answer.get("access-control-allow-headers").lower().replace(" ", "").split(",")
        assert {"authorization", "content-type", "oscore", "if-match", "if-none-match", "prefer", "last-event-id"} <= set(allowed)
        assert answer.get("access-control-allow-credentials") == "true" and "Origin" in ", ".join(answer.all("vary"))
        assert answer.body == b"" and not answer.has("content-length")
    for target, origin, method in ((pair.target(), "https://evil.example", "PUT"), (pair.target(), "null", "PUT"),
                                   (pair.target(), PAGE + ".evil.example", "PUT"),
                                   (pair.target(), "https://APP.example:8443", "PUT"), ("/nowhere", PAGE, "PUT"),
                                   ("/closed/" + pair.device.url + "/p", PAGE, "PUT"),
                                   (pair.target(), PAGE, "BREW")):
        answer = preflight(pair.client, target, origin, method)
        assert answer.status == 403 and not answer.has("access-control-allow-origin"), (target, origin, method)
    assert pair.client.ask("OPTIONS", pair.target(), [("Origin", PAGE)]).status == 501, "no preflight"
    pair.device.quiet()


def test_answers_to_pages(pages):
    pair = WebPair(pages, "/named/%s%s")
    _, answer = pair.exchange(fields=[("Origin", PAGE)], answer_options=[(coap.ETAG, b"\x01")], answer_payload=b"1")
    assert answer.get("access-control-allow-origin") == PAGE and answer.get("access-control-allow-credentials") == "true"
    assert {"ETag", "Location", "OSCORE", "Retry-After"} <= set(answer.get("access-control-expose-headers").split(", "))
    # so does an error, for a page to read it
    answer = pair.refused("DELETE", fields=[("Origin", PAGE)])
    assert (answer.status, answer.get("access-control-allow-origin")) == (405, PAGE)
    # others may ask, as anybody may, but no browser lets their page read the answer
    for origin in ("https://evil.example", "null", "*", ""):
        _, answer = pair.exchange(fields=[("Origin", origin)], answer_payload=b"1")
        assert not answer.has("access-control-allow-origin") and not answer.has("access-control-allow-credentials")
        assert "Origin" in ", ".join(answer.all("vary")), "a cache must not give this to the page that may"
    assert "Origin" in ", ".join(pair.exchange()[1].all("vary"))


def test_no_content_of_a_device_is_a_page_of_the_gateways(pages):
    """A browser that is shown it must not take it for something else, nor run what it holds with the rights of the gateway's name: an image
    of a device may hold scripts."""
    pair = WebPair(pages, "/named/%s%s")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("/named/")</script></svg>'
    for options, payload in (([(coap.CONTENT_FORMAT, 30000)], svg), ([], b"<html><script>1</script>")):
        for code in (coap.CONTENT, coap.code("4.04")):
            answer = pair.exchange(answer=code, answer_options=options, answer_payload=payload)[1]
            assert answer.body == payload
            assert (answer.get("x-content-type-options"), answer.get("content-security-policy")) == ("nosniff", "sandbox"), answer
    # what has no content needs neither
    answer = pair.exchange("PUT", body=b"1", answer=coap.CHANGED)[1]
    assert answer.status == 204 and not answer.has("content-security-policy")


def test_foreign_pages_change_nothing(pages):
    """What a browser sends for any page without asking first is a POST; one of a page that nobody named stays here."""
    for form in ("/named/%s%s", "/closed/%s%s"):
        pair = WebPair(pages, form.replace("named", "posted"))
        for origin in ("https://evil.example", "null", "", "https://gw.example.evil.example", "https://evil.example/gw.example", "://",
                       "gw.example"):
            answer = pair.refused("POST", fields=[("Origin", origin), ("Content-Type", "text/plain;charset=utf-8")], body=b"on")
            assert (answer.status, answer.text) == (403, "Forbidden by policy"), origin
        # pages of this gateway's own name, and programs, which name none
        for fields in ([("Origin", "https://gw.example")], [("Origin", "http://GW.example")], []):
            assert pair.exchange("POST", fields=fields, body=b"on", answer=coap.CHANGED)[1].status == 204
    pair = WebPair(pages, "/posted/%s%s")
    assert pair.exchange("POST", fields=[("Origin", PAGE)], body=b"on", answer=coap.CHANGED)[1].status == 204
    pair = WebPair(pages, "/all/%s%s")
    assert pair.exchange("POST", fields=[("Origin", "https://any.example")], body=b"on", answer=coap.CHANGED)[1].status == 204


def test_browsers_do_not_lend_names_to_all_pages(start, credentials):  # noqa: F811
    """Where every page may ask, none may ask in the name that its browser knows; one that knows a token itself may."""
    proxy = start(routes='r: { from = ["web"]; http-path = "/hc/{+tu}"; cors = ["*"]; allow-networks = ["127.0.0.0/8"]; %s };' % DEVICES,
                  sections=credentials, web='public-url = "%s";' % ORIGIN)
    pair = WebPair(proxy)
    assert pair.refused("POST", fields=[("Origin", PAGE), *basic("bob", "secret")], body=b"on").status == 403
    for fields in ([("Origin", PAGE), *bearer("alice")], [("Origin", ORIGIN), *basic("bob", "secret")], basic("bob", "secret")):
        assert pair.exchange("POST", fields=fields, body=b"on", answer=coap.CHANGED)[1].status == 204


def test_answers_to_all_pages(pages):
    pair = WebPair(pages, "/all/%s%s")
    for fields in ([("Origin", PAGE)], [("Origin", "null")]):
        _, answer = pair.exchange(fields=fields)
        assert answer.get("access-control-allow-origin") == "*" and not answer.has("access-control-allow-credentials")
    answer = preflight(pair.client, pair.target(), "https://any.example", "FETCH")
    assert (answer.status, answer.get("access-control-allow-origin"), answer.get("access-control-allow-methods")) == (204, "*", "FETCH")


def test_routes_without_pages(pages):
    pair = WebPair(pages, "/closed/%s%s")
    _, answer = pair.exchange(fields=[("Origin", PAGE)])
    assert not [n for n, _ in answer.fields if n.lower().startswith("access-control")]
    assert preflight(pair.client, pair.target()).status == 403


# ---- the access log ----

KEYS = ["time", "route", "listener", "client", "method", "target", "status", "code", "oscore", "request_bytes", "response_bytes",
        "truncated", "ms"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_access_lines(start, form):
    """One for each request that a route took, in either form, without query and content."""
    routes = 'r: { %s http-path = "/hc/{+tu}"; methods = ["GET", "PUT"]; access-log = "%s"; %s };' % (ANYBODY, form, DEVICES)
    proxy = start(routes=routes, web="")
    pair = WebPair(proxy)
    _, got = pair.exchange("PUT", "/a%20b?secret=1", fields=[("Content-Type", "application/json"),
                                                             ("Authorization", "Bearer hidden-token")],
                           body=b"hidden body", answer=coap.CHANGED, answer_payload=b"hidden answer")
    pair.refused("DELETE")
    pair.send(path="/slow")
    pair.device.recv()
    proxy.advance(94_000)
    pair.client.recv()
    pair.client.ask("GET", "/nowhere")
    lines = accesses(proxy.explain())
    assert len(lines) == 3, "no line without a route"
    first, refused, late = lines
    assert list(first) == KEYS
    assert (first["route"], first["listener"], first["client"]) == ("r", "web", "%s:%d" % (pair.client.host, pair.client.port))
    assert (first["method"], int(first["status"]), first["code"]) == ("PUT", 200, "2.04")
    assert first["target"] == pair.device.url + "/a%20b"
    assert int(first["request_bytes"]) == 11 and int(first["response_bytes"]) == len(got.head) + 4 + len(got.body)
    assert (first["oscore"], first["truncated"]) == (False, False)
    assert (refused["method"], int(refused["status"]), refused["code"]) == ("DELETE", 405, "4.05")
    assert (int(late["status"]), late["code"]) == (504, "5.04") and float(late["ms"]) >= 92_000
    text = proxy.explain()
    assert "hidden" not in text and "secret" not in text


def test_access_line_of_what_broke_off(start):
    """An answer that could not be brought to its end: truncated, with what the client got of it."""
    routes = 'r: { %s http-path = "/hc/{+tu}"; access-log = "json"; %s };' % (ANYBODY, DEVICES)
    proxy = start(routes=routes, web="")
    pair = WebPair(proxy)
    up = pair.forward()
    pair.device.piggyback(up, options=[(coap.BLOCK2, coap.block(0, True, 6))], payload=b"x" * 1024)
    up = pair.device.recv()
    pair.device.piggyback(up, options=[(coap.BLOCK2, coap.block(1, True, 6))], payload=b"x" * 1024)
    pair.device.piggyback(pair.device.recv(), coap.code("5.00"))
    proxy.settle()
    (line,) = [json.loads(t) for t in proxy.explain().splitlines() if t.startswith("{")]
    assert line["truncated"] is True and line["status"] == 200 and line["response_bytes"] > 2048
