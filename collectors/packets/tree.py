"""The end of the capture filter: the tier of a server's address, by one search tree, and what is wanted of the frame.

The program arrives with X on the address, A the version of IP, and in scratch memory the bits that the address must
have and the length that is wanted of the frame. The tree compares 32 bits at a time: one comparison for each place
where the tier changes, and for IPv6 a tree within a tree where it changes between addresses of the same first words.

What does not fit into the room there is is looked at less, never more: a range that is joined with its neighbours is of
tier HANDSHAKES or ANSWERS only where all of them are, and of tier HEADERS where one of them is.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, Union

from collectors.packets import assembler as op
from collectors.packets.assembler import Backwards, Instruction
from collectors.packets.wanted import ANSWERS, HANDSHAKES, HEADERS, QUIET, distinct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.packets.wanted import Step, Tiers

# Scratch memory: the bits of a tier that are needed, and the length that is wanted.
NEEDED, LENGTH = 4, 5

_PAYLOADS = HANDSHAKES | ANSWERS
_SIZES = (4, 16)
# What one step of an address of so many bytes costs, about: where it has more words, some trees within trees.
_COST = {4: 1.03, 16: 2.2}

Branch = tuple[int, Union[int, "Sequence[Branch]"]]
Steps = dict[int, "list[Step]"]


class Tree(NamedTuple):
    """The instructions; how many ranges that had HANDSHAKES or ANSWERS lost them; how many muted addresses did."""

    instructions: list[Instruction]
    demoted: int = 0
    unmuted: int = 0


def tree(tiers: Tiers, room: int) -> Tree:
    """The tree for these tiers in at most ``room`` instructions."""
    steps = {size: tiers.steps(size) for size in _SIZES}
    program = _if_it_fits(steps, room)
    if program:
        return Tree(program)
    muted = len(tiers.muted)
    bare = {size: tiers.steps(size, 0) for size in _SIZES} if muted else steps
    program = _if_it_fits(bare, room) if muted else None
    if program is None:
        coarse, program = _coarsened(bare, room)
        return Tree(program, _demoted(bare, coarse), muted)
    return _with_some_muted(tiers, room, program)


def _with_some_muted(tiers: Tiers, room: int, bare: list[Instruction]) -> Tree:
    """As many of the muted addresses as there is room for beside the prefixes."""
    muted = len(tiers.muted)
    all_of_it = len(_program({size: tiers.steps(size) for size in _SIZES}))
    kept = muted * (room - len(bare)) // (all_of_it - len(bare))
    while kept:
        program = _if_it_fits({size: tiers.steps(size, kept) for size in _SIZES}, room)
        if program:
            return Tree(program, 0, muted - kept)
        kept = kept * 15 // 16
    return Tree(bare, 0, muted)


def _if_it_fits(steps: Steps, room: int) -> list[Instruction] | None:
    if sum(map(len, steps.values())) > room:
        return None
    program = _program(steps)
    return program if len(program) <= room else None


def _program(steps: Steps) -> list[Instruction]:
    out = Backwards()
    leaves = _leaves(out, sorted({tier for found in steps.values() for _, tier in found}))
    six = _search(out, leaves, _by_words(steps[16], 0, 96), 0)
    four = _search(out, leaves, steps[4], 0)
    out.branch(op.JEQ, 6, six, four)
    return out.program()


def _leaves(out: Backwards, tiers: list[int]) -> dict[int, int]:
    """Each tier -> the place where it is judged whether that is enough."""
    drop = out.put(op.RET, 0)
    places = {0: drop}
    for tier in tiers:
        if tier & (HEADERS | _PAYLOADS):
            out.put(op.RET_A)
            places[tier] = wanted = out.put(op.LD_MEM, LENGTH)
            lacking = (HEADERS | _PAYLOADS) & ~tier | tier & QUIET
            if lacking:
                out.branch(op.JSET, lacking, drop, wanted)
                places[tier] = out.put(op.LD_MEM, NEEDED)
    return places


def _by_words(steps: list[Step], before: int, shift: int) -> list[Branch]:
    """Steps over numbers of 32 bits more than ``shift``, by their first 32: each to a tier or to steps over the rest.

    ``before`` is the tier in front of the first of them.
    """
    if not shift:
        return [(0, before), *steps] if steps[0][0] else list(steps)
    branches: list[Branch] = [(0, before)]
    mask = (1 << shift) - 1
    for word, group in groupby(steps, lambda step: step[0] >> shift):
        rest = [(start & mask, tier) for start, tier in group]
        if branches[-1][0] == word:
            branches.pop()
        if len(rest) == 1 and not rest[0][0]:
            branches.append((word, rest[0][1]))
        else:
            branches.append((word, _by_words(rest, before, shift - 32)))
            if word < 0xFFFFFFFF:
                branches.append((word + 1, rest[-1][1]))
        before = rest[-1][1]
    return branches


def _search(out: Backwards, leaves: dict[int, int], branches: Sequence[Branch], depth: int) -> int:
    """The place where a search among branches begins: with the address's word number ``depth``."""

    def place(low: int, high: int) -> int:
        if high - low > 1:
            middle = (low + high) // 2
            yes = place(middle, high)
            no = place(low, middle)
            return out.branch(op.JGE, branches[middle][0], yes, no)
        to = branches[low][1]
        return leaves[to] if isinstance(to, int) else _search(out, leaves, to, depth + 1)

    begin = place(0, len(branches))
    if begin != out.here:
        out.jump(begin)
    return out.put(op.LDW, 4 * depth)


