"""What is made under the key of the findings store: keys of customers, what is sealed under them, and tokens.

Each customer has 32 random bytes of salt beside the store's key; his own key (ChaCha20-Poly1305, RFC 8439) comes of
both. Without the salt nobody opens what was sealed for him any more, whoever has the key of the store.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import b32encode
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

if TYPE_CHECKING:
    from typing import Any

SALT = 32
_NONCE = 12
# What is made under the key is told apart by these words, so that nothing made for one purpose serves another.
_REF = b"knockfirst reference of a customer\0"
_KEY = b"knockfirst key of a customer's findings\0"
_TOKEN = b"knockfirst token of a case\0"
_DIGEST = b"knockfirst digest of a token\0"
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


class Owner(NamedTuple):
    """A customer in the store: his number there, and the cipher of his key."""

    number: int
    cipher: ChaCha20Poly1305


class Sealing:
    """``key``: 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def reference(self, customer: str) -> bytes:
        """What a customer is looked up by, which tells nobody who he is: 16 bytes."""
        return self._made(_REF + customer.encode())[:16]

    def owner(self, number: int, salt: bytes) -> Owner:
        return Owner(number, ChaCha20Poly1305(self._made(_KEY + salt)))

    def token(self, case: str, purpose: str) -> str:
        """Who has this may answer for a case: 128 bits in base32, 26 letters and digits, the same again each time."""
        made = self._made(_TOKEN + case.encode() + b"\0" + purpose.encode())[:16]
        return b32encode(made).decode().rstrip("=").lower()

    def digest(self, token: str) -> bytes:
        """What of a token may be on disk; of one that was typed from a letter, too, in whichever case."""
        return self._made(_DIGEST + token.strip().lower().encode("utf-8", "replace"))[:16]

    def _made(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, "sha256")


def sealed(owner: Owner, place: bytes, written: Any) -> bytes:
    """JSON for this customer's key alone, and for that place in the store alone."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + owner.cipher.encrypt(nonce, _encode(written).encode(), place)


def unsealed(owner: Owner, place: bytes, blob: bytes) -> Any:
    """What was sealed. Raises ValueError where this is not what was sealed for that place and customer."""
    try:
        return json.loads(owner.cipher.decrypt(blob[:_NONCE], blob[_NONCE:], place))
    except InvalidTag:
        raise ValueError("does not open with its customer's key") from None
