"""Builds as people and programs write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.build import Build, BuildRange, Generation, generation_of, parse, span

WRITTEN = [
    ("15.2.1748.36", (15, 2, 1748, 36)),
    ("15.02.1748.036", (15, 2, 1748, 36)),
    (" 15.2.1748\n", (15, 2, 1748)),
    ("5.5", (5, 5)),
    ("Version 15.1 (Build 2507.39)", (15, 1, 2507, 39)),
    ("15.2 (Build 1748.36)", (15, 2, 1748, 36)),
    ("0.0.0.65535", (0, 0, 0, 65535)),
]


@pytest.mark.parametrize(("text", "parts"), WRITTEN)
def test_what_is_a_build(text: str, parts: tuple[int, ...]) -> None:
    assert parse(text) == parts


@pytest.mark.parametrize(
    "text",
    ["", "15", "15.", ".15", "15.2.1748.36.1", "15.2.-1", "15.2.1748.65536", "123456.1", "v15.2", "15,2", "١٥.٢x"],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a build"):
        parse(text)


parts = st.lists(st.integers(0, 65535), min_size=2, max_size=4).map(tuple)


@given(parts)
def test_what_is_written_is_read_and_lies_in_its_span(numbers: tuple[int, ...]) -> None:
    assert parse(".".join(map(str, numbers))) == numbers
    low, high = span(numbers)
    assert low[: len(numbers)] == high[: len(numbers)] == numbers
    assert low <= high
    assert (low == high) is (len(numbers) == 4)
    assert parse(str(low)) == low


@given(st.text(max_size=40))
def test_any_text_is_a_build_or_is_refused(text: str) -> None:
    try:
        numbers = parse(text)
    except ValueError:
        return
    assert 2 <= len(numbers) <= 4


GENERATIONS: list[tuple[tuple[int, ...], Generation | None]] = [
    ((5, 5), "5.5"), ((6, 0), "2000"), ((6, 5, 7638, 1), "2003"), ((8, 3), "2007"), ((14, 3, 513), "2010"),
    ((15, 0), "2013"), ((15, 1), "2016"), ((15, 2), "2019"), ((15, 2, 2561, 65535), "2019"), ((15, 2, 2562), "SE"),
    ((15, 20, 8000, 21), None), ((15, 3), None), ((6, 1), None), ((4, 0), None), ((16, 0), None),
]  # fmt: skip


@pytest.mark.parametrize(("numbers", "generation"), GENERATIONS)
def test_generations(numbers: tuple[int, ...], generation: Generation | None) -> None:
    assert generation_of(numbers) == generation


def test_branch_and_exactness() -> None:
    build = Build(15, 2, 1748, 36)
    assert build.branch == (15, 2, 1748)
    assert BuildRange(build, build, "su").exact
    assert not BuildRange(*span(build.branch), "cu").exact
    assert sorted([build, Build(15, 2, 986, 5), Build(15, 10, 0, 0)])[0] == Build(15, 2, 986, 5)
