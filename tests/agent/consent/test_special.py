"""Addresses that are nobody's server: the registries of IANA, against the interpreter's own and by hand."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent.special import LABORATORY, SPECIAL, askable, special
from agent.privacy import one

REFUSED = (
    "0.0.0.0", "0.255.255.255", "10.0.0.1", "100.64.0.0", "100.127.255.255", "127.0.0.1", "169.254.1.1", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.9", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1",
    "192.168.0.1", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.255", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::2", "::ffff:0:0", "64:ff9b::1", "64:ff9b:1::1",
    "100::1", "2001::1", "2001:10::1", "2001:db8::1", "2001:1ff::1", "2002::1", "2620:4f:8000::1", "3fff::1",
    "3fff:fff::1", "4000::1", "5f00::1", "7fff::1", "8000::1", "fc00::1", "fdff::1", "fe80::1", "fec0::1", "ff02::1",
    "1fff::1",
)  # fmt: skip
ASKABLE = (
    "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.255", "198.17.255.255", "198.20.0.0",
    "223.255.255.255", "2001:200::1", "2001:db7:ffff::1", "2001:db9::1", "2003::1", "2a00::1", "3ffe:ffff::1",
    "3fff:1000::1",
)  # fmt: skip


def _number(text: str) -> int:
    return one(text)[0]


@pytest.mark.parametrize("text", REFUSED)
def test_nobody_asks_there(text: str) -> None:
    assert not askable(_number(text), laboratory=False)
    found = special(_number(text))
    assert found
    assert found.rfc.startswith("RFC ")
    assert ip_address(text) in ip_network(found.prefix)


@pytest.mark.parametrize("text", ASKABLE)
def test_a_customer_may_be_there(text: str) -> None:
    assert askable(_number(text), laboratory=False)
    assert special(_number(text)) is None
    assert not askable(_number(text), laboratory=True)


@pytest.mark.parametrize("prefix", LABORATORY)
def test_a_laboratory_is_asked_in_itself_and_nowhere_else(prefix: str) -> None:
    first, last = one(prefix)
    for inside in (first, last):
        assert askable(inside, laboratory=True)
        assert not askable(inside, laboratory=False)
    for outside in (first - 1, last + 1):
        assert not askable(outside, laboratory=True)


@given(st.ip_addresses())
def test_what_is_not_global_to_the_interpreter_is_refused(address: object) -> None:
    """ipaddress.is_global knows the same registries, and calls multicast and some anycast global."""
    given_ = ip_address(str(address))
    number = int(given_) + (_number("0.0.0.0") if given_.version == 4 else 0)
    if not given_.is_global or given_.is_multicast:
        assert not askable(number, laboratory=False)
    # Never both: who may be asked in a laboratory may be asked nowhere else.
    assert not (askable(number, laboratory=True) and askable(number, laboratory=False))
    assert askable(number, laboratory=False) == (special(number) is None)


def test_the_table_is_canonical() -> None:
    for each in SPECIAL:
        assert str(ip_network(each.prefix)) == each.prefix
    assert len({each.prefix for each in SPECIAL}) == len(SPECIAL)


def test_the_smallest_block_is_told() -> None:
    found = special(_number("2001:db8::1"))
    assert found
    assert found.prefix == "2001:db8::/32"
