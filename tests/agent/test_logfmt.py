"""Log lines: one event is one line that reads back, whatever is in it."""

from __future__ import annotations

import json
import logging
import re
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ipc import Unexpected
from agent.logfmt import LEVELS, LINES, Lines, Paced, Sample, quoted, traced


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


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 1.5, 0])
def test_any_number_is_json(number: float) -> None:
    line = Lines("agent", "json").format(record("x", number=number))
    found = json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert float(found["number"]) == pytest.approx(number, nan_ok=True)


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


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_of_an_exception_the_kind_and_the_place_are_told_and_not_its_words(style: str) -> None:
    made = record("failed")
    try:
        try:
            dict[str, str]()["192.0.2.10"]
        except KeyError:
            raise ValueError("anna@bakery.example\nmail.bakery.example")  # noqa: B904 - as where nobody thought of it
    except ValueError as error:
        made.exc_info = (ValueError, error, error.__traceback__)
    line = Lines("agent", style).format(made)
    assert "\n" not in line
    assert "ValueError at agent/test_logfmt.py:" in line
    assert "after KeyError at agent/test_logfmt.py:" in line
    assert not re.search("192|bakery|anna", line)


def test_what_the_kernel_or_our_own_protocol_says_is_told() -> None:
    assert traced(FileNotFoundError(2, "No such file or directory", "/srv/anna")) == (
        "FileNotFoundError: No such file or directory at no place"
    )
    assert traced(Unexpected("invalid", "SECTION: log")) == "Unexpected: invalid: SECTION: log at no place"


def test_a_recursion_without_end_is_a_line_of_some_length() -> None:
    def again() -> None:
        again()

    with pytest.raises(RecursionError) as raised:
        again()
    assert len(traced(raised.value)) < 2000


def test_three_in_thirty_seconds() -> None:
    sample = Sample()
    assert [sample.lets(now) for now in (0.0, 1.0, 2.0, 3.0, 29.9, 30.0, 31.0, 32.0, 33.0)] == [
        True, True, True, False, False, True, True, True, False,
    ]  # fmt: skip


def test_of_one_event_only_some_are_written_and_the_next_line_says_how_many_were_not() -> None:
    now = 0.0
    paced = Paced(lambda: now)
    before = LINES.copy()
    let = [paced.filter(record("again")) for _ in range(50)]
    assert let == [True] * 20 + [False] * 30
    assert paced.filter(record("something else"))
    now = 30.0
    told = record("again")
    assert paced.filter(told)
    assert vars(told)["suppressed"] == 30
    assert Lines("agent", "logfmt").format(told).endswith(" suppressed=30")
    assert paced.filter(after := record("again"))
    assert not hasattr(after, "suppressed")
    assert LINES - before == {"warning": 23, "suppressed": 30}


@pytest.mark.parametrize(
    ("number", "level"),
    [(0, "debug"), (10, "debug"), (20, "info"), (30, "warning"), (35, "warning"), (40, "error"), (50, "error")],
)
def test_every_line_is_counted_by_its_level(number: int, level: str) -> None:
    made = record("counted")
    made.levelno = number
    before = LINES.copy()
    assert Paced(lambda: 0.0).filter(made)
    assert LINES - before == {level: 1}
    assert level in LEVELS


def test_many_events_do_not_fill_the_memory() -> None:
    paced = Paced(lambda: 0.0)
    assert all(paced.filter(record(f"event {number}")) for number in range(2000))
    assert len(paced._samples) <= 256
