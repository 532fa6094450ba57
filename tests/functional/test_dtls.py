"""CoAP over DTLS (RFC 7252 9): sessions of clients, by whom routes know them; sessions towards origins; what ends with a session."""

import signal
import subprocess
import time

import pytest

import coap
from coap import ACK, CON, GET, NON, POST, PUT, Message
from harness import Proxy, ask, fresh_address, free_port
from secured import SecureClient, SecureDevice, dtls
from test_https import Files

KEYS = {"meter-1": bytes(range(16)), "meter-2": bytes(range(16, 32)), "stranger": bytes(range(32, 48))}
OURS = {"gw": bytes(range(64, 80))}

ROUTES = """
  mine: { from = ["dtls"]; hosts = ["mine.example"]; identities = ["meter-1", "meter 7"]; to = ["coap://%(device)s:5683"]; };
  fwd: { from = ["coap", "dtls"]; forward-to = ["coap://127.0.0.0/8:*", "coaps://127.0.0.0/8:*", "coaps://localhost:*"]; allow-networks = ["127.0.0.0/8"];
         origin-identity = "%(identity)s"; };
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    f = Files(tmp_path_factory.mktemp("made"))
    f.make("device", "device", "ca", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    f.make("elsewhere", "elsewhere", "ca", "subjectAltName=DNS:elsewhere.example")
    f.share("keys", {name: key for name, key in KEYS.items() if name != "stranger"})
    f.share("ours", OURS)
    return f


def begin(directory, files, routes=ROUTES, identity="gw", sections="", listener=""):
    host, port, secure = "127.0.0.1", free_port(), free_port()
    device = fresh_address()
    listeners = ('coap: { url = "coap://%s:%d"; }; dtls: { url = "coaps://%s:%d"; psk-file = "%s"; certificate = "%s"; key = "%s"; client-ca = "%s"; %s };'
                 % (host, port, host, secure, files.keys, files.gw_pem, files.gw_key, files.ca_pem, listener))
    upstream = 'upstream: { ca = "%s"; psk-file = "%s"; };\n' % (files.ca_pem, files.ours)
    p = Proxy(directory, routes=routes % {"device": device, "identity": identity}, listeners=listeners, port=port, sections=upstream + sections)
    p.secure, p.device_host = (host, secure), device
    return p


def meter(gw, name="meter-1", key=None, **kw):
    return SecureClient(gw, dtls.Context({name: key or KEYS[name]}), to=gw.secure, **kw).connect()


# ---- clients ----


@pytest.mark.parametrize("type_", [CON, NON])
def test_a_client_with_a_key(gw, type_):
    c, device = meter(gw), gw.device()
    for size in (0, 1, 500, 1024):
        sent = c.send(ask(device, PUT, payload=b"x" * size, type=type_))
        up = device.recv()
        assert (up.code, up.payload) == (PUT, b"x" * size)
        device.answer(up, coap.CHANGED, payload=b"y" * size)
        down = c.recv()
        assert (down.token, down.code, down.payload) == (sent.token, coap.CHANGED, b"y" * size)
        if type_ == CON:
            assert (down.type, down.mid) == (ACK, sent.mid)


def test_a_client_with_a_certificate(gw, files):
    context = dtls.Context(certificate=files.meter_pem, key=files.meter_key, ca=files.ca_pem, verify=True)
    c, device = SecureClient(gw, context, to=gw.secure).connect(), gw.device(gw.device_host, 5683)
    c.send(Message(GET, options=[(coap.URI_HOST, "mine.example"), (coap.URI_PATH, "p")]))
    device.answer(device.recv(), payload=b"yours")
    assert c.recv().payload == b"yours"


def test_who_is_not_known_has_no_session(gw, files):
    for context in (dtls.Context({"meter-1": KEYS["meter-2"]}), dtls.Context({"stranger": KEYS["stranger"]})):
        assert SecureClient(gw, context, to=gw.secure).is_refused()
    stranger = dtls.Context(certificate=files.stranger_pem, key=files.stranger_key)
    assert SecureClient(gw, stranger, to=gw.secure).is_refused()


@pytest.mark.covers("C7252-9-3")
def test_who_may_ask_is_decided_here(gw):
    """The device behind would not know who asks: it gets what this gateway lets through, from this gateway."""
    one, two, device = meter(gw, "meter-1"), meter(gw, "meter-2"), gw.device(gw.device_host, 5683)
    request = [(coap.URI_HOST, "mine.example"), (coap.URI_PATH, "p")]
    two.send(Message(GET, options=request))
    assert two.recv().code in (coap.code("4.03"), coap.code("4.04"))
    plain = gw.client()
    assert plain.ask(Message(GET, CON, options=request)).code in (coap.code("4.03"), coap.code("4.04"))
    device.quiet()
    one.send(Message(GET, options=request))
    device.answer(device.recv(), payload=b"for meter-1")
    assert one.recv().payload == b"for meter-1"


def test_what_is_not_of_a_session_is_dropped(gw):
    c, device = meter(gw), gw.device()
    plain = gw.client(to=gw.secure)
    plain.send(ask(device))
    c.socket.sendto(ask(device, mid=1, token=b"t").encode(), gw.secure)
    c.socket.sendto(bytes([23, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 9, 0, 40]) + bytes(40), gw.secure)
    device.quiet()
    plain.quiet()
    c.quiet()
    c.send(ask(device))
    device.answer(device.recv(), payload=b"still")
    assert c.recv().payload == b"still"


def test_a_repeat_gets_the_same_answer(gw):
    c, device = meter(gw), gw.device()
    sent = c.send(ask(device, POST, payload=b"once"))
    device.answer(device.recv(), coap.CHANGED)
    first = c.recv()
    c.send(sent)
    again = c.recv()
    assert (again.mid, again.code, again.token) == (first.mid, first.code, first.token)
    device.quiet()


# ---- one session and the next ----


@pytest.mark.covers("C7252-9.1-1")
def test_a_message_id_of_another_session_is_another_message(gw):
    c, device = meter(gw), gw.device()
    sent = c.send(ask(device, POST, payload=b"1"))
    device.answer(device.recv(), coap.CHANGED, payload=b"1")
    assert c.recv().payload == b"1"
    c.connect()
    c.send(sent)  # the very same bytes
    device.answer(device.recv(), coap.CHANGED, payload=b"2")
    assert c.recv().payload == b"2"


@pytest.mark.covers("C7252-9.1-1")
def test_an_answer_stays_in_the_session_of_its_request(gw):
    c, device = meter(gw), gw.device()
    c.send(ask(device))
    up = device.recv()
    c.connect()
    device.answer(up, payload=b"late")
    c.quiet()
    gw.advance(60_000)
    c.quiet()
    c.send(ask(device))
    device.answer(device.recv(), payload=b"in time")
    assert c.recv().payload == b"in time"


@pytest.mark.covers("C7252-9.1-1")
def test_an_acknowledgement_of_another_session_acknowledges_nothing(gw):
    """A separate response of ours that is under way is not taken for delivered, and is not sent over into the new session either."""
    c, device = meter(gw), gw.device()
    sent = c.send(ask(device))
    up = device.recv()
    device.ack(up)
    gw.advance(2_000)
    assert c.recv().code == 0  # our Empty ACK
    device.separate(up, payload=b"separate")
    down = c.recv()
    assert (down.type, down.token) == (CON, sent.token)
    c.connect()
    c.ack(down)
    assert c.pending() == []
    gw.advance(120_000)
    assert c.pending() == []


@pytest.mark.covers("C7252-9.1-1", "C7641-7-2")
def test_a_rebooted_device_gets_no_notification_of_before(gw):
    c, device = meter(gw), gw.device()
    c.send(ask(device, options=[(coap.OBSERVE, b"")]))
    up = device.recv()
    device.answer(up, options=[(coap.OBSERVE, 1)], payload=b"first")
    assert c.recv().payload == b"first"
    c.connect()
    device.separate(up, options=[(coap.OBSERVE, 2)], payload=b"second", type=NON)
    gw.advance(5_000)
    assert c.pending() == []
    # the origin is told that nobody listens
    device.separate(up, options=[(coap.OBSERVE, 3)], payload=b"third", type=NON)
    told = [m for m in device.pending()]
    assert any(m.type == coap.RST or (m.code == GET and m.has(coap.OBSERVE)) for m in told), told


def test_a_client_that_says_goodbye_takes_its_observations_with_it(gw):
    c, device = meter(gw), gw.device()
    c.send(ask(device, options=[(coap.OBSERVE, b"")]))
    up = device.recv()
    device.answer(up, options=[(coap.OBSERVE, 1)], payload=b"first")
    c.recv()
    c.goodbye()
    c.settle()
    assert (gw.secure, "closed") in c.lost
    gw.advance(1_000)
    device.separate(up, options=[(coap.OBSERVE, 2)], payload=b"second", type=NON)
    told = device.pending()
    assert any(m.type == coap.RST or (m.code == GET and m.has(coap.OBSERVE)) for m in told), told


@pytest.mark.covers("C7959-7-1")
def test_a_plain_block_does_not_come_between_the_blocks_of_a_session(gw):
    """To the device both are endpoints of this gateway: so it must be two of them."""
    c, plain, device = meter(gw), gw.client(), gw.device()
    c.send(ask(device, PUT, options=[(coap.BLOCK1, coap.block(0, True, 2))], payload=b"a" * 64, token=b"t"))
    one = device.recv()
    device.answer(one, coap.CONTINUE, options=[(coap.BLOCK1, coap.block(0, True, 2))])
    assert c.recv().code == coap.CONTINUE
    plain.send(ask(device, PUT, options=[(coap.BLOCK1, coap.block(1, True, 2))], payload=b"b" * 64, token=b"t"))
    other = device.recv()
    assert other.payload == b"b" * 64 and other.source != one.source
    device.answer(other, coap.code("4.08"))
    assert plain.recv().code == coap.code("4.08")
    c.send(ask(device, PUT, options=[(coap.BLOCK1, coap.block(1, False, 2))], payload=b"c" * 10, token=b"u"))
    last = device.recv()
    assert last.payload == b"c" * 10 and last.source == one.source
    device.answer(last, coap.CHANGED, options=[(coap.BLOCK1, coap.block(1, False, 2))])
    assert c.recv().code == coap.CHANGED


# ---- origins ----


FAILED = [coap.code(text) for text in ("5.02", "5.03", "5.04")]


def answer_of(c):
    """What comes behind our Empty ACK, if there was one."""
    m = c.recv()
    return m if m.code else c.recv()


def secure_device(gw, **kw):
    return SecureDevice(gw, dtls.Context(OURS), **kw)


def test_an_origin_with_a_key(gw):
    c, device = gw.client(), secure_device(gw)
    for n in range(3):
        sent = c.send(ask(device, PUT, payload=b"%d" % n))
        up = device.recv()
        assert up.secured and (up.code, up.payload) == (PUT, b"%d" % n)
        device.answer(up, coap.CHANGED, payload=b"done")
        down = c.recv()
        assert (down.token, down.payload) == (sent.token, b"done")
    assert len(device.sessions) == 1


def test_from_a_session_to_a_session(gw):
    c, device = meter(gw), secure_device(gw)
    c.send(ask(device, options=[(coap.OBSERVE, b"")]))
    up = device.recv()
    device.answer(up, options=[(coap.OBSERVE, 5)], payload=b"one")
    assert c.recv().payload == b"one"
    device.separate(up, options=[(coap.OBSERVE, 6)], payload=b"two")
    device.settle()
    down = c.recv()
    assert down.payload == b"two" and down.has(coap.OBSERVE)


@pytest.mark.parametrize("name,host,good", [("device", None, False), ("device", "localhost", True), ("elsewhere", "localhost", False),
                                            ("stranger", "localhost", False)])
def test_an_origin_with_a_certificate_must_be_who_is_asked(own, files, name, host, good):
    gw = own(identity="")
    context = dtls.Context(certificate=files.folder / (name + ".pem"), key=files.folder / (name + ".key"))
    c, device = gw.client(), SecureDevice(gw, context, host="127.0.0.1" if host else None)
    c.send(ask(device, host=host))
    if good:
        device.answer(device.recv(), payload=b"hello")
        assert c.recv().payload == b"hello"
    else:
        device.settle()
        assert c.recv().code in (coap.code("5.02"), coap.code("5.03"))
        assert device.pending() == []


@pytest.mark.covers("C7252-9.1-1")
def test_a_plain_answer_to_a_request_in_a_session_is_nobodys(gw):
    c, device = gw.client(), secure_device(gw)
    c.send(ask(device))
    up = device.recv()
    forged = Message(coap.CONTENT, ACK, up.mid, up.token, payload=b"forged")
    device.socket.sendto(forged.encode(), up.source)
    assert c.pending() == []
    device.answer(up, payload=b"real")
    assert c.recv().payload == b"real"


def test_an_origin_with_a_wrong_key_gets_nothing(gw):
    c, device = gw.client(), SecureDevice(gw, dtls.Context({"gw": bytes(16)}))
    c.send(ask(device))
    device.settle()
    gw.advance(6_000)
    assert answer_of(c).code in FAILED
    assert device.pending() == []


def test_an_origin_that_is_silent_is_asked_again_and_given_up(gw):
    c, device = gw.client(), gw.device()
    c.send(ask(device, scheme="coaps"))
    gw.settle()
    hellos = []

    def come():
        device.socket.settimeout(0.05)
        try:
            while True:
                hellos.append(device.socket.recv(4096))
        except OSError:
            device.socket.settimeout(None)

    come()
    gw.advance(1_500)
    come()
    assert len(hellos) == 2 and all(h[0] == 22 for h in hellos)
    gw.advance(5_000)
    come()
    assert answer_of(c).code in FAILED


def test_a_session_that_the_origin_ends_is_opened_anew(gw):
    c, device = gw.client(), secure_device(gw)
    c.send(ask(device))
    up = device.recv()
    device.goodbye()
    device.settle()
    answer = c.recv()
    assert answer.code in (coap.code("5.02"), coap.code("5.04")), answer  # it may have been done
    device.sessions.clear()
    gw.advance(30_000)
    c.send(ask(device))
    device.answer(device.recv(), payload=b"again")
    assert c.recv().payload == b"again"
    assert up.secured


@pytest.mark.covers("C7641-7-2")
def test_an_observation_ends_with_the_session_of_its_origin(gw):
    c, device = gw.client(), secure_device(gw)
    sent = c.send(ask(device, options=[(coap.OBSERVE, b"")]))
    up = device.recv()
    device.answer(up, options=[(coap.OBSERVE, 1)], payload=b"first")
    assert c.recv().payload == b"first"
    device.goodbye()
    device.settle()
    last = c.recv()
    assert last.token == sent.token and last.code in FAILED and not last.has(coap.OBSERVE)
    if last.type == CON:
        c.ack(last)
    # in the next session the token is nobody's
    gw.advance(30_000)
    device.sessions.clear()
    c.send(ask(device))
    again = device.recv()
    device.answer(again, payload=b"again")
    assert c.recv().payload == b"again"
    device.send_raw(Message(coap.CONTENT, CON, 77, up.token, [(coap.OBSERVE, 2)], b"second").encode(), again.source)
    assert c.pending() == []
    assert [(m.type, m.mid) for m in device.pending()] == [(coap.RST, 77)]


# ---- taken up again ----


def openssl_client(gw, *arguments):
    """What `openssl s_client` says of a handshake."""
    with subprocess.Popen(["openssl", "s_client", "-dtls1_2", "-connect", "%s:%d" % gw.secure, "-psk_identity", "meter-1", "-psk",
                           KEYS["meter-1"].hex(), "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0", *map(str, arguments)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for _ in range(2000):
            if process.poll() is not None:
                break
            gw.settle()
            time.sleep(0.005)
        else:
            process.kill()
        return process.stdout.read()


def test_a_ticket_counts_in_every_worker(gw, tmp_path):
    """The kernel leads the client's ports to one worker or another."""
    assert "\nNew, " in openssl_client(gw, "-sess_out", tmp_path / "ticket")
    said = [openssl_client(gw, "-sess_in", tmp_path / "ticket") for _ in range(4)]
    assert all("\nReused, " in text for text in said), said[0]


