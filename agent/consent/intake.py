"""What an import changes, and what of it has to wait: a difference between what a source says and what was told before.

Pure: nothing is read or written here. A file that has a fault, and a full synchronisation that loses too much, do the
same with what they say: everything that takes permission away counts at once, and nothing that gives it does. What is
long is a generator that stops now and then (agent/consent/turns.py, which also has the order of it all).
"""

from __future__ import annotations

import json
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.audit.entry import Item
from agent.consent.changes import of_events, of_prefixes, summary
from agent.consent.difference import less
from agent.consent.rows import Event, canonical, undated
from agent.consent.turns import arranged, denying, heights, paced

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from agent.consent.changes import Change
    from agent.consent.difference import Difference, Side
    from agent.consent.told import Held, Pair, Told

MOST_FAULTS = 50  # that are told; the rest is counted
GROUP = 1024  # prefixes in one entry

_PORTION = 3000  # of the sizes of entries in one append: a tenth of a second
_EACH = 4

Part = Item | tuple[str, Event]  # with the name of its source


class Kept(NamedTuple):
    """An event that came: where it stands, who says so, and what tells it from another."""

    where: str
    source: str
    event: Event
    digest: bytes


class Plan(NamedTuple):
    """What is to be put on record, what changes by it, and why something has to wait ("" if nothing has).

    ``parts``: in the order in which they count. ``joined``: the places of those that are put on record together with
    the one before, or not at all. ``closing``: how many of the last say that all the rest is there.
    """

    parts: list[Part]
    joined: set[int]
    changes: list[Change]
    held: str
    summary: dict[str, int]
    closing: int = 0


def item(part: Part) -> Item:
    """An entry to be, made when it is asked for: a hundred thousand records are large as objects."""
    if isinstance(part, Item):
        return part
    source, event = part
    if not event.customer:
        return Item(event.kind, event.body)
    return Item(event.kind, {"source": source}, event.customer, event.body)


def portions(plan: Plan) -> Iterator[list[Part]]:
    """What is put on record in one append each, in this order: little, but for what must not be parted."""
    portion: list[Part] = []
    size = 0
    for place, part in enumerate(plan.parts):
        one = _size(part)
        if portion and size + one > _PORTION and place not in plan.joined:
            yield portion
            portion, size = [], 0
        portion.append(part)
        size += one
    if portion:
        yield portion


def _size(part: Part) -> int:
    """How much work an entry is, about: each, its length, and every prefix, of which the register takes note."""
    if isinstance(part, Item):
        return _EACH + len((part.private or {}).get("prefixes", ()))
    return _EACH + len(part[1].written) // 512


def plan(
    diffs: Sequence[Difference],
    events: Sequence[Kept],
    told: Told,
    *,
    held: str = "",
    refused: bool = False,
    accepted_by: int | None = None,
) -> Generator[None, None, Plan]:
    """What is to be put on record. ``held``: why it waits for a human; ``refused``: the rows had faults;
    ``accepted_by``: the user who said that the loss is true.

    ``events``: with the name of their source. Of a refused import absence means nothing, so no prefix goes.
    """
    waits = bool(held) or refused
    fresh = yield from _fresh(events, told)
    objecting = told.objecting() | {event.customer for _, event in fresh if event.kind == "record.objected"}
    last = set() if refused else (yield from denying(diffs, told))
    turns = yield from arranged([each for each in fresh if each[1].taking or not waits])
    parts: list[Part] = [*turns.first]
    joined = set(turns.joined)
    if waits:
        parts += yield from _narrowed(fresh, told)
    if not refused:
        parts += yield from _taken(diffs, last, set() if waits else objecting)
    if not waits:
        parts += turns.replacing
        parts += yield from _given(diffs, last, objecting)
        parts += turns.giving
    changes = yield from of_events(fresh, waits=waits)
    for diff in diffs:
        changes += yield from of_prefixes(diff, last if waits else set(), waits=waits, refused=refused)
    counts = yield from summary(changes, diffs, told)
    if not refused:
        synced = [_synced(diff, "mapping.held" if waits else "mapping.synced", accepted_by) for diff in diffs]
        return closed(Plan(parts, joined, changes, held, counts), [item for item in synced if item])
    return Plan(parts, joined, changes, held, counts)


def closed(plan: Plan, items: Sequence[Item]) -> Plan:
    """The plan with these at its end, all at once: they say that all the rest is there."""
    start = len(plan.parts) - plan.closing
    parts = [*plan.parts, *items]
    joined = plan.joined | set(range(start + 1, len(parts)))
    return plan._replace(parts=parts, joined=joined, closing=len(parts) - start)


def _fresh(events: Sequence[Kept], told: Told) -> Generator[None, None, list[tuple[str, Event]]]:
    """The events that were not told before, each once."""
    said: set[bytes] = set()
    fresh = []
    for (_, source, event, digest), pause in paced(events):
        if pause:
            yield
        if digest in told.said or digest in said:
            continue
        if not event.dated and undated(event.customer, event.body) in told.undated:
            continue
        said.add(digest)
        fresh.append((source, event))
    return fresh


