"""What machines are given, in the shape that they were promised, and what people are shown."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import GENERATIONS, PRODUCTS, Assessment, Finding, Product
from agent.report import TOLD, as_json, build_text, explain, open_findings, open_text, overview, rfc3339, support_text
from agent.report import what_it_is as described
from tests.belief import BELIEVED, build, evidence

CHECK = Path("../shared/contract/check.py")
WIDTH = 100


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (1_793_610_000.123456, "2026-11-02T09:00:00.123456Z"),
        (1_793_610_000.9999999, "2026-11-02T09:00:01.000000Z"),
        (-1.0, "1969-12-31T23:59:59.000000Z"),
        (4_294_967_295.0, "2106-02-07T06:28:15.000000Z"),
        (253_402_300_799.0, "9999-12-31T23:59:59.000000Z"),
        (253_402_300_800.0, "1970-01-01T00:00:00.000000Z"),
        (1e30, "1970-01-01T00:00:00.000000Z"),
        (float("inf"), "1970-01-01T00:00:00.000000Z"),
        (float("-inf"), "1970-01-01T00:00:00.000000Z"),
        (float("nan"), "1970-01-01T00:00:00.000000Z"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


@given(st.floats())
def test_any_number_is_shown_as_a_time(seconds: float) -> None:
    text = rfc3339(seconds)
    assert len(text) == 27
    assert text[10] == "T"
    assert text.endswith("Z")


def test_the_shape_of_an_assessment() -> None:
    found = as_json(BELIEVED)
    assert list(found) == [
        "address", "ports", "product", "generation", "verdict", "confidence", "build", "names", "evidence", "exposure",
        "proxy", "notes",
    ]  # fmt: skip
    assert found["build"] == {"low": "15.2.1544.11", "high": "15.2.1544.11", "precision": "su"}
    assert found["evidence"] == [{
        "fingerprint": "smtp-greeting-exchange", "kind": "smtp.greeting", "port": 25, "value": "x", "weight": 7.0,
        "time": "2026-11-02T09:00:00.000000Z", "frame": 3,
    }]  # fmt: skip
    assert [(x["cve"], x["status"]) for x in found["exposure"]] == [
        (None, "vulnerable"), ("CVE-2099-0001", "vulnerable"), ("CVE-2099-0003", "possible"),
    ]  # fmt: skip
    assert json.loads(json.dumps(found)) == found


assessments = st.builds(
    lambda product, generation, number, precision, names, status: BELIEVED._replace(
        product=product, generation=generation, build=build(number, precision) if number else None, names=names,
        findings=(Finding("CVE-2099-0001", "a hole", status),), proxy=names[0] if names else None,
    ),
    st.sampled_from(PRODUCTS), st.sampled_from((None, *GENERATIONS)),
    st.sampled_from(("", "15.2.1544.11", "15.2.1544", "15.2")), st.sampled_from(("product", "generation", "cu", "su")),
    st.lists(st.text(max_size=300), max_size=3).map(tuple),
    st.sampled_from((*TOLD, "fixed", "not_affected", "not_assessed")),
)  # fmt: skip


def contract() -> ModuleType:
    if not CHECK.exists():
        pytest.skip("the machine contract is not beside this tree")
    spec = importlib.util.spec_from_file_location("contract_check", CHECK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_machine_contract_holds() -> None:
    shape = contract().shape

    @settings(max_examples=100)
    @given(assessments)
    def holds(a: Assessment) -> None:
        found: dict[str, Any] = json.loads(json.dumps(as_json(a)))
        assert list(shape(found)) == []

    holds()


@settings(max_examples=100)
@given(st.lists(assessments, min_size=1, max_size=4))
def test_the_table_fits_a_terminal_whatever_the_names(some: list[Assessment]) -> None:
    lines = overview(some).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(line.isprintable() for line in lines)


@settings(max_examples=60)
@given(assessments)
def test_an_explanation_moves_no_cursor(a: Assessment) -> None:
    assert all(line.isprintable() for line in explain(a).split("\n"))


def test_the_table_of_long_names_and_addresses() -> None:
    long = ".".join(["a" * 63] * 4)
    six = BELIEVED._replace(address="2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", names=(long,), proxy="TTL 62")
    lines = overview([BELIEVED, six]).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert "".join(line[-20:].strip() for line in lines).count("a") > 60


def test_the_surest_stand_first() -> None:
    some = [
        BELIEVED._replace(address=f"192.0.2.{n}", confidence=sure)
        for n, sure in ((3, 0.5), (2, 0.99), (1, 0.99), (4, 1.0))
    ]
    rows = [line.split()[0] for line in overview(some).splitlines()[2:]]
    assert rows == ["192.0.2.4", "192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_colour_is_only_where_it_is_wanted() -> None:
    assert "\x1b[31mconfirmed" in overview([BELIEVED], on=True)
    assert "\x1b" not in overview([BELIEVED])


@pytest.mark.parametrize(
    ("product", "generation", "text"),
    [
        ("exchange", "2019", "Exchange 2019"), ("exchange", None, "Exchange"), ("exchange-edge", None, "Exchange Edge"),
        ("exchange-edge", "2016", "Exchange 2016 Edge"), ("exchange-online", None, "Exchange Online"),
        ("iis-smtp", None, "IIS SMTP"), ("other", None, "other"), ("unknown", None, "unknown"),
    ],
)  # fmt: skip
def test_what_it_is_in_words(product: Product, generation: Any, text: str) -> None:
    assert described(BELIEVED._replace(product=product, generation=generation)) == text


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (build("15.2.1544.11"), "15.2.1544.11"), (build("15.2.1544", "cu"), "15.2.1544.x"), (None, "-"),
        (build("15.2", "generation"), "-"), (build("15.0", "product"), "-"),
    ],
)  # fmt: skip
def test_builds_in_words(shown: Any, text: str) -> None:
    assert build_text(BELIEVED._replace(build=shown)) == text


def test_what_is_open_and_what_is_supported() -> None:
    assert open_text(BELIEVED) == "2"
    assert support_text(BELIEVED) == "ended"
    assert len(open_findings(BELIEVED)) == 3
    fixed = BELIEVED._replace(findings=BELIEVED.findings[2:3])
    assert (open_text(fixed), support_text(fixed)) == ("0", "-")
    nothing = BELIEVED._replace(findings=())
    assert (open_text(nothing), support_text(nothing)) == ("-", "-")


def test_an_explanation_says_why_and_what_follows() -> None:
    many = tuple(Finding(f"CVE-2099-{n:04}", "a hole", "vulnerable", kev=n == 0, cvss=9.8) for n in range(15))
    weak = evidence("synack-windows", 0.2, "exchange", port=443, kind="tcp.synack", value="ttl=126")
    said = explain(BELIEVED._replace(
        proxy="TTL 62 on port 443", notes=("precision su: shown",), findings=many, evidence=(weak, *BELIEVED.evidence)
    ))  # fmt: skip
    assert said.startswith(
        "192.0.2.25: Exchange 2019, confirmed (0.9999)\n  names: ex01.example.org, mail.example.org\n"
    )
    for part in (
        "ports: 25, 443",
        "build: 15.2.1544.11",
        "reverse proxy: TTL 62",
        "precision su: shown",
        "+7.0",
        "CVSS",
    ):
        assert part in said
    assert said.index("smtp-greeting-exchange") < said.index("synack-windows")
    assert said.endswith("... and 3 more; `--json` lists all\n")


def test_an_explanation_of_little() -> None:
    said = explain(
        BELIEVED._replace(product="unknown", generation=None, build=None, names=(), findings=(), evidence=())
    )
    assert "names: none seen" in said
    assert "What follows" not in said
    assert "build" not in said
