"""What lies in the memory of oscore-reader, where only root can look: keys while they are in force, and nothing of them afterwards."""

import re
import resource
import struct

import pytest
from protecting import Context
from reader_process import BAD, OPENED, UNKNOWN, Reader, ask, question

GROUP = """group plant
    gid dd11
    algorithm AES-CCM-16-64-128
    group-algorithm AES-CCM-16-64-128
    signature EdDSA
    key-agreement none
    common-iv 47eb80969ab73847084dd6f996
    signature-encryption-key 85ca7c0bc5b8ea2e267b203dc3b71ce6
    manager-credential a501
    member 52 credential a502 public-key 77ec358c1d344e41ee0e87b8383d23a2099acd39bdf989ce45b52e887463389b key a8c8b7db5d05cfc7faa2bb1afaca6c2f
    member dc credential a503 public-key 77ec358c1d344e41ee0e87b8383d23a2099acd39bdf989ce45b52e887463389b key 761c3081b8d8329790a8b321b3b4c3a4
"""
GROUP_KEYS = [bytes.fromhex(k) for k in ("85ca7c0bc5b8ea2e267b203dc3b71ce6", "a8c8b7db5d05cfc7faa2bb1afaca6c2f", "761c3081b8d8329790a8b321b3b4c3a4")]
PAGE = resource.getpagesize()
GET = b"\x01\xb4temp"


def round_keys(key):
    """The eleven of AES-128 (FIPS 197, 5.2)."""
    box, p, q = [0x63] * 256, 1, 1
    while True:
        p ^= (p << 1) ^ (0x11b if p & 0x80 else 0)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xff
        q ^= 0x09 if q & 0x80 else 0
        rotated = q
        for n in range(1, 5):
            rotated ^= (q << n | q >> (8 - n)) & 0xff
        box[p] = rotated ^ 0x63
        if p == 1:
            break
    words, constant = [key[i:i + 4] for i in range(0, 16, 4)], 1
    for i in range(4, 44):
        word = words[-1]
        if i % 4 == 0:
            word = bytes(box[b] for b in word[1:] + word[:1])
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = constant << 1 ^ (0x11b if constant & 0x80 else 0)
        words.append(bytes(a ^ b for a, b in zip(words[-4], word)))
    return [b"".join(words[i:i + 4]) for i in range(0, 44, 4)]


def test_the_round_keys_are_those_of_the_standard():
    assert round_keys(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))[10].hex() == "d014f9a8c9ee2589e13f0cc8b6630ca6"


def touched(pagemap, start, end):
    """The runs of pages that were ever used: the rest of a large mapping is nothing."""
    pagemap.seek(start // PAGE * 8)
    entries, runs = pagemap.read((end - start) // PAGE * 8), []
    for number, (entry,) in enumerate(struct.iter_unpack("=Q", entries)):
        at = start + number * PAGE
        if not entry >> 62:
            continue
        if runs and runs[-1][1] == at:
            runs[-1][1] = at + PAGE
        else:
            runs.append([at, at + PAGE])
    return runs


def memory(pid):
    """{start: bytes} of what it can write; start is that of the mapping."""
    found = {}
    with open("/proc/%d/maps" % pid, encoding="ascii") as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem, \
            open("/proc/%d/pagemap" % pid, "rb", 0) as pagemap:
        for line in maps:
            start, end, rights = re.match(r"(\w+)-(\w+) (\S+) ", line).groups()
            if "rw" not in rights:
                continue
            for first, last in touched(pagemap, int(start, 16), int(end, 16)):
                mem.seek(first)
                found[start] = found.get(start, b"") + mem.read(last - first)
    assert found
    return found


def places(pid, needles):
    """How often each of these stands in its memory."""
    content = memory(pid)
    return [sum(piece.count(needle) for piece in content.values()) for needle in needles]


@pytest.fixture(name="reader")
def running():
    one = Reader()
    if "sanitizers" in one.ready.text:
        one.end()
        pytest.skip("sanitizers keep what was freed")
    yield one
    one.end()


def test_nothing_is_left_of_a_context_that_was_removed(reader):
    gone, stays = Context(b"\x01", secret=b"gone, and forgot"), Context(b"\x02", secret=b"stays in force  ")
    end, keys = reader.worker(), list(gone.keys.values())
    texts = [form(key.hex()).encode() for key in keys + GROUP_KEYS for form in (str, str.upper)]
    schedules = [key for one in keys for key in round_keys(one)]
    reader.provision(("plant", gone.provisioning("gone") + stays.provisioning("stays") + GROUP))
    request = gone.request(GET)
    signed = bytes.fromhex("390102dd1152"), bytes(90)
    questions = [question(1, *request), question(2, *gone.response(request[0], b"\x45"), request[0]), question(3, *stays.request(GET)),
                 question(4, *signed), question(5, bytes.fromhex("290052"), bytes(90), bytes.fromhex("390102dd11dc"))]
    assert [a.verdict for a in ask(end, *questions)] == [OPENED, OPENED, OPENED, BAD, BAD]
    pid = reader.process.pid
    # what is looked for can be found: the keys, and a schedule of each that was used
    assert all(places(pid, keys + GROUP_KEYS))
    assert all(places(pid, [round_keys(key)[10] for key in keys]))
    assert not any(places(pid, texts))
    reader.provision(("plant", stays.provisioning("stays")))
    answers = ask(end, question(6, *request), question(7, *stays.request(GET)), question(8, *signed))
    assert [a.verdict for a in answers] == [UNKNOWN, OPENED, UNKNOWN]
    assert not any(places(pid, keys + GROUP_KEYS + schedules + texts))
    assert all(places(pid, [stays.keys[b"\x02"]]))
    reader.provision()
    assert [a.verdict for a in ask(end, question(9, *stays.request(GET)))] == [UNKNOWN]
    assert not any(places(pid, [round_key for key in stays.keys.values() for round_key in round_keys(key)]))


def test_nothing_is_left_of_what_was_never_in_force(reader):
    context = Context(b"\x01", secret=b"never in force  ")
    assert reader.prepare(("plant", context.provisioning("pump") + "rubbish\n"))
    assert not any(places(reader.process.pid, list(context.keys.values()) + [k.hex().encode() for k in context.keys.values()]))
    assert reader.prepare(("plant", context.provisioning("pump"))) == []
    assert all(places(reader.process.pid, list(context.keys.values())))
    reader.tell(3)
    assert reader.prepare() == []
    assert not any(places(reader.process.pid, list(context.keys.values())))


def test_keys_lie_in_one_mapping_that_is_in_no_core(reader):
    context = Context(b"\x01", secret=b"one place alone ")
    reader.provision(("plant", context.provisioning("pump")))
    assert ask(reader.worker(), question(1, *context.request(GET)))[0].verdict == OPENED
    pid = reader.process.pid
    holding = [start for start, piece in memory(pid).items() if any(key in piece for key in context.keys.values())]
    assert len(holding) == 1
    with open("/proc/%d/smaps" % pid, encoding="ascii") as smaps:
        flags = re.search(r"(?ms)^%s-.*?^VmFlags:(.*?)$" % holding[0], smaps.read()).group(1).split()
    assert "dd" in flags
    assert "lo" in flags or "memory is not locked" in reader.ready.text
