"""Whoever is seen, whatever his server says and whatever the register knows of him: no scrape tells of anybody.

Random inventories and registers go the real way: observations through the book and the catalogue, entries through the
log and its fold, a snapshot through its model, families through the table. Everything that is a person's has a mark in
it, and an address, a prefix, a name or a mail address is known by its form, too.
"""

from __future__ import annotations

import re
import tempfile
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from agent.believed import aggregates
from agent.exchange.catalogue import catalogue
from agent.lab import leave
from agent.model import KINDS, Endpoint, Observation
from agent.snapshot import Tally
from exporters.naming import PREFIX, TABLE
from tests.agent import leaving
from tests.agent.leaving import LEAF, Clock
from tests.agent.permission_world import World
from tests.exporters.test_naming import OPENMETRICS
from tests.exporters.test_prometheus import scraped, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.audit.entry import Item

MARK = "cnry"
DAY = date(2026, 11, 18)
KEV = {flaw.cve: flaw.kev for flaw in catalogue().flaws}

_HOST = re.compile(r"(?i)(^|[^a-z0-9_-])[a-z0-9_-]+(\.[a-z0-9_-]+)*\.[a-z]{2,}\b")
_WORD = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789"), min_size=1, max_size=8)
NAMES = st.builds(lambda word, end: f"{MARK}-{word}.{end}", _WORD, st.sampled_from(("example", "example.nl", "local")))
MAIL = st.builds(lambda word, name: f"{word}{MARK}@{name}", _WORD, NAMES)
ADDRESSES = st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n))) | (
    st.integers(0, 2**128 - 1).map(lambda n: str(IPv6Address(n)))
)
REFERENCES = st.builds(lambda word: f"C-{MARK}-{word}", _WORD) | NAMES | MAIL
ODD = st.text(max_size=40).map(lambda text: f"{MARK} {text}")


class Seen(NamedTuple):
    """A server as it shows itself."""

    address: str
    port: int
    kind: str
    value: str


@st.composite
def _shown(draw: st.DrawFn, address: str) -> Seen:
    """What a server says: as Exchange does with names of its own, or anything at all."""
    name, mail, odd = draw(NAMES), draw(MAIL), draw(ODD)
    build = draw(st.sampled_from(catalogue().builds)).build
    kind, value = draw(
        st.sampled_from((
            ("smtp.greeting", f"{name} Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100"),
            ("smtp.ehlo", f"{name} Hello [{address}]\nSIZE 37748736\nXEXCH50 {mail}\nX-ANONYMOUSTLS"),
            ("imap.greeting", f"The Microsoft Exchange IMAP4 service is ready. [{mail}]"),
            ("tls.certificate", f"subject: CN={name}\nissuer: CN={name}\nsan: {name},{mail},{address}\nsha256: {LEAF}"),
            ("tls.sni", name),
            ("http.header", f"x-owa-version: {'.'.join(map(str, build))}"),
            ("http.header", f"x-feserver: {name}"),
            ("html.title", f"Outlook of {mail} at {address}"),
            ("ntlm.version", "10.0.14393"),
            ("dns.mx", f"10 {name}"),
            ("dns.autodiscover", name),
            (draw(st.sampled_from(KINDS)), odd),
        ))
    )  # fmt: skip
    return Seen(address, draw(st.sampled_from((25, 443, 143, 8443))), kind, value)


SERVERS = st.lists(ADDRESSES.flatmap(lambda address: st.lists(_shown(address), min_size=1, max_size=4)), max_size=6)


@st.composite
def _customer(draw: st.DrawFn) -> tuple[str, str, list[Item]]:
    """A reference, a prefix, and what is on record of them."""
    ref, address = draw(REFERENCES), draw(ADDRESSES)
    size = draw(st.integers(48, 128) if ":" in address else st.integers(24, 32))
    prefix = str(ip_network(f"{address}/{size}", strict=False))
    now = leaving.START
    items = [leave.mapped(ref, [prefix], now)]
    for more in draw(st.sets(st.sampled_from(("announced", "given", "objected")))):
        if more == "announced":
            items.append(leave.announced(ref, now))
        elif more == "given":
            items.append(leave.given(ref, [prefix], now, contacts=leave.contacts(MARK, now)))
        else:
            items.append(leave.objected(ref, [prefix], now))
    return ref, prefix, items


CUSTOMERS = st.lists(_customer(), max_size=4, unique_by=lambda one: one[0])


