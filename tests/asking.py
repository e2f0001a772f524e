"""A laboratory in which leave is asked: a state directory with customers on record, and a daemon that may knock."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.config import check
from agent.consent import probing_txt
from agent.lab import files, leave, servers
from agent.office import Office
from agent.schema import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from agent.audit.entry import Item
    from agent.lab.servers import Server
    from agent.sections import Config


def config(directory: Path, **sections: dict[str, Any]) -> Config:
    """A configuration in which every piece of arming is there but the announcement and the look at probing.txt."""
    told: dict[str, dict[str, Any]] = {
        "consent": {"operator": "Example ISP", "public_url": "https://isp.example/objections"},
        "probe": {
            "armed": True,
            "laboratory": True,
            "sources": ["127.0.0.1"],
            "contact": "mailto:abuse@isp.example",
            "probing_url": "https://isp.example/.well-known/probing.txt",
            "per_minute": 60,
        },
        "audit": {"file": str(directory / "checkpoints")},
        "notices": {"route": "abuse@isp.example"},
        "exporter": {"listen": "127.0.0.1:0"},
        "agent": {"state": str(directory / "state"), "control": str(directory / "control")},
    }
    written = {name: told.get(name, {}) | sections.get(name, {}) for name in {*told, *sections}}
    return check(written, "laboratory")


@contextmanager
def office(of: Config) -> Iterator[Office]:
    """The office over the state directory, as a command without a daemon has it."""
    from pathlib import Path

    held = lock(Path(of.agent.state))
    made = Office(of, Path(of.agent.state), log=logging.getLogger("test"), now=time.time, monotonic=time.monotonic)
    made.open()
    try:
        yield made
    finally:
        made.close()
        import os

        os.close(held)


def enrol(of: Config, *items: Item) -> None:
    """Put on record the texts, a look at probing.txt, a full synchronisation, and these."""
    now = time.time()
    describes = probing_txt.describes(probing_txt.facts(of))
    with office(of) as opened:
        opened.record([*leave.published(now), leave.checked(now, describes), leave.synced(now), *items])


def seen(*doors: tuple[Server, int]) -> bytes:
    """A capture, made just now, in which each server's SMTP and HTTPS (at that port) are used."""
    frames = servers.gathered(
        *((at_port(server, port), servers.PLAIN) for server, port in doors), start=int((time.time() - 600) * 1e9)
    )
    return files.pcap(frames)


def at_port(server: Server, port: int) -> Server:
    """The server with its HTTPS at another port, and no cleartext HTTP, by which it would tell its build."""
    services = [replace(s, port=port) if s.port == 443 else s for s in server.services if s.port != 80]
    return replace(server, services=tuple(services))


def until(condition: Any, seconds: float = 60.0) -> bool:
    """Whether it comes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def kinds(opened: Office, *wanted: str) -> Sequence[Any]:
    """The entries of these kinds."""
    return list(opened.log.read(wanted))
