"""An agent that asks customers for leave: a world in which one was told, and never agreed; who answers is by hand."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.consent.gate import ConsentGate
from agent.consent.written import body
from agent.desk import answered
from agent.ipc import Type
from agent.lab import leave
from agent.notice import AnswerTold
from agent.office import Who
from tests.agent import leaving
from tests.agent.leaving import HOST, NET, Clock
from tests.agent.telling_world import CUSTOMER, NOTICES, World, contacts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.notice import Due

URL = "https://isp.example/checks"
SECTIONS: dict[str, dict[str, Any]] = {"notices": NOTICES, "consent": {"public_url": URL}}


def told(customer: str, prefix: str, now: float, *, days: float = 40) -> list[Item]:
    """His prefix, his contacts, and that the announcement has reached him so many days ago."""
    said = {"at": leave.ago(now, 35), "contacts": contacts(customer, now)}
    return [
        leave.mapped(customer, [prefix], now),
        leave.announced(customer, now, days=days),
        Item("record.contacts", {}, customer, body("record.contacts", said)),
    ]


class Asking(World):
    def asks(self, *customers: str, **words: Any) -> list[dict[str, Any]]:
        given = {"customers": list(customers or (CUSTOMER,)), "subject": "legal_person"} | words
        return answered(self.office, "consent.request", given, Who(0, 1))

    def asked(self) -> Due:
        """He is asked, and the relay has taken it."""
        (answer,) = self.asks()
        assert answer["record"], answer
        self.passes(10, 1.0)
        due = self.dues()[-1]
        self.sends(due)
        return due

    def says_by(self, link: str, action: str) -> dict[str, Any]:
        """What comes of an action on the page that a link leads to."""
        token = link.removeprefix(f"{URL}/answers/").partition("#")[0]
        self.says(AnswerTold(number=1, token=token, action=action))  # type: ignore[arg-type]
        return self.heard(Type.ANSWERED)[-1]


@contextmanager
def asking(directory: Path, *items: Item, clock: Clock | None = None, **sections: Any) -> Iterator[Asking]:
    clock = clock or Clock()
    things = items or told(CUSTOMER, NET, clock.wall)
    with leaving.opened(directory, clock, *things, **SECTIONS | sections) as office:
        made = Asking(office, clock)
        made.comes()
        yield made


def decided(world: Asking) -> Any:
    """What the gate says of a knock at his server now."""
    request = leaving.request(HOST, seen_at=world.clock.wall)
    return ConsentGate(world.office, world.clock.monotonic, lambda: "00" * 16).decide(
        request, world.office.conditions()
    )  # type: ignore[return-value]


def refusals(now: float) -> dict[str, list[Item]]:
    """Why a customer is not asked -> what is on record of him."""
    his = told(CUSTOMER, NET, now)

    def said(kind: str) -> Item:
        return Item(kind, {}, CUSTOMER, body(kind, {"at": leave.ago(now, 1)}))

    return {
        "objected": [*his, leave.objected(CUSTOMER, [f"{HOST}/32"], now)],
        "refused": [*his, said("record.refused")],
        "suspended": [*his, said("record.suspended")],
        "contract_ended": [*his, said("record.contract_ended")],
        "agreed": [*his, leave.given(CUSTOMER, [NET], now)],
        "not_announced": [his[0], leave.announced(CUSTOMER, now, delivered="unknown"), his[2]],
        "no_contact": his[:2],
        "unmapped": [leave.mapped(CUSTOMER, [NET], now, kind="dynamic"), *his[1:]],
        "not_his": [*his, leave.mapped("another", [NET], now)],
    }
