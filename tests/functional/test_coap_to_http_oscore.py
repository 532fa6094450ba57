"""OSCORE messages from CoAP clients to HTTP origins, and through two gateways (RFC 8613 11; conformance 9.11, seams S-6, S-7, S-10)."""

import http.client

import pytest

import coap
from coap import BLOCK1, BLOCK2, CONTENT_FORMAT, EDHOC, ETAG, FETCH, MAX_AGE, OBSERVE, OSCORE, POST, block, block_parts
from harness import DEFAULT_ROUTE, Proxy, free_port, fresh_address
from http_origin import Origin, WebPair
from test_coap_to_http import OCTETS, ROUTE

OPTION, PAYLOAD = bytes.fromhex("0925"), bytes.fromhex("0907011361f70fd297b1")
ANSWER = bytes.fromhex("0031d1fcf670fb0c1dd5")
TYPE = ("Content-Type", "application/oscore")
PROTECTED = [TYPE, ("OSCORE", "AA")]
LIFETIME = 247_000


def begin(directory):
    return Proxy(directory, routes=ROUTE % "" + DEFAULT_ROUTE)


@pytest.fixture
def pair(gw):
    return WebPair(gw)


def protected(pair, option=OPTION, payload=PAYLOAD, code=POST, options=(), **kw):
    return pair.send(code, path=("",), options=[(OSCORE, option)] + list(options), payload=payload, **kw)


@pytest.mark.covers("C8613-11.6-1", "C8613-11.2-1", "C8613-11.2-2", "C8613-11.1-1")
def test_the_example_of_the_rfc(pair):
    sent = protected(pair, options=[(CONTENT_FORMAT, 60)])
    up = pair.origin.request()
    assert (up.method, up.target, up.body) == ("POST", "/", PAYLOAD)
    assert up.field("oscore") == "CSU" and up.field("content-type") == "application/oscore"
    up.connection.answer(200, PROTECTED, ANSWER)
    down = pair.hear(sent)
    assert (down.code, down.first(OSCORE), down.payload) == (coap.CHANGED, b"", ANSWER)
    assert down.first(CONTENT_FORMAT) is None and down.first(ETAG) is None


@pytest.mark.covers("C8613-11.2-1", "S-9")
@pytest.mark.parametrize("option,text", [("", "AA"), ("09", "CQ"), ("090525", "CQUl"), ("19057b0448656c6c6f", "GQV7BEhlbGxv"), ("39ff", "Of8"),
                                         ("ff" * 255, "_" * 340), ("0000", "AAA")])
def test_every_option_has_its_text(pair, option, text):
    sent = protected(pair, bytes.fromhex(option))
    up = pair.origin.request()
    assert up.field("oscore") == text and up.body == PAYLOAD
    up.connection.answer(200, [TYPE, ("OSCORE", text)], ANSWER)
    assert pair.hear(sent).first(OSCORE) == bytes.fromhex(option)


@pytest.mark.covers("S-9", "S-25", "C9668-HTTP")
@pytest.mark.parametrize("option,options,code", [("00", [], "4.02"), ("0925", [(EDHOC, b"")], "4.02"), ("0925", [(65001, b"")], "4.02")])
def test_what_has_no_form_in_http_is_refused(pair, option, options, code):
    sent = protected(pair, bytes.fromhex(option), options=options)
    assert coap.code_text(pair.hear(sent).code) == code
    pair.origin.quiet()


@pytest.mark.parametrize("method,payload", [(coap.GET, b""), (coap.GET, PAYLOAD), (coap.PUT, PAYLOAD), (POST, b""), (FETCH, b"")])
def test_what_is_no_oscore_request_is_refused(pair, method, payload):
    assert pair.hear(protected(pair, payload=payload, code=method)).code in (coap.code("4.00"), coap.code("4.01"), coap.code("4.02"))
    pair.origin.quiet()


@pytest.mark.covers("C8613-11.4-1", "C8613-11.2-2")
def test_nothing_but_the_message_is_told(pair):
    sent = protected(pair, options=[(coap.IF_MATCH, b"x"), (ETAG, b"abc"), (coap.ACCEPT, 50), (CONTENT_FORMAT, 10001), (OBSERVE, b""),
                                    (coap.SIZE1, 10), (coap.ECHO, b"echo"), (coap.NO_RESPONSE, b"")])
    up = pair.origin.request()
    assert set(up.fields) - {"via"} == {"host", "oscore", "content-type", "content-length", "cache-control", "accept-encoding"}
    up.connection.answer(200, PROTECTED + [("ETag", '"abc"'), ("Cache-Control", "max-age=100"), ("Location", "/x"), ("Set-Cookie", "a=b")], ANSWER)
    down = pair.hear(sent)
    assert down.without(MAX_AGE) == [(OSCORE, b"")] and down.payload == ANSWER


