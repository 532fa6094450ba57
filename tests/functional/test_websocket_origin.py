"""Origins that are reached by WebSockets (coap+ws, coaps+ws): how one is asked for, what it must answer, and what passes over it."""

import pytest

import coap
import web_socket
from coap import GET, POST
from harness import Proxy, ask, fresh_address, free_port
from test_streams_tls import files, server  # noqa: F401
from web_socket import ABORT, BINARY, CLOSE, COAP_PING, COAP_PONG, CSM, PING, PONG, TEXT, WebSocketOrigin

ROUTES = """
  fwd: { from = ["coap"]; forward-to = ["coap+ws://*:*", "coaps+ws://*:*"]; allow-networks = ["127.0.0.0/8"]; };
"""


def begin(directory, files):  # noqa: F811
    port = free_port()
    p = Proxy(directory, routes=ROUTES, port=port,
              sections='upstream: { ca = "%s"; };' % files.ca_pem)
    return p


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.covers("C8323-4.1-1", "C8323-4.2-1", "C8323-9.2-1")
def test_an_origin_is_asked(gw, files, secure):  # noqa: F811
    host = "127.0.0.1" if secure else fresh_address()  # the name in the certificate
    origin = WebSocketOrigin(gw, host, tls=server(files, alpn=("http/1.1",)) if secure else None)
    client = gw.client()
    client.send(ask(origin))
    ws = origin.accept().open()
    for i in range(3):
        if i > 0:
            client.send(ask(origin))
        up = ws.recv()
        assert up.code == GET and up.all(coap.URI_PATH) == [b"p"]
        ws.answer(up, payload=b"%d" % i)
        assert client.recv().payload == b"%d" % i
    sent = client.send(ask(origin, POST, payload=bytes(300)))
    up = ws.recv()
    ws.answer(up, coap.CHANGED, payload=b"y" * 900)
    down = client.recv()
    assert up.payload == bytes(300) and (down.code, down.token, down.payload) == (coap.CHANGED, sent.token, b"y" * 900)
    assert len(origin.connections) == 1 and len(set(ws.keys)) == len(ws.keys) == 5


def test_names_stand_in_the_host_field(gw):
    """The same address by another name is another origin."""
    origin, client = WebSocketOrigin(gw, "127.0.0.1"), gw.client()
    for name in ("localhost", "127.0.0.1"):
        client.send(ask(origin, host=name))
        ws = origin.accept(name=name).open()
        ws.answer(ws.recv())
        assert client.recv().code == coap.CONTENT
    assert len(origin.connections) == 2


def test_an_answer_in_pieces_with_messages_behind_it(gw):
    origin, client = WebSocketOrigin(gw, fresh_address()), gw.client()
    client.send(ask(origin))
    ws = origin.accept()
    raw = ws.agreement() + web_socket.frame(web_socket.message(CSM), mask=False)
    for i in range(0, len(raw), 25):
        ws.http.send_raw(raw[i:i + 25])
        gw.settle()
    assert ws.recv().code == CSM
    up = ws.recv()
    ws.answer(up)
    assert client.recv().code == coap.CONTENT


