"""OSCORE messages of HTTP clients (RFC 8613 11.1, 11.3, 11.5; conformance 10.10, seams S-7 to S-13, S-23, S-25, S-36, S-40).

Nothing here has a key: option and payload are any bytes, and have to arrive.
"""

import base64
import pathlib
import re
import select
import socket
import time

import pytest

import coap
from coap import BLOCK1, BLOCK2, CONTENT_FORMAT, ECHO, HOP_LIMIT, MAX_AGE, OSCORE, URI_HOST, URI_PATH, URI_PORT
from harness import Proxy, free_port

HERE = pathlib.Path(__file__).resolve().parent
OPTION, PAYLOAD = bytes.fromhex("0925"), bytes.fromhex("0907011361f70fd297b1")  # RFC 8613 11.5
ANSWER = bytes.fromhex("0031d1fcf670fb0c1dd5")
TYPE = ("Content-Type", "application/oscore")
FIELD = ("OSCORE", "CSU")
TEXT = "text/plain;charset=utf-8"
REAL_TIME = 5  # seconds that bytes of a connection may take

ROUTES = """
  example: { from = ["web"]; http-path = "/hc?target_uri={+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; %(open)s };
  legacy: { from = ["web"]; http-path = "/legacy/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; legacy-header = true; %(open)s };
  strict: { from = ["web"]; http-path = "/strict/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; require = ["oscore"]; %(open)s };
  formats: { from = ["web"]; http-path = "/formats/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; coap-payload = true; %(open)s };
  hc: { from = ["web"]; http-path = "/hc/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; %(open)s };
""" % {"open": 'allow-networks = ["127.0.0.0/8"]; authenticate = "none";'}


class Answer:
    def __init__(self, head, body):
        first, *lines = head.split("\r\n")
        self.status, self.body, self.fields = int(first.split(" ")[1]), body, []
        for line in lines:
            name, _, value = line.partition(":")
            self.fields.append((name.lower(), value.strip()))

    def field(self, name):
        values = [v for n, v in self.fields if n == name.lower()]
        assert len(values) < 2, self.fields
        return values[0] if values else None


class Client:
    """A connection of HTTP to the gateway; `device` is who its requests are for."""

    def __init__(self, proxy, space="/hc/"):
        self.proxy, self.space, self.device = proxy, space, proxy.device()
        self.socket = socket.create_connection(("127.0.0.1", proxy.web), REAL_TIME)
        self.buffer = b""

    def say(self, data):
        self.socket.sendall(data)
        self.proxy.settle()

    def head(self, method="POST", fields=(FIELD, TYPE), target=None, path=""):
        target = self.space + self.device.url + path if target is None else target
        return "".join(["%s %s HTTP/1.1\r\nHost: gw.example\r\n" % (method, target)] + ["%s: %s\r\n" % f for f in fields]).encode("latin-1")

    def send(self, method="POST", fields=(FIELD, TYPE), body=PAYLOAD, **target):
        length = b"Content-Length: %d\r\n" % len(body) if body is not None else b""
        self.say(self.head(method, fields, **target) + length + b"\r\n" + (body or b""))

    def forward(self, *args, **kw):
        """Sends a request; returns what the device got."""
        self.send(*args, **kw)
        return self.device.recv()

    def _until(self, ended):
        until = time.monotonic() + REAL_TIME
        while not ended():
            if not select.select([self.socket], [], [], 0.02)[0]:
                self.proxy.settle()
                assert time.monotonic() < until, "no answer, only %r\n%s" % (self.buffer, self.proxy.explain())
                continue
            data = self.socket.recv(65536)
            assert data, "closed, and %r was all" % self.buffer
            self.buffer += data

    def hear_head(self):
        self._until(lambda: b"\r\n\r\n" in self.buffer)
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head.decode("latin-1")

    def take(self, length):
        self._until(lambda: len(self.buffer) >= length)
        taken, self.buffer = self.buffer[:length], self.buffer[length:]
        return taken

    def _chunks(self):
        while True:
            self._until(lambda: b"\r\n" in self.buffer)
            size, _, self.buffer = self.buffer.partition(b"\r\n")
            yield self.take(int(size, 16))
            assert self.take(2) == b"\r\n"
            if int(size, 16) == 0:
                return

    def hear(self, to="POST"):
        answer = Answer(self.hear_head(), b"")
        if answer.field("Transfer-Encoding") == "chunked":
            answer.body = b"".join(self._chunks())
            return answer
        length = 0 if to == "HEAD" or answer.status in (204, 304) else int(answer.field("Content-Length"))
        answer.body = self.take(length)
        return answer

    def refused(self, *args, status, **kw):
        """Sends what must not reach the device; the refusal says why and has nothing of OSCORE. The connection goes on."""
        self.send(*args, **kw)
        answer = self.hear(*args[:1])
        assert answer.status in ((status,) if isinstance(status, int) else status), (answer.status, answer.body)
        assert answer.field("OSCORE") is None and answer.field("Object-Security") is None
        assert answer.field("Content-Type") == TEXT and (answer.body or args[:1] == ("HEAD",))
        self.device.quiet()
        return answer


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    port = free_port()
    p = Proxy(tmp_path_factory.mktemp("oscore"), routes=ROUTES, listeners='web: { url = "http://127.0.0.1:%d"; };' % port)
    p.web = port
    yield p
    p.stop()


