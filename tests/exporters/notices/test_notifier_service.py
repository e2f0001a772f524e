"""The notifier between agent and relay: one DATA for one leave, whoever dies when, and nothing of anybody in a log."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc, usage
from agent.ipc import Type
from agent.lab.relay import HANG_UP, Scripted, context
from agent.messages import validated
from agent.notice import WORKED
from exporters.notices import service
from exporters.notices.examples import example
from tests.asking import until
from tests.ends import End
from tests.exporters.certificates import Authority
from tests.exporters.notices.returned import OTHERS, postfix
from tests.exporters.notices.test_mail import section
from tests.live.world import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ACCEPTED = frozenset({Type.ABOUT, Type.SENT, Type.BOUNCED, Type.TAKEN})
TO = "canary-person@canary-bakery.example"
# What no line of a log may hold: whom we write to, what we say, whose server it is.
CANARIES = ("canary", "192.0.2.10", "C-1042", "K-7", "ProxyShell", "abc.1")


class Role:
    """The notifier as a process, and the agent's end of its link."""

    def __init__(self, body: dict[str, Any], credentials: Path | None = None) -> None:
        self.lifeline, theirs = socket.socketpair()
        ours, link = socket.socketpair()
        self.start(link, theirs, {"CREDENTIALS_DIRECTORY": str(credentials)} if credentials else {})
        self.body = body
        self.meet(ours)

    def start(self, link: socket.socket, lifeline: socket.socket, environment: dict[str, str]) -> None:
        passed = (link.fileno(), lifeline.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "exporters.notices.service", f"agent={passed[0]}", f"lifeline={passed[1]}"],
            pass_fds=passed, stderr=subprocess.PIPE, env=os.environ | environment,
        )  # fmt: skip
        link.close()
        lifeline.close()

    def code(self) -> int:
        return self.process.wait(PATIENCE)

    def meet(self, ours: socket.socket) -> None:
        ours.settimeout(PATIENCE)
        self.link = End(ours, ACCEPTED)
        self.link.send(Type.SECTION, self.body)

    def next_agent(self) -> None:
        """The agent dies, and there is another."""
        self.link.close()
        ours, theirs = socket.socketpair()
        ipc.hand_over(self.lifeline, theirs)
        theirs.close()
        self.meet(ours)

    def due(
        self,
        step: str = "0" * 8,
        to: str = TO,
        message: str = "tell",
        message_id: str = "<abc.1@isp.example>",
        **facts: Any,
    ) -> None:
        told = example(message, "nl").model_copy(update={"customer": "C-1042", "case": "K-7", **facts})
        body = {"id": step, "message_id": message_id, "to": to, "facts": told.model_dump(mode="json")}
        validated(Type.DUE, body)
        self.link.send(Type.DUE, body)

    def hears(self, kind: Type) -> dict[str, Any]:
        received = self.link.receive()
        assert received
        assert received[0] is kind, received
        return received[1]

    def go(self, go: bool = True) -> dict[str, Any]:
        """Give leave to the next, and what became of it."""
        about = self.hears(Type.ABOUT)
        self.link.send(Type.GO, {"id": about["id"], "go": go})
        return self.hears(Type.SENT)

    def silent(self, seconds: float = 0.2) -> bool:
        return self.link.silent(seconds)

    def end(self, how: int = signal.SIGTERM) -> tuple[int, str]:
        """End it: its exit code, and its log."""
        self.process.send_signal(how)
        said = self.process.communicate(timeout=PATIENCE)[1].decode()
        self.link.close()
        self.lifeline.close()
        return self.process.returncode, said


class Inside(Role):
    """The same as a thread of this process, which has no signals and keeps its environment and its log."""

    def start(self, link: socket.socket, lifeline: socket.socket, environment: dict[str, str]) -> None:
        self.codes: list[int] = []
        os.environ.update(environment)
        words = [f"agent={link.detach()}", f"lifeline={lifeline.detach()}"]
        self.thread = threading.Thread(target=lambda: self.codes.append(service.main(words)), daemon=True)
        self.thread.start()

    def code(self) -> int:
        self.thread.join(PATIENCE)
        return self.codes[0]

    def end(self, how: int = signal.SIGTERM) -> tuple[int, str]:
        self.lifeline.close()
        with suppress(OSError):
            self.link.connection.shutdown(socket.SHUT_RDWR)
        self.link.close()
        return self.code(), ""


