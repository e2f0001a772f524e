"""``probing.checked``: that probing.txt was seen at its URL, and is what the configuration in force here says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.consent import probing_txt
from agent.consent.arming import CHECKED_SECONDS, checked_item
from agent.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.office import Office, Who


def checked(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``text``: what was seen. Judged here once more, by the configuration in force; ``at`` is now.

    Gives ``sha256``, ``expires`` and ``until`` (when the next look is due), in seconds since the epoch. Raises
    InputError where it is not what it has to be: then nothing is put on record.
    """
    text, config, now = words.get("text"), office.config, office.now()
    if not isinstance(text, str):
        raise InputError("text: not a text")
    content = text.encode()
    if faults := probing_txt.judged(content, config, now):
        raise InputError("\n".join(faults))
    expires = probing_txt.expires(probing_txt.read(content))
    item = checked_item(config, content, now, expires)
    office.record([item])
    yield {"sha256": item.public["sha256"], "expires": expires, "until": min(expires, now + CHECKED_SECONDS)}
