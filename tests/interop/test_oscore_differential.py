"""Differential: what other implementations protect with OSCORE, oscore-reader opens to the same fields.

DIFFERENTIAL_AIOCOAP and DIFFERENTIAL_CALIFORNIUM say how many messages of each; DIFFERENTIAL_SEED repeats a run.
"""

import concurrent.futures
import multiprocessing
import os
import pathlib
import random
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import oscore_reader  # noqa: E402
from oscore_reader import BUILD, ROOT, OscoreReader, answer, question  # noqa: E402
from sealed_messages import RandomMessage, Sealer  # noqa: E402

MESSAGES = int(os.environ.get("DIFFERENTIAL_AIOCOAP", "100000"))
CALIFORNIUM_MESSAGES = int(os.environ.get("DIFFERENTIAL_CALIFORNIUM", "20000"))
SEED = int(os.environ.get("DIFFERENTIAL_SEED") or random.SystemRandom().randrange(2 ** 32))
PROCESSES = 2
CHUNK = 500
SEEN, UNVERIFIED = 1, 2


def derived(text):
    """The provisioning file that oscore-keys makes of an input."""
    run = subprocess.run([BUILD / "oscore-keys"], input=text, capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def without_flags(got):
    return got[:2] + b"\0" + got[3:]


def first_difference(reader, pairs):
    """The first (its number, expected, got) of (question, answer) pairs that is not answered so; every Partial IV is new."""
    for number, ((_, expected), got) in enumerate(zip(pairs, reader.ask([q for q, _ in pairs]), strict=True)):
        if without_flags(got) != expected or got[2] & SEEN:
            return number, expected.hex(), got.hex()
    return None


def seal_and_open(seed, count):
    """Returns how many were opened, and the first that was not or otherwise: (seed, its number, expected, got)."""
    sealer = Sealer(seed, oscore_reader.set_id("set"))
    reader = OscoreReader(derived(sealer.input()))
    done, wrong = 0, None
    while done < count and wrong is None:
        pairs = [sealer.next() for _ in range(min(CHUNK, count - done))]
        difference = first_difference(reader, pairs)
        done += len(pairs)
        wrong = difference and (seed, done, *difference)
    reader.stop()
    return done, wrong


@pytest.mark.covers("C8613-5.2-1", "C8613-5.2-2", "C8613-5.3-1", "C8613-5.4-1", "C8613-4.2-1")
def test_all_that_aiocoap_protects_is_opened():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        runs = [pool.submit(seal_and_open, SEED + n, MESSAGES // PROCESSES) for n in range(PROCESSES)]
        results = [run.result() for run in runs]
    assert [wrong for _, wrong in results if wrong] == []
    assert sum(done for done, _ in results) == MESSAGES // PROCESSES * PROCESSES
    print("opened %d messages, seed %d" % (MESSAGES, SEED))


def read_exactly(stream, length):
    data = stream.read(length)
    assert len(data) == length
    return data


def read_piece(stream):
    return read_exactly(stream, int.from_bytes(read_exactly(stream, 4), "big"))


@pytest.mark.covers("C8613-5.2-1", "C8613-5.2-2", "C8613-5.3-1", "C8613-5.4-1")
def test_all_that_californium_protects_is_opened():
    command = ["java", "-XX:+UseSerialGC", "-cp", str(ROOT / "build/java/*"), str(ROOT / "tests/interop/java/Sealed.java")]
    with subprocess.Popen([*command, str(SEED), str(CALIFORNIUM_MESSAGES), str(oscore_reader.set_id("set"))], stdout=subprocess.PIPE) as java:
        reader = OscoreReader(derived(read_piece(java.stdout).decode()))
        done = 0
        while done < CALIFORNIUM_MESSAGES:
            pairs = [(read_piece(java.stdout), read_piece(java.stdout)) for _ in range(min(CHUNK, CALIFORNIUM_MESSAGES - done))]
            assert first_difference(reader, pairs) is None, "seed %d, in the %d behind %d" % (SEED, CHUNK, done)
            done += len(pairs)
        java.stdout.read()
    assert java.returncode == 0
    reader.stop()


@pytest.fixture
def world():
    sealer = Sealer(SEED, oscore_reader.set_id("set"))
    reader = OscoreReader(derived(sealer.input()))
    yield sealer, reader
    reader.stop()


def parts(q):
    """(option, payload) of a question about a request."""
    option_len = q[2]
    return q[28:28 + option_len], q[28 + option_len:]


@pytest.mark.covers("C8613-6.2-1", "C8613-7.4-2")
def test_what_was_altered_is_bad_and_tells_nothing(world):
    sealer, reader = world
    rng = random.Random(SEED)
    questions, wanted, genuine = [], [], []
    for number in range(300):
        q, expected = sealer.request()
        option, payload = parts(q)
        place = rng.randrange(len(payload))
        altered = payload[:place] + bytes([payload[place] ^ 1 << rng.randrange(8)]) + payload[place + 1:]
        questions.append(question(number, sealer.set, option, altered))
        wanted.append(answer(number, "bad"))
        genuine.append((q, expected))
    assert reader.ask(questions) == wanted
    # and has moved no window
    for (_, expected), got in zip(genuine, reader.ask([q for q, _ in genuine]), strict=True):
        assert without_flags(got) == expected and not got[2] & SEEN


def test_what_was_there_before_is_marked(world):
    sealer, reader = world
    pairs = [sealer.request() for _ in range(60)]
    questions = [q for q, _ in pairs]
    assert not any(got[2] & SEEN for got in reader.ask(questions))
    for (_, expected), got in zip(pairs, reader.ask(questions), strict=True):
        assert got[2] & SEEN and without_flags(got) == expected


@pytest.mark.covers("C8613-5-3")
def test_strangers_are_unknown(world):
    sealer, reader = world
    material = next(m for m in sealer.materials if m.id_context is not None)
    sealed, _ = material.sides[0].protect(RandomMessage(sealer.random, False).message(), kid_context=b"another")
    payload = sealed.payload
    asked = [question(1, sealer.set, sealed.opt.oscore, payload), question(2, sealer.set, b"\x09\x05nobody", payload),
             question(3, sealer.set + 1, sealed.opt.oscore, payload), question(4, sealer.set, b"\x01\x05", payload),
             question(5, sealer.set, b"\x0e", payload)]
    # A set that is not in force is none of which could be said that it knows nobody.
    verdicts = ("unknown", "unknown", "failed", "malformed", "malformed")
    assert reader.ask(asked) == [answer(n, verdict) for n, verdict in enumerate(verdicts, 1)]
