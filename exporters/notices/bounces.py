"""Bounces: delivery status notifications (RFC 3464), and qmail's, in a Maildir or mbox, and which notice each is about.

Whatever else arrives there (answers of people, out of office) is left alone and counted: a person reads it. Anybody can
write to the sender's address, so nothing in a mail is believed but that it names one of our identifiers.
"""

from __future__ import annotations

import mailbox
import re
from collections import Counter
from contextlib import suppress
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from errno import EACCES
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_GAP = 15.0  # seconds between two looks
_MOST = 256 << 10  # bytes of a mail that are read; what names the notice comes long before
_PARTS = 64  # parts of a mail that are looked at, in each that has some
_DEPTH = 4  # of parts within parts
_AT_ONCE = 100  # mails that are told of at one look
_KNOWN = 100_000  # mails that are known to be none of ours; beyond it, all are looked at again

_ID = re.compile(r"<[A-Za-z0-9.+_-]{1,80}@[A-Za-z0-9.-]{1,120}>")
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_STATE = re.compile(rb"(?:X-)?Status:", re.IGNORECASE)
_EMPTY = re.compile(rb"\r?\n[ \t]*\r?\n")
_REPORTS = ("message/delivery-status", "message/global-delivery-status")
_RETURNED = (
    "message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "text/rfc822", "message/global",
    "message/global-headers",
)  # fmt: skip
_QMAIL = b"Hi. This is the "
_QMAIL_COPY = b"\n--- Below this line is a copy of the message."
_QMAIL_STATUS = re.compile(rb"\(#([245]\.\d{1,3}\.\d{1,3})\)")
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")  # the gravest first


class Bounce(NamedTuple):
    """As in agent.notice.Bounced."""

    message_id: str
    action: str
    status: str = ""


def read(content: bytes) -> Bounce | None:
    """What a mail says became of one of ours; None where it is no such notification, or names none."""
    try:
        mail = message_from_bytes(content, policy=compat32)
        parts = _report(mail)
        return _told(parts) if parts else _qmail(mail)
    except Exception:
        # What the library makes of a hostile mail is not for us to list.
        return None


def _report(mail: Message) -> list[Message]:
    """The parts of a notification, also where a gateway has put it into a mail with lines of its own; [] for none."""
    found = [part for part in (mail, *_parts(mail)) if part.get_content_type() == "multipart/report"]
    return list(_parts(found[0])) if found else []


def _parts(mail: Message, depth: int = 0) -> Iterator[Message]:
    """Those of the mail itself, not of a mail in it: one that was returned may be a notification, too."""
    payload = mail.get_payload() if mail.get_content_maintype() == "multipart" and depth < _DEPTH else ()
    for part in payload[:_PARTS] if isinstance(payload, list) else ():
        if not isinstance(part, str):
            yield part
            yield from _parts(part, depth + 1)


def _blocks(part: Message) -> list[Message]:
    """The blocks of fields of a part that is a message, or fields alone; the first with any in it is its header.

    The library reads them where they are as RFC 3464 has them. Some servers encode them, or begin with an empty line,
    and of the kinds of RFC 6533 it does not know that there are several.
    """
    payload = part.get_payload()
    found = [each for each in payload if not isinstance(each, str)] if isinstance(payload, list) else []
    if any(each.keys() for each in found) and part.get_content_type() != "message/global-delivery-status":
        return [each for each in found if each.keys()]
    rest = [str(each.get_payload()) for each in found if not each.is_multipart()] if found else [str(payload)]
    holder = Message(compat32)
    holder["Content-Transfer-Encoding"] = str(part.get("Content-Transfer-Encoding", "7bit"))
    holder.set_payload("\n\n".join(rest))
    text = holder.get_payload(decode=True)
    assert isinstance(text, bytes)
    more = [message_from_bytes(block.lstrip(b"\r\n"), policy=compat32) for block in _EMPTY.split(text)[:_PARTS]]
    return [each for each in (*found, *more) if each.keys()]


