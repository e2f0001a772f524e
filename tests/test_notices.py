"""From a case to the relay, with the agent's part and the notifier both as they are: whatever dies, one Message-ID."""

from __future__ import annotations

import json
import signal
import time
from email import message_from_bytes
from email.policy import default
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from agent.ipc import Type
from agent.lab import leave
from agent.lab.relay import HANG_UP, Scripted
from agent.messages import validated
from tests.agent.telling_world import CUSTOMER, MAIL, World, world
from tests.exporters.certificates import Authority
from tests.exporters.notices.test_notifier_service import Role, told
from tests.exporters.notices.test_webhook import Listener, listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_AT_ONCE = 0.01  # seconds for which the notifier is listened to before the agent's clock goes on


class Line:
    """The agent's part and a notifier process, and what goes between them."""

    def __init__(
        self,
        agent: World,
        relay: Scripted,
        keys: Mapping[str, str] = MappingProxyType({}),
        credentials: Path | None = None,
    ) -> None:
        self.agent, self.relay, self.keys, self.credentials = agent, relay, keys, credentials
        self.role = self._begun()
        self._passed = 0
        self.outcomes: list[str] = []

    def _begun(self) -> Role:
        return Role(told(self.relay.port, **self.keys), self.credentials)

    def dies(self) -> None:
        """The notifier does, and there is another."""
        self.role.end(signal.SIGKILL)
        self.agent.goes()
        self.role = self._begun()
        self.agent.comes()
        self._passed = 0

    def turn(self, stop: Callable[[Type], bool] = lambda kind: False) -> bool:
        """Pass on what there is; True where ``stop`` said so of a message of the notifier's, which is lost then."""
        assert self.agent.notifier is not None
        said = self.agent.doors.told[self.agent.notifier]
        for kind, body in said[self._passed :]:
            self.role.link.send(kind, body)
        self._passed = len(said)
        if self.role.silent(_AT_ONCE):
            return False
        received = self.role.link.receive()
        assert received
        kind, body = received
        if stop(kind):
            return True
        if kind is Type.SENT:
            self.outcomes.append(body["outcome"])
        assert self.agent.telling.took(self.agent.notifier, kind, validated(kind, body))
        return False

    def until(self, what: Callable[[], object], stop: Callable[[Type], bool] = lambda kind: False) -> None:
        deadline = time.monotonic() + 60
        while not what():
            assert time.monotonic() < deadline, (self.outcomes, self.relay.said)
            if self.turn(stop):
                return
            if not self.has_some():
                self.agent.passes(20.0, 20.0)

    def has_some(self) -> bool:
        """Whether the notifier has something before it: for as long as that takes, the agent's clock stands."""
        telling = self.agent.telling
        return bool(telling._dispatch._out or telling._letters._out or telling._passing._handed)

    def sent(self) -> bool:
        return self.agent.steps()[0] == ("tell", "sent")

    def arrived(self) -> list[tuple[str | None, str | None]]:
        mails = [message_from_bytes(mail) for mail in self.relay.mails]
        return [(mail["To"], mail["Message-ID"]) for mail in mails]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with world(tmp_path) as agent, Scripted() as relay:
        agent.sees()
        agent.passes(2, 1.0)
        made = Line(agent, relay)
        yield made
        made.role.end(signal.SIGKILL)


def test_a_case_is_told_once(line: Line) -> None:
    line.until(line.sent)
    assert line.arrived() == [(MAIL, line.agent.step("tell").message_id)]
    # What is kept of it is what arrived, word for word.
    (kept,) = line.agent.office.book.texts(line.agent.case().id)
    mail = message_from_bytes(line.relay.mails[0], policy=default)
    part = mail.get_body(("plain",))
    assert part is not None
    assert kept.text == f"{mail['Subject']}\n\n{part.get_content()}".replace("\r\n", "\n") and len(kept.text) > 1000
    assert line.agent.telling.body()["uncertain"] == 0  # type: ignore[index]


@pytest.mark.parametrize(("lost", "uncertain"), [(Type.ABOUT, 0), (Type.SENT, 1)])
def test_a_notifier_that_is_killed_leaves_one_message_id(line: Line, lost: Type, uncertain: int) -> None:
    line.until(lambda: False, lambda kind: kind is lost)
    line.dies()
    line.until(line.sent)
    step = line.agent.step("tell")
    assert line.arrived() == [(MAIL, step.message_id)] * (1 + uncertain)
    assert step.uncertain == uncertain


@pytest.mark.parametrize("point", ["GREETING", "MAIL", "DATA", "content", "END"])
def test_a_relay_that_hangs_up_gets_it_later(line: Line, point: str) -> None:
    line.relay.says[point] = HANG_UP
    line.until(lambda: line.outcomes)
    line.relay.says.clear()
    line.until(line.sent)
    step = line.agent.step("tell")
    assert len(line.arrived()) == 1 + (point == "END")
    assert set(line.arrived()) == {(MAIL, step.message_id)}
    assert step.uncertain == (line.outcomes[0] == "uncertain")


def test_who_objects_between_recipient_and_data_is_sent_nothing(line: Line) -> None:
    def objects(kind: Type) -> bool:
        if kind is Type.ABOUT:
            line.agent.office.record([leave.objected(CUSTOMER, None, line.agent.clock.wall)])
        return False

    line.until(lambda: line.outcomes, objects)
    assert line.outcomes == ["cancelled"]
    assert line.arrived() == [] and "RSET" in line.relay.verbs() and "DATA" not in line.relay.verbs()


def test_whom_the_relay_does_not_know_is_sent_nothing(line: Line) -> None:
    line.relay.says["RCPT"] = f"550 5.1.1 <{MAIL}>: unknown"
    line.until(lambda: ("tell", "refused") in line.agent.steps())
    assert line.arrived() == []


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[tuple[Line, Listener]]:
    """With a webhook that answers."""
    authority = Authority(tmp_path)
    authority.issue("relay")
    (tmp_path / "webhook-secret").write_text("sixteen letters!")
    with listening(tmp_path) as listener:
        keys = {"webhook": f"https://127.0.0.1:{listener.server_port}/notices", "ca": str(authority.file)}
        with world(tmp_path, webhook=keys["webhook"]) as agent, Scripted() as relay:
            agent.sees()
            agent.passes(2, 1.0)
            made = Line(agent, relay, keys, tmp_path)
            yield made, listener
            made.role.end(signal.SIGKILL)


def events(listener: Listener) -> list[tuple[str, str]]:
    return [(event["id"], event["event"]) for event in (json.loads(body) for _, _, body in listener.got)]


@pytest.mark.parametrize("codes", [[204], [503]], ids=["taken", "not taken"])
def test_what_a_notifier_that_is_killed_had_for_the_webhook_is_told_by_the_next(
    hooked: tuple[Line, Listener], codes: list[int]
) -> None:
    line, listener = hooked
    listener.codes = list(codes)
    line.until(lambda: listener.got, lambda kind: kind is Type.TAKEN)
    first = events(listener)
    assert [event for _, event in first] == ["sent"]
    line.dies()  # before it could say what became of it
    before = len(listener.got)
    line.until(lambda: len(listener.got) > before)
    line.until(lambda: line.agent.telling._passing.oldest() is None)
    assert set(events(listener)) == set(first), "once more, and by the same id"
    line.dies()
    before = len(listener.got)
    line.agent.passes(60.0, 1.0)
    for _ in range(20):
        line.turn()
    assert len(listener.got) == before, "what was taken is not told again"
