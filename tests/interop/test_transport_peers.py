"""Other people's programs over DTLS, TCP, TLS and WebSockets, as clients of the gateway and as its origins: libcoap with OpenSSL and with
GnuTLS, node-coap at the other end of a connection, and OpenSSL's s_client and s_server, which show the bare bytes.
"""

import asyncio
import itertools
import random
import ssl

import aiocoap
import pytest

import frames
import libcoap_tools
import matrix
import peers
import wire
from gateway import LOCAL, Gateway
from libcoap_tools import LIBRARIES

NAME, KEY = "s-client", b"kept between two"  # of s_client; each library has a name of its own
OUR_NAME, OUR_KEY = "gateway", b"known to origins"
BODY = bytes(range(200)) * 15
CSM = frames.message(frames.CSM)
SECURED = ["psk", "certificate"]
DTLS, TLS12, TLS13 = "-dtls1_2", "-tls1_2", "-tls1_3"
OVER_TLS = [(TLS12, "psk"), (TLS12, "certificate"), (TLS13, "certificate")]


def stand_in(version, security):
    return f"stand_in_{version.strip('-')}_{security}"


class Ends:
    """The gateway; an origin that aiocoap serves over UDP, TCP, TLS and WebSockets; libcoap's servers."""

    async def start(self, folder):
        self.folder = folder
        second, third = random.randrange(32, 250), random.randrange(256)
        self.hosts = {name: f"127.{second}.{third}.{n + 1}" for n, name in enumerate(["gateway", *itertools.product(LIBRARIES, SECURED)])}
        matrix.make_certificate(folder, ["127.0.0.1", *self.hosts.values()])
        matrix.write_keys(folder / "clients", dict.fromkeys([NAME, *LIBRARIES], KEY))
        matrix.write_keys(folder / "ours", {OUR_NAME: OUR_KEY})
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        tls.set_alpn_protocols(["coap"])
        self.origin = await peers.AiocoapOrigin.start(("udp6", "tcpserver", "tlsserver", "ws"), tls)
        self.node = await peers.NodeOrigin.start()
        self.servers = {}
        for library in LIBRARIES:
            for security, shown in (("psk", ["-k", OUR_KEY.decode()]),
                                    ("certificate", ["-c", str(folder / "cert.pem"), "-j", str(folder / "key.pem"), "-n"])):
                host = self.hosts[library, security]
                self.servers[library, security] = await libcoap_tools.Server.start(library, host, *shown)
        self.stand_ins = {}  # ports of s_server
        self.ports = {}
        self.gateway = self._gateway()
        await self.gateway.start()
        self.client = await peers.AiocoapClient.start()
        self.node_client = await peers.NodeClient.start()

    def _route(self, gateway, name, scheme, url, more="", route="", **place):
        self.ports[name] = gateway.listener(name, scheme, more, **place)
        gateway.routes.append(f'{name}: {{ from = ["{name}"]; to = ["{url}"]; {LOCAL} {route} }};')

    def _gateway(self):
        gateway, folder = Gateway(self.folder), self.folder
        secured = f'certificate = "{folder}/cert.pem"; key = "{folder}/key.pem"; psk-file = "{folder}/clients";'
        here = f"coap://127.0.0.1:{self.origin.port}"
        for scheme, more in (("coaps", secured), ("coap+tcp", ""), ("coaps+tcp", secured)):
            self._route(gateway, scheme.replace("+", "_"), scheme, here, more)
        self._route(gateway, "standard", "coaps+tcp", here, secured, host=self.hosts["gateway"], port=5684)
        self._route(gateway, "to_node", "coap+tcp", f"coap://127.0.0.1:{self.node.port}")
        self._route(gateway, "from_node", "coap", f"coap+tcp://127.0.0.1:{self.origin.port}")
        shows = {"psk": f'origin-identity = "{OUR_NAME}";', "certificate": ""}
        for (library, security), server in self.servers.items():
            for scheme in ("coaps", "coap+tcp", "coaps+tcp"):
                name = f"{library}_{security}_{scheme.replace('+', '_')}"
                self._route(gateway, name, "coap", f"{scheme}://{server.host}", route=shows[security] if scheme != "coap+tcp" else "")
        for version, security in [(DTLS, "psk"), (DTLS, "certificate"), *OVER_TLS]:
            port = self.stand_ins[version, security] = peers.free_port()
            self._route(gateway, stand_in(version, security), "coap", f"{'coaps' if version == DTLS else 'coaps+tcp'}://127.0.0.1:{port}",
                        route=shows[security])
        gateway.groups = f'upstream: {{ psk-file = "{folder}/ours"; ca = "{folder}/cert.pem"; }};\n'
        return gateway

    def port(self, name):
        return self.ports[name.replace("+", "_")]

    async def stop(self):
        for peer in (self.client, self.node_client, self.origin, self.node, *self.servers.values()):
            await peer.stop()
        await self.gateway.stop()

    def shown(self, library, security):
        """What coap-client shows, and how it knows the gateway."""
        return {"none": [], "psk": ["-u", library, "-k", KEY.decode()], "certificate": ["-C", str(self.folder / "cert.pem")]}[security]

    def way(self, name):
        return peers.Way("reverse", self.port(name), 0)