def _told(parts: list[Message]) -> Bounce | None:
    report = next((_blocks(part) for part in parts if part.get_content_type() in _REPORTS), [])
    # ENVID is ours alone to give; an identifier in a header is what some gateways write anew.
    message_id = _envelope(report) or _returned(parts)
    said = [(_action(block), _status(block)) for block in report[:_PARTS] if block.get("Action") is not None]
    said = [(action, status) for action, status in said if action]
    if not message_id or not said:
        return None
    action, status = min(said, key=lambda one: _ACTIONS.index(one[0]))
    return Bounce(message_id, action, status)


def _qmail(mail: Message) -> Bounce | None:
    """A bounce as qmail writes it (QSBMF), which has no parts: its own words, and then the message as it was."""
    text = mail.get_payload(decode=True) if mail.get_content_type() == "text/plain" else None
    if not isinstance(text, bytes) or not text.startswith(_QMAIL):
        return None
    own, _, returned = text.partition(_QMAIL_COPY)
    header = message_from_bytes(returned.lstrip(), policy=compat32)
    found = _ID.search(str(header.get("Message-ID", "")))
    status = _QMAIL_STATUS.search(own)
    return Bounce(found[0], "failed", status[1].decode() if status else "") if found else None


def _action(block: Message) -> str:
    word = str(block.get("Action", "")).split("(")[0].strip().lower()
    return word if word in _ACTIONS else ""


def _status(block: Message) -> str:
    match = _STATUS.match(str(block.get("Status", "")))
    return match[1] if match else ""


def _returned(parts: list[Message]) -> str:
    """The identifier of what was returned, whole or as its header alone."""
    for part in parts:
        if part.get_content_type() in _RETURNED:
            said = next((str(block["Message-ID"]) for block in _blocks(part) if "Message-ID" in block), "")
            if found := _ID.search(said):
                return found[0]
    return ""


def _envelope(report: list[Message]) -> str:
    """The identifier that went with MAIL as ENVID, where the notification says it (RFC 3464, 2.2.1)."""
    given = next((str(block["Original-Envelope-Id"]) for block in report if "Original-Envelope-Id" in block), "")
    plain = _XTEXT.sub(lambda match: chr(int(match[1], 16)), given.strip())
    return f"<{plain}>" if _ID.fullmatch(f"<{plain}>") else ""


