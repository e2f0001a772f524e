"""Knocking over an office that is really there: candidates as a test wants them, and all that was sent and learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.audit.log import AuditError
from agent.ipc import Type
from agent.knocking import Candidate, Knocking
from agent.leave import Grant
from tests.agent.leaving import HOST, LOG, Clock, request, sighting

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from agent.asked import OutcomeOf
    from agent.audit.entry import Item
    from agent.model import Observation
    from agent.office import Office

TICK = 0.5


class World:
    """Knocking over an office; ``candidates`` is who would be worth it, and ``sent`` what the prober was told."""

    def __init__(self, office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office, self.clock, self._monkeypatch = office, clock, monkeypatch
        self.candidates: list[str] = []
        self.port = 443
        self.asked: list[str] = []
        self.rounds = 0
        self.sent: list[tuple[Type, dict[str, Any]]] = []
        self.learnt: list[Observation] = []
        self.granted: list[Grant] = []
        self.told: list[OutcomeOf] = []
        self.chance = 0.5
        self.knocking = Knocking(
            office, candidates=self._round, sighted=self._sighted, monotonic=clock.monotonic,
            chance=lambda: self.chance, observe=self.learnt.append, granted=self.granted.append,
            ended=self.told.append, log=LOG,
        )  # fmt: skip

    def _round(self) -> list[str]:
        self.rounds += 1
        return list(self.candidates)

    def _sighted(self, address: str) -> Candidate | None:
        self.asked.append(address)
        return None if address.startswith("203.") else Candidate(address, self.port, sighting(self.clock.wall))

    def comes(self) -> None:
        self.knocking.met(lambda kind, body: self.sent.append((kind, body)))

    def passes(self, seconds: float) -> None:
        """Time goes on, tick by tick."""
        for _ in range(round(seconds / TICK)):
            self.clock.on(TICK)
            self.knocking.tend()

    def grants(self) -> list[dict[str, Any]]:
        return [body["grant"] for kind, body in self.sent if kind is Type.GRANT]

    def cancels(self) -> list[Any]:
        return [body["ids"] for kind, body in self.sent if kind is Type.CANCEL]

    def knock(self, address: str = HOST) -> Grant:
        answer = self.knocking.ask(request(address, seen_at=self.clock.wall))
        assert isinstance(answer, Grant), answer
        return answer

    def refused(self) -> dict[str, int]:
        """Counted refusals, by reason."""
        decisions = self.knocking.decisions.items()
        return {reason: count for (decision, reason), count in decisions if count and decision == "refused"}

    def ended(self) -> dict[str, int]:
        return {became: count for (_, became), count in self.knocking.outcomes.items() if count}

    def logged(self, kind: str) -> list[dict[str, Any]]:
        return [entry.public for entry in self.office.log.read([kind])]

    def breaks(self) -> pytest.MonkeyPatch:
        """The log cannot be written until ``undo``."""

        def full(items: Sequence[Item]) -> Any:
            raise AuditError("no room")

        self._monkeypatch.setattr(self.office.log, "append", full)
        return self._monkeypatch
