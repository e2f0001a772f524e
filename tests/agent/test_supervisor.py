"""The daemon with real processes: from capture files to metrics, over deaths of its roles, to a clean end."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc
from agent import run as command
from agent.cast import cast
from agent.config import Config, check
from agent.errors import ConfigError, InputError
from agent.run import configured
from agent.sockets import door, listen
from agent.supervisor import Daemon
from tests.asking import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("ahead")

ROOT = Path(__file__).resolve().parents[2]
BANNER = b"220 ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100\r\n"


def capture(path: Path, server: str = "192.0.2.25") -> Path:
    """A classic pcap of one server's SMTP greeting: Ethernet, IPv4, TCP, no checksums."""
    addresses = socket.inet_aton(server) + socket.inet_aton("198.51.100.9")

    def frame(flags: int, sequence: int, payload: bytes) -> bytes:
        tcp = struct.pack(">HHIIBBHHH", 25, 40_000, sequence, 1, 0x50, flags, 8192, 0, 0) + payload
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 128, 6, 0) + addresses
        return bytes(12) + b"\x08\x00" + ip + tcp

    frames = (frame(0x12, 999, b""), frame(0x18, 1000, BANNER), frame(0x11, 1000 + len(BANNER), b""))
    records = b"".join(struct.pack("<IIII", 1_793_620_800 + n, 0, len(f), len(f)) + f for n, f in enumerate(frames))
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1) + records)
    return path


def config(*files: Path, capture_: dict[str, Any] | None = None, **sections: Any) -> Config:
    base = {"capture": {"files": [str(f) for f in files]} | (capture_ or {}), "exporter": {"listen": "127.0.0.1:0"}}
    return check(base | sections, "test")


