"""The ring of one interface, and beside it, while a new filter takes over, the ring with that filter.

A locked filter cannot be replaced, so a new one comes with a socket and ring of its own. Both receive for a moment: the
old ring until its open block must have been handed over, the new one from its first frame, which is not read before the
old ring is closed. So nothing is lost; and what both saw is known again by its bytes and used once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.packets.ring import Ring

    Look = Callable[[float, int, int, bytes], str | None]

# A frame is on hand this many block times after it came at the latest: the kernel's timer closes a block when it finds
# the same one open twice in a row.
_BLOCK_TIMES = 2.5
_SLACK = 0.02  # seconds: beyond that, and between the clocks of two looks at one frame
_TWIN = "seen_twice"


class Rings:
    """``look`` sees every frame once: time, link type, length on the wire, bytes; it says why one was of no use."""

    def __init__(self, look: Look) -> None:
        self.counts = dict.fromkeys(("takeovers", "frames_read", "ring_freezes", "tagged", "super_segments"), 0)
        self.drops: dict[str, int] = {"ring": 0}
        self._look = look
        self._ring: Ring | None = None
        self._next: Ring | None = None
        self._due = 0.0
        self._since = 0.0
        self._until = 0.0
        self._twins: dict[int, int] = {}

    @property
    def ring(self) -> Ring | None:
        """The one that is read now."""
        return self._ring

    @property
    def changing(self) -> bool:
        return self._next is not None

    def begin(self, ring: Ring, now: float) -> None:
        """Receive from ``ring`` from now on; ``now`` is monotonic.

        May not be called while another one is taking over.
        """
        if self._ring is None:
            self._ring = ring
            return
        self._next, self._since = ring, ring.since
        self._due = now + self._ring.block_seconds * _BLOCK_TIMES + _SLACK

    def read(self) -> bool:
        """One block of frames; False where none is ready."""
        if self._ring is None:
            return False
        look = self._remember if self._next else self._unless_twin if self._twins else self._look
        frames = self._ring.read(look, self.drops)
        self.counts["frames_read"] += max(frames, 0)
        return frames >= 0

    def turn(self, now: float, time: float) -> None:
        """Complete a takeover when it is due: at ``now`` (monotonic), which is ``time`` since the epoch."""
        if self._next is None or now < self._due or self._ring is None:
            return
        while self.read():
            pass
        self._leave(self._ring)
        self._ring, self._next, self._until = self._next, None, time + _SLACK
        self.counts["takeovers"] += 1

    def account(self) -> None:
        """Take the kernel's counters in."""
        for ring in filter(None, (self._ring, self._next)):
            self._account(ring)

    def close(self) -> None:
        """Let go of every ring, and of what has not been read."""
        for ring in filter(None, (self._ring, self._next)):
            self._leave(ring)
        self._ring = self._next = None
        self._twins.clear()

    def _leave(self, ring: Ring) -> None:
        self._account(ring)
        ring.close()

    def _account(self, ring: Ring) -> None:
        _, drops, freezes = ring.statistics()
        self.drops["ring"] += drops
        self.counts["ring_freezes"] += freezes
        for name, count in ring.counts.items():
            self.counts[name] += count
            ring.counts[name] = 0

    def _remember(self, time: float, link: int, wire: int, data: bytes) -> str | None:
        if time >= self._since:
            key = hash((wire, data))
            self._twins[key] = self._twins.get(key, 0) + 1
        return self._look(time, link, wire, data)

    def _unless_twin(self, time: float, link: int, wire: int, data: bytes) -> str | None:
        if time > self._until:
            self._twins.clear()
        key = hash((wire, data))
        left = self._twins.get(key, 0)
        if not left:
            return self._look(time, link, wire, data)
        self._twins[key] = left - 1
        return _TWIN
