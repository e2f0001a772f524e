"""Orders about all that is held of one customer: to give it to him, and to erase it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from agent.audit.proof import handed, parts
from agent.cases.book import BookError
from agent.erasing import REASONS, alone, inside, standing
from agent.errors import ConfigError, InputError
from agent.schema import FINDINGS
from agent.store import beside, facts
from agent.verbs import sessions
from agent.verbs.cases import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.office import Office, Who

READ = 50_000  # entries of the log looked at in one order
_LISTS = ("register.read", "finding.read")
_CHOICES = ("keep", "forget")

Answer = dict[str, Any]


def export(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """All that is held of ``customer``, piece by piece; that it was handed over is put on record first.

    {"about": {...}}, then {"proof": piece} as of ``audit.prove``, which has every entry of his, {"case": {...}} and
    {"fact": [...]} (agent.store.facts) of servers at addresses that are his alone now. Raises InputError, AuditError,
    ConfigError.
    """
    customer = _known(office, words)
    item = handed(office.log, customer, who.uid)
    office.record([item])
    assert item.private is not None
    config = office.config
    yield {
        "about": {
            "customer": customer, "time": office.now(), "operator": config.consent.operator,
            "contact": config.probe.contact or config.notices.route, "url": config.consent.public_url,
            "log": office.log.origin, "retention_days": config.agent.retention_days,
            "fixed_days": config.notices.fixed_days,
        }
    }  # fmt: skip
    try:
        yield from ({"proof": piece} for piece in parts(office.log, customer, item.private["earlier"]))
        yield from ({"case": case} for case in _cases(office, customer))
        yield from ({"fact": list(fact)} for fact in _facts(office, customer))
    except (BookError, sqlite3.Error) as error:
        raise ConfigError(f"not all that is held could be read: {error}") from None


def reads(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """Who read lists of many customers, from entry ``start`` on, some way: {"reads": [...], "next"}.

    Nothing in it is any customer's. Raises InputError, AuditError.
    """
    start = words.get("start")
    if type(start) is not int or start < 0:
        raise InputError("start: the number of an entry")
    found = [
        {"number": entry.number, "time": entry.time, "kind": entry.kind, "public": entry.public}
        for entry in office.log.read(_LISTS, start, start + READ)
        if not entry.customer and entry.private is None
    ]
    end = start + READ
    yield {"reads": found, "next": end if end < office.log.size else None}


def erase(office: Office, words: Answer, who: Who) -> Iterator[Answer]:
    """Erase ``customer``, for a ``reason`` of REASONS. Gives {"entries", "kept": id -> prefixes}.

    ``objection``: "keep" or "forget", what becomes of one that stands; without it, that is a fault. Raises InputError,
    AuditError (then nothing was done), ConfigError.
    """
    customer, reason, objection = _known(office, words), words.get("reason", "request"), words.get("objection")
    if reason not in REASONS:
        raise InputError(f"reason: one of {', '.join(REASONS)}; it stays in the log for ever")
    if objection not in (None, *_CHOICES):
        raise InputError(f"objection: one of {', '.join(_CHOICES)}")
    if objection is None and any(standing(office, customer, headers=headers) for headers in (False, True)):
        raise InputError(
            f"{customer}: an objection of his stands, and would go with him, so that what is looked at for everybody "
            "is looked at for him again; --keep-objection keeps its prefixes and nothing else, --forget-objection "
            "lets it go"
        )
    sessions.abandon()
    done = office.erasing.erase(customer, uid=who.uid, reason=str(reason), keep=objection == "keep")
    yield {"entries": done.entries, "kept": done.kept}


def _known(office: Office, words: Answer) -> str:
    customer = words.get("customer")
    if not isinstance(customer, str) or not office.log.knows(customer):
        raise InputError(f"{customer!r:.80}: no entry is this customer's; is the reference right?")
    return customer


def _cases(office: Office, customer: str) -> Iterator[Answer]:
    if not (office.directory / FINDINGS).exists():
        return
    for case in sorted(office.book.cases.values(), key=lambda case: case.opened):
        if case.customer == customer:
            events = [{"time": each.time, "kind": each.kind, "body": each.body} for each in office.book.events(case.id)]
            yield {
                "id": case.id, "address": case.address, "severity": case.severity, "state": case.state,
                "opened": case.opened, "since": case.since, "build": case.build, "holes": list(case.holes),
                "exploited": list(case.exploited), "steps": [step._asdict() for step in case.steps],
                "events": events, "texts": [written(told) for told in office.book.texts(case.id)],
            }  # fmt: skip


def _facts(office: Office, customer: str) -> Iterator[tuple[Any, ...]]:
    """What was seen of servers at addresses that are mapped to him now, and to nobody else."""
    his = [mapped.prefix for mapped in office.register.mapped(customer)]
    wanted = inside(alone(office, customer, his))
    if office.observed is not None:
        yield from office.observed.facts(wanted)
        return
    with beside(office.directory) as connection:
        if connection is not None:
            yield from facts(connection, wanted)
