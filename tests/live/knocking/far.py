"""The far side: one server at very many addresses, which treats its visitors by the address that they came to.

    python -m tests.live.knocking.far

An address of the laboratory's ends in the number of its way of doing things: WAYS. Nobody listens at CLOSED.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace
from functools import cache
from hashlib import sha256
from ipaddress import ip_address
from struct import Struct

from agent.lab import fronts, keys
from agent.lab.certificates import der
from agent.lab.exchange_server import context

PORT, CLOSED = 443, 444
_RESET = Struct("ii").pack(1, 0)  # SO_LINGER of socket(7): closing sends RST
SLOW, LATE = 0.6, 1.5  # seconds before each answer: by the first, a probe takes three of them
# Most of them are well: else the breakers would leave nobody to knock at.
WAYS = (
    "exchange", "exchange", "slow", "exchange", "stripped", "exchange", "exchange", "late",
    "other", "exchange", "exchange", "reset", "exchange", "hanging", "silent", "refusing",
)  # fmt: skip
_STRIPPED = {path: fronts.without(page, "X-OWA-Version", "X-FEServer") for path, page in fronts.pages("2016").items()}
_PAGES = {
    "exchange": fronts.pages("2016"), "late": fronts.pages("2019"), "slow": _STRIPPED, "stripped": _STRIPPED,
    "other": {},
}  # fmt: skip
_WAITS = {"slow": SLOW, "late": LATE}
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n"


def way(address: str) -> str:
    """What is done with who comes to this address."""
    return WAYS[int(ip_address(address)) % len(WAYS)]


@cache
def key() -> keys.Key:
    return keys.generate("knocking")


def fingerprint() -> str:
    """SHA-256 of the certificate that all of them show."""
    return sha256(der(replace(fronts.LEAF, key=key()))).hexdigest()


async def _visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    does = way(writer.get_extra_info("sockname")[0])
    with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        if does == "reset":
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
            return
        asked = await reader.readuntil(b"\r\n\r\n")
        if does == "hanging":
            await reader.read()
            return
        await asyncio.sleep(_WAITS.get(does, 0))
        writer.write(_PAGES[does].get(asked.split(b" ", 2)[1], _NOT_FOUND))
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def main() -> None:
    leaf = replace(fronts.LEAF, key=key())
    made = context(leaf, key(), "1.2")
    servers = [await asyncio.start_server(_visited, host, PORT, ssl=made, backlog=512) for host in ("0.0.0.0", "::")]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main())
