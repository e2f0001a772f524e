"""What several observations of one server say together and none says alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.exchange.active import lone_versions
from agent.model import Claims, Evidence, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAIL_PORTS = frozenset((25, 587, 465, 2525))
WEB_PORTS = frozenset((80, 443))
STRONG = 5.0  # nats: an observation that names Exchange by itself
LINUX_TTL = 64  # Windows starts at 128; 64 at most means another stack answered

_HOST = re.compile(
    r"^(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62})){0,20}\Z",
    re.IGNORECASE | re.ASCII,
)
_ADDRESS = re.compile(r"[0-9.]{1,15}\Z")
_TTL = re.compile(r"^ttl=(\d{1,3}) ")

# Kinds whose value is, or begins with, a name of the server itself.
_NAMED = ("tls.sni", "dns.autodiscover", "smtp.hostname")


def fields(value: str) -> dict[str, str]:
    """The ``key: value`` lines of a certificate or a ServerHello."""
    return dict(line.split(": ", 1) for line in value.split("\n") if ": " in line)


def corroborate(observations: Sequence[Observation], evidence: Sequence[Evidence]) -> Iterator[Evidence]:
    """A self-signed certificate named by the short host name that the SMTP greeting gives: the default of Exchange
    setup, which SMTP keeps even where the web has a public one (Microsoft Learn, "Certificates in Exchange Server").
    And a build in a probe's answer that nothing else in it bears out.
    """
    yield from lone_versions(observations, evidence)
    hosts = {name.split(".")[0].lower() for o in observations if (name := _smtp_host(o))}
    for o in observations:
        if o.kind != "tls.certificate" or o.server.port not in MAIL_PORTS:
            continue
        certificate = fields(o.value)
        common_name = certificate.get("subject", "").removeprefix("CN=").lower()
        if certificate.get("self_signed") == "yes" and common_name in hosts:
            # 20 to 1, beside what the certificate says by itself: other servers' self-signed certificates carry the
            # full name, or belong to no greeting.
            yield Evidence(o, "smtp-certificate-is-host", Claims(products=("exchange", "exchange-edge")), 3.0)


def _smtp_host(o: Observation) -> str | None:
    if o.kind not in ("smtp.greeting", "smtp.ehlo"):
        return None
    first = o.value.split(None, 1)[0] if o.value.strip() else ""
    if first.lower() == "hello":
        return None  # some servers greet without saying their name
    return first if _HOST.match(first) and not _ADDRESS.match(first) else None


def proxy_in_front(observations: Sequence[Observation], evidence: Iterable[Evidence]) -> str | None:
    """Why a reverse proxy or load balancer in front of the server is probable, or None."""
    ports = {e.observation.server.port for e in evidence if e.weight >= STRONG and "exchange" in e.claims.products}
    if not ports:
        return None
    for o in observations:
        if o.kind == "tcp.synack" and o.server.port in WEB_PORTS and (ttl := _TTL.match(o.value)):
            if int(ttl[1]) <= LINUX_TTL:
                return f"TTL {ttl[1]} on port {o.server.port}, where Windows would show up to 128"
        elif o.kind == "http.server" and not o.value.lower().startswith(("microsoft-iis", "microsoft-httpapi")):
            return f"Server: {o.value} on port {o.server.port}"
        elif o.kind == "http.header" and o.value.lower().startswith("via:"):
            return f"{o.value} on port {o.server.port}"
        elif o.kind == "smtp.greeting" and "\n" in o.value and o.server.port in ports:
            return f"a greeting of several lines on port {o.server.port}, which Exchange never sends"
    return None


def server_names(observations: Iterable[Observation], evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """The names that the server goes by, lower case, in the order in which they were seen; at most 16."""
    names: dict[str, None] = {}
    for o in observations:
        for name in _names(o):
            names.setdefault(name)
    for e in evidence:
        if e.claims.name and _HOST.match(e.claims.name):
            names.setdefault(e.claims.name.lower())
    return tuple(names)[:16]


def _names(o: Observation) -> Iterator[str]:
    if o.kind in _NAMED:
        candidates = [o.value.removeprefix("InternalId ").split(" ", 1)[0]]
    elif o.kind == "tls.certificate":
        candidates = fields(o.value).get("san", "").split(",")
    else:
        candidates = [_smtp_host(o) or ""]
    for name in candidates:
        if _HOST.match(name) and not _ADDRESS.match(name):
            yield name.lower()
