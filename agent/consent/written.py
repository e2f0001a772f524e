"""What is written of consent, and comes in by an import, a command or the answers' socket: checked here, once.

Field names and vocabularies: ``consent-record/1``, after ISO/IEC TS 27560:2023. ``body`` makes of each model the
private body of a log entry of that kind (agent/audit/entry.py), with times as RFC 3339 text in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from agent.privacy import one
from agent.sections import prefix

SCHEMA: Literal["consent-record/1"] = "consent-record/1"


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("names no zone; write it like 2026-11-24T08:00:00Z")
    return moment.astimezone(UTC).replace(microsecond=0)


def rfc3339(moment: datetime) -> str:
    """The one form in which a time is written: whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError is the first of these
        raise ValueError("is no time zone; write it like Europe/Amsterdam") from None
    return name


def _hours(text: str) -> str:
    """``Mon-Fri 09:00-17:00``, ``Sat,Sun 22:00-06:00`` or ``daily 00:00-24:00``."""
    if not _HOURS.fullmatch(text):
        raise ValueError("are no hours; write them like Mon-Fri 09:00-17:00 or daily 00:00-24:00")
    return text


_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_DAYS = f"(?:daily|{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*)"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_HOURS = re.compile(f"{_DAYS} {_CLOCK}-(?:{_CLOCK}|24:00)")

Time = Annotated[datetime, AfterValidator(_in_utc), PlainSerializer(rfc3339, when_used="json")]
Prefix = Annotated[str, AfterValidator(prefix)]
Zone = Annotated[str, AfterValidator(_zone)]
HoursText = Annotated[str, AfterValidator(_hours)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Ref = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,63}$")]  # a customer's reference; never a name
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]  # RFC 9562
Short = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=2000)]
Lang = Literal["nl", "en"]
Source = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]  # of a mapping: crm, netbox, ...; a metric's label

DocumentKind = Literal["terms", "sla", "faq", "privacy_notice", "objection_page"]
Tier = Literal["passive.handshake", "active.build"]
Probe = Literal["exchange-http"]
Channel = Literal["mail", "phone", "letter", "portal", "invoice", "contract"]


class Written(BaseModel):
    """The keys it has and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Document(Written):
    """A text that the operator publishes, by its hash."""

    kind: DocumentKind
    version: Short
    lang: Lang
    sha256: Hash
    url: Short | None = None
    published_at: Time


class Proof(Written):
    """A piece of evidence that is kept elsewhere, by its hash."""

    type: Short
    sha256: Hash
    stored_at: Short


class Authority(Written):
    """By what right the grantor speaks for the server, and the hash of the statement that says so."""

    kind: Literal["owner", "operator", "authorised_by_owner"]
    statement_sha256: Hash | None = None


class Grantor(Written):
    """Who agreed, by role, and how that was verified; never by name.

    "mail_link": he confirmed by a link that was sent to a verified contact of the customer's, and to nobody else.
    """

    role: Short
    verified_by: Literal["portal_login", "signed_pdf", "callback", "contract", "mail_link", "none"]


class Contact(Written):
    role: Literal["security", "abuse", "owner"]
    channel: Literal["mail", "phone", "letter", "portal"]
    address: Short
    lang: Lang = "nl"
    verified_at: Time | None = None


class Window(Written):
    """The customer's hours, in his own time zone."""

    hours: Annotated[tuple[HoursText, ...], Field(min_length=1, max_length=16)]
    tz: Zone


class ScopeText(Written):
    prefixes: Annotated[tuple[Prefix, ...], Field(min_length=1, max_length=4096)]
    ports: Annotated[tuple[Port, ...], Field(min_length=1, max_length=16)]
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]
    probes: tuple[Probe, ...] = ()
    window: Window
    rate: Annotated[int, Field(ge=1, le=24)] = 1  # the most probes of a host in a day
    exclude: Annotated[tuple[Prefix, ...], Field(max_length=4096)] = ()


class AnnouncementText(Written):
    """A text that was sent: what was not delivered does not count."""

    channel: Channel
    sent_at: Time
    delivered: Literal["yes", "no", "unknown"]
    sha256: Hash


class Withdrawal(Written):
    """How to stop it: without a login. ``token_sha256``: of the token that the customer got with his receipt."""

    url: Short | None = None
    phone: Short | None = None
    mail: Short | None = None
    token_sha256: Hash | None = None

    @model_validator(mode="after")
    def _some_way(self) -> Withdrawal:
        if not (self.url or self.phone or self.mail):
            raise ValueError("names no way to stop it: give a url, a phone or a mail")
        return self


class Receipt(Written):
    id: Short
    sent_at: Time
    channel: Channel


