"""HTTP to CoAP: how the target is named (RFC 8075 5), in every form of a request target, and that nothing of it is changed on the way."""

import itertools

import coap
import pytest
from coap import HOP_LIMIT, URI_HOST, URI_PATH, URI_PORT, URI_QUERY
from harness import ANYBODY, DEFAULT_ROUTE, NameServer, Proxy, fresh_address, free_port, run_proxy
from http_client import WebPair

LAMP, LAMP_PORT = fresh_address(), free_port()
HOSTED = fresh_address()
DEVICES = 'forward-to = ["coap://127.0.0.0/8:*", "coap://[::1]:*"];'
ROUTES = """
  all:     { %(anybody)s http-path = "/hc/{+tu}"; %(devices)s };
  query:   { %(anybody)s http-path = "/q?target_uri={+tu}"; %(devices)s };
  coded:   { %(anybody)s http-path = "/coded?uri={tu}&v=1"; %(devices)s };
  parts:   { %(anybody)s http-path = "/e/{+s}/{+hp}{+p}{+qq}"; %(devices)s };
  pairs:   { %(anybody)s http-path = "/f?s={+s}&hp={+hp}&p={+p}&q={+q}"; %(devices)s };
  short:   { %(anybody)s http-path = "/d/{+tu}"; default-scheme = "coap"; %(devices)s };
  bare:    { %(anybody)s http-path = "/g/{+hp}{+p}{+qq}"; default-scheme = "coap"; %(devices)s };
  hosted:  { %(anybody)s http-path = "/lamp"; hosts = ["other.example"]; to = ["coap://%(hosted)s:%(port)d/light"]; };
  lamp:    { %(anybody)s http-path = "/lamp"; to = ["coap://%(lamp)s:%(port)d/room/light"]; };
  proxy:   { %(anybody)s %(devices)s };
""" % dict(anybody=ANYBODY, devices=DEVICES, lamp=LAMP, hosted=HOSTED, port=LAMP_PORT)
TEMPLATES = {
    "default": "/hc/%(url)s%(path)s%(query)s",
    "query": "/q?target_uri=%(url)s%(path)s%(query)s",
    "parts": "/e/coap/%(authority)s%(path)s%(query)s",
    "pairs": "/f?s=coap&hp=%(authority)s&p=%(path)s&q=%(bare_query)s",
    "default-scheme": "/d/%(authority)s%(path)s%(query)s",
    "parts-default-scheme": "/g/%(authority)s%(path)s%(query)s",
    "absolute": "%(url)s%(path)s%(query)s",
}


def names(up):
    """What names the resource at the device: path segments and query arguments."""
    assert [n for n, _ in up.options if n not in (URI_PATH, URI_QUERY, HOP_LIMIT)] == []
    return up.all(URI_PATH), up.all(URI_QUERY)


def target_of(form, device, path, query=""):
    authority = device.url[len("coap://"):]
    return TEMPLATES[form] % dict(url=device.url, authority=authority, path=path, query=query, bare_query=query[1:])


# path, query, segments, arguments: split on the bytes as they stand, then decoded once (RFC 7252 6.4)
URIS = [
    ("/p", "", [b"p"], []),
    ("/a/b/c", "?x", [b"a", b"b", b"c"], [b"x"]),
    ("/a%2Fb", "?a%26b", [b"a/b"], [b"a&b"]),
    ("/a%2fb/%25", "", [b"a/b", b"%"], []),
    ("/l", "?a&b", [b"l"], [b"a", b"b"]),
    ("/l", "?a=1&b=2&&c", [b"l"], [b"a=1", b"b=2", b"", b"c"]),
    ("/a//b", "", [b"a", b"", b"b"], []),
    ("/a/", "", [b"a", b""], []),
    ("//", "", [b"", b""], []),
    ("/p", "?x=/?&y", [b"p"], [b"x=/?", b"y"]),
    ("/%C3%BC/%00", "?%E2%82%AC", ["ü".encode(), b"\x00"], ["€".encode()]),
    ("/a;b,c=d:e@f!$'()*+~", "", [b"a;b,c=d:e@f!$'()*+~"], []),
    ("/x%3Fy", "?q%3D1", [b"x?y"], [b"q=1"]),
    ("/%252F", "", [b"%2F"], []),
]