def told(port: int, **keys: Any) -> dict[str, Any]:
    return section(port, **keys).model_dump()


@pytest.fixture
def there() -> Iterator[Scripted]:
    with Scripted() as made:
        yield made


@pytest.fixture
def begun() -> Iterator[Callable[..., Role]]:
    yield from beginning(Role)


@pytest.fixture(params=[Role, Inside], ids=["process", "thread"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Role]]:
    """As a process, as it is; and as a thread, where what it does is measured."""
    if request.param is Inside:
        alone(monkeypatch)
    yield from beginning(request.param)


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Role]]:
    """As a thread alone, where its clocks are changed."""
    alone(monkeypatch)
    yield from beginning(Inside)


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread leaves alone what is of the whole process."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(service, "begin", lambda *_: logging.getLogger("notifier"))


def beginning(kind: type[Role]) -> Iterator[Callable[..., Role]]:
    roles = []

    def begin(body: dict[str, Any], credentials: Path | None = None) -> Role:
        roles.append(kind(body, credentials))
        return roles[-1]

    yield begin
    for role in roles:
        if kind is Inside or role.process.poll() is None:
            role.end(signal.SIGKILL)


def test_several_go_by_one_connection_and_as_the_agent_says(there: Scripted, either: Callable[..., Role]) -> None:
    role = either(told(there.port))
    role.due("00000001")
    role.due("00000002", message="owner")
    role.due("00000003")
    about = role.hears(Type.ABOUT)
    assert about["id"] == "00000001"
    assert "DATA" not in there.verbs()
    assert role.silent(), "one at a time"
    role.link.send(Type.GO, {"id": "00000099", "go": True})
    assert role.silent(), "leave for another is none"
    role.link.send(Type.GO, {"id": "00000001", "go": True})
    assert role.hears(Type.SENT) == {"id": "00000001", "outcome": "sent", "code": 250, "detail": "2.0.0"}
    # The second has named its recipient, so this is for the third, which follows without a word of ours.
    about = role.hears(Type.ABOUT)
    there.says["RCPT"] = f"550 5.1.1 <{TO}>: unknown"
    role.link.send(Type.GO, {"id": about["id"], "go": False})
    assert role.hears(Type.SENT) == {"id": "00000002", "outcome": "cancelled", "code": 0, "detail": ""}
    assert role.hears(Type.SENT) == {"id": "00000003", "outcome": "refused", "code": 550, "detail": "5.1.1"}
    assert (there.verbs().count("DATA"), there.connections) == (1, 1)

    mail = message_from_bytes(there.mails[0], policy=default)
    assert (mail["To"], mail["Message-ID"]) == (TO, "<abc.1@isp.example>")
    assert mail["From"] == "Example Net <notices@isp.example>"
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/json"]
    assert role.end()[0] in (0, 75)
    assert until(lambda: there.verbs()[-1] == "QUIT")


def test_whose_address_is_none_is_written_to_by_nobody(there: Scripted, either: Callable[..., Role]) -> None:
    role = either(told(there.port))
    role.due(to="a@b.example, c@d.example")
    assert role.hears(Type.SENT)["detail"] == "address"
    assert there.connections == 0


def test_killed_after_leave_there_was_one_data_and_nothing_is_told(there: Scripted, begun: Callable[..., Role]) -> None:
    there.says["END"] = "250-2.0.0 not yet"  # a reply that does not come to its end
    role = begun(told(there.port))
    role.due()
    role.link.send(Type.GO, {"id": role.hears(Type.ABOUT)["id"], "go": True})
    assert until(lambda: there.mails)
    role.end(signal.SIGKILL)
    assert role.link.connection.fileno() == -1
    assert there.verbs().count("DATA") == 1


