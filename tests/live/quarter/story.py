"""What happens to customers and their servers in a quarter: each story is drawn, and told to the agent as it is."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from heapq import heappush
from typing import TYPE_CHECKING, Any

from agent.asked import ObjectionTold
from agent.audit.entry import Item
from agent.cases.case import PENDING
from agent.consent.written import body
from agent.errors import InputError
from agent.ipc import Type
from agent.lab import leave
from agent.notice import AnswerTold
from agent.office import Who
from agent.verbs import cases as verbs
from tests.agent.leaving import Clock
from tests.live.quarter.part import Agent, DiedError
from tests.live.quarter.truth import BEGINS, CRITICAL, DAY, FIXED, HIGH, At, Customer, Server, Truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.cases.case import Case, Step

_WHO = Who(0, 0)
# What becomes of a server, and how often: of a hundred.
_FATES = {
    "fixes": 34, "claims": 8, "claims_only": 3, "refuted": 5, "declines": 5, "declines_worse": 2, "disputes": 3,
    "wrong_contact": 4, "stops": 3, "objects": 4, "objects_by_web": 2, "objected_before": 1, "withdraws": 2,
    "ends": 4, "hands_over": 5, "contacts": 4, "vanishes": 2, "closed": 1, "nothing": 8,
}  # fmt: skip


class Story:
    """``many`` servers, one of a customer each. Who plays it has an ``agent``, and another when that dies (``reborn``).

    ``happened``: what, and how often.
    """

    agent: Agent

    def __init__(self, many: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.clock.wall = BEGINS
        self._order = itertools.count(1)
        self.truth = Truth(many, self.chance)
        self.happened: Counter[str] = Counter()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []

    def reborn(self) -> None:
        raise NotImplementedError

    def _plan(self, server: Server) -> None:
        chance = self.chance
        shows = self._days(2) if chance.random() < 0.7 else self._days(70)
        build = CRITICAL if chance.random() < 0.6 else HIGH
        fate = chance.choices(list(_FATES), list(_FATES.values()))[0]
        if fate == "objected_before":
            self._at(shows / 2, lambda: self.objects(server))
        self._at(shows, lambda: self._shows(server, build))
        for week in range(1, 13):
            self._at(shows + week * 7 * DAY, lambda: self._shows_again(server))
        if fate not in ("nothing", "objected_before"):
            self._at(shows + min(chance.expovariate(1 / 12), 60) * DAY, lambda: getattr(self, fate)(server))

    def _at(self, after: float, what: Callable[[], None]) -> None:
        heappush(self._heap, (BEGINS + after, next(self._order), what))

    def _in(self, days: float, what: Callable[[], None]) -> None:
        self._at(self.clock.wall - BEGINS + days * DAY, what)

    def _days(self, most: float) -> float:
        return self.chance.random() * most * DAY

    # What happens. Whatever is put on record is said again where the agent died of it.

    def _record(self, *items: Item) -> At:
        while True:
            try:
                self.agent.office.record(list(items))
                return At(next(self._order), self.clock.wall)
            except DiedError:
                self.reborn()

    def _said(self, ref: str, kind: str, **more: Any) -> At:
        said = {"at": leave.ago(self.clock.wall, 0), **more}
        return self._record(Item(kind, {}, ref, body(kind, said)))

    def _of(self, server: Server) -> Customer:
        return self.truth.customers[server.holder]

    def _touch(self, server: Server, what: str) -> Customer:
        self.happened[what] += 1
        customer = self._of(server)
        customer.touched = True
        return customer

    def _shows(self, server: Server, build: str) -> None:
        server.shown.append((At(next(self._order), self.clock.wall), build, server.holder))
        self.agent.shows(server.address, build)

    def _shows_again(self, server: Server) -> None:
        """It was seen once more, as it was."""
        build, ref = server.shows(1 << 60)
        if build in (CRITICAL, HIGH) and ref == server.holder:
            self._shows(server, build)

    def _answers(self, server: Server, action: str) -> bool:
        """The holder of a token of this server's case says something; False where there is none."""
        cases = self.agent.at(server.address, server.holder)
        if not cases:
            return False
        token = self.agent.office.book.token(cases[0].id)
        while True:
            try:
                self.agent.took(Type.ANSWER, AnswerTold(number=1, token=token, action=action))  # type: ignore[arg-type]
                return True
            except DiedError:
                self.reborn()

    def fixes(self, server: Server) -> None:
        self._touch(server, "fixes")
        if server.shown:
            self._shows(server, FIXED)

    def claims(self, server: Server) -> None:
        """He says so, and a look agrees some hours later."""
        self._touch(server, "claims")
        self._answers(server, "fixed")
        self._in(self.chance.random() / 2, lambda: self.fixes(server))

    def claims_only(self, server: Server) -> None:
        self._touch(server, "claims_only")
        self._answers(server, "fixed")

    def refuted(self, server: Server) -> None:
        """He says so, and a look does not agree."""
        self._touch(server, "refuted")
        self._answers(server, "fixed")
        self._in(self.chance.random() / 2, lambda: self._shows_again(server))

    def declines(self, server: Server) -> None:
        self._touch(server, "declines")
        self._answers(server, "wont_fix")

    def declines_worse(self, server: Server) -> None:
        """He leaves it, and then there is more that is wrong with it."""
        self.declines(server)
        self._in(self._days(20) / DAY, lambda: self._worsens(server))

    def _worsens(self, server: Server) -> None:
        self._touch(server, "worsens")
        if server.shows(1 << 60) == (HIGH, server.holder):
            self._shows(server, CRITICAL)

    def disputes(self, server: Server) -> None:
        self._touch(server, "disputes")
        self._answers(server, "not_ours")

    def wrong_contact(self, server: Server) -> None:
        self._touch(server, "wrong_contact")
        self._answers(server, "wrong_contact")

    def stops(self, server: Server) -> None:
        customer = self._touch(server, "stops")
        if self._answers(server, "stop"):
            customer.objections.append((At(next(self._order), self.clock.wall), ""))

    def objects(self, server: Server) -> None:
        customer = self._touch(server, "objects")
        prefix = server.prefix if self.chance.random() < 0.3 else ""
        at = self._record(leave.objected(customer.ref, [prefix] if prefix else None, self.clock.wall))
        customer.objections.append((at, prefix))

    def objects_by_web(self, server: Server) -> None:
        customer = self._touch(server, "objects_by_web")
        told = ObjectionTold(number=1, prefix=server.prefix, token=None, headers=False)
        while True:
            try:
                if self.agent.objects(told) == "noted":
                    customer.objections.append((At(next(self._order), self.clock.wall), server.prefix))
                return
            except DiedError:
                self.reborn()

    def withdraws(self, server: Server) -> None:
        """His leave to be knocked at. That he seems to run something he may still be told."""
        self._said(self._touch(server, "withdraws").ref, "record.withdrawn")

    def ends(self, server: Server) -> None:
        customer = self._touch(server, "ends")
        at = self._said(customer.ref, "record.contract_ended")
        customer.ended = customer.ended or at

    def contacts(self, server: Server) -> None:
        """Others are to be told from now on."""
        customer = self._touch(server, "contacts")
        ways = self.truth.some_ways(customer.ref, len(customer.ways))
        self.clock.on(1.0)  # of two lists of one second only what both say counts
        written = self.truth.written(ways, self.clock.wall)
        at = self._said(customer.ref, "record.contacts", contacts=written)
        customer.ways.append((at, ways))

    def hands_over(self, server: Server) -> None:
        """Its address goes to another, who has a server there some days later, or the same still answers."""
        before = self._touch(server, "hands_over")
        others = [c for c in self.truth.customers.values() if c.ref != before.ref and not c.ended]
        after = self.chance.choice(others)
        after.touched = True
        now = self.clock.wall
        at = self._record(
            leave.unmapped(before.ref, [server.prefix], now), leave.mapped(after.ref, [server.prefix], now, days=0)
        )
        server.held.append((at, after.ref))
        self._in(self.chance.uniform(0.1, 20), lambda: self._shows(server, CRITICAL))

    def vanishes(self, server: Server) -> None:
        """Nothing is known of it any more."""
        self._touch(server, "vanishes")
        server.shown.append((At(next(self._order), self.clock.wall), "", server.holder))
        self.agent.forget(server.address)

    def closed(self, server: Server) -> None:
        self._touch(server, "closed")
        for case in self.agent.at(server.address, server.holder):
            self._verb(verbs.closed, {"case": case.id, "note": "by hand"})

    def _verb(self, verb: Callable[..., Any], words: dict[str, Any]) -> None:
        try:
            list(verb(self.agent.office, words, _WHO))
        except DiedError:
            self.reborn()
        except InputError:
            self.happened["overtaken"] += 1  # what was done of this case a moment ago has ended it

    def _desk(self) -> None:
        """A person does some of what waits for one."""
        waits = [
            (case, step)
            for case in self.agent.office.book.cases.values()
            for step in case.steps
            if case.live and not step.mail and step.outcome == PENDING and self.chance.random() < 0.05
        ]
        for case, step in waits:
            self._does(case, step)

    def _does(self, case: Case, step: Step) -> None:
        results = {"phone": ("told", "not_reached", "wrong_contact", "wont_fix"), "letter": ("sent",)}
        result = self.chance.choice(results.get(step.channel, ("handled",)))
        self.happened[f"task: {result}"] += 1
        if result not in ("not_reached", "sent", "handled"):
            self.truth.customers[case.customer].touched = True
        self._verb(verbs.done, {"task": step.id, "result": result, "note": "done"})
