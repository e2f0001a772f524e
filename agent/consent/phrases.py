"""The inputs of a decision in words: what there is, and until when to wait where time helps."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING

from agent.consent import hours
from agent.consent.case import announced, handed_over, in_any, objecting, synced_age
from agent.consent.special import special

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.consent.case import Case

NEVER = float("-inf")


def when(time: float) -> str:
    """A time for people, to the minute, in UTC."""
    try:
        return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "at no time"


def lasting(seconds: float) -> str:
    """A duration for people, in its two largest units."""
    if not isfinite(seconds):
        return "a time not known"
    left, parts = int(max(seconds, 0)), []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2]) or "0 s"


def is_known(value: object | None, yes: str, no: str) -> str:
    return "not known" if value is None else (yes if value else no)


def block(case: Case) -> str:
    found = special(case.address) if case.address is not None else None
    where = f"{found.name} ({found.prefix}, {found.rfc})" if found else "none"
    return f"{where}; this is a laboratory" if case.conditions.laboratory else where


def denied(case: Case) -> str:
    denied = case.conditions.denied
    return "not readable" if denied is None else ("names it" if in_any(denied, case.address) else "does not name it")


def denied_change(case: Case) -> str:
    what = "see that it can be read" if case.conditions.denied is None else "take the address out of it"
    return f"{what}: the file that probe.deny names"


def objections(case: Case) -> str:
    found = objecting(case)
    if not found:
        return "none that stands"
    last = max(found, key=lambda each: each.received)
    checked = "verified" if last.verified else "not verified, which is as good"
    return f"{len(found)}, the last received {when(last.received)} ({checked})"


def checkpoint(case: Case) -> str:
    age = case.conditions.checkpoint_age
    return "none since the start" if age is None else f"{lasting(age)} ago"


def holder(case: Case) -> str:
    told = [f"{each.customer} by {each.source}" for each in case.asserted]
    return ", ".join(told) or "nobody says"


def sources(case: Case) -> str:
    customers, sources = ({each[at] for each in case.standing} for at in (1, 3))
    return f"{len(sources)}, naming {len(customers)} customer{'' if len(customers) == 1 else 's'}"


def kinds(case: Case) -> str:
    return ", ".join(sorted({each.kind for each in case.standing})) or "not known"


def synced(case: Case) -> str:
    age = synced_age(case)
    return "not known, or of a time still to come" if age is None else f"{lasting(age)} ago, by all sources"


def stale(case: Case) -> str:
    limit = lasting(case.conditions.limits.mapping)
    return f"a full synchronisation of each source that names the address, not older than {limit}"


def over(case: Case) -> str:
    over = handed_over(case)
    if over is not None:
        return f"went to this customer {when(over)}"
    later = any(each.since > case.now for each in case.standing)
    return "begins later than now" if later else "none known"


def over_until(case: Case) -> str:
    over = handed_over(case)
    begins = max([over or NEVER, *(each.since for each in case.standing)], default=NEVER)
    return f"wait until {when(begins + (case.conditions.limits.quarantine if over is not None else 0))}"


def routed(case: Case) -> str:
    if not case.conditions.route_check:
        return "not checked: consent.routed names no file"
    inside = case.conditions.routed is not None and in_any(case.conditions.routed, case.address)
    return is_known(case.conditions.routed, "yes" if inside else "no", "no")


def contract(case: Case) -> str:
    ended = case.customer.ended
    return "not known" if case.holder is None else ("in force" if ended is None else f"ended {when(ended)}")


def contacts(case: Case) -> str:
    return f"verified by {', '.join(sorted(set(case.customer.channels))) or 'no channel'}"


def announcement(case: Case) -> str:
    told = announced(case)
    sent = len(case.customer.announcements)
    return f"{sent} sent, none known to have arrived" if told is None else f"sent {when(told)}, and it arrived"


def period(case: Case) -> str:
    told = announced(case)
    return "not begun" if told is None else f"{lasting(case.now - told)} of {lasting(case.conditions.limits.announce)}"


def announced_until(case: Case) -> str:
    told = announced(case)
    limit = case.conditions.limits.announce
    return f"{lasting(limit)} after it was sent" if told is None else f"wait until {when(told + limit)}"


def records(case: Case) -> str:
    return f"{len(case.customer.records)}"


def in_force(case: Case) -> str:
    told = []
    for each in case.records:
        until = f"ended {when(each.ended)}" if each.ended is not None else f"{when(each.valid_from)} to "
        told.append(until if each.ended is not None else until + when(each.valid_until))
    return several(told)


def several(told: Iterable[str]) -> str:
    found = list(dict.fromkeys(told))
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more if found else "none"


def basis(case: Case) -> str:
    bases = several(
        f"{each.basis}{'' if each.verified else ' (who gave it was not verified)'}" for each in case.records
    )
    return f"{bases}; the customer is {case.customer.subject or 'of a kind not known'}".replace("_", " ")


def texts(case: Case) -> str:
    known = case.register.documents
    return several(
        ", ".join(f"{kind}{'' if known.get(sha256) == kind else ' (not published)'}" for kind, sha256 in each.documents)
        or "none"
        for each in case.records
    )


def covered(case: Case) -> str:
    covered = any(in_any(each.scope.prefixes, case.address) for each in case.records)
    return f"{case.request.address} is {'' if covered else 'not '}covered"


def excluded(case: Case) -> str:
    found = any(in_any(each.scope.excluded, case.address) for each in case.customer.records)
    return "a record excludes it" if found else "no"


def windows(case: Case) -> str:
    return several(hours.text(each.scope.hours, each.scope.zone) for each in case.records)


def hours_until(case: Case) -> str:
    times = [hours.next_open(each.scope, case.now) for each in case.records]
    at = min((time for time in times if time is not None), default=None)
    return "a record with hours in it" if at is None else f"wait until {when(at)}"


def seen(case: Case) -> str:
    seen = case.request.sighting
    if seen is None or seen.last_seen is None:
        return f"nothing was seen at port {case.request.port}"
    what = ", ".join(seen.products) or "not known what it is"
    named = f"as {seen.name}" if seen.name else "without a name"
    return f"{when(seen.last_seen)}, {named}, {what}, {len(seen.certificates)} certificates"


def needed(case: Case) -> str:
    known = case.request.sighting.build_known if case.request.sighting else None
    return is_known(known, "no: looking tells the build", "yes: the build is not known")


def used(case: Case) -> str:
    used = case.history.used(case.address) if case.address is not None else NEVER
    return "none on record" if used == NEVER else when(used)


def used_until(case: Case) -> str:
    if case.address is None or not all(each.scope.per_day for each in case.records):
        return "a record that allows a probe a day"
    return f"wait until {when(case.history.used(case.address) + max(case.conditions.limits.recheck, 86_400.0))}"


def host(case: Case) -> tuple[float, int]:
    return case.history.host(case.address) if case.address is not None else (NEVER, 0)


def bad(case: Case) -> str:
    _, opens = host(case)
    return f"{opens} bad outcome{'' if opens == 1 else 's'} in a row"


def breaker(until: float, now: float) -> str:
    return "closed" if until <= now else f"open until {when(until)}"


def wait(until: float) -> str:
    return f"wait until {when(until)}"


def breaker_host_until(case: Case) -> str:
    until, _ = host(case)
    order = "see with the customer what is wrong, then give the order yourself: knockfirst probe ADDRESS"
    return order if until <= case.now else f"wait until {when(until)}; {order}"


def customer_open(case: Case) -> float:
    return case.history.customer(case.holder) if case.holder is not None else NEVER
