"""Errors that the gateway makes for HTTP: one test for each row of base/errors.h that a request over HTTP runs into, by its status, its
text, its counter and its line in the log."""

import hashlib
import re

import coap
import pytest
from harness import ANYBODY, WEB_ROUTES, NameServer, fresh_address, free_port
from house import reload
from http_client import WebPair, proxy_header, request_bytes
from test_errors import HEADER

ROW = re.compile(r'X\((ERR_\w+),\s*(\w+),\s*COAP_CODE\(\d+,\s*\d+\),\s*COAP_CODE\(\d+,\s*\d+\),\s*(\d+),\s*"(\w+)",\s*"([^"]*)"\)')
TABLE = {m[0]: dict(kind=m[1], status=int(m[2]), counter=m[3], text=m[4]) for m in ROW.findall(HEADER.read_text())}
# A message of CoAP can be wrong in ways in which none is that the gateway makes of HTTP.
OF_COAP = {"ERR_BAD_OPTION", "ERR_BLOCK_SIZE", "ERR_HOP_LIMIT_VALUE", "ERR_METHOD_UNKNOWN", "ERR_TOKEN_LENGTH", "ERR_CHALLENGE",
           "ERR_HOP_LIMIT",
           "ERR_DUPLICATES_FULL", "ERR_BODY_INCOMPLETE", "ERR_RESPONSE_FORMAT"}
# The same whoever asks, and long to wait for: test_errors.py; where processes end: test_crossing.py; who drains takes no further request.
ELSEWHERE = {"ERR_MESSAGE_IDS", "ERR_ORIGIN_LOST", "ERR_LOST_UNSENT", "ERR_LOST_SENT", "ERR_DRAINING", "ERR_INTERNAL",
             "ERR_RETURN_PORTS"}
OF_READING = {name for name in TABLE if name.startswith("ERR_READ")}  # by test_reading and the simulations of gates
SECRET = "s3cret-of-alice"
OWN_TEXT = {"ERR_BAD_REQUEST", "ERR_MEDIA_TYPE", "ERR_HALF_OSCORE", "ERR_LOOP", "ERR_HTTP_METHOD"}  # what exactly is wrong is told


def begin(w, routes=WEB_ROUTES, **kw):
    return WebPair(w.start(routes=routes, web="", **kw))


def plain(method="GET", fields=(), body=None, target=None):
    """A row that a request alone runs into."""
    def run(w):
        pair = begin(w)
        return pair, pair.client.ask(method, target or pair.target(), fields, body)
    return run


def route(settings, method="GET", fields=(), path="/hc/{+tu}", **kw):
    """A row that a setting of the route leads to."""
    def run(w):
        pair = begin(w, 'r: { %s http-path = "%s"; forward-to = ["coap://127.0.0.0/8:*"]; %s };' % (ANYBODY, path, settings), **kw)
        return pair, pair.refused(method, fields=fields)
    return run


def named(identities):
    def run(w):
        file = w.tmp_path / "credentials"
        file.write_text("bearer alice %s\n" % hashlib.sha256(SECRET.encode()).hexdigest())
        file.chmod(0o600)
        pair = begin(w, 'r: { from = ["web"]; http-path = "/hc/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; identities = ["bob"]; };',
                     sections='http: { credentials = "%s"; };' % file)
        return pair, pair.refused(fields=[("Authorization", "Bearer " + SECRET)] if identities else ())
    return run


def bare(w):
    """A client of plain http asks for what is secured."""
    keys = w.tmp_path / "psk"
    keys.write_text("gw:000102030405060708090a0b0c0d0e0f\n")
    keys.chmod(0o600)
    pair = begin(w, 'r: { from = ["web"]; authenticate = "none"; http-path = "/hc/{+tu}"; forward-to = ["coaps://*:*"]; origin-identity = "gw"; };',
                 sections='upstream: { psk-file = "%s"; };' % keys)
    return pair, pair.client.ask("GET", pair.target().replace("coap:", "coaps:"))


def address(w):
    pair = begin(w, 'r: { from = ["web"]; authenticate = "none"; http-path = "/hc/{+tu}"; forward-to = ["coap://*:*"]; };')
    return pair, pair.refused()


def slow(w):
    pair = begin(w)
    pair.client.send_raw(request_bytes("POST", pair.target(), [("Content-Length", "10")]) + b"abc")
    pair.proxy.settle()
    pair.proxy.advance(31_000)
    return pair, pair.client.recv()


def too_large(w):
    pair = begin(w, sections='http: { body-limit = "1kB"; };')
    return pair, pair.refused("POST", body=b"x" * 1001)


