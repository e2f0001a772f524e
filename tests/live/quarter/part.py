"""The agent's part of telling, on a clock of the story's, over what is on disk: it dies anywhere, and begins anew."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.ipc import Type
from agent.objecting import Objecting
from agent.office import Office
from agent.telling import Telling
from tests.agent import permission_world
from tests.agent.cases.servers import observed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agent.asked import ObjectionTold
    from agent.cases.case import Case
    from agent.doors import Connection
    from agent.sections import Config
    from tests.agent.leaving import Clock

LOG = logging.getLogger("quarter")


class DiedError(BaseException):
    """The agent is killed here. Nothing of ours may catch it."""


class Deaths:
    """Before and after everything that is put on disk or said, a death may come: ``chance`` of it at each of these."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.share = 0.0
        self.many = 0

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def mortal(*words: Any, **named: Any) -> Any:
            self.perhaps()
            done = work(*words, **named)
            self.perhaps()
            return done

        return mortal

    def perhaps(self) -> None:
        if self._chance.random() < self.share:
            self.many += 1
            raise DiedError


class Doors(permission_world.Doors):
    """What the notifier is told goes out by ``out``; what others are told, nowhere."""

    def __init__(self, out: Callable[[bytes], None]) -> None:
        super().__init__()
        self._out = out

    def tell(self, connection: Connection, frames: Iterator[bytes]) -> None:
        for frame in frames:
            if connection.door.name == "notifier":
                self._out(frame)


class Agent:
    """``took``: seconds that the longest look took, and that opening took, last."""

    def __init__(
        self, config: Config, directory: Path, clock: Clock, deaths: Deaths, out: Callable[[bytes], None]
    ) -> None:
        self._config, self._directory, self._clock = config, directory, clock
        self._deaths, self._out = deaths, out
        self.inventory = Inventory(book(), catalogue(), 1 << 20)
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        self.uncertain = 0
        self.longest = self.opening = 0.0
        self.begin()

    def begin(self) -> None:
        began = time.monotonic()
        clock, state = self._clock, self._directory / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        self.office = Office(self._config, state, log=LOG, now=clock.now, monotonic=clock.monotonic)
        self.office.open()
        mortal = self._deaths.around
        self.office.log.append = mortal(self.office.log.append)  # type: ignore[method-assign]
        self.office.book.put = mortal(self.office.book.put)  # type: ignore[method-assign]
        self.doors = Doors(mortal(self._out))
        self.telling = Telling(
            self.office, self.inventory, self.doors, ready=lambda: True, forget=self.forget,  # type: ignore[arg-type]
            log=LOG, now=clock.now, monotonic=clock.monotonic,
        )  # fmt: skip
        self._objecting = Objecting(self.office, log=LOG, monotonic=clock.monotonic)
        self.exporter = self.doors.come("exporter")
        self.notifier: Connection | None = None
        self.opening = time.monotonic() - began

    def meets(self) -> None:
        """There is a notifier."""
        self.notifier = self.doors.come("notifier")
        self.telling.opened(self.notifier)

    def parts(self) -> None:
        """It has gone."""
        assert self.notifier is not None
        gone, self.notifier = self.notifier, None
        self.doors.peers.remove(gone)
        self.telling.closed(gone)

    def dies(self) -> None:
        """All that is not on disk is gone; what was counted is kept, for that is scraped."""
        self.counted()
        self.office.log.close()
        self.office.book.close()

    def counted(self) -> None:
        body = self.telling._made()
        self.outcomes.update({(n["step"], n["channel"], n["outcome"]): n["count"] for n in body["notices"]})
        self.uncertain += body["uncertain"]

    def tend(self) -> None:
        began = time.monotonic()
        self.telling.tend()
        self.longest = max(self.longest, time.monotonic() - began)

    def took(self, kind: Type, message: Any) -> None:
        whose = self.exporter if kind is Type.ANSWER or self.notifier is None else self.notifier
        assert self.telling.took(whose, kind, message)

    def objects(self, told: ObjectionTold) -> str:
        return str(self._objecting.told(told)["status"])

    def shows(self, address: str, build: str) -> None:
        for observation in observed(build, address=address, at=self._clock.wall):
            self.inventory.observe(observation)

    def forget(self, address: str) -> None:
        self.inventory.forget(self.inventory.observations(address))  # type: ignore[arg-type]

    def at(self, address: str, customer: str) -> list[Case]:
        """The cases of a customer's server that are live."""
        return [case for case in self.office.book.at(address) if case.live and case.customer == customer]

    def out(self) -> int:
        """Messages that the notifier has before it."""
        return len(self.telling._dispatch._out)

    def due(self) -> bool:
        """Whether there is a message that may be tried now."""
        now = self._clock.wall
        return any(waits.due <= now for waits in self.telling._dispatch._waiting.values())
