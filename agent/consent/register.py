"""The register: who was told, who agreed to what, who said no, and whose addresses are. A fold over entries of the log.

Nothing of it is stored, and nothing in it asks what time it is. See ``agent.consent.fold`` for what an arrival that is
late or out of order does, and ``agent.consent.mapping`` for addresses that change hands.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from agent.consent import fold, reading
from agent.consent.covering import Covering
from agent.consent.fold import Ended, Folded, Lift, Objected, Said
from agent.consent.mapping import Mapping
from agent.consent.passive import Passive
from agent.consent.reading import seconds
from agent.consent.written import BODIES
from agent.leave import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.audit.entry import Opened
    from agent.consent.mapping import Segment
    from agent.consent.state import Customer, Mapped, Objection, Range
    from agent.privacy import Ranges, Sets

_Name = tuple[str, str]  # of an objection: whose it is, and its id

_ENDS = {
    "record.refused": "refused",
    "record.withdrawn": "withdrawn",
    "record.expired": "expired",
    "record.invalidated": "invalidated",
}


class Register:
    """The state after the entries so far. ``version`` rises with every entry that says something of it."""

    def __init__(self) -> None:
        self.version = 0
        self.documents: dict[str, str] = {}
        self._mapping = Mapping()
        self._customers: dict[str, Folded] = {}
        self._synced: dict[str, float] = {}
        self._objectors: dict[str, tuple[str, ...]] = {}  # objection -> whose it is; never rely on there being one
        self._lifts: dict[str, list[Lift]] = {}  # by objection, whether or not that was heard of yet
        self._cover: Covering[tuple[_Name, ...]] = Covering()  # the objections that stand, by what they cover
        self._covered: dict[_Name, tuple[Range, ...]] = {}
        self._passive = Passive()

    def load(self, entries: Iterable[Opened]) -> None:
        """Fold many. The collector of cycles rests meanwhile: a register has none, and millions of parts to search."""
        was = gc.isenabled()
        gc.disable()
        try:
            for entry in entries:
                self.apply(entry)
        finally:
            if was:
                gc.enable()

    def apply(self, entry: Opened) -> None:
        """Fold one entry of the log, which come in its order; kinds that say nothing of the register do nothing.

        Raises ValueError or KeyError where the body is not what ``agent.consent.written`` lets in.
        """
        kind = entry.kind
        if kind in BODIES:
            if entry.private is None:
                return  # the key was shredded
            self._of_customer(kind, entry, entry.private)
        elif kind == "mapping.synced":
            source = entry.public["source"]
            at = min(seconds(entry.public["at"]), entry.time)  # nothing was read that is yet to come
            self._synced[source] = max(at, self._synced.get(source, at))
        elif kind == "document.published":
            self.documents[entry.public["sha256"]] = entry.public["kind"]
            self._passive.anew()
        elif kind == "customer.erased" and entry.customer:
            self.forget(entry.customer)
        else:
            return
        self.version += 1

    def _of_customer(self, kind: str, entry: Opened, private: dict[str, Any]) -> None:
        ref = entry.customer
        folded = self._customers.get(ref)
        if folded is None:
            folded = self._customers[ref] = Folded(ref)
        folded.changed()
        if kind == "record.given":
            folded.give(entry, private)
            if folded.lifts:
                self._lift_again(folded)
        elif kind == "record.announced":
            folded.announce(reading.announcement(private, entry.time))
        elif kind == "mapping.asserted" or kind == "mapping.withdrawn":  # noqa: PLR1714  (on the way of a load)
            self._map(folded, kind, private, entry.time)
        elif kind == "record.objected":
            self._object(folded, fold.objection(private, entry.time), entry.number)
        else:
            self._said(folded, kind, Said(seconds(private["at"]), entry.number, private.get("record_id")), private)
        self._passive.said(folded.prefixes)
        if folded.objected:
            self._recover(folded)

    def _said(self, folded: Folded, kind: str, said: Said, private: dict[str, Any]) -> None:
        if kind in _ENDS:
            folded.ends += (Ended(*said, _ENDS[kind]),)
            self._lift_again(folded)
        elif kind == "record.narrowed":
            folded.narrowings += ((private["record_id"], reading.scope(private["scope"])),)
        elif kind == "record.suspended":
            folded.suspended += (said,)
        elif kind == "record.resumed":
            folded.resumed += (said,)
        elif kind == "record.contract_ended":
            folded.stopped += (said,)
        elif kind == "record.contacts":
            folded.tell(said.at, said.number, private["contacts"])
        elif kind == "record.objection_lifted":
            lift = Lift(said.at, said.number, private["objection_id"], private["record_id"], folded.ref)
            folded.lifts += (lift,)
            self._lifts.setdefault(lift.objection, []).append(lift)
            self._settle(lift.objection)

    def _map(self, folded: Folded, kind: str, private: dict[str, Any], received: float) -> None:
        said = self._mapping.assert_ if kind == "mapping.asserted" else self._mapping.withdraw
        told = said(folded.ref, private, received)
        self._passive.said(told)
        if kind == "mapping.asserted" and not folded.prefixes:
            folded.prefixes = told
            return
        his = dict.fromkeys((*folded.prefixes, *told))
        folded.prefixes = tuple(prefix for prefix in his if self._mapping.held(folded.ref, prefix))

    def _object(self, folded: Folded, objection: Objection, number: int) -> None:
        if folded.object(objection, number):
            refs = self._objectors.get(objection.id, ())
            self._objectors[objection.id] = refs if folded.ref in refs else (*refs, folded.ref)
            self._settle(objection.id)
            # It may be about as much as before, and now about headers, too.
            self._passive.objected(self._covered.get((folded.ref, objection.id), ()))

    def _lift_again(self, folded: Folded) -> None:
        """What his records lift may have changed with them."""
        for lift in folded.lifts:
            self._settle(lift.objection)

    def _settle(self, name: str) -> None:
        """Whether an objection stands, by all that is known now."""
        lifts = [(lift, self._customers[lift.customer]) for lift in self._lifts.get(name, ())]
        for ref in self._objectors.get(name, ()):
            folded = self._customers[ref]
            for place, each in enumerate(folded.objected):
                if each.objection.id == name:
                    folded.lifted(place, lifts)
            self._recover(folded)

    def _recover(self, folded: Folded) -> None:
        """Where this customer's objections stand, anew."""
        for each in folded.objected:
            name = (folded.ref, each.objection.id)
            now = () if each.objection.lifted is not None else self._extent(folded, each)
            was = self._covered.get(name, ())
            if now == was:
                continue
            for prefix in set(was) - set(now):
                self._uncover(prefix, name)
            for prefix in set(now) - set(was):
                self._cover.put(prefix, (*(self._cover.get(prefix) or ()), name))
            self._covered[name] = now
            self._passive.objected((*was, *now))

    def _uncover(self, prefix: Range, name: _Name) -> None:
        left = tuple(one for one in self._cover.get(prefix) or () if one != name)
        if left:
            self._cover.put(prefix, left)
        else:
            self._cover.drop(prefix)

    def _extent(self, folded: Folded, objected: Objected) -> tuple[Range, ...]:
        """What an objection is about, where it stands.

        One to everything: all that is mapped to him, and all that his records ever named while his contract lasts; no
        narrower scope and no end of a record lets anybody look where he said no.
        """
        if objected.objection.prefixes is not None:
            return objected.named
        his = () if folded.ended() is not None else [p for each in folded.given for p in each.record.scope.prefixes]
        return tuple(dict.fromkeys((*objected.named, *folded.prefixes, *his)))

    def forget(self, ref: str) -> None:
        """As if nothing had ever been heard of this customer: his key was shredded."""
        folded = self._customers.pop(ref, None)
        if folded is None:
            return
        for each in folded.objected:
            name = (ref, each.objection.id)
            self._objectors[name[1]] = tuple(one for one in self._objectors[name[1]] if one != ref)
            for prefix in self._covered.pop(name, ()):
                self._uncover(prefix, name)
        for lift in folded.lifts:
            self._lifts[lift.objection].remove(lift)
            self._settle(lift.objection)
        self._mapping.forget(ref, folded.prefixes)
        self._passive.objected(())
        self._passive.anew()

    def holders(self, address: int, time: float | None = None) -> tuple[Mapped, ...]:
        """Every source's assertion in force that covers an address, that of the longest prefix first.

        Of one source only its longest prefix there. With a ``time``, what had ended by then is left out.
        """
        return self._mapping.holders(address, time)

    def sole(self, prefix: Range) -> str | None:
        """The one customer in whose mapping all of a prefix lies; None where there is none, or somebody else too."""
        return self._mapping.sole(prefix)

    def objections(self, address: int) -> tuple[Objection, ...]:
        """Every objection that stands and covers the address, whoever's it is."""
        nodes = self._cover.at(address)
        if not nodes:
            return ()
        names = dict.fromkeys(name for node in nodes for name in node)
        return tuple(self._objection(name) for name in names)

    def objection(self, name: str) -> tuple[str, Objection] | None:
        """Whose an objection is, and what it says, whether or not it stands."""
        refs = self._objectors.get(name)
        return (refs[0], self._objection((refs[0], name))) if refs else None

    def _objection(self, name: _Name) -> Objection:
        ref, id_ = name
        return next(each.objection for each in self._customers[ref].objected if each.objection.id == id_)

    def objected_ranges(self, name: str) -> Ranges:
        """Where an objection stands: the addresses that it takes away. Prefixes, neither sorted nor disjoint."""
        return [prefix for ref in self._objectors.get(name, ()) for prefix in self._covered.get((ref, name), ())]

    def customer(self, ref: str) -> Customer | None:
        folded = self._customers.get(ref)
        return None if folded is None else folded.customer()

    def refs(self) -> list[str]:
        """Of everybody of whom anything is known."""
        return list(self._customers)

    def customers(self) -> Iterator[Customer]:
        """Everybody of whom anything is known, without keeping what is made for this."""
        for folded in self._customers.values():
            yield folded.made()

    def mapped(self, ref: str) -> tuple[Mapped, ...]:
        """All that any source says is his, as it was said: without regard to longer prefixes and to former holders."""
        folded = self._customers.get(ref)
        prefixes = () if folded is None else folded.prefixes
        return tuple(one for prefix in prefixes for one in self._mapping.claims(ref, prefix))

    def disputed(self, ref: str, time: float) -> int:
        """Of how many prefixes that he is said to have another is said to have them, too.

        Of those who have the same prefix, it is held against one alone.
        """
        folded = self._customers.get(ref)
        prefixes = () if folded is None else folded.prefixes
        return sum(self._mapping.disputed(ref, prefix, time) for prefix in prefixes)

    def contacts_entry(self, ref: str) -> int | None:
        """The number of the entry that has this customer's contacts, which the register itself does not keep."""
        folded = self._customers.get(ref)
        return None if folded is None or folded.contacts[1] < 0 else folded.contacts[1]

    def synced(self, source: str) -> float | None:
        """When a source was last read in full, by its own date."""
        return self._synced.get(source)

    def sources(self) -> dict[str, float]:
        return dict(self._synced)

    def sets(self, time: float, limits: Limits) -> Sets:
        """What the passive tiers may look at. ``customers`` is empty: that is the operator's file."""
        return self._passive.sets(self, time, limits)

    def next_change(self, time: float, limits: Limits | None = None) -> float:
        """When ``sets`` would differ by time passing alone, at the earliest; inf for never."""
        return self._passive.next_change(self, time, limits)

    def segments(self, prefix: Range | None = None) -> Iterator[Segment]:
        """Every stretch of mapped addresses, or of those in a prefix, with its holders; sorted and disjoint."""
        return self._mapping.segments() if prefix is None else self._mapping.within(prefix)

    def folded(self, ref: str) -> Folded | None:
        return self._customers.get(ref)

    def standing(self) -> Iterator[tuple[Objection, tuple[Range, ...]]]:
        """Every objection that stands, and where."""
        for name, prefixes in self._covered.items():
            if prefixes:
                yield self._objection(name), prefixes
