"""Objections as they come in: by the answers' socket and by dropped files. All that they can do is take leave away.

Who says no need not prove who he is. With a customer's token it is that customer's no. Without one, by the web, it is
the no of the one customer in whose mapping all of the prefix lies, and counts unverified; a prefix that nobody has, or
several do, could be anybody's: it is put on record for a human to look at, and stops nobody else's. A file that the
operator drops always counts, as an order of his does. Nobody is told which of these it was.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from agent.audit.log import AuditError
from agent.bucket import TOKENLESS, Bucket
from agent.consent.objection import objection as objection  # noqa: PLC0414  (for who takes it from here)
from agent.dropped import Drop, canonical
from agent.leave import OBJECTED as OUTCOMES
from agent.logfmt import Sample
from agent.privacy import cidrs, common, one, union

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from agent.asked import ObjectionTold
    from agent.audit.entry import Item
    from agent.dropped import Dropped, Line
    from agent.office import Office
    from agent.privacy import Ranges


class Objecting:
    """``ident`` makes an id that nobody can guess (RFC 9562)."""

    def __init__(
        self,
        office: Office,
        *,
        log: logging.Logger,
        monotonic: Callable[[], float],
        ident: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._office = office
        self._log = log
        self._monotonic = monotonic
        self._ident = ident
        self._bucket = Bucket(*TOKENLESS, monotonic)
        self._sample = Sample()
        self._path = office.config.consent.drop
        self._drop = Drop(self._path, log)
        self._failed = 0
        self._counts = Counter(dict.fromkeys(OUTCOMES, 0))

    def told(self, message: ObjectionTold) -> dict[str, Any]:
        """Somebody says no by the web: the body of NOTED. What is noted is on record, and counts, when this returns."""
        ident = self._ident()
        status = self._noted(message, ident)
        return {"number": message.number, "status": status, "receipt": ident if status == "noted" else ""}

    def look(self) -> None:
        """Look at the directory of dropped files; what two looks found the same is put on record."""
        if self._office.config.consent.drop != self._path:
            self._path = self._office.config.consent.drop
            self._failed += self._drop.failures
            self._drop = Drop(self._path, self._log)
        for dropped in self._drop.look():
            self._take(dropped)

    def body(self) -> dict[str, int]:
        """How many there were, by what came of them."""
        return {**self._counts, "file_failed": self._failed + self._drop.failures}

    @property
    def failing(self) -> int:
        """How many dropped files cannot be used as they are now, or their directory."""
        return self._drop.failing

    def _noted(self, message: ObjectionTold, ident: str) -> str:
        try:
            prefix = canonical(message.prefix) if message.prefix else None
        except ValueError:
            return self._counted("syntax")
        if prefix is None and not message.token:
            return self._counted("syntax")
        owner = self._owner(message.token)
        if owner is None and not self._bucket.takes():
            return self._counted("rate")
        item, what = self._item(owner, prefix, ident, headers=message.headers)
        try:
            self._office.record([item])
        except AuditError as error:
            self._unwritable(error)
            return self._counted("unavailable")
        self._counts[what] += 1
        return "noted"

    def _owner(self, token: str | None) -> str | None:
        """Whose a token is: of a receipt, or of any other message or letter of ours, which have a code in them, too."""
        known = self._office.tokens.owner(token)
        if known is None and token and self._office.telling:
            return self._office.telling.whose(token)
        return known

    def _counted(self, what: str) -> str:
        self._counts[what] += 1
        return what

    def _item(self, owner: str | None, prefix: str | None, ident: str, *, headers: bool) -> tuple[Item, str]:
        """What goes on record of a no by the web, and what it is counted as."""
        now = self._office.now()
        if owner is not None:
            his = self._his(owner, prefix) if prefix else None
            return objection(
                owner, his, at=now, ident=ident, headers=headers, channel="web", verified=True
            ), "token"  # fmt: skip
        customer = self._office.register.sole(one(prefix)) if prefix else None
        if prefix and customer:
            return objection(customer, [prefix], at=now, ident=ident, headers=headers, channel="web"), "prefix"
        counting = objection(None, [prefix] if prefix else None, at=now, ident=ident, headers=headers, channel="web")
        return counting._replace(kind="objection.unmatched"), "unmatched"

    def _his(self, owner: str, prefix: str) -> list[str] | None:
        """As much of a prefix as is that customer's; None, which is everything, where nothing of it is.

        Whoever has a token says no in his own name, never in another's: a prefix may be mistyped, or wider than his.
        """
        return cidrs(common([one(prefix)], extent(self._office, owner))) or None

    def _take(self, dropped: Dropped) -> None:
        """Every line of a file that can be read goes on record, in one piece."""
        good = [line for line in dropped.lines if line.prefix]
        items, outcome = self._of_file(good)
        try:
            if items:
                self._office.record(items)
        except AuditError as error:
            self._unwritable(error)
            self._drop.again(dropped.name)
            return
        bad = len(dropped.lines) - len(good)
        self._counts["file"] += len(good)
        self._counts["file_line_failed"] += bad
        said = {"objections": len(good), "lines_failed": bad, "entries": len(items)}
        self._log.warning("objections taken from a file", extra=said) if bad else self._log.info(
            "objections taken from a file", extra=said
        )
        outcome |= {
            line.number: f"line {line.number}: not taken: {line.fault}" for line in dropped.lines if not line.prefix
        }
        self._drop.taken(dropped.name, [outcome[number] for number in sorted(outcome)])

    def _of_file(self, lines: list[Line]) -> tuple[list[Item], dict[int, str]]:
        """One item for each customer whose prefixes are there, and one for all that is nobody's or several's."""
        now = self._office.now()
        groups: defaultdict[tuple[str | None, bool], list[Line]] = defaultdict(list)
        for line in lines:
            groups[self._office.register.sole(one(line.prefix)), line.headers].append(line)
        items: list[Item] = []
        outcome: dict[int, str] = {}
        for (customer, headers), group in groups.items():
            ident = self._ident()
            prefixes = dict.fromkeys(line.prefix for line in group)
            items.append(
                objection(customer, prefixes, at=now, ident=ident, headers=headers, channel="file", by="operator")
            )
            outcome |= {line.number: f"line {line.number}: objection {ident}{_but(line)}" for line in group}
        return items, outcome

    def _unwritable(self, error: AuditError) -> None:
        if self._sample.lets(self._monotonic()):
            self._log.error("an objection cannot be put on record", extra={"error": str(error)})


def _but(line: Line) -> str:
    return f", with headers: {line.fault}" if line.fault else ""


def extent(office: Office, customer: str) -> Ranges:
    """All that is said to be a customer's: by a mapping, or by a record of his, in force or not."""
    known = office.register.customer(customer)
    scopes = [prefix for record in known.records for prefix in record.scope.prefixes] if known else []
    return union([mapped.prefix for mapped in office.register.mapped(customer)], scopes)


# Upper bounds, in seconds.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Delays:
    """A histogram of seconds, from an objection's coming in to its being in force everywhere."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def body(self) -> dict[str, Any]:
        """Its part of a snapshot (agent.messages.Delay): of each bound, how many took as long as that at most."""
        buckets, below = [], 0
        for bound, count in zip(BOUNDS, self._counts, strict=False):
            below += count
            buckets.append([bound, below])
        return {"buckets": buckets, "count": sum(self._counts), "sum": self._sum}
