"""WebSockets of CoAP on the listeners of HTTP: how a connection becomes one, and what is said over it."""

import coap
import pytest
import web_socket
from harness import Proxy, fresh_address, free_port
from house import reload
from http_client import request_bytes
from test_http_identity import bearer, credentials  # noqa: F401
from test_https import client_context, files, made  # noqa: F401
from web_socket import ABORT, CLOSE, CSM, PATH, PING, PONG, TEXT, WebSocket, upgrade_fields

LAMP, PORT = fresh_address(), free_port()
ROUTES = 'lamp: { from = ["web"]; hosts = "*"; to = ["coap://%s:%d"]; %%s };\n' % (LAMP, PORT)
OPEN = 'authenticate = "none";'


@pytest.fixture(params=["plain", "secure"])
def gateway_and_tls(request, start, files):  # noqa: F811
    """A gateway with one listener `web`, of HTTP or HTTPS, and what a client needs to speak to it."""
    if request.param == "plain":
        return start(routes=ROUTES % OPEN, web=""), None
    proxy = start(routes=ROUTES % OPEN, web='certificate = "%s"; key = "%s";' % (files.gw_pem, files.gw_key), secure=True)
    return proxy, client_context(files)


def exchange(ws, lamp, path=b"state", payload=b"on"):
    token = ws.request(options=[(coap.URI_PATH, path)])
    up = lamp.recv()
    assert up.code == coap.GET and up.all(coap.URI_PATH) == [path]
    lamp.piggyback(up, payload=payload)
    answer = ws.recv()
    assert (answer.code, answer.token, answer.payload) == (coap.CONTENT, token, payload)
    return up


@pytest.mark.covers("C8323-4.1-1", "C8323-4.2-1")
def test_connection_becomes_a_websocket(gateway_and_tls):
    proxy, tls = gateway_and_tls
    lamp, ws = proxy.device(LAMP, PORT), WebSocket(proxy.http_client(tls=tls))
    ws.open()
    for i in range(3):
        exchange(ws, lamp, b"%d" % i, b"x" * (200 * i + 1))
    # what it was before goes on for others
    assert proxy.http_client(tls=tls).ask("GET", "/.well-known/core").status == 200


def test_what_comes_right_behind_the_request(gateway_and_tls):
    """Also behind requests that are still to be answered."""
    proxy, tls = gateway_and_tls
    lamp, client = proxy.device(LAMP, PORT), proxy.http_client(tls=tls)
    client.asked += ["GET", "GET"]
    client.send_raw(request_bytes("GET", "/.well-known/core") * 2)
    ahead = web_socket.frame(web_socket.message(CSM)) + web_socket.frame(web_socket.message(coap.GET, b"t", [(coap.URI_PATH, "a")]))
    ws = WebSocket(client, ahead=ahead)
    assert [client.recv().status for _ in range(2)] == [200, 200]
    ws.agreed()
    assert ws.recv().code == CSM
    up = lamp.recv()
    lamp.piggyback(up, payload=b"1")
    assert ws.recv().token == b"t"
    exchange(ws, lamp)


FIELDS = {
    "no-upgrade": ([], 426), "no-connection": (upgrade_fields(without=["Connection"]), 426),
    "other-connection": (upgrade_fields(Connection="keep-alive"), 426), "no-upgrade-field": (upgrade_fields(without=["Upgrade"]), 426),
    "other-upgrade": (upgrade_fields(Upgrade="h2c"), 426), "version": (upgrade_fields(Sec_WebSocket_Version="8"), 426),
    "no-version": (upgrade_fields(without=["Sec-WebSocket-Version"]), 400),
    "version-twice": (upgrade_fields() + [("Sec-WebSocket-Version", "13")], 400),
    "no-key": (upgrade_fields(without=["Sec-WebSocket-Key"]), 400), "key": (upgrade_fields(key="AAAA"), 400),
    "key-twice": (upgrade_fields() + [("Sec-WebSocket-Key", web_socket.new_key())], 400),
    "no-protocol": (upgrade_fields(without=["Sec-WebSocket-Protocol"]), 400),
    "other-protocol": (upgrade_fields(Sec_WebSocket_Protocol="mqtt, coap2"), 400),
    "protocol-in-capitals": (upgrade_fields(Sec_WebSocket_Protocol="COAP"), 400),
    "body": (upgrade_fields() + [("Content-Length", "1")], 400), "chunks": (upgrade_fields() + [("Transfer-Encoding", "chunked")], 400),
    "origin": (upgrade_fields(Origin="https://evil.example"), 403), "origin-null": (upgrade_fields(Origin="null"), 403),
    "origin-twice": (upgrade_fields(Origin="http://gw.example") + [("Origin", "http://gw.example")], 403),
    "token": (upgrade_fields(Authorization="Bearer nonsense"), 401),
}


