"""What a command may ask of an agent that tells customers; without one, there is only the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from agent.cases.case import Case, Event, Step
    from agent.notice import Facts


class Tells(Protocol):
    """agent/telling.py, as the office has it."""

    def put(self, ident: str, *events: Event) -> Case:
        """Put events of a case on record; "" for a new one. Raises BookError."""
        ...

    def facts(self, case: Case, message: str, lang: str) -> Facts | None:
        """What a message of a case would tell now; None where nothing is known of the server. Raises AuditError."""
        ...

    def waiting(self) -> list[tuple[Case, Step, float | None]]:
        """Every message that has not come to its end, and when it may be tried; None while it is being sent."""
        ...

    def hurry(self) -> int:
        """Let what was put off be tried now; how many messages that are."""
        ...

    def whose(self, token: str) -> str | None:
        """The customer whose message a token is of; None for nobody's."""
        ...

    def body(self) -> dict[str, Any] | None:
        """How telling stands, in counts (agent.asked.Telling)."""
        ...

    def erased(self, customer: str) -> int:
        """Forget a customer and all of his cases. Raises BookError."""
        ...
