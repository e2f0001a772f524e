"""What the console shows of single servers, for a user whom agent.views has let in.

Under a pseudonym, but on the page of one server: there its address, its names and its customer are. Each page's entry
``finding.read`` is on record before anything is given, and says what was looked at, by whom. What a stranger's server
says is cut here, and made harmless by who shows it.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.errors import InputError
from agent.outline import Outlines, urgency, written
from agent.report import build_text, open_findings
from agent.sighted import port_of, worth_knocking
from agent.verbs.probe import considered, ended_or_not, holders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.inventory import Seen
    from agent.model import Assessment, Evidence, Finding
    from agent.office import Office
    from agent.outline import Outline

ROWS = 50  # servers on a page
PROBES = 50  # of each list of probes
REFUSALS = 100
EVIDENCE = 64  # facts of one server
FINDINGS = 250
VALUE = 400  # characters of what a server said
_OPEN = ("vulnerable", "possible")
_OUTLINED = ("product", "generation", "verdict", "support")

Row = dict[str, Any]
Words = dict[str, str]


def recent(office: Office, words: Words, user: str, seen: Seen) -> Iterator[Row]:
    """The last probes, of all and of those that told nothing, and who is not knocked at; the newest first.

    ``list`` says of each object which of "failed", "last" and "refused" it belongs to.
    """
    history = office.history
    failed = list(islice(reversed(history.failed.items()), PROBES))
    last = list(islice(reversed(history.recent.items()), PROBES))
    rows = [
        *({"list": "failed", **_probe(office, row)} for row in ended_or_not(office, failed)),
        *({"list": "last", **_probe(office, row)} for row in ended_or_not(office, last)),
    ]
    refused = sorted(seen.refusals.items(), key=lambda item: -item[1].time)[:REFUSALS]
    office.record([_entry("recent", user)])
    yield from rows
    for address, why in refused:
        yield {"list": "refused", "server": _name(office, address), **why._asdict()}


def servers(office: Office, words: Words, user: str, seen: Seen) -> Iterator[Row]:
    """The servers with a sign of Exchange that fit ``words``, the most exploited holes first, a page of them.

    ``product``, ``generation``, ``verdict``, ``support``, ``cve``, ``reason``: these alone; ``page``: from 1. First
    {"total", "page", "pages"}, then a row each.
    """
    outlines = Outlines(seen.inventory.catalogue, seen.today)
    told = [(outlines.of(one), one) for one in seen.inventory.assessments(seen.today, every=False)]
    open_to = _Open(words.get("cve"))
    fitting = [each for each in told if _fits(*each, words, seen) and open_to.has(each[1])]
    fitting.sort(key=lambda each: urgency(each[0], each[1].confidence))
    pages = max(1, -(-len(fitting) // ROWS))
    page = min(max(1, int(words.get("page", "1"))), pages)
    office.record([_entry("servers", user)])
    yield {"total": len(fitting), "page": page, "pages": pages}
    for outline, one in fitting[(page - 1) * ROWS : page * ROWS]:
        yield {**_belief(office, outline, one, seen), "reason": _reason(one, seen)}


def server(office: Office, words: Words, user: str, seen: Seen) -> Iterator[Row]:
    """All about one, by its pseudonym ``server`` of this period or the one before. Raises InputError.

    ``is`` says of each object what it is: first "server", then "finding", "evidence", "decision", "input" and "probe".
    """
    address = _address(office, words.get("server", ""), seen)
    one = seen.inventory.assessment(address, seen.today)
    if one is None:
        raise InputError(_NOBODY)
    outline = Outlines(seen.inventory.catalogue, seen.today).of(one)
    facts = seen.inventory.observations(address)
    decision, *inputs = considered(office, address, port_of(facts))
    customers = holders(office, address)
    probes = [_probe(office, row) for row in _probes(office) if row["address"] == address]
    office.record([_entry("server", user, customer) for customer in customers or [""]])
    yield {
        "is": "server", **_belief(office, outline, one, seen), "address": address, "customers": customers,
        "names": [cut(name) for name in one.names[:8]], "ports": list(one.ports[:32]),
        "proxy": cut(one.proxy or ""), "notes": [cut(note) for note in one.notes[:16]],
        "first": min(fact.time for fact in facts), "facts": len(facts),
        "closed": dict(Counter(f.status for f in one.findings if f not in open_findings(one))),
    }  # fmt: skip
    yield from ({"is": "finding", **_finding(each)} for each in open_findings(one)[:FINDINGS])
    heaviest = sorted(one.evidence, key=lambda each: -each.weight)[:EVIDENCE]
    yield from ({"is": "evidence", **_evidence(each)} for each in heaviest)
    scheduled = seen.refusals.get(address)
    yield {
        "is": "decision", "reason": decision["reason"], "detail": decision["detail"], "port": decision["port"],
        "worth": worth_knocking(one), "scheduled": scheduled._asdict() if scheduled else None,
    }  # fmt: skip
    yield from ({"is": "input", **each, "value": cut(each["value"])} for each in inputs)
    yield from ({"is": "probe", **each} for each in probes)


_NOBODY = "no server of this name is known; servers get other names each period, and are forgotten after a while"


def _entry(what: str, user: str, customer: str = "") -> Item:
    return Item("finding.read", {"what": what, "user": user, "by": "console"}, customer)


def _name(office: Office, address: str) -> str:
    return office.pseudonyms.of(address, office.now())


def _address(office: Office, name: str, seen: Seen) -> str:
    """Whose pseudonym this is: there is no way back but to make that of each. Raises InputError."""
    found = office.pseudonyms.whose(name, seen.inventory.signed(), office.now())
    if found is None:
        raise InputError(_NOBODY)
    return found


def _belief(office: Office, outline: Outline, one: Assessment, seen: Seen) -> Row:
    exploited, vulnerable, possible = outline.holes or (0, 0, 0)
    exact = one.build is not None and one.build.exact
    return {
        "server": _name(office, one.address),
        "product": outline.product,
        "generation": outline.generation,
        "build": written(one.build.low) if one.build is not None and exact else build_text(one),
        "verdict": outline.verdict,
        "confidence": one.confidence,
        "support": outline.support,
        "open": exploited + vulnerable + possible,
        "exploited": exploited,
        "seen": seen.inventory.last_seen(one.address),
    }


def _reason(one: Assessment, seen: Seen) -> str:
    refused = seen.refusals.get(one.address)
    return refused.reason if refused else ""


def _fits(outline: Outline, one: Assessment, words: Words, seen: Seen) -> bool:
    has = outline._asdict()
    return all(has[key] == words[key] for key in _OUTLINED if key in words) and (
        "reason" not in words or _reason(one, seen) == words["reason"]
    )


class _Open:
    """Whether servers are open to a CVE, or may be; all are where none is asked for. Many share their findings."""

    def __init__(self, cve: str | None) -> None:
        self._cve = cve
        self._known: dict[int, bool] = {}

    def has(self, one: Assessment) -> bool:
        if self._cve is None:
            return True
        known = self._known.get(id(one.findings))
        if known is None:
            known = any(each.cve == self._cve and each.status in _OPEN for each in one.findings)
            self._known[id(one.findings)] = known
        return known


def _finding(each: Finding) -> Row:
    return {"cve": each.cve, "name": each.name, "status": each.status, "kev": each.kev, "cvss": each.cvss}


def _evidence(each: Evidence) -> Row:
    fact = each.observation
    return {
        "fingerprint": each.fingerprint, "kind": fact.kind, "port": fact.server.port, "origin": fact.origin,
        "value": cut(fact.value), "weight": each.weight, "time": fact.time,
    }  # fmt: skip


def _probes(office: Office) -> Iterable[Row]:
    """Every probe that is remembered, the newest first."""
    known = {**office.history.failed, **office.history.recent}
    return ended_or_not(office, sorted(known.items(), reverse=True))


def _probe(office: Office, row: Row) -> Row:
    """Of a probe what may be seen by pseudonym; none where the customer's key was shredded."""
    kept = ("time", "entry", "port", "why", "outcome", "ms", "detail")
    return {"server": _name(office, row["address"]) if row["address"] else "", **{key: row[key] for key in kept}}


def cut(text: str) -> str:
    """The beginning of what a stranger said, no longer than anybody would read."""
    return text if len(text) <= VALUE else text[:VALUE] + "…"
