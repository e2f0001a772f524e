"""The servers that were seen, and what was observed of each: a bounded table, oldest out first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from agent.exchange.assess import EXCHANGE, assess, evidence_of

if TYPE_CHECKING:
    from datetime import date

    from agent.exchange.catalogue import Catalogue
    from agent.exchange.fingerprint import Book
    from agent.model import Assessment, Evidence, Observation

# An address that many sites share shows a name and a certificate for each; beyond some of a kind nothing new is learnt.
MAX_OF_A_KIND = 12

_Key = tuple[int, str, str]


class _Server:
    """What was observed at one address, and what the book says of it."""

    __slots__ = ("assessed", "evidence", "observations", "signed")

    def __init__(self) -> None:
        self.observations: dict[_Key, Observation] = {}
        self.evidence: list[Evidence] = []
        self.signed = False
        self.assessed: tuple[date, Assessment] | None = None


class Inventory:
    """address -> distinct observations. Memory: about 1 KiB a server that says a little, 20 KiB at most."""

    def __init__(self, book: Book, catalogue: Catalogue, max_servers: int = 65_536) -> None:
        self._book = book
        self._catalogue = catalogue
        self._max = max_servers
        self._servers: dict[str, _Server] = {}
        self.counts = {"observations": 0, "repeats": 0, "surplus": 0, "servers_evicted": 0}
        self._matched: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._servers)

    def observe(self, observation: Observation) -> bool:
        """Take one fact in. True if it is new, and so may change what is believed."""
        server = self._servers.get(observation.server.address) or self._admit(observation.server.address)
        known = server.observations
        key = (observation.server.port, observation.kind, observation.value)
        if key in known:
            self.counts["repeats"] += 1
            return False
        if len(known) >= MAX_OF_A_KIND and sum(kind == key[1] for _, kind, _ in known) >= MAX_OF_A_KIND:
            self.counts["surplus"] += 1
            return False
        known[key] = observation
        for evidence in evidence_of(observation, self._book):
            server.evidence.append(evidence)
            self._matched[evidence.fingerprint] += 1
            # No server without such a sign can come to a verdict, and there are thirty of them to one with it.
            server.signed = server.signed or not EXCHANGE.isdisjoint(evidence.claims.products)
        server.assessed = None
        self.counts["observations"] += 1
        return True

    @property
    def evidence(self) -> dict[str, int]:
        """Fingerprint -> how often a fact matched it; every one of the book. Reads all of the book when first used."""
        return {fingerprint.id: self._matched[fingerprint.id] for fingerprint in self._book}

    def _admit(self, address: str) -> _Server:
        if len(self._servers) >= self._max:
            del self._servers[next(iter(self._servers))]
            self.counts["servers_evicted"] += 1
        return self._servers.setdefault(address, _Server())

    def assessment(self, address: str, at: date) -> Assessment | None:
        """What is believed of one address, or None if it was never seen."""
        server = self._servers.get(address)
        if server is None:
            return None
        if server.assessed is None or server.assessed[0] != at:
            observations = tuple(server.observations.values())
            server.assessed = (at, assess(address, observations, server.evidence, self._catalogue, at))
        return server.assessed[1]

    def assessments(self, at: date, *, every: bool = True) -> list[Assessment]:
        """What is believed of every server, or only of those that show a sign of Exchange, as they were first seen."""
        wanted = [address for address, server in self._servers.items() if every or server.signed]
        return [a for address in wanted if (a := self.assessment(address, at))]
