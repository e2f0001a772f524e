"""What is to be looked at: which servers, how deeply, in which encapsulations. Filter and decoder both ask this.

A *tier* is how deeply one server address is looked at, as bits: HEADERS its SYN-ACKs, cut at the end of their TCP
header; HANDSHAKES also the first bytes that it says, and the server name that its clients ask for; ANSWERS what it
answers as a DNS server. An address of which nothing is said has none of them, and its traffic is not admitted at all.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADERS, HANDSHAKES, ANSWERS = 1, 2, 4
ALL = HEADERS | HANDSHAKES | ANSWERS

# What can be left out of looking: groups of dissectors, as a configuration names them.
DISSECTORS = ("smtp", "http", "tls", "mailbox", "dns", "tcp")
# Copies of traffic inside other packets, as a configuration names them. VLAN tags, PPPoE and MPLS need no naming.
ENCAPSULATIONS = ("gre", "erspan", "vxlan", "geneve", "gtpu", "tzsp")

# A step: from this address on (as a number), up to the next step, addresses have this tier.
Step = tuple[int, int]


class Tiers:
    """server address -> tier, for any number of prefixes."""

    def __init__(
        self,
        handshakes: Iterable[str] = (),
        headers: Iterable[str] = (),
        resolvers: Iterable[str] = (),
        muted: Iterable[bytes] = (),
    ) -> None:
        """``muted`` are packed addresses of which nothing is wanted for now. Raises InputError for no prefix."""
        given = ((handshakes, ALL), (headers, HEADERS), (resolvers, ANSWERS))
        ranges = [(*_range(cidr), bits) for cidrs, bits in given for cidr in cidrs]
        silent = list(muted)
        self._steps = {
            size: _steps(
                [(first, last, bits) for width, first, last, bits in ranges if width == size],
                [int.from_bytes(address, "big") for address in silent if len(address) == size],
            )
            for size in (4, 16)
        }
        self._starts = {size: [start for start, _ in steps] for size, steps in self._steps.items()}

    def of(self, address: bytes) -> int:
        """The tier of a packed address."""
        size = len(address)
        return self._steps[size][bisect_right(self._starts[size], int.from_bytes(address, "big")) - 1][1]

    def steps(self, size: int) -> list[Step]:
        """All of it for addresses of 4 or of 16 bytes: the first step begins at 0, and neighbours differ."""
        return self._steps[size]


def _steps(ranges: list[tuple[int, int, int]], silent: list[int]) -> list[Step]:
    """A sweep over the ends of ranges; the tier between two ends is the union of the ranges that are open there."""
    ends: dict[int, list[tuple[int, int]]] = {0: []}
    for first, last, bits in ranges:
        ends.setdefault(first, []).append((bits, 1))
        ends.setdefault(last + 1, []).append((bits, -1))
    for address in silent:
        ends.setdefault(address, []).append((0, 1))
        ends.setdefault(address + 1, []).append((0, -1))
    open_ = {HEADERS: 0, ANSWERS: 0, ALL: 0, 0: 0}
    steps: list[Step] = []
    for at in sorted(ends):
        for bits, change in ends[at]:
            open_[bits] += change
        tier = 0
        if not open_[0]:
            for bits, count in open_.items():
                tier |= bits if count else 0
        if not steps or steps[-1][1] != tier:
            steps.append((at, tier))
    return steps


def _range(cidr: str) -> tuple[int, int, int]:
    from ipaddress import ip_network

    from agent.errors import InputError

    try:
        network = ip_network(cidr)
    except ValueError as error:
        raise InputError(f"prefix {cidr!r}: {error}; write it like 192.0.2.0/24 or 2001:db8::/32") from None
    first = int(network.network_address)
    return network.max_prefixlen // 8, first, first + network.num_addresses - 1


EVERYWHERE = Tiers(("0.0.0.0/0", "::/0"))


class Wanted(NamedTuple):
    """Everything that a filter is generated from. The defaults want all of everybody, as for a capture file.

    ``ports``: only servers on these, any where it is empty. ``sample``: one SYN-ACK in so many is admitted.
    ``glimpse``: of the frames that nobody can read (unknown ethertypes, fragments) one in so many is shown, without an
    address and without payload, so that they can be counted; 0 shows none.
    """

    tiers: Tiers = EVERYWHERE
    dissectors: frozenset[str] = frozenset(DISSECTORS)
    encapsulations: frozenset[str] = frozenset()
    ports: tuple[int, ...] = ()
    sample: int = 1
    glimpse: int = 0
