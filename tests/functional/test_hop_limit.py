"""Hop-Limit: RFC 8768 (conformance 7)."""

import pytest

import coap
from coap import CON, GET, HOP_LIMIT, NON, POST, Message
from harness import Pair, free_port, oscore_request

LOOP = coap.code("5.08")


@pytest.mark.covers("C8768-3-2", "C8768-1.1-1")
def test_inserted_where_absent(any_pair):
    _, up, _ = any_pair.exchange()
    assert up.all(HOP_LIMIT) == [b"\x10"]


@pytest.mark.covers("C8768-3-3", "C8768-1.1-1")
@pytest.mark.parametrize("value", [2, 3, 16, 17, 128, 255])
def test_decremented(any_pair, value):
    _, up, _ = any_pair.exchange(options=[(HOP_LIMIT, value)])
    assert up.all(HOP_LIMIT) == [bytes([value - 1])]


@pytest.mark.covers("C8768-3-3")
@pytest.mark.parametrize("type_", [CON, NON])
def test_at_zero_5_08(any_pair, type_):
    assert any_pair.refused(options=[(HOP_LIMIT, 1)], type=type_).code == LOOP


@pytest.mark.covers("C8768-3-3", "S-14")
def test_at_zero_5_08_for_oscore_too(pair):
    pair.client.send(oscore_request(pair, options=[(HOP_LIMIT, 1)]))
    assert pair.client.recv().code == LOOP
    pair.device.quiet()


@pytest.mark.covers("C8768-3-3")
def test_5_08_is_counted(pair):
    before = pair.proxy.counters()["refused_hops"]
    pair.refused(options=[(HOP_LIMIT, 1)])
    assert pair.proxy.counters()["refused_hops"] == before + 1


@pytest.mark.covers("C8768-3-1")
@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x01", b"\x01\x00", b"\x00\x10", b"\x00\x00\x10", bytes(8)])
def test_illegal_values_give_4_00(pair, value):
    assert pair.refused(options=[(HOP_LIMIT, value)]).code == coap.code("4.00")


@pytest.mark.covers("C8768-3-1")
@pytest.mark.parametrize("value", [b"", b"\x00", b"\x01\x00"])
def test_illegal_values_in_an_oscore_request_give_4_00(pair, value):
    pair.client.send(oscore_request(pair, options=[(HOP_LIMIT, value)]))
    assert pair.client.recv().code == coap.code("4.00")
    pair.device.quiet()


@pytest.mark.covers("C8768-3-1")
def test_second_instance_does_not_raise_the_limit(pair):
    """The first counts; a supernumerary one is not recognised."""
    pair.send(options=[(HOP_LIMIT, 1), (HOP_LIMIT, 200)])
    assert pair.client.recv().code in (LOOP, coap.code("4.00"))
    pair.device.quiet()


@pytest.mark.covers("C8768-3-2")
@pytest.mark.parametrize("value", [1, 5, 255])
def test_inserted_value_is_a_setting(start, value):
    proxy = start(routes='f: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; '
                         'hop-limit = %d; };' % value)
    pair = Pair(proxy)
    _, up, _ = pair.exchange()
    assert up.all(HOP_LIMIT) == [bytes([value])]
    _, up, _ = pair.exchange(options=[(HOP_LIMIT, 9)])
    assert up.all(HOP_LIMIT) == [b"\x08"]


@pytest.mark.covers("C8768-3-2", "C8768-3-4")
def test_not_inserted_where_a_route_says_so(start):
    proxy = start(routes='f: { from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; '
                         'hop-limit = 0; };')
    _, up, _ = Pair(proxy).exchange()
    assert not up.has(HOP_LIMIT)


@pytest.mark.covers("C8768-4-1")
def test_own_name_in_the_diagnostic(pair):
    down = pair.refused(options=[(HOP_LIMIT, 1)])
    assert down.payload == b"oscore-proxy"


@pytest.mark.covers("C8768-4-1")
def test_name_is_put_before_the_others(pair):
    *_, down = pair.exchange(answer=LOOP, answer_payload=b"far.example farther.example")
    assert (down.code, down.payload) == (LOOP, b"oscore-proxy far.example farther.example")


@pytest.mark.covers("C8768-4-1")
def test_name_is_put_once_and_alone_where_there_is_no_other(pair):
    *_, down = pair.exchange(answer=LOOP)
    assert down.payload.strip() == b"oscore-proxy"


