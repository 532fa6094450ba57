"""A new configuration on SIGHUP, with three workers: nothing is lost that is still allowed, what is not ends with a last word, and every
setting that may change does."""

import pathlib
import re
import signal
import socket

import coap
import pytest
from coap import CON, GET, NON, OBSERVE, POST, RST
from harness import DEFAULT_ROUTE, NameServer, Pair, free_port
from house import PATIENCE, THREE, Configured, logged, pids, printed, until
from observing import Observer
from test_overload import answers, hold

UNAVAILABLE, NOT_FOUND, FORBIDDEN, TOO_MANY = coap.code("5.03"), coap.code("4.04"), coap.code("4.03"), coap.code("4.29")
WORKERS = THREE % ""
TRUSTS = DEFAULT_ROUTE.replace("fwd", "any").replace("forward-to", 'clients = ["127.0.0.0/8"]; forward-to')


@pytest.fixture
def three(start):
    return start(sections=WORKERS)


@pytest.fixture
def file(three):
    return Configured(three)


# ---- what is no longer allowed ----

REVERSE = "".join('r%d: { from = ["coap"]; hosts = ["r%d.example"]; to = ["coap://{%d}"]; };\n' % (i, i, i) for i in range(8))


def in_forward(old, new):
    assert old in DEFAULT_ROUTE
    return "scheme", DEFAULT_ROUTE, DEFAULT_ROUTE.replace(old, new)


ENDS = {  # form, routes before, after, last word for plain observations, for OSCORE; None: it goes on
    "route-removed": (*in_forward(DEFAULT_ROUTE, ""), UNAVAILABLE, UNAVAILABLE),
    "reverse-route-removed": ("reverse", REVERSE, "", NOT_FOUND, UNAVAILABLE),
    "denied": (*in_forward("forward-to", "deny = true; forward-to"), UNAVAILABLE, UNAVAILABLE),
    "denied-before": ("reverse", REVERSE, 'd: { hosts = ["*.example"]; deny = true; };' + REVERSE, UNAVAILABLE, UNAVAILABLE),
    "origin-changed": ("reverse", REVERSE, re.sub("coap://{.}", "coap://127.0.0.9:7000", REVERSE), UNAVAILABLE, UNAVAILABLE),
    "clients-changed": (*in_forward("forward-to", 'clients = ["10.0.0.0/8"]; forward-to'), UNAVAILABLE, UNAVAILABLE),
    "hosts-changed": ("reverse", REVERSE, REVERSE.replace(".example", ".test"), NOT_FOUND, UNAVAILABLE),
    "target-not-allowed": (*in_forward("coap://127.0.0.0/8:*", "coap://10.0.0.0/8:*"), UNAVAILABLE, UNAVAILABLE),
    "network-not-allowed": (*in_forward('["127.0.0.0/8"]', '["127.0.0.1"]'), UNAVAILABLE, UNAVAILABLE),
    "method-not-allowed": (*in_forward("forward-to", 'methods = ["POST"]; forward-to'), UNAVAILABLE, None),
    "oscore-required": (*in_forward("forward-to", 'require = ["oscore"]; forward-to'), UNAVAILABLE, None),
    "listener-removed": ("scheme", DEFAULT_ROUTE, DEFAULT_ROUTE.replace('"coap"', '"two"'), UNAVAILABLE, UNAVAILABLE),
}


def filled(routes, observers):
    for i, o in enumerate(observers):
        routes = routes.replace("{%d}" % i, "%s:%d" % (o.device.host, o.device.port))
    return routes


def ended(o, code):
    """The last word came, from where the client had asked, and the origin hears of it."""
    last = o.client.recv()
    assert (last.code, last.type, last.token) == (code, CON, o.sent.token) and not last.has(OBSERVE)
    assert last.source == o.client.to and bool(last.uint(coap.MAX_AGE)) == (code == UNAVAILABLE)
    o.client.ack(last)
    told = o.device.pending()
    if o.oscore:
        assert not told  # nothing can be made up
    else:
        up, = told
        assert (up.code, up.uint(OBSERVE), up.token) == (GET, 1, o.up.token)
        o.device.answer(up)
    unwanted = o.notify(50, b"unwanted")
    assert [(m.type, m.mid) for m in o.device.pending()] == [(RST, unwanted.mid)]
    o.client.quiet()


