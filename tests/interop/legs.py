"""What passed on the two legs of the proxy, and how the legs compare."""

from dataclasses import dataclass

import wire

RETRANSMISSION = 0.08  # seconds: an equal datagram after this is the sender's retransmission, before it a second delivery


@dataclass
class Leg:
    seen: list

    def messages(self, up):
        """The messages of one direction, Empty ones and retransmissions left out, in order."""
        known, out = {}, []
        for entry in self.seen:
            if entry.up != up or entry.message.is_empty:
                continue
            first = known.setdefault((entry.peer, entry.data), entry.when)
            if entry.when - first < RETRANSMISSION and first != entry.when:
                raise AssertionError("the same datagram twice: " + entry.data.hex())
            if first == entry.when:
                out.append(entry)
        return out

    def protected(self, up):
        """(code, OSCORE option, payload) of each message."""
        return [(e.message.code, e.message.option(wire.OSCORE), e.message.payload) for e in self.messages(up)]

    def packets(self, start, client_port):
        """For a capture file: every OSCORE message of the leg as if between `client_port` and 5683. A request that takes the
        token of an earlier one (a cancellation) moves on to a port of its own: tshark would read the answers with the
        Partial IV of the first."""
        packets, tokens = [], set()
        for entry in sorted(self.messages(True) + self.messages(False), key=lambda e: e.when):
            message = entry.message
            if message.option(wire.OSCORE) is None:
                continue
            if entry.up and message.token in tokens:
                client_port += 1000
            tokens.add(message.token)
            ports = (client_port, 5683) if entry.up else (5683, client_port)
            packets.append((start + entry.when, *ports, entry.data))
        return packets


@dataclass
class Run:
    result: list
    down: Leg  # between client and proxy; None without a proxy
    up: Leg    # at the origin
