"""IMAP and POP3 conversations, server side -> facts; and that mail is never one of them."""

from __future__ import annotations

import pytest

from collectors.dissectors.mailbox import ImapServer, PopServer
from tests.text import Facts, ntlm_token, told

IMAP_EXCHANGE = "* OK The Microsoft Exchange IMAP4 service is ready. [RQBYADAAMQA=]\r\n"
IMAP_GREETED = ("imap.greeting", "The Microsoft Exchange IMAP4 service is ready. [RQBYADAAMQA=]")
POP_EXCHANGE = "+OK The Microsoft Exchange POP3 service is ready.\r\n"
POP_GREETED = ("pop3.greeting", "The Microsoft Exchange POP3 service is ready.")
POP_CAPA = "+OK\r\nTOP\r\nUIDL\r\nSASL NTLM GSSAPI PLAIN\r\nUSER\r\nSTLS\r\n.\r\n"
POP_CAPABLE = ("pop3.capability", "TOP\nUIDL\nSASL NTLM GSSAPI PLAIN\nUSER\nSTLS")
# What a mail can hold to be taken for its server.
MAIL = (
    "Received: from pc7.example.net ([192.0.2.7]) by ex01\r\n\r\n"
    f"{IMAP_EXCHANGE}* CAPABILITY IMAP4rev1 FAKE\r\n{POP_EXCHANGE}{POP_CAPA}+ {ntlm_token()}\r\n"
)


def imap(value: str) -> tuple[str, str]:
    return "imap.greeting", value


def capable(value: str) -> tuple[str, str]:
    return "imap.capability", value


def pop(value: str) -> tuple[str, str]:
    return "pop3.greeting", value


IMAP: dict[str, tuple[str, Facts]] = {
    "Exchange": (
        IMAP_EXCHANGE + "* CAPABILITY IMAP4 IMAP4rev1 AUTH=NTLM STARTTLS\r\na1 OK CAPABILITY completed.\r\n",
        [IMAP_GREETED, capable("IMAP4 IMAP4rev1 AUTH=NTLM STARTTLS")],
    ),
    "capabilities in the greeting, and again": (
        "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+] Dovecot ready.\r\n* capability IMAP4rev1 SASL-IR LITERAL+\r\n",
        [imap("[CAPABILITY IMAP4rev1 SASL-IR LITERAL+] Dovecot ready."), capable("IMAP4rev1 SASL-IR LITERAL+")],
    ),
    "other capabilities after it": (
        "* CAPABILITY IMAP4rev1 STARTTLS\r\n* CAPABILITY IMAP4rev1\r\n",
        [capable("IMAP4rev1 STARTTLS"), capable("IMAP4rev1")],
    ),
    "logged in before": (
        "* PREAUTH IMAP4rev1 server logged in as Jansen\r\n",
        [imap("IMAP4rev1 server logged in")],
    ),
    "no capabilities": ("* CAPABILITY jan@example.org jansen\r\n", []),
    "no room for an address among them": ("* CAPABILITY IMAP4rev1 jan@example.org\r\n", [capable("IMAP4rev1")]),
    "greeting that names the client": ("* OK hello [192.0.2.7] jan@example.org\r\n", [imap("hello [<ip>] <mail>")]),
    "answers to SELECT": ("* OK [UIDVALIDITY 3857529045] UIDs valid\r\n* OK [UNSEEN 8] first\r\n", []),
    "later texts": (IMAP_EXCHANGE + "* OK Still here, jan\r\na2 OK LOGIN completed, jan\r\n", [IMAP_GREETED]),
    "NTLM": (
        f"{IMAP_EXCHANGE}+ \r\n+ {ntlm_token()}\r\n+ {ntlm_token(6, 1, 7601)}\r\na1 NO failed\r\n",
        [IMAP_GREETED, ("ntlm.version", "10.0.17763")],
    ),
    "an empty greeting": ("* OK \r\n", []),
    "half a greeting": (IMAP_EXCHANGE[:40], []),
    "mail in a literal": (f"{IMAP_EXCHANGE}* 1 FETCH (RFC822 {{{len(MAIL)}}}\r\n{MAIL})\r\n", [IMAP_GREETED]),
    "a literal in a response that may have one": (f"{IMAP_EXCHANGE}* ID {{{len(MAIL)}}}\r\n{MAIL}", [IMAP_GREETED]),
    "in the mailbox": (f"* 23 EXISTS\r\n{MAIL}", []),
    "refused": (f"* BYE too many\r\n{IMAP_EXCHANGE}", []),
}

