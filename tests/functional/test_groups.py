"""Groups of devices as targets (RFC 7252 8, RFC 8075 8.4), where a route opens them: what leaves, who may answer, and how fast.

Each test has a network namespace of its own, in which groups of 239/8 are reached over the loopback interface. Needs root.
"""

import http.client
import itertools
import os
import socket
import struct
import subprocess

import coap
import pytest
from coap import CON, GET, NON, POST, Message
from harness import Client, Device, NameServer, Proxy
from namespaces import inside

GROUP, PORT, WEB_PORT = "239.77.0.1", 7700, 8077
URL = "coap://%s:%d" % (GROUP, PORT)
LISTENERS = 'coap: { url = "coap://127.0.0.1:5683"; }; web: { url = "http://127.0.0.1:%d"; };' % WEB_PORT
TARGETS = 'forward-to = ["coap://*:*"]; allow-networks = ["127.0.0.0/8"];'
OPEN = """
  web: { from = ["web"]; http-path = "/hc/{+tu}"; authenticate = "none"; multicast = true; %s };
  fwd: { from = ["coap"]; multicast = true; %s };
""" % (TARGETS, TARGETS)
SHUT = OPEN.replace("multicast = true;", "")
BLOCKS = 'http: { block-size = "64B"; };'
_names = itertools.count()


class Member(Device):
    """A device that hears what is sent to the group, and answers from an address of its own."""

    def __init__(self, proxy, group=GROUP):
        super().__init__(proxy)
        self.ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.ear.bind((group, PORT))
        self.ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton("127.0.0.1"))
        self.voice, self.socket = self.socket, self.ear

    def send_raw(self, raw, to):
        self.voice.sendto(raw, to)

    def heard_in_person(self):
        """What came to its own address: acknowledgements, resets, requests by unicast."""
        self.socket = self.voice
        try:
            return self.pending()
        finally:
            self.socket = self.ear

    def close(self):
        self.ear.close()
        self.voice.close()


class Place:
    """The namespace and what runs in it."""

    def __init__(self, directory):
        self.directory, self.proxy = directory, None
        self.name = "opx-%d-%d-groups" % (os.getpid(), next(_names))

    def ip(self, *arguments):
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, "ip %s: %s" % (" ".join(arguments), done.stderr)

    def make(self):
        self.ip("netns", "add", self.name)
        self.ip("-n", self.name, "link", "set", "lo", "up")
        self.ip("-n", self.name, "route", "add", "239.0.0.0/8", "dev", "lo")

    def remove(self):
        try:
            if self.proxy:
                self.proxy.stop()
        finally:
            subprocess.run(["ip", "netns", "del", self.name], capture_output=True)

    def start(self, routes=OPEN, sections=""):
        with inside(self.name):
            self.proxy = Proxy(self.directory, routes=routes, sections=sections, listeners=LISTENERS, port=5683)
        return self.proxy

    def _peer(self, kind, *arguments):
        with inside(self.name):
            self.proxy.peers.append(kind(self.proxy, *arguments))
        return self.proxy.peers[-1]

    def client(self):
        return self._peer(Client)

    def member(self, *group):
        return self._peer(Member, *group)

    def ask(self, method, target, body=None, headers=()):
        """Sends a request over HTTP on a connection of its own; the connection is returned, on which answer() waits."""
        c = http.client.HTTPConnection("127.0.0.1", WEB_PORT, timeout=10)
        with inside(self.name):
            c.connect()
        c.request(method, "/hc/" + target, body=body, headers=dict(headers))
        return c


def answer(connection):
    a = connection.getresponse()
    a.content = a.read()
    connection.close()
    return a


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.mark.covers("C7252-8.1-1", "C7252-8.2-2", "C7252-8.2.1-1")
def test_the_first_of_a_group_answers(place):
    """Once, non-confirmable, without what would make members answer differently; the others are not reset for what they were asked."""
    proxy = place.start()
    members = [place.member() for _ in range(3)]
    c = place.ask("GET", URL + "/temperature?room=1", headers={"If-None-Match": '"2a"'})
    heard = [m.recv() for m in members]
    for m in heard:
        assert (m.type, m.code, m.all(coap.URI_PATH), m.all(coap.URI_QUERY)) == (NON, GET, [b"temperature"], [b"room=1"])
        assert not m.has(coap.ETAG) and not m.has(coap.OBSERVE)
        assert m.raw == heard[0].raw
    members[1].answer(heard[1], payload=b"21")
    a = answer(c)
    assert (a.status, a.content) == (200, b"21")
    members[0].answer(heard[0], payload=b"20")
    members[2].separate(heard[2], payload=b"19", mid=7)
    members[2].separate(heard[2], payload=b"19", mid=7)
    proxy.settle()
    assert [[(m.type, m.code, m.mid) for m in d.heard_in_person()] for d in members] == [[], [], [(coap.ACK, 0, 7)] * 2]
    assert proxy.counters()["group_answers_late"] == 2
    proxy.advance(100_000)
    for d in members:
        d.quiet()


