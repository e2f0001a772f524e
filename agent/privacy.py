"""Who is looked at, and how deeply: sets of addresses, and the two tiers that the configuration makes of them.

A set is a list of ranges of numbers, sorted, disjoint and not touching. IPv6 addresses are their own number and IPv4
addresses stand beyond the last of them, so that both families are one line of numbers and every operation is one sweep.
Nothing here reads a file: agent/prefixes.py does.
"""

from __future__ import annotations

from itertools import chain, pairwise
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

Ranges = list[tuple[int, int]]

# Where IPv4 begins: a power of two, so that prefixes stay aligned, and not the one after IPv6's last, lest they touch.
_IPV4 = 1 << 129
_END = 1 << 130  # behind everything

# A length as it is written, and the bits behind it.
_HOSTS4 = {str(length): (1 << 32 - length) - 1 for length in range(33)}
_HOSTS6 = {str(length): (1 << 128 - length) - 1 for length in range(129)}

_LIKE = "write it like 192.0.2.0/24 or 2001:db8::/32"


class Sets(NamedTuple):
    """The sets of addresses that a decision rests on. ``customers``: whoever may be looked at at all."""

    customers: Ranges = []  # noqa: RUF012  (never changed: every operation makes new ones)
    consented: Ranges = []  # noqa: RUF012
    announced: Ranges = []  # noqa: RUF012
    objected: Ranges = []  # noqa: RUF012
    excluded: Ranges = []  # noqa: RUF012


def tiers(handshakes: str, sets: Sets) -> tuple[Ranges, Ranges]:
    """Whose handshakes are looked at by the setting ``privacy.handshakes``, and of whom headers alone. Disjoint.

    An objection or an exclusion adds no address to what is looked at, and no objection adds a handshake.
    """
    agreed = {
        "consented": sets.consented,
        "announced": union(sets.announced, sets.consented),
        "unless-objected": sets.customers,
        "off": [],
    }[handshakes]
    admitted = minus(sets.customers, sets.excluded)
    whole = minus(common(agreed, admitted), sets.objected)
    return whole, minus(admitted, whole)


def union(*sets: Iterable[tuple[int, int]]) -> Ranges:
    """The set of what is in any of these; they need be neither sorted nor disjoint."""
    made: Ranges = []
    end = -2  # of what was made so far; touches nothing yet
    for each in sorted(chain(*sets)):
        first, last = each
        if first > end + 1:
            made.append(each)
            end = last
        elif last > end:
            made[-1] = (made[-1][0], last)
            end = last
    return made


def minus(left: Ranges, right: Ranges) -> Ranges:
    """What is in the first set and not in the second."""
    # The gaps of the second set, and what stands before and behind all of it.
    gaps = [(last + 1, first - 1) for (_, last), (first, _) in pairwise([(-1, -1), *right, (_END, _END)])]
    return common(left, gaps) if right else left


def common(left: Ranges, right: Ranges) -> Ranges:
    """What is in both sets. An empty range in the second is nothing."""
    if left == right:
        return left
    made: Ranges = []
    add, count, at = made.append, len(right), 0
    for first, last in left:
        while at < count and right[at][1] < first:
            at += 1
        while at < count:
            low, high = right[at]
            if low > last:
                break
            if low <= high:
                add((low if low > first else first, high if high < last else last))
            if high > last:
                break
            at += 1
    return made


def cidrs(ranges: Ranges) -> list[str]:
    """The fewest prefixes that are this set, IPv6 first, each family in order."""
    return list(map(_written, *_pieces(ranges)))


def _pieces(ranges: Ranges) -> tuple[list[int], list[int]]:
    """The same: the first addresses, and how many bits each leaves free. There may be half a million."""
    firsts: list[int] = []
    sizes: list[int] = []
    for first, end in ranges:
        at, host = first, end - first
        if not host & (host + 1) and not at & host:  # a prefix itself, as nearly always
            firsts.append(at)
            sizes.append(host.bit_length())
            continue
        while at <= end:
            # As large as its alignment lets it begin here, and as what is left lets it end.
            bits = (end - at + 1).bit_length() - 1
            bits = min(bits, (at & -at).bit_length() - 1) if at else bits
            firsts.append(at)
            sizes.append(bits)
            at += 1 << bits
    return firsts, sizes


def largest(ranges: Ranges, room: int) -> tuple[list[str], bool]:
    """As many prefixes of this set as ``room`` bytes of JSON hold, the largest first to stay, and whether that is all.

    For the tier ``handshakes`` what goes becomes ``headers``, and what goes there is not looked at: it fails private.
    """
    firsts, sizes = _pieces(ranges)
    texts: dict[int, str] = {}
    for place in sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True):
        text = texts[place] = _written(firsts[place], sizes[place])
        room -= len(text) + 3
        if room < 0:
            del texts[place]
            break
    return [texts[place] for place in sorted(texts)], len(texts) == len(sizes)


def one(text: str) -> tuple[int, int]:
    """The range of one prefix; an address without a length is itself alone. Raises ValueError: what would be right."""
    written, slash, length = text.partition("/")
    family, base, hosts = (AF_INET6, 0, _HOSTS6) if ":" in written else (AF_INET, _IPV4, _HOSTS4)
    try:
        first = int.from_bytes(inet_pton(family, written), "big")
    except (OSError, ValueError):
        raise ValueError(f"is not a prefix; {_LIKE}") from None
    host = hosts.get(length) if slash else 0
    if host is None:
        raise ValueError(f"does not end with a length from 0 to {len(hosts) - 1}; {_LIKE}")
    if first & host:
        meant = _written(base + (first & ~host), host.bit_length())
        raise ValueError(f"has bits set behind its length; the prefix is {meant}")
    return base + first, base + first + host


def _written(first: int, bits: int) -> str:
    """A prefix by its first address and how many bits it leaves free."""
    if first >= _IPV4:
        return f"{inet_ntop(AF_INET, (first - _IPV4).to_bytes(4, 'big'))}/{32 - bits}"
    return f"{inet_ntop(AF_INET6, first.to_bytes(16, 'big'))}/{128 - bits}"


EVERYBODY: Ranges = union([one("0.0.0.0/0"), one("::/0")])
