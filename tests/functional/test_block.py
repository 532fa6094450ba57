"""Block-wise transfer, relayed: RFC 7959 (conformance 3)."""

import pytest

import coap
from coap import BLOCK1, BLOCK2, CON, NON, POST, PUT, block, block_parts
from harness import Pair, oscore_request


@pytest.mark.covers("C7959-2.1-1", "C7959-2.2-2")
@pytest.mark.parametrize("num,more,szx", [(0, False, 0), (0, False, 6), (1, False, 2), (15, False, 4), (16, False, 6),
                                          (4096, False, 6), ((1 << 20) - 1, False, 0)])
def test_block2_of_a_request_passes(any_pair, num, more, szx):
    _, up, down = any_pair.exchange(options=[(BLOCK2, block(num, more, szx))], answer_payload=b"x",
                                    answer_options=[(BLOCK2, block(num, False, szx))])
    assert block_parts(up.first(BLOCK2)) == (num, False, szx)
    assert block_parts(down.first(BLOCK2)) == (num, False, szx)


@pytest.mark.covers("C7959-2.1-1", "C7959-2.3-1")
@pytest.mark.parametrize("szx", range(7))
@pytest.mark.parametrize("more", [False, True])
def test_block1_passes_in_every_size(pair, szx, more):
    body = b"b" * (16 << szx)
    code = coap.CONTINUE if more else coap.CHANGED
    _, up, down = pair.exchange(PUT, payload=body, options=[(BLOCK1, block(3, more, szx))], answer=code,
                                answer_options=[(BLOCK1, block(3, more, szx))])
    assert block_parts(up.first(BLOCK1)) == (3, more, szx) and up.payload == body
    assert down.code == code and block_parts(down.first(BLOCK1)) == (3, more, szx)


@pytest.mark.covers("C7959-2.2-1")
@pytest.mark.parametrize("number", [BLOCK1, BLOCK2])
@pytest.mark.parametrize("num", [0, 7])
@pytest.mark.parametrize("type_", [CON, NON])
def test_szx_7_gives_4_00(pair, number, num, type_):
    down = pair.refused(PUT, payload=b"x" * 16, options=[(number, block(num, False, 7))], type=type_)
    assert down.code == coap.code("4.00")


@pytest.mark.covers("C7959-2.2-1", "S-20")
@pytest.mark.parametrize("number", [BLOCK1, BLOCK2])
def test_szx_7_of_an_oscore_request_gives_4_00(pair, number):
    pair.client.send(oscore_request(pair, options=[(number, block(0, False, 7))]))
    assert pair.client.recv().code == coap.code("4.00")
    pair.device.quiet()


@pytest.mark.covers("C7959-2.3-1")
@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_block1_with_more_must_fill_its_size(pair, length):
    down = pair.refused(PUT, payload=b"x" * length, options=[(BLOCK1, block(0, True, 2))])
    assert down.code in (coap.code("4.00"), coap.code("4.08"))


@pytest.mark.covers("C7959-2.3-1")
@pytest.mark.parametrize("length", [1, 63, 64])
def test_last_block1_may_be_short(pair, length):
    _, up, _ = pair.exchange(PUT, payload=b"x" * length, options=[(BLOCK1, block(2, False, 2))], answer=coap.CHANGED)
    assert len(up.payload) == length


@pytest.mark.covers("C7959-7-2", "C7959-7.1-1")
def test_huge_numbers_cost_nothing(pair):
    before = pair.proxy.state()
    for _ in range(20):
        pair.exchange(PUT, payload=b"x" * 16, answer=coap.code("4.08"),
                      options=[(BLOCK1, block((1 << 20) - 1, True, 0)), (coap.SIZE1, 0xFFFFFFFF)])
        pair.exchange(options=[(BLOCK2, block((1 << 20) - 1, False, 6)), (coap.SIZE2, 0xFFFFFFFF)])
    assert pair.proxy.state()["exchanges"] <= before["exchanges"]


@pytest.mark.covers("C7959-4-1")
@pytest.mark.parametrize("size", [0, 1, 5000, 0xFFFFFFFF])
def test_sizes_are_advice_and_pass(pair, size):
    _, up, down = pair.exchange(PUT, payload=b"x", options=[(coap.SIZE1, size), (coap.SIZE2, size)],
                                answer_options=[(coap.SIZE1, size), (coap.SIZE2, size)])
    assert up.uint(coap.SIZE1) == size and up.uint(coap.SIZE2) == size
    assert down.uint(coap.SIZE1) == size and down.uint(coap.SIZE2) == size


