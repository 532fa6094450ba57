"""Devices that come to the gateway and are asked there: over datagrams, DTLS, connections and TLS, all in one form.

What a device is asked, and what it asks itself, come by one way; it tells them apart.
"""

import select
import ssl

import coap
from coap import ACK, CON, NON, Message
from coap_stream import CSM, connect
from harness import Proxy, fresh_address, free_port, free_tcp_port
from secured import SecureClient, dtls
from web_socket import WebSocket

KEYS = {name: bytes([n]) * 16 for n, name in enumerate(("meter-1", "meter-2", "meter-3", "meter-4"), 1)}


def prepare(files):
    """Adds to the files of test_https.py: certificates of devices called as the keys are, and the keys."""
    for name in KEYS:
        files.make(name, name, "ca")
    files.share("keys", KEYS)
    return files


def gateway(directory, files, routes, sections="", listener=""):
    """A gateway that devices come to by `coap`, `dtls`, `tcp` and `tls`, and applications by `web`. Routes may name %(device)s."""
    host, port = "127.0.0.1", free_port()
    device = fresh_address()
    secure, tcp, tls = free_port(), free_tcp_port(), free_tcp_port()
    listeners = 'coap: { url = "coap://%s:%d"; }; dtls: { url = "coaps://%s:%d"; psk-file = "%s"; %s }; tcp: { url = "coap+tcp://%s:%d"; %s };' % (
        host, port, host, secure, files.keys, listener, host, tcp, listener)
    listeners += ' tls: { url = "coaps+tcp://%s:%d"; certificate = "%s"; key = "%s"; client-ca = "%s"; %s };' % (
        host, tls, files.gw_pem, files.gw_key, files.ca_pem, listener)
    p = Proxy(directory, routes=routes % {"device": device}, listeners=listeners, port=port, sections=sections, web="")
    p.secure, p.tcp, p.tls, p.device_host = (host, secure), (host, tcp), (host, tls), device
    return p


class Inbox:
    """What comes to somebody by receive(), for several who wait for something there."""

    def __init__(self, receive):
        self.receive, self.held = receive, []

    def next(self, is_wanted):
        for m in list(self.held):
            if is_wanted(m):
                self.held.remove(m)
                return m
        while True:
            m = self.receive()
            if is_wanted(m):
                return m
            self.held.append(m)

    def answer(self, sent):
        """To a request."""
        return self.next(lambda m: m.code >= 64 and m.token == sent.token)


class Device:
    """`end`: the client of harness.py, secured.py or coap_stream.py that carries its messages."""

    def __init__(self, end, reliable):
        self.end, self.reliable, self.inbox = end, reliable, Inbox(end.recv)

    def asked(self):
        """The next request for it."""
        return self.inbox.next(lambda m: 0 < m.code < 32)

    def answer(self, request, code=coap.CONTENT, options=(), payload=b""):
        if self.reliable or request.type == NON:
            m = Message(code, NON, None, request.token, list(options), payload)
        else:
            m = Message(code, ACK, request.mid, request.token, list(options), payload)
        return self._send(m)

    def notify(self, request, options=(), payload=b"", type=NON):
        return self._send(Message(coap.CONTENT, type, None, request.token, list(options), payload))

    def _send(self, m):
        self.end.send(m)
        return m

    def ask(self, message):
        """Something of its own; returns the answer."""
        return self.got(self.begin(message))

    def begin(self, message):
        return self.end.send(message)

    def got(self, sent):
        return self.inbox.answer(sent)

    def quiet(self):
        assert not self.inbox.held, self.inbox.held
        assert not [m for m in self.end.pending() if m.code], "unexpected"


def over_datagrams(gw, name=None):
    del name # it proves none
    return Device(gw.client(), False)


def over_dtls(gw, name):
    return Device(SecureClient(gw, dtls.Context({name: KEYS[name]}), to=gw.secure).connect(), False)


def greeted(gw, connection):
    """Both ends know what the other is capable of."""
    connection.recv_signal(CSM)
    gw.settle()
    return connection


def over_tcp(gw, name=None):
    del name
    return Device(greeted(gw, connect(gw, gw.tcp)), True)


def over_tls(gw, name):
    c = ssl.create_default_context(cafile=str(gw.files.ca_pem))
    c.check_hostname = False
    c.set_alpn_protocols(["coap"])
    c.load_cert_chain(gw.files.folder / (name + ".pem"), gw.files.folder / (name + ".key"))
    return Device(greeted(gw, connect(gw, gw.tls, tls=c, name="gw.example")), True)


class OverWebSocket:
    """A client of web_socket.py in the form of a connection of coap_stream.py."""

    def __init__(self, socket):
        self.socket, self.http = socket, socket.http

    def send(self, message):
        if message.token is None:
            message.token = coap.token()
        self.socket.send(message.code, message.token, message.options, message.payload)
        return message

    def recv(self):
        while True:
            m = self.socket.recv()
            if m.code >> 5 != 7:
                return m

    def pending(self):
        self.http.proxy.settle()
        out = []
        while self.http.held or select.select([self.http.socket], [], [], 0)[0]:
            out.append(self.recv())
        return out

    def close(self):
        self.http.close()


def over_websocket(gw, name=None):
    del name # a token would prove one
    socket = WebSocket(gw.http_client())
    socket.open()
    gw.settle()
    return Device(OverWebSocket(socket), True)


def registration(end_point, path="rd"):
    """What an LwM2M client says first (OMA-TS-LightweightM2M_Transport 6.4.1)."""
    return Message(coap.POST, CON, options=[(coap.URI_HOST, "lwm2m.example"), (coap.URI_PATH, path), (coap.CONTENT_FORMAT, 40),
                                           (coap.URI_QUERY, "ep=" + end_point), (coap.URI_QUERY, "lt=86400"), (coap.URI_QUERY, "lwm2m=1.1")],
                   payload=b"</>;rt=\"oma.lwm2m\",</3/0>")
