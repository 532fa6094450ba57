"""A gateway with a route that reads: its provisioning file, its reader, and a message that can be opened."""

import os
import pathlib
import signal

import coap
from harness import DEFAULT_ROUTE, Pair, Proxy, fresh_address
from house import until

# RFC 8613 C.1 and C.4: the client's side of the context, and its request, a GET of /tv1.
KEYS = """context vector
	algorithm AES-CCM-16-64-128
	common-iv 4622d4dd6d944168eefb54987c
	sender - f0910ed7295e6ad4b54fc793154302ff
	sender 01 none
"""
OPTION, PAYLOAD = bytes.fromhex("0914"), bytes.fromhex("612f1092f1776f1c1668b3825e")

READS = """
contexts: { lab: { keys = "%s"; }; };
reads: {
  gate: { context = "lab"; deny = ["PUT /tv1"]; %s };
};
%s
"""


def children(pid):
    return [int(word) for word in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def command_of(pid):
    try:
        return pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().split(b"\0")[0]
    except (FileNotFoundError, ProcessLookupError):
        return b""


class Reading(Proxy):
    """One with a gate (route `gate`, host gate.example) before a device of its own, beside the route of the others."""

    def __init__(self, directory, keys=KEYS, gate="", sections="", **kw):
        self.keys = pathlib.Path(directory) / "lab.keys"
        self.put_keys(keys)
        self.origin = fresh_address()
        routes = '  gate: { hosts = ["gate.example"]; to = ["coap://%s:5683"]; require = ["oscore"]; read = "gate"; };\n' % self.origin
        super().__init__(directory, routes=routes + DEFAULT_ROUTE, sections=READS % (self.keys, gate, sections), **kw)

    def put_keys(self, text, mode=0o600):
        """In the place of what is there, which stays as it is for whoever has it open."""
        new = self.keys.with_suffix(".new")
        new.write_text(text)
        new.chmod(mode)
        new.rename(self.keys)

    def readers(self):
        return [pid for pid in children(self.process.pid) if command_of(pid) == b"oscore-proxy: reader"]

    def reader(self):
        """The process of the one that there is."""
        return until(self.readers)[0]

    def kill_reader(self):
        """Returns how often one has begun to serve by now, for serves_again()."""
        gone = self.reader()
        seen = self.explain().count("the reader serves")
        os.kill(gone, signal.SIGKILL)
        until(lambda: gone not in self.readers())
        return seen

    def serves_again(self, seen):
        until(lambda: self.explain().count("the reader serves") > seen, self.explain)
        self.settle()  # the workers know it too


class Gate(Pair):
    """A client and the device behind the gate."""

    def __init__(self, proxy):
        super().__init__(proxy, "reverse", device=proxy.device(proxy.origin, 5683), host="gate.example")

    def asked(self, payload=PAYLOAD):
        return self.request(coap.POST, path=(), options=[(coap.OSCORE, OPTION)], payload=payload)

    def passes(self):
        """It goes there and back, as it is."""
        self.client.send(self.asked())
        up = self.device.recv()
        assert up.first(coap.OSCORE) == OPTION and up.payload == PAYLOAD
        self.device.answer(up, coap.CHANGED, payload=b"sealed")
        assert self.client.recv().payload == b"sealed"

    def is_refused(self, code, payload=PAYLOAD):
        self.client.send(self.asked(payload))
        assert self.client.recv().code == code
        self.quiet()
