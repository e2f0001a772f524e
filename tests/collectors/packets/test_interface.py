"""Interfaces by rtnetlink: real ones in a namespace, and answers that are none."""

from __future__ import annotations

import select
import socket
from struct import error, pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.packets.interface import LINK_TYPES, Links, link
from tests.namespace import alone, ip, pair


def test_an_interface_over_its_life() -> None:
    def test() -> None:
        links = Links()
        assert links.named("near") is None
        pair()
        assert select.select([links], [], [], 1)[0]
        assert links.changed()
        assert not links.changed()
        near = links.named("near")
        assert near is not None
        assert (near.name, near.kind in LINK_TYPES, near.up, near.received) == ("near", True, True, 0)
        far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        far.bind(("far", 0))
        for _ in range(3):
            far.send(bytes(60))
        counted = links.numbered(near.number)
        assert counted is not None
        assert (counted.received, counted.sent, counted.missed) == (3, 0, 0)
        ip("link set near down name other")
        renamed = links.numbered(near.number)
        assert renamed is not None
        assert (renamed.name, renamed.up) == ("other", False)
        assert links.named("near") is None
        ip("link del other")
        assert links.numbered(near.number) is None
        assert links.changed()
        links.close()

    alone(test)


def test_loopback_is_always_there() -> None:
    links = Links()
    lo = links.named("lo")
    assert lo is not None
    assert (lo.number, lo.kind) == (1, 772)
    links.close()


@given(st.binary(max_size=200))
def test_any_answer_is_an_interface_or_a_fault_that_is_caught(answer: bytes) -> None:
    head = pack("=IHHIIBxHiII", len(answer), 16, 0, 1, 0, 0, 1, 2, 0, 0)
    for message in (answer, head + answer):
        try:
            link(message)
        except (error, UnicodeDecodeError):
            continue


def test_an_error_is_no_interface() -> None:
    assert link(pack("=IHHII", 20, 2, 0, 1, 0) + pack("=i", -19)) is None


@pytest.mark.parametrize("kind", [1, 772])
def test_what_ethernet_is_has_ethernets_link_type(kind: int) -> None:
    assert LINK_TYPES[kind] == 1
