"""Memory and store held together: over restarts, evictions, age, faults; clocks are given."""

from __future__ import annotations

import logging
import sqlite3
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import keeping as module
from agent.errors import ConfigError
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.keeping import DAY, HOUR, LEAST_GAP, RETRY, Keeping, prove, stored
from agent.model import Assessment, Endpoint, Observation
from agent.sections import Agent
from agent.store import Store

NOON = 1_793_620_800.0  # 2026-11-02 12:00 UTC
GREETING = "ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"


class House:
    """An agent's keeping with clocks of its own; ``again`` is that agent after a kill."""

    def __init__(
        self, directory: Path | None, observations: int = 1000, servers: int = 100, days: int = 30,
        *, now: float = NOON, whole: bool = True,
    ) -> None:  # fmt: skip
        self.given = observations, servers, days
        self.directory, self.now = directory, now
        self.store = Store(directory, observations, servers) if directory else None
        self.inventory = Inventory(book(), catalogue(), servers)
        self.keeping = Keeping(
            self.inventory, self.store, retention_days=days, log=logging.getLogger("agent"),
            now=lambda: self.now, monotonic=lambda: self.now,
        )  # fmt: skip
        if self.store:
            self.store.open()
        self.keeping.begin()
        while self.keeping.loading and whole:
            assert self.keeping.until_due() == 0.0
            self.keeping.tend()

    def again(self, *, killed: bool = True, whole: bool = True) -> House:
        if self.store:
            self.store.close() if killed else self.keeping.end()
        return House(self.directory, *self.given, now=self.now, whole=whole)

    def tell(self, value: str = GREETING, kind: str = "smtp.greeting", address: str = "192.0.2.1") -> None:
        self.keeping.observe(Observation(Endpoint(address, 25), kind, value, self.now, "passive", "smtp"))

    def tend(self) -> None:
        while self.keeping.until_due() == 0.0:
            self.keeping.tend()

    def believed(self) -> list[Assessment]:
        return self.inventory.assessments(datetime.fromtimestamp(self.now, UTC).date())

    def facts(self) -> set[tuple[str, str, str]]:
        assert self.store
        return {(o.server.address, o.kind, o.value) for page in self.store.load(0.0) for o in page}

    def remembered(self) -> set[tuple[str, str, str]]:
        every = [o for server in self.inventory._servers.values() for o in server.observations.values()]
        return {(o.server.address, o.kind, o.value) for o in every}


def test_what_was_believed_is_believed_again(tmp_path: Path) -> None:
    first = House(tmp_path)
    first.tell()
    first.tell("X-OWA-Version: 15.1.2507.39", "http.header")
    first.tell("mx.example.org ESMTP Postfix", address="192.0.2.26")
    first.tend()
    second = first.again()
    assert second.believed() == first.believed()
    assert [a.product for a in second.believed()] == ["exchange", "other"]


def test_facts_that_come_while_it_loads_are_taken(tmp_path: Path) -> None:
    house = House(tmp_path)
    for n in range(100):
        house.tell(address=f"192.0.2.{n}")
    house.tend()
    house.now += DAY
    again = house.again(whole=False)
    again.keeping.tend()
    assert 0 < len(again.inventory) < 100
    again.tell(GREETING.replace("2 Nov", "3 Nov"), address="192.0.2.99")
    again.tell("new.example.org", "tls.sni", address="192.0.2.99")
    again.tend()
    assert not again.keeping.loading
    assert len(again.inventory) == 100
    assert len(again.remembered()) == 101
    last = again.again()
    assert last.remembered() == house.remembered() | {("192.0.2.99", "tls.sni", "new.example.org")}


