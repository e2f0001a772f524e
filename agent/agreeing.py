"""Asking customers for leave, and taking their yes: whom may be asked, with what, and what his answer comes to.

Asking is no nagging: nobody is asked who has objected, or said no, or was asked not long ago; and nobody before an
announcement has reached him, so that he knows of it and the record can name it. A yes becomes a record by the same
checks as one that the operator hands in (agent/giving.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from agent.audit.entry import Item
from agent.consent import agreement
from agent.consent.announce import OBJECTOR
from agent.consent.written import body, rfc3339
from agent.errors import InputError
from agent.giving import checked
from agent.privacy import cidrs, union
from agent.recipients import Recipients, zone
from agent.requests import AGREED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from agent.consent.state import Announcement, Customer, Record
    from agent.office import Office
    from agent.recipients import Recipient
    from agent.requests import Letter, Request

DAY = 86_400.0
AGAIN = 90 * DAY  # in which a customer is asked once, and for as long he may say yes to it
RENEW = 30 * DAY  # before a record ends in which its customer may be asked for the next
KEPT = 366 * DAY  # for which the link of a request says no, whatever became of it
REQUEST, WITHDRAW = "request", "withdraw"  # what tokens are for, beside answers of cases
_ROLES = ("owner", "security", "abuse")  # who is asked, the first there is: it is the owner's to say
_VERIFIED = ("explicit", "service_contract")

# Why a customer is not asked.
WHY = {
    "unknown": "no customer of that reference is known",
    "contract_ended": "his contract has ended",
    "suspended": "he is suspended",
    "objected": "an objection of his stands",
    "refused": "he has said no to being asked",
    "agreed": "he has agreed already",
    "asked": "he was asked in the last 90 days",
    "not_announced": "no announcement has reached him",
    "no_contact": "no verified contact of his has a mail address",
    "subject": "it is not known whether he is a natural or a legal person: say it with --subject",
    "unmapped": "no static prefix is mapped to him",
    "not_his": "",  # the register says which, and why
    "too_much": "his prefixes are too many for one text: have him agree in another way",
}


class Wanted(NamedTuple):
    """What is asked of each customer. ``lang`` and ``subject`` None: as his contact and his records say."""

    lang: str | None = None
    subject: str | None = None
    hours: tuple[str, ...] = ("daily 00:00-24:00",)
    zone: str | None = None


class Asked(NamedTuple):
    """What becomes of asking one: entries for the log, or ``why`` not (of WHY), and the register's own words for it."""

    items: tuple[Item, ...] = ()
    why: str = ""
    detail: str = ""


def lacking(office: Office) -> list[str]:
    """What has to be set before anybody can be asked: ``key: what would be right``."""
    config = office.config
    needs = {
        "consent.operator": (config.consent.operator, "say who asks, as customers know you"),
        "consent.public_url": (
            config.consent.public_url,
            "say where customers find the page for objections, which those for answers are beside",
        ),
        "probe.contact": (config.probe.contact, "say who answers for the probes"),
        "notices.relay": (config.notices.relay, "name the relay that takes mail"),
        "notices.sender": (config.notices.sender, "name the address that mail comes from"),
    }
    said = [f"{key}: empty; {right}" for key, (value, right) in needs.items() if not value]
    for kinds in agreement.WANTED:
        if not any((kind, lang) in office.requests.documents for kind in kinds for lang in ("nl", "en")):
            said.append(f"{' or '.join(kinds)}: no such text is published; `knockfirst consent document publish`")
    return said


def against(office: Office, ref: str) -> str:
    """Why a customer is not to be asked, or not to agree to what he was asked, now: of WHY; "" for nothing."""
    customer = None if ref.startswith(OBJECTOR) else office.register.customer(ref)
    if customer is None:
        return "unknown"
    now = office.now()
    held = {
        "contract_ended": customer.ended is not None,
        "suspended": customer.suspended,
        "objected": any(one.lifted is None for one in customer.objections),
        "refused": ref in office.requests.refused,
        "agreed": any(_holds(record, now) for record in customer.records),
        "not_announced": _announced(customer) is None,
    }
    return next((why for why, stands in held.items() if stands), "")


def _holds(record: Record, now: float) -> bool:
    good = record.ended is None and record.basis in _VERIFIED and bool(record.verified)
    return good and record.valid_until - now > RENEW


