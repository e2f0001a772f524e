"""A daemon with made-up servers and customers, as the demo has them, whose console asks for a password."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from base64 import b64encode
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import bcrypt

from agent.config import check, dump, load
from agent.lab import demo, files, servers, story_cast, story_papers
from agent.lab.story import Story
from agent.lab.traffic import Path as Line
from agent.schema import AUDIT
from agent.supervisor import Daemon
from tests.live.world import PATIENCE, wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.sections import Config

VIEWER, OTHER, PASSWORD = "anna", "bob", "made-up"


class World(NamedTuple):
    """``url``: of the console, without a slash at its end; ``names``: everything that only a server's page may hold."""

    url: str
    names: frozenset[str]
    daemon: Daemon
    directory: Path

    def read(self) -> list[dict[str, Any]]:
        """What is on record of who looked, in its order; by the log's own file, which the daemon goes on writing."""
        with closing(sqlite3.connect(f"file:{self.directory / 'state' / AUDIT}?mode=ro", uri=True)) as log:
            entries = [json.loads(canon) for (canon,) in log.execute("SELECT canon FROM entries ORDER BY number")]
        return [said["public"] for said in entries if said["kind"] == "finding.read"]

    def resident(self, module: str) -> int:
        """Bytes that the role of this module holds in memory."""
        (child,) = [each.process for each in self.daemon._children if each.role.module == module]
        assert child is not None
        return int(Path(f"/proc/{child.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def shown(directory: Path) -> Iterator[World]:
    """The demo's daemon, its story told: seen, asked, objected, knocked."""
    capture = files.pcap(servers.gathered(*((server, Line(stack)) for server, stack in demo.roster())))
    (directory / "edge.pcap").write_bytes(capture)
    with story_cast.front_ends() as doors:
        (directory / "customers.pcap").write_bytes(story_cast.capture(doors))
        config = story_papers.configuration(directory, ["edge.pcap", "customers.pcap"])
        story_papers.books(directory)
        with Daemon(config, patience=2, reread=lambda: load(str(directory / story_papers.CONFIG))) as daemon:
            assert daemon.wait_finished(60)
            Story(directory, doors, daemon, lambda text: None).tell()
            # The story looks at the metrics, and has no password.
            _closed(directory, config)
            daemon.reload()
            url = daemon.url("listen")
            wait(lambda: _status(url) == 200, PATIENCE, lambda: "the pages are not the viewer's")
            found = daemon.assessments()
            names = {name for each in found for name in (each["address"], *each["names"]) if "." in name or ":" in name}
            refs = {customer.ref for customer in story_cast.CUSTOMERS}
            yield World(url, frozenset(names | refs), daemon, directory)


def _closed(directory: Path, config: Config) -> None:
    """From the next reload on, there are users, and one of them may see single servers."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (directory / "web.yml").write_text(f"basic_auth_users:\n  {VIEWER}: {hashed}\n  {OTHER}: {hashed}\n")
    changed = config.model_dump(mode="json")
    changed["exporter"] |= {"web_config": str(directory / "web.yml"), "viewers": [VIEWER]}
    (directory / story_papers.CONFIG).write_text(dump(check(changed, story_papers.CONFIG)))


def _status(url: str) -> int:
    """Of a page that nobody but the viewer may have; 0 while nobody answers."""
    with suppress(OSError, IndexError, ValueError):
        return fetched(url, "/recent")[0]
    return 0


def fetched(url: str, path: str, user: str = VIEWER, password: str = PASSWORD) -> tuple[int, str, str]:
    """Status, head and body of a page."""
    host, port = url.rpartition("//")[2].split(":")
    told = b64encode(f"{user}:{password}".encode()).decode()
    with socket.socket() as client:
        client.settimeout(PATIENCE)
        client.connect((host, int(port)))
        client.sendall(f"GET {path} HTTP/1.0\r\nAuthorization: Basic {told}\r\n\r\n".encode())
        answer = b""
        while more := client.recv(65_536):
            answer += more
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), head, body
