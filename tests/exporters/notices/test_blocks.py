"""Text and HTML are made of the same blocks; only what a template wrote is a mark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.notices.blocks import VALUE, Block, parsed, plain, value

TABLE = [
    ("a\nb\n\nc\n", [Block("paragraph", "", ("a b",)), Block("paragraph", "", ("c",))]),
    ("# a\nb\n", [Block("heading", "", ("a",)), Block("paragraph", "", ("b",))]),
    ("- a\n  b\n- c\n", [Block("item", "- ", ("a b",)), Block("item", "- ", ("c",))]),
    ("1. a\n12. b\n", [Block("item", "1. ", ("a",)), Block("item", "12. ", ("b",))]),
    ("> a\n>\n> b\n", [Block("quote", "", ("a", "", "b"))]),
    ("a,\\\nb\nc\n", [Block("paragraph", "", ("a,", "b c"))]),
    ("a\n# b\n> c\nd", [Block("paragraph", "", ("a",)), Block("heading", "", ("b",)), Block("quote", "", ("c", "d"))]),
    ("  \n\t\n", []),
    ("-a\n#b\n1.c", [Block("paragraph", "", ("-a #b 1.c",))]),
]


@pytest.mark.parametrize(("text", "blocks"), TABLE)
def test_marks(text: str, blocks: list[Block]) -> None:
    assert parsed(text) == blocks


@pytest.mark.parametrize("said", ["# a", "- a", "1. a", "> a", "a\\", "a\n\n# b", "a\r\nb", f"{VALUE}- a"])
def test_a_value_is_no_mark(said: str) -> None:
    (block,) = parsed(f"x\n{value(said)}\ny")
    assert block.kind == "paragraph"
    assert block.lines == (" ".join(f"x {said.replace(VALUE, '')} y".split()),)


def test_lines_are_filled_and_only_one_word_alone_is_longer() -> None:
    long = "https://example.net/" + "a" * 90
    text = plain(parsed(f"{'ab ' * 60}\n\n- {'cd ' * 40}{long} {'ef ' * 30}\n\n# Head\n> {'gh ' * 50}"))
    for line in text.split("\n"):
        assert len(line) <= 78 or line.strip() == long
    assert "\n  cd" in text
    assert "\n\nHead\n> gh" in text
    assert text.count("\n> gh") == 2


@given(st.lists(st.text("ab -#>1.\\\n\t", max_size=60), max_size=4))
def test_no_word_is_lost_but_marks(parts: list[str]) -> None:
    text = "\n\n".join(parts)
    blocks = parsed(text)
    kept = [letter for letter in text if letter in "ab"]
    assert [letter for letter in plain(blocks) if letter in "ab"] == kept
    assert [letter for block in blocks for line in block.lines for letter in line if letter in "ab"] == kept