@pytest.fixture
def connect(gateway):
    opened = []

    def connection(space="/hc/"):
        opened.append(Client(gateway, space))
        return opened[-1]

    yield connection
    for c in opened:
        c.socket.close()
    gateway.close_peers()
    gateway.check()


@pytest.fixture
def client(connect):
    return connect()


def sealed(answer, option="AA", body=ANSWER, name="OSCORE"):
    """Asserts that it is the OSCORE message, whole, for no cache."""
    assert (answer.status, answer.field(name), answer.body) == (200, option, body)
    assert answer.field("Content-Type") == "application/oscore" and answer.field("Content-Encoding") is None
    assert "no-store" in answer.field("Cache-Control")
    assert answer.field("ETag") is None and answer.field("Location") is None


def relayed(client, up, option=b"\x09\x25", payload=PAYLOAD):
    """Asserts that the device got option and payload as they were, and nothing else that means anything."""
    assert (up.code, up.all(OSCORE), up.payload) == (coap.POST, [option], payload)
    assert up.without(OSCORE, HOP_LIMIT) == []


# ---- the example ----


@pytest.mark.covers("C8613-11.5-1", "C8613-11.3-1", "C8613-11.3-2", "C8613-11.1-1")
@pytest.mark.parametrize("tail", ["", "/"])
def test_the_example_of_the_rfc(client, tail):
    up = client.forward(target="/hc?target_uri=" + client.device.url + tail)
    relayed(client, up)
    client.device.piggyback(up, coap.CHANGED, [(OSCORE, b"")], ANSWER)
    sealed(client.hear())


@pytest.mark.covers("C8613-11.4-1", "S-33", "S-40")
def test_other_fields_mean_nothing_inside(client):
    """What maps to an option of a plain request would be no part of what the client protected."""
    fields = [FIELD, TYPE, ("Accept", "application/cbor"), ("If-Match", '"0a"'), ("If-None-Match", '"0b"'), ("Range", "bytes=0-3"),
              ("Accept-Encoding", "gzip, deflate"), ("Prefer", "wait=5"), ("Cookie", "a=b"), ("Cache-Control", "max-age=0")]
    up = client.forward(fields=fields)
    relayed(client, up)
    client.device.piggyback(up, coap.CHANGED, [(OSCORE, b"")], ANSWER * 40)
    answer = client.hear()
    sealed(answer, body=ANSWER * 40)
    assert answer.field("Content-Range") is None


@pytest.mark.covers("S-23")
def test_a_path_outside_is_the_senders_affair(client):
    """The server discards it (RFC 8613 4.1.3.2); the gateway has no ground to."""
    up = client.forward(path="/a/b?c")
    assert up.all(OSCORE) == [OPTION] and up.payload == PAYLOAD
    assert set(up.without(OSCORE, HOP_LIMIT)) <= {(URI_PATH, b"a"), (URI_PATH, b"b"), (coap.URI_QUERY, b"c")}


