"""Who asks over HTTP: names by password, token, certificate or shared key as conditions of routes, routes that deny, PROXY protocol, and
what caches are told of it. test_http_credentials.py has the secrets, test_http_forwarded.py the proxies in front, test_https.py the
handshakes."""

import base64
import hashlib
import ssl
import subprocess

import coap
import pytest
from harness import ANYBODY, fresh_address, free_port
from house import reload
from http_client import PROXY_SIGNATURE, WebPair, proxy_header
from test_https import Files, client_context

DEVICES = 'forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"];'
SECRETS = {"alice": "token-of-alice", "dash-1": "token-of-dash-1", "mallory": "token-of-mallory"}


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


def bearer(name):
    return [("Authorization", "Bearer " + SECRETS[name])] if name else []


def basic(name, password):
    return [("Authorization", "Basic " + base64.b64encode(("%s:%s" % (name, password)).encode()).decode())]


@pytest.fixture
def credentials(tmp_path):
    """The setting of a file of names."""
    file = tmp_path / "credentials"
    file.write_text("".join("bearer %s %s\n" % (n, digest(s)) for n, s in SECRETS.items()) + "basic bob %s\n" % digest("secret"))
    file.chmod(0o600)
    return 'http: { credentials = "%s"; };' % file


# ---- names as conditions ----

LAMP, PORT = fresh_address(), free_port()
BY_NAME = "".join(
    '%s: { from = ["web"]; http-path = "/lamp"; to = ["coap://%s:%d/%s"]; %s };\n' % (name, LAMP, PORT, name, who)
    for name, who in [("first", 'identities = ["alice", "bob"];'), ("second", 'identities = ["dash-*"];')])


@pytest.mark.covers("C8075-10-2", "S-28")
def test_name_decides_which_route_it_is(start, credentials):
    """The first whose names have it; who has a name that is nowhere is refused, who has none is asked for one."""
    proxy = start(routes=BY_NAME, sections=credentials, web="")
    lamp, client = proxy.device(LAMP, PORT), proxy.http_client()
    for fields, path in ((bearer("alice"), b"first"), (basic("bob", "secret"), b"first"), (bearer("dash-1"), b"second"),
                         (bearer("alice"), b"first")):
        client.send("GET", "/lamp", fields)
        up = lamp.recv()
        assert up.all(coap.URI_PATH) == [path]
        lamp.piggyback(up, payload=path)
        answer = client.recv()
        # one name's answer is nobody else's: neither from here nor from a cache on the way
        assert answer.body == path and answer.get("cache-control") == "private, max-age=60"
    for fields, status in ((bearer("mallory"), 403), ([], 401), (basic("bob", "wrong"), 401), ([("Authorization", "Bearer x")], 401)):
        answer = client.ask("GET", "/lamp", fields)
        assert answer.status == status and answer.has("www-authenticate") == (status == 401)
    lamp.quiet()


@pytest.mark.covers("C8075-10-2")
def test_open_route_behind_one_for_names(start, credentials):
    """Who is nobody takes the open one; a name that does not hold is as good as none."""
    routes = 'open: { from = ["web"]; http-path = "/lamp"; authenticate = "none"; to = ["coap://%s:%d/open"]; };' % (LAMP, PORT)
    proxy = start(routes=BY_NAME + routes,
                  sections=credentials, web="")
    lamp, client = proxy.device(LAMP, PORT), proxy.http_client()
    for fields, path in ((bearer("alice"), b"first"), ([], b"open"), (bearer("mallory"), b"open"), (basic("bob", "wrong"), b"open")):
        client.send("GET", "/lamp", fields)
        up = lamp.recv()
        assert up.all(coap.URI_PATH) == [path]
        lamp.piggyback(up)
        assert client.recv().status == 200


