"""What is to be looked at: which servers, how deeply, in which encapsulations. Filter and decoder both ask this.

A *tier* is how deeply one server address is looked at, as bits: HEADERS its SYN-ACKs, cut at the end of their TCP
header; HANDSHAKES also the first bytes that it says, and the server name that its clients ask for; ANSWERS what it
answers as a DNS server. An address of which nothing is said has none of them, and its traffic is not admitted at all.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from socket import AF_INET, AF_INET6, inet_pton
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADERS, HANDSHAKES, ANSWERS = 1, 2, 4
ALL = HEADERS | HANDSHAKES | ANSWERS
QUIET = 8  # of an address that is looked at: but nothing of its port 443 is wanted for now

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
        ranges: dict[int, list[tuple[int, int, int]]] = {4: [], 16: []}
        for kind, cidrs in enumerate((headers, handshakes, resolvers)):
            for cidr in cidrs:
                size, first, after = _range(cidr)
                ranges[size].append((kind, first, after))
        self._steps = {size: _steps(found, 1 << 8 * size) for size, found in ranges.items()}
        self._starts = {size: [start for start, _ in steps] for size, steps in self._steps.items()}
        # Whom nothing is wanted of for now, the most important first; True where it is but nothing of port 443.
        self.muted = dict.fromkeys(muted, False)

    def without(self, addresses: Iterable[bytes], *, https_only: bool = False) -> Tiers:
        """The same, but of these packed addresses nothing more is wanted, or nothing of their port 443."""
        other = Tiers.__new__(Tiers)
        other._steps, other._starts = self._steps, self._starts
        more = dict.fromkeys(addresses, https_only)
        other.muted = self.muted | ({a: more[a] for a in more if a not in self.muted} if https_only else more)
        return other

    @property
    def quiet(self) -> bool:
        """Whether of some addresses only port 443 is not wanted."""
        return any(self.muted.values())

    def of(self, address: bytes) -> int:
        """The tier of a packed address."""
        size = len(address)
        tier = self._steps[size][bisect_right(self._starts[size], int.from_bytes(address, "big")) - 1][1]
        https_only = self.muted.get(address)
        return tier if https_only is None else _silenced(tier, https_only=https_only)

    def steps(self, size: int, muted: int | None = None) -> list[Step]:
        """All of it for addresses of 4 or of 16 bytes: the first step begins at 0, and neighbours differ.

        ``muted``: only so many of the muted addresses are left out, the first.
        """
        steps = self._steps[size]
        silent = {int.from_bytes(a, "big"): h for a, h in islice(self.muted.items(), muted) if len(a) == size}
        return _left_out(steps, self._starts[size], silent, 1 << 8 * size) if silent else steps

    def everywhere(self, bits: int) -> bool:
        """Whether every address has these bits, and none is muted."""
        return not self.muted and all(tier & bits == bits for steps in self._steps.values() for _, tier in steps)

    def anywhere(self) -> int:
        """All bits that some address has."""
        found = 0
        for steps in self._steps.values():
            for _, tier in steps:
                found |= tier
        return found


# Which kinds of ranges are open at a place, as bits in the order of `Tiers` -> the tier there.
_OPEN = tuple(
    (HEADERS if open_ & 1 else 0) | (ALL if open_ & 2 else 0) | (ANSWERS if open_ & 4 else 0) for open_ in range(8)
)


def _silenced(tier: int, *, https_only: bool) -> int:
    return tier | QUIET if tier and https_only else 0


def _left_out(steps: list[Step], starts: list[int], silent: dict[int, bool], end: int) -> list[Step]:
    """The steps with these addresses silenced, all of each or only its port 443."""
    at = dict(steps)
    for address in sorted(silent):
        tier = steps[bisect_right(starts, address) - 1][1]
        at[address] = _silenced(tier, https_only=silent[address])
        if address + 1 < end:
            at.setdefault(address + 1, tier)
    return distinct(sorted(at.items()))


def _steps(ranges: list[tuple[int, int, int]], end: int) -> list[Step]:
    """A sweep over the ends of ranges (kind, first, after); the tier between two ends is that of what is open there."""
    # An end is one number, since numbers are sorted fast: where it is, which kind, and whether one begins.
    ends = [first << 3 | kind << 1 | 1 for kind, first, _ in ranges]
    ends += [after << 3 | kind << 1 for kind, _, after in ranges]
    ends.sort()
    steps: list[Step] = []
    open_ = [0, 0, 0]
    now, tier = 0, -1
    for each in (*ends, end << 3):
        place = each >> 3
        if place != now:
            found = _OPEN[(open_[0] > 0) | (open_[1] > 0) << 1 | (open_[2] > 0) << 2]
            if found != tier:
                steps.append((now, found))
                tier = found
            now = place
        open_[each >> 1 & 3] += 1 if each & 1 else -1
    return steps


def distinct(steps: Iterable[Step]) -> list[Step]:
    """Without the steps that change nothing."""
    before = -1
    out = []
    for step in steps:
        if step[1] != before:
            out.append(step)
            before = step[1]
    return out


def _range(cidr: str) -> tuple[int, int, int]:
    """Bytes of an address, the first address, and the one after the last."""
    address, _, length = cidr.partition("/")
    size, family = (16, AF_INET6) if ":" in address else (4, AF_INET)
    try:
        first, bits = int.from_bytes(inet_pton(family, address), "big"), 8 * size - int(length)
    except (ValueError, OSError):
        return _range_of_network(cidr)
    if not 0 <= bits <= 8 * size or first & ((1 << bits) - 1):
        return _range_of_network(cidr)
    return size, first, first + (1 << bits)


def _range_of_network(cidr: str) -> tuple[int, int, int]:
    """The rare forms, and the words for what is none."""
    from ipaddress import ip_network

    from agent.errors import InputError

    try:
        network = ip_network(cidr)
    except ValueError as error:
        raise InputError(f"prefix {cidr!r}: {error}; write it like 192.0.2.0/24 or 2001:db8::/32") from None
    first = int(network.network_address)
    return network.max_prefixlen // 8, first, first + network.num_addresses


class Withdrawn:
    """What was taken back since the tiers were made: of some prefixes the first bytes, of others the headers too."""

    def __init__(self, handshakes: Iterable[str] = (), headers: Iterable[str] = ()) -> None:
        """Raises InputError for no prefix."""
        self._taken = Tiers(handshakes=headers, headers=handshakes)

    def left(self, address: bytes, tier: int) -> int:
        """What a packed address has left of its tier."""
        taken = self._taken.of(address)
        if taken & HANDSHAKES:
            return 0
        return tier & HEADERS if taken else tier


EVERYBODY = ("0.0.0.0/0", "::/0")
EVERYWHERE = Tiers(EVERYBODY)


class Wanted(NamedTuple):
    """Everything that a filter is generated from. The defaults want all of everybody, as for a capture file.

    ``ports``: only servers on these, any where it is empty. ``sample``: one SYN-ACK in so many is admitted.
    ``glimpse``: of the frames that nobody can read (unknown ethertypes, fragments) one in so many is shown, without an
    address and without payload, so that they can be counted; 0 shows none. ``sources``: packed addresses that we knock
    from, whose SYNs are shown up to their payload, whoever they are for.
    """

    tiers: Tiers = EVERYWHERE
    dissectors: frozenset[str] = frozenset(DISSECTORS)
    encapsulations: frozenset[str] = frozenset()
    ports: tuple[int, ...] = ()
    sample: int = 1
    glimpse: int = 0
    sources: tuple[bytes, ...] = ()


def inside(prefixes: Iterable[str]) -> Wanted:
    """Servers in these prefixes, or everybody where none are named; DNS may say from anywhere what it says of them."""
    given = tuple(prefixes)
    return Wanted(Tiers(given, resolvers=EVERYBODY)) if given else Wanted()