def get(url: str, page: str, method: str = "GET") -> tuple[str, str]:
    host, port = url.removeprefix("http://").removesuffix("/metrics").rsplit(":", 1)
    with socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET) as client:
        client.settimeout(60)
        client.connect((host.strip("[]"), int(port)))
        client.sendall(f"{method} {page} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while more := client.recv(65_536):
            answer += more
    head, _, body = answer.decode().partition("\r\n\r\n")
    return head.split()[1], body


def pids(daemon: Daemon) -> dict[str, int]:
    """Of each role that runs; of several processes of one, the last that was begun."""
    return dict(processes(daemon))


def processes(daemon: Daemon) -> list[tuple[str, int]]:
    """The role and the number of each process. A thread looks after them, and each may be gone at any time."""
    there = [(child.role.name, child.process) for child in daemon._children]
    return [(name, process.pid) for name, process in there if process]


def gone(pid: int) -> bool:
    """Whether the process has ended (a zombie counts: its parent is about to look)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_from_a_file_to_the_metrics_and_over_the_death_of_every_role(tmp_path: Path) -> None:
    with Daemon(config(capture(tmp_path / "a.pcap"))) as daemon:
        assert daemon.wait_finished(60)
        assert daemon.wait_ready(60)
        assert [a["address"] for a in daemon.assessments()] == ["192.0.2.25"]
        status, body = get(daemon.metrics_url, "/metrics")
        assert status == "200"
        assert 'product="exchange"' in body
        assert "192.0.2.25" not in body
        assert "example.org" not in body
        assert get(daemon.metrics_url, "/-/ready") == ("200", "ready\n")
        url = daemon.metrics_url
        for role in cast(daemon._config):
            before = pids(daemon)[role.name]
            os.kill(before, signal.SIGKILL)
            assert until(lambda role=role, before=before: pids(daemon).get(role.name, before) != before), role.name
            assert daemon.wait_finished(60), role.name
            assert daemon.metrics_url == url
            assert until(lambda: get(url, "/-/ready")[0] == "200"), role.name
            assert len(daemon.assessments()) == 1
        last, directory = pids(daemon), Path(daemon.control_path).parent
    assert all(gone(pid) for pid in last.values())
    assert not directory.exists()
    daemon.stop()


def test_the_exporter_outlives_the_agent_and_shows_what_it_has(tmp_path: Path) -> None:
    with Daemon(config(capture(tmp_path / "a.pcap"))) as daemon:
        assert daemon.wait_finished(60)
        before = pids(daemon)
        os.kill(before["agent"], signal.SIGKILL)
        assert 'product="exchange"' in get(daemon.metrics_url, "/metrics")[1]
        assert until(lambda: pids(daemon).get("agent", before["agent"]) != before["agent"])
        assert until(lambda: get(daemon.metrics_url, "/-/ready")[0] == "200")
        assert pids(daemon)["exporter"] == before["exporter"]


def test_every_worker_is_there_for_the_next_agent_and_the_files_are_read_again(tmp_path: Path) -> None:
    with Daemon(config(capture(tmp_path / "a.pcap"), capture_={"workers": 3})) as daemon:
        assert daemon.wait_finished(60)
        before = {pid for _, pid in processes(daemon)}
        os.kill(pids(daemon)["agent"], signal.SIGKILL)

        def workers() -> set[int]:
            return {pid for name, pid in processes(daemon) if name == "capture"} - before

        assert until(lambda: len(workers()) == 3)
        assert daemon.wait_finished(60)
        assert [a["address"] for a in daemon.assessments()] == ["192.0.2.25"]


def test_an_unreadable_file_keeps_it_from_being_ready_and_the_others_are_read(tmp_path: Path) -> None:
    with Daemon(config(tmp_path / "none.pcap", capture(tmp_path / "a.pcap"))) as daemon:
        assert daemon.wait_finished(60)
        assert not daemon.wait_ready(0.3)
        assert len(daemon.assessments()) == 1
        assert get(daemon.metrics_url, "/-/ready") == ("503", "not ready: inputs_unreadable\n")
        assert 'knockfirst_inputs{state="unreadable"} 1.0' in get(daemon.metrics_url, "/metrics")[1]


@contextmanager
def running(*words: str | Path, says: Any = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """``says``: a file for its log, for a test that waits for what is in it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "run", *map(str, words)], cwd=ROOT, stderr=says, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "k.toml"
    path.write_text(f"[exporter]\nlisten = '127.0.0.1:0'\n[agent]\ncontrol = '{tmp_path}/control'\n")
    return path


def test_once_ends_with_0_and_says_nothing_on_stdout(tmp_path: Path, settings: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "agent", "run", "--config", settings, "--once", capture(tmp_path / "a.pcap")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stdout) == (0, "")
    assert all(line.startswith("ts=") for line in said.stderr.splitlines())
    assert 'msg="everything read" servers=1 unreadable=0' in said.stderr
    assert "192.0.2.25" not in said.stderr
    assert not (tmp_path / "control").exists()


def test_once_with_an_unreadable_file_ends_with_2(tmp_path: Path, settings: Path) -> None:
    with running("--config", settings, "--once", tmp_path / "none.pcap") as process:
        assert process.wait(60) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, settings: Path, number: signal.Signals) -> None:
    with running("--config", settings, capture(tmp_path / "a.pcap")) as process:
        assert until((tmp_path / "control").exists)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "Traceback" not in said
        assert not (tmp_path / "control").exists()


def test_no_role_outlives_a_killed_supervisor(tmp_path: Path, settings: Path) -> None:
    with running("--config", settings, capture(tmp_path / "a.pcap")) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        assert until(lambda: len(children.read_text().split()) == len(cast(Config())))
        roles = list(map(int, children.read_text().split()))
        process.kill()
        assert until(lambda: all(map(gone, roles)))


def test_a_role_that_cannot_live_ends_a_run_that_is_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif any('exporters' in word for word in sys.orig_argv): raise SystemExit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Daemon(config(capture(tmp_path / "a.pcap")), patience=2) as daemon:
        assert not daemon.wait_finished(60)
        assert daemon.failed.is_set()


