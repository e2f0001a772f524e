"""Rounds of single servers and groups: who is in them, in what order, in parts, and without keeping anybody waiting."""

from __future__ import annotations

import json
import logging
import struct
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from agent import series
from agent.config import Config, check
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.ipc import Type
from agent.listed import Listed
from agent.messages import validated
from agent.model import Endpoint, Observation
from agent.pseudonym import Pseudonyms
from agent.series import Series, naming
from tests.agent.test_service import living, told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.doors import Connection

NOON = 1_793_620_800.0  # 2026-11-02 12:00 UTC
DAY = 86_400.0
OLD, NEWER, UNKNOWN = "15.1.2507.6", "15.2.1544.11", ""
GREETING = "ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"


class Exporter:
    """Takes what it is told, at once or later."""

    def __init__(self) -> None:
        self.busy = False
        self.parts: list[Listed] = []

    def tell(self, connection: Any, frames: Iterator[bytes]) -> None:
        assert connection is self
        for frame in frames:
            _, kind = struct.unpack_from(">IH", frame)
            assert kind == Type.SERVERS
            self.parts.append(validated(Type.SERVERS, json.loads(frame[6:])))


class House:
    """An inventory, both clocks, and the series over it."""

    def __init__(self, **exporter: Any) -> None:
        self.now, self.clock = NOON, 0.0
        self.inventory = Inventory(book(), catalogue())
        self.names = Pseudonyms(bytes(32), 30)
        self.series = Series(
            configured(**exporter), self.inventory, lambda: self.names, log=logging.getLogger("test"),
            now=lambda: self.now, monotonic=lambda: self.clock,
        )  # fmt: skip
        self.exporter: Any = Exporter()

    def see(self, address: str, build: str = UNKNOWN, at: float = NOON - 5000) -> None:
        kind, value, port = (
            ("http.header", f"X-OWA-Version: {build}", 443) if build else ("smtp.greeting", GREETING, 25)
        )
        self.inventory.observe(Observation(Endpoint(address, port), kind, value, at, "passive", "test"))

    def turn(self, connection: Connection | None = None) -> None:
        self.series.tend(connection or self.exporter, self.exporter.tell)

    def round(self) -> list[Listed]:
        """The next round, whole."""
        self.exporter.parts.clear()
        self.clock += 100.0
        for _ in range(1000):
            self.turn()
            parts = self.exporter.parts
            if parts and len(parts) == parts[0].parts:
                self.turn()
                return list(parts)
        raise AssertionError("no round came to its end")

    def shown(self) -> list[str]:
        return [server for part in self.round() for server in part.servers]

    def name(self, address: str) -> str:
        return self.names.of(address, self.now)


def configured(**exporter: Any) -> Config:
    return check({"exporter": exporter}, "test")


def test_without_being_asked_for_nothing_is_made_or_told() -> None:
    house = House()
    house.see("192.0.2.1")
    for _ in range(5):
        house.turn()
        house.clock += 100.0
    assert house.exporter.parts == []
    assert house.series.until_due() == float("inf")


