"""Rules at their edges: each of these tests fails when one condition is dropped or one figure moved."""

import pytest

import coap
from coap import ACK, BLOCK2, CON, GET, NON, OBSERVE, POST, RST, Message
from harness import NameServer, Pair, fresh_address, free_port, oscore_request, run_proxy

BAD_OPTION, NO_PROXY, BAD_GATEWAY, FORBIDDEN = (coap.code(c) for c in ("4.02", "5.05", "5.02", "4.03"))
SPAN = 45_000


def separate_response(pair):
    """A separate response that the client has received and not acknowledged."""
    _, up = pair.forward()
    pair.device.ack(up)
    pair.proxy.advance(1_100)
    assert pair.client.recv().is_empty
    pair.device.separate(up, payload=b"late")
    response = pair.client.recv()
    assert response.type == CON
    pair.device.pending()
    return response


# messages

@pytest.mark.covers("C7252-4.1-1")
@pytest.mark.parametrize("type_", [ACK, RST])
@pytest.mark.parametrize("more", [b"\xffx", b"\xb1p", b"\x00"], ids=["payload", "option", "junk"])
def test_empty_message_with_more_ends_nothing(pair, type_, more):
    """It has the right Message ID, but it is no Empty message: the response is repeated."""
    response = separate_response(pair)
    pair.client.send(coap.empty(type_, response.mid) + more)
    pair.proxy.advance(3_100)
    assert pair.client.recv().raw == response.raw
    pair.client.ack(response)


@pytest.mark.covers("C7252-4.1-1")
def test_empty_message_with_a_token_ends_nothing(pair):
    response = separate_response(pair)
    pair.client.send(coap.head(ACK, 0, response.mid, b"t"))
    pair.proxy.advance(3_100)
    assert pair.client.recv().raw == response.raw
    pair.client.ack(response)


@pytest.mark.covers("C7252-4.2-5")
def test_no_repeat_to_an_origin_after_the_span(pair):
    """The process stood still for longer than MAX_TRANSMIT_SPAN; the answer may still come until 93 s."""
    pair.forward()
    pair.proxy.stall(SPAN + 1_000)
    assert pair.proxy.watch(40_000, pair.device, step=1000) == []
    assert all(m.is_empty for m in pair.client.pending())
    pair.proxy.advance(8_000)
    assert [m.code for m in pair.client.pending() if m.code] == [coap.code("5.04")]


@pytest.mark.covers("C7252-4.2-5")
@pytest.mark.parametrize("late", [10_000, 25_000, 40_000])
def test_series_to_an_origin_ends_with_the_span(pair, late):
    pair.forward()
    pair.proxy.stall(late)
    seen = [(0, m) for m in pair.device.pending()]
    seen += [(at, m) for at, _, m in pair.proxy.watch(60_000, pair.device, step=250)]
    assert 1 <= len(seen) <= 4
    assert all(at + late <= SPAN + 250 for at, _ in seen), [at + late for at, _ in seen]


@pytest.mark.covers("C7252-4.2-5")
def test_no_repeat_to_a_client_after_the_span(pair):
    separate_response(pair)
    pair.proxy.stall(SPAN + 1_000)
    assert pair.proxy.watch(60_000, pair.client, step=1000) == []


@pytest.mark.covers("C7252-4.5-1")
def test_after_247_seconds_a_message_id_is_a_new_message(pair):
    sent, _, _ = pair.exchange()
    pair.proxy.advance(248_000)
    pair.client.send(sent)
    pair.device.answer(pair.device.recv(), payload=b"anew")
    assert pair.client.recv().payload == b"anew"


@pytest.mark.covers("C7252-4.5-1")
def test_just_before_247_seconds_it_is_still_a_repeat(pair):
    sent, _, _ = pair.exchange()
    pair.proxy.advance(246_800)
    pair.client.send(sent)
    again = pair.client.recv()
    assert (again.type, again.mid) == (ACK, sent.mid)
    pair.device.quiet()


