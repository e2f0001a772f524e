"""Casework: cases are opened, changed and closed by what is believed of servers, and by whose they are now.

Nothing is opened but for the one customer whose address it is, by the rules by which he may be knocked at; telling him
that he seems to run something takes no record (NIS2, article 23(2); docs/legal.md, R5), but contacts, and no objection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.audit.entry import Item
from agent.cases.case import Event, takes
from agent.cases.counted import UNTOLD
from agent.cases.facts import asked_at, build_text, fixed, judged, tellable
from agent.consent.case import Case as Question
from agent.consent.case import handed_over, in_any
from agent.consent.checks import CHECKS
from agent.leave import PROBES, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.cases.case import Case
    from agent.cases.facts import Judged
    from agent.leave import Conditions
    from agent.model import Assessment
    from agent.office import Office
    from agent.recipients import Recipients

# What has to be in order before a customer is told, of what has to be before he is knocked at (agent.leave.REASONS).
WANTED = tuple(reason for reason in UNTOLD if reason not in ("no_contact", "unsure"))
_PASSES = {check.reason: check.passes for check in CHECKS}
_HOUR = 3600.0


class Whose(NamedTuple):
    """Whose an address is. ``reason``, of WANTED, is what is in the way, "" for nothing; ``over``: when it last went
    from one customer to another, None for never.
    """

    customer: str
    reason: str
    over: float | None


def whose(office: Office, address: str, conditions: Conditions) -> tuple[Whose, Question]:
    """Whose an address is now, by mappings that are fresh, and whether he may be told anything."""
    asked = Question(office.register, office.history, Request(address, 443, PROBES[0]), conditions)
    reason = next((reason for reason in WANTED if not _PASSES[reason](asked)), "")
    return Whose(asked.holder or "", reason, handed_over(asked)), asked


class Casework:
    """``put`` puts events of a case on record; ``forget`` lets go of all that was seen at an address."""

    def __init__(
        self,
        office: Office,
        recipients: Recipients,
        *,
        put: Callable[..., Case],
        forget: Callable[[str], None],
    ) -> None:
        self._office = office
        self._recipients = recipients
        self._put = put
        self._forget = forget
        self._changed: dict[str, float] = {}  # case -> when it last changed
        self._lost: dict[str, float] = {}  # case -> since when no source says whose its address is
        self._unseen: dict[str, float] = {}  # case -> since when nothing bears it out
        self.paused: dict[str, str] = {}  # address -> why nobody is told of what was found there

    def look(self, address: str, assessment: Assessment | None, conditions: Conditions) -> list[Case]:
        """See to the cases of an address; those that are live and may go on are given back."""
        holder, asked = whose(self._office, address, conditions)
        now = conditions.time
        going: list[Case] = []
        for case in self._office.book.at(address):
            looked = self._seen_to(case, holder, asked, assessment, now)
            if looked is not None:
                going.append(looked)
        self.paused.pop(address, None)
        if assessment is not None and (opened := self._open(address, assessment, holder, now)):
            going.append(opened)
        return going

    def stands(self, case: Case, assessment: Assessment | None, conditions: Conditions) -> str:
        """Why nothing may be told of a case now: "" for nothing, "over" where it has ended, or a reason for later."""
        holder, asked = whose(self._office, case.address, conditions)
        if self._ended(case, holder, asked, conditions.time):
            return "over"
        if holder.reason or holder.customer != case.customer:
            return holder.reason or "unmapped"
        if case.state == "closed_fixed":
            return ""
        if assessment is not None and fixed(assessment, case):
            return "over"
        return "" if self.borne_out(assessment) else "unsure"

    def forget(self, case: Case) -> None:
        """A case was erased, and what is known of its address with it."""
        for kept in (self._changed, self._lost, self._unseen):
            kept.pop(case.id, None)
        self.paused.pop(case.address, None)

    @staticmethod
    def borne_out(assessment: Assessment | None) -> bool:
        """Whether what is believed now is bad, and sure enough to tell."""
        return assessment is not None and tellable(assessment) and bool(judged(assessment).severity)

    def _ended(self, case: Case, holder: Whose, asked: Question, now: float) -> str:
        """The event that ends a case, whatever is found: "" for none."""
        if not takes(case, "objected"):
            return ""
        known = self._office.register.customer(case.customer)
        standing = [each for each in known.objections if each.lifted is None or each.lifted > now] if known else []
        if holder.reason == "objection" or any(
            each.prefixes is None or in_any(each.prefixes, asked.address) for each in standing
        ):
            return "objected"
        if known is None or (known.ended is not None and known.ended <= now):
            return "ended"
        his = {each.customer for each in asked.standing}
        if case.customer in his:
            self._lost.pop(case.id, None)
            return ""
        # A source that has lost him may find him again; one that names another has made up its mind.
        lost = self._lost.setdefault(case.id, now)
        return "handed_over" if his or now - lost >= self._office.limits().quarantine else ""

    def _seen_to(
        self, case: Case, holder: Whose, asked: Question, assessment: Assessment | None, now: float
    ) -> Case | None:
        """What becomes of one case; None where nothing more is to be done about it now."""
        if ended := self._ended(case, holder, asked, now):
            self._close(case, ended, now)
            return None
        if case.state == "closed_fixed":
            return case if holder.customer == case.customer and not holder.reason else None
        if not case.live:
            return None
        if assessment is not None and fixed(assessment, case):
            return self._close(case, "fixed", now, build_text(assessment))
        if not self.borne_out(assessment):
            return self._missed(case, now)
        assert assessment is not None
        self._unseen.pop(case.id, None)
        case = self._update(case, judged(assessment), assessment, now)
        return case if holder.customer == case.customer and not holder.reason else None

    def _missed(self, case: Case, now: float) -> Case | None:
        """Less is known than before. That shows no fix; but after as long as facts are kept, nothing stands for it."""
        since = self._unseen.setdefault(case.id, now)
        if now - since >= self._office.config.agent.retention_days * 24 * _HOUR:
            self._close(case, "unseen", now)
        return None

    def _update(self, case: Case, found: Judged, assessment: Assessment, now: float) -> Case:
        build = build_text(assessment)
        body = found.body(build)
        said = {"severity": case.severity, "build": case.build, "holes": list(case.holes), "exploited": []}
        new_ones = set(found.exploited) - set(case.exploited)
        events = []
        news = body | {"exploited": []} != said or new_ones
        # What two servers behind one address show in turn is not news each time.
        if news and now - self._changed.get(case.id, float("-inf")) >= _HOUR:
            self._changed[case.id] = now
            events.append(Event(now, "changed", body))
            if new_ones and takes(case, "worsened"):
                events.append(Event(now, "worsened", {}))
        if case.asked is not None and asked_at(assessment) > case.asked:
            events.append(Event(now, "refuted", {"build": build}))
        return self._put(case.id, *events) if events else case

    def _close(self, case: Case, kind: str, now: float, build: str = "") -> Case:
        self._unseen.pop(case.id, None)
        self._changed.pop(case.id, None)
        self._lost.pop(case.id, None)
        private = {"case": case.id, "address": case.address, "build": build}
        return self._put(
            case.id, Event(now, kind, {"build": build}),
            owed=lambda case: Item("case.closed", {"state": case.state}, case.customer, private),
        )  # fmt: skip

    def _open(self, address: str, assessment: Assessment, holder: Whose, now: float) -> Case | None:
        """A new case, where there is something to tell, somebody to tell it to, and nothing in the way."""
        found = judged(assessment)
        if not found.severity:
            return None
        reason = holder.reason or self._cannot(address, assessment, holder)
        if reason:
            self.paused[address] = reason
            return None
        body = found.body(build_text(assessment))
        for case in self._office.book.at(address):
            closed = case.state == "closed" and set(body["holes"]) <= set(case.holes)
            if case.customer == holder.customer and (case.live or closed):
                return None
        return self._put(
            "", Event(now, "opened", body | {"customer": holder.customer, "address": address}), owed=_opened
        )  # fmt: skip

    def _cannot(self, address: str, assessment: Assessment, holder: Whose) -> str:
        if not tellable(assessment):
            return "unsure"
        if holder.over is not None and max(e.observation.time for e in assessment.evidence) <= holder.over:
            self._forget(address)  # what was seen at the former holder's is not held against this one
            return "quarantine"
        return "" if self._recipients.contacts(holder.customer) else "no_contact"


def _opened(case: Case) -> Item:
    private = {"case": case.id, "address": case.address, "build": case.build, "holes": list(case.holes)}
    return Item("case.opened", {"severity": case.severity}, case.customer, private)
