"""HTTPS, and connections over processes: what is listened on, who is let in, and what becomes of both when the configuration or a worker
changes. What requests mean is the business of other files: here a 404 is an answer."""

import os
import re
import signal
import socket
import ssl
import subprocess

import pytest
from harness import fresh_address, run_proxy
from house import PATIENCE, THREE, Configured, descriptors, logged, pids, until
from manager import Manager, Service

ROUTES = 'none: { deny = true; };\n'
COAP = 'coap: { url = "coap://127.0.0.1:%d"; };'
REQUEST = b"GET /nothing HTTP/1.1\r\nHost: gw.example\r\n\r\n"


def openssl(*arguments, **kw):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, **kw)


class Files:
    """Certificates and keys in a folder, made by the openssl program."""

    def __init__(self, folder):
        self.folder = folder
        self.make("ca", "Authority", extensions="basicConstraints=critical,CA:TRUE")
        self.make("gw", "gw.example", "ca", "subjectAltName=DNS:gw.example")
        self.make("meter", "meter 7", "ca")
        self.make("stranger", "stranger")
        self.share("psk", {"meter-1": bytes(range(16))})

    def make(self, name, common_name, issuer=None, extensions="basicConstraints=CA:FALSE"):
        signer = ["-CA", self.folder / (issuer + ".pem"), "-CAkey", self.folder / (issuer + ".key")] if issuer else []
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", 2, "-subj", "/CN=" + common_name,
                "-addext", extensions, *signer, "-keyout", self.folder / (name + ".key"), "-out", self.folder / (name + ".pem"))
        (self.folder / (name + ".key")).chmod(0o600)

    def share(self, name, keys):
        """A file of pre-shared keys, by their identities."""
        (self.folder / name).write_text("".join("%s:%s\n" % (who, key.hex()) for who, key in keys.items()))
        (self.folder / name).chmod(0o600)

    def __getattr__(self, name):
        return self.folder / name.replace("_", ".")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("made"))


@pytest.fixture
def files(made, tmp_path):
    """Those of this test, which it may change."""
    folder = tmp_path / "files"
    folder.mkdir()
    for file in made.folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
        (folder / file.name).chmod(0o600)
    copy = Files.__new__(Files)
    copy.folder = folder
    return copy


class Web:
    """A running gateway with one listener of http or https, on an address of its own."""

    def __init__(self, start, settings="", scheme="https", **kw):
        self.host, self.port = fresh_address(), 8443
        self.url = 'web: { url = "%s://%s:%d"; ' % (scheme, self.host, self.port)
        self.settings = settings
        kw.setdefault("sections", THREE % "")
        self.proxy = start(listeners=self.url + settings + "};", routes=ROUTES, **kw)

    def connect(self, timeout=PATIENCE):
        return socket.create_connection((self.host, self.port), timeout)

    def secure(self, context, timeout=PATIENCE):
        return context.wrap_socket(self.connect(timeout), server_hostname="gw.example")


def client_context(files, version=None, shown=None):
    context = ssl.create_default_context(cafile=str(files.ca_pem))
    context.set_alpn_protocols(["http/1.1"])
    if version:
        context.minimum_version = context.maximum_version = version
    if shown:
        context.load_cert_chain(files.folder / (shown + ".pem"), files.folder / (shown + ".key"))
    return context


def answers(connection):
    """True if a request on it is answered."""
    connection.sendall(REQUEST)
    return connection.recv(4096).startswith(b"HTTP/1.1 404")


def certificate(files, settings=""):
    return 'certificate = "%s"; key = "%s"; %s' % (files.gw_pem, files.gw_key, settings)


# ---- who is let in ----


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions(start, files, version):
    web = Web(start, certificate(files))
    with web.secure(client_context(files, version)) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        assert answers(connection) and answers(connection)


