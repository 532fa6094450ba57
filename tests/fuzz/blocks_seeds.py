#!/usr/bin/env python3
"""Writes the seeds of fuzz_blocks.c, scripts that lead into its deep states: blocks_seeds.py FOLDER"""

import pathlib
import sys

SAYS, WELL, FAILS, NOTIFIES, NOTIFIES_WELL, LAST, BODY, ROOM, CONTINUES, ABORTS, LEAVES, RENEWS, TIME = range(13)
GET, POST, PUT, FETCH = range(4)
OBSERVE, OSCORE, HAS_BODY, KNOWN, WHOLE, HEAD = 4, 8, 16, 32, 64, 128
SMALL_ROOM, ALL_THERE, SMALL_MEMORY, PROXY_URI, LEAVES_WITHIN = 8, 16, 32, 64, 128
CONTENT, CHANGED, CONTINUE, CHALLENGE, BAD_OPTION, INCOMPLETE, TOO_LARGE = 0, 2, 3, 4, 5, 6, 7
SMALLER2, SMALLER1, MORE, BLOCK2, BLOCK1 = 8, 16, 32, 64, 128


def begin(flags=GET, szx=6, sizes=0, body=0, too_long=False):
    """body: in units of 300 bytes; too_long: the head"""
    return bytes([flags, szx | sizes, body, 255 if too_long else 0])


def well(how, szx=6, etag=0, length=0):
    return bytes([WELL, how, szx | length & 8 | etag << 6])


def notifies(how, szx=6, etag=0):
    return bytes([NOTIFIES_WELL, how, szx | etag << 6])


def says(code, options=b"", length=0, what=SAYS):
    return bytes([what, code, len(options)]) + options + bytes([length >> 8, length & 255])


def comes(units):
    return bytes([BODY, units, 0])


def room(units):
    return bytes([ROOM, units])


def fails(passing=0):
    return bytes([FAILS, passing])


def time(seconds):
    return bytes([TIME, seconds])


go_on = bytes([CONTINUES])
first, later, last = well(BLOCK2 | MORE), well(BLOCK2 | MORE), well(BLOCK2, length=8)
taken, stored = well(CONTINUE | BLOCK1), well(CHANGED | BLOCK1)
put = begin(PUT | HAS_BODY | KNOWN | WHOLE, sizes=ALL_THERE, body=10)
whole = begin(PUT | HAS_BODY | KNOWN | WHOLE, sizes=ALL_THERE, body=3)
observe = begin(GET | OBSERVE)
accepted = says(0x45, b"\x60", 10)
# to a device over a connection: szx 7
large, all_of = begin(szx=7), comes(255) * 3 + go_on
long_put = begin(PUT | HAS_BODY | KNOWN, szx=7, body=120)
small_put = begin(PUT | HAS_BODY | KNOWN, szx=7, sizes=ALL_THERE, body=10)
plain_put = begin(PUT | HAS_BODY | KNOWN | WHOLE, szx=7, sizes=ALL_THERE, body=3)

