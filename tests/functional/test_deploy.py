"""What is installed, and the service as systemd reads it: exactly these rights, told when it is ready, watched, reloaded, drained."""

import os
import pathlib
import re
import shutil
import stat
import subprocess

import pytest

from harness import BUILD

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PROGRAM = BUILD.parent / "oscore-proxy"
CAPABILITIES = {"CAP_NET_BIND_SERVICE", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"}
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}


class Unit:
    """The assignments of a unit file, by section."""

    def __init__(self, path):
        self.values, section = {}, None
        for line in path.read_text().splitlines():
            if not line.strip() or line.startswith(("#", ";")):
                continue
            if line.startswith("["):
                section = line.strip("[]")
                continue
            assert not line.endswith("\\"), "a continued line is not looked into"
            name, _, value = line.partition("=")
            self.values.setdefault((section, name.strip()), []).append(value.strip())

    def all(self, section, name):
        return self.values.get((section, name), [])

    def one(self, section, name):
        found = self.all(section, name)
        assert len(found) == 1, "%s: %r" % (name, found)
        return found[0]


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(us|ms|s|min|h)", text).groups()
    return int(number) * UNITS[unit]


@pytest.fixture(scope="module")
def service():
    unit = Unit(DEPLOY / "oscore-proxy.service")
    return lambda name: unit.one("Service", name)


@pytest.fixture(scope="module")
def effective(tmp_path_factory):
    """What is in force of a configuration that names no setting."""
    path = tmp_path_factory.mktemp("conf") / "c.conf"
    path.write_text('listeners: { coap: { url = "coap://[::]:5683"; }; };\nroutes: { r: { to = ["coap://10.0.0.1"]; }; };\n')
    return subprocess.run([PROGRAM, "-T", "-c", path], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def settings(effective):
    """The same by the names of settings."""
    return dict(re.findall(r'^\s*([\w-]+) = "?([^";]*)"?;', effective, re.M))


def test_exactly_these_capabilities(service):
    assert set(service("CapabilityBoundingSet").split()) == CAPABILITIES
    assert service("NoNewPrivileges") == "yes"
    unit = Unit(DEPLOY / "oscore-proxy.service")
    assert not unit.all("Service", "AmbientCapabilities")
    # the parent changes to the workers' user, so it begins as root
    assert not unit.all("Service", "User") and not unit.all("Service", "DynamicUser")


def test_notifies_reloads_and_is_watched(service):
    assert service("Type") == "notify" and service("NotifyAccess") == "main"
    assert service("ExecReload").split() == ["/bin/kill", "-HUP", "$MAINPID"]
    assert seconds(service("WatchdogSec")) >= 10
    assert service("Restart") == "on-failure"


def test_the_drain_ends_before_the_service_manager_loses_patience(service, settings):
    assert service("KillMode") == "mixed"
    assert seconds(service("TimeoutStopSec")) >= seconds(settings["drain-timeout"]) + 10


def test_the_users_that_are_created_are_those_of_the_processes(effective):
    lines = [line.split() for line in (DEPLOY / "oscore-proxy.sysusers").read_text().splitlines() if not line.startswith("#")]
    named = [re.search(r'^%s: {[^}]*^\tuser = "([^"]+)";' % group, effective, re.M | re.S)[1] for group in ("process", "reader")]
    assert [(line[0], line[1]) for line in lines] == [("u", user) for user in named] and len(set(named)) == 2


def test_the_reader_may_lock_its_keys_into_memory(service):
    """All of its mapping, by a call that the service is not denied."""
    shift = re.search(r"VAULT_SIZE = (\d+) << 20", (ROOT / "oscore/reader/vault.h").read_text())[1]
    assert service("LimitMEMLOCK") == shift + "M"
    filters = Unit(DEPLOY / "oscore-proxy.service").all("Service", "SystemCallFilter")
    assert "@system-service" in filters[0].split() and not any("@memlock" in line for line in filters)


def test_the_store_takes_the_largest_set_of_sockets(service):
    header = (ROOT / "proxy/process/activation.h").read_text()
    listeners, workers = map(int, re.search(r"ACTIVATION_MAX = (\d+) \* (\d+)", header).groups())
    assert int(service("FileDescriptorStoreMax")) == listeners * workers
    assert "CONF_LISTENERS_MAX = %d," % listeners in (ROOT / "conf/snapshot.h").read_text()


@pytest.mark.parametrize("name,value", [
    ("ProtectSystem", "strict"), ("ProtectHome", "yes"), ("PrivateTmp", "yes"), ("PrivateDevices", "yes"),
    ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX AF_NETLINK"), ("SystemCallArchitectures", "native"),
    ("MemoryDenyWriteExecute", "yes"), ("LogsDirectory", "oscore-proxy"), ("LimitCORE", "0"), ("RestrictNamespaces", "yes")])
def test_confinement(service, name, value):
    assert service(name) == value


def test_socket_example_has_a_group(settings):
    unit = Unit(DEPLOY / "oscore-proxy.socket")
    addresses = unit.all("Socket", "ListenDatagram")
    # of the configuration in its comment
    text = (DEPLOY / "oscore-proxy.socket").read_text()
    workers, url = int(re.search(r"workers = (\d+);", text)[1]), re.search(r'url = "coap://([^"]+)"', text)[1]
    assert addresses == [url] * workers and workers > 1
    assert unit.one("Socket", "ReusePort") == "yes" and unit.one("Socket", "BindIPv6Only") == "both"
    assert "workers" in settings


def run(*command, **kw):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **kw)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def units(tmp_path):
    """The units with a program that is there."""
    service = (DEPLOY / "oscore-proxy.service").read_text().replace("/usr/local/sbin/oscore-proxy", str(PROGRAM.resolve()))
    (tmp_path / "oscore-proxy.service").write_text(service)
    shutil.copy(DEPLOY / "oscore-proxy.socket", tmp_path)
    return tmp_path


