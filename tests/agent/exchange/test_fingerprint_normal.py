"""The normal form: the same whether pasted, scanned or dissected, and normal once normalised."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.exchange.normal import MAX_TEXT, canonical, normalise
from agent.model import KINDS

NAMED = "RQBYADAAMQAuAGUAeABhAG0AcABsAGUALgBvAHIAZwA="  # EX01.example.org as UTF-16LE

TABLE = [
    ("smtp.greeting", "220 mx.example.org ESMTP\r\n", "mx.example.org ESMTP"),
    ("smtp.greeting", "220-mx.example.org\r\n220 ready", "mx.example.org\nready"),
    ("smtp.greeting", "mx.example.org 220 ESMTP", "mx.example.org 220 ESMTP"),
    ("smtp.ehlo", "250-example.org Hello [192.0.2.7], hi\r\n250-SIZE 9\r\n250 OK", "example.org Hello []\nSIZE 9\nOK"),
    ("smtp.ehlo", "mx.example.org Hello client.example.org [192.0.2.7]\nSIZE", "mx.example.org Hello\nSIZE"),
    ("smtp.ehlo", "mx.example.org at your service\nSIZE", "mx.example.org\nSIZE"),
    ("smtp.help", "214-Commands:\n214 HELO", "Commands:\nHELO"),
    ("imap.greeting", "* OK ready\r\n", "ready"),
    ("imap.greeting", "* PREAUTH ready", "ready"),
    ("imap.greeting", f"* OK is ready. [{NAMED}]", "is ready. [EX01.example.org]"),
    ("imap.greeting", "is ready. [/////w==]", "is ready. [/////w==]"),
    ("imap.greeting", "is ready. [CAPABILITY]", "is ready. [CAPABILITY]"),
    ("pop3.greeting", f"+OK is ready. [{NAMED}]", "is ready. [EX01.example.org]"),
    ("pop3.greeting", "+OK POP3 ready <1.2@mx.example.org>\r\n", "POP3 ready"),
    ("pop3.greeting", "+OK", ""),
    ("http.header", "X-OWA-Version :15.2.1748.36 ", "X-OWA-Version: 15.2.1748.36"),
    ("html.title", " Outlook\r\n", "Outlook"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "normal"), TABLE)
def test_normal_form(kind, text, normal):
    assert normalise(kind, text) == normal


def test_a_server_header_has_a_kind_of_its_own():
    assert canonical("http.header", "SERVER : nginx") == ("http.server", "nginx")
    assert canonical("http.header", "Via: 1.1 proxy") == ("http.header", "Via: 1.1 proxy")


MARKS = (
    "220 ", "220-", "250-", "214 ", "* OK ", "+OK ", "<a@b>", "<", ">", "\r\n", "\n", " ", "\t", "\x1c", ":", " [", "]",
    NAMED, f" [{NAMED}]", "Hello", " Hello [", "server:",
)  # fmt: skip
PIECES = st.lists(st.one_of(st.sampled_from(MARKS), st.text(max_size=8)), max_size=24).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(KINDS), PIECES)
def test_normal_is_normal_and_no_longer(kind, text):
    kind, once = canonical(kind, text)
    assert canonical(kind, once) == (kind, once)
    assert len(once) <= MAX_TEXT


@pytest.mark.parametrize("kind", KINDS)
def test_length_is_capped(kind):
    assert len(normalise(kind, "a:" + "b c" * 100_000)) <= MAX_TEXT
