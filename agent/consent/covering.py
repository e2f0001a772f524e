"""Which prefixes cover an address: one table for each size of prefix that there is, so that a look costs a few hashes.

A prefix is aligned to its size, on the line of ``agent.privacy`` too, so that what it covers has one key: the address
without the bits behind the prefix. IPv4 and IPv6 prefixes of one size share a table and never a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.consent.state import Range

T = TypeVar("T")


class Covering(Generic[T]):
    """A value for each of some prefixes. Neither order of coming nor what lies between them matters."""

    __slots__ = ("_sizes", "_tables")

    def __init__(self) -> None:
        self._tables: dict[int, dict[int, T]] = {}
        self._sizes: list[tuple[int, dict[int, T]]] = []  # the bits behind a prefix and its table, the smallest first

    def get(self, prefix: Range) -> T | None:
        bits = (prefix[1] - prefix[0]).bit_length()
        table = self._tables.get(bits)
        return None if table is None else table.get(prefix[0] >> bits)

    def put(self, prefix: Range, value: T) -> None:
        bits = (prefix[1] - prefix[0]).bit_length()
        table = self._tables.get(bits)
        if table is None:
            table = self._tables[bits] = {}
            self._sizes = sorted(self._tables.items())
        table[prefix[0] >> bits] = value

    def add(self, prefix: Range, value: T) -> bool:
        """Put it where there is nothing yet; whether there was nothing."""
        bits = (prefix[1] - prefix[0]).bit_length()
        table = self._tables.get(bits)
        if table is None:
            self.put(prefix, value)
            return True
        key = prefix[0] >> bits
        if key in table:
            return False
        table[key] = value
        return True

    def drop(self, prefix: Range) -> None:
        bits = (prefix[1] - prefix[0]).bit_length()
        table = self._tables[bits]
        del table[prefix[0] >> bits]
        if not table:
            del self._tables[bits]
            self._sizes = sorted(self._tables.items())

    def at(self, address: int) -> list[T]:
        """The values of all prefixes that cover the address, that of the longest prefix first."""
        return [table[key] for bits, table in self._sizes if (key := address >> bits) in table]

    def over(self, prefix: Range) -> list[T]:
        """The values of all prefixes that cover all of this one, that of the longest first."""
        first, width = prefix[0], (prefix[1] - prefix[0]).bit_length()
        return [table[key] for bits, table in self._sizes if bits >= width and (key := first >> bits) in table]

    def part(self, prefix: Range) -> Iterator[tuple[Range, T]]:
        """All that covers anything of a prefix, cut to it: what covers it whole is as large as it is."""
        for value in self.over(prefix):
            yield prefix, value
        first, last = prefix
        width = (last - first).bit_length()
        for bits, table in self._sizes:
            if bits >= width:
                return
            keys, behind = range(first >> bits, (last >> bits) + 1), (1 << bits) - 1
            for key in keys if last - first >> bits < len(table) else [key for key in table if key in keys]:
                if key in table:
                    yield (key << bits, (key << bits) + behind), table[key]

    def inside(self, prefix: Range) -> Iterator[T]:
        """The values of all prefixes that are smaller than this one and lie in it."""
        first, last = prefix
        width = (last - first).bit_length()
        for bits, table in self._sizes:
            if bits >= width:
                return
            keys = range(first >> bits, (last >> bits) + 1)
            if last - first >> bits < len(table):
                yield from (table[key] for key in keys if key in table)
            else:
                yield from (value for key, value in table.items() if key in keys)

    def values(self) -> Iterator[T]:
        for _, table in self._sizes:
            yield from table.values()

    def items(self) -> Iterator[tuple[Range, T]]:
        for bits, table in self._sizes:
            behind = (1 << bits) - 1
            for key, value in table.items():
                first = key << bits
                yield (first, first + behind), value

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))
