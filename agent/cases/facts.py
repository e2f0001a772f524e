"""What is known of a server, as the facts of a message: in no language, and nothing that is not known. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.build import BuildRange
from agent.cases.severity import Found, chains, grouped, severity
from agent.notice import Facts, Hole, Install

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from agent.build import Build, Generation
    from agent.cases.case import Case
    from agent.exchange.catalogue import Catalogue
    from agent.exchange.known import Known
    from agent.model import Assessment, Finding

MOST = 12  # holes that are listed; of the others it is told how many there are
_MOST_CVES = 16
_LATEST: Generation = "SE"  # what is left when no update of a server's own version is to be had any more
_SURE = ("confirmed",)


class Papers(NamedTuple):
    """By what right a server was asked: the record, the customer's receipt, the intent's entry, and by how many
    requests. Empty: it was not.
    """

    record: str = ""
    receipt: str = ""
    entry: int | None = None
    requests: int = 0


class Own(NamedTuple):
    """What a message says of sender and reader. ``links``: action of agent.notice.ACTIONS -> address."""

    operator: str
    contact: str
    lang: str
    zone: str = "UTC"
    links: Mapping[str, str] = {}
    offer: bool = False
    deleted: str = ""
    why: str = ""


class Judged(NamedTuple):
    """What an assessment comes to for a case: its severity ("" for none), all that there is to say, and by their names
    what of it is open, and what of that is exploited.
    """

    severity: str
    holes: tuple[Found, ...]
    open: tuple[str, ...]
    exploited: tuple[str, ...]

    def body(self, build: str) -> dict[str, Any]:
        """As ``opened`` and ``changed`` have it."""
        said = {"holes": list(self.open), "exploited": list(self.exploited)}
        return {"severity": self.severity, "build": build, **said}


def judged(assessment: Assessment) -> Judged:
    """How bad it is. A hole that is known to be exploited and open here was exploited before its fix came here."""
    return _judged(assessment.findings)


@lru_cache(1024)  # servers of one build share their findings
def _judged(findings: tuple[Finding, ...]) -> Judged:
    holes = tuple(grouped(findings))
    open_ = [hole for hole in holes if hole.status == "vulnerable"]
    exploited = tuple(hole.key for hole in open_ if hole.kev)
    return Judged(severity(holes), holes, tuple(hole.key for hole in open_), exploited)


def tellable(assessment: Assessment) -> bool:
    """Whether this is sure enough to tell anybody: it was asked, or signs of its own weight leave no doubt."""
    if assessment.product not in ("exchange", "exchange-edge"):
        return False
    return assessment.verdict in _SURE or asked(assessment)


def asked(assessment: Assessment) -> bool:
    """Whether the build that is believed is of an answer to a probe."""
    return any(e.observation.origin == "active" and e.claims.build is not None for e in assessment.evidence)


def asked_at(assessment: Assessment) -> float:
    """When an answer to a probe last told the build; -inf for never."""
    times = [e.observation.time for e in assessment.evidence if e.observation.origin == "active" and e.claims.build]
    return max(times, default=float("-inf"))


def fixed(assessment: Assessment, before: Case) -> bool:
    """Whether it shows that what the case is about is fixed; that less is known than before shows nothing.

    Only a build shows that holes are closed, and one of which the last number was not shown only those that its
    cumulative update closes; a supported version closes a case that was about support alone.
    """
    if not tellable(assessment) or judged(assessment).severity:
        return False
    if assessment.build is not None and assessment.build.precision in ("su", "cu"):
        if any(f.status == "unknown" and _names(f) & set(before.holes) for f in assessment.findings):
            return False
        return any(f.status in ("fixed", "fixed_if_configured") for f in assessment.findings)
    return assessment.generation is not None and not before.build


def _names(finding: Finding) -> set[str]:
    """By any of which a case knows the hole that this is, or is a part of."""
    return {finding.name, finding.cve or "", *chains().get(finding.cve or "", ())}


def build_text(assessment: Assessment) -> str:
    """The build as far as it was shown: four numbers, three of a cumulative update, "" where it was not."""
    build = assessment.build
    if build is None or build.precision not in ("su", "cu"):
        return ""
    return str(build.low) if build.exact else ".".join(map(str, build.low.branch))


def facts(
    case: Case, message: str, assessment: Assessment, catalogue: Catalogue, at: date, own: Own, papers: Papers
) -> Facts:
    """All that a message of this case may tell on the day ``at``."""
    now = judged(assessment)
    listed = [hole for hole in now.holes if not hole.ended]
    settings = {flaw.cve: flaw.config for flaw in catalogue.flaws if flaw.config}
    written: dict[str, Any] = {
        "message": message, "lang": own.lang, "zone": own.zone, "operator": own.operator, "contact": own.contact,
        "customer": case.customer, "case": case.id, "severity": case.severity, "address": case.address,
        "ports": list(assessment.ports)[:16], "seen": _seen(assessment),
        "origin": "active" if asked(assessment) else "passive", "confidence": assessment.verdict,
        "signs": signs(assessment), "product": product(assessment, catalogue), "build": build_text(assessment),
        "record": papers.record, "receipt": papers.receipt, "entry": papers.entry,
        "requests": papers.requests,
        "holes": [_hole(hole, settings) for hole in listed[:MOST]], "more": len(listed[MOST:]),
        "exploited": list(dict.fromkeys((*case.exploited, *now.exploited)))[:32],
        "ended": ended(assessment, catalogue, at), "install": install(assessment, catalogue, at),
        "links": dict(own.links), "offer": own.offer, "why": own.why, "deleted": own.deleted,
    }  # fmt: skip
    return Facts(**written)


def _seen(assessment: Assessment) -> float:
    return max((e.observation.time for e in assessment.evidence), default=0.0)


def _hole(hole: Found, settings: Mapping[str, str]) -> Hole:
    setting = next((settings[cve] for cve in hole.cves if cve in settings), "")
    return Hole(
        name=hole.name, cves=list(hole.cves)[:_MOST_CVES], status=hole.status, kev=hole.kev, cvss=hole.cvss or None,
        setting=setting,
    )  # fmt: skip


def signs(assessment: Assessment) -> list[str]:
    """The kinds of observation that speak for Exchange, those that say most first."""
    speaking = [e for e in assessment.evidence if "exchange" in e.claims.products or e.claims.build is not None]
    return list(dict.fromkeys(e.observation.kind for e in sorted(speaking, key=lambda e: -e.weight)))[:32]


def product(assessment: Assessment, catalogue: Catalogue) -> str:
    """The name of the version, with its update where the build was shown."""
    if assessment.generation is None:
        return "Exchange Server"
    known = catalogue.lookup(assessment.build.low) if assessment.build and assessment.build.exact else None
    return _named(assessment.generation, known) if known else f"Exchange Server {assessment.generation}"


def ended(assessment: Assessment, catalogue: Catalogue, at: date) -> str:
    """The day on which its support ended; "" where it has not, or nobody knows that it has."""
    over = any(f.cve is None and f.status == "vulnerable" for f in assessment.findings)
    if not over or assessment.generation is None:
        return ""
    life = catalogue.lifecycles[assessment.generation]
    # Whoever paid for more has had until then; for him the paid programme's end is the end.
    paid = assessment.build is not None and assessment.build.exact and _paid(assessment.build.low, catalogue)
    return (life.extended if paid and life.extended else life.end_of_support).isoformat()


def _paid(build: Build, catalogue: Catalogue) -> bool:
    """Whether it is of the paid programme, or of later than the catalogue knows on a branch that has one."""
    generation = catalogue.generation_of(build)
    until = catalogue.lifecycles[generation].extended if generation else None
    return until is not None and catalogue.status(build, until) in ("esu", "newer_than_table")


def install(assessment: Assessment, catalogue: Catalogue, at: date) -> Install:
    """What closes it: the newest update of the branch if that is supported and open to nothing that made the case,
    else the newest of the version, else the newest of the version that is still supported.
    """
    build = assessment.build
    newest = [
        (catalogue.newest(build.low), "update") if build and build.precision in ("su", "cu") else (None, ""),
        (catalogue.newest(assessment.generation), "upgrade") if assessment.generation else (None, ""),
        (catalogue.newest(_LATEST), "upgrade"),
    ]
    if assessment.generation is None:
        return Install(kind="unknown")
    for known, kind in newest:
        if known and _closes(known, assessment, catalogue, at):
            return _install(known, "update" if kind == "update" else "upgrade", catalogue)
    return Install(kind="unknown")


def _closes(known: Known, assessment: Assessment, catalogue: Catalogue, at: date) -> bool:
    """Whether a build can be had, is newer than what runs, and leaves nothing open that makes a case."""
    support = catalogue.status(known.build, at)
    theirs = assessment.build
    programme = support == "esu" and theirs is not None and catalogue.status(theirs, at) == "esu"
    if support != "supported" and not programme:
        return False
    if theirs is not None and theirs.exact and theirs.low >= known.build:
        return False
    return not severity(grouped(catalogue.findings(BuildRange(known.build, known.build, "su"), at)))


def _install(known: Known, kind: Any, catalogue: Catalogue) -> Install:
    generation = catalogue.generation_of(known.build)
    return Install(
        kind=kind, name=_named(str(generation), known), build=str(known.build), kb=known.kb or "",
        released=known.released.isoformat(),
    )  # fmt: skip


def _named(generation: str, known: Known) -> str:
    """As in "Exchange Server 2019 CU14 Aug26SU"."""
    parts = ("Exchange Server", generation, known.cu, "" if known.update in ("", known.cu, "RTM") else known.update)
    return " ".join(part for part in parts if part)
