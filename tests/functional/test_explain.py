"""`-E` and the running proxy decide alike: fifty requests through both.

`-E` is asked "METHOD URI from ADDRESS:PORT via LISTENER", with "oscore" for a request that carries the OSCORE option,
"proxy" for one that names its target by Proxy-Uri, "direct" for one by Uri-*. It must say the code of a refusal, or the next hop and the
options as they would leave.
"""

import re

import pytest

import coap
from coap import GET, POST, Message
from harness import Proxy, fresh_address, free_port, run_proxy

METHODS = {"GET": GET, "POST": POST, "PUT": coap.PUT, "DELETE": coap.DELETE, "FETCH": coap.FETCH, "PATCH": coap.PATCH,
           "iPATCH": coap.IPATCH}
CLIENTS = {"any": fresh_address(), "plant": fresh_address()}
A, B, C, D = (fresh_address() for _ in range(4))
PORT, OTHER = free_port(), free_port()
ROUTES = """
  blocked:  { from = ["coap"]; hosts = ["blocked.example"]; deny = true; };
  sealed:   { from = ["coap"]; hosts = ["sealed.example"]; require = ["oscore"]; to = ["coap://%(A)s:%(PORT)d"]; };
  reading:  { from = ["coap"]; hosts = ["read.example"]; methods = ["GET", "FETCH"]; to = ["coap://%(B)s:%(PORT)d/base"]; };
  secret:   { from = ["coap"]; hosts = ["paths.example"]; paths = ["/secret/**"]; deny = true; };
  paths:    { from = ["coap"]; hosts = ["paths.example"]; paths = ["/open/**", "/x/*"]; to = ["coap://%(C)s:%(PORT)d"]; };
  plant:    { from = ["coap"]; clients = ["%(plant)s/32"]; hosts = ["*.plant.example"]; to = ["coap://%(D)s:%(PORT)d"]; };
  stripped: { from = ["coap"]; hosts = ["strip.example"]; strip-path = 1; hop-limit = 5; to = ["coap://%(A)s:%(PORT)d"]; };
  kept:     { from = ["coap"]; hosts = ["keep.example"]; keep-host = true; to = ["coap://%(B)s:%(PORT)d"]; };
  second:   { from = ["two"]; to = ["coap://%(C)s:%(PORT)d"]; };
  nogo:     { from = ["coap"]; forward-to = ["coap://%(D)s:%(OTHER)d"]; deny = true; };
  lab:      { from = ["coap"]; clients = ["%(plant)s/32"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };
  narrow:   { from = ["coap"]; forward-to = ["coap://%(A)s:%(PORT)d"]; allow-networks = ["%(A)s/32"]; methods = ["GET", "POST"]; };
  tempting: { from = ["coap"]; forward-to = ["coap://%(B)s:*"]; };
""" % dict(A=A, B=B, C=C, D=D, PORT=PORT, OTHER=OTHER, plant=CLIENTS["plant"])

