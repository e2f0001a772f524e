"""An import under way: its rows are checked as they come, and nothing of them is in force before it is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.consent.difference import Side, difference, faults, too_much
from agent.consent.intake import MOST_FAULTS, Kept, clashes, plan
from agent.consent.rows import Event, Origin, check, salvaged
from agent.consent.told import KINDS, Held, Told
from agent.consent.turns import paced
from agent.consent.written import rfc3339
from agent.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator

    from agent.audit.log import Log
    from agent.consent.difference import Difference
    from agent.consent.intake import Part, Plan
    from agent.consent.told import Pair

MAX_ROWS = 2_000_000
MAX_BYTES = 512 << 20  # of what is kept of them


class Intake:
    """``origin``: where the rows come from. ``full``: what the mapping does not name is not so."""

    def __init__(self, origin: Origin, *, full: bool) -> None:
        self.origin = origin
        self.full = full
        self.told = Told()
        self.rows = 0
        self.faults: list[str] = []
        self.fault_count = 0
        self.events: list[Kept] = []
        self.mapped: dict[str, dict[Pair, Held]] = {}
        self._holder: dict[tuple[str, str], str] = {}  # source and prefix -> customer
        self._bytes = 0

    @property
    def at(self) -> str:
        return rfc3339(self.origin.made)

    def advance(self, log: Log, entries: int) -> bool:
        """Read as many entries of what was told before; whether that is all of it. Raises AuditError."""
        end = min(self.told.read + entries, log.size)
        start = self.told.read
        for entry in log.read(KINDS, start):
            if entry.number >= end:
                break
            self.told.apply(entry)
        self.told.read = max(self.told.read, end)
        return self.told.read >= log.size

    def add(self, where: str, row: Any, source: str | None = None) -> str | None:
        """Take one row; what is wrong with it. Of a row that is wrong, what it says no to is taken."""
        self.rows += 1
        by = source or self.origin.source
        try:
            checked = check(row, self.origin._replace(source=by))
            if isinstance(checked, Event):
                self._take(where, by, checked)
                return None
            return self._map(where, by, (checked.prefix, checked.customer), Held(*checked[2:]))
        except (ValueError, TypeError, RecursionError) as error:
            no = salvaged(row, self.origin._replace(source=by))
            if no is not None:
                self._take(where, by, no)
            counts = f" (as much of the no as can be read counts: {no.customer})" if no else ""
            return self.wrong(f"{where}: {error}{counts}")

    def wrong(self, text: str) -> str:
        """There is a fault; nothing but removals will count."""
        self.fault_count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(text)
        return text

    def room(self) -> bool:
        """Whether more can be kept."""
        return self.rows < MAX_ROWS and self._bytes < MAX_BYTES

    def sides(self) -> list[Side]:
        """What each source says of prefixes."""
        source = self.origin.source
        mapped = self.mapped.get(source, {})
        return [Side(source, self.at, self.full, mapped, self.at if self.full else "")] if mapped or self.full else []

    def planned(self, percent: int, accepted_by: int | None) -> Generator[None, None, Plan]:
        """What it comes to, by the register as it is. ``percent``: a greater loss is held, unless a user accepts it.

        Nothing may be added to it and nothing be read meanwhile.
        """
        given: dict[str, bytes] = {}
        for kept, pause in paced(self.events):
            if pause:
                yield
            if text := clashes(kept, self.told, given):
                self.wrong(text)
        diffs = []
        for side in self.sides():
            diffs.append((yield from difference(side, self.told)))
        for diff in diffs:
            yield
            for text in faults(diff, self.told):
                self.wrong(text)
        held = "; ".join(_loss(diff, percent) for diff in diffs if accepted_by is None and too_much(diff, percent))
        refused = bool(self.fault_count)
        made = yield from plan(diffs, self.events, self.told, held=held, refused=refused, accepted_by=accepted_by)
        return made

    def still(self, portion: list[Part]) -> list[Part]:
        """What of these is news, now that others were heard meanwhile. Raises InputError where they contradict it."""
        left: list[Part] = []
        for part in portion:
            if isinstance(part, tuple) and not isinstance(part, Item):
                kept = Kept("meanwhile", *part, part[1].digest)
                if kept.digest in self.told.said:
                    continue
                if text := clashes(kept, self.told, {}):
                    raise InputError(f"{text}; import it again")
            left.append(part)
        return left

    def _take(self, where: str, source: str, event: Event) -> None:
        digest = event.digest
        if digest not in self.told.said:
            self.events.append(Kept(where, source, event, digest))
            self._bytes += len(event.written) + len(where) + 300

    def _map(self, where: str, source: str, pair: Pair, held: Held) -> str | None:
        prefix, customer = pair
        mapped = self.mapped.setdefault(source, {})
        self._bytes += 300
        if pair in mapped:
            return self.wrong(f"{where}: {prefix} of {customer} is there twice; write it once")
        other = self._holder.setdefault((source, prefix), customer)
        if other != customer and (held.kind != "shared" or mapped[prefix, other].kind != "shared"):
            return self.wrong(
                f"{where}: {prefix} is given to {other} and to {customer}; give it to one, or make it shared in both"
            )
        mapped[pair] = held
        return None


def _loss(diff: Difference, percent: int) -> str:
    return (
        f"{diff.side.source} would lose {diff.lost} of {diff.of} prefixes, and more than {percent}% is held "
        "(consent.lost_percent)"
    )
