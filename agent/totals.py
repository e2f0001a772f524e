"""What capture counts, summed over its processes and over their restarts: a total never falls, whoever dies.

Every capture process tells its counters since its own start. What is added here is by how much each has risen since it
was last told: a process that ends leaves behind what it counted, and the next one begins at 0 without harm.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.body import MAX_COUNTERS, MAX_INTERFACES

if TYPE_CHECKING:
    from agent.messages import Counters, Interface, Usage

# Frames of files are counted as those of an interface are, under this name.
FILE = "file"

# What one interface may have, so that a diagnosis of all of them fits into its message (agent/ipc.py).
MAX_COUNTS = 96
MAX_GAUGES = 32

_WORK = "work/"  # before what a role counts of its work, beside its lines: no name has a stroke

_MOST = (1 << 63) - 1  # what a message holds at most; no honest counter comes near

# These every worker reads of the same interface, so that all tell the same; one of them is listened to.
SHARED = frozenset({"offered", "nic_missed", "went_down", "came_back", "renamed"})

# What the gauges of several workers are together. All hold the same filter, so its size is no sum; anything that is
# not named here is a number of things that each has for itself.
TOGETHER: dict[str, Callable[[Iterable[float]], float]] = {
    "up": min, "ring_fill": max, "filter_suspect": max, "filter_instructions": max, "demoted": max,
    "muted_in_filter": max,
}  # fmt: skip


@dataclass(slots=True)
class _Told:
    """What one capture process said last: of itself, and of each interface that it ever named."""

    counts: dict[str, int] = field(default_factory=dict)
    interfaces: dict[str, dict[str, int]] = field(default_factory=dict)
    now: dict[str, Interface] = field(default_factory=dict)


class Totals:
    """Totals of each interface, at most MAX_INTERFACES of them, and of capture as a whole."""

    def __init__(self) -> None:
        self._told: dict[Hashable, _Told] = {}
        self._counts: dict[str, int] = {}
        self._interfaces: dict[str, dict[str, int]] = {}

    def take(self, who: Hashable, message: Counters) -> None:
        """One capture process has told its counters."""
        told = self._told.setdefault(who, _Told())
        _add(self._counts, _risen(told.counts, message.counts), MAX_COUNTERS)
        told.counts = message.counts
        told.now = {interface.name: interface for interface in message.interfaces}
        for interface in message.interfaces:
            if self._has_room(interface.name):
                self._count(who, told, interface)

    def forget(self, who: Hashable) -> None:
        """That process has ended. What it counted stays; how its interfaces are is not known any more."""
        self._told.pop(who, None)

    @property
    def counts(self) -> dict[str, int]:
        """Of capture as a whole, but for the frames of files."""
        return {name: count for name, count in self._counts.items() if not _of_frames(name)}

    def interfaces(self) -> list[dict[str, Any]]:
        """Every interface in the shape of ``messages.Interface``, the files among them once frames of theirs came."""
        counts = {name: dict(counts) for name, counts in self._interfaces.items()}
        files = {name: count for name, count in self._counts.items() if _of_frames(name)}
        if any(files.values()) or (files and not counts):
            # An interface may bear that name too; frames are then counted together, and nothing is shown twice.
            _add(counts.setdefault(FILE, {}), files, MAX_COUNTS)
        return [{"name": n, "counts": c, "gauges": self._gauges(n)} for n, c in sorted(counts.items())]

    def _has_room(self, name: str) -> bool:
        """Whether this interface is counted: where there are too many, one that nobody looks at any more goes."""
        if name in self._interfaces:
            return True
        if len(self._interfaces) >= MAX_INTERFACES:
            left = (old for old in self._interfaces if not any(old in told.now for told in self._told.values()))
            oldest = next(left, None)
            if oldest is None:
                return False
            del self._interfaces[oldest]
            for told in self._told.values():
                told.interfaces.pop(oldest, None)
        self._interfaces[name] = {}
        return True

    def _count(self, who: Hashable, told: _Told, interface: Interface) -> None:
        risen = _risen(told.interfaces.get(interface.name, {}), interface.counts)
        told.interfaces[interface.name] = interface.counts
        ours = {n: count for n, count in risen.items() if n not in SHARED or self._speaks(who, interface.name, n)}
        _add(self._interfaces[interface.name], ours, MAX_COUNTS)

    def _speaks(self, who: Hashable, interface: str, name: str) -> bool:
        """Whether this process is the first that has such a counter of the interface, and so speaks for all."""
        has = (w for w, told in self._told.items() if interface in told.now and name in told.now[interface].counts)
        return next(has) is who

    def _gauges(self, interface: str) -> dict[str, float]:
        told = [told.now[interface].gauges for told in self._told.values() if interface in told.now]
        names = list(dict.fromkeys(name for gauges in told for name in gauges))[:MAX_GAUGES]
        return {n: TOGETHER.get(n, sum)(gauges[n] for gauges in told if n in gauges) for n in names}


class Roles:
    """What the processes of each role took: memory of those that live; processor time, lines and work of all."""

    def __init__(self) -> None:
        self._live: dict[Hashable, tuple[str, Usage]] = {}
        self._past: dict[str, dict[str, float]] = {}

    def take(self, who: Hashable, role: str, told: Usage) -> None:
        """A process says what it takes, in all since it began."""
        self._live[who] = role, told

    def gone(self, who: Hashable) -> None:
        """That process has ended; what it took stays."""
        if who in self._live:
            role, told = self._live.pop(who)
            self._past[role] = _sum(self._past.get(role, {}), told)

    def body(self) -> dict[str, dict[str, Any]]:
        """Role -> its usage; the roles of which nothing was told are not there."""
        sums = {role: dict(past) for role, past in self._past.items()}
        resident: dict[str, float] = {}
        for role, told in self._live.values():
            sums[role] = _sum(sums.get(role, {}), told)
            resident[role] = resident.get(role, 0.0) + told.resident
        return {
            role: {
                "resident": resident.get(role, 0.0),
                "cpu": of["cpu"],
                "lines": _named(of, ""),
                "work": _named(of, _WORK),
            }
            for role, of in sorted(sums.items())
        }


def _risen(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """By how much each counter has risen. One that fell says that all of them have begun anew."""
    anew = any(count < before.get(name, 0) for name, count in now.items())
    return {name: count - (0 if anew else before.get(name, 0)) for name, count in now.items()}


def _add(total: dict[str, int], risen: Mapping[str, int], most: int) -> None:
    for name, count in risen.items():
        if name in total or len(total) < most:
            total[name] = min(total.get(name, 0) + count, _MOST)


def _of_frames(name: str) -> bool:
    return name.startswith(("frames_", "drop_"))


def _named(of: Mapping[str, float], place: str) -> dict[str, int]:
    """Those of lines (""), or of _WORK, under their own names."""
    there = [name for name in of if name != "cpu" and name.startswith(_WORK) is bool(place)]
    return {name.removeprefix(place): int(of[name]) for name in there}


def _sum(before: Mapping[str, float], told: Usage) -> dict[str, float]:
    now = {"cpu": told.cpu, **told.lines, **{_WORK + name: count for name, count in told.work.items()}}
    return {name: before.get(name, 0) + now.get(name, 0) for name in {**before, **now}}
