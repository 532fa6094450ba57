"""Reloads under load: every request has one answer and reaches its origin once, every observer hears of everything."""

import re
import select
import signal
import struct
import time

import coap
from coap import CON, NON, OBSERVE, POST
from harness import DEFAULT_ROUTE, Client, Device, Pair, free_port, oscore_request
from house import PATIENCE, THREE, Configured, Plain, logged
from observing import Observer

UNAVAILABLE, FORBIDDEN = coap.code("5.03"), coap.code("4.03")
WORKERS = THREE % ""


class Traffic:
    """Clients with a request under way each at any time, devices that answer at once, and observers; a number goes with each request, so
    the ledger of the devices shows each."""

    ANSWERED = (coap.CHANGED,)

    def __init__(self, proxy, doors):
        self.proxy = proxy
        self.poll, self.handlers = select.poll(), {}
        self.devices = [Device(proxy) for _ in range(5)]
        self.clients = [Pair(proxy, client=Client(proxy, to=doors[i % len(doors)]), device=self.devices[i % 5]) for i in range(24)]
        self.observers = []
        self.next, self.sent, self.codes, self.ledger = 0, {}, {}, {}
        self.ending = False
        for d in self.devices:
            self.handle(d, self.serve)
        for pair in self.clients:
            self.handle(pair.client, lambda client, pair=pair: self.take_answer(pair))

    def handle(self, peer, handler):
        self.handlers[peer.socket.fileno()] = (peer, handler)
        self.poll.register(peer.socket, select.POLLIN)

    def begin(self):
        for pair in self.clients:
            self.ask(pair)

    def ask(self, pair):
        n, self.next = self.next, self.next + 1
        payload = struct.pack(">Q", n)
        sent = pair.client.send(oscore_request(pair, payload=payload) if n & 1 else pair.request(POST, payload=payload))
        self.sent[n] = (pair, sent.token)

    def serve(self, device):
        m = device._read()
        if m.code == 0:
            return
        n, = struct.unpack(">Q", m.payload)
        copies = self.ledger.setdefault(n, set())
        copies.add((m.source, m.mid))
        device.answer(m, coap.CHANGED, payload=m.payload)

    def answer_of(self, pair):
        """What has come to a client; None: an Empty ACK, as on a slow machine, and the answer comes later."""
        m = pair.client._read()
        if m.type == CON:
            pair.client.ack(m)
        return None if m.is_empty else m

    def take_answer(self, pair):
        m = self.answer_of(pair)
        if m is None:
            return
        n = next(n for n in range(self.next - 1, -1, -1) if self.sent[n][0] is pair)
        assert m.token == self.sent[n][1] and n not in self.codes, "an answer that is no one's: %r" % m
        assert m.code != coap.CHANGED or struct.unpack(">Q", m.payload)[0] == n
        self.codes[n] = m.code
        if not self.ending:
            self.ask(pair)

    def add_observer(self, observer):
        observer.values, observer.got = [observer.first.uint(OBSERVE)], []
        observer.acknowledged = 0
        self.observers.append(observer)
        self.handle(observer.client, lambda client: self.take_notification(observer))
        self.handle(observer.device, lambda device: self.take_acknowledgement(observer))

    def take_notification(self, o):
        m = o.client._read()
        assert m.token == o.sent.token and m.code == coap.CONTENT and m.has(OBSERVE), m
        o.values.append(m.uint(OBSERVE))
        o.got.append(m.payload)
        if m.type == CON:
            o.client.ack(m)

    def take_acknowledgement(self, o):
        m = o.device._read()
        assert m.type == coap.ACK and m.code == 0, m
        o.acknowledged += 1

    def run(self, until_true, what):
        end = time.monotonic() + PATIENCE
        while not until_true():
            assert time.monotonic() < end, "%s\n%s" % (what, self.proxy.explain()[-3000:])
            for fd, _ in self.poll.poll(5):
                peer, handler = self.handlers[fd]
                handler(peer)

    def finish(self):
        self.ending = True
        self.run(lambda: len(self.codes) == self.next, "requests without an answer")

    def close(self):
        for peer, _ in self.handlers.values():
            peer.close()


class Tail:
    """The generations that a log tells, read as it grows."""

    def __init__(self, path):
        self.file, self.generation, self.rest = open(path), 1, ""

    def look(self):
        text = self.rest + self.file.read()
        found = re.findall(r"in force \(generation (\d+)\)\n", text)
        self.rest = text[text.rfind("\n") + 1:]
        self.generation = int(found[-1]) if found else self.generation
        return self.generation


