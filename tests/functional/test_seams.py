"""Where the RFCs meet and proxies go wrong (conformance 17); the seams that no other file has."""

import pytest

import coap
from coap import CON, GET, NON, OSCORE, POST, Message
from harness import Pair, fresh_address, free_port, oscore_request

FORBIDDEN, NOT_FOUND, NO_PROXY, BAD_OPTION, UNAUTHORIZED = (coap.code(c) for c in ("4.03", "4.04", "5.05", "4.02", "4.01"))


@pytest.mark.covers("S-12")
def test_context_appears_after_the_first_4_01(pair):
    """Replay detected, context not found, Echo: none of it is served again from memory."""
    for i, text in enumerate((b"Security context not found", b"Replay detected", b"")):
        pair.client.send(oscore_request(pair))
        pair.device.answer(pair.device.recv(), UNAUTHORIZED, [(coap.MAX_AGE, 0)], text)
        assert pair.client.recv().payload == text
        assert len(pair.device.ledger) == i + 1
    pair.client.send(oscore_request(pair))
    pair.device.answer(pair.device.recv(), coap.CHANGED, [(OSCORE, b"")], b"sealed")
    assert pair.client.recv().payload == b"sealed"


@pytest.mark.covers("S-13")
def test_dropped_response_and_deliveries_counted_at_the_origin(pair):
    """The origin worked, its answer was lost: 5.04, and one delivery."""
    pair.client.send(oscore_request(pair))
    pair.proxy.watch(94_000, pair.device, step=2000)
    assert len(pair.device.distinct()) == 1
    assert [m.code for m in pair.client.pending() if m.code] == [coap.code("5.04")]


@pytest.mark.covers("S-13")
@pytest.mark.parametrize("seed", range(3))
def test_lossy_way_to_the_origin_delivers_once(start, seed):
    """Loss, doubling and delay on both legs: every sealed request is seen under one Message ID only."""
    proxy = start()
    proxy.faults(side="up", drop=20, duplicate=10, delay=50, fail=0, seed=seed)
    pairs = [Pair(proxy) for _ in range(10)]
    for i, p in enumerate(pairs):
        p.client.send(oscore_request(p, option=bytes([9, 5, i]), payload=bytes([i]) * 30))

    def serve(who, m):
        if m.code:
            who.piggyback(m, coap.CHANGED, [(OSCORE, b"")], b"ok")

    proxy.watch(95_000, *[p.device for p in pairs], step=250, each=serve)
    for p in pairs:
        assert len(p.device.distinct()) <= 1
        assert len({m.raw for m in p.client.pending() if m.code}) == 1


@pytest.mark.covers("S-20", "C7959-2.2-1")
def test_szx_7_does_not_leak_to_udp(pair):
    for number in (coap.BLOCK1, coap.BLOCK2):
        assert pair.refused(coap.PUT, payload=b"x" * 1024, options=[(number, coap.block(0, False, 7))]).code == coap.code("4.00")
        *_, down = pair.exchange(answer_options=[(number, coap.block(0, False, 7))])
        assert down.code >> 5 == 5 or not down.has(number) or coap.block_parts(down.first(number))[2] < 7


@pytest.mark.covers("S-21", "C7252-5.2.2-1", "C7252-4.5-3")
def test_three_second_origin(pair):
    """Empty ACK well before 2 s; the client's late repeat is no second delivery."""
    sent = pair.client.send(oscore_request(pair))
    up = pair.device.recv()
    times = [at for at, _, m in pair.proxy.watch(2_000, pair.client) if m.is_empty]
    assert len(times) == 1 and times[0] <= 1_500
    pair.client.send(sent)
    assert pair.client.recv().is_empty
    pair.proxy.watch(1_000, pair.device)
    assert len(pair.device.distinct()) == 1
    pair.device.answer(up, coap.CHANGED, [(OSCORE, b"")], b"sealed")
    down = pair.client.recv()
    assert (down.type, down.payload) == (CON, b"sealed")
    pair.client.ack(down)
    pair.proxy.advance(240_000)
    pair.client.pending()
    pair.client.send(sent)
    assert pair.client.recv().is_empty
    assert len(pair.device.distinct()) == 1


