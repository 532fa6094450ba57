"""A service manager as the product sees it: the socket that it tells things to, and the descriptors that it is started with."""

import os
import select
import socket
import subprocess
import sys
import time

from harness import BUILD, READY
from house import PATIENCE, Plain, until

PROGRAM = BUILD.parent / "oscore-proxy"
# Becomes the program with the descriptors from 3 on; the environment is what comes behind the two lists.
LAUNCH = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",") if fd]
for i, fd in enumerate(fds):
    os.dup2(fd, 500 + i)
    os.close(fd)
for i in range(len(fds)):
    os.dup2(500 + i, 3 + i)
    os.set_inheritable(3 + i, True)
    os.close(500 + i)
environment = dict(pair.split("=", 1) for pair in sys.argv[2].split("|") if pair)
environment = {k: str(os.getpid()) if v == "SELF" else v for k, v in environment.items()}
os.execve(sys.argv[3], sys.argv[3:], environment)
"""


class Manager:
    """Takes the messages of NOTIFY_SOCKET; `store` has the descriptors that it was given to keep, by name."""

    def __init__(self, directory):
        self.path = str(directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.said, self.times, self.store = [], [], {}

    def take(self, timeout=0.0):
        """One message as a dictionary; None if none comes in that time."""
        if not select.select([self.socket], [], [], timeout)[0]:
            return None
        text, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
        message = dict(line.split("=", 1) for line in text.decode().split("\n"))
        self.said.append(message)
        self.times.append(time.monotonic())
        if "FDSTORE" in message:
            fd, = fds
            if message["FDNAME"] in self.store:
                os.close(fd)
            else:
                self.store[message["FDNAME"]] = fd
        else:
            assert not fds
        if "FDSTOREREMOVE" in message and message["FDNAME"] in self.store:
            os.close(self.store.pop(message["FDNAME"]))
        return message

    def wait(self, name):
        """The next message that has this assignment."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            message = self.take(end - time.monotonic())
            if message and name in message:
                return message
        raise AssertionError("%s is not told: %r" % (name, self.said))

    def close(self):
        self.socket.close()
        for fd in self.store.values():
            os.close(fd)


class Service(Plain):
    """The product binary, started by a manager. passed: sockets of a socket unit; environment: more of it."""

    program = str(PROGRAM)

    def __init__(self, directory, manager=None, passed=(), environment=None, before=(), options=None, ready=True, **kw):
        self.manager, self.passed, self.before = manager, list(passed), list(before)
        self.environment, self.options, self.ready = dict(environment or {}), dict(options or {}), ready
        super().__init__(directory, **kw)

    def _start(self):
        seen = len(self.explain()) if self.log.exists() else 0
        self.launch()
        if self.ready:
            until(lambda: READY.search(self.explain()[seen:]) or self.process.poll() is not None)
            assert self.process.poll() is None, self.explain()[seen:]

    def launch(self, **kw):
        environment = dict(self.environment)
        fds = [s.fileno() for s in self.passed]
        names = ["unit"] * len(fds)
        if self.manager:
            environment["NOTIFY_SOCKET"] = self.manager.path
            fds += self.manager.store.values()
            names += self.manager.store
        if fds:
            environment = {"LISTEN_PID": "SELF", "LISTEN_FDS": len(fds), "LISTEN_FDNAMES": ":".join(names), **environment}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        text = "|".join("%s=%s" % pair for pair in environment.items())
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.before, sys.executable, "-c", LAUNCH, ",".join(map(str, fds)), text, self.program, "-c",
                                             str(self.config)], pass_fds=fds, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            **self.options)

    def terminate(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.explain()

    def again(self):
        self._start()


def group_of(port, count):
    """So many sockets at one address, as a socket unit with ReusePort= has them."""
    out = []
    for _ in range(count):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(("127.0.0.1", port))
        out.append(s)
    return out
