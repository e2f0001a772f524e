"""Knocking over an office of one customer: both clocks are in the test's hand, and the prober is a process or none."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.asked import OutcomeOf
from agent.consent import probing_txt
from agent.ipc import Type
from agent.knocking import Knocking
from agent.lab import leave
from agent.leave import Refusal, Request, Sighting
from agent.messages import validated
from agent.office import Office
from agent.permission import prober_section
from agent.sections import Audit, Config, Consent, Notices, Probe
from tests.ends import End

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
BEGINS = 1_795_514_400.0  # 2026-11-24T10:00:00Z, a Tuesday
_SAYS = frozenset({Type.OUTCOME, Type.CANCELLED})


class Line:
    """An office, and knocking over it. ``now`` is its wall clock, ``skew`` what its other clock is ahead of ours."""

    def __init__(self, directory: Path, port: int, **audit: str) -> None:
        self.directory = directory
        self.port = port
        self.now = BEGINS
        self.skew = 0.0
        self.sent: list[tuple[Type, dict[str, Any]]] = []
        self.ended: list[OutcomeOf] = []
        self.config = configured(directory, **audit)
        self.prober: subprocess.Popen[bytes] | None = None
        self.link: ipc.Link | None = None
        self._hosts = 0

    def open(self) -> None:
        """The office as it is on disk, and nobody who knocks."""
        self.office = Office(
            self.config, self.directory / "state", log=logging.getLogger("test"), now=lambda: self.now,
            monotonic=self.monotonic,
        )  # fmt: skip
        self.office.open()
        self.knocking = Knocking(
            self.office, candidates=list, sighted=lambda _: None, monotonic=self.monotonic, chance=lambda: 0.5,
            observe=lambda _: None, granted=lambda _: None, ended=self.ended.append, log=logging.getLogger("test"),
        )  # fmt: skip
        self.knocking.met(lambda kind, body: self.sent.append((kind, body)))
        self.office.sinks.tend(self.office.log, self.monotonic())
        self.until(lambda: self.office.sinks.age(self.monotonic()) is not None)

    def enrol(self, *hours: str) -> None:
        """All of 127.0.0.0/8 is one customer's, who has agreed."""
        describes = probing_txt.describes(probing_txt.facts(self.config))
        scope = leave.record("c-1", ["127.0.0.0/8"], self.now, port=self.port)["scope"]
        scope["window"]["hours"] = list(hours) or ["daily 00:00-24:00"]
        nets = ["127.0.0.0/8"]
        self.office.record([
            *leave.published(self.now), leave.checked(self.now, describes), leave.synced(self.now),
            leave.mapped("c-1", nets, self.now), leave.announced("c-1", self.now),
            leave.given("c-1", nets, self.now, scope=scope),
        ])  # fmt: skip

    def spawn(self) -> None:
        """A prober that is a process."""
        ours, theirs = socket.socketpair()
        ours.settimeout(60)
        self.prober = subprocess.Popen(
            [sys.executable, "-P", "-m", "probes.service", f"agent={theirs.fileno()}"],
            pass_fds=[theirs.fileno()], env={"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        theirs.close()
        self.link = End(ours, _SAYS)
        self.link.send(Type.SECTION, prober_section(self.config, self.office))
        self.knocking.met(self.link.send)

    def monotonic(self) -> float:
        return time.monotonic() + self.skew

    def ask(self, host: str = "") -> str:
        """The reason against knocking at a host, or at another one each time; "" where there is a grant."""
        self._hosts += 1
        answer = self.knocking.ask(request(host or f"127.1.{self._hosts}.1", self.port))
        return answer.reason if isinstance(answer, Refusal) else ""

    def hear(self, count: int = 1) -> list[str]:
        """The outcomes of so many probes, as the prober tells them."""
        told: list[str] = []
        while len(told) < count:
            received = self.link.receive() if self.link else None
            assert received is not None
            if received[0] is Type.OUTCOME:
                outcome: OutcomeOf = validated(*received)
                self.knocking.ended(outcome)
                told.append(outcome.outcome)
        return told

    def tend(self, seconds: float = 0.0) -> None:
        """So many seconds later."""
        self.skew += seconds
        self.office.tend()
        self.knocking.tend()

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.01)

    def on_record(self) -> tuple[list[int], list[tuple[int, str]]]:
        """Numbers of the intents, and outcomes with the number that each is about."""
        intents = [entry.number for entry in self.office.log.read(["probe.intent"])]
        outcomes = [(e.public["intent"], e.public["outcome"]) for e in self.office.log.read(["probe.outcome"])]
        return intents, outcomes

    def granted(self) -> list[int]:
        return [body["grant"]["number"] for kind, body in self.sent if kind is Type.GRANT]

    def close(self) -> None:
        if self.prober:
            self.prober.kill()
            self.prober.wait()
        if self.link:
            self.link.close()
        with suppress(Exception):
            self.office.close()


def configured(directory: Path, **audit: str) -> Config:
    return Config(
        consent=Consent(operator="Example ISP", public_url="https://isp.example/objections"),
        probe=Probe(
            armed=True, laboratory=True, sources=("127.0.0.1",), contact="mailto:abuse@isp.example", per_minute=60,
            probing_url="https://isp.example/.well-known/probing.txt",
        ),
        audit=Audit.model_validate(audit or {"file": str(directory / "checkpoints")}),
        notices=Notices(route="abuse@isp.example"),
    )  # fmt: skip


def request(host: str, port: int) -> Request:
    seen = Sighting("EX01", (), ("exchange",), build_known=False, last_seen=BEGINS)
    return Request(host, port, "exchange-http", "schedule", seen)


def outcome(grant: dict[str, Any], **changes: Any) -> OutcomeOf:
    knock = {"source": "127.0.0.1", "source_port": 40_000, "address": grant["address"], "port": 443, "time": 1.0}
    written = {
        "id": grant["id"], "outcome": "confirmed", "detail": "", "knocks": [knock], "statuses": [401], "bytes": 100,
        "milliseconds": 20, "certificate": "", "told": [],
    }  # fmt: skip
    return OutcomeOf.model_validate(written | changes)
