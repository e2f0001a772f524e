"""Whom the kernel lets the prober reach: no less than records in force cover, and no more prefixes than may be."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import InputError
from agent.lab import leave
from agent.office import Office, Who
from agent.privacy import cidrs, minus, one, union
from agent.sections import Config, Notices
from agent.verbs.allowed import aggregated, listed, relays

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400.0
ME = Who(0, 1)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    now = time.time()
    made = Office(Config(), tmp_path, log=logging.getLogger(), now=time.time, monotonic=time.monotonic)
    made.open()
    made.record(
        [
            *leave.published(now),
            *leave.agreed("C-1", ["192.0.2.0/28"], now),
            *leave.agreed("C-2", ["2001:db8::/64"], now),
        ]
    )
    yield made
    made.close()


def asked(office: Office, **words: Any) -> dict[str, Any]:
    (answer,) = listed(office, words, ME)
    return answer


def test_it_names_what_records_in_force_cover_and_that_it_was_read_is_on_record(office: Office) -> None:
    before = office.log.size
    assert asked(office)["prefixes"] == ["2001:db8::/64", "192.0.2.0/28"]
    (entry,) = office.log.read(start=before)
    assert (entry.kind, entry.public) == ("register.read", {"uid": 0, "what": "allow-list"})


def test_what_is_known_already_is_not_told_again(office: Office) -> None:
    known, size = asked(office)["sha256"], office.log.size
    assert asked(office, known=known) == {"sha256": known, "prefixes": None}
    assert office.log.size == size


def test_an_objection_takes_away_and_so_do_a_withdrawal_and_time(office: Office) -> None:
    now = time.time()
    office.record([leave.objected("C-1", ["192.0.2.8/29"], now)])
    assert asked(office)["prefixes"] == ["2001:db8::/64", "192.0.2.0/29"]
    office.now = lambda: now + 4000 * DAY
    assert asked(office)["prefixes"] == []


def test_a_record_that_begins_within_the_hour_is_there_already(office: Office) -> None:
    now = time.time()
    for customer, seconds, prefix in (("C-3", 1800, "198.51.100.0/28"), ("C-4", 7200, "203.0.113.0/28")):
        begins = leave.ago(now + seconds, 0)
        office.record([leave.mapped(customer, [prefix], now), leave.given(customer, [prefix], now, valid_from=begins)])
    assert "198.51.100.0/28" in asked(office)["prefixes"]
    assert "203.0.113.0/28" not in asked(office)["prefixes"]


@pytest.mark.parametrize("most", [1, 0, -1, 5000, "8", True, 2.0, None])
def test_a_number_that_is_none_is_refused(office: Office, most: object) -> None:
    with pytest.raises(InputError, match="most:"):
        asked(office, most=most)


PREFIXES = st.one_of(
    st.builds("10.{}.{}.{}/32".format, *[st.integers(0, 255)] * 3),
    st.builds("192.0.2.{}/31".format, st.integers(0, 127).map(lambda half: 2 * half)),
    st.builds("2001:db8:{:x}::/48".format, st.integers(0, 0xFFFF)),
)


@given(st.lists(PREFIXES, max_size=60), st.integers(2, 40))
def test_joining_loses_nobody_and_fits(texts: list[str], most: int) -> None:
    ranges = union([one(text) for text in texts])
    made = aggregated(ranges, most)
    assert len(made) <= most
    assert minus(ranges, union([one(text) for text in made])) == []
    if len(cidrs(ranges)) <= most:
        assert made == cidrs(ranges)


def test_joining_widens_no_more_than_it_has_to() -> None:
    ranges = union([one(text) for text in ("192.0.2.0/25", "192.0.2.128/26", "10.0.0.0/24", "2001:db8::/64")])
    assert aggregated(ranges, 3) == ["2001:db8::/64", "10.0.0.0/24", "192.0.2.0/24"]


def test_where_the_notifier_has_to_connect_to_is_what_the_configuration_names(office: Office) -> None:
    assert list(relays(office, {}, ME)) == [{"hosts": []}]
    office.config = Config(
        notices=Notices(relay="[2001:db8::25]:587", sender="a@example.net", webhook="https://hooks.example.net/x")
    )
    assert list(relays(office, {}, ME)) == [{"hosts": ["2001:db8::25", "hooks.example.net"]}]
