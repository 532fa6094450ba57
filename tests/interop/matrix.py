"""The matrix: a client of every transport asks a device of every transport through the gateway, plain and with OSCORE, for bodies of every
size and to observe. A cell is one exchange and one error.
"""

import asyncio
import hashlib
import os
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass

import aiocoap
import aiocoap.error

import dtls
import dtls_shim
import peers
import plugtest
from gateway import Gateway
from matrix_device import BIG, FAIL, IDENTITY, KEY, OFFSET, SCHEMES, SMALL, context_ids, inner_blocks_grow, watched_name

SIZES = ["small", "3 kB", "1 MB", "Observe"]
THREE = bytes(range(250)) * 12
TIMEOUT = 60
BIG_AT_ONCE, OTHERS_AT_ONCE = 4, 16
LISTENER = {"coap+ws": "http", "coaps+ws": "https"}  # the others have one of their own name
CLIENT_KEYS = {f"{'O-' * protected}{device}": f"the key for {device}".encode() for device in SCHEMES for protected in (False, True)}


@dataclass(frozen=True)
class Cell:
    client: str
    device: str
    protected: bool
    size: str

    def __str__(self):
        return f"{self.client} to {self.device}, {'OSCORE' if self.protected else 'plain'}, {self.size}"


@dataclass
class Outcome:
    seconds: float
    failure: str = ""

    def __str__(self):
        return "FAILED" if self.failure else "%.0f ms" % (1000 * self.seconds)


CELLS = [Cell(client, device, protected, size) for client in SCHEMES for device in SCHEMES for protected in (False, True) for size in SIZES]
MISSING = {}  # cell: the reason why nobody could do it


class Broken(Exception):
    """Something else came than what should."""


def need(condition, what):
    if not condition:
        raise Broken(what)


def make_certificate(folder, hosts=("127.0.0.1",)):
    """A certificate of these addresses that is its own authority."""
    names = ",".join("IP:" + host for host in hosts)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=gateway", "-addext", "subjectAltName=" + names, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, stderr=subprocess.DEVNULL)
    os.chmod(folder / "key.pem", 0o600)


def write_keys(path, keys):
    path.write_text("".join(f"{name}:{key.hex()}\n" for name, key in keys.items()))
    path.chmod(0o600)


class Client:
    """Of one transport, plain or protected, with a connection to each listener."""

    def __init__(self, matrix, scheme, protected):
        self.matrix, self.scheme, self.protected = matrix, scheme, protected
        self.shims = {}

    async def start(self):
        transports = {"coap": "udp6", "coaps": "udp6", "coap+tcp": "tcpclient", "coaps+tcp": "tlsclient"}.get(self.scheme, "ws")
        self.context = await aiocoap.Context.create_client_context(transports=["oscore", transports] if self.protected else [transports])
        tls = ssl.create_default_context(cafile=self.matrix.folder / "cert.pem")
        credentials = self.context.client_credentials
        credentials.ssl_client_context = lambda scheme, _host: tls if scheme in ("coaps+tcp", "coaps+ws") else None
        for device in SCHEMES:
            base = await self._base(device)
            if self.protected:
                credentials[base + "/*"] = plugtest.Context(*context_ids(self.scheme, device))
        return self

    async def _base(self, device):
        port = self.matrix.ports[self.scheme, device]
        if self.scheme != "coaps":
            return f"{self.scheme}://127.0.0.1:{port}"
        name = "O-" * self.protected + device  # at most one session has a name
        keys = dtls.Context(keys={name: CLIENT_KEYS[name]})
        self.shims[device] = await dtls_shim.ClientShim.start(("127.0.0.1", port), keys)
        return f"coap://127.0.0.1:{self.shims[device].port}"

    async def stop(self):
        await self.context.shutdown()
        for shim in self.shims.values():
            shim.close()

    def uri(self, device, path):
        shim = self.shims.get(device)
        return (f"coap://127.0.0.1:{shim.port}" if shim else f"{self.scheme}://127.0.0.1:{self.matrix.ports[self.scheme, device]}") + path

    def request(self, device, method, path, payload=b"", whole=False, **options):
        """`whole`: OSCORE protects the body in one piece, and what a hop does not take so goes in outer blocks."""
        message = aiocoap.Message(code=method, uri=self.uri(device, path), payload=payload, **options)
        return self.context.request(message, handle_blockwise=not (whole and self.protected))

    async def ask(self, device, method, path, payload=b"", **more):
        return await asyncio.wait_for(self.request(device, method, path, payload, **more).response, TIMEOUT)


