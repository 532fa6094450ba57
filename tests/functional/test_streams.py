"""CoAP over connections (RFC 8323): framing, capabilities, signals, and what ends a connection; from TCP and UDP to TCP and UDP."""

import socket

import pytest

import coap
from coap import CON, GET, NON, POST, PUT, Message
from coap_stream import (ABORT, ALTERNATIVE_ADDRESS, BAD_CSM_OPTION, BLOCK_WISE, CSM, CUSTODY, EXTENDED_TOKEN, HOLD_OFF, MAX_MESSAGE_SIZE,
                         PING,
                         PONG, RELEASE, Origin, connect, frame)
from harness import Proxy, ask, fresh_address, free_port

ROUTES = """
  fwd: { from = ["coap", "tcp"]; forward-to = ["coap://127.0.0.0/8:*", "coap+tcp://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };
"""


def free_ports():
    """One that is free for both."""
    for _ in range(50):
        port = free_port()
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise RuntimeError("no free port")


def begin(directory, sections="", listener="", routes=ROUTES, **kw):
    host, port = "127.0.0.1", free_ports()
    listeners = 'coap: { url = "coap://%s:%d"; }; tcp: { url = "coap+tcp://%s:%d"; %s };' % (host, port, host, port, listener)
    return Proxy(directory, routes=routes, listeners=listeners, port=port, sections=sections, **kw)


def client(gw, **kw):
    return connect(gw, gw.address, **kw)


def upstream(origin, link=None):
    """(connection, request): what an origin is asked next."""
    link = link or origin.accept()
    return link, link.recv()


# ---- messages ----


@pytest.mark.covers("C8323-3.2-1", "C8323-3.2-2", "C8323-3.3-3")
def test_from_a_connection_to_datagrams(gw):
    c, device = client(gw), gw.device()
    for size in (0, 1, 12, 13, 14, 255, 256, 268, 269, 270, 1000):
        sent = c.send(ask(device, PUT, payload=b"x" * size, token=b"t%d" % size))
        up = device.recv()
        assert up.payload == b"x" * size and up.type == CON and up.token != sent.token
        device.piggyback(up, coap.CHANGED, payload=b"y" * size)
        down = c.recv()
        assert (down.code, down.token, down.payload) == (coap.CHANGED, sent.token, b"y" * size)


@pytest.mark.covers("C8323-3.2-2")
@pytest.mark.parametrize("type_", [CON, NON])
def test_from_datagrams_to_a_connection(gw, type_):
    c, origin = gw.client(), Origin(gw, fresh_address())
    sent = c.send(ask(origin, type=type_))
    link, up = upstream(origin)
    assert up.code == GET and up.all(coap.URI_PATH) == [b"p"] and not up.has(coap.PROXY_SCHEME)
    link.answer(up, payload=b"hello")
    down = c.recv()
    assert (down.code, down.token, down.payload) == (coap.CONTENT, sent.token, b"hello")
    assert (down.type, down.mid) == (coap.ACK, sent.mid) if type_ == CON else down.type == NON


def test_from_a_connection_to_another(gw):
    c, origin = client(gw), Origin(gw, fresh_address())
    link = None
    for n in range(5):
        sent = c.send(ask(origin, POST, payload=b"%d" % n))
        link, up = upstream(origin, link)
        link.answer(up, coap.CHANGED, payload=b"r%d" % n)
        down = c.recv()
        assert (down.code, down.token, down.payload) == (coap.CHANGED, sent.token, b"r%d" % n)
    assert len(origin.connections) == 1 and origin.is_left_alone()


@pytest.mark.covers("C8323-3.3-3")
def test_tokens_belong_to_connections(gw):
    a, b, origin = client(gw), client(gw), Origin(gw, fresh_address())
    a.send(ask(origin, token=b"same", options=[(coap.URI_QUERY, "a")]))
    b.send(ask(origin, token=b"same", options=[(coap.URI_QUERY, "b")]))
    link = origin.accept()
    requests = [link.recv(), link.recv()]
    assert requests[0].token != requests[1].token
    for r in requests:
        link.answer(r, payload=r.first(coap.URI_QUERY))
    assert (a.recv().payload, b.recv().payload) == (b"a", b"b")
    a.quiet()
    b.quiet()


