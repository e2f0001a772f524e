"""Where the links of a message lead: to the pages of exporters/answer_links.py, behind the operator's own proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.notice import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.sections import Config

# No link for who reads a message to somebody else: what he would answer is not his to say.
_READ_OUT = ("phone",)


def links(config: Config, message: str, token: str, offered: Iterable[str]) -> dict[str, str]:
    """An address for each of these actions: one page, and the action as a fragment, which is only where to look on it.

    They are beside the page for objections (exporter.answers, or its socket unit), wherever the operator has put that;
    none where he does not say.
    """
    base = config.consent.public_url.rstrip("/")
    if not base or message in _READ_OUT:
        return {}
    return {action: f"{base}{ANSWERS}{token}#{action}" for action in offered}
