"""What an import says, row by row: one mapping, record, event, objection or document each, checked here.

A row is an object with ``what`` and the fields of that (docs/registry.md). A row that cannot be used is a fault; where
it says no to something, as much of the no as can be read counts all the same (``salvaged``).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from socket import AF_INET, AF_INET6, inet_ntop
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid5

from pydantic import TypeAdapter, ValidationError

from agent.consent.written import BODIES, Document, MappedText, RecordText, Ref, body, rfc3339
from agent.privacy import one

if TYPE_CHECKING:
    from collections.abc import Callable

# Kinds of entries that can only take permission away, whatever else is faulty or held.
TAKING = frozenset(
    "record." + kind
    for kind in (
        "refused", "objected", "withdrawn", "narrowed", "expired", "suspended", "contract_ended", "invalidated",
    )
)  # fmt: skip

# The events that a row of ``what`` "event" may be.
EVENTS = (
    "requested", "confirmed", "resumed", "refused", "withdrawn", "narrowed", "expired", "suspended", "contract_ended",
    "invalidated",
)  # fmt: skip

SLACK = 300.0  # seconds by which somebody else's clock may be ahead of ours

_OBJECTIONS = UUID("5d1f6a3e-2c5b-4f0e-9a57-6b8f1f6d0c11")
_LARGEST = {32: 8, 128: 16}  # length of the largest prefix that one customer has, by the width of its addresses
_IPV4 = one("0.0.0.0/0")[0]

_MAPPED: TypeAdapter[Any] = TypeAdapter(MappedText)
_REF: TypeAdapter[str] = TypeAdapter(Ref)


class Mapping(NamedTuple):
    """That a prefix is a customer's. ``until`` as RFC 3339 text."""

    prefix: str
    customer: str
    kind: str = "static"
    until: str | None = None
    session: str | None = None


class Event(NamedTuple):
    """An entry to be: ``written`` is the canonical JSON of its private body, of a document's public one.

    ``dated``: whether the row itself said when it happened.
    """

    kind: str
    customer: str
    written: bytes
    dated: bool = True

    @property
    def taking(self) -> bool:
        """Whether it can only take permission away. What was not delivered does: it is believed over a "yes"."""
        return self.kind in TAKING or (self.kind == "record.announced" and b'"delivered":"yes"' not in self.written)

    @property
    def body(self) -> dict[str, Any]:
        """What is written, made anew each time."""
        made: dict[str, Any] = json.loads(self.written)
        return made

    @property
    def digest(self) -> bytes:
        return digest(self.kind, self.customer, self.body)


class Origin(NamedTuple):
    """Where rows come from: the source's name, the time of the file or the answer, and our own clock, in seconds."""

    source: str
    made: datetime
    now: float


def canonical(value: Any) -> bytes:
    """RFC 8785 for objects without floats whose keys are ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(kind: str, customer: str, private: dict[str, Any]) -> bytes:
    """What tells one event from another. A record is the same one without the addresses of its contacts."""
    if kind in ("record.given", "record.contacts"):
        private = private | {"contacts": withheld(private.get("contacts", ()))}
    return sha256(canonical([kind, customer, private])).digest()[:16]


def undated(customer: str, private: dict[str, Any]) -> bytes:
    """What tells one objection from another, whenever it was made."""
    return digest("record.objected", customer, {key: value for key, value in private.items() if key != "at"})


def withheld(contacts: Any) -> list[dict[str, Any]]:
    """These contacts without their addresses."""
    return [contact | {"address": "withheld"} for contact in contacts]


def moment(text: str) -> datetime:
    """A time as it is written. Raises ValueError."""
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write it like 2026-11-24T08:00:00Z") from None
    if made.tzinfo is None:
        raise ValueError(f"{text!r} names no zone; write it like 2026-11-24T08:00:00Z")
    return made.astimezone(UTC).replace(microsecond=0)


def check(row: Any, origin: Origin) -> Mapping | Event:
    """The row as the register takes it. Raises ValueError: path, what is wrong, what would be right."""
    if not isinstance(row, dict):
        raise ValueError("is not an object; write the fields between { and }")
    fields = {key: value for key, value in row.items() if key != "what" and value is not None}
    what = row.get("what")
    checked = _WHATS.get(what) if isinstance(what, str) else None
    if checked is None:
        raise ValueError(f"what: {what!r} is nothing that is imported; that is one of {', '.join(_WHATS)}")
    try:
        return checked(fields, origin)
    except ValidationError as error:
        raise ValueError(fault(error)) from None


def fault(error: ValidationError) -> str:
    """The first faults of an object: path and what would be right, never what was there."""
    texts = []
    for each in error.errors(include_url=False, include_input=False)[:3]:
        text = each["msg"].removeprefix("Value error, ")
        if each["type"] == "extra_forbidden":
            text = "is no field of this; leave it out"
        if each["type"] == "string_pattern_mismatch":
            text = f"is not written as it must be ({each['ctx']['pattern']})"
        texts.append(": ".join(filter(None, (".".join(map(str, each["loc"])), text))))
    return "; ".join(texts)


def prefix(text: Any, customers: bool = False) -> str:
    """A prefix in its canonical form; ``customers``: one that a customer may have. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("prefix: is no text; write it like 192.0.2.0/24 or 2001:db8::/32")
    try:
        first, last = one(text)
    except ValueError as error:
        raise ValueError(f"prefix: {text[:60]!r} {error}") from None
    width, base, family = (32, _IPV4, AF_INET) if first >= _IPV4 else (128, 0, AF_INET6)
    length = width - (last - first).bit_length()
    if customers and length < _LARGEST[width]:
        raise ValueError(f"prefix: {text!r} is larger than a customer's; at most /{_LARGEST[width]} is taken")
    return f"{inet_ntop(family, (first - base).to_bytes(width // 8, 'big'))}/{length}"