@pytest.mark.covers("C8768-4-1")
def test_configured_identity(start):
    proxy = start(sections='downstream: { identity = "gw7"; };')
    pair = Pair(proxy)
    assert pair.refused(options=[(HOP_LIMIT, 1)]).payload == b"gw7"
    *_, down = pair.exchange(answer=LOOP, answer_payload=b"x y")
    assert down.payload == b"gw7 x y"


@pytest.mark.covers("C8768-4-1")
def test_name_that_would_not_fit_is_left_out(pair):
    """A trace that fills the datagram goes on as it is, or cut, but fits the assumed MTU."""
    *_, down = pair.exchange(answer=LOOP, answer_payload=b"n" * 1140)
    assert down.code == LOOP and len(down.raw) <= 1280


@pytest.mark.covers("C8768-4-2")
@pytest.mark.parametrize("trace", [b"oscore-proxy", b"a oscore-proxy", b"oscore-proxy b", b"a oscore-proxy b"])
def test_5_08_with_our_own_name_is_not_passed_on(pair, trace):
    sent, up = pair.forward(POST, payload=b"x")
    before = pair.proxy.counters()["loops"]
    pair.device.answer(up, LOOP, payload=trace)
    down = [m for m in pair.client.pending() if m.code]
    assert len(down) == 1, "every accepted request ends in one answer"
    assert down[0].code != LOOP or down[0].payload == b"oscore-proxy", "ours, not that of the origin"
    assert pair.proxy.counters()["loops"] == before + 1


@pytest.mark.covers("C8768-4-2")
@pytest.mark.parametrize("trace", [b"oscore-proxy2", b"my-oscore-proxy", b"a-oscore-proxy-b oscore-proxy.example"])
def test_names_that_contain_ours_are_others(pair, trace):
    *_, down = pair.exchange(answer=LOOP, answer_payload=trace)
    assert down.payload == b"oscore-proxy " + trace


@pytest.mark.covers("C8768-4-2")
def test_loop_of_two(start):
    ports = free_port(), free_port()
    text = 'x: { from = ["coap"]; to = ["coap://127.0.0.1:%d"]; allow-networks = ["127.0.0.1/32"]; };'
    a = start(port=ports[0], routes=text % ports[1], sections='downstream: { identity = "gw-a"; };')
    b = start(port=ports[1], routes=text % ports[0], sections='downstream: { identity = "gw-b"; };')
    client = a.client()
    sent = client.send(Message(GET))
    answers = []
    # each gateway has one request in flight to the other until it is acknowledged: a second for each hop
    for _ in range(30):
        for gateway in (a, b):
            gateway.advance(1_100)
        for m in client.pending():
            if m.type == CON:
                client.ack(m)
            if m.code:
                answers.append(m)
    assert [(m.code, m.token) for m in answers] == [(LOOP, sent.token)]
    assert a.state()["exchanges"] == 0 and b.state()["exchanges"] == 0
    assert a.counters()["forwarded"] + b.counters()["forwarded"] <= 17


@pytest.mark.covers("C8768-4-1")
def test_chain_of_three(start):
    c = start(sections='downstream: { identity = "gw-c"; };')
    b = start(sections='downstream: { identity = "gw-b"; };',
              routes='v: { from = ["coap"]; forward-to = ["coap://*:*"]; via = "coap://%s:%d"; };' % c.address)
    a = start(sections='downstream: { identity = "gw-a"; };',
              routes='v: { from = ["coap"]; forward-to = ["coap://*:*"]; via = "coap://%s:%d"; };' % b.address)
    client, device = a.client(), c.device()
    client.send(Message(GET, options=[(coap.PROXY_URI, device.url), (HOP_LIMIT, 3)]))
    for _ in range(3):
        for p in (a, b, c):
            p.settle()
    down = client.recv()
    assert (down.code, down.payload) == (LOOP, b"gw-a gw-b gw-c")
    device.quiet()


@pytest.mark.covers("S-14")
@pytest.mark.parametrize("option,expected", [([], 16), ([(HOP_LIMIT, 9)], 8)])
def test_outer_hop_limit_of_oscore_requests(pair, option, expected):
    """Whatever the ciphertext holds: the Outer one is counted, inserted, and stays."""
    pair.client.send(oscore_request(pair, options=option))
    up = pair.device.recv()
    assert up.all(HOP_LIMIT) == [bytes([expected])]
    pair.device.answer(up, coap.CHANGED, [(coap.OSCORE, b"")], b"c")
    assert pair.client.recv().payload == b"c"
