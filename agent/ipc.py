"""How the roles talk: AF_UNIX streams of framed JSON, a closed vocabulary, a size limit for each word of it.

A frame is a length (4 bytes, big endian), a type (2 bytes) and a JSON object of that length. Type and length are
judged before the object is read, so that no peer makes the receiver hold more than that type may be long. Whatever is
not expected raises ``Unexpected``: the receiver closes that connection, counts it, and lives.

Nothing here imports pydantic: the process that sees packets sends and does not validate (agent/messages.py does).
"""

from __future__ import annotations

import json
import socket
import struct
from enum import IntEnum, unique
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.errors import Malformed
from agent.notify import PULSE

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = struct.Struct(">IH")
_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
_CHUNK = 65_536


@unique
class Type(IntEnum):
    """Every message there is. Numbers are never used again for something else."""

    CONFIGURATION = 1  # supervisor -> agent
    SECTION = 2  # agent -> capture, exporter: what they are to do
    OBSERVATIONS = 3  # capture -> agent
    COUNTERS = 4  # capture -> agent
    INPUTS = 5  # capture -> agent: how far each input has been read
    SNAPSHOT = 6  # agent -> exporter
    SHOWN = 7  # exporter -> agent: the snapshot of that number is what a scrape gets now
    ASK = 8  # control -> agent
    ASSESSMENT = 9  # agent -> control
    STATUS = 10  # agent -> control
    END = 11  # agent -> control: that was all of it
    APPLIED = 12  # capture -> agent: the section of that number is in force
    MUTES = 13  # agent -> capture: servers of which enough is known for a while
    RELOAD = 14  # exporter, control -> agent -> supervisor: read the configuration anew
    RELOADED = 15  # supervisor -> agent -> exporter, control: what became of it
    DIAGNOSIS = 16  # agent -> control: every counter, for `doctor` and `top`
    GRANT = 17  # agent -> prober: knock there, once
    CANCEL = 18  # agent -> prober: end these probes now
    OUTCOME = 19  # prober -> agent: what became of one
    ORDER = 20  # control -> agent: a command of register, probe or audit log
    REPLY = 21  # agent -> control: a line of the answer to an order
    OBJECTION = 22  # exporter -> agent: somebody says no
    NOTED = 23  # agent -> exporter: what became of that
    WITHDRAWN = 24  # agent -> capture: these prefixes are looked at no more, at once
    KNOCKS = 25  # capture -> agent: connections that were seen to begin at the probe's own address
    CANCELLED = 26  # prober, capture -> agent: what a cancellation or withdrawal named has ended
    VIEW = 27  # exporter -> agent: a page of the console, for somebody who has said who he is
    VIEWED = 28  # agent -> exporter: what is on it
    DUE = 29  # agent -> notifier: tell a customer this
    ABOUT = 30  # notifier -> agent: the next word to the relay is DATA
    GO = 31  # agent -> notifier: that is on record, and nothing stands against it; or something does
    SENT = 32  # notifier -> agent: what became of it
    BOUNCED = 33  # notifier -> agent: something came back
    ANSWER = 34  # exporter -> agent: a customer answers to a notice, by its token
    ANSWERED = 35  # agent -> exporter: what that comes to
    HEARD = 36  # agent -> notifier: what came back is on record, or is of nothing that was sent
    SERVERS = 37  # agent -> exporter: single servers, under pseudonyms, and groups of them
    USAGE = 38  # capture, prober, notifier -> agent: what the process takes, and how many lines it logged
    EVENT = 39  # agent -> notifier: tell the webhook what became of a message
    TAKEN = 40  # notifier -> agent: that need not be told again
    FORGET = 41  # agent -> capture: who was in these prefixes is erased


# The most bytes that the JSON of each may have.
LIMITS = {
    Type.CONFIGURATION: 4 << 20,
    Type.SECTION: 6 << 20,
    Type.OBSERVATIONS: 1 << 20,
    Type.COUNTERS: 256 << 10,
    Type.INPUTS: 4 << 10,
    Type.SNAPSHOT: 4 << 20,
    Type.SHOWN: 256,
    Type.ASK: 1 << 10,
    Type.ASSESSMENT: 1 << 20,
    Type.STATUS: 64 << 10,
    Type.END: 256,
    Type.APPLIED: 256,
    Type.MUTES: 256 << 10,
    Type.RELOAD: 256,
    Type.RELOADED: 64 << 10,
    Type.DIAGNOSIS: 1 << 20,
    Type.GRANT: 16 << 10,
    Type.CANCEL: 64 << 10,
    Type.OUTCOME: 256 << 10,
    Type.ORDER: 4 << 20,
    Type.REPLY: 4 << 20,
    Type.OBJECTION: 4 << 10,
    Type.NOTED: 4 << 10,
    Type.WITHDRAWN: 256 << 10,
    Type.KNOCKS: 64 << 10,
    Type.CANCELLED: 256,
    Type.VIEW: 4 << 10,
    Type.VIEWED: 1 << 20,
    Type.DUE: 256 << 10,
    Type.ABOUT: 512 << 10,
    Type.GO: 1 << 10,
    Type.SENT: 8 << 10,
    Type.BOUNCED: 8 << 10,
    Type.ANSWER: 4 << 10,
    Type.ANSWERED: 64 << 10,
    Type.HEARD: 1 << 10,
    Type.USAGE: 4 << 10,
    Type.SERVERS: 1 << 20,
    Type.EVENT: 4 << 10,
    Type.TAKEN: 256,
    Type.FORGET: 256 << 10,
}

# Why a connection was closed: these are label values of a metric, so the list is closed.
REASONS = ("credentials", "type", "size", "json", "invalid", "truncated")


