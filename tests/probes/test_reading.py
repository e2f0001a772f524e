"""Answers -> facts: the same words as where they are overheard, and nothing of a person; any answer is read."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.forms.headers import SPELT
from agent.lab import keys
from agent.lab.certificates import Certificate, der, self_signed
from agent.lab.fronts import PATHS, pages
from agent.leave import OUTCOMES
from agent.model import KINDS
from collectors.dissectors.http import HttpServer
from probes.asks import Known, Response
from probes.exchange_http import probe
from probes.reading import MAX_FACTS, MAX_VALUE, facts, prepare, read

LEAF = der(self_signed("EX01", "example.org"), keys.generate("reading", 512))


def response(head: bytes, body: bytes = b"", leaf: bytes = b"") -> Response:
    """As the wire gives it: names in lower case, values in latin-1."""
    first, *lines = head.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
    pairs = [line.decode("latin-1").split(":", 1) for line in lines]
    named = tuple((name.lower(), value.strip()) for name, value in pairs)
    return Response(int(first.split()[1]), named, body, truncated=False, certificate="00" * 32, leaf=leaf)


HEADS = [page for generation in ("2010", "2013", "2016", "2019", "SE") for page in pages(generation).values()]


@pytest.mark.parametrize("head", HEADS)
def test_the_same_words_are_the_same_facts_as_overheard(head: bytes) -> None:
    dissector = HttpServer()
    assert set(facts(response(head))) == set(dissector.feed(head) + ([] if dissector.done else dissector.end()))


PERSONAL = [
    ("location", "https://jan:geheim@mail.example.org/owa/jan.jansen@example.org/?user=jan.jansen"),
    ("set-cookie", "cadata=GEHEIM; path=/"),
    ("set-cookie", "jan.jansen=1"),
    ("www-authenticate", 'Basic realm="jan.jansen@example.org 192.0.2.77"'),
    ("www-authenticate", "Negotiate GEHEIM"),
    ("x-feserver", "jan.jansen@example.org"),
    ("via", "1.1 192.0.2.77 (jan.jansen@example.org)"),
    ("x-clacks", "jan.jansen"),
    ("server", "IIS for jan.jansen@example.org"),
    ("content-type", "text/html"),
]
PAGE = b"<html><title>Mail of jan.jansen@example.org from 192.0.2.77</title><p>jan.jansen</html>"


def test_nothing_of_a_person_is_told() -> None:
    answer = Response(302, tuple(PERSONAL), PAGE, truncated=False, certificate="", leaf=b"")
    told = repr(list(facts(answer)))
    for canary in ("jan", "GEHEIM", "geheim", "192.0.2.77"):
        assert canary not in told
    assert "Mail of <mail> from <ip>" in told


@pytest.mark.parametrize(
    ("headers", "body", "title"),
    [
        ([("content-type", "text/html; charset=utf-8")], b"<TITLE lang=en>\r\n A &amp; B\r\n</TITLE>", "A & B"),
        ([("content-type", "text/html")], "<title>Übersicht</title>".encode(), "Übersicht"),
        ([("content-type", "text/html")], b"<title>a\0b\x1b[1m</title>", "a b [1m"),
        ([("content-type", "text/html")], b"<title>" + b"x" * 1000 + b"</title>", "x" * 200),
        ([("content-type", "text/html")], b"<title>" + b"x" * 9000 + b"</title>", None),
        ([("content-type", "text/html")], b"<title>cut off", None),
        ([("content-type", "text/html")], b"<title></title>", None),
        ([("content-type", "text/plain")], b"<title>a</title>", None),
        ([("content-type", "text/html"), ("content-encoding", "gzip")], b"<title>a</title>", None),
        ([], b"<title>a</title>", None),
    ],
)  # fmt: skip
def test_titles(headers: list[tuple[str, str]], body: bytes, title: str | None) -> None:
    told = dict(facts(Response(200, tuple(headers), body, truncated=False, certificate="")))
    assert told.get("html.title") == title


def test_the_build_is_told_before_what_there_may_be_no_room_for() -> None:
    headers = [
        ("set-cookie", "PBack=1"),
        *[("via", f"1.1 p{n}") for n in range(100)],
        ("x-owa-version", "15.2.1748.36"),
    ]
    told = list(facts(Response(401, tuple(headers), b"", truncated=False, certificate="", leaf=LEAF)))
    assert [kind for kind, _ in told[:2]] == ["tls.certificate", "http.status"]
    assert told[2] == ("http.header", "X-OWA-Version: 15.2.1748.36")
    assert len(told) == MAX_FACTS + 2
    assert 3 * (MAX_FACTS + 3) <= 64  # what an outcome may tell


def test_a_certificate_of_many_names_is_left_out_rather_than_cut() -> None:
    names = tuple(f"{n:03}{'x' * 50}.{'y' * 60}.{'z' * 60}.{'w' * 60}.example.org" for n in range(80))
    whole = self_signed("EX01", "example.org")
    big = der(Certificate(whole.subject, whole.issuer, names, whole.begins, 1), keys.generate("reading", 512))
    answer = Response(401, (), b"", truncated=False, certificate="", leaf=big)
    assert all(len(value) <= MAX_VALUE for _, value in facts(answer))


def test_a_malformed_header_tells_nothing_and_harms_nothing() -> None:
    headers = (("www-authenticate", "NTLM TlRMTVNTUAAC!"), ("x-feserver", "EX01"))
    told = list(facts(Response(401, headers, b"", truncated=False, certificate="", leaf=b"no certificate")))
    assert told == [("http.status", "401"), ("http.header", "X-FEServer: EX01")]


# What an Exchange shows of itself, independent of the book: one of these has to be in an answer that is "confirmed".
SIGNS = re.compile(
    r"^x-owa-version: (?:8|14|15)\.|^x-(?:feserver|beserver|diaginfo|calculatedbetarget): \S|"
    r"^x-(?:soap|oauth)-enabled: |^x-wssecurity|^x-failurecontext: frontend|"
    r"^set-cookie: (?:x-backendcookie|outlooksession|exchangecookie|cadata)|"
    r"^location: .*/owa/auth/logon\.aspx|^www-authenticate: .*00000002-0000-0ff1-ce00|"
    r"^title: .*(?:outlook|exchange)|^(?:ms-server-activesync|x-serverapplication): ",
    re.IGNORECASE | re.MULTILINE,
)
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=60),
    st.sampled_from([
        "15.2.1748.36", "15.1.1240.20", "99999.99999.99999.99999", "15.20.1.1", "14.3", "EX01", "True", "/owa/",
        "/owa/auth/logon.aspx", "Negotiate", "NTLM TlRMTVNTUAACAAAA", "Bearer client_id=x", "Microsoft-IIS/10.0",
        "text/html", "nginx", "X-BackEndCookie=1", "Exchange/15.02.2562.045",
    ]),
)  # fmt: skip
HEADERS = st.lists(st.tuples(st.one_of(st.sampled_from(sorted(SPELT)), st.text(max_size=20)), VALUES), max_size=12)
ANSWERS = st.builds(
    Response,
    status=st.one_of(st.integers(200, 999), st.sampled_from([200, 302, 401, 404, 429, 503])),
    headers=HEADERS.map(tuple),
    body=st.one_of(st.binary(max_size=200), st.just(b"<title>Outlook Web App</title>")),
    truncated=st.booleans(),
    certificate=st.sampled_from(["", "00" * 32, "11" * 32]),
    leaf=st.one_of(st.just(b""), st.just(LEAF), st.binary(max_size=100)),
)
KNOWN = st.builds(
    Known,
    certificates=st.sampled_from([(), ("00" * 32,), ("00" * 32, "11" * 32)]),
    products=st.sampled_from([(), ("exchange",), ("other", "exchange"), ("unknown",)]),
    name=st.sampled_from([None, "ex01.example.org", "mail.example.org"]),
)


class Fake:
    """A wire that has its answers ready."""

    certificate = ""

    def __init__(self, answers: list[Response]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get(self, path: str) -> Response:
        self.asked.append(path)
        return self.answers[len(self.asked) - 1]


@given(answers=st.lists(ANSWERS, min_size=3, max_size=3), known=KNOWN)
@example(answers=[Response(401, (("x-owa-version", "x" * 9000),), b"", truncated=False, certificate="00" * 32)] * 3,
         known=Known(("00" * 32,)))  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_any_answers_come_to_an_outcome(answers: list[Response], known: Known) -> None:
    wire, began = Fake(answers), time.process_time()
    made = probe(wire, known)
    assert time.process_time() - began < 1.0
    assert wire.asked == list(PATHS[: len(wire.asked)])
    assert made.outcome in OUTCOMES
    assert len(made.told) <= 64
    assert all(kind in KINDS and 0 < len(value) <= MAX_VALUE for kind, value in made.told)
    if made.outcome == "confirmed":
        said = [f"{name}: {value}" for answer in answers for name, value in answer.headers]
        said += [f"title: {answer.body.decode('latin-1')}" for answer in answers]
        assert SIGNS.search("\n".join(said))
        shown = {answer.certificate for answer in answers[: len(wire.asked)]}
        assert not known.certificates or shown <= set(known.certificates)
    if made.outcome == "identity_mismatch":
        assert made.told == ()


@given(octets=st.binary(max_size=3000))
@settings(max_examples=200, deadline=None)
def test_any_body_and_certificate_are_read(octets: bytes) -> None:
    answer = Response(200, (("content-type", "text/html"),), octets, truncated=True, certificate="", leaf=octets)
    assert not read([answer]).exchange


def test_the_book_is_read_at_once() -> None:
    assert len(prepare().of("http.header")) > 20
