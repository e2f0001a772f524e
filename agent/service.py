"""The agent role: observations in, beliefs kept, snapshots to the exporter, answers on the control socket.

It has no network socket: three AF_UNIX doors (capture, exporter, control) are handed to it by the supervisor, and a
link to the supervisor, by which it gets its configuration and whose end is its own. Where systemd starts the roles,
agent/role_agent.py is the supervisor's part of it.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.believed import aggregates
from agent.config import check
from agent.diagnosis import diagnosis
from agent.doors import Connection, Door, Doors
from agent.erasing import inside
from agent.force import InForce
from agent.ipc import Type
from agent.keeping import Keeping
from agent.logfmt import Sample
from agent.messages import Configuration, Loaded, validated
from agent.muting import Muting
from agent.notify import PULSE, READY, STOPPING
from agent.permission import Permission, exporter_section
from agent.privacy import cidrs
from agent.reload import Reloads
from agent.report import told
from agent.role_doors import GUESTS
from agent.series import Series, naming
from agent.snapshot import Tally, limits
from agent.telling import Telling

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping
    from socket import socket

    from agent.inventory import Inventory
    from agent.model import Assessment, Observation
    from agent.office import Office
    from agent.privacy import Ranges
    from agent.sections import Config
    from agent.store import Store

MAX_CLIENTS = 16  # control connections at once

_CAPTURE = frozenset({
    Type.OBSERVATIONS, Type.COUNTERS, Type.INPUTS, Type.APPLIED, Type.KNOCKS, Type.CANCELLED, Type.USAGE,
})  # fmt: skip
_EXPORTER = frozenset({Type.SHOWN, Type.RELOAD, Type.OBJECTION, Type.VIEW, Type.ANSWER})
_PROBER = frozenset({Type.OUTCOME, Type.CANCELLED, Type.USAGE})
_NOTIFIER = frozenset({Type.ABOUT, Type.SENT, Type.BOUNCED, Type.TAKEN, Type.USAGE})
_CONTROL = frozenset({Type.ASK, Type.RELOAD, Type.ORDER})
_SUPERVISOR = frozenset({Type.CONFIGURATION, Type.RELOADED})
_LEAST_GAP = 0.5  # seconds between snapshots while something happens
_MOST_GAP = 15.0  # seconds between snapshots while nothing does
_PORTION = 4096  # prefixes in one message
_SHARE = 10  # making snapshots takes at most one part in this many of the agent's time


class Service:
    """What goes on behind the doors. ``kev``: every CVE of the catalogue, and whether it is known to be exploited."""

    # Of the exporter, and of the snapshot that it is shown: numbers, when the last was sent, how long it took to make.
    _exporter: Connection | None = None
    _section_day = date.min
    _changed = True
    _number = _shown = 0
    _fit = 0  # the number of the first of those that can be relied on, up to the last; 0 where that one cannot
    _due = _took = _believed_at = 0.0

    def __init__(
        self,
        *,
        config: Config,
        inventory: Inventory,
        kev: Mapping[str, bool],
        log: logging.Logger,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        loaded: Loaded | None = None,
        store: Store | None = None,
        office: Office | None = None,
        guests: Mapping[str, frozenset[int]] | None = None,
        registered: Callable[[object], None] | None = None,
    ) -> None:
        """``guests``: the uids that each door is for, where the roles have users of their own and nobody supervises
        them; a door that is not named there is for our own. ``registered`` is told often which version of the
        register is in force.
        """
        self._config = config
        self._guests = guests or {}
        self._registered = registered
        self._inventory = inventory
        self._kev = kev
        self._log = log
        self._now = now
        self._monotonic = monotonic
        self._sample = Sample()
        self._tally = Tally(started=now())
        self._doors = Doors(self)
        self._reloads = Reloads(self._doors)
        self._keeping = Keeping(
            inventory, store, retention_days=config.agent.retention_days, log=log, now=now, monotonic=monotonic
        )
        if office is not None:
            office.observed, office.let_go = self._keeping, self._let_go
        self._permission = Permission(
            office, inventory, self._doors, observe=self._learn, log=log, now=now, monotonic=monotonic
        )
        self._telling = Telling(
            office, inventory, self._doors, ready=lambda: not self._keeping.loading, forget=self._keeping.forget,
            log=log, now=now, monotonic=monotonic,
        )  # fmt: skip
        self._force = InForce(config, loaded or Loaded(), log, monotonic, register=self._permission)
        self._muting = Muting()
        self._series = Series(config, inventory, naming(office, config), log=log, now=now, monotonic=monotonic)
        self._believed: dict[str, Any] = {}

    def serve(self, listeners: Mapping[str, socket], supervisor: socket) -> None:
        """Be the agent until the supervisor has gone."""
        self._keeping.begin()
        try:
            self._serve(listeners, supervisor)
        finally:
            self._keeping.end()
            self._permission.end()

    def _serve(self, listeners: Mapping[str, socket], supervisor: socket) -> None:
        us = frozenset({os.geteuid()})
        for door in self._plan(us):
            self._doors.open(door, listeners[door.name])
        self._reloads.supervisor = self._doors.end_with(supervisor, Door("supervisor", _SUPERVISOR, us))
        self._force.start()
        PULSE.tell(READY)
        while not self._doors.ended:
            due = self._until_due(), self._force.until_look(), self._keeping.until_due(), self._permission.until_due()
            self._doors.turn(min(*due, self._series.until_due(), self._telling.until_due()))
            self._keeping.tend()
            self._changed |= self._permission.tend()
            self._telling.tend()
            self._changed |= self._force.look(self._doors)
            self._tell_exporter()
            self._series.tend(None if self._keeping.loading else self._exporter, self._doors.tell)
            self._mute()
            self._show_life()
        PULSE.tell(STOPPING)
        self._doors.shut()

    def _plan(self, us: frozenset[int]) -> Iterator[Door]:
        for name, accepted, most in (
            ("capture", _CAPTURE, self._config.capture.workers), ("exporter", _EXPORTER, 1), ("prober", _PROBER, 1),
            ("notifier", _NOTIFIER, 1),
        ):  # fmt: skip
            yield Door(name, accepted, self._guests.get(name, us), most)
        # systemd and root's own shell reach the control socket too; the other doors are for one user each.
        yield Door("control", _CONTROL, us | {0}, MAX_CLIENTS)

    def _show_life(self) -> None:
        PULSE.moved()
        if self._registered:
            self._registered(self._permission.version())
        now = self._monotonic()
        if PULSE.wants_status(now):
            inside = {name: len(self._doors.inside(name)) for name in GUESTS}
            told = self._tally.observations.total()
            PULSE.status(now, servers=len(self._inventory), observations=told, snapshot=self._shown, **inside)

    def opened(self, connection: Connection) -> None:
        name = connection.door.name
        self._tally.connections[name] += 1
        if name == "exporter":
            self._exporter, self._number, self._shown, self._fit = connection, 0, 0, 0
            self._tell_section(connection)
        # What was taken back goes before a section that may not know of it: nobody looks by that section alone.
        self._permission.opened(connection, self._config)
        if name == "capture" and connection in self._doors.inside(name):
            self._force.opened(connection, self._doors)
        self._telling.opened(connection)
        # Who only asks changes nothing: a client that waits for the end would otherwise put it off for ever.
        self._changed |= name != "control"

    def closed(self, connection: Connection) -> None:
        if connection is self._exporter:
            self._exporter = None
        self._tally.roles.gone(connection)
        if connection.door.name == "capture":
            self._tally.gone(connection)
            self._force.closed(connection)
        self._reloads.closed(connection)
        self._permission.closed(connection)
        self._telling.closed(connection)
        self._changed |= connection.door.name != "control"

    def rejected(self, door: Door, fault: ipc.Unexpected) -> None:
        self._tally.rejected[door.name, fault.reason] += 1
        self._changed = True
        if self._sample.lets(self._monotonic()):
            self._log.warning("connection closed for what was sent", extra={"door": door.name, "error": str(fault)})

    def took(self, connection: Connection, kind: Type, body: dict[str, Any]) -> None:
        message, received = validated(kind, body), self._monotonic()
        if self._changes_nothing(connection, kind, message):
            return
        self._permission.overheard(connection, kind, message)
        if kind is Type.OBSERVATIONS:
            self._observe(message)
        elif kind is Type.COUNTERS:
            self._tally.totals.take(connection, message)
        elif kind is Type.INPUTS:
            self._tally.told_inputs[connection] = message
            self._due = float("-inf")  # Rare, and what people wait for: it is shown without a pause.
        elif kind is Type.CONFIGURATION:
            self._configure(message)
            return
        elif kind is Type.APPLIED:
            self._force.applied(connection, message.number)
        elif self._telling.took(connection, kind, message, lambda: self._permission.set_off(received)):
            self._permission.set_off(received)
        else:
            self._permission.took(connection, kind, message)
            if kind is Type.VIEW:
                return  # who only looks changes nothing
        self._tally.progress = self._now()
        self._changed = True

    def _changes_nothing(self, connection: Connection, kind: Type, message: Any) -> bool:
        """Take what leaves everything that is shown as it was, or is shown with whatever else changes."""
        if kind is Type.SHOWN:
            self._shown = message.number
        elif kind is Type.USAGE:
            self._tally.roles.take(connection, connection.door.name, message)
        elif kind is Type.RELOAD:
            self._reloads.asked(connection)
        elif kind is Type.RELOADED:
            self._reloaded(message.model_dump())
        elif kind is Type.ASK:
            self._doors.tell(connection, self._answer(message.what, message.address))
        else:
            return False
        return True

    def _configure(self, message: Configuration) -> None:
        """The supervisor has read the configuration anew, or knows something else of it."""
        before = self._config
        self._config = check(message.config, "configuration")
        self._force.take(self._config, message.loaded, self._doors)
        self._series.take(self._config)
        if self._config != before:
            self._permission.take(self._config)
            if self._exporter:
                self._tell_section(self._exporter)
        self._changed = True

    def _reloaded(self, body: dict[str, Any]) -> None:
        self._reloads.done(body)
        for name in body["restarted"] if self._guests else ():
            # Nobody else ends them: a role that has lost its agent while that lives begins anew.
            self._doors.put_out(name)

    def _tell_section(self, exporter: Connection) -> None:
        self._section_day = self._today()
        self._send(exporter, Type.SECTION, exporter_section(self._config, self._now()))

    def _observe(self, message: Any) -> None:
        for one in message.told:
            self._tally.observations[one.kind] += 1
            self._keeping.observe(one.observation())
            self._muting.heard(one.address, self._monotonic())

    def _learn(self, observation: Observation) -> None:
        """A probe has told a fact."""
        self._tally.observations[observation.kind] += 1
        self._keeping.observe(observation)
        self._telling.learnt(observation.server.address)
        self._changed = True

    def _mute(self) -> None:
        """Tell capture of servers that need not be looked at for a while."""
        seconds = self._config.capture.mute_seconds
        addresses = self._muting.due(self._monotonic(), self._sure) if seconds else []
        if addresses:
            for connection in self._doors.inside("capture"):
                self._send(connection, Type.MUTES, {"seconds": seconds, "addresses": addresses})

    def _let_go(self, erased: Ranges) -> None:
        """Whoever was there is erased: neither here nor in capture does looking remember a server of his."""
        self._muting.forget(inside(erased))
        prefixes = cidrs(erased)
        for at in range(0, len(prefixes), _PORTION):
            for connection in self._doors.inside("capture"):
                self._send(connection, Type.FORGET, {"prefixes": prefixes[at : at + _PORTION]})

    def _sure(self, address: str) -> bool:
        assessment = self._inventory.assessment(address, self._today())
        return assessment is not None and assessment.verdict == "confirmed"

    def _send(self, connection: Connection, kind: Type, body: dict[str, Any]) -> None:
        self._doors.tell(connection, iter((ipc.frame(kind, body),)))

    def _until_due(self) -> float:
        """Seconds that may be waited before the next snapshot should go."""
        if self._exporter is None or self._number != self._shown:
            return _MOST_GAP
        gap = max(_LEAST_GAP if self._changed else _MOST_GAP, self._took * _SHARE)
        return max(0.0, self._due + gap - self._monotonic())

    def _tell_exporter(self) -> None:
        """Send a snapshot if it is time and the exporter shows the one before: what it has not read never piles up."""
        waits = self._keeping.loading or self._number != self._shown
        if self._exporter is None or waits or self._until_due() > 0:
            return
        began = self._monotonic()
        self._number += 1
        self._changed = False
        body = self._snapshot()
        self._fit = 0 if body["not_ready"] else self._fit or self._number
        self._due = self._monotonic()
        self._took = self._due - began
        self._send(self._exporter, Type.SNAPSHOT, body)
        if self._exporter and self._section_day != self._today():
            # probing.txt is made anew each day, long before the one that is served expires.
            self._tell_section(self._exporter)

    def _snapshot(self, at_most: float = 0.0) -> dict[str, Any]:
        """``at_most``: how old, in seconds, what is believed of the servers may be."""
        return {
            "number": self._number,
            "time": self._now(),
            "took": self._took,
            **self._tally.body(),
            "not_ready": self._not_ready(),
            "config": self._force.body(),
            "limits": limits(self._config),
            **self._beliefs(at_most),
            "kept": len(self._inventory),
            "kept_at_most": self._config.agent.max_servers,
            "inventory": dict(self._inventory.counts),
            "evidence": self._inventory.evidence,
            "store": self._keeping.body(),
            "permission": self._permission.body(),
            "telling": self._telling.body(),
        }

    def _beliefs(self, at_most: float) -> dict[str, Any]:
        """The aggregates over all servers: dear to make, so that who asks each second gets them as they were."""
        if not self._believed or self._monotonic() - self._believed_at >= at_most:
            self._believed = aggregates(self._inventory.assessments(self._today()), self._kev, self._today())
            self._believed_at = self._monotonic()
        return self._believed

    def _not_ready(self) -> list[str]:
        return self._force.not_ready(self._tally.not_ready())

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now(), UTC).date()

    def _answer(self, what: str, address: str | None) -> Iterator[bytes]:
        if what == "status":
            return iter((ipc.frame(Type.STATUS, self._status()),))
        if what == "diagnosis":
            seen = self._snapshot(max(1.0, self._took * _SHARE))
            return iter((ipc.frame(Type.DIAGNOSIS, diagnosis(seen, self._config)),))
        return told(self._wanted(address))

    def _wanted(self, address: str | None) -> list[Assessment]:
        if address is None:
            return self._inventory.assessments(self._today())
        one = self._inventory.assessment(address, self._today())
        return [one] if one else []

    def _status(self) -> dict[str, Any]:
        """``ready``: what is shown can be relied on. ``finished``: every input was read, and all of it is shown."""
        shown = self._number > 0 and self._number == self._shown
        # What holds now may not be shown yet; until it is, whoever asks the exporter hears something else.
        not_ready = self._not_ready() or ([] if 0 < self._fit <= self._shown else ["no_snapshot"])
        inputs = self._tally.inputs
        # One capture process reads the files. Another may have told before it that it has none to read.
        read = inputs is not None and inputs.files >= len(self._config.capture.files) and inputs.finished
        return {
            "ready": not not_ready,
            "not_ready": not_ready,
            "finished": read and shown and not self._changed,
            "unreadable": inputs.unreadable if inputs else 0,
            "servers": len(self._inventory),
        }
