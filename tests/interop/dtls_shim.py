"""DTLS for peers that have none: one shim before a client that speaks plain UDP, another before a server that does. Both write down the
messages that pass, as a Tap does.
"""

import asyncio
import time

import dtls
from tap import Seen


class _Way(asyncio.DatagramProtocol):
    """A UDP socket whose datagrams go to received(data, address)."""

    def __init__(self, received):
        self.received = received

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.received(data, address)

    def error_received(self, _error):
        pass  # a closed port: nothing answers, as on a network

    @classmethod
    async def open(cls, received, local=None, remote=None):
        _, way = await asyncio.get_running_loop().create_datagram_endpoint(lambda: cls(received), local_addr=local, remote_addr=remote)
        return way

    @property
    def port(self):
        return self.transport.get_extra_info("sockname")[1]

    def send(self, data, address=None):
        self.transport.sendto(data, address)

    def close(self):
        self.transport.close()


class _Line:
    """A session and the two ways that it joins."""

    def __init__(self, shim, session, send_secured, send_plain, peer):
        self.shim, self.session, self.peer = shim, session, peer
        self.send_secured, self.send_plain = send_secured, send_plain
        self.waiting, self.timer, self.failure = [], None, None
        self._flush()

    def secured(self, datagram):
        """A datagram from the secured side."""
        try:
            messages = self.session.feed(datagram)
        except dtls.Failed as error:
            self.failure = str(error)
            messages = []
        if self.session.open:
            waiting, self.waiting = self.waiting, []
            for message in waiting:
                self.session.send(message)
        self._flush()
        for message in messages:
            self.shim.note(self.shim.server, self.peer, message)
            self.send_plain(message)

    def plain(self, message):
        """A message from the plain side."""
        self.shim.note(not self.shim.server, self.peer, message)
        if not self.session.open:
            self.waiting.append(message)
            return
        try:
            self.session.send(message)
        except dtls.Failed as error:
            self.failure = str(error)
        self._flush()

    def _flush(self):
        for datagram in self.session.take():
            self.send_secured(datagram)
        if self.timer:
            self.timer.cancel()
        patience = None if self.failure else self.session.patience()
        self.timer = None if patience is None else asyncio.get_running_loop().call_later(patience, self._late)

    def _late(self):
        try:
            self.session.handle_timeout()
        except dtls.Failed as error:
            self.failure = str(error)
        self._flush()

    def close(self):
        if self.timer:
            self.timer.cancel()
        if self.session.open and not self.failure:
            self.session.close()
            for datagram in self.session.take():
                self.send_secured(datagram)
        self.timer = None


class _Shim:
    server = False

    def __init__(self, context):
        self.context, self.lines, self.opening, self.seen = context, {}, {}, []

    def note(self, up, peer, message):
        self.seen.append(Seen(time.time(), up, peer, message))

    def _drop_ended(self, client):
        """The next datagram of a client whose session has ended begins another one."""
        line = self.lines.get(client)
        if line and (line.session.closed or line.failure):
            line.close()
            line.inner.close()
            del self.lines[client]

    def _line_of(self, client, data):
        """A client's line; None: it is being opened, and gets the datagram then."""
        self._drop_ended(client)
        if client in self.lines:
            return self.lines[client]
        if client not in self.opening:
            self.opening[client] = []
            asyncio.ensure_future(self._open(client))
        self.opening[client].append(data)
        return None

    def forget(self):
        """Starts afresh: what was seen, and the sessions."""
        self.seen = []
        for line in self.lines.values():
            line.close()
            line.inner.close()
        self.lines = {}

    def close(self):
        self.forget()
        self.way.close()


class ClientShim(_Shim):
    """A client asks at `port` in plain UDP and so asks the DTLS server at `target`; each client endpoint has a session of its own.
    `shim` may rewrite what goes up."""

    @classmethod
    async def start(cls, target, context, shim=None, mtu=1280):
        self = cls(context)
        self.target, self.shim, self.mtu = target, shim, mtu
        self.way = await _Way.open(self._from_client, local=("127.0.0.1", 0))
        self.port = self.way.port
        return self

    def _from_client(self, data, client):
        data = self.shim(data) if self.shim else data
        line = self._line_of(client, data)
        if line:
            line.plain(data)

    async def _open(self, client):
        way = await _Way.open(lambda data, _address: line.secured(data), remote=self.target)
        line = _Line(self, dtls.Session(self.context, mtu=self.mtu), way.send, lambda message: self.way.send(message, client), client)
        line.inner = way
        self.lines[client] = line
        for data in self.opening.pop(client):
            line.plain(data)


class ServerShim(_Shim):
    """A DTLS server at `port` before the plain server at `target`."""

    server = True

    @classmethod
    async def start(cls, target, context, port=0, mtu=1280):
        self = cls(context)
        self.target, self.mtu = target, mtu
        self.way = await _Way.open(self._from_client, local=("127.0.0.1", port))
        self.port = self.way.port
        return self

    def _from_client(self, data, client):
        line = self._line_of(client, data)
        if line:
            line.secured(data)

    async def _open(self, client):
        way = await _Way.open(lambda data, _address: line.plain(data), remote=self.target)
        session = dtls.Session(self.context, server=True, mtu=self.mtu)
        line = _Line(self, session, lambda data: self.way.send(data, client), way.send, client)
        line.inner = way
        self.lines[client] = line
        for data in self.opening.pop(client):
            line.secured(data)
