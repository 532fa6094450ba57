"""What a route does with what it reads: gates and taps with the reader that opens messages in truth, on the ways that OSCORE messages come by
(CoAP, HTTP on either side), and what becomes of it all when the reader dies, stands still or is flooded. Other transports: test_matrix_reading.py.
"""

import base64
import contextlib
import json
import os
import re
import signal

import pytest

import coap
import http_client
from coap import NON, POST
from harness import WORKERS, Pair
from house import logged, pids, printed, until
from http_origin import WebPair as OriginPair
from protecting import Context

OPEN = 'allow-networks = ["127.0.0.0/8"]; access-log = "json"; require = ["oscore"]; read = "%s";'
NETWORKS = {"plain": "127.250.", "tap": "127.249.", "gate": "127."}
ROUTES = """
  plain: { from = ["coap"]; clients = ["127.250.0.0/16"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };
  tap: { from = ["coap"]; clients = ["127.249.0.0/16"]; forward-to = ["coap://127.0.0.0/8:*", "http://127.0.0.0/8:*"]; %(tap)s };
  gate: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*", "http://127.0.0.0/8:*"]; %(gate)s };
  web_tap: { from = ["web"]; http-path = "/tap/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; authenticate = "none"; %(tap)s };
  web_gate: { from = ["web"]; http-path = "/gate/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; authenticate = "none"; %(gate)s };
""" % {"tap": OPEN % "tap", "gate": OPEN % "gate"}
SECTIONS = """
  reader: { user = ""; };
  contexts: { plant: { keys = "%s"; max-failures = 5; }; };
  reads: {
    gate: { context = "plant"; fields = ["code", "uri-path"]; deny = ["PUT /firmware/**"]; %s };
    tap: { context = "plant"; fields = ["code", "uri-path"]; count-paths = ["/temp"]; };
  };
  process: { workers = %d; user = ""; };
"""
GET, PUT, DENIED = b"\x01\xb4temp", b"\x03\xb4temp\xffon", b"\x03\xb8firmware\x01a\xffimage"  # GET and PUT /temp, PUT /firmware/a
ANSWER = b"\x45\xff21 C"
FIELD = ("Content-Type", "application/oscore")
UNAUTHORIZED = coap.code("4.01")


class World:
    def __init__(self, start, folder, gate="", more=SECTIONS):
        self.contexts = {name: Context(bytes([n]), device=bytes([0xd0 + n])) for n, name in enumerate(("meter", "pump"))}
        keys = folder / "keys"
        keys.write_text("".join(c.provisioning(name) for name, c in self.contexts.items()))
        keys.chmod(0o600)
        self.context = self.contexts["meter"]
        self.proxy = start(routes=ROUTES, sections=more % (keys, gate, WORKERS), web="")

    def pair(self, way="gate"):
        pair = Pair(self.proxy)
        if way != "gate":
            pair.client.close()
            self.proxy.peers.remove(pair.client)
            pair.client = self.proxy.client(host="%s%d.%d" % (NETWORKS[way], os.getpid() % 250, len(self.proxy.peers) + 1))
        return pair

    def send(self, pair, inner, context=None, **more):
        self.option, payload = (context or self.context).request(inner)
        return pair.send(POST, path=(), options=[(coap.OSCORE, self.option)], payload=payload, **more)

    def answer(self, pair, request, inner=ANSWER, context=None):
        option, payload = (context or self.context).response(request.first(coap.OSCORE), inner)
        pair.device.answer(request, coap.CHANGED, [(coap.OSCORE, option)], payload)
        return payload

    def passes(self, pair, inner=GET, context=None):
        """The whole way, with the bytes as they were."""
        sent = self.send(pair, inner, context)
        up = pair.device.recv()
        assert (up.first(coap.OSCORE), up.payload) == (self.option, sent.payload)
        payload = self.answer(pair, up, context=context)
        down = pair.client.recv()
        assert (down.token, down.code, down.payload) == (sent.token, coap.CHANGED, payload)

    def refused(self, pair, code, text, inner=DENIED):
        sent = self.send(pair, inner)
        down = pair.client.recv()
        assert (down.token, down.code, down.payload) == (sent.token, code, text)
        pair.device.quiet()

    def reader(self):
        """The process that opens messages."""
        for pid in os.listdir("/proc"):
            with contextlib.suppress(OSError), open("/proc/%s/stat" % pid, encoding="latin-1") as stat:
                name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
                if name.startswith("oscore-reader") and int(rest.split()[1]) == self.proxy.process.pid:
                    return int(pid)
        return None

    def lines(self, count):
        """Of the access log."""
        found = []

        def there():
            self.proxy.settle()
            found[:] = [json.loads(line) for line in re.findall(r"^\{.*\}$", self.proxy.explain(), re.M)]
            return len(found) >= count
        until(there, lambda: "%d lines: %r" % (len(found), found))
        return found

    def counters(self):
        return printed(self.proxy)


