"""Origins that belong to one worker while clients belong to another: what is one there, and what its death leaves owed."""

import os
import signal

import coap
import pytest
from coap import CON, OBSERVE
from harness import Pair, oscore_request
from house import THREE, pids, serving_worker, until
from observing import Observer

UNAVAILABLE, TIMEOUT = coap.code("5.03"), coap.code("5.04")
WINDOW = "\nupstream: { origin-window = %d; };"


def home_of(proxy, pair, count):
    """The number of the worker that has this pair's origin: the one that counts the request it forwards."""
    before = [proxy.counters(i)["forwarded"] for i in range(count)]
    pair.exchange()
    number, = [i for i in range(count) if proxy.counters(i)["forwarded"] != before[i]]
    return number


def clients_by_worker(proxy, device, each, count=3):
    """For every worker so many pairs that it serves, all of one device."""
    found = {i: [] for i in range(count)}
    while any(len(pairs) < each for pairs in found.values()):
        pair = Pair(proxy, device=device)
        found[serving_worker(proxy, pair, count)].append(pair)
    return {i: pairs[:each] for i, pairs in found.items()}


def kill(proxy, number):
    """Returns when its successor serves."""
    old = pids(proxy)[number]
    os.kill(old, signal.SIGKILL)
    until(lambda: pids(proxy)[number] != old)
    proxy.settle()


def finals(pair):
    return [(m.code, m.token) for m in pair.client.pending() if m.code]


@pytest.fixture
def narrow(start):
    """Three workers, one message in flight to each origin."""
    return start(sections=THREE % "" + WINDOW % 1)


# ---- a home dies ----


@pytest.mark.parametrize("sealed", [False, True])
def test_a_home_that_dies_owes_5_04_for_what_it_sent_and_5_03_for_the_rest(narrow, sealed):
    device = narrow.device()
    clients = clients_by_worker(narrow, device, 2)
    home = home_of(narrow, clients[0][0], 3)
    waiting = [pair for i, pairs in clients.items() if i != home for pair in pairs]
    sent = []
    for pair in waiting:
        sent.append(pair.client.send(oscore_request(pair) if sealed else pair.request()))
        narrow.settle()
    up, = [m for m in device.pending() if m.code]
    kill(narrow, home)
    got = [finals(pair) for pair in waiting]
    assert got[0] == [(TIMEOUT, sent[0].token)]
    assert got[1:] == [[(UNAVAILABLE, m.token)] for m in sent[1:]]
    # the origin's answer comes too late for anybody, and the successor serves
    device.answer(up)
    device.quiet()
    for pair in waiting:
        pair.client.quiet()
        pair.exchange()


@pytest.mark.parametrize("sealed", [False, True])
def test_a_home_that_dies_leaves_its_own_clients_to_their_repeats(narrow, sealed):
    """OSCORE: 5.04, whether it was sent or not. A plain GET is carried out anew."""
    device = narrow.device()
    clients = clients_by_worker(narrow, device, 2)
    home = home_of(narrow, clients[0][0], 3)
    own = clients[home]
    sent = [pair.client.send(oscore_request(pair) if sealed else pair.request()) for pair in own]
    assert len([m for m in device.pending() if m.code]) == 1
    kill(narrow, home)
    for pair, request in zip(own, sent):
        pair.client.quiet()
        pair.client.send_raw(request.encode(), pair.client.to)
        if not sealed:
            device.answer(device.recv())
        assert finals(pair) == [(TIMEOUT if sealed else coap.CONTENT, request.token)]
    device.quiet()


def test_what_an_origin_acknowledged_is_owed_5_04_too(narrow):
    device = narrow.device()
    clients = clients_by_worker(narrow, device, 1)
    home = home_of(narrow, clients[0][0], 3)
    pair = clients[(home + 1) % 3][0]
    sent = pair.send()
    device.ack(device.recv())
    narrow.advance(1_500)
    assert pair.client.recv().is_empty
    kill(narrow, home)
    down = pair.client.recv()
    assert (down.type, down.code, down.token) == (CON, TIMEOUT, sent.token)
    pair.client.ack(down)


