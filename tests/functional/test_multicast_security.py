"""Multicast and security considerations: RFC 7252 8, 11 (conformance 1.10, 1.13)."""

import socket

import pytest

import coap
from coap import ACK, CON, GET, NON, POST, RST, Message
from harness import WORKERS, Pair, fresh_address, free_port
from http_client import WebPair

FORBIDDEN, UNAUTHORIZED = coap.code("4.03"), coap.code("4.01")


@pytest.fixture(scope="module")
def open_proxy(tmp_path_factory):
    """A forward route to anywhere, as a careless operator writes it: no network is allowed by name."""
    from harness import Proxy
    p = Proxy(tmp_path_factory.mktemp("open"), routes='all: { from = ["coap"]; forward-to = ["coap://*:*"]; };')
    yield p
    p.stop()


GROUPS = ["224.0.1.187", "224.0.0.1", "239.255.0.1", "255.255.255.255", "[ff02::fd]", "[ff05::fd]", "[ff01::1]", "[ff0e::1]",
          "[::ffff:224.0.1.187]"]


@pytest.mark.covers("C7252-8.2.2-1", "C7252-11.3-2", "S-37")
@pytest.mark.parametrize("type_", [CON, NON])
@pytest.mark.parametrize("host", GROUPS)
def test_multicast_targets_are_refused(open_proxy, host, type_):
    down = open_proxy.client().ask(Message(GET, type_, options=[(coap.PROXY_URI, "coap://%s/p" % host)]))
    assert down.code == FORBIDDEN


@pytest.mark.covers("S-37", "C7252-8.2.2-1")
@pytest.mark.parametrize("host", GROUPS)
def test_oscore_to_a_group_is_refused(open_proxy, host):
    options = [(coap.PROXY_URI, "coap://%s" % host), (coap.OSCORE, b"\x39\x05\x03\x44\x61\x6c\x25")]
    assert open_proxy.client().ask(Message(POST, options=options, payload=b"c")).code == UNAUTHORIZED


@pytest.mark.covers("C7252-8.2.2-1")
def test_multicast_is_refused_even_where_the_network_is_allowed(start):
    proxy = start(routes='all: { from = ["coap"]; forward-to = ["coap://*:*"]; allow-networks = ["224.0.0.0/4", "ff00::/8"]; };')
    for host in ("224.0.1.187", "[ff02::fd]"):
        assert proxy.client().ask(Message(GET, options=[(coap.PROXY_URI, "coap://%s/" % host)])).code == FORBIDDEN


@pytest.mark.covers("C7252-11.5-1")
@pytest.mark.parametrize("target", ["127.0.0.1:53", "127.0.0.1", "127.255.255.254:161", "[::1]:53", "0.0.0.0:5683", "[::]:5683",
                                    "169.254.1.1", "[fe80::1]", "[::ffff:127.0.0.1]:53", "0.1.2.3"])
def test_special_addresses_are_refused_by_default(open_proxy, target):
    assert open_proxy.client().ask(Message(GET, options=[(coap.PROXY_URI, "coap://%s/" % target)])).code == FORBIDDEN


@pytest.mark.covers("C7252-11.5-1")
@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1."])
def test_odd_spellings_of_loopback_do_not_get_through(open_proxy, host):
    """They are names, not literals, if they are anything."""
    device = open_proxy.device("127.0.0.1")
    down = open_proxy.client().send(Message(GET, options=[(coap.PROXY_URI, "coap://%s:%d/" % (host, device.port))]))
    assert down is not None
    device.quiet()


@pytest.mark.covers("C7252-11.5-1")
def test_port_of_a_target_pattern_binds(start):
    address = fresh_address()
    proxy = start(routes='one: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:7000"]; allow-networks = ["127.0.0.0/8"]; };')
    device = proxy.device(address, 7001)
    down = proxy.client().ask(Message(GET, options=[(coap.PROXY_URI, "coap://%s:7001/" % address)]))
    assert down.code == coap.code("5.05")
    device.quiet()


