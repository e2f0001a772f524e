"""The console's pages that show single servers: which there are, and who may have one, how often.

The exporter says who asks. The agent can hold that against ``exporter.viewers`` and no more: a name that the exporter
gives is as trustworthy as the exporter. What a page shows is on record before it is shown; the exporter can ask for
nothing else.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.audit.log import AuditError
from agent.bucket import Bucket
from agent.errors import InputError
from agent.ipc import Type

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.inventory import Seen
    from agent.notice import View
    from agent.office import Office

# Page -> its verb, imported only when it is used.
PAGES = {
    "recent": "agent.verbs.console:recent",
    "servers": "agent.verbs.console:servers",
    "server": "agent.verbs.console:server",
}
# Each page leaves an entry that stays for ever: a person who clicks gets them, a crawler does not.
PACE = (30, 0.5)


class Views:
    """``office`` is None where nothing is kept; ``seen`` gives what else a page is made of; ``clock`` only rises."""

    def __init__(self, office: Office | None, seen: Callable[[], Seen], clock: Callable[[], float]) -> None:
        self._office = office
        self._seen = seen
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def frame(self, view: View) -> bytes:
        """The answer as a message."""
        body = self._answered(view)
        try:
            return ipc.frame(Type.VIEWED, body)
        except ValueError:
            return ipc.frame(Type.VIEWED, _refused(view, "unavailable", "this page is too long for one message"))

    def _answered(self, view: View) -> dict[str, Any]:
        if self._office is None:
            why = "nothing is kept, so it cannot be put on record who looked; name a directory in agent.state"
            return _refused(view, "unavailable", why)
        if view.user not in self._office.config.exporter.viewers:
            return _refused(view, "forbidden", "exporter.viewers does not name this user")
        if not self._takes(view.user):
            return _refused(view, "rate", "so many pages in so short a time are not for a person; wait a minute")
        return self._made(self._office, view)

    def _made(self, office: Office, view: View) -> dict[str, Any]:
        module, _, function = PAGES[view.page].partition(":")
        try:
            items = list(getattr(import_module(module), function)(office, view.words, view.user, self._seen()))
        except AuditError:
            why = "the log cannot be written, so that it would not be on record who looked; nothing is shown"
            return _refused(view, "unavailable", why)
        except InputError as error:
            return _refused(view, "unknown", str(error))
        except Exception as error:
            # Ours, and no reason for everybody else to lose the agent.
            logging.getLogger("agent").exception("a page of the console failed", extra={"page": view.page})
            return _refused(view, "unavailable", f"the daemon failed at this page ({type(error).__name__})")
        return {"number": view.number, "status": "shown", "items": items, "error": None}

    def _takes(self, user: str) -> bool:
        """Whether this user may have one more page now. There are as many buckets as viewers at the most."""
        viewers = self._office.config.exporter.viewers if self._office else ()
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if name in viewers}
        return self._buckets.setdefault(user, Bucket(*PACE, self._clock)).takes()


def _refused(view: View, status: str, why: str) -> dict[str, Any]:
    return {"number": view.number, "status": status, "items": [], "error": why}
