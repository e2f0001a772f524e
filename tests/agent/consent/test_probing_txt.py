"""probing.txt: what is published of the configuration, and what a look at it has to find."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import config
from agent.consent import probing_txt
from agent.errors import Malformed

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC).timestamp()
DAY = 86_400
WRITTEN: dict[str, dict[str, Any]] = {
    "consent": {"operator": "Example Net", "public_url": "https://example.net/checks"},
    "probe": {
        "contact": "probes@example.net",
        "sources": ["192.0.2.9", "2001:db8::9"],
        "probing_url": "https://probe.example.net/.well-known/probing.txt",
    },
}
THERE = config.check(WRITTEN, "k.toml")
FACTS = probing_txt.facts(THERE)
TEXT = probing_txt.text(FACTS, NOW + 90 * DAY)


def with_key(key: str, value: Any) -> config.Config:
    section, _, name = key.partition(".")
    return config.check(WRITTEN | {section: WRITTEN[section] | {name: value}}, "k.toml")


def test_the_text_has_each_field_of_rfc_9511_once_and_in_the_syntax_of_rfc_9116() -> None:
    fields = probing_txt.read(TEXT.encode())
    assert {name: len(values) for name, values in fields.items()} == dict.fromkeys(
        ("canonical", "contact", "preferred-languages", "description", "expires"), 1
    )
    assert fields["canonical"] == ["https://probe.example.net/.well-known/probing.txt"]
    assert fields["contact"] == ["mailto:probes@example.net"]
    assert fields["expires"] == ["2027-02-22T09:30:00Z"]
    for fact in ("Example Net", "192.0.2.9 and 2001:db8::9", "at most 3 ", "https://example.net/checks"):
        assert fact in fields["description"][0]
    assert probing_txt.expires(fields) == NOW + 90 * DAY


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("consent.operator", "", "empty"),
        ("consent.operator", "a\nContact: mailto:x@y", "holds characters that cannot be printed"),
        ("consent.public_url", "", "empty"),
        ("consent.public_url", "http://example.net/checks", "not a URL of https"),
        ("probe.contact", "", "empty"),
        ("probe.contact", "somebody", "neither a mail address nor a URL"),
        ("probe.contact", "http://example.net", "neither a mail address nor a URL"),
        ("probe.contact", "a@b\nExpires: never", "neither a mail address nor a URL"),
        ("probe.sources", [], "empty"),
        ("probe.probing_url", "", "empty"),
        ("probe.probing_url", "https://x.example/probing.txt", "does not end with /.well-known/probing.txt"),
        ("probe.probing_url", "https://x.example/.well-known/probing.txt?a", "does not end with"),
        ("probe.probing_url", "https://u@x.example/.well-known/probing.txt", "not a URL of https"),
        ("probe.probing_url", "https:///.well-known/probing.txt", "not a URL of https"),
        ("probe.probing_url", "https://x.example:99999/.well-known/probing.txt", "not a URL of https"),
    ],
)
def test_what_cannot_be_published_is_named_by_its_key_with_what_would_be_right(
    key: str, value: Any, fault: str
) -> None:
    (said,) = probing_txt.lacking(with_key(key, value))
    assert said.startswith(f"{key}: {fault}"), said
    assert ";" in said


def test_a_configuration_without_anything_lacks_every_key_at_once() -> None:
    assert [fault.partition(":")[0] for fault in probing_txt.lacking(config.Config())] == [
        "consent.operator", "probe.contact", "probe.sources", "probe.probing_url", "consent.public_url",
    ]  # fmt: skip


@pytest.mark.parametrize("contact", ["a@b.example", "mailto:a@b.example", "https://b.example/p", "tel:+31201234567"])
def test_every_way_to_be_asked_becomes_a_uri(contact: str) -> None:
    there = with_key("probe.contact", contact)
    assert not probing_txt.lacking(there)
    assert probing_txt.facts(there).contact in (contact, f"mailto:{contact}")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "", []),
        ("\n", "\r\n", []),
        ("# Who", "\n# Somebody else's remark\nAcknowledgments: https://e.example\n# Who", []),
        ("Contact: ", "CONTACT: ", []),
        ("Contact: ", "Contact: tel:+311\nContact: ", []),
        ("Canonical: ", "Canonical: https://other.example/x\nCanonical: ", []),
        ("mailto:probes", "mailto:others", ["Contact: mailto:probes@example.net is not there"]),
        ("https://probe.", "https://evil.", ["Canonical: https://probe.example.net/.well-known/"]),
        ("nl, en", "en", ["Preferred-Languages: is not: nl, en"]),
        ("nl, en", "nl, en\nPreferred-Languages: nl, en", ["Preferred-Languages: is there 2 times"]),
        ("192.0.2.9", "192.0.2.8", ["Description: is not"]),
        ("2027-02-22", "2026-11-23", ["Expires: is past"]),
        ("2027-02-22", "2029-02-22", ["Expires: is more than 365 days ahead"]),
        ("Expires: ", "Expiry: ", ["has no Expires"]),
        ("Expires: ", "Expires: 2027-01-01T00:00:00Z\nExpires: ", ["has 2 Expires"]),
        ("2027-02-22T", "soon", ["Expires: not a time"]),
        ("09:30:00Z", "09:30:00", ["Expires: not a time"]),
    ],
)  # fmt: skip
def test_differences_are_told_and_what_may_differ_may(before: str, after: str, said: list[str]) -> None:
    assert not before or before in TEXT
    seen = probing_txt.read(TEXT.replace(before, after).encode() if before else TEXT.encode())
    told = probing_txt.differences(seen, FACTS, NOW)
    assert len(told) == len(said)
    assert all(one.startswith(start) for one, start in zip(told, said, strict=True)), told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: b\n<html>\n", "line 2: neither a field"),
        (b"a: \xff", "is not UTF-8"),
        (b"#" * (probing_txt.MAX_TEXT + 1), "is longer than 65536 bytes"),
    ],
)
def test_what_is_no_such_file_is_said_to_be_none(content: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        probing_txt.read(content)


@settings(max_examples=200)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_read_or_malformed_and_never_what_was_published(content: bytes) -> None:
    try:
        seen = probing_txt.read(content)
    except Malformed:
        return
    assert probing_txt.differences(seen, FACTS, NOW)


@pytest.mark.parametrize("key", ["operator", "contact", "sources", "probing_url", "public_url"])
def test_two_configurations_that_say_different_things_are_told_apart(key: str) -> None:
    other = FACTS._replace(**{key: ("192.0.2.1",) if key == "sources" else "https://other.example/x"})
    assert probing_txt.describes(other) != probing_txt.describes(FACTS)
    assert probing_txt.differences(probing_txt.read(TEXT.encode()), other, NOW)


@given(st.floats(0, 4e9), st.integers(0, DAY - 1), st.integers(30, 365))
def test_the_text_of_one_day_is_one_text_and_holds(start: float, later: int, days: int) -> None:
    day = start // DAY * DAY
    assert probing_txt.expiry(day, days) == probing_txt.expiry(day + later, days)
    assert day + later < probing_txt.expiry(day + later, days) <= day + days * DAY
    assert not probing_txt.differences(probing_txt.read(probing_txt.served(THERE, day).encode()), FACTS, day + later)


def test_nothing_is_served_where_something_is_lacking() -> None:
    assert probing_txt.served(with_key("probe.contact", ""), NOW) == ""
    assert probing_txt.served(THERE, NOW).startswith("# Who sends these probes")
