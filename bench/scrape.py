"""What a scrape costs, and whether a month of change leaves anything behind.

    python -m bench.scrape [--servers N] [--rounds N]

Servers of every product, generation, build and verdict there is, as an inventory of so many would have them; the real
aggregates, snapshot, table and exposition. The aggregate form is to take at most 10 ms and 100 KiB, the one with a few
series for each server at most half a second. Churn: each round every server has another pseudonym, and other servers,
interfaces and reasons are seen; memory after the last round is to be what it was after the first ones.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import random
import time
import tracemalloc
from base64 import b32encode
from collections.abc import Callable
from datetime import date
from statistics import median
from typing import Any

from agent.believed import aggregates
from agent.build import BuildRange, generation_of
from agent.cases.counted import ANSWERS, UNTOLD, counted, no_steps
from agent.cases.helped import Counts
from agent.cases.ladder import TASKS
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.ipc import Type
from agent.leave import BREAKERS, OBJECTED, OUTCOMES, PIECES, PROBES, REASONS
from agent.listed import Listed
from agent.messages import Snapshot, validated
from agent.model import GENERATIONS, Assessment, Product, Verdict
from agent.objecting import Delays
from agent.outline import Outlines
from agent.sections import Config
from agent.selfaudit import FITS
from agent.snapshot import Tally, limits
from agent.standing import BASES, CUSTOMERS, SERVERS, STATES
from exporters.service import Latest, pages

DAY = date(2026, 11, 1)
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_KNOWN = catalogue()
_KEV = {flaw.cve: flaw.kev for flaw in _KNOWN.flaws}
_SURE: tuple[Verdict, ...] = ("confirmed", "probable", "suspected")
_OTHERS: tuple[Product, ...] = ("exchange-online", "iis-smtp", "other", "unknown")
_DAYS, _AT_ONCE = 31, 5000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--servers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=_DAYS * 24, help="of churn: so many changes of everything")
    options = parser.parse_args()
    some = random.Random(1)
    servers = [server(some) for _ in range(options.servers)]
    print(f"{options.servers:,} servers")
    took = _timed(lambda: aggregates(servers, _KEV, DAY))
    print(f"aggregates, in the agent:  {took * 1e3:6.1f} ms")
    latest = Latest()
    latest.snapshot = made(servers, some)
    _scrapes("aggregate form", latest)
    for part in listed(servers, some, 1):
        latest.series.take(part)
    _scrapes("with series of each", latest)
    _churn(servers[:1000], some, options.rounds)
    return 0


def server(some: random.Random) -> Assessment:
    """One of any kind: half of them Exchange, of which four in five tell their build."""
    if some.random() < 0.5:
        product = some.choice(_OTHERS)
        return Assessment(
            "", (), product, None, "none" if product in _OTHERS[2:] else "probable", 0.9, None, (), (), ()
        )
    verdict = some.choice(_SURE)
    if some.random() < 0.8:
        known = some.choice(_KNOWN.builds).build
        shown, generation = BuildRange(known, known, "su"), generation_of(known)
    else:
        generation = some.choice(GENERATIONS)
        shown = BuildRange(*_KNOWN.span_of(generation), some.choice(("generation", "cu")))
    product = some.choice(("exchange", "exchange-edge"))
    return Assessment("", (), product, generation, verdict, 0.9, shown, (), (), _KNOWN.findings(shown, DAY))


def made(servers: list[Assessment], some: random.Random, interfaces: tuple[str, ...] = ("eth0", "eth1")) -> Snapshot:
    """A snapshot with everything in it that there can be."""
    tally = Tally(started=1.0, progress=2.0)
    counts = {f"drop_{reason}": some.randrange(1 << 30) for reason in ("ring", "no_payload", "not_wanted", "fragment")}
    rows = [
        {"name": name, "counts": {"offered": 9, "frames_seen": 8, **counts}, "gauges": {"up": 1.0, "ring_fill": 0.5}}
        for name in interfaces
    ]
    told = {"observations": some.randrange(1 << 30), "streams": 7, "malformed_smtp": 6, "malformed_tls": 5}
    tally.totals.take("capture", validated(Type.COUNTERS, {"counts": told, "interfaces": rows}))
    body = {
        "number": 1, "time": 3.0, "took": 0.1, **tally.body(), **aggregates(servers, _KEV, DAY), "not_ready": [],
        "limits": limits(Config()), "kept": len(servers), "kept_at_most": 65_536,
        "inventory": dict.fromkeys(("observations", "repeats", "surplus", "servers_evicted"), 1),
        "evidence": {fingerprint.id: some.randrange(1 << 30) for fingerprint in book()},
        "store": {
            "observations": 1, "servers": 2, "bytes": 3, "deleted": {"age": 4, "rows": 5}, "write_failures": 6,
            "retention_last_success": 7.0,
        },
        "permission": _permitted(some), "telling": _telling(some),
    }  # fmt: skip
    taken = validated(Type.SNAPSHOT, body)
    assert isinstance(taken, Snapshot)
    return taken


def _permitted(some: random.Random) -> dict[str, Any]:
    def counts(names: tuple[str, ...]) -> dict[str, int]:
        return {name: some.randrange(1 << 20) for name in names}

    refused = some.sample(REASONS, 20)
    return {
        "prober": True, "running": 1, "refused_now": dict.fromkeys(refused, 3),
        "decisions": [{"decision": "refused", "reason": reason, "count": 9} for reason in REASONS],
        "outcomes": [{"probe": probe, "outcome": outcome, "count": 9} for probe in PROBES for outcome in OUTCOMES],
        "missing": dict.fromkeys(PIECES, False), "killed": False, "clock_synced": True, "customers": 1,
        "records": [{"basis": basis, "state": state, "count": 9} for basis in BASES for state in STATES],
        "standing_objections": 1, "waiting": 1, "mapping_ages": {"crm": 1.0}, "synced": {"crm": 1.0},
        "breakers": counts(BREAKERS), "log_entries": 1, "log_failures": 0, "checkpoint_age": 1.0,
        "checkpoint_made": 1.0, "checkpoint_failures": 0, "objections": counts(OBJECTED), "effects_pending": 0,
        "effect_seconds": Delays().body(), "self_audit": counts(FITS), "by_leave": counts(CUSTOMERS),
        "covered": counts(SERVERS),
    }  # fmt: skip


def _telling(some: random.Random) -> dict[str, Any]:
    cases, came = counted([], 0.0), Counts()
    return {
        "cases": [row | {"count": some.randrange(1 << 10)} for row in cases["cases"]], "tasks": cases["tasks"],
        "notices": [
            {"step": step, "channel": channel, "outcome": outcome, "count": some.randrange(1 << 10)}
            for step, channel, outcome in no_steps()
        ],
        "uncertain": 1, "waiting": 1, "oldest": 1.0, "fix_seconds": Delays().body(),
        "answers": dict.fromkeys(ANSWERS, 1), "rechecks": dict.fromkeys(("granted", *REASONS), 1),
        "untold": dict.fromkeys(UNTOLD, 1), "failures": 0, "retention_last_success": 1.0,
        "came": came.rows(), "after_seconds": came.after(), "tasks_oldest": dict.fromkeys(TASKS, 1.0),
    }  # fmt: skip


def listed(servers: list[Assessment], some: random.Random, number: int) -> list[Listed]:
    """A round of the agent's, of servers that are believed to be Exchange, each under a pseudonym not used before."""
    outlines = Outlines(_KNOWN, DAY)
    rows = [outlines.of(one) for one in servers]
    parts = [rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE)]
    return [_part(rows, some, number, place, len(parts)) for place, rows in enumerate(parts)]


