"""Whose an address is, against a model that looks at every word that was ever said; and addresses that change hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent.mapping import Mapping
from agent.privacy import one
from tests.agent.consent import registers
from tests.agent.consent.registers import ADDRESSES, DAY, Event, at, mapped, register, unmapped

if TYPE_CHECKING:
    from agent.consent.state import Mapped

WORDS = st.lists(st.one_of(registers._mapped, registers._mapped, registers._unmapped), max_size=16)
HOST = one("192.0.2.1")[0]


def holders(*events: Event, address: int = HOST, received: float = 0.0) -> list[tuple[str, str]]:
    return [(one.customer, one.source) for one in register(events, received).holders(address)]


def before(*events: Event, address: int = HOST, received: float = 0.0) -> list[float | None]:
    """The days on which the address was taken from somebody else, of each holder."""
    found = register(events, received).holders(address)
    return [None if one.before is None else (one.before - at(0)) / DAY for one in found]


def model(events: list[Event], address: int) -> set[tuple[str, str, str]]:
    """Customer, source and kind: the last word on each pair of a prefix and a customer, and the longest prefix."""
    words: dict[tuple[str, int, int, str], list[tuple[str, bool, int]]] = {}
    for kind, written, customer in events:
        for text in written["prefixes"]:
            first, last = one(text)
            if first <= address <= last:
                doubt = ("static", "dynamic", "shared", "unknown").index(written.get("kind", "static"))
                word = (written["at"], kind == "mapping.withdrawn", doubt)
                words.setdefault((written["source"], first, last, customer), []).append(word)
    standing = {key: max(told) for key, told in words.items() if not max(told)[1]}
    longest = {
        source: max(key[1] - key[2] for key in standing if key[0] == source) for source in {key[0] for key in standing}
    }
    kinds = ("static", "dynamic", "shared", "unknown")
    return {
        (customer, source, kinds[standing[source, first, last, customer][2]])
        for source, first, last, customer in standing
        if first - last == longest[source]
    }


@given(WORDS)
def test_the_last_word_of_each_source_by_its_longest_prefix(events: list[Event]) -> None:
    made = register(events)
    for address in ADDRESSES:
        assert {(each.customer, each.source, each.kind) for each in made.holders(address)} == model(events, address)


@given(WORDS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_says_nothing(events: list[Event], random) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    one_way, other = register(events), register(shuffled)
    for address in ADDRESSES:
        assert set(one_way.holders(address)) == set(other.holders(address))


@given(WORDS)
def test_stretches_are_what_addresses_are(events: list[Event]) -> None:
    made = register(events)
    stretches = list(made.segments())
    behind = -1
    for first, last, claims in stretches:
        assert behind < first <= last
        behind = last
        assert set(made.holders(first)) == set(made.holders(last)) == set(claims)
    for address in ADDRESSES:
        inside = [set(claims) for first, last, claims in stretches if first <= address <= last]
        assert inside == ([set(made.holders(address))] if made.holders(address) else [])


@given(WORDS, st.integers(0, 60))
def test_what_has_ended_is_left_out_and_no_wider_prefix_comes_in(events: list[Event], day: int) -> None:
    made = register(events)
    for address in ADDRESSES:
        lasting = [one for one in made.holders(address) if one.until is None or one.until > at(day)]
        assert list(made.holders(address, at(day))) == lasting


TABLE: list[tuple[str, list[Event], list[tuple[str, str]]]] = [
    ("nobody said anything", [], []),
    ("one source", [mapped("c-1")], [("c-1", "crm")]),
    ("the provider's own block around it", [mapped("isp", 0, "192.0.0.0/16"), mapped("c-1")], [("c-1", "crm")]),
    ("in the other order", [mapped("c-1"), mapped("isp", 0, "192.0.0.0/16")], [("c-1", "crm")]),
    (
        "sources that agree",
        [mapped("c-1"), mapped("c-1", 0, "192.0.2.0/25", source="netbox")],
        [("c-1", "netbox"), ("c-1", "crm")],
    ),
    (
        "sources that disagree",
        [mapped("c-1"), mapped("c-2", 0, "192.0.2.0/25", source="netbox")],
        [("c-2", "netbox"), ("c-1", "crm")],
    ),
    ("two customers of one prefix", [mapped("c-1"), mapped("c-2", 1)], [("c-1", "crm"), ("c-2", "crm")]),
    ("withdrawn", [mapped("c-1"), unmapped("c-1", 1)], []),
    ("withdrawn at the same time", [mapped("c-1"), unmapped("c-1", 0)], []),
    ("withdrawn by another source", [mapped("c-1"), unmapped("c-1", 1, source="netbox")], [("c-1", "crm")]),
    ("withdrawn before it was given", [mapped("c-1", 2), unmapped("c-1", 1)], [("c-1", "crm")]),
    ("heard of late, and long withdrawn", [unmapped("c-1", 2), mapped("c-1", 1)], []),
    ("given again", [mapped("c-1"), unmapped("c-1", 1), mapped("c-1", 2)], [("c-1", "crm")]),
]


@pytest.mark.parametrize(("what", "events", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_holders(what: str, events: list[Event], expected: list[tuple[str, str]]) -> None:
    assert holders(*events) == expected


HANDED: list[tuple[str, list[Event], list[float | None]]] = [
    ("nobody had it before", [mapped("c-1")], [None]),
    ("handed over by one source", [mapped("c-1"), unmapped("c-1", 5), mapped("c-2", 5)], [5]),
    ("handed over, told in the other order", [mapped("c-2", 5), unmapped("c-1", 5), mapped("c-1")], [5]),
    ("his own again", [mapped("c-1"), unmapped("c-1", 5), mapped("c-1", 6)], [None]),
    ("back from somebody else", [mapped("c-1"), unmapped("c-1", 5), mapped("c-2", 5), unmapped("c-2", 7),
        mapped("c-1", 7)], [7]),
    ("another source had it", [mapped("c-1", source="netbox"), unmapped("c-1", 5, source="netbox"),
        mapped("c-2", 6)], [5]),
    ("a part of a withdrawn prefix", [mapped("c-1", 0, "192.0.0.0/16"), unmapped("c-1", 5, "192.0.0.0/16"),
        mapped("c-2", 6)], [5]),
    ("a longer one was withdrawn", [mapped("c-1"), mapped("c-2", 3, "192.0.2.0/28"),
        unmapped("c-2", 8, "192.0.2.0/28")], [8]),
    ("given out of the provider's block", [mapped("isp", 0, "192.0.0.0/16"), mapped("c-1", 4)], [4]),
    ("in the block from the start", [mapped("isp", 0, "192.0.0.0/16"), mapped("c-1", 0)], [None]),
    ("the block was told of later", [mapped("isp", 9, "192.0.0.0/16"), mapped("c-1", 4)], [None]),
    ("the former holder's time ran out", [mapped("c-1", 0, source="netbox", valid_until=registers.day(6)),
        mapped("c-2", 1)], [6, None]),
    ("withdrawn of one who was never told of", [unmapped("c-1", 3), mapped("c-2")], [3]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "events", "expected"), HANDED, ids=[row[0] for row in HANDED])
def test_when_it_was_taken_from_somebody_else(what: str, events: list[Event], expected: list[float | None]) -> None:
    assert sorted(before(*events), key=str) == sorted(expected, key=str)


def test_the_quarantine_counts_from_when_it_was_heard_of() -> None:
    assert before(mapped("c-1"), unmapped("c-1", 5), mapped("c-2", 5), received=20.0) == [20]
    assert before(mapped("isp", 0, "192.0.0.0/16"), mapped("c-1", 4), received=20.0) == [20]


def test_since_is_the_beginning_of_the_present_holding() -> None:
    def since(*events: Event) -> float:
        found: tuple[Mapped, ...] = register(events, 0.0).holders(HOST)
        return (found[0].since - at(0)) / DAY

    assert since(mapped("c-1", 1), mapped("c-1", 8)) == 1
    assert since(mapped("c-1", 8), mapped("c-1", 1)) == 1
    assert since(mapped("c-1", 1), unmapped("c-1", 5), mapped("c-1", 8)) == 8
    assert since(mapped("c-1", 8), mapped("c-1", 6), mapped("c-1", 1), unmapped("c-1", 5)) == 6


def test_the_kind_of_the_last_word_counts_and_of_one_time_the_more_doubtful() -> None:
    def kind(*events: Event) -> str:
        return register(events, 0.0).holders(HOST)[0].kind

    assert kind(mapped("c-1", 1), mapped("c-1", 2, kind="shared")) == "shared"
    assert kind(mapped("c-1", 2, kind="static"), mapped("c-1", 1, kind="shared")) == "static"
    assert kind(mapped("c-1", 1, kind="dynamic"), mapped("c-1", 1, kind="static")) == "dynamic"


def test_forgetting_leaves_nothing_of_him_and_all_of_the_others() -> None:
    made = register([mapped("c-1"), mapped("c-2"), unmapped("c-1", 5), mapped("c-1", 6)], 0.0)
    made.forget("c-1")
    assert made.holders(HOST) == register([mapped("c-2")], 0.0).holders(HOST)
    assert made.customer("c-1") is None


def test_nothing_is_nothing() -> None:
    made = Mapping()
    assert made.holders(HOST) == ()
    assert list(made.segments()) == []
    assert len(made) == 0
