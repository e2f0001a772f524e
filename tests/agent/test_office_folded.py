"""The office: what is folded live is what is folded when the log is read again, whatever is in it, in any order."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import requests
from agent.audit.entry import KINDS, Item, Opened
from agent.consent.arming import Published
from agent.consent.history import History
from agent.consent.tokens import Tokens
from agent.consent.unmatched import Unmatched
from agent.lab import leave
from agent.leave import Limits
from agent.privacy import one
from tests import asking
from tests.agent import leaving
from tests.agent.consent import registers
from tests.agent.leaving import Clock

if TYPE_CHECKING:
    from agent.office import Office


def probes() -> st.SearchStrategy[Item]:
    """Intents and outcomes of the small world, whether or not they fit each other; some of a customer, some of none."""
    customer, host = st.sampled_from(("", *registers.CUSTOMERS)), st.sampled_from(("192.0.2.1", "198.51.100.7"))
    number = st.integers(0, 30)

    def intent(whose: str, address: str, n: int) -> Item:
        public = {"probe": "exchange-http", "id": f"{n:032x}", "why": "schedule", "record_hash": "0" * 64}
        return Item("probe.intent", public, whose, {"address": address, "port": 443} if whose else None)

    def outcome(whose: str, address: str, n: int, became: str, ms: int | None) -> Item:
        public = {"intent": n, "id": f"{n:032x}", "outcome": became, "connections": 1, "ms": ms}
        # With a customer and nothing private too: that is what is read back as nothing.
        return Item("probe.outcome", public, whose, {"address": address, "port": 443} if whose and ms else None)

    became = st.sampled_from(("confirmed", "timeout", "cancelled", "unknown"))
    denied = st.builds(lambda n: Item("probe.denied", {"reason": "pace", "count": n}), number)
    read = st.builds(lambda whose: Item("register.read", {"uid": 0, "what": "show"}, whose), customer)
    of_probes = st.one_of(
        st.builds(intent, customer, host, number),
        st.builds(outcome, customer, host, number, became, st.none() | st.integers(0, 2000)),
    )
    checked = st.builds(lambda n: leave.checked(registers.at(n), "it"), st.integers(0, 40))
    return st.one_of(of_probes, of_probes, denied, read, checked)


def items_of_events() -> st.SearchStrategy[list[Item]]:
    def to_item(number: int, event: registers.Event) -> Item:
        (entry,) = registers.opened([event])
        private = entry.private
        if private and event.kind == "record.given":
            private = private | {"withdrawal": private["withdrawal"] | {"token_sha256": f"{number:064x}"}}
        return Item(entry.kind, entry.public, entry.customer, private)

    folded = registers.events.map(lambda events: [to_item(n, event) for n, event in enumerate(events)])
    return st.builds(_woven, folded, st.lists(probes(), max_size=12), st.randoms(use_true_random=False))


def _woven(some: list[Item], others: list[Item], random: Any) -> list[Item]:
    out = [*some, *others]
    random.shuffle(out)
    return out


def state(office: Office) -> dict[str, Any]:
    """All that is asked of what is folded."""
    register, history, now = office.register, office.history, registers.at(40)
    hosts = (one("192.0.2.1")[0], one("198.51.100.7")[0])
    return {
        "customers": {each.ref: each for each in register.customers()},
        "holders": [register.holders(address, now) for address in registers.ADDRESSES],
        "objections": [register.objections(address) for address in registers.ADDRESSES],
        "sole": [register.sole(one(prefix)) for prefix in registers.PREFIXES],
        "sets": register.sets(now, Limits()),
        "next": register.next_change(now, Limits()),
        "documents": register.documents,
        "sources": register.sources(),
        "hosts": [(history.used(host), history.host(host), history.flying(host)) for host in hosts],
        "breakers": (history.whole(), [history.customer(ref) for ref in registers.CUSTOMERS]),
        "flights": history.flights,
        "recent": history.recent,
        "starts": history.starts(now),
        "refusals": history.refusals(0),
        "owners": office.tokens._owners,
        "checked": office.published.checked,
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(items_of_events(), st.integers(1, 7))
def test_what_is_folded_live_is_what_is_folded_after_it_was_opened_again(items: list[Item], at_once: int) -> None:
    clock = Clock()
    clock.wall = registers.at(40)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        office = leaving.made(asking.config(directory), directory, clock)
        office.open()
        for begin in range(0, len(items), at_once):
            clock.on(30)
            office.record(items[begin : begin + at_once])
        # Whatever is unanswered is answered when it is opened again, so that it is folded too.
        unanswered = set(office.history.flights)
        live = state(office)
        office.close()
        again = leaving.made(asking.config(directory), directory, clock)
        again.open()
        ended = [entry for entry in again.log.read(["probe.outcome"]) if entry.number >= len(items)]
        assert {entry.public["intent"] for entry in ended} <= unanswered
        if not ended:
            assert state(again) == live
        again.close()
        third = leaving.made(asking.config(directory), directory, clock)
        third.open()
        assert state(third) == state(again)
        third.close()


# What a fold could make something of, if it looked at it.
PUBLIC = {
    "kind": "terms", "lang": "en", "published_at": "2026-10-01T00:00:00Z", "sha256": "a" * 64, "entry": 0, "intent": 0,
    "id": "p", "outcome": "timeout", "reason": "pace", "count": 3, "step": "request", "channel": "mail",
    "at": "2026-10-01T00:00:00Z", "expires": "2027-10-01T00:00:00Z", "source": "crm",
}  # fmt: skip
PRIVATE = {
    "record_id": "r-1", "record": "r-1", "text": "May we?", "address": "192.0.2.1", "port": 443, "step": "s-1",
    "role": "security", "way": "mail", "message_id": "m-1", "withdrawal": {"token_sha256": "b" * 64},
}  # fmt: skip
FOLDS = (
    (History, History.KINDS), (Published, Published.KINDS), (Tokens, Tokens.KINDS), (Unmatched, Unmatched.KINDS),
    (requests.Requests, requests.KINDS),
)  # fmt: skip


@pytest.mark.parametrize(("made", "kinds"), FOLDS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_fold_is_told_of_every_kind_that_it_makes_something_of(made: Any, kinds: frozenset[str]) -> None:
    def folded(*told: str) -> bytes:
        fold = made()
        for number, kind in enumerate(told):
            fold.apply(Opened(number, kind, registers.at(1), PUBLIC, "c-1", PRIVATE))
        return pickle.dumps(vars(fold))

    taken = {kind for kind in KINDS for before in [(), *((one,) for one in sorted(kinds))]
             if folded(*before, kind) != folded(*before)}  # fmt: skip
    assert taken == kinds
