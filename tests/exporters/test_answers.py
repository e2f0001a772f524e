"""The answers' socket and that of probing.txt, over real sockets: what they take, and what they say."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import ipc
from agent.asked import Noted
from agent.bucket import TOKENLESS
from agent.ipc import Type
from agent.messages import validated
from exporters import service
from exporters.answers import MAX_TOKEN, Answers, Probing
from exporters.frame import Names, form_fields
from exporters.web import MAX_BODY, Web
from tests.exporters.test_exporter_service import SECTION, SNAPSHOT
from tests.exporters.test_web import said
from tests.live.world import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECEIPT = "6a1f6f0e-6d0f-4f3e-9a65-0c1d2e3f4a5b"
Told = tuple[str | None, str | None, bool]


class Desk:
    """An agent that notes everything, or says ``status`` to all; what it was told, and a clock that stands still."""

    def __init__(self, status: str = "noted", names: Names = Names()) -> None:  # noqa: B008 - a tuple
        self.told: list[Told] = []
        self.status, self.names, self.now = status, names, 0.0
        self.answers = Answers(self.note, lambda: self.names, lambda: self.now)

    def note(self, prefix: str | None, token: str | None, headers: bool) -> Noted:
        self.told.append((prefix, token, headers))
        if self.status == "away":
            raise TimeoutError("the agent does not say")
        return Noted(number=1, status=self.status, receipt=RECEIPT if self.status == "noted" else "")  # type: ignore[arg-type]


@contextmanager
def serving(pages: Any) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    served = Web(listener, pages)
    threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield listener.getsockname()
    finally:
        served.shutdown()
        listener.close()


def post(
    body: bytes, media: str = "application/x-www-form-urlencoded", path: str = "/objections", more: str = ""
) -> bytes:
    head = f"POST {path} HTTP/1.0\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def form(**fields: str) -> bytes:
    return post(urlencode(fields).encode())


def program(**fields: Any) -> bytes:
    return post(json.dumps(fields).encode(), "application/json; charset=utf-8")


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


TAKEN: list[tuple[str, bytes, Told]] = [
    ("an address", form(prefix="192.0.2.7"), ("192.0.2.7/32", None, False)),
    ("by its other name", form(address="192.0.2.7"), ("192.0.2.7/32", None, False)),
    ("with spaces around it", form(prefix=" 2001:DB8::/32 ", token=""), ("2001:db8::/32", None, False)),
    ("in brackets", form(prefix="[2001:db8::7]"), ("2001:db8::7/128", None, False)),
    ("an IPv4 address as IPv6", form(prefix="::ffff:192.0.2.7"), ("192.0.2.7/32", None, False)),
    ("not even headers", form(prefix="192.0.2.0/24", headers="on"), ("192.0.2.0/24", None, True)),
    ("a box that is not ticked", form(prefix="192.0.2.0/24", headers=""), ("192.0.2.0/24", None, False)),
    ("a token alone", form(prefix="", token="a+b c"), (None, "a+b c", False)),
    ("both", form(prefix="192.0.2.0/24", token="t"), ("192.0.2.0/24", "t", False)),
    ("JSON", program(prefix="192.0.2.0/24", token=None, headers=True), ("192.0.2.0/24", None, True)),
    ("JSON with more in it", program(address="192.0.2.9", headers="on", name="x"), ("192.0.2.9/32", None, True)),
    ("without a media type", post(b"prefix=192.0.2.7", ""), ("192.0.2.7/32", None, False)),
    ("a query", post(b"prefix=192.0.2.7", path="/objections?prefix=203.0.113.9"), ("192.0.2.7/32", None, False)),
    (
        "a claim of who asks", post(b"prefix=192.0.2.7", more="X-Forwarded-For: 203.0.113.9\r\n"),
        ("192.0.2.7/32", None, False),
    ),
    ("the first of two", post(b"prefix=192.0.2.7&prefix=203.0.113.9"), ("192.0.2.7/32", None, False)),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "told"), [t[1:] for t in TAKEN], ids=[t[0] for t in TAKEN])
def test_an_objection_is_passed_on(request_: bytes, told: Told) -> None:
    desk = Desk()
    with serving(desk.answers) as where:
        answer = said(where, request_)
    assert desk.told == [told]
    assert status(answer) == 200
    assert answer.count(RECEIPT.encode()) >= 2, "in both languages"


REFUSED: list[tuple[str, bytes, int]] = [
    ("nothing", form(), 400),
    ("nothing that is known", form(name="192.0.2.7"), 400),
    ("no prefix", form(prefix="ex01.example"), 400),
    ("no prefix, though there is a token", form(prefix="192.0.2.300", token="t"), 400),
    ("bits behind the length", form(prefix="192.0.2.7/24"), 400),
    ("two of them", form(prefix="192.0.2.7 192.0.2.8"), 400),
    ("one that is too long", form(prefix="192.0.2.7" + " " * 60 + "x"), 400),
    ("a token that is too long", form(token="t" * (MAX_TOKEN + 1)), 400),
    ("no JSON", post(b"{", "application/json"), 400),
    ("no object", post(b"[1]", "application/json"), 400),
    ("deep JSON", post(b"[" * 4000, "application/json"), 400),
    ("another type", program(prefix=7, token=["t"]), 400),
    ("no text", post(b"\xff\xfe%zz=%ff", ""), 400),
    ("too much", post(b"prefix=192.0.2.7&x=" + b"x" * MAX_BODY), 413),
    ("cut off", post(b"prefix=192.0.2.7")[:-4], 413),
    ("in pieces", b"POST /objections HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ntoken=t\r\n0\r\n", 400),
    ("a form with files", post(b"x", "multipart/form-data; boundary=x"), 415),
    ("elsewhere", post(b"prefix=192.0.2.7", path="/"), 405),
    ("by GET", b"GET /objections?prefix=192.0.2.7 HTTP/1.0\r\n\r\n", 405),
    ("metrics", b"GET /metrics HTTP/1.0\r\n\r\n", 404),
    ("reload", post(b"", path="/-/reload"), 405),
    ("probing.txt", b"GET /.well-known/probing.txt HTTP/1.0\r\n\r\n", 404),
    ("a length that is none", b"POST /objections HTTP/1.0\r\nContent-Length: 1e9\r\n\r\nprefix=192.0.2.7", 400),
    ("a huge length", b"POST /objections HTTP/1.0\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nprefix=1.2.3.4", 400),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "expected"), [t[1:] for t in REFUSED], ids=[t[0] for t in REFUSED])
def test_what_is_no_objection_is_not_passed_on(request_: bytes, expected: int) -> None:
    desk = Desk()
    with serving(desk.answers) as where:
        answer = said(where, request_)
    assert (desk.told, status(answer)) == ([], expected)
    assert b"Traceback" not in answer


def test_a_prefix_with_bits_behind_its_length_is_told_what_it_is() -> None:
    with serving(Desk().answers) as where:
        assert b"the prefix is 192.0.2.0/24" in said(where, form(prefix="192.0.2.7/24"))


def test_the_page_works_without_scripting_in_two_languages_and_names_another_way() -> None:
    desk = Desk(names=Names("Provider <B.V.>", "abuse@isp.example"))
    with serving(desk.answers) as where:
        head, _, page = said(where, b"GET / HTTP/1.0\r\n\r\n").decode().partition("\r\n\r\n")
    assert " 200 " in head.splitlines()[0]
    assert "script" not in page.lower() and "http://" not in page and "https://" not in page
    assert page.count('<form method="post" action="objections">') == 2
    assert 'lang="nl"' in page and 'lang="en"' in page
    assert page.count(escape("Provider <B.V.>")) == 2 and "<B.V.>" not in page
    assert page.count("abuse@isp.example") == 2
    assert "Cache-Control: no-store" in head and "default-src 'none'" in head
    fields = [set(re.findall(r'name="(\w+)"', half)) for half in page.split("<hr>")]
    assert fields == [{"viewport", "prefix", "token", "headers"}, {"prefix", "token", "headers"}]


@pytest.mark.parametrize(
    ("said_", "expected", "words"),
    [
        ("away", 503, ("klantenservice", "customer service")),
        ("unavailable", 503, ("klantenservice", "customer service")),
        ("rate", 429, ("te veel bezwaren", "too many objections")),
        ("syntax", 400, ("niet genoteerd", "not noted")),
    ],
)
def test_what_was_not_noted_is_said_and_how_else_to_object(said_: str, expected: int, words: tuple[str, ...]) -> None:
    with serving(Desk(said_).answers) as where:
        for request_ in (form(prefix="192.0.2.7"), program(prefix="192.0.2.7")):
            answer = said(where, request_)
            assert status(answer) == expected
            assert all(word in answer.decode() for word in words)
            assert RECEIPT not in answer.decode()


def test_a_program_gets_json() -> None:
    with serving(Desk().answers) as where:
        head, _, content = said(where, program(token="t")).partition(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head
    answer = json.loads(content)
    assert (answer["status"], answer["receipt"]) == ("noted", RECEIPT)


def test_the_answer_to_everything_that_is_noted_is_the_same() -> None:
    """Whatever was sent: nothing of it is in the answer."""
    desk = Desk()
    with serving(desk.answers) as where:
        answers = {
            re.sub(rb"Date: [^\r]*", b"", said(where, request_))
            for request_ in (
                form(prefix="192.0.2.7"), form(token="somebody's"), form(prefix="203.0.113.0/24", token="nobody's"),
                form(prefix="::/0", headers="on"),
            )
        }  # fmt: skip
    assert len(desk.told) == 4
    assert len(answers) == 1


def test_without_a_token_there_is_a_bound_and_with_one_there_is_none() -> None:
    desk = Desk()
    most, per_second = TOKENLESS
    with serving(desk.answers) as where:
        assert [status(said(where, form(prefix="192.0.2.7"))) for _ in range(most + 2)] == [200] * most + [429] * 2
        assert status(said(where, form(prefix="192.0.2.7", token="t"))) == 200
        desk.now += 1 / per_second
        assert [status(said(where, form(prefix="192.0.2.7"))) for _ in range(2)] == [200, 429]
    assert len(desk.told) == most + 2


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=6))
def test_forms_are_read_as_browsers_write_them(fields: dict[str, str]) -> None:
    fields.pop("", None)
    written = urlencode({name: value.encode("utf-8", "replace") for name, value in fields.items()}, errors="replace")
    expected = {n.encode("utf-8", "replace").decode(): v.encode("utf-8", "replace").decode() for n, v in fields.items()}
    read = form_fields(written.encode())
    read.pop("", None)
    assert read.keys() == expected.keys()
    assert read == expected or len(expected) < len(fields)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("/.well-known/probing.txt", "Contact: mailto:a@b.example\n", 200), ("/.well-known/probing.txt?x", "x", 200),
        ("/.well-known/probing.txt", "", 503), ("/", "x", 404), ("/metrics", "x", 404), ("/objections", "x", 404),
        ("/probing.txt", "x", 404),
    ],
)  # fmt: skip
def test_the_socket_of_probing_txt_serves_nothing_else(path: str, text: str, expected: int) -> None:
    with serving(Probing(lambda: text)) as where:
        answer = said(where, f"GET {path} HTTP/1.0\r\n\r\n".encode())
        assert status(answer) == expected
        if expected == 200:
            assert answer.endswith(text.encode()) and b"text/plain; charset=utf-8" in answer
        assert status(said(where, post(b"", path=path))) == 405


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ipc.Link, dict[str, tuple[str, int]]]]:
    """The exporter role with every socket; the agent's end of its link, and where it listens."""
    monkeypatch.setattr(service, "begin", lambda *_: None)
    monkeypatch.setattr(service, "_NOTES", PATIENCE)
    ours, theirs = socket.socketpair()
    listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in ("listen", "answers", "probing")}
    where = {name: listener.getsockname() for name, listener in listeners.items()}
    words = [f"agent={theirs.detach()}", *(f"{name}={listener.detach()}" for name, listener in listeners.items())]
    thread = threading.Thread(target=service.main, args=(words,), daemon=True)
    thread.start()
    ours.settimeout(PATIENCE)
    agent = ipc.Link(ours, frozenset({Type.SHOWN, Type.OBJECTION}))
    agent.send(Type.SECTION, SECTION | {"probing_txt": "Contact: x\n", "operator": "Provider", "contact": "desk@x"})
    yield agent, where
    agent.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def asked(where: tuple[str, int], request_: bytes) -> Callable[[], bytes]:
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(said(where, request_)), daemon=True)
    thread.start()

    def answered() -> bytes:
        thread.join(PATIENCE)
        return answers[0]

    return answered


