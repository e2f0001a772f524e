"""What the exporter shows of single servers, under pseudonyms, and of groups of them: both only where it is asked for.

Made beside the snapshots and less often, a slice at a time, so that nothing waits for it however many servers there
are; sent in parts, each as soon as the exporter has taken the one before. The exporter shows a round when it has all.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.groups import Groups, Size, folded
from agent.ipc import Type
from agent.outline import HERE, Outline, Outlines, urgency
from agent.pseudonym import opened

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Generator, Iterable, Iterator

    from agent.doors import Connection
    from agent.inventory import Inventory
    from agent.office import Office
    from agent.pseudonym import Pseudonyms
    from agent.sections import Config

PAUSE = 15.0  # seconds from one round to the next, at least
PART = 5000  # servers in one message
_SHARE = 50  # rounds take at most one part in this many of the agent's time
_SLICE = 0.02  # seconds after which everybody else has a turn
_LOOK = 1.0  # seconds between two looks at the files of groups
_FEW = 64  # servers after which it is looked whether the slice is over
_HOUR = 3600
_NAMELESS = {"key_id": "", "epoch": 0}

# Of servers of whom the same is said and that are equally urgent, the addresses. Nothing but texts is made for each
# server: of anything else a hundred thousand would set off a search for garbage that holds up everybody.
_Ranks = dict[tuple[tuple[float, ...], Outline], list[str]]
# What is said of these servers: of each its pseudonym, a space and its address.
_Alike = tuple[Outline, list[str]]


class Series:
    """``names`` gives the pseudonyms; ``now`` is the time, ``monotonic`` those of a clock that only rises."""

    def __init__(
        self,
        config: Config,
        inventory: Inventory,
        names: Callable[[], Pseudonyms],
        *,
        log: logging.Logger,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._config = config.exporter
        self._inventory = inventory
        self._names = names
        self._now = now
        self._monotonic = monotonic
        self._groups = Groups(log)
        self._due = 0.0
        self._look_due = 0.0
        self._to: Connection | None = None
        self._round: Iterator[dict[str, Any] | None] | None = None
        self._spent = 0.0
        self._number = 0
        self._told = False  # whether the exporter shows anything of it
        self._suppressed: frozenset[str] = frozenset()
        self._suppressed_total = 0

    def take(self, config: Config) -> None:
        """Another configuration is in force."""
        if config.exporter != self._config:
            self._config = config.exporter
            self._again()

    def until_due(self) -> float:
        """Seconds until ``tend`` has something to do."""
        if self._to is None or not (self._wanted or self._told):
            return float("inf")
        if self._round is not None:
            # Where the exporter has something to take first, its taking that is what wakes us.
            return float("inf") if self._to.busy else 0.0
        return max(0.0, min(self._due, self._look_due) - self._monotonic())

    def tend(self, exporter: Connection | None, tell: Callable[[Connection, Iterator[bytes]], None]) -> None:
        """Do what is due, for some hundredths of a second."""
        if exporter is not self._to:
            self._to, self._told = exporter, False
            self._again()
        now = self._monotonic()
        if exporter is None or not (self._wanted or self._told):
            return
        if now >= self._look_due:
            self._look_due = now + _LOOK
            self._groups.look(self._config.groups, now)
        if self._round is None and now >= self._due:
            self._round, self._spent = self._made(self._now()), 0.0
        if self._round is not None and not exporter.busy:
            self._go_on(self._round, exporter, tell)

    def _go_on(
        self,
        going: Iterator[dict[str, Any] | None],
        exporter: Connection,
        tell: Callable[[Connection, Iterator[bytes]], None],
    ) -> None:
        began = time.perf_counter()
        for body in going:
            taken = time.perf_counter() - began
            if body is not None:
                tell(exporter, iter((ipc.frame(Type.SERVERS, body),)))
                break
            if taken >= _SLICE:
                break
        else:
            self._round = None
            self._told = self._wanted
        self._spent += time.perf_counter() - began
        if self._round is None:
            self._due = self._monotonic() + max(PAUSE, self._spent * _SHARE)

    @property
    def _wanted(self) -> bool:
        return bool(self._config.servers or self._config.groups)

    def _again(self) -> None:
        """What was under way is of no use any more."""
        self._round, self._due, self._look_due = None, 0.0, 0.0

    def _made(self, now: float) -> Iterator[dict[str, Any] | None]:
        """One round: None where others may have their turn, and at the end the messages."""
        ranks: _Ranks = {}
        sizes: dict[str, Size] = {}
        outlines = Outlines(self._inventory.catalogue, datetime.fromtimestamp(now, UTC).date())
        for number, address in enumerate(self._inventory.signed(), 1):
            self._take(address, outlines, ranks, sizes)
            if number % _FEW == 0:
                yield None
        names = self._names()
        epoch = names.epoch(now)
        shown = yield from self._chosen(ranks, names, epoch)
        count = sum(len(alike) for _, alike in shown)
        head = {
            **self._head(sizes),
            **({"key_id": names.key_id, "epoch": epoch} if self._config.servers else _NAMELESS),
        }
        parts = max(1, -(-count // PART))
        for part in range(parts):
            rows = yield from self._rows(_between(shown, part * PART, (part + 1) * PART), now)
            yield {**head, "part": part, "parts": parts, **rows}

    def _take(self, address: str, outlines: Outlines, ranks: _Ranks, sizes: dict[str, Size]) -> None:
        one = self._inventory.assessment(address, outlines.at)
        if one is None or one.product not in HERE:
            return
        outline = outlines.of(one)
        if self._config.servers:
            ranks.setdefault((urgency(outline, one.confidence), outline), []).append(address)
        if self._config.groups:
            group = self._groups.of(address)
            before = sizes.get(group, Size(0, 0))
            exposed = outline.holes is not None and bool(outline.holes.exploited or outline.holes.vulnerable)
            sizes[group] = Size(before.servers + 1, before.exposed + exposed)

    def _chosen(self, ranks: _Ranks, names: Pseudonyms, epoch: int) -> Generator[None, None, list[_Alike]]:
        """The most urgent, as many as there may be. Among equals, and in what is shown, the order is that of the
        pseudonyms: one by addresses would tell of them.
        """
        shown: list[_Alike] = []
        suppressed: list[str] = []
        room = self._config.servers
        for rank in sorted(ranks, key=_order):
            if room == 0:
                suppressed += ranks[rank]
                continue
            alike: list[str] = []
            for number, address in enumerate(ranks[rank], 1):
                alike.append(f"{names.in_epoch(address, epoch)} {address}")
                if number % _FEW == 0:
                    yield None
            alike.sort()
            suppressed += [one.partition(" ")[2] for one in alike[room:]]
            shown.append((rank[1], alike[:room]))
            room -= len(alike[:room])
            yield None
        self._count_suppressed(frozenset(suppressed))
        return shown

    def _count_suppressed(self, suppressed: frozenset[str]) -> None:
        """Of who has no series for want of room, each counts once for as long as that lasts."""
        self._suppressed_total += len(suppressed - self._suppressed)
        self._suppressed = suppressed

    def _head(self, sizes: dict[str, Size]) -> dict[str, Any]:
        self._number += 1
        groups = folded(sizes, self._config.least)
        return {
            "number": self._number,
            "limit": self._config.servers,
            "suppressed": len(self._suppressed),
            "suppressed_total": self._suppressed_total,
            "groups": [
                {"name": name, "servers": size.servers, "exposed": size.exposed} for name, size in groups.items()
            ],
            "grouped": bool(self._config.groups),
            "group_files_failing": self._groups.failing,
        }

    def _rows(self, shown: Iterable[_Alike], now: float) -> Generator[None, None, dict[str, Any]]:
        """The servers of one message as columns: what many of them share is in it once."""
        latest = int(now // _HOUR)
        outlines: list[dict[str, Any]] = []
        servers: list[str] = []
        places: list[int] = []
        hours: list[int] = []
        for outline, alike in shown:
            for number, one in enumerate(alike, 1):
                name, _, address = one.partition(" ")
                servers.append(name)
                hours.append(min(latest, int(self._inventory.last_seen(address) // _HOUR)))
                if number % _FEW == 0:
                    yield None
            places += [len(outlines)] * len(alike)
            outlines.append(_written(outline))
        return {"outlines": outlines, "servers": servers, "of": places, "hours": hours}


def _order(rank: tuple[tuple[float, ...], Outline]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """What is as urgent is in the order of its words. Where its holes are not known, they are not compared."""
    return rank[0], rank[1][:6]


def _between(shown: Iterable[_Alike], first: int, last: int) -> Iterator[_Alike]:
    """The servers from one place to another, of all in their order."""
    for outline, alike in shown:
        if some := alike[max(0, first) : max(0, last)]:
            yield outline, some
        first, last = first - len(alike), last - len(alike)


def naming(office: Office | None, config: Config) -> Callable[[], Pseudonyms]:
    """What gives the pseudonyms in force; where nothing is kept, under a key of this process alone."""
    if office is not None:
        return lambda: office.pseudonyms
    return cache(lambda: opened(None, config.exporter.pseudonym_days))


def _written(outline: Outline) -> dict[str, Any]:
    return {**outline._asdict(), "holes": list(outline.holes) if outline.holes else None}
