"""Looking once more for a customer who asks for it: a request like any other, through the gate, once each time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from agent.leave import PROBES, Refusal, Request
from agent.sighted import port_of, sighting

if TYPE_CHECKING:
    from agent.cases.case import Case
    from agent.inventory import Inventory
    from agent.model import Assessment
    from agent.office import Office

_AGAIN = 600.0  # seconds until it is asked once more for leave that was not given
_LONG = 14 * 86_400.0  # seconds after which a customer's wish has had its day


class Rechecks:
    """``decisions``: how often there was leave ("granted"), or the reason why not."""

    def __init__(self, office: Office, inventory: Inventory) -> None:
        self._office = office
        self._inventory = inventory
        self._asked: dict[str, float] = {}  # case -> the wish that was seen to
        self._next: dict[str, float] = {}  # case -> when it is asked for again
        self.decisions: Counter[str] = Counter({"granted": 0})

    def look(self, case: Case, assessment: Assessment | None, now: float) -> None:
        """Ask for leave where the customer waits for a look that nobody has begun."""
        wish = case.asked
        if wish is None or not case.live or self._asked.get(case.id) == wish or now - wish > _LONG:
            self._next.pop(case.id, None)
            return
        if now < self._next.get(case.id, wish) or self._office.knock is None:
            return
        facts = self._inventory.observations(case.address)
        port = port_of(facts)
        request = Request(case.address, port, PROBES[0], "recheck", sighting(assessment, facts, port))
        # The gate is asked first without a word: a refusal of the same kind each ten minutes is no news.
        no = self._office.gate.decide(request, self._office.conditions())
        answer = no if isinstance(no, Refusal) else self._office.knock(request)
        if isinstance(answer, Refusal):
            self.decisions[answer.reason] += 1
            self._next[case.id] = now + _AGAIN
        else:
            self.decisions["granted"] += 1
            self._asked[case.id] = wish
            self._next.pop(case.id, None)

    def forget(self, ident: str) -> None:
        self._asked.pop(ident, None)
        self._next.pop(ident, None)
