"""What a change of permission sets off, and how long it takes until all of it has come to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping


class _Effect(NamedTuple):
    """One change: when it came in, and who has not yet answered to which number."""

    received: float
    waiting: dict[Hashable, int]


class Effects:
    """``done`` takes the seconds from a change's coming in to the last answer. ``clock`` only rises."""

    def __init__(self, clock: Callable[[], float], done: Callable[[float], None]) -> None:
        self._clock = clock
        self._done = done
        self._under_way: list[_Effect] = []

    def __len__(self) -> int:
        """How many changes are not yet in force everywhere."""
        return len(self._under_way)

    def begin(self, received: float, waiting: Mapping[Hashable, int]) -> None:
        """A change that came in at ``received`` is on its way to these, each with the number that it answers."""
        self._under_way.append(_Effect(received, dict(waiting)))
        self._reckon()

    def answered(self, who: Hashable, number: int) -> None:
        """Somebody says that the change of this number is in force there, and with it those before."""
        for effect in self._under_way:
            if effect.waiting.get(who, number + 1) <= number:
                del effect.waiting[who]
        self._reckon()

    def gone(self, who: Hashable) -> None:
        """Somebody has gone, and does nothing any more."""
        for effect in self._under_way:
            effect.waiting.pop(who, None)
        self._reckon()

    def _reckon(self) -> None:
        now = self._clock()
        for effect in self._under_way:
            if not effect.waiting:
                self._done(now - effect.received)
        self._under_way = [effect for effect in self._under_way if effect.waiting]