@pytest.mark.parametrize(("code", "ends_with"), [(78, 78), (3, 70)])
def test_a_store_that_cannot_be_used_is_the_operators_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, ends_with: int
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, sys\nif any('agent.serving' in word for word in sys.orig_argv): os._exit({code})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Daemon(config(capture(tmp_path / "a.pcap")), patience=2) as daemon:
        daemon.wait_end()
        assert daemon.exit_code == ends_with


def test_what_the_operator_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name capture files"):
        configured(None, [])
    empty = tmp_path / "k.toml"
    empty.write_text("[capture]\nfiles = []\n")
    with pytest.raises(InputError, match=r"k\.toml: capture\.files and capture\.interfaces: empty"):
        configured(str(empty), [])
    assert configured(str(empty), ["a.pcap"]).capture.files == (str(Path("a.pcap").absolute()),)
    with listen("127.0.0.1:0", "exporter.listen") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"exporter\.listen: 127\.0\.0\.1:{port}: Address already in use"):
            listen(f"127.0.0.1:{port}", "exporter.listen")
    with pytest.raises(ConfigError, match=r"exporter\.listen: 203\.0\.113\.1:1: .*; name an address of this host"):
        listen("203.0.113.1:1", "exporter.listen")


def test_a_control_path_that_cannot_be_had(tmp_path: Path) -> None:
    path = str(tmp_path / "control")
    first = door(path)
    assert Path(path).stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="another daemon answers there"):
        door(path)
    first.close()
    door(path).close()  # What a killed daemon left behind is taken away.
    (tmp_path / "file").write_text("mine")
    for wrong in (tmp_path / "file", tmp_path / "no" / "where", tmp_path / ("x" * 120)):
        with pytest.raises(ConfigError, match=r"agent\.control: "):
            door(str(wrong))
    assert (tmp_path / "file").read_text() == "mine"


def test_the_control_socket_says_nothing_to_a_stranger(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a stranger")
    with Daemon(config(capture(tmp_path / "a.pcap"))) as daemon:
        assert daemon.wait_finished(60)
        child = os.fork()
        if child == 0:
            try:
                os.setuid(65_534)
                ipc.connect(daemon.control_path, frozenset(), 5.0)
            except PermissionError:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_no_role_but_capture_has_any_right_and_that_one_has_one(tmp_path: Path) -> None:
    if os.getuid() != 0:
        assert os.environ.get("CI") != "true", "CI must run as root: rights can only be given up by who has them"
        pytest.skip("only root has rights to give up")
    with Daemon(config(capture(tmp_path / "a.pcap"))) as daemon:
        assert daemon.wait_finished(60)
        for name, pid in pids(daemon).items():
            status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            held = {status[kind] for kind in ("CapPrm", "CapEff", "CapBnd")}
            assert held == {f"{1 << 13 if name == 'capture' else 0:016x}"}, name
            assert {status["CapInh"], status["CapAmb"]} == {"0" * 16}, name
            assert status["NoNewPrivs"] == "1", name


def test_roles_killed_at_random_come_back(tmp_path: Path) -> None:
    chosen = random.Random(7)
    with Daemon(config(capture(tmp_path / "a.pcap"))) as daemon:
        assert daemon.wait_ready(60)
        for _ in range(12):
            name, pid = chosen.choice(sorted(pids(daemon).items()))
            os.kill(pid, signal.SIGKILL)
            assert until(lambda pid=pid: pid not in pids(daemon).values()), name
            assert until(lambda: len(pids(daemon)) == 3 and daemon.wait_ready(0.2)), name
        assert not daemon.failed.is_set()
        assert daemon.wait_finished(60)
        assert len(daemon.assessments()) == 1


def test_capture_without_its_right_is_said_and_not_tried_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif any('collectors' in word for word in sys.orig_argv):\n"
        f"    print('x', end='', file=open({str(started)!r}, 'a'), flush=True)\n    os._exit(77)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Daemon(config(capture(tmp_path / "a.pcap"))) as daemon:
        wanted = ("503", "not ready: capture_not_permitted\n")
        assert until(lambda: get(daemon.metrics_url, "/-/ready") == wanted)
        time.sleep(0.5)
        assert started.read_text() == "x"
        assert not daemon.failed.is_set()


def test_what_a_killed_daemon_left_behind_is_taken_away(
    tmp_path: Path, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "runtime"))
    (tmp_path / "runtime" / "knockfirst-not-ours").mkdir(parents=True)
    with running("--config", settings, capture(tmp_path / "a.pcap")) as process:
        assert until((tmp_path / "control").exists)
        process.kill()
    assert len(list((tmp_path / "runtime").iterdir())) == 2
    second = tmp_path / "second.toml"
    second.write_text("[exporter]\nlisten = '127.0.0.1:0'\n")
    with (
        running("--config", settings, tmp_path / "a.pcap") as process,
        running("--config", second, tmp_path / "a.pcap") as other,
    ):
        assert until(lambda: len(list((tmp_path / "runtime").iterdir())) == 3)
        for one in (process, other):
            one.terminate()
            one.wait(60)
    assert [path.name for path in (tmp_path / "runtime").iterdir()] == ["knockfirst-not-ours"]


