"""oscore-reader as its parent and its workers meet it: what is put in force and when, packets of every kind, floods, and its end."""

import os
import random
import re
import socket
import struct
import subprocess
import tempfile
import time

import pytest
import reader_process
from harness import BUILD
from protecting import Context
from reader_process import (ABORT, BAD, CLOSED, CODE, COMMIT, FAILED, FAILURE, LOG, MALFORMED, NO_KEY, OPENED, PACKET_MAX, PATH, PAYLOAD, PREPARE, PREPARED, SET, WORKER,
                            Reader, answers_of, ask, question)

GET_TEMPERATURE = b"\x01\xb4temp"


@pytest.fixture(name="reader")
def running():
    one = Reader()
    yield one
    if one.process.poll() is None:
        one.end()


def context_of(number):
    return Context(bytes([number >> 8, number & 255]), secret=b"0123456789ab" + struct.pack("!I", number))


# ---- what is in force ----

def test_a_set_is_in_force_once_it_is_committed(reader):
    context, end = context_of(1), reader.worker()
    option, payload = context.request(GET_TEMPERATURE)
    assert [a.verdict for a in ask(end, question(1, option, payload))] == [FAILURE]
    assert reader.prepare(("plant", context.provisioning("pump"))) == []
    assert [a.verdict for a in ask(end, question(2, option, payload))] == [FAILURE]
    reader.tell(COMMIT)
    answer, = ask(end, question(3, option, payload))
    assert (answer.number, answer.verdict, answer.code, answer.path) == (3, OPENED, 1, [b"temp"])
    assert answer.unverified and not answer.seen
    said = context.response(option, b"\x45\xff21.5")
    answer, again = ask(end, question(4, *said, option, fields=CODE | PAYLOAD), question(5, option, payload, fields=0))
    assert (answer.verdict, answer.code, answer.payload, answer.unverified) == (OPENED, 0x45, b"21.5", False)
    assert (again.verdict, again.seen, again.fields) == (OPENED, True, 0)
    assert [a.verdict for a in ask(end, question(6, option, payload, name="other"))] == [FAILURE]


def test_errors_are_told_and_leave_everything_as_it_was(reader):
    context, end = context_of(1), reader.worker()
    good = context.provisioning("pump")
    reader.provision(("plant", good))
    option, payload = context.request(GET_TEMPERATURE)
    said = reader.prepare(("plant", good.replace("algorithm AES", "algorithm DES")), ("other", good), ("third", "master-secret 00\n"))
    assert len(said) >= 2 and said[0].startswith("plant.keys:2: ") and any(s.startswith("third.keys:1: ") for s in said)
    reader.tell(COMMIT)  # of what was not prepared
    assert [a.verdict for a in ask(end, question(1, option, payload))] == [OPENED]
    assert reader.prepare(("plant", context_of(2).provisioning("pump"))) == []
    reader.tell(ABORT)
    reader.tell(COMMIT)
    assert [a.verdict for a in ask(end, question(2, option, payload))] == [OPENED]
    # a set of another generation begins anew
    reader.prepare(("plant", "rubbish"))
    reader.provision(("other", good))
    assert [a.verdict for a in ask(end, question(3, option, payload), question(4, option, payload, name="other"))] == [FAILURE, OPENED]
    reader.provision()
    assert [a.verdict for a in ask(end, question(5, option, payload, name="other"))] == [FAILURE]
    assert "were not prepared: those in force stay" in reader.end()


def test_more_errors_than_are_told_are_no_trouble(reader):
    said = reader.prepare(*[("plant", "rubbish %d\n" % n * 40) for n in range(10)])
    assert 40 <= len(said) <= 64


@pytest.mark.parametrize("name", ["/dev/zero", "/"])
def test_what_is_no_file_of_keys_is_refused(reader, name):
    fd = os.open(name, os.O_RDONLY)
    reader.generation += 1
    reader.tell(SET, name="plant", text="plant.keys", fd=fd)
    os.close(fd)
    reader.tell(PREPARE)
    assert reader.hear(FAILED).text.startswith("plant.keys: ")


def test_a_file_is_read_from_its_beginning(reader):
    context, end = context_of(1), reader.worker()
    with tempfile.TemporaryFile() as file:
        file.write(context.provisioning("pump").encode())
        for _ in range(2):  # by then it has been read to its end, as when a successor gets it
            file.seek(0, os.SEEK_END)
            reader.generation += 1
            reader.tell(SET, name="plant", text="plant.keys", fd=file.fileno())
            reader.tell(PREPARE)
            reader.hear(PREPARED)
            reader.tell(COMMIT)
            assert ask(end, question(1, *context.request(GET_TEMPERATURE)))[0].verdict == OPENED


