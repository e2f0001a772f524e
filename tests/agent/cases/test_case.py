"""The table of states: every state and event that there is, and what each pair comes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cases.case import (
    EVENTS,
    FINAL,
    LIVE,
    NOTED,
    OF_STEPS,
    STATES,
    TRANSITIONS,
    Case,
    Event,
    applied,
    grouped,
    takes,
)
from tests.agent.cases.servers import began

# Written once more, as it is meant: state -> event -> state. What is not here changes nothing.
MEANT = """
open           acknowledged recheck              -> acknowledged
open           refuted                           -> open
acknowledged   recheck refuted                   -> acknowledged
open           claimed                           -> fixed_claimed
acknowledged   claimed                           -> fixed_claimed
will_not_fix   claimed                           -> fixed_claimed
fixed_claimed  claimed recheck                   -> fixed_claimed
fixed_claimed  refuted                           -> acknowledged
human          claimed recheck refuted           -> human
will_not_fix   recheck refuted                   -> will_not_fix
open           declined                          -> will_not_fix
acknowledged   declined                          -> will_not_fix
fixed_claimed  declined                          -> will_not_fix
human          declined                          -> will_not_fix
open           disputed human                    -> human
acknowledged   disputed human                    -> human
fixed_claimed  disputed human                    -> human
will_not_fix   worsened                          -> human
"""
ENDS = {
    "fixed": "closed_fixed", "objected": "objected", "handed_over": "handed_over", "ended": "contract_ended",
    "unseen": "gone", "closed": "closed",
}  # fmt: skip


def meant() -> dict[tuple[str, str], str]:
    found = {}
    for line in MEANT.strip().splitlines():
        before, _, to = line.partition(" -> ")
        state, *events = before.split()
        found |= {(state, event): to for event in events}
    found |= {(state, event): to for state in LIVE for event, to in ENDS.items()}
    return found | {("closed_fixed", event): ENDS[event] for event in ("objected", "handed_over", "ended")}


def test_the_table_is_as_it_is_meant() -> None:
    table = {(state, event): to for state, row in TRANSITIONS.items() for event, to in row.items()}
    assert table == meant()


def test_each_state_is_explained_and_each_is_reached() -> None:
    assert set(STATES) == set(TRANSITIONS) == {*LIVE, *FINAL}
    assert {to for row in TRANSITIONS.values() for to in row.values()} | {"open"} == set(STATES)


@pytest.mark.parametrize("state", STATES)
def test_what_is_not_in_the_table_changes_nothing(state: str) -> None:
    case = began()._replace(state=state)
    for kind in EVENTS:
        if kind in (*NOTED, *OF_STEPS):
            continue
        after = applied(case, Event(9.0, kind, {}))
        assert after.state == meant().get((state, kind), state)
        assert takes(case, kind) == ((state, kind) in meant())
        if (state, kind) not in meant():
            assert after == case


def test_a_case_that_has_ended_is_never_alive_again() -> None:
    for state in FINAL:
        assert not set(TRANSITIONS[state].values()) & set(LIVE)


def step(ident: str, kind: str = "tell", message_id: str = "<a@isp.example>", time: float = 1.0) -> Event:
    body = {"id": ident, "step": kind, "channel": "mail", "role": "security", "way": "w", "message_id": message_id}
    return Event(time, "step", body)


def folded(case: Case, *events: Event) -> Case:
    for event in events:
        case = applied(case, event)
    return case


def test_a_step_is_made_once() -> None:
    case = folded(began(), step("a"), step("a", message_id="<b@isp.example>"))
    assert [made.message_id for made in case.steps] == ["<a@isp.example>"]


def test_what_was_put_off_can_begin_again_and_is_counted() -> None:
    case = folded(
        began(), step("a"), Event(2.0, "begun", {"id": "a"}), Event(3.0, "uncertain", {"id": "a"}),
        Event(4.0, "later", {"id": "a"}),
    )  # fmt: skip
    (made,) = case.steps
    assert (made.begun, made.uncertain, made.tries, made.tried, made.outcome) == (False, 1, 2, 4.0, "")


def test_what_was_sent_can_still_come_back() -> None:
    case = folded(began(), step("a"), Event(2.0, "sent", {"id": "a"}), Event(9.0, "bounced", {"id": "a"}))
    assert case.steps[0].failed and case.steps[0].ended == 2.0
    assert folded(case, Event(10.0, "sent", {"id": "a"})).steps[0].outcome == "bounced"


def test_the_last_step_makes_it_a_persons() -> None:
    case = folded(began(), step("a", "human", ""))
    assert (case.state, case.since) == ("human", 1.0)


def test_a_claim_waits_for_a_look_and_a_look_answers_it() -> None:
    claimed = folded(began(), Event(5.0, "claimed", {}))
    assert (claimed.state, claimed.asked, claimed.claimed) == ("fixed_claimed", 5.0, 5.0)
    refuted = folded(claimed, Event(6.0, "refuted", {}))
    assert (refuted.state, refuted.asked, refuted.claimed) == ("acknowledged", None, 5.0)
    assert folded(claimed, Event(6.0, "fixed", {})).asked is None


def test_what_was_exploited_once_stays_so() -> None:
    body = {"severity": "high", "build": "", "holes": [], "exploited": ["ProxyShell"]}
    assert folded(began(), Event(2.0, "changed", body)).exploited == ("ProxyLogon", "ProxyShell")


@pytest.mark.parametrize(
    ("ident", "read_out"),
    [("0123456789abcdef", "0123 4567 89ab cdef"), ("K-27", "K-27"), ("", ""), ("0123", "0123"), ("0" * 17, "0" * 17)],
)
def test_an_id_is_read_out_in_groups_of_four(ident: str, read_out: str) -> None:
    assert grouped(ident) == read_out


@given(st.lists(st.sampled_from(sorted(set(EVENTS) - {"opened", "changed", "step", *OF_STEPS}))))
def test_states_only_go_as_the_table_has_them(kinds: list[str]) -> None:
    case = began()
    for time, kind in enumerate(kinds):
        after = applied(case, Event(float(time), kind, {}))
        assert after.state == case.state or meant()[case.state, kind] == after.state
        case = after
