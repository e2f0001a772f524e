"""Prefix files as they change: taken when they are at rest, and never made worse by a fault."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from agent.config import check
from agent.prefixes import paths
from agent.privacy import cidrs
from agent.watch import Watched


class Files:
    """One file for each of two keys, and a watch over them with a clock of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = 0.0
        self.write("o", "192.0.2.1\n")
        self.write("e", "192.0.2.2\n")
        privacy = {"objected": str(directory / "o"), "excluded": str(directory / "e")}
        self.config = check({"privacy": privacy}, "k.toml")
        self.watched = Watched(paths(self.config), logging.getLogger("agent"))

    def write(self, name: str, text: str) -> None:
        # A time of its own for each state, as files have that are written by people and programs.
        self.now += 1.0
        (self.directory / name).write_text(text)
        os.utime(self.directory / name, (self.now, self.now))

    def look(self) -> bool:
        self.now += 0.25
        return self.watched.look(self.now)

    def objected(self) -> list[str]:
        objected = self.watched.get("privacy.objected") if self.watched.known else None
        return ["unknown"] if objected is None else cidrs(objected)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    assert made.objected() == ["unknown"]
    assert [made.look(), made.look(), made.look()] == [False, True, False]
    assert made.objected() == ["192.0.2.1/32"]
    return made


def test_a_change_is_taken_at_the_second_look_that_finds_it(files: Files) -> None:
    last = files.watched.since
    files.write("o", "192.0.2.0/30\n")
    assert [files.look(), files.look(), files.look()] == [False, True, False]
    assert files.objected() == ["192.0.2.0/30"]
    assert files.watched.since > last


def test_the_time_of_a_change_is_that_of_the_last_look_without_it(files: Files) -> None:
    last = files.watched.since
    files.write("o", "192.0.2.0/30\n")
    files.look()
    files.write("o", "192.0.2.0/29\n")
    assert [files.look(), files.watched.since] == [False, last]
    assert [files.look(), files.watched.since] == [True, files.now]


def test_a_file_that_is_being_written_is_left_until_it_rests(files: Files) -> None:
    for lines in range(1, 6):
        files.write("o", "198.51.100.0/24\n" * lines + "203.0.")
        assert not files.look()
    assert files.objected() == ["192.0.2.1/32"]
    files.write("o", "198.51.100.0/24\n203.0.113.0/24\n")
    assert [files.look(), files.look()] == [False, True]
    assert files.objected() == ["198.51.100.0/24", "203.0.113.0/24"]


def _gone(path: Path) -> None:
    path.unlink()


def _faulty(path: Path) -> None:
    path.write_text("192.0.2.\n")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [_gone, _faulty, _directory])
def test_a_fault_leaves_the_last_good_set_and_is_counted_once(
    files: Files, spoil: object, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(files.directory / "o")  # type: ignore[operator]
    assert not any(files.look() for _ in range(5))
    assert (files.objected(), files.watched.failing, files.watched.failures) == (["192.0.2.1/32"], 1, 1)
    assert "privacy.objected: " in caplog.records[-1].error  # type: ignore[attr-defined]
    path = files.directory / "o"
    path.rmdir() if path.is_dir() else None
    files.write("o", "203.0.113.9\n")
    assert [files.look(), files.look()] == [False, True]
    assert (files.objected(), files.watched.failing, files.watched.failures) == (["203.0.113.9/32"], 0, 1)


def test_a_file_that_never_was_good_leaves_everything_unknown(tmp_path: Path) -> None:
    files = Files(tmp_path)
    (tmp_path / "e").unlink()
    assert [files.look(), files.look()] == [False, True]
    assert files.objected() == ["unknown"]
    files.write("e", "")
    assert [files.look(), files.look()] == [False, True]
    assert (files.watched.known, files.watched.get("privacy.excluded")) == (True, [])


def test_another_configuration_keeps_what_it_can(files: Files, tmp_path: Path) -> None:
    moved = check({"privacy": {"objected": str(tmp_path / "none"), "excluded": str(tmp_path / "e")}}, "k.toml")
    files.watched = Watched(paths(moved), logging.getLogger("agent"), files.watched)
    assert files.objected() == ["192.0.2.1/32"]
    assert not any(files.look() for _ in range(3))
    assert (files.objected(), files.watched.failing) == (["192.0.2.1/32"], 1)
    files.write("none", "192.0.2.3\n")
    assert [files.look(), files.look(), files.objected()] == [False, True, ["192.0.2.3/32"]]
    files.watched = Watched(paths(check({}, "k.toml")), logging.getLogger("agent"), files.watched)
    assert (files.watched.get("privacy.objected"), files.watched.files, files.watched.failures) == ([], 0, 1)
