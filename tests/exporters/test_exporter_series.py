"""Single servers and groups as metrics: the last whole round and nothing else, and no label that names anybody."""

from __future__ import annotations

import logging
import re
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from agent.config import check
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.ipc import Type, Unexpected
from agent.listed import Listed
from agent.messages import validated
from agent.model import Endpoint, Observation
from agent.outline import written
from agent.pseudonym import Pseudonyms
from agent.series import Series as Made
from exporters.naming import TABLE
from exporters.series import LASTS, Series
from exporters.service import Latest, pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

DAY = 86_400.0
NOON = 1_793_620_800.0
OUTLINE = {
    "product": "exchange", "generation": "2016", "build": "15.1 (Build 2507.6)", "support": "end_of_support",
    "precision": "su", "verdict": "confirmed", "holes": [3, 2, 1],
}  # fmt: skip
VAGUE = {**OUTLINE, "generation": "unknown", "build": "", "support": "none", "precision": "none", "holes": None}
FIRST, SECOND = "s-aaaaaaaaaaaaaaaa", "s-bbbbbbbbbbbbbbbb"


def listed(**change: Any) -> dict[str, Any]:
    return {
        "number": 1, "part": 0, "parts": 1, "limit": 10, "key_id": "0123abcd", "epoch": 692, "suppressed": 4,
        "suppressed_total": 9, "grouped": False, "group_files_failing": 0, "groups": [],
        "outlines": [OUTLINE, VAGUE], "servers": [FIRST, SECOND], "of": [0, 1], "hours": [498_000, 498_001], **change,
    }  # fmt: skip


def part(**change: Any) -> Listed:
    taken = validated(Type.SERVERS, listed(**change))
    assert isinstance(taken, Listed)
    return taken


def scraped(*parts: Listed, accept: str = "") -> str:
    latest = Latest()
    for each in parts:
        latest.series.take(each)
    return pages(latest, lambda: None).metrics(accept)[1].decode()


def samples(text: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(text)
    told = {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}
    return {key: value for key, value in told.items() if key[0].removeprefix("knockfirst_") in OURS}


OURS = {name for name in TABLE if name.startswith(("server_", "series_", "pseudonym_", "group_"))}


def test_a_round_is_what_is_shown() -> None:
    known = ("exchange", "2016", "15.1 (Build 2507.6)", "end_of_support", "su", "confirmed")
    shown = samples(scraped(part()))
    infos = {frozenset(key[1:]) for key in shown if key[0] == "knockfirst_server_info"}
    assert infos == {frozenset((FIRST, *known)), frozenset((SECOND, "exchange", "unknown", "", "none", "confirmed"))}
    assert {key[1:]: value for key, value in shown.items() if key[0] == "knockfirst_server_exposed"} == {
        (FIRST, "exploited"): 3, (FIRST, "vulnerable"): 2, (FIRST, "possible"): 1,
    }  # fmt: skip
    assert shown["knockfirst_server_last_seen_timestamp_seconds", FIRST] == 498_000 * 3600
    assert shown["knockfirst_series_suppressed",] == 4
    assert shown["knockfirst_series_suppressions_total",] == 9
    assert shown["knockfirst_pseudonym_info", "692", "0123abcd"] == 1
    assert not any(key[0].startswith("knockfirst_group") for key in shown)


def test_groups_are_shown_without_single_servers() -> None:
    groups = [{"name": "north", "servers": 9, "exposed": 2}, {"name": "other", "servers": 6, "exposed": 0}]
    nobody: dict[str, Any] = {"outlines": [], "servers": [], "of": [], "hours": []}
    shown = samples(scraped(part(limit=0, grouped=True, groups=groups, group_files_failing=1, **nobody)))
    assert shown == {
        ("knockfirst_group_servers", "north"): 9, ("knockfirst_group_servers", "other"): 6,
        ("knockfirst_group_servers_exposed", "north"): 2, ("knockfirst_group_servers_exposed", "other"): 0,
        ("knockfirst_group_files_failing",): 1,
    }  # fmt: skip


def test_without_a_round_there_is_nothing() -> None:
    assert samples(scraped()) == {}


def test_half_a_round_changes_nothing() -> None:
    later = part(number=2, parts=2, servers=["s-cccccccccccccccc"], of=[0], hours=[498_002])
    assert samples(scraped(part(), later)) == samples(scraped(part()))


def test_a_whole_round_takes_the_place_of_the_one_before() -> None:
    rest = [
        part(number=2, part=at, parts=2, servers=[f"s-{letter * 16}"], of=[0], hours=[498_002])
        for at, letter in enumerate("cd")
    ]
    shown = samples(scraped(part(), *rest))
    seen = {key[1] for key in shown if key[0] == "knockfirst_server_last_seen_timestamp_seconds"}
    assert seen == {"s-cccccccccccccccc", "s-dddddddddddddddd"}
    assert not any(FIRST in key for key in shown)


OUT_OF_ORDER = [
    ("its second part alone", [{"number": 2, "part": 1, "parts": 2}]),
    ("parts of two rounds", [{"number": 2, "parts": 2}, {"number": 3, "part": 1, "parts": 2}]),
    ("a part that is missing", [{"number": 2, "parts": 3}, {"number": 2, "part": 2, "parts": 3}]),
]


@pytest.mark.parametrize("parts", [row[1] for row in OUT_OF_ORDER], ids=[row[0] for row in OUT_OF_ORDER])
def test_what_does_not_follow_on_what_came_is_let_go(parts: list[dict[str, Any]]) -> None:
    series = Series()
    for change in ({}, *parts):
        series.take(part(**change))
    assert series.collect() == list(series.collect())
    shown = {sample.labels.get("server") for family in series.collect() for sample in family.samples}
    assert shown == {FIRST, SECOND, None}
    series.take(part(number=9, servers=[FIRST], of=[0], hours=[1]))
    assert SECOND not in {s.labels.get("server") for family in series.collect() for s in family.samples}


REFUSED = [
    ("an address", {"servers": ["192.0.2.1", SECOND]}),
    ("a name", {"servers": ["mail.example", SECOND]}),
    ("no outline of that place", {"of": [0, 2]}),
    ("a column that is too short", {"hours": [1]}),
    ("a group that is a name", {"groups": [{"name": "mail.example", "servers": 5, "exposed": 0}]}),
    ("two kinds of holes", {"outlines": [{**OUTLINE, "holes": [1, 2]}, VAGUE]}),
    ("no parts", {"parts": 0}),
    ("a key that is one", {"key_id": "00" * 32}),
]


@pytest.mark.parametrize("change", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_no_such_message_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Unexpected, match="SERVERS"):
        validated(Type.SERVERS, listed(**change))


def test_none_outlives_its_agent_for_long() -> None:
    now = [0.0]
    series = Series(lambda: now[0])
    series.take(part())
    now[0] = LASTS
    assert list(series.collect())
    now[0] = LASTS + 1
    assert not list(series.collect())
    series.take(part(number=2))
    assert list(series.collect())


def test_openmetrics_has_the_same_series() -> None:
    groups = [{"name": "north", "servers": 9, "exposed": 2}]
    text = scraped(part(grouped=True, groups=groups), accept="application/openmetrics-text")
    told = {sample.name for family in openmetrics_families(text) for sample in family.samples}
    assert {f"knockfirst_{name}" for name in OURS} <= told


class Exporter:
    """What comes of an inventory, as the exporter shows it."""

    busy = False

    def __init__(self) -> None:
        self.series = Series()

    def tell(self, _: object, frames: Iterator[bytes]) -> None:
        import json

        for frame in frames:
            self.series.take(validated(Type.SERVERS, json.loads(frame[6:])))

    def shown(self) -> list[Metric]:
        return list(self.series.collect())


HOSTS = st.from_regex(r"[a-z]{3,9}\.[a-z]{3,9}\.example", fullmatch=True)
SEEN = st.dictionaries(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str),
    st.tuples(HOSTS, st.sampled_from([*map(str, (known.build for known in catalogue().builds)), ""])),
    min_size=1,
    max_size=8,
)
_BUILDS = {written(known.build) for known in catalogue().builds}


