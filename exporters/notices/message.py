"""A notice as the bytes of one mail: to one customer, from the operator, in characters that every relay takes."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, NamedTuple

from agent.places import MAILBOX

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

# Nothing but ASCII leaves: what is more is quoted or encoded, so that no relay on the way has to convert a byte.
_POLICY = SMTP.clone(cte_type="7bit")
_ALWAYS = (
    ("Auto-Submitted", "auto-generated"),  # RFC 3834: no robot answers
    (
        "X-Auto-Response-Suppress",
        "OOF, AutoReply",
    ),  # the same for Exchange, which goes on to say what was not delivered
)


class Attachment(NamedTuple):
    """``kind``: a media type such as ``application/json``."""

    name: str
    kind: str
    content: bytes


class Envelope(NamedTuple):
    """Who writes to whom, and the identifier that was put on record for it."""

    sender: str
    name: str
    to: str
    message_id: str


def built(
    envelope: Envelope, subject: str, text: str, html: str, lang: str, now: datetime, more: Iterable[Attachment] = ()
) -> bytes:
    """The mail, with lines that end in CR LF. Raises ValueError for an address that cannot stand in a header.

    ``To`` is the one recipient; there is no field for another. No ``List-Unsubscribe``: to be rid of a mail is not to
    object, and some programs do the one by themselves. No ``Precedence``: it is filed as bulk for that.
    """
    if not MAILBOX.fullmatch(envelope.to) or not MAILBOX.fullmatch(envelope.sender):
        raise ValueError("no address that can stand in a header")
    mail = EmailMessage(_POLICY)
    mail["Date"] = format_datetime(now)
    mail["From"] = Address(" ".join(envelope.name.split()), addr_spec=envelope.sender)
    mail["To"] = Address(addr_spec=envelope.to)
    mail["Subject"] = " ".join(subject.split())
    mail["Message-ID"] = envelope.message_id
    for name, value in _ALWAYS:
        mail[name] = value
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    for one in more:
        main, _, sub = one.kind.partition("/")
        mail.add_attachment(one.content, maintype=main, subtype=sub, filename=one.name)
    mail["Content-Language"] = lang  # last: what begins so goes with the first part that is added
    return mail.as_bytes()
