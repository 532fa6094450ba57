"""Behind a balancer: whose word about a client's address is believed (RFC 7239, X-Forwarded-For); a client has no say in it.

The route is for clients of 10.9/16, and only 127.0.0.1 and 127.0.0.2 are trusted: 200 says that the gateway took the request for one of
these clients, 404 that it did not, 400 that it would not say.
"""

import pytest
from harness import ANYBODY
from http_client import WebPair

WEB = 'trusted-proxies = ["127.0.0.1/32", "127.0.0.2/32"];'
ROUTES = 'r: { %s http-path = "/hc/{+tu}"; clients = ["10.9.0.0/16"]; forward-to = ["coap://127.0.0.0/8:*"]; };' % ANYBODY
INSIDE, OUTSIDE = "10.9.1.1", "192.0.2.1"
CASES = [
    # what a proxy wrote
    ([], 404),
    ([("X-Forwarded-For", INSIDE)], 200),
    ([("X-Forwarded-For", OUTSIDE)], 404),
    ([("Forwarded", "for=" + INSIDE)], 200),
    ([("Forwarded", "proto=http; For=\"%s:4711\"; by=_us" % INSIDE)], 200),
    ([("X-Forwarded-For", INSIDE + ":4711")], 200),
    ([("X-Forwarded-For", INSIDE + ", 127.0.0.2")], 200),
    ([("Forwarded", "for=%s, for=127.0.0.2" % INSIDE)], 200),
    ([("X-Forwarded-For", INSIDE), ("X-Forwarded-For", "127.0.0.2")], 200),
    ([("Forwarded", "for=%s" % INSIDE), ("X-Forwarded-For", INSIDE)], 200),
    # what a client had written before
    ([("X-Forwarded-For", "%s, %s" % (INSIDE, OUTSIDE))], 404),
    ([("X-Forwarded-For", INSIDE), ("X-Forwarded-For", OUTSIDE)], 404),
    ([("Forwarded", "for=%s, for=%s" % (INSIDE, OUTSIDE))], 404),
    ([("X-Forwarded-For", ", ".join([INSIDE] * 64 + [OUTSIDE]))], 404),
    ([("X-Forwarded-For", ", ".join([INSIDE] * 200 + [OUTSIDE]))], 404),
    ([("Forwarded", ", ".join(["for=" + INSIDE] * 64 + ["for=" + OUTSIDE]))], 404),
    ([("X-Forwarded-For", ", ".join([INSIDE] + ["127.0.0.2"] * 64))], 404),
    ([("X-Forwarded-For", '", %s' % OUTSIDE)], 404),
    ([("X-Forwarded-For", '"%s, %s' % (INSIDE, OUTSIDE))], 404),
    # the field that the proxy passes on as it is
    ([("Forwarded", "for=" + INSIDE), ("X-Forwarded-For", OUTSIDE)], 400),
    ([("Forwarded", "for=" + OUTSIDE), ("X-Forwarded-For", INSIDE)], 400),
    ([("Forwarded", ""), ("X-Forwarded-For", INSIDE)], 400),
    ([("Forwarded", "for=unknown"), ("X-Forwarded-For", INSIDE)], 400),
    # a string that would take in what the proxy appends
    ([("Forwarded", 'for="%s, for=%s' % (INSIDE, OUTSIDE))], 400),
    ([("Forwarded", 'for=%s;by="\\", for=%s' % (INSIDE, OUTSIDE))], 400),
    # nothing that can be read
    ([("X-Forwarded-For", "unknown")], 404),
    ([("X-Forwarded-For", "10.9.1.1.1")], 404),
    ([("X-Forwarded-For", "[%s]" % INSIDE)], 404),
    ([("X-Forwarded-For", INSIDE + ":x")], 404),
    ([("X-Forwarded-For", INSIDE + ":")], 404),
    ([("Forwarded", 'for="[::ffff:%s]:_x"' % INSIDE)], 404),
    ([("X-Forwarded-For", "")], 404),
    ([("Forwarded", "for=_10.9.1.1")], 404),
    ([("Forwarded", 'by="for=%s"' % INSIDE)], 404),
    ([("Forwarded", "host=x;for=")], 404),
]


def status(pair, fields):
    pair.send(fields=fields)
    came = pair.device.pending()
    answer = pair.answer(came[0]) if came else pair.client.recv()
    assert bool(came) == (answer.status == 200)
    return answer.status


@pytest.mark.covers("C8075-10-2")
def test_what_a_trusted_proxy_says(gateway):
    pair = WebPair(gateway)
    for fields, expected in CASES:
        assert status(pair, fields) == expected, fields


@pytest.mark.covers("C8075-10-2")
@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For"])
def test_nobody_else_is_believed(gateway, name):
    pair = WebPair(gateway, host="127.0.0.3")
    assert status(pair, [(name, ("for=" if name == "Forwarded" else "") + INSIDE)]) == 404
