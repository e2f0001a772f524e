"""What is agreed to: in both languages the same facts, all that the record says, and nothing without its texts."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from agent.consent import agreement
from agent.consent.agreement import _TEXT, chosen, scope, text
from agent.consent.written import ScopeText
from exporters.notices.told import lines

NETS = ["192.0.2.0/24", "2001:db8::/48"]
SCOPE = scope(NETS, [443, 8443], ["Mon-Fri 22:00-06:00"], "Europe/Amsterdam")


def document(kind: str, lang: str = "en") -> dict[str, str]:
    return {"kind": kind, "version": "1", "lang": lang, "sha256": kind[0] * 64}


def test_both_languages_say_the_same() -> None:
    named = [{name for _, name, _, _ in Formatter().parse(each) if name} for each in _TEXT.values()]
    assert named[0] == named[1] and len(_TEXT) == 2
    assert _TEXT["nl"].count("\n\n") == _TEXT["en"].count("\n\n")


@pytest.mark.parametrize("lang", ["nl", "en"])
def test_it_names_all_of_the_scope_and_every_text(lang: str) -> None:
    documents = [document("terms"), document("sla"), document("objection_page")]
    said = text(lang, "Example {ISP}", "abuse@isp.example", SCOPE, documents)
    for part in (*NETS, "443, 8443", "Mon-Fri 22:00-06:00 (Europe/Amsterdam)", "365", "Example {ISP}", "t" * 64):
        assert part in said
    assert max(len(line) for line in said.splitlines()) <= 76, "so that a mail quotes it as it is"
    assert lines(said) and not re.search(r"\{\w+\}", said.replace("{ISP}", ""))


def test_a_scope_is_one_of_a_record() -> None:
    made = ScopeText.model_validate(SCOPE)
    assert (made.tiers, made.probes, made.rate) == (agreement.TIERS, agreement.PROBES, 1)


def test_texts_are_those_of_his_language_where_there_are() -> None:
    published = {
        (each["kind"], each["lang"]): each
        for each in (document("terms"), document("terms", "nl"), document("faq", "nl"), document("objection_page"))
    }
    found = chosen(published, "nl")
    assert found is not None
    assert [(each["kind"], each["lang"]) for each in found] == [
        ("terms", "nl"),
        ("objection_page", "en"),
        ("faq", "nl"),
    ]
    assert chosen({key: each for key, each in published.items() if key[0] != "faq"}, "nl") is None