@pytest.mark.covers("C7252-11.5-1")
def test_nothing_is_allowed_without_a_route(start):
    proxy = start(routes="")
    client, device = proxy.client(), proxy.device()
    assert client.ask(Message(GET, options=[(coap.PROXY_URI, device.url + "/")])).code == coap.code("5.05")
    assert client.ask(Message(GET, options=[(coap.URI_PATH, "p")])).code == coap.code("4.04")
    device.quiet()


@pytest.mark.covers("C7252-8.1-2", "C7252-8.2-1", "C7252-11.3-2")
def test_nothing_answers_what_came_by_multicast(start):
    """Neither a reset for junk nor an error for a request: whoever sent it did not ask us."""
    group, port = "239.255.77.77", free_port()
    proxy = start(port=port, listeners='coap: { url = "coap://0.0.0.0:%d"; };' % port)
    member = proxy.client("127.0.0.1", to=(group, port))
    loopback = socket.inet_aton("127.0.0.1")
    # the host is a member of the group by this socket; the wildcard socket of the gateway then hears it too
    member.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + loopback)
    member.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
    for raw in (coap.head(NON, GET, 1, b"t", tkl=15), coap.head(NON, 0xE1, 2), Message(GET, NON, 3, b"t", [(coap.URI_PATH, "p")]).encode(),
                Message(GET, CON, 4, b"t").encode(), coap.empty(CON, 5)):
        member.send(raw)
    member.quiet()
    assert proxy.counters()["multicast_ignored"] in (0, 5 * WORKERS), "each socket of the group hears it"


# 11.1: what is decided is what is forwarded

def path_acl(start):
    address, port = fresh_address(), free_port()
    proxy = start(routes='no: { from = ["coap"]; hosts = ["x.example"]; paths = ["/admin/**"]; deny = true; };'
                         'yes: { from = ["coap"]; hosts = ["x.example"]; to = ["coap://%s:%d"]; };' % (address, port))
    return Pair(proxy, "reverse", device=proxy.device(address, port), host="x.example")


@pytest.mark.covers("C7252-11.1-1")
def test_denied_path(start):
    pair = path_acl(start)
    for path in (("admin",), ("admin", "x"), ("admin", ""), ("admin", "..", "open")):
        assert pair.refused(path=path).code in (FORBIDDEN, coap.code("4.00"), coap.code("4.02"))
    pair.exchange(path=("open",))


@pytest.mark.covers("C7252-11.1-1")
@pytest.mark.parametrize("path", [("a%2F..", "admin"), ("admin%2Fx",), ("admin/x",), ("%61dmin",), ("ADMIN",), ("", "admin"),
                                  ("admin%00",), ("admin ",)])
def test_lookalikes_are_other_resources_and_stay_so(start, path):
    """Decided on the decoded options, forwarded as the same options: nothing decodes them a second time."""
    pair = path_acl(start)
    _, up, _ = pair.exchange(path=path)
    assert up.all(coap.URI_PATH) == [p.encode() for p in path]


@pytest.mark.covers("C7252-11.1-1")
@pytest.mark.parametrize("path", [("open", "..", "admin"), (".", "admin"), ("..", "admin")])
def test_dot_segments_do_not_lead_into_a_denied_path(start, path):
    pair = path_acl(start)
    assert pair.refused(path=path).code in (FORBIDDEN, coap.code("4.00"), coap.code("4.02"))


# 11.4: spoofed messages

@pytest.mark.covers("C7252-11.4-1")
def test_ack_alone_is_no_success(pair):
    """Whoever guessed the Message ID stops the repeats, but the answer is the origin's."""
    sent, up = pair.forward()
    pair.device.ack(up)
    pair.client.quiet()
    pair.device.separate(up, payload=b"true")
    down = pair.client.recv()
    assert (down.token, down.payload) == (sent.token, b"true")


@pytest.mark.covers("C7252-11.4-1")
def test_spoofed_answers_without_the_token_do_nothing(pair):
    sent, up = pair.forward()
    for i in range(64):
        forged = Message(coap.CONTENT, NON, i, coap.token(8), payload=b"forged")
        pair.device.send_raw(forged.encode(), up.source)
    pair.client.quiet()
    pair.device.pending()
    pair.device.answer(up, payload=b"true")
    assert pair.client.recv().payload == b"true"


