"""One test for each row of the error table (base/errors.h): the code, the code towards OSCORE requests, the counter.

The table is read from the header, so a row without a way to provoke it here fails the test of completeness.
"""

import pathlib
import re

import pytest

import coap
from coap import CON, GET, NON, POST, Message
from harness import DEFAULT_ROUTE, NameServer, Pair, fresh_address, free_port

HEADER = pathlib.Path(__file__).resolve().parents[2] / "base" / "errors.h"
ROW = re.compile(r'X\((ERR_\w+),\s*(\w+),\s*COAP_CODE\((\d+),\s*(\d+)\),\s*COAP_CODE\((\d+),\s*(\d+)\),\s*(\d+),\s*"(\w+)",\s*"([^"]*)"\)')
TABLE = {m[0]: dict(kind=m[1], code=int(m[2]) << 5 | int(m[3]), oscore=int(m[4]) << 5 | int(m[5]), counter=m[7], text=m[8])
         for m in ROW.findall(HEADER.read_text())}
# nothing from outside leads there
OURS_ALONE = {"ERR_INTERNAL"}
# Where processes end and configurations change: test_crossing.py, test_reload.py, test_drain.py
# What only HTTP runs into: test_http_errors.py, test_coap_to_http.py, test_coap_to_http_bodies.py
OF_HTTP = {"ERR_SCHEME_MISSING", "ERR_SCHEME", "ERR_CREDENTIALS", "ERR_IDENTITY", "ERR_BARE_HTTP", "ERR_MEDIA_TYPE", "ERR_HALF_OSCORE",
           "ERR_HTTP_METHOD", "ERR_SENDER_SLOW", "ERR_BODY_INCOMPLETE", "ERR_RESPONSE_FORMAT"}
OF_PROCESSES = {"ERR_DRAINING", "ERR_WITHDRAWN", "ERR_LOST_UNSENT", "ERR_LOST_SENT"}
# Where connections end: test_streams.py
OF_CONNECTIONS = {"ERR_ORIGIN_LOST"}
# Where messages are read: test_reading.py, tests/sim/test_reading_gate.c
OF_READING = {name for name in TABLE if name.startswith("ERR_READ")}


class World:
    """A proxy made for one row, and what a request needs to run into it."""

    def __init__(self, start, tmp_path):
        self.start, self.tmp_path = start, tmp_path
        self.dns = None

    def sealed(self, oscore):
        return [(coap.OSCORE, b"\x09\x05\x25")] if oscore else []

    def send(self, pair, oscore, code=None, options=(), payload=None, token=None, type=CON):
        if payload is None:
            payload = b"c" if oscore else b""
        request = pair.request(code or (POST if oscore else GET), path=() if oscore else ("p",),
                               options=self.sealed(oscore) + list(options), payload=payload, token=token, type=type)
        return pair.client.send(request)


def simple(code=None, options=(), payload=None, token=None):
    """A row that a request alone runs into."""
    def run(w, oscore):
        pair = Pair(w.start())
        w.send(pair, oscore, code, options, payload, coap.token(token) if token else None)
        return pair.proxy, pair.client.recv()
    return run


def uri(text):
    def run(w, oscore):
        proxy = w.start()
        client = proxy.client()
        return proxy, client.ask(Message(POST, options=[(coap.PROXY_URI, text)] + w.sealed(oscore), payload=b"c"))
    return run


def no_route(w, oscore):
    proxy = w.start()
    client = proxy.client()
    return proxy, client.ask(Message(POST, options=[(coap.URI_HOST, "nobody.example")] + w.sealed(oscore), payload=b"c"))


def session_absent(w, oscore):
    proxy = w.start(routes='r: { from = ["coap"]; hosts = ["meter.example"]; to = ["session:meter-17"]; };')
    client = proxy.client()
    return proxy, client.ask(Message(POST, options=[(coap.URI_HOST, "meter.example")] + w.sealed(oscore), payload=b"c"))


def return_ports(w, oscore):
    pair = Pair(w.start(routes=DEFAULT_ROUTE.replace("};", "return-path = true; };", 1), sections="upstream: { return-ports = 1; };"))
    Pair(pair.proxy, device=pair.device).exchange(POST, payload=b"c")
    w.send(pair, oscore)
    return pair.proxy, pair.client.recv()


