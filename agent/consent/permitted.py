"""Where a customer's word holds for looking, at one moment.

It holds where he alone has the address, by every source that has a say, statically, as far as these sources are fresh,
and when the quarantine after a former holder is over. Elsewhere nobody's word holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.leave import HANDSHAKE
from agent.privacy import common, minus, union

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.consent.mapping import Claims, Segment
    from agent.consent.register import Register
    from agent.consent.state import Record, Scope
    from agent.leave import Limits
    from agent.privacy import Ranges

_Word = tuple[bool, tuple["Scope", ...]]  # whether he was told, and what his records let handshakes be looked at of


class Permitted:
    """``consented`` and ``announced`` of the stretches that it is given, and what time alone will change of them.

    ``boundaries``: a time, and the customer of whom something is then different.
    """

    def __init__(self, register: Register, time: float, limits: Limits, fresh: frozenset[str]) -> None:
        self._register, self._time, self._limits, self._fresh = register, time, limits, fresh
        self._words: dict[str, _Word] = {}
        self._known: dict[tuple[tuple[str, str], ...], bool] = {}  # whether all of these documents are published
        self.consented: Ranges = []
        self.announced: Ranges = []
        self.boundaries: list[tuple[float, str]] = []

    def take(self, segments: Iterable[Segment]) -> None:
        words, fresh, time = self._words, self._fresh, self._time
        tell, agree = self.announced.append, self.consented.append
        for first, last, claims in segments:
            prefix, ref, kind, source, since, before, until, _ = claims[0]
            if len(claims) > 1 or before is not None or until is not None or since > time:
                if not self._his_alone(claims):
                    continue
            elif kind != "static" or source not in fresh:
                continue
            word = words.get(ref)
            if word is None:
                word = words[ref] = self._word(ref)
            piece = prefix if prefix[0] == first and prefix[1] == last else (first, last)
            told, scopes = word
            if told:
                tell(piece)
            for scope in scopes:
                if piece in scope.prefixes and not scope.excluded:  # as nearly always
                    agree(piece)
                else:
                    named = common([piece], union(scope.prefixes))
                    self.consented += minus(named, union(scope.excluded))

    def _his_alone(self, claims: Claims) -> bool:
        held = True
        for one in claims:
            held &= one.customer == claims[0].customer and one.kind == "static" and one.source in self._fresh
            held &= self._begun(one.since, claims[0].customer)
            # Every time is noted, so that a claim in the way that ends is not overlooked.
            if one.until is not None:
                held &= self._lasts(one.until, claims[0].customer)
            if one.before is not None:
                held &= self._begun(one.before + self._limits.quarantine, claims[0].customer)
        return held

    def _lasts(self, end: float, ref: str) -> bool:
        """Whether something that lasts up to ``end`` lasts now; the end itself is behind it."""
        if end > self._time:
            self.boundaries.append((end, ref))
            return True
        return False

    def _begun(self, start: float, ref: str) -> bool:
        if start > self._time:
            self.boundaries.append((start, ref))
            return False
        return True

    def _word(self, ref: str) -> _Word:
        folded = self._register.folded(ref)
        if folded is None or (folded.suspended and folded.is_suspended()):
            return False, ()
        if folded.stopped and folded.ended() is not None:
            return False, ()
        sent = [one.sent for one in folded.announced if one.delivered == "yes"]
        told = bool(sent) and self._begun(min(sent) + self._limits.announce, ref)
        return told, tuple([one.scope for one in folded.records() if self._in_force(one, ref)])

    def _in_force(self, record: Record, ref: str) -> bool:
        if record.ended is not None or not record.verified or HANDSHAKE not in record.scope.tiers:
            return False
        if record.basis == "terms_objection":
            return False  # never by terms alone: who was told of them is in the set ``announced``
        known = self._known.get(record.documents)
        if known is None:
            published = self._register.documents
            known = all(sha256 in published for _, sha256 in record.documents)
            self._known[record.documents] = known
        if not known:
            return False
        return self._begun(record.valid_from, ref) and self._lasts(record.valid_until, ref)
