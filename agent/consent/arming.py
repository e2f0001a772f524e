"""Whether everything is in place before anybody is knocked at: the pieces of agent.leave.PIECES, and what to do.

In a laboratory the same pieces are needed. What is not known counts as missing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.audit.entry import Item
from agent.consent import probing_txt
from agent.consent.written import rfc3339
from agent.leave import PIECES

if TYPE_CHECKING:
    from agent.audit.entry import Opened
    from agent.consent.register import Register
    from agent.sections import Config

CHECKED_SECONDS = 30 * 86_400.0  # how long a look at probing.txt counts

SENTENCES = {
    "armed": "probe.armed is false: set it to true when all the rest is there, and reload",
    "contact": "nobody answers for the probes: set probe.contact to a mail address or a URL",
    "source": "it is not said where probes come from: set probe.sources to this machine's own addresses for them",
    "announcement": (
        "nobody has been told: send the announcement (`knockfirst consent announce render`) and put on record to whom "
        "it was delivered (`knockfirst consent announce record`)"
    ),
    "probing_txt": (
        "probing.txt was not seen at probe.probing_url in the last 30 days as the configuration has it now, and in "
        "force: publish it (`knockfirst probing text`), then run `knockfirst probing check`"
    ),
    "audit_sink": "no checkpoint of the log leaves this process: set audit.file or audit.syslog",
    "notification_route": "nobody would tell a customer what was found: set notices.route to that desk's mail address",
    "state": "nothing is kept, so nothing can be on record: name a directory in agent.state, or set $STATE_DIRECTORY",
}


class Checked(NamedTuple):
    """A look at probing.txt: when, until when it holds, its hash, and what it described (``probing_txt.describes``)."""

    at: float
    expires: float
    sha256: str
    describes: str


class Published:
    """What was last seen of probing.txt: a fold over the log's ``probing.checked``."""

    KINDS = frozenset({"probing.checked"})

    def __init__(self) -> None:
        self.checked: Checked | None = None
        self._told: tuple[int, bool] | None = None

    def apply(self, entry: Opened) -> None:
        """Fold one entry; kinds that it does not know are ignored, and so is one that says too little."""
        if entry.kind == "probing.checked":
            self.checked = _checked(entry)

    def in_order(self, config: Config, now: float) -> bool:
        """Whether what was seen is young enough, in force, and says what the configuration does."""
        seen = self.checked
        return (
            seen is not None
            and 0 <= now - seen.at <= CHECKED_SECONDS
            and now < seen.expires
            and not probing_txt.lacking(config)
            and seen.describes == probing_txt.describes(probing_txt.facts(config))
        )

    def told(self, register: Register) -> bool:
        """Whether anybody was told anything that arrived. Asked again only of a register that has changed."""
        if self._told is None or self._told[0] != register.version:
            found = any(one.delivered == "yes" for each in register.customers() for one in each.announcements)
            self._told = register.version, found
        return self._told[1]


def missing(
    config: Config, register: Register, published: Published, now: float, *, state: bool = True
) -> tuple[str, ...]:
    """Which pieces are missing, in the order of PIECES. ``state``: whether there is a store, as who has a log knows."""
    there = {
        "armed": config.probe.armed,
        "contact": bool(config.probe.contact),
        "source": bool(config.probe.sources),
        "announcement": published.told(register),
        "probing_txt": published.in_order(config, now),
        "audit_sink": bool(config.audit.file or config.audit.syslog),
        "notification_route": bool(config.notices.route),
        "state": state,
    }
    return tuple(piece for piece in PIECES if not there[piece])


def checked_item(config: Config, content: bytes, at: float, expires: float) -> Item:
    """What is put on record of a look at probing.txt that found what the configuration says."""
    return Item(
        "probing.checked",
        {
            "sha256": sha256(content).hexdigest(),
            "at": _text(at),
            "expires": _text(expires),
            "describes": probing_txt.describes(probing_txt.facts(config)),
        },
    )


def _checked(entry: Opened) -> Checked | None:
    said: dict[str, Any] = entry.public
    try:
        expires = datetime.fromisoformat(said["expires"]).timestamp()
        return Checked(entry.time, expires, str(said["sha256"]), str(said.get("describes", "")))
    except (KeyError, TypeError, ValueError):
        return None


def _text(moment: float) -> str:
    return rfc3339(datetime.fromtimestamp(moment, UTC))
