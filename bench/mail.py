"""The mail servers of the bulk: the lab's, several hundred of them, and the truth about each."""

from __future__ import annotations

import random
from collections.abc import Callable

from agent.lab import servers
from agent.lab.certificates import public
from agent.lab.servers import RELEASES, Server

GENERATIONS = tuple(RELEASES)
# Of a certificate with so many names, no frame holds the whole.
_MANY = 90


def _four(n: int) -> str:
    """Addresses for documentation (RFC 5737): three networks of 254 each."""
    return f"{('192.0.2', '198.51.100', '203.0.113')[n // 254 % 3]}.{n % 254 + 1}"


def _six(n: int) -> str:
    return f"2001:db8::{n + 1:x}"


def _current(r: random.Random, n: int, address: str, domain: str) -> Server:
    leaf = public(f"mail.{domain}", *(f"site{k}.{domain}" for k in range(_MANY))) if n % 5 == 0 else None
    build = "" if r.random() < 0.5 else None
    return servers.exchange(r.choice(GENERATIONS), address, f"EX{n:03}", domain, build=build, leaf=leaf)


_EXCHANGE: tuple[Callable[[int, str, str], Server], ...] = (
    lambda n, address, domain: servers.exchange_2003(address, f"mail.{domain}"),
    lambda n, address, domain: servers.exchange_55(address, f"old.{domain}"),
    lambda n, address, domain: servers.mailboxes(address, f"EX{n:03}"),
    lambda n, address, domain: servers.edge_transport(address, f"EDGE{n:03}", domain),
    lambda n, address, domain: servers.behind_proxy(address, domain),
)
_OTHERS: tuple[Callable[[int, str, str], Server], ...] = (
    lambda n, address, domain: servers.postfix(address, f"mx.{domain}"),
    lambda n, address, domain: servers.dovecot(address),
    lambda n, address, domain: servers.nginx(address, f"www.{domain}"),
    lambda n, address, domain: servers.iis_smtp(address, f"web.{domain}"),
    lambda n, address, domain: servers.grommunio(address, f"mail.{domain}"),
    lambda n, address, domain: servers.exchange_online(address),
    lambda n, address, domain: servers.beacon(address, f"cdn.{domain}"),
)


def mail_servers(r: random.Random, count: int, six: float = 0.3) -> list[tuple[Server, bool]]:
    """``count`` servers, and of each whether it is an Exchange server on a customer's premises: three in ten are."""
    found = []
    for n in range(count):
        address, domain = _six(n) if r.random() < six else _four(n), f"customer{n}.example"
        exchange = n % 10 < 3
        if not exchange:
            server = _OTHERS[n % len(_OTHERS)](n, address, domain)
        elif n % 10 == 2:
            server = _EXCHANGE[n // 10 % len(_EXCHANGE)](n, address, domain)
        else:
            server = _current(r, n, address, domain)
        found.append((server, exchange))
    return found
