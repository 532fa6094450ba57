"""Bodies between hops that take them differently: one message or blocks of several kilobytes over a connection, blocks of a kilobyte in
datagrams (RFC 7959, RFC 8323 6, RFC 8613 4.1.3.4.2)."""

import os

import pytest

import coap
from coap import (ACCEPT, BLOCK1, BLOCK2, CHANGED, CON, CONTENT, CONTINUE, ETAG, GET, OBSERVE, OSCORE, POST, PUT, REQUEST_TAG, SIZE1, SIZE2, Message,
                  block, block_parts)
from coap_stream import BLOCK_WISE, MAX_MESSAGE_SIZE, Origin, connect
from harness import Proxy, ask, fresh_address, free_port
from http_bodies import Web

BERT = 7
ROUTES = """
  fwd: { from = ["coap", "tcp"]; forward-to = ["coap://127.0.0.0/8:*", "coap+tcp://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };
  hc: { from = ["web"]; http-path = "/hc/{+tu}"; authenticate = "none"; forward-to = ["coap+tcp://127.0.0.0/8:*"];
        allow-networks = ["127.0.0.0/8"]; };
"""
# More than one block of links.
ROUTES += "".join("""  h%d: { from = ["web"]; http-path = "/a/long/path/to/devices/%d/{+tu}"; authenticate = "none";
  forward-to = ["coap+tcp://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };
""" % (n, n) for n in range(30))
SIZES = (1025, 3000, 16384)


def begin(directory):
    host, port, web = "127.0.0.1", free_port(), free_port()
    listeners = ('coap: { url = "coap://%s:%d"; }; tcp: { url = "coap+tcp://%s:%d"; }; web: { url = "http://%s:%d"; public-url = "http://gw.example"; };'
                 % (host, port, host, port, host, web))
    p = Proxy(directory, routes=ROUTES, listeners=listeners, port=port,
              sections='downstream: { trusted = ["127.0.0.0/8"]; };')
    p.web = (host, web)
    return p


def client(gw, **kw):
    return connect(gw, gw.address, **kw)


def sealed(origin, option, **kw):
    """What looks like OSCORE to whoever has no key."""
    kw.setdefault("code", POST)
    return ask(origin, path=None, options=[(OSCORE, bytes.fromhex(option))] + list(kw.pop("options", ())), **kw)


def bert(num, more):
    return block(num, more, BERT)


class Device:
    """A device of datagrams that takes and gives bodies in blocks."""

    def __init__(self, gw, body=b"", options=(), code=CONTENT):
        self.peer, self.body, self.options, self.code = gw.device(), body, list(options), code
        self.taken, self.bodies, self.tags, self.seen = b"", [], [], []

    @property
    def host(self):
        return self.peer.host

    @property
    def port(self):
        return self.peer.port

    @property
    def url(self):
        return self.peer.url

    def serve(self):
        """Whatever has come. Returns whether anything had."""
        requests = [m for m in self.peer.pending() if m.code]
        for m in requests:
            self._serve(m)
        return bool(requests)

    def _serve(self, m):
        self.seen.append(m)
        assert len(m.payload) <= 1024 + 64 and all(block_parts(v)[2] <= 6 for n, v in m.options if n in (BLOCK1, BLOCK2)), m
        echoed = []
        if m.has(BLOCK1):
            num, more, szx = block_parts(m.first(BLOCK1))
            if num == 0:
                self.taken = b""
                self.tags.append(m.first(REQUEST_TAG))
            assert num * (16 << szx) == len(self.taken) and m.first(REQUEST_TAG) == self.tags[-1]
            self.taken += m.payload
            echoed = [(BLOCK1, block(num, more, szx))]
            if more:
                self.peer.answer(m, CONTINUE, echoed)
                return
            self.bodies.append(self.taken)
        elif m.payload:
            self.bodies.append(m.payload)
        num, _, szx = block_parts(m.first(BLOCK2)) if m.has(BLOCK2) else (0, False, 6)
        at, size = num * (16 << szx), 16 << szx
        if len(self.body) > size:
            echoed.append((BLOCK2, block(num, at + size < len(self.body), szx)))
        self.peer.answer(m, self.code, self.options + echoed, self.body[at:at + size])


