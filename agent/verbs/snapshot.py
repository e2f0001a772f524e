"""``registry.export`` and ``registry.snapshot``, ``registry.text``: the register as one text, signed, and back again.

A snapshot is a signed note (https://c2sp.org/signed-note) whose lines are canonical JSON (RFC 8785): what it is, then
every row. Each register counts its own: a snapshot that is not newer than the newest taken from there is refused.
"""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.audit.signing import Key, opened, private_key, sign
from agent.consent.intake import Side
from agent.consent.intaking import Intake
from agent.consent.rows import SLACK, Origin, canonical, moment, withheld
from agent.consent.told import KINDS, Told
from agent.consent.written import rfc3339
from agent.errors import InputError, Malformed
from agent.schema import SIGNING_KEY
from agent.verbs import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.audit.entry import Opened
    from agent.consent.intake import Plan
    from agent.office import Office, Who
    from agent.verbs.registry import Answer

SCHEMA = "registry-snapshot/1"
MOST_DAYS = 31  # for which a snapshot may be taken
MAX_NOTE = 1 << 30  # bytes

_PIECE = 512 << 10  # characters of text in one answer


def export(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``signed``, ``contacts``: whether with the addresses of contacts; ``days`` until it expires. Gives its text.

    That the register was read is put on record first, and gives the snapshot its number.
    """
    signed, contacts, days = words.get("signed"), words.get("contacts"), words.get("days")
    if type(signed) is not bool or type(contacts) is not bool:
        raise InputError("signed, contacts: are neither true nor false")
    if type(days) is not int or not 1 <= days <= MOST_DAYS:
        raise InputError(f"--days: {days!r} is not from 1 to {MOST_DAYS}")
    office.record([Item("register.read", {"uid": who.uid, "what": "snapshot" if signed else "export"})])
    text = _text(office, contacts=contacts, days=days)
    if signed:
        log = office.log
        text = sign(text, Key(log.origin, private_key(office.directory / SIGNING_KEY, make=False)))
    for start in range(0, len(text), _PIECE):
        yield {"text": text[start : start + _PIECE]}


def _text(office: Office, *, contacts: bool, days: int) -> str:
    told, lines = Told(), []
    for entry in office.log.read(KINDS):
        told.apply(entry)
        if line := _line(entry, contacts=contacts):
            lines.append(line)
    for source, pairs in sorted(told.mapped.items()):
        for (prefix, customer), held in pairs.items():
            row: dict[str, Any] = {
                "what": "mapping", "source": source, "prefix": prefix, "customer": customer, "kind": held.kind,
            }  # fmt: skip
            row |= {"valid_until": held.until} if held.until else {}
            row |= {"session": held.session} if held.session else {}
            lines.append(canonical(row))
    now = datetime.fromtimestamp(office.now(), UTC)
    head = {
        "schema": SCHEMA,
        "origin": office.log.origin,
        "number": office.log.size,
        "made": rfc3339(now),
        "expires": rfc3339(now + timedelta(days=days)),
        "contacts": contacts,
        "rows": len(lines),
        "sources": {name: {"at": at, "synced": told.synced.get(name, "")} for name, at in told.spoken.items()},
    }
    return b"\n".join([canonical(head), *lines, b""]).decode()


def _line(entry: Opened, *, contacts: bool) -> bytes | None:
    """The row of an event or a document; None for what is not said one by one."""
    if entry.kind == "document.published":
        return canonical({"what": "document", **entry.public})
    if entry.private is None or not entry.kind.startswith("record."):
        return None
    body = entry.private
    if "contacts" in body and not contacts:
        body = body | {"contacts": withheld(body["contacts"])}
    return canonical({"what": "entry", "kind": entry.kind, "customer": entry.customer, "body": body})


class Taking(Intake):
    """A snapshot that comes in: its rows are checked as they come, and its signature when all of it is there."""

    def __init__(self, now: float, vkeys: list[str], where: str) -> None:
        super().__init__(Origin("snapshot", datetime.fromtimestamp(now, UTC), now), full=False)
        self.head: dict[str, Any] | None = None
        self._vkeys = vkeys
        self._where = where
        self._parts: list[bytes] = []
        self._length = 0
        self._lines = 0
        self._body = True

    def text(self, piece: str) -> None:
        """The next lines, whole. Raises InputError where it is no snapshot or larger than one may be."""
        self._length += len(piece)
        if self._length > MAX_NOTE:
            raise InputError(f"more than {MAX_NOTE} characters are no snapshot that is taken")
        self._parts.append(zlib.compress(piece.encode("utf-8", "surrogatepass"), 1))
        for line in piece.split("\n")[: -1 if piece.endswith("\n") else None]:
            self._lines += 1
            self._body = self._body and bool(line)
            if self._body:
                self._one(line)

    def _one(self, line: str) -> None:
        try:
            row = json.loads(line)
            if self.head is None:
                self.head = _head(row)
                return
            source = row.pop("source", None) if row.get("what") == "mapping" else None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise InputError(
                f"line {self._lines}: no line of a snapshot; export it with consent export --snapshot"
            ) from None
        self.add(f"line {self._lines}", row, source)

    def verified(self) -> dict[str, Any]:
        """What it is. Raises InputError where none of the keys that are taken has signed all of it."""
        note = b"".join(map(zlib.decompress, self._parts)).decode("utf-8", "surrogatepass")
        _, blank, below = note.rpartition("\n\n")
        if self.head is None or not blank or not below.startswith("\u2014 "):
            raise InputError("is not signed, so nothing of it is taken; export it with consent export --snapshot")
        origin = self.head["origin"]
        theirs = [vkey for vkey in self._vkeys if vkey.partition("+")[0] == origin]
        if not theirs:
            raise InputError(f"is of {origin}, and no key of that name is in {self._where}; add it if you trust it")
        try:
            opened(note, theirs)
        except Malformed as error:
            if "does not fit" in str(error):
                raise InputError(f"was changed after {origin} signed it, so nothing of it is taken") from None
            raise InputError(f"is not signed with the key of {origin} that is in {self._where}") from None
        return self.head

    def sides(self) -> list[Side]:
        head = self.head or {}
        return [
            Side(source, times["at"], full=True, mapped=self.mapped.get(source, {}), synced=times["synced"])
            for source, times in head.get("sources", {}).items()
        ]

    def judged(self, office: Office) -> None:
        """Faults for what is rightly signed and still not to be believed."""
        head = self.verified()
        while not self.advance(office.log, registry.READ):
            pass
        if head["rows"] != self.rows:
            self.wrong(f"it says {head['rows']} rows, and has {self.rows}")
        if moment(head["made"]).timestamp() > office.now() + SLACK:
            self.wrong(f"it was made at {head['made']}, which has not come yet; are both clocks right?")
        if moment(head["expires"]).timestamp() <= office.now():
            self.wrong(f"it expired at {head['expires']}; export it anew")
        newest = self.told.taken.get(head["origin"], -1)
        if head["number"] <= newest:
            self.wrong(
                f"it is number {head['number']} of {head['origin']}, and number {newest} was taken before; "
                "take one that is newer"
            )
        if strange := self.mapped.keys() - head["sources"].keys():
            self.wrong(f"it has prefixes of {min(strange)}, which it does not name among its sources")


def begin(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """Another register's snapshot is to come. Raises InputError where nobody's is taken."""
    path = office.config.consent.snapshot_keys
    if not path:
        raise InputError("consent.snapshot_keys: is empty, so nobody's snapshots are taken; name a file of keys")
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise InputError(f"consent.snapshot_keys: {path}: {reason}; one key a line, NAME+ID+BASE64") from None
    vkeys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    yield registry.opened(office, Taking(office.now(), vkeys, path), who)


def text(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``, ``text``: the next lines of it."""
    intake, piece = _taking(office, words, who), words.get("text")
    if not isinstance(piece, str):
        raise InputError("text: is no text")
    intake.text(piece)
    intake.advance(office.log, registry.READ)
    yield {}


def take(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``, ``show``: whether only to show it, ``accept_loss``. What it comes to; it counts unless shown."""
    intake, only, accept = _taking(office, words, who), words.get("show"), words.get("accept_loss", False)
    registry.drop(words)
    if type(only) is not bool or type(accept) is not bool:
        raise InputError("show, accept_loss: are neither true nor false")
    intake.judged(office)
    plan = intake.planned(office.config.consent.lost_percent, who.uid if accept else None)
    items = _items(intake, plan)
    if only:
        office.record([Item("register.read", {"uid": who.uid, "what": "import of a snapshot"})])
        yield from registry.changes(plan)
    elif items:
        office.record(items)
    yield registry.result(intake, plan, 0 if only else len(items))


def _items(intake: Taking, plan: Plan) -> list[Item]:
    """What is to be put on record: that it was taken, only where all of it counts."""
    if plan.held or intake.fault_count:
        return list(plan.items)
    head = intake.head or {}
    public = {key: head[key] for key in ("origin", "number", "made", "expires", "contacts", "rows")}
    return [*plan.items, Item("snapshot.taken", public)]


def _taking(office: Office, words: dict[str, Any], who: Who) -> Taking:
    intake = registry.of(office, words, who)
    if not isinstance(intake, Taking):
        raise InputError("this import is not one of a snapshot")
    return intake


def _head(row: Any) -> dict[str, Any]:
    """What the first line says. Raises ValueError where it is no such line."""
    fields = {"schema": str, "origin": str, "number": int, "made": str, "expires": str, "contacts": bool, "rows": int}
    if not isinstance(row, dict) or row.get("schema") != SCHEMA or not isinstance(row.get("sources"), dict):
        raise ValueError("no head")
    if any(type(row.get(key)) is not kind for key, kind in fields.items()):
        raise ValueError("no head")
    for name, times in row["sources"].items():
        if not registry.named(name) or any(text and rfc3339(moment(text)) != text for text in times.values()):
            raise ValueError("no source")
        times["at"], times["synced"]  # both are there
    moment(row["made"]), moment(row["expires"])
    return row
