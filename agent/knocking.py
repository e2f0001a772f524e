"""Knocking, as the agent sees to it: whom to ask for, when, and what becomes of each grant. The prober does it.

Nothing here decides: every request goes through the gate, and a grant that would not be given any more, for whatever
reason, is cancelled.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.asked import OutcomeOf
from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.consent.decide import decide
from agent.consent.history import History
from agent.ipc import Type
from agent.leave import OUTCOMES, PROBES, REASONS, Budget, Grant, Refusal, Refused, Request
from agent.model import Endpoint, Observation

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from agent.consent.gate import Held
    from agent.leave import Conditions, Sighting
    from agent.office import Office

SLICE = 100  # servers that are considered at a time
PAUSE = 60.0  # seconds from having considered all of them to beginning anew
_SOON = 2.0  # where there were none
_TICK = 0.5  # seconds between two looks at what is to be done
_LATE = 10.0  # seconds after its deadline at which a grant of which nothing is heard is given up
_HOUR = 3600.0


class Candidate(NamedTuple):
    """A server that it may be worth knocking at."""

    address: str
    port: int
    sighting: Sighting | None


class Knocking:
    """``candidates`` gives the addresses worth asking for, ``sighted`` what is known of one; ``observe`` takes what is
    learnt, ``granted`` each grant before it goes out, ``ended`` what the prober said of one when that is on record;
    ``chance`` gives a number from 0 to 1.
    """

    def __init__(
        self,
        office: Office,
        *,
        candidates: Callable[[], list[str]],
        sighted: Callable[[str], Candidate | None],
        monotonic: Callable[[], float],
        chance: Callable[[], float],
        observe: Callable[[Observation], None],
        granted: Callable[[Grant], None],
        ended: Callable[[OutcomeOf], None],
        log: logging.Logger,
    ) -> None:
        self._office = office
        self._candidates = candidates
        self._sighted = sighted
        self._monotonic = monotonic
        self._chance = chance
        self._observe = observe
        self._granted = granted
        self._ended = ended
        self._log = log
        self._send: Callable[[Type, dict[str, Any]], None] | None = None
        self._queue: list[str] = []
        self._round_due = 0.0
        self._tick_due = 0.0
        self._start_due = 0.0
        self._killed: bool | None = False
        self._cancels = 0
        self._cancelled: set[str] = set()
        # Of each server that it would be worth knocking at, by address.
        self.refusals: dict[str, Refused] = {}
        self._denied: Counter[str] = Counter()
        self._denied_due = 0.0
        self._unrecorded: dict[str, OutcomeOf] = {}
        # All of them from the start, so that what never happened is seen to be 0.
        self.decisions = Counter({("granted", ""): 0, **{("refused", reason): 0 for reason in REASONS}})
        self.outcomes = Counter({(probe, outcome): 0 for probe in PROBES for outcome in OUTCOMES})

    def met(self, send: Callable[[Type, dict[str, Any]], None]) -> None:
        """There is a prober from now on, and this reaches it."""
        self._send = send

    def lost(self) -> None:
        """The prober has gone: nobody knows what became of what it was doing."""
        self._send = None
        for held in list(self._office.gate.held.values()):
            if held.grant.id not in self._unrecorded:
                self._unknown(held, "the prober went away")

    def end(self) -> None:
        """Nobody is asked for any more; what was refused since the last entry about it goes on record."""
        self._denied_due = 0.0
        self._note_denied(self._monotonic())

    def until_due(self) -> float:
        """Seconds until ``tend`` has something to do."""
        return max(0.0, self._tick_due - self._monotonic())

    def tend(self) -> None:
        """Do what is due."""
        now = self._monotonic()
        if now < self._tick_due:
            return
        self._tick_due = now + _TICK
        self._late(now)
        self._retry()
        self._watch_switch()
        self._overtaken()
        self._consider(now)
        self._note_denied(now)

    def recheck(self) -> int | None:
        """Cancel what would not be granted any more; the number of the cancellation, None where there is none."""
        gone = self._gone()
        return self.cancel(gone) if gone else None

    def cancel(self, ids: Iterable[str] | None) -> int | None:
        """End these probes, or all (None). The number that the prober answers with; None where there is no prober."""
        if self._send is None:
            return None
        held = self._office.gate.held.keys()
        named = list(held if ids is None else ids)
        self._cancelled = held & (self._cancelled | set(named))
        self._cancels += 1
        self._send(Type.CANCEL, {"number": self._cancels, "ids": None if ids is None else named})
        return self._cancels

    def let_be(self, customer: str) -> None:
        """Break off what is under way at a customer's; on record it has an end that nobody knows. Raises AuditError."""
        his = [held for held in self._office.gate.held.values() if held.leave.customer == customer]
        if his:
            self.cancel([held.grant.id for held in his])
        for held in his:
            told = self._unrecorded.get(held.grant.id) or _ended_unknown(held, "broken off")
            self._office.gate.finish(told)
            self._unrecorded.pop(held.grant.id, None)
            self.outcomes[held.grant.probe, told.outcome] += 1

    def ask(self, request: Request) -> Grant | Refusal:
        """Knock, if there is leave. The refusal of an order is counted like any other."""
        if self._send is None:
            return self._refused("not_armed", "there is no prober: probe.armed is false, or it is just being started")
        budget = Budget(seconds=float(self._office.config.probe.seconds))
        answer = self._office.gate.admit(request, self._office.conditions(), budget)
        if isinstance(answer, Refusal):
            return self._refused(*answer)
        self.decisions["granted", ""] += 1
        self._granted(answer)
        self._send(Type.GRANT, {"grant": answer._asdict() | {"budget": answer.budget._asdict()}})
        return answer

    def ended(self, told: OutcomeOf) -> None:
        """The prober says what became of a grant: first that goes on record, and then it is believed."""
        try:
            finished = self._office.gate.finish(told)
        except AuditError:
            self._unrecorded.setdefault(told.id, told)  # what was said first is what counts
            return
        if finished is None:
            return
        held, outcome = finished
        if told.outcome != "unknown":
            self._ended(told)
        self.outcomes[held.grant.probe, outcome] += 1
        self._log.info("probe ended", extra={"id": held.grant.id, "outcome": outcome, "entry": held.grant.number})
        if outcome == told.outcome:
            for observation in _learnt(held, told, self._office.now()):
                self._observe(observation)

    def body(self) -> dict[str, Any]:
        """Its part of a snapshot."""
        return {
            "running": len(self._office.gate.held),
            "decisions": [
                {"decision": decision, "reason": reason, "count": count}
                for (decision, reason), count in sorted(self.decisions.items())
            ],
            "refused_now": dict(Counter(refused.reason for refused in self.refusals.values())),
            "outcomes": [
                {"probe": probe, "outcome": outcome, "count": count}
                for (probe, outcome), count in sorted(self.outcomes.items())
            ],
            "prober": self._send is not None,
        }

    def _consider(self, now: float) -> None:
        """Ask for some of the servers that are worth it."""
        if self._send is None:
            return
        if not self._queue and now >= self._round_due:
            self._queue = self._candidates()
            asked = set(self._queue)
            self.refusals = {address: refused for address, refused in self.refusals.items() if address in asked}
            self._round_due = now + (PAUSE if self._queue else _SOON)
        if not self._queue:
            return
        conditions = self._office.conditions()
        for _ in range(min(SLICE, len(self._queue))):
            if now < self._start_due:
                return
            self._ask_for(self._queue.pop(), conditions, now)

    def _ask_for(self, address: str, conditions: Conditions, now: float) -> None:
        found = self._sighted(address)
        if found is None:
            return
        request = Request(found.address, found.port, PROBES[0], "schedule", found.sighting)
        answer = self._office.gate.decide(request, conditions)
        if isinstance(answer, Refusal):
            # A refusal is counted when it is news: who is asked for each minute would drown the others.
            known = self.refusals.get(address)
            if known is None or known.reason != answer.reason:
                self._refused(*answer)
                known = Refused(*answer, self._office.now())
            self.refusals[address] = known._replace(detail=answer.detail)
            return
        self.refusals.pop(address, None)
        self.ask(request)
        # Between two of them as long as the pace asks for, half of it and as much again at random.
        self._start_due = now + 60.0 / conditions.limits.per_minute * (0.5 + self._chance())

    def _refused(self, reason: str, detail: str) -> Refusal:
        self.decisions["refused", reason] += 1
        self._denied[reason] += 1
        return Refusal(reason, detail)

    def _watch_switch(self) -> None:
        killed = self._office.killed()
        if killed is not False and self._killed is False:
            self.cancel(None)
        if killed != self._killed:
            self._log.warning("kill switch", extra={"on": killed is not False})
        self._killed = killed
        if (killed is not False) != self._office.switched_on:
            self._note_switch(on=killed is not False)

    def _note_switch(self, *, on: bool) -> None:
        """A switch that was thrown by hand or by a signal goes on record too, as soon as that can be written."""
        with suppress(AuditError):
            self._office.record([Item("kill_switch.on" if on else "kill_switch.off", {"by": "file"})])

    def _gone(self) -> list[str]:
        """What is out and would not be granted any more."""
        if not self._office.gate.held:
            return []
        conditions = self._office.conditions()
        nothing = History()  # its own use of the rates is not held against it
        return [
            held.grant.id
            for held in self._office.gate.held.values()
            if isinstance(decide(self._office.register, nothing, held.request, conditions), Refusal)
        ]

    def _overtaken(self) -> None:
        """Leave runs out while it is used: hours end, a mapping grows stale, somebody comes onto the deny list."""
        if gone := [ident for ident in self._gone() if ident not in self._cancelled]:
            self.cancel(gone)

    def _late(self, now: float) -> None:
        for held in list(self._office.gate.held.values()):
            if now > held.grant.deadline + _LATE and held.grant.id not in self._unrecorded:
                self.cancel([held.grant.id])
                self._unknown(held, "nothing was heard of it")

    def _unknown(self, held: Held, why: str) -> None:
        self.ended(_ended_unknown(held, why))

    def _retry(self) -> None:
        waiting, self._unrecorded = self._unrecorded, {}
        for told in waiting.values():
            self.ended(told)

    def _note_denied(self, now: float) -> None:
        """The refusals of an hour, by reason alone, as one entry."""
        if now < self._denied_due:
            return
        self._denied_due = now + _HOUR
        denied, self._denied = self._denied, Counter()
        items = [Item("probe.denied", {"reason": reason, "count": count}) for reason, count in sorted(denied.items())]
        try:
            if items:
                self._office.record(items)
        except AuditError:
            self._denied.update(denied)


def _ended_unknown(held: Held, why: str) -> OutcomeOf:
    return OutcomeOf(
        id=held.grant.id, outcome="unknown", detail=why, knocks=[], statuses=[], bytes=0, milliseconds=0,
        certificate="", told=[],
    )  # fmt: skip


def _learnt(held: Held, told: OutcomeOf, now: float) -> list[Observation]:
    server = Endpoint(held.grant.address, held.grant.port)
    return [Observation(server, fact.kind, fact.value, now, "active", held.grant.probe) for fact in told.told]
