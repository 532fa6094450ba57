"""URIs: RFC 7252 6, RFC 3986, seam S-30 (conformance 1.9)."""

import pytest

import coap
from coap import GET, Message
from harness import Pair

BAD_OPTION, NO_PROXY = coap.code("4.02"), coap.code("5.05")


def split(pair, tail, authority=None):
    """Sends Proxy-Uri <device><tail>; returns what reached the device."""
    text = (authority or pair.device.url) + tail
    sent = pair.client.send(Message(GET, options=[(coap.PROXY_URI, text)]))
    up = pair.device.recv()
    pair.device.answer(up)
    assert pair.client.recv().token == sent.token
    return up


PATHS = [
    ("", []), ("/", []), ("/a", [b"a"]), ("/a/b", [b"a", b"b"]),
    ("/foo/", [b"foo", b""]), ("//", [b"", b""]), ("/a//b", [b"a", b"", b"b"]), ("//a", [b"", b"a"]), ("///", [b"", b"", b""]),
    ("/a%2Fb", [b"a/b"]), ("/a%2fb", [b"a/b"]), ("/%25", [b"%"]), ("/%2525", [b"%25"]), ("/%25%32%35", [b"%25"]),
    ("/%61", [b"a"]), ("/%C3%A9", ["é".encode()]), ("/%ff", [b"\xff"]), ("/%00", [b"\x00"]),
    ("/a;b=c,d", [b"a;b=c,d"]), ("/!$&'()*+,;=:@", [b"!$&'()*+,;=:@"]), ("/-._~", [b"-._~"]),
    ("/a/./b", [b"a", b"b"]), ("/a/../b", [b"b"]), ("/../a", [b"a"]), ("/a/..", []), ("/a/b/../..", []), ("/.", []),
    ("/%3Fx", [b"?x"]), ("/%23", [b"#"]), ("/" + "x" * 255, [b"x" * 255]), ("/%20", [b" "]),
]


@pytest.mark.covers("C7252-6.4-4", "C7252-6-1", "D-CC-3", "S-30")
@pytest.mark.parametrize("tail,segments", PATHS, ids=[p[0][:20] or "empty" for p in PATHS])
def test_paths(pair, tail, segments):
    assert split(pair, tail).all(coap.URI_PATH) == segments


QUERIES = [
    ("", []), ("?", [b""]), ("?a", [b"a"]), ("?a&b", [b"a", b"b"]), ("?&", [b"", b""]), ("?a&", [b"a", b""]), ("?&a", [b"", b"a"]),
    ("?a=%26", [b"a=&"]), ("?a%26b&c", [b"a&b", b"c"]), ("?a=b=c", [b"a=b=c"]), ("?a/b?c", [b"a/b?c"]), ("?%2525", [b"%25"]),
    ("?a+b", [b"a+b"]), ("?:@!$'()*,;", [b":@!$'()*,;"]), ("?../x", [b"../x"]), ("?a=%23", [b"a=#"]), ("?" + "q" * 255, [b"q" * 255]),
]


@pytest.mark.covers("C7252-6.4-5", "C7252-6-1", "S-30")
@pytest.mark.parametrize("path", ["", "/p"])
@pytest.mark.parametrize("tail,arguments", QUERIES, ids=[q[0][:20] or "none" for q in QUERIES])
def test_queries(pair, path, tail, arguments):
    up = split(pair, path + tail)
    assert up.all(coap.URI_QUERY) == arguments
    assert up.all(coap.URI_PATH) == ([b"p"] if path else [])


INVALID = [
    "", "/p", "p", "//%s/p", "coap:", "coap:/p", "coap:///p", "coap://", "coap://:5683/p", "coap:%s", "://%s/p",
    "coap://%s:0/p", "coap://%s:65536/p", "coap://%s:99999999999/p", "coap://%s:-1/p", "coap://%s:x/p", "coap://%s: 1/p",
    "coap://user@%s/p", "coap://user:pw@%s/p", "coap://@%s/p", "coap://%s/p#f", "coap://%s/%%", "coap://%s/%%zz", "coap://%s/%%1",
    "coap://%s/%%1g", "coap://%s/a b", "coap://%s/a\tb", "coap://%s/\x7f", "coap://%s/\u00e9", "coap://%s/<", "coap://%s/\"",
    "coap://%s/a\nb", "coap://%s/a\x00b", "coap://%s/\\", "coap://%s/^", "coap://%s/`", "coap://%s/{x}", "coap://%s/|",
    "coap://[::1/p", "coap://::1/p", "coap://[::1]x/p", "coap://[]/p", "coap://[fe80::1%%25lo]/p", "coap://[fe80::1%%lo]/p",
    "coap://[127.0.0.1]/p", "coap://a%%2Fb/p", "coap://a%%40b/p", "coap://a%%20b/p", "coap://%%zz/p", " coap://%s/p", "coap ://%s/p",
    "coap://%s/" + "x" * 256, "coap://%s/?" + "q" * 256, "coap://%s[/p", "coap://%s?#",
]


@pytest.mark.covers("C7252-6.1-1", "C7252-6.4-1", "C7252-6.5-2", "S-30")
@pytest.mark.parametrize("form", INVALID, ids=[ascii(i)[:30] for i in INVALID])
def test_what_is_no_uri_gets_4_02(pair, form):
    text = form.replace("%%", "\0\0").replace("%s", pair.device.host).replace("\0\0", "%") if "%%" in form else form.replace(
        "%s", pair.device.host)
    request = Message(GET, options=[(coap.PROXY_URI, text.encode())])
    down = pair.client.ask(request)
    assert (down.code, down.token) == (BAD_OPTION, request.token)
    pair.device.quiet()