@pytest.fixture
def world(start, tmp_path):
    return World(start, tmp_path)


def told(line):
    return {key: line[key] for key in ("route", "inner_method", "inner_path", "inner_code", "reading", "reading_answer", "seen") if key in line}


# ---- gates and taps ----

def test_a_gate_passes_and_denies(world):
    pair = world.pair()
    world.passes(pair)
    world.passes(pair, PUT)
    world.refused(pair, UNAUTHORIZED, b"Forbidden by policy")
    first, second, third = world.lines(3)
    assert told(first) == {"route": "gate", "inner_method": "GET", "inner_path": "/temp", "inner_code": "2.05", "reading": "opened",
                           "reading_answer": "opened"}
    assert told(second)["inner_method"] == "PUT"
    assert told(third) == {"route": "gate", "inner_method": "PUT", "inner_path": "/firmware/a", "reading": "opened"}
    assert (third["code"], third["response_bytes"] > 0) == ("4.01", True)
    assert world.proxy.counters()["refused_by_reading"] == 1


def test_a_tap_reads_and_lets_everything_pass(world):
    pair = world.pair("tap")
    world.passes(pair)
    world.passes(pair, DENIED)
    world.send(pair, PUT)
    replayed = pair.client.send(pair.request(POST, path=(), options=[(coap.OSCORE, world.option)], payload=world.context.request(GET)[1]))
    for up in [pair.device.recv(), pair.device.recv()]:
        world.answer(pair, up)
        pair.client.recv()
    assert replayed
    lines = world.lines(4)
    assert told(lines[1]) == {"route": "tap", "inner_method": "PUT", "inner_path": "/firmware/a", "inner_code": "2.05", "reading": "opened",
                              "reading_answer": "opened"}
    assert sorted(line["reading"] for line in lines) == ["bad", "opened", "opened", "opened"]
    logged(world.proxy, r"warning: .*alarm_bad: a request from \S+, route tap: ")
    c = world.counters()
    assert c["read.tap.GET./temp"] == c["read.tap.GET./temp.2.05"] == 1
    assert c["read.tap.PUT.other"] == 1 and c["read.tap.bad"] == 1


@pytest.mark.covers("C8613-8.2-3")
def test_what_cannot_be_opened(world):
    pair, stranger = world.pair(), Context(b"\x77")
    sent = world.send(pair, GET, stranger)
    down = pair.client.recv()
    assert (down.token, down.code, down.payload) == (sent.token, UNAUTHORIZED, b"Security context not found")
    forged = Context(b"\x00", b"\xd0", secret=b"another secret..")
    for _ in range(5):
        world.send(pair, GET, forged)
        assert (pair.client.recv().code, pair.client.ledger[-1].payload) == (coap.code("4.00"), b"Decryption failed")
    world.send(pair, GET)
    assert pair.client.recv().payload == b"Security context closed"
    pair.send(POST, path=(), options=[(coap.OSCORE, b"\x09")], payload=b"x")
    assert (pair.client.recv().code, pair.client.ledger[-1].payload) == (coap.code("4.02"), b"Failed to decode COSE")
    pair.device.quiet()
    world.passes(pair, context=world.contexts["pump"])
    world.lines(9)
    assert "alarm" not in world.proxy.explain()  # a refusal says so


def test_repeats_pass_and_are_told(world):
    pair = world.pair("tap")
    sent = world.send(pair, GET)
    world.answer(pair, pair.device.recv())
    pair.client.recv()
    # the same message again, as somebody would who has recorded it
    again = pair.client.send(pair.request(POST, path=(), options=[(coap.OSCORE, world.option)], payload=sent.payload))
    up = pair.device.recv()
    assert up.payload == sent.payload
    world.answer(pair, up)
    assert pair.client.recv().token == again.token
    assert [told(line).get("seen") for line in world.lines(2)] == [None, True]
    logged(world.proxy, r"warning: .*alarm_seen_before: a request from \S+, route tap: ")


