"""The audit log at its size: what an entry costs, and how long a million of them take to be read, opened and verified.

    python -m bench.audit [--entries N] [--customers N] [--directory DIR]

Half of the entries are intents and half their outcomes, sealed for customers in turn. The directory is made if it is
not there; a log that is in it already is not made anew, but measured.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import TypeVar

from agent.audit.entry import Item
from agent.audit.log import Log
from agent.audit.proof import handed, joined, parts
from agent.audit.verify import verified

_BATCH = 1000
_SINGLE = 500
_T = TypeVar("_T")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with _place(options.directory) as directory:
        _measured(directory, options.entries, options.customers)
    return 0


@contextmanager
def _place(directory: Path | None) -> Iterator[Path]:
    if directory:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield directory
    else:
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)


def _measured(directory: Path, entries: int, customers: int) -> None:
    log = Log(directory, origin="bench", now=time.time, monotonic=time.monotonic)
    _timed("open", log.open)
    _timed(f"append up to {entries:,}, {_BATCH:,} at a time", lambda: _filled(log, entries, customers))
    _single(log, customers)
    log.close()
    _timed(f"open {log.size:,}", log.open)
    _timed("read all, opened", lambda: _counted(log))
    item = handed(log, _who(1, customers), 0)
    log.append([item])
    text = _timed("prove one customer", lambda: joined(parts(log, _who(1, customers), (2,))))
    print(f"{'':44}{len(text):>14,} characters")
    _timed("erase one customer", lambda: log.erase(_who(2, customers)))
    log.close()
    told = _timed("verify", lambda: verified(directory))
    assert not told.faults, told.faults
    print(f"{'':44}{told.opened:>14,} commitments opened")
    print(f"{'on disk':44}{sum(path.stat().st_size for path in directory.iterdir()) / 1e6:>11.1f} MB")
    print(f"{'largest resident set':44}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>11.1f} MB")


def _timed(what: str, done: Callable[[], _T]) -> _T:
    start = time.perf_counter()
    result = done()
    print(f"{what:44}{time.perf_counter() - start:>11.2f} s", flush=True)
    return result


def _who(number: int, customers: int) -> str:
    return f"C-{number % customers:06}"


def _pair(number: int, customers: int) -> list[Item]:
    """An intent and its outcome, about as long as real ones; ``number`` is the intent's."""
    who, host = _who(number // 2, customers), number // 2 % 65_536
    address = f"198.18.{host >> 8}.{host & 255}"
    intent = {
        "address": address, "port": 443, "name": "mail.customer.example", "record": f"{number:032x}",
        "mapping": "netbox", "mapping_age": 3600, "inputs": {"announced": "2026-10-01"}, "deadline_ms": 20_000,
    }  # fmt: skip
    outcome = {
        "address": address, "port": 443, "detail": "as was believed", "statuses": [401], "build": "15.2.1544.11",
        "certificate": "ab" * 32, "knocks": [{"path": "/EWS/Exchange.asmx", "port": 52_311, "ms": 80}],
    }  # fmt: skip
    public = {"probe": "exchange-http", "id": f"{number:032x}", "record_hash": "cd" * 32, "why": "schedule"}
    done = {"intent": number, "id": f"{number:032x}", "outcome": "confirmed", "connections": 1, "ms": 80}
    return [Item("probe.intent", public, who, intent), Item("probe.outcome", done, who, outcome)]


def _filled(log: Log, entries: int, customers: int) -> None:
    while log.size < entries:
        first = log.size
        numbers = range(first, min(first + _BATCH, entries), 2)
        log.append([item for number in numbers for item in _pair(number, customers)])


def _single(log: Log, customers: int) -> None:
    """Entries one at a time, as they come when somebody is knocked at."""
    took = []
    for item in [item for _ in range(_SINGLE // 2) for item in _pair(log.size, customers)]:
        start = time.perf_counter()
        log.append([item])
        took.append((time.perf_counter() - start) * 1e3)
    print(f"{'append one':44}{median(took):>11.2f} ms, p99 {quantiles(took, n=100)[98]:.2f} ms", flush=True)


def _counted(log: Log) -> None:
    opened = sum(entry.private is not None for entry in log.read())
    assert opened, "nothing was opened"


if __name__ == "__main__":
    raise SystemExit(main())
