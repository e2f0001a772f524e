"""Checkpoints reach their sinks when they are due, what does not is counted, and nobody ever waits."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from agent.audit import sinks as sinks_
from agent.audit.checkpoint import found, read
from agent.audit.entry import Item
from agent.audit.log import Log
from agent.audit.sinks import ENTRIES, EVERY, RETRY, Sinks
from tests.agent.audit.logs import opened, small_disk

pytestmark = pytest.mark.usefixtures("ahead")

STARTED = Item("log.started")


def settled(sinks: Sinks, now: float, wanted: float | None, failures: int = 0) -> None:
    """Wait until the thread of a file has said so."""
    end = time.monotonic() + 60
    while (sinks.age(now), sinks.failures) != (wanted, failures):
        assert time.monotonic() < end, (sinks.age(now), sinks.failures)
        time.sleep(0.005)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end waits for the last checkpoint as long as the disk takes."""
    monkeypatch.setattr(sinks_, "_LAST", 60.0)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    (tmp_path / "state").mkdir()
    return opened(tmp_path / "state", STARTED)


def sizes(path: Path, log: Log) -> list[int]:
    return [read(note, [log.vkey]).size for note in found(path.read_text())]


@pytest.mark.usefixtures("patient")
def test_a_checkpoint_is_sent_at_the_start_after_a_minute_after_64_entries_and_at_the_end(
    tmp_path: Path, log: Log
) -> None:
    path = tmp_path / "checkpoints"
    sinks = Sinks(str(path), "")
    assert sinks.age(0.0) is None and not path.exists()
    sinks.tend(log, 0.0)
    settled(sinks, 0.0, 0.0)
    log.append([STARTED])
    sinks.tend(log, EVERY - 0.1)
    settled(sinks, EVERY - 0.1, EVERY - 0.1)
    sinks.tend(log, EVERY)
    settled(sinks, EVERY, 0.0)
    log.append([STARTED] * (ENTRIES - 1))
    sinks.tend(log, EVERY + 1)
    assert sizes(path, log) == [1, 2]
    log.append([STARTED])
    sinks.tend(log, EVERY + 2)
    settled(sinks, EVERY + 2, 0.0)
    log.append([STARTED])
    sinks.tend(log, EVERY + 3, last=True)
    assert sizes(path, log) == [1, 2, 66, 67]
    assert sinks.failures == 0


def test_where_nothing_was_added_nothing_is_written_while_it_is_still_there(tmp_path: Path, log: Log) -> None:
    path = tmp_path / "checkpoints"
    sinks = Sinks(str(path), "")
    for turn in range(3):
        sinks.tend(log, turn * EVERY)
        settled(sinks, turn * EVERY, 0.0)
    assert sizes(path, log) == [1]
    path.unlink()
    sinks.tend(log, 4 * EVERY)
    settled(sinks, 4 * EVERY, 0.0)
    assert sizes(path, log) == [1]
    sinks.tend(log, 5 * EVERY, last=True)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_syslog(tmp_path: Path, log: Log, kind: socket.SocketKind) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(str(path))
        server.settimeout(60)
        if kind is socket.SOCK_STREAM:
            server.listen()
        sinks = Sinks("", str(path))
        sinks.tend(log, 7.0)
        assert sinks.age(10.0) == 3.0
        taken = server if kind is socket.SOCK_DGRAM else server.accept()[0]
        message = taken.recv(4096)
        assert message.startswith(b"<29>knockfirst[%d]: audit checkpoint: isp.example/edge1 1 " % os.getpid())
        assert message.endswith(b"\0") == (kind is socket.SOCK_STREAM)
        assert found(message.rstrip(b"\0").decode()) == [log.checkpoint()]
        taken.close()


def test_a_syslog_that_takes_nothing_is_not_waited_for(tmp_path: Path, log: Log) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        sinks = Sinks("", str(path))
        start = time.monotonic()
        now = 0.0
        while not sinks.failures:
            sinks.tend(log, now)
            now += EVERY
            assert now < 10_000 * EVERY
        assert time.monotonic() - start < 60
        last = now - 2 * EVERY
        assert sinks.age(now) == now - last
        while sinks.failures < 3:
            sinks.tend(log, now)
            now += RETRY
        server.recv(4096)
        sinks.tend(log, now)
        assert sinks.age(now) == 0.0


GONE = ["{}/nowhere/file", "{}", "/dev/full"]


@pytest.mark.parametrize("path", GONE)
def test_a_file_that_cannot_be_written_is_counted_and_tried_again(tmp_path: Path, log: Log, path: str) -> None:
    sinks = Sinks(path.format(tmp_path), "")
    sinks.tend(log, 0.0)
    settled(sinks, 0.0, None, 1)
    sinks.tend(log, RETRY - 1)
    settled(sinks, RETRY - 1, None, 1)
    sinks.tend(log, RETRY)
    settled(sinks, RETRY, None, 2)


@pytest.mark.usefixtures("patient")
def test_one_sink_is_enough_and_the_other_is_counted(tmp_path: Path, log: Log) -> None:
    sinks = Sinks(str(tmp_path / "checkpoints"), str(tmp_path / "nobody"))
    sinks.tend(log, 5.0)
    settled(sinks, 5.0, 0.0, 1)
    sinks.tend(log, 6.0, last=True)
    assert sinks.age(6.0) == 0.0


def test_a_file_that_hangs_is_late_once_and_nobody_waits(tmp_path: Path, log: Log) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opening one to write waits for a reader
    sinks = Sinks(str(pipe), "")
    start = time.monotonic()
    for now in range(120):
        sinks.tend(log, float(now))
        log.append([STARTED])
    assert sinks.age(120.0) is None and sinks.failures == 1
    sinks.tend(log, 121.0, last=True)
    assert time.monotonic() - start < 60
    os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))  # lets the thread go


def test_a_disk_that_is_full_keeps_whole_checkpoints_alone(tmp_path: Path, log: Log) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, "64k"):
        path = disk / "checkpoints"
        sinks = Sinks(str(path), "")
        now = 0.0
        while not sinks.failures:
            log.append([STARTED])
            sinks.tend(log, now)
            end = time.monotonic() + 60
            while sinks.age(now) != 0.0 and not sinks.failures:
                assert time.monotonic() < end
                time.sleep(0.0005)
            now += EVERY
        kept = sizes(path, log)
        assert kept == list(range(2, 2 + len(kept))) and len(kept) > 100
        with path.open("r+") as file:
            file.truncate(path.stat().st_size // 2)
        sinks.tend(log, now)
        settled(sinks, now, 0.0, sinks.failures)
        assert sizes(path, log)[-1] == log.size
        sinks.tend(log, now, last=True)


def test_other_sinks_are_taken(tmp_path: Path, log: Log) -> None:
    sinks = Sinks("", "")
    sinks.tend(log, 0.0)
    assert sinks.age(0.0) is None
    path = tmp_path / "checkpoints"
    sinks.take(str(path), "")
    sinks.tend(log, 1.0)
    settled(sinks, 1.0, 0.0)
    sinks.take(str(path), "")
    assert sinks.age(2.0) == 1.0
    sinks.take("", "")
    assert sinks.age(2.0) is None
