"""CoAP over TLS (RFC 8323 8.2, 9): who is let in, by what name, and whom the gateway believes to be an origin."""

import ssl
import subprocess

import pytest

import coap
from coap import POST, Message
from coap_stream import ABORT, CSM, PING, PONG, RELEASE, Origin, connect
from harness import Proxy, ask, fresh_address, free_port, free_tcp_port
from test_https import Files

ROUTES = """
  mine: { from = ["tls"]; hosts = ["a.example"]; identities = ["meter 7"]; to = ["coap://%(device)s:5683"]; %(allow)s };
  open: { from = ["tls"]; hosts = ["b.example"]; to = ["coap://%(device)s:5683"]; %(allow)s };
  fwd: { from = ["coap", "tls"]; forward-to = ["coaps+tcp://*:*", "coap://127.0.0.0/8:*"]; %(allow)s };
"""
ALLOW = 'allow-networks = ["127.0.0.0/8"];'


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    f = Files(tmp_path_factory.mktemp("made"))
    f.make("device", "device", "ca", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    f.make("elsewhere", "elsewhere", "ca", "subjectAltName=DNS:elsewhere.example")
    return f


def begin(directory, files):
    port = free_port()
    secure = free_tcp_port()
    device = fresh_address()
    listeners = ('coap: { url = "coap://127.0.0.1:%d"; }; tls: { url = "coaps+tcp://127.0.0.1:%d"; certificate = "%s"; key = "%s"; '
                 'client-ca = "%s"; };' % (port, secure, files.gw_pem, files.gw_key, files.ca_pem))
    p = Proxy(directory, routes=ROUTES % {"device": device, "allow": ALLOW}, listeners=listeners, port=port,
              sections='upstream: { ca = "%s"; };' % files.ca_pem)
    p.secure, p.device_host = ("127.0.0.1", secure), device
    return p


def context(files, shown=None, alpn=("coap",)):
    c = ssl.create_default_context(cafile=str(files.ca_pem))
    c.check_hostname = False
    if alpn:
        c.set_alpn_protocols(list(alpn))
    if shown:
        c.load_cert_chain(files.folder / (shown + ".pem"), files.folder / (shown + ".key"))
    return c


def server(files, name="device", alpn=("coap",)):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(files.folder / (name + ".pem"), files.folder / (name + ".key"))
    if alpn:
        c.set_alpn_protocols(list(alpn))
    return c


def client(gw, files, name="a.example", **kw):
    return connect(gw, gw.secure, tls=context(files, **kw), name=name)


@pytest.mark.covers("C8323-9-1", "C8323-8.2-1")
def test_a_client_is_let_in(gw, files):
    c, device = client(gw, files), gw.device()
    assert c.socket.selected_alpn_protocol() == "coap"
    for size in (0, 10, 1000):
        c.send(ask(device, POST, payload=b"x" * size))
        up = device.recv()
        device.piggyback(up, coap.CHANGED, payload=up.payload)
        assert c.recv().payload == b"x" * size
    c.signal(PING)
    assert c.recv_signal(PONG)
    c.signal(RELEASE)
    assert c.is_closed()


@pytest.mark.covers("C8323-8.2-1")
@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("h2", "coaps")])
def test_who_does_not_name_the_protocol_is_not(gw, files, alpn):
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        c = client(gw, files, alpn=alpn)
        c.recv_signal(CSM)


@pytest.mark.covers("C8323-8.5-1")
def test_names_of_hosts_and_clients_choose_routes(gw, files):
    """Uri-Host is the name that the client asked for in the handshake (RFC 8323 8.5); his own is that of his certificate."""
    device = gw.device(gw.device_host, 5683)
    unknown = coap.code("4.04")
    for shown, name, code in (("meter", "a.example", coap.CHANGED), (None, "a.example", unknown), (None, "b.example", coap.CHANGED),
                              ("meter", "c.example", unknown)):
        c = client(gw, files, shown=shown, name=name)
        c.send(Message(POST, options=[(coap.URI_PATH, "p")], payload=b"x"))
        if code == coap.CHANGED:
            device.piggyback(device.recv(), coap.CHANGED)
        assert c.recv().code == code, (shown, name)
        device.quiet()


