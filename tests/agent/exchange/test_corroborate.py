"""What several observations say together: the certificate of setup, a proxy in front, and the server's names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.exchange.corroborate import corroborate, fields, proxy_in_front, server_names
from agent.model import KINDS, Observation
from tests.belief import evidence, observation

GREETING = observation("smtp.greeting", "ex01.example.org Microsoft ESMTP MAIL Service ready")
HELLO = observation("smtp.ehlo", "EX01.corp.example.org Hello []\nSIZE\nAUTH NTLM", 587)


def leaf(name: str = "EX01", *, signed: str = "yes", port: int = 25, san: str = "ex01,ex01.example.org") -> Observation:
    text = f"subject: CN={name}\nissuer: CN={name}\nsan: {san}\nself_signed: {signed}"
    return observation("tls.certificate", text, port)


def test_fields_are_lines_with_a_colon() -> None:
    assert fields("subject: CN=a: b\nx\nsan: ") == {"subject": "CN=a: b", "san": ""}
    assert fields("") == {}


@pytest.mark.parametrize(
    ("seen", "matches"),
    [
        ((GREETING, leaf()), 1),
        ((leaf(port=587), GREETING), 1),
        ((HELLO, leaf("ex01", port=465)), 1),
        ((GREETING, HELLO, leaf(), leaf(port=587)), 2),
        ((leaf(),), 0),
        ((GREETING, leaf("ex02")), 0),
        ((GREETING, leaf("ex01.example.org")), 0),
        ((GREETING, leaf(signed="no")), 0),
        ((GREETING, leaf(port=443)), 0),
        ((GREETING, leaf("")), 0),
        ((observation("smtp.greeting", "192.0.2.25 ready"), leaf("192")), 0),
        ((observation("smtp.greeting", " "), leaf("")), 0),
        ((observation("imap.greeting", "ex01.example.org ready"), leaf()), 0),
    ],
)
def test_a_certificate_named_by_the_host_that_greets(seen: tuple[Observation, ...], matches: int) -> None:
    found = list(corroborate(seen, ()))
    assert [e.fingerprint for e in found] == ["smtp-certificate-is-host"] * matches
    assert all(e.weight > 0 and "exchange" in e.claims.products for e in found)


SEEN_25, SEEN_443 = evidence("f", 9.0, "exchange", port=25), evidence("f", 9.0, "exchange", port=443)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (observation("tcp.synack", "ttl=62 window=1 options=mss", 443), "TTL 62 on port 443"),
        (observation("tcp.synack", "ttl=64 window=1 options=mss", 80), "TTL 64 on port 80"),
        (observation("tcp.synack", "ttl=65 window=1 options=mss", 443), None),
        (observation("tcp.synack", "ttl=62 window=1 options=mss", 25), None),
        (observation("tcp.synack", "no ttl", 443), None),
        (observation("http.server", "nginx/1.26.3", 443), "Server: nginx/1.26.3 on port 443"),
        (observation("http.server", "Microsoft-IIS/10.0", 443), None),
        (observation("http.server", "microsoft-httpapi/2.0", 80), None),
        (observation("http.header", "Via: 1.1 proxy.example.org", 80), "Via: 1.1 proxy.example.org on port 80"),
        (observation("http.header", "X-FEServer: EX01", 80), None),
        (observation("smtp.greeting", "ex01.example.org ready\nsecond line"), "a greeting of several lines on port 25"),
        (observation("smtp.greeting", "ex01.example.org ready\nsecond line", 587), None),
        (GREETING, None),
    ],
)
def test_a_proxy_in_front(seen: Observation, reason: str | None) -> None:
    found = proxy_in_front((GREETING, seen), (SEEN_25,))
    assert (found or "")[: len(reason or "")] == (reason or "")
    assert bool(found) == bool(reason)
    # Of a server that is no Exchange server it does not matter what stands in front.
    assert proxy_in_front((GREETING, seen), (evidence("f", 9.0, "other"), evidence("g", 1.0, "exchange"))) is None


NAMES = [
    ((GREETING,), ("ex01.example.org",)),
    ((GREETING, HELLO), ("ex01.example.org", "ex01.corp.example.org")),
    ((leaf(san="EX01,Mail.example.org,*.example.org,"),), ("ex01", "mail.example.org")),
    ((observation("tls.sni", "autodiscover.example.org", 443),), ("autodiscover.example.org",)),
    (
        (observation("dns.autodiscover", "autodiscover.example.org -> mail.example.org", 443),),
        ("autodiscover.example.org",),
    ),
    ((observation("smtp.hostname", "InternalId ex01.corp.example.org"),), ("ex01.corp.example.org",)),
    ((observation("smtp.greeting", "192.0.2.25 ready"),), ()),
    ((observation("smtp.greeting", "*** *** ready"),), ()),
    ((observation("dns.mx", "example.org -> mx.example.org"),), ()),
    ((observation("tls.sni", "a" * 64 + ".example.org", 443),), ()),
]


@pytest.mark.parametrize(("seen", "names"), NAMES)
def test_names(seen: tuple[Observation, ...], names: tuple[str, ...]) -> None:
    assert server_names(seen, ()) == names


def test_names_that_evidence_gives() -> None:
    named = [evidence("f", 1.0, "exchange", name=name) for name in ("EX02", "not a name", "ex02", None)]
    assert server_names((GREETING,), named) == ("ex01.example.org", "ex02")


def test_names_are_bounded() -> None:
    many = ",".join(f"host{n}.example.org" for n in range(100))
    assert len(server_names((leaf(san=many),), ())) == 16


text = st.text("ab.: =,\n-*CN0é\u017f\u212a<>", max_size=30) | st.text(max_size=20)


@settings(max_examples=150)
@given(st.lists(st.builds(observation, st.sampled_from(KINDS), text, st.sampled_from((25, 443))), max_size=5))
def test_any_values_are_taken(seen: list[Observation]) -> None:
    assert list(corroborate(seen, ())) == list(corroborate(seen, ()))
    proxy_in_front(seen, (SEEN_443,))
    for name in server_names(seen, ()):
        assert name == name.lower()
        assert 0 < len(name) <= 253
        assert name.isascii()
        assert not set(name) & set(" *,:\n")
