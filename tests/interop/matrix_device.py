"""The devices of the matrix, in a process of their own: `matrix_device.py FOLDER PORT` serves the same resources over all transports, plain
and with OSCORE, until its standard input ends. FOLDER has cert.pem and key.pem. DTLS is at the port after those of aiocoap.

    /small      GET           a few bytes
    /turned     POST          the body backwards
    /big        GET, PUT      BIG; the digest of what came
    /refusing   POST, PUT     4.13 to the first block
    /watched/*  GET, PUT      can be observed; a body of FAIL ends the observations with 5.00
"""

import asyncio
import hashlib
import pathlib
import ssl
import sys

import aiocoap
from aiocoap import interfaces, resource
from aiocoap.credentials import CredentialsMap
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from aiocoap.pipe import IterablePipe, error_to_message, run_driving_pipe
from aiocoap.transports.oscore import OSCOREAddress

import dtls
import dtls_shim
import plugtest

SCHEMES = ["coap", "coaps", "coap+tcp", "coaps+tcp", "coap+ws", "coaps+ws"]
RELIABLE = SCHEMES[2:]
OFFSET = {"coap": 0, "coaps": 2, "coap+tcp": 0, "coaps+tcp": 1, "coap+ws": 3000, "coaps+ws": 3001}  # of the ports
SMALL, FAIL = b"a small body", b"fail"
BIG = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(31250))
IDENTITY, KEY = "gateway", b"the gateway's key"


def context_ids(client, device):
    """Sender and Recipient ID of a client; each client of each device has a context of its own, and so has the device: under one secret a key
    has one sender."""
    return bytes([SCHEMES.index(client) * 16 + SCHEMES.index(device)]), bytes([0xF0 + SCHEMES.index(device), SCHEMES.index(client)])


def inner_blocks_grow():
    """Lets aiocoap use inner blocks of 16 kB (BERT) where both ends of a context are of a reliable transport."""

    def both_reliable(address):
        security = address.security_context
        pair = security.sender_id if len(security.recipient_id) and security.recipient_id[0] >= 0xF0 else security.recipient_id
        schemes = divmod(pair[0], 16) if len(pair) == 1 else ()
        # The patch is of the whole process: contexts of other tests have other identifiers, and stay as they are.
        return bool(schemes) and all(at < len(SCHEMES) and SCHEMES[at] in RELIABLE for at in schemes)

    OSCOREAddress.maximum_block_size_exp = property(lambda self: 7 if both_reliable(self) else 6)
    OSCOREAddress.maximum_payload_size = property(lambda self: 15360 if both_reliable(self) else 1024)


class Small(resource.Resource):
    async def render_get(self, _request):
        return aiocoap.Message(code=aiocoap.CONTENT, content_format=0, payload=SMALL)


class Turned(resource.Resource):
    async def needs_blockwise_assembly(self, request):
        """What OSCORE protects in one piece is answered in one."""
        return request.opt.block1 is not None or not isinstance(request.remote, OSCOREAddress)

    async def render_post(self, request):
        return aiocoap.Message(code=aiocoap.CHANGED, content_format=42, payload=request.payload[::-1])


class Big(resource.Resource):
    async def render_get(self, _request):
        return aiocoap.Message(code=aiocoap.CONTENT, content_format=42, payload=BIG)

    async def render_put(self, request):
        return aiocoap.Message(code=aiocoap.CHANGED, payload=hashlib.sha256(request.payload).hexdigest().encode())


class Refusing(resource.Resource):
    async def needs_blockwise_assembly(self, _request):
        return False

    async def render(self, request):
        return aiocoap.Message(code=aiocoap.REQUEST_ENTITY_TOO_LARGE, payload=b"no room")


class Watched(resource.ObservableResource):
    def __init__(self):
        super().__init__()
        self.body = b"first"

    async def render_get(self, _request):
        return aiocoap.Message(code=aiocoap.CONTENT, content_format=0, payload=self.body)

    async def render_put(self, request):
        self.body = request.payload
        self.updated_state(aiocoap.Message(code=aiocoap.INTERNAL_SERVER_ERROR, payload=b"no more") if self.body == FAIL else None)
        return aiocoap.Message(code=aiocoap.CHANGED)


class OuterBlocks(resource.Resource):
    """Puts the outer blocks of OSCORE messages together and makes them (RFC 8613 4.1.3.4.2), which aiocoap's servers leave out."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    async def render_to_pipe(self, pipe):
        request = pipe.request
        if request.mtype is None:
            request.mtype = aiocoap.CON  # without types errors are left unsaid
        if request.opt.oscore is None or request.opt.observe is not None:
            await self.inner.render_to_pipe(pipe)
        else:
            await interfaces.Resource._render_to_pipe(self, pipe)

    async def render(self, request):
        pipe = IterablePipe(request)
        inside = error_to_message(pipe, self.inner.log)
        run_driving_pipe(inside, self.inner.render_to_pipe(inside))
        async for event in pipe:
            return event.message
        raise AssertionError("no answer")


def site_of(watched):
    site = resource.Site()
    for name, handler in (("small", Small()), ("turned", Turned()), ("big", Big()), ("refusing", Refusing())):
        site.add_resource([name], handler)
    for name in watched:
        site.add_resource(["watched", name], Watched())
    credentials = CredentialsMap()
    for client in SCHEMES:
        for device in SCHEMES:
            sender, recipient = context_ids(client, device)
            credentials[f":{client}-{device}"] = plugtest.Context(recipient, sender)
    return OuterBlocks(OscoreSiteWrapper(site, credentials))


def watched_name(client, device, protected):
    return f"{client}-{device}-{'oscore' if protected else 'plain'}"


async def serve(folder, port):
    inner_blocks_grow()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    tls.set_alpn_protocols(["coap", "http/1.1"])
    names = [watched_name(c, d, p) for c in SCHEMES for d in SCHEMES for p in (False, True)]
    context = await aiocoap.Context.create_server_context(
        site_of(names), bind=("127.0.0.1", port), transports=["udp6", "tcpserver", "tlsserver", "ws"], _ssl_context=tls)
    shim = await dtls_shim.ServerShim.start(("127.0.0.1", port), dtls.Context(keys={IDENTITY: KEY}), port + OFFSET["coaps"])
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    shim.close()
    await context.shutdown()


if __name__ == "__main__":
    asyncio.run(serve(pathlib.Path(sys.argv[1]), int(sys.argv[2])))