def told(seen: dict[str, tuple[str, str]]) -> list[Metric]:
    """Everything that a scrape would have of these servers."""
    inventory = Inventory(book(), catalogue())
    for address, (host, build) in seen.items():
        facts = [("smtp.greeting", f"{host} Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100", 25)]
        facts += [("tls.sni", host, 443), ("http.header", f"X-FEServer: {host}", 443)]
        facts += [("http.header", f"X-OWA-Version: {build}", 443)] if build else []
        for kind, value, port in facts:
            inventory.observe(Observation(Endpoint(address, port), kind, value, NOON, "passive", "test"))
    exporter: Any = Exporter()
    made = Made(
        check({"exporter": {"servers": 100}}, "test"), inventory, lambda: Pseudonyms(bytes(32), 30),
        log=logging.getLogger("test"), now=lambda: NOON, monotonic=lambda: 0.0,
    )  # fmt: skip
    for _ in range(100):
        made.tend(exporter, exporter.tell)
        if exporter.shown():
            return list(exporter.shown())
    raise AssertionError("no round came to its end")


@settings(max_examples=40)
@given(SEEN)
def test_no_label_is_or_parses_as_an_address_a_prefix_a_name_or_a_host(seen: dict[str, tuple[str, str]]) -> None:
    values = {
        (label, value)
        for family in told(seen)
        for sample in family.samples
        for label, value in sample.labels.items()
    }  # fmt: skip
    assert sum(label == "server" for label, _ in values) == len(seen)
    for label, value in values:
        assert not any(address in value or host in value for address, (host, _) in seen.items())
        assert "@" not in value and "/" not in value
        assert "." not in value or (label == "build" and value in _BUILDS)
        for parse in (ip_address, ip_network):
            with pytest.raises(ValueError, match="does not appear to be"):
                parse(value)
        if label == "server":
            assert re.fullmatch(r"s-[a-z2-7]{16}", value)


def test_every_server_has_about_five_series_and_a_memory_that_does_not_grow_with_periods() -> None:
    """A month of label churn: what was shown under another name is gone with the next round."""
    series = Series()
    for epoch in range(60):
        letters = "abcdefghijklmnopqrstuvwxyz234567"
        names = [f"s-{letters[epoch % 32]}{letters[epoch // 32]}{letter * 14}" for letter in letters]
        series.take(part(number=epoch, epoch=epoch, servers=names, of=[0] * 32, hours=[498_000] * 32))
        rows = [sample for family in series.collect() for sample in family.samples]
        assert {sample.labels["server"] for sample in rows if "server" in sample.labels} == set(names)
        assert len(rows) == 32 * 5 + 3
