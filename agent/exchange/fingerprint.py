"""The fingerprint book: what a value of each observation kind says of the server that showed it.

The book is data: ``data/fingerprints/<kind>.toml``. ``book()`` is the packaged one for the hot path: it reads the file
of a kind when that kind is first asked for, leaves out the examples, and compiles a pattern when a text first holds
one of its literals. ``load()`` reads everything and proves every entry by its examples first.
"""

from __future__ import annotations

import functools
import os.path
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.build import BuildRange, parse, span
from agent.exchange.book_lines import bare_entries
from agent.exchange.matchers import Fields, Keywords, Matcher, Pattern, Words
from agent.exchange.normal import MAX_TEXT, canonical
from agent.model import KINDS, Claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PACKAGED = os.path.join(os.path.dirname(__file__), "data", "fingerprints")  # pathlib would cost 6 ms of every start
REMEMBERED = 1024  # distinct values whose matches are kept; an edge sees the same banners over and over


class Match(NamedTuple):
    """A fingerprint that matched, what it claims, and its log-likelihood weight (nats)."""

    fingerprint: str
    claims: Claims
    weight: float


class Fingerprint(NamedTuple):
    """One entry. ``contains`` are lower-case literals, one of which any matching text holds (empty: no such test).

    ``precision`` is P (product), G (generation), CU or SU: how far a match narrows the build down.
    """

    id: str
    kind: str
    matcher: Matcher
    claims: Claims
    weight: float
    precision: str
    contains: tuple[str, ...] = ()

    def captures(self, text: str) -> dict[str, str] | None:
        """What the entry catches in a normalised text, or None where it does not match."""
        if self.contains:
            lower = text.lower()
            if not any(literal in lower for literal in self.contains):
                return None
        return self.matcher.match(text)

    def match(self, text: str) -> Match | None:
        """What a normalised text that matches amounts to, or None."""
        caught = self.captures(text)
        if caught is None:
            return None
        try:
            return Match(self.id, self._claimed(caught), self.weight)
        except ValueError:
            return None  # A part above 16 bits: no Exchange wrote that, and what surrounds it is as false.

    def _claimed(self, caught: dict[str, str]) -> Claims:
        if not caught:
            return self.claims
        return self.claims._replace(
            build=_build(caught, self.precision),
            windows=caught.get("windows", self.claims.windows),
            name=caught.get("name"),
        )


def _build(caught: dict[str, str], precision: str) -> BuildRange | None:
    """The build that was caught, if one was. Raises ValueError where its parts are no build's."""
    text = caught.get("build") or caught.get("branch")
    if text is None:
        return None
    parts = parse(text)
    if precision == "SU":
        return BuildRange(*span(parts), "su")
    return BuildRange(*span(parts[:3]), "cu")


def entry(kind: str, raw: dict[str, Any]) -> Fingerprint:
    """The fingerprint of one ``[[fingerprint]]`` table whose shape is right."""
    matcher: Matcher
    if "pattern" in raw:
        matcher = Pattern(raw["pattern"])
    elif "words" in raw:
        matcher = Words(raw["words"], raw.get("unless", ()))
    elif "keywords" in raw:
        matcher = Keywords(kind, raw["keywords"])
    else:
        matcher = Fields(raw["fields"])
    constant = raw.get("claims", {})
    claims = Claims(
        products=tuple(constant.get("products", ())),
        generations=tuple(constant.get("generations", ())),
        windows=constant.get("windows"),
    )
    contains = tuple(raw.get("contains", ()))
    return Fingerprint(raw["id"], kind, matcher, claims, float(raw["weight"]), raw["precision"], contains)


class Book:
    """The fingerprints of every kind, each kind's read when it is first asked for."""

    def __init__(self, read: Callable[[str], tuple[Fingerprint, ...]]) -> None:
        self.of = functools.cache(read)
        self._matches = functools.lru_cache(REMEMBERED)(self._match)

    def match(self, kind: str, text: str) -> tuple[Match, ...]:
        """Every fingerprint that matches ``text`` as a value of ``kind``; the text need not be in normal form."""
        return self._matches(kind, text[:MAX_TEXT])

    def _match(self, kind: str, text: str) -> tuple[Match, ...]:
        kind, value = canonical(kind, text)
        return tuple(found for fingerprint in self.of(kind) if (found := fingerprint.match(value)))

    def __iter__(self) -> Iterator[Fingerprint]:
        return (fingerprint for kind in KINDS for fingerprint in self.of(kind))


def _packaged(kind: str) -> tuple[Fingerprint, ...]:
    try:
        with open(os.path.join(PACKAGED, f"{kind}.toml"), encoding="utf-8") as file:
            return tuple(entry(kind, raw) for raw in bare_entries(file.read()))
    except FileNotFoundError:
        return ()


@functools.cache
def book() -> Book:
    """The packaged book, read as it is needed and not proved: the tests prove it."""
    return Book(_packaged)


def load(directory: Path | str = PACKAGED) -> Book:
    """The book in ``directory`` (the packaged one by default), every entry proved by its own examples.

    Raises ConfigError, which names file and entry and says what would be right.
    """
    from pathlib import Path

    from agent.exchange.proof import proved

    proven = proved(Path(directory))
    return Book(lambda kind: proven.get(kind, ()))
