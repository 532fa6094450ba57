"""aiocoap as a client of HTTP origins: a server of Python's library, bodies both ways, several clients at once."""

import asyncio
import http.server
import random
import threading

import aiocoap
import pytest
from aiocoap.numbers.codes import CHANGED, CONTENT, CREATED, DELETE, DELETED, GET, NOT_FOUND, POST, PUT

from gateway import Gateway

PATIENCE = 50


class Store(http.server.BaseHTTPRequestHandler):
    """Keeps what is put under each path; POST answers with what it gets, turned round."""

    protocol_version = "HTTP/1.1"
    kept = {}

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        got = b""
        while size := int(self.rfile.readline(), 16):
            got += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return got

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        body = self.kept.get(self.path)
        self.answer(404 if body is None else 200, body or b"")

    def do_PUT(self):
        new = self.path not in self.kept
        self.kept[self.path] = self.body()
        self.answer(201 if new else 204)

    def do_POST(self):
        self.answer(200, self.body()[::-1])

    def do_DELETE(self):
        self.answer(204 if self.kept.pop(self.path, None) is not None else 404)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64  # of connections that come at once


@pytest.fixture(scope="module")
def origin():
    server = Server(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield "http://127.0.0.1:%d" % server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def web(tmp_path_factory, origin, in_loop):
    g = Gateway(tmp_path_factory.mktemp("web"))
    g.reverse_port = g.reverse_url("turned", origin)
    in_loop(g.start())
    yield g
    in_loop(g.stop())


class Client:
    def __init__(self, web, origin, form):
        self.web, self.origin, self.form = web, origin, form

    async def __aenter__(self):
        self.context = await aiocoap.Context.create_client_context(transports=["udp6"])
        return self

    async def __aexit__(self, *_):
        await self.context.shutdown()

    async def ask(self, method, path, payload=b""):
        if self.form == "reverse":
            message = aiocoap.Message(code=method, uri="coap://127.0.0.1:%d%s" % (self.web.reverse_port, path), payload=payload)
        else:
            message = aiocoap.Message(code=method, uri="coap://127.0.0.1:%d" % self.web.forward, payload=payload)
            message.opt.uri_host = None
            message.opt.proxy_uri = self.origin + path
        return await asyncio.wait_for(self.context.request(message).response, PATIENCE)


def body(size):
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("form", ["proxy-uri", "reverse"])
@pytest.mark.covers("C7252-10.1.2-1", "C7252-10.1.3-1", "C7252-10.1.4-1", "C7959-5-1")
@pytest.mark.parametrize("size", [100, 5_000, 200_000, 1_000_000])
async def test_bodies_both_ways(web, origin, form, size):
    path, data = "/%s/%d" % (form, size), body(size)
    async with Client(web, origin, form) as client:
        assert (await client.ask(GET, path)).code == NOT_FOUND
        assert (await client.ask(PUT, path, data)).code == CREATED
        got = await client.ask(GET, path)
        assert (got.code, got.payload) == (CONTENT, data)
        got = await client.ask(POST, path, data)
        assert (got.code, got.payload) == (CHANGED, data[::-1])
        assert (await client.ask(PUT, path, b"x")).code == CHANGED
        for _ in range(2):
            assert (await client.ask(DELETE, path)).code == DELETED


async def test_many_at_once(web, origin):
    async def one(n):
        async with Client(web, origin, "proxy-uri") as client:
            data = body(20_000 + n)
            assert (await client.ask(PUT, "/many/%d" % n, data)).code == CREATED
            assert (await client.ask(GET, "/many/%d" % n)).payload == data

    await asyncio.gather(*(one(n) for n in range(24)))
