"""Canonical JSON against another implementation of RFC 8785, and times there and back."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from agent.audit import canon

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(max_codepoint=127))
WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | TEXT,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_it_is_what_rfc_8785_makes_of_it_and_is_read_back(value: dict[str, object]) -> None:
    text = canon.canonical(value)
    assert text == rfc8785.dumps(value)  # type: ignore[arg-type]
    assert canon.parsed(text.decode()) == value


@pytest.mark.parametrize(
    "value", [1.0, 2**53, -(2**53), {"\u00e9": 1}, {1: 1}, [b""], {"a": {"b": [0.5]}}, "\udc00"], ids=str
)
def test_what_has_no_canonical_form_here(value: object) -> None:
    with pytest.raises(ValueError):
        canon.canonical({"value": value})


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_times_of_the_years_1_to_9999_are_read_back_as_they_were_given(ms: int) -> None:
    assert canon.read(canon.written(ms)) == ms / 1000


@pytest.mark.parametrize(
    ("time", "ms", "text"),
    [
        (0.0, 0, "1970-01-01T00:00:00.000Z"),
        (1_795_000_000.9999, 1_795_000_000_999, "2026-11-18T11:06:40.999Z"),
        (-0.0001, -1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_is_cut_to_its_milliseconds(time: float, ms: int, text: str) -> None:
    assert canon.milliseconds(time) == ms
    assert canon.written(ms) == text


def test_a_kind_is_found_without_parsing() -> None:
    leaf = {"boot": "", "commit": None, "kind": "probe.intent", "public": {"kind": "another"}}
    assert canon.kind_of(canon.canonical(leaf).decode()) == "probe.intent"


LOOKALIKE = {"public": {}, "synced": True, "time": "1970-01-01T00:00:00.000Z", "v": 1}


@given(st.sampled_from([{}, LOOKALIKE, {"a": LOOKALIKE}, {"a": [LOOKALIKE, "x"]}]) | st.dictionaries(KEYS, VALUES))
def test_a_leaf_is_read_as_if_all_of_it_were_parsed(public: dict[str, object]) -> None:
    text = canon.written(1_795_000_000_999)
    entry = {"v": 1, "time": text, "mono": 7, "boot": "b", "synced": None, "n": 3, "kind": "log.started"}
    leaf = canon.canonical({**entry, "public": public, "commit": None}).decode()
    assert canon.leaf(leaf) == ("log.started", 1_795_000_000.999, public)


@pytest.mark.parametrize("end", ["", "x", '"time":"', "true}", 'true,"time":"soon","v":1}'])
def test_what_ends_like_no_leaf_is_none(end: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        canon.leaf('{"boot":"b","kind":"log.started","mono":7,"n":3,"public":{},"synced":' + end)
