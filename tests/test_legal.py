"""docs/legal.md: every property has its line, every test that is named exists; and what no other test holds."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from agent import config, desk, ipc, leave, model, sections
from agent.__main__ import COMMANDS
from agent.audit.entry import KINDS
from agent.consent import texts
from agent.consent.written import Channel, RecordText, ScopeText
from agent.errors import ConfigError

HERE = Path(__file__).resolve().parent.parent
PAGE = (HERE / "docs" / "legal.md").read_text()
ROWS = re.findall(r"^\| ([LPGR]\d+) \| (.+?) \| (.+?) \| (.*?) \| ?(.*?) ?\|$", PAGE, re.MULTILINE)
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_CUTTING = re.compile(r"block|throttl|shap|slow|disconnect|cut|walled|garden|isolat|nft|iptables|null|bgp|publish_find")


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((HERE / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_property_has_one_line() -> None:
    wanted = [f"{letter}{n}" for letter, most in (("L", 9), ("P", 9), ("G", 9), ("R", 6)) for n in range(1, most + 1)]
    assert [row[0] for row in ROWS] == wanted


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_line_names_tests_that_exist_or_what_is_not_yet(row: tuple[str, str, str, str, str]) -> None:
    _, _, status, held, lacks = row
    named = _NAMED.findall(held)
    assert status in ("held", "partly", "not yet")
    assert bool(named) == (status != "not yet")
    assert lacks or status == "held"
    assert held.count("`tests/") == len(named)
    for path, name in named:
        assert name in functions(path), f"{path}::{name}"


def test_reasons_in_brackets_are_reasons_or_pieces() -> None:
    named = {
        word for row in ROWS for words in re.findall(r"\((`[a-z_`, ]+)\)", row[3]) for word in words.split("`")[1::2]
    }
    assert named
    assert named <= {*leave.REASONS, *leave.PIECES}


def test_every_question_for_counsel_names_a_stricter_side() -> None:
    questions = re.findall(r"^\| (.+) \| (.+) \|$", PAGE.partition("## For counsel to decide")[2], re.MULTILINE)[1:]
    assert len(questions) == 9
    for key in re.findall(r"`((?:consent|privacy|capture|probe)\.\w+)", PAGE):
        section, _, name = key.partition(".")
        assert name in sections.Config.model_fields[section].annotation.model_fields, key  # type: ignore[union-attr]


def test_no_order_message_or_entry_is_about_cutting_anybody_off() -> None:
    vocabulary = {*COMMANDS, *desk.VERBS, *(kind.name.lower() for kind in ipc.Type), *KINDS, *leave.OUTCOMES}
    vocabulary |= set(get_args(Channel))
    assert [word for word in sorted(vocabulary) if _CUTTING.search(word)] == []


def test_no_program_but_our_own_is_ever_run() -> None:
    """So there is no hook by which anything else could be made to happen to a line. The laboratory makes namespaces.

    One command tells systemd whom the prober may reach at most, and tells it nothing else.
    """
    runs = re.compile(
        r"\b(?:subprocess\.(?!Popen\[|TimeoutExpired)\w+|os\.(?:system|popen|exec\w*|spawn\w*|posix_spawn\w*))\("
    )
    found: dict[str, int] = {}
    for package in ("agent", "collectors", "probes", "exporters"):
        for path in sorted((HERE / package).rglob("*.py")):
            name = str(path.relative_to(HERE))
            text = re.sub(r"subprocess\.DEVNULL", "", path.read_text())
            if (calls := len(runs.findall(text))) and not name.startswith("agent/lab/"):
                found[name] = calls
    assert found.pop("agent/commands/allowed.py") == 1
    told = (HERE / "agent/commands/allowed.py").read_text()
    assert '["/usr/bin/systemctl", "--no-ask-password", "set-property", "--runtime", "--", unit, *lists]' in told
    assert found == {"agent/child.py": 1, "agent/commands/probing.py": 1, "collectors/capture_command.py": 1}
    for name in found:
        assert "itself(" in (HERE / name).read_text()


def test_no_fact_has_a_place_for_the_other_end() -> None:
    assert set(model.Endpoint._fields) == {"address", "port", "transport"}
    assert "server" in model.Observation._fields
    places = {field for field in model.Observation._fields if re.search("client|peer|remote|source|other", field)}
    assert places == set()


def written(**changes: Any) -> dict[str, Any]:
    """A record, whole."""
    record: dict[str, Any] = {
        "record_id": "00000000-0000-4000-8000-000000000000",
        "created_at": "2026-09-01T00:00:00Z", "created_by": "portal", "customer_ref": "C-1",
        "subject_kind": "legal_person", "basis": "explicit", "authority": {"kind": "owner"},
        "grantor": {"role": "it manager", "verified_by": "portal_login"},
        "documents": [
            {"kind": "terms", "version": "1", "lang": "nl", "sha256": "a" * 64, "published_at": "2026-08-01T00:00:00Z"}
        ],
        "scope": {"prefixes": ["192.0.2.0/24"], "ports": [443], "tiers": ["active.build"], "probes": ["exchange-http"],
                  "window": {"hours": ["daily 00:00-24:00"], "tz": "Europe/Amsterdam"}},
        "contacts": [{"role": "security", "channel": "mail", "address": "a@example.net"}],
        "valid_from": "2026-09-01T00:00:00Z", "valid_until": "2027-08-31T00:00:00Z", "withdrawal": {"phone": "112"},
    }  # fmt: skip
    return record | changes


def test_nothing_can_be_agreed_to_for_another_purpose() -> None:
    assert RecordText.model_validate(written()).purpose == "vuln-notify"
    with pytest.raises(ValidationError):
        RecordText.model_validate(written(purpose="marketing"))
    for section, key in (("consent", "purpose"), ("notices", "purpose"), ("probe", "purpose")):
        with pytest.raises(ConfigError):
            config.check({section: {key: "marketing"}}, "k.toml")


def test_no_record_is_without_an_end_and_none_permits_what_was_not_there_when_it_was_given() -> None:
    with pytest.raises(ValidationError):
        RecordText.model_validate(written(valid_until="2027-09-03T00:00:00Z"))
    for tier in ("active.cve-2021-26855", "active.ntlm", "active"):
        with pytest.raises(ValidationError):
            ScopeText.model_validate(written()["scope"] | {"tiers": [tier]})


@pytest.mark.parametrize("kind", ["legal_person", "natural_person", "sole_trader"])
def test_whose_server_it_is_is_told_apart(kind: str) -> None:
    assert RecordText.model_validate(written(subject_kind=kind)).subject_kind == kind
    for other in ("", "company", None):
        with pytest.raises(ValidationError):
            RecordText.model_validate(written(subject_kind=other))


@pytest.mark.parametrize(
    ("section", "key", "looser"),
    [
        ("consent", "announce_days", 29), ("consent", "mapping_hours", 25), ("consent", "quarantine_days", 6),
        ("probe", "recheck_hours", 23), ("audit", "checkpoint_minutes", 16), ("probe", "per_minute", 61),
        ("probe", "seconds", 61),
    ],
)  # fmt: skip
def test_numbers_can_only_be_made_stricter(section: str, key: str, looser: int) -> None:
    with pytest.raises(ConfigError):
        config.check({section: {key: looser}}, "k.toml")


def test_the_wider_choices_are_off_until_the_operator_makes_them() -> None:
    there = config.Config()
    assert (there.probe.armed, there.consent.terms_objection, there.probe.laboratory) == (False, False, False)
    assert (there.exporter.answers, there.exporter.probing, there.notices.route) == ("", "", "")


def test_no_text_claims_a_mandate() -> None:
    claims = re.compile(
        r"wettelijk|verplicht|bevoegd|mandaat|namens|overheid|toezicht|csirt|ncsc|nis ?2|autoriteit"
        r"|statutory|by law|legal duty|obliged|mandate|government|on behalf|authority|authori[sz]ed",
        re.IGNORECASE,
    )
    for path in texts.OURS.iterdir():
        assert not claims.search(path.read_text()), path.name
