"""Whom the demo's story is about: three made-up customers, each with a simulated Exchange on this machine's loopback.

Nothing of it was recorded. The capture of their handshakes is made now, and shows the certificates that the front ends
really show, as a probe expects it of a server that was seen.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from agent.lab import files, fronts, keys, servers
from agent.lab.certificates import public
from agent.lab.fronts_door import Door
from agent.lab.traffic import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.lab.servers import Server

GENERATION = "2016"
BUILD = "15.1.2242.4"  # CU20 of March 2021: the updates against ProxyShell and later holes are not installed
_SEEN_AGO = 600  # seconds


class Customer(NamedTuple):
    """A reference as the operator's books have it, who it is, and where the server is."""

    ref: str
    who: str
    domain: str
    address: str


OPTICIAN = Customer("C-1001", "optician", "optician.example", "127.10.0.1")
LIBRARY = Customer("C-1002", "library", "library.example", "127.20.0.1")
BOOKSHOP = Customer("C-1003", "bookshop", "bookshop.example", "127.30.0.1")
CUSTOMERS = (OPTICIAN, LIBRARY, BOOKSHOP)

Doors = dict[Customer, Door]


@contextlib.contextmanager
def front_ends() -> Iterator[Doors]:
    """A listening front end for each customer, at a free port; the same one for all, where it is free for all.

    Raises OSError.
    """
    key = keys.generate("demo")
    pages = fronts.pages(GENERATION, build=BUILD)
    with contextlib.ExitStack() as stack:
        doors: Doors = {}
        for one in CUSTOMERS:
            leaf = replace(public(f"mail.{one.domain}", f"autodiscover.{one.domain}"), key=key)
            door = Door(fronts.serve(pages, leaves=(leaf,)), key, one.address)
            _open(door, next(iter(doors.values())).port if doors else 0)
            stack.callback(door.close)
            doors[one] = door
        yield doors


def _open(door: Door, port: int) -> None:
    door.port = port
    try:
        door.open()
    except OSError:
        door.port = 0
        door.open()


def capture(doors: Doors) -> bytes:
    """A capture (pcap) in which somebody has just used mail and web of each customer's server."""
    visited = [(at_port(_server(one, door), door.port), PLAIN) for one, door in doors.items()]
    return files.pcap(servers.gathered(*visited, start=int((time.time() - _SEEN_AGO) * 1e9)))


def _server(one: Customer, door: Door) -> Server:
    leaf = replace(public(f"mail.{one.domain}", f"autodiscover.{one.domain}"), key=door.key)
    return servers.exchange(GENERATION, one.address, "MAIL", one.domain, build=BUILD, leaf=leaf)


def at_port(server: Server, port: int) -> Server:
    """The server with its HTTPS at another port, and no cleartext HTTP, by which it would tell its build."""
    services = [replace(each, port=port) if each.port == 443 else each for each in server.services if each.port != 80]
    return replace(server, services=tuple(services))
