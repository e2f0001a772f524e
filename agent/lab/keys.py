"""RSA keys (RFC 8017) for simulated servers that really speak TLS. For laboratories only: they follow from a seed."""

from __future__ import annotations

import base64
import hashlib
import random
import textwrap
from typing import NamedTuple

BITS = 2048  # what Exchange's setup makes
EXPONENT = 65537

# DigestInfo without its digest: RFC 8017 9.2, note 1.
_DIGEST_INFO = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
}
_SMALL = tuple(n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2)))
_ROUNDS = 8  # of Miller and Rabin's test; a random number of this size is practically never wrong after three


class Key(NamedTuple):
    """The two primes of an RSA key whose public exponent is EXPONENT."""

    p: int
    q: int

    @property
    def modulus(self) -> int:
        return self.p * self.q

    @property
    def private(self) -> int:
        """The private exponent."""
        return pow(EXPONENT, -1, (self.p - 1) * (self.q - 1))

    def sign(self, message: bytes, digest: str) -> bytes:
        """RSASSA-PKCS1-v1_5 (RFC 8017 8.2) with ``sha1`` or ``sha256``."""
        size = (self.modulus.bit_length() + 7) // 8
        info = _DIGEST_INFO[digest] + hashlib.new(digest, message, usedforsecurity=False).digest()
        padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        return pow(int.from_bytes(padded, "big"), self.private, self.modulus).to_bytes(size, "big")

    def numbers(self) -> tuple[int, ...]:
        """The fields of an RSAPrivateKey (RFC 8017 A.1.2), in their order."""
        p, q, private = self.p, self.q, self.private
        return 0, p * q, EXPONENT, private, p, q, private % (p - 1), private % (q - 1), pow(q, -1, p)


def generate(seed: str, bits: int = BITS) -> Key:
    """The key of that seed: always the same, so good for nothing but a laboratory. Takes about a second."""
    chance = random.Random(seed)  # noqa: S311 # reproducible, and protects nothing
    return Key(_prime(chance, bits // 2), _prime(chance, bits // 2))


def pem(label: str, body: bytes) -> str:
    """DER in the textual form of RFC 7468."""
    lines = textwrap.fill(base64.b64encode(body).decode(), 64)
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def _prime(chance: random.Random, bits: int) -> int:
    """A prime with its two highest bits set, so that a product of two has all its bits, and usable with EXPONENT."""
    while True:
        candidate = chance.getrandbits(bits) | 3 << (bits - 2) | 1
        if candidate % EXPONENT != 1 and all(candidate % small for small in _SMALL) and _passes(candidate, chance):
            return candidate


def _passes(candidate: int, chance: random.Random) -> bool:
    """Miller and Rabin's test (FIPS 186-5 B.3.1)."""
    odd, twos = candidate - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_witnessed(chance.randrange(2, candidate - 1), odd, twos, candidate) for _ in range(_ROUNDS))


def _witnessed(base: int, odd: int, twos: int, candidate: int) -> bool:
    value = pow(base, odd, candidate)
    if value in (1, candidate - 1):
        return True
    for _ in range(twos - 1):
        value = value * value % candidate
        if value == candidate - 1:
            return True
    return False
