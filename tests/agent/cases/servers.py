"""Servers as a test wants them: what was observed of each, as an assessment and as a case."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from agent.cases.case import Case, Event, opened
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.model import Endpoint, Observation

if TYPE_CHECKING:
    from agent.model import Assessment, Origin

HOST = "192.0.2.1"
NOW = 1_795_000_000.0  # 2026-11-18
TODAY = datetime.fromtimestamp(NOW, UTC).date()
GREETING = "ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"
OLD, CURRENT = "15.1.2176.2", "15.2.2562.53"  # 2016 CU19, open to ProxyLogon; SE with its last known update


def observed(build: str = "", *, origin: Origin = "active", address: str = HOST, at: float = NOW) -> list[Observation]:
    """A greeting that names Exchange and, where a build is given, an answer of the web port that shows it."""
    told: list[tuple[int, str, str, Origin]] = [(25, "smtp.greeting", GREETING, "passive")]
    if build:
        told += [
            (443, "http.header", f"X-OWA-Version: {build}", origin),
            (443, "http.header", "X-FEServer: EX01", origin),
        ]
    return [Observation(Endpoint(address, port), kind, value, at, by, "test") for port, kind, value, by in told]


def assessed(build: str = "", *more: Observation, day: date = TODAY, **how: Any) -> Assessment:
    inventory = Inventory(book(), catalogue())
    for observation in (*observed(build, **how), *more):
        inventory.observe(observation)
    found = inventory.assessment(how.get("address", HOST), day)
    assert found is not None
    return found


def windows(generation: str) -> Observation:
    """A passive sign of the generation alone."""
    value = {"2013": "15.0.1497", "2019": "15.2.1118"}[generation]
    return Observation(Endpoint(HOST, 443), "http.header", f"X-OWA-Version: {value}", NOW, "passive", "test")


def began(severity: str = "critical", at: float = 0.0, **body: Any) -> Case:
    """A case that has just been opened."""
    said = {
        "customer": "c-1", "address": HOST, "severity": severity, "build": OLD, "holes": ["ProxyLogon"],
        "exploited": ["ProxyLogon"],
    }  # fmt: skip
    return opened("0123456789abcdef", Event(at, "opened", said | body))
