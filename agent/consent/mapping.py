"""Whose an address is: what every source asserts and withdraws of prefixes, folded by the dates that it gives.

Of one source, one prefix and one customer the latest word holds, whenever it came in; said at one time, a withdrawal
holds over an assertion. A source that has given a prefix to somebody has thereby given its addresses away from whoever
has a wider prefix from it: customers' assignments lie inside the provider's own block. Sources that disagree are all
shown, and so are two customers of one prefix.

Addresses that change hands are known by whoever had them before: a withdrawal, an end, or a prefix that was given out
of a wider one.
The quarantine counts from the later of the date that the source gives and the hour in which it was heard.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from agent.consent.covering import Covering
from agent.consent.reading import ranges, seconds, shared
from agent.consent.state import Mapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from agent.consent.state import Holding, Range

Claims = tuple[Mapped, ...]
Segment = tuple[int, int, Claims]  # first and last address, and what holds between them

_DOUBT: dict[Holding, int] = {"static": 0, "dynamic": 1, "shared": 2, "unknown": 3}
_INF = float("inf")


class Former(NamedTuple):
    """Who had a prefix until, at the latest, ``known``: seconds since the epoch."""

    customer: str
    source: str
    known: float


class Dated(float):
    """The date that a source gives, and when, at the latest, it was heard of: one object for both, for there are many.

    All that asks for the date has a number, and need not know of the rest.
    """

    __slots__ = ("known",)
    known: float

    def __new__(cls, at: float, known: float = 0.0) -> Dated:
        made = super().__new__(cls, at)
        made.known = known
        return made


class _Word(NamedTuple):
    """What a source once said of a prefix and a customer; ``mapped`` is None for a withdrawal."""

    at: float
    known: float
    doubt: int = 0
    mapped: Mapped | None = None


@lru_cache(1024)
def _dated(at: float, known: float) -> Dated:
    """Within a second it is heard of at once."""
    return Dated(at, known if known > at + 1 else at)


def _known(mapped: Mapped) -> float:
    return getattr(mapped.since, "known", mapped.since)


Key = tuple[str, "Range", str]  # source, prefix, customer


class Mapping:
    """All sources' assertions. ``version`` rises whenever something of it changes."""

    def __init__(self) -> None:
        self._claims: Covering[Claims] = Covering()
        self._formers: Covering[tuple[Former, ...]] = Covering()
        self._words: dict[Key, list[_Word]] = {}  # only where more than one assertion was made
        self.version = 0

    def assert_(self, customer: str, private: dict[str, Any], received: float) -> tuple[Range, ...]:
        """``mapping.asserted``. The prefixes whose claims have changed."""
        at = seconds(private["at"])
        source, kind, session = shared(private["source"]), shared(private.get("kind", "static")), None
        until = seconds(private["valid_until"]) if "valid_until" in private else None
        if "session_id" in private:
            session = private["session_id"]
        known = max(at, received)
        since, told = _dated(at, known), ranges(private["prefixes"])
        words, add = self._words, self._claims.add
        for prefix in told:
            mapped = Mapped(prefix, customer, kind, source, since, None, until, session)
            if (words and (source, prefix, customer) in words) or not add(prefix, (mapped,)):  # nearly never
                self._say((source, prefix, customer), _Word(at, known, _DOUBT[kind], mapped))
        self.version += 1
        return told

    def withdraw(self, customer: str, private: dict[str, Any], received: float) -> tuple[Range, ...]:
        """``mapping.withdrawn``. The prefixes whose claims have changed."""
        at = seconds(private["at"])
        source = shared(private["source"])
        gone = ranges(private["prefixes"])
        for prefix in gone:
            self._say((source, prefix, customer), _Word(at, max(at, received)))
        self.version += 1
        return gone

    def _say(self, key: Key, word: _Word) -> None:
        source, prefix, customer = key
        claims = self._claims.get(prefix) or ()
        if key not in self._words:
            if word.mapped and not any(one.customer == customer and one.source == source for one in claims):
                self._put(prefix, (*claims, word.mapped))  # the first that is heard of it: nearly always the only one
                return
            self._words[key] = [_first(one) for one in claims if one.customer == customer and one.source == source]
        words = self._words[key]
        words.append(word)
        words.sort(key=lambda each: (each.at, each.mapped is None, each.doubt, -_until(each.mapped), each.known))
        self._put(prefix, self._refold(key, words, claims))

    def _refold(self, key: Key, words: list[_Word], claims: Claims) -> Claims:
        """The claims to a prefix after those of one source for one customer were put together anew."""
        source, prefix, customer = key
        held, formers = None, []
        for word in words:
            if word.mapped is None:
                # He had it before that, or may have: an assertion that is older may still be on its way.
                formers.append(Former(customer, source, word.known))
                held = None
                continue
            held = word.mapped._replace(since=held.since if held else Dated(word.at, word.known))
        self._put_formers(prefix, customer, source, formers)
        rest = tuple(one for one in claims if one.customer != customer or one.source != source)
        return (*rest, held) if held else rest

    def _put(self, prefix: Range, claims: Claims) -> None:
        if claims:
            self._claims.put(prefix, claims)
        elif self._claims.get(prefix):
            self._claims.drop(prefix)

    def _put_formers(self, prefix: Range, customer: str, source: str, formers: list[Former]) -> None:
        before = self._formers.get(prefix) or ()
        rest = tuple(one for one in before if one.customer != customer or one.source != source)
        if formers or rest:
            self._formers.put(prefix, (*rest, *formers))
        elif before:
            self._formers.drop(prefix)

    def forget(self, customer: str, prefixes: Sequence[Range]) -> None:
        """As if nothing had ever been said of this customer, whose claims are to these prefixes."""
        for key in [key for key in self._words if key[2] == customer]:
            self._put_formers(key[1], customer, key[0], [])
            del self._words[key]
        for prefix in prefixes:
            self._put(prefix, tuple(one for one in self._claims.get(prefix) or () if one.customer != customer))
        self.version += 1

    def held(self, customer: str, prefix: Range) -> bool:
        """Whether some source says that exactly this prefix is his."""
        return any(one.customer == customer for one in self._claims.get(prefix) or ())

    def claims(self, customer: str, prefix: Range) -> Claims:
        """What the sources say of exactly this prefix and this customer."""
        return tuple(one for one in self._claims.get(prefix) or () if one.customer == customer)

    def holders(self, address: int, time: float | None = None) -> Claims:
        """What each source says of an address, by the longest of its prefixes there; the longest of all first.

        With a ``time``, what had ended by then is left out; it is no reason to take a wider prefix in its place.
        """
        nodes = self._claims.at(address)
        if not nodes:
            return ()
        formers = self._formers.at(address)
        if len(nodes) == 1 and not formers and len(nodes[0]) == 1:
            return nodes[0] if time is None or _until(nodes[0][0]) > time else ()
        return self._settled(nodes, formers, time)

    def _settled(self, nodes: Sequence[Claims], formers: Sequence[tuple[Former, ...]], time: float | None) -> Claims:
        """Of claims by prefixes that cover each other, the longest first: who has it, and since when from whom."""
        level: dict[str, int] = {}  # the longest prefix of each source, by its place
        for place, node in enumerate(nodes):
            for one in node:
                level.setdefault(one.source, place)
        made = []
        for place, node in enumerate(nodes):
            for one in node:
                if level[one.source] == place and (time is None or _until(one) > time):
                    before = self._before(one, nodes, formers)
                    made.append(one if before is None else one._replace(before=before))
        return tuple(made)

    def _before(self, mine: Mapped, nodes: Sequence[Claims], formers: Sequence[tuple[Former, ...]]) -> float | None:
        """When the address last came from somebody else; None where nobody else is known to have had it."""
        times = [former.known for node in formers for former in node if former.customer != mine.customer]
        for node in nodes:
            for one in node:
                if one.customer == mine.customer:
                    continue
                if one.until is not None:
                    times.append(one.until)
                if one.source == mine.source and one.since < mine.since and one.prefix != mine.prefix:
                    # A part of what he had was given away.
                    times.append(max(mine.since, _known(mine)))
        return max(times, default=None)

    def disputed(self, customer: str, prefix: Range, time: float) -> bool:
        """Whether this is his prefix, and not only his: by what is said of it, and by other sources of wider ones.

        Of those who are said to have it, the first by name is asked for all. What had ended by then does not count.
        """
        around = self._claims.over(prefix)
        if len(around) == 1 and len(around[0]) == 1:
            return False  # nearly always
        holders = {one.customer for one in self._settled(around, (), time)}
        his = [one.customer for one in self._claims.get(prefix) or () if _until(one) > time]
        return len(holders) > 1 and bool(his) and min(his) == customer

    def sole(self, prefix: Range) -> str | None:
        """The one customer in whose mapping all of a prefix lies; None where somebody else has any part of it."""
        around = self._claims.over(prefix)
        customers = {one.customer for one in self._settled(around, (), None)} if around else set()
        customers |= {one.customer for claims in self._claims.inside(prefix) for one in claims}
        return customers.pop() if around and len(customers) == 1 else None

    def segments(self) -> Iterator[Segment]:
        """Every stretch of mapped addresses and its holders, as ``holders`` gives them; sorted, disjoint."""
        # A claim has its prefix: there is no need to make it of its key.
        return self._sweep(
            [(claims[0].prefix, False, claims) for claims in self._claims.values()], self._formers.items()
        )

    def within(self, prefix: Range) -> Iterator[Segment]:
        """The same of the addresses of one prefix."""
        return self._sweep(
            [(cut, False, claims) for cut, claims in self._claims.part(prefix)], self._formers.part(prefix)
        )

    def _sweep(
        self, nodes: list[tuple[Range, bool, Any]], formers: Iterator[tuple[Range, tuple[Former, ...]]]
    ) -> Iterator[Segment]:
        """Prefixes lie in each other or apart, so one pass with a stack of those that are open finds every stretch."""
        nodes += [(prefix, True, value) for prefix, value in formers]
        nodes.reverse()  # those that are of one size stand longest first, and the widest has to be opened first
        nodes.sort(key=_end, reverse=True)
        nodes.sort(key=_start)
        nodes += [((_BEHIND, _BEHIND), False, ())] * 2
        stack: list[tuple[Range, bool, Any]] = []
        at = 0
        for node, (following, _, _) in pairwise(nodes):
            first, end = node[0]
            while stack and stack[-1][0][1] < first:
                last = stack[-1][0][1]
                if at <= last:
                    if len(stack) == 1 and not stack[0][1] and len(stack[0][2]) == 1:
                        yield at, last, stack[0][2]
                    else:
                        yield from self._stretch(at, last, stack)
                    at = last + 1
                stack.pop()
            if not stack and not node[1] and end < following[0] and len(node[2]) == 1:
                yield first, end, node[2]  # nearly always: it lies in none, and none in it
                continue
            if stack and at < first:
                yield from self._stretch(at, first - 1, stack)
            at = first
            stack.append(node)

    def _stretch(self, first: int, last: int, stack: list[tuple[Range, bool, Any]]) -> Iterator[Segment]:
        nodes = [value for _, former, value in reversed(stack) if not former]
        if nodes:
            yield first, last, self._settled(nodes, [value for _, former, value in stack if former], None)

    def __len__(self) -> int:
        return len(self._claims)


_BEHIND = 1 << 131


def _start(node: tuple[Range, bool, Any]) -> int:
    return node[0][0]


def _end(node: tuple[Range, bool, Any]) -> int:
    return node[0][1]


def _first(mapped: Mapped) -> _Word:
    return _Word(mapped.since, _known(mapped), _DOUBT[mapped.kind], mapped)


def _until(mapped: Mapped | None) -> float:
    return _INF if mapped is None or mapped.until is None else mapped.until
