"""The ring of one interface, and beside it, while a new filter takes over, the ring with that filter.

A locked filter cannot be replaced, so a new one comes with a socket and ring of its own. From the moment in which the
new socket is bound both receive. The old ring is read up to that moment and a little beyond, then closed; the new one
from its first frame. So nothing is lost; and the few frames that both may have, those of about the time of the binding,
are known again by their bytes and used once.
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
# Seconds: a frame that is on its way while a socket is bound reaches one ring or both, and each stamps it for itself.
_SLACK = 0.002
# Seconds after which a takeover is completed all the same, where the kernel's timer is that late or its counts are odd.
_LATEST = 1.0
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
        self._since = self._until = 0.0
        self._beyond = False
        self._twins: dict[int, int] = {}

    @property
    def ring(self) -> Ring | None:
        """The one that is read now."""
        return self._ring

    @property
    def changing(self) -> bool:
        """Whether a new ring is taking over."""
        return self._next is not None

    def begin(self, ring: Ring, now: float) -> None:
        """Receive from ``ring`` from now on; ``now`` is monotonic.

        May not be called while another one is taking over.
        """
        if self._ring is None:
            self._ring = ring
            return
        self._next, self._beyond = ring, False
        self._since, self._until = ring.since, ring.bound + _SLACK
        self._due = now + self._ring.block_seconds * _BLOCK_TIMES + 10 * _SLACK

    def read(self) -> bool:
        """One block of frames; False where none is ready."""
        if self._ring is None:
            return False
        look = self._last if self._next else self._first if self._twins else self._look
        frames = self._ring.read(look, self.drops)
        self.counts["frames_read"] += max(frames, 0)
        if self._beyond:
            self._take_over()
        return frames >= 0

    def turn(self, now: float) -> None:
        """Complete a takeover that is due at ``now`` (monotonic): on a quiet line no frame tells that it is."""
        while self._next and now >= self._due and self.read():
            pass
        if self._next and now >= self._due and (self._read_out() or now >= self._due + _LATEST):
            self._take_over()

    def _read_out(self) -> bool:
        """Whether nothing is left in the ring that is being replaced: on a busy machine a block may come late."""
        return self._ring is None or self._ring.unread() == 0

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

    def _take_over(self) -> None:
        if self._ring:
            self._leave(self._ring)
        self._ring, self._next, self._beyond = self._next, None, False
        self.counts["takeovers"] += 1

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

    def _last(self, time: float, link: int, wire: int, data: bytes) -> str | None:
        """A frame of the ring that is being replaced: what is beyond the change is the other one's."""
        if time >= self._until:
            self._beyond = True
            return _TWIN
        if time >= self._since:
            key = hash((wire, data))
            self._twins[key] = self._twins.get(key, 0) + 1
        return self._look(time, link, wire, data)

    def _first(self, time: float, link: int, wire: int, data: bytes) -> str | None:
        """A frame of a ring that has just taken over: it may be one that the other had too."""
        if time >= self._until + _SLACK:
            self._twins.clear()
        key = hash((wire, data))
        left = self._twins.get(key, 0)
        if not left:
            return self._look(time, link, wire, data)
        self._twins[key] = left - 1
        return _TWIN