@pytest.mark.covers("C7252-4.5-1")
def test_answer_is_repeated_as_long_as_the_request_may_be(pair):
    """MAX_TRANSMIT_WAIT: 93 s."""
    sent, _, down = pair.exchange(answer_payload=b"x" * 100)
    pair.proxy.advance(92_800)
    pair.client.send(sent)
    assert pair.client.recv().raw == down.raw


@pytest.mark.covers("C7252-4.5-4")
def test_after_145_seconds_a_non_message_id_is_a_new_message(pair):
    sent, _, _ = pair.exchange(type=NON)
    pair.proxy.advance(144_800)
    pair.client.send(sent)
    pair.quiet()
    pair.proxy.advance(2_000)
    pair.client.send(sent)
    pair.device.answer(pair.device.recv(), payload=b"anew")
    assert pair.client.recv().payload == b"anew"


@pytest.mark.covers("C7252-4.1-2")
def test_two_listeners_are_two_endpoints(start):
    """The same Message ID and token from one client: two messages, as they went to two of our ports."""
    ports = [free_port(), free_port()]
    proxy = start(port=ports[0], routes='f: { forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };',
                  listeners='a: { url = "coap://127.0.0.1:%d"; }; b: { url = "coap://127.0.0.1:%d"; };' % tuple(ports))
    pair = Pair(proxy)
    for port, path in zip(ports, ("a", "b")):
        pair.client.to = ("127.0.0.1", port)
        pair.send(path=(path,), mid=77, token=b"same")
        up = pair.device.recv()
        assert up.all(coap.URI_PATH) == [path.encode()]
        pair.device.answer(up, payload=path.encode())
        down = pair.client.recv()
        assert (down.payload, down.source[1]) == (path.encode(), port)


@pytest.mark.covers("C7252-4.5-3")
@pytest.mark.parametrize("code", [GET, coap.FETCH])
def test_records_of_oscore_requests_outlive_those_of_safe_ones(start, code):
    """Whatever the Outer Code, an OSCORE request is not safe to repeat."""
    proxy = start(sections='limits: { dedup-memory = "1MB"; };')
    pair = Pair(proxy)
    sent = pair.client.send(oscore_request(pair, code=code))
    pair.device.answer(pair.device.recv(), coap.CONTENT)
    pair.client.recv()
    for c in range(2):
        client = proxy.client()
        for i in range(20_000):
            client.send(coap.head(NON, GET, i, b"t") + b"\xb1p")
            if i % 64 == 63:
                client.pending()
    pair.client.send(sent)
    assert pair.client.recv().mid == sent.mid
    pair.device.quiet()


@pytest.mark.covers("C7252-4.2-4")
@pytest.mark.parametrize("warm", [0, 30])
def test_five_datagrams_whatever_the_timeout(pair, warm):
    """Also where the origin was quick before, so that more would fit into the span."""
    for _ in range(warm):
        pair.exchange()
    pair.send()
    seen = pair.proxy.watch(92_000, pair.device, step=500)
    assert len(seen) == 5
    if warm:
        assert seen[-1][0] < 30_000, "the timeouts were short"


@pytest.mark.covers("C7252-4.7-2")
def test_non_to_a_silent_server_stays_below_the_probing_rate(pair):
    """One byte per second: the next datagram leaves when the one before has been paid for."""
    for i in range(3):
        pair.send(type=NON, path=("%d" % i,))
    seen = pair.proxy.watch(60_000, pair.device, step=250)
    assert len(seen) == 3
    for (at, _, m), (then, _, _) in zip(seen, seen[1:]):
        assert then - at >= 1000 * len(m.raw) - 250


@pytest.mark.covers("C7967-3.2-1")
def test_without_feedback_messages_are_three_seconds_apart(pair):
    for _ in range(4):
        pair.send(coap.PUT, payload=b"x", options=[(coap.NO_RESPONSE, 26)], type=NON)
    times = [at for at, _, _ in pair.proxy.watch(12_000, pair.device, step=100)]
    assert len(times) == 4 and all(2_900 <= b - a <= 3_300 for a, b in zip(times, times[1:])), times


