"""In which order an import counts, so that it may be put on record a part at a time, and be broken off anywhere.

What is on record of it at any moment lets nobody be looked at or knocked at who was not before, and would not be by all
of it. So what takes comes first. Of prefixes, those that lie inside others are asserted before these, and removed
after them: whose an address is comes from the longest prefix, and goes from what was said of it to what is said now.
(A customer who objects denies all that is his, so what becomes his comes at once.)
What denies while it is there (it is not static, it is another's too, its customer objects) goes when all else is in
its place. What is long is a generator, which stops every ``STEP`` things so that who runs it can do something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from agent.privacy import one

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Sequence

    from agent.consent.difference import Difference
    from agent.consent.rows import Event
    from agent.consent.told import Pair, Told

STEP = 4096  # things that are looked at in one turn

_T = TypeVar("_T")

Spoken = tuple[str, "Event"]  # with the name of its source


class Turns(NamedTuple):
    """Events in the order in which they count: what takes, what replaces a record, what gives.

    ``joined``: places in ``first`` that must be put on record together with the one before.
    """

    first: list[Spoken]
    joined: set[int]
    replacing: list[Spoken]
    giving: list[Spoken]


def finished(steps: Generator[None, None, _T]) -> _T:
    """What a work of many turns comes to, done at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def paced(things: Iterable[_T]) -> Iterator[tuple[_T, bool]]:
    """These, each with whether it is time to stop for a moment."""
    for number, thing in enumerate(things, 1):
        yield thing, number % STEP == 0


def arranged(events: Sequence[Spoken]) -> Generator[None, None, Turns]:
    """The turns of these events, which came in this order.

    What undoes a no has to come after it. So where something that gives is followed by something of the same customer
    that takes, it is not told apart: from the one to the other his events stay together, and take.
    """
    of, last = yield from _chains(events)
    turns = Turns([], set(), [], [])
    chains: dict[str, list[Spoken]] = {}
    for (place, spoken), pause in paced(enumerate(events)):
        if pause:
            yield
        event = spoken[1]
        chain = of[place] if place <= last.get(of[place], -1) else None
        if chain is not None and (chain in chains or not event.taking):
            chains.setdefault(chain, []).append(spoken)
        elif event.taking:
            turns.first.append(spoken)
        elif event.kind == "record.given" and b'"prev_record":' in event.written:
            turns.replacing.append(spoken)
        else:
            turns.giving.append(spoken)
    for together in chains.values():
        turns.joined.update(range(len(turns.first) + 1, len(turns.first) + len(together)))
        turns.first.extend(together)
    return turns


def _chains(events: Sequence[Spoken]) -> Generator[None, None, tuple[list[str], dict[str, int]]]:
    """Who each event is about, and of each of these the place of the last that takes after one that gives."""
    of: list[str] = []
    given: set[str] = set()
    lifters: dict[str, str] = {}  # objection -> who has lifted it in this import
    last: dict[str, int] = {}
    for (place, (_, event)), pause in paced(enumerate(events)):
        if pause:
            yield
        about = event.customer
        if event.kind == "record.objection_lifted":
            lifters[event.body["objection_id"]] = about
        elif lifters and event.kind == "record.objected":
            about = lifters.get(event.body["objection_id"], about)
        of.append(about)
        if not event.taking:
            given.add(about)
        elif about in given:
            last[about] = place
    return of, last


def denying(diffs: Sequence[Difference], told: Told) -> Generator[None, None, set[tuple[str, Pair]]]:
    """What of that which goes could open an address to looking or knocking by its going alone.

    That is: what is not static (it denies), what ends by itself (what has ended denies), what overlaps with what
    anybody says of somebody else (a conflict, or a part that was given away, denies too), and what is of a customer
    who objects (the objection covers it).
    """
    if not any(diff.removed for diff in diffs):
        return set()
    objecting = told.objecting()
    overlapping = yield from crowded(told)
    found = set()
    for diff in diffs:
        for (pair, held), pause in paced(diff.removed.items()):
            if pause:
                yield
            if held.kind != "static" or held.until or pair[1] in objecting or pair[0] in overlapping:
                found.add((diff.side.source, pair))
    return found


def crowded(told: Told) -> Generator[None, None, set[str]]:
    """The prefixes that overlap with one of another customer. Prefixes lie in each other or apart: one pass."""
    found: set[str] = set()
    holders = told.holders()
    stack: list[tuple[int, str]] = []
    for (first, below, prefix), pause in paced((yield from _wide_first(holders))):
        if pause:
            yield
        while stack and stack[-1][0] < first:
            stack.pop()
        who = holders[prefix]
        if len(who) > 1:
            found.add(prefix)
        for _, wider in stack:
            if holders[wider] != who:
                found.update((prefix, wider))
        stack.append((-below, prefix))
    return found


def heights(prefixes: Collection[str]) -> Generator[None, None, dict[str, int]]:
    """How many of these prefixes lie in each other inside of one, at most; nothing of those in which none does."""
    found: dict[str, int] = {}
    stack: list[tuple[int, str]] = []
    for (first, below, prefix), pause in paced((yield from _wide_first(prefixes))):
        if pause:
            yield
        while stack and stack[-1][0] < first:
            stack.pop()
        for height, (_, wider) in enumerate(reversed(stack), 1):
            if found.get(wider, 0) >= height:
                break
            found[wider] = height
        stack.append((-below, prefix))
    return found


def _wide_first(prefixes: Collection[str]) -> Generator[None, None, list[tuple[int, int, str]]]:
    """First address, last address below zero, prefix: sorted, a wider prefix before those in it."""
    spans: list[tuple[int, int, str]] = []
    for prefix, pause in paced(prefixes):
        if pause:
            yield
        first, last = one(prefix)
        spans.append((first, -last, prefix))
    yield
    spans.sort()
    yield
    return spans