def test_a_server_is_told_by_its_pseudonym_and_what_is_believed_of_it() -> None:
    house = House(servers=10)
    house.see("192.0.2.1", OLD, at=NOON - 5000)
    (part,) = house.round()
    assert part.servers == [house.name("192.0.2.1")]
    assert (part.number, part.part, part.parts, part.limit) == (1, 0, 1, 10)
    assert (part.key_id, part.epoch) == (house.names.key_id, house.names.epoch(NOON))
    (told,) = part.outlines
    assert (told.product, told.generation, told.build, told.precision, told.verdict) == (
        "exchange", "2016", "15.1 (Build 2507.6)", "su", "confirmed",
    )  # fmt: skip
    assert told.holes is not None and told.holes[0] > 0
    assert part.hours == [int((NOON - 5000) // 3600)]
    assert part.grouped is False


def test_only_what_is_believed_to_be_exchange_at_a_customers_is_told() -> None:
    house = House(servers=10)
    house.see("192.0.2.1")
    for address, kind, value in (
        ("192.0.2.2", "smtp.greeting", "mail.example.org ESMTP Postfix"),
        ("192.0.2.3", "http.server", "nginx"),
    ):
        house.inventory.observe(Observation(Endpoint(address, 25), kind, value, NOON, "passive", "test"))
    house.see("192.0.2.4", "15.20.7000.12")
    online = house.inventory.assessment("192.0.2.4", date(2026, 11, 2))
    assert online is not None and online.product == "exchange-online"
    assert house.shown() == [house.name("192.0.2.1")]


def test_beyond_the_cap_the_least_urgent_are_cut_and_counted() -> None:
    house = House(servers=2)
    for address, build in (("192.0.2.1", UNKNOWN), ("192.0.2.2", NEWER), ("192.0.2.3", OLD), ("192.0.2.4", UNKNOWN)):
        house.see(address, build)
    assert house.shown() == [house.name("192.0.2.3"), house.name("192.0.2.2")]
    (part,) = house.round()
    assert (part.suppressed, part.suppressed_total) == (2, 2)
    assert house.shown() == house.shown() == [house.name("192.0.2.3"), house.name("192.0.2.2")]
    house.see("192.0.2.5", OLD)
    (part,) = house.round()
    assert part.servers == [house.name("192.0.2.3"), house.name("192.0.2.5")]
    assert (part.suppressed, part.suppressed_total) == (3, 3)  # each once, for as long as it lasts


def test_the_order_does_not_hang_on_who_was_seen_first() -> None:
    addresses = [f"192.0.2.{number}" for number in range(1, 9)]
    shown = []
    for order in (addresses, addresses[::-1]):
        house = House(servers=5)
        for address in order:
            house.see(address)
        shown.append(house.shown())
    assert shown[0] == shown[1] == sorted(map(house.name, addresses))[:5]


def test_a_new_period_gives_every_server_another_name_at_once() -> None:
    house = House(servers=10)
    for number in range(1, 4):
        house.see(f"192.0.2.{number}")
    before = set(house.shown())
    house.now += 30 * DAY
    (part,) = house.round()
    assert part.epoch == house.names.epoch(NOON) + 1
    assert before.isdisjoint(part.servers)
    assert len(part.servers) == 3


def test_many_servers_come_in_parts_of_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "PART", 4)
    house = House(servers=10)
    for number in range(1, 13):
        house.see(f"192.0.2.{number}", OLD if number == 5 else UNKNOWN)
    parts = house.round()
    assert [(part.part, part.parts, len(part.servers)) for part in parts] == [(0, 3, 4), (1, 3, 4), (2, 3, 2)]
    assert len({part.number for part in parts}) == 1
    assert {part.suppressed for part in parts} == {2}
    assert [len(part.outlines) for part in parts] == [2, 1, 1]
    assert len({server for part in parts for server in part.servers}) == 10


def test_who_has_not_taken_a_part_is_told_no_other_and_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "PART", 1)
    house = House(servers=10)
    house.see("192.0.2.1")
    house.see("192.0.2.2")
    house.clock += 100.0
    for _ in range(20):
        house.turn()
        if house.exporter.parts:
            break
    house.exporter.busy = True
    for _ in range(20):
        house.turn()
    assert len(house.exporter.parts) == 1
    assert house.series.until_due() == float("inf")
    house.exporter.busy = False
    assert house.series.until_due() == 0.0
    for _ in range(20):
        house.turn()
    assert len(house.exporter.parts) == 2


def test_a_round_gives_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "_SLICE", 0.0)  # every slice is over at once
    house = House(servers=1000)
    for number in range(300):
        house.see(f"198.51.{number // 250}.{number % 250}")
    house.clock += 100.0
    house.turn()
    turns = 1
    while not house.exporter.parts:
        assert house.series.until_due() == 0.0
        house.turn()
        turns += 1
    assert turns > 300 // 64
    assert len(house.exporter.parts[0].servers) == 300


