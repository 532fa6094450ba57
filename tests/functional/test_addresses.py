"""Answers leave from the address that was asked; link-local addresses stay on their interface.

Each test has two network namespaces of its own, the gateway's and its peers', joined by two links (veth pairs). On both
links the peers have the same link-local addresses, so that only the interface tells them apart. Needs root.
"""

import itertools
import os
import signal
import socket
import struct
import subprocess
import time

import pytest

import coap
from coap import ACK, CON, NON, OBSERVE, RST, Message
from harness import WORKERS, Client, Device, Proxy
from namespaces import inside

PORT = 5683
GATEWAY_V4, GATEWAY_V6 = ("10.77.0.1", "10.77.0.2", "10.77.0.3"), ("fd77::1", "fd77::2", "fd77::3")
PEER_V4, PEER_V6 = "10.77.0.9", "fd77::9"
GATEWAY_LINK, PEER_LINK, DEVICE_LINK = "fe80::1", "fe80::2", "fe80::3"
FORWARD = """
  f4: { from = ["coap"]; forward-to = ["coap://10.77.0.0/24:*"]; };
  f6: { from = ["coap"]; forward-to = ["coap://[fd77::/64]:*"]; };
"""
LINK_ROUTES = """
  zero: { from = ["coap"]; hosts = ["zero.example"]; to = ["coap://[fe80::3%link0]:7000"]; };
  one:  { from = ["coap"]; hosts = ["one.example"];  to = ["coap://[fe80::3%link1]:7000"]; };
"""
_names = itertools.count()


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, "ip %s: %s" % (" ".join(arguments), done.stderr)
    return done.stdout


class Links:
    """The two namespaces and what runs in them."""

    def __init__(self, directory):
        self.directory, self.proxy = directory, None
        self.gateway, self.peers = ("opx-%d-%d-%s" % (os.getpid(), next(_names), side) for side in ("gw", "peers"))

    def make(self):
        for namespace in (self.gateway, self.peers):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        for link in ("link0", "link1"):
            ip("-n", self.gateway, "link", "add", link, "type", "veth", "peer", "name", link, "netns", self.peers)
            for namespace, addresses in ((self.gateway, [GATEWAY_LINK]), (self.peers, [PEER_LINK, DEVICE_LINK])):
                ip("-n", namespace, "link", "set", link, "addrgenmode", "none")
                ip("-n", namespace, "link", "set", link, "up")
                for a in addresses:
                    self.give(namespace, link, a + "/64")
        for a in [a + "/24" for a in GATEWAY_V4] + [a + "/64" for a in GATEWAY_V6]:
            self.give(self.gateway, "link0", a)
        self.give(self.peers, "link0", PEER_V4 + "/24")
        self.give(self.peers, "link0", PEER_V6 + "/64")
        self.introduce()
        self.wait()

    def introduce(self):
        """Neighbours know each other: a solicitation that gets lost would be repeated after a second only."""
        for link in ("link0", "link1"):
            for here, there, hosts in ((self.gateway, self.peers, (PEER_V4, PEER_V6, PEER_LINK, DEVICE_LINK)),
                                       (self.peers, self.gateway, GATEWAY_V4 + GATEWAY_V6 + (GATEWAY_LINK,))):
                shown = ip("-n", there, "link", "show", link).split()
                for host in hosts:
                    ip("-n", here, "neigh", "add", host, "lladdr", shown[shown.index("link/ether") + 1], "dev", link, "nud",
                       "permanent")

    def wait(self):
        """Until the kernel has taken links and addresses into service, which it does in its own time: before that they drop."""
        until = time.monotonic() + 10
        for namespace, link in itertools.product((self.gateway, self.peers), ("link0", "link1")):
            while "state UP" not in (shown := ip("-n", namespace, "addr", "show", link)) or "tentative" in shown:
                assert time.monotonic() < until, "%s does not come up" % link
                time.sleep(0.01)

    @staticmethod
    def give(namespace, link, address):
        ip("-n", namespace, "addr", "add", address, "dev", link, *(["nodad"] if ":" in address else []))

    def remove(self):
        try:
            if self.proxy:
                self.proxy.stop()
        finally:
            for namespace in (self.gateway, self.peers):
                subprocess.run(["ip", "netns", "del", namespace], capture_output=True)

    def start(self, listener, routes=FORWARD):
        with inside(self.gateway):
            self.proxy = Proxy(self.directory, routes=routes, listeners='coap: { url = "coap://%s:%d"; };' % (listener, PORT),
                               host="127.0.0.1", port=PORT)
        return self.proxy

    def index(self, link):
        with inside(self.peers):
            return socket.if_nametoindex(link)

    def _place(self, host, port, link):
        return (host, port, 0, self.index(link)) if link else (host, port)

    def client(self, host, to, link=None, port=0):
        """A client on `host` that asks the gateway's address `to`."""
        with inside(self.peers):
            c = PlacedClient(self.proxy, self._place(host, port, link), self._place(to, PORT, link))
        self.proxy.peers.append(c)
        return c

    def device(self, host, link=None, port=0):
        with inside(self.peers):
            d = PlacedDevice(self.proxy, self._place(host, port, link))
        self.proxy.peers.append(d)
        return d


