"""``knockfirst audit``: exit codes, and what is said."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.audit.checkpoint import line
from agent.schema import AUDIT
from tests.agent.audit.logs import intent, opened, outcome
from tests.agent.audit.test_proof import verify


class Place:
    """A state directory with a log, and the files that a sink and a syslog have kept of it."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.state.mkdir(mode=0o700)
        log = opened(self.state, intent("C-1"), outcome(0, "C-1"))
        self.first = directory / "first"
        self.first.write_text(log.checkpoint())
        log.append([intent("C-2", "198.51.100.9"), outcome(2, "C-2")])
        self.second = directory / "syslog"
        self.second.write_text(f"Nov 24 08:00:00 edge1 knockfirst[7]: {line(log.checkpoint())}\n")
        self.vkey = log.vkey
        log.close()

    def audit(self, *words: object) -> int:
        return main(["audit", *map(str, words), "--state", str(self.state)])

    def changed(self, statement: str) -> None:
        connection = sqlite3.connect(self.state / AUDIT)
        with connection:
            connection.execute(statement)
        connection.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_verify(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.audit("verify") == 0
    assert capsys.readouterr().out == (
        "verifies\n"
        "\n  log          isp.example/edge1, 4 entries"
        "\n  private      4 opened and as they were committed to, 0 erased"
        "\n  checkpoints  1, of which 0 were given from outside"
        f"\n  key          {place.vkey}"
        "\n\nHeld against the log's own checkpoint alone: --checkpoints FILE holds it against those kept outside.\n"
    )
    kept = ["--checkpoints", place.first, "--checkpoints", place.second, "--vkey", place.vkey]
    assert place.audit("verify", *kept) == 0
    assert "checkpoints  2, of which 2 were given from outside\n" in capsys.readouterr().out
    place.changed("UPDATE entries SET canon = replace(canon, 'confirmed', 'confirmeD') WHERE number = 3")
    assert place.audit("verify", *kept) == 1
    assert capsys.readouterr().out.startswith(
        "does not verify\n  entry 3: its text is not what was hashed\n  entries 2 to 3:"
    )


def test_prove(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "proof.json"
    assert place.audit("prove", "--customer", "C-1", "--older", place.first, "--out", out) == 0
    assert (
        capsys.readouterr().out == f"{out}: the customer's own data, for him alone; he checks it with docs/verify.py\n"
    )
    assert out.stat().st_mode & 0o777 == 0o600
    assert len(verify.checked(out.read_text(), place.vkey, place.first.read_text())) == 3
    assert place.audit("prove", "--customer", "C-1", "--out", out) == 2
    assert capsys.readouterr().err == f"knockfirst audit: {out}: is there already; name a file that is not\n"
    assert place.audit("prove", "--customer", "C-1") == 0
    assert len(verify.checked(capsys.readouterr().out)) == 4
    assert place.audit("prove", "--customer", "C-9") == 2
    assert "C-9: no entry is this customer's" in capsys.readouterr().err
    assert place.audit("prove", "--customer", "C-1", "--out", tmp_path / "no" / "where") == 2


def test_export(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.audit("export") == 0
    out = capsys.readouterr().out
    assert [json.loads(text)["n"] for text in out.splitlines()] == [0, 1, 2, 3]
    assert "192.0.2.7" not in out and "C-1" not in out
    assert place.audit("export", "--from", "3") == 0
    assert [json.loads(text)["kind"] for text in capsys.readouterr().out.splitlines()] == ["probe.outcome"]
    assert place.audit("export", "--from", "-1") == 2


def test_diff(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.audit("diff", place.second, place.first) == 0
    assert capsys.readouterr().out.startswith("2 entries, then 4: 2 were added\nconsistent; proved by\n  ")
    place.changed("UPDATE entries SET canon = canon || ' ' WHERE number = 3")
    assert place.audit("diff", place.first, place.second) == 1
    assert "not consistent\n  the first 4 entries of the log are not those" in capsys.readouterr().out
    place.changed("DELETE FROM entries WHERE number = 3")
    assert place.audit("diff", place.first, place.second) == 1
    assert "the log has 3 entries; a checkpoint signed 4" in capsys.readouterr().out


UNUSABLE = [
    (["verify", "--state", "{}/nowhere"], 2, "no such file; name the directory of the log"),
    (["verify", "--state", "{}", "--checkpoints", "{}/none"], 2, "none: No such file"),
    (["verify", "--state", "{}/state", "--checkpoints", "{}/empty"], 2, "empty: no checkpoint is in it"),
    (["verify", "--config", "{}/none.toml"], 78, "none.toml"),
    (["verify"], 2, "name the directory of the log"),
    (["export", "--state", "{}"], 2, "no such file"),
    (["diff", "{}/first", "{}/empty", "--state", "{}/state"], 2, "empty: no checkpoint is in it"),
    (["diff", "{}/first", "{}/first", "--state", "{}/state", "--vkey", "x"], 2, "did not sign"),
    (["prove", "--customer", "C-1", "--older", "{}/empty", "--state", "{}/state"], 2, "no checkpoint is in it"),
]


@pytest.mark.parametrize(("words", "code", "said"), UNUSABLE, ids=[" ".join(row[0]) for row in UNUSABLE])
def test_what_cannot_be_used_is_named(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    (tmp_path / "empty").write_text("nothing\n")
    assert main(["audit", *(word.format(tmp_path) for word in words)]) == code
    err = capsys.readouterr().err
    assert err.startswith("knockfirst audit: ") and said in err and err.count("\n") == 1