def test_rates_are_those_of_senders(start, tmp_path):
    world = World(start, tmp_path, gate="rate = 1; burst = 2;")
    pair = world.pair()
    world.passes(pair)
    world.passes(pair)
    world.refused(pair, coap.code("5.03"), b"Too many requests", GET)
    world.passes(pair, context=world.contexts["pump"])
    world.proxy.advance(1100)
    world.passes(pair)


# ---- HTTP ----

class Web(http_client.WebPair):
    """An HTTP client whose requests are OSCORE messages."""

    def __init__(self, world, way):
        super().__init__(world.proxy, "/%s/%%s%%s" % way)
        self.world = world

    def begin(self, inner):
        self.option, self.payload = self.world.context.request(inner)
        text = base64.urlsafe_b64encode(self.option).decode().rstrip("=")
        self.send("POST", "", [("OSCORE", text), FIELD], self.payload)


def test_messages_over_http(world):
    for way in ("gate", "tap"):
        web = Web(world, way)
        web.begin(PUT)
        up = web.device.recv()
        assert (up.first(coap.OSCORE), up.payload) == (web.option, web.payload)
        option, payload = world.context.response(web.option, ANSWER)
        web.device.answer(up, coap.CHANGED, [(coap.OSCORE, option)], payload)
        answer = web.client.recv()
        assert (answer.status, answer.body) == (200, payload)
        web.begin(DENIED)
        if way == "gate":
            assert web.client.recv().status == 403
            web.device.quiet()
        else:
            web.device.answer(web.device.recv(), coap.CHANGED, [(coap.OSCORE, b"")], b"nothing genuine")
            assert web.client.recv().status == 200
    lines = [told(line) for line in world.lines(4)]
    passed = {"inner_method": "PUT", "inner_path": "/temp", "inner_code": "2.05", "reading": "opened", "reading_answer": "opened"}
    assert {"route": "web_gate", **passed} in lines and {"route": "web_tap", **passed} in lines
    assert {"route": "web_gate", "inner_method": "PUT", "inner_path": "/firmware/a", "reading": "opened"} in lines
    assert {"route": "web_tap", "inner_method": "PUT", "inner_path": "/firmware/a", "reading": "opened", "reading_answer": "bad"} in lines


def test_long_messages_over_http_are_read_whole(world):
    """They go to the device in outer blocks, which are none of its message's beginning before a gate has seen its end."""
    web = Web(world, "gate")
    web.begin(DENIED + b"x" * 5000)
    assert web.client.recv().status == 403
    web.device.quiet()
    web.begin(PUT + b"x" * 5000)
    got = b""
    while len(got) < len(web.payload):
        up = web.device.recv()
        assert up.first(coap.OSCORE) == web.option and web.payload[len(got):].startswith(up.payload)
        got += up.payload
        last = len(got) == len(web.payload)
        echoed = [(coap.BLOCK1, up.first(coap.BLOCK1))]
        option, payload = world.context.response(web.option, ANSWER)
        web.device.answer(up, coap.CHANGED if last else coap.CONTINUE, ([(coap.OSCORE, option)] if last else []) + echoed, payload if last else b"")
    assert web.client.recv().body == payload
    assert {line["inner_path"] for line in world.lines(2)} == {"/firmware/a", "/temp"}


@pytest.mark.parametrize("way", ["gate", "tap"])
def test_long_answers_over_http_are_read_whole(world, way):
    web = Web(world, way)
    web.begin(GET)
    request = web.device.recv()
    option, payload = world.context.response(web.option, ANSWER + b"x" * 3000)
    for num in range(3):
        up = web.device.recv() if num else request
        more = 1024 * (num + 1) < len(payload)
        block = [(coap.BLOCK2, coap.block(num, more, 6))]
        web.device.answer(up, coap.CHANGED, [(coap.OSCORE, option)] + block, payload[1024 * num:1024 * (num + 1)])
    assert web.client.recv().body == payload
    assert told(world.lines(1)[0]) == {"route": "web_" + way, "inner_method": "GET", "inner_path": "/temp", "inner_code": "2.05",
                                       "reading": "opened", "reading_answer": "opened"}
    assert world.proxy.counters()["read_opened"] == 2


