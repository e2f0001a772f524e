"""How long a register takes to load and to be asked, and how much memory it is: 100,000 records, 200,000 prefixes.

    .venv/bin/python -m bench.register [--customers N] [--nested]

Every customer has one record, two prefixes and one announcement, each an entry of its own; ``--nested`` puts all of
them into the provider's own block, so that every address has two assertions. Nothing is read from a disk here.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
from random import Random
from time import perf_counter_ns, process_time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from agent.audit.entry import Opened
from agent.consent.register import Register
from agent.consent.written import body
from agent.leave import Limits
from agent.privacy import cidrs, one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = 1_793_000_000.0  # in October 2026
MONTH = "2026-09-01T00:00:00Z"
TERMS = "a" * 64
LIMITS = Limits(mapping=10 * 86_400.0)


def prefixes(number: int) -> tuple[str, str]:
    """A /28 and a /32 of ours for each customer: 10.0.0.0/8 and up, and 2001:db8::/32 for every fourth."""
    base = one("10.0.0.0")[0] + 16 * number
    first, other = cidrs([(base, base + 15)])[0], cidrs([(base + (64 << 20), base + (64 << 20))])[0]
    return (first, f"2001:db8:{number >> 8:x}:{number & 255:x}00::/56") if number % 4 == 0 else (first, other)


def entries(customers: int, *, nested: bool) -> Iterator[str]:
    """Each entry as JSON of what an Opened is, as the log would give it."""
    random = Random(1)
    lines: list[tuple[str, str, dict[str, Any], dict[str, Any] | None]] = [
        ("document.published", "", {"kind": "terms", "lang": "nl", "sha256": TERMS, "published_at": MONTH}, None),
        ("mapping.synced", "", {"source": "crm", "at": "2026-10-19T00:00:00Z", "prefixes": 2 * customers}, None),
    ]
    if nested:
        wide = {"source": "crm", "at": MONTH, "prefixes": ["10.0.0.0/8", "14.0.0.0/8", "2001:db8::/32"]}
        lines.append(("mapping.asserted", "isp", {}, body("mapping.asserted", wide)))
    for number, (kind, ref, public, private) in enumerate(lines):
        yield json.dumps([number, kind, NOW - 86_400, public, ref, private])
    pattern = body("record.given", _record())
    at = len(lines)
    for number in range(customers):
        ref, his = f"c-{number:06d}", list(prefixes(number))
        moment = f"2026-09-{1 + number % 28:02d}T{number % 24:02d}:00:00Z"
        record = {**pattern, "record_id": str(UUID(int=random.getrandbits(128), version=4)), "customer_ref": ref}
        record["scope"] = {**record["scope"], "prefixes": his}
        record["created_at"] = record["valid_from"] = moment
        told = {"channel": "mail", "sent_at": moment, "delivered": "yes", "sha256": TERMS}
        mapped = {"source": "crm", "at": MONTH, "prefixes": his, "kind": "static"}
        for kind, private in (("mapping.asserted", mapped), ("record.announced", told), ("record.given", record)):
            yield json.dumps([at, kind, NOW - 86_400, {}, ref, private])
            at += 1


def _record() -> dict[str, Any]:
    return {
        "schema": "consent-record/1",
        "record_id": str(UUID(int=0)),
        "created_at": MONTH,
        "created_by": "crm/portal",
        "customer_ref": "c",
        "subject_kind": "legal_person",
        "basis": "explicit",
        "authority": {"kind": "owner", "statement_sha256": TERMS},
        "grantor": {"role": "it manager", "verified_by": "portal_login"},
        "documents": [
            {"kind": kind, "version": "2026-1", "lang": "nl", "sha256": TERMS, "published_at": MONTH}
            for kind in ("terms", "faq", "objection_page")
        ],
        "evidence": [{"type": "portal_log", "sha256": TERMS, "stored_at": "crm"}],
        "scope": {
            "prefixes": ["10.0.0.0/28"],
            "ports": [443],
            "tiers": ["passive.handshake", "active.build"],
            "probes": ["exchange-http"],
            "window": {"hours": ["Mon-Fri 09:00-17:00"], "tz": "Europe/Amsterdam"},
        },
        "contacts": [
            {"role": "security", "channel": "mail", "address": "security@example.nl", "verified_at": MONTH},
            {"role": "owner", "channel": "phone", "address": "+31 20 000 0000", "verified_at": MONTH},
        ],
        "valid_from": MONTH,
        "valid_until": "2027-08-30T00:00:00Z",
        "withdrawal": {"url": "https://isp.example/stop", "phone": "+31 20 000 0000"},
    }


def measured(what: str, ask: Callable[[int], object], arguments: list[int]) -> None:
    """One line: the median and the ninety-ninth hundredth of asking, in microseconds by the clock."""
    times = []
    for argument in arguments:
        start = perf_counter_ns()
        ask(argument)
        times.append(perf_counter_ns() - start)
    times.sort()
    print(f"{what:44} {statistics.median(times) / 1000:8.2f} us   p99 {times[len(times) * 99 // 100] / 1000:8.2f} us")


def timed(what: str, run: Callable[[], object]) -> Any:
    start = process_time()
    made = run()
    print(f"{what:44} {1000 * (process_time() - start):8.1f} ms")
    return made


def resident() -> float:
    """Megabytes of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def load(customers: int, *, nested: bool) -> Register:
    """A register, timed without the making and the reading of its entries."""
    register, spent, count = Register(), 0.0, 0
    before = resident()
    batch: list[Opened] = []

    def fold() -> float:
        start = process_time()
        register.load(batch)
        return process_time() - start

    for line in entries(customers, nested=nested):
        entry = Opened(*json.loads(line))
        sealed = json.dumps(entry.private, sort_keys=True, separators=(",", ":")).encode()
        batch.append(entry._replace(sealed=sealed))  # as the log gives it
        if len(batch) == 5000:
            spent += fold()
            count += len(batch)
            batch.clear()
    spent += fold()
    count += len(batch)
    batch.clear()
    gc.collect()
    print(f"{f'fold of {count:,} entries':44} {1000 * spent:8.1f} ms   {1e6 * spent / count:.1f} us each")
    print(f"{'memory of the register':44} {resident() - before:8.1f} MB")
    return register


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.register", description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--nested", action="store_true")
    options = parser.parse_args(argv)
    register = load(options.customers, nested=options.nested)
    random = Random(2)
    chosen = [one(prefixes(random.randrange(options.customers))[0])[0] + random.randrange(16) for _ in range(20_000)]

    def ask(address: int) -> object:
        held = register.holders(address, NOW)
        return register.objections(address), register.customer(held[0].customer)

    measured("holders, objections and customer: first time", ask, chosen)
    measured("holders, objections and customer: again", ask, chosen)
    measured("holders alone", register.holders, chosen)
    for _ in range(2):
        timed("all sets anew", lambda: register.sets(NOW, LIMITS))
        register._passive = type(register._passive)()
    sets = timed("all sets anew", lambda: register.sets(NOW, LIMITS))
    print(f"{'':44} {len(sets.consented):,} ranges consented, {len(sets.announced):,} announced")
    timed("the sets, nothing having happened", lambda: register.sets(NOW + 1, LIMITS))
    number = 3 * options.customers + 10
    for headers in (False, True):
        text = {"at": "2026-10-20T00:00:00Z", "objection_id": str(UUID(int=number)), "headers": headers}
        entry = Opened(number, "record.objected", NOW, {}, f"c-{number % 1000:06d}", body("record.objected", text))
        timed("one objection folded", lambda entry=entry: register.apply(entry))
        timed("what it takes away", lambda text=text: register.objected_ranges(text["objection_id"]))
        timed("the sets after it", lambda: register.sets(NOW + 1, LIMITS))
        number += 1
    entry = Opened(number, "record.withdrawn", NOW, {}, "c-000500", body("record.withdrawn", {"at": MONTH}))
    timed("one withdrawal folded", lambda: register.apply(entry))
    timed("the sets after it", lambda: register.sets(NOW + 1, LIMITS))
    mapped = {"source": "crm", "at": MONTH, "prefixes": ["15.1.1.0/28"]}
    entry = Opened(number + 1, "mapping.asserted", NOW, {}, "c-000500", body("mapping.asserted", mapped))
    timed("one assertion of a mapping folded", lambda: register.apply(entry))
    timed("the sets after it", lambda: register.sets(NOW + 1, LIMITS))
    print(f"{'peak memory of this process':44} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:8.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
