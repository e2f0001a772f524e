"""The texts for customers: both languages say the same, all facts are the configuration's, templates only compute."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent import config
from agent.consent import texts
from agent.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

WRITTEN: dict[str, dict[str, Any]] = {
    "capture": {},
    "privacy": {},
    "consent": {"operator": "Example Net", "public_url": "https://example.net/checks"},
    "probe": {
        "contact": "probes@example.net",
        "sources": ["192.0.2.9", "2001:db8::9"],
        "probing_url": "https://probe.example.net/.well-known/probing.txt",
    },
    "agent": {},
}
FREE = {"date": "2026-11-24", "version": "7", "phone": ""}
# What a text says that is the same in every language: who, URLs, mail addresses, addresses, phone numbers, numbers.
_FACT = re.compile(
    r"Example Net|https://[^\s<>\"]+|[\w.]+@[\w.]+|/[A-Za-z/]+\.\w+|\d[\d.:a-f/-]*\d|[0-9a-f:]*::[0-9a-f/]*|\d+"
)


def there(**changed: Mapping[str, Any]) -> config.Config:
    return config.check({key: section | changed.get(key, {}) for key, section in WRITTEN.items()}, "k.toml")


def rendered(own: str = "", free: Mapping[str, str] = FREE, **changed: Mapping[str, Any]) -> dict[str, texts.Rendered]:
    made = texts.render(own, texts.LANGUAGES, texts.facts(there(**changed), free))
    return {one.name: one for one in made}


VARIANTS = [
    pytest.param(terms, handshakes, resolvers, phone, id=f"{terms}-{handshakes}-{bool(resolvers)}-{bool(phone)}")
    for terms, handshakes, resolvers, phone in product(
        (False, True),
        ("consented", "announced", "unless-objected", "off"),
        ([], ["192.0.2.53/32"]),
        ("", "+31 20 123 45 67"),
    )
]


@pytest.mark.parametrize(("terms", "handshakes", "resolvers", "phone"), VARIANTS)
def test_both_languages_use_the_same_placeholders_and_state_the_same_facts(
    terms: bool, handshakes: str, resolvers: list[str], phone: str
) -> None:
    made = rendered(
        free=FREE | {"phone": phone},
        consent={"terms_objection": terms},
        privacy={"handshakes": handshakes},
        capture={"resolvers": resolvers},
    )
    assert texts.unequal(made.values()) == []
    for kind in texts.KINDS:
        dutch, english = (made[texts.name(kind, lang)] for lang in texts.LANGUAGES)
        assert Counter(_FACT.findall(dutch.text)) == Counter(_FACT.findall(english.text)), kind
        assert dutch.text.count("\n\n") == english.text.count("\n\n"), kind
        for one in (dutch, english):
            assert not re.search(r"[{}]|\n\n\n|None|True|False", one.text), one.name


def test_there_is_every_text_in_every_language_and_no_stray_template() -> None:
    assert set(rendered()) == {path.name for path in texts.OURS.iterdir()}
    assert len(rendered()) == len(texts.KINDS) * len(texts.LANGUAGES) == 14


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("consent", "operator", "Ander Net", "Ander Net"),
        ("consent", "public_url", "https://other.example/no", "https://other.example/no"),
        ("consent", "announce_days", 45, " 45 "),
        ("probe", "contact", "other@example.net", "other@example.net"),
        ("probe", "sources", ["198.51.100.77"], "198.51.100.77"),
        ("probe", "probing_url", "https://o.example/.well-known/probing.txt", "https://o.example/.well-known/"),
        ("probe", "recheck_hours", 48, " 48 "),
        ("probe", "seconds", 11, " 11 "),
        ("agent", "retention_days", 17, "17 "),
        ("capture", "max_bytes", 4096, " 4096 "),
    ],
)
def test_a_fact_that_changes_in_the_configuration_changes_in_both_languages(
    section: str, key: str, value: Any, said: str
) -> None:
    before, after = rendered(), rendered(**{section: {key: value}})
    for lang in texts.LANGUAGES:
        assert not any(said in one.text for one in before.values())
        assert any(said in one.text for one in after.values() if one.lang == lang)


def test_every_text_says_who_when_how_to_object_and_that_nobody_is_disconnected() -> None:
    for one in rendered().values():
        assert "Example Net" in one.text
        assert "https://example.net/checks" in one.text
        assert "2026-11-24" in one.text
        words = " ".join(one.text.split())
        never = {"nl": r"slui(t|ten) (de klant|u) niet af", "en": r"do(es)? not disconnect (you|the customer)"}
        assert re.search(never[one.lang], words), one.name


def test_terms_alone_are_said_to_be_enough_only_where_the_configuration_says_so() -> None:
    for name in ("terms", "faq", "announcement_mail", "announcement_letter"):
        for lang, word in (("nl", "rechtspersoon"), ("en", "legal person")):
            file = texts.name(name, lang)  # type: ignore[arg-type]
            assert word not in rendered()[file].text
            assert word in rendered(consent={"terms_objection": True})[file].text


def test_what_is_sent_is_what_the_probe_may_ask_for() -> None:
    exchange_http = pytest.importorskip("probes.exchange_http", reason="the probe is not there yet")
    assert tuple(exchange_http.PATHS) == texts.PATHS


@pytest.mark.parametrize("key", ["announce_days", "operator", "nonsense"])
def test_what_the_configuration_says_cannot_be_set_otherwise(key: str) -> None:
    with pytest.raises(InputError, match=f"{key}: comes from the configuration"):
        texts.facts(there(), {key: "1"})


@pytest.mark.parametrize("value", ["a\nb", "\x1b[2J", "x" * 201])
def test_what_is_set_is_one_printable_line(value: str) -> None:
    with pytest.raises(InputError, match="phone: "):
        texts.facts(there(), {"phone": value})


def test_without_an_operator_there_are_no_texts_and_every_missing_key_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        texts.facts(config.Config(), {})
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "consent.operator", "probe.contact", "probe.sources", "probe.probing_url", "consent.public_url",
    ]  # fmt: skip


def test_names_are_escaped_in_html_and_nowhere_else() -> None:
    made = rendered(consent={"operator": "A&B <i>Net"})
    assert "A&amp;B &lt;i&gt;Net" in made["objection_page.nl.html"].text
    assert "A&B <i>Net" in made["terms.nl.md"].text


def test_a_template_of_the_operators_takes_the_place_of_ours_and_no_other_changes(tmp_path: Path) -> None:
    (tmp_path / "terms.nl.md").write_text("{% include '_head.md' %}{{ operator }} mag dat.\n")
    (tmp_path / "_head.md").write_text("# Eigen\n")
    ours, made = rendered(), rendered(str(tmp_path))
    assert made["terms.nl.md"].text == "# Eigen\nExample Net mag dat.\n"
    assert [name for name in made if made[name].text != ours[name].text] == ["terms.nl.md"]
    assert [name for name in made if made[name].own] == ["terms.nl.md"]
    assert texts.unequal(made.values()) == [
        "terms.nl.md: does not name announce_days, contact, date, public_url, recheck_hours, requests, "
        "retention_days, sources, terms_objection, version, and terms.en.md does"
    ]


FAULTS = [
    ("a\nb {{ operatr }}", 2, "'operatr' is undefined"),
    ("a\n\n{% if x", 3, "unexpected end of template"),
    ("a\n{{ operator.__class__ }}", 2, "access to attribute '__class__' of 'str' object is unsafe"),
    ("{{ ''.__class__.__mro__[1].__subclasses__() }}", 1, "unsafe"),
    ("a\n{{ sources.append('192.0.2.1') }}", 2, "unsafe"),
    ("a\n{{ cycler.__init__.__globals__.os.system('id') }}", 2, "unsafe"),
    ("a\n{{ 1 // 0 }}", 2, "zero"),
    ("a\n{{ operator + 1 }}", 2, "concatenate"),
    ("a\n{% for n in range(10**9) %}x{% endfor %}", 2, "too big"),
    ("a\n{% for n in range(99999) %}{{ n }} is long enough {% endfor %}", 0, "makes more than 1048576 characters"),
    ("a\n{% include 'none.md' %}", 0, "there is no template none.md"),
    ("a\n{% include '../../etc/passwd' %}", 0, "there is no template"),
    (" \n", 0, "comes to an empty text"),
]


@pytest.mark.parametrize(("template", "line", "said"), FAULTS, ids=[said[:30] for _, _, said in FAULTS])
def test_a_fault_in_a_template_is_named_with_its_file_and_line(
    tmp_path: Path, template: str, line: int, said: str
) -> None:
    (tmp_path / "faq.en.md").write_text(template)
    with pytest.raises(ConfigError) as caught:
        rendered(str(tmp_path))
    assert "faq.en.md: " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    if line:
        assert str(caught.value).startswith(f"{tmp_path}/faq.en.md: line {line}: "), caught.value
    assert caught.value.exit_code == 78


def test_a_template_that_is_no_text_and_a_file_that_stands_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "faq.en.md").write_bytes(b"caf\xe9")
    with pytest.raises(ConfigError, match=r"faq\.en\.md: .*not UTF-8"):
        rendered(str(tmp_path))
    (tmp_path / "faq.en.md").rename(tmp_path / "fag.en.md")
    with pytest.raises(ConfigError, match=r"fag\.en\.md: takes the place of no text"):
        rendered(str(tmp_path))
    with pytest.raises(ConfigError, match=r"consent\.texts: /none: No such file"):
        rendered("/none")
