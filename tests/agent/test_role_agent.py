"""The agent's own steward: configuration, reloads, kill switch and marks, as the agent's end of its line hears them."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc, role_agent
from agent.errors import ConfigError, InputError
from agent.ipc import Type
from agent.role_agent import ARMED, RELAY, Mark, Steward, mapped, opened, read, users
from agent.sections import Agent, Capture, Config, Notices, Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

BEFORE = Config(capture=Capture(interfaces=("lo",)))


class House:
    """A steward, and the agent's end of its line."""

    def __init__(self, doors: Path, before: Config = BEFORE) -> None:
        ours, theirs = socket.socketpair()
        theirs.settimeout(60)
        self.line = ipc.Link(theirs, frozenset({Type.CONFIGURATION, Type.RELOADED}))
        self.next: Config | ConfigError = before
        self.steward = Steward(before, self._reread, ours, doors)
        self.steward.begin()
        assert self.hears(Type.CONFIGURATION)["loaded"]["successful"]

    def _reread(self) -> Config:
        if isinstance(self.next, ConfigError):
            raise self.next
        return self.next

    def hears(self, kind: Type) -> dict[str, Any]:
        received = self.line.receive()
        assert received is not None
        assert received[0] is kind
        return received[1]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.line.close()


def test_a_signal_and_a_message_ask_for_the_same(house: House) -> None:
    house.next = Config(capture=Capture(interfaces=("lo", "eth0")))
    for ask in (house.steward.ask_reload, lambda: house.line.send(Type.RELOAD, {})):
        ask()
        assert house.hears(Type.CONFIGURATION)["config"]["capture"]["interfaces"] == ["lo", "eth0"]
        assert house.hears(Type.RELOADED) == {"error": None, "restarted": []}


def test_a_faulty_configuration_leaves_the_one_before_in_force(house: House) -> None:
    house.next = ConfigError("k.toml: capture.rings: no such key")
    house.steward.ask_reload()
    told = house.hears(Type.CONFIGURATION)
    assert told["config"]["capture"]["interfaces"] == ["lo"]
    assert not told["loaded"]["successful"]
    assert house.hears(Type.RELOADED) == {"error": "k.toml: capture.rings: no such key", "restarted": []}


def test_a_role_that_has_to_begin_anew_is_named(house: House) -> None:
    house.next = Config(capture=Capture(interfaces=("lo",), ring_mib=2))
    house.steward.ask_reload()
    house.hears(Type.CONFIGURATION)
    assert house.hears(Type.RELOADED) == {"error": None, "restarted": ["capture"]}


def test_where_the_agent_has_to_it_ends_when_the_answer_is_out(house: House) -> None:
    house.next = Config(capture=Capture(interfaces=("lo",)), agent=Agent(max_servers=1))
    house.steward.ask_reload()
    assert house.hears(Type.RELOADED) == {"error": None, "restarted": ["agent"]}
    assert house.line.receive() is None
    assert house.steward.again


def test_whether_a_prober_is_wanted_is_seen_in_the_directory(house: House, tmp_path: Path) -> None:
    for armed in (True, False):
        house.next = Config(capture=Capture(interfaces=("lo",)), probe=Probe(armed=armed))
        house.steward.ask_reload()
        house.hears(Type.CONFIGURATION)
        assert house.hears(Type.RELOADED)["restarted"] == ["prober"]
        assert (tmp_path / ARMED).exists() is armed


def test_whether_a_notifier_is_wanted_is_seen_there_too(house: House, tmp_path: Path) -> None:
    for relay in ("mail.example.net:587", ""):
        house.next = Config(capture=Capture(interfaces=("lo",)), notices=Notices(relay=relay, sender="a@example.net"))
        house.steward.ask_reload()
        house.hears(Type.CONFIGURATION)
        assert house.hears(Type.RELOADED)["restarted"] == ["notifier"]
        assert (tmp_path / RELAY).exists() is bool(relay)


