"""Fixtures of the functional tests: one proxy for each file, peers of its own for each test."""

import functools
import inspect
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import REVERSE_ROUTES, WEB_ROUTES, Pair, Proxy  # noqa: E402
from http_client import WebPair  # noqa: E402
from observing import Observer  # noqa: E402


class Shared:
    """A file's proxy: forwards to all of 127/8 and has reverse routes for one test each. A test that kills it fails and
    leaves a new one to those after it."""

    def __init__(self, factory):
        self.factory, self.running = factory, None

    def get(self):
        if self.running is None or self.running.process.poll() is not None or self.running.reverse_used > REVERSE_ROUTES - 4:
            self.stop()
            self.running = Proxy(self.factory.mktemp("proxy"), reverse=REVERSE_ROUTES)
        return self.running

    def stop(self):
        running, self.running = self.running, None
        if running and running.process.poll() is None:
            running.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    s = Shared(tmp_path_factory)
    yield s
    s.stop()


@pytest.fixture
def proxy(shared):
    p = shared.get()
    yield p
    p.close_peers()
    p.check()


def starting(tmp_path, begin):
    """What a fixture yields for begin(directory, ...): a proxy with a folder of its own each time; all end with the test."""
    started = []

    def run(**kw):
        directory = tmp_path / ("proxy%d" % len(started))
        directory.mkdir()
        started.append(begin(directory, **kw))
        return started[-1]

    yield run
    for p in started:
        p.stop()


@pytest.fixture
def start(tmp_path):
    """start(routes=..., sections=...): a proxy of this test alone."""
    yield from starting(tmp_path, Proxy)


@pytest.fixture
def pair(proxy):
    """A fresh client and a fresh device, by Proxy-Scheme and Uri-*."""
    return Pair(proxy)


@pytest.fixture(params=["scheme", "uri", "reverse"])
def any_pair(request, proxy):
    """The same by each of the three ways to name a target."""
    if request.param == "reverse":
        host, device = proxy.reverse()
        return Pair(proxy, "reverse", device=device, host=host)
    return Pair(proxy, request.param)


@pytest.fixture
def observer(proxy):
    return Observer(proxy).register()


@pytest.fixture
def sealed(proxy):
    return Observer(proxy).register(oscore=True)


def begin_of(request):
    """The file's own begin(directory, ...), with its fixture `files` if that is asked for."""
    begin = request.module.begin
    if "files" not in inspect.signature(begin).parameters:
        return begin
    return functools.partial(begin, files=request.getfixturevalue("files"))


@pytest.fixture(scope="module")
def shared_gw(request, tmp_path_factory):
    p = begin_of(request)(tmp_path_factory.mktemp("gateway"))
    yield p
    if p.process.poll() is None:
        p.stop()


@pytest.fixture
def gw(shared_gw):
    """A file's gateway by its begin(). What is left of a test's sessions and connections ends with it."""
    yield shared_gw
    for peer in shared_gw.peers:
        if hasattr(peer, "goodbye") and peer.socket.fileno() >= 0:
            peer.goodbye()
    shared_gw.close_peers()
    shared_gw.advance(1000)
    shared_gw.check()


@pytest.fixture
def own(request, tmp_path):
    """own(sections=..., ...): a gateway of this test alone, by its file's begin()."""
    yield from starting(tmp_path, begin_of(request))


@pytest.fixture(scope="module")
def shared_gateway(request, tmp_path_factory):
    """A file's gateway with a listener of HTTP: by ROUTES, SECTIONS and WEB of the file, or by WEB_ROUTES."""
    wanted = request.module
    p = Proxy(tmp_path_factory.mktemp("gateway"), routes=getattr(wanted, "ROUTES", WEB_ROUTES), sections=getattr(wanted, "SECTIONS", ""),
              web=getattr(wanted, "WEB", ""))
    yield p
    if p.process.poll() is None:
        p.stop()


@pytest.fixture
def gateway(shared_gateway):
    yield shared_gateway
    shared_gateway.close_peers()
    shared_gateway.check()


@pytest.fixture
def web(gateway):
    """A fresh connection of HTTP and a fresh device, by the default mapping."""
    return WebPair(gateway)