def _announced(customer: Customer) -> Announcement | None:
    told = [one for one in customer.announcements if one.delivered == "yes"]
    return max(told, key=lambda one: one.sent, default=None)


def ask(office: Office, ref: str, wanted: Wanted, ports: Callable[[str], Collection[int]]) -> Asked:
    """What goes on record of asking a customer. ``ports``: those that mail servers were seen at, by his reference.

    Raises AuditError where the log cannot be read.
    """
    why = against(office, ref) or ("asked" if _recently(office, ref) else "")
    if why:
        return Asked(why=why)
    customer = office.register.customer(ref)
    assert customer is not None
    recipient = _whom(office, ref)
    subject = wanted.subject or customer.subject
    prefixes = cidrs(union([each.prefix for each in office.register.mapped(ref) if each.kind == "static"]))
    if not (recipient and subject and prefixes):
        return Asked(why="no_contact" if recipient is None else "subject" if not subject else "unmapped")
    lang = wanted.lang or recipient.contact.lang
    asked = _written(office, customer, lang, prefixes, sorted({443, *ports(ref)})[:16], wanted)
    if asked is None:
        return Asked(why="too_much")
    asked |= {"subject_kind": subject, "role": recipient.contact.role}
    try:
        _checked(office, ref, asked, 0, "")
    except InputError as error:
        return Asked(why="not_his", detail=str(error))
    item = Item("record.requested", {}, ref, body("record.requested", asked))
    return Asked((item, due(office, ref, asked["record_id"], "request", recipient)))


def _recently(office: Office, ref: str) -> bool:
    """Whether he was asked a while ago: not where that went nowhere."""
    since = office.now() - AGAIN
    for request in office.requests.asked(ref):
        letters = office.requests.about(request.record)
        if request.at > since and not (letters and all(letter.went_nowhere for letter in letters)):
            return True
    return False


def _whom(office: Office, ref: str) -> Recipient | None:
    """The contact to be asked: none whose mail came back before."""
    requests = office.requests
    failed = {
        each.step.way for asked in requests.asked(ref) for each in requests.about(asked.record) if each.step.failed
    }
    there = [each for each in Recipients(office).of(ref) if each.contact.channel == "mail"]
    good = [each for each in there if each.contact.way not in failed]
    return min(good, key=lambda each: _ROLES.index(each.contact.role), default=None)


def _written(
    office: Office, customer: Customer, lang: str, prefixes: list[str], ports: list[int], wanted: Wanted
) -> dict[str, Any] | None:
    """The body of a request but for whom; None where it would be too long."""
    config = office.config
    documents = agreement.chosen(office.requests.documents, lang)
    told = _announced(customer)
    if documents is None or told is None or len(prefixes) > 4096:
        return None
    scope = agreement.scope(prefixes, ports, wanted.hours, wanted.zone or zone(office, customer.ref))
    text = agreement.text(lang, config.consent.operator, config.probe.contact, scope, documents)
    announcement = {
        "channel": told.channel, "sent_at": _text(told.sent), "delivered": told.delivered, "sha256": told.sha256,
    }  # fmt: skip
    if len(text) > 30_000:
        return None
    return {
        "at": _text(office.now()), "record_id": str(uuid4()), "by": "operator", "text": text, "lang": lang,
        "documents": documents, "announcement": announcement, "scope": scope,
    }  # fmt: skip


def due(office: Office, ref: str, record: str, kind: str, recipient: Recipient) -> Item:
    """That a mail about a record is to be sent; its Message-ID is on record with this, and never changes."""
    domain = office.config.notices.sender.rpartition("@")[2]
    contact = recipient.contact
    private = {
        "case": "", "step": token_hex(12), "address": "", "record": record, "role": contact.role,
        "way": contact.way, "to": recipient.address, "message_id": f"<{kind}-{token_hex(12)}@{domain}>",
    }  # fmt: skip
    return Item("notice.due", {"step": kind, "channel": "mail"}, ref, private)


def body_of(office: Office, record: str) -> dict[str, Any] | None:
    """What was asked for, as it is on record; None where nobody can read that any more. Raises AuditError."""
    request = office.requests.by_record.get(record)
    entry = office.log.entry(request.entry) if request else None
    return entry.private if entry is not None else None


def token(office: Office, record: str, purpose: str) -> str:
    """By which a request is answered (REQUEST), or a record is stopped (WITHDRAW), without a login."""
    return office.book.token(record, purpose)


