"""The exporter role: keeps the agent's latest snapshot and shows it to Prometheus. It connects to nothing."""

from __future__ import annotations

import itertools
import logging
import os
import queue
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS

from agent import ipc
from agent.errors import ConfigError
from agent.ipc import Type
from agent.logfmt import begin
from agent.messages import validated
from agent.notify import PULSE, READY
from agent.rights import keep
from exporters import exposition
from exporters.answers import Answers, Probing
from exporters.console.pages import Access, Console
from exporters.frame import Names
from exporters.prometheus import not_ready, registry
from exporters.readiness import components
from exporters.series import Series
from exporters.web import Pages, Web, wanted

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from agent.asked import Noted
    from agent.messages import ExporterSection, Snapshot
    from agent.notice import Answered, Viewed
    from exporters.entrance import Entrance
    from exporters.web import Serves

GONE = 75  # EX_TEMPFAIL of sysexits.h: the agent has gone, and nobody will hand over another


_ACCEPTED = frozenset(
    {Type.SECTION, Type.SNAPSHOT, Type.RELOADED, Type.NOTED, Type.VIEWED, Type.ANSWERED, Type.SERVERS}
)
_NOTES = 5.0  # seconds that the agent may take to put an objection, or who looks, on record
_APART = 60.0  # seconds, at the least, over which the console says what moves; twice as many at the most


class Latest:
    """The one snapshot there is; a reference is replaced in one step, so a scrape sees the old or the new one.

    ``names`` and ``probing_txt`` are those of the last section.
    """

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.before: Snapshot | None = None
        self._mark: Snapshot | None = None
        self.names = Names()
        self.access = Access()
        self.probing_txt = ""
        self.series = Series()

    def section(self, section: ExporterSection) -> None:
        """What the agent wants of us from now on."""
        begin("exporter", section.log.level, section.log.format)
        self.names = Names(section.operator, section.contact)
        self.probing_txt = section.probing_txt
        self.access = Access(section.operator, bool(section.web_config), tuple(section.viewers))

    def show(self, snapshot: Snapshot) -> None:
        """This is what is asked for from now on; one from a while ago is kept, to see what moves."""
        if self._mark is None or self._mark.started != snapshot.started:
            self.before = self._mark = snapshot
        elif snapshot.time - self._mark.time >= _APART:
            self.before, self._mark = self._mark, snapshot
        self.snapshot = snapshot

    def alone(self) -> None:
        """There is no agent for now: what is shown grows old."""
        if self.snapshot:
            self.snapshot = self.snapshot.model_copy(update={"not_ready": ["agent_absent"]})

    def get(self) -> Snapshot | None:
        return self.snapshot


class Agent:
    """The agent, as the thread that follows it and those of requests speak to it. One reload is under way at a time."""

    def __init__(self, link: ipc.Link, patience: float = 15.0) -> None:
        """``patience``: seconds that the answer may take."""
        self._link = link
        self._patience = patience
        self._speaking = threading.Lock()
        self._one = threading.Lock()
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[Any]] = {}

    def meet(self, link: ipc.Link) -> None:
        """Speak to this one from now on."""
        with self._speaking:
            self._link = link

    def say(self, kind: Type, body: dict[str, Any]) -> None:
        """Send one message, whole. Raises OSError."""
        with self._speaking:
            self._link.send(kind, body)

    def reload(self) -> str | None:
        """The error that kept the configuration from being taken, or None. Raises OSError: nobody says."""
        if not self._one.acquire(timeout=self._patience):
            raise TimeoutError("another reload does not come to its end")
        try:
            # What came too late for who asked before is not the answer to this.
            while not self._answers.empty():
                self._answers.get()
            self.say(Type.RELOAD, {})
            return self._answers.get(timeout=self._patience)
        except queue.Empty:
            raise TimeoutError("the agent does not say") from None
        finally:
            self._one.release()

    def note(self, prefix: str | None, token: str | None, headers: bool) -> Noted:
        """Pass an objection on: what became of it. Raises OSError: nobody says."""
        noted: Noted = self._asked(Type.OBJECTION, {"prefix": prefix, "token": token, "headers": headers})
        return noted

    def answer(self, token: str, action: str) -> Answered:
        """Pass on what the holder of a message's token answers: what it comes to. Raises OSError: nobody says."""
        answered: Answered = self._asked(Type.ANSWER, {"token": token, "action": action})
        return answered

    def view(self, page: str, words: dict[str, str], user: str) -> Viewed:
        """Ask for a page of the console for this user. Raises OSError: nobody says."""
        viewed: Viewed = self._asked(Type.VIEW, {"page": page, "words": words, "user": user})
        return viewed

    def _asked(self, kind: Type, body: dict[str, Any]) -> Any:
        """What the agent answers to this, by its number."""
        number = next(self._numbers)
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting[number] = answer
        try:
            self.say(kind, {"number": number, **body})
            return answer.get(timeout=_NOTES)
        except queue.Empty:
            raise TimeoutError("the agent does not say") from None
        finally:
            del self._waiting[number]

    def answered(self, answer: Noted | Viewed | Answered) -> None:
        """The agent has answered something; whoever waited for it may have given up."""
        waiting = self._waiting.get(answer.number)
        if waiting is not None:
            waiting.put(answer)

    def reloaded(self, error: str | None) -> None:
        """The agent has said what became of it."""
        self._answers.put(error)


