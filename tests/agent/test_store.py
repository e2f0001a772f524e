"""The store against a model of it: what was committed is there, within bounds, and a fault loses nothing that waits."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import store as module
from agent import waiting
from agent.errors import ConfigError
from agent.model import Endpoint, Observation
from agent.schema import DATABASE
from agent.store import Store

LARGE = 1_000_000


def fact(value: str = "x", address: str = "192.0.2.1", time: float = 100.0, port: int = 25) -> Observation:
    return Observation(Endpoint(address, port), "smtp.greeting", value, time, "passive", "smtp")


def opened(directory: Path, observations: int = LARGE, servers: int = LARGE) -> Store:
    made = Store(directory, observations, servers)
    made.open()
    return made


def committed(store: Store) -> None:
    store.commit()
    while store.behind:
        store.commit()


def loaded(store: Store) -> list[Observation]:
    return [o for page in store.load(0.0) for o in page]


def rows(directory: Path, columns: str, table: str = "observations") -> list[tuple[object, ...]]:
    with sqlite3.connect(directory / DATABASE) as connection:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY id").fetchall()


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    told = [
        fact("first", time=1.5),
        fact("\0 é \U0001f600\n", time=2.5, port=0),
        Observation(Endpoint("2001:db8::25", 53, "udp"), "dns.mx", "", 3.5, "active", "dns"),
    ]
    for o in told:
        store.waiting.take(o, o.time)
    assert store.due
    assert store.commit() == []
    assert not store.due
    store.waiting.take(fact("too late"), 9.0)
    store.close()
    again = opened(tmp_path)
    assert loaded(again) == told
    assert (again.observations, again.servers) == (3, 2)
    again.close()
    again.close()


def test_a_fact_that_is_seen_again_is_the_same_row(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for seen in (100.0, 300.0, 200.0):
        store.waiting.take(fact(), seen)
        store.commit()
    store.waiting.take(fact(), 250.0)
    store.waiting.take(fact(), 400.0)
    store.commit()
    assert rows(tmp_path, "first_seen, last_seen") == rows(tmp_path, "first_seen, last_seen", "servers") == [(100, 400)]
    assert store.observations == 1
    store.close()


def test_a_server_that_was_forgotten_and_is_seen_again_has_only_what_it_showed_since(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.waiting.take(fact("on disk"), 100.0)
    store.commit()
    store.waiting.take(fact("waiting"), 100.0)
    store.waiting.forget("192.0.2.1")
    store.waiting.take(fact("since"), 200.0)
    store.commit()
    assert [o.value for o in loaded(store)] == ["since"]
    assert (store.observations, store.servers, store.deleted["rows"]) == (1, 1, 1)
    store.close()


def test_a_write_that_fails_changes_nothing_and_succeeds_later(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.waiting.take(fact("before"), 1.0)
    store.commit()
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    store.waiting.forget("192.0.2.1")
    for n in range(50):
        store.waiting.take(fact("y" * 4000, f"192.0.2.{n + 2}"), 2.0)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.commit()
    assert (store.observations, store.servers, store.deleted["rows"]) == (1, 1, 0)
    assert [o.value for o in loaded(store)] == ["before"]
    store._db.execute("PRAGMA max_page_count = 1000000")
    committed(store)
    assert (store.observations, store.servers, store.deleted["rows"]) == (50, 50, 1)
    assert len(loaded(store)) == 50
    store.close()


def test_a_file_that_cannot_be_opened_leaves_the_directory_free(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / DATABASE).write_bytes(b"no database " * 999)
    for _ in range(2):
        with pytest.raises(ConfigError, match="damaged"):
            opened(tmp_path)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_TAKEN", 10)
    waits = waiting.Waiting()
    for n in range(40):
        waits.take(fact(str(n), f"192.0.2.{n // 4}"), 1.0)
    assert waits.facts <= 10
    assert [f.value for f, _ in waits.batch(99, 99)[0]] == [str(n) for n in range(40 - waits.facts, 40)]


def test_what_is_deleted_is_not_in_the_file_any_more(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.waiting.take(fact("a-name-of-somebody"), 1.0)
    store.commit()
    assert [f.value for f in store.expire(2.0)] == ["a-name-of-somebody"]
    store.close()
    assert b"a-name-of-somebody" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_rows_that_a_lowered_bound_leaves_over_go_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    for n in range(100):
        store.waiting.take(fact(str(n), f"192.0.2.{n // 10}"), float(n))
    store.commit()
    store.close()
    monkeypatch.setattr(module, "BATCH", 7)
    store = opened(tmp_path, observations=40, servers=3)
    turns = 0
    while store.behind:
        assert 0 < len(store.commit()) <= 14
        turns += 1
    assert turns >= 5
    assert [o.value for o in loaded(store)] == [str(n) for n in range(70, 100)]
    assert rows(tmp_path, "address", "servers") == [(f"192.0.2.{n}",) for n in (7, 8, 9)]
    store.close()


class Model:
    """The same with a dict: (address, value) -> first and last seen. Times of distinct facts are distinct."""

    def __init__(self, observations: int, servers: int) -> None:
        self.most = observations, servers
        self.facts: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, address: str, value: str, time: float) -> None:
        first, last = self.facts.get((address, value), (time, time))
        self.facts[address, value] = first, max(last, time)

    def drop(self, keys: list[tuple[str, str]]) -> None:
        for key in keys:
            del self.facts[key]

    def forget(self, address: str) -> None:
        self.drop([key for key in self.facts if key[0] == address])

    def expire(self, before: float) -> None:
        self.drop([key for key, (_, last) in self.facts.items() if last < before])

    def trim(self, last_seen: dict[str, float]) -> None:
        addresses = sorted({a for a, _ in self.facts}, key=last_seen.__getitem__)
        for address in addresses[: max(0, len(addresses) - self.most[1])]:
            self.forget(address)
        oldest = sorted(self.facts, key=lambda key: self.facts[key][1])
        self.drop(oldest[: max(0, len(oldest) - self.most[0])])


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 5), st.integers(0, 3)),
        st.tuples(st.just("forget"), st.integers(0, 5)),
        st.tuples(st.just("expire"), st.integers(0, 40)),
        st.tuples(st.sampled_from(["commit", "reopen"])),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(ACTIONS, st.integers(1, 12), st.integers(1, 5))
def test_it_is_what_a_simple_model_says(actions: list[tuple[object, ...]], observations: int, servers: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = opened(Path(directory), observations, servers)
        model, last_seen = Model(observations, servers), {}
        for time, (what, *which) in enumerate(actions):
            if what == "take":
                address, value = f"192.0.2.{which[0]}", str(which[1])
                store.waiting.take(fact(value, address, float(time)), float(time))
                model.take(address, value, time)
                last_seen[address] = float(time)
            elif what == "forget":
                store.waiting.forget(f"192.0.2.{which[0]}")
                model.forget(f"192.0.2.{which[0]}")
            else:
                # Age and bounds are held against what is on disk; what waits is written before either is.
                committed(store)
                model.trim(last_seen)
                if what == "expire":
                    store.expire(float(which[0]))  # type: ignore[arg-type]
                    model.expire(float(which[0]))  # type: ignore[arg-type]
                elif what == "reopen":
                    store.close()
                    store = opened(Path(directory), observations, servers)
                kept = {(o.server.address, o.value): o.time for o in loaded(store)}
                assert kept == {key: first for key, (first, _) in model.facts.items()}
                assert (store.observations, store.servers) == (len(kept), len({a for a, _ in kept}))
                assert store.observations <= observations
                assert store.servers <= servers
        store.close()


def test_what_a_probe_has_learnt_comes_as_it_was_last_seen(tmp_path: Path) -> None:
    store = opened(tmp_path)
    passive, active = fact("looked", time=1.0), fact("asked", time=1.0)._replace(origin="active")
    for one in (passive, active):
        store.waiting.take(one, 1.0)
        store.waiting.take(one, 5.0)
    committed(store)
    assert {(o.value, o.time) for o in loaded(store)} == {("looked", 1.0), ("asked", 5.0)}
    store.close()
