"""An office that is really there, with one customer who agreed, and nothing in the way of a probe."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.audit.entry import Item
from agent.leave import Conditions, Sighting
from agent.office import Office, Who
from agent.sections import Agent, Config, Probe
from tests.agent.consent import registers

HOST = "192.0.2.1"
WHO = Who(1000, 42)
SEEN = Sighting("mail.example.nl", ("f" * 64,), ("exchange",), build_known=False, last_seen=registers.at(40))
_HASHES = {"terms": registers.TERMS, "faq": "b" * 64, "objection_page": "c" * 64}
_DOCUMENTS = [
    {"kind": kind, "version": "1", "lang": "nl", "sha256": sha256, "published_at": registers.day(-90)}
    for kind, sha256 in _HASHES.items()
]
_CONTACTS = [
    {"role": "security", "channel": channel, "address": "soc@example.nl", "verified_at": registers.day(0)}
    for channel in ("mail", "phone")
]
AGREED = (
    *(registers.published(sha256, kind) for kind, sha256 in _HASHES.items()),
    registers.mapped("c-1", -100),
    registers.told("c-1"),
    registers.given("c-1", documents=_DOCUMENTS, contacts=_CONTACTS),
    registers.synced(40),
)
CONDITIONS = Conditions(
    time=registers.at(40) + 60,
    clock_synced=True,
    killed=False,
    missing=(),
    audit_writable=True,
    checkpoint_age=1.0,
    denied=[],
    laboratory=True,
)


@contextmanager
def agreed(directory: Path) -> Iterator[Office]:
    """Open until the end, with its store in that directory."""
    state = directory / "state"
    state.mkdir(mode=0o700)
    config = Config(agent=Agent(state=str(state)), probe=Probe(laboratory=True))
    made = Office(config, state, log=logging.getLogger(), now=lambda: registers.at(40), monotonic=lambda: 1.0)
    made.open()
    made.record([Item(e.kind, e.public, e.customer, e.private) for e in registers.opened(AGREED)])
    made.conditions = lambda: CONDITIONS  # type: ignore[method-assign]
    made.sighting = lambda address, port: SEEN if address == HOST and port == 443 else None
    yield made
    made.close()


def knocked(office: Office, number: int, outcome: str | None = "confirmed", host: str = HOST) -> int:
    """A probe on record: the number of its intent."""
    public = {"probe": "exchange-http", "id": f"{number:032x}", "why": "schedule", "record_hash": "0" * 64}
    (intent,) = office.record([Item("probe.intent", public, "c-1", {"address": host, "port": 443})])
    if outcome is not None:
        ended = {"intent": intent.number, "id": public["id"], "outcome": outcome, "connections": 1, "ms": 80}
        private = {"address": host, "port": 443, "detail": "15.2.1748.36", "statuses": [401]}
        office.record([Item("probe.outcome", ended, "c-1", private)])
    return intent.number
