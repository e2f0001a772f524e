"""``knockfirst customer``: what is held of one is given to him whole, and nothing of anybody else; and he is erased."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest

from agent.__main__ import main
from agent.audit.entry import Item
from agent.config import dump
from agent.desk import answered
from agent.recipients import papers
from agent.supervisor import Daemon
from tests import asking
from tests.agent.consent.offices import WHO
from tests.agent.erased_world import (
    GONE,
    GONE_HOST,
    GONE_NET,
    GREETING,
    STAYS,
    STAYS_HOST,
    STAYS_NET,
    WORDS,
    found,
    lived,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def there(tmp_path: Path) -> list[str]:
    """The options of a store in which everything there is was kept of two customers, that no daemon has open."""
    with lived(tmp_path) as made:
        assert papers(made.office, GONE, GONE_HOST).requests == 1  # as its outcome has it
        answered(made.office, "consent.show", {"customer": GONE}, WHO)
        answered(made.office, "consent.list", {}, WHO)
        made.office.record(
            [
                Item("finding.read", {"user": "desk", "what": "server", "by": "console"}, GONE, {"address": GONE_HOST}),
            ]
        )
    return ["--state", str(tmp_path / "state")]


def rows(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[name].decode(), newline="")))


def unpacked(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        return {each.name: each.read_bytes() for each in path.iterdir()}
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def exported(there: list[str], out: Path, *words: str, customer: str = GONE) -> dict[str, bytes]:
    assert main(["customer", "export", "--customer", customer, "--out", str(out), *words, *there]) == 0
    return unpacked(out)


@pytest.mark.parametrize("name", ["his", "his.zip"])
def test_all_of_it_is_there_and_nothing_of_anybody_else(there: list[str], tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    files = exported(there, out)
    assert not os.stat(out).st_mode & 0o077 and not list(tmp_path.glob(".*.part"))
    assert set(files) == {
        "LEESMIJ.txt", "README.txt", "entries.jsonl", "cases.json", "messages.txt", "probes.csv", "reads.csv",
        "notices.csv", "servers.csv", "proof.json", "verify.py",
    }  # fmt: skip
    whole = b"\n".join(files.values()).decode()
    assert not [word for word in (STAYS, STAYS_HOST, STAYS_NET, "bakkerij", "owner@crm-5") if word in whole]
    entries = [json.loads(line) for line in files["entries.jsonl"].splitlines()]
    assert {entry["kind"] for entry in entries} >= {
        "mapping.asserted", "record.announced", "record.given", "probe.intent", "probe.outcome", "case.opened",
        "notice.due", "notice.sent", "register.read", "finding.read", "customer.exported",
    }  # fmt: skip
    assert GONE_NET in str(next(each for each in entries if each["kind"] == "mapping.asserted"))

    (probe,) = rows(files, "probes.csv")
    given = next(each["yours"] for each in entries if each["kind"] == "record.given")
    assert (probe["address"], probe["record"], probe["outcome"]) == (GONE_HOST, given["record_id"], "confirmed")
    assert entries[0]["number"] < int(probe["entry"]) < int(probe["outcome_entry"])
    reads = rows(files, "reads.csv")
    assert [(row["kind"], row["what"], row["uid"], row["user"], row["of"]) for row in reads] == [
        ("register.read", "show", str(WHO.uid), "", "you"), ("register.read", "list", str(WHO.uid), "", "a list"),
        ("finding.read", "server", "", "desk", "you"),
        ("customer.exported", "all of it", str(os.getuid()), "", "you"),
    ]  # fmt: skip
    due, sent = rows(files, "notices.csv")
    assert (due["to"], due["step"], sent["outcome"]) == (f"security@{GONE}.example", "tell", "sent")
    assert due["message_id"] == sent["message_id"] and due["time"].endswith("Z")
    (case,) = json.loads(files["cases.json"])
    assert case["address"] == GONE_HOST and [event["kind"] for event in case["events"]][:2] == ["opened", "step"]
    # What he was told is there word for word, and the log's proof vouches for it.
    (told,) = case["texts"]
    assert told["text"] in files["messages.txt"].decode() and GONE_HOST in told["text"]
    assert hashlib.sha256(told["text"].encode()).hexdigest() == told["sha256"] == sent["sha256"]
    assert told["sha256"] in files["messages.txt"].decode() and not due["sha256"]
    assert {row["address"] for row in rows(files, "servers.csv")} == {GONE_HOST}
    assert GREETING in {row["value"] for row in rows(files, "servers.csv")}
    for readme, word in (("README.txt", "everything"), ("LEESMIJ.txt", "alles")):
        text = files[readme].decode()
        assert word in text and GONE in text and "Example ISP" not in text  # the store alone knows no operator
        assert set(files) - {"LEESMIJ.txt", "README.txt"} <= set(text.replace(":", " ").split())


def test_the_proof_in_it_is_checked_by_the_program_in_it(there: list[str], tmp_path: Path) -> None:
    exported(there, tmp_path / "his")
    done = subprocess.run(
        [sys.executable, "-I", "verify.py", "proof.json"], cwd=tmp_path / "his", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert GONE_HOST in done.stdout


def test_a_language_and_a_text_of_ones_own(
    there: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "dossier.nl.txt").write_text("Voor {{ customer }}\n")
    files = exported(there, tmp_path / "his", "--lang", "nl", "--templates", str(own))
    assert files["LEESMIJ.txt"].decode() == f"Voor {GONE}\n" and "README.txt" not in files
    (own / "dossier.de.txt").write_text("x")
    words = ["customer", "export", "--customer", GONE, "--out", str(tmp_path / "more"), "--templates", str(own)]
    assert main([*words, *there]) == 78 and "takes the place of no text" in capsys.readouterr().err


def test_what_cannot_be_made_is_not_on_record(
    there: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["customer", "export", "--customer", GONE, "--out"]
    (tmp_path / "there").mkdir()
    assert main([*words, str(tmp_path / "there"), *there]) == 2
    assert main(["customer", "export", "--customer", "nobody", "--out", str(tmp_path / "x"), *there]) == 2
    said = capsys.readouterr().err
    assert "is there already" in said and "no entry is this customer's" in said
    files = exported(there, tmp_path / "his")
    assert files["entries.jsonl"].count(b'"customer.exported"') == 1
    assert main([*words, str(tmp_path / "none" / "his"), *there]) == 2
    assert "name a place that can be written" in capsys.readouterr().err


def test_what_a_spreadsheet_would_take_for_a_formula_is_none(there: list[str], tmp_path: Path) -> None:
    with asking.office(asking.config(tmp_path)) as office:
        office.record([Item("finding.read", {"user": "=1+1", "what": "@x", "by": "console"}, GONE, {})])
    read = rows(exported(there, tmp_path / "his"), "reads.csv")[-2]
    assert (read["user"], read["what"]) == ("'=1+1", "'@x")


def test_one_is_exported_another_erased_and_the_log_holds(
    there: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    assert main(["customer", "erase", "--customer", GONE, *there]) == 2
    assert "--yes erases him" in capsys.readouterr().err and found(state)
    exported(there, tmp_path / "other", customer=STAYS)
    assert main(["customer", "erase", "--customer", GONE, "--yes", "--reason", "request", *there]) == 0
    assert "can be read by nobody any more" in capsys.readouterr().out
    assert found(state) == set() and found(tmp_path / "other") == set()
    assert b"192.0.2" not in (tmp_path / "checkpoints").read_bytes() and not found(tmp_path, *WORDS)
    assert main(["audit", "verify", *there]) == 0
    assert "erased" in capsys.readouterr().out
    assert main(["customer", "erase", "--customer", GONE, "--yes", *there]) == 2
    exported(there, tmp_path / "again", customer=STAYS)


def test_an_objection_goes_on_where_that_is_asked(
    there: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["consent", "object", "--customer", GONE, *there]) == 0
    words = ["customer", "erase", "--customer", GONE, "--yes", *there]
    assert main(words) == 2
    assert "--keep-objection" in capsys.readouterr().err
    assert main([*words, "--keep-objection"]) == 0
    assert GONE_NET in capsys.readouterr().out


@pytest.fixture
def running(there: list[str], tmp_path: Path) -> Iterator[tuple[Daemon, list[str]]]:
    """A daemon that has that store."""
    # It was made on a day that is past, and the daemon is of today.
    of = asking.config(tmp_path, probe={"armed": False}, agent={"retention_days": 3650})
    (tmp_path / "k.toml").write_text(dump(of))
    with Daemon(of) as daemon:
        assert daemon.wait_ready(60)
        yield daemon, ["--config", str(tmp_path / "k.toml")]


def test_a_running_daemon_gives_all_and_forgets_all(
    running: tuple[Daemon, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon, control = running
    files: dict[str, Any] = exported(control, tmp_path / "his.zip")
    assert GREETING in {row["value"] for row in rows(files, "servers.csv")} and b"Example ISP" in files["README.txt"]
    (tmp_path / "his.zip").unlink()
    assert main(["customer", "erase", "--customer", GONE, "--yes", *control]) == 0
    assert found(tmp_path / "state") == set()
    capsys.readouterr()
    assert main(["consent", "show", GONE, *control]) == 2 and "no customer of that" in capsys.readouterr().err
    assert main(["consent", "show", STAYS, *control]) == 0
    daemon.stop()
    assert found(tmp_path / "state") == set()
    assert main(["audit", "verify", *control]) == 0
