"""Everything in the agent that has to do with leave: the office, orders, knocking, objections.

Whatever takes permission away ends at once what runs on it: after each thing that is let happen, the register is
compared with what it was before.
"""

from __future__ import annotations

import gc
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent import desk, ipc
from agent.consent import probing_txt
from agent.effects import Effects
from agent.inventory import Seen
from agent.ipc import Type
from agent.keeping import directory_of
from agent.knocking import Candidate, Knocking
from agent.objecting import Delays, Objecting
from agent.office import Office, Who
from agent.privacy import EVERYBODY, Sets, cidrs, union
from agent.selfaudit import SelfAudit
from agent.sighted import port_of, sighting, worth_knocking
from agent.standing import Standing
from agent.views import Views

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Hashable, Iterator
    from datetime import date

    from agent.doors import Connection, Doors
    from agent.inventory import Inventory
    from agent.leave import Sighting
    from agent.model import Observation
    from agent.sections import Config

_PORTION = 2000  # prefixes in one message
_LOOK = 0.25  # seconds between two looks at dropped files and at what time alone has changed


class Permission:
    """``office`` is None where nothing is kept: then nobody is knocked at, and nothing can be put on record.

    ``observe`` takes what a probe has learnt. To agent.force.InForce this is what the register says.
    """

    def __init__(
        self,
        office: Office | None,
        inventory: Inventory,
        doors: Doors,
        *,
        observe: Callable[[Observation], None],
        log: logging.Logger,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._office = office
        self._inventory = inventory
        self._doors = doors
        self._now = now
        self._monotonic = monotonic
        self._due = 0.0
        self._delays = Delays()
        self._effects = Effects(monotonic, self._delays.observe)
        self._withdrawals = 0
        # Of which the sections that are told do not know yet.
        self._outstanding: list[dict[str, Any]] = []
        self._known = -1
        self._expires = float("inf")
        self._era = 0
        self._views = Views(office, self._seen, monotonic)
        if office is None:
            return
        office.sighting = self._sighting
        office.seen = self._seen
        self._self_audit = SelfAudit(monotonic)
        self._self_audit.watch(watched(office.config))
        self._knocking = Knocking(
            office, candidates=self._candidates, sighted=self._candidate, monotonic=monotonic,
            chance=random.random, observe=observe, granted=self._self_audit.granted, ended=self._self_audit.logged,
            log=log,
        )  # fmt: skip
        office.knock, office.let_be = self._knocking.ask, self._knocking.let_be
        self._objecting = Objecting(office, log=log, monotonic=monotonic)
        self._standing = Standing(office, self._candidates, self._worth)
        self._known = office.register.version

    def opened(self, connection: Connection, config: Config) -> None:
        """Somebody has come in; a prober is told what it needs to know."""
        if connection.door.name == "notifier":
            self._send(connection, Type.SECTION, notifier_section(config))
        if self._office is None:
            return
        if connection.door.name == "capture":
            self._self_audit.opened(connection)
            for body in self._outstanding:
                self._send(connection, Type.WITHDRAWN, body)
        if connection.door.name == "prober":
            self._send(connection, Type.SECTION, prober_section(config, self._office))
            self._knocking.met(lambda kind, body: self._send(connection, kind, body))

    def closed(self, connection: Connection) -> None:
        """Somebody has gone: a prober that has does nothing any more."""
        if connection.door.name == "prober" and self._office is not None:
            self._knocking.lost()
        if connection.door.name == "capture" and self._office is not None:
            self._self_audit.closed(connection)
        self._effects.gone(connection)

    def took(self, connection: Connection, kind: Type, message: Any) -> None:
        """An order, or a message of the prober, of capture or of the exporter."""
        received = self._monotonic()
        if kind is Type.ORDER:
            who = Who(connection.who.uid, connection.who.pid)
            frames = list(desk.frames(self._office, message.verb, message.words, who))
            self.set_off(received)
            self._doors.tell(connection, iter(frames))
        elif kind is Type.CANCELLED:
            self._effects.answered(connection, message.number)
        elif kind is Type.VIEW:
            self._doors.tell(connection, iter((self._views.frame(message),)))
        elif self._office is None:
            if kind is Type.OBJECTION:
                self._send(connection, Type.NOTED, {"number": message.number, "status": "unavailable", "receipt": ""})
        elif kind is Type.OBJECTION:
            noted = self._objecting.told(message)
            # Whoever looks is told before he who said no: when he reads that it holds, it does.
            self.set_off(received)
            self._send(connection, Type.NOTED, noted)
        elif kind is Type.OUTCOME:
            self._knocking.ended(message)
        elif kind is Type.KNOCKS:
            self._self_audit.seen(message)

    def overheard(self, connection: Connection, kind: Type, message: Any) -> None:
        """Capture tells how it looks, which says what it can have seen."""
        if self._office is None:
            return
        if kind is Type.APPLIED:
            self._self_audit.applied(connection)
        elif kind is Type.COUNTERS:
            self._self_audit.counted(connection, message)

    def take(self, config: Config) -> None:
        """Another configuration is in force."""
        for connection in self._doors.inside("notifier"):
            self._send(connection, Type.SECTION, notifier_section(config))
        if self._office is None:
            return
        self._office.take(config)
        self._self_audit.watch(watched(config))
        self._told_otherwise(config)
        self._era += 1

    def until_due(self) -> float:
        """Seconds until ``tend`` has something to do."""
        if self._office is None:
            return float("inf")
        return max(0.0, min(self._due - self._monotonic(), self._knocking.until_due()))

    def tend(self) -> bool:
        """Do what is due; True if what the exporter shows has changed."""
        if self._office is None:
            return False
        now = self._monotonic()
        if now >= self._due:
            self._due = now + _LOOK
            if self._office.tend():
                self._told_otherwise(self._office.config)
            self._objecting.look()
            self.set_off(now)
            self._grow_older()
            self._standing.tend(self._now(), now)
        self._knocking.tend()
        return False

    def end(self) -> None:
        """Let go of the log, its last checkpoint told."""
        if self._office is not None:
            self._knocking.end()
            self._office.end()

    def _told_otherwise(self, config: Config) -> None:
        """A file or a key says something else: whoever is denied now is let be at once."""
        if self._office is None:
            return
        for connection in self._doors.inside("prober"):
            self._send(connection, Type.SECTION, prober_section(config, self._office))
        self._knocking.recheck()

    # What the register says of looking.

    def version(self) -> object:
        return (self._known, self._era) if self._office is not None else None

    def withdrawn(self) -> int:
        return self._withdrawals

    def known(self, number: int) -> None:
        self._outstanding = [body for body in self._outstanding if body["number"] > number]

    def sets(self) -> Sets:
        if self._office is None:
            return Sets()
        now, limits = self._now(), self._office.limits()
        self._expires = self._office.register.next_change(now, limits)
        return self._office.register.sets(now, limits)

    def _grow_older(self) -> None:
        """Time alone changes who may be looked at: a record ends, an announcement is old enough."""
        if self._now() >= self._expires:
            self._expires = float("inf")
            self._era += 1

    def set_off(self, received: float) -> None:
        """End at once what the register, as it is now, does not allow any more. ``received``: when it heard of that."""
        office = self._office
        if office is None or office.register.version == self._known:
            return
        self._known = office.register.version
        waiting: dict[Hashable, int] = {}
        number = self._knocking.recheck()
        if number is not None:
            waiting |= dict.fromkeys(self._doors.inside("prober"), number)
        objected, office.objected[:] = list(office.objected), []
        for handshakes, headers in _portions(office, objected):
            self._withdrawals += 1
            body = {"number": self._withdrawals, "handshakes": handshakes, "headers": headers}
            self._outstanding.append(body)
            for connection in self._doors.inside("capture"):
                waiting[connection] = self._withdrawals
                self._send(connection, Type.WITHDRAWN, body)
        if objected:
            self._effects.begin(received, waiting)

    # What looking knows.

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now(), UTC).date()

    def _candidates(self) -> list[str]:
        return self._inventory.signed()

    def _worth(self, address: str) -> bool:
        assessment = self._inventory.assessment(address, self._today())
        return assessment is not None and worth_knocking(assessment)

    def _candidate(self, address: str) -> Candidate | None:
        assessment = self._inventory.assessment(address, self._today())
        if assessment is None or not worth_knocking(assessment):
            return None
        facts = self._inventory.observations(address)
        port = port_of(facts)
        return Candidate(address, port, sighting(assessment, facts, port))

    def _sighting(self, address: str, port: int) -> Sighting | None:
        facts = self._inventory.observations(address)
        return sighting(self._inventory.assessment(address, self._today()), facts, port)

    def _seen(self) -> Seen:
        return Seen(self._inventory, self._knocking.refusals, self._today())

    def _send(self, connection: Connection, kind: Type, body: dict[str, Any]) -> None:
        self._doors.tell(connection, iter((ipc.frame(kind, body),)))

    def body(self) -> dict[str, Any] | None:
        """Its part of a snapshot; None where nothing is kept."""
        if self._office is None:
            return None
        return {
            **self._knocking.body(),
            **self._standing.body(self._now(), self._monotonic()),
            "objections": self._objecting.body(),
            "effects_pending": len(self._effects),
            "effect_seconds": self._delays.body(),
            "self_audit": self._self_audit.body(),
            "drop_failing": self._objecting.failing,
            "erasing_last_success": self._office.erasing.body(),
            **self._office.erasing.unended(),
        }


