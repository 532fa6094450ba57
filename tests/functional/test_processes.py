"""The processes: who starts whom, what a worker has and has not, what becomes of everybody when one of them dies."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import coap
import pytest
from harness import BUILD, Pair, Proxy, free_port, oscore_request
from house import PATIENCE, THREE, Activated, Plain, descriptors, logged, parent_of, pids, reload, serving_worker, status_of, until

UNAVAILABLE, TIMEOUT, FORBIDDEN = coap.code("5.03"), coap.code("5.04"), coap.code("4.03")


@pytest.fixture
def plain(tmp_path):
    p = Plain(tmp_path, sections=THREE % 'watchdog = "1s";')
    yield p
    p.end()


@pytest.fixture
def three(start):
    return start(sections=THREE % "")


# ---- what there is ----


def test_the_parent_starts_as_many_workers_as_are_asked_for(three):
    found = pids(three)
    assert len(set(found)) == 3
    assert {parent_of(pid) for pid in found} == {three.process.pid}
    names = [pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().split(b"\0")[0] for pid in found]
    assert names == [b"oscore-proxy: worker %d" % i for i in range(3)]
    assert re.search(r" info: 3 workers are ready$", three.explain(), re.M)


def test_auto_is_a_worker_for_each_processor(start):
    proxy = start(sections='process: { workers = "auto"; user = ""; };')
    assert len(pids(proxy)) == min(64, len(os.sched_getaffinity(0)))


def test_a_configuration_is_parsed_with_low_priority(three):
    for pid in pids(three):
        tasks = [(p / "stat").read_text().rpartition(") ") for p in pathlib.Path("/proc/%d/task" % pid).iterdir()]
        assert sorted((head.partition("(")[2], rest.split()[16]) for head, _, rest in tasks)[1] == ("preparing", "19")


def test_the_parent_keeps_every_socket_of_a_group(three):
    kept = set(descriptors(three.process.pid).values())
    port = "%04X" % three.port
    inodes = {line.split()[9] for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]
              if line.split()[1].endswith(":" + port)}
    assert len(inodes) == 3
    assert {"socket:[%s]" % i for i in inodes} <= kept


@pytest.mark.parametrize("what", ["open /etc/passwd", "create ./made", "exec /bin/true", "fork", "thread", "listen-tcp 0",
                                  "connect-unix /dev/log"])
def test_a_worker_can_do_nothing_of(three, what):
    answer = three.command("worker 1 try " + what)
    if "not separated: seccomp" in three.explain():
        assert "sanitizer" in three.explain()  # such a build is not confined
    elif what.startswith("exec"):
        assert answer == "gone"  # that is no mistake of the program, so it is killed
    else:
        assert answer in ("EPERM", "EACCES"), answer


def test_an_address_in_use_is_told_at_start(tmp_path):
    """Sharing a port must not let two gateways divide the clients of one address."""
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(("127.0.0.1", port))
        with pytest.raises(AssertionError, match="ended at once") as told:
            Proxy(tmp_path, sections=THREE % "", port=port)
    assert "cannot bind 127.0.0.1:%d: Address already in use" % port in str(told.value)


def test_counters_are_summed_over_workers(three):
    pairs = [Pair(three) for _ in range(8)]
    for pair in pairs:
        pair.exchange()
    assert len({serving_worker(three, pair) for pair in pairs}) > 1
    three.process.send_signal(signal.SIGUSR2)
    logged(three, r"^requests 8$")
    logged(three, r"^responses 8$")
    logged(three, r"^route\.fwd\.responses 8$")


# ---- a death ----


def test_a_killed_worker_moves_no_client_and_loses_no_datagram(three):
    pairs = [Pair(three) for _ in range(8)]
    before = [serving_worker(three, pair) for pair in pairs]
    old = pids(three)
    os.kill(old[1], signal.SIGKILL)
    sent = [pair.send() for pair in pairs]  # some of them into the socket of nobody
    for pair, request, worker in zip(pairs, sent, before):
        for up in pair.device.pending():
            pair.device.answer(up)
        answer = pair.client.recv()
        # what another worker had handed to the dead one is lost with it, and told
        assert answer.token == request.token and answer.code in ((coap.CONTENT,) if worker == 1 else (coap.CONTENT, UNAVAILABLE))
    now = pids(three)
    assert now[0] == old[0] and now[2] == old[2] and now[1] != old[1]
    assert [serving_worker(three, pair) for pair in pairs] == before
    assert "worker 1 (process %d) was ended by signal 9" % old[1] in three.explain()


def test_a_duplicate_whose_exchange_died_is_not_carried_out_again(three):
    """OSCORE: 5.04. The origin sees it once."""
    pair = Pair(three)
    worker = serving_worker(three, pair)
    request = pair.client.send(oscore_request(pair))
    pair.device.recv()
    os.kill(pids(three)[worker], signal.SIGKILL)
    until(lambda: status_of(pids(three)[worker]))
    pair.client.send_raw(request.encode(), pair.client.to)
    assert pair.client.recv().code == TIMEOUT
    pair.device.quiet()


def test_an_origin_may_use_an_id_towards_a_successor_again(start):
    """Its source ports are new, so for the origin it is another endpoint."""
    proxy = start(sections='process: { workers = 1; user = ""; };')
    pair = Pair(proxy)
    for _ in range(2):
        request, up = pair.forward()
        pair.device.ack(up)
        pair.device.separate(up, mid=0x6464)
        assert pair.client.recv().token == request.token
        assert pair.device.recv().mid == 0x6464
        os.kill(pids(proxy)[0], signal.SIGKILL)
        until(lambda: status_of(pids(proxy)[0]))


def test_a_worker_that_dies_young_again_and_again_is_not_started_in_a_rush(plain):
    for i in range(3):
        os.kill(until(lambda: plain.worker(1)), signal.SIGKILL)
        until(lambda: len(re.findall(r"worker 1 \(process \d+\) was ended by signal 9$", plain.explain(), re.M)) == i + 1)
    logged(plain, r"worker 1 has died 3 times soon after its start: the next starts in 1 s$")
    until(lambda: len(plain.workers()) == 3)
    Pair(plain).exchange()


def test_a_worker_that_hangs_is_replaced(plain):
    victim = plain.workers()[0]
    os.kill(victim, signal.SIGSTOP)
    logged(plain, r"worker \d \(process %d\) does not turn any more: it is killed" % victim)
    until(lambda: victim not in plain.workers() and len(plain.workers()) == 3)


def test_workers_end_with_their_parent(plain):
    workers = plain.workers()
    plain.process.kill()
    plain.process.wait()
    until(lambda: not any(status_of(pid) for pid in workers))


def test_no_worker_starts_without_a_parent():
    done = subprocess.run([str(BUILD / "oscore-proxy"), "--worker"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 1 and "--worker" in done.stderr


# ---- the end ----


def test_signals_of_the_terminal_do_not_reach_workers(plain):
    for pid in plain.workers():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(pid, number)
    pair = Pair(plain)
    pair.exchange()
    assert "ended" not in plain.explain()


def test_what_is_under_way_is_answered_before_the_end(three):
    pair = Pair(three)
    request, up = pair.forward()
    three.process.send_signal(signal.SIGTERM)
    logged(three, "no new exchange from now on")
    three.settle()  # every worker has heard it
    late = Pair(three)
    refused = late.client.ask(late.request())
    assert refused.code == UNAVAILABLE
    pair.device.answer(up)
    assert three.process.wait(PATIENCE) == 0
    assert pair.client._read().token == request.token


def test_what_is_not_answered_in_time_is_given_up(three):
    pair = Pair(three)
    request, _ = pair.forward()
    three.process.send_signal(signal.SIGTERM)
    logged(three, "no new exchange from now on")
    three.steer.sendall(b"advance 10001\n")
    assert three.process.wait(PATIENCE) == 0
    acknowledged, answer = pair.client._read(), pair.client._read()
    assert acknowledged.mid == request.mid and answer.token == request.token and answer.code == TIMEOUT


def test_a_second_signal_ends_at_once(plain):
    pair = Pair(plain)
    pair.forward()
    plain.process.send_signal(signal.SIGTERM)
    logged(plain, "no new exchange from now on")
    assert plain.process.poll() is None
    plain.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert plain.process.wait(PATIENCE) == 0
    assert time.monotonic() - began < 5


# ---- a new configuration ----


def test_a_reload_brings_new_routes_to_all_workers(three):
    pairs = [Pair(three) for _ in range(6)]
    for pair in pairs:
        pair.exchange()
    reload(three, "forward-to", "deny = true; forward-to", r"configuration in force \(generation 2\)")
    for pair in pairs:
        assert pair.refused().code == FORBIDDEN


def test_a_bad_file_changes_nothing_and_every_error_is_told(three):
    text = three.config.read_text()
    three.config.write_text(text + "nonsense: 1;\nroutes: { again: { }; };\nlimits: { origins = -1; };\n")
    three.process.send_signal(signal.SIGHUP)
    logged(three, "the configuration stays as it was")
    three.config.write_text(text.replace("listeners:", "listeners: { other: { wrong = 1; url = 7; }; };\nold:"))
    seen = len(three.explain())
    three.process.send_signal(signal.SIGHUP)
    until(lambda: "stays as it was" in three.explain()[seen:])
    assert len(re.findall(r"error: .*proxy\.conf:\d+: ", three.explain()[seen:])) >= 3
    Pair(three).exchange()


@pytest.mark.parametrize("old, new, setting", [("workers = 3", "workers = 2", "process.workers"),
                                               ("workers = 3;", 'workers = 3; crossing-memory = "2MB";', "process.crossing-memory")])
def test_what_is_fixed_is_refused_by_name(three, old, new, setting):
    reload(three, old, new, re.escape(setting) + " is fixed until the gateway is restarted")
    logged(three, "the configuration stays as it was")
    assert len(pids(three)) == 3
    Pair(three).exchange()


def test_a_new_listener_serves_and_a_removed_one_until_its_clients_are_done(three):
    other = free_port()
    line = 'coap: { url = "coap://127.0.0.1:%d"; };' % three.port
    pair = Pair(three)
    pair.exchange()
    reload(three, line, line + ' two: { url = "coap://127.0.0.1:%d"; };' % other, r"listener two on 127\.0\.0\.1:%d" % other)
    logged(three, r"generation 2")
    moved = Pair(three, client=three.client(to=("127.0.0.1", other)))
    three.config.write_text(three.config.read_text().replace('from = ["coap"]; ', ""))
    reload(three, line, "", r"generation 3")
    moved.exchange()
    pair.send()
    assert pair.client.recv().code == UNAVAILABLE  # the socket is there, its listener is not
    pair.device.quiet()
    three.advance(250_000)
    three.settle()
    until(lambda: ":%04X " % three.port not in pathlib.Path("/proc/net/udp").read_text(), "the port is still bound")
    moved.exchange()


def test_a_reload_may_name_an_interface(three):
    """Which a worker, confined as it is, has to look up."""
    reload(three, "routes: {", 'routes: { zone: { hosts = ["z.example"]; to = ["coap://[fe80::1%lo]"]; };',
           r"configuration in force \(generation 2\)")


def test_a_listener_that_cannot_be_had_stops_a_reload(three):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        line = 'coap: { url = "coap://127.0.0.1:%d"; };' % three.port
        reload(three, line, line + ' two: { url = "coap://127.0.0.1:%d"; };' % s.getsockname()[1], "cannot bind")
    logged(three, "the configuration stays as it was")
    Pair(three).exchange()


def test_a_hundred_reloads_in_a_row(three):
    pair = Pair(three)
    for i in range(100):
        request, up = pair.forward()
        reload(three, "routes: {", "routes: { n%d: { deny = true; clients = [\"10.1.2.3\"]; };" % i,
               r"configuration in force \(generation %d\)" % (i + 2))
        pair.device.answer(up)
        assert pair.client.recv().token == request.token


def test_a_reload_while_a_worker_dies_is_made_again(three):
    os.kill(pids(three)[2], signal.SIGKILL)
    reload(three, "forward-to", "deny = true; forward-to", r"configuration in force \(generation 2\)")
    for _ in range(6):
        assert Pair(three).refused().code == FORBIDDEN


# ---- logs ----


class Logging(Plain):
    """Both logs in files."""

    def __init__(self, directory):
        self.service, self.access = directory / "service.log", directory / "access.log"
        super().__init__(directory, sections=(THREE % "") + 'log: { file = "%s"; access-file = "%s"; };' % (self.service, self.access),
                         routes='fwd: { forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; access-log = "text"; };')

    def explain(self):
        return "".join(p.read_text() for p in (self.log, self.service) if p.exists())


def test_logs_that_cannot_be_opened_stay_as_they_were(tmp_path):
    (tmp_path / "logs").mkdir()
    proxy = Logging(tmp_path / "logs")
    try:
        (tmp_path / "logs").rename(tmp_path / "away")
        proxy.service, proxy.access = tmp_path / "away/service.log", tmp_path / "away/access.log"
        proxy.log = tmp_path / "away/stderr"
        proxy.process.send_signal(signal.SIGUSR1)
        logged(proxy, r"log\.file: cannot open .*: No such file or directory$")
        Pair(proxy).exchange()
        until(lambda: proxy.access.read_text().count("\n") == 1)
    finally:
        proxy.end()


def has_prepared(pid):
    """Whether a worker has parsed what it was asked to, told so, and sleeps again."""
    mapped = pathlib.Path("/proc/%d/maps" % pid).read_text().count("memfd:package")
    tasks = sorted(pathlib.Path("/proc/%d/task" % pid).iterdir(), reverse=True)
    return (mapped == 2 and not any("memfd:package" in name for name in descriptors(pid).values())
            and all((task / "stat").read_text().rpartition(") ")[2][0] == "S" for task in tasks))


def test_a_worker_that_dies_while_others_commit_holds_nothing_up(tmp_path):
    """Its successor begins with what is being committed, so nobody waits for its word."""
    proxy = Plain(tmp_path, sections=THREE % 'watchdog = "60s";')
    try:
        line = 'coap: { url = "coap://127.0.0.1:%d"; };' % proxy.port
        first, _, last = workers = [proxy.worker(i) for i in range(3)]
        os.kill(first, signal.SIGSTOP)
        proxy.config.write_text(proxy.config.read_text().replace(line, line + ' two: { url = "coap://127.0.0.1:%d"; };' % free_port()))
        proxy.process.send_signal(signal.SIGHUP)
        until(lambda: all(has_prepared(pid) for pid in workers[1:]))
        os.kill(last, signal.SIGSTOP)
        os.kill(first, signal.SIGCONT)
        logged(proxy, "listener two on")
        os.kill(first, signal.SIGKILL)
        logged(proxy, "worker 0 serves")
        assert "generation 2" not in proxy.explain()
        os.kill(last, signal.SIGCONT)
        logged(proxy, r"configuration in force \(generation 2\)")
        reload(proxy, "two:", "three:", r"configuration in force \(generation 3\)")
    finally:
        proxy.end()


# ---- what is written ----


class Unread(Plain):
    """Its standard output and error are a pipe that nobody reads."""

    def launch(self):
        self.reader, writer = os.pipe()
        self.process = subprocess.Popen([str(BUILD.parent / "oscore-proxy"), "-c", str(self.config)], stdin=subprocess.DEVNULL,
                                        stdout=writer, stderr=writer)
        self.own_end = os.open("/proc/self/fd/%d" % writer, os.O_WRONLY | os.O_NONBLOCK)
        os.close(writer)

    def _start(self):
        self.launch()
        text = b""
        while b"ready" not in text:
            text += os.read(self.reader, 4096)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.own_end, b"." * 4096)


def test_nobody_waits_for_a_reader(tmp_path):
    proxy = Unread(tmp_path, sections=THREE % "")
    try:
        proxy.process.send_signal(signal.SIGUSR2)
        proxy.process.send_signal(signal.SIGHUP)
        for _ in range(6):
            Pair(proxy).exchange()
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(PATIENCE) == 0
    finally:
        os.close(proxy.reader)
        os.close(proxy.own_end)
        proxy.end()


# ---- limits of the system ----


def test_too_few_descriptors_stop_the_start_and_say_so(tmp_path):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    listeners = " ".join('l%d: { url = "coap://127.0.0.1:%d"; };' % (i, free_port()) for i in range(20))

    class Few(Plain):
        def _start(self):
            binary = BUILD.parent / "oscore-proxy"
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen([str(binary), "-c", str(self.config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))

    proxy = Few(tmp_path, listeners=listeners, routes="", sections=THREE % "")
    assert proxy.process.wait(PATIENCE) == 1
    assert "Too many open files" in proxy.explain()
    assert soft <= hard


# ---- sockets that are passed ----

@pytest.mark.parametrize("passed", [1, 3])
def test_passed_sockets_are_served_and_made_up_for(tmp_path, passed):
    proxy = Activated(tmp_path, passed, sections=THREE % "")
    try:
        for _ in range(8):
            Pair(proxy).exchange()
        assert not any(proxy.waiting())
    finally:
        proxy.end()


def test_more_passed_sockets_than_workers_stop_the_start(tmp_path):
    proxy = Activated(tmp_path, 4, sections=THREE % "")
    assert proxy.process.wait(PATIENCE) == 1
    assert "more sockets for a listener than there are workers" in proxy.explain()
