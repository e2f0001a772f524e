"""Pages of the console as the agent gives them: to whom, how often, and never before it is on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc, views
from agent.audit.log import AuditError
from agent.ipc import Type
from agent.messages import validated
from agent.notice import View
from agent.sections import Config
from tests.agent.leaving import HOST, Clock, opened
from tests.agent.permission_world import SENT, Doors, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.audit.entry import Item

VIEWERS = {"exporter": {"viewers": ("anna", "bob")}}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("tests.agent.permission_world.SENT", SENT | {Type.VIEWED})
    clock = Clock()
    with opened(tmp_path, clock, **VIEWERS) as office:
        world = World(office, clock)
        world.sees(HOST)
        yield world


def asked(world: World, page: str = "servers", user: str = "anna", **words: str) -> Any:
    peer = world.come("exporter")
    world.permission.took(
        peer, Type.VIEW, View.model_validate({"number": 7, "page": page, "words": words, "user": user})
    )
    (body,) = world.heard(peer, Type.VIEWED)
    return validated(Type.VIEWED, body)


def entries(world: World) -> list[dict[str, Any]]:
    return [entry.public for entry in world.kept.log.read(["finding.read"])]


@pytest.mark.parametrize("page", ["recent", "servers"])
def test_a_page_is_on_record_with_who_saw_it(world: World, page: str) -> None:
    assert asked(world, page).status == "shown"
    assert entries(world) == [{"what": page, "user": "anna", "by": "console"}]


def test_the_page_of_a_server_is_on_record_under_its_customer(world: World) -> None:
    name = asked(world).items[1]["server"]
    shown = asked(world, "server", server=name)
    assert shown.items[0]["address"] == HOST
    (customer,) = shown.items[0]["customers"]
    last = list(world.kept.log.read(["finding.read"]))[-1]
    assert (last.public["what"], last.customer) == ("server", customer)


@pytest.mark.parametrize("user", ["carol", "", "Anna", "anna "])
def test_who_is_not_named_sees_nothing_whatever_the_exporter_says(world: World, user: str) -> None:
    shown = asked(world, user=user)
    assert (shown.status, shown.items, entries(world)) == ("forbidden", [], [])


@pytest.mark.parametrize("page", ["recent", "servers", "server"])
def test_what_cannot_be_put_on_record_is_not_shown(world: World, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    name = asked(world).items[1]["server"]

    def full(items: list[Item]) -> Any:
        raise AuditError("no room")

    monkeypatch.setattr(world.kept.log, "append", full)
    shown = asked(world, page, server=name) if page == "server" else asked(world, page)
    assert (shown.status, shown.items) == ("unavailable", [])
    assert "the log cannot be written" in shown.error


def test_a_crawler_is_slowed_down_and_nobody_else_with_it(world: World) -> None:
    statuses = [asked(world).status for _ in range(views.PACE[0] + 5)]
    assert statuses == ["shown"] * views.PACE[0] + ["rate"] * 5
    assert len(entries(world)) == views.PACE[0]
    assert asked(world, user="bob").status == "shown"
    world.clock.on(2 / views.PACE[1])
    assert [asked(world).status for _ in range(3)] == ["shown", "shown", "rate"]


def test_who_is_no_viewer_any_more_is_forgotten(world: World) -> None:
    for _ in range(views.PACE[0]):
        asked(world)
    world.kept.config = world.kept.config.model_copy(
        update={"exporter": world.kept.config.exporter.model_copy(update={"viewers": ("bob",)})}
    )
    assert asked(world).status == "forbidden"
    assert asked(world, user="bob").status == "shown"
    assert list(world.permission._views._buckets) == ["bob"]


def test_a_fault_of_ours_is_told_and_costs_nobody_the_agent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise LookupError("secret detail")

    monkeypatch.setattr(world.inventory, "assessments", lambda *_, **__: broken())
    shown = asked(world)
    assert (shown.status, shown.items) == ("unavailable", [])
    assert "LookupError" in shown.error
    assert "secret" not in shown.error


def test_a_page_that_is_too_long_for_a_message_is_not_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ipc.LIMITS, Type.VIEWED, 200)
    assert asked(world).status == "unavailable"


def test_where_nothing_is_kept_nothing_can_be_put_on_record_and_nothing_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.agent.permission_world.SENT", SENT | {Type.VIEWED})
    world = World(None, Clock())
    assert isinstance(world.doors, Doors)
    assert Config().exporter.viewers == ()
    shown = asked(world)
    assert (shown.status, shown.items) == ("unavailable", [])
    assert "agent.state" in shown.error


def test_the_pages_are_a_closed_list() -> None:
    named = View.model_fields["page"].annotation
    assert set(views.PAGES) == set(named.__args__)  # type: ignore[union-attr]
