"""Host names as servers, certificates and the DNS write them: one grammar for all of them.

A name that breaks it is not told: it could be anything, a person's typing included, and would break the lines of an
observation.
"""

from __future__ import annotations

import re

MAX_NAME = 253  # RFC 1035 2.3.4 allows 255 octets on the wire, which is 253 characters as text.

# RFC 1123 2.1 has letters, digits and hyphens; underscores are in service names (RFC 2782) and in old Windows names.
_LABEL = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# A last label of digits alone makes it an IPv4 literal (RFC 1123 2.1), which RFC 6066 section 3 forbids.
_NAME = re.compile(rb"(?:%b\.)*(?![0-9]+\Z)%b" % (_LABEL, _LABEL))


def hostname(raw: bytes) -> str | None:
    """``raw`` in lower case when it is a host name without its trailing dot, else None."""
    name = raw.lower()
    return name.decode("ascii") if len(name) <= MAX_NAME and _NAME.fullmatch(name) else None
