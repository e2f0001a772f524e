"""The servers behind a number or a pseudonym: what fits, in what order, a page at a time; each look on record first."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.audit.log import AuditError
from agent.believed import OPEN, STATUSES, aggregates
from agent.errors import InputError, UnavailableError
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory, Seen
from agent.lab import leave
from agent.model import Endpoint, Observation
from agent.office import Who
from agent.sighted import sighting
from agent.verbs import servers
from tests.agent.leaving import HOST, NET, OTHER_HOST, START, Clock, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.leave import Sighting
    from agent.office import Office

TODAY = date(2026, 11, 18)
DAY = 86_400.0
WHO = Who(1000, 42)
OLD, NEWER = "15.1.2242.4", "15.2.2562.17"
GREETING = "ex01.example.org Microsoft ESMTP MAIL Service ready at Wed, 18 Nov 2026 09:00:00 +0100"
KEV = {flaw.cve: flaw.kev for flaw in catalogue().flaws}
SHELL = "CVE-2021-34473"


class Place:
    """An office, and servers that were seen: ``HOST`` is a customer's, who has agreed."""

    def __init__(self, office: Office, clock: Clock) -> None:
        self.office, self.clock = office, clock
        self.inventory = Inventory(book(), catalogue())
        self.office.sighting = self.sighting
        self.office.seen = lambda: Seen(self.inventory, {}, TODAY)

    def sighting(self, address: str, port: int) -> Sighting | None:
        return sighting(self.inventory.assessment(address, TODAY), self.inventory.observations(address), port)

    def sees(self, address: str, build: str = "") -> None:
        facts = [(25, "smtp.greeting", GREETING)] + ([(443, "http.header", f"X-OWA-Version: {build}")] if build else [])
        for port, kind, value in facts:
            self.inventory.observe(Observation(Endpoint(address, port), kind, value, START, "passive", "test"))

    def asks(self, **words: Any) -> list[dict[str, Any]]:
        return list(servers.listed(self.office, words, WHO))

    def lists(self, **words: Any) -> list[str]:
        return [row["address"] for row in self.asks(**words)[1:]]

    def whois(self, name: str) -> dict[str, Any]:
        (row,) = servers.whois(self.office, {"server": name}, WHO)
        return row

    def entries(self) -> list[tuple[dict[str, Any], str]]:
        return [(entry.public, entry.customer) for entry in self.office.log.read(("finding.read",))]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    clock = Clock()
    with opened(tmp_path, clock, *leave.agreed("agreed", [NET], clock.wall)) as office:
        yield Place(office, clock)


def test_a_row_has_what_is_believed_whose_it_is_and_what_would_be_asked(place: Place) -> None:
    place.sees(HOST, OLD)
    place.sees(OTHER_HOST)
    head, first, second = place.asks()
    (customer,) = place.office.register.refs()
    assert head == {"found": 2, "next": None}
    assert {key: first[key] for key in ("address", "product", "generation", "build", "precision", "verdict")} == {
        "address": HOST, "product": "exchange", "generation": "2016", "build": OLD, "precision": "su",
        "verdict": "confirmed",
    }  # fmt: skip
    assert first["server"] == place.office.pseudonyms.of(HOST, place.clock.wall)
    assert first["open"]["exploited"] > 0
    assert (first["support"], first["customers"], first["asked"]) == ("end_of_support", [customer], "not_needed")
    assert (second["open"], second["customers"], second["asked"]) == (None, [], "unmapped")
    assert first["last_seen"] == START


def test_the_most_urgent_come_first(place: Place) -> None:
    for address, build in ((OTHER_HOST, ""), ("2001:db8::1", NEWER), (HOST, OLD)):
        place.sees(address, build)
    assert place.lists() == [HOST, "2001:db8::1", OTHER_HOST]


def test_a_page_says_where_to_go_on(place: Place) -> None:
    for number in range(1, 6):
        place.sees(f"192.0.2.{number}")
    pages, start = [], 0
    while start is not None:
        head, *rows = place.asks(start=start, limit=2)
        assert head["found"] == 5
        pages.append([row["address"] for row in rows])
        start = head["next"]
    assert pages == [["192.0.2.1", "192.0.2.2"], ["192.0.2.3", "192.0.2.4"], ["192.0.2.5"]]


FILTERS = [
    ({"product": "exchange"}, [HOST, "2001:db8::1", OTHER_HOST]),
    ({"product": "exchange-edge"}, []),
    ({"generation": "2016"}, [HOST]),
    ({"generation": "unknown"}, [OTHER_HOST]),
    ({"support": "end_of_support"}, [HOST]),
    ({"support": "unknown"}, [OTHER_HOST]),
    ({"verdict": "confirmed", "generation": "SE"}, ["2001:db8::1"]),
    ({"cve": SHELL}, [HOST]),
    ({"cve": SHELL, "status": "vulnerable"}, [HOST]),
    ({"cve": SHELL, "status": "possible"}, []),
    ({"chain": "proxyshell"}, [HOST]),
    ({"chain": "Proxy-Shell", "status": "all"}, [HOST]),
    ({"chain": "ProxyShell", "status": "unknown"}, []),
    ({"status": "vulnerable"}, [HOST, "2001:db8::1"]),
    ({"customer": "agreed"}, [HOST]),
]


