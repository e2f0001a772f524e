"""The ladder: its table, and what holds whatever happens and whenever."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.cases.case import FAILED, PENDING, Case, Event, applied
from agent.cases.ladder import (
    CLAIM,
    DAY,
    HOUR,
    LADDER,
    QUIET,
    STEPS,
    Contact,
    Next,
    due,
    given_up,
    stands,
    way,
    when,
    within_reach,
)
from tests.agent.cases.servers import began

MAIL, PHONE = Contact("security", "mail", "m"), Contact("security", "phone", "p")
OWNER, LETTER = Contact("owner", "mail", "o", "en"), Contact("owner", "letter", "l")
ALL = (MAIL, PHONE, OWNER, LETTER)
STOPS = ("fixed", "objected", "handed_over", "ended", "unseen", "closed", "declined")

# Step, after so many hours for critical and high, by which way, to whom.
MEANT = (
    ("tell", 0, 0, "mail", MAIL),
    ("phone", 48, 168, "phone", PHONE),
    ("owner", 120, 336, "mail", OWNER),
    ("letter", 240, 720, "letter", LETTER),
    ("human", 336, 1080, "desk", None),
)


def made(case: Case, step: Next, now: float) -> Case:
    ident = f"{len(case.steps):08x}"
    contact = step.contact
    body = {
        "id": ident, "step": step.kind, "channel": step.channel, "role": contact.role if contact else "",
        "way": contact.way if contact else "", "message_id": f"<{ident}@isp.example>" if step.channel == "mail" else "",
    }  # fmt: skip
    return applied(case, Event(now, "step", body))


def said(case: Case, kind: str, now: float, **body: Any) -> Case:
    return applied(case, Event(now, kind, body))


def walked(case: Case, contacts: tuple[Contact, ...], until: float, outcome: str = "sent") -> tuple[Case, list[Any]]:
    """Go up hour by hour; every message ends so at once."""
    steps, now = [], case.opened
    while now <= until:
        step = due(case, contacts, now)
        if step is None:
            now += HOUR
            continue
        case = made(case, step, now)
        steps.append((step.kind, (now - case.opened) / HOUR, step.channel, step.contact))
        if step.channel == "mail":
            case = said(case, outcome, now, id=case.steps[-1].id)
    return case, steps


@pytest.mark.parametrize(("severity", "column"), [("critical", 1), ("high", 2)])
def test_the_table_of_the_design(severity: str, column: int) -> None:
    _, steps = walked(began(severity), ALL, 46 * DAY)
    assert steps == [(row[0], row[column], row[3], row[4]) for row in MEANT]


def test_every_step_has_its_row_and_its_text() -> None:
    assert STEPS == ("tell", "contact", "phone", "owner", "letter", "human", "quiet", "closing")
    assert all(rung.unless or rung.kind == "human" for rung in LADDER)


@pytest.mark.parametrize(("severity", "hours"), [("critical", 4), ("high", 24)])
def test_what_came_back_goes_another_way_to_the_next_contact(severity: str, hours: int) -> None:
    case = made(began(severity), Next("tell", "mail", MAIL), 0.0)
    case = said(said(case, "sent", 0.0, id=case.steps[0].id), "bounced", HOUR, id=case.steps[0].id)
    assert due(case, ALL, hours * HOUR - 1) is None
    assert due(case, ALL, hours * HOUR) == Next("contact", "phone", PHONE)
    case = made(case, Next("contact", "phone", PHONE), hours * HOUR)
    # Who was phoned is not phoned again.
    assert due(case, ALL, 6 * DAY) is None or due(case, ALL, 6 * DAY) == Next("owner", "mail", OWNER)


def test_where_there_is_no_other_way_it_goes_to_another_person() -> None:
    case, steps = walked(began(), (MAIL, OWNER), 20 * DAY, "bounced")
    assert [(step[0], step[3]) for step in steps] == [("tell", MAIL), ("contact", OWNER), ("human", None)]
    assert case.state == "human"


OTHER, PORTAL = Contact("abuse", "phone", "q"), Contact("owner", "portal", "w")

# Contacts, and the steps of a critical case with the hours at which they are, where no mail can be sent.
MAILLESS: tuple[tuple[tuple[Contact, ...], list[tuple[str, int, str]]], ...] = (
    ((), [("human", 336, "desk")]),
    ((MAIL,), [("human", 336, "desk")]),
    ((MAIL, OWNER), [("human", 336, "desk")]),
    ((MAIL, PHONE), [("contact", 0, "phone"), ("human", 336, "desk")]),
    ((MAIL, PHONE, OTHER), [("contact", 0, "phone"), ("phone", 48, "phone"), ("human", 336, "desk")]),
    ((MAIL, LETTER), [("contact", 0, "letter"), ("human", 336, "desk")]),
    ((MAIL, PORTAL, LETTER), [("contact", 0, "portal"), ("letter", 240, "letter"), ("human", 336, "desk")]),
    (ALL, [("contact", 0, "phone"), ("letter", 240, "letter"), ("human", 336, "desk")]),
)


@pytest.mark.parametrize(("contacts", "meant"), MAILLESS)
def test_where_no_mail_can_be_sent_it_climbs_by_the_other_ways(
    contacts: tuple[Contact, ...], meant: list[tuple[str, int, str]]
) -> None:
    assert within_reach(contacts, mails=True) == contacts
    reached = within_reach(contacts, mails=False)
    assert not [each for each in reached if each.channel == "mail"]
    case, steps = walked(began(), reached, 20 * DAY)
    assert [step[:3] for step in steps] == meant
    assert case.state == "human"


# After so many hours without mail there is a relay: what is still to come, and by which way.
LATER = (
    (0, [("tell", 0, "mail"), ("phone", 48, "phone"), ("owner", 120, "mail"), ("letter", 240, "letter")]),
    (1, [("contact", 0, "phone"), ("owner", 120, "mail"), ("letter", 240, "letter")]),
    (121, [("contact", 0, "phone"), ("owner", 121, "mail"), ("letter", 241, "letter")]),
    (241, [("contact", 0, "phone"), ("letter", 240, "letter")]),
)


@pytest.mark.parametrize(("hours", "meant"), LATER)
def test_a_relay_that_comes_later_counts_for_what_is_still_to_come(
    hours: int, meant: list[tuple[str, int, str]]
) -> None:
    case, steps = walked(began(), within_reach(ALL, mails=False), (hours - 1) * HOUR)
    now = hours * HOUR
    while now <= 14 * DAY:
        if (step := due(case, ALL, now)) and step.kind != "human":
            case = made(case, step, now)
            steps.append((step.kind, now / HOUR, step.channel, step.contact))
            if step.channel == "mail":
                case = said(case, "sent", now, id=case.steps[-1].id)
        now += HOUR
    assert [step[:3] for step in steps] == meant


def test_who_cannot_be_reached_at_all_is_a_persons_in_the_end() -> None:
    _, steps = walked(began(), (), 20 * DAY)
    assert steps == [("human", 336, "desk", None)]


def test_who_has_answered_is_not_phoned_but_the_owner_is_told() -> None:
    case = made(began(), Next("tell", "mail", MAIL), 0.0)
    case = said(said(case, "sent", 0.0, id=case.steps[0].id), "acknowledged", HOUR)
    assert due(case, ALL, 4 * DAY) is None
    assert due(case, ALL, 5 * DAY) == Next("owner", "mail", OWNER)


def test_who_says_fixed_when_a_person_has_decided_is_a_persons_again_if_nothing_bears_it_out() -> None:
    case, _ = walked(began(), (), 15 * DAY)
    case = said(said(case, "declined", 16 * DAY), "claimed", 17 * DAY)
    assert due(case, (), 17 * DAY + CLAIM - 1) is None
    step = due(case, (), 17 * DAY + CLAIM)
    assert step == Next("human", "desk", None)
    case = made(case, step, 17 * DAY + CLAIM)
    assert case.state == "human" and due(case, (), 80 * DAY) is None


@pytest.mark.parametrize("answers", [("declined", "claimed", "refuted"), ("declined", "worsened")])
def test_what_is_new_after_a_person_has_decided_is_a_persons_again(answers: tuple[str, ...]) -> None:
    case, _ = walked(began(), (), 15 * DAY)
    for day, answer in enumerate(answers):
        case = said(case, answer, (16 + day) * DAY)
    step = due(case, (), 20 * DAY)
    assert step == Next("human", "desk", None)
    case = made(case, step, 20 * DAY)
    assert case.state == "human" and due(case, (), 80 * DAY) is None


def test_what_the_relay_has_not_taken_is_waited_for_and_given_up_in_the_end() -> None:
    case = made(began(), Next("tell", "mail", MAIL), 0.0)
    step = case.steps[0]
    assert due(case, ALL, 4 * DAY) is None
    assert not given_up(step, 5 * DAY - 1) and given_up(step, 5 * DAY)
    assert not given_up(step._replace(begun=True), 9 * DAY)  # it may have arrived
    failed = said(case, "refused", 5 * DAY, id=step.id)
    assert due(failed, ALL, 5 * DAY + 4 * HOUR) == Next("contact", "phone", PHONE)


def test_steps_that_are_late_do_not_come_all_at_once() -> None:
    """Nobody looked for a month: what is between two steps is between them still."""
    case = made(began(), Next("tell", "mail", MAIL), 30 * DAY)
    case = said(case, "sent", 30 * DAY, id=case.steps[0].id)
    assert due(case, ALL, 32 * DAY - 1) is None
    assert due(case, ALL, 32 * DAY) == Next("phone", "phone", PHONE)
    assert when(case, ALL, 30 * DAY) == 32 * DAY


def test_a_claim_is_waited_for() -> None:
    case = made(began(), Next("tell", "mail", MAIL), 0.0)
    case = said(said(case, "sent", 0.0, id=case.steps[0].id), "claimed", DAY)
    assert due(case, ALL, DAY + CLAIM - 1) is None
    assert due(case, ALL, DAY + CLAIM) == Next("owner", "mail", OWNER)


def test_quiet_lines_each_90_days() -> None:
    case, _ = walked(began("high"), ALL, 46 * DAY)
    assert case.state == "human"
    case, steps = walked(case, ALL, 46 * DAY + 3 * QUIET)
    assert [step[0] for step in steps] == ["quiet"] * 3
    times = [step.made for step in case.steps if step.kind == "quiet"]
    assert [after - before for before, after in pairwise(times)] == [QUIET, QUIET]


def test_a_critical_case_that_a_person_has_is_his() -> None:
    case, _ = walked(began(), ALL, 400 * DAY)
    assert [step.kind for step in case.steps] == [row[0] for row in MEANT]


def test_who_will_not_fix_it_gets_a_line_and_no_more() -> None:
    case = said(walked(began(), ALL, HOUR)[0], "declined", HOUR)
    _, steps = walked(case, ALL, 200 * DAY)
    assert [step[0] for step in steps] == ["quiet", "quiet"]


def test_a_fix_is_told_once_to_who_was_told() -> None:
    case = said(walked(began(), ALL, HOUR)[0], "fixed", DAY)
    assert due(case, ALL, DAY) == Next("closing", "mail", MAIL)
    assert due(made(case, Next("closing", "mail", MAIL), DAY), ALL, 9 * DAY) is None
    assert due(said(case, "objected", DAY), ALL, DAY) is None
    assert due(said(began(), "fixed", DAY), ALL, DAY) is None  # nobody was told anything


def test_an_answer_that_a_person_has_to_look_at_goes_to_one_at_once() -> None:
    case = said(walked(began(), ALL, HOUR)[0], "disputed", HOUR)
    assert due(case, ALL, HOUR) == Next("human", "desk", None)


@pytest.mark.parametrize("kind", STOPS)
def test_what_was_made_and_is_overtaken_is_not_sent(kind: str) -> None:
    case = made(began(), Next("tell", "mail", MAIL), 0.0)
    assert stands(case, case.steps[0])
    case = said(case, kind, 1.0)
    assert not stands(case, case.steps[0])


def test_a_persons_task_stands_until_the_case_ends() -> None:
    case, _ = walked(began(), ALL, 20 * DAY)
    assert stands(case, case.steps[-1])
    assert not stands(said(case, "fixed", 1.0), case.steps[-1])


def test_a_way_tells_nothing_of_its_address() -> None:
    assert way("mail", "soc@example.nl") == way("mail", "soc@example.nl") != way("phone", "soc@example.nl")
    assert "soc" not in way("mail", "soc@example.nl")


HAPPENINGS = st.one_of(
    st.sampled_from(("acknowledged", "claimed", "refuted", "recheck", "disputed", "worsened", *STOPS)),
    st.sampled_from(("sent", "later", "refused", "bounced", "uncertain", "begun", "done", "wrong")),
)
Moments = list[tuple[float, str | None]]
MOMENTS = st.lists(st.tuples(st.floats(0, 30), st.one_of(st.none(), HAPPENINGS)), max_size=40)
PEOPLE = st.lists(st.sampled_from(ALL), unique=True).map(tuple)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(("critical", "high")), PEOPLE, MOMENTS)
@example("critical", (), [(14.0, None), (0.0, "declined"), (0.0, "claimed"), (0.0, "refuted")])
def test_whatever_happens(
    severity: str, contacts: tuple[Contact, ...], moments: list[tuple[float, str | None]]
) -> None:
    case, now = began(severity), 0.0
    for days, kind in moments:
        now += days * DAY
        before = case
        if kind is not None:
            ident = case.steps[-1].id if case.steps else "none"
            case = said(case, kind, now, id=ident)
        step = due(case, contacts, now)
        if step is None:
            continue
        assert when(case, contacts, now) <= now
        assert case.live or (case.state == "closed_fixed" and step.kind == "closing"), before
        if step.contact is not None:
            failed = {each.way for each in case.steps if each.outcome in FAILED}
            assert step.contact in contacts and step.contact.way not in failed
            told = {each.way for each in case.steps}
            assert step.kind in ("quiet", "closing") or step.contact.way not in told
        if case.state in ("human", "will_not_fix"):
            assert step.kind in ("quiet", "human")
        case = made(case, step, now)
        assert stands(case, case.steps[-1])
    kinds = [step.kind for step in case.steps if step.kind not in ("quiet", "human")]
    assert len(kinds) == len(set(kinds))
    assert len({step.id for step in case.steps}) == len(case.steps)
    _ends_at_a_person(case, contacts, now, asked_anew=any(kind in ("claimed", "worsened") for _, kind in moments))


def _ends_at_a_person(case: Case, contacts: tuple[Contact, ...], now: float, *, asked_anew: bool) -> None:
    """However it stands: left alone, with messages given up, it comes to a person or has come to its end."""
    for _ in range(120):
        now += DAY
        for each in case.steps:
            if each.mail and each.outcome == PENDING and (each.begun or given_up(each, now)):
                case = said(case, "sent" if each.begun else "refused", now, id=each.id)
        if (step := due(case, contacts, now)) is not None:
            case = made(case, step, now)
    assert not case.live or case.state in ("human", "will_not_fix")
    if case.state == "human":
        # Once, and once more for each "fixed" that came later and that nothing bore out, and for what got worse.
        many = sum(step.kind == "human" for step in case.steps)
        assert many == 1 or (many > 1 and asked_anew)
