"""What may be told of the headers of an HTTP response, and in which form: the same for who overheard it and who asked.

docs/observations.md has the form. No cookie's value, no query, no user and no token is ever told.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.forms import Fact, ntlm
from agent.forms.scrub import scrub

# A reader gives what may be told of a header's value, or "" for nothing.
Reader = Callable[[str], str]


def _whole(pattern: str) -> Reader:
    """The value if all of it has this form: a build such as 14.3.123.4 looks like an address to ``scrub``."""
    match = re.compile(pattern, re.ASCII).fullmatch
    return lambda value: value if match(value) else ""


def _name(value: str) -> str:
    return scrub(value) if _NAME.fullmatch(value) else ""


def _failure(value: str) -> str:
    """``FrontEnd`` of ``FrontEnd;401;VW5hdXRob3JpemVk;;;;``: the part of Exchange that refused."""
    part = value.partition(";")[0]
    return part if part.isascii() and part.isalpha() else ""


def _location(value: str) -> str:
    """Scheme, host, port and path: a query names users and pages, user information and segments with an @ name users.

    An encoded question mark counts as one, an encoded @ too (RFC 3986 2.1), however often they were encoded.
    """
    target = _QUERY.split(value, maxsplit=1)[0]
    site = _SITE.match(target)
    path = target[site.end() :] if site else target
    place = f"{site[1]}{_AT.split(site[2])[-1]}" if site else ""
    return scrub(place + "/".join(part for part in path.split("/") if not _AT.search(part)))


def _cookie(value: str) -> str:
    """The cookie's name, if Exchange sets it; any other may be anybody's."""
    return _COOKIES.get(value.partition("=")[0].strip().lower(), "")


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_SITE = re.compile(r"((?:https?:)?//)([^/]*)", re.IGNORECASE)
_QUERY = re.compile(r"[?#;\\]|%(?:25)*(?:3[bfBF]|23)")
_AT = re.compile(r"@|%(?:25)*40")
_COOKIES = {
    name.lower(): name
    for name in (
        "X-BackEndCookie", "X-OWA-CANARY", "ClientId", "OutlookSession", "PBack", "exchangecookie", "UC", "UserContext",
        "cadata", "cadataTTL", "cadataKey", "cadataIV", "cadataSig",
    )
}  # fmt: skip

# The headers that are told, and how each is read. Sources: MS-OXPROTO, MS-ASHTTP, msxfaq.de on the headers of Exchange
# on premises and Online. WWW-Authenticate is read by _authenticate; Server has an observation of its own.
HEADERS: tuple[tuple[str, Reader], ...] = (
    ("X-OWA-Version", _whole(r"\d{1,5}(?:\.\d{1,5}){1,3}")),
    ("X-AspNet-Version", _whole(r"\d{1,5}(?:\.\d{1,5}){1,3}")),
    ("MS-Server-ActiveSync", _whole(r"\d{1,5}(?:\.\d{1,5}){1,3}")),
    ("MS-ASProtocolVersions", _whole(r"[\d., ]{1,200}")),
    ("X-ServerApplication", _whole(r"[A-Za-z]{1,32}/\d{1,5}(?:\.\d{1,5}){1,3}")),
    ("X-BackEndHttpStatus", _whole(r"[\d, ]{1,32}")),
    ("X-FEServer", _name),
    ("X-BEServer", _name),
    ("X-CalculatedBETarget", _name),
    ("X-CalculatedFETarget", _name),
    ("X-DiagInfo", _name),
    ("X-FEProxyInfo", _name),
    ("X-FirstHopCafeEFZ", _name),
    ("X-RUM-Validated", _name),
    ("X-RUM-NotUpdateQueriedPath", _name),
    ("X-RUM-NotUpdateQueriedDbCopy", _name),
    ("X-FailureContext", _failure),
    ("X-Powered-By", scrub),
    ("X-SOAP-Enabled", scrub),
    ("X-WSSecurity-Enabled", scrub),
    ("X-WSSecurity-For", scrub),
    ("X-OAuth-Enabled", scrub),
    ("Set-Cookie", _cookie),
    ("Location", _location),
    ("Via", scrub),
    # Not Exchange, and says so: Z-Push speaks ActiveSync for others.
    ("X-Z-Push-Version", _whole(r"\d{1,5}(?:\.\d{1,5}){1,3}(?:[+-][A-Za-z0-9-]{1,32})?")),
    ("request-id", lambda value: "present"),
)
_READERS = {name.lower().encode(): read for name, read in HEADERS}
WANTED = frozenset(_READERS) | {b"server", b"www-authenticate"}
# How a name is written where it was handed on in lower case, as clients and HTTP/2 do: as Exchange writes it.
SPELT = {name.lower(): name for name, _ in HEADERS} | {"server": "Server", "www-authenticate": "WWW-Authenticate"}

# RFC 9110 11.6.1, read word by word: a scheme, a parameter with its value, or a token.
_CHALLENGE = re.compile(r'([A-Za-z0-9._~+/-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=]+))|(=*))')
_SCHEMES = {s.lower(): s for s in ("Basic", "Bearer", "Digest", "Kerberos", "Negotiate", "NTLM", "Nego2", "PKU2U")}
_NTLM_CHALLENGE = ntlm.CHALLENGE.decode()
_CLIENT = re.compile(r"[0-9A-Fa-f-]{36}")


def tell(name: bytes, value: str, facts: list[Fact]) -> None:
    """Append what a header tells; ``name``, as it is to be told, is one of WANTED in any case. Raises Malformed."""
    folded = name.lower()
    if folded == b"server":
        if value:
            facts.append(("http.server", scrub(value)))
    elif folded == b"www-authenticate":
        facts += _authenticate(name.decode(), value)
    else:
        told = _READERS[folded](value)
        if told:
            facts.append(("http.header", f"{name.decode()}: {told}"))


def _authenticate(name: str, value: str) -> list[Fact]:
    """One fact for each challenge: its scheme, with its realm or client id. Tokens and nonces are dropped."""
    facts: list[Fact] = []
    scheme, at = "", 0  # the challenge that parameters belong to, and where its fact stands
    for match in _CHALLENGE.finditer(value):
        word, quoted, plain, padding = match.groups()
        if padding is None:
            said = _parameter(word.lower(), plain if quoted is None else quoted)
            if scheme and said:
                facts[at] = ("http.header", f"{name}: {scheme} {said}")
                scheme = ""
        elif word.startswith(_NTLM_CHALLENGE):
            windows = ntlm.challenge((word + padding).encode())
            facts += [("ntlm.version", windows)] if windows else []
        else:
            scheme, at = _SCHEMES.get(word.lower(), ""), len(facts)
            facts += [("http.header", f"{name}: {scheme}")] if scheme else []
    return facts


def _parameter(name: str, value: str) -> str:
    if name == "client_id" and _CLIENT.fullmatch(value):
        return f'client_id="{value}"'
    return f'realm="{scrub(value)}"' if name == "realm" else ""
