"""A notice as a mail: to one and to nobody else, in ASCII, and the same to whoever reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.places import MAILBOX
from exporters.notices.message import Attachment, Envelope, built

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ENVELOPE = Envelope("notices@isp.example", "Example Net", "admin@bakery.example", "<abc.1@isp.example>")
_ATOM = st.text("abz059!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=20)
_LABEL = st.text("abz059-", min_size=1, max_size=40)
ADDRESSES = st.builds(
    lambda local, domain: f"{'.'.join(local)}@{'.'.join(domain)}",
    st.lists(_ATOM, min_size=1, max_size=3), st.lists(_LABEL, min_size=1, max_size=4),
).filter(MAILBOX.fullmatch)  # fmt: skip
ONE_LINE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=120)


def parsed(mail: bytes) -> EmailMessage:
    return cast("EmailMessage", message_from_bytes(mail, policy=default))


def test_every_header_that_there_is() -> None:
    mail = parsed(built(ENVELOPE, "Your mail server", "One.\n", "<p>One.</p>\n", "en", NOW))
    assert {name: value for name, value in mail.items() if name != "Content-Type"} == {
        "Date": "Tue, 24 Nov 2026 12:00:00 +0000",
        "From": "Example Net <notices@isp.example>",
        "To": "admin@bakery.example",
        "Subject": "Your mail server",
        "Message-ID": "<abc.1@isp.example>",
        "Content-Language": "en",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        "MIME-Version": "1.0",
    }


def test_the_plain_text_comes_first_and_what_is_for_machines_last() -> None:
    more = [Attachment("notice.json", "application/json", b"{}")]
    mail = parsed(built(ENVELOPE, "x", "One.\n", "<p>One.</p>\n", "en", NOW, more))
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/json"]
    only = parsed(built(ENVELOPE, "x", "One.\n", "", "en", NOW))
    assert [part.get_content_type() for part in only.walk()] == ["text/plain"]


@given(ADDRESSES, ADDRESSES, ONE_LINE, ONE_LINE, st.text(st.characters(exclude_categories=("Cs",))), st.booleans())
def test_whatever_is_said_it_goes_to_one_in_ascii(
    sender: str, to: str, name: str, subject: str, text: str, html: bool
) -> None:
    envelope = Envelope(sender, name, to, ENVELOPE.message_id)
    mail = built(envelope, subject, text, f"<p>{text}</p>" if html else "", "nl", NOW)
    mail.decode("ascii")
    assert b"\n" not in mail.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in mail.split(b"\r\n"))
    told = parsed(mail)
    assert told["To"] == to
    assert [one.addr_spec for one in told["To"].addresses] == [to]
    assert [one.addr_spec for one in told["From"].addresses] == [sender]
    assert told["Message-ID"] == ENVELOPE.message_id
    assert not [field for field in ("Cc", "Bcc", "Reply-To", "Sender", "Resent-To") if field in told]
    assert len(told.get_all("To", [])) == 1


@pytest.mark.parametrize(
    "address",
    ["a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example", "<a@b.example>", "a b@c.example", "a@", "@b", "a",
     "a..b@c.example", "é@b.example", '"a b"@c.example', "a@b.example\n", "a@[192.0.2.1]"],
)  # fmt: skip
def test_an_address_that_could_be_more_than_one_is_none(address: str) -> None:
    for envelope in (ENVELOPE._replace(to=address), ENVELOPE._replace(sender=address)):
        with pytest.raises(ValueError, match="no address"):
            built(envelope, "x", "y", "", "en", NOW)


def test_a_subject_of_two_lines_is_one_of_one() -> None:
    mail = built(ENVELOPE, "x\r\nBcc: c@d.example", "y", "", "en", NOW)
    assert parsed(mail)["Subject"] == "x Bcc: c@d.example"
    assert parsed(mail)["Bcc"] is None
