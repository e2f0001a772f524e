"""Sans-IO parsers, one protocol each: bytes of one side of one flow in, facts out.

A dissector never sees the other side, a clock or a socket. Its three outcomes are facts, nothing yet, or ``Malformed``.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from agent.forms import Fact as Fact


class Dissector(Protocol):
    """One side of one flow. ``done`` turns true when nothing that follows can say more."""

    collector: ClassVar[str]
    done: bool

    def feed(self, data: bytes) -> list[Fact]:
        """The facts that the next in-order bytes complete. Raises Malformed; the flow is then given up."""

    def end(self) -> list[Fact]:
        """No more will come (gap, end of the flow or of the capture): what the unfinished rest still tells."""