@pytest.mark.covers("C7252-8.1-1", "C7252-8.2-2")
@pytest.mark.parametrize("type_", [CON, NON])
def test_a_client_of_coap_asks_a_group(place, type_):
    place.start()
    member, client = place.member(), place.client()
    sent = client.send(Message(GET, type_, options=[(coap.OBSERVE, 0), (coap.PROXY_URI, URL + "/t")]))
    up = member.recv()
    assert (up.type, up.code, up.has(coap.OBSERVE)) == (NON, GET, False)
    member.answer(up, payload=b"21")
    down = client.recv()
    assert (down.token, down.code, down.payload, down.has(coap.OBSERVE)) == (sent.token, coap.CONTENT, b"21", False)


@pytest.mark.covers("C7252-8.2-2")
def test_nobody_answers(place):
    """It is asked once; the answer is that there is none. What comes then is late."""
    proxy = place.start(routes=OPEN.replace("multicast", 'timeout = "20s"; multicast'))
    member = place.member()
    c = place.ask("GET", URL + "/t")
    up = member.recv()
    proxy.advance(19_000)
    member.quiet()
    proxy.advance(1_100)
    assert answer(c).status == 504
    member.answer(up)
    proxy.settle()
    assert member.heard_in_person() == [] and proxy.counters()["group_answers_late"] == 1


@pytest.mark.covers("C8075-10.2-1")
def test_pace(place):
    """Ten at once become one a second, each group for itself; a thousand more are refused early."""
    proxy = place.start(sections="limits: { origin-exchanges = 12; };")
    member, other = place.member(), place.member("239.77.0.2")
    waiting = [place.ask("GET", URL + "/t") for _ in range(16)]
    proxy.settle()
    apart = place.ask("GET", "coap://239.77.0.2:%d/t" % PORT)
    other.answer(other.recv(), payload=b"other")
    assert answer(apart).content == b"other"
    for second in range(12):
        came = member.pending()
        assert len(came) == 1, "in second %d" % second
        member.answer(came[0], payload=b"x")
        proxy.advance(1_030)
    member.quiet()
    assert sorted(answer(c).status for c in waiting) == [200] * 12 + [503] * 4


@pytest.mark.covers("C8075-8.4-1", "C8075-10.1-1", "C8075-10.4-1", "C7252-11.3-2")
def test_groups_are_shut_without_the_setting(place):
    place.start(routes=SHUT)
    member, client = place.member(), place.client()
    for target in (URL, "coap://224.0.1.187", "coap://[ff02::fd]", "coap://255.255.255.255", "coap://[::ffff:239.77.0.1]:7700"):
        assert answer(place.ask("GET", target + "/.well-known/core")).status == 403
        assert client.ask(Message(GET, options=[(coap.PROXY_URI, target + "/")])).code == coap.code("4.03")
    member.quiet()


@pytest.mark.covers("C8075-8.4-1", "C8075-10.4-1")
@pytest.mark.parametrize("is_open", [False, True])
def test_a_name_of_a_group_is_a_group(place, is_open):
    proxy = None
    with inside(place.name):
        server = NameServer()
    try:
        resolv = place.directory / "resolv.conf"
        resolv.write_text("nameserver %s\noptions timeout:1\n" % server.host)
        server.socket.close()
        with inside(place.name):
            server.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.socket.bind((server.host, 53))
        proxy = place.start(OPEN if is_open else SHUT, sections='upstream: { resolv-conf = "%s"; };' % resolv)
        member = place.member()
        c = place.ask("GET", "coap://all.example:%d/t" % PORT)
        server.serve({"all.example": [GROUP]})
        if is_open:
            up = member.recv()
            assert up.all(coap.URI_HOST) == [b"all.example"]
            member.answer(up, payload=b"21")
        assert answer(c).status == (200 if is_open else 403)
        member.quiet()
        proxy.settle()
    finally:
        server.close()


