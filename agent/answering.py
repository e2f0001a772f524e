"""Answers of customers to what they were told or asked, by a token: who has it need not log in.

A token says nothing of whose it is. What a holder can do is to say something about one case, to agree to what he was
asked, or to say no to all checks; and a no is heard from the token of a case that is long gone, too.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from agent.agreeing import Agreeing
from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.bucket import TOKENLESS, Bucket
from agent.cases.book import BookError, Held
from agent.cases.case import Event
from agent.cases.counted import ANSWERS
from agent.objecting import objection

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.cases.case import Case, Step
    from agent.office import Office
    from agent.requests import Request

AGREE, STOP = "agree", "stop"
# State -> what a customer may say of his case then, in the order in which it is shown.
_ALL = ("fixed", "recheck", "wrong_contact", "not_ours", "wont_fix", STOP)
OFFERED = {
    "open": _ALL,
    "acknowledged": _ALL,
    "fixed_claimed": ("recheck", "not_ours", "wont_fix", STOP),
    "will_not_fix": ("fixed", "recheck", STOP),
    "human": ("fixed", "recheck", "wont_fix", STOP),
}
_ACTS = (20, 1 / 600)  # answers at once by one token, and a second after that
_KEPT = 20_000  # tokens of which that is remembered
# What of that is which event of the case; "wrong_contact" is one of the step that was sent last.
_EVENTS = {"fixed": "claimed", "recheck": "recheck", "not_ours": "disputed", "wont_fix": "declined"}


class Answer(NamedTuple):
    """As agent.notice.Answered, without its number."""

    status: str
    offered: tuple[str, ...] = ()
    done: str = ""
    receipt: str = ""
    text: str = ""
    lang: str = ""

    def body(self) -> dict[str, object]:
        return self._asdict() | {"offered": list(self.offered)}


class Answering:
    """``put`` puts events of a case on record, with what the log is to have of them."""

    def __init__(self, office: Office, *, put: Callable[..., Case], monotonic: Callable[[], float]) -> None:
        self._office = office
        self._put = put
        self._agreeing = Agreeing(office)
        self._monotonic = monotonic
        self._bucket = Bucket(*TOKENLESS, monotonic)
        self._acts: dict[str, Bucket] = {}  # case -> how often its customer may say something, but for a no
        self.counts = Counter(dict.fromkeys(ANSWERS, 0))

    def answered(self, token: str, action: str) -> Answer:
        """What an answer comes to. ``show`` changes nothing; what is not offered does neither."""
        held = self._office.book.holder(token)
        if held is None and (request := self._agreeing.holder(token)):
            return self._of_request(request, action)
        if held is None and (owner := self._office.tokens.owner(token)):
            held = Held(owner, "")  # with a receipt he got one that stops it
        if held is None:
            status = "unknown" if self._bucket.takes() else "rate"
            self.counts[status] += 1
            return Answer(status)
        case = self._office.book.cases.get(held.case)
        offered = OFFERED.get(case.state, (STOP,)) if case else (STOP,)
        if action == "show":
            self.counts[action] += 1
            return Answer("shown", offered)
        if action not in offered:
            return Answer("done", (), action) if case and self._said(case, action) else Answer("shown", offered)
        if action != STOP and not self._may_say(held.case):
            self.counts["rate"] += 1
            return Answer("rate")
        try:
            receipt = self._done(held, case, action)
        except (AuditError, BookError):
            self.counts["unavailable"] += 1
            return Answer("unavailable", offered)
        self.counts[action] += 1
        return Answer("done", (), action, receipt)

    def whose(self, token: str) -> str | None:
        """The customer whose message a token is of; None for nobody's, and for one that has had its day."""
        held = self._office.book.holder(token) or self._agreeing.holder(token)
        return held.customer if held else None

    def _of_request(self, request: Request, action: str) -> Answer:
        """What an answer to a request for leave comes to: a no is heard always, a yes where it can be taken."""
        try:
            text, lang = self._agreeing.text(request)
            offered = (AGREE, STOP) if text else (STOP,)
            if action == STOP:
                done = Answer("done", (), STOP, self._stop(request.customer, *self._agreeing.refuse(request)))
            elif action == AGREE and (self._agreeing.again(request) or (text and self._agreeing.agree(request))):
                done = Answer("done", (), AGREE, request.record)
            else:
                self.counts["show"] += action == "show"
                return Answer("shown", offered, text=text, lang=lang)
        except (AuditError, BookError):
            self.counts["unavailable"] += 1
            return Answer("unavailable")
        self.counts[done.done] += 1
        return done

    def _said(self, case: Case, action: str) -> bool:
        """Whether this is what has brought the case to where it is: said twice, as by a double click, it is noted."""
        kind = _EVENTS.get(action)
        try:
            events = self._office.book.events(case.id) if kind else []
        except BookError:
            return False
        return any((event.kind, event.time, event.body.get("by")) == (kind, case.since, "customer") for event in events)

    def _may_say(self, case: str) -> bool:
        """Whoever has a token may not fill the log with it."""
        if len(self._acts) >= _KEPT:
            self._acts.clear()
        return self._acts.setdefault(case, Bucket(*_ACTS, self._monotonic)).takes()

    def _done(self, held: Held, case: Case | None, action: str) -> str:
        if action == STOP:
            return self._stop(held.customer)
        assert case is not None
        now = self._office.now()
        by = {"by": "customer"}
        if action == "wrong_contact":
            events = [Event(now, "wrong", {"id": step.id, **by}) for step in _last(case)]
            events = events or [Event(now, "noted", by | {"note": action})]
        else:
            events = [Event(now, _EVENTS[action], by)]
        private = {"case": case.id, "address": case.address}
        self._put(
            case.id, *events, owed=lambda case: Item("case.answered", {"said": action}, case.customer, private)
        )  # fmt: skip
        return ""

    def _stop(self, customer: str, *more: Item) -> str:
        """All checks of this customer stop. That is on record, and counts, when this returns; with what else is said
        of it. Raises AuditError.

        Where a no to everything stands already, it is that one: to say it twice changes nothing.
        """
        known = self._office.register.customer(customer)
        for each in known.objections if known else ():
            if each.prefixes is None and each.lifted is None:
                if more:
                    self._office.record(more)
                return each.id
        ident = str(uuid4())
        item = objection(
            customer, None, at=self._office.now(), ident=ident, headers=False, channel="web", verified=True
        )
        self._office.record([item, *more])
        return ident


def _last(case: Case) -> list[Step]:
    """The step that was sent last; none where that is said to be wrong already, for an older one was another's."""
    sent = [step for step in case.steps if step.outcome in ("sent", "wrong") and step.way]
    last = max(sent, key=lambda step: step.made, default=None)
    return [last] if last and last.outcome == "sent" else []
