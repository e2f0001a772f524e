"""A seeded mutator: valid messages in, damaged ones out, and streams cut at random places."""

from __future__ import annotations

from itertools import pairwise
from random import Random

# Octets at which readers of lengths and signs go wrong.
EDGES = (0, 1, 0x0A, 0x0D, 0x16, 0x20, 0x2D, 0x30, 0x3F, 0x40, 0x7F, 0x80, 0x82, 0xC0, 0xFF)
MAX_LENGTH = 40_000


class Mutator:
    """Everything that it does follows from its seed and its corpus."""

    def __init__(self, seed: int, corpus: list[bytes]) -> None:
        self.random = Random(seed)
        self.corpus = corpus
        self._changes = (
            self._flip, self._edge, self._random, self._truncate,
            self._splice, self._repeat, self._remove, self._length,
        )  # fmt: skip

    def message(self) -> bytes:
        """One seed in four is left whole and followed by another, so that the deeper states are reached too."""
        octets = bytearray(self.random.choice(self.corpus))
        if not self.random.randrange(4):
            octets += self.random.choice(self.corpus)
        for _ in range(self.random.randrange(6)):
            if octets:
                self.random.choice(self._changes)(octets)
        return bytes(octets[:MAX_LENGTH])

    def cut(self, stream: bytes) -> list[bytes]:
        """A stream whole, in a few pieces or in many."""
        most = self.random.choice((0, 1, 3, 40))
        places = sorted({0, len(stream), *(self.random.randrange(len(stream) + 1) for _ in range(most))})
        return [stream[start:stop] for start, stop in pairwise(places)]

    def _at(self, octets: bytearray) -> int:
        # The beginning holds the headers and the lengths; half of the damage is done there.
        return self.random.randrange(min(len(octets), self.random.choice((64, MAX_LENGTH))))

    def _flip(self, octets: bytearray) -> None:
        octets[self._at(octets)] ^= 1 << self.random.randrange(8)

    def _edge(self, octets: bytearray) -> None:
        octets[self._at(octets)] = self.random.choice(EDGES)

    def _random(self, octets: bytearray) -> None:
        at = self._at(octets)
        octets[at : at + self.random.randrange(8)] = self.random.randbytes(self.random.randrange(8))

    def _truncate(self, octets: bytearray) -> None:
        del octets[self.random.randrange(len(octets)) :]

    def _splice(self, octets: bytearray) -> None:
        other = self.random.choice(self.corpus)
        octets[self._at(octets) :] = other[self.random.randrange(len(other) + 1) :]

    def _repeat(self, octets: bytearray) -> None:
        at = self._at(octets)
        octets[at:at] = octets[at : at + self.random.randrange(1, 64)] * self.random.choice((1, 3, 100, 1000))

    def _remove(self, octets: bytearray) -> None:
        at = self._at(octets)
        del octets[at : at + self.random.randrange(1, 40)]

    def _length(self, octets: bytearray) -> None:
        at = self._at(octets)
        octets[at : at + 2] = self.random.choice((0, 1, 0x7F, 0x3FFF, 0x4000, 0xFFFF)).to_bytes(2, "big")
