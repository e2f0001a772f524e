"""Notices by a real relay: Postfix with TLS and a password. What arrives, what it refuses, what comes back."""

from __future__ import annotations

import time
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest

from agent.ipc import Type
from tests.exporters.notices.test_notifier_service import Role, told
from tests.live.post import PASSWORD, Post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def post(able: None) -> Iterator[Post]:
    with Post() as made:
        yield made


@pytest.fixture
def begin(post: Post, tmp_path: Path) -> Iterator[Callable[..., Role]]:
    """Starts the role, with a mailbox for what comes back."""
    (tmp_path / "relay-password").write_text(PASSWORD)
    for place in ("", "new", "cur", "tmp"):
        (post.returned / place).mkdir(parents=True, exist_ok=True)
    for place in ("new", "cur", "tmp"):
        (post.returned / place).chmod(0o777)
    keys = {"tls": "starttls", "ca": str(post.ca), "user": "notices", "bounces": str(post.returned)}
    roles = []

    def begun() -> Role:
        roles.append(Role(told(0, **keys) | {"relay": post.relay}, tmp_path))
        return roles[-1]

    yield begun
    for role in roles:
        if role.process.poll() is None:
            role.end()


def arrived(box: Path, many: int) -> list[bytes]:
    deadline = time.monotonic() + 60
    while len(found := list(box.glob("new/*"))) < many:
        assert time.monotonic() < deadline, f"{len(found)} arrived"
        time.sleep(0.05)
    return [one.read_bytes() for one in found]


def test_what_arrives_what_is_refused_and_what_comes_back(post: Post, begin: Callable[..., Role]) -> None:
    role = begin()
    role.due(to="admin@bakery.example")
    sent = role.go()
    assert (sent["outcome"], sent["code"], sent["detail"]) == ("sent", 250, "2.0.0"), post.said()
    (content,) = arrived(post.mail / "admin", 1)
    mail = message_from_bytes(content, policy=default)
    assert (mail["To"], mail["Message-ID"]) == ("admin@bakery.example", "<abc.1@isp.example>")
    assert mail["Delivered-To"] == "admin@bakery.example"
    assert "C-1042" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr,attr-defined]

    for to, code, status in (("busy", 450, "4.2.1"), ("gone", 550, "5.1.1")):
        role.due(to=f"{to}@bakery.example")
        outcome = {450: "later", 550: "refused"}[code]
        assert role.hears(Type.SENT) == {"id": "00000000", "outcome": outcome, "code": code, "detail": status}
    role.due(to="admin@bakery.example")
    assert role.go(go=False)["outcome"] == "cancelled"
    role.due(to="nobody@bakery.example", message_id="<abc.2@isp.example>")
    assert role.go()["outcome"] == "sent", "and by the same connection"
    assert "disconnect" not in post.said().partition("sasl_username=notices")[2]
    role.end()

    arrived(post.returned, 2)
    role = begin()
    came = sorted((role.hears(Type.BOUNCED) for _ in range(2)), key=lambda one: str(one["message_id"]))
    assert came == [
        {"message_id": "<abc.1@isp.example>", "action": "delivered", "status": "2.0.0"},
        {"message_id": "<abc.2@isp.example>", "action": "failed", "status": "5.1.1"},
    ]
    for one in came:
        role.link.send(Type.HEARD, {"message_id": one["message_id"], "ours": True})
    deadline = time.monotonic() + 60
    while len(list((post.returned / "cur").glob("*:2,S"))) < 2:
        assert time.monotonic() < deadline, "not marked"
        time.sleep(0.05)
    assert len(arrived(post.mail / "admin", 1)) == 1, "what was cancelled arrived nowhere"
