"""The rows of the log's database as entries: on the way of loading a whole register, so it is plain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.audit import canon
from agent.audit.entry import Opened
from agent.audit.keys import unsealed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from agent.audit.keys import Customer

Row = tuple[int, str, "int | None", "bytes | None"]  # of the queries below

_OF_ENTRIES = "SELECT e.number, e.canon, s.owner, s.blob FROM entries e LEFT JOIN sealed s ON s.number = e.number"
READ = f"{_OF_ENTRIES} WHERE e.number >= ? AND e.number < ? ORDER BY e.number"
READ_ALL = f"{_OF_ENTRIES} ORDER BY e.number"


def opened(
    rows: list[Row], owners: Callable[[Collection[int]], dict[int, Customer]], kinds: Collection[str] | None = None
) -> Iterator[Opened]:
    """These rows as entries, of these kinds alone where they are given. ``owners``: those of some numbers."""
    found = owners({owner for _, _, owner, _ in rows if owner is not None})
    for number, text, owner, blob in rows:
        if kinds is not None and canon.kind_of(text) not in kinds:
            continue
        kind, time, public = canon.leaf(text)
        ref, private, sealed = "", None, None
        if blob is not None and (customer := found.get(owner or 0)):
            sealed = unsealed(customer, number, blob)[1]
            ref, private = customer.ref, canon.parsed(sealed)
        yield Opened(number, kind, time, public, ref, private, sealed)
