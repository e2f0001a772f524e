"""Times, shares and what things are called, in the words of the console."""

from __future__ import annotations

from datetime import UTC, datetime

from agent.leave import MEANINGS
from exporters.console.content import Cell

PRODUCTS_NAMED = {
    "exchange": "Exchange", "exchange-edge": "Exchange Edge", "exchange-online": "Exchange Online",
    "iis-smtp": "IIS SMTP", "other": "something else", "unknown": "not known",
}  # fmt: skip
STATUSES = {
    "vulnerable": "open", "possible": "may be open", "fixed_if_configured": "closed if configured so",
    "unknown": "not known", "fixed": "closed", "not_affected": "not affected", "not_assessed": "not assessed",
}  # fmt: skip
MARKS = {"vulnerable": "bad", "possible": "warn", "confirmed": "bad", "probable": "warn"}
SUPPORT = {
    "supported": "supported", "esu": "extended, if subscribed", "end_of_support": "ended",
    "newer_than_table": "newer than our data", "unknown": "not known", "none": "no build seen",
}  # fmt: skip
VERDICTS = ("confirmed", "probable", "suspected")
REASONS = tuple(MEANINGS)
_OUTCOMES = {
    "confirmed": "ok", "contradicted": "ok", "inconclusive": "warn", "bug": "bad", "unknown": "bad",
    "identity_mismatch": "bad", "timeout": "warn", "tls_failed": "warn", "protocol_error": "warn",
}  # fmt: skip


def outcome(name: str | None) -> Cell:
    """What became of a probe; None while it is under way."""
    return Cell("under way") if name is None else Cell(spoken(name), state=_OUTCOMES.get(name, ""))


def spoken(name: str) -> str:
    """A name out of one of our lists as words."""
    return name.replace("_", " ")


def product(name: str, generation: str = "") -> str:
    """A product and, where it is known, its generation."""
    words = PRODUCTS_NAMED.get(name, name)
    return f"{words} {generation}" if generation not in ("", "unknown") else words


def lasted(seconds: float) -> str:
    """A span of time, about."""
    seconds = max(0.0, seconds)
    for unit, length in (("days", 86_400), ("hours", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(seconds: float) -> str:
    """A time of the epoch as people read it, in UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "at no known time"


def ago(seconds: float, now: float) -> str:
    """How long ago, as seen at ``now``."""
    return f"{lasted(now - seconds)} ago"
