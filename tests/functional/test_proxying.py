"""Proxying and the options that name a target: RFC 7252 5.7, 5.8, 5.10 (conformance 1.7, 1.8)."""

import pytest

import coap
from coap import GET, POST, Message
from harness import NameServer, ONE_WORKER, Pair, fresh_address, free_port, oscore_request

FORBIDDEN, NOT_FOUND, NO_PROXY, BAD_OPTION = (coap.code(c) for c in ("4.03", "4.04", "5.05", "4.02"))
FORWARD = 'f: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };'


# the forward proxy

@pytest.mark.covers("C7252-5.7.2-3", "C8613-10-1")
def test_proxy_uri_is_split(pair):
    request = Message(GET, options=[(coap.PROXY_URI, pair.device.url + "/a/b%20c?x=1&y")])
    sent = pair.client.send(request)
    up = pair.device.recv()
    assert up.all(coap.URI_PATH) == [b"a", b"b c"] and up.all(coap.URI_QUERY) == [b"x=1", b"y"]
    assert not up.has(coap.PROXY_URI) and not up.has(coap.PROXY_SCHEME)
    pair.device.answer(up)
    assert pair.client.recv().token == sent.token


@pytest.mark.covers("C7252-5.7.2-3")
def test_proxy_scheme_is_taken_off(pair):
    _, up, _ = pair.exchange(path=("a", "b"), query=("x",))
    assert not up.has(coap.PROXY_SCHEME)
    assert up.all(coap.URI_PATH) == [b"a", b"b"] and up.all(coap.URI_QUERY) == [b"x"]


@pytest.mark.covers("C7252-5.10.1-2", "C7252-6.4-2", "C7252-6.4-3")
@pytest.mark.parametrize("form", ["scheme", "uri"])
def test_literal_target_needs_no_host_and_port(proxy, form):
    _, up, _ = Pair(proxy, form).exchange()
    assert not up.has(coap.URI_HOST) and not up.has(coap.URI_PORT)


@pytest.mark.covers("C8613-4.1.3.3-2")
@pytest.mark.parametrize("tail", ["", "/"])
def test_proxy_uri_without_a_path(pair, tail):
    request = Message(POST, options=[(coap.PROXY_URI, pair.device.url + tail), (coap.OSCORE, b"\x09\x05\x25")],
                      payload=b"sealed")
    pair.client.send(request)
    up = pair.device.recv()
    assert not up.has(coap.URI_PATH) and not up.has(coap.URI_QUERY)
    assert up.first(coap.OSCORE) == b"\x09\x05\x25" and up.payload == b"sealed"
    pair.device.answer(up, coap.CHANGED)
    pair.client.recv()


@pytest.mark.covers("C7252-5.10.2-1", "U-2")
def test_proxy_uri_wins_over_uri_options(pair):
    """They may not stand together; what Proxy-Uri says is not mixed with the rest."""
    other = pair.proxy.device()
    request = Message(GET, options=[(coap.PROXY_URI, pair.device.url + "/right?q"), (coap.URI_HOST, other.host),
                                    (coap.URI_PORT, other.port), (coap.URI_PATH, "wrong"), (coap.URI_QUERY, "w")])
    pair.client.send(request)
    up = pair.device.recv()
    assert up.all(coap.URI_PATH) == [b"right"] and up.all(coap.URI_QUERY) == [b"q"]
    assert not up.has(coap.URI_PORT) and not up.has(coap.URI_HOST)
    pair.device.answer(up)
    assert pair.client.recv().code == coap.CONTENT
    other.quiet()


@pytest.mark.covers("C7252-5.10.2-1")
def test_proxy_uri_wins_over_proxy_scheme(pair):
    request = Message(GET, options=[(coap.PROXY_URI, pair.device.url + "/right"), (coap.PROXY_SCHEME, "http")])
    pair.client.send(request)
    for up in pair.device.pending():
        assert up.all(coap.URI_PATH) == [b"right"] and not up.has(coap.PROXY_SCHEME)
        pair.device.answer(up)
    assert pair.client.recv().code in (coap.CONTENT, BAD_OPTION)


