"""The fusion of evidence: what counts, what counts once, what denies, and how precise a belief is."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.build import Generation, generation_of
from agent.exchange.assess import EXCHANGE, PRIOR, assess, evidence_of, judge
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.model import GENERATIONS, PRODUCTS, Evidence, Observation, Product, Verdict
from tests.belief import ADDRESS, build, evidence, observation

NOW = date(2026, 11, 2)
STRONG = evidence("strong", 10.0, "exchange")


def test_priors_are_of_every_product_and_sum_to_one() -> None:
    assert set(PRIOR) == set(PRODUCTS)
    assert sum(PRIOR.values()) == pytest.approx(1.0)


def test_nothing_is_unknown() -> None:
    belief = judge(())
    assert (belief.product, belief.verdict, belief.generation, belief.build) == ("unknown", "none", None, None)
    assert belief.confidence == pytest.approx(0.015)


@pytest.mark.parametrize(
    ("weights", "verdict"),
    [
        ((1.0,), "none"),
        ((4.0,), "none"),
        ((4.7,), "suspected"),
        ((4.7, 2.3), "probable"),
        ((4.7, 2.3, 2.5), "confirmed"),
    ],
)
def test_more_evidence_is_more_belief(weights: tuple[float, ...], verdict: Verdict) -> None:
    belief = judge(evidence(f"f{n}", weight, "exchange") for n, weight in enumerate(weights))
    assert belief.verdict == verdict
    assert belief.product == ("unknown" if verdict == "none" else "exchange")


PRODUCT_TABLE: list[tuple[Product, Verdict, list[Evidence]]] = [
    ("exchange", "confirmed", [STRONG]),
    ("exchange-online", "confirmed", [STRONG, evidence("online", 12.0, "exchange-online", port=443)]),
    ("exchange-edge", "confirmed",
     [evidence("both", 8.0, "exchange", "exchange-edge"), evidence("edge", 4.0, "exchange-edge")]),
    ("iis-smtp", "none", [evidence("iis", 8.0, "iis-smtp")]),
    ("other", "none", [evidence("postfix", 3.0, "other")]),
    ("other", "none", [evidence("postfix", 8.0, "other"), evidence("weak", 1.0, "exchange")]),
    # Much is said for no product in particular, and nothing for another.
    ("unknown", "none", [evidence("dated", 0.0, generations=("2019",))]),
    ("unknown", "none", [evidence("hint", 0.2, "exchange")]),
]  # fmt: skip


@pytest.mark.parametrize(("product", "verdict", "seen"), PRODUCT_TABLE)
def test_products(product: Product, verdict: Verdict, seen: list[Evidence]) -> None:
    belief = judge(seen)
    assert (belief.product, belief.verdict) == (product, verdict)
    if product not in ("exchange", "exchange-edge"):
        assert (belief.generation, belief.build) == (None, None)


def test_a_fingerprint_counts_once_however_often_it_matched() -> None:
    once = judge([evidence("f", 3.0, "exchange")])
    assert judge([evidence("f", 3.0, "exchange", value=str(n), port=n) for n in range(20)]) == once
    assert judge([evidence("f", 3.0, "exchange"), evidence("g", 3.0, "exchange")]).confidence > once.confidence


@pytest.mark.parametrize(("port", "denies"), [(25, True), (587, False)])
def test_a_mask_on_another_port_denies_nothing(port: int, denies: bool) -> None:
    """A gateway's greeting says nothing of what stands behind another port."""
    alone = judge([evidence("owa", 6.0, "exchange", port=25)])
    masked = judge([evidence("owa", 6.0, "exchange", port=25), evidence("gateway", 5.0, "other", port=port)])
    assert (masked.confidence < alone.confidence) is denies
    assert (masked == alone) is not denies


def test_a_mask_on_several_ports_counts_where_it_does() -> None:
    seen = [evidence("owa", 6.0, "exchange", port=443)]
    gateway = [evidence("gateway", 5.0, "other", port=port) for port in (25, 443)]
    assert judge([*seen, *gateway]) == judge([*seen, *gateway[::-1]]) == judge([*seen, gateway[1]])


SPANS: list[tuple[tuple[Generation, ...], tuple[Generation, ...], Generation | None]] = [
    (("2016", "2019"), ("2019", "SE"), "2019"),
    (("2016", "2019", "SE"), ("2019", "SE"), None),
    ((), ("2010",), "2010"),
    ((), (), None),
]


