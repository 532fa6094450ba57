"""OSCORE over HTTP (RFC 8613 section 11) on aiocoap's OSCORE code: a client that asks an HTTP-to-CoAP gateway, and an origin that is
asked by a CoAP-to-HTTP gateway. Observing is not defined there: a client sends no Observe outside, so that servers take a registration
for the plain request that it then is (RFC 8613 section 4.1.3.5.1).
"""

import asyncio

import aiocoap
from aiocoap import oscore
from aiocoap.message import Direction
from aiocoap.numbers.codes import CHANGED, GET, POST
from aiocoap.pipe import IterablePipe, error_to_message, run_driving_pipe

import http_wire
import plugtest

OSCORE_TYPE = "application/oscore"
TEXT_TYPE = "text/plain;charset=utf-8"


def told(response):
    """What a client can tell of a response without OSCORE."""
    return response.status, response.one("Content-Type"), response.body


class Client:
    """Has the interface of plugtest.Client. `base` is the target's URI, `port` that of the gateway, `space` where its targets begin;
    None: no gateway, the origin itself."""

    def __init__(self, base, server, security, port, space="/hc/"):
        self.base, self.server, self.security = base, server, security
        self.port, self.space = port, space
        self.result = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    def message(self, method, path, **options):
        return aiocoap.Message(code=method, uri=self.base + path, **options)

    async def _send(self, method, path, fields=(), body=b""):
        target = path if self.space is None else self.space + self.base + path
        return await asyncio.wait_for(http_wire.ask(self.port, method, target, fields, body), plugtest.TIMEOUT)

    async def _send_protected(self, protected):
        """Everything outside but the option has its place in the target; the method is POST, whatever the Outer Code (11.1)."""
        fields = [("OSCORE", http_wire.field_of(protected.opt.oscore)), ("Content-Type", OSCORE_TYPE)]
        return await self._send("POST", "/", fields, protected.payload)

    def _unprotect(self, response, identifiers):
        """The message inside, or None and a result if there is none."""
        if response.oscore is None:
            self.result.append(("NotAProtectedMessage", told(response)))
            return None
        assert (response.status, response.one("Content-Type")) == (200, OSCORE_TYPE), response.raw
        outer = aiocoap.Message(code=CHANGED, payload=response.body)
        outer.opt.oscore = response.oscore
        outer.direction = Direction.INCOMING
        try:
            return self.security.unprotect(outer, identifiers)[0]
        except oscore.ProtectionInvalid as error:
            self.result.append((type(error).__name__, None))
            return None

    async def _ask(self, message):
        protected, identifiers = self.security.protect(message)
        return self._unprotect(await self._send_protected(protected), identifiers)

    async def ask(self, method, path, **options):
        if self.security is None:
            self.result.append(told(await self._send(str(method), path)))
            return None
        message = await self._ask(self.message(method, path, **options))
        if message is not None and message.code == aiocoap.UNAUTHORIZED and message.opt.echo:
            message = await self._ask(self.message(method, path, echo=message.opt.echo, **options))
        if message is not None:
            self.result.append(plugtest.told(message))
        return message

    async def send_twice(self, path):
        protected, identifiers = self.security.protect(self.message(GET, path))
        for _ in range(2):
            message = self._unprotect(await self._send_protected(protected), identifiers)
            if message is not None:
                self.result.append(plugtest.told(message))

    def repeat_next_token(self, _token):
        pass  # HTTP has none

    async def observe(self, path, actions):
        """Asks to observe and gets one answer, after which nobody is registered. The last action would end an observation."""
        await self.ask(GET, path, observe=0)
        self.result.append(("watched", self.server.resources[path.strip("/")].watched))
        for action in actions[:1]:
            action()


class _Remote:
    """What aiocoap asks of the address of a client that came over HTTP."""

    is_multicast = is_multicast_locally = False
    hostinfo = hostinfo_local = "localhost"
    uri_base = uri_base_local = "coap://localhost"
    scheme = "coap"
    maximum_block_size_exp, maximum_payload_size = 6, 1024
    blockwise_key = ("http",)
    authenticated_claims = ()


STATUS = {"4.00": 400, "4.01": 401, "4.02": 400, "4.04": 404, "4.05": 405, "5.00": 500}


class Origin:
    """An HTTP server whose resources are those of a plugtest.Server; at /unaware, and while `unaware`, it knows no OSCORE."""

    @classmethod
    async def start(cls, server):
        self = cls()
        self.server, self.tasks, self.unaware = server, set(), False
        self.listening = await asyncio.start_server(self._client, "127.0.0.1", 0, limit=http_wire.LINE)
        self.port = self.listening.sockets[0].getsockname()[1]
        return self

    async def stop(self):
        self.listening.close()
        for task in list(self.tasks):
            task.cancel()

    async def _client(self, reader, writer):
        self.tasks.add(task := asyncio.current_task())
        try:
            while (request := await http_wire.read(reader)) is not None:
                writer.write(await self._answer(request))
                await writer.drain()
        except OSError:
            pass
        finally:
            self.tasks.discard(task)
            writer.close()

    async def _answer(self, request):
        path, _, query = request.target.partition("?")
        if self.unaware or path.startswith("/unaware"):
            return self._error(415, b"no such type")
        if request.oscore is not None:
            assert (request.method, path, query, request.one("Content-Type")) == ("POST", "/", "", OSCORE_TYPE), request.raw
            message = aiocoap.Message(code=POST, payload=request.body)
            message.opt.oscore = request.oscore
        else:
            message = aiocoap.Message(code=getattr(aiocoap, request.method))
            message.opt.uri_path = [segment for segment in path.split("/") if segment]
        return self._written(await self._render(message))

    async def _render(self, message):
        message.direction, message.mtype, message.remote = Direction.INCOMING, aiocoap.CON, _Remote()
        pipe = IterablePipe(message)
        inside = error_to_message(pipe, self.server.context.log)
        run_driving_pipe(inside, self.server.site.render_to_pipe(inside))
        async for event in pipe:
            return event.message
        raise AssertionError("no answer")

    @staticmethod
    def _error(status, text):
        return http_wire.write(f"HTTP/1.1 {status} Refused", [("Content-Type", TEXT_TYPE)], text)

    def _written(self, message):
        if message.opt.oscore is not None:
            fields = [("OSCORE", http_wire.field_of(message.opt.oscore)), ("Content-Type", OSCORE_TYPE), ("Cache-Control", "no-store")]
            return http_wire.write("HTTP/1.1 200 OK", fields, message.payload)
        if message.code.is_successful():
            assert message.opt.content_format == 0
            return http_wire.write("HTTP/1.1 200 OK", [("Content-Type", TEXT_TYPE)], message.payload)
        return self._error(STATUS[message.code.dotted], message.payload)
