"""``consent.allow_list``: whom records let be knocked at, as prefixes that the kernel holds the prober to.

It is a second wall and decides nothing: what is not listed cannot be reached, and what is listed is not therefore
knocked at.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.errors import InputError
from agent.places import host, url
from agent.privacy import cidrs, minus, one, union

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.consent.state import Customer
    from agent.office import Office, Who
    from agent.privacy import Ranges

MOST = 512  # prefixes, unless something else is asked for
_SOON = 3600.0  # seconds before it begins at which a record is listed: the kernel learns of it later than the agent
_IPV4 = one("0.0.0.0/0")[0]
_LEAST, _GREATEST = 2, 4096


def listed(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``most``: prefixes at most; ``known``: the hash of the list that the asker has.

    Gives {"sha256", "prefixes"}, or {"sha256", "prefixes": None} where it is the one that is known. That it was read is
    put on record first. Raises InputError, AuditError.
    """
    most, known = words.get("most", MOST), words.get("known")
    if type(most) is not int or not _LEAST <= most <= _GREATEST:
        raise InputError(f"most: {most!r:.20} is no number from {_LEAST} to {_GREATEST}")
    prefixes = aggregated(reachable(office, office.now()), most)
    digest = sha256("\n".join(prefixes).encode()).hexdigest()
    if digest == known:
        yield {"sha256": digest, "prefixes": None}
        return
    office.record([Item("register.read", {"uid": who.uid, "what": "allow-list"})])
    yield {"sha256": digest, "prefixes": prefixes}


def relays(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """The hosts that the notifier has to do with, as the configuration names them: {"hosts"}. Nobody else is one."""
    notices = office.config.notices
    relay = [host(notices.relay)[0]] if notices.relay else []
    yield {"hosts": [*relay, *([url(notices.webhook)[0]] if notices.webhook else [])]}


def reachable(office: Office, now: float) -> Ranges:
    """What records with probes in their scope cover, without what they exclude or what objections take away."""
    objected = union(*(prefixes for _, prefixes in office.register.standing()))
    return minus(union(*(_of(customer, now) for customer in office.register.customers())), objected)


def _of(customer: Customer, now: float) -> Ranges:
    scopes = [
        record.scope
        for record in customer.records
        if record.ended is None
        and record.valid_from <= now + _SOON
        and now < record.valid_until
        and record.scope.probes
    ]
    if not scopes:
        return []
    excluded = union(*(scope.excluded for scope in scopes))
    return minus(union(*(scope.prefixes for scope in scopes)), excluded)


def aggregated(ranges: Ranges, most: int) -> list[str]:
    """The set as at most so many prefixes: where they are more, all are made as much shorter as that takes."""
    fits, best = -1, cidrs(ranges)
    if len(best) <= most:
        return best
    too_long = 32
    while too_long - fits > 1:
        length = (fits + too_long) // 2
        prefixes = cidrs(union([_widened(first, last, length) for first, last in ranges]))
        if len(prefixes) <= most:
            fits, best = length, prefixes
        else:
            too_long = length
    return best


def _widened(first: int, last: int, length: int) -> tuple[int, int]:
    """The range out to the borders of prefixes of that length; of IPv6, of four times that."""
    base, bits = (_IPV4, 32 - length) if first >= _IPV4 else (0, 128 - 4 * length)
    size = 1 << bits
    return base + (first - base) // size * size, base + (last - base) // size * size + size - 1
