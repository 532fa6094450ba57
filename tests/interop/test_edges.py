"""Where other proxies fail real peers: a server that lost its state, origins that are down, Max-Age, zero-length options, and two
origins that differ only by their port."""

import asyncio

import aiocoap
import pytest

import peers
import plugtest
import wire
from legs import Leg
from peers import PROXIED
from tap import Tap, proxy_scheme, proxy_uri

forms = pytest.mark.parametrize("form", PROXIED)
FORWARD = ["proxy-uri", "proxy-scheme"]


async def protected(world, form, name, state_lost=False):
    """One protected GET; returns what the client saw and the two legs."""
    world.plugtest.reset(state_lost=state_lost)
    at_origin = world.taps[name] if name in world.taps else None
    if at_origin:
        at_origin.forget()
    at_proxy = world.downstream(form, name)
    try:
        async with plugtest.Client(f"coap://127.0.0.1:{at_proxy.port}", world.plugtest, plugtest.context_a()) as client:
            await client.ask(aiocoap.GET, "/oscore/hello/1")
            await asyncio.sleep(0.03)
        return client.result, Leg(at_proxy.seen), Leg(at_origin.seen if at_origin else [])
    finally:
        at_proxy.close()


@forms
async def test_a_server_that_lost_its_state_recovers_by_echo(world, form):
    """RFC 8613 appendix B.1.2: a protected 4.01 with Echo, the request again under a new Partial IV, then the answer."""
    result, down, up = await protected(world, form, "oscore", state_lost=True)
    assert result == [plugtest.CONTENT_HELLO]
    for upward in (True, False):
        assert len(up.messages(upward)) == 2
        assert down.protected(upward) == up.protected(upward)
    assert len({option for _, option, _ in up.protected(True)}) == 2
    first, second = up.messages(True)
    assert first.peer == second.peer  # the origin knows its client by the endpoint


@forms
async def test_an_oscore_request_to_a_closed_port_is_answered(world, form):
    """ICMP says that nobody listens: 5.02, without OSCORE and without waiting."""
    result, _, _ = await asyncio.wait_for(protected(world, form, "closed"), 5)
    assert [entry[1][0] for entry in result] == ["5.02 Bad Gateway"]


@forms
@pytest.mark.parametrize("client", list(peers.CLIENTS))
async def test_a_closed_port_is_bad_gateway(world, client, form):
    answer = await asyncio.wait_for(world.clients[client].ask(world.way(form, "closed"), "GET", "/hello"), 5)
    assert answer.code == "5.02"


async def test_a_silent_origin_is_gateway_timeout(world):
    """5.04 after the routes' timeout of 3 s, for each client and for OSCORE."""
    asked = [world.clients[name].ask(world.way(form, "silent"), "GET", "/hello") for name in peers.CLIENTS for form in PROXIED]
    *plain, secured = await asyncio.gather(*asked, protected(world, "reverse", "silent"))
    assert [answer.code for answer in plain] == ["5.04"] * len(plain)
    assert [entry[1][0] for entry in secured[0]] == ["5.04 Gateway Timeout"]


@forms
async def test_max_age_and_etag_of_the_origin_arrive(world, form):
    way = world.way(form, "aiocoap")
    client = world.clients["aiocoap"]
    request = client.context.request(client._message(way, "GET", "/aged", b""))
    response = await asyncio.wait_for(request.response, peers.TIMEOUT)
    assert (response.code.dotted, response.payload) == ("2.05", b"aged")
    assert (response.opt.max_age, response.opt.etag) == (30, b"\x01\x02")


@forms
async def test_zero_length_options_stay_and_stay_empty(world, form):
    """Content-Format 0 and Accept 0 have no octets; so has the OSCORE option of an answer."""
    tap = world.taps["aiocoap"]
    tap.forget()
    client = world.clients["aiocoap"]
    request = client.context.request(client._message(world.way(form, "aiocoap"), "GET", "/hello", b"", accept=0))
    response = await asyncio.wait_for(request.response, peers.TIMEOUT)
    assert response.opt.content_format == 0
    (upward,) = Leg(tap.seen).messages(True)
    assert upward.message.option(17) == b""

    _, down, up = await protected(world, form, "oscore")
    for leg in (down, up):
        assert [option for _, option, _ in leg.protected(False)] == [b""]


@pytest.mark.parametrize("form", FORWARD)
@pytest.mark.parametrize("client", ["aiocoap", "node"])
async def test_observations_of_origins_that_differ_by_port(world, client, form):
    """Each client gets the notifications of the origin that it named, though all else is equal."""
    first, second = await peers.AiocoapOrigin.start(), await peers.AiocoapOrigin.start()
    clients = [await peers.CLIENTS[client].start() for _ in range(2)]
    steer = world.clients["aiocoap"]
    try:
        for origin, name in ((first, b"A"), (second, b"B")):
            await steer.ask(peers.Way("direct", origin.port, 0), "PUT", "/store", name)
        world.way(form, "aiocoap")  # fails here if there is no proxy
        watches = [
            await c.watch(peers.Way(form, world.proxy.forward, origin.port), "/store")
            for c, origin in zip(clients, (first, second))
        ]
        assert [watch.first for watch in watches] == [b"A", b"B"]
        for turn in (b"1", b"2"):
            for origin, name, watch in ((second, b"B", watches[1]), (first, b"A", watches[0])):
                await steer.ask(peers.Way("direct", origin.port, 0), "PUT", "/store", name + turn)
                assert await watch.following() == name + turn
    finally:
        for peer in (*clients, first, second):
            await peer.stop()


@pytest.mark.covers("S-2")
@pytest.mark.parametrize("form", FORWARD)
async def test_protected_observations_of_origins_that_differ_by_port(world, form):
    """The same with OSCORE, where the requests of the two clients are octet for octet equal."""
    ports = [peers.free_port(), peers.free_port()]
    servers = [await plugtest.Server.start(port) for port in ports]
    world.way(form, "oscore")
    shim = {"proxy-uri": proxy_uri, "proxy-scheme": proxy_scheme}[form]
    taps = [Tap(("127.0.0.1", world.proxy.forward), shim("127.0.0.1", port)) for port in ports]
    clients = [plugtest.Client(f"coap://127.0.0.1:{tap.port}", server, plugtest.context_a()) for tap, server in zip(taps, servers)]
    requests = []
    try:
        for client, server, name in zip(clients, servers, (b"A", b"B")):
            server.resources["oscore/observe1"].value = name
            await client.__aenter__()
            request = client.context.request(client.message(aiocoap.GET, "/oscore/observe1", observe=0))
            requests.append((request, request.observation.__aiter__()))
            assert (await asyncio.wait_for(request.response, peers.TIMEOUT)).payload == name
        assert taps[0].seen[0].message.option(wire.OSCORE) == taps[1].seen[0].message.option(wire.OSCORE)
        for at in (1, 0):
            servers[at].resources["oscore/observe1"].show(b"AB"[at : at + 1] * 2)
            notification = await asyncio.wait_for(requests[at][1].__anext__(), peers.TIMEOUT)
            assert notification.payload == b"AB"[at : at + 1] * 2
    finally:
        for client in clients:
            if hasattr(client, "context"):
                await client.__aexit__()
        for tap in taps:
            tap.close()
        for server in servers:
            await server.stop()