def upload(pair, blocks, szx=2, path=("fw",), options=()):
    """An upload in order; returns the upstream requests."""
    ups = []
    for num in range(blocks):
        more = num < blocks - 1
        _, up, down = pair.exchange(PUT, path=path, payload=bytes([num]) * (16 << szx),
                                    options=[(BLOCK1, block(num, more, szx))] + list(options),
                                    answer=coap.CONTINUE if more else coap.CHANGED,
                                    answer_options=[(BLOCK1, block(num, more, szx))])
        assert down.code == (coap.CONTINUE if more else coap.CHANGED)
        ups.append(up)
    return ups


@pytest.mark.covers("C7959-2.5-1", "C7959-2.4-3")
def test_upload_leaves_from_one_port_in_order(any_pair):
    ups = upload(any_pair, 8)
    assert [block_parts(u.first(BLOCK1))[0] for u in ups] == list(range(8))
    assert len({u.source for u in ups}) == 1
    assert b"".join(u.payload for u in ups) == b"".join(bytes([n]) * 64 for n in range(8))


def test_download_leaves_from_one_port(any_pair):
    sources = set()
    for num in range(8):
        _, up, down = any_pair.exchange(options=[(BLOCK2, block(num, False, 6))] if num else [], answer_payload=b"d" * 1024,
                                        answer_options=[(BLOCK2, block(num, num < 7, 6)), (coap.ETAG, b"e")])
        assert block_parts(down.first(BLOCK2)) == (num, num < 7, 6) and len(down.payload) == 1024
        sources.add(up.source)
    assert len(sources) == 1


@pytest.mark.covers("C7959-2.4-3", "C8974-4.2-1", "C9175-3.5.2-1")
def test_two_uploads_to_one_resource_do_not_meet(proxy):
    """The origin keys its state by endpoint and resource: each client's upload has a port of its own."""
    device = proxy.device()
    pairs = [Pair(proxy, device=device) for _ in range(6)]
    ports = [set() for _ in pairs]
    for num in range(4):
        for i, pair in enumerate(pairs):
            _, up, _ = pair.exchange(PUT, path=("fw",), payload=bytes([i]) * 64, options=[(BLOCK1, block(num, True, 2))],
                                     answer=coap.CONTINUE, answer_options=[(BLOCK1, block(num, True, 2))])
            ports[i].add(up.source[1])
            assert up.payload == bytes([i]) * 64
    assert all(len(p) == 1 for p in ports)
    assert len(set().union(*ports)) == len(pairs)


@pytest.mark.covers("C7959-2.4-3")
def test_two_uploads_to_one_resource_under_two_names_do_not_meet(proxy):
    """A resource may be reached by several routes, hosts and schemes; to the origin it is one."""
    host, device = proxy.reverse()
    pairs = [Pair(proxy, "reverse", device=device, host=host), Pair(proxy, device=device), Pair(proxy, "uri", device=device)]
    ports = [set() for _ in pairs]
    for num in range(3):
        for i, pair in enumerate(pairs):
            _, up, _ = pair.exchange(PUT, path=("fw",), payload=bytes([i]) * 64, options=[(BLOCK1, block(num, True, 2))],
                                     answer=coap.CONTINUE, answer_options=[(BLOCK1, block(num, True, 2))])
            ports[i].add(up.source[1])
    assert all(len(p) == 1 for p in ports) and len(set().union(*ports)) == len(pairs)


@pytest.mark.covers("S-7", "C8613-4.1.3.4-4")
def test_interleaved_oscore_uploads_do_not_meet(proxy):
    """All look like POST coap://host/: only the OSCORE option and the endpoint tell them apart."""
    device = proxy.device()
    pairs = [Pair(proxy, device=device) for _ in range(4)]
    ports = [set() for _ in pairs]
    for num in range(4):
        for i, pair in enumerate(pairs):
            more = num < 3
            option = bytes([0x09, 0x05, i])
            pair.client.send(oscore_request(pair, option, bytes([i]) * 1024, options=[(BLOCK1, block(num, more, 6))]))
            up = device.recv()
            assert up.first(coap.OSCORE) == option and up.payload == bytes([i]) * 1024
            assert block_parts(up.first(BLOCK1)) == (num, more, 6)
            ports[i].add(up.source[1])
            device.answer(up, coap.CONTINUE if more else coap.CHANGED, [(BLOCK1, block(num, more, 6))])
            assert pair.client.recv().code == (coap.CONTINUE if more else coap.CHANGED)
    assert all(len(p) == 1 for p in ports) and len(set().union(*ports)) == len(pairs)


