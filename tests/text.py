"""Conversations of text protocols as the tests feed them."""

from __future__ import annotations

import struct
from base64 import b64encode
from typing import Any

from agent.errors import Malformed

Facts = list[tuple[str, str]]

GREETING = "220 ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100\r\n"
GREETED = ("smtp.greeting", GREETING[4:-2])

_VERSION_FLAGS = 0x62898215  # what Windows sends after a negotiation of the version


def ntlm_challenge(
    major: int, minor: int, build: int, *, flags: int = _VERSION_FLAGS, target: str = "EXAMPLE"
) -> bytes:
    """A type 2 message of MS-NLMP 2.2.1.2, with a target name behind its 56 octets."""
    name = target.encode("utf-16-le")
    head = b"NTLMSSP\0" + struct.pack("<IHHII", 2, len(name), len(name), 56, flags) + b"\x11" * 8 + bytes(8)
    return head + struct.pack("<HHI", 0, 0, 56 + len(name)) + struct.pack("<BBHxxxB", major, minor, build, 15) + name


def ntlm_token(major: int = 10, minor: int = 0, build: int = 17763) -> str:
    return b64encode(ntlm_challenge(major, minor, build)).decode()


def reply(code: int, *lines: str) -> str:
    """A reply of SMTP, of as many lines as are given."""
    return "".join(f"{code}{'-' if at < len(lines) - 1 else ' '}{line}\r\n" for at, line in enumerate(lines))


def told(dissector: Any, *parts: str | bytes) -> tuple[Facts, bool]:
    """The facts of these parts and their end, and whether the peer was found at fault."""
    facts: Facts = []
    try:
        for part in parts:
            if dissector.done:
                break
            facts += dissector.feed(part.encode() if isinstance(part, str) else part)
        facts += dissector.end()
    except Malformed:
        return facts, True
    return facts, False
