"""Which addresses may be looked at, and how deeply, by the register: the sets that ``agent.privacy.tiers`` takes.

What a customer agreed to holds where he alone has the address, by every source that has a say, statically, as far as
these sources are fresh, and when the quarantine of a former holder is over. Elsewhere nobody's word holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.leave import HANDSHAKE, Limits
from agent.privacy import Sets, common, minus, union

if TYPE_CHECKING:
    from agent.consent.fold import Folded
    from agent.consent.register import Register
    from agent.consent.state import Mapped, Record
    from agent.privacy import Ranges

_INF = float("inf")


class _Permitted:
    """What is consented and announced in the eyes of one moment, and until when that stays so."""

    def __init__(self, register: Register, time: float, limits: Limits) -> None:
        self._register, self._time, self._limits = register, time, limits
        self._consents: dict[str, tuple[list[Ranges], list[Ranges]] | None] = {}
        self.consented: Ranges = []
        self.announced: Ranges = []
        self.until = _INF
        self._fresh = {source: self._is_fresh(at) for source, at in register.sources().items()}
        self._told: dict[str, bool] = {}
        for first, last, claims in register.segments():
            self._segment(first, last, claims)

    def _is_fresh(self, at: float) -> bool:
        return self._now_or_later(at + self._limits.mapping)

    def _now_or_later(self, end: float) -> bool:
        """Whether something that lasts up to ``end`` lasts now, the end itself not included."""
        if end > self._time:
            self.until = min(self.until, end)
            return True
        return False

    def _begun(self, start: float) -> bool:
        if start > self._time:
            self.until = min(self.until, start)
            return False
        return True

    def _segment(self, first: int, last: int, claims: tuple[Mapped, ...]) -> None:
        ref = claims[0].customer
        for one in claims:
            if one.customer != ref or one.kind != "static" or not self._fresh.get(one.source, False):
                if one.until is not None:
                    self._now_or_later(one.until)
                return
            if one.until is not None and not self._now_or_later(one.until):
                return
            if one.before is not None and not self._begun(one.before + self._limits.quarantine):
                return
        self._permit(ref, first, last)

    def _permit(self, ref: str, first: int, last: int) -> None:
        told = self._told.get(ref)
        if told is None:
            told = self._told[ref] = self._is_told(ref)
        if told:
            self.announced.append((first, last))
        scopes = self._consents.get(ref)
        if scopes is None:
            scopes = self._consents[ref] = self._scopes(ref)
        for prefixes, excluded in zip(*scopes, strict=True):
            piece = common([(first, last)], prefixes)
            self.consented += minus(piece, excluded) if excluded else piece

    def _is_told(self, ref: str) -> bool:
        folded = self._register.folded(ref)
        if folded is None or folded.is_suspended() or folded.ended() is not None:
            return False
        # All of them are looked at, so that the next that begins to count is known.
        begun = [self._begun(one.sent + self._limits.announce) for one in folded.announced if one.delivered == "yes"]
        return any(begun)

    def _scopes(self, ref: str) -> tuple[list[Ranges], list[Ranges]]:
        """The prefixes and the exclusions of every record of his that lets his handshakes be looked at."""
        folded = self._register.folded(ref)
        if folded is None or folded.is_suspended() or folded.ended() is not None:
            return [], []
        records = [one for one in folded.records() if self._in_force(one, folded)]
        return [union(one.scope.prefixes) for one in records], [union(one.scope.excluded) for one in records]

    def _in_force(self, record: Record, folded: Folded) -> bool:
        if record.ended is not None or HANDSHAKE not in record.scope.tiers:
            return False
        if record.basis == "terms_objection":
            return False  # never by terms alone: they announce, and the set ``announced`` is for that
        known = self._register.documents
        if not all(sha256 in known for _, sha256 in record.documents):
            return False
        return self._begun(record.valid_from) and self._now_or_later(record.valid_until)


class Passive:
    """The sets of the register, made anew only where something changed or a time has come."""

    def __init__(self) -> None:
        self._made: tuple[int, float, Limits, float, Sets] | None = None
        self._limits = Limits()

    def dirty(self, folded: Folded, *, mapping: bool) -> None: ...

    def objected(self, folded: Folded) -> None: ...

    def sets(self, register: Register, time: float, limits: Limits) -> Sets:
        if self._made is not None:
            version, since, by, until, sets = self._made
            if version == register.version and by == limits and since <= time < until:
                return sets
        permitted = _Permitted(register, time, limits)
        objected: Ranges = []
        excluded: Ranges = []
        for objection, prefixes in register.standing():
            objected += prefixes
            if objection.headers:
                excluded += prefixes
        objected = union(objected)
        sets = Sets(
            [],
            union(permitted.consented),
            minus(union(permitted.announced), objected),
            objected,
            union(excluded),
        )
        self._made = (register.version, time, limits, permitted.until, sets)
        self._limits = limits
        return sets

    def next_change(self, register: Register, time: float, limits: Limits | None) -> float:
        self.sets(register, time, limits or self._limits)
        assert self._made is not None
        return self._made[3]
