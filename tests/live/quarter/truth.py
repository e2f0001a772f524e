"""Customers and their servers as they truly are, kept beside what the agent has on record: nothing here asks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.lab import leave
from tests.live.quarter.relay import FATES

if TYPE_CHECKING:
    import random

HOUR, DAY = 3600.0, 86_400.0
BEGINS = 1_795_000_000.0
CRITICAL, HIGH, FIXED = "15.1.2176.2", "15.1.2507.75", "15.2.2562.53"  # builds; HIGH is at the end of its support


class At(NamedTuple):
    """When something came to be: in which order among all that happened, and at which time of the story."""

    order: int
    wall: float


@dataclass
class Customer:
    """``ways``: since when, each way to reach him, (role, channel, address), is verified; each list as it was said."""

    ref: str
    ways: list[tuple[At, list[tuple[str, str, str]]]] = field(default_factory=list)
    objections: list[tuple[At, str]] = field(default_factory=list)  # of a prefix, or "" of everything
    ended: At | None = None
    touched: bool = False  # whether anything at all happened beside that he was told

    def objects(self, prefix: str, order: int = 1 << 60) -> bool:
        """Whether he had said no to this before that moment."""
        return any(at.order < order and to in ("", prefix) for at, to in self.objections)

    def reached_by(self, address: str, order: int) -> set[str]:
        """The roles that a mail address of his has at that moment."""
        known = [ways for at, ways in self.ways if at.order < order]
        return {role for role, channel, to in known[-1] if channel == "mail" and to == address} if known else set()


@dataclass
class Server:
    """``held``: whose its address was since when; ``shown``: what a look at it showed, and whose it was then."""

    number: int
    held: list[tuple[At, str]] = field(default_factory=list)
    shown: list[tuple[At, str, str]] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return f"2001:db8:{self.number:x}::/48"

    @property
    def address(self) -> str:
        return f"2001:db8:{self.number:x}::1"

    @property
    def holder(self) -> str:
        return self.held[-1][1]

    def holder_at(self, order: int) -> str:
        return next(ref for at, ref in reversed(self.held) if at.order < order)

    def shows(self, order: int) -> tuple[str, str]:
        """What it last showed before that moment, and whose it was when it did."""
        return next(((build, ref) for at, build, ref in reversed(self.shown) if at.order < order), ("", ""))


class Truth:
    """``servers``: by address, in the order of their numbers, which begin with 1."""

    def __init__(self, many: int, chance: random.Random) -> None:
        self.customers: dict[str, Customer] = {}
        self.servers: dict[str, Server] = {}
        self._chance = chance
        for number in range(1, many + 1):
            customer = Customer(f"c-{number}")
            customer.ways.append((At(0, BEGINS), self.some_ways(customer.ref, 0)))
            server = Server(number, [(At(0, BEGINS), customer.ref)])
            self.customers[customer.ref] = customer
            self.servers[server.address] = server

    def some_ways(self, ref: str, turn: int) -> list[tuple[str, str, str]]:
        """Two channels at least; one customer in fifty has no mail."""
        chance = self._chance

        def mail(role: str) -> tuple[str, str, str]:
            fate = chance.choices(FATES, (82, 4, 8, 3, 3))[0]
            return role, "mail", f"{role}-{turn}.{fate}@{ref}.example"

        ways = [mail("security")] if chance.random() < 0.96 else []
        if chance.random() < 0.5 or not ways:
            ways.append(("security", "phone", f"+31 20 555 {turn:02}00"))
        if chance.random() < 0.6:
            ways.append(mail("owner"))
        if chance.random() < 0.2:
            ways.append(mail("abuse"))
        if chance.random() < 0.5 or len({channel for _, channel, _ in ways}) < 2:
            ways.append(("owner", "letter", f"Kade {turn}, Delft"))
        if chance.random() < 0.1:
            ways.append(("owner", "portal", f"portal/{turn}"))
        return ways

    @staticmethod
    def written(ways: list[tuple[str, str, str]], now: float) -> list[dict[str, Any]]:
        """As a record has it; and one beside that nobody has verified, to whom nothing may ever go."""
        verified = leave.ago(now, 0)
        known = [
            {"role": role, "channel": channel, "address": to, "verified_at": verified,
             "lang": "en" if role == "owner" else "nl"}
            for role, channel, to in ways
        ]  # fmt: skip
        domain = next((to.rpartition("@")[2] for _, channel, to in ways if channel == "mail"), "c-0.example")
        return [*known, {"role": "abuse", "channel": "mail", "address": f"nobody-0.ok@{domain}"}]