@pytest.fixture(scope="module")
def ends(in_loop, tmp_path_factory):
    e = Ends()
    in_loop(e.start(tmp_path_factory.mktemp("peers")))
    yield e
    in_loop(e.stop())


WAYS = [("coaps", "psk"), ("coaps", "certificate"), ("coap+tcp", "none"), ("coaps+tcp", "psk"), ("coaps+tcp", "certificate")]


@pytest.mark.parametrize("scheme, security", WAYS)
@pytest.mark.parametrize("library", LIBRARIES)
async def test_libcoap_client(ends, library, scheme, security, tmp_path):
    """Reads, writes in blocks or in one piece, reads back, and is told what is not there."""
    # It names no protocol (ALPN) with its key, which the port of CoAP over TLS alone puts up with.
    host = ends.hosts["gateway"] if (scheme, security) == ("coaps+tcp", "psk") else f"127.0.0.1:{ends.port(scheme)}"
    uri, shown = f"{scheme}://{host}", ends.shown(library, security)
    told = await libcoap_tools.ask(library, uri + "/hello", shown, tmp_path)
    assert (told.code, told.body) == ("2.05", ends.origin.greeting), told.log
    told = await libcoap_tools.ask(library, uri + "/store", shown, tmp_path, "put", BODY)
    assert told.code in ("2.01", "2.04"), told.log
    told = await libcoap_tools.ask(library, uri + "/store", shown, tmp_path)
    assert (told.code, told.body) == ("2.05", BODY), told.log
    told = await libcoap_tools.ask(library, uri + "/nowhere", shown, tmp_path)
    assert told.code == "4.04", told.log


async def test_libcoap_clients_observe(ends):
    """All at once, since each of them observes for whole seconds."""
    way = peers.Way("direct", ends.origin.port, ends.origin.port)
    await ends.client.ask(way, "PUT", "/store", b"before")
    watching = {}

    async def begin(library, scheme, security):
        uri = f"{scheme}://127.0.0.1:{ends.port(scheme)}/store"
        process = watching[library, scheme] = await libcoap_tools.watch(library, uri, ends.shown(library, security), 3)
        assert await asyncio.wait_for(process.stdout.readline(), peers.TIMEOUT) == b"before\n", (library, scheme)

    ways = (("coaps", "psk"), ("coap+tcp", "none"), ("coaps+tcp", "certificate"))
    await asyncio.gather(*(begin(library, *one) for library in LIBRARIES for one in ways))
    await ends.client.ask(way, "PUT", "/store", b"after")
    for who, process in watching.items():
        assert await asyncio.wait_for(process.stdout.readline(), peers.TIMEOUT) == b"after\n", who
    for process in watching.values():
        await asyncio.wait_for(process.wait(), peers.TIMEOUT)


