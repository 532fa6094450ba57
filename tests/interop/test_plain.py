"""Plain requests of three client libraries to three server libraries: straight, and through the proxy in every form."""

import asyncio
import random

import pytest

import peers
from peers import PROXIED

FORMS = ["direct", *PROXIED]
pairs = pytest.mark.parametrize("origin", list(peers.ORIGINS))
clients = pytest.mark.parametrize("client", list(peers.CLIENTS))
forms = pytest.mark.parametrize("form", FORMS)


def body(size):
    return random.Random(size).randbytes(size)


async def empty(world, origin):
    """Takes the stored resource away, whatever an earlier test left."""
    await world.clients["aiocoap"].ask(world.way("direct", origin), "DELETE", world.origins[origin].store)


@forms
@pairs
@clients
async def test_methods(world, client, origin, form):
    way, there, c = world.way(form, origin), world.origins[origin], world.clients[client]
    await empty(world, origin)
    hello = await c.ask(way, "GET", there.hello)
    assert hello.code == "2.05"
    assert hello.payload == there.greeting if there.greeting else hello.payload
    assert (await c.ask(way, "GET", there.store)).code == "4.04"
    assert (await c.ask(way, "PUT", there.store, b"first")).code == "2.01"
    assert (await c.ask(way, "PUT", there.store, b"second")).code == "2.04"
    got = await c.ask(way, "GET", there.store)
    assert (got.code, got.payload) == ("2.05", b"second")
    assert (await c.ask(way, "POST", there.store, b"third")).code == "2.04"
    assert (await c.ask(way, "GET", there.store)).payload == b"third"
    assert (await c.ask(way, "DELETE", there.store)).code == "2.02"
    assert (await c.ask(way, "GET", there.store)).code == "4.04"


@forms
@pairs
@clients
async def test_fetch(world, client, origin, form):
    there = world.origins[origin]
    answer = await world.clients[client].ask(world.way(form, origin), "FETCH", there.echo, b"ticks")
    assert answer.code == "2.05"
    if origin == "libcoap":  # its /time answers "ticks" with a number, everything else with a date
        assert answer.payload.isdigit()
    else:
        assert answer.payload == b"ticks"


@pytest.mark.parametrize("size", [4096, 61440])
@forms
@pairs
@clients
async def test_blocks(world, client, origin, form, size):
    """Block1 up and Block2 down, octet for octet."""
    way, there, c = world.way(form, origin), world.origins[origin], world.clients[client]
    await empty(world, origin)
    assert (await c.ask(way, "PUT", there.store, body(size))).code in ("2.01", "2.04")
    got = await c.ask(way, "GET", there.store)
    assert got.code == "2.05" and got.payload == body(size)


async def notifications_after(world, origin, value):
    """Lets the origin change thrice and returns how many times it still told anyone of the last change. (aiocoap's way to
    cancel is a Reset, which it sends for the second notification that it no longer wants.)"""
    other = world.clients["aiocoap"]
    path = world.origins[origin].watched
    tap = world.taps[origin]
    direct = peers.Way("direct", world.origins[origin].port, 0)
    for change in (b" first", b" second", b" third"):
        tap.seen.clear()
        await other.ask(direct, "PUT", path, value + change)
        await asyncio.sleep(0.08)
    return sum(not seen.up and seen.message.payload.startswith(value) for seen in tap.seen)


async def observe(world, client, origin, form):
    """Three notifications arrive, each with its value; after the client's cancellation none leaves the origin any more."""
    way, path = world.way(form, origin), world.origins[origin].watched
    direct = peers.Way("direct", world.origins[origin].port, 0)
    other = world.clients["aiocoap"]
    await other.ask(direct, "PUT", path, b"start")
    watch = await world.clients[client].watch(way, path)
    assert watch.first == b"start"
    for value in (b"one", b"two", b"three"):
        await other.ask(direct, "PUT", path, value)
        assert await watch.following() == value
    await watch.cancel()
    await asyncio.sleep(0.05)
    assert await notifications_after(world, origin, b"gone") == 0


@forms
@pairs
@pytest.mark.parametrize("client", ["aiocoap", "node"])
async def test_observe(world, client, origin, form):
    await observe(world, client, origin, form)


@forms
async def test_observe_libcoap(world, form):
    """coap-client observes for two seconds: all origins at once."""
    await asyncio.gather(*(observe(world, "libcoap", origin, form) for origin in peers.ORIGINS))
