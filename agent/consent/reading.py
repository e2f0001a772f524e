"""What is written in the entries of the log, as the nouns of the register. It was checked when it was put on record.

This is on the way of loading a whole register, so it is plain: equal parts of scopes are one object.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from json import JSONEncoder
from typing import Any, TypeVar

from agent.consent.state import Announcement, Hours, Range, Record, Scope
from agent.privacy import one

T = TypeVar("T")

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

# RFC 8785 for what is in the log: keys are ASCII and there are no floats.
_canonical = JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False).encode

_shared: dict[Any, Any] = {}


def shared(value: T) -> T:
    """The first of all values that are equal to this one."""
    return _shared.setdefault(value, value)  # type: ignore[no-any-return]


@lru_cache(16_384)
def seconds(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()


def digest(written: dict[str, Any], canonical: bytes | None = None) -> str:
    """The hash by which a record is named: SHA-256 (hex) of its canonical JSON (RFC 8785), which may be there."""
    return sha256(canonical or _canonical(written).encode()).hexdigest()


def ranges(prefixes: list[str]) -> tuple[Range, ...]:
    return tuple(map(one, prefixes))


@lru_cache(4096)
def hours(text: str) -> Hours:
    """``Mon-Fri 09:00-17:00`` and the like; days that are written backwards (Sat-Mon) go over the end of the week."""
    named, _, clock = text.partition(" ")
    days: set[int] = set()
    for part in [] if named == "daily" else named.split(","):
        first, _, last = part.partition("-")
        start = DAYS.index(first)
        days.update((start + step) % 7 for step in range((DAYS.index(last or first) - start) % 7 + 1))
    begin, _, end = clock.partition("-")
    return Hours(frozenset(days) if days else frozenset(range(7)), _minutes(begin), _minutes(end))


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def scope(written: dict[str, Any], his: tuple[Range, ...] = ()) -> Scope:
    window = written["window"]
    exclude = written.get("exclude")
    named = ranges(written["prefixes"])
    return Scope(
        his if named == his else named,
        *shared((
            tuple(written["ports"]), tuple(written["tiers"]), tuple(written.get("probes", ())),
            tuple(map(hours, window["hours"])), window["tz"],
        )),
        written.get("rate", 1),
        ranges(exclude) if exclude else (),
    )  # fmt: skip


def record(
    written: dict[str, Any], received: float, canonical: bytes | None = None, his: tuple[Range, ...] = ()
) -> Record:
    """``record.given``, as long as nothing has ended it. ``canonical``: the same in canonical JSON, if it is there.

    ``his``: the prefixes of the customer. A record is about these nearly always, and then they are one object.
    """
    verified = written["grantor"]["verified_by"]
    return Record(
        written["record_id"],
        digest(written, canonical),
        shared(written["basis"]),
        scope(written["scope"], his),
        shared(tuple([(each["kind"], each["sha256"]) for each in written["documents"]])),
        "" if verified == "none" else shared(verified),
        seconds(written["created_at"]),
        received,
        seconds(written["valid_from"]),
        seconds(written["valid_until"]),
    )


def announcement(written: dict[str, Any], received: float) -> Announcement:
    return Announcement(
        seconds(written["sent_at"]),
        received,
        shared(written["delivered"]),
        shared(written["sha256"]),
        shared(written["channel"]),
    )


def channels(contacts: list[dict[str, Any]]) -> tuple[str, ...]:
    """The kinds of verified ways to reach somebody, sorted."""
    return shared(tuple(sorted({each["channel"] for each in contacts if each.get("verified_at")})))
