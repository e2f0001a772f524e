"""Sets of addresses against the plainest model there is, a Python set; and what no setting may ever do."""

from __future__ import annotations

from ipaddress import collapse_addresses, ip_network
from itertools import pairwise
from time import thread_time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import privacy
from agent.privacy import Sets
from agent.sections import Privacy

SETTINGS = get_args(Privacy.model_fields["handshakes"].annotation)

# A small world of 64 addresses for each family, so that sets meet often; the model is the set of numbers.
BASES = (privacy.one("192.0.2.64")[0], privacy.one("2001:db8::40")[0])
RANGES = st.lists(
    st.builds(
        lambda base, first, size: (base + first, base + min(first + size, 63)),
        st.sampled_from(BASES), st.integers(0, 63), st.integers(0, 12),
    ),
    max_size=6,
).map(privacy.union)  # fmt: skip
SETS = st.builds(Sets, RANGES, RANGES, RANGES, RANGES, RANGES)


def model(ranges: privacy.Ranges) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


def normal(ranges: privacy.Ranges) -> bool:
    """Sorted, disjoint, not touching, none empty."""
    return all(a[1] + 1 < b[0] for a, b in pairwise(ranges)) and all(a <= b for a, b in ranges)


@given(RANGES, RANGES)
def test_operations_are_those_of_sets(left: privacy.Ranges, right: privacy.Ranges) -> None:
    for made, wanted in (
        (privacy.union(left, right), model(left) | model(right)),
        (privacy.minus(left, right), model(left) - model(right)),
        (privacy.common(left, right), model(left) & model(right)),
    ):
        assert normal(made)
        assert model(made) == wanted


@given(RANGES)
def test_prefixes_are_the_set_and_as_few_as_can_be(ranges: privacy.Ranges) -> None:
    texts = privacy.cidrs(ranges)
    assert privacy.union(map(privacy.one, texts)) == ranges
    for version in (4, 6):
        networks = [n for n in map(ip_network, texts) if n.version == version]
        assert list(collapse_addresses(networks)) == networks  # type: ignore[type-var]


@given(st.sampled_from(SETTINGS), SETS)
def test_the_tiers_are_what_is_documented(setting: str, sets: Sets) -> None:
    customers, consented, announced, objected, excluded = map(model, sets)
    agreed = {
        "consented": consented - objected,
        "announced": (announced | consented) - objected,
        "unless-objected": customers - objected,
        "off": set(),
    }[setting]
    whole, heads = map(model, privacy.tiers(setting, sets))
    assert whole == (agreed & customers) - excluded
    assert heads == customers - whole - excluded


@given(st.sampled_from(SETTINGS), SETS, RANGES)
def test_an_objection_and_an_exclusion_add_nothing(setting: str, sets: Sets, more: privacy.Ranges) -> None:
    whole, heads = map(model, privacy.tiers(setting, sets))
    after, after_heads = map(model, privacy.tiers(setting, sets._replace(objected=privacy.union(sets.objected, more))))
    assert after == whole - model(more)
    assert after | after_heads == whole | heads
    after, after_heads = map(model, privacy.tiers(setting, sets._replace(excluded=privacy.union(sets.excluded, more))))
    assert (after, after_heads) == (whole - model(more), heads - model(more))


@given(RANGES)
def test_what_fits_are_the_largest(ranges: privacy.Ranges) -> None:
    texts = privacy.cidrs(ranges)
    sizes = {text: privacy.one(text)[1] - privacy.one(text)[0] for text in texts}
    for room in range(0, 80, 7):
        kept, whole = privacy.largest(ranges, room)
        assert whole == (kept == texts)
        left = [text for text in texts if text not in kept]
        assert sum(len(text) + 3 for text in kept) <= room
        assert kept == [text for text in texts if text in kept]
        assert not left or not kept or max(sizes[t] for t in left) <= min(sizes[t] for t in kept)
    assert privacy.largest(ranges, 10_000) == (texts, True)


@given(st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16), st.integers(0, 128))
def test_a_prefix_is_read_as_the_library_reads_it(packed: bytes, length: int) -> None:
    network = ip_network((packed, min(length, 8 * len(packed))), strict=False)
    first, last = privacy.one(str(network))
    assert last - first + 1 == network.num_addresses
    assert privacy.cidrs([(first, last)]) == [str(network)]
    assert privacy.one(str(network.network_address)) == (first, first)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("example.org", "is not a prefix; write it like 192.0.2.0/24 or 2001:db8::/32"),
        ("", "is not a prefix; "),
        ("192.0.2.0/", "does not end with a length from 0 to 32; "),
        ("192.0.2.0/33", "does not end with a length from 0 to 32; "),
        ("192.0.2.0/255.255.255.0", "does not end with a length from 0 to 32; "),
        ("192.0.2.0/ 24", "does not end with a length from 0 to 32; "),
        ("192.0.2.0/٢", "does not end with a length from 0 to 32; "),
        ("2001:db8::/129", "does not end with a length from 0 to 128; "),
        ("192.0.2/24", "is not a prefix; "),
        ("192.0.02.0/24", "is not a prefix; "),
        ("192.0.2.0\0/24", "is not a prefix; "),
        ("fe80::1%eth0", "is not a prefix; "),
        ("192.0.2.1/24", "has bits set behind its length; the prefix is 192.0.2.0/24"),
        ("2001:db8::1/64", "has bits set behind its length; the prefix is 2001:db8::/64"),
        ("0.0.0.1/0", "has bits set behind its length; the prefix is 0.0.0.0/0"),
    ],
)
def test_what_is_no_prefix_says_what_would_be_right(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"is not|does not|has bits") as caught:
        privacy.one(text)
    assert str(caught.value).startswith(said)


def test_everybody_is_two_prefixes() -> None:
    assert privacy.cidrs(privacy.EVERYBODY) == ["::/0", "0.0.0.0/0"]
    assert privacy.minus(privacy.EVERYBODY, privacy.EVERYBODY) == []


def test_a_hundred_thousand_prefixes_take_a_fraction_of_a_second_of_a_processor() -> None:
    """Ten times what it takes on a slow machine: a step that grows with the square would take minutes."""
    objected = privacy.union(privacy.one(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(0, 400_000, 4))
    customers = privacy.union([privacy.one("10.0.0.0/8"), privacy.one("2001:db8::/32")])
    began = thread_time()
    _, heads = privacy.tiers("unless-objected", Sets(customers=customers, objected=objected))
    assert thread_time() - began < 3.0
    assert len(heads) == 100_000
    assert model(heads) == model(objected)
