"""docs/asking.md, walked from the first step to the last with the commands that stand there."""

from __future__ import annotations

import json
import re
import shlex
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent import config
from agent.__main__ import COMMANDS, main
from agent.consent import texts
from agent.leave import PIECES
from tests.web import Page, Server, https

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "asking.md").read_text()
SETTINGS = PAGE.partition("```toml\n")[2].partition("```")[0]
LINES = [
    line.removeprefix("knockfirst ")
    for block in re.findall(r"(?:^    .+\n)+", PAGE, re.MULTILINE)
    for line in re.sub(r"\\\n *", "", block).replace("    knockfirst", "knockfirst").splitlines()
    if line.startswith("knockfirst ")
]
DAY = 86_400


def ago(days: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * DAY))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with https(tmp_path) as there:
        yield there


def settings(tmp_path: Path, server: Server, **probe: Any) -> None:
    """The configuration of the page, on this machine."""
    written = tomllib.loads(SETTINGS)
    written["probe"] |= {"probing_url": f"{server.url}/.well-known/probing.txt", **probe}
    written["agent"]["state"], written["consent"]["drop"] = "state", "drop"
    written["audit"]["file"] = "checkpoints"
    (tmp_path / "knockfirst.toml").write_text(config.dump(config.check(written, "page")))


def books(tmp_path: Path, documents: list[dict[str, str]]) -> None:
    """What the operator has: customers, contacts and a yes, whose texts are those that he published."""
    (tmp_path / "mapping.csv").write_text("prefix,customer\n192.0.2.80/32,C-1042\n192.0.2.81/32,C-7\n# end 2 rows\n")
    (tmp_path / "sent.txt").write_text("# told\nC-1042\nC-7\n")
    (tmp_path / "bounced.txt").write_text("C-7\n")
    record = {
        "schema": "consent-record/1",
        "record_id": "11111111-2222-4333-8444-555555555555",
        "created_at": ago(1),
        "created_by": "portal",
        "customer_ref": "C-1042",
        "subject_kind": "legal_person",
        "basis": "explicit",
        "authority": {"kind": "owner"},
        "grantor": {"role": "it manager", "verified_by": "portal_login"},
        "documents": documents,
        "scope": {
            "prefixes": ["192.0.2.80/32"],
            "ports": [443],
            "tiers": ["active.build"],
            "probes": ["exchange-http"],
            "window": {"hours": ["daily 00:00-24:00"], "tz": "Europe/Amsterdam"},
        },
        "contacts": [
            {"role": "security", "channel": "mail", "address": "a@example.net", "verified_at": ago(2)},
            {"role": "owner", "channel": "phone", "address": "+31201234567", "verified_at": ago(2)},
        ],
        "valid_from": ago(1),
        "valid_until": ago(-300),
        "withdrawal": {"phone": "+31201234567"},
    }
    other = record | {"record_id": "11111111-2222-4333-8444-666666666666"}
    (tmp_path / "record.json").write_text(json.dumps(record))
    rows = {"schema": "registry/1", "made": ago(0), "full": False, "records": [other]}
    (tmp_path / "records.json").write_text(json.dumps(rows))


def published(directory: Path) -> list[dict[str, str]]:
    header, *rows = (directory / "documents.csv").read_text().splitlines()
    told = [dict(zip(header.split(","), row.replace('"', "").split(","), strict=True)) for row in rows]
    return [document for document in told if document["lang"] == "nl"]


def test_the_page_walks_from_nothing_to_a_probe_that_lacks_only_to_be_armed(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)
    settings(tmp_path, server)
    books(tmp_path, [])
    refused = {"consent explain", "probe 192.0.2.80"}  # it is not armed, and exits 1
    later = [line for line in LINES if line.startswith(("consent object", "kill-switch"))]
    sent = ago(40)
    for line in (line for line in LINES if line not in later):
        words = shlex.split(line.replace("2026-11-24T08:00:00Z", sent))
        if line.startswith("consent announce record") and "--dry-run" in words:
            assert main([word for word in words if word != "--dry-run"]) == 0  # as the page says, too
        if line.startswith("probing check --config"):
            server.pages["/.well-known/probing.txt"] = Page((tmp_path / "probing.txt").read_bytes())
            words += ["--ca", server.ca]
        code = main(words)
        out, err = capsys.readouterr()
        assert code == 0 or " ".join(words[:2]) in refused, f"{line}\n{out}\n{err}"
        if line.startswith("consent announce render"):
            books(tmp_path, published(tmp_path / "texts-1"))
        if line.startswith("probe 192"):
            assert "not_armed" in out
    settings(tmp_path, server, armed=True, laboratory=True)  # there, addresses of documentation may be asked
    main(shlex.split("consent explain 192.0.2.80 --json --config knockfirst.toml"))
    armed = json.loads(capsys.readouterr().out)
    assert armed["reason"] in ("clock_not_synced", "checkpoint_stale", "not_seen"), armed  # what only a daemon can know
    main(shlex.split("consent explain 192.0.2.81 --json --config knockfirst.toml"))
    assert "not_announced" in capsys.readouterr().out  # what came back was not delivered
    for line in later:
        assert main(shlex.split(line)) == 0
    main(shlex.split("consent explain 192.0.2.80 --json --config knockfirst.toml"))
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["reason"] == "objection"


def test_every_command_that_is_named_is_one() -> None:
    assert len(LINES) > 15
    for command in re.findall(r"`?knockfirst ([a-z-]+)", PAGE):
        assert command in COMMANDS, command


def test_every_piece_and_every_fact_is_in_its_table() -> None:
    assert sorted(re.findall(r"^\| `([a-z_]+)` \| .+ \| \d \|$", PAGE, re.MULTILINE)) == sorted(PIECES)
    facts = PAGE.partition("| fact | from |")[2].partition("\n\n")[0]
    named = re.findall(
        r"`([a-z_0-9]+)`(?=[^|]*\|)", "\n".join(row.split("|")[1] + "|" for row in facts.splitlines()[2:])
    )
    there = config.check(tomllib.loads(SETTINGS), "page")
    assert sorted(named) == sorted(texts.facts(there, {}))


def test_the_settings_of_the_page_are_a_configuration_in_which_nothing_is_lacking() -> None:
    from agent.consent import probing_txt

    assert probing_txt.lacking(config.check(tomllib.loads(SETTINGS), "page")) == []