@pytest.mark.covers("C7252-11.4-2")
def test_spoofer_cannot_block_a_victim(proxy):
    """Clients that never acknowledge hold nothing that another client needs."""
    device = proxy.device()
    for _ in range(30):
        p = Pair(proxy, device=device)
        p.send()
        for up in device.pending():
            if up.code:
                device.ack(up)
                proxy.advance(1_050)
                device.separate(up)
    device.pending()
    victim = Pair(proxy, device=device)
    sent = victim.send()
    ups = [m for m in device.pending() if m.code]
    assert ups
    for up in ups:
        device.answer(up)
    assert victim.client.recv().token == sent.token


@pytest.mark.covers("C7252-11.4-2")
def test_undeliverable_responses_are_bounded_and_end(start):
    proxy = start(sections='limits: { client-exchanges = 8; };')
    pair = Pair(proxy)
    for i in range(30):
        pair.send()
        for up in pair.device.pending():
            if up.code:
                pair.device.ack(up)
    proxy.advance(1_100)
    for up in list(pair.device.distinct()):
        pair.device.separate(up)
    proxy.settle()
    assert proxy.state()["deliveries"] <= 30
    proxy.advance(300_000)
    assert proxy.state()["deliveries"] == 0 and proxy.state()["exchanges"] == 0


# 11.3: amplification (details in test_echo.py)

@pytest.mark.covers("C7252-11.3-1", "C9175-2.4-2")
@pytest.mark.parametrize("code", [GET, POST])
def test_answers_to_unverified_clients_are_small(start, code):
    proxy = start(sections="downstream: { trusted = []; };")
    pair = Pair(proxy)
    sent = pair.send(code, payload=b"" if code == GET else b"x")
    size = len(sent.encode())
    total = 0
    for up in pair.device.pending():
        pair.device.answer(up, payload=b"x" * 1000)
    for m in pair.client.pending():
        total += len(m.raw)
    assert 0 < total <= max(3 * size, 136)


@pytest.mark.covers("C7252-11.2-3")
def test_separate_responses_count_in_the_limits(start):
    """An answer that waits for its ACK is still one of the client's exchanges or deliveries."""
    proxy = start(sections="limits: { client-exchanges = 4; };")
    pair = Pair(proxy)
    codes = []
    for _ in range(12):
        pair.send()
        for up in pair.device.pending():
            if up.code:
                pair.device.ack(up)
    codes = [m.code for m in pair.client.pending() if m.code]
    assert codes.count(coap.code("4.29")) == 8


def test_malformed_and_foreign_messages_cost_no_state(start):
    proxy = start()
    client = proxy.client()
    for i in range(300):
        client.send(coap.head(CON, GET, i, b"t") + b"\xf1\x61")
        client.send(coap.empty(ACK, i))
        client.send(coap.empty(RST, i))
    client.pending()
    state = proxy.state()
    assert state["exchanges"] == 0 and state["origins"] == 0


@pytest.mark.covers("C7252-11.5-1")
def test_our_port_of_tcp_is_not_a_devices_of_udp(start):
    """A device at the address and port of our listener for HTTP is a device; that of a listener for CoAP is us."""
    allowed = 'forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"];'
    proxy = start(routes='web: { from = ["web"]; http-path = "/hc/{+tu}"; authenticate = "none"; %s };'
                         'fwd: { from = ["coap"]; %s };' % (allowed, allowed), web="")
    pair = WebPair(proxy, device=proxy.device(*proxy.web_address))
    assert pair.exchange(answer_payload=b"x")[1].body == b"x"
    client = proxy.client()
    client.send(Message(GET, options=[(coap.PROXY_URI, pair.device.url + "/p")]))
    pair.device.piggyback(pair.device.recv(), payload=b"y")
    assert client.recv().payload == b"y"
    assert pair.client.ask("GET", "/hc/coap://127.0.0.1:%d/p" % proxy.port).status == 403
