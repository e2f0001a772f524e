"""Orders about knocking, at an office that is really there: what they say, what they put on record, what they leave."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.consent.explain import first
from agent.consent.history import RECENT
from agent.desk import answered
from agent.errors import ConfigError, InputError, UnavailableError
from agent.leave import Budget, Grant, Refusal, Request
from agent.office import Office
from agent.sections import Probe
from tests.agent.consent.offices import CONDITIONS, HOST, SEEN, WHO, agreed, knocked

_ASK = "ask for an IP address, written like 192.0.2.1 or 2001:db8::1; names are never looked up"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with agreed(tmp_path) as made:
        yield made


def ask(office: Office, verb: str, **words: Any) -> list[dict[str, Any]]:
    return answered(office, verb, words, WHO)


def log(office: Office, *kinds: str) -> list[tuple[str, dict[str, Any], str]]:
    return [(entry.kind, entry.public, entry.customer) for entry in office.log.read(kinds)]


def test_leave_is_explained(office: Office) -> None:
    answer, *told = ask(office, "probe.explain", address=HOST)
    assert answer["reason"] is None
    assert answer["leave"]["customer"] == "c-1"
    assert answer["seen"]["name"] == "mail.example.nl"
    assert not [each for each in told if each["reason"]]
    assert {each["name"] for each in told} >= {"address", "objections", "holder", "records", "hours", "under way"}


@pytest.mark.parametrize(
    ("words", "reason", "change"),
    [
        ({"address": HOST, "port": 8443}, "scope_port", "a new record whose scope has the port in it"),
        ({"address": "192.0.2.2"}, "not_seen", "traffic of the server, while the daemon looks"),
        ({"address": "198.51.100.1"}, "unmapped", "import whose address it is: knockfirst import"),
        ({"address": "10.0.0.1"}, "special_address", "nothing can: nobody is knocked at there with this configuration"),
        ({"address": "localhost"}, "not_an_address", _ASK),
    ],
)  # fmt: skip
def test_a_refusal_is_explained(office: Office, words: dict[str, Any], reason: str, change: str) -> None:
    answer, *told = ask(office, "probe.explain", **words)
    assert answer["reason"] == reason
    assert next(each for each in told if each["reason"])["change"] == change


def test_who_reads_is_on_record(office: Office) -> None:
    ask(office, "probe.explain", address=HOST)
    ask(office, "probe.explain", address="198.51.100.1")
    said = {"uid": 1000, "what": "explain"}
    assert log(office, "register.read") == [("register.read", said, "c-1"), ("register.read", said, "")]


def test_what_cannot_be_put_on_record_is_not_read(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    knocked(office, 1)
    monkeypatch.setattr(office.log, "append", _full)
    for verb in ("probe.explain", "probe.list"):
        with pytest.raises(ConfigError, match="cannot be written"):
            ask(office, verb, **({"address": HOST} if verb == "probe.explain" else {}))


def _full(items: Any) -> Any:
    raise AuditError("no space left")


@pytest.mark.parametrize("words", [{}, {"address": 7}, {"address": HOST, "port": 0}, {"address": HOST, "port": "443"}])
@pytest.mark.parametrize("verb", ["probe.explain", "probe.now"])
def test_words_that_cannot_be_used(office: Office, verb: str, words: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ask(office, verb, **words)


@pytest.mark.parametrize("limit", [-1, RECENT + 1, "all", True])
def test_a_limit_that_cannot_be_used(office: Office, limit: Any) -> None:
    with pytest.raises(InputError):
        ask(office, "probe.list", limit=limit)


def test_without_a_daemon_nothing_is_sent(office: Office) -> None:
    with pytest.raises(UnavailableError, match="no daemon"):
        ask(office, "probe.now", address=HOST)


def test_an_order_to_knock_goes_through_the_door(office: Office) -> None:
    asked: list[Request] = []

    def knock(request: Request) -> Grant | Refusal:
        asked.append(request)
        if request.address != HOST:
            return Refusal("unmapped", "nobody's")
        return Grant("ab" * 16, HOST, 443, None, "exchange-http", "r-1", 9.0, Budget(), 12, "00" * 32)

    office.knock = knock
    assert ask(office, "probe.now", address=HOST) == [{"reason": None, "id": "ab" * 16, "entry": 12, "seconds": 20.0}]
    assert ask(office, "probe.now", address="192.0.2.7") == [{"reason": "unmapped", "detail": "nobody's"}]
    assert [(each.address, each.port, each.why, each.sighting) for each in asked] == [
        (HOST, 443, "command", SEEN), ("192.0.2.7", 443, "command", None),
    ]  # fmt: skip


def test_the_list_has_the_last_probe_first(office: Office) -> None:
    old = knocked(office, 1)
    office.record([Item("probe.denied", {"reason": "objection", "count": 3})])
    running = knocked(office, 2, None, "192.0.2.9")
    state, *probes = ask(office, "probe.list")
    assert state == {
        "missing": [],
        "killed": False,
        "running": 1,
        "breakers": {"host": 0, "customer": 0, "whole": 0},
        "refused": {"objection": 3},
    }
    assert [(p["entry"], p["address"], p["outcome"], p["ms"]) for p in probes] == [
        (running, "192.0.2.9", None, None), (old, HOST, "confirmed", 80),
    ]  # fmt: skip
    assert log(office, "register.read") == [("register.read", {"uid": 1000, "what": "probes"}, "")]


def test_a_list_of_refusals_alone_reads_nobody(office: Office) -> None:
    knocked(office, 1)
    assert len(ask(office, "probe.list", limit=0)) == 1
    assert log(office, "register.read") == []


def test_probes_that_are_far_apart_in_the_log_are_found(office: Office) -> None:
    first_of_all = knocked(office, 1)
    office.record([Item("config.changed", {"n": n}) for n in range(3000)])
    last = knocked(office, 2)
    assert [p["entry"] for p in ask(office, "probe.list")[1:]] == [last, first_of_all]


def test_the_missing_pieces_are_told_with_what_to_do(office: Office) -> None:
    office.conditions = lambda: CONDITIONS._replace(missing=("contact", "audit_sink"))  # type: ignore[method-assign]
    (state,) = ask(office, "probe.list", limit=0)
    assert [piece for piece, _ in state["missing"]] == ["contact", "audit_sink"]
    assert "probe.contact" in state["missing"][0][1]


def test_what_became_of_a_probe_is_told_when_it_has_ended(office: Office) -> None:
    assert ask(office, "probe.ended", entry=knocked(office, 1, None)) == []
    entry = knocked(office, 2)
    (row,) = ask(office, "probe.ended", entry=entry)
    assert (row["outcome"], row["detail"]) == ("confirmed", "15.2.1748.36")
    assert log(office, "finding.read") == [("finding.read", {"uid": 1000, "what": "outcome"}, "c-1")]
    assert ask(office, "probe.ended", entry="1") == []


def test_the_switch_goes_on_and_off_and_is_on_record(office: Office) -> None:
    path = office.kill_switch
    assert ask(office, "kill_switch.status") == [{"path": str(path), "on": False}]
    assert ask(office, "kill_switch.on") == [{"path": str(path), "on": True, "recorded": True}]
    assert path.exists()
    assert ask(office, "kill_switch.on") == [{"path": str(path), "on": True, "recorded": True}]
    assert ask(office, "kill_switch.status") == [{"path": str(path), "on": True}]
    assert ask(office, "kill_switch.off") == [{"path": str(path), "on": False, "recorded": True}]
    assert not path.exists()
    assert [kind for kind, _, _ in log(office, "kill_switch.on", "kill_switch.off")] == [
        "kill_switch.on", "kill_switch.on", "kill_switch.off",
    ]  # fmt: skip


def test_the_switch_goes_on_without_a_log_but_not_off(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office.log, "append", _full)
    assert ask(office, "kill_switch.on")[0]["recorded"] is False
    assert office.kill_switch.exists()
    with pytest.raises(ConfigError):
        ask(office, "kill_switch.off")
    assert office.kill_switch.exists()


def test_a_switch_that_cannot_go_on_says_so(office: Office) -> None:
    office.config = office.config.model_copy(update={"probe": Probe(kill_switch="/nowhere/at/all")})
    with pytest.raises(ConfigError, match="NOT on"):
        ask(office, "kill_switch.on")


def test_a_link_to_nowhere_is_a_switch_that_is_on(office: Office, tmp_path: Path) -> None:
    os.symlink(tmp_path / "nowhere", office.kill_switch)
    assert ask(office, "kill_switch.status")[0]["on"] is True
    assert ask(office, "kill_switch.on")[0]["on"] is True
    assert ask(office, "kill_switch.off")[0]["on"] is False
    assert not os.path.lexists(office.kill_switch)


def test_nothing_is_first_where_there_is_leave() -> None:
    assert first([]) is None