def _mapping(fields: dict[str, Any], origin: Origin) -> Mapping:
    lacking = [key for key in ("prefix", "customer") if not fields.get(key)]
    if lacking:
        raise ValueError(f"{lacking[0]}: is not there; every mapping has a prefix and a customer")
    strange = sorted(fields.keys() - {"prefix", "customer", "kind", "valid_until", "session"})
    if strange:
        raise ValueError(f"{strange[0]}: is no field of a mapping; leave it out")
    written_prefix = prefix(fields["prefix"], customers=True)
    until = fields.get("valid_until")
    customer, kind, session = _ref(fields["customer"]), fields.get("kind", "static"), fields.get("session")
    if until is None and session is None and kind in ("static", "dynamic", "shared", "unknown"):
        return Mapping(written_prefix, customer, kind)
    body = {"source": origin.source, "at": origin.made, "prefixes": [written_prefix], "kind": kind}
    made = _MAPPED.validate_python(body | {"valid_until": until, "session_id": session})
    return Mapping(written_prefix, customer, made.kind, made.valid_until and rfc3339(made.valid_until), made.session_id)


def _ref(text: Any) -> str:
    try:
        return _REF.validate_python(text)
    except ValidationError:
        raise ValueError("customer: is no reference; write 1 to 64 letters, digits and . _ : @ / -") from None


def _event(kind: str, customer: Any, fields: dict[str, Any]) -> Event:
    return Event(kind, _ref(customer), canonical(body(kind, fields)))


def _not_ahead(event: Event, key: str, origin: Origin) -> Event:
    at = moment(json.loads(event.written)[key])
    if at.timestamp() > origin.now + SLACK:
        raise ValueError(f"{key}: {rfc3339(at)} has not come yet; write when it happened")
    return event


def _record(fields: dict[str, Any], origin: Origin) -> Event:
    record = RecordText.model_validate(fields)
    made = record.model_dump(mode="json", exclude_none=True)
    return _not_ahead(Event("record.given", record.customer_ref, canonical(made)), "created_at", origin)


def _happened(fields: dict[str, Any], origin: Origin) -> Event:
    name = fields.get("event")
    if name not in EVENTS:
        raise ValueError(f"event: {name!r} is none of {', '.join(EVENTS)}")
    rest = {key: value for key, value in fields.items() if key not in ("event", "customer")}
    rest = {"by": f"import {origin.source}"} | rest
    return _not_ahead(_event(f"record.{name}", fields.get("customer"), rest), "at", origin)


def _said(kind: str, key: str) -> Callable[[dict[str, Any], Origin], Event]:
    def checked(fields: dict[str, Any], origin: Origin) -> Event:
        rest = {name: value for name, value in fields.items() if name != "customer"}
        rest = {"by": f"import {origin.source}"} | rest
        return _not_ahead(_event(kind, fields.get("customer"), rest), key, origin)

    return checked


