"""The tree of addresses: it says what the tiers say, and where it has no room it says less."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.packets.assembler import LD_IMM, LDX_IMM, ST
from collectors.packets.tree import LENGTH, NEEDED, Tree, tree
from collectors.packets.wanted import ALL, ANSWERS, EVERYWHERE, HANDSHAKES, HEADERS, QUIET, Tiers
from tests import machine
from tests.collectors.packets.test_wanted import Network, borders, sets

_LENGTH = 99
PLENTY = 4096


def has(made: Tree, address: bytes, needed: int) -> bool:
    """Whether the tree finds that an address has all of these bits."""
    version = 4 if len(address) == 4 else 6
    before = [(LD_IMM, 0, 0, needed), (ST, 0, 0, NEEDED), (LD_IMM, 0, 0, _LENGTH), (ST, 0, 0, LENGTH)]
    program = [*before, (LDX_IMM, 0, 0, 0), (LD_IMM, 0, 0, version), *made.instructions]
    length = machine.run(program, address, len(address))
    assert length in (0, _LENGTH)
    return length > 0


def said(made: Tree, address: bytes) -> int:
    """The tier that the tree finds."""
    return sum(bit for bit in (HEADERS, HANDSHAKES, ANSWERS) if has(made, address, bit))


@settings(max_examples=300)
@given(sets, sets, sets, st.data())
def test_the_tree_says_what_the_tiers_say(
    handshakes: list[Network], headers: list[Network], resolvers: list[Network], data: st.DataObject
) -> None:
    tiers = Tiers(*(tuple(map(str, found)) for found in (handshakes, headers, resolvers)))
    every = [*handshakes, *headers, *resolvers]
    if not every:
        return
    muted = tiers.without([borders(data, every)])
    address = borders(data, every)
    for each in (tiers, muted):
        made = tree(each, PLENTY)
        assert (made.demoted, made.unmuted) == (0, 0)
        assert said(made, address) == each.of(address)


@settings(max_examples=300)
@given(sets, sets, sets, st.integers(20, 90), st.data())
def test_without_room_it_never_says_more_but_of_headers(
    handshakes: list[Network], headers: list[Network], resolvers: list[Network], room: int, data: st.DataObject
) -> None:
    tiers = Tiers(*(tuple(map(str, found)) for found in (handshakes, headers, resolvers)))
    every = [*handshakes, *headers, *resolvers]
    if not every:
        return
    made = tree(tiers, room)
    assert len(made.instructions) <= room
    address = borders(data, every)
    found, right = said(made, address), tiers.of(address)
    assert not found & ~right & (HANDSHAKES | ANSWERS)
    assert not right & ~found & HEADERS
    if right & ~found & (HANDSHAKES | ANSWERS):
        assert made.demoted > 0


def apart(count: int) -> list[str]:
    return [f"{20 + (n >> 14)}.{n >> 6 & 255}.{(n & 63) * 4}.0/24" for n in range(count)]


@pytest.mark.parametrize("count", [100, 500, 1000])
def test_a_range_costs_two_instructions_and_little_more(count: int) -> None:
    assert len(tree(Tiers(apart(count)), PLENTY).instructions) < 2.12 * count + 20


@pytest.mark.parametrize("count", [2_000, 20_000])
def test_the_room_is_used(count: int) -> None:
    """And as many ranges as fit keep what they have."""
    r = random.Random(count)
    prefixes = [f"{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)}.0/24" for _ in range(count)]
    made = tree(Tiers(prefixes), 3_000)
    assert 2_600 < len(made.instructions) <= 3_000
    assert 0 < made.demoted < count - 100


def test_small_ranges_go_first() -> None:
    large = [f"{n}.0.0.0/9" for n in range(1, 200)]
    made = tree(Tiers([*large, *apart_in(large)]), 700)
    assert made.demoted > 0
    assert all(said(made, bytes((n, 1, 1, 1))) == ALL for n in range(1, 200))


def apart_in(large: list[str]) -> list[str]:
    """Small ranges, each not far behind a large one."""
    return [f"{text.partition('.')[0]}.{192 + m}.0.0/30" for text in large for m in (0, 8)]


def test_a_range_within_headers_is_treated_like_what_is_around_it() -> None:
    tiers = Tiers([f"10.0.{n}.0/24" for n in range(0, 256, 2)], ("10.0.0.0/8",))
    made = tree(tiers, 100)
    assert made.demoted > 30
    assert all(has(made, bytes((10, 0, n, 1)), HEADERS) for n in range(256))
    # Nobody outside is shown more of because of that.
    assert not has(made, bytes((11, 0, 0, 0)), HEADERS)


def muted_servers(count: int) -> list[bytes]:
    return [bytes((10, n >> 7, n * 2 & 255, 9)) for n in range(count)]


def test_of_the_muted_those_go_for_which_there_is_no_room() -> None:
    made = tree(EVERYWHERE.without(muted_servers(1_000)), 1_000)
    assert 500 < made.unmuted < 620
    assert made.demoted == 0
    assert 930 < len(made.instructions) <= 1_000
    kept = sum(said(made, address) == 0 for address in muted_servers(1_000))
    assert kept == 1_000 - made.unmuted


def test_all_of_the_muted_go_before_a_prefix_does() -> None:
    made = tree(Tiers(apart(600), muted=muted_servers(500)), 1_000)
    assert made.unmuted == 500
    assert made.demoted > 0
    filled = tree(Tiers(apart(450), muted=[bytes((20, 0, n * 4, 9)) for n in range(60)]), 970)
    assert filled.demoted == 0
    assert 0 < filled.unmuted <= 60


def test_a_quiet_address_lacks_only_its_https() -> None:
    made = tree(EVERYWHERE.without([bytes((192, 0, 2, 7))], https_only=True), PLENTY)
    for address, heard in ((bytes((192, 0, 2, 7)), False), (bytes((192, 0, 2, 8)), True), (bytes(16), True)):
        assert has(made, address, HANDSHAKES)
        assert has(made, address, HANDSHAKES | QUIET) == heard


def test_a_hundred_thousand_prefixes_take_less_than_half_a_second() -> None:
    r = random.Random("many")
    four = [
        f"{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(2) * 128}/25" for _ in range(90_000)
    ]
    six = [f"2001:{r.randrange(65536):x}:{r.randrange(65536):x}::/48" for _ in range(10_000)]
    tiers = Tiers([*four[:60_000], *six], four[60_000:])
    began = time.process_time()
    made = tree(tiers, 2_200)
    assert time.process_time() - began < 0.75
    assert 1_700 < len(made.instructions) <= 2_200
