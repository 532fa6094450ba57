"""100 MB between Python's HTTP client and a device, both ways, and what the gateway holds of bodies that nobody takes.

All blocks of an upload come from one port, whose Message IDs are used up by 64 MB and come back after 247 s (RFC 7252 4.4): so uploads have
the build with the steered clock.
"""

import contextlib
import hashlib
import http.client
import multiprocessing
import pathlib
import socket
import sys
import threading
import time

import pytest

from gateway import Gateway, binary

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "functional"))
from harness import Proxy, free_port  # noqa: E402

BLOCK, COUNT = 1024, 100_000  # of the body of 100 MB
BLOCK1, BLOCK2 = 27, 23
HELD = 64 << 10  # of one body, in the gateway
AROUND = 48 << 10  # what a transfer needs besides
STALLED = 64
FIRST_USE = 4 << 20  # of code and of tables, in all workers
# A sanitizer keeps what was freed: then memory says nothing.
JUDGES_MEMORY = b"__asan_init" not in pathlib.Path(binary()).read_bytes()


def piece(num):
    """Each block of the body tells its place."""
    return num.to_bytes(4, "big") * (BLOCK // 4)


def option(number, before, value):
    delta = number - before
    return (bytes([delta << 4 | len(value)]) if delta < 13 else bytes([13 << 4 | len(value), delta - 13])) + value


def block_of(message):
    """(number, value) of the first block option, or None and 0."""
    at, number = 4 + (message[0] & 15), 0
    while at < len(message) and message[at] != 0xFF:
        delta, length, at = message[at] >> 4, message[at] & 15, at + 1
        if delta == 13:
            delta, at = message[at] + 13, at + 1
        if length == 13:
            length, at = message[at] + 13, at + 1
        number += delta
        if number in (BLOCK1, BLOCK2):
            return number, int.from_bytes(message[at:at + length], "big")
        at += length
    return None, 0


def answer_to(message, state):
    """What the device says to one request: it gives the body by Block2, and takes it in order by Block1."""
    number, value = block_of(message)
    num, token = value >> 4, message[4:4 + (message[0] & 15)]
    begin = bytes([0x60 | len(token)])
    if number == BLOCK1:
        assert message[-BLOCK:] == piece(num) and num in (state["next"], state["next"] - 1), "block %d behind %d" % (num, state["next"])
        state["next"] = num + 1
        code = 0x5F if value & 8 else 0x44
        return begin + bytes([code]) + message[2:4] + token + option(BLOCK1, 0, value.to_bytes((value.bit_length() + 7) // 8, "big"))
    value = num << 4 | (8 if num < COUNT - 1 else 0) | 6
    options = option(4, 0, b"\x01") + option(BLOCK2, 4, value.to_bytes((value.bit_length() + 7) // 8, "big"))
    return begin + b"\x45" + message[2:4] + token + options + b"\xff" + piece(num)


def serve(s, taken, given):
    """A process: the device. taken: how many blocks of the body it has; given: how many it gave."""
    state = {"next": 0}
    while True:
        message, source = s.recvfrom(2048)
        if message[1] != 0:
            s.sendto(answer_to(message, state), source)
            taken.value = state["next"]
            given.value += message[1] == 1


class Device:
    def __init__(self):
        self.taken, self.given = multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            s.bind(("127.0.0.1", 0))
            self.path = "/hc/coap://127.0.0.1:%d/p" % s.getsockname()[1]
            self.process = multiprocessing.get_context("fork").Process(target=serve, args=(s, self.taken, self.given), daemon=True)
            self.process.start()

    def end(self):
        self.process.kill()
        self.process.join()


@pytest.fixture
def device():
    d = Device()
    yield d
    d.end()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, in_loop):
    g = Gateway(tmp_path_factory.mktemp("gateway"))
    g.port = g.web()
    g.groups = 'http: { body-limit = "200MB"; };\n'
    in_loop(g.start())
    yield g
    in_loop(g.stop())


def memory(gateway, name):
    """VmRSS or VmHWM of all its workers, in bytes."""
    total = 0
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            if int(fields["PPid"]) == gateway.process.pid:
                total += int(fields[name].split()[0]) << 10
    return total


def connect(gateway):
    return http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)


def whole():
    digest = hashlib.sha256()
    for num in range(COUNT):
        digest.update(piece(num))
    return digest.digest()


@pytest.mark.covers("C8075-8.3-1")
def test_100_mb_from_a_device(gateway, device):
    before, digest = memory(gateway, "VmHWM"), hashlib.sha256()
    client = connect(gateway)
    client.request("GET", device.path)
    answer = client.getresponse()
    while got := answer.read(1 << 16):
        digest.update(got)
    assert answer.status == 200 and digest.digest() == whole() and answer.isclosed()
    assert memory(gateway, "VmHWM") - before < FIRST_USE or not JUDGES_MEMORY


@pytest.fixture
def steered(tmp_path):
    port = free_port()
    proxy = Proxy(tmp_path, routes='web: { from = ["web"]; http-path = "/hc/{+tu}"; authenticate = "none"; body-limit = "200MB"; '
                  'forward-to = ["coap://127.0.0.0/8:*"]; allow-networks = ["127.0.0.0/8"]; };\n',
                  listeners='web: { url = "http://127.0.0.1:%d"; };' % port)
    proxy.port = port
    yield proxy
    proxy.stop()


def put(gateway, path, answers):
    client = connect(gateway)
    pieces = (b"".join(piece(i) for i in range(at, at + 32)) for at in range(0, COUNT, 32))
    client.request("PUT", path, body=pieces, headers={"Content-Length": str(BLOCK * COUNT)})
    answers.append(client.getresponse().status)
    client.close()


@pytest.mark.covers("C8075-8.3-1")
def test_100_mb_to_a_device(steered, device):
    before, answers = memory(steered, "VmHWM"), []
    client = threading.Thread(target=put, args=(steered, device.path, answers), daemon=True)
    client.start()
    while client.is_alive():
        count = device.taken.value
        client.join(0.1)
        if client.is_alive() and device.taken.value == count:
            steered.advance(5_000)
    assert answers == [204] and device.taken.value == COUNT
    assert memory(steered, "VmHWM") - before < FIRST_USE or not JUDGES_MEMORY


def stall(gateway, device, clients, number):
    """So many readers more that do not read, once the device is asked for nothing any more."""
    for _ in range(number):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", gateway.port))
        s.sendall(b"GET %s HTTP/1.1\r\nHost: gw\r\n\r\n" % device.path.encode())
        clients.append(s)
    count, since = -1, time.monotonic()
    while time.monotonic() - since < 1:
        if count != device.given.value:
            count, since = device.given.value, time.monotonic()
        time.sleep(0.05)
    return memory(gateway, "VmRSS")


def test_bodies_that_nobody_takes_are_held_within_bounds(gateway, device):
    """The device is asked for no more than is held for each, here and in the kernel."""
    clients = []
    before = stall(gateway, device, clients, STALLED // 4)
    after = stall(gateway, device, clients, STALLED)
    assert device.given.value < len(clients) * 1000
    assert after - before < STALLED * (HELD + AROUND) or not JUDGES_MEMORY
    for s in clients:
        s.close()
