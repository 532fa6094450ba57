"""Random messages that aiocoap's OSCORE code protects, each with what oscore-reader must say of it."""

import random
import struct

from aiocoap import Message, Code, oscore
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.options import Options  # noqa: F401 (the options of a Message)

import oscore_reader
from oscore_reader import BIT

# All that both have, with the longest ID of each.
ALGORITHMS = {"AES-CCM-16-64-128": 7, "AES-CCM-16-64-256": 7, "AES-CCM-16-128-128": 7, "AES-CCM-16-128-256": 7,
              "A128GCM": 6, "A256GCM": 6, "ChaCha20/Poly1305": 6}
HASHES = {"SHA-256": "sha256", "SHA-512": "sha512"}
METHODS = (1, 2, 3, 4, 5, 6, 7)
RESPONSES = (65, 66, 67, 68, 69, 95, 128, 129, 131, 132, 136, 140, 143, 160, 163)
WORDS = ("", "a", "firmware", "temperature", ".", "..", "%2e", "\u00e4\u00f6", "x" * 13, "y" * 255)


class Side(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):
    """One side of a context."""

    def __init__(self, material, own, other):
        self.alg_aead = oscore.algorithms[material.algorithm]
        self.hashfun = oscore.hashfunctions[HASHES[material.hkdf]]
        self.sender_id, self.recipient_id, self.id_context = own, other, material.id_context
        self.derive_keys(material.salt, material.secret)
        self.sender_sequence_number = material.random.choice((0, 200, 65500, 2 ** 32 - 50, 2 ** 39))

    def post_seqnoincrease(self):
        pass


class Material:
    """A context: what both sides and oscore-keys are given, and both sides."""

    def __init__(self, rng, algorithm, hkdf, number):
        self.random, self.algorithm, self.hkdf, self.name = rng, algorithm, hkdf, "c%d" % number
        self.secret = rng.randbytes(rng.choice((16, 32, 64)))
        self.salt = rng.randbytes(rng.choice((0, 8, 32)))
        self.id_context = rng.randbytes(rng.choice((1, 8, 24))) if number % 2 else None
        longest = ALGORITHMS[algorithm]
        # Of those with an ID Context some have the same IDs; of the others everybody is named once.
        ids = (b"", b"\x01") if number % 4 == 1 else (struct.pack(">BB", number, 1) + rng.randbytes(rng.randrange(longest - 1)),
                                                      struct.pack(">BB", number, 2) + rng.randbytes(rng.randrange(longest - 1)))
        self.sides = (Side(self, *ids), Side(self, *ids[::-1]))
        # Where kids are shared, the kid context has to be there.
        self.can_omit_context = number % 4 != 1

    def input(self):
        settings = {"master-secret": self.secret, "master-salt": self.salt, "id-context": self.id_context}
        lines = ["context " + self.name, "algorithm " + self.algorithm, "hkdf " + self.hkdf]
        lines += ["%s %s" % (word, value.hex() or "-") for word, value in settings.items() if value is not None]
        return "\n".join(lines + ["sender " + (side.sender_id.hex() or "-") for side in self.sides]) + "\n"


def materials(rng):
    return [Material(rng, algorithm, hkdf, n) for n, (algorithm, hkdf) in
            enumerate((a, h) for h in HASHES for a in ALGORITHMS)]


def texts(values):
    encoded = [v.encode() for v in values]
    return bytes([len(encoded)]) + b"".join(struct.pack(">H", len(v)) + v for v in encoded)


def pair(first, second, size):
    values = [v.to_bytes(size, "big") for v in (first, second) if v is not None]
    return bytes([(first is not None) | (second is not None) << 1]) + b"".join(values)


