"""Faults of peers over TCP, TLS and DTLS: who ends in every state, comes in halves, is slow, shows what has expired, has a small path, or
is switched off in between. What was begun is answered or forgotten, and others are served as before.
"""

import socket
import ssl

import pytest

import coap
from coap import GET, POST, PUT, Message
from coap_stream import CSM, MAX_MESSAGE_SIZE, OUR_CSM, PING, RELEASE, Origin, connect, frame
from harness import Proxy, ask, fresh_address, free_port, free_tcp_port
from secured import SecureClient, SecureDevice, dtls
from test_https import Files, openssl

KEYS = {"one": bytes(range(16)), "two": bytes(range(16, 32))}
OURS = {"gw": bytes(range(64, 80))}
FAILED = (coap.code("5.02"), coap.code("5.03"), coap.code("5.04"))
OUR_FIRST = frame(Message(CSM, options=OUR_CSM, token=b""))
SMALL_MTU, HEADERS = 576, 28  # of IPv4 and UDP
SECOND = 1000

ROUTES = """
  fwd: { from = ["coap", "tcp", "tls", "dtls"]; allow-networks = ["127.0.0.0/8"]; origin-identity = "gw";
         forward-to = ["coap://127.0.0.0/8:*", "coaps://127.0.0.0/8:*", "coap+tcp://127.0.0.0/8:*", "coaps+tcp://127.0.0.0/8:*"]; };
  cert: { from = ["coap"]; hosts = ["certified.example"]; to = ["coaps://%(certified)s:5684"]; };
"""