@pytest.mark.covers("C8075-2-1", "C8075-5.3-1", "C8075-5.3-3", "C8075-5.4-1", "C8075-5.4.1-1", "C8075-5.4.2-1", "S-30")
@pytest.mark.parametrize("form", TEMPLATES)
def test_each_form_names_the_same_resource(gateway, form):
    pair = WebPair(gateway)
    for path, query, segments, arguments in URIS:
        if form == "pairs" and "&" in query:
            continue  # the template cannot carry it
        pair.client.send("GET", target_of(form, pair.device, path, query))
        up = pair.device.recv()
        assert names(up) == (segments, arguments), (path, query)
        assert pair.answer(up, payload=b"ok").body == b"ok"


@pytest.mark.covers("C8075-5.3-3", "S-30")
@pytest.mark.parametrize("form", ["default", "query", "parts", "absolute"])
def test_dot_segments_are_the_targets_own(gateway, form):
    """They are resolved in the URI of the resource (RFC 7252 6.4, RFC 3986 5.2.4), never in the hosting URI around it."""
    pair = WebPair(gateway)
    for path, segments in (("/a/../b", [b"b"]), ("/./c", [b"c"]), ("/../../../x", [b"x"]), ("/a/%2E%2E/b", None)):
        pair.client.send("GET", target_of(form, pair.device, path))
        up = pair.device.recv()
        assert names(up)[0] == segments or segments is None and up.all(URI_PATH)[-1] == b"b"
        assert pair.answer(up).status == 200


@pytest.mark.covers("C8075-5.3-4")
def test_the_query_behind_the_target_is_the_targets(gateway):
    """In the path and in the query of the hosting URI alike; a further "?" is part of it."""
    pair = WebPair(gateway)
    for form, query in itertools.product(("default", "query"), ("?a&b", "?a?b&c=?d", "?")):
        pair.client.send("GET", target_of(form, pair.device, "/l", query))
        up = pair.device.recv()
        assert up.all(URI_QUERY) == query[1:].encode().split(b"&")
        pair.answer(up)


@pytest.mark.covers("C8075-5.4-1")
def test_a_coded_value_is_decoded_once(gateway):
    pair = WebPair(gateway)
    coded = pair.device.url.replace(":", "%3A").replace("/", "%2F") + "%2Fa%2525%3Fx%26y"
    pair.client.send("GET", "/coded?uri=%s&v=1" % coded)
    assert names(pair.device.recv()) == ([b"a%"], [b"x", b"y"])


@pytest.mark.covers("C8075-5.3.2-1")
@pytest.mark.parametrize("form,brackets", [
    *itertools.product(["default", "query", "parts", "default-scheme"], ["[]", "%5B %5D", "%5b %5d"]), ("absolute", "[]")])
def test_brackets_of_an_address(gateway, form, brackets):
    first, last = brackets.split() if " " in brackets else brackets
    pair = WebPair(gateway, device=gateway.device("::1"))
    target = target_of(form, pair.device, "/light%5B1%5D", "?on%5D").replace("[", first).replace("]:", last + ":")
    pair.client.send("GET", target)
    up = pair.device.recv()
    assert names(up) == ([b"light[1]"], [b"on]"])
    assert pair.answer(up).status == 200


