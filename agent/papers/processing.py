"""The record of processing (GDPR, article 30) and a skeleton of the impact assessment (article 35).

What the configuration says is stated; what it cannot know is marked as a question for whoever answers for it. So
neither paper says anything else than what the program does, as long as it is made anew when the configuration changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from agent.config import fingerprint
from agent.leave import Budget
from agent.papers.making import LANGUAGES, OURS, made
from agent.retention import KINDS, TOKEN_DAYS
from agent.templates import Templates, own_files

if TYPE_CHECKING:
    from agent.sections import Config

Paper = Literal["ropa", "dpia"]
PAPERS: tuple[Paper, ...] = ("ropa", "dpia")
KEY = "--templates"
# Keys of which neither paper says anything, and why. Every other one changes what they say.
SILENT = {
    "capture.files": "capture files are read by order, for a demonstration or a test",
    "capture.encapsulations": "in which tunnels the same traffic comes",
    "capture.count_frames": "how fast it is",
    "capture.ring_mib": "how fast it is",
    "capture.block_ms": "how fast it is",
    "capture.workers": "how fast it is",
    "capture.cpus": "how fast it is",
    "capture.promiscuous": "how the port is wired",
    "capture.ignore_outgoing": "how the port is wired",
    "capture.synack_sample": "how fast it is; it only ever looks at less",
    "capture.mute_seconds": "how fast it is; it only ever looks at less",
    "capture.suspect_seconds": "how soon a fault is told",
    "capture.max_streams": "how fast it is",
    "capture.queue": "how fast it is",
    "capture.user": "which user without rights it is",
    "consent.lost_percent": "when a source of customers is taken to be faulty",
    "consent.texts": "where your own texts are",
    "consent.routed": "a further reason to let somebody be",
    "probe.kill_switch": "where the switch is that stops it",
    "probe.self_audit": "the program is held against its own log",
    "audit.origin": "the name of the log",
    "notices.ca": "who vouches for the relay",
    "notices.user": "the program's name at the relay",
    "notices.templates": "where your own texts are",
    "exporter.probing": "who serves the file that says who knocks",
    "agent.max_servers": "how much it can hold",
    "agent.control": "where a socket is",
    "agent.max_observations": "how much it can hold",
    "log.level": "no line of any level has personal data",
    "log.format": "no line of any level has personal data",
}


def facts(config: Config, date: str) -> dict[str, Any]:
    """Every fact that a template may name: the sections of the configuration, and what is made of them."""
    budget = Budget()
    return {
        **{name: getattr(config, name) for name in type(config).model_fields},
        "retention": {kind.name: kind.period(config) for kind in KINDS},
        "token_days": TOKEN_DAYS,
        "sha256": fingerprint(config),
        "requests": budget.connections,
        "kib": budget.bytes >> 10,
        "date": date,
        "mails": config.notices.mails,
    }


def paper(which: Paper, lang: str, config: Config, date: str, own: str = "") -> str:
    """Its text as Markdown. ``date``: when it is made; ``own``: directory of the operator's templates, "" for none.

    Raises ConfigError: file, line, what is wrong.
    """
    if own:
        own_files(own, [f"{name}.{lang}.md" for name in PAPERS for lang in LANGUAGES], KEY)
    return made(Templates(own, OURS, KEY, _in_a_cell, trim=True), f"{which}.{lang}.md", facts(config, date))


def _in_a_cell(value: object) -> object:
    """Words of the operator's as they may stand in a cell of a table in Markdown."""
    return " ".join(value.split()).replace("|", "\\|") if isinstance(value, str) else value
