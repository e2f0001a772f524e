"""What is in force: sections by number, who reads the files, and how long a changed prefix file took."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from agent import force, ipc
from agent.config import Config, check
from agent.force import InForce
from agent.ipc import Type
from agent.messages import InForce as Told
from agent.messages import Loaded
from agent.privacy import Sets, one, union
from agent.watch import LOOK


class Doors:
    """Keeps what each connection was told."""

    def __init__(self) -> None:
        self.told: dict[object, list[dict[str, Any]]] = {}

    def tell(self, connection: object, frames: Any) -> None:
        reader = ipc.Reader(frozenset({Type.SECTION}))
        for frame in frames:
            self.told.setdefault(connection, []).extend(body for _, body in reader.feed(frame))


class World:
    def __init__(self, directory: Path) -> None:
        self.now = 100.0
        self.path = directory / "o"
        self.doors: Any = Doors()
        self.write("")
        self.config = check(
            {
                "capture": {"interfaces": ["eth0"], "files": ["/a.pcap"], "prefixes": ["192.0.2.0/31"]},
                "privacy": {"objected": str(self.path)},
            },
            "k.toml",
        )
        self.force = InForce(self.config, Loaded(), logging.getLogger("agent"), lambda: self.now, self.sleep)
        self.force.start()

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def write(self, text: str) -> None:
        self.path.write_text(text)
        os.utime(self.path, (self.now, self.now))

    def looks(self, count: int) -> int:
        """Time goes on by so many looks; how many of them changed something."""
        changed = 0
        for _ in range(count):
            self.now += LOOK
            changed += self.force.look(self.doors)
        return changed

    def comes(self, name: str) -> Any:
        connection: Any = name
        self.force.opened(connection, self.doors)
        return connection


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_first_reads_the_files_and_the_next_of_those_that_come_when_it_has_gone(world: World) -> None:
    first, second = world.comes("first"), world.comes("second")
    files = {name: told[-1]["files"] for name, told in world.doors.told.items()}
    assert files == {"first": ["/a.pcap"], "second": []}
    world.force.closed(second)
    world.force.closed(first)
    world.comes("third")
    assert world.doors.told["third"][0]["files"] == ["/a.pcap"]


def test_everybody_is_told_the_same_section_but_for_the_files(world: World) -> None:
    for name in "abc":
        world.comes(name)
    a, b, c = (world.doors.told[name][0] for name in "abc")
    assert b == c == a | {"files": []}
    assert a["number"] == 1
    assert 0 <= a["fanout"] < 1 << 16
    assert set(a) == {
        *world.config.capture.model_dump(),
        "handshakes",
        "headers",
        "resolvers",
        "number",
        "log",
        "fanout",
        "withdrawn",
        "probe_sources",
    }


def test_an_objection_is_told_and_its_delay_is_to_the_last_who_applied_it(world: World) -> None:
    a, b = world.comes("a"), world.comes("b")
    world.looks(1)
    world.write("192.0.2.1\n")
    assert world.looks(2) == 1
    section = world.doors.told["b"][-1]
    assert (section["number"], section["handshakes"], section["headers"]) == (2, ["192.0.2.0/32"], ["192.0.2.1/32"])
    assert section["fanout"] != world.doors.told["b"][0]["fanout"]
    world.force.applied(a, 2)
    world.now += 0.125
    assert world.force.body()["applied"] == 0
    world.force.applied(b, 1)
    assert world.force.body()["applied"] == 1
    world.force.applied(b, 2)
    body = world.force.body()
    # Two looks and an eighth of a second after the last look that did not know of it.
    assert (body["number"], body["applied"], body["applied_seconds"]) == (2, 2, 2 * LOOK + 0.125)
    assert Told.model_validate(body).number == 2


def test_who_goes_without_having_applied_is_not_waited_for(world: World) -> None:
    a, b = world.comes("a"), world.comes("b")
    world.write("192.0.2.1\n")
    world.looks(2)
    world.force.applied(a, 2)
    world.force.closed(b)
    assert world.force.body()["applied_seconds"] == 2 * LOOK


def test_a_fault_tells_nobody_and_is_shown(world: World) -> None:
    world.comes("a")
    world.write("nonsense\n")
    assert world.looks(4) == 1
    body = world.force.body()
    assert (body["prefix_files_failing"], body["prefix_file_failures"], body["number"]) == (1, 1, 1)
    assert len(world.doors.told["a"]) == 1
    assert world.force.not_ready([]) == []


def test_a_file_that_never_was_good_lets_nobody_be_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.path.unlink()
    world.force = InForce(world.config, Loaded(), logging.getLogger("agent"), lambda: world.now, world.sleep)
    world.force.start()
    world.comes("a")
    section = world.doors.told["a"][0]
    assert (section["handshakes"], section["headers"], section["resolvers"]) == ([], [], [])
    assert world.force.not_ready(["capture_absent"]) == ["capture_absent", "prefixes_unreadable"]


def test_another_configuration_is_told_and_the_same_one_is_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []
    monkeypatch.setattr(force, "begin", lambda *words: begun.append(words))
    world.comes("a")
    world.force.take(world.config, Loaded(successful=False, sha256="x"), world.doors)
    assert len(world.doors.told["a"]) == 1
    assert (world.force.body()["reload_successful"], world.force.body()["sha256"]) == (False, "x")
    other = check(
        world.config.model_dump(mode="json")
        | {"privacy": {"handshakes": "off"}, "log": {"level": "debug"}}, "k.toml"
    )  # fmt: skip
    world.force.take(other, Loaded(), world.doors)
    section = world.doors.told["a"][-1]
    assert (section["number"], section["handshakes"], section["headers"]) == (2, [], ["192.0.2.0/31"])
    assert section["log"]["level"] == "debug"
    assert begun == [("agent", "debug", "logfmt")]


def test_capture_without_its_right_is_another_reason_until_one_applies(world: World) -> None:
    world.force.take(world.config, Loaded(not_permitted=True), world.doors)
    assert world.force.not_ready(["capture_absent"]) == ["capture_not_permitted"]
    assert world.force.not_ready([]) == []
    world.force.applied(world.comes("a"), 1)
    assert world.force.not_ready(["capture_absent"]) == ["capture_absent"]


def test_it_looks_four_times_a_second_and_no_more(world: World) -> None:
    world.looks(1)
    assert world.force.until_look() == LOOK
    world.now += 0.1
    assert world.force.until_look() == pytest.approx(LOOK - 0.1)
    world.write("192.0.2.1\n")
    assert not world.force.look(world.doors)
    assert world.force.until_look() > 0


def test_without_prefix_files_nothing_is_waited_for() -> None:
    def sleep(_: float) -> None:
        raise AssertionError("waited")

    InForce(Config(), Loaded(), logging.getLogger("agent"), lambda: 0.0, sleep).start()


class Register:
    """What a register says, in numbers that only rise."""

    def __init__(self) -> None:
        self.objections: list[str] = []
        self.said: list[int] = []
        self.waits = threading.Event()
        self.waits.set()

    def version(self) -> object:
        return len(self.objections)

    def withdrawn(self) -> int:
        return len(self.objections)

    def sets(self) -> Sets:
        return Held(self.waits, objected=union(map(one, self.objections)))

    def known(self, number: int) -> None:
        self.said.append(number)


def Held(waits: threading.Event, **sets: Any) -> Sets:  # noqa: N802
    """Sets that whoever joins them has to wait for."""

    class Waiting(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            waits.wait(60)
            return super().__iter__()

    return Sets(customers=Waiting(), **sets)


def made(world: World) -> None:
    """Wait until what is being made has been."""
    until = time.monotonic() + 60
    while world.force._making._thread is not None and world.force._making._thread.is_alive():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_what_the_register_says_is_made_beside_all_else_and_knows_what_it_was_made_of(tmp_path: Path) -> None:
    world = World(tmp_path)
    register = Register()
    world.force = InForce(world.config, Loaded(), logging.getLogger("agent"), lambda: world.now, world.sleep, register)
    world.force.start()
    world.comes("capture")
    told = world.doors.told["capture"]
    assert (len(told), told[0]["withdrawn"], register.said) == (1, 0, [0])

    register.waits.clear()
    register.objections.append("192.0.2.1/32")
    assert world.looks(3) == 0, "it is being made"
    register.objections.append("192.0.2.0/32")
    register.waits.set()
    made(world)
    assert world.looks(1) == 1
    # It was made before the second objection, and says so.
    assert (told[-1]["withdrawn"], register.said[-1]) == (1, 1)
    assert told[-1]["handshakes"] == ["192.0.2.0/32"]
    # It may take no more than its share of the agent's time, so that the next one is a while.
    assert world.looks(4) == 0
    world.looks(12)
    made(world)
    world.looks(1)
    assert (told[-1]["withdrawn"], told[-1]["handshakes"]) == (2, [])


def test_what_was_made_of_sets_that_have_been_replaced_is_let_go(tmp_path: Path) -> None:
    world = World(tmp_path)
    register = Register()
    world.force = InForce(world.config, Loaded(), logging.getLogger("agent"), lambda: world.now, world.sleep, register)
    world.force.start()
    world.comes("capture")
    register.waits.clear()
    register.objections.append("192.0.2.1/32")
    world.looks(1)
    register.waits.set()
    register.objections.append("192.0.2.0/32")
    other = world.config.model_copy(update={"capture": world.config.capture.model_copy(update={"queue": 7})})
    world.force.take(other, Loaded(), world.doors)
    number = world.doors.told["capture"][-1]["number"]
    assert world.doors.told["capture"][-1]["withdrawn"] == 2
    made(world)
    world.looks(4)
    assert (world.doors.told["capture"][-1]["number"], register.said[-1]) == (number, 2)