def test_a_file_may_come_by_a_pipe(reader):
    context, end = context_of(1), reader.worker()
    source, drain_end = os.pipe()
    os.write(drain_end, context.provisioning("pump").encode())
    os.close(drain_end)
    reader.generation += 1
    reader.tell(SET, name="plant", text="plant.keys", fd=source)
    os.close(source)
    reader.tell(PREPARE)
    reader.hear(PREPARED)
    reader.tell(COMMIT)
    assert ask(end, question(1, *context.request(GET_TEMPERATURE)))[0].verdict == OPENED


def test_two_thousand_contexts(reader):
    contexts = [context_of(n) for n in range(2000)]
    text, end = "".join(c.provisioning("c%d" % n) for n, c in enumerate(contexts)), reader.worker()
    reader.provision(("plant", text))
    for first in range(0, 2000, 500):
        some = contexts[first:first + 500]
        assert {a.verdict for a in ask(end, *[question(n, *c.request(GET_TEMPERATURE)) for n, c in enumerate(some)])} == {OPENED}
    reader.provision(("plant", text))
    assert "2000 contexts are in force" in reader.end()


def test_a_context_that_had_too_many_bad_ones_is_closed(reader):
    context, end = context_of(1), reader.worker()
    reader.provision(("plant", context.provisioning("pump")), failures=5)
    option, payload = context.request(GET_TEMPERATURE)
    bad = bytes([payload[0] ^ 1]) + payload[1:]
    answers = ask(end, *[question(n, option, bad) for n in range(7)], question(9, option, payload))
    assert [a.verdict for a in answers] == [BAD] * 5 + [CLOSED] * 3
    reader.provision(("plant", context.provisioning("pump")), failures=5)
    assert [a.verdict for a in ask(end, question(1, option, payload))] == [OPENED]
    log = reader.end()
    assert log.count('context "pump" is closed') == 1
    assert context.keys[context.client].hex() not in log


# ---- packets ----

def test_packets_of_every_kind_end_nothing(reader):
    context, end, other = context_of(1), reader.worker(0), reader.worker(1)
    reader.provision(("plant", context.provisioning("pump")))
    option, payload = context.request(GET_TEMPERATURE)
    good, chance = question(1, option, payload), random.Random(6)
    packets = [bytes([byte]) for byte in range(256)] + [good[:n] for n in range(1, len(good))] + [good + good[:n] for n in range(1, 30)]
    packets += [chance.randbytes(chance.randrange(1, 400)) for _ in range(500)]
    for _ in range(2000):
        changed = bytearray(good * 2)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        packets.append(bytes(changed))
    packets += [good[:8] + struct.pack("!I", n) + good[12:] for n in (0, 8, 9, 66 * 1024, 66 * 1024 + 1, 0x7fffffff, 0xffffffff)]
    packets += [b"\0" * (PACKET_MAX + 1), b"Q" * (PACKET_MAX + 5000)]
    end.setblocking(False)
    for packet in packets:
        end.send(packet)
        drain(end)
        assert ask(other, good)[0].verdict == OPENED
    other.close()
    assert " packets were not understood" in reader.end()


def drain(end):
    try:
        while True:
            answers_of(end.recv(PACKET_MAX))
    except BlockingIOError:
        pass


def test_what_is_in_front_of_rubbish_is_answered(reader):
    context, end = context_of(1), reader.worker()
    reader.provision(("plant", context.provisioning("pump")))
    option, payload = context.request(GET_TEMPERATURE)
    end.send(question(1, option, payload) + question(2, b"", payload) + b"rubbish" + question(3, option, payload))
    assert [(a.number, a.verdict) for a in answers_of(end.recv(PACKET_MAX))] == [(1, OPENED), (2, MALFORMED)]


def test_a_large_packet_has_all_its_answers(reader):
    context, end = context_of(1), reader.worker()
    reader.provision(("plant", context.provisioning("pump")))
    option, payload = context.request(b"\x02\xb1x\xff" + b"p" * 60000)
    questions = [question(1, option, payload, fields=PAYLOAD)] + [question(n, *context.request(GET_TEMPERATURE)) for n in range(2, 300)]
    answers = ask(end, *questions)
    assert [a.number for a in answers] == list(range(1, 300)) and {a.verdict for a in answers} == {OPENED}
    assert answers[0].payload == b"p" * 60000


