#!/usr/bin/env python3
"""Writes the seeds of fuzz_worker.c, scripts that lead into its deep states: worker_seeds.py FOLDER"""

import pathlib
import sys

GET, POST, FETCH, PUT, DELETE, IPATCH, UNKNOWN = range(7)
OBSERVE, OTHER, OSCORE, BLOCK1, BLOCK2, NO_RESPONSE, ECHO, HOP_LIMIT = (1 << n for n in range(8))
ACCEPT, ODD, HOST, PROXY_URI, PROXY_SCHEME, PORT, TWO, TAG = (1 << n for n in range(8, 16))
A_OBSERVE, A_OSCORE, A_BLOCK2, A_MAX_AGE, A_ETAG, A_ECHO, A_ODD, A_BLOCK1 = (1 << n for n in range(8))
CONTENT, CHANGED, NOT_FOUND, HOPS, TOO_MANY, BUSY, CONTINUE, VALID = range(8)
ACK, NON, CON = range(3)
LARGE = 0xE0


def ask(wishes=0, detail=0, length=0, who=0, non=0, code=GET, token=0, token_length=0, flags=0, same_mid=False):
    head = who | non << 1 | code << 2 | flags << 5
    names = token | token_length << 3 | (3 << 6 if same_mid else 0)
    return bytes([0, head, names, wishes & 255, wishes >> 8, detail, length, 0])


def answer(kind=ACK, code=CONTENT, wishes=0, detail=0, length=5, twist=0, back=0):
    extra = [0] if twist == 1 else []
    return bytes([3, kind | code << 2 | back << 5, wishes, detail, twist, *extra, length, 0])


def wait(which):
    """0: 5 ms, 1: 0.3, 2: 1.1, 3: 2, 4: 5, 5: 40, 6: 94, 7: 146, 8: 248, 9: 601, 10: 90000 s"""
    return bytes([6, which])


def ack(back=0):
    return bytes([8, back, 0])


def reset(back=0):
    return bytes([9, back, 0])


def repeat(back=0):
    return bytes([10, back, 0])


def origin_ack(back=0):
    return bytes([11, back, 0])


def origin_reset(back=0):
    return bytes([27, back, 0])


def origin_repeat(back=0):
    return bytes([12, back, 0])


def resolve(which=0):
    return bytes([13, which])


def unreachable(back=0, cut=0):
    return bytes([14, back, cut] + ([] if cut == 1 else [0]))


def raw(data, who=0, origin=False):
    return bytes([15 if origin else 31, who | len(data) << 1]) + data


def notify(number, kind=CON, code=CONTENT, length=5, **more):
    return answer(kind, code, A_OBSERVE, number, length, **more)


def observing(wishes=0, detail=0, **more):
    return ask(OBSERVE | wishes, detail, **more) + notify(1, ACK)