def clashes(kept: Kept, told: Told, given: dict[str, bytes]) -> str | None:
    """What is wrong with a record whose id another one has already; ``given``: those of this import."""
    if kept.event.kind != "record.given" or kept.digest in told.said:
        return None
    identity = json.loads(kept.event.written)["record_id"]
    if given.setdefault(identity, kept.digest) != kept.digest:
        return f"{kept.where}: record_id: {identity} is there twice, and not the same; every record has its own"
    if told.records.get(identity, kept.digest) != kept.digest:
        return (
            f"{kept.where}: record_id: {identity} was given before with other words; a new version has a new "
            "record_id, and the old one in prev_record"
        )
    return None


def _narrowed(fresh: Sequence[tuple[str, Event]], told: Told) -> Generator[None, None, list[tuple[str, Event]]]:
    """While a record that replaces another waits, the other covers only what both do."""
    found = []
    for (source, event), pause in paced(fresh):
        if pause:
            yield
        if event.kind != "record.given":
            continue
        record = event.body
        if record.get("prev_record") in told.records:
            body = {
                "at": record["created_at"], "by": f"import {source}", "note": "",
                "record_id": record["prev_record"], "scope": record["scope"],
            }  # fmt: skip
            less = Event("record.narrowed", event.customer, canonical(body))
            if less.digest not in told.said:
                found.append((source, less))
    return found


def _taken(
    diffs: Sequence[Difference], last: set[tuple[str, Pair]], objecting: set[str]
) -> Generator[None, None, list[Item]]:
    """What can only take: prefixes that go and do not deny by being there, what is held with less, what is objected."""
    items: list[Item] = []
    for diff in diffs:
        gone = {pair: held for pair, held in diff.removed.items() if (diff.side.source, pair) not in last}
        with_less = {pair: now for pair, (before, now) in diff.changed.items() if less(before, now)}
        with_less |= {pair: now for pair, now in _more(diff).items() if pair[1] in objecting}
        items += [item for _, item in (yield from _grouped("mapping.withdrawn", diff.side, gone, {}))]
        items += [item for _, item in (yield from _grouped("mapping.asserted", diff.side, with_less, {}))]
    return items


def _more(diff: Difference) -> dict[Pair, Held]:
    """The prefixes that are new, or held with more than before."""
    return {pair: now for pair, (before, now) in diff.changed.items() if not less(before, now)} | diff.added


def _given(
    diffs: Sequence[Difference], last: set[tuple[str, Pair]], objecting: set[str]
) -> Generator[None, None, list[Item]]:
    """The other prefixes: those that are new, the longest first; then those that still go; then those held with more.

    As they were held before, those deny, whatever goes and comes around them.
    """
    afters, gones, mores = [], [], []
    for diff in diffs:
        free = {pair: now for pair, now in _more(diff).items() if pair[1] not in objecting}
        mores.append({pair: now for pair, now in free.items() if pair in diff.changed})
        afters.append({pair: now for pair, now in free.items() if pair not in diff.changed})
        gones.append({pair: held for pair, held in diff.removed.items() if (diff.side.source, pair) in last})
    height = yield from heights({prefix for pairs in (*afters, *gones, *mores) for prefix, _ in pairs})
    asserted: list[tuple[int, Item]] = []
    withdrawn: list[tuple[int, Item]] = []
    with_more: list[tuple[int, Item]] = []
    for diff, after, gone, more in zip(diffs, afters, gones, mores, strict=True):
        asserted += yield from _grouped("mapping.asserted", diff.side, after, height)
        withdrawn += yield from _grouped("mapping.withdrawn", diff.side, gone, height)
        with_more += yield from _grouped("mapping.asserted", diff.side, more, height)
    asserted.sort(key=itemgetter(0))
    withdrawn.sort(key=itemgetter(0), reverse=True)
    with_more.sort(key=itemgetter(0))
    return [item for _, item in (*asserted, *withdrawn, *with_more)]


def _grouped(
    kind: str, side: Side, pairs: dict[Pair, Held], height: dict[str, int]
) -> Generator[None, None, list[tuple[int, Item]]]:
    """Entries of prefixes of one customer that are held in one way and have the same height."""
    groups: dict[tuple[int, str, Held], list[str]] = {}
    for ((prefix, customer), held), pause in paced(pairs.items()):
        if pause:
            yield
        groups.setdefault((height.get(prefix, 0), customer, held), []).append(prefix)
    items = []
    for ((high, customer, held), prefixes), pause in paced(groups.items()):
        if pause:
            yield
        for start in range(0, len(prefixes), GROUP):
            body: dict[str, Any] = {
                "source": side.source, "at": side.at, "kind": held.kind, "prefixes": prefixes[start : start + GROUP],
            }  # fmt: skip
            if held.until:
                body["valid_until"] = held.until
            if held.session:
                body["session_id"] = held.session
            items.append((high, Item(kind, {"source": side.source}, customer, body)))
    return items


def _synced(diff: Difference, kind: str, accepted_by: int | None) -> Item | None:
    side = diff.side
    if not side.synced:
        return None
    public: dict[str, Any] = {"source": side.source, "at": side.synced, "prefixes": len(side.mapped)}
    if kind == "mapping.held" or diff.lost:
        public |= {"lost": diff.lost, "of": diff.of}
    if diff.lost and accepted_by is not None:
        public["accepted_by"] = accepted_by
    return Item(kind, public)
