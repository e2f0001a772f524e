"""What was observed and is not on disk yet: facts that wait for the next commit, each once however often seen."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.model import Endpoint, Observation

MAX_TAKEN = 65_536  # facts that wait, where no commit succeeds for long


class Fact(NamedTuple):
    """What makes an observation the same one when it is seen again; the fields as in Observation."""

    server: Endpoint
    kind: str
    value: str


class Seen(NamedTuple):
    """The rest of a fact: when it was first and last seen (seconds since the epoch), how, and by whom."""

    first: float
    last: float
    origin: str
    collector: str


class Waiting:
    """Facts to be written, and servers to be forgotten before that. ``facts`` is how many of the former there are."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, dict[Fact, Seen]] = OrderedDict()
        self._forgotten: dict[str, None] = {}
        self.facts = 0

    def __bool__(self) -> bool:
        return bool(self._taken or self._forgotten)

    def __contains__(self, fact: Fact) -> bool:
        return fact in self._taken.get(fact.server.address, ())

    @property
    def forgotten(self) -> int:
        """How many servers are to be forgotten."""
        return len(self._forgotten)

    def take(self, observation: Observation, seen: float) -> None:
        """Take a fact in that was seen at that time, as a new one or once more."""
        known = self._taken.setdefault(observation.server.address, {})
        fact = Fact(observation.server, observation.kind, observation.value)
        before = known.get(fact)
        if before is None:
            self.facts += 1
            first = min(observation.time, seen)
            known[fact] = Seen(first, seen, observation.origin, observation.collector)
        else:
            known[fact] = before._replace(last=max(before.last, seen))
        # What waits longest goes: it is told again within the hour.
        while self.facts > MAX_TAKEN:
            self._drop(next(iter(self._taken)))

    def forget(self, address: str) -> None:
        """Forget a server; what is seen of it after this is taken anew."""
        self._drop(address)
        self._forgotten[address] = None

    def drop(self, wanted: Callable[[str], bool]) -> None:
        """Let go of what waits of these addresses, as if it had never been seen."""
        for address in [address for address in self._taken if wanted(address)]:
            self._drop(address)
        self._forgotten = {address: None for address in self._forgotten if not wanted(address)}

    def batch(self, facts: int, servers: int) -> tuple[list[tuple[Fact, Seen]], list[str]]:
        """So many facts and servers at most of those that wait longest; they wait on until they are ``done``."""
        every = (item for known in self._taken.values() for item in known.items())
        return list(islice(every, facts)), list(islice(self._forgotten, servers))

    def done(self, facts: list[tuple[Fact, Seen]], servers: list[str]) -> None:
        """A batch is on disk."""
        for address in servers:
            del self._forgotten[address]
        for fact, _ in facts:
            known = self._taken[fact.server.address]
            del known[fact]
            self.facts -= 1
            if not known:
                del self._taken[fact.server.address]

    def _drop(self, address: str) -> None:
        self.facts -= len(self._taken.pop(address, ()))
