"""SMTP conversations, server side -> facts."""

from __future__ import annotations

import pytest

from collectors.dissectors.smtp import REPLIES, SmtpServer
from tests.text import GREETED, GREETING, Facts, ntlm_token, reply, told

KEYWORDS_2016 = (
    "SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "X-ANONYMOUSTLS", "AUTH NTLM",
    "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME", "CHUNKING", "XRDST",
)  # fmt: skip
EHLO = reply(250, "ex01.example.org Hello [192.0.2.7]", *KEYWORDS_2016)
EHLO_TOLD = ("smtp.ehlo", "\n".join(("ex01.example.org Hello []", *KEYWORDS_2016)))
QUEUED = "250 2.6.0 <c0ffee@example.net> [InternalId=38, Hostname=EX01.corp.example.org] 4068 bytes in 0.103, 38,321 \
KB/sec Queued mail for delivery\r\n"
HOSTNAME = ("smtp.hostname", "InternalId EX01.corp.example.org")


def greeting(value: str) -> tuple[str, str]:
    return "smtp.greeting", value


def said(value: str) -> tuple[str, str]:
    return "smtp.reply", value


CONVERSATIONS: dict[str, tuple[str, Facts]] = {
    "Exchange up to STARTTLS": (GREETING + EHLO + "220 2.0.0 SMTP server ready\r\n", [GREETED, EHLO_TOLD]),
    "no greeting seen": (EHLO, [EHLO_TOLD]),
    "bare line feeds": ((GREETING + EHLO).replace("\r", ""), [GREETED, EHLO_TOLD]),
    "greeting of several lines": (
        reply(220, "mx.example.org ESMTP", "No spam, please"),
        [greeting("mx.example.org ESMTP\nNo spam, please")],
    ),
    "IIS with its version": (
        "220 www.example.org Microsoft ESMTP MAIL Service, Version: 10.0.17763.1697 ready at  Mon, 2 Nov 2026\r\n",
        [greeting("www.example.org Microsoft ESMTP MAIL Service, Version: 10.0.17763.1697 ready at  Mon, 2 Nov 2026")],
    ),
    "greeting that greets the client": (
        "220 mx.example.org hi [192.0.2.7]\r\n",
        [greeting("mx.example.org hi [<ip>]")],
    ),
    "an empty greeting": ("220\r\n220 \r\n", []),
    "greeting cut short": (GREETING[:60], [greeting("ex01.example.org Microsoft ESMTP MAIL Service ready at")]),
    "greeting cut within the address it greets": ("220 mx.example.org hi [192.0.2", [greeting("mx.example.org hi")]),
    "keywords cut short": (GREETING + EHLO[:-7], [GREETED]),
    "STARTTLS answered, its greeting not seen": ("220 2.0.0 SMTP server ready\r\n", []),
    "STARTTLS answered without a status code": ("220 Ready to start TLS\r\n", []),
    "EHLO asked twice": (GREETING + EHLO + EHLO, [GREETED, EHLO_TOLD]),
    "HELO": (GREETING + "250 ex01.example.org Hello [192.0.2.7]\r\n", [GREETED]),
    "Postfix": (
        reply(250, "mx.example.org", "PIPELINING", "SIZE 10240000", "ETRN", "8BITMIME", "SMTPUTF8"),
        [("smtp.ehlo", "mx.example.org\nPIPELINING\nSIZE 10240000\nETRN\n8BITMIME\nSMTPUTF8")],
    ),
    "Sendmail names the client": (
        reply(250, "mx.example.org Hello pc7.example.net [192.0.2.7], pleased to meet you", "SIZE", "HELP"),
        [("smtp.ehlo", "mx.example.org Hello\nSIZE\nHELP")],
    ),
    "address behind the name": (
        reply(250, "mx.example.org at your service, [2001:db8::7]", "SIZE 35882577", "8BITMIME"),
        [("smtp.ehlo", "mx.example.org\nSIZE 35882577\n8BITMIME")],
    ),
    "old forms, and a private keyword": (
        reply(250, "[192.0.2.9] Hello", "X-EXPS=LOGIN", "AUTH=LOGIN", "XFOO bar", "OK"),
        [("smtp.ehlo", "[<ip>] Hello\nX-EXPS=LOGIN\nAUTH=LOGIN\nXFOO bar\nOK")],
    ),
    "a filter's stars": (reply(250, "mx", "SIZE", "********"), [("smtp.ehlo", "mx\nSIZE")]),
    "EXPN lists people": (reply(250, "Jan Jansen <jan@example.org>", "PIET <piet@example.org>", "KLAAS"), []),
    "VRFY names a person": ("250 Jan Jansen <jan@example.org>\r\n", []),
    "HELP": (
        reply(214, "This server supports the following commands:", "HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP"),
        [
            (
                "smtp.help",
                "This server supports the following commands:\nHELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP",
            )
        ],
    ),
    "HELP of something else": (reply(214, "The following commands are recognized:", "USER PASS CWD"), []),
    "HELP with an address": (
        reply(214, "EHLO HELO", "ask postmaster@example.org"),
        [("smtp.help", "EHLO HELO\nask <mail>")],
    ),
    "the replies of Exchange": (
        "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n250 2.1.5 recipient ok\r\n252 2.1.5 Cannot VRFY user\r\n",
        [said("250 2.1.0 Sender OK"), said("250 2.1.5 Recipient OK"), said("252 2.1.5 Cannot VRFY user")],
    ),
    "what follows a known reply is dropped": (
        "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM [ex01.example.org]\r\n"
        "500 5.3.3 Unrecognized command 'LOGIN jan'\r\n"
        "451 4.7.0 Temporary server error. Please try again later. PRX5\r\n",
        [said(REPLIES[8]), said(REPLIES[7]), said(REPLIES[6])],
    ),
    "relay refused": (
        "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain\r\n550 5.7.1 Unable to relay\r\n",
        [said("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"), said("550 5.7.1 Unable to relay")],
    ),
    "relay refused by IIS": ("550 5.7.1 Unable to relay for jan@example.org\r\n", []),
    "other replies": ("250 2.0.0 OK\r\n235 2.7.0 jan logged in\r\n550 5.1.1 <jan@example.org>: unknown\r\n", []),
    "mail": (
        GREETING + "250 2.1.0 Sender OK\r\n354 Start mail input; end with <CRLF>.<CRLF>\r\n" + QUEUED + EHLO,
        [GREETED, said("250 2.1.0 Sender OK"), said("354 Start mail input; end with <CRLF>.<CRLF>"), HOSTNAME],
    ),
    "mail by BDAT": (QUEUED, [HOSTNAME]),
    "mail queued by 2010": ("354 go\r\n250 2.6.0 <x@example.net> [InternalId=7] Queued mail for delivery\r\n", []),
    "a host name alone": (
        "250 2.6.0 <x@example.net> [Hostname=EX01] Queued mail for delivery\r\n",
        [("smtp.hostname", "EX01")],
    ),
    "a host name that the client made up": (
        "250 2.6.0 <[InternalId=1, Hostname=FAKE]@example.net> [InternalId=7, Hostname=EX01] Queued mail\r\n",
        [("smtp.hostname", "InternalId EX01")],
    ),
    "after mail, nothing else": (
        "354 go\r\n214 HELO\r\n500 5.3.3 Unrecognized command\r\n" + EHLO + QUEUED,
        [HOSTNAME],
    ),
    "NTLM": (
        GREETING + "334 NTLM supported\r\n334 " + ntlm_token() + "\r\n535 5.7.3 Authentication unsuccessful\r\n",
        [GREETED, ("ntlm.version", "10.0.17763"), said("535 5.7.3 Authentication unsuccessful")],
    ),
    "other challenges": ("334 VXNlcm5hbWU6\r\n334 TlRMTVNTUAADAAAAamFuamFuamFu\r\n", []),
    "FTP": ("220 (vsFTPd 3.0.3)\r\n331 Please specify the password.\r\n", []),
    "FTP in several lines": ("220-FTP server of Example\r\n  be good\r\n220 ready\r\n", []),
    "VMware": ("220 VMware Authentication Daemon Version 1.10: SSL Required\r\n", []),
    "a mail server named ftp": ("220 ftp.example.org ESMTP\r\n", [greeting("ftp.example.org ESMTP")]),
    "a mail server that speaks of FTP": ("220 mx ESMTP, no FTP here\r\n", [greeting("mx ESMTP, no FTP here")]),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(name: str) -> None:
    stream, facts = CONVERSATIONS[name]
    assert told(SmtpServer(), stream) == (facts, False)


@pytest.mark.parametrize(
    ("stream", "facts"),
    [
        (b"hello\r\n", []),
        (b"\r\n", []),
        (b"25\r\n", []),
        (b"150 nobody starts so\r\n", []),
        (b"650 nobody starts so\r\n", []),
        (b"250+what\r\n", []),
        (GREETING.encode() + b"\x00\x01\x02\r\n", [GREETED]),
        (GREETING.encode() + b"250-mx\r\n220 mx\r\n", [GREETED]),
        (GREETING.encode() + b"\x16\x01\r\n", [GREETED]),
        (GREETING.encode() + b"250 " + b"x" * 2048 + b"\r\n", [GREETED]),
        (GREETING.encode() + b"250 " + b"x" * 2048, [GREETED]),
        (GREETING.encode() + b"250-x\r\n" * 2000, [GREETED]),
        (GREETING.encode() + b"334 TlRMTVNTUAAC\r\n", [GREETED]),
    ],
)
def test_malformed(stream: bytes, facts: Facts) -> None:
    assert told(SmtpServer(), stream) == (facts, True)


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_greeting_in_another_language(charset: str) -> None:
    assert told(SmtpServer(), "220 mx Grüße\r\n".encode(charset)) == ([greeting("mx Grüße")], False)


@pytest.mark.parametrize("stream", [CONVERSATIONS[name][0] for name in ("FTP", "VMware", "mail", "mail by BDAT")])
def test_done_when_nothing_more_can_be_told(stream: str) -> None:
    dissector = SmtpServer()
    dissector.feed(stream.encode())
    assert dissector.done
    assert dissector.feed(b"250 2.1.0 Sender OK\r\n") == dissector.end() == []
