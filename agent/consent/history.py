"""What has been knocked at, how it went, and whom to leave in peace for it: a fold over the probes in the audit log.

All times are those of the entries, in seconds since the epoch. A clock that was set back opens nothing early: what is
on record of a later time counts as of just now. A clock that was set ahead is not seen here; it is not synchronised.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from agent.privacy import one

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from agent.audit.entry import Opened

DAY = 86_400.0
COOL_DOWN = DAY  # after a bad outcome, at each of the three levels
LONG = 30 * DAY  # after two of one host with no good one between: and then only by the order of a person
MINUTE = 60.0

# Of these an outcome says that the server was bothered, or that nobody knows whether it was. A refused connection, a
# host that is not there and an answer that was not believed say nothing of the kind.
BAD = frozenset({"timeout", "tls_failed", "protocol_error", "unknown", "bug"})
GOOD = frozenset({"confirmed", "contradicted", "inconclusive"})
SLOWER = 3.0  # times its own usual time for one request
USUAL = 200.0  # milliseconds below which no answer is slow

# The breakers of a customer and of the whole: how many outcomes of the last day it takes, and which share of bad ones.
CUSTOMER_LEAST, CUSTOMER_SHARE = 3, 0.5
WHOLE_LEAST, WHOLE_SHARE = 10, 0.25

REMEMBERED = 367 * DAY  # longer than any time between two probes that can be configured
_STEP = 3600.0  # of a longer time between two entries no more is believed, when things are forgotten
_SWEEP = 4096  # entries, at the least, after which what is too old is forgotten
_STARTS = 1024  # more than can be configured to begin in a minute
RECENT = 200  # probes whose places in the log are known, and as many of those that did not go well
_REFUSALS = 2000  # entries about refusals, of an hour and a reason each

_IPV4 = one("0.0.0.0/0")[0]


class Flight(NamedTuple):
    """A probe that has begun and not ended: entry ``number`` is its intent. ``address``: None after an erasure."""

    number: int
    id: str
    address: int | None
    customer: str
    time: float


class _Host:
    """One address. ``opens``: bad outcomes with no good one between; ``pace``: mean milliseconds of ``answers``."""

    __slots__ = ("answers", "closed", "opens", "pace", "seen", "used")

    def __init__(self) -> None:
        self.used = self.closed = self.seen = float("-inf")
        self.opens = self.answers = 0
        self.pace = 0.0


class _Breaker:
    """Outcomes of the last day, by the hour: hour -> [all, bad]. Opened for a day when too many are bad."""

    __slots__ = ("closed", "hours", "seen")

    def __init__(self) -> None:
        self.closed = self.seen = float("-inf")
        self.hours: dict[int, list[int]] = {}

    def count(self, time: float, bad: bool, least: int, share: float) -> None:
        hour = int(time // 3600)
        tally = self.hours.setdefault(hour, [0, 0])
        tally[0] += 1
        tally[1] += bad
        if len(self.hours) > 48:
            self.hours = {h: t for h, t in self.hours.items() if h >= hour - 24}
        if bad:
            recent = [t for h, t in self.hours.items() if h >= hour - 24]
            known, wrong = sum(t[0] for t in recent), sum(t[1] for t in recent)
            if known >= least and wrong >= share * known:
                self.closed = max(self.closed, time + COOL_DOWN)


class History:
    """The fold. Queries return times until which something is closed: -inf where it is not. No I/O, no clock."""

    KINDS = frozenset({"probe.intent", "probe.outcome", "probe.denied", "customer.erased"})

    def __init__(self) -> None:
        self.flights: dict[int, Flight] = {}
        self.recent: dict[int, int | None] = {}  # the number of an intent -> of its outcome, the last probe last
        # The same of those that told nothing: what went well pushes none of them out.
        self.failed: dict[int, int] = {}
        self._hosts: dict[int, _Host] = {}
        self._customers: dict[str, _Breaker] = {}
        self._whole = _Breaker()
        self._flying: dict[int, int] = {}  # network, and address -> probes of it that have begun and not ended
        self._starts: list[float] = []  # the latest, in order
        self._refusals: deque[tuple[float, str, int]] = deque(maxlen=_REFUSALS)
        self._last = float("-inf")
        self._steady = 0.0  # time that has certainly passed, by which things are forgotten
        self._applied = 0

    def apply(self, entry: Opened) -> None:
        """Fold one entry; kinds that say nothing of probes are ignored."""
        if entry.kind == "probe.intent":
            self._tick(entry.time)
            self._begun(entry)
        elif entry.kind == "probe.outcome":
            self._tick(entry.time)
            self._ended(entry)
        elif entry.kind == "customer.erased" and entry.customer:
            self.forget(entry.customer, (entry.private or {}).get("asked", ()))
        elif entry.kind == "probe.denied":
            reason, count = entry.public.get("reason"), entry.public.get("count")
            if isinstance(reason, str) and isinstance(count, int):
                self._refusals.append((entry.time, reason, count))

    def forget(self, customer: str, addresses: Iterable[str]) -> None:
        """As if nothing were known of a customer, and of how it went at these addresses, where he was knocked at.

        What is counted of everybody is left as it is.
        """
        self._customers.pop(customer, None)
        for text in addresses:
            self._hosts.pop(one(text)[0], None)

    def used(self, address: int) -> float:
        """When a host was last knocked at, -inf for never."""
        host = self._hosts.get(address)
        return host.used if host else float("-inf")

    def host(self, address: int) -> tuple[float, int]:
        """Until when a host is let be after a bad outcome, and how many of those came one after another."""
        host = self._hosts.get(address)
        return (host.closed, host.opens) if host else (float("-inf"), 0)

    def customer(self, ref: str) -> float:
        """Until when the breaker of a customer is open."""
        breaker = self._customers.get(ref)
        return breaker.closed if breaker else float("-inf")

    def whole(self) -> float:
        """Until when the breaker of everybody is open."""
        return self._whole.closed

    def flying(self, address: int) -> bool:
        """Whether a probe of this host, or of its /24 or /48, is under way."""
        return network(address) in self._flying

    def starts(self, time: float) -> int:
        """How many probes have begun in the minute before ``time``, or on record of later."""
        return len(self._starts) - bisect_right(self._starts, time - MINUTE)

    def refusals(self, since: float) -> Counter[str]:
        """How often there was no leave, by the reason, as it was put on record since then."""
        found: Counter[str] = Counter()
        for time, reason, count in self._refusals:
            if time >= since:
                found[reason] += count
        return found

    def open_breakers(self, time: float) -> dict[str, int]:
        """How many breakers are open, by their level: what a metric shows."""
        return {
            "host": sum(host.closed > time for host in self._hosts.values()),
            "customer": sum(breaker.closed > time for breaker in self._customers.values()),
            "whole": int(self._whole.closed > time),
        }

    def _begun(self, entry: Opened) -> None:
        address = _address(entry)
        self.flights[entry.number] = Flight(entry.number, _word(entry, "id"), address, entry.customer, entry.time)
        self.recent[entry.number] = None
        if len(self.recent) > RECENT:
            del self.recent[next(iter(self.recent))]
        insort(self._starts, entry.time)
        del self._starts[:-_STARTS]
        if address is not None:
            host = self._host(address)
            host.used = max(host.used, entry.time)
            net = network(address)
            self._flying[net] = self._flying.get(net, 0) + 1

    def _ended(self, entry: Opened) -> None:
        number = entry.public.get("intent")
        flight = self.flights.pop(number, None) if isinstance(number, int) else None
        if number in self.recent:
            self.recent[number] = entry.number
        if isinstance(number, int) and entry.public.get("outcome") not in GOOD:
            self.failed[number] = entry.number
            if len(self.failed) > RECENT:
                del self.failed[next(iter(self.failed))]
        address = _address(entry)
        if flight is not None and flight.address is not None:
            address = flight.address
            net = network(address)
            self._flying[net] -= 1
            if not self._flying[net]:
                del self._flying[net]
        if address is not None:
            host = self._host(address)
            if flight is None:  # whenever it began, it was no later than this
                host.used = max(host.used, entry.time)
            bad = self._judge(host, entry)
        else:
            bad = entry.public.get("outcome") in BAD
        self._count(entry, flight.customer if flight else entry.customer, bad)

    def _judge(self, host: _Host, entry: Opened) -> bool:
        """Whether it went badly for this host; if so it is let be."""
        outcome, each = entry.public.get("outcome"), _each(entry)
        bad = outcome in BAD or outcome not in _KNOWN or _failed(entry) or _slow(host, each)
        if bad:
            host.opens += 1
            host.closed = max(host.closed, entry.time + (LONG if host.opens > 1 else COOL_DOWN))
        elif outcome in GOOD:
            host.opens = 0
            if each is not None:
                host.answers = min(host.answers + 1, 16)
                host.pace += (each - host.pace) / host.answers
        return bad

    def _count(self, entry: Opened, customer: str, bad: bool) -> None:
        self._whole.count(entry.time, bad, WHOLE_LEAST, WHOLE_SHARE)
        if customer:
            breaker = self._customers.get(customer)
            if breaker is None:
                breaker = self._customers[customer] = _Breaker()
            breaker.seen = self._steady
            breaker.count(entry.time, bad, CUSTOMER_LEAST, CUSTOMER_SHARE)

    def _host(self, address: int) -> _Host:
        host = self._hosts.get(address)
        if host is None:
            host = self._hosts[address] = _Host()
        host.seen = self._steady
        return host

    def _tick(self, time: float) -> None:
        if self._last < time:
            # A clock that jumped ahead and back again must not make anything be forgotten that is still young.
            self._steady += min(time - self._last, _STEP)
        self._last = time
        self._applied += 1
        # Only after as many as there are to look through, so that an entry costs the same however many there are.
        if self._applied >= _SWEEP and self._applied >= len(self._hosts):
            self._applied = 0
            self._forget(time)

    def _forget(self, time: float) -> None:
        old = self._steady - REMEMBERED
        self._hosts = {a: h for a, h in self._hosts.items() if h.seen > old or h.closed > time}
        old = self._steady - 2 * DAY
        self._customers = {c: b for c, b in self._customers.items() if b.seen > old or b.closed > time}


_KNOWN = BAD | GOOD | {"connection_refused", "unreachable", "identity_mismatch", "holder_changed", "cancelled"}


def network(address: int) -> int:
    """The first address of the /24, or for IPv6 of the /48, that an address is in."""
    return address >> 8 << 8 if address >= _IPV4 else address >> 80 << 80


def _address(entry: Opened) -> int | None:
    text = (entry.private or {}).get("address")
    try:
        return one(text)[0] if isinstance(text, str) else None
    except ValueError:
        return None


def _word(entry: Opened, name: str) -> str:
    value = entry.public.get(name)
    return value if isinstance(value, str) else ""


def _each(entry: Opened) -> float | None:
    """Milliseconds that one connection of a probe took, None where that is not known."""
    ms, connections = entry.public.get("ms"), entry.public.get("connections")
    if isinstance(ms, int) and isinstance(connections, int) and connections > 0:
        return ms / connections
    return None


def _failed(entry: Opened) -> bool:
    """Whether a response said that the server is in trouble (RFC 9110 15.6), or is asked too much (RFC 6585 4)."""
    statuses: Any = (entry.private or {}).get("statuses")
    return isinstance(statuses, list) and any(
        isinstance(status, int) and (status >= 500 or status == 429) for status in statuses
    )


def _slow(host: _Host, each: float | None) -> bool:
    return each is not None and host.answers > 0 and each > max(USUAL, SLOWER * host.pace)
