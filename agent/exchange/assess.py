"""Evidence -> belief -> assessment. Pure: no clock, no file, no state.

The theory. Each server address runs one of the PRODUCTS. A fingerprint names the products it speaks for and how many
times likelier its match is with them than with any other, as a natural logarithm (its weight). Evidence of distinct
fingerprints is taken as independent, so the posterior of a product is its prior times e to the sum of the weights
that speak for it. Confidence is the share of all Exchange kinds together: how sure it is that this is Exchange.

Three corrections keep that honest. A fingerprint counts once however often it matched: ten sessions with the same
greeting are one fact. Of the replies of SMTP only the heaviest counts: who writes one of them as Exchange does writes
the others so as well, and "250 2.1.0 Sender OK" has come to more than one author's mind. And a mask is a miss, not a
denial: a mail gateway's greeting on one port says nothing against the Outlook on the Web that another port shows, so
what speaks for another product counts only on ports that show Exchange too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from agent.build import BuildRange, Generation, Precision, generation_of
from agent.exchange.active import superseded
from agent.exchange.corroborate import corroborate, proxy_in_front, server_names
from agent.model import GENERATIONS, Assessment, Evidence, Finding, Observation, Product, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from agent.exchange.catalogue import Catalogue
    from agent.exchange.fingerprint import Book

EXCHANGE: frozenset[Product] = frozenset(("exchange", "exchange-edge", "exchange-online"))

# What a server that answers on a mail or web port is before anything was read from it. Roughly one mail server in
# fifty is an Exchange server, and most servers are not mail servers (Shadowserver counted 97,000 Exchange servers in
# February 2024); EXCHANGE together is 1.5 %.
PRIOR: dict[Product, float] = {
    "exchange": 0.010, "exchange-edge": 0.001, "exchange-online": 0.004,
    "iis-smtp": 0.005, "other": 0.500, "unknown": 0.480,
}  # fmt: skip

# The odds at which a network engineer would act, ask, or keep watching.
THRESHOLDS: tuple[tuple[float, Verdict], ...] = ((0.99, "confirmed"), (0.90, "probable"), (0.50, "suspected"))


class Belief(NamedTuple):
    """What evidence amounts to. ``build`` says how precise it is; ``notes`` say what did not fit."""

    product: Product
    generation: Generation | None
    verdict: Verdict
    confidence: float
    build: BuildRange | None
    notes: tuple[str, ...] = ()


def judge(evidence: Iterable[Evidence], catalogue: Catalogue | None = None) -> Belief:
    """Fuse evidence of one server. With a catalogue, the build is narrowed to builds that exist."""
    weighed = sorted(evidence, key=lambda e: -e.weight)
    posterior = _posterior(weighed)
    confidence = math.fsum(posterior[p] for p in EXCHANGE)
    verdict: Verdict = next((v for least, v in THRESHOLDS if confidence >= least), "none")
    # With verdict `none` no Exchange kind is named, however the rest is spread.
    # Nor is any product that no evidence speaks for: priors alone are `unknown`.
    spoken_for = {"unknown", *(p for e in weighed for p in e.claims.products)}
    candidates = [p for p in posterior if (p in EXCHANGE) == (verdict != "none") and p in spoken_for]
    product = max(candidates, key=posterior.__getitem__)
    if product not in ("exchange", "exchange-edge"):
        return Belief(product, None, verdict, confidence, None)
    # Exchange 2000 and 2003 run on the SMTP service of IIS: what that says of the generation holds for them as well.
    supporting = [e for e in weighed if not e.claims.products or {product, "iis-smtp"}.intersection(e.claims.products)]
    generations, notes = _generations(supporting)
    generation = generations[0] if len(generations) == 1 else None
    build, doubts = _build(supporting, generations, catalogue)
    return Belief(product, generation, verdict, confidence, build, notes + doubts)


def _posterior(evidence: Sequence[Evidence]) -> dict[Product, float]:
    """The probability of each product by evidence, heaviest first.

    What matched on several ports counts once, for whatever port it counts on.
    """
    shown = {e.observation.server.port for e in evidence if not EXCHANGE.isdisjoint(e.claims.products)}
    score = {p: math.log(prior) for p, prior in PRIOR.items()}
    counted: set[tuple[str, Product]] = set()
    for e in evidence:
        counts_against = not shown or e.observation.server.port in shown
        words = "smtp.reply" if e.observation.kind == "smtp.reply" else e.fingerprint
        for product in e.claims.products:
            if (product in EXCHANGE or counts_against) and (words, product) not in counted:
                counted.add((words, product))
                score[product] += e.weight
    top = max(score.values())
    likelihood = {p: math.exp(s - top) for p, s in score.items()}
    total = math.fsum(likelihood.values())
    return {p: x / total for p, x in likelihood.items()}


def _generations(supporting: Sequence[Evidence]) -> tuple[tuple[Generation, ...], tuple[str, ...]]:
    """The generations that all claims allow, in order; a claim that leaves none is set aside and told.

    What only two bounds together leave over does not stand against a third: then that may be right as well.
    """
    allowed: set[Generation] = set(GENERATIONS)
    outside: set[Generation] = set()
    notes: dict[str, None] = {}
    # An exact build says it best, then the heavier evidence.
    for e in sorted(supporting, key=lambda e: e.claims.build is None):
        claimed = _claimed(e)
        if not claimed:
            continue
        if allowed & claimed:
            allowed &= claimed
        else:
            outside |= claimed
            notes.setdefault(
                f"{e.fingerprint} speaks for {' or '.join(sorted(claimed))}, against the stronger evidence"
            )
    if outside and not any(set() < _claimed(e) <= allowed for e in supporting):
        allowed |= outside
    if len(allowed) == len(GENERATIONS):
        return (), tuple(notes)
    return tuple(g for g in GENERATIONS if g in allowed), tuple(notes)


def _claimed(e: Evidence) -> set[Generation]:
    if e.claims.build is None:
        return set(e.claims.generations)
    ends = {generation_of(e.claims.build.low), generation_of(e.claims.build.high)}
    return {g for g in ends if g is not None}


def _build(
    supporting: Sequence[Evidence], generations: Sequence[Generation], catalogue: Catalogue | None
) -> tuple[BuildRange | None, tuple[str, ...]]:
    """The most precise build that fits, of several the oldest; else the generation's span. And what to know of it."""
    claims = [b for e in supporting if (b := e.claims.build) and generation_of(b.low) in generations]
    if claims:
        best = min(claims, key=lambda b: (("su", "cu", "generation", "product").index(b.precision), b.low))
        doubts = _several(claims) if best.exact else ()
        if catalogue and best.exact:
            return _released(best, catalogue, doubts)
        return (catalogue.clamp(best) if catalogue else best), doubts
    if catalogue and generations:
        spans = [s for g in generations if (s := catalogue.span_of(g))]
        if len(spans) == len(generations):
            precision: Precision = "generation" if len(generations) == 1 else "product"
            return BuildRange(spans[0][0], spans[-1][1], precision), ()
    return None, ()


