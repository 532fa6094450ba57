"""Who the reader is, beside the workers and the parent, and what it has. Needs root."""

import os
import pathlib
import pwd
import re
import signal

import pytest
from house import descriptors, logged, pids, status_of, until
from reading import KEYS, Gate, Reading

USERS = 'process: { workers = 2; user = "nobody"; }; reader: { user = "%s"; };'


def ids(pid):
    status = status_of(pid)
    return {int(word) for name in ("Uid", "Gid") for word in status[name].split()}, status["Groups"].split()


@pytest.fixture
def separated(tmp_path):
    proxy = Reading(tmp_path, sections=USERS % "daemon")
    yield proxy
    proxy.stop()


def test_it_is_another_user_than_the_workers_and_the_parent(separated):
    reader, nobody = pwd.getpwnam("daemon"), pwd.getpwnam("nobody")
    assert ids(separated.reader()) == ({reader.pw_uid, reader.pw_gid}, [])
    for worker in pids(separated):
        assert ids(worker) == ({nobody.pw_uid, nobody.pw_gid}, [])
    assert "user: the reader" not in separated.explain()
    Gate(separated).passes()


def test_it_has_no_right_at_all(separated):
    status = status_of(separated.reader())
    assert {status[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {""}
    assert status["NoNewPrivs"] == "1"
    limits = pathlib.Path("/proc/%d/limits" % separated.reader()).read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
    if "reader: seccomp" not in separated.explain() and "sanitizer" not in separated.explain():
        assert status["Seccomp"] == "2"


def test_the_file_is_of_no_use_to_anybody_but_root(separated):
    """The reader's user has no right to it, and reads it all the same; nobody else of the gateway has it open but the parent, for a successor."""
    info = os.stat(separated.keys)
    assert (info.st_uid, info.st_mode & 0o777) == (0, 0o600)
    name = str(separated.keys)
    assert name in descriptors(separated.process.pid).values()
    for pid in (separated.reader(), *pids(separated)):
        assert name not in descriptors(pid).values()
    separated.serves_again(separated.kill_reader())
    assert name not in descriptors(separated.reader()).values()
    Gate(separated).passes()


def test_a_file_of_another_user_is_refused(separated):
    separated.put_keys(KEYS, 0o640)  # the parent has no right but that of its user and group
    os.chown(separated.keys, pwd.getpwnam("nobody").pw_uid, 0)
    seen = len(separated.explain())
    separated.process.send_signal(signal.SIGHUP)
    until(lambda: "stays as it was" in separated.explain()[seen:])
    assert re.search(r"contexts\.lab\.keys: \S+: holds keys and belongs to another user$", separated.explain()[seen:], re.M)


def test_a_user_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(AssertionError, match="error: reader.user: there is no user no-such-user\n"):
        Reading(tmp_path, sections=USERS % "no-such-user")


def test_a_shared_user_is_told_of(tmp_path):
    proxy = Reading(tmp_path, sections=USERS % "nobody")
    try:
        uid = pwd.getpwnam("nobody").pw_uid
        assert "warning: not separated: user: the reader runs as uid %d, as the workers do\n" % uid in proxy.explain()
        assert "warning: reader.user: is the workers' user (process.user)" in proxy.explain()
    finally:
        proxy.stop()


def test_it_has_nothing_but_what_it_was_given(separated):
    held = descriptors(separated.reader())
    sockets = [name for name in held.values() if name.startswith("socket:")]
    assert len(sockets) == len(set(sockets)) == 1 + len(pids(separated))
    files = {name for name in held.values() if not name.startswith(("socket:", "anon_inode:"))}
    assert files <= {"/dev/null", str(separated.log)}


def test_rotated_logs_are_opened_anew_by_it(tmp_path, monkeypatch):
    log = tmp_path / "service.log"
    monkeypatch.setattr(Reading, "explain", lambda self: log.read_text() if log.exists() else self.log.read_text())
    proxy = Reading(tmp_path, sections='log: { file = "%s"; };' % log)
    try:
        assert str(log) in descriptors(proxy.reader()).values()
        log.rename(tmp_path / "service.log.1")
        proxy.process.send_signal(signal.SIGUSR1)
        until(lambda: log.exists() and str(log) in descriptors(proxy.reader()).values())
        assert str(tmp_path / "service.log.1") not in descriptors(proxy.reader()).values()
        proxy.kill_reader()
        logged(proxy, "info: reader: 1 contexts are in force$")
    finally:
        proxy.stop()
