"""A week at a made-up desk, and one in which nothing happened; ``python -m tests.agent.cases.weekly`` writes what the
reports of them are to be, beside this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.cases.helped import helped
from agent.cases.week import LANGUAGES, Week, written
from tests.agent.cases import test_helped as stories

HERE = Path(__file__).parent
DAY = stories.DAY
NOW = 1_795_000_000.0  # 2026-11-18
SINCE = NOW - 7 * DAY


def case(number: int, events: tuple[stories.Event, ...], customer: str, severity: str = "critical") -> dict[str, Any]:
    """What the agent tells of a case that a story of test_helped makes, which began ten days ago."""
    moved = [event._replace(time=event.time + NOW - 10 * DAY) for event in events]
    found = helped(moved)
    live = found.state in ("open", "acknowledged", "human")
    tasks = [step for step in found.steps if step.channel != "mail" and step.outcome == ""]
    return {
        "id": f"{number:016x}", "customer": customer, "severity": severity, "state": found.state, "live": live,
        "opened": moved[0].time, "since": moved[-1].time, "steps": [step._asdict() for step in found.steps],
        "last": found.last, "seconds": found.seconds,
        "tasks": [{"step": step.step, "channel": step.channel, "made": step.made} for step in tasks],
    }  # fmt: skip


def counted(kind: str, count: int, *said: str) -> dict[str, Any]:
    return {"kind": kind, "said": list(said), "count": count}


STANDS: dict[str, Any] = {
    "now": NOW, "operator": "Example ISP", "missing": [], "kept": 14, "untold": {}, "waiting": 0, "uncertain": 0,
    "ages": [["deletion", 600.0, 7200.0], ["books", 3600.0, DAY], ["checkpoint", 30.0, 900.0]],
}  # fmt: skip
EMPTY = Week(SINCE, NOW, (), (), STANDS)
FULL = Week(
    SINCE, NOW,
    (
        *(case(number, events, f"C-{number}") for number, (_, events, _, _) in enumerate(stories.STORIES)),
        case(40, stories.PHONED, "C|40 <b>_x_"),
        case(41, (*stories.TOLD, stories.at(9, "human"), stories.made(9, "h", "human", "desk")), "C-41", "high"),
        case(42, (*stories.TOLD, stories.at(8, "bounced", id="a")), "C-42"),
    ),
    (
        counted("case.opened", 3, "critical"), counted("case.opened", 1, "high"),
        counted("case.closed", 2, "objected"), counted("case.closed", 11, "closed_fixed"),
        counted("notice.sent", 5, "tell", "mail", "sent"), counted("notice.bounced", 1, "tell", "mail", "bounced"),
        counted("notice.sent", 2, "phone", "phone", "not_reached"),
        counted("notice.sent", 1, "human", "desk", "handled"),
        counted("case.answered", 4, "recheck"), counted("case.answered", 1, "wrong_contact"),
        counted("record.objected", 2, "web"), counted("record.objection_lifted", 1), counted("objection.unmatched", 1),
        counted("probe.outcome", 60, "confirmed"), counted("probe.outcome", 2, "tls_failed"),
    ),
    STANDS | {
        "missing": ["notices.relay"], "untold": {"no_contact": 3, "unsure": 1}, "waiting": 2, "uncertain": 1,
        "ages": [["deletion", None, 7200.0], ["books", 3 * DAY, DAY], ["message", 5 * 3600.0, 4 * 3600.0]],
    },
)  # fmt: skip
WITHOUT = Week(SINCE - 30 * DAY, NOW, (), (), STANDS | {"untold": None, "waiting": None, "uncertain": None})
EXPECTED = {
    f"weekly.{name}.{lang}.md": (week, lang)
    for name, week in (("full", FULL), ("empty", EMPTY), ("without", WITHOUT))
    for lang in LANGUAGES
}


if __name__ == "__main__":
    for file, (made, lang) in EXPECTED.items():
        (HERE / file).write_text(written(made, lang), encoding="utf-8")
