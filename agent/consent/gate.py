"""The gate: nobody is knocked at but by a grant, and no grant is given before it is on disk that it was.

``admit`` decides, writes the intent, has it flushed, and only then gives a ``Grant``. Where the intent cannot be
written there is a ``Refusal`` and no packet. ``finish`` puts on record what became of it, and asks once more whose
address it is: an answer from somebody else's server is nobody's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.consent.decide import decide
from agent.leave import Budget, Grant, Refusal
from agent.privacy import one

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.asked import OutcomeOf
    from agent.audit.entry import Entry
    from agent.consent.history import History
    from agent.consent.register import Register
    from agent.leave import Conditions, Leave, Request


class Held(NamedTuple):
    """A grant that was given and has not come to its end, and whom it is about."""

    grant: Grant
    request: Request
    leave: Leave


class Books(Protocol):
    """What the gate decides by, and where it writes: the office (agent/office.py)."""

    register: Register
    history: History
    now: Callable[[], float]

    def record(self, items: Sequence[Item]) -> list[Entry]: ...


class ConsentGate:
    """Who holds it may ask for leave. ``monotonic`` is CLOCK_MONOTONIC; ``ident`` makes an id that nobody can guess."""

    def __init__(self, books: Books, monotonic: Callable[[], float], ident: Callable[[], str]) -> None:
        self._books = books
        self._monotonic = monotonic
        self._ident = ident
        self.held: dict[str, Held] = {}

    def decide(self, request: Request, conditions: Conditions) -> Leave | Refusal:
        """What ``admit`` would say now; nothing is written and nothing is given."""
        return decide(self._books.register, self._books.history, request, conditions)

    def admit(self, request: Request, conditions: Conditions, budget: Budget) -> Grant | Refusal:
        """Leave to knock, with the intent on disk; or why not."""
        leave = self.decide(request, conditions)
        if isinstance(leave, Refusal):
            return leave
        ident = self._ident()
        try:
            entry = self._books.record([_intent(ident, request, leave, budget)])[0]
        except AuditError:
            return Refusal("not_recorded", "the intent could not be written to the log")
        seen = request.sighting
        grant = Grant(
            ident, request.address, request.port, seen.name if seen else None, request.probe, leave.record,
            self._monotonic() + budget.seconds, budget, entry.number, entry.leaf.hex(),
            seen.certificates if seen else (), seen.products if seen else (),
        )  # fmt: skip
        self.held[ident] = Held(grant, request, leave)
        return grant

    def finish(self, told: OutcomeOf) -> tuple[Held, str] | None:
        """Put on record what became of a grant: it, and the outcome as it stands. None for one that is not held.

        Raises AuditError: then it is still held, and what the answer said is not to be used.
        """
        held = self.held.get(told.id)
        if held is None:
            return None
        # Of what nobody knows it cannot be said that it only met somebody else, either.
        outcome = told.outcome if told.outcome == "unknown" or self._same_holder(held) else "holder_changed"
        self._books.record([_outcome(held, told, outcome)])
        del self.held[told.id]
        return held, outcome

    def _same_holder(self, held: Held) -> bool:
        holders = self._books.register.holders(one(held.grant.address)[0], self._books.now())
        return {mapped.customer for mapped in holders} == {held.leave.customer}


def _intent(ident: str, request: Request, leave: Leave, budget: Budget) -> Item:
    seen = request.sighting
    private: dict[str, Any] = {
        "address": request.address,
        "port": request.port,
        "name": seen.name if seen else None,
        "record": leave.record,
        "mapping": leave.mapping,
        "mapping_age": int(leave.mapping_age),
        "expected": {"certificates": list(seen.certificates), "products": list(seen.products)} if seen else None,
        "deadline_ms": int(budget.seconds * 1000),
        "connections": budget.connections,
        "bytes": budget.bytes,
    }
    public = {"probe": request.probe, "id": ident, "record_hash": leave.record_hash, "why": request.why}
    return Item("probe.intent", public, leave.customer, private)


def _outcome(held: Held, told: OutcomeOf, outcome: str) -> Item:
    """What is learnt of somebody else's server, where the address has changed hands, is not kept either.

    What nobody knows is None, and never "no connection".
    """
    grant = held.grant
    unknown = outcome == "unknown"
    public = {
        "intent": grant.number,
        "id": grant.id,
        "outcome": outcome,
        "connections": None if unknown else len(told.knocks),
        "ms": None if unknown else told.milliseconds,
    }
    if unknown:
        private: dict[str, Any] = {"address": grant.address, "port": grant.port, "detail": told.detail}
        return Item("probe.outcome", public, held.leave.customer, private)
    private = {
        "address": grant.address,
        "port": grant.port,
        "knocks": [knock.model_dump(exclude={"time"}) | {"ms": int(knock.time * 1000)} for knock in told.knocks],
    }
    if outcome != "holder_changed":
        private |= {
            "detail": told.detail,
            "statuses": told.statuses,
            "bytes": told.bytes,
            "certificate": told.certificate,
            "told": [[fact.kind, fact.value] for fact in told.told],
        }
    return Item("probe.outcome", public, held.leave.customer, private)
