"""How often something may happen: a bucket of tokens that fills by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Objections by the web without a customer's token: so many at once, and so many a second after that.
TOKENLESS = (60, 0.5)


class Bucket:
    """``most`` at once, and ``per_second`` after that. ``clock`` only rises; the bucket begins full."""

    def __init__(self, most: int, per_second: float, clock: Callable[[], float]) -> None:
        self._most = float(most)
        self._per_second = per_second
        self._clock = clock
        self._left = self._most
        self._at = clock()

    def takes(self) -> bool:
        """Whether one more may happen now; if so, it has."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
