"""What becomes of requests when a process dies, stops, or has too little of something."""

import os
import select
import signal
import time

import coap
import pytest
from coap import CON, NON, POST
from harness import Client, Device, Message, Pair, oscore_request
from house import THREE, Plain, logged, pids, serving_worker
from test_reload_load import Traffic

UNAVAILABLE, TIMEOUT = coap.code("5.03"), coap.code("5.04")
AGAIN = 0.2  # seconds after which a client of these tests repeats a request
TWO = 'process: { workers = 2; user = ""; watchdog = "1h"; %s };'


class Patient(Traffic):
    """Traffic whose clients repeat what is not answered."""

    def __init__(self, proxy):
        super().__init__(proxy, [proxy.address])
        self.numbers, self.open, self.longest, self.repeated = {}, {}, 0, 0

    def ask(self, pair):
        n = self.next
        super().ask(pair)
        self.numbers[pair, self.sent[n][1]] = n
        self.open[n] = time.monotonic(), pair, pair.client.last

    def take_answer(self, pair):
        m = self.answer_of(pair)
        if m is None:
            return
        n = self.numbers[pair, m.token]
        if n in self.codes:  # to a repeat
            assert self.codes[n] == m.code
            return
        self.codes[n] = m.code
        self.longest = max(self.longest, time.monotonic() - self.open.pop(n)[0])
        if not self.ending:
            self.ask(pair)

    def ask_again(self):
        if time.monotonic() - self.repeated < AGAIN:
            return
        self.repeated = time.monotonic()
        for began, pair, sent in self.open.values():
            if self.repeated - began > AGAIN:
                pair.client.send_raw(sent.encode(), pair.client.to)

    def run(self, until_true, what):
        super().run(lambda: self.ask_again() or until_true(), what)


class Remembering(Client):
    """A client that has what it sent last."""

    def send(self, message):
        self.last = super().send(message)
        return self.last


@pytest.fixture
def traffic(tmp_path, monkeypatch):
    monkeypatch.setattr("test_reload_load.Client", Remembering)
    proxy = Plain(tmp_path, sections=THREE % "")
    made = Patient(proxy)
    made.begin()
    yield made
    made.close()
    proxy.end()


def carry_on(traffic, count):
    """Until so many more requests are answered."""
    wanted = len(traffic.codes) + count
    traffic.run(lambda: len(traffic.codes) >= wanted, "the traffic stands still")


def check(traffic, deaths):
    """Every request has one answer, none reached its origin twice, and only what was under way at a death has an error."""
    traffic.finish()
    errors = [code for code in traffic.codes.values() if code != coap.CHANGED]
    assert set(errors) <= {UNAVAILABLE, TIMEOUT} and len(errors) <= deaths * len(traffic.clients)
    assert all(len(copies) == 1 for copies in traffic.ledger.values()), "an origin got a request twice"
    assert {n for n, code in traffic.codes.items() if code == coap.CHANGED} <= set(traffic.ledger)


@pytest.mark.covers("C7252-4.5-1")
def test_workers_are_killed_under_load(traffic):
    proxy, deaths = traffic.proxy, 0
    for number in (0, 1, 2, 1):
        carry_on(traffic, 200)
        pid = proxy.worker(number)
        os.kill(pid, signal.SIGKILL)
        deaths += 1
        traffic.run(lambda: proxy.worker(number) not in (None, pid), "no successor")
    carry_on(traffic, 500)
    check(traffic, deaths)
    assert traffic.longest < 1 + AGAIN, "a repeat is served within a second"


def test_all_workers_are_killed_at_once(traffic):
    carry_on(traffic, 300)
    for pid in traffic.proxy.workers():
        os.kill(pid, signal.SIGKILL)
    carry_on(traffic, 500)
    check(traffic, 3)


def test_traffic_does_not_need_the_parent(traffic):
    """A parent that is stopped serves nothing itself; a worker that dies meanwhile has its successor afterwards."""
    proxy = traffic.proxy
    proxy.process.send_signal(signal.SIGSTOP)
    try:
        carry_on(traffic, 500)
        pid = proxy.worker(2)
        os.kill(pid, signal.SIGKILL)
    finally:
        proxy.process.send_signal(signal.SIGCONT)
    traffic.run(lambda: proxy.worker(2) not in (None, pid), "no successor")
    carry_on(traffic, 500)
    check(traffic, 1)


