"""``knockfirst assess``: its machine contract, its screen, and what it says to bad input."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.__main__ import main as knockfirst
from agent.errors import InputError
from agent.exchange.assess_command import answer, as_json, ask, main
from agent.exchange.assess_screen import Page, summary
from agent.exchange.catalogue import catalogue

TABLES = catalogue()
TODAY = date(2026, 11, 23)
KEYS = ["build", "product", "generation", "cu", "update", "status", "findings"]


def told(text: str, at: date = TODAY) -> dict:  # type: ignore[type-arg]
    question = ask(text, at, TABLES)
    return as_json(question, answer(question, TABLES))


def screen(text: str, fixed_too: bool = False, on: bool = False, at: date = TODAY) -> str:
    question = ask(text, at, TABLES)
    return summary(Page(question, answer(question, TABLES), TABLES, on), fixed_too)


@pytest.mark.parametrize(
    ("text", "build", "product", "generation", "cu", "update"),
    [
        ("15.1.2507.16", "15.1.2507.16", "exchange", "2016", "CU23", "Nov22SU"),
        ("15.02.1118.007", "15.2.1118.7", "exchange", "2019", "CU12", "RTM"),
        ("15.2.1118", "15.2.1118", "exchange", "2019", "CU12", None),
        ("15.1", "15.1", "exchange", "2016", None, None),
        ("15.2", "15.2", "exchange", None, None, None),
        ("15.2.2562.49", "15.2.2562.49", "exchange", "SE", "RTM", "Sep26SU"),
        ("15.2.2562.99", "15.2.2562.99", "exchange", "SE", "RTM", None),
        ("15.2.858.2", "15.2.858.2", "exchange", "2019", "CU9", "RTM"),
        ("15.1.225.16", "15.1.225.16", "exchange", "2016", "Preview", "RTM"),
        ("15.1.225", "15.1.225", "exchange", "2016", "RTM", None),
        ("15.1.2507.5", "15.1.2507.5", "exchange", "2016", "CU23", None),
        ("15.2.1000.1", "15.2.1000.1", "exchange", "2019", None, None),
        ("14.3.513.0", "14.3.513.0", "exchange", "2010", "SP3", "RU32"),
        ("14.3.400.0", "14.3.400.0", "exchange", "2010", "SP3", "RU21"),
        ("14.3", "14.3", "exchange", "2010", "SP3", None),
        ("8.3.517.0", "8.3.517.0", "exchange", "2007", None, None),
        ("5.5.2653.13", "5.5.2653.13", "exchange", "5.5", None, None),
        ("15.20.8000.21", "15.20.8000.21", "exchange-online", None, None, None),
        ("15.20", "15.20", "exchange-online", None, None, None),
        ("15.3.1.1", "15.3.1.1", "unknown", None, None, None),
        ("Version 15.2 (Build 1118.7)", "15.2.1118.7", "exchange", "2019", "CU12", None),
        ("version 15.1 (build 2507.16)", "15.1.2507.16", "exchange", "2016", "CU23", "Nov22SU"),
        ("Version 14.3 (Build 123.4)", "14.3.123.4", "exchange", "2010", "SP3", None),
    ],
)
def test_what_a_build_is(
    text: str, build: str, product: str, generation: str | None, cu: str | None, update: str | None
) -> None:
    found = told(text)
    assert list(found) == KEYS
    assert [found[k] for k in KEYS[:5]] == [build, product, generation, cu, update]


def test_findings_are_every_cve_that_concerns_the_build() -> None:
    found = {f["cve"]: f for f in told("15.1.2507.16")["findings"]}
    assert found[None] == {
        "cve": None, "name": "end of support", "status": "vulnerable", "kev": False, "cvss": None
    }  # fmt: skip
    assert found["CVE-2022-41040"] == {
        "cve": "CVE-2022-41040", "name": "ProxyNotShell", "status": "fixed", "kev": True, "cvss": 8.8
    }  # fmt: skip
    assert "CVE-2026-55007" not in found
    assert {f["status"] for f in told("14.3.513.0")["findings"]} >= {"fixed", "not_assessed", "vulnerable"}
    assert told("15.20.1.1")["findings"] == []


def test_what_get_exchangeserver_displays_tells_the_cumulative_update_only() -> None:
    shown, exact = told("Version 15.1 (Build 2507.6)"), told("15.1.2507.6")
    assert shown["build"] == exact["build"]
    assert {f["cve"]: f["status"] for f in shown["findings"]}["CVE-2022-41040"] == "unknown"
    assert {f["cve"]: f["status"] for f in exact["findings"]}["CVE-2022-41040"] == "vulnerable"


@pytest.mark.parametrize("text", ["15.1.2507.16", "15.2.1118", "15.1.1913.12", "8.3.517.0", "15.20.1.1", "1.2", "15.2"])
@pytest.mark.parametrize("fixed_too", [False, True])
def test_the_screen_fits(text: str, fixed_too: bool) -> None:
    for day in (TODAY, date(2026, 3, 1)):
        assert max(map(len, screen(text, fixed_too, at=day).splitlines())) <= 100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("15.1.2507.16", "Exchange Server 2016 CU23 Nov22SU (15.1.2507.16)\nreleased  2022-11-08, KB5019758\n"),
        ("15.1.2507.16", "Feb23SU (15.1.2507.21)"),
        ("15.1.2507.16", "CVE-2026-42897, without the fix: "),
        ("15.2.986.42", "CU12 Jun23SU (15.2.1118.30)"),
        ("15.1.2507.9", "Aug22SU (15.1.2507.12)"),
        ("15.0.1365.3", "released  2018-03, KB4073392"),
        ("15.2.1118", "Only a part of the build is known"),
        ("Version 15.2 (Build 1118.7)", "Get-ExchangeServer goes on showing"),
        ("15.1.2507.14", "15.1.2507.14 is not in the table; it is taken for the next lower one"),
        ("15.2.1000.1", "no lower build of its branch"),
        ("15.1.1913.12", "A special update of March 2021"),
        ("15.2.858.2", "OwaVersion"),
        ("15.2.2562.99", "Newer than every build known here"),
        ("15.2.2562.53", "An administrator can switch these fixes off again"),
        ("15.20.1.1", "Exchange Online"),
        ("15.3.1.1", "not a build of any Exchange Server"),
        ("15.2.2562.53", "Data: builds to 2026-10-02"),
    ],
)
def test_the_screen_says_what_matters(text: str, words: str) -> None:
    assert words in screen(text)


def test_fixed_ones_are_counted_and_listed_when_asked_for() -> None:
    assert "39 fixed (1 known to be exploited)" in re.sub(r"\s+", " ", screen("15.2.2562.53"))
    assert "CVE-2026-96940" not in screen("15.2.2562.53")
    assert "CVE-2026-96940" in screen("15.2.2562.53", fixed_too=True)


def test_colour_only_where_wanted() -> None:
    assert "\x1b[31m" in screen("15.1.2507.16", on=True)
    assert "\x1b" not in screen("15.1.2507.16")
    assert re.sub(r"\x1b\[\d+m", "", screen("15.1.2507.16", on=True)) == screen("15.1.2507.16")


def test_the_command_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--at", "2025-10-14", "Version", "15.1", "(Build", "2507.6)"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["build"], found["status"]) == ("15.1.2507.6", "supported")


def test_the_command_prints_a_plain_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert knockfirst(["assess", "15.2.2562.53"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Exchange Server SE RTM Sep26SUv2") and "\x1b" not in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["15"], "'15' is not a build"),
        (["banana"], "15.2.1748.36"),
        (["15.2.1.2.3"], "is not a build"),
        (["15.2.99999.1"], "65535"),
        ([""], "is not a build"),
        (["15.2.1118.7", "--at", "tomorrow"], "--at: 'tomorrow' is not a date"),
        (["15.2.1118.7", "--at", "2026-02-30"], "YYYY-MM-DD"),
    ],
)
def test_bad_input_is_told(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        main(words)
    assert knockfirst(["assess", *words]) == 2
    assert says in capsys.readouterr().err


def test_no_build_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "BUILD" in capsys.readouterr().err


@given(st.lists(st.integers(0, 70000), min_size=1, max_size=5).map(lambda ns: ".".join(map(str, ns))) | st.text())
@settings(max_examples=80, deadline=None)
def test_any_text_is_answered_or_refused(text: str) -> None:
    try:
        found = told(text)
    except InputError:
        return
    assert found["status"] in {"supported", "esu", "end_of_support", "newer_than_table", "unknown"}
    assert max(map(len, screen(text).splitlines())) <= 100