def test_the_role_passes_objections_on_and_each_gets_its_own_answer(role: Any) -> None:
    agent, where = role
    waiting = {}
    for prefix in ("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"):
        answered = asked(where["answers"], form(prefix=prefix))
        kind, body = agent.receive()
        assert kind is Type.OBJECTION
        told = validated(kind, body)
        assert (told.prefix, told.token, told.headers) == (prefix, None, False)
        waiting[told.number] = answered
    agent.send(Type.NOTED, {"number": 99, "status": "noted", "receipt": "late"})
    for number in reversed(list(waiting)):
        agent.send(Type.NOTED, {"number": number, "status": "noted", "receipt": f"receipt-{number}"})
    for number, answered in waiting.items():
        assert f"receipt-{number}".encode() in answered()


def test_the_role_shows_metrics_and_probing_txt_each_where_it_belongs(role: Any) -> None:
    agent, where = role
    agent.send(Type.SNAPSHOT, SNAPSHOT)
    assert agent.receive()[0] is Type.SHOWN
    assert said(where["probing"], b"GET /.well-known/probing.txt HTTP/1.0\r\n\r\n").endswith(b"Contact: x\n")
    for name in ("answers", "probing"):
        assert status(said(where[name], b"GET /metrics HTTP/1.0\r\n\r\n")) == 404
    assert b"Provider" in said(where["answers"], b"GET / HTTP/1.0\r\n\r\n")
    assert status(said(where["listen"], form(prefix="192.0.2.7"))) == 405


def test_an_agent_that_does_not_say_is_unavailable(role: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_NOTES", 0.05)
    _, where = role
    answer = said(where["answers"], form(prefix="192.0.2.7"))
    assert status(answer) == 503
    assert b"desk@x" in answer
