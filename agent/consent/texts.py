"""The texts for customers, in Dutch and English: templates that the operator may edit, and the configuration's facts.

A file of the same name in ``consent.texts`` takes the place of one of ours (agent/templates.py).
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from agent.consent import probing_txt
from agent.consent.written import Lang
from agent.errors import ConfigError, InputError
from agent.leave import Budget
from agent.templates import Templates, own_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent.sections import Config

OURS = Path(__file__).parent / "templates"
KEY = "consent.texts"

# What the probe may ask for, in this order: probes/exchange_http.py does, and a test holds the two together.
PATHS = ("/EWS/Exchange.asmx", "/autodiscover/autodiscover.xml", "/owa/")

# Facts that the configuration does not know. Each may be set for a text; "" is left out of it.
FREE = ("date", "version", "phone")

Kind = Literal["terms", "sla", "faq", "privacy_notice", "objection_page", "announcement_mail", "announcement_letter"]
# The documents that a record refers to are published; what is sent is put on record with whom it went to.
SENT = ("announcement_mail", "announcement_letter")
_SUFFIX: dict[Kind, str] = {"objection_page": "html", "announcement_mail": "txt", "announcement_letter": "txt"}

LANGUAGES: tuple[Lang, ...] = get_args(Lang)
KINDS: tuple[Kind, ...] = get_args(Kind)


class Rendered(NamedTuple):
    """One text. ``name``: of its file; ``own``: made from a template of the operator's; ``uses``: facts it names."""

    kind: Kind
    lang: Lang
    name: str
    text: str
    own: bool
    uses: frozenset[str]

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()


def name(kind: Kind, lang: Lang) -> str:
    """The name of a text's file, and of its template."""
    return f"{kind}.{lang}.{_SUFFIX.get(kind, 'md')}"


def facts(config: Config, free: Mapping[str, str]) -> dict[str, object]:
    """Every fact that a template may name. ``free``: those of FREE. Raises ConfigError, which lists every fault."""
    faults = probing_txt.lacking(config)
    if faults:
        raise ConfigError("\n".join(faults))
    told, budget = probing_txt.facts(config), Budget()
    version6 = ":" in told.sources[0]
    return {
        "operator": told.operator,
        "contact": config.probe.contact,
        "sources": list(told.sources),
        "public_url": told.public_url,
        "probing_url": told.probing_url,
        "objections_url": f"{told.public_url.rstrip('/')}/objections",
        "example_prefix": "2001:db8::/56" if version6 else "192.0.2.8/29",
        "announce_days": config.consent.announce_days,
        "terms_objection": config.consent.terms_objection,
        "handshakes": config.privacy.handshakes,
        "resolvers": bool(config.capture.resolvers),
        "first_bytes": config.capture.max_bytes,
        "recheck_hours": config.probe.recheck_hours,
        "seconds": config.probe.seconds,
        "retention_days": config.agent.retention_days,
        "requests": budget.connections,
        "kib": budget.bytes >> 10,
        "paths": list(PATHS),
        **_free(free),
    }


def _free(given: Mapping[str, str]) -> dict[str, str]:
    for key, value in given.items():
        if key not in FREE:
            raise InputError(f"{key}: comes from the configuration, or is no fact; set {', '.join(FREE)}")
        if not value.isprintable() or len(value) > 200:
            raise InputError(f"{key}: longer than 200 characters, or not of one printable line")
    return {key: given.get(key, "") for key in FREE}


def render(own: str, languages: Iterable[Lang], told: Mapping[str, object]) -> list[Rendered]:
    """Every text in these languages. ``own``: directory of the operator's templates, "" for none; ``told``: ``facts``.

    Raises ConfigError: file, line, what is wrong.
    """
    known = {name(kind, lang) for kind in KINDS for lang in LANGUAGES}
    there = own_files(own, known, KEY) if own else set()
    made = Templates(own, OURS, KEY)
    return [_rendered(made, kind, lang, told, own=name(kind, lang) in there) for lang in languages for kind in KINDS]


def unequal(texts: Iterable[Rendered]) -> list[str]:
    """Which texts name a fact in one language that they do not name in the other, a sentence each."""
    by_kind: dict[str, list[Rendered]] = {}
    for one in texts:
        by_kind.setdefault(one.kind, []).append(one)
    return [
        f"{one.name}: does not name {', '.join(sorted(other.uses - one.uses))}, and {other.name} does"
        for pair in by_kind.values()
        for one in pair
        for other in pair
        if other.uses - one.uses
    ]


def _rendered(made: Templates, kind: Kind, lang: Lang, told: Mapping[str, object], *, own: bool) -> Rendered:
    file = name(kind, lang)
    return Rendered(kind, lang, file, made.made(file, told).text, own, made.uses(file))
