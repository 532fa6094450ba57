"""The OSCORE test descriptions 0 to 17 from one transport to another: option and payload of every message are the same on both legs, and
those of the run without a gateway.
"""

import asyncio
import functools

import pytest

import dtls
import dtls_shim
import http_wire
import matrix
import oscore_http
import plugtest
import test_oscore
import test_oscore_http
import wire
from gateway import LOCAL, Gateway
from legs import Leg
from stream_tap import StreamTap, WebSocketFrames
from tap import Tap

NUMBERS = list(plugtest.DESCRIPTIONS)
NAME, KEY = "oscore-client", b"of a pair of two"
WAYS = ["UDP to TCP", "TCP to UDP", "DTLS to UDP", "WS to UDP"]
UNAWARE = "-unaware"  # of the names of listeners that lead to the server that knows no OSCORE


class Ends:
    """The gateway, taps before it and behind it. The origins are the world's: aiocoap's, and libcoap's, which knows no OSCORE."""

    async def start(self, world, folder):
        self.world = world
        matrix.write_keys(folder / "keys", {NAME: KEY})
        self.at_stream = {"": await StreamTap.start(world.plugtest_port), UNAWARE: await StreamTap.start(world.origins["libcoap"].port)}
        self.gateway = gateway = Gateway(folder)
        self.ports = {}
        for unaware, tap in (("", world.taps["oscore"]), (UNAWARE, world.taps["libcoap"])):
            to_udp, to_tcp = f"coap://127.0.0.1:{tap.port}", f"coap+tcp://127.0.0.1:{self.at_stream[unaware].port}"
            for way, scheme, more, to in (
                    ("UDP to TCP", "coap", "", to_tcp), ("TCP to UDP", "coap+tcp", "", to_udp),
                    ("DTLS to UDP", "coaps", f'psk-file = "{folder}/keys";', to_udp), ("WS to UDP", "http", "", to_udp)):
                name = way.replace(" ", "") + unaware
                self.ports[way, unaware] = gateway.listener(name, scheme, more)
                none = 'authenticate = "none";' if scheme == "http" else ""
                gateway.routes.append(f'{name}: {{ from = ["{name}"]; to = ["{to}"]; {none} {LOCAL} }};')
        web = gateway.listener("web", "http")
        gateway.routes.append('web: { from = ["web"]; http-path = "/hc/{+tu}"; authenticate = "none"; '
                              f'forward-to = ["coap+tcp://127.0.0.0/8:*"]; {LOCAL} }};')
        await gateway.start()
        self.at_web = await http_wire.Tap.start(web)

    async def stop(self):
        await self.gateway.stop()
        for tap in (self.at_web, *self.at_stream.values()):
            await tap.stop()

    def at_origin(self, way, number):
        """The tap before the origin of a description."""
        unaware = number == plugtest.UNAWARE
        if way.endswith("TCP"):
            tap = self.at_stream[UNAWARE if unaware else ""]
        else:
            tap = self.world.taps["libcoap" if unaware else "oscore"]
        tap.forget()
        return tap

    async def at_gateway(self, way, number):
        """A tap before the gateway, and the scheme by which a client asks it."""
        target = self.ports[way, UNAWARE if number == plugtest.UNAWARE else ""]
        if way == "UDP to TCP":
            return Tap(("127.0.0.1", target)), "coap"
        if way == "DTLS to UDP":
            return await dtls_shim.ClientShim.start(("127.0.0.1", target), dtls.Context(keys={NAME: KEY})), "coap"
        if way == "TCP to UDP":
            return await StreamTap.start(target), "coap+tcp"
        return await StreamTap.start(target, WebSocketFrames), "coap+ws"


@pytest.fixture(scope="module")
def ends(world, in_loop, tmp_path_factory):
    e = Ends()
    in_loop(e.start(world, tmp_path_factory.mktemp("transports")))
    yield e
    in_loop(e.stop())


async def run(ends, way, number):
    """What the client saw, and both legs."""
    at_origin = ends.at_origin(way, number)
    tap, scheme = await ends.at_gateway(way, number)
    try:
        result = await plugtest.run(number, f"{scheme}://127.0.0.1:{tap.port}", ends.world.plugtest)
        await asyncio.sleep(0.05)
        return result, Leg(tap.seen), Leg(at_origin.seen)
    finally:
        if isinstance(tap, StreamTap):
            await tap.stop()
        else:
            tap.close()


@pytest.mark.covers("C8323-3.2-2", "C8613-10-1", "C8613-10-6", "S-1", "S-5", "S-18")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", NUMBERS)
async def test_transports(ends, number, way):
    """The origin gets as many messages as without the gateway, with the same option and payload, and so does the client."""
    direct = await test_oscore.run(ends.world, number, "direct")
    result, down, up = await run(ends, way, number)
    assert plugtest.passed(number, result), result
    for upward in (True, False):
        if number in plugtest.PLAIN:
            assert len(down.messages(upward)) == len(up.messages(upward))
            continue
        assert down.protected(upward) == up.protected(upward)
        if number != plugtest.UNAWARE:
            assert up.protected(upward) == direct.up.protected(upward)
    assert all(not seen.message.option(wire.PROXY_URI) and not seen.message.option(wire.PROXY_SCHEME) for seen in up.seen)
    if number not in plugtest.PLAIN:
        assert up.protected(True) and all(option is not None for _, option, _ in up.protected(True))


@pytest.mark.covers("C8613-11.3-1", "C8613-11.3-2", "C8613-11.1-1", "C8323-8.6-1")
@pytest.mark.parametrize("number", NUMBERS)
async def test_http_to_tcp(ends, number):
    at_origin = ends.at_origin("HTTP to TCP", number)
    ends.at_web.forget()
    base = f"coap+tcp://127.0.0.1:{at_origin.port}"
    client = functools.partial(oscore_http.Client, port=ends.at_web.port)
    result = await plugtest.run(number, base, ends.world.plugtest, client)
    assert plugtest.passed(number, result, test_oscore_http.as_http_client(400).get(number)), result
    up = Leg(at_origin.seen)
    assert len(up.messages(True)) == len(ends.at_web.messages(True)) == len(up.messages(False))
    if number in plugtest.PLAIN:
        return
    test_oscore_http.check_http(ends.at_web, number)
    test_oscore_http.check_coap(up)
    test_oscore_http.equal(ends.at_web, up)
