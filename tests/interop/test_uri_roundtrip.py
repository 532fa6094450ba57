"""10,000 generated requests: options, their URI, the HTTP request target that stands for it, and back; and whether others split the URI
into the same options (RFC 7252 6.4, 6.5, RFC 8075 5, seam S-30).

A request is (scheme, host, port, segments, arguments), the last three as bytes, which $B/test/uri-tool turns into URIs and back by the
gateway's own code. Where urllib.parse or aiocoap see other options than the gateway, the reason is in a list here; a reason that no
generated URI needs any more fails the test as well.
"""

import ipaddress
import os
import random
import subprocess
import urllib.parse
import warnings

import aiocoap
import peers
import pytest
from aiocoap.error import MalformedUrlError

SEED, COUNT = 7252, 10_000
PORTS = {"coap": 5683, "coaps": 5684, "coap+tcp": 5683, "coaps+tcp": 5684, "coap+ws": 80, "coaps+ws": 443}
# Each carries every URI: whole, or in parts; raw, or percent-coded.
TEMPLATES = ["/hc/{+tu}", "/hc?target_uri={+tu}", "/x/{+s}/{+hp}{+p}{+qq}", "/x?u={tu}", "/{s}/{hp}/{p}?{qq}"]

LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789"
MARKS = b"-._~!$&'()*+,;="
VALUES = [b"", b"/", b"&", b"?", b"%", b"%2F", b"%252f", b"#", b" ", b"=", b"a=b&c=d", b"a/b", b"...", b".a", b"a..", b":@", b"{+tu}", b"+",
          b"coap://h/p?q", b"[::1]", b"\x00", b"\r\n", b"\xff", "é".encode(), "日本".encode(), b"\\", b"\"<>^`{|}", b"x" * 255]
HOSTS = [b"localhost", b"10.0.0.1", b"255.255.255.255", b"::1", b"2001:db8::7", b"fe80::a:b", b"::ffff:1.2.3.4", b"a.b-c_d~e",
         "é.example".encode(), b"a&b=c;d", b"1", b"1.2.3", b"xn--caf-dma.example"]