@pytest.mark.parametrize("case", sorted(ENDS))
def test_what_is_no_longer_allowed_ends_with_a_last_word(file, three, case):
    form, before, after, plain, oscore = ENDS[case]
    observers = [Observer(three, form, host="r%d.example" % i) for i in range(8)]
    file.change(routes=filled(before, observers))
    for i, o in enumerate(observers):
        o.register(oscore=i % 2 == 1)
    assert printed(three)["crossed"] and three.state()["observations"] >= 8
    parts = dict(routes=filled(after, observers))
    if case == "listener-removed":
        parts["listeners"] = 'two: { url = "coap://127.0.0.1:%d"; };' % free_port()
    file.change(**parts)
    going_on = 0
    for o in observers:
        code = oscore if o.oscore else plain
        if code is not None:
            ended(o, code)
            continue
        going_on += 1
        assert o.notified(6, b"goes on").payload == b"goes on"
    if going_on == 0:
        assert three.state()["observations"] == 0


def test_what_is_still_allowed_goes_on_by_another_route(file, three):
    """The route has another name, another place and other times; the origin of a reverse route is one of several now."""
    observers = [Observer(three, "reverse" if i % 2 else "scheme", host="r%d.example" % i) for i in range(8)]
    file.change(routes=filled(DEFAULT_ROUTE + REVERSE, observers))
    for i, o in enumerate(observers):
        o.register(oscore=i % 4 > 1)
    routes = REVERSE.replace("to = [", 'timeout = "30s"; to = ["coap://127.1.1.1:9", ').replace(" r", " q")
    file.change(routes=filled(routes + TRUSTS, observers))
    for n in range(6, 9):
        for o in observers:
            assert o.notified(n, b"%d" % n).payload == b"%d" % n
    for o in observers:
        assert not [m for m in o.device.ledger if m.type == RST]


# ---- a listener that is removed ----


def inodes(port):
    return {line.split()[9] for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:] if line.split()[1].endswith(":%04X" % port)}


def test_a_removed_listener_ends_what_was_begun_there(file, three):
    two = 'two: { url = "coap://127.0.0.1:%d"; };' % free_port()
    done = [Pair(three) for _ in range(6)]
    kept = [pair.exchange() for pair in done]
    under_way = [Pair(three) for _ in range(6)]
    begun = [pair.forward() for pair in under_way]
    file.change(listeners=two, routes=DEFAULT_ROUTE.replace('"coap"', '"two"'))
    for pair, (request, _, answer) in zip(done, kept):
        pair.client.send_raw(request.encode(), three.address)
        again = pair.client.recv()
        assert again.raw == answer.raw and again.source == three.address
        pair.quiet()
    for pair, (request, up) in zip(under_way, begun):
        pair.device.answer(up, payload=b"late")
        answer = pair.client.recv()
        assert (answer.token, answer.payload, answer.source) == (request.token, b"late", three.address)
    for pair in done:
        assert pair.refused().code == UNAVAILABLE


def test_a_removed_listener_is_closed_247_s_after_its_last_request(file, three):
    line, two = file.listeners, 'two: { url = "coap://127.0.0.1:%d"; };' % free_port()
    pair = Pair(three)
    three.advance(1000)
    pair.exchange()
    file.change(listeners=two, routes=DEFAULT_ROUTE.replace('"coap"', '"two"'))
    three.advance(200_000)
    assert pair.refused().code == UNAVAILABLE  # which is none that was taken
    three.advance(46_000)
    assert inodes(three.port)
    three.advance(3_000)
    three.settle()
    until(lambda: not inodes(three.port), "it is still bound")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(three.address)
    file.change(listeners=two + line, routes=DEFAULT_ROUTE)
    pair.exchange()


def test_a_listener_that_comes_back_in_time_has_its_sockets(file, three):
    """Also where a worker had closed its own already, as it had nothing to end there."""
    line, two = file.listeners, 'two: { url = "coap://127.0.0.1:%d"; };' % free_port()
    before = inodes(three.port)
    assert len(before) == 3
    pair = Pair(three)
    for _ in range(3):
        pair.exchange()
        file.change(listeners=two, routes=DEFAULT_ROUTE.replace('"coap"', '"two"'))
        three.advance(100_000)
        assert inodes(three.port) == before
        file.change(listeners=two + line, routes=DEFAULT_ROUTE)
        assert inodes(three.port) == before
        for _ in range(8):
            Pair(three).exchange()
    three.advance(300_000)
    assert inodes(three.port) == before
    pair.exchange()


# ---- limits ----