async def small(client, device, _name):
    answer = await client.ask(device, aiocoap.GET, "/small")
    need((answer.code, answer.payload) == (aiocoap.CONTENT, SMALL), f"{answer.code} {answer.payload[:40]!r}")
    answer = await client.ask(device, aiocoap.GET, "/missing")
    need(answer.code == aiocoap.NOT_FOUND, f"{answer.code} in the place of 4.04")


async def three(client, device, _name):
    answer = await client.ask(device, aiocoap.POST, "/turned", THREE, whole=True)
    need((answer.code, answer.payload) == (aiocoap.CHANGED, THREE[::-1]), f"{answer.code} with {len(answer.payload)} bytes")
    answer = await client.ask(device, aiocoap.POST, "/refusing", THREE, whole=True)
    need(answer.code == aiocoap.REQUEST_ENTITY_TOO_LARGE, f"{answer.code} in the place of 4.13")


async def big(client, device, _name):
    """Down or up: each kilobyte costs a peer its time, so a pair does the one plain and the other with OSCORE."""
    if (SCHEMES.index(client.scheme) + SCHEMES.index(device) + client.protected) % 2:
        answer = await client.ask(device, aiocoap.GET, "/big")
        need((answer.code, answer.payload) == (aiocoap.CONTENT, BIG), f"{answer.code} with {len(answer.payload)} bytes")
    else:
        answer = await client.ask(device, aiocoap.PUT, "/big", BIG)
        need(answer.payload == hashlib.sha256(BIG).hexdigest().encode(), f"{answer.code}: the device got something else")
    answer = await client.ask(device, aiocoap.PUT, "/refusing", BIG)
    need(answer.code == aiocoap.REQUEST_ENTITY_TOO_LARGE, f"{answer.code} in the place of 4.13")


async def observe(client, device, name):
    path = "/watched/" + name
    request = client.request(device, aiocoap.GET, path, observe=0)
    first = await asyncio.wait_for(request.response, TIMEOUT)
    need((first.code, first.payload) == (aiocoap.CONTENT, b"first"), f"{first.code} {first.payload[:40]!r}")
    need(first.opt.observe is not None, "the observation was not taken")
    notifications = request.observation.__aiter__()
    second = asyncio.ensure_future(notifications.__anext__())
    await client.ask(device, aiocoap.PUT, path, b"second")
    second = await asyncio.wait_for(second, TIMEOUT)
    need(second.payload == b"second", f"notified of {second.payload[:40]!r}")
    last = asyncio.ensure_future(notifications.__anext__())
    await client.ask(device, aiocoap.PUT, path, FAIL)
    last = await asyncio.wait_for(last, TIMEOUT)
    need(last.code == aiocoap.INTERNAL_SERVER_ERROR, f"{last.code} in the place of 5.00")


STEPS = {"small": small, "3 kB": three, "1 MB": big, "Observe": observe}


