"""Real load on a gateway whose clock runs: a thread of clients and devices, and a ledger of all that they saw.

Each lane is a client that keeps some requests under way at one device, in turn a plain GET and a POST that looks like
OSCORE, each with a number of its own by which client and device know it. A client repeats a request until it is
acknowledged or answered, and a device answers after a moment, so that every lane has a request under way at any time.
"""

import gc
import heapq
import os
import pathlib
import random
import selectors
import signal
import threading
import time

import coap
from coap import ACK, CON, GET, POST, Message
from harness import Pair, oscore_request
from house import PATIENCE, descriptors, until

LOST_SENT, BUSY = coap.code("5.04"), coap.code("5.03")
REPEAT_AFTER = 0.5  # seconds; RFC 7252 has 2, and so much patience no test
LOOK = 0.02
DEVICE_TAKES = 0.01


class Asked:
    """A request of a lane and what became of it."""

    def __init__(self, lane, number, raw, mid, sealed):
        self.lane, self.number, self.raw, self.mid, self.sealed = lane, number, raw, mid, sealed
        self.began = self.sent = time.monotonic()
        self.repeats, self.acknowledged, self.answer, self.took = 0, False, None, None

    @property
    def code(self):
        return self.answer.code if self.answer else None

    @property
    def served(self):
        return self.answer is not None and self.code >> 5 == 2

    def __repr__(self):
        return "<%d sealed=%s repeats=%d acknowledged=%s took=%s %r>" % (self.number, self.sealed, self.repeats, self.acknowledged,
                                                                       self.took, self.answer)


class Lane(Pair):
    def __init__(self, proxy, device=None):
        super().__init__(proxy, device=device)
        self.asked, self.open, self.serving, self.home = [], 0, None, None

    def served(self):
        return sum(1 for a in self.asked if a.served)


class Traffic(threading.Thread):
    """clients: lanes; devices: so many, in turn (None: one for each); window: requests under way in each lane; padding: bytes
    of each sealed request; most: requests of a lane, after which it rests (None: without end)."""

    def __init__(self, proxy, clients=24, devices=None, window=1, padding=24, most=None, plain=True):
        super().__init__(daemon=True)
        fleet = [proxy.device() for _ in range(devices or clients)]
        self.proxy, self.window, self.padding, self.most, self.plain = proxy, window, padding, most, plain
        self.lanes = [Lane(proxy, fleet[i % len(fleet)]) for i in range(clients)]
        self.seen = {}        # number -> the messages, by source and Message ID, that brought it to a device
        self.holding, self.held, self.arrived = False, [], 0
        self.wrong, self.error = [], None
        self.tokens, self.numbers = {}, 0
        self.stopping, self.rested = False, 0
        self.selector = selectors.DefaultSelector()
        for lane in self.lanes:
            self.selector.register(lane.client.socket, selectors.EVENT_READ, (self._answered, lane))
        for device in fleet:
            self.selector.register(device.socket, selectors.EVENT_READ, (self._arrived, device))
        for key in self.selector.get_map().values():
            key.fileobj.setblocking(False)

    # the clients

    def _ask(self, lane):
        self.numbers += 1
        number, mid, token = self.numbers, lane.client.take_mid(), coap.token(8)
        sealed = not self.plain or number % 2 == 0
        name = b"%08d" % number
        if sealed:
            m = oscore_request(lane, payload=name + b"\x01" * self.padding, mid=mid, token=token)
        else:
            m = lane.request(GET, path=(name.decode(),), mid=mid, token=token)
        asked = self.tokens[token] = Asked(lane, number, m.encode(), mid, sealed)
        lane.asked.append(asked)
        lane.open += 1
        lane.client.send_raw(asked.raw, lane.client.to)

    def _fill(self, lane):
        while not self.stopping and lane.open < self.window and (self.most is None or len(lane.asked) < self.most):
            self._ask(lane)

    def _answered(self, lane, raw, source):
        m = Message.parse(raw)
        if m.type == CON:
            lane.client.send_raw(coap.empty(ACK, m.mid), source)
        if m.is_empty:
            for a in lane.asked[-4 * self.window:]:
                a.acknowledged = a.acknowledged or (m.type == ACK and a.mid == m.mid)
            return
        a = self.tokens.get(m.token)
        if a is None or a.lane is not lane or (m.type == ACK and m.mid != a.mid):
            self.wrong.append(m)
        elif a.answer is not None:
            if (m.code, m.payload) != (a.answer.code, a.answer.payload):
                self.wrong.append((a, m))
        else:
            a.answer, a.took = m, time.monotonic() - a.began
            if a.served and m.payload[:8] != b"%08d" % a.number:
                self.wrong.append((a, m))
            lane.open -= 1
            self._fill(lane)

    def _repeat_overdue(self):
        now = time.monotonic()
        for a in self.under_way():
            if not a.acknowledged and now - a.sent > REPEAT_AFTER:
                a.repeats, a.sent = a.repeats + 1, now
                a.lane.client.send_raw(a.raw, a.lane.client.to)

    def under_way(self):
        """More than its window no lane has, so the newest are all that can be."""
        return [a for lane in self.lanes if lane.open for a in lane.asked if a.answer is None]

    # the devices

    def _arrived(self, device, raw, source):
        m = Message.parse(raw)
        if m.is_empty:
            return
        name = m.payload[:8] if m.payload else m.first(coap.URI_PATH)
        self.seen.setdefault(int(name), set()).add((source, m.mid))
        m.source = source
        self.arrived += 1
        due = time.monotonic() + DEVICE_TAKES * random.uniform(0.5, 1.5)  # else all lanes would go in step
        heapq.heappush(self.held, (due, self.arrived, device, m, name))

    def _answer(self, device, m, name):
        device.piggyback(m, coap.CHANGED if m.code == POST else coap.CONTENT, [(coap.OSCORE, b"")] if m.code == POST else (), name)

    def _release(self):
        now = time.monotonic()
        while self.held and not self.holding and self.held[0][0] <= now:
            self._answer(*heapq.heappop(self.held)[2:])

    # the thread

    def _turn(self):
        wait = self.held[0][0] - time.monotonic() if self.held and not self.holding else LOOK
        for key, _ in self.selector.select(max(0, min(wait, LOOK))):
            take, who = key.data
            for _ in range(32):
                try:
                    raw, source = key.fileobj.recvfrom(70000)
                except BlockingIOError:
                    break
                take(who, raw, source)
        self._release()

    def run(self):
        gc.disable()  # a collection takes longer than a device does
        try:
            looked = 0
            for lane in self.lanes:
                self._fill(lane)
            while not self.stopping or any(lane.open for lane in self.lanes):
                self._turn()
                if time.monotonic() - looked > LOOK:
                    looked = time.monotonic()
                    self._repeat_overdue()
                    for lane in self.lanes:
                        self._fill(lane)
        except Exception as e:  # told by finish()
            self.error = e
        finally:
            gc.enable()

    # for the test

    def go_on(self, count=5, lanes=None):
        """Waits until each lane has been served so many more requests."""
        lanes = self.lanes if lanes is None else lanes
        goal = [(lane, len(lane.asked) + self.window + count) for lane in lanes]
        until(lambda: self.error or all(len(lane.asked) >= n for lane, n in goal),
              lambda: "a lane stands still: %r\n%s" % (self.under_way(), self.proxy.explain()))

    def ask_more(self, count):
        """Lanes that rest ask so many more."""
        self.most = (self.most or 0) + count

    def rest(self):
        """Waits until all that may be asked is answered; returns the codes of the answers since the last rest."""
        until(lambda: self.error or all(len(lane.asked) == self.most and not lane.open for lane in self.lanes),
              lambda: "never answered: %r\n%s" % (self.under_way()[:5], self.proxy.explain()))
        seen, self.rested = self.rested, self.most
        return [a.code for lane in self.lanes for a in lane.asked[seen:]]

    def finish(self):
        """No new request, and every one that was sent has its answer. Returns them all."""
        self.stopping = True
        self.join(PATIENCE)
        if self.error:
            raise self.error
        assert not self.is_alive(), "never answered: %r\n%s" % (self.under_way(), self.proxy.explain())
        assert not self.wrong, self.wrong
        return [a for lane in self.lanes for a in lane.asked]

    def check_ledger(self):
        """No OSCORE message came to a device under two Message IDs."""
        twice = {a.number: self.seen[a.number] for lane in self.lanes for a in lane.asked
                 if a.sealed and len(self.seen.get(a.number, ())) > 1}
        assert not twice, twice
        assert any(a.sealed and a.number in self.seen for lane in self.lanes for a in lane.asked)


