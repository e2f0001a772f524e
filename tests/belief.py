"""Observations, evidence and assessments for tests, without the book."""

from __future__ import annotations

from agent.build import BuildRange, Generation, Precision, parse, span
from agent.model import Assessment, Claims, Endpoint, Evidence, Finding, Observation, Product

ADDRESS = "192.0.2.25"
TIME = 1_793_610_000.0


def observation(kind: str, value: str, port: int = 25, address: str = ADDRESS) -> Observation:
    return Observation(Endpoint(address, port), kind, value, TIME, "passive", kind.partition(".")[0], 3)


def build(text: str, precision: Precision = "su") -> BuildRange:
    """All builds that two to four numbers can mean."""
    return BuildRange(*span(parse(text)), precision)


def evidence(
    fingerprint: str,
    weight: float,
    *products: Product,
    port: int = 25,
    generations: tuple[Generation, ...] = (),
    shown: BuildRange | None = None,
    kind: str = "smtp.greeting",
    value: str = "x",
    name: str | None = None,
) -> Evidence:
    claims = Claims(products, generations, shown, name=name)
    return Evidence(observation(kind, value, port), fingerprint, claims, weight)


BELIEVED = Assessment(
    ADDRESS, (25, 443), "exchange", "2019", "confirmed", 0.9999, build("15.2.1544.11"),
    ("ex01.example.org", "mail.example.org"), (evidence("smtp-greeting-exchange", 7.0, "exchange"),),
    (Finding(None, "end of support", "vulnerable"), Finding("CVE-2099-0001", "a hole", "vulnerable", True, 9.8),
     Finding("CVE-2099-0002", "a closed hole", "fixed"), Finding("CVE-2099-0003", "a hole, perhaps", "possible")),
)  # fmt: skip
