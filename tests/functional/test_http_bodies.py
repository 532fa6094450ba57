"""Bodies of HTTP requests and answers on their way to CoAP devices and back: by Block1 and Block2 (RFC 7959, RFC 8075 8.3)."""

import os
import socket

import coap
import pytest
from coap import BLOCK1, BLOCK2, ECHO, IF_NONE_MATCH, OSCORE, REQUEST_TAG, SIZE1
from harness import ONE_WORKER
from http_bodies import Resource, Web, access_lines, block1_of, block2_of, chunks, fetch, gateway, gateway_in, run, stall_out

KB = 1 << 10
TOO_LARGE, INCOMPLETE, BAD_OPTION = coap.code("4.13"), coap.code("4.08"), coap.code("4.02")


def begin(directory):
    return gateway_in(directory, sections='http: { body-limit = "1MB"; };')


@pytest.mark.covers("C8075-8.3-1", "C8075-8.3-3", "C7959-2.5-1", "C7959-4-1")
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 1024, 1025, 10 * KB, 200 * KB])
def test_upload(gw, size, chunked):
    body = os.urandom(size)
    r = Resource(gw.device())
    answer = fetch(Web(gw), r, method="PUT", body=body, chunked=chunked)
    assert answer.status == 204 and r.bodies == [body]
    if size <= KB:
        assert len(r.seen) == 1 and not r.seen[0].has(BLOCK1) and not r.seen[0].has(REQUEST_TAG)
        return
    count = (size + KB - 1) // KB
    assert [block1_of(m) for m in r.seen] == [(i, i < count - 1, 6) for i in range(count)]
    tags = {m.first(REQUEST_TAG) for m in r.seen}
    assert len(tags) == 1 and None not in tags
    assert [m.uint(SIZE1) for m in r.seen] == [None if chunked else size] + [None] * (count - 1)


def in_order(r, option=BLOCK1):
    """The numbers of the blocks that the device was asked for."""
    return [coap.block_parts(m.first(option))[0] for m in r.seen if m.has(option)]


@pytest.mark.covers("C8075-8.3-3")
def test_threshold_and_block_size_are_the_operators(start):
    gw = gateway(start, sections='http: { block-threshold = "256B"; block-size = "64B"; };')
    for size, whole in ((256, True), (257, False)):
        body = os.urandom(size)
        r = Resource(gw.device())
        assert fetch(Web(gw), r, method="PUT", body=body).status == 204 and r.bodies == [body]
        assert [block1_of(m) for m in r.seen] == [None] if whole else [(i, i < 4, 2) for i in range(5)]
        r = Resource(gw.device(), body)
        assert fetch(Web(gw), r).body == body
        assert [block2_of(m)[0::2] for m in r.seen] == [(i, 2) for i in range(4 if whole else 5)]


