"""Diagnoses of a daemon that is well, changed where a test needs it, and a control socket that tells them."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.config import Config
from agent.diagnosis import Diagnosis, diagnosis
from agent.ipc import Type
from agent.lab.listening import stop
from agent.model import KINDS
from agent.snapshot import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
LAST = "\0the last of it\0"  # written to a terminal behind all that is to be read

COUNTS = {
    "offered": 10_000_000, "nic_missed": 0, "frames_seen": 20_000, "frames_used": 9_000, "drop_ring": 0,
    "drop_fragment": 0, "drop_not_ip": 0, "drop_truncated": 0, "drop_too_deep": 0, "drop_bad_ip": 0, "drop_bad_tcp": 0,
    "drop_not_wanted": 6_000, "drop_outside_prefixes": 2_000, "drop_muted": 1_000, "drop_no_payload": 2_000,
    "ring_freezes": 0, "takeovers": 1, "seen_twice": 3, "went_down": 0, "came_back": 0, "renamed": 0,
}  # fmt: skip
GAUGES = {
    "up": 1.0, "ring_fill": 0.1, "filter_suspect": 0.0, "filter_instructions": 800.0, "demoted": 0.0,
    "muted_in_filter": 12.0,
}  # fmt: skip
WHOLE = {
    "streams": 4_000, "streams_with_gap": 3, "streams_evicted_full": 0, "streams_evicted_age": 20, "segments_cut": 0,
    "streams_at_limit": 2, "malformed_dns": 0, "malformed_smtp": 4, "observations": 3_000, "repeats": 500,
    "queue_full": 0, "told_too_long": 0, "parse_microseconds": 2_000_000,
}  # fmt: skip
SEEN = {"tls.sni": 900, "tls.certificate": 500, "tls.server_hello": 600, "smtp.greeting": 400, "tcp.synack": 600}


def said(at: float = 1000.0, **change: Any) -> Diagnosis:
    """A diagnosis at a time. ``change``: fields, of which dicts change what is there key by key.

    ``counts`` and ``gauges`` are those of the only interface, eth1; ``cleared`` empties a field first.
    """
    tally = Tally(started=10.0, progress=at)
    body = diagnosis(
        {
            "time": at, "took": 0.01, **tally.body(), "not_ready": [], "servers": [], "kept": 300,
            "kept_at_most": 65_536, "inventory": {"observations": 2_900, "repeats": 100, "servers_evicted": 0},
            "evidence": {"smtp-greeting-exchange": 7}, "connections": {"capture": 1, "exporter": 1},
            "config": {"number": 3, "applied": 3, "reload_successful": True, "prefix_files_failing": 0},
            "inputs": {"files": 0, "read": 0, "unreadable": 0},
        },
        Config(),
    )  # fmt: skip
    body |= {"counters": dict(WHOLE), "observations": dict.fromkeys(KINDS, 0) | SEEN}
    body["config"] |= {"capture.interfaces": ["eth1"]}
    eth1 = {"name": "eth1", "counts": COUNTS | change.pop("counts", {}), "gauges": GAUGES | change.pop("gauges", {})}
    body["interfaces"] = [eth1]
    for gone in change.pop("cleared", ()):
        body[gone] = {}
    for name, value in change.items():
        body[name] = body[name] | value if isinstance(value, dict) else value
    return Diagnosis.model_validate(body)


def later(before: Diagnosis, seconds: float = 2.0, **change: Any) -> Diagnosis:
    """The same daemon some seconds after, when 20 000 more frames were offered to it."""
    counts = {"offered": before.interfaces[0].counts.get("offered", 0) + 20_000}
    return said(before.time + seconds, **{**change, "counts": counts | change.get("counts", {})})


@contextmanager
def answering(path: Path, *answers: Diagnosis | bytes) -> Iterator[list[dict[str, Any]]]:
    """A control socket that gives these answers one by one, the last of them ever after; gives what it is asked."""
    asked: list[dict[str, Any]] = []
    left = list(answers)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(ipc.Link(connection, frozenset({Type.ASK})),), daemon=True).start()

    def answer(link: ipc.Link) -> None:
        with suppress(OSError):  # who asked may end at any time
            while (question := link.receive()) is not None:
                asked.append(question[1])
                told = left.pop(0) if len(left) > 1 else left[0]
                said = told if isinstance(told, bytes) else ipc.frame(Type.DIAGNOSIS, told.model_dump())
                link.connection.sendall(said)
        link.close()

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield asked
    finally:
        stop(listener, serving)
