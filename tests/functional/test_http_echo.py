"""Devices that ask whether a request is fresh (RFC 9175 2.3), behind HTTP: the gateway answers for what came first over a connection, and for
what does no harm twice; other clients are told to come again at once, over a new one. Seam S-17."""

import http.client

import coap
import pytest
from answering import AnsweringDevice
from coap import ACK, ECHO, Message
from harness import free_port

UNAUTHORIZED = coap.code("4.01")
ANSWERED = 10  # seconds of real time in which an answer comes
VALUE = b"\x01\x02\x03"


class Doubter(AnsweringDevice):
    """A device that does nothing without an Echo value of its own; `never`: not even with one."""

    never = False

    def answer(self, request, source):
        value = request.first(ECHO)
        self.seen.append((request.code, value, request.payload))
        if value == VALUE and not self.never:
            code, options = (coap.CONTENT if request.code == coap.GET else coap.CHANGED), ()
        else:
            code, options = UNAUTHORIZED, [(ECHO, VALUE)]
        payload = b"done" if code == coap.CONTENT else b""
        return Message(code, ACK, request.mid, request.token, options=options, payload=payload).encode()


@pytest.fixture
def doubter():
    d = Doubter()
    yield d
    d.stop()


@pytest.fixture
def web(start, doubter):
    """A connection to a gateway in front of the device."""
    port = free_port()
    route = 'd: { from = ["web"]; http-path = "/d"; to = ["coap://%s:%d/d"]; authenticate = "none"; };' % doubter.socket.getsockname()
    start(routes=route, listeners='web: { url = "http://127.0.0.1:%d"; };' % port)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWERED)
    yield connection
    connection.close()


def ask(web, method, body=None):
    web.request(method, "/d", body=body, headers={"Content-Type": "application/octet-stream"} if body else {})
    answer = web.getresponse()
    answer.read()
    return answer


@pytest.mark.covers("S-17", "C9175-2.3-4")
@pytest.mark.parametrize("method, code", [("PUT", coap.PUT), ("POST", coap.POST)])
def test_the_first_request_of_a_connection_is_repeated_with_the_value(web, doubter, method, code):
    assert ask(web, method, b"on").status in (200, 204)
    assert doubter.seen == [(code, None, b"on"), (code, VALUE, b"on")]


@pytest.mark.covers("S-17", "C9175-2.3-4")
def test_a_later_one_is_repeated_only_if_it_is_safe(web, doubter):
    assert ask(web, "GET").status == 200
    assert ask(web, "GET").status == 200
    assert [value for _, value, _ in doubter.seen] == [None, VALUE, None, VALUE]
    del doubter.seen[:]
    refused = ask(web, "PUT", b"on")
    assert refused.status == 503 and refused.getheader("Retry-After") == "0" and refused.getheader("Connection") == "close"
    assert doubter.seen == [(coap.PUT, None, b"on")]
    del doubter.seen[:]
    assert ask(web, "PUT", b"on").status in (200, 204)  # over a new connection: so it is told
    assert doubter.seen == [(coap.PUT, None, b"on"), (coap.PUT, VALUE, b"on")]


@pytest.mark.covers("S-17")
def test_a_device_that_is_never_content_ends_in_503(web, doubter):
    doubter.never = True
    refused = ask(web, "PUT", b"on")
    assert refused.status == 503 and refused.getheader("Retry-After") == "0"
    assert len(doubter.seen) == 3
