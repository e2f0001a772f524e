"""kill -9 between any two writes: what was said to be on record is there, in its order, and nothing half."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from agent.cases.book import Book
from agent.cases.case import Event
from agent.schema import FINDINGS

KILLS = 10
ROOT = Path(__file__).resolve().parents[3]


def write(directory: str, seed: int) -> None:
    """Make steps until killed, say of each what is on record: `case number` once `put` has returned.

    `begun` is only written for what is there, as before GO; a deleted case is said before it is.
    """
    chance = random.Random(seed)
    book = Book(Path(directory))
    book.open()

    def say(what: str, ident: str, number: int) -> None:
        os.write(1, f"{what} {ident} {number}\n".encode())

    while True:
        if not book.cases or chance.random() < 0.2:
            body = {"customer": f"c-{chance.randrange(5)}", "address": "192.0.2.1", "severity": "high"}
            book.begin(Event(1.0, "opened", {**body, "build": "", "holes": [], "exploited": []}))
        case = chance.choice(list(book.cases.values()))
        number = len(case.steps)
        step = {"id": f"{number:08x}", "step": "tell", "channel": "mail", "role": "", "way": ""}
        book.put(case.id, Event(2.0, "step", {**step, "message_id": f"<{number}@isp.example>"}))
        say("step", case.id, number)
        book.put(case.id, Event(3.0, "begun", {"id": step["id"]}), Event(4.0, "sent", {"id": step["id"]}))
        say("sent", case.id, number)
        if chance.random() < 0.05:
            say("gone", case.id, 0)
            book.delete(case.id, 1e12)


def killed(directory: Path, seed: int, seconds: float) -> list[tuple[str, str, int]]:
    writer = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import write; write({str(directory)!r}, {seed})"],
        cwd=ROOT, bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE,  # communicate() loses what a buffer has
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(Path(__file__).parent)))},
    )  # fmt: skip
    assert writer.stdout is not None
    first = writer.stdout.readline() + writer.stdout.readline()  # it has begun, however busy the machine is
    time.sleep(seconds)
    writer.kill()
    out, complaints = writer.communicate()
    assert (writer.returncode, complaints) == (-signal.SIGKILL, b"")
    lines = [line.split() for line in (first + out).decode().splitlines(keepends=True) if line.endswith("\n")]
    return [(what, ident, int(number)) for what, ident, number in lines]


def test_a_kill_at_any_point_loses_nothing_that_was_said(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    said: list[tuple[str, str, int]] = []
    for turn in range(KILLS):
        said += killed(tmp_path, chance.randrange(1 << 32), chance.uniform(0.0, 0.1))
        if not (tmp_path / FINDINGS).exists():
            continue
        book = Book(tmp_path)
        book.open()
        gone = {ident for what, ident, _ in said if what == "gone"}
        for what, ident, number in said:
            if ident in gone:
                continue
            step = book.cases[ident].steps[number]
            assert step.message_id == f"<{number}@isp.example>", f"seed {seed}, turn {turn}"
            # `begun` and `sent` came in one piece: there is never the first alone.
            assert step.outcome == "sent" if what == "sent" else step.begun == (step.outcome == "sent")
        for ident in gone & set(book.cases):  # said before it was done
            assert book.cases[ident].steps
        book.close()
        with sqlite3.connect(tmp_path / FINDINGS) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert len(said) > KILLS, "the writers were killed before they wrote"
