"""``consent.request``: ask customers for leave, by mail to a verified contact of each; the agent sends it."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from agent.agreeing import WHY, Asked, Wanted, ask, lacking
from agent.consent.written import Lang, RecordText, Window
from agent.errors import ConfigError, InputError
from agent.giving import faults
from agent.privacy import one
from agent.sighted import port_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from agent.office import Office, Who

AT_ONCE = 100  # customers in one order: the agent is never long away from what cannot wait
SUBJECTS: tuple[str, ...] = get_args(RecordText.model_fields["subject_kind"].annotation)


def request(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``customers``: references; ``lang``, ``subject``, ``zone``: or None; ``hours``: a list; ``dry_run``.

    Gives for each {"customer", "record": the id that it would get, None where he is not asked, "why", "said"}; and in a
    dry run ``text``, word for word. Raises ConfigError where something is missing, and InputError.
    """
    customers, dry = words.get("customers"), words.get("dry_run", False)
    if not isinstance(customers, list) or not all(isinstance(ref, str) for ref in customers):
        raise InputError("customers: not a list of references")
    if len(customers) > AT_ONCE:
        raise InputError(f"customers: more than {AT_ONCE} in one order")
    wanted = _wanted(words)
    if missing := lacking(office):
        raise ConfigError("\n".join(missing))
    ports = _ports(office)
    made = {ref: ask(office, ref, wanted, ports) for ref in dict.fromkeys(customers)}
    items = [item for each in made.values() for item in each.items]
    if items and not dry:
        office.record(items)
    yield from (_answer(ref, each, dry=dry) for ref, each in made.items())


def _answer(ref: str, made: Asked, *, dry: bool) -> dict[str, Any]:
    private = made.items[0].private if made.items else None
    said = made.detail or WHY.get(made.why, "")
    answer = {"customer": ref, "record": private["record_id"] if private else None, "why": made.why, "said": said}
    return answer | ({"text": private["text"]} if private and dry else {})


def _wanted(words: dict[str, Any]) -> Wanted:
    """Raises InputError."""
    lang, subject = words.get("lang"), words.get("subject")
    for key, value, allowed in (("lang", lang, get_args(Lang)), ("subject", subject, SUBJECTS)):
        if value is not None and value not in allowed:
            raise InputError(f"{key}: {value!r:.60} is none of {', '.join(allowed)}")
    hours, zone = words.get("hours") or list(Wanted().hours), words.get("zone")
    try:
        window = Window.model_validate({"hours": hours, "tz": zone or "UTC"})
    except ValidationError as error:
        raise InputError(faults(error)) from None
    return Wanted(lang, subject, window.hours, zone)


def _ports(office: Office) -> Callable[[str], Collection[int]]:
    """By a customer's reference, at which ports servers of his were seen that might be knocked at."""
    if office.seen is None:
        return lambda ref: ()
    inventory = office.seen().inventory
    signed = sorted((one(address)[0], address) for address in inventory.signed())

    def ports(ref: str) -> set[int]:
        found = set()
        for mapped in office.register.mapped(ref):
            first, last = mapped.prefix
            for number, address in signed[bisect_left(signed, (first, "")) :]:
                if number > last:
                    break
                found.add(port_of(inventory.observations(address)))
        return found

    return ports
