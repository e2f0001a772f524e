"""The capture role: looks at what the agent names, files first and then interfaces, and tells it what is seen there.

It validates nothing that it sends (the agent does) and so needs no pydantic: the process with the packet door is small.
It holds its packet sockets, one to hear of interfaces, and its link to the agent; it keeps CAP_NET_RAW and no other
right.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import deque
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from agent import ipc
from agent.errors import InputError
from agent.ipc import Type
from agent.logfmt import Sample, begin
from agent.making import Making
from agent.notify import PULSE, READY
from agent.usage import Telling
from collectors.hearing import Agent
from collectors.knocks import MAX_BATCH
from collectors.outbox import MAX_VALUE, Outbox
from collectors.section import Section, section
from collectors.withdrawals import withdrawal

if TYPE_CHECKING:
    import logging
    import socket
    from collections.abc import Callable, Iterator

    from agent.model import Observation
    from collectors.live import Live
    from collectors.withdrawals import Withdrawal

GONE = 75  # EX_TEMPFAIL of sysexits.h: the agent has gone; a new one will be there for the next capture process
NOT_PERMITTED = 77  # EX_NOPERM

_BEAT = 1.0  # seconds between two messages of counters
_LARGE = 2_000  # prefixes; a section of more is made beside the reading of frames
_SOON = 0.02  # seconds between two looks whether it has been made


# What is imported only when it is first needed, by us or by the interpreter.
_NEEDED_LATER = (
    "hashlib", "ipaddress", "socket", "traceback", "collectors.dissectors.tls", "encodings.ascii",
    "encodings.latin_1", "encodings.utf_16_be", "encodings.utf_16_le", "encodings.utf_32_be",
)  # fmt: skip


class Reads(Protocol):
    """The passive line: frames to observations, each fact once an hour. ``counts`` rise as it goes."""

    losses: list[str]

    @property
    def counts(self) -> dict[str, int]: ...

    def read(
        self, path: str, *, counting: bool = False, progress: Callable[[int], None] | None = None
    ) -> Iterator[Observation]: ...

    def given(self) -> list[Observation]: ...

    def forget(self, observation: Observation) -> None: ...

    def begin_anew(self) -> None: ...

    def mute(self, addresses: list[str], until: float) -> None: ...

    def let_go(self, prefixes: list[str]) -> None: ...

    def withdraw(self, withdrawal: Withdrawal) -> None: ...

    def wants(self, observation: Observation) -> bool: ...

    def knocks(self) -> list[dict[str, Any]]: ...


class Capture:
    """Reads inputs through the line and tells the agent. ``clock`` only rises; in seconds."""

    def __init__(self, outbox: Outbox, line: Reads, log: logging.Logger, clock: Callable[[], float]) -> None:
        self._outbox = outbox
        self._line = line
        self._log = log
        self._clock = clock
        self._due = float("-inf")
        self._malformed = 0
        self._losses = 0
        self._sample = Sample()
        self._usage = Telling(clock)
        self._own = {"told_too_long": 0, "queue_full": 0, "withdrawn_untold": 0, "parse_microseconds": 0}
        self._unapplied: int | None = None
        self._agent: Agent | None = None
        self._sections: deque[dict[str, Any]] = deque()
        self._making: Making[Section] = Making()

    def read(self, files: tuple[str, ...], *, counting: bool, agent: Agent | None = None) -> None:
        """Read every file to its end; one that cannot be read is logged and counted, and the others are read.

        ``agent`` is listened to as it goes. What it takes back holds at once, a new section behind the last file.
        """
        self._agent = agent
        if agent:
            self._do(agent, agent.said())
        read = unreadable = 0
        if files:
            PULSE.tell(READY)
        self._tell_inputs(len(files), 0, 0)
        for path in files:
            try:
                for observation in self._line.read(path, counting=counting, progress=self._progress):
                    # A file waits: nothing of it need be lost because the agent is busy.
                    self._outbox.drain(self._outbox.room)
                    self._take(observation)
            except InputError as error:
                unreadable += 1
                self._log.error("input cannot be read", extra={"file": path, "error": str(error)})
            else:
                read += 1
                self._log.info("input read", extra={"file": path})
            self._beat()
            self._tell_inputs(len(files), read, unreadable)
        self._outbox.drain()

    def watch(self, live: Live, first: Section, agent: Agent) -> None:
        """Look at interfaces until the agent has gone and nobody hands over another, which raises OSError.

        Raises PermissionError and Unexpected.
        """
        self._follow(live, first)
        more = True
        while True:
            with PULSE.waiting():
                patience = min(_SOON if self._making.busy else 3600.0, live.patience(self._due))
            live.wait(0.0 if more else patience, agent.events(writing=not self._outbox.empty))
            if agent.met():
                self._sections.clear()
                self._making = Making()
                self._outbox.meet(agent.connection)
                self._line.begin_anew()
                self._tell_inputs(0, 0, 0)
            self._hear(agent)
            for new in self._told():
                begin("capture", new.log.get("level", "info"), new.log.get("format", "logfmt"))
                self._follow(live, new)
            more = self._turn(live)
            if not agent.absent:
                # What was taken back before a frame came is heard of before anything is told of that frame.
                self._hear(agent)
                self._flush(agent)
            more = more or bool(self._sections)

    def _hear(self, agent: Agent) -> None:
        """Do what the agent has said since."""
        self._do(agent, agent.heard())

    def _do(self, agent: Agent, said: Iterator[tuple[Type, dict[str, Any]]]) -> None:
        """Do what the agent says; sections are left for who looks.

        Nothing is told until all of it has been heard: the last of it may take back more.
        """
        cancelled = False
        for kind, body in said:
            if kind is Type.MUTES:
                self._line.mute(body["addresses"], time.time() + body["seconds"])
            elif kind is Type.FORGET:
                self._line.let_go(body["prefixes"])
            elif kind is Type.WITHDRAWN:
                self._withdraw(withdrawal(body))
                cancelled = True
            else:
                self._sections.append(body)
        if cancelled:
            self._flush(agent)

    def _told(self) -> Iterator[Section]:
        """The sections that were told since, in order. A large one is made while frames are read, and comes later.

        What is taken back meanwhile holds at once, and is not undone by sets that were made before.
        """
        while self._sections or self._making.busy:
            if self._making.busy:
                made = self._making.taken()
                if made is None:
                    return
                yield made
            elif len(self._sections[0].get("handshakes", ())) + len(self._sections[0].get("headers", ())) > _LARGE:
                body = self._sections.popleft()
                self._making.begin(lambda body=body: section(body))  # type: ignore[misc]
            else:
                yield section(self._sections.popleft())

    def _withdraw(self, withdrawal: Withdrawal) -> None:
        """Look no more at these, nor tell what was seen of them, and say so before all else that is to be told."""
        self._line.withdraw(withdrawal)
        for observation in self._outbox.drop(self._line.wants):
            self._own["withdrawn_untold"] += 1
            self._line.forget(observation)
        self._outbox.say_first(Type.CANCELLED, {"number": withdrawal.number})

    def _flush(self, agent: Agent) -> None:
        try:
            self._outbox.flush()
        except OSError:
            agent.lose()

    def _follow(self, live: Live, new: Section) -> None:
        live.follow(new)
        self._unapplied = new.number

    def _turn(self, live: Live) -> bool:
        began = time.thread_time_ns()
        more = live.turn()
        self._own["parse_microseconds"] += (time.thread_time_ns() - began) // 1000
        for observation in self._line.given():
            if self._outbox.full:
                self._own["queue_full"] += 1
                self._line.forget(observation)
            else:
                self._take(observation)
        self._tell_knocks()
        if self._unapplied is not None and live.settled:
            self._outbox.say(Type.APPLIED, {"number": self._unapplied})
            PULSE.tell(READY)
            self._unapplied = None
        if live.taps and self._clock() >= self._due:
            self._beat(live)
        return more

    def _tell_knocks(self) -> None:
        knocks = self._line.knocks()
        for at in range(0, len(knocks), MAX_BATCH):
            self._outbox.say(Type.KNOCKS, {"knocks": knocks[at : at + MAX_BATCH]})

    def _progress(self, at: int) -> None:
        """The line has come this far in a file: now and then what has gathered is sent."""
        PULSE.moved()
        if self._agent:
            self._hear(self._agent)
        if self._clock() >= self._due:
            self._beat()
            self._outbox.drain()

    def _beat(self, live: Live | None = None) -> None:
        self._due = self._clock() + _BEAT
        counts = self._line.counts
        PULSE.status(
            self._clock(), interfaces=len(live.taps) if live else 0, observations=counts.get("observations", 0)
        )
        taps = live.taps.values() if live else ()
        interfaces = [{"name": tap.name, "counts": tap.counts, "gauges": tap.gauges()} for tap in taps]
        # Sent even if nothing moved: it says that capture lives, and finds out whether the agent does.
        self._outbox.say(Type.COUNTERS, {"counts": counts | self._own, "interfaces": interfaces})
        if taken := self._usage.due():
            self._outbox.say(Type.USAGE, taken)
        self._log_faults(counts)

    def _take(self, observation: Observation) -> None:
        if len(observation.value) > MAX_VALUE:
            self._own["told_too_long"] += 1
        else:
            self._outbox.put(observation)

    def _tell_inputs(self, files: int, read: int, unreadable: int) -> None:
        self._outbox.say(Type.INPUTS, {"files": files, "read": read, "unreadable": unreadable})

    def _log_faults(self, counts: dict[str, int]) -> None:
        malformed = {name: count for name, count in counts.items() if name.startswith("malformed_") and count}
        if sum(malformed.values()) > self._malformed and self._sample.lets(self._clock()):
            self._log.warning("malformed input so far", extra=malformed)
        self._malformed = sum(malformed.values())
        for loss in self._line.losses[self._losses :]:
            self._log.warning("input is damaged", extra={"loss": loss})
        self._losses = len(self._line.losses)


def main(words: list[str]) -> int:
    """``agent=FD lifeline=FD``: be the capture role. 75 when the agent has gone and no other comes; 77 without
    CAP_NET_RAW; 70 for a fault of ours.
    """
    handed = ipc.inherited(words)
    connection = handed["agent"]
    agent = Agent(connection, handed.get("lifeline"))
    wanted = agent.first()
    if wanted is None:
        return GONE
    log = begin("capture", wanted.log.get("level", "info"), wanted.log.get("format", "logfmt"))
    if wanted.files:
        # They are read anew for a new agent, by a new process.
        agent.lifeline = None
    try:
        _be(connection, agent, wanted, log)
    except PermissionError as error:
        log.error("interfaces cannot be looked at", extra={"error": str(error)})
        return NOT_PERMITTED
    except OSError:
        return GONE
    except Exception:
        log.exception("the capture role failed")
        return 70
    return GONE


def _be(connection: socket.socket, agent: Agent, wanted: Section, log: logging.Logger) -> None:
    from collectors.line import Line
    from collectors.live import Live
    from collectors.packets.interface import Links

    settle(wanted)
    # What is kept here grows to its bounds and stays; looking for garbage among it would cost a burst of frames.
    gc.freeze()
    gc.set_threshold(100_000)
    line = Line(wanted.wanted, wanted.bounds)
    capture = Capture(Outbox(connection, wanted.settings["queue"]), line, log, time.monotonic)
    capture.read(wanted.files, counting=wanted.settings["count_frames"], agent=agent)
    capture.watch(Live(line, Links(), log, time.monotonic, time.time), wanted, agent)


def settle(wanted: Section) -> None:
    """Give up every right that is not needed: all but CAP_NET_RAW, and root itself where there is no file to read."""
    from agent import rights

    # Whom we become may not be able to read where the interpreter is.
    for name in _NEEDED_LATER:
        import_module(name)
    if wanted.settings["cpus"]:
        os.sched_setaffinity(0, wanted.settings["cpus"])
    if os.geteuid() == 0 and not wanted.files and wanted.settings["user"]:
        rights.settle(wanted.settings["user"], frozenset({rights.NET_RAW}))
    else:
        rights.keep(frozenset({rights.NET_RAW}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
