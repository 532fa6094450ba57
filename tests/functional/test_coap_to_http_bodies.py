"""Bodies of any length between CoAP clients and HTTP origins: Block1 in, Block2 out (RFC 7959 2, 5)."""

import socket

import pytest

import coap
from coap import BLOCK1, BLOCK2, CONTENT_FORMAT, ETAG, NON, REQUEST_TAG, SIZE1, SIZE2, block, block_parts
from harness import DEFAULT_ROUTE, Proxy
from http_origin import WebPair
from test_coap_to_http import OCTETS, ROUTE

WINDOW = 48 << 10
LIFETIME = 247_000


def begin(directory):
    return Proxy(directory, routes=ROUTE % 'body-limit = "8MB";' + DEFAULT_ROUTE)


@pytest.fixture
def pair(gw):
    return WebPair(gw)


def pattern(size, seed=7):
    return bytes((i * seed + (i >> 8)) & 255 for i in range(size))


def pieces(data, szx=6):
    size = 16 << szx
    return [data[i:i + size] for i in range(0, len(data), size)] or [b""]


def send_block(pair, parts, n, szx=6, code=coap.PUT, options=(), **kw):
    return pair.send(code, options=[(BLOCK1, block(n, n < len(parts) - 1, szx))] + list(options), payload=parts[n], **kw)


def upload(pair, parts, first=0, until=None, **kw):
    """Sends blocks up to (not with) `until`, each when the one before it was acknowledged; returns the last request if all are sent."""
    sent = None
    for n in range(first, len(parts) if until is None else until):
        sent = send_block(pair, parts, n, **kw)
        if n < len(parts) - 1:
            down = pair.hear(sent)
            assert down.code == coap.CONTINUE, down
            assert block_parts(down.first(BLOCK1)) == (n, True, kw.get("szx", 6))
            assert down.first(BLOCK2) is None
    return sent


def download(pair, down, path=("p",), **kw):
    """The rest of an answer whose first block came."""
    got, tag, n = down.payload, down.first(ETAG), 1
    while down.first(BLOCK2) is not None and block_parts(down.first(BLOCK2))[1]:
        szx = block_parts(down.first(BLOCK2))[2]
        assert len(down.payload) == 16 << szx
        down = pair.block(n, szx, path, **kw)
        assert down.first(ETAG) == tag and block_parts(down.first(BLOCK2))[0] == n, down
        got, n = got + down.payload, n + 1
    return got


# ---- bodies of requests ----

@pytest.mark.covers("C7959-5-1", "C7959-2.5-1", "C7959-2.3-3")
@pytest.mark.parametrize("size", [1025, 5000, 40_000])
@pytest.mark.parametrize("szx", [4, 6])
def test_a_body_in_blocks_is_one_request(pair, size, szx):
    data = pattern(size)
    sent = upload(pair, pieces(data, szx), szx=szx, options=[(CONTENT_FORMAT, 42)])
    up = pair.origin.request()
    assert (up.method, up.body, up.field("content-length")) == ("PUT", data, str(size))
    assert up.field("content-type") == "application/octet-stream"
    up.connection.answer(204)
    down = pair.hear(sent)
    assert down.code == coap.CHANGED and block_parts(down.first(BLOCK1))[:2] == (len(pieces(data, szx)) - 1, False)
    pair.origin.quiet()


