"""The servers that were seen, and what was observed of each: a bounded table, seen longest ago out first."""

from __future__ import annotations

from collections import Counter, OrderedDict
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from agent.exchange.assess import EXCHANGE, assess, evidence_of
from agent.model import timeless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date

    from agent.exchange.catalogue import Catalogue
    from agent.exchange.fingerprint import Book
    from agent.leave import Refused
    from agent.model import Assessment, Evidence, Observation
    from agent.waiting import Fact

# An address that many sites share shows a name and a certificate for each; beyond some of a kind nothing new is learnt.
MAX_OF_A_KIND = 12
# What probes learn is little and dear: it is not crowded out by what is overheard. Three answers tell no more at once.
MAX_ACTIVE = 64

_Key = tuple[int, str, str]


class _Server:
    """What was observed at one address, and what the book says of it."""

    __slots__ = ("assessed", "evidence", "number", "observations", "seen", "signed")

    def __init__(self, number: int) -> None:
        self.number = number
        self.observations: dict[_Key, Observation] = {}
        self.evidence: list[Evidence] = []
        self.signed = False
        self.seen = 0.0
        self.assessed: tuple[date, Assessment] | None = None


class Seen(NamedTuple):
    """What looking knows, and of each server that it would be worth knocking at why nobody does, as it is now."""

    inventory: Inventory
    refusals: Mapping[str, Refused]
    today: date


class Inventory:
    """address -> distinct observations. Memory: about 1 KiB a server that says a little, 20 KiB at most.

    ``gone`` is told the address of each server that made room for another.
    """

    def __init__(self, book: Book, catalogue: Catalogue, max_servers: int = 65_536) -> None:
        self._book = book
        self._catalogue = catalogue
        self._max = max_servers
        self._servers: OrderedDict[str, _Server] = OrderedDict()
        self._admitted = 0
        self.gone: Callable[[str], object] = _nobody
        self.counts = {"observations": 0, "repeats": 0, "surplus": 0, "servers_evicted": 0}
        self._matched: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._servers)

    @property
    def catalogue(self) -> Catalogue:
        """What is known of builds and holes, by which servers are judged."""
        return self._catalogue

    def observe(self, observation: Observation) -> bool:
        """Take one fact in. True if it is new, and so may change what is believed."""
        server = self._seen(observation.server.address)
        server.seen = max(server.seen, observation.time)
        known = server.observations
        key = _key(observation)
        if key in known:
            self.counts["repeats"] += 1
            if known[key].origin == "active":
                _renew(server, key, observation)
            return False
        if _is_surplus(known, observation):
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

    def known(self, observation: Observation) -> Observation | None:
        """The same fact as it was first seen; None where it was not taken, because enough of its kind is known."""
        server = self._servers.get(observation.server.address)
        return server.observations.get(_key(observation)) if server else None

    def signed(self) -> list[str]:
        """The addresses that show a sign of Exchange."""
        return [address for address, server in self._servers.items() if server.signed]

    def addresses(self) -> list[str]:
        """Every address of which anything is known."""
        return list(self._servers)

    def observations(self, address: str) -> tuple[Observation, ...]:
        """What is known of one address, each fact as it was first seen."""
        server = self._servers.get(address)
        return tuple(server.observations.values()) if server else ()

    def forget(self, facts: Iterable[Fact]) -> None:
        """Let facts go, and with its last one the server."""
        for address, those in groupby(facts, lambda fact: fact.server.address):
            server = self._servers.get(address)
            if server is None:
                continue
            for fact in those:
                known = server.observations.get(_key(fact))
                if known is not None and known.value == fact.value:
                    del server.observations[_key(fact)]
            left = set(map(id, server.observations.values()))
            server.evidence = [e for e in server.evidence if id(e.observation) in left]
            server.signed = any(not EXCHANGE.isdisjoint(e.claims.products) for e in server.evidence)
            server.assessed = None
            if not left:
                del self._servers[address]

    def last_seen(self, address: str) -> float:
        """When the latest fact of an address was observed, in seconds since the epoch; 0 if it was never seen.

        Of a server that was read from the store, and not seen since, when its latest fact was new.
        """
        server = self._servers.get(address)
        return server.seen if server else 0.0

    def _seen(self, address: str) -> _Server:
        server = self._servers.get(address)
        if server is not None:
            self._servers.move_to_end(address)
            return server
        if len(self._servers) >= self._max:
            oldest, _ = self._servers.popitem(last=False)
            self.counts["servers_evicted"] += 1
            self.gone(oldest)
        self._admitted += 1
        self._servers[address] = server = _Server(self._admitted)
        return server

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
        wanted = [(server.number, address) for address, server in self._servers.items() if every or server.signed]
        return [a for _, address in sorted(wanted) if (a := self.assessment(address, at))]


def _is_surplus(known: dict[_Key, Observation], observation: Observation) -> bool:
    if observation.origin == "active":
        return len(known) >= MAX_ACTIVE and sum(o.origin == "active" for o in known.values()) >= MAX_ACTIVE
    kind = observation.kind
    return len(known) >= MAX_OF_A_KIND and sum(of == kind for _, of, _ in known) >= MAX_OF_A_KIND


def _renew(server: _Server, key: _Key, observation: Observation) -> None:
    """Of what a probe has learnt the latest time counts; and what is overheard since needs no probe."""
    before = server.observations[key]
    server.observations[key] = observation
    server.evidence = [e._replace(observation=observation) if e.observation is before else e for e in server.evidence]
    server.assessed = None


def _key(fact: Observation | Fact) -> _Key:
    return fact.server.port, fact.kind, timeless(fact.kind, fact.value)


def _nobody(_: str) -> None:
    """Nobody wants to know."""