def test_every_cut_of_a_stream(gw):
    """Frames are found wherever the network cuts them."""
    device = gw.device()
    whole = frame(ask(device, token=b"12345678")) + frame(ask(device, PUT, payload=b"z" * 20, token=b"1234"))
    for cut in range(1, len(whole)):
        c = client(gw)
        c.send_raw(whole[:cut])
        gw.settle()
        c.send_raw(whole[cut:])
        for _ in range(2):
            device.answer(device.recv())
        assert {c.recv().token, c.recv().token} == {b"12345678", b"1234"}
        c.close()


def test_many_requests_at_once(gw):
    c, origin = client(gw), Origin(gw, fresh_address())
    sent = [ask(origin, PUT, payload=b"%d" % n, token=b"%d" % n) for n in range(200)]
    c.send_raw(b"".join(map(frame, sent)))
    link = origin.accept()
    for n in range(len(sent)):
        up = link.recv()
        link.answer(up, coap.CHANGED, payload=up.payload)
    got = [c.recv() for _ in sent]
    assert {m.token: m.payload for m in got} == {m.token: m.payload for m in sent}


@pytest.mark.covers("C8323-3.4-1")
def test_empty_messages_are_ignored(gw):
    c, device = client(gw), gw.device()
    c.send_raw(b"\0\0" * 3)
    c.send_raw(b"\x04\0abcd" + b"\x20\0\xff\xff")
    c.send(ask(device))
    device.answer(device.recv())
    assert c.recv().code == coap.CONTENT
    c.quiet()
    assert [m.code for m in c.ledger] == [CSM, coap.CONTENT]


# ---- capabilities ----


@pytest.mark.covers("C8323-3.3-2", "C8974-2.2.1-1")
def test_our_csm_comes_first_and_at_once(gw):
    c, origin = client(gw, csm=None), Origin(gw, fresh_address(), csm=None)
    first = c.next()
    assert first.code == CSM and first.token == b"" and not first.payload
    assert first.uint(MAX_MESSAGE_SIZE) == 16384 + 1152 and first.has(BLOCK_WISE)
    assert first.uint(EXTENDED_TOKEN) >= 8
    assert all(n & 1 == 0 for n, _ in first.options)
    # and towards origins
    gw.client().send(ask(origin))
    link = origin.accept()
    assert link.next().code == CSM
    link.quiet()  # the request waits until theirs has come
    link.signal(CSM)
    assert link.recv().code == GET


@pytest.mark.covers("C8323-3.3-1")
@pytest.mark.parametrize("first", [GET, PING, RELEASE, coap.CONTENT])
def test_the_first_message_must_be_a_csm(gw, first):
    c = client(gw, csm=None)
    c.send(Message(first))
    abort = c.recv_signal(ABORT)
    assert b"CSM" in abort.payload
    assert c.is_closed()


@pytest.mark.covers("C8323-3.3-1")
def test_an_origins_first_message_must_be_a_csm(gw):
    c, origin = gw.client(), Origin(gw, fresh_address(), csm=None)
    c.send(ask(origin))
    link = origin.accept()
    link.send(Message(coap.CONTENT, token=b"12345678"))
    assert link.recv_signal(ABORT)
    assert link.is_closed()
    assert c.recv().code == coap.code("5.02")


@pytest.mark.covers("C8323-5.3-1", "C8323-5.3.1-1")
def test_settings_accumulate(gw):
    c, device = client(gw, csm=[(MAX_MESSAGE_SIZE, 100)]), gw.device()
    c.signal(CSM, [(BLOCK_WISE, b"")])
    for size in (60, 500):
        c.send(ask(device))
        up = device.recv()
        device.piggyback(up, payload=b"x" * size)
        down = c.recv()
        assert len(down.raw) <= 100
        assert (down.payload == b"x" * size) == (size == 60)
    c.signal(CSM, [(MAX_MESSAGE_SIZE, 2000)])
    c.send(ask(device, options=[(coap.URI_QUERY, "again")]))
    device.piggyback(device.recv(), payload=b"x" * 500)
    assert c.recv().payload == b"x" * 500


