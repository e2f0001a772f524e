"""``probe``, ``consent explain`` and ``kill-switch``: what people see, and what is left when something is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import orders
from agent.__main__ import main
from agent.audit.entry import Item
from agent.audit.log import AuditError, Log
from agent.commands import explain, kill_switch, probe
from agent.desk import answered
from agent.leave import Budget, Grant, Refusal, Request
from agent.office import Office
from tests.agent.consent.offices import HOST, WHO, agreed, knocked

Out = pytest.CaptureFixture[str]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """The daemon's, as far as the commands can tell."""
    with agreed(tmp_path) as made:

        @contextmanager
        def opened(options: Any) -> Iterator[Any]:
            yield lambda verb, words: iter(answered(made, verb, words, WHO))

        monkeypatch.setattr(orders, "opened", opened)
        yield made


@pytest.fixture
def there(tmp_path: Path) -> list[str]:
    """The options of a store without a daemon, and with nothing in it."""
    (tmp_path / "state").mkdir(mode=0o700)
    return ["--state", str(tmp_path / "state")]


def test_leave_is_explained(office: Office, capsys: Out) -> None:
    assert explain.main([HOST]) == 0
    summary, table = capsys.readouterr().out.split("\n\n")
    assert summary.splitlines()[0] == "192.0.2.1 port 443: may be knocked at"
    assert "of c-1" in summary
    lines = table.splitlines()
    assert len(lines) == 42
    assert all(line.endswith("in order") for line in lines[2:])
    assert max(map(len, lines)) <= 100


def test_a_refusal_is_explained_with_what_comes_first_and_who_can(office: Office, capsys: Out) -> None:
    assert explain.main([HOST, "--port", "8443"]) == 0
    summary, table = capsys.readouterr().out.split("\n\n")
    assert summary.splitlines() == [
        "192.0.2.1 port 8443: is not knocked at (scope_port)",
        "why        no record that covers the address covers this port",
        "first      a new record whose scope has the port in it",
        "by         the customer",
    ]
    assert "scope_port" in table