@pytest.mark.covers("C7252-5.7.2-1", "C7252-5.10.2-2")
@pytest.mark.parametrize("scheme", ["http", "https", "coaps", "coap+tcp", "coaps+tcp", "coap+ws", "coaps+ws"])
def test_schemes_without_a_route_get_5_05(pair, scheme):
    options = [(coap.PROXY_SCHEME, scheme), (coap.URI_HOST, pair.device.host), (coap.URI_PATH, "p")]
    assert pair.client.ask(Message(GET, options=options)).code == NO_PROXY
    uri = [(coap.PROXY_URI, "%s://%s/p" % (scheme, pair.device.host))]
    assert pair.client.ask(Message(GET, options=uri)).code == NO_PROXY
    pair.device.quiet()


@pytest.mark.covers("C7252-5.7-1")
def test_secure_target_over_plain_udp_is_refused(pair):
    options = [(coap.PROXY_URI, "coaps://%s:%d/p" % (pair.device.host, pair.device.port))]
    assert pair.client.ask(Message(GET, options=options)).code == NO_PROXY
    pair.device.quiet()


@pytest.mark.parametrize("scheme", ["gopher", "x", "coapx", "co ap", "\xff"])
def test_schemes_of_nobody_are_refused(pair, scheme):
    options = [(coap.PROXY_SCHEME, scheme.encode("latin-1")), (coap.URI_HOST, pair.device.host)]
    assert pair.client.ask(Message(GET, options=options)).code in (BAD_OPTION, NO_PROXY)
    pair.device.quiet()


@pytest.mark.parametrize("scheme", ["COAP", "Coap", "cOAp"])
def test_schemes_are_case_insensitive(pair, scheme):
    options = [o for o in pair.target(("p",)) if o[0] != coap.PROXY_SCHEME]
    sent = pair.client.send(Message(GET, options=options + [(coap.PROXY_SCHEME, scheme)]))
    pair.device.answer(pair.device.recv())
    assert pair.client.recv().token == sent.token


@pytest.fixture(scope="module")
def reverse_only(tmp_path_factory):
    from harness import Proxy
    p = Proxy(tmp_path_factory.mktemp("reverse"), routes="", reverse=8)
    yield p
    p.stop()


@pytest.mark.covers("C7252-5.7.2-1")
@pytest.mark.parametrize("form", ["scheme", "uri"])
@pytest.mark.parametrize("oscore", [False, True])
def test_not_a_forward_proxy_gives_5_05(reverse_only, form, oscore):
    pair = Pair(reverse_only, form)
    request = oscore_request(pair) if oscore else pair.request()
    down = pair.client.ask(request)
    assert down.code == NO_PROXY
    pair.device.quiet()


@pytest.mark.covers("C7252-5.7.3-1")
def test_reverse_routes_need_no_proxy_option(reverse_only):
    host, device = reverse_only.reverse()
    pair = Pair(reverse_only, "reverse", device=device, host=host)
    _, up, down = pair.exchange(path=("a", "b"), query=("q",))
    assert up.all(coap.URI_PATH) == [b"a", b"b"] and up.all(coap.URI_QUERY) == [b"q"]


@pytest.mark.parametrize("host", ["nobody.example", "", None])
def test_host_without_a_route_gives_4_04(proxy, host):
    options = [(coap.URI_PATH, "p")] + ([(coap.URI_HOST, host)] if host else [])
    assert proxy.client().ask(Message(GET, options=options)).code == NOT_FOUND


@pytest.mark.parametrize("spelling", [str.upper, str.title])
def test_hosts_are_case_insensitive(proxy, spelling):
    host, device = proxy.reverse()
    pair = Pair(proxy, "reverse", device=device, host=spelling(host))
    pair.exchange()


@pytest.mark.covers("C7252-5.7.2-2")
@pytest.mark.parametrize("form", ["uri", "scheme"])
def test_own_address_is_no_target(proxy, form):
    """A request for the gateway itself is not sent round: no route serves it here."""
    client = proxy.client()
    if form == "uri":
        options = [(coap.PROXY_URI, "coap://%s:%d/p" % proxy.address)]
    else:
        options = [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, proxy.host), (coap.URI_PORT, proxy.port)]
    before = proxy.counters()["requests"]
    down = client.ask(Message(GET, options=options))
    assert down.code in (NOT_FOUND, FORBIDDEN)
    assert proxy.counters()["requests"] == before + 1, "one request came, none came back to us"


