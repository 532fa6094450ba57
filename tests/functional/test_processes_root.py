"""What only root may look at or bring about in the processes of a gateway: their descriptors, environments and limits. Needs root."""

import pathlib
import re
import resource
import signal
import subprocess

import coap
from coap import NON, POST
from harness import SANITIZER, Client, Device, Pair
from house import THREE, Plain, descriptors, logged, pids, until
from test_faults import TWO, UNAVAILABLE, pump
from test_processes import Logging, plain, three  # noqa: F401 (fixtures)


def test_a_worker_has_an_empty_environment(plain):
    for pid in plain.workers():
        assert pathlib.Path("/proc/%d/environ" % pid).read_bytes() == b""


def test_a_worker_holds_no_file_and_its_own_sockets_alone(three):
    for pid in pids(three):
        held = descriptors(pid)
        files = {fd: name for fd, name in held.items() if name.startswith("/") and not name.startswith("/memfd:")}
        assert files.pop(0) == "/dev/null"
        assert set(files.values()) <= {str(three.log)}  # the log, which is standard output and error too
        sockets = [name for name in held.values() if name.startswith("socket:")]
        assert len(sockets) == len(set(sockets))
        assert [name for name in held.values() if name.startswith("/memfd:")] == ["/memfd:duplicates (deleted)"]
    by_worker = [{name for name in descriptors(pid).values() if name.startswith("socket:")} for pid in pids(three)]
    assert not by_worker[0] & by_worker[1] and not by_worker[1] & by_worker[2] and not by_worker[0] & by_worker[2]


def test_rotated_logs_are_opened_anew_by_all(tmp_path):
    proxy = Logging(tmp_path)
    try:
        old_service, old_access = tmp_path / "service.log.1", tmp_path / "access.log.1"
        proxy.service.rename(old_service)
        proxy.access.rename(old_access)
        proxy.process.send_signal(signal.SIGUSR1)
        logged(proxy, "logs are opened anew$")
        held = until(lambda: all(str(proxy.access) in descriptors(pid).values() for pid in proxy.workers()) and
                     [set(descriptors(pid).values()) for pid in (proxy.process.pid, *proxy.workers())])
        assert not any(str(old) in names for names in held for old in (old_service, old_access))
        before = old_access.read_text()
        for _ in range(6):
            Pair(proxy).exchange()
        until(lambda: proxy.access.read_text().count("\n") == 6)
        assert old_access.read_text() == before
    finally:
        proxy.end()


def test_why_a_worker_cannot_be_started_is_in_the_log(tmp_path):
    """Its user has too many processes: that is found out behind fork(), where the parent's descriptors are gone."""
    class Full(Plain):
        def _start(self):
            self.launch(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (0, 0)))

    file = tmp_path / "service.log"
    # The kernel does not count who is just becoming the user, so there must be somebody who is.
    with subprocess.Popen(["sleep", "60"], user="nobody") as somebody:
        proxy = Full(tmp_path, sections='process: { workers = 2; user = "nobody"; }; log: { file = "%s"; };' % file)
        try:
            until(lambda: file.exists() and re.search("error: cannot start .*: Resource temporarily unavailable$", file.read_text(), re.M))
        finally:
            proxy.end()
            somebody.kill()


def test_full_memory_refuses_and_goes_on(tmp_path):
    """No more address space: new requests are refused, nobody dies, and with room again all is as before."""
    proxy = Plain(tmp_path, sections=TWO % "")
    try:
        silent, device = Device(proxy), Device(proxy)
        workers = proxy.workers()
        confined = not SANITIZER.search(proxy.explain()) and "sanitizer" not in proxy.explain()
        Pair(proxy, client=Client(proxy), device=silent).send(POST)
        for pid in workers if confined else ():
            size = int(open("/proc/%d/statm" % pid).read().split()[0]) * resource.getpagesize()
            resource.prlimit(pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
        clients = [Client(proxy) for _ in range(20)]
        for c in clients:
            pair = Pair(proxy, client=c, device=silent)
            for _ in range(600):
                c.send(pair.request(POST, payload=b"y" * 900, type=NON))
            pump([], [c], 0.05)
        refused = [m.code for c in clients for m in c.ledger if m.code]
        assert set(refused) <= {UNAVAILABLE} and (refused or not confined)
        assert proxy.workers() == workers
        for pid in workers if confined else ():
            resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        asking = Pair(proxy, client=Client(proxy), device=device)
        asking.send(POST, type=NON)
        pump([device], [asking.client], 5, lambda: asking.client.ledger)
        assert asking.client.ledger[0].code == coap.CHANGED
    finally:
        proxy.end()


def test_no_descriptor_for_a_source_port(start):
    """A request that would need one is refused; those that need none go on; later there is one again."""
    proxy = start(sections=THREE % "")
    limits = {}
    for pid in pids(proxy):
        limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (max(descriptors(pid)) + 1, limits[pid][1]))
    pair = Pair(proxy)
    assert pair.refused(POST).code == UNAVAILABLE
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    pair.exchange(POST)
    until(lambda: len(pids(proxy)) == 3)
