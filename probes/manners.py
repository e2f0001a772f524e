"""How a probe introduces itself: who asks, with whose leave, and where that is on record."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.leave import Grant
    from probes.section import Section

_NO_TOKEN = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 5.6.2
_NO_COMMENT = re.compile(r"[^\x21-\x7e]+|[()\\]")  # RFC 9110 5.6.5, without what nests or quotes

MOST = 200  # characters of either


def headers(grant: Grant, section: Section) -> list[tuple[bytes, bytes]]:
    """The headers of each request of a grant. Whatever the configuration says, none of them breaks out of its line."""
    host = grant.name or (f"[{grant.address}]" if ":" in grant.address else grant.address)
    return [
        (b"Host", (host if grant.port == 443 else f"{host}:{grant.port}").encode("ascii")),
        (b"User-Agent", user_agent(section.operator, section.contact, version()).encode("ascii")),
        (b"X-Knockfirst-Probe", grant.id.encode("ascii")),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", b"identity"),
        (b"Connection", b"close"),
    ]


def user_agent(operator: str, contact: str, version: str) -> str:
    """RFC 9110 10.1.5: "ExampleNet/1.0 (+mailto:abuse@example.net; asks by leave; knockfirst)", in ASCII."""
    product = _NO_TOKEN.sub("-", operator).strip("-")[:MOST] or "knockfirst"
    reach = _NO_COMMENT.sub("", contact)[:MOST]
    words = [f"+{reach}"] if reach else []
    return f"{product}/{_NO_TOKEN.sub('-', version)} ({'; '.join([*words, 'asks by leave', 'knockfirst'])})"


@cache
def version() -> str:
    """What runs, "source" where it was not installed."""
    from importlib import metadata

    try:
        return metadata.version("knockfirst")
    except metadata.PackageNotFoundError:
        return "source"