def no_route_forward(w, oscore):
    proxy = w.start(routes="")
    pair = Pair(proxy)
    w.send(pair, oscore)
    return proxy, pair.client.recv()


def route(text):
    """A row that a setting of the route leads to."""
    def run(w, oscore):
        pair = Pair(w.start(routes=DEFAULT_ROUTE.replace("};", text + " };", 1)))
        w.send(pair, oscore, None if oscore else POST, payload=b"c")
        return pair.proxy, pair.client.recv()
    return run


def method_unknown(w, oscore):
    pair = Pair(w.start())
    w.send(pair, oscore, code=31, payload=b"c")
    return pair.proxy, pair.client.recv()


def address(w, oscore):
    proxy = w.start(routes='all: { from = ["coap"]; forward-to = ["coap://*:*"]; };')
    pair = Pair(proxy)
    w.send(pair, oscore)
    return proxy, pair.client.recv()


def challenge(w, oscore):
    proxy = w.start(sections="downstream: { trusted = []; };")
    pair = Pair(proxy)
    w.send(pair, oscore, POST, payload=b"c")
    for up in pair.device.pending():
        pair.device.answer(up, payload=b"x" * 1000)
    return proxy, pair.client.recv()


def full(limits, clients=1, requests=1, per_client=False):
    """Requests that stay under way, then one too many."""
    def run(w, oscore):
        proxy = w.start(sections="limits: { %s };" % limits)
        first = Pair(proxy)
        for _ in range(requests):
            w.send(first, oscore)
        for up in first.device.pending():
            if up.code:
                first.device.ack(up)
        pair = first if per_client else Pair(proxy, device=first.device)
        first.client.pending()
        w.send(pair, oscore)
        return proxy, [m for m in pair.client.pending() if m.code][0]
    return run


def origin_resting(w, oscore):
    addresses, port = [fresh_address(), fresh_address()], free_port()
    proxy = w.start(routes='r: { from = ["coap"]; to = ["coap://%s:%d", "coap://%s:%d"]; };' % (addresses[0], port, addresses[1], port))
    client = proxy.client()
    for _ in range(6):
        down = client.ask(Message(POST, options=w.sealed(oscore), payload=b"c"))
        if down.code == TABLE["ERR_ORIGIN_RESTING"]["code"]:
            break
    return proxy, down


def message_ids(w, oscore):
    """One port, no Message ID twice within 247 s: after 65,536 there is none left."""
    proxy = w.start(sections="upstream: { origin-ports = 1; };")
    device, at_once = proxy.device(), 16
    for i in range(0, 70_000, at_once):
        if i % 30_000 < at_once:
            pair = Pair(proxy, device=device)  # before this client's own IDs come round
        for _ in range(at_once):
            w.send(pair, oscore, type=NON)
        while got := pair.device.pending():
            for up in got:
                pair.device.answer(up, coap.CHANGED)
        refused = [m for m in pair.client.pending() if m.code >> 5 == 5]
        if refused:
            return proxy, refused[0]
        pair.device.ledger.clear()
        pair.client.ledger.clear()
    raise AssertionError("no end of Message IDs")


def origin_timeout(w, oscore):
    pair = Pair(w.start())
    w.send(pair, oscore)
    pair.proxy.advance(94_000)
    return pair.proxy, [m for m in pair.client.pending() if m.code][0]


def origin_reset(w, oscore):
    pair = Pair(w.start())
    w.send(pair, oscore)
    pair.device.reset(pair.device.recv())
    return pair.proxy, pair.client.recv()


def unreachable(w, oscore):
    pair = Pair(w.start())
    pair.device.close()
    pair.proxy.peers.remove(pair.device)
    w.send(pair, oscore)
    return pair.proxy, pair.client.recv()


