"""A UDP relay that writes down what passes: one stands on each leg of the proxy."""

import asyncio
import socket
import struct
import time
from dataclasses import dataclass
from urllib.parse import quote

import wire

SO_TIMESTAMPNS = 35


@dataclass
class Seen:
    when: float
    up: bool       # towards the origin
    peer: tuple    # the client's address on this leg
    data: bytes

    @property
    def message(self):
        return wire.parse(self.data)


class _Socket:
    """A UDP socket in the event loop that says when the kernel got each datagram: a busy loop must not blur the times."""

    def __init__(self, received, local=None, remote=None):
        self.received = received
        self.loop = asyncio.get_running_loop()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if local:
            self.socket.bind(local)
        if remote:
            self.socket.connect(remote)
        self.loop.add_reader(self.socket, self._read)

    def _read(self):
        try:
            data, ancillary, _, address = self.socket.recvmsg(70000, 64)
        except OSError:
            return  # a closed target: nothing answers, as on a network
        when = time.time()
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("@ll", value[: struct.calcsize("@ll")])
                when = seconds + nanoseconds / 1e9
        self.received(data, address, when)

    def send(self, data, address=None):
        try:
            if address:
                self.socket.sendto(data, address)
            else:
                self.socket.send(data)
        except OSError:
            pass  # the report of an earlier datagram's ICMP error

    def close(self):
        self.loop.remove_reader(self.socket)
        self.socket.close()


class Tap:
    """Listens on a port of its own, relays to `target`; each client has a socket of its own there. `shim` may rewrite what
    goes up; a `mute` tap swallows it."""

    def __init__(self, target, shim=None):
        self.target, self.shim, self.mute = target, shim, False
        self.seen = []
        self.upward = {}
        self.listening = _Socket(self._from_client, local=("127.0.0.1", 0))
        self.port = self.listening.socket.getsockname()[1]

    def _from_client(self, data, client, when):
        if self.shim:
            data = self.shim(data)
        self.seen.append(Seen(when, True, client, data))
        if self.mute:
            return
        if client not in self.upward:

            def back(answer, _address, then):
                self.seen.append(Seen(then, False, client, answer))
                self.listening.send(answer, client)

            self.upward[client] = _Socket(back, remote=self.target)
        self.upward[client].send(data)

    def forget(self):
        """Starts afresh: what was seen, and the sockets of clients that are gone."""
        self.seen = []
        for upward in self.upward.values():
            upward.close()
        self.upward = {}

    def close(self):
        self.forget()
        self.listening.close()


# ---- what makes a proxy request of a request to an origin -------------------------------------------------------------


def _path_and_query(message):
    path = "".join("/" + quote(value.decode(), safe="") for value in message.all(wire.URI_PATH))
    query = "&".join(quote(value.decode(), safe="=") for value in message.all(wire.URI_QUERY))
    return path + ("?" + query if query else "")


def proxy_uri(host, port, scheme="coap"):
    """Requests get Proxy-Uri; an OSCORE request's has no path (RFC 8613 section 4.1.3.3)."""

    def shim(data):
        message = wire.parse(data)
        if not message.is_request:
            return data
        uri = f"{scheme}://{host}:{port}{_path_and_query(message)}"
        replaced = (wire.URI_HOST, wire.URI_PORT, wire.URI_PATH, wire.URI_QUERY)
        message.options = [option for option in message.options if option[0] not in replaced]
        message.options.append((wire.PROXY_URI, uri.encode()))
        return wire.write(message)

    return shim


def proxy_scheme(host, port, scheme="coap"):
    """Requests get Proxy-Scheme, Uri-Host and Uri-Port."""

    def shim(data):
        message = wire.parse(data)
        if not message.is_request:
            return data
        message.options = [option for option in message.options if option[0] not in (wire.URI_HOST, wire.URI_PORT)]
        message.options += [
            (wire.PROXY_SCHEME, scheme.encode()),
            (wire.URI_HOST, host.encode()),
            (wire.URI_PORT, wire.uint(port)),
        ]
        return wire.write(message)

    return shim
