"""What the logs and the counters tell: an access line for a request where the route wants it, refusals by reason and network,
SIGUSR2. Lines may come from several processes."""

import json
import re
import signal
import time

import coap
import pytest
from coap import ACK, GET, NO_RESPONSE, NON, OBSERVE, POST, PUT
from harness import DEFAULT_ROUTE, Pair, Proxy, free_port, oscore_request, run_proxy

KEYS = ["time", "route", "listener", "client", "origin", "method", "code", "oscore", "kid", "request_bytes", "response_bytes", "ms",
        "origin_ms", "retransmissions"]
NUMBERS = {"request_bytes", "response_bytes", "ms", "origin_ms", "retransmissions"}


def logged(form, more=""):
    return DEFAULT_ROUTE.replace("forward-to", 'access-log = "%s"; %s forward-to' % (form, more))


def refusals(proxy, counter):
    return [m.group(1) for m in re.finditer(r" info: (?:[\w -]+: )?(%s: .*)$" % counter, proxy.explain(), re.M)]


def from_pairs(line):
    """A line of text as the object that it would be."""
    pairs = [pair.split("=", 1) for pair in line.split(" ")]
    words = {"true": True, "false": False}
    return {k: float(v) if k in NUMBERS else words.get(v, v) for k, v in pairs}


def accesses(text):
    """The access lines among others, whatever their form."""
    out = []
    for line in text.splitlines():
        if line.startswith("{"):
            out.append(json.loads(line))
        elif line.startswith("time="):
            out.append(from_pairs(line))
    return out


@pytest.fixture(params=["text", "json"])
def pair(request, start):
    """A pair behind a route that logs in either form."""
    return Pair(start(routes=logged(request.param)))


def the_access(pair):
    (line,) = accesses(pair.proxy.explain())
    return line


def endpoint(peer):
    return "%s:%d" % (peer.host, peer.port)


