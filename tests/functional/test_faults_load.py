"""Workers that die, stop, or find no memory while requests come and go: the product as it is, its clock running."""

import os
import signal
import time

import coap
import pytest
from coap import CON, RST
from harness import Pair, oscore_request
from house import PATIENCE, Plain, logged, until
from traffic import BUSY, LOST_SENT, Traffic, begin_placed, crossing_pair, placed_pairs, serving, stop

FOUR = 'process: { workers = 4; user = ""; };'


@pytest.fixture
def run(tmp_path):
    """run(sections): the product with these."""
    started = []

    def begin(sections=FOUR):
        started.append(Plain(tmp_path, sections=sections))
        return started[-1]

    yield begin
    for proxy in started:
        proxy.close_peers()
        proxy.check()
        proxy.end()


def kill(proxy, number):
    """Kills a worker and waits until its successor serves; returns the successor."""
    pid = until(lambda: proxy.worker(number))
    os.kill(pid, signal.SIGKILL)
    logged(proxy, r"worker %d \(process %d\) was ended by signal 9" % (number, pid))
    now = until(lambda: proxy.worker(number))
    logged(proxy, r"worker \d serves \(process %d\)" % now)
    return now


def check_bystanders(lanes):
    """Nothing happened to them."""
    assert lanes
    for lane in lanes:
        assert all(a.served and a.repeats == 0 for a in lane.asked), [a for a in lane.asked if not a.served or a.repeats]


def check_concerned(traffic, *dead):
    """Each request was answered; what got no answer of its origin, as a worker died, was told. Where the client's alone
    died, a plain GET was carried out anew."""
    asked = traffic.finish()
    assert {a.code for a in asked if not a.served} <= {LOST_SENT, BUSY}
    assert all(a.served for a in asked if not a.sealed and a.lane.home not in dead)
    traffic.check_ledger()


# ---- SIGKILL ----


def test_a_kill_under_load_concerns_its_own_clients_and_origins_alone(run):
    proxy = run()
    traffic = Traffic(proxy)
    begin_placed(traffic, 4)
    kill(proxy, 2)
    traffic.go_on(20)
    check_concerned(traffic, 2)
    check_bystanders([lane for lane in traffic.lanes if 2 not in (lane.serving, lane.home)])
    concerned = [lane for lane in traffic.lanes if lane.serving == 2]
    assert len(concerned) < 3 or any(a.repeats for lane in concerned for a in lane.asked)
    clients = [lane.client for lane in traffic.lanes]
    assert serving(proxy, 4, clients) == [lane.serving for lane in traffic.lanes]


def test_kills_one_after_the_other_under_load(run):
    proxy = run()
    traffic = Traffic(proxy)
    begin_placed(traffic, 4)
    for victim in (0, 1, 0, 1, 1):
        kill(proxy, victim)
        traffic.go_on(3)
    check_concerned(traffic, 0, 1)
    check_bystanders([lane for lane in traffic.lanes if lane.serving > 1 and lane.home > 1])
    assert serving(proxy, 4, [lane.client for lane in traffic.lanes]) == [lane.serving for lane in traffic.lanes]


def test_a_kill_of_all_at_once_under_load(run):
    proxy = run()
    traffic = Traffic(proxy)
    begin_placed(traffic, 4)
    for _ in range(2):
        traffic.go_on()
        victims = proxy.workers()
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(proxy.workers()) == 4 and not set(victims) & set(proxy.workers()))
    traffic.go_on()
    check_concerned(traffic, *range(4))


def test_a_repeat_to_a_killed_worker_is_answered_within_a_second(run):
    """It waits in the socket for the successor, which knows it. One that died three times may take longer."""
    proxy = run()
    pairs = [Pair(proxy) for _ in range(12)]
    by_worker = dict(zip(serving(proxy, 4, [pair.client for pair in pairs]), pairs))
    for worker, pair in by_worker.items():
        request = pair.client.send(oscore_request(pair))
        pair.device.recv()
        os.kill(proxy.worker(worker), signal.SIGKILL)
        began = time.monotonic()
        pair.client.send_raw(request.encode(), pair.client.to)
        down = pair.client.recv(10)
        assert time.monotonic() - began < 1
        assert (down.code, down.mid, down.token) == (LOST_SENT, request.mid, request.token)
        pair.device.quiet()
        assert len(pair.device.ledger) == 1


