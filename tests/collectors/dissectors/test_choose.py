"""Which dissector reads what: every one of them can be chosen, and nothing else is."""

from __future__ import annotations

import pytest

from collectors.dissectors.choose import DISSECTORS, choose
from collectors.dissectors.http import HttpServer
from collectors.dissectors.mailbox import ImapServer, PopServer
from collectors.dissectors.smtp import SmtpServer
from collectors.dissectors.tls import TlsClient, TlsServer

BEGINNINGS = (
    (b"220 mx", 25, True, SmtpServer),
    (b"250-mx", 40025, True, SmtpServer),
    (b"* OK", 143, True, ImapServer),
    (b"+ TlRM", 143, True, ImapServer),
    (b"+OK", 110, True, PopServer),
    (b"HTTP/1.1", 8080, True, HttpServer),
    (b"\x16\x03\x03", 443, True, TlsServer),
    (b"\x16\x03\x01", 443, False, TlsClient),
    (b"\x17\x03\x03", 25, True, type(None)),
    (b"SSH-2.0", 22, True, type(None)),
)


@pytest.mark.parametrize(("payload", "port", "from_server", "chosen"), BEGINNINGS)
def test_the_first_byte_chooses(payload: bytes, port: int, from_server: bool, chosen: type) -> None:
    assert type(choose(payload, port, from_server=from_server)) is chosen


def test_every_dissector_can_be_chosen() -> None:
    assert {chosen for *_, chosen in BEGINNINGS} == {*DISSECTORS, type(None)}
