"""probing.txt: who sends the probes, why, and whom to ask, for everybody who sees one of them.

RFC 9511 (Probe Description File) says which fields it has and that it is at ``/.well-known/probing.txt``; their syntax
is that of RFC 9116 section 2. The text is made from the configuration alone, so that what is published can be held
against it; of two texts only ``Expires`` may differ. Nothing here reads a clock, a file or a socket.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import ConfigError, Malformed
from agent.leave import Budget

if TYPE_CHECKING:
    from agent.sections import Config

PATH = "/.well-known/probing.txt"
DAY = 86_400
LEAST_DAYS, MOST_DAYS = 30, 365  # RFC 9116 2.5.5 recommends less than a year
SERVED_DAYS = 30  # how far ahead a text expires that is made anew each day
MAX_TEXT = 64 << 10  # bytes; ours has under a thousand

_URL = re.compile(r"https://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?(/[^\s?#]*)?([?#]\S*)?")
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)")
_ANY_OF = ("Canonical", "Contact")  # RFC 9116: these may be there more than once, and ours has to be among them
_ONE = ("Preferred-Languages", "Description")


class Facts(NamedTuple):
    """What of the configuration is published. ``contact``: a URI; ``sources``: addresses in canonical text."""

    operator: str
    contact: str
    sources: tuple[str, ...]
    probing_url: str
    public_url: str


def lacking(config: Config) -> list[str]:
    """What keeps the configuration from being published: one ``key: what is wrong; what would be right`` a fault."""
    faults = [
        _named("consent.operator", config.consent.operator),
        _contact_fault(config.probe.contact),
        "" if config.probe.sources else "probe.sources: empty; name the addresses that probes are sent from",
        _url_fault("probe.probing_url", config.probe.probing_url, PATH),
        _url_fault("consent.public_url", config.consent.public_url, ""),
    ]
    return [fault for fault in faults if fault]


def facts(config: Config) -> Facts:
    """What is published of a configuration in which nothing is ``lacking``."""
    return Facts(
        config.consent.operator,
        uri(config.probe.contact),
        config.probe.sources,
        config.probe.probing_url,
        config.consent.public_url,
    )


def text(told: Facts, expires: float) -> str:
    """The file, which holds until ``expires`` (seconds since the epoch; written in whole ones)."""
    lines = [
        "# Who sends these probes, and why: RFC 9511.",
        *(f"{name}: {value}" for name, value in _fields(told).items()),
        f"Expires: {datetime.fromtimestamp(int(expires), UTC):%Y-%m-%dT%H:%M:%SZ}",
    ]
    return "\n".join(lines) + "\n"


def expiry(now: float, days: int) -> float:
    """So many days after the beginning of this day in UTC: the text of one day is the same whenever it is made."""
    return float((int(now) // DAY + days) * DAY)


def served(config: Config, now: float) -> str:
    """The file as a socket gives it that gets it anew each day; "" where something is ``lacking``."""
    return "" if lacking(config) else text(facts(config), expiry(now, SERVED_DAYS))


def describes(told: Facts) -> str:
    """SHA-256 (hex) of what the file says, but for until when: two configurations that say the same have the same."""
    return sha256(repr(sorted(_fields(told).items())).encode()).hexdigest()


def read(content: bytes) -> dict[str, list[str]]:
    """The fields of a file, by their names in lower case, each with its values in order. Raises Malformed."""
    if len(content) > MAX_TEXT:
        raise Malformed(f"is longer than {MAX_TEXT} bytes")
    try:
        lines = content.removeprefix(b"\xef\xbb\xbf").decode().split("\n")
    except UnicodeDecodeError:
        raise Malformed("is not UTF-8") from None
    made: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        bare = line.rstrip("\r \t")
        if not bare or bare.startswith("#"):
            continue
        field = _FIELD.fullmatch(bare)
        if field is None:
            raise Malformed(f"line {number}: neither a field (Name: value) nor a comment (# ...)")
        made.setdefault(field[1].lower(), []).append(field[2])
    return made


def expires(fields: dict[str, list[str]]) -> float:
    """Until when a file that was read holds, in seconds since the epoch. Raises Malformed."""
    values = fields.get("expires", [])
    if len(values) != 1:
        raise Malformed(f"has {len(values) or 'no'} Expires; there is to be one (RFC 9116 2.5.5)")
    try:
        moment = datetime.fromisoformat(values[0].upper())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Malformed("Expires: not a time; write it like 2027-05-01T00:00:00Z")
    return moment.timestamp()


def differences(fields: dict[str, list[str]], told: Facts, now: float) -> list[str]:
    """In what a file differs from what the configuration says, a sentence each. Empty: it is what it has to be."""
    made = []
    for name, wanted in _fields(told).items():
        values = fields.get(name.lower(), [])
        if name in _ANY_OF and wanted not in values:
            made.append(f"{name}: {wanted} is not there")
        elif name in _ONE and values != [wanted]:
            made.append(f"{name}: is there {len(values)} times" if len(values) > 1 else f"{name}: is not: {wanted}")
    try:
        left = expires(fields) - now
    except Malformed as error:
        return [*made, str(error)]
    if left <= 0:
        made.append("Expires: is past")
    elif left > (MOST_DAYS + 1) * DAY:
        made.append(f"Expires: is more than {MOST_DAYS} days ahead")
    return made


def judged(content: bytes, config: Config, now: float) -> list[str]:
    """What is wrong with a file as it was seen, a sentence each. Raises ConfigError where nothing can be published."""
    if faults := lacking(config):
        raise ConfigError("\n".join(faults))
    try:
        return differences(read(content), facts(config), now)
    except Malformed as error:
        return [str(error)]


def uri(contact: str) -> str:
    """A mail address or URL as RFC 9116 2.5.3 has it: always a URI."""
    return contact if ":" in contact else f"mailto:{contact}"


def _fields(told: Facts) -> dict[str, str]:
    return {
        "Canonical": told.probing_url,
        "Contact": told.contact,
        "Preferred-Languages": "nl, en",
        "Description": _description(told),
    }


def _description(told: Facts) -> str:
    return (
        f"{told.operator} asks its own customers' Exchange mail servers for their version, from "
        f"{' and '.join(told.sources)}: at most {Budget().connections} harmless HTTPS requests a server and day, only "
        f"where the customer's agreement allows it and he has not objected. To object: {told.public_url}"
    )


def _named(key: str, value: str) -> str:
    if not value.strip():
        return f"{key}: empty; write the name by which customers know you"
    return "" if value.isprintable() else f"{key}: holds characters that cannot be printed; write one line"


def _contact_fault(contact: str) -> str:
    mail = re.fullmatch(r"(mailto:)?[^@\s:]+@[^@\s:]+", contact)
    if contact.isprintable() and (mail or re.fullmatch(r"(https://|tel:\+?)[^\s]+", contact)):
        return ""
    said = "empty" if not contact else "neither a mail address nor a URL of https or tel"
    return f"probe.contact: {said}; write it like probes@example.net or https://example.net/probes"


def _url_fault(key: str, url: str, path: str) -> str:
    """``path``: what the URL has to end with, "" for anything."""
    right = f"write it like https://probe.example.net{path or '/checks'}"
    if not url:
        return f"{key}: empty; {right}"
    parts = _URL.fullmatch(url)
    if parts is None or not url.isprintable() or not 1 <= int(parts[1] or 443) <= 65_535:
        return f"{key}: not a URL of https; {right}"
    if path and (parts[2] != path or parts[3]):
        return f"{key}: does not end with {path}, where RFC 9511 has it looked for; {right}"
    return ""