@pytest.mark.covers("C7959-5-1", "C7959-4-1")
@pytest.mark.parametrize("size,announced", [(200_000, None), (200_000, 200_000), (200_000, 10), (1_000_000, None)])
def test_a_large_body_streams(pair, size, announced):
    data = pattern(size)
    parts = pieces(data)
    options = [(SIZE1, announced)] if announced else []
    upload(pair, parts, until=WINDOW // 1024, options=options)
    up = pair.origin.accept().head()
    credible = announced == size
    assert up.field("content-length") == (str(size) if credible else None)
    assert up.field("transfer-encoding") == (None if credible else "chunked")
    got, connection = b"", up.connection
    for n in range(WINDOW // 1024, len(parts)):
        while len(got) < n * 1024:
            got += connection._take(n * 1024 - len(got)) if credible else connection.chunk()
        sent = send_block(pair, parts, n, options=options)
        if n < len(parts) - 1:
            assert pair.hear(sent).code == coap.CONTINUE
    while len(got) < size:
        got += connection._take(size - len(got)) if credible else connection.chunk()
    assert got == data and (credible or connection.chunk() == b"")
    connection.answer(201, [("Location", "/new")])
    assert pair.hear(sent).code == coap.CREATED


def test_a_size_that_was_announced_and_is_not_so_is_the_clients_fault(pair):
    parts = pieces(pattern(60_000))
    options = [(SIZE1, 100_000)]
    upload(pair, parts, until=len(parts) - 1, options=options)
    up = pair.origin.accept().head()
    assert up.field("content-length") == "100000"
    assert coap.code_text(pair.hear(send_block(pair, parts, len(parts) - 1, options=options)).code) == "4.00"
    assert up.connection.is_closed()


@pytest.mark.covers("C7959-5-1")
def test_an_origin_that_reads_slowly_holds_the_client_back(gw, pair):
    pair.origin.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    parts = pieces(bytes(7_000_000))
    sent = acknowledged = 0
    last = upload(pair, parts, until=WINDOW // 1024)
    pair.origin.accept()
    for n in range(WINDOW // 1024, len(parts) - 1):
        last, sent = send_block(pair, parts, n), n
        if not pair.client.pending():
            break
        acknowledged = n
    assert sent == acknowledged + 1 and sent < len(parts) - 2, "nothing held it back"
    gw.advance(1_500)
    assert pair.client.recv().is_empty
    # what lies in the kernel's buffers is no matter of ours
    connection, got = pair.origin.connections[0], 0
    connection.head()
    while got <= sent * 1024 - (64 << 10):
        got += len(connection.chunk())
    down = pair.client.recv()
    pair.client.ack(down)
    assert (down.code, down.token) == (coap.CONTINUE, last.token)


@pytest.mark.covers("C7959-2.5-1", "C7959-2.3-2")
def test_gaps_and_other_formats_belong_to_no_body(pair):
    parts = pieces(pattern(5000))
    for n in (1, 3, (1 << 20) - 1):
        down = pair.ask(coap.PUT, options=[(BLOCK1, block(n, True, 6))], payload=parts[0])
        assert coap.code_text(down.code) == "4.08"
    upload(pair, parts, until=2)
    assert coap.code_text(pair.hear(send_block(pair, parts, 3)).code) == "4.08"
    assert coap.code_text(pair.hear(send_block(pair, parts, 2, options=[(CONTENT_FORMAT, 60)])).code) == "4.08"
    pair.origin.quiet()
    # the block that was missing still comes; the last one may come twice
    sent = upload(pair, parts, first=2)
    up = pair.origin.request()
    again = send_block(pair, parts, len(parts) - 1)
    up.connection.answer(204)
    answers = {pair.client.recv().token for _ in range(2)}
    assert up.body == pattern(5000) and answers == {sent.token, again.token}
    pair.origin.quiet()


def test_a_block_that_is_repeated_counts_once(pair):
    parts = pieces(pattern(3000))
    for n in (0, 1, 1):
        assert pair.hear(send_block(pair, parts, n)).code == coap.CONTINUE
    send_block(pair, parts, 2)
    assert pair.origin.request().body == pattern(3000)


def test_a_new_first_block_begins_anew(pair):
    upload(pair, pieces(pattern(5000, 3)), until=3)
    upload(pair, pieces(pattern(3000)))
    assert pair.origin.request().body == pattern(3000)
    pair.origin.quiet()


@pytest.mark.covers("C7959-2.4-3", "C7959-7-1")
def test_bodies_of_several_do_not_mix(gw, pair):
    other, a, b, c = WebPair(gw, origin=pair.origin), pieces(pattern(3000, 3)), pieces(pattern(3000, 5)), pieces(pattern(3000, 9))
    tag = {"options": [(REQUEST_TAG, b"t")]}
    for n in range(3):
        for who, parts, kw in ((pair, a, {}), (other, b, {}), (pair, c, tag)):
            sent = send_block(who, parts, n, **kw)
            if n < 2:
                assert who.hear(sent).code == coap.CONTINUE
    assert {pair.origin.request().body for _ in range(3)} == {pattern(3000, n) for n in (3, 5, 9)}


@pytest.mark.covers("C7959-5-2")
def test_too_large_a_body_is_refused_with_its_limit(pair):
    limit = 8_000_000
    down = pair.ask(coap.PUT, options=[(BLOCK1, block(0, True, 6)), (SIZE1, limit + 1)], payload=bytes(1024))
    assert coap.code_text(down.code) == "4.13" and down.uint(SIZE1) == limit
    pair.origin.quiet()
    down = pair.ask(coap.PUT, options=[(BLOCK1, block((1 << 20) - 1, True, 6))], payload=bytes(1024))
    assert coap.code_text(down.code) == "4.08"


def test_a_body_above_the_limit_ends_its_request(start):
    pair = WebPair(start(routes=ROUTE % 'body-limit = "4000B";'))
    parts = pieces(bytes(8000))
    upload(pair, parts, until=3)
    down = pair.hear(send_block(pair, parts, 3))
    assert coap.code_text(down.code) == "4.13" and down.uint(SIZE1) == 4000
    pair.origin.quiet()


@pytest.mark.covers("C7959-5-2")
@pytest.mark.parametrize("status,code", [(413, "4.13"), (408, "4.08"), (403, "4.03")])
def test_an_origin_may_refuse_before_the_end_of_the_body(pair, status, code):
    parts = pieces(bytes(200_000))
    upload(pair, parts, until=WINDOW // 1024)
    pair.origin.accept().answer(status)
    down = pair.hear(send_block(pair, parts, WINDOW // 1024))
    assert coap.code_text(down.code) == code
    assert coap.code_text(pair.hear(send_block(pair, parts, WINDOW // 1024 + 1)).code) == "4.08"
    pair.origin.connections[0].head()


@pytest.mark.covers("C7959-2.5-3")
def test_a_body_that_is_not_brought_to_its_end_expires(gw, pair):
    parts = pieces(bytes(60_000))
    upload(pair, parts, until=50)
    connection = pair.origin.accept()
    gw.advance(LIFETIME - 10_000)
    assert pair.hear(send_block(pair, parts, 50)).code == coap.CONTINUE
    gw.advance(LIFETIME + 1_000)
    assert connection.is_closed() and not connection.buffer.endswith(b"0\r\n\r\n")
    assert coap.code_text(pair.hear(send_block(pair, parts, 51)).code) == "4.08"


# ---- bodies of answers ----

@pytest.mark.covers("C7959-2.4-1", "C7959-5-1")
@pytest.mark.parametrize("size", [0, 1, 1024, 1025, 2048, 5000])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_an_answer_of_any_length(pair, size, framing):
    data = pattern(size)
    sent, up = pair.forward()
    if framing == "length":
        up.connection.answer(200, [OCTETS], data)
    elif framing == "chunked":
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in pieces(data, 4) if c)
        up.connection.answer(200, [OCTETS, ("Transfer-Encoding", "chunked")], chunks + b"0\r\n\r\n")
    else:
        up.connection.say(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n" + data)
        up.connection.close()
    down = pair.hear(sent)
    assert (down.first(BLOCK2) is None) == (size <= 1024)
    assert down.uint(SIZE2) == (size if size > 1024 and framing == "length" else None)
    assert download(pair, down) == data
    pair.origin.quiet()


@pytest.mark.covers("C7959-2.4-1")
@pytest.mark.parametrize("szx", range(6))
def test_no_block_is_larger_than_the_client_wants(pair, szx):
    data = pattern(100 << szx)
    sent = pair.send(options=[(BLOCK2, block(0, False, szx))])
    pair.origin.request().connection.answer(200, [OCTETS], data)
    down = pair.hear(sent)
    assert block_parts(down.first(BLOCK2)) == (0, True, szx)
    assert download(pair, down) == data
    pair.origin.quiet()


def test_a_client_may_ask_for_smaller_blocks_on_its_way(pair):
    data = pattern(5000)
    down = pair.exchange(body=data, fields=[OCTETS])[2]
    assert down.payload == data[:1024]
    for n, szx in ((4, 4), (5, 4), (3, 5), (7, 5), (4, 6)):
        assert pair.block(n, szx).payload == data[n << szx + 4:(n + 1) << szx + 4]
    pair.origin.quiet()


@pytest.mark.covers("C7959-5-1")
@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_a_large_answer_is_read_as_the_client_takes_it(gw, pair, size):
    data = pattern(size)
    sent, up = pair.forward()
    up.connection.socket.setblocking(False)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\nETag: \"v1\"\r\n\r\n" % size
    rest = head + data

    def feed():
        nonlocal rest
        try:
            rest = rest[up.connection.socket.send(rest[:65536]):] if rest else rest
        except BlockingIOError:
            pass
        gw.settle()

    feed()
    down, got = pair.hear(sent), b""
    assert down.first(ETAG) == b"v1" and down.uint(SIZE2) == size
    for n in range(-(-size // 1024)):
        if n:
            feed()
            down = pair.block(n)
        assert down.first(ETAG) == b"v1"
        got += down.payload
    assert got == data and not block_parts(down.first(BLOCK2))[1]
    pair.origin.quiet()


@pytest.mark.covers("C7959-2.4-2")
def test_answers_without_a_tag_get_one_each(pair):
    tags = set()
    for seed in (3, 3, 5):
        down = pair.exchange(body=pattern(3000, seed), fields=[OCTETS])[2]
        tags.add(down.first(ETAG))
        assert download(pair, down) == pattern(3000, seed)
    assert len(tags) == 3 and None not in tags


def test_blocks_that_have_gone_by_are_asked_for_anew(pair):
    data = pattern(200_000)
    down = pair.exchange(body=data, fields=[OCTETS])[2]
    for n in range(1, 120):
        down = pair.block(n)
        assert down.payload == data[n * 1024:][:1024]
    for n in (119, 115, 112): # these are still here
        assert pair.block(n).payload == data[n * 1024:][:1024]
    pair.origin.quiet()
    for n in (3, 150):
        sent = pair.send(options=[(BLOCK2, block(n, False, 6))])
        if n == 3:
            pair.origin.request().connection.answer(200, [OCTETS], data)
        assert pair.hear(sent).payload == data[n * 1024:][:1024]


@pytest.mark.covers("C7959-7-2")
def test_a_block_behind_the_end_or_far_away(pair):
    down = pair.exchange(body=pattern(3000), fields=[OCTETS])[2]
    assert down.code == coap.CONTENT
    assert coap.code_text(pair.block(3).code) == "4.00"
    assert coap.code_text(pair.block((1 << 20) - 1).code) == "4.00"
    for n in ((1 << 20) - 1, 1 << 19):
        assert coap.code_text(pair.block(n, path=("other",)).code) == "4.08"
    pair.origin.quiet()


@pytest.mark.covers("C7959-2.7-1")
def test_a_large_body_has_a_large_answer(pair):
    data = pattern(3000)
    sent = upload(pair, pieces(data), code=coap.POST)
    up = pair.origin.request()
    up.connection.answer(200, [OCTETS], up.body * 2)
    down = pair.hear(sent)
    assert down.code == coap.CHANGED
    assert block_parts(down.first(BLOCK1)) == (2, False, 6) and block_parts(down.first(BLOCK2)) == (0, True, 6)
    assert download(pair, down, code=coap.POST) == data * 2
    # its blocks are kept for a while, since nothing may be sent twice
    assert pair.block(1, code=coap.POST).payload == (data * 2)[1024:2048]
    pair.proxy.advance(LIFETIME + 1_000)
    assert coap.code_text(pair.block(1, code=coap.POST).code) == "4.08"
    pair.origin.quiet()


def test_the_answer_of_a_post_is_not_asked_for_anew(pair):
    assert coap.code_text(pair.block(1, code=coap.POST).code) == "4.08"
    pair.origin.quiet()


@pytest.mark.parametrize("cut", [b"", b"x" * 500, b"x" * 1500])
def test_a_body_that_is_cut_off_is_never_whole(pair, cut):
    sent, up = pair.forward()
    up.connection.say(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 5000\r\n\r\n" + cut)
    up.connection.close()
    down = pair.hear(sent)
    if len(cut) > 1024:
        assert down.code == coap.CONTENT and block_parts(down.first(BLOCK2)) == (0, True, 6)
        sent = pair.send(options=[(BLOCK2, block(1, False, 6))])
        up = pair.origin.request()
        up.connection.close()
        down = pair.hear(sent)
    assert coap.code_text(down.code) == "5.02"


def test_a_client_that_takes_nothing_more_lets_its_origin_go(gw, pair):
    data = pattern(1_000_000)
    sent, up = pair.forward()
    up.connection.socket.setblocking(False)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % len(data)
    up.connection.socket.send(head + data)
    assert pair.hear(sent).payload == data[:1024]
    gw.advance(59_000)
    assert not up.connection.closed and pair.block(1).payload == data[1024:2048]
    gw.advance(61_000)
    assert up.connection.is_closed()
    # what is here is served, then it is asked anew
    assert pair.block(2).payload == data[2048:3072]
    sent = pair.send(options=[(BLOCK2, block(60, False, 6))])
    pair.origin.request().connection.answer(200, [OCTETS], data[:70_000])
    assert pair.hear(sent).payload == data[60 * 1024:][:1024]


@pytest.mark.covers("C7959-2.4-3")
def test_two_requests_at_once_have_two_answers(pair):
    first, second = pair.send(), pair.send()
    ups = [pair.origin.request() for _ in range(2)]
    for up in ups:
        up.connection.answer(200, [OCTETS], b"x")
    assert {pair.client.recv().token for _ in range(2)} == {first.token, second.token}


@pytest.mark.parametrize("kind", [NON])
def test_all_of_it_without_confirmation(pair, kind):
    data = pattern(3000)
    sent = upload(pair, pieces(data), code=coap.POST, type=kind)
    pair.origin.request().connection.answer(200, [OCTETS], data)
    down = pair.hear(sent)
    assert down.type == NON and download(pair, down, code=coap.POST, type=kind) == data


def test_an_answer_above_the_limit_is_cut(start):
    pair = WebPair(start(routes=ROUTE % 'body-limit = "4000B";'))
    assert coap.code_text(pair.exchange(body=bytes(4001), fields=[OCTETS])[2].code) == "5.02"
    sent, up = pair.forward()
    up.connection.answer(200, [OCTETS, ("Transfer-Encoding", "chunked")], b"1000\r\n" + bytes(4096) + b"\r\n0\r\n\r\n")
    down, n = pair.hear(sent), 0
    while down.code == coap.CONTENT: # it had begun
        n += 1
        assert n < 4 and block_parts(down.first(BLOCK2))[1]
        down = pair.block(n, code=coap.GET)
    assert coap.code_text(down.code) == "5.02"


def test_a_client_that_was_never_seen_gets_small_blocks(start):
    p = start(routes=ROUTE % "", sections='downstream: { trusted = []; };')
    pair = WebPair(p)
    data = pattern(20_000)
    sent, up = pair.forward()
    up.connection.answer(200, [OCTETS], data)
    down = pair.hear(sent)
    assert down.code == coap.CONTENT and len(down.raw) <= max(136, 3 * len(sent.encode()))
    assert download(pair, down) == data
