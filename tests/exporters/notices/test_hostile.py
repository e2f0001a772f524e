"""Facts that were not written by a friend: no header, no markup, no structure and no size of theirs gets through."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import KINDS as OBSERVATIONS
from agent.notice import ACTIONS, MESSAGES, Facts, Hole, Install
from exporters.notices import formats, texts
from tests.exporters.notices.shown import Page, of, words

_EVIL = st.sampled_from(
    (
        "x\r\nBcc: everybody@example.net", "<script>alert(1)</script>", "\"><img src=x onerror=y>", "{{ 7 * 7 }}",
        "# Pay here", "- item", "> quote", "{% include '/etc/passwd' %}", "\x00\x1b[2J", "\u202eexe", "\u2028line", "",
        "=HYPERLINK(1)", "CVE-2021-26855", "192.0.2.10", "&lt;b&gt;", "O'Brien & Zn. \u0141\u00f3d\u017a",
        "\U0001f4e7 \u4f60\u597d", "a" * 64,
    )
)  # fmt: skip


def said(most: int) -> st.SearchStrategy[str]:
    return st.one_of(_EVIL, st.text(max_size=most)).map(lambda text: text[:most])


HOLES = st.builds(
    Hole,
    name=said(200), cves=st.lists(said(64), max_size=16), kev=st.booleans(), setting=said(200),
    status=st.one_of(st.sampled_from(("vulnerable", "possible", "fixed_if_configured")), said(64)),
    cvss=st.none() | st.floats(-1e3, 1e3),
)  # fmt: skip
DAYS = st.sampled_from(("", "2025-10-14", "0000-00-00", "9999-99-99"))
LINKS = st.one_of(
    said(300),
    st.sampled_from(("https://example.net/a/b?c=d&e=\"f'<g>", "javascript:alert(1)", "https://a b", "https://x/src=y")),
)
FACTS = st.builds(
    Facts,
    message=st.sampled_from(MESSAGES), lang=st.sampled_from(("nl", "en")), operator=said(200), contact=said(200),
    customer=said(64), case=said(64), severity=st.sampled_from(("critical", "high", "")), zone=said(64),
    address=st.sampled_from(("", "192.0.2.10", "2001:db8::10")), ports=st.lists(st.integers(1, 65_535), max_size=16),
    seen=st.floats(0, 1e11), origin=st.sampled_from(("passive", "active")), confidence=said(64),
    signs=st.lists(st.sampled_from(OBSERVATIONS) | said(64), max_size=32), product=said(200), build=said(64),
    record=said(64), receipt=said(64), entry=st.none() | st.integers(0, 2**62), holes=st.lists(HOLES, max_size=32),
    more=st.integers(0, 2**62), exploited=st.lists(said(200), max_size=32), ended=DAYS,
    install=st.builds(
        Install, kind=st.sampled_from(("update", "upgrade", "unknown")), name=said(200), build=said(64),
        kb=said(64), released=DAYS,
    ),
    links=st.dictionaries(st.sampled_from((*ACTIONS, "other")), LINKS, max_size=7), offer=st.booleans(), why=said(64),
    deleted=DAYS, text=said(2000),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(FACTS)
def test_no_message_breaks_and_nothing_gets_through(facts: Facts) -> None:
    one = of(facts)
    assert len(one.text) < 128 << 10
    assert all(letter.isprintable() or letter == "\n" for letter in one.text)
    assert all(len(line) <= 78 or " " not in line.strip("> ").strip() or _marked(line) for line in one.text.split("\n"))
    if facts.message in texts.MAIL:
        assert one.subject
        assert one.subject.isprintable()
        assert len(one.subject) <= texts.MAX_SUBJECT
        page = Page(one.html)
        assert page.words == words(one.text)
        assert page.tags <= {"html", "head", "meta", "title", "body", "p", "h2", "blockquote", "br", "a"}
        assert {name for name, _ in page.attributes} <= {"lang", "charset", "name", "content", "style", "href"}
        assert all(link.startswith(("http://", "https://")) for link in page.links)
        assert len(one.html) < 256 << 10


def _marked(line: str) -> bool:
    """An item whose first word is as long as that."""
    return len(line.split()) == 2 and line.split(maxsplit=1)[0] in ("-", ">", "1.", "2.", "3.", "4.")


@settings(max_examples=60, deadline=None)
@given(FACTS)
def test_what_machines_read_is_what_they_expect(facts: Facts) -> None:
    rows = list(csv.reader(io.StringIO("".join(formats.written([facts], "csv")))))
    assert [len(row) for row in rows] == [17] * len(rows)
    assert len(rows) == (1 + max(1, len(facts.ports)) if facts.address else 1)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    for form in ("xarf", "jsonl"):
        lines = list(formats.written([facts], form))
        assert len(lines) == bool(facts.address)
        assert all(isinstance(json.loads(line), dict) and line.count("\n") == 1 for line in lines)


@settings(max_examples=40, deadline=None)
@given(FACTS)
def test_a_report_is_as_the_schema_says(facts: Facts) -> None:
    from tests.exporters.notices.test_formats import faults

    assert all(faults(json.loads(line)) == [] for line in formats.written([facts], "xarf"))
