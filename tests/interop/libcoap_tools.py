"""libcoap's programs with OpenSSL and with GnuTLS, over DTLS, TCP and TLS."""

import asyncio
import re
from dataclasses import dataclass

import peers

LIBRARIES = ["openssl", "gnutls"]
PATIENCE = 5  # seconds
CODE = re.compile(rb"v:(?:1,? t:(?:ACK|CON|NON)|Reliable),? c:([2-5]\.\d\d)")


@dataclass
class Told:
    code: str  # "" without an answer
    body: bytes
    log: bytes


async def ask(library, uri, security, folder, method="get", payload=None, patience=PATIENCE):
    """One request of coap-client; `security` are its arguments."""
    body = folder / f"body-{id(uri)}"
    body.unlink(missing_ok=True)
    arguments = ["-v", "6", "-m", method, "-B", str(patience), "-o", str(body), *security]
    if payload is not None:
        up = folder / f"up-{id(uri)}"
        up.write_bytes(payload)
        arguments += ["-f", str(up), "-t", "42"]
    process = await asyncio.create_subprocess_exec(
        f"coap-client-{library}", *arguments, uri, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, limit=1 << 22)
    try:
        log, _ = await asyncio.wait_for(process.communicate(), 3 * PATIENCE)
    except asyncio.TimeoutError:
        process.kill()
        raise peers.Failed("coap-client does not end") from None
    codes = CODE.findall(log)
    return Told(codes[-1].decode() if codes else "", body.read_bytes() if body.exists() else b"", log)


async def watch(library, uri, security, seconds=2):
    """Observes for so long; the process, whose standard output has a line for each notification."""
    return await asyncio.create_subprocess_exec(
        f"coap-client-{library}", "-s", str(seconds), "-w", *security, uri, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)


class Server:
    """coap-server at the ports of CoAP of an address of its own: UDP and TCP, DTLS and TLS."""

    @classmethod
    async def start(cls, library, host, *security):
        self = cls()
        self.host = host
        self.process = await asyncio.create_subprocess_exec(
            f"coap-server-{library}", "-A", host, "-p", "5683", "-d", "10", "-v", "0", *security,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
        await peers.answers_ping(5683, host)
        return self

    async def stop(self):
        self.process.terminate()
        await self.process.wait()
