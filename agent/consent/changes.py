"""What an import changes, as an operator reads it: a line for each change, and how many there are of each sort."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.consent.difference import less
from agent.consent.turns import paced

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from agent.consent.difference import Difference
    from agent.consent.rows import Event
    from agent.consent.told import Held, Pair, Told


class Change(NamedTuple):
    """One line of a dry run. ``sign``: + gives, - takes, ~ neither; ``held``: it waits for a human."""

    sign: str
    what: str
    customer: str
    text: str
    held: bool = False


def of_events(fresh: Sequence[tuple[str, Event]], *, waits: bool) -> Generator[None, None, list[Change]]:
    changes = []
    for (_, event), pause in paced(fresh):
        if pause:
            yield
        changes.append(_told(event, held=waits and not event.taking))
    return changes


def _told(event: Event, *, held: bool) -> Change:
    body = event.body
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


def of_prefixes(
    diff: Difference, stays: set[tuple[str, Pair]], *, waits: bool, refused: bool
) -> Generator[None, None, list[Change]]:
    source = diff.side.source
    changes = []
    for pair, pause in paced(diff.removed):
        if pause:
            yield
        changes.append(Change("-", "prefix", pair[1], pair[0], refused or (source, pair) in stays))
    for ((prefix, customer), held), pause in paced(diff.added.items()):
        if pause:
            yield
        changes.append(Change("+", "prefix", customer, _described(prefix, held), waits))
    for ((prefix, customer), (before, after)), pause in paced(diff.changed.items()):
        if pause:
            yield
        takes = less(before, after)
        text = f"{_described(prefix, after)}, was {_described('', before).strip()}"
        changes.append(Change("-" if takes else "+", "prefix", customer, text, refused or (waits and not takes)))
    return changes


def _described(prefix: str, held: Held) -> str:
    until = f" until {held.until}" if held.until else ""
    session = f" session {held.session}" if held.session else ""
    return f"{prefix} {held.kind}{until}{session}"


def summary(
    changes: Sequence[Change], diffs: Sequence[Difference], told: Told
) -> Generator[None, None, dict[str, int]]:
    """How much changes, by what it is."""
    added = {pair[0] for diff in diffs for pair in diff.added}
    removed = {pair[0] for diff in diffs for pair in diff.removed}
    moved = added & removed
    yield
    gone = yield from _gone(diffs, told)
    counts = {
        "customers_new": len({each.customer for each in changes if each.customer} - told.customers),
        "customers_gone": gone,
        "prefixes_added": len({pair for diff in diffs for pair in diff.added if pair[0] not in moved}),
        "prefixes_removed": len({pair for diff in diffs for pair in diff.removed if pair[0] not in moved}),
        "prefixes_moved": len(moved),
        "prefixes_changed": sum(len(diff.changed) for diff in diffs),
    }
    yield
    for change in changes:
        if change.what != "prefix":
            counts[change.what] = counts.get(change.what, 0) + 1
    counts["held"] = sum(change.held for change in changes)
    counts["counting"] = len(changes) - counts["held"]
    return counts


def _gone(diffs: Sequence[Difference], told: Told) -> Generator[None, None, int]:
    """How many customers have a prefix before all of this counts, and none after it."""
    before: set[str] = set()
    after: set[str] = set()
    by = {diff.side.source: diff for diff in diffs}
    for source in told.mapped.keys() | by.keys():
        pairs, diff = told.mapped.get(source, {}), by.get(source)
        before.update(customer for _, customer in pairs)
        removed, added = (diff.removed, diff.added) if diff else ({}, {})
        yield
        after.update(pair[1] for pair in pairs if pair not in removed)
        after.update(customer for _, customer in added)
        yield
    return len(before - after)