@pytest.mark.parametrize("scheme", ["coaps", "coaps+tcp"])
@pytest.mark.parametrize("library", LIBRARIES)
async def test_libcoap_client_with_a_wrong_key(ends, library, scheme, tmp_path):
    shown = ["-u", library, "-k", "something else!!"]
    told = await libcoap_tools.ask(library, f"{scheme}://127.0.0.1:{ends.port(scheme)}/hello", shown, tmp_path, patience=2)
    assert told.code == "" and told.body == b"", told.log


@pytest.mark.parametrize("scheme, security", WAYS)
@pytest.mark.parametrize("library", LIBRARIES)
async def test_libcoap_server(ends, library, scheme, security):
    """A client of UDP reads, writes, reads back, and observes."""
    way = ends.way(f"{library}_{security if security != 'none' else 'psk'}_{scheme}")
    answer = await ends.client.ask(way, "GET", "/")
    assert answer.code == "2.05" and b"libcoap" in answer.payload
    for body in (b"short", BODY):
        answer = await ends.client.ask(way, "PUT", "/example_data", body)
        assert answer.code in ("2.01", "2.04")
        answer = await ends.client.ask(way, "GET", "/example_data")
        assert (answer.code, answer.payload) == ("2.05", body)
    watch = await ends.client.watch(way, "/time")
    assert await watch.following() != watch.first
    await watch.cancel()
    assert (await ends.client.ask(way, "GET", "/nowhere")).code == "4.04"


async def test_node_client_and_an_origin_over_tcp(ends):
    way = ends.way("from_node")
    answer = await ends.node_client.ask(way, "GET", "/hello")
    assert (answer.code, answer.payload) == ("2.05", ends.origin.greeting)
    assert (await ends.node_client.ask(way, "PUT", "/store", BODY)).code in ("2.01", "2.04")
    answer = await ends.node_client.ask(way, "GET", "/store")
    assert (answer.code, answer.payload) == ("2.05", BODY)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_node_origin_and_a_client_over_tcp(ends, library, tmp_path):
    uri = f"coap+tcp://127.0.0.1:{ends.port('to_node')}"
    told = await libcoap_tools.ask(library, uri + "/hello", [], tmp_path)
    assert (told.code, told.body) == ("2.05", b"hello from node"), told.log
    told = await libcoap_tools.ask(library, uri + "/store", [], tmp_path, "put", BODY)
    assert told.code in ("2.01", "2.04"), told.log
    told = await libcoap_tools.ask(library, uri + "/store", [], tmp_path)
    assert (told.code, told.body) == ("2.05", BODY), told.log


# ---- OpenSSL's own programs -------------------------------------------------------------------------------------------


