"""HTTP clients that people use against CoAP servers that they use, through the gateway: methods, large bodies, caches' questions, event
streams, kept connections, and HTTPS with each kind of identity.
"""

import asyncio
import random
import subprocess

import pytest

import http_clients
import http_wire
import peers
from gateway import Gateway
from http_clients import OCTETS, Tls
from peers import Failed

DEVICES = ["aiocoap", "libcoap"]
PSK = {"meter-1": "000102030405060708090a0b0c0d0e0f"}
devices = pytest.mark.parametrize("device", DEVICES)
clients = pytest.mark.parametrize("client", list(http_clients.CLIENTS))


def body(size):
    return random.Random(size).randbytes(size)


def certificate(folder, name, issuer=None, extensions="basicConstraints=CA:FALSE"):
    signer = ["-CA", f"{folder}/{issuer}.pem", "-CAkey", f"{folder}/{issuer}.key"] if issuer else []
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2",
               "-subj", "/CN=" + name, "-addext", extensions, *signer, "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


class Web:
    """The gateway, and the clients."""

    async def start(self, world, path):
        self.world, self.path = world, path
        certificate(path, "authority", extensions="basicConstraints=critical,CA:TRUE")
        certificate(path, "gateway", "authority", "subjectAltName=IP:127.0.0.1")
        certificate(path, "meter-7", "authority")
        certificate(path, "guest", "authority")
        certificate(path, "stranger")
        psk = path / "psk"
        psk.touch(0o600)
        psk.write_text("".join(f"{name}:{key}\n" for name, key in PSK.items()))
        self.gateway = Gateway(path)
        self.plain = self.gateway.web()
        files = f'certificate = "{path}/gateway.pem"; key = "{path}/gateway.key"; client-ca = "{path}/authority.pem"; psk-file = "{psk}";'
        self.secure = self.gateway.web("tls", "https", files, 'identities = ["meter-*"];')
        await self.gateway.start()
        self.tap = await http_wire.Tap.start(self.plain)
        self.clients = {name: await kind.start() for name, kind in http_clients.CLIENTS.items()}

    async def stop(self):
        for client in self.clients.values():
            await client.stop()
        await self.tap.stop()
        await self.gateway.stop()

    def url(self, device, path, port=None, scheme="http"):
        return f"{scheme}://127.0.0.1:{port or self.plain}/hc/coap://127.0.0.1:{self.world.origins[device].port}{path}"

    def tls(self, name=None, version=None):
        files = (self.path / f"{name}.pem", self.path / f"{name}.key") if name else (None, None)
        return Tls(self.path / "authority.pem", *files, version)


@pytest.fixture(scope="module")
def web(world, in_loop, tmp_path_factory):
    w = Web()
    in_loop(w.start(world, tmp_path_factory.mktemp("web")))
    yield w
    in_loop(w.stop())


async def empty(web, device):
    direct = web.world.way("direct", device)
    await web.world.clients["aiocoap"].ask(direct, "DELETE", web.world.origins[device].store)


@devices
@clients
async def test_methods(web, client, device):
    await empty(web, device)
    there, c = web.world.origins[device], web.clients[client]
    hello = await c.ask(web.url(device, there.hello), "GET")
    assert (hello.status, hello.body) == (200, there.greeting or hello.body)
    kind = None if device == "libcoap" else "text/plain;charset=utf-8"  # it sends no Content-Format
    assert hello.fields.get("content-type") == kind and int(hello.fields["content-length"]) == len(hello.body)
    assert "max-age=" in hello.fields["cache-control"]
    head = await c.ask(web.url(device, there.hello), "HEAD")
    assert (head.status, head.body, head.fields.get("content-type")) == (200, b"", kind)
    assert head.fields["content-length"] == hello.fields["content-length"]
    store = web.url(device, there.store)
    assert (await c.ask(store, "GET")).status == 404
    for method, value, status in [("PUT", b"first", 201), ("PUT", b"second", 204), ("POST", b"third", 204)]:
        assert (await c.ask(store, method, value, OCTETS)).status == status
        got = await c.ask(store, "GET")
        assert (got.status, got.body) == (200, value)
    assert (await c.ask(store, "DELETE")).status == 204
    assert (await c.ask(store, "GET")).status == 404


@devices
@clients
async def test_bodies_of_many_blocks(web, client, device):
    """Up by Block1 and down by Block2, octet for octet."""
    c, store = web.clients[client], web.url(device, web.world.origins[device].store)
    for size in (100_000, 65_536):
        await empty(web, device)
        assert (await c.ask(store, "PUT", body(size), OCTETS)).status == 201
        got = await c.ask(store, "GET")
        assert got.status == 200 and got.body == body(size)


@clients
async def test_entity_tags(web, client):
    """The second time the client asks whether what it has is still good, and it is."""
    c, url = web.clients[client], web.url("aiocoap", "/aged")
    first = await c.ask(url, "GET")
    assert (first.status, first.body, first.fields["cache-control"]) == (200, b"aged", "max-age=30")
    again = await c.ask(url, "GET", headers={"If-None-Match": first.fields["etag"]})
    assert (again.status, again.body, again.fields["etag"]) == (304, b"", first.fields["etag"])
    other = await c.ask(url, "GET", headers={"If-None-Match": '"ff"'})
    assert (other.status, other.body) == (200, b"aged")


