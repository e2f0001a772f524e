"""Where the operator's own servers are, as texts: what is taken for a host, a port and a path."""

from __future__ import annotations

import pytest

from agent.config import check
from agent.places import host, mailbox, url


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("mail.example.net:587", ("mail.example.net", 587)),
        ("192.0.2.25:25", ("192.0.2.25", 25)),
        ("[2001:db8::25]:465", ("2001:db8::25", 465)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_a_host(text: str, there: tuple[str, int]) -> None:
    assert host(text) == there


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("https://hooks.example.net", ("hooks.example.net", 443, "/")),
        ("https://hooks.example.net:8443/a/b-c", ("hooks.example.net", 8443, "/a/b-c")),
        ("https://[2001:db8::25]:8443/", ("2001:db8::25", 8443, "/")),
        ("https://[2001:db8::25]/a", ("2001:db8::25", 443, "/a")),
    ],
)
def test_a_url(text: str, there: tuple[str, int, str]) -> None:
    assert url(text) == there


@pytest.mark.parametrize("text", ["https://", "https://a:/", "https://a b/", "https://2001:db8::25/", "https://a/#b"])
def test_no_url(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|does not|needs"):
        url(text)


@pytest.mark.parametrize("relay", ["127.0.0.1:25", "[::1]:25", "localhost:25"])
def test_a_relay_on_this_machine_needs_no_tls(relay: str) -> None:
    assert (
        check({"notices": {"relay": relay, "sender": "a@example.net", "tls": "none"}}, "k.toml").notices.relay == relay
    )


@pytest.mark.parametrize(
    ("ways", "there"),
    [
        (("mailto:probes@isp.example", "abuse@isp.example"), "probes@isp.example"),
        (("https://isp.example/probes", "abuse@isp.example"), "abuse@isp.example"),
        (("https://isp.example/probes", ""), "https://isp.example/probes"),
        (("", "abuse@isp.example"), "abuse@isp.example"),
        (("", ""), ""),
    ],
)
def test_whom_to_mail(ways: tuple[str, ...], there: str) -> None:
    assert mailbox(*ways) == there
