"""The processes of a gateway as tests see them: who they are, what is in their log, and the product binary beside the test build."""

import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import time

import coap
from coap import CON, RST
from harness import BUILD, DEFAULT_ROUTE, READY, Proxy, free_port

PATIENCE = 20  # seconds of real time for what other processes do
THREE = 'process: { workers = 3; user = ""; %s };'


def until(condition, what="it does not come to be so"):
    """Waits for what a process does on its own: the steered clock has no part in it."""
    end = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, what() if callable(what) else what
        select.select([], [], [], 0.01)


def pids(proxy):
    return [int(word) for word in proxy.command("pids").split()]


def status_of(pid):
    try:
        text = pathlib.Path("/proc/%d/status" % pid).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    return None if fields["State"].startswith("Z") else fields


def parent_of(pid):
    return int(status_of(pid)["PPid"])


def descriptors(pid):
    folder = "/proc/%d/fd" % pid
    held = {}
    for name in os.listdir(folder):
        try:
            held[int(name)] = os.readlink("%s/%s" % (folder, name))
        except FileNotFoundError:
            pass  # closed meanwhile
    return held


def logged(proxy, pattern):
    return until(lambda: re.search(pattern, proxy.explain(), re.M), lambda: "%s is not in the log:\n%s" % (pattern, proxy.explain()))


def serving_worker(proxy, pair, count=3):
    """The number of the worker that has this pair's client: the one that counts its ping."""
    before = [proxy.counters(i)["pings"] for i in range(count)]
    pair.client.send_raw(coap.empty(CON, pair.client.take_mid()), pair.client.to)
    assert pair.client.recv().type == RST
    worker, = [i for i in range(count) if proxy.counters(i)["pings"] != before[i]]
    return worker


class Plain(Proxy):
    """The product beside the test build: its clock runs, nothing steers it."""

    def _start(self):
        self.launch()
        until(lambda: READY.search(self.explain()), lambda: "the proxy is not ready\n" + self.explain())

    def launch(self, **kw):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(BUILD.parent / "oscore-proxy"), "-c", str(self.config)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, **kw)

    def settle(self):
        pass

    def workers(self):
        return sorted(int(p.name) for p in pathlib.Path("/proc").iterdir()
                      if p.name.isdigit() and (status_of(int(p.name)) or {}).get("PPid") == str(self.process.pid))

    def worker(self, number):
        """Its process; None while there is none."""
        for pid in self.workers():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile
                if pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().startswith(b"oscore-proxy: worker %d\0" % number):
                    return pid
        return None

    def end(self):
        self.close_peers()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def reload(proxy, old, new, expect):
    text = proxy.config.read_text()
    assert old in text
    proxy.config.write_text(text.replace(old, new))
    proxy.process.send_signal(signal.SIGHUP)
    logged(proxy, expect)


PASS = """
import os, sys
for i, fd in enumerate(map(int, sys.argv[1].split(","))):
    os.dup2(fd, 100 + i)
for i in range(len(sys.argv[1].split(","))):
    os.dup2(100 + i, 3 + i)
    os.set_inheritable(3 + i, True)
    os.close(100 + i)
os.execve(sys.argv[2], sys.argv[2:], {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(i + 1)})
"""


class Activated(Plain):
    """Started as a service manager starts it that holds the listener's sockets."""

    def __init__(self, directory, count, **kw):
        self.passed = []
        port = free_port()
        for _ in range(count):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            s.bind(("127.0.0.1", port))
            self.passed.append(s)
        super().__init__(directory, port=port, **kw)

    def _start(self):
        fds = [s.fileno() for s in self.passed]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([sys.executable, "-c", PASS, ",".join(map(str, fds)), str(BUILD.parent / "oscore-proxy"), "-c",
                                             str(self.config)], pass_fds=fds, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: READY.search(self.explain()) or self.process.poll() is not None)

    def waiting(self):
        return [bool(select.select([s], [], [], 0)[0]) for s in self.passed]


class Configured:
    """The file of a running gateway, changed part by part."""

    def __init__(self, proxy, routes=DEFAULT_ROUTE, sections="", listeners=None, processes=THREE % ""):
        self.proxy, self.generation = proxy, 1
        self.routes, self.sections, self.processes = routes, sections, processes
        self.listeners = listeners or 'coap: { url = "coap://127.0.0.1:%d"; };' % proxy.port

    def write(self, routes=None, sections=None, listeners=None):
        self.routes = self.routes if routes is None else routes
        self.sections = self.sections if sections is None else sections
        self.listeners = self.listeners if listeners is None else listeners
        self.proxy.config.write_text("listeners: { %s };\nroutes: {\n%s};\n%s\n%s" % (self.listeners, self.routes, self.sections, self.processes))

    def begin(self, **parts):
        self.write(**parts)
        self.generation += 1
        self.proxy.process.send_signal(signal.SIGHUP)

    def change(self, **parts):
        """Returns when it is in force in all workers."""
        self.begin(**parts)
        logged(self.proxy, r"configuration in force \(generation %d\)" % self.generation)
        self.proxy.settle()

    def refused(self, text=None):
        """Sends SIGHUP with that text as the file, or with what is there; returns what the log says of it."""
        seen = len(self.proxy.explain())
        if text is not None:
            self.proxy.config.write_text(text)
        self.proxy.process.send_signal(signal.SIGHUP)
        until(lambda: "stays as it was" in self.proxy.explain()[seen:], lambda: self.proxy.explain()[seen:])
        return self.proxy.explain()[seen:]


def printed(proxy):
    """What SIGUSR2 prints."""
    seen = len(proxy.explain())
    proxy.process.send_signal(signal.SIGUSR2)
    until(lambda: "\n" in proxy.explain()[seen:])
    proxy.settle()  # the parent obeys when it has printed all
    return {name: int(value) for name, value in re.findall(r"^(\S+) (\d+)$", proxy.explain()[seen:], re.M)}
