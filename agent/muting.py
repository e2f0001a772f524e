"""Which servers are known well enough to be left alone for a while, so that capture has less to look at."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds without a fact before a server is muted: what else a visit shows, after the greeting that gave it away, comes
# within that time.
QUIET = 60.0
MAX_HEARD = 65_536
MAX_MUTES = 4_096  # addresses in one message


class Muting:
    """Takes note of who is heard, and says who need not be for now. Times are seconds of a clock that only rises.

    A muted server is heard again when its time is up, tells all its facts once more, and is muted again after that.
    """

    def __init__(self) -> None:
        self._heard: OrderedDict[str, float] = OrderedDict()

    def heard(self, address: str, now: float) -> None:
        """A server told a fact, new or not."""
        self._heard[address] = now
        self._heard.move_to_end(address)
        if len(self._heard) > MAX_HEARD:
            self._heard.popitem(last=False)

    def forget(self, wanted: Callable[[str], bool]) -> None:
        """Nothing is known of these addresses any more."""
        for address in list(filter(wanted, self._heard)):
            del self._heard[address]

    def due(self, now: float, sure: Callable[[str], bool]) -> list[str]:
        """The addresses that told nothing for QUIET and of which ``sure`` says that they are known; each once."""
        due: list[str] = []
        while self._heard and len(due) < MAX_MUTES:
            address, since = next(iter(self._heard.items()))
            if now - since < QUIET:
                break
            del self._heard[address]
            if sure(address):
                due.append(address)
        return due