class RecordText(Written):
    """``record.given``: one consent record, whole."""

    schema_: Literal["consent-record/1"] = Field(default=SCHEMA, alias="schema")
    record_id: Id
    created_at: Time
    created_by: Short
    customer_ref: Ref
    subject_kind: Literal["legal_person", "natural_person", "sole_trader"]
    basis: Literal["explicit", "service_contract", "terms_objection"]
    authority: Authority
    grantor: Grantor
    documents: Annotated[tuple[Document, ...], Field(min_length=1)]
    announcement: AnnouncementText | None = None
    evidence: tuple[Proof, ...] = ()
    scope: ScopeText
    purpose: Literal["vuln-notify"] = "vuln-notify"
    personal_data: tuple[Short, ...] = ("contact", "address")
    retention: Short = "as the operator's schedule says"
    recipients: tuple[Short, ...] = ("customer",)
    storage_location: Short = "on this router"
    jurisdiction: Short = "NL"
    contacts: Annotated[tuple[Contact, ...], Field(min_length=1)]
    valid_from: Time
    valid_until: Time
    withdrawal: Withdrawal
    receipt: Receipt | None = None
    prev_record: Id | None = None
    signature: Text | None = None

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    @model_validator(mode="after")
    def _bounded(self) -> RecordText:
        if self.valid_until <= self.valid_from:
            raise ValueError("valid_until is not after valid_from")
        if (self.valid_until - self.valid_from).days > 366:
            raise ValueError("is valid for more than 12 months; no record is without an end")
        return self


class Said(Written):
    """Any other event of one customer: ``at`` is when it happened. ``record_id``: of the record that it is about."""

    at: Time
    record_id: Id | None = None
    by: Short = "operator"
    note: Text = ""


class RequestedText(Said):
    """``record.requested``: the customer was asked for the record of that id. ``text``, in ``lang``, is all that he is
    asked to agree to, word for word; of that the record is made when he does. Without it, somebody else has asked.
    """

    text: Annotated[str, Field(max_length=30_000)] = ""
    lang: Lang = "nl"
    role: Literal["security", "abuse", "owner", ""] = ""
    subject_kind: Literal["legal_person", "natural_person", "sole_trader"] | None = None
    documents: tuple[Document, ...] = ()
    announcement: AnnouncementText | None = None
    scope: ScopeText | None = None


class ObjectedText(Said):
    """``record.objected``. ``prefixes`` None: everything of his. ``headers``: not even headers may be looked at."""

    objection_id: Id
    prefixes: tuple[Prefix, ...] | None = None
    headers: bool = False
    channel: Literal["command", "file", "web", "import", "mail", "phone"] = "command"
    verified: bool = False


class LiftedText(Said):
    """``record.objection_lifted``: only with a new, verified record that was given after the objection."""

    objection_id: Id
    record_id: Id


class NarrowedText(Said):
    """``record.narrowed``: the scope of a record becomes smaller; it never becomes wider but by a new record."""

    record_id: Id
    scope: ScopeText


class AnnouncedText(AnnouncementText):
    """``record.announced``: a text that went to this customer."""

    by: Short = "operator"


class ContactsText(Said):
    """``record.contacts``: who is to be told, in place of what was known."""

    contacts: tuple[Contact, ...]


class MappedText(Written):
    """``mapping.asserted`` and ``mapping.withdrawn``: what a source says of a customer's prefixes."""

    source: Source
    at: Time
    prefixes: Annotated[tuple[Prefix, ...], Field(min_length=1)]
    kind: Literal["static", "dynamic", "shared", "unknown"] = "static"
    valid_until: Time | None = None
    session_id: Short | None = None


# What the private body of each kind of entry is. ``mapping.synced`` and ``document.published`` have public bodies, of
# no customer: {"source", "at", "prefixes": number} and a Document.
BODIES: dict[str, type[Written]] = {
    "record.announced": AnnouncedText,
    "record.requested": RequestedText,
    "record.given": RecordText,
    "record.refused": Said,
    "record.confirmed": Said,
    "record.objected": ObjectedText,
    "record.objection_lifted": LiftedText,
    "record.withdrawn": Said,
    "record.narrowed": NarrowedText,
    "record.expired": Said,
    "record.suspended": Said,
    "record.resumed": Said,
    "record.contract_ended": Said,
    "record.invalidated": Said,
    "record.contacts": ContactsText,
    "mapping.asserted": MappedText,
    "mapping.withdrawn": MappedText,
}


def within(inner: str, outer: str) -> bool:
    """Whether every address of a prefix lies in another."""
    (first, last), (low, high) = one(inner), one(outer)
    return low <= first and last <= high


def body(kind: str, written: dict[str, Any]) -> dict[str, Any]:
    """The private body of an entry of this kind, checked and in its one form. Raises pydantic.ValidationError."""
    return BODIES[kind].model_validate(written).model_dump(mode="json", exclude_none=True)