def test_an_explanation_is_for_programs_too(office: Office, capsys: Out) -> None:
    assert explain.main([HOST, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["reason"] is None
    assert answer["inputs"][0] == {"name": "address", "value": HOST, "reason": None, "change": "", "who": ""}


def test_a_dry_run_says_what_would_be_sent(office: Office, capsys: Out) -> None:
    assert probe.main([HOST, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "may be knocked at" in told
    assert "mail.example.nl" in told
    assert "at most 3 GET requests in 20 s" in told
    assert told.splitlines()[-1] == "nothing was sent"
    assert not list(office.log.read(("probe.intent",)))


def test_a_dry_run_says_why_not(office: Office, capsys: Out) -> None:
    assert probe.main(["192.0.2.2", "--dry-run"]) == 1
    told = capsys.readouterr().out
    assert "is not knocked at (not_seen)" in told
    assert "GET" not in told
    assert told.splitlines()[-1] == "nothing was sent"


def test_an_order_is_waited_for(office: Office, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    def knock(request: Request) -> Grant | Refusal:
        number = knocked(office, 1)
        return Grant("ab" * 16, HOST, 443, None, "exchange-http", "r-1", 9.0, Budget(), number, "00" * 32)

    office.knock = knock
    monkeypatch.setattr(probe, "_LOOK", 0.0)
    assert probe.main([HOST]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert "id abab" in first
    assert last == "confirmed: it is an Exchange server, and the answer says so (80 ms)"


def test_an_order_that_ends_nowhere_is_not_waited_for_forever(
    office: Office, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.knock = lambda request: Grant(
        "ab" * 16, HOST, 443, None, "exchange-http", "r-1", 9.0, Budget(seconds=0.0), 9999, "00" * 32
    )
    monkeypatch.setattr(probe, "_LOOK", 0.01)
    monkeypatch.setattr(probe, "_MORE", 0.05)
    assert probe.main([HOST]) == 0
    assert "nothing was heard of it" in capsys.readouterr().out


def test_an_order_without_leave_is_refused(office: Office, capsys: Out) -> None:
    office.knock = lambda request: Refusal("objection", "an objection that stands covers the address")
    assert probe.main([HOST]) == 1
    assert "not knocked at (objection)" in capsys.readouterr().out


def test_the_list(office: Office, capsys: Out) -> None:
    entry = knocked(office, 1)
    assert probe.main(["list"]) == 0
    state, table = capsys.readouterr().out.split("\n\n")
    assert state.splitlines() == ["armed: who gave leave is knocked at", "under way: 0; breakers open: none"]
    assert table.splitlines()[2].split() == [
        "2026-10-11", "00:00:00", "192.0.2.1", "443", "c-1", "schedule", "confirmed", "80", str(entry),
    ]  # fmt: skip


def test_the_list_of_refusals(office: Office, capsys: Out) -> None:
    office.record([Item("probe.denied", {"reason": "outside_hours", "count": 7})])
    assert probe.main(["list", "--refused"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split() == ["outside_hours", "7", "it", "is", "outside", "the", "customer's", "hours"]


def test_a_store_where_nothing_is_in_place_says_what_to_do(there: list[str], capsys: Out) -> None:
    assert main(["probe", "list", *there]) == 0
    told = capsys.readouterr().out
    assert "not armed" in told
    assert "probe.contact" in told
    assert "nobody was knocked at yet" in told


def test_without_a_daemon_nothing_is_sent(there: list[str], capsys: Out) -> None:
    assert main(["probe", HOST, *there]) == 69
    assert "no daemon runs" in capsys.readouterr().err


def test_without_a_daemon_a_dry_run_says_what_is_missing(there: list[str], capsys: Out) -> None:
    assert main(["probe", HOST, "--dry-run", *there]) == 1
    assert "not_armed" in capsys.readouterr().out


def test_what_would_move_the_cursor_is_not_printed(there: list[str], capsys: Out) -> None:
    assert main(["consent", "explain", "\x1b[2J", *there]) == 0
    assert main(["probe", "\x1b[2J", "--dry-run", *there]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_a_port_that_is_none(there: list[str], capsys: Out) -> None:
    assert main(["probe", HOST, "--dry-run", "--port", "0", *there]) == 2
    assert "port" in capsys.readouterr().err


def test_the_switch_goes_on_and_off_without_a_daemon(there: list[str], capsys: Out) -> None:
    path = Path(there[1]) / "kill-switch"
    for word, after in (("status", "off"), ("on", "on"), ("on", "on"), ("status", "on"), ("off", "off")):
        assert main(["kill-switch", word, *there]) == 0
        told = capsys.readouterr()
        assert told.out.startswith(f"the kill switch is {after}: {path}")
        assert told.err == ""
        assert path.exists() is (after == "on")


def test_the_switch_goes_on_without_a_log(there: list[str], capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log cannot be written, or not even be opened: the file is there."""
    path = Path(there[1]) / "kill-switch"

    def full(self: Log, items: Any) -> Any:
        raise AuditError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(Log, "append", full)
        assert main(["kill-switch", "on", *there]) == 0
        assert "not on record" in capsys.readouterr().err
        assert main(["kill-switch", "off", *there]) == 78
        assert path.exists()
    path.unlink()
    (Path(there[1]) / "audit.sqlite").write_bytes(b"not a database, whatever it was" * 100)
    assert main(["kill-switch", "on", *there]) == 0
    assert "not on record" in capsys.readouterr().err
    assert path.exists()
    assert main(["kill-switch", "status", *there]) == 0
    assert "is on" in capsys.readouterr().out
    assert main(["kill-switch", "off", *there]) == 78
    assert path.exists()


def test_the_switch_is_where_the_configuration_says(tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "k.toml").write_text('[probe]\nkill_switch = "stop"\n[agent]\nstate = "state"\n')
    assert main(["kill-switch", "on", "--config", str(tmp_path / "k.toml")]) == 0
    assert (tmp_path / "stop").exists()
    (tmp_path / "stop").unlink()
    (tmp_path / "k.toml").write_text('[probe]\nkill_switch = "nowhere/stop"\n[agent]\nstate = "state"\n')
    assert main(["kill-switch", "on", "--config", str(tmp_path / "k.toml")]) == 78
    assert "NOT on" in capsys.readouterr().err


def test_a_switch_that_nobody_knows_of(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    for word in ("on", "off", "status"):
        assert main(["kill-switch", word, "--control", "/nowhere/control"]) == 69
    assert kill_switch.place.__doc__
    assert "no daemon answers" in capsys.readouterr().err
