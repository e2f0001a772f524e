"""What a source says of prefixes, and how that differs from what it was known to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.consent.turns import paced

if TYPE_CHECKING:
    from collections.abc import Generator

    from agent.consent.told import Held, Pair, Told


class Side(NamedTuple):
    """What one source says: ``at`` is its date, RFC 3339; ``full``: what it does not name is not so.

    ``synced``: the date of the full synchronisation that this is, "" where it is none.
    """

    source: str
    at: str
    full: bool
    mapped: dict[Pair, Held]
    synced: str = ""


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


def difference(side: Side, told: Told) -> Generator[None, None, Difference]:
    """What this source changes in what it was known to assert."""
    before = told.mapped.get(side.source, {})
    added: dict[Pair, Held] = {}
    changed: dict[Pair, tuple[Held, Held]] = {}
    for (pair, held), pause in paced(side.mapped.items()):
        if pause:
            yield
        was = before.get(pair)
        if was is None:
            added[pair] = held
        elif was != held:
            changed[pair] = was, held
    # A prefix that is now somebody else's is no longer whose it was, unless both share it.
    others = set() if side.full else {prefix for (prefix, _), held in side.mapped.items() if held.kind != "shared"}
    removed: dict[Pair, Held] = {}
    for (pair, held), pause in paced(before.items()):
        if pause:
            yield
        if (side.full or pair[0] in others) and pair not in side.mapped:
            removed[pair] = held
    yield
    lost = told.lost.get(side.source, set())
    still = sum(pair not in side.mapped and pair not in before for pair in lost) if side.full else 0
    of = len(before) + sum(pair not in before for pair in lost)
    return Difference(side, added, removed, changed, of, len(removed) + still)


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


def less(before: Held, after: Held) -> bool:
    """Whether this change of how a customer has a prefix can only take permission away."""
    if after.kind != "static":
        return True
    sooner = after.until is not None and (before.until is None or after.until < before.until)
    return before.kind == "static" and before.session == after.session and sooner
