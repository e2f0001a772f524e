"""What a customer gets to check by himself: his entries, opened, with the proof that they are in the log.

docs/verify.py reads it. The last entry is the one of this handing over: it commits to the numbers of the others, so
that none can be taken out afterwards. Of anybody else there are only hashes.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from agent.audit.canon import kind_of
from agent.audit.entry import Item

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from agent.audit.log import Log

FORMAT = "knockfirst-proof/1"
_EXPORTED = "customer.exported"


def handed(log: Log, customer: str, uid: int, sizes: Collection[int] = ()) -> Item:
    """The entry to be appended first: that all of a customer's entries are handed over, to the user of that number.

    The proof then reaches back to the checkpoints of his earlier ones, and to those of ``sizes`` entries.
    """
    own = [(entry.number, kind_of(entry.canon)) for entry in log.own(customer)]
    earlier = {number + 1 for number, kind in own if kind == _EXPORTED} | {size for size in sizes if size <= log.size}
    private = {"entries": len(own), "numbers": numbers_hash([number for number, _ in own]), "earlier": sorted(earlier)}
    return Item(_EXPORTED, {"uid": uid}, customer, private)


def numbers_hash(numbers: Sequence[int]) -> str:
    return sha256(",".join(map(str, numbers)).encode()).hexdigest()


def parts(log: Log, customer: str, earlier: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The proof piece by piece: its head, each entry, and each earlier size. Raises AuditError."""
    nodes = log.nodes()
    size = nodes.size
    yield {"format": FORMAT, "vkey": log.vkey, "checkpoint": log.checkpoint()}
    for own in log.own(customer):
        path = [node.hex() for node in nodes.inclusion(own.number, size)]
        yield {"entry": {"leaf": own.canon, "private": own.private.decode(), "salt": own.salt.hex(), "path": path}}
    for first in earlier:
        path = [node.hex() for node in nodes.consistency(first, size)]
        yield {"earlier": {"size": first, "root": nodes.root(first).hex(), "path": path}}


def joined(pieces: Iterator[dict[str, Any]]) -> str:
    """The file of a proof."""
    head, entries, earlier = {}, [], []
    for piece in pieces:
        if "entry" in piece:
            entries.append(piece["entry"])
        elif "earlier" in piece:
            earlier.append(piece["earlier"])
        else:
            head = piece
    return json.dumps({**head, "entries": entries, "earlier": earlier}, indent=1, ensure_ascii=False) + "\n"