def test_a_commit_is_made_at_once_and_then_every_half_second(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.tend()
    assert house.keeping.until_due() == HOUR
    house.tell("first")
    house.tend()
    assert ("192.0.2.1", "smtp.greeting", "first") in house.facts()
    house.now += LEAST_GAP / 2
    house.tell("second")
    assert house.keeping.until_due() == pytest.approx(LEAST_GAP / 2)
    house.tend()
    assert len(house.facts()) == 1
    house.now += LEAST_GAP / 2 + 1e-3
    house.tend()
    assert len(house.facts()) == 2


def test_the_end_commits_what_waits_and_a_kill_does_not(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.tell("first")
    house.tend()
    house.tell("second")
    house = house.again()
    assert len(house.facts()) == 1
    house.tell("second")
    house = house.again(killed=False)
    assert len(house.facts()) == 2
    house.keeping.end()


def test_a_fact_that_is_seen_again_is_not_old(tmp_path: Path) -> None:
    house = House(tmp_path, days=2)
    for day in range(6):
        house.now = NOON + day * DAY
        house.tell(GREETING.replace("09:00:00", f"09:00:0{day}"))
        house.tell(f"site{day}.example.org", "tls.sni")
        house.tend()
    expected = {("192.0.2.1", "smtp.greeting", GREETING)} | {
        ("192.0.2.1", "tls.sni", f"site{day}.example.org") for day in (3, 4, 5)
    }
    assert house.facts() == house.remembered() == expected
    assert house.again().facts() == expected


def test_what_is_too_old_is_neither_kept_nor_believed(tmp_path: Path) -> None:
    house = House(tmp_path, days=30)
    house.tell()
    house.tell("mx.example.org ESMTP Postfix", address="192.0.2.26")
    house.tend()
    began = house.keeping.body()
    assert began
    assert (began["observations"], began["servers"], began["retention_last_success"]) == (2, 2, NOON)
    house.now += 29 * DAY
    house.tell("mx.example.org ESMTP Postfix", address="192.0.2.26")
    house.tend()
    house.now += 1 * DAY + 1
    house.tend()
    assert [a.address for a in house.believed()] == ["192.0.2.26"]
    body = house.keeping.body()
    assert body
    assert body | {"bytes": 0} == {
        "observations": 1, "servers": 1, "bytes": 0, "deleted": {"age": 1, "rows": 0}, "write_failures": 0,
        "retention_last_success": house.now,
    }  # fmt: skip
    assert body["bytes"] > 4096
    house.now += HOUR
    later = house.again()
    assert later.keeping.body()["retention_last_success"] == house.now - HOUR  # type: ignore[index]


def test_what_grew_too_old_while_nobody_ran_is_not_believed_for_a_moment(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.tell()
    house.tend()
    house.now += 31 * DAY
    again = house.again()
    assert again.believed() == []
    again.tend()
    assert again.facts() == set()


def test_the_retention_job_works_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 3)
    house = House(tmp_path, days=1)
    house.tend()
    for n in range(10):
        house.tell(f"site{n}.example.org", "tls.sni", f"192.0.2.{n}")
    house.tend()
    house.now += DAY + 1
    left = []
    while house.facts():
        house.keeping.tend()
        left.append(len(house.facts()))
        assert house.keeping.body()["retention_last_success"] in (NOON, house.now)  # type: ignore[index]
    assert left == [7, 4, 1, 0]
    assert house.keeping.until_due() == HOUR


def test_who_makes_room_in_memory_makes_room_on_disk(tmp_path: Path) -> None:
    house = House(tmp_path, servers=2)
    for n in (1, 2, 1, 3):
        house.tell(address=f"192.0.2.{n}")
        house.tend()
        house.now += 1
    house.tend()
    assert {address for address, _, _ in house.facts()} == {"192.0.2.1", "192.0.2.3"}
    assert [a.address for a in house.again().believed()] == ["192.0.2.1", "192.0.2.3"]


def test_a_bound_that_was_lowered_holds_from_the_start(tmp_path: Path) -> None:
    house = House(tmp_path)
    for n in range(20):
        house.tell(f"site{n}.example.org", "tls.sni", f"192.0.2.{n // 2}")
        house.now += 1
    house.tend()
    house.given = 7, 100, 30
    again = house.again()
    assert again.remembered() == again.facts()
    assert {value for _, _, value in again.facts()} == {f"site{n}.example.org" for n in range(13, 20)}


def test_a_store_that_cannot_be_written_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    house = House(tmp_path)
    house.tend()
    with sqlite3.connect(tmp_path / "knockfirst.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for n in range(5):
            house.tell(f"site{n}.example.org", "tls.sni")
            house.tend()
            assert 0 < house.keeping.until_due() <= RETRY
            house.now += RETRY
        other.execute("ROLLBACK")
    assert len(house.remembered()) == 5
    assert house.facts() == set()
    house.tend()
    assert house.facts() == house.remembered()
    assert house.keeping.body()["write_failures"] == 5  # type: ignore[index]
    lines = [record for record in caplog.records if "cannot be written" in record.message]
    assert 0 < len(lines) < 5


def test_a_retention_job_that_fails_is_tried_again(tmp_path: Path) -> None:
    house = House(tmp_path)
    with sqlite3.connect(tmp_path / "knockfirst.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        house.tend()
        assert house.keeping.until_due() == RETRY
        other.execute("ROLLBACK")
    began = house.keeping.body()
    assert began
    assert (began["write_failures"], began["retention_last_success"]) == (1, 0.0)
    house.now += RETRY
    house.tend()
    assert house.keeping.body()["retention_last_success"] == house.now  # type: ignore[index]
    assert house.keeping.until_due() == HOUR


def test_without_a_store_it_is_memory_alone() -> None:
    house = House(None)
    house.tell()
    house.keeping.tend()
    assert house.keeping.until_due() == float("inf")
    assert house.keeping.body() is None
    house.keeping.end()
    assert [a.address for a in house.believed()] == ["192.0.2.1"]
    assert house.again().believed() == []


def test_a_frame_of_the_future_is_not_kept_the_longer(tmp_path: Path) -> None:
    house = House(tmp_path)
    ahead = Observation(Endpoint("192.0.2.1", 25), "smtp.greeting", GREETING, NOON + 900 * DAY, "passive", "smtp")
    house.keeping.observe(ahead)
    house.tend()
    house.now += 31 * DAY
    house.tend()
    assert house.facts() == set()


@pytest.mark.parametrize(
    ("state", "environment", "directory"),
    [("", None, None), ("", "/var/lib/a:/var/lib/b", "/var/lib/a"), ("/srv/c", "/var/lib/a", "/srv/c"), ("", "", None)],
)
def test_where_the_store_is(
    monkeypatch: pytest.MonkeyPatch, state: str, environment: str | None, directory: str | None
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    if environment is not None:
        monkeypatch.setenv("STATE_DIRECTORY", environment)
    found = stored(Agent(state=state))
    assert (found and str(found._directory)) == directory


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(0, 6), st.integers(0, 4)),
        st.tuples(st.just("wait"), st.integers(0, 100_000)),
        st.tuples(st.sampled_from(["kill", "end"])),
    ),
    max_size=50,
)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.integers(2, 12), st.integers(1, 5))
def test_memory_and_store_never_disagree_for_long(
    steps: list[tuple[object, ...]], observations: int, servers: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        house = House(Path(directory), observations, servers, days=1)
        for what, *which in steps:
            house.now += 1
            if what == "tell":
                house.tell(f"site{which[1]}.example.org", "tls.sni", f"192.0.2.{which[0]}")
            elif what == "wait":
                house.now += float(which[0])  # type: ignore[arg-type]
            else:
                house = house.again(killed=what == "kill", whole=False)
                continue  # What comes next comes while it loads.
            house.tend()
            house.now += LEAST_GAP
            house.tend()
            assert house.facts() == house.remembered()
            assert len(house.facts()) <= observations
            assert len(house.inventory) <= servers
        house.keeping.end()


def test_a_store_is_proved_before_it_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path / "a")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "a"))
    prove(Agent(state=str(tmp_path / "a")), Agent())  # It is the same, which its agent has open.
    prove(Agent(state=str(tmp_path / "b")), Agent())
    with pytest.raises(ConfigError, match="another agent has this store open"):
        prove(Agent(), Agent(state=str(tmp_path / "b")))
    monkeypatch.delenv("STATE_DIRECTORY")
    prove(Agent(), Agent(state=str(tmp_path / "b")))
    house.keeping.end()