@pytest.mark.covers("C8075-10-2", "C8075-10.4-1")
@pytest.mark.parametrize("who", [None, "alice", "mallory"])
def test_nobody_passes_by_a_route_that_denies(start, credentials, who):
    """Neither by having no name nor by having one; what the route does not deny goes on to the next."""
    proxy = start(routes='d: { from = ["web"]; http-path = "/hc/{+tu}"; deny = true; paths = ["/secret/**"]; %s };\n'
                         'o: { from = ["web"]; http-path = "/hc/{+tu}"; authenticate = "none"; %s };' % (DEVICES, DEVICES),
                  sections=credentials, web="")
    pair = WebPair(proxy)
    for path in ("/secret", "/secret/x", "/%73ecret/x", "/a/../secret/y", "/secret?x"):
        assert pair.refused(path=path, fields=bearer(who)).status == 403, path
    for path in ("/open", "/Secret", "/secret%2Fx"):
        assert pair.exchange(path=path, fields=bearer(who))[1].status == 200, path


def test_route_that_denies_some_names(start, credentials):
    proxy = start(routes='d: { from = ["web"]; http-path = "/hc/{+tu}"; deny = true; identities = ["mallory"]; %s };\n'
                         'o: { from = ["web"]; http-path = "/hc/{+tu}"; %s };' % (DEVICES, DEVICES), sections=credentials, web="")
    pair = WebPair(proxy)
    assert pair.refused(fields=bearer("mallory")).status == 403
    assert pair.refused().status == 401
    assert pair.exchange(fields=bearer("alice"))[1].status == 200


@pytest.mark.covers("S-28")
def test_requests_of_two_names_are_never_joined(start, credentials):
    """The same at the same time by two: both are asked, and each gets his own answer."""
    proxy = start(routes='o: { from = ["web"]; http-path = "/hc/{+tu}"; %s };' % DEVICES, sections=credentials, web="")
    first = WebPair(proxy)
    second = WebPair(proxy, device=first.device)
    first.send(fields=bearer("alice"))
    one = first.device.recv()
    second.send(fields=bearer("mallory"))
    first.device.piggyback(one, payload=b"for alice")
    two = first.device.recv()
    first.device.piggyback(two, payload=b"for mallory")
    assert first.client.recv().body == b"for alice" and second.client.recv().body == b"for mallory"


@pytest.mark.covers("C8075-10-2")
def test_names_change_with_the_file(start, credentials, tmp_path):
    """On a connection that stays open: a new name counts, a withdrawn one no more."""
    proxy = start(routes='o: { from = ["web"]; http-path = "/hc/{+tu}"; identities = ["alice", "carol"]; %s };' % DEVICES,
                  sections=credentials, web="")
    pair = WebPair(proxy)
    carol = [("Authorization", "Bearer token-of-carol")]
    assert pair.exchange(fields=bearer("alice"))[1].status == 200
    assert pair.refused(fields=carol).status == 401
    (tmp_path / "credentials").write_text("bearer carol %s\n" % digest("token-of-carol"))
    reload(proxy, "routes:", "routes: ", r"configuration in force \(generation 2\)")
    assert pair.refused(fields=bearer("alice")).status == 401
    assert pair.exchange(fields=carol)[1].status == 200
    # a file that cannot be understood changes nothing
    (tmp_path / "credentials").write_text("bearer carol\n")
    reload(proxy, "routes:", "routes: ", r"error: .*credentials:1: ")
    assert pair.exchange(fields=carol)[1].status == 200


@pytest.mark.covers("C8075-10-2")
def test_names_of_a_route_change_by_a_reload(start, credentials):
    """Also what is open to everybody may become so, and the other way, on a connection that stays open."""
    proxy = start(routes='o: { from = ["web"]; http-path = "/hc/{+tu}"; identities = ["alice"]; %s };' % DEVICES, sections=credentials,
                  web="")
    pair = WebPair(proxy)
    for generation, (old, new, statuses) in enumerate([
            ('identities = ["alice"];', 'identities = ["dash-*"];', (403, 200, 401)),
            ('identities = ["dash-*"];', 'authenticate = "none";', (200, 200, 200)),
            ('authenticate = "none";', "", (200, 200, 401)), ("forward-to = [\"coap://127", "forward-to = [\"coap://10", (404, 404, 404))],
                                                      2):
        reload(proxy, old, new, r"configuration in force \(generation %d\)" % generation)
        for who, status in zip(("alice", "dash-1", None), statuses):
            if status == 200:
                assert pair.exchange(fields=bearer(who))[1].status == 200, (new, who)
            else:
                assert pair.refused(fields=bearer(who)).status == status, (new, who)


