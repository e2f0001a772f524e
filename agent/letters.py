"""Letters: the mails about leave that is asked for, one by one to the notifier, and what becomes of each.

As with the messages of a case (agent/dispatch.py), each has one Message-ID, which is on record before anybody hears of
it; before DATA it is asked once more whether it is still wanted, and that it may go out is on record before the yes.
What happened to them is in the log alone (agent/requests.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.agreeing import REQUEST, WITHDRAW, body_of, overtaken, token
from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.cases.case import PENDING, digest
from agent.cases.ladder import given_up
from agent.cases.links import links
from agent.dispatch import due
from agent.ipc import Type
from agent.notice import Due, Facts
from agent.places import mailbox

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from agent.notice import Bounced, Sent
    from agent.office import Office
    from agent.recipients import Recipients
    from agent.requests import Letter

PER_MINUTE = 10  # that may be begun in a minute: whoever is told of a hole goes first


class Letters:
    """``outcomes``: step, channel and outcome -> how often, as agent.dispatch.Dispatch counts; so is ``uncertain``."""

    def __init__(
        self,
        office: Office,
        recipients: Recipients,
        *,
        outcomes: Counter[tuple[str, str, str]],
        monotonic: Callable[[], float],
    ) -> None:
        self._office = office
        self._recipients = recipients
        self._outcomes = outcomes
        self._monotonic = monotonic
        self._send: Callable[[Type, dict[str, Any]], None] | None = None
        self._out = ""  # what the notifier has before it: one at a time
        self._unrecorded: list[Item] = []
        self._next = float("-inf")
        self.uncertain = 0

    def met(self, send: Callable[[Type, dict[str, Any]], None]) -> None:
        """There is a notifier from now on, and this reaches it."""
        self._send = send

    def lost(self) -> None:
        """It has gone, and has nothing before it any more."""
        self._send, self._out = None, ""

    def tend(self) -> None:
        """Hand the notifier what is due, as long as the pace allows. Raises AuditError."""
        self._pay()
        now = self._office.now()
        for letter in list(self._office.requests.pending.values()):
            if letter.step.id == self._out or due(letter.step) > now:
                continue
            if letter.step.begun:  # nobody has it before him any more, and nobody knows whether it went out
                self._became(letter, "uncertain")
                self.uncertain += 1
            elif given_up(letter.step, now):
                self._became(letter, "refused", "given up")
            elif self._send and not self._out and self._monotonic() >= self._next:
                self._hand_over(letter, self._send)

    def _hand_over(self, letter: Letter, send: Callable[[Type, dict[str, Any]], None]) -> None:
        if reason := overtaken(self._office, letter):
            self._became(letter, "cancelled", reason)
            return
        recipient = self._recipients.reached_by(letter.customer, letter.step)
        told = self._facts(letter) if recipient else None
        if recipient is None or told is None:
            self._became(letter, "refused", "no contact any more" if recipient is None else "erased")
            return
        try:
            due = Due(id=letter.step.id, message_id=letter.step.message_id, to=recipient.address, facts=told)
        except ValidationError:
            self._became(letter, "refused", "address")
            return
        self._out = letter.step.id
        self._next = self._monotonic() + 60.0 / PER_MINUTE
        send(Type.DUE, due.model_dump())

    def _facts(self, letter: Letter) -> Facts | None:
        asked = body_of(self._office, letter.record)
        if asked is None:
            return None
        config, kind = self._office.config, letter.step.kind
        receipt = kind == "receipt"
        key = token(self._office, letter.record, WITHDRAW if receipt else REQUEST)
        return Facts(
            message="receipt" if receipt else "request", lang=asked["lang"], operator=config.consent.operator,
            contact=mailbox(config.probe.contact, config.notices.route), customer=letter.customer,
            zone=asked["scope"]["window"]["tz"],
            record=letter.record if receipt else "", receipt=letter.step.id if receipt else "",
            seen=letter.step.made if receipt else 0.0, text=asked["text"],
            links=links(config, kind, key, ("stop",) if receipt else ("agree", "stop")),
        )  # fmt: skip

    def holds(self, ident: str) -> bool:
        """Whether a message of that id is one of these; also of who was erased while the notifier had it."""
        return ident == self._out or ident in self._office.requests.letters

    def may(self, ident: str, text: str = "") -> bool:
        """Whether DATA may follow; a yes, and the digest of what it says, is on record before it is given."""
        letter = self._office.requests.pending.get(ident)
        if letter is None or ident != self._out or overtaken(self._office, letter):
            return False
        try:
            if self._recipients.reached_by(letter.customer, letter.step) is None:
                return False
            self._office.record([_item("notice.begun", letter, {"sha256": digest(text)} if text else {})])
        except AuditError:
            return False  # it is tried again; the office has counted it
        return True

    def sent(self, told: Sent) -> None:
        """What became of one. If that cannot be put on record now, it will be: it is the last that is said of it."""
        letter = self._office.requests.pending.get(told.id)
        if told.id == self._out:
            self._out = ""
        if letter is None:
            return
        outcome = told.outcome
        self.uncertain += outcome == "uncertain"
        if outcome == "cancelled" and not overtaken(self._office, letter):
            outcome = "later"  # what could not be put on record is no reason not to send it
        try:
            self._became(letter, outcome, told.detail, told.code)
        except AuditError:
            self._unrecorded.append(_item("notice.sent", letter, _said(outcome, told.detail, told.code)))
            self._out = told.id  # nobody takes it up before that is on record

    def forget(self, customer: str) -> None:
        """A customer was erased: nothing more is put on record of him."""
        self._unrecorded = [item for item in self._unrecorded if item.customer != customer]

    def bounced(self, told: Bounced) -> bool:
        """Something came back; whether it is of one of these. Raises AuditError."""
        letter = self._office.requests.sent(told.message_id)
        if letter is None:
            return False
        if told.action == "failed" and not letter.step.failed:
            self._office.record([_item("notice.bounced", letter, {"status": told.status}, outcome="bounced")])
            self._count(letter, "bounced")
        elif told.action == "delivered":
            self._count(letter, "delivered")
        return True

    def _became(self, letter: Letter, outcome: str, detail: str = "", code: int = 0) -> None:
        self._office.record([_item("notice.sent", letter, _said(outcome, detail, code))])
        if self._office.requests.letters[letter.step.id].step.outcome != PENDING:
            self._count(letter, outcome)

    def _pay(self) -> None:
        if self._unrecorded:
            self._office.record(self._unrecorded)
            self._unrecorded, self._out = [], ""

    def _count(self, letter: Letter, outcome: str) -> None:
        self._outcomes[letter.step.kind, letter.step.channel, outcome] += 1


def _said(outcome: str, detail: str, code: int) -> dict[str, Any]:
    return {"outcome": outcome, "detail": detail, "code": code}


def _item(kind: str, letter: Letter, told: dict[str, Any], *, outcome: str = "") -> Item:
    public = {"step": letter.step.kind, "channel": letter.step.channel}
    if said := outcome or told.get("outcome", ""):
        public["outcome"] = said
    private = {"case": "", "step": letter.step.id, "address": "", "record": letter.record, **told}
    return Item(kind, public, letter.customer, private | {"message_id": letter.step.message_id})
