"""Objections of nobody who is known: they wait for a person, over restarts, until one says that he has seen to them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from agent.asked import ObjectionTold
from agent.consent.unmatched import Unmatched
from agent.errors import InputError
from agent.lab import leave
from agent.objecting import Objecting
from agent.office import Who
from agent.verbs import unmatched
from tests.agent.leaving import NET, OTHER_NET, Clock, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.office import Office

WHO = Who(1000, 42)


class Desk:
    """Whoever objects by the web, and whoever reads of it."""

    def __init__(self, office: Office, clock: Clock) -> None:
        self.office, self.clock = office, clock
        self._objecting = Objecting(office, log=logging.getLogger("test"), monotonic=clock.monotonic)

    def objects(self, prefix: str, *, headers: bool = False) -> None:
        told = ObjectionTold(number=1, prefix=prefix, token=None, headers=headers)
        assert self._objecting.told(told)["status"] == "noted"
        self.clock.on(60.0)

    def reads(self) -> list[dict[str, Any]]:
        return list(unmatched.listed(self.office, {}, WHO))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = Clock()
    with opened(tmp_path, clock, *leave.agreed("agreed", [NET], clock.wall)) as office:
        yield Desk(office, clock)


def test_each_that_fits_nobody_waits_with_what_was_said(desk: Desk) -> None:
    desk.objects("203.0.113.0/24", headers=True)
    desk.objects("192.0.2.7/32")  # a customer's: it holds, and waits for nobody
    desk.objects("192.0.0.0/16")  # wider than a customer's
    head, first, second = desk.reads()
    assert head == {"waiting": 2}
    assert (first["prefixes"], first["headers"], first["channel"], first["customers"]) == (
        ["203.0.113.0/24"], True, "web", [],
    )  # fmt: skip
    assert first["time"].startswith("2026-11-18T")
    assert (second["prefixes"], second["headers"], second["customers"]) == (["192.0.0.0/16"], False, ["agreed"])
    assert first["time"] < second["time"]


def test_that_they_were_read_is_on_record_and_that_there_were_none_is_not(desk: Desk) -> None:
    assert desk.reads() == [{"waiting": 0}]
    assert list(desk.office.log.read(("register.read",))) == []
    desk.objects("203.0.113.0/24")
    desk.reads()
    assert [entry.public for entry in desk.office.log.read(("register.read",))] == [{"uid": 1000, "what": "unmatched"}]


def test_one_that_was_seen_to_waits_no_more_and_stays_on_record(desk: Desk) -> None:
    desk.objects("203.0.113.0/24")
    desk.objects(OTHER_NET)
    number = desk.reads()[1]["entry"]
    (answer,) = unmatched.done(desk.office, {"entry": number}, WHO)
    assert answer["seen"] == number
    head, row = desk.reads()
    assert (head["waiting"], row["prefixes"]) == (1, [OTHER_NET])
    assert [entry.number for entry in desk.office.log.read(("objection.unmatched",))] == [number, row["entry"]]
    (seen,) = desk.office.log.read(("objection.seen",))
    assert (seen.public, seen.customer) == ({"uid": 1000, "entry": number}, "")
    with pytest.raises(InputError, match="no objection of that entry waits; `consent objections --unmatched` has"):
        list(unmatched.done(desk.office, {"entry": number}, WHO))


@pytest.mark.parametrize("entry", [0, -1, 10**9, "1", None, True, 1.0])
def test_what_does_not_wait_cannot_be_seen_to(desk: Desk, entry: Any) -> None:
    desk.objects("203.0.113.0/24")
    with pytest.raises(InputError, match="no objection of that entry waits"):
        list(unmatched.done(desk.office, {"entry": entry}, WHO))
    assert list(desk.office.log.read(("objection.seen",))) == []


def test_they_wait_over_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as office:
        desk = Desk(office, clock)
        desk.objects("203.0.113.0/24")
        desk.objects(OTHER_NET)
        waiting = dict(office.unmatched.waiting)
        list(unmatched.done(office, {"entry": min(waiting)}, WHO))
    with opened(tmp_path, clock) as office:
        assert office.unmatched.waiting == {max(waiting): waiting[max(waiting)]}


def test_of_one_that_was_erased_nothing_is_told_but_that_it_waits(desk: Desk) -> None:
    desk.objects("203.0.113.0/24")
    (entry,) = desk.office.log.read(("objection.unmatched",))
    desk.office.log.erase(entry.customer)
    _, row = desk.reads()
    assert (row["entry"], row["prefixes"], row["erased"]) == (entry.number, None, True)


def test_a_stranger_who_names_everybody_does_not_make_a_list_of_customers(desk: Desk) -> None:
    desk.office.record([leave.mapped(f"c-{n}", [f"198.51.100.{n}/32"], desk.clock.wall) for n in range(1, 60)])
    desk.objects("0.0.0.0/0")
    _, row = desk.reads()
    assert len(row["customers"]) == 20


def test_nothing_is_folded_of_other_entries() -> None:
    assert Unmatched().waiting == {}