@pytest.mark.parametrize("client", ["http.client", "node-http", "node-fetch"])
async def test_a_connection_is_used_again(web, client):
    before = web.tap.connections
    c, url = web.clients[client], web.url("aiocoap", "/hello", web.tap.port)
    for _ in range(8):
        assert (await c.ask(url, "GET")).body == b"hello from aiocoap"
    assert (await c.ask(web.url("aiocoap", "/none", web.tap.port), "GET")).status == 404
    assert (await c.ask(url, "HEAD")).status == 200
    assert web.tap.connections == before + 1


async def test_curl_uses_a_connection_again(web):
    before = web.tap.connections
    assert await web.clients["curl"].many(web.url("aiocoap", "/hello", web.tap.port), 8) == b"hello from aiocoap" * 8
    assert web.tap.connections == before + 1


@pytest.mark.parametrize("client", ["curl", "node-http"])
async def test_expect_100_continue(web, client):
    await empty(web, "aiocoap")
    store = web.url("aiocoap", "/store")
    answer = await web.clients[client].ask(store, "PUT", body(5000), {**OCTETS, "Expect": "100-continue"})
    assert (answer.status, answer.continued) == (201, True)
    assert (await web.clients[client].ask(store, "GET")).body == body(5000)


@devices
@pytest.mark.parametrize("client", ["curl", "node-fetch"])
async def test_events(web, client, device):
    """Each change of the resource is an event; when the client leaves, the device hears of it."""
    there, asker = web.world.origins[device], web.world.clients["aiocoap"]
    direct, tap = web.world.way("direct", device), web.world.taps[device]
    await asker.ask(direct, "PUT", there.watched, b"start")
    tap.forget()
    url = f"http://127.0.0.1:{web.plain}/hc/coap://127.0.0.1:{tap.port}{there.watched}"
    stream = await (http_clients.follow_by_curl(url) if client == "curl" else http_clients.follow_by_fetch(web.clients[client], url))
    assert content(await stream.next()) == b"start"
    for value in (b"one", b"two", b"three"):
        await asker.ask(direct, "PUT", there.watched, value)
        assert content(await stream.next()) == value
    await stream.leave()
    await asyncio.sleep(0.1)
    for value in (b"gone 1", b"gone 2", b"gone 3"):
        tap.seen.clear()
        await asker.ask(direct, "PUT", there.watched, value)
        await asyncio.sleep(0.08)
    assert not any(seen.message.payload.startswith(b"gone") for seen in tap.seen if not seen.up)


def content(event):
    data = event["data"]
    return data["text"].encode() if "text" in data else http_clients.base64.b64decode(data["base64"])


# ---- HTTPS ----


@pytest.mark.covers("C8075-10-1", "C8075-10-2")
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("client", ["curl", "http.client", "urllib", "node-http"])
async def test_client_certificates(web, client, version):
    """One of the route's names is let through, another name is not, none is asked for one, a foreign one has no connection."""
    c, url = web.clients[client], web.url("aiocoap", "/hello", web.secure, "https")
    good = await c.ask(url, "GET", tls=web.tls("meter-7", version))
    assert (good.status, good.body) == (200, b"hello from aiocoap")
    assert (await c.ask(url, "GET", tls=web.tls("guest", version))).status == 403
    nobody = await c.ask(url, "GET", tls=web.tls(None, version))
    assert nobody.status == 401 and "www-authenticate" in nobody.fields
    with pytest.raises(Failed):
        await c.ask(url, "GET", tls=web.tls("stranger", version))


@pytest.mark.parametrize("size", [40_960, 40_961, 50_000, 65_536, 200_000])
@pytest.mark.parametrize("client", ["curl", "http.client", "node-http"])
async def test_bodies_over_tls(web, client, size):
    """Of every size: what is kept for a second try, what fits in, what does not."""
    await empty(web, "aiocoap")
    c, store, tls = web.clients[client], web.url("aiocoap", "/store", web.secure, "https"), web.tls("meter-7")
    assert (await c.ask(store, "PUT", body(size), OCTETS, tls)).status == 201
    got = await c.ask(store, "GET", tls=tls)
    assert got.status == 200 and got.body == body(size)


async def by_key(web, version, name, key):
    """What openssl's client gets over a connection under a pre-shared key."""
    url = web.url("aiocoap", "/hello", web.secure, "https")
    process = await asyncio.create_subprocess_exec(
        "openssl", "s_client", "-connect", f"127.0.0.1:{web.secure}", "-tls" + version.replace(".", "_"),
        "-psk_identity", name, "-psk", key, "-quiet", "-no_ign_eof", *(["-cipher", "PSK"] if version == "1.2" else []),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    target = url[url.index("/hc/"):]
    process.stdin.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    try:
        return await asyncio.wait_for(http_wire.read(process.stdout), peers.TIMEOUT)
    finally:
        process.stdin.close()
        await process.wait()


@pytest.mark.covers("C8075-10-1")
@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_pre_shared_keys(web, version):
    answer = await by_key(web, version, "meter-1", PSK["meter-1"])
    assert (answer.status, answer.body) == (200, b"hello from aiocoap")
    assert await by_key(web, version, "meter-1", "00" * 16) is None


@pytest.mark.covers("C8613-12.1-1")
async def test_oscore_of_nobody_over_tls(web):
    """A client without a name is refused before anything is forwarded, OSCORE or not."""
    headers = {"OSCORE": "CSU", "Content-Type": "application/oscore"}
    tap = web.world.taps["aiocoap"]
    tap.forget()
    url = f"https://127.0.0.1:{web.secure}/hc/coap://127.0.0.1:{tap.port}/"
    answer = await web.clients["curl"].ask(url, "POST", b"\1\2\3\4\5\6\7\x08\x09\x0a", headers, web.tls())
    assert answer.status == 401 and not tap.seen
