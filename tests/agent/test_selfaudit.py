"""The self-audit: what is on both sides is no difference, whatever came first; what is on one is, if all looked."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agent.asked import Knocks, OutcomeOf
from agent.leave import Budget, Grant
from agent.messages import Counters
from agent.selfaudit import LATE, MAX_WAITING, SOON, SelfAudit


def knock(port: int = 40_000, address: str = "198.51.100.7", **more: Any) -> dict[str, Any]:
    return {"source": "192.0.2.9", "source_port": port, "address": address, "port": 443, "time": 1.0, **more}


def seen(*knocks: dict[str, Any]) -> Knocks:
    return Knocks(knocks=list(knocks))  # type: ignore[arg-type]


def outcome(*knocks: dict[str, Any], ident: str = "0123456789abcdef", **more: Any) -> OutcomeOf:
    written: dict[str, Any] = {
        "id": ident, "outcome": "confirmed", "detail": "", "knocks": list(knocks), "statuses": [], "bytes": 0,
        "milliseconds": 200, "certificate": "", "told": [],
    }  # fmt: skip
    return OutcomeOf.model_validate(written | more)


def grant(deadline: float, ident: str = "0123456789abcdef", address: str = "198.51.100.7") -> Grant:
    return Grant(ident, address, 443, None, "exchange-http", "r", deadline, Budget(), 1, "")


def counters(*, lost: int = 0, up: float = 1.0, untold: int = 0) -> Counters:
    interface = {"name": "eth0", "counts": {"drop_ring": lost}, "gauges": {"up": up}}
    return Counters(counts={"knocks_untold": untold}, interfaces=[interface])  # type: ignore[list-item]


class Desk:
    """An audit long after its beginning, with one who looks since a minute."""

    def __init__(self, lookers: int = 1) -> None:
        self.now = 0.0
        self.audit = SelfAudit(lambda: self.now)
        self.audit.watch(("192.0.2.9",))
        self.now = 10 * LATE
        for who in range(lookers):
            self.audit.opened(who)
            self.audit.applied(who)
        self.now += 60.0

    def later(self, seconds: float) -> Desk:
        self.now += seconds
        return self

    def counts(self) -> dict[str, int]:
        """Those that are not 0, once everything was judged."""
        self.now += 3 * LATE
        return {name: count for name, count in self.audit.body().items() if count}


@pytest.mark.parametrize("first", ["seen", "logged"])
def test_what_is_on_both_sides_is_no_difference(first: str) -> None:
    desk = Desk()
    if first == "seen":
        desk.audit.seen(seen(knock()))
        desk.later(20.0).audit.logged(outcome(knock(), milliseconds=20_000))
    else:
        desk.audit.logged(outcome(knock()))
        desk.later(SOON - 1).audit.seen(seen(knock()))
    assert desk.counts() == {"matched": 1}


def test_the_order_of_any_number_of_them_is_nothing() -> None:
    r = random.Random("self-audit")
    for _ in range(50):
        desk = Desk()
        probes = [[knock(40_000 + 3 * n + k) for k in range(r.randrange(1, 4))] for n in range(9)]
        said: list[tuple[str, Any]] = [("logged", outcome(*knocks)) for knocks in probes]
        said += [("seen", seen(each)) for knocks in probes for each in knocks]
        r.shuffle(said)
        for how, what in said:
            getattr(desk.later(r.random() * 0.2).audit, how)(what)
        assert desk.counts() == {"matched": sum(map(len, probes))}


def test_what_knocks_and_is_not_on_record_is_found_out() -> None:
    desk = Desk()
    desk.audit.granted(grant(desk.now + 20))
    desk.audit.seen(seen(knock(), knock(40_001), knock(40_002, address="198.51.100.8")))
    assert desk.audit.body()["waiting"] == 3
    desk.later(1.0).audit.logged(outcome(knock()))
    assert desk.counts() == {"matched": 1, "seen_not_logged": 2, "difference": 2}


def test_what_is_on_record_and_was_not_seen_is_found_out() -> None:
    desk = Desk()
    desk.audit.logged(outcome(knock()))
    assert desk.audit.body()["difference"] == 0, "it may still come"
    assert desk.counts() == {"logged_not_seen": 1, "difference": 1}


@pytest.mark.parametrize("ends", ["unreachable", "timeout", "cancelled"])
def test_a_syn_that_may_never_have_left_this_machine_is_no_difference(ends: str) -> None:
    desk = Desk()
    desk.audit.logged(outcome(knock(), knock(40_001), outcome=ends))
    # The first of them was answered, or there had been no second.
    assert desk.counts() == {"logged_not_seen": 1, "unsent": 1, "difference": 1}


def test_a_probe_of_which_nothing_was_heard_again_explains_what_was_seen_of_it() -> None:
    desk = Desk()
    desk.audit.granted(grant(desk.now + 20))
    desk.audit.seen(seen(knock()))
    assert desk.counts() == {"unfinished": 1}
    desk.audit.seen(seen(knock(40_001)))
    assert desk.counts() == {"unfinished": 1, "seen_not_logged": 1, "difference": 1}, "its time was over"


def test_what_another_agent_granted_is_not_held_against_anybody() -> None:
    now = 0.0
    audit = SelfAudit(lambda: now)
    audit.watch(("192.0.2.9",))
    audit.seen(seen(knock()))
    now = 3 * LATE
    assert audit.body()["unwatched"] == 1
    assert audit.body()["difference"] == 0


BLIND = {
    "nobody looks": lambda audit: audit.closed(0),
    "a new one has not begun": lambda audit: audit.opened(1),
    "frames were lost": lambda audit: audit.counted(0, counters(lost=1)),
    "the interface was down": lambda audit: audit.counted(0, counters(up=0.0)),
    "there is no interface": lambda audit: audit.counted(0, Counters(counts={})),
    "there were too many to tell": lambda audit: audit.counted(0, counters(untold=1)),
}


@pytest.mark.parametrize("what", BLIND)
def test_what_capture_cannot_have_seen_is_held_against_nobody(what: str) -> None:
    desk = Desk()
    BLIND[what](desk.audit)
    desk.audit.logged(outcome(knock()))
    assert desk.counts() == {"unwatched": 1}


@pytest.mark.parametrize("what", [what for what in BLIND if what not in ("nobody looks", "a new one has not begun")])
def test_a_loss_that_is_told_afterwards_counts_too_and_is_forgotten(what: str) -> None:
    desk = Desk()
    desk.audit.logged(outcome(knock()))
    BLIND[what](desk.later(1.0).audit)
    assert desk.counts() == {"unwatched": 1}
    desk.audit.counted(0, counters(lost=1, untold=1))
    desk.later(5.0).audit.counted(0, counters(lost=1, untold=1))
    desk.audit.logged(outcome(knock(40_001)))
    assert desk.counts() == {"unwatched": 1, "logged_not_seen": 1, "difference": 1}


def test_it_counts_once_all_look_again() -> None:
    desk = Desk(lookers=2)
    desk.audit.closed(1)
    desk.audit.opened(2)
    desk.audit.applied(0)
    desk.later(5.0).audit.logged(outcome(knock()))
    desk.later(1.0).audit.applied(2)
    desk.audit.logged(outcome(knock(40_001), milliseconds=2_000))
    desk.later(5.0).audit.logged(outcome(knock(40_002)))
    assert desk.counts() == {"unwatched": 2, "logged_not_seen": 1, "difference": 1}


def test_without_addresses_nothing_is_counted_and_others_are_looked_for_anew() -> None:
    desk = Desk()
    desk.audit.logged(outcome(knock()))
    desk.audit.watch(())
    desk.audit.logged(outcome(knock(40_001)))
    desk.audit.seen(seen(knock(40_002)))
    assert desk.counts() == {}
    desk.audit.watch(("192.0.2.10",))
    desk.audit.logged(outcome(knock(40_003)))
    desk.later(1.0).audit.applied(0)
    desk.later(5.0).audit.logged(outcome(knock(40_004)))
    assert desk.counts() == {"unwatched": 1, "logged_not_seen": 1, "difference": 1}


def test_two_who_see_the_same_connection_saw_one() -> None:
    desk = Desk(lookers=2)
    desk.audit.seen(seen(knock(), knock(40_001)))
    desk.audit.seen(seen(knock()))
    desk.audit.logged(outcome(knock(), knock(40_001)))
    desk.later(0.1).audit.seen(seen(knock(40_001)))
    assert desk.counts() == {"matched": 2}


def test_a_flood_is_bounded_and_counted() -> None:
    desk = Desk()
    for first in range(1, MAX_WAITING + 1025, 256):
        desk.audit.seen(seen(*(knock(port) for port in range(first, first + 256))))
    assert desk.audit.body()["waiting"] == MAX_WAITING
    assert desk.counts()["seen_not_logged"] == MAX_WAITING + 1024
