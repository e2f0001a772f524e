"""What looking knows of a server before anybody knocks at it: at which port, under which name, and what to expect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.exchange.assess import EXCHANGE
from agent.leave import Sighting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.model import Assessment, Observation

# Mail's own ports: what speaks TLS there speaks no HTTP.
_MAIL = frozenset({25, 110, 143, 465, 587, 993, 995, 2525})
_HTTPS = 443
_SHA256 = re.compile(r"^sha256: ([0-9a-f]{64})$", re.MULTILINE)
_MOST = 8  # certificates that are expected of one server: behind a load balancer each has its own


def worth_knocking(assessment: Assessment) -> bool:
    """Whether this is believed to be an Exchange server that answers by HTTP."""
    return assessment.product == "exchange" and assessment.verdict in ("confirmed", "probable")


def port_of(observations: Iterable[Observation]) -> int:
    """The port to knock at: where TLS was seen, 443 before others, and 443 where none was."""
    seen = {o.server.port for o in observations if o.kind.startswith("tls.")} - _MAIL
    return _HTTPS if _HTTPS in seen or not seen else min(seen)


def sighting(assessment: Assessment | None, observations: Iterable[Observation], port: int) -> Sighting | None:
    """What the facts of one address say of its ``port``; None for a server that was never seen."""
    facts = [fact for fact in observations if fact.origin == "passive"]
    if assessment is None or not facts:
        return None
    there = sorted((fact for fact in facts if fact.server.port == port), key=lambda fact: -fact.time)
    certificates = [
        found[1] for fact in there if fact.kind == "tls.certificate" and (found := _SHA256.search(fact.value))
    ]
    return Sighting(
        name=_name([fact.value for fact in there if fact.kind == "tls.sni"]),
        certificates=tuple(dict.fromkeys(certificates))[:_MOST],
        products=(assessment.product,),
        build_known=_exact(assessment),
        last_seen=max(fact.time for fact in facts),
    )


def _name(names: list[str]) -> str | None:
    """The name that clients asked for last; one that is not autodiscover's before those that are."""
    return min(names, key=lambda name: name.startswith("autodiscover."), default=None)


def _exact(assessment: Assessment) -> bool:
    """Whether looking alone tells the exact build. What an earlier probe told grows old, and is asked for again."""
    return any(
        evidence.claims.build is not None
        and evidence.claims.build.exact
        and evidence.observation.origin == "passive"
        and not EXCHANGE.isdisjoint(evidence.claims.products)
        for evidence in assessment.evidence
    )
