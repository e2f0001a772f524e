"""What was told of whom, and who is left alone: the memory that keeps the agent's load apart from the traffic's."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING

from agent.model import Endpoint, Observation, timeless

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600.0  # seconds; a fact is told again after that long
MAX_TOLD = 65_536
# A server whose streams told nothing new so often in a row is left alone for an hour.
ENOUGH = 3
MAX_QUIET = 32_768
MAX_PASSED = 16_384
BUSY = 4  # streams passed over before a server is worth a place in the filter
_HTTPS = (443).to_bytes(2, "big")
CLIENT = b"c"  # a side of a server's talk: what clients say to it, or the first byte of what it says itself
_TLS_SIDES = (CLIENT, b"\x16")
# How what is told begins: a hello, a SYN-ACK, TLS, SMTP, IMAP, POP3, HTTP.
_SIDES = (CLIENT, b"s", b"\x16", b"2", b"*", b"+", b"H")


class Telling:
    """Takes facts, gives observations: each fact of a server once an hour. Both tables are bounded, oldest out.

    A server is its packed address and port; who is asked about (``sated``) is a server and a side of its talk.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.counts = {"observations": 0, "repeats": 0}
        # By hash, which is keyed anew in each process (PEP 456): a third of the memory that the facts themselves take.
        self._told: OrderedDict[int, float] = OrderedDict()
        self.quiet: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        self._passed: dict[bytes, int] = {}
        self._muted: dict[bytes, float] = {}
        self._out: list[Observation] = []

    def given(self) -> list[Observation]:
        """The observations since this was last asked."""
        out, self._out = self._out, []
        return out

    def say(self, server: bytes, kind: str, value: str, time: float, collector: str) -> bool:
        """Tell a fact, unless it was told within the hour. True if it was new."""
        key = hash((server, kind, timeless(kind, value) if kind == "smtp.greeting" else value))
        before = self._told.get(key)
        if before is not None and time - before < HOUR:
            self.counts["repeats"] += 1
            return False
        if before is None and len(self._told) >= MAX_TOLD:
            self._told.popitem(last=False)
        self._told[key] = time
        self.counts["observations"] += 1
        self._out.append(Observation(_endpoint(server), kind, value, time, "passive", collector, self.number))
        return True

    def begin_anew(self) -> None:
        """Nothing was told to anybody yet."""
        for table in (self._told, self.quiet, self._passed, self._muted, self._out):
            table.clear()

    def let_go(self, theirs: Callable[[bytes], bool]) -> None:
        """Remember none of these packed addresses, and no name that was asked for: whose that is nobody can tell here.

        Of what was told only hashes are kept, by which nobody is found.
        """
        for table in (self.quiet, self._passed, self._muted):
            for who in [who for who in table if (address := _address(who)) is None or theirs(address)]:
                del table[who]
        self._out = [each for each in self._out if not theirs(packed(each.server)[:-2])]
        _endpoint.cache_clear()

    def forget(self, observation: Observation) -> None:
        """An observation reached nobody: it may be told again, and its server is listened to."""
        server = packed(observation.server)
        self._told.pop(hash((server, observation.kind, timeless(observation.kind, observation.value))), None)
        self.counts["observations"] -= 1
        for side in _SIDES:
            self.quiet.pop(server + side, None)

    def sated(self, who: bytes, time: float) -> bool:
        """Whether enough was heard of this side of a server for the hour."""
        quiet = self.quiet.get(who)
        return quiet is not None and quiet[0] >= ENOUGH and time - quiet[1] < HOUR

    def pass_over(self, server: bytes, time: float) -> None:
        """A stream was not looked at, for enough was heard of that server; if that comes often, it can be muted."""
        passed = self._passed.get(server, 0) + 1
        if len(self._passed) >= MAX_PASSED:
            self._passed.clear()
        self._passed[server] = passed
        if passed % BUSY or server[-2:] != _HTTPS or server[:-2] in self._muted:
            return
        if all(self.sated(server + side, time) for side in _TLS_SIDES):
            self._muted[server[:-2]] = time

    def muted(self, time: float) -> list[bytes]:
        """The addresses of which nothing of port 443 is wanted, as of a time."""
        self._muted = {server: since for server, since in self._muted.items() if time - since < HOUR}
        return list(self._muted)

    def judge(self, who: bytes, time: float, *, news: bool, weight: int = 1) -> None:
        """A stream of this side has ended, and has told something new or not."""
        quiet = self.quiet.get(who)
        if news:
            if quiet:
                del self.quiet[who]
            return
        if quiet is None and len(self.quiet) >= MAX_QUIET:
            self.quiet.popitem(last=False)
        times = quiet[0] if quiet and quiet[0] < ENOUGH else 0
        self.quiet[who] = (times + weight, time)


def _address(who: bytes) -> bytes | None:
    """The packed address in a key of a table: alone, with a port, and with a side; None for a question (DNS)."""
    if len(who) in (4, 6, 7):
        return who[:4]
    return who[:16] if len(who) in (16, 18, 19) else None


@lru_cache(maxsize=4096)
def _endpoint(server: bytes) -> Endpoint:
    family = AF_INET if len(server) == 6 else AF_INET6
    return Endpoint(inet_ntop(family, server[:-2]), int.from_bytes(server[-2:], "big"))


def packed(endpoint: Endpoint) -> bytes:
    """A server as ``Telling`` names it."""
    family = AF_INET6 if ":" in endpoint.address else AF_INET
    return inet_pton(family, endpoint.address) + endpoint.port.to_bytes(2, "big")
