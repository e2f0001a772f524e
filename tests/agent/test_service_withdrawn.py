"""The service: who comes to look is told first what was taken back."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent import ipc
from agent.doors import Connection, Door
from agent.exchange.catalogue import catalogue
from agent.exchange.fingerprint import book
from agent.inventory import Inventory
from agent.ipc import Type
from agent.lab import leave
from agent.service import Service
from tests.agent import leaving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.office import Office

KEV = {flaw.cve: flaw.kev for flaw in catalogue().flaws}


@contextmanager
def come(service: Service) -> Iterator[tuple[Connection, socket.socket]]:
    """A capture process that has just come in, of which the service has not heard; and its end of the link."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    who = ipc.Credentials(os.getpid(), os.getuid(), os.getgid())
    with ours, theirs:
        peer = Connection(Door("capture", frozenset(), frozenset(), 4), ours, who, ipc.Reader(frozenset()))
        service._doors._enter(peer)
        yield peer, theirs


@contextmanager
def serving(directory: Path) -> Iterator[tuple[Service, Office, leaving.Clock]]:
    """A service that nobody runs, with a customer who has agreed."""
    clock = leaving.Clock()
    with leaving.opened(directory, clock, *leave.agreed("agreed", [leaving.NET], clock.wall)) as office:
        service = Service(
            config=office.config, inventory=Inventory(book(), catalogue()), kev=KEV, log=logging.getLogger("agent"),
            now=clock.now, monotonic=clock.monotonic, office=office,
        )  # fmt: skip
        yield service, office, clock
        service._doors.shut()


def test_who_is_erased_is_forgotten_by_whoever_looks(tmp_path: Path) -> None:
    with serving(tmp_path) as (service, office, clock):
        for address in (leaving.HOST, leaving.OTHER_HOST):
            service._muting.heard(address, clock.monotonic())
        with come(service) as (_, theirs):
            office.erasing.erase("agreed", uid=0, reason="request", keep=False)
            heard = list(ipc.Reader(frozenset({Type.FORGET})).feed(theirs.recv(1 << 20)))
            assert heard == [(Type.FORGET, {"prefixes": [leaving.NET]})]
        assert service._muting.due(1e9, lambda _: True) == [leaving.OTHER_HOST]


def test_who_comes_to_look_is_told_what_was_taken_back_before_a_section_that_may_not_know(tmp_path: Path) -> None:
    with serving(tmp_path) as (service, office, clock):
        service._force.start()
        office.record([leave.objected("agreed", [leaving.NET], clock.wall, headers=True)])
        service._permission.set_off(clock.monotonic())
        with come(service) as (peer, theirs):
            service.opened(peer)
            heard = list(ipc.Reader(frozenset({Type.SECTION, Type.WITHDRAWN})).feed(theirs.recv(1 << 20)))
            assert [kind for kind, _ in heard] == [Type.WITHDRAWN, Type.SECTION]
            assert heard[0][1] == {"number": 1, "handshakes": [leaving.NET], "headers": [leaving.NET]}
            assert heard[1][1]["withdrawn"] == 0, "made before"
            service._doors.put_out("capture")
        with come(service) as (peer, theirs):
            theirs.close()
            service.opened(peer)
        assert not service._force._applied, "who has gone again is not waited for"