@pytest.mark.covers("C7967-2.1-2", "C7967-2.1-3")
def test_nothing_is_kept_once_a_request_without_response_is_acknowledged(start):
    pair = Pair(start())
    sent, up = pair.forward(coap.PUT, payload=b"x", options=[(coap.NO_RESPONSE, 26)])
    pair.device.ack(up)
    ack = pair.client.recv()
    assert (ack.type, ack.code, ack.mid) == (ACK, 0, sent.mid)
    assert pair.proxy.state()["exchanges"] == 0


@pytest.mark.covers("C7252-5.7.1-2")
@pytest.mark.parametrize("tail", [b"\xff", b"\xf0", b"\x0f", b"\x45abc"], ids=["marker", "delta 15", "length 15", "past the end"])
@pytest.mark.parametrize("type_", [ACK, CON, NON])
def test_answer_with_a_format_error_gives_5_02(pair, type_, tail):
    sent, up = pair.forward()
    mid = up.mid if type_ == ACK else 0x7001
    pair.device.send_raw(coap.head(type_, coap.CONTENT, mid, up.token) + tail, up.source)
    down = pair.client.recv()
    assert (down.code, down.token) == (BAD_GATEWAY, sent.token)
    told = pair.device.pending()
    if type_ == CON:
        assert [(m.type, m.mid) for m in told] == [(RST, mid)]
    else:
        assert all(m.type == RST for m in told) and (type_ == NON or not told)
    assert pair.proxy.watch(10_000, pair.device, step=1000) == []


# options

@pytest.mark.covers("C7252-5.10.6-1")
@pytest.mark.parametrize("tags", [[b"a", b"b"], [b"a", b"a", b"c"]])
def test_one_etag_of_a_response_goes_on(pair, tags):
    *_, down = pair.exchange(answer_options=[(coap.ETAG, t) for t in tags])
    assert down.all(coap.ETAG) == tags[:1]


@pytest.mark.covers("C7252-5.10.6-1")
def test_etags_of_a_request_all_go_on(pair):
    _, up, _ = pair.exchange(options=[(coap.ETAG, b"a"), (coap.ETAG, b"b")])
    assert up.all(coap.ETAG) == [b"a", b"b"]


@pytest.mark.covers("C7252-5.7.3-2")
def test_etags_of_several_origins_pass_as_they_are_and_the_manual_says_what_that_asks(start):
    """The mapping is one-to-one only where the origins are copies of each other."""
    status, out, _ = run_proxy("--print-manual")
    at = " ".join(out.split())
    assert status == 0 and "copies of each other" in at and "same ETag must mean the same content" in at and "5.7.3" in at
    hosts, port = [fresh_address(), fresh_address()], free_port()
    proxy = start(routes='m: { from = ["coap"]; hosts = ["m.example"]; to = ["coap://%s:%d", "coap://%s:%d"]; };' %
                         (hosts[0], port, hosts[1], port))
    first, second = (proxy.device(h, port) for h in hosts)
    pair = Pair(proxy, "reverse", device=first, host="m.example")
    *_, down = pair.exchange(answer_options=[(coap.ETAG, b"one")])
    assert down.all(coap.ETAG) == [b"one"]
    pair.send()
    first.reset(first.recv())
    assert pair.client.recv().code == BAD_GATEWAY
    pair.device = second
    _, up, down = pair.exchange(options=[(coap.ETAG, b"one")], answer=coap.VALID, answer_options=[(coap.ETAG, b"one")])
    assert up.all(coap.ETAG) == [b"one"] and (down.code, down.all(coap.ETAG)) == (coap.VALID, [b"one"])


@pytest.mark.covers("C7252-6.1-1")
def test_proxy_scheme_without_a_host_is_no_uri(pair):
    options = [(coap.PROXY_SCHEME, "coap"), (coap.URI_PORT, pair.device.port), (coap.URI_PATH, "p")]
    assert pair.client.ask(Message(GET, options=options)).code == BAD_OPTION
    pair.quiet()


