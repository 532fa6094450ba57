"""Messages that are OSCORE in truth (RFC 8613), made by a second hand, and the provisioning file by which a gateway can read them."""

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALGORITHM = 10  # AES-CCM-16-64-128
NONCE = 13


class Context:
    """What a client and its device share. The client is `client`, the device `device`, both by their IDs."""

    def __init__(self, client, device=b"\xdd", secret=b"0123456789abcdef", id_context=None):
        self.client, self.device, self.id_context = client, device, id_context
        self.secret = secret
        self.iv = self._derive(b"", "IV", NONCE)
        self.keys = {i: self._derive(i, "Key", 16) for i in (client, device)}
        self.sequence = 0

    def _derive(self, identity, kind, length):
        info = cbor2.dumps([identity, self.id_context, ALGORITHM, kind, length])
        return HKDF(algorithm=hashes.SHA256(), length=length, salt=b"", info=info).derive(self.secret)

    def _seal(self, sender, piv_of, piv, request_piv, inner):
        padded = bytes([len(piv_of)]) + piv_of.rjust(NONCE - 6, b"\0") + piv.rjust(5, b"\0")
        nonce = bytes(a ^ b for a, b in zip(padded, self.iv))
        external = cbor2.dumps([1, [ALGORITHM], self.client, request_piv, b""])
        return AESCCM(self.keys[sender], tag_length=8).encrypt(nonce, inner, cbor2.dumps(["Encrypt0", b"", external]))

    @staticmethod
    def _piv(sequence):
        return sequence.to_bytes(max(1, (sequence.bit_length() + 7) // 8), "big")

    def request(self, inner):
        """The value of the OSCORE option and the payload; `inner` is the code, the options and the payload behind its marker."""
        piv = self._piv(self.sequence)
        self.sequence += 1
        option = bytes([(0x18 if self.id_context is not None else 8) | len(piv)]) + piv
        if self.id_context is not None:
            option += bytes([len(self.id_context)]) + self.id_context
        return option + self.client, self._seal(self.client, self.client, piv, piv, inner)

    def response(self, request_option, inner, sequence=None):
        """The same of the answer to a request with this option, with a Partial IV of its own where a sequence number is given."""
        request_piv = request_option[1:1 + (request_option[0] & 7)]
        if sequence is None:
            return b"", self._seal(self.device, self.client, request_piv, request_piv, inner)
        piv = self._piv(sequence)
        return bytes([len(piv)]) + piv, self._seal(self.device, self.device, piv, request_piv, inner)

    def provisioning(self, name):
        lines = ["context " + name, "algorithm AES-CCM-16-64-128", "common-iv " + self.iv.hex()]
        if self.id_context is not None:
            lines.append("id-context " + self.id_context.hex())
        lines += ["sender %s %s" % (i.hex() or "-", key.hex()) for i, key in self.keys.items()]
        return "\n\t".join(lines) + "\n"
