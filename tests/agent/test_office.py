"""The office: what is put on record counts, all of it or nothing; and what is not known of this machine is no leave."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.audit.entry import Item, Opened
from agent.audit.log import AuditError, Log
from agent.config import fingerprint
from agent.errors import ConfigError
from agent.lab import leave
from agent.leave import Leave, Limits, Refusal
from agent.office import Office
from tests import asking
from tests.agent import leaving
from tests.agent.audit.logs import small_disk
from tests.agent.leaving import HOST, NET, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NO_ROOM = AuditError("audit log: database or disk is full")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    with leaving.opened(tmp_path, clock) as made:
        yield made


def decided(office: Office, **asked: Any) -> str:
    """The reason why not, or "leave"."""
    answer = office.gate.decide(leaving.request(**asked), office.conditions())
    return "leave" if isinstance(answer, Leave) else answer.reason


def kinds(office: Office, *wanted: str) -> list[str]:
    return [entry.kind for entry in office.log.read(wanted or None)]


def fails(monkeypatch: pytest.MonkeyPatch, office: Office) -> None:
    def full(items: Sequence[Item]) -> Any:
        raise NO_ROOM

    monkeypatch.setattr(office.log, "append", full)


def test_where_everything_is_in_order_there_is_leave(office: Office) -> None:
    assert decided(office) == "leave"


# What is put on record.


def test_what_is_folded_is_what_is_read_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[Opened] = []
    monkeypatch.setattr(office, "_note", folded.append)
    start = office.log.size
    office.record([
        Item("register.read", {"uid": 0, "what": "show"}, "agreed"), Item("log.started"),
        leave.unmapped("agreed", [NET], leaving.START), Item("kill_switch.on", {"uid": 0}),
    ])  # fmt: skip
    assert folded == [entry._replace(sealed=None) for entry in office.log.read(start=start)]
    assert [entry.private for entry in folded[:2]] == [{}, None]


def test_all_of_it_is_on_record_or_nothing(office: Office) -> None:
    size, version = office.log.size, office.register.version
    with pytest.raises(ValueError, match="has no place"):
        office.record([leave.mapped("other", ["203.0.113.0/24"], leaving.START), Item("log.started", {"ratio": 0.5})])
    assert (office.log.size, office.register.version, office.register.customer("other")) == (size, version, None)
    assert office.failures == 0, "the log is not at fault"


@pytest.mark.parametrize("private", [None, {}])
def test_what_could_not_be_read_again_is_not_put_on_record(office: Office, private: Any) -> None:
    size = office.log.size
    with pytest.raises(ValueError, match="nothing is said"):
        office.record([Item("record.withdrawn", {}, "agreed", private)])
    assert office.log.size == size


def test_objections_wait_to_be_seen_to_but_not_those_of_before(tmp_path: Path, clock: Clock) -> None:
    with leaving.opened(tmp_path, clock) as office:
        item = leave.objected("agreed", [f"{HOST}/32"], clock.wall, headers=True)
        office.record([item])
        assert office.objected == [((item.private or {})["objection_id"], True)]
        of = office.config
    again = leaving.made(of, tmp_path, clock)
    again.open()
    assert again.objected == []
    assert decided(again) == "objection"
    again.close()


# A log that fails.


def test_a_log_that_fails_is_taken_for_unwritable_for_a_while(
    office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = office.register.version
    with monkeypatch.context() as broken:
        fails(broken, office)
        with pytest.raises(AuditError):
            office.record([leave.objected("agreed", None, clock.wall)])
    assert (office.failures, office.register.version, office.objected) == (1, version, [])
    assert decided(office) == "audit_not_writable"
    clock.on(4.9)
    assert decided(office) == "audit_not_writable"
    clock.on(0.2)
    assert decided(office) == "leave", "the next write will tell"
    office.record([Item("log.started")])
    assert decided(office) == "leave"


def test_a_full_disk_and_room_again(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    with small_disk(tmp_path / "state", "2m"):
        os.chmod(tmp_path / "state", 0o700)
        with leaving.opened(tmp_path, clock) as office:
            ballast = tmp_path / "state" / "lock"
            with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            size = office.log.size
            with pytest.raises(AuditError):
                for _ in range(2000):  # what there is of the write-ahead log is used first
                    office.record([leave.mapped("other", ["203.0.113.0/24"], clock.wall)])
                    size = office.log.size
            assert office.log.size == size
            assert decided(office) == "audit_not_writable"
            ballast.write_bytes(b"")
            clock.on(5.1)
            assert decided(office) == "leave"
            office.record([Item("log.started")])
            assert office.log.size == size + 1


def test_a_log_that_says_what_nobody_understands_is_named(tmp_path: Path, clock: Clock) -> None:
    of = asking.config(tmp_path)
    office = leaving.made(of, tmp_path, clock)
    log = Log(tmp_path / "state", origin="", now=clock.now, monotonic=clock.monotonic)
    log.open()
    log.append([Item("record.given", {}, "agreed", {"schema": "consent-record/9"})])
    log.close()
    with pytest.raises(ConfigError, match=r"agent.state: .*the log cannot be read \(KeyError\).*audit verify"):
        office.open()
    assert office.log._connection is None


# What is not known of this machine.


def _switch(office: Office, directory: Path, clock: Clock) -> None:
    office.kill_switch.touch()


def _dangling_switch(office: Office, directory: Path, clock: Clock) -> None:
    office.kill_switch.symlink_to("nowhere")


def _behind(office: Office, directory: Path, clock: Clock) -> None:
    clock.on(60)
    office.record([Item("log.started")])
    clock.wall -= 10


def _no_checkpoint(office: Office, directory: Path, clock: Clock) -> None:
    clock.on(901)  # nothing was sent since, as nobody tended to it


def _denied(office: Office, directory: Path, clock: Clock) -> None:
    (directory / "deny").write_text("192.0.2.0/28\n")
    _look(office, clock)


def _objected(office: Office, directory: Path, clock: Clock) -> None:
    office.record([leave.objected("agreed", None, clock.wall)])


def _look(office: Office, clock: Clock) -> bool:
    changed = False
    for _ in range(2):
        clock.on(0.25)
        changed |= office.look()
    return changed


CHANGES = [
    (_switch, "kill_switch"), (_dangling_switch, "kill_switch"), (_behind, "clock_not_synced"),
    (_no_checkpoint, "checkpoint_stale"), (_denied, "deny_list"), (_objected, "objection"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), CHANGES, ids=lambda value: getattr(value, "__name__", value))
def test_what_is_seen_of_this_machine(tmp_path: Path, clock: Clock, change: Any, reason: str) -> None:
    (tmp_path / "deny").write_text("")
    with leaving.opened(tmp_path, clock, probe=PROBE | {"deny": str(tmp_path / "deny")}) as office:
        _look(office, clock)
        assert decided(office) == "leave"
        change(office, tmp_path, clock)
        assert decided(office) == reason


PROBE = {
    "armed": True, "laboratory": True, "sources": ["127.0.0.1"], "contact": "mailto:abuse@isp.example",
    "probing_url": "https://isp.example/.well-known/probing.txt", "per_minute": 60,
}  # fmt: skip

# What is configured -> why nobody is knocked at.
UNKNOWN: list[tuple[dict[str, dict[str, Any]], str]] = [
    ({"probe": {"kill_switch": "{}/state/lock/kill-switch"}}, "kill_switch"),
    ({"probe": {"deny": "{}/none"}}, "deny_list"),
    ({"consent": {"routed": "{}/none"}}, "not_routed"),
    ({"consent": {"routed": "{}/routed"}}, "not_routed"),
    ({"audit": {"file": "{}/no directory/checkpoints"}}, "checkpoint_stale"),
    ({"audit": {"file": "", "syslog": "{}/no socket"}}, "checkpoint_stale"),
    ({"audit": {"file": "", "syslog": ""}}, "not_armed"),
    ({"probe": {"armed": False}}, "not_armed"),
    ({"probe": {"contact": ""}}, "not_armed"),
    ({"notices": {"route": ""}}, "not_armed"),
    ({"consent": {"announce_days": 41}}, "announcement_period"),
]  # fmt: skip


@pytest.mark.parametrize(("sections", "reason"), UNKNOWN, ids=str)
def test_what_is_not_known_is_no_leave(
    tmp_path: Path, clock: Clock, sections: dict[str, dict[str, Any]], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "routed").write_text("198.51.100.0/24\n")
    told = {
        section: {key: value.format(tmp_path) if isinstance(value, str) else value for key, value in said.items()}
        for section, said in sections.items()
    }
    monkeypatch.setattr(leaving, "reached", lambda *_: None)
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "lock").touch()  # a file is no directory in which a kill switch could be seen
    with leaving.opened(tmp_path, clock, **told) as office:
        _look(office, clock)
        if reason != "checkpoint_stale":
            office.sinks.age = lambda now: 1.0  # type: ignore[method-assign]
        assert decided(office) == reason


def test_a_clock_that_is_not_known_to_be_synchronised(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with leaving.opened(tmp_path, clock, probe={"laboratory": False}) as office:
        for said in (None, False, True):
            monkeypatch.setattr("agent.office.synced", lambda said=said: said)
            assert office.conditions().clock_synced is said


def test_the_numbers_are_those_of_the_configuration(tmp_path: Path, clock: Clock) -> None:
    told: dict[str, dict[str, Any]] = {
        "consent": {"announce_days": 60, "mapping_hours": 6, "quarantine_days": 14, "terms_objection": True},
        "audit": {"checkpoint_minutes": 5},
        "probe": {"recheck_hours": 48, "per_minute": 2},
    }
    office = leaving.made(asking.config(tmp_path, **told), tmp_path, clock)
    assert office.limits() == Limits(60 * 86_400.0, 6 * 3600.0, 14 * 86_400.0, 300.0, 48 * 3600.0, 2, True)
    assert leaving.made(asking.config(tmp_path), tmp_path, clock).limits() == Limits(per_minute=60)


def test_the_kill_switch_is_where_the_configuration_says(tmp_path: Path, clock: Clock) -> None:
    office = leaving.made(asking.config(tmp_path), tmp_path, clock)
    assert office.kill_switch == tmp_path / "state" / "kill-switch"
    elsewhere = leaving.made(asking.config(tmp_path, probe={"kill_switch": str(tmp_path / "off")}), tmp_path, clock)
    assert (elsewhere.kill_switch, elsewhere.killed()) == (tmp_path / "off", False)
    (tmp_path / "off").mkdir()
    assert elsewhere.killed() is True


def test_files_are_looked_at_while_it_is_open(tmp_path: Path, clock: Clock) -> None:
    deny = tmp_path / "deny"
    deny.write_text("198.51.100.0/24\n")
    with leaving.opened(tmp_path, clock, probe=PROBE | {"deny": str(deny)}) as office:
        assert decided(office) == "leave"
        assert not _look(office, clock), "nothing is new"
        deny.write_text(f"{NET}\n")
        assert _look(office, clock) and decided(office) == "deny_list"
        deny.write_text("nonsense\n")
        assert not _look(office, clock) and decided(office) == "deny_list", "the last good set stays in force"
        deny.write_text("198.51.100.0/24\n")
        clock.on(0.25)
        assert not office.tend()
        clock.on(0.25)
        assert office.tend(), "that another set is in force is told"
        assert decided(office) == "leave"
        of = office.config
    again = leaving.made(of, tmp_path, clock)
    again.open()
    assert again.conditions().denied is None, "one look is not enough to know who is denied"
    assert _look(again, clock) and again.conditions().denied is not None
    again.close()


# The agent's own entries.


def test_an_agent_says_when_it_begins_and_ends_and_is_told_otherwise(tmp_path: Path, clock: Clock) -> None:
    of = asking.config(tmp_path)
    office = leaving.made(of, tmp_path, clock)
    office.open()
    assert office.log.size == 0, "who only gives an order says nothing of it"
    office.begin()
    office.take(of)
    other = asking.config(tmp_path, probe={"per_minute": 1})
    office.take(other)
    assert office.config is other and office.limits().per_minute == 1
    said = [(entry.kind, entry.public) for entry in office.log.read()]
    assert said == [
        ("log.started", {"sha256": fingerprint(of)}),
        ("config.changed", {"sha256": fingerprint(other)}),
    ]
    office.end()
    again = leaving.made(other, tmp_path, clock)
    again.open()
    assert kinds(again) == ["log.started", "config.changed", "log.stopped"]
    again.close()
    notes = (tmp_path / "checkpoints").read_text()
    assert f"\n{again.log.size}\n" in notes, "the last checkpoint that was sent knows of it"


def test_another_file_of_checkpoints_has_to_be_reached_anew(tmp_path: Path, clock: Clock) -> None:
    with leaving.opened(tmp_path, clock) as office:
        assert decided(office) == "leave"
        office.take(asking.config(tmp_path, audit={"file": str(tmp_path / "others")}))
        assert decided(office) == "checkpoint_stale"
        office.tend()
        leaving.reached(office, clock)
        assert decided(office) == "leave"


def test_a_log_that_cannot_be_written_stops_no_start(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with leaving.opened(tmp_path, clock) as office:
        with monkeypatch.context() as broken:
            fails(broken, office)
            office.begin()
            assert decided(office) == "audit_not_writable"
            clock.on(1)
            office.tend()
            assert office.failures == 1, "it is not tried again at once"
            clock.on(5)
            office.tend()
            office.take(asking.config(tmp_path, probe={"per_minute": 1}))
            office.take(last := asking.config(tmp_path, probe={"per_minute": 2}))
        assert kinds(office, "log.started", "config.changed") == []
        assert {record.message for record in caplog.records} == {"the log cannot be written, and nobody is knocked at"}
        clock.on(6)
        office.tend()
        said = [(entry.kind, entry.public) for entry in office.log.read(["log.started", "config.changed"])]
        assert [kind for kind, _ in said] == ["log.started", "config.changed"]
        assert said[1][1] == {"sha256": fingerprint(last)}, "of several, the last"
        clock.on(1)
        office.tend()
        assert len(kinds(office, "log.started")) == 1


@pytest.mark.parametrize(
    ("first", "then", "warned"),
    [("", "isp.example/edge2", 1), ("isp.example/edge1", "isp.example/edge2", 1), ("isp.example/edge1", "", 0),
     ("isp.example/edge1", "isp.example/edge1", 0)],
)  # fmt: skip
def test_a_log_keeps_its_first_name_and_says_so(
    tmp_path: Path, clock: Clock, first: str, then: str, warned: int, caplog: pytest.LogCaptureFixture
) -> None:
    office = leaving.made(asking.config(tmp_path, audit={"origin": first}), tmp_path, clock)
    office.open()
    name = office.log.origin
    office.close()
    caplog.set_level(logging.WARNING)
    assert not caplog.records
    office = leaving.made(asking.config(tmp_path, audit={"origin": then}), tmp_path, clock)
    office.open()
    office.tend()
    office.close()
    assert office.log.origin == name
    assert [record.message for record in caplog.records] == ["the log keeps the name that it was begun with"] * warned


def test_nothing_is_seen_where_nobody_looks(office: Office) -> None:
    assert office.sighting(HOST, 443) is None
    assert office.knock is None
    assert isinstance(office.gate.decide(leaving.request()._replace(sighting=None), office.conditions()), Refusal)