# ---- names of TLS ----

@pytest.fixture(scope="module")
def files(tmp_path_factory):
    made = Files(tmp_path_factory.mktemp("made"))
    made.make("both", "not this", "ca", "subjectAltName=DNS:pump.example,URI:urn:pump:7")
    made.make("dns", "not this", "ca", "subjectAltName=DNS:pump.example,DNS:second.example")
    return made


SECURE = 'certificate = "%s"; key = "%s"; client-ca = "%s"; psk-file = "%s";'


def secure(start, files, names, sections=""):
    routes = 'r: { from = ["web"]; http-path = "/hc/{+tu}"; identities = [%s]; access-log = "text"; %s };' % (names, DEVICES)
    return start(routes=routes, sections=sections, web=SECURE % (files.gw_pem, files.gw_key, files.ca_pem, files.psk), secure=True)


@pytest.mark.covers("C8075-10-1", "C8075-10-2", "C8075-10.4-2")
@pytest.mark.parametrize("shown,name", [("meter", "meter 7"), ("dns", "pump.example"), ("both", "urn:pump:7"), (None, None)])
def test_name_of_a_certificate(start, files, shown, name):
    """The first URI, else the first DNS name, else the CN; nothing else of it counts."""
    proxy = secure(start, files, '"meter 7", "pump.example", "urn:pump:7"')
    pair = WebPair(proxy, tls=client_context(files, shown=shown))
    if name is None:
        assert pair.refused().status == 401
        return
    assert pair.exchange(answer_payload=b"1")[1].body == b"1"
    assert " name=%s " % name.replace(" ", "\\x20") in proxy.explain()
    others = secure(start, files, '"not this", "second.example", "meter", "urn:*"' if shown != "both" else '"not this", "pump.example"')
    assert WebPair(others, tls=client_context(files, shown=shown)).refused().status == 403


@pytest.mark.covers("C8075-10-2")
def test_wrong_password_is_not_made_good_by_a_certificate(start, files, credentials):
    """Who shows a secret is who it says; a right one counts before the certificate."""
    proxy = secure(start, files, '"meter 7", "alice"', credentials)
    pair = WebPair(proxy, tls=client_context(files, shown="meter"))
    assert pair.refused(fields=[("Authorization", "Bearer wrong")]).status == 401
    assert pair.refused(fields=bearer("mallory")).status == 403
    assert pair.exchange(fields=bearer("alice"))[1].status == 200
    assert " name=alice " in proxy.explain()


def test_certificate_of_another_authority_names_nobody(start, files):
    """By TLS 1.2 the handshake ends: a certificate that does not hold is no certificate that is missing."""
    proxy = secure(start, files, '"stranger"')
    with pytest.raises((ssl.SSLError, ConnectionError)):
        proxy.http_client(tls=client_context(files, ssl.TLSVersion.TLSv1_2, "stranger"))
    assert WebPair(proxy, tls=client_context(files)).refused().status == 401


@pytest.mark.covers("C8075-10-1", "C8075-10-2")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("names,status", [('"meter-1"', 404), ('"meter-2"', 403)])
def test_name_of_a_shared_key(start, files, version, names, status):
    """404 is the device's."""
    proxy = secure(start, files, names)
    device = proxy.device()
    client = ["openssl", "s_client", "-connect", "%s:%d" % proxy.web_address, version, "-psk_identity", "meter-1", "-psk",
              "000102030405060708090a0b0c0d0e0f",
              "-quiet", "-no_ign_eof"]
    with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as s:
        s.stdin.write(b"GET /hc/%s/p HTTP/1.1\r\nHost: gw.example\r\n\r\n" % device.url.encode())
        s.stdin.flush()
        if status == 404:
            device.piggyback(device.recv(3), coap.code("4.04"))
        assert s.stdout.readline().startswith(b"HTTP/1.1 %d " % status)
        s.kill()
    device.quiet()


# ---- PROXY protocol ----

FRONT = 'proxy-protocol = true; trusted-proxies = ["127.0.0.1/32"];'
INSIDE = """r: { %s http-path = "/hc/{+tu}"; clients = ["10.9.0.0/16", "fd00:9::/32"]; access-log = "text";
  forward-to = ["coap://127.0.0.0/8:*"]; };""" % ANYBODY


