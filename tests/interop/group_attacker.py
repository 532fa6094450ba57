"""What a reader could try that has been taken over: it holds a provisioning file with all Sender Keys, the Common IV and the Signature Encryption
Key, and every message it has seen. It has no private key of a member. All is made from these, by nothing of the product.
"""

import os

import cbor2
from cryptography.hazmat.primitives import ciphers, hashes
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

GROUP, KID_CONTEXT, KID = 0x20, 0x10, 0x08
SIGNATURE = 64
NUMBERS = {"AES-CCM-16-64-128": 10, "A128CTR": -65534, "EdDSA": -8, "ES256": -7, "ECDH-SS-HKDF-256": -27}


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def option_of(piv=b"", gid=None, kid=None, flags=GROUP):
    flags |= len(piv) | (KID_CONTEXT if gid is not None else 0) | (KID if kid is not None else 0)
    return bytes([flags]) + piv + (bytes([len(gid)]) + gid if gid is not None else b"") + (kid or b"")


class Message:
    """One that was seen, or is to be made: who sends it, and what it answers (kid, Partial IV and Gid of the request; its own if it is one)."""

    def __init__(self, kid, option, request=None, piv=b""):
        self.kid, self.option = kid, option
        self.is_request = request is None
        self.request = request
        self.piv, self.generator = (piv, kid) if piv else (request[1], request[0])

    @classmethod
    def request_of(cls, kid, piv, gid, flags=GROUP):
        m = cls(kid, option_of(piv, gid, kid, flags), (kid, piv, gid), piv)
        m.is_request = True
        return m


class Attacker:
    def __init__(self, file):
        self.keys, self.credentials = {}, {}
        for line in file.read_text().split("\n"):
            words = line.split("#")[0].split()
            if words and words[0] == "member":
                kid, rest = bytes.fromhex(words[1].replace("-", "")), dict(zip(words[2::2], words[3::2]))
                self.credentials[kid], self.keys[kid] = bytes.fromhex(rest["credential"]), bytes.fromhex(rest["key"])
            elif len(words) == 2:
                setattr(self, words[0].replace("-", "_"), words[1])
        self.gid, self.iv = bytes.fromhex(self.gid), bytes.fromhex(self.common_iv)
        self.sekey, self.manager = bytes.fromhex(self.signature_encryption_key), bytes.fromhex(self.manager_credential)
        self.stream = self.group_algorithm == "A128CTR"

    def external_aad(self, m):
        kid, piv, gid = m.request
        algorithms = [NUMBERS[name] for name in (self.algorithm, self.group_algorithm, self.signature, self.key_agreement)]
        return cbor2.dumps([1, algorithms, kid, piv, b"", gid, m.option, self.credentials.get(m.kid, b""), self.manager])

    def signed(self, m, ciphertext):
        """What the member's signature would be over."""
        return cbor2.dumps(["CounterSignature0", b"", b"", self.external_aad(m), ciphertext])

    def keystream(self, m):
        info = cbor2.dumps([m.generator, self.gid, m.is_request, SIGNATURE])
        return HKDF(hashes.SHA256(), SIGNATURE, m.piv, info).derive(self.sekey)

    def nonce(self, m):
        length = 12 if self.stream else 13
        raw = bytes([len(m.generator)]) + m.generator.rjust(length - 6, b"\0") + m.piv.rjust(5, b"\0")
        return xor(raw, self.iv)

    def _cipher(self, m, key):
        return ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CTR(self.nonce(m) + bytes(4))).encryptor()

    def encrypt(self, m, text, external=None, key=None):
        key = key or self.keys[m.kid]
        if self.stream and external is None:
            return self._cipher(m, key).update(text)
        return aead.AESCCM(key, 8).encrypt(self.nonce(m).rjust(13, b"\0"), text, cbor2.dumps(["Encrypt0", b"", external or self.external_aad(m)]))

    def decrypt(self, m, ciphertext):
        if self.stream:
            return self._cipher(m, self.keys[m.kid]).update(ciphertext)
        return aead.AESCCM(self.keys[m.kid], 8).decrypt(self.nonce(m), ciphertext, cbor2.dumps(["Encrypt0", b"", self.external_aad(m)]))

    def open(self, m, payload):
        """The text, and the signature uncovered."""
        return self.decrypt(m, payload[:-SIGNATURE]), xor(payload[-SIGNATURE:], self.keystream(m))

    def seal(self, m, text, sign):
        """A message right in everything but what only the member can make; `sign` is a signature, or makes one of what is signed."""
        ciphertext = self.encrypt(m, text)
        signature = sign(self.signed(m, ciphertext)) if callable(sign) else sign
        return m.option, ciphertext + xor(signature, self.keystream(m))

    def unsigned(self, m, text):
        """Without the Group Flag and without a signature: what is encrypted as in pairwise mode, but with the Sender Key."""
        return m.option, self.encrypt(m, text, self.external_aad(m))

    def pairwise(self, m, text, other):
        """Likewise with a key derived as pairwise keys are, but for the secret that only the two members share."""
        info = cbor2.dumps([m.kid, self.gid, 10, "Key", 16])
        guess = HKDF(hashes.SHA256(), 16, self.keys[m.kid], info).derive(self.credentials[m.kid] + self.credentials[other] + bytes(32))
        return m.option, self.encrypt(m, text, self.external_aad(m), guess)

    def plain_oscore(self, m, text):
        """As RFC 8613 protects: the same key, Common IV and IDs."""
        external = cbor2.dumps([1, [10], m.request[0], m.request[1], b""])
        return m.option, self.encrypt(m, text, external)