# What stands where a target should be and is none: never a request to a device.
BROKEN = [
    ("/hc/coap:/127.0.0.1/p", 400), ("/hc/coap://", 400), ("/hc/coap:///p", 400), ("/hc/coap://127.0.0.1:0/p", 400),
    ("/hc/coap://127.0.0.1:70000/p", 400), ("/hc/coap://127.0.0.1/%zz", 400), ("/hc/coap://user@127.0.0.1/p", 400),
    ("/hc/coap://127.0.0.1/p%", 400), ("/hc/coap://[::1/p", 400), ("/hc/coap://a..b%00/p", 400), ("/hc/http://127.0.0.1/p", 400),
    ("/hc/ftp://127.0.0.1/p", 400), ("/hc/", 400), ("/q?target_uri=", 400), ("/e/coap//p", 400), ("/f?s=coap&hp=&p=/x&q=", 400),
    ("/hc/coap://" + "a" * 64 + ".example/" + "b" * 256, 400),
    ("/nowhere/coap://127.0.0.1/p", 404), ("/", 404), ("/HC/coap://127.0.0.1/p", 404), ("//hc/coap://127.0.0.1/p", 404),
    ("/lamp/", 404), ("/lamp?", 404), ("/lamp?x", 404), ("/x/../lamp", 404), ("/%6Camp", 404), ("/f?s=coap&hp=127.0.0.1&p=/x", 404),
    ("coap://10.1.2.3/p", 501), ("coaps://127.0.0.1/p", 501), ("coap+tcp://127.0.0.1/p", 501), ("coap+ws://127.0.0.1/p", 501),
    ("coap:///p", 400), ("COAP://127.0.0.1:0/p", 400),
    # in absolute-form: what is no authority, or hides a path in what is none
    ("http:///lamp", 400), ("http://", 400), ("https://", 400), ("http://user@gw.example/lamp", 400), ("http://gw.example:x/lamp", 400),
    ("http://gw.example\\/lamp", 400), ("http://[::1/lamp", 400), ("http://gw.example?/lamp", 404),
    ("http://gw.example?x=/hc/coap://127.0.0.1/p", 404), ("http://gw.example", 404), ("http:/gw.example/lamp", 404),
    ("ftp://gw.example/lamp", 404), ("http://gw.example//lamp", 404),
]


@pytest.mark.covers("C8075-5.3-3")
@pytest.mark.parametrize("target,status", BROKEN)
def test_what_is_no_target_is_refused(gateway, target, status):
    client = gateway.http_client()
    answer = client.ask("GET", target)
    assert answer.status == status, answer
    assert answer.get("content-type") == "text/plain;charset=utf-8" and answer.get("cache-control") == "no-store"
    assert client.ask("GET", "/.well-known/core").status == 200, "the connection goes on"


@pytest.mark.covers("C8075-5.3.1-1")
def test_a_target_without_scheme(gateway):
    """Refused without a default scheme, taken with one."""
    pair = WebPair(gateway)
    authority = pair.device.url[len("coap://"):]
    for target in ("/hc/%s/p" % authority, "/q?target_uri=%s/p" % authority):
        answer = pair.client.ask("GET", target)
        assert answer.status == 400 and b"scheme" in answer.body.lower()
    pair.device.quiet()
    pair.client.send("GET", "/d/%s/p" % authority)
    assert pair.answer(pair.device.recv()).status == 200
    pair.client.send("GET", "/d/%s/p" % pair.device.url)
    assert pair.answer(pair.device.recv()).status == 200


@pytest.mark.covers("C8075-5.2-1")
def test_null_mapping(gateway):
    """One request target is one resource; which one may depend on the Host field."""
    lamp, hosted = gateway.device(LAMP, LAMP_PORT), gateway.device(HOSTED, LAMP_PORT)
    client = gateway.http_client()
    for host, device, path in (("gw.example", lamp, [b"room", b"light"]), ("other.example", hosted, [b"light"]),
                               ("OTHER.example:80", hosted, [b"light"]), ("gw.example", lamp, [b"room", b"light"])):
        client.send("PUT", "/lamp", [("Content-Type", "text/plain;charset=utf-8")], b"on", host=host)
        up = device.recv()
        assert (up.code, up.all(URI_PATH), up.payload) == (coap.PUT, path, b"on")
        assert not up.has(URI_QUERY)
        device.piggyback(up, coap.CHANGED)
        assert client.recv().status == 204


