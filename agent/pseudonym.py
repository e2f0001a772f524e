"""Names for servers that do not say which address has them: pseudonymous, not anonymous (GDPR, article 4(5)).

HMAC-SHA-256 (RFC 2104) under a key of this daemon. All addresses of IPv4 can be tried in an hour, so a hash without a
key would hide nothing; with it, only who has the key or may ask the daemon gets back to an address. The number of the
period is part of what is hashed: each period every server has another pseudonym, and none leads to the one before.
"""

from __future__ import annotations

import hmac
import re
import secrets
import socket
from base64 import b32encode
from pathlib import Path
from typing import TYPE_CHECKING

from agent.keyfile import LENGTH, credential, entrusted, secret
from agent.schema import PSEUDONYM_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

CREDENTIAL = "pseudonym"  # of systemd.exec(5), LoadCredential=

# What is made under the key is told apart by these words, so that nothing made for one purpose serves another.
_SERVER = b"knockfirst pseudonym of a server\0"
_KEY_ID = b"knockfirst id of a pseudonym key\0"
_BYTES = 10  # 80 bits: 16 characters of base32, and among a million servers no two alike in practice
_DAY = 86_400
_NAME = re.compile(r"s-[a-z2-7]{16}")


class Pseudonyms:
    """``key``: 32 bytes; ``days``: how long a pseudonym lasts."""

    def __init__(self, key: bytes, days: int) -> None:
        self._key = key
        self._days = days
        self.key_id = _made(key, _KEY_ID)[:4].hex()  # 8 hex digits, from which nothing of the key follows

    def lasting(self, days: int) -> Pseudonyms:
        """The same key with another length of the period."""
        return self if days == self._days else Pseudonyms(self._key, days)

    def epoch(self, now: float) -> int:
        """The number of the period that ``now``, seconds since the epoch, lies in. Periods begin at midnight, UTC."""
        return int(now // (self._days * _DAY))

    def of(self, address: str, now: float) -> str:
        """The pseudonym of an address at that time: ``s-`` and 16 letters and digits, which is no address's spelling.

        Raises OSError for what is no address.
        """
        return self.in_epoch(address, self.epoch(now))

    def in_epoch(self, address: str, epoch: int) -> str:
        """The pseudonym of an address in the period of that number."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        text = b"%s%d\0%d\0%s" % (_SERVER, self._days, epoch, socket.inet_pton(family, address))
        return f"s-{b32encode(_made(self._key, text)[:_BYTES]).decode().lower()}"

    def whose(self, name: str, addresses: Iterable[str], now: float) -> str | None:
        """Whose pseudonym this is, of this period or of the one before: there is no way back but to make that of each.

        ``addresses``: those that it may be of.
        """
        if not _NAME.fullmatch(name):
            return None
        tried = list(addresses)
        for epoch in (self.epoch(now), self.epoch(now) - 1):
            for address in tried:
                if self.in_epoch(address, epoch) == name:
                    return address
        return None


def key(directory: Path | None) -> bytes:
    """The key: systemd's credential, else the file in the state directory, made where there is none.

    Where nothing is kept, it is one for as long as this process lives. Raises ConfigError.
    """
    what = "the key of the pseudonyms"
    if directory is not None:
        return entrusted(CREDENTIAL, directory / PSEUDONYM_KEY, what)
    there = credential(CREDENTIAL)
    return secret(there, what, make=False, key="LoadCredential=") if there else secrets.token_bytes(LENGTH)


def opened(directory: Path | None, days: int) -> Pseudonyms:
    """The pseudonyms of this daemon. Raises ConfigError."""
    return Pseudonyms(key(directory), days)


def _made(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")
