"""The reader as the gateway has it: started where something is read, with files that are looked at, replaced when it dies, ended with the rest."""

import os
import re
import signal
import subprocess

import coap
import pytest
from harness import BUILD, Pair, run_proxy
from house import descriptors, logged, parent_of, pids, status_of, until
from reading import KEYS, Gate, Reading, children, command_of

UNAVAILABLE, BAD, UNAUTHORIZED = coap.code("5.03"), coap.code("4.00"), coap.code("4.01")
PAYLOAD_CHANGED = bytes.fromhex("612f1092f1776f1c1668b3825f")
STAYS = "error: the configuration stays as it was$"
# What is wrong with a provisioning file, and what is said of it.
BAD_FILES = {
    "word": (KEYS + "master-salt 00\n", 0o600, r"lab\.keys:6: "), "nothing": ("", 0o600, r"proxy\.conf:\d+: contexts\.lab\.keys: \S+lab\.keys: is empty$"),
    "open": (KEYS, 0o644, r"contexts\.lab\.keys: \S+lab\.keys: holds keys and is open to everybody: chmod o= it$"),
    "group-writes": (KEYS, 0o660, r"lab\.keys: holds keys and its group may write to it: chmod g-w it$"),
    "absent": (None, None, r"lab\.keys: No such file or directory$"),
}


@pytest.fixture
def reading(tmp_path):
    started = []

    def begin(**kw):
        started.append(Reading(tmp_path, **kw))
        return started[-1]

    yield begin
    for p in started:
        p.stop()


@pytest.fixture
def proxy(reading):
    return reading()


def reloaded(proxy, expect):
    """Sends SIGHUP; waits for a line behind what is there."""
    seen = len(proxy.explain())
    proxy.process.send_signal(signal.SIGHUP)
    return until(lambda: re.search(expect, proxy.explain()[seen:], re.M) and proxy.explain()[seen:], lambda: proxy.explain()[seen:])


IN_FORCE = r"info: configuration in force"


# ---- start and end ----


def test_it_serves_before_the_gateway_is_ready(proxy):
    pid = proxy.reader()
    assert parent_of(pid) == proxy.process.pid
    text = proxy.explain()
    assert text.index("the reader serves (process %d)" % pid) < text.index("ready\n")
    Gate(proxy).passes()


def reading_children(proxy):
    return [pid for pid in children(proxy.process.pid) if b"reader" in command_of(pid)]


def test_there_is_none_where_nothing_is_read(start):
    """Contexts that no route reads with are not even looked at."""
    sections = 'contexts: { lab: { keys = "/nowhere"; }; }; reads: { gate: { context = "lab"; verify = true; }; };'
    proxy = start(sections=sections)
    assert "reader" not in proxy.explain() and not reading_children(proxy)


def test_a_reload_starts_it_and_ends_it(proxy):
    text, gate = proxy.config.read_text(), Gate(proxy)
    gate.passes()
    first = proxy.reader()
    proxy.config.write_text(text.replace('read = "gate";', ""))
    reloaded(proxy, IN_FORCE)
    until(lambda: not proxy.readers())
    assert status_of(first) is None and not any(name == str(proxy.keys) for name in descriptors(proxy.process.pid).values())
    gate.passes()  # unread
    proxy.config.write_text(text)
    reloaded(proxy, IN_FORCE)
    until(proxy.readers)
    gate.passes()
    gate.is_refused(BAD, PAYLOAD_CHANGED)
    assert "error" not in proxy.explain()


def test_one_that_was_started_for_nothing_ends(proxy):
    text = proxy.config.read_text()
    proxy.config.write_text(text.replace('read = "gate";', ""))
    reloaded(proxy, IN_FORCE)
    until(lambda: not proxy.readers())
    proxy.config.write_text(text)
    proxy.put_keys("nonsense\n")
    reloaded(proxy, STAYS)
    until(lambda: not proxy.readers())
    proxy.put_keys(KEYS)
    reloaded(proxy, IN_FORCE)
    Gate(proxy).passes()


