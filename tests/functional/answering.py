"""A device that answers by itself, for tests whose clients block until they have their answer."""

import socket
import threading

from coap import Message
from harness import fresh_address


class AnsweringDevice(threading.Thread):
    """A CoAP server on a thread of its own: `seen` is for what it was asked, answer() gives the bytes of what it answers."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((fresh_address(), 0))
        self.seen, self.ending = [], False
        self.start()

    def answer(self, request, source):
        raise NotImplementedError

    def run(self):
        while True:
            raw, source = self.socket.recvfrom(4096)
            if self.ending:
                return
            request = Message.parse(raw)
            if 0 < request.code < 32:
                self.socket.sendto(self.answer(request, source), source)

    def stop(self):
        self.ending = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self.socket.getsockname())
        self.join()
        self.socket.close()
