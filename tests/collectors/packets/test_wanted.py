"""Tiers of addresses, against the networks of the standard library."""

from __future__ import annotations

import time
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import InputError
from collectors.packets.wanted import ALL, ANSWERS, EVERYBODY, EVERYWHERE, HEADERS, QUIET, Tiers, Wanted, inside

Network = IPv4Network | IPv6Network


@pytest.mark.parametrize(
    "text",
    ["192.0.2.1/24", "192.0.2.0/33", "example.org", "", "2001:db8::/129", "2001:db8::1/64", "192.0.2.0/-1", "::/x"],
)
def test_what_is_no_prefix_is_the_operators_fault(text: str) -> None:
    with pytest.raises(InputError, match="write it like"):
        Tiers(("192.0.2.0/24", text))


def test_without_prefixes_nobody_is_inside() -> None:
    assert Tiers().of(bytes(4)) == Tiers().of(bytes(16)) == 0
    assert EVERYWHERE.of(bytes(4)) == EVERYWHERE.of(b"\xff" * 16) == ALL
    assert inside(()) == Wanted()
    assert Tiers().anywhere() == 0


def test_an_address_alone_is_a_prefix() -> None:
    assert Tiers(("192.0.2.7",)).of(bytes((192, 0, 2, 7))) == ALL


def test_of_those_inside_dns_may_speak_from_anywhere() -> None:
    tiers = inside(("192.0.2.0/24",)).tiers
    assert tiers.of(bytes(4)) == ANSWERS
    assert tiers.of(bytes((192, 0, 2, 0))) == ALL
    assert tiers.everywhere(ANSWERS)
    assert not tiers.everywhere(HEADERS)


def network(version: int, number: int, length: int) -> Network:
    return ip_network((number.to_bytes(4 if version == 4 else 16, "big"), length), strict=False)


networks = st.one_of(
    st.builds(network, st.just(4), st.integers(0, (1 << 32) - 1), st.integers(0, 32)),
    st.builds(network, st.just(6), st.integers(0, (1 << 128) - 1), st.integers(0, 128)),
    # Close together, so that they meet and lie in one another.
    st.builds(network, st.just(4), st.integers(0xC0000200, 0xC000020F), st.integers(26, 32)),
    st.builds(network, st.just(6), st.integers(1 << 95, (1 << 95) + 40), st.integers(120, 128)),
)
sets = st.lists(networks, max_size=6)


def borders(data: st.DataObject, of: list[Network]) -> bytes:
    """An address next to the end of one of these, where a mistake would be."""
    chosen = data.draw(st.sampled_from(of))
    first, last = int(chosen.network_address), int(chosen.broadcast_address)
    most = (1 << chosen.max_prefixlen) - 1
    number = data.draw(st.sampled_from([first, last, max(first - 1, 0), min(last + 1, most), (first + last) // 2]))
    return number.to_bytes(chosen.max_prefixlen // 8, "big")


@settings(max_examples=300)
@given(sets, sets, sets, st.data())
def test_the_tier_is_the_union_of_what_an_address_lies_in(
    handshakes: list[Network], headers: list[Network], resolvers: list[Network], data: st.DataObject
) -> None:
    tiers = Tiers(*(tuple(map(str, found)) for found in (handshakes, headers, resolvers)))
    packed = borders(data, [*handshakes, *headers, *resolvers, ip_network("192.0.2.0/24")])
    address = ip_address(packed)
    expected = 0
    for bits, found in ((ALL, handshakes), (HEADERS, headers), (ANSWERS, resolvers)):
        expected |= bits if any(address in n for n in found) else 0
    assert tiers.of(packed) == expected
    muted = tiers.without([packed])
    assert muted.of(packed) == 0
    assert muted.steps(len(packed), 0) == tiers.steps(len(packed))
    assert tiers.without([packed], https_only=True).of(packed) == (expected | QUIET if expected else 0)
    for size in (4, 16):
        for steps in (tiers.steps(size), muted.steps(size)):
            assert steps[0][0] == 0
            assert all(a[0] < b[0] < 1 << 8 * size and a[1] != b[1] for a, b in pairwise(steps))
    number = int.from_bytes(packed, "big")
    assert [tier for start, tier in muted.steps(len(packed)) if start <= number][-1] == 0


def test_neighbours_that_are_muted_stay_apart_from_what_follows() -> None:
    tiers = EVERYWHERE.without([bytes((192, 0, 2, n)) for n in (8, 7, 255)] + [b"\xff" * 4])
    first = 0xC0000207
    assert tiers.steps(4) == [
        (0, ALL), (first, 0), (first + 2, ALL), (0xC00002FF, 0), (0xC0000300, ALL), (0xFFFFFFFF, 0),
    ]  # fmt: skip
    assert tiers.steps(4, 1) == [(0, ALL), (first + 1, 0), (first + 2, ALL)]
    assert not tiers.everywhere(HEADERS)
    assert Tiers(EVERYBODY, muted=[bytes(4)]).of(bytes(4)) == 0


def test_a_hundred_thousand_prefixes_are_taken_in_half_a_second() -> None:
    """A changed set has to be in force within one."""
    prefixes = [f"{10 + n // 65536}.{n >> 8 & 255}.{n & 255}.0/25" for n in range(100_000)]
    began = time.process_time()
    tiers = Tiers(prefixes)
    assert time.process_time() - began < 0.75
    assert len(tiers.steps(4)) == 200_001
