"""Reloads of a daemon with real processes: checked first, taken as a whole or not at all."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc
from agent.config import changes, fingerprint
from agent.ipc import Type
from agent.reload import Reloads
from agent.run import configured
from agent.supervisor import Daemon
from tests.agent.test_supervisor import capture, get, pids, running
from tests.asking import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("ahead")


class World:
    """A daemon on a configuration file, and what it is asked and says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        capture(directory / "a.pcap")
        (directory / "customers").write_text("192.0.2.0/24\n")
        self.sections: dict[str, dict[str, Any]] = {
            "capture": {"files": ["a.pcap"]},
            "privacy": {"customers": "customers"},
            "exporter": {"listen": "127.0.0.1:0"},
            "agent": {"control": "control"},
            "log": {"level": "info"},
        }
        self.write()
        path = str(directory / "k.toml")
        self.daemon = Daemon(configured(path, []), reread=lambda: configured(path, []))

    def write(self, **keys: object) -> None:
        """Write the configuration with these keys (section_key) changed."""
        for name, value in keys.items():
            section, _, key = name.partition("_")
            self.sections[section][key] = value
        lines = []
        for section, values in self.sections.items():
            lines += [
                f"[{section}]",
                *(f"{key} = {str(v).lower() if v in (True, False) else repr(v)}" for key, v in values.items()),
            ]
        (self.directory / "k.toml").write_text("\n".join(lines))

    def post(self) -> tuple[str, str]:
        return get(self.daemon.metrics_url, "/-/reload", "POST")

    def metric(self, name: str) -> str:
        found = [line for line in get(self.daemon.metrics_url, "/metrics")[1].splitlines() if line.startswith(name)]
        return found[0].rpartition(" ")[2] if found else "none"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.daemon:
        assert made.daemon.wait_finished(60)
        yield made


@pytest.fixture
def kept() -> Iterator[socket.socket]:
    """Has a port that nobody gets who asks for any, and at which a listener that may share an address can be."""
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", 0))
        yield made


def same(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name for name, pid in before.items() if after.get(name) == pid}


def test_what_needs_nothing_restarts_nothing(world: World) -> None:
    before = pids(world.daemon)
    sha256 = fingerprint(world.daemon._config)
    world.write(privacy_handshakes="off", capture_ports=[25], log_level="debug")
    assert world.post() == ("200", "reloaded\n")
    assert until(lambda: world.metric("knockfirst_section ") == "2.0")
    assert pids(world.daemon) == before
    assert world.metric("knockfirst_config_last_reload_successful") == "1.0"
    new = fingerprint(world.daemon._config)
    assert new != sha256
    assert world.metric(f'knockfirst_config_hash{{sha256="{new}"}}') == "1.0"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"log_level": "loud"}, "k.toml: log.level: 'loud' is not one of "),
        ({"capture_files": []}, "k.toml: capture.files and capture.interfaces: empty"),
        ({"privacy_objected": "none"}, "/none: No such file"),
        ({"exporter_listen": "203.0.113.1:1"}, "exporter.listen: 203.0.113.1:1: "),
        ({"agent_control": "no/where"}, "/no/where: No such file"),
        ({"exporter_listen": "127.0.0.1:00", "agent_control": "no/where"}, "/no/where: No such file"),
    ],
)
def test_what_cannot_be_used_changes_nothing_and_says_why(world: World, keys: dict[str, Any], said: str) -> None:
    before, url = pids(world.daemon), world.daemon.metrics_url
    was = world.metric("knockfirst_config_last_reload_success_timestamp_seconds")
    world.write(**keys)
    status, text = world.post()
    assert status == "400"
    assert text.startswith("not reloaded: ")
    assert said in text
    assert until(lambda: world.metric("knockfirst_config_last_reload_successful") == "0.0")
    assert world.metric("knockfirst_config_last_reload_success_timestamp_seconds") == was
    assert (pids(world.daemon), world.daemon.metrics_url) == (before, url)
    assert world.daemon.status()["ready"]


def test_capture_alone_is_restarted_for_its_keys(world: World) -> None:
    before = pids(world.daemon)
    capture(world.directory / "b.pcap", "192.0.2.26")
    world.write(capture_files=["b.pcap"])
    assert world.post() == ("200", "reloaded\n")
    assert until(lambda: len(world.daemon.assessments()) == 2)
    assert same(before, pids(world.daemon)) == {"agent", "exporter"}
    assert world.daemon.wait_finished(60)


