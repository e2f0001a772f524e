"""One interface that is looked at: it may come, go down, be renamed and go; and everything that is counted of it.

The tap holds on to the interface's index. One that goes down keeps its ring, and the kernel takes the socket up again
with it; one that is renamed keeps both; one that has gone is waited for by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from collectors.packets.interface import LINK_TYPES
from collectors.packets.ring import Shape, open_ring
from collectors.packets.rings import Rings

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from collectors.packets.bpf import Program
    from collectors.packets.interface import Link, Links
    from collectors.packets.rings import Look

_EVENTS = ("went_down", "came_back", "renamed", "not_opened")
_GAUGES = ("up", "ring_fill", "filter_suspect", "demoted", "muted_in_filter", "filter_instructions")
# Fewer frames than this in the time after which a filter is suspected say nothing about the filter.
_ENOUGH = 1_000
_RETRY = 1.0  # seconds between two attempts at a ring that cannot be had


class Plan(NamedTuple):
    """How an interface is to be looked at: the filter for its link type, the ring, after how many seconds in which
    frames arrive and none is admitted the filter is suspected, and how many servers are left alone for now."""

    program: Callable[[int], Program]
    shape: Shape
    suspect_seconds: float
    muted: int = 0


class Tap:
    """Looks at the interface ``name``. ``look`` is as for Rings; ``links`` asks the kernel."""

    def __init__(self, name: str, links: Links, look: Look, plan: Plan, log: logging.Logger) -> None:
        self.name = name
        self._events = dict.fromkeys(_EVENTS, 0)
        self._gauges = dict.fromkeys(_GAUGES, 0.0)
        self._links, self._log = links, log
        self._plan = plan
        self._planned = False
        self._retry = 0.0
        self._rings = Rings(look)
        self._link: Link | None = None
        self._offered = _Since()
        self._missed = _Since()
        self._suspect = _Suspect()

    def filenos(self) -> list[int]:
        """The descriptor to wait on, if there is one."""
        return [self._rings.ring.fileno()] if self._rings.ring else []

    def plan(self, plan: Plan) -> None:
        """Look by this plan from now on; a change that is under way is finished first."""
        self._plan, self._planned = plan, False

    @property
    def settled(self) -> bool:
        """Whether the plan is in force: every frame from now on is admitted by it, or none is admitted at all."""
        return self._planned or self._rings.ring is None

    @property
    def changing(self) -> bool:
        """Whether a new ring is taking over."""
        return self._rings.changing

    def read(self) -> bool:
        """One block of frames; False where none is ready."""
        return self._rings.read()

    def turn(self, now: float) -> None:
        """What time brings; ``now`` is monotonic. Raises PermissionError."""
        self._rings.turn(now)
        if self._link and not self._planned and not self._rings.changing and now >= self._retry:
            self._open(self._link, now)

    def look(self, now: float) -> None:
        """Find out how the interface is. Raises PermissionError where it may not be looked at."""
        link = self._links.numbered(self._link.number) if self._link else None
        if self._link and link is None:
            self._gone()
        if link is None:
            link = self._links.named(self.name)
        if link:
            self._found(link, now)
            self.turn(now)

    def error(self) -> None:
        """Take a waiting error off the socket: it says that the interface went down, which ``look`` finds out."""
        if self._rings.ring:
            self._rings.ring.error()

    def fill(self) -> None:
        """Note how full the ring is, for the greatest since ``gauges`` was last asked."""
        if self._rings.ring:
            self._gauges["ring_fill"] = max(self._gauges["ring_fill"], self._rings.ring.fill())

    @property
    def counts(self) -> dict[str, int]:
        """Counter name -> value. ``frames_seen`` = ``frames_used`` + every ``drop_*``."""
        self._rings.account()
        drops = dict(self._rings.drops)
        twice = drops.pop("seen_twice", 0)
        seen = self._rings.counts["frames_read"] - twice + drops["ring"]
        counts = {name: n for name, n in self._rings.counts.items() if name != "frames_read"}
        return {
            "offered": self._offered.total,
            "nic_missed": self._missed.total,
            "frames_seen": seen,
            "frames_used": seen - sum(drops.values()),
            "seen_twice": twice,
            **{f"drop_{reason}": n for reason, n in drops.items()},
            **counts,
            **self._events,
        }

    def gauges(self) -> dict[str, float]:
        """Gauge name -> value. The fill of the ring begins anew."""
        gauges = dict(self._gauges)
        self._gauges["ring_fill"] = 0.0
        return gauges

    def close(self) -> None:
        self._rings.close()

    def _found(self, link: Link, now: float) -> None:
        before = self._link
        if before and before.name != link.name:
            self._event("renamed", link)
        if before and before.up != link.up:
            self._event("came_back" if link.up else "went_down", link)
        elif before is None and self._events["went_down"]:
            self._event("came_back", link)
        outgoing = 0 if self._plan.shape.ignore_outgoing else link.sent
        self._offered.now(link.number, link.received + outgoing)
        self._missed.now(link.number, link.missed)
        self._gauges["up"] = float(link.up)
        read = self._rings.counts["frames_read"]
        suspected = self._suspect.judge(now, self._offered.total, read, self._plan.suspect_seconds)
        self._gauges["filter_suspect"] = float(suspected)
        self._link = link

    def _gone(self) -> None:
        assert self._link
        if self._link.up:
            self._event("went_down", self._link)
        while self._rings.read():
            pass
        self._rings.close()
        self._link, self._planned = None, False
        self._gauges["up"] = 0.0

    def _event(self, name: str, link: Link) -> None:
        self._events[name] += 1
        self._log.warning("interface " + name.replace("_", " "), extra={"interface": self.name, "now": link.name})

    def _open(self, link: Link, now: float) -> None:
        """Open a ring by the plan. What has not worked is tried again, and logged once."""
        if link.kind not in LINK_TYPES:
            self._failed(link, now, f"frames of hardware type {link.kind} cannot be read; name another interface")
            return
        program = self._plan.program(LINK_TYPES[link.kind])
        try:
            ring = open_ring(link, program.instructions, self._plan.shape)
        except PermissionError:
            raise
        except OSError as error:
            self._failed(link, now, error.strerror or str(error))
            return
        self._rings.begin(ring, now)
        self._planned = True
        self._gauges["demoted"] = float(program.demoted)
        self._gauges["muted_in_filter"] = float(self._plan.muted - program.unmuted)
        self._gauges["filter_instructions"] = float(len(program.instructions))

    def _failed(self, link: Link, now: float, why: str) -> None:
        self._retry = now + _RETRY
        if not self._events["not_opened"]:
            self._log.error("interface cannot be looked at", extra={"interface": link.name, "error": why})
        self._events["not_opened"] += 1


class _Since:
    """A counter of the kernel's, from when we began, over interfaces that go and come again under another index."""

    def __init__(self) -> None:
        self.total = 0
        self._index = 0
        self._last = 0

    def now(self, index: int, value: int) -> None:
        # A smaller value is that of a driver that began anew.
        if index == self._index and value >= self._last:
            self.total += value - self._last
        self._index, self._last = index, value


class _Suspect:
    """Frames arrive, and none is admitted for long: then the filter does not fit what this interface carries."""

    def __init__(self) -> None:
        self._read = -1
        self._offered = 0
        self._since = 0.0

    def judge(self, now: float, offered: int, read: int, seconds: float) -> bool:
        if read != self._read:
            self._read, self._offered, self._since = read, offered, now
        return now - self._since >= seconds and offered - self._offered >= _ENOUGH
