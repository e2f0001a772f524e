"""The pages of answer links: what they show and pass on, over real sockets, and what hostile requests come to."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.notice import ACTIONS, ANSWERS, Answered
from exporters.answer_links import MAX_TOKEN, Links
from exporters.answers import Answers
from exporters.frame import Names
from exporters.notices.words import ANSWERS as LABELS
from exporters.web import MAX_BODY, Posted
from tests.exporters.test_answers import post, serving, status
from tests.exporters.test_web import said

if TYPE_CHECKING:
    from typing import Any

TOKEN = "a" * 26
RECEIPT = "6a1f6f0e-6d0f-4f3e-9a65-0c1d2e3f4a5b"
ALL = ("fixed", "recheck", "wrong_contact", "not_ours", "wont_fix", "stop")
FORM = "application/x-www-form-urlencoded"


class Desk:
    """An agent that knows one token; what it was told."""

    def __init__(self, offered: tuple[str, ...] = ALL, text: str = "", status: str = "") -> None:
        self.told: list[tuple[str, str]] = []
        self.offered, self.text, self.status = offered, text, status
        names = Names("Provider", "desk@isp.example")
        self.links = Links(self.answer, lambda: names)
        self.pages = Answers(None, lambda: names, lambda: 0.0, self.answer)  # type: ignore[arg-type]

    def answer(self, token: str, action: str) -> Answered:
        self.told.append((token, action))
        if self.status == "away":
            raise TimeoutError("the agent does not say")
        if self.status or token != TOKEN:
            return Answered(number=1, status=self.status or "unknown")  # type: ignore[arg-type]
        if action in self.offered:
            return Answered(number=1, status="done", done=action, receipt=RECEIPT)
        text = self.text if "agree" in self.offered else ""
        return Answered(number=1, status="shown", offered=list(self.offered), text=text, lang="en" if text else "")


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.0\r\n\r\n".encode()


def undated(answer: bytes) -> bytes:
    return re.sub(rb"Date: [^\r]*", b"", answer)


def test_a_page_has_a_button_for_each_answer_in_two_languages_and_acts_by_post_alone() -> None:
    desk = Desk()
    with serving(desk.pages) as where:
        head, _, page = said(where, get(ANSWERS + TOKEN + "?x=1")).decode().partition("\r\n\r\n")
        empty = said(where, get(ANSWERS + TOKEN, "HEAD"))
    assert desk.told == [(TOKEN, "show")] * 2 and empty.endswith(b"\r\n\r\n")
    assert page.count('<form method="post">') == 2 and "script" not in page and "http" not in page.replace("https", "")
    for half in page.split("<hr>"):
        assert re.findall(r'<button name="action" value="(\w+)">', half) == list(ALL)
    assert re.findall(r' id="(\w+)"', page) == list(ALL), "where the fragments of links lead to"
    for action, words in LABELS.items():
        assert all((label in page) == (action in ALL) for label in words)
    assert TOKEN not in page, "nor is the token in the page"
    for line in ("Cache-Control: no-store", "default-src 'none'; form-action 'self'", "Referrer-Policy: no-referrer"):
        assert line in head
    assert "X-Robots-Tag: noindex" in head and "nosniff" in head and "Set-Cookie" not in head


def test_the_text_that_is_agreed_to_is_shown_word_for_word_and_once() -> None:
    desk = Desk(("agree", "stop"), "I agree <b> & so on\n  192.0.2.0/24\n")
    with serving(desk.pages) as where:
        page = said(where, get(ANSWERS + TOKEN)).decode()
    assert page.count("I agree &lt;b&gt; &amp; so on\n  192.0.2.0/24\n") == 1 and "<b>" not in page
    assert page.index("<hr>") < page.index('<pre lang="en">')


@pytest.mark.parametrize("action", ACTIONS)
def test_an_answer_is_passed_on_by_a_form_and_by_a_program(action: str) -> None:
    desk = Desk(ACTIONS)
    with serving(desk.pages) as where:
        page = said(where, post(f"action={action}".encode(), path=ANSWERS + TOKEN))
        program = said(where, post(json.dumps({"action": action}).encode(), "application/json", ANSWERS + TOKEN))
    assert desk.told == [(TOKEN, action)] * 2
    assert status(page) == status(program) == 200
    told = json.loads(program.partition(b"\r\n\r\n")[2])
    assert (told["status"], told["done"], told["receipt"]) == ("done", action, RECEIPT)
    assert (RECEIPT.encode() in page) == (action in ("agree", "stop"))


WRONG = ["b" * 26, "x", "a/b", "%00", "%ff", "..%2f", "a" * (MAX_TOKEN + 1), "", quote("é" * 40), "a" * 3000]


def test_every_token_that_is_none_gets_one_and_the_same_answer() -> None:
    desk = Desk()
    with serving(desk.pages) as where:
        shown = {undated(said(where, get(ANSWERS + token))) for token in WRONG}
        posted = {undated(said(where, post(b"action=stop", path=ANSWERS + token))) for token in WRONG}
    assert len(shown) == 1 and shown == posted
    assert status(shown.pop()) == 404


REFUSED: list[tuple[str, bytes, int]] = [
    ("nothing", post(b"", path=ANSWERS + TOKEN), 400),
    ("to look, by POST", post(b"action=show", path=ANSWERS + TOKEN), 400),
    ("no answer of ours", post(b"action=block", path=ANSWERS + TOKEN), 400),
    ("the action in the query", post(b"", path=ANSWERS + TOKEN + "?action=stop"), 400),
    ("another type", post(b'{"action": ["stop"]}', "application/json", ANSWERS + TOKEN), 400),
    ("no JSON", post(b"{", "application/json", ANSWERS + TOKEN), 400),
    ("deep JSON", post(b"[" * 4000, "application/json", ANSWERS + TOKEN), 400),
    ("too much", post(b"action=stop&x=" + b"x" * MAX_BODY, path=ANSWERS + TOKEN), 413),
    ("cut off", post(b"action=stop", path=ANSWERS + TOKEN)[:-4], 413),
    ("a form with files", post(b"x", "multipart/form-data; boundary=x", ANSWERS + TOKEN), 415),
    ("another method", get(ANSWERS + TOKEN, "PUT"), 501),
    ("without the end", get("/answers"), 404),
]


@pytest.mark.parametrize(("request_", "expected"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_is_no_answer_is_not_passed_on(request_: bytes, expected: int) -> None:
    desk = Desk()
    with serving(desk.pages) as where:
        assert status(said(where, request_)) == expected
    assert desk.told == []


def test_what_cannot_be_said_any_more_is_a_conflict_that_says_what_can() -> None:
    desk = Desk(("stop",))
    with serving(desk.pages) as where:
        page = said(where, post(b"action=fixed", path=ANSWERS + TOKEN))
        program = said(where, post(b'{"action":"fixed"}', "application/json", ANSWERS + TOKEN))
    assert status(page) == status(program) == 409
    assert page.count(b'value="stop"') == 2 and b'value="fixed"' not in page
    assert json.loads(program.partition(b"\r\n\r\n")[2])["offered"] == ["stop"]


@pytest.mark.parametrize(("became", "expected"), [("away", 503), ("unavailable", 503), ("rate", 429)])
def test_what_was_not_noted_is_said_with_another_way(became: str, expected: int) -> None:
    with serving(Desk(status=became).pages) as where:
        for request_ in (get(ANSWERS + TOKEN), post(b"action=stop", path=ANSWERS + TOKEN)):
            answer = said(where, request_)
            assert status(answer) == expected and answer.count(b"desk@isp.example") == 2


def test_without_an_agent_that_answers_there_are_no_such_pages() -> None:
    pages = Answers(None, Names, lambda: 0.0)  # type: ignore[arg-type]
    with serving(pages) as where:
        assert status(said(where, get(ANSWERS + TOKEN))) == 404
        assert status(said(where, post(b"action=stop", path=ANSWERS + TOKEN))) == 405


PATHS = st.one_of(st.text(max_size=200), st.sampled_from([TOKEN, TOKEN + "/", TOKEN.upper(), "%61" * 26, "x" * 26]))


@given(PATHS, st.binary(max_size=200), st.sampled_from([FORM, "application/json", "", "text/plain"]))
def test_whatever_is_sent_is_answered_and_only_what_was_chosen_is_passed_on(path: str, body: bytes, media: str) -> None:
    desk = Desk()
    desk.links.shown(ANSWERS + path)
    answer = desk.links.posted(Posted(ANSWERS + path, media, body, True, "192.0.2.1"))
    assert answer.status in (200, 400, 404, 409, 415)
    assert all(len(token) <= MAX_TOKEN and action in (*ACTIONS, "show") for token, action in desk.told)


@given(st.lists(st.sampled_from(list(product(("GET", "HEAD"), [*WRONG[:2], TOKEN]))), max_size=8))
def test_to_look_is_all_that_looking_passes_on(looks: list[tuple[str, str]]) -> None:
    desk = Desk()
    for _, token in looks:
        desk.links.shown(ANSWERS + token + "?action=stop#stop")
    assert {action for _, action in desk.told} <= {"show"}


def test_nothing_of_it_is_logged(caplog: Any, capfd: Any) -> None:
    with caplog.at_level("DEBUG"), serving(Desk().pages) as where:
        said(where, get(ANSWERS + TOKEN))
        said(where, post(b"action=stop", path=ANSWERS + TOKEN))
    assert TOKEN not in caplog.text and TOKEN not in "".join(capfd.readouterr())
