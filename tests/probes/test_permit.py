"""A permit: what it is minted from, and that there is no other way to have one."""

from __future__ import annotations

import copy
import gc
import pickle
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.leave import Budget
from agent.privacy import one
from probes.permit import HOUSE, Mint, NotPermitted, Permit, canonical, killed, spend
from tests.probes.peers import LABORATORY, grant

if TYPE_CHECKING:
    from pathlib import Path

    from probes.section import Section

NOW = 1000.0
OUTSIDE = LABORATORY._replace(laboratory=False)
PUBLIC = "1.1.1.1"


def minted(section: Section | None = LABORATORY, now: float = NOW, **changes: Any) -> Permit:
    return Mint().mint(grant(443, **{"deadline": NOW + 5} | changes), now, section)


# Each wall, and a grant that only it stands against: its outcome, and a word of what is told.
WALLS: dict[str, tuple[dict[str, Any], str, str]] = {
    "expired": ({"deadline": NOW}, "cancelled", "expired"),
    "too far": ({"deadline": NOW + 61}, "bug", "too far"),
    "no id": ({"id": ""}, "bug", "id"),
    "an id that breaks out": ({"id": "0" * 8 + "\r\nX: y"}, "bug", "id"),
    "no port": ({"port": 0}, "bug", "port"),
    "no such port": ({"port": 65_536}, "bug", "port"),
    "a name for an address": ({"address": "mail.example.org"}, "bug", "canonical"),
    "leading zeroes": ({"address": "127.0.0.01"}, "bug", "canonical"),
    "a short form": ({"address": "127.1"}, "bug", "canonical"),
    "a number": ({"address": "2130706433"}, "bug", "canonical"),
    "capitals": ({"address": "2001:DB8::1"}, "bug", "canonical"),
    "a zone": ({"address": "fe80::1%lo"}, "bug", "canonical"),
    "a space": ({"address": "127.0.0.1 "}, "bug", "canonical"),
    "no address": ({"address": ""}, "bug", "canonical"),
    "nul": ({"address": "127.0.0.1\0"}, "bug", "canonical"),
    "an unknown probe": ({"probe": "exchange-exploit"}, "bug", "probe"),
    "four connections": ({"budget": Budget(connections=4)}, "bug", "connections"),
    "no connections": ({"budget": Budget(connections=0)}, "bug", "connections"),
    "too many bytes": ({"budget": Budget(bytes=(64 << 10) + 1)}, "bug", "bytes"),
    "too many seconds": ({"budget": Budget(seconds=61.0)}, "bug", "seconds"),
    "no seconds": ({"budget": Budget(seconds=0.0)}, "bug", "seconds"),
    "a name with a line in it": ({"name": "a\r\nX: y"}, "bug", "name"),
    "a name that ends a line": ({"name": "a.example\n"}, "bug", "name"),
    "an empty name": ({"name": ""}, "bug", "name"),
    "a name that is an address": ({"name": "192.0.2.1"}, "bug", "name"),
    "a name with a port": ({"name": "a.example:25"}, "bug", "name"),
    "a name with dots at its end": ({"name": "a.example.."}, "bug", "name"),
    "a name that is too long": ({"name": "a." * 127 + "ab"}, "bug", "name"),
    "a name beyond ASCII": ({"name": "é.example"}, "bug", "name"),
    "public in a laboratory": ({"address": PUBLIC}, "cancelled", "laboratory"),
    "private in a laboratory": ({"address": "10.0.0.1"}, "cancelled", "laboratory"),
}


@pytest.mark.parametrize("case", WALLS)
def test_each_wall(case: str) -> None:
    changes, outcome, word = WALLS[case]
    with pytest.raises(NotPermitted) as refused:
        minted(**changes)
    assert (refused.value.outcome, word in refused.value.detail) == (outcome, True), refused.value


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "100.64.0.1", "169.254.169.254", "192.168.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1",
     "255.255.255.255", "0.0.0.0", "::", "::1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1", "fe80::1",
     "fc00::1", "ff02::1", "2001:db8::1", "2001::1"],
)  # fmt: skip
def test_outside_a_laboratory_nobody_special_is_knocked_at(address: str) -> None:
    with pytest.raises(NotPermitted, match="special"):
        minted(OUTSIDE, address=address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:4700::1111"])
def test_outside_a_laboratory_others_are(address: str) -> None:
    assert minted(OUTSIDE, address=address)
    with pytest.raises(NotPermitted, match="deny list"):
        minted(
            OUTSIDE._replace(denied=[one(PUBLIC), one("2606:4700::/32")][:: 1 if "." in address else -1]),
            address=address,
        )


@pytest.mark.parametrize(
    "name", [None, "localhost", "EX01", "mail.example.org", "_a.b-c.example", "xn--bcher-kva.example"]
)
def test_names_of_hosts(name: str | None) -> None:
    assert minted(name=name)


def test_the_kill_switch(tmp_path: Path) -> None:
    switch = tmp_path / "off"
    section = LABORATORY._replace(kill_switch=str(switch))
    assert minted(section)
    switch.symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotPermitted, match="kill switch"):
        minted(section)