# S-23: routing under end-to-end OSCORE

@pytest.fixture
def sensors(start):
    addresses, port = [fresh_address() for _ in range(2)], free_port()
    proxy = start(routes='a: { from = ["coap"]; paths = ["/sensorA/**"]; to = ["coap://%s:%d"]; };'
                         'b: { from = ["coap"]; hosts = ["b.example"]; to = ["coap://%s:%d"]; };'
                         % (addresses[0], port, addresses[1], port))
    return proxy, proxy.device(addresses[0], port), proxy.device(addresses[1], port)


@pytest.mark.covers("S-23", "C7252-11.1-1")
@pytest.mark.parametrize("options", [[], [(coap.URI_PATH, b"sensorA"), (coap.URI_PATH, b"t")]])
def test_path_route_does_not_take_an_oscore_request(sensors, options):
    """An Outer Uri-Path says nothing: the origin discards it."""
    proxy, a, _ = sensors
    client = proxy.client()
    down = client.ask(Message(POST, options=options + [(OSCORE, b"\x09\x05\x25")], payload=b"c"))
    assert down.code == NOT_FOUND
    a.quiet()


@pytest.mark.covers("S-23")
def test_host_route_takes_an_oscore_request(sensors):
    proxy, _, b = sensors
    client = proxy.client()
    client.send(Message(POST, options=[(coap.URI_HOST, "b.example"), (coap.URI_PATH, b"sensorA"), (OSCORE, b"\x09\x05\x25")],
                        payload=b"c"))
    up = b.recv()
    b.answer(up, coap.CHANGED)
    assert client.recv().code == coap.CHANGED


@pytest.mark.covers("S-24")
@pytest.mark.parametrize("value", ["39050344616c25", "2852", "290752", "8901052502", "ffffffffff", "0f", "8180", "c0ff"])
@pytest.mark.parametrize("form", ["scheme", "uri"])
def test_no_flag_bit_is_judged(proxy, form, value):
    pair = Pair(proxy, form)
    option = bytes.fromhex(value)
    pair.client.send(oscore_request(pair, option))
    up = pair.device.recv()
    assert up.first(OSCORE) == option
    pair.device.answer(up, coap.CHANGED, [(OSCORE, option)], b"c")
    assert pair.client.recv().first(OSCORE) == option


@pytest.mark.covers("S-25", "C9668-3.1-1")
def test_combined_request_to_an_unknown_kid(pair):
    """There is no context yet: nothing filters by kid."""
    for kid in (b"", b"\x00", b"\xfe\xff"):
        pair.client.send(oscore_request(pair, b"\x09\x00" + kid, b"\x58\x20" + bytes(60), options=[(coap.EDHOC, b"")]))
        up = pair.device.recv()
        assert up.all(coap.EDHOC) == [b""] and up.first(OSCORE) == b"\x09\x00" + kid
        pair.device.answer(up, coap.CHANGED)
        pair.client.recv()


@pytest.mark.covers("S-34", "C7252-4.7-1")
def test_lost_con_does_not_hold_fifty_clients_for_93_seconds(start):
    """A lossy origin: some wait, some get 5.03 or 5.04, and every one gets an answer."""
    proxy = start(routes='f: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; '
                         'timeout = "20s"; };')
    device = proxy.device()
    pairs = [Pair(proxy, device=device) for _ in range(50)]
    lost = []

    def serve(who, m):
        if m.code and m.raw not in lost and len(lost) < 5:
            lost.append(m.raw)
        elif m.code:
            who.answer(m)

    for p in pairs:
        p.send()
    proxy.watch(25_000, device, step=250, each=serve)
    for p in pairs:
        assert len({m.raw for m in p.client.pending() if m.code}) == 1


# S-39: ways round an access list

@pytest.fixture(scope="module")
def listed_shared(tmp_path_factory):
    """Only one port of one network may be named; everything else is refused."""
    from harness import Proxy
    port = free_port()
    p = Proxy(tmp_path_factory.mktemp("acl"),
              routes='f: { from = ["coap"]; forward-to = ["coap://127.77.0.0/16:%d"]; allow-networks = ["127.77.0.0/16"]; };' % port)
    p.good_port = port
    yield p
    p.stop()