def name(w, oscore):
    w.dns = dns = NameServer()
    file = w.tmp_path / "resolv.conf"
    file.write_text("nameserver %s:%d\n" % (dns.host, dns.port))
    proxy = w.start(routes='n: { from = ["coap"]; forward-to = ["coap://*.example:*"]; };',
                    sections='upstream: { resolv-conf = "%s"; };' % file)
    client = proxy.client()
    client.send(Message(POST, options=[(coap.PROXY_URI, "coap://gone.example")] + w.sealed(oscore), payload=b"c"))
    dns.serve({})
    return proxy, client.recv()


def bad_response(w, oscore):
    pair = Pair(w.start())
    w.send(pair, oscore)
    pair.device.answer(pair.device.recv(), options=[(65003, b"")])
    return pair.proxy, pair.client.recv()


def response_size(w, oscore):
    pair = Pair(w.start())
    w.send(pair, oscore, POST, payload=b"c")
    pair.device.answer(pair.device.recv(), payload=b"x" * 4000)
    return pair.proxy, pair.client.recv()


def duplicates_full(w, oscore):
    proxy = w.start(sections='limits: { dedup-memory = "1MB"; };')
    client = proxy.client()
    for i in range(60_000):
        client.send(Message(POST, CON, i, b"t", [(coap.URI_HOST, "nobody.example")] + w.sealed(oscore), b"c"))
        if i % 64 == 63:
            refused = [m for m in client.pending() if m.code == coap.code("5.03")]
            client.ledger.clear()
            if refused:
                return proxy, refused[0]
    raise AssertionError("no bound was met")


def loop(w, oscore):
    pair = Pair(w.start())
    w.send(pair, oscore)
    pair.device.answer(pair.device.recv(), coap.code("5.08"), payload=b"other oscore-proxy")
    return pair.proxy, pair.client.recv()


ROWS = {
    "ERR_LOOP": loop,
    "ERR_BAD_REQUEST": simple(options=[(2052, b"")] * 120),
    "ERR_BAD_OPTION": simple(options=[(2055, b"")]),
    "ERR_BAD_URI": uri("coap:///p"),
    "ERR_BLOCK_SIZE": simple(POST, options=[(coap.BLOCK1, coap.block(0, True, 2))], payload=b"short"),
    "ERR_HOP_LIMIT_VALUE": simple(options=[(coap.HOP_LIMIT, b"\x00")]),
    "ERR_NO_ROUTE": no_route,
    "ERR_NO_ROUTE_FORWARD": no_route_forward,
    "ERR_FORBIDDEN": route("deny = true;"),
    "ERR_ADDRESS": address,
    "ERR_METHOD": route('methods = ["GET"];'),
    "ERR_METHOD_UNKNOWN": method_unknown,
    "ERR_OSCORE_REQUIRED": route('require = ["oscore"];'),
    "ERR_TOKEN_LENGTH": simple(token=65),
    "ERR_TOO_LARGE": simple(POST, payload=b"x" * 3000),
    "ERR_CHALLENGE": challenge,
    "ERR_CLIENT_LIMIT": full("client-exchanges = 2;", requests=2, per_client=True),
    "ERR_HOP_LIMIT": simple(options=[(coap.HOP_LIMIT, 1)]),
    "ERR_ORIGIN_LIMIT": full("origin-exchanges = 2;", requests=2),
    "ERR_ORIGIN_RESTING": origin_resting,
    "ERR_SESSION_ABSENT": session_absent,
    "ERR_RETURN_PORTS": return_ports,
    "ERR_MESSAGE_IDS": message_ids,
    "ERR_ORIGIN_TIMEOUT": origin_timeout,
    "ERR_ORIGIN_RESET": origin_reset,
    "ERR_UNREACHABLE": unreachable,
    "ERR_NAME": name,
    "ERR_BAD_RESPONSE": bad_response,
    "ERR_RESPONSE_SIZE": response_size,
    "ERR_OVERLOAD": full("exchanges = 2;", requests=2),
    "ERR_DUPLICATES_FULL": duplicates_full,
}
PLAIN_ONLY = {"ERR_METHOD", "ERR_OSCORE_REQUIRED"}


def test_every_row_has_a_test():
    assert len(TABLE) > 20
    assert set(ROWS) | OURS_ALONE | OF_PROCESSES | OF_CONNECTIONS | OF_HTTP | OF_READING == set(TABLE)