def test_requests_of_a_client(file, three):
    pair = Pair(three)
    assert len(hold(pair, 4)) == 4
    file.change(sections="limits: { client-exchanges = 2; };")
    three.advance(1100)
    answers(pair.client)
    assert pair.refused().code == TOO_MANY
    file.change(sections="limits: { client-exchanges = 5; };")
    assert len(hold(pair, 2)) == 1 and [m.code for m in answers(pair.client)] == [TOO_MANY]


def test_requests_at_once(file, three):
    pairs = [Pair(three) for _ in range(4)]
    for pair in pairs:
        assert len(hold(pair, 1)) == 1
    file.change(sections="limits: { exchanges = 4; };")
    for _ in range(6):
        assert Pair(three).refused().code == UNAVAILABLE
    file.change(sections="limits: { exchanges = 100; };")
    for _ in range(6):
        Pair(three).exchange()


def test_observations_at_once(file, three):
    """Those there are stay."""
    observers = [Observer(three).register() for _ in range(4)]
    for limit, more in ((3, False), (5, True), (5, False)):
        file.change(sections="limits: { observations = %d; };" % limit)
        _, _, down = Pair(three).exchange(options=[(OBSERVE, 0)], answer_options=[(OBSERVE, 7)])
        assert down.has(OBSERVE) == more
    for o in observers:
        assert o.notified(6, b"kept").payload == b"kept"


def in_flight(pair, count):
    """How many of so many requests reach the device before it has answered any; then it answers all."""
    for _ in range(count):
        pair.send()
    ups = [m for m in pair.device.pending() if m.code]
    answered = 0
    waiting = ups
    while waiting:
        for up in waiting:
            pair.device.answer(up)
        answered += len(waiting)
        waiting = [m for m in pair.device.pending() if m.code]
    assert answered == count
    pair.client.pending()
    return len(ups)


def test_the_window_of_an_origin(file, three):
    pair = Pair(three)
    for _ in range(5):
        wide = in_flight(pair, 30)
    assert wide > 5
    file.change(sections="upstream: { origin-window = 3; };")
    assert in_flight(pair, 30) == 3
    assert in_flight(pair, 30) == 3
    file.change(sections="upstream: { origin-window = 100; };")
    for _ in range(5):
        wide = in_flight(pair, 30)
    assert wide > 5


def refused_of(pair, count):
    """Of so many large requests under way at once to a silent device."""
    refused = 0
    for i in range(count):
        pair.send(POST, payload=b"x" * 1000, type=NON)
        if i % 40 == 39:
            refused += len(answers(pair.client))
    return refused + len(answers(pair.client))


def test_memory_of_what_is_under_way(file, three):
    file.change(sections='limits: { queue-memory = "1MB"; };')
    pair = Pair(three)
    few = refused_of(pair, 400)
    assert few
    file.change(sections='limits: { queue-memory = "100MB"; };')
    assert refused_of(pair, 400) == 0
    file.change(sections='limits: { queue-memory = "1MB"; };')
    assert refused_of(pair, 40) == 40
    three.advance(100_000)  # what was under way is given up
    pair.client.pending()
    assert refused_of(pair, 40) == 0


def large_answer(pair):
    """The code that a client gets to a request with a large answer."""
    pair.send(POST)
    pair.device.answer(pair.device.recv(), coap.CHANGED, payload=b"x" * 900)
    return pair.client.recv().code


def test_networks_that_are_trusted(file, three):
    """Known clients too."""
    nobody = 'downstream: { trusted = []; unverified-rate = "0B"; };'
    pairs = [Pair(three) for _ in range(6)]
    for pair in pairs:
        assert large_answer(pair) == coap.CHANGED
    file.change(sections=nobody)
    assert {large_answer(pair) for pair in pairs} == {coap.code("4.01")}
    file.change(sections="")
    assert {large_answer(pair) for pair in pairs} == {coap.CHANGED}


def test_how_long_a_client_is_verified(file, three):
    for time_, code in (("2s", coap.code("4.01")), ("1h", coap.CHANGED), ("2s", coap.code("4.01"))):
        file.change(sections='downstream: { trusted = []; verified-for = "%s"; };' % time_)
        o = Observer(three).register()
        o.notify(6, b"n")
        o.client.ack(o.client.recv())  # so it is verified
        three.advance(60_000)
        o.device.pending()
        assert large_answer(Pair(three, client=o.client)) == code


# ---- logs and names ----