@pytest.fixture
def listed(listed_shared):
    yield listed_shared
    listed_shared.close_peers()


BYPASSES = {
    "Proxy-Uri to another network": [(coap.PROXY_URI, "coap://%bad/p")],
    "Proxy-Uri, upper case": [(coap.PROXY_URI, "COAP://%bad/p")],
    "Proxy-Uri with user info that looks right": [(coap.PROXY_URI, "coap://%good@%bad/p")],
    "Proxy-Uri with a fragment that looks right": [(coap.PROXY_URI, "coap://%bad/#@%good")],
    "Proxy-Uri, right host in Uri-Host": [(coap.PROXY_URI, "coap://%bad/p"), (coap.URI_HOST, "127.77.0.1")],
    "Proxy-Uri, percent-coded": [(coap.PROXY_URI, "coap://%pct/p")],
    "Proxy-Uri, IPv4 in IPv6": [(coap.PROXY_URI, "coap://[::ffff:%badhost]:%port/p")],
    "Proxy-Scheme": [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, "%badhost"), (coap.URI_PORT, "%port")],
    "Proxy-Scheme, two hosts": [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, "127.77.0.1"), (coap.URI_HOST, "%badhost"),
                                (coap.URI_PORT, "%port")],
    "Proxy-Scheme, other port": [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, "127.77.0.1"), (coap.URI_PORT, "%badport")],
    "Proxy-Scheme and Proxy-Uri": [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, "127.77.0.1"), (coap.PROXY_URI, "coap://%bad/p")],
    "Proxy-Cri": [(coap.PROXY_CRI, b"\x82\x20\x44\x7f\x00\x00\x01")],
    "Proxy-Cri beside a good Proxy-Uri": [(coap.PROXY_CRI, b"\x82\x20\x44\x7f\x00\x00\x01"), (coap.PROXY_URI, "coap://%good/p")],
    "Proxy-Scheme-Number": [(coap.PROXY_SCHEME_NUMBER, b""), (coap.URI_HOST, "127.77.0.1"), (coap.URI_PORT, "%port")],
    "Proxy-Scheme-Number and Proxy-Scheme": [(coap.PROXY_SCHEME_NUMBER, b""), (coap.PROXY_SCHEME, "coap"),
                                             (coap.URI_HOST, "127.77.0.1"), (coap.URI_PORT, "%port")],
    "Uri-Host alone": [(coap.URI_HOST, "%badhost"), (coap.URI_PORT, "%port")],
}


@pytest.mark.covers("S-39", "D-HREF-1", "C7252-11.1-1")
@pytest.mark.parametrize("oscore", [False, True])
@pytest.mark.parametrize("options", BYPASSES.values(), ids=BYPASSES.keys())
def test_access_list_has_no_way_round(listed, options, oscore):
    bad, good = listed.device(), listed.device("127.77.0.1", listed.good_port)
    other = listed.device("127.77.0.1")

    def fill(value):
        if not isinstance(value, str):
            return value
        if value == "%port":
            return coap.uint(bad.port)
        if value == "%badport":
            return coap.uint(other.port)
        pct = "".join("%%%02X" % b for b in bad.host.encode()) + ":%d" % bad.port
        return (value.replace("%pct", pct).replace("%badhost", bad.host).replace("%port", str(bad.port))
                .replace("%bad", "%s:%d" % (bad.host, bad.port)).replace("%good", "127.77.0.1:%d" % listed.good_port))

    sealed = [(OSCORE, b"\x09\x05\x25")] if oscore else []
    client = listed.client()
    down = client.ask(Message(POST, options=[(n, fill(v)) for n, v in options] + sealed, payload=b"c"))
    assert down.code in (BAD_OPTION, FORBIDDEN, NOT_FOUND, NO_PROXY, UNAUTHORIZED)
    for d in (bad, good, other):
        d.quiet()


