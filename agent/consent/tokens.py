"""Whose a token is: each customer gets one with his receipt, and who has it may say no in his name.

Only its SHA-256 is anywhere. A token says no for as long as the log has the record that it came with, whether that
record is in force or not: a no is always believed.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.audit.entry import Opened


class Tokens:
    """The hashes in the records of the log -> the customer's reference. A fold over entries, like the register."""

    KINDS = frozenset({"record.given", "customer.erased"})

    def __init__(self) -> None:
        self._owners: dict[bytes, str] = {}

    def apply(self, entry: Opened) -> None:
        if entry.kind == "record.given" and entry.private is not None:
            written = (entry.private.get("withdrawal") or {}).get("token_sha256")
            if written:
                self._owners[bytes.fromhex(written)] = entry.customer
        elif entry.kind == "customer.erased" and entry.customer:
            self._owners = {token: ref for token, ref in self._owners.items() if ref != entry.customer}

    def owner(self, token: str | None) -> str | None:
        """Whose token this is; None where it is nobody's."""
        return self._owners.get(sha256(token.encode("utf-8", "replace")).digest()) if token else None
