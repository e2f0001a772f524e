"""``consent request``: whom it names, what it says of who is not asked, and what is missing."""

from __future__ import annotations

import json
import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agent import config
from agent.commands import consent
from agent.errors import ConfigError, InputError
from agent.lab import leave
from agent.office import Office
from tests.agent.asking_world import told
from tests.agent.leaving import NET, OTHER_NET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.audit.entry import Opened

CONFIG = """
[consent]
operator = "Example Net"
public_url = "https://example.net/checks"
[probe]
contact = "probes@example.net"
[agent]
state = "state"
"""
ASKING = """
[notices]
relay = "mail.example.net:587"
sender = "notices@example.net"
"""


def office(directory: Path) -> Office:
    there = config.load(str(directory / "k.toml"))
    made = Office(there, directory / "state", log=logging.getLogger(), now=time.time, monotonic=time.monotonic)
    made.open()
    return made


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A store that knows two customers who were told, of whom one has objected; nothing runs."""
    (tmp_path / "k.toml").write_text(CONFIG + ASKING)
    (tmp_path / "state").mkdir(mode=0o700)
    now = time.time()
    with closing(office(tmp_path)) as there:
        there.record([*leave.published(now), *told("C-1", NET, now), *told("C-2", OTHER_NET, now)])
        there.record([leave.objected("C-2", None, now)])
    return tmp_path


def run(directory: Path, *words: str) -> int:
    return consent.main(["request", "--config", str(directory / "k.toml"), *words])


def logged(directory: Path) -> Sequence[Opened]:
    with closing(office(directory)) as there:
        return list(there.log.read(["record.requested", "notice.due"]))


def test_who_may_be_is_asked_and_of_others_it_is_said_why(known: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (known / "who.txt").write_text("C-1\nC-2  # his neighbour\n")
    words = ("--customers", str(known / "who.txt"), "--customer", "C-3", "--subject", "legal_person")
    assert run(known, *words) == 0
    said = capsys.readouterr()
    assert said.out == "1 customer will be asked, as soon as the relay takes it\n"
    assert said.err == (
        "C-3: not asked: no customer of that reference is known\nC-2: not asked: an objection of his stands\n"
    )
    assert [(entry.kind, entry.customer) for entry in logged(known)] == [
        ("record.requested", "C-1"), ("notice.due", "C-1"),
    ]  # fmt: skip
    assert run(known, *words, "--json") == 1
    told_ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["customer"]: each["why"] for each in told_} == {"C-1": "asked", "C-2": "objected", "C-3": "unknown"}


def test_a_dry_run_shows_the_text_and_asks_nobody(known: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--customer", "C-1", "--subject", "sole_trader", "--lang", "nl", "--hours", "Mon-Fri 22:00-06:00")
    assert run(known, *words, "--tz", "Europe/Amsterdam", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "1 customer would be asked" in said and "Ik ga ermee akkoord dat Example Net" in said
    assert f"Adressen: {NET}" in said and "Mon-Fri 22:00-06:00 (Europe/Amsterdam)" in said
    assert logged(known) == []


def test_what_is_missing_is_said_and_nobody_is_asked(known: Path) -> None:
    (known / "k.toml").write_text(CONFIG)
    with pytest.raises(ConfigError, match=r"notices.relay: .*\n.*notices.sender: "):
        run(known, "--customer", "C-1")
    assert logged(known) == []


@pytest.mark.parametrize("words", [(), ("--customers", "/no/such/file")])
def test_whom_has_to_be_said(known: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="--customer"):
        run(known, *words)
