"""What came to mailboxes held against what truly was: by a reading of its own, that shares no code with the ladder."""

from __future__ import annotations

from collections import Counter, defaultdict
from email.utils import parseaddr
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from agent.cases.case import PENDING, STATES
from tests.live.quarter.relay import DATA, RCPT, TAKEN
from tests.live.quarter.truth import CRITICAL, DAY, FIXED, HIGH, HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.cases.case import Case, Step
    from tests.live.quarter.play import Play
    from tests.live.quarter.relay import Heard
    from tests.live.quarter.truth import Customer

SENDER = "notices@isp.example"
# The design's table, typed once more.
_OFFSETS = {
    "tell": (0.0, 0.0), "contact": (0.0, 0.0), "phone": (2 * DAY, 7 * DAY), "owner": (5 * DAY, 14 * DAY),
    "letter": (10 * DAY, 30 * DAY), "human": (14 * DAY, 45 * DAY),
}  # fmt: skip
_AFTER_BOUNCE = (4 * HOUR, DAY)
_ANYBODY = ("security", "abuse", "owner")
_ROLES = {"owner": ("owner",)}
_CAME, _NOT = ("sent", "bounced", "wrong"), ("refused", "cancelled")
_FAILED = ("bounced", "refused", "wrong")
_BY_HAND = ("disputed", "human", "worsened")  # after which a case is a person's at once
_BACK = ("claimed", "worsened")  # after which what a person has decided is his again
_SLACK = 8 * DAY  # for steps that wait for a relay that is away, a full mailbox, or five days for nothing


class Mail(NamedTuple):
    """A message that the relay has taken, or was about to: as it came, and which step that is; None if it broke off."""

    heard: Heard
    step: Step | None
    case: Case | None