def full(limits, same_device):
    """Two requests that stay under way, then one too many."""
    def run(w):
        first = begin(w, sections="limits: { %s };" % limits)
        for _ in range(2):
            WebPair(first.proxy, device=first.device).send()
            first.device.ack(first.device.recv())
        pair = WebPair(first.proxy, device=first.device if same_device else None)
        return pair, pair.refused()
    return run


def client_limit(w):
    """A connection has one request under way; a proxy in front may name one client for several."""
    proxy = w.start(routes='r: { %s http-path = "/hc/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; client-exchanges = 1; };' % ANYBODY,
                    web='proxy-protocol = true; trusted-proxies = ["127.0.0.0/8"];', sections='process: { workers = 1; user = ""; };')
    first = WebPair(proxy, prefix=proxy_header("10.0.0.1", 4000))
    first.send()
    first.device.ack(first.device.recv())
    pair = WebPair(proxy, device=first.device, prefix=proxy_header("10.0.0.1", 4000))
    return pair, pair.refused()


def resting(w):
    addresses, port = [fresh_address(), fresh_address()], free_port()
    proxy = w.start(routes='r: { %s http-path = "/r"; to = ["coap://%s:%d", "coap://%s:%d"]; };' % (ANYBODY, addresses[0], port,
                                                                                                    addresses[1], port),
                    web="")
    client = proxy.http_client()
    for _ in range(6):
        answer = client.ask("GET", "/r")
        if answer.status == 503:
            break
    return WebPair(proxy, client=client), answer


def silent(w):
    pair = begin(w)
    pair.send()
    pair.proxy.settle()
    pair.proxy.advance(94_000)
    return pair, pair.client.recv()


def reset(w):
    pair = begin(w)
    pair.send()
    pair.device.reset(pair.device.recv())
    return pair, pair.client.recv()


def unreachable(w):
    pair = begin(w)
    pair.device.close()
    pair.proxy.peers.remove(pair.device)
    pair.send()
    return pair, pair.client.recv()


def name(w):
    w.dns = dns = NameServer()
    file = w.tmp_path / "resolv.conf"
    file.write_text("nameserver %s:%d\n" % (dns.host, dns.port))
    pair = begin(w, 'n: { %s http-path = "/hc/{+tu}"; forward-to = ["coap://*.example:*"]; };' % ANYBODY,
                 sections='upstream: { resolv-conf = "%s"; };' % file)
    pair.client.send("GET", "/hc/coap://gone.example/p")
    pair.proxy.settle()
    dns.serve({})
    return pair, pair.client.recv()


def answered(options=(), payload=b"", **kw):
    def run(w):
        pair = begin(w, **kw)
        return pair, pair.exchange(answer_options=options, answer_payload=payload)[1]
    return run


def loop(w):
    pair = begin(w)
    return pair, pair.exchange(answer=coap.code("5.08"), answer_payload=b"other oscore-proxy")[1]


def session_absent(w):
    proxy = w.start(routes='r: { %s http-path = "/r"; to = ["session:meter-17"]; };' % ANYBODY, web="")
    client = proxy.http_client()
    return WebPair(proxy, client=client), client.ask("GET", "/r")


def withdrawn(w):
    """The route goes while the body is on its way."""
    pair = begin(w)
    pair.send("POST", body=b"x" * 3000)
    up = pair.device.recv()
    reload(pair.proxy, "/hc/", "/gone/", r"configuration in force \(generation 2\)")
    pair.device.piggyback(up, coap.CONTINUE, [(coap.BLOCK1, up.first(coap.BLOCK1))])
    return pair, pair.client.recv()


