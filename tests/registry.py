"""An office on a directory, records as they are written, and orders as an import gives them."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.config import Config
from agent.consent.written import rfc3339
from agent.desk import answered
from agent.office import Office, Who
from collectors.registry.reading import Reading
from collectors.registry.sending import Outcome, driven, send

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MADE = "2026-11-24T08:00:00Z"
HASH = "ab" * 32


class World:
    """A register of its own, on a clock that stands still until it is set."""

    def __init__(self, directory: Path, **consent: Any) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.now = NOW.timestamp()
        self.ticks = 0.0
        config = Config.model_validate({"consent": consent, "audit": {"origin": f"log/{directory.name}"}})
        self.office = Office(
            config, directory, log=logging.getLogger("test"), now=lambda: self.now, monotonic=lambda: self.ticks
        )
        self.office.open()
        self.uid = 0

    def give(self, verb: str, words: dict[str, Any]) -> list[dict[str, Any]]:
        """An order, as it comes over the socket and back."""
        told = json.loads(json.dumps(words))
        return [json.loads(json.dumps(each)) for each in answered(self.office, verb, told, Who(self.uid, 1))]

    def all(self, verb: str, words: dict[str, Any]) -> list[dict[str, Any]]:
        """An order that is carried out in parts, all of them."""
        return list(driven(self.give, verb, words))

    def send(
        self,
        rows: Iterable[dict[str, Any]],
        *,
        made: str = MADE,
        full: bool = False,
        show: bool = False,
        accept_loss: bool = False,
        source: str = "crm",
        faults: Iterable[str] = (),
    ) -> Outcome:
        """An import of these rows."""
        numbered = iter([(f"row {number}", row) for number, row in enumerate(rows)])
        reading = Reading(made, full, numbered, list(faults))
        return send(self.give, reading, source, show=show, accept_loss=accept_loss)

    def kinds(self, start: int = 0) -> list[str]:
        """The kinds of the entries from a number on, without those that say that somebody has read."""
        return [entry.kind for entry in self.office.log.read(start=start) if entry.kind != "register.read"]

    def mapped(self) -> set[tuple[str, str, str]]:
        """Prefix, customer and kind of all that is asserted."""
        found: dict[tuple[str, str], str] = {}
        for entry in self.office.log.read(("mapping.asserted", "mapping.withdrawn")):
            assert entry.private is not None
            for prefix in entry.private["prefixes"]:
                found.pop((prefix, entry.customer), None)
                if entry.kind == "mapping.asserted":
                    found[prefix, entry.customer] = entry.private["kind"]
        return {(*pair, kind) for pair, kind in found.items()}


def later(hours: float) -> str:
    return rfc3339(datetime.fromtimestamp(datetime.fromisoformat(MADE).timestamp() + hours * 3600, UTC))


def mapping(prefix: str, customer: str, kind: str = "static", **more: Any) -> dict[str, Any]:
    return {"what": "mapping", "prefix": prefix, "customer": customer, "kind": kind, **more}


def prefixes(count: int, customer: str = "C-1") -> list[dict[str, Any]]:
    """As many /29s, each of a customer."""
    return [mapping(f"10.{i >> 8 & 255}.{i & 255}.0/29", customer) for i in range(count)]


def record(number: int = 1, customer: str = "C-1", **fields: Any) -> dict[str, Any]:
    """A record that can be used, but for what is said otherwise."""
    return {
        "what": "record",
        "schema": "consent-record/1",
        "record_id": f"00000000-0000-4000-8000-{number:012d}",
        "created_at": "2026-10-01T08:00:00Z",
        "created_by": "crm",
        "customer_ref": customer,
        "subject_kind": "legal_person",
        "basis": "explicit",
        "authority": {"kind": "owner"},
        "grantor": {"role": "it manager", "verified_by": "callback"},
        "documents": [
            {"kind": "terms", "version": "1", "lang": "nl", "sha256": HASH, "published_at": "2026-09-01T00:00:00Z"}
        ],
        "scope": {
            "prefixes": ["192.0.2.0/24"],
            "ports": [443],
            "tiers": ["active.build"],
            "probes": ["exchange-http"],
            "window": {"hours": ["daily 00:00-24:00"], "tz": "Europe/Amsterdam"},
        },
        "contacts": [
            {"role": "security", "channel": "mail", "address": "it@example.net", "verified_at": "2026-09-01T00:00:00Z"}
        ],
        "valid_from": "2026-10-01T08:00:00Z",
        "valid_until": "2027-09-30T08:00:00Z",
        "withdrawal": {"phone": "+31 20 000 0000"},
        **fields,
    }


def objection(customer: str | None = "C-1", **fields: Any) -> dict[str, Any]:
    return {"what": "objection", "customer": customer, "at": "2026-11-23T08:00:00Z", **fields}


def event(name: str, customer: str = "C-1", **fields: Any) -> dict[str, Any]:
    return {"what": "event", "event": name, "customer": customer, "at": "2026-11-23T08:00:00Z", **fields}
