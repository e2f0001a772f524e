"""A hello that stands whole and alone is read without a dissector, and tells what a dissector would have told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Malformed
from collectors.dissectors import Fact
from collectors.dissectors.tls import TlsClient, TlsServer, at_once
from tests.wire import (
    CHANGE_CIPHER_SPEC,
    SUPPORTED_TLS13,
    certificates,
    client_hello,
    record,
    server_hello,
    server_name,
)


def whole(payload: bytes, *, from_server: bool) -> list[Fact] | None:
    """What the dissector tells of a payload, where that is its end; None where it reads on."""
    dissector = (TlsServer if from_server else TlsClient)()
    try:
        facts = dissector.feed(payload)
    except Malformed:
        return None
    return facts if dissector.done else None


HELLOS = st.sampled_from(
    [
        record(client_hello([server_name("mail.example.org")])),
        record(client_hello(None)),
        record(server_hello((SUPPORTED_TLS13,))),
        record(server_hello()),
        record(server_hello() + certificates(b"\x30\x00")),
        record(server_hello((SUPPORTED_TLS13,))) + record(b"\x01", CHANGE_CIPHER_SPEC),
    ]
)


@given(
    HELLOS,
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3),
    st.integers(0, 300),
)
def test_what_is_told_at_once_is_what_the_dissector_tells(
    payload: bytes, from_server: bool, damage: list[tuple[int, int]], more: int
) -> None:
    spoiled = bytearray(payload)
    for at, value in damage:
        spoiled[at % len(spoiled)] = value
    told = at_once(bytes(spoiled) + bytes(more), from_server=from_server)
    assert told is None or told == whole(bytes(spoiled) + bytes(more), from_server=from_server)


def test_what_is_told_at_once() -> None:
    assert at_once(record(client_hello([server_name("mail.example.org")])), from_server=False) == [
        ("tls.sni", "mail.example.org")
    ]
    assert at_once(record(client_hello(None)), from_server=False) == []
    assert at_once(record(server_hello()), from_server=True) is None
    told = at_once(record(server_hello((SUPPORTED_TLS13,))), from_server=True)
    assert told is not None
    assert told[0][1].startswith("version: 1.3\n")
