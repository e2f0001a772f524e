"""Manual page and completion: they say what the parsers say, of commands that nobody has written yet, too."""

from __future__ import annotations

import os
import pty
import re
import select
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


def completed(directory: Path, shell: str, *words: str) -> list[str]:
    """What a shell offers behind these words."""
    return by_bash(directory, *words) if shell == "bash" else by_zsh(directory, *words)


def by_bash(directory: Path, *words: str) -> list[str]:
    file = directory / "completion"
    file.write_text(completion.bash())
    script = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _knockfirst; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", script, file, "knockfirst", *words], capture_output=True, text=True, check=True, cwd=directory
    )
    assert done.stderr == ""
    return done.stdout.split()


# What zsh's own functions do with what they are given, as far as it matters here.
_OF_ZSH = """
fpath=($1 $fpath); shift
autoload -Uz _knockfirst
compadd() { shift; print -rl -- ${(M)@:#${(b)PREFIX}*} }
_files() { print -rl -- ${PREFIX}*(N) }
words=(knockfirst "$@") CURRENT=$(($# + 1)) PREFIX=${@[-1]}
_knockfirst
true
"""


def by_zsh(directory: Path, *words: str) -> list[str]:
    command = [needs_zsh(), "-f", "-c", _OF_ZSH, "zsh", str(placed(directory)), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=directory, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


def placed(directory: Path) -> Path:
    """A directory with zsh's file as it is installed."""
    place = directory / "vendor-completions"
    place.mkdir()
    (place / "_knockfirst").write_text(completion.zsh())
    return place


def needs_zsh() -> str:
    there = shutil.which("zsh")
    if there is None:
        assert os.environ.get("CI") != "true", "missing where CI=true: zsh (Debian package zsh)"
        pytest.skip("needs zsh")
    return there


def typed(directory: Path, keys: str, wanted: str, options: str = "") -> str:
    """What somebody sees who types that into a zsh that has just been begun, up to what is ``wanted``."""
    (directory / ".zshrc").write_text(
        f"fpath=({placed(directory)} $fpath)\nautoload -Uz compinit\ncompinit -u -D\nPS1='READY> '\n"
        f"knockfirst() {{ print -r -- RAN: $@ }}\n{options}\n"
    )
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "ZDOTDIR": str(directory), "TERM": "dumb"}
    zsh = subprocess.Popen(
        [needs_zsh(), "-d", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=directory,
        start_new_session=True,
    )  # fmt: skip
    try:
        seen = until(ours, "READY> ")
        os.write(ours, keys.encode())
        return seen + until(ours, wanted)
    finally:
        zsh.kill()
        zsh.wait()
        os.close(ours)
        os.close(theirs)


def until(terminal: int, wanted: str) -> str:
    """What comes from a terminal up to that; it fails after half a minute of nothing."""
    seen = ""
    while wanted not in seen:
        assert select.select([terminal], [], [], 30.0)[0], seen
        seen += os.read(terminal, 4096).decode(errors="replace")
    return seen


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
@pytest.mark.parametrize("shell", ["bash", "zsh"])
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
def test_a_shell_offers_what_may_come(words: list[str], offered: str, shell: str, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    assert completed(tmp_path, shell, *words) == offered.split()
    assert not (tmp_path / "made").exists()


@pytest.mark.usefixtures("_greeting")
@pytest.mark.parametrize(
    ("keys", "ran"),
    [
        ("knockfirst gre\t--to\tlo\t\n", "RAN: greet --tone loud"),
        ("knockfirst cas\tcl\tabcd --no\twhy\n", "RAN: cases close abcd --note why"),
        ("knockfirst check-con\tlet\t\n", "RAN: check-config letter.txt"),
        ("knockfirst greet $(touch made) --fr\tlet\t\n", "RAN: greet --from letter.txt"),
    ],
)
def test_zsh_completes_what_is_typed(keys: str, ran: str, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    assert ran in typed(tmp_path, keys, ran)


def test_whoever_has_other_options_in_his_zsh_is_offered_the_same(tmp_path: Path) -> None:
    ran = "RAN: cases close abcd --note why"
    options = "setopt ksharrays shwordsplit nounset"
    assert ran in typed(tmp_path, "knockfirst cas\tcl\tabcd --no\twhy\n", ran, options)
