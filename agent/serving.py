"""The agent as a process: what it starts with, and the code that it ends with. agent/service.py is what it does."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from agent import ipc
from agent.errors import ConfigError
from agent.keeping import stored
from agent.logfmt import begin
from agent.permission import opened
from agent.rights import keep
from agent.service import Service
from agent.supervised import configured, ending_with

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket


def main(words: list[str]) -> int:
    """``capture=FD exporter=FD control=FD supervisor=FD``: be the agent role. 0 when the supervisor has gone.

    78 where the store cannot be used.
    """
    handed = ipc.inherited(words)
    return be(handed, handed.pop("supervisor"))


def be(
    listeners: Mapping[str, socket],
    supervisor: socket,
    guests: Mapping[str, frozenset[int]] | None = None,
    registered: Callable[[object], None] | None = None,
) -> int:
    """Be the agent role behind these doors. The exit code is that of ``main``; the rest is as in ``Service``."""
    from agent.exchange.catalogue import catalogue
    from agent.exchange.fingerprint import book
    from agent.inventory import Inventory

    first = configured(supervisor)
    if first is None:
        return 0
    config, loaded = first
    log = begin("agent", config.log.level, config.log.format)
    store = stored(config.agent)
    try:
        if store is not None:
            store.open()
        office = opened(config, log)
    except ConfigError as error:
        log.error(str(error))
        return error.exit_code
    known = catalogue()
    inventory = Inventory(book(), known, config.agent.max_servers)
    kev = {flaw.cve: flaw.kev for flaw in known.flaws}
    service = Service(
        config=config, inventory=inventory, kev=kev, log=log, now=time.time, monotonic=time.monotonic, loaded=loaded,
        store=store, office=office, guests=guests,
        registered=registered,
    )  # fmt: skip
    log.info("started", extra={"max_servers": config.agent.max_servers})
    try:
        with ending_with(supervisor):
            service.serve(listeners, supervisor)
    except Exception:
        log.exception("the agent role failed")
        return 70
    return 0


if __name__ == "__main__":
    keep(frozenset())
    sys.exit(main(sys.argv[1:]))
