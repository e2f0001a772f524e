"""Who is let in to single servers: by real sockets, with password and certificate, and as whom the agent is asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from agent import ipc
from agent.ipc import Type
from agent.messages import ExporterSection, validated
from agent.notice import Viewed
from exporters import service, web
from exporters.service import Agent, Latest, pages
from tests.exporters.console.snapshots import NOW, snapshot
from tests.exporters.test_entrance import ASKED, SECRET, TLS, USERS, Place, asked, basic
from tests.live.world import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporters.entrance import Entrance

RECENT = b"GET /recent HTTP/1.0\r\n"
SECTION = {"log": {"level": "error", "format": "logfmt"}, "web_config": "web.yml", "viewers": ["anna", "dora"]}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class Served:
    """``users``: as whom the agent was asked."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self.latest = Latest()
        self.latest.section(ExporterSection.model_validate(SECTION))

    def view(self, page: str, words: dict[str, str], user: str) -> Viewed:
        self.users.append(user)
        return Viewed(number=1, items=[])

    @contextlib.contextmanager
    def behind(self, guards: Entrance | None) -> Iterator[tuple[str, int]]:
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        served = web.Web(listener, pages(self.latest, lambda: None, self.view), guards)
        threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield listener.getsockname()
        finally:
            served.shutdown()
            listener.close()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setattr(service, "begin", lambda *_: None)
    return Served()


def status(answer: bytes) -> int:
    return int(answer.split()[1])


def test_by_password(place: Place, served: Served) -> None:
    with served.behind(place.entrance(TLS + USERS)) as where:
        client = place.client()
        assert status(asked(where, client, request=RECENT)) == 401
        assert status(asked(where, client, basic("anna", "wrong"), RECENT)) == 401
        assert served.users == []
        assert status(asked(where, client, basic("anna", "secret"), RECENT)) == 200
        assert served.users == ["anna"]


def test_a_user_who_is_no_viewer_sees_counts_alone(place: Place, served: Served) -> None:
    with served.behind(place.entrance(f"{USERS}  carol: {SECRET}\n")) as where:
        assert status(asked(where, None, basic("carol", "secret"), RECENT)) == 403
        assert status(asked(where, None, basic("carol", "secret"), b"GET / HTTP/1.0\r\n")) == 200
        assert served.users == []


def test_by_certificate(place: Place, served: Served) -> None:
    for who in ("dora", "prometheus"):
        place.clients.issue(who)
    with served.behind(place.entrance(ASKED + "VerifyClientCertIfGiven\n")) as where:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            assert status(asked(where, place.client("dora", version), request=RECENT)) == 200
        assert status(asked(where, place.client("prometheus"), request=RECENT)) == 403
        assert status(asked(where, place.client(), request=RECENT)) == 403
        # A name that somebody only claims is nobody's.
        assert status(asked(where, place.client(), basic("anna", "secret"), RECENT)) == 403
        assert served.users == ["dora", "dora"]


def test_where_there_are_passwords_the_certificate_is_not_the_user(place: Place, served: Served) -> None:
    place.clients.issue("dora")
    with served.behind(place.entrance(ASKED + "RequireAndVerifyClientCert\n" + USERS)) as where:
        client = place.client("dora")
        assert status(asked(where, client, request=RECENT)) == 401
        assert status(asked(where, client, basic("anna", "secret"), RECENT)) == 200
        assert served.users == ["anna"]


def test_without_a_web_configuration_nobody_is_anybody(served: Served) -> None:
    with served.behind(None) as where:
        for head in (b"", basic("anna", "secret"), b"X-Remote-User: anna\r\nRemote-User: anna\r\n"):
            assert status(asked(where, None, head, RECENT)) == 403
        assert served.users == []


def test_methods_and_what_a_head_may_do(place: Place, served: Served) -> None:
    with served.behind(place.entrance(USERS)) as where:
        anna = basic("anna", "secret")
        head, _, body = asked(where, None, anna, b"HEAD /recent HTTP/1.0\r\n").partition(b"\r\n\r\n")
        assert (status(head), body) == (200, b"")
        for method, wanted in ((b"POST", 405), (b"PUT", 501), (b"DELETE", 501), (b"OPTIONS", 501)):
            for path in (b"/", b"/recent", b"/servers", b"/console.css"):
                assert status(asked(where, None, anna, method + b" " + path + b" HTTP/1.0\r\n")) == wanted
        assert b"Cache-Control: no-store" in head


def test_what_a_query_says_makes_nothing_connect_anywhere(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tempting, served.behind(None) as where:
        there = f"127.0.0.1:{tempting.getsockname()[1]}".encode()
        for path in (b"/", b"/about", b"/recent", b"/servers", b"/servers/s-aaaaaaaaaaaaaaaa", b"/console.css"):
            for query in (b"?target=", b"?url=http://", b"?server=", b"?page=", b"//"):
                assert asked(where, None, request=b"GET " + path + query + there + b" HTTP/1.0\r\n")
        tempting.settimeout(0.1)
        with pytest.raises(TimeoutError):
            tempting.accept()


def test_a_view_goes_by_the_agent_and_its_answer_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_NOTES", PATIENCE)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(PATIENCE)
        agent, other = Agent(ipc.Link(ours, frozenset({Type.VIEWED}))), ipc.Link(theirs, frozenset({Type.VIEW}))
        got: list[Viewed] = []
        asking = threading.Thread(target=lambda: got.append(agent.view("server", {"server": "s-x"}, "anna")))
        asking.start()
        received = other.receive()
        assert received is not None
        body = validated(*received)
        assert (body.page, body.words, body.user) == ("server", {"server": "s-x"}, "anna")
        agent.answered(Viewed(number=body.number + 1, items=[], error="somebody else's"))
        agent.answered(Viewed(number=body.number, items=[{"is": "server"}]))
        asking.join(PATIENCE)
        assert got[0].items == [{"is": "server"}]


def test_an_agent_that_says_nothing_is_waited_for_no_longer_than_for_an_objection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "_NOTES", 0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        agent = Agent(ipc.Link(ours, frozenset()))
        with pytest.raises(TimeoutError):
            agent.view("recent", {}, "anna")
        assert agent._waiting == {}


def test_what_moves_is_told_from_a_snapshot_of_a_while_ago() -> None:
    latest = Latest()
    for at in range(0, 200, 20):
        latest.show(snapshot(time=NOW + at))
    assert latest.before is not None
    assert latest.snapshot is not None
    assert 60 <= latest.snapshot.time - latest.before.time <= 120
    latest.show(snapshot(time=NOW + 300, started=NOW))
    assert latest.before is latest.snapshot, "an agent that is new counts from 0"


def test_a_scrape_pays_nothing_for_the_console() -> None:
    """Who only scrapes loads no template, and is asked for no user."""
    program = (
        "import sys\nfrom exporters.service import Latest, pages\n"
        "made = pages(Latest(), lambda: None)\n"
        "def who(): raise AssertionError\n"
        "assert made.answer('/metrics', '', who).status == 200\n"
        "assert not [name for name in sys.modules if name.startswith(('jinja2', 'agent.tuning'))]\n"
        "assert made.answer('/', '', who).status == 200\nassert 'jinja2' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
