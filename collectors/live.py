"""Interfaces, looked at through the line: every tap, the filter that they share, and who is left alone for a while."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from collectors.packets import bpf
from collectors.packets.tap import Plan, Tap

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from collectors.line import Line
    from collectors.packets.bpf import Program
    from collectors.packets.interface import Links
    from collectors.section import Section

_LOOK = 1.0  # seconds between two looks at the interfaces, and for SYN-ACKs; news of the former comes sooner
# Seconds between two filters for the sake of who is left alone: each costs some milliseconds and a second ring.
_REFILTER = 30.0
_WORTH_IT = 10_000  # frames in that time of who is left alone
# So many SYN-ACKs a second are a flood, in which one in _THINNER of those that were admitted is, until there are few.
MANY_SYN_ACKS = 5_000
_THINNER = 16
_CALM = 10.0  # seconds without a flood before it counts as over
_BRIEFLY = 0.02  # seconds between two looks at a ring that is being replaced
_BLOCKS = 4  # of one interface, before the others have their turn


class Live:
    """Every interface of a section. ``clock`` is monotonic, ``time`` since the epoch; both in seconds."""

    def __init__(
        self, line: Line, links: Links, log: logging.Logger, clock: Callable[[], float], time: Callable[[], float]
    ) -> None:
        self.taps: dict[str, Tap] = {}
        self._line, self._links, self._log = line, links, log
        self._clock, self._time = clock, time
        self._section: Section | None = None
        self._look_due = 0.0
        self._refilter_due = 0.0
        self._muted: list[bytes] = []
        self._sated: list[bytes] = []
        self._passed = 0
        self._flood = Flood()

    def follow(self, section: Section) -> None:
        """Look by this section from now on: what is admitted already is judged by it at once, the filter follows."""
        before, self._section = self._section, section
        # A new agent says what the one before did: that needs no new filter.
        if before and _but_for_whom(before) == _but_for_whom(section):
            self._line.release(section.withdrawn)
            return
        self._line.look_for(section.wanted)
        self._line.release(section.withdrawn)
        for name in [name for name in self.taps if name not in section.interfaces]:
            self.taps.pop(name).close()
        self._plan()
        self._look_due = 0.0

    @property
    def settled(self) -> bool:
        """Whether every tap admits by the section."""
        return all(tap.settled for tap in self.taps.values())

    def patience(self, due: float) -> float:
        """Seconds that may be waited for something to happen, if nothing else is due before ``due``."""
        if not self.taps:
            return 3600.0
        if any(tap.changing for tap in self.taps.values()):
            return _BRIEFLY
        return max(0.0, min(due, self._look_due) - self._clock())

    def wait(self, seconds: float, also: Iterable[tuple[int, int]] = ()) -> None:
        """Wait so long for frames, news of interfaces, or these (descriptor, events of poll(2))."""
        poll = select.poll()
        own = [self._links.fileno(), *(descriptor for tap in self.taps.values() for descriptor in tap.filenos())]
        for descriptor, events in (*((descriptor, select.POLLIN) for descriptor in own), *also):
            poll.register(descriptor, events)
        poll.poll(seconds * 1000)

    def turn(self) -> bool:
        """See to whatever is ready; True if more is. Raises PermissionError without the right to a packet socket."""
        now, time = self._clock(), self._time()
        self._line.sweep(time)
        if self._links.changed() or now >= self._look_due:
            self._look_due = now + _LOOK
            for tap in self.taps.values():
                tap.look(now)
            self._sample(now)
        more = False
        for tap in self.taps.values():
            tap.fill()
            more |= self._read(tap)
            tap.turn(now)
        if now >= self._refilter_due:
            self._refilter(now)
        return more

    def close(self) -> None:
        for tap in self.taps.values():
            tap.close()

    def _read(self, tap: Tap) -> bool:
        for _ in range(_BLOCKS):
            if not tap.read():
                tap.error()
                return False
        return True

    def _plan(self) -> None:
        assert self._section
        plan = self._planned(self._section)
        for name in self._section.interfaces:
            if name in self.taps:
                self.taps[name].plan(plan)
            else:
                self.taps[name] = Tap(name, self._links, self._line.frame, plan, self._log)

    def _planned(self, section: Section) -> Plan:
        tiers = section.wanted.tiers.without(self._muted).without(self._sated, https_only=True)
        wanted = section.wanted._replace(tiers=tiers, sample=min(section.wanted.sample * self._flood.factor, 1 << 16))
        programs: dict[int, Program] = {}

        def program(link: int) -> Program:
            if link not in programs:
                programs[link] = bpf.generate(link, wanted)
            return programs[link]

        return Plan(program, section.shape, float(section.settings["suspect_seconds"]), len(tiers.muted))

    @property
    def _shared(self) -> bool:
        # Who joins a group of sockets anew takes flows from its old ring too, and would lose what comes after that.
        return self._section is not None and self._section.shape.fanout is not None

    def _sample(self, now: float) -> None:
        """Let fewer SYN-ACKs through while they come in numbers."""
        if self._flood.changes(now, self._line.counts["syn_acks"]) and self._section and not self._shared:
            self._log.warning(
                "SYN-ACKs sampled anew", extra={"one_in": self._section.wanted.sample * self._flood.factor}
            )
            self._plan()

    def _refilter(self, now: float) -> None:
        """Put into the filter who is left alone by now, and take out who no longer is, where that spares work."""
        self._refilter_due = now + _REFILTER
        if not self._section or not self.taps or self._shared or not self._section.settings["mute_seconds"]:
            return
        time = self._time()
        muted, sated = self._line.muted(time), self._line.sated(time)
        left_alone, before = {*muted, *sated}, {*self._muted, *self._sated}
        if before - left_alone or (left_alone - before and self._line.passed - self._passed > _WORTH_IT):
            self._muted, self._sated, self._passed = muted, sated, self._line.passed
            self._plan()


def _but_for_whom(section: Section) -> dict[str, object]:
    """What a section says, without what tells the agents that send it apart.

    Workers that share the flows have to be in one group: theirs is that of the agent that there is now.
    """
    return section.settings | {"number": 0, "withdrawn": 0, "fanout": section.shape.fanout}


class Flood:
    """Whether SYN-ACKs come in numbers, by how many were admitted; ``factor`` is how much fewer of them should be."""

    def __init__(self) -> None:
        self.factor = 1
        self._at = 0.0
        self._seen = 0
        self._calm_since = 0.0

    def changes(self, now: float, seen: int) -> bool:
        """Whether the factor is another from now on; ``seen`` is how many were admitted in all."""
        if now - self._at < _LOOK / 2:
            return False
        rate = (seen - self._seen) / (now - self._at) * self.factor
        self._at, self._seen = now, seen
        if rate >= MANY_SYN_ACKS / 2:
            self._calm_since = now
        factor = self.factor
        if rate >= MANY_SYN_ACKS:
            factor = _THINNER
        elif now - self._calm_since >= _CALM:
            factor = 1
        changed, self.factor = factor != self.factor, factor
        return changed
