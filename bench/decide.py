"""What a decision costs: `decide` over a register of many customers, and a history of many probes.

    python -m bench.decide [--customers N] [--prefixes N] [--probes N] [--rounds N]

Customers have one record each, every tenth has objected and every tenth was only told; prefixes are /29 and /48,
shared out among them. Questions are about random addresses of theirs, at random times of a week. Each is asked alone
and timed, by its answer: leave is the dearest, since it is looked at to the end. See bench/README.md.
"""

from __future__ import annotations

import gc
import random
import resource
import sys
import time
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Any

from agent.audit.entry import Opened
from agent.consent.decide import decide
from agent.consent.history import History
from agent.consent.register import Register
from agent.consent.written import body, rfc3339
from agent.leave import Conditions, Leave, Request, Sighting
from agent.privacy import cidrs, one

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
_KINDS = {"terms": "a" * 64, "faq": "b" * 64, "objection_page": "c" * 64}
_CONTACTS = [
    {"role": "security", "channel": channel, "address": "abuse@example.nl", "verified_at": "2026-01-01T00:00:00Z"}
    for channel in ("mail", "phone")
]


def _day(number: float) -> str:
    return rfc3339(NOW + timedelta(days=number))


def prefixes(count: int) -> list[str]:
    """Prefixes that are nobody's special ones: three /29 to each /48."""
    fours = (f"{60 + n // 2**21}.{n // 2**13 % 256}.{n // 32 % 256}.{n % 32 * 8}/29" for n in range(count))
    sixes = (f"2a0c:{n // 65536:x}:{n % 65536:x}::/48" for n in range(count))
    # In the one form: a group of zeros is written short.
    return [cidrs([one(next(sixes if n % 4 == 3 else fours))])[0] for n in range(count)]


def _record(ref: str, number: int, held: list[str]) -> dict[str, Any]:
    return {
        "schema": "consent-record/1",
        "record_id": f"00000000-0000-4000-8000-{number:012d}",
        "created_at": _day(-60),
        "created_by": "crm/portal",
        "customer_ref": ref,
        "subject_kind": "legal_person",
        "basis": "explicit",
        "authority": {"kind": "owner"},
        "grantor": {"role": "it", "verified_by": "portal_login"},
        "documents": [
            {"kind": kind, "version": "1", "lang": "nl", "sha256": sha256, "published_at": _day(-90)}
            for kind, sha256 in _KINDS.items()
        ],
        "scope": {
            "prefixes": held,
            "ports": [443],
            "tiers": ["passive.handshake", "active.build"],
            "probes": ["exchange-http"],
            "window": {"hours": ["Mon-Fri 08:00-18:00", "Sat 22:00-06:00"], "tz": "Europe/Amsterdam"},
        },
        "contacts": _CONTACTS,
        "valid_from": _day(-60),
        "valid_until": _day(300),
        "withdrawal": {"url": "https://isp.example/stop"},
    }


def _events(customers: int, held: list[list[str]]) -> Iterator[tuple[str, dict[str, Any], str]]:
    for kind, sha256 in _KINDS.items():
        yield (
            "document.published",
            {"kind": kind, "version": "1", "lang": "nl", "sha256": sha256, "published_at": _day(-90)},
            "",
        )
    for n in range(customers):
        ref = f"c-{n}"
        if held[n]:
            yield "mapping.asserted", {"source": "crm", "at": _day(-400), "prefixes": held[n]}, ref
        yield "record.announced", {"channel": "mail", "sent_at": _day(-50), "delivered": "yes", "sha256": "d" * 64}, ref
        if n % 10 != 1:
            yield "record.given", _record(ref, n, held[n] or ["192.0.2.0/24"]), ref
        if n % 10 == 2:
            objection = {"at": _day(-5), "objection_id": f"00000000-0000-4000-8001-{n:012d}"}
            yield "record.objected", objection, ref
    yield "mapping.synced", {"source": "crm", "at": _day(0), "prefixes": len(held)}, ""


