"""What is put on record of a no."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.audit.entry import Item
from agent.consent.announce import OBJECTOR
from agent.consent.written import body, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable


def objection(
    customer: str | None, prefixes: Iterable[str] | None, *, at: float, ident: str, headers: bool, channel: str,
    verified: bool = False, by: str = "objector",
) -> Item:  # fmt: skip
    """What is put on record of a no. ``customer`` None: nobody is known whose it is, and it counts where it says.

    ``prefixes`` None: everything of that customer's. ``at``: seconds since the epoch. Raises pydantic.ValidationError.
    """
    written = {
        "at": rfc3339(datetime.fromtimestamp(at, UTC)),
        "objection_id": ident,
        "prefixes": None if prefixes is None else list(prefixes),
        "headers": headers,
        "channel": channel,
        "verified": verified,
        "by": by,
    }
    return Item("record.objected", {"channel": channel}, customer or OBJECTOR + ident, body("record.objected", written))
