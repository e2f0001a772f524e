"""Requests for leave: whom we asked, what he answered, and the mails about it. A fold over the log, like the register.

Nothing of it is kept anywhere else. What was asked for, word for word, is in the entry of the request; so are the
Message-IDs, which are on record before anybody hears of a message. Times are seconds since the epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from agent.cases.case import FAILED, PENDING, Event, Step, stepped
from agent.cases.counted import ABOUT_LEAVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.audit.entry import Opened

AGREED, REFUSED = "agreed", "refused"


class Request(NamedTuple):
    """A customer was asked for the record of that id. ``entry``: the number of the one that says what for.

    ``answered``: AGREED, REFUSED, or "" while he has said neither.
    """

    record: str
    customer: str
    entry: int
    at: float
    answered: str = ""


class Letter(NamedTuple):
    """A mail about a record, to one contact of the customer's; ``step`` is how that goes, as of a case's."""

    customer: str
    record: str
    step: Step

    @property
    def went_nowhere(self) -> bool:
        return self.step.outcome in (*FAILED, "cancelled")


class Requests:
    """``pending``: letters that have not come to their end. ``documents``: the newest published, by kind and language.

    ``version`` rises with every request that comes or goes; ``refused``: when a customer last said no to being asked.
    """

    def __init__(self) -> None:
        self.version = 0
        self.by_record: dict[str, Request] = {}
        self.letters: dict[str, Letter] = {}
        self.pending: dict[str, Letter] = {}
        self.refused: dict[str, float] = {}
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self._of: dict[str, list[str]] = {}  # customer -> records
        self._about: dict[str, list[str]] = {}  # record -> letters
        self._sent: dict[str, str] = {}  # Message-ID -> letter

    def apply(self, entry: Opened) -> None:
        """Take the next entry of the log; of what is not about requests, nothing."""
        if fold := _FOLDS.get(entry.kind):
            fold(self, entry, entry.private or {})

    def asked(self, customer: str) -> list[Request]:
        """What a customer was asked, the oldest first."""
        return [self.by_record[record] for record in self._of.get(customer, ())]

    def about(self, record: str) -> list[Letter]:
        """The letters about a record, in order."""
        return [self.letters[ident] for ident in self._about.get(record, ())]

    def sent(self, message_id: str) -> Letter | None:
        """The letter of that Message-ID."""
        return self.letters.get(self._sent.get(message_id, ""))

    def _requested(self, entry: Opened, private: dict[str, Any]) -> None:
        record = private.get("record_id")
        if record and private.get("text"):
            self.version += 1
            self.by_record[record] = Request(record, entry.customer, entry.number, entry.time)
            self._of.setdefault(entry.customer, []).append(record)

    def _given(self, entry: Opened, private: dict[str, Any]) -> None:
        self.refused.pop(entry.customer, None)
        self._answered(private, AGREED)

    def _no(self, entry: Opened, private: dict[str, Any]) -> None:
        if entry.customer:
            self.refused[entry.customer] = entry.time
        self._answered(private, REFUSED)

    def _answered(self, private: dict[str, Any], how: str) -> None:
        request = self.by_record.get(private.get("record_id", ""))
        if request is not None:
            self.by_record[request.record] = request._replace(answered=how)

    def _due(self, entry: Opened, private: dict[str, Any]) -> None:
        if entry.public.get("step") in ABOUT_LEAVE and private.get("record"):
            step = Step(
                private["step"], entry.public["step"], entry.public["channel"], private["role"], private["way"],
                private["message_id"], entry.time,
            )  # fmt: skip
            self._keep(Letter(entry.customer, private["record"], step))
            self._about.setdefault(private["record"], []).append(step.id)
            self._sent[step.message_id] = step.id

    def _went(self, entry: Opened, private: dict[str, Any]) -> None:
        letter = self.letters.get(private.get("step", ""))
        if letter is not None:
            kind = _EVENTS.get(entry.kind) or entry.public["outcome"]
            self._keep(letter._replace(step=stepped(letter.step, Event(entry.time, kind, private))))

    def _keep(self, letter: Letter) -> None:
        self.letters[letter.step.id] = letter
        if letter.step.outcome == PENDING:
            self.pending[letter.step.id] = letter
        else:
            self.pending.pop(letter.step.id, None)

    def _published(self, entry: Opened, private: dict[str, Any]) -> None:
        told = entry.public
        known = self.documents.get((told["kind"], told["lang"]))
        if known is None or known["published_at"] <= told["published_at"]:
            self.documents[told["kind"], told["lang"]] = told

    def _erased(self, entry: Opened, private: dict[str, Any]) -> None:
        self.version += 1
        self.refused.pop(entry.customer, None)
        for record in self._of.pop(entry.customer, ()):
            del self.by_record[record]
            self._about.pop(record, None)
        for letter in [each for each in self.letters.values() if each.customer == entry.customer]:
            del self.letters[letter.step.id]
            self.pending.pop(letter.step.id, None)
            self._sent.pop(letter.step.message_id, None)


_EVENTS = {"notice.begun": "begun", "notice.bounced": "bounced"}
_FOLDS: dict[str, Callable[[Requests, Opened, dict[str, Any]], None]] = {
    "record.requested": Requests._requested,
    "record.given": Requests._given,
    "record.refused": Requests._no,
    "notice.due": Requests._due,
    "notice.begun": Requests._went,
    "notice.sent": Requests._went,
    "notice.bounced": Requests._went,
    "document.published": Requests._published,
    "customer.erased": Requests._erased,
}
KINDS = frozenset(_FOLDS)
