"""Workers that the system gives no more: memory, descriptors."""

import resource

import coap
import pytest
from coap import ACK, BLOCK1, CON, NON, POST, PUT, Message
from harness import ONE_WORKER, Pair
from house import THREE, Plain, pids, serving_worker, status_of, until
from observing import Observer
from traffic import BUSY, Traffic


@pytest.fixture
def product(tmp_path):
    proxy = Plain(tmp_path, sections=THREE % "")
    yield proxy
    proxy.check()
    proxy.end()


def set_limit(pid, what, value):
    """The soft limit of a running process; None: as high as may be."""
    hard = resource.prlimit(pid, what)[1]
    resource.prlimit(pid, what, (hard if value is None else value, hard))


# ---- memory ----

MARGIN = 1 << 20  # bytes that a worker may still take


def test_workers_without_memory_refuse_and_live(product):
    """Every request is served, or refused with 5.03, and memory is used again when its limit is lifted."""
    workers = product.workers()
    traffic = Traffic(product, clients=12, window=300, most=1, padding=900, plain=False)
    traffic.start()
    assert set(traffic.rest()) == {coap.CHANGED}
    for pid in workers:
        set_limit(pid, resource.RLIMIT_AS, (int(status_of(pid)["VmSize"].split()[0]) << 10) + MARGIN)
    traffic.holding = True
    traffic.ask_more(300)
    until(lambda: len(traffic.held) >= 12 and sum(lane.open for lane in traffic.lanes) < 3600 and
          all(a.acknowledged for a in traffic.under_way()),
          lambda: "%r" % [(len(lane.asked), lane.open) for lane in traffic.lanes])
    traffic.holding = False
    codes = traffic.rest()
    assert set(codes) == {BUSY, coap.CHANGED}
    for pid in workers:
        set_limit(pid, resource.RLIMIT_AS, None)
    traffic.ask_more(20)
    assert set(traffic.rest()) == {coap.CHANGED}
    traffic.finish()
    traffic.check_ledger()
    assert product.workers() == workers


@pytest.fixture
def full(start):
    """start.fill() takes all queue memory."""
    proxy = start(sections='limits: { queue-memory = "1MB"; client-exchanges = 10000; };' + ONE_WORKER)

    def fill():
        pair = Pair(proxy)
        for i in range(2500):
            pair.send(POST, payload=b"x" * 1000)
            if i % 32 == 31 and any(m.code == BUSY for m in pair.client.pending()):
                return proxy
        raise AssertionError("no bound was met")

    proxy.fill = fill
    return proxy


def test_an_answer_that_cannot_be_kept_is_sent_once(full):
    """The client has an acknowledgement, so it does not ask again."""
    pair = Pair(full)
    sent, up = pair.forward(type=CON)
    full.advance(1_500)
    assert pair.client.recv().is_empty
    full.fill()
    pair.device.answer(up, payload=b"y" * 900)
    down = pair.client.recv()
    assert (down.type, down.code, down.token, down.payload) == (NON, coap.CONTENT, sent.token, b"y" * 900)
    full.watch(10_000, pair.client, pair.device, step=1000)
    assert not [m for m in pair.client.ledger if m.code and m is not down]


@pytest.mark.parametrize("last", [False, True])
def test_a_notification_that_cannot_be_kept_is_sent_once(full, last):
    seen = Observer(full).register()
    full.fill()
    if last:
        seen.device.separate(seen.up, coap.code("4.04"), payload=b"z" * 900)
    else:
        seen.notify(6, b"z" * 900)
    down = seen.client.recv()
    assert (down.type, down.token, down.payload) == (NON, seen.sent.token, b"z" * 900)
    assert down.code == (coap.code("4.04") if last else coap.CONTENT)
    assert seen.device.recv().type == ACK
    seen.client.reset(down)
    full.settle()
    if not last:
        assert full.state()["observations"] == 0


# ---- descriptors ----


def test_without_descriptors_a_worker_serves_with_the_ports_it_has(product):
    """A hot origin would have been asked from more."""
    traffic = Traffic(product, clients=16, devices=1, window=16, most=1)
    traffic.start()
    assert {code >> 5 for code in traffic.rest()} == {2}

    def ports():
        return {source for messages in traffic.seen.values() for source, _ in messages}

    for pid in product.workers():
        set_limit(pid, resource.RLIMIT_NOFILE, 4)
    traffic.ask_more(2 * 4096 // 16)  # a pool grows at the end of a sixteenth of the Message IDs
    assert {code >> 5 for code in traffic.rest()} == {2} and len(ports()) == 1
    for pid in product.workers():
        set_limit(pid, resource.RLIMIT_NOFILE, None)
    traffic.ask_more(4096 // 16)
    assert {code >> 5 for code in traffic.rest()} == {2} and len(ports()) > 1
    traffic.finish()
    traffic.check_ledger()


def test_without_descriptors_what_needs_a_port_is_refused(start):
    """The first request of all, and a second upload to a resource beside one that runs."""
    proxy = start(sections=ONE_WORKER)
    pid, = pids(proxy)
    first, second = Pair(proxy), Pair(proxy)
    second.device = first.device
    set_limit(pid, resource.RLIMIT_NOFILE, 4)
    assert first.refused().code == BUSY
    set_limit(pid, resource.RLIMIT_NOFILE, None)
    block = [(BLOCK1, coap.block(0, True, 2))]
    first.exchange(PUT, options=block, payload=b"x" * 64, answer=coap.CONTINUE, answer_options=block)
    set_limit(pid, resource.RLIMIT_NOFILE, 4)
    assert second.refused(PUT, options=block, payload=b"y" * 64).code == BUSY
    second.exchange()
    set_limit(pid, resource.RLIMIT_NOFILE, None)
    second.exchange(PUT, options=block, payload=b"y" * 64, answer=coap.CONTINUE, answer_options=block)


# ---- duplicates ----


def test_a_worker_full_of_duplicates_leaves_the_others_alone(start):
    proxy = start(sections='limits: { dedup-memory = "1MB"; };\n' + THREE % "")
    full, *others = [Pair(proxy) for _ in range(12)]
    number = serving_worker(proxy, full)
    for i in range(60_000):
        full.client.send(Message(POST, CON, i, b"t", [(coap.URI_PATH, "p")]))
        if i % 64 == 63 and any(m.code == BUSY for m in full.client.pending()):
            break
    full.client.next_mid = i
    assert full.refused(POST, payload=b"x").code == BUSY
    assert [proxy.counters(w)["refused_duplicates"] > 0 for w in range(3)] == [w == number for w in range(3)]
    others = [pair for pair in others if serving_worker(proxy, pair) != number]
    assert others
    for pair in others:
        pair.exchange(POST, payload=b"x")
    full.exchange()