# ---- the home of an origin ----


def crossing_pair(proxy, count=3):
    """A pair whose origin has another home than its client; and that home."""
    for _ in range(40):
        pair = Pair(proxy)
        before = [proxy.counters(i)["forwarded"] for i in range(count)]
        pair.exchange()
        home, = [i for i in range(count) if proxy.counters(i)["forwarded"] != before[i]]
        if serving_worker(proxy, pair, count) != home:
            return pair, home
    raise AssertionError("every origin is at home with its client")


@pytest.mark.parametrize("form", ["plain", "oscore"])
def test_a_home_that_dies_completes_what_it_owed(start, form):
    """5.04 for what was sent, 5.03 for what was not."""
    proxy = start(sections=THREE % "")
    pair, home = crossing_pair(proxy)
    make = oscore_request if form == "oscore" else lambda p: p.request(POST)
    sent = [pair.client.send(make(pair)) for _ in range(6)]
    arrived = [m for m in pair.device.pending() if m.code]
    assert 0 < len(arrived) < 6, "the window holds some back"
    os.kill(pids(proxy)[home], signal.SIGKILL)
    logged(proxy, "worker %d serves" % home)
    answers = {m.token: m.code for m in pair.client.pending() if m.code}
    assert set(answers) == {m.token for m in sent}
    assert sorted(answers.values()) == sorted([TIMEOUT] * len(arrived) + [UNAVAILABLE] * (6 - len(arrived)))
    assert not [m for m in pair.device.pending() if m.code], "what was given up is not sent"
    pair.exchange()


def test_two_workers_observe_by_one_home(start):
    """Two relations, both from the process that is the origin's home."""
    proxy = start(sections=THREE % "")
    device = proxy.device()
    first = Pair(proxy, device=device)
    second = next(p for p in (Pair(proxy, device=device) for _ in range(60))
                  if serving_worker(proxy, p) != serving_worker(proxy, first))
    before = [proxy.counters(i)["forwarded"] for i in range(3)]
    tokens = set()
    for pair in (first, second):
        sent, up = pair.forward(options=[(coap.OBSERVE, 0)])
        device.answer(up, options=[(coap.OBSERVE, 1)], payload=b"a")
        assert pair.client.recv().has(coap.OBSERVE)
        tokens.add(up.token)
    assert len(tokens) == 2
    assert sorted(proxy.counters(i)["forwarded"] - before[i] for i in range(3)) == [0, 0, 2]


def test_an_origin_has_one_window_whoever_asks(start):
    """RFC 7252 4.7: one message at first, and two once that is answered, from clients of four workers."""
    proxy = start(sections='process: { workers = 4; user = ""; };')
    device = proxy.device()
    by_worker = {}
    for _ in range(200):
        pair = Pair(proxy, device=device)
        by_worker.setdefault(serving_worker(proxy, pair, 4), []).append(pair)
        if len(by_worker) == 4:
            break
    for pairs in by_worker.values():
        for n in range(4):
            pairs[0].send(POST)
    allowed, answered = 1, 0
    while answered < 16:
        arrived = [m for m in device.pending() if m.code]
        assert 0 < len(arrived) <= allowed, "%d at once where %d may be" % (len(arrived), allowed)
        for up in arrived:
            device.answer(up, coap.CHANGED)
        answered += len(arrived)
        allowed += len(arrived)


# ---- stopped, not dead ----


def worker_of(pair):
    """True if the worker of this pair's client answers."""
    pair.client.send_raw(coap.empty(CON, pair.client.take_mid()), pair.client.to)
    return bool(select.select([pair.client.socket], [], [], 0.3)[0]) and pair.client._read() is not None