@pytest.mark.covers("C9175-3.3-1", "C9175-3.2-1")
def test_request_tags_pass_in_order(pair):
    tags = [b"\x01", b"", b"\x02" * 8]
    _, up, _ = pair.exchange(PUT, payload=b"x" * 16, options=[(BLOCK1, block(0, True, 0))] + [(coap.REQUEST_TAG, t) for t in tags],
                             answer=coap.CONTINUE, answer_options=[(BLOCK1, block(0, True, 0))])
    assert [t for t in up.all(coap.REQUEST_TAG) if t in tags] == tags


@pytest.mark.covers("C9175-3.2-1")
def test_request_tag_in_a_response_does_not_pass(pair):
    *_, down = pair.exchange(answer_options=[(coap.REQUEST_TAG, b"\x01")])
    assert down.code == coap.CONTENT and not down.has(coap.REQUEST_TAG)


@pytest.mark.covers("C7959-2.5-2", "C7959-2.4-1")
@pytest.mark.parametrize("code,options", [("4.13", []), ("4.13", [(BLOCK1, block(0, False, 2)), (coap.SIZE1, 2000)]),
                                          ("4.08", []), ("4.08", [(BLOCK1, block(3, True, 2))]),
                                          ("2.31", [(BLOCK1, block(0, True, 1))]), ("2.31", [(BLOCK1, block(0, True, 0))])])
def test_what_the_origin_says_about_blocks_passes(pair, code, options):
    """A smaller size, a refusal, a gap: it is for the client to act on."""
    *_, down = pair.exchange(PUT, payload=b"x" * 64, options=[(BLOCK1, block(0, True, 2))], answer=coap.code(code),
                             answer_options=options)
    assert down.code == coap.code(code)
    assert down.options == [(n, coap.as_value(v)) for n, v in options]


@pytest.mark.covers("C9177-5-1")
def test_missing_blocks_payload_passes(pair):
    *_, down = pair.exchange(PUT, payload=b"x", answer=coap.code("4.08"), answer_options=[(coap.CONTENT_FORMAT, 272)],
                             answer_payload=b"\x01\x05")
    assert (down.code, down.uint(coap.CONTENT_FORMAT), down.payload) == (coap.code("4.08"), 272, b"\x01\x05")


@pytest.mark.covers("C9177-4.1-1", "C9177-4.1-2")
@pytest.mark.parametrize("options", [[(coap.Q_BLOCK1, b"")], [(coap.Q_BLOCK2, b"")], [(coap.Q_BLOCK1, b""), (BLOCK2, b"")],
                                     [(coap.Q_BLOCK2, b""), (BLOCK1, b"")]])
def test_q_block_is_refused(pair, options):
    assert pair.refused(PUT, payload=b"x", options=options).code == coap.code("4.02")


@pytest.mark.covers("C9177-4.1-1")
@pytest.mark.parametrize("number", [coap.Q_BLOCK1, coap.Q_BLOCK2])
def test_q_block_in_a_response_gives_5_02(pair, number):
    *_, down = pair.exchange(answer_options=[(number, b"\x06")])
    assert down.code == coap.code("5.02")


@pytest.mark.covers("C7959-2.7-1")
def test_block1_then_block2(pair):
    """The answer to the last Block1 begins a Block2 series; the rest is asked for without Block1."""
    upload_options = [(BLOCK1, block(1, False, 2))]
    _, up, down = pair.exchange(POST, payload=b"x" * 64, options=upload_options, answer=coap.CHANGED, answer_payload=b"y" * 64,
                                answer_options=upload_options + [(BLOCK2, block(0, True, 2))])
    assert block_parts(down.first(BLOCK2)) == (0, True, 2) and down.has(BLOCK1)
    first = up.source
    _, up, down = pair.exchange(POST, options=[(BLOCK2, block(1, False, 2))], answer=coap.CHANGED, answer_payload=b"z",
                                answer_options=[(BLOCK2, block(1, False, 2))])
    assert not up.has(BLOCK1) and up.source == first and down.payload == b"z"


