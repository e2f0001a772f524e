"""Manual page and completion: they say what the parsers say, of commands that nobody has written yet, too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from argparse import SUPPRESS
from typing import TYPE_CHECKING

import pytest

from agent.__main__ import COMMANDS
from package import completion, man
from package.spoken import commands

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def _greeting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "greet", ("tests.package.greeting:main", "greet somebody"))


def shown(page: str) -> str:
    """A page as a terminal shows it, without a warning. Needs groff."""
    if shutil.which("groff") is None:
        assert os.environ.get("CI") != "true", "missing where CI=true: groff (Debian package groff-base)"
        pytest.skip("needs groff")
    command = ["groff", "-man", "-ww", "-Tutf8", "-Kutf8", "-rLL=200n", "-P-cbou"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout


def completed(directory: Path, *words: str) -> list[str]:
    """What bash offers behind these words."""
    file = directory / "completion"
    file.write_text(completion.text())
    script = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _knockfirst; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", script, file, "knockfirst", *words], capture_output=True, text=True, check=True, cwd=directory
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_every_command_is_found_with_those_behind_it() -> None:
    found = {one.name.removeprefix("knockfirst ") for one in commands()}
    assert set(COMMANDS) <= found
    assert {"probe list", "consent announce record", "consent document publish", "import netbox"} <= found
    assert all(one.parser or "usage:" in one.text for one in commands())


@pytest.mark.usefixtures("_greeting")
def test_a_command_that_is_added_is_found_by_itself() -> None:
    found = {one.words: one for one in commands() if one.words[0] == "greet"}
    assert set(found) == {("greet",), ("greet", "later")}
    assert found["greet", "later"].what == "Greet later"


@pytest.mark.usefixtures("_greeting")
def test_the_manual_page_names_every_option_and_no_line_of_it_is_a_request_by_accident() -> None:
    text = " ".join(shown(man.command_page("1.2.3", "2026-10-01")).split())
    for command in commands():
        assert f"{command.name} " in text
        for argument in command.arguments():
            assert argument.help != SUPPRESS
            assert all(option in text for option in argument.option_strings), argument.option_strings
    assert "A name, or .hidden 'quotes' and \\back." in text
    assert "How much later (default 3)." in text
    assert "knockfirst 1.2.3" in text


def test_the_page_of_the_configuration_names_every_key() -> None:
    text = shown(man.configuration_page("1.2.3", "2026-10-01"))
    assert re.search(r'^ +handshakes = "unless-objected"$', text, re.M)
    assert re.search(r"^ +Whole number, 1 to 4096\. A change restarts the capture role, by a reload\.$", text, re.M)


@pytest.mark.usefixtures("_greeting")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["gre"], "greet"),
        (["greet", ""], "--help --tone --from later"),
        (["greet", "--tone", ""], "calm loud"),
        (["greet", "--from", "let"], "letter.txt"),
        (["greet", "later", "--h"], "--help --hours"),
        (["greet", "later", "--hours", ""], ""),
        (["greet", "x$(touch made)", "--t"], "--tone"),
        (["check-config", "let"], "letter.txt"),
        (["consent", "announce", "r"], "render record"),
        (["--v"], "--version"),
    ],
)
def test_bash_offers_what_may_come(words: list[str], offered: str, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    assert completed(tmp_path, *words) == offered.split()
    assert not (tmp_path / "made").exists()