@pytest.mark.covers("C8075-2-1")
def test_absolute_form_of_http_names_this_gateway(gateway):
    """RFC 9112 3.2.2: what a client sends to a proxy names a server's own resource all the same; the authority counts, not Host."""
    hosted = gateway.device(HOSTED, LAMP_PORT)
    client = gateway.http_client()
    client.send("GET", "http://other.example/lamp", host="gw.example")
    hosted.piggyback(hosted.recv(), payload=b"on")
    assert client.recv().body == b"on"
    pair = WebPair(gateway, "HTTP://gw.example/hc/%s%s", client=client)
    assert pair.exchange()[1].status == 200
    assert client.ask("GET", "http://gw.example").status == 404


METHODS = {"GET": coap.GET, "HEAD": coap.GET, "POST": coap.POST, "PUT": coap.PUT, "DELETE": coap.DELETE, "FETCH": coap.FETCH,
           "PATCH": coap.PATCH, "iPATCH": coap.IPATCH}


@pytest.mark.covers("C7252-10.2.3-1", "C7252-10.2.1-1")
@pytest.mark.parametrize("form", ["/hc/%s%s", "%s%s"])
@pytest.mark.parametrize("method", METHODS)
def test_methods(gateway, form, method):
    pair = WebPair(gateway, form)
    carries = METHODS[method] not in (coap.GET, coap.DELETE)
    up = pair.forward(method, fields=[("Content-Type", "application/cbor")] if carries else (), body=b"\xa0" if carries else None)
    assert up.code == METHODS[method]
    assert (up.payload, up.uint(coap.CONTENT_FORMAT)) == ((b"\xa0", 60) if carries else (b"", None))
    code = {"PUT": coap.CHANGED, "POST": coap.CHANGED, "PATCH": coap.CHANGED, "iPATCH": coap.CHANGED, "DELETE": coap.DELETED}
    answer = pair.answer(up, code.get(method, coap.CONTENT), payload=b"what there is")
    assert answer.status == 200
    assert answer.body == (b"" if method == "HEAD" else b"what there is")
    assert answer.get("content-length") == "13"
    assert pair.exchange(path="/next", answer_payload=b"1")[1].body == b"1"


@pytest.mark.covers("C7252-10.2.1-1")
@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND", "QUERY", "IPATCH", "A" * 60, "M-SEARCH"])
def test_methods_that_coap_has_not(web, method):
    targets = [web.target()] if method != "CONNECT" else ["gw.example:443"]
    for target in targets + (["*"] if method == "OPTIONS" else []):
        answer = web.client.ask(method, target)
        assert answer.status == 501, answer
        assert answer.reason == "Not Implemented"
    web.device.quiet()
    if not answer.closes:
        assert web.exchange()[1].status == 200


@pytest.mark.covers("C7252-10.2.3-1")
def test_head_is_get_without_content(web):
    """The same fields, the length included, and no body; of a long content only a small block is fetched."""
    options = [(coap.ETAG, b"\x01"), (coap.CONTENT_FORMAT, 60), (coap.MAX_AGE, 7)]
    _, get = web.exchange(answer_options=options, answer_payload=b"12345")
    up, head = web.exchange("HEAD", answer_options=options, answer_payload=b"12345")
    assert coap.block_parts(up.first(coap.BLOCK2))[2] < 6
    assert [f for f in head.fields if f[0] != "Date"] == [f for f in get.fields if f[0] != "Date"]
    up = web.forward("HEAD")
    long = web.answer(up, options=options + [(coap.BLOCK2, coap.block(0, True, coap.block_parts(up.first(coap.BLOCK2))[2])),
                                             (coap.SIZE2, 4711)], payload=b"x" * 64)
    assert long.status == 200 and long.get("content-length") in ("4711", None)
    web.device.quiet()
    assert web.exchange()[1].status == 200


