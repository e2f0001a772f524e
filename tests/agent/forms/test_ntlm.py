"""The Version field of NTLM challenges, and what is refused."""

from __future__ import annotations

import struct
from base64 import b64encode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.errors import Malformed
from agent.forms import ntlm
from tests.text import ntlm_challenge


@pytest.mark.parametrize(
    ("message", "version"),
    [
        (ntlm_challenge(10, 0, 17763), "10.0.17763"),
        (ntlm_challenge(6, 1, 7601), "6.1.7601"),
        (ntlm_challenge(10, 0, 20348)[:56], "10.0.20348"),
        (ntlm_challenge(10, 0, 17763, flags=0x00888215), None),
        (ntlm_challenge(10, 0, 17763, flags=0x00888215)[:32], None),
        (ntlm_challenge(0, 0, 0), None),
        (b"NTLMSSP\0" + struct.pack("<I", 1) + b"\xff" * 60, None),
        (b"NTLMSSP\0" + struct.pack("<I", 3) + b"\xff" * 60, None),
    ],
)
def test_version(message: bytes, version: str | None) -> None:
    assert ntlm.version(message) == version


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"NTLMSSP\0\2\0\0",
        b"NTLMSSX" + ntlm_challenge(10, 0, 17763)[7:],
        b"NTLMSSP\0" + struct.pack("<I", 4) + bytes(60),
        ntlm_challenge(10, 0, 17763)[:31],
        ntlm_challenge(10, 0, 17763)[:55],
    ],
)
def test_broken(message: bytes) -> None:
    with pytest.raises(Malformed):
        ntlm.version(message)


def test_challenge() -> None:
    token = b64encode(ntlm_challenge(10, 0, 14393))
    assert token.startswith(ntlm.CHALLENGE)
    assert ntlm.challenge(token) == "10.0.14393"
    # A user's answer (type 3), another mechanism, a prompt for a user name.
    for other in (b64encode(b"NTLMSSP\0\3\0\0\0" + b"jan" * 20), b"oYG2MIGz", b"VXNlcm5hbWU6", b""):
        assert ntlm.challenge(other) is None
    for broken in (token[:-1], token + b"*", token[:30] + b"\n" + token[30:], ntlm.CHALLENGE):
        with pytest.raises(Malformed):
            ntlm.challenge(broken)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
@example(b"NTLMSSP\0\2\0\0\0" + b"\xff" * 20)
def test_any_bytes(data: bytes) -> None:
    for message in (data, b"NTLMSSP\0" + data, b"NTLMSSP\0\2\0\0\0" + data):
        try:
            version = ntlm.version(message)
        except Malformed:
            continue
        assert version is None or all(part.isdigit() for part in version.split("."))