def pump(devices, clients, seconds, enough=lambda: False):
    """Devices answer what comes; returns when it is enough, or at the end of the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not enough():
        ready, _, _ = select.select([p.socket for p in devices + clients], [], [], 0.02)
        for peer in devices + clients:
            if peer.socket in ready:
                m = peer._read()
                if peer in devices and m.code:
                    peer.answer(m, coap.CHANGED, payload=m.payload)


def test_a_home_that_stands_still_fills_its_ring(tmp_path):
    """What does not fit is refused at once with 5.03 and Max-Age; what was taken on is answered when the home goes on."""
    proxy = Plain(tmp_path, sections=TWO % 'crossing-memory = "72kB";')
    try:
        devices = [Device(proxy) for _ in range(24)]
        stopped = proxy.worker(1)
        os.kill(stopped, signal.SIGSTOP)
        pair = next(p for p in (Pair(proxy, client=Client(proxy), device=devices[0]) for _ in range(40)) if worker_of(p))
        client, count = pair.client, 240
        client.ledger.clear()
        for i in range(count):
            pair.device = devices[i % len(devices)]
            client.send(pair.request(POST, payload=b"x" * 900, type=NON))
        answers = lambda: [m for m in client.ledger if m.code]  # noqa: E731
        pump(devices, [client], 2, lambda: any(m.code == UNAVAILABLE for m in answers()) and len(answers()) > 60)
        refused = [m for m in answers() if m.code == UNAVAILABLE]
        assert refused and all(m.uint(coap.MAX_AGE) > 0 for m in refused)
        waiting = count - len(answers())
        assert waiting > 0
        os.kill(stopped, signal.SIGCONT)
        pump(devices, [client], 10, lambda: len(answers()) >= count)
        assert len(answers()) == count and len({m.token for m in answers()}) == count
        assert {m.code for m in answers()} == {coap.CHANGED, UNAVAILABLE}
    finally:
        proxy.end()


def test_answers_wait_for_a_worker_that_stands_still(tmp_path):
    """More of them than its ring holds; none is lost and none comes twice."""
    proxy = Plain(tmp_path, sections=TWO % 'crossing-memory = "72kB";')
    try:
        devices = [Device(proxy) for _ in range(30)]
        clients = [Client(proxy) for _ in range(30)]
        for c in clients:
            for d in devices[:4]:
                c.send(Pair(proxy, client=c, device=d).request(POST, payload=b"x" * 1100))
        held = []
        end = time.monotonic() + 5
        while time.monotonic() < end and len(held) < 4:
            ready, _, _ = select.select([d.socket for d in devices], [], [], 0.1)
            held += [(d, d._read()) for d in devices if d.socket in ready]
        os.kill(proxy.worker(0), signal.SIGSTOP)
        for d, m in held:
            d.answer(m, coap.CHANGED, payload=m.payload)
        pump(devices, [], 0.5)
        os.kill(proxy.worker(0), signal.SIGCONT)
        codes = lambda: [m.code for c in clients for m in c.ledger if m.code]  # noqa: E731
        pump(devices, clients, 15, lambda: len(codes()) >= 120)
        assert len(codes()) == 120 and set(codes()) <= {coap.CHANGED, UNAVAILABLE} and codes().count(coap.CHANGED) > 60
        assert len({(c.port, m.token) for c in clients for m in c.ledger if m.code}) == 120
    finally:
        proxy.end()


# ---- too little of something ----


@pytest.mark.parametrize("seed", [1, 2])
def test_a_lossy_network_between_all_of_them(start, seed):
    """No origin gets a request twice, no client two different answers. A client repeats as long as RFC 7252 4.8.2 lets it; whether its
    acknowledgements of a separate answer arrive in all that time is the network's affair."""
    proxy = start(sections=THREE % "")
    pairs = [Pair(proxy) for _ in range(12)]
    proxy.faults(drop=15, duplicate=10, fail=5, seed=seed)
    sent = {p: [p.client.send(oscore_request(p, payload=b"%02d-%d" % (i, n))) for n in range(4)] for i, p in enumerate(pairs)}
    answers, copies = {}, {}
    for _ in range(45):
        for p in pairs:
            for m in p.device.pending():
                if m.code:
                    copies.setdefault(m.payload, set()).add((m.source, m.mid))
                    p.device.answer(m, coap.CHANGED)
            for m in p.client.pending():
                if m.code:
                    answers.setdefault(m.token, set()).add(m.code)
                    if m.type == CON:
                        p.client.ack(m)
            for m in sent[p]:
                if m.token not in answers:
                    p.client.send(Message(m.code, m.type, m.mid, m.token, m.options, m.payload))
        if len(answers) == 48:
            break
        proxy.advance(2000)
    proxy.faults()
    proxy.advance(300_000)
    assert len(answers) > 40
    assert [codes for codes in answers.values() if len(codes) > 1] == []
    assert [c for c in copies.values() if len(c) > 1] == [], "an origin got a request twice"
