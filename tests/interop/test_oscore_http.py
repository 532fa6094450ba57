"""The OSCORE test descriptions 0 to 17 with HTTP on a leg: the client speaks HTTP to the gateway (RFC 8613 section 11.3), the server
stands behind an HTTP origin (11.2), or both, with two gateways between them. Option and payload are compared on every leg.

Left out because nothing defines it: observing. The HTTP form of OSCORE has no Observe, so descriptions 5 to 7 show the plain
answers that RFC 8613 section 4.1.3.5.1 has for a registration whose Outer Observe is gone.
"""

import asyncio
import functools

import aiocoap
import pytest

import http_wire
import oscore_http
import peers
import plugtest
import wire
from gateway import Gateway
from legs import Leg
from tap import Tap, proxy_scheme, proxy_uri

NUMBERS = list(plugtest.DESCRIPTIONS)
OBSERVING = (6, 7)  # 5 asks to observe what cannot be observed
REFUSED = (12, 13, 15, 16)  # with unprotected answers
ONE, TWO = (("2.05 Content", False, [(12, b"")], value) for value in (b"one", b"two"))
TEXT = "text/plain;charset=utf-8"


def unprotected(status):
    """A diagnostic text as the answer to an OSCORE request."""
    return lambda entry: entry[0] == "NotAProtectedMessage" and entry[1][:2] == (status, TEXT) and entry[1][2]


def as_http_client(bad_option, unauthorized=403):
    """What an HTTP client sees instead; 4.01 becomes 403 (RFC 8075 table 2). `bad_option`: the status of an unaware origin's refusal."""
    return {
        0: [(200, TEXT, b"Hello World!")],
        6: [ONE, ("watched", False)],
        7: [ONE, ("watched", False), TWO, ("cancelled", True)],
        12: [unprotected(unauthorized)],
        13: [unprotected(400)],
        15: [plugtest.CONTENT_HELLO, unprotected(unauthorized)],
        16: [unprotected(bad_option)],
        17: [lambda entry: entry[0] == unauthorized],
    }


# a CoAP client whose server is an HTTP origin: its registrations are answered, not accepted
NOT_OBSERVED = [("StopAsyncIteration",)]
AS_COAP_CLIENT = {
    0: [("2.05 Content", False, [(12, b""), (14, b"")], b"Hello World!")],  # the origin says nothing of freshness
    6: [ONE, *NOT_OBSERVED, *NOT_OBSERVED],
    7: [ONE, *NOT_OBSERVED, TWO, ("cancelled", True)],
    16: [plugtest.unprotected("4.15 Unsupported Content Format")],
}


class Ends:
    """The gateways, and an HTTP origin with the resources of the plugtest server."""

    async def start(self, world, path):
        self.world = world
        self.origin = await oscore_http.Origin.start(world.plugtest)
        self.at_origin = await http_wire.Tap.start(self.origin.port)
        self.gateways = {}
        for name in ("first", "second"):
            (path / name).mkdir()
            self.gateways[name] = Gateway(path / name)
        first, second = self.gateways["first"], self.gateways["second"]
        first.web()
        self.to_origin = second.reverse_url("origin", f"http://127.0.0.1:{self.at_origin.port}")
        self.to_unaware = second.reverse_url("unaware", f"http://127.0.0.1:{self.at_origin.port}/unaware")
        for gateway in self.gateways.values():
            await gateway.start()
        self.at_gateway = await http_wire.Tap.start(first.listeners["web"])

    async def stop(self):
        for gateway in self.gateways.values():
            await gateway.stop()
        for part in (self.at_gateway, self.at_origin, self.origin):
            await part.stop()

    def forget(self):
        for tap in (self.at_gateway, self.at_origin, *self.world.taps.values()):
            tap.forget()


@pytest.fixture(scope="module")
def ends(world, in_loop, tmp_path_factory):
    e = Ends()
    in_loop(e.start(world, tmp_path_factory.mktemp("http")))
    yield e
    in_loop(e.stop())


