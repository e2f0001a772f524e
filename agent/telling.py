"""Telling customers what was found at theirs: cases, the ladder, messages and answers, as the agent sees to them.

A little at a time: a round goes over every server with a sign of Exchange and every case, some at each tick. Nothing
is done to anybody but to tell him, and nobody is told but the customer himself.
"""

from __future__ import annotations

from collections import Counter, deque
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.answering import OFFERED, STOP, Answering
from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.cases.book import BookError
from agent.cases.case import PENDING, Event
from agent.cases.counted import UNTOLD, Fixes, counted
from agent.cases.facts import Own, Papers, asked, facts
from agent.cases.helped import Counts, helped
from agent.cases.ladder import due, stands, within_reach
from agent.cases.links import links
from agent.casework import Casework
from agent.dispatch import Dispatch
from agent.exchange.catalogue import catalogue
from agent.ipc import Type
from agent.letters import Letters
from agent.logfmt import Sample
from agent.owing import pay, settle
from agent.passing import Passing
from agent.places import mailbox
from agent.rechecks import Rechecks
from agent.recipients import Recipients, papers, zone
from agent.retention import TOKEN_DAYS

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from datetime import date

    from agent.cases.case import Case, Step
    from agent.cases.ladder import Next
    from agent.doors import Connection, Doors
    from agent.inventory import Inventory
    from agent.leave import Conditions
    from agent.model import Assessment
    from agent.notice import Bounced, Facts
    from agent.office import Office

_TICK = 0.5  # seconds between two looks at what is to be done
_MOST = 0.02  # seconds that one look takes, beyond its last server
_PAUSE = 60.0  # seconds from one round to the next
_FRESH, _EACH = 5.0, 0.0005  # seconds for which what is shown of all cases is not made anew: at most, and for each
_RETENTION = 3600.0
_DAY = 86_400.0
_TOKEN = TOKEN_DAYS * _DAY  # for which a token of a case that was deleted still says no
RETENTION = "retention"