POP: dict[str, tuple[str, Facts]] = {
    "Exchange": (POP_EXCHANGE + POP_CAPA + "+OK Begin TLS negotiation\r\n", [POP_GREETED, POP_CAPABLE]),
    "with the server's name": (
        "+OK The Microsoft Exchange POP3 service is ready. [RQBYADAAMQA=]\r\n",
        [pop("The Microsoft Exchange POP3 service is ready. [RQBYADAAMQA=]")],
    ),
    "no greeting seen": ("+OK Capability list follows\r\nTop\r\nuser\r\n.\r\n", [("pop3.capability", "Top\nuser")]),
    "an APOP time stamp": ("+OK ready <1896.697170952@mx.example.org>\r\n", [pop("ready")]),
    "a time stamp alone": ("+OK <1896.697170952@mx.example.org>\r\n", []),
    "greeting that names the client": ("+OK hi 192.0.2.7 jan@example.org\r\n", [pop("hi <ip> <mail>")]),
    "arguments of capabilities": (
        POP_EXCHANGE + "+OK CAPA\r\nEXPIRE 60 USER\r\nLOGIN-DELAY 900\r\nX-FOO\r\nIMPLEMENTATION Foo v1\r\n.\r\n",
        [POP_GREETED, ("pop3.capability", "EXPIRE 60 USER\nLOGIN-DELAY 900\nX-FOO\nIMPLEMENTATION Foo v1")],
    ),
    "told once": (POP_EXCHANGE + POP_CAPA + POP_CAPA, [POP_GREETED, POP_CAPABLE]),
    "list cut short": (POP_EXCHANGE + POP_CAPA[:-3], [POP_GREETED]),
    "list broken off": (POP_EXCHANGE + POP_CAPA[:-3] + "-ERR\r\n.\r\n", [POP_GREETED]),
    "NTLM": (f"{POP_EXCHANGE}+ \r\n+ {ntlm_token()}\r\n-ERR no\r\n", [POP_GREETED, ("ntlm.version", "10.0.17763")]),
    "half a greeting": (POP_EXCHANGE[:40], []),
    "login": (f"{POP_EXCHANGE}+OK\r\n+OK User successfully logged on.\r\n{POP_CAPA}", [POP_GREETED]),
    "a mail": (f"{POP_EXCHANGE}+OK\r\n+OK jan\r\n+OK\r\n{MAIL}.\r\n", [POP_GREETED]),
    "a mail, from its reply on": (f"+OK 812 octets\r\n{MAIL}.\r\n", []),
    "a mail of keywords only": (f"{POP_EXCHANGE}+OK 15 octets\r\nTOP\r\nUIDL\r\n.\r\n", [POP_GREETED]),
    "a list of mails": (f"{POP_EXCHANGE}+OK\r\n1 120\r\n2 200\r\n.\r\n{POP_CAPA}", [POP_GREETED]),
    "an empty list": (f"{POP_EXCHANGE}+OK\r\n.\r\n{POP_CAPA}", [POP_GREETED]),
    "a count of mails": ("+OK jan has 2 messages (320 octets)\r\n", []),
}


@pytest.mark.parametrize("name", IMAP)
def test_imap(name: str) -> None:
    stream, facts = IMAP[name]
    assert told(ImapServer(), stream) == (facts, False)


@pytest.mark.parametrize("name", POP)
def test_pop(name: str) -> None:
    stream, facts = POP[name]
    assert told(PopServer(), stream) == (facts, False)


@pytest.mark.parametrize(
    ("make", "stream", "facts"),
    [
        (ImapServer, "Dear Jan,\r\n", []),
        (ImapServer, IMAP_EXCHANGE + "\r\n", [IMAP_GREETED]),
        (ImapServer, IMAP_EXCHANGE + "+ TlRMTVNTUAAC*\r\n", [IMAP_GREETED]),
        (ImapServer, IMAP_EXCHANGE + "* CAPABILITY IMAP4rev1 " + "X" * 2048, [IMAP_GREETED]),
        (ImapServer, "* OK \x01\r\n", []),
        (PopServer, "Dear Jan,\r\n", []),
        (PopServer, "+OKAY\r\n", []),
        (PopServer, POP_EXCHANGE + "+ TlRMTVNTUAAC*\r\n", [POP_GREETED]),
        (PopServer, POP_EXCHANGE + "+OK " + "x" * 2048, [POP_GREETED]),
        (PopServer, POP_EXCHANGE + "+OK\r\n" + "TOP\r\n" * 200, [POP_GREETED]),
    ],
)
def test_malformed(make: type[ImapServer | PopServer], stream: str, facts: Facts) -> None:
    assert told(make(), stream) == (facts, True)


@pytest.mark.parametrize("make", [ImapServer, PopServer])
def test_a_stream_that_begins_in_the_header_of_a_mail(make: type[ImapServer | PopServer]) -> None:
    for start in range(MAIL.index("\r\n\r\n")):
        assert told(make(), MAIL[start:])[0] == []