@pytest.mark.covers("S-37")
def test_oscore_to_a_group_is_refused_all_the_same(place):
    place.start()
    member, client = place.member(), place.client()
    a = answer(place.ask("POST", URL, b"sealed", {"OSCORE": "CQAA", "Content-Type": "application/oscore"}))
    assert a.status == 403
    options = [(coap.PROXY_URI, URL), (coap.OSCORE, b"\x09\x00\x00")]
    assert client.ask(Message(POST, options=options, payload=b"sealed")).code == coap.code("4.01")
    member.quiet()


@pytest.mark.covers("C7959-2.8-1")
def test_the_rest_of_an_answer_is_asked_of_who_gave_it(place):
    """By unicast, confirmable; the group is asked for the first block alone."""
    proxy = place.start(sections=BLOCKS)
    member, other = place.member(), place.member()
    c = place.ask("GET", URL + "/big?all")
    up = member.recv()
    assert coap.block_parts(up.first(coap.BLOCK2)) == (0, False, 2)
    blocks = [bytes([65 + i]) * 64 for i in range(4)]
    member.answer(up, options=[(coap.BLOCK2, coap.block(0, True, 2))], payload=blocks[0])
    other.answer(other.recv(), options=[(coap.BLOCK2, coap.block(0, True, 2))], payload=bytes(64))
    for number in (1, 2, 3):
        proxy.settle()
        next_, = member.heard_in_person()
        assert (next_.type, next_.code, next_.all(coap.URI_PATH), next_.all(coap.URI_QUERY)) == (CON, GET, [b"big"], [b"all"])
        assert coap.block_parts(next_.first(coap.BLOCK2)) == (number, False, 2) and next_.source != up.source
        member.piggyback(next_, options=[(coap.BLOCK2, coap.block(number, number < 3, 2))], payload=blocks[number])
    assert answer(c).content == b"".join(blocks)
    assert other.heard_in_person() == []
    member.quiet()
    other.quiet()


@pytest.mark.covers("C7959-2.8-1", "C7252-11.5-1")
def test_who_answers_is_asked_on_only_where_the_route_could_send(place):
    """An answer can come from anywhere, and may have been made up to have the gateway send there."""
    place.start(routes=OPEN.replace(' allow-networks = ["127.0.0.0/8"];', ""), sections=BLOCKS)
    member = place.member()
    c = place.ask("GET", URL + "/big")
    up = member.recv()
    member.answer(up, options=[(coap.BLOCK2, coap.block(0, True, 2))], payload=bytes(64))
    assert answer(c).status == 403 and member.heard_in_person() == []


@pytest.mark.covers("C7959-2.8-1")
def test_a_client_of_coap_asks_a_group_for_the_first_block_alone(place):
    place.start()
    member, client = place.member(), place.client()
    named = [(coap.PROXY_URI, URL + "/big")]
    assert client.ask(Message(GET, options=named + [(coap.BLOCK2, coap.block(1, False, 2))])).code == coap.code("4.00")
    sent = client.send(Message(GET, options=named + [(coap.BLOCK2, coap.block(0, False, 2))]))
    up = member.recv()
    assert coap.block_parts(up.first(coap.BLOCK2)) == (0, False, 2)
    member.answer(up, options=[(coap.BLOCK2, coap.block(0, True, 2))], payload=bytes(64))
    down = client.recv()
    assert (down.token, coap.block_parts(down.first(coap.BLOCK2))) == (sent.token, (0, True, 2))


@pytest.mark.covers("C7959-2.8-1")
def test_a_body_for_a_group_goes_whole_or_not_at_all(place):
    place.start()
    member = place.member()
    c = place.ask("PUT", URL + "/light", b"on", {"Content-Type": "text/plain;charset=utf-8"})
    up = member.recv()
    assert (up.type, up.code, up.payload) == (NON, coap.PUT, b"on")
    member.answer(up, coap.CHANGED)
    assert answer(c).status == 204
    assert answer(place.ask("PUT", URL + "/light", bytes(5000), {"Content-Type": "text/plain;charset=utf-8"})).status == 413
    member.quiet()


@pytest.mark.covers("C7252-8.2-3")
def test_what_a_member_made_is_not_said_to_be_at_the_group(place):
    """Its URI begins with the address of who answered, which the client is not told; of a device alone it is known."""
    proxy = place.start()
    member = place.member()
    c = place.ask("POST", URL + "/things", b"x", {"Content-Type": "text/plain;charset=utf-8"})
    up = member.recv()
    member.answer(up, coap.code("2.01"), [(coap.LOCATION_PATH, "things"), (coap.LOCATION_PATH, "7")])
    a = answer(c)
    assert (a.status, a.getheader("location")) == (201, None)
    alone = "coap://%s:%d" % member.voice.getsockname()
    c = place.ask("POST", alone + "/things", b"x", {"Content-Type": "text/plain;charset=utf-8"})
    proxy.settle()
    member.piggyback(member.heard_in_person()[0], coap.code("2.01"), [(coap.LOCATION_PATH, "things"), (coap.LOCATION_PATH, "7")])
    assert answer(c).getheader("location") == "/hc/%s/things/7" % alone