def _coarsened(steps: Steps, room: int) -> tuple[Steps, list[Instruction]]:
    """Fewer steps, and the program of them; what costs least to treat as HEADERS goes first."""
    share = _shares(steps, room)
    coarse = steps
    while True:
        coarse = {size: _joined(coarse[size], int(share[size] / _COST[size]), 1 << 8 * size) for size in _SIZES}
        program = _program(coarse)
        if len(program) <= room or all(len(found) == 1 for found in coarse.values()):
            return coarse, program
        share = {size: share[size] * room / len(program) * 0.97 for size in _SIZES}


def _shares(steps: Steps, room: int) -> dict[int, float]:
    """Room for each length of addresses: in proportion, but none gets more than it needs."""
    need = {size: len(steps[size]) * _COST[size] + 8 for size in _SIZES}
    for size, other in ((4, 16), (16, 4)):
        if need[size] <= room / 2:
            return {size: need[size], other: room - need[size]}
    return {size: room * need[size] / sum(need.values()) for size in _SIZES}


def _joined(steps: list[Step], most: int, end: int) -> list[Step]:
    """At most so many steps: neighbours are joined where that costs the fewest addresses their tier."""
    if len(steps) <= most:
        return steps
    sizes = [after[0] - step[0] for step, after in zip(steps, [*steps[1:], (end, 0)], strict=True)]
    costs = [
        (left_size if left & ~right & _PAYLOADS or right & ~left & HEADERS else 0)
        + (right_size if right & ~left & _PAYLOADS or left & ~right & HEADERS else 0)
        for (_, left), (_, right), left_size, right_size in zip(steps, steps[1:], sizes, sizes[1:], strict=False)
    ]
    order = sorted(range(len(costs)), key=costs.__getitem__)
    gone = bytearray(len(steps))
    for at in order[: len(steps) - max(most, 1)]:
        gone[at + 1] = 1
    joined: list[Step] = []
    for joins, (start, tier) in zip(gone, steps, strict=True):
        if joins:
            first, before = joined[-1]
            joined[-1] = (first, before & tier & _PAYLOADS | (before | tier) & HEADERS)
        else:
            joined.append((start, tier))
    return distinct(joined)


def _demoted(steps: Steps, coarse: Steps) -> int:
    """How many ranges have lost what they had of payload."""
    count = 0
    for size in _SIZES:
        after = iter([*coarse[size][1:], (1 << 8 * size, 0)])
        now, (until, following) = coarse[size][0][1], next(after)
        for start, tier in steps[size]:
            while start >= until:
                now, (until, following) = following, next(after)
            count += bool(tier & ~now & _PAYLOADS)
    return count
