"""``servers.list`` and ``servers.whois``: the servers behind a number or a pseudonym. On record before it is given."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.believed import OPEN, STATUSES, SUPPORT, VERDICTS, opened
from agent.consent.case import number
from agent.consent.decide import decide
from agent.errors import InputError, UnavailableError
from agent.leave import PROBES, Refusal, Request
from agent.model import GENERATIONS, PRODUCTS
from agent.outline import HERE, Outlines, urgency
from agent.privacy import union
from agent.report import build_text
from agent.sighted import port_of
from agent.verbs.probe import holders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.inventory import Seen
    from agent.leave import Conditions
    from agent.model import Assessment
    from agent.office import Office, Who
    from agent.outline import Outline
    from agent.privacy import Ranges

PAGE = 500  # servers in one answer
_NAMES = 4  # of one server
# What may be asked for, and which values each takes; the labels of the metrics are the same words.
CHOICES: dict[str, tuple[str, ...]] = {
    "product": PRODUCTS,
    "generation": (*GENERATIONS, "unknown"),
    "support": SUPPORT,
    "verdict": VERDICTS,
}
_CHAIN = re.compile(r"[^a-z0-9]+")

Answer = dict[str, Any]
_Found = tuple["Assessment", "Outline"]


def listed(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """The servers that fit all of ``words``, the most urgent first: a page of them, ``start`` and ``limit``.

    ``product`` (else Exchange at a customer's), ``generation``, ``support``, ``verdict``; ``cve`` or ``chain``, and
    with either or alone a ``status``; ``customer``. First {"found", "next": where to go on}, then a row each, as
    ``_row`` has it. Raises InputError, and UnavailableError where no daemon runs.
    """
    seen = _seen(office)
    start, limit = _count(words, "start", 0), min(_count(words, "limit", PAGE), PAGE)
    fits, outlines = _filter(office, words, seen), Outlines(seen.inventory.catalogue, seen.today)
    found = [(one, outline) for one in seen.inventory.assessments(seen.today, every=False)
             if fits(one, outline := outlines.of(one))]  # fmt: skip
    found.sort(key=lambda row: (urgency(row[1], row[0].confidence), number(row[0].address)))
    page, conditions = found[start : start + limit], office.conditions()
    rows = [_row(office, one, seen, conditions) for one, _ in page]
    said = {"uid": who.uid, "what": "servers", "count": len(rows)}
    office.record([Item("finding.read", said, words.get("customer") or "")])
    yield {"found": len(found), "next": start + limit if start + limit < len(found) else None}
    yield from rows


def whois(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """``server``: a pseudonym of this period or of the one before. Gives its row. That somebody asked is on record even
    where it is nobody's. Raises InputError, UnavailableError.
    """
    seen, name = _seen(office), words.get("server")
    address = office.pseudonyms.whose(name, seen.inventory.signed(), office.now()) if isinstance(name, str) else None
    one = seen.inventory.assessment(address, seen.today) if address else None
    said = {"uid": who.uid, "what": "whois", "count": 1 if one else 0}
    customers = holders(office, address) if address else []
    office.record([Item("finding.read", said, customer) for customer in customers or [""]])
    if one is None:
        raise InputError(
            f"{name!r:.40}: no server of this name is known; names change each period, those of the period before are "
            "known still, and servers are forgotten after a while"
        )
    yield _row(office, one, seen, office.conditions())


def _seen(office: Office) -> Seen:
    if office.seen is None:
        raise UnavailableError("no daemon runs, and it alone knows which servers there are; start one")
    return office.seen()


def _count(words: Answer, key: str, default: int) -> int:
    given = words.get(key, default)
    if type(given) is not int or given < 0:
        raise InputError(f"{key}: is no number from 0 on")
    return given


def _filter(office: Office, words: Answer, seen: Seen) -> Callable[[Assessment, Outline], bool]:
    """Whether a server is asked for. Raises InputError for what nobody could be."""
    wanted = {key: _one_of(key, words[key], allowed) for key, allowed in CHOICES.items() if words.get(key) is not None}
    exposed, his = _exposed(words, seen), _his(office, words.get("customer"))

    def fits(one: Assessment, outline: Outline) -> bool:
        if "product" not in wanted and one.product not in HERE:
            return False
        if any(getattr(outline, key) != value for key, value in wanted.items()):
            return False
        return exposed(one) and (his is None or _within(his, number(one.address)))

    return fits


def _exposed(words: Answer, seen: Seen) -> Callable[[Assessment], bool]:
    """Whether a server has what is asked for: a CVE, a chain of them, or any in some status."""
    cve, chain, status = words.get("cve"), words.get("chain"), words.get("status")
    if cve is not None and chain is not None:
        raise InputError("cve, chain: name one of them")
    if chain is not None:
        links = _links(str(chain), seen)
        how = OPEN if status is None else (_one_of("status of a chain", status, OPEN),)
        return lambda one: _of_chain(one, links) in how
    statuses = ("vulnerable", "possible") if status is None else (_one_of("status", status, STATUSES),)
    if cve is None:
        return lambda one: status is None or any(each.cve and each.status in statuses for each in one.findings)
    if cve not in {flaw.cve for flaw in seen.inventory.catalogue.flaws}:
        raise InputError(f"{cve!r:.40}: the catalogue has no such CVE; write it like CVE-2021-34473")
    return lambda one: any(each.cve == cve and each.status in statuses for each in one.findings)


def _links(chain: str, seen: Seen) -> tuple[str, ...]:
    """The CVEs of a chain, whose name is taken however it is spaced and cased."""
    chains = seen.inventory.catalogue.chains
    for name, links in chains.items():
        if _CHAIN.sub("", name.lower()) == _CHAIN.sub("", chain.lower()):
            return tuple(links)
    raise InputError(f"{chain!r:.40}: the catalogue has no such chain; it has {', '.join(chains)}")


def _of_chain(one: Assessment, links: tuple[str, ...]) -> str | None:
    statuses = {each.cve: each.status for each in one.findings}
    return opened([statuses.get(cve, "not_affected") for cve in links]) if statuses else None


def _his(office: Office, ref: Any) -> Ranges | None:
    """The addresses of a customer; None where nobody is named."""
    if ref is None:
        return None
    mapped = office.register.mapped(ref) if isinstance(ref, str) else ()
    if not isinstance(ref, str) or not (mapped or office.register.customer(ref)):
        raise InputError(f"{ref!r:.80}: no customer of that reference is known; `consent list` has them all")
    return union([each.prefix for each in mapped])


def _within(ranges: Ranges, at: int | None) -> bool:
    if at is None:
        return False
    found = bisect_right(ranges, (at, 1 << 200)) - 1
    return found >= 0 and ranges[found][0] <= at <= ranges[found][1]


def _one_of(key: str, value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InputError(f"{key}: {value!r:.60} is none of {', '.join(allowed)}")
    return str(value)


def _row(office: Office, one: Assessment, seen: Seen, conditions: Conditions) -> Answer:
    """``open``: exploited, vulnerable, possible holes, None where no build tells; ``asked``: the reason why it is not
    asked for its build, None where it may be; ``customers``: whose it is said to be.
    """
    facts = seen.inventory.observations(one.address)
    port = port_of(facts)
    outline = Outlines(seen.inventory.catalogue, seen.today).of(one)
    request = Request(one.address, port, PROBES[0], "command", office.sighting(one.address, port))
    answer = decide(office.register, office.history, request, conditions)
    return {
        "address": one.address,
        "server": office.pseudonyms.of(one.address, office.now()),
        "product": one.product,
        "generation": outline.generation,
        "build": build_text(one),
        "precision": outline.precision,
        "verdict": one.verdict,
        "confidence": one.confidence,
        "support": outline.support,
        "open": outline.holes._asdict() if outline.holes else None,
        "names": list(one.names[:_NAMES]),
        "ports": list(one.ports),
        "last_seen": seen.inventory.last_seen(one.address),
        "customers": holders(office, one.address),
        "asked": answer.reason if isinstance(answer, Refusal) else None,
    }