def protected(leg, up):
    """(option, payload) of each message of a leg of either protocol; the codes outside differ."""
    return [entry[-2:] for entry in leg.protected(up)]


def check_http(tap, number):
    """Each OSCORE message is as RFC 8613 section 11.1 has it."""
    for message in tap.messages(True):
        assert (message.method, message.one("Content-Type")) == ("POST", oscore_http.OSCORE_TYPE), message.raw
        assert message.oscore is not None and message.body
    answers = tap.messages(False)
    sealed = [m for m in answers if m.oscore is not None]
    assert len(sealed) == len(answers) - (number in REFUSED)
    for message in sealed:
        assert (message.status, message.one("Content-Type")) == (200, oscore_http.OSCORE_TYPE), message.raw
        assert message.one("Content-Encoding") is None and "no-store" in message.one("Cache-Control")
    for message in answers:
        assert message.oscore is not None or message.one("Content-Type") == TEXT


def check_coap(leg):
    """POST and what the option and the payload say, no Content-Format (RFC 8613 section 11.3)."""
    for entry in leg.messages(True):
        assert entry.message.code == wire.code("0.02")
        assert {n for n, _ in entry.message.options} - {wire.HOP_LIMIT, wire.URI_HOST, wire.URI_PORT} == {wire.OSCORE}


def equal(down, up):
    assert protected(up, True) and protected(down, True) == protected(up, True)
    assert protected(down, False) == protected(up, False)


def http_client(ends, space="/hc/"):
    return functools.partial(oscore_http.Client, port=ends.at_gateway.port, space=space)


@pytest.mark.parametrize("number", NUMBERS)
async def test_direct(ends, number):
    """HTTP to the origin: what the two ends here do without a gateway."""
    ends.forget()
    ends.origin.unaware = number == plugtest.UNAWARE
    try:
        client = functools.partial(oscore_http.Client, port=ends.at_origin.port, space=None)
        result = await plugtest.run(number, "coap://127.0.0.1", ends.world.plugtest, client)
        assert plugtest.passed(number, result, as_http_client(415, unauthorized=401).get(number)), result
        if number not in plugtest.PLAIN:
            check_http(ends.at_origin, number)
    finally:
        ends.origin.unaware = False


@pytest.mark.covers("C8613-11.3-1", "C8613-11.3-2", "C8613-11-7", "C8613-11.1-1", "S-8", "S-10", "C8613-11.4-1")
@pytest.mark.parametrize("number", NUMBERS)
async def test_http_client(ends, number):
    """HTTP to the gateway, CoAP to aiocoap's server or, for 16, to libcoap's, which knows no OSCORE."""
    world = ends.world
    ends.forget()
    at_origin = world.taps["libcoap" if number == plugtest.UNAWARE else "oscore"]
    base = f"coap://127.0.0.1:{at_origin.port}"
    result = await plugtest.run(number, base, world.plugtest, http_client(ends))
    assert plugtest.passed(number, result, as_http_client(400).get(number)), result
    up = Leg(at_origin.seen)
    assert len(up.messages(True)) == len(ends.at_gateway.messages(True)) == len(up.messages(False))
    if number in plugtest.PLAIN:
        return
    check_http(ends.at_gateway, number)
    check_coap(up)
    equal(ends.at_gateway, up)


@pytest.mark.covers("S-16")
async def test_echo_of_a_server_that_lost_its_state_passes_inside(ends):
    """RFC 8613 appendix B.1.2: the protected 4.01 with Echo is the client's affair, though 4.01 with Echo outside is the gateway's."""
    ends.forget()
    world = ends.world
    world.plugtest.reset(state_lost=True)
    at_origin = world.taps["oscore"]
    async with http_client(ends)(f"coap://127.0.0.1:{at_origin.port}", world.plugtest, plugtest.context_a()) as client:
        await client.ask(oscore_http.GET, "/oscore/hello/1")
    assert client.result == [plugtest.CONTENT_HELLO]
    assert len(ends.at_gateway.messages(True)) == 2
    equal(ends.at_gateway, Leg(at_origin.seen))


