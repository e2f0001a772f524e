"""What takes leave away ends at once what runs on it: seen from the doors, over an office that is really there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.asked import Cancelled, Permitted
from agent.consent import probing_txt
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.ipc import Type
from agent.lab import leave
from agent.model import Endpoint, Observation
from agent.permission import Permission, exporter_section, opened, prober_section
from agent.privacy import Sets, one
from agent.sections import Config
from tests import asking
from tests.agent import leaving
from tests.agent.leaving import HOST, LEAF, NET, OTHER_HOST, OTHER_NET, Clock
from tests.agent.permission_world import LOG, Doors, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Iterator[World]:
    (tmp_path / "deny").write_text("")
    (tmp_path / "drop").mkdir()
    items = [*leave.agreed("agreed", [NET], clock.wall), *leave.agreed("also", [OTHER_NET], clock.wall)]
    told = {"probe": {"deny": str(tmp_path / "deny")}, "consent": {"drop": str(tmp_path / "drop")}}
    base = asking.config(tmp_path).model_dump(mode="json")
    sections = {section: base[section] | said for section, said in told.items()}
    with leaving.opened(tmp_path, clock, *items, **sections) as office:
        yield World(office, clock)


# An objection while a probe runs.


def test_an_objection_ends_the_probe_that_runs_and_the_looking(world: World) -> None:
    prober, capture, exporter = world.come("prober"), world.come("capture"), world.come("exporter")
    grant, other = world.runs(), world.runs(OTHER_HOST)
    version = world.permission.version()
    world.object(f"{HOST}/32", exporter)
    assert world.heard(prober, Type.CANCEL) == [{"number": 1, "ids": [grant.id]}], "and of nobody else"
    assert world.heard(capture, Type.WITHDRAWN) == [{"number": 1, "handshakes": [f"{HOST}/32"], "headers": []}]
    (noted,) = world.heard(exporter, Type.NOTED)
    assert noted["status"] == "noted"
    assert world.permission.version() != version and world.permission.withdrawn() == 1
    assert other.id in world.kept.gate.held


def test_its_effect_is_measured_when_both_have_answered(world: World) -> None:
    prober, capture, exporter = world.come("prober"), world.come("capture"), world.come("exporter")
    world.runs()
    world.object(f"{HOST}/32", exporter)
    assert (world.delays()["pending"], world.delays()["count"]) == (1, 0)
    world.clock.on(0.2)
    world.permission.took(prober, Type.CANCELLED, Cancelled(number=1))
    assert (world.delays()["pending"], world.delays()["count"]) == (1, 0)
    world.clock.on(0.2)
    world.permission.took(capture, Type.CANCELLED, Cancelled(number=1))
    told = world.delays()
    assert (told["pending"], told["count"], told["sum"]) == (0, 1, pytest.approx(0.4))
    assert [count for bound, count in told["buckets"] if bound in (0.25, 0.5)] == [0, 1]


def test_who_has_gone_holds_no_effect_up(world: World) -> None:
    prober, capture, exporter = world.come("prober"), world.come("capture"), world.come("exporter")
    world.runs()
    world.object(f"{HOST}/32", exporter)
    world.go(prober)
    world.go(capture)
    assert (world.delays()["pending"], world.delays()["count"]) == (0, 1)
    (entry,) = world.kept.log.read(["probe.outcome"])
    assert entry.public["outcome"] == "unknown"


def test_where_nothing_runs_and_nobody_looks_it_is_in_force_at_once(world: World) -> None:
    exporter = world.come("exporter")
    world.object(f"{HOST}/32", exporter)
    assert (world.delays()["pending"], world.delays()["count"]) == (0, 1)


def test_an_objection_by_order_and_by_file_does_the_same(world: World, tmp_path: Path) -> None:
    prober, capture, control = world.come("prober"), world.come("capture"), world.come("control")
    grant, other = world.runs(), world.runs(OTHER_HOST)
    answer = world.order(control, "consent.object", prefix=f"{HOST}/32")
    assert "error" not in answer[0], answer
    assert world.heard(prober, Type.CANCEL) == [{"number": 1, "ids": [grant.id]}]
    world.permission.took(prober, Type.OUTCOME, leaving.outcome(grant.id, "cancelled", told=[]))
    (tmp_path / "drop" / "objections").write_text(f"{OTHER_HOST}\n")
    world.passes(1)
    assert world.heard(prober, Type.CANCEL)[1:] == [{"number": 2, "ids": [other.id]}]
    assert [body["handshakes"] for body in world.heard(capture, Type.WITHDRAWN)] == [
        [f"{HOST}/32"], [f"{OTHER_HOST}/32"],
    ]  # fmt: skip


def test_headers_go_too_where_that_is_asked(world: World) -> None:
    capture, exporter = world.come("capture"), world.come("exporter")
    world.object(NET, exporter, headers=True)
    assert world.heard(capture, Type.WITHDRAWN) == [{"number": 1, "handshakes": [NET], "headers": [NET]}]


def test_whoever_looks_is_told_before_he_who_said_no(world: World) -> None:
    world.come("prober"), world.come("capture"), world.come("capture")
    exporter = world.come("exporter")
    world.runs()
    world.doors.order.clear()
    world.object(NET, exporter, headers=True)
    assert world.doors.order == [
        ("prober", Type.CANCEL), *[("capture", Type.WITHDRAWN)] * 2, ("exporter", Type.NOTED),
    ]  # fmt: skip


def test_a_hand_over_ends_a_probe_and_is_no_objection(world: World) -> None:
    prober, capture, control = world.come("prober"), world.come("capture"), world.come("control")
    grant = world.runs()
    world.kept.record([leave.unmapped("agreed", [NET], world.clock.wall)])
    world.passes(0.25)
    assert world.heard(prober, Type.CANCEL) == [{"number": 1, "ids": [grant.id]}]
    assert world.heard(capture, Type.WITHDRAWN) == []
    assert world.delays()["count"] == 0
    assert world.order(control, "nothing.known")[0]["exit"] == 2


def test_what_changes_nothing_cancels_nothing(world: World) -> None:
    prober, exporter = world.come("prober"), world.come("exporter")
    world.runs()
    world.object("203.0.113.7/32", exporter)
    world.passes(2)
    assert world.heard(prober, Type.CANCEL) == []


def test_much_that_is_taken_away_is_told_in_portions(world: World) -> None:
    capture = world.come("capture")
    many = [f"192.0.{n // 128}.{n % 128 * 2}/32" for n in range(4500)]
    world.kept.record([leave.objected("agreed", many, world.clock.wall)])
    world.passes(0.25)
    told = world.heard(capture, Type.WITHDRAWN)
    assert [len(body["handshakes"]) for body in told] == [2000, 2000, 500]
    assert [body["number"] for body in told] == [1, 2, 3]
    world.permission.took(capture, Type.CANCELLED, Cancelled(number=3))
    assert (world.delays()["pending"], world.delays()["count"]) == (0, 1)


def test_who_comes_later_is_told_of_what_no_section_knows_yet(world: World) -> None:
    exporter = world.come("exporter")
    world.object(f"{HOST}/32", exporter)
    late = world.come("capture")
    assert [body["number"] for body in world.heard(late, Type.WITHDRAWN)] == [1]
    objected = world.permission.sets().objected
    assert any(first <= one(HOST)[0] <= last for first, last in objected)
    another = world.come("capture")
    assert [body["number"] for body in world.heard(another, Type.WITHDRAWN)] == [1], "its section is only being made"
    world.permission.known(world.permission.withdrawn())
    later = world.come("capture")
    assert world.heard(later, Type.WITHDRAWN) == [], "its section knows"


def test_an_objection_that_cannot_be_put_on_record_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.audit.log import AuditError

    def full(items: Any) -> Any:
        raise AuditError("no room")

    prober, exporter = world.come("prober"), world.come("exporter")
    world.runs()
    version = world.permission.version()
    monkeypatch.setattr(world.kept.log, "append", full)
    world.object(f"{HOST}/32", exporter)
    assert world.heard(exporter, Type.NOTED) == [{"number": 1, "status": "unavailable", "receipt": ""}]
    assert (world.permission.version(), world.heard(prober, Type.CANCEL)) == (version, [])


# What looking may look at.


def test_sets_are_those_of_the_register_at_this_time(world: World) -> None:
    sets = world.permission.sets()
    assert sets == world.kept.register.sets(world.clock.wall, world.kept.limits())
    assert sets.customers == [] and len(sets.consented) == 2


def test_a_version_stays_while_nothing_changes_and_changes_with_time_when_the_sets_do(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.permission.sets()
    version = world.permission.version()
    world.passes(2)
    assert world.permission.version() == version
    # The next thing that time alone does is the end of the records, in 300 days.
    ends = world.kept.register.next_change(world.clock.wall, world.kept.limits())
    world.clock.on(ends - world.clock.wall - 1)
    world.passes(0.25)
    assert world.permission.version() == version
    world.clock.on(2)
    world.passes(0.25)
    assert world.permission.version() != version
    assert world.permission.sets().consented == []
    version = world.permission.version()
    world.passes(2)
    assert world.permission.version() == version, "once"


def test_another_configuration_is_told_and_ends_what_it_does_not_allow(world: World, tmp_path: Path) -> None:
    prober = world.come("prober")
    grant = world.runs()
    version = world.permission.version()
    config = world.kept.config
    stricter = config.model_copy(update={"consent": config.consent.model_copy(update={"announce_days": 60})})
    world.permission.take(stricter)
    first, second = world.heard(prober, Type.SECTION)
    assert first == second
    assert world.heard(prober, Type.CANCEL) == [{"number": 1, "ids": [grant.id]}]
    assert world.permission.version() != version
    assert [entry.kind for entry in world.kept.log.read(["config.changed"])] == ["config.changed"]
    slower = stricter.model_copy(update={"probe": stricter.probe.model_copy(update={"per_minute": 1})})
    world.permission.take(slower)
    assert world.heard(prober, Type.SECTION)[-1]["per_minute"] == 1


def test_whoever_comes_onto_the_deny_list_is_let_be_and_the_prober_knows(world: World, tmp_path: Path) -> None:
    prober = world.come("prober")
    world.passes(1)
    grant, other = world.runs(), world.runs(OTHER_HOST)
    (tmp_path / "deny").write_text("192.0.2.0/28\n")
    world.passes(0.75)
    assert world.heard(prober, Type.SECTION)[-1]["deny"] == ["192.0.2.0/28"]
    assert {ident for body in world.heard(prober, Type.CANCEL) for ident in body["ids"]} == {grant.id}
    assert other.id in world.kept.gate.held


# What the roles are told.


def test_a_prober_is_told_what_it_needs_and_nothing_of_customers(world: World, tmp_path: Path) -> None:
    prober = world.come("prober")
    (section,) = world.heard(prober, Type.SECTION)
    assert section == {
        "log": {"level": "info", "format": "logfmt"}, "laboratory": True, "sources": ["127.0.0.1"], "deny": [],
        "kill_switch": str(tmp_path / "state" / "kill-switch"), "contact": "mailto:abuse@isp.example",
        "operator": "Example ISP", "per_minute": 60,
    }  # fmt: skip


def test_where_it_is_not_known_who_is_denied_everybody_is(tmp_path: Path, clock: Clock) -> None:
    of = asking.config(tmp_path, probe={"deny": str(tmp_path / "none")})
    office = leaving.made(of, tmp_path, clock)
    office.open()
    assert prober_section(of, office)["deny"] == ["::/0", "0.0.0.0/0"]
    office.close()


def test_an_exporter_is_told_who_asks_and_probing_txt_where_it_serves_that(tmp_path: Path) -> None:
    bare = exporter_section(Config(), leaving.START)
    assert bare == {"log": {"level": "info", "format": "logfmt"}}
    of = asking.config(tmp_path, exporter={"probing": "127.0.0.1:0"})
    told = exporter_section(of, leaving.START)
    assert (told["operator"], told["contact"]) == ("Example ISP", "mailto:abuse@isp.example")
    assert told["probing_txt"] == probing_txt.served(of, leaving.START) != ""


# Knocking, by what looking knows.


def test_who_looking_believes_in_is_knocked_at(world: World) -> None:
    prober = world.come("prober")
    world.sees(HOST, 443)
    world.inventory.observe(
        Observation(Endpoint("198.51.100.9", 25), "smtp.greeting", "mail Postfix", world.clock.wall, "passive", "smtp")
    )
    world.passes(2)
    (sent,) = world.heard(prober, Type.GRANT)
    grant = sent["grant"]
    assert (grant["address"], grant["port"], grant["name"]) == (HOST, 443, "mail.example.nl")
    assert grant["certificates"] == [LEAF] and grant["products"] == ["exchange"]
    told = leaving.outcome(grant["id"])
    world.permission.took(prober, Type.OUTCOME, told)
    assert [fact.value for fact in world.learnt] == ["X-OWA-Version: 15.2.1748.36"]


def test_an_order_to_knock_knows_what_looking_knows(world: World) -> None:
    prober, control = world.come("prober"), world.come("control")
    world.kept.kill_switch.touch()
    assert world.order(control, "probe.now", address=HOST)[0]["item"]["reason"] == "kill_switch"
    world.kept.kill_switch.unlink()
    assert world.order(control, "probe.now", address=HOST)[0]["item"]["reason"] == "not_seen"
    world.sees(HOST)
    answer = world.order(control, "probe.now", address=HOST)[0]["item"]
    assert answer["reason"] is None
    assert [body["grant"]["id"] for body in world.heard(prober, Type.GRANT)] == [answer["id"]]
    world.go(prober)
    assert world.order(control, "probe.now", address=OTHER_HOST)[0]["item"]["reason"] == "not_armed"


def test_an_order_says_who_gave_it(world: World) -> None:
    control = world.come("control")
    world.order(control, "probe.explain", address=HOST)
    (entry,) = world.kept.log.read(["register.read"])
    assert entry.public["uid"] == 1000


# Where nothing is kept.


def test_where_nothing_is_kept_nobody_is_knocked_at_and_nothing_put_on_record(clock: Clock) -> None:
    world = World(None, clock)
    prober, exporter, control, capture = map(world.come, ("prober", "exporter", "control", "capture"))
    world.object(f"{HOST}/32", exporter)
    assert world.heard(exporter, Type.NOTED) == [{"number": 1, "status": "unavailable", "receipt": ""}]
    refused, end = world.order(control, "consent.list")
    assert refused["exit"] == 78 and "agent.state" in refused["error"] and end == {"count": 0}
    world.permission.took(prober, Type.CANCELLED, Cancelled(number=1))
    world.permission.took(prober, Type.OUTCOME, leaving.outcome("0" * 32))
    world.permission.take(Config())
    assert world.permission.tend() is False
    assert (world.permission.body(), world.permission.version(), world.permission.sets()) == (None, None, Sets())
    assert world.permission.until_due() == float("inf")
    for peer in (prober, exporter, control, capture):
        world.go(peer)
    world.permission.end()


def test_what_it_comes_to_is_what_a_snapshot_takes(world: World) -> None:
    world.come("prober")
    world.runs()
    told = Permitted.model_validate(world.permission.body())
    assert (told.prober, told.running, told.customers) == (True, 1, 2)


def test_the_agent_opens_its_office_and_says_so(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    of = asking.config(tmp_path)
    assert opened(Config(), LOG) is None
    (tmp_path / "state").mkdir(mode=0o700)
    office = opened(of, LOG)
    assert office is not None
    permission = Permission(
        office, Inventory(book(), catalogue()), Doors(), observe=lambda _: None, log=LOG,  # type: ignore[arg-type]
        now=office.now, monotonic=clock.monotonic,
    )  # fmt: skip
    permission.end()
    again = leaving.made(of, tmp_path, clock)
    again.open()
    assert [entry.kind for entry in again.log.read()] == ["log.started", "log.stopped"]
    again.close()
