"""What an import changes, and what of it has to wait: a difference between what a source says and what was told before.

Pure: nothing is read or written here. A file that has a fault, and a full synchronisation that loses too much, do the
same with what they say: everything that takes permission away counts at once, and nothing that gives it does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from agent.audit.entry import Item
from agent.consent.rows import Event, canonical, undated
from agent.consent.told import Held
from agent.privacy import one

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.consent.told import Pair, Told

MOST_FAULTS = 50  # that are told; the rest is counted
_GROUP = 4096  # prefixes in one entry


class Side(NamedTuple):
    """What one source says: ``at`` is its date, RFC 3339; ``full``: what it does not name is not so.

    ``synced``: the date of the full synchronisation that this is, "" where it is none.
    """

    source: str
    at: str
    full: bool
    mapped: dict[Pair, Held]
    synced: str = ""


class Kept(NamedTuple):
    """An event that came: where it stands, who says so, and what tells it from another."""

    where: str
    source: str
    event: Event
    digest: bytes


class Change(NamedTuple):
    """One line of a dry run. ``sign``: + gives, - takes, ~ neither; ``held``: it waits for a human."""

    sign: str
    what: str
    customer: str
    text: str
    held: bool = False


class Difference(NamedTuple):
    """What one source changes: pairs that are new, no longer so, or held in another way; and what they were before.

    ``of``: how many pairs it could have lost; ``lost``: how many it does.
    """

    side: Side
    added: dict[Pair, Held]
    removed: dict[Pair, Held]
    changed: dict[Pair, tuple[Held, Held]]
    of: int
    lost: int


class Plan(NamedTuple):
    """What is to be put on record, what changes by it, and why something has to wait ("" if nothing has)."""

    items: Sequence[Item]
    changes: list[Change]
    held: str
    summary: dict[str, int]


class Items(Sequence[Item]):
    """Entries to be, made when they are asked for: a hundred thousand records are large as objects."""

    def __init__(self, parts: Sequence[Item | tuple[str, Event]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Items: ...
    def __getitem__(self, index: int | slice) -> Item | Items:
        if isinstance(index, slice):
            return Items(self._parts[index])
        part = self._parts[index]
        return part if isinstance(part, Item) else _item(*part)

    def __iter__(self) -> Iterator[Item]:
        for part in self._parts:
            yield part if isinstance(part, Item) else _item(*part)


def _item(source: str, event: Event) -> Item:
    body = json.loads(event.written)
    if not event.customer:
        return Item(event.kind, body)
    return Item(event.kind, {"source": source}, event.customer, body)


def difference(side: Side, told: Told) -> Difference:
    """What this source changes in what it was known to assert."""
    before = told.mapped.get(side.source, {})
    added = {pair: held for pair, held in side.mapped.items() if pair not in before}
    changed = {
        pair: (before[pair], held) for pair, held in side.mapped.items() if pair in before and before[pair] != held
    }
    if side.full:
        removed = {pair: held for pair, held in before.items() if pair not in side.mapped}
    else:
        # A prefix that is now somebody else's is no longer whose it was, unless both share it.
        moved = {prefix for (prefix, _), held in added.items() if held.kind != "shared"}
        removed = (
            {pair: held for pair, held in before.items() if pair[0] in moved and pair not in side.mapped}
            if moved
            else {}
        )
    baseline = before.keys() | told.lost.get(side.source, set())
    lost = len(baseline - side.mapped.keys()) if side.full else len(removed)
    return Difference(side, added, removed, changed, len(baseline), lost)


def faults(diff: Difference, told: Told) -> list[str]:
    """Why what this source says is not to be believed at all."""
    side = diff.side
    newest = told.spoken.get(side.source, "") if side.full or side.mapped else ""
    if side.at < newest:
        return [
            f"it is of {side.at}, and {side.source} was last heard at {newest}: older than what is known; "
            "export it anew"
        ]
    gone = told.gone.get(side.source, {})
    if any(gone.get(pair, "") >= side.at for pair in diff.added):
        return [f"it is of {side.at}, when {side.source} withdrew some of the same prefixes; give it a later time"]
    return []


def too_much(diff: Difference, percent: int) -> bool:
    """Guard A2: whether a full synchronisation loses more than this share of what the source had."""
    return diff.side.full and 100 * diff.lost > percent * diff.of


def plan(
    diffs: Sequence[Difference],
    events: Iterable[Kept],
    told: Told,
    *,
    held: str = "",
    refused: bool = False,
    accepted_by: int | None = None,
) -> Plan:
    """What is to be put on record. ``held``: why it waits for a human; ``refused``: the rows had faults;
    ``accepted_by``: the user who said that the loss is true.

    ``events``: with the name of their source. Of a refused import absence means nothing, so no prefix goes.
    """
    waits = bool(held) or refused
    fresh = list(_fresh(events, told))
    stays = _opening(diffs, told) if held and not refused else set()
    # In the order in which they came: what undoes a no has to come after it.
    items: list[Item | tuple[str, Event]] = [each for each in fresh if each[1].taking or not waits]
    changes = [_told(event, held=waits and not event.taking) for _, event in fresh]
    if waits:
        items += _narrowed(fresh, told)
    for diff in diffs:
        changes += _mapped(diff, stays, waits=waits, refused=refused)
        if not refused:
            items += _entries(diff, stays, waits=waits)
    counts = _summary(changes, diffs, told)
    if not refused:
        kind = "mapping.held" if waits else "mapping.synced"
        items += [_synced(diff, kind, accepted_by) for diff in diffs if diff.side.synced]
    return Plan(Items(items), changes, held, counts)


def _fresh(events: Iterable[Kept], told: Told) -> Iterator[tuple[str, Event]]:
    """The events that were not told before, each once."""
    said = set()
    for _, source, event, digest in events:
        if digest in told.said or digest in said:
            continue
        if not event.dated and undated(event.customer, json.loads(event.written)) in told.undated:
            continue
        said.add(digest)
        yield source, event


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


def _narrowed(fresh: Sequence[tuple[str, Event]], told: Told) -> Iterator[tuple[str, Event]]:
    """While a record that replaces another waits, the other covers only what both do."""
    for source, event in fresh:
        if event.kind != "record.given":
            continue
        record = json.loads(event.written)
        if record.get("prev_record") in told.records:
            body = {
                "at": record["created_at"], "by": f"import {source}", "note": "",
                "record_id": record["prev_record"], "scope": record["scope"],
            }  # fmt: skip
            less = Event("record.narrowed", event.customer, canonical(body))
            if less.digest not in told.said:
                yield source, less


def _opening(diffs: Sequence[Difference], told: Told) -> set[tuple[str, Pair]]:
    """What must stay mapped while a loss is held, because its going could open an address to looking or knocking.

    That is: what is not static (it denies), what overlaps with what anybody says of somebody else (a conflict, or a
    part that was given away, denies too), and what is of a customer who objects (the objection covers it).
    """
    objecting = told.objecting()
    crowded = _crowded(told)
    return {
        (diff.side.source, pair)
        for diff in diffs
        for pair, held in diff.removed.items()
        if held.kind != "static" or pair[1] in objecting or pair[0] in crowded
    }


def _crowded(told: Told) -> set[str]:
    """The prefixes that overlap with one of another customer. Prefixes lie in each other or apart: one pass."""
    crowded: set[str] = set()
    stack: list[tuple[int, str, set[str]]] = []
    spans = sorted((*_wide_first(prefix), prefix, who) for prefix, who in told.holders().items())
    for first, minus_last, prefix, who in spans:
        while stack and stack[-1][0] < first:
            stack.pop()
        if len(who) > 1:
            crowded.add(prefix)
        for _, wider, others in stack:
            if others != who:
                crowded.update((prefix, wider))
        stack.append((-minus_last, prefix, who))
    return crowded


def _wide_first(prefix: str) -> tuple[int, int]:
    first, last = one(prefix)
    return first, -last


def _less(before: Held, after: Held) -> bool:
    """Whether this change of how a customer has a prefix can only take permission away."""
    if after.kind != "static":
        return True
    sooner = after.until is not None and (before.until is None or after.until < before.until)
    return before.kind == "static" and before.session == after.session and sooner


def _entries(diff: Difference, stays: set[tuple[str, Pair]], *, waits: bool) -> list[Item]:
    """What takes, and what gives where nothing waits."""
    source = diff.side.source
    removed = {pair: held for pair, held in diff.removed.items() if (source, pair) not in stays}
    after = {pair: now for pair, (_, now) in diff.changed.items()} | diff.added
    if waits:
        less = {pair for pair, (before, now) in diff.changed.items() if _less(before, now)}
        after = {pair: now for pair, now in after.items() if pair in less}
    return _grouped("mapping.withdrawn", diff.side, removed) + _grouped("mapping.asserted", diff.side, after)


def _grouped(kind: str, side: Side, pairs: dict[Pair, Held]) -> list[Item]:
    groups: dict[tuple[str, Held], list[str]] = {}
    for (prefix, customer), held in pairs.items():
        groups.setdefault((customer, held), []).append(prefix)
    items = []
    for (customer, held), prefixes in groups.items():
        for start in range(0, len(prefixes), _GROUP):
            body: dict[str, Any] = {
                "source": side.source, "at": side.at, "kind": held.kind, "prefixes": prefixes[start : start + _GROUP],
            }  # fmt: skip
            if held.until:
                body["valid_until"] = held.until
            if held.session:
                body["session_id"] = held.session
            items.append(Item(kind, {"source": side.source}, customer, body))
    return items


def _synced(diff: Difference, kind: str, accepted_by: int | None) -> Item:
    side = diff.side
    public: dict[str, Any] = {"source": side.source, "at": side.synced, "prefixes": len(side.mapped)}
    if kind == "mapping.held" or diff.lost:
        public |= {"lost": diff.lost, "of": diff.of}
    if diff.lost and accepted_by is not None:
        public["accepted_by"] = accepted_by
    return Item(kind, public)


def _told(event: Event, *, held: bool) -> Change:
    body = json.loads(event.written)
    what = event.kind.partition(".")[2]
    match event.kind:
        case "record.given":
            scope = body["scope"]
            which = f"{' '.join(scope['tiers'])} {' '.join(scope['prefixes'])}"
            text = f"{body['record_id']} {body['basis']} {which} until {body['valid_until']}"
        case "record.objected":
            which = " ".join(body.get("prefixes") or ["everything"])
            text = f"{which}{', headers too' if body.get('headers') else ''}"
        case "record.announced":
            text = f"{body['channel']} {body['sent_at']} delivered {body['delivered']}"
        case "document.published":
            text = f"{body['kind']} {body['version']} {body['lang']} {body['sha256']}"
        case "record.contacts":
            text = " ".join(f"{each['role']}/{each['channel']}" for each in body["contacts"])
        case _:
            text = body.get("record_id") or ""
    return Change("-" if event.taking else "+", what, event.customer, text, held)


def _mapped(diff: Difference, stays: set[tuple[str, Pair]], *, waits: bool, refused: bool) -> list[Change]:
    source = diff.side.source
    changes = []
    for pair in diff.removed:
        changes.append(Change("-", "prefix", pair[1], pair[0], refused or (source, pair) in stays))
    for (prefix, customer), held in diff.added.items():
        changes.append(Change("+", "prefix", customer, _described(prefix, held), waits))
    for (prefix, customer), (before, after) in diff.changed.items():
        less = _less(before, after)
        text = f"{_described(prefix, after)}, was {_described('', before).strip()}"
        changes.append(Change("-" if less else "+", "prefix", customer, text, refused or (waits and not less)))
    return changes


def _described(prefix: str, held: Held) -> str:
    until = f" until {held.until}" if held.until else ""
    session = f" session {held.session}" if held.session else ""
    return f"{prefix} {held.kind}{until}{session}"


def _summary(changes: Sequence[Change], diffs: Sequence[Difference], told: Told) -> dict[str, int]:
    """How much changes, by what it is."""
    before = {customer for pairs in told.mapped.values() for _, customer in pairs}
    added = {pair for diff in diffs for pair in diff.added}
    removed = {pair for diff in diffs for pair in diff.removed}
    after = _after(diffs, told)
    moved = {prefix for prefix, _ in added} & {prefix for prefix, _ in removed}
    counts = {
        "customers_new": len({each.customer for each in changes if each.customer} - told.customers),
        "customers_gone": len(before - after),
        "prefixes_added": sum(prefix not in moved for prefix, _ in added),
        "prefixes_removed": sum(prefix not in moved for prefix, _ in removed),
        "prefixes_moved": len(moved),
        "prefixes_changed": sum(len(diff.changed) for diff in diffs),
    }
    for change in changes:
        if change.what != "prefix":
            counts[change.what] = counts.get(change.what, 0) + 1
    counts["held"] = sum(change.held for change in changes)
    counts["counting"] = len(changes) - counts["held"]
    return counts


def _after(diffs: Sequence[Difference], told: Told) -> set[str]:
    """The customers that have a prefix when all of this counts."""
    after: set[str] = set()
    by = {diff.side.source: diff for diff in diffs}
    for source in told.mapped.keys() | by.keys():
        diff = by.get(source)
        pairs = set(told.mapped.get(source, {}))
        if diff:
            pairs = (pairs - diff.removed.keys()) | diff.added.keys()
        after |= {customer for _, customer in pairs}
    return after
