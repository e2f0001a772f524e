"""What a template may name: the facts of a message, each of one printable line, in the words of its language."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from agent.cases.case import grouped
from exporters.notices import words

if TYPE_CHECKING:
    from agent.notice import Facts, Hole

_HOLES = 16  # that are told one by one; the facts hold no more than twice that
_HEADS = ("http://", "https://")


def clean(text: str) -> str:
    """One line of what can be printed: controls, line ends and what turns the direction of writing are spaces."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def lines(text: str) -> list[str]:
    """Every line of a text that is quoted, each clean."""
    return [clean(line) for line in text.splitlines()]


def links(facts: Facts) -> dict[str, str]:
    """The addresses that are offered, by action, in the order in which they are told; what is no web address is not."""
    there = {action: clean(facts.links.get(action, "")) for action in words.ANSWERS}
    return {action: link for action, link in there.items() if link.startswith(_HEADS) and " " not in link}


def told(facts: Facts) -> dict[str, Any]:
    """Every fact that a template may name. docs/notices.md lists them."""
    lang = facts.lang
    plain = {
        name: clean(getattr(facts, name))
        for name in ("operator", "contact", "customer", "address", "build", "record", "receipt", "why")
    }
    there = links(facts)
    return plain | {
        "lang": lang,
        "case": grouped(clean(facts.case)),
        "severity": words.of(words.SEVERITY[facts.severity], lang) if facts.severity else "",
        "ports": words.listed([str(port) for port in facts.ports], lang),
        "port_count": len(facts.ports),
        "seen": _moment(facts.seen, facts.zone, lang),
        "active": facts.origin == "active",
        "confidence": words.of(words.CONFIDENCE.get(facts.confidence, words.UNSURE), lang),
        "signs": words.listed(_signs(facts.signs, lang), lang),
        "product": clean(facts.product) or words.of(words.NOUNS["server"], lang),
        "requests": facts.requests,
        "entry": "" if facts.entry is None else str(facts.entry),
        "state": _state(facts),
        "holes": [_hole(hole, lang) for hole in facts.holes[:_HOLES]],
        "more": facts.more + len(facts.holes[_HOLES:]),
        "exploited": words.listed([clean(name) for name in facts.exploited], lang),
        "ended": words.day(facts.ended, lang),
        "install": _install(facts, lang),
        "answers": [{"words": words.of(words.ANSWERS[action], lang), "link": link} for action, link in there.items()],
        "links": {action: there.get(action, "") for action in words.ANSWERS},
        "offer": facts.offer and facts.message == "tell",
        "deleted": words.day(facts.deleted, lang),
        "lines": lines(facts.text),
    }


def _signs(kinds: list[str], lang: str) -> list[str]:
    """Each once: several kinds are the same to the reader, and one that has no name is told by its own."""
    named = [words.of(words.SIGNS[kind], lang) if kind in words.SIGNS else clean(kind) for kind in kinds]
    return list(dict.fromkeys(named))


def _state(facts: Facts) -> str:
    """What it comes to: ``open``, ``possible``, ``setting`` (closed where that is made), ``ended``, ``none``."""
    found = {hole.status for hole in facts.holes}
    for status, state in (("vulnerable", "open"), ("possible", "possible"), ("fixed_if_configured", "setting")):
        if status in found:
            return state
    return "ended" if facts.ended else "none"


def _hole(hole: Hole, lang: str) -> dict[str, Any]:
    return {
        "name": clean(hole.name),
        "cves": ", ".join(clean(cve) for cve in hole.cves),
        "status": hole.status,
        "kev": hole.kev,
        "cvss": "" if hole.cvss is None else words.number(hole.cvss, lang),
        "setting": words.of(words.SETTINGS.get(hole.setting, words.SETTING), lang),
    }


def _install(facts: Facts, lang: str) -> dict[str, str]:
    install = facts.install
    return {
        "kind": install.kind,
        "name": clean(install.name),
        "build": clean(install.build),
        "kb": clean(install.kb),
        "released": words.day(install.released, lang),
    }


def _moment(at: float, zone: str, lang: str) -> str:
    """``24 november 2026 om 09:15 (Europe/Amsterdam)``; "" where the time is not known."""
    if not at:
        return ""
    where, name = _zone(zone)
    when = datetime.fromtimestamp(at, UTC).astimezone(where)
    return f"{words.day(when.date().isoformat(), lang)} {words.of(words.NOUNS['at'], lang)} {when:%H:%M} ({name})"


def _zone(name: str) -> tuple[tzinfo, str]:
    """A zone that is not known is UTC: the moment is the same, and it is told whose time it is."""
    try:
        return ZoneInfo(name), name
    except (ValueError, OSError, KeyError):
        return UTC, "UTC"
