"""What a SYN-ACK tells of a TCP stack."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.dissectors.tcp import synack

WINDOWS = bytes.fromhex("020405b4 01 030308 01 01 0402".replace(" ", ""))
LINUX = bytes.fromhex("020405b4 0402 080a0102030405060708 01 030307".replace(" ", ""))


@pytest.mark.parametrize(
    ("ttl", "window", "options", "value"),
    [
        (126, 65535, WINDOWS, "ttl=126 window=65535 options=mss,nop,ws,nop,nop,sok scale=8 mss=1460"),
        (61, 28960, LINUX, "ttl=61 window=28960 options=mss,sok,ts,nop,ws scale=7 mss=1460"),
        (255, 0, b"", "ttl=255 window=0 options=- scale=- mss=-"),
        (64, 1, b"\x02\x04\x02\x18", "ttl=64 window=1 options=mss scale=- mss=536"),
        (64, 1, b"\x02\x04\x05\xb4\0\x01\x01\x01", "ttl=64 window=1 options=mss,eol scale=- mss=1460"),
        (64, 1, b"\x1e\x04\x01\x02\x22\x02\x05\x02", "ttl=64 window=1 options=?30,?34,sack scale=- mss=-"),
        (64, 1, b"\x01\x02", "ttl=64 window=1 options=nop,? scale=- mss=-"),
        (64, 1, b"\x02\x04\x05", "ttl=64 window=1 options=? scale=- mss=-"),
        (64, 1, b"\x02\x04\x05\xb4\x03\x00\x08", "ttl=64 window=1 options=mss,? scale=- mss=1460"),
        (64, 1, b"\x02\x01\x05\xb4", "ttl=64 window=1 options=? scale=- mss=-"),
        (64, 1, b"\x02\x03\x05\x03\x04\x08\x00", "ttl=64 window=1 options=mss,ws scale=- mss=-"),
    ],
)
def test_values(ttl: int, window: int, options: bytes, value: str) -> None:
    assert synack(ttl, window, options) == ("tcp.synack", value)


def test_a_packet_that_may_be_fragmented_says_so() -> None:
    _, value = synack(126, 8192, WINDOWS)
    assert synack(126, 8192, WINDOWS, df=False) == ("tcp.synack", f"{value} df=no")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_any_options(options: bytes) -> None:
    _, value = synack(64, 1024, options)
    names, scale, mss = (field.split("=")[1] for field in value.split(" ")[2:])
    assert len(names.split(",")) <= 40
    # Where the options could be read to their end they fill it, and what they say is a number or nothing.
    assert scale == "-" or 0 <= int(scale) <= 255
    assert mss == "-" or 0 <= int(mss) <= 65535


@given(st.lists(st.sampled_from([b"\x01", b"\x02\x04\x05\xb4", b"\x03\x03\x08", b"\x04\x02", b"\x08\x0aABCDEFGH"])))
def test_every_readable_option_is_named(options: list[bytes]) -> None:
    names = {1: "nop", 2: "mss", 3: "ws", 4: "sok", 8: "ts"}
    kept = options
    while sum(map(len, kept)) > 40:
        kept = kept[:-1]
    expected = ",".join(names[option[0]] for option in kept) or "-"
    assert f"options={expected} " in synack(64, 1024, b"".join(kept))[1]