def test_older_versions_are_refused(start, files):
    web = Web(start, certificate(files))
    said = subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % (web.host, web.port), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert said.returncode != 0 and "alert protocol version" in said.stderr


@pytest.mark.covers("C8075-10-1")
@pytest.mark.parametrize("shown, good", [("meter", True), ("stranger", False), (None, False)])
def test_client_certificates_that_are_required(start, files, shown, good):
    web = Web(start, certificate(files, 'client-ca = "%s"; client-certificate = "required";' % files.ca_pem))
    context = client_context(files, ssl.TLSVersion.TLSv1_2, shown)
    if good:
        with web.secure(context) as connection:
            assert answers(connection)
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            web.secure(context)


@pytest.mark.covers("C8075-10-1")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("key, good", [("000102030405060708090a0b0c0d0e0f", True), ("00" * 16, False)])
def test_pre_shared_keys(start, files, version, key, good):
    web = Web(start, 'psk-file = "%s";' % files.psk)
    client = ["openssl", "s_client", "-connect", "%s:%d" % (web.host, web.port), version, "-psk_identity", "meter-1", "-psk", key, "-quiet",
              "-no_ign_eof"]
    with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as s:
        try:
            s.stdin.write(REQUEST)
            s.stdin.flush()
            said = s.stdout.readline()
        except BrokenPipeError:
            said = b""
        s.kill()
    assert said.startswith(b"HTTP/1.1 404") == good


# ---- files ----


def reported(tmp_path, settings):
    conf = tmp_path / "proxy.conf"
    conf.write_text('listeners: {\n  web: { url = "https://127.0.0.1:8443";\n    %s };\n};\nroutes: { %s };\n' % (settings, ROUTES))
    status, out, errors = run_proxy("-t", "-c", conf)
    return status, out, errors.replace(str(conf), "CONF")


def test_good_files_are_reported_as_such(files, tmp_path):
    status, out, errors = reported(tmp_path, certificate(files, '\n psk-file = "%s";' % files.psk))
    assert (status, errors) == (0, "") and "good" in out


@pytest.mark.parametrize("break_it, told", [
    (lambda f: f.gw_key.unlink(), "CONF:3: listeners.web.key: {gw.key}: No such file or directory"),
    (lambda f: f.gw_key.chmod(0o644), "CONF:3: listeners.web.key: {gw.key}: holds secrets and is open to everybody"),
    (lambda f: f.gw_key.write_bytes(f.meter_key.read_bytes()), "CONF:3: listeners.web.key: {gw.key}: is not the certificate's private key"),
    (lambda f: f.gw_pem.write_text("nothing"), "CONF:3: listeners.web.certificate: {gw.pem}: is not one to 17 certificates"),
    (lambda f: f.psk.write_text("meter:xyz\n"), "CONF:4: listeners.web.psk-file: {psk}:1: the key is not"),
    (lambda f: (f.psk.unlink(), os.mkfifo(f.psk)), "CONF:4: listeners.web.psk-file: {psk}: is no file"),
])
def test_bad_files_are_reported(files, tmp_path, break_it, told):
    break_it(files)
    status, out, errors = reported(tmp_path, certificate(files, '\n psk-file = "%s";' % files.psk))
    assert status == 1 and "good" not in out
    assert errors.startswith(re.sub("{(.*?)}", lambda m: str(files.folder / m.group(1)), told)), errors
    assert len(errors.splitlines()) == 1


def test_nothing_starts_with_bad_files(start, files):
    files.gw_key.chmod(0o604)
    with pytest.raises(AssertionError, match="ended at once") as told:
        Web(start, certificate(files))
    assert "listeners.web.key: %s: holds secrets" % files.gw_key in str(told.value)


# ---- a new configuration ----


def serial_of(connection):
    return connection.getpeercert()["serialNumber"]


@pytest.fixture
def web(start, files):
    w = Web(start, certificate(files))
    w.file = Configured(w.proxy, routes=ROUTES, listeners=w.url + w.settings + "};")
    return w


