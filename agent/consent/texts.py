"""The texts for customers, in Dutch and English: templates that the operator may edit, and the configuration's facts.

A file of the same name in ``consent.texts`` takes the place of one of ours. Templates run in jinja2's sandbox, where
they can compute and nothing else, and a name that is not a fact is a fault, so that no text ever goes out with a hole.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from jinja2 import BaseLoader, FileSystemLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError
from jinja2.loaders import ChoiceLoader
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.consent import probing_txt
from agent.consent.written import Lang
from agent.errors import ConfigError, InputError
from agent.leave import Budget

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent.sections import Config

OURS = Path(__file__).parent / "templates"
MAX_TEXT = 1 << 20  # characters of one text; a template that makes more than that has gone wrong

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
    there = _own(own, known) if own else set()
    made = _Environment(own)
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


def _own(directory: str, known: set[str]) -> set[str]:
    """The operator's files. Raises ConfigError for one that takes the place of nothing: a slip of the pen."""
    try:
        there = {entry for entry in os.listdir(directory) if not entry.startswith((".", "_"))}
    except OSError as error:
        raise ConfigError(f"consent.texts: {directory}: {error.strerror}; name a directory of templates") from None
    stray = sorted(there - known)
    if stray:
        raise ConfigError(
            f"consent.texts: {directory}/{stray[0]}: takes the place of no text; name it like one of "
            f"{', '.join(sorted(known))}, or begin it with _ if another one includes it"
        )
    return there


class _Environment(ImmutableSandboxedEnvironment):
    """Templates of this directory before ours, in the sandbox; HTML is escaped."""

    def __init__(self, own: str) -> None:
        places: list[BaseLoader] = [FileSystemLoader(place) for place in (own, str(OURS)) if place]
        super().__init__(
            loader=ChoiceLoader(places),
            undefined=StrictUndefined,
            autoescape=lambda name: bool(name) and str(name).endswith(".html"),
            keep_trailing_newline=True,
        )


def _rendered(made: _Environment, kind: Kind, lang: Lang, told: Mapping[str, object], *, own: bool) -> Rendered:
    file = name(kind, lang)
    try:
        source, path, _ = made.loader.get_source(made, file)  # type: ignore[union-attr]
        uses = find_undeclared_variables(made.parse(source, file, path))
        text = _bounded(made.get_template(file).generate(told))
    except TemplateSyntaxError as error:
        raise ConfigError(f"{error.filename or file}: line {error.lineno}: {error.message}") from None
    except TemplateNotFound as error:
        raise ConfigError(f"{file}: there is no template {error}; put it into consent.texts") from None
    except Exception as error:
        # Whatever a template does wrong is its author's, who is told where: jinja2 puts its lines into the traceback.
        raise ConfigError(f"{_place(error, file)}: {_said(error)}") from None
    if not text.strip():
        raise ConfigError(f"{file}: comes to an empty text")
    return Rendered(kind, lang, file, text, own, frozenset(uses))


def _bounded(pieces: Iterable[str]) -> str:
    made, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_TEXT:
            raise ValueError(f"makes more than {MAX_TEXT} characters")
        made.append(piece)
    return "".join(made)


def _place(error: Exception, file: str) -> str:
    """File and line of the template in which it went wrong: the innermost that is no code of Python's."""
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    ours = [f"{path}: line {line}" for path, line in places if not path.endswith(".py") and os.path.exists(path)]
    return ours[-1] if ours else file


def _said(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8; save the file as UTF-8"
    return str(error) or type(error).__name__