# ---- who has whom (needs root: nobody else may look into a worker) ----


def udp_sockets():
    """inode -> (port, bytes that wait)"""
    found = {}
    for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]:
        words = line.split()
        found[words[9]] = int(words[1].split(":")[1], 16), int(words[4].split(":")[1], 16)
    return found


def sockets_of(pid):
    return {name[len("socket:["):-1] for name in descriptors(pid).values() if name.startswith("socket:[")}


def owners(proxy, count):
    """inode -> number of the worker that has this socket"""
    return {inode: number for number in range(count) for inode in sockets_of(proxy.worker(number))}


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    until(lambda: pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(") ")[2][0] == "T")


def serving(proxy, count, clients):
    """The workers in whose sockets these clients' datagrams land: all are stopped, and then it is seen where a ping waits."""
    owner, workers, out = owners(proxy, count), proxy.workers(), []
    for pid in workers:
        stop(pid)
    for client in clients:
        before = udp_sockets()
        client.send_raw(coap.empty(CON, client.take_mid()), client.to)
        found, = [i for i, (port, waiting) in udp_sockets().items() if port == proxy.port and waiting > before[i][1]]
        out.append(owner[found])
    for pid in workers:
        os.kill(pid, signal.SIGCONT)
    for client in clients:
        assert client.recv(PATIENCE).is_empty
    return out


def homes(proxy, count, sources):
    """The workers that have the ports from which origins were asked."""
    owner = owners(proxy, count)
    by_port = {port: owner[inode] for inode, (port, _) in udp_sockets().items() if inode in owner}
    return [by_port[port] for _, port in sources]


class Placed(Pair):
    """A pair that knows the worker of its client and that of its origin."""

    serving = home = None


def placed_pairs(proxy, count, pairs=16):
    """So many pairs, each after one exchange."""
    out = [Placed(proxy) for _ in range(pairs)]
    for pair, number in zip(out, serving(proxy, count, [p.client for p in out])):
        pair.serving = number
        pair.exchange()
    for pair, number in zip(out, homes(proxy, count, [p.device.ledger[0].source for p in out])):
        pair.home = number
    return out


def crossing_pair(proxy, count):
    """One whose exchanges cross from one worker to another."""
    return next(p for p in placed_pairs(proxy, count) if p.serving != p.home)


def begin_placed(traffic, count):
    """Starts it; every lane then knows the worker of its client and that of its origin."""
    for lane, number in zip(traffic.lanes, serving(traffic.proxy, count, [lane.client for lane in traffic.lanes])):
        lane.serving = number
    traffic.start()
    traffic.go_on()
    sources = [next(iter(traffic.seen[lane.asked[0].number]))[0] for lane in traffic.lanes]
    for lane, number in zip(traffic.lanes, homes(traffic.proxy, count, sources)):
        lane.home = number