def variant(i, port, other):
    """A configuration of many that all allow the same."""
    listeners = 'coap: { url = "coap://127.0.0.1:%d"; };' % port
    doors = ["coap"]
    if i % 3 != 1:
        listeners = ('other: { url = "coap://127.0.0.1:%d"; };' % other) + listeners
        doors = doors + ["other"] if i % 2 else ["other"] + doors
    if i % 10 == 5:
        listeners += 'fresh%d: { url = "coap://127.0.0.1:%d"; };' % (i, free_port())
    fwd = 'fwd: { from = [%s]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; timeout = "%ds"; };\n' % (
        ", ".join('"%s"' % d for d in doors), 60 + i)
    routes = "".join('n%d: { clients = ["10.%d.0.0/16"]; deny = true; };\n' % (n, n) for n in range(i % 7, 7 + i % 5))
    routes = fwd + routes if i % 2 else routes + fwd
    limits = "limits: { exchanges = %d; client-exchanges = %d; origin-exchanges = %d; clients = %d; origins = %d; queue-memory = \"%dMB\"; };" % (
        1000 + 37 * i, 8 + i % 50, 500 - i, 2000 - i, 1000 + i, 64 + i % 30)
    more = "upstream: { origin-window = %d; };" % (32 + i)
    return dict(listeners=listeners, routes=routes, sections=limits + more)


def test_a_hundred_reloads_under_load(tmp_path):
    """Routes, limits and listeners change. Each request has one answer and reached its origin once, each observer gets each notification,
    and the counters of the route that stays count on."""
    other = free_port()
    proxy = Plain(tmp_path, listeners=variant(0, 0, other)["listeners"].replace(":0", ":%d" % free_port()), sections=WORKERS)
    traffic = None
    try:
        proxy.port = int(re.search(r"coap: { url = \"coap://127.0.0.1:(\d+)", proxy.config.read_text())[1])
        proxy.address = ("127.0.0.1", proxy.port)
        file = Configured(proxy)
        file.change(**variant(0, proxy.port, other))
        traffic = Traffic(proxy, [proxy.address] * 5 + [("127.0.0.1", other)])
        for i in range(16):
            traffic.add_observer(Observer(proxy, client=Client(proxy), device=Device(proxy)).register(oscore=i % 2 == 1))
        traffic.begin()
        tail = Tail(proxy.log)
        for i in range(1, 101):
            file.begin(**variant(i, proxy.port, other))
            for o in traffic.observers:
                o.notify(5 + i, b"%d" % i, CON if i % 2 else NON)
            traffic.run(lambda: tail.look() == file.generation, "generation %d does not come" % file.generation)
            traffic.run(lambda: all(o.got and o.got[-1] == b"%d" % i for o in traffic.observers), "a notification is missing")
        traffic.finish()
        for o in traffic.observers:
            assert o.got == [b"%d" % i for i in range(1, 101)]
            assert all(0 < (b - a) & 0xFFFFFF < 1 << 23 for a, b in zip(o.values, o.values[1:])), o.values
        check_ledger(traffic, other)
        proxy.process.send_signal(signal.SIGUSR2)
        logged(proxy, r"^route\.fwd\.requests %d$" % (16 + len(traffic.ledger)))
        logged(proxy, r"^route\.fwd\.notifications 1600$")
        assert int(re.search(r"^crossed (\d+)$", proxy.explain(), re.M)[1]) > 500
        assert not re.search(" (error|warning): (?!not separated)", proxy.explain().split("ready\n", 1)[1])
    finally:
        if traffic:
            traffic.close()
        proxy.end()


def check_ledger(traffic, other):
    """Who asked where a listener stays has what he asked for; where one comes and goes it may be refused, and then went nowhere."""
    refused = {n for n, code in traffic.codes.items() if code == UNAVAILABLE}
    assert traffic.next > 3000 and set(traffic.codes.values()) <= {coap.CHANGED, UNAVAILABLE}
    assert all(traffic.sent[n][0].client.to[1] == other for n in refused)
    assert any(traffic.sent[n][0].client.to[1] == other for n in set(traffic.codes) - refused) and refused
    assert set(traffic.ledger) == set(traffic.codes) - refused
    assert all(len(copies) == 1 for copies in traffic.ledger.values())


def test_a_storm_of_signals(tmp_path):
    """As many reloads as fit are made, the last of which has the file as it is in the end."""
    proxy = Plain(tmp_path, sections=WORKERS)
    traffic = None
    try:
        file = Configured(proxy)
        traffic = Traffic(proxy, [proxy.address])
        traffic.begin()
        for i in range(20):
            file.write(routes=DEFAULT_ROUTE + 'n%d: { deny = true; clients = ["10.0.0.1"]; };' % i)
            proxy.process.send_signal(signal.SIGHUP)
        file.write(routes=DEFAULT_ROUTE + 'last: { hosts = ["last.example"]; deny = true; };')
        proxy.process.send_signal(signal.SIGHUP)
        asking = Pair(proxy, "reverse", client=Client(proxy), device=traffic.devices[0], host="last.example")
        took = []

        def look(client):
            took.append(client._read().code)
            if took[-1] != FORBIDDEN:
                asking.send()

        traffic.handle(asking.client, look)
        asking.send()
        traffic.run(lambda: took and took[-1] == FORBIDDEN, "the last configuration does not come into force")
        traffic.finish()
        assert set(traffic.codes.values()) == {coap.CHANGED} and set(traffic.ledger) == set(traffic.codes)
        assert all(len(copies) == 1 for copies in traffic.ledger.values())
    finally:
        if traffic:
            traffic.close()
        proxy.end()