def next_piv(piv):
    return (int.from_bytes(piv, "big") + 40).to_bytes(max(len(piv), 1), "big")


def attacks(a, m, payload, other, own_key):
    """By name, what is tried with a message that was seen. `other`: another of the same kid, with its payload; `own_key` signs as who holds it likes."""
    text, signature = a.open(m, payload)
    evil = text[:-4] + b"evil"
    # the same message under other names
    later = Message.request_of(m.kid, next_piv(m.piv), a.gid) if m.is_request else Message(
        m.kid, option_of(next_piv(m.piv), kid=m.kid), m.request, next_piv(m.piv))
    peer = next(kid for kid in a.keys if kid != m.kid)
    as_peer = Message.request_of(peer, m.piv, a.gid) if m.is_request else Message(peer, option_of(m.piv, kid=peer), m.request, m.piv)
    elsewhere = Message.request_of(m.kid, later.piv, b"\xdd\x12") if m.is_request else Message(
        m.kid, option_of(later.piv, b"\xdd\x12", m.kid), m.request, later.piv)
    stranger = Message.request_of(b"\x99", m.piv, a.gid) if m.is_request else Message(b"\x99", option_of(m.piv, kid=b"\x99"), m.request, m.piv)
    a.keys[b"\x99"] = os.urandom(16)
    flagless = Message.request_of(m.kid, later.piv, a.gid, flags=0) if m.is_request else Message(
        m.kid, option_of(later.piv, kid=m.kid, flags=0), m.request, later.piv)
    tries = {
        "a new payload under the old signature": a.seal(m, evil, signature),
        "a new payload under the old signature as it was hidden": (m.option, a.seal(m, evil, signature)[1][:-SIGNATURE] + payload[-SIGNATURE:]),
        "another message's signature": a.seal(m, text, a.open(*other)[1]),
        "another message's signature as it was hidden": (m.option, payload[:-SIGNATURE] + other[1][-SIGNATURE:]),
        "encrypted again under the next Partial IV": a.seal(later, text, signature),
        "another Partial IV": (later.option, payload),
        "another Partial IV, its keystream": (later.option, payload[:-SIGNATURE] + xor(signature, a.keystream(later))),
        "another kid": (as_peer.option, payload),
        "encrypted again with another's key": a.seal(as_peer, text, signature),
        "another Gid": (elsewhere.option, payload),
        "encrypted again for another Gid": a.seal(elsewhere, text, signature),
        "the keystream re-applied": (m.option, payload[:-SIGNATURE] + signature),
        "no signature": (m.option, payload[:-SIGNATURE]),
        "a signature of zeros": a.seal(m, evil, bytes(SIGNATURE)),
        "half a signature": (m.option, payload[:-SIGNATURE // 2]),
        "signed by its own key in the member's name": a.seal(later, evil, own_key),
        "signed by its own key in its own name": a.seal(stranger, evil, own_key),
        "the flag cleared": (flagless.option, payload),
        "pairwise mode with the Sender Key": a.unsigned(flagless, evil),
        "pairwise mode with a guessed secret": a.pairwise(flagless, evil, peer),
        "plain OSCORE": a.plain_oscore(flagless, evil),
    }
    del a.keys[b"\x99"]
    return tries
