"""Objections of nobody who is known: they wait for a person. A fold over entries, like the register."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.audit.entry import Opened


class Unmatched:
    """``waiting``: number of the entry of each that nobody has seen to yet -> when it came, the oldest first."""

    KINDS = frozenset({"objection.unmatched", "objection.seen"})

    def __init__(self) -> None:
        self.waiting: dict[int, float] = {}

    def apply(self, entry: Opened) -> None:
        if entry.kind == "objection.unmatched":
            self.waiting[entry.number] = entry.time
        elif entry.kind == "objection.seen":
            self.waiting.pop(entry.public.get("entry", -1), None)