def test_strangers_are_not_let_in(gw, files):
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        c = client(gw, files, shown="stranger")
        c.recv_signal(CSM)


def test_an_origin_is_asked(gw, files):
    c, origin = gw.client(), Origin(gw, "127.0.0.1", tls=server(files))
    sent = c.send(ask(origin, POST, payload=b"x" * 300))
    link = origin.accept()
    assert link.socket.selected_alpn_protocol() == "coap"
    up = link.recv()
    assert up.payload == b"x" * 300
    link.answer(up, coap.CHANGED, payload=b"y" * 700)
    down = c.recv()
    assert (down.code, down.token, down.payload) == (coap.CHANGED, sent.token, b"y" * 700)


@pytest.mark.parametrize("name, alpn", [("elsewhere", ("coap",)), ("stranger", ("coap",)), ("device", ())])
def test_an_origin_that_is_not_believed(gw, files, name, alpn):
    c, origin = gw.client(), Origin(gw, "127.0.0.1", tls=server(files, name, alpn))
    c.send(ask(origin))
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError, OSError)):
        origin.accept().recv()
    assert c.recv().code == coap.code("5.02")


def test_openssl_agrees(gw, files):
    with subprocess.Popen(["openssl", "s_client", "-connect", "%s:%d" % gw.secure, "-alpn", "coap", "-CAfile", str(files.ca_pem), "-brief",
                           "-servername", "gw.example", "-verify_return_error"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as said:
        said.stdin.write(b"\x00\xe1")
        said.stdin.flush()
        assert said.stdout.read(2)[1] == CSM  # ours, of less than 13 bytes
        said.stdin.close()
        assert b"Verification: OK" in said.stderr.read()


# ---- a new configuration ----


def reload(gw):
    before = gw.explain().count("in force")
    gw.process.send_signal(1)
    for _ in range(200):
        gw.advance(20)
        if gw.explain().count("in force") > before:
            break
    gw.settle()


def by_key(gw):
    """A client of a key, by OpenSSL's program."""
    return subprocess.Popen(["openssl", "s_client", "-quiet", "-tls1_2", "-alpn", "coap", "-connect", "%s:%d" % gw.keyed, "-psk_identity", "meter-1",
                             "-psk", "000102030405060708090a0b0c0d0e0f"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def hears(process):
    return process.stdout.read(1) != b""


def test_who_is_no_longer_let_in_has_to_go(tmp_path, tmp_path_factory):
    """Whose authority or key a reload has withdrawn is sent away; others stay, and so do those whom nobody vouches for."""
    f = Files(tmp_path_factory.mktemp("own"))
    (f.folder / "known").write_bytes(f.ca_pem.read_bytes())
    port, secure, keyed = free_port(), free_tcp_port(), free_tcp_port()
    gw = Proxy(tmp_path, port=port, listeners=(
        'coap: { url = "coap://127.0.0.1:%d"; }; tls: { url = "coaps+tcp://127.0.0.1:%d"; certificate = "%s"; key = "%s"; client-ca = "%s"; }; '
        'psk: { url = "coaps+tcp://127.0.0.1:%d"; psk-file = "%s"; };' % (port, secure, f.gw_pem, f.gw_key, f.folder / "known", keyed, f.psk)))
    gw.secure, gw.keyed = ("127.0.0.1", secure), ("127.0.0.1", keyed)
    named, nobody, key = client(gw, f, shown="meter"), client(gw, f), by_key(gw)
    named.recv_signal(CSM), nobody.recv_signal(CSM)
    assert hears(key)  # our CSM
    reload(gw)  # nothing has changed
    for c in (named, nobody):
        c.signal(PING)
        assert c.recv_signal(PONG)
    assert key.poll() is None
    (f.folder / "known").write_bytes((f.folder / "stranger.pem").read_bytes())
    f.psk.write_text("meter-1:0f0e0d0c0b0a09080706050403020100\n")
    reload(gw)
    assert named.recv_signal(ABORT).payload and named.is_closed()
    key.stdin.close()
    assert key.wait(5) is not None and not hears(by_key(gw))
    nobody.signal(PING)
    assert nobody.recv_signal(PONG)
    gw.stop(drained=False)
