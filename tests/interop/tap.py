"""A UDP relay that writes down what passes: one stands on each leg of the proxy."""

import asyncio
import time
from dataclasses import dataclass

import wire


@dataclass
class Seen:
    when: float
    up: bool       # towards the origin
    peer: tuple    # the client's address on this leg
    data: bytes

    @property
    def message(self):
        return wire.parse(self.data)


class _Upward(asyncio.DatagramProtocol):
    """The socket that stands for one client."""

    def __init__(self, tap, client):
        self.tap, self.client = tap, client

    def datagram_received(self, data, _address):
        self.tap.seen.append(Seen(time.time(), False, self.client, data))
        self.tap.transport.sendto(data, self.client)

    def error_received(self, _error):
        pass  # a closed target: nothing answers, as on a network


class Tap(asyncio.DatagramProtocol):
    """Listens on `port`, relays to `target`; each client has a socket of its own there. `shim` may rewrite what goes up."""

    def __init__(self):
        self.seen = []
        self.upward = {}
        self.target = None
        self.shim = None
        self.mute = False

    @classmethod
    async def open(cls, target=None, shim=None, port=0):
        loop = asyncio.get_running_loop()
        _, tap = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", port))
        tap.target, tap.shim = target, shim
        return tap

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data, client):
        if self.shim:
            data = self.shim(data)
        self.seen.append(Seen(time.time(), True, client, data))
        if self.mute:
            return
        if client in self.upward:
            entry = self.upward[client]
            if isinstance(entry, list):
                entry.append(data)
            else:
                entry.sendto(data)
        else:
            self.upward[client] = [data]
            asyncio.ensure_future(self._connect(client))

    async def _connect(self, client):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Upward(self, client), remote_addr=self.target)
        waiting, self.upward[client] = self.upward[client], transport
        for data in waiting:
            transport.sendto(data)

    def forget(self):
        """Starts afresh: what was seen, and the sockets of clients that are gone."""
        self.seen = []
        for transport in self.upward.values():
            if not isinstance(transport, list):
                transport.close()
        self.upward = {}

    def close(self):
        self.forget()
        self.transport.close()


# ---- what makes a proxy request of a request to an origin -------------------------------------------------------------


def _path_and_query(message):
    from urllib.parse import quote

    path = "".join("/" + quote(value.decode(), safe="") for value in message.all(wire.URI_PATH))
    query = "&".join(quote(value.decode(), safe="=") for value in message.all(wire.URI_QUERY))
    return path + ("?" + query if query else "")


def proxy_uri(host, port):
    """Requests get Proxy-Uri; an OSCORE request's has no path (RFC 8613 section 4.1.3.3)."""

    def shim(data):
        message = wire.parse(data)
        if not message.is_request:
            return data
        uri = f"coap://{host}:{port}{_path_and_query(message)}"
        replaced = (wire.URI_HOST, wire.URI_PORT, wire.URI_PATH, wire.URI_QUERY)
        message.options = [option for option in message.options if option[0] not in replaced]
        message.options.append((wire.PROXY_URI, uri.encode()))
        return wire.write(message)

    return shim


def proxy_scheme(host, port):
    """Requests get Proxy-Scheme, Uri-Host and Uri-Port."""

    def shim(data):
        message = wire.parse(data)
        if not message.is_request:
            return data
        message.options = [option for option in message.options if option[0] not in (wire.URI_HOST, wire.URI_PORT)]
        message.options += [
            (wire.PROXY_SCHEME, b"coap"),
            (wire.URI_HOST, host.encode()),
            (wire.URI_PORT, wire.uint(port)),
        ]
        return wire.write(message)

    return shim
