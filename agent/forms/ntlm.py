"""The Windows build that an NTLM challenge shows (MS-NLMP 2.2.1.2 and 2.2.2.10).

Type 2 alone is read. Type 3 holds a user's name and a response that can be cracked; nothing of it is looked at.
"""

from __future__ import annotations

import binascii
import struct

from agent.errors import Malformed

SIGNATURE = b"NTLMSSP\0"
CHALLENGE = b"TlRMTVNTUAAC"  # base64 of the signature and the first octet of a type 2
_NEGOTIATE_VERSION = 0x02000000  # MS-NLMP 2.2.2.5, flag T
_FLAGS_AT, _VERSION_AT = 20, 48
_SHORTEST = 32  # signature, type, target name, flags and challenge: all that Windows NT 4.0 sent


def challenge(token: bytes) -> str | None:
    """``version`` of a base64 token as SMTP, IMAP, POP3 and HTTP carry it; None for any token but a type 2's."""
    if not token.startswith(CHALLENGE):
        return None
    try:
        return version(binascii.a2b_base64(token, strict_mode=True))
    except binascii.Error as error:
        raise Malformed(f"an NTLM message that is not base64: {error}") from None


def version(message: bytes) -> str | None:
    """``major.minor.build`` of a type 2 message; None for types 1 and 3 and where no version was negotiated.

    Raises Malformed for what is no NTLM message or ends too early.
    """
    if len(message) < len(SIGNATURE) + 4 or not message.startswith(SIGNATURE):
        raise Malformed("not an NTLM message")
    (kind,) = struct.unpack_from("<I", message, len(SIGNATURE))
    if kind in (1, 3):
        return None
    if kind != 2 or len(message) < _SHORTEST:
        raise Malformed(f"an NTLM message of type {kind} and {len(message)} octets")
    (flags,) = struct.unpack_from("<I", message, _FLAGS_AT)
    if not flags & _NEGOTIATE_VERSION:
        return None
    if len(message) < _VERSION_AT + 8:
        raise Malformed("an NTLM challenge that ends before its version")
    major, minor, build = struct.unpack_from("<BBH", message, _VERSION_AT)
    # Some servers set the flag and leave the field empty; that claims nothing.
    return f"{major}.{minor}.{build}" if major else None
