"""What a capture holds that was not sent to be understood: who speaks is told by more than the first words."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from threading import Timer

import pytest

from agent.errors import InputError
from agent.lab.certificates import public
from agent.lab.handshakes import certificate
from agent.lab.traffic import EPOCH_NS, Frame
from collectors.packets import source
from collectors.packets.pcap import CaptureFile
from tests import talk, wire

SERVER = "192.0.2.25"
GREETING = b"220 ex01.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 09:00:00 +0100\r\n"
OTHER_GREETING = b"220 mx.example.org ESMTP Postfix\r\n"
HEAD = b"HTTP/1.1 302 Found\r\nX-OWA-Version: 15.2.1748.36\r\n\r\n"
CLIENT_HELLO = wire.record(wire.client_hello([wire.server_name("mail.example.org")]))
SERVER_HELLO = wire.record(wire.server_hello())
CERTIFICATE = wire.record(certificate(public("mail.example.org")))


@pytest.fixture(params=["own reader", "libpcap"], autouse=True)
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "libpcap":
        pytest.importorskip("cypcap", reason="no libpcap binding for this machine")
        monkeypatch.setattr(source, "WORTH_LIBPCAP", 0)


def facts(path: Path, frames: Iterable[bytes]) -> list[tuple[str, int, str]]:
    """Address, port and kind of all that is told of frames a second apart."""
    seen = [Frame(EPOCH_NS + n * talk.SECOND_NS, frame, from_server=False) for n, frame in enumerate(frames)]
    told, _ = talk.observed(talk.capture(path / "f.pcap", seen))
    return [(o.server.address, o.server.port, o.kind) for o in told]


@pytest.mark.parametrize("port", [25, 587, 80, 110])
@pytest.mark.parametrize("quoted", [GREETING, HEAD, b"+OK ready\r\n", b"* OK ready\r\n"], ids=lambda q: q[:4].decode())
def test_what_a_client_quotes_is_not_what_it_is(tmp_path: Path, port: int, quoted: bytes) -> None:
    """A segment of a mail or of an upload may begin with any words."""
    assert facts(tmp_path, [talk.segment(SERVER, port, 40000, quoted, to_client=False)]) == []


@pytest.mark.parametrize("port", [26, 2526, 8080])
def test_a_server_may_stand_on_any_port(tmp_path: Path, port: int) -> None:
    assert facts(tmp_path, [talk.segment(SERVER, port, 40000, GREETING)]) == [(SERVER, port, "smtp.greeting")]


@pytest.mark.parametrize("port", [443, 993, 8443])
def test_a_certificate_that_a_client_shows_is_not_told(tmp_path: Path, port: int) -> None:
    """It names a person, and where that person is."""
    shown = talk.segment(SERVER, port, 40000, CERTIFICATE, to_client=False, sequence=900)
    asked = talk.segment(SERVER, port, 40000, CLIENT_HELLO, to_client=False, sequence=1)
    assert facts(tmp_path, [asked, shown]) == [(SERVER, port, "tls.sni")]


@pytest.mark.parametrize("port", [443, 993, 8443])
def test_a_certificate_in_a_segment_of_its_own_is_its_servers(tmp_path: Path, port: int) -> None:
    hello = talk.segment(SERVER, port, 40000, SERVER_HELLO)
    shown = talk.segment(SERVER, port, 40000, CERTIFICATE, sequence=1 + len(SERVER_HELLO))
    assert facts(tmp_path, [hello, shown]) == [(SERVER, port, "tls.server_hello"), (SERVER, port, "tls.certificate")]


@pytest.mark.parametrize("earlier", [OTHER_GREETING, b"220 half a greet"], ids=["whole", "unfinished"])
def test_ports_that_are_used_again_begin_anew(tmp_path: Path, earlier: bytes) -> None:
    """A gateway in front shows another greeting on each connection, and its clients come back by the same port."""
    first, second = 1_000, 900_000
    frames = [
        talk.segment(SERVER, 25, 40000, flags=talk.SYN_ACK, sequence=first),
        talk.segment(SERVER, 25, 40000, earlier, sequence=first + 1),
        talk.segment(SERVER, 25, 40000, flags=talk.SYN_ACK, sequence=second),
        talk.segment(SERVER, 25, 40000, flags=talk.SYN_ACK, sequence=second),
        talk.segment(SERVER, 25, 40000, GREETING, sequence=second + 1),
    ]
    assert [kind for *_, kind in facts(tmp_path, frames)] == ["tcp.synack", "smtp.greeting", "smtp.greeting"]


def test_a_repeated_synack_ends_no_stream(tmp_path: Path) -> None:
    synack = talk.segment(SERVER, 25, 40000, flags=talk.SYN_ACK, sequence=1_000)
    halves = GREETING[:30], GREETING[30:]
    greeting = [talk.segment(SERVER, 25, 40000, h, sequence=n) for n, h in zip((1_001, 1_031), halves, strict=True)]
    told = facts(tmp_path, [synack, greeting[0], synack, greeting[1]])
    assert [kind for *_, kind in told] == ["tcp.synack", "smtp.greeting"]


def test_what_is_no_capture_is_not_read_to_its_end() -> None:
    """A device may have none."""
    reading, writing = os.pipe()
    ending = Timer(30, os.close, [writing])
    ending.start()
    try:
        os.write(writing, b"\0" * 100)
        with pytest.raises(InputError, match="is not a capture"):
            CaptureFile(f"/dev/fd/{reading}")
        assert not ending.finished.is_set()
    finally:
        if not ending.finished.is_set():
            ending.cancel()
            os.close(writing)
        os.close(reading)


def test_a_capture_may_come_through_a_pipe(tmp_path: Path) -> None:
    whole = Path(talk.capture(tmp_path / "f.pcap", talk.conversation(SERVER, 25, talk.mail_turns("ex01.example.org"))))
    reading, writing = os.pipe()
    os.write(writing, whole.read_bytes())
    os.close(writing)
    file = CaptureFile(f"/dev/fd/{reading}")
    os.close(reading)
    assert list(file.frames()) == list(CaptureFile(str(whole)).frames())


def test_a_cut_file_is_read_up_to_there_and_said_in_words(tmp_path: Path) -> None:
    path = Path(
        talk.capture(tmp_path / "f.pcap", [Frame(EPOCH_NS, talk.segment(SERVER, 25, 40000, GREETING), True)] * 2)
    )
    path.write_bytes(path.read_bytes()[:-10])
    told, line = talk.observed(str(path))
    assert [o.kind for o in told] == ["smtp.greeting"]
    (loss,) = line.losses
    assert loss.endswith("read up to there")
    assert "<" not in loss
