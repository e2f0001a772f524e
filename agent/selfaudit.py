"""The daemon audits itself: the connections that were seen to begin at our addresses are those that are on record.

Capture tells of every SYN from the addresses that are knocked from, whoever sent it; the prober of every connection
that it began, which goes into the log. The one may come before the other. What is left over after a while is counted,
and the sum of both kinds has to be 0: something knocks that is not in the log, or the log tells of what was not done.

What capture cannot have seen is held against nobody: it counts only while all of it was looking, without a frame lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from agent.asked import Knock, Knocks, OutcomeOf
    from agent.leave import Grant
    from agent.messages import Counters

# Seconds that the one may come after the other: a probe says what it did when it has ended, and that may take a minute.
LATE = 90.0
# Seconds that what a probe says it did may wait to have been seen: frames are on hand at once.
SOON = 10.0
MAX_WAITING = 4096
# Seconds before a probe began by its own account from which capture has to have looked.
_BEFORE = 1.0
# Outcomes of a probe whose last SYN may never have left this machine: the next hop was not there.
_UNSENT = frozenset({"unreachable", "timeout", "cancelled"})

# How a connection fits the log; label values of a metric, so the list is closed.
FITS = ("matched", "logged_not_seen", "seen_not_logged", "unwatched", "unsent", "unfinished")

Flow = tuple[str, int, str, int]


class _Waiting(NamedTuple):
    """One side of a connection, and since when it waits for the other. ``began``: when it can have begun at the
    earliest; ``sent``: whether it has certainly left this machine."""

    since: float
    began: float
    sent: bool = True


class _Leave(NamedTuple):
    """A grant that is out, or of which nothing was heard again."""

    address: str
    port: int
    until: float


class SelfAudit:
    """``clock`` is CLOCK_MONOTONIC. Who looks are connections of capture processes."""

    def __init__(self, clock: Callable[[], float], late: float = LATE, soon: float = SOON) -> None:
        self._clock = clock
        self._late = late
        self._soon = soon
        self._seen: dict[Flow, _Waiting] = {}
        self._logged: dict[Flow, _Waiting] = {}
        self._matched: dict[Flow, float] = {}
        self._leaves: dict[str, _Leave] = {}
        self._lookers: dict[Hashable, bool] = {}
        self._lost: dict[Hashable, int] = {}
        self._since: float | None = None
        self._sources: tuple[str, ...] = ()
        # What an agent before this one granted is not known here.
        self._begun = clock()
        self._counts = dict.fromkeys(FITS, 0)

    def watch(self, sources: tuple[str, ...]) -> None:
        """These addresses are knocked from, and capture is told so; none: nobody looks, and nothing is counted."""
        if sources == self._sources:
            return
        self._sources = sources
        self._lookers = dict.fromkeys(self._lookers, False)
        self._since = None
        for waiting in (self._seen, self._logged):
            waiting.clear()

    def granted(self, grant: Grant) -> None:
        """Somebody may be knocked at from now on; what is seen of it is explained, whatever becomes of it."""
        self._leaves[grant.id] = _Leave(grant.address, grant.port, grant.deadline + self._late)

    def logged(self, told: OutcomeOf) -> None:
        """A probe has ended, and these are its connections."""
        now = self._clock()
        self._leaves.pop(told.id, None)
        if not self._sources:
            return
        began = now - told.milliseconds / 1000 - _BEFORE
        for number, knock in enumerate(told.knocks, 1):
            sent = number < len(told.knocks) or told.outcome not in _UNSENT
            self._meet(self._seen, self._logged, _flow(knock), _Waiting(now, began, sent))
        self._reckon(now)

    def seen(self, message: Knocks) -> None:
        """These connections were seen to begin."""
        if not self._sources:
            return
        now = self._clock()
        for knock in message.knocks:
            self._meet(self._logged, self._seen, _flow(knock), _Waiting(now, now))
        self._reckon(now)

    def opened(self, who: Hashable) -> None:
        """Somebody who is to look has come: until he does, not everything is seen."""
        self._lookers[who] = False
        self._lost[who] = 0
        self._since = None

    def applied(self, who: Hashable) -> None:
        """He looks."""
        if who in self._lookers:
            self._lookers[who] = True
        if self._since is None and self._lookers and all(self._lookers.values()):
            self._since = self._clock()

    def closed(self, who: Hashable) -> None:
        """He has gone; another one comes."""
        self._lookers.pop(who, None)
        self._lost.pop(who, None)
        self._since = None

    def counted(self, who: Hashable, counters: Counters) -> None:
        """What he counts: frames that were lost, or an interface that is down, say that not everything was seen."""
        lost = sum(interface.counts.get("drop_ring", 0) for interface in counters.interfaces)
        lost += counters.counts.get("knocks_untold", 0)
        down = not counters.interfaces or any(interface.gauges.get("up") == 0.0 for interface in counters.interfaces)
        if self._since is not None and (down or lost > self._lost.get(who, 0)):
            self._since = self._clock()
        self._lost[who] = lost
        self._reckon(self._clock())

    def body(self) -> dict[str, int]:
        """Its part of a snapshot. ``difference`` has to be 0; ``waiting`` of the others will be one or the other."""
        self._reckon(self._clock())
        difference = self._counts["logged_not_seen"] + self._counts["seen_not_logged"]
        return {**self._counts, "difference": difference, "waiting": len(self._seen) + len(self._logged)}

    def _meet(self, other: dict[Flow, _Waiting], own: dict[Flow, _Waiting], flow: Flow, waiting: _Waiting) -> None:
        if other.pop(flow, None) is not None:
            self._counts["matched"] += 1
            self._matched[flow] = waiting.since
        elif own is self._seen and flow in self._matched:
            return  # the same connection by another interface, or another of capture's processes
        else:
            own.setdefault(flow, waiting)
            if len(own) > MAX_WAITING:
                self._judge(own, next(iter(own)))

    def _reckon(self, now: float) -> None:
        for waiting, patience in ((self._seen, self._late), (self._logged, self._soon)):
            for flow in [flow for flow, each in waiting.items() if now - each.since >= patience]:
                self._judge(waiting, flow)
        self._matched = {flow: at for flow, at in self._matched.items() if now - at < self._late}
        self._leaves = {ident: leave for ident, leave in self._leaves.items() if now < leave.until + self._late}

    def _judge(self, waiting: dict[Flow, _Waiting], flow: Flow) -> None:
        each = waiting.pop(flow)
        if waiting is self._seen:
            self._counts[self._alone(flow, each)] += 1
        elif self._since is None or each.began < self._since:
            self._counts["unwatched"] += 1
        else:
            self._counts["logged_not_seen" if each.sent else "unsent"] += 1

    def _alone(self, flow: Flow, seen: _Waiting) -> str:
        """What a connection is that was seen, and is in no outcome."""
        if seen.since < self._begun + self._late:
            return "unwatched"
        _, _, address, port = flow
        leaves = self._leaves.values()
        return "unfinished" if any((at.address, at.port) == (address, port) for at in leaves) else "seen_not_logged"


def _flow(knock: Knock) -> Flow:
    return knock.source, knock.source_port, knock.address, knock.port
