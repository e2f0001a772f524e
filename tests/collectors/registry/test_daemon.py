"""An import, an export and a snapshot by the control socket of a daemon that runs, and what others wait meanwhile."""

from __future__ import annotations

import threading
import time
from argparse import Namespace
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agent import ipc
from agent.__main__ import main
from agent.errors import InputError
from agent.ipc import Type
from agent.lab import servers
from agent.orders import opened
from agent.supervisor import Daemon
from bench.registry import rows
from collectors.registry.export import main as export
from collectors.registry.reading import Reading
from collectors.registry.sending import send
from tests.asking import config, office, seen

if TYPE_CHECKING:
    from pathlib import Path

    from agent.sections import Config

CUSTOMERS = 1000
MADE = "2024-01-24T08:00:00Z"
PATIENCE = 10.0  # seconds; it takes less than a tenth of that, but other things run on the machine and its disk too


def running(at: Path, **consent: str) -> Config:
    at.mkdir()
    (at / "state").mkdir(mode=0o700)
    (at / "edge.pcap").write_bytes(seen((servers.exchange("2016", "127.0.0.9"), 443)))
    return config(at, capture={"files": [str(at / "edge.pcap")]}, consent=consent)


def waits(control: str, ended: threading.Event, found: list[float]) -> None:
    """Ask for the status all the time."""
    with closing(ipc.connect(control, frozenset({Type.STATUS}), 60)) as link:
        while not ended.wait(0.02):
            began = time.monotonic()
            link.send(Type.ASK, {"what": "status"})
            assert link.receive() is not None
            found.append(time.monotonic() - began)


def test_nobody_waits_long(tmp_path: Path) -> None:
    here, snapshot = running(tmp_path / "here"), tmp_path / "snapshot"
    with office(here) as opened_:
        (tmp_path / "keys").write_text(f"{opened_.log.vkey}\n")
    there = running(tmp_path / "there", snapshot_keys=str(tmp_path / "keys"))
    with Daemon(here) as daemon:
        assert daemon.wait_ready(60)
        found: list[float] = []
        ended = threading.Event()
        asking = threading.Thread(target=waits, args=(daemon.control_path, ended, found))
        asking.start()
        with opened(Namespace(config=None, state=None, control=daemon.control_path)) as give:
            came = send(
                give, Reading(MADE, full=True, rows=rows(CUSTOMERS), faults=[]), "crm", show=False, accept_loss=False
            )
        assert (came.recorded, came.fault_count) == (2 * CUSTOMERS + 1, 0)
        assert export(["--snapshot", str(snapshot), "--control", daemon.control_path]) == 0
        ended.set()
        asking.join()
        assert len(found) > 5 and max(found) < PATIENCE
    with Daemon(there) as daemon:
        assert daemon.wait_ready(60)
        assert main(["import", "snapshot", str(snapshot), "--control", daemon.control_path]) == 0
    for each in (here, there):
        with office(each) as opened_:
            assert sum(1 for _ in opened_.register.customers()) == CUSTOMERS
            assert opened_.register.synced("crm") is not None


def test_an_order_that_is_too_long_says_so(tmp_path: Path) -> None:
    of = running(tmp_path / "here")
    with Daemon(of) as daemon, opened(Namespace(config=None, state=None, control=daemon.control_path)) as give:
        with pytest.raises(InputError, match=r"more than one order can hold: .*; give less at once"):
            give("registry.rows", {"session": "x", "rows": ["x" * (5 << 20)]})
        with pytest.raises(InputError, match="not known any more"):  # it can be gone on with
            give("registry.rows", {"session": "x", "rows": []})
