"""The keeping of what the agent learns: the inventory in memory and the store on disk, held together.

Memory is what beliefs come from, the store what memory is made of after a restart. What one of them lets go, for want
of room or for its age, the other lets go too. A store that cannot be written is counted and tried again: the agent
goes on in memory.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.logfmt import Sample
from agent.store import Store
from agent.waiting import Fact

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from agent.inventory import Inventory
    from agent.model import Observation
    from agent.sections import Agent

LEAST_GAP = 0.5  # seconds between commits while facts come in: what a kill can cost
RETRY = 5.0  # seconds until a write that failed is tried again
HOUR = 3600.0  # seconds between two runs of the retention job
SLICE = 256  # observations that the retention job deletes before others have their turn
DAY = 86_400.0
RETENTION = "retention"


class Keeping:
    """What was observed, kept in memory and, where there is a store, on disk.

    ``now`` gives seconds since the epoch, ``monotonic`` those of a clock that only rises.
    """

    def __init__(
        self,
        inventory: Inventory,
        store: Store | None,
        *,
        retention_days: int,
        log: logging.Logger,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._inventory = inventory
        self._store = store
        self._seconds = retention_days * DAY
        self._log = log
        self._now = now
        self._monotonic = monotonic
        self._sample = Sample()
        self._next_commit = float("-inf")
        self._next_slice = float("-inf")
        self._loading: Iterator[list[Observation]] | None = None
        self._last_success = 0.0
        self._failures = 0

    def begin(self) -> None:
        """Begin to load what the store has into the inventory; ``tend`` goes on with it. Raises sqlite3.Error."""
        if self._store is None:
            return
        self._store.recount()
        while self._store.behind and self._tried(self._store.commit):
            pass  # The bounds were lowered since it was written.
        self._last_success = self._store.last_success(RETENTION)
        self._inventory.gone = self._store.waiting.forget
        self._loading = self._store.load(self._now() - self._seconds)

    @property
    def loading(self) -> bool:
        """Whether the inventory does not have yet all that the store has."""
        return self._loading is not None

    def observe(self, observation: Observation) -> None:
        """Take one fact in, or note that it was seen again."""
        self._inventory.observe(observation)
        known = self._inventory.known(observation)
        if self._store is not None and known is not None:
            # A capture file may come from a machine whose clock is ahead; nothing is kept the longer for that.
            self._store.waiting.take(known, min(observation.time, self._now()))

    def forget(self, address: str) -> None:
        """Let go of all that was seen at an address, in memory and on disk; what is there will be seen again."""
        self._inventory.forget(
            [Fact(seen.server, seen.kind, seen.value) for seen in self._inventory.observations(address)]
        )
        self._inventory.gone(address)

    def erase(self, wanted: Callable[[str], bool]) -> None:
        """Let go of all that was seen at these addresses, so that it is nowhere any more. Raises sqlite3.Error."""
        for address in filter(wanted, self._inventory.addresses()):
            self._inventory.forget(
                [Fact(seen.server, seen.kind, seen.value) for seen in self._inventory.observations(address)]
            )
        if self._store is not None:
            self._store.erase(wanted)

    def facts(self, wanted: Callable[[str], bool]) -> list[tuple[Any, ...]]:
        """All that was seen at these addresses (agent.store.facts). Raises sqlite3.Error."""
        return [] if self._store is None else self._store.facts(wanted)

    def until_due(self) -> float:
        """Seconds until ``tend`` has something to do."""
        if self._store is None:
            return float("inf")
        if self._loading is not None:
            return 0.0
        due = min(self._next_slice, self._next_commit) if self._store.due else self._next_slice
        return max(0.0, due - self._monotonic())

    def tend(self) -> None:
        """Do what is due: a commit, and some of the loading or of the retention job. Some tens of milliseconds.

        Raises sqlite3.Error where the store cannot be loaded: what cannot be read is not gone on with.
        """
        if self._store is None:
            return
        if self._store.due and self._monotonic() >= self._next_commit:
            done = self._tried(self._store.commit)
            gap = RETRY if not done else 0.0 if self._store.behind else LEAST_GAP
            self._next_commit = self._monotonic() + gap
        if self._loading is not None:
            self._load(self._loading)
        elif self._monotonic() >= self._next_slice:
            self._next_slice = self._monotonic() + self._retain(self._store)

    def end(self) -> None:
        """Commit what waits, and let go of the store."""
        if self._store is None:
            return
        while self._store.waiting and self._tried(self._store.commit):
            pass
        self._store.close()

    def body(self) -> dict[str, Any] | None:
        """Its part of a snapshot; None where nothing is kept on disk."""
        if self._store is None:
            return None
        return {
            "observations": self._store.observations,
            "servers": self._store.servers,
            "bytes": self._store.size(),
            "deleted": dict(self._store.deleted),
            "write_failures": self._failures,
            "retention_last_success": self._last_success,
        }

    def _load(self, pages: Iterator[list[Observation]]) -> None:
        page = next(pages, None)
        for observation in page or ():
            self._inventory.observe(observation)
        if page is None:
            self._loading = None
            self._log.info("store loaded", extra={"servers": len(self._inventory)})

    def _retain(self, store: Store) -> float:
        """Delete some of what is too old. Seconds until the next time: none, or an hour once nothing is too old."""
        now = self._now()
        before = store.deleted["age"]
        if not self._tried(lambda: store.expire(now - self._seconds, SLICE)):
            return RETRY
        if store.deleted["age"] - before == SLICE:
            return 0.0
        if not self._tried(lambda: store.succeeded(RETENTION, now)):
            return RETRY
        self._last_success = now
        return HOUR

    def _tried(self, write: Callable[[], Any]) -> bool:
        """Whether a write succeeded. What it deleted for age or room is no longer believed either."""
        try:
            self._inventory.forget(write() or ())
        except sqlite3.Error as error:
            self._failures += 1
            if self._sample.lets(self._monotonic()):
                self._log.warning("the store cannot be written; trying again", extra={"error": str(error)})
            return False
        return True


def stored(section: Agent) -> Store | None:
    """The store that the ``[agent]`` section names; None where nothing is to be kept."""
    directory = directory_of(section)
    return Store(directory, section.max_observations, section.max_servers) if directory else None


def prove(section: Agent, instead_of: Agent) -> None:
    """Open and close the store of a new section where it is another than that in use. Raises ConfigError."""
    if directory_of(section) != directory_of(instead_of) and (store := stored(section)) is not None:
        store.open()
        store.close()


def directory_of(section: Agent) -> Path | None:
    """The path that is named, or the service manager's first $STATE_DIRECTORY (systemd.exec(5)); None for none."""
    named = section.state or os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(named) if named else None
