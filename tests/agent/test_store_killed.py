"""kill -9 at random points: what was reported as committed is there, what was deleted is gone, the file is whole."""

from __future__ import annotations

import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from agent.model import Endpoint, Observation
from agent.schema import DATABASE
from agent.store import Store

KILLS = 30
MOST = 3000  # observations in the store
ROOT = Path(__file__).resolve().parents[2]


def loaded(store: Store) -> list[Observation]:
    return [o for page in store.load(0.0) for o in page]


def write(directory: str, seed: int) -> None:
    """Write facts numbered upwards until killed, and say what is done: `first` and `last` as of which all are there.

    A line of three numbers: facts below `first` may be gone, those up to `last` are committed, those below `gone` are
    deleted. It is written before something is deleted and after something was done.
    """
    chance = random.Random(seed)
    store = Store(Path(directory), MOST, 1000)
    store.open()
    last = max((int(o.value) for o in loaded(store)), default=0)
    first = gone = 0

    def say() -> None:
        os.write(1, b"%d %d %d\n" % (first, last, gone))

    while True:
        taken = last + chance.randrange(1, 400)
        for number in range(last + 1, taken + 1):
            server = Endpoint(f"192.0.2.{number % 250}", 25)
            fact = Observation(server, "tls.sni", str(number), number, "passive", "tls")
            store.waiting.take(fact, float(number))
        first = max(first, taken - MOST + 1)
        say()
        store.commit()
        while store.behind:
            store.commit()
        last, gone = taken, max(gone, taken - MOST)
        say()
        if chance.random() < 0.3:
            before = chance.randrange(max(1, last - MOST), last + 1)
            first = max(first, before)
            say()
            while len(store.expire(float(before), 100)) == 100:
                pass
            store.succeeded("retention", float(before))
            gone = max(gone, before)
            say()


def killed(directory: Path, seed: int, lines: int, seconds: float) -> list[tuple[int, int, int]]:
    """What a writer said until so many seconds after so many lines; without lines, after its start."""
    writer = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import write; write({str(directory)!r}, {seed})"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(Path(__file__).parent)))},
    )  # fmt: skip
    assert writer.stdout
    begun = b""
    while begun.count(b"\n") < lines and select.select([writer.stdout], [], [], 60)[0]:
        more = os.read(writer.stdout.fileno(), 4096)
        if not more:
            break
        begun += more
    time.sleep(seconds)
    writer.kill()
    out, complaints = writer.communicate()
    out = begun + out
    assert out.count(b"\n") >= lines
    assert (writer.returncode, complaints) == (-signal.SIGKILL, b"")
    return [tuple(map(int, line.split())) for line in out.splitlines(keepends=True) if line.endswith(b"\n")]  # type: ignore[misc]


def test_a_kill_at_any_point_harms_nothing(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    told = 0
    first = last = gone = 0
    for turn in range(KILLS):
        lines = chance.randrange(2, 9) if turn % 4 else 0  # or while it starts
        said = killed(tmp_path, chance.randrange(1 << 32), lines, chance.uniform(0.0, 0.1 if lines else 0.6))
        told += len(said)
        if said:
            first, last, gone = max(first, said[-1][0]), max(last, said[-1][1]), max(gone, said[-1][2])
        if not (tmp_path / DATABASE).exists():
            continue
        store = Store(tmp_path, MOST, 1000)
        store.open()
        there = sorted(int(o.value) for o in loaded(store))
        store.close()
        where = f"seed {seed}, turn {turn}"
        missing = set(range(max(1, first), last + 1)).difference(there)
        assert not missing, where
        assert not [number for number in there if number < gone], where
        assert len(there) == len(set(there)) == store.observations, where
        with sqlite3.connect(tmp_path / DATABASE) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], where
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == [], where
            (empty,) = connection.execute(
                "SELECT count(*) FROM servers WHERE id NOT IN (SELECT server FROM observations)"
            ).fetchone()
            assert empty == 0, where
        last = max([last, *there])
    assert told > KILLS, "the writers were killed before they wrote"