@pytest.mark.covers("C7252-5.7.2-2", "C7252-11.5-1")
def test_own_address_of_an_unspecified_listener_is_no_target(start):
    port = free_port()
    proxy = start(listeners='coap: { url = "coap://0.0.0.0:%d"; };' % port, routes=FORWARD, port=port)
    for host in ("127.0.0.1", "127.0.0.2", fresh_address()):
        client = proxy.client(to=("127.0.0.1", port))
        before = proxy.counters()["requests"]
        down = client.ask(Message(GET, options=[(coap.PROXY_URI, "coap://%s:%d/p" % (host, port))]))
        assert down.code in (NOT_FOUND, FORBIDDEN)
        assert proxy.counters()["requests"] == before + 1


@pytest.mark.covers("C7252-5.7.2-4")
@pytest.mark.parametrize("form", ["uri", "scheme"])
def test_parent_proxy_gets_the_proxy_options(start, form):
    address, port = fresh_address(), free_port()
    proxy = start(routes='p: { from = ["coap"]; forward-to = ["coap://*:*"]; via = "coap://%s:%d"; '
                         'allow-networks = ["127.0.0.0/8"]; };' % (address, port))
    client, parent = proxy.client(), proxy.device(address, port)
    if form == "uri":
        options = [(coap.PROXY_URI, "coap://device.example:7777/a/b?c")]
    else:
        options = [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, "device.example"), (coap.URI_PORT, 7777),
                   (coap.URI_PATH, "a"), (coap.URI_QUERY, "c")]
    sent = client.send(Message(GET, options=options))
    up = parent.recv()
    assert up.without(coap.HOP_LIMIT) == sorted(sent.options, key=lambda o: o[0])
    parent.answer(up, payload=b"from afar")
    assert client.recv().payload == b"from afar"


@pytest.mark.covers("C7252-5.7.2-4", "C8613-10-1")
def test_two_gateways_in_a_row(start):
    second = start()
    first = start(routes='p: { from = ["coap"]; forward-to = ["coap://*:*"]; via = "coap://%s:%d"; '
                         'allow-networks = ["127.0.0.0/8"]; };' % second.address)
    client, device = first.client(), second.device()
    sent = client.send(Message(POST, options=[(coap.PROXY_URI, device.url), (coap.OSCORE, b"\x09\x05\x25")], payload=b"c"))
    for p in (first, second):
        p.settle()
    up = device.recv()
    assert up.first(coap.OSCORE) == b"\x09\x05\x25" and up.payload == b"c" and not up.has(coap.PROXY_URI)
    assert up.uint(coap.HOP_LIMIT) == 15
    device.answer(up, coap.CHANGED, [(coap.OSCORE, b"")], b"d")
    for p in (second, first):
        p.settle()
    down = client.recv()
    assert (down.token, down.payload) == (sent.token, b"d")


# names

NAMED = ('n: { from = ["coap"]; forward-to = ["coap://*.example:*"]; allow-networks = ["127.0.0.0/8"]; };'
         ' m: { from = ["coap"]; forward-to = ["coap://*.test:*"]; };')


@pytest.fixture
def named(start, tmp_path):
    """(proxy, name server)"""
    dns = NameServer()
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver %s:%d\n" % (dns.host, dns.port))
    yield start(routes=NAMED, sections='upstream: { resolv-conf = "%s"; };' % file + ONE_WORKER), dns
    dns.close()