def test_level_of_the_log(file, three):
    deny = DEFAULT_ROUTE.replace("forward-to", "deny = true; forward-to")
    file.begin(sections='log: { level = "error"; };', routes=deny)
    pairs = [Pair(three) for _ in range(6)]

    def denied(pair):  # nothing else tells of it now
        pair.send()
        for up in pair.device.pending():
            pair.device.answer(up)
        return pair.client.recv().code == FORBIDDEN

    for pair in pairs:
        until(lambda: denied(pair))
    three.settle()
    seen = len(three.explain())
    for pair in pairs:
        assert pair.refused().code == FORBIDDEN
    three.process.send_signal(signal.SIGUSR1)
    three.advance(20_000)
    assert three.explain()[seen:] == ""
    file.change(sections='log: { level = "info"; };')
    for pair in pairs:
        pair.refused()
    networks = {pair.client.host.rpartition(".")[0] for pair in pairs}  # each has a line of its own
    assert len(re.findall("worker [012]: refused_", three.explain()[seen:])) == len(networks)


def test_files_of_the_logs(file, three, tmp_path):
    service, access = tmp_path / "service.log", tmp_path / "access.log"
    routes = DEFAULT_ROUTE.replace("forward-to", 'access-log = "text"; forward-to')
    file.begin(routes=routes, sections='log: { file = "%s"; access-file = "%s"; };' % (service, access))
    until(lambda: service.exists() and "generation 2" in service.read_text())
    seen = len(three.explain())
    three.settle()
    pairs = [Pair(three) for _ in range(8)]
    for pair in pairs:
        pair.exchange()
        Pair(three, "reverse", client=pair.client, host="nobody.example").send()
    three.settle()
    assert three.explain()[seen:] == ""
    assert len(re.findall("^time=.* code=2.05", access.read_text(), re.M)) == 8
    assert re.search("worker [012]: refused_no_route", service.read_text())
    file.change(sections="")
    Pair(three).exchange()
    three.settle()
    assert "time=" in three.explain()[seen:] and len(access.read_text().splitlines()) == 8


@pytest.mark.parametrize("setting", ["file", "access-file"])
def test_a_log_that_cannot_be_opened_stops_a_reload(file, three, setting):
    deny = DEFAULT_ROUTE.replace("forward-to", "deny = true; forward-to")
    file.write(routes=deny, sections='log: { %s = "/nonexistent/log"; };' % setting)
    said = file.refused()
    assert "log.%s: cannot open /nonexistent/log: No such file or directory" % setting in said
    Pair(three).exchange()
    file.write(routes=DEFAULT_ROUTE, sections="")
    file.change()
    Pair(three).exchange()


def test_name_servers(start, tmp_path):
    """Another file, and another text in the same file."""
    servers = [NameServer() for _ in range(3)]
    files = [tmp_path / "one.conf", tmp_path / "two.conf"]
    files[0].write_text("nameserver %s:%d\n" % (servers[0].host, servers[0].port))
    files[1].write_text("nameserver %s:%d\n" % (servers[1].host, servers[1].port))
    section = 'upstream: { resolv-conf = "%s"; };'
    routes = 'fwd: { from = ["coap"]; forward-to = ["coap://*.example:*"]; allow-networks = ["127.0.0.0/8"]; };'
    proxy = start(routes=routes, sections=section % files[0] + "\n" + WORKERS)
    file = Configured(proxy, routes, section % files[0])

    def asked(server):
        pairs = [Pair(proxy) for _ in range(5)]  # of several workers, as likely as not
        for i, pair in enumerate(pairs):
            pair.client.send(coap.Message(options=[(coap.PROXY_URI, "coap://d%d.example:%d/" % (i, pair.device.port))]))
        proxy.settle()
        server.serve({"d%d.example" % i: [pair.device.host] for i, pair in enumerate(pairs)})
        for pair in pairs:
            pair.device.answer(pair.device.recv())
            assert pair.client.recv().code == coap.CONTENT

    try:
        asked(servers[0])
        file.change(sections=section % files[1])
        asked(servers[1])
        files[1].write_text("nameserver %s:%d\n" % (servers[2].host, servers[2].port))
        file.change()
        asked(servers[2])
        assert all(server.take(0) is None for server in servers)
    finally:
        for server in servers:
            server.close()


# ---- what is refused ----


def test_a_bad_file_changes_nothing_and_every_error_is_told(file, three):
    good = three.config.read_text()
    bad = good.replace("fwd:", "x: { nothing = 1; };\nfwd:").replace("workers = 3", "workers = 3; watchdog = 7")
    said = file.refused(bad + '\nlimits: { exchanges = 0; origins = "many"; };\n')
    lines = re.findall(r"error: .*proxy\.conf:\d+: (.*)$", said, re.M)
    for word in ("nothing", "watchdog", "exchanges", "origins"):
        assert any(word in line for line in lines), said
    Pair(three).exchange()
    three.config.write_text(good)
    file.change()