def test_a_switch_of_which_nobody_can_know_is_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert killed(str(tmp_path / "file" / "off"))
    assert killed("a" * 5000)
    assert not killed(str(tmp_path / "nowhere" / "off"))
    assert not killed("")


def test_without_a_section_nobody_is_knocked_at() -> None:
    with pytest.raises(NotPermitted, match="how to behave"):
        minted(None)


def test_a_grant_is_used_once_even_where_it_was_refused() -> None:
    mint = Mint()
    for first in ({}, {"port": 0}):
        one_grant = grant(443, deadline=NOW + 5, **first)
        if first:
            with pytest.raises(NotPermitted, match="port"):
                mint.mint(one_grant, NOW, LABORATORY)
        else:
            assert mint.mint(one_grant, NOW, LABORATORY)
        for again in (one_grant, one_grant._replace(port=443, deadline=NOW + 9, number=2)):
            with pytest.raises(NotPermitted, match="used before"):
                mint.mint(again, NOW, LABORATORY)


def test_no_more_begin_in_a_minute_than_allowed() -> None:
    mint, section = Mint(), LABORATORY._replace(per_minute=2)

    def begun(now: float) -> bool:
        try:
            return bool(mint.mint(grant(443, deadline=now + 5), now, section))
        except NotPermitted as refused:
            assert refused.detail == "more than per_minute"
            return False

    assert [begun(NOW + at) for at in (0, 1, 2, 54, 55.5, 56.5, 57)] == [True, True, False, False, True, True, False]


def test_a_permit_is_good_for_one_use() -> None:
    permit = minted()
    assert spend(permit, NOW).grant.port == 443
    with pytest.raises(NotPermitted, match="used before"):
        spend(permit, NOW)


def test_a_permit_dies_with_its_grant() -> None:
    permit = minted()
    with pytest.raises(NotPermitted, match="expired"):
        spend(permit, NOW + 5)
    with pytest.raises(NotPermitted, match="used before"):
        spend(permit, NOW)


def test_one_that_expired_is_forgotten() -> None:
    permit = minted()
    assert minted(now=NOW + 50, deadline=NOW + 55)
    with pytest.raises(NotPermitted, match="used before"):
        spend(permit, NOW)


FORGERIES: dict[str, Any] = {
    "constructed": lambda _: Permit(),  # type: ignore[call-arg]
    "constructed with anything": lambda _: Permit(object()),  # type: ignore[arg-type]
    "copied": copy.copy,
    "copied deeply": copy.deepcopy,
    "pickled": pickle.dumps,
    "pickled the old way": lambda permit: pickle.dumps(permit, 0),
    "reduced": lambda permit: permit.__reduce__(),
    "replaced": replace,
    "subclassed": lambda _: type("Mine", (Permit,), {}),
    "changed": lambda permit: setattr(permit, "grant", None),
    "changed below": lambda permit: object.__setattr__(permit, "grant", None),
    "given another class": lambda permit: setattr(permit, "__class__", type("Mine", (), {"__slots__": ()})),
}


@pytest.mark.parametrize("how", FORGERIES)
def test_it_cannot_be(how: str) -> None:
    permit = minted()
    with pytest.raises((TypeError, AttributeError)):
        FORGERIES[how](permit)
    assert spend(permit, NOW)


def test_one_that_is_made_beneath_is_worth_nothing() -> None:
    permit = minted()
    forged = object.__new__(Permit)
    with pytest.raises(NotPermitted, match="forged"):
        spend(forged, NOW)
    assert spend(permit, NOW)


def test_one_in_the_place_of_another_is_worth_nothing() -> None:
    # An id() is used again when its object is gone; the register holds on to what it minted, so that cannot be.
    for _ in range(200):
        spend(minted(), NOW)
        gc.collect(0)
        with pytest.raises(NotPermitted):
            spend(object.__new__(Permit), NOW)


@given(st.text(max_size=50))
def test_any_text_is_judged(text: str) -> None:
    assert canonical(text) in (True, False)
    if canonical(text):
        one(text)
    try:
        permit = Mint().mint(grant(443, deadline=NOW + 1, id=text, name=text, address=text), NOW, LABORATORY)
    except NotPermitted:
        return
    raise AssertionError(permit)


def test_the_house_is_what_the_design_says() -> None:
    assert HOUSE == (3, 65_536, 60.0)
    assert time.get_clock_info("monotonic").implementation == "clock_gettime(CLOCK_MONOTONIC)"
