"""A client with a running observation, for the tests of Observe."""

import coap
from coap import CON, GET, OBSERVE
from harness import Pair, oscore_request

DAY = 24 * 3600 * 1000
OPTION = bytes.fromhex("090525")


class Observer(Pair):
    """A pair with a running observation."""

    def register(self, oscore=False, type=CON, value=5, options=(), code=None, payload=b"first", token=None):
        register = [(OBSERVE, b"")] + list(options)
        if oscore:
            request = oscore_request(self, OPTION, code=code or coap.FETCH, options=register, type=type, token=token)
        else:
            request = self.request(code or GET, options=register, type=type, token=token)
        self.oscore = oscore
        self.sent = self.client.send(request)
        self.up = self.device.recv()
        assert self.up.uint(OBSERVE) == 0
        self.device.answer(self.up, options=self.with_observe(value), payload=payload)
        self.first = self.client.recv()
        return self

    def with_observe(self, value, *more):
        options = [(OBSERVE, value)] + list(more)
        return options + [(coap.OSCORE, b"\x01\x07")] if self.oscore else options

    def notify(self, value, payload, type=CON, options=()):
        return self.device.separate(self.up, options=self.with_observe(value, *options), payload=payload, type=type)

    def notified(self, value, payload, type=CON):
        """A notification all the way; acknowledged on both legs. Returns what the client got."""
        self.notify(value, payload, type)
        down = self.client.recv()
        if down.type == CON:
            self.client.ack(down)
        self.device.pending()
        return down
