"""Leave by mail, whole: agent's part, notifier, relay, exporter, a customer with a browser, and his mail's scanner."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import ipc
from agent.consent.gate import ConsentGate
from agent.ipc import Type
from agent.lab import leave
from agent.lab.relay import Scripted
from agent.leave import Refusal
from agent.messages import validated
from agent.notice import ANSWERS, Answered, AnswerTold
from exporters import service
from exporters.answer_links import Links
from exporters.frame import Names
from exporters.web import Posted
from tests.agent import leaving
from tests.agent.asking_world import URL, Asking, asking
from tests.agent.leaving import HOST, NET
from tests.agent.telling_world import CUSTOMER, OWNER
from tests.asking import until
from tests.exporters.test_answers import asked, post, status
from tests.exporters.test_exporter_service import SECTION
from tests.test_notices import Line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Site:
    """The exporter role with its socket for answers, before an agent whose part is ``world``."""

    def __init__(self, world: Asking) -> None:
        self.world = world
        self.peer = world.doors.come("exporter")
        ours, theirs = socket.socketpair()
        listener = socket.create_server(("127.0.0.1", 0))
        self.where = listener.getsockname()
        words = [f"agent={theirs.detach()}", f"answers={listener.detach()}"]
        self.thread = threading.Thread(target=service.main, args=(words,), daemon=True)
        self.thread.start()
        ours.settimeout(60)
        self.link = ipc.Link(ours, frozenset({Type.SHOWN, Type.ANSWER}))
        self.link.send(Type.SECTION, SECTION | {"operator": "Example ISP", "contact": "abuse@isp.example"})

    def end(self) -> None:
        self.link.close()
        self.thread.join(60)

    def says(self, request: bytes) -> bytes:
        """The response to a request that the agent is asked about."""
        response = asked(self.where, request)
        received = self.link.receive()
        assert received is not None and received[0] is Type.ANSWER
        assert self.world.telling.took(self.peer, received[0], validated(*received))
        kind, body = self.world.doors.told[self.peer][-1]
        self.link.send(kind, body)
        return response()

    def get(self, link: str, method: str = "GET") -> bytes:
        return self.says(f"{method} {path(link)} HTTP/1.0\r\n\r\n".encode())

    def press(self, link: str, action: str) -> bytes:
        return self.says(post(f"action={action}".encode(), path=path(link)))


def path(link: str) -> str:
    """As the operator's proxy passes it on."""
    return link.removeprefix(URL).partition("#")[0]


@contextmanager
def site(world: Asking, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(service, "begin", lambda *_: None)
    made = Site(world)
    yield made
    made.end()


def decided(world: Asking) -> Any:
    """What the gate says of a knock at his server now, a checkpoint having left and the mapping having been read."""
    world.office.record([leave.synced(world.clock.wall)])
    world.office.tend()
    assert until(lambda: (world.office.sinks.age(world.clock.steady) or 0.0) < 60.0)
    gate = ConsentGate(world.office, world.clock.monotonic, lambda: "00" * 16)
    return gate.decide(leaving.request(HOST, seen_at=world.clock.wall), world.office.conditions())


def words(mail: bytes) -> str:
    """The text of a mail, as its reader sees it."""
    part = message_from_bytes(mail, policy=default).get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def links(mail: bytes) -> list[str]:
    return re.findall(rf"{re.escape(URL)}/\S+", words(mail))


def test_from_the_request_to_a_knock_and_to_no_more_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with asking(tmp_path) as world, Scripted() as relay, site(world, monkeypatch) as web:
        line = Line(world, relay)
        try:
            assert world.asks()[0]["record"]
            line.until(lambda: relay.mails and not world.office.requests.pending)
            request = relay.mails[0]
            assert message_from_bytes(request)["To"] == OWNER and NET in words(request)
            yes, no = links(request)
            size = world.office.log.size
            for link, method in product((yes, no), ("GET", "HEAD", "GET")):  # what a mail scanner does
                assert status(web.get(link, method)) == 200
            assert world.office.log.size == size and isinstance(decided(world), Refusal)
            assert NET.encode() in web.get(yes), "he sees what he agrees to"

            assert status(web.press(yes, "agree")) == 200
            assert not isinstance(decided(world), Refusal)
            line.until(lambda: len(relay.mails) == 2 and not world.office.requests.pending)
            receipt = relay.mails[1]
            assert message_from_bytes(receipt)["To"] == OWNER and NET in words(receipt)
            (stop,) = links(receipt)
            assert path(stop) != path(yes)

            assert status(web.get(stop)) == 200 and not isinstance(decided(world), Refusal)
            page = web.press(stop, "stop")
            (objection,) = world.office.register.customer(CUSTOMER).objections  # type: ignore[union-attr]
            assert objection.id.encode() in page
            assert decided(world).reason == "objection"
        finally:
            line.role.end(9)


def test_a_no_by_the_link_of_the_request_is_heard_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with asking(tmp_path) as world, site(world, monkeypatch) as web:
        link = world.asked().facts.links["stop"]
        assert status(web.press(link, "stop")) == 200
        assert decided(world).reason == "objection"
        assert status(web.press(link, "agree")) == 409 and isinstance(decided(world), Refusal)


def test_the_pages_of_a_case_say_nothing_of_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with asking(tmp_path) as world, site(world, monkeypatch) as web:
        world.sees()
        world.passes(2, 1.0)
        due = world.dues()[0]
        world.sends(due)
        assert set(due.facts.links) == {"fixed", "recheck", "wrong_contact", "not_ours", "wont_fix", "stop"}
        page = web.get(due.facts.links["fixed"]) + web.press(due.facts.links["fixed"], "fixed")
        assert world.case().state == "fixed_claimed"
        for said in (CUSTOMER, HOST, due.facts.build, due.facts.case, due.to, path(due.facts.links["stop"])):
            assert said.encode() not in page


def test_no_sequence_of_looks_changes_anything(tmp_path: Path) -> None:
    with asking(tmp_path) as world:
        world.sees()
        world.passes(2, 1.0)
        world.sends(world.dues()[0])
        world.asked()
        known = [path(link) for due in world.dues() for link in due.facts.links.values()]
        pages = Links(lambda token, action: _answered(world, token, action), Names)

        def state() -> object:
            return world.office.log.size, world.office.register.version, dict(world.office.book.cases)

        before = state()

        @settings(max_examples=40)
        @given(st.lists(st.one_of(st.sampled_from(known), st.text(max_size=30).map(ANSWERS.__add__)), max_size=6))
        def look(paths: list[str]) -> None:
            for each in paths:
                assert pages.shown(each + "?action=stop").status in (200, 404, 429)
            assert state() == before

        look()

        @settings(max_examples=40)
        @given(st.sampled_from(known), st.binary(max_size=80), st.sampled_from(["", "application/json", "text/html"]))
        def prefetch(where: str, body: bytes, media: str) -> None:
            """What is sent without having been on the form."""
            if b"action" not in body:
                assert pages.posted(Posted(where, media, body, True, "")).status in (400, 415)
                assert state() == before

        prefetch()


def _answered(world: Asking, token: str, action: str) -> Answered:
    world.says(AnswerTold(number=1, token=token, action=action))  # type: ignore[arg-type]
    return Answered.model_validate(world.heard(Type.ANSWERED)[-1])
