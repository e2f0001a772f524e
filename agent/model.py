"""The nouns of the one line: frame, segment, Observation, Evidence, Assessment, Finding.

Named tuples rather than frozen dataclasses: as immutable and as small, made in a quarter of the time, and a tenth of
the program's start is saved with the import. Nothing here reads a clock, a file or a socket. Times are seconds since
the epoch, as float.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from agent.build import BuildRange, Generation

Product = Literal["exchange", "exchange-edge", "exchange-online", "iis-smtp", "other", "unknown"]
Verdict = Literal["confirmed", "probable", "suspected", "none"]
Origin = Literal["passive", "active"]
Status = Literal["vulnerable", "possible", "fixed_if_configured", "fixed", "not_affected", "not_assessed", "unknown"]

PRODUCTS: tuple[Product, ...] = ("exchange", "exchange-edge", "exchange-online", "iis-smtp", "other", "unknown")
GENERATIONS: tuple[Generation, ...] = ("5.5", "2000", "2003", "2007", "2010", "2013", "2016", "2019", "SE")

# Every kind of fact there is. docs/observations.md says what the value of each looks like.
KINDS = (
    "smtp.greeting", "smtp.ehlo", "smtp.help", "smtp.reply", "smtp.hostname",
    "imap.greeting", "imap.capability", "pop3.greeting", "pop3.capability",
    "http.status", "http.server", "http.header", "html.title",
    "ntlm.version",
    "tls.sni", "tls.server_hello", "tls.certificate",
    "dns.autodiscover", "dns.mx", "dns.srv",
    "tcp.synack",
)  # fmt: skip

_DATE = re.compile(r"\b\w{3}, +\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}.*$")


def timeless(kind: str, value: str) -> str:
    """What of a value makes it the same fact later: an SMTP greeting tells the time, which makes each look new."""
    return _DATE.sub("", value) if kind == "smtp.greeting" else value


class Endpoint(NamedTuple):
    """A *server*: its address in canonical text form and its port. The client side exists nowhere."""

    address: str
    port: int
    transport: Literal["tcp", "udp"] = "tcp"


class Observation(NamedTuple):
    """A fact about a server: ``kind`` is one of KINDS, ``value`` its text in that kind's normal form."""

    server: Endpoint
    kind: str
    value: str
    time: float
    origin: Origin
    collector: str
    frame: int | None = None


class Claims(NamedTuple):
    """What a fingerprint says of the server it matched. Empty fields claim nothing.

    ``products`` and ``generations`` are the ones it may be; ``build`` the range it must lie in; ``windows`` the build
    of the Windows below it; ``name`` a name that the server gives itself.
    """

    products: tuple[Product, ...] = ()
    generations: tuple[Generation, ...] = ()
    build: BuildRange | None = None
    windows: str | None = None
    name: str | None = None


class Evidence(NamedTuple):
    """An observation, the fingerprint that matched it, what that claims, and its log-likelihood weight (nats)."""

    observation: Observation
    fingerprint: str
    claims: Claims
    weight: float


class Finding(NamedTuple):
    """A belief that matters. ``cve`` is None for the end of support; ``cvss`` is a CVSS v3 base score where known."""

    cve: str | None
    name: str
    status: Status
    kev: bool = False
    cvss: float | None = None


class Assessment(NamedTuple):
    """What we believe of one server address, how sure that is (0 to 1), why, and what follows from it.

    ``proxy`` says what makes a reverse proxy in front of it probable; ``notes`` are sentences for people.
    """

    address: str
    ports: tuple[int, ...]
    product: Product
    generation: Generation | None
    verdict: Verdict
    confidence: float
    build: BuildRange | None
    names: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    findings: tuple[Finding, ...]
    proxy: str | None = None
    notes: tuple[str, ...] = ()
