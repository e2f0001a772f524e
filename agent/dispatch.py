"""Dispatch: the messages of the ladder, one by one to the notifier, and what becomes of each.

A step has one Message-ID, which is on disk before anybody hears of the step. Once more before DATA it is asked whether
the message is still wanted, and that it may now go out is on disk before the yes. So it is never sent under two ids;
and under the same id twice only where what became of it got lost between that yes and the relay's answer: that is
counted as ``uncertain``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.cases.book import BookError
from agent.cases.case import PENDING, Event, digest, said
from agent.cases.counted import no_steps
from agent.cases.ladder import given_up, stands
from agent.ipc import Type
from agent.notice import Due

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from agent.cases.case import Case, Step
    from agent.notice import Bounced, Facts, Sent
    from agent.office import Office
    from agent.recipients import Recipients

PER_MINUTE = 30  # messages that may be begun in a minute
_AT_ONCE = 4  # that the notifier may have before it
_BACKOFF = (300.0, 900.0, 3600.0, 3 * 3600.0, 6 * 3600.0)  # seconds until the next try, after so many
_AGAIN = 60.0  # seconds after which one is tried again that nobody knows the end of, or that has to wait


class Waits(NamedTuple):
    """A message that has not come to its end: of which case, and when it may be tried."""

    case: str
    due: float


class Dispatch:
    """``put`` puts events of a case on record; ``facts`` makes what a step tells, None where nothing is known of the
    server any more; ``stands_against`` says why a case may not be told of now (agent.casework.Casework.stands).
    """

    def __init__(
        self,
        office: Office,
        recipients: Recipients,
        *,
        put: Callable[..., Case],
        facts: Callable[[Case, Step, str], Facts | None],
        stands_against: Callable[[Case], str],
        log: logging.Logger,
        monotonic: Callable[[], float],
    ) -> None:
        self._office = office
        self._recipients = recipients
        self._put = put
        self._facts = facts
        self._stands_against = stands_against
        self._log = log
        self._monotonic = monotonic
        self._send: Callable[[Type, dict[str, Any]], None] | None = None
        self._waiting: dict[str, Waits] = {}  # step -> what it waits for; seconds since the epoch
        self._out: dict[str, str] = {}  # step -> case: what the notifier has before it
        self._ids: dict[str, tuple[str, str]] = {}  # Message-ID -> case and step
        self._arrived: set[str] = set()  # steps of which the relay's next has said that they arrived
        self._unrecorded: dict[str, Sent] = {}
        self._next = float("-inf")
        self._mailless = False  # whether it was said that no mail is sent
        self.uncertain = 0
        self.outcomes = Counter(no_steps())

    def begin(self) -> None:
        """Take up what is on record; what may have gone out when an agent ended is uncertain. Raises BookError."""
        for case in list(self._office.book.cases.values()):
            for step in case.steps:
                if step.mail:
                    self._ids[step.message_id] = case.id, step.id
                if step.mail and step.outcome == PENDING:
                    self._take_up(case, step)

    def met(self, send: Callable[[Type, dict[str, Any]], None]) -> None:
        """There is a notifier from now on, and this reaches it."""
        self._send = send

    def lost(self) -> None:
        """It has gone: what it had before it begins anew, and what it was let send is uncertain. Raises BookError.

        What it has told, and is not on record yet, holds all the same.
        """
        self._send = None
        out = {ident: named for ident, named in self._out.items() if ident not in self._unrecorded}
        self._out = {ident: named for ident, named in self._out.items() if ident in self._unrecorded}
        # First all of them wait: what cannot be put on record now is, before it is handed over again.
        self._waiting.update({ident: Waits(named, self._office.now()) for ident, named in out.items()})
        for ident, named in out.items():
            case = self._office.book.cases.get(named)
            step = case.step(ident) if case else None
            if case and step and step.outcome == PENDING:
                self._take_up(case, step)

    def add(self, case: Case, step: Step) -> None:
        """A step that was made, and is on record."""
        self._ids[step.message_id] = case.id, step.id
        self._waiting[step.id] = Waits(case.id, self._office.now())

    def tend(self) -> None:
        """Hand the notifier what is due, as long as the pace allows. Raises AuditError, BookError."""
        self._say()
        now = self._office.now()
        for told in list(self._unrecorded.values()):
            self._sent(told)
        for ident, waits in sorted(self._waiting.items(), key=lambda each: each[1].due):
            if waits.due > now:
                return
            sent = self._hand_over(ident, waits.case, now)
            if sent and (self._send is None or len(self._out) >= _AT_ONCE or self._monotonic() < self._next):
                return

    def _say(self) -> None:
        """Once, and not for each case: that no mail goes out, as soon as there is a customer who would get some."""
        if self._office.config.notices.mails:
            self._mailless = False
        elif not self._mailless and self._office.register.refs():
            self._mailless = True
            self._log.warning("no mail is sent to customers, notices.relay is empty: telling them is a person's task")

    def _hand_over(self, ident: str, named: str, now: float) -> bool:
        """Whether it has, or would have, gone to the notifier; what is not wanted any more is let go of."""
        case = self._office.book.cases.get(named)
        step = case.step(ident) if case else None
        if case is None or step is None or step.outcome != PENDING:
            self._waiting.pop(ident, None)
            return False
        if step.begun:  # nobody has it before him any more, which could not be put on record when he went
            self._take_up(case, step)
            return False
        if not stands(case, step):
            self._end(case, step, "cancelled", "overtaken")
            return False
        if given_up(step, now):
            self._end(case, step, "refused", "given up")
            return False
        if self._send is None or len(self._out) >= _AT_ONCE or self._monotonic() < self._next:
            return True
        if reason := self._stands_against(case):
            self._put_off(case, step, reason)
            return False
        return self._told(case, step, self._send)

    def _told(self, case: Case, step: Step, send: Callable[[Type, dict[str, Any]], None]) -> bool:
        recipient = self._recipients.reached_by(case.customer, step)
        if recipient is None:
            self._end(case, step, "refused", "no contact any more")
            return False
        told = self._facts(case, step, recipient.contact.lang)
        if told is None:
            self._put_off(case, step, "unsure")
            return False
        try:
            due = Due(id=step.id, message_id=step.message_id, to=recipient.address, facts=told)
        except ValidationError:
            # What nobody would take is not said to anybody, and not again and again.
            self._end(case, step, "refused", "address")
            return False
        del self._waiting[step.id]
        self._out[step.id] = case.id
        self._next = self._monotonic() + 60.0 / PER_MINUTE
        send(Type.DUE, due.model_dump())
        return True

    def _put_off(self, case: Case, step: Step, reason: str) -> None:
        if reason == "over":
            self._end(case, step, "cancelled", "overtaken")
        else:
            self._waiting[step.id] = Waits(case.id, self._office.now() + _AGAIN)

    def may(self, ident: str, text: str = "") -> bool:
        """Whether DATA may follow; a yes, and the text that it is given for, is on disk before it is given."""
        case = self._office.book.cases.get(self._out.get(ident, ""))
        step = case.step(ident) if case else None
        if case is None or step is None or not stands(case, step) or self._stands_against(case):
            return False
        try:
            if self._recipients.reached_by(case.customer, step) is None:
                return False
            kept = "" if digest(text) == step.sha256 else text  # what is tried again says the same, as a rule
            self._put(case.id, Event(self._office.now(), "begun", said(ident, text)), text=kept)
        except (AuditError, BookError) as error:
            self._log.error("the findings store cannot be written, and nothing is sent", extra={"error": str(error)})
            return False
        return True

    def sent(self, told: Sent) -> None:
        """What became of one. If that cannot be put on record now, it will be: it is the last that is said of it."""
        try:
            self._sent(told)
        except BookError as error:
            self._unrecorded[told.id] = told
            self._log.error("the findings store cannot be written", extra={"error": str(error)})

    def _sent(self, told: Sent) -> None:
        case = self._office.book.cases.get(self._out.get(told.id, ""))
        step = case.step(told.id) if case else None
        if case is not None and step is not None and step.outcome == PENDING:
            self._ended(case, step, told)
        self._out.pop(told.id, None)
        self._unrecorded.pop(told.id, None)

    def _ended(self, case: Case, step: Step, told: Sent) -> None:
        if told.outcome in ("sent", "refused"):
            self._end(case, step, told.outcome, told.detail, told.code)
        elif told.outcome == "cancelled":
            # Why is asked once more: what only has to wait is tried again.
            if stands(case, step):
                self._put_off(case, step, self._stands_against(case))
            else:
                self._end(case, step, "cancelled", "overtaken")
        else:
            said = {"id": step.id, "code": told.code, "detail": told.detail}
            case = self._put(case.id, Event(self._office.now(), told.outcome, said))
            self.uncertain += told.outcome == "uncertain"
            self._wait(case, step.id)

    def bounced(self, told: Bounced) -> bool:
        """Something came back; whether it is of something that was sent. Raises BookError."""
        named, ident = self._ids.get(told.message_id, ("", ""))
        case = self._office.book.cases.get(named)
        step = case.step(ident) if case else None
        if case is None or step is None:
            return False
        if told.action == "failed" and not step.failed:
            self._waiting.pop(ident, None)
            self._put(
                case.id, Event(self._office.now(), "bounced", {"id": ident, "status": told.status}),
                owed=lambda case: outcome("notice.bounced", case, step, {"status": told.status}),
            )  # fmt: skip
            self._count(step, "bounced")
        elif told.action == "delivered" and ident not in self._arrived:
            self._arrived.add(ident)  # a mailbox that cannot be marked says so again and again
            self._count(step, "delivered")
        return True

    def about(self, message_id: str) -> tuple[Case, Step] | None:
        """The case, and the step of it, that a Message-ID is of."""
        named, ident = self._ids.get(message_id, ("", ""))
        case = self._office.book.cases.get(named)
        step = case.step(ident) if case else None
        return (case, step) if case and step else None

    def hurry(self) -> int:
        """Let what was put off be tried now; how many messages that are."""
        now = self._office.now()
        late = [ident for ident, waits in self._waiting.items() if waits.due > now]
        self._waiting.update({ident: self._waiting[ident]._replace(due=now) for ident in late})
        return len(late)

    def review(self, case: Case) -> None:
        """A case is not as it was: what waits for it is looked at without waiting longer."""
        for step in case.steps:
            if step.id in self._waiting and not stands(case, step):
                self._waiting[step.id] = Waits(case.id, float("-inf"))

    def forget(self, case: Case) -> None:
        """A case was deleted."""
        for step in case.steps:
            self._waiting.pop(step.id, None)
            self._ids.pop(step.message_id, None)
            self._arrived.discard(step.id)

    def oldest(self) -> float | None:
        """When the step was made that has waited longest; None where none does."""
        cases = self._office.book.cases
        steps = [cases[named].step(ident) for ident, named in self._all().items() if named in cases]
        return min((step.made for step in steps if step), default=None)

    def waiting(self) -> list[tuple[Case, Step, float | None]]:
        """Every message that has not come to its end, and when it may be tried: None while the notifier has it."""
        found = []
        for ident, named in self._all().items():
            case = self._office.book.cases.get(named)
            step = case.step(ident) if case else None
            if case and step:
                found.append((case, step, self._waiting[ident].due if ident in self._waiting else None))
        return found

    def _all(self) -> dict[str, str]:
        return {**{ident: waits.case for ident, waits in self._waiting.items()}, **self._out}

    def _wait(self, case: Case, ident: str) -> None:
        """When it may be tried again: the longer, the oftener it was put off."""
        step = case.step(ident)
        assert step is not None
        self._waiting[step.id] = Waits(case.id, due(step))

    def _take_up(self, case: Case, step: Step) -> None:
        """What nobody has before him any more. It may have gone out, and nobody knows; or it begins anew."""
        if step.begun:
            case = self._put(case.id, Event(self._office.now(), "uncertain", {"id": step.id}))
            self.uncertain += 1
        self._wait(case, step.id)

    def _end(self, case: Case, step: Step, kind: str, detail: str, code: int = 0) -> None:
        body = {"id": step.id, "detail": detail, "code": code}
        self._put(
            case.id, Event(self._office.now(), kind, body),
            owed=lambda case: outcome("notice.sent", case, step, {"outcome": kind, "detail": detail, "code": code}),
        )  # fmt: skip
        self._waiting.pop(step.id, None)
        self._count(step, kind)

    def _count(self, step: Step, kind: str) -> None:
        self.outcomes[step.kind, step.channel, kind] += 1


def due(step: Step) -> float:
    """When a message may be tried: the longer, the oftener it was put off."""
    again = _BACKOFF[min(step.tries, len(_BACKOFF)) - 1] if step.tries > step.uncertain else _AGAIN
    return step.tried + again if step.tries else step.made


def outcome(kind: str, case: Case, step: Step, told: dict[str, Any]) -> Item:
    """What goes on record of how a step went."""
    public = {"step": step.kind, "channel": step.channel, "outcome": told.get("outcome", "bounced")}
    private = {"case": case.id, "step": step.id, "address": case.address, "message_id": step.message_id, **told}
    if step.sha256:
        private["sha256"] = step.sha256
    return Item(kind, public, case.customer, private)
