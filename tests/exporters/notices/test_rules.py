"""The rules of what customers are told (docs/notices.md), each tried on every message, kind of finding and language."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from agent.exchange import catalogue
from agent.model import KINDS as OBSERVATIONS
from agent.notice import ACTIONS, MESSAGES
from exporters.notices import examples, texts, words
from tests.exporters.notices.shown import Page, Shown, about, of, shown
from tests.exporters.notices.shown import words as words_of

CASE = ("tell", "contact", "owner", "letter", "phone", "quiet", "closing")  # what is about a finding
FULL = ("tell", "contact", "letter")  # what has to be enough for who has to act
WIDTH = 78

_VALUE = re.compile(
    r"Example Net|Exchange Server (?:\d+|SE)(?: CU\d+| RTM)?|Proxy\w+|https://\S+|[\w.]+@[\w.]+|CVE-[\d-]+|KB\d+|\d[\d.:]*\d|\d"
)


def values(one: Shown) -> Counter[str]:
    """What is the same in every language: names, numbers, addresses, days (the month by its number), links."""
    text = re.sub(r"(\d),(\d)", r"\1.\2", f"{one.subject} {one.flat}")
    for number, names in enumerate(words.MONTHS, 1):
        text = text.replace(f" {words.of(names, one.facts.lang)} ", f" {number} ")
    return Counter(found.rstrip(".,:") for found in _VALUE.findall(text))


def pairs() -> list[tuple[Shown, Shown]]:
    by_facts: dict[str, dict[str, Shown]] = {}
    for one in shown():
        key = one.facts.model_copy(update={"lang": "en", "text": ""}).model_dump_json()
        by_facts.setdefault(key, {})[one.facts.lang] = one
    return [(both["nl"], both["en"]) for both in by_facts.values()]


def test_there_are_all_messages_about_all_kinds_of_finding_in_both_languages() -> None:
    assert len(shown()) == ((len(MESSAGES) - 2) * len(examples.KINDS) + 2) * 2 * 2
    assert {one.name for one in texts.OURS.iterdir() if not one.name.startswith("_")} == set(texts.known())
    assert all(len(both) == 2 for both in pairs())


def test_both_languages_tell_the_same_facts() -> None:
    assert texts.unequal() == []
    for dutch, english in pairs():
        assert values(dutch) == values(english), dutch.facts
        assert dutch.text.count("\n\n") == english.text.count("\n\n"), dutch.facts


def test_a_text_that_names_less_in_one_language_is_found(tmp_path: Path) -> None:
    template = (texts.OURS / "owner.nl.txt").read_text()
    (tmp_path / "owner.nl.txt").write_text(template.replace("{{ address }}", ""))
    assert texts.unequal(str(tmp_path)) == []  # it is still asked whether there is one
    (tmp_path / "owner.nl.txt").write_text("Onderwerp: x\n\n{{ customer }} {{ case }}\n")
    assert [line.partition(":")[0] for line in texts.unequal(str(tmp_path))] == ["owner.nl.txt"]


def test_a_subject_tells_no_address_no_host_and_no_cve() -> None:
    for one in shown():
        if one.facts.message in texts.MAIL:
            assert one.subject
            assert one.facts.address == "" or one.facts.address not in one.subject
            assert not re.search(r"CVE|\d+\.\d+|@|[a-z]\.[a-z]|Proxy|Exchange Server \d", one.subject), one.subject
            assert len(one.subject) <= 78
            assert one.subject.isprintable()


@pytest.mark.parametrize("case", ["192.0.2.10", "CVE-2021-26855", "cve-2021-26855 of 192.0.2.10"])
def test_a_subject_tells_none_whatever_the_template_and_the_facts_are(case: str) -> None:
    subject = of(examples.example("tell", "en").model_copy(update={"case": case})).subject
    assert "192" not in subject
    assert "CVE" not in subject.upper()


def test_the_first_line_has_the_customers_number_and_how_to_verify_it() -> None:
    verify = {"nl": "controleer dit door het nummer op uw factuur te bellen", "en": "verify this by calling the number"}
    for one in shown():
        parts = one.text.split("\n")
        first = parts[2] if one.facts.message == "letter" else parts[0]  # a letter's subject stands above
        assert one.facts.customer in first, first
        assert verify[one.facts.lang] in first, first
        assert words.of(("op uw factuur", "on your invoice"), one.facts.lang) in first


def test_it_says_what_was_seen_when_how_and_under_which_record() -> None:
    for one in about(*FULL):
        facts = one.facts
        assert facts.product in one.flat
        assert facts.address in one.flat
        assert all(str(port) in one.flat for port in facts.ports)
        assert not facts.build or facts.build in one.flat
        assert words.of(("24 november 2026 om 09:00", "24 November 2026 at 09:00"), facts.lang) in one.flat
        assert words.of(words.CONFIDENCE[facts.confidence], facts.lang) in one.flat
        assert all(words.of(words.SIGNS[sign], facts.lang) in one.flat for sign in facts.signs)
        for said in (facts.record, facts.receipt, str(facts.entry or "")):
            assert said in one.flat
        for hole in facts.holes:
            assert all(cve in one.flat for cve in hole.cves)
            assert not facts.more or str(facts.more) in one.flat


# How often it was asked -> what the message says of that, in Dutch and English.
ASKED = {
    0: ("met gewone verzoeken, zoals een browser ze stuurt.", "with ordinary requests, as a browser sends them."),
    1: ("met één gewoon verzoek, zoals een browser dat stuurt.", "with one ordinary request, as a browser sends it."),
    2: ("met 2 gewone verzoeken, zoals een browser ze stuurt.", "with 2 ordinary requests, as a browser sends them."),
    3: ("met 3 gewone verzoeken, zoals een browser ze stuurt.", "with 3 ordinary requests, as a browser sends them."),
}


@pytest.mark.parametrize("message", FULL)
@pytest.mark.parametrize("lang", words.LANGUAGES)
@pytest.mark.parametrize("requests", ASKED)
def test_it_says_how_often_the_server_was_asked(requests: int, lang: str, message: str) -> None:
    facts = examples.example(message, lang, "single").model_copy(update={"requests": requests})
    assert words.of(ASKED[requests], lang) in of(facts).flat


def test_an_id_is_told_as_it_is_read_out() -> None:
    for message in ("tell", "contact", "owner", "letter", "phone", "quiet", "closing"):
        for lang in words.LANGUAGES:
            one = of(examples.example(message, lang).model_copy(update={"case": "0123456789abcdef"}))
            assert "0123 4567 89ab cdef" in f"{one.subject} {one.flat}" and "01234567" not in one.subject + one.flat


def test_it_says_what_it_is_not() -> None:
    nobody = {
        "nl": "niet ingelogd, geen lek gebruikt, niets gewijzigd en geen mail gelezen",
        "en": "did not log in, did",
    }
    for one in about(*FULL):
        assert nobody[one.facts.lang] in one.flat
        came_in = words.of(
            ("betekent niet dat er iemand binnen is geweest", "not mean that anybody came"), one.facts.lang
        )
        assert (came_in in one.flat) == (not one.facts.exploited)


def test_what_was_only_seen_is_said_to_seem_and_that_nothing_was_sent() -> None:
    seem = {"nl": "lijkt u", "en": "You seem to run"}
    nothing = {"nl": "Wij hebben uw server zelf niets gestuurd", "en": "We ourselves sent your server nothing"}
    asked = {"nl": "gevraagd welke versie erop draait", "en": "which version it runs"}
    for one in about(*FULL):
        passive = one.facts.origin == "passive"
        assert (seem[one.facts.lang] in one.flat) == passive
        assert (nothing[one.facts.lang] in one.flat) == passive
        assert (asked[one.facts.lang] in one.flat) == (not passive)
        perhaps = words.of(("waarschijnlijk", "probably"), one.facts.lang)
        assert (f"- Product: {perhaps} " in one.text) == passive


def test_it_names_what_to_install_or_what_to_move_to() -> None:
    gone = {"nl": "Voor uw versie komen geen updates meer", "en": "Your version gets no more updates"}
    for one in about(*FULL):
        install = one.facts.install
        assert (gone[one.facts.lang] in one.flat) == (install.kind == "upgrade")
        for said in (install.name, install.build, install.kb):
            assert said in one.flat
        assert not install.released or words.day(install.released, one.facts.lang) in one.flat
        assert "HealthChecker" in one.flat
    for one in about("owner", "phone"):
        assert one.facts.install.name in one.flat


def test_a_hole_is_told_as_sure_as_it_is() -> None:
    told = {
        "chain": (": open", ": open"),
        "possible": ("mogelijk open", "possibly open"),
        "setting": ("alleen dicht als Extended Protection aanstaat", "only if Extended Protection is switched on"),
        "passive": ("waarschijnlijk open", "probably open"),
    }
    for kind, said in told.items():
        for lang in words.LANGUAGES:
            one = of(examples.example("tell", lang, kind))
            assert words.of(said, lang) in one.flat, kind
    for lang in words.LANGUAGES:
        possible = of(examples.example("tell", lang, "possible")).flat
        assert words.of(("Misschien staan", "It may have known security holes"), lang) in possible
        assert words.of(("aanvallers gebruiken dit lek", "attackers use this hole"), lang) not in possible
        assert (
            words.of(("aanvallers gebruiken dit lek", "attackers use this hole"), lang)
            in of(examples.example("tell", lang, "chain")).flat
        )


def test_it_is_treated_as_possibly_compromised_exactly_where_a_hole_was_exploited() -> None:
    for one in shown():
        said = re.search(words.of(("mogelijk gehackt", "possibly compromised"), one.facts.lang), one.flat)
        assert (said is not None) == bool(one.facts.exploited), one.facts
    assert any(one.facts.exploited for one in about(*CASE))


def test_no_link_is_needed_and_none_is_there_that_is_no_fact() -> None:
    for one in shown():
        links = set(one.facts.links.values())
        assert set(re.findall(r"\S*(?:https?:|www\.)\S*", one.text)) <= links
        if one.facts.message != "phone":
            assert one.facts.contact in one.flat
        if one.html:
            assert set(Page(one.html).links) == links
            assert not links or links <= set(one.flat.split())


def test_each_answer_has_its_link_and_each_can_be_given_without_one() -> None:
    for one in about("tell", "contact", "owner", "quiet", "closing"):
        offered = [words.of(words.ANSWERS[action], one.facts.lang) for action in ACTIONS if action in one.facts.links]
        assert len(offered) in (0, 6)
        assert re.findall(r"(?m)^- (.*?):(?= |\n)\s+https", one.text) == offered
    for one in about(*FULL):
        for nl, en in (
            ("is opgelost", "is fixed"), ("opnieuw moeten kijken", "look again"),
            ("niet de juiste persoon", "right person"), ("niet van u is", "not yours"), ("niet oplost", "will not fix"),
            ("moeten stoppen", "stop these checks"),
        ):  # fmt: skip
            assert words.of((nl, en), one.facts.lang) in one.flat


def test_html_has_the_same_words_loads_nothing_and_runs_nothing() -> None:
    for one in shown():
        if one.html:
            page = Page(one.html)
            assert page.words == words_of(one.text), one.facts
            assert page.tags <= {"html", "head", "meta", "title", "body", "p", "h2", "blockquote", "br", "a"}
            assert {name for name, _ in page.attributes} <= {"lang", "charset", "name", "content", "style", "href"}
            assert "url(" not in one.html
            assert f'<html lang="{one.facts.lang}">' in one.html
            assert len(one.html) < 16_384


def test_lines_of_text_fit() -> None:
    for one in shown():
        longest = max(one.text.split("\n"), key=len)
        assert len(longest) <= WIDTH, longest
        assert not re.search(r"[{}\x00]|\n\n\n|\bNone\b|\bTrue\b|\bFalse\b| ,|\(\)| \.", one.text), one.text


def test_help_is_offered_in_one_line_once_only_at_first_and_only_where_that_is_wanted() -> None:
    offer = {"nl": r"kunnen u bij het herstel helpen", "en": r"can help you with the repair"}
    for one in shown():
        wanted = one.facts.offer and one.facts.message == "tell"
        assert len(re.findall(offer[one.facts.lang], one.flat)) == (1 if wanted else 0)
        assert not wanted or [line for line in one.text.split("\n") if re.search(offer[one.facts.lang], line)]


def test_the_owner_is_told_briefly_and_without_technical_detail() -> None:
    whole = {(one.facts.lang, one.facts.case, bool(one.facts.links)): len(one.flat.split()) for one in about("tell")}
    for one in about("owner"):
        length = len(one.flat.split())
        assert length < 220
        assert length * 2 < whole[one.facts.lang, one.facts.case, bool(one.facts.links)]
        assert not re.search(r"CVE|KB\d|HealthChecker|build|\bpoort|\bport\b|Proxy|VPN", one.flat), one.text
        assert one.facts.build == "" or one.facts.build not in one.flat
        assert one.facts.case in one.flat


def paragraphs(one: Shown) -> set[str]:
    """What a message says of its own: without the line by which it is verified, salutation, answers and signature."""
    whole = {" ".join(part.split()) for part in one.text.split("\n\n")}
    return {part for part in whole if len(part.split()) > 7 and one.facts.customer not in part and "https" not in part}


def test_a_reminder_does_not_repeat_the_first_message() -> None:
    first = {(one.facts.lang, one.facts.case): paragraphs(one) for one in about("tell")}
    for one in about("owner", "quiet", "closing", "phone"):
        assert not paragraphs(one) & first[one.facts.lang, one.facts.case]
    for one in about("contact", "letter"):  # who gets these has not seen the first: its beginning says why they come
        begins = " ".join(one.text.split("\n\n")[3 if one.facts.message == "letter" else 2].split())
        assert re.search(r"kwam niet aan|did not arrive|proberen wij u te bereiken|trying to reach you", begins)


_THREATS = {
    "nl": r"afsluit|afgesloten|sluiten (wij )?u|blokke|vertrag|quarantaine|boete|aansprakelijk|juridisch|beperk",
    "en": r"disconnect|cut off|suspend|block|throttl|terminat|quarantin|penalt|liable|legal action|restrict|deadline",
}
_DRAMA = r"!|\burgent|\bdirect actie|onmiddellijk|immediately|catastroph|rampzalig|[A-Z]{4,} [A-Z]{4,}"


def test_nothing_is_threatened_and_nothing_is_dramatic() -> None:
    for one in shown():
        for said in (one.subject, one.flat):
            assert not re.search(_THREATS[one.facts.lang], said, re.IGNORECASE), said
            assert not re.search(_DRAMA, said), said


# A word of the trade, and how it is explained where it stands.
_EXPLAINED = {
    "CVE": ("met CVE begint is het openbare nummer van een lek", "CVE is the public number of a hole"),
    "VPN": ("beveiligde verbinding (VPN)", "protected connection (VPN)"),
    "DNS": ("openbare adreslijst van internet (DNS)", "public directory (DNS)"),
    "KB": ("het nummer van deze update", "the number of this update"),
    "HealthChecker": ("controleprogramma van Microsoft", "free program that checks Exchange"),
    "build": ("versienummer (build)", "version number (build)"),
    "SE": ("Exchange Server SE", "Exchange Server SE"),
    "RTM": ("Exchange Server SE RTM", "Exchange Server SE RTM"),
    "CU": ("Exchange Server", "Exchange Server"),
    "NTLM": ("NTLM relay", "NTLM relay"),
    "SU": ("Exchange Server", "Exchange Server"),
    "AVG": ("AVG, artikel 32", ""),
    "GDPR": ("", "GDPR, article 32"),
    "UTC": ("(UTC)", "(UTC)"),
}


def test_a_word_of_the_trade_is_explained_where_it_stands() -> None:
    for one in shown():
        text = one.flat.replace('"Exchange Server build numbers and release dates"', "")  # the name of a page
        for word in set(re.findall(r"\b(?:[A-Z]{2,}|HealthChecker|build)(?=\d|\b)", text)):
            assert word in _EXPLAINED, word
            assert words.of(_EXPLAINED[word], one.facts.lang) in text, word
        assert not re.search(r"\b(patch|exploit|payload|RCE|endpoint|banner|malware|header)", one.flat, re.IGNORECASE)


def test_the_end_of_a_case_says_when_what_is_known_is_deleted() -> None:
    for one in about("closing"):
        assert words.of(("8 december 2026", "8 December 2026"), one.facts.lang) in one.flat
    for why, nl, en in (
        ("wont_fix", "niet oplost", "will not fix"), ("not_ours", "niet van u is", "not yours"),
        ("stop", "te stoppen", "asked us to stop"), ("other", "De zaak is gesloten", "The case is closed"),
    ):  # fmt: skip
        for lang in words.LANGUAGES:
            one = of(examples.example("closing", lang).model_copy(update={"why": why}))
            assert words.of((nl, en), lang) in one.flat
            assert words.of(("bijgewerkt", "up to date"), lang) not in one.flat


def test_who_will_not_fix_it_is_not_asked_to() -> None:
    for lang, said in (("nl", "u hoeft niets te doen"), ("en", "you need not do anything")):
        assert said in of(examples.example("quiet", lang).model_copy(update={"why": "wont_fix"})).flat


def test_a_request_and_a_receipt_have_what_is_agreed_and_how_it_stops() -> None:
    for one in about("request", "receipt"):
        for line in one.facts.text.splitlines():
            assert " ".join(line.split()) in " ".join(words_of(one.text))
        assert re.search(words.of(("mee stoppen, zonder reden", "stop it at any"), one.facts.lang), one.flat)
    for one in about("request"):
        assert re.search(
            words.of(("Doet u niets, dan sturen wij", "If you do nothing, we send"), one.facts.lang), one.flat
        )
    for one in about("receipt"):
        assert one.facts.record in one.flat
        assert one.facts.receipt in one.flat


def test_what_facts_are_called_is_known_for_all_that_there_may_be() -> None:
    assert set(words.SIGNS) == set(OBSERVATIONS)
    assert tuple(words.ANSWERS) == ACTIONS
    assert {flaw.config for flaw in catalogue.catalogue().flaws if flaw.config} <= set(words.SETTINGS)
