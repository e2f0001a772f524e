"""How long the daemon leaves others waiting while a register is imported, exported and taken: 100,000 records.

    python -m bench.registry [--customers N] [--directory DIR]

Two prefixes and one record for each customer, sent to the control socket of a daemon that runs, as `knockfirst import`
does; then `consent export --snapshot` of it, the same import again, and `import snapshot` by a second daemon. All the
while another client asks for the status every 20 ms: `longest` is the longest that it had to wait for one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
from argparse import Namespace
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any
from uuid import UUID

from agent import ipc
from agent.audit.log import Log
from agent.consent.written import rfc3339
from agent.ipc import Type
from agent.lab import files, servers
from agent.lab.traffic import PLAIN
from agent.orders import opened
from agent.sections import Agent, Capture, Config, Consent, Exporter
from agent.supervisor import Daemon
from bench.register import _record, prefixes
from collectors.registry import command, export
from collectors.registry.reading import Reading
from collectors.registry.sending import send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Event

SPAWN = multiprocessing.get_context("spawn")

_EVERY = 0.02  # seconds between two questions
_LONGEST = 120.0


def asking(path: str, ended: Event, told: Connection) -> None:
    """Ask all the time, in a process of its own; tells the seconds of each answer."""
    waits: list[float] = []
    link = ipc.connect(path, frozenset({Type.STATUS}), _LONGEST)
    while not ended.wait(_EVERY):
        began = time.perf_counter()
        link.send(Type.ASK, {"what": "status"})
        if link.receive() is None:
            break
        waits.append(time.perf_counter() - began)
    told.send(waits)


class Slowest:
    """Orders, and how long the longest answer of each verb took."""

    def __init__(self, give: Callable[[str, dict[str, Any]], Any]) -> None:
        self._give = give
        self.longest: dict[str, tuple[float, int]] = {}

    def __call__(self, verb: str, words: dict[str, Any]) -> Any:
        began = time.perf_counter()
        made = list(self._give(verb, words))
        longest, count = self.longest.get(verb, (0.0, 0))
        self.longest[verb] = max(longest, time.perf_counter() - began), count + 1
        return iter(made)


def rows(customers: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every customer's prefixes and record."""
    chance, pattern = random.Random(1), _record()
    for number in range(customers):
        ref, his = f"c-{number:06d}", prefixes(number)
        for prefix in his:
            yield f"row {number}", {"what": "mapping", "prefix": prefix, "customer": ref}
        record = {**pattern, "record_id": str(UUID(int=chance.getrandbits(128), version=4)), "customer_ref": ref}
        record["scope"] = {**record["scope"], "prefixes": list(his)}
        yield f"row {number}", {"what": "record", **record}


def configured(directory: Path, **consent: Any) -> Config:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    capture = directory / "edge.pcap"
    capture.write_bytes(files.pcap(servers.gathered((servers.exchange("2016", "192.0.2.1"), PLAIN))))
    (directory / "state").mkdir(mode=0o700, exist_ok=True)
    return Config(
        capture=Capture(files=(str(capture),)),
        consent=Consent(**consent),
        exporter=Exporter(listen="127.0.0.1:0"),
        agent=Agent(state=str(directory / "state"), control=str(directory / "control")),
    )


@contextmanager
def running(config: Config) -> Iterator[Namespace]:
    """A daemon, and the options of a command that means it."""
    with Daemon(config) as daemon:
        if not daemon.wait_ready(300):
            raise SystemExit("the daemon is not ready")
        yield Namespace(config=None, state=None, control=daemon.control_path)


def measured(what: str, options: Namespace, work: Callable[[], object]) -> None:
    ended, (hears, tells) = SPAWN.Event(), SPAWN.Pipe(duplex=False)
    asker = SPAWN.Process(target=asking, args=(options.control, ended, tells))
    asker.start()
    time.sleep(1)
    began = time.perf_counter()
    work()
    took = time.perf_counter() - began
    time.sleep(2)  # what comes after it counts too
    ended.set()
    waiting = hears.recv()
    asker.join()
    waits = [1000 * wait for wait in waiting]
    high = quantiles(waits, n=100, method="inclusive")[98]
    line = f"median {median(waits):6.1f} ms  p99 {high:7.1f} ms  longest {max(waits):8.1f} ms"
    print(f"{what:20} {took:7.1f} s   waits: {line}", flush=True)


def imported(options: Namespace, customers: int) -> None:
    made = now()
    with opened(options) as give:
        slowest = Slowest(give)
        came = send(
            slowest,
            Reading(made=made, full=True, rows=rows(customers), faults=[]),
            "crm",
            show=False,
            accept_loss=False,
        )
    longest = [f"{verb} {1000 * most:.0f} ms of {count:,}" for verb, (most, count) in slowest.longest.items()]
    print(f"    {came.recorded:,} entries; longest order: {', '.join(longest)}")


def now() -> str:
    return rfc3339(datetime.fromtimestamp(time.time() - 1, UTC))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.registry", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        _all(options.directory or Path(temporary), options.customers)
    return 0


def _all(directory: Path, customers: int) -> None:
    snapshot, keys = str(directory / "snapshot"), directory / "keys"
    first = configured(directory / "here")
    with running(first) as here:
        measured("import", here, lambda: imported(here, customers))
        measured("import again", here, lambda: imported(here, customers))
        measured("export", here, lambda: export.main(["--snapshot", snapshot, "--control", here.control]))
    print(f"    {Path(snapshot).stat().st_size / 1e6:.0f} MB")
    log = Log(directory / "here" / "state", origin="", now=time.time, monotonic=time.monotonic)
    log.open()
    keys.write_text(f"{log.vkey}\n")
    log.close()
    with running(configured(directory / "there", snapshot_keys=str(keys))) as there:
        measured("import snapshot", there, lambda: command.main(["snapshot", snapshot, "--control", there.control]))


if __name__ == "__main__":
    raise SystemExit(main())