def test_an_observation_ends_with_its_home(narrow):
    device = narrow.device()
    clients = clients_by_worker(narrow, device, 1)
    home = home_of(narrow, clients[0][0], 3)
    seen = Observer(narrow, client=clients[(home + 1) % 3][0].client, device=device).register()
    kill(narrow, home)
    down = seen.client.recv()
    assert (down.code, down.token) == (UNAVAILABLE, seen.sent.token) and not down.has(OBSERVE)
    seen.client.ack(down)
    seen.notify(6, b"late")  # to a port that nobody has any more
    seen.quiet()


# ---- one origin is one ----


def test_four_workers_and_one_origin_have_one_window(start):
    """The first request goes alone, and each answer makes room for two at most, up to the window."""
    proxy = start(sections=(THREE % "").replace("3", "4") + WINDOW % 6)
    device = proxy.device()
    pairs = [pair for some in clients_by_worker(proxy, device, 10, 4).values() for pair in some]
    for pair in pairs:
        pair.send()
    flight, most = [], 0
    for served in range(len(pairs)):
        flight += [m for m in device.pending() if m.code]
        assert 1 <= len(flight) <= min(served + 1, 6)
        most = max(most, len(flight))
        device.answer(flight.pop(0))
    assert most == 6
    assert [len(finals(pair)) for pair in pairs] == [1] * len(pairs)
    assert len(device.distinct()) == len(pairs)


def test_clients_of_two_workers_observe_by_two_relations_of_one_home(start):
    proxy = start(sections=THREE % "")
    device = proxy.device()
    clients = clients_by_worker(proxy, device, 1)
    before = [proxy.counters(i)["forwarded"] for i in range(3)]
    first, second = [Observer(proxy, client=clients[i][0].client, device=device).register() for i in (0, 1)]
    assert first.up.token != second.up.token
    home, = [i for i in range(3) if proxy.counters(i)["forwarded"] != before[i]]
    assert proxy.counters(home)["forwarded"] == before[home] + 2
    for i, seen in enumerate((first, second)):
        assert seen.notified(6, b"to %d alone" % i).payload == b"to %d alone" % i
    first.client.quiet()
    second.client.quiet()
    first.client.send(first.request(options=[(OBSERVE, 1)], token=first.sent.token))
    cancel = device.recv()
    assert (cancel.uint(OBSERVE), cancel.token) == (1, first.up.token)
    device.answer(cancel)
    first.client.recv()
    second.notified(7, b"still")


# ---- sockets that fail ----


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("faults", [dict(fail=30), dict(fail=10, drop=10, duplicate=10)], ids=["fail", "all"])
def test_every_request_ends_in_one_answer_where_sockets_fail(start, faults, seed):
    """Both legs of all workers; a client repeats until it has heard something."""
    proxy = start(sections=THREE % "")
    pairs = [Pair(proxy) for _ in range(12)]
    sent = {}
    proxy.faults(seed=seed + 1, **faults)
    for i, pair in enumerate(pairs):
        request = oscore_request(pair, payload=b"%02d" % i * 12) if i % 2 else pair.request()
        sent[pair.client] = pair.client.send(request)
    heard, answers = set(), {pair.client: set() for pair in pairs}

    def play(who, m):
        if who not in sent:
            if m.code:
                who.piggyback(m)
            return
        heard.add(who)
        if m.type == CON:
            who.ack(m)
        if m.code:
            answers[who].add(m.raw)

    everybody = [peer for pair in pairs for peer in (pair.client, pair.device)]
    for _ in range(60):
        proxy.watch(2_000, *everybody, step=500, each=play)
        for client in sent.keys() - heard:
            client.send_raw(sent[client].encode(), client.to)
        if all(answers.values()):
            break
    proxy.faults(fail=0)
    proxy.watch(100_000, *everybody, step=10_000, each=play)
    for pair in pairs:
        raw, = answers[pair.client]
        down = coap.Message.parse(raw)
        assert down.token == sent[pair.client].token and down.code in (coap.CONTENT, TIMEOUT)
        assert len(pair.device.distinct()) == 1 or (down.code == TIMEOUT and not pair.device.ledger)
