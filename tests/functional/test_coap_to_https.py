"""CoAP clients at HTTPS origins: who is believed, connections that are kept, ends without close_notify."""

import select
import socket
import ssl
import threading

import pytest

import coap
from harness import fresh_address
from http_origin import PATIENCE, WebPair
from test_https import Files

ROUTE = 'web: { from = ["coap"]; forward-to = ["https://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };\n'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"


class SecureOrigin(threading.Thread):
    """Answers every request with `answer`, then does what `then` says: nothing, close (with close_notify), cut (without)."""

    scheme = "https"

    def __init__(self, certificate, key, answer=OK + b"Content-Length: 2\r\n\r\nhi", then=None, host=None, version=None):
        super().__init__(daemon=True)
        self.answer, self.then, self.ending, self.accepted, self.requests = answer, then, False, 0, []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        self.socket = socket.socket()
        self.socket.bind((host or fresh_address(), 0))
        self.socket.listen(8)
        self.host, self.port = self.socket.getsockname()
        self.url = "https://%s:%d" % (self.host, self.port)
        self.start()

    def run(self):
        while True:
            if not select.select([self.socket], [], [], 0.05)[0]:
                if self.ending:
                    return
                continue
            raw, _ = self.socket.accept()
            self.accepted += 1
            raw.settimeout(PATIENCE)
            try:
                connection = self.context.wrap_socket(raw, server_side=True)
                connection.settimeout(0.1)
                self.serve(connection)
            except OSError:
                raw.close()

    def serve(self, connection):
        while not self.ending:
            got = b""
            while b"\r\n\r\n" not in got:
                try:
                    more = connection.recv(65536)
                except TimeoutError:
                    more = None
                if more == b"" or self.ending:
                    return
                got += more or b""
            self.requests.append(got)
            connection.sendall(self.answer)
            if self.then == "close":
                connection.unwrap()
            if self.then:
                # the socket without another word of the protocol above it
                socket.socket(fileno=connection.detach()).close()
                return

    def quiet(self):
        assert not self.requests

    def close(self):
        self.ending = True
        self.join(PATIENCE)
        self.socket.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    files = Files(tmp_path_factory.mktemp("made"))
    return files


def certify(made, name, host, issuer="ca"):
    made.make(name, name, issuer, "subjectAltName=IP:" + host)
    return made.folder / (name + ".pem"), made.folder / (name + ".key")


@pytest.fixture
def gateway(start, made):
    return start(routes=ROUTE, sections='http: { ca = "%s"; };' % (made.folder / "ca.pem"))


@pytest.fixture
def origin(made):
    opened = []

    def begin(issuer="ca", named=None, **kw):
        host = fresh_address()
        certificate, key = certify(made, "origin%s" % host, named or host, issuer)
        opened.append(SecureOrigin(certificate, key, host=host, **kw))
        return opened[-1]

    yield begin
    for o in opened:
        o.close()


def answer_of(gateway, origin):
    return WebPair(gateway, origin=origin).ask()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_origin_that_proves_who_it_is(gateway, origin, version):
    o = origin(version=version)
    pair = WebPair(gateway, origin=o)
    for _ in range(3):
        down = pair.ask()
        assert (down.code, down.payload) == (coap.CONTENT, b"hi")
    assert o.accepted == 1 and len(o.requests) == 3


@pytest.mark.covers("C7252-10.1-1")
@pytest.mark.parametrize("wrong", [{"named": "127.0.0.1"}, {"issuer": None}])
def test_an_origin_that_does_not_is_not_asked(gateway, origin, wrong):
    o = origin(**wrong)
    assert coap.code_text(answer_of(gateway, o).code) == "5.02"
    o.quiet()
    assert "cannot be reached: certificate verify failed" in gateway.explain()


def test_an_unclean_end_behind_a_whole_answer_is_no_error(gateway, origin):
    assert answer_of(gateway, origin(then="cut")).payload == b"hi"


@pytest.mark.parametrize("then,code", [("close", "2.05"), ("cut", "5.02")])
def test_an_answer_that_ends_with_the_connection_ends_cleanly(gateway, origin, then, code):
    assert coap.code_text(answer_of(gateway, origin(answer=OK + b"\r\nhi", then=then)).code) == code


def test_an_origin_that_speaks_no_tls(gateway):
    plain = socket.socket()
    plain.bind((fresh_address(), 0))
    plain.listen(1)
    client = gateway.client()
    client.send(coap.Message(coap.GET, options=[(coap.PROXY_URI, "https://%s:%d/" % plain.getsockname())]))
    connection, _ = plain.accept()
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert coap.code_text(client.recv(PATIENCE).code) == "5.02"
    connection.close()
    plain.close()
