"""The store's file: versions, what is refused and how it is said, and who may have it open."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.schema import DATABASE, LOCK, STEPS, lock, opened

NEXT = ("ALTER TABLE servers ADD COLUMN note TEXT", "UPDATE servers SET note = 'as it was'")


def version(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def with_a_server(path: Path) -> None:
    connection = opened(path)
    connection.execute("INSERT INTO servers (address, first_seen, last_seen) VALUES ('192.0.2.1', 1, 2)")
    connection.close()


def test_a_new_file_is_ours_alone_and_of_the_present_version(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    old = os.umask(0)
    try:
        connection = opened(path)
    finally:
        os.umask(old)
    connection.execute("INSERT INTO jobs VALUES ('x', 1)")
    assert version(path) == len(STEPS)
    assert {name.name: name.stat().st_mode & 0o777 for name in tmp_path.iterdir()} == {
        DATABASE: 0o600, f"{DATABASE}-wal": 0o600, f"{DATABASE}-shm": 0o600,
    }  # fmt: skip
    connection.close()


def test_an_older_version_is_brought_up_with_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    with_a_server(path)
    connection = opened(path, (*STEPS, NEXT))
    assert connection.execute("SELECT address, note FROM servers").fetchall() == [("192.0.2.1", "as it was")]
    connection.close()
    assert version(path) == len(STEPS) + 1
    opened(path, (*STEPS, NEXT)).close()


def test_a_step_that_fails_leaves_the_older_version_whole(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    with_a_server(path)
    with pytest.raises(ConfigError, match=r"no such table: nowhere"):
        opened(path, (*STEPS, (*NEXT, "DELETE FROM nowhere")))
    assert version(path) == len(STEPS)
    connection = opened(path)
    assert [row[1] for row in connection.execute("PRAGMA table_info(servers)")] == [
        "id", "address", "first_seen", "last_seen",
    ]  # fmt: skip
    connection.close()


def another_programs(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")


def newer(path: Path) -> None:
    opened(path, (*STEPS, NEXT)).close()


def overwritten(path: Path) -> None:
    with_a_server(path)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)


REFUSED = [
    (newer, rf"version {len(STEPS) + 1}, and this program knows up to {len(STEPS)}; run the program that wrote it"),
    (another_programs, "another program's database; name a directory for the store alone"),
    (lambda path: path.write_bytes(b"not a database at all " * 99), "damaged .*move it .* away to begin anew"),
    (overwritten, "damaged .*move it .* away to begin anew"),
    (Path.mkdir, "Is a directory; the daemon's user must be able to write it"),
]


@pytest.mark.parametrize(("made", "said"), REFUSED)
def test_what_is_refused_names_the_file_and_is_left_as_it_was(tmp_path: Path, made: object, said: str) -> None:
    path = tmp_path / DATABASE
    made(path)  # type: ignore[operator]
    before = path.is_dir() or path.read_bytes()
    with pytest.raises(ConfigError, match=said) as caught:
        opened(path)
    assert str(caught.value).startswith(f"agent.state: {path}: ")
    assert (path.is_dir() or path.read_bytes()) == before


@pytest.mark.parametrize("reads", [lambda _: None, lambda _: 1 / 0], ids=["well", "not at all"])
def test_a_damaged_file_is_refused_whatever_comes_of_reading_it_meanwhile(tmp_path: Path, reads: object) -> None:
    path = tmp_path / DATABASE
    overwritten(path)
    with pytest.raises(ConfigError, match="damaged"):
        opened(path, read=reads)  # type: ignore[arg-type]


def test_what_is_read_meanwhile_is_read_once_and_in_the_present_version(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    with_a_server(path)
    found: list[tuple[str, str]] = []
    opened(path, (*STEPS, NEXT), lambda db: found.extend(db.execute("SELECT address, note FROM servers"))).close()
    assert found == [("192.0.2.1", "as it was")]
    with pytest.raises(ConfigError, match=r"no such table: nowhere"):
        opened(path, (*STEPS, NEXT), lambda db: found.extend(db.execute("SELECT * FROM nowhere")))


def test_a_directory_is_made_for_us_alone_and_had_by_one(tmp_path: Path) -> None:
    directory = tmp_path / "var" / "state"
    held = lock(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConfigError, match=rf"agent\.state: {directory}: another agent has this store open"):
        lock(directory)
    os.close(held)
    os.close(lock(directory))


def test_a_directory_that_others_may_enter(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    directory.chmod(0o755)
    os.close(lock(directory))
    assert directory.stat().st_mode & 0o777 == 0o700
    (directory / "letters").write_text("mine")
    directory.chmod(0o750)
    with pytest.raises(ConfigError, match=r"holds more than the store \('letters'\); .*chmod 0700"):
        lock(directory)
    assert directory.stat().st_mode & 0o777 == 0o750
    assert {path.name for path in directory.iterdir()} == {"letters", LOCK}


def test_a_directory_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="name a directory that the daemon's user may write to"):
        lock(tmp_path / "file" / "state")
    (tmp_path / "sealed").mkdir(mode=0o500)
    # Root may write everywhere, and so a child of root's is somebody else.
    child = os.fork()
    if not child:
        if os.getuid() == 0:
            os.setresuid(65_534, 65_534, 65_534)
        try:
            lock(tmp_path / "sealed")
        except ConfigError as error:
            os._exit(
                0 if "Permission denied; name a directory that the daemon's user may write to" in str(error) else 2
            )
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
