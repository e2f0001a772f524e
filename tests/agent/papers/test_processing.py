"""The papers for the law say what the configuration says, every key of it, in both languages the same."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.config import check
from agent.errors import ConfigError
from agent.papers.making import LANGUAGES, OURS
from agent.papers.processing import PAPERS, SILENT, facts, paper
from agent.retention import KINDS
from agent.sections import Config
from tests import asking

ROOT = Path(__file__).resolve().parents[3]
DATE = "2026-11-24"
FULL: dict[str, dict[str, Any]] = {
    "capture": {"interfaces": ["eth0"], "prefixes": ["192.0.2.0/24"], "resolvers": ["198.51.100.53/32"],
                "ports": [443]},
    "privacy": {"handshakes": "announced", "customers": "/c", "consented": "/a", "announced": "/b", "objected": "/o",
                "excluded": "/x"},
    "consent": {"operator": "Example Net", "public_url": "https://example.net/checks", "drop": "/drop",
                "snapshot_keys": "/keys"},
    "probe": {"armed": True, "contact": "probes@example.net", "sources": ["192.0.2.9"], "deny": "/deny",
              "probing_url": "https://example.net/.well-known/probing.txt"},
    "audit": {"file": "/mnt/checkpoints", "syslog": "/dev/log", "keep_months": 24},
    "notices": {"relay": "mail.example.net:587", "sender": "notices@example.net", "route": "abuse@example.net",
                "webhook": "https://example.net/hook", "bounces": "/bounces"},
    "exporter": {"viewers": ["viewer7"], "web_config": "/web.yml", "answers": "127.0.0.1:10126", "groups": "/groups",
                 "servers": 10},
    "agent": {"state": "/var/lib/knockfirst"},
}  # fmt: skip
OTHER: dict[str, Any] = {
    "capture.interfaces": ["eth0", "eth1"], "capture.prefixes": ["192.0.2.0/25", "203.0.113.0/24"],
    "capture.resolvers": [], "capture.ports": [443, 25], "capture.dissectors": ["tls"],
    "privacy.handshakes": "consented", "probe.sources": ["192.0.2.10"], "exporter.listen": "127.0.0.1:9999",
    "notices.relay": "other.example.net:587", "notices.sender": "other@example.net", "notices.tls": "tls",
    "notices.webhook": "https://example.net/other", "exporter.answers": "127.0.0.1:7777", "exporter.viewers": ["noc"],
    "consent.announce_days": 45, "consent.mapping_hours": 12, "consent.quarantine_days": 9,
    "audit.checkpoint_minutes": 3, "probe.per_minute": 3, "capture.max_bytes": 5000,
}  # fmt: skip
KEYS = [f"{name}.{key}" for name, section in Config() for key in type(section).model_fields]
MARK = {"nl": "**Open vraag", "en": "**Open question"}


def there(changed: str = "", value: Any = None, sections: dict[str, dict[str, Any]] = FULL) -> Config:
    written = {name: dict(keys) for name, keys in sections.items()}
    if changed:
        section, _, key = changed.partition(".")
        written.setdefault(section, {})[key] = value
    return check(written, "k.toml")


@cache
def said(config: Config, which: str, lang: str) -> str:
    """A paper, but for the fingerprint of its configuration, which any key changes."""
    return paper(which, lang, config, DATE).replace(facts(config, DATE)["sha256"][:16], "")  # type: ignore[arg-type]


def another(key: str) -> Any:
    """Another value than the full configuration has."""
    if key in OTHER:
        return OTHER[key]
    section, _, name = key.partition(".")
    value = getattr(getattr(there(), section), name)
    return (not value) if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}z"


@pytest.mark.parametrize("key", KEYS)
def test_every_key_changes_the_record_of_processing_or_is_listed_as_not_mattering(key: str) -> None:
    if key in SILENT:
        assert SILENT[key]
        return
    config = there(key, another(key))
    for lang in LANGUAGES:
        assert said(config, "ropa", lang) != said(there(), "ropa", lang), f"{key} is nowhere in it, nor in SILENT"


def test_what_is_listed_as_not_mattering_is_a_key() -> None:
    assert set(SILENT) <= set(KEYS)


SPARSE: dict[str, dict[str, Any]] = {}
OFF = {"privacy": {"handshakes": "off"}}
WIDE = {"privacy": {"handshakes": "unless-objected"}, "probe": {"armed": True, "laboratory": True, "sources": [
    "192.0.2.9", "2001:db8::9"]}, "consent": {"terms_objection": True}, "notices": {"offer_help": True}}  # fmt: skip
_FACT = re.compile(
    r"[\w.]+\.(?:toml|\w+_\w+)|https?://\S+|[\w.]+@[\w.]+|/[a-z][\w/.]*|\d[\d.:a-f/]*\d|[0-9a-f]*::[0-9a-f]+|\d+"
    r"|Example Net|eth\d|viewer\d|knockfirst \w+"
)


@pytest.mark.parametrize("which", PAPERS)
@pytest.mark.parametrize("sections", [FULL, SPARSE, OFF, WIDE], ids=["full", "sparse", "off", "wide"])
def test_both_languages_say_the_same(which: Any, sections: dict[str, dict[str, Any]]) -> None:
    config = there(sections=sections)
    dutch, english = (paper(which, lang, config, DATE) for lang in ("nl", "en"))
    assert Counter(_FACT.findall(dutch)) == Counter(_FACT.findall(english))
    for part in ("\n|", "\n#", "\n- "):
        assert dutch.count(part) == english.count(part), part
    assert dutch.count(MARK["nl"]) == english.count(MARK["en"]) >= 4
    for text in (dutch, english):
        assert not re.search(r"[{}]|\n\n\n|None|True|False", text)
        widths = {row.count("|") - row.count("\\|") for row in re.findall(r"^\|.*$", text, re.MULTILINE)}
        assert widths <= {3, 4, 5}


def test_what_only_counsel_can_say_is_left_open_and_what_is_configured_is_said() -> None:
    record = said(there(), "ropa", "en")
    for word in ("legal basis", "data protection officer", "European Economic Area", "evidence"):
        assert re.search(rf"\*\*Open question:\*\*[^|#]*{word}", record, re.DOTALL), word
    for value in ("Example Net", "mail.example.net:587", "notices@example.net", "viewer7", "24 months", "30 days",
                  "14 days", "https://example.net/hook", "192.0.2.9", "announced"):  # fmt: skip
        assert value in record, value
    assert "article 36" in said(there(), "dpia", "en")


def test_words_of_the_operators_do_not_break_a_table() -> None:
    text = said(there("consent.drop", "/a|b"), "ropa", "en")
    assert "/a\\|b" in text


def test_there_is_every_text_in_every_language() -> None:
    names = {path.name.rsplit(".", 2)[0] for path in OURS.iterdir()}
    for name in names:
        assert {path.name.split(".")[1] for path in OURS.glob(f"{name}.*")} == set(LANGUAGES), name


def test_the_command_writes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from agent.config import dump

    (tmp_path / "k.toml").write_text(dump(asking.config(tmp_path)))
    words = ["documents", "dpia", "--config", str(tmp_path / "k.toml"), "--lang", "en"]
    out = tmp_path / "dpia.md"
    assert main([*words, "--out", str(out)]) == 0
    assert re.search(r"with \d\d open questions", capsys.readouterr().out)
    assert "Example ISP" in out.read_text() and out.read_text().startswith("# Data protection impact")
    assert main([*words, "--out", str(out)]) == 2 and "is not there yet" in capsys.readouterr().err
    assert main(["documents", "ropa"]) == 0 and "# Register van verwerkingen" in capsys.readouterr().out
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "dpia.en.md").write_text("Ours: {{ consent.operator }}\n")
    assert main([*words, "--templates", str(tmp_path / "own")]) == 0
    assert capsys.readouterr().out == "Ours: Example ISP\n"


def test_a_template_that_is_none_of_these_or_names_no_fact_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "dpia.de.md").write_text("x")
    with pytest.raises(ConfigError, match="takes the place of no text"):
        paper("dpia", "en", Config(), DATE, str(tmp_path))
    (tmp_path / "dpia.de.md").unlink()
    (tmp_path / "dpia.en.md").write_text("{{ nothing.of_the_kind }}")
    with pytest.raises(ConfigError, match="line 1"):
        paper("dpia", "en", Config(), DATE, str(tmp_path))


def test_the_page_on_rights_has_the_table_of_what_is_kept() -> None:
    page = (ROOT / "docs" / "rights.md").read_text()
    rows = re.findall(r"^\| (\w+) \| [^|]+ \| `?([\w.-]+)`? \| `?([\w-]+)`? \|$", page, re.MULTILINE)
    assert rows == [
        (kind.name, kind.key or "-", f"knockfirst_{kind.metric}" if kind.metric else "-") for kind in KINDS
    ]  # fmt: skip