# (method, URI with @ for "host without port", client, listener, oscore, proxy)
QUESTIONS = [
    ("GET", "blocked.example/p", "any", "coap", False, False), ("POST", "blocked.example", "any", "coap", True, False),
    ("GET", "sealed.example/p", "any", "coap", False, False), ("POST", "sealed.example", "any", "coap", True, False),
    ("FETCH", "sealed.example", "any", "coap", True, False), ("PUT", "sealed.example/p", "any", "coap", False, False),
    ("GET", "read.example/p", "any", "coap", False, False), ("GET", "read.example", "any", "coap", False, False),
    ("POST", "read.example/p", "any", "coap", False, False), ("FETCH", "read.example/p", "any", "coap", False, False),
    ("DELETE", "read.example/p", "any", "coap", False, False), ("POST", "read.example", "any", "coap", True, False),
    ("GET", "paths.example/secret", "any", "coap", False, False), ("GET", "paths.example/secret/a", "any", "coap", False, False),
    ("GET", "paths.example/open", "any", "coap", False, False), ("GET", "paths.example/open/a/b", "any", "coap", False, False),
    ("PUT", "paths.example/x/1", "any", "coap", False, False), ("GET", "paths.example/x", "any", "coap", False, False),
    ("GET", "paths.example/x/1/2", "any", "coap", False, False), ("GET", "paths.example", "any", "coap", False, False),
    ("POST", "paths.example", "any", "coap", True, False), ("GET", "paths.example/open/a%2Fb", "any", "coap", False, False),
    ("GET", "s1.plant.example/t", "any", "coap", False, False), ("GET", "s1.plant.example/t", "plant", "coap", False, False),
    ("POST", "a.b.plant.example", "plant", "coap", True, False), ("GET", "plant.example/t", "plant", "coap", False, False),
    ("GET", "S1.Plant.Example/t", "plant", "coap", False, False), ("iPATCH", "s1.plant.example/t", "plant", "coap", False, False),
    ("GET", "strip.example/gw/t?q=1", "any", "coap", False, False), ("POST", "strip.example", "any", "coap", True, False),
    ("GET", "strip.example/gw", "any", "coap", False, False), ("GET", "keep.example/t", "any", "coap", False, False),
    ("POST", "keep.example", "any", "coap", True, False), ("GET", "nobody.example/t", "any", "coap", False, False),
    ("POST", "nobody.example", "any", "coap", True, False), ("GET", "nobody.example/t", "any", "two", False, False),
    ("POST", "blocked.example", "any", "two", True, False), ("PATCH", "read.example/t", "any", "two", False, False),
    ("GET", "%s:%d/p" % (D, OTHER), "plant", "coap", False, True), ("POST", "%s:%d" % (D, OTHER), "any", "coap", True, True),
    ("GET", "%s:%d/p" % (C, PORT), "plant", "coap", False, True), ("GET", "%s:%d/p" % (C, PORT), "any", "coap", False, True),
    ("POST", "%s:%d" % (C, PORT), "plant", "coap", True, True), ("GET", "%s:%d/p/q?x&y" % (A, PORT), "any", "coap", False, True),
    ("PUT", "%s:%d/p" % (A, PORT), "any", "coap", False, True), ("POST", "%s:%d" % (A, PORT), "any", "coap", True, True),
    ("GET", "%s:%d/p" % (A, OTHER), "any", "coap", False, True), ("GET", "%s:%d/p" % (B, PORT), "any", "coap", False, True),
    ("POST", "%s:%d" % (B, PORT), "any", "coap", True, True), ("GET", "%s:%d/p" % (A, PORT), "any", "two", False, True),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    ports = free_port(), free_port()
    p = Proxy(tmp_path_factory.mktemp("explain"), port=ports[0], routes=ROUTES,
              listeners='coap: { url = "coap://127.0.0.1:%d"; }; two: { url = "coap://127.0.0.1:%d"; };' % ports)
    p.ports = {"coap": ports[0], "two": ports[1]}
    p.devices = [p.device(h, PORT) for h in (A, B, C, D)] + [p.device(h, OTHER) for h in (A, D)]
    yield p
    p.stop()


def question(proxy, method, where, client, listener, oscore, forward):
    """The text for -E and the same request as a message."""
    host, slash, rest = where.partition("/")
    authority = host if forward else "%s:%d" % (host, proxy.ports[listener])
    uri = "coap://%s%s%s" % (authority, slash, rest)
    if forward:
        options = [(coap.PROXY_URI, uri)]
    else:
        path, _, query = rest.partition("?")
        unquote = lambda s: re.sub(rb"%(..)", lambda m: bytes([int(m[1], 16)]), s.encode())  # noqa: E731
        options = [(coap.URI_HOST, host.lower())] + [(coap.URI_PATH, unquote(s)) for s in (path.split("/") if path else [])]
        options += [(coap.URI_QUERY, q) for q in (query.split("&") if query else [])]
    if oscore:
        options.append((coap.OSCORE, b"\x09\x05\x25"))
    text = "%s %s from %s:40000 via %s%s%s" % (method, uri, CLIENTS[client], listener, " oscore" if oscore else "",
                                               " proxy" if forward else " direct")
    return text, Message(METHODS[method], options=options, payload=b"c" if oscore else b"")


def test_fifty_questions():
    assert len(QUESTIONS) == 50 and len(set(QUESTIONS)) == 50


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda q: " ".join(str(x) for x in q))
def test_explained_and_done_are_the_same(running, asked):
    text, message = question(running, *asked)
    client = running.client(CLIENTS[asked[2]], to=("127.0.0.1", running.ports[asked[3]]))
    try:
        client.send(message)
        came = [(d, m) for d in running.devices for m in d.pending()]
        status, out, err = run_proxy("-c", running.config, "-E", text)
        assert "Sanitizer" not in err and status in (0, 1), err
        hops = [h for h in re.findall(r"127\.\d+\.\d+\.\d+:\d+", out.replace(text, "")) if not h.endswith(":40000")]
        codes = re.findall(r"\b[45]\.\d\d\b", out)
        if came:
            (device, up), = came
            device.answer(up, coap.CHANGED)
            assert client.recv().code == coap.CHANGED
            assert "%s:%d" % (device.host, device.port) in hops and not codes, out
            for value in up.all(coap.URI_PATH) + up.all(coap.URI_QUERY) + up.all(coap.URI_HOST):
                assert value.decode() in out, out
            assert "Hop-Limit" in out and str(up.uint(coap.HOP_LIMIT)) in out
        else:
            down = client.recv()
            assert coap.code_text(down.code) in codes, (down, out)
    finally:
        client.close()
        running.peers.remove(client)


def test_every_route_is_named_with_why_not(running):
    status, out, _ = run_proxy("-c", running.config, "-E",
                               "GET coap://nobody.example:%d/p from 127.0.0.1:40000 via coap direct" % running.ports["coap"])
    for name in re.findall(r"^  (\w+):", ROUTES, re.M):
        assert name in out
    assert "4.04" in out


@pytest.mark.parametrize("text", ["", "GET", "GET coap://", "BREW coap://h/p", "GET coap://h/p from nowhere via coap",
                                  "GET coap://h/p from 127.0.0.1:1 via nolistener", "GET coap://h/p from 127.0.0.1:1 via coap gift"])
def test_questions_that_are_none(running, text):
    status, out, err = run_proxy("-c", running.config, "-E", text)
    assert status != 0 and (out + err).strip()
