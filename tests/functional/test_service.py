"""The product binary as a service: what it tells its manager, the sockets that it is given, restarts, logs and counters of several workers,
and how a start fails."""

import os
import pathlib
import re
import shutil
import signal
import socket
import tempfile
import time

import coap
import pytest
from harness import DEFAULT_ROUTE, Client, Pair, Proxy, free_port
from house import PATIENCE, THREE, Configured, logged, status_of, until
from manager import Manager, Service, group_of
from test_reload_load import Traffic

UNAVAILABLE = coap.code("5.03")
WORKERS = THREE % ""
SANDBOX_MISSING = "not separated: seccomp"  # a build with sanitizers


@pytest.fixture
def manager(tmp_path):
    m = Manager(tmp_path)
    yield m
    m.close()


@pytest.fixture
def serve(tmp_path):
    """serve(...): a Service of this test."""
    started = []

    def begin(directory=None, **kw):
        kw.setdefault("sections", WORKERS)
        # known before it is up, so that one that does not come up is ended too
        service = Service.__new__(Service)
        started.append(service)
        service.__init__(directory or tmp_path, **kw)
        return service

    yield begin
    for service in started:
        if getattr(service, "process", None):
            service.end()


# ---- what the manager is told ----


def test_ready_is_told_when_every_worker_is(serve, manager):
    """With one that is stopped before it has read its configuration there is no word of it."""
    routes = "".join('n%d: { clients = ["10.0.0.0/8"]; deny = true; };\n' % i for i in range(3000)) + DEFAULT_ROUTE
    service = serve(manager=manager, routes=routes, ready=False)
    victim, *others = until(lambda: len(service.workers()) == 3 and service.workers())
    os.kill(victim, signal.SIGSTOP)
    assert "ready" not in service.explain()
    until(lambda: all(status_of(pid)["Threads"] == "2" for pid in others))  # these have read it
    said = manager.take()
    while said:
        assert "READY" not in said
        said = manager.take()
    os.kill(victim, signal.SIGCONT)
    assert manager.wait("READY") == {"READY": "1"}
    assert "3 workers are ready" in service.explain()
    Pair(service).exchange()


def test_a_reload_is_told(serve, manager):
    service = serve(manager=manager)
    manager.wait("READY")
    for bad in (False, True, False):
        before = time.monotonic()
        if bad:
            text = service.config.read_text()
            service.config.write_text("nonsense")
        service.process.send_signal(signal.SIGHUP)
        said = manager.take(PATIENCE)
        assert set(said) == {"RELOADING", "MONOTONIC_USEC"} and said["RELOADING"] == "1"
        assert before <= int(said["MONOTONIC_USEC"]) / 1e6 + 1e-3 and int(said["MONOTONIC_USEC"]) / 1e6 <= time.monotonic()
        assert manager.take(PATIENCE) == {"READY": "1"}
        if bad:
            service.config.write_text(text)
            assert "stays as it was" in service.explain()
    logged(service, r"generation 3")


def test_the_end_is_told_first(serve, manager):
    service = serve(manager=manager)
    manager.wait("READY")
    pair = Pair(service)
    _, up = pair.forward()
    service.process.terminate()
    manager.wait("STOPPING")
    assert service.process.poll() is None
    pair.device.answer(up)
    assert pair.client.recv().code == coap.CONTENT
    assert service.process.wait(PATIENCE) == 0


def test_signs_of_life_come_at_half_the_time(serve, manager):
    """And not from anybody while the parent's loop does not turn."""
    service = serve(manager=manager, environment={"WATCHDOG_USEC": 300000, "WATCHDOG_PID": "SELF"})
    manager.wait("READY")
    for _ in range(6):
        manager.wait("WATCHDOG")
    times = [t for t, said in zip(manager.times, manager.said) if said == {"WATCHDOG": "1"}]
    assert 0.1 < (times[-1] - times[0]) / (len(times) - 1) < 0.25
    service.process.send_signal(signal.SIGSTOP)
    until(lambda: status_of(service.process.pid)["State"].startswith("T"))
    while manager.take():
        pass
    assert manager.take(0.5) is None
    Pair(service).exchange()  # its workers serve
    service.process.send_signal(signal.SIGCONT)
    manager.wait("WATCHDOG")


