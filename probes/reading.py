"""Answers to a probe -> facts in their normal form, and what these amount to by the fingerprint book. Pure.

The forms are those in which the same words are told when they are overheard (``agent.forms``); of a body only the
title is told. What was read is judged by the one path that judges everything else, ``agent.exchange.assess``.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import Malformed
from agent.exchange.active import LONE
from agent.exchange.assess import Belief, evidence_of, judge
from agent.exchange.corroborate import STRONG, corroborate
from agent.exchange.fingerprint import book
from agent.forms import Fact, text
from agent.forms.certificate import describe
from agent.forms.headers import SPELT, tell
from agent.forms.scrub import scrub
from agent.model import Endpoint, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.exchange.fingerprint import Book
    from agent.model import Evidence
    from probes.asks import Response

MAX_FACTS = 18  # of the headers of one answer: with certificate, status and title of each, three answers tell 63
MAX_VALUE = 16 << 10  # characters of one fact: agent.messages takes no longer one
MAX_LINE = 8000  # octets of one header, as where it is overheard
MAX_TITLE = 200  # characters

_ANSWER = Endpoint("::", 443)  # The server that answered, whichever it is: a probe does not know.
_FIRST = "X-OWA-Version: "  # What the probe is for, and so told before what there may be no room for.
_TITLE = re.compile(rb"<title(?:\s[^>]{0,200})?>([^<]{1,2000})</title", re.IGNORECASE)
_KINDS = ("http.status", "http.server", "http.header", "html.title", "tls.certificate")


class Read(NamedTuple):
    """What the answers so far told, what that amounts to, and the evidence for it."""

    told: tuple[Fact, ...]
    belief: Belief
    evidence: tuple[Evidence, ...]

    @property
    def exchange(self) -> bool:
        """Whether this is Exchange by what it says itself: nothing but a sign that names it will do."""
        return self.belief.product == "exchange" and self._strong("exchange")

    @property
    def build(self) -> bool:
        """Whether the exact build is known."""
        return self.exchange and self.belief.build is not None and self.belief.build.precision == "su"

    @property
    def builds(self) -> int:
        """How many builds were shown."""
        return len({e.claims.build for e in self.evidence if e.claims.build and e.claims.build.precision == "su"})

    @property
    def other(self) -> bool:
        """Whether another product, or Exchange in Microsoft's own house, says so of itself."""
        return self.belief.product in ("other", "exchange-online") and self._strong(self.belief.product)

    @property
    def lone(self) -> bool:
        """Whether a build was shown and nothing else that an Exchange shows with it."""
        return any(e.fingerprint == LONE for e in self.evidence)

    def _strong(self, product: str) -> bool:
        return any(e.weight >= STRONG and product in e.claims.products for e in self.evidence if e.fingerprint != LONE)


def prepare() -> Book:
    """The book with all read that an answer may need, for a process that soon opens no file any more."""
    known = book()
    for kind in _KINDS:
        known.of(kind)
    return known


def read(answers: Sequence[Response]) -> Read:
    """All that the answers tell, each fact once."""
    told = tuple(dict.fromkeys(fact for answer in answers for fact in facts(answer)))
    seen = [Observation(_ANSWER, kind, value, 0.0, "active", "exchange-http") for kind, value in told]
    matched = [e for o in seen for e in evidence_of(o, book())]
    evidence = (*matched, *corroborate(seen, matched))
    return Read(told, judge(evidence), evidence)


def facts(answer: Response) -> Iterator[Fact]:
    """What one answer tells: its certificate, its status, its headers, its title."""
    yield from _fitting(_certificate(answer.leaf))
    yield "http.status", str(answer.status)
    yield from _fitting(_headers(answer.headers))
    yield from _title(answer)


def _fitting(those: Iterable[Fact]) -> Iterator[Fact]:
    return (fact for fact in those if len(fact[1]) <= MAX_VALUE)


def _certificate(leaf: bytes) -> list[Fact]:
    try:
        return [("tls.certificate", describe(leaf))] if leaf else []
    except Malformed:
        return []


def _headers(headers: Iterable[tuple[str, str]]) -> list[Fact]:
    told: list[Fact] = []
    for name, value in headers:
        spelt = SPELT.get(name.lower())
        if spelt and len(name) + len(value) < MAX_LINE:
            # What is malformed tells nothing; what stands beside it is as true as before.
            try:
                tell(spelt.encode(), text(value.encode("latin-1", "replace")).strip(), told)
            except Malformed:
                continue
    distinct = dict.fromkeys(told)
    return sorted(distinct, key=lambda fact: not fact[1].startswith(_FIRST))[:MAX_FACTS]


def _title(answer: Response) -> Iterator[Fact]:
    """The title of a page that is not packed: nothing that unpacks what a stranger sent is worth a title."""
    kinds = [value for name, value in answer.headers if name.lower() in ("content-type", "content-encoding")]
    found = _TITLE.search(answer.body) if len(kinds) == 1 and kinds[0].lower().startswith("text/html") else None
    title = " ".join(html.unescape(text(found[1])).split()) if found else ""
    if told := scrub(title, MAX_TITLE).strip():
        yield "html.title", told
