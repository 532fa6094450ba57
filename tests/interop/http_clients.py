"""HTTP clients that people use, behind one interface: curl, Python's http.client and urllib, Node's fetch and http. ask() returns a Reply
or raises peers.Failed.
"""

import asyncio
import base64
import http.client
import json
import pathlib
import re
import ssl
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from peers import HERE, TIMEOUT, Failed, NodeProcess

OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass
class Reply:
    status: int
    fields: dict  # by name in lower case
    body: bytes
    continued: bool = False  # there was a 100 (Continue) before it


@dataclass
class Tls:
    ca: pathlib.Path
    certificate: pathlib.Path = None
    key: pathlib.Path = None
    version: str = None  # "1.2" or "1.3" and no other


class Client:
    keeps = True  # uses a connection again

    @classmethod
    async def start(cls):
        return cls()

    async def stop(self):
        pass


class Curl(Client):
    """A process for each call; several requests may be in one."""

    @staticmethod
    def arguments(tls):
        if tls is None:
            return []
        out = ["--cacert", str(tls.ca)]
        if tls.certificate:
            out += ["--cert", str(tls.certificate), "--key", str(tls.key)]
        if tls.version:
            out += [f"--tlsv{tls.version}", "--tls-max", tls.version]
        return out

    async def run(self, *arguments):
        process = await asyncio.create_subprocess_exec(
            "curl", "-sSv", "--max-time", str(TIMEOUT), *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        out, log = await process.communicate()
        if process.returncode != 0:
            raise Failed(log.decode(errors="replace")[-800:])
        return out, log.decode(errors="replace")

    async def ask(self, url, method, body=None, headers=None, tls=None):
        with tempfile.TemporaryDirectory() as folder:
            sent, got, heads = (pathlib.Path(folder, name) for name in ("sent", "got", "heads"))
            arguments = ["-D", str(heads), "-o", str(got), *self.arguments(tls), *(["-I"] if method == "HEAD" else ["-X", method])]
            for name, value in (headers or {}).items():
                arguments += ["-H", f"{name}: {value}"]
            if body is not None:
                sent.write_bytes(body)
                arguments += ["--data-binary", f"@{sent}"]
            await self.run(*arguments, url)
            blocks = heads.read_text().strip().split("\n\n")
            statuses = [int(block.split(" ")[1]) for block in blocks]
            fields = re.findall(r"^([\w-]+): (.*?)\s*$", blocks[-1], re.M)
            content = got.read_bytes() if got.exists() and method != "HEAD" else b""
            return Reply(statuses[-1], {n.lower(): v for n, v in fields}, content, 100 in statuses)

    async def many(self, url, count):
        out, _ = await self.run(*[url] * count)
        return out


def context_of(tls):
    if tls is None:
        return None
    context = ssl.create_default_context(cafile=str(tls.ca))
    if tls.certificate:
        context.load_cert_chain(tls.certificate, tls.key)
    if tls.version:
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv" + tls.version.replace(".", "_"))
    return context


class HttpClient(Client):
    """http.client, with one connection for each server."""

    def __init__(self):
        self.connections = {}

    async def stop(self):
        for connection in self.connections.values():
            connection.close()

    def _connection(self, url, tls):
        if tls is not None:
            return http.client.HTTPSConnection(url.hostname, url.port, timeout=TIMEOUT, context=context_of(tls))
        if url.netloc not in self.connections:
            self.connections[url.netloc] = http.client.HTTPConnection(url.hostname, url.port, timeout=TIMEOUT)
        return self.connections[url.netloc]

    def _ask(self, url, method, body, headers, tls):
        parts = urlsplit(url)
        connection = self._connection(parts, tls)
        try:
            connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body, headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Failed(repr(error)) from error

    async def ask(self, url, method, body=None, headers=None, tls=None):
        return await asyncio.to_thread(self._ask, url, method, body, headers, tls)


class Urllib(Client):
    keeps = False

    @staticmethod
    def _ask(url, method, body, headers, tls):
        request = urllib.request.Request(url, body, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT, context=context_of(tls)) as answer:
                return Reply(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())
        except urllib.error.HTTPError as answer:
            with answer:
                return Reply(answer.status, {n.lower(): v for n, v in answer.headers.items()}, answer.read())
        except OSError as error:
            raise Failed(repr(error)) from error

    async def ask(self, url, method, body=None, headers=None, tls=None):
        return await asyncio.to_thread(self._ask, url, method, body, headers, tls)


class NodeHttp(NodeProcess, Client):
    via = "http"
    program = (str(HERE / "http_client.js"),)

    async def begin(self, url, method, body=None, headers=None, tls=None, follow=False):
        """Returns the number of the request and the Reply, whose body is yet to come if it is to be followed."""
        number = self.number()
        line = {"id": number, "via": self.via, "url": url, "method": method, "headers": headers or {}, "follow": follow}
        if body is not None:
            line["body"] = base64.b64encode(body).decode()
        if tls is not None:
            files = {"ca": tls.ca, "cert": tls.certificate, "key": tls.key}
            line["tls"] = {name: file.read_text() for name, file in files.items() if file}
            if tls.version:
                line["tls"] |= {"minVersion": "TLSv" + tls.version, "maxVersion": "TLSv" + tls.version}
        self.send(line)
        told = await self.next(number)
        return number, Reply(told["status"], told["fields"], base64.b64decode(told["body"]), told.get("continued", False))

    async def ask(self, url, method, body=None, headers=None, tls=None):
        return (await self.begin(url, method, body, headers, tls))[1]


class NodeFetch(NodeHttp):
    via = "fetch"


class Following:
    """An event stream: next() gives the fields of the next event as a dictionary, its data read as JSON. Comments are left out."""

    def __init__(self, more, leave):
        self.more, self.leave, self.text = more, leave, ""

    async def next(self):
        while True:
            while "\n\n" not in self.text:
                self.text += (await asyncio.wait_for(self.more(), TIMEOUT)).decode()
            event, _, self.text = self.text.partition("\n\n")
            fields = dict(line.split(": ", 1) for line in event.split("\n") if line and not line.startswith(":"))
            if fields:
                fields["data"] = json.loads(fields["data"])
                return fields


async def follow_by_curl(url):
    process = await asyncio.create_subprocess_exec(
        "curl", "-sSN", "-H", "Accept: text/event-stream", url, stdout=asyncio.subprocess.PIPE)

    async def more():
        data = await process.stdout.read(65536)
        if not data:
            raise Failed("the stream ended")
        return data

    async def leave():
        process.terminate()
        await process.wait()

    return Following(more, leave)


async def follow_by_fetch(client, url):
    number, reply = await client.begin(url, "GET", headers={"Accept": "text/event-stream"}, follow=True)
    assert (reply.status, reply.fields["content-type"]) == (200, "text/event-stream")

    async def more():
        return base64.b64decode((await client.next(number))["piece"])

    async def leave():
        client.send({"leave": number})

    return Following(more, leave)


CLIENTS = {"curl": Curl, "http.client": HttpClient, "urllib": Urllib, "node-http": NodeHttp, "node-fetch": NodeFetch}
