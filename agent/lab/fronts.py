"""Simulated front ends for a probe to meet: Exchange of each generation, what stands before it, and what is none.

Simulated from documented behaviour; none of it was recorded. The pages of Exchange are those of ``agent.lab.servers``;
that 2010 shows its build at /owa/ alone, that a header may be removed or two servers answer by turns, and what
honeypots and copied headers look like, is told by righel/ms-exchange-version-nse, microsoft/CSS-Exchange issue 396 and
public malleable profiles. ``agent.lab.fronts_odd`` has those that break the protocols.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.lab import servers, sessions
from agent.lab.certificates import Certificate, public, self_signed
from agent.lab.script import script

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.lab.fronts_door import Visit

NAME = "mail.example.org"
LEAF = public(NAME, "autodiscover.example.org")
OTHERS = public("www.example.net")  # who has the address after somebody else
SETUP = self_signed("EX01", "example.org")  # what Exchange's own setup makes: for no name that clients ask for
PATHS = ("/EWS/Exchange.asmx", "/autodiscover/autodiscover.xml", "/owa/")

Pages = dict[bytes, bytes]
_ADDRESS = "192.0.2.25"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nServer: Microsoft-IIS/10.0\r\nContent-Length: 0\r\n\r\n"


class Front(NamedTuple):
    """``says``: what is simulated, for people; ``acts``: what it does with a visitor, None where nobody listens;
    ``leaf``: what it shows first.
    """

    says: str
    acts: Callable[[Visit], None] | None
    leaf: Certificate = LEAF


def pages(generation: str, *, build: str | None = "") -> Pages:
    """What an Exchange of this generation answers to each path; ``build`` as in ``servers.exchange``."""
    https = servers.exchange(generation, _ADDRESS, build=build).services[-1]
    said = script(https).answers
    if generation != "2010":
        return said
    return {path: page if path == b"/owa/" else without(page, "X-OWA-Version") for path, page in said.items()}


def without(page: bytes, *names: str) -> bytes:
    """An answer from which a proxy takes headers away."""
    for name in names:
        page = re.sub(rb"(?mi)^%b: [^\r\n]*\r\n" % name.encode(), b"", page)
    return page


def saying(page: bytes, *lines: str) -> bytes:
    """An answer to which a proxy adds headers."""
    head, end, body = page.partition(b"\r\n\r\n")
    return b"\r\n".join([head, *(line.encode() for line in lines)]) + end + body


def serve(*turns: Pages, tls: str = "1.2", leaves: Sequence[Certificate] = (LEAF,)) -> Callable[[Visit], None]:
    """Answer each visitor once from the pages whose turn it is, under the certificate whose turn it is."""

    def acts(visit: Visit) -> None:
        visit.secure(leaves[min(visit.number, len(leaves) - 1)], tls)
        words = visit.request().split(b" ", 2)
        if len(words) == 3:
            visit.say(turns[visit.number % len(turns)].get(words[1], _NOT_FOUND))

    return acts


def everywhere(page: bytes) -> Pages:
    """The same answer to whatever a probe asks."""
    return {path.encode(): page for path in PATHS}


def answer(status: str, *headers: tuple[str, str], body: bytes = b"") -> bytes:
    """One answer."""
    return sessions.http(NAME, "/", status, headers, body=body)[1][1]


def _proxied(generation: str, *names: str) -> Pages:
    """The pages of Exchange behind nginx, which puts its own name there and takes these headers away."""
    taken = ("Server", "X-Powered-By", *names)
    return {path: saying(without(page, *taken), "Server: nginx") for path, page in pages(generation).items()}


_BUILD = ("X-OWA-Version", "X-FEServer")
_SIGNS = (*_BUILD, "X-SOAP-Enabled", "WWW-Authenticate")
_HONEYPOT = answer(
    "200 OK",
    ("Server", "Microsoft-IIS/10.0"),
    ("Content-Type", "text/html"),
    ("X-OWA-Version", "15.2.858.5"),
    body=b"<html><title>Outlook</title><body>Sign in</body></html>",
)
_BEACON = script(servers.beacon(_ADDRESS).services[0]).answers[b"/owa/"]
_ONLINE = answer(
    "401 Unauthorized",
    ("Server", "Microsoft-IIS/10.0"),
    ("X-FEServer", "AM0PR05CA0001"),
    ("X-FEProxyInfo", "AM0PR05CA0001.EURPRD05.PROD.OUTLOOK.COM"),
    ("X-OWA-Version", "15.20.8000.21"),
)
_POLICY = answer("302 Found", ("Server", "BigIP"), ("Location", "/my.policy"))
_ELSEWHERE = answer("301 Moved Permanently", ("Server", "nginx"), ("Location", "https://elsewhere.example.net/"))
_LOOKS_ALIKE = answer("401 Unauthorized", ("Server", "nginx"), ("WWW-Authenticate", f'Basic realm="{NAME}"'))
_TWO = {path: saying(page, "X-OWA-Version: 15.2.1544.4") for path, page in pages("2019").items()}
_TURNS = (pages("2019", build="15.2.1748.36"), pages("2019", build="15.2.1748.26"))

FRONTS: dict[str, Front] = {
    "2010": Front(
        "Exchange 2010, which speaks TLS 1.0 and shows its build at /owa/ alone", serve(pages("2010"), tls="1.0")
    ),
    "2013": Front("Exchange 2013 CU23", serve(pages("2013"))),
    "2016": Front("Exchange 2016 CU23", serve(pages("2016"))),
    "2019": Front("Exchange 2019 CU14", serve(pages("2019"))),
    "SE": Front("Exchange SE, by TLS 1.3", serve(pages("SE"), tls="1.3")),
    "2019-cu9": Front("Exchange 2019 CU9, which shows 15.2.858.2", serve(pages("2019", build="15.2.858.2"))),
    "tls-1.0": Front("Exchange 2016 on a Windows that speaks TLS 1.0 alone", serve(pages("2016"), tls="1.0")),
    "setup": Front("Exchange with the certificate of its setup", serve(pages("2019"), leaves=(SETUP,)), SETUP),
    "stripped": Front("a proxy that takes the build away", serve(_proxied("2019", *_BUILD))),
    "bare": Front("a proxy that leaves nothing of Exchange", serve(everywhere(without(_LOOKS_ALIKE, "Server")))),
    "policy": Front("a proxy with a login of its own before everything", serve(everywhere(_POLICY))),
    "balanced": Front("a balancer over two builds, the newer first", serve(*_TURNS)),
    "balanced-2": Front("the same balancer, the older first", serve(*reversed(_TURNS))),
    "doubled": Front("a proxy that adds the header of another server", serve(_TWO)),
    "redirecting": Front("a server that sends everybody elsewhere", serve(everywhere(_ELSEWHERE))),
    "failing": Front("a front end whose services are down", serve(everywhere(answer("503 Service Unavailable")))),
    "busy": Front("a server that wants fewer questions", serve(everywhere(answer("429 Too Many Requests")))),
    "swapped": Front("somebody else's Exchange", serve(pages("2019"), leaves=(OTHERS,)), OTHERS),
    "swapped-midway": Front(
        "the address changes hands between two requests",
        serve(_proxied("2019", *_SIGNS), pages("2019"), leaves=(LEAF, OTHERS)),
    ),
    "honeypot": Front("a page of a few lines with a build that is known from honeypots", serve(everywhere(_HONEYPOT))),
    "beacon": Front("headers copied from Exchange by a malleable profile", serve(everywhere(_BEACON))),
    "online": Front("a proxy to Exchange Online", serve(everywhere(_ONLINE))),
    "look-alike": Front("another product at the paths of Exchange", serve(everywhere(_LOOKS_ALIKE))),
    "iis": Front("IIS without Exchange", serve({})),
    "refusing": Front("a closed port", None),
}
