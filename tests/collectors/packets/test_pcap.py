"""Capture files: every variant that there is, cut at every byte, and held against dpkt."""

from __future__ import annotations

import io
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import InputError
from collectors.packets.pcap import CaptureFile, Frame

PACKETS = [(1_700_000_000, 123_456, b"one"), (1_700_000_001, 999_999, b"second packet"), (1_700_000_002, 0, b"")]


def pcap(order: str = "<", magic: int = 0xA1B2C3D4, link: int = 1, *, scale: int = 1) -> bytes:
    out = pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for seconds, micros, data in PACKETS:
        extra = bytes(8) if magic == 0xA1B2CD34 else b""
        out += pack(order + "IIII", seconds, micros * scale, len(data), len(data) + 5) + extra + data
    return out


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return pack(order + "II", kind, 12 + len(body)) + body + pack(order + "I", 12 + len(body))


def interface(order: str, link: int, *options: tuple[int, bytes]) -> bytes:
    body = pack(order + "HHI", link, 0, 0)
    for code, value in options:
        body += pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)
    return block(order, 1, body + pack(order + "HH", 0, 0))


def enhanced(order: str, number: int, ticks: int, data: bytes) -> bytes:
    return block(order, 6, pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)) + data)


def section(order: str = "<") -> bytes:
    return block(order, 0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def read(path: Path, content: bytes) -> tuple[list[Frame], str | None]:
    path.write_bytes(content)
    file = CaptureFile(str(path))
    return list(file.frames()), file.loss


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "scale"), [(0xA1B2C3D4, 1), (0xA1B23C4D, 1000), (0xA1B2CD34, 1)])
def test_pcap_of_every_make(tmp_path: Path, order: str, magic: int, scale: int) -> None:
    frames, loss = read(tmp_path / "f", pcap(order, magic, scale=scale))
    assert loss is None
    assert [(f.link, f.wire, f.data) for f in frames] == [(1, len(d) + 5, d) for _, _, d in PACKETS]
    assert [f.time for f in frames] == pytest.approx([s + u / 1e6 for s, u, _ in PACKETS], abs=1e-6)


@pytest.mark.parametrize("order", "<>")
def test_pcapng_with_interfaces_and_clocks_of_their_own(tmp_path: Path, order: str) -> None:
    content = section(order) + interface(order, 1) + interface(order, 101, (9, b"\x09"), (14, pack(order + "q", 1000)))
    content += interface(order, 113, (9, bytes((0x80 | 10,)))) + block(order, 0x0BAD, b"unknown")
    content += (
        enhanced(order, 0, 1_500_000, b"micro")
        + enhanced(order, 1, 2_000_000_000, b"nano!")
        + enhanced(order, 2, 3 * 1024, b"binary")
    )
    content += block(order, 3, pack(order + "I", 6) + b"simple") + block(
        order, 2, pack(order + "HHIIII", 1, 0, 0, 5, 3, 3) + b"old"
    )
    frames, loss = read(tmp_path / "f", content)
    assert loss is None
    expected = [
        (1.5, 1, b"micro"),
        (1002.0, 101, b"nano!"),
        (3.0, 113, b"binary"),
        (0.0, 1, b"simple"),
        (1000.000000005, 101, b"old"),
    ]
    assert [(f.time, f.link, f.data) for f in frames] == [(pytest.approx(t), link, data) for t, link, data in expected]


def test_a_second_section_may_turn_the_byte_order(tmp_path: Path) -> None:
    content = b"".join(section(o) + interface(o, 1) + enhanced(o, 0, 7, b"data") for o in "<>")
    assert [f.data for f in read(tmp_path / "f", content)[0]] == [b"data", b"data"]


NG = section() + interface("<", 1) + enhanced("<", 0, 1, b"first") + enhanced("<", 0, 2, b"second")


