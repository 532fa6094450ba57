"""tshark with the keys: the Inner fields of every OSCORE message of a capture."""

import json
import subprocess

import plugtest
import wire


def _contexts():
    """Sender and recipient as tshark sees them: the client's side of contexts A and C."""
    out = []
    for context in (plugtest.context_a(), plugtest.context_c()):
        fields = [context.sender_id, context.recipient_id, plugtest.SECRET, plugtest.SALT, context.id_context or b""]
        row = ",".join(f'"{value.hex()}"' for value in fields)
        out += ["-o", f'uat:oscore_contexts:{row},"AES-CCM-16-64-128 (CCM*)"']
    return out


def _pairs(pairs):
    """A JSON object as a list, since tshark repeats its keys."""
    return pairs


def inner(packets, path):
    """A list with one entry for each packet: the tree of the OSCORE layer as (field, value) pairs."""
    path.write_bytes(wire.pcap(packets))
    command = ["tshark", "-n", "-r", str(path), *_contexts(), "-T", "json", "-J", "oscore coap"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    frames = json.loads(done.stdout, object_pairs_hook=_pairs)
    assert len(frames) == len(packets)
    return [_layer(frame) for frame in frames]


def _find(pairs, name):
    return [value for key, value in pairs if key == name]


def _layer(frame):
    layers = _find(_find(frame, "_source")[0], "layers")[0]
    found = _find(layers, "oscore")
    return found[0] if found else None


def fields(tree):
    """Every leaf of the tree, in order."""
    if not isinstance(tree, list):
        return []
    out = []
    for item in tree:
        if isinstance(item, tuple):
            key, value = item
            out += [(key, value)] if not isinstance(value, list) else [(key, None), *fields(value)]
    return out
