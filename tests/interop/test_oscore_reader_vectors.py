"""RFC 8613's vectors and examples through oscore-keys and oscore-reader, each context as its client and as its server would write it."""

import json
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from oscore_reader import BIT, BUILD, ROOT, OscoreReader, answer, question  # noqa: E402

VECTORS = json.loads((ROOT / "tests/data/rfc8613-vectors.json").read_text())
CONTEXTS = {v["id"]: v for v in VECTORS["contexts"]}
EXAMPLES = VECTORS["section_6_3_compression_examples"]


def derived(name, ids, id_context=None, secret="0102030405060708090a0b0c0d0e0f10", salt="9e7ca92223786340"):
    text = "context %s\nmaster-secret %s\nmaster-salt %s\n" % (name, secret, salt or "-")
    text += "".join("sender %s\n" % (i or "-") for i in ids)
    if id_context is not None:
        text += "id-context %s\n" % id_context
    return subprocess.run([BUILD / "oscore-keys"], input=text, capture_output=True, text=True, timeout=20, check=True).stdout


def keys_of(context):
    ins = CONTEXTS[context]["inputs"]
    return derived(context, (ins["sender_id"], ins["recipient_id"]), ins["id_context"], ins["master_secret"], ins["master_salt"])


def question_of(vector, number, reader):
    """A vector's message, and what is right to say of it."""
    asked = None
    if vector.get("in_reply_to"):
        asked = next(v for v in VECTORS["messages"] if v["id"] == vector["in_reply_to"])
    plain = bytes.fromhex(vector["cose"]["plaintext"])
    if asked is None:
        # GET, and one segment
        assert plain == b"\x01\xb3tv1"
        expected = {"code": b"\x01", "uri-path": b"\0\x01\0\x03tv1"}
    else:
        assert plain == b"\x45\xffHello World!"
        expected = {"code": b"\x45", "payload": b"\0\0\0\0\x0cHello World!"}
    option = bytes.fromhex(vector["oscore_option_value"])
    asking = bytes.fromhex(asked["oscore_option_value"]) if asked else None
    q = question(number, reader.set, option, bytes.fromhex(vector["ciphertext"]), asking)
    return q, answer(number, fields=sum(BIT[n] for n in expected), body=b"".join(expected.values()))


@pytest.mark.covers("C8613-C-1", "C8613-3.1-2", "C8613-5-1")
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("context", ["C.1", "C.2", "C.3"])
def test_vectors(context, role):
    reader = OscoreReader(keys_of(context + (".1" if role == "client" else ".2")))
    vectors = [v for v in VECTORS["messages"] if v["security_context"].startswith(context)]
    pairs = [question_of(v, n, reader) for n, v in enumerate(vectors)]
    assert pairs
    for (_, expected), got in zip(pairs, reader.ask([q for q, _ in pairs]), strict=True):
        assert got[:2] + b"\0" + got[3:] == expected
    reader.stop()


@pytest.mark.covers("C8613-6.1-1")
def test_examples_of_compressed_objects():
    """Their ciphertexts are made up, so that each is refused by its tag: its option was understood, and led to its context."""
    keys = derived("a", ("25", "26")) + derived("b", ("", "01")) + derived("c", ("", "01"), "44616c656b")
    reader = OscoreReader(keys)
    request = bytes.fromhex("090525")
    for number, example in enumerate(EXAMPLES):
        asking = request if example["direction"] == "response" else None
        q = question(number, reader.set, bytes.fromhex(example["option_value"]), bytes.fromhex(example["payload"]), asking)
        assert reader.ask([q]) == [answer(number, "bad")], example
    # without its context it is unknown
    assert reader.ask([question(9, reader.set, bytes.fromhex("090527"), b"0123456789")]) == [answer(9, "unknown")]
    assert reader.ask([question(9, reader.set, bytes.fromhex("19050544616c656c"), b"0123456789")]) == [answer(9, "unknown")]
    reader.stop()


def test_one_direction_is_read_and_the_other_is_not():
    run = subprocess.run([BUILD / "oscore-keys", "--only-sender", "01"], input="context c\nmaster-secret 0102030405060708090a0b0c0d0e0f10\n"
                         "master-salt 9e7ca92223786340\nsender -\nsender 01\n", capture_output=True, text=True, timeout=20, check=True)
    reader = OscoreReader(run.stdout)
    messages = {v["id"]: v for v in VECTORS["messages"]}
    request, _ = question_of(messages["C.4"], 1, reader)
    response, expected = question_of(messages["C.7"], 2, reader)
    got = reader.ask([request, response])
    assert got[0] == answer(1, "no-key")
    assert got[1][:2] + b"\0" + got[1][3:] == expected
    reader.stop()