@pytest.mark.covers("C8323-5.3.1-1")
def test_a_request_larger_than_the_origin_takes(gw):
    c, origin = client(gw), Origin(gw, fresh_address(), csm=[(MAX_MESSAGE_SIZE, 200)])
    sent = c.send(ask(origin, PUT, payload=b"x" * 500))
    link = origin.accept()
    down = c.recv()
    assert (down.code, down.token) == (coap.code("4.13"), sent.token)
    link.quiet()
    c.send(ask(origin, PUT, payload=b"x" * 100))
    up = link.recv()
    link.answer(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED
    # known by now
    c.send(ask(origin, PUT, payload=b"x" * 500))
    assert c.recv().code == coap.code("4.13")
    link.quiet()


@pytest.mark.covers("C8323-5.6-1")
def test_a_message_larger_than_we_take(gw):
    c = client(gw)
    c.send_raw(b"\xf0" + (16384 + 1152).to_bytes(4, "big") + b"\x01")
    assert b"large" in c.recv_signal(ABORT).payload
    assert c.is_closed()


@pytest.mark.covers("C8974-2.2.1-1")
def test_tokens_up_to_what_we_said(gw):
    c, device = client(gw), gw.device()
    c.send(ask(device, token=b"8 bytes!"))
    device.answer(device.recv())
    c.recv()
    longest = c.theirs.uint(EXTENDED_TOKEN)
    c.send(ask(device, token=b"t" * longest))
    device.answer(device.recv())
    assert c.recv().token == b"t" * longest
    c.send(ask(device, token=b"t" * (longest + 1)))
    assert b"oken" in c.recv_signal(ABORT).payload
    assert c.is_closed()
    device.quiet()


# ---- signals ----


@pytest.mark.covers("C8323-5.2-1")
@pytest.mark.parametrize("code", [CSM, PING, PONG, RELEASE])
@pytest.mark.parametrize("number", [1, 9, 35, 65535])
def test_unknown_critical_options(gw, code, number):
    c = client(gw)
    c.signal(code, [(number, b"")])
    abort = c.recv_signal(ABORT)
    assert abort.uint(BAD_CSM_OPTION) == (number if code == CSM else None) and abort.payload
    assert c.is_closed()


@pytest.mark.covers("C8323-5.2-1")
def test_unknown_elective_options_and_signals_are_ignored(gw):
    c = client(gw)
    c.signal(CSM, [(8, b"x"), (1000, b"y" * 300)])
    c.signal(coap.code("7.06"))
    c.signal(coap.code("7.31"), [(2, b"")])
    c.signal(PING, [(4, b"x")], token=b"p")
    assert c.recv_signal(PONG).token == b"p"
    c.quiet()


@pytest.mark.covers("C8323-5.4-1")
@pytest.mark.parametrize("token", [b"", b"p", b"12345678", b"t" * 32])
@pytest.mark.parametrize("custody", [False, True])
def test_pings_are_answered_at_once(gw, token, custody):
    c = client(gw)
    c.signal(PING, [(CUSTODY, b"")] if custody else [], token=token)
    pong = c.recv_signal(PONG)
    assert pong.token == token and pong.has(CUSTODY) == custody and not pong.payload


@pytest.mark.covers("C8323-5.4-1")
def test_custody_waits_for_answers(gw):
    c, device = client(gw), gw.device()
    for n in range(3):
        c.send(ask(device, POST, payload=b"%d" % n))
    c.signal(PING, token=b"quick")
    assert c.recv_signal(PONG).token == b"quick"
    c.signal(PING, [(CUSTODY, b"")], token=b"slow")
    c.send(ask(device, POST, payload=b"behind"))
    got = [device.recv()]  # NSTART
    for n in range(3):
        c.quiet()
        assert not [m for m in c.signals if m.code == PONG]
        device.piggyback(got[-1], coap.CHANGED)
        assert c.recv().code == coap.CHANGED
        if n < 2:
            got.append(device.recv())
    pong = c.recv_signal(PONG)
    assert pong.token == b"slow" and pong.has(CUSTODY)
    device.piggyback(device.recv(), coap.CHANGED)
    assert c.recv().code == coap.CHANGED


@pytest.mark.covers("C8323-5.4-1")
def test_custody_does_not_wait_for_ever(gw):
    c, device = client(gw), gw.device()
    c.send(ask(device, POST))
    up = device.recv()
    device.ack(up)
    c.signal(PING, [(CUSTODY, b"")], token=b"c")
    c.quiet()
    gw.advance(5100)
    pong = c.recv_signal(PONG)
    assert pong.token == b"c" and not pong.has(CUSTODY)
    device.separate(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED


@pytest.mark.covers("C8323-5.4-2")
def test_a_ping_stays_on_its_hop(gw):
    c, origin = client(gw), Origin(gw, fresh_address())
    for n in range(20):
        c.send(ask(origin, options=[(coap.OBSERVE, b""), (coap.URI_QUERY, "%d" % n)]))
    link = origin.accept()
    for n in range(20):
        link.answer(link.recv(), options=[(coap.OBSERVE, b"")])
        c.recv()
    before = len(link.ledger)
    c.signal(PING, token=b"p")
    assert c.recv_signal(PONG).token == b"p"
    link.quiet()
    assert len(link.ledger) == before


def test_an_origins_ping_is_answered(gw):
    origin = Origin(gw, fresh_address())
    gw.client().send(ask(origin))
    link, _ = upstream(origin)
    link.signal(PING, [(CUSTODY, b"")], token=b"p")
    pong = link.recv_signal(PONG)
    assert pong.token == b"p" and pong.has(CUSTODY)


@pytest.mark.covers("C8323-5.5-1")
def test_a_client_releases_while_a_request_is_slow(gw):
    c, device = client(gw), gw.device()
    c.send(ask(device, POST))
    up = device.recv()
    device.ack(up)
    c.signal(RELEASE)
    c.quiet()
    gw.advance(3000)
    c.quiet()
    device.separate(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED
    assert c.is_closed()


@pytest.mark.covers("C8323-5.5-1")
def test_a_client_releases_and_closes_his_half(gw):
    c, device = client(gw), gw.device()
    c.send(ask(device, POST))
    up = device.recv()
    c.signal(RELEASE)
    c.socket.shutdown(1)
    gw.settle()
    device.piggyback(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED
    assert c.is_closed()


@pytest.mark.covers("C8323-5.5-1")
def test_an_origin_releases(gw):
    """What it was asked is answered, nothing more is asked; Hold-Off is honoured."""
    c, origin = client(gw), Origin(gw, fresh_address())
    first = c.send(ask(origin, POST))
    link, up = upstream(origin)
    link.signal(RELEASE, [(HOLD_OFF, 30)])
    gw.settle()
    second = c.send(ask(origin, POST))
    down = c.recv()
    assert (down.code, down.token) == (coap.code("5.03"), second.token)
    link.answer(up, coap.CHANGED)
    down = c.recv()
    assert (down.code, down.token) == (coap.CHANGED, first.token)
    assert link.is_closed()
    c.send(ask(origin, POST))
    assert c.recv().code == coap.code("5.03") and origin.is_left_alone()
    gw.advance(31_000)
    c.send(ask(origin, POST))
    link, up = upstream(origin)
    link.answer(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED


def test_an_origin_releases_and_closes(gw):
    """What it has not answered by then it never will."""
    c, origin = client(gw), Origin(gw, fresh_address())
    c.send(ask(origin, POST))
    link, _ = upstream(origin)
    link.signal(RELEASE)
    link.socket.shutdown(1)
    assert c.recv().code == coap.code("5.04")
    c.send(ask(origin, POST))
    link, up = upstream(origin)
    link.answer(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED


@pytest.mark.covers("C8323-5.5-2")
def test_an_alternative_address_is_not_followed(gw):
    c, origin, other = client(gw), Origin(gw, fresh_address()), Origin(gw, fresh_address())
    c.send(ask(origin, POST))
    link, up = upstream(origin)
    link.signal(RELEASE, [(ALTERNATIVE_ADDRESS, "%s:%d" % (other.host, other.port))])
    link.answer(up, coap.CHANGED)
    c.recv()
    assert link.is_closed()
    c.send(ask(origin, POST))
    link, up = upstream(origin)
    link.answer(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED
    assert other.is_left_alone()


# ---- ends ----


@pytest.mark.covers("C8323-5.6-1")
@pytest.mark.parametrize("raw", [
    b"\x0f\x01",                     # token length 15
    b"\x20\x01\xf0\x00",             # a delta of 15
    b"\x20\x01\x0f\x00",             # a length of 15
    b"\x20\x01\xd5\x00",             # an option past the end
    b"\x10\x01\xff",                 # a marker without payload
    b"\x10\xe2\xff",                 # the same in a signal
])
def test_format_errors(gw, raw):
    c = client(gw)
    c.send_raw(raw)
    assert c.recv_signal(ABORT).payload
    assert c.is_closed()


@pytest.mark.covers("C8323-5.6-1")
def test_an_origins_format_error(gw):
    c, origin = client(gw), Origin(gw, fresh_address())
    first, second = (c.send(ask(origin, POST)) for _ in range(2))
    link, up = upstream(origin)
    link.send_raw(b"\x18\x45" + up.token + b"\xff")
    link.recv()
    assert link.recv_signal(ABORT).payload
    assert link.is_closed()
    got = {m.token: m.code for m in (c.recv(), c.recv())}
    assert got == {first.token: coap.code("5.02"), second.token: coap.code("5.04")}


@pytest.mark.covers("C8323-3.4-2")
@pytest.mark.parametrize("how", ["close", "reset", "abort"])
def test_a_connection_to_an_origin_ends(gw, how):
    c, origin = client(gw), Origin(gw, fresh_address())
    sent = c.send(ask(origin, POST))
    link, _ = upstream(origin)
    if how == "abort":
        link.signal(ABORT, payload=b"enough")
        gw.settle()
    else:
        getattr(link, how)()
    down = c.recv()
    assert (down.code, down.token) == (coap.code("5.04"), sent.token)
    assert origin.is_left_alone()  # what may have been executed is not sent again
    c.send(ask(origin, POST))
    link, up = upstream(origin)
    link.answer(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED


@pytest.mark.covers("C8323-3.4-2")
def test_observations_end_with_the_origins_connection(gw):
    c, origin = client(gw), Origin(gw, fresh_address())
    sent = c.send(ask(origin, options=[(coap.OBSERVE, b"")]))
    link, up = upstream(origin)
    link.answer(up, options=[(coap.OBSERVE, b"")], payload=b"1")
    assert c.recv().has(coap.OBSERVE)
    link.reset()
    down = c.recv()
    assert down.token == sent.token and down.code >> 5 == 5 and not down.has(coap.OBSERVE)


def test_an_origin_that_is_not_there(gw):
    c, origin = client(gw), Origin(gw, fresh_address())
    request = ask(origin, POST)
    origin.close()
    c.send(request)
    assert c.recv().code == coap.code("5.02")


@pytest.mark.covers("C8323-7.4-2")
@pytest.mark.parametrize("how", ["close", "reset", "release"])
def test_a_clients_observations_end_with_him(gw, how):
    c, origin = client(gw), Origin(gw, fresh_address())
    c.send(ask(origin, options=[(coap.OBSERVE, b"")]))
    link, up = upstream(origin)
    link.answer(up, options=[(coap.OBSERVE, b"")])
    c.recv()
    if how == "release":
        c.signal(RELEASE)
        c.is_closed()
    else:
        getattr(c, how)()
    cancel = link.recv()
    assert cancel.token == up.token and cancel.uint(coap.OBSERVE) == 1


@pytest.mark.covers("C8323-7.2-1")
def test_what_nobody_asked_for_does_no_harm(gw):
    """Others share the connection: an unknown token is no reason to end it."""
    c, origin = client(gw), Origin(gw, fresh_address())
    c.send(ask(origin, POST))
    link, up = upstream(origin)
    link.send(Message(coap.CONTENT, token=b"whatever", options=[(coap.OBSERVE, 5)], payload=b"?"))
    link.answer(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED
    link.answer(up, coap.CHANGED)
    c.quiet()
    assert not [m for m in link.signals if m.code == ABORT]


@pytest.mark.covers("C8323-3.3-4")
def test_an_origin_asks(gw):
    c, origin = client(gw), Origin(gw, fresh_address())
    c.send(ask(origin, POST))
    link, up = upstream(origin)
    link.send(Message(GET, token=b"why", options=[(coap.URI_PATH, "x")]))
    down = link.recv()
    assert (down.code, down.token) == (coap.code("5.01"), b"why")
    link.answer(up, coap.CHANGED)
    assert c.recv().code == coap.CHANGED