def exposed(servers: list[list[Seen]], customers: list[tuple[str, str, list[Item]]]) -> tuple[str, str]:
    """Both forms of a scrape of an agent that has seen these servers and knows these customers."""
    clock, tally = Clock(), Tally(started=leaving.START)
    items = [item for _, _, those in customers for item in those]
    with (
        tempfile.TemporaryDirectory() as directory,
        leaving.opened(Path(directory), clock, *(items or [leave.synced(clock.wall)])) as office,
    ):
        world = World(office, clock)
        for one in (one for server in servers for one in server):
            tally.observations[one.kind] += 1
            seen = Observation(Endpoint(one.address, one.port), one.kind, one.value, clock.wall, "passive", "smtp")
            world.inventory.observe(seen)
            office.gate.admit(leaving.request(one.address), office.conditions(), leaving.BUDGET)
        peer = world.come("exporter")
        for _, prefix, _ in customers[:1]:
            world.object(prefix, peer, token=f"{MARK}-token")
        world.passes(0.5)
        shown = snapshot(
            **tally.body(), **aggregates(world.inventory.assessments(DAY), KEV, DAY),
            permission=world.permission.body(), evidence=world.inventory.evidence, inventory=world.inventory.counts,
        )  # fmt: skip
        return scraped(shown), scraped(shown, OPENMETRICS)


def told_of(value: str) -> str:
    """What of a person a label value is by its form, "" for nothing."""
    try:
        ip_network(value.strip("[]"), strict=False)
    except ValueError:
        pass
    else:
        return "an address or prefix"
    if "@" in value:
        return "a mail address"
    return "a host name" if _HOST.search(value) else ""


def labels(families: Iterable[Any]) -> set[tuple[str, str, str]]:
    """Family in the table, label and value."""
    found = set()
    for family in families:
        name = family.name.removeprefix(PREFIX)
        name = name if name in TABLE else f"{name}_total"
        for sample in family.samples:
            found |= {(name, *item) for item in sample.labels.items() if item[0] != "le"}
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SERVERS, CUSTOMERS)
def test_no_scrape_tells_of_anybody(servers: list[list[Seen]], customers: list[tuple[str, str, list[Item]]]) -> None:
    plain, openmetrics = exposed(servers, customers)
    addresses = {one.address for server in servers for one in server}
    private = {MARK, *(ref.lower() for ref, _, _ in customers), *addresses, *(prefix for _, prefix, _ in customers)}
    for text in (plain, openmetrics):
        assert not [word for word in private if re.search(rf"(?<![\w.:]){re.escape(word)}(?![\w.:])", text.lower())]
        assert MARK not in text.lower()
    for families in (text_string_to_metric_families(plain), openmetrics_families(openmetrics)):
        for name, label, value in labels(families):
            closed = TABLE[name].labels[label]
            if isinstance(closed, str):
                assert not told_of(value), (name, label)
            else:
                assert value in closed, (name, label)


def test_a_server_is_counted_and_not_told() -> None:
    """Without this the property could be one of expositions without servers."""
    seen = [[Seen("192.0.2.25", 25, "smtp.greeting",
                  f"{MARK}.example Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100")]]  # fmt: skip
    customer = (MARK, "192.0.2.0/24", leave.agreed(MARK, ["192.0.2.0/24"], leaving.START))
    plain, _ = exposed(seen, [customer])
    counted = re.findall(r'^knockfirst_servers\{.*product="exchange".*\} 1\.0$', plain, re.MULTILINE)
    assert len(counted) == 1
    assert 'knockfirst_consent_records{basis="explicit",state="in_force"} 1.0' in plain
    assert MARK not in plain


def test_what_tells_of_somebody_is_known_by_its_form() -> None:
    """Without this the property could not fail."""
    for value in ("192.0.2.1", "2001:db8::1", "[2001:db8::1]", "192.0.2.0/24", "::ffff:192.0.2.1", "2001:db8::/32",
                  "mail.example", "EX01.example.nl", "CN=mail.example.org", "a@b", "x y.example z"):  # fmt: skip
        assert told_of(value), value
    for value in ("2016", "5.5", "smtp-greeting-exchange", "CVE-2021-34473", "0.5", "eth1", "bond0.7", "netbox", "",
                  "Extended Protection / NTLM relay", "3.11.2", "ProxyShell"):  # fmt: skip
        assert not told_of(value), value
