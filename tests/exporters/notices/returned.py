"""Bounces as mail servers write them: each shape is what that server sends, with addresses of documentation."""

from __future__ import annotations

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


SHAPES: dict[str, Callable[[str, str, str], str]] = {
    "postfix": postfix, "exchange": exchange, "sendmail": sendmail, "exim": exim,
}  # fmt: skip

OTHERS = {
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
