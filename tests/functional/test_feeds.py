"""Feeds: what is told of OSCORE messages reaches whoever reads at a socket or in a file, in whole lines, and costs the traffic nothing
where nobody does."""

import base64
import json
import os
import re
import select
import signal
import socket
import stat
import urllib.parse

import coap
import pytest
from coap import NON, POST
from harness import WORKERS, Pair
from house import Configured, logged, pids, until
from protecting import Context

ROUTE = """
  fwd: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; require = ["oscore"]; %s };
"""
PROCESS = 'process: { workers = %d; user = ""; };' % WORKERS
INNER, ANSWER = b"\x02\xb1t\xffhello", b"\x44"  # POST /t, 2.04


class Consumer:
    """Who listens at a feed's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(64)
        self.path, self.connections, self.ended, self.lines = path, {}, 0, []

    def take(self):
        """All lines until now, of all connections."""
        while select.select([self.socket], [], [], 0)[0]:
            self.connections[self.socket.accept()[0]] = b""
        for c in list(self.connections):
            while select.select([c], [], [], 0)[0]:
                piece = c.recv(1 << 20)
                if not piece:
                    assert not self.connections.pop(c), "a line was cut"
                    self.ended += 1
                    break
                *whole, rest = (self.connections[c] + piece).split(b"\n")
                self.lines += [json.loads(line) for line in whole]
                self.connections[c] = rest
        return self.lines

    def until(self, count):
        until(lambda: len(self.take()) >= count, lambda: "%d lines: %r" % (len(self.lines), self.lines[-3:]))
        return self.lines

    def connected(self, count):
        until(lambda: self.take() is not None and len(self.connections) == count, lambda: "%d connections" % len(self.connections))

    def close(self):
        for c in [self.socket, *self.connections]:
            c.close()
        os.unlink(self.path)


class Gateway:
    """A gateway with one route, which is read by "meters" and tells a feed, and a pair at it."""

    def __init__(self, start, folder, feed, workers=WORKERS):
        self.context, self.count = Context(b"\x07"), 0
        self.keys = folder / "keys"
        self.keys.write_text(self.context.provisioning("meter"))
        self.keys.chmod(0o600)
        process = 'process: { workers = %d; user = ""; };' % workers
        self.proxy = start(routes=ROUTE % 'read = "meters";', sections=self.sections(feed) + process)
        self.file = Configured(self.proxy, ROUTE % 'read = "meters";', self.sections(feed), processes=process)
        self.pair = Pair(self.proxy)

    def sections(self, feed, more=""):
        return """
            reader: { user = ""; };
            contexts: { plant: { keys = "%s"; }; };
            feeds: { billing: { %s }; %s };
            reads: { meters: { context = "plant"; fields = ["code", "uri-path", "payload"]; feed = "billing"; }; };
        """ % (self.keys, feed, more)

    def ask(self, count=1, inner=INNER, answer=ANSWER):
        """So many exchanges at once: each has two lines."""
        for _ in range(count):
            option, payload = self.context.request(inner)
            self.pair.send(POST, path=(), options=[(coap.OSCORE, option)], payload=payload, type=NON)
        answered = 0
        while answered < count:  # as fast as the origin's window lets them go
            for request in [self.pair.device.recv(), *self.pair.device.pending()]:
                option, payload = self.context.response(request.first(coap.OSCORE), answer)
                self.pair.device.answer(request, coap.CHANGED, [(coap.OSCORE, option)], payload)
            answers = [self.pair.client.recv(), *self.pair.client.pending()]
            assert all(a.code == coap.CHANGED for a in answers)
            answered += len(answers)
        self.count += 2 * count

    def counted(self):
        c = self.proxy.counters()
        return c["feed_lines"], c["feed_lines_lost"]


    def is_read(self, consumer):
        """Workers begin before there is a reader: what comes then is missed."""
        def opened():
            self.ask()
            return consumer.until(self.count)[-1]["verdict"] == "opened"

        until(opened)
        consumer.lines.clear()


@pytest.fixture
def at_socket(start, tmp_path):
    """A gateway and the consumer of its feed, which was there first."""
    consumer = Consumer(tmp_path / "feed")
    return Gateway(start, tmp_path, 'socket = "%s"; memory = "64kB";' % consumer.path), consumer


def in_file(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# ---- a socket ----

def test_each_worker_connects_and_tells(at_socket):
    gateway, consumer = at_socket
    consumer.connected(WORKERS)
    gateway.ask()
    request, response = consumer.until(2)
    assert [request["message"], response["message"]] == ["request", "response"]
    assert re.fullmatch(r"[0-9a-f]{16}", request["exchange"]) and request["exchange"] == response["exchange"]
    for line in request, response:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert (line["route"], line["read"]) == ("fwd", "meters")
        assert line["client"] == "%s:%d" % (gateway.pair.client.host, gateway.pair.client.port)
        assert re.fullmatch(r"[0-9a-f]{8}", line["kid"]) and "refused" not in line
    assert response["origin"] == "%s:%d" % (gateway.pair.device.host, gateway.pair.device.port)
    gateway.ask(3)
    lines = consumer.until(8)
    assert len({line["exchange"] for line in lines}) == 4
    until(lambda: gateway.counted() == (8, 0))


def test_nobody_needs_to_listen_at_first(start, tmp_path):
    gateway = Gateway(start, tmp_path, 'socket = "%s";' % (tmp_path / "feed"))
    logged(gateway.proxy, r"warning: feeds\.billing\.socket: cannot connect to \S+/feed: No such file or directory; it is tried again")
    gateway.ask(5)
    consumer = Consumer(tmp_path / "feed")
    assert len(consumer.until(10)) == 10
    logged(gateway.proxy, r"info: feeds\.billing\.socket: connected to ")
    assert gateway.counted() == (10, 0)


def test_a_consumer_that_comes_back(at_socket):
    gateway, consumer = at_socket
    gateway.ask(4)
    consumer.until(8)
    consumer.close()
    gateway.ask(4)
    gateway.proxy.settle()
    again = Consumer(consumer.path)
    again.until(8)
    gateway.ask()
    again.until(10)
    until(lambda: gateway.counted() == (18, 0))


def test_a_consumer_that_stands_still(at_socket):
    """Exchanges go on; what its socket and the memory do not hold is lost, and exactly that is counted."""
    gateway, consumer = at_socket
    gateway.ask()
    consumer.until(2)
    for _ in range(60):
        gateway.ask(25)
    left, lost = gateway.counted()
    assert lost > 0 and left + lost < gateway.count
    consumer.until(gateway.count - lost)
    until(lambda: gateway.counted() == (gateway.count - lost, lost))
    gateway.ask(10)
    assert len(consumer.until(gateway.count - lost)) == gateway.count - lost


def test_a_worker_that_was_replaced(at_socket):
    gateway, consumer = at_socket
    consumer.connected(WORKERS)
    before = pids(gateway.proxy)
    for pid in before:
        if pid != gateway.proxy.process.pid:
            os.kill(pid, signal.SIGKILL)
    until(lambda: consumer.take() is not None and consumer.ended == WORKERS)
    consumer.connected(WORKERS)
    until(lambda: not set(before) & set(pids(gateway.proxy)) - {gateway.proxy.process.pid})
    gateway.pair = Pair(gateway.proxy)
    gateway.ask(2)
    consumer.until(4)


# ---- files ----

def test_a_file_is_appended_to_and_rotated(start, tmp_path):
    path, old = tmp_path / "monitor.json", tmp_path / "monitor.json.1"
    path.write_text('{"before":true}\n')
    path.chmod(0o600)
    gateway = Gateway(start, tmp_path, 'file = "%s";' % path)
    gateway.ask(3)
    until(lambda: len(in_file(path)) == 7)
    assert in_file(path)[0] == {"before": True}
    path.rename(old)
    gateway.ask(2)
    until(lambda: len(in_file(old)) == 11)
    gateway.proxy.process.send_signal(signal.SIGUSR1)
    until(path.exists)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640 & ~current_umask()
    until(lambda: all(str(old) not in opened_by(pid) for pid in pids(gateway.proxy)))
    gateway.ask(2)
    until(lambda: len(in_file(path)) == 4)
    assert len(in_file(old)) == 11
    assert gateway.counted() == (14, 0)


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def opened_by(pid):
    out = []
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            out.append(os.readlink("/proc/%d/fd/%s" % (pid, name)))
        except FileNotFoundError:
            pass
    return out


def test_a_fifo(start, tmp_path):
    """Lines wait while nobody has it open, and none is torn."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    gateway = Gateway(start, tmp_path, 'file = "%s";' % path)
    gateway.ask(2)
    assert gateway.counted() == (0, 0)
    reader, text = os.open(path, os.O_RDONLY | os.O_NONBLOCK), b""

    def lines():
        nonlocal text
        if select.select([reader], [], [], 0)[0]:
            text += os.read(reader, 1 << 20)
        return text.count(b"\n")

    until(lambda: lines() == 4)
    gateway.ask(30)
    until(lambda: lines() == 64)
    assert all(json.loads(line) for line in text.splitlines())
    os.close(reader)


