"""The servers that were seen, and what was observed of each: a bounded table, oldest out first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.exchange.assess import EXCHANGE, assess

if TYPE_CHECKING:
    from datetime import date

    from agent.exchange.catalogue import Catalogue
    from agent.exchange.fingerprint import Book
    from agent.model import Assessment, Observation

# An address that many sites share shows a name and a certificate for each; beyond some of a kind nothing new is learnt.
MAX_OF_A_KIND = 12

_Key = tuple[int, str, str]


class Inventory:
    """address -> distinct observations. Memory: about 1 KiB a server that says a little, 20 KiB at most."""

    def __init__(self, book: Book, catalogue: Catalogue, max_servers: int = 65_536) -> None:
        self._book = book
        self._catalogue = catalogue
        self._max = max_servers
        self._servers: dict[str, dict[_Key, Observation]] = {}
        # Those with a sign of Exchange. No other can come to a verdict, and there are thirty of them to one of these.
        self._signed: set[str] = set()
        self._assessed: dict[str, tuple[date, Assessment]] = {}
        self.counts = {"observations": 0, "repeats": 0, "surplus": 0, "servers_evicted": 0}

    def __len__(self) -> int:
        return len(self._servers)

    def observe(self, observation: Observation) -> bool:
        """Take one fact in. True if it is new, and so may change what is believed."""
        address = observation.server.address
        known = self._servers.get(address)
        if known is None:
            known = self._admit(address)
        key = (observation.server.port, observation.kind, observation.value)
        if key in known:
            self.counts["repeats"] += 1
            return False
        if sum(1 for port, kind, _ in known if kind == observation.kind) >= MAX_OF_A_KIND:
            self.counts["surplus"] += 1
            return False
        known[key] = observation
        if address not in self._signed and self._is_sign(observation):
            self._signed.add(address)
        self.counts["observations"] += 1
        self._assessed.pop(address, None)
        return True

    def _is_sign(self, observation: Observation) -> bool:
        matches = self._book.match(observation.kind, observation.value)
        return any(EXCHANGE.intersection(m.claims.products) for m in matches)

    def _admit(self, address: str) -> dict[_Key, Observation]:
        if len(self._servers) >= self._max:
            oldest = next(iter(self._servers))
            del self._servers[oldest]
            self._assessed.pop(oldest, None)
            self._signed.discard(oldest)
            self.counts["servers_evicted"] += 1
        return self._servers.setdefault(address, {})

    def assessment(self, address: str, at: date) -> Assessment | None:
        """What is believed of one address, or None if it was never seen."""
        known = self._servers.get(address)
        if known is None:
            return None
        day, assessment = self._assessed.get(address, (None, None))
        if day != at or assessment is None:
            assessment = assess(address, tuple(known.values()), self._book, self._catalogue, at)
            self._assessed[address] = (at, assessment)
        return assessment

    def assessments(self, at: date, *, every: bool = True) -> list[Assessment]:
        """What is believed of every server, or only of those that show a sign of Exchange, as they were first seen."""
        return [
            a for address in self._servers if every or address in self._signed if (a := self.assessment(address, at))
        ]
