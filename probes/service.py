"""The prober role: does what a grant of the agent says, once, and tells what came of it. It decides nothing.

It starts in the order of its walls: no environment, no rights, then the modules that need to be loaded, then the
audit hook, and only then the first message and the first probe.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from socket import MSG_DONTWAIT
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.ipc import Type
from agent.logfmt import begin
from agent.notify import PULSE, READY, STOPPING
from agent.usage import Telling, usage

if TYPE_CHECKING:
    import logging
    import socket
    from collections.abc import Callable

    from probes.asks import Probe
    from probes.hook import Refusals
    from probes.knocks import Knocks

GONE = 75  # EX_TEMPFAIL of sysexits.h: the agent has gone, and nobody will hand over another

_ACCEPTED = frozenset({Type.SECTION, Type.GRANT, Type.CANCEL})
_CHUNK = 65_536
_LOOK = 0.25  # seconds between two looks at the kill switch while somebody is knocked at


class Prober:
    """The role between the agent and the knocks. ``bell``: an eventfd, rung by probes and by SIGTERM."""

    def __init__(self, link: socket.socket, lifeline: socket.socket | None, bell: int) -> None:
        self._link: socket.socket | None = link
        self._lifeline = lifeline
        self._bell = bell
        self._reader = ipc.Reader(_ACCEPTED)
        self._logged = 0
        self._usage = Telling(time.monotonic)
        self.over = False

    def tell(self, kind: Type, body: dict[str, Any]) -> None:
        """Send one message, whole. Where the agent has gone, it is for nobody: the next one knows nothing of it.

        Raises ValueError for one that is too long.
        """
        if self._link is None:
            return
        message = ipc.frame(kind, body)
        with suppress(OSError):  # That it has gone is seen where it is read from.
            self._link.sendall(message)

    def stop(self, *_: object) -> None:
        """End soon; from a signal."""
        self.over = True
        os.eventfd_write(self._bell, 1)

    def serve(self, knocks: Knocks, refusals: Refusals, log: logging.Logger) -> int:
        """Take messages until told to stop (0), or until there is no agent any more (GONE). Raises Unexpected."""
        PULSE.tell(READY)
        try:
            while not self.over:
                PULSE.moved()
                if self._link is None and not self._meet(knocks):
                    return 0 if self.over else GONE
                ready = self._ready(self._link, _LOOK if knocks.busy() else None)
                knocks.finished()
                knocks.look()
                if ready and self._link is not None:
                    self._take(knocks, self._link)
                knocks.begin()
                self._note(refusals, log)
                if taken := self._usage.due():
                    self.tell(Type.USAGE, taken)
                PULSE.status(time.monotonic(), knocking=int(knocks.busy()), refused=refusals.events.total())
            return 0
        finally:
            PULSE.tell(STOPPING)
            knocks.cancel(None, "the prober ends")

    def _ready(self, connection: socket.socket | None, seconds: float | None) -> bool:
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if connection is not None:
            poll.register(connection, select.POLLIN)
        with PULSE.waiting():
            ready = [descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)]
        if self._bell in ready:
            os.eventfd_read(self._bell)
        return connection is not None and connection.fileno() in ready

    def _take(self, knocks: Knocks, link: socket.socket) -> None:
        """Take all that has come; nothing is begun before that, for what was granted may be taken back behind it."""
        while True:
            try:
                data = link.recv(_CHUNK, MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                # Also in the middle of a message: an agent that is killed does not finish what it says.
                knocks.cancel(None, "the agent has gone")
                link.close()
                self._link = None
                return
            for kind, body in self._reader.feed(data):
                self._do(knocks, kind, body)

    def _do(self, knocks: Knocks, kind: Type, body: dict[str, Any]) -> None:
        from probes import section

        if kind is Type.GRANT:
            knocks.hold(section.grant(body))
        elif kind is Type.CANCEL:
            number, ids = section.cancellation(body)
            knocks.finished()
            knocks.cancel(ids)
            self.tell(Type.CANCELLED, {"number": number})
        else:
            said = section.section(body)
            begin("prober", said.level, said.style)
            knocks.behave(said)

    def _meet(self, knocks: Knocks) -> bool:
        """Wait for the next agent; whether there is one. It has to say anew how to behave."""
        knocks.behave(None)
        while self._lifeline is not None and not self.over:
            if self._ready(self._lifeline, None):
                self._link = ipc.handed_over(self._lifeline)
                self._reader = ipc.Reader(_ACCEPTED)
                return self._link is not None
            knocks.heard()
        return False

    def _note(self, refusals: Refusals, log: logging.Logger) -> None:
        total = refusals.events.total()
        if total > self._logged:
            log.error("the audit hook refused", extra={"count": total, "events": ",".join(sorted(refusals.events))})
            self._logged = total


def table() -> dict[str, Callable[[], Probe]]:
    """Every probe by its name; each is imported when it is first asked for, behind the wall."""
    from importlib import import_module

    from probes import PROBES

    def loader(where: str) -> Callable[[], Probe]:
        module, _, function = where.partition(":")
        return lambda: getattr(import_module(module), function)

    return {name: loader(where) for name, where in PROBES}


def main(words: list[str]) -> int:
    """``agent=FD lifeline=FD``: be the prober role. 75 when no agent is left, 0 after SIGTERM, 70 for a fault of ours.

    Without ``lifeline`` it ends with its first agent.
    """
    from probes import reading
    from probes.hook import install
    from probes.knocks import Knocks
    from probes.wire import expected, prepare

    prepare()
    reading.prepare()  # What is known of answers is read from files, and behind the wall none is opened.
    usage()
    handed = ipc.inherited(words)
    bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    prober = Prober(handed["agent"], handed.get("lifeline"), bell)
    signal.signal(signal.SIGTERM, prober.stop)
    log = begin("prober", "info", "logfmt")
    refusals = install(expected)
    try:
        return prober.serve(Knocks(prober.tell, table(), bell, log, time.monotonic, refusals), refusals, log)
    except OSError:
        return GONE
    except Exception:
        log.exception("the prober role failed")
        return 70


if __name__ == "__main__":
    from agent.rights import keep

    # No proxy, no key log, no other list of certificates, no library put in between: nothing of it is ours.
    os.environ.clear()
    keep(frozenset())
    sys.exit(main(sys.argv[1:]))
