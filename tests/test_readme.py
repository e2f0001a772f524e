"""README.md: every command in it is one, with the options that it is shown with, and every page is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from agent.__main__ import COMMANDS, main

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "README.md").read_text()
LINES = sorted({
    re.sub(r"\s+#.*", "", line.partition("knockfirst ")[2])
    for line in re.sub(r"\\\n *", "", PAGE).splitlines()
    if re.match(r"    (\S+/)?knockfirst ", line)
})  # fmt: skip


def shown(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The help of a command."""
    try:
        assert main([*words, "--help"]) == 0
    except SystemExit as ended:
        assert ended.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("line", LINES)
def test_a_command_is_one_and_has_the_options(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    first, *words = shlex.split(line)
    assert first in COMMANDS
    options = [word for word in words if word.startswith("--")]
    actions = [word for word in words[: words.index(options[0]) if options else None] if re.fullmatch(r"[a-z]+", word)]
    text = shown([first, *actions[:2]], capsys)
    assert [option for option in options if option not in text] == []


def test_every_page_is_there_and_the_readme_is_short() -> None:
    assert [name for name in re.findall(r"\]\(([\w/.]+)\)", PAGE) if not (ROOT / name).exists()] == []
    assert len(LINES) > 20
    assert len(PAGE.splitlines()) <= 230