class Unexpected(Malformed):
    """The other end of a connection sent what it must not; ``reason`` is one of REASONS. The text names no value."""

    plain = True

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason


class Credentials(NamedTuple):
    """Who connected: process, user and group as the kernel recorded them at that time."""

    pid: int
    uid: int
    gid: int


def frame(kind: Type, body: dict[str, Any]) -> bytes:
    """The bytes of one message. Raises ValueError if it is too long: a sender never sends what is refused."""
    content = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    if len(content) > LIMITS[kind]:
        raise ValueError(f"{kind.name}: {len(content)} bytes, and at most {LIMITS[kind]} are taken")
    return _HEAD.pack(len(content), kind) + content


class Reader:
    """The messages in a stream of bytes; sans-IO. ``accepted`` are the types that this door takes."""

    def __init__(self, accepted: frozenset[Type]) -> None:
        self._accepted = accepted
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Type, dict[str, Any]]]:
        """The messages that these bytes complete. Raises Unexpected; the stream cannot be read on after that."""
        self._held += data
        while len(self._held) >= _HEAD.size:
            length, number = _HEAD.unpack_from(self._held)
            kind = self._judge(length, number)
            if len(self._held) < _HEAD.size + length:
                return
            content = bytes(self._held[_HEAD.size : _HEAD.size + length])
            del self._held[: _HEAD.size + length]
            yield kind, decoded(content)

    def lacking(self) -> int:
        """How many bytes the next message still needs, as far as that is known."""
        if len(self._held) < _HEAD.size:
            return _HEAD.size - len(self._held)
        return int(_HEAD.unpack_from(self._held)[0]) + _HEAD.size - len(self._held)

    def end(self) -> None:
        """The stream has ended. Raises Unexpected if that was in the middle of a message."""
        if self._held:
            raise Unexpected("truncated", f"{len(self._held)} bytes of an unfinished message")

    def _judge(self, length: int, number: int) -> Type:
        try:
            kind = Type(number)
        except ValueError:
            raise Unexpected("type", f"no message type {number}") from None
        if kind not in self._accepted:
            raise Unexpected("type", f"{kind.name} is not taken here")
        if length > LIMITS[kind]:
            raise Unexpected("size", f"{kind.name} of {length} bytes, and at most {LIMITS[kind]} are taken")
        return kind


def decoded(content: bytes) -> dict[str, Any]:
    """The object that JSON bytes hold. Raises Unexpected for what RFC 8259 does not allow, and for no object."""
    try:
        body = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unexpected("json", str(error)[:120]) from None
    if not isinstance(body, dict):
        raise Unexpected("json", "no object")
    return body


def _no_constant(name: str) -> None:
    # NaN and the infinities are Python's addition to JSON; a comparison with them would decide nothing.
    raise ValueError(f"{name} is not JSON")


def peer(connection: socket.socket) -> Credentials:
    """Who is at the other end (SO_PEERCRED, unix(7))."""
    return Credentials(
        *_CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    )


def admit(connection: socket.socket, uids: frozenset[int]) -> Credentials:
    """The peer's credentials if it is one of ``uids``. Raises Unexpected otherwise."""
    who = peer(connection)
    if who.uid not in uids:
        raise Unexpected("credentials", f"uid {who.uid} is not let in here")
    return who


class Link:
    """A blocking connection, for a role that has one, and for a client of the control socket."""

    def __init__(self, connection: socket.socket, accepted: frozenset[Type]) -> None:
        self.connection = connection
        self._reader = Reader(accepted)
        self._waiting: list[tuple[Type, dict[str, Any]]] = []

    def send(self, kind: Type, body: dict[str, Any]) -> None:
        """Send one message, waiting for room. Raises OSError when the other end has gone."""
        self.connection.sendall(frame(kind, body))

    def receive(self) -> tuple[Type, dict[str, Any]] | None:
        """The next message; None when the other end has closed. Raises Unexpected, OSError (and TimeoutError)."""
        while not self._waiting:
            with PULSE.waiting():
                data = self.connection.recv(_CHUNK)
            if not data:
                self._reader.end()
                return None
            self._waiting.extend(self._reader.feed(data))
        return self._waiting.pop(0)

    def close(self) -> None:
        self.connection.close()


def alone(connection: socket.socket, accepted: frozenset[Type]) -> tuple[Type, dict[str, Any]] | None:
    """The next message, and not a byte of what follows: somebody else reads on. None if the other end has gone.

    Raises Unexpected, OSError.
    """
    reader = Reader(accepted)
    while data := connection.recv(reader.lacking()):
        for message in reader.feed(data):
            return message
    reader.end()
    return None


def connect(path: str, accepted: frozenset[Type], timeout: float | None = None) -> Link:
    """A link to the AF_UNIX socket at ``path``; ``timeout`` in seconds for each wait. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return Link(connection, accepted)


def inherited(words: list[str]) -> dict[str, socket.socket]:
    """The sockets that ``name=descriptor`` words hand over. Raises ValueError, or OSError for no socket."""
    handed = {}
    for word in words:
        name, _, number = word.partition("=")
        descriptor = int(number)
        handed[name] = socket.socket(fileno=descriptor)
    return handed


def hand_over(lifeline: socket.socket, link: socket.socket) -> None:
    """Give the role at the other end of its lifeline a link to an agent that is new. Raises OSError."""
    socket.send_fds(lifeline, [b"\0"], [link.fileno()])


def handed_over(lifeline: socket.socket) -> socket.socket | None:
    """The next link that comes by a lifeline, waited for; None when the supervisor has gone. Raises OSError."""
    with PULSE.waiting():
        data, descriptors, _, _ = socket.recv_fds(lifeline, 1, 1)
    return socket.socket(fileno=descriptors[0]) if data and descriptors else None