def test_systemd_understands_every_line(units):
    status, text = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "./oscore-proxy.service",
                       "./oscore-proxy.socket", cwd=units)
    # it may have something to say of other units of this machine
    assert status == 0 and "oscore-proxy" not in text, text


def test_exposure_stays_low(units):
    status, text = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=30", "./oscore-proxy.service", cwd=units)
    assert status == 0, text
    assert re.search(r"Overall exposure level for oscore-proxy.service: [0-2]\.\d", text)


def installed_files(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


@pytest.mark.parametrize("prefix", ["/usr/local", "/usr"])
def test_install_and_uninstall(tmp_path, prefix):
    make = ["make", "--no-print-directory", "-C", str(ROOT), "B=" + os.path.relpath(PROGRAM.parent, ROOT), "PREFIX=" + prefix,
            "DESTDIR=%s" % tmp_path, "--assume-old=programs"]
    status, text = run(*make, "install")
    assert status == 0, text
    at = prefix.lstrip("/") + "/"
    doc = at + "share/doc/oscore-proxy/"
    programs = {at + name for name in ("sbin/oscore-proxy", "sbin/oscore-reader", "bin/oscore-keys")}
    manuals = ("man1/oscore-keys.1", "man8/oscore-proxy.8", "man8/oscore-reader.8", "man5/oscore-proxy.conf.5")
    files = programs | {at + "share/man/" + name for name in manuals}
    files |= {at + "lib/" + name for name in ("systemd/system/oscore-proxy.service", "sysusers.d/oscore-proxy.conf")}
    texts = ("README.md", "LICENSE", "SECURITY.md", "OPERATING.md", "DESIGN.md", "proxy.conf.example", "oscore-proxy.socket")
    files |= {doc + name for name in texts}
    assert installed_files(tmp_path) == files
    for name in files:
        mode = stat.S_IMODE((tmp_path / name).stat().st_mode)
        assert mode == (0o755 if name in programs else 0o644), name
    unit = Unit(tmp_path / at / "lib/systemd/system/oscore-proxy.service")
    assert unit.one("Service", "ExecStart").split()[0] == prefix + "/sbin/oscore-proxy"
    kept = tmp_path / "etc/oscore-proxy.conf"
    kept.parent.mkdir()
    kept.write_text("mine\n")
    status, text = run(*make, "uninstall")
    assert status == 0, text
    assert installed_files(tmp_path) == {"etc/oscore-proxy.conf"}
