"""What the console's pages of single servers hold: filters and pages, a server's page, and what stays pseudonymous."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.errors import InputError
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory, Seen
from agent.lab import leave
from agent.leave import Refused
from agent.model import Endpoint, Observation
from agent.verbs import console
from tests.agent.leaving import HOST, NET, OTHER_HOST, START, Clock, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.office import Office

TODAY = date(2026, 11, 18)
GREETING = "{} Microsoft ESMTP MAIL Service ready at Wed, 18 Nov 2026 09:00:00 +0100"


class Place:
    """An office, and servers that were seen: ``HOST`` of a customer who agreed, others of nobody."""

    def __init__(self, office: Office, clock: Clock) -> None:
        self.office, self.clock = office, clock
        self.inventory = Inventory(book(), catalogue())
        self.refusals: dict[str, Refused] = {}
        self.seen = Seen(self.inventory, self.refusals, TODAY)

    def sees(self, address: str, build: str = "", name: str = "mail.bakery.example") -> None:
        facts = [(25, "smtp.greeting", GREETING.format(name)), (443, "tls.sni", name)]
        if build:
            facts += [(443, "http.header", f"X-OWA-Version: {build}")]
        for port, kind, value in facts:
            self.inventory.observe(Observation(Endpoint(address, port), kind, value, START, "passive", kind[:4]))

    def says(self, page: str, /, **words: str) -> list[dict[str, Any]]:
        return list(getattr(console, page)(self.office, words, "anna", self.seen))

    def servers(self, **words: str) -> list[str]:
        return [row["server"] for row in self.says("servers", **words)[1:]]

    def name(self, address: str) -> str:
        return self.office.pseudonyms.of(address, self.clock.wall)

    def probed(self, became: str = "confirmed") -> int:
        """A probe of HOST that ended so; the number of its intent."""
        (customer,) = self.office.register.refs()
        asked = Item("probe.intent", {"id": "0" * 32, "why": "schedule"}, customer, {"address": HOST, "port": 443})
        (intent,) = self.office.record([asked])
        ended = {"intent": intent.number, "outcome": became, "ms": 80, "connections": 1}
        self.office.record([Item("probe.outcome", ended, customer, {"detail": "a few words"})])
        return intent.number


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    clock = Clock()
    with opened(tmp_path, clock, *leave.agreed("agreed", [NET], clock.wall)) as office:
        yield Place(office, clock)


def test_servers_by_what_is_asked(place: Place) -> None:
    place.sees(HOST, "15.1.2242.4")
    place.sees(OTHER_HOST, "15.2.2562.17")
    place.sees("2001:db8::1")
    place.inventory.observe(
        Observation(Endpoint("203.0.113.9", 25), "smtp.greeting", "mx ESMTP Postfix", START, "passive", "smtp")
    )
    place.refusals[OTHER_HOST] = Refused("unmapped", "no source says whose address it is", START)
    old, new, vague = map(place.name, (HOST, OTHER_HOST, "2001:db8::1"))
    assert place.servers()[0] == old, "the most exploited holes come first"
    assert set(place.servers()) == {old, new, vague}, "what shows no sign of Exchange is not listed"
    assert place.servers(generation="2016") == [old]
    assert place.servers(support="end_of_support") == [old]
    assert place.servers(reason="unmapped") == [new]
    assert place.servers(product="exchange", generation="unknown") == [vague]
    assert place.servers(cve="CVE-2021-34473") == [old]
    assert place.servers(cve="CVE-2021-34473", generation="SE") == []
    assert place.servers(verdict="none") == []
    row = place.says("servers", generation="2016")[1]
    assert (row["build"], row["exploited"] > 5, row["open"] > row["exploited"]) == ("15.1 (Build 2242.4)", True, True)


def test_lists_go_on_over_pages_and_no_page_is_beyond_the_last(place: Place) -> None:
    for number in range(console.ROWS + 3):
        place.sees(f"198.51.100.{number}")
    assert place.says("servers")[0] == {"total": console.ROWS + 3, "page": 1, "pages": 2}
    first, second = place.servers(page="1"), place.servers(page="2")
    assert (len(first), len(second), len({*first, *second})) == (console.ROWS, 3, console.ROWS + 3)
    assert place.servers(page="999999") == second


def test_lists_and_recent_probes_name_nobody(place: Place) -> None:
    place.sees(HOST, "15.1.2242.4")
    place.probed()
    place.refusals[HOST] = Refused("rate", "the host was knocked at not long ago", START)
    told = json.dumps([place.says("servers"), place.says("recent")])
    customer = place.office.register.refs()[0]
    for name in (HOST, "bakery", "mail.", f'"{customer}"'):
        assert name not in told
    assert place.name(HOST) in told


def test_failures_are_not_pushed_out_by_successes(place: Place) -> None:
    place.sees(HOST)
    bad = place.probed("identity_mismatch")
    good = [place.probed() for _ in range(3)]
    rows = place.says("recent")
    assert [row["entry"] for row in rows if row["list"] == "failed"] == [bad]
    assert [row["entry"] for row in rows if row["list"] == "last"] == [*reversed(good), bad]
    place.office.history.recent.clear()
    assert [row["entry"] for row in place.says("recent")] == [bad]


def test_all_about_one(place: Place) -> None:
    place.sees(HOST, "15.1.2242.4")
    entry = place.probed()
    place.refusals[HOST] = Refused("not_needed", "the build is known already", START)
    rows = place.says("server", server=place.name(HOST))
    of = {
        kind: [row for row in rows if row["is"] == kind] for kind in ("server", "finding", "evidence", "input", "probe")
    }
    (one,) = of["server"]
    assert (one["address"], one["customers"]) == (HOST, place.office.register.refs())
    assert "mail.bakery.example" in one["names"]
    assert ("CVE-2021-34473", "vulnerable") in {(row["cve"], row["status"]) for row in of["finding"]}
    assert {"smtp.greeting", "http.header"} <= {row["kind"] for row in of["evidence"]}
    assert len(of["input"]) > 30
    assert [row["entry"] for row in of["probe"]] == [entry]
    (decision,) = [row for row in rows if row["is"] == "decision"]
    assert decision["scheduled"]["reason"] == "not_needed"
    assert decision["reason"] == next(row["reason"] for row in of["input"] if row["reason"])


def test_a_name_holds_for_its_period_and_the_next(place: Place) -> None:
    place.sees(HOST)
    name = place.name(HOST)
    day = 86_400.0
    place.clock.wall += place.office.config.exporter.pseudonym_days * day
    assert place.name(HOST) != name
    assert place.says("server", server=name)[0]["address"] == HOST
    place.clock.wall += place.office.config.exporter.pseudonym_days * day
    with pytest.raises(InputError, match="other names each period"):
        place.says("server", server=name)


@pytest.mark.parametrize("name", ["", "s-aaaaaaaaaaaaaaaa", HOST, "s-" + "a" * 200])
def test_names_of_nobody(place: Place, name: str) -> None:
    place.sees(HOST)
    before = place.office.log.size
    with pytest.raises(InputError):
        place.says("server", server=name)
    assert place.office.log.size == before


def test_what_a_server_says_is_cut(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.sees(HOST)
    monkeypatch.setattr(console, "VALUE", 20)
    rows = place.says("server", server=place.name(HOST))
    assert [row["value"] for row in rows if row["is"] == "evidence"] == ["mail.bakery.example …"]
    assert {name for name in rows[0]["names"] if len(name) > 21} == set()


@pytest.mark.parametrize("page", ["recent", "servers", "server"])
def test_the_entry_comes_before_the_first_word(place: Place, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.sees(HOST)
    words = {"server": place.name(HOST)} if page == "server" else {}
    made = getattr(console, page)(place.office, words, "anna", place.seen)
    before = place.office.log.size
    next(made, None)
    assert place.office.log.size == before + 1

    def full(items: object) -> None:
        raise AuditError("no room")

    monkeypatch.setattr(place.office, "record", full)
    given: list[object] = []
    with pytest.raises(AuditError):
        given.extend(getattr(console, page)(place.office, words, "anna", place.seen))
    assert given == []
