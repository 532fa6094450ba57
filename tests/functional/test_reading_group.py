"""Group OSCORE's group mode through a gate that verifies: members by aiocoap on both sides, the gateway with a bundle that reads nothing. What a
member has not signed ends at the gate; what it has goes on byte by byte.
"""

import os
import pathlib
import sys

import pytest
from aiocoap import Message
from aiocoap.numbers import CHANGED, PUT

import coap
from harness import WORKERS, Pair
from house import until

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

import group_attacker  # noqa: E402
from group_attacker import Attacker, attacks  # noqa: E402
from group_members import CLIENT, SERVER, SIGNATURES, Endpoint, Group, content  # noqa: E402

KINDS = [("CCM", "EdDSA", b"\xdd\x11"), ("CTR", "ES256", b"\xdd\x12")]
ROUTES = """
  gate: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; require = ["oscore"]; read = "gate"; };
"""
SECTIONS = """
  reader: { user = ""; };
  contexts: { plant: { keys = "%s"; max-failures = 1000; }; };
  reads: { gate: { context = "plant"; verify = true; }; };
  process: { workers = %d; user = ""; };
"""
BLOCK = 1024


class Plant:
    """Two groups with one client and one server each, and the verify-only bundles of both at the gateway."""

    def __init__(self, start, folder):
        self.groups = [Group(algorithm, signature, gid) for algorithm, signature, gid in KINDS]
        bundles = [group.bundle("verify-only", folder).read_text().replace("group plant", "group plant%d" % n)
                   for n, group in enumerate(self.groups)]
        self.text = "".join(bundles)
        keys = folder / "keys"
        keys.write_text(self.text)
        keys.chmod(0o600)
        self.proxy = start(routes=ROUTES, sections=SECTIONS % (keys, WORKERS))
        until(lambda: "the reader serves" in self.proxy.explain())
        self.proxy.settle()
        self.pair = Pair(self.proxy)

    def send(self, option, payload, **more):
        return self.pair.send(coap.POST, path=(), options=[(coap.OSCORE, option)], payload=payload, **more)

    def passes(self, option, payload):
        """A request goes on as it is; returns it as the device has it."""
        self.send(option, payload)
        up = self.pair.device.recv()
        assert (up.first(coap.OSCORE), up.payload) == (option, payload)
        return up

    def answered(self, up, option, payload):
        """So does the answer."""
        self.pair.device.answer(up, coap.CHANGED, [(coap.OSCORE, option)], payload)
        down = self.pair.client.recv()
        assert (down.code, down.first(coap.OSCORE), down.payload) == (coap.CHANGED, option, payload)

    def refuses(self, option, payload):
        self.send(option, payload)
        down = self.pair.client.recv()
        assert down.code >> 5 in (4, 5) and not down.first(coap.OSCORE), coap.code_text(down.code)
        self.pair.device.quiet()


@pytest.fixture
def plant(start, tmp_path):
    return Plant(start, tmp_path)


@pytest.mark.covers("RBW-12", "RBW-3", "D-GRP-1.1-1", "D-GRP-7.5-1")
def test_the_signature_survives(plant):
    """And the gateway has nothing that decrypts, or signs."""
    assert "common-iv" not in plant.text and "private" not in plant.text and plant.text.count("key none") == 4
    for group in plant.groups:
        client, server = Endpoint(group, CLIENT), Endpoint(group, SERVER)
        for n in range(3):
            body = os.urandom(20)
            option, payload = client.ask(Message(code=PUT, uri_path=("valve",), payload=body))
            up = plant.passes(option, payload)
            assert server.takes_request(up.first(coap.OSCORE), up.payload).payload == body
            answer = server.answer(content(body), numbered=n > 0)
            plant.answered(up, *answer)
            assert client.takes_response(*answer).payload == body


@pytest.mark.covers("RBW-14", "RBW-1")
def test_what_no_member_signed_reaches_no_device(plant, tmp_path):
    """All that a reader of everything can make, which this gateway's could not even read."""
    for group in plant.groups:
        client, server = Endpoint(group, CLIENT), Endpoint(group, SERVER)
        attacker = Attacker(group.bundle("read-both", tmp_path))
        first, (option, payload) = (client.ask(Message(code=PUT, uri_path=("valve",), payload=body)) for body in (b"open ...", b"open 100"))
        m, before = (group_attacker.Message.request_of(CLIENT, piv, group.gid) for piv in (b"\x01", b"\x00"))
        own = SIGNATURES["EdDSA"].generate_with_ccs()[0]
        tried = attacks(attacker, m, payload, (before, first[1]), lambda what: SIGNATURES["EdDSA"].sign(what, b"", own))
        for message in tried.values():
            plant.refuses(*message)
        up = plant.passes(option, payload)
        assert server.takes_request(up.first(coap.OSCORE), up.payload).payload == b"open 100"
        plant.answered(up, *server.answer(content(b"it is open")))


@pytest.mark.covers("RBW-13")
def test_a_body_of_ten_kilobytes(plant):
    """In Inner blocks, each of which is signed; and in Outer ones, which have one signature together."""
    group = plant.groups[0]
    client, server = Endpoint(group, CLIENT), Endpoint(group, SERVER)
    body = os.urandom(10000)
    got = b""
    for n in range(0, len(body), BLOCK):
        m = Message(code=PUT, uri_path=("firmware",), payload=body[n:n + BLOCK])
        m.opt.block1 = (n // BLOCK, n + BLOCK < len(body), 6)
        option, payload = client.ask(m)
        if n == 3 * BLOCK:
            plant.refuses(option, payload[:-1] + bytes([payload[-1] ^ 1]))
        up = plant.passes(option, payload)
        got += server.takes_request(up.first(coap.OSCORE), up.payload).payload
        answer = server.answer(Message(code=CHANGED, payload=b"goes on."))
        plant.answered(up, *answer)
        assert client.takes_response(*answer).code == CHANGED
    assert got == body


@pytest.mark.covers("RBW-13", "RBW-12")
@pytest.mark.parametrize("forged", [False, True], ids=["signed", "forged"])
def test_outer_blocks_are_verified_together(plant, forged):
    group = plant.groups[0]
    client, server = Endpoint(group, CLIENT), Endpoint(group, SERVER)
    option, payload = client.ask(Message(code=PUT, uri_path=("firmware",), payload=os.urandom(3000)))
    if forged:
        payload = payload[:100] + bytes([payload[100] ^ 1]) + payload[101:]
    pieces = [payload[n:n + BLOCK] for n in range(0, len(payload), BLOCK)]
    got = []
    for n, piece in enumerate(pieces):
        more = n + 1 < len(pieces)
        plant.pair.send(coap.POST, path=(), options=[(coap.OSCORE, option), (coap.BLOCK1, coap.block(n, more, 6))], payload=piece)
        if more:
            plant.pair.device.quiet()
            assert plant.pair.client.recv().code == coap.CONTINUE
    if forged:
        assert plant.pair.client.recv().code >> 5 in (4, 5)
        plant.pair.device.quiet()
        return
    while len(got) < len(pieces):
        up = plant.pair.device.recv()
        got.append(up.payload)
        more = coap.block_parts(up.first(coap.BLOCK1))[1]
        plant.pair.device.answer(up, coap.CONTINUE if more else coap.CHANGED, [(coap.BLOCK1, up.first(coap.BLOCK1))])
    assert b"".join(got) == payload and up.first(coap.OSCORE) == option
    assert len(server.takes_request(option, b"".join(got)).payload) == 3000