@pytest.mark.covers("S-1", "U-1")
@pytest.mark.parametrize("observe,code", [(None, "2.04"), (b"", "2.05")])
def test_fetch_is_a_post_and_observes_nothing(pair, observe, code):
    sent = protected(pair, code=FETCH, options=[] if observe is None else [(OBSERVE, observe)])
    up = pair.origin.request()
    assert up.method == "POST" and up.body == PAYLOAD
    up.connection.answer(200, PROTECTED, ANSWER)
    down = pair.hear(sent)
    assert coap.code_text(down.code) == code and down.first(OBSERVE) is None and down.payload == ANSWER


@pytest.mark.covers("S-10", "C8613-11.1-1", "S-40")
@pytest.mark.parametrize("status,fields,body", [
    (204, PROTECTED, b""), (204, [], b""), (201, PROTECTED, ANSWER), (206, PROTECTED, ANSWER), (404, PROTECTED, ANSWER), (200, PROTECTED, b""),
    (200, [TYPE], ANSWER), (200, [OCTETS, ("OSCORE", "AA")], ANSWER), (200, [OCTETS], b"x"), (200, PROTECTED + [("OSCORE", "AA")], ANSWER),
    (200, [TYPE, ("OSCORE", "A")], ANSWER), (200, [TYPE, ("OSCORE", "AB")], ANSWER), (200, [TYPE, ("OSCORE", "AA==")], ANSWER),
    (200, PROTECTED + [("Content-Encoding", "gzip")], ANSWER), (200, PROTECTED + [("Connection", "OSCORE")], ANSWER)])
def test_what_is_no_oscore_response(pair, status, fields, body):
    sent = protected(pair)
    pair.origin.request().connection.answer(status, fields, body)
    down = pair.hear(sent)
    assert coap.code_text(down.code) == "5.02" and down.first(OSCORE) is None


def test_a_chunked_body_that_is_empty_is_no_oscore_response(pair):
    sent = protected(pair)
    pair.origin.request().connection.answer(200, PROTECTED + [("Transfer-Encoding", "chunked")], b"0\r\n\r\n")
    assert coap.code_text(pair.hear(sent).code) == "5.02"


@pytest.mark.covers("C8613-11.1-4", "C8613-11.1-3")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_message_is_not_sent_elsewhere(gw, pair, status):
    other = WebPair(gw)
    sent = protected(pair)
    pair.origin.request().connection.answer(status, [("Location", other.origin.url + "/")])
    assert coap.code_text(pair.hear(sent).code) == "5.02"
    other.origin.quiet()


@pytest.mark.covers("S-11")
@pytest.mark.parametrize("status,code", [(400, "4.00"), (401, "4.01"), (404, "4.04"), (500, "5.00")])
def test_errors_outside_of_oscore(pair, status, code):
    sent = protected(pair)
    pair.origin.request().connection.answer(status, [("Content-Type", "text/plain"), ("Cache-Control", "max-age=100")], b"why")
    down = pair.hear(sent)
    assert (coap.code_text(down.code), down.payload, down.first(OSCORE)) == (code, b"why", None)
    assert down.first(MAX_AGE) == b""


@pytest.mark.covers("S-13")
def test_no_message_is_sent_twice(pair):
    sent = protected(pair)
    pair.origin.request().connection.answer(200, PROTECTED, ANSWER)
    pair.hear(sent)
    sent = protected(pair, bytes.fromhex("0926"))
    pair.origin.request().connection.close()
    assert coap.code_text(pair.hear(sent).code) == "5.02"
    pair.origin.quiet()


# ---- longer than a datagram ----

@pytest.mark.covers("S-6")
@pytest.mark.parametrize("szx", [6, 4])
def test_a_large_answer_goes_out_in_outer_blocks(gw, pair, szx):
    data = bytes(i & 255 for i in range(3000))
    sent = protected(pair, options=[] if szx == 6 else [(BLOCK2, block(0, False, szx))])
    pair.origin.request().connection.answer(200, PROTECTED, data)
    down = pair.hear(sent)
    got, n = b"", 0
    while True:
        assert (down.code, down.first(OSCORE), down.first(ETAG)) == (coap.CHANGED, b"", None)
        assert block_parts(down.first(BLOCK2)) == (n, len(data) > (n + 1) << szx + 4, szx)
        got += down.payload
        if not block_parts(down.first(BLOCK2))[1]:
            break
        n += 1
        down = pair.hear(protected(pair, payload=b"", options=[(BLOCK2, block(n, False, szx))]))
    assert got == data
    # another message's blocks are not these; blocks may come again for a while
    assert pair.hear(protected(pair, bytes.fromhex("0926"), b"", options=[(BLOCK2, block(1, False, szx))])).code != coap.CHANGED
    assert pair.hear(protected(pair, payload=b"", options=[(BLOCK2, block(0, False, szx))])).payload == data[:16 << szx]
    gw.advance(LIFETIME + 1_000)
    assert pair.hear(protected(pair, payload=b"", options=[(BLOCK2, block(1, False, szx))])).code != coap.CHANGED
    pair.origin.quiet()


