"""Bounces as mail servers write them: each shape is what that server sends, with addresses of documentation."""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Callable

_HEAD = """Return-Path: <>
From: {who}
To: notices@isp.example
Subject: {subject}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="{cut}"
Message-Id: <20261124.1@mx.bakery.example>

"""
_ORIGINAL = """From: Example Net <notices@isp.example>
To: admin@bakery.example
Subject: your mail server
Message-ID: {message_id}
"""


def postfix(message_id: str, action: str, status: str) -> str:
    cut = "4Xy.1700000000/mx.bakery.example"
    return _HEAD.format(
        who="MAILER-DAEMON@mx.bakery.example (Mail Delivery System)", subject="Undelivered Mail", cut=cut
    ) + (
        f"This is a MIME-encapsulated message.\n\n--{cut}\nContent-Description: Notification\n"
        "Content-Type: text/plain; charset=us-ascii\n\nThis is the mail system at host mx.bakery.example.\n\n"
        f"--{cut}\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.bakery.example\nOriginal-Envelope-Id: {message_id[1:-1]}\nX-Postfix-Queue-ID: 4Xy\n"
        "Arrival-Date: Tue, 24 Nov 2026 12:00:00 +0000 (UTC)\n\nFinal-Recipient: rfc822; admin@bakery.example\n"
        f"Original-Recipient: rfc822;admin@bakery.example\nAction: {action}\nStatus: {status}\n"
        "Diagnostic-Code: X-Postfix; unknown user\n\n"
        f"--{cut}\nContent-Description: Undelivered Message Headers\nContent-Type: text/rfc822-headers\n"
        f"Content-Transfer-Encoding: 7bit\n\n{_ORIGINAL.format(message_id=message_id)}\n--{cut}--\n"
    )


def exchange(message_id: str, action: str, status: str) -> str:
    cut = "_000_b1946ac92492d2347c6235b4d2611184"
    return (_HEAD.format(who="postmaster@bakery.example", subject="Undeliverable: your mail server", cut=cut) + (
        f'--{cut}\nContent-Type: multipart/alternative; differences=Content-Type;\n\tboundary="_inner_"\n\n'
        "--_inner_\nContent-Type: text/plain; charset=\"us-ascii\"\n\nDelivery has failed\n\n--_inner_--\n\n"
        f"--{cut}\nContent-Type: message/delivery-status\n\nReporting-MTA: dns;EX16.bakery.example\n"
        "Received-From-MTA: dns;mx.isp.example\nArrival-Date: Tue, 24 Nov 2026 12:00:00 +0000\n\n"
        f"Final-Recipient: rfc822;admin@bakery.example\nAction: {action}\nStatus: {status}\n"
        "Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound\n\n"
        f"--{cut}\nContent-Type: message/rfc822\n\n{_ORIGINAL.format(message_id=message_id)}"
        f"Content-Type: text/plain\n\nthe text\n\n--{cut}--\n"
    )).replace("\n", "\r\n")  # fmt: skip


def sendmail(message_id: str, action: str, status: str) -> str:
    cut = "0ALC00x.1700000000/mx.bakery.example"
    return _HEAD.format(
        who="Mail Delivery Subsystem <MAILER-DAEMON>", subject="Returned mail: User unknown", cut=cut
    ) + (
        f"This is a MIME-encapsulated message\n\n--{cut}\n\n   ----- These had permanent errors -----\n\n"
        f"--{cut}\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.bakery.example\n"
        f"Arrival-Date: Tue, 24 Nov 2026 12:00:00 GMT\n\n"
        f"Final-Recipient: RFC822; admin@bakery.example\nAction: {action}\n"
        f"Status: {status}\nRemote-MTA: DNS; mx.bakery.example\n\n"
        f"--{cut}\nContent-Type: text/rfc822-headers\n\nReturn-Path: <notices@isp.example>\n"
        f"{_ORIGINAL.format(message_id=message_id)}\n--{cut}--\n"
    )


def exim(message_id: str, action: str, status: str) -> str:
    cut = "1700000000-eximdsn-1"
    return _HEAD.format(who="Mail Delivery System <Mailer-Daemon@mx.bakery.example>", subject="Mail delivery failed",
                        cut=cut) + (
        f"--{cut}\nContent-type: text/plain; charset=us-ascii\n\nThis message was created automatically.\n\n"
        f"--{cut}\nContent-type: message/delivery-status\n\nReporting-MTA: dns; mx.bakery.example\n\n"
        f"Action: {action}\nFinal-Recipient: rfc822;admin@bakery.example\nStatus: {status}\n\n"
        f"--{cut}\nContent-type: message/rfc822\n\nReturn-path: <notices@isp.example>\n"
        f"{_ORIGINAL.format(message_id=message_id)}\n\n--{cut}--\n"
    )  # fmt: skip