@pytest.mark.covers("C8132-2.5-1")
def test_fetch_uses_both(pair):
    for num in range(3):
        more = num < 2
        _, up, down = pair.exchange(coap.FETCH, payload=b"s" * 1024, options=[(BLOCK1, block(num, more, 6)), (coap.CONTENT_FORMAT, 60)],
                                    answer=coap.CONTINUE if more else coap.CONTENT,
                                    answer_options=[(BLOCK1, block(num, more, 6))] + ([] if more else [(BLOCK2, block(0, True, 6))]),
                                    answer_payload=b"" if more else b"r" * 1024)
        assert up.code == coap.FETCH and len(up.payload) == 1024
    assert block_parts(down.first(BLOCK2)) == (0, True, 6)


@pytest.mark.covers("C7959-2.10-3")
def test_if_none_match_stays_where_it_was(pair):
    _, up, _ = pair.exchange(PUT, payload=b"x" * 16, options=[(BLOCK1, block(0, True, 0)), (coap.IF_NONE_MATCH, b"")],
                             answer=coap.CONTINUE, answer_options=[(BLOCK1, block(0, True, 0))])
    assert up.all(coap.IF_NONE_MATCH) == [b""]
    _, up, _ = pair.exchange(PUT, payload=b"x", options=[(BLOCK1, block(1, False, 0))], answer=coap.CREATED,
                             answer_options=[(BLOCK1, block(1, False, 0))])
    assert not up.has(coap.IF_NONE_MATCH)


@pytest.mark.covers("C7959-2.4-2", "C9175-3.8-1")
def test_changing_etags_reach_the_client(pair):
    """The gateway splices nothing: it shows each block with its own ETag."""
    tags = []
    for num, tag in enumerate((b"a", b"a", b"b")):
        *_, down = pair.exchange(options=[(BLOCK2, block(num, False, 2))], answer_payload=b"x" * 64,
                                 answer_options=[(coap.ETAG, tag), (BLOCK2, block(num, True, 2))])
        tags.append(down.first(coap.ETAG))
    assert tags == [b"a", b"a", b"b"]


@pytest.mark.covers("S-6")
def test_oscore_continuation_without_payload(pair):
    """Outer Block2: the follow-up repeats the OSCORE option and has no ciphertext."""
    pair.client.send(oscore_request(pair))
    up = pair.device.recv()
    first = up.source
    pair.device.answer(up, coap.CHANGED, [(coap.OSCORE, b""), (BLOCK2, block(0, True, 6))], b"c" * 1024)
    down = pair.client.recv()
    assert block_parts(down.first(BLOCK2)) == (0, True, 6) and len(down.payload) == 1024
    for num in (1, 2):
        pair.client.send(oscore_request(pair, payload=b"", options=[(BLOCK2, block(num, False, 6))]))
        up = pair.device.recv()
        assert up.payload == b"" and up.first(coap.OSCORE) == bytes.fromhex("090525") and up.source == first
        assert block_parts(up.first(BLOCK2)) == (num, False, 6)
        pair.device.answer(up, coap.CHANGED, [(coap.OSCORE, b""), (BLOCK2, block(num, num < 2, 6))], b"d" * 1024)
        assert pair.client.recv().payload == b"d" * 1024


def test_a_2_31_passes_as_it_is(pair):
    *_, down = pair.exchange(PUT, payload=b"x" * 16, options=[(BLOCK1, block(0, True, 0))], answer=coap.CONTINUE,
                             answer_options=[(BLOCK1, block(0, True, 0))])
    assert down.code == coap.CONTINUE and not down.has(BLOCK2) and down.payload == b""


@pytest.mark.covers("C7959-2.3-2")
def test_mixed_content_formats_are_not_assembled_here(pair):
    """Each block goes on with its own Content-Format: the origin sees the mix and may refuse it."""
    for num, form in ((0, 60), (1, 50)):
        _, up, down = pair.exchange(PUT, payload=b"x" * 16, options=[(BLOCK1, block(num, num == 0, 0)), (coap.CONTENT_FORMAT, form)],
                                    answer=coap.CONTINUE if num == 0 else coap.code("4.08"))
        assert up.uint(coap.CONTENT_FORMAT) == form
    assert down.code == coap.code("4.08")


def test_lost_upload_frees_its_port(proxy):
    """An upload that is never finished: after its lifetime another client may use the port again."""
    device = proxy.device()
    for _ in range(4):
        Pair(proxy, device=device).exchange(PUT, payload=b"x" * 16, options=[(BLOCK1, block(0, True, 0))], answer=coap.CONTINUE)
    proxy.advance(300_000)
    Pair(proxy, device=device).exchange(PUT, payload=b"x" * 16, options=[(BLOCK1, block(0, True, 0))], answer=coap.CONTINUE)