class Matrix:
    """Devices, gateway and clients; run() fills `outcomes`."""

    def __init__(self, folder):
        self.folder, self.ports, self.outcomes = folder, {}, {}

    async def start(self):
        inner_blocks_grow()
        make_certificate(self.folder)
        write_keys(self.folder / "clients", CLIENT_KEYS)
        write_keys(self.folder / "ours", {IDENTITY: KEY})
        self.device_port = peers.free_ports(sorted(set(OFFSET.values())))
        self.devices = await asyncio.create_subprocess_exec(
            sys.executable, str(peers.HERE / "matrix_device.py"), str(self.folder), str(self.device_port),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        line = await asyncio.wait_for(self.devices.stdout.readline(), peers.TIMEOUT)
        need(line == b"ready\n", "the devices do not start")
        self.gateway = self._gateway()
        await self.gateway.start()
        self.clients = {(s, p): await Client(self, s, p).start() for s in SCHEMES for p in (False, True)}

    def _gateway(self):
        gateway = Gateway(self.folder)
        folder = self.folder
        secrets = {
            "coaps": f'psk-file = "{folder}/clients";',
            "coaps+tcp": f'certificate = "{folder}/cert.pem"; key = "{folder}/key.pem";',
            "coaps+ws": f'certificate = "{folder}/cert.pem"; key = "{folder}/key.pem";',
        }
        for client in SCHEMES:
            for device in SCHEMES:
                name = "-".join((client, device)).replace("+", "_")
                url = f"{device}://127.0.0.1:{self.device_port + OFFSET[device]}"
                settings = f'origin-identity = "{IDENTITY}";' if device == "coaps" else ""
                settings += ' authenticate = "none";' if client in LISTENER else ""
                self.ports[client, device] = gateway.listener(name, LISTENER.get(client, client), secrets.get(client, ""))
                gateway.routes.append(
                    f'{name}: {{ from = ["{name}"]; to = ["{url}"]; allow-networks = ["127.0.0.0/8"]; timeout = "10s"; {settings} }};')
        gateway.groups = f'upstream: {{ psk-file = "{folder}/ours"; ca = "{folder}/cert.pem"; }};\n'
        return gateway

    async def stop(self):
        for client in self.clients.values():
            await client.stop()
        self.devices.stdin.close()
        await self.devices.wait()
        await self.gateway.stop()

    async def _cell(self, cell, turns):
        async with turns:
            begin = time.monotonic()
            name = watched_name(cell.client, cell.device, cell.protected)
            failure = ""
            try:
                await STEPS[cell.size](self.clients[cell.client, cell.protected], cell.device, name)
            except asyncio.TimeoutError:
                failure = f"nothing for {TIMEOUT} s"
            except (Broken, aiocoap.error.Error, StopAsyncIteration, OSError) as error:
                plain = getattr(error, "plain_message", None)
                failure = f"{type(error).__name__}: {error}" + (f" ({plain.code} unprotected)" if plain is not None else "")
            self.outcomes[cell] = Outcome(time.monotonic() - begin, failure)

    async def run(self, cells=CELLS):
        big_turns, turns = asyncio.Semaphore(BIG_AT_ONCE), asyncio.Semaphore(OTHERS_AT_ONCE)
        begin = time.monotonic()
        await asyncio.gather(*(self._cell(cell, big_turns if cell.size == "1 MB" else turns) for cell in cells if cell not in MISSING))
        self.seconds = time.monotonic() - begin

    def table(self):
        """A line for each pair of transports, with the milliseconds of each cell."""
        lines = ["%-24s %s" % ("client to device", "".join("%10s" % f"{kind} {size}" for kind in ("", "O") for size in SIZES))]
        for client in SCHEMES:
            for device in SCHEMES:
                words = []
                for protected in (False, True):
                    for size in SIZES:
                        outcome = self.outcomes.get(Cell(client, device, protected, size))
                        words.append("missing" if outcome is None else str(outcome))
                lines.append("%-24s %s" % (f"{client} to {device}", "".join("%10s" % word for word in words)))
        lines.append("O: with OSCORE. %d cells in %.0f s" % (len(self.outcomes), self.seconds))
        lines += [f"FAILED {cell}: {outcome.failure}" for cell, outcome in self.outcomes.items() if outcome.failure]
        lines += [f"missing {cell}: {reason}" for cell, reason in MISSING.items()]
        return "\n".join(lines)