COMMANDS = [
    (["--interface", "eth0"], "command line: capture.prefixes: empty, and privacy.customers too"),
    (["--interface", "eth 0", "--prefix", "192.0.2.0/24"], "command line: capture.interfaces[0]: 'eth 0' is not"),
    (["--interface", "e", "--prefix", "192.0.2.1/24"], "command line: capture.prefixes[0]: '192.0.2.1/24' has bits"),
    (["--interface", "e", "--prefix", "192.0.2.0/24", "--once"], "--once ends when every file has been read, and an"),
    ([], "nothing to look at; name capture files or interfaces"),
]


@pytest.mark.parametrize(("words", "said"), COMMANDS)
def test_a_command_line_that_cannot_be_used(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        command.main(words)
    assert str(caught.value).startswith(said)


def test_the_command_line_takes_the_place_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "k.toml"
    path.write_text("[capture]\nfiles = ['/f']\ninterfaces = ['a']\nprefixes = ['192.0.2.0/24']\nports = [25]\n")
    for files, interfaces, prefixes, wanted in (
        ([], [], [], (("/f",), ("a",), ("192.0.2.0/24",))),
        (["/g"], [], [], (("/g",), (), ("192.0.2.0/24",))),
        ([], ["b", "c"], ["::/0"], ((), ("b", "c"), ("::/0",))),
        (["/g"], ["b"], [], (("/g",), ("b",), ("192.0.2.0/24",))),
    ):
        capture_ = configured(str(path), files, interfaces, prefixes).capture
        assert (capture_.files, capture_.interfaces, capture_.prefixes) == wanted
        assert capture_.ports == (25,)


def test_run_once_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The real ones would replace the handlers of this process.
    monkeypatch.setattr(command, "begin", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    (tmp_path / "k.toml").write_text("[exporter]\nlisten = '127.0.0.1:0'\n")
    words = ["--config", str(tmp_path / "k.toml"), "--once"]
    assert command.main([*words, str(capture(tmp_path / "a.pcap"))]) == 0
    assert command.main([*words, str(tmp_path / "none.pcap")]) == 2


def test_a_run_that_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catchers: list[Any] = []
    monkeypatch.setattr(signal, "signal", lambda _, catcher: catchers.append(catcher) or catcher(15, None))
    wanted = config(capture(tmp_path / "a.pcap"))
    assert command.run(wanted, once=False) == 0
    assert command.run(wanted, once=True) == command.INTERRUPTED
    assert len(catchers) == 8