def test_rounds_are_seldom() -> None:
    house = House(servers=10)
    house.see("192.0.2.1")
    house.round()
    house.exporter.parts.clear()
    house.turn()
    assert 0 < house.series.until_due() <= series.PAUSE
    house.clock += series.PAUSE - 0.1
    house.turn()
    assert house.exporter.parts == []


def test_an_exporter_that_is_new_is_told_at_once_and_all_of_it() -> None:
    house = House(servers=10)
    house.see("192.0.2.1")
    house.round()
    house.exporter = Exporter()
    for _ in range(20):
        house.turn()
    assert [part.servers for part in house.exporter.parts] == [[house.name("192.0.2.1")]]


def test_what_is_turned_off_is_told_once_more_as_nothing() -> None:
    house = House(servers=10)
    house.see("192.0.2.1")
    house.round()
    house.series.take(configured())
    (part,) = house.round()
    assert (part.limit, part.servers, part.key_id, part.suppressed) == (0, [], "", 0)
    house.clock += 1000.0
    house.turn()
    assert house.series.until_due() == float("inf")


def test_nobody_is_told_where_there_is_no_exporter() -> None:
    house = House(servers=10)
    house.see("192.0.2.1")
    house.series.tend(None, house.exporter.tell)
    assert house.series.until_due() == float("inf")


def test_groups_are_counted_with_the_small_ones_folded(tmp_path: Path) -> None:
    (tmp_path / "north.txt").write_text("192.0.2.0/25\n")
    (tmp_path / "south.txt").write_text("192.0.2.128/25\n")
    house = House(groups=str(tmp_path))
    for number in range(6):
        house.see(f"192.0.2.{number}", OLD if number < 2 else UNKNOWN)
    for number in range(3):
        house.see(f"192.0.2.{200 + number}", OLD)
        house.see(f"198.51.100.{number}")
    house.round()
    (part,) = house.round()  # the files were found the same twice
    assert part.grouped is True
    assert (part.limit, part.servers, part.key_id) == (0, [], "")
    assert [(group.name, group.servers, group.exposed) for group in part.groups] == [("north", 6, 2), ("other", 6, 3)]
    (tmp_path / "south.txt").write_text("nonsense\n")
    for _ in range(2):
        house.round()
    (part,) = house.round()
    assert part.group_files_failing == 1
    assert [(group.name, group.servers) for group in part.groups] == [("north", 6), ("other", 6)]


def test_a_clock_ahead_of_ours_makes_nobody_seen_in_the_future() -> None:
    house = House(servers=10)
    house.see("192.0.2.1", at=NOON + 10 * DAY)
    (part,) = house.round()
    assert part.hours == [int(NOON // 3600)]


def test_where_nothing_is_kept_the_pseudonyms_are_those_of_this_process() -> None:
    names = naming(None, configured(servers=1))
    assert names() is names()
    assert names().of("192.0.2.1", NOON) != naming(None, configured(servers=1))().of("192.0.2.1", NOON)


def test_a_real_agent_tells_it_beside_its_snapshots(tmp_path: Path) -> None:
    with living(tmp_path, configured(servers=10)) as house:
        exporter = house.link("exporter", Type.SECTION, Type.SNAPSHOT, Type.SERVERS)
        house.capture().send(Type.OBSERVATIONS, {"told": [told("192.0.2.1"), told("2001:db8::25")]})
        servers: list[str] = []
        while len(servers) < 2:
            received = exporter.receive()
            assert received is not None
            message = validated(*received)
            if received[0] is Type.SNAPSHOT:
                exporter.send(Type.SHOWN, {"number": message.number})
            if received[0] is Type.SERVERS:
                servers = message.servers
                # What came after the first round is in the next, which is not waited for here.
                if len(servers) < 2:
                    exporter.close()
                    exporter = house.link("exporter", Type.SECTION, Type.SNAPSHOT, Type.SERVERS)
        assert len(set(servers)) == 2
        assert "192.0.2" not in json.dumps(servers)