def asked(proxy, prefix, **kw):
    """The status of a request behind that header; None if there is no answer."""
    pair = WebPair(proxy, prefix=prefix, **kw)
    try:
        pair.send()
        came = pair.device.pending()
        return (pair.answer(came[0]) if came else pair.client.recv()).status
    except (EOFError, ConnectionError):
        return None


@pytest.mark.covers("C8075-10-2")
def test_header_of_a_trusted_proxy(start):
    proxy = start(routes=INSIDE, web=FRONT)
    assert asked(proxy, proxy_header("10.9.1.1", 4711)) == 200
    assert " client=10.9.1.1:4711 " in proxy.explain()
    assert asked(proxy, proxy_header("fd00:9::1", 4711, family=0x21, target="fd00::1")) == 200
    assert asked(proxy, proxy_header("10.9.1.1", 4711, more=b"\x03\x00\x04abcd")) == 200, "what follows the addresses is of no matter"
    assert asked(proxy, proxy_header("10.8.1.1", 4711)) == 404
    # LOCAL, and families that are none of ours: the proxy asks for itself
    assert asked(proxy, proxy_header("10.9.1.1", 4711, command=0)) == 404
    assert asked(proxy, PROXY_SIGNATURE + b"\x20\x00\x00\x00") == 404
    assert asked(proxy, PROXY_SIGNATURE + b"\x21\x00\x00\x00") == 404


@pytest.mark.covers("C8075-10-3")
@pytest.mark.parametrize("prefix", [b"", b"PROXY TCP4 10.9.1.1 10.9.9.9 4711 443\r\n", PROXY_SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
                                    PROXY_SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12), PROXY_SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
                                    PROXY_SIGNATURE + b"\x21\x11\xff\xff" + bytes(600), PROXY_SIGNATURE[:-1] + b"\x0b",
                                    b"\x0d" + b"\0" * 40])
def test_header_that_is_none_ends_the_connection(start, prefix):
    proxy = start(routes=INSIDE, web=FRONT)
    assert asked(proxy, prefix) in (None, 400)
    assert proxy.counters()["http_bad_requests"] > 0
    assert asked(proxy, proxy_header("10.9.1.1", 1)) == 200


@pytest.mark.covers("C8075-10-2")
def test_header_of_somebody_else_is_not_believed(start):
    """Nobody else may come to where everybody is named by another."""
    proxy = start(routes=INSIDE.replace('"10.9.0.0/16"', '"10.9.0.0/16", "127.0.0.7"'), web=FRONT)
    assert asked(proxy, proxy_header("10.9.1.1", 4711), host="127.0.0.7") is None
    assert asked(proxy, b"", host="127.0.0.7") is None
    assert proxy.counters()["http_connections_refused"] == 2


@pytest.mark.covers("C8075-10-2")
def test_header_and_fields_of_a_chain(start):
    """The balancer is named by the header; what it says in turn counts only if it is trusted itself."""
    proxy = start(routes=INSIDE, web=FRONT.replace('"127.0.0.1/32"', '"127.0.0.1/32", "10.7.0.0/16"'))
    for balancer, status in (("10.7.0.1", 200), ("10.6.0.1", 404)):
        pair = WebPair(proxy, prefix=proxy_header(balancer, 9))
        pair.send(fields=[("X-Forwarded-For", "10.9.1.1")])
        came = pair.device.pending()
        assert (pair.answer(came[0]) if came else pair.client.recv()).status == status


def test_header_in_front_of_tls(start, files):
    """It comes before the handshake, in the clear."""
    routes = 'r: { from = ["web"]; http-path = "/hc/{+tu}"; identities = ["meter 7"]; clients = ["10.9.0.0/16"]; %s };' % DEVICES
    proxy = start(routes=routes, web=FRONT + SECURE % (files.gw_pem, files.gw_key, files.ca_pem, files.psk), secure=True)
    pair = WebPair(proxy, prefix=proxy_header("10.9.1.1", 4711), tls=client_context(files, shown="meter"))
    assert pair.exchange()[1].status == 200