def test_it_ends_after_the_workers(reading):
    proxy = reading()
    pid = proxy.reader()
    proxy.stop()
    assert status_of(pid) is None and proxy.process.returncode == 0
    text = proxy.explain()
    assert text.rindex("reader: ") < text.rindex("stopped")


@pytest.mark.parametrize("case", sorted(BAD_FILES))
def test_a_wrong_file_stops_the_start_with_its_errors(tmp_path, case):
    content, mode, expect = BAD_FILES[case]
    with pytest.raises(AssertionError, match="ended at once") as raised:
        class Wrong(Reading):
            def put_keys(self, text, mode=mode):
                if text is not None:
                    super().put_keys(text, mode)

        Wrong(tmp_path, keys=content)
    assert re.search(expect, str(raised.value), re.M)
    assert "ready" not in str(raised.value)


# ---- -t ----


@pytest.mark.parametrize("case", sorted(BAD_FILES))
def test_files_are_looked_at_without_a_start(proxy, case):
    content, mode, expect = BAD_FILES[case]
    assert run_proxy("-t", "-c", proxy.config)[0] == 0
    if content is None:
        proxy.keys.unlink()
    else:
        proxy.put_keys(content, mode)
    status, out, errors = run_proxy("-t", "-c", proxy.config)
    assert status == 1 and "good" not in out and re.search(expect, errors, re.M), errors


def test_warnings_leave_the_status_as_it_is(reading):
    proxy = reading(gate='unknown-kid = "pass";')
    status, out, errors = run_proxy("-t", "-c", proxy.config)
    assert status == 0 and out.endswith(": good\n")
    assert re.search(r"proxy\.conf:\d+: warning: reads\.gate\.unknown-kid: whoever names a kid that is not known here passes", errors)


def test_all_errors_of_all_files_are_told_in_one_run(tmp_path):
    (tmp_path / "a").write_text(KEYS.replace("AES-CCM-16-64-128", "ROT13").replace("none", "zz"))
    (tmp_path / "b").write_text("sender 01\n")
    for name in "ab":
        (tmp_path / name).chmod(0o600)
    conf = tmp_path / "c.conf"
    conf.write_text('listeners: { coap: { url = "coap://127.0.0.1"; }; };\ncontexts: { a: { keys = "%s/a"; }; b: { keys = "%s/b"; }; };\n'
                    'reads: { a: { context = "a"; }; b: { context = "b"; }; };\n'
                    'routes: { a: { to = ["coap://h"]; read = "a"; }; b: { to = ["coap://h"]; read = "b"; }; };\n' % (tmp_path, tmp_path))
    status, _, errors = run_proxy("-t", "-c", conf)
    assert status == 1
    assert re.findall(r"/([ab]:\d+): ", errors)[:2] == ["a:2", "a:5"] and "/b:1: " in errors, errors


# ---- reload ----


@pytest.mark.parametrize("case", sorted(BAD_FILES))
def test_a_reload_with_a_wrong_file_changes_nothing(proxy, case):
    content, mode, expect = BAD_FILES[case]
    gate, pid = Gate(proxy), proxy.reader()
    gate.passes()
    if content is None:
        proxy.keys.unlink()
    else:
        proxy.put_keys(content, mode)
    said = reloaded(proxy, STAYS)
    assert re.search(expect, said, re.M), said
    gate.passes()
    assert proxy.reader() == pid
    proxy.put_keys(KEYS)
    reloaded(proxy, IN_FORCE)
    gate.passes()
    assert proxy.reader() == pid


def test_a_file_that_another_took_the_place_of_comes_with_the_reload(proxy):
    gate = Gate(proxy)
    proxy.put_keys(KEYS.replace("154302ff", "154302fe"))
    gate.passes()
    reloaded(proxy, IN_FORCE)
    gate.is_refused(BAD)
    proxy.put_keys(KEYS.replace("sender -", "sender 77"))
    reloaded(proxy, IN_FORCE)
    gate.is_refused(UNAUTHORIZED)


def test_an_error_elsewhere_leaves_the_contexts_alone(proxy):
    """The reader is not even asked, or has to forget what it prepared."""
    gate, text = Gate(proxy), proxy.config.read_text()
    proxy.put_keys(KEYS.replace("154302ff", "154302fe"))
    proxy.config.write_text(text + "nonsense: { };\n")
    reloaded(proxy, STAYS)
    gate.passes()