@pytest.mark.covers("C7252-6.4-2", "C7252-5.10.1-2")
@pytest.mark.parametrize("form", ["uri", "scheme"])
def test_name_is_resolved_and_goes_on_as_uri_host(named, form):
    proxy, dns = named
    client, device = proxy.client(), proxy.device()
    if form == "uri":
        options = [(coap.PROXY_URI, "coap://Dev.Example:%d/p" % device.port)]
    else:
        options = [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, "dev.example"), (coap.URI_PORT, device.port),
                   (coap.URI_PATH, "p")]
    sent = client.send(Message(GET, options=options))
    assert dns.serve({"dev.example": [device.host]})
    up = device.recv()
    assert up.first(coap.URI_HOST) == b"dev.example" and not up.has(coap.URI_PORT)
    device.answer(up)
    assert client.recv().token == sent.token


def ask_name(proxy, name, device, client=None, oscore=False):
    client = client or proxy.client()
    options = [(coap.PROXY_URI, "coap://%s:%d" % (name, device.port))]
    if oscore:
        client.send(Message(POST, options=options + [(coap.OSCORE, b"\x09\x05\x25")], payload=b"c"))
    else:
        client.send(Message(GET, options=options))
    return client


def test_one_query_serves_all_waiters(named):
    proxy, dns = named
    device = proxy.device()
    clients = [ask_name(proxy, "dev.example", device) for _ in range(10)]
    dns.serve({"dev.example": [device.host]})
    assert len(dns.queries) <= 2, "one for each family"
    done = 0
    while done < 10:
        ups = [m for m in device.pending() if m.code]
        assert ups
        for up in ups:
            device.answer(up)
            done += 1
    for c in clients:
        assert c.recv().code == coap.CONTENT


def test_answer_is_cached_for_its_time_to_live(named):
    proxy, dns = named
    device = proxy.device()
    client = ask_name(proxy, "dev.example", device)
    dns.serve({"dev.example": [device.host]}, ttl=30)
    device.answer(device.recv())
    client.recv()
    before = len(dns.queries)
    proxy.advance(20_000)
    client = ask_name(proxy, "dev.example", device)
    device.answer(device.recv())
    client.recv()
    assert len(dns.queries) == before and dns.take(0.1) is None
    proxy.advance(20_000)
    client = ask_name(proxy, "dev.example", device)
    assert dns.serve({"dev.example": [device.host]}, ttl=30)
    device.answer(device.recv())
    client.recv()


@pytest.mark.parametrize("oscore", [False, True])
def test_name_that_does_not_exist_gives_5_02(named, oscore):
    proxy, dns = named
    device = proxy.device()
    client = ask_name(proxy, "gone.example", device, oscore=oscore)
    dns.serve({})
    assert client.recv().code == coap.code("5.02")


def test_silent_name_server_gives_5_02_after_ten_seconds(named):
    proxy, dns = named
    client = ask_name(proxy, "slow.example", proxy.device())
    proxy.advance(9_500)
    assert all(m.is_empty for m in client.pending())
    proxy.advance(1_000)
    assert [m.code for m in client.pending() if m.code] == [coap.code("5.02")]


def test_other_requests_go_on_while_a_name_is_looked_up(named):
    proxy, dns = named
    device = proxy.device()
    warm = ask_name(proxy, "dev.example", device)
    dns.serve({"dev.example": [device.host]})
    device.answer(device.recv())
    warm.recv()
    stuck = ask_name(proxy, "stuck.example", device)
    assert dns.take() is not None
    client = ask_name(proxy, "dev.example", device)
    device.answer(device.recv())
    assert client.recv().code == coap.CONTENT
    stuck.quiet()


@pytest.mark.covers("C7252-11.5-1")
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.1.187", "255.255.255.255", "::1",
                                     "fe80::1", "ff02::fd", "::", "::ffff:127.0.0.1"])
def test_policy_looks_at_the_address_that_came_back(named, address):
    """Rebinding: a name that the route allows, an address that it does not."""
    proxy, dns = named
    device = proxy.device(port=0)
    client = ask_name(proxy, "evil.test", device)
    dns.serve({"evil.test": [address]})
    assert client.recv().code == FORBIDDEN
    device.quiet()


@pytest.mark.covers("C7252-11.5-1")
def test_rebinding_an_oscore_request_gives_4_01(named):
    proxy, dns = named
    device = proxy.device()
    client = ask_name(proxy, "evil.test", device, oscore=True)
    dns.serve({"evil.test": [device.host]})
    assert client.recv().code == coap.code("4.01")
    device.quiet()


