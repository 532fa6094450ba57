"""The program oscore-reader by itself: started as a parent starts it, given provisioning files, asked as a worker asks (oscore/reader/control.h,
oscore/opening.h)."""

import os
import pathlib
import socket
import struct
import subprocess
import tempfile

from harness import BUILD, SANITIZER

SET, PREPARE, COMMIT, ABORT, WORKER, LOG, READY, PREPARED, FAILED = range(9)
OPENED, VERIFIED, UNKNOWN, NO_KEY, MALFORMED, BAD, INNER, CLOSED, FAILURE = range(9)
CODE, PATH, PAYLOAD = 1, 2, 512
CONTROL_FD, PACKET_MAX = 3, 96 * 1024
MESSAGE = struct.Struct("=IIQQI?512s3x")
QUESTION = struct.Struct("!cBBBIIQQ")
ANSWER = struct.Struct("!cBBIQ")


def set_id(name):
    value = 0xcbf29ce484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001b3 % (1 << 64)
    return value


def question(number, option, payload, request_option=None, name="plant", fields=CODE | PATH, verify=False):
    flags = (request_option is not None) | 2 * verify
    head = QUESTION.pack(b"Q", flags, len(option), len(request_option or b""), fields, len(payload), number, set_id(name))
    return head + option + (request_option or b"") + payload


class Answer:
    """One answer taken off a packet; `rest` is what stands behind it."""

    def __init__(self, packet):
        mark, self.verdict, flags, self.fields, self.number = ANSWER.unpack_from(packet)
        assert mark == b"A" and not self.fields & ~(CODE | PATH | PAYLOAD)
        self.seen, self.unverified = bool(flags & 1), bool(flags & 2)
        self.code, self.path, self.payload = None, None, None
        self.rest = packet[ANSWER.size:]
        if self.fields & CODE:
            self.code = self._take(1)[0]
        if self.fields & PATH:
            assert self._take(1) == b"\0"
            self.path = [self._take(*struct.unpack("!H", self._take(2))) for _ in range(self._take(1)[0])]
        if self.fields & PAYLOAD:
            _, length = struct.unpack("!BI", self._take(5))
            self.payload = self._take(length)

    def _take(self, length):
        taken, self.rest = self.rest[:length], self.rest[length:]
        assert len(taken) == length
        return taken


def answers_of(packet):
    found = []
    while packet:
        found.append(Answer(packet))
        packet = found[-1].rest
    return found


class Message:
    def __init__(self, data):
        self.word, self.generation, self.number, self.set, self.max_failures, self.more, text = MESSAGE.unpack(data)
        self.text = text.split(b"\0")[0].decode()


class Reader:
    def __init__(self, ready=True):
        self.log = tempfile.TemporaryFile()
        self.generation = 0
        self.control, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end.setblocking(False)
        self.control.settimeout(20)
        program = pathlib.Path(BUILD) / "oscore-reader"
        self.process = subprocess.Popen([str(program)], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, close_fds=False,
                                        preexec_fn=lambda: os.dup2(end.fileno(), CONTROL_FD))
        end.close()
        if ready:
            self.ready = self.hear(READY)

    def tell(self, word, number=0, name="", failures=0, text="", fd=None, generation=None):
        generation = self.generation if generation is None else generation
        data = MESSAGE.pack(word, generation, number, set_id(name) if name else 0, failures, False, text.encode())
        socket.send_fds(self.control, [data], [] if fd is None else [fd])

    def hear(self, word=None):
        message = Message(self.control.recv(1000))
        assert word is None or message.word == word, (message.word, message.text)
        return message

    def tell_set(self, text, name="plant", failures=0):
        with tempfile.TemporaryFile() as file:
            file.write(text.encode() if isinstance(text, str) else text)
            file.seek(0)
            self.tell(SET, name=name, failures=failures, text=name + ".keys", fd=file.fileno())

    def prepare(self, *sets, failures=0):
        """Sends these (name, text) as the next generation. Returns what was said of them: [] if they are prepared."""
        self.generation += 1
        for name, text in sets:
            self.tell_set(text, name, failures)
        self.tell(PREPARE)
        said = []
        while True:
            message = self.hear()
            assert message.generation == self.generation
            if message.word == PREPARED:
                return said
            assert message.word == FAILED
            said.append(message.text)
            if not message.more:
                return said

    def provision(self, *sets, failures=0):
        assert self.prepare(*sets, failures=failures) == []
        self.tell(COMMIT)

    def worker(self, number=0):
        """A worker's end, from now on."""
        end, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        other.setblocking(False)
        self.tell(WORKER, number=number, fd=other.fileno())
        other.close()
        end.settimeout(20)
        return end

    def end(self, status=0):
        """Hangs up, as a parent does that ends. Returns the log."""
        self.control.close()
        assert self.process.wait(20) == status
        self.log.seek(0)
        text = self.log.read().decode()
        self.log.close()
        assert not SANITIZER.search(text), text
        return text


def ask(end, *questions):
    """Sends the questions as one packet; returns their answers."""
    end.send(b"".join(questions))
    found = []
    while len(found) < len(questions):
        packet = end.recv(PACKET_MAX + 1)
        assert packet, "the reader has closed this end"
        found += answers_of(packet)
    return found