@pytest.mark.covers("S-40")
def test_expect_is_answered_before_the_body_comes(client):
    client.say(client.head(fields=[FIELD, TYPE, ("Expect", "100-continue"), ("Content-Length", len(PAYLOAD))]) + b"\r\n")
    assert client.hear_head().startswith("HTTP/1.1 100 ")
    client.say(PAYLOAD)
    up = client.device.recv()
    relayed(client, up)
    client.device.piggyback(up, coap.CHANGED, [(OSCORE, b"")], ANSWER)
    sealed(client.hear())


def test_a_chunked_body(client):
    chunks = b"4\r\n" + PAYLOAD[:4] + b"\r\n6;x=y\r\n" + PAYLOAD[4:] + b"\r\n0\r\n\r\n"
    client.say(client.head(fields=[FIELD, TYPE, ("Transfer-Encoding", "chunked")]) + b"\r\n" + chunks)
    relayed(client, client.device.recv())


# ---- neither plain nor OSCORE ----

CBOR, NO_TYPE = ("Content-Type", "application/cbor"), ("X", "y")


@pytest.mark.covers("S-8", "C8613-11.3-3", "C8613-11.3-2")
@pytest.mark.parametrize("fields,status", [
    ((FIELD,), (400, 415)), ((FIELD, CBOR), 415), ((TYPE,), (400, 415)), ((FIELD, TYPE, CBOR), (400, 415)), ((TYPE, TYPE), (400, 415)),
    ((FIELD, TYPE, TYPE), (400, 415))])
@pytest.mark.parametrize("space", ["/hc/", "/strict/", "/legacy/", "/formats/"])
def test_half_a_message_is_refused(connect, space, fields, status):
    connect(space).refused(fields=fields, status=status)


@pytest.mark.covers("S-8", "C8613-11.3-2")
def test_a_plain_post_is_a_plain_post(client):
    up = client.forward(fields=[CBOR])
    assert up.all(OSCORE) == [] and up.first(CONTENT_FORMAT) == b"\x3c" and up.payload == PAYLOAD


@pytest.mark.covers("C8613-11.3-2", "S-8", "C8075-6.2-4")
@pytest.mark.parametrize("fields,number", [((), 10001), ((FIELD,), 10001), ((FIELD,), 60)])
def test_the_format_of_oscore_has_no_number(connect, fields, number):
    fields = [*fields, ("Content-Type", "application/coap-payload;cf=%d" % number)]
    connect("/formats/").refused(fields=fields, status=(400, 415))


@pytest.mark.covers("C8613-11.1-1")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "FETCH", "post"])
@pytest.mark.parametrize("fields", [(FIELD, TYPE), (FIELD,)])
def test_only_post_carries_oscore(client, method, fields):
    client.refused(method, fields, body=PAYLOAD if method not in ("GET", "HEAD", "DELETE") else None, status=(400, 415, 501))


@pytest.mark.covers("C8613-11.1-2", "S-9")
@pytest.mark.parametrize("text", [
    "", "A", "AA==", "CSU=", "C+U", "C/U", "C SU", "C\tSU", "CSUAA", "CSV", "AB", "CSU, CSU", "CSU,", '"CSU"', "CSU;q=1", "C%53U",
    "CS\u00dc", "CSU.", "A" * 341, "A" * 342, "A" * 344, "A" * 4000])
def test_what_is_no_base64url_is_refused(client, text):
    client.refused(fields=[("OSCORE", text), TYPE], status=(400, 431))


@pytest.mark.covers("C8613-11.1-2", "C8613-11.1-3", "S-9")
@pytest.mark.parametrize("fields", [(FIELD, FIELD, TYPE), (FIELD, ("oscore", "CQA"), TYPE), (FIELD, TYPE, ("Connection", "OSCORE")),
                                    (FIELD, TYPE, ("Connection", "keep-alive, oscore"))])
def test_one_field_and_end_to_end(client, fields):
    client.refused(fields=fields, status=400)


@pytest.mark.covers("C8613-11.1-2")
def test_a_trailer_is_no_header(client):
    body = b"a\r\n" + PAYLOAD + b"\r\n0\r\nOSCORE: CSU\r\n\r\n"
    client.say(client.head(fields=[TYPE, ("Transfer-Encoding", "chunked")]) + b"\r\n" + body)
    assert client.hear().status in (400, 415)
    client.device.quiet()


