"""HTTP/1.1 messages as the tests read and write them, independent of the proxy, and a relay that writes down what passes."""

import asyncio
import base64
import time
from dataclasses import dataclass, field

LINE = 1 << 16  # bytes of a line, and of a head


@dataclass
class Message:
    """`start` has the three words of the first line, `fields` has (name in lower case, value), `raw` what crossed the wire."""

    start: list
    fields: list = field(default_factory=list)
    body: bytes = b""
    raw: bytes = b""

    @property
    def method(self):
        return self.start[0]

    @property
    def target(self):
        return self.start[1]

    @property
    def status(self):
        return int(self.start[1])

    def all(self, name):
        return [value for n, value in self.fields if n == name.lower()]

    def one(self, name):
        """The value of a field, or None; twice is an error."""
        values = self.all(name)
        assert len(values) < 2, f"{name} twice: {values}"
        return values[0] if values else None

    @property
    def oscore(self):
        """The option that the OSCORE header stands for, or None."""
        text = self.one("OSCORE")
        return None if text is None else option_of(text)


def field_of(option):
    """The text of an OSCORE option (RFC 8613 11.2); an empty one is AA."""
    return base64.urlsafe_b64encode(option or b"\0").rstrip(b"=").decode()


def option_of(text):
    """The opposite (RFC 8613 11.3)."""
    if not text or not all(c.isascii() and (c.isalnum() or c in "-_") for c in text):
        raise ValueError(f"not base64url: {text!r}")
    option = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return b"" if option == b"\0" else option


class _Recorder:
    """Reads from a stream and keeps what was read."""

    def __init__(self, reader):
        self.reader, self.raw = reader, b""

    async def line(self):
        line = await self.reader.readuntil(b"\r\n")
        self.raw += line
        return line[:-2]

    async def exactly(self, count):
        data = await self.reader.readexactly(count)
        self.raw += data
        return data

    async def rest(self):
        data = await self.reader.read()
        self.raw += data
        return data


async def _chunks(record):
    body = b""
    while True:
        size = int((await record.line()).split(b";")[0], 16)
        if size == 0:
            break
        body += await record.exactly(size)
        assert await record.line() == b""
    while await record.line():
        pass  # trailers
    return body


async def read(reader, asked=None):
    """The next message of a stream, or None at its end. `asked`: the method that a response answers."""
    record = _Recorder(reader)
    try:
        start = (await record.line()).decode("latin-1").split(" ", 2)
    except asyncio.IncompleteReadError as error:
        assert not error.partial, error.partial
        return None
    message = Message(start)
    while line := await record.line():
        name, _, value = line.decode("latin-1").partition(":")
        message.fields.append((name.lower(), value.strip()))
    response = start[0].startswith("HTTP/")
    bodyless = response and (asked == "HEAD" or message.status < 200 or message.status in (204, 304))
    if bodyless:
        pass
    elif message.one("Transfer-Encoding"):
        message.body = await _chunks(record)
    elif message.one("Content-Length") is not None:
        message.body = await record.exactly(int(message.one("Content-Length")))
    elif response:
        message.body = await record.rest()
    message.raw = record.raw
    return message


def write(start, fields, body=b""):
    """The bytes of a message; its length is told unless the fields do."""
    lines = [start] + [f"{name}: {value}" for name, value in fields]
    if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in fields):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def ask(port, method, target, fields=(), body=b"", host=None):
    """One request on a connection of its own; returns the final response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LINE)
    try:
        sent = [("Host", host or f"127.0.0.1:{port}"), ("Connection", "close"), *fields]
        writer.write(write(f"{method} {target} HTTP/1.1", sent, body))
        await writer.drain()
        while True:
            answer = await read(reader, method)
            assert answer is not None, "the connection ended without an answer"
            if answer.status >= 200:
                return answer
    finally:
        writer.close()


@dataclass
class Seen:
    when: float
    up: bool  # towards the origin
    message: Message


class Tap:
    """Listens on a port of its own and relays to the port `target`, byte for byte."""

    @classmethod
    async def start(cls, target):
        self = cls()
        self.target, self.seen, self.tasks, self.connections = target, [], set(), 0
        self.server = await asyncio.start_server(self._client, "127.0.0.1", 0, limit=LINE)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _client(self, reader, writer):
        self.connections += 1
        self.tasks.add(task := asyncio.current_task())
        try:
            to_origin, from_origin = None, None
            from_origin, to_origin = await asyncio.open_connection("127.0.0.1", self.target, limit=LINE)
            while (request := await read(reader)) is not None:
                self.seen.append(Seen(time.time(), True, request))
                to_origin.write(request.raw)
                response = None
                while response is None or response.status < 200:
                    response = await read(from_origin, request.method)
                    if response is None:
                        return
                    self.seen.append(Seen(time.time(), False, response))
                    writer.write(response.raw)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # a closed connection: so is the other one then
        finally:
            self.tasks.discard(task)
            writer.close()
            if to_origin:
                to_origin.close()

    def forget(self):
        self.seen = []

    def messages(self, up):
        return [seen.message for seen in self.seen if seen.up == up]

    def protected(self, up):
        """(OSCORE option, body) of each message."""
        return [(m.oscore, m.body) for m in self.messages(up)]

    async def stop(self):
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