@pytest.mark.covers("D-UPA-1", "D-UPA-4", "S-39")
def test_abbreviated_path_against_a_path_route(start):
    """Option 13 may stand for any path: a route that decides by path does not take what it cannot expand."""
    address, port = fresh_address(), free_port()
    proxy = start(routes='no: { from = ["coap"]; paths = ["/.well-known/**"]; deny = true; };'
                         'yes: { from = ["coap"]; paths = ["/**"]; to = ["coap://%s:%d"]; };' % (address, port))
    client, device = proxy.client(), proxy.device(address, port)
    down = client.ask(Message(GET, options=[(13, 0)]))
    assert down.code in (BAD_OPTION, FORBIDDEN, NOT_FOUND)
    device.quiet()


@pytest.mark.covers("D-UPA-1")
@pytest.mark.parametrize("value", [0, 1, 999])
def test_abbreviated_path_is_relayed_where_no_path_decides(pair, value):
    _, up, _ = pair.exchange(path=(), options=[(13, value)])
    assert up.all(13) == [coap.uint(value)] and not up.has(coap.URI_PATH)


@pytest.mark.covers("D-HREF-1")
@pytest.mark.parametrize("number", [coap.PROXY_CRI, coap.PROXY_SCHEME_NUMBER])
def test_new_ways_to_name_a_target_are_not_understood(pair, number):
    assert pair.refused(options=[(number, b"\x01")]).code == BAD_OPTION


@pytest.mark.covers("D-CC-1")
def test_late_4_05_becomes_separate(pair):
    sent, up = pair.forward(POST, payload=b"x")
    pair.proxy.advance(1_100)
    assert pair.client.recv().is_empty
    pair.device.answer(up, coap.code("4.05"))
    down = pair.client.recv()
    assert (down.type, down.code) == (CON, coap.code("4.05"))
    pair.client.ack(down)


@pytest.mark.covers("S-9")
def test_option_00_and_the_empty_option_stay_two_things(pair):
    for value in (b"\x00", b""):
        pair.client.send(oscore_request(pair, value))
        up = pair.device.recv()
        assert up.all(OSCORE) == [value]
        pair.device.answer(up, coap.CHANGED, [(OSCORE, value)], b"c")
        assert pair.client.recv().all(OSCORE) == [value]


@pytest.mark.covers("C8132-3-1")
@pytest.mark.parametrize("method", [coap.PATCH, POST, GET, coap.PUT])
def test_no_method_is_retried_by_the_gateway(pair, method):
    sent, up = pair.forward(method, payload=b"" if method == GET else b"x")
    pair.device.ack(up)
    pair.proxy.advance(300_000)
    assert len(pair.device.distinct()) == 1
    assert [m.code for m in pair.client.pending() if m.code][0] == coap.code("5.04")


@pytest.mark.parametrize("seed", range(4))
def test_every_request_ends_in_one_answer_whatever_the_network_does(start, seed):
    """Both legs lose, double, delay and fail; clients repeat as RFC 7252 wants; nobody is told two things."""
    proxy = start()
    proxy.faults(side="both", drop=15, duplicate=10, delay=80, fail=2, seed=seed)
    pairs = [Pair(proxy) for _ in range(12)]
    sent = []
    for i, p in enumerate(pairs):
        request = oscore_request(p, option=bytes([9, 5, i])) if i % 3 == 0 else p.request(type=NON if i % 3 == 1 else CON)
        sent.append(p.client.send(request))

    def act(who, m):
        if any(who is p.client for p in pairs):
            if m.type == CON:
                who.ack(m)
        elif m.code and i_answer(m):
            who.answer(m, payload=b"a")

    def i_answer(m):
        return m.mid % 5 != 0

    peers = [p.client for p in pairs] + [p.device for p in pairs]
    for wait in (2_500, 5_000, 10_000, 20_000, 60_000):
        proxy.watch(wait, *peers, step=250, each=act)
        for p, s in zip(pairs, sent):
            if s.type == CON and not any(m.mid == s.mid or m.token == s.token for m in p.client.ledger):
                p.client.send(s)
    proxy.watch(250_000, *peers, step=2000, each=act)
    for p, s in zip(pairs, sent):
        told = {(m.code, m.payload) for m in p.client.ledger if m.code and m.token == s.token}
        assert len(told) <= 1, told
        assert len({(m.source, m.mid) for m in p.device.distinct()}) <= 1
    assert proxy.state()["exchanges"] == 0