@pytest.mark.parametrize("chunked", [False, True])
def test_without_content_it_is_none(client, chunked):
    fields = [FIELD, TYPE] + [("Transfer-Encoding", "chunked") if chunked else ("Content-Length", 0)]
    client.say(client.head(fields=fields) + b"\r\n" + (b"0\r\n\r\n" if chunked else b""))
    assert client.hear().status == 400
    client.device.quiet()


@pytest.mark.covers("S-40")
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip"])
def test_no_content_coding(client, coding):
    client.refused(fields=[FIELD, TYPE, ("Content-Encoding", coding)], status=415)


def test_the_type_as_types_are_compared(client):
    relayed(client, client.forward(fields=[("oscore", "CSU"), ("content-type", "Application/OSCORE; x=y")]))


# ---- the text of the option ----

CASES = re.findall(r'^\t\t"([0-9a-f]*)",$', (HERE.parent / "data" / "oscore-option-cases.h").read_text(), re.M)
assert len(CASES) > 30
TEXTS = {v: base64.urlsafe_b64encode(bytes.fromhex(v)).rstrip(b"=").decode() for v in CASES if v not in ("", "00") and len(v) <= 510}
TEXTS.update([("", "AA"), ("0925", "CSU"), ("0914", "CRQ"), ("091400", "CRQA"), ("0100", "AQA"), ("0900", "CQA"), ("09fbff", "Cfv_"),
              ("0dffffffffff00", "Df______AA"), ("ff" * 255, "_" * 340), ("8901052502", "iQEFJQI"), ("06", "Bg"), ("0000", "AAA"),
              ("19140837cbf3210017a2d3", "GRQIN8vzIQAXotM")])


@pytest.mark.covers("C8613-11.3-1", "C8613-11.2-1", "S-9", "S-24", "C8613-11.5-1")
@pytest.mark.parametrize("option,text", TEXTS.items())
def test_texts_and_options(client, option, text):
    """The same both ways, sound or not: an endpoint judges that."""
    option = bytes.fromhex(option)
    up = client.forward(fields=[("OSCORE", text), TYPE])
    relayed(client, up, option)
    client.device.piggyback(up, coap.CHANGED, [(OSCORE, option)], ANSWER)
    sealed(client.hear(), text)


# ---- answers ----


@pytest.mark.covers("S-10", "S-12", "C8613-11.5-1")
@pytest.mark.parametrize("code", [coap.CHANGED, coap.CONTENT])
@pytest.mark.parametrize("options", [
    (), ((MAX_AGE, 0),), ((MAX_AGE, 600),), ((coap.ETAG, b"\x0a"), (CONTENT_FORMAT, 50), (coap.LOCATION_PATH, "x"))])
def test_answers_are_200_and_for_no_cache(client, code, options):
    up = client.forward()
    client.device.piggyback(up, code, [(OSCORE, b"\x01\x07"), *options], ANSWER)
    sealed(client.hear(), "AQc")


@pytest.mark.covers("S-9", "C8613-11.1-1", "S-10")
@pytest.mark.parametrize("code,options,payload", [
    (coap.CHANGED, [(OSCORE, b"\0")], ANSWER),              # its text means the empty option
    (coap.CHANGED, [(OSCORE, b"")], b""),                   # no message
    (coap.CREATED, [(OSCORE, b"")], ANSWER),                # no code of one
    (coap.code("4.04"), [(OSCORE, b"")], ANSWER),
    (coap.CHANGED, [(OSCORE, b""), (2049, b"x")], ANSWER),  # critical, and not understood
    (coap.CHANGED, [(OSCORE, b""), (coap.EDHOC, b"")], ANSWER)])
def test_answers_that_http_cannot_carry(client, code, options, payload):
    up = client.forward()
    client.device.piggyback(up, code, options, payload)
    answer = client.hear()
    assert (answer.status, answer.field("OSCORE")) == (502, None)
    assert ANSWER not in answer.body


@pytest.mark.covers("C8613-11.1-1", "S-8")
def test_an_oscore_answer_to_a_plain_request_is_none(client):
    up = client.forward(fields=[CBOR])
    client.device.piggyback(up, coap.CHANGED, [(OSCORE, b"")], ANSWER)
    answer = client.hear()
    assert (answer.status, answer.field("OSCORE")) == (502, None)


