"""Limits and overload: RFC 8516, RFC 7252 4.7, seams S-32 and S-34 (conformance 7)."""

import pytest

import coap
from coap import CON, GET, NON, POST, Message
from harness import DEFAULT_ROUTE, ONE_WORKER, Pair, oscore_request

BUSY, TOO_MANY = coap.code("5.03"), coap.code("4.29")


def hold(pair, count, **kw):
    """Requests that their device acknowledges and does not answer; returns those that reached it."""
    ups = []
    for _ in range(count):
        pair.send(**kw)
        for up in pair.device.pending():
            if up.code:
                pair.device.ack(up)
                ups.append(up)
    return ups


def answers(client):
    return [m for m in client.pending() if m.code]


def limited(start, limits, more=""):
    return start(sections="limits: { %s };" % limits + more)


@pytest.mark.covers("C8516-3-1")
def test_one_client_gets_4_29_with_max_age(start):
    proxy = limited(start, "client-exchanges = 3;")
    pair = Pair(proxy)
    assert len(hold(pair, 5)) == 3
    refused = answers(pair.client)
    assert [m.code for m in refused] == [TOO_MANY] * 2
    assert all(m.uint(coap.MAX_AGE) for m in refused)
    other = Pair(proxy)
    other.exchange()


@pytest.mark.covers("C8516-3-1")
def test_one_clients_oscore_requests_get_5_03(start):
    proxy = limited(start, "client-exchanges = 1;")
    pair = Pair(proxy)
    hold(pair, 1)
    pair.client.send(oscore_request(pair))
    refused = answers(pair.client)
    assert [m.code for m in refused] == [BUSY] and refused[0].uint(coap.MAX_AGE)


@pytest.mark.covers("C8516-3-1", "C7252-5.9-5")
@pytest.mark.parametrize("type_", [CON, NON])
def test_gateway_full_gives_5_03_with_max_age(start, type_):
    proxy = limited(start, "exchanges = 4;")
    for _ in range(4):
        assert len(hold(Pair(proxy), 1)) == 1
    down = Pair(proxy).refused(type=type_)
    assert down.code == BUSY and down.uint(coap.MAX_AGE) == 5


@pytest.mark.covers("C7252-5.9-5")
def test_retry_delay_is_a_setting(start):
    proxy = start(sections='limits: { exchanges = 1; }; downstream: { overload-retry = "30s"; };')
    hold(Pair(proxy), 1)
    assert Pair(proxy).refused().uint(coap.MAX_AGE) == 30


@pytest.mark.covers("S-34")
def test_origin_limit_gives_5_03_early(start):
    """A silent origin holds its own queue and nobody else's."""
    proxy = limited(start, "origin-exchanges = 5;")
    device = proxy.device()
    clients = [Pair(proxy, device=device) for _ in range(8)]
    for p in clients:
        p.send()
    codes = [m.code for p in clients for m in answers(p.client)]
    assert codes == [BUSY] * 3
    Pair(proxy).exchange()


@pytest.mark.covers("S-34")
def test_silent_origin_blocks_no_other(proxy):
    silent = proxy.device()
    for _ in range(50):
        Pair(proxy, device=silent).send()
    proxy.settle()
    for _ in range(5):
        Pair(proxy).exchange()


def test_route_limits(start):
    routes = DEFAULT_ROUTE.replace("};", "exchanges = 2; client-exchanges = 1; };", 1)
    proxy = start(routes=routes)
    a, b, c = Pair(proxy), Pair(proxy), Pair(proxy)
    assert len(hold(a, 2)) == 1
    assert [m.code for m in answers(a.client)] == [TOO_MANY]
    assert len(hold(b, 1)) == 1
    assert c.refused().code == BUSY


def test_limits_free_up_with_the_answers(start):
    proxy = limited(start, "exchanges = 2; client-exchanges = 2;")
    pair = Pair(proxy)
    for up in hold(pair, 2):
        pair.device.separate(up)
    pair.device.pending()
    assert len(answers(pair.client)) == 2
    for _ in range(5):
        pair.exchange()


def test_limits_free_up_with_timeouts(start):
    proxy = limited(start, "exchanges = 2; client-exchanges = 2;")
    hold(Pair(proxy), 2)
    proxy.advance(260_000)
    Pair(proxy).exchange()


@pytest.mark.covers("C7252-11.4-2")
def test_more_clients_than_the_table_holds(start):
    proxy = limited(start, "clients = 8;", ONE_WORKER)
    for _ in range(40):
        Pair(proxy).exchange()
        proxy.close_peers()
    assert proxy.state()["clients"] <= 8


