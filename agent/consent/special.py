"""Addresses that are nobody's server, whoever is said to hold them: the IANA special-purpose address registries.

https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry, with multicast (RFC 5771, RFC 4291) and what RFC 4291 has
never given out as global unicast. More is refused than those registries call unreachable: anycast, translation and
tunnels end at somebody else than who is asked about.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from agent.privacy import one, union


class Special(NamedTuple):
    """A block of the registries, and the document that sets it apart."""

    prefix: str
    name: str
    rfc: str


SPECIAL = (
    Special("0.0.0.0/8", "this network", "RFC 791"),
    Special("10.0.0.0/8", "private use", "RFC 1918"),
    Special("100.64.0.0/10", "shared among the customers of one provider", "RFC 6598"),
    Special("127.0.0.0/8", "loopback", "RFC 1122"),
    Special("169.254.0.0/16", "link-local", "RFC 3927"),
    Special("172.16.0.0/12", "private use", "RFC 1918"),
    Special("192.0.0.0/24", "IETF protocol assignments", "RFC 6890"),
    Special("192.0.2.0/24", "documentation", "RFC 5737"),
    Special("192.31.196.0/24", "AS112", "RFC 7535"),
    Special("192.52.193.0/24", "AMT", "RFC 7450"),
    Special("192.88.99.0/24", "6to4 relay anycast", "RFC 7526"),
    Special("192.168.0.0/16", "private use", "RFC 1918"),
    Special("192.175.48.0/24", "AS112", "RFC 7534"),
    Special("198.18.0.0/15", "benchmarking", "RFC 2544"),
    Special("198.51.100.0/24", "documentation", "RFC 5737"),
    Special("203.0.113.0/24", "documentation", "RFC 5737"),
    Special("224.0.0.0/4", "multicast", "RFC 5771"),
    Special("240.0.0.0/4", "reserved, and limited broadcast", "RFC 1112"),
    Special("::/128", "unspecified", "RFC 4291"),
    Special("::1/128", "loopback", "RFC 4291"),
    Special("::/96", "IPv4-compatible", "RFC 4291"),
    Special("::ffff:0:0/96", "IPv4-mapped", "RFC 4291"),
    Special("64:ff9b::/96", "translation to IPv4 (NAT64)", "RFC 6052"),
    Special("64:ff9b:1::/48", "translation to IPv4, local", "RFC 8215"),
    Special("100::/64", "discard only", "RFC 6666"),
    Special("100:0:0:1::/64", "dummy", "RFC 9780"),
    Special("2001::/32", "Teredo", "RFC 4380"),
    Special("2001::/23", "IETF protocol assignments", "RFC 2928"),
    Special("2001:db8::/32", "documentation", "RFC 3849"),
    Special("2002::/16", "6to4", "RFC 3056"),
    Special("2620:4f:8000::/48", "AS112", "RFC 7534"),
    Special("3fff::/20", "documentation", "RFC 9637"),
    Special("5f00::/16", "segment routing", "RFC 9602"),
    Special("fc00::/7", "unique local", "RFC 4193"),
    Special("fe80::/10", "link-local", "RFC 4291"),
    Special("fec0::/10", "site-local", "RFC 3879"),
    Special("ff00::/8", "multicast", "RFC 4291"),
    # Whatever is outside 2000::/3 was never given to anybody.
    Special("::/3", "not global unicast", "RFC 4291"),
    Special("4000::/2", "not global unicast", "RFC 4291"),
    Special("8000::/1", "not global unicast", "RFC 4291"),
)

# What a laboratory is made of, and where knocking in one has to stay.
LABORATORY = (
    "127.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "::1/128", "2001:db8::/32", "3fff::/20",
)  # fmt: skip

_SPECIAL = union(one(special.prefix) for special in SPECIAL)
_LABORATORY = union(one(text) for text in LABORATORY)
# Firsts and lasts in one line, with both ends: whoever stands behind an odd number of them stands inside.
_SPECIAL_ENDS = [end for first, last in _SPECIAL for end in (first, last + 1)]
_LABORATORY_ENDS = [end for first, last in _LABORATORY for end in (first, last + 1)]


def askable(address: int, laboratory: bool) -> bool:
    """Whether there can be a customer's server at an address: in a laboratory, only at a laboratory's."""
    if laboratory:
        return bisect_right(_LABORATORY_ENDS, address) & 1 == 1
    return bisect_right(_SPECIAL_ENDS, address) & 1 == 0


def special(address: int) -> Special | None:
    """The smallest block of the registries that an address is in."""
    found = [each for each in SPECIAL if (r := one(each.prefix))[0] <= address <= r[1]]
    return min(found, key=lambda each: (r := one(each.prefix))[1] - r[0]) if found else None
