"""The server's side of SMTP (RFC 5321), up to STARTTLS: greeting, EHLO keywords, HELP, and Exchange's own reply texts.

Mail itself only goes the other way; what the server repeats of it (recipients, message ids, user names) is never kept.
"""

from __future__ import annotations

import re
from typing import ClassVar

from agent.errors import Malformed
from agent.forms import ntlm, text
from agent.forms.scrub import scrub
from collectors.dissectors import Fact
from collectors.dissectors.lines import MAX_KEPT, LineDissector

# Reply texts of Exchange (Microsoft Learn, "Use Telnet to test SMTP communication" and "Allow anonymous relay on
# Exchange servers"; nmap-service-probes; the rest from public session logs). What is told is the text that stands here.
REPLIES = (
    "221 2.0.0 Service closing transmission channel",
    "250 2.1.0 Sender OK",
    "250 2.1.5 Recipient OK",
    "252 2.1.5 Cannot VRFY user",
    "354 Start mail input; end with <CRLF>.<CRLF>",
    "421 4.3.2 Service not available",
    "451 4.7.0 Temporary server error. Please try again later. PRX",
    "500 5.3.3 Unrecognized command",
    "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
    "535 5.7.3 Authentication unsuccessful",
    "550 5.7.1 Unable to relay",
    "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
)
_REPLIES = {code: tuple((r.lower().encode(), r) for r in REPLIES if r[:3] == code.decode())
            for code in {r[:3].encode() for r in REPLIES}}  # fmt: skip
# The IIS SMTP service goes on so, with the recipient ("Unable to relay for <address>"); Exchange does not.
_IIS_GOES_ON = b" for"

# The IANA registry of SMTP service extensions, the private ones of Exchange (Microsoft Learn on receive connectors, and
# public session logs), and those of other servers that are often seen. An EHLO list has half its lines from here.
KEYWORDS = frozenset((
    "8BITMIME", "ATRN", "AUTH", "BDAT", "BINARYMIME", "BURL", "CHECKPOINT", "CHUNKING", "CONNEG", "CONPERM",
    "DELIVERBY", "DSN", "ENHANCEDSTATUSCODES", "ETRN", "EXPN", "FUTURERELEASE", "HELP", "LIMITS", "MT-PRIORITY",
    "MTRK", "NO-SOLICITING", "OK", "ONEX", "PIPECONNECT", "PIPELINING", "REQUIRETLS", "RRVS", "SIZE", "SMTPUTF8",
    "STARTTLS", "SUBMITTER", "TIME", "TURN", "UTF8SMTP", "VERB", "VRFY", "XADRC", "XADR", "XATTR", "XCLIENT",
    "XEXCH50", "XEXPROPS", "XFORWARD", "XOORG", "XORAR", "XPROXY", "XPROXYFROM", "XPROXYTO", "XRDST",
    "XSESSIONPARAMS", "XSHADOW", "XSHADOWREQUEST", "XVERP", "X-ANONYMOUSTLS", "X-EXPS", "X-LINK2STATE", "X-RCPTLIMIT",
))  # fmt: skip
# RFC 5321 4.1.1.1 ehlo-line; AUTH=LOGIN and X-EXPS=LOGIN are an old form. A parameter is never an address.
_EHLO_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=[^\s@<>]*)?(?: +[^\s@<>]+)*")
# FTP greets with 220 as well (RFC 959 5.4), VMware's authentication daemon too; a host may be *named* ftp.
_FOREIGN = re.compile(rb"ftpd?\b(?![.-])|filezilla|serv-u|vmware authentication", re.IGNORECASE)
# The other 220 answers STARTTLS; RFC 2034 4 allows an enhanced status code in it and none in a greeting.
_STARTTLS = re.compile(rb"2\.\d\.\d |(?:ready|begin|start).{0,20} tls\b", re.IGNORECASE)
_QUEUED = re.compile(
    rb"2\.6\.0 .*\[(InternalId=\d+, ?)?Hostname=([A-Za-z0-9._-]{1,255})\][^\[]*Queued mail", re.IGNORECASE
)