@pytest.mark.covers("C8613-11-7", "S-11", "S-12")
@pytest.mark.parametrize("code,status", [("4.00", 400), ("4.01", 403), ("4.02", 400), ("4.03", 403), ("4.04", 404), ("4.13", 413),
                                         ("5.00", 500), ("5.01", 501), ("5.02", 502), ("5.03", 503), ("5.04", 504)])
@pytest.mark.parametrize("options", [(), ((MAX_AGE, 0),), ((MAX_AGE, 600),)])
def test_errors_outside_of_oscore(client, code, status, options):
    """4.02 is about the option, which a field of the client's brought."""
    up = client.forward()
    client.device.piggyback(up, coap.code(code), options, b"why \r\nnot")
    answer = client.hear()
    assert (answer.status, answer.body, answer.field("Content-Type")) == (status, b"why \r\nnot", TEXT)
    assert answer.field("OSCORE") is None and "no-store" in answer.field("Cache-Control")
    if code == "5.03":
        assert answer.field("Retry-After") == (str(options[0][1]) if options else None)


@pytest.mark.covers("S-11")
@pytest.mark.parametrize("max_age,fresh", [(0, ("no-store", "max-age=0")), (None, ("max-age=60",)), (7, ("max-age=7",))])
def test_max_age_of_plain_answers(client, max_age, fresh):
    """0 is not the same as none."""
    up = client.forward("GET", [("Accept", "*/*")], None)
    client.device.piggyback(up, coap.code("4.04"), [] if max_age is None else [(MAX_AGE, max_age)], b"none")
    assert client.hear().field("Cache-Control") in fresh


@pytest.mark.covers("S-13", "S-16")
def test_a_challenge_outside_does_not_make_the_message_come_twice(client):
    up = client.forward()
    client.device.piggyback(up, coap.code("4.01"), [(ECHO, b"\1\2\3")])
    assert client.hear().status in (403, 503)
    client.device.quiet()


@pytest.mark.covers("S-13")
def test_a_lost_answer_is_no_second_message(client):
    """The message layer repeats what may be lost, under one Message ID, and then it is 504."""
    up = client.forward()
    client.proxy.advance(120_000)
    assert {(m.mid, m.token, m.payload) for m in client.device.pending()} == {(up.mid, up.token, up.payload)}
    client.proxy.advance(600_000)
    assert client.hear().status == 504
    assert len(client.device.distinct()) == 1


@pytest.mark.covers("S-12")
def test_equal_messages_all_arrive(connect):
    """No cache, no joining: which copy is a replay is for the server to say."""
    first = connect()
    for i in range(2):
        up = first.forward()
        relayed(first, up)
        first.device.piggyback(up, coap.CHANGED, [(OSCORE, b"")], b"%d" % i)
        sealed(first.hear(), body=b"%d" % i)
    second = connect()
    second.device = first.device
    first.send()
    second.send()
    both = [first.device.recv(), first.device.recv()]
    assert both[0].token != both[1].token and both[0].payload == both[1].payload
    for i, up in enumerate(both):
        first.device.piggyback(up, coap.CHANGED, [(OSCORE, b"")], b"%d" % i)
    sealed(first.hear(), body=b"0")
    sealed(second.hear(), body=b"1")


# ---- routes ----


@pytest.mark.covers("C8613-11.1-1")
def test_the_name_of_the_drafts(connect):
    """Taken where a route has legacy-header, and answered in kind; elsewhere it is any unknown field, so the type is alone."""
    old, new = ("Object-Security", "CSU"), FIELD
    client = connect("/legacy/")
    for field in (old, new):
        up = client.forward(fields=[field, TYPE])
        relayed(client, up)
        client.device.piggyback(up, coap.CHANGED, [(OSCORE, b"")], ANSWER)
        answer = client.hear()
        sealed(answer, name=field[0])
        assert answer.field(new[0] if field == old else old[0]) is None
    client.refused(fields=[old, new, TYPE], status=400)
    client.refused(fields=[old], status=(400, 415))
    for space in ("/hc/", "/strict/"):
        connect(space).refused(fields=[old, TYPE], status=(400, 403, 415))
    up = connect("/hc/").forward(fields=[old, CBOR])
    assert up.all(OSCORE) == []