@pytest.mark.covers("C7252-6.4-1")
@pytest.mark.parametrize("scheme", ["gopher", "mailto", "urn", "coapx", "x+y.z-1"])
def test_foreign_schemes_are_refused(pair, scheme):
    down = pair.client.ask(Message(GET, options=[(coap.PROXY_URI, "%s://%s/p" % (scheme, pair.device.host))]))
    assert down.code in (BAD_OPTION, NO_PROXY)
    pair.device.quiet()


@pytest.mark.covers("C7252-6.4-2", "C7252-6.4-3")
@pytest.mark.parametrize("authority", ["coap://%h:%p", "COAP://%h:%p", "Coap://%h:0%p", "coap://%h:000%p"])
def test_spellings_of_one_authority(pair, authority):
    authority = authority.replace("%h", pair.device.host).replace("%p", str(pair.device.port))
    up = split(pair, "/p", authority)
    assert not up.has(coap.URI_HOST) and not up.has(coap.URI_PORT)


@pytest.mark.covers("C7252-6.1-1")
@pytest.mark.parametrize("tail", ["", ":"])
def test_default_port(proxy, tail):
    """5683 where none is written; also behind a colon alone."""
    device = proxy.device(port=5683)
    pair = Pair(proxy, device=device)
    up = split(pair, "/p", "coap://%s%s" % (device.host, tail))
    assert not up.has(coap.URI_PORT)


@pytest.mark.covers("C7252-6.1-1")
def test_default_port_with_proxy_scheme(proxy):
    device = proxy.device(port=5683)
    client = proxy.client()
    client.send(Message(GET, options=[(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, device.host)]))
    device.answer(device.recv())
    assert client.recv().code == coap.CONTENT


@pytest.mark.covers("C7252-6.4-2")
@pytest.mark.parametrize("encoded", [True, False])
def test_encoded_host_is_decoded_once(pair, encoded):
    host = pair.device.host.replace("1", "%31") if encoded else pair.device.host
    up = split(pair, "/p", "coap://%s:%d" % (host, pair.device.port))
    assert not up.has(coap.URI_HOST)


SEGMENTS = [b"a/b", b"a&b", b"a?b", b"a#b", b"%41", b"%", b"a b", b"\xff\x00", b"..%2f", b"a=b", "é".encode(), b"a%2Fb"]


@pytest.mark.covers("S-30", "C7252-6-1")
@pytest.mark.parametrize("value", SEGMENTS, ids=ascii)
def test_options_are_not_decoded(pair, value):
    """Proxy-Scheme with Uri-*: the values are bytes already."""
    _, up, _ = pair.exchange(path=(value,), query=(value,))
    assert up.all(coap.URI_PATH) == [value] and up.all(coap.URI_QUERY) == [value]


@pytest.mark.covers("S-30", "C7252-6.5-1")
@pytest.mark.parametrize("value", SEGMENTS, ids=ascii)
def test_encoded_and_given_as_options_are_one(pair, value):
    encoded = "".join("%%%02X" % b for b in value)
    by_uri = split(pair, "/%s?%s" % (encoded, encoded))
    _, by_options, _ = pair.exchange(path=(value,), query=(value,))
    assert by_uri.without(coap.HOP_LIMIT) == by_options.without(coap.HOP_LIMIT)


@pytest.mark.covers("C7252-5.10.2-3")
@pytest.mark.parametrize("length,fits", [(1034, True), (1035, False)])
def test_longest_proxy_uri(pair, length, fits):
    text = pair.device.url + "/"
    while len(text) + 101 <= length:
        text += "x" * 99 + "/"
    text += "y" * (length - len(text))
    if fits:
        up = split(pair, "", text)
        assert sum(len(v) + 1 for v in up.all(coap.URI_PATH)) + len(pair.device.url) == length
    else:
        assert pair.client.ask(Message(GET, options=[(coap.PROXY_URI, text)])).code == BAD_OPTION
        pair.device.quiet()


@pytest.mark.parametrize("host", ["[::1]", "[0:0:0:0:0:0:0:1]"])
def test_ipv6_literals(start, host):
    from harness import free_port
    port = free_port("::1")
    proxy = start(routes='s: { from = ["coap"]; forward-to = ["coap://[::1]:*"]; allow-networks = ["::1/128"]; };')
    client, device = proxy.client(), proxy.device("::1", port)
    client.send(Message(GET, options=[(coap.PROXY_URI, "coap://%s:%d/p" % (host, port))]))
    up = device.recv()
    assert not up.has(coap.URI_HOST) and up.all(coap.URI_PATH) == [b"p"]
    device.answer(up)
    assert client.recv().code == coap.CONTENT


def test_ipv6_listener_and_ipv4_device(start):
    from harness import free_port
    port = free_port("::1")
    proxy = start(host="::1", port=port, listeners='coap: { url = "coap://[::1]:%d"; };' % port)
    client = proxy.client("::1", to=("::1", port))
    Pair(proxy, client=client).exchange()


@pytest.mark.covers("C7252-6.4-2")
def test_uri_host_of_an_ipv6_literal_in_proxy_scheme(start):
    from harness import free_port
    port = free_port("::1")
    proxy = start(routes='s: { from = ["coap"]; forward-to = ["coap://[::1]:*"]; allow-networks = ["::1/128"]; };')
    client, device = proxy.client(), proxy.device("::1", port)
    client.send(Message(GET, options=[(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, "[::1]"), (coap.URI_PORT, port)]))
    up = device.recv()
    assert not up.has(coap.URI_HOST)
    device.answer(up)
    client.recv()