# ---- SIGSTOP ----


def send_all(pair, count):
    """So many requests, and what had come when the worker of the client had read them all."""
    sent = [pair.send() for _ in range(count)]
    pair.client.send_raw(coap.empty(CON, pair.client.take_mid()), pair.client.to)
    got = []
    while not got or got[-1].type != RST:
        got.append(pair.client.recv(PATIENCE))
    return sent, [m for m in got[:-1] if m.code]


def play(pair, enough, answer_payload=b""):
    """Plays the device and the client until `enough` says so of the answers that came."""
    got = []

    def turn():
        for up in pair.device.pending():
            if up.code:
                pair.device.answer(up, payload=answer_payload)
        for m in pair.client.pending():
            if m.type == CON:
                pair.client.ack(m)
            if m.code:
                got.append(m)
        return enough(got)

    until(turn, lambda: "%d answers came\n%s" % (len(got), pair.proxy.explain()))
    return got


def answered(tokens):
    return lambda got: tokens <= {m.token for m in got}


SMALL_RINGS = 'process: { workers = 3; user = ""; crossing-memory = "72kB"; };'


def test_a_full_ring_to_a_stopped_home_refuses_at_once_and_loses_nothing(run):
    proxy = run(SMALL_RINGS)
    pairs = placed_pairs(proxy, 3)
    pair = next(p for p in pairs if p.serving != p.home)
    others = [p for p in pairs if pair.home not in (p.serving, p.home)]
    pid = proxy.worker(pair.home)
    stop(pid)
    sent, refused = send_all(pair, 400)
    assert {(m.code, m.uint(coap.MAX_AGE)) for m in refused} == {(BUSY, 5)}
    assert len(refused) == len({m.token for m in refused})
    fitted = {m.token for m in sent} - {m.token for m in refused}
    assert 10 < len(fitted) < 390
    for other in others:
        other.exchange()
    os.kill(pid, signal.SIGCONT)
    got = play(pair, answered(fitted))
    assert {m.token for m in got} == fitted and {m.code for m in got} == {coap.CONTENT}
    pair.exchange()


def test_answers_to_a_stopped_worker_wait_for_it(run):
    """More of them than the ring holds."""
    proxy = run(SMALL_RINGS)
    pair = crossing_pair(proxy, 3)
    pid = proxy.worker(pair.serving)
    sent, early = send_all(pair, 80)
    assert not early
    send_all(pair, 0)  # a turn later the others can see what it has put into its rings
    stop(pid)
    known = len(pair.device.distinct())
    play(pair, lambda got: len(pair.device.distinct()) == 81, b"x" * 1000)
    assert known < 81
    os.kill(pid, signal.SIGCONT)
    tokens = {m.token for m in sent}
    got = play(pair, answered(tokens))
    assert {(m.code, len(m.payload)) for m in got} == {(coap.CONTENT, 1000)}
    assert {m.token for m in got} == tokens and len(pair.device.distinct()) == 81


def test_a_worker_that_stays_stopped_is_replaced_under_load(run):
    proxy = run(FOUR.replace("workers", 'watchdog = "1s"; workers'))
    traffic = Traffic(proxy)
    begin_placed(traffic, 4)
    victim = proxy.worker(3)
    stop(victim)
    logged(proxy, r"worker 3 \(process %d\) does not turn any more: it is killed$" % victim)
    logged(proxy, r"worker 3 serves \(process \d+\)$")
    traffic.go_on()
    check_concerned(traffic, 3)
    check_bystanders([lane for lane in traffic.lanes if 3 not in (lane.serving, lane.home)])


def test_a_stopped_parent_is_not_missed_until_a_worker_dies(run):
    proxy = run()
    traffic = Traffic(proxy)
    begin_placed(traffic, 4)
    victim, parent = proxy.worker(1), proxy.process.pid
    stop(parent)
    traffic.go_on()
    os.kill(victim, signal.SIGKILL)
    bystanders = [lane for lane in traffic.lanes if 1 not in (lane.serving, lane.home)]
    traffic.go_on(20, bystanders)
    os.kill(parent, signal.SIGCONT)
    logged(proxy, r"worker 1 \(process %d\) was ended by signal 9" % victim)
    traffic.go_on()
    check_concerned(traffic, 1)
    check_bystanders(bystanders)
