"""Takes personal data out of server text before it becomes an observation.

A greeting can greet the client by its address, a refusal can repeat a recipient. Neither says anything of the server.
"""

from __future__ import annotations

import re

MAX_TEXT = 512  # RFC 5321 4.5.3.1.5: a reply line has at most 512 octets

_MAIL = re.compile(r"[^\s<>\[\]()\",;:@]{1,64}@[^\s<>\[\]()\",;:@]{1,255}")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IPV4 = re.compile(rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w.]*\w)")
# Two colons at least, of hexadecimal groups: a time of day (10:11:12) has no group longer than two digits.
_IPV6 = re.compile(r"(?<![\w:])(?=[0-9a-f:.]{0,45}(?:::|[0-9a-f]{3}))(?:[0-9a-f]{0,4}:){2,7}[0-9a-f.]{0,15}(?![\w:])", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")


def scrub(text: str) -> str:
    """``text`` without mail addresses, IP addresses and control characters, at most MAX_TEXT characters."""
    text = _CONTROL.sub(" ", text[:MAX_TEXT])
    if "@" in text:
        text = _MAIL.sub("<mail>", text)
    text = _IPV4.sub("<ip>", text)
    return _IPV6.sub("<ip>", text) if text.count(":") > 1 else text