@pytest.mark.covers("C8613-11.2-1", "C8613-11.2-2", "C8613-11.6-1", "C8613-11.1-1")
@pytest.mark.parametrize("form", peers.PROXIED)
@pytest.mark.parametrize("number", NUMBERS)
async def test_http_origin(ends, number, form):
    """CoAP to the gateway, HTTP to the origin."""
    ends.forget()
    unaware = number == plugtest.UNAWARE
    origin, gateway = ends.at_origin.port, ends.gateways["second"]
    shims = {"proxy-uri": proxy_uri, "proxy-scheme": proxy_scheme}
    if form == "reverse":
        at_gateway = Tap(("127.0.0.1", ends.to_unaware if unaware else ends.to_origin))
    else:
        at_gateway = Tap(("127.0.0.1", gateway.forward), shims[form]("127.0.0.1", origin, "http"))
    if unaware and form != "reverse":
        ends.origin.unaware = True
    try:
        result = await plugtest.run(number, f"coap://127.0.0.1:{at_gateway.port}", ends.world.plugtest)
        assert plugtest.passed(number, result, AS_COAP_CLIENT.get(number)), result
        down = Leg(at_gateway.seen)
        assert len(ends.at_origin.messages(True)) == len(down.messages(True)) == len(down.messages(False))
        if number in plugtest.PLAIN:
            return
        check_http(ends.at_origin, number)
        equal(down, ends.at_origin)
    finally:
        ends.origin.unaware = False
        at_gateway.close()


@pytest.mark.covers("C8613-11.1-3", "C8613-11.2-1", "C8613-11.3-1", "C8613-11-7")
@pytest.mark.parametrize("number", NUMBERS)
async def test_chain(ends, number):
    """HTTP to the first gateway, CoAP to the second, HTTP to the origin."""
    ends.forget()
    between = Tap(("127.0.0.1", ends.to_unaware if number == plugtest.UNAWARE else ends.to_origin))
    try:
        base = f"coap://127.0.0.1:{between.port}"
        result = await plugtest.run(number, base, ends.world.plugtest, http_client(ends))
        assert plugtest.passed(number, result, as_http_client(415).get(number)), result
        if number in plugtest.PLAIN:
            return
        for tap in (ends.at_gateway, ends.at_origin):
            check_http(tap, number)
        check_coap(Leg(between.seen))
        equal(ends.at_gateway, Leg(between.seen))
        equal(Leg(between.seen), ends.at_origin)
    finally:
        between.close()


@pytest.mark.covers("S-6", "S-7")
async def test_chain_of_large_messages(ends):
    """Messages that are whole over HTTP and in outer blocks between the gateways, several at once."""
    ends.forget()
    ends.world.plugtest.reset()
    between = Tap(("127.0.0.1", ends.to_origin))
    try:
        async with http_client(ends)(f"coap://127.0.0.1:{between.port}", ends.world.plugtest, plugtest.context_a()) as client:
            bodies = [bytes([n]) * size for n, size in enumerate((900, 1500, 5000, 20000))]
            answers = await asyncio.gather(*(client.ask(aiocoap.POST, "/oscore/hello/6", payload=b, content_format=0) for b in bodies))
        assert [a.payload for a in answers] == [b[:1024] for b in bodies]  # what is longer aiocoap cuts inside
        requests = Leg(between.seen).messages(True)
        assert len(requests) >= 28 and all(entry.message.option(wire.OSCORE) is not None for entry in requests)
        for up in (True, False):
            assert sorted(ends.at_gateway.protected(up)) == sorted(ends.at_origin.protected(up))
    finally:
        between.close()
