"""The connections that begin at our own probe's addresses, as they pass an interface: each once.

They are no observations. The agent holds them against what is on record (agent/selfaudit.py): whatever knocks from
there and is not in the log, ours or not, is found out.
"""

from __future__ import annotations

from collections import OrderedDict
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

MAX_KNOWN = 4096
MAX_BATCH = 256  # in one message; the agent refuses more (agent/messages.py)
MOST = 200  # in a second; who forges our address must not fill the link to the agent
# Seconds in which the same connection with the same first number is a SYN that was sent again, or seen twice on its
# way: Linux sends one for 127 seconds (tcp(7), tcp_syn_retries).
AGAIN = 180.0


class Knocks:
    """Distinct connections since they were last taken. ``counts`` rise."""

    def __init__(self) -> None:
        self.counts = {"knocks": 0, "knocks_repeated": 0, "knocks_untold": 0}
        self._known: OrderedDict[tuple[bytes, int], float] = OrderedDict()
        self._out: list[dict[str, Any]] = []
        self._second = self._told = 0

    def saw(self, flow: bytes, sequence: int, time: float) -> None:
        """A SYN: addresses and ports as they stand in its headers, its first number, and its time since the epoch."""
        key = (flow, sequence)
        before = self._known.get(key)
        if before is not None and abs(time - before) < AGAIN:
            self.counts["knocks_repeated"] += 1
            return
        if before is None and len(self._known) >= MAX_KNOWN:
            self._known.popitem(last=False)
        self._known[key] = time
        self.counts["knocks"] += 1
        if self._affords(time):
            self._out.append(told(flow, time))
        else:
            self.counts["knocks_untold"] += 1

    def taken(self) -> list[dict[str, Any]]:
        """The connections since this was last asked, as the agent takes them (agent.messages.Knock)."""
        out, self._out = self._out, []
        return out

    def _affords(self, time: float) -> bool:
        if int(time) != self._second:
            self._second, self._told = int(time), 0
        self._told += 1
        return self._told <= MOST


def told(flow: bytes, time: float) -> dict[str, Any]:
    """A connection in words."""
    half = len(flow) - 4 >> 1
    family = AF_INET if half == 4 else AF_INET6
    return {
        "source": inet_ntop(family, flow[:half]),
        "source_port": int.from_bytes(flow[-4:-2], "big"),
        "address": inet_ntop(family, flow[half:-4]),
        "port": int.from_bytes(flow[-2:], "big"),
        "time": time,
    }
