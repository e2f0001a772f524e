"""A quarter in the life of some customers, drawn from one seed: what happens to each, what he does, and who dies."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import suppress
from heapq import heappop
from typing import TYPE_CHECKING, Any

from agent import telling
from agent.consent import probing_txt
from agent.ipc import Type
from agent.lab import leave
from agent.messages import validated
from tests import asking
from tests.exporters.notices.test_notifier_service import Role, told
from tests.live.post import PASSWORD
from tests.live.quarter.part import Agent, Deaths, DiedError
from tests.live.quarter.relay import TAKEN, Relay
from tests.live.quarter.story import Story
from tests.live.quarter.truth import BEGINS, DAY, HOUR
from tests.live.world import PATIENCE, wait

if TYPE_CHECKING:
    from pathlib import Path

DAYS = 89  # and a few hours: nothing is deleted (``notices.fixed_days``) before it was read here
_PACE = 2.0  # seconds from one message to the next (agent.dispatch.PER_MINUTE)
_DOWN = (31 * DAY, 32 * DAY)  # the day on which the relay is away
_ROUND = 1800.0  # seconds from one look at every server to the next, in place of a minute: days go by in a second
_SILENT = 300.0  # seconds after which somebody hangs
# What may happen between the relay's yes to a recipient and the agent's yes to DATA.
_DURING = ("objects", "ends", "hands_over", "fixes", "contacts")


class _Process(Role):
    """The role of tests/live/quarter/role.py. What it logs is kept in a file."""

    def __init__(self, body: dict[str, Any], credentials: Path) -> None:
        self._log = credentials / "notifier.log"
        super().__init__(body, credentials)

    def start(self, link: socket.socket, lifeline: socket.socket, environment: dict[str, str]) -> None:
        passed = (link.fileno(), lifeline.fileno())
        words = [f"agent={passed[0]}", f"lifeline={passed[1]}"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.live.quarter.role", *words],
                pass_fds=passed, stderr=log, env=os.environ | environment,
            )  # fmt: skip
        link.close()
        lifeline.close()


class Play(Story):
    """``kills``: how often the agent and the notifier are to die, about; more often where there are few servers.

    ``hours``: from one look at everybody to the next, at least and at most.
    """

    def __init__(
        self, directory: Path, many: int, seed: int, kills: int, hours: tuple[float, float] = (2.0, 5.0)
    ) -> None:
        super().__init__(many, seed)
        self._directory, self._hours = directory, hours
        self.deaths = Deaths(self.chance)
        self.relay = Relay(lambda: (next(self._order), self.clock.wall), self._judged)
        self._wanted = kills / (2 * many)  # of mails, the share at which somebody is killed
        self.kills: Counter[str] = Counter()
        self._busy_until: dict[str, float] = {}
        self._down = False
        self._taken = self._finals = self.entries = 0
        self.seconds: defaultdict[str, float] = defaultdict(float)

    # The relay's part.

    def _judged(self, stage: str, to: str) -> str:
        """Called by the relay's thread. A kill there is one between the end of a message and the reply to it."""
        fate = to.partition("@")[0].rpartition(".")[2]
        if stage == "RCPT":
            if fate == "gone":
                return "550 5.1.1 no such user"
            if fate == "busy" and self.clock.wall < self._busy_until.setdefault(to, self.clock.wall + self._days(6)):
                return "450 4.2.1 mailbox is full"
        if stage == TAKEN and self._dies():
            self.role.process.kill()
        if stage == TAKEN and self.chance.random() < 0.004:
            return "451 4.3.0 try again"
        self._taken += stage == TAKEN and fate != "full"
        return "DUNNO"

    def _dies(self) -> bool:
        return self.chance.random() < self._wanted / 4

    # Beginning and end.

    def run(self) -> None:
        """All of it. ``over`` is for afterwards."""
        telling._PAUSE = _ROUND
        config = asking.config(
            self._directory,
            notices={"relay": "mail.isp.example:587", "sender": "notices@isp.example", "route": "abuse@isp.example",
                     "fixed_days": 90},
        )  # fmt: skip
        (self._directory / "relay-password").write_text(PASSWORD)
        for place in ("", "new", "cur", "tmp"):
            (self.relay.returned / place).mkdir(parents=True, exist_ok=True)
            (self.relay.returned / place).chmod(0o777)
        self.agent = Agent(config, self._directory, self.clock, self.deaths, self._say)
        self._enrol()
        self._begin_role()
        self.deaths.share = self._wanted / 30
        began = time.monotonic()
        while self.clock.wall < BEGINS + DAYS * DAY:
            self._pass()
            self.passed()
        self.seconds["quarter"] = time.monotonic() - began

    def passed(self) -> None:
        """Some hours have."""

    def over(self) -> None:
        """No more deaths: what is still on its way comes to an end, and everybody goes."""
        self.deaths.share = self._wanted = 0.0
        for _ in range(6):
            self._drain()
            self.clock.on(HOUR)
        wait(self._all_heard, PATIENCE, self.relay.said)  # a full mailbox is given up after seconds
        self.clock.on(1.0)
        self._tend()  # what was heard last goes into the log
        self.agent.counted()
        self.entries = self.agent.office.log.size

    def _all_heard(self) -> bool:
        """Whether the relay has nothing any more, and the notifier has told of everything that came back."""
        heard = self._hear(0.2)
        return self.relay.idle() and not any((self.relay.returned / "new").iterdir()) and not heard

    def close(self) -> None:
        if hasattr(self, "role") and self.role.process.poll() is None:
            self.role.process.kill()
            self.role.process.wait(20)
            self.role.link.close()
            self.role.lifeline.close()
        if hasattr(self, "agent"):
            self.agent.office.close()

    def _enrol(self) -> None:
        """Everything is in order, and each customer has agreed; and when each server shows, and what becomes of it."""
        office, now = self.agent.office, BEGINS
        described = probing_txt.describes(probing_txt.facts(office.config))
        office.record([*leave.published(now), leave.checked(now, described), leave.synced(now)])
        servers = list(self.truth.servers.values())
        for start in range(0, len(servers), 500):
            items = []
            for server in servers[start : start + 500]:
                ref = server.holder
                written = self.truth.written(self.truth.customers[ref].ways[0][1], now - DAY)
                items += [
                    leave.mapped(ref, [server.prefix], now), leave.announced(ref, now),
                    leave.given(ref, [server.prefix], now, contacts=written),
                ]  # fmt: skip
            office.record(items)
        for server in servers:
            self._plan(server)
        self._at(_DOWN[0], self._relay_goes)
        self._at(_DOWN[1], self._relay_comes)

    # Time.

    def _pass(self) -> None:
        """Some hours."""
        until = self.clock.wall + self.chance.uniform(*self._hours) * HOUR
        while self._heap and self._heap[0][0] <= until:
            when, _, what = heappop(self._heap)
            self.clock.on(max(0.1, when - self.clock.wall))  # no two looks at a server are of one moment
            what()
        if until > self.clock.wall:
            self.clock.on(until - self.clock.wall)
        self._record(leave.synced(self.clock.wall))
        self._drain()
        self._tidy()
        if self.chance.random() < 0.2:
            self._desk()

    def _drain(self) -> None:
        """Until nothing is to be sent now. Bounces that come soon are waited for."""
        self.clock.on(_ROUND + 1)
        self._tend()
        while True:
            out = self.agent.out()
            # A new agent has first to look what there is.
            due = not self._down and out < 4 and (self.agent.due() or not self.agent.telling._begun)
            if due or self._down:
                self.clock.on(_PACE)
                self._tend()
            if not self._hear(0.0 if due and self.agent.out() < 4 else _SILENT if out else 0.0) and not (due or out):
                break
            if self._down and not self.agent.out() and not self.agent.due():
                break
        began = time.monotonic()
        while (missing := self._waits_for_bounces()) > 0 and time.monotonic() < began + 2:
            self._hear(0.1)
        self._finals += max(0, missing)  # of what was killed half-way, none may ever come
        self.seconds["bounces"] += time.monotonic() - began

    def _tend(self) -> None:
        began = time.monotonic()
        try:
            self.agent.tend()
        except DiedError:
            self.reborn()
        self.seconds["agent"] += time.monotonic() - began

    def _waits_for_bounces(self) -> int:
        """How many of what the relay took it has still to say what became of, but for the full mailboxes."""
        return self._taken - self._finals

    def _tidy(self) -> None:
        """Somebody looks after the mailbox of what comes back: what was read is put away."""
        for path in (self.relay.returned / "cur").glob("*:2,S"):
            path.unlink()

    # Who talks to whom, and who dies.

    def _say(self, frame: bytes) -> None:
        with suppress(OSError):
            self.role.link.connection.sendall(frame)

    def _begin_role(self) -> None:
        keys = {"tls": "starttls", "ca": str(self.relay.ca), "user": "notices", "bounces": str(self.relay.returned)}
        self.role = _Process(told(0, **keys) | {"relay": self.relay.relay}, self._directory)
        self.role.link.connection.settimeout(_SILENT)
        self.agent.meets()

    def reborn(self) -> None:
        """The agent has died."""
        self.kills["agent"] += 1
        self._another_agent()
        try:
            self.role.next_agent()
        except OSError:  # the notifier has died as well
            self._bury_role()
            self._begin_role()
            return
        self.role.link.connection.settimeout(_SILENT)
        self.agent.meets()

    def _another_agent(self) -> None:
        """It takes up what is on disk, which is not where it dies again."""
        self.agent.dies()
        share, self.deaths.share = self.deaths.share, 0.0
        self.agent.begin()
        self.deaths.share = share

    def _kill_role(self) -> None:
        self.role.process.kill()
        self.role.process.wait(20)

    def _hear(self, seconds: float) -> bool:
        """Take one message of the notifier's, waited for so long; whether there was one."""
        try:
            if self.role.silent(seconds):
                assert seconds < _SILENT, f"the notifier says nothing: {self.relay.said()[-2000:]}"
                return False
            received = self.role.link.receive()
        except OSError:
            received = None
        try:
            if received is None:
                self._next_role()
            else:
                self._take(received[0], received[1])
        except DiedError:
            self.reborn()
        return True

    def _next_role(self) -> None:
        self._bury_role()
        try:
            self.agent.parts()
        except DiedError:
            self.kills["agent"] += 1
            self._another_agent()
        self._begin_role()

    def _bury_role(self) -> None:
        self.kills["notifier"] += 1
        self._kill_role()
        self.role.link.close()
        self.role.lifeline.close()
        # What it said last the relay has heard before anything else happens.
        wait(self.relay.left, PATIENCE, self.relay.said)

    def _take(self, kind: Type, said: dict[str, Any]) -> None:
        message = validated(kind, said)
        if kind is Type.ABOUT:
            self._during(said["id"])
            if self._dies():
                self._kill_role()
        began = time.monotonic()
        if kind is Type.BOUNCED and (said["action"], said["status"][:3]) in (("failed", "5.1"), ("delivered", "2.0")):
            self._finals += 1
        self.agent.took(kind, message)
        self.seconds["agent"] += time.monotonic() - began
        if kind is Type.ABOUT and self._dies():
            time.sleep(self.chance.random() * 0.02)
            self._kill_role()

    def _during(self, step: str) -> None:
        """The recipient is named, and DATA is next: now and then, something happens right then."""
        if self.chance.random() >= 0.015:
            return
        case = self.agent.office.book.cases.get(self.agent.telling._dispatch._out.get(step, ""))
        if case is not None:
            what = self.chance.choice(_DURING)
            self.happened[f"during: {what}"] += 1
            getattr(self, what)(self.truth.servers[case.address])

    def _relay_goes(self) -> None:
        self._down = True
        self.relay.halt()

    def _relay_comes(self) -> None:
        self._down = False
        self.relay.resume()
