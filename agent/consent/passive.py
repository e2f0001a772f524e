"""The sets of addresses that the passive tiers rest on, by the register; ``agent.privacy.tiers`` makes the tiers.

They are made whole once. From then on only those prefixes are looked at anew of which something was said, or whose
customer's time has come, and what was made is never changed but replaced, for others hold on to it.
"""

from __future__ import annotations

import gc
from bisect import bisect_left
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from agent.consent.permitted import Permitted
from agent.leave import Limits
from agent.privacy import Sets, common, minus, union

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.consent.register import Register
    from agent.consent.state import Range
    from agent.privacy import Ranges

_INF = float("inf")
_MANY = 2000  # prefixes of which something was said; from there on all sets are made anew


class Passive:
    """Of one register. ``said`` and ``objected`` tell it what has happened; nothing is made until somebody asks."""

    def __init__(self) -> None:
        self._whole = True  # all is to be made anew
        self._said: set[Range] = set()
        self._objected = True
        self._time = -_INF
        self._limits = Limits()
        self._fresh: frozenset[str] = frozenset()
        self._due: list[tuple[float, str]] = []  # a heap
        self._most = 0
        self._sets = Sets()

    def said(self, prefixes: Iterable[Range]) -> None:
        """Something of these may be different."""
        if not self._whole:
            self._said.update(prefixes)
            self._whole = len(self._said) > _MANY
            if self._whole:
                self._said.clear()

    def objected(self, prefixes: Iterable[Range]) -> None:
        """An objection to these stands, or no longer does."""
        self._objected = True
        self.said(prefixes)

    def anew(self) -> None:
        """Something was said that may concern everybody."""
        self._whole = True
        self._said.clear()

    def sets(self, register: Register, time: float, limits: Limits) -> Sets:
        fresh = frozenset(source for source, at in register.sources().items() if at + limits.mapping > time)
        if time < self._time or limits != self._limits or fresh != self._fresh or len(self._due) > self._most:
            self.anew()
        self._time, self._limits, self._fresh = time, limits, fresh
        while self._due and self._due[0][0] <= time:
            folded = register.folded(heappop(self._due)[1])
            if folded is not None:
                self.said(folded.prefixes)
        if self._whole or self._said or self._objected:
            was = gc.isenabled()
            gc.disable()  # there are no cycles in it, and much to look for them in
            try:
                self._make(register)
            finally:
                if was:
                    gc.enable()
        return self._sets

    def next_change(self, register: Register, time: float, limits: Limits | None) -> float:
        limits = limits or self._limits
        self.sets(register, time, limits)
        ends = [at + limits.mapping for at in register.sources().values()]
        return min([end for end in ends if end > time] + [self._due[0][0] if self._due else _INF])

    def _make(self, register: Register) -> None:
        if self._objected:
            self._sets = self._objections(register)
        permitted = Permitted(register, self._time, self._limits, self._fresh)
        if self._whole:
            permitted.take(register.segments())
            announced = minus(union(permitted.announced), self._sets.objected)
            self._sets = self._sets._replace(consented=union(permitted.consented), announced=announced)
            self._due = permitted.boundaries
            heapify(self._due)
            self._most = 4 * len(self._due) + 10_000
        elif self._said:
            self._mend(register, permitted)
            for boundary in permitted.boundaries:
                heappush(self._due, boundary)
        self._whole = self._objected = False
        self._said.clear()

    def _objections(self, register: Register) -> Sets:
        objected: Ranges = []
        excluded: Ranges = []
        for objection, prefixes in register.standing():
            objected += prefixes
            if objection.headers:
                excluded += prefixes
        return self._sets._replace(objected=union(objected), excluded=union(excluded))

    def _mend(self, register: Register, permitted: Permitted) -> None:
        consented, announced = self._sets.consented[:], self._sets.announced[:]
        for first, last in union(self._said):
            permitted.consented, permitted.announced = [], []
            for prefix in _parts(self._said, first, last):
                permitted.take(register.segments(prefix))
            _replace(consented, first, last, union(permitted.consented))
            told = union(permitted.announced)
            _replace(announced, first, last, minus(told, _between(self._sets.objected, first, last)))
        self._sets = self._sets._replace(consented=consented, announced=announced)


def _parts(prefixes: set[Range], first: int, last: int) -> list[Range]:
    """The widest of these prefixes that lie between two addresses."""
    inside = sorted((one for one in prefixes if first <= one[0] <= last), key=lambda one: (one[0], -one[1]))
    made: list[Range] = []
    for one in inside:
        if not made or one[0] > made[-1][1]:
            made.append(one)
    return made


def _spanned(ranges: Ranges, first: int, last: int) -> tuple[int, int]:
    """Where in a set those ranges are that meet or touch a stretch."""
    start = bisect_left(ranges, (first, 0))
    if start and ranges[start - 1][1] >= first - 1:
        start -= 1
    end = bisect_left(ranges, (last + 2, 0))
    return start, end


def _between(ranges: Ranges, first: int, last: int) -> Ranges:
    """What a set has between two addresses."""
    start, end = _spanned(ranges, first, last)
    return common([(first, last)], ranges[start:end])


def _replace(ranges: Ranges, first: int, last: int, by: Ranges) -> None:
    """Put a set in place of what another has between two addresses."""
    start, end = _spanned(ranges, first, last)
    ranges[start:end] = union(minus(ranges[start:end], [(first, last)]), by)