def test_name_outside_the_route_is_not_even_looked_up(named):
    proxy, dns = named
    client = ask_name(proxy, "dev.elsewhere", proxy.device())
    assert client.recv().code == NO_PROXY
    assert dns.take(0.1) is None


# reverse routes

def reverse(start, text, count=1):
    """A proxy whose routes name devices @0, @1, ...; returns (proxy, devices)."""
    port = free_port()
    hosts = [fresh_address() for _ in range(count)]
    for i, h in enumerate(hosts):
        text = text.replace("@%d" % i, "coap://%s:%d" % (h, port))
    proxy = start(routes=text)
    return proxy, [proxy.device(h, port) for h in hosts]


def test_order_is_precedence(start):
    proxy, (a, b) = reverse(start, 'one: { from = ["coap"]; hosts = ["x.example"]; to = ["@0"]; };'
                                   'two: { from = ["coap"]; hosts = ["*"]; to = ["@1"]; };', 2)
    Pair(proxy, "reverse", device=a, host="x.example").exchange()
    Pair(proxy, "reverse", device=b, host="y.example").exchange()


def test_suffix_patterns(start):
    proxy, (a,) = reverse(start, 'one: { from = ["coap"]; hosts = ["*.plant.example"]; to = ["@0"]; };')
    Pair(proxy, "reverse", device=a, host="s1.plant.example").exchange()
    Pair(proxy, "reverse", device=a, host="a.b.plant.example").exchange()
    for host in ("plant.example", "xplant.example", "s1.plant.example.org"):
        assert Pair(proxy, "reverse", device=a, host=host).refused().code == NOT_FOUND


def test_path_routes_take_plain_requests_only(start):
    proxy, (a, b) = reverse(start, 'one: { from = ["coap"]; paths = ["/a/**"]; to = ["@0"]; };'
                                   'two: { from = ["coap"]; paths = ["/b/*/c"]; to = ["@1"]; };', 2)
    client = proxy.client()
    for path, device in ((("a",), a), (("a", "x", "y"), a), (("b", "1", "c"), b)):
        client.send(Message(GET, options=[(coap.URI_PATH, p) for p in path]))
        up = device.recv()
        assert up.all(coap.URI_PATH) == [p.encode() for p in path]
        device.answer(up)
        assert client.recv().code == coap.CONTENT
    for path in (("b", "c"), ("b", "1", "2", "c"), ("A",), ("b", "1", "c", "d"), ()):
        assert client.ask(Message(GET, options=[(coap.URI_PATH, p) for p in path])).code == NOT_FOUND


def test_paths_are_put_before_and_taken_off(start):
    proxy, (a,) = reverse(start, 'one: { from = ["coap"]; paths = ["/gw/**"]; strip-path = 1; to = ["@0/dev/1"]; };')
    client = proxy.client()
    client.send(Message(GET, options=[(coap.URI_PATH, p) for p in ("gw", "temp")]))
    up = a.recv()
    assert up.all(coap.URI_PATH) == [b"dev", b"1", b"temp"]
    a.answer(up)
    client.recv()


def test_paths_of_the_route_are_not_put_into_oscore_requests(start):
    """The origin would discard them: Uri-Path is protected end to end."""
    proxy, (a,) = reverse(start, 'one: { from = ["coap"]; hosts = ["x.example"]; to = ["@0/dev/1"]; };')
    client = proxy.client()
    client.send(Message(POST, options=[(coap.URI_HOST, "x.example"), (coap.OSCORE, b"\x09\x05\x25")], payload=b"c"))
    up = a.recv()
    assert not up.has(coap.URI_PATH)
    a.answer(up, coap.CHANGED)
    client.recv()


def test_keep_host(start):
    proxy, (a,) = reverse(start, 'one: { from = ["coap"]; hosts = ["x.example"]; keep-host = true; to = ["@0"]; };')
    _, up, _ = Pair(proxy, "reverse", device=a, host="x.example").exchange()
    assert up.first(coap.URI_HOST) == b"x.example"


