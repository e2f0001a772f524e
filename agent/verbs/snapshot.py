"""``registry.export`` and ``registry.snapshot``, ``registry.text``: the register as one text, signed, and back again.

A snapshot is a signed note (https://c2sp.org/signed-note) of one line, which says what it is, how many rows it has and
their SHA-256; and behind it these rows, one a line, with all their newlines. Lines are canonical JSON (RFC 8785). Each
register counts its own: a snapshot that is not newer than the newest taken from there is refused.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.audit.entry import Item
from agent.audit.signing import DASH, Key, opened, private_key, sign
from agent.consent.difference import Side
from agent.consent.intake import closed
from agent.consent.intaking import Intake
from agent.consent.rows import SLACK, Origin, canonical, moment, withheld
from agent.consent.told import Told
from agent.consent.written import rfc3339
from agent.errors import InputError, Malformed
from agent.schema import SIGNING_KEY
from agent.verbs import registry, sessions
from agent.verbs.registry import READ

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from agent.audit.entry import Opened
    from agent.audit.log import Log
    from agent.consent.intake import Plan
    from agent.consent.told import Held, Pair
    from agent.office import Office, Who
    from agent.verbs.sessions import Answer

SCHEMA = "registry-snapshot/1"
MOST_DAYS = 31  # for which a snapshot may be taken
MAX_LENGTH = 1 << 30  # characters

_PIECE = 256 << 10  # bytes of text in one answer
_LEAST = 3  # lines of a note: what it is, an empty one, a signature
_MOST_NOTE = 100


def export(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``signed``, ``contacts``: whether with the addresses of contacts; ``days`` until it expires.

    Gives its rows in parts (agent/verbs/sessions.py), and at last the head that belongs before them. That the register
    was read is put on record first, and gives the snapshot its number: it is of the register as it was then.
    """
    signed, contacts, days = words.get("signed"), words.get("contacts"), words.get("days")
    if type(signed) is not bool or type(contacts) is not bool:
        raise InputError("signed, contacts: are neither true nor false")
    if type(days) is not int or not 1 <= days <= MOST_DAYS:
        raise InputError(f"--days: {days!r} is not from 1 to {MOST_DAYS}")
    office.record([Item("register.read", {"uid": who.uid, "what": "snapshot" if signed else "export"})])
    number, now = office.log.size, datetime.fromtimestamp(office.now(), UTC)
    head = {
        "schema": SCHEMA, "origin": office.log.origin, "number": number, "contacts": contacts,
        "made": rfc3339(now), "expires": rfc3339(now + timedelta(days=days)),
    }  # fmt: skip
    name = sessions.opened(office, who)
    yield {"session": name, **sessions.begun({"session": name}, _exported(office, head, contacts=contacts))}


def _exported(office: Office, head: dict[str, Any], *, contacts: bool) -> Iterator[Answer]:
    """The rows of a register as it was at a number of the log, and its head.

    What is put on record meanwhile is not in it, for the log only grows. But of a customer who is erased meanwhile some
    rows may have gone already, and others never will.
    """
    log, number, told = office.log, head["number"], Told()
    total, digest = 0, sha256()
    for lines in chain(_entries(log, number, told, contacts=contacts), _mappings(told)):
        total += len(lines)
        for text in _texts(lines):
            digest.update(text)
            yield {"text": text.decode(), "more": True}
    for start in range(number, log.size, READ):
        for entry in log.read(("customer.erased",), start):
            raise InputError(f"a customer was erased meanwhile (entry {entry.number}); export anew")
        yield {"more": True}
    sources = {name: {"at": at, "synced": told.synced.get(name, "")} for name, at in told.spoken.items()}
    first = canonical(head | {"rows": total, "sha256": digest.hexdigest(), "sources": sources}).decode()
    key = Key(log.origin, private_key(office.directory / SIGNING_KEY, make=False))
    yield {"head": sign(f"{first}\n", key)}


def _entries(log: Log, number: int, told: Told, *, contacts: bool) -> Iterator[list[bytes]]:
    """The rows of what is said one by one, some at a time."""
    for start in range(0, number, READ):
        lines = []
        for entry in islice(log.read(None, start), min(READ, number - start)):
            if not entry.kind.startswith("record."):
                told.apply(entry)  # prefixes, and when sources spoke
            if line := _line(entry, contacts=contacts):
                lines.append(line)
        yield lines


def _mappings(told: Told) -> Iterator[list[bytes]]:
    """The rows of prefixes, some at a time."""
    for source, pairs in sorted(told.mapped.items()):
        left = iter(pairs.items())
        while some := list(islice(left, READ)):
            yield [_mapping(source, pair, held) for pair, held in some]


def _texts(lines: list[bytes]) -> Iterator[bytes]:
    """These lines, as many in one answer as it can hold."""
    text = b""
    for line in lines:
        text += line + b"\n"
        if len(text) >= _PIECE:
            yield text
            text = b""
    yield text


