"""What the capture filter should say of a frame, by way of the decoder: a reference for every machine."""

from __future__ import annotations

from collectors.packets import admit, verdicts
from collectors.packets.decode import TCP, decode, tcp_header
from collectors.packets.wanted import ANSWERS, HANDSHAKES, HEADERS, QUIET, Wanted

SYN, ACK = 2, 0x10


def verdict(frame: bytes, link: int, wire: int, wanted: Wanted, following: tuple[int, ...] = ()) -> int:
    """How many bytes of it, as if each SYN-ACK were the one in so many, and no frame a glimpse."""
    packet = decode(frame, link, wire, wanted.encapsulations)
    if isinstance(packet, str):
        return 0
    protocol, addresses, _, at, end = packet
    half = len(addresses) // 2
    rules = admit.Rules(wanted.dissectors, wanted.ports)
    source, destination = (int.from_bytes(frame[i : i + 2], "big") for i in (at, at + 2))
    if protocol != TCP:
        asked = rules.dns and source == admit.DNS_PORT and admit.dns_wanted(frame[at + 8 :])
        return verdicts.SNAP_DNS if asked and wanted.tiers.of(addresses[:half]) & ANSWERS else 0
    _, _, _, ack, offset, flags, _ = tcp_header(frame, at)
    header = offset >> 2 & 0x3C
    if flags & SYN:
        if not flags & ACK:
            return at + max(header, 20) if addresses[:half] in wanted.sources else 0
        answers = source in rules.answering
        return at + max(header, 20) if answers and _has(wanted, addresses[:half], source, HEADERS) else 0
    if ack in following:
        return verdicts.SNAP_DATA
    start = at + header
    if header < 20 or end <= start:
        return 0
    side = rules.admitted(frame[start:end], end - start, source, destination)
    if not side:
        return 0
    server = (addresses[:half], source) if side == admit.SERVER else (addresses[half:], destination)
    return verdicts.SNAP_DATA if _has(wanted, *server, HANDSHAKES) else 0


def _has(wanted: Wanted, address: bytes, port: int, bit: int) -> bool:
    tier = wanted.tiers.of(address)
    return bool(tier & bit) and not (tier & QUIET and port == admit.HTTPS)