@pytest.mark.covers("C7252-5.5.2-1", "C7252-5.5.2-2", "C7252-5.7.1-1")
@pytest.mark.parametrize("oscore", [False, True], ids=["plain", "oscore"])
@pytest.mark.parametrize("row", ROWS)
def test_row(start, tmp_path, row, oscore):
    if oscore and row in PLAIN_ONLY:
        oscore = False
    expected = TABLE[row]
    world = World(start, tmp_path)
    try:
        proxy, down = ROWS[row](world, oscore)
    finally:
        if world.dns:
            world.dns.close()
    assert down.code == expected["oscore" if oscore else "code"], down
    assert proxy.counters()[expected["counter"]] > 0
    text = down.payload.decode("utf-8")
    assert len(text) <= 64 and not any(c.isdigit() or ord(c) < 32 for c in text)
    if expected["text"]:
        assert text == expected["text"]
    if down.code == coap.code("5.03"):
        assert down.uint(coap.MAX_AGE), "a retry delay"
    assert not down.has(coap.OSCORE)


@pytest.mark.covers("C7252-5.9-4")
def test_4_13_names_the_size_that_fits(start):
    pair = Pair(start())
    down = pair.refused(POST, payload=b"x" * 3000)
    assert down.code == coap.code("4.13") and 16 <= down.uint(coap.SIZE1) <= 2048


@pytest.mark.parametrize("row", ["ERR_ORIGIN_TIMEOUT", "ERR_ORIGIN_RESET", "ERR_UNREACHABLE", "ERR_BAD_RESPONSE", "ERR_NO_ROUTE"])
def test_strict_oscore_errors(start, row):
    """4.04, 5.02, 5.04 and 5.05 become 5.03 with Max-Age for clients that drop the others."""
    address_, port = fresh_address(), free_port()
    proxy = start(routes='r: { from = ["coap"]; hosts = ["x.example"]; oscore-errors = "strict"; to = ["coap://%s:%d"]; };' % (address_, port))
    client, device = proxy.client(), proxy.device(address_, port)
    request = Message(POST, options=[(coap.URI_HOST, "x.example"), (coap.OSCORE, b"\x09\x05\x25")], payload=b"c")
    if row == "ERR_UNREACHABLE":
        device.close()
        proxy.peers.remove(device)
    if row == "ERR_NO_ROUTE":
        request = Message(POST, options=[(coap.URI_HOST, "y.example"), (coap.OSCORE, b"\x09\x05\x25")], payload=b"c")
        assert client.ask(request).code == coap.code("4.04"), "no route, so no setting of one"
        return
    client.send(request)
    if row == "ERR_ORIGIN_TIMEOUT":
        proxy.advance(94_000)
    elif row == "ERR_ORIGIN_RESET":
        device.reset(device.recv())
    elif row == "ERR_BAD_RESPONSE":
        device.answer(device.recv(), options=[(65003, b"")])
    down = [m for m in client.pending() if m.code][0]
    assert down.code == coap.code("5.03") and down.uint(coap.MAX_AGE)


@pytest.mark.parametrize("options,code", [([(2055, b"")], "4.02"), ([(coap.HOP_LIMIT, b"\x00")], "4.00"),
                                          ([(coap.HOP_LIMIT, 1)], "5.08"), ([(coap.BLOCK2, b"\x07")], "4.00")])
def test_strict_errors_leave_other_codes_alone(start, options, code):
    address_, port = fresh_address(), free_port()
    proxy = start(routes='r: { from = ["coap"]; oscore-errors = "strict"; to = ["coap://%s:%d"]; };' % (address_, port))
    request = Message(POST, options=[(coap.OSCORE, b"\x09\x05\x25")] + options, payload=b"c")
    assert proxy.client().ask(request).code == coap.code(code)


def test_strict_errors_leave_plain_requests_alone(start):
    address_, port = fresh_address(), free_port()
    proxy = start(routes='r: { from = ["coap"]; oscore-errors = "strict"; to = ["coap://%s:%d"]; };' % (address_, port))
    client, device = proxy.client(), proxy.device(address_, port)
    client.send(Message(GET))
    device.reset(device.recv())
    assert client.recv().code == coap.code("5.02")


