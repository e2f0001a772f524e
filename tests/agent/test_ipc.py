"""The framing, the vocabulary and its limits: whatever a peer sends is a message or Unexpected."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import ipc
from agent.errors import Malformed
from agent.ipc import LIMITS, REASONS, Reader, Type, Unexpected, frame
from agent.messages import validated

ASK = frozenset({Type.ASK, Type.OBSERVATIONS})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(st.text(max_size=5), JSON, max_size=4)


@settings(max_examples=100)
@given(st.lists(BODIES, max_size=4), st.integers(1, 40))
def test_messages_survive_any_cutting(bodies: list[dict[str, Any]], step: int) -> None:
    stream = b"".join(frame(Type.OBSERVATIONS, body) for body in bodies)
    reader = Reader(ASK)
    read = [message for at in range(0, len(stream), step) for message in reader.feed(stream[at : at + step])]
    reader.end()
    assert read == [(Type.OBSERVATIONS, body) for body in bodies]


@settings(max_examples=200)
@given(st.binary(max_size=100))
def test_any_bytes_are_messages_or_unexpected(data: bytes) -> None:
    reader = Reader(ASK)
    try:
        list(reader.feed(data))
        reader.end()
    except Unexpected as fault:
        assert fault.reason in REASONS


def raw(kind: int, content: bytes, length: int | None = None) -> bytes:
    return struct.pack(">IH", len(content) if length is None else length, kind) + content


REFUSED = [
    (raw(999, b"{}"), "type"),
    (raw(Type.SNAPSHOT, b"{}"), "type"),
    (raw(Type.ASK, b"", LIMITS[Type.ASK] + 1), "size"),
    (raw(Type.ASK, b"", 0xFFFFFFFF), "size"),
    (raw(Type.ASK, b""), "json"),
    (raw(Type.ASK, b"[]"), "json"),
    (raw(Type.ASK, b"{"), "json"),
    (raw(Type.ASK, b'{"a":NaN}'), "json"),
    (raw(Type.ASK, b'{"a":-Infinity}'), "json"),
    (raw(Type.ASK, b'{"a":"\xff"}'), "json"),
    (raw(Type.OBSERVATIONS, b"[" * 100_000), "json"),
    (raw(Type.OBSERVATIONS, b'{"a":' + b"9" * 5_000 + b"}"), "json"),
    (raw(Type.ASK, b"{}", 3), "truncated"),
    (b"\0", "truncated"),
]


@pytest.mark.parametrize(("data", "reason"), REFUSED)
def test_what_is_refused_and_why(data: bytes, reason: str) -> None:
    reader = Reader(ASK)
    with pytest.raises(Malformed) as caught:
        list(reader.feed(data))
        reader.end()
    assert isinstance(caught.value, Unexpected)
    assert caught.value.reason == reason


def test_a_size_beyond_the_limit_is_refused_before_it_is_held() -> None:
    reader = Reader(ASK)
    with pytest.raises(Unexpected, match="size"):
        list(reader.feed(raw(Type.ASK, b"", LIMITS[Type.ASK] + 1)))


def test_a_sender_never_sends_what_is_refused() -> None:
    with pytest.raises(ValueError, match="ASK"):
        frame(Type.ASK, {"a": "x" * LIMITS[Type.ASK]})
    with pytest.raises(ValueError, match="JSON compliant"):
        frame(Type.ASK, {"a": float("nan")})


def test_every_type_has_a_limit() -> None:
    assert set(LIMITS) == set(Type)


TOLD = {
    "address": "192.0.2.1", "port": 25, "transport": "tcp", "kind": "smtp.greeting", "value": "ready",
    "time": 1.5, "collector": "smtp", "frame": None,
}  # fmt: skip
INVALID = [
    {"address": "192.0.2.01"}, {"address": "192.0.2"}, {"address": "ex.example.org"}, {"address": 1},
    {"address": "2001:DB8::1"}, {"address": "fe80::1%eth0"}, {"address": ""},
    {"port": -1}, {"port": 65_536}, {"port": "25"}, {"port": True}, {"port": 25.0},
    {"transport": "sctp"}, {"kind": "smtp.secret"}, {"kind": None},
    {"value": "x" * 16_385}, {"value": "\ud800"}, {"value": b"x"},
    {"time": -1.0}, {"time": 1e12}, {"time": "1"}, {"time": float("nan")},
    {"collector": "SMTP"}, {"collector": "a" * 65}, {"collector": "a b"}, {"collector": "a\n"},
    {"frame": -1}, {"frame": 1 << 63}, {"origin": "active"},
]  # fmt: skip


@pytest.mark.parametrize("change", INVALID, ids=repr)
def test_an_observation_is_taken_whole_or_not_at_all(change: dict[str, Any]) -> None:
    assert validated(Type.OBSERVATIONS, {"told": [TOLD]}).told[0].observation().origin == "passive"
    with pytest.raises(Unexpected) as caught:
        validated(Type.OBSERVATIONS, {"told": [TOLD | change]})
    assert caught.value.reason == "invalid"


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "::1", "::ffff:192.0.2.1", "2001:db8:0:1:1:1:1:1"])
def test_addresses_as_inet_ntop_writes_them(address: str) -> None:
    assert validated(Type.OBSERVATIONS, {"told": [TOLD | {"address": address}]}).told[0].address == address


@pytest.mark.parametrize("missing", TOLD)
def test_an_observation_has_all_its_keys(missing: str) -> None:
    with pytest.raises(Unexpected, match="invalid"):
        validated(Type.OBSERVATIONS, {"told": [{key: value for key, value in TOLD.items() if key != missing}]})


def test_a_fault_does_not_repeat_the_value() -> None:
    with pytest.raises(Unexpected) as caught:
        validated(Type.OBSERVATIONS, {"told": [TOLD | {"address": "canary@example.org"}]})
    assert "canary" not in str(caught.value)


@settings(max_examples=100)
@given(st.sampled_from([Type.OBSERVATIONS, Type.COUNTERS, Type.INPUTS, Type.SHOWN, Type.ASK, Type.SNAPSHOT]), BODIES)
def test_any_object_is_valid_or_unexpected(kind: Type, body: dict[str, Any]) -> None:
    try:
        validated(kind, body)
    except Unexpected as fault:
        assert fault.reason == "invalid"


def test_the_kernel_says_who_is_there() -> None:
    here, there = socket.socketpair()
    with here, there:
        assert ipc.admit(here, frozenset({os.getuid()})) == (os.getpid(), os.getuid(), os.getgid())
        with pytest.raises(Unexpected) as caught:
            ipc.admit(here, frozenset({os.getuid() + 1}))
        assert caught.value.reason == "credentials"


def test_a_link_gives_messages_and_then_the_end() -> None:
    here, there = socket.socketpair()
    link, other = ipc.Link(here, ASK), ipc.Link(there, frozenset())
    other.send(Type.ASK, {"what": "status"})
    other.send(Type.ASK, {"what": "status"})
    other.close()
    assert [link.receive(), link.receive(), link.receive()] == [(Type.ASK, {"what": "status"})] * 2 + [None]
    link.close()


@pytest.mark.parametrize("words", [["agent"], ["agent=x"], ["agent="]])
def test_descriptors_are_numbers(words: list[str]) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        ipc.inherited(words)


def test_one_message_alone_leaves_what_follows_to_somebody_else() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(60)
        bodies = [{"what": "status"}, {"what": "x" * 900}, {}]
        ours.sendall(b"".join(frame(Type.ASK, body) for body in bodies))
        for body in bodies:
            assert ipc.alone(theirs, ASK) == (Type.ASK, body)
        ours.sendall(frame(Type.ASK, {})[:-1])
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(Unexpected, match="truncated"):
            ipc.alone(theirs, ASK)
        assert ipc.alone(theirs, ASK) is None