class Ledger:
    """``faults``: whatever is not as it must be, in words; ``counts``: what there was."""

    def __init__(self, play: Play) -> None:
        self._play, self._truth = play, play.truth
        self._book = play.agent.office.book
        self._now = play.clock.wall
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self._ids = play.relay.ids()
        self._steps = {
            step.message_id: (case, step) for case in self._book.cases.values() for step in case.steps if step.mail
        }
        self._due = {
            entry.private["message_id"]: entry.private["to"]
            for entry in play.agent.office.log.read(["notice.due"])
            if entry.private and entry.private["message_id"]
        }
        self._taken: defaultdict[str, list[Heard]] = defaultdict(list)
        self._events = {case.id: self._book.events(case.id) for case in self._book.cases.values()}

    def read(self) -> list[str]:
        """Everything; what is wrong."""
        for heard in self._play.relay.heard:
            if heard.stage == RCPT:
                self._named(heard)
            elif heard.stage in (DATA, TAKEN):
                case, step = self._steps.get(self._ids.get(heard.queue, ""), (None, None))
                self._came(Mail(heard, step, case))
        self._once()
        self._in_mailboxes()
        for case in self._book.cases.values():
            self._climbed(case)
            self._ends(case)
        self._sums()
        self._on_record()
        return self.faults

    def _fault(self, what: str, about: object) -> None:
        self.counts[f"fault: {what}"] += 1
        self.faults.append(f"{what}: {about}")

    # To whom, and when.

    def _customer(self, heard: Heard) -> Customer | None:
        return self._truth.customers.get(heard.to.rpartition("@")[2].removesuffix(".example"))

    def _named(self, heard: Heard) -> None:
        """Not even the relay is asked about anybody who never was a customer's contact."""
        self.counts["named"] += 1
        customer = self._customer(heard)
        if (
            heard.sender != SENDER
            or customer is None
            or not any(to == heard.to for at, ways in customer.ways if at.order < heard.order for _, _, to in ways)
        ):
            self._fault("somebody else was named", heard)

    def _came(self, mail: Mail) -> None:
        heard, order = mail.heard, mail.heard.order
        customer = self._customer(heard)
        if customer is None or heard.many != 1 or heard.sender != SENDER:
            self._fault("not to one customer", heard)
            return
        if heard.stage == TAKEN:
            if mail.step is None:
                self._fault("of no step", heard)
                return
            if heard.answer == "DUNNO":
                self._taken[mail.step.message_id].append(heard)
        prefix = self._truth.servers[mail.case.address].prefix if mail.case else ""
        if customer.objects(prefix, order):
            self._fault("after an objection", heard)
        if customer.ended and customer.ended.order < order:
            self._fault("after the contract's end", heard)
        roles = customer.reached_by(heard.to, order)
        if not roles:
            self._fault("to a contact of once", heard)
        if mail.step is not None and mail.case is not None:
            self._right(mail.case, mail.step, heard, customer, roles)

    def _right(self, case: Case, step: Step, heard: Heard, customer: Customer, roles: set[str]) -> None:
        """Of this customer's server, as it then was, and to the role that the step is for."""
        server = self._truth.servers[case.address]
        build, shown = server.shows(heard.order)
        if case.customer != customer.ref:
            self._fault("to another customer", (heard, case))
        if server.holder_at(heard.order) != customer.ref or shown != customer.ref:
            self._fault("of a server that is another's", (heard, case))
        if (build == FIXED) != (step.kind == "closing") or build not in (CRITICAL, HIGH, FIXED):
            self._fault("not as the server is", (heard, step, build))
        if step.role not in roles or step.role not in _ROLES.get(step.kind, _ANYBODY):
            self._fault("to another role", (heard, step))

    # How often, and what.

    def _once(self) -> None:
        if len({step.id for _, step in self._steps.values()}) != len(self._steps):
            self._fault("two ids for a step", "")
        for ident, heards in self._taken.items():
            _, step = self._steps[ident]
            self.counts["mails"] += len(heards)
            self.counts["twice"] += len(heards) > 1
            if len(heards) > 1 + step.uncertain:
                self._fault("twice without being counted", (step, heards))
        self.counts["uncertain"] = sum(step.uncertain for _, step in self._steps.values())

    def _in_mailboxes(self) -> None:
        """What is there is what the relay took, with its names in the heads."""
        found: Counter[str] = Counter()
        for mail in self._play.relay.mails():
            ident, to = mail["Message-ID"], mail["Delivered-To"]
            found[ident] += 1
            if (
                parseaddr(mail["From"])[1] != SENDER or parseaddr(mail["To"])[1] != to or self._due.get(ident) != to
                or mail["Cc"] or mail["Bcc"] or mail["Reply-To"]
            ):  # fmt: skip
                self._fault("other names in its head", (ident, to, mail["From"], mail["To"], mail["Cc"]))
        for ident, heards in self._taken.items():
            there = ".ok@" in heards[0].to or ".busy@" in heards[0].to
            self.counts["in mailboxes"] += found[ident]
            if found[ident] != (len(heards) if there else 0):
                self._fault("lost between the relay and a mailbox", (ident, found[ident], heards))
        if sum(found.values()) != self.counts["in mailboxes"]:
            self._fault("mail of nobody's in a mailbox", found.keys() - self._taken.keys())

    # In which order.

    def _severity(self, case: Case, wall: float) -> int:
        """0 for critical, 1 for high: as the server showed up to then."""
        server = self._truth.servers[case.address]
        worst = [build for at, build, ref in server.shown if at.wall <= wall and ref == case.customer]
        return 0 if CRITICAL in worst else 1

    def _climbed(self, case: Case) -> None:
        steps = sorted(case.steps, key=lambda step: step.made)
        ladder = [step for step in steps if step.kind in _OFFSETS]
        kinds = [step.kind for step in ladder if step.kind != "human"]
        humans = [step for step in ladder if step.kind == "human"]
        if kinds != sorted(set(kinds), key=list(_OFFSETS).index) or (humans and ladder[-1].kind != "human"):
            self._fault("out of order", ([step.kind for step in ladder], self._told_of(case), case))
        for before, after in pairwise(humans):
            if not any(e.kind in _BACK and before.made <= e.time <= after.made for e in self._events[case.id]):
                self._fault("a person's twice", ([step.kind for step in ladder], self._told_of(case), case))
        ways = [step.way for step in ladder if step.way]
        if len(set(ways)) != len(ways):
            self._fault("the same person by the same way", case)
        for step in ladder:
            self._in_time(case, step)
        for before, after in pairwise(steps):
            if before.mail and before.outcome != "cancelled" and self._ended(case, before) > after.made:
                self._fault("two steps at once", (before, after))
        if sum(step.kind == "closing" for step in steps) > (case.state in ("closed_fixed", "objected", "handed_over",
                                                                           "contract_ended")):  # fmt: skip
            self._fault("closing", case)

    def _told_of(self, case: Case) -> list[tuple[str, float]]:
        """What happened to a case, and after how many days, for whoever reads of a fault."""
        return [(event.kind, round((event.time - case.opened) / DAY, 2)) for event in self._events[case.id]]

    def _ended(self, case: Case, step: Step) -> float:
        """When it was known what became of a message: the first time."""
        ends = (*_CAME, *_NOT)
        times = [e.time for e in self._events[case.id] if e.kind in ends and e.body.get("id") == step.id]
        return min(times, default=float("inf"))

    def _in_time(self, case: Case, step: Step) -> None:
        severity = self._severity(case, step.made)
        early = _OFFSETS[step.kind][severity]
        by_hand = [each for each in self._events[case.id] if each.kind in _BY_HAND]
        if step.kind == "human" and by_hand:
            early = 0.0
        if step.made < case.opened + early - 1:
            self._fault("too early", (step.made - case.opened, step, case.severity))
        if step.kind == "contact":
            failed = [e for e in self._events[case.id] if e.kind in _FAILED and e.time <= step.made]
            told = [each for each in case.steps if each.kind == "tell"]
            if told and (not failed or step.made < self._ended(case, told[0]) + _AFTER_BOUNCE[severity] - 1):
                self._fault("too soon after a bounce", (step, failed))

    # How it ends.

    def _ends(self, case: Case) -> None:
        self.counts[f"state: {case.state}"] += 1
        if case.state not in STATES:
            self._fault("no state", case)
        kinds = [step.kind for step in case.steps]
        server, customer = self._truth.servers[case.address], self._truth.customers[case.customer]
        build, shown = server.shows(1 << 60)
        going_on = server.holder == case.customer == shown and build in (CRITICAL, HIGH)
        if case.live and (customer.objects(server.prefix) or customer.ended or server.holder != case.customer):
            self._fault("still live", case)
        if case.live and build == FIXED and shown == case.customer:
            self._fault("fixed, and still live", case)
        if not case.live or not going_on:
            return
        # Who was told because a message had come back is given as long as one who was told at once.
        since = max((step.made for step in case.steps if step.kind in ("tell", "contact")), default=case.opened)
        late = self._now - since > 45 * DAY + 2 * _SLACK
        if case.state in ("open", "acknowledged") and late and "human" not in kinds:
            self._fault("no end of the ladder", (kinds, self._told_of(case), case))
        if not customer.touched:
            self.counts["left alone"] += 1
            self._whole(case, [kind for kind in kinds if kind in _OFFSETS])

    def _whole(self, case: Case, kinds: list[str]) -> None:
        """Nothing happened but that he was told: every step that there is a way for was made, and when it was due."""
        back = self._came_back(case)
        expected = list(self._expected(case, untold=back <= self._now))
        severity = self._severity(case, self._now)
        other = next((step.made for step in case.steps if step.kind == "contact"), case.opened)
        since = {"tell": case.opened, "contact": back or case.opened}  # what a step is counted from
        must = [kind for kind in expected if since.get(kind, other) + _OFFSETS[kind][severity] + _SLACK < self._now]
        if [kind for kind in kinds if kind in must] != must or not set(kinds) <= set(expected):
            self._fault("steps missing, or too many", (kinds, expected, must, self._told_of(case), case))

    def _came_back(self, case: Case) -> float:
        """When it was known that the first message had told nobody: 0 where there was nobody to send it to.

        Infinity for never, and for too late: a full mailbox is known of after days, and by then another was told.
        """
        told = next((step for step in case.steps if step.kind == "tell"), None)
        if told is None:
            return 0.0
        failed = [e.time for e in self._events[case.id] if e.kind in _FAILED and e.body.get("id") == told.id]
        others = [step.made for step in case.steps if step.kind not in ("tell", "contact")]
        known = min(failed, default=float("inf"))
        return known if known < min(others, default=float("inf")) else float("inf")

    def _expected(self, case: Case, *, untold: bool) -> Iterator[str]:
        """Every step that there is a way for, in order; whether or not it is due."""
        ways = self._truth.customers[case.customer].ways[0][1]
        used: set[str] = set()

        def free(channels: tuple[str, ...], roles: tuple[str, ...] = _ANYBODY) -> bool:
            for channel in channels:
                for role in roles:
                    for his_role, his_channel, to in ways:
                        if (his_role, his_channel) == (role, channel) and to not in used:
                            used.add(to)
                            return True
            return False

        if told := free(("mail",)):
            yield "tell"
        other = ("phone", "portal", "letter", "mail") if told else ("phone", "portal", "mail", "letter")
        if untold and free(other):
            yield "contact"
        for kind, channel, roles in (
            ("phone", "phone", _ANYBODY), ("owner", "mail", ("owner",)),
            ("letter", "letter", ("owner", "security", "abuse")),
        ):  # fmt: skip
            if free((channel,), roles):
                yield kind
        yield "human"

    # Nothing is lost.

    def _sums(self) -> None:
        waiting = {step.id for _, step, _ in self._play.agent.telling.waiting()}
        for ident, (case, step) in self._steps.items():
            came = len(self._taken[ident])
            self.counts[f"step: {step.outcome or 'waiting'}"] += 1
            if step.outcome == PENDING and step.id not in waiting:
                self._fault("lost", (case, step))
            if step.outcome == "sent" and not came:
                self._fault("said to be sent, and was not", step)
            if came and step.outcome not in _CAME and not step.uncertain:
                self._fault("was sent, and is not said to be", step)
            kinds = {event.kind for event in self._events[case.id] if event.body.get("id") == step.id}
            self.counts["sent, by the findings"] += "sent" in kinds
        counted = sum(many for (_, channel, kind), many in self._play.agent.outcomes.items()
                      if channel == "mail" and kind == "sent")  # fmt: skip
        self.counts["sent, by metrics"] = counted
        if not 0 <= self.counts["sent, by the findings"] - counted <= self._play.kills["agent"]:
            self._fault("metrics", (counted, self.counts["sent, by the findings"]))
        # One that came and was cancelled before it was told again was never "sent": the relay counts it all the same.
        first = sum(1 for heards in self._taken.values() if heards)
        left = sum(1 for ident in self._taken if self._steps[ident][1].outcome in (*_NOT, PENDING))
        gap = first - self.counts["sent, by the findings"]
        if not 0 <= gap <= left + self.counts["uncertain"]:
            self._fault("sums", (first, left, self.counts))

    def _on_record(self) -> None:
        """The log says of each case that it was opened, and of each message how it went."""
        log = self._play.agent.office.log
        opened = {entry.private["case"] for entry in log.read(["case.opened"]) if entry.private}
        ended = {entry.private["step"] for entry in log.read(["notice.sent"]) if entry.private}
        for case in self._book.cases.values():
            if case.id not in opened:
                self._fault("a case that the log does not have", case.id)
        for _, step in self._steps.values():
            if step.message_id not in self._due:
                self._fault("a step that the log does not have", step)
            if step.outcome in ("sent", "refused", "cancelled") and step.id not in ended:
                self._fault("an outcome that the log does not have", step)