@pytest.mark.covers("C7252-5.7.2-1")
@pytest.mark.parametrize("scheme", ["http", "gopher", "coapx", "coa"])
def test_not_a_proxy_for_a_foreign_scheme(pair, scheme):
    options = [(coap.PROXY_SCHEME, scheme), (coap.URI_HOST, pair.device.host), (coap.URI_PORT, pair.device.port)]
    assert pair.client.ask(Message(GET, options=options)).code == NO_PROXY
    pair.quiet()


@pytest.mark.covers("C7252-5.7.2-2")
@pytest.mark.parametrize("form", ["uri", "scheme"])
def test_own_address_means_the_gateways_own_resources(proxy, form):
    """Not a target that is refused: the request is local."""
    client = proxy.client()
    if form == "uri":
        options = [(coap.PROXY_URI, "coap://%s:%d/.well-known/core" % (proxy.host, proxy.port))]
    else:
        options = [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, proxy.host), (coap.URI_PORT, proxy.port),
                   (coap.URI_PATH, ".well-known"), (coap.URI_PATH, "core")]
    down = client.ask(Message(GET, options=options))
    assert (down.code, down.uint(coap.CONTENT_FORMAT)) == (coap.CONTENT, 40)


@pytest.mark.covers("C7252-5.8-1")
@pytest.mark.parametrize("code", [POST, coap.PUT, coap.DELETE, coap.FETCH, coap.PATCH, coap.IPATCH])
def test_own_resource_has_one_method(proxy, code):
    sent = Message(code, options=[(coap.URI_PATH, ".well-known"), (coap.URI_PATH, "core")])
    down = proxy.client().ask(sent)
    assert (down.type, down.code, down.mid) == (ACK, coap.code("4.05"), sent.mid)


@pytest.mark.covers("C7252-5.4.1-1")
@pytest.mark.parametrize("number,served", [(65001, False), (65000, True), (coap.IF_MATCH, True), (coap.URI_PATH_ABBREV, False)])
def test_own_resource_refuses_what_is_critical_and_unknown(proxy, number, served):
    """Safe to forward counts for nothing here: the request is answered by the gateway itself."""
    options = [(coap.URI_PATH, ".well-known"), (coap.URI_PATH, "core"), (number, b"")]
    down = proxy.client().ask(Message(GET, options=options))
    assert down.code == (coap.CONTENT if served else BAD_OPTION)


@pytest.mark.covers("C7252-5.4.3-1")
@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x00", b"\x01\x00\x00"])
def test_uri_port_out_of_range(pair, value):
    options = [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, pair.device.host), (coap.URI_PORT, value)]
    assert pair.client.ask(Message(GET, options=options)).code == BAD_OPTION


@pytest.mark.covers("C7252-6.4-2", "C7252-6.3-1")
@pytest.mark.parametrize("form", ["uri", "scheme"])
def test_name_goes_on_in_lower_case(start, tmp_path, form):
    dns = NameServer()
    try:
        file = tmp_path / "resolv.conf"
        file.write_text("nameserver %s:%d\n" % (dns.host, dns.port))
        proxy = start(routes='n: { from = ["coap"]; forward-to = ["coap://*.example:*"]; allow-networks = ["127.0.0.0/8"]; };',
                      sections='upstream: { resolv-conf = "%s"; };' % file)
        client, device = proxy.client(), proxy.device()
        if form == "uri":
            options = [(coap.PROXY_URI, "COAP://DEV.Example:%d/P" % device.port)]
        else:
            options = [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, "DEV.Example"), (coap.URI_PORT, device.port),
                       (coap.URI_PATH, "P")]
        client.send(Message(GET, options=options))
        assert dns.serve({"dev.example": [device.host]})
        up = device.recv()
        assert up.all(coap.URI_HOST) == [b"dev.example"] and up.all(coap.URI_PATH) == [b"P"]
        device.answer(up)
        client.recv()
    finally:
        dns.close()