def _objection(fields: dict[str, Any], origin: Origin) -> Event:
    identity = fields.get("objection_id") or str(uuid5(_OBJECTIONS, canonical([origin.source, fields]).decode()))
    if not fields.get("customer") and not fields.get("prefixes"):
        raise ValueError("customer: names neither a customer nor prefixes; write whose no it is, or to what")
    customer = fields.get("customer") or f"objector/{identity}"
    rest = {key: value for key, value in fields.items() if key != "customer"}
    rest = {"by": f"import {origin.source}", "channel": "import", "at": origin.made} | rest | {"objection_id": identity}
    return _not_ahead(_event("record.objected", customer, rest), "at", origin)._replace(dated="at" in fields)


def _document(fields: dict[str, Any], origin: Origin) -> Event:
    made = Document.model_validate(fields).model_dump(mode="json", exclude_none=True)
    return Event("document.published", "", canonical(made))


def _entry(fields: dict[str, Any], origin: Origin) -> Event:
    """An event as another register has it: what a snapshot is made of."""
    kind, content = fields.get("kind"), fields.get("body")
    if kind not in BODIES or not kind.startswith("record.") or not isinstance(content, dict):
        raise ValueError(f"kind: {kind!r} is no event of a record")
    event = _event(kind, fields.get("customer"), content)
    if kind == "record.given" and content.get("customer_ref") != event.customer:
        raise ValueError("body.customer_ref: is not the customer of this entry")
    return event


_WHATS: dict[str, Callable[[dict[str, Any], Origin], Mapping | Event]] = {
    "mapping": _mapping,
    "record": _record,
    "event": _happened,
    "announcement": _said("record.announced", "sent_at"),
    "objection": _objection,
    "lifted": _said("record.objection_lifted", "at"),
    "contacts": _said("record.contacts", "at"),
    "document": _document,
    "entry": _entry,
}
WHATS = tuple(_WHATS)


def salvaged(row: Any, origin: Origin) -> Event | None:
    """What a faulty row says no to, as far as it can be read, and more rather than less; None where it says nothing.

    A prefix that cannot be read makes it everything of that customer's; a time that cannot be, now.
    """
    if not isinstance(row, dict):
        return None
    entry = row.get("what") == "entry"
    fields = row.get("body") if entry else row
    kind = row.get("kind") if entry else f"record.{row.get('event')}"
    if not isinstance(fields, dict):
        fields = {}
    try:
        if row.get("what") == "objection" or kind == "record.objected":
            return _no({**fields, "customer": row.get("customer")}, origin)
        if kind in TAKING and row.get("what") in ("event", "entry"):
            return _less(str(kind), {**fields, "customer": row.get("customer")}, origin)
    except (ValueError, TypeError):
        pass
    return None


def _no(fields: dict[str, Any], origin: Origin) -> Event | None:
    named = fields.get("prefixes")
    wide = [each for each in map(_or_none, named if isinstance(named, (list, tuple)) else [named]) if each]
    customer = _customer(fields.get("customer"))
    if customer is None and not wide:
        return None
    whole = customer is not None and (not isinstance(named, (list, tuple)) or len(wide) < len(named))
    said: dict[str, Any] = {"headers": str(fields.get("headers")).lower() in ("true", "yes", "1")}
    if customer:
        said["customer"] = customer
    if wide and not whole:
        said["prefixes"] = wide
    try:
        return _objection(said | {"objection_id": fields["objection_id"]}, origin)
    except (KeyError, ValidationError):
        return _objection(said, origin)


def _less(kind: str, fields: dict[str, Any], origin: Origin) -> Event | None:
    customer = _customer(fields.get("customer"))
    if customer is None:
        return None
    kind = "record.withdrawn" if kind == "record.narrowed" else kind  # to what, could not be read
    about = {"at": origin.made, "by": f"import {origin.source}"}
    try:
        return _event(kind, customer, about | {"record_id": fields.get("record_id")})
    except ValidationError:
        return _event(kind, customer, about)


def _or_none(text: Any) -> str | None:
    try:
        return prefix(text)
    except ValueError:
        return None


def _customer(text: Any) -> str | None:
    try:
        return _ref(text)
    except ValueError:
        return None