@pytest.mark.parametrize(("words", "expected"), FILTERS, ids=[str(words) for words, _ in FILTERS])
def test_servers_by_what_is_asked(place: Place, words: dict[str, Any], expected: list[str]) -> None:
    for address, build in ((HOST, OLD), (OTHER_HOST, ""), ("2001:db8::1", NEWER)):
        place.sees(address, build)
    assert place.lists(**words) == expected


BUILDS = st.lists(st.sampled_from([*map(str, (known.build for known in catalogue().builds)), ""]), max_size=6)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BUILDS)
def test_a_list_is_as_long_as_the_number_that_led_to_it(place: Place, builds: list[str]) -> None:
    """What the metrics count by product, CVE and chain is what is listed by the same words."""
    place.inventory = Inventory(book(), catalogue())
    for number, build in enumerate(builds):
        place.sees(f"203.0.113.{number}", build)
    seen = place.inventory.assessments(TODAY)
    counted = aggregates(seen, KEV, TODAY)
    for row in counted["servers"]:
        words = {key: row[key] for key in ("product", "generation", "support", "verdict")}
        precisions = Counter(one["precision"] for one in place.asks(**words)[1:])
        assert precisions[row["precision"]] == row["count"]
    exposed = [row for row in counted["exposed"] if row["count"]] + counted["exposed"][:2]
    for row in exposed[:6]:
        assert len(place.lists(cve=row["cve"], status=row["status"])) == row["count"]
    for row in [row for row in counted["chains"] if row["count"]][:6]:
        assert len(place.lists(chain=row["chain"], status=row["open"])) == row["count"]


REFUSED = [
    ({"product": "sendmail"}, "product: 'sendmail' is none of exchange, "),
    ({"support": "ended"}, "support: 'ended' is none of supported, "),
    ({"cve": "CVE-1999-0001"}, "the catalogue has no such CVE; write it like"),
    ({"cve": SHELL, "status": "all"}, f"status: 'all' is none of {', '.join(STATUSES)}"),
    ({"cve": SHELL, "chain": "ProxyShell"}, "cve, chain: name one of them"),
    ({"chain": "Proxy"}, "the catalogue has no such chain; it has .*ProxyShell"),
    ({"chain": "ProxyShell", "status": "fixed_if_configured"}, f"status of a chain: .* is none of {', '.join(OPEN)}"),
    ({"customer": "nobody"}, "no customer of that reference is known; `consent list` has them all"),
    ({"customer": 7}, "no customer of that reference"),
    ({"start": -1}, "start: is no number from 0 on"),
    ({"limit": "all"}, "limit: is no number from 0 on"),
    ({"limit": True}, "limit: is no number from 0 on"),
]


@pytest.mark.parametrize(("words", "fault"), REFUSED, ids=[str(words) for words, _ in REFUSED])
def test_what_nobody_could_be_is_refused_and_says_what_would_be_right(
    place: Place, words: dict[str, Any], fault: str
) -> None:
    place.sees(HOST, OLD)
    with pytest.raises(InputError, match=fault):
        place.asks(**words)
    assert place.entries() == []


def test_each_look_is_on_record_with_who_and_how_many(place: Place) -> None:
    place.sees(HOST, OLD)
    place.sees(OTHER_HOST)
    place.asks()
    place.asks(customer="agreed")
    place.asks(generation="2019")
    said = {"uid": 1000, "what": "servers"}
    assert place.entries() == [
        ({**said, "count": 2}, ""), ({**said, "count": 1}, "agreed"), ({**said, "count": 0}, ""),
    ]  # fmt: skip


def test_what_cannot_be_put_on_record_is_not_shown(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.sees(HOST, OLD)

    def broken(items: Any) -> Any:
        raise AuditError("no room")

    name = place.office.pseudonyms.of(HOST, place.clock.wall)
    monkeypatch.setattr(place.office, "record", broken)
    for answers in (servers.listed(place.office, {}, WHO), servers.whois(place.office, {"server": name}, WHO)):
        with pytest.raises(AuditError):
            next(answers)


def test_a_pseudonym_leads_to_its_server_in_its_period_and_in_the_next(place: Place) -> None:
    place.sees(HOST, OLD)
    place.sees(OTHER_HOST)
    name = place.office.pseudonyms.of(HOST, place.clock.wall)
    assert place.whois(name)["address"] == HOST
    place.clock.on(30 * DAY)
    again = place.whois(name)
    assert again["address"] == HOST
    assert again["server"] != name
    place.clock.on(30 * DAY)
    with pytest.raises(InputError, match="no server of this name is known; names change each period"):
        place.whois(name)
    said = {"uid": 1000, "what": "whois"}
    assert place.entries() == [({**said, "count": 1}, "agreed")] * 2 + [({**said, "count": 0}, "")]


@pytest.mark.parametrize("name", ["s-aaaaaaaaaaaaaaaa", "192.0.2.1", "", None, "s-AAAAAAAAAAAAAAAA"])
def test_who_asks_for_nobody_is_on_record_all_the_same(place: Place, name: Any) -> None:
    place.sees(HOST, OLD)
    with pytest.raises(InputError, match="no server of this name is known"):
        place.whois(name)
    assert place.entries() == [({"uid": 1000, "what": "whois", "count": 0}, "")]


def test_without_a_daemon_nobody_knows(place: Place) -> None:
    place.office.seen = None
    for answers in (servers.listed(place.office, {}, WHO), servers.whois(place.office, {"server": "s-a"}, WHO)):
        with pytest.raises(UnavailableError, match="no daemon runs, and it alone knows which servers there are"):
            next(answers)
    assert place.entries() == []
