"""How long a request over HTTP waits for its device, what is done when its client leaves, how many there may be: RFC 8075 8.1, 8.5."""

import hashlib
import select
import signal
import socket
import struct

import coap
import pytest
from coap import ACK, CON
from harness import ANYBODY, DEFAULT_ROUTE
from http_client import WebPair

ROUTE = 'web: { %s http-path = "/hc/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; %%s };' % ANYBODY
MAX_RTT, SERVER_DELAY = 202, 250  # seconds: RFC 7252 4.8.2, RFC 7390


def gateway_with(start, settings="", **kw):
    return start(routes=ROUTE % settings, web="", **kw)


def waits(pair, seconds, each=None):
    """Nothing comes for so long; `each` is done every ten seconds."""
    for _ in range(int(seconds // 10)):
        pair.proxy.advance(10_000)
        pair.client.quiet()
        if each:
            each()
    pair.proxy.advance(int(seconds % 10 * 1000))
    pair.client.quiet()


def leave(pair):
    """A client that only ends what it sends may still read its answer: this one is gone."""
    pair.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    pair.client.close()


@pytest.mark.covers("C8075-8.5-1")
def test_silent_device_is_504_when_its_message_has_failed(gateway):
    """After the last retransmission nothing can come any more: MAX_TRANSMIT_WAIT."""
    pair = WebPair(gateway)
    up = pair.forward()
    waits(pair, 92.5)
    gateway.advance(1_000)
    answer = pair.client.recv()
    assert (answer.status, answer.text, answer.get("cache-control")) == (504, "No answer from the origin", "no-store")
    assert {m.mid for m in pair.device.pending()} <= {up.mid}


@pytest.mark.covers("C8075-8.5-1")
def test_device_that_acknowledged_has_its_time(gateway):
    """452 s after the request, not after the acknowledgement, which came late."""
    pair = WebPair(gateway)
    up = pair.forward()
    waits(pair, 2.5)
    pair.device.ack(up)
    waits(pair, MAX_RTT + SERVER_DELAY - 3)
    gateway.advance(1_000)
    assert pair.client.recv().status == 504
    pair.device.pending()
    # a minute earlier is early enough
    up = pair.forward()
    pair.device.ack(up)
    waits(pair, 390)
    pair.device.pending()
    pair.device.separate(up, payload=b"at last")
    assert pair.client.recv().body == b"at last"
    assert [(m.type, m.code) for m in pair.device.pending()] == [(ACK, 0)]


@pytest.mark.covers("C8075-8.5-1")
@pytest.mark.parametrize("acknowledges", [False, True])
def test_time_is_the_operators(start, acknowledges):
    gw = gateway_with(start, 'timeout-http = "20s";')
    pair = WebPair(gw)
    up = pair.forward()
    if acknowledges:
        pair.device.ack(up)
    waits(pair, 19.5)
    gw.advance(700)
    assert pair.client.recv().status == 504
    pair.device.pending()
    # it is nothing to those who ask by CoAP
    gw2 = start(routes=DEFAULT_ROUTE.replace("};", 'timeout-http = "20s"; };'))
    client, device = gw2.client(), gw2.device()
    client.send(coap.Message(coap.GET, coap.NON, options=[(coap.PROXY_URI, device.url + "/p")]))
    up = device.recv()
    if up.type == CON:
        device.ack(up)
    gw2.advance(60_000)
    client.quiet()
    device.answer(up, payload=b"x")
    assert client.recv().payload == b"x"


@pytest.mark.covers("C8075-8.5-1")
def test_each_block_has_its_time(start):
    """What goes on takes as long as it takes."""
    gw = gateway_with(start, 'timeout-http = "20s";')
    pair = WebPair(gw)
    pair.send()
    for number in range(4):
        up = pair.device.recv()
        pair.device.ack(up)
        gw.advance(15_000)
        pair.device.separate(up, options=[(coap.BLOCK2, coap.block(number, number < 3, 6))], payload=bytes(1024))
        assert pair.device.recv().type == ACK
    assert len(pair.client.recv().body) == 4096


@pytest.mark.covers("C8075-8.1-1", "C7252-10-1")
@pytest.mark.parametrize("acknowledged", [False, True])
def test_client_that_leaves(gateway, acknowledged):
    """His device is not bothered with it: the answer is awaited, and taken. Nobody else gets it."""
    pair = WebPair(gateway)
    up = pair.forward()
    if acknowledged:
        pair.device.ack(up)
    leave(pair)
    gateway.settle()
    assert gateway.state()["exchanges"] in (1, 2)  # one, or its two halves where its home is another worker
    gateway.advance(1_500 if acknowledged else 0)
    pair.device.quiet()
    pair.device.separate(up, payload=b"too late")
    assert [(m.type, m.code) for m in pair.device.pending()] == [(ACK, 0)]
    assert gateway.state()["exchanges"] == 0
    again = WebPair(gateway, device=pair.device)
    assert again.exchange(answer_payload=b"anew")[1].body == b"anew"


@pytest.mark.covers("C8075-8.1-2")
def test_requests_at_once_are_limited(start):
    """A thousand at once are 503, but for those that there is room for; a place is free when its device has answered."""
    gw = gateway_with(start, "exchanges = 3;", sections='process: { workers = 1; user = ""; };')
    devices = [gw.device() for _ in range(3)]
    pairs = [WebPair(gw, device=devices[i % 3]) for i in range(200)]
    for pair in pairs:
        pair.send()
    gw.settle()
    waiting = [u for d in devices for u in d.pending()]
    assert len(waiting) == 3
    refused = [p for p in pairs if select.select([p.client.socket], [], [], 0)[0]]
    assert len(refused) == 197
    for p in refused:
        answer = p.client.recv()
        assert (answer.status, answer.get("retry-after"), answer.get("cache-control")) == (503, "5", "no-store")
    # who leaves keeps his place until the device has answered
    left = next(p for p in pairs if p not in refused)
    leave(left)
    gw.settle()
    assert refused[0].refused().status == 503
    for device in devices:
        for up in device.distinct():
            device.piggyback(up)
    gw.settle()
    assert refused[0].exchange()[1].status == 200
    assert gw.counters()["refused_overload"] == 198


@pytest.mark.covers("C8075-8.1-1", "S-28")
def test_nobody_is_answered_with_what_another_asked_for(start, tmp_path):
    """Two who may ask for the same thing ask their device twice, under way or answered."""
    names = {"alice": "a-token", "bob": "b-token"}
    file = tmp_path / "credentials"
    file.write_text("".join("bearer %s %s\n" % (n, hashlib.sha256(t.encode()).hexdigest()) for n, t in names.items()))
    file.chmod(0o600)
    gw = start(routes=(ROUTE % "").replace('authenticate = "none"; ', ""),
               sections='http: { credentials = "%s"; };' % file, web="")
    device = gw.device()
    alice, bob = (WebPair(gw, device=device) for _ in names)
    alice.send(fields=[("Authorization", "Bearer a-token")])
    first = device.recv()
    device.ack(first)
    bob.send(fields=[("Authorization", "Bearer b-token")])
    gw.settle()
    second = device.recv()
    device.piggyback(second, payload=b"for bob")
    device.separate(first, options=[(coap.MAX_AGE, 3600)], payload=b"for alice")
    assert (alice.client.recv().body, bob.client.recv().body) == (b"for alice", b"for bob")
    device.pending()
    assert bob.exchange(fields=[("Authorization", "Bearer b-token")], answer_payload=b"again")[1].body == b"again"


@pytest.mark.covers("C8075-8.1-1")
def test_client_that_leaves_before_his_device_was_asked(gateway):
    """What waits for a silent device's next place is dropped: it would be done for nobody, and others wait for it."""
    first = WebPair(gateway)
    up = first.forward()
    leaving, staying = WebPair(gateway, device=first.device), WebPair(gateway, device=first.device)
    leaving.send("PUT", "/leaving", fields=[("Content-Type", "application/octet-stream")], body=b"x")
    gateway.settle()
    staying.send("GET", "/staying")
    gateway.settle()
    leave(leaving)
    gateway.settle()
    first.device.pending()
    first.device.piggyback(up)
    assert first.client.recv().status == 200
    came, = first.device.pending()
    assert came.all(coap.URI_PATH) == [b"staying"]
    first.device.piggyback(came)
    assert staying.client.recv().status == 200
    first.device.quiet()
    assert gateway.state()["exchanges"] == 0


def test_draining_before_the_stream_has_begun(start):
    """A client who waits for a stream of events is told so; nothing is cut off unanswered."""
    pair = WebPair(gateway_with(start))
    pair.forward(fields=[("Accept", "text/event-stream")])
    pair.proxy.process.send_signal(signal.SIGTERM)
    answer = pair.client.recv()
    assert (answer.status, answer.text) == (503, "Gateway is closing down")
    assert answer.has("retry-after") and answer.closes
    pair.proxy.stop(drained=False)
