"""What was taken back since the sets that are in force were made: it holds at once, and until newer sets say so too.

The agent numbers what it takes back, and says in each section how far its sets know of it. A section that was made
before lets nobody back in, whenever it comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from agent.ipc import Unexpected
from collectors.packets.wanted import Withdrawn

if TYPE_CHECKING:
    from collections.abc import Sequence


class Withdrawal(NamedTuple):
    """These prefixes are looked at no more: ``handshakes`` but for their headers, ``headers`` not at all."""

    number: int
    handshakes: Sequence[str]
    headers: Sequence[str]


class Withdrawals:
    """All that stand. ``left`` is what they leave of an address's tier."""

    def __init__(self) -> None:
        self._standing: list[Withdrawal] = []
        self._withdrawn: Withdrawn | None = None

    def add(self, withdrawal: Withdrawal) -> None:
        """This holds from now on. Raises InputError for text that is no prefix."""
        self._hold([*self._standing, withdrawal])

    def release(self, number: int) -> bool:
        """The sets in force know of everything up to this number; True if something stood that they replace."""
        standing = [each for each in self._standing if each.number > number]
        if len(standing) == len(self._standing):
            return False
        self._hold(standing)
        return True

    def begin_anew(self) -> None:
        """Another agent numbers from now on. It was all on record before it was taken back: its sets know of it."""
        self._standing = [each._replace(number=0) for each in self._standing]

    def left(self, address: bytes, tier: int) -> int:
        """What a packed address has left of its tier."""
        return self._withdrawn.left(address, tier) if self._withdrawn else tier

    def _hold(self, standing: list[Withdrawal]) -> None:
        handshakes = [prefix for each in standing for prefix in each.handshakes]
        headers = [prefix for each in standing for prefix in each.headers]
        self._withdrawn = Withdrawn(handshakes, headers) if standing else None
        self._standing = standing


def withdrawal(body: dict[str, Any]) -> Withdrawal:
    """What a message takes back. Raises Unexpected, which names the key."""
    if type(body.get("number")) is not int:
        raise Unexpected("invalid", "WITHDRAWN: number is not what it must be")
    for key in ("handshakes", "headers"):
        prefixes = body.get(key)
        if not isinstance(prefixes, list) or not all(isinstance(prefix, str) for prefix in prefixes):
            raise Unexpected("invalid", f"WITHDRAWN: {key} are not what they must be")
    return Withdrawal(body["number"], body["handshakes"], body["headers"])
