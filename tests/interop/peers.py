"""The peers: one server of each kind, and clients of each kind behind one interface.

A client's ask() returns an Answer or raises Failed; watch() registers an observation. Where a request goes is a Way: straight
to the origin, or to the proxy by Proxy-Uri, by Proxy-Scheme, or by a reverse route.
"""

import asyncio
import base64
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import socket
import tempfile
from dataclasses import dataclass

import aiocoap
from aiocoap import resource
from aiocoap.numbers.codes import CHANGED, CONTENT, CREATED, DELETED, NOT_FOUND, VALID, Code

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TIMEOUT = 10
PROXIED = ["proxy-uri", "proxy-scheme", "reverse"]


class Failed(Exception):
    pass


@dataclass
class Answer:
    code: str  # "2.05"
    payload: bytes = b""


@dataclass
class Way:
    form: str     # "direct", "proxy-uri", "proxy-scheme", "reverse"
    next_hop: int  # the port the client sends to
    origin: int   # the port of the origin

    @property
    def uri(self):
        """What is asked for, where it is named in a request to a proxy."""
        return f"coap://127.0.0.1:{self.origin}"

    @property
    def hop(self):
        return f"coap://127.0.0.1:{self.next_hop}"


_given = set()  # ports that somebody here is about to take


def check_free(port):
    """OSError if somebody has that port of UDP or TCP, or was given it."""
    if port in _given:
        raise OSError("taken")
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as s:
            s.bind(("127.0.0.1", port))


def free_port():
    """A port of UDP and TCP that nobody has, and that no client gets by chance."""
    for _ in range(200):
        port = random.randrange(20000, 32000)
        try:
            check_free(port)
            _given.add(port)
            return port
        except OSError:
            continue
    raise Failed("no free port")


def free_ports(offsets):
    """A port that is free as are those so far behind it, none of which a client gets by chance."""
    for _ in range(200):
        port = random.randrange(20000, 32000 - max(offsets))
        try:
            for offset in offsets:
                check_free(port + offset)
            _given.update(port + offset for offset in offsets)
            return port
        except OSError:
            continue
    raise Failed("no free ports")


# ---- servers ----------------------------------------------------------------------------------------------------------


class _Hello(resource.Resource):
    async def render_get(self, _request):
        return aiocoap.Message(code=CONTENT, content_format=0, payload=b"hello from aiocoap")


class _Echo(resource.Resource):
    async def render_fetch(self, request):
        return aiocoap.Message(code=CONTENT, payload=request.payload)


class _Store(resource.ObservableResource):
    def __init__(self):
        super().__init__()
        self.body = None

    async def render_get(self, _request):
        if self.body is None:
            return aiocoap.Message(code=NOT_FOUND)
        return aiocoap.Message(code=CONTENT, content_format=42, payload=self.body)

    async def render_put(self, request):
        code = CREATED if self.body is None else CHANGED
        self.body = request.payload
        self.updated_state()
        return aiocoap.Message(code=code)

    render_post = render_put

    async def render_delete(self, _request):
        self.body = None
        return aiocoap.Message(code=DELETED)


class _Aged(resource.Resource):
    async def render_get(self, request):
        if b"\x01\x02" in request.opt.etags:
            return aiocoap.Message(code=VALID, max_age=30, etag=b"\x01\x02")
        return aiocoap.Message(code=CONTENT, max_age=30, etag=b"\x01\x02", payload=b"aged")


class Origin:
    """A running server; `hello` and so on are its paths, None where it has no such thing."""

    hello, store, echo, watched = "/hello", "/store", "/echo", "/store"
    greeting = b""
    post = True

    async def stop(self):
        if self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


class AiocoapOrigin(Origin):
    greeting = b"hello from aiocoap"

    @classmethod
    async def start(cls, transports=("udp6",), tls=None):
        """TLS, with that context, is at the port + 1, WebSockets at the port + 3000."""
        self = cls()
        self.port = free_ports((0, 1, 3000, 3001))
        site = resource.Site()
        site.add_resource(["hello"], _Hello())
        site.add_resource(["store"], _Store())
        site.add_resource(["echo"], _Echo())
        site.add_resource(["aged"], _Aged())
        self.context = await aiocoap.Context.create_server_context(
            site, bind=("127.0.0.1", self.port), transports=list(transports), _ssl_context=tls)
        return self

    async def stop(self):
        await self.context.shutdown()