@pytest.mark.covers("C7252-4.4-1")
def test_more_origins_than_the_table_holds(start):
    """The idle one that was used longest ago is forgotten; its Message IDs go on where they were when it comes back."""
    proxy = limited(start, "origins = 2;", ONE_WORKER)
    first = Pair(proxy)
    _, up, _ = first.exchange()
    for _ in range(8):
        Pair(proxy).exchange()
    _, again, _ = first.exchange()
    assert again.mid == (up.mid + 1) % 65536 and again.source == up.source
    assert proxy.state()["origins"] <= 2


def test_origins_in_use_are_not_forgotten(start):
    proxy = limited(start, "origins = 2;", ONE_WORKER)
    a, b = Pair(proxy), Pair(proxy)
    _, up_a = a.forward()
    _, up_b = b.forward()
    down = Pair(proxy).refused()
    assert down.code == BUSY
    for p, up in ((a, up_a), (b, up_b)):
        p.device.answer(up)
        assert p.client.recv().code == coap.CONTENT


# what an origin says about its own load

@pytest.mark.covers("C8516-4-1")
@pytest.mark.parametrize("age", [10, None])
def test_gateway_holds_back_after_4_29(pair, age):
    """The same method and URI, before Max-Age (60 s where none is given)."""
    options = [(coap.MAX_AGE, age)] if age else []
    *_, down = pair.exchange(path=("busy",), answer=TOO_MANY, answer_options=options)
    assert down.code >> 5 in (4, 5)
    wait = (age or 60) * 1000
    pair.proxy.advance(wait - 2_000)
    refused = pair.refused(path=("busy",))
    assert refused.code in (BUSY, TOO_MANY) and refused.uint(coap.MAX_AGE) in (1, 2, 3)
    pair.proxy.advance(3_000)
    pair.exchange(path=("busy",))


@pytest.mark.covers("C8516-4-2")
def test_innocent_client_is_not_blamed(pair):
    pair.exchange(path=("busy",), answer=TOO_MANY, answer_options=[(coap.MAX_AGE, 30)])
    other = Pair(pair.proxy, device=pair.device)
    other.send(path=("busy",))
    for up in [m for m in other.device.pending() if m.code]:
        other.device.answer(up)
    assert other.client.recv().code != TOO_MANY


@pytest.mark.covers("C7252-5.9-5")
@pytest.mark.parametrize("age", [0, 1, 600])
def test_5_03_of_an_origin_passes_with_its_delay(pair, age):
    *_, down = pair.exchange(answer=BUSY, answer_options=[(coap.MAX_AGE, age)], answer_payload=b"later")
    assert (down.code, down.uint(coap.MAX_AGE), down.payload) == (BUSY, age, b"later")


# the duplicate store at its bound

@pytest.mark.covers("C7252-4.5-1")
def test_full_duplicate_store_refuses_what_it_may_not_forget(start):
    """Safe plain requests are forgotten first; a new unsafe one is then refused without a record."""
    proxy = start(sections='limits: { dedup-memory = "1MB"; };' + ONE_WORKER)
    pair = Pair(proxy)
    client, full = pair.client, None
    for i in range(60_000):
        client.send(Message(POST, CON, i & 0xFFFF, b"t", [(coap.URI_PATH, "p")]))
        if i % 64 == 63:
            if any(m.code == BUSY for m in client.pending()):
                full = i
                break
            if i % 60_000 == 0:
                client = proxy.client()
    assert full, "no bound was met"
    counters = proxy.counters()
    assert counters["refused_duplicates"] > 0
    down = Pair(proxy).refused(POST, payload=b"x")
    assert down.code == BUSY and down.uint(coap.MAX_AGE) == 5
    Pair(proxy).exchange(GET)
    proxy.advance(400_000)
    Pair(proxy).exchange(POST, payload=b"x")


@pytest.mark.covers("C7252-4.5-3")
def test_flood_of_safe_requests_does_not_push_out_oscore_records(start):
    proxy = start(sections='limits: { dedup-memory = "1MB"; };')
    pair = Pair(proxy)
    sent = pair.client.send(oscore_request(pair))
    pair.device.answer(pair.device.recv(), coap.CHANGED)
    first = pair.client.recv()
    for c in range(2):
        client = proxy.client()
        for i in range(20_000):
            client.send(Message(GET, NON, i, b"t", [(coap.URI_PATH, "p")]))
            if i % 64 == 63:
                client.pending()
    pair.client.send(sent)
    again = pair.client.recv()
    assert again.mid == sent.mid and (again.raw == first.raw or again.is_empty)
    pair.device.quiet()


def test_queue_memory_is_a_bound(start):
    """Copies of requests that wait for a silent origin."""
    proxy = start(sections='limits: { queue-memory = "1MB"; client-exchanges = 10000; };')
    pair = Pair(proxy)
    codes = []
    for i in range(2_500):
        pair.send(POST, payload=b"x" * 1000)
        if i % 32 == 31:
            codes += [m.code for m in answers(pair.client)]
            if BUSY in codes:
                break
    assert BUSY in codes
    assert proxy.state()["exchanges"] < 2_000
