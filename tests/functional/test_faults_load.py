"""Workers that die, stop, or find no memory while requests come and go: the product as it is, its clock running."""

import os
import re
import signal
import time

import coap
import pytest
from harness import Pair, oscore_request
from house import Plain, logged, until
from traffic import BUSY, LOST_SENT, Traffic, begin_placed, serving

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


def check_concerned(asked):
    """Each was answered; what became of no answer of an origin was told."""
    assert {a.code for a in asked if not a.served} <= {LOST_SENT, BUSY}
    assert all(a.served for a in asked if not a.sealed and a.repeats), "a plain GET is carried out anew"


# ---- SIGKILL ----


def test_a_kill_under_load_concerns_its_own_clients_and_origins_alone(run):
    proxy = run()
    traffic = Traffic(proxy)
    begin_placed(traffic, 4)
    kill(proxy, 2)
    traffic.go_on(20)
    asked = traffic.finish()
    check_bystanders([lane for lane in traffic.lanes if 2 not in (lane.serving, lane.home)])
    check_concerned(asked)
    traffic.check_ledger()
    clients = [lane.client for lane in traffic.lanes]
    assert serving(proxy, 4, clients) == [lane.serving for lane in traffic.lanes]


def test_kills_one_after_the_other_under_load(run):
    proxy = run()
    traffic = Traffic(proxy)
    begin_placed(traffic, 4)
    for victim in (0, 1, 0, 1, 1):
        kill(proxy, victim)
        traffic.go_on(3)
    asked = traffic.finish()
    check_bystanders([lane for lane in traffic.lanes if lane.serving > 1 and lane.home > 1])
    check_concerned(asked)
    traffic.check_ledger()
    assert serving(proxy, 4, [lane.client for lane in traffic.lanes]) == [lane.serving for lane in traffic.lanes]


def test_a_kill_of_all_at_once_under_load(run):
    proxy = run()
    traffic = Traffic(proxy)
    traffic.start()
    for _ in range(2):
        traffic.go_on()
        victims = proxy.workers()
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(proxy.workers()) == 4 and not set(victims) & set(proxy.workers()))
    traffic.go_on()
    check_concerned(traffic.finish())
    traffic.check_ledger()


def test_a_repeat_to_a_killed_worker_is_answered_within_a_second(run):
    """It waits in the socket for the successor, which knows it."""
    proxy = run()
    for number in range(3):
        pair = Pair(proxy)
        worker, = serving(proxy, 4, [pair.client])
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