def test_who_is_asked_to_end_in_the_middle_tells_first_what_became_of_it(begun: Callable[..., Role]) -> None:
    with Scripted({"END": "250-2.0.0 not yet"}) as there:
        role = begun(told(there.port))
        role.due()
        role.due("00000002")
        role.link.send(Type.GO, {"id": role.hears(Type.ABOUT)["id"], "go": True})
        assert until(lambda: there.mails)
        role.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert role.process.poll() is None
        assert there._one
        there._one.sendall(b"250 2.0.0 Ok\r\n")
        assert role.hears(Type.SENT)["outcome"] == "sent"
        assert role.process.wait(PATIENCE) == 0
        assert there.verbs().count("DATA") == 1, "and not the next"


@pytest.mark.parametrize("when", ["before leave", "after leave"])
def test_an_agent_that_dies_is_followed_by_one_that_says_anew(
    there: Scripted, either: Callable[..., Role], when: str
) -> None:
    role = either(told(there.port))
    role.due()
    role.due("00000002")
    about = role.hears(Type.ABOUT)
    if when == "after leave":
        role.link.send(Type.GO, {"id": about["id"], "go": True})
    role.next_agent()
    assert until(lambda: there.verbs().count("DATA") == (when == "after leave"))
    assert role.silent(), "what the one before wanted is forgotten"
    assert there.verbs().count("DATA") == (when == "after leave")
    role.due()
    assert role.go()["outcome"] == "sent"
    assert there.verbs().count("DATA") == 1 + (when == "after leave")


def test_another_relay_is_for_another_process_and_another_level_is_not(
    there: Scripted, either: Callable[..., Role]
) -> None:
    role = either(told(there.port))
    role.link.send(Type.SECTION, role.body | {"log": {"level": "debug", "format": "json"}})
    role.due()
    assert role.go()["outcome"] == "sent"
    role.link.send(Type.SECTION, role.body | {"sender": "others@isp.example"})
    assert role.code() == 75


def test_bounces_are_told_and_marked_when_the_agent_has_them(
    there: Scripted, either: Callable[..., Role], tmp_path: Path
) -> None:
    for place in ("new", "cur", "tmp"):
        (tmp_path / "mail" / place).mkdir(parents=True)
    (tmp_path / "mail/new/1").write_text(postfix("<abc.1@isp.example>", "failed", "5.1.1"))
    (tmp_path / "mail/new/2").write_text(OTHERS["out of office"])
    role = either(told(there.port, bounces=str(tmp_path / "mail")))
    bounce = {"message_id": "<abc.1@isp.example>", "action": "failed", "status": "5.1.1"}
    assert role.hears(Type.BOUNCED) == bounce
    assert (tmp_path / "mail/new/1").exists()
    role.next_agent()
    assert role.hears(Type.BOUNCED) == bounce
    role.link.send(Type.HEARD, {"message_id": bounce["message_id"], "ours": True})
    assert until((tmp_path / "mail/cur/1:2,S").exists)
    assert (tmp_path / "mail/new/2").exists()


def test_what_it_counts_reaches_the_agent_though_nothing_else_happens(
    there: Scripted, inside: Callable[..., Role], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "PAUSE", 0.05)
    for place in ("new", "cur", "tmp"):
        (tmp_path / "mail" / place).mkdir(parents=True)
    (tmp_path / "mail/new/1").write_text(postfix("<abc.1@isp.example>", "failed", "5.1.1"))
    (tmp_path / "mail/new/2").write_text(OTHERS["out of office"])
    (tmp_path / "webhook-secret").write_text("sixteen letters!")
    there.says["MAIL"] = "451 4.3.0 later"
    keys = {"bounces": str(tmp_path / "mail"), "webhook": "https://127.0.0.1:1/"}
    role = inside(told(there.port, **keys), tmp_path)
    bounce = role.hears(Type.BOUNCED)
    role.link.send(Type.HEARD, {"message_id": bounce["message_id"], "ours": True})
    role.due()
    assert role.hears(Type.SENT)["outcome"] == "later"
    event = {"id": "ab" * 16, "event": "sent", "time": 0, "message_id": "<abc.1@isp.example>", "step": "0" * 8,
             "message": "tell", "case": "K-7", "severity": "high", "lang": "nl", "status": ""}  # fmt: skip
    role.link.send(Type.EVENT, event)  # too old to be tried twice
    assert role.hears(Type.TAKEN) == {"id": event["id"]}
    wanted = {"mails.later": 1, "mails.sent": 0, "bounces.ours": 1, "bounces.others": 1, "webhook.given_up": 1}

    def counted() -> bool:
        received = ipc.Link.receive(role.link)
        assert received and received[0] is Type.USAGE
        work = validated(Type.USAGE, received[1]).work
        assert work.keys() == WORKED
        return wanted.items() <= work.items()

    assert until(counted)


