"""The grants that are under way: each is looked at once more, carried out in a thread of its own, and told of once.

Whoever takes the agent's messages calls this, from one thread. It waits for nobody: a cancellation resets the wire and
tells the outcome itself, whatever the thread of that probe is doing, and what that thread says later is not heard.
"""

from __future__ import annotations

import os
import queue
import threading
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.ipc import Type
from agent.leave import OUTCOMES
from agent.model import KINDS
from probes.asks import Answer, Failed, Known
from probes.permit import Mint, NotPermitted, against, killed
from probes.wire import Wire

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from agent.leave import Grant
    from probes.asks import Probe
    from probes.hook import Refusals
    from probes.section import Section

MOST = 16  # threads

_MAX_DETAIL = 200
_MAX_TOLD = 64
_MAX_VALUE = 16 << 10


class Visit(NamedTuple):
    """A grant that is being carried out, and its wire."""

    grant: Grant
    wire: Wire
    began: float


class Knocks:
    """``tell`` sends one message to the agent; ``bell`` is an eventfd that is rung when ``heard`` has something to do;
    ``monotonic`` is CLOCK_MONOTONIC; ``refusals`` are those of the audit hook.
    """

    def __init__(
        self,
        tell: Callable[[Type, dict[str, Any]], None],
        probes: Mapping[str, Callable[[], Probe]],
        bell: int,
        log: logging.Logger,
        monotonic: Callable[[], float],
        refusals: Refusals,
    ) -> None:
        self._tell = tell
        self._probes = probes
        self._bell = bell
        self._log = log
        self._monotonic = monotonic
        self._refusals = refusals
        self._mint = Mint()
        self._section: Section | None = None
        self._waiting: deque[Grant] = deque()
        self._running: dict[str, Visit] = {}
        self._threads = 0
        self._done: queue.SimpleQueue[tuple[Visit, Answer]] = queue.SimpleQueue()

    def behave(self, section: Section | None) -> None:
        """Go by this section from now on; whoever it does not let us knock at is not asked any more."""
        self._section = section
        for visit in list(self._running.values()):
            wall = against(visit.grant.address, section) if section else "nobody says how to behave"
            if wall:
                self._end(visit, wall)

    def take(self, grant: Grant) -> None:
        """Carry it out, as soon as there is a thread for it."""
        self.hold(grant)
        self.begin()

    def hold(self, grant: Grant) -> None:
        """Let it wait for ``begin``: what comes behind it may take it back."""
        if grant.id in self._running or any(grant.id == other.id for other in self._waiting):
            self._log.error("the same grant came twice")  # Its outcome will come, once.
            return
        self._waiting.append(grant)

    def cancel(self, ids: frozenset[str] | None, why: str = "the agent said so") -> None:
        """End these, or all (None). When it returns, nothing of them is sent any more, and their outcome is told."""
        for grant in [grant for grant in self._waiting if ids is None or grant.id in ids]:
            self._waiting.remove(grant)
            self._told(grant, None, Answer("cancelled", why))
        for visit in [visit for ident, visit in self._running.items() if ids is None or ident in ids]:
            self._end(visit, why)

    def heard(self) -> None:
        """Tell of those that came to their end, and begin those that waited."""
        self.finished()
        self.begin()

    def finished(self) -> None:
        """Tell of those that came to their end."""
        while not self._done.empty():
            visit, answer = self._done.get()
            self._threads -= 1
            if self._running.get(visit.grant.id) is visit:
                del self._running[visit.grant.id]
                self._told(visit.grant, visit, answer)

    def look(self) -> None:
        """End everything if the kill switch is on."""
        if self._running and self._section and killed(self._section.kill_switch):
            self.cancel(None, "kill switch")

    def busy(self) -> bool:
        return bool(self._running)

    def begin(self) -> None:
        """Carry out those that wait, as far as there are threads for them."""
        while self._waiting and self._threads < MOST:
            grant = self._waiting.popleft()
            now = self._monotonic()
            try:
                wire = Wire.open(self._mint.mint(grant, now, self._section), self._monotonic)
            except NotPermitted as wall:
                self._log.warning("a grant is refused", extra={"wall": wall.detail})
                self._told(grant, None, Answer(wall.outcome, wall.detail))
                continue
            visit = Visit(grant, wire, now)
            self._running[grant.id] = visit
            self._threads += 1
            threading.Thread(target=self._run, args=(visit,), name="probe", daemon=True).start()

    def _run(self, visit: Visit) -> None:
        """In a thread of its own: ask, and say what came of it."""
        before = self._refusals.here()
        try:
            with visit.wire as wire:
                grant = visit.grant
                known = Known(grant.certificates, grant.products, grant.name)
                answer = _check(self._probes[grant.probe]()(wire, known))
        except Failed as failed:
            answer = Answer(failed.outcome, failed.detail)
        except BaseException as error:
            # Without its words, in which there may be something of the answer.
            places = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            self._log.error("a probe failed", extra={"error": type(error).__name__, "at": " ".join(places)})
            answer = Answer("bug", type(error).__name__)
        # Whoever met the wall may have caught what it raised.
        if self._refusals.here() != before:
            answer = Answer("bug", "the audit hook refused something")
        self._done.put((visit, answer))
        os.eventfd_write(self._bell, 1)

    def _end(self, visit: Visit, why: str) -> None:
        visit.wire.cancel(why)
        del self._running[visit.grant.id]
        self._told(visit.grant, visit, Answer("cancelled", why))

    def _told(self, grant: Grant, visit: Visit | None, answer: Answer) -> None:
        """Send the OUTCOME."""
        taken = round((self._monotonic() - visit.began) * 1000) if visit else 0
        wire = visit.wire if visit else None
        try:
            self._tell(Type.OUTCOME, _outcome(grant.id, wire, answer, taken))
        except ValueError:
            self._tell(Type.OUTCOME, _outcome(grant.id, wire, Answer("bug", "the probe says too much"), taken))


def _check(answer: Answer) -> Answer:
    """The answer, if the agent would take it. Raises ValueError, TypeError."""
    outcome, detail, told = answer
    texts = [outcome, detail, *(text for fact in told for text in fact)]
    if not all(type(text) is str and len(text) <= _MAX_VALUE for text in texts):
        raise ValueError("texts are told, and none too long")
    if outcome not in OUTCOMES or len(told) > _MAX_TOLD or not all(kind in KINDS for kind, _ in told):
        raise ValueError("no such answer")
    return answer


def _outcome(ident: str, wire: Wire | None, answer: Answer, milliseconds: int) -> dict[str, Any]:
    """The object of agent.messages.OutcomeOf."""
    return {
        "id": ident,
        "outcome": answer.outcome,
        "detail": answer.detail[:_MAX_DETAIL],
        "knocks": [knock._asdict() for knock in wire.knocks] if wire else [],
        "statuses": list(wire.statuses) if wire else [],
        "bytes": wire.taken if wire else 0,
        "milliseconds": milliseconds,
        "certificate": wire.certificate if wire else "",
        "told": [{"kind": kind, "value": value} for kind, value in answer.told],
    }
