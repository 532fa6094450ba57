#!/usr/bin/env python3
"""Writes the seeds of fuzz_crossing.c, scripts that lead into its deep states: crossing_seeds.py FOLDER"""

import pathlib
import sys

ANSWER, NOTIFICATION, ERROR, DONE = range(4)
REQUEST, AGAIN, ACKNOWLEDGE, CANCEL = range(4)
OBSERVE, NEAR, OSCORE, PUT, SAME_TOKEN, CANCELS, SILENT = 2, 4, 8, 16, 32, 64, 128
UNTURNED = 128  # the worker takes no turn behind it
ACK, CON, NON = range(3)
GONE, NUMBERED, LARGE = 4, 16, 32
DIES = bytes([10])
OVER = bytes([14])


def ask(wishes=0, flags=0):
    return bytes([flags, wishes])


def react(reset=0):
    return bytes([2, reset])


def handed(kind=ANSWER, last=1, back=0, error=0, response=ACK, number=b"", raw=None, flags=0):
    """The sibling hands on what its origin said."""
    head = bytes([3 | flags, kind | last << 2 | (8 if raw is not None else 0) | back << 4, error])
    body = b"" if kind > NOTIFICATION else raw if raw is not None else bytes([response]) + number
    return head + body + b"\0"


def asked(kind=REQUEST, observe=0, oscore=0, confirmable=1, index=0, damage=b"\0"):
    """The sibling hands on what its client asked."""
    return bytes([6, kind | observe << 2 | oscore << 3 | confirmable << 4, index]) + damage


def origin(what, number=b"", flags=0):
    return bytes([11 | flags, what]) + number


def wait(which):
    """0: 5 ms, 1: 0.3, 2: 1.1, 3: 5, 4: 25, 5: 100 s"""
    return bytes([13, which])


def anything(record):
    return bytes([8, len(record)]) + record + b"\0"


def scribble(what, *more):
    return bytes([9, what, *more])


registered = ask(OBSERVE) + handed(last=0, response=NUMBERED, number=b"\1")
serves = asked(observe=1) + origin(NUMBERED, b"\1")
flood = b"".join(origin(LARGE | NUMBERED | NON, bytes([i]), UNTURNED) for i in range(2, 60))
junk = [0xFF] * 8

SEEDS = {
    "answered": ask() + handed(),
    "error": ask() + handed(ERROR, 0, error=30),
    "error-unknown": ask() + handed(ERROR, 0, error=200),
    "done": ask(SILENT) + handed(DONE, 0),
    "twice": ask() + handed() + handed(),
    "observed": registered + handed(NOTIFICATION, 0, response=NUMBERED | CON, number=b"\2") + react()
    + handed(NOTIFICATION, 0, response=NUMBERED | NON, number=b"\3") + handed(NOTIFICATION, response=GONE | NON),
    "refreshed": registered + ask(OBSERVE | SAME_TOKEN) + handed(last=0, response=NUMBERED, number=b"\2")
    + ask(OBSERVE | SAME_TOKEN | CANCELS) + handed(),
    "observed-dies": registered + DIES + wait(2),
    "pending-dies": ask() + ask(1) + ask(OSCORE) + DIES + wait(0),
    "observed-reset": registered + handed(NOTIFICATION, 0, response=NUMBERED | CON, number=b"\2") + react(1) + wait(2),
    "last-unestablished": ask(OBSERVE) + handed(NOTIFICATION, response=CON),
    "observes-but-ended": ask(OBSERVE) + handed(response=NUMBERED, number=b"\1"),
    "near": ask(NEAR) + origin(ACK) + ask(NEAR | PUT) + origin(CON),
    "served": asked() + origin(ACK),
    "served-silent": asked() + wait(5),
    "served-cancelled": asked() + asked(CANCEL) + origin(ACK),
    "served-dies": asked() + asked(index=1) + DIES + origin(ACK),
    "served-observes": serves + origin(NUMBERED | CON, b"\2") + asked(ACKNOWLEDGE) + origin(NUMBERED | NON, b"\3")
    + asked(AGAIN) + origin(NUMBERED, b"\4") + asked(CANCEL) + origin(ACK),
    "served-observes-oscore": asked(observe=1, oscore=1) + origin(NUMBERED, b"\1") + origin(NUMBERED | CON, b"\2")
    + asked(CANCEL) + origin(NUMBERED | CON, b"\3"),
    "served-observes-dies": serves + DIES + origin(ACK),
    "served-last": serves + origin(GONE | CON),
    "same-index": serves + asked() + origin(ACK) + asked() + asked(),
    "too-many": b"".join(asked(index=i, confirmable=i & 1) for i in range(130)) + origin(ACK) * 4,
    "too-many-observe": b"".join(asked(observe=1, index=i) for i in range(10)),
    "cancelled-twice": serves + asked(CANCEL) + asked(CANCEL) + asked(ACKNOWLEDGE) + wait(5),
    "full": serves + flood + origin(GONE | NON, flags=UNTURNED) + wait(1) + handed(raw=b"", flags=UNTURNED),
    "full-dies": serves + flood,
    "full-over": serves + flood + ask(flags=UNTURNED) + OVER,
    "requests-full": ask(flags=UNTURNED) * 60,
    "broken": anything(b"\1" * 10) + anything(b"\1" + bytes(60)) + anything(b"\x63" + bytes(3) + b"\1\0\0\0" * 2 + bytes(60)),
    "broken-datagram": ask() + handed(raw=b"\xff" * 4),
    "old-incarnation": asked(damage=b"\1\0\4\2") + asked(damage=b"\1\0\x08\2") + asked(damage=b"\1\0\x0f\xff"),
    "scribble": scribble(0, *junk) + scribble(4, *[7] * 8) + scribble(2, 0, 0, *junk) + asked() + scribble(8) + asked(),
    "scribble-length": ask() + bytes([9 | UNTURNED, 2, 0, 0, *junk]) + asked(),
}

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, script in SEEDS.items():
    (folder / name).write_bytes(script)
