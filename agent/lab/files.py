"""Capture files as bytes: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from agent.lab.traffic import Frame

SNAPLEN = 262_144  # bytes; the largest that tcpdump asks for


def pcap(
    frames: Iterable[Frame], *, link: int = 1, nano: bool = False, order: str = "<", snaplen: int = SNAPLEN
) -> bytes:
    """A pcap file in the byte order ``<`` or ``>``, with micro- or nanoseconds; frames are cut at ``snaplen`` bytes."""
    magic, unit = (0xA1B23C4D, 1) if nano else (0xA1B2C3D4, 1000)
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snaplen, link)]
    for frame in frames:
        seconds, rest = divmod(frame.time, 1_000_000_000)
        kept = frame.data[:snaplen]
        parts += [struct.pack(f"{order}IIII", seconds, rest // unit, len(kept), len(frame.data)), kept]
    return b"".join(parts)


def pcapng(frames: Iterable[Frame], *, links: Sequence[int] = (1,), nano: bool = False, order: str = "<") -> bytes:
    """A pcapng file with one interface for each of ``links``; a frame names its own by its position there."""
    header = struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)
    # if_tsresol: 10 to the power of minus this many seconds. Without the option it is microseconds.
    resolution = struct.pack(f"{order}HHB3xHH", 9, 1, 9, 0, 0) if nano else b""
    parts = [_block(order, 0x0A0D0D0A, header)]
    parts += [_block(order, 1, struct.pack(f"{order}HHI", link, 0, SNAPLEN) + resolution) for link in links]
    for frame in frames:
        ticks = frame.time if nano else frame.time // 1000
        length = len(frame.data)
        fields = struct.pack(f"{order}IIIII", frame.interface, ticks >> 32, ticks & 0xFFFFFFFF, length, length)
        parts.append(_block(order, 6, fields + frame.data))
    return b"".join(parts)


def _block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length