def gmail(message_id: str, action: str, status: str) -> str:
    cut = "000000000000b1946ac92492"
    return _HEAD.format(who="Mail Delivery Subsystem <mailer-daemon@mx.bakery.example>", subject="Failure", cut=cut) + (
        f'--{cut}\nContent-Type: multipart/related; boundary="in"\n\n--in\n'
        'Content-Type: multipart/alternative; boundary="further"\n\n--further\n'
        'Content-Type: text/plain; charset="UTF-8"\n\n** Adres niet gevonden \u2026 **\n\n--further--\n--in\n'
        'Content-Type: image/png; name="icon.png"\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--in--\n'
        f"--{cut}\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.bakery.example\n"
        f"X-Original-Message-ID: {message_id}\n\nFinal-Recipient: rfc822; admin@bakery.example\nAction: {action}\n"
        f"Status: {status}\nDiagnostic-Code: smtp; 550-5.1.1 The email account\n 550 5.1.1 is \u043d\u0435\u0442\n\n"
        f"--{cut}\nContent-Type: message/rfc822\n\nDKIM-Signature: v=1; a=rsa-sha256;\n        b=abc\n"
        f"{_ORIGINAL.format(message_id=message_id)}\nthe text\n\n--{cut}--\n"
    )


def _coded(text: str, begins: str, ends: str) -> str:
    """A mail of which what is between these two is in base64, as no standard allows it, and some servers send it."""
    before, _, rest = text.partition(begins)
    coded, _, after = rest.partition(ends)
    head = begins.removesuffix("\n\n").partition("\nContent-Transfer-Encoding")[0]
    said = encodebytes(coded.encode()).decode()
    return f"{before}{head}\nContent-Transfer-Encoding: base64\n\n{said}{ends}{after}"


def _unnamed(text: str) -> str:
    """One whose envelope had no identifier."""
    return "\n".join(line for line in text.split("\n") if not line.startswith("Original-Envelope-Id"))


_STATUS, _FIELDS = (
    "Content-Type: message/delivery-status\n\n",
    "text/rfc822-headers\nContent-Transfer-Encoding: 7bit\n\n",
)


def _global(message_id: str, action: str, status: str) -> str:
    """As RFC 6533 has it, for what is not in ASCII."""
    text = _unnamed(postfix(message_id, action, status))
    return text.replace("message/delivery-status", "message/global-delivery-status").replace(
        "text/rfc822-headers", "message/global-headers"
    )


def _wrapped(message_id: str, action: str, status: str) -> str:
    """By a gateway that puts lines of its own below each mail."""
    head, _, rest = postfix(message_id, action, status).partition("\n\n")
    kind = head[head.index("Content-Type") : head.index("Message-Id")]
    return (
        "From: MAILER-DAEMON@mx.bakery.example\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=out\n\n--out\n"
        f"{kind}\n{rest}\n--out\nContent-Type: text/plain\n\nThis mail may be for somebody else.\n--out--\n"
    )


SHAPES: dict[str, Callable[[str, str, str], str]] = {
    "postfix": postfix, "exchange": exchange, "sendmail": sendmail, "exim": exim, "gmail": gmail, "global": _global,
    "wrapped": _wrapped,
    "status in base64": lambda *said: _coded(_unnamed(postfix(*said)), _STATUS, "\n--4Xy"),
    "header in base64": lambda *said: _coded(_unnamed(postfix(*said)), _FIELDS, "\n--4Xy"),
    "message in base64": lambda *said: _coded(exim(*said), "Content-type: message/rfc822\n\n", "\n\n--17"),
    "message after a line": lambda *said: exim(*said).replace("message/rfc822\n\n", "message/rfc822\n\n\n"),
    "header after a line": lambda *said: _unnamed(postfix(*said)).replace(_FIELDS, f"{_FIELDS}\n"),
    "identifier on a line of its own": lambda *said: exim(*said).replace("Message-ID: ", "Message-ID:\n "),
    "identifier written anew": lambda *said: postfix(*said).replace("Message-ID: <", "Message-ID: <of.a.gateway."),
}  # fmt: skip

QMAIL = """Return-Path: <>
From: MAILER-DAEMON@mx.bakery.example
To: notices@isp.example
Subject: failure notice

Hi. This is the qmail-send program at mx.bakery.example.
I'm afraid I wasn't able to deliver your message to the following addresses.

<admin@bakery.example>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <notices@isp.example>
Message-ID: {}

the text
"""

OTHERS = {
    "a person who quotes qmail": QMAIL.format("<abc.1@isp.example>").replace("\nHi.", "\n> Hi."),
    "a person": "From: admin@bakery.example\nSubject: Re: server\nIn-Reply-To: <abc.1@isp.example>\n\nthanks\n",
    "out of office": "From: admin@bakery.example\nAuto-Submitted: auto-replied\nSubject: away\n\nuntil Monday\n",
    "receipt of reading": (
        'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"\n\n--b\n\nread\n\n--b\n'
        "Content-Type: message/disposition-notification\n\nOriginal-Message-ID: <abc.1@isp.example>\n"
        "Disposition: manual-action; displayed\n\n--b--\n"
    ),
    "no identifier": postfix("<>", "failed", "5.1.1"),
    "no action that there is": postfix("<abc.1@isp.example>", "eaten", "5.1.1"),
    "a bounce within a mail": "Content-Type: multipart/mixed; boundary=q\n\n--q\nContent-Type: message/rfc822\n\n"
    + postfix("<abc.1@isp.example>", "failed", "5.1.1") + "\n--q--\n",
    "nothing": "",
    "only a colon": ":",
}  # fmt: skip