def _portions(office: Office, objected: list[tuple[str, bool]]) -> Iterator[tuple[list[str], list[str]]]:
    """What is taken away from looking, as prefixes for messages that are not too long."""
    handshakes = cidrs(union(*(office.register.objected_ranges(name) for name, _ in objected)))
    headers = cidrs(union(*(office.register.objected_ranges(name) for name, all_of_it in objected if all_of_it)))
    for at in range(0, max(len(handshakes), len(headers)), _PORTION):
        yield handshakes[at : at + _PORTION], headers[at : at + _PORTION]


def opened(config: Config, log: logging.Logger) -> Office | None:
    """The office over the state directory, whose lock is held; None where nothing is kept. Raises ConfigError."""
    directory = directory_of(config.agent)
    if directory is None:
        return None
    office = Office(config, directory, log=log, now=time.time, monotonic=time.monotonic)
    # The register stays, and has no cycles: to look for garbage among it would stop everything for a second.
    gc.disable()
    try:
        office.open()
    finally:
        gc.freeze()
        gc.enable()
    office.begin()
    return office


def prober_section(config: Config, office: Office) -> dict[str, Any]:
    """What the prober is told of the configuration."""
    denied = office.conditions().denied
    return {
        "log": config.log.model_dump(),
        "laboratory": config.probe.laboratory,
        "sources": list(config.probe.sources),
        # Where it is not known who is denied, everybody is.
        "deny": cidrs(EVERYBODY if denied is None else denied),
        "kill_switch": str(office.kill_switch),
        "contact": config.probe.contact,
        "operator": config.consent.operator,
        "per_minute": config.probe.per_minute,
    }


def notifier_section(config: Config) -> dict[str, Any]:
    """What the notifier is told of the configuration."""
    keys = {"relay", "tls", "ca", "user", "sender", "bounces", "templates", "webhook"}
    told = config.notices.model_dump(include=keys)
    return {"log": config.log.model_dump(), "operator": config.consent.operator, **told}


def exporter_section(config: Config, now: float) -> dict[str, Any]:
    """What the exporter is told of the configuration. ``now``: seconds since the epoch, when probing.txt is made."""
    text = probing_txt.served(config, now)
    told = {"operator": config.consent.operator, "contact": config.probe.contact, "probing_txt": text}
    told["web_config"] = config.exporter.web_config
    viewers = list(config.exporter.viewers)
    shown = {"viewers": viewers} if viewers else {}
    return {"log": config.log.model_dump(), **{key: value for key, value in told.items() if value}, **shown}


def watched(config: Config) -> tuple[str, ...]:
    """The addresses whose connections capture is to tell of (agent/selfaudit.py)."""
    return config.probe.sources if config.probe.self_audit else ()