@pytest.mark.covers("C8613-4.1.3.4-3")
def test_outer_blocks_are_gathered_up_to_the_limit(start):
    pair = WebPair(start(routes=ROUTE % 'body-limit = "2000B";'))
    for number, code in enumerate(("2.31", "4.13")):
        assert coap.code_text(pair.hear(protected(pair, payload=bytes(1024), options=[(BLOCK1, block(number, True, 6))])).code) == code
    # what was gathered is gone: nothing goes on from there
    assert coap.code_text(pair.hear(protected(pair, payload=bytes(1024), options=[(BLOCK1, block(2, False, 6))])).code) == "4.08"
    pair.origin.quiet()


@pytest.mark.covers("S-7", "C7959-2.4-3")
def test_messages_in_outer_blocks_do_not_mix(pair):
    bodies = [bytes([65 + i]) * 4000 for i in range(3)]
    for n in range(4):
        for i, body in enumerate(bodies):
            sent = protected(pair, bytes([9, i]), body[n * 1024:][:1024], options=[(BLOCK1, block(n, n < 3, 6))])
            if n < 3:
                assert pair.hear(sent).code == coap.CONTINUE
    for _ in bodies:
        up = pair.origin.request()
        i = up.body[0] - 65
        assert up.body == bodies[i] and up.field("oscore") == {0: "CQA", 1: "CQE", 2: "CQI"}[i] and up.field("content-length") == "4000"
        up.connection.answer(200, PROTECTED, up.body[:1])
    assert {pair.client.recv().payload for _ in bodies} == {b"A", b"B", b"C"}


# ---- two gateways ----

@pytest.fixture
def gateways(tmp_path):
    """One that takes HTTP and leads to CoAP, and one that takes CoAP and leads to HTTP: each may be the first."""
    started, web_port, host = [], free_port(), fresh_address()

    def begin(name, **kw):
        (tmp_path / name).mkdir()
        started.append(Proxy(tmp_path / name, **kw))
        return started[-1]

    inner = begin("inner", routes=ROUTE % "" + 'origin: { from = ["coap"]; to = ["http://%s:8077"]; };\n' % host,
                  sections='downstream: { identity = "inner"; };')
    inner.origin_host = host
    outer = begin("outer", listeners='web: { url = "http://127.0.0.1:%d"; };' % web_port, routes="""
      devices: { from = ["web"]; http-path = "/hc/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"];
        authenticate = "none"; };
    """, sections='downstream: { identity = "outer"; };')
    outer.web = ("127.0.0.1", web_port)
    yield inner, outer
    for p in started:
        p.stop()


@pytest.mark.covers("C8613-11.6-1")
@pytest.mark.parametrize("size", [10, 3000])
def test_from_coap_over_http_to_coap(gateways, size):
    inner, outer = gateways
    device, client, payload = outer.device(), inner.client(), PAYLOAD * (size // 10)
    uri = "http://%s:%d/hc/%s/" % (outer.web + (device.url,))
    parts = [payload[i:i + 1024] for i in range(0, len(payload), 1024)]
    for n, part in enumerate(parts):
        options = [(OSCORE, OPTION), (coap.PROXY_URI, uri)] + ([(BLOCK1, block(n, n < len(parts) - 1, 6))] if len(parts) > 1 else [])
        sent = client.send(coap.Message(POST, options=options, payload=part))
        if n < len(parts) - 1:
            assert client.recv().code == coap.CONTINUE
    got = b""
    while len(got) < len(payload):
        up = device.recv(5)
        assert up.code == POST and up.first(OSCORE) == OPTION and up.first(CONTENT_FORMAT) is None
        got += up.payload
        done = len(got) == len(payload)
        options = [(BLOCK1, up.first(BLOCK1))] if up.has(BLOCK1) else []
        device.piggyback(up, coap.CHANGED if done else coap.CONTINUE, options + ([(OSCORE, b"")] if done else []), ANSWER if done else b"")
        outer.settle()
    down = client.recv(5)
    assert got == payload
    assert (down.code, down.first(OSCORE), down.payload, down.token) == (coap.CHANGED, b"", ANSWER, sent.token)


@pytest.mark.covers("C8613-11.5-1", "C8613-11.6-1")
@pytest.mark.parametrize("size", [10, 5000, 30_000])
def test_from_http_over_coap_to_http(gateways, size):
    inner, outer = gateways
    origin, payload = Origin(inner, inner.origin_host, 8077), PAYLOAD * (size // 10)
    connection = http.client.HTTPConnection(*outer.web, timeout=10)
    connection.request("POST", "/hc/coap://127.0.0.1:%d/" % inner.port, payload, {"OSCORE": "CSU", "Content-Type": "application/oscore"})
    up = origin.request()
    assert (up.method, up.target, up.body, up.field("oscore")) == ("POST", "/", payload, "CSU")
    up.connection.answer(200, PROTECTED, payload[::-1])
    down = connection.getresponse()
    assert (down.status, down.getheader("OSCORE"), down.getheader("Content-Type")) == (200, "AA", "application/oscore")
    assert down.read() == payload[::-1]
    connection.close()
    origin.close()