SEEDS = {
    "one": begin() + well(CONTENT, length=8),
    "error": begin() + fails(),
    "blocks": begin() + first + later * 5 + last,
    "blocks-shrink": begin() + first + later + well(BLOCK2 | MORE | SMALLER2, 3) + well(BLOCK2 | MORE | SMALLER2, 0) + last,
    "blocks-changed": begin() + first + well(BLOCK2 | MORE, etag=1) + first + later + last,
    "blocks-cut": begin() + first + later + well(BLOCK2 | MORE, etag=1),
    "blocks-restless": begin() + (first + well(BLOCK2 | MORE, etag=1)) * 4,
    "blocks-fail": begin() + first + later + fails(),
    "blocks-limit": begin() + first + later * 25,
    "blocks-no-room": begin(sizes=SMALL_ROOM) + first + later + go_on + room(20) + go_on + later + room(40) + go_on + last,
    "blocks-no-memory": begin(sizes=SMALL_MEMORY) + first + later + last,
    "blocks-wrong": begin() + first + says(0x45, b"\x41\x00\xd2\x06\x26", 64),
    "no-block": begin() + first + says(0x45, b"", 10),
    "small": begin(szx=2) + first + last,
    "small-refused": begin(szx=2) + well(BAD_OPTION) + well(CONTENT, length=8) + begin(szx=2) + well(CONTENT, length=8),
    "head": begin(HEAD) + first,
    "put": put + taken * 2 + stored,
    "put-stored": put + stored * 3,
    "put-shrink": put + well(CONTINUE | BLOCK1 | SMALLER1, 4) + taken * 20 + stored,
    "put-comes": begin(PUT | HAS_BODY, body=4) + comes(1) + go_on + comes(20) + go_on + taken + comes(20) + go_on + stored,
    "put-long": begin(PUT | HAS_BODY, body=200) + (comes(255) + comes(255) + go_on + taken * 20) * 6 + stored,
    "put-lost": put + taken + well(INCOMPLETE) + taken + well(INCOMPLETE) + taken * 2 + well(INCOMPLETE),
    "put-challenged": put + taken + well(CHALLENGE) + taken + well(CHALLENGE) + taken + well(CHALLENGE),
    "put-whole": whole + well(CHANGED),
    "put-too-large": whole + well(TOO_LARGE) + taken + stored,
    "put-too-large-sized": whole + says(0x8D, b"\xd1\x0e\x02") + taken * 20,
    "put-too-large-block": put + well(TOO_LARGE | BLOCK1 | SMALLER1, 3) + taken * 4,
    "put-size1": whole + says(0x8D, b"\xd1\x2f\x40") + taken * 20,
    "put-refused": put + well(BAD_OPTION),
    "put-refused-whole": begin(PUT | HAS_BODY | KNOWN, sizes=ALL_THERE, body=3) + well(BAD_OPTION) + well(CHANGED) +
    begin(PUT | HAS_BODY | KNOWN, sizes=ALL_THERE, body=3) + well(CHANGED),
    "put-nonsense": put + well(CONTINUE),
    "put-continued": whole + well(CONTINUE | BLOCK1),
    "put-early": put + says(0x84, b"", 5),
    "post-answer": begin(POST | HAS_BODY | KNOWN, sizes=ALL_THERE, body=6) + taken + well(CHANGED | BLOCK1 | BLOCK2 | MORE) +
    well(CHANGED | BLOCK2 | MORE) + well(CHANGED | BLOCK2, length=8),
    "fetch": begin(FETCH | HAS_BODY | KNOWN | WHOLE, sizes=ALL_THERE, body=1) + first + well(BLOCK2 | MORE, etag=1) + first + later + last,
    "fetch-cut": begin(FETCH | HAS_BODY | KNOWN, sizes=ALL_THERE, body=6) + taken + first + well(BLOCK2 | MORE, etag=1),
    "oscore": begin(POST | OSCORE | HAS_BODY | KNOWN, sizes=ALL_THERE, body=6) + taken + well(CHANGED | BLOCK2 | MORE) + well(CHANGED | BLOCK2),
    "oscore-challenged": begin(POST | OSCORE | HAS_BODY | KNOWN | WHOLE, sizes=ALL_THERE, body=1) + well(CHALLENGE),
    "get-challenged": begin() + well(CHALLENGE) + first + well(CHALLENGE) + later + last,
    "aborted": begin(PUT | HAS_BODY, body=4) + comes(30) + go_on + bytes([ABORTS, 1]),
    "left": begin() + first + bytes([LEAVES, 1]),
    "too-long": begin(too_long=True) + begin(HEAD, too_long=True),
    "renewed": begin() + first + bytes([RENEWS]) + later + observe + accepted + bytes([RENEWS]) + notifies(BLOCK2 | MORE) + later + last,
    "proxy-uri": begin(szx=2, sizes=PROXY_URI) + well(BAD_OPTION) + well(CONTENT) + begin(szx=2, sizes=PROXY_URI) + well(CONTENT),
    "paused": begin() + first + fails(1) + time(1) + later + fails(1) + time(250) + fails(1) + time(250) + fails(1),
    "leaves-within": begin(sizes=LEAVES_WITHIN) + first + well(BLOCK2 | MORE) + b"\1" * 8,
    "leaves-in-data": begin(sizes=LEAVES_WITHIN) + well(CONTENT, length=8) + b"\0\1",
    "leaves-in-later": begin(sizes=LEAVES_WITHIN) + first + well(BLOCK2 | MORE) + b"\0\0\1",
    "observed": observe + accepted + notifies(CONTENT) + notifies(CONTENT) + says(0x84, b"", 4, LAST),
    "observed-blocks": observe + says(0x45, b"\x60\xd1\x04\x0e", 1024) + says(0x45, b"\xd1\x0a\x1e", 1024) + says(0x45, b"\xd1\x0a\x26", 9) +
    notifies(BLOCK2 | MORE) + later + last,
    "observed-newer": observe + accepted + notifies(BLOCK2 | MORE) + notifies(BLOCK2 | MORE, etag=1) + well(BLOCK2 | MORE, etag=1) +
    notifies(CONTENT) + notifies(BLOCK2 | MORE) + later + notifies(CONTENT),
    "observed-changed": observe + accepted + notifies(BLOCK2 | MORE) + well(BLOCK2 | MORE, etag=1) + first + later + last,
    "observed-no-room": begin(GET | OBSERVE, sizes=SMALL_ROOM) + accepted + notifies(BLOCK2 | MORE) + later + notifies(BLOCK2 | MORE) * 3 + go_on +
    room(200) + go_on + later + last,
    "observed-last-lost": begin(GET | OBSERVE, sizes=SMALL_ROOM | SMALL_MEMORY) + says(0x45, b"\x60", 1100) + says(0x45, b"\x60", 1100, NOTIFIES) +
    says(0x45, b"", 1100, LAST) + go_on,
    "observed-unfetched": observe + accepted + notifies(BLOCK2 | MORE) + fails() + notifies(CONTENT) + says(0x45, b"\xd1\x0a\x1e", 64, LAST),
    "large": large + well(BLOCK2 | MORE, 7) * 2 + well(BLOCK2, 7, length=8),
    "large-shrink": large + well(BLOCK2 | MORE, 7) + well(BLOCK2 | MORE | SMALLER2, 5) + later * 4 + last,
    "large-no-room": begin(szx=7, sizes=SMALL_ROOM) + well(BLOCK2 | MORE, 7) + (room(40) + go_on + later) * 4 + room(255) * 2 + go_on + later,
    "large-put": (long_put + all_of + taken * 40) * 2,
    "large-put-shrink": long_put + all_of + taken * 40 + long_put + all_of + well(CONTINUE | BLOCK1 | SMALLER1, 5) + taken * 8,
    "large-put-refused": long_put + all_of + taken * 40 + long_put + all_of + well(TOO_LARGE) + taken * 8,
    "connection-small": (small_put + taken * 8 + stored) * 2,
    "connection-plain": (plain_put + well(BAD_OPTION) + well(CHANGED)) * 2,
    "connection-observed": begin(GET | OBSERVE, szx=7) + accepted + notifies(BLOCK2 | MORE, 7) * 2 + later + last,
    "observed-fetch": begin(FETCH | OBSERVE | HAS_BODY | KNOWN | WHOLE, sizes=ALL_THERE, body=1) + accepted + notifies(BLOCK2 | MORE) + later + last,
}

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS.items():
        (folder / name).write_bytes(seed)
