"""The product binary started as root: workers of another user, exactly four capabilities for the parent, low ports, and what a parent
without the other rights of root can still do. Every test here needs root."""

import os
import re
import signal
import socket

from coap import PROXY_URI, Message
from harness import DEFAULT_ROUTE, Client, NameServer, Pair
from house import THREE, logged, status_of, until
from test_service import SANDBOX_MISSING, failed, serve  # noqa: F401

NOBODY = 65534
WORKERS = THREE.replace('""', '"nobody"') % ""
FOUR = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10  # KILL, SETGID, SETUID, NET_BIND_SERVICE


def test_workers_are_nobody_and_the_parent_has_four_capabilities(serve):
    """Root: users are changed."""
    service = serve(sections=WORKERS)
    said = service.explain()
    confined = SANDBOX_MISSING not in said
    parent = status_of(service.process.pid)
    assert [int(parent[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")] == [FOUR] * 3
    assert int(parent["CapInh"], 16) == int(parent["CapAmb"], 16) == 0 and parent["NoNewPrivs"] == "1"
    assert len(service.workers()) == 3
    for pid in service.workers():
        status = status_of(pid)
        assert status["Uid"].split() == status["Gid"].split() == [str(NOBODY)] * 4 and status["Groups"].split() == []
        assert all(int(status[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"))
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2" if confined else "0")
    assert confined == (not re.search("not separated", said)), said
    for _ in range(6):
        Pair(service).exchange()


def test_a_successor_is_nobody_too_and_one_that_hangs_can_be_killed(serve):
    """Root: the parent has to signal processes of another user."""
    service = serve(sections=WORKERS.replace("workers", 'watchdog = "1s"; workers'))
    victims = service.workers()
    os.kill(victims[0], signal.SIGKILL)
    os.kill(victims[1], signal.SIGSTOP)
    logged(service, r"process %d\) does not turn any more: it is killed" % victims[1])
    now = until(lambda: len(service.workers()) == 3 and not set(victims[:2]) & set(service.workers()) and service.workers())
    until(lambda: all((status_of(pid) or {"Uid": ""})["Uid"].split() == [str(NOBODY)] * 4 for pid in now))
    for _ in range(6):
        Pair(service).exchange()


def test_a_port_below_1024(serve):
    """Root: also one that comes with a reload, when the other rights are gone."""
    ports = []
    for port in range(600, 1023):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind(("127.0.0.1", port))
                ports.append(port)
            except OSError:
                continue
        if len(ports) == 2:
            break
    service = serve(port=ports[0], sections=WORKERS)
    Pair(service).exchange()
    text = service.config.read_text()
    line = 'coap: { url = "coap://127.0.0.1:%d"; };' % ports[0]
    service.config.write_text(text.replace(line, line + 'two: { url = "coap://127.0.0.1:%d"; };' % ports[1]).replace('from = ["coap"]; ', ""))
    service.process.send_signal(signal.SIGHUP)
    logged(service, r"configuration in force \(generation 2\)")
    for _ in range(6):
        Pair(service, client=Client(service, to=("127.0.0.1", ports[1]))).exchange()


def test_a_user_that_does_not_exist(serve):
    """Root: without the right to change users nobody is looked up."""
    said = failed(serve(sections=WORKERS.replace("nobody", "no-such-user"), ready=False))
    assert re.search("error: process.user: there is no user no-such-user$", said, re.M)


def test_a_file_that_only_its_owner_may_read_stops_a_reload(serve):
    """Root: it is read at the start, when the parent has every right, and not after that. Logs that root owns are opened anew."""
    service = serve(sections=WORKERS)
    os.chown(service.config, NOBODY, NOBODY)
    service.config.chmod(0o600)
    service.process.send_signal(signal.SIGHUP)
    logged(service, r"proxy\.conf:.*: Permission denied")
    logged(service, "stays as it was")
    service.config.chmod(0o644)
    service.process.send_signal(signal.SIGHUP)
    logged(service, "generation 2")


def test_logs_of_root_are_written_by_nobody(serve, tmp_path):
    """Root: the workers have the descriptors alone, also after a rotation."""
    log, access = tmp_path / "service.log", tmp_path / "access.log"
    routes = DEFAULT_ROUTE.replace("forward-to", 'access-log = "text"; forward-to')
    service = serve(routes=routes, ready=False, sections=WORKERS + '\nlog: { file = "%s"; access-file = "%s"; };\n' % (log, access))
    until(lambda: log.exists() and "are ready" in log.read_text())
    for i in range(3):
        for _ in range(5):
            Pair(service).exchange()
        assert len(access.read_text().splitlines()) == 5
        assert access.stat().st_uid == 0 and access.stat().st_mode & 0o777 == 0o640
        access.rename(tmp_path / ("old.%d" % i))
        service.process.send_signal(signal.SIGUSR1)
        until(lambda: access.exists() and len(re.findall("opened anew", log.read_text())) == i + 1)


def test_names_of_the_host_are_read_anew(serve, tmp_path):
    """Root: /etc/hosts is another file in a mount namespace of the gateway."""
    hosts, resolv = tmp_path / "hosts", tmp_path / "resolv.conf"
    nobody = NameServer()
    resolv.write_text("nameserver %s:%d\n" % (nobody.host, nobody.port))
    hosts.write_text("127.0.0.1 localhost\n")
    before = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
    routes = 'fwd: { from = ["coap"]; forward-to = ["coap://*.example:*"]; allow-networks = ["127.0.0.0/8"]; };'
    service = serve(before=before, routes=routes, sections=WORKERS + '\nupstream: { resolv-conf = "%s"; };\n' % resolv)
    try:
        for generation in range(2, 5):
            pairs = [Pair(service) for _ in range(5)]
            with open(hosts, "w") as f:  # the same file, as it is bound
                f.write("".join("%s d%d.example\n" % (pair.device.host, i) for i, pair in enumerate(pairs)))
            service.process.send_signal(signal.SIGHUP)
            logged(service, r"generation %d" % generation)
            for i, pair in enumerate(pairs):
                pair.client.send(Message(options=[(PROXY_URI, "coap://d%d.example:%d/" % (i, pair.device.port))]))
                pair.device.answer(pair.device.recv())
                pair.client.recv()
        assert nobody.take(0) is None
    finally:
        nobody.close()