def begin(directory):
    return Proxy(directory, routes=ROUTES % OPEN, web='websocket-origins = ["https://app.example"];')


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.covers("C8323-4.1-1")
def test_upgrade_that_is_refused(gw, name):
    fields, status = FIELDS[name]
    client = gw.http_client()
    client.send("GET", PATH, fields, body=None)
    client.send_raw({"body": b"x", "chunks": b"0\r\n\r\n"}.get(name, b""))
    answer = client.recv()
    assert answer.status == status
    assert answer.get("sec-websocket-version") == ("13" if status == 426 else None)
    assert answer.get("upgrade") == ("websocket" if status == 426 else None)
    assert answer.has("www-authenticate") == (status == 401)
    # and the connection goes on, to another try too
    assert client.ask("GET", "/.well-known/core").status == 200
    WebSocket(client).open()


def test_other_methods_and_paths(gw):
    client = gw.http_client()
    for method in ("POST", "PUT", "OPTIONS", "DELETE", "HEAD"):
        answer = client.ask(method, PATH, upgrade_fields())
        assert answer.status == 405 and answer.get("allow") == "GET"
    for path in ("/", PATH + "/", PATH + "?x", "/.well-known/COAP"):
        assert client.ask("GET", path, upgrade_fields()).status == 404
    client.asked.append("GET")
    client.send_raw(request_bytes("GET", PATH, upgrade_fields()).replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert b"426" in client._until(b"\r\n", 2)


def test_ways_to_ask(gw):
    """In lists, in any case, with an extension that is not taken, in absolute-form."""
    for fields in (upgrade_fields(Upgrade="h2c, WebSocket", Connection="keep-alive, UPGRADE", Sec_WebSocket_Protocol="mqtt, coap"),
                   upgrade_fields(Sec_WebSocket_Protocol="mqtt") + [("Sec-WebSocket-Protocol", "coap")],
                   upgrade_fields(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")):
        ws = WebSocket(gw.http_client(), fields)
        ws.key = dict(fields)["Sec-WebSocket-Key"]
        ws.open()
    client = gw.http_client()
    fields = upgrade_fields()
    client.send("GET", "http://gw.example" + PATH, fields)
    ws = WebSocket.__new__(WebSocket)
    ws.http, ws.key = client, dict(fields)["Sec-WebSocket-Key"]
    ws.open()


def test_pages_that_may(gw):
    """Those of the host asked, and those that are listed."""
    port = gw.web_address[1]
    for host, origin in (("gw.example", "http://gw.example"), ("gw.example:%d" % port, "http://gw.example:%d" % port),
                         ("gw.example", "https://app.example")):
        WebSocket(gw.http_client(), more=[("Origin", origin)], host=host).open()
    for host, origin in (("gw.example", "http://gw.example:%d" % port), ("gw.example", "https://app.example:8443")):
        client = gw.http_client()
        client.asked.append("GET")
        WebSocket(client, more=[("Origin", origin)], host=host)
        assert client.recv().status == 403


def test_listener_without_websockets(start):
    proxy = start(routes='lamp: { from = ["web"]; http-path = "/lamp"; to = ["coap://%s:%d"]; %s };\n' % (LAMP, PORT, OPEN),
                  web="websocket = false;")
    assert proxy.http_client().ask("GET", PATH, upgrade_fields()).status == 404


def test_any_page_where_all_are_listed(start):
    proxy = start(routes=ROUTES % OPEN, web='websocket-origins = "*";')
    WebSocket(proxy.http_client(), more=[("Origin", "null")]).open()


@pytest.mark.covers("C8323-4.2-1")
def test_what_a_websocket_may_hold(gw):
    """Text ends it, and so does a message with a length; pings are answered, fragments joined."""
    lamp, ws = gw.device(LAMP, PORT), WebSocket(gw.http_client())
    ws.open()
    ws.send_frame(b"are you there", PING)
    assert ws.recv_frame() == (PONG, b"are you there")
    raw = web_socket.message(coap.GET, b"t", [(coap.URI_PATH, "joined")])
    ws.send_frame(raw[:2], fin=False)
    ws.send_frame(b"", PING)
    ws.send_frame(raw[2:5], 0, fin=False)
    ws.send_frame(raw[5:], 0)
    assert ws.recv_frame() == (PONG, b"")
    up = lamp.recv()
    assert up.all(coap.URI_PATH) == [b"joined"]
    lamp.piggyback(up)
    assert ws.recv().token == b"t"
    ws.send_frame(raw, TEXT)
    assert ws.ended() == 1003

    for bad in (b"\x51\x01tabcde", b"\x10\x01\x00", b"\x0f\x01", b"\x00", b""):
        ws = WebSocket(gw.http_client())
        ws.open()
        ws.send_frame(bad)
        assert ws.recv().code == ABORT
        assert ws.ended() is not None


def test_ends_of_a_websocket(gw):
    ws = WebSocket(gw.http_client())
    ws.open()
    ws.send_frame(b"\x03\xe9", CLOSE)
    assert ws.ended() == 1001
    ws = WebSocket(gw.http_client())
    ws.open()
    ws.send_frame(b"\x00\x01", mask=False)
    assert ws.ended() == 1002
    ws = WebSocket(gw.http_client())
    ws.open()
    ws.send_frame(b"\x00\x01" + bytes(100), length=1 << 20)
    assert ws.ended() == 1009


def test_who_asks_by_a_websocket(start, credentials):  # noqa: F811
    """The name that the request for it proves is that of all that is asked over it."""
    proxy = start(routes=ROUTES % 'identities = ["alice"];', sections=credentials, web="")
    lamp, ws = proxy.device(LAMP, PORT), WebSocket(proxy.http_client(), more=bearer("alice"))
    ws.open()
    exchange(ws, lamp)
    for name in ("mallory", None):
        ws = WebSocket(proxy.http_client(), more=bearer(name))
        ws.open()
        ws.request(options=[(coap.URI_PATH, "state")])
        assert ws.recv().code >> 5 == 4
    lamp.quiet()


def test_a_token_that_is_withdrawn(start, credentials, tmp_path):  # noqa: F811
    """What was asked for by it ends; who came by another stays."""
    proxy = start(routes=ROUTES % 'identities = ["alice", "dash-1"];', sections=credentials, web="")
    proxy.device(LAMP, PORT)
    alice, dash, nobody = [WebSocket(proxy.http_client(), more=bearer(name)) for name in ("alice", "dash-1", None)]
    for ws in (alice, dash, nobody):
        ws.open()
    file = tmp_path / "credentials"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if " alice " not in line))
    reload(proxy, "routes:", "routes: ", r"configuration in force \(generation 2\)")
    assert alice.recv().code == ABORT and alice.ended() is not None
    for ws in (dash, nobody):
        ws.send(web_socket.COAP_PING)
        assert ws.recv().code == web_socket.COAP_PONG


@pytest.mark.covers("C8323-4.4-1")
def test_signs_of_life_are_asked_for_by_coap(start):
    """No ping of WebSockets comes, however long nothing is said."""
    proxy = start(routes=ROUTES % OPEN, web='keepalive = "1min";')
    ws = WebSocket(proxy.http_client())
    ws.open()
    for _ in range(3):
        proxy.advance(61000)
        ping = ws.recv()
        assert ping.code == web_socket.COAP_PING
        ws.send(web_socket.COAP_PONG, ping.token)
        proxy.settle()