def _several(claims: Sequence[BuildRange]) -> tuple[str, ...]:
    """A balancer shows what the one server says and then what the other does; an attacker takes the older one."""
    shown = {b.low for b in claims if b.exact}
    return (f"{len(shown)} builds were shown at this address; the lowest of them counts",) if len(shown) > 1 else ()


def _released(shown: BuildRange, catalogue: Catalogue, doubts: tuple[str, ...]) -> tuple[BuildRange, tuple[str, ...]]:
    """What a server shows can lag by a few in the last part (microsoft/CSS-Exchange issue 396)."""
    build = catalogue.released(shown.low)
    if build == shown.low:
        return shown, doubts
    return shown._replace(low=build, high=build), (
        *doubts,
        f"{shown.low} is no released build; it is taken for {build}",
    )


def evidence_of(observation: Observation, book: Book) -> list[Evidence]:
    """Every match of the book on an observation."""
    matches = book.match(observation.kind, observation.value)
    return [Evidence(observation, m.fingerprint, m.claims, m.weight) for m in matches]


def assess(
    address: str, observations: Sequence[Observation], matched: Sequence[Evidence], catalogue: Catalogue, at: date
) -> Assessment:
    """All that is believed of one server address, as of the day ``at``, from its observations and their matches."""
    old = superseded(observations)
    current = [e for e in matched if e.observation not in old] if old else matched
    evidence = [*current, *corroborate(observations, current)]
    proxy = proxy_in_front(observations, evidence)
    usable = [e for e in evidence if not (proxy and _is_the_proxys(e))]
    belief = judge(usable, catalogue)
    exposed = belief.product in ("exchange", "exchange-edge")
    return Assessment(
        address=address,
        ports=tuple(sorted({o.server.port for o in observations})),
        product=belief.product,
        generation=belief.generation,
        verdict=belief.verdict,
        confidence=round(belief.confidence, 4),
        build=belief.build,
        names=server_names(observations, evidence),
        evidence=tuple(evidence),
        findings=_findings(belief, catalogue, at) if exposed else (),
        proxy=proxy,
        notes=belief.notes + _precision_note(belief, usable),
    )


def _is_the_proxys(e: Evidence) -> bool:
    """A bound that was read from the transport of a web port: with a proxy in front it is the proxy's own."""
    return e.observation.kind in ("tcp.synack", "tls.server_hello") and e.observation.server.port in (80, 443)


def _findings(belief: Belief, catalogue: Catalogue, at: date) -> tuple[Finding, ...]:
    if belief.build and belief.build.precision in ("cu", "su"):
        return catalogue.findings(belief.build, at)
    if belief.generation:
        ended = catalogue.end_of_support(belief.generation, at)
        return (ended,) if ended else ()
    return ()


def _precision_note(belief: Belief, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    if belief.product not in ("exchange", "exchange-edge"):
        return ()
    reached = belief.build.precision if belief.build else "product"
    asked = [e for e in evidence if e.observation.origin == "active"]
    why = {
        "su": "the exact build was shown in clear",
        "cu": "a cumulative update was shown; the security update on it was not",
        "generation": "handshake metadata bounds the generation; it carries no build",
        "product": "handshake metadata shows the product; it carries no build",
    }
    if reached == "su" and any(e.claims.build and e.claims.build.precision == "su" for e in asked):
        return ("precision su: the front end showed its exact build to a probe",)
    if reached in ("generation", "product") and asked:
        return (f"precision {reached}: the answer to a probe carried no build",)
    return (f"precision {reached}: {why[reached]}",)