@pytest.mark.parametrize(("first", "second", "left"), SPANS)
def test_generations_are_what_all_claims_allow(
    first: tuple[Generation, ...], second: tuple[Generation, ...], left: Generation | None
) -> None:
    belief = judge(
        [evidence("a", 9.0, "exchange", generations=first), evidence("b", 1.0, generations=second)], catalogue()
    )
    assert belief.generation == left
    assert belief.notes == ()
    allowed = set(first or GENERATIONS) & set(second or GENERATIONS)
    if len(allowed) == len(GENERATIONS):
        assert belief.build is None
    else:
        assert belief.build
        ends = {generation_of(belief.build.low), generation_of(belief.build.high)}
        assert ends <= allowed
        assert belief.build.precision == ("generation" if left else "product")


def test_the_weaker_of_two_contradicting_generations_is_noted() -> None:
    belief = judge([
        evidence("weak", 2.0, "exchange", generations=("2010",)),
        evidence("strong", 9.0, "exchange", generations=("2019",)),
    ])  # fmt: skip
    assert belief.generation == "2019"
    assert belief.notes == ("weak speaks for 2010, against the stronger evidence",)


def test_a_build_says_it_best_whatever_its_weight() -> None:
    belief = judge([
        evidence("strong", 9.0, "exchange", generations=("2010", "2013")),
        evidence("shown", 1.0, "exchange", shown=build("15.2.1544.11")),
    ])  # fmt: skip
    assert (belief.generation, belief.build) == ("2019", build("15.2.1544.11"))
    assert belief.notes == ("strong speaks for 2010 or 2013, against the stronger evidence",)


def test_what_other_products_evidence_says_of_the_generation_is_not_heard() -> None:
    online = evidence("online", 1.0, "exchange-online", shown=build("15.20.8000.21"))
    other = evidence("other", 1.0, "other", generations=("2010",))
    assert judge([STRONG, online, other]).generation is None
    assert judge([STRONG, evidence("iis", 1.0, "iis-smtp", generations=("2003",))]).generation == "2003"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        # Several servers behind one address: the oldest is the one to worry about.
        (["15.2.1748.36", "15.2.1544.11"], "15.2.1544.11"),
        (["15.2.1544.11", "15.2.1748.36"], "15.2.1544.11"),
        # An exact build beats a cumulative update, even an older one.
        (["15.2.1118", "15.2.1748.36"], "15.2.1748.36"),
        (["15.2.1118", "15.2.986"], "15.2.986"),
    ],
)
def test_the_most_precise_build_wins_then_the_oldest(shown: list[str], expected: str) -> None:
    seen = [
        evidence(f"f{n}", 5.0, "exchange", shown=build(text, "su" if text.count(".") == 3 else "cu"))
        for n, text in enumerate(shown)
    ]
    belief = judge(seen)
    assert belief.build == build(expected, "su" if expected.count(".") == 3 else "cu")


def test_a_build_of_a_generation_that_was_ruled_out_is_not_taken() -> None:
    belief = judge([
        evidence("a", 9.0, "exchange", shown=build("15.2.1544.11")),
        evidence("b", 5.0, "exchange", shown=build("14.3.123.4")),
    ])  # fmt: skip
    assert belief.build == build("15.2.1544.11")
    assert belief.notes == ("b speaks for 2010, against the stronger evidence",)


weights = st.floats(0, 12, allow_nan=False)
products = st.lists(st.sampled_from(PRODUCTS), max_size=2, unique=True)
some_evidence = st.builds(
    lambda name, weight, claimed, port, generations: evidence(
        name, weight, *claimed, port=port, generations=tuple(generations)
    ),
    st.sampled_from("abcdef"), weights, products, st.sampled_from((25, 443)),
    st.lists(st.sampled_from(GENERATIONS), max_size=3, unique=True),
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(some_evidence, max_size=8), st.randoms(use_true_random=False))
def test_any_evidence_is_judged_and_its_order_does_not_matter(seen: list[Evidence], r: object) -> None:
    belief = judge(seen, catalogue())
    assert 0.0 <= belief.confidence <= 1.0
    assert (belief.product in EXCHANGE) == (belief.verdict != "none")
    if belief.build:
        assert belief.build.low <= belief.build.high
    # Fingerprints of one name have one weight; what this makes up need not.
    unique = list({e.fingerprint: e for e in seen}.values())
    assert judge(unique).confidence == pytest.approx(judge(unique[::-1]).confidence)


