"""``announce.record``: that a text went to these customers, by this channel, at that time, and whether it arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.consent.announce import items, judged, written
from agent.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.office import Office, Who

AT_ONCE = 1000  # customers in one order: the agent is never long away from what cannot wait


def record(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``customers``, ``announced`` (channel, sent_at, delivered, sha256), ``dry_run``. All of them, or none.

    Gives ``unknown``: places in ``customers`` (then nothing is done); ``already``, ``new``, ``denied``: numbers of
    customers (``agent.consent.announce.Judged``). Raises InputError.
    """
    customers, announced, dry = words.get("customers"), words.get("announced"), words.get("dry_run")
    if not isinstance(customers, list) or not all(isinstance(ref, str) for ref in customers):
        raise InputError("customers: not a list of references")
    if len(customers) > AT_ONCE:
        raise InputError(f"customers: more than {AT_ONCE} in one order")
    if not isinstance(announced, dict) or not isinstance(dry, bool):
        raise InputError("announced, dry_run: an object, and true or false")
    made = written(announced | {"by": f"uid {who.uid}"}, office.now())
    found = judged(office.register, customers, made)
    if not dry and not found.unknown and found.new:
        office.record(items(found.new, made))
    yield {
        "unknown": found.unknown,
        "already": found.already,
        "new": len(found.new),
        "denied": found.denied,
    }