def test_the_kill_switch_is_thrown_by_signal(tmp_path: Path) -> None:
    switch = tmp_path / "off"
    house = House(tmp_path, Config(capture=Capture(interfaces=("lo",)), probe=Probe(kill_switch=str(switch))))
    house.steward.ask_switch()
    house.steward.ask_reload()  # its answer comes behind it
    house.hears(Type.CONFIGURATION)
    assert switch.exists()
    house.line.close()


def test_where_the_switch_cannot_be_thrown_there_is_no_agent_any_more(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no" / "where")
    house = House(tmp_path, Config(capture=Capture(interfaces=("lo",)), probe=Probe(kill_switch=nowhere)))
    house.steward.ask_switch()
    assert house.line.receive() is None
    assert house.steward.again


def test_what_a_unit_says_is_not_taken_from_the_configuration(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "k.toml"
    path.write_text(
        '[capture]\ninterfaces = ["lo"]\nprefixes = ["192.0.2.0/24"]\ncpus = [0]\n[exporter]\nanswers = "127.0.0.1:1"\n'
    )
    assert read(str(path)).capture.cpus == ()
    assert {record.__dict__["ignored"] for record in caplog.records} == {"capture.cpus", "exporter.answers"}


def test_where_there_is_nothing_to_look_at_it_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "k.toml"
    path.write_text("")
    with pytest.raises(ConfigError, match="empty") as raised:
        read(str(path))
    assert raised.value.exit_code == ConfigError.exit_code


@pytest.mark.parametrize(
    ("uid_map", "shown"),
    [
        ("0 0 4294967295", {0: 0, 997: 997, 65534: 65534}),
        ("0 0 1\n997 997 1", {0: 0, 997: 997, 996: 65534}),
        ("0 100000 65536", {100000: 0, 100997: 997, 997: 65534}),
    ],
)
def test_a_user_is_who_the_kernel_shows(uid_map: str, shown: dict[int, int]) -> None:
    assert {uid: mapped(uid_map)(uid) for uid in shown} == shown


def test_doors_are_for_the_users_that_are_named() -> None:
    assert users(["capture=root"]) == {"capture": frozenset({0})}
    with pytest.raises(InputError, match="no role 'console'"):
        users(["console=root"])
    with pytest.raises(ConfigError, match="there is no user"):
        users(["capture=nobody-of-that-name"])


@pytest.mark.parametrize(("shared", "mode"), [(True, 0o660), (False, 0o600)])
def test_doors_are_made_where_systemd_hands_none_over(tmp_path: Path, shared: bool, mode: int) -> None:
    listeners = opened(tmp_path, BEFORE, shared=shared)
    for name in ("capture", "exporter", "prober", "notifier"):
        assert (tmp_path / name / "door").stat().st_mode & 0o777 == mode
    assert (tmp_path / "control").stat().st_mode & 0o777 == mode
    for listener in listeners.values():
        listener.close()


def test_a_mark_is_made_when_the_register_has_been_left_alone_for_a_while(tmp_path: Path) -> None:
    now = [0.0]
    path = tmp_path / "register"
    mark = Mark(path, lambda: now[0])

    def marked(at: float, version: object) -> bool:
        now[0] = at
        path.unlink(missing_ok=True)
        mark(version)
        return path.exists()

    assert [marked(at, (1, 0)) for at in (0.0, 0.4, 0.6, 0.9)] == [False, False, True, False]
    assert not any(marked(10 + at / 4, (at, 1)) for at in range(100))
    assert any(marked(35 + at / 4, (100 + at, 1)) for at in range(40))


def test_a_directory_that_cannot_be_written_keeps_nobody_from_work(tmp_path: Path) -> None:
    Mark(tmp_path / "no" / "where", lambda: 100.0)((1, 1))
    House(tmp_path / "no").line.close()
    assert not os.path.exists(tmp_path / "no")
    assert role_agent.AGAIN == 75
