"""The command table: every command is there, and whatever ends one ends with the right exit code and one line."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest

from agent import __main__ as command_table
from agent.__main__ import COMMANDS, main, usage
from agent.errors import ConfigError, InputError

CASE = "tests/cases/exchange-2019/input.pcap"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_is_in_the_usage(name: str) -> None:
    module, _, function = COMMANDS[name][0].partition(":")
    assert callable(getattr(import_module(module), function))
    assert f"  {name} " in usage()
    assert COMMANDS[name][1] in usage()


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["help"]])
def test_help_is_no_fault(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr() == (usage(), "")


@pytest.mark.parametrize(("words", "first"), [([], "usage: "), (["--json"], "knockfirst: no command '--json'")])
def test_what_is_no_command(capsys: pytest.CaptureFixture[str], words: list[str], first: str) -> None:
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(first)
    assert printed.err.endswith(usage())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("knockfirst ")


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (ConfigError("knockfirst.toml: capture.files: give a list"), 78, "knockfirst.toml: capture.files: give a list"),
        (InputError("f.pcap: is empty"), 2, "f.pcap: is empty"),
        (KeyboardInterrupt(), 130, None),
    ],
)
def test_how_a_command_ends(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: int,
    line: str | None,
) -> None:
    def fail(words: list[str]) -> int:
        raise raised

    monkeypatch.setattr("collectors.replay.main", fail)
    assert main(["replay", "f"]) == code
    assert capsys.readouterr().err == (f"knockfirst replay: {line}\n" if line else "")


def test_what_is_our_own_fault_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "broken", ("agent.build:parse", "raises ValueError for what is no build"))
    with pytest.raises(AttributeError):
        command_table.main(["broken"])


@pytest.mark.parametrize(
    "words",
    [("replay", "--json", CASE), ("replay", "--all", CASE), ("replay", "--explain", "192.0.2.1", CASE), ("--help",)],
    ids=" ".join,
)
@pytest.mark.parametrize("unbuffered", ["1", ""])
def test_a_reader_that_goes_away(words: tuple[str, ...], unbuffered: str) -> None:
    """As in `knockfirst replay ... | head -0`: whenever the pipe breaks, no traceback and an exit code that says so."""
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "agent", *words]
    ended = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=environment
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_closed_output_is_no_crash() -> None:
    command = f'"{sys.executable}" -m agent replay --json tests/cases/absent.pcap >&-'
    ended = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)


def test_starting_a_command_loads_nothing_of_the_others() -> None:
    """Start-up is part of what `replay` costs: none of these is needed to read a small capture."""
    unwanted = (
        "pydantic",
        "scapy",
        "httpx",
        "ipaddress",
        "asyncio",
        "dataclasses",
        "tomllib",
        "agent.config",
        "probes",
    )
    code = f"import sys; from agent.__main__ import main; main(['replay', '--json', {CASE!r}]); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not set(unwanted) & set(ended.stdout.splitlines()[-1].split())