def test_a_new_certificate_is_for_new_connections(web, files):
    context = client_context(files)
    with web.secure(context) as old:
        assert answers(old)
        files.make("gw", "gw.example", "ca", "subjectAltName=DNS:gw.example")
        web.file.change()
        assert answers(old)
        with web.secure(context) as new:
            assert answers(new)
            assert serial_of(new) != serial_of(old)


def test_a_bad_certificate_changes_nothing(web, files):
    context = client_context(files)
    with web.secure(context) as old:
        before = serial_of(old)
    files.gw_pem.write_text("nothing")
    web.file.begin()
    logged(web.proxy, r"error: .*proxy.conf:1: listeners.web.certificate: .*gw.pem: is not one to 17 certificates in PEM that can be used$")
    logged(web.proxy, r"the configuration stays as it was$")
    with web.secure(context) as new:
        assert answers(new) and serial_of(new) == before


def test_the_first_listener_of_https_comes_by_a_reload(start, files):
    """In workers that could not open a file of the TLS library any more."""
    web = Web(start, scheme="http")
    file = Configured(web.proxy, routes=ROUTES, listeners=web.url + "};")
    with web.connect() as plain:
        assert answers(plain)
        file.change(listeners=(web.url + certificate(files) + "};").replace("http:", "https:"))
        for _ in range(6):
            with web.secure(client_context(files)) as connection:
                assert answers(connection)


def test_a_listener_that_goes_is_closed(web, files):
    with web.secure(client_context(files)) as connection:
        assert answers(connection)
        web.file.change(listeners=COAP % web.proxy.port)
        with pytest.raises(ConnectionRefusedError):
            web.connect()
        web.file.change(listeners=web.url + web.settings + "};")
    with web.secure(client_context(files)) as connection:
        assert answers(connection)


# ---- a worker that dies ----


def test_connections_wait_for_a_successor(start):
    web = Web(start, scheme="http")
    old = pids(web.proxy)
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    connections = [web.connect() for _ in range(12)]
    for connection in connections:
        connection.sendall(REQUEST)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    for connection in connections:
        assert connection.recv(4096).startswith(b"HTTP/1.1 404")
        connection.close()
    until(lambda: not set(old) & set(pids(web.proxy)))


# ---- sockets of the service manager ----


def stream_group(count):
    sockets, port = [], 0
    for _ in range(count):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen()
        port = s.getsockname()[1]
        sockets.append(s)
    return port, sockets


def listeners_on(port):
    return dict(listeners='web: { url = "http://127.0.0.1:%d"; };' % port, routes=ROUTES)


def ask(port):
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        return answers(connection)


@pytest.mark.parametrize("workers, passed", [(1, 1), (3, 1), (3, 3)])
def test_passed_sockets_serve(tmp_path, workers, passed):
    port, sockets = stream_group(passed)
    service = Service(tmp_path, passed=sockets, sections=THREE.replace("3", str(workers)) % "", **listeners_on(port))
    try:
        assert all(ask(port) for _ in range(12))
        assert "not used" not in service.explain()
        held = set(descriptors(service.process.pid).values())
        assert {"socket:[%d]" % os.fstat(s.fileno()).st_ino for s in sockets} <= held
    finally:
        service.end()


def test_stored_sockets_keep_what_waits_over_a_restart(tmp_path):
    manager = Manager(tmp_path)
    port, (probe,) = stream_group(1)
    probe.close()
    service = Service(tmp_path, manager=manager, sections=THREE % "", **listeners_on(port))
    try:
        while len(manager.store) < 3:
            manager.wait("FDSTORE")
        assert ask(port)
        service.terminate()
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:  # nobody is there
            connection.sendall(REQUEST)
            service.again()
            assert connection.recv(4096).startswith(b"HTTP/1.1 404")
    finally:
        service.end()
        manager.close()
