"""Orders about cases and messages, at an office that is really there: what they say, put on record, and refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.cases.case import TRANSITIONS, grouped
from agent.desk import answered
from agent.errors import ConfigError, InputError, UnavailableError
from agent.notice import Facts
from agent.verbs.cases import RESULTS, meant
from tests.agent.cases.servers import CURRENT, OLD
from tests.agent.consent.offices import WHO
from tests.agent.leaving import HOST
from tests.agent.telling_world import CUSTOMER, World, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def told(tmp_path: Path) -> Iterator[World]:
    """Two days after the first message, when there is somebody to phone."""
    with world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        made.sends(made.dues()[0])
        made.passes(2 * DAY + HOUR, HOUR)
        yield made


def ask(made: World, verb: str, **words: Any) -> list[dict[str, Any]]:
    return answered(made.office, verb, words, WHO)


def read(made: World) -> list[tuple[str, str]]:
    return [(entry.public["what"], entry.customer) for entry in made.office.log.read(["finding.read"])]


def test_cases_are_listed_and_that_is_on_record(told: World) -> None:
    (answer,) = ask(told, "cases.list")
    (row,) = answer["cases"]
    assert (row["id"], row["customer"], row["address"], row["build"]) == (told.case().id, CUSTOMER, HOST, OLD)
    assert row["last"] == "phone waiting" and answer["next"] is None
    assert ask(told, "cases.list", state="human")[0]["cases"] == []
    assert ask(told, "cases.list", state="live", severity="critical", customer=CUSTOMER)[0]["cases"] == [row]
    assert ask(told, "cases.list", customer="other")[0]["cases"] == []
    assert read(told) == [("cases", "")] * 4


def test_one_is_shown_with_all_that_happened(told: World) -> None:
    (answer,) = ask(told, "cases.show", case=told.case().id[:6])
    kinds = [event["kind"] for event in answer["events"]]
    assert kinds == ["opened", "step", "begun", "sent", "step"]
    assert "ProxyLogon" in answer["case"]["holes"] and not any(step["way"] for step in answer["steps"])
    assert read(told) == [("case", CUSTOMER)]


def test_a_case_is_closed_and_stays_so_while_nothing_new_is_found(told: World) -> None:
    ask(told, "cases.close", case=told.case().id, note="a test server")
    assert told.case().state == "closed" and dict(told.steps())["phone"] == "cancelled"
    (entry,) = told.logged("case.closed")
    assert entry.private["note"] == "a test server" and entry.public == {"state": "closed", "uid": WHO.uid}
    told.passes(20 * DAY, 6 * HOUR)
    assert told.case().state == "closed"  # neither opened anew nor forgotten
    with pytest.raises(InputError, match="has ended already"):
        ask(told, "cases.close", case=told.case().id)


def test_what_a_customer_said_is_noted(told: World) -> None:
    (row,) = ask(told, "cases.note", case=told.case().id, note="rang back", said="fixed")
    assert row["state"] == "fixed_claimed"
    with pytest.raises(InputError, match="told, fixed or wont_fix"):
        ask(told, "cases.note", case=told.case().id, said="wrong_contact")


def test_tasks_are_for_a_person_and_say_whom_to_reach(told: World) -> None:
    (task,) = ask(told, "cases.tasks")
    assert (task["step"], task["channel"], task["to"]) == ("phone", "phone", "+31 20 555 0100")
    assert read(told) == [("tasks", "")]


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ("told", "acknowledged"), ("not_reached", "open"), ("fixed", "fixed_claimed"), ("wont_fix", "will_not_fix"),
        ("wrong_contact", "open"), ("handled", "open"),
    ],
)  # fmt: skip
def test_what_came_of_a_task(told: World, result: str, state: str) -> None:
    (task,) = ask(told, "cases.tasks")
    (row,) = ask(told, "cases.done", task=task["task"], result=result, note="rang at ten")
    assert row["state"] == state and ask(told, "cases.tasks") == []
    step = told.step("phone")
    assert (step.result, step.by) == (result, f"uid {WHO.uid}")
    assert step.outcome == ("wrong" if result == "wrong_contact" else "done")
    assert told.logged("notice.sent")[-1].public["outcome"] == result
    with pytest.raises(InputError, match=r"there is none .*knockfirst cases tasks"):
        ask(told, "cases.done", task=task["task"], result=result)


KNOWN = ("0123456789abcdef", "0123456700000000", "fedcba9876543210")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("0123456789abcdef", KNOWN[0]), ("012345678", KNOWN[0]), ("fedc", KNOWN[2]), ("FEDC BA98", KNOWN[2]),
        (" 0123 4567 89ab cdef ", KNOWN[0]), ("fedc\u00a0ba", KNOWN[2]),
        ("fed", "is too short; give 4 digits"), ("f", "is too short"), ("abcd", "there is none whose id begins so"),
        ("0123 4567", "2 begin so, give more digits: 0123456700000000, 0123456789abcdef"),
        ("", "the id of one"), ("  ", "the id of one"), (None, "the id of one"), (7, "the id of one"),
        ("0123456789abcdef0", "there is none"), ("K-27", "there is none"),
    ],
)  # fmt: skip
def test_a_case_is_named_by_its_beginning(wanted: object, found: str) -> None:
    if found in KNOWN:
        assert meant("case", wanted, KNOWN, "list") == found
        return
    with pytest.raises(InputError, match=f"^case.*{found}"):
        meant("case", wanted, KNOWN, "list")


def test_of_very_many_that_begin_so_some_are_named() -> None:
    with pytest.raises(InputError, match=r"20 begin so.*: 00010000, .*00010004, \.\.\.$"):
        meant("case", "0001", [f"0001{n:04x}" for n in range(20)], "list")


@pytest.mark.parametrize("wanted", ["task", "case", "four", "grouped"])
def test_a_task_is_named_by_its_case_where_that_has_no_other(told: World, wanted: str) -> None:
    (task,) = ask(told, "cases.tasks")
    case = told.case().id
    words = {"task": task["task"], "case": case, "four": case[:4], "grouped": grouped(case)}
    (row,) = ask(told, "cases.done", task=words[wanted], result="told")
    assert row["state"] == "acknowledged"


def test_a_case_with_two_tasks_does_not_name_one(told: World) -> None:
    told.passes(4 * DAY, HOUR)  # nobody has phoned
    told.sends(told.dues()[-1])
    told.passes(6 * DAY, HOUR)  # and there is a letter to be written
    tasks = [row["task"] for row in ask(told, "cases.tasks")]
    assert len(tasks) == 2
    with pytest.raises(InputError, match=f"2 begin so, give more digits: {min(tasks)}, {max(tasks)}"):
        ask(told, "cases.done", task=told.case().id, result="told")
    ask(told, "cases.done", task=tasks[0], result="told")


def test_each_result_is_an_event_of_the_table() -> None:
    known = {event for row in TRANSITIONS.values() for event in row} | {"wrong", None}
    assert set(RESULTS.values()) <= known


def test_facts_of_a_case_and_of_all(told: World) -> None:
    (one,) = ask(told, "notices.facts", case=told.case().id, message="phone", lang="en")
    facts = Facts.model_validate(one["facts"])
    assert (facts.message, facts.lang, facts.customer) == ("phone", "en", CUSTOMER)
    (each,) = ask(told, "notices.facts")
    assert Facts.model_validate(each["facts"]).message == "tell"
    told.inventory.forget(told.inventory.observations(HOST))  # type: ignore[arg-type]
    assert ask(told, "notices.facts") == []
    with pytest.raises(InputError, match="nothing is known of its server"):
        ask(told, "notices.facts", case=told.case().id)


def test_facts_come_in_pages(told: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.verbs import cases, notices

    monkeypatch.setattr(notices, "PAGE", 0)
    assert ask(told, "notices.facts") == [{"next": 0}]
    monkeypatch.setattr(cases, "PAGE", 0)
    assert ask(told, "cases.list")[0] == {"cases": [], "next": 0}
    assert ask(told, "cases.list", start=1)[0] == {"cases": [], "next": None}


def test_what_waits_and_what_is_hurried(told: World) -> None:
    told.passes(4 * DAY, HOUR)
    due = told.dues()[-1]
    assert due.facts.message == "owner"
    (row,) = ask(told, "notices.queue")
    assert (row["step"], row["due"], row["tries"]) == ("owner", None, 0)
    told.sends(due, "later", 451)
    (row,) = ask(told, "notices.queue")
    assert row["due"] > told.clock.wall and row["tries"] == 1
    assert ask(told, "notices.send") == [{"hurried": 1}]
    told.passes(10, 5.0)
    assert told.dues()[-1].message_id == due.message_id and len(told.dues()) == 3


def test_how_it_stands(told: World) -> None:
    (answer,) = ask(told, "notices.status")
    assert answer["missing"] == [] and answer["tasks"]["phone"] == 1


def test_without_an_agent_there_are_cases_and_nothing_is_sent(told: World) -> None:
    told.office.telling = None
    assert ask(told, "cases.list")[0]["cases"]
    (task,) = ask(told, "cases.tasks")
    assert ask(told, "cases.done", task=task["task"], result="told")[0]["state"] == "acknowledged"
    for verb in ("notices.facts", "notices.queue", "notices.send", "notices.status"):
        with pytest.raises(UnavailableError, match="no daemon runs"):
            ask(told, verb)


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("cases.list", {"state": "lost"}), ("cases.list", {"severity": "low"}), ("cases.list", {"start": -1}),
        ("cases.show", {}), ("cases.show", {"case": "zz"}), ("cases.show", {"case": 7}),
        ("cases.close", {"case": "zz"}), ("cases.done", {"task": "x", "result": "told"}),
        ("cases.done", {"task": "x", "result": "blocked"}), ("notices.facts", {"message": "receipt"}),
        ("notices.facts", {"lang": "de"}), ("notices.facts", {"start": "0"}),
    ],
)  # fmt: skip
def test_words_that_mean_nothing_are_refused(told: World, verb: str, words: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ask(told, verb, **words)
    assert told.case().state == "open"


def test_a_note_has_its_bounds(told: World) -> None:
    with pytest.raises(InputError, match="2000 characters"):
        ask(told, "cases.note", case=told.case().id, note="x" * 2001)


def test_what_cannot_be_kept_is_said(told: World) -> None:
    told.office.book._db.execute("PRAGMA query_only = ON")
    with pytest.raises(ConfigError, match="nothing was done"):
        ask(told, "cases.note", case=told.case().id, note="x")


def test_a_fix_takes_the_task_away(told: World) -> None:
    told.sees(CURRENT)
    told.passes(300)
    assert ask(told, "cases.tasks") == []