ROWS = {
    "ERR_BAD_REQUEST": plain(body=b"1"),
    "ERR_BAD_URI": plain(target="/hc/coap:///p"),
    "ERR_NO_ROUTE": plain(target="/nowhere"),
    "ERR_NO_ROUTE_FORWARD": plain(target="coap://127.0.0.1/p"),
    "ERR_SCHEME": plain(target="/hc/coaps://127.0.0.1/p"),
    "ERR_SCHEME_MISSING": plain(target="/hc/127.0.0.1/p"),
    "ERR_FORBIDDEN": route("deny = true;"),
    "ERR_ADDRESS": address,
    "ERR_METHOD": route('methods = ["GET"];', "DELETE"),
    "ERR_OSCORE_REQUIRED": route('require = ["oscore"];'),
    "ERR_CREDENTIALS": named(False),
    "ERR_IDENTITY": named(True),
    "ERR_BARE_HTTP": bare,
    "ERR_MEDIA_TYPE": plain("PUT", [("Content-Type", "video/mp4")], b"1"),
    "ERR_HALF_OSCORE": plain("POST", [("Content-Type", "application/oscore")], b"1"),
    "ERR_HTTP_METHOD": plain("OPTIONS"),
    "ERR_SENDER_SLOW": slow,
    "ERR_TOO_LARGE": too_large,
    "ERR_CLIENT_LIMIT": client_limit,
    "ERR_LOOP": loop,
    "ERR_ORIGIN_LIMIT": full("origin-exchanges = 2;", True),
    "ERR_ORIGIN_RESTING": resting,
    "ERR_ORIGIN_TIMEOUT": silent,
    "ERR_ORIGIN_RESET": reset,
    "ERR_UNREACHABLE": unreachable,
    "ERR_NAME": name,
    "ERR_BAD_RESPONSE": answered([(65003, b"")]),
    "ERR_RESPONSE_SIZE": answered([(coap.SIZE2, 70000), (coap.BLOCK2, coap.block(0, True, 6))], b"x" * 1024,
                                  sections='http: { body-limit = "1kB"; };'),
    "ERR_WITHDRAWN": withdrawn,
    "ERR_SESSION_ABSENT": session_absent,
    "ERR_OVERLOAD": full("exchanges = 2;", False),
}


class World:
    """What a row needs for its gateway."""

    def __init__(self, start, tmp_path):
        self.start, self.tmp_path, self.dns = start, tmp_path, None


def test_every_row_has_a_test():
    assert len(TABLE) > 35
    assert set(ROWS) | OF_COAP | ELSEWHERE | OF_READING == set(TABLE)


@pytest.mark.covers("C7252-10.2-1", "S-29")
@pytest.mark.parametrize("row", ROWS)
def test_row(start, tmp_path, row):
    expected, world = TABLE[row], World(start, tmp_path)
    try:
        pair, answer = ROWS[row](world)
    finally:
        if world.dns:
            world.dns.close()
    assert answer.status == expected["status"], answer
    assert answer.get("cache-control") == "no-store" and answer.get("content-type") == "text/plain;charset=utf-8"
    assert answer.text == expected["text"] or row in OWN_TEXT
    assert 0 < len(answer.text) <= 90 and answer.text.isprintable() and answer.text not in answer.reason
    assert "127." not in answer.text and answer.get("etag") is None
    assert pair.proxy.counters()[expected["counter"]] == 1
    assert re.search(r" info: worker \d: %s: .* at web, route (r|web|n|-), " % expected["counter"],
                     pair.proxy.explain()), pair.proxy.explain()
    assert answer.has("retry-after") == (answer.status in (429, 503))
    assert answer.has("www-authenticate") == (answer.status == 401)
    assert answer.has("allow") == (answer.status == 405)


def test_errors_are_told_to_head_without_their_text(web):
    """Status and fields as for GET, the length of the text, and nothing behind."""
    web.client.send("HEAD", "/nowhere")
    answer = web.client.recv()
    assert answer.status == 404 and int(answer.get("content-length")) > 0 and answer.body == b""
    assert web.exchange()[1].status == 200


def test_connection_goes_on_behind_each_refusal(web):
    """Also where the body of the refused request is still on its way."""
    for method, target, fields, body in (("POST", "/nowhere", (), b"x" * 30_000),
                                         ("PUT", web.target(), [("Content-Type", "video/mp4")], [b"x" * 5000] * 3),
                                         ("OPTIONS", web.target(), (), b"abc"), ("GET", "/hc/coap:///", (), None)):
        answer = web.client.ask(method, target, fields, body)
        assert answer.status in (404, 415, 501, 400) and not answer.closes
        assert web.exchange(answer_payload=b"on")[1].body == b"on"


def test_who_waits_for_continue_is_refused_at_once(web):
    """No 100, so that the body stays where it is; the connection ends, for nobody knows what follows."""
    web.client.send("POST", "/nowhere", [("Expect", "100-continue"), ("Content-Length", "1000")])
    answer = web.client.recv_head()
    assert answer.status == 404
    web.client.read_body(answer)
    assert answer.closes
    web.client.closed()
    web.device.quiet()


@pytest.mark.parametrize("gone", ["before", "after"])
def test_client_that_leaves_is_told_nothing(web, gone):
    up = web.forward()
    if gone == "before":
        web.client.close()
        web.proxy.settle()
    web.device.ack(up)
    web.client.close()
    web.device.separate(up, payload=b"1")
    assert [m.type for m in web.device.pending()] == [coap.ACK]
    assert web.proxy.state()["exchanges"] == 0
