"""Peers over connections that send without reading, or in pieces that fall between the rules: what the gateway holds of them is bounded, and nothing
that has come is left lying.
"""

import select
import ssl
import time

import pytest

import coap
import web_socket
from coap import GET, Message
from coap_stream import CSM, PING, PONG, Origin, connect, frame
from harness import Proxy, free_port, free_tcp_port
from test_https import Files

ROUTES = """
  fwd: { from = ["coap", "tcp", "tls"]; forward-to = ["coap://127.0.0.0/8:*", "coap+tcp://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };
"""
FLOOD = 48 << 20  # more than the kernel's buffers of both ends and the gateway's bound together take


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("made"))


def begin(directory, files):
    port, tcp, tls = free_port(), free_tcp_port(), free_tcp_port()
    listeners = ('coap: { url = "coap://127.0.0.1:%d"; }; tcp: { url = "coap+tcp://127.0.0.1:%d"; }; tls: { url = "coaps+tcp://127.0.0.1:%d"; '
                 'certificate = "%s"; key = "%s"; };' % (port, tcp, tls, files.gw_pem, files.gw_key))
    p = Proxy(directory, routes=ROUTES, listeners=listeners, port=port, web="")
    p.tcp, p.tls = ("127.0.0.1", tcp), ("127.0.0.1", tls)
    return p


def over_tls(gw, files):
    c = ssl.create_default_context(cafile=str(files.ca_pem))
    c.check_hostname = False
    c.set_alpn_protocols(["coap"])
    return connect(gw, gw.tls, tls=c, name="gw.example")


def pour(gw, sock, piece, patience=1.0):
    """Sends without reading until the other end has taken nothing for a while, or is gone. Returns how many bytes went."""
    sent, last = 0, time.monotonic()
    sock.setblocking(False)
    at = memoryview(piece)
    offset = 0
    while sent < FLOOD and time.monotonic() - last < patience:
        try:
            n = sock.send(at[offset:])
        except (BlockingIOError, ssl.SSLWantWriteError):
            select.select([], [sock], [], 0.1)
            continue
        except (ConnectionResetError, BrokenPipeError):
            break
        sent, last, offset = sent + n, time.monotonic(), (offset + n) % len(piece)
    return sent


def test_pings_of_a_websocket_whose_pongs_nobody_reads(gw):
    ws = web_socket.WebSocket(gw.http_client())
    ws.open()
    piece = web_socket.frame(b"x" * 125, web_socket.PING) * 500
    assert pour(gw, ws.http.socket, piece) < FLOOD


def test_pings_of_an_origin_that_reads_nothing(gw):
    origin, c = Origin(gw, "127.0.0.1"), gw.client()
    c.send(Message(GET, options=[(coap.PROXY_SCHEME, "coap+tcp"), (coap.URI_HOST, origin.host), (coap.URI_PORT, origin.port)]))
    link = origin.accept()
    link.recv()
    assert pour(gw, link.socket, frame(Message(PING, token=b"12345678")) * 2000) < FLOOD


def test_small_messages_in_one_record(gw, files):
    """Each of TLS, one of them cut between two records."""
    c = over_tls(gw, files)
    c.recv_signal(CSM)
    ping = frame(Message(PING, token=b"1"))
    assert len(ping) == 3
    c.send_raw(ping[:1])
    gw.settle()
    c.send_raw(ping[1:] + ping * 5000)
    assert [c.recv_signal(PONG).token for _ in range(5001)] == [b"1"] * 5001


def test_who_is_not_read_is_not_silent(tmp_path):
    """A client has asked so much that he is not listened to for a while: his Pong has come, and lies before the gateway."""
    port, tcp = free_port(), free_tcp_port()
    gw = Proxy(tmp_path, routes=ROUTES.replace(', "tls"', ""), port=port, sections="limits: { client-exchanges = 16; };", listeners=(
        'coap: { url = "coap://127.0.0.1:%d"; }; tcp: { url = "coap+tcp://127.0.0.1:%d"; keepalive = "5s"; };' % (port, tcp)))
    c, device = connect(gw, ("127.0.0.1", tcp)), gw.device()
    ask = [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, device.host), (coap.URI_PORT, device.port)]
    for _ in range(16):
        c.send(Message(GET, options=ask))
    answers = []
    while len(answers) < 16 and gw.counters()["connection_timeouts"] == 0:
        gw.advance(2000)
        for up in device.pending():
            device.ack(up)
        c.signal(PONG)
        answers += c.pending()
    assert {m.code for m in answers} == {coap.code("5.04")}  # each, though it took longer than he may be silent
    gw.stop(drained=False)
