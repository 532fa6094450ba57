"""Who may ask over HTTP: tokens and passwords (RFC 6750, RFC 7617), and what becomes of that when the file of them changes."""

import base64
import hashlib

import coap
import pytest
from harness import WORKERS
from http_bodies import Stream, Web, web_listener
from house import Configured
from http_client import WebPair

ROUTE = """
  web: { from = ["web"]; http-path = "/hc/{+tu}"; forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; %s };
"""


def line(kind, name, secret):
    return "%s %s %s\n" % (kind, name, hashlib.sha256(secret.encode()).hexdigest())


def bearer(token):
    return ("Authorization", "Bearer " + token)


def basic(name, password):
    return ("Authorization", "Basic " + base64.b64encode(("%s:%s" % (name, password)).encode()).decode())

ALICE, BOB = line("bearer", "alice", "t0ken-of.alice~"), line("basic", "bob", "pass:word")


class Gate:
    """A gateway with a file of credentials."""

    def __init__(self, start, tmp_path, text, route="", web="", sections=""):
        self.file = tmp_path / "credentials"
        self.file.write_text(text)
        self.file.chmod(0o600)
        section = 'http: { credentials = "%s"; };\n' % self.file + sections
        self.proxy = start(routes=ROUTE % route, sections=section, web=web)
        self.proxy.web = self.proxy.web_address
        listeners = 'coap: { url = "coap://127.0.0.1:%d"; }; %s' % (self.proxy.port, web_listener(*self.proxy.web_address))
        self.conf = Configured(self.proxy, ROUTE % route, section, listeners, '\nprocess: { workers = %d; user = ""; };\n' % WORKERS)

    def change(self, text):
        self.file.write_text(text)
        self.conf.change()


@pytest.mark.covers("C8075-10-2")
def test_what_proves_a_name(start, tmp_path):
    gate = Gate(start, tmp_path, "# who may ask\n\n" + ALICE + BOB)
    pair = WebPair(gate.proxy)
    good = [bearer("t0ken-of.alice~"), ("Authorization", "bEARER   t0ken-of.alice~"), basic("bob", "pass:word")]
    bad = [bearer("t0ken-of.alice"), bearer("pass:word"), bearer(""), basic("bob", "pass"), basic("alice", "t0ken-of.alice~"),
           basic("", ""),
           basic("bob\0x", "pass:word"), ("Authorization", "Basic Ym9i"), ("Authorization", "Basic Ym9iOnBhc3M6d29yZ"),
           ("Authorization", "Basic ===="), ("Authorization", "Digest x"), ("Authorization", "Bearer t0ken-of.alice~ x"),
           bearer(hashlib.sha256(b"t0ken-of.alice~").hexdigest()), bearer("x" * 5000), basic("bob", "x" * 2000)]
    for field in good:
        assert pair.exchange(fields=[field])[1].status == 200, field
    for field in bad:
        answer = pair.refused(fields=[field])
        assert answer.status == 401, field
        assert [v.split()[0] for v in answer.all("www-authenticate")] == ["Bearer", "Basic"]
    # two of them prove nothing, whichever is looked at
    assert pair.refused(fields=[good[0], good[0]]).status in (400, 401)
    assert pair.refused(fields=[good[0], bad[0]]).status in (400, 401)
    assert pair.refused().status == 401


@pytest.mark.covers("C8075-10-2", "S-28")
def test_a_route_for_some(start, tmp_path):
    gate = Gate(start, tmp_path, ALICE + BOB, 'identities = ["al*"];')
    pair = WebPair(gate.proxy)
    assert pair.exchange(fields=[bearer("t0ken-of.alice~")])[1].status == 200
    assert pair.refused(fields=[basic("bob", "pass:word")]).status == 403
    # what one may read is asked for anew by the next, who may not
    assert pair.refused().status == 401


@pytest.mark.parametrize("text", [BOB, line("bearer", "alice", "another") + BOB, line("bearer", "carol", "t0ken-of.alice~") + BOB,
                                  "# nobody\n"],
                         ids=["gone", "changed", "other-name", "empty"])
def test_a_withdrawn_token_ends_what_it_began(start, tmp_path, text):
    """What outlives a change of the file is decided by the new one: streams, long polls, uploads under way."""
    gate = Gate(start, tmp_path, ALICE + BOB, 'identities = ["alice"];')
    proxy, field = gate.proxy, bearer("t0ken-of.alice~")
    stream = Stream(proxy, fields=[field])
    assert [e["data"]["text"] if "text" in e["data"] else base64.b64decode(e["data"]["base64"]) for e in stream.events()] == [b"first"]
    upload, device = Web(proxy), proxy.device()
    upload.send("PUT", device, fields=[field, ("Content-Length", "3000")])
    upload.socket.sendall(bytes(3000))
    first = device.recv()
    gate.change(ALICE + BOB + "# the same\n")
    stream.notify(b"second")
    assert len(stream.events()) == 1 and not stream.web.ended
    gate.change(text)
    assert all(e.get("event") == "error" for e in stream.events()) and stream.web.answer.complete
    device.answer(first, coap.CONTINUE, [(coap.BLOCK1, coap.block(0, True, 6))])
    upload.wait(lambda: upload.answer)
    assert upload.answer.status == 503
    device.quiet()


def test_a_password_that_changes_ends_what_it_began(start, tmp_path):
    gate = Gate(start, tmp_path, ALICE + BOB)
    stream = Stream(gate.proxy, fields=[basic("bob", "pass:word")])
    stream.events()
    gate.change(line("bearer", "alice", "another") + BOB)
    stream.notify(b"second")
    assert len(stream.events()) == 1
    gate.change(line("bearer", "alice", "another") + line("basic", "bob", "new"))
    stream.events()
    assert stream.web.answer.complete
