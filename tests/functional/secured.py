"""CoAP over DTLS: a client and a scripted origin, as those of harness.py but for the session in between.

Handshakes and records are OpenSSL's (interop/dtls.py); nothing is shared with the product. Everything runs in the test's one thread.
"""

import pathlib
import select
import sys

from coap import Message
from harness import WAIT, Client, Device

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

import dtls  # noqa: E402

DATAGRAM = 65536


class _Secured:
    """`sessions`: by the address of the other end. What is read is kept in `inbox` until it is asked for."""

    server = False

    def begin(self, context, name=None):
        self.context, self.name = context, name
        self.sessions, self.inbox, self.lost = {}, [], []

    def _session(self, address):
        if address not in self.sessions:
            self.sessions[address] = dtls.Session(self.context, server=self.server, name=self.name)
        return self.sessions[address]

    def _flush(self, address):
        for datagram in self.sessions[address].take():
            self.socket.sendto(datagram, address)

    def pump(self):
        """Takes every datagram that has arrived; returns whether there was any."""
        any_came = False
        while select.select([self.socket], [], [], 0)[0]:
            raw, source = self.socket.recvfrom(DATAGRAM)
            source = source[:2]
            any_came = True
            if not 20 <= raw[0] <= 63 or (not self.server and source not in self.sessions):
                self.inbox.append((source, raw, False))
                continue
            session = self._session(source)
            try:
                self.inbox += [(source, message, True) for message in session.feed(raw)]
            except dtls.Failed as e:
                self.lost.append((source, str(e)))
            self._flush(source)
            if session.closed:
                self.lost.append((source, "closed"))
                del self.sessions[source]
        return any_came

    def settle(self):
        """Until neither this end nor the proxy has anything to do."""
        self.proxy.settle()
        while self.pump():
            self.proxy.settle()

    def send_raw(self, raw, to):
        session = self._session(to)
        if not session.open:
            self.shake(to)
        session.send(raw)
        self._flush(to)

    def shake(self, to):
        self._flush(to)
        self.settle()
        assert self.sessions[to].open, "no handshake\n%s" % self.proxy.explain()

    def _read(self):
        source, raw, secured = self.inbox.pop(0)
        m = Message.parse(raw)
        m.source, m.secured = source, secured
        self.ledger.append(m)
        return m

    def recv(self, timeout=WAIT):
        self.settle()
        if not self.inbox and select.select([self.socket], [], [], timeout)[0]:
            self.settle()
        if not self.inbox:
            raise AssertionError("nothing came to %s:%d\n%s" % (self.host, self.port, self.proxy.explain()))
        return self._read()

    def pending(self):
        self.settle()
        out = []
        while self.inbox:
            out.append(self._read())
            self.settle()
        return out

    def goodbye(self, address=None):
        """Says that nothing follows, to one or to all."""
        for to in [address] if address else list(self.sessions):
            self.sessions[to].close()
            self._flush(to)


class SecureClient(_Secured, Client):
    def __init__(self, proxy, context, name=None, host=None, port=0, to=None):
        super().__init__(proxy, host, port, to)
        self.begin(context, name)
        proxy.peers.append(self)

    @property
    def session(self):
        return self.sessions[self.to]

    def connect(self):
        """A handshake from the beginning: whatever was before is forgotten, as a device does that was switched off."""
        self.sessions.pop(self.to, None)
        self._session(self.to)
        self.shake(self.to)
        return self

    def is_refused(self):
        """Whether no session comes of a handshake now."""
        self.sessions.pop(self.to, None)
        self._session(self.to)
        self._flush(self.to)
        self.settle()
        return self.to not in self.sessions or not self.sessions[self.to].open or bool(self.lost)


class SecureDevice(_Secured, Device):
    server = True

    def __init__(self, proxy, context, host=None, port=0):
        super().__init__(proxy, host, port)
        self.begin(context)
        proxy.peers.append(self)

    @property
    def url(self):
        return "coaps://%s:%d" % (self.host, self.port)