SEEDS = {
    "get": ask() + answer() + repeat(),
    "get-non": ask(non=1) + answer(NON) + repeat(),
    "separate": ask() + wait(2) + answer(CON) + ack() + repeat(),
    "separate-origin": ask() + origin_ack() + wait(2) + answer(CON) + origin_repeat() + reset(),
    "acknowledged-silent": ask() + origin_ack() + wait(8),
    "two-separate": ask() + ask(token=1) + wait(2) + answer() + answer(back=1) + ack() + ack() + ack(),
    "duplicate-early": ask() + repeat() + answer(),
    "silent": ask() + wait(3) + wait(4) + wait(4) + wait(5) + wait(6) + wait(8) + repeat(),
    "silent-non": ask(non=1, length=20) + wait(5) + ask(non=1, token=1) + wait(6) + wait(6),
    "reset": ask() + origin_reset() + repeat(),
    "unreachable": ask() + unreachable() + ask() + unreachable(cut=1) + unreachable(cut=2),
    "late": ask() + answer() + answer(CON) + answer(NON) + origin_repeat(),
    "wrong-token": ask() + answer(twist=1) + answer(CON, twist=1) + origin_repeat() + answer(twist=3) + answer(twist=4),
    "truncated": ask() + answer(CON, twist=6) + ask(flags=1) + ask(flags=2),
    "bad-response": ask() + answer(wishes=A_ODD, detail=1) + ask() + answer(CON, wishes=A_BLOCK2, detail=0xF8),
    "broken-response": ask() + bytes([3, 0, 0, 0, 0, 5, 1, 128]) + ask() + raw(b"\x64\x45\x00\x01", origin=True),
    "methods": b"".join(ask(code=c, length=9, token=c) + answer() for c in range(7)),
    "oscore": ask(OSCORE, 5, 40, code=POST) + answer(CON, CHANGED, A_OSCORE, length=30) + ack() + repeat(),
    "oscore-forward": ask(OSCORE | PROXY_SCHEME, 6, 40, code=POST) + answer(wishes=A_OSCORE) + repeat(1),
    "oscore-again": ask(OSCORE, 5, 40, code=POST) + answer() + wait(8) + repeat() + answer(),
    "proxy-uri": b"".join(ask(PROXY_URI, n, token=n % 8) + answer() for n in range(10)),
    "proxy-scheme": b"".join(ask(PROXY_SCHEME, n, token=n % 8) + answer() for n in range(16)),
    "proxy-port": ask(PROXY_SCHEME | PORT, 1) + answer() + ask(PROXY_SCHEME | PORT, 9),
    "hosts": b"".join(ask(HOST | TWO, n, token=n % 8) + answer() for n in range(8)),
    "paths": b"".join(ask(TWO, n << 4, token=n % 8) + answer() for n in range(6)),
    "well-known": ask(HOST | TWO, 5 | 0x20) + ask(HOST | TWO | ACCEPT, 0x25) + ask(HOST | TWO, 0x25, code=POST, length=4) +
                  ask(HOST | TWO | ODD, 0x2D),
    "names": ask(PROXY_SCHEME, 2) + resolve(0) + answer() + ask(PROXY_SCHEME, 2) + resolve(4) + ask(PROXY_SCHEME, 2) + wait(4) + wait(5),
    "names-route": ask(HOST, 2) + resolve(4) + ask(HOST, 2) + resolve(0x10) + answer(),
    "names-hash": ask(HOST, 1) + resolve(4) + answer() + ask(HOST, 1, who=1) + resolve(8) + answer(),
    "names-cancelled": ask(PROXY_SCHEME, 2) + ask(PROXY_SCHEME, 2, token=1) + wait(9),
    "rest": ask(HOST, 0) + wait(6) + ask(HOST, 0) + wait(6) + ask(HOST, 0) + answer() + ask(HOST, 0) + origin_reset(),
    "few": b"".join(ask(HOST, 4, token=n, who=n & 1) for n in range(4)) + answer() + answer(back=1),
    "hop-limit": b"".join(ask(HOP_LIMIT, n) + answer(code=HOPS) for n in range(5)),
    "loop": ask() + answer(code=HOPS, twist=2, length=14) + ask() + answer(code=HOPS, length=0),
    "no-response": ask(NO_RESPONSE, 1) + wait(3) + answer() + ask(NO_RESPONSE, 1, non=1) + wait(4) + ask(NO_RESPONSE, 2) + answer(),
    "no-response-ack": ask(NO_RESPONSE, 1, length=9, code=POST) + origin_ack() + repeat(),
    "no-response-silent": ask(NO_RESPONSE, 1) + wait(6) + wait(6),
    "too-many": ask() + answer(code=TOO_MANY, wishes=A_MAX_AGE, detail=60) + ask() + wait(6) + ask() + answer(),
    "too-many-default": ask() + answer(code=TOO_MANY) + ask() + ask(OSCORE),
    "block1": b"".join(ask(BLOCK1, 1 | n << 4, code=PUT) + answer(code=CONTINUE) for n in range(3)) +
              ask(BLOCK1, 0x30, code=PUT) + answer(code=CHANGED),
    "block1-two": ask(BLOCK1, 1, code=PUT) + ask(BLOCK1, 1, code=PUT, who=1) + answer(code=CONTINUE) + answer(code=CONTINUE, back=1) +
                  ask(BLOCK1, 0x10, code=PUT, who=1) + ask(BLOCK1, 0x10, code=PUT) + answer() + answer(back=1) + wait(8),
    "block1-left": ask(BLOCK1, 1, code=PUT) + answer(code=CONTINUE) + wait(8) + ask(BLOCK1, 1, code=PUT, who=1) + answer(),
    "block2": ask(BLOCK2, 0x10) + answer(wishes=A_BLOCK2, detail=8) + ask(BLOCK2, 0x17) + answer(),
    "unverified": ask(who=1) + answer(length=LARGE + 4) + ask(BLOCK2, 0x10, who=1) + answer(length=LARGE + 2) +
                  ask(BLOCK2, 0x30, who=1) + answer(length=90),
    "unverified-end": ask(BLOCK2, 0x31, who=1) + answer(length=LARGE + 1) + ask(BLOCK2, 0x30, who=1) + answer(length=LARGE),
    "unverified-deny": ask(who=1, length=9, code=POST) + answer(length=LARGE + 4) + ask(ECHO, who=1, length=9, code=POST) +
                       answer(length=LARGE + 4),
    "unverified-rate": b"".join(ask(who=1, length=9, code=POST, token=n % 8) + answer(length=LARGE + 6) for n in range(10)) +
                       wait(3) + ask(who=1, length=9, code=POST) + answer(length=LARGE + 6),
    "unverified-separate": ask(who=1) + wait(2) + answer(length=20) + ack() + ask(who=1) + answer(length=LARGE + 3),
    "unverified-oscore": ask(OSCORE, 5, 30, who=1) + wait(2) + answer(length=LARGE + 3) + ask(OSCORE | ECHO, 3, 30, who=1) + answer(length=LARGE + 3),
    "problem": ask(ACCEPT | ODD, 1) + ask(ACCEPT | ODD, 2) + ask(ACCEPT | BLOCK2, 7),
    "errors": ask(HOST, 3) + ask(ODD, 0) + ask(ODD, 1) + ask(ODD, 2) + ask(ODD, 3) + answer() + ask(token_length=7) + ask(token_length=6),
    "etags": ask() + answer(wishes=A_ETAG | A_MAX_AGE | A_ECHO, detail=9, length=40),
    "ping": raw(b"\x40\x00\x12\x34") + raw(b"\x50\x00\x12\x34") + raw(b"\x60\x00\x12\x34") + raw(b"\x70\x00\x12\x34") + raw(b"\x40"),
    "malformed": raw(b"\x4f\x01\x12\x34") + raw(b"\x40\x01\x12\x34\xff") + raw(b"\x40\xe1\x12\x34") + raw(b"\x40\x45\x12\x34"),
    "many-options": raw(b"\x40\x01\x12\x34\xb0" + bytes(99)) + raw(b"\x40\x01\x12\x34\xb0" + bytes(99)) + raw(b"\x40\x45\x12\x34\xb0" + bytes(99)),
    "origin-empty": ask() + raw(b"\x40\x00\x12\x34", origin=True) + raw(b"\x50\x00\x12\x35", origin=True) + raw(b"\x40\x01\x12\x36", origin=True),
    "observe": observing() + notify(2, NON) + notify(3, CON) + ack() + notify(3, NON) + origin_repeat() + reset(1),
    "observe-pending": observing() + notify(2) + notify(3) + notify(4) + ack() + ack() + ack(),
    "observe-supersede": observing() + notify(2) + notify(3) + wait(4) + notify(5, length=200) + wait(5) + ack(),
    "observe-silent": observing() + notify(2) + notify(3) + wait(3) + wait(4) + wait(5) + wait(6) + answer(ACK, code=CONTENT) + wait(6),
    "observe-silent-oscore": observing(OSCORE, 5, length=9, code=POST) + notify(2) + wait(5) + wait(6) + notify(3),
    "observe-reset": observing() + notify(2, NON) + reset() + answer() + notify(3),
    "observe-reset-con": observing() + notify(2) + reset() + wait(6) + wait(6),
    "observe-refresh": observing() + ask(OBSERVE) + notify(4, ACK) + notify(5) + ask(OBSERVE) + notify(6, NON) + answer(code=NOT_FOUND),
    "observe-cancel": observing() + ask(OTHER) + answer() + notify(5),
    "observe-cancel-refused": observing() + ask(OTHER) + notify(5, ACK) + notify(6) + ask(OTHER) + answer(code=NOT_FOUND),
    "observe-end": observing() + answer(CON, NOT_FOUND) + ack() + notify(4),
    "observe-end-pending": observing() + notify(2) + notify(3) + answer(NON, NOT_FOUND) + ack() + ack(),
    "observe-end-refreshing": observing() + ask(OBSERVE) + answer(NON, NOT_FOUND) + repeat() + wait(2) + repeat(),
    "observe-reset-refreshing": observing() + notify(2) + notify(3) + ask(OBSERVE) + reset() + notify(4, ACK) + notify(5) + ack(),
    "observe-bad": observing() + answer(CON, wishes=A_OBSERVE | A_ODD, detail=3),
    "observe-refused": ask(OBSERVE) + answer() + ask(OBSERVE | OTHER, token=2) + answer(),
    "observe-other-token": observing() + ask() + answer() + notify(4) + observing(token=1) + ask(OSCORE, 5, 9) + answer(),
    "observe-oscore": observing(OSCORE, 5, length=9, code=POST) + notify(1, NON) + notify(1) + ack() + ask(OSCORE, 5, 9, code=POST) + answer(),
    "observe-oscore-refresh": observing(OSCORE, 5, length=9, code=POST) + ask(OSCORE | OBSERVE, 5, 9, code=POST) + notify(2, ACK) + notify(3),
    "observe-day": observing() + wait(10) + notify(2, NON) + ack() + notify(3, NON),
    "observe-unverified": observing(who=1) + notify(2, NON) + ack() + wait(8) + wait(8) + notify(3, NON),
    "observe-hops": observing() + ask(OBSERVE | HOP_LIMIT, 1) + answer() + ask(OBSERVE | PORT, 1) + notify(4),
    "observe-two": observing() + observing(token=1) + notify(2) + notify(2, back=1) + notify(3) + ack() + ack() + reset(),
    "observe-gone": observing() + observing(token=1) + notify(2) + notify(3, back=1) + reset(1) + reset() + wait(6),
    "window": b"".join(ask(token=n % 8, who=n & 1) for n in range(8)) + answer() + answer() + answer() + answer() + wait(3) + answer() + wait(6),
    "window-again": observing() + b"".join(ask(token=n) for n in range(1, 5)) + ask(OBSERVE) + wait(6),
    "wear": ask() + answer() + wait(3) + b"".join(ask(token=n, who=n & 1) + answer() for n in range(10)),
    "wear-non": ask(non=1) + answer(NON) + wait(3) + b"".join(ask(token=n, who=n & 1, non=1) + answer(NON) for n in range(10)),
    "wear-slow": ask() + answer() + wait(4) + wait(4) + b"".join(ask(token=n, who=n & 1) + answer() for n in range(10)),
    "wear-notified": observing() + b"".join(notify(n + 2, NON) for n in range(6)) + reset(1),
    "wear-cancelled": ask() + answer() + ask() + answer() + observing() + notify(2, NON) + observing(token=1) + reset() + wait(3),
    "others-upload": ask(BLOCK1, 1, code=PUT) + answer(code=CONTINUE) + ask(BLOCK1, 0x10, code=PUT, who=1) + ask(who=1) + answer(),
    "names-other": ask(PROXY_SCHEME, 13) + wait(2) + wait(6) + ask(PROXY_SCHEME, 1) + answer() + ask(PROXY_SCHEME, 0) + answer(),
    "quiet": ask(non=1, length=90) + ask(non=1, token=1, length=90) + wait(6) + ask(non=1, token=2) + wait(6) + ask() + ask() + wait(7) + answer(),
    "acknowledged-long": ask() + wait(2) + answer(CON) + ack() + wait(6) + repeat() + wait(8) + repeat(),
    "answered-long": ask() + answer() + wait(6) + repeat(),
    "span": ask() + wait(3) + wait(9) + repeat(),
}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in SEEDS.items():
        for head, kind in ((0, ""), (1, "-tight"), (2, "-worn"), (3, "-worn-tight")):
            (folder / (name + kind)).write_bytes(bytes([head]) + script)


if __name__ == "__main__":
    main()