@pytest.mark.parametrize("content", [pcap(), NG], ids=["pcap", "pcapng"])
def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(tmp_path: Path, content: bytes) -> None:
    whole, _ = read(tmp_path / "f", content)
    for at in range(28, len(content)):
        frames, loss = read(tmp_path / "f", content[:at])
        assert frames == whole[: len(frames)]
        boundary = content[:at] in {content[: len(content) - n] for n in (0,)} or loss is None
        assert boundary or f"after frame {len(frames)}" in (loss or "")


def test_a_cut_is_told_with_frame_and_byte(tmp_path: Path) -> None:
    assert read(tmp_path / "f", pcap()[:-20])[1] == "the file is cut after frame 1, at byte 43 of 68; read up to there"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            pcap()[:40] + pack("<IIII", 1, 1, 1 << 30, 5) + bytes(99),
            "a record that claims 1073741824 bytes after frame",
        ),
        (NG + pack("<II", 6, 3) + bytes(99), "a block that claims 3 bytes after frame 2"),
        (NG + enhanced("<", 9, 1, b"data"), "a malformed block of type 6 after frame 2"),
        (NG + block("<", 6, b"short"), "a malformed block of type 6 after frame 2"),
    ],
)
def test_damage_is_told(tmp_path: Path, content: bytes, complaint: str) -> None:
    if content.startswith(pcap()[:40]):
        content = pcap()[:24] + content[40:]
        complaint = complaint.replace("frame", "frame 0")
    assert complaint in (read(tmp_path / "f", content)[1] or "")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"hello world, this is no capture", "is not a capture: a pcap or pcapng file is wanted"),
        (pcap()[:20], "is not a capture"),
        (b"\x1f\x8b\x08\x00" + bytes(40), "gunzip"),
    ],
)
def test_what_is_no_capture_is_refused_by_name(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as refusal:
        read(tmp_path / "odd.pcap", content)
    assert "odd.pcap" in str(refusal.value)


def test_an_absent_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.pcap: no such file"):
        CaptureFile(str(tmp_path / "absent.pcap"))
    with pytest.raises(InputError, match="is a directory"):
        CaptureFile(str(tmp_path))


@given(st.binary(max_size=300), st.sampled_from([pcap(), pcap(">"), NG]), st.data())
def test_no_damage_raises(noise: bytes, content: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(24, len(content)))
    path = Path(_scratch()) / "damaged"
    for spoiled in (content[:at] + noise, content[:at] + noise + content[at:]):
        path.write_bytes(spoiled)
        file = CaptureFile(str(path))
        for frame in file.frames():
            assert len(frame.data) <= len(spoiled)


def _scratch() -> str:
    import tempfile

    if not hasattr(_scratch, "folder"):
        _scratch.folder = tempfile.TemporaryDirectory()  # type: ignore[attr-defined]
    return str(_scratch.folder.name)  # type: ignore[attr-defined]


def test_dpkt_reads_the_same(tmp_path: Path) -> None:
    dpkt = pytest.importorskip("dpkt")
    for content in (pcap(), pcap(">"), pcap(magic=0xA1B23C4D, scale=1000), NG):
        theirs = [(float(t), bytes(d)) for t, d in dpkt.pcap.UniversalReader(io.BytesIO(content))]
        ours = [(f.time, f.data) for f in read(tmp_path / "f", content)[0]]
        assert [d for _, d in ours] == [d for _, d in theirs]
        assert [t for t, _ in ours] == pytest.approx([t for t, _ in theirs], abs=1e-6)


def test_what_was_read_can_be_let_go_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(
        pcap()[:24] + b"".join(pack("<IIII", n, 0, 500, 500) + bytes((n & 255,)) * 500 for n in range(200))
    )
    file = CaptureFile(str(path))
    read = []
    for frame in file.frames():
        read.append(frame.data[0])
        file.let_go()
    assert read == [n & 255 for n in range(200)]
    assert file.loss is None
    assert file.link == 1
