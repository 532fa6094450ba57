"""Groups of Group OSCORE for tests: their members by aiocoap, by our own code ($B/test/group-peer), and what oscore-keys makes of them."""

import os
import subprocess

import cbor2
from aiocoap import Message, oscore
from aiocoap.message import Direction
from aiocoap.numbers import CHANGED, CONTENT, POST
from cryptography.hazmat.primitives import ciphers, serialization

import peers

CLIENT, SERVER = b"\x01", b"\x02"
BUILD = peers.ROOT / os.environ.get("B", "build")
MANAGER = cbor2.dumps({2: "manager", 8: {1: {1: 1, 3: -8, -1: 6, -2: bytes(32)}}})


class A128CTR(oscore.SymmetricEncryptionAlgorithm):
    """AES-CTR (RFC 9459), which aiocoap has not: a nonce of 12 bytes, and a counter that begins at 0."""

    value, key_bytes, tag_bytes, iv_bytes = -65534, 16, 0, 12

    @classmethod
    def encrypt(cls, plaintext, aad, key, iv):
        return ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CTR(iv + bytes(4))).encryptor().update(plaintext)

    decrypt = encrypt


ALGORITHMS = {"CCM": oscore.algorithms["AES-CCM-16-64-128"], "GCM": oscore.algorithms["A128GCM"],
              "ChaCha": oscore.algorithms["ChaCha20/Poly1305"], "CTR": A128CTR()}
NAMES = {"CCM": "AES-CCM-16-64-128", "GCM": "A128GCM", "ChaCha": "ChaCha20/Poly1305", "CTR": "A128CTR"}
SIGNATURES = {"EdDSA": oscore.Ed25519(), "ES256": oscore.ECDSA_SHA256_P256()}


def hexed(value):
    return value.hex() or "-"


def incoming(code, option, payload):
    m = Message(code=code, payload=payload)
    m.opt.oscore = option
    m.direction = Direction.INCOMING
    return m


def plain(message):
    """What is inside a message, as the bytes that are encrypted."""
    return bytes([message.code]) + message.opt.encode() + (b"\xff" + message.payload if message.payload else b"")


class Group:
    """Fresh key pairs, and a Master Secret that all members have."""

    def __init__(self, algorithm="CCM", signature="EdDSA", gid=b"\xdd\x11", kids=(CLIENT, SERVER), manager=MANAGER):
        self.algorithm, self.signature, self.gid, self.manager = algorithm, signature, gid, manager
        self.secret, self.salt = os.urandom(16), os.urandom(8)
        self.keys = {kid: SIGNATURES[signature].generate_with_ccs() for kid in kids}

    def member(self, kid):
        """The member by aiocoap."""
        return oscore.SimpleGroupContext(
            ALGORITHMS["CCM"], oscore.hashfunctions["sha256"], SIGNATURES[self.signature], ALGORITHMS[self.algorithm], oscore.EcdhSsHkdf256(),
            self.gid, self.secret, self.salt, kid, self.keys[kid][0], self.keys[kid][1],
            {other: credential for other, (_, credential) in self.keys.items() if other != kid}, self.manager)

    def private(self, kid):
        key = self.keys[kid][0]
        return key if isinstance(key, bytes) else key.private_numbers().private_value.to_bytes(32, "big")

    def public(self, kid):
        key = self.keys[kid][0]
        if isinstance(key, bytes):
            return oscore.Ed25519().public_from_private(key)
        return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)

    def bundle(self, profile, directory):
        """The provisioning file that oscore-keys derives."""
        lines = ["group plant", "master-secret " + self.secret.hex(), "master-salt " + self.salt.hex(), "gid " + self.gid.hex(),
                 "algorithm " + NAMES["CCM"], "group-algorithm " + NAMES[self.algorithm], "signature " + self.signature,
                 "key-agreement ECDH-SS-HKDF-256", "hkdf SHA-256", "manager-credential " + self.manager.hex()]
        lines += [f"member {hexed(kid)} {'server' if kid != CLIENT else 'client'} credential {credential.hex()} public-key {self.public(kid).hex()}"
                  for kid, (_, credential) in self.keys.items()]
        run = subprocess.run([BUILD / "oscore-keys", "-p", profile], input="\n\t".join(lines) + "\n", capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        file = directory / f"{profile}.keys"
        file.write_text(run.stdout)
        file.chmod(0o600)
        return file


class Peer:
    """A member by our own code, and the reader's code beside it."""

    def __init__(self, group, kid):
        self.process = subprocess.Popen([BUILD / "test" / "group-peer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._say(f"group {group.gid.hex()} {ALGORITHMS[group.algorithm].value} 10 {SIGNATURES[group.signature].value} -27 256 "
                  f"{group.secret.hex()} {group.salt.hex()} {group.manager.hex()}")
        for other, (_, credential) in group.keys.items():
            self._say(f"member {hexed(other)} {credential.hex()} {group.public(other).hex()}")
        assert self.ask_line(f"self {hexed(kid)} {group.private(kid).hex()}") == "ready"

    def _say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask_line(self, line):
        self._say(line)
        return self.process.stdout.readline().strip()

    def _sealed(self, line):
        return tuple(bytes.fromhex(word.replace("-", "")) for word in self.ask_line(line).split())

    def ask(self, inner):
        return self._sealed("ask " + inner.hex())

    def answer(self, inner, numbered=False):
        return self._sealed(f"answer {'numbered' if numbered else 'bare'} {inner.hex()}")

    def takes(self, what, option, payload):
        """"accepted INNER", or why not; `what` is request or response."""
        return self.ask_line(f"{what} {hexed(option)} {hexed(payload)}")

    def bundle(self, profile, *servers):
        assert self.ask_line(" ".join(["bundle", profile, *map(hexed, servers)])) == profile

    def reads(self, option, payload, request_option=None):
        return self.ask_line(f"read {hexed(option)} {hexed(payload)}" + (f" {hexed(request_option)}" if request_option is not None else ""))

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


class Endpoint:
    """A member by aiocoap, as option and payload."""

    def __init__(self, group, kid):
        self.context = group.member(kid)
        self.asked = self.answered = None

    def ask(self, message):
        outer, self.asked = self.context.protect(message)
        return outer.opt.oscore, outer.payload

    def answer(self, message, numbered=False):
        """In group mode, to the request that was accepted last."""
        self.answered.can_reuse_nonce = not numbered
        outer, _ = self.context.protect(message, self.answered)
        return outer.opt.oscore, outer.payload

    def takes_request(self, option, payload):
        """The message inside; raises what aiocoap raises."""
        m = incoming(POST, option, payload)
        unprotected = oscore.verify_start(m)
        context = self.context.get_oscore_context_for(unprotected)
        if context is None:
            raise oscore.ProtectionInvalid("Security context not found")
        message, self.answered = context.unprotect(m)
        return message

    def takes_response(self, option, payload, code=CHANGED):
        m = incoming(code, option, payload)
        context = self.context.context_from_response(oscore.verify_start(m))
        message, _ = context.unprotect(m, self.asked)
        if not message.code.is_response():
            raise oscore.ProtectionInvalid("No response inside")
        return message


def content(payload):
    return Message(code=CONTENT, payload=payload)