# ---- the end, and a new configuration ----


def test_the_gateways_end_ends_its_sessions(own):
    gw = own()
    c, device, plain = meter(gw), secure_device(gw), gw.client()
    plain.send(ask(device))
    device.answer(device.recv())
    plain.recv()
    gw.process.send_signal(signal.SIGTERM)
    gw.process.wait(20)
    c.pump()
    device.pump()
    assert [reason for _, reason in c.lost] == ["closed"] and [reason for _, reason in device.lost] == ["closed"]


def test_a_withdrawn_key_ends_its_session(own, files):
    gw = own()
    one, two = meter(gw, "meter-1"), meter(gw, "meter-2")
    kept = files.keys.read_text()
    try:
        files.keys.write_text("meter-2:%s\n" % KEYS["meter-2"].hex())
        gw.process.send_signal(signal.SIGHUP)
        patience = time.monotonic() + 20
        while "in force" not in gw.explain() and time.monotonic() < patience:
            gw.settle()
            time.sleep(0.01)
        gw.advance(1_000)
        one.settle()
        two.settle()
        assert one.lost == [(gw.secure, "closed")] and two.lost == []
        assert SecureClient(gw, dtls.Context({"meter-1": KEYS["meter-1"]}), to=gw.secure).is_refused()
    finally:
        files.keys.write_text(kept)
