"""The verdicts: one table of builds and CVEs for each rule that data/cves.json states, and what must hold of all."""

from __future__ import annotations

import json
import pathlib
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.build import Build, BuildRange, generation_of, parse, span
from agent.exchange.catalogue import Catalogue, catalogue
from agent.exchange.verdict import combined
from agent.model import Status

TODAY = date(2026, 11, 23)
TABLES = catalogue()
SHARED = pathlib.Path("../shared/data/exchange_cves.json")


def asked(text: str) -> BuildRange:
    parts = parse(text)
    return BuildRange(*span(parts), "su" if len(parts) == 4 else "cu")


def verdicts(of: BuildRange | str, tables: Catalogue = TABLES) -> dict[str | None, Status]:
    wanted = asked(of) if isinstance(of, str) else of
    return {f.cve: f.status for f in tables.findings(wanted, TODAY)}


VECTORS = """
# Rule 1: a generation that is not affected, or that MSRC no longer listed.
15.2.2562.17   CVE-2022-41040  not_affected
15.1.2507.6    CVE-2018-0924   fixed
15.2.221.12    CVE-2018-8152   not_affected
15.0.1497.2    CVE-2020-0903   not_affected
15.0.1497.48   CVE-2023-21745  not_affected
15.0.1497.48   CVE-2023-28310  not_assessed
15.0.1497.48   CVE-2024-21410  not_assessed
15.0.1497.48   CVE-2023-21709  not_assessed
14.3.513.0     CVE-2021-26855  not_affected
14.3.513.0     CVE-2021-27065  not_affected
14.3.509.0     CVE-2021-26857  vulnerable
14.3.513.0     CVE-2021-26857  fixed
14.3.513.0     CVE-2021-26412  not_assessed
14.3.496.0     CVE-2020-16875  not_affected
14.3.509.0     CVE-2020-17132  not_assessed
8.3.517.0      CVE-2021-26855  not_assessed
8.3.517.0      CVE-2018-0924   not_assessed
6.5.7638.1     CVE-2020-0688   not_assessed
15.1.2507.75   CVE-2026-55007  not_affected
15.20.8000.21  CVE-2021-26855  None
15.3.1.1       CVE-2021-26855  None
# Rule 2: the build does not decide.
15.1.2507.75   CVE-2023-21709  possible
15.2.1118.7    CVE-2023-21709  possible
15.2.2562.53   CVE-2023-21709  possible
15.2.2562.99   CVE-2023-21709  possible
15.2.2562      CVE-2023-21709  possible
15.1.1913.12   CVE-2023-21709  possible
# Rule 3: the branch is listed.
15.2.529.5     CVE-2020-0688   vulnerable
15.2.529.7     CVE-2020-0688   vulnerable
15.2.529.8     CVE-2020-0688   fixed
15.2.529.11    CVE-2020-0688   fixed
15.1.2507.14   CVE-2022-41082  vulnerable
15.1.2507.15   CVE-2022-41082  vulnerable
15.1.2507.18   CVE-2022-41082  fixed
15.1.2507.43   CVE-2024-49040  vulnerable
15.1.2507.44   CVE-2024-49040  fixed
15.2.1544.13   CVE-2024-49040  vulnerable
15.0.1497.12   CVE-2021-26855  fixed
15.0.1497.10   CVE-2021-26855  vulnerable
15.2.2562.43   CVE-2026-42897  fixed
15.2.2562.41   CVE-2026-42897  vulnerable
14.3.389.1     CVE-2018-0924   fixed
14.3.389.0     CVE-2018-0924   vulnerable
# Rule 4: the branch is not listed.
15.2.986.42    CVE-2023-36439  vulnerable
15.1.2375.37   CVE-2023-21529  vulnerable
15.1.2242.4    CVE-2021-26855  fixed
15.2.922.7     CVE-2021-34473  fixed
15.2.858.5     CVE-2021-34453  vulnerable
15.2.1000.1    CVE-2022-41040  vulnerable
15.2.1000.1    CVE-2021-34473  fixed
15.0.1104.5    CVE-2018-8154   vulnerable
15.1.225.16    CVE-2018-8581   vulnerable
14.3.399.2     CVE-2018-0924   fixed
14.3.382.0     CVE-2018-0924   vulnerable
14.2.390.3     CVE-2018-0924   vulnerable
14.1.438.0     CVE-2018-0924   vulnerable
14.3.352.0     CVE-2020-0688   vulnerable
15.2.1748.10   CVE-2024-26198  fixed
# Rule 5: the protection exists from some build on and must be switched on.
15.1.2375.28   CVE-2024-21410  vulnerable
15.1.2375.31   CVE-2024-21410  possible
15.1.2507.12   CVE-2024-21410  possible
15.1.2507.11   CVE-2024-21410  vulnerable
15.1.2507.75   CVE-2024-21410  possible
15.1.2308.27   CVE-2024-21410  vulnerable
15.2.986.26    CVE-2024-21410  vulnerable
15.2.986.29    CVE-2024-21410  possible
15.2.1118.12   CVE-2024-21410  possible
15.2.1118.9    CVE-2024-21410  vulnerable
15.2.1258.12   CVE-2024-21410  possible
15.2.922.27    CVE-2024-21410  vulnerable
15.2.1544.4    CVE-2024-21410  fixed_if_configured
15.2.2562.17   CVE-2024-21410  fixed_if_configured
# A build that is necessary and not sufficient.
15.2.1748.23   CVE-2025-53786  vulnerable
15.2.2562.17   CVE-2025-53786  fixed_if_configured
15.0.1497.40   CVE-2022-21979  fixed_if_configured
15.0.1497.36   CVE-2022-21979  vulnerable
15.2.1748.10   CVE-2022-24516  fixed_if_configured
15.1.2308.8    CVE-2021-34470  fixed_if_configured
15.1.2106.2    CVE-2021-1730   fixed_if_configured
15.1.2044.13   CVE-2021-1730   vulnerable
15.1.2507.35   CVE-2023-36439  fixed_if_configured
# Special updates of March 2021: not cumulative.
15.0.847.64    CVE-2021-26857  fixed
15.0.847.64    CVE-2018-8151   unknown
15.0.847.64    CVE-2018-0924   unknown
15.0.847.64    CVE-2020-0688   vulnerable
15.1.1415.8    CVE-2021-26855  fixed
15.1.1415.8    CVE-2018-8151   unknown
15.1.1415.9    CVE-2018-8151   unknown
15.1.1415.10   CVE-2018-0924   unknown
15.1.1913.12   CVE-2021-26855  fixed
15.1.1913.12   CVE-2020-0903   unknown
15.1.1913.12   CVE-2021-26412  vulnerable
15.1.1913.12   CVE-2018-8302   fixed
15.2.221.18    CVE-2019-0817   unknown
15.2.464.15    CVE-2019-1373   unknown
15.2.659.12    CVE-2020-16875  unknown
15.2.659.12    CVE-2021-24085  vulnerable
15.2.721.13    CVE-2020-16969  fixed
# A bound in place of a missing build.
15.0.847.55    CVE-2018-0924   vulnerable
15.0.847.56    CVE-2018-0924   unknown
15.0.847.61    CVE-2018-0940   unknown
15.0.847.62    CVE-2018-0940   fixed
15.0.847.59    CVE-2018-8151   vulnerable
15.2.221.14    CVE-2019-0817   vulnerable
15.2.221.15    CVE-2019-0817   unknown
15.2.221.16    CVE-2019-0858   unknown
15.2.221.17    CVE-2019-0858   fixed
15.2.221.12    CVE-2019-0858   vulnerable
# Newer than the table: never vulnerable.
15.2.2562.54   CVE-2026-96940  fixed
15.1.2507.76   CVE-2026-96940  fixed
15.2.2800.1    CVE-2026-96940  fixed
15.2.2000.1    CVE-2026-96940  fixed
15.1.2375.40   CVE-2023-21529  unknown
15.1.2375.40   CVE-2022-41040  fixed
15.1.1913.13   CVE-2020-0688   unknown
15.1.2375.40   CVE-2024-21410  possible
# Only three parts, or two.
15.2.1118      CVE-2022-41040  unknown
15.2.1118      CVE-2021-34473  fixed
15.2.1118      CVE-2024-26198  vulnerable
15.2.1118      CVE-2024-21410  possible
15.1.2507      CVE-2024-21410  possible
15.1.2375      CVE-2024-21410  possible
15.1.2507      CVE-2022-21978  unknown
15.1.2507      CVE-2021-1730   fixed_if_configured
15.1.1913      CVE-2020-0688   unknown
15.1.1913      CVE-2021-26855  unknown
15.1.1913      CVE-2021-34473  vulnerable
15.0.847       CVE-2018-0924   unknown
15.2.2562      CVE-2026-55007  unknown
15.2.2562      CVE-2025-53786  fixed_if_configured
15.2.3000      CVE-2026-55007  fixed
14.3.513       CVE-2021-26857  fixed
15.1           CVE-2021-26855  unknown
15.0           CVE-2024-21410  not_assessed
# Other notations and numbers.
15.02.1118.007 CVE-2022-41040  vulnerable
15.2.858.2     CVE-2021-34473  vulnerable
15.2.858.2     CVE-2021-27078  fixed
14.3.328.5     CVE-2018-0924   vulnerable
"""
ROWS = [line.split() for line in VECTORS.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize(("build", "cve", "status"), ROWS, ids=[" ".join(row[:2]) for row in ROWS])
def test_a_verdict_follows_the_rules(build: str, cve: str, status: str) -> None:
    assert str(verdicts(build).get(cve)) == status


@pytest.mark.skipif(not SHARED.exists(), reason="the test vectors of the data's compilers are not here")
def test_the_vectors_of_the_data_hold() -> None:
    vectors = json.loads(SHARED.read_text())["test_vectors"]
    wrong = [v for v in vectors if verdicts(v["build"])[v["cve"]] != v["status"]]
    assert vectors and not wrong


ORDER = ("vulnerable", "possible", "unknown", "fixed_if_configured", "not_assessed", "fixed", "not_affected")


@pytest.mark.parametrize("build", ["15.1.2507.16", "15.2.1118", "14.3.123.4", "15.2.2562.53"])
def test_the_urgent_comes_first(build: str) -> None:
    found = TABLES.findings(asked(build), TODAY)
    keys = [(ORDER.index(f.status), f.cve is not None, not f.kev, -(f.cvss or 0)) for f in found]
    assert keys == sorted(keys)


def test_two_answers_make_one() -> None:
    assert combined(["fixed", "fixed"]) == "fixed"
    assert combined(["vulnerable", "possible"]) == "possible"
    assert combined(["vulnerable", "fixed"]) == "unknown"
    assert combined(["vulnerable", "not_affected"]) == "unknown"
    assert combined(["fixed", "fixed_if_configured"]) == "unknown"


KNOWN = st.sampled_from(TABLES.builds)
BRANCHED = [k for k in TABLES.builds if k.build.major == 15 and k.cumulative and not k.alias_of]
PART = st.integers(0, 65535)
ANY = st.one_of(
    st.builds(Build, PART, PART, PART, PART),
    st.builds(Build, st.just(15), st.integers(0, 21), st.integers(0, 3000), st.integers(0, 80)),
    st.builds(lambda k, n: k.build._replace(fourth=max(0, k.build.fourth + n)), KNOWN, st.integers(-3, 3)),
)


@given(st.sampled_from(BRANCHED), st.sampled_from(BRANCHED))
@settings(max_examples=60, deadline=None)
def test_a_later_update_of_a_branch_never_loses_a_fix(a, b) -> None:  # type: ignore[no-untyped-def]
    later = [k for k in BRANCHED if k.build.branch == a.build.branch and k.build >= a.build]
    before = verdicts(str(a.build))
    after = verdicts(str(later[b.build.fourth % len(later)].build))
    lost = [c for c, s in before.items() if s in ("fixed", "fixed_if_configured") and after[c] != s]
    assert not lost


@given(ANY, ANY, st.dates(date(2000, 1, 1), date(2040, 1, 1)))
@settings(max_examples=60, deadline=None)
def test_a_range_says_what_its_ends_say_or_less(a: Build, b: Build, at: date) -> None:
    low, high = min(a, b), max(a, b)
    wanted = TABLES.clamp(BuildRange(low, high, "cu"))
    ends = [{f.cve: f.status for f in TABLES.findings(BuildRange(e, e, "su"), at)} for e in wanted[:2]]
    for f in TABLES.findings(wanted, at):
        if f.status != "unknown" and f.cve:
            said = {e[f.cve] for e in ends}
            assert said == {f.status} or (f.status == "possible" and said <= {"vulnerable", "possible"})


@given(ANY, st.dates())
@settings(max_examples=150, deadline=None)
def test_every_number_gets_an_answer(build: Build, at: date) -> None:
    wanted = BuildRange(build, build, "su")
    found = TABLES.findings(wanted, at)
    assert bool(found) == (generation_of(build) is not None)
    assert TABLES.status(build, at) == TABLES.status(wanted, at)
    if generation_of(build) is None:
        assert TABLES.status(build, at) == "unknown"
    known = TABLES.lookup(build)
    if known:
        assert known.exact == any(k.build == build for k in TABLES.builds)
        assert known.build <= build or not known.exact or known.note
    if TABLES.newer(build):
        assert not [f for f in found if f.status == "vulnerable" and f.cve]


@given(ANY)
@settings(max_examples=100, deadline=None)
def test_a_span_holds_the_builds_of_its_generation(build: Build) -> None:
    generation = generation_of(build)
    inside = [g for g in TABLES.lifecycles if TABLES.span_of(g)[0] <= build <= TABLES.span_of(g)[1]]
    assert inside == ([generation] if generation else [])
