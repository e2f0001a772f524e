"""What the agent tells for the weekly report, at an office that is really there: on record first, nothing of where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from agent.__main__ import main
from agent.desk import answered
from agent.errors import InputError
from agent.verbs import report
from tests.agent.cases.servers import CURRENT
from tests.agent.consent.offices import WHO
from tests.agent.leaving import HOST, START
from tests.agent.telling_world import CUSTOMER, MAIL, OWNER, World, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def fixed(tmp_path: Path) -> Iterator[World]:
    """A server that was fixed after a message that its owner had answered; the mail about that is on its way."""
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        made.sends(made.dues()[0])
        made.passes(DAY, HOUR)
        made.answers("recheck")
        made.sees(CURRENT)
        made.passes(HOUR)
        yield made


def ask(made: World, verb: str, **words: Any) -> list[dict[str, Any]]:
    span = {"since": START - DAY, "until": START + 9 * DAY} if verb != "report.standing" else {}
    return answered(made.office, verb, span | words, WHO)


def test_a_case_is_told_without_where_and_that_it_is_read_is_on_record_before(fixed: World) -> None:
    (row,) = ask(fixed, "report.cases")
    case = row["case"]
    assert (case["customer"], case["state"], case["live"]) == (CUSTOMER, "closed_fixed", False)
    (step,) = case["steps"]
    assert (step["step"], step["delivered"], step["read"], case["last"]) == ("tell", True, True, 0)
    assert case["seconds"] == step["until_fix"] > DAY
    assert not [part for part in (HOST, MAIL, OWNER, "ProxyLogon", "+31") if part in json.dumps(row)]
    (entry,) = fixed.logged("finding.read")
    assert entry.public == {"uid": WHO.uid, "what": "report"}


def test_nothing_is_told_where_that_cannot_be_put_on_record(fixed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Any) -> None:
        raise OSError("full")

    monkeypatch.setattr(fixed.office, "record", full)
    with pytest.raises(OSError, match="full"):
        ask(fixed, "report.cases")


def test_a_case_that_ended_in_another_week_is_not_of_this_one(fixed: World) -> None:
    assert ask(fixed, "report.cases", until=START + HOUR) == []
    assert ask(fixed, "report.cases", since=START + 2 * DAY) == []


def test_the_log_is_counted_from_the_first_entry_of_the_week(fixed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {(row["kind"], *row["said"]): row["count"] for row in ask(fixed, "report.counted")}
    assert counts == {
        ("case.opened", "critical"): 1, ("case.closed", "closed_fixed"): 1, ("case.answered", "recheck"): 1,
        ("notice.sent", "tell", "mail", "sent"): 1,
    }  # fmt: skip
    later = {row["kind"] for row in ask(fixed, "report.counted", since=START + 2 * HOUR)}
    assert later == {"case.closed", "case.answered"}
    monkeypatch.setattr(report, "SCAN", 2)
    pages, start = [], 0
    while start is not None:
        page = ask(fixed, "report.counted", start=start)
        pages += [row for row in page if "kind" in row]
        start = next((row["next"] for row in page if "next" in row), None)
    assert {(row["kind"], *row["said"]): row["count"] for row in pages} == counts


def test_more_cases_come_on_further_pages(fixed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PAGE", 1)
    fixed.sees(address="192.0.2.2")
    fixed.passes(120.0)
    first, more = ask(fixed, "report.cases")
    (second,) = ask(fixed, "report.cases", start=more["next"])
    assert first["case"]["id"] != second["case"]["id"]


def test_how_it_stands_now(fixed: World) -> None:
    (stands,) = ask(fixed, "report.standing")
    assert (stands["operator"], stands["missing"], stands["waiting"], stands["uncertain"]) == ("Example ISP", [], 1, 0)
    ages = {what: age for what, age, _ in stands["ages"]}
    assert 0 <= ages["deletion"] <= HOUR and set(ages) == {"deletion", "books", "checkpoint", "message"}
    fixed.office.telling = None
    (without,) = ask(fixed, "report.standing")
    assert without["untold"] is without["waiting"] is None and not json.dumps(without).count(HOST)


@pytest.mark.parametrize("words", [{"since": 9.0, "until": 9.0}, {"since": None}, {"start": -1}, {"start": "0"}])
def test_words_that_cannot_be_used(fixed: World, words: dict[str, Any]) -> None:
    for verb in ("report.cases", "report.counted"):
        with pytest.raises(InputError):
            ask(fixed, verb, **words)


def test_what_was_fixed_is_counted_for_the_metrics(fixed: World) -> None:
    body = fixed.telling.body()
    assert body is not None and body["notifier"] is True
    came = {tuple(row.values())[1:4]: row["count"] for row in body["came"] if row["count"]}
    assert came == {("tell", "mail", name): 1 for name in ("tried", "delivered", "read", "acknowledged", "fixed")}
    assert [step for step, delay in body["after_seconds"].items() if delay["count"]] == ["tell"]


def test_a_wrong_contact_is_counted(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        made.sends(made.dues()[0])
        made.answers("wrong_contact")
        made.clock.on(60.0)
        body = made.telling.body()
    assert body is not None
    rows = {(row["step"], row["outcome"]): row["count"] for row in body["notices"]}
    assert rows["tell", "sent"] == rows["tell", "wrong"] == 1


def test_the_command_writes_it_for_its_owner_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
    out = tmp_path / "week.md"
    out.write_text("old")
    out.chmod(0o644)
    words = ["report", "weekly", "--state", str(tmp_path / "state"), "--since", "2026-11-17"]
    assert main([*words, "--out", str(out), "--lang", "nl"]) == 0
    assert (
        "Vertrouwelijk" in out.read_text() and "kritiek: 1" in out.read_text() and out.stat().st_mode & 0o777 == 0o600
    )
    assert main([*words, "--until", "2026-11-18"]) == 0
    said = capsys.readouterr().out
    assert "2026-11-17 00:00 to " in said and "No daemon was running" in said
    for wrong in (["--since", "2999-01-01"], ["--until", "yesterday"], ["--out", str(tmp_path)]):
        assert main([*words, *wrong]) == 2
    assert HOST not in said + out.read_text() + capsys.readouterr().err
