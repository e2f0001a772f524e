"""Templates that an operator has written wrong: told with file and line, and never waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent import templates
from agent.errors import ConfigError
from agent.templates import Templates

if TYPE_CHECKING:
    from pathlib import Path

_ROUND = (
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    "{% call m() %}{% for a in range(99999) %}{% for b in range(9) %}{% endfor %}{% endfor %}{% endcall %}",
)


@pytest.mark.parametrize("text", _ROUND)
def test_one_that_goes_round_without_end_is_told(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MAX_TURNS", 10_000)
    (tmp_path / "a.txt").write_text(f"one\n{text}")
    made = Templates("", tmp_path, "notices.templates")
    with pytest.raises(ConfigError, match=r"a\.txt: line 2: goes round more than 10000 times"):
        made.made("a.txt", {})


def test_turns_are_counted_for_each_text_and_change_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MAX_TURNS", 4)
    (tmp_path / "a.txt").write_text("{% for a in there %}{{ loop.index }}{{ a }} {% else %}none{% endfor %}")
    made = Templates("", tmp_path, "notices.templates")
    for _ in range(3):
        assert made.made("a.txt", {"there": "abc"}).text == "1a 2b 3c "
    assert made.made("a.txt", {"there": ""}).text == "none"
    assert made.uses("a.txt") == {"there"}
    with pytest.raises(ConfigError):
        made.made("a.txt", {"there": "abcde"})