def test_no_line_of_any_level_tells_of_anybody(begun: Callable[..., Role], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("relay")
    (tmp_path / "relay-password").write_text("canary-password\n")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/tell.nl.txt").write_text("Onderwerp: x\n\n{{ customer.no_such_thing }}\n")
    keys = {"tls": "starttls", "ca": str(authority.file), "user": "notices", "templates": str(tmp_path / "own")}
    said = ""
    with Scripted(tls=context(tmp_path)) as there:
        role = begun(told(there.port, **keys) | {"log": {"level": "debug", "format": "logfmt"}}, tmp_path)
        role.due()
        assert role.hears(Type.SENT)["detail"] == "template"
        for says in ({}, {"RCPT": f"550 5.1.1 <{TO}>: unknown"}, {"RCPT": f"554 5.7.1 <{TO}>: Relay access denied"},
                     {"MAIL": f"451 4.3.0 {TO}"}, {"END": f"550 5.7.1 {TO}"}, {"END": HANG_UP},
                     {"AUTH": f"535 5.7.8 {TO}"}):  # fmt: skip
            there.says = says
            there.cut()
            role.due(message="contact")
            received = role.link.receive()
            if received and received[0] is Type.ABOUT:
                role.link.send(Type.GO, {"id": received[1]["id"], "go": True})
                role.hears(Type.SENT)
        role.due(to="canary no address")
        role.hears(Type.SENT)
        code, said = role.end()
    assert code == 0
    assert said.count("\n") > 5, said
    assert not [canary for canary in CANARIES if canary in said], said


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"user": "notices"}, "needs the credential relay-password; put it into /etc/credstore/"),
        ({"user": "n\u00f3tices"}, "notices.user: name and password are said in ASCII"),
        ({"webhook": "https://hooks.isp.example/"}, "notices.webhook: needs the credential webhook-secret"),
        ({"tls": "tls", "ca": "/none"}, "notices.ca: /none: No such file"),
        ({"bounces": "/none"}, "notices.bounces: /none: No such file"),
    ],
)
def test_what_the_operator_has_to_mend_is_said(
    begun: Callable[..., Role], tmp_path: Path, keys: dict[str, str], wanted: str
) -> None:
    (tmp_path / "relay-password").write_text("a password")
    role = begun(told(25, **keys), tmp_path if "n\u00f3tices" in keys.values() else None)
    said = role.process.communicate(timeout=PATIENCE)[1].decode()
    assert (role.process.returncode, wanted in said, "Traceback" in said) == (78, True, False), said


def test_it_is_small(there: Scripted, begun: Callable[..., Role], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    for place in ("new", "cur", "tmp"):
        (tmp_path / "mail" / place).mkdir(parents=True)
    (tmp_path / "webhook-secret").write_text("sixteen letters!")
    keys = {"bounces": str(tmp_path / "mail"), "webhook": "https://127.0.0.1:1/", "ca": str(authority.file)}
    role = begun(told(there.port, **keys), tmp_path)
    role.due()
    assert role.go()["outcome"] == "sent"
    with open(f"/proc/{role.process.pid}/status") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    assert resident < 64 << 10, f"{resident} KiB"
