"""``knockfirst consent``, in-process and without a daemon, against a state directory of its own."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent.__main__ import main
from agent.commands import consent
from tests.agent.verbs.test_verbs_consent import ident, mapped, scope, written
from tests.registry import World

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """C-1 and C-2 with a prefix each, as an import leaves them."""
    world = World(tmp_path / "state")
    world.office.record([mapped("C-1", "192.0.2.0/24"), mapped("C-2", "198.51.100.0/24")])
    world.office.close()
    return tmp_path / "state"


class Ran:
    def __init__(self, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._state, self._capsys = state, capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        """What a command prints, having ended as it should."""
        assert main(["consent", *words, "--state", str(self._state)]) == code
        self.err = self._capsys.readouterr()
        return self.err.out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def run(state: Path, capsys: pytest.CaptureFixture[str]) -> Ran:
    return Ran(state, capsys)


def put(directory: Path, record: Any, name: str = "record.json") -> str:
    path = directory / name
    path.write_text(json.dumps(record) if not isinstance(record, str) else record)
    return str(path)


def test_a_life_of_consent(run: Ran, tmp_path: Path) -> None:
    text = tmp_path / "terms.txt"
    text.write_text("Dear customer,\n")
    publish = ("document", "publish", str(text), "--kind", "terms", "--lang", "nl", "--version", "1")
    digest = run.json(*publish)["sha256"]
    assert run(*publish) == f"{digest}  terms was on record before\n"
    document = {**written()["documents"][0], "sha256": digest}
    until = datetime.now(UTC) + timedelta(days=300)
    valid = {"valid_from": f"{until - timedelta(days=350):%FT%TZ}", "valid_until": f"{until:%FT%TZ}"}
    record = put(tmp_path, written(documents=[document], **valid))
    assert "could be put on record" in run("give", record, "--dry-run")
    assert f"record {ident(1)} of C-1 is on record, entry " in run("give", record)
    assert run.err.err == ""
    assert run("list").splitlines()[2].split() == ["C-1", "in", "force", "explicit", f"{until:%F}", "1", "0"]
    assert "it@example.net" in run("show", "C-1")
    objection = run.json("object", "--customer", "C-1", "--headers")
    assert objection["covers"] == ["192.0.2.0/24"]
    shown = run("show", "C-1")
    assert "stands: to everything, headers too" in shown
    assert "no probe: an objection stands" in shown
    assert run("list", "--standing", "objected", "--basis", "explicit").endswith("1 customer\n")
    assert "is suspended" in run("suspend", "C-2")
    assert "is not suspended" in run("resume", "C-2")
    assert f"withdrawn, entry 11: {ident(1)}" in run("withdraw", "C-1")
    assert "has ended" in run("end", "C-1")
    assert run.json("show", "C-1")["customer"]["state"] == "contract_ended"


def test_a_prefix_of_nobody(run: Ran) -> None:
    shown = run("object", "--prefix", "203.0.113.0/24")
    assert "of nobody who is known" in shown
    assert "it covers 203.0.113.0/24" in shown


def test_an_objection_is_lifted(run: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_795_000_000.0]
    monkeypatch.setattr("time.time", lambda: clock[0])
    objection = run.json("object", "--customer", "C-1")["objection"]
    clock[0] += 7200
    record = put(tmp_path, written(2, created_at="2026-11-18T12:00:00Z"))
    assert f"objection {objection} is lifted, by record {ident(2)}" in run("lift", objection, "--record", record)
    assert "was never published here" in run.err.err


def test_a_record_comes_in_by_standard_input(run: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(written()).encode())))
    assert "is on record" in run("give", "-")
    assert "but documents: terms 1 (nl) was never published here" in run.err.err


WRONG: list[tuple[str, str, str]] = [
    ("no JSON", "{", "line 1: "),
    ("no object", "[1]", "is no object of JSON"),
    ("nested too deep", "[" * 100_000, "is nested too deep"),
    ("a scope that is nothing", json.dumps(written(scope=scope())), "scope.prefixes: "),
    ("another's", json.dumps(written(scope=scope("198.51.100.0/24"))), "198.51.100.0/24 is not mapped to 'C-1'"),
]


@pytest.mark.parametrize(("what", "content", "said"), WRONG, ids=[row[0] for row in WRONG])
def test_what_cannot_be_read_is_said_in_a_line(run: Ran, tmp_path: Path, what: str, content: str, said: str) -> None:
    assert run("give", put(tmp_path, content), code=2) == ""
    assert said in run.err.err
    assert "Traceback" not in run.err.err


@pytest.mark.parametrize(
    "words",
    [
        ("give", "/nowhere"),
        ("give", "/"),
        ("show", "C-9"),
        ("object",),
        ("object", "--prefix", "mail.example.nl"),
        ("lift", "x", "--record", "/nowhere"),
        ("withdraw", "C-1"),
        ("resume", "C-1"),
        ("document", "publish", "/nowhere", "--kind", "faq", "--lang", "en", "--version", "1"),
    ],
)
def test_a_bad_word_is_exit_2_and_a_line(run: Ran, words: tuple[str, ...]) -> None:
    assert run(*words, code=2) == ""
    assert run.err.err.startswith("knockfirst consent: ")
    assert run.err.err.count("\n") == 1


def test_bytes_that_are_no_text(run: Ran, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(b"\xff\xfe\x00")
    assert run("give", str(path), code=2) == ""
    assert "is not UTF-8" in run.err.err


@pytest.mark.parametrize("word", sorted(consent._ELSEWHERE))
def test_words_of_other_commands_are_theirs(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["consent", word, "--help"])
    assert caught.value.code == 0
    assert f"knockfirst consent {word}" in capsys.readouterr().out


def test_the_help_names_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["consent", "--help"])
    shown = capsys.readouterr().out
    words = ("list", "show", "give", "lift", "document", "object", "withdraw", "suspend", "resume", "end")
    assert [word for word in (*words, *consent._ELSEWHERE) if word not in shown] == []


def test_what_a_stranger_wrote_moves_no_cursor(run: Ran, tmp_path: Path) -> None:
    contact = {"role": "abuse", "channel": "mail", "address": "\x1b[2Jx"}
    run("give", put(tmp_path, written(contacts=[contact])))
    assert "\x1b" not in run("show", "C-1")


def test_nothing_is_there_to_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.makedirs(tmp_path / "empty", mode=0o700)
    assert main(["consent", "list", "--state", str(tmp_path / "empty")]) == 0
    assert capsys.readouterr().out == "no customer\n"
