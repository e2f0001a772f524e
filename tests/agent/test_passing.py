"""What the webhook is told of, by way of the notifier: at least once, in the log's order, whoever ends meanwhile."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.audit.entry import Opened
from agent.cases.case import Step
from agent.desk import answered
from agent.ipc import Type
from agent.messages import validated
from agent.notice import Bounced, Taken
from agent.passing import JOB, Passing
from tests import asking
from tests.agent import asking_world, leaving
from tests.agent.consent.offices import WHO
from tests.agent.leaving import HOST, Clock
from tests.agent.telling_world import CUSTOMER, NOTICES, World, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.notice import Due

HOOK = {"webhook": "https://hooks.isp.example/notices"}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    """With a webhook, and a message that the notifier has."""
    with world(tmp_path, **HOOK) as told:
        told.sees()
        told.passes(2, 1.0)
        yield told


def events(told: World) -> list[dict[str, Any]]:
    """What the notifier that is there was told to tell."""
    bodies = told.heard(Type.EVENT)
    assert all(validated(Type.EVENT, body) for body in bodies)
    return bodies


def sends(told: World, outcome: str = "sent") -> Due:
    due = told.dues()[-1]
    told.sends(due, outcome)
    told.passes(2, 1.0)
    return due


def test_a_message_that_was_sent_is_told_of_once_and_of_nobody(made: World) -> None:
    due = sends(made)
    made.passes(10, 1.0)
    (event,) = events(made)
    case = made.case()
    assert re.fullmatch("[0-9a-f]{32}", event.pop("id"))
    assert event == {
        "event": "sent", "time": int(made.logged("notice.sent")[0].time), "message_id": due.message_id,
        "step": due.id, "message": "tell", "case": case.id, "severity": "critical", "lang": "nl", "status": "",
    }  # fmt: skip
    assert not [word for word in (CUSTOMER, HOST, due.to) if word in str(event)]


def test_what_came_back_is_told_of_after_it(made: World) -> None:
    due = sends(made)
    made.says(Bounced(message_id=due.message_id, action="failed", status="5.1.1"))
    made.passes(2, 1.0)
    assert [(event["event"], event["status"]) for event in events(made)] == [("sent", ""), ("failed", "5.1.1")]
    assert {event["message_id"] for event in events(made)} == {due.message_id}


def test_what_was_not_taken_is_told_to_the_next_notifier_under_the_same_id(made: World) -> None:
    sends(made)
    (first,) = events(made)
    assert made.telling._passing.oldest() == first["time"]
    made.goes()
    made.passes(60)
    made.comes()
    made.passes(2, 1.0)
    assert events(made) == [first]
    made.says(Taken(id=first["id"]))
    made.goes()
    made.comes()
    made.passes(10, 1.0)
    assert events(made) == [] and made.telling._passing.oldest() is None


def next_agent(directory: Path, clock: Clock, **notices: Any) -> World:
    office = leaving.made(asking.config(directory, notices=NOTICES | notices), directory, clock)
    office.open()
    told = World(office, clock)
    told.comes()
    told.passes(5, 1.0)
    return told


def test_an_agent_that_ends_leaves_what_waits_to_the_next(tmp_path: Path) -> None:
    with world(tmp_path, **HOOK) as told:
        told.sees()
        told.passes(2, 1.0)
        due = sends(told)
        told.says(Bounced(message_id=due.message_id, action="failed"))
        told.passes(2, 1.0)
        first, second = events(told)
        told.says(Taken(id=first["id"]))
        told.passes(2, 1.0)
    told = next_agent(tmp_path, told.clock, **HOOK)
    assert events(told) == [second]
    told.says(Taken(id=second["id"]))
    told.passes(2, 1.0)
    told.office.close()
    told = next_agent(tmp_path, told.clock, **HOOK)
    assert events(told) == []
    told.office.close()


def test_what_was_before_there_was_a_webhook_is_not_told(tmp_path: Path) -> None:
    with world(tmp_path, **HOOK) as told:
        told.sees()
        told.passes(2, 1.0)
        assert told.office.book.last_success(JOB) > 0
        told.office.take(asking.config(tmp_path, notices=NOTICES))
        due = sends(told)
        told.says(Bounced(message_id=due.message_id, action="delivered"))
        assert events(told) == [] and told.office.book.last_success(JOB) == 0
    told = next_agent(tmp_path, told.clock, **HOOK)
    told.says(Bounced(message_id=due.message_id, action="failed"))
    told.passes(2, 1.0)
    assert [event["event"] for event in events(told)] == ["failed"]
    told.office.close()


def test_of_who_was_erased_nothing_is_told_any_more(made: World) -> None:
    (due,) = made.dues()
    made.sends(due)
    made.says(Bounced(message_id=due.message_id, action="delayed"))
    made.goes()
    made.passes(2, 1.0)
    assert made.telling._passing.oldest() is not None
    answered(made.office, "customer.erase", {"customer": CUSTOMER}, WHO)
    assert made.telling._passing.oldest() is None
    made.comes()
    made.passes(10, 1.0)
    assert events(made) == []


def test_that_it_arrived_is_told_without_the_log_and_with_one_id(made: World) -> None:
    due = sends(made)
    for action in ("delivered", "delayed", "delivered", "delayed"):
        made.says(Bounced(message_id=due.message_id, action=action))  # type: ignore[arg-type]
    made.says(Bounced(message_id="<none.of@ours.example>", action="delivered"))
    made.passes(2, 1.0)
    sent, *others = events(made)
    assert [event["event"] for event in others] == ["delivered", "delayed"]
    for event in (sent, *others):
        made.says(Taken(id=event["id"]))
    made.says(Bounced(message_id=due.message_id, action="delayed"))
    made.passes(2, 1.0)
    assert events(made)[-1]["id"] == others[1]["id"]
    assert made.telling.body()["webhook_dropped"] == 0  # type: ignore[index]


def test_a_letter_is_told_of_too(tmp_path: Path) -> None:
    with asking_world.asking(tmp_path, notices=NOTICES | HOOK) as told:
        told.asks()
        told.passes(2, 1.0)
        due = sends(told)
        (event,) = events(told)
        assert (event["event"], event["message"], event["case"]) == ("sent", "request", "")
        assert event["message_id"] == due.message_id


class Kept:
    """What passing on needs of an office: a log, how far it was told, and the letters that it is about."""

    def __init__(self) -> None:
        self.entries: list[Opened] = []
        self.jobs: dict[str, float] = {}
        self.book = SimpleNamespace(
            cases={}, last_success=lambda name: self.jobs.get(name, 0.0),
            succeeded=lambda name, number: self.jobs.update({name: number}),
        )  # fmt: skip
        self.config = SimpleNamespace(notices=SimpleNamespace(webhook="https://hooks.isp.example/"))
        letters: dict[str, Any] = {}
        self.requests = SimpleNamespace(letters=letters, sent=letters.get)
        self.log = self
        self.put("log.started")

    @property
    def size(self) -> int:
        return len(self.entries)

    def now(self) -> float:
        return float(self.size)

    def read(self, kinds: tuple[str, ...], start: int, end: int) -> Iterator[Opened]:
        return (entry for entry in self.entries[start:end] if entry.kind in kinds)

    def put(self, kind: str, outcome: str = "", mail: bool = True) -> None:
        number = self.size
        ident = f"{number:08x}"
        self.requests.letters[ident] = SimpleNamespace(
            customer="C-1", step=Step(ident, "request", "mail", "", "", f"<{ident}@isp.example>" if mail else "", 0.0)
        )
        self.entries.append(Opened(number, kind, float(number), {"outcome": outcome}, "C-1", {"step": ident}))


class Walk:
    """Agents and notifiers that come and go. ``told``: what, in order; ``new``: the ids since the notifier came."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.told: list[str] = []
        self.new: list[str] = []
        self.taken: set[str] = set()
        self.agent()

    def agent(self) -> None:
        recipients: Any = SimpleNamespace(reached_by=lambda customer, step: None)
        self.passing = Passing(self.kept, recipients, lambda message_id: None)  # type: ignore[arg-type]
        self.notifier()

    def notifier(self) -> None:
        self.passing.lost()
        self.new, self.taken = [], set()
        self.passing.met(self.hears)

    def hears(self, kind: Type, body: dict[str, Any]) -> None:
        event = validated(kind, body)
        self.told.append(event.message_id)
        self.new.append(event.id)
        assert len(self.new) - len(self.taken & set(self.new)) <= 8

    def takes(self, most: int) -> None:
        for ident in [ident for ident in self.new if ident not in self.taken][:most]:
            self.taken.add(ident)
            self.passing.took(ident)


STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(["sent", "refused", "cancelled", "later", "uncertain", "person"])),
    st.tuples(st.sampled_from(["tend", "tend", "agent", "notifier"]), st.none()),
    st.tuples(st.just("takes"), st.integers(1, 9)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_whoever_ends_everything_is_told_in_order_and_what_was_taken_is_not_again_for_long(steps: Any) -> None:
    kept = Kept()
    walk = Walk(kept)
    walk.passing.tend()
    wanted = []
    for what, how in steps:
        if what == "put":
            kept.put("notice.sent", "sent" if how == "person" else how, mail=how != "person")
            if how in ("sent", "refused", "cancelled"):
                wanted.append(f"<{kept.size - 1:08x}@isp.example>")
        else:
            act = walk.passing.tend if what == "tend" else getattr(walk, what)
            act(*([how] if how else []))
    for _ in range(len(wanted) + 2):
        walk.passing.tend()
        walk.takes(9)
    walk.passing.tend()
    assert list(dict.fromkeys(walk.told)) == wanted
    assert kept.jobs[JOB] == kept.size and walk.passing.oldest() is None
    told = len(walk.told)
    walk.agent()
    walk.passing.tend()
    assert len(walk.told) == told, "all of it was taken, and that is on record"


def test_no_more_waits_in_memory_than_there_is_room_for() -> None:
    kept = Kept()
    walk = Walk(kept)
    kept.put("notice.due")
    (ident,) = [ident for ident in kept.requests.letters if int(ident, 16) == 1]
    letter = kept.requests.letters[ident]
    kept.requests.sent = lambda message_id: SimpleNamespace(
        customer="C-1", step=letter.step._replace(message_id=message_id)
    )
    walk.passing.lost()
    for number in range(1002):
        walk.passing.heard(Bounced(message_id=f"<{number}@isp.example>", action="delivered"))
    walk.passing.tend()
    assert walk.passing.dropped == 2