def test_messages_to_http_origins(world):
    for way in ("gate", "tap"):
        pair = OriginPair(world.proxy, client=world.pair(way).client)
        option, payload = world.context.request(PUT)
        sent = pair.send(POST, path=("",), options=[(coap.OSCORE, option)], payload=payload)
        up = pair.origin.request()
        assert up.body == payload
        back, inside = world.context.response(option, ANSWER)
        up.connection.answer(200, [FIELD, ("OSCORE", "AA")], inside)
        down = pair.hear(sent)
        assert (down.code, down.first(coap.OSCORE), down.payload) == (coap.CHANGED, back, inside)
        option, payload = world.context.request(DENIED)
        sent = pair.send(POST, path=("",), options=[(coap.OSCORE, option)], payload=payload)
        if way == "gate":
            assert pair.hear(sent).code == UNAUTHORIZED
            pair.origin.quiet()
    lines = world.lines(3)
    for line in lines[0], lines[2]:
        assert told(line)["inner_path"] == "/temp" and told(line)["reading_answer"] == "opened"


# ---- a reader that is not well ----

def test_a_reader_that_dies_is_replaced(world):
    gate, tap = world.pair(), world.pair("tap")
    world.passes(gate)
    before = world.reader()
    os.kill(before, signal.SIGKILL)
    until(lambda: world.reader() not in (None, before))
    until(lambda: passes_again(world, gate))
    world.passes(tap)
    assert set(pids(world.proxy)) and world.proxy.process.poll() is None


def passes_again(world, pair):
    """The gate refuses until the workers have the new one."""
    world.send(pair, GET)
    got = until(lambda: pair.device.pending() or pair.client.pending())[0]
    if got.code == POST:
        world.answer(pair, got)
        got = pair.client.recv()
    assert got.code in (coap.CHANGED, coap.code("5.03"))
    return got.code == coap.CHANGED


def test_a_worker_that_dies_while_its_requests_wait(world):
    """What waits dies with it, and has not reached the device; its successor asks the same reader."""
    pair, reader = world.pair(), world.reader()
    os.kill(reader, signal.SIGSTOP)
    try:
        world.send(pair, GET)
        world.proxy.settle()
        before = set(pids(world.proxy)) - {world.proxy.process.pid}
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(pids(world.proxy)) - before - {world.proxy.process.pid}) == WORKERS)
        pair.device.quiet()
    finally:
        os.kill(reader, signal.SIGCONT)
    until(lambda: passes_again(world, pair))
    assert world.reader() == reader


def test_a_reader_that_stands_still_holds_up_nobody_else(world):
    gate, tap, plain = world.pair(), world.pair("tap"), world.pair("plain")
    reader = world.reader()
    os.kill(reader, signal.SIGSTOP)
    try:
        world.send(gate, GET)
        gate.device.quiet()
        for _ in range(5):
            world.passes(tap)
            plain.exchange()
        world.proxy.advance(60)
        assert (gate.client.recv().code, gate.client.ledger[-1].payload) == (coap.code("5.03"), b"Gateway did not read it in time")
        gate.device.quiet()
        world.proxy.advance(1100)
        assert [told(line) for line in world.lines(6) if line["route"] == "tap"] == 5 * [
            {"route": "tap", "reading": "missed", "reading_answer": "missed"}]
    finally:
        os.kill(reader, signal.SIGCONT)
    until(lambda: passes_again(world, gate))
    world.passes(tap)
    assert told(world.lines(8)[-1])["reading"] == "opened"
    c = world.proxy.counters()
    assert c["read_missed"] >= 11 and c["reader_answers_late"] >= 1


def test_a_flood_for_the_reader_holds_up_nobody_else(start, tmp_path):
    """With the reader standing still the queue fills: the gate refuses at once, the tap loses lines alone."""
    world = World(start, tmp_path, more=SECTIONS.replace('user = "";', 'user = ""; queue = 16;', 1))
    gate, tap, plain = world.pair(), world.pair("tap"), world.pair("plain")
    reader = world.reader()
    os.kill(reader, signal.SIGSTOP)
    try:
        for _ in range(40):
            world.send(tap, GET, type=NON)
        ups = [tap.device.recv(), *tap.device.pending()]
        for up in ups:
            world.answer(tap, up)
        plain.exchange()
        for _ in range(40):
            world.send(gate, GET, type=NON)
        world.proxy.settle()
        refused = gate.client.pending()
        assert {m.payload for m in refused} == {b"Gateway is busy reading"}
        gate.device.quiet()
        plain.exchange()
    finally:
        os.kill(reader, signal.SIGCONT)
    world.proxy.settle()
    c = world.proxy.counters()
    assert c["refused_reader_queue"] == len(refused) and c["read_missed"] > 0
