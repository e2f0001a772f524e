"""What the weekly report is made of: cases without addresses, what the log counts, and how everything stands."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.cases.book import BookError
from agent.cases.case import PENDING
from agent.cases.helped import helped
from agent.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.audit.entry import Opened
    from agent.cases.case import Case
    from agent.office import Office, Who

PAGE = 100  # cases in one answer
SCAN = 2048  # entries of the log that are read for one answer: some tens of milliseconds of the agent's time
_RETENTION = "retention"  # as agent.telling calls it in the store
# Kind of an entry -> the public words of it by which it is counted.
COUNTED: dict[str, tuple[str, ...]] = {
    "case.opened": ("severity",),
    "case.closed": ("state",),
    "case.answered": ("said",),
    "notice.sent": ("step", "channel", "outcome"),
    "notice.bounced": ("step", "channel", "outcome"),
    "probe.outcome": ("outcome",),
    "record.objected": ("channel",),
    "record.objection_lifted": (),
    "objection.unmatched": (),
}


def cases(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """The cases that are live or came to their end in [``since``, ``until``): {"case": {...}} each, the oldest first.

    ``start``: where to go on, as {"next"} had it, which comes last where there are more. No address, no name and no way
    to reach anybody is in it. Raises InputError, AuditError, ConfigError.
    """
    since, until = _span(words)
    start = _start(words)
    found = [case for case in office.book.cases.values() if case.live or since <= case.since < until]
    found.sort(key=lambda case: (case.opened, case.id))
    office.record([Item("finding.read", {"uid": who.uid, "what": "report"})])
    try:
        for case in found[start : start + PAGE]:
            yield {"case": _row(office, case)}
    except BookError as error:
        raise ConfigError(str(error)) from None
    if start + PAGE < len(found):
        yield {"next": start + PAGE}


def counted(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """What the log says of [``since``, ``until``), in counts: {"kind", "said": [...], "count"} each, of COUNTED.

    It is read a little at a time: {"next"} comes last where there is more, to go on at ``start``. Raises InputError,
    AuditError.
    """
    since, until = _span(words)
    start = _start(words) or _first(office, since)
    found: Counter[tuple[str, ...]] = Counter()
    read = 0
    for entry in islice(office.log.read(None, start), SCAN):
        read += 1
        if since <= entry.time < until and entry.kind in COUNTED:
            found[entry.kind, *_said(entry)] += 1
    for (kind, *said), count in sorted(found.items()):
        yield {"kind": kind, "said": said, "count": count}
    if start + read < office.log.size:
        yield {"next": start + read}


def standing(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """How it stands now, in counts and ages: {"now", "operator", "ages": [[what, seconds or None, at most]], ...}.

    ``untold``, ``waiting`` and ``uncertain`` are an agent's: None where none runs.
    """
    now, limits = office.now(), office.limits()
    told = office.telling.body() if office.telling else None
    last = office.book.last_success(_RETENTION)
    oldest = told["oldest"] if told else None
    read = min(office.register.sources().values(), default=None)
    yield {
        "now": now,
        "operator": office.config.consent.operator,
        "missing": [f"notices.{key}" for key in ("relay", "sender") if not getattr(office.config.notices, key)],
        "kept": office.config.notices.fixed_days,
        "ages": [
            ["deletion", now - last if last else None, 7200.0],
            ["books", None if read is None else now - read, limits.mapping],
            ["checkpoint", office.conditions().checkpoint_age, limits.checkpoint],
            *([["message", now - oldest, 4 * 3600.0]] if oldest is not None else []),
        ],
        "untold": told and {reason: count for reason, count in told["untold"].items() if count},
        "waiting": told and told["waiting"],
        "uncertain": told and told["uncertain"],
    }


def _row(office: Office, case: Case) -> dict[str, Any]:
    """A case without whatever says where its server is or how its customer is reached."""
    found = helped(office.book.events(case.id))
    return {
        "id": case.id, "customer": case.customer, "severity": case.severity, "state": case.state, "live": case.live,
        "opened": case.opened, "since": case.since, "steps": [step._asdict() for step in found.steps],
        "last": found.last, "seconds": found.seconds,
        "tasks": [
            {"step": step.kind, "channel": step.channel, "made": step.made}
            for step in case.steps if step.outcome == PENDING and not step.mail
        ],
    }  # fmt: skip


def _said(entry: Opened) -> list[str]:
    return [str(entry.public.get(word, "")) for word in COUNTED[entry.kind]]


def _first(office: Office, since: float) -> int:
    """The number of the first entry of that time, if the clock was never set back."""
    low, high = 0, office.log.size
    while low < high:
        middle = (low + high) // 2
        entry = office.log.entry(middle)
        if entry is not None and entry.time < since:
            low = middle + 1
        else:
            high = middle
    return low


def _span(words: dict[str, Any]) -> tuple[float, float]:
    since, until = words.get("since"), words.get("until")
    if not isinstance(since, int | float) or not isinstance(until, int | float) or not since < until:
        raise InputError("since, until: seconds since the epoch, the first before the second")
    return float(since), float(until)


def _start(words: dict[str, Any]) -> int:
    start = words.get("start", 0)
    if type(start) is not int or start < 0:
        raise InputError("start: where the answer before said to go on")
    return start