def test_a_request_has_one_line(pair):
    before = time.time()
    sent, _, down = pair.exchange(PUT, payload=b"secret", answer=coap.CHANGED, answer_payload=b"hidden")
    line = the_access(pair)
    assert [k for k in KEYS if k != "kid"] == list(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    at = time.strptime(line["time"][:19] + "UTC", "%Y-%m-%dT%H:%M:%S%Z")
    assert abs(time.mktime(at) - time.timezone - before) < 30
    assert (line["route"], line["listener"], line["method"], line["code"]) == ("fwd", "coap", "PUT", "2.04")
    assert (line["client"], line["origin"]) == (endpoint(pair.client), endpoint(pair.device))
    assert (line["request_bytes"], line["response_bytes"]) == (len(sent.encode()), len(down.encode()))
    assert (line["oscore"], line["retransmissions"]) == (False, 0)
    pair.exchange(GET)
    assert [a["method"] for a in accesses(pair.proxy.explain())] == ["PUT", "GET"]
    text = pair.proxy.explain()
    assert "secret" not in text and "hidden" not in text and sent.token.hex() not in text


def test_times_and_retransmissions(pair):
    pair.send(GET)
    up = pair.device.recv()
    pair.proxy.advance(4000)
    assert [m.mid for m in pair.device.pending()] == [up.mid]
    pair.device.answer(up)
    down = pair.client.recv()
    while down.code == 0:
        down = pair.client.recv()
    line = the_access(pair)
    assert line["retransmissions"] == 1
    assert 4000 <= line["ms"] < 4100 and 4000 <= line["origin_ms"] <= line["ms"]


def test_a_separate_answer_has_its_size(pair):
    pair.send(GET)
    up = pair.device.recv()
    pair.device.ack(up)
    pair.proxy.advance(1500)
    assert pair.client.recv().type == ACK
    pair.device.separate(up, payload=b"x" * 40)
    down = pair.client.recv()
    pair.client.ack(down)
    assert the_access(pair)["response_bytes"] == len(down.encode())


def test_a_refused_request_was_never_sent(start):
    pair = Pair(start(routes=logged("json", 'methods = ["GET"];')))
    down = pair.refused(PUT)
    line = the_access(pair)
    assert line["code"] == coap.code_text(down.code) == "4.05"
    assert "origin" not in line and "origin_ms" not in line and line["retransmissions"] == 0
    assert line["response_bytes"] == len(down.encode())


def test_silence_has_a_line_too(pair):
    sent, up = pair.forward(PUT, payload=b"x", options=[(NO_RESPONSE, 26)], type=NON)
    pair.device.answer(up, coap.CHANGED)
    pair.proxy.settle()
    line = the_access(pair)
    assert (line["code"], line["response_bytes"], line["request_bytes"]) == ("none", 0, len(sent.encode()))
    # acknowledged is all that it will ever be
    _, up = pair.forward(PUT, payload=b"x", options=[(NO_RESPONSE, 26)])
    pair.device.ack(up)
    assert pair.client.recv().code == 0
    assert [a["code"] for a in accesses(pair.proxy.explain())] == ["none", "none"]
    pair.quiet()


def test_a_client_that_may_not_exist_gets_nothing_and_a_line(start):
    pair = Pair(start(routes=logged("text"), sections='downstream: { trusted = []; unverified-rate = "0B"; };'))
    for code in ("4.01", "none"):
        pair.send(POST)
        up = pair.device.recv()
        pair.device.answer(up, coap.CHANGED, payload=b"x" * 900)
        pair.client.recv()
        assert accesses(pair.proxy.explain())[-1]["code"] == code
    assert len(accesses(pair.proxy.explain())) == 2


def test_an_observation_is_one_request_and_each_refresh_another(pair):
    sent, up = pair.forward(GET, options=[(OBSERVE, 0)])
    pair.device.answer(up, coap.CONTENT, options=[(OBSERVE, 1)], payload=b"a")
    pair.client.recv()
    for value in (2, 3):
        pair.device.separate(up, coap.CONTENT, options=[(OBSERVE, value)], payload=b"b", type=NON)
        pair.client.recv()
    assert len(accesses(pair.proxy.explain())) == 1
    pair.proxy.advance(5000)
    pair.client.send(pair.request(GET, options=[(OBSERVE, 0)], token=sent.token))
    again = pair.device.recv()
    pair.device.answer(again, coap.CONTENT, options=[(OBSERVE, 9)], payload=b"c")
    pair.client.recv()
    first, second = accesses(pair.proxy.explain())
    assert second["ms"] < 1000 and second["origin_ms"] <= second["ms"]
    # the end is no answer
    pair.device.separate(up, coap.code("4.04"), type=NON)
    pair.client.ack(pair.client.recv())
    pair.proxy.settle()
    assert len(accesses(pair.proxy.explain())) == 2


@pytest.mark.parametrize("form", ["hashed", "plain", "none"])
def test_kids_are_hashed_unless_told_otherwise(start, form):
    sections = "" if form == "hashed" else 'log: { kid = "%s"; };' % form
    pair = Pair(start(routes=logged("json"), sections=sections))
    seen = []
    for option in ("0905c0ffee", "0906c0ffee", "0905c0ffef"):
        pair.client.send(oscore_request(pair, bytes.fromhex(option)))
        pair.device.answer(pair.device.recv(), coap.CHANGED, payload=b"sealed")
        pair.client.recv()
        seen.append(accesses(pair.proxy.explain())[-1])
    assert all(line["oscore"] is True for line in seen)
    kids = [line.get("kid") for line in seen]
    if form == "plain":
        assert kids == ["c0ffee", "c0ffee", "c0ffef"]
        return
    assert "c0ffee" not in pair.proxy.explain()
    if form == "none":
        assert kids == [None] * 3
    else:
        assert kids[0] == kids[1] != kids[2]
        assert all(re.fullmatch("[0-9a-f]{8}", kid) for kid in kids)


def test_nothing_is_said_of_an_answer_without_it(proxy):
    Pair(proxy).exchange(GET)
    assert accesses(proxy.explain()) == []


class WithFiles(Proxy):
    """Its service log and its access log are files; both may have been there before."""

    def __init__(self, directory):
        self.service, self.access = directory / "service.log", directory / "access.log"
        self.access.write_text("kept\n")
        super().__init__(directory, routes=logged("text"),
                         sections='log: { file = "%s"; access-file = "%s"; };' % (self.service, self.access))

    def explain(self):
        return super().explain() + (self.service.read_text() if self.service.exists() else "")


def test_logs_go_to_their_files(tmp_path):
    proxy = WithFiles(tmp_path)
    try:
        pair = Pair(proxy)
        pair.exchange(GET)
        refused = Pair(proxy, "reverse", device=pair.device, host="nobody.example")
        refused.client.ask(refused.request(GET))
        assert re.search(r" info: .*ready$", proxy.service.read_text(), re.M)
        assert "refused_no_route: " in proxy.service.read_text()
        assert proxy.access.read_text().startswith("kept\n")
        assert len(accesses(proxy.access.read_text())) == 1
        assert " info: " not in proxy.log.read_text() and accesses(proxy.log.read_text()) == []
    finally:
        proxy.stop()


@pytest.mark.parametrize("setting", ["file", "access-file"])
def test_a_log_that_cannot_be_opened_is_a_reason_not_to_start(tmp_path, setting):
    path = tmp_path / "none" / "log"
    config = tmp_path / "proxy.conf"
    config.write_text('listeners: { coap: { url = "coap://127.0.0.1:%d"; }; };\nlog: { %s = "%s"; };\n' % (free_port(), setting, path))
    status, _, errors = run_proxy("-c", config)
    assert status == 1 and str(path) in errors and "No such file" in errors


def refuse(proxy, client):
    pair = Pair(proxy, "reverse", client=client, device=proxy.reverse_device, host="nobody.example")
    client.send(pair.request(GET))
    assert client.recv().code == coap.code("4.04")


@pytest.fixture
def refusing(start):
    proxy = start()
    proxy.reverse_device = proxy.device()
    return proxy


def test_refusals_are_told_once_in_ten_seconds_for_each_network(refusing):
    one = refusing.client("127.201.1.1")
    for _ in range(5):
        refuse(refusing, one)
    assert len(refusals(refusing, "refused_no_route")) == 1
    other = refusing.client("127.201.2.1")
    refuse(refusing, other)
    first, second = refusals(refusing, "refused_no_route")
    assert "from %s:%d at coap, route -, origin -: " % (one.host, one.port) in first
    assert "from %s:%d at coap" % (other.host, other.port) in second
    # what was left out is told, though nothing more comes, and only once
    refusing.advance(10_010)
    assert refusals(refusing, "refused_no_route")[2:] == ["refused_no_route: 4 more from 127.201.1.0/24"]
    refusing.advance(60_000)
    assert len(refusals(refusing, "refused_no_route")) == 3


def test_clients_of_one_network_are_one_whichever_worker_has_them(start):
    """Their refusals are one line, and one line tells how many were left out."""
    proxy = start(sections='process: { workers = 4; user = ""; };')
    proxy.reverse_device = proxy.device()
    for _ in range(40):
        refuse(proxy, proxy.client("127.203.1.1"))
    assert len(refusals(proxy, "refused_no_route")) == 1
    proxy.advance(10_100)
    assert refusals(proxy, "refused_no_route")[1:] == ["refused_no_route: 39 more from 127.203.1.0/24"]
    proxy.advance(60_000)
    assert len(refusals(proxy, "refused_no_route")) == 2


def test_a_later_refusal_says_how_many_were_left_out(refusing):
    one = refusing.client("127.202.1.1")
    refuse(refusing, one)
    refusing.advance(5000)
    refuse(refusing, one)
    refuse(refusing, one)
    refusing.advance(7000)
    refuse(refusing, one)
    told = refusals(refusing, "refused_no_route")
    assert len(told) == 2 and told[1].endswith(" (and 2 more from 127.202.1.0/24)")


def test_counters_are_printed_on_a_signal(start):
    proxy = start()
    Pair(proxy).exchange(GET)
    proxy.process.send_signal(signal.SIGUSR2)
    until = time.monotonic() + 5
    while "access_lines_lost" not in proxy.explain() and time.monotonic() < until:
        time.sleep(0.01)
    counters = dict(re.findall(r"^([a-z_]+) (\d+)$", proxy.explain(), re.M))
    assert counters["requests"] == counters["forwarded"] == counters["responses"] == "1"
