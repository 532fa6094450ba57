"""Return paths: an LwM2M server that asks the devices which registered with it through the gateway, over whatever they came by."""

import pytest

import coap
import house
from coap import ACK, CON, DELETE, GET, NON, POST, PUT, RST, Message
from coap_stream import Origin
from devices import Inbox, gateway, over_datagrams, over_dtls, over_tcp, over_tls, over_websocket, prepare, registration
from harness import fresh_address
from secured import SecureDevice, dtls
from test_faults_homes import kill
from test_https import Files

ROUTES = """
  lwm2m: { from = ["coap", "dtls", "tcp", "tls", "web"]; hosts = ["lwm2m.example"]; authenticate = "none"; to = ["%%s"]; return-path = true; };
  other: { from = ["coap", "dtls", "tcp", "tls"]; hosts = ["other.example"]; to = ["coap://%(device)s:5683"]; };
"""
CARRIERS = {"udp": over_datagrams, "dtls": over_dtls, "tcp": over_tcp, "tls": over_tls, "ws": over_websocket}
NAMES = ["meter-1", "meter-2", "meter-3", "meter-4", "phone"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    f = prepare(Files(tmp_path_factory.mktemp("made")))
    f.make("device", "server", "ca", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    f.share("ours", {"gw": b"g" * 16})
    return f


def begin(directory, files, to="coap://%(device)s:5683", sections="", **kw):
    sections += 'upstream: { psk-file = "%s"; ca = "%s"; };' % (files.ours, files.ca_pem) if "upstream" not in sections else ""
    routes = (ROUTES % {"device": "@@"} % to.replace("%(device)s", "@@")).replace("@@", "%(device)s")
    gw = gateway(directory, files, routes.replace("return-path", 'origin-identity = "%s"; return-path' % ("gw" if to.startswith("coaps:") else "")),
                 sections=sections, **kw)
    gw.files = files
    return gw


class Server:
    """The little of an LwM2M server that is asked here: registrations, reads, observations. `device`: the scripted origin it speaks by."""

    def __init__(self, device):
        self.device, self.at, self.inbox = device, {}, Inbox(device.recv)

    def register(self, client, name):
        """A client registers. Returns where he is reached."""
        sent = client.begin(registration(name))
        up = self.inbox.next(lambda m: m.code == POST)
        assert up.all(coap.URI_PATH) == [b"rd"] and b"ep=" + name.encode() in up.all(coap.URI_QUERY)
        self.device.answer(up, coap.CREATED, [(coap.LOCATION_PATH, "rd"), (coap.LOCATION_PATH, name)])
        down = client.got(sent)
        assert down.code == coap.CREATED and down.all(coap.LOCATION_PATH) == [b"rd", name.encode()]
        self.at[name] = up.source
        return up.source

    def begin(self, name, code=GET, path="3/0", options=(), payload=b"", type=CON, to=None):
        m = Message(code, type, self.device.take_mid(), coap.token(), [(coap.URI_PATH, p) for p in path.split("/")] + list(options), payload)
        self.device.send_raw(m.encode(), to or self.at[name])
        return m

    def got(self, sent):
        down = self.inbox.answer(sent)
        if down.type == CON:
            self.device.send_raw(coap.empty(ACK, down.mid), down.source)
        return down

    def ask(self, client, name, answer=coap.CONTENT, answer_options=(), answer_payload=b"", **kw):
        """The whole way; returns (what was asked of the client, what the server got)."""
        sent = self.begin(name, **kw)
        asked = client.asked()
        client.answer(asked, answer, answer_options, answer_payload)
        down = self.got(sent)
        assert down.source == self.at[name]
        if sent.type == CON and down.type == ACK:
            assert down.mid == sent.mid
        return asked, down


@pytest.fixture
def server(gw):
    return Server(gw.device(gw.device_host, 5683))


def test_two_clients_of_one_server_are_read_and_observed(gw, server):
    """Both registered, each reached at a port of its own; all ways to come, pair by pair."""
    clients = {}
    for name, come in zip(NAMES, CARRIERS.values()):
        clients[name] = come(gw, name)
        server.register(clients[name], name)
    assert len(set(server.at.values())) == len(CARRIERS)
    observed = {}
    for name, client in clients.items():
        asked, down = server.ask(client, name, answer_options=[(coap.CONTENT_FORMAT, 11542)], answer_payload=name.encode(),
                                 options=[(coap.ACCEPT, 11542)])
        assert (asked.code, asked.all(coap.URI_PATH), asked.uint(coap.ACCEPT)) == (GET, [b"3", b"0"], 11542)
        assert not asked.has(coap.URI_HOST) and not asked.has(coap.URI_PORT)
        assert (down.code, down.payload, down.uint(coap.CONTENT_FORMAT)) == (coap.CONTENT, name.encode(), 11542)
        sent = server.begin(name, options=[(coap.OBSERVE, b"")], path="3/0/9")
        observed[name] = (sent, client.asked())
        client.answer(observed[name][1], options=[(coap.OBSERVE, 1)], payload=b"90")
        assert server.got(sent).has(coap.OBSERVE)
    for n in range(2, 5):
        for name, client in clients.items():
            sent, asked = observed[name]
            client.notify(asked, [(coap.OBSERVE, n)], b"%d %s" % (n, name.encode()))
            down = server.got(sent)
            assert down.payload == b"%d %s" % (n, name.encode()) and down.has(coap.OBSERVE) and down.source == server.at[name]
    # updates come by the port of the registration
    for name, client in clients.items():
        sent = client.begin(registration(name, "rd/" + name))
        up = server.inbox.next(lambda m: m.code == POST)
        assert up.source == server.at[name]
        server.device.answer(up, coap.CHANGED)
        assert client.got(sent).code == coap.CHANGED
        client.quiet()


@pytest.mark.parametrize("carrier", CARRIERS)
def test_writes_in_blocks_and_oscore(gw, server, carrier):
    client = CARRIERS[carrier](gw, "meter-1")
    server.register(client, "meter-1")
    if client.reliable: # which takes what no datagram holds: it goes there whole
        for num in range(4):
            sent = server.begin("meter-1", code=PUT, path="5/0/0", options=[(coap.BLOCK1, coap.block(num, num < 3, 2))], payload=b"f" * 64)
            if num < 3:
                assert server.got(sent).code == coap.code("2.31")
        asked = client.asked()
        assert (asked.code, asked.payload, asked.has(coap.BLOCK1)) == (PUT, b"f" * 256, False)
        client.answer(asked, coap.CHANGED)
        assert server.got(sent).code == coap.CHANGED
    for num in range(0 if client.reliable else 4):
        asked, down = server.ask(client, "meter-1", code=PUT, path="5/0/0", options=[(coap.BLOCK1, coap.block(num, num < 3, 2))], payload=b"f" * 64,
                                 answer=coap.code("2.31") if num < 3 else coap.CHANGED, answer_options=[(coap.BLOCK1, coap.block(num, num < 3, 2))])
        assert asked.first(coap.BLOCK1) == coap.block(num, num < 3, 2) and asked.payload == b"f" * 64
        assert down.first(coap.BLOCK1) == coap.block(num, num < 3, 2)
    sent = server.begin("meter-1", code=POST, path="", options=[(coap.OSCORE, b"\x09\x01\x25")], payload=b"sealed", type=NON)
    asked = client.asked()
    assert (asked.code, asked.first(coap.OSCORE), asked.payload) == (POST, b"\x09\x01\x25", b"sealed")
    client.answer(asked, coap.CHANGED, [(coap.OSCORE, b"")], b"sealed too")
    down = server.got(sent)
    assert (down.first(coap.OSCORE), down.payload) == (b"", b"sealed too")


def test_nobody_else_is_heard_there(gw, server):
    client = over_datagrams(gw)
    where = server.register(client, "meter-1")
    before = gw.counters()
    stranger = gw.device(fresh_address())
    neighbour = gw.device(gw.device_host)
    for peer in (stranger, neighbour):
        m = Message(GET, CON, 7, b"t", [(coap.URI_PATH, "3")])
        peer.send_raw(m.encode(), where)
        peer.send_raw(coap.empty(CON, 8), where)
        peer.quiet()
    client.quiet()
    after = gw.counters()
    assert after["return_foreign_dropped"] - before["return_foreign_dropped"] == 4
    assert after["return_requests"] == before["return_requests"]


def test_it_leads_to_nobody_else(gw, server):
    client = over_datagrams(gw)
    server.register(client, "meter-1")
    other = gw.device()
    for options in ([(coap.PROXY_URI, other.url + "/p")], [(coap.PROXY_SCHEME, "coap"), (coap.URI_HOST, other.host), (coap.URI_PORT, other.port)]):
        sent = server.begin("meter-1", options=options)
        assert server.got(sent).code == coap.code("5.05")
    asked, _ = server.ask(client, "meter-1", options=[(coap.URI_HOST, "other.example")])
    assert not asked.has(coap.URI_HOST)
    other.quiet()


def test_duplicates_and_silence(gw, server):
    client = over_datagrams(gw)
    server.register(client, "meter-1")
    sent = server.begin("meter-1", code=DELETE)
    client.answer(client.asked(), coap.code("2.02"))
    first = server.got(sent)
    server.device.send_raw(sent.encode(), server.at["meter-1"])
    again = server.got(sent)
    assert (again.code, again.mid, again.type) == (first.code, first.mid, ACK)
    client.quiet()
    # who says nothing: 5.04, in the time that the route gives
    sent = server.begin("meter-1", type=NON)
    client.asked()
    gw.advance(94_000)
    assert server.got(sent).code == coap.code("5.04")
    # who rejects it: 5.02
    sent = server.begin("meter-1", type=NON)
    client.end.send_raw(coap.empty(RST, client.asked().mid), gw.address)
    assert server.got(sent).code == coap.code("5.02")


@pytest.mark.parametrize("carrier", ["dtls", "tcp", "tls", "ws"])
def test_its_port_closes_with_the_session(gw, server, carrier):
    client = CARRIERS[carrier](gw, "meter-2")
    server.register(client, "meter-2")
    if client.reliable:
        client.end.close()
    else:
        client.end.goodbye()
    gw.settle()
    gw.advance(10_000)
    sent = server.begin("meter-2")
    server.device.pending()
    client = CARRIERS[carrier](gw, "meter-2")
    again = server.register(client, "meter-2")
    assert again != sent
    server.ask(client, "meter-2")


@pytest.mark.parametrize("scheme", ["coap+tcp", "coaps"])
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_server_that_is_reached_otherwise(own, files, scheme, carrier):
    """The port is the number of a connection, or a socket with a session."""
    gw = own(to=scheme + "://%(device)s:5683")
    client = CARRIERS[carrier](gw, "meter-1")
    if scheme == "coaps":
        origin = SecureDevice(gw, dtls.Context({"gw": b"g" * 16}), gw.device_host, 5683)
        server = Server(origin)
        server.register(client, "meter-1")
        _, down = server.ask(client, "meter-1", answer_payload=b"x")
        assert down.payload == b"x"
        return
    origin = Origin(gw, gw.device_host, 5683)
    links = []
    for name in ("meter-1", "meter-2"):
        client = client if name == "meter-1" else CARRIERS[carrier](gw, name)
        sent = client.begin(registration(name))
        links.append(origin.accept())
        up = links[-1].recv()
        assert up.code == POST
        links[-1].answer(up, coap.CREATED)
        assert client.got(sent).code == coap.CREATED
        question = links[-1].send(Message(GET, options=[(coap.URI_PATH, "3")]))
        asked = client.asked()
        client.answer(asked, payload=name.encode())
        down = links[-1].recv()
        assert (down.token, down.payload) == (question.token, name.encode())
        if carrier == "udp": # whom no silence takes away: the connection to the server is the way to him, and stays
            gw.advance(3_600_000)
            links[-1].send(Message(GET, options=[(coap.URI_PATH, "4")]))
            client.answer(client.asked(), payload=b"still there")
            assert links[-1].recv().payload == b"still there"


def test_a_day_without_traffic(own):
    gw = own()
    server, client = Server(gw.device(gw.device_host, 5683)), None
    client = over_datagrams(gw)
    where = server.register(client, "meter-1")
    server.ask(client, "meter-1")
    gw.advance(23 * 3_600_000)
    server.ask(client, "meter-1")
    gw.advance(23 * 3_600_000)
    assert server.register(client, "meter-1") == where
    gw.advance(25 * 3_600_000)
    server.begin("meter-1")
    client.quiet()
    assert server.register(client, "meter-1") != where


@pytest.mark.parametrize("carrier", ["udp", "dtls"])
def test_workers_die(own, carrier):
    """Whichever it is, a client that registers again is reached again."""
    gw = own(sections=house.THREE % "")
    server = Server(gw.device(gw.device_host, 5683))
    client = CARRIERS[carrier](gw, "meter-1")
    server.register(client, "meter-1")
    for number in range(3):
        kill(gw, number)
        if carrier == "dtls":
            client.end.connect()
        server.register(client, "meter-1")
        _, down = server.ask(client, "meter-1", answer_payload=b"%d" % number)
        assert down.payload == b"%d" % number