@pytest.mark.covers("S-36")
def test_a_route_may_require_oscore(connect):
    client = connect("/strict/")
    relayed(client, client.forward())
    client = connect("/strict/")
    for method, fields, body in [("GET", (), None), ("POST", (CBOR,), PAYLOAD), ("PUT", (CBOR,), PAYLOAD), ("DELETE", (), None)]:
        client.refused(method, fields, body, status=403)
    client.refused(fields=[TYPE], status=(400, 403, 415))
    client.refused(fields=[FIELD], status=(400, 403, 415))


# ---- messages in outer blocks ----


def upload(client, first):
    """Takes all blocks of a message; returns it and the last request."""
    body, up = b"", first
    while True:
        number, more, szx = coap.block_parts(up.first(BLOCK1))
        assert number * (16 << szx) == len(body) and up.all(OSCORE) == [OPTION] and up.code == coap.POST
        body += up.payload
        if not more:
            return body, up
        client.device.piggyback(up, coap.CONTINUE, [(BLOCK1, up.first(BLOCK1))])
        up = client.device.recv()


@pytest.mark.covers("S-6", "C8613-11.3-2")
def test_large_messages_are_cut_outside(client):
    """Every outer block carries the option (RFC 8613 4.1.3.4.2), and the follow-ups of an answer no payload."""
    message, answer = bytes(range(256)) * 20, bytes(range(255, -1, -1)) * 12
    body, last = upload(client, client.forward(body=message))
    assert body == message
    assert {n for n, _ in last.without(BLOCK1, OSCORE, HOP_LIMIT)} <= {coap.SIZE1, coap.REQUEST_TAG, BLOCK2}
    number, up, options = 0, last, [(BLOCK1, last.first(BLOCK1))]
    while True:
        piece = answer[number * 1024:][:1024]
        more = (number + 1) * 1024 < len(answer)
        client.device.piggyback(up, coap.CHANGED, options + [(OSCORE, b""), (BLOCK2, coap.block(number, more, 6))], piece)
        if not more:
            break
        number, up, options = number + 1, client.device.recv(), []
        assert coap.block_parts(up.first(BLOCK2)) == (number, False, 6)
        assert up.all(OSCORE) == [OPTION] and up.payload == b"" and up.code == coap.POST
    sealed(client.hear(), body=answer)


@pytest.mark.covers("S-7")
def test_messages_in_outer_blocks_do_not_mix(connect):
    """Two at once to one server have one URI and one method: a Request-Tag tells them apart, or one waits for the other."""
    first, second = connect(), connect()
    second.device = first.device
    first.send(body=b"1" * 3000)
    second.send(body=b"2" * 3000)
    bodies = {}  # by Request-Tag
    while waiting := first.device.pending():
        for up in waiting:
            tag, (number, more, szx) = up.first(coap.REQUEST_TAG), coap.block_parts(up.first(BLOCK1))
            assert len(bodies.setdefault(tag, b"")) == number * (16 << szx)
            bodies[tag] += up.payload
            answer = (coap.CONTINUE, []) if more else (coap.CHANGED, [(OSCORE, b"")])
            first.device.piggyback(up, answer[0], [(BLOCK1, up.first(BLOCK1)), *answer[1]], b"" if more else ANSWER)
    assert sorted(bodies.values()) == [b"1" * 3000, b"2" * 3000]
    sealed(first.hear())
    sealed(second.hear())


# ---- EDHOC ----


@pytest.mark.covers("S-25")
def test_edhoc_is_no_oscore(client):
    """Its messages are POSTs with a type of their own, which pass as any; the EDHOC option has no field, and no client can ask for it."""
    up = client.forward(fields=[("Content-Type", "application/cid-edhoc+cbor-seq"), ("EDHOC", "AA")], path="/.well-known/edhoc")
    assert up.first(CONTENT_FORMAT) == coap.uint(65) and not up.has(coap.EDHOC) and up.all(OSCORE) == []
    assert up.all(URI_PATH) == [b".well-known", b"edhoc"] and not up.has(URI_HOST) and not up.has(URI_PORT)
