"""Log lines: one event is one line that reads back, whatever is in it."""

from __future__ import annotations

import json
import logging
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.logfmt import Lines, Sample, quoted


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("x", logging.WARNING, __file__, 1, message, (), None)
    made.created, made.msecs = 1_793_620_800.5, 500.0
    vars(made).update(extra)
    return made


def test_a_line_as_it_is_written() -> None:
    line = Lines("capture", "logfmt").format(record("input read", file="/a b.pcap", frames=3))
    assert line == 'ts=2026-11-02T12:00:00.500Z level=warning role=capture msg="input read" file="/a b.pcap" frames=3'


def test_the_same_as_json() -> None:
    assert json.loads(Lines("agent", "json").format(record("x", frames=3))) == {
        "ts": "2026-11-02T12:00:00.500Z", "level": "warning", "role": "agent", "msg": "x", "frames": 3,
    }  # fmt: skip


@settings(max_examples=100)
@given(st.text(max_size=30))
def test_any_text_stays_on_its_line(text: str) -> None:
    line = Lines("agent", "logfmt").format(record(text, field=text))
    assert len(line.splitlines()) == 1
    assert json.loads(Lines("agent", "json").format(record(text)))["msg"] == text


@pytest.mark.parametrize(("value", "written"), [("a", "a"), ("", '""'), ("a b", '"a b"'), ("a=b", '"a=b"'), (7, "7")])
def test_values_are_quoted_where_they_must_be(value: object, written: str) -> None:
    assert quoted(value) == written
    assert shlex.split(f"k={written}") == [f"k={value}"]


def test_an_exception_is_on_the_line_too() -> None:
    made = record("failed")
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        made.exc_info = (ValueError, error, error.__traceback__)
    line = Lines("agent", "logfmt").format(made)
    assert "\n" not in line
    assert r"first\nsecond" in line


def test_three_in_thirty_seconds() -> None:
    sample = Sample()
    assert [sample.lets(now) for now in (0.0, 1.0, 2.0, 3.0, 29.9, 30.0, 31.0, 32.0, 33.0)] == [
        True, True, True, False, False, True, True, True, False,
    ]  # fmt: skip
