"""``exchange-http``: which Exchange is this? At most three requests that every front end refuses, for their headers.

What is asked, and why just that: docs/probes.md. The front end answers each path without a login by a challenge (401)
or a redirect (302) that carries X-OWA-Version, the exact build; no page is made and no mailbox touched (signals of
righel/ms-exchange-version-nse and projectdiscovery/nuclei-templates, ms-exchange-server). The next is asked only while
the build is unknown, and none after a sign of trouble.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.asks import Answer, Failed
from probes.identity import comparable, tie
from probes.reading import read

if TYPE_CHECKING:
    from probes.asks import Asks, Known, Response
    from probes.identity import Tie
    from probes.reading import Read

NAME = "exchange-http"
PATHS = ("/EWS/Exchange.asmx", "/autodiscover/autodiscover.xml", "/owa/")

# SHA-256 of the three requests as docs/probes.md has them for review, to the byte but for who asks whom, by which id. A
# test holds what is really sent to it: no change of it, here or in the wire, goes by unseen.
REVIEWED = "042d4b31440a8fa4cf83a418600076fc4d22a3445821ff1d067377f3759da984"

# Failures of a later request that leave standing what an earlier answer has told. After a cancellation or a hand-over
# nothing is told at all.
_BROKE_OFF = ("connection_refused", "unreachable", "timeout", "tls_failed", "protocol_error")
_GONE = (404, 410)


def probe(wire: Asks, known: Known) -> Answer:
    """Ask until the build is known, three times at most. Raises Failed of the first request."""
    if not comparable(known):
        return Answer("identity_mismatch", "nothing is known that an answer could agree with")
    answers: list[Response] = []
    found = read(answers)
    tied: set[Tie] = set()
    for path in PATHS:
        try:
            answer = wire.get(path)
        except Failed as failure:
            return _broken_off(failure, found, tied)
        by = tie(known, answer)
        if by is None:
            return Answer("identity_mismatch", _other(known))
        if by == "product" and answers and answer.certificate != answers[0].certificate:
            return Answer("identity_mismatch", "the certificate changed between two answers")
        answers.append(answer)
        tied.add(by)
        found = read(answers)
        if found.build or found.other or _in_trouble(answer.status):
            break
    return _made(answers, found, tied, named=known.name is not None)


def _in_trouble(status: int) -> bool:
    """A server that cannot, or asks for less, is not asked again: RFC 9110 15.6, RFC 6585 4."""
    return status >= 500 or status == 429


def _other(known: Known) -> str:
    if known.certificates:
        return "the certificate is none of those that were seen there"
    return "the certificate is not for the name that was seen"


def _broken_off(failure: Failed, found: Read, tied: set[Tie]) -> Answer:
    """The end that a failure makes of it. Facts stand if the answers before it were the server's own."""
    sure = bool(found.told) and ("product" not in tied or found.exchange)
    if failure.outcome not in _BROKE_OFF or not sure:
        raise failure
    return Answer(failure.outcome, failure.detail, found.told)


def _made(answers: list[Response], found: Read, tied: set[Tie], *, named: bool) -> Answer:
    """What the answers come to."""
    if found.exchange:
        return Answer("confirmed", _confirmed(found), found.told)
    if "product" in tied:
        return Answer("identity_mismatch", "no certificate ties the answer to Exchange, which was seen there")
    if found.other:
        return Answer("contradicted", "another product says so of itself", found.told)
    if named and len(answers) == len(PATHS) and all(answer.status in _GONE for answer in answers):
        return Answer("contradicted", "none of the paths is there that every Exchange has", found.told)
    return Answer("inconclusive", _inconclusive(answers, found), found.told)


def _confirmed(found: Read) -> str:
    if not found.build:
        return "Exchange; its build is not shown"
    return "Exchange, and its build" if found.builds == 1 else "Exchange; of several builds the lowest counts"


def _inconclusive(answers: list[Response], found: Read) -> str:
    if _in_trouble(answers[-1].status):
        return "the server is in trouble and was not asked again"
    if found.lone:
        return "a build, and nothing else of an Exchange"
    return "nothing in the answers is Exchange's own, or too little"