def node_environment():
    return {**os.environ, "NODE_PATH": str(ROOT / "build" / "node_modules")}


class NodeOrigin(Origin):
    greeting = b"hello from node"

    @classmethod
    async def start(cls):
        self = cls()
        self.port = free_port()
        self.process = await asyncio.create_subprocess_exec(
            "node", str(HERE / "node_peer.js"), "server", str(self.port), env=node_environment(), stdout=asyncio.subprocess.PIPE)
        assert json.loads(await asyncio.wait_for(self.process.stdout.readline(), TIMEOUT)) == {"ready": self.port}
        return self


class LibcoapOrigin(Origin):
    """Debian's coap-server: /store is one of its dynamic resources, /example_data can be observed."""

    hello, echo, watched = "/", "/time", "/example_data"
    greeting = None  # a text of its own
    post = True

    @classmethod
    async def start(cls):
        self = cls()
        self.port = free_port()
        self.process = await asyncio.create_subprocess_exec(
            "coap-server-notls", "-A", "127.0.0.1", "-p", str(self.port), "-d", "10", "-v", "0")
        await answers_ping(self.port)
        return self


async def answers_ping(port, host="127.0.0.1"):
    """Waits until the server at `port` answers a CoAP ping."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        s.connect((host, port))
        for mid in range(1, 200):
            try:
                s.send(bytes([0x40, 0, 0, mid]))
                if (await asyncio.wait_for(loop.sock_recv(s, 16), 0.05))[:1] == b"\x70":
                    return
            except (OSError, asyncio.TimeoutError):
                await asyncio.sleep(0.02)
    raise Failed(f"no server at port {port}")


# ---- clients ----------------------------------------------------------------------------------------------------------


class AiocoapClient:
    @classmethod
    async def start(cls):
        self = cls()
        self.context = await aiocoap.Context.create_client_context(transports=["udp6"])
        return self

    async def stop(self):
        await self.context.shutdown()

    def _message(self, way, method, path, payload, **options):
        message = aiocoap.Message(code=getattr(aiocoap.numbers.codes, method), payload=payload, **options)
        if way.form in ("direct", "reverse"):
            message.set_request_uri(way.hop + path)
            return message
        if way.form == "proxy-uri":
            message.opt.proxy_uri = way.uri + path
        else:
            message.opt.proxy_scheme = "coap"
            message.opt.uri_host, message.opt.uri_port = "127.0.0.1", way.origin
            message.opt.uri_path = [segment for segment in path.split("/") if segment]
        message.unresolved_remote = f"127.0.0.1:{way.next_hop}"
        return message

    async def ask(self, way, method, path, payload=b""):
        options = {"content_format": 42} if payload else {}
        request = self.context.request(self._message(way, method, path, payload, **options))
        try:
            response = await asyncio.wait_for(request.response, TIMEOUT)
        except (aiocoap.error.Error, asyncio.TimeoutError) as error:
            raise Failed(repr(error)) from error
        return Answer(response.code.dotted, response.payload)

    async def watch(self, way, path):
        request = self.context.request(self._message(way, "GET", path, b"", observe=0))
        response = await asyncio.wait_for(request.response, TIMEOUT)
        iterator = request.observation.__aiter__()

        async def following():
            return (await asyncio.wait_for(iterator.__anext__(), TIMEOUT)).payload

        async def cancel():
            request.observation.cancel()

        return Watch(response.payload, following, cancel)


@dataclass
class Watch:
    first: bytes
    following: object
    cancel: object


class NodeProcess:
    """A program for node that is told requests, a line each, and tells what comes of them by their ids."""

    program = ()

    @staticmethod
    def environment():
        return None

    @classmethod
    async def start(cls):
        self = cls()
        self.ids = itertools.count()
        self.waiting = {}
        self.process = await asyncio.create_subprocess_exec(
            "node", *cls.program, env=cls.environment(), limit=1 << 22, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        await asyncio.wait_for(self.process.stdout.readline(), TIMEOUT)
        self.reader = asyncio.ensure_future(self._read())
        return self

    async def _read(self):
        while line := await self.process.stdout.readline():
            told = json.loads(line)
            self.waiting[told["id"]].put_nowait(told)

    async def stop(self):
        self.reader.cancel()
        self.process.stdin.close()
        await self.process.wait()

    def number(self):
        """An id, of a request to come."""
        number = next(self.ids)
        self.waiting[number] = asyncio.Queue()
        return number

    def send(self, line):
        self.process.stdin.write(json.dumps(line).encode() + b"\n")

    async def next(self, number):
        told = await asyncio.wait_for(self.waiting[number].get(), TIMEOUT)
        if "error" in told:
            raise Failed(told["error"])
        return told


class NodeClient(NodeProcess):
    program = (str(HERE / "node_peer.js"), "client")
    environment = staticmethod(node_environment)

    def _send(self, way, method, path, payload, observe):
        number = self.number()
        line = {"id": number, "host": "127.0.0.1", "port": way.next_hop, "method": method, "path": path, "observe": observe, "options": {}}
        if way.form == "proxy-uri":
            del line["path"]
            line["proxyUri"] = way.uri + path
        elif way.form == "proxy-scheme":
            values = {"Proxy-Scheme": b"coap", "Uri-Host": b"127.0.0.1", "Uri-Port": way.origin.to_bytes(2, "big")}
            line["options"] = {name: base64.b64encode(value).decode() for name, value in values.items()}
        if payload:
            line["payload"] = base64.b64encode(payload).decode()
            line["options"]["Content-Format"] = base64.b64encode(b"\x2a").decode()
            line["block"] = len(payload) > 1024
        self.send(line)
        return number

    async def _next(self, number):
        told = await self.next(number)
        return Answer(told["code"], base64.b64decode(told["payload"]))

    async def ask(self, way, method, path, payload=b""):
        return await self._next(self._send(way, method, path, payload, False))

    async def watch(self, way, path):
        number = self._send(way, "GET", path, b"", True)
        first = (await self._next(number)).payload

        async def following():
            return (await self._next(number)).payload

        async def cancel():
            self.send({"cancel": number})

        return Watch(first, following, cancel)


class LibcoapClient:
    """Debian's coap-client, a process for each request."""

    @classmethod
    async def start(cls):
        self = cls()
        self.directory = tempfile.mkdtemp()
        self.file = os.path.join(self.directory, "body")
        return self

    async def stop(self):
        shutil.rmtree(self.directory)

    @staticmethod
    def _arguments(way, path):
        if way.form in ("direct", "reverse"):
            return ["-U", way.hop + path]
        if way.form == "proxy-uri":
            return ["-P", way.hop, way.uri + path]
        # -O 39 sets the proxy's port to 5683, so it stands before -P
        return ["-O", "39,coap", "-O", "3,127.0.0.1", "-P", way.hop, way.uri + path]

    async def _start(self, arguments):
        return await asyncio.create_subprocess_exec(
            "coap-client-notls", *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, limit=1 << 22)

    async def ask(self, way, method, path, payload=b""):
        arguments = ["-v", "6", "-m", method.lower(), "-B", str(TIMEOUT), "-o", self.file]
        if payload:
            pathlib.Path(self.file + ".up").write_bytes(payload)  # of its standard input it reads 20,000 bytes at most
            arguments += ["-f", self.file + ".up", "-t", "42"]
        if len(payload) > 1024:
            arguments += ["-b", "1024"]
        pathlib.Path(self.file).unlink(missing_ok=True)
        process = await self._start([*arguments, *self._arguments(way, path)])
        try:
            log, _ = await asyncio.wait_for(process.communicate(), TIMEOUT)
        except asyncio.TimeoutError:
            process.kill()
            raise Failed("coap-client does not end") from None
        codes = re.findall(rb"v:1,? t:(?:ACK|CON|NON),? c:([2-5]\.\d\d)", log)
        if not codes:
            raise Failed("coap-client has no answer")
        return Answer(codes[-1].decode(), self._body())

    def _body(self):
        try:
            return pathlib.Path(self.file).read_bytes()
        except FileNotFoundError:
            return b""

    async def watch(self, way, path):
        """coap-client observes for whole seconds and cancels by itself: cancel() waits for that."""
        process = await self._start(["-s", "2", "-w", *self._arguments(way, path)])

        async def following():
            return (await asyncio.wait_for(process.stdout.readline(), TIMEOUT)).rstrip(b"\n")

        async def cancel():
            await asyncio.wait_for(process.wait(), TIMEOUT)

        return Watch(await following(), following, cancel)


CLIENTS = {"aiocoap": AiocoapClient, "node": NodeClient, "libcoap": LibcoapClient}
ORIGINS = {"aiocoap": AiocoapOrigin, "node": NodeOrigin, "libcoap": LibcoapOrigin}
