"""oscore-keys: what it derives, beside RFC 8613's vectors and another implementation; what it gives away, and what it refuses."""

import json
import os
import pathlib
import stat
import subprocess

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / os.environ.get("B", "build") / "oscore-keys"
VECTORS = json.loads((ROOT / "tests/data/rfc8613-vectors.json").read_text())["contexts"]
ALGORITHMS = {"AES-CCM-16-64-128": (10, 16, 13), "AES-CCM-16-64-256": (11, 32, 13), "AES-CCM-16-128-128": (30, 16, 13),
              "AES-CCM-16-128-256": (31, 32, 13), "A128GCM": (1, 16, 12), "A256GCM": (3, 32, 12), "ChaCha20/Poly1305": (24, 32, 12)}
# The group of draft-ietf-core-cacheable-oscore's vectors.
GROUP = """group vectors
\tmaster-secret 0102030405060708090a0b0c0d0e0f10
\tmaster-salt 9e7ca92223786340
\tgid dd11
\talgorithm AES-CCM-16-64-128
\tgroup-algorithm AES-CCM-16-64-128
\tsignature EdDSA
\tkey-agreement ECDH-SS-HKDF-256
\tmanager-credential a5a5
\tmember 52 server credential a501 public-key 77ec358c1d344e41ee0e87b8383d23a2099acd39bdf989ce45b52e887463389b
\tmember dc client credential a502 public-key 77ec358c1d344e41ee0e87b8383d23a2099acd39bdf989ce45b52e887463389b
"""
SERVER_KEY, CLIENT_KEY = "a8c8b7db5d05cfc7faa2bb1afaca6c2f", "761c3081b8d8329790a8b321b3b4c3a4"
GROUP_IV, GROUP_SIGNATURE_KEY = "47eb80969ab73847084dd6f996", "85ca7c0bc5b8ea2e267b203dc3b71ce6"


def keys(text, *arguments):
    """(status, output, errors) for an input."""
    run = subprocess.run([PROGRAM, *arguments], input=text, capture_output=True, text=True, timeout=20, check=False)
    return run.returncode, run.stdout, run.stderr


def block(output):
    """The settings of an output's one block: {word: [values, ...]}."""
    found = {}
    for line in output.split("\n"):
        words = line.partition("#")[0].split()
        if words:
            found.setdefault(words[0], []).append(words[1:])
    return found


def dash(value):
    return value or "-"


def context(name="c", secret="0102030405060708090a0b0c0d0e0f10", senders=("-", "01"), **settings):
    lines = ["context " + name, "master-secret " + secret, *("sender " + s for s in senders)]
    return "\n".join(lines + [w.replace("_", "-") + " " + v for w, v in settings.items() if v is not None]) + "\n"


@pytest.mark.covers("C8613-3.2-1", "C8613-3.2.1-1", "C8613-3.2.1-2", "C8613-3.1-2")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_vectors_of_the_rfc(vector):
    ins, outs = vector["inputs"], vector["outputs"]
    # An empty salt is no salt, and what is left out is the default.
    text = context(secret=ins["master_secret"], senders=(dash(ins["sender_id"]), dash(ins["recipient_id"])),
                   master_salt=ins["master_salt"] or None, id_context=ins["id_context"])
    status, output, errors = keys(text)
    assert (status, errors) == (0, "")
    found = block(output)
    assert found["algorithm"] == [["AES-CCM-16-64-128"]]
    assert found["common-iv"] == [[outs["common_iv"]]]
    assert found["sender"] == [[dash(ins["sender_id"]), outs["sender_key"]], [dash(ins["recipient_id"]), outs["recipient_key"]]]
    assert found.get("id-context") == (None if ins["id_context"] is None else [[ins["id_context"]]])
    assert ins["master_secret"] not in output


def hkdf(digest, secret, salt, info, length):
    return HKDF(algorithm=digest, length=length, salt=salt, info=cbor2.dumps(info)).derive(secret).hex()


@pytest.mark.covers("C8613-3.2.1-1")
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("digest", ["SHA-256", "SHA-512"])
def test_every_algorithm_as_another_implementation_derives_it(name, digest):
    number, key_length, nonce_length = ALGORITHMS[name]
    secret, salt, id_context, ids = bytes(range(40)), bytes(range(50, 58)), b"gate\0way", (b"\x01", b"sender")
    how = hashes.SHA256() if digest == "SHA-256" else hashes.SHA512()
    status, output, errors = keys(context(secret=secret.hex(), senders=[i.hex() for i in ids], master_salt=salt.hex(),
                                          id_context=id_context.hex(), algorithm=name, hkdf=digest))
    assert (status, errors) == (0, "")
    found = block(output)
    assert found["algorithm"] == [[name]]
    assert found["common-iv"] == [[hkdf(how, secret, salt, [b"", id_context, number, "IV", nonce_length], nonce_length)]]
    assert found["sender"] == [[i.hex(), hkdf(how, secret, salt, [i, id_context, number, "Key", key_length], key_length)] for i in ids]


def test_one_direction_is_all_that_is_given_away():
    for sender, other in (("-", "01"), ("01", "-")):
        status, output, _ = keys(context(master_salt="9e7ca92223786340"), "--only-sender", sender)
        assert status == 0
        found = dict(block(output)["sender"])
        assert found[other] == "none" and found[sender] != "none"
    status, output, errors = keys(context(), "-s", "02")
    assert (status, output) == (1, "") and "nobody has the ID" in errors


def test_several_blocks_go_into_one_file():
    status, output, errors = keys(context("a", id_context="01") + context("b", id_context="02") + GROUP)
    assert (status, errors) == (0, "")
    assert [line for line in output.split("\n") if line[:1] in "cg" and line] == ["context a", "context b", "group vectors"]


