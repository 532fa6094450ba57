"""Faults that once were, each with the test that found it."""

import socket
import subprocess
import time

import pytest

import coap
from coap import ACK, CON, ECHO, FETCH, GET, HOP_LIMIT, NON, OBSERVE, POST, RST, Message
from harness import BUILD, NameServer, Pair, fresh_address, free_port

BAD_GATEWAY = coap.code("5.02")
REGISTER, CANCEL = (OBSERVE, 0), (OBSERVE, 1)


def observe(pair, **kw):
    """A registration that the device accepted; returns (request, request upstream)."""
    sent, up, down = pair.exchange(options=[REGISTER], answer_options=[(OBSERVE, 1)], **kw)
    assert down.has(OBSERVE)
    return sent, up


def notify(pair, up, number, type=CON, payload=b"n", options=(), code=coap.CONTENT):
    numbered = [(OBSERVE, number)] if code == coap.CONTENT else []
    return pair.device.separate(up, code, numbered + list(options), payload, type=type)


def test_the_end_of_an_observation_follows_the_notification_before_it(pair):
    """The last notification arrives while an older one waits for its ACK."""
    sent, up = observe(pair)
    notify(pair, up, 2)
    older = pair.client.recv()
    notify(pair, up, 3, code=coap.code("4.04"))
    pair.client.ack(older)
    last = [m for m in pair.client.pending() if m.code]
    assert [m.code for m in last] == [coap.code("4.04")] and last[0].token == sent.token
    pair.client.ack(last[0])
    pair.proxy.advance(100_000)
    assert not [m for m in pair.client.pending() if m.code]


def test_the_end_of_an_observation_waits_behind_other_messages(proxy):
    """Another message to the same client is in flight when the last notification comes."""
    client = proxy.client()
    one, two = Pair(proxy, client=client), Pair(proxy, client=client)
    _, first_up = observe(one)
    sent, second_up = observe(two)
    notify(one, first_up, 2)
    blocking = client.recv()
    notify(two, second_up, 2, code=coap.code("4.04"))
    assert not client.pending()
    client.ack(blocking)
    last = client.recv()
    assert (last.type, last.code, last.token) == (CON, coap.code("4.04"), sent.token)
    client.ack(last)


def test_a_notification_that_cannot_be_relayed_ends_the_observation_with_a_message_of_its_own(pair):
    sent, up = observe(pair)
    notify(pair, up, 2, options=[(65003, b"")])
    end = pair.client.recv()
    assert (end.code, end.token) == (BAD_GATEWAY, sent.token) and not end.has(OBSERVE)
    assert end.type == CON and end.mid != sent.mid
    pair.client.ack(end)


ONE_PATH = """
  r: { from = ["coap"]; hosts = ["one.example"]; paths = ["/open"]; methods = ["GET"]; to = ["coap://%s:%d"]; };
  f: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };
"""


@pytest.fixture
def narrow(start):
    """A pair whose route takes only GET /open."""
    host = fresh_address()
    port = free_port(host)
    p = start(routes=ONE_PATH % (host, port))
    return Pair(p, "reverse", device=p.device(host, port), host="one.example")


@pytest.mark.parametrize("change", [dict(path=("secret",)), dict(code=FETCH, path=("open",), payload=b"q")])
def test_the_token_of_an_observation_opens_no_other_resource(narrow, change):
    sent, up = observe(narrow, path=("open",))
    second = narrow.send(token=sent.token, options=[REGISTER], **change)
    down = narrow.client.recv()
    assert down.token == second.token and down.code >> 5 == 4, down
    narrow.device.quiet()


def test_a_refresh_is_looked_at_like_any_request(pair):
    """Its Hop-Limit counts, and another target is another request."""
    sent, up = observe(pair)
    pair.client.send(pair.request(options=[REGISTER, (HOP_LIMIT, b"\x01")], token=sent.token))
    assert pair.client.recv().code == coap.code("5.08")
    pair.device.quiet()


def test_another_target_under_the_token_of_an_observation_is_another_request(proxy):
    client = proxy.client()
    one, two = Pair(proxy, client=client), Pair(proxy, client=client)
    sent, up = observe(one)
    other = client.send(two.request(options=[REGISTER], token=sent.token))
    asked = two.device.recv()
    assert asked.token != up.token
    two.device.answer(asked, options=[(OBSERVE, 9)], payload=b"two")
    assert client.recv().payload == b"two"
    one.device.quiet()


def test_a_cancel_that_overtakes_the_registrations_answer_cancels(pair):
    sent = pair.send(options=[REGISTER])
    up = pair.device.recv()
    pair.client.send(pair.request(options=[CANCEL], token=sent.token))
    pair.device.quiet()  # one message in flight
    pair.device.answer(up, options=[(OBSERVE, 1)], payload=b"a")
    second = pair.device.recv()
    pair.device.answer(second, payload=b"b")
    got = [m for m in pair.client.pending() if m.code]
    assert sorted(m.payload for m in got) == [b"a", b"b"]
    pair.device.pending()
    notification = notify(pair, up, 2)
    refused = pair.device.recv()
    assert (refused.type, refused.mid) == (RST, notification.mid)
    assert not [m for m in pair.client.pending() if m.code]


