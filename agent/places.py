"""Where the operator's own servers are, and mail addresses, as texts that are well formed. Nothing is looked up."""

from __future__ import annotations

import re
from ipaddress import ip_address

# A mail address in ASCII, without quotes (RFC 5321, 4.1.2, less what nobody has): what can stand in any header.
MAILBOX = re.compile(
    r"(?=.{3,254}$)(?=[^@]{1,64}@)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
)
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*")
_URL = re.compile(r"https://(?P<place>[A-Za-z0-9.:\[\]-]+)(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?")


def mailbox(*ways: str) -> str:
    """The first of these that is a mail address, as it is written to; else the first that is anything.

    ``ways``: mail addresses and URLs; ``mailto:`` may stand before an address.
    """
    bare = [way.removeprefix("mailto:") for way in ways if way]
    return next((way for way in bare if MAILBOX.fullmatch(way)), next(iter(bare), ""))


def host(place: str) -> tuple[str, int]:
    """The host and port of ``mail.example:587``, ``192.0.2.25:587`` or ``[2001:db8::25]:587``. Raises ValueError."""
    name, _, port = place.rpartition(":")
    wanted = "write a host and a port, like mail.example.net:587 or [2001:db8::25]:587"
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        if (ip_address(bare).version == 6) != (bare != name):
            raise ValueError(f"needs brackets around an IPv6 address, and only there; {wanted}")
    except ValueError as error:
        if "brackets" in str(error):
            raise
        if not _NAME.fullmatch(name):
            raise ValueError(f"does not start with a host; {wanted}") from None
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise ValueError(f"does not end with a port from 1 to 65535; {wanted}")
    return bare, int(port)


def url(text: str) -> tuple[str, int, str]:
    """Host, port and path of an ``https`` URL without user, query or fragment. Raises ValueError."""
    match = _URL.fullmatch(text)
    if not match:
        raise ValueError("is not an https URL without user and query; write it like https://hooks.example.net/notices")
    there = match["place"]
    return (*host(there if re.search(r":\d+$", there) else f"{there}:443"), match["path"] or "/")