# Where the exporter moves to, and an address there at which nobody but the listener that is new is asked.
MOVES = [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.2"), ("[::1]", "[::1]")]


@pytest.mark.parametrize(("host", "asked"), MOVES)
def test_the_exporter_moves_and_is_there_all_the_time(world: World, host: str, asked: str, kept: socket.socket) -> None:
    before = pids(world.daemon)
    port = int(world.daemon.metrics_url.rpartition(":")[2].partition("/")[0])
    if host == "127.0.0.1":
        # Another port; the others are the same one, which our own listener still has.
        port = kept.getsockname()[1]
    world.write(exporter_listen=f"{host}:{port}")
    assert world.post() == ("200", "reloaded\n")
    assert get(f"http://{asked}:{port}", "/-/healthy")[0] == "200"
    assert until(lambda: "exporter" not in same(before, pids(world.daemon)) and len(pids(world.daemon)) == 3)
    assert get(world.daemon.metrics_url.replace("0.0.0.0", "127.0.0.1"), "/-/healthy")[0] == "200"
    assert same(before, pids(world.daemon)) == {"agent", "capture"}


def test_the_agent_is_restarted_and_the_control_socket_moves(world: World) -> None:
    before = pids(world.daemon)
    world.write(agent_control="other", agent_max_servers=9, capture_workers=2)
    link = ipc.connect(world.daemon.control_path, frozenset({Type.RELOADED}), 60.0)
    link.send(Type.RELOAD, {})
    assert link.receive() == (Type.RELOADED, {"error": None, "restarted": ["agent"]})
    link.close()
    # The exporter goes on; capture has files, which it reads again for the new agent.
    assert until(lambda: same(before, pids(world.daemon)) == {"exporter"})
    assert world.daemon.control_path == str(world.directory / "other")
    assert world.daemon.wait_finished(60)
    assert not (world.directory / "control").exists()
    assert [child.role.name for child in world.daemon._children].count("capture") == 2
    assert until(lambda: world.metric('knockfirst_ipc_connections_total{door="capture"}') == "2.0")
    assert world.metric("knockfirst_inventory_servers_limit") == "9.0"
    world.write(capture_workers=1)
    assert world.post() == ("200", "reloaded\n")
    assert until(lambda: [child.role.name for child in world.daemon._children].count("capture") == 1)
    assert world.daemon.wait_finished(60)


def test_an_agent_that_was_killed_knows_how_the_last_reload_went(world: World) -> None:
    world.write(log_level="loud")
    assert world.post()[0] == "400"
    before = pids(world.daemon)["agent"]
    os.kill(before, signal.SIGKILL)
    assert until(lambda: pids(world.daemon).get("agent", before) != before)
    assert world.daemon.wait_finished(60)  # what is shown is of the next agent, then
    assert world.metric("knockfirst_config_last_reload_successful") == "0.0"


def test_a_changed_prefix_file_is_told_without_a_reload(world: World) -> None:
    (world.directory / "next").write_text("192.0.2.0/25\n")
    (world.directory / "next").replace(world.directory / "customers")  # whole, whenever it is looked at
    assert until(lambda: world.metric("knockfirst_section ") == "2.0")
    (world.directory / "customers").unlink()
    assert until(lambda: world.metric("knockfirst_prefix_files_failing") == "1.0")
    assert world.metric("knockfirst_section ") == "2.0"
    assert world.daemon.status()["ready"]


def test_sighup_reloads_and_keeps_what_the_command_line_said(tmp_path: Path) -> None:
    path = tmp_path / "k.toml"
    path.write_text(f"[exporter]\nlisten = '127.0.0.1:0'\n[agent]\ncontrol = '{tmp_path}/control'\n")
    log = tmp_path / "log"
    with log.open("w") as says, running("--config", path, capture(tmp_path / "a.pcap"), says=says) as process:
        assert until((tmp_path / "control").exists)
        for level, outcome in (("loud", "configuration not reloaded"), ("debug", "configuration reloaded")):
            path.write_text(path.read_text().partition("[log]")[0] + f"[log]\nlevel = '{level}'\n")
            process.send_signal(signal.SIGHUP)
            assert until(lambda outcome=outcome: outcome in log.read_text()), outcome
        assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 0
    lines = [line for line in log.read_text().splitlines() if "role=supervisor" in line]
    assert any("configuration not reloaded" in line and "log.level: 'loud'" in line for line in lines)
    assert any('msg="configuration reloaded" changed=log.level restarted=""' in line for line in lines)


def test_everybody_who_asks_meanwhile_gets_the_answer() -> None:
    told: list[tuple[Any, Type]] = []

    class Doors:
        def tell(self, connection: Any, frames: Any) -> None:
            reader = ipc.Reader(frozenset({Type.RELOAD, Type.RELOADED}))
            told.extend((connection, kind) for frame in frames for kind, _ in reader.feed(frame))

    reloads = Reloads(Doors())  # type: ignore[arg-type]
    a: Any = "a"
    reloads.asked(a)
    assert told == [("a", Type.RELOADED)]
    told.clear()
    reloads.supervisor = s = "s"  # type: ignore[assignment]
    for name in ("a", "b", "c"):
        one: Any = name
        reloads.asked(one)
    reloads.closed(a)
    assert told == [(s, Type.RELOAD)]
    reloads.done({"error": None, "restarted": []})
    assert told[1:] == [("b", Type.RELOADED), ("c", Type.RELOADED)]


def test_a_change_is_named_with_what_it_needs(tmp_path: Path) -> None:
    before = World(tmp_path).daemon._config
    after = before.model_copy(update={"capture": before.capture.model_copy(update={"workers": 2, "ports": (25,)})})
    assert changes(before, after) == {"capture.ports": "nothing", "capture.workers": "agent"}
    assert changes(before, before) == {}