@pytest.mark.covers("RBW-3", "D-GRP-2.1-3", "D-GRP-2.3-1")
def test_a_group_by_its_profiles():
    given = {"verify-only": ("none", "none"), "read-responses": (SERVER_KEY, "none"), "read-both": (SERVER_KEY, CLIENT_KEY)}
    for profile, expected in given.items():
        status, output, errors = keys(GROUP, "--profile", profile)
        assert (status, errors) == (0, "")
        found = block(output)
        assert [m[-1] for m in found["member"]] == list(expected), profile
        assert found.get("common-iv") == (None if profile == "verify-only" else [[GROUP_IV]])
        assert found["signature-encryption-key"] == [[GROUP_SIGNATURE_KEY]]
        assert found["hkdf"] == [["SHA-256"]] and found["countersignature"] == [["five"]]
        assert "0102030405060708090a0b0c0d0e0f10" not in output
    status, output, _ = keys(GROUP, "-s", "dc")
    assert status == 0 and [m[-1] for m in block(output)["member"]] == ["none", CLIENT_KEY]
    # of a group that is read nobody of, as little as of verify-only
    status, output, _ = keys(context() + GROUP, "-s", "01")
    found = block(output[output.index("group "):])
    assert status == 0 and [m[-1] for m in found["member"]] == ["none", "none"] and "common-iv" not in found


def test_the_output_is_a_file_of_its_own(tmp_path):
    source, target = tmp_path / "secrets", tmp_path / "plant.keys"
    source.write_text(context())
    old = os.umask(0)
    try:
        status, output, errors = keys("", "-o", str(target), str(source))
    finally:
        os.umask(old)
    assert (status, output, errors) == (0, "", "")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert block(target.read_text())["context"] == [["c"]]
    # what is there stays as it is, a link is not followed
    target.write_text("mine\n")
    assert keys(context(), "-o", str(target))[0] == 1
    assert target.read_text() == "mine\n"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    assert keys(context(), "-o", str(link))[0] == 1
    assert not (tmp_path / "elsewhere").exists()


def test_the_input_is_told_apart_by_its_name(tmp_path):
    source = tmp_path / "secrets"
    source.write_text(context() + "nonsense 1\n")
    status, _, errors = keys("", str(source))
    assert status == 1 and errors == '%s:5: unknown word "nonsense"\n' % source
    assert keys("", str(tmp_path / "missing"))[0] == 1
    assert keys("")[0] == 1


@pytest.mark.covers("C8613-12.3-1", "C8613-3.3-1", "C8613-3.3-2")
@pytest.mark.parametrize("text, told", [
    (context(secret="0102030405060708090a0b0c0d0e0f"), "2: a Master Secret of less than 16 bytes can be guessed"),
    (context(secret="0102030405060708090a0b0c0d0e0f1z"), "2: the Master Secret is not hexadecimal"),
    (context(secret="00" * 65), "2: the Master Secret is longer than 64 bytes"),
    (context(senders=("01",)), "1: a context has two senders"),
    (context(senders=("01", "02", "03")), "5: a third sender"),
    (context(senders=("01", "01")), "1: both senders have the same ID"),
    (context(senders=("01", "0102030405060708")), "4: the ID is longer than 7 bytes"),
    (context(senders=("01", "01020304050607"), algorithm="A128GCM"), "1: the keys cannot be derived: an ID is longer"),
    (context(algorithm="A128CTR"), "5: unknown name; known are AES-CCM-16-64-128"),
    (context(hkdf="SHA-1"), "5: unknown name; known are SHA-256, SHA-512"),
    ("context c\nsender 01\nsender 02\n", '1: "master-secret" is missing'),
    (context() + "master-secret 00\n", '5: "master-secret" for the second time'),
    (context("a") + context("b"), "\"a\" and \"b\" have a sender of the same ID, under the same Common IV, and no ID Context"),
    (GROUP.replace(" server ", " boss "), "10: a member is: member ID client|server"),
    (GROUP.replace("\tgid dd11\n", ""), '1: "gid" is missing'),
    (GROUP.replace("77ec", "77"), "the public key is none of the signature algorithm"),
    (GROUP.replace("member dc", "member 52"), "an earlier member has this ID"),
])
def test_what_is_refused_is_told_and_nothing_written(tmp_path, text, told):
    target = tmp_path / "keys"
    status, output, errors = keys(text, "-o", str(target))
    assert (status, output) == (1, "")
    assert told in errors, errors
    assert not target.exists()
    assert "0102030405060708090a0b0c0d0e0f" not in errors


def test_no_secret_is_taken_from_the_command_line():
    for arguments, told in ((["--master-secret", "00"], "option"), (["a", "b"], ""), (["-s", "0"], '"0" is no ID'), (["-s", "xx"], '"xx" is no ID'),
                            (["-s", "0102030405060708"], '"0102030405060708" is no ID'), (["-p", "all"], '"all" is no profile')):
        status, output, errors = keys(context(), *arguments)
        assert status == 2 and output == "" and "usage:" in errors and told in errors
    status, output, _ = keys("", "--help")
    assert status == 0 and "usage: oscore-keys" in output
    status, output, _ = keys("", "--version")
    assert status == 0 and output.startswith("oscore-keys ")


@pytest.mark.covers("RBW-6", "D-GRP-13.9-1")
def test_a_group_of_several_servers_is_warned_of():
    """A request in group mode can be led to another server on its way, if there is one."""
    assert keys(GROUP)[2] == ""
    status, output, errors = keys(GROUP.replace("dc client", "dc server"))
    assert (status, errors.count("\n")) == (0, 1) and "group vectors has 2 servers" in errors and "member dc" in output
