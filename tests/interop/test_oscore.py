"""The OSCORE test descriptions 0 to 17, straight and through the proxy in every form, with both legs written down."""

import asyncio

import pytest

import plugtest
import tshark
import wire
from legs import Leg, Run
from peers import PROXIED

NUMBERS = list(plugtest.DESCRIPTIONS)
COVERS = {  # what a description shows of a proxy
    5: ("S-1",),
    6: ("S-1", "C8613-10-6"),
    7: ("S-1",),
    15: ("C8613-10-2", "C8613-10-6"),
}
MARKED = [pytest.param(n, marks=pytest.mark.covers(*COVERS[n])) if n in COVERS else n for n in NUMBERS]


async def run(world, number, form):
    """Runs a description once in this form; later calls get the same Run."""
    runs = world.__dict__.setdefault("runs", {})
    if (number, form) not in runs:
        runs[number, form] = await _run(world, number, form)
    return runs[number, form]


async def _run(world, number, form):
    name = "libcoap" if number == plugtest.UNAWARE else "oscore"
    at_origin = world.taps[name]
    at_origin.forget()
    if form == "direct":
        world.way(form, name)
        result = await plugtest.run(number, f"coap://127.0.0.1:{at_origin.port}", world.plugtest)
        return Run(result, None, Leg(at_origin.seen))
    at_proxy = world.downstream(form, name)
    try:
        result = await plugtest.run(number, f"coap://127.0.0.1:{at_proxy.port}", world.plugtest)
        await asyncio.sleep(0.05)
        return Run(result, Leg(at_proxy.seen), Leg(at_origin.seen))
    finally:
        at_proxy.close()


@pytest.mark.parametrize("number", NUMBERS)
async def test_direct(world, number):
    direct = await run(world, number, "direct")
    assert plugtest.passed(number, direct.result), direct.result


@pytest.mark.parametrize("form", PROXIED)
@pytest.mark.parametrize("number", MARKED)
async def test_through_the_proxy(world, number, form):
    """The client sees what it sees without the proxy; the origin gets the same octets as often, and both legs carry them."""
    direct, proxied = await run(world, number, "direct"), await run(world, number, form)
    assert plugtest.passed(number, proxied.result), proxied.result
    assert proxied.result == direct.result

    for up in (True, False):
        assert len(proxied.up.messages(up)) == len(direct.up.messages(up))
        if number in plugtest.PLAIN:
            continue
        # contexts are new for each run, so even the ciphertexts are those of the run without the proxy
        assert proxied.up.protected(up) == direct.up.protected(up)
        assert proxied.down.protected(up) == proxied.up.protected(up)
    assert all(not seen.message.option(wire.PROXY_URI) and not seen.message.option(wire.PROXY_SCHEME) for seen in proxied.up.seen)
    if number not in plugtest.PLAIN:
        assert proxied.up.protected(True) and all(option is not None for _, option, _ in proxied.up.protected(True))


async def test_the_cancellation_has_the_registrations_token(world):
    """Description 7 is only one when both requests carry one token, on each leg."""
    for form in ("direct", *PROXIED):
        seen = await run(world, 7, form)
        for leg in filter(None, (seen.down, seen.up)):
            register, cancel = leg.messages(True)
            assert register.message.token == cancel.message.token
            assert register.message.option(wire.OBSERVE) == b"" and cancel.message.option(wire.OBSERVE) == b"\x01"
            assert register.peer == cancel.peer


# ---- the same with tshark's eyes --------------------------------------------------------------------------------------

# description: Inner code of the first request, Inner code of the last answer, and fields that a request or answer must show
INNER = {
    1: ("1", "69", []),
    2: ("1", "69", []),
    3: ("1", "69", [("oscore.opt.uri_query", "first=1"), ("oscore.opt.etag", "2b")]),
    4: ("1", "69", [("oscore.opt.accept", None), ("oscore.opt.max_age", "5")]),
    5: ("1", "69", [("oscore.opt.observe", None)]),
    6: ("1", "160", [("oscore.opt.observe", None)]),
    7: ("1", "69", [("oscore.opt.observe", None)]),
    8: ("2", "68", [("oscore.opt.ctype", None)]),
    9: ("3", "68", [("oscore.opt.if_match", "7b")]),
    10: ("3", "140", []),
    11: ("4", "66", []),
}


@pytest.mark.parametrize("form", PROXIED)
async def test_tshark_reads_both_legs(world, form, tmp_path):
    """Descriptions 1 to 11: every message decrypts, to the same fields on both legs."""
    packets = {"down": [], "up": []}
    owners = []
    for at, number in enumerate(plugtest.DECRYPTED):
        seen = await run(world, number, form)
        # a minute and a client port for each description, so that flows do not mix
        base = 60 * at - seen.up.seen[0].when + 1000
        down, up = seen.down.packets(base, 20000 + number), seen.up.packets(base, 20000 + number)
        assert len(down) == len(up) == sum(len(seen.up.messages(d)) for d in (True, False))
        packets["down"] += down
        packets["up"] += up
        owners += [number] * len(down)
    trees = {leg: tshark.inner(packets[leg], tmp_path / f"{leg}.pcap") for leg in packets}

    shown = {}
    for number, down, up in zip(owners, trees["down"], trees["up"], strict=True):
        assert down is not None and up is not None, f"description {number}: not decrypted"
        leaves = tshark.fields(down)
        names = [name for name, _ in leaves]
        assert "oscore.code" in names, f"description {number}: {leaves}"
        assert not {"oscore.decrypt_error", "oscore.tag_check_failed", "oscore.context_not_set"} & set(names)
        assert leaves == tshark.fields(up), f"description {number}"
        shown.setdefault(number, []).append(leaves)

    for number, (first, last, must) in INNER.items():
        messages = shown[number]
        assert dict(messages[0])["oscore.code"] == first
        assert dict(messages[-1])["oscore.code"] == last
        seen = [pair for message in messages for pair in message]
        for name, value in must:
            values = [str(v).replace(":", "") for n, v in seen if n == name]
            assert values and (value is None or value in values), f"description {number}: {name} {values}"
