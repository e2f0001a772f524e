"""Which source reads a file, what each of them hands over, and what a filter in front can be told."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.errors import InputError
from agent.lab import sessions
from agent.lab.certificates import public
from agent.lab.files import pcap, pcapng
from agent.lab.handshakes import handshake
from agent.lab.traffic import EPOCH_NS, Frame
from collectors.packets import source
from collectors.packets.pcap import CaptureFile
from collectors.packets.source import FileSource, LibpcapSource, Source, goes_on, open_source
from collectors.packets.wanted import Wanted, inside
from tests import frames, talk

EVERYWHERE = Wanted()
WEB = sessions.tls("www.example.org", public("www.example.org"))


def web(server: str, client_port: int = 40_000) -> list[Frame]:
    return talk.conversation(server, 443, WEB, client_port=client_port)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return talk.capture(tmp_path / "f", web("192.0.2.1") + web("2001:db8::1"))


@pytest.fixture
def libpcap(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cypcap", reason="no libpcap binding for this machine")
    monkeypatch.setattr(source, "WORTH_LIBPCAP", 0)


def handed(opened: Source) -> list[tuple[Any, ...]]:
    seen: list[tuple[Any, ...]] = []
    for _ in opened.batches(lambda *frame: seen.append(frame)):
        pass
    return seen


def test_a_small_file_is_not_worth_libpcap(file: str) -> None:
    assert isinstance(open_source(file, EVERYWHERE), FileSource)


@pytest.mark.usefixtures("libpcap")
def test_a_large_one_is(file: str) -> None:
    assert isinstance(open_source(file, EVERYWHERE), LibpcapSource)


@pytest.mark.usefixtures("libpcap")
@pytest.mark.parametrize(
    ("content", "prefixes", "counting"),
    [
        (pcap(web("192.0.2.1")), (), True),
        (pcapng(web("192.0.2.1")), (), False),
        (pcap(web("192.0.2.1"), link=147), (), False),
    ],
    ids=["frames are counted", "pcapng", "link type without a filter"],
)
def test_what_libpcap_is_not_asked_for(
    tmp_path: Path, content: bytes, prefixes: tuple[str, ...], counting: bool
) -> None:
    (tmp_path / "f").write_bytes(content)
    opened = open_source(str(tmp_path / "f"), inside(prefixes), counting=counting)
    assert isinstance(opened, FileSource)
    assert len(handed(opened)) == len(web("192.0.2.1"))


@pytest.mark.usefixtures("libpcap")
def test_a_machine_without_the_binding(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cypcap", None)
    assert isinstance(open_source(file, EVERYWHERE), FileSource)


@pytest.mark.usefixtures("libpcap")
def test_a_variant_that_libpcap_does_not_read(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import cypcap

    def refuse(path: str) -> None:
        raise cypcap.Error(-1, f"unknown file format in {path}")

    monkeypatch.setattr(cypcap, "open_offline", refuse)
    assert isinstance(open_source(file, EVERYWHERE), FileSource)


def test_a_file_that_is_no_capture_is_the_operators_fault(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent: no such file"):
        open_source(str(tmp_path / "absent"), EVERYWHERE)


@pytest.mark.usefixtures("libpcap")
def test_only_what_is_admitted_is_handed_over(file: str) -> None:
    every = handed(open_source(file, EVERYWHERE, counting=True))
    admitted = handed(open_source(file, EVERYWHERE))
    # Of each conversation a SYN-ACK, and the hellos of both sides.
    assert len(every) == len(web("192.0.2.1")) * 2
    assert len(admitted) == 6
    # Their clocks are doubles of different makes.
    assert {(link, wire, data) for _, link, wire, data in admitted} <= {frame[1:] for frame in every}
    assert handed(open_source(file, inside(("2001:db8::/64",)))) == [f for f in admitted if f[3][12] == 0x86]


@pytest.mark.usefixtures("libpcap")
def test_the_position_goes_with_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BATCH", 50)
    path = talk.capture(tmp_path / "f", [f for n in range(200) for f in web("192.0.2.1", 40_000 + n)])
    for counting in (False, True):
        opened = open_source(path, EVERYWHERE, counting=counting)
        positions = list(opened.batches(lambda *_: None))
        assert positions == sorted(positions)
        assert 0 < positions[0] < positions[-1] == os.stat(path).st_size
        assert opened.size == os.stat(path).st_size


def test_the_position_of_what_is_not_open_is_nowhere(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    assert source._position_of(str(tmp_path / "f"))() == 0


@pytest.mark.usefixtures("libpcap")
def test_what_is_followed_is_handed_over_whatever_it_holds(tmp_path: Path) -> None:
    looks = {ack: talk.segment("192.0.2.1", 443, 40_000, b"nothing in particular", ack=ack) for ack in range(20)}
    path = talk.capture(tmp_path / "f", [Frame(EPOCH_NS, data, from_server=True) for data in looks.values()])
    opened = open_source(path, EVERYWHERE)
    opened.follow((3, 7, 19))
    assert [frame[3] for frame in handed(opened)] == [looks[3], looks[7], looks[19]]
    again = open_source(path, EVERYWHERE)
    again.follow((3,))
    again.follow(())
    assert handed(again) == []


@pytest.mark.usefixtures("libpcap")
def test_what_is_muted_is_not_handed_over() -> None:
    """With more muted servers than there is room for in the filter, the first are."""
    four = [f"192.0.2.{n}" for n in range(1, source.MUTED_4 + 3)]
    six = [f"2001:db8::{n:x}" for n in range(16, source.MUTED_6 + 18)]
    heard = muting(four + six)
    assert heard == {*four[-2:], *six[-2:]}


def muting(servers: list[str]) -> set[str]:
    """The servers that are heard of after all of these were muted."""
    import tempfile
    from ipaddress import ip_address

    with tempfile.TemporaryDirectory() as directory:
        path = talk.capture(Path(directory) / "f", [frame for server in servers for frame in web(server)])
        opened = open_source(path, EVERYWHERE)
        opened.mute([ip_address(server).packed for server in servers])
        opened.mute([ip_address(server).packed for server in servers])
        heard = handed(opened)
    return {server for server in servers if any(ip_address(server).packed in frame[3] for frame in heard)}


@pytest.mark.usefixtures("libpcap")
def test_muting_ends(file: str) -> None:
    opened = open_source(file, EVERYWHERE)
    opened.mute([bytes((192, 0, 2, 1))])
    opened.mute([])
    assert len(handed(opened)) == 6


@pytest.mark.usefixtures("libpcap")
def test_a_flight_that_goes_on_does_not_wait_for_its_batch(tmp_path: Path) -> None:
    """What it asks to follow stands behind it in the very file, and would otherwise have passed."""
    turns = sessions.tls("www.example.org", talk.long_leaf("www.example.org"))
    path = talk.capture(tmp_path / "f", talk.conversation("192.0.2.1", 443, turns))
    opened = open_source(path, EVERYWHERE)
    flight = [
        frame for frame in talk.conversation("192.0.2.1", 443, turns) if frame.from_server and len(frame.data) > 999
    ]
    ack = int.from_bytes(flight[0].data[14 + 20 + 8 :][:4], "big")
    seen: list[bytes] = []

    def take(time: float, link: int, wire: int, data: bytes) -> None:
        seen.append(data)
        if goes_on(data):
            opened.follow((ack,))

    assert list(opened.batches(take))
    assert [frame.data for frame in flight] == [data for data in seen if len(data) > 999]


@pytest.mark.usefixtures("libpcap")
def test_heavy_frames_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BATCH_BYTES", 5_000)
    lightest = talk.segment("192.0.2.1", 25, 40_000, b"220 " + bytes(996))
    path = talk.capture(tmp_path / "f", [Frame(EPOCH_NS, lightest, from_server=True)] * 40)
    opened = open_source(path, EVERYWHERE)
    assert isinstance(opened, LibpcapSource)
    sizes: list[int] = []
    whole = source._take_all

    def count(batch: list[Any], take: Any) -> None:
        sizes.append(sum(len(frame[3]) for frame in batch))
        whole(batch, take)

    monkeypatch.setattr(source, "_take_all", count)
    assert len(handed(opened)) == 40
    assert max(sizes) < 5_000 + len(lightest) + 1


_, (_, FLIGHT), *_ = handshake("www.example.org", public("www.example.org"))
_, (_, LONG), *_ = handshake("www.example.org", talk.long_leaf("www.example.org"))
(_, HELLO), *_ = handshake("www.example.org", public("www.example.org"))
(_, NAMELESS), (_, FLIGHT_13), *_ = handshake("", public("www.example.org"), "1.3")


@pytest.mark.parametrize(
    ("payload", "more"),
    [
        (FLIGHT, False),
        (FLIGHT[:300], True),
        (LONG[:1400], True),
        # What stands behind the leaf is of no interest.
        (FLIGHT[:-200], False),
        (HELLO, False),
        (HELLO[:100], True),
        (NAMELESS, False),
        (FLIGHT_13[:1400], False),
        (FLIGHT_13[:60], True),
        (b"220 ex01.example.org Microsoft ESMTP MAIL Service ready\r\n", False),
        (b"\x17\x03\x03\x40\x00" + bytes(1300), False),
        (b"\x16\x03\x01", False),
        (b"", False),
    ],
)
@pytest.mark.parametrize("layers", [(), ("qinq", "vlan"), ("mpls", "pw", "pppoe")])
def test_what_goes_on_in_a_later_frame(payload: bytes, more: bool, layers: tuple[str, ...]) -> None:
    frame = talk.segment("192.0.2.1", 443, 40_000, payload, layers=layers)
    assert goes_on(frame) is more


def test_both_sources_read_one_file_alike(file: str) -> None:
    read = handed(FileSource(CaptureFile(file)))
    assert read == list(CaptureFile(file).frames())
    assert read[0][3][:12] == frames.MACS


@pytest.mark.usefixtures("libpcap")
@pytest.mark.parametrize("word", ["feed", "feee", "feef"])
def test_no_prefix_is_taken_for_a_place_to_fill_in(tmp_path: Path, word: str) -> None:
    """Whatever stands in a prefix, it is still the prefix after others are followed and muted."""
    prefix = f"2001:db8:{word}::/48"
    assert admitted_after_filling(tmp_path, inside((prefix,)), b"\x20\x01\x0d\xb8" + bytes.fromhex(word)) == 3
    assert admitted_after_filling(tmp_path, inside((prefix,)), b"\x20\x01\x0d\xb8\xfe\xec") == 0


def admitted_after_filling(tmp_path: Path, wanted: Wanted, network: bytes) -> int:
    """How much of a visit to a server in ``network`` is handed over, while others are followed and muted."""
    there = network.ljust(14, b"\0")
    frames_there = [f._replace(data=f.data.replace(b"\x20\x01\x0d\xb8" + bytes(10), there)) for f in web("2001:db8::1")]
    opened = open_source(talk.capture(tmp_path / "f", frames_there), wanted)
    assert isinstance(opened, LibpcapSource)
    opened.follow(tuple(range(1000, 1000 + source.FOLLOWED)))
    opened.mute([bytes((192, 0, 2, 9)), network.ljust(15, b"\0") + b"\x09"])
    opened.follow((77,))
    return len(handed(opened))


@pytest.mark.usefixtures("libpcap")
def test_what_is_no_longer_followed_is_not_handed_over(tmp_path: Path) -> None:
    looks = [talk.segment("192.0.2.1", 443, 40_000, b"nothing in particular", ack=ack) for ack in range(4)]
    opened = open_source(
        talk.capture(tmp_path / "f", [Frame(EPOCH_NS, data, from_server=True) for data in looks]), EVERYWHERE
    )
    opened.follow((1, 2, 3))
    opened.follow((2,))
    assert [frame[3] for frame in handed(opened)] == [looks[2]]


def test_how_far_a_file_was_read_outlives_whoever_else_had_it_open(tmp_path: Path) -> None:
    (tmp_path / "f.pcap").write_bytes(b"0123456789")
    other = (tmp_path / "f.pcap").open("rb", buffering=0)
    position = source._position_of(str(tmp_path / "f.pcap"))
    with (tmp_path / "f.pcap").open("rb", buffering=0) as read:
        read.read(5)
        other.close()
        assert position() == 0  # asked of the one that was closed
        assert position() == 5
    assert position() == 0