def _part(rows: list[Any], some: random.Random, number: int, part: int, parts: int) -> Listed:
    distinct = list(dict.fromkeys(rows))
    places = {row: at for at, row in enumerate(distinct)}
    body = {
        "number": number, "part": part, "parts": parts, "limit": 10_000, "key_id": "0123abcd", "epoch": number,
        "suppressed": 0, "suppressed_total": 0, "grouped": False, "group_files_failing": 0, "groups": [],
        "outlines": [row._asdict() | {"holes": list(row.holes) if row.holes else None} for row in distinct],
        "servers": [f"s-{b32encode(some.randbytes(10)).decode().lower()}" for _ in rows],
        "of": [places[row] for row in rows], "hours": [490_000 + number] * len(rows),
    }  # fmt: skip
    return Listed.model_validate(body)


def _scrapes(what: str, latest: Latest) -> None:
    metrics = pages(latest, lambda: None).metrics
    for form, accept in (("text", ""), ("OpenMetrics", OPENMETRICS)):
        text = metrics(accept)[1]
        took = _timed(lambda accept=accept: metrics(accept))  # type: ignore[misc]
        packed = gzip.compress(text, 1)
        squeezing = _timed(lambda text=text: gzip.compress(text, 1))  # type: ignore[misc]
        print(
            f"{what + ', ' + form + ':':36} {took * 1e3:6.1f} ms, {len(text) / 1024:7.1f} KiB,"
            f" {text.count(b'{'):,} samples with labels; gzip would make {len(packed) / 1024:.1f} KiB of it"
            f" in {squeezing * 1e3:.1f} ms"
        )


def _churn(servers: list[Assessment], some: random.Random, rounds: int) -> None:
    """What is held after a tenth of the rounds, and after all of them."""
    latest = Latest()
    metrics = pages(latest, lambda: None).metrics
    tracemalloc.start()
    held = []
    for number in range(1, rounds + 1):
        interfaces = tuple(f"eth{some.randrange(1000)}" for _ in range(4))
        latest.snapshot = made(some.sample(servers, 50), some, tuple(dict.fromkeys(interfaces)))
        for part in listed(servers, some, number):
            latest.series.take(part)
        metrics(OPENMETRICS if number % 2 else "")
        if number in (max(1, rounds // 10), rounds):
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    print(
        f"churn, {rounds} rounds of {len(servers):,} servers with new names: {held[0] / 1024:,.0f} KiB held after a"
        f" tenth of them, {held[-1] / 1024:,.0f} KiB after all"
    )


def _timed(what: Callable[[], object], times: int = 15) -> float:
    """Seconds, the median of some."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        took.append(time.perf_counter() - began)
    return median(took)


if __name__ == "__main__":
    raise SystemExit(main())
