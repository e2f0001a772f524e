"""Signed notes: https://c2sp.org/signed-note, with Ed25519 (RFC 8032), and the key file that they are signed with.

A note is text, a blank line, and lines of signatures: an em dash, the key's name, and base64 of key id and signature.
A vkey is what to check one with: name, key id in hex and base64 of algorithm and public key, joined by plus signs.
"""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agent.errors import Malformed
from agent.keyfile import secret

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ED25519 = b"\x01"  # the signature type of the page
DASH = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_MOST = 100  # signatures that are looked at


class Key(NamedTuple):
    """A name and the private key that signs under it."""

    name: str
    private: Ed25519PrivateKey

    @property
    def vkey(self) -> str:
        public = self.private.public_key().public_bytes_raw()
        return f"{self.name}+{_id(self.name, public).hex()}+{base64.b64encode(_ED25519 + public).decode()}"


def usable(name: str) -> bool:
    """Whether a key may be named so: no space and no plus sign, and something."""
    return bool(name) and name.isprintable() and "+" not in name and not any(map(str.isspace, name))


def sign(text: str, key: Key) -> str:
    """The note of a text, which has to end with a newline."""
    if not _noted(text):
        raise ValueError("a note is text without control characters that ends with a newline")
    public = key.private.public_key().public_bytes_raw()
    signature = _id(key.name, public) + key.private.sign(text.encode())
    return f"{text}\n{DASH}{key.name} {base64.b64encode(signature).decode()}\n"


def opened(note: str, vkeys: Iterable[str]) -> str:
    """The text of a note that at least one of these keys signed, and in which none of their signatures is false.

    Raises Malformed: for what is no note, or not theirs, or not a key.
    """
    text, _, below = note.rpartition("\n\n")
    text += "\n"
    if not _noted(text) or not below.endswith("\n"):
        raise Malformed("not a signed note")
    signatures = [_signature(line) for line in below[:-1].split("\n")[:_MOST]]
    good = False
    for vkey in vkeys:
        name, key_id, public = _vkey(vkey)
        for by, signature in signatures:
            if by == name and signature[:4] == key_id:
                _checked(public, signature[4:], text, name)
                good = True
    if not good:
        raise Malformed("a note without a signature of the key that was expected")
    return text


def private_key(path: Path, *, make: bool) -> Ed25519PrivateKey:
    """The key of a file: 64 hex digits, the file ours alone (0600). Where there is none, one is made if it may be.

    Raises ConfigError.
    """
    held = secret(path, "the key that the log is signed with", make=make)
    return Ed25519PrivateKey.from_private_bytes(held)


def _noted(text: str) -> bool:
    """Whether it may be the text of a note."""
    if not text.endswith("\n") or _CONTROL.search(text):
        return False
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def _id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def unbase64(text: str) -> bytes:
    """The bytes of base64 (RFC 4648 section 4) in its one spelling. Raises ValueError."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not the way in which these bytes are written")
    return data


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(DASH).partition(" ")
    if not line.startswith(DASH) or not usable(name):
        raise Malformed("a signature line that is none")
    try:
        return name, unbase64(encoded)
    except ValueError:
        raise Malformed("a signature that is not base64") from None


def _vkey(text: str) -> tuple[str, bytes, Ed25519PublicKey]:
    """Name, key id and key. Raises Malformed."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        key = unbase64(encoded)
        if not usable(name) or key[:1] != _ED25519 or key_id != _id(name, key[1:]).hex():
            raise ValueError
        return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(key[1:])
    except ValueError:
        raise Malformed("not a vkey of Ed25519; write it like NAME+8 HEX DIGITS+BASE64") from None


def _checked(public: Ed25519PublicKey, signature: bytes, text: str, name: str) -> None:
    try:
        public.verify(signature, text.encode())
    except InvalidSignature:
        raise Malformed(f"a signature of {name} that does not fit the text") from None
