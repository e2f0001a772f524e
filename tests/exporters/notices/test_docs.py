"""docs/notices.md says what is: the messages that it shows, the facts that a template may name, the mapping."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.notice import MESSAGES
from exporters.notices import examples, formats, texts
from exporters.notices.told import told

DOC = (Path(__file__).parents[3] / "docs" / "notices.md").read_text()


@pytest.mark.parametrize("lang", ["nl", "en"])
def test_the_message_that_is_shown_is_the_one_that_is_sent(lang: str) -> None:
    mail = texts.rendered(examples.example("tell", lang, "chain"))
    assert f"```text\n{mail.subject}\n\n{mail.text}```\n" in DOC


def test_every_message_kind_of_finding_and_fact_is_named() -> None:
    assert set(MESSAGES) == set(re.findall(r"(?m)^\| `(\w+)` \| (?:the|a|asks|what)\b", DOC))
    kinds = re.search(r"`--kind` is a made-up server for each kind of finding: (.*?)\.\n", DOC, re.DOTALL)
    assert kinds is not None
    assert re.findall(r"`([\w-]+)`", kinds[1]) == list(examples.KINDS)
    facts = re.search(r"What a template may name: (.*?)\.\n", DOC, re.DOTALL)
    assert facts is not None
    assert re.findall(r"`(\w+)`", facts[1]) == sorted(told(examples.example("tell", "en")))


def test_the_mapping_is_the_table_of_the_code() -> None:
    rows = [row.strip("|").split("|") for row in DOC.partition("| fact | XARF | CSV |\n")[2].splitlines()[1:]]
    there = [tuple(cell.strip(" `") for cell in row) for row in rows if len(row) == 3]
    assert there == [(field.name, field.xarf, field.csv) for field in formats.FIELDS]
