"""The gateway under test: $B/oscore-proxy (B defaults to build), or what OSCORE_PROXY names."""

import asyncio
import os

import peers

LOCAL = 'allow-networks = ["127.0.0.0/8"]; timeout = "3s";'


def binary():
    if "OSCORE_PROXY" in os.environ:
        return os.environ["OSCORE_PROXY"]
    return str(peers.ROOT / os.environ.get("B", "build") / "oscore-proxy")


class Gateway:
    """The program with a forward listener; listeners and routes are added before start()."""

    def __init__(self, path):
        self.path = path
        self.listeners = {}  # name: port
        self.more = {}  # name of a listener: its scheme, its other settings, its address
        self.routes = []
        self.groups = ""  # other groups of the configuration
        self.forward = self.listener("coap")
        self.routes.append(f'fwd: {{ from = ["coap"]; forward-to = ["coap://127.0.0.0/8:*", "http://127.0.0.0/8:*"]; {LOCAL} }};')

    def listener(self, name, scheme="coap", more="", host="127.0.0.1", port=None):
        self.listeners[name] = port or peers.free_port()
        self.more[name] = (scheme, more, host)
        return self.listeners[name]

    def reverse_url(self, name, url):
        """A listener of its own for the origin at that URL; returns the listener's port."""
        port = self.listener(name)
        self.routes.append(f'{name}: {{ from = ["{name}"]; to = ["{url}"]; {LOCAL} }};')
        return port

    def reverse(self, name, origin):
        return self.reverse_url(name, f"coap://127.0.0.1:{origin}")

    def web(self, name="web", scheme="http", more="", route='authenticate = "none";'):
        """A listener of HTTP whose space /hc/ leads to every CoAP server here; returns its port."""
        port = self.listener(name, scheme, more)
        self.routes.append(
            f'{name}: {{ from = ["{name}"]; http-path = "/hc/{{+tu}}"; forward-to = ["coap://127.0.0.0/8:*"]; {LOCAL} {route} }};')
        return port

    def _written(self, name):
        scheme, more, host = self.more[name]
        return f'  {name}: {{ url = "{scheme}://{host}:{self.listeners[name]}"; {more} }};\n'

    @property
    def configuration(self):
        listeners = "".join(self._written(name) for name in self.listeners)
        return "listeners: {\n" + listeners + "};\nroutes: {\n" + "".join(f"  {route}\n" for route in self.routes) + (
            '};\nprocess: { workers = 2; user = ""; drain-timeout = "100ms"; };\n') + self.groups

    async def start(self):
        file = self.path / "proxy.conf"
        file.write_text(self.configuration)
        self.log = self.path / "proxy.log"
        with self.log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(binary(), "-c", str(file), stdout=log, stderr=log)
        for _ in range(500):
            if "are ready\n" in self.log.read_text():
                return
            if self.process.returncode is not None:
                break
            await asyncio.sleep(0.01)
        raise RuntimeError("the proxy does not get ready:\n" + self.log.read_text())

    def output(self):
        """What it has said until now: the log, and the counters it was asked for."""
        return self.log.read_text()

    async def stop(self):
        if self.process.returncode is None:
            self.process.terminate()
        code = await asyncio.wait_for(self.process.wait(), 10)
        assert code in (0, -15), f"the proxy ended with {code}:\n" + self.log.read_text()[-4000:]