def test_clients_condition(start):
    inside, outside = fresh_address(), fresh_address()
    proxy, (a,) = reverse(start, 'one: { from = ["coap"]; clients = ["%s/32"]; to = ["@0"]; };' % inside)
    Pair(proxy, "reverse", client=proxy.client(inside), device=a, host="x").exchange()
    assert Pair(proxy, "reverse", client=proxy.client(outside), device=a, host="x").refused().code == NOT_FOUND


def test_listener_condition(start):
    ports = free_port(), free_port()
    address = fresh_address()
    proxy = start(port=ports[0], listeners='coap: { url = "coap://127.0.0.1:%d"; }; two: { url = "coap://127.0.0.1:%d"; };'
                                           % ports,
                  routes='one: { from = ["two"]; to = ["coap://%s:%d"]; };' % (address, ports[0]))
    device = proxy.device(address, ports[0])
    assert proxy.client().ask(Message(GET)).code == NOT_FOUND
    Pair(proxy, "reverse", client=proxy.client(to=("127.0.0.1", ports[1])), device=device, host="x").exchange()


@pytest.mark.covers("C7252-5.8-1")
@pytest.mark.parametrize("method", [POST, coap.PUT, coap.DELETE, coap.FETCH])
def test_method_not_allowed_is_piggybacked(start, method):
    proxy, (a,) = reverse(start, 'one: { from = ["coap"]; hosts = ["x.example"]; methods = ["GET", "PATCH"]; to = ["@0"]; };')
    pair = Pair(proxy, "reverse", device=a, host="x.example")
    pair.exchange(GET)
    pair.exchange(coap.PATCH)
    down = pair.refused(method)
    assert down.code == coap.code("4.05") and not down.options


@pytest.mark.covers("C7252-5.8-1")
@pytest.mark.parametrize("method", range(1, 8))
def test_seven_methods_pass(any_pair, method):
    _, up, _ = any_pair.exchange(method)
    assert up.code == method


@pytest.mark.covers("C7252-5.8-1")
@pytest.mark.parametrize("method", [8, 9, 16, 31])
def test_unknown_methods_are_refused(any_pair, method):
    down = any_pair.refused(method)
    assert down.code in (coap.code("4.05"), coap.code("5.01"))


def test_denied_route_gives_4_03_and_4_01(start):
    proxy, (a,) = reverse(start, 'no: { from = ["coap"]; hosts = ["bad.example"]; deny = true; };'
                                 'one: { from = ["coap"]; hosts = ["*"]; to = ["@0"]; };')
    pair = Pair(proxy, "reverse", device=a, host="bad.example")
    assert pair.refused().code == FORBIDDEN
    assert pair.client.ask(oscore_request(pair)).code == coap.code("4.01")
    Pair(proxy, "reverse", device=a, host="good.example").exchange()


def test_route_that_requires_oscore(start):
    proxy, (a,) = reverse(start, 'one: { from = ["coap"]; require = ["oscore"]; to = ["@0"]; };')
    pair = Pair(proxy, "reverse", device=a, host="x")
    assert pair.refused().code == coap.code("4.01")
    pair.client.send(oscore_request(pair))
    a.answer(a.recv(), coap.CHANGED)
    assert pair.client.recv().code == coap.CHANGED


def test_second_origin_takes_over_while_the_first_rests(start):
    proxy, (a, b) = reverse(start, 'one: { from = ["coap"]; to = ["@0", "@1"]; };', 2)
    host, port = a.host, a.port
    pair = Pair(proxy, "reverse", device=a, host="x")
    pair.exchange()
    a.close()
    proxy.peers.remove(a)
    first = pair.client.ask(pair.request())
    assert first.code == coap.code("5.02"), "it was sent: no second delivery"
    b.quiet()
    pair.device = b
    pair.exchange()
    back = proxy.device(host, port)
    proxy.advance(11_000)
    pair.device = back
    pair.exchange()
    b.quiet()