class RandomMessage:
    """A message by its parts, each of which may be absent."""

    def __init__(self, rng, response):
        def maybe(chance, make):
            return make() if rng.random() < chance else None

        self.response = response
        self.code = rng.choice(RESPONSES if response else METHODS)
        self.path = [rng.choice(WORDS) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 8)))] if not response else []
        self.query = [rng.choice(WORDS) for _ in range(rng.choice((0, 0, 0, 1, 2)))] if not response else []
        self.content_format = maybe(0.4, lambda: rng.choice((0, 40, 50, 60, 110, 11542, 65000)))
        self.accept = maybe(0.2, lambda: rng.choice((0, 50, 60))) if not response else None
        self.observe = maybe(0.15, lambda: 0 if response else rng.choice((0, 1)))
        self.etags = [rng.randbytes(rng.randrange(1, 9)) for _ in range(rng.choice((0, 0, 0, 1, 1 if response else 2)))]
        self.max_age = maybe(0.3, lambda: rng.choice((0, 1, 60, 86400, 2 ** 32 - 1))) if response else None
        self.block1 = maybe(0.1, lambda: self.block(rng))
        self.block2 = maybe(0.1, lambda: self.block(rng))
        self.size1 = maybe(0.1, lambda: rng.choice((0, 100, 2 ** 24)))
        self.size2 = maybe(0.1, lambda: rng.choice((0, 7, 2 ** 32 - 1)))
        self.opaque = [(n, rng.randbytes(rng.randrange(1, 8))) for n in (252, 292, 2048, 2056, 65001) if rng.random() < 0.1]
        self.if_none_match = maybe(0.05, lambda: True) if not response else None
        self.location = [rng.choice(WORDS) for _ in range(rng.choice((0, 0, 0, 2)))] if response else []
        self.no_response = maybe(0.05, lambda: rng.choice((2, 26))) if not response else None
        self.host = maybe(0.2, lambda: "h.example") if not response else None
        self.payload = rng.randbytes(rng.choice((0, 0, 1, 5, 12, 12, 64, 300, 1400)))

    @staticmethod
    def block(rng):
        """Whole, the first of more, or one far from any body that was begun: such a payload is not told."""
        szx = rng.randrange(7)
        return rng.choice(((0, False, szx), (0, False, szx), (0, True, szx), (rng.randrange(5000, 2 ** 20), rng.random() < 0.5, szx)))

    def message(self):
        m = Message(code=Code(self.code), payload=self.payload)
        o = m.opt
        if self.path:
            o.uri_path = self.path
        if self.query:
            o.uri_query = self.query
        for name in ("content_format", "accept", "observe", "max_age", "size1", "no_response", "if_none_match"):
            if getattr(self, name) is not None:
                setattr(o, name, getattr(self, name))
        if self.host is not None:
            o.uri_host = self.host
        if self.response and self.etags:
            o.etag = self.etags[0]
        elif self.etags:
            o.etags = self.etags
        if self.location:
            o.location_path = self.location
        if self.block1 is not None:
            o.block1 = self.block1
        if self.block2 is not None:
            o.block2 = self.block2
        extra = list(self.opaque)
        if self.size2 is not None:
            extra.append((28, self.size2.to_bytes((self.size2.bit_length() + 7) // 8, "big")))
        for number, value in extra:
            o.add_option(OptionNumber(number).create_option(decode=value))
        return m

    def fields(self):
        """{field: its bytes in an answer}"""
        f = {"code": bytes([self.code])}
        if not self.response:
            f["uri-path"] = b"\0" + texts(self.path)
            if self.query:
                f["uri-query"] = texts(self.query)
        if self.content_format is not None:
            f["content-format"] = struct.pack(">H", self.content_format)
        # a request can be observed by two methods alone (RFC 7641 2, RFC 8132 2.4)
        if self.observe is not None and (self.response or self.code in (1, 5)):
            f["observe"] = self.observe.to_bytes(3, "big")
        if self.etags:
            f["etag"] = bytes([len(self.etags[0])]) + self.etags[0]
        if self.max_age is not None:
            f["max-age"] = struct.pack(">I", self.max_age)
        blocks = [None if b is None else b[0] << 4 | b[1] << 3 | b[2] for b in (self.block1, self.block2)]
        if blocks != [None, None]:
            f["block"] = pair(*blocks, 3)
        if self.size1 is not None or self.size2 is not None:
            f["size"] = pair(self.size1, self.size2, 4)
        own = self.block2 if self.response else self.block1
        if self.payload and (own is None or own[:2] == (0, False)):
            f["payload"] = b"\0" + struct.pack(">I", len(self.payload)) + self.payload
        return f

    def answer(self, number, asked):
        fields = {name: value for name, value in self.fields().items() if BIT[name] & asked}
        bits = sum(BIT[name] for name in fields)
        return oscore_reader.answer(number, fields=bits, body=b"".join(fields[n] for n in oscore_reader.FIELDS if n in fields))


class Sealer:
    """Makes one message after the other: (question, answer, whether it is seen for the first time)."""

    def __init__(self, seed, set_):
        self.random = random.Random(seed)
        self.materials = materials(self.random)
        self.set, self.number = set_, 0
        self.asked = []  # requests that are answered again: (material, side, option, request id)

    def input(self):
        return "".join(m.input() for m in self.materials)

    def mask(self):
        return oscore_reader.ALL_FIELDS if self.random.random() < 0.7 else self.random.randrange(oscore_reader.ALL_FIELDS + 1)

    def question(self, sealed, made, request_option=None):
        self.number += 1
        asked = self.mask()
        q = oscore_reader.question(self.number, self.set, sealed.opt.oscore or b"", sealed.payload, request_option, asked)
        return q, made.answer(self.number, asked)

    def request(self):
        material = self.random.choice(self.materials)
        side = self.random.randrange(2)
        made = RandomMessage(self.random, False)
        named = not material.can_omit_context or self.random.random() < 0.8
        sealed, request_id = material.sides[side].protect(made.message(), kid_context=named)
        self.asked.append((material, 1 - side, sealed.opt.oscore, request_id))
        self.asked = self.asked[-20:]
        return self.question(sealed, made)

    def reply(self):
        """With or without a Partial IV of its own, and with a kid at times; any number of them to a request, as notifications are."""
        material, side, option, request_id = self.random.choice(self.asked)
        made = RandomMessage(self.random, True)
        request_id.can_reuse_nonce = self.random.random() < 0.5
        responder = material.sides[side]
        responder.responses_send_kid = self.random.random() < 0.2
        sealed, _ = responder.protect(made.message(), request_id=request_id)
        return self.question(sealed, made, option)

    def next(self):
        return self.reply() if self.asked and self.random.random() < 0.5 else self.request()