# From observations, with the packaged book and the catalogue.

GREETING = observation(
    "smtp.greeting", "ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"
)
OWA_2019 = observation("http.header", "X-OWA-Version: 15.2.1544.11", 443)
TLS_13 = observation("tls.server_hello", "version: 1.3\ncipher: 1302\nextensions: 002b,0033\nsession: 32", 443)
WINDOWS = observation("tcp.synack", "ttl=126 window=65535 options=mss,nop,ws,nop,nop,sok scale=8 mss=1460", 443)
LINUX = observation("tcp.synack", "ttl=62 window=65160 options=mss,sok,ts,nop,ws scale=7 mss=1460", 443)


def assessed(*seen: Observation) -> tuple[object, ...]:
    a = assess(ADDRESS, seen, [e for o in seen for e in evidence_of(o, book())], catalogue(), NOW)
    return a.product, a.verdict, a.generation, a.build and a.build.precision, bool(a.proxy), bool(a.findings)


ASSESSED = [
    ((GREETING,), ("exchange", "confirmed")),
    ((GREETING, OWA_2019), ("exchange", "confirmed", "2019", "su", False, True)),
    ((GREETING, TLS_13, WINDOWS), ("exchange", "confirmed", None, "product", False, False)),
    ((GREETING, TLS_13, LINUX), ("exchange", "confirmed", None)),
    ((observation("smtp.greeting", "mx.example.org ESMTP Postfix"),), ("other", "none", None, None, False, False)),
    ((observation("http.header", "X-OWA-Version: 15.20.8000.21", 443),), ("exchange-online", "confirmed", None, None)),
    ((WINDOWS,), ("unknown", "none", None, None, False, False)),
    ((), ("unknown", "none", None, None, False, False)),
]


@pytest.mark.parametrize(("seen", "expected"), ASSESSED)
def test_assessments(seen: tuple[Observation, ...], expected: tuple[object, ...]) -> None:
    assert assessed(*seen)[: len(expected)] == expected


def test_a_proxys_tls_bounds_nothing() -> None:
    """TLS 1.3 came with 2019 CU15; of a proxy in front it says nothing of what stands behind."""
    seen = (GREETING, TLS_13)
    bounded = assess(ADDRESS, seen, [e for o in seen for e in evidence_of(o, book())], catalogue(), NOW)
    product_alone = assess(ADDRESS, (GREETING,), evidence_of(GREETING, book()), catalogue(), NOW).build
    seen = (*seen, LINUX)
    proxied = assess(ADDRESS, seen, [e for o in seen for e in evidence_of(o, book())], catalogue(), NOW)
    assert bounded.build
    assert generation_of(bounded.build.low) == "2019"
    assert proxied.proxy == "TTL 62 on port 443, where Windows would show up to 128"
    assert proxied.build == product_alone
    # It is shown all the same.
    assert "server-hello-tls13" in {e.fingerprint for e in proxied.evidence}


def test_what_the_precision_is_and_why() -> None:
    for seen, precision in (((GREETING,), "product"), ((GREETING, OWA_2019), "su")):
        a = assess(ADDRESS, seen, [e for o in seen for e in evidence_of(o, book())], catalogue(), NOW)
        assert a.notes[-1].startswith(f"precision {precision}: ")
        assert a.ports == tuple(sorted({o.server.port for o in seen}))
    online = observation("http.header", "X-OWA-Version: 15.20.8000.21", 443)
    assert assess(ADDRESS, (online,), evidence_of(online, book()), catalogue(), NOW).notes == ()


def test_a_generation_alone_tells_of_the_end_of_its_support() -> None:
    a = assess(ADDRESS, (GREETING,), [evidence("g", 9.0, "exchange", generations=("2013",))], catalogue(), NOW)
    assert [(f.cve, f.status) for f in a.findings] == [(None, "vulnerable")]
    a = assess(ADDRESS, (GREETING,), [evidence("g", 9.0, "exchange", generations=("SE",))], catalogue(), NOW)
    assert a.findings == ()
