"""Passing on: what became of messages to customers, event by event, to the operator's webhook, by way of the notifier.

The log is what waits: of what it has of messages that came to their end, or came back, the notifier is told in its
order, and how far that has come is on record. So nothing is lost with a process, and nothing is kept twice: whoever
ends, what the webhook was not known to have taken is told again, under the same id. What the log does not have (that a
message arrived, or is on its way still) waits in memory, and is lost with the agent.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.ipc import Type

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.audit.entry import Opened
    from agent.cases.case import Case, Step
    from agent.notice import Bounced
    from agent.office import Office
    from agent.recipients import Recipients

JOB = "webhook"  # under this name the store keeps the number of the first entry that was not passed on
_KINDS = ("notice.sent", "notice.bounced")
_ENDS = {"sent": "sent", "refused": "refused", "cancelled": "cancelled", "bounced": "failed"}
_AT_ONCE = 8  # events that the notifier has before it, at most; and so many are read ahead
_PAGE = 1000  # entries that are looked at at once
_MOST = 1000  # events that may wait in memory


class _Waits(NamedTuple):
    """``number``: of its entry in the log, None for what is not there."""

    customer: str
    number: int | None
    body: dict[str, Any]


class Passing:
    """``about`` says of which case and step of it a Message-ID is; None for those of none."""

    def __init__(
        self, office: Office, recipients: Recipients, about: Callable[[str], tuple[Case, Step] | None]
    ) -> None:
        self._office = office
        self._recipients = recipients
        self._about = about
        self._send: Callable[[Type, dict[str, Any]], None] | None = None
        self._waits: dict[str, _Waits] = {}  # by id, as they came
        self._handed: set[str] = set()  # what the notifier has before it
        self._next: int | None = None  # the first entry that was not looked at; None while nothing is passed on
        self._kept: int | None = None  # as the store has it: 0 for none; None where that was not looked at
        self.dropped = 0  # for want of room in memory

    def met(self, send: Callable[[Type, dict[str, Any]], None]) -> None:
        """There is a notifier from now on, and this reaches it."""
        self._send = send

    def lost(self) -> None:
        """It has gone: what it had before it the next one is told again."""
        self._send = None
        self._handed.clear()

    def tend(self) -> None:
        """Read on, and hand over what there is room for. Raises AuditError, BookError."""
        if not self._office.config.notices.webhook:
            self._stop()
            return
        if self._next is None:
            self._begin()
        self._read()
        for ident in [ident for ident in self._waits if ident not in self._handed]:
            if self._send is None or len(self._handed) >= _AT_ONCE:
                break
            self._handed.add(ident)
            self._send(Type.EVENT, self._waits[ident].body)
        self._keep()

    def took(self, ident: str) -> None:
        """The webhook has it, or was told in vain for as long as it is: it does not wait any more."""
        self._waits.pop(ident, None)
        self._handed.discard(ident)

    def heard(self, told: Bounced) -> None:
        """Something came back about a message of ours that the log does not have."""
        if not self._office.config.notices.webhook:
            return
        if sum(waits.number is None for waits in self._waits.values()) >= _MOST:
            self.dropped += 1
            return
        found, letter = self._about(told.message_id), self._office.requests.sent(told.message_id)
        if found is not None:
            case, step = found
            self._wait(None, case.customer, told.action, int(self._office.now()), step, case, told.status)
        elif letter is not None:
            self._wait(None, letter.customer, told.action, int(self._office.now()), letter.step, None, told.status)

    def forget(self, customer: str) -> None:
        """A customer was erased: of him nobody is told any more."""
        for ident in [ident for ident, waits in self._waits.items() if waits.customer == customer]:
            self.took(ident)

    def oldest(self) -> float | None:
        """Since when what has waited longest does, in seconds since the epoch; None where nothing waits."""
        return min((float(waits.body["time"]) for waits in self._waits.values()), default=None)

    def _begin(self) -> None:
        """Where it was left; where there was no webhook before, with what comes from now on."""
        size = self._office.log.size
        self._kept = int(self._office.book.last_success(JOB))
        self._next = min(self._kept, size) if self._kept else size

    def _stop(self) -> None:
        """There is no webhook; one that comes later is not told of what was before it."""
        self._waits.clear()
        self._handed.clear()
        self._next = None
        if self._kept is None:
            self._kept = int(self._office.book.last_success(JOB))
        if self._kept:
            self._office.book.succeeded(JOB, 0)
            self._kept = 0

    def _read(self) -> None:
        """Look at what the log has had since, as far as there is room."""
        assert self._next is not None
        end = min(self._next + _PAGE, self._office.log.size)
        room = _AT_ONCE - sum(waits.number is not None for waits in self._waits.values())
        if room <= 0 or self._next >= end:
            return
        for entry in self._office.log.read(_KINDS, self._next, end):
            room -= self._taken(entry)
            if room <= 0:
                self._next = entry.number + 1
                return
        self._next = end

    def _taken(self, entry: Opened) -> bool:
        """Whether an entry is of a mail that came to its end. What was erased says nothing any more."""
        told = entry.private or {}
        event = _ENDS.get(entry.public.get("outcome", ""))
        case = self._office.book.cases.get(told.get("case", ""))
        letter = self._office.requests.letters.get(told.get("step", ""))
        step = case.step(told["step"]) if case else letter.step if letter else None
        if event is None or step is None or not step.mail:
            return False
        self._wait(entry.number, entry.customer, event, int(entry.time), step, case, told.get("status", ""))
        return True

    def _wait(
        self, number: int | None, customer: str, event: str, at: int, step: Step, case: Case | None, status: str
    ) -> None:
        reached = self._recipients.reached_by(customer, step)
        ident = _ident(step.message_id, event, number)
        body = {
            "id": ident, "event": event, "time": at, "message_id": step.message_id, "step": step.id,
            "message": step.kind, "case": case.id if case else "", "severity": case.severity if case else "",
            "lang": reached.contact.lang if reached else "", "status": status,
        }  # fmt: skip
        self._waits.setdefault(ident, _Waits(customer, number, body))

    def _keep(self) -> None:
        """Put on record how far it has come: to the first entry that waits."""
        assert self._next is not None
        numbers = (waits.number for waits in self._waits.values() if waits.number is not None)
        done = min(numbers, default=self._next)
        if done != self._kept:
            self._office.book.succeeded(JOB, done)
            self._kept = done


def _ident(message_id: str, event: str, number: int | None) -> str:
    """The same for the same event, whoever tells it, and of no other."""
    return sha256(f"{message_id} {event} {number}".encode()).hexdigest()[:32]
