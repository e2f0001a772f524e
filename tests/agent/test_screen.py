"""Tables that fit, colour that stays on terminals, progress that stays out of pipes."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.screen import Progress, colour, coloured, printable, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_table_aligns_its_columns() -> None:
    assert table(("a", "long header"), [("wide cell", "x"), ("y", "")]) == (
        "a          long header\n"
        "---------  -----------\n"
        "wide cell  x\n"
        "y"
    )  # fmt: skip


def test_the_widest_column_is_wrapped_at_words() -> None:
    shown = table(("id", "text"), [("1", "one two three four")], width=14).splitlines()
    assert shown[2:] == ["1   one two", "    three four"]


def test_a_word_that_is_too_long_is_broken() -> None:
    assert table(("h",), [("abcdefghij",)], width=6).splitlines()[2:] == ["abcdef", "ghij"]


def test_a_colour_has_no_width_and_covers_every_line() -> None:
    plain = table(("h", "i"), [("red words here", "x")], width=16)
    shown = table(("h", "i"), [(colour("red words here", "red", True), "x")], width=16)
    assert re.sub(r"\x1b\[\d+m", "", shown) == plain
    assert shown.count("\x1b[31m") == shown.count("\x1b[0m") == 2


def test_a_table_without_rows_is_its_headers() -> None:
    assert table(("a", "b"), []) == "a  b\n-  -"


@given(
    st.lists(st.tuples(st.text(max_size=60), st.text(max_size=200), st.text(max_size=9)), max_size=6),
    st.integers(30, 120),
)
@settings(max_examples=60)
def test_a_table_fits_and_moves_no_cursor(rows: list[tuple[str, str, str]], width: int) -> None:
    lines = table(("one", "two", "three"), rows, width).split("\n")
    assert max(map(len, lines)) <= width
    assert all(line.isprintable() or "\x1b[" in line for line in lines)


@given(st.text(alphabet="abc d", max_size=80))
def test_wrapping_loses_nothing_but_spaces(text: str) -> None:
    cells = table(("h",), [(text,)], width=10).splitlines()[2:]
    assert "".join("".join(cells).split()) == "".join(text.split())


def test_strangers_text_is_made_visible() -> None:
    assert printable("plain \u00e9 text") == "plain \u00e9 text"
    assert printable("\x1b[2Jgone\r\n\x07") == "\ufffd[2Jgone\ufffd\ufffd\ufffd"


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals(
    stream: io.StringIO, environment: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert coloured(stream) is wanted


def test_a_closed_stream_is_no_terminal() -> None:
    closed = io.StringIO()
    closed.close()
    assert not coloured(closed)


def test_colour_off_or_unknown_leaves_the_text() -> None:
    assert colour("x", "red", False) == colour("x", "ultraviolet", True) == "x"
    assert colour("x", "red", True) == "\x1b[31mx\x1b[0m"


def test_progress_is_drawn_at_most_ten_times_a_second() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, 100, "reading", clock)
    for done in range(101):
        clock.now = done / 100
        progress.update(done)
    assert 10 <= stream.getvalue().count("\r") <= 12
    assert "reading [" in stream.getvalue()
    progress.close()
    progress.close()
    assert stream.getvalue().endswith("\r\x1b[K") and not stream.getvalue().endswith("\r\x1b[K\r\x1b[K")


@pytest.mark.parametrize(
    ("total", "done", "shown"),
    [
        (10, 5, "###############............... ]  50%".replace(" ]", "]")), (10, 99, "] 100%"),
        (10, -1, "]   0%"), (0, 1234, "w 1,234"),
    ],
)  # fmt: skip
def test_progress_says_how_far(total: int, done: int, shown: str) -> None:
    stream = Terminal()
    Progress(stream, total, "w", Clock()).update(done)
    assert stream.getvalue().endswith(shown)


def test_progress_is_silent_where_nobody_watches() -> None:
    stream = io.StringIO()
    progress = Progress(stream, 10, "reading")
    progress.update(5)
    progress.close()
    assert stream.getvalue() == ""