# ---- a new configuration ----

def test_a_reload_adds_moves_and_removes_feeds(start, tmp_path):
    consumer = Consumer(tmp_path / "feed")
    path = tmp_path / "monitor.json"
    gateway = Gateway(start, tmp_path, 'socket = "%s";' % consumer.path)
    consumer.connected(WORKERS)
    gateway.ask()
    consumer.until(2)
    # one more, and before the first in the file's order of names: who is connected stays so
    text = gateway.sections('socket = "%s";' % consumer.path).replace("feeds: {", 'feeds: { another: { file = "%s"; };' % path)
    gateway.file.change(sections=text)
    gateway.ask()
    consumer.until(4)
    assert (len(consumer.connections), consumer.ended) == (WORKERS, 0)
    assert path.exists() and path.read_text() == ""
    gateway.file.change(sections=text.replace('feed = "billing"', 'feed = "another"'))
    gateway.ask()
    until(lambda: len(in_file(path)) == 2)
    # the one that is gone ends, the file goes on
    text = text.replace('feed = "billing"', 'feed = "another"')
    gateway.file.change(sections=text.replace('billing: { socket = "%s"; };' % consumer.path, ""))
    until(lambda: consumer.take() is not None and consumer.ended == WORKERS)
    gateway.ask()
    until(lambda: len(in_file(path)) == 4)
    # and back
    gateway.file.change(sections=gateway.sections('socket = "%s";' % consumer.path))
    gateway.ask()
    consumer.until(6)
    assert len(in_file(path)) == 4