@pytest.mark.covers("C7959-2.3-1")
@pytest.mark.parametrize("szx", [0, 3, 5])
def test_upload_goes_on_in_the_blocks_that_the_device_names(gw, szx):
    body = os.urandom(5000)
    r = Resource(gw.device(), szx=szx)
    assert fetch(Web(gw), r, method="PUT", body=body).status == 204 and r.bodies == [body]
    size = 16 << szx
    assert block1_of(r.seen[0]) == (0, True, 6)
    rest = range(1024 // size, (5000 + size - 1) // size)
    assert [block1_of(m) for m in r.seen[1:]] == [(i, i != rest[-1], szx) for i in rest]


@pytest.mark.covers("C8075-8.3-2", "C7959-2.5-2")
@pytest.mark.parametrize("hint, szx", [([], 5), ([(SIZE1, 200)], 3), ([(BLOCK1, coap.block(0, False, 2))], 2)],
                         ids=["none", "size1", "block1"])
def test_413_to_a_whole_body_is_tried_in_blocks(gw, hint, szx):
    body = os.urandom(1000)
    r = Resource(gw.device(), hook=lambda m: not m.has(BLOCK1) and (r.reply(m, TOO_LARGE, hint) or True))
    assert fetch(Web(gw), r, method="PUT", body=body).status == 204 and r.bodies == [body]
    assert block1_of(r.seen[0]) is None and block1_of(r.seen[1]) == (0, True, szx)


@pytest.mark.covers("C7959-2.5-2")
def test_413_with_a_smaller_size_is_tried_in_smaller_blocks(gw):
    body = os.urandom(3000)
    hint = [(BLOCK1, coap.block(0, True, 4))]
    r = Resource(gw.device(), hook=lambda m: block1_of(m)[2] > 4 and (r.reply(m, TOO_LARGE, hint) or True))
    assert fetch(Web(gw), r, method="PUT", body=body).status == 204 and r.bodies == [body]
    assert [block1_of(m) for m in r.seen] == [(0, True, 6)] + [(i, i < 11, 4) for i in range(12)]


@pytest.mark.covers("C8075-7-n11", "C7959-5-2")
@pytest.mark.parametrize("size", [500, 5000])
def test_413_to_blocks_is_413(gw, size):
    r = Resource(gw.device(), hook=lambda m: r.reply(m, TOO_LARGE, payload=b"4 kB") or True)
    answer = fetch(Web(gw), r, method="PUT", body=bytes(size))
    assert answer.status == 413 and answer.body == b"4 kB" and answer.get("connection") is None
    assert len(r.seen) == (2 if size == 500 else 1) and block1_of(r.seen[-1])[0] == 0


@pytest.mark.covers("S-27", "C8075-7-n10")
def test_408_begins_anew_from_the_first_block(gw):
    """The device lost a block: the whole body again, as another operation."""
    body = os.urandom(9000)
    r = Resource(gw.device(), hook=lambda m: len(r.seen) == 5 and (r.reply(m, INCOMPLETE) or True))
    assert fetch(Web(gw), r, method="PUT", body=body).status == 204 and r.bodies == [body]
    assert in_order(r) == [0, 1, 2, 3, 4] + list(range(9))
    assert r.seen[0].first(REQUEST_TAG) != r.seen[5].first(REQUEST_TAG) == r.seen[-1].first(REQUEST_TAG)


@pytest.mark.covers("S-27", "C8075-7-n10", "C7959-5-2")
@pytest.mark.parametrize("size, chunked", [(9000, False), (300 * KB, True)], ids=["again and again", "too late"])
def test_408_that_stays_is_no_fault_of_the_client(gw, size, chunked):
    """Neither what fails each time nor what cannot be begun anew is told as 408: the client was fast."""
    last = (size - 1) // KB
    r = Resource(gw.device(), hook=lambda m: block1_of(m)[0] == last and (r.reply(m, INCOMPLETE) or True))
    answer = fetch(Web(gw), r, method="PUT", body=bytes(size), chunked=chunked)
    assert answer.status in (500, 502) and not r.bodies
    assert in_order(r) == list(range(last + 1)) * (1 if chunked else 3)


# What is too long, and who is too slow


def test_body_above_the_limit_is_refused_at_once(gw):
    web, device = Web(gw), gw.device()
    web.send("PUT", device, fields=[("Content-Length", KB * KB + 1)])
    assert web.wait().status == 413
    device.quiet()


def test_chunked_body_is_refused_when_it_passes_the_limit(start):
    gw = gateway(start, 'body-limit = "20kB";')
    r = Resource(gw.device())
    web = Web(gw).send("PUT", r.device, fields=[("Transfer-Encoding", "chunked")])
    web.more(chunks(bytes(19 * KB), last=False))
    run(web, r, condition=lambda: len(r.seen) == 18)
    web.more(chunks(bytes(2 * KB), last=False))
    assert run(web, r).status == 413 and not r.bodies
    count = len(r.seen)
    assert in_order(r) == list(range(count))
    web.more(chunks(bytes(5 * KB)))
    assert fetch(web, r).status == 200 and in_order(r) == list(range(count)), "the rest is thrown away"


@pytest.mark.covers("S-27", "C7959-5-2")
def test_slow_sender_gets_408(gw):
    r = Resource(gw.device())
    web = Web(gw).send("PUT", r.device, fields=[("Content-Length", 10 * KB)])
    web.more(bytes(5000))
    run(web, r, condition=lambda: len(r.seen) == 4)
    for _ in range(3):  # as long as something comes he is not slow
        gw.advance(25_000)
        web.more(b"x")
        web.quiet()
    gw.advance(29_000)
    web.quiet()
    gw.advance(2_000)
    assert run(web, r).status == 408
    web.wait_end()
    assert len(r.seen) == 4 and not r.bodies


@pytest.mark.covers("S-27")
def test_408_of_the_device_for_a_slow_sender_is_answered_by_a_new_beginning(gw):
    """The device has given up the body meanwhile; its sender was within its time."""
    body = os.urandom(10 * KB)
    r = Resource(gw.device())
    web = Web(gw).send("PUT", r.device, fields=[("Content-Length", len(body))])
    web.more(body[:5000])
    run(web, r, condition=lambda: len(r.seen) == 4)
    r.parts.clear()
    gw.advance(20_000)
    web.more(body[5000:])
    assert run(web, r).status == 204 and r.bodies == [body]


def test_client_leaves_within_an_upload(gw):
    r = Resource(gw.device())
    web = Web(gw).send("PUT", r.device, fields=[("Content-Length", 10 * KB)])
    web.more(bytes(5000))
    run(web, r, condition=lambda: len(r.seen) == 4)
    web.close()
    gw.advance(60_000)
    r.serve()
    assert len(r.seen) == 4 and not r.bodies and gw.state()["exchanges"] == 0


def test_100_continue(gw):
    """The body is asked for when a device will get it, and not where it is refused."""
    body = os.urandom(3000)
    r = Resource(gw.device())
    web = Web(gw).send("PUT", r.device, fields=[("Content-Length", len(body)), ("Expect", "100-continue")])
    web.wait(lambda: web.interim)
    assert web.interim == [100] and not r.seen
    web.more(body)
    assert run(web, r).status == 204 and r.bodies == [body]
    web = Web(gw).send("PUT", r.device, fields=[("Content-Length", 2 * KB * KB), ("Expect", "100-continue")])
    assert web.wait().status == 413 and not web.interim
    web.wait_end()


# What is asked of the gateway itself


@pytest.mark.covers("S-17", "C8075-7-n5")
@pytest.mark.parametrize("size", [0, 100, 5000])
def test_echo_is_answered_by_the_gateway(gw, size):
    """A device that asks for proof of freshness at its first block, and takes no block without."""
    body, value = os.urandom(size), os.urandom(8)
    r = Resource(gw.device(), hook=lambda m: m.first(ECHO) != value and (r.reply(m, coap.code("4.01"), [(ECHO, value)]) or True))
    assert fetch(Web(gw), r, method="PUT", body=body).status == 204 and r.bodies == [body]
    assert not r.seen[0].has(ECHO) and all(m.all(ECHO) == [value] for m in r.seen[1:])


@pytest.mark.covers("S-17")
def test_echo_within_an_upload_is_answered_by_the_gateway(gw):
    body, value = os.urandom(8000), os.urandom(8)

    def hook(m):
        if block1_of(m)[0] < 4 or m.first(ECHO) == value:
            return False
        r.reply(m, coap.code("4.01"), [(ECHO, value)])
        return True

    r = Resource(gw.device(), hook=hook)
    assert fetch(Web(gw), r, method="PUT", body=body).status == 204 and r.bodies == [body]
    assert in_order(r) == [0, 1, 2, 3, 4, 4, 5, 6, 7]


@pytest.mark.covers("S-17")
def test_echo_that_is_never_enough_is_503(gw):
    r = Resource(gw.device(), hook=lambda m: r.reply(m, coap.code("4.01"), [(ECHO, os.urandom(8))]) or True)
    answer = fetch(Web(gw), r, method="PUT", body=b"on")
    assert answer.status == 503 and answer.get("retry-after") == "0"
    assert 1 < len(r.seen) < 5


@pytest.mark.covers("C7959-2.10-3")
def test_precondition_is_asked_with_the_first_block_alone(gw):
    r = Resource(gw.device())
    assert fetch(Web(gw), r, method="PUT", body=bytes(4000), fields=[("If-None-Match", "*")]).status == 204
    assert [m.has(IF_NONE_MATCH) for m in r.seen] == [True, False, False, False]


@pytest.mark.covers("C7959-2.4-3")
def test_two_clients_upload_to_one_resource_at_once(gw):
    bodies = [os.urandom(6000), os.urandom(6000)]
    r = Resource(gw.device())
    first, second = Web(gw), Web(gw)
    for web, body in zip((first, second), bodies):
        web.send("PUT", r.device, fields=[("Content-Length", 6000)])
        web.more(body[:3500])
    run(first, r, condition=lambda: len(r.seen) == 6)
    first.more(bodies[0][3500:])
    second.more(bodies[1][3500:])
    assert run(first, r).status == run(second, r).status == 204
    assert sorted(r.bodies) == sorted(bodies) and len({m.first(REQUEST_TAG) for m in r.seen}) == 2


@pytest.mark.covers("C8075-8.3-4")
def test_device_without_blocks_is_remembered(start):
    """It refuses each block option as critical; what fits in one message goes whole, from then on at once."""
    gw = gateway(start, sections='http: { block-threshold = "256B"; block-size = "512B"; };' + ONE_WORKER)
    body = os.urandom(900)
    r = Resource(gw.device(), hook=lambda m: (m.has(BLOCK1) or m.has(BLOCK2)) and (r.reply(m, BAD_OPTION) or True))
    for asked in (2, 1):
        del r.seen[:]
        assert fetch(Web(gw), r, method="PUT", body=body).status == 204 and r.bodies[-1] == body
        assert len(r.seen) == asked
    del r.seen[:]
    assert fetch(Web(gw), r, method="PUT", body=bytes(2000)).status == 413
    other = Resource(gw.device())
    assert fetch(Web(gw), other, method="PUT", body=body).status == 204 and block1_of(other.seen[0]) == (0, True, 5)
    gw.advance(3600_000)
    del r.seen[:]
    assert fetch(Web(gw), r, method="PUT", body=body).status == 204 and len(r.seen) == 2, "it may have learned them"


# OSCORE


@pytest.mark.covers("S-6", "S-7")
def test_oscore_message_larger_than_a_datagram_goes_in_outer_blocks(gw):
    """Both ways; the bytes are those that were sealed, and each block names its operation by the OSCORE option."""
    sealed, answer = os.urandom(5000), os.urandom(3000)
    r = Resource(gw.device(), answer, etag=None, options=[(OSCORE, b"\x01\x07")])
    fields = [("OSCORE", "CQUl"), ("Content-Type", "application/oscore")]
    got = fetch(Web(gw), r, method="POST", fields=fields, body=sealed, path="")
    assert got.status == 200 and got.body == answer and got.get("content-type") == "application/oscore" and got.get("oscore") == "AQc"
    assert r.bodies == [sealed] and in_order(r) == list(range(5))
    assert [block2_of(m) for m in r.seen[5:]] == [(1, False, 6), (2, False, 6)]
    assert {m.first(OSCORE) for m in r.seen} == {bytes.fromhex("090525")}
    assert not any(m.payload for m in r.seen[5:]) and all(m.code == coap.POST for m in r.seen)


@pytest.mark.covers("S-7")
def test_two_sealed_uploads_to_one_device_stay_apart(gw):
    sealed = [os.urandom(5000), os.urandom(5000)]
    r = Resource(gw.device(), b"ok", etag=None, options=[(OSCORE, b"")])
    webs = [Web(gw), Web(gw)]
    for web, option, body in zip(webs, ("CQUl", "CQYl"), sealed):
        web.send("POST", r.device, "", [("OSCORE", option), ("Content-Type", "application/oscore")], body)
    for web in webs:
        assert run(web, r).status == 200
    assert sorted(r.bodies) == sorted(sealed)
    tags = {(m.first(OSCORE), m.first(REQUEST_TAG)) for m in r.seen}
    assert len(tags) == 2 and len({t for _, t in tags}) == 2


# Answers


@pytest.mark.covers("C8075-8.3-1", "C7959-2.4-1")
@pytest.mark.parametrize("szx", [2, 6])
@pytest.mark.parametrize("size", [0, 1, 1024, 1025, 10 * KB, 200 * KB])
def test_download(gw, size, szx):
    r = Resource(gw.device(), os.urandom(size) if szx == 6 else os.urandom(size // 16), szx=szx)
    answer = fetch(Web(gw), r)
    assert answer.status == 200 and answer.body == r.body
    if len(r.body) > 16 << szx:
        assert answer.get("etag") == '"01"'
        assert [block2_of(m) for m in r.seen[1:]] == [(i, False, szx) for i in range(1, len(r.seen))]
    assert len(r.seen) == max(1, (len(r.body) + (16 << szx) - 1) >> szx + 4)


@pytest.mark.covers("C7252-10.2.3-1", "C8075-8.3-1")
@pytest.mark.parametrize("size", [50, 500, 5000])
def test_head_is_a_get_without_the_body(gw, size):
    r = Resource(gw.device(), os.urandom(size), size=size)
    web = Web(gw)
    answer = fetch(web, r, method="HEAD")
    assert answer.status == 200 and answer.get("etag") == '"01"' and answer.get("content-length") == str(size)
    assert [m.code for m in r.seen] == [coap.GET], "one small block is enough"
    r.size = 7
    answer = fetch(web, r)
    assert answer.body == r.body and answer.get("content-length") in (None, str(size)), "and nothing lies behind the head"


@pytest.mark.covers("C7959-2.7-1")
@pytest.mark.parametrize("code", [coap.POST, coap.FETCH], ids=["POST", "FETCH"])
def test_long_request_with_a_long_answer(gw, code):
    r = Resource(gw.device(), os.urandom(5000), code=coap.CONTENT)
    body = os.urandom(3000)
    answer = fetch(Web(gw), r, method="POST" if code == coap.POST else "FETCH", body=body, fields=[("Content-Type", "application/cbor")])
    assert answer.status == 200 and answer.body == r.body and r.bodies == [body]
    assert in_order(r) == [0, 1, 2] and [block2_of(m) for m in r.seen[3:]] == [(i, False, 6) for i in range(1, 5)]
    assert not any(m.has(BLOCK1) for m in r.seen[3:])


@pytest.mark.covers("C7959-2.4-2")
def test_resource_that_changes_before_anything_was_told_is_asked_for_again(gw):
    new = os.urandom(4000)

    def hook(m):
        if m.has(BLOCK2) and r.etag == b"\x01":
            r.body, r.etag = new, b"\x02"
        return False

    r = Resource(gw.device(), os.urandom(4000), hook=hook)
    answer = fetch(Web(gw), r)
    assert answer.status == 200 and answer.body == new and answer.get("etag") == '"02"'


@pytest.mark.covers("C7959-2.4-2")
@pytest.mark.parametrize("change", ["etag", "error", "silence"])
def test_answer_that_breaks_off_never_looks_whole(gw, change):
    def hook(m):
        if not m.has(BLOCK2) or block2_of(m)[0] < 4:
            return False
        if change == "etag":
            r.etag = b"\x02"
            return False
        if change == "error":
            r.reply(m, coap.code("4.04"))
        return True

    r = Resource(gw.device(), os.urandom(9000), hook=hook)
    before, web = gw.counters()["http_truncated"], Web(gw).send("GET", r.device, "cut-" + change)
    run(web, r, condition=lambda: len(r.seen) == 5)
    if change == "silence":
        gw.advance(100_000)
    answer = web.wait_end()
    assert answer.status == 200 and not answer.complete and answer.body == r.body[:len(answer.body)] != b""
    line, = [x for x in access_lines(gw) if x["target"].endswith("cut-" + change)]
    assert line["truncated"] is True and line["status"] == 200
    assert gw.counters()["http_truncated"] == before + 1


def test_whole_answers_are_not_logged_as_truncated(gw):
    r = Resource(gw.device(), os.urandom(3000))
    fetch(Web(gw), r, path="whole")
    line, = [x for x in access_lines(gw) if x["target"].endswith("/whole")]
    assert line["truncated"] is False and line["method"] == "GET" and line["code"] == "2.05" and line["response_bytes"] > 3000


@pytest.mark.covers("C7959-7-2")
def test_answer_above_the_limit_is_cut_off(start):
    gw = gateway(start, 'body-limit = "20kB";')
    r = Resource(gw.device(), os.urandom(30 * KB), size=1)
    web = Web(gw).send("GET", r.device)
    run(web, r, condition=lambda: web.ended)
    assert web.answer.status == 200 and not web.answer.complete and len(r.seen) == 20
    r = Resource(gw.device(), os.urandom(20_000))
    assert fetch(Web(gw), r).body == r.body


# Back-pressure


def test_stalled_reader_stops_the_transfer_at_the_device(gw):
    """The gateway holds no more than its share; it goes on with the reader."""
    r = Resource(gw.device(), os.urandom(900 * KB))
    web = Web(gw, receive=4096).send("GET", r.device)
    while r.serve():
        pass
    count = len(r.seen)
    assert count < 900 and count * KB - web.in_kernel() <= 66 * KB
    gw.advance(30_000)
    r.serve()
    assert len(r.seen) == count, "nothing is asked for that nobody takes"
    web.pull(1 << 16)
    run(web, r, condition=lambda: len(r.seen) > count)
    assert run(web, r).body == r.body


def test_stalled_reader_is_ended_after_its_time(gw):
    r = Resource(gw.device(), os.urandom(900 * KB))
    web = Web(gw, receive=4096).send("GET", r.device, "stalled")
    while r.serve():
        pass
    count = len(r.seen)

    def stalled():
        return [x for x in access_lines(gw) if x["target"].endswith("/stalled")]

    gw.advance(58_000)
    assert not stalled()
    stall_out(gw, stalled, 4_000)
    line, = stalled()
    assert line["truncated"] is True
    web.wait(lambda: web.ended)
    assert web.reset and not web.answer.complete
    r.serve()
    assert len(r.seen) == count and gw.state()["exchanges"] == 0


def test_client_leaves_within_a_download(gw):
    r = Resource(gw.device(), os.urandom(100 * KB))
    web = Web(gw).send("GET", r.device)
    for _ in range(4):
        r.serve()
    web.close()
    gw.settle()
    r.serve()
    count = len(r.seen)
    gw.advance(60_000)
    r.serve()
    assert len(r.seen) == count < 10 and gw.state()["exchanges"] == 0


def test_slow_device_stops_the_sender(gw):
    """Of an upload that nobody takes no more than its share is read."""
    device = gw.device()
    web = Web(gw)
    web.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    web.send("PUT", device, fields=[("Content-Length", 900 * KB)])
    web.unsent = bytes(900 * KB)
    while web.push():
        gw.settle()
    assert len(web.unsent) > 0
    gw.advance(60_000)  # it is not the client who is slow
    web.quiet()