class Telling:
    """``office`` is None where nothing is kept: then nobody is told anything. ``ready``: whether the inventory has all
    that is known. ``forget`` lets go of everything that was seen at an address.
    """

    def __init__(
        self,
        office: Office | None,
        inventory: Inventory,
        doors: Doors,
        *,
        ready: Callable[[], bool],
        forget: Callable[[str], None],
        log: logging.Logger,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._kept = office
        self._inventory = inventory
        self._doors = doors
        self._ready = ready
        self._now = now
        self._monotonic = monotonic
        self._log = log
        self._sample = Sample()
        self._begun = False
        self._due = self._round_due = self._retention_due = 0.0
        self._queue: deque[str] = deque()
        self._fixes = Fixes()
        self._came = Counts()
        self._failures = 0
        self._last_success = 0.0
        self._shown: dict[str, Any] = {}
        self._shown_at = float("-inf")
        if office is None:
            return
        self._recipients = Recipients(office)
        self._casework = Casework(office, self._recipients, put=self.put, forget=forget)
        self._dispatch = Dispatch(
            office, self._recipients, put=self.put, facts=self._told, log=log, monotonic=monotonic,
            stands_against=lambda case: self._casework.stands(case, self._believed(case.address), office.conditions()),
        )  # fmt: skip
        self._letters = Letters(office, self._recipients, outcomes=self._dispatch.outcomes, monotonic=monotonic)
        self._passing = Passing(office, self._recipients, self._dispatch.about)
        self._rechecks = Rechecks(office, inventory)
        self._answering = Answering(office, put=self.put, monotonic=monotonic)
        office.telling = self

    # Who is in, and what is said.

    def opened(self, connection: Connection) -> None:
        if self._kept is not None and connection.door.name == "notifier":
            for mails in (self._dispatch, self._letters, self._passing):
                mails.met(lambda kind, body: self._send(connection, kind, body))

    def closed(self, connection: Connection) -> None:
        if self._kept is not None and connection.door.name == "notifier":
            self._tried(self._dispatch.lost)
            self._letters.lost()
            self._passing.lost()

    def took(
        self, connection: Connection, kind: Type, message: Any, set_off: Callable[[], None] = lambda: None
    ) -> bool:
        """A message of the notifier's, or an answer; False for any other.

        ``set_off`` ends what an answer does not allow any more, before it is said to whoever answered that it has.
        """
        if kind not in (Type.ABOUT, Type.SENT, Type.BOUNCED, Type.TAKEN, Type.ANSWER):
            return False
        if self._kept is None:
            if kind is Type.ANSWER:
                self._send(connection, Type.ANSWERED, {"number": message.number, "status": "unavailable"})
        elif kind is Type.ABOUT:
            self._send(
                connection, Type.GO, {"id": message.id, "go": self._of(message.id).may(message.id, message.text)}
            )
        elif kind is Type.SENT:
            self._of(message.id).sent(message)
        elif kind is Type.TAKEN:
            self._passing.took(message.id)
        elif kind is Type.BOUNCED:
            ours: list[bool] = []
            if self._tried(lambda: ours.append(self._bounced(message))):
                self._send(connection, Type.HEARD, {"message_id": message.message_id, "ours": ours[0]})
        else:
            answer = self._answering.answered(message.token, message.action)
            set_off()
            self._send(connection, Type.ANSWERED, {"number": message.number, **answer.body()})
        return True

    def _of(self, ident: str) -> Dispatch | Letters:
        """Whose a message is: a case's, or about leave that was asked for."""
        return self._letters if self._letters.holds(ident) else self._dispatch

    def _bounced(self, message: Bounced) -> bool:
        ours = self._dispatch.bounced(message) or self._letters.bounced(message)
        if ours and message.action != "failed":  # which the log has, and it is passed on from there
            self._passing.heard(message)
        return ours

    def learnt(self, address: str) -> None:
        """A probe has told something of a server: it is seen to at the next tick, before the others."""
        if not self._queue or self._queue[0] != address:
            self._queue.appendleft(address)

    def until_due(self) -> float:
        """Seconds until ``tend`` has something to do."""
        return float("inf") if self._kept is None else max(0.0, self._due - self._monotonic())

    def tend(self) -> None:
        """Do what is due."""
        now = self._monotonic()
        if self._kept is None or now < self._due:
            return
        self._due = now + _TICK
        if not self._ready() or not self._kept.writable():
            return
        self._tried(lambda: self._work(now))

    # What a command may ask for (agent.cases.tells.Tells).

    def put(self, ident: str, *events: Event, owed: Callable[[Case], Item] | None = None, text: str = "") -> Case:
        """Put events of a case on record; "" for a new one. What they overtake is cancelled. Raises BookError.

        ``owed`` gives what the log is to have of it: it will, whoever ends before. ``text``: see Book.put.
        """
        book, size = self._office.book, self._office.log.size
        before = book.cases.get(ident)
        case = book.put(ident or book.fresh(), *events, owed=owed, size=size, text=text)
        if case.state == "closed_fixed" and before is not None and before.state != case.state:
            self._fixes.observe(case.since - case.opened)
        if before is not None and before.live and not case.live:
            self._count(case)
        tasks = [step for step in case.steps if not step.mail and step.outcome == PENDING and not stands(case, step)]
        if tasks:
            case = book.put(ident, *(Event(case.since, "cancelled", {"id": step.id}) for step in tasks))
        for event in events:
            step = case.step(event.body.get("id", ""))
            if event.kind in ("done", "wrong") and step is not None:
                self._dispatch.outcomes[step.kind, step.channel, event.kind] += 1
        self._dispatch.review(case)
        return case

    def _count(self, case: Case) -> None:
        """A case has ended. That it has is on record, whether or not it can be read for this."""
        try:
            self._came.add(helped(self._office.book.events(case.id)))
        except BookError:
            self._failures += 1

    def facts(self, case: Case, message: str, lang: str) -> Facts | None:
        """What a message of this case would tell now; None where nothing is known of the server. Raises AuditError."""
        assessment = self._believed(case.address)
        if assessment is None:
            return None
        config = self._office.config
        own = Own(
            config.consent.operator, mailbox(config.probe.contact, config.notices.route), lang,
            zone(self._office, case.customer), offer=config.notices.offer_help and message == "tell",
            deleted=self._deleted(case), why="wont_fix" if case.state == "will_not_fix" else "",
            links=links(config, message, self._office.book.token(case.id), OFFERED.get(case.state, (STOP,))),
        )  # fmt: skip
        proof = papers(self._office, case.customer, case.address) if asked(assessment) else Papers()
        return facts(case, message, assessment, catalogue(), self._today(), own, proof)

    def waiting(self) -> list[tuple[Case, Step, float | None]]:
        """Every message that has not come to its end, and when it may be tried; None while it is being sent."""
        return self._dispatch.waiting()

    def hurry(self) -> int:
        """Let what was put off be tried now; how many messages that are."""
        return self._dispatch.hurry()

    def whose(self, token: str) -> str | None:
        """The customer whose message a token is of, about a finding or a request for leave; None for nobody's."""
        return self._answering.whose(token)

    def erased(self, customer: str) -> int:
        """Forget a customer and all of his cases; how many there were. Raises BookError."""
        self._recipients.forget(customer)
        self._letters.forget(customer)
        self._passing.forget(customer)
        for case in list(self._office.book.cases.values()):
            if case.customer == customer:
                self._dispatch.forget(case)
                self._rechecks.forget(case.id)
                self._casework.forget(case)
        return self._office.book.erase(customer)

    # The work itself.

    @property
    def _office(self) -> Office:
        assert self._kept is not None, "nothing is kept"
        return self._kept

    def _work(self, now: float) -> None:
        """Raises AuditError, BookError: then it is tried again at the next tick."""
        office = self._office
        if not self._begun:
            settle(office)
            self._last_success = office.book.last_success(RETENTION)
            self._dispatch.begin()
            self._begun = True
        pay(self._office)
        self._dispatch.tend()
        self._letters.tend()
        self._look(now)
        if now >= self._retention_due:
            self._retention_due = now + _RETENTION
            self._retain()
        self._passing.tend()  # at last: who is told of it waits for nobody, and nobody for him

    def _look(self, now: float) -> None:
        if not self._queue:
            if now < self._round_due:
                return
            self._round_due = now + _PAUSE
            live = (case.address for case in self._office.book.cases.values() if case.live or _may_close(case))
            self._queue.extend(dict.fromkeys((*self._inventory.signed(), *live)))
        conditions = self._office.conditions()
        while self._queue and self._monotonic() - now < _MOST:
            self._see_to(self._queue.popleft(), conditions)
        pay(self._office)

    def _see_to(self, address: str, conditions: Conditions) -> None:
        assessment = self._believed(address)
        for case in self._casework.look(address, assessment, conditions):
            self._rechecks.look(case, assessment, conditions.time)
            contacts = self._recipients.contacts(case.customer)
            if step := due(case, within_reach(contacts, mails=self._office.config.notices.mails), conditions.time):
                self._make(case, step, conditions.time)

    def _make(self, case: Case, step: Next, now: float) -> None:
        """A step is on record, in the log and among the findings, before anybody hears of it."""
        notices = self._office.config.notices
        mail = step.channel == "mail"
        ident = f"{case.id}-{token_hex(4)}"
        domain = notices.sender.rpartition("@")[2]
        message_id = f"<{case.id}-{step.kind}-{token_hex(8)}@{domain}>" if mail else ""
        contact = step.contact
        body = {
            "id": ident, "step": step.kind, "channel": step.channel, "role": contact.role if contact else "",
            "way": contact.way if contact else "", "message_id": message_id,
        }  # fmt: skip
        to = next((each.address for each in self._recipients.of(case.customer) if each.contact == contact), "")
        private = {"case": case.id, "step": ident, "address": case.address, "role": body["role"], "to": to,
                   "message_id": message_id}  # fmt: skip
        public = {"step": step.kind, "channel": step.channel}
        pay(self._office)  # that there is a case is in the log before what is told of it
        self._office.record([Item("notice.due", public, case.customer, private)])
        case = self.put(case.id, Event(now, "step", body))
        if mail:
            self._dispatch.add(case, case.steps[-1])

    def _told(self, case: Case, step: Step, lang: str) -> Facts | None:
        return self.facts(case, step.kind, lang)

    def _retain(self) -> None:
        """Delete what has ended so long ago; what a person has closed stays closed while the server stays so."""
        now, days = self._now(), self._office.config.notices.fixed_days
        for case in list(self._office.book.cases.values()):
            if case.live or now - case.since < days * _DAY:
                continue
            if case.state == "closed" and self._casework.borne_out(self._believed(case.address)):
                continue
            self._office.book.delete(case.id, now + _TOKEN)
            self._dispatch.forget(case)
            self._rechecks.forget(case.id)
        self._office.book.expire(now)
        self._office.book.truncate()
        self._office.book.succeeded(RETENTION, now)
        self._last_success = now

    def _deleted(self, case: Case) -> str:
        """The day on which a case that is fixed will be deleted."""
        if case.state != "closed_fixed":
            return ""
        until = case.since + self._office.config.notices.fixed_days * _DAY
        return datetime.fromtimestamp(until, UTC).date().isoformat()

    def _believed(self, address: str) -> Assessment | None:
        return self._inventory.assessment(address, self._today())

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now(), UTC).date()

    def _tried(self, work: Callable[[], Any]) -> bool:
        try:
            work()
        except (AuditError, BookError) as error:
            self._failures += 1
            if self._sample.lets(self._monotonic()):
                self._log.error("cases cannot be put on record; trying again", extra={"error": str(error)})
            return False
        return True

    def _send(self, connection: Connection, kind: Type, body: dict[str, Any]) -> None:
        self._doors.tell(connection, iter((ipc.frame(kind, body),)))

    def body(self) -> dict[str, Any] | None:
        """Its part of a snapshot (agent.asked.Telling): counts alone. None where nothing is kept."""
        if self._kept is None:
            return None
        if self._monotonic() - self._shown_at >= min(_FRESH, len(self._kept.book.cases) * _EACH):
            self._shown = self._made()
            self._shown_at = self._monotonic()
        return self._shown

    def _made(self) -> dict[str, Any]:
        oldest = self._dispatch.oldest()
        return {
            **counted(self._office.book.cases.values(), self._now()),
            "notices": [
                {"step": step, "channel": channel, "outcome": outcome, "count": count}
                for (step, channel, outcome), count in sorted(self._dispatch.outcomes.items())
            ],
            "uncertain": self._dispatch.uncertain + self._letters.uncertain,
            "waiting": len(self._dispatch.waiting()) + len(self._office.requests.pending),
            "oldest": oldest,
            "fix_seconds": self._fixes.body(),
            "came": self._came.rows(),
            "after_seconds": self._came.after(),
            "notifier": bool(self._doors.inside("notifier")),
            "mails": self._office.config.notices.mails,
            "answers": dict(self._answering.counts),
            "rechecks": dict(self._rechecks.decisions),
            "untold": dict.fromkeys(UNTOLD, 0) | Counter(self._casework.paused.values()),
            "webhook_oldest": self._passing.oldest(),
            "webhook_dropped": self._passing.dropped,
            "failures": self._failures,
            "retention_last_success": self._last_success,
        }


def _may_close(case: Case) -> bool:
    return case.state == "closed_fixed" and not any(step.kind == "closing" for step in case.steps)