class SmtpServer(LineDissector):
    """Reads replies from wherever the stream begins; tells each of its facts once."""

    collector: ClassVar[str] = "smtp"

    def __init__(self) -> None:
        super().__init__()
        self._code = b""  # of the reply whose lines are being gathered
        self._texts: list[bytes] = []
        self._first = True
        self._mail = False
        self._told: set[str] = set()

    def _line(self, line: bytes, facts: list[Fact]) -> None:
        code, mark, said = line[:3], line[3:4], line[4:]
        if not (len(code) == 3 and code.isdigit() and b"2" <= code < b"6") or mark not in (b" ", b"-", b""):
            raise Malformed("not an SMTP reply")
        if self._code not in (b"", code):
            raise Malformed("an SMTP reply that changes its code")
        if self._first and code == b"220" and _FOREIGN.search(said) and b"smtp" not in said.lower():
            self.done = True
            return
        self._keep(len(line))
        self._texts.append(said)
        self._code = code
        if mark != b"-":
            texts, self._texts, self._code, self._kept = self._texts, [], b"", 0
            self._reply(code, texts, facts)
            self._first = False

    def _last(self, rest: bytes, facts: list[Fact]) -> None:
        """A greeting is told without its last word, which may be half an address; the host comes first in it."""
        whole = rest.rpartition(b" ")[0]
        if self._first and not self._texts and whole.startswith(b"220 "):
            self._line(whole, facts)

    def _reply(self, code: bytes, texts: list[bytes], facts: list[Fact]) -> None:
        if code == b"250" and len(texts) == 1:
            self._queued(texts[0], facts)
        if self._mail:
            # From here on the replies speak of a mail and its recipients.
            return
        if code == b"220":
            if self._first and not _STARTTLS.match(texts[0]):
                greeting = "\n".join(scrub(text(each).strip()) for each in texts).strip()
                self._once("smtp.greeting", greeting or None, facts)
        elif code == b"250" and len(texts) > 1:
            self._once("smtp.ehlo", ehlo([text(each) for each in texts]), facts)
        elif code == b"214":
            self._once("smtp.help", help_text([text(each) for each in texts]), facts)
        elif code == b"334":
            self._once("ntlm.version", ntlm.challenge(texts[0]), facts)
        else:
            self._vocabulary(code, texts[0], facts)
            self._mail = code == b"354"

    def _queued(self, said: bytes, facts: list[Fact]) -> None:
        queued = _QUEUED.match(said)
        if queued:
            name = scrub(queued[2].decode())
            facts.append(("smtp.hostname", f"InternalId {name}" if queued[1] else name))
            self.done = True

    def _vocabulary(self, code: bytes, said: bytes, facts: list[Fact]) -> None:
        line = code + b" " + said.lower()
        for folded, reply in _REPLIES.get(code, ()):
            if line.startswith(folded) and not line.startswith(_IIS_GOES_ON, len(folded)):
                if reply not in self._told:
                    self._told.add(reply)
                    facts.append(("smtp.reply", reply))
                return

    def _once(self, kind: str, value: str | None, facts: list[Fact]) -> None:
        if value is not None and kind not in self._told:
            self._told.add(kind)
            facts.append((kind, value))


def ehlo(lines: list[str]) -> str | None:
    """The normal form of an EHLO reply's lines (codes removed), or None if this 250 reply is another's (EXPN, VRFY)."""
    told, known = [_host_line(lines[0])], 0
    for line in lines[1:]:
        match = _EHLO_LINE.fullmatch(line.rstrip())
        if match and match[1].upper() in KEYWORDS:
            known += 1
        elif not match or not match[1].isupper():
            continue
        told.append(match[0])
    # A list of names, as EXPN gives it, has no keyword in it; a list of keywords has few that nobody knows.
    return scrub("\n".join(told), MAX_KEPT) if 2 * known >= len(lines) - 1 else None


def _host_line(line: str) -> str:
    """Name, ``Hello``, ``[]``: the client's name and address follow there, and go."""
    name, _, rest = line.strip().partition(" ")
    hello, _, after = rest.partition(" ")
    if hello.rstrip(",").lower() != "hello":
        return name
    return f"{name} Hello []" if after.lstrip().startswith("[") else f"{name} Hello"


def help_text(lines: list[str]) -> str | None:
    """The lines of a HELP reply that names SMTP's own first command; FTP answers HELP with 214 too."""
    said = "\n".join(line.rstrip() for line in lines)
    return scrub(said, MAX_KEPT) if "HELO" in said.upper() else None