def test_a_reader_that_does_not_answer_keeps_no_reload_from_being_logged(proxy):
    """It is in force when the reader has done its part, and not before."""
    pid = proxy.reader()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: status_of(pid)["State"].startswith("T"))
    seen = len(proxy.explain())
    proxy.process.send_signal(signal.SIGHUP)
    pair = Pair(proxy)
    for _ in range(3):
        pair.exchange()
    assert "in force" not in proxy.explain()[seen:]
    os.kill(pid, signal.SIGCONT)
    until(lambda: re.search(IN_FORCE, proxy.explain()[seen:]))
    assert proxy.reader() == pid


# ---- death ----


def test_what_is_not_read_loses_nothing_when_it_is_killed(proxy):
    """Again and again, while requests are under way; each is answered once."""
    pairs = [Pair(proxy) for _ in range(8)]
    for round_ in range(2):
        sent = [pair.forward() for pair in pairs]
        seen = proxy.kill_reader()
        for pair, (request, up) in zip(pairs, sent):
            pair.device.answer(up, payload=b"%d" % round_)
            assert pair.client.recv().payload == b"%d" % round_
            pair.exchange()
            pair.quiet()
        proxy.serves_again(seen)
    assert proxy.counters()["reader_restarts"] == 2
    assert len(re.findall(r"error: the reader \(process \d+\) was ended by signal 9$", proxy.explain(), re.M)) == 2


def test_its_successor_reads_the_same(proxy):
    """By the descriptors that are in force, whatever has taken their place meanwhile."""
    gate = Gate(proxy)
    gate.passes()
    proxy.put_keys("nonsense\n")
    proxy.serves_again(proxy.kill_reader())
    gate.passes()
    gate.is_refused(BAD, PAYLOAD_CHANGED)


def test_a_file_that_was_written_to_is_not_read_by_a_successor(proxy):
    """What is in it now was never put in force: gates refuse until the reload, the rest goes on."""
    gate, pair = Gate(proxy), Pair(proxy)
    gate.passes()
    with open(proxy.keys, "a", encoding="ascii") as file:
        file.write("# a remark\n")
    proxy.kill_reader()
    logged(proxy, r"error: \S+lab\.keys: was written to since it was put in force: nothing is read until the next reload$")
    gate.is_refused(UNAVAILABLE)
    pair.exchange()
    reloaded(proxy, IN_FORCE)
    gate.passes()


def test_one_that_dies_at_once_is_tried_again_after_a_while(proxy):
    for _ in range(2):
        proxy.serves_again(proxy.kill_reader())
    seen = proxy.kill_reader()
    logged(proxy, r"warning: the reader has died 3 times soon after its start: the next starts in 1 s$")
    proxy.serves_again(seen)
    Gate(proxy).passes()


def test_a_death_amid_a_reload_is_followed_by_the_reload(proxy):
    gate, pid = Gate(proxy), proxy.reader()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: status_of(pid)["State"].startswith("T"))
    proxy.put_keys(KEYS.replace("154302ff", "154302fe"))
    seen = len(proxy.explain())
    proxy.process.send_signal(signal.SIGHUP)
    Pair(proxy).exchange()
    os.kill(pid, signal.SIGKILL)
    until(lambda: re.search(IN_FORCE, proxy.explain()[seen:]), proxy.explain)
    assert "the new configuration waits for the reader that ended" in proxy.explain()[seen:]
    gate.is_refused(BAD)


def test_a_worker_that_is_replaced_reads_too(proxy):
    gate, killed = Gate(proxy), set(pids(proxy))
    for worker in killed:
        os.kill(worker, signal.SIGKILL)
    until(lambda: not killed & set(pids(proxy)))
    proxy.settle()
    gate.passes()
    assert proxy.counters()["reader_restarts"] == 0


def test_it_serves_nobody_but_the_gateway():
    done = subprocess.run([BUILD / "oscore-reader"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    assert done.returncode != 0
