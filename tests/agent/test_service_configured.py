"""The agent role and its configuration: what it is told, by whom, and whom it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent import force, ipc
from agent.config import check
from agent.ipc import Type
from tests.agent.test_service import NOON, living, shown

if TYPE_CHECKING:
    from pathlib import Path

LIVE = {
    "capture": {"interfaces": ["eth0"], "prefixes": ["192.0.2.0/24"], "workers": 2},
    "exporter": {"listen": "127.0.0.1:0"},
}


def section(capture: ipc.Link) -> dict[str, Any]:
    message = capture.receive()
    assert message is not None
    assert message[0] is Type.SECTION
    return message[1]


def test_every_worker_is_told_of_a_change_and_the_snapshot_shows_who_applied_it(tmp_path: Path) -> None:
    config = check(LIVE, "k.toml")
    with living(tmp_path, config) as house:
        workers = [house.capture() for _ in range(2)]
        changed = check(LIVE | {"privacy": {"handshakes": "off"}}, "k.toml").model_dump(mode="json")
        assert house.supervisor is not None
        loaded = {"successful": True, "time": NOON, "sha256": "abc"}
        house.supervisor.send(Type.CONFIGURATION, {"config": changed, "loaded": loaded})
        told = [section(worker) for worker in workers]
        assert [(s["number"], s["handshakes"], s["headers"]) for s in told] == [(2, [], ["192.0.2.0/24"])] * 2
        for worker in workers:
            worker.send(Type.APPLIED, {"number": 2})
        exporter = house.exporter()
        snapshot = shown(exporter)
        while snapshot.config.applied < 2:
            snapshot = shown(exporter)
        assert (snapshot.config.number, snapshot.config.sha256, snapshot.config.reload_time) == (2, "abc", NOON)


def test_a_worker_that_died_makes_room_for_its_successor_and_not_another(tmp_path: Path) -> None:
    with living(tmp_path, check(LIVE, "k.toml")) as house:
        alive, dead = house.capture(), house.capture()
        dead.send(Type.COUNTERS, {"counts": {"frames_seen": 1}})
        dead.close()
        successor = house.capture()
        for link in (alive, successor):
            link.connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                link.receive()


def test_the_log_of_the_exporter_is_told_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The real one would replace the handlers of this process.
    monkeypatch.setattr(force, "begin", lambda *_: None)
    with living(tmp_path) as house:
        exporter = house.exporter()
        changed = check({"log": {"level": "debug"}}, "k.toml").model_dump(mode="json")
        assert house.supervisor is not None
        house.supervisor.send(Type.CONFIGURATION, {"config": changed, "loaded": {}})
        message = exporter.receive()
        while message and message[0] is Type.SNAPSHOT:
            exporter.send(Type.SHOWN, {"number": message[1]["number"]})
            message = exporter.receive()
        assert message == (Type.SECTION, {"log": {"level": "debug", "format": "logfmt"}})


def test_a_reload_goes_to_the_supervisor_and_its_answer_to_who_asked(tmp_path: Path) -> None:
    with living(tmp_path) as house:
        link = house.link("control", Type.RELOADED)
        link.send(Type.RELOAD, {})
        assert house.supervisor is not None
        assert house.supervisor.receive() == (Type.RELOAD, {})
        answer = {"error": "k.toml: no", "restarted": []}
        house.supervisor.send(Type.RELOADED, answer)
        assert link.receive() == (Type.RELOADED, answer)


def test_a_supervisor_that_says_something_else_is_the_end(tmp_path: Path) -> None:
    with living(tmp_path) as house:
        assert house.supervisor is not None
        house.supervisor.send(Type.ASK, {"what": "status"})
        assert house.supervisor.receive() is None