class Placed:
    """A peer whose addresses have their scope."""

    def __init__(self, proxy, place):
        self.proxy, self.ledger, self.next_mid = proxy, [], 100
        self.socket = socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(place)
        self.host, self.port = self.socket.getsockname()[:2]

    def _read(self):
        raw, source = self.socket.recvfrom(70000)
        m = Message.parse(raw)
        m.source = source
        self.ledger.append(m)
        return m


class PlacedClient(Placed, Client):
    def __init__(self, proxy, place, to):
        Placed.__init__(self, proxy, place)
        self.to = to

    def recv(self, timeout=5.0):
        return super().recv(timeout)

    def recv_here(self):
        """The next message; it comes from the address that was asked."""
        m = self.recv()
        assert m.source == self.socket_name(self.to), "asked %r" % (self.to,)
        return m

    def socket_name(self, address):
        return address if self.socket.family == socket.AF_INET else (address + (0, 0))[:4]


class PlacedDevice(Placed, Device):
    def recv(self, timeout=5.0):
        return super().recv(timeout)


@pytest.fixture
def links(tmp_path):
    made = Links(tmp_path)
    try:
        made.make()
        yield made
    finally:
        made.remove()


def request(device, options=(), type=CON, mid=None, path="p"):
    named = [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, device.host), (coap.URI_PORT, device.port), (coap.URI_PATH, path)]
    return Message(coap.GET, type, mid, options=named + list(options))


def to_route(host, type=CON, mid=None, token=None):
    return Message(coap.GET, type, mid, token, [(coap.URI_HOST, host), (coap.URI_PATH, "p")])


PLACES = ([("0.0.0.0", PEER_V4, a) for a in GATEWAY_V4] + [("[::]", PEER_V6, a) for a in GATEWAY_V6] +
          [("[::]", PEER_V4, a) for a in GATEWAY_V4])


@pytest.mark.parametrize("listener,peer,asked", PLACES)
def test_every_kind_of_answer_leaves_from_the_address_asked(links, listener, peer, asked):
    proxy = links.start(listener)
    client, device = links.client(peer, asked), links.device(peer)

    for type_ in (CON, NON):
        sent = client.send(request(device, type=type_))
        device.answer(device.recv(), payload=b"x")
        down = client.recv_here()
        assert (down.token, down.payload) == (sent.token, b"x")
        client.send(sent)
        if type_ == CON:
            assert client.recv_here().raw == down.raw
    client.quiet()

    # refused, not readable, ping
    sent = client.send(Message(coap.GET, options=[(coap.URI_HOST, "nowhere.example")]))
    assert client.recv_here().code == coap.code("4.04")
    client.send(coap.head(CON, coap.GET, 0x1234, tkl=15))
    assert client.recv_here().type == RST
    client.send(coap.empty(CON, 0x4321))
    assert client.recv_here().type == RST

    # Empty ACK, separate response and its repeat
    sent = client.send(request(device))
    up = device.recv()
    proxy.advance(1_100)
    assert client.recv_here().is_empty
    device.answer(up, payload=b"late")
    assert client.recv_here().payload == b"late"
    proxy.advance(3_100)
    late = client.recv_here()
    assert (late.type, late.payload) == (CON, b"late")
    client.ack(late)
    device.pending()

    # notifications
    client.send(request(device, [(OBSERVE, b"")]))
    up = device.recv()
    device.answer(up, options=[(OBSERVE, 1)])
    assert client.recv_here().has(OBSERVE)
    for value, type_ in ((2, NON), (3, CON)):
        device.separate(up, options=[(OBSERVE, value)], type=type_)
        down = client.recv_here()
        assert down.has(OBSERVE) and down.type == type_
    client.ack(down)
    device.pending()
    assert proxy.counters().get("send_failed", 0) == 0


@pytest.mark.parametrize("listener,peer,addresses", [("0.0.0.0", PEER_V4, GATEWAY_V4), ("[::]", PEER_V6, GATEWAY_V6),
                                                     ("[::]", PEER_V4, GATEWAY_V4)])
def test_one_client_that_asks_several_addresses_at_once(links, listener, peer, addresses):
    links.start(listener)
    client, device = links.client(peer, addresses[0]), links.device(peer)
    asked = {}
    for a in addresses:
        client.to = (a, PORT)
        asked[client.send(request(device)).token] = a
    for _ in addresses:
        device.answer(device.recv())
    for _ in addresses:
        down = client.recv()
        assert down.source[0] == asked.pop(down.token)


