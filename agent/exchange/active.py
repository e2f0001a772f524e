"""What the answers to probes say beyond their words: they were asked for, so each is whole and has its time.

What was overheard may be cut short, and only what is there counts. A probe's answer is whole, so that here something
missing tells as well; and of two answers the later one is how things stand.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from agent.model import Claims, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.model import Endpoint, Observation

LONE = "active-version-alone"
_VERSION = "x-owa-version: "
_FRONT_END = "x-feserver: "
# What surrounds the build in every answer of a front end: it challenges, redirects to its logon page, or names itself.
_COMPANY = (
    _FRONT_END, "request-id: ", "www-authenticate: negotiate", "www-authenticate: ntlm", "www-authenticate: basic",
    "x-soap-enabled: ", "x-wssecurity-", "x-failurecontext: ", "x-diaginfo: ", "x-beserver: ", "x-calculatedbetarget: ",
    "set-cookie: x-backendcookie", "set-cookie: outlooksession", "x-serverapplication: ",
)  # fmt: skip
_LOGON = "/owa/auth/logon.aspx"


def lone_versions(observations: Sequence[Observation], evidence: Iterable[Evidence]) -> Iterator[Evidence]:
    """An answer with a build of Exchange and nothing else of its front end: the mark of a honeypot, whose page needs
    no more (15.2.792.3 and 15.2.858.5 have been met so, with a page of a few lines).
    """
    accompanied = {o.server for o in observations if o.kind == "http.header" and _accompanies(o.value.lower())}
    for e in evidence:
        o = e.observation
        if e.claims.build and _is_answer(o, _VERSION) and o.server not in accompanied:
            # 8000 to 1, and so more than the build says for Exchange by itself, unless more than this one port does.
            yield Evidence(o, LONE, Claims(products=("other",)), 9.0)


def superseded(observations: Iterable[Observation]) -> frozenset[Observation]:
    """The builds that the same front end has shown in earlier answers: it was updated since.

    Only where it names itself and no other did so at that port. Otherwise a balancer may stand there with several of
    them behind it, of which one is as old as it ever was; then all stand, and the lowest counts.
    """
    versions: dict[Endpoint, list[Observation]] = defaultdict(list)
    names: dict[Endpoint, dict[str, float]] = defaultdict(dict)
    for o in observations:
        if _is_answer(o, _VERSION):
            versions[o.server].append(o)
        elif _is_answer(o, _FRONT_END):
            name = o.value.lower()
            names[o.server][name] = max(o.time, names[o.server].get(name, 0.0))
    gone: set[Observation] = set()
    for server, shown in versions.items():
        latest = max(o.time for o in shown)
        if list(names[server].values()) == [latest]:
            gone |= {o for o in shown if o.time < latest}
    return frozenset(gone)


def _is_answer(o: Observation, header: str) -> bool:
    return o.origin == "active" and o.kind == "http.header" and o.value[: len(header)].lower() == header


def _accompanies(value: str) -> bool:
    return value.startswith(_COMPANY) or (value.startswith("location: ") and _LOGON in value)