def _nobody(page: str, words: dict[str, str], user: str) -> Viewed:
    raise ConnectionError("there is no agent")


def pages(
    latest: Latest,
    reload: Callable[[], str | None],
    view: Callable[[str, dict[str, str], str], Viewed] = _nobody,
) -> Pages:
    """The pages over whatever is the latest snapshot when one is asked for; ``view`` as in ``Agent``."""
    running = running_version()
    families = registry(running, latest.get)
    families.register(latest.series)

    def metrics(accept: str) -> tuple[str, bytes]:
        # Prometheus offers several versions and escapings; these two forms are what each of its versions takes.
        asked = wanted(accept, "application/openmetrics-text")
        if asked > 0 and asked >= wanted(accept, "text/plain"):
            return OPENMETRICS, exposition.openmetrics(families)
        return CONTENT_TYPE_PLAIN_0_0_4, exposition.plain(families)

    return Pages(
        running,
        metrics,
        lambda: not_ready(latest.get()),
        reload,
        lambda: components(latest.get(), time.time()),
        Console(running, lambda: (latest.before, latest.get()), lambda: latest.access, view, time.time).answer,
    )


def entrance(path: str, log: logging.Logger) -> Entrance:
    """Who looks at everybody that comes in to the pages, by this file. Raises ConfigError."""
    from exporters.entrance import Entrance

    made = Entrance(path, os.environ.get("CREDENTIALS_DIRECTORY"), log, time.monotonic, time.time)
    made.open()
    return made


def running_version() -> str:
    try:
        return version("knockfirst")
    except PackageNotFoundError:
        return "source"


def follow(link: ipc.Link, latest: Latest, agent: Agent) -> None:
    """Take snapshots until the agent has gone, and say of each that it is shown. Raises Unexpected, OSError."""
    while (received := link.receive()) is not None:
        message = validated(*received)
        if received[0] is Type.SNAPSHOT:
            latest.show(message)
            PULSE.status(time.monotonic(), snapshot=message.number)
            agent.say(Type.SHOWN, {"number": message.number})
        elif received[0] is Type.RELOADED:
            agent.reloaded(message.error)
        elif received[0] in (Type.NOTED, Type.VIEWED, Type.ANSWERED):
            agent.answered(message)
        elif received[0] is Type.SERVERS:
            latest.series.take(message)
        else:
            latest.section(message)


def serve(link: ipc.Link | None, lifeline: socket.socket | None, latest: Latest, agent: Agent) -> None:
    """Follow one agent after the other, until none is handed over any more. Raises Unexpected."""
    while link is not None:
        agent.meet(link)
        try:
            follow(link, latest, agent)
        except ipc.Unexpected as fault:
            if fault.reason != "truncated":  # An agent that is killed may be in the middle of a message.
                raise
        except OSError:
            pass
        link.close()
        latest.alone()
        following = ipc.handed_over(lifeline) if lifeline else None
        link = ipc.Link(following, _ACCEPTED) if following else None


def main(words: list[str]) -> int:
    """``agent=FD listen=FD lifeline=FD``: be the exporter role. 75 when nobody is left, 70 for a fault of ours.

    78 where the web configuration cannot be used; the log says what would be right.

    Without ``lifeline`` it ends with its first agent. ``answers=FD`` and ``probing=FD``: sockets for what customers and
    their networks ask (exporters/answers.py), where there are any. More sockets for the same are ``listen.2=FD`` and
    so on.
    """
    handed = ipc.inherited(words)
    link = ipc.Link(handed["agent"], _ACCEPTED)
    first = link.receive()
    if first is None:
        return GONE
    latest = Latest()
    section = validated(*first)
    latest.section(section)
    log = logging.getLogger("exporter")
    try:
        guards = entrance(section.web_config, log) if section.web_config else None
    except ConfigError as error:
        log.error("web configuration cannot be used", extra={"error": str(error)})
        return ConfigError.exit_code
    agent = Agent(link)
    served: dict[str, Serves] = {
        "listen": pages(latest, agent.reload, agent.view),
        "answers": Answers(agent.note, lambda: latest.names, time.monotonic, agent.answer),
        "probing": Probing(lambda: latest.probing_txt),
    }
    for name, listener in handed.items():
        what = name.partition(".")[0]
        if what in served:
            web = Web(listener, served[what], guards if what == "listen" else None)
            threading.Thread(target=web.serve_forever, name=name, daemon=True).start()
            log.info("serving", extra={"what": what, "port": web.server_address[1]})
    PULSE.tell(READY)
    try:
        serve(link, handed.get("lifeline"), latest, agent)
    except OSError:
        return GONE
    except Exception:
        log.exception("the exporter role failed")
        return 70
    return GONE


if __name__ == "__main__":
    keep(frozenset())
    sys.exit(main(sys.argv[1:]))
