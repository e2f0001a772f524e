"""What is taken back: it holds whatever sets come, until some come that know of it, and never adds anything."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.lab import servers
from collectors.line import Line
from collectors.packets.reassembly import Reassembly
from collectors.packets.wanted import ALL, HANDSHAKES, HEADERS, Tiers, Withdrawn
from collectors.section import section
from collectors.withdrawals import Withdrawal, Withdrawals
from tests.collectors.test_section import body

NEAR = [f"192.0.2.{n}" for n in range(0, 256, 37)] + [f"2001:db8::{n:x}" for n in range(0, 65536, 9999)]


@st.composite
def prefixes(draw: Any) -> list[str]:
    drawn = draw(st.lists(st.tuples(st.sampled_from(NEAR), st.integers(0, 32)), max_size=4))
    return [
        str(ip_network((address, (128 if ":" in address else 32) - min(free, 16)), strict=False))
        for address, free in drawn
    ]


def covers(cidrs: list[str], address: str) -> bool:
    one = ip_address(address)
    return any(one in network for network in map(ip_network, cidrs) if network.version == one.version)


@given(prefixes(), prefixes(), prefixes(), prefixes(), prefixes())
def test_nothing_is_left_of_what_was_taken_back_and_everything_of_the_rest(
    handshakes: list[str], headers: list[str], resolvers: list[str], no_payload: list[str], nothing: list[str]
) -> None:
    tiers = Tiers(handshakes, headers, resolvers)
    withdrawn = Withdrawn(no_payload, nothing)
    for address in NEAR:
        packed = ip_address(address).packed
        before = tiers.of(packed)
        expected = 0 if covers(nothing, address) else before & HEADERS if covers(no_payload, address) else before
        assert withdrawn.left(packed, before) == expected


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), prefixes()), max_size=12))
def test_sets_release_what_they_know_of_and_nothing_else(steps: list[tuple[bool, int, list[str]]]) -> None:
    """Against a plain list: withdrawals come numbered, and sections release up to any number, in any order."""
    withdrawals, standing, number = Withdrawals(), list[tuple[int, list[str]]](), 0
    for taking, up_to, cidrs in steps:
        if taking:
            number += 1
            standing.append((number, cidrs))
            withdrawals.add(Withdrawal(number, [], cidrs))
        else:
            released = [each for each in standing if each[0] <= up_to]
            assert withdrawals.release(up_to) == bool(released)
            standing = [each for each in standing if each[0] > up_to]
        for address in NEAR:
            gone = any(covers(cidrs, address) for _, cidrs in standing)
            assert withdrawals.left(ip_address(address).packed, ALL) == (0 if gone else ALL)


def test_of_the_agent_before_nothing_stands_behind_the_first_section_of_the_next() -> None:
    withdrawals = Withdrawals()
    withdrawals.add(Withdrawal(57, ["192.0.2.0/24"], []))
    withdrawals.begin_anew()
    address = bytes((192, 0, 2, 1))
    assert withdrawals.left(address, ALL) == HEADERS, "the next has not said anything yet"
    withdrawals.add(Withdrawal(1, [], ["192.0.2.0/28"]))
    withdrawals.release(0)
    assert withdrawals.left(address, ALL) == 0
    assert withdrawals.left(bytes((192, 0, 2, 200)), ALL) == ALL


SERVER = servers.exchange("2019", "192.0.2.20", "EX20", "atelier.example")
VISIT = [frame.data for frame in SERVER.visited()]


def seen(line: Line, frames: list[bytes], time: float = 1.0) -> set[str]:
    for frame in frames:
        line.frame(time, 1, len(frame), frame)
    return {observation.kind for observation in line.given()}


def line(number: int = 1, withdrawn: int = 0, handshakes: tuple[str, ...] = ("192.0.2.0/24",)) -> Line:
    return following(Line(), number, withdrawn, handshakes)


def following(line: Line, number: int, withdrawn: int, handshakes: tuple[str, ...] = ("192.0.2.0/24",)) -> Line:
    made = section(body(number=number, withdrawn=withdrawn, interfaces=["eth0"], handshakes=list(handshakes)))
    line.look_for(made.wanted)
    line.release(made.withdrawn)
    return line


@pytest.mark.parametrize(
    ("taken", "left"), [(([], ["192.0.2.20/32"]), set()), ((["192.0.2.20/32"], []), {"tcp.synack"})]
)
def test_who_objects_is_not_heard_from_the_next_frame_on(taken: tuple[list[str], list[str]], left: set[str]) -> None:
    assert "smtp.greeting" in seen(line(), VISIT)
    looking = line()
    looking.withdraw(Withdrawal(3, *taken))
    assert seen(looking, VISIT) == left
    # A section that was made before, and comes late, lets nobody back in; one that knows of it is believed.
    assert seen(following(looking, 2, 2), VISIT, 2.0) <= left
    assert "smtp.greeting" in seen(following(looking, 3, 3), VISIT, 3.0)


@pytest.mark.parametrize("cut", range(1, len(VISIT), 3))
def test_streams_that_were_begun_are_not_read_on(cut: int) -> None:
    """In the middle of a visit: nothing that comes afterwards tells anything, and what was held is gone."""
    looking = line()
    seen(looking, VISIT[:cut])
    looking.withdraw(Withdrawal(1, [], ["192.0.2.20"]))
    reassembly = looking._flows.reassembly
    assert not reassembly.streams
    assert not reassembly._anchors
    assert seen(looking, VISIT[cut:]) == set()
    looking.sweep(1_000.0)
    assert looking.given() == []


def test_the_streams_of_others_are_read_on() -> None:
    alone, beside = line(), line()
    kinds = seen(alone, VISIT)
    before = seen(beside, VISIT[: len(VISIT) // 2])
    beside.withdraw(Withdrawal(1, ["192.0.2.21", "2001:db8::/32"], ["192.0.2.0/28"]))
    assert before | seen(beside, VISIT[len(VISIT) // 2 :]) == kinds


def test_an_observation_is_wanted_as_its_server_is() -> None:
    looking = line()
    for frame in VISIT:
        looking.frame(1.0, 1, len(frame), frame)
    given = looking.given()
    assert all(map(looking.wants, given))
    looking.withdraw(Withdrawal(1, ["192.0.2.20"], []))
    assert {observation.kind for observation in given if looking.wants(observation)} == {"tcp.synack"}
    looking.withdraw(Withdrawal(2, [], ["192.0.2.20"]))
    assert not any(map(looking.wants, given))


def test_an_anchor_goes_with_its_server_alone() -> None:
    table = Reassembly()
    client = bytes((203, 0, 113, 9))
    one, other = bytes((192, 0, 2, 20)), bytes((192, 0, 2, 21))
    for server in (one, other):
        table.anchor(server + client + b"\x00\x19\x9c\x40", 7)
    table.keep(lambda server: server != one + b"\x00\x19")
    assert [key[:4] for key in table._anchors] == [other]


def test_handshakes_that_are_taken_back_are_not_those_of_the_tier_handshakes() -> None:
    assert Withdrawn(["192.0.2.0/24"]).left(bytes((192, 0, 2, 1)), ALL) & HANDSHAKES == 0
