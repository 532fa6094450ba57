"""What the gateway reads, it reads between any two transports: the matrix once more, with OSCORE, each pair by a gate or by a tap.

Half of the routes deny /denied; its requests must have their answer from the gateway, which an OSCORE client takes for what it is. Nobody else
notices anything: bodies are whole, observations go on. What was read is seen by the counters.
"""

import asyncio
import re
import signal

import aiocoap
import aiocoap.error
import pytest

import matrix as matrices
import plugtest
from matrix import SCHEMES, THREE, Broken, Cell, Matrix, need, small
from matrix_device import context_ids

READS = """
contexts: {{ devices: {{ keys = "{folder}/contexts"; }}; }};
reader: {{ user = ""; }};
reads: {{
  gate: {{ context = "devices"; fields = ["code", "uri-path"]; deny = ["* /denied/**"]; deadline = "5s"; {paths} }};
  tap: {{ context = "devices"; fields = ["code", "uri-path"]; {paths} }};
}};
"""
PATHS = 'count-paths = ["/small", "/turned", "/watched/**", "/denied"];'


def is_gated(client, device):
    """Each transport stands on either side of both."""
    return (SCHEMES.index(client) + SCHEMES.index(device)) % 2 == 0


async def refused(client, device, payload, whole):
    """The gateway's own answer to what its gate denies; where there is only a tap, the device's."""
    try:
        answer = await client.ask(device, aiocoap.POST, "/denied", payload, whole=whole)
    except aiocoap.error.Error as error:
        plain = getattr(error, "plain_message", None)
        need(is_gated(client.scheme, device), f"refused: {error}")
        need(plain is not None and plain.code == aiocoap.UNAUTHORIZED, f"{plain} in the place of 4.01")
    else:
        need(not is_gated(client.scheme, device), f"{answer.code}: it has reached the device")
        need(answer.code == aiocoap.NOT_FOUND, f"{answer.code} in the place of 4.04")


async def some(client, device, name):
    await small(client, device, name)
    await refused(client, device, b"a few bytes", False)


async def three(client, device, _name):
    answer = await client.ask(device, aiocoap.POST, "/turned", THREE, whole=True)
    need((answer.code, answer.payload) == (aiocoap.CHANGED, THREE[::-1]), f"{answer.code} with {len(answer.payload)} bytes")
    if is_gated(client.scheme, device):
        await refused(client, device, THREE, True)


STEPS = {"small": some, "3 kB": three, "Observe": matrices.observe}
CELLS = [Cell(client, device, True, size) for client in SCHEMES for device in SCHEMES for size in STEPS]


def provisioning():
    contexts = [(client, device, plugtest.Context(*context_ids(client, device))) for client in SCHEMES for device in SCHEMES]
    return "".join(f"""context {client}-{device}
        algorithm AES-CCM-16-64-128
        common-iv {c.common_iv.hex()}
        sender {c.sender_id.hex()} {c.sender_key.hex()}
        sender {c.recipient_id.hex()} {c.recipient_key.hex()}
""".replace("+", "_") for client, device, c in contexts)


class ReadingMatrix(Matrix):
    def _gateway(self):
        gateway = super()._gateway()
        keys = self.folder / "contexts"
        keys.write_text(provisioning())
        keys.chmod(0o600)
        pairs = [(client, device) for client in SCHEMES for device in SCHEMES]
        gateway.routes[1:] = [re.sub(r" };$", f' read = "{"gate" if is_gated(*pair) else "tap"}"; }};', route)
                              for pair, route in zip(pairs, gateway.routes[1:])]
        gateway.groups += READS.format(folder=self.folder, paths=PATHS)
        return gateway

    async def _count(self):
        before = len(self.gateway.output())
        self.gateway.process.send_signal(signal.SIGUSR2)
        while not (text := self.gateway.output()[before:]).count("\nread.tap."):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)  # for the rest of it
        return {name: int(value) for name, value in re.findall(r"^(\S+) (\d+)$", self.gateway.output()[before:], re.M)}

    async def run(self, cells=CELLS):
        await super().run(cells)
        before, self.counters = None, await self._count()
        while self.counters != before:  # the last answers are read behind their clients' backs
            await asyncio.sleep(0.3)
            before, self.counters = self.counters, await self._count()


@pytest.fixture(scope="module")
def matrix(tmp_path_factory, in_loop):
    saved, matrices.STEPS = matrices.STEPS, STEPS
    m = ReadingMatrix(tmp_path_factory.mktemp("reading"))
    in_loop(m.start())
    loop = asyncio.get_event_loop()
    loop.run_until_complete(asyncio.wait_for(m.run(), 120))
    matrices.STEPS = saved
    yield m
    in_loop(m.stop())


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_cell(matrix, cell):
    assert not matrix.outcomes[cell].failure


def test_what_was_read(matrix):
    """Every message, by its method, path and code."""
    pairs = [(client, device) for client in SCHEMES for device in SCHEMES]
    gates = [pair for pair in pairs if is_gated(*pair)]
    taps = [pair for pair in pairs if not is_gated(*pair)]
    c = matrix.counters
    for way, count in (("gate", len(gates)), ("tap", len(taps))):
        assert c[f"read.{way}.GET./small"] == c[f"read.{way}.GET./small.2.05"] == count, {n: v for n, v in c.items() if n.startswith("read") or "refused" in n}
        assert c[f"read.{way}.PUT./watched/**"] == c[f"read.{way}.PUT./watched/**.2.04"] == 2 * count
        assert c[f"read.{way}.GET./watched/**"] >= count and c[f"read.{way}.GET./watched/**.2.05"] >= 2 * count
        # whole in either direction, whatever blocks the hops have made of it
        assert c[f"read.{way}.POST./turned"] == c[f"read.{way}.POST./turned.2.04"] == count, {n: v for n, v in c.items() if n.startswith("read") or "refused" in n}
        assert f"read.{way}.partial" not in c
    assert c["read.gate.POST./denied"] == c["read.gate.refused"] == c["refused_by_reading"] == 2 * len(gates)
    assert c["read.tap.POST./denied.4.04"] == len(taps)
    assert "read.gate.bad" not in c and "read.tap.bad" not in c and c["read_unknown"] == 0 and c["read_missed"] == 0
