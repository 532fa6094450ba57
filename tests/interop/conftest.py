"""The peers, each started once; the proxy in front of them; and one event loop that all tests and in-process peers share. A test may be an
`async def`.
"""

import asyncio
import inspect
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import peers  # noqa: E402
import plugtest  # noqa: E402
from gateway import Gateway  # noqa: E402
from tap import Tap, proxy_scheme, proxy_uri  # noqa: E402

LIMIT = 60  # seconds for a test, all in all
_loop = asyncio.new_event_loop()


def finish(coroutine):
    return _loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    finish(pyfuncitem.obj(**arguments))
    return True


class World:
    """Everything that runs: peers, taps in front of the origins, the proxy."""

    async def start(self, path):
        self.plugtest = await plugtest.Server.start(port := peers.free_port())
        self.plugtest_port = port
        self.origins = {name: await kind.start() for name, kind in peers.ORIGINS.items()}
        self.clients = {name: await kind.start() for name, kind in peers.CLIENTS.items()}
        ports = {name: origin.port for name, origin in self.origins.items()}
        ports["oscore"] = port
        self.taps = {name: Tap(("127.0.0.1", to)) for name, to in ports.items()}
        self.taps["silent"] = Tap(("127.0.0.1", 9))
        self.taps["silent"].mute = True
        self.closed = peers.free_port()
        self.proxy = Gateway(path)
        self.reverse = {name: self.proxy.reverse(name, tap.port) for name, tap in self.taps.items()}
        self.reverse["closed"] = self.proxy.reverse("closed", self.closed)
        self.proxy_error = None
        try:
            await self.proxy.start()
        except Exception as error:  # the direct tests still tell something
            self.proxy_error = repr(error)

    async def stop(self):
        for peer in [*self.clients.values(), *self.origins.values(), self.plugtest]:
            await peer.stop()
        for tap in self.taps.values():
            tap.close()
        if self.proxy_error is None:
            await self.proxy.stop()

    def way(self, form, name):
        """From a client to the origin called `name`."""
        origin = self.closed if name == "closed" else self.taps[name].port
        if form == "direct":
            return peers.Way(form, origin, origin)
        if self.proxy_error:
            raise RuntimeError("no proxy: " + self.proxy_error)
        return peers.Way(form, self.reverse[name] if form == "reverse" else self.proxy.forward, origin)

    def downstream(self, form, name):
        """A tap before the proxy for a client that knows nothing of proxies: it makes proxy requests of its requests."""
        way = self.way(form, name)
        shims = {"proxy-uri": proxy_uri, "proxy-scheme": proxy_scheme}
        shim = shims[form]("127.0.0.1", way.origin) if form in shims else None
        return Tap(("127.0.0.1", way.next_hop), shim)


@pytest.fixture(scope="session")
def in_loop():
    """Runs a coroutine to its end: for fixtures."""
    asyncio.set_event_loop(_loop)
    return finish


@pytest.fixture(scope="session")
def world(tmp_path_factory, in_loop):
    w = World()
    in_loop(w.start(tmp_path_factory.mktemp("proxy")))
    yield w
    in_loop(w.stop())
