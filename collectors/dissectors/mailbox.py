"""The server's side of IMAP (RFC 3501) and POP3 (RFC 1939), up to the login: greeting, capabilities, NTLM challenge.

What comes after a login is mail. Reading ends at the first line that can only stand there, so that no line of a mail
is ever taken for one of the server's own.
"""

from __future__ import annotations

import re
from typing import ClassVar

from agent.errors import Malformed
from agent.forms import ntlm, text
from agent.forms.scrub import scrub
from collectors.dissectors import Fact
from collectors.dissectors.lines import MAX_KEPT, MAX_LINE, LineDissector

# RFC 3501 9: a tag is any of ASTRING-CHAR but "+"; 7.1: the three status responses that can answer a command.
_TAGGED = re.compile(rb"[^\s(){%*\"\\+\x80-\xff]{1,64} (?:OK|NO|BAD)\b", re.IGNORECASE)
_LITERAL = re.compile(rb"\{\d+\+?\}$")
_BRACKETED = re.compile(r"\[CAPABILITY ([^\]]*)\]", re.IGNORECASE)
_ATOM = re.compile(r"[A-Za-z0-9][A-Za-z0-9+=._:/-]*")
# RFC 3501's own example of a PREAUTH greeting goes on "logged in as Smith".
_USER = re.compile(r"\s(?:as|for|user|welcome|hello)\b.*", re.IGNORECASE)


class ImapServer(LineDissector):
    """Reads until a literal, or any response that only a mailbox gives."""

    collector: ClassVar[str] = "imap"

    def __init__(self) -> None:
        super().__init__()
        self._first = True
        self._capability = ""
        self._challenged = False

    def _line(self, line: bytes, facts: list[Fact]) -> None:
        first, self._first = self._first, False
        if line.startswith(b"* "):
            self._untagged(line[2:], first, facts)
        elif line.startswith(b"+"):
            windows = ntlm.challenge(line[1:].strip())
            if windows is not None and not self._challenged:
                self._challenged = True
                facts.append(("ntlm.version", windows))
        elif not _TAGGED.match(line):
            raise Malformed("not an IMAP response")
        if _LITERAL.search(line):
            self.done = True

    def _untagged(self, response: bytes, first: bool, facts: list[Fact]) -> None:
        word, _, rest = response.partition(b" ")
        word = word.upper()
        if word == b"CAPABILITY":
            self._capabilities(text(rest), facts)
        elif word in (b"OK", b"PREAUTH"):
            if first:
                self._greeting(text(rest).rstrip(), word == b"PREAUTH", facts)
        elif word not in (b"NO", b"BAD", b"ID", b"ENABLED", b"NAMESPACE"):
            # BYE, or what a mailbox holds: EXISTS, FLAGS, LIST, FETCH ...
            self.done = True

    def _greeting(self, said: str, logged_in: bool, facts: list[Fact]) -> None:
        listed = _BRACKETED.match(said)
        if said.startswith("[") and not listed:
            return  # [UIDVALIDITY ...] and its like answer SELECT: the stream began in the middle
        greeting = scrub(_USER.sub("", said) if logged_in else said, MAX_LINE).strip()
        if greeting:
            facts.append(("imap.greeting", greeting))
        if listed:
            self._capabilities(listed[1], facts)

    def _capabilities(self, said: str, facts: list[Fact]) -> None:
        words = [word for word in said.split() if _ATOM.fullmatch(word)]
        if not any(word.upper().startswith("IMAP4") for word in words):
            return  # RFC 3501 7.2.1: the list must name it
        value = scrub(" ".join(words), MAX_LINE)
        if value != self._capability:
            self._capability = value
            facts.append(("imap.capability", value))


# RFC 2449 6 and the IANA "POP3 Capabilities" registry, with the arguments that each may have. A line that is anything
# else is no capability, and the reply it stands in is a list of mails, or a mail.
_CAPABILITY = re.compile(
    r"(?:TOP|USER|APOP|UIDL|STLS|PIPELINING|RESP-CODES|AUTH-RESP-CODE|LANG|UTF8(?: USER)?|X[A-Z0-9-]{2,30}"
    r"|SASL(?: [A-Z0-9_-]{1,20}){0,12}|LOGIN-DELAY \d{1,6}(?: USER)?|EXPIRE (?:\d{1,6}|NEVER)(?: USER)?"
    r"|IMPLEMENTATION [!-~ ]{1,200})"
)
# What +OK says on the way to a mailbox and in it (the examples of RFC 1939, and common servers).
_SESSION = re.compile(
    r"\d|.*\b(?:octets?|messages?|maildrop|mailbox(?:es)?|logged (?:in|on|out)|signing off|password|send pass)\b",
    re.IGNORECASE,
)
# What it says before a capability list and before TLS.
_BEFORE_MORE = re.compile(r"capab|list follows|\btls\b", re.IGNORECASE)
_TIMESTAMP = re.compile(r"<[^<>]*>?")  # RFC 1939 7: APOP's, which holds a process id and a clock


class PopServer(LineDissector):
    """Reads until a reply that only a session past its login gives, or a multi-line one that is no capability list."""

    collector: ClassVar[str] = "pop3"

    def __init__(self) -> None:
        super().__init__()
        self._first = True
        self._list: list[str] | None = None  # of a reply that may turn out to be the capabilities
        self._told: set[str] = set()

    def _line(self, line: bytes, facts: list[Fact]) -> None:
        first, self._first = self._first, False
        if line[:3] == b"+OK" and line[3:4] in (b"", b" "):
            self._ok(text(line[4:]).strip(), first, facts)
        elif line[:4] == b"-ERR":
            self._drop()
        elif line[:1] == b"+" and line[1:2] in (b"", b" "):
            self._drop()
            self._once("ntlm.version", ntlm.challenge(line[1:].strip()), facts)
        elif first:
            raise Malformed("not a POP3 reply")
        else:
            self._listed(line, facts)

    def _ok(self, said: str, first: bool, facts: list[Fact]) -> None:
        self._drop()
        if _SESSION.match(said):
            self.done = True
        elif first and said and not _BEFORE_MORE.search(said):
            self._once("pop3.greeting", scrub(_TIMESTAMP.sub("", said).strip(), MAX_LINE) or None, facts)
        else:
            self._list = []

    def _listed(self, line: bytes, facts: list[Fact]) -> None:
        if self._list is not None and line == b"." and self._list:
            value = scrub("\n".join(self._list), MAX_KEPT)
            self._drop()
            self._once("pop3.capability", value, facts)
        elif self._list is not None and _CAPABILITY.fullmatch(text(line).rstrip().upper()):
            self._keep(len(line))
            self._list.append(text(line).rstrip())
        else:
            self._drop()
            self.done = True

    def _drop(self) -> None:
        self._list, self._kept = None, 0

    def _once(self, kind: str, value: str | None, facts: list[Fact]) -> None:
        if value is not None and kind not in self._told:
            self._told.add(kind)
            facts.append((kind, value))