REFUSALS = {
    "404": {"status": "404 Not Found"}, "200": {"status": "200 OK"}, "401": {"status": "401 Unauthorized"},
    "301": {"status": "301 Moved", "Location": "ws://127.0.0.1/"}, "accept": {"Sec_WebSocket_Accept": web_socket.accept_of("other")},
    "no-accept": {"without": ["Sec-WebSocket-Accept"]}, "no-upgrade": {"without": ["Upgrade"]}, "no-connection": {"without": ["Connection"]},
    "protocol": {"Sec_WebSocket_Protocol": "mqtt"}, "no-protocol": {"without": ["Sec-WebSocket-Protocol"]},
    "extension": {"Sec_WebSocket_Extensions": "permessage-deflate"},
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.covers("C8323-4.1-1")
def test_an_origin_that_does_not_agree(gw, name):
    """Nothing is sent to it, and whoever asked is told that it did not get there."""
    origin, client = WebSocketOrigin(gw, fresh_address()), gw.client()
    client.send(ask(origin, POST))
    ws = origin.accept()
    ws.http.send_raw(ws.agreement(**REFUSALS[name]))
    answer = client.recv()
    assert answer.code == coap.code("5.02")
    assert ws.ended() is None


def test_an_origin_that_does_not_answer(gw):
    """Neither to TCP's beginning nor to the request for a WebSocket: both have their time."""
    origin, client = WebSocketOrigin(gw, fresh_address()), gw.client()
    client.send(ask(origin, POST))
    ws = origin.accept()
    gw.advance(5000)
    assert client.recv().is_empty
    gw.advance(400000)
    answer = client.recv()
    assert answer.code == coap.code("5.04")
    assert ws.ended() is None


@pytest.mark.covers("C8323-4.2-1")
@pytest.mark.parametrize("what", ["text", "masked", "length", "too-large", "reserved"])
def test_an_origin_that_breaks_the_rules(gw, what):
    """Whoever waits for an answer gets one, of the gateway's."""
    origin, client = WebSocketOrigin(gw, fresh_address()), gw.client()
    client.send(ask(origin))
    ws = origin.accept().open()
    ws.recv()
    payload, opcode, how, status = {
        "text": (b"\x00\x45", TEXT, {}, 1003), "masked": (b"\x00\x45", BINARY, {"mask": True}, 1002),
        "length": (b"\x10\x45\x00", BINARY, {}, None), "too-large": (bytes(10), BINARY, {"length": 1 << 40}, 1009),
        "reserved": (b"\x00\x45", 3, {}, 1002),
    }[what]
    ws.send_frame(payload, opcode, **how)
    assert client.recv().code == coap.code("5.04")
    if status is None:
        assert ws.recv().code == ABORT
        assert ws.ended() is not None
    else:
        assert ws.ended() == status


def test_an_origin_closes(gw):
    """What waits for it is answered, and the next request has a WebSocket of its own."""
    origin, client = WebSocketOrigin(gw, fresh_address()), gw.client()
    client.send(ask(origin))
    ws = origin.accept().open()
    ws.recv()
    ws.send_frame(b"\x03\xe9", CLOSE)
    assert client.recv().code == coap.code("5.04")
    assert ws.ended() == 1001
    client.send(ask(origin))
    ws = origin.accept().open()
    ws.answer(ws.recv())
    assert client.recv().code == coap.CONTENT


def test_an_origin_that_is_gone(gw):
    origin, client = WebSocketOrigin(gw, fresh_address()), gw.client()
    client.send(ask(origin, POST))
    ws = origin.accept().open()
    ws.recv()
    ws.http.close()
    assert client.recv().code == coap.code("5.04")


@pytest.mark.covers("C8323-4.4-1")
def test_an_origins_pings(gw):
    """Those of WebSockets are answered, those of CoAP too; the gateway has none of the former of its own."""
    origin, client = WebSocketOrigin(gw, fresh_address()), gw.client()
    client.send(ask(origin))
    ws = origin.accept().open()
    ws.answer(ws.recv())
    assert client.recv().code == coap.CONTENT
    ws.send_frame(b"ab", PING)
    assert ws.recv_frame() == (PONG, b"ab")
    ws.send(COAP_PING, b"t")
    pong = ws.recv()
    assert pong.code == COAP_PONG and pong.token == b"t"
    gw.advance(200_000)
    ws.http.quiet()


@pytest.mark.parametrize("fragment", [1, 100])
def test_an_answer_in_fragments(gw, fragment):
    origin, client = WebSocketOrigin(gw, fresh_address()), gw.client()
    client.send(ask(origin))
    ws = origin.accept().open()
    up = ws.recv()
    raw = web_socket.message(coap.CONTENT, up.token, payload=b"x" * 900)
    ws.send_frame(raw[:fragment], fin=False)
    for i in range(fragment, len(raw), fragment):
        ws.send_frame(raw[i:i + fragment], 0, fin=False)
    ws.send_frame(b"", 0)
    assert client.recv().payload == b"x" * 900