def _mapping(source: str, pair: Pair, held: Held) -> bytes:
    row: dict[str, Any] = {
        "what": "mapping", "source": source, "prefix": pair[0], "customer": pair[1], "kind": held.kind,
    }  # fmt: skip
    row |= {"valid_until": held.until} if held.until else {}
    row |= {"session": held.session} if held.session else {}
    return canonical(row)


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
    """A snapshot that comes in: its signature is checked before any of its rows, and what it signed when all is there.

    ``vkeys``: of those who are believed; ``where``: the file that these are in.
    """

    def __init__(self, now: float, vkeys: list[str], where: str) -> None:
        super().__init__(Origin("snapshot", datetime.fromtimestamp(now, UTC), now), full=False)
        self.head: dict[str, Any] = {}
        self._vkeys = vkeys
        self._where = where
        self._note: list[str] = []
        self._signed = False
        self._length = 0
        self._digest = sha256()

    def text(self, piece: str) -> None:
        """The next lines, whole. Raises InputError where it is no snapshot or larger than one may be."""
        self._length += len(piece)
        if self._length > MAX_LENGTH:
            raise InputError(f"more than {MAX_LENGTH} characters are no snapshot that is taken")
        for line in piece.split("\n")[: -1 if piece.endswith("\n") else None]:
            if not self._signed and (len(self._note) < _LEAST or line.startswith(DASH)):
                self._noted(line)
            else:
                self._one(line)

    def _noted(self, line: str) -> None:
        """A line of the note, before the rows."""
        if not self._note:
            try:
                self.head = _head(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                raise self._strange() from None
        self._note.append(line)
        if len(self._note) > _MOST_NOTE:
            raise self._strange()

    def _one(self, line: str) -> None:
        self.verify()
        try:
            self._digest.update(line.encode() + b"\n")
            row = json.loads(line)
            source = row.pop("source", None) if row.get("what") == "mapping" else None
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise self._strange() from None
        self.add(f"line {len(self._note) + self.rows + 1}", row, source)

    def _strange(self) -> InputError:
        number = len(self._note) + self.rows + 1
        return InputError(f"line {number}: no line of a snapshot; export it with consent export --snapshot")

    def verify(self) -> None:
        """Raises InputError where none of the keys that are taken has signed what it is."""
        if self._signed:
            return
        if len(self._note) < _LEAST or self._note[1] or not self._note[2].startswith(DASH):
            raise InputError("is not signed, so nothing of it is taken; export it with consent export --snapshot")
        origin = self.head["origin"]
        theirs = [vkey for vkey in self._vkeys if vkey.partition("+")[0] == origin]
        if not theirs:
            raise InputError(f"is of {origin}, and no key of that name is in {self._where}; add it if you trust it")
        try:
            opened("\n".join([*self._note, ""]), theirs)
        except Malformed as error:
            if "does not fit" in str(error):
                raise self._changed() from None
            raise InputError(f"is not signed with the key of {origin} that is in {self._where}") from None
        self._signed = True

    def _changed(self) -> InputError:
        return InputError(f"was changed after {self.head['origin']} signed it, so nothing of it is taken")

    def sides(self) -> list[Side]:
        return [
            Side(source, times["at"], full=True, mapped=self.mapped.get(source, {}), synced=times["synced"])
            for source, times in self.head["sources"].items()
        ]

    def whole(self) -> None:
        """Raises InputError where it is not what was signed."""
        self.verify()
        if self._digest.hexdigest() != self.head["sha256"]:
            raise self._changed()

    def judged(self, office: Office) -> None:
        """Faults for what is rightly signed and still not to be believed."""
        head = self.head
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
    yield {"session": sessions.opened(office, who, Taking(office.now(), vkeys, path))}


def text(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``, ``text``: the next lines of it."""
    intake, piece = _taking(office, words, who), words.get("text")
    if not isinstance(piece, str):
        raise InputError("text: is no text")
    intake.text(piece)
    intake.advance(office.log, READ)
    yield {}


def take(office: Office, words: dict[str, Any], who: Who) -> Iterator[Answer]:
    """``session``, ``show``: whether only to show it, ``accept_loss``. What it comes to; it counts unless shown.

    The answer comes in parts (agent/verbs/sessions.py).
    """
    intake, only, accept = _taking(office, words, who), words.get("show"), words.get("accept_loss", False)
    if type(only) is not bool or type(accept) is not bool:
        raise InputError("show, accept_loss: are neither true nor false")
    try:
        intake.whole()
    except InputError:
        sessions.drop(words)
        raise
    planned = _planned(office, intake, who.uid if accept else None)
    if only:
        work = registry.shown(office, intake, planned, who, "a snapshot")
    else:
        sessions.claim(office, words, frozenset(intake.head["sources"]))
        work = registry.counted(office, intake, planned)
    yield sessions.begun(words, work)


def _planned(office: Office, intake: Taking, accepted_by: int | None) -> Generator[None, None, Plan]:
    """What is to be put on record: that it was taken, only where all of it counts."""
    while not intake.advance(office.log, READ):
        yield
    intake.judged(office)
    plan = yield from intake.planned(office.config.consent.lost_percent, accepted_by)
    if plan.held or intake.fault_count:
        return plan
    public = {key: intake.head[key] for key in ("origin", "number", "made", "expires", "contacts", "rows")}
    return closed(plan, [Item("snapshot.taken", public)])


def _taking(office: Office, words: dict[str, Any], who: Who) -> Taking:
    intake = sessions.intake_of(office, words, who)
    if not isinstance(intake, Taking):
        raise InputError("this import is not one of a snapshot")
    return intake


def _head(row: Any) -> dict[str, Any]:
    """What the first line says. Raises ValueError where it is no such line."""
    fields = {"schema": str, "origin": str, "number": int, "made": str, "expires": str, "contacts": bool}
    fields |= {"rows": int, "sha256": str}
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
