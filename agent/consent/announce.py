"""Announcements: that a text went to customers, and whether it arrived. Only one that was delivered starts the clock.

A sending is one text (by its hash) by one channel at one time. What is heard of it later, such as that it bounced, is
put on record as another word on the same sending; the register (agent/consent/fold.py) knows which of them is believed.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from agent.audit.entry import Item
from agent.consent.written import body
from agent.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.consent.register import Register
    from agent.consent.state import Announcement

KIND = "record.announced"
OBJECTOR = "objector/"  # whoever objected and is no known customer: nobody can have been told anything there


class Judged(NamedTuple):
    """What a sending would come to. ``unknown``: places in the list of customers; ``new``: for whom it is news.

    ``already``: of how many this is on record; ``denied``: how many are said to have got what came back: it stays so.
    """

    unknown: list[int]
    already: int
    new: list[str]
    denied: int


def written(words: dict[str, Any], now: float) -> dict[str, Any]:
    """The body of an announcement: channel, sent_at, delivered, sha256, by. Raises InputError."""
    try:
        made = body(KIND, words)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise InputError(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    if datetime.fromisoformat(made["sent_at"]).timestamp() > now:
        raise InputError("sent_at: lies in the future; put on record what was sent, once it was")
    return made


def judged(register: Register, customers: Sequence[str], made: dict[str, Any]) -> Judged:
    """What the sending ``made`` to these customers would change."""
    unknown, already, denied = [], 0, 0
    new: dict[str, None] = {}
    for place, ref in enumerate(customers):
        customer = None if ref.startswith(OBJECTOR) else register.customer(ref)
        if customer is None:
            unknown.append(place)
            continue
        heard = _heard(customer.announcements, made)
        if heard is not None and heard.delivered == made["delivered"]:
            already += 1
        elif heard is not None and heard.delivered == "no":
            denied += 1
        else:
            new[ref] = None
    return Judged(unknown, already, list(new), denied)


def items(customers: Sequence[str], made: dict[str, Any]) -> list[Item]:
    """What is put on record of a sending to these customers."""
    return [Item(KIND, {"channel": made["channel"]}, ref, made) for ref in customers]


def _heard(announcements: Sequence[Announcement], made: dict[str, Any]) -> Announcement | None:
    """What is known of this very sending."""
    sent = datetime.fromisoformat(made["sent_at"]).timestamp()
    same = (sent, made["sha256"], made["channel"])
    return next((one for one in announcements if (one.sent, one.sha256, one.channel) == same), None)
