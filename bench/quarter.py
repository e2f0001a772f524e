"""Ten thousand cases in a quarter by a real relay, with everything that may happen: was anybody told who must not be?

    python -m bench.quarter                          # as root; needs postfix and dovecot
    python -m bench.quarter --cases 1000 --seed 7
    python -m bench.quarter agent                    # 10,000 open cases: what they take, and what a look at them does
    python -m bench.quarter notifier                 # 10,000 mails by one process: what it takes

The story, the relay and what is held against what are those of tests/live/quarter. Exit code 1 where anything is not as
it must be. TMPDIR says where all of it is written.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from agent.cases.book import Book
from agent.lab.relay import Scripted
from tests.agent import leaving
from tests.agent.telling_world import World, agreed, world
from tests.exporters.notices.test_notifier_service import Role, told
from tests.live.quarter.ledger import Ledger
from tests.live.quarter.play import DAYS, Play
from tests.live.quarter.relay import TAKEN
from tests.live.quarter.truth import BEGINS


def _mib(pid: int | str = "self") -> float:
    """The resident set of a process."""
    found = re.search(r"VmRSS:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


class Told(Play):
    """Says how far it is, every ten days."""

    _next = 0.0

    def passed(self) -> None:
        if (days := (self.clock.wall - BEGINS) / 86_400) >= self._next:
            self._next = days + 10
            mails = sum(heard.stage == TAKEN for heard in self.relay.heard)
            print(f"day {days:.0f}: {mails} mails, {dict(self.kills)} killed, {_mib():.0f} MiB", file=sys.stderr)


def quarter(directory: Path, cases: int, seed: int, kills: int) -> int:
    """The whole story; how many faults there are."""
    began = time.monotonic()
    play = Told(directory, cases, seed, kills, hours=(5.0, 13.0))
    with play.relay:
        try:
            play.run()
            play.over()
            took = time.monotonic() - began
            ledger = Ledger(play)
            faults = ledger.read()
        finally:
            play.close()
    for fault in faults[:40]:
        print(f"FAULT {fault[:600]}")
    mails = ledger.counts["mails"]
    said = {
        "seed": seed, "cases": sum(many for name, many in ledger.counts.items() if name.startswith("state: ")),
        "days": DAYS, "seconds": round(took), "mails/s": round(mails / took, 1), "cases/s": round(cases / took, 1),
        "agent's longest round": round(play.agent.longest, 2), "last opening": round(play.agent.opening, 2),
        "log": play.entries, "faults": len(faults),
    }  # fmt: skip
    for title, rows in (
        ("", said), ("what there was", ledger.counts), ("what happened", play.happened), ("killed", play.kills),
        ("seconds", {name: round(many) for name, many in play.seconds.items()}),
    ):  # fmt: skip
        print(title)
        for name, value in rows.items():
            print(f"  {name:36} {value}")
    return len(faults)


def agent(directory: Path, cases: int) -> None:
    """That many open cases: memory, opening, and looks by a clock that is the machine's own."""
    now, started = leaving.START, _mib()
    items = [item for n in range(1, cases + 1) for item in agreed(f"c-{n}", f"2001:db8:{n:x}::/48", now)]
    with world(directory, *items) as made:
        registered = _mib()
        for n in range(1, cases + 1):
            made.sees(address=f"2001:db8:{n:x}::1")
        seen = _mib()
        made.goes()
        began = time.process_time()
        made.passes(61, 61)
        print(f"opened {len(made.office.book.cases)} cases in {time.process_time() - began:.1f} s of CPU")
        print(f"MiB: {started:.0f}, with register {registered:.0f}, with servers {seen:.0f}, with cases {_mib():.0f}")
        _looks(made, "opened in one life")
        gc.freeze()  # as the agent does once it has loaded what there is
        _looks(made, "loaded")
        state = made.office.directory
        made.office.book.close()
        made.office._book = None
        began, clock = time.process_time(), time.monotonic()
        book = Book(state)
        book.open()
        print(f"findings opened in {time.monotonic() - clock:.1f} s, {time.process_time() - began:.1f} s of CPU")
        book.close()


def _looks(made: World, how: str) -> None:
    """A round at the agent's own pace, a tick after the other."""
    made.telling._monotonic = time.monotonic
    made.telling._due = made.telling._round_due = 0.0
    ticks: list[tuple[float, float]] = []
    while not ticks or made.telling._queue:
        made.telling._due = 0.0
        clock, began = time.monotonic(), time.process_time()
        made.telling.tend()
        ticks.append((time.monotonic() - clock, time.process_time() - began))
    longest, busiest = max(clock for clock, _ in ticks), max(cpu for _, cpu in ticks)
    spent = sum(cpu for _, cpu in ticks)
    each = spent / len(made.office.book.cases)
    print(f"{how}: a round in {len(ticks)} ticks, {spent:.2f} s of CPU, {each * 1e6:.0f} us a case")
    usual = median(clock for clock, _ in ticks)
    print(f"a tick: median {usual * 1e3:.0f} ms, longest {longest * 1e3:.0f} ms, {busiest * 1e3:.0f} ms of CPU")


def notifier(mails: int) -> None:
    """That many mails by one process, to a relay that takes everything."""
    with Scripted() as relay:
        role = Role(told(relay.port))
        began = time.monotonic()
        for number in range(mails):
            role.due(message_id=f"<abc.{number}@isp.example>")
            role.go()
            relay.mails.clear()
            relay.said.clear()
            if number in (0, 100, 1000, mails - 1):
                print(f"after {number + 1} mails: {_mib(role.process.pid):.1f} MiB")
        print(f"{mails / (time.monotonic() - began):.0f} mails/s, one at a time")
        role.process.kill()
        role.process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=("quarter", "agent", "notifier"), default="quarter")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=20_261_125)
    parser.add_argument("--kills", type=int, default=60)
    given = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    with tempfile.TemporaryDirectory(prefix="knockfirst-quarter-") as directory:
        if given.what == "agent":
            agent(Path(directory), given.cases)
        elif given.what == "notifier":
            notifier(given.cases)
        else:
            return min(1, quarter(Path(directory), given.cases, given.seed, given.kills))
    return 0


if __name__ == "__main__":
    sys.exit(main())
