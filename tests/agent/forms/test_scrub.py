"""What scrub takes out and what it must leave."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.forms.scrub import MAX_TEXT, scrub

KEPT = (
    "ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 10:11:12 +0100",
    "Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at",
    "Microsoft ESMTP MAIL Service, Version: 8.5.9600.16384 ready at",
    "Version: 10.0.17763.1697",
    "Microsoft-IIS/10.0",
    "15.2.1748.36",
    "1.2.3.4.5",
    "10:11:12.345",
    "2026-11-02T10:11:12Z",
    "00:53:00:ab:cd:ef",
    "std::string Foo::Bar::baz",
    "The Microsoft Exchange IMAP4 service is ready. [RQBYADAAMQA=]",
    "двадцать ÄÖÜ 郵便",
    "one line\nand another\tone",
)


@pytest.mark.parametrize("text", KEPT)
def test_kept(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Hello [192.0.2.7]", "Hello [<ip>]"),
        ("192.0.2.7:25, 192.0.2.007.", "<ip>:25, <ip>."),
        ("client192.0.2.7.dyn.example.net", "client<ip>.dyn.example.net"),
        ("from=192.0.2.7/32", "from=<ip>/32"),
        ("[IPv6:2001:db8::1]", "[IPv6:<ip>]"),
        ("2001:DB8:0:0:0:0:0:1 and 1:2:3:4:5:6:7:8", "<ip> and <ip>"),
        ("2001:db8::1:25", "<ip>"),
        ("::ffff:192.0.2.7 fe80::1%eth0 ::1", "<ip> <ip>%eth0 <ip>"),
        ("2001:db8:0:0:0:0:192.0.2.7", "<ip>"),
        ("<jan.jansen@example.org>... User unknown", "<<mail>>... User unknown"),
        ('"jan jansen"@example.org', "<mail>"),
        ("jan@[192.0.2.7]", "<mail>"),
        ("mailto:jan@example.org,piet@example.org", "mailto:<mail>,<mail>"),
        ("j" * 300 + "@example.org", "<mail>"),
        ("a\x00b\x1b[31mc\x85d", "a b [31mc d"),
    ],
)
def test_taken_out(text: str, clean: str) -> None:
    assert scrub(text) == clean


def test_cut_after_scrubbing() -> None:
    text = "x" * (MAX_TEXT - 9) + " 192.0.2.77 tail"
    assert scrub(text) == ("x" * (MAX_TEXT - 9) + " <ip> tail")[:MAX_TEXT]
    assert scrub("y" * 2000, 1000) == "y" * 1000


@settings(max_examples=150, deadline=None)
@given(st.ip_addresses(), st.sampled_from(["{}", "[{}]", "x {} y", "({}),", "IPv6:{}", "ip={};", "<{}>"]))
def test_no_address_survives(address: IPv4Address | IPv6Address, around: str) -> None:
    assert scrub(around.format(address)) == around.format("<ip>")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.from_regex(r"[a-z.+-]{1,30}@[a-z0-9.-]{1,30}", fullmatch=True), st.text(max_size=80))
def test_no_mail_address_survives(before: str, mail: str, after: str) -> None:
    assert "@" not in scrub(f"{before} {mail} {after}")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from('1a:.@" []x\n\x07é'), max_size=400))
def test_any_text(text: str) -> None:
    clean = scrub(text)
    assert len(clean) <= MAX_TEXT
    assert "@" not in clean
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", clean)


@pytest.mark.parametrize("unit", ["@", "a", '"', '"a', ":", "1:", "1.", "a@", "::1.", "a:", "@[", '"@'])
def test_hostile_text_costs_no_more_than_its_length(unit: str) -> None:
    """Quadratic search over 400,000 characters would take minutes."""
    assert len(scrub(unit * (400_000 // len(unit)) + "@")) <= MAX_TEXT