@pytest.mark.covers("C7252-11.1-1", "S-39")
@pytest.mark.parametrize("inside,beside,denied", [("admin", "open", True), ("open", "admin", False)])
def test_path_rule_judges_the_path_that_is_forwarded(start, inside, beside, denied):
    """Proxy-Uri wins over Uri-Path, in the decision as well."""
    proxy = start(routes='no: { from = ["coap"]; paths = ["/admin"]; deny = true; };'
                         'f: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };')
    pair = Pair(proxy)
    pair.client.send(Message(GET, options=[(coap.PROXY_URI, "%s/%s" % (pair.device.url, inside)), (coap.URI_PATH, beside)]))
    if denied:
        assert pair.client.recv().code == FORBIDDEN
        pair.quiet()
    else:
        up = pair.device.recv()
        assert up.all(coap.URI_PATH) == [inside.encode()]
        pair.device.answer(up)
        assert pair.client.recv().code == coap.CONTENT


@pytest.mark.covers("C7252-11.5-1")
def test_a_target_outside_the_routes_networks_is_none(start):
    proxy = start(routes='f: { from = ["coap"]; forward-to = ["coap://127.9.0.0/16:*"]; allow-networks = ["127.0.0.0/8"]; };')
    inside, outside = Pair(proxy, device=proxy.device("127.9.1.1")), Pair(proxy, device=proxy.device("127.10.1.1"))
    inside.exchange()
    assert outside.refused().code == NO_PROXY


@pytest.mark.covers("S-39")
@pytest.mark.parametrize("host", ["bad.example.", "BAD.example.", "bad%2Eexample."])
def test_trailing_dot_leads_round_no_rule(start, host):
    proxy = start(routes='no: { from = ["coap"]; hosts = ["bad.example"]; deny = true; };'
                         'f: { from = ["coap"]; forward-to = ["coap://*:*"]; };')
    down = proxy.client().ask(Message(GET, options=[(coap.PROXY_URI, "coap://%s/p" % host)]))
    assert down.code == FORBIDDEN


@pytest.mark.covers("S-1", "C8613-D.5-1")
def test_observe_beside_an_oscore_post_goes_on(pair):
    """Observe is defined for GET and FETCH; the Outer Code of an OSCORE request is neither's business."""
    pair.client.send(oscore_request(pair, code=POST, options=[(OBSERVE, b"")]))
    up = pair.device.recv()
    assert up.code == POST and up.first(OBSERVE) == b""
    pair.device.answer(up, coap.CHANGED, [(coap.OSCORE, b"")], b"sealed")
    assert pair.client.recv().code == coap.CHANGED


@pytest.mark.covers("C8613-2-5")
@pytest.mark.parametrize("length,passes", [(255, True), (256, False), (300, False)])
def test_length_of_the_oscore_option(pair, length, passes):
    pair.client.send(oscore_request(pair, b"\x09" * length))
    if passes:
        up = pair.device.recv()
        assert up.first(coap.OSCORE) == b"\x09" * length
        pair.device.answer(up)
        assert pair.client.recv().code == coap.CONTENT
    else:
        assert pair.client.recv().code == BAD_OPTION
        pair.quiet()


# blocks

@pytest.mark.covers("C7959-2.3-1")
@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_block2_with_more_must_fill_its_size(pair, length):
    *_, down = pair.exchange(answer_options=[(BLOCK2, coap.block(0, True, 2))], answer_payload=b"x" * length)
    assert down.code == BAD_GATEWAY and down.payload.isascii() and not down.has(BLOCK2)


@pytest.mark.covers("C7959-2.3-1")
@pytest.mark.parametrize("length", [0, 1, 63, 64])
def test_last_block2_may_be_short(pair, length):
    *_, down = pair.exchange(answer_options=[(BLOCK2, coap.block(3, False, 2))], answer_payload=b"x" * length)
    assert down.code == coap.CONTENT and len(down.payload) == length