def test_signs_of_life_for_another_process_are_not_ours(serve, manager):
    serve(manager=manager, environment={"WATCHDOG_USEC": 40000, "WATCHDOG_PID": 1})
    manager.wait("READY")
    assert manager.take(0.3) is None


# ---- sockets ----


@pytest.mark.parametrize("workers, passed", [(1, 1), (3, 1), (3, 3)])
def test_passed_sockets_serve(serve, workers, passed):
    port = free_port()
    sockets = group_of(port, passed)
    for s in sockets:
        s.setblocking(False)
    service = serve(passed=sockets, port=port, sections=WORKERS.replace("3", str(workers)))
    for _ in range(12):
        Pair(service).exchange()
    for s in sockets:  # nothing waits there that nobody reads
        with pytest.raises(BlockingIOError):
            s.recv(1)
    held = {os.readlink("/proc/%d/fd/%d" % (service.process.pid, int(fd))) for fd in os.listdir("/proc/%d/fd" % service.process.pid)}
    assert all("socket:[%d]" % os.fstat(s.fileno()).st_ino in held for s in sockets)


def test_wrong_sockets_are_refused_by_name_and_reason(serve):
    port = free_port()
    stream, unix = socket.socket(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    unbound, connected = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    connected.connect(("127.0.0.1", 9))
    other, = group_of(free_port(), 1)
    service = serve(passed=[stream, unix, unbound, connected, other, *group_of(port, 3)], port=port)
    said = service.explain()
    for number, reason in enumerate(["is not bound", "is a socket of another address family", "is not bound", "is connected to one peer"]):
        assert "passed descriptor %d (unit) %s: not used" % (3 + number, reason) in said
    assert re.search(r"passed socket unit at 127.0.0.1:%d belongs to no listener: not used" % other.getsockname()[1], said)
    for _ in range(6):
        Pair(service).exchange()


def test_sockets_for_another_process_are_not_taken(serve):
    """The address is bound already, so they are missed."""
    port = free_port()
    service = serve(passed=group_of(port, 3), port=port, environment={"LISTEN_PID": "1"}, ready=False)
    assert service.process.wait(PATIENCE) == 1
    assert "cannot bind 127.0.0.1:%d: Address already in use" % port in service.explain()


def test_every_socket_is_given_to_the_manager(serve, manager):
    service = serve(manager=manager)
    manager.wait("READY")
    assert len(manager.store) == 3
    stored = {os.fstat(fd).st_ino for fd in manager.store.values()}
    held = {line.split()[9] for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]
            if line.split()[1].endswith(":%04X" % service.port)}
    assert {str(inode) for inode in stored} == held
    file = Configured(service)
    file.begin(listeners=file.listeners + 'two: { url = "coap://127.0.0.1:%d"; };' % free_port())
    manager.wait("RELOADING")
    manager.wait("READY")
    assert len(manager.store) == 6


