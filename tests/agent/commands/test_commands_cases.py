"""``knockfirst cases`` and ``notices queue``: what they print, over a store that no daemon has open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agent.__main__ import main
from agent.cases.case import STATES, grouped
from agent.commands import cases, notices
from tests.agent.leaving import HOST
from tests.agent.telling_world import CUSTOMER, world

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> list[str]:
    """The options of a store with a case that somebody has to phone about."""
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        made.sends(made.dues()[0])
        made.passes(2 * 86_400 + 3600, 3600)
    return ["--state", str(tmp_path / "state")]


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_from_the_list_to_the_end(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    listed = said(capsys, "cases", "list", *state)
    assert "critical" in listed and CUSTOMER in listed and HOST in listed
    row = json.loads(said(capsys, "cases", "list", "--json", *state))
    shown = said(capsys, "cases", "show", row["id"][:8], *state)
    assert "ProxyLogon" in shown and "possibly broken into" in shown and "begun" in shown
    assert json.loads(said(capsys, "cases", "show", row["id"], "--json", *state))["case"]["id"] == row["id"]
    tasks = said(capsys, "cases", "tasks", *state)
    assert "+31 20 555 0100" in tasks and "notices preview" in tasks and grouped(row["id"]) in tasks
    assert max(map(len, tasks.splitlines())) <= 100
    assert "acknowledged" in said(capsys, "cases", "done", grouped(row["id"]), "--result", "told", *state)
    assert "nothing waits for a person" in said(capsys, "cases", "tasks", *state)
    assert "will_not_fix" in said(capsys, "cases", "note", row["id"], "--said", "wont_fix", *state)
    assert "closed" in said(capsys, "cases", "close", row["id"], "--note", "test", *state)
    assert "there are no such cases" in said(capsys, "cases", "list", *state)
    assert json.loads(said(capsys, "cases", "list", "--standing", "closed", "--json", *state))["id"] == row["id"]


@pytest.mark.parametrize("state", STATES)
def test_a_list_is_as_wide_as_a_screen(state: str) -> None:
    row = {
        "id": "0123456789abcdef", "severity": "critical", "state": state, "customer": "C-1042",
        "address": "203.0.113.101", "build": "15.2.1748.39", "opened": 0.0, "last": "contact cancelled",
    }  # fmt: skip
    head, _, *lines = cases.listing([row], on=False).splitlines()
    assert len(lines) == 1 and len(lines[0]) <= 100
    assert lines[0].split()[0] == row["id"] and head.split()[-2:] == ["last", "step"]


def test_ids_in_lists_of_tasks_are_in_groups_of_four() -> None:
    assert cases._task({"case": "0123456789abcdef", "task": "0123456789abcdef-1a2b"}, alone=True) == grouped(
        "0123456789abcdef"
    )
    assert cases._task({"case": "0123456789abcdef", "task": "0123456789abcdef-1a2b"}, alone=False) == (
        "0123 4567 89ab cdef-1a2b"
    )


def test_a_case_with_very_many_holes_fits_on_a_screen() -> None:
    row = {
        "id": "0" * 16, "severity": "critical", "state": "fixed_claimed", "customer": CUSTOMER, "address": HOST,
        "build": "15.1.2242.4", "opened": 0.0, "since": 0.0, "last": "tell sent", "exploited": ["ProxyShell"],
        "holes": [f"CVE-2021-{number}" for number in range(1000, 1100)],
    }  # fmt: skip
    shown = cases.screen({"case": row, "events": []}, on=False)
    assert max(map(len, shown.splitlines())) <= 100 and "0" * 16 in shown
    assert "CVE-2021-1011, and 88 more" in " ".join(shown.split())


def test_what_mails_said_is_printed_and_says_nothing_to_the_terminal() -> None:
    told = {"time": 60.0, "step": "a-1", "text": "Subject\n\nred \x1b[31m\n", "sha256": "0" * 64}
    answer = {"steps": [{"id": "a-1", "kind": "tell"}], "texts": [told]}
    text = cases.letters(answer)
    assert "--- tell, 1970-01-01 00:01 UTC, SHA-256 000" in text and "\n\nSubject\n\nred  [31m\n" in text
    assert "no message" in cases.letters(answer | {"texts": []})


def test_messages_are_an_agents(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for what in ("queue", "send", "status"):
        assert main(["notices", what, *state]) == 69
    assert "no daemon runs" in capsys.readouterr().err


def test_how_it_stands_is_said_in_words() -> None:
    answer = {
        "missing": ["notices.relay"], "waiting": 2, "uncertain": 1, "tasks": {"phone": 3, "letter": 0},
        "untold": {"no_contact": 4},
        "cases": [{"severity": "high", "state": "open", "age": "1d", "count": 5}],
        "notices": [{"step": "tell", "channel": "mail", "outcome": "sent", "count": 6}],
    }  # fmt: skip
    text = notices.screen(answer)
    for part in (
        "no mail is sent: notices.relay is not set;",
        "`knockfirst cases tasks`",
        "wait: 2",
        "twice: 1",
        "phone 3",
        "no_contact 4",
        "sent",
    ):
        assert part in text
    nothing = notices.screen(answer | {"missing": [], "cases": [], "notices": [], "tasks": {}, "untold": {}})
    assert max(map(len, text.splitlines())) <= 100 and "no mail" not in nothing
    assert "there are no cases" in nothing and "tasks for a person: none" in nothing