@pytest.mark.covers("C9175-2.4-2")
@pytest.mark.parametrize("size", [137, 192, 200, 256, 1000, 1024])
def test_cut_answer_can_be_read_to_its_end(start, size):
    """Block by block from an origin that has the whole; the last one says so, also where it is full."""
    pair = Pair(start(sections="downstream: { trusted = []; };"))
    body = bytes(i & 255 for i in range(size))
    got, more, num, szx = b"", True, 0, None
    while more:
        options = [] if szx is None else [(BLOCK2, coap.block(num, False, szx))]
        *_, down = pair.exchange(options=options, answer_payload=body)
        number, more, szx = coap.block_parts(down.first(BLOCK2))
        assert number == num and (not more or len(down.payload) == 16 << szx) and down.payload
        got += down.payload
        num += 1
    assert got == body


# overload

@pytest.mark.covers("C8516-4-1")
@pytest.mark.parametrize("other", [dict(path=("busy", "x")), dict(path=("idle",)), dict(path=("busy",), query=("q",)),
                                   dict(path=("busy",), code=POST)])
def test_4_29_holds_back_similar_requests_only(pair, other):
    pair.exchange(path=("busy",), answer=coap.code("4.29"), answer_options=[(coap.MAX_AGE, 30)])
    *_, down = pair.exchange(**other)
    assert down.code == coap.CONTENT
    assert pair.refused(path=("busy",)).code in (coap.code("5.03"), coap.code("4.29"))


# Echo and ports

@pytest.mark.covers("C9175-2.3-6")
def test_every_byte_of_an_echo_counts(start):
    pair = Pair(start(sections="downstream: { trusted = []; };"))
    *_, down = pair.exchange(POST, payload=b"q", answer_payload=b"x" * 1000)
    value = down.first(coap.ECHO)
    assert down.code == coap.code("4.01") and len(value) >= 8
    for i in range(len(value)):
        forged = value[:i] + bytes([value[i] ^ 0x10]) + value[i + 1:]
        _, up, _ = pair.exchange(POST, payload=b"q", options=[(coap.ECHO, forged)])
        assert up.all(coap.ECHO) == [forged], "not taken for ours"
    _, up, down = pair.exchange(POST, payload=b"q", options=[(coap.ECHO, value)], answer_payload=b"x" * 1000)
    assert not up.has(coap.ECHO) and down.code == coap.CONTENT


@pytest.mark.covers("C9175-2.3-6")
def test_echo_of_another_port_is_none(start):
    pair = Pair(start(sections="downstream: { trusted = []; };"))
    *_, down = pair.exchange(POST, payload=b"q", answer_payload=b"x" * 1000)
    other = Pair(pair.proxy, device=pair.device, client=pair.proxy.client(pair.client.host))
    *_, down = other.exchange(POST, payload=b"q", options=[(coap.ECHO, down.first(coap.ECHO))], answer_payload=b"x" * 1000)
    assert down.code == coap.code("4.01")


@pytest.mark.covers("C7959-2.4-3")
def test_download_keeps_its_port_when_the_pool_grows(start):
    """A burst makes the first port busy; what began on it ends on it."""
    proxy = start()
    device = proxy.device()
    readers = [Pair(proxy, device=device) for _ in range(12)]

    def read(pair, num):
        sent, up = pair.forward(path=("big",), options=[(BLOCK2, coap.block(num, False, 0))])
        device.answer(up, options=[(BLOCK2, coap.block(num, True, 0))], payload=b"x" * 16)
        pair.client.recv()
        return up.source

    first = [read(pair, 0) for pair in readers]
    proxy.advance(1_000)
    busy = Pair(proxy, device=device)
    for _ in range(9_000):
        busy.exchange()
    assert proxy.counters()["ports_grown"] > 0
    fresh = {read(Pair(proxy, device=device), 0) for _ in range(24)}
    assert len(fresh) > 1, "new transfers use the new ports"
    for pair in readers:
        pair.exchange()  # what is no transfer may leave from elsewhere
    assert [read(pair, 1) for pair in readers] == first