def _checked(office: Office, ref: str, asked: dict[str, Any], entry: int, receipt: str) -> dict[str, Any]:
    """The record that the customer's yes would make now, by the checks of any other. Raises InputError, AuditError."""
    number = office.register.contacts_entry(ref)
    known = None if number is None else office.log.entry(number)
    contacts = list(known.private["contacts"]) if known and known.private and known.customer == ref else []
    url = f"{office.config.consent.public_url.rstrip('/')}/objections"
    made = agreement.record(
        asked, ref, contacts, url=url, token=token(office, asked["record_id"], WITHDRAW),
        receipt=receipt or "not yet", entry=entry, now=office.now(),
    )  # fmt: skip
    return checked(office, made)[0]


def _text(moment: float) -> str:
    return rfc3339(datetime.fromtimestamp(moment, UTC))


class Agreeing:
    """Answers to requests, by their tokens."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._seen = -1
        self._by_digest: dict[bytes, str] = {}

    def holder(self, written: str) -> Request | None:
        """Whose request a token is of; None for nobody's, and for one that has had its day."""
        requests = self._office.requests
        if self._seen != requests.version:
            self._seen = requests.version
            known = {record: digest for digest, record in self._by_digest.items() if record in requests.by_record}
            for record in requests.by_record.keys() - known.keys():
                known[record] = self._office.book.digest(token(self._office, record, REQUEST))
            self._by_digest = {digest: record for record, digest in known.items()}
        request = requests.by_record.get(self._by_digest.get(self._office.book.digest(written), ""))
        return request if request and self._office.now() - request.at < KEPT else None

    def text(self, request: Request) -> tuple[str, str]:
        """What is asked, and in which language; ("", "") where he cannot agree to it now. Raises AuditError."""
        made = self._would_be(request)
        return (made[0]["text"], made[0]["lang"]) if made else ("", "")

    def agree(self, request: Request) -> bool:
        """Put his yes on record, and that he gets a receipt; False where he cannot say it now. Raises AuditError."""
        recipient = self._contact(request)
        made = self._would_be(request)
        if made is None or recipient is None:
            return False
        receipt = due(self._office, request.customer, request.record, "receipt", recipient)
        assert receipt.private is not None
        given = _checked(self._office, request.customer, made[0], request.entry, receipt.private["step"])
        self._office.record([Item("record.given", {}, request.customer, given), receipt])
        return True

    def refuse(self, request: Request) -> list[Item]:
        """What goes on record of his no, beside the objection: nothing more where he has answered."""
        if request.answered:
            return []
        said = {"at": _text(self._office.now()), "record_id": request.record, "by": "customer"}
        return [Item("record.refused", {}, request.customer, body("record.refused", said))]

    def again(self, request: Request) -> bool:
        """Whether he has said yes to this before, and it holds: to say it twice changes nothing."""
        customer = self._office.register.customer(request.customer)
        records = customer.records if customer else ()
        return request.answered == AGREED and any(one.id == request.record and one.ended is None for one in records)

    def _would_be(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What was asked, and the record that it would make; None where a yes cannot be taken now."""
        office = self._office
        if request.answered or office.now() - request.at >= AGAIN or against(office, request.customer):
            return None
        asked = body_of(office, request.record)
        if asked is None:
            return None
        try:
            return asked, _checked(office, request.customer, asked, request.entry, "")
        except InputError:
            return None  # what he was asked about is not his, or not his alone, any more

    def _contact(self, request: Request) -> Recipient | None:
        """Who was asked gets the receipt, or who would be asked now."""
        ways = {letter.step.way for letter in self._office.requests.about(request.record)}
        there = Recipients(self._office).of(request.customer)
        return next((each for each in there if each.contact.way in ways), _whom(self._office, request.customer))


def overtaken(office: Office, letter: Letter) -> str:
    """Why a mail about a record is not to be sent any more: "" for nothing."""
    customer = office.register.customer(letter.customer)
    if letter.step.kind == "request":
        request = office.requests.by_record.get(letter.record)
        answered = "answered" if request is None or request.answered else ""
        return answered or against(office, letter.customer)
    if customer is None or customer.ended is not None:
        return "contract_ended"
    return "objected" if any(one.lifted is None for one in customer.objections) else ""
