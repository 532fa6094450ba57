"""Clients' sessions as origins: devices behind NAT that are asked by their name, over CoAP and HTTP; absence, waiting, replacement, signs of life."""

import pytest

import coap
import house
from coap import CON, GET, NON, POST, PUT, RST, Message
from coap_stream import RELEASE
from devices import gateway, over_dtls, over_tls, prepare
from harness import free_port
from test_faults_homes import kill
from test_http_identity import bearer, credentials  # noqa: F401
from test_https import Files
from web_socket import WebSocket

ROUTES = """
  one:  { from = ["coap"]; hosts = ["one"]; to = ["session:meter-1"]; };
  late: { from = ["coap"]; hosts = ["late"]; to = ["session:meter-3"]; wait-for-session = "30s"; };
  each: { from = ["coap"]; hosts = ["meter-1", "meter-2", "meter-3"]; to = ["session:*"]; };
  web1: { from = ["web"]; http-path = "/one"; to = ["session:meter-1"]; authenticate = "none"; };
  web3: { from = ["web"]; http-path = "/late"; to = ["session:meter-3"]; wait-for-session = "20s"; authenticate = "none"; };
  webs: { from = ["web"]; http-path = "/meters/{+hp}{+p}{+qq}"; default-scheme = "coap"; to = ["session:*"]; authenticate = "none"; };
  up:   { from = ["dtls", "tls"]; hosts = ["up.example"]; to = ["coap://%(device)s:5683"]; allow-networks = ["127.0.0.0/8"]; };
"""
BOTH = [over_dtls, over_tls]
IDS = ["dtls", "tls"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return prepare(Files(tmp_path_factory.mktemp("made")))


def begin(directory, files, **kw):
    gw = gateway(directory, files, ROUTES, **kw)
    gw.files = files
    return gw


def request(host="one", code=GET, path="3/0", options=(), payload=b"", type=CON):
    return Message(code, type, options=[(coap.URI_HOST, host)] + [(coap.URI_PATH, p) for p in path.split("/")] + list(options), payload=payload)


# ---- asked ----


@pytest.mark.covers("S-18")
@pytest.mark.parametrize("come", BOTH, ids=IDS)
def test_a_device_is_asked_over_its_own_session(gw, come):
    device, client = come(gw, "meter-1"), gw.client()
    tokens = set()
    for n in range(10):
        sent = client.send(request(code=PUT, options=[(coap.URI_QUERY, "n=%d" % n)], payload=b"x" * n, type=CON if n % 2 else NON))
        got = device.asked()
        assert (got.code, got.payload, got.all(coap.URI_PATH)) == (PUT, b"x" * n, [b"3", b"0"])
        assert got.all(coap.URI_QUERY) == [b"n=%d" % n] and not got.has(coap.URI_HOST)
        assert got.token not in tokens and got.token != sent.token
        tokens.add(got.token)
        device.answer(got, coap.CHANGED, payload=b"done %d" % n)
        down = client.recv()
        assert (down.code, down.token, down.payload) == (coap.CHANGED, sent.token, b"done %d" % n)


@pytest.mark.parametrize("come", BOTH, ids=IDS)
def test_an_oscore_request_passes_as_it_is(gw, come):
    device, client = come(gw, "meter-1"), gw.client()
    sent = client.send(Message(POST, options=[(coap.URI_HOST, "one"), (coap.OSCORE, b"\x09\x07\x25")], payload=b"sealed"))
    got = device.asked()
    assert (got.code, got.first(coap.OSCORE), got.payload) == (POST, b"\x09\x07\x25", b"sealed")
    device.answer(got, coap.CHANGED, [(coap.OSCORE, b"")], b"sealed too")
    down = client.recv()
    assert (down.token, down.first(coap.OSCORE), down.payload) == (sent.token, b"", b"sealed too")


@pytest.mark.parametrize("come", BOTH, ids=IDS)
def test_it_asks_while_it_is_asked(gw, come):
    device, client, server = come(gw, "meter-1"), gw.client(), gw.device(gw.device_host, 5683)
    mine = device.begin(Message(GET, options=[(coap.URI_HOST, "up.example"), (coap.URI_PATH, "time")]))
    up = server.recv()
    client.send(request())
    got = device.asked()
    server.answer(up, payload=b"noon")
    assert device.got(mine).payload == b"noon"
    device.answer(got, payload=b"cold")
    assert client.recv().payload == b"cold"
    device.quiet()


def test_the_host_may_be_the_name(gw):
    devices = {name: come(gw, name) for name, come in (("meter-1", over_dtls), ("meter-2", over_tls), ("meter-3", over_dtls))}
    client = gw.client()
    for name, device in devices.items():
        client.send(request(name.upper()))
        device.answer(device.asked(), payload=name.encode())
        assert client.recv().payload == name.encode()


@pytest.mark.parametrize("come", BOTH, ids=IDS)
def test_over_http(gw, come):
    device, web = come(gw, "meter-2"), gw.http_client()
    web.send("GET", "/meters/meter-2/3/0?a=1")
    got = device.asked()
    assert (got.code, got.all(coap.URI_PATH), got.all(coap.URI_QUERY)) == (GET, [b"3", b"0"], [b"a=1"])
    assert not got.has(coap.URI_HOST) and not got.has(coap.PROXY_URI) and not got.has(coap.PROXY_SCHEME)
    device.answer(got, options=[(coap.CONTENT_FORMAT, 0)], payload=b"17 C")
    answer = web.recv()
    assert (answer.status, answer.body) == (200, b"17 C")


@pytest.mark.parametrize("come", BOTH, ids=IDS)
def test_a_body_over_http(gw, come):
    """In blocks where the session is of datagrams; whatever the way, it arrives whole."""
    device, web = come(gw, "meter-2"), gw.http_client()
    body = bytes(range(250)) * 12
    web.send("PUT", "/meters/meter-2/fw", [("Content-Type", "application/octet-stream")], body)
    taken, more = b"", True
    while more:
        got = device.asked()
        taken += got.payload
        block = got.first(coap.BLOCK1)
        more = bool(block and block[-1] & 8)
        device.answer(got, coap.code("2.31") if more else coap.CHANGED, [(coap.BLOCK1, block)] if block is not None else [])
    assert taken == body
    assert web.recv().status == 204


@pytest.mark.parametrize("come", BOTH, ids=IDS)
def test_it_is_observed_until_its_session_ends(gw, come):
    device, client = come(gw, "meter-1"), gw.client()
    sent = client.send(request(options=[(coap.OBSERVE, b"")]))
    got = device.asked()
    assert got.has(coap.OBSERVE)
    device.answer(got, options=[(coap.OBSERVE, 1)], payload=b"0")
    assert client.recv().has(coap.OBSERVE)
    for n in range(1, 4):
        device.notify(got, [(coap.OBSERVE, n + 1)], b"%d" % n)
        down = client.recv()
        assert (down.token, down.payload) == (sent.token, b"%d" % n) and down.has(coap.OBSERVE)
    if device.reliable:
        device.end.close()
    else:
        device.end.goodbye()
    last = client.recv()
    assert last.code == coap.code("5.04") and not last.has(coap.OBSERVE) and last.type == CON
    client.ack(last)


def test_a_token_names_a_websocket(start, credentials):  # noqa: F811
    """Who has said who he is when he asked for a WebSocket is asked over it."""
    routes = 'phone: { from = ["coap"]; hosts = ["phone"]; to = ["session:alice"]; };'
    port = free_port()
    gw = start(routes=routes, sections=credentials, web="", listeners='coap: { url = "coap://127.0.0.1:%d"; };' % port, port=port)
    client, sockets = gw.client(), []
    for name in (None, "alice"):
        sockets.append(WebSocket(gw.http_client(), more=bearer(name)))
        sockets[-1].open()
        gw.settle()
        if name is None:
            assert client.ask(request("phone")).code == coap.code("5.03")
    client.send(request("phone"))
    asked = sockets[1].recv()
    assert (asked.code, asked.all(coap.URI_PATH)) == (GET, [b"3", b"0"])
    sockets[1].answer(asked, payload=b"here")
    assert client.recv().payload == b"here"


# ---- nobody there ----


def test_nobody_of_the_name_is_there(gw):
    client, web = gw.client(), gw.http_client()
    down = client.ask(request())
    assert down.code == coap.code("5.03") and down.uint(coap.MAX_AGE) > 0 and down.payload == b"Not connected now"
    web.send("GET", "/one")
    answer = web.recv()
    assert answer.status == 503 and int(answer.get("retry-after")) > 0
    before = over_dtls(gw, "meter-1")
    before.end.goodbye()
    assert client.ask(request()).code == coap.code("5.03")


@pytest.mark.parametrize("come", BOTH, ids=IDS)
def test_requests_wait_for_the_session(gw, come):
    client, web = gw.client(), gw.http_client()
    sent = client.send(request("late"))
    web.send("GET", "/late")
    gw.settle()
    gw.advance(10_000)
    assert client.recv().code == 0 # an Empty ACK
    other = come(gw, "meter-1")
    other.quiet()
    device = come(gw, "meter-3")
    for _ in range(2):
        got = device.asked()
        device.answer(got, options=[(coap.CONTENT_FORMAT, 0)], payload=b"at last")
    down = client.recv()
    assert (down.token, down.payload) == (sent.token, b"at last")
    client.ack(down)
    assert web.recv().body == b"at last"


def test_but_not_for_ever(gw):
    client, web = gw.client(), gw.http_client()
    client.send(request("late", type=NON))
    web.send("GET", "/late")
    gw.settle()
    gw.advance(21_000)
    answer = web.recv()
    assert answer.status == 503 and answer.get("retry-after")
    client.quiet()
    gw.advance(10_000)
    assert client.recv().code == coap.code("5.03")


# ---- the newest counts ----


@pytest.mark.parametrize("first", BOTH, ids=IDS)
@pytest.mark.parametrize("second", BOTH, ids=IDS)
def test_the_newest_session_of_a_name_counts(gw, first, second):
    old, client = first(gw, "meter-1"), gw.client()
    client.send(request())
    old.answer(old.asked(), payload=b"old")
    assert client.recv().payload == b"old"
    new = second(gw, "meter-1")
    gw.advance(500)
    if old.reliable:
        old.end.recv_signal(RELEASE)
    else:
        old.end.settle()
        assert any(why == "closed" for _, why in old.end.lost), old.end.lost
    client.send(request())
    new.answer(new.asked(), payload=b"new")
    assert client.recv().payload == b"new"


# ---- signs of life ----


def test_keepalive(own):
    """Of sessions of datagrams; connections have Pings of their own (test_streams.py)."""
    gw = own(listener='keepalive = "20s";')
    device = over_dtls(gw, "meter-1")
    gw.advance(19_000)
    assert not device.end.pending()
    gw.advance(2_000)
    ping = device.end.recv()
    assert (ping.type, ping.code, ping.token) == (CON, 0, b"")
    device.end.send_raw(coap.empty(RST, ping.mid), gw.secure)
    gw.settle()
    assert gw.counters()["keepalive_pings"] == 1
    # a device that is not there any more has no session any more
    gw.advance(250_000)
    assert gw.counters()["sessions_silent"] == 1
    client = gw.client()
    assert client.ask(request()).code == coap.code("5.03")


# ---- workers ----


@pytest.mark.parametrize("come", BOTH, ids=IDS)
def test_its_worker_dies(own, come):
    """Whoever asks is told, wherever he is; the device comes again, and is found again."""
    gw = own(sections=house.THREE % "")
    come(gw, "meter-1")
    for number in range(3):
        clients = [gw.client() for _ in range(9)]
        for client in clients:
            client.send(request(type=NON))
        gw.settle()
        kill(gw, number)
        codes = {m.code for client in clients for m in client.pending()}
        if codes: # else it was another one
            break
    assert codes and codes <= {coap.code("5.04"), coap.code("5.03")}
    client = gw.client()
    assert client.ask(request(type=NON)).code == coap.code("5.03")
    device = come(gw, "meter-1")
    client.send(request(type=NON))
    device.answer(device.asked(), payload=b"again")
    assert client.recv().payload == b"again"