# ---- workers ----

def test_a_worker_is_replaced_and_may_go(reader):
    context, first, second = context_of(1), reader.worker(0), reader.worker(63)
    reader.provision(("plant", context.provisioning("pump")))
    successor = reader.worker(0)
    assert first.recv(10) == b""
    option, payload = context.request(GET_TEMPERATURE)
    for end in (successor, second):
        assert ask(end, question(1, option, payload))[0].verdict == OPENED
    successor.send(question(1, option, payload))
    successor.close()  # with its answer on the way
    assert ask(second, question(2, option, payload))[0].verdict == OPENED
    with pytest.raises(ConnectionError):
        beyond = reader.worker(64)
        time.sleep(0.2)
        beyond.send(question(1, option, payload))
    second.shutdown(socket.SHUT_RD)
    assert ask(reader.worker(0), question(3, option, payload))[0].verdict == OPENED
    assert "the end of worker 64 could not be taken" in reader.end()


def test_a_worker_that_does_not_read_keeps_nobody_waiting(reader):
    context, deaf, other = context_of(1), reader.worker(0), reader.worker(1)
    reader.provision(("plant", context.provisioning("pump")))
    option, payload = context.request(GET_TEMPERATURE)
    many = question(1, option, payload) * 500
    deaf.settimeout(5)
    for n in range(200):
        deaf.send(many)
        if n % 10 == 0:
            began = time.monotonic()
            assert ask(other, question(2, option, payload))[0].verdict == OPENED
            assert time.monotonic() - began < 2
    log = reader.end()
    assert "answers to 0 found no room" not in log


def test_a_direction_without_key_is_told(reader):
    context, end = context_of(1), reader.worker()
    text = context.provisioning("pump").replace(context.keys[context.client].hex(), "none")
    reader.provision(("plant", text))
    option, payload = context.request(GET_TEMPERATURE)
    answers = ask(end, question(1, option, payload), question(2, *context.response(option, b"\x45"), option))
    assert [a.verdict for a in answers] == [NO_KEY, OPENED]
    assert answers[1].code == 0x45 and not answers[1].fields & PATH


# ---- its beginning and its end ----

@pytest.mark.covers("RBW-15")
def test_what_it_calls_opens_and_verifies_and_can_do_no_more():
    found = subprocess.run(["nm", "--dynamic", "--undefined-only", str(BUILD / "oscore-reader")], capture_output=True, text=True, check=True).stdout
    calls = {line.split()[-1].split("@")[0] for line in found.splitlines()}
    assert {"EVP_DecryptUpdate", "EVP_DigestVerify", "EVP_KDF_derive"} <= calls
    assert not [c for c in calls if re.search(r"[Ss]ign(?!al$)|Encrypt|EVP_MAC|private|keygen|PEM_|d2i_|dlopen|dlsym|^exec|^fork$|^socket$|^connect$", c)]



def test_it_is_confined_and_says_so(reader):
    status = dict(line.split(":\t", 1) for line in open("/proc/%d/status" % reader.process.pid, encoding="ascii").read().splitlines() if ":\t" in line)
    assert status["CapEff"] == status["CapPrm"] == "0000000000000000" and status["NoNewPrivs"].strip() == "1"
    if "sanitizers" in reader.ready.text:
        return
    assert status["Seccomp"].strip() == "2" and "seccomp" not in reader.ready.text
    assert int(status["VmLck"].split()[0]) > 0 or "memory is not locked" in reader.ready.text


def test_the_log_goes_where_it_is_told(reader, tmp_path):
    file = tmp_path / "reader.log"
    with open(file, "ab") as log:
        reader.tell(LOG, fd=log.fileno())
    reader.provision()
    assert "contexts are in force" not in reader.end()
    assert "info: reader: 0 contexts are in force" in file.read_text()


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 544, reader_process.MESSAGE.pack(WORKER, 0, 0, 0, 0, False, b""),
                                  reader_process.MESSAGE.pack(reader_process.READY, 0, 0, 0, 0, False, b"")])
def test_a_parent_that_is_none_ends_it(reader, data):
    reader.control.send(data)
    reader.end(0 if data == b"" else 1)


def test_it_does_not_outlive_its_parent_nor_heed_signals(reader):
    for number in (1, 2, 13, 15):
        reader.process.send_signal(number)
    reader.provision()
    assert "0 contexts are in force" in reader.end()