def test_ipv4_and_ipv6_on_one_listener(links):
    """A client of each kind at the same port, with the same Message ID."""
    links.start("[::]")
    device = links.device(PEER_V4)
    four = links.client(PEER_V4, GATEWAY_V4[1])
    six = links.client(PEER_V6, GATEWAY_V6[2], port=four.port)
    for c in (four, six):
        c.send(request(device, mid=77))
    for _ in (four, six):
        device.answer(device.recv())
    for c in (four, six):
        down = c.recv_here()
        assert (down.type, down.mid, down.code) == (ACK, 77, coap.CONTENT)


@pytest.mark.parametrize("link", ["link0", "link1"])
def test_link_local_client_is_answered_on_its_interface(links, link):
    proxy = links.start("[::]")
    client, device = links.client(PEER_LINK, GATEWAY_LINK, link), links.device(PEER_V4)
    client.send(request(device))
    up = device.recv()
    proxy.advance(1_100)
    assert client.recv_here().is_empty
    device.answer(up, payload=b"late")
    down = client.recv_here()
    assert down.payload == b"late"
    client.ack(down)
    client.send(request(device, type=NON))
    device.answer(device.recv())
    assert client.recv_here().code == coap.CONTENT
    client.send(coap.empty(CON, 0x4321))
    assert client.recv_here().type == RST


def test_link_local_address_asked_from_a_global_one(links):
    """The client's address does not say which interface the answer must take; the one it asked through does."""
    links.start("[::]")
    client, device = links.client(PEER_V6, GATEWAY_LINK), links.device(PEER_V4)
    client.to = (GATEWAY_LINK, PORT, 0, links.index("link0"))
    sent = client.send(request(device))
    device.answer(device.recv(), payload=b"x")
    down = client.recv()
    assert (down.source[0], down.token, down.payload) == (GATEWAY_LINK, sent.token, b"x")


@pytest.mark.covers("C7252-4.1-2")
def test_same_link_local_address_on_two_interfaces_is_two_clients(links):
    """Address, port, Message ID and token are the same; only the interface differs."""
    links.start("[::]")
    device = links.device(PEER_V4)
    a = links.client(PEER_LINK, GATEWAY_LINK, "link0")
    b = links.client(PEER_LINK, GATEWAY_LINK, "link1", port=a.port)
    for c, path in ((a, "a"), (b, "b")):
        m = request(device, mid=77, path=path)
        m.token = b"same"
        c.send(m)
        up = device.recv()
        assert up.first(coap.URI_PATH) == path.encode(), "not taken for a repeat"
        device.answer(up, payload=path.encode())
    assert a.recv_here().payload == b"a"
    assert b.recv_here().payload == b"b"
    a.quiet()
    b.quiet()


@pytest.mark.parametrize("host,right,wrong", [("zero.example", "link0", "link1"), ("one.example", "link1", "link0")])
def test_link_local_origin_of_the_configuration(links, host, right, wrong):
    """The same address and port answer on both links; the zone of the route decides."""
    proxy = links.start("[::]", LINK_ROUTES)
    client = links.client(PEER_V4, GATEWAY_V4[0])
    device, other = links.device(DEVICE_LINK, right, 7000), links.device(DEVICE_LINK, wrong, 7000)
    sent = client.send(to_route(host))
    up = device.recv()
    assert up.source[0] == GATEWAY_LINK
    device.answer(up, payload=b"x")
    down = client.recv_here()
    assert (down.token, down.payload) == (sent.token, b"x")
    # the device repeats on CON: acknowledged on its own interface
    client.send(to_route(host))
    up = device.recv()
    n = device.separate(up, payload=b"y")
    assert (device.recv().mid, device.ledger[-1].type) == (n.mid, ACK)
    assert client.recv_here().payload == b"y"
    other.quiet()
    proxy.check()


@pytest.mark.covers("C7252-5.3-4")
def test_answer_from_the_other_interface_is_not_the_origins(links):
    links.start("[::]", LINK_ROUTES)
    client = links.client(PEER_V4, GATEWAY_V4[0])
    device, other = links.device(DEVICE_LINK, "link0", 7000), links.device(DEVICE_LINK, "link1", 7000)
    client.send(to_route("zero.example"))
    up = device.recv()
    place = up.source[:3] + (links.index("link1"),)
    other.send_raw(Message(coap.CONTENT, ACK, up.mid, up.token, payload=b"forged").encode(), place)
    client.quiet()
    device.answer(up, payload=b"true")
    assert client.recv_here().payload == b"true"


