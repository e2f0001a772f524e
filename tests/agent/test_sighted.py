"""What looking knows of a server: the port to knock at, the name to ask for, and what the answer has to agree with."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.lab import certificates, fronts, servers
from agent.leave import Sighting
from agent.model import KINDS, Assessment, Endpoint, Observation
from agent.sighted import port_of, sighting, worth_knocking
from tests import asking
from tests.talk import observed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOST = "192.0.2.1"
NOW = 1_795_000_000.0
TODAY = date(2026, 11, 18)
GREETING = "ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"
BUILD = "X-OWA-Version: 15.2.1748.36"


def fact(kind: str, value: str = "x", port: int = 443, at: float = 0.0, **more: Any) -> Observation:
    told: dict[str, Any] = {"origin": "passive", "collector": kind.partition(".")[0], **more}
    return Observation(Endpoint(HOST, port), kind, value, NOW + at, told["origin"], told["collector"])


def certificate(letter: str, port: int = 443, at: float = 0.0, **more: Any) -> Observation:
    value = f"subject: CN=mail.example.nl\nissuer: CN=an authority\nsha256: {letter * 64}"
    return fact("tls.certificate", value, port, at, **more)


def believed(*facts: Observation) -> Assessment | None:
    inventory = Inventory(book(), catalogue())
    for one in facts:
        inventory.observe(one)
    return inventory.assessment(HOST, TODAY)


def seen(*facts: Observation, port: int = 443) -> Sighting | None:
    return sighting(believed(*facts), facts, port)


# Ports at which something was seen -> the one to knock at.
PORTS: list[tuple[list[Observation], int]] = [
    ([], 443),
    ([fact("smtp.greeting", port=25)], 443),
    ([fact("tls.sni")], 443),
    ([fact("tls.sni", port=8443)], 8443),
    ([fact("tls.server_hello", port=9443), fact("tls.certificate", port=8443)], 8443),
    ([fact("tls.sni", port=8443), fact("tls.sni")], 443),
    ([fact("tls.sni", port=port) for port in (25, 110, 143, 465, 587, 993, 995, 2525)], 443),
    ([fact("tls.sni", port=465), fact("tls.sni", port=4443)], 4443),
    ([fact("http.server", port=80)], 443),
    ([fact("http.server", port=8080)], 443),
    ([fact("http.server", port=8080), fact("tls.sni", port=8443)], 8443),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "port"), PORTS, ids=str)
def test_the_port_is_one_where_tls_was_seen(facts: list[Observation], port: int) -> None:
    assert port_of(facts) == port


@given(st.lists(st.builds(fact, st.sampled_from(KINDS), port=st.integers(0, 65_535)), max_size=8))
def test_the_port_is_443_or_one_where_tls_was_seen_and_never_one_of_mail(facts: list[Observation]) -> None:
    port = port_of(facts)
    assert port == 443 or any(one.server.port == port and one.kind.startswith("tls.") for one in facts)
    assert port not in (25, 465, 587, 993, 995)


def test_of_who_was_never_seen_nothing_is_known() -> None:
    assert sighting(None, [], 443) is None
    assert sighting(believed(fact("smtp.greeting", GREETING, 25)), [], 443) is None


def test_what_only_a_probe_has_told_was_not_seen() -> None:
    facts = [fact("http.header", BUILD, origin="active", collector="exchange-http")]
    assert seen(*facts) is None


NAMES: list[tuple[list[tuple[str, float, int]], str | None]] = [
    ([], None),
    ([("mail.example.nl", 0, 443)], "mail.example.nl"),
    ([("mail.example.nl", 0, 443), ("post.example.nl", 5, 443)], "post.example.nl"),
    ([("mail.example.nl", 0, 443), ("autodiscover.example.nl", 5, 443)], "mail.example.nl"),
    ([("autodiscover.example.nl", 0, 443)], "autodiscover.example.nl"),
    ([("autodiscover.a.nl", 0, 443), ("autodiscover.b.nl", 5, 443)], "autodiscover.b.nl"),
    ([("smtp.example.nl", 9, 587)], None),
    ([("mail.example.nl", 0, 443), ("other.example.nl", 5, 8443)], "mail.example.nl"),
]  # fmt: skip


@pytest.mark.parametrize(("names", "name"), NAMES, ids=str)
def test_the_name_is_what_clients_asked_for_last_at_that_port(
    names: list[tuple[str, float, int]], name: str | None
) -> None:
    found = seen(fact("smtp.greeting", GREETING, 25), *(fact("tls.sni", n, port, at) for n, at, port in names))
    assert found is not None and found.name == name


def test_every_certificate_of_that_port_that_was_seen_passively_is_expected() -> None:
    found = seen(
        certificate("a", at=1), certificate("b", at=2), certificate("a", at=3), certificate("c", port=25),
        certificate("d", port=8443), certificate("e", origin="active"), fact("tls.certificate", "truncated: yes"),
        fact("tls.certificate", "subject: CN=sha256: " + "f" * 64),
    )  # fmt: skip
    assert found is not None
    assert found.certificates == ("a" * 64, "b" * 64), "the one that was seen last comes first"


def test_of_many_certificates_the_newest_are_expected() -> None:
    letters = "0123456789abcdef"
    found = seen(*(certificate(letter, at=n) for n, letter in enumerate(letters)))
    assert found is not None
    assert found.certificates == tuple(letter * 64 for letter in reversed(letters[-8:]))


def test_it_was_last_seen_when_anything_of_it_was_but_by_no_probe() -> None:
    found = seen(
        fact("smtp.greeting", GREETING, 25, at=7), fact("tls.sni", at=3),
        fact("http.header", BUILD, at=99, origin="active", collector="exchange-http"),
    )  # fmt: skip
    assert found is not None and found.last_seen == NOW + 7


BUILDS: list[tuple[Sequence[Observation], bool]] = [
    ([], False),
    ([fact("http.header", BUILD, 80)], True),
    ([fact("http.header", BUILD, origin="active", collector="exchange-http")], False),
    ([fact("http.header", "X-OWA-Version: 15.2.1748")], False),
    ([fact("http.header", "X-OWA-Version: nonsense")], False),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "known"), BUILDS, ids=str)
def test_only_looking_says_that_the_build_is_known(facts: Sequence[Observation], known: bool) -> None:
    """What an earlier probe told grows old: the next one is asked nonetheless."""
    found = seen(fact("smtp.greeting", GREETING, 25), *facts)
    assert found is not None and found.build_known is known


def test_worth_it_is_what_is_believed_to_be_exchange_by_http() -> None:
    worth = believed(fact("smtp.greeting", GREETING, 25), fact("http.header", BUILD, 80))
    assert worth is not None and worth_knocking(worth)
    table = [
        ("exchange", "confirmed", True), ("exchange", "probable", True), ("exchange", "suspected", False),
        ("exchange", "none", False), ("exchange-edge", "confirmed", False), ("exchange-online", "confirmed", False),
        ("iis-smtp", "confirmed", False), ("other", "confirmed", False), ("unknown", "none", False),
    ]  # fmt: skip
    for product, verdict, expected in table:
        assert worth_knocking(worth._replace(product=product, verdict=verdict)) is expected  # type: ignore[arg-type]


def test_a_simulated_exchange_is_known_by_its_name_and_its_certificate(tmp_path: Path) -> None:
    """All that passes by of a server of the laboratory, from the wire."""
    (tmp_path / "edge.pcap").write_bytes(asking.seen((servers.exchange("2016", HOST, leaf=fronts.LEAF), 8443)))
    facts, _ = observed(str(tmp_path / "edge.pcap"))
    assert port_of(facts) == 8443
    found = seen(*facts, port=8443)
    assert found is not None
    assert found.certificates == (sha256(certificates.der(fronts.LEAF)).hexdigest(),)
    assert (found.name, found.products, found.build_known) == ("autodiscover.example.org", ("exchange",), False)
