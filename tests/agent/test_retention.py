"""What is let go by itself: each kind has an end, and no clock and no return of a customer makes it another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from agent.audit.entry import Item
from agent.cases.case import Event
from agent.consent.written import body, rfc3339
from agent.lab import leave
from agent.privacy import cidrs
from agent.retention import KINDS
from agent.sections import Config
from tests.agent import erased_world
from tests.agent.erased_world import GONE, GONE_HOST, GONE_NET, STAYS, Agent, found, lived

if TYPE_CHECKING:
    from pathlib import Path

MONTH = 31 * 86_400.0


def ends(made: Agent, customer: str, at: float) -> None:
    """His contract ends, and his addresses are nobody's."""
    office = made.office
    net = GONE_NET if customer == GONE else erased_world.STAYS_NET
    said = {"at": rfc3339(datetime.fromtimestamp(at, UTC)), "by": "crm", "record_id": None}
    office.record([
        Item("record.contract_ended", {}, customer, body("record.contract_ended", said)),
        leave.unmapped(customer, [net], made.clock.wall),
    ])  # fmt: skip


def passes(made: Agent, seconds: float) -> None:
    made.clock.on(seconds)
    made.office.tend()


def test_who_has_long_had_no_contract_is_erased_by_itself_where_that_is_configured(tmp_path: Path) -> None:
    with lived(tmp_path) as made:
        office = made.office
        office.record([leave.objected(GONE, [f"{GONE_HOST}/32"], made.clock.wall)])
        # It counts from when it was put on record: a date that is wrong by years erases nobody.
        ends(made, GONE, made.clock.wall - 100 * MONTH)
        passes(made, 200 * MONTH)
        assert office.log.knows(GONE) and office.erasing.body() is None
        made.clock.wall -= 199 * MONTH

        office.config = office.config.model_copy(update={"audit": office.config.audit.model_copy(
            update={"keep_months": 3})})  # fmt: skip
        passes(made, 3600)
        assert office.log.knows(GONE) and office.erasing.body() == made.clock.wall
        passes(made, 2.1 * MONTH)
        assert not office.log.knows(GONE) and office.log.knows(STAYS)
        assert office.erasing.body() != made.clock.wall
        passes(made, 61)
        assert office.erasing.body() == made.clock.wall
        assert [entry.public["reason"] for entry in office.log.read(["customer.erased"])] == ["retention"]
        assert cidrs(office.register.sets(office.now(), office.limits()).objected) == [f"{GONE_HOST}/32"]
        assert found(tmp_path / "state") == set()


def test_a_clock_that_is_not_known_to_be_right_erases_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lived(tmp_path) as made:
        office = made.office
        office.config = office.config.model_copy(update={"audit": office.config.audit.model_copy(
            update={"keep_months": 1})})  # fmt: skip
        ends(made, GONE, made.clock.wall)
        monkeypatch.setattr(office, "_clock_synced", lambda now: None)
        made.clock.wall += 1000 * MONTH  # as a clock does that has lost its battery
        passes(made, 61)
        assert office.log.knows(GONE) and office.erasing.body() == 0
        made.clock.wall -= 1000 * MONTH
        monkeypatch.undo()
        passes(made, 61)
        assert office.log.knows(GONE) and office.erasing.body() == made.clock.wall


def test_whoever_came_back_is_not_erased(tmp_path: Path) -> None:
    with lived(tmp_path) as made:
        office = made.office
        office.config = office.config.model_copy(update={"audit": office.config.audit.model_copy(
            update={"keep_months": 1})})  # fmt: skip
        ends(made, GONE, made.clock.wall)
        office.record([leave.mapped(GONE, [GONE_NET], made.clock.wall)])
        passes(made, 12 * MONTH)
        assert office.log.knows(GONE)


def test_a_clock_that_jumps_keeps_nothing_for_longer_and_brings_nothing_back(tmp_path: Path) -> None:
    """What goes by age: deleted when the clock says that it is too old, and as soon as it says so again."""
    with lived(tmp_path) as made:
        office, telling = made.office, made.world.telling
        for case in list(office.book.cases.values()):
            telling.put(case.id, Event(made.clock.wall, "closed", {"by": "uid 0", "note": ""}))
        for seconds in (-400 * 86_400.0, 400 * 86_400.0):  # set back, and right again: as if nothing had been
            made.clock.wall += seconds
            made.clock.steady += 3601
            made.keeping.tend()
            made.world.passes(60)
            assert made.world.inventory.observations(GONE_HOST) and len(office.book.cases) == 2
        made.clock.wall += 400 * 86_400.0  # set ahead, for a while
        made.clock.steady += 3601
        while made.store.servers:
            made.keeping.tend()
            made.clock.steady += 1
        made.clock.steady += 3601
        made.world.passes(60)
        assert not office.book.cases and not made.world.inventory.addresses()
        made.clock.wall -= 400 * 86_400.0
        made.clock.steady += 3601
        made.keeping.tend()
        made.world.passes(3700, 600)
        # And what is shown of the last time is not of the future, so that it is seen when it does not happen again.
        assert made.keeping.body()["retention_last_success"] <= made.clock.wall  # type: ignore[index]
        assert telling.body()["retention_last_success"] <= made.clock.wall  # type: ignore[index]
        assert not office.book.cases and not made.world.inventory.addresses()


def test_each_kind_has_its_end_in_the_configuration_and_its_job_in_the_metrics() -> None:
    from exporters.naming import SECTIONS

    families = {family.name for section in SECTIONS for family in section.families}
    for kind in KINDS:
        assert not kind.metric or kind.metric in families, kind.name
        assert kind.period(Config()) >= 0
    assert [kind.period(Config()) for kind in KINDS] == [300, 30, 14, 0, 0]