class Bounces:
    """The mailbox at ``path``. What it tells of stays unread until ``heard``: the agent has it on record then.

    ``counts``: mails by what they were: bounces, and others. ``monotonic``: seconds of a clock that only rises.
    """

    def __init__(self, path: str, monotonic: Callable[[], float]) -> None:
        self._path = Path(path)
        self._monotonic = monotonic
        self._due = float("-inf")
        self._told: dict[str, list[str]] = {}
        self._pending: set[str] = set()
        self._left: set[str] = set()
        self._size = (0, 0)
        self.counts: Counter[str] = Counter()

    def open(self) -> None:
        """Raises ConfigError where there is no mailbox, or one that nobody may read."""
        try:
            with suppress(StopIteration):
                next(self._unread())
            if self.counts["unreadable"]:
                raise PermissionError(EACCES, "a mail in it cannot be read")
        except (OSError, mailbox.Error) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigError(f"notices.bounces: {self._path}: {why}; name a Maildir or an mbox") from None

    def until_due(self) -> float:
        return max(0.0, self._due - self._monotonic())

    def forget(self) -> None:
        """There is another agent: what the one before was told is told again."""
        self._told.clear()
        self._pending.clear()
        self._due = float("-inf")
        self._size = (0, 0)

    def look(self) -> list[Bounce]:
        """What has come back since the last look. A mailbox that cannot be read now is looked at again. No errors."""
        if self._monotonic() < self._due:
            return []
        self._due = self._monotonic() + _GAP
        found: list[Bounce] = []
        try:
            if not self._changed():
                return []
            for key, content in self._unread():
                if (bounce := self._taken(key, content)) is not None:
                    found.append(bounce)
                if len(found) >= _AT_ONCE:
                    self._size = (0, 0)
                    break
        except (OSError, mailbox.Error):
            self.counts["unreadable"] += 1
            self._size = (0, 0)
        return found

    def heard(self, message_id: str, *, ours: bool) -> None:
        """The agent has this one: it is marked as seen. What is about nothing that we sent is left to others."""
        keys = self._told.pop(message_id, [])
        self._pending.difference_update(keys)
        try:
            for key in keys:
                if ours:
                    self.counts["ours"] += 1
                    self._seen(key)
                else:
                    self._leave(key)
        except (OSError, LookupError, ValueError, mailbox.Error):
            self.counts["unmarked"] += 1
            self._left.update(keys)

    def _taken(self, key: str, content: bytes) -> Bounce | None:
        bounce = read(content)
        if bounce is None:
            self._leave(key)
            return None
        self.counts["bounces"] += 1
        self._told.setdefault(bounce.message_id, []).append(key)
        self._pending.add(key)
        return bounce

    def _leave(self, key: str) -> None:
        self.counts["others"] += 1
        if len(self._left) >= _KNOWN:
            self._left.clear()
        self._left.add(key)

    def _known(self, key: str) -> bool:
        return key in self._left or key in self._pending

    def _changed(self) -> bool:
        """Whether an mbox is another than at the last look. A Maildir is as cheaply listed."""
        if self._path.is_dir():
            return True
        is_now = self._path.stat()
        before, self._size = self._size, (is_now.st_size, is_now.st_mtime_ns)
        return before != self._size

    def _unread(self) -> Iterator[tuple[str, bytes]]:
        if self._path.is_dir():
            yield from self._of_maildir()
        else:
            yield from self._of_mbox()

    def _of_maildir(self) -> Iterator[tuple[str, bytes]]:
        """Also of cur, where a mail server or another reader moves what it has listed: S is what says read there."""
        for place in ("new", "cur"):
            for path in sorted((self._path / place).iterdir()):
                key, _, flags = path.name.partition(":2,")
                if path.name.startswith(".") or "S" in flags or self._known(key):
                    continue
                try:
                    with path.open("rb") as file:
                        content = file.read(_MOST)
                except FileNotFoundError:
                    continue
                except OSError:
                    # One is not to keep the others from being read. It is looked at again.
                    self.counts["unreadable"] += 1
                    continue
                yield key, content

    def _of_mbox(self) -> Iterator[tuple[str, bytes]]:
        self._path.stat()
        box = mailbox.mbox(self._path, create=False)
        box.lock()
        try:
            for number in box.keys():  # noqa: SIM118  (iterating the box itself gives the mails)
                mail = box.get_file(number)
                content = mail.read(_MOST)
                key = _name(content)
                if not _is_read(content) and not self._known(key):
                    yield key, content
        finally:
            box.unlock()
            box.close()

    def _seen(self, key: str) -> None:
        if self._path.is_dir():
            for place in ("new", "cur"):
                for path in (self._path / place).iterdir():
                    name, _, flags = path.name.partition(":2,")
                    if name == key:
                        path.rename(self._path / "cur" / f"{key}:2,{''.join(sorted({*flags, 'S'}))}")
                        return
            return
        box = mailbox.mbox(self._path, create=False)
        box.lock()
        try:
            for number in box.keys():  # noqa: SIM118
                content = box.get_file(number).read(_MOST)
                if not _is_read(content) and _name(content) == key:  # the same mail may be there twice
                    box[number] = _marked(box.get_bytes(number, from_=True))
            box.flush()
        finally:
            box.unlock()
            box.close()


def _name(content: bytes) -> str:
    """What tells a mail in an mbox from the others, whose places change: of all but what reading it changes."""
    return sha256(b"\n".join(line for line in content.splitlines() if not _STATE.match(line))).hexdigest()


def _is_read(content: bytes) -> bool:
    return any(_STATE.match(line) and b"R" in line.partition(b":")[2] for line in _head(content))


def _marked(content: bytes) -> bytes:
    """The mail, its From line first, as one that has been read. Not a byte of it is understood for that."""
    first, _, rest = content.partition(b"\n")
    head = _head(rest)
    kept = [line for line in head if not _STATE.match(line)]
    return b"\n".join([first, b"Status: RO", *kept, *rest.split(b"\n")[len(head) :]])


def _head(content: bytes) -> list[bytes]:
    return list(takewhile(bytes.strip, content.split(b"\n")))