@pytest.mark.covers("C8613-10-6")
def test_oscore_request_is_not_tried_at_a_second_origin(start):
    proxy, (a, b) = reverse(start, 'one: { from = ["coap"]; to = ["@0", "@1"]; };', 2)
    pair = Pair(proxy, "reverse", device=a, host="x")
    pair.client.send(oscore_request(pair))
    a.recv()
    seen = proxy.watch(94_000, a, b, step=2000)
    assert all(who is a for _, who, _ in seen) and len({m.mid for _, _, m in seen}) <= 1
    assert [m.code for m in pair.client.pending() if m.code] == [coap.code("5.04")]


def test_hash_keeps_a_client_at_its_origin(start):
    proxy, devices = reverse(start, 'one: { from = ["coap"]; choice = "hash"; to = ["@0", "@1"]; };', 2)
    used = set()
    for _ in range(24):
        client = proxy.client()
        homes = set()
        for _ in range(3):
            client.send(Message(GET, options=[(coap.URI_PATH, "p")]))
            proxy.settle()
            for d in devices:
                for up in d.pending():
                    homes.add(d.host)
                    d.answer(up)
            client.recv()
        assert len(homes) == 1
        used |= homes
    assert len(used) == 2


def test_equal_etags_of_two_origins_do_not_meet(start):
    """Two origins behind two paths: each answer comes from its own."""
    proxy, (a, b) = reverse(start, 'one: { from = ["coap"]; paths = ["/a"]; to = ["@0"]; };'
                                   'two: { from = ["coap"]; paths = ["/b"]; to = ["@1"]; };', 2)
    client = proxy.client()
    for path, device in (("a", a), ("b", b), ("a", a)):
        client.send(Message(GET, options=[(coap.URI_PATH, path), (coap.ETAG, b"1")]))
        up = device.recv()
        device.answer(up, options=[(coap.ETAG, b"1")], payload=path.encode())
        assert client.recv().payload == path.encode()


# 5.10

@pytest.mark.covers("C7252-5.10.1-1")
@pytest.mark.parametrize("segment", [".", ".."])
@pytest.mark.parametrize("where", [("%s",), ("a", "%s"), ("a", "%s", "b")])
def test_dot_segments_are_refused(pair, segment, where):
    down = pair.refused(path=[w.replace("%s", segment) for w in where])
    assert down.code in (coap.code("4.00"), BAD_OPTION)


@pytest.mark.covers("C7252-5.10.1-1")
@pytest.mark.parametrize("segment", ["...", ".a", "..b", "a..", " ", ""])
def test_segments_that_only_look_like_dots_pass(pair, segment):
    _, up, _ = pair.exchange(path=("a", segment))
    assert up.all(coap.URI_PATH) == [b"a", segment.encode()]


@pytest.mark.covers("C7252-5.10.2-3", "C7252-6.4-1")
@pytest.mark.parametrize("tail", ["/p#f", "/p#", "#f", "/p?q#f"])
def test_proxy_uri_with_a_fragment(pair, tail):
    assert pair.client.ask(Message(GET, options=[(coap.PROXY_URI, pair.device.url + tail)])).code == BAD_OPTION
    pair.device.quiet()


@pytest.mark.covers("C7252-5.10.2-2")
@pytest.mark.parametrize("host", ["user@%s", "a b", "a/b", "a:1", "[", "a%zz", "\x00", "a?b", "a#b"])
def test_proxy_scheme_with_a_host_that_is_none(pair, host):
    host = host.replace("%s", pair.device.host)
    options = [o for o in pair.target(("p",)) if o[0] != coap.URI_HOST] + [(coap.URI_HOST, host)]
    assert pair.client.ask(Message(GET, options=options)).code == BAD_OPTION
    pair.device.quiet()


@pytest.mark.covers("C7252-5.7.1-7")
def test_block1_to_an_origin_is_not_dropped(pair):
    sent, up = pair.forward(coap.PUT, payload=b"x" * 64, options=[(coap.BLOCK1, coap.block(0, True, 2))])
    assert coap.block_parts(up.first(coap.BLOCK1)) == (0, True, 2) and len(up.payload) == 64
    pair.device.answer(up, coap.CONTINUE, [(coap.BLOCK1, coap.block(0, True, 2))])
    assert pair.client.recv().code == coap.CONTINUE
