"""Orders about knocking: why somebody is or is not knocked at, to knock now, what was done, and the kill switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent import killswitch
from agent.audit.entry import Item
from agent.audit.log import AuditError
from agent.consent.arming import SENTENCES
from agent.consent.case import number
from agent.consent.decide import decide, inputs
from agent.consent.history import DAY, RECENT
from agent.errors import ConfigError, InputError, UnavailableError
from agent.leave import PROBES, Budget, Leave, Refusal, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.audit.entry import Opened
    from agent.office import Office, Who

PORT = 443
_PAGE = 1024  # entries that the log reads in one turn
_KINDS = ("probe.intent", "probe.outcome")


def explain(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``address``, ``port`` (443): every input of the decision, and nothing is sent.

    First {"address", "port", "reason" (None: there is leave), "detail", "leave", "seen", "budget", "sources"}, then one
    agent.consent.explain.Input each. That it was read is put on record first. Raises InputError, AuditError.
    """
    address, port = _asked(words)
    told = list(considered(office, address, port))
    for customer in holders(office, address) or [""]:
        office.record([Item("register.read", {"uid": who.uid, "what": "explain"}, customer)])
    yield from told


def holders(office: Office, address: str) -> list[str]:
    """The customers who are said to hold an address."""
    at = number(address)
    return sorted({each.customer for each in office.register.holders(at)}) if at is not None else []


def considered(office: Office, address: str, port: int) -> Iterator[dict[str, Any]]:
    """What ``explain`` gives, with nothing put on record: that is for who shows it to somebody."""
    request = Request(address, port, PROBES[0], "command", office.sighting(address, port))
    conditions = office.conditions()
    answer = decide(office.register, office.history, request, conditions)
    budget = Budget(seconds=float(office.config.probe.seconds))
    yield {
        "address": address,
        "port": port,
        "reason": answer.reason if isinstance(answer, Refusal) else None,
        "detail": answer.detail if isinstance(answer, Refusal) else "",
        "leave": answer._asdict() if isinstance(answer, Leave) else None,
        "seen": request.sighting._asdict() if request.sighting else None,
        "budget": budget._asdict(),
        "sources": list(office.config.probe.sources),
    }
    told = inputs(office.register, office.history, request, conditions)
    yield from (each._asdict() for each in told)


def now(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``address``, ``port`` (443): knock, if there is leave. Gives {"reason", "detail"} or {"id", "entry", "seconds"}.

    What comes of it is in ``probe.list``. Raises InputError, and UnavailableError where no daemon could do it.
    """
    address, port = _asked(words)
    if office.knock is None:
        raise UnavailableError("no daemon runs, so nothing can be sent; start one, or say --dry-run")
    answer = office.knock(Request(address, port, PROBES[0], "command", office.sighting(address, port)))
    if isinstance(answer, Refusal):
        yield {"reason": answer.reason, "detail": answer.detail}
    else:
        yield {"reason": None, "id": answer.id, "entry": answer.number, "seconds": answer.budget.seconds}


def ended(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``entry``: what became of the probe of that intent, as ``listed`` gives it; nothing while it is under way."""
    entry = words.get("entry")
    outcome = office.history.recent.get(entry) if isinstance(entry, int) else None
    if isinstance(entry, int) and outcome is not None:
        found = _entries(office, (entry, outcome))
        office.record([Item("finding.read", {"uid": who.uid, "what": "outcome"}, found[entry].customer)])
        yield _row(found[entry], found[outcome])


def listed(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """How knocking stands, and the last ``limit`` probes with what became of them, the last one first.

    First {"missing": [[piece, what to do]], "killed", "running", "breakers", "refused": {reason: count of a day}};
    refusals are counted when they are news, and put on record each hour. Then one {"time", "entry", "id", "address",
    "port", "customer", "why", "outcome", "ms", "detail"} each, unless ``limit`` is 0. Raises InputError, AuditError.
    """
    limit = words.get("limit", 20)
    if type(limit) is not int or not 0 <= limit <= RECENT:
        raise InputError(f"limit: a number from 0 to {RECENT}")
    conditions = office.conditions()
    probes = ended_or_not(office, list(office.history.recent.items())[::-1][:limit])
    if probes:
        office.record([Item("register.read", {"uid": who.uid, "what": "probes"})])
    yield {
        "missing": [[piece, SENTENCES[piece]] for piece in conditions.missing or ()],
        "killed": conditions.killed is not False,
        "running": len(office.history.flights),
        "breakers": office.history.open_breakers(conditions.time),
        "refused": dict(office.history.refusals(conditions.time - DAY).most_common()),
    }
    yield from probes


def switch_on(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """Nobody is knocked at any more. The file comes first; gives {"path", "on", "recorded"}. Raises ConfigError."""
    killswitch.throw(office.kill_switch)
    yield {"path": str(office.kill_switch), "on": True, "recorded": _noted(office, "kill_switch.on", who)}


def switch_off(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """There may be knocking again. The record comes first: without it the switch stays on. Raises AuditError too."""
    path = office.kill_switch
    office.record([Item("kill_switch.off", {"uid": who.uid})])
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be removed, so the kill switch is still on: {error.strerror}") from None
    yield {"path": str(path), "on": False, "recorded": True}


def switch_status(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """{"path", "on"}; ``on`` is None where that cannot be seen, which is as good as on."""
    yield {"path": str(office.kill_switch), "on": office.killed()}


def _noted(office: Office, kind: str, who: Who) -> bool:
    try:
        office.record([Item(kind, {"uid": who.uid})])
    except AuditError:
        return False
    return True


def _asked(words: dict[str, Any]) -> tuple[str, int]:
    address, port = words.get("address"), words.get("port", PORT)
    if not isinstance(address, str):
        raise InputError("address: not a text")
    if type(port) is not int or not 0 < port < 65_536:
        raise InputError(f"port: {port!r} is none; a port is a number from 1 to 65535")
    return address, port


def _entries(office: Office, wanted: Iterable[int]) -> dict[int, Opened]:
    """The entries of these numbers. What is near to each other is read at once, and nothing else is opened."""
    found: dict[int, Opened] = {}
    left = sorted(wanted)
    while left:
        near = {number for number in left if number < left[0] + _PAGE}
        for entry in office.log.read(_KINDS, left[0]):
            if entry.number in near:
                found[entry.number] = entry
                near.discard(entry.number)
            if not near:
                break
        left = [number for number in left if number >= left[0] + _PAGE]
    return found


def ended_or_not(office: Office, probes: Iterable[tuple[int, int | None]]) -> list[dict[str, Any]]:
    """What the log says of probes, each by the numbers of its intent and of its outcome, as ``listed`` gives it."""
    last = list(probes)
    found = _entries(office, [number for each in last for number in each if number is not None])
    return [_row(found[intent], None if outcome is None else found[outcome]) for intent, outcome in last]


def _row(intent: Opened, outcome: Opened | None) -> dict[str, Any]:
    private, became = intent.private or {}, (outcome.private if outcome else None) or {}
    return {
        "time": intent.time,
        "entry": intent.number,
        "id": intent.public.get("id", ""),
        "address": private.get("address"),
        "port": private.get("port"),
        "customer": intent.customer,
        "why": intent.public.get("why", ""),
        "outcome": outcome.public.get("outcome", "") if outcome else None,
        "ms": outcome.public.get("ms") if outcome else None,
        "detail": became.get("detail", ""),
    }