def test_a_reset_is_no_proof_of_being_there(start):
    """Whoever is asked for nothing resets what comes: that must not open him to long answers."""
    p = start(sections="downstream: { trusted = []; };")
    pair = Pair(p)
    sent, up = pair.forward(POST, payload=b"q")
    pair.client.send(sent)
    assert pair.client.recv().is_empty
    pair.device.answer(up, payload=b"small")
    separate = pair.client.recv()
    assert separate.type == CON
    pair.client.reset(separate)
    *_, down = pair.exchange(POST, payload=b"q", answer_payload=b"x" * 1000)
    assert down.code == coap.code("4.01") and down.has(ECHO)


def test_notifications_to_who_was_never_verified_are_confirmed(start):
    """A spoofed registration must not draw a stream of notifications to its victim."""
    p = start(sections="downstream: { trusted = []; };")
    pair = Pair(p)
    sent, up = observe(pair)
    notify(pair, up, 2, type=NON)
    first = pair.client.recv()
    assert first.type == CON
    for n in range(3, 8):
        notify(pair, up, n, type=NON)
    assert not [m for m in pair.client.pending() if m.code]
    pair.client.ack(first)
    pair.client.ack(pair.client.recv())
    notify(pair, up, 9, type=NON)
    assert pair.client.recv().type == NON


def assert_nearly_all_served(pairs):
    """The search for somebody idle gives up after some steps, and goes on where it was the next time."""
    refused = 0
    for pair in pairs:
        pair.send()
        for up in pair.device.pending():
            pair.device.answer(up)
        refused += pair.client.recv().code == coap.code("5.03")
    assert refused <= 2


def test_idle_clients_make_room_behind_many_busy_ones(start):
    """70 observers that never speak again lie at the old end of the list."""
    p = start(sections="limits: { clients = 100; };")
    device = p.device()
    for _ in range(70):
        observe(Pair(p, client=p.client(), device=device))
    assert_nearly_all_served([Pair(p, client=p.client(), device=device) for _ in range(80)])


def test_idle_origins_make_room_behind_many_busy_ones(start):
    p = start(sections="limits: { origins = 100; };")
    client = p.client()
    for _ in range(70):
        observe(Pair(p, client=client))
    assert_nearly_all_served([Pair(p, client=client) for _ in range(80)])


def test_a_refresh_goes_to_the_origin_of_the_registration_by_its_own_path(start):
    hosts = [fresh_address(), fresh_address()]
    port = free_port(hosts[1])
    p = start(routes='r: { from = ["coap"]; hosts = ["two.example"]; to = ["coap://%s:%d/a", "coap://%s:%d/b"]; };' %
              (hosts[0], port, hosts[1], port))
    device = p.device(hosts[1], port)
    pair = Pair(p, "reverse", device=device, host="two.example")
    assert pair.refused().code == BAD_GATEWAY  # nobody listens at the first, which rests from now on
    sent, up = observe(pair)
    assert up.all(coap.URI_PATH) == [b"b", b"p"]
    refresh = pair.client.send(pair.request(options=[REGISTER], token=sent.token))
    again = device.recv()
    assert again.token == up.token and again.all(coap.URI_PATH) == [b"b", b"p"]
    device.answer(again, options=[(OBSERVE, 5)])
    assert pair.client.recv().mid == refresh.mid


@pytest.mark.parametrize("separate", [False, True])
def test_an_answer_that_grows_past_the_largest_datagram_becomes_an_error(start, separate):
    p = start(sections="limits: { token-length = 1024; };")
    pair = Pair(p)
    sent, up = pair.forward(POST, payload=b"q", token=b"t" * 900)
    if separate:
        p.advance(1_100)
        assert pair.client.recv().is_empty
    pair.device.answer(up, payload=b"x" * 2000)
    down = pair.client.recv()
    assert down.code in (BAD_GATEWAY, coap.CONTENT) and down.token == sent.token
    if down.type == CON:
        pair.client.ack(down)


def test_an_address_without_a_way_is_told_at_once(proxy):
    """The kernel itself refuses to send (a broadcast address): no timeout is waited for."""
    client = proxy.client()
    down = client.ask(Message(GET, CON, None, None, [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, "127.255.255.255")]))
    assert (down.code, down.type) == (BAD_GATEWAY, ACK)
    for _ in range(300):
        client.send(Message(GET, CON, None, None, [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, "127.255.255.255")]))
    assert [m.code for m in client.pending()] == [BAD_GATEWAY] * 300


@pytest.mark.parametrize("type", [CON, NON])
def test_a_notification_too_long_to_be_read_ends_the_observation(pair, type):
    sent, up = observe(pair)
    notification = notify(pair, up, 2, type=type, payload=b"x" * 3000)
    end = pair.client.recv()
    assert (end.code, end.token) == (BAD_GATEWAY, sent.token) and end.mid != sent.mid
    pair.client.ack(end)
    assert [m.mid for m in pair.device.pending()] == [notification.mid] * (type == CON)


