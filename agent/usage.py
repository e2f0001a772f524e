"""What a role's process takes, and how many lines it logged, as it tells it itself; agent/totals.py sums it up."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from agent.logfmt import LINES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAUSE = 15.0  # seconds between two tellings of a role


def usage() -> dict[str, Any]:
    """What this process takes: "resident" bytes (0 where the kernel does not say), "cpu" seconds since it began, and
    the "lines" that it logged, by level and those that were "suppressed".

    Where a wall will stand later, it is called once before: the file that it reads stays open.
    """
    try:
        resident = int(os.pread(_statm(), 128, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        resident = 0
    return {"resident": float(resident), "cpu": time.process_time(), "lines": dict(LINES)}


@cache
def _statm() -> int:
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


class Telling:
    """When a role tells it: at first, and then each PAUSE at most. ``clock`` only rises.

    ``work``: what it counts of its work, where it does (agent.notice.WORKED).
    """

    def __init__(self, clock: Callable[[], float], work: Callable[[], Mapping[str, int]] = dict) -> None:
        self._clock = clock
        self._work = work
        self._told: Mapping[str, int] = {}
        self._due = float("-inf")

    def due(self) -> dict[str, Any] | None:
        """What is to be told now, or None."""
        if self._clock() < self._due:
            return None
        self._due = self._clock() + PAUSE
        self._told = dict(self._work())
        return usage() | ({"work": self._told} if self._told else {})

    def until_due(self) -> float | None:
        """Seconds until what was counted since may be told; None where nothing was: memory is no news."""
        return None if self._work() == self._told else max(0.0, self._due - self._clock())
