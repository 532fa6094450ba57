"""A relay of connections that writes down the messages of CoAP that pass, in the form of datagrams: over TCP, or over WebSockets."""

import asyncio
import struct
import time

import frames
from tap import Seen

SIGNALS = 0xE0
ROOM = 1 << 16


class WebSocketFrames:
    """As frames.Cutter, of a WebSocket, whose messages are not cut up: a head of HTTP, then frames (RFC 6455 section 5.2)."""

    BINARY = 2

    def __init__(self):
        self.data, self.open = b"", False

    def feed(self, data):
        self.data += data
        if not self.open:
            _, end, rest = self.data.partition(b"\r\n\r\n")
            if not end:
                return []
            self.data, self.open = rest, True
        found = []
        while (taken := self._take()) is not None:
            opcode, payload = taken
            if opcode == self.BINARY:
                token = payload[0] & 15
                assert payload[0] >> 4 == 0, "a length, though the frame has one"
                found.append(struct.pack("!BBH", 0x50 | token, payload[1], 0) + payload[2:])
        return found

    def _take(self):
        data = self.data
        if len(data) < 2:
            return None
        assert data[0] & 0x80, "a message in pieces"
        length, at = data[1] & 127, 2
        if length > 125:
            size = 2 if length == 126 else 8
            if len(data) < 2 + size:
                return None
            length, at = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
        mask = b"\0\0\0\0"
        if data[1] & 0x80:
            mask, at = data[at : at + 4], at + 4
        if len(data) < at + length:
            return None
        payload = bytes(byte ^ mask[n & 3] for n, byte in enumerate(data[at : at + length]))
        self.data = data[at + length :]
        return data[0] & 15, payload


class StreamTap:
    """Listens on a port of its own and relays to the port `target`, byte for byte; signals are not written down."""

    @classmethod
    async def start(cls, target, kind=frames.Cutter):
        self = cls()
        self.target, self.kind, self.seen, self.tasks = target, kind, [], set()
        self.server = await asyncio.start_server(self._client, "127.0.0.1", 0, limit=ROOM)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _client(self, reader, writer):
        self.tasks.add(task := asyncio.current_task())
        peer = writer.get_extra_info("peername")
        onward = None
        try:
            back, onward = await asyncio.open_connection("127.0.0.1", self.target, limit=ROOM)
            await asyncio.gather(self._relay(reader, onward, peer, True), self._relay(back, writer, peer, False))
        except OSError:
            pass  # a closed connection: so is the other one then
        finally:
            self.tasks.discard(task)
            writer.close()
            if onward:
                onward.close()

    async def _relay(self, reader, writer, peer, up):
        messages = self.kind()
        while data := await reader.read(ROOM):
            self.seen += [Seen(time.time(), up, peer, m) for m in messages.feed(data) if m[1] < SIGNALS]
            writer.write(data)
            await writer.drain()
        writer.close()

    def forget(self):
        self.seen = []

    async def stop(self):
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