@pytest.mark.parametrize("limit", ["exchanges", "origin-exchanges"])
def test_endpoints_that_may_be_forged_leave_room_for_others(start, limit):
    """A flood of them to a silent origin shuts nobody out who is known to be there."""
    p = start(sections='limits: { %s = 40; }; downstream: { trusted = ["127.1.2.0/24"]; };' % limit)
    device = p.device()
    for _ in range(50):
        Pair(p, device=device).send()
    p.settle()
    friend = Pair(p, client=p.client("127.1.2.3"), device=device if limit == "origin-exchanges" else None)
    friend.send()
    assert not friend.client.pending()
    if limit == "exchanges":
        friend.device.answer(friend.device.recv())
        assert friend.client.recv().code == coap.CONTENT


def test_a_link_local_target_needs_a_zone(start):
    """Without one the kernel picks a link, and the gateway itself could be met there."""
    p = start(routes='f: { from = ["coap"]; forward-to = ["coap://*:*"]; allow-networks = ["::/0", "fe80::/10"]; };')
    down = p.client().ask(Message(GET, CON, None, None, [(coap.PROXY_URI, "coap://[fe80::1]/")]))
    assert down.code == coap.code("4.03")


def test_a_name_that_resolves_late_does_not_shorten_the_first_timeout(tmp_path):
    """On the real clock: the answer of the name server wakes a loop that slept, and whose time was old."""
    server, port = NameServer(), free_port()
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver %s:%d\n" % (server.host, server.port))
    config = tmp_path / "proxy.conf"
    config.write_text("""
listeners: { coap: { url = "coap://127.0.0.1:%d"; }; };
routes: { f: { from = ["coap"]; forward-to = ["coap://*:*"]; allow-networks = ["127.0.0.0/8"]; }; };
upstream: { resolv-conf = "%s"; };
process: { workers = 1; user = ""; drain-timeout = "0s"; };
""" % (port, resolv))
    device, client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    device.bind((fresh_address(), 0))
    log = open(tmp_path / "log", "w+")
    process = subprocess.Popen([str(BUILD.parent / "oscore-proxy"), "-c", str(config)], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 20
        while "ready" not in (tmp_path / "log").read_text() and time.monotonic() < until:
            time.sleep(0.01)
        client.sendto(Message(GET, CON, 1, b"t", [(coap.PROXY_URI, "coap://late.example:%d/" % device.getsockname()[1])])
                      .encode(), ("127.0.0.1", port))
        v4, v6 = sorted([server.take(), server.take()], key=lambda q: q[1])
        server.answer(v6)
        time.sleep(0.9)
        server.answer(v4, [device.getsockname()[0]])
        device.settimeout(2)
        device.recv(2048)
        device.settimeout(1.95)
        with pytest.raises(TimeoutError):
            device.recv(2048)
    finally:
        process.terminate()
        process.wait()
        for s in (server, device, client, log):
            s.close()


@pytest.mark.parametrize("ttl", [1, 60])
def test_an_origin_known_by_name_rests_too(start, tmp_path, ttl):
    """Whether its name was asked for (the answer was short-lived) or was known."""
    server = NameServer()
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver %s:%d\n" % (server.host, server.port))
    hosts = [fresh_address(), fresh_address()]
    port = free_port(hosts[1])
    p = start(routes='r: { from = ["coap"]; hosts = ["two.example"]; to = ["coap://one.test:%d", "coap://%s:%d"]; '
              'allow-networks = ["127.0.0.0/8"]; };' % (port, hosts[1], port),
              sections='upstream: { resolv-conf = "%s"; };' % resolv)
    pair = Pair(p, "reverse", device=p.device(hosts[1], port), host="two.example")
    for expected in (BAD_GATEWAY, coap.CONTENT):
        sent = pair.send()
        p.settle()
        if expected == BAD_GATEWAY or ttl == 1:
            assert server.serve({"one.test": [hosts[0]]}, ttl=ttl) == 2
        if expected == coap.CONTENT:
            pair.device.answer(pair.device.recv())
        assert pair.client.recv().code == expected
        p.advance(2_000)
    server.close()


@pytest.mark.covers("C7252-4.5-1")
@pytest.mark.parametrize("type", [CON, NON])
def test_what_was_refused_for_want_of_room_is_not_carried_out_when_it_is_repeated(start, type):
    p = start(sections="limits: { exchanges = 1; };")
    first, second = Pair(p), Pair(p)
    _, up = first.forward()
    sent = second.send(POST, payload=b"x", type=type)
    refusal = second.client.recv()
    assert refusal.code == coap.code("5.03")
    first.device.answer(up)
    first.client.recv()
    second.client.send(sent)
    again = second.client.pending()
    assert [m.raw for m in again] == [refusal.raw] * (type == CON)
    second.device.quiet()