def test_a_socket_that_is_closed_is_given_up(tmp_path, manager, monkeypatch):
    """247 s after its listener was removed; the steered clock."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    proxy = Proxy(tmp_path, sections=WORKERS)
    try:
        Pair(proxy).exchange()
        while manager.take():
            pass
        names = set(manager.store)
        assert len(names) == 3
        file = Configured(proxy)
        file.change(listeners='two: { url = "coap://127.0.0.1:%d"; };' % free_port(), routes="")
        proxy.advance(100_000)
        while manager.take():
            pass
        assert len(manager.store) == 6
        proxy.advance(150_000)
        for _ in range(3):
            manager.wait("FDSTOREREMOVE")
        assert len(manager.store) == 3 and not names & set(manager.store)
    finally:
        proxy.stop()


@pytest.mark.parametrize("kept", ["unit", "store"])
def test_a_restart_loses_no_datagram(serve, manager, kept):
    """Those that are sent to nobody wait. Nobody repeats a message here."""
    port = free_port()
    service = serve(manager=manager if kept == "store" else None, passed=group_of(port, 3) if kept == "unit" else (), port=port)
    traffic = Traffic(service, [service.address])
    try:
        traffic.begin()
        for count in (300, 600, 900):
            traffic.run(lambda: traffic.next > count, "no answers")
            if kept == "store":
                while manager.take():
                    pass
                assert len(manager.store) == 3
            service.process.terminate()
            traffic.run(lambda: service.process.poll() is not None, "it does not end")
            assert service.process.returncode == 0
            late = [Pair(service) for _ in range(12)]
            for pair in late:
                pair.send()
            service.again()
            for pair in late:
                pair.device.answer(pair.device.recv())
                assert pair.client.recv().code == coap.CONTENT
        traffic.run(lambda: traffic.next > 1200, "no answers")
        traffic.finish()
    finally:
        traffic.close()
    refused = {n for n, code in traffic.codes.items() if code == UNAVAILABLE}
    assert set(traffic.codes.values()) <= {coap.CHANGED, UNAVAILABLE}
    assert set(traffic.ledger) == set(traffic.codes) - refused and all(len(c) == 1 for c in traffic.ledger.values())


def test_what_a_crash_of_all_leaves_comes_back(serve, manager):
    service = serve(manager=manager)
    manager.wait("READY")
    names = set(manager.store)
    service.process.kill()
    service.process.wait()
    pairs = [Pair(service) for _ in range(12)]
    for pair in pairs:
        pair.send()
    service.again()
    for pair in pairs:
        pair.device.answer(pair.device.recv())
        assert pair.client.recv().code == coap.CONTENT
    manager.wait("READY")
    assert set(manager.store) == names


def test_fewer_workers_after_a_restart_give_up_what_is_too_much(serve, manager):
    service = serve(manager=manager)
    manager.wait("READY")
    service.terminate()
    service.config.write_text(service.config.read_text().replace("workers = 3", "workers = 2"))
    service.again()
    manager.wait("READY")
    assert len(manager.store) == 2
    for _ in range(12):
        Pair(service).exchange()


# ---- logs and counters ----


def test_rotated_logs_have_every_line_whole(serve, tmp_path):
    """Renamed and opened anew, again and again, while three workers write."""
    (tmp_path / "logs").mkdir()
    service_log, access_log = tmp_path / "logs/service", tmp_path / "logs/access"
    routes = DEFAULT_ROUTE.replace("forward-to", 'access-log = "json"; forward-to')
    service = serve(routes=routes, sections=WORKERS + '\nlog: { file = "%s"; access-file = "%s"; };\n' % (service_log, access_log),
                    ready=False)
    until(lambda: service_log.exists() and "are ready" in service_log.read_text())
    traffic = Traffic(service, [service.address])
    refused = [Pair(service, "reverse", client=Client(service, host="127.250.%d.1" % i), device=traffic.devices[0], host="no.example")
               for i in range(40)]
    try:
        traffic.begin()
        for i in range(40):
            refused[i].send()
            if i % 2:
                for log in (service_log, access_log):
                    log.rename("%s.%d" % (log, i))
                service.process.send_signal(signal.SIGUSR1)
                until(lambda: access_log.exists() and service_log.exists() and "opened anew" in service_log.read_text())
            enough = traffic.next + 40
            traffic.run(lambda: traffic.next >= enough, "no answers")
        for pair in refused:
            assert pair.client.recv().code == coap.code("4.04")
        traffic.finish()
    finally:
        traffic.close()
    service.terminate()
    assert len(list((tmp_path / "logs").iterdir())) == 42
    lines = [line for p in (tmp_path / "logs").glob("access*") for line in p.read_text().splitlines()]
    assert len(lines) == traffic.next
    assert all(re.fullmatch(r'\{"time":"[^"]+","route":"fwd",.*"retransmissions":\d+\}', line) for line in lines)
    text = "".join(p.read_text() for p in (tmp_path / "logs").glob("service*"))
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (info|warning): ", line) for line in text.splitlines())
    told = re.findall(r"refused_no_route: GET from 127\.250\.(\d+)\.1:\d+ at coap", text)
    assert sorted(map(int, told)) == list(range(40)), text[-2000:]
    assert len(set(re.findall(r"worker (\d): refused", text))) > 1


def counters(service):
    """What SIGUSR2 prints: every line of it is a name and a number."""
    seen = len(service.explain())
    service.process.send_signal(signal.SIGUSR2)
    until(lambda: "\n" in service.explain()[seen:])
    service.process.send_signal(signal.SIGUSR1)
    until(lambda: "opened anew" in service.explain()[seen:])  # so all is printed
    lines = service.explain()[seen:].splitlines()[:-1]
    assert all(re.fullmatch(r"[a-z][a-z0-9_.-]* \d+", line) for line in lines), lines
    names = [line.split()[0] for line in lines]
    assert len(names) == len(set(names))
    return {line.split()[0]: int(line.split()[1]) for line in lines}


def test_counters_are_sums_over_workers(serve):
    service = serve(routes=DEFAULT_ROUTE + 'no: { hosts = ["no.example"]; deny = true; };')
    zero = counters(service)
    assert set(zero.values()) == {0} and not any(name.startswith("route.") for name in zero)
    pairs = [Pair(service) for _ in range(15)]
    for pair in pairs:
        pair.exchange()
        pair.exchange()
    for pair in pairs[:7]:
        refused = Pair(service, "reverse", client=pair.client, device=pair.device, host="no.example")
        refused.send()
        assert refused.client.recv().code == coap.code("4.03")
    now = counters(service)
    different = {name: value for name, value in now.items() if value != zero.get(name, 0)}
    assert 0 < different.pop("crossed") <= 30
    assert different == {"requests": 37, "forwarded": 30, "responses": 37, "route.fwd.requests": 30, "route.fwd.responses": 30,
                         "refused_forbidden": 7, "route.no.requests": 7, "route.no.responses": 7, "route.no.refused_forbidden": 7}


# ---- privileges ----


@pytest.fixture
def open_folder():
    """A folder that every user can read, with the program in it."""
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copy(Service.program, folder / "oscore-proxy")
    yield folder
    shutil.rmtree(folder)


def test_without_privileges_it_runs_and_says_what_is_missing(open_folder):
    class Own(Service):
        program = str(open_folder / "oscore-proxy")

    options = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    uid = 65534 if options else os.geteuid()
    service = Own(open_folder, options=options, sections=WORKERS.replace('""', '"nobody"'))
    try:
        for _ in range(6):
            Pair(service).exchange()
        said = service.explain()
        assert "not separated: user: workers run as uid %d: no CAP_SETUID and CAP_SETGID" % uid in said
        assert "not separated: ports: those below 1024 may not be had: no CAP_NET_BIND_SERVICE" in said
        assert status_of(service.process.pid)["CapEff"] == "0" * 16
        for pid in service.workers():
            status = status_of(pid)
            assert status["Uid"].split() == [str(uid)] * 4
            assert (status["CapEff"], status["CapPrm"], status["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
            assert status["Seccomp"] == ("0" if SANDBOX_MISSING in said else "2")
        file = Configured(service)
        file.write()
        # the user is another one now than at the start, which is refused
        service.process.send_signal(signal.SIGHUP)
        logged(service, "process.user is fixed until the gateway is restarted")
        service.terminate()
    finally:
        service.end()


# ---- starts that fail ----


def failed(service):
    assert service.process.wait(PATIENCE) == 1, service.explain()
    until(lambda: not service.workers())
    return service.explain()


def test_an_address_in_use(serve):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
        said = failed(serve(port=port, ready=False))
    assert re.search(r"error: listener coap: cannot bind 127\.0\.0\.1:%d: Address already in use$" % port, said, re.M)


def test_an_address_that_is_not_there(serve):
    said = failed(serve(listeners='coap: { url = "coap://192.0.2.77:5683"; };', ready=False))
    assert re.search(r"error: listener coap: cannot bind 192\.0\.2\.77:5683: Cannot assign requested address$", said, re.M)


@pytest.mark.parametrize("setting", ["file", "access-file"])
def test_a_log_that_cannot_be_written(serve, tmp_path, setting):
    said = failed(serve(sections=WORKERS + '\nlog: { %s = "%s/none/log"; };' % (setting, tmp_path), ready=False))
    assert "error: log.%s: cannot open %s/none/log: No such file or directory" % (setting, tmp_path) in said


@pytest.mark.parametrize("environment, reason", [({"LISTEN_PID": "SELF", "LISTEN_FDS": "many"}, 'LISTEN_FDS "many" is no number'),
                                                 ({"LISTEN_PID": "me", "LISTEN_FDS": "1"}, 'LISTEN_PID "me" is no process')])
def test_an_environment_that_makes_no_sense(serve, environment, reason):
    assert reason in failed(serve(environment=environment, ready=False))


def test_a_bad_configuration(serve):
    said = failed(serve(routes="x: { nothing = 1; };", sections=WORKERS + "\nlimits: { exchanges = 0; };", ready=False))
    assert len(re.findall(r"proxy\.conf:\d+: ", said)) >= 2