def test_pipelined_requests_are_answered_in_order(gateway):
    """Three requests in one segment; the devices answer in any order, the answers come in that of the requests."""
    pair, other = WebPair(gateway), gateway.device()
    lines = ["GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % ("/hc/%s/%d" % (d.url, i)) for i, d in enumerate((pair.device, other, pair.device))]
    pair.client.send_raw("".join(lines).encode())
    for i, device in enumerate((pair.device, other, pair.device)):
        up = device.recv()
        assert up.all(URI_PATH) == [b"%d" % i]
        device.piggyback(up, payload=b"%d" % i)
        assert pair.client.recv().body == b"%d" % i
    pair.client.quiet()


def test_a_name_is_looked_up_and_stays_the_host(start, tmp_path):
    """Uri-Host and Uri-Port as the target says; the name is the device's business too (RFC 7252 6.4)."""
    dns = NameServer()
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver %s:%d\n" % (dns.host, dns.port))
    routes = 'n: { %s http-path = "/hc/{+tu}"; forward-to = ["coap://*.example:*"]; };' % ANYBODY
    proxy = start(routes=routes, sections='upstream: { resolv-conf = "%s"; };' % file, web="")
    client, device = proxy.http_client(), proxy.device()
    try:
        client.send("GET", "/hc/coap://DEV%%31.Example:%d/p" % device.port)
        proxy.settle()
        dns.serve({"dev1.example": [device.host]})
        up = device.recv()
        assert up.all(URI_HOST) == [b"dev1.example"] and up.all(URI_PATH) == [b"p"] and not up.has(URI_PORT)
        device.piggyback(up)
        assert client.recv().status == 200
        client.send("GET", "/hc/coap://gone.example/p")
        proxy.settle()
        dns.serve({})
        answer = client.recv()
        assert (answer.status, answer.text) == (502, "Name did not resolve")
    finally:
        dns.close()


@pytest.mark.covers("C8075-5.3-2", "C8075-10.4-1")
def test_without_a_route_there_is_no_mapping(start):
    """Nothing is reached by default: neither /hc/ nor a target of its own."""
    proxy = start(routes='c: { from = ["coap"]; to = ["coap://127.0.0.1:1"]; };', web="")
    pair = WebPair(proxy)
    assert pair.refused().status == 404
    assert pair.client.ask("GET", pair.device.url + "/p").status == 501
    assert pair.client.ask("GET", "/.well-known/core").status == 200
    pair.device.quiet()


@pytest.mark.covers("C8075-4-1")
def test_methods_of_a_route(start):
    """Read-only by configuration: 405 with Allow, which says what is left."""
    proxy = start(routes='r: { %s http-path = "/hc/{+tu}"; methods = ["GET", "FETCH"]; %s };' % (ANYBODY, DEVICES), web="")
    pair = WebPair(proxy)
    for method in ("PUT", "POST", "DELETE", "PATCH", "iPATCH"):
        body = None if method == "DELETE" else b"x"
        answer = pair.refused(method, fields=[("Content-Type", "application/octet-stream")], body=body)
        assert (answer.status, answer.reason) == (405, "Method Not Allowed")
        assert answer.get("allow").replace(" ", "").split(",") == ["GET", "HEAD", "FETCH"]
    for method in ("GET", "HEAD"):
        assert pair.exchange(method)[1].status == 200
    assert pair.exchange("FETCH", fields=[("Content-Type", "application/cbor")], body=b"\x00")[1].status == 200


@pytest.mark.covers("C8075-5.4.2-2")
@pytest.mark.parametrize("template", ["/{+p}{+hp}", "/hc/{+tu}{+p}", "/{+s}{+hp}", "/hc/{+p}{+q}{+hp}", "/hc/{+tu}/{+tu}", "/in/{+tu}/out",
                                      "/{+q}{+qq}", "/{x}"])
def test_templates_that_cannot_be_inverted(tmp_path, template):
    file = tmp_path / "conf"
    file.write_text('listeners: { web: { url = "http://127.0.0.1:8080"; }; };\n'
                    'routes: { r: { http-path = "%s"; authenticate = "none"; forward-to = ["coap://*"]; }; };\n' % template)
    status, _, errors = run_proxy("-t", "-c", file)
    assert status != 0 and "conf:2: routes.r.http-path" in errors, errors


@pytest.mark.covers("C8075-10.3-3", "C8075-10.3-1", "C7252-10.2-1")
def test_coaps_needs_a_policy(gateway):
    """A target of coaps is never asked as if it were coap."""
    pair = WebPair(gateway)
    for scheme in ("coaps", "coap+tcp", "coaps+tcp", "coap+ws", "coaps+ws"):
        answer = pair.client.ask("GET", "/hc/%s/p" % pair.device.url.replace("coap:", scheme + ":"))
        assert answer.status == 501, answer
    pair.device.quiet()


@pytest.mark.covers("C8075-8.4-1", "C8075-10.1-1", "C8075-10.2-1", "C8075-10.4-1")
def test_groups_are_refused(start, tmp_path):
    """By address and by a name that turns out to be one: 403."""
    dns = NameServer()
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver %s:%d\n" % (dns.host, dns.port))
    proxy = start(routes='all: { %s http-path = "/hc/{+tu}"; forward-to = ["coap://*:*"]; };' % ANYBODY,
                  sections='upstream: { resolv-conf = "%s"; };' % file, web="")
    client = proxy.http_client()
    try:
        for authority in ("224.0.1.187", "[ff02::fd%25lo]", "[ff02::fd]", "[FF05::FD]:61616", "[::ffff:224.0.1.187]", "239.1.2.3:5683",
                          "255.255.255.255"):
            answer = client.ask("GET", "/hc/coap://%s/p" % authority)
            assert answer.status in (403, 400 if "%25" in authority else 403), (authority, answer)
        for name, address in (("all.example", "ff02::fd"), ("four.example", "224.0.1.187")):
            client.send("GET", "/hc/coap://%s/p" % name)
            proxy.settle()
            dns.serve({name: [address]})
            assert client.recv().status == 403
    finally:
        dns.close()


def test_own_addresses_are_no_targets(start):
    """Neither the gateway's listeners nor the host's loopback, unless a route allows them."""
    routes = 'all: { from = ["web"]; authenticate = "none"; http-path = "/hc/{+tu}"; forward-to = ["coap://*:*"]; };'
    proxy = start(routes=routes + DEFAULT_ROUTE, web="")
    client = proxy.http_client()
    for target in ("127.0.0.1:%d" % proxy.port, "127.0.0.1:5683", "[::1]", "0.0.0.0", "[::]", "169.254.1.1", "[::ffff:127.0.0.1]"):
        answer = client.ask("GET", "/hc/coap://%s/p" % target)
        assert (answer.status, answer.text) == (403, "Target address not allowed"), target


@pytest.mark.covers("C7252-10.2-1")
def test_unwilling_silent_and_unintelligible(gateway):
    """RFC 7252 10.2: 501, 504, 502."""
    pair = WebPair(gateway)
    assert pair.client.ask("GET", "coap://10.9.8.7/p").status == 501
    up = pair.forward()
    assert pair.answer(up, options=[(65003, b"")]).status == 502
    pair.send()
    pair.device.recv()
    gateway.advance(94_000)
    assert pair.client.recv().status == 504


def test_a_long_target(gateway):
    """As long as a URI may be (RFC 7252 5.10.2) it goes on; longer it is refused, not cut."""
    pair = WebPair(gateway)
    path = "".join("/" + c * 200 for c in "abcd")
    up = pair.forward(path=path)
    assert up.all(URI_PATH) == [c.encode() * 200 for c in "abcd"]
    pair.answer(up)
    for path, status in ((path + path, 400), ("/" + "b" * 256, 400), ("/a" * 500, 400), ("/" + "b" * 9000, 414)):
        answer = pair.client.ask("GET", pair.target(path))
        assert answer.status == status, path
    pair.device.quiet()


def test_three_workers_and_every_form(tmp_path):
    """Which worker takes the connection makes no difference."""
    proxy = Proxy(tmp_path, routes=ROUTES, web="", sections='process: { workers = 3; user = ""; };')
    try:
        device = proxy.device()
        for i, form in itertools.product(range(4), TEMPLATES):
            pair = WebPair(proxy, device=device)
            pair.client.send("GET", target_of(form, device, "/%d" % i))
            up = device.recv()
            assert names(up) == ([b"%d" % i], [])
            assert pair.answer(up).status == 200
    finally:
        proxy.stop()