def register(customers: int, held: list[list[str]]) -> tuple[Register, float]:
    """The register, and the seconds that folding it took: without the log's own reading and unsealing."""
    entries = []
    for number, (kind, written, ref) in enumerate(_events(customers, held)):
        public, private = ({}, body(kind, written)) if ref else (written, None)
        entries.append(Opened(number, kind, NOW.timestamp(), public, ref, private))
    made = Register()
    began = time.perf_counter()
    made.load(entries)
    return made, time.perf_counter() - began


def history(probes: int, held: list[list[str]], chance: random.Random) -> tuple[History, float]:
    """Probes of the last thirty days, one in fifty of them bad, and the seconds that folding took."""
    began_at = NOW.timestamp() - 30 * 86_400.0
    entries = []
    for n in range(probes):
        at = began_at + 30 * 86_400.0 * n / probes
        customer = chance.randrange(len(held))
        if not held[customer]:
            continue
        where = {"address": _host(chance, held[customer])}
        became = "timeout" if chance.random() < 0.02 else "confirmed"
        ident = {"id": f"{n:032x}", "probe": "exchange-http"}
        entries.append(Opened(2 * n, "probe.intent", at, ident, f"c-{customer}", where))
        public = {"intent": 2 * n, "outcome": became, "ms": 100, "connections": 1}
        entries.append(
            Opened(2 * n + 1, "probe.outcome", at + 1, public, f"c-{customer}", {**where, "statuses": [401]})
        )
    made = History()
    gc.disable()  # as it rests while the office reads its log
    began = time.perf_counter()
    for entry in entries:
        made.apply(entry)
    taken = time.perf_counter() - began
    gc.enable()
    return made, taken


def _host(chance: random.Random, held: list[str]) -> str:
    first, last = one(chance.choice(held))
    at = chance.randint(first + 1, last)
    return cidrs([(at, at)])[0].partition("/")[0]


def _asked(chance: random.Random, held: list[list[str]], rounds: int) -> Iterator[tuple[Request, Conditions]]:
    seen = Sighting("mail.example.nl", ("f" * 64,), ("exchange",), build_known=False, last_seen=NOW.timestamp())
    for _ in range(rounds):
        his = held[chance.randrange(len(held))]
        if his:
            hour = chance.choice((0, 1, 2, 3)) * 3600.0
            fine = Conditions(
                time=NOW.timestamp() + hour,
                clock_synced=True,
                killed=False,
                missing=(),
                audit_writable=True,
                checkpoint_age=60.0,
                denied=[one("198.51.100.0/24")],
            )
            yield Request(_host(chance, his), 443, "exchange-http", "schedule", seen), fine


def main(words: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="python -m bench.decide", description="What a decision costs.")
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--prefixes", type=int, default=200_000)
    parser.add_argument("--probes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=50_000)
    options = parser.parse_args(words)
    chance = random.Random(7)
    held: list[list[str]] = [[] for _ in range(options.customers)]
    for n, prefix in enumerate(prefixes(options.prefixes)):
        held[n % options.customers].append(prefix)
    known, folding = register(options.customers, held)
    past, looking_back = history(options.probes, held, chance)
    asked = list(_asked(chance, held, options.rounds))
    taken: dict[str, list[float]] = defaultdict(list)
    for request, conditions in asked:
        began = time.perf_counter()
        answer = decide(known, past, request, conditions)
        taken["leave" if isinstance(answer, Leave) else answer.reason].append(time.perf_counter() - began)
    print(
        f"{options.customers} customers, {options.prefixes} prefixes, {options.probes} probes, {len(asked)} questions"
    )
    print(f"folded: register {folding:.1f} s, history {looking_back:.1f} s;", end=" ")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, bench included")
    print(f"{'answer':22} {'count':>8} {'median us':>10} {'p99 us':>8}")
    everything = [one for each in taken.values() for one in each]
    for name, times in [("all", everything), *sorted(taken.items(), key=lambda each: -len(each[1]))]:
        p99 = quantiles(times, n=100)[98] if len(times) > 1 else times[0]
        print(f"{name:22} {len(times):8} {median(times) * 1e6:10.1f} {p99 * 1e6:8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
