"""A simulated conversation as a script: what a server says first, and what it answers to which request.

The tables of ``agent.lab.servers`` say a conversation in its order. A real client asks in its own, and so the same
texts are looked up here by what is asked: by the verb of a line, or by the path of a request.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from agent.lab import sessions
from agent.lab.traffic import SERVER, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.lab.servers import Service

HTTP_PORTS = (80, 443)
UPGRADES = (b"STARTTLS", b"STLS")  # RFC 3207, RFC 2595: what follows the answer is TLS

_NOT_FOUND = sessions.http("", "", "404 Not Found", [("Server", "Microsoft-HTTPAPI/2.0")])[1][1]
# What each protocol answers beside what the tables say: a mail is taken and not kept, a login fails.
_DELIVERY = sessions.delivery("", "", (" ",), b"", "250 2.6.0 Queued mail for delivery")[3:]
_SMTP = ((b"HELO", b"250 Hello\r\n"), (b"NOOP", b"250 2.0.0 OK\r\n"), (b"RSET", b"250 2.0.0 Resetting\r\n"))
_POP3 = ((b"STLS", b"+OK Begin TLS negotiation.\r\n"),)
_IMAP = (
    (b"a1 STARTTLS", b"a1 OK Begin TLS negotiation now.\r\n"),
    (b"a1 LOGIN", b"a1 NO LOGIN failed.\r\n"),
    (b"a1 NOOP", b"a1 OK NOOP completed.\r\n"),
)
_UNKNOWN = {
    25: b"500 5.3.3 Unrecognized command\r\n",
    110: b"-ERR Command is not valid in this state.\r\n",
    143: b"a1 BAD Command received in Invalid state.\r\n",
}
_TAG = re.compile(rb"(?m)^a\d ")
_OFFER = re.compile(rb"(?m)^(?:250-STARTTLS|250-X-ANONYMOUSTLS|STLS)\r\n")


class Script(NamedTuple):
    """What is said first ("" by HTTP, where the client begins), the answers, and the answer to anything else."""

    greeting: bytes
    answers: dict[bytes, bytes]
    unknown: bytes
    tagged: bool  # IMAP: a line begins with a tag, which the answer repeats

    def answer(self, asked: bytes, *, secured: bool = False) -> bytes:
        """What is answered to a line, or to the request line of HTTP. What TLS has made needless is not offered."""
        said = self.answers.get(_verb(asked, tagged=self.tagged), self.unknown)
        if self.tagged:
            tag = (asked.split() or [b"*"])[0] + b" "
            said = _TAG.sub(lambda _: tag, said)
        return _OFFER.sub(b"", said) if secured else said


def script(service: Service) -> Script:
    """The script of one port of a simulated server."""
    port = service.port
    if port in HTTP_PORTS:
        paths = {asked.split()[1]: said for asked, said in _pairs(service.inside or service.turns)}
        return Script(b"", paths, _NOT_FOUND, tagged=False)
    tagged = port == 143
    known = {25: (*_pairs(_DELIVERY), *_SMTP), 110: _POP3, 143: _IMAP}[port]
    pairs = (*known, *_pairs(service.turns))
    answers = {_verb(asked, tagged=tagged): said for asked, said in pairs}
    return Script(service.turns[0][1], answers, _UNKNOWN[port], tagged)


def _pairs(turns: Iterable[Turn]) -> Iterable[tuple[bytes, bytes]]:
    """Each request with its answer, up to where TLS begins."""
    clear = [turn for turn in turns if turn[1][:1] not in (b"\x14", b"\x16", b"\x17")]
    return [
        (asked, said) for (before, asked), (side, said) in pairwise(clear) if side is SERVER and before is not SERVER
    ]


def _verb(asked: bytes, *, tagged: bool) -> bytes:
    """The word by which an answer is found: a verb in capitals, or a path without its query."""
    words = asked.split()
    place = 1 if tagged or words[:1] in ([b"GET"], [b"HEAD"], [b"POST"]) else 0
    word = words[place] if len(words) > place else b""
    return word.partition(b"?")[0] if word.startswith(b"/") else word.partition(b":")[0].upper()
