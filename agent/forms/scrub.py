"""Takes personal data out of server text before it becomes an observation.

A greeting can greet the client by its address, a refusal can repeat a recipient. Neither says anything of the server.
"""

from __future__ import annotations

import re

MAX_TEXT = 512  # RFC 5321 4.5.3.1.5: a reply line has at most 512 octets

# Any word with an @ in it goes, whether or not RFC 5321 would call it a mailbox. The look-behind lets a match start
# only where a word starts, and the quantifiers give nothing back: the search is linear in hostile text too.
_BREAK = r"\s<>\[\]()\",;:@"
_MAIL = re.compile(rf'(?:"[^"\n]*+"|(?<![^{_BREAK}])[^{_BREAK}]*+)(?:@(?:\[[^\]\s]{{0,255}}+\]|[^{_BREAK}]*+))++')
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])"
# Four numbers above 255 (6.0.3790.4675) or five of them are a version.
_IPV4 = re.compile(rf"(?<![0-9])(?<![0-9]\.)(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9]|\.[0-9])")
# Runs of what an IPv6 address is written with (RFC 4291 2.2); _address decides whether one is an address.
_COLONS = re.compile(r"(?<![0-9a-zA-Z])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4})+(?:\.[0-9.]*)?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")


def scrub(text: str, limit: int = MAX_TEXT) -> str:
    """``text`` without mail addresses, IP addresses and control characters, at most ``limit`` characters.

    The cut comes last: half an address would not be known for one.
    """
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    if "@" in text:
        text = _MAIL.sub("<mail>", text)
    if "::" in text or text.count(":") > 5:
        text = _COLONS.sub(_address, text)
    if text.count(".") > 2:
        text = _IPV4.sub("<ip>", text)
    return text[:limit]


def _address(run: re.Match[str]) -> str:
    """``<ip>`` for an IPv6 address; times of day (10:11:12) and hardware addresses have neither ``::`` nor 8 groups."""
    groups = run[0].count(":") + ("." in run[0])
    return "<ip>" if "::" in run[0] or groups >= 7 else run[0]