@pytest.mark.covers("C7252-8.1-3")
def test_a_group_has_a_port_of_its_own(place):
    """So that no message of one who answers alone is taken for what another was asked."""
    proxy = place.start()
    member = place.member()
    c = place.ask("GET", URL + "/t")
    up = member.recv()
    alone = place.ask("GET", "coap://%s:%d/t" % (member.voice.getsockname()[0], member.voice.getsockname()[1]))
    proxy.settle()
    direct = member.heard_in_person()[0]
    assert direct.type == CON and direct.source[1] != up.source[1]
    # a reset of the one is none of the other, even with its Message ID
    member.send_raw(coap.empty(coap.RST, direct.mid), up.source)
    proxy.settle()
    member.piggyback(direct, payload=b"alone")
    assert answer(alone).content == b"alone"
    member.answer(up, payload=b"all")
    assert answer(c).content == b"all"


@pytest.mark.covers("C7252-8.2-2")
def test_what_is_no_answer_does_not_end_it(place):
    """Broken messages, wrong tokens and acknowledgements of some member: another may do better."""
    proxy = place.start()
    bad, good = place.member(), place.member()
    c = place.ask("GET", URL + "/t")
    up = bad.recv()
    bad.send_raw(coap.head(NON, coap.CONTENT, 1, up.token) + b"\xf1\x61", up.source)
    bad.separate(up, type=NON, token=b"12345678")
    bad.send_raw(coap.empty(coap.ACK, up.mid), up.source)
    bad.send_raw(coap.empty(coap.RST, up.mid), up.source)
    bad.piggyback(up, payload=b"an acknowledgement")
    proxy.settle()
    good.answer(good.recv(), payload=b"21")
    assert answer(c).content == b"21"


class LinkMember(Device):
    """A device at the other end of a link, which answers from its link-local address."""

    def __init__(self, proxy, link, address, group):
        self.proxy, self.ledger, self.next_mid = proxy, [], 100
        scope = socket.if_nametoindex(link)
        self.ear, self.voice = (socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(2))
        self.ear.bind((group, PORT, 0, scope))
        membership = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", scope)
        self.ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
        self.voice.bind((address, PORT, 0, scope))
        self.socket, self.host, self.port = self.ear, address, PORT

    def _read(self):
        raw, source = self.socket.recvfrom(70000)
        m = Message.parse(raw)
        m.source = source
        return m

    def send_raw(self, raw, to):
        self.voice.sendto(raw, to)

    def close(self):
        self.ear.close()
        self.voice.close()


@pytest.mark.covers("C7252-8.1-1", "C7252-8.2-2", "C8075-5.2-1")
def test_a_group_of_a_link_as_the_origin_of_a_route(place):
    """Its zone says which link is meant; whoever answers has another address of that link."""
    place.ip("-n", place.name, "link", "add", "one", "type", "veth", "peer", "name", "other")
    for link, address in (("one", "fe80::1"), ("other", "fe80::2")):
        place.ip("-n", place.name, "link", "set", link, "addrgenmode", "none")
        place.ip("-n", place.name, "link", "set", link, "up")
        place.ip("-n", place.name, "addr", "add", address + "/64", "dev", link, "nodad")
    proxy = place.start(routes='all: { from = ["web"]; http-path = "/hc/all"; authenticate = "none"; multicast = true;'
                               ' to = ["coap://[ff02::fd%%one]:%d/t"]; };' % PORT, sections=BLOCKS)
    member = place._peer(LinkMember, "other", "fe80::2", "ff02::fd")
    c = place.ask("GET", "all")
    up = member.recv(5)
    assert (up.type, up.all(coap.URI_PATH), up.has(coap.URI_HOST)) == (NON, [b"t"], False)
    member.answer(up, options=[(coap.BLOCK2, coap.block(0, True, 2))], payload=bytes(64))
    proxy.settle()
    member.socket = member.voice
    rest = member.recv(5)
    assert rest.type == CON and rest.all(coap.URI_PATH) == [b"t"]
    member.piggyback(rest, options=[(coap.BLOCK2, coap.block(1, False, 2))], payload=b"21")
    assert answer(c).content == bytes(64) + b"21"
