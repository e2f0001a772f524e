"""What is in force: the configuration, the sections that the roles were told of it, and who has applied which.

A section is numbered, and the number rises with each change. Of a changed prefix set, the time is kept from the last
look that did not know of it to the last capture process that judges every frame by it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from agent import ipc
from agent.ipc import Type
from agent.logfmt import begin
from agent.making import Making
from agent.prefixes import KEYS, Looked, looked, paths
from agent.privacy import Sets, union
from agent.watch import LOOK, Watched

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from agent.doors import Connection, Doors
    from agent.messages import Loaded
    from agent.sections import Config

_NOBODY = Looked([], [], [])
_SHARE = 4  # making sections of what the register says takes at most one part in this many of the agent's time


class Registered(Protocol):
    """What the register says of who may be looked at (agent/office.py)."""

    def version(self) -> object:
        """Something that is another whenever ``sets`` may be."""

    def sets(self) -> Sets: ...

    def withdrawn(self) -> int:
        """The number of the last withdrawal that capture was told of; ``sets`` know of it."""

    def known(self, number: int) -> None:
        """The section that is told from now on knows of every withdrawal up to this number."""


class _Made(NamedTuple):
    """What is looked at, the last withdrawal that it knows of, and the number of the section that it follows."""

    looked: Looked
    withdrawn: int
    number: int


class InForce:
    def __init__(
        self,
        config: Config,
        loaded: Loaded,
        log: logging.Logger,
        clock: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
        register: Registered | None = None,
    ) -> None:
        self.config = config
        self.loaded = loaded
        self._sleep = sleep
        self._log = log
        self._clock = clock
        self._watched = Watched(paths(config), log)
        self._register = register
        self._version: object = None
        self._withdrawn = 0
        self._not_before = float("-inf")
        self._began = 0.0
        self._looked = _NOBODY
        self._making: Making[_Made] = Making()
        self._due = 0.0
        self._number = 0
        self._applied: dict[Connection, int] = {}
        self._reader: Connection | None = None
        self._since: float | None = None
        self._delay = 0.0

    def start(self) -> None:
        """Read the prefix files, each when two looks have found it the same."""
        self._watched.look(self._clock())
        if self._watched.files:
            self._sleep(LOOK)
            self._watched.look(self._clock())
        self._renew()

    def opened(self, connection: Connection, doors: Doors) -> None:
        """A capture process has come: the first reads the files, the others only look at interfaces."""
        self._applied[connection] = 0
        self._reader = self._reader or connection
        self._tell(connection, doors)

    def closed(self, connection: Connection) -> None:
        self._applied.pop(connection, None)
        if connection is self._reader:
            self._reader = None
        self._reckon()

    def applied(self, connection: Connection, number: int) -> None:
        """A capture process judges every frame from now on by the section of this number."""
        self.loaded = self.loaded.model_copy(update={"not_permitted": False})
        self._applied[connection] = number
        self._reckon()

    def until_look(self) -> float:
        """Seconds until the prefix files are to be looked at."""
        return max(0.0, self._due - self._clock())

    def look(self, doors: Doors) -> bool:
        """Look at the prefix files if it is time, and tell capture what has changed; True if anything has."""
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + LOOK
        failures, since = self._watched.failures, self._watched.since
        taken = self._watched.look(now)
        if taken:
            self._since = since if self._since is None else min(since, self._since)
            self._renew()
            self._tell_all(doors)
            return True
        return self._follow_register(now, doors) or self._watched.failures != failures

    def _follow_register(self, now: float, doors: Doors) -> bool:
        """Make a section of what the register says by now, beside all else: with many prefixes that takes seconds."""
        made = self._making.taken()
        if made is not None and made.number == self._number:
            self._adopt(made)
            self._tell_all(doors)
            return True
        if not self._making.busy and self._watched.known and self._registered_anew(now):
            make, self._began = self._maker(), now
            self._making.begin(make)
        return False

    def _registered_anew(self, now: float) -> bool:
        # Whoever was taken out of looking is out already (WITHDRAWN); this makes the filter follow.
        return self._register is not None and now >= self._not_before and self._register.version() != self._version

    def take(self, config: Config, loaded: Loaded, doors: Doors) -> None:
        """Another configuration is in force from now on, or something else is known of the one that is."""
        before, self.loaded = self.config, loaded
        if config == before:
            return
        self.config = config
        self._watched = Watched(paths(config), self._log, self._watched)
        if config.log != before.log:
            begin("agent", config.log.level, config.log.format)
        self._since = None
        self.start()
        self._tell_all(doors)

    def body(self) -> dict[str, Any]:
        """Its part of a snapshot: agent.messages.InForce."""
        return {
            "number": self._number,
            "applied": min(self._applied.values(), default=0),
            "applied_seconds": self._delay,
            "prefixes": self._sizes(),
            "prefix_files_failing": self._watched.failing,
            "prefix_file_failures": self._watched.failures,
            "reload_successful": self.loaded.successful,
            "reload_time": self.loaded.time,
            "sha256": self.loaded.sha256,
        }

    def not_ready(self, reasons: list[str]) -> list[str]:
        """The reasons why what is shown cannot be relied on, with what is known here of them."""
        known = ["capture_not_permitted" if r == "capture_absent" and self.loaded.not_permitted else r for r in reasons]
        return known + (["prefixes_unreadable"] if not self._watched.known else [])

    def _renew(self) -> None:
        self._began = self._clock()
        self._adopt(self._maker()() if self._watched.known else _Made(_NOBODY, self._withdrawn, self._number))

    def _adopt(self, made: _Made) -> None:
        """This is what is looked at from now on."""
        self._looked, self._withdrawn = made.looked, made.withdrawn
        self._not_before = self._clock() + (self._clock() - self._began) * _SHARE
        self._number += 1
        if self._register is not None:
            self._register.known(self._withdrawn)
        self._log.info("section", extra={"number": self._number, **self._sizes()})

    def _maker(self) -> Callable[[], _Made]:
        """What makes a section's sets of files and register as they are now; it may run beside all else."""
        config, number, withdrawn = self.config, self._number, self._withdrawn
        written = Sets(**{key: self._watched.get(f"privacy.{key}") or [] for key in KEYS})
        registered = Sets()
        if self._register is not None:
            self._version = self._register.version()
            withdrawn = self._register.withdrawn()
            registered = self._register.sets()

        def make() -> _Made:
            both = zip(written, registered, strict=True)
            sets = Sets(*(union(one, other) if one and other else one or other for one, other in both))
            return _Made(looked(config, sets), withdrawn, number)

        return make

    def _sizes(self) -> dict[str, int]:
        return {tier: len(prefixes) for tier, prefixes in self._looked._asdict().items()}

    def _tell_all(self, doors: Doors) -> None:
        for connection in list(self._applied):  # who does not take it is put out, and is not among them any more
            self._tell(connection, doors)

    def _tell(self, connection: Connection, doors: Doors) -> None:
        capture = self.config.capture.model_dump(mode="json")
        section = capture | self._looked._asdict() | {"number": self._number, "log": self.config.log.model_dump()}
        section["withdrawn"] = self._withdrawn
        section["probe_sources"] = list(self.config.probe.sources) if self.config.probe.self_audit else []
        # Capture processes that share an interface share it by this number, and only with those of the same section.
        section["fanout"] = (os.getpid() * 31 + self._number) & 0xFFFF
        if connection is not self._reader:
            section["files"] = []
        doors.tell(connection, iter((ipc.frame(Type.SECTION, section),)))

    def _reckon(self) -> None:
        if self._since is not None and self._applied and min(self._applied.values()) >= self._number:
            self._delay = self._clock() - self._since
            self._since = None