class Expiring(Files):
    def make_expired(self, name, extensions):
        """A certificate of the authority that was good until yesterday."""
        at = self.folder / name
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", "/CN=" + name,
                "-keyout", at.with_suffix(".key"), "-out", at.with_suffix(".csr"))
        (self.folder / "extensions").write_text(extensions)
        openssl("x509", "-req", "-in", at.with_suffix(".csr"), "-CA", self.ca_pem, "-CAkey", self.ca_key, "-days", "-1",
                "-extfile", self.folder / "extensions", "-out", at.with_suffix(".pem"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    f = Expiring(tmp_path_factory.mktemp("made"))
    f.make("device", "device", "ca", "subjectAltName=IP:127.0.0.1")
    f.make_expired("expired", "subjectAltName=IP:127.0.0.1")
    f.share("keys", KEYS)
    f.share("ours", OURS)
    return f


def begin(directory, files, sections=""):
    port, secure, tcp, tls = free_port(), free_port(), free_tcp_port(), free_tcp_port()
    secured = 'certificate = "%s"; key = "%s"; client-ca = "%s";' % (files.gw_pem, files.gw_key, files.ca_pem)
    certified = fresh_address()
    listeners = ('coap: { url = "coap://127.0.0.1:%d"; }; tcp: { url = "coap+tcp://127.0.0.1:%d"; };'
                 'tls: { url = "coaps+tcp://127.0.0.1:%d"; %s }; dtls: { url = "coaps://127.0.0.1:%d"; psk-file = "%s"; %s };' %
                 (port, tcp, tls, secured, secure, files.keys, secured))
    p = Proxy(directory, routes=ROUTES % {"certified": certified}, listeners=listeners, port=port,
              sections='upstream: { ca = "%s"; psk-file = "%s"; };\n%s' % (files.ca_pem, files.ours, sections))
    p.tcp, p.tls, p.dtls, p.certified = ("127.0.0.1", tcp), ("127.0.0.1", tls), ("127.0.0.1", secure), certified
    return p


def raw(origin, **kw):
    message = ask(origin, **kw)
    message.token = coap.token()
    return frame(message)


def is_served(gw, device=None):
    """Another client over TCP is answered."""
    c, device = connect(gw, gw.tcp), device or gw.device()
    c.send(ask(device))
    device.answer(device.recv(), payload=b"as before")
    assert c.recv().payload == b"as before"
    c.close()


def client_tls(files, name=None):
    c = ssl.create_default_context(cafile=str(files.ca_pem))
    c.check_hostname = False
    c.set_alpn_protocols(["coap"])
    if name:
        c.load_cert_chain(files.folder / (name + ".pem"), files.folder / (name + ".key"))
    return c


def server_tls(files, name):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(files.folder / (name + ".pem"), files.folder / (name + ".key"))
    c.set_alpn_protocols(["coap"])
    return c


# ---- clients that end ----


@pytest.mark.covers("C8323-3.4-2")
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_ends_in_every_state(gw, how):
    """Behind each byte of what it says, from nothing to a whole request; an answer that is under way then is nobody's."""
    device = gw.device()
    said = OUR_FIRST + raw(device)
    for count in range(len(said) + 1):
        c = connect(gw, gw.tcp, csm=None)
        c.send_raw(said[:count])
        if count == len(said):
            up = device.recv()
        getattr(c, how)()
    device.answer(up, payload=b"too late")
    gw.settle()
    assert gw.state()["exchanges"] == 0
    is_served(gw, device)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_ends_amid_an_observation_and_behind_its_release(gw, how):
    device = gw.device()
    for parting in (None, RELEASE, PING):
        c = connect(gw, gw.tcp)
        c.send(ask(device, options=[(coap.OBSERVE, b"")]))
        up = device.recv()
        device.answer(up, options=[(coap.OBSERVE, 1)], payload=b"first")
        c.recv()
        if parting is not None:
            c.signal(parting)
        getattr(c, how)()
        gw.settle()
        device.separate(up, options=[(coap.OBSERVE, 2)], payload=b"second")
        assert any(m.type == coap.RST or m.has(coap.OBSERVE) for m in device.pending())
    is_served(gw)


def test_a_client_ends_amid_the_handshake_of_tls(gw, files):
    """Behind each of its flights, in halves and whole."""
    for flights in range(3):
        for half in (False, True):
            plain = socket.create_connection(gw.tls, 3)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = client_tls(files).wrap_bio(incoming, outgoing, server_hostname="gw.example")
            for n in range(flights + 1):
                try:
                    tls.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                flight = outgoing.read()
                plain.sendall(flight[: len(flight) // 2] if half and n == flights else flight)
                if n < flights:
                    gw.settle()
                    plain.settimeout(0.3)
                    try:
                        incoming.write(plain.recv(65536))
                    except TimeoutError:
                        break  # it has said its last word
            plain.close()
    gw.settle()
    is_served(gw)


def test_who_stops_amid_a_handshake_of_tls_is_let_go(gw):
    plain = socket.create_connection(gw.tls, 3)
    plain.sendall(b"\x16\x03\x01\x02\x00\x01")
    gw.settle()
    gw.advance(11 * SECOND)
    plain.settimeout(3)
    try:
        assert plain.recv(100)[:1] in (b"", b"\x15")
    except ConnectionResetError:
        pass
    plain.close()


# ---- halves, and slowness ----


def test_half_a_message_waits_no_longer_than_an_idle_connection(gw):
    device = gw.device()
    c = connect(gw, gw.tcp)
    assert c.recv_signal(CSM)
    message = raw(device)
    c.send_raw(message[:-3])
    gw.advance(3500 * SECOND)
    assert not c.is_closed(0)
    c.socket.setblocking(True)
    gw.advance(200 * SECOND)
    assert c.is_closed()
    device.quiet()


@pytest.mark.covers("C8323-3.2-1")
def test_a_byte_a_second(gw):
    device = gw.device()
    c = connect(gw, gw.tcp, csm=None)
    for n, byte in enumerate(raw(device, payload=b"slow" * 10)):
        if n == 0:
            c.send_raw(OUR_FIRST)
        c.send_raw(bytes([byte]))
        gw.advance(SECOND)
    device.answer(device.recv(), payload=b"at last")
    assert c.recv().payload == b"at last"


def test_a_slow_origin_does_not_hold_others_up(gw):
    """It takes the connection and says nothing; meanwhile clients are served, and the one who asked it is told in the end."""
    slow, c = Origin(gw, fresh_address(), csm=None), connect(gw, gw.tcp)
    c.send(ask(slow))
    slow.accept()
    for _ in range(3):
        is_served(gw)
        gw.advance(SECOND)
    gw.advance(120 * SECOND)
    assert c.recv().code in FAILED


# ---- origins that end ----


SAID = {"nothing": b"", "half a CSM": OUR_FIRST[:1], "CSM": OUR_FIRST, "Ping": OUR_FIRST + frame(Message(PING, token=b"p")),
        "half an answer": OUR_FIRST + b"\x51"}


@pytest.mark.covers("C8323-3.4-2")
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_an_origin_ends_in_every_state(gw, said, how):
    """The one who asks is told, the next one asks over a new connection."""
    c, origin = connect(gw, gw.tcp), Origin(gw, fresh_address(), csm=None)
    c.send(ask(origin, POST))
    link = origin.accept()
    if said:
        link.send_raw(said)
    gw.settle()
    getattr(link, how)()
    assert c.recv().code in FAILED
    origin.csm = OUR_CSM
    gw.advance(30 * SECOND)
    c.send(ask(origin, POST))
    link = origin.accept()
    link.answer(link.recv(), coap.CHANGED)
    assert c.recv().code == coap.CHANGED


def test_an_origin_ends_behind_half_an_answer_and_a_whole_one(gw):
    """What is whole counts."""
    one, two, origin = connect(gw, gw.tcp), connect(gw, gw.tcp), Origin(gw, fresh_address())
    sent = [c.send(ask(origin, POST, payload=payload)) for c, payload in ((one, b"1"), (two, b"2"))]
    link = origin.accept()
    asked = [link.recv(), link.recv()]
    answers = [frame(Message(coap.CHANGED, token=m.token, payload=b"done " + m.payload)) for m in asked]
    link.send_raw(answers[0] + answers[1][:-4])
    gw.settle()
    link.reset()
    got = {m.payload: m for m in (one.recv(), two.recv())}
    whole = asked[0].payload
    assert got[b"done " + whole].token in {s.token for s in sent}
    assert sum(m.code in FAILED for m in got.values()) == 1


# ---- what has expired, and what is wrong ----


def test_expired_certificates_of_clients(gw, files):
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        connect(gw, gw.tls, tls=client_tls(files, "expired"), name="gw.example").recv_signal(CSM)
    expired = dtls.Context(certificate=files.expired_pem, key=files.expired_key)
    assert SecureClient(gw, expired, to=gw.dtls).is_refused()
    assert connect(gw, gw.tls, tls=client_tls(files, "meter"), name="gw.example").recv_signal(CSM)
    good = dtls.Context(certificate=files.meter_pem, key=files.meter_key)
    assert SecureClient(gw, good, to=gw.dtls).connect().session.open


@pytest.mark.parametrize("name", ["expired", "stranger"])
def test_origins_with_certificates_that_are_not_good(gw, files, name):
    c, origin = gw.client(), Origin(gw, "127.0.0.1", tls=server_tls(files, name))
    c.send(ask(origin))
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError, OSError)):
        origin.accept().recv()
    assert c.recv().code == coap.code("5.02")
    context = dtls.Context(certificate=files.folder / (name + ".pem"), key=files.folder / (name + ".key"))
    device = SecureDevice(gw, context, gw.certified, 5684)
    c.send(Message(GET, options=[(coap.URI_HOST, "certified.example"), (coap.URI_PATH, "p")]))
    device.settle()
    gw.advance(40 * SECOND)
    assert c.recv().code in (*FAILED, 0)
    assert not device.inbox


def test_a_wrong_key_does_not_disturb_the_session_of_its_name(gw):
    """Somebody else knows the name alone: his handshake fails, and the session of whom it belongs to goes on."""
    device, good = gw.device(), SecureClient(gw, dtls.Context({"one": KEYS["one"]}), to=gw.dtls).connect()
    assert SecureClient(gw, dtls.Context({"one": KEYS["two"]}), to=gw.dtls).is_refused()
    good.send(ask(device))
    device.answer(device.recv(), payload=b"still here")
    assert good.recv().payload == b"still here"


# ---- DTLS: small paths, handshakes that stop, devices that are switched off ----


def test_a_handshake_over_a_path_of_576_bytes(tmp_path, files):
    p = begin(tmp_path, files, 'transports: { mtu = "%dB"; };' % SMALL_MTU)
    try:
        context = dtls.Context(certificate=files.meter_pem, key=files.meter_key, ca=files.ca_pem, verify=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((fresh_address(), 0))
            s.connect(p.dtls)
            session, sizes = dtls.Session(context, mtu=SMALL_MTU - HEADERS), []
            for _ in range(20):
                flight = session.take()
                assert all(len(d) <= SMALL_MTU - HEADERS for d in flight)
                for datagram in flight:
                    s.send(datagram)
                p.settle()
                s.settimeout(0.05)
                try:
                    while True:
                        datagram = s.recv(65536)
                        sizes.append(len(datagram))
                        session.feed(datagram)
                except TimeoutError:
                    pass
                if session.open:
                    break
            assert session.open and max(sizes) <= SMALL_MTU - HEADERS and sum(sizes) > SMALL_MTU
    finally:
        p.stop()


def test_handshakes_that_stop_leave_nothing(gw):
    """Behind each flight of the client; the same address may begin again at once, and is served."""
    device = gw.device()
    c = SecureClient(gw, dtls.Context({"two": KEYS["two"]}), to=gw.dtls)
    for flights in range(1, 3):
        session = dtls.Session(c.context)
        for _ in range(flights):
            for datagram in session.take():
                c.socket.sendto(datagram, c.to)
            gw.settle()
            session.feed(c.socket.recvfrom(65536)[0])
    gw.advance(40 * SECOND)
    while c.pump():
        pass
    c.inbox.clear()  # flights that were sent again
    c.connect()
    c.send(ask(device))
    device.answer(device.recv(), payload=b"the third time")
    assert c.recv().payload == b"the third time"


def test_a_device_is_switched_off_amid_an_upload(gw):
    """It begins anew in a new session from the same address: blocks of before and after are not put together."""
    device = gw.device()
    c = SecureClient(gw, dtls.Context({"one": KEYS["one"]}), to=gw.dtls).connect()
    block = [(coap.BLOCK1, coap.block(0, True, 2))]
    c.send(ask(device, PUT, options=block, payload=b"a" * 64))
    first = device.recv()
    device.answer(first, coap.CONTINUE, block)
    c.recv()
    c.connect()
    c.send(ask(device, PUT, options=block, payload=b"b" * 64))
    second = device.recv()
    assert second.payload == b"b" * 64
    device.answer(second, coap.CONTINUE, block)
    assert c.recv().code == coap.CONTINUE
    assert second.source != first.source


@pytest.mark.covers("C7252-9.1-1")
def test_an_origin_is_switched_off_between_requests(gw):
    """It knows nothing of the session any more: what it is sent there goes unanswered, and after that it is met anew."""
    c, device = gw.client(), SecureDevice(gw, dtls.Context(OURS))
    c.send(ask(device))
    device.answer(device.recv(), payload=b"before")
    assert c.recv().payload == b"before"
    device.sessions.clear()
    c.send(ask(device))
    for _ in range(60):
        gw.advance(5 * SECOND)
        device.settle()
        device.sessions = {address: session for address, session in device.sessions.items() if session.open}
    assert any(m.code in FAILED for m in c.pending())
    device.sessions.clear()
    c.send(ask(device))
    device.answer(device.recv(), payload=b"after")
    answers = [m for m in [c.recv(), *c.pending()] if m.code]
    assert answers[-1].payload == b"after"


# ---- origins that change their minds ----


def takes_upload(link, large):
    """The origin takes an upload of `large` bytes; returns the sizes of the blocks that it came in."""
    sizes = []
    while sum(sizes) < large:
        up = link.recv()
        num, more, szx = coap.block_parts(up.first(coap.BLOCK1))
        assert num * (1024 if szx == 7 else 16 << szx) == sum(sizes)
        sizes.append(len(up.payload))
        assert more == (sum(sizes) < large)
        link.answer(up, coap.CONTINUE if more else coap.CHANGED, [(coap.BLOCK1, up.first(coap.BLOCK1))])
    return sizes


@pytest.mark.covers("C8323-5.3.2-1", "C8323-5.3-1", "C8323-6-2")
def test_an_origin_takes_large_blocks_and_takes_them_no_longer(gw):
    """BERT is what block-wise transfer and more than 1152 bytes mean together; a later CSM withdraws it. A block that is under way then is
    refused, as being too large now."""
    c, origin, large = connect(gw, gw.tcp), Origin(gw, fresh_address()), 4096
    upload = [(coap.BLOCK1, coap.block(0, False, 7))]
    c.send(ask(origin))
    link = origin.accept()
    link.answer(link.recv())
    c.recv()
    c.send(ask(origin, PUT, upload, b"u" * large, path="one"))
    assert takes_upload(link, large) == [large]
    assert c.recv().code == coap.CHANGED
    link.signal(CSM, [(MAX_MESSAGE_SIZE, 1152)])
    c.send(ask(origin, PUT, upload, b"u" * large, path="two"))
    refused = c.recv()
    assert refused.code == coap.code("4.13") and refused.uint(coap.SIZE1) <= 1152
    link.quiet()
    c.send(ask(origin, PUT, upload, b"u" * large, path="three"))
    assert max(takes_upload(link, large)) <= 1024
    assert c.recv().code == coap.CHANGED
