"""``consent.unmatched``: the objections that wait for a person, and that one has been seen to."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.consent.written import rfc3339
from agent.errors import InputError
from agent.privacy import one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.audit.entry import Opened
    from agent.office import Office, Who

_MOST = 500  # in one answer
_CUSTOMERS = 20  # of one objection


def listed(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """Those that nobody has seen to, the oldest first. That they were read is put on record first.

    First {"waiting": how many}, then of each {"entry", "time", "prefixes" (None: none was named), "headers", "channel",
    "customers": who holds some of it now}. Of one whose words were erased "prefixes" is None, and "erased" true.
    """
    waiting = list(islice(office.unmatched.waiting, _MOST))
    entries = [entry for number in waiting if (entry := office.log.entry(number))]
    if entries:
        office.record([Item("register.read", {"uid": who.uid, "what": "unmatched"})])
    yield {"waiting": len(office.unmatched.waiting)}
    yield from (_row(office, entry) for entry in entries)


def done(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``entry``: a person has seen to it. Nothing else changes by that. Gives {"seen", "entry"}. Raises InputError."""
    number = words.get("entry")
    if type(number) is not int or number not in office.unmatched.waiting:
        raise InputError(f"{number!r:.40}: no objection of that entry waits; `consent objections --unmatched` has them")
    yield {
        "seen": number,
        "entry": office.record([Item("objection.seen", {"uid": who.uid, "entry": number})])[0].number,
    }


def _row(office: Office, entry: Opened) -> dict[str, Any]:
    said = entry.private or {}
    prefixes = said.get("prefixes")
    return {
        "entry": entry.number,
        "time": rfc3339(datetime.fromtimestamp(int(entry.time), UTC)),
        "prefixes": prefixes,
        "headers": bool(said.get("headers")),
        "channel": entry.public.get("channel", ""),
        "customers": _holders(office, prefixes or ()),
        "erased": entry.private is None,
    }


def _holders(office: Office, prefixes: list[str] | tuple[str, ...]) -> list[str]:
    """Who is said to hold something of these prefixes, some of them: a stranger may have named everybody's."""
    found: dict[str, None] = {}
    for text in prefixes:
        for _, _, holds in office.register.segments(one(text)):
            found |= {mapped.customer: None for mapped in holds}
            if len(found) >= _CUSTOMERS:
                return list(found)[:_CUSTOMERS]
    return list(found)
