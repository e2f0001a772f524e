"""The notifier role: writes to customers what the agent wants them told, one at a time, and tells what became of it.

It decides nothing. Whom it writes to comes with each order of the agent's, and between the relay's yes to the recipient
and DATA it asks once more: then the agent has on record that this may have gone out. What it is killed in the middle of
is uncertain from that answer on until it has told, and at no other time.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from collections import Counter, deque
from datetime import UTC, datetime
from pathlib import Path
from socket import MSG_DONTWAIT
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.errors import ConfigError
from agent.ipc import Type
from agent.logfmt import Sample, begin
from agent.messages import NotifierSection, validated
from agent.notice import WORK
from agent.notify import PULSE, READY, STOPPING
from agent.usage import Telling

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from agent.notice import Due
    from exporters.notices.bounces import Bounces
    from exporters.notices.mail import Relay
    from exporters.notices.texts import Mail
    from exporters.notices.webhook import Webhook

GONE = 75  # EX_TEMPFAIL of sysexits.h: the agent has gone, or wants something else that takes a new process

_ACCEPTED = frozenset({Type.SECTION, Type.DUE, Type.GO, Type.HEARD, Type.EVENT})
_CHUNK = 65_536
_LEAVE = 60.0  # seconds that the agent may take to give leave
_DETAILED = ("tell", "contact")  # messages to who looks after the server: others are told less
_SECRET = 4096  # characters of a credential


class NoLeaveError(Exception):
    """Nobody says whether DATA may follow: the agent has gone, or hangs."""


class Tools:
    """What there is to work with, by the configuration: the relay, and where they are wanted, bounces and webhook."""

    def __init__(self, section: NotifierSection, credentials: str, log: logging.Logger) -> None:
        """Raises ConfigError."""
        from exporters.notices import mail

        self.section = section
        self._log = log
        self._sample = Sample()
        self.news = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)  # is rung by the webhook's thread
        password = secret(credentials, "relay-password", "notices.user") if section.user else ""
        if not (section.user + password).isascii():
            raise ConfigError("notices.user: name and password are said in ASCII; have the relay give others")
        self.relay: Relay = mail.Relay(section, mail.tls(section), password, self._trouble, time.monotonic)
        self.bounces: Bounces | None = None
        if section.bounces:
            from exporters.notices.bounces import Bounces

            self.bounces = Bounces(section.bounces, time.monotonic)
            self.bounces.open()
        self.webhook: Webhook | None = None
        if section.webhook:
            from exporters.notices import webhook

            given = secret(credentials, "webhook-secret", "notices.webhook")
            self.webhook = webhook.opened(
                section.webhook, given, section.ca, time.time, lambda: os.eventfd_write(self.news, 1)
            )
            self.webhook.begin()

    def _trouble(self, stage: str, code: int) -> None:
        if self._sample.lets(time.monotonic()):
            self._log.error("the relay does not take notices", extra={"stage": stage, "code": code})


class Notifier:
    """The role between the agent and the relay. ``bell``: an eventfd, rung by SIGTERM."""

    def __init__(self, link: socket.socket, lifeline: socket.socket | None, bell: int, tools: Tools) -> None:
        self._link: socket.socket | None = link
        self._lifeline = lifeline
        self._bell = bell
        self._reader = ipc.Reader(_ACCEPTED)
        self._tools = tools
        self._log = tools._log
        self._due: deque[Due] = deque()
        self._asked = ""
        self._leave: bool | None = None
        self._committed = False
        self._anew = False
        self._unreadable = 0
        self._usage = Telling(time.monotonic, self._work)
        self._sample = Sample()
        self.counts: Counter[str] = Counter()
        self.over = False

    def stop(self, *_: object) -> None:
        """End, from a signal: at once, or where a message is on its way, when it is known what became of it."""
        self.over = True
        os.eventfd_write(self._bell, 1)
        if not self._committed:
            raise SystemExit(0)

    def serve(self) -> int:
        """Do what the agent wants until told to stop (0), or until there is none any more (GONE). Raises Unexpected."""
        PULSE.tell(READY)
        try:
            while not (self.over or self._anew):
                PULSE.moved()
                if self._link is None and not self._meet():
                    break
                self._hear(0.0 if self._due else self._until())
                if self._due:
                    self._send(self._due.popleft())
                self._look()
            return 0 if self.over else GONE
        finally:
            PULSE.tell(STOPPING)
            self._tools.relay.part()

    def _until(self) -> float | None:
        """Seconds until something is to be looked at; None for never."""
        bounces = self._tools.bounces
        ends = [self._tools.relay.until_idle(), bounces.until_due() if bounces else None, self._usage.until_due()]
        return min((end for end in ends if end is not None), default=None)

    def _work(self) -> dict[str, int]:
        """What is told of it: agent.notice.WORKED."""
        tools = self._tools
        counts = {"mails": self.counts, "bounces": tools.bounces, "webhook": tools.webhook}
        done = {what: of if isinstance(of, Counter) else of.counts for what, of in counts.items() if of is not None}
        return {f"{what}.{how}": done[what][how] for what in done for how in WORK[what]}

    def _look(self) -> None:
        self._tools.relay.look()
        if taken := self._usage.due():
            self._tell(Type.USAGE, taken)
        self._tell_what_was_taken()
        bounces = self._tools.bounces
        if bounces and bounces.counts["unreadable"] > self._unreadable:
            self._unreadable = bounces.counts["unreadable"]
            if self._sample.lets(time.monotonic()):
                self._log.warning("mails in notices.bounces cannot be read", extra={"times": self._unreadable})
        for bounce in bounces.look() if bounces else ():
            self._tell(Type.BOUNCED, bounce._asdict())
        if PULSE.wants_status(time.monotonic()):
            seen = bounces.counts if bounces else Counter[str]()
            told = {name: self.counts[name] for name in ("sent", "later", "refused", "cancelled", "uncertain")}
            PULSE.status(time.monotonic(), **told, bounces=seen["bounces"], others=seen["others"])

    # What the agent says, and is told.

    def _tell(self, kind: Type, body: dict[str, Any]) -> None:
        """Where the agent has gone, it is for nobody: that it has is seen where it is read from."""
        if self._link is not None:
            try:
                self._link.sendall(ipc.frame(kind, body))
            except OSError:
                self.counts["untold"] += 1

    def _tell_what_was_taken(self) -> None:
        """By the webhook. Without an agent it is told to the next one."""
        if self._tools.webhook and self._link is not None:
            for ident in self._tools.webhook.ended():
                self._tell(Type.TAKEN, {"id": ident})

    def _meet(self) -> bool:
        """Wait for the next agent; whether there is one. It says anew what is due."""
        self._due.clear()
        self._tools.relay.part()
        if self._lifeline is None:
            return False
        self._link = ipc.handed_over(self._lifeline)
        self._reader = ipc.Reader(_ACCEPTED)
        if self._tools.bounces:
            self._tools.bounces.forget()
        return self._link is not None

    def _hear(self, seconds: float | None) -> None:
        """Take what the agent says, waited for so long."""
        link = self._link
        if link is None:
            return
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        poll.register(link, select.POLLIN)
        poll.register(self._tools.news, select.POLLIN)
        with PULSE.waiting():
            ready = {descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)}
        if self._tools.news in ready:
            os.eventfd_read(self._tools.news)
        if link.fileno() not in ready:
            return
        try:
            data = link.recv(_CHUNK, MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            link.close()
            self._link = None
            return
        for kind, body in self._reader.feed(data):
            self._take(kind, body)

    def _take(self, kind: Type, body: dict[str, Any]) -> None:
        if kind is Type.SECTION:
            self._behave(NotifierSection.model_validate(body))
            return
        message = validated(kind, body)
        if kind is Type.DUE:
            self._due.append(message)
        elif kind is Type.GO:
            # One that comes too late is for a message that was given up: what was said of that holds.
            if message.id == self._asked:
                self._leave = message.go
        elif kind is Type.EVENT:
            if self._tools.webhook:
                self._tools.webhook.tell(message.model_dump())
        elif self._tools.bounces:
            self._tools.bounces.heard(message.message_id, ours=message.ours)

    def _behave(self, section: NotifierSection) -> None:
        """The log may change under us; anything else is for a process that begins with it."""
        log = section.log
        begin("notifier", log.level, log.format)
        self._anew = section.model_copy(update={"log": self._tools.section.log}) != self._tools.section

    # One message.

    def _send(self, due: Due) -> None:
        from exporters.notices import mail, texts

        try:
            said = texts.rendered(due.facts, self._tools.section.templates)
            content = self._written(due, said)
        except ConfigError:
            # What is wrong may have been quoted from the facts: the command says it to who may read them.
            self._log.error("a template cannot be used; `knockfirst notices preview` says why")
            self._ended(due, "later", 0, "template")
            return
        except ValueError:
            self._ended(due, "refused", 0, "address")
            return
        letter = mail.Letter(self._tools.section.sender, due.to, due.message_id, content)
        try:
            outcome = self._tools.relay.deliver(letter, lambda: self._may(due.id, texts.whole(said)))
        except NoLeaveError:
            outcome = mail.Outcome("later", 0, "leave")
        finally:
            self._asked = ""
        self._ended(due, *outcome)

    def _written(self, due: Due, said: Mail) -> bytes:
        from exporters.notices.formats import xarf
        from exporters.notices.message import Attachment, Envelope, built

        section = self._tools.section
        name = due.facts.operator or section.operator
        envelope = Envelope(section.sender, name, due.to, due.message_id)
        more = []
        if due.facts.message in _DETAILED and due.facts.address:
            more = [Attachment("xarf.json", "application/json", json.dumps(xarf(due.facts), indent=1).encode())]
        return built(envelope, said.subject, said.text, said.html, due.facts.lang, datetime.now(UTC), more)

    def _may(self, step: str, text: str) -> bool:
        """Ask for leave: the next word to the relay is DATA. From a yes on, what becomes of it has to be told."""
        self._asked, self._leave = step, None
        self._tell(Type.ABOUT, {"id": step, "text": text})
        deadline = time.monotonic() + _LEAVE
        while self._leave is None:
            left = deadline - time.monotonic()
            if left <= 0 or self._link is None:
                raise NoLeaveError
            self._hear(left)
        self._committed = self._leave
        return self._leave

    def _ended(self, due: Due, outcome: str, code: int, detail: str) -> None:
        self.counts[outcome] += 1
        self._tell(Type.SENT, {"id": due.id, "outcome": outcome, "code": code, "detail": detail})
        self._committed = False
        self._log.info("notice", extra={"kind": due.facts.message, "outcome": outcome, "code": code})


def secret(credentials: str, name: str, key: str) -> str:
    """The credential of that name, as systemd hands it over (systemd.exec(5)). Raises ConfigError for none."""
    try:
        with (Path(credentials) / name).open(encoding="utf-8") as file:
            text = file.read(_SECRET).strip("\r\n")
    except (OSError, ValueError):
        text = ""
    if not text:
        raise ConfigError(f"{key}: needs the credential {name}; put it into /etc/credstore/knockfirst.{name}")
    return text


def main(words: list[str]) -> int:
    """``agent=FD lifeline=FD``: be the notifier role. 75 when no agent is left, 0 after SIGTERM, 70 for our fault.

    78 where the configuration cannot be used; the log says what would be right. Without ``lifeline`` it ends with its
    first agent.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY", "")
    # No proxy, no key log, no other list of certificates: nothing of it is ours.
    os.environ.clear()
    handed = ipc.inherited(words)
    link = handed["agent"]
    try:
        first = ipc.alone(link, frozenset({Type.SECTION}))
    except OSError:
        first = None
    if first is None:
        return GONE
    section = NotifierSection.model_validate(first[1])
    log = begin("notifier", section.log.level, section.log.format)
    try:
        tools = Tools(section, credentials, log)
    except ConfigError as error:
        log.error("notices cannot be sent", extra={"error": str(error)})
        return error.exit_code
    bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    notifier = Notifier(link, handed.get("lifeline"), bell, tools)
    signal.signal(signal.SIGTERM, notifier.stop)
    return _served(notifier.serve, log)


def _served(serve: Callable[[], int], log: logging.Logger) -> int:
    try:
        return serve()
    except OSError:
        return GONE
    except Exception as error:
        # Where, and not what: the text of an error may quote a message.
        last = extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        log.error("the notifier role failed", extra={"error": type(error).__name__, "where": where})
        return 70


if __name__ == "__main__":
    from agent.rights import keep

    keep(frozenset())
    sys.exit(main(sys.argv[1:]))
