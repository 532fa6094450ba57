"""Bodies and streams of events over HTTPS: what TLS holds back or reads ahead changes nothing of what test_http_bodies.py says."""

import os
import ssl
import subprocess

import coap
import pytest
from coap import BLOCK2, OBSERVE
from http_bodies import Resource, Stream, Web, access_lines, block2_of, fetch, gateway_in, run, stall_out

KB = 1 << 10
TLS_HOLDS = 36 * KB  # a record that is being sent, and what the kernel cannot take at once


def begin(directory):
    certificate, key = directory / "gw.pem", directory / "gw.key"
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2", "-subj", "/CN=gw"]
    subprocess.run(["openssl", *made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    key.chmod(0o600)
    proxy = gateway_in(directory, secure='certificate = "%s"; key = "%s";' % (certificate, key))
    proxy.tls = ssl.create_default_context(cafile=certificate)
    proxy.tls.check_hostname = False
    return proxy


@pytest.fixture
def web(gw):
    return Web(gw, tls=gw.tls)


@pytest.mark.parametrize("size", [0, 1, 5000, 16384, 200 * KB])
def test_both_ways(gw, web, size):
    body = os.urandom(size)
    r = Resource(gw.device(), body)
    assert fetch(web, r).body == body
    r.body = b""
    assert fetch(web, r, method="PUT", body=body).status == 204 and r.bodies == [body]
    assert fetch(web, r, method="PUT", body=body, chunked=True).status == 204 and r.bodies == [body] * 2


def test_stalled_reader_stops_the_transfer_at_the_device(gw):
    r, web = Resource(gw.device(), os.urandom(900 * KB)), Web(gw, receive=4096, tls=gw.tls)
    web.send("GET", r.device)
    run(web, r, condition=lambda: r.seen)
    while r.serve():
        pass
    count = len(r.seen)
    assert count < 900 and count * KB - web.in_kernel() <= 64 * KB + TLS_HOLDS
    gw.advance(30_000)
    assert not r.serve(), "nothing is asked for that nobody takes"
    assert run(web, r).body == r.body


def test_stalled_reader_is_ended_after_its_time(gw):
    r, web = Resource(gw.device(), os.urandom(900 * KB)), Web(gw, receive=4096, tls=gw.tls)
    web.send("GET", r.device, "stalled")
    run(web, r, condition=lambda: r.seen)
    while r.serve():
        pass

    def stalled():
        return [x for x in access_lines(gw) if x["target"].endswith("/stalled")]

    gw.advance(58_000)
    assert not stalled()
    stall_out(gw, stalled, 4_000)
    line, = stalled()
    assert line["truncated"] is True and not r.serve() and gw.state()["exchanges"] == 0


def test_slow_device_stops_the_sender(gw, web):
    web.send("PUT", gw.device(), fields=[("Content-Length", 9000 * KB)])
    web.unsent = bytes(9000 * KB)
    while web.push():
        gw.settle()
    gw.advance(60_000)
    web.quiet()
    assert web.unsent


def test_answer_that_breaks_off_never_looks_whole(gw, web):
    def hook(m):
        return m.has(BLOCK2) and block2_of(m)[0] == 4 and (r.reply(m, coap.code("4.04")) or True)

    r = Resource(gw.device(), os.urandom(9000), hook=hook)
    web.send("GET", r.device)
    run(web, r, condition=lambda: web.ended)
    assert web.answer.status == 200 and not web.answer.complete and web.answer.body == r.body[:len(web.answer.body)]


def test_stream(gw, web):
    s = Stream(gw, web=web)
    for i in range(5):
        s.notify(b"%d" % i)
    assert len(s.events()) == 6
    gw.advance(15_100)
    assert s.events() == [{"comment": ""}]
    web.close()
    gw.settle()
    cancel, = {m.mid: m for m in s.device.pending() if m.code == coap.GET}.values()
    assert cancel.uint(OBSERVE) == 1 and cancel.token == s.up.token
    s.device.piggyback(cancel)
    assert gw.state()["observations"] == 0


def test_pages_of_plain_http_are_none_of_ours(gw):
    """Whoever is on the way of the browser writes them, under any name."""
    r = Resource(gw.device())
    for origin, status in (("http://gw.example", 403), ("HTTP://gw.example", 403), ("https://gw.example", 204), ("https://GW.example", 204)):
        web = Web(gw, tls=gw.tls)
        assert fetch(web, r, method="POST", body=b"on", fields=[("Origin", origin)]).status == status, origin
    assert r.bodies == [b"on"] * 2
