"""The corpus of tests/data/smuggling sent to the running gateway, by itself and behind nginx: what it refuses it answers and closes, what
nginx passes on as one request is one for the device, and what hides in another request never gets there."""

import collections
import pathlib
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import coap
import pytest
from answering import AnsweringDevice
from coap import ACK, Message
from harness import free_port
from house import until

CORPUS = pathlib.Path(__file__).resolve().parents[1] / "data" / "smuggling"
STATUS = {"bad": 400, "line-too-long": 414, "fields-too-large": 431, "not-implemented": 501, "version": 505}
PATHS = ("a", "next", "hidden", "probe")
ANSWERED = 10  # seconds of real time in which an answer comes
AT_ONCE = 24
SECTIONS = 'http: { request-line = "4000B"; fields = "8000B"; field-count = 64; };'
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
# It waits for the rest of a request for a second; few connections to the gateway are kept and shared by all clients.
NGINX_CONF = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.errors;
events {{ worker_connections 1000; }}
http {{
	log_format seen '$request_method $uri $upstream_status';
	access_log {folder}/nginx.access seen;
	client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; lingering_close off;
	client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
	upstream gateway {{ server 127.0.0.1:{gateway}; keepalive 4; }}
	server {{
		listen 127.0.0.1:{port};
		location / {{
			proxy_pass http://gateway;
			proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering {buffering}; proxy_next_upstream off;
		}}
	}}
}}
"""

Case = collections.namedtuple("Case", "name bytes verdict messages")


def server_cases():
    for line in (CORPUS / "verdicts.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, side, verdict, *messages = line.split()
            if side == "server":
                yield Case(name, (CORPUS / (name + ".http")).read_bytes(), verdict, messages)


class Device(AnsweringDevice):
    """Answers every request with its own path, and remembers them."""

    def __init__(self):
        self.answers = {}
        super().__init__()

    def answer(self, request, source):
        if (source, request.mid) not in self.answers:
            path = b"/".join(request.all(coap.URI_PATH))
            self.seen.append((coap.code_text(request.code), path.decode()))
            code = coap.CONTENT if request.code == coap.GET else coap.CHANGED
            self.answers[source, request.mid] = Message(code, ACK, request.mid, request.token, payload=path).encode()
        return self.answers[source, request.mid]


@pytest.fixture
def device():
    d = Device()
    yield d
    d.stop()


@pytest.fixture
def gateway(start, device):
    """A gateway that takes each of PATHS to the device's resource of that name, and every other target to none."""
    port = free_port()
    address = "coap://%s:%d" % device.socket.getsockname()
    routes = "".join('%s: { from = ["web"]; http-path = "/%s"; to = ["%s/%s"]; authenticate = "none"; };\n' % (p, p, address, p)
                     for p in PATHS)
    proxy = start(routes=routes, sections=SECTIONS, listeners='web: { url = "http://127.0.0.1:%d"; };' % port)
    proxy.web = ("127.0.0.1", port)
    return proxy


def read_all(connection):
    """Until the peer closes."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionResetError:
        pass  # what was not read of a refused request
    return got


def answers(raw):
    """(status, body) of each response; what is behind the last one must be nothing."""
    found = []
    while raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        status = int(lines[0].split(b" ")[1])
        assert lines[0].startswith(b"HTTP/1.1 ") and b"transfer-encoding" not in fields, head
        if status == 100:
            continue
        length = int(fields.get(b"content-length", 0))
        assert len(raw) >= length, (head, raw)
        found.append((status, raw[:length]))
        raw = raw[length:]
    return found


def ask(address, data, half_close):
    with socket.create_connection(address, ANSWERED) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def wrong_answers(case, found):
    """What of the gateway's answers is not as the verdict has it, or None."""
    begun = [m for m in case.messages if m.endswith("+")]
    whole = len(case.messages) - len(begun)
    statuses = [status for status, _ in found]
    if case.verdict == "fine":
        return None if len(found) == whole else "not %d answers" % whole
    if case.verdict == "cut":
        return None if whole <= len(found) <= whole + 1 else "not %d answers" % whole
    if len(found) != whole + 1 or statuses[-1] != STATUS[case.verdict]:
        return "not %d answers and %d" % (whole, STATUS[case.verdict])
    return None


def paths_of(case):
    """The paths that the device is asked for by the whole messages of a case. A GET with a body has no form in CoAP and is refused."""
    paths = []
    for message in case.messages:
        method, rest = message.split(":", 1)
        target, size = rest.rsplit(":", 1)
        if target in ("/a", "/next") and not size.endswith("+") and (method != "GET" or size == "0"):
            paths.append(target[1:])
    return paths


@pytest.mark.covers("C8075-10-3")
def test_gateway_reads_the_corpus_in_the_one_right_way(gateway, device):
    wrong = []
    for case in server_cases():
        device.seen.clear()
        found = answers(ask(gateway.web, case.bytes, half_close=True))
        problem = wrong_answers(case, found)
        if not problem and [path for _, path in device.seen] != paths_of(case):
            problem = "the device was asked for %r" % device.seen
        if problem:
            wrong.append("%s: %s: %r" % (case.name, problem, found))
    assert not wrong, "\n".join(wrong)


@pytest.fixture(params=["on", "off"])
def nginx(request, tmp_path, gateway):
    """The address of an nginx in front of the gateway, which holds bodies back until they are whole, or passes them on as they come."""
    port = free_port()
    conf = tmp_path / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=tmp_path, port=port, gateway=gateway.web[1], buffering=request.param))
    process = subprocess.Popen([NGINX, "-c", str(conf), "-p", str(tmp_path), "-e", str(tmp_path / "nginx.errors")])
    try:
        until(lambda: can_connect(("127.0.0.1", port)))
        yield ("127.0.0.1", port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def can_connect(address):
    try:
        socket.create_connection(address, 1).close()
        return True
    except OSError:
        return False


def requests_passed_on(log):
    """What nginx had answered by the gateway with success: (method, path), with their numbers."""
    rows = [line.split(" ") for line in log.read_text(errors="replace").splitlines()]
    return collections.Counter((row[0], row[1][1:]) for row in rows if len(row) == 3 and row[2].startswith("2"))


@pytest.mark.covers("C8075-10-3")
def test_nothing_is_smuggled_past_nginx(gateway, device, nginx, tmp_path):
    probe = b"GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    def run(case):
        found = ask(nginx, case.bytes, half_close=False)
        ((status, body),) = answers(ask(nginx, probe, half_close=False))
        return case.name, found, status, body

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(run, server_cases()))
    assert len(results) > 200
    wrong = [(name, status, body) for name, _, status, body in results if (status, body) != (200, b"probe")]
    assert not wrong, "another's answer: %r" % wrong
    assert not [name for name, found, _, _ in results if b"hidden" in found or b"probe" in found]
    assert not [s for s in device.seen if s[1] not in ("a", "next", "probe")]
    passed = requests_passed_on(tmp_path / "nginx.access")
    assert passed["GET", "probe"] == len(results) and passed["POST", "a"] > 5 and passed["GET", "next"] > 5
    assert passed == collections.Counter((method.replace("0.01", "GET").replace("0.02", "POST"), path) for method, path in device.seen)
