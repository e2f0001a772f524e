"""docs/cases.md has the tables as they are in code."""

from __future__ import annotations

import re
from pathlib import Path

from agent.answering import OFFERED
from agent.cases.case import STATES, TRANSITIONS
from agent.cases.helped import CAME
from agent.cases.ladder import CLOSING, DAY, HOUR, LADDER, QUIETLY
from agent.cases.severity import RULES
from agent.cases.week import facts
from tests.agent.cases.weekly import EMPTY

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "cases.md").read_text(encoding="utf-8")


def rows(title: str) -> dict[str, list[str]]:
    """The table under a heading: the first column -> all of them."""
    lines = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0].splitlines()
    cells = [re.split(r" +\| +", line[2:-2]) for line in lines if line.startswith("| `")]
    return {row[0].strip("`"): row for row in cells}


def test_states() -> None:
    table = rows("States")
    assert list(table) == list(STATES)
    for state, meaning in STATES.items():
        assert table[state][1] == meaning
        said = {}
        for part in table[state][2].split("; ") if TRANSITIONS[state] else ():
            events, _, to = part.partition(" → ")
            said |= dict.fromkeys(re.findall(r"`(\w+)`", events), to.strip("`"))
        assert said == TRANSITIONS[state], state


def test_severity() -> None:
    table = re.findall(r"^\| (critical|high) \| (.+) \|$", PAGE, re.MULTILINE)
    assert table == [(rule.severity, rule.why) for rule in RULES]


def _written(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds == 0:
        return "at once"
    return f"+{seconds / HOUR:.0f} h" if seconds < DAY else f"+{seconds / DAY:.0f} d"


def test_the_ladder() -> None:
    for rung in (*LADDER, QUIETLY, CLOSING):
        row = rows("The ladder")[rung.kind]
        assert row[3] == ", ".join(rung.channels) and row[5] == (rung.unless or "-")
        assert row[4] == (", ".join(rung.roles) or "the desk")
        if rung is not QUIETLY:
            assert row[1:3] == [_written(rung.critical), _written(rung.high)]


def test_what_came_before_a_fix() -> None:
    assert list(rows("What came before a fix")) == list(CAME)


def test_the_facts_of_a_report() -> None:
    told = re.search(r"What a template may name: (.*?)\.\n", PAGE, re.DOTALL)
    assert told is not None
    assert re.findall(r"`(\w+)`", told[1]) == sorted(facts(EMPTY))


def test_answers() -> None:
    written = {}
    for row in re.findall(r"^\| (`[a-z_`, ]+`) \| ((?:`[a-z_]+`(?:, )?)+) \|$", PAGE, re.MULTILINE):
        written.update(dict.fromkeys(re.findall(r"`(\w+)`", row[0]), tuple(re.findall(r"`(\w+)`", row[1]))))
    assert {state: written.get(state) for state in OFFERED} == OFFERED
