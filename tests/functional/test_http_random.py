"""Clients and devices that do at random what test_http_bodies.py and its neighbours do one by one: nothing is left of them, and what looks
whole is whole."""

import os
import random

import coap
import pytest
from coap import BLOCK1, BLOCK2, ETAG, OBSERVE
from http_bodies import Resource, Web, access_lines, gateway

ROUNDS, CLIENTS = 60, 16
KINDS = ("GET", "PUT", "chunked", "HEAD", "events", "poll", "oscore", "FETCH")


class Moody(Resource):
    """A device that answers most of the time, that has another body now and then, and notifies."""

    def __init__(self, device, dice):
        super().__init__(device, hook=self.mood)
        self.dice, self.observers, self.value, self.had = dice, [], 10, set()
        self.change()

    def change(self):
        self.body = self.dice.randbytes(self.dice.choice((0, 3, 100, 1024, 1025, 4000, 70_000)))
        self.etag = self.dice.randbytes(2)
        self.had.add(self.body)

    def mood(self, m):
        self.szx = self.dice.choice((6, 6, 6, 4, 0)) if not m.has(BLOCK2) and not m.has(BLOCK1) else self.szx
        roll = self.dice.random()
        if roll < 0.02:
            self.reply(m, self.dice.choice((coap.code("4.04"), coap.code("4.08"), coap.code("4.13"), coap.code("5.03"), coap.code("2.31"))))
        elif roll < 0.03:
            self.reply(m, coap.code("4.01"), [(coap.ECHO, b"prove it")])
        elif roll < 0.04:
            self.reply(m, coap.CONTENT, [(BLOCK2, coap.block(5, True, 6))], b"z" * 1024)
        elif roll < 0.05:
            self.device.reset(m)
        elif roll < 0.06:
            pass  # is silent
        elif m.uint(OBSERVE) == 0 and roll < 0.9:
            self.observers.append(m)
            self.options = [(OBSERVE, self.value)]
            self.answer(m)
            self.options = []
        else:
            return False
        return True

    def notify(self):
        self.value += 1
        for m in self.observers:
            end = self.dice.random() < 0.05
            options = [(ETAG, self.etag)] + ([] if end else [(OBSERVE, self.value)])
            if len(self.body) > 1024:
                options.append((BLOCK2, coap.block(0, True, 6)))
            self.device.separate(m, coap.CONTENT, options, self.body[:1024], self.dice.choice((coap.CON, coap.NON)))
        self.observers = [] if self.dice.random() < 0.1 else self.observers


def begin(gw, device, kind, dice):
    web = Web(gw, dice.choice((None, 4096)))
    body = dice.randbytes(dice.choice((0, 10, 1024, 1025, 5000, 80_000)))
    if kind in ("GET", "HEAD"):
        web.send(kind, device)
    elif kind in ("PUT", "chunked"):
        web.send("PUT", device, body=body, chunked=kind == "chunked")
    elif kind == "oscore":
        web.send("POST", device, "", [("OSCORE", "CQUl"), ("Content-Type", "application/oscore")], body or b"x")
    elif kind == "FETCH":
        web.send("FETCH", device, fields=[("Content-Type", "application/cbor")], body=body)
    elif kind == "poll":
        web.send("GET", device, fields=[("Prefer", "wait=20")])
    else:
        web.send("GET", device, fields=[("Accept", "text/event-stream")])
    web.kind = kind
    return web


def look(web, devices, dice):
    """Reads on, or not; checks what came. Returns whether the client goes on."""
    web.push()
    if dice.random() < 0.7:
        web.pull(dice.choice((1 << 12, 1 << 30)))
    a = web.answer
    if a and a.complete and a.status == 200 and web.kind in ("GET", "poll"):
        assert any(a.body in d.had for d in devices), "a body that no device ever had"
    return not (web.ended or (a and a.complete))


@pytest.mark.parametrize("seed", [int(s) for s in os.environ.get("HTTP_SEEDS", "1 2 3").split()])
def test_nothing_is_left(start, seed):
    dice = random.Random(seed)
    gw = gateway(start)
    devices, clients = [Moody(gw.device(), dice) for _ in range(3)], []
    for _ in range(ROUNDS):
        while len(clients) < CLIENTS:
            clients.append(begin(gw, dice.choice(devices).device, dice.choice(KINDS), dice))
        for d in devices:
            for _ in range(dice.choice((0, 1, 5, 40))):
                d.serve()
            if dice.random() < 0.3:
                d.change()
            if dice.random() < 0.4:
                d.notify()
        if dice.random() < 0.3:
            gw.advance(dice.choice((10, 2_000, 16_000, 61_000)))
        for web in clients:
            if not look(web, devices, dice) or dice.random() < 0.05:
                web.close()
        clients = [web for web in clients if web.socket.fileno() >= 0]
    for web in clients:
        web.close()
    for _ in range(6):
        for d in devices:
            while d.serve():
                pass
        gw.advance(130_000)
    left = gw.state()
    assert left["exchanges"] == left["observations"] == 0, left
    seen = {line["status"] for line in access_lines(gw)}
    assert 200 in seen and len(seen) > 3, "they did little"