@pytest.mark.parametrize("old, new, name", [
    ("workers = 3", "workers = 4", "process.workers"), ("workers = 3", 'workers = "auto"', "process.workers"),
    ('user = ""', 'user = "nobody"', "process.user"), ("workers = 3;", 'workers = 3; crossing-memory = "2MB";', "process.crossing-memory"),
    ("routes:", 'limits: { dedup-memory = "64MB"; };\nroutes:', "limits.dedup-memory")])
def test_what_is_fixed_is_refused_by_name(file, three, old, new, name):
    before = pids(three)
    text = three.config.read_text()
    assert old in text
    said = file.refused(text.replace(old, new).replace("forward-to", "deny = true; forward-to"))
    assert re.search(r"error: \S*proxy\.conf: %s is fixed until the gateway is restarted$" % re.escape(name), said, re.M)
    assert pids(three) == before
    Pair(three).exchange()


def test_a_file_that_cannot_be_read(file, three):
    """None, a folder, one that may not be read (root needs a right for that which the parent has given up), one that is cut off."""
    text = three.config.read_text()
    three.config.unlink()
    assert "No such file" in file.refused()
    three.config.mkdir()
    assert re.search("error: .*proxy.conf", file.refused())
    three.config.rmdir()
    three.config.write_text(text)
    three.config.chmod(0)
    assert "Permission denied" in file.refused()
    three.config.chmod(0o600)
    assert re.search(r"error: .*proxy\.conf:\d+: ", file.refused(text[:len(text) // 2]))
    Pair(three).exchange()
    three.config.write_text(text)
    file.change()
    Pair(three).exchange()


def test_a_reload_while_draining_is_ignored(file, three):
    pair = Pair(three)
    request, up = pair.forward()
    three.process.send_signal(signal.SIGTERM)
    logged(three, "no new exchange from now on")
    file.begin(routes="")
    three.settle()
    pair.device.answer(up)
    assert three.process.wait(PATIENCE) == 0
    assert pair.client._read().token == request.token
    assert "generation" not in three.explain() and "stays as it was" not in three.explain()


# ---- counters ----


def test_counters_of_a_route_are_its_own(file, three):
    two = [Pair(three, "reverse", host="r%d.example" % i) for i in range(8)]
    file.change(routes=filled(REVERSE, two))
    for i, pair in enumerate(two):
        for _ in range(i + 1):
            pair.exchange()
    stays = "".join(line + "\n" for line in REVERSE.splitlines() if not line.startswith(("r2:", "r5:")))
    file.change(routes=filled('new: { from = ["coap"]; hosts = ["r2.example"]; to = ["coap://{2}"]; };' + stays, two))
    now = printed(three)
    assert {i: now.get("route.r%d.requests" % i) for i in range(8)} == {0: 1, 1: 2, 2: None, 3: 4, 4: 5, 5: None, 6: 7, 7: 8}
    assert "route.new.requests" not in now
    two[2].exchange()
    two[7].exchange()
    file.change(routes=filled("".join(reversed(REVERSE.splitlines(True))), two))
    for pair in two:
        pair.exchange()
    now = printed(three)
    assert {i: now.get("route.r%d.requests" % i) for i in range(8)} == {0: 2, 1: 3, 2: 1, 3: 5, 4: 6, 5: 1, 6: 8, 7: 10}
    assert now["requests"] == sum(range(1, 9)) + 10


def test_a_route_begins_at_zero_where_another_has_counted(start):
    """Slots of counters are used again when each was in use: the third set of so many routes has those of the first."""
    one = 'process: { workers = 1; user = ""; };'
    proxy = start(sections="\n" + one)
    file = Configured(proxy, processes=one)
    for letter in "abc":
        file.change(routes="".join('%s%d:{hosts=["%s%d.example"];deny=true;};\n' % (letter, i, letter, i) for i in range(32768)))
        pair = Pair(proxy, "reverse", host=letter + "0.example")
        for _ in range(3):
            assert pair.refused().code == FORBIDDEN
        now = printed(proxy)
        counted = {name: value for name, value in now.items() if name.startswith("route.")}
        assert counted == {"route.%s0.%s" % (letter, name): 3 for name in ("requests", "responses", "refused_forbidden")}
