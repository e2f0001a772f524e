"""The agent role by its doors: observations in, snapshots and answers out, and a faulty peer harms only itself."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc, serving
from agent import service as role
from agent.cast import DOORS
from agent.config import Config, check
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.ipc import Type
from agent.messages import validated
from agent.model import GENERATIONS, KINDS
from agent.service import Service
from agent.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = 1_793_620_800.0  # 2026-11-02 12:00 UTC
GREETING = "ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"
KEV = {flaw.cve: flaw.kev for flaw in catalogue().flaws}


def told(address: str = "192.0.2.1", kind: str = "smtp.greeting", value: str = GREETING) -> dict[str, Any]:
    return {
        "address": address, "port": 25, "transport": "tcp", "kind": kind, "value": value,
        "time": NOON, "collector": "smtp", "frame": None,
    }  # fmt: skip


class House:
    """A running agent, and links to it as each role has one."""

    def __init__(self, directory: Path, config: Config, store: Store | None = None) -> None:
        self.directory = directory
        self.clock = NOON
        self.supervisor: ipc.Link | None = None
        self.inventory = Inventory(book(), catalogue(), config.agent.max_servers)
        self.service = Service(
            config=config, inventory=self.inventory, kev=KEV, log=logging.getLogger("agent"),
            now=lambda: self.clock, monotonic=time.monotonic, store=store,
        )  # fmt: skip

    def link(self, door: str, *accepted: Type) -> ipc.Link:
        return ipc.connect(str(self.directory / door), frozenset(accepted), 60.0)

    def capture(self) -> ipc.Link:
        link = self.link("capture", Type.SECTION)
        assert link.receive() is not None
        return link

    def exporter(self) -> ipc.Link:
        link = self.link("exporter", Type.SECTION, Type.SNAPSHOT)
        assert link.receive() == (Type.SECTION, {"log": {"level": "info", "format": "logfmt"}})
        return link

    def ask(self, **question: str) -> list[tuple[Type, dict[str, Any]]]:
        link = self.link("control", Type.STATUS, Type.ASSESSMENT, Type.END)
        link.send(Type.ASK, question)
        answers = []
        while not answers or answers[-1][0] is Type.ASSESSMENT:
            answer = link.receive()
            assert answer is not None
            answers.append(answer)
        link.close()
        return answers


def seen(exporter: ipc.Link) -> Any:
    """The next snapshot; whether it is shown, the agent does not hear."""
    message = exporter.receive()
    assert message is not None
    return validated(*message)


def shown(exporter: ipc.Link) -> Any:
    """The next snapshot, taken as the exporter does."""
    snapshot = seen(exporter)
    exporter.send(Type.SHOWN, {"number": snapshot.number})
    return snapshot


@contextmanager
def living(directory: Path, config: Config | None = None, store: Store | None = None) -> Iterator[House]:
    house = House(directory, config or Config(), store)
    listeners = {}
    for name in DOORS:
        listeners[name] = socket.socket(socket.AF_UNIX)
        listeners[name].bind(str(directory / name))
        listeners[name].listen()
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    house.supervisor = ipc.Link(ours, frozenset({Type.RELOAD}))
    thread = threading.Thread(target=house.service.serve, args=(listeners, theirs), daemon=True)
    thread.start()
    try:
        yield house
    finally:
        ours.close()
        thread.join(60)
        for opened in (*listeners.values(), theirs):
            opened.close()
    assert not thread.is_alive(), "the agent did not end with its supervisor"


def until(house: House, what: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ((_, status),) = house.ask(what="status")
        if status[what]:
            return status
        time.sleep(0.02)
    raise AssertionError(f"not {what}: {status}")


def test_the_whole_way(tmp_path: Path) -> None:
    with living(tmp_path) as house:
        exporter = house.exporter()
        first = shown(exporter)
        assert first.not_ready == ["capture_absent"]
        assert first.servers == []
        capture = house.capture()
        capture.send(Type.INPUTS, {"files": 1, "read": 0, "unreadable": 0})
        capture.send(Type.OBSERVATIONS, {"told": [told(), told("2001:db8::25")]})
        capture.send(Type.COUNTERS, {"counts": {"frames_seen": 7}})
        capture.send(Type.INPUTS, {"files": 1, "read": 1, "unreadable": 0})
        snapshot = shown(exporter)
        while snapshot.inputs.read == 0:
            snapshot = shown(exporter)
        assert snapshot.not_ready == []
        assert [(s.product, s.count) for s in snapshot.servers] == [("exchange", 2)]
        assert [i.model_dump() for i in snapshot.interfaces] == [
            {"name": "file", "counts": {"frames_seen": 7}, "gauges": {}}
        ]
        assert snapshot.observations["smtp.greeting"] == 2
        assert snapshot.progress == NOON
        status = until(house, "finished")
        assert (status["ready"], status["servers"]) == (True, 2)
        answers = house.ask(what="assessments")
        assert [body["address"] for kind, body in answers if kind is Type.ASSESSMENT] == ["192.0.2.1", "2001:db8::25"]
        assert answers[-1] == (Type.END, {"count": 2})
        assert [len(house.ask(what="assessments", address=a)) for a in ("192.0.2.1", "192.0.2.9")] == [2, 1]


def test_the_exporter_is_told_each_day_what_is_published(tmp_path: Path) -> None:
    """probing.txt says until when it holds, so that it has to be made anew while nothing else changes."""
    with living(tmp_path) as house:
        exporter = house.exporter()
        shown(exporter)
        house.clock += 86_400.0
        house.ask(what="status")
        house.capture()
        kind, body = Type.SNAPSHOT, {"number": 0}
        while kind is not Type.SECTION:  # or else nothing comes any more
            if kind is Type.SNAPSHOT and body["number"]:
                exporter.send(Type.SHOWN, {"number": body["number"]})
            received = exporter.receive()
            assert received is not None
            kind, body = received
        assert body == {"log": {"level": "info", "format": "logfmt"}}


def test_a_snapshot_has_every_known_label_from_the_start_and_no_address(tmp_path: Path) -> None:
    with living(tmp_path) as house:
        exporter, capture = house.exporter(), house.capture()
        shown(exporter)
        capture.send(Type.OBSERVATIONS, {"told": [told(kind="http.header", value="X-OWA-Version: 15.1.2507.6")]})
        snapshot = shown(exporter)
        while not snapshot.servers:
            snapshot = shown(exporter)
        assert {e.cve for e in snapshot.exposed if e.status == "vulnerable"} == set(KEV)
        assert sum(e.count for e in snapshot.exposed if e.status == "vulnerable") > 0
        assert {e.generation for e in snapshot.ended} >= set(GENERATIONS)
        assert set(snapshot.observations) == set(KINDS)
        assert "192.0.2" not in snapshot.model_dump_json()
        assert "example" not in snapshot.model_dump_json()


def test_the_next_snapshot_waits_until_the_one_before_is_shown(tmp_path: Path) -> None:
    with living(tmp_path) as house:
        exporter, capture = house.exporter(), house.capture()
        message = exporter.receive()
        capture.send(Type.OBSERVATIONS, {"told": [told()]})
        capture.send(Type.INPUTS, {"files": 1, "read": 1, "unreadable": 0})
        exporter.connection.settimeout(0.8)
        with pytest.raises(TimeoutError):
            exporter.receive()
        exporter.connection.settimeout(60)
        assert message is not None
        exporter.send(Type.SHOWN, {"number": message[1]["number"]})
        assert shown(exporter).kept == 1


UNEXPECTED = [
    ("capture", b"\xff" * 64, "type"),
    ("capture", ipc.frame(Type.ASK, {"what": "status"}), "type"),
    ("capture", ipc.frame(Type.OBSERVATIONS, {"told": [told(address="not an address")]}), "invalid"),
    ("capture", ipc.frame(Type.COUNTERS, {"counts": {"Frames": -1}}), "invalid"),
    ("control", ipc.frame(Type.ASK, {"what": "secrets"}), "invalid"),
    ("control", ipc.frame(Type.OBSERVATIONS, {"told": [told()]}), "type"),
    ("exporter", ipc.frame(Type.ASK, {"what": "assessments"}), "type"),
    ("capture", b"\0\0\0\x02\0\x04{]", "json"),
]


def rejected(snapshot: Any) -> dict[tuple[str, str], int]:
    """Door and reason -> how often, where that happened at all; everything else is there with 0."""
    return {(row.door, row.reason): row.count for row in snapshot.rejected if row.count}


@pytest.mark.parametrize(("door", "data", "reason"), UNEXPECTED)
def test_a_faulty_peer_loses_its_connection_and_the_agent_lives(
    tmp_path: Path, door: str, data: bytes, reason: str
) -> None:
    with living(tmp_path) as house:
        faulty = house.link(door, *Type)
        faulty.connection.sendall(data)
        while faulty.receive() is not None:
            pass  # What it was told before it spoke, then the end.
        good = house.capture()
        good.send(Type.OBSERVATIONS, {"told": [told()]})
        until(house, "servers")
        exporter = house.exporter()
        assert rejected(shown(exporter)) == {(door, reason): 1}


def test_a_message_cut_short_is_counted(tmp_path: Path) -> None:
    with living(tmp_path) as house:
        faulty = house.capture()
        faulty.connection.sendall(b"\0\0")
        faulty.close()
        exporter = house.exporter()
        snapshot = shown(exporter)
        while not rejected(snapshot):
            snapshot = shown(exporter)
        assert rejected(snapshot) == {("capture", "truncated"): 1}


def test_a_new_capture_takes_the_place_of_the_old(tmp_path: Path) -> None:
    with living(tmp_path) as house:
        old = house.capture()
        old.send(Type.INPUTS, {"files": 1, "read": 1, "unreadable": 0})
        house.capture()
        with suppress(ConnectionResetError):  # which of the two it is depends on whether it was read before
            assert old.receive() is None
        assert shown(house.exporter()).not_ready == ["capture_absent"]


def test_an_unreadable_input_keeps_it_from_being_ready(tmp_path: Path) -> None:
    with living(tmp_path) as house:
        exporter, capture = house.exporter(), house.capture()
        shown(exporter)
        capture.send(Type.INPUTS, {"files": 2, "read": 1, "unreadable": 1})
        while not shown(exporter).inputs.unreadable:
            pass  # That a capture process has come may be told before what it says.
        status = until(house, "finished")
        assert (status["ready"], status["not_ready"], status["unreadable"]) == (False, ["inputs_unreadable"], 1)


def test_it_is_ready_once_that_is_shown(tmp_path: Path) -> None:
    with living(tmp_path) as house:
        exporter, capture = house.exporter(), house.capture()
        assert shown(exporter).not_ready == ["capture_absent"]
        capture.send(Type.INPUTS, {"files": 0, "read": 0, "unreadable": 0})
        last = seen(exporter)  # which is not said to be shown
        while last.not_ready:
            ((_, status),) = house.ask(what="status")
            assert (status["ready"], bool(status["not_ready"])) == (False, True)
            exporter.send(Type.SHOWN, {"number": last.number})
            last = seen(exporter)
        ((_, status),) = house.ask(what="status")
        assert (status["ready"], status["not_ready"]) == (False, ["no_snapshot"])
        exporter.send(Type.SHOWN, {"number": last.number})
        until(house, "ready")


def test_what_one_process_has_not_to_read_is_not_all_that_there_is(tmp_path: Path) -> None:
    config = check({"capture": {"files": ["/a.pcap"], "workers": 2}}, "k.toml")
    with living(tmp_path, config) as house:
        exporter, reader, other = house.exporter(), house.capture(), house.capture()
        other.send(Type.INPUTS, {"files": 0, "read": 0, "unreadable": 0})
        while shown(exporter).not_ready:
            pass
        assert until(house, "ready")["finished"] is False
        reader.send(Type.INPUTS, {"files": 1, "read": 1, "unreadable": 0})
        while not shown(exporter).inputs.read:
            pass
        until(house, "finished")


def test_many_servers_are_told_to_a_client_that_reads_slowly(tmp_path: Path) -> None:
    config = check({"agent": {"max_servers": 300}}, "k.toml")
    with living(tmp_path, config) as house:
        capture = house.capture()
        for high in range(2):
            batch = [told(f"198.51.{100 + high}.{n}") for n in range(200)]
            capture.send(Type.OBSERVATIONS, {"told": batch})
        capture.send(Type.INPUTS, {"files": 1, "read": 1, "unreadable": 0})
        exporter = house.exporter()
        while not shown(exporter).inputs.read:
            pass
        link = house.link("control", Type.ASSESSMENT, Type.END)
        for _ in range(3):
            link.send(Type.ASK, {"what": "assessments"})
        time.sleep(0.1)
        until(house, "servers")  # Another client is answered meanwhile.
        received = [link.receive() for _ in range(3 * 301)]
        assert [m[1]["count"] for m in received if m and m[0] is Type.END] == [300] * 3


def test_the_role_gets_its_configuration_and_ends_with_its_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real one would replace the handlers of this process.
    monkeypatch.setattr(serving, "begin", lambda *_: logging.getLogger("agent"))
    for body in ({"config": Config().model_dump(mode="json"), "loaded": {}}, None):
        words, doors = [], {}
        for name in DOORS:
            doors[name] = socket.socket(socket.AF_UNIX)
            doors[name].bind(str(tmp_path / f"{name}{body is None}"))
            doors[name].listen()
            words.append(f"{name}={doors[name].detach()}")
        ours, theirs = socket.socketpair()
        if body is not None:
            ipc.Link(ours, frozenset()).send(Type.CONFIGURATION, body)
        ours.close()
        assert serving.main([*words, f"supervisor={theirs.detach()}"]) == 0


def test_a_configuration_is_checked_again_on_its_way() -> None:
    from agent.errors import ConfigError

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ipc.Link(ours, frozenset()).send(Type.CONFIGURATION, {"config": {"nonsense": 1}, "loaded": {}})
        with pytest.raises(ConfigError, match=r"configuration: nonsense: no such key"):
            serving.configured(theirs)


def test_a_server_that_said_more_than_a_message_holds_is_told_without_that() -> None:
    from agent.model import Assessment

    long = Assessment("192.0.2.1", (25,), "other", None, "none", 0.0, None, ("x" * 2_000_000,), (), ())
    reader = ipc.Reader(frozenset({Type.ASSESSMENT, Type.END}))
    (kind, body), (_, end) = [message for frame in role.told([long]) for message in reader.feed(frame)]
    assert (kind, body["address"], body["names"], end) == (Type.ASSESSMENT, "192.0.2.1", [], {"count": 1})


def test_sigterm_is_the_end_of_the_supervisor_for_as_long_as_it_serves() -> None:
    before = signal.getsignal(signal.SIGTERM)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(60)
        with serving.ending_with(theirs):
            os.kill(os.getpid(), signal.SIGTERM)
            assert theirs.recv(1) == b""
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_was_told_is_in_the_store_when_it_ends(tmp_path: Path) -> None:
    def store() -> Store:
        made = Store(tmp_path / "state", 1000, 100)
        made.open()
        return made

    with living(tmp_path, store=store()) as house:
        exporter, capture = house.exporter(), house.capture()
        shown(exporter)
        capture.send(Type.OBSERVATIONS, {"told": [told()]})
        while not (snapshot := shown(exporter)).store.observations:
            pass
        assert (snapshot.store.servers, snapshot.store.write_failures, snapshot.kept) == (1, 0, 1)
        capture.send(Type.OBSERVATIONS, {"told": [told("192.0.2.2"), told("192.0.2.3")]})
        capture.send(Type.INPUTS, {"files": 1, "read": 1, "unreadable": 0})
        while shown(exporter).kept < 3:
            pass
    (tmp_path / "again").mkdir()
    with living(tmp_path / "again", store=store()) as house:
        assert shown(house.exporter()).kept == 3
