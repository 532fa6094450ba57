"""oscore-reader as its parent and a worker see it: control messages, questions, answers (oscore/reader/control.h, oscore/opening.c)."""

import os
import pathlib
import select
import socket
import struct
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("B", "build")
CONTROL_FD = 3
SET, PREPARE, COMMIT, ABORT, WORKER, LOG, READY, PREPARED, FAILED = range(9)
MESSAGE = struct.Struct("@IIQQI?512s0Q")
PACKET_MAX = 96 * 1024
ANSWER_HEAD = 15

FIELDS = ("code", "uri-path", "uri-query", "content-format", "observe", "etag", "max-age", "block", "size", "payload")
BIT = {name: 1 << i for i, name in enumerate(FIELDS)}
ALL_FIELDS = (1 << len(FIELDS)) - 1
VERDICTS = ("opened", "verified", "unknown", "no-key", "malformed", "bad", "inner", "closed", "failed")


def set_id(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return value or 1


def question(number, set_, option, payload, request_option=None, fields=ALL_FIELDS, verify=False):
    flags = (request_option is not None) | verify << 1
    other = request_option or b""
    return struct.pack(">cBBBIIQQ", b"Q", flags, len(option), len(other), fields, len(payload), number, set_) + option + other + payload


def answer(number, verdict="opened", flags=0, fields=0, body=b""):
    return struct.pack(">cBBIQ", b"A", VERDICTS.index(verdict), flags, fields, number) + body


def answer_length(packet, at):
    """How long the answer is that begins there, by its fields."""
    fields = struct.unpack_from(">I", packet, at + 3)[0]
    start, at = at, at + ANSWER_HEAD

    def texts(at):
        count, at = packet[at], at + 1
        for _ in range(count):
            at += 2 + struct.unpack_from(">H", packet, at)[0]
        return at

    for name in FIELDS:
        if not fields & BIT[name]:
            continue
        if name == "code":
            at += 1
        elif name in ("uri-path", "uri-query"):
            at = texts(at + (name == "uri-path"))
        elif name == "etag":
            at += 1 + packet[at]
        elif name == "payload":
            at += 5 + struct.unpack_from(">I", packet, at + 1)[0]
        elif name in ("block", "size"):
            at += 1 + bin(packet[at]).count("1") * (3 if name == "block" else 4)
        else:
            at += {"content-format": 2, "observe": 3, "max-age": 4}[name]
    return at - start


class OscoreReader:
    """A reader of its own with one set of contexts, "set", out of the text of a provisioning file."""

    def __init__(self, keys, max_failures=0):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        number = theirs.fileno()

        def put_in_place():
            os.dup2(number, CONTROL_FD, inheritable=True)

        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([BUILD / "oscore-reader"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        preexec_fn=put_in_place, pass_fds=(CONTROL_FD,))
        theirs.close()
        self.set = set_id("set")
        assert self.hear()[0] == READY
        with tempfile.TemporaryFile() as file:
            file.write(keys.encode())
            file.seek(0)
            self.tell(SET, file.fileno(), set_=self.set, max_failures=max_failures, text=b"keys")
        self.tell(PREPARE)
        word, text = self.hear()
        assert word == PREPARED, text
        self.tell(COMMIT)
        self.worker, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        self.tell(WORKER, theirs.fileno())
        theirs.close()

    def tell(self, word, fd=-1, set_=0, max_failures=0, text=b""):
        message = MESSAGE.pack(word, 1, 0, set_, max_failures, False, text)
        socket.send_fds(self.control, [message], [fd] if fd >= 0 else [])

    def hear(self):
        self.control.settimeout(20)
        try:
            data = self.control.recv(MESSAGE.size)
        except (TimeoutError, OSError):
            data = b""
        assert len(data) == MESSAGE.size, self.told()
        parts = MESSAGE.unpack(data)
        return parts[0], parts[6].split(b"\0")[0].decode()

    def told(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def ask(self, questions):
        """The answers to a list of questions, as bytes, in their order."""
        packets, answers = [[]], []
        room = PACKET_MAX // 4
        for q in questions:
            if room < len(q) and packets[-1]:
                packets.append([])
                room = PACKET_MAX // 4
            packets[-1].append(q)
            room -= len(q)
        for packet in packets:
            self.worker.send(b"".join(packet))
            wanted = len(answers) + len(packet)
            while len(answers) < wanted:
                assert select.select([self.worker], [], [], 20)[0], self.told()
                data = self.worker.recv(PACKET_MAX)
                assert data, self.told()
                at = 0
                while at < len(data):
                    length = answer_length(data, at)
                    answers.append(data[at:at + length])
                    at += length
        return answers

    def stop(self):
        self.control.close()
        self.worker.close()
        status = self.process.wait(20)
        text = self.told()
        self.log.close()
        assert status == 0, text