@pytest.mark.parametrize("form", ["scheme", "uri"])
@pytest.mark.parametrize("zone", ["", "%link0", "%25link0", "%1"])
def test_requests_cannot_name_a_link_local_target(links, form, zone):
    """Not even where the route forwards to anything and allows their network: the zone comes from the configuration only."""
    links.start("[::]", '  any: { from = ["coap"]; forward-to = ["coap://*:*"]; allow-networks = ["fe80::/10"]; };\n')
    client = links.client(PEER_V4, GATEWAY_V4[0])
    devices = [links.device(DEVICE_LINK, link, 7000) for link in ("link0", "link1")]
    host = DEVICE_LINK + zone
    options = [(coap.PROXY_URI, "coap://[%s]:7000/p" % host)] if form == "uri" else [
        (coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, host), (coap.URI_PORT, 7000), (coap.URI_PATH, "p")]
    client.send(Message(coap.GET, options=options))
    assert client.recv_here().code >> 5 in (4, 5)
    for d in devices:
        d.quiet()


@pytest.mark.parametrize("link,other", [("link0", "link1"), ("link1", "link0")])
def test_link_local_listener_serves_its_interface_only(links, link, other):
    proxy = links.start("[%s%%%s]" % (GATEWAY_LINK, link), LINK_ROUTES)
    device = links.device(DEVICE_LINK, "link0", 7000)
    here = links.client(PEER_LINK, GATEWAY_LINK, link)
    there = links.client(PEER_LINK, GATEWAY_LINK, other)
    there.send(to_route("zero.example"))
    there.quiet()
    device.quiet()
    sent = here.send(to_route("zero.example"))
    device.answer(device.recv(), payload=b"x")
    down = here.recv_here()
    assert (down.token, down.payload) == (sent.token, b"x")
    proxy.check()


def test_an_address_that_came_later_is_ours_after_a_reload(links):
    """A request for a listener's own address is not sent anywhere: it is answered here."""
    late = "10.77.0.99"
    proxy = links.start("0.0.0.0")
    links.give(links.gateway, "link0", late + "/24")
    proxy.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + 10
    while "in force" not in proxy.explain():
        assert time.monotonic() < until, proxy.explain()
        time.sleep(0.01)
    client = links.client(PEER_V4, GATEWAY_V4[0])
    down = client.ask(Message(coap.GET, CON, None, None, [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, late), (coap.URI_PORT, PORT),
                                                         (coap.URI_PATH, ".well-known"), (coap.URI_PATH, "core")]))
    assert down.code == coap.CONTENT and down.uint(coap.CONTENT_FORMAT) == 40
    assert proxy.counters()["forwarded"] == 0


@pytest.mark.covers("C7252-8.1-2", "C7252-8.2-1", "C7252-11.3-2")
@pytest.mark.parametrize("listener,peer,group", [("0.0.0.0", PEER_V4, "239.255.77.77"), ("[::]", PEER_V6, "ff12::77")])
def test_groups_are_not_served(links, listener, peer, group):
    """The host is a member; neither a reset for junk nor an error for a request comes back, and none is tried."""
    proxy = links.start(listener)
    device = links.device(peer)
    client = links.client(peer, group)
    with inside(links.gateway):
        index = socket.if_nametoindex("link0")
        member = socket.socket(socket.AF_INET6 if ":" in group else socket.AF_INET, socket.SOCK_DGRAM)
    packed = socket.inet_pton(member.family, group)
    if member.family == socket.AF_INET6:
        member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed + struct.pack("@I", index))
        client.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, links.index("link0"))
    else:
        member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, packed + bytes(4) + struct.pack("@I", index))
        client.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(8) + struct.pack("@I", links.index("link0")))
    try:
        for raw in (coap.head(NON, coap.GET, 1, b"t", tkl=15), coap.head(NON, 0xE1, 2), coap.empty(CON, 5),
                    request(device, type=NON, mid=3), request(device, type=CON, mid=4)):
            client.send(raw)
        until = time.monotonic() + 5
        while proxy.counters()["multicast_ignored"] < 5 * WORKERS and time.monotonic() < until:
            proxy.settle()
        counters = proxy.counters()
        assert (counters["multicast_ignored"], counters["send_failed"]) == (5 * WORKERS, 0)  # each socket of a group hears it
        client.quiet()
        device.quiet()
    finally:
        member.close()


@pytest.mark.parametrize("url", ["coap://[fe80::1]:5683", "coap://[fe80::1%nolink]:5683"])
def test_link_local_listener_needs_a_zone_that_exists(links, url):
    with inside(links.gateway):
        with pytest.raises(AssertionError, match="ended at once"):
            links.proxy = Proxy(links.directory, routes="", listeners='coap: { url = "%s"; };' % url)