def test_a_file_that_cannot_be_opened_stops_a_reload(start, tmp_path):
    consumer = Consumer(tmp_path / "feed")
    gateway = Gateway(start, tmp_path, 'socket = "%s";' % consumer.path)
    consumer.connected(WORKERS)
    for feed, why in (('file = "/nowhere/at/all";', "No such file or directory"), ('file = "%s";' % tmp_path, "Is a directory")):
        text = gateway.proxy.config.read_text()
        told = gateway.file.refused(text.replace("feeds: {", "feeds: {\n bad: { %s }; " % feed))
        line = text[:text.index("feeds: {")].count("\n") + 2
        where = re.escape("%s:%d" % (gateway.proxy.config, line))
        assert re.search(r"error: %s: feeds\.bad\.file: cannot open \S+: %s$" % (where, why), told, re.M), told
        gateway.proxy.config.write_text(text)
    gateway.ask()
    consumer.until(2)


def test_without_feeds_nothing_is_told(start, tmp_path):
    gateway = Gateway(start, tmp_path, 'file = "%s";' % (tmp_path / "monitor.json"))
    gateway.file.change(sections=gateway.sections("").replace("feeds: { billing: {  };  };", "").replace('feed = "billing"; ', ""))
    gateway.ask(3)
    assert gateway.counted() == (0, 0)
    assert (tmp_path / "monitor.json").read_text() == ""


# ---- what was inside ----

PATHS = [  # segments, as they are told
    ([], "/"), ([b""], "//"), ([b"", b""], "///"), ([b"a", b"b"], "/a/b"), ([b"a/b"], "/a%2Fb"), ([b"a%2Fb"], "/a%252Fb"),
    ([b"..", b"."], "/../."), ([b'"\\\n\0'], "/%22%5C%0A%00"), (["\u00e9".encode(), b"\xff\xc0\x80"], "/%C3%A9/%FF%C0%80"),
    ([bytes(range(255))], None), ([b"s" * 255] * 3, None),
]


def test_hostile_paths_and_payloads(at_socket):
    """Whatever bytes they hold: each line is JSON, and gives them back."""
    gateway, consumer = at_socket
    gateway.is_read(consumer)
    for segments, _ in PATHS:
        gateway.ask(inner=b"\x02" + coap.encode_options([(coap.URI_PATH, s) for s in segments]) + b"\xff" + bytes(range(256)))
    gateway.ask(inner=b"\x01", answer=b"\x45" + b"\xff" + b"x" * 900)
    lines = consumer.until(2 * len(PATHS) + 2)
    requests = [line["inner"] for line in lines if line["message"] == "request"]
    for (segments, told), inner in zip(PATHS, requests):
        assert (inner["code"], base64.b64decode(inner["payload"]), inner["payload-length"]) == ("POST", bytes(range(256)), 256)
        if told:
            assert inner["uri-path"] == told
        else:
            assert [urllib.parse.unquote_to_bytes(s) for s in inner["uri-path"][1:].split("/")] == segments
    assert requests[-1] == {"code": "GET", "uri-path": "/"}
    answers = [line["inner"] for line in lines if line["message"] == "response"]
    assert answers[0] == {"code": "2.04"}
    assert answers[-1] == {"code": "2.05", "payload": base64.b64encode(b"x" * 900).decode(), "payload-length": 900}
    assert all((line["verdict"], line["seen"]) == ("opened", False) for line in lines)


def test_what_is_not_genuine_is_not_told(at_socket):
    gateway, consumer = at_socket
    gateway.is_read(consumer)
    other = Context(b"\x07", secret=b"another secret..")
    gateway.context, genuine = other, gateway.context
    gateway.ask()
    gateway.context = Context(b"\x08")
    gateway.ask()
    bad, _, unknown, _ = consumer.until(4)
    assert (bad["verdict"], unknown["verdict"]) == ("bad", "unknown")
    gateway.context = genuine
    gateway.ask()
    genuine.sequence = 0
    gateway.ask()
    lines = consumer.until(8)
    assert [line["seen"] for line in lines if line["message"] == "request"] == [False, False, False, True]
    assert all(("inner" in line) == (line["verdict"] == "opened") for line in lines)
    assert [line["verdict"] for line in lines[4:]] == ["opened"] * 4