def ask(questions):
    """The tool's answers; None for "-"."""
    tool = peers.ROOT / os.environ.get("B", "build") / "test" / "uri-tool"
    done = subprocess.run([str(tool)], input="".join(q + "\n" for q in questions).encode("ascii"), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answers = done.stdout.decode("ascii").split("\n")[:-1]
    assert len(answers) == len(questions)
    return [None if a == "-" else a for a in answers]


def spelled(request):
    """As the tool spells it."""
    scheme, host, port, segments, arguments = request
    return " ".join([scheme, host.hex(), str(port), *("/" + s.hex() for s in segments), *("?" + a.hex() for a in arguments)])


def some_value(r):
    kind = r.randrange(10)
    if kind < 4:
        return bytes(r.choices(LETTERS, k=r.randrange(1, 10)))
    if kind < 7:
        return r.choice(VALUES)
    if kind < 9:
        return bytes(r.choices(LETTERS + MARKS + b"/?:@%&", k=r.randrange(12)))
    return r.randbytes(r.randrange(12))


def some_host(r):
    if r.randrange(2):
        return r.choice(HOSTS)
    # not four numbers by chance: that is an address, of which others make no Uri-Host
    return b"n" + bytes(r.choices(LETTERS + MARKS, k=r.randrange(12)))


def some_request(r):
    scheme = r.choice(list(PORTS))
    segments = [some_value(r) for _ in range(r.choice((0, 1, 1, 2, 3, 6)))]
    # RFC 7252 5.10.1 has no segments of dots; and "/" says the same as no path, so a lone empty segment has no URI (erratum 4895)
    segments = [s for s in segments if s not in (b".", b"..")]
    if segments == [b""]:
        segments = []
    arguments = [some_value(r) for _ in range(r.choice((0, 0, 1, 1, 2, 4)))]
    return scheme, some_host(r), r.choice((PORTS[scheme], r.randrange(1, 65536))), segments, arguments


@pytest.fixture(scope="module")
def requests():
    """Each with its URI, as the gateway composes it."""
    r = random.Random(SEED)
    made = []
    while len(made) < COUNT:
        candidates = [some_request(r) for _ in range(COUNT)]
        uris = ask(["compose " + spelled(c) for c in candidates])
        assert None not in uris
        made += [(request, uri) for request, uri in zip(candidates, uris) if len(uri) <= 1034]  # RFC 7252 5.10.2
    return made[:COUNT]


@pytest.mark.covers("S-30", "C7252-6.4-1", "C7252-6.4-4", "C7252-6.4-5", "C7252-6.5-1")
def test_options_to_uri_to_options_is_the_identity(requests):
    for (request, uri), answer in zip(requests, ask(["split " + uri for _, uri in requests])):
        assert answer == spelled(request), uri


@pytest.mark.covers("C8075-5.3-1", "C8075-5.4.1-1", "C8075-5.4.2-1", "S-30")
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_request_target_and_back_is_the_identity(requests, template):
    targets = ask([f"expand {template} {uri}" for _, uri in requests])
    assert None not in targets
    for target in targets:
        parts = urllib.parse.urlsplit("http://gw.example" + target)
        assert (parts.netloc, parts.fragment) == ("gw.example", "")
        assert "[" not in target and "]" not in target
    assert ask([f"match {template} {target}" for target in targets]) == [uri for _, uri in requests]


def respelled(r, uri):
    """Another spelling of the same URI: case of scheme, host and escapes, escapes that need not be, dot segments, the default port."""
    scheme, rest = uri.split("://", 1)
    cut = min(i for i in (rest.find("/"), rest.find("?"), len(rest)) if i >= 0)
    authority, rest = rest[:cut], rest[cut:]
    if not authority.startswith("[") and ":" not in authority:
        authority += r.choice(("", ":", ":%d" % PORTS[scheme], ":0%d" % PORTS[scheme]))
    scheme = "".join(r.choice((c.lower(), c.upper())) for c in scheme)
    authority = "".join(r.choice((c, c.lower(), c.upper())) for c in authority)
    path, mark, query = rest.partition("?")
    pieces = ["/" + r.choice(("", "./", "x/../", "%2E/", "x/%2e./")) * (r.randrange(4) == 0) + piece for piece in path.split("/")[1:]]
    rest = "".join(pieces) + mark + query
    at, out = 0, []
    while at < len(rest):
        if rest[at] == "%":
            out.append(r.choice((str.lower, str.upper))(rest[at:at + 3]))
            at += 3
            continue
        out.append("%%%02x" % ord(rest[at]) if rest[at].isalnum() and r.randrange(4) == 0 else rest[at])
        at += 1
    return scheme + "://" + authority + "".join(out)


@pytest.mark.covers("C7252-6.4-4", "C8075-5.3-1", "C8075-5.3-3", "S-30")
def test_other_spellings_pass_unchanged_and_mean_the_same(requests):
    r = random.Random(SEED + 1)
    pairs = [(request, respelled(r, uri)) for request, uri in requests]
    pairs = [(request, uri) for request, uri in pairs if len(uri) <= 1034]
    assert len(pairs) > COUNT * 9 // 10
    targets = ["/hc/" + uri.replace("[", "%5B").replace("]", "%5D") for _, uri in pairs]
    matched = ask(["match /hc/{+tu} " + target for target in targets])
    assert matched == [uri for _, uri in pairs]
    for (request, uri), answer in zip(pairs, ask(["split " + uri for uri in matched])):
        assert answer == spelled(request), uri


def by_urllib(uri):
    parts = urllib.parse.urlsplit(uri)
    segments = [urllib.parse.unquote_to_bytes(s) for s in parts.path.split("/")[1:]] if parts.path not in ("", "/") else []
    arguments = [urllib.parse.unquote_to_bytes(a) for a in parts.query.split("&")] if parts.query else []
    return parts.scheme, urllib.parse.unquote_to_bytes(parts.hostname), parts.port or PORTS[parts.scheme], segments, arguments


def by_aiocoap(uri):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        message = aiocoap.Message(code=aiocoap.GET, uri=uri)
    host, port = aiocoap.util.hostportsplit(message.remote.hostinfo)
    if ":" in host:  # spelled as Python's ipaddress does, by its release
        host = next(h for h in HOSTS if b":" in h and ipaddress.ip_address(h.decode()) == ipaddress.ip_address(host)).decode()
    host = message.opt.uri_host or host
    options = [v.encode() for v in message.opt.uri_path], [v.encode() for v in message.opt.uri_query]
    return message.remote.scheme, host.encode(), port or PORTS[message.remote.scheme], *options


def is_text(value):
    try:
        value.decode()
    except UnicodeError:
        return False
    return True


def lone_empty_argument(request):
    return request[4] == [b""]


def not_utf8(request):
    return not all(map(is_text, [request[1], *request[3], *request[4]]))


def without_query(request, seen):
    return seen == (*request[:4], [])


def refused(_, seen):
    return isinstance(seen, MalformedUrlError)


# (which requests, what is seen instead, why)
URLLIB_DIFFERS = [
    (lone_empty_argument, without_query, "urlsplit() tells no difference between \"?\" and no query; RFC 7252 6.4 step 9 does"),
]
AIOCOAP_DIFFERS = [
    (not_utf8, refused, "aiocoap wants UTF-8, as RFC 7252 3.2 does of a sender; a proxy relays what it is sent"),
    (lone_empty_argument, without_query, "it reads the query by urlsplit()"),
]


def compare(requests, split, exceptions):
    needed = set()
    for request, uri in requests:
        try:
            seen = split(uri)
        except MalformedUrlError as error:
            seen = error
        if seen == request:
            continue
        reasons = [why for which, instead, why in exceptions if which(request) and instead(request, seen)]
        assert reasons, f"{uri}: {request} is {seen}"
        needed.update(reasons)
    return needed


@pytest.mark.covers("S-30", "C7252-6.4-4", "C7252-6.4-5")
def test_urllib_agrees(requests):
    assert compare(requests, by_urllib, URLLIB_DIFFERS) == {why for _, _, why in URLLIB_DIFFERS}


@pytest.mark.covers("S-30", "C7252-6.4-4", "C7252-6.4-5")
def test_aiocoap_agrees(requests):
    assert compare(requests, by_aiocoap, AIOCOAP_DIFFERS) == {why for _, _, why in AIOCOAP_DIFFERS}