class Tool:
    """`openssl s_client` or `s_server`: what is written to it goes to the peer, what comes is read."""

    @classmethod
    async def start(cls, *arguments):
        self = cls()
        self.process = await asyncio.create_subprocess_exec(
            "openssl", *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        return self

    def write(self, data):
        self.process.stdin.write(data)

    async def read(self):
        return await asyncio.wait_for(self.process.stdout.read(1 << 16), peers.TIMEOUT)

    async def stop(self):
        if self.process.returncode is None:
            self.process.kill()
        return await self.process.communicate()


def known_by(security, folder, name, key):
    if security == "psk":
        return ["-psk_identity", name, "-psk", key.hex()]
    return ["-CAfile", str(folder / "cert.pem"), "-verify_return_error"]


def get_datagram(path):
    return wire.write(wire.Datagram(wire.CON, wire.code("0.01"), 0x1234, b"\x51", [(wire.URI_PATH, path)]))


def get_frame(path):
    return frames.message(wire.code("0.01"), b"\x51", [(wire.URI_PATH, path)])


async def next_message(tool, reader, waiting):
    """The next message of a connection; `waiting` has those that came together."""
    while not waiting:
        waiting += reader.feed(await tool.read())
    return waiting.pop(0)


@pytest.mark.covers("C7252-9.1-1")
@pytest.mark.parametrize("security", SECURED)
async def test_s_client_over_dtls(ends, security):
    """One datagram of a request is one record, and so is the answer, which acknowledges it."""
    tool = await Tool.start("s_client", DTLS, "-quiet", "-connect", f"127.0.0.1:{ends.port('coaps')}",
                            *known_by(security, ends.folder, NAME, KEY), "-cipher", "ALL:@SECLEVEL=0")
    try:
        tool.write(get_datagram(b"hello"))
        answer = wire.parse(await tool.read())
        assert (answer.type, answer.mid, answer.token, answer.code) == (wire.ACK, 0x1234, b"\x51", wire.code("2.05"))
        assert answer.payload == ends.origin.greeting
    finally:
        await tool.stop()


@pytest.mark.covers("C8323-3.3-2", "C8323-8.2-1")
@pytest.mark.parametrize("version, security", OVER_TLS)
async def test_s_client_over_tls(ends, version, security):
    """The gateway says its capabilities before it knows ours; the answer has our token."""
    tool = await Tool.start("s_client", version, "-quiet", "-alpn", "coap", "-connect", f"127.0.0.1:{ends.port('coaps+tcp')}",
                            *known_by(security, ends.folder, NAME, KEY), "-cipher", "ALL:@SECLEVEL=0")
    reader, waiting = frames.Reader(), []
    try:
        assert (await next_message(tool, reader, waiting)).code == frames.CSM
        tool.write(CSM + get_frame(b"hello"))
        answer = await next_message(tool, reader, waiting)
        assert (answer.code, answer.token, answer.payload) == (wire.code("2.05"), b"\x51", ends.origin.greeting)
    finally:
        await tool.stop()


@pytest.mark.covers("C8323-8.2-1")
async def test_s_client_without_alpn(ends):
    """At a port other than 5684 who does not name the protocol is let go."""
    tool = await Tool.start("s_client", TLS13, "-quiet", "-connect", f"127.0.0.1:{ends.port('coaps+tcp')}",
                            "-CAfile", str(ends.folder / "cert.pem"))
    tool.write(CSM + get_frame(b"hello"))
    try:
        data = b""
        while more := await tool.read():
            data += more
        assert ends.origin.greeting not in data
    finally:
        await tool.stop()


async def serving(ends, version, security):
    shown = (["-nocert", "-psk_identity", OUR_NAME, "-psk", OUR_KEY.hex()] if security == "psk" else
             ["-cert", str(ends.folder / "cert.pem"), "-key", str(ends.folder / "key.pem")])
    protocol = ["-alpn", "coap"] if version != DTLS else []
    tool = await Tool.start("s_server", version, "-quiet", "-accept", f"127.0.0.1:{ends.stand_ins[version, security]}",
                            "-cipher", "ALL:@SECLEVEL=0", *shown, *protocol)
    await asyncio.sleep(0.3)
    return tool


@pytest.mark.parametrize("security", SECURED)
async def test_s_server_over_dtls(ends, security):
    tool = await serving(ends, DTLS, security)
    try:
        asking = asyncio.ensure_future(ends.client.ask(ends.way(stand_in(DTLS, security)), "GET", "/what"))
        request = wire.parse(await tool.read())
        assert request.is_request and request.option(wire.URI_PATH) == b"what"
        tool.write(wire.write(wire.Datagram(wire.ACK, wire.code("2.05"), request.mid, request.token, [], b"from s_server")))
        assert (await asking).payload == b"from s_server"
    finally:
        await tool.stop()


@pytest.mark.covers("C8323-3.3-1", "C8323-8.2-1")
@pytest.mark.parametrize("version, security", OVER_TLS)
async def test_s_server_over_tls(ends, version, security):
    """The first that comes is the CSM; the request does not wait for another question."""
    tool = await serving(ends, version, security)
    reader, waiting = frames.Reader(), []
    try:
        asking = asyncio.ensure_future(ends.client.ask(ends.way(stand_in(version, security)), "GET", "/what"))
        assert (await next_message(tool, reader, waiting)).code == frames.CSM
        tool.write(CSM)
        request = await next_message(tool, reader, waiting)
        assert request.is_request and request.option(wire.URI_PATH) == b"what"
        tool.write(frames.message(wire.code("2.05"), request.token, payload=b"from s_server"))
        assert (await asking).payload == b"from s_server"
    finally:
        await tool.stop()
