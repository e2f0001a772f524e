"""A customer who is erased is nowhere any more: not in a file, not in memory, whatever dies meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from agent import schema
from agent.audit.verify import verified
from agent.cases.book import BookError
from agent.consent.history import History
from agent.consent.register import Register
from agent.consent.tokens import Tokens
from agent.desk import answered
from agent.erasing import UnfinishedError
from agent.errors import ConfigError, InputError
from agent.ipc import Type
from agent.lab import leave
from agent.leave import Refusal
from agent.model import Endpoint, Observation
from agent.notice import Bounced, Sent
from agent.privacy import cidrs, one
from agent.sections import Config
from tests import asking
from tests.agent import erased_world, leaving, permission_world, telling_world
from tests.agent.consent.offices import WHO
from tests.agent.erased_world import GONE, GONE_HOST, GONE_NET, STAYS, STAYS_HOST, TOKEN, Agent, agent, found, lived
from tests.agent.leaving import Clock

if TYPE_CHECKING:
    from pathlib import Path


def erase(made: Agent, **words: Any) -> dict[str, Any]:
    (done,) = answered(made.office, "customer.erase", {"customer": GONE} | words, WHO)
    return done


def test_he_is_in_no_file_of_a_live_agent_and_in_none_of_one_that_has_ended(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with lived(tmp_path) as made:
        office = made.office
        assert {name.removesuffix("-wal") for name, _ in found(state)} >= {"keys.sqlite", "knockfirst.sqlite"}
        assert [case.customer for case in office.book.cases.values()] == [GONE, STAYS]
        others = found(state, STAYS, STAYS_HOST)
        servers = made.store.servers
        assert others and servers > 100
        his = list(office.log.own(GONE))
        assert len(his) > 6

        assert erase(made) == {"entries": len(his), "kept": {}}

        assert found(state) == set()
        assert {word for _, word in found(state, STAYS, STAYS_HOST)} == {word for _, word in others}
        assert made.store.servers == servers - 1 and not made.world.inventory.observations(GONE_HOST)
        assert [case.customer for case in office.book.cases.values()] == [STAYS]
        made.world.passes(120)
        made.keeping.tend()
        assert found(state) == set()
        (erased,) = office.log.read(["customer.erased"])
        assert erased.public == {"uid": WHO.uid, "reason": "request", "objections_kept": 0, "entries": len(his)}
        assert not office.log.knows(GONE) and office.log.knows(STAYS)
    assert found(state) == set()
    told = verified(state)
    assert told.faults == [] and told.erased == len(his)
    with agent(tmp_path, Clock()) as made:
        assert made.office.register.customer(GONE) is None and made.office.register.customer(STAYS)
        assert found(state) == set()


def test_a_live_agent_forgets_at_once_what_one_that_begins_anew_does_not_know(tmp_path: Path) -> None:
    with lived(tmp_path) as made:
        office, address = made.office, one(GONE_HOST)[0]
        version = office.register.version
        assert office.history.used(address) > 0
        erase(made)
        assert office.register.version > version
        register, history, tokens = Register(), History(), Tokens()
        for entry in office.log.read():
            for fold in (register, history, tokens):
                fold.apply(entry)
        now, limits = office.now(), office.limits()
        for live, anew in ((office.register, register),):
            assert live.refs() == anew.refs() and GONE not in live.refs()
            assert live.sets(now, limits) == anew.sets(now, limits)
            assert live.holders(address) == anew.holders(address) == ()
            assert list(live.segments()) == list(anew.segments()) and list(live.standing()) == list(anew.standing())
        assert office.tokens._owners == tokens._owners and bytes.fromhex(TOKEN) not in tokens._owners
        for stays in (GONE_HOST, STAYS_HOST):
            of = one(stays)[0]
            assert office.history.used(of) == history.used(of) and office.history.host(of) == history.host(of)
        assert office.history._customers.keys() == history._customers.keys()
        assert not office.gate.held and history.flights == office.history.flights == {}


def test_what_is_under_way_is_broken_off_and_does_not_bring_him_back(tmp_path: Path) -> None:
    clock = Clock()
    with leaving.opened(tmp_path, clock) as office:
        world = permission_world.World(office, clock)
        prober, command = world.come("prober"), world.come("control")
        grant = world.runs()
        item, end = world.order(command, "customer.erase", customer="agreed")
        assert item["item"]["entries"] > 4 and end == {"count": 1}
        assert world.heard(prober, Type.CANCEL)[-1]["ids"] == [grant.id] and not office.gate.held
        size = office.log.size
        world.permission.took(prober, Type.OUTCOME, leaving.outcome(grant.id))
        world.passes(30)
        assert not office.log.knows("agreed") and not world.learnt and office.log.size == size
        (last,) = [entry for entry in office.log.read(["probe.outcome"]) if entry.public["intent"] == grant.number]
        assert (last.public["outcome"], last.customer, last.private) == ("unknown", "", None)
    assert verified(tmp_path / "state").faults == []


def test_a_message_that_the_notifier_has_is_not_sent_and_does_not_bring_him_back(tmp_path: Path) -> None:
    with telling_world.world(tmp_path) as made:
        made.sees()
        made.passes(2, 1.0)
        (due,) = made.dues()
        answered(made.office, "customer.erase", {"customer": telling_world.CUSTOMER}, WHO)
        assert not made.about(due)
        made.says(Sent(id=due.id, outcome="cancelled"))
        made.says(Bounced(message_id=due.message_id, action="failed", status="5.1.1"))
        made.passes(600)
        assert not made.office.log.knows(telling_world.CUSTOMER) and not made.office.book.cases


def test_an_objection_that_stands_asks_what_is_to_become_of_it(tmp_path: Path) -> None:
    with lived(tmp_path) as made:
        now, office = made.clock.wall, made.office
        office.record([leave.objected(GONE, None, now), leave.objected(GONE, [f"{GONE_HOST}/32"], now, headers=True)])
        with pytest.raises(InputError, match="--keep-objection keeps its prefixes"):
            erase(made)
        assert office.register.customer(GONE) is not None
        done = erase(made, objection="keep", reason="contract_ended")
        assert sorted(done["kept"].values()) == [[GONE_NET], [f"{GONE_HOST}/32"]]
        sets = office.register.sets(office.now(), office.limits())
        assert cidrs(sets.objected) == [GONE_NET] and cidrs(sets.excluded) == [f"{GONE_HOST}/32"]
        assert {word for _, word in found(tmp_path / "state")} == set()  # its prefixes are sealed, and nobody's
    with agent(tmp_path, Clock()) as made:
        office = made.office
        assert cidrs(office.register.sets(office.now(), office.limits()).objected) == [GONE_NET]
        # Whoever gives him leave again has to lift it first: he is an objector until then.
        office.record(erased_world.things(GONE, GONE_NET, made.clock.wall))
        answer = office.gate.decide(leaving.request(GONE_HOST), office.conditions())
        assert isinstance(answer, Refusal) and answer.reason == "objection"
        assert erase(made, objection="forget")["kept"] == {}


def test_what_he_shares_with_others_or_others_have_now_stays(tmp_path: Path) -> None:
    with lived(tmp_path) as made:
        now = made.clock.wall
        made.office.record([leave.mapped(STAYS, ["203.0.113.240/30"], now)])
        server = Endpoint("203.0.113.200", 25)
        made.keeping.observe(Observation(server, "smtp.greeting", "his alone", now, "passive", "smtp"))
        # What was his and is nobody's now is his to be erased.
        made.office.record([leave.unmapped(GONE, [GONE_NET], now)])
        erase(made)
        assert made.world.inventory.observations(GONE_HOST) and not made.world.inventory.observations("203.0.113.200")


@pytest.mark.parametrize("words", [{"customer": "nobody"}, {"customer": 7}, {"reason": "he asked"}, {"objection": "x"}])
def test_what_cannot_be_meant_is_refused(tmp_path: Path, words: dict[str, Any]) -> None:
    with lived(tmp_path) as made:
        with pytest.raises(InputError):
            erase(made, **words)
        assert made.office.register.customer(GONE) is not None


def test_where_it_cannot_be_written_nothing_is_done(tmp_path: Path) -> None:
    with lived(tmp_path) as made:
        keys = made.office.log._keys._db
        keys.execute("PRAGMA query_only = ON")
        with pytest.raises(ConfigError, match="nothing was done"):
            erase(made)
        keys.execute("PRAGMA query_only = OFF")
        assert made.office.register.customer(GONE) and made.office.log.doomed() == []
        assert len(made.office.book.cases) == 2


def test_what_was_begun_and_could_not_be_ended_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lived(tmp_path) as made:
        office = made.office

        def full(*_: Any) -> Any:
            raise BookError("findings store: disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(office.book, "erase", full)
            with pytest.raises(UnfinishedError, match="is not at its end"):
                erase(made)
            assert office.register.customer(GONE) is None  # nobody knows him any more all the same
            waits = {"erasures_unended": 1, "erasure_oldest": made.clock.wall}
            assert office.erasing.unended() == waits
            made.clock.on(30)
            office.tend()
        assert office.log.knows(GONE) and office.erasing.unended() == waits
        made.clock.on(61)
        office.tend()
        assert not office.log.knows(GONE) and found(tmp_path / "state") == set()
        assert office.erasing.unended() == {"erasures_unended": 0, "erasure_oldest": None}


def test_one_that_cannot_be_ended_keeps_no_other_from_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lived(tmp_path) as made:
        office, ends = made.office, made.office.book.erase

        def full(*_: Any) -> Any:
            raise BookError("findings store: disk is full")

        def of_gone(customer: str) -> int:
            return full() if customer == GONE else ends(customer)

        with monkeypatch.context() as patch:
            patch.setattr(office.book, "erase", full)
            for customer in (GONE, STAYS):
                with pytest.raises(UnfinishedError):
                    erase(made, customer=customer)
                made.clock.on(10)
            assert office.erasing.unended() == {"erasures_unended": 2, "erasure_oldest": made.clock.wall - 20}
            patch.setattr(office.book, "erase", of_gone)
            made.clock.on(61)
            office.tend()
            assert office.log.knows(GONE) and not office.log.knows(STAYS)
            assert office.erasing.unended() == {"erasures_unended": 1, "erasure_oldest": made.clock.wall - 81}


def test_an_order_without_a_daemon_reaches_every_store(tmp_path: Path) -> None:
    with lived(tmp_path):
        pass
    clock = Clock()
    office = leaving.made(asking.config(tmp_path), tmp_path, clock)
    office.open()
    assert next(iter(answered(office, "customer.erase", {"customer": GONE}, WHO)))["entries"] > 6
    office.close()
    assert found(tmp_path / "state") == set()


class _Kills:
    """Ends the process where the so manieth transaction, or what else changes a file, begins or ends."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, statement: str) -> None:
        # What is within a transaction is SQLite's own to keep whole.
        if statement.upper().startswith(("BEGIN", "COMMIT", "VACUUM", "PRAGMA WAL", "PRAGMA INCREMENTAL")):
            self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(directory: Path, at: int) -> bool:
    """Erase in a process of its own that is killed at that statement; whether it got that far."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    try:
        office = _office(directory)
        kills = _Kills(at)
        was = sqlite3.connect

        def connect(*args: Any, **more: Any) -> sqlite3.Connection:
            connection = was(*args, **more)
            connection.set_trace_callback(kills)
            return connection

        schema.sqlite3.connect = connect  # type: ignore[assignment]
        for held in (office.log._db, office.log._keys._db):
            held.set_trace_callback(kills)
        office.erasing.erase(GONE, uid=0, reason="request", keep=True)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _office(directory: Path) -> Any:
    from agent.office import Office
    from agent.sections import Agent as Section

    clock = Clock()
    config = Config(agent=Section(state=str(directory)))
    office = Office(config, directory, log=leaving.LOG, now=clock.now, monotonic=clock.monotonic)
    office.open()
    return office


def test_a_kill_between_any_two_writes_ends_in_nothing_or_in_everything(tmp_path: Path) -> None:
    with lived(tmp_path) as made:
        made.office.record([leave.objected(GONE, None, made.clock.wall)])
        whole = made.office.log.size
    outcomes, at = [], 0
    while True:
        copy = tmp_path / f"copy{at}"
        shutil.copytree(tmp_path / "state", copy)
        ended = not killed(copy, at)
        office = _office(copy)
        known = office.register.customer(GONE) is not None
        office.close()
        assert verified(copy).faults == []
        if known:
            assert office.log.size == whole
            assert {name.removesuffix("-wal") for name, _ in found(copy)} >= {"keys.sqlite", "knockfirst.sqlite"}
        else:
            assert found(copy) == set(), at
        outcomes.append(known)
        shutil.rmtree(copy)
        if ended:
            break
        at += 1
    # First nothing had happened, and from one write on everything has.
    assert outcomes == sorted(outcomes, reverse=True) and outcomes[0] and not outcomes[-1]
    assert outcomes.count(False) > 10