def until(peers, link):
    """What the client gets, while the devices serve."""
    for _ in range(5000):
        got = link.pending()
        if got:
            return got[0]
        if not any([p.serve() for p in peers]):
            link.proxy.advance(1)
    raise AssertionError("no answer\n%s" % link.proxy.explain())


# ---- from a connection to datagrams ----


@pytest.mark.covers("S-20", "C8323-6-2", "C7959-2.2-1")
@pytest.mark.parametrize("size", SIZES)
def test_one_message_to_a_device(gw, size):
    c, device, body = client(gw), Device(gw, code=CHANGED), os.urandom(size)
    sent = c.send(ask(device, PUT, payload=body))
    down = until([device], c)
    assert (down.code, down.token) == (CHANGED, sent.token) and not down.has(BLOCK1)
    assert device.bodies == [body] and all(m.type == CON for m in device.seen)


@pytest.mark.covers("S-20", "S-6", "C8323-6-2")
def test_one_oscore_message_to_a_device(gw):
    """It is cut outside of OSCORE, and so is its answer: what follows has the OSCORE option and nothing else."""
    c, device, body = client(gw), Device(gw, body=os.urandom(40000), options=[(OSCORE, b"")], code=CHANGED), os.urandom(16384)
    c.send(sealed(device, "0905aa", payload=body))
    down = until([device], c)
    assert device.bodies == [body] and {m.first(OSCORE).hex() for m in device.seen} == {"0905aa"}
    got = down.payload
    while block_parts(down.first(BLOCK2))[1]:
        c.send(sealed(device, "0905aa", options=[(BLOCK2, bert(len(got) // 1024, False))]))
        down = until([device], c)
        assert (down.code, down.first(OSCORE)) == (CHANGED, b"")
        got += down.payload
    assert got == device.body and device.bodies == [body]


@pytest.mark.covers("C8323-6-1", "C8323-6-2", "C7959-2.5-1")
def test_a_megabyte_to_a_device_and_back(gw):
    body = os.urandom(1 << 20)
    c, device = client(gw), Device(gw, body=os.urandom(100000), options=[(ETAG, b"e")], code=CHANGED)
    at, held = 0, 0
    while at < len(body):
        size, more = 16384, at + 16384 < len(body)
        c.send(ask(device, PUT, [(BLOCK1, bert(at // 1024, more))], payload=body[at:at + size]))
        down = until([device], c)
        assert (down.code, block_parts(down.first(BLOCK1))) == (CONTINUE if more else CHANGED, (at // 1024, more, BERT))
        at += size
        held = max(held, at - len(device.taken))
    assert device.bodies == [body] and held <= 160 * 1024
    got = down.payload
    assert block_parts(down.first(BLOCK2))[:2] == (0, True) and down.first(ETAG) == b"e"
    while block_parts(down.first(BLOCK2))[1]:
        c.send(ask(device, PUT, [(BLOCK2, bert(len(got) // 1024, False))]))
        down = until([device], c)
        assert block_parts(down.first(BLOCK2))[0] == len(got) // 1024 and down.first(ETAG) == b"e" and not down.has(BLOCK1)
        got += down.payload
    assert got == device.body


@pytest.mark.covers("C7959-2.2-1", "C8323-6-2")
def test_blocks_of_a_device_pass_to_a_client_that_takes_larger_ones(gw):
    c, device = client(gw), Device(gw, body=os.urandom(20000))
    got, more = b"", True
    while more:
        c.send(ask(device, GET, [(BLOCK2, bert(len(got) // 1024, False))]))
        down = until([device], c)
        num, more, szx = block_parts(down.first(BLOCK2))
        assert szx == 6 and num == len(got) // 1024
        got += down.payload
    assert got == device.body


@pytest.mark.covers("S-7", "C7959-2.4-3")
def test_two_clients_at_once_and_oscore_twice(gw):
    device = Device(gw, code=CHANGED)
    bodies = {"0901aa": os.urandom(9000), "0902aa": os.urandom(9000), "0903bb": os.urandom(9000)}
    links = {"0901aa": client(gw), "0903bb": client(gw)}
    links["0902aa"] = links["0901aa"]
    for at in (0, 3072, 6144):
        for option, body in bodies.items():
            more = at < 6144
            payload = body[at:at + 3072] if more else body[at:]
            links[option].send(sealed(device, option, options=[(BLOCK1, bert(at // 1024, more))], payload=payload))
    # interleaved at the device too, which keeps them apart by their Request-Tags
    taken, done = {}, []
    for _ in range(200):
        for m in device.peer.pending():
            if not m.code:
                continue
            num, more, szx = block_parts(m.first(BLOCK1))
            key = m.first(REQUEST_TAG), m.first(OSCORE).hex()
            taken.setdefault(key, b"")
            assert len(taken[key]) == num * (16 << szx)
            taken[key] += m.payload
            if not more:
                done.append(key)
            device.peer.answer(m, CONTINUE if more else CHANGED, [(BLOCK1, block(num, more, szx))])
        if len(done) == 3:
            break
    assert sorted(key[1] for key in done) == sorted(bodies) and len({key[0] for key in done}) == 3
    assert {key[1]: body for key, body in taken.items()} == bodies
    assert [m.code for m in links["0901aa"].pending()].count(CHANGED) == 2
    assert [m.code for m in links["0903bb"].pending()].count(CHANGED) == 1


# ---- from datagrams to a connection ----


@pytest.mark.covers("C7959-2.4-1", "C7959-4-1", "C8323-6-2")
@pytest.mark.parametrize("size", SIZES)
def test_one_message_to_a_client_of_datagrams(gw, size):
    c, origin, body = gw.client(), Origin(gw, fresh_address()), os.urandom(size)
    c.send(ask(origin, GET, [(ACCEPT, 42)]))
    link = origin.accept()
    link.answer(link.recv(), options=[(coap.CONTENT_FORMAT, 42)], payload=body)
    down = c.recv()
    assert down.uint(SIZE2) == size and block_parts(down.first(BLOCK2)) == (0, True, 6)
    got, tag = down.payload, down.first(ETAG)
    while block_parts(down.first(BLOCK2))[1]:
        down = c.ask(ask(origin, GET, [(ACCEPT, 42), (BLOCK2, block(len(got) // 1024, False, 6))]))
        assert (down.code, down.first(ETAG), down.uint(coap.CONTENT_FORMAT)) == (CONTENT, tag, 42)
        got += down.payload
    assert got == body
    assert not link.pending()


@pytest.mark.covers("C8323-6-1", "C8323-6-2")
def test_a_megabyte_from_a_connection(gw):
    """The origin gives 16 kB at a time; of these the client is given sixteen blocks each."""
    c, origin, body = gw.client(), Origin(gw, fresh_address()), os.urandom(1 << 20)
    link, got, more, asked = None, b"", True, 0
    while more:
        c.send(ask(origin, GET, [(BLOCK2, block(len(got) // 1024, False, 6))] if got else []))
        link = link or origin.accept()
        for up in link.pending():
            asked += 1
            num = block_parts(up.first(BLOCK2))[0] if up.has(BLOCK2) else 0
            assert not up.has(BLOCK2) or block_parts(up.first(BLOCK2))[2] == BERT
            piece = body[num * 1024:num * 1024 + 16384]
            link.answer(up, options=[(ETAG, b"1"), (BLOCK2, bert(num, num * 1024 + 16384 < len(body)))], payload=piece)
        down = c.recv()
        num, more, szx = block_parts(down.first(BLOCK2))
        assert (num, szx, len(down.payload), down.first(ETAG)) == (len(got) // 1024, 6, 1024, b"1")
        got += down.payload
    assert got == body and asked == 64


@pytest.mark.covers("S-6", "C7959-2.7-1")
def test_an_oscore_answer_of_3_kilobytes(gw):
    c, origin, body = gw.client(), Origin(gw, fresh_address()), os.urandom(3000)
    c.send(sealed(origin, "0905aa", payload=b"sealed"))
    link = origin.accept()
    up = link.recv()
    link.answer(up, CHANGED, [(OSCORE, b"")], body)
    down = c.recv()
    got = down.payload
    while block_parts(down.first(BLOCK2))[1]:
        down = c.ask(sealed(origin, "0905aa", options=[(BLOCK2, block(len(got) // 1024, False, 6))]))
        assert down.code == CHANGED and down.first(OSCORE) == b""
        got += down.payload
    assert got == body and not link.pending()


@pytest.mark.covers("S-38", "C7959-2.6-1")
def test_a_large_notification(gw):
    c, origin = gw.client(), Origin(gw, fresh_address())
    sent = c.send(ask(origin, GET, [(OBSERVE, b"")]))
    link = origin.accept()
    up = link.recv()
    for n in range(3):
        body = os.urandom(2500)
        link.answer(up, options=[(OBSERVE, n + 1)], payload=body)
        down = c.recv()
        assert down.token == sent.token and down.has(OBSERVE) and block_parts(down.first(BLOCK2)) == (0, True, 6)
        if down.type == CON:
            c.ack(down)
        got = down.payload
        for num in (1, 2):
            rest = c.ask(ask(origin, GET, [(BLOCK2, block(num, False, 6))]))
            assert not rest.has(OBSERVE) and rest.first(ETAG) == down.first(ETAG)
            got += rest.payload
        assert got == body
    assert not link.pending()
    c.reset(down) if down.type == CON else None


def upload(c, origin, body, szx=6):
    """All blocks but the answer to the last one."""
    size = 16 << szx
    for at in range(0, len(body), size):
        more = at + size < len(body)
        c.send(ask(origin, PUT, [(BLOCK1, block(at // size, more, szx))], payload=body[at:at + size]))
        if not more:
            return
        down = c.recv()
        assert (down.code, block_parts(down.first(BLOCK1))) == (CONTINUE, (at // size, True, szx))


@pytest.mark.covers("S-20", "C7959-2.5-1")
def test_blocks_to_a_connection_that_knows_none(gw):
    """The first body is tried in blocks, which the origin does not know; then and from then on it goes whole, or not at all."""
    c, body = gw.client(), os.urandom(5000)
    origin = Origin(gw, fresh_address(), csm=((MAX_MESSAGE_SIZE, 6000),))
    upload(c, origin, body)
    link = origin.accept()
    up = link.recv()
    if up.has(BLOCK1):
        link.answer(up, coap.code("4.02"))
        up = link.recv()
    assert up.payload == body and not up.has(BLOCK1)
    link.answer(up, CHANGED)
    assert c.recv().code == CHANGED
    upload(c, origin, body[:3000])
    up = link.recv()
    assert up.payload == body[:3000] and not up.has(BLOCK1)
    link.answer(up, CHANGED)
    down = c.recv()
    assert down.code == CHANGED and block_parts(down.first(BLOCK1)) == (2, False, 6)
    upload(c, origin, os.urandom(7000))
    down = c.recv()
    assert down.code == coap.code("4.13") and 5000 < down.uint(SIZE1) < 6000
    assert not link.pending()


# ---- between connections ----


@pytest.mark.covers("S-20", "C8323-6-1")
def test_from_a_large_connection_to_a_small_one(gw):
    c, body = client(gw), os.urandom(16384)
    origin = Origin(gw, fresh_address(), csm=((MAX_MESSAGE_SIZE, 4096), (BLOCK_WISE, b"")))
    for _ in range(2):
        c.send(ask(origin, PUT, payload=body))
        link = origin.connections[0] if origin.connections else origin.accept()
        got, more = b"", True
        while more:
            up = link.recv()
            assert len(up.raw) <= 4096
            num, more, szx = block_parts(up.first(BLOCK1))
            assert num * (1024 if szx == BERT else 16 << szx) == len(got)
            got += up.payload
            link.answer(up, CONTINUE if more else CHANGED, [(BLOCK1, block(num, more, szx))])
        assert got == body and c.recv().code == CHANGED
    assert szx == BERT


def test_to_a_client_whose_connection_is_small(gw):
    c, origin, body = client(gw, csm=((MAX_MESSAGE_SIZE, 1152), (BLOCK_WISE, b""))), Origin(gw, fresh_address()), os.urandom(9000)
    c.send(ask(origin))
    link = origin.accept()
    link.answer(link.recv(), payload=body)
    down = c.recv()
    got = down.payload
    while block_parts(down.first(BLOCK2))[1]:
        down = c.ask(ask(origin, GET, [(BLOCK2, block(len(got) // 1024, False, 6))]))
        assert len(down.raw) <= 1152
        got += down.payload
    assert got == body


def test_to_a_client_that_knows_no_blocks(gw):
    c, origin = client(gw, csm=((MAX_MESSAGE_SIZE, 4096),)), Origin(gw, fresh_address())
    link = None
    for size, code in ((3900, CONTENT), (4096, coap.code("5.02"))):
        c.send(ask(origin))
        link = link or origin.accept()
        link.answer(link.recv(), payload=b"x" * size)
        down = c.recv()
        assert down.code == code and not down.has(BLOCK2)


@pytest.mark.covers("C8323-6-1")
def test_what_the_gateway_itself_has_to_say(gw):
    c, got, more = client(gw), b"", True
    while more:
        down = c.ask(Message(GET, options=[(coap.URI_PATH, ".well-known"), (coap.URI_PATH, "core"), (BLOCK2, bert(len(got) // 1024, False))]))
        num, more, szx = block_parts(down.first(BLOCK2))
        assert (down.code, num, szx) == (CONTENT, len(got) // 1024, 6)
        got += down.payload
    assert len(got) > 2048 and all(b"/devices/%d/" % n in got for n in range(30))


# ---- from HTTP to a connection ----


class Store:
    """An origin of connections that takes bodies in any form, and gives one in large blocks."""

    def __init__(self, gw, body):
        self.origin, self.body, self.taken, self.bodies, self.seen = Origin(gw, fresh_address()), body, b"", [], []

    def serve(self):
        if not self.origin.connections and not self.origin.is_left_alone():
            self.origin.accept()
        requests = [(link, m) for link in self.origin.connections for m in link.pending()]
        for link, m in requests:
            self._serve(link, m)
        return bool(requests)

    def _serve(self, link, m):
        self.seen.append(m)
        options, num = [], block_parts(m.first(BLOCK2))[0] if m.has(BLOCK2) else 0
        if m.has(BLOCK1):
            num1, more, szx = block_parts(m.first(BLOCK1))
            self.taken = self.taken if num1 else b""
            assert num1 * (1024 if szx == BERT else 16 << szx) == len(self.taken)
            self.taken += m.payload
            if more:
                link.answer(m, CONTINUE, [(BLOCK1, m.first(BLOCK1))])
                return
            self.bodies.append(self.taken)
            options = [(BLOCK1, m.first(BLOCK1))]
        elif m.payload:
            self.bodies.append(m.payload)
        at = num * 1024
        if len(self.body) > 16384:
            options.append((BLOCK2, bert(num, at + 16384 < len(self.body))))
        link.answer(m, CONTENT if m.code == GET else CHANGED, options, self.body[at:at + 16384])


@pytest.mark.covers("C8323-6-1")
def test_http_bodies_over_a_connection(gw):
    store, web = Store(gw, os.urandom(200000)), Web(gw)
    for n, size in enumerate((150000, 150000, 10000)):
        body = os.urandom(size)
        store.seen.clear()
        web.send_to("PUT", "/hc/%s/p" % store.origin.url, body=body)
        answer = web.wait(serve=store.serve)
        assert (answer.status, answer.body) == (200, store.body) and store.bodies[n] == body
        # What it takes is known from the first time on.
        assert len([m for m in store.seen if m.payload]) == (147, 9, 1)[n]
        assert len(store.seen) == (147, 9, 1)[n] + 12
