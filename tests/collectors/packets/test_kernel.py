"""The generated filter, run by the kernel on real sockets, against the decoder."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from agent.errors import InputError
from collectors.packets import bpf
from collectors.packets.assembler import Instruction
from collectors.packets.decode import ETHERNET, TCP, decode, tcp_header
from collectors.packets.pcap import CaptureFile
from collectors.packets.ring import attach
from collectors.packets.wanted import DISSECTORS, ENCAPSULATIONS, EVERYBODY, EVERYWHERE, Tiers, Wanted
from tests import frames, namespace, tunnelled
from tests.verdict import verdict

CAPTURES = Path("../shared/captures")
EVERY = frozenset(ENCAPSULATIONS)
_ETH_P_ALL = 3


class Kernel:
    """Runs a program on frames, each of which goes through a socket as a datagram."""

    def __init__(self, program: list[Instruction]) -> None:
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        attach(self._far, program)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self._near.close()
        self._far.close()

    def look(self, frame: bytes) -> bytes:
        """As much of it as the filter lets through."""
        self._near.send(frame)
        try:
            return self._far.recv(1 << 17, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""


def agree(frames_: Iterator[bytes], wanted: Wanted) -> int:
    """How many were admitted, each as far as the decoder says."""
    admitted = 0
    with Kernel(bpf.generate(ETHERNET, wanted).instructions) as kernel:
        for frame in frames_:
            seen = kernel.look(frame)
            assert seen == frame[: verdict(frame, ETHERNET, len(frame), wanted)], frame.hex()
            admitted += bool(seen)
    return admitted


def any_frames(r: random.Random, count: int) -> Iterator[bytes]:
    """Of every encapsulation, or none, and damaged or not; an empty one is no datagram."""
    for _ in range(count):
        kind = r.choice((*ENCAPSULATIONS, "", "", ""))
        frame = tunnelled.random_copy(r, kind) if kind else frames.wrap(frames.random_stack(r), frames.random_packet(r))
        yield frames.damaged(r, frame) or b"\0"


def some_prefixes(r: random.Random, most: int = 4) -> list[str]:
    """Prefixes around the addresses of `frames`, and some that are far from them."""
    near = (
        "192.0.2.10",
        "203.0.113.9",
        "198.51.100.7",
        "2001:db8::a",
        "2001:db8::8010",
        "2001:db8::7",
        "::",
        "0.0.0.0",
    )
    return [
        str(ip_network((address, r.randrange(r.choice((0, 20)), 129 if ":" in address else 33)), strict=False))
        for address in (r.choice(near) for _ in range(r.randrange(most)))
    ]


OURS = (bytes((192, 0, 2, 10)), bytes.fromhex("20010db8") + bytes(10) + b"\x80\x10")


def some_wanted(r: random.Random) -> Wanted:
    tiers = Tiers(some_prefixes(r), some_prefixes(r), r.choice(((), EVERYBODY, some_prefixes(r))))
    if r.random() < 0.3:
        silent = (bytes((192, 0, 2, 10)), bytes((198, 51, 100, 7)), bytes.fromhex("20010db8") + bytes(11) + b"\x0a")
        tiers = tiers.without(silent[:1], https_only=r.random() < 0.5).without(silent[1:], https_only=r.random() < 0.5)
    some = r.sample(DISSECTORS, r.randrange(1, len(DISSECTORS) + 1))
    return Wanted(
        r.choice((tiers, tiers, EVERYWHERE)),
        frozenset(r.choice((DISSECTORS, some))),
        frozenset(r.sample(ENCAPSULATIONS, r.randrange(len(ENCAPSULATIONS) + 1))),
        r.choice(((), (), (25, 443), (8443, 80, 993))),
        glimpse=r.choice((0, 1 << 31)),  # next to never, but the program is another
        sources=r.choice(((), OURS[:1], OURS)),
    )


@pytest.mark.parametrize("seed", range(40))
def test_kernel_and_decoder_agree_whatever_is_wanted(seed: int) -> None:
    r = random.Random(f"kernel {seed}")
    agree(any_frames(r, 400), some_wanted(r))


@pytest.mark.parametrize("encapsulation", [*ENCAPSULATIONS, ""])
def test_kernel_and_decoder_agree_on_every_encapsulation(encapsulation: str) -> None:
    r = random.Random(f"kernel {encapsulation}")

    def copies() -> Iterator[bytes]:
        for _ in range(3000):
            frame = (
                tunnelled.random_copy(r, encapsulation)
                if encapsulation
                else frames.wrap(frames.random_stack(r), frames.random_packet(r))
            )
            yield frames.damaged(r, frame) or b"\0"

    assert agree(copies(), Wanted(encapsulations=EVERY)) > 100


def real_frames(most: int = 400_000) -> Iterator[bytes]:
    if not CAPTURES.is_dir():
        pytest.skip("needs the shared captures beside the project")
    for path in sorted(CAPTURES.glob("*/*.pcap*")):
        if path.stat().st_size > most:
            continue
        try:
            for _, link, _, data in CaptureFile(str(path)).frames():
                if link == ETHERNET and data:
                    yield data
        except InputError:
            continue


@pytest.mark.parametrize("encapsulations", [frozenset(), EVERY], ids=["plain", "every tunnel"])
def test_kernel_and_decoder_agree_on_real_frames(encapsulations: frozenset[str]) -> None:
    assert agree(real_frames(), Wanted(encapsulations=encapsulations)) > 1000


def payload_bytes(seen: bytes, frame: bytes) -> int:
    """How much of what was let through of a frame is payload of TCP or UDP, as the decoder sees the frame."""
    packet = decode(frame, ETHERNET, len(frame), EVERY)
    assert not isinstance(packet, str), frame.hex()
    protocol, _, _, at, _ = packet
    header = max(tcp_header(frame, at)[4] >> 2 & 0x3C, 20) if protocol == TCP else 8
    return max(len(seen) - at - header, 0)


def test_in_tier_headers_not_one_byte_of_payload_is_delivered() -> None:
    """Nor any frame but a SYN-ACK, though servers answer with data in it, in tunnels too."""
    r = random.Random("headers")
    answers = 0
    with Kernel(bpf.generate(ETHERNET, Wanted(Tiers((), EVERYBODY), encapsulations=EVERY)).instructions) as kernel:
        for frame in (*any_frames(r, 12_000), *(real_frames() if CAPTURES.is_dir() else ())):
            seen = kernel.look(frame)
            if seen:
                answers += 1
                assert payload_bytes(seen, frame) == 0, frame.hex()
    assert answers > 200


def test_of_our_own_knocks_not_one_byte_of_payload_is_delivered() -> None:
    r = random.Random("knocks")
    knocks = 0
    with Kernel(bpf.generate(ETHERNET, Wanted(Tiers(), encapsulations=EVERY, sources=OURS)).instructions) as kernel:
        for frame in any_frames(r, 12_000):
            seen = kernel.look(frame)
            if seen:
                knocks += 1
                assert payload_bytes(seen, frame) == 0, frame.hex()
                packet = decode(frame, ETHERNET, len(frame), EVERY)
                assert packet[1][: len(packet[1]) // 2] in OURS
    assert knocks > 50


def test_of_mixed_tiers_payload_is_delivered_of_tier_handshakes_alone() -> None:
    r = random.Random("tiers")
    tiers = Tiers(("192.0.2.0/24", "2001:db8::/120"), ("203.0.113.0/24", "2001:db8::8000/113"))
    with_payload = set()
    with Kernel(bpf.generate(ETHERNET, Wanted(tiers, encapsulations=EVERY)).instructions) as kernel:
        for frame in any_frames(r, 20_000):
            seen = kernel.look(frame)
            if seen and payload_bytes(seen, frame):
                packet = decode(frame, ETHERNET, len(frame), EVERY)
                half = len(packet[1]) // 2
                with_payload.add((packet[1][:half], packet[1][half:]))
    inside = (bytes((192, 0, 2)), bytes.fromhex("20010db8") + bytes(11))
    assert len(with_payload) > 1
    assert all(source.startswith(inside) or destination.startswith(inside) for source, destination in with_payload)


def crowd(r: random.Random, count: int) -> list[str]:
    """Prefixes that neither touch nor hold the addresses of `frames`."""
    four = [
        f"{r.randrange(11, 120)}.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(128) * 2}/32" for _ in range(count)
    ]
    six = [f"2001:db9:{r.randrange(65536):x}:{r.randrange(65536):x}::/64" for _ in range(count // 4)]
    return four + six


@pytest.mark.parametrize("count", [1_000, 3_000, 40_000])
def test_too_many_prefixes_fail_private(count: int) -> None:
    """Nobody outside is seen with payload, and of nobody inside are the SYN-ACKs lost."""
    r = random.Random(f"crowd {count}")
    tiers = Tiers([*crowd(r, count), "192.0.2.0/24"], [*crowd(r, count), "203.0.113.9/32"], crowd(r, 100))
    wanted = Wanted(tiers, encapsulations=EVERY)
    program = bpf.generate(ETHERNET, wanted)
    assert program.demoted > 0
    assert len(program.instructions) <= 4096
    exact = 0
    with Kernel(program.instructions) as kernel:
        for frame in any_frames(r, 6_000):
            seen, most = kernel.look(frame), verdict(frame, ETHERNET, len(frame), wanted)
            if len(seen) > min(most, len(frame)):
                assert payload_bytes(seen, frame) == 0, frame.hex()
            exact += bool(seen) and len(seen) == min(most, len(frame))
            if most and payload_bytes(frame[:most], frame) == 0:
                assert seen == frame[:most], frame.hex()
    assert exact > 5


def test_of_syn_acks_one_in_so_many_comes() -> None:
    answer = frames.wrap((), frames.ipv4(6, frames.tcp(443, 40_000, b"", flags=0x12)))
    greeting = frames.wrap((), frames.ipv4(6, frames.tcp(25, 40_000, frames.PAYLOADS[0])))
    with Kernel(bpf.generate(ETHERNET, Wanted(sample=32)).instructions) as kernel:
        answers = sum(kernel.look(answer) == answer for _ in range(6400))
        assert 100 < answers < 330  # 200, give or take nine standard deviations
        assert all(kernel.look(greeting) for _ in range(300))


UNREADABLE = {
    "arp": (frames.ethernet(0x0806, bytes(28)), "not_ip", 14),
    "arp behind tags": (frames.MACS + bytes.fromhex("88a80064810000650806") + bytes(28), "not_ip", 22),
    "discovery": (frames.ethernet(0x8863, bytes(40)), "not_ip", 14),
    "session of no session": (frames.ethernet(0x8864, bytes(40)), "not_ip", 16),
    "link control": (frames.ethernet(0x8864, b"\x11\0\0\x07\0\x0a\xc0\x21" + bytes(40)), "not_ip", 22),
    "arp in a pseudowire": (
        frames.ethernet(0x8847, b"\0\1\1\x40" + bytes(4) + frames.MACS + b"\x08\x06" + bytes(40)), "not_ip", 32,
    ),
    "tags": (frames.wrap(("vlan",) * 7, frames.ipv4(6, bytes(40))), "too_deep", 12 + 7 * 4 - 2),
    "labels": (frames.wrap(("mpls",) * 7, frames.ipv4(6, bytes(40))), "too_deep", 14 + 6 * 4),
    "a fragment": (frames.wrap(("vlan",), frames.ipv4(6, bytes(40), fragment=0x2000)), "fragment", 18 + 8),
    "a later one": (frames.wrap((), frames.ipv4(6, bytes(40), fragment=9, options=bytes(4))), "fragment", 14 + 8),
    "one of IPv6": (frames.wrap(("pppoe",), frames.ipv6(6, bytes(40), extensions=(44,))), "fragment", 22 + 8),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_nobody_can_read_is_shown_without_an_address(kind: str) -> None:
    frame, reason, length = UNREADABLE[kind]
    assert decode(frame, ETHERNET, len(frame)) == reason
    with Kernel(bpf.generate(ETHERNET, Wanted(Tiers(), glimpse=1)).instructions) as kernel:
        assert kernel.look(frame) == frame[:length]
        assert decode(frame[:length], ETHERNET, len(frame)) == reason
    with Kernel(bpf.generate(ETHERNET, Wanted(glimpse=4)).instructions) as kernel:
        assert 60 < sum(bool(kernel.look(frame)) for _ in range(400)) < 140
    with Kernel(bpf.generate(ETHERNET, Wanted()).instructions) as kernel:
        assert kernel.look(frame) == b""


def test_a_glimpse_of_any_frame_ends_in_front_of_its_addresses() -> None:
    r = random.Random("glimpse")
    glimpses = 0
    with Kernel(bpf.generate(ETHERNET, Wanted(Tiers(), glimpse=1, encapsulations=EVERY)).instructions) as kernel:
        for _ in range(8_000):
            kind = r.choice((*ENCAPSULATIONS, "", ""))
            whole = (
                tunnelled.random_copy(r, kind) if kind else frames.wrap(frames.random_stack(r), frames.random_packet(r))
            )
            # Cut or padded, but not spoiled: an IP header behind a label is one by its first bits alone.
            frame = (whole + bytes(8))[: r.randrange(1, len(whole) + 9)]
            seen = kernel.look(frame)
            if seen:
                glimpses += 1
                assert decode(frame, ETHERNET, len(frame), EVERY) in ("not_ip", "too_deep", "fragment", "truncated")
                assert decode(seen, ETHERNET, len(frame), EVERY) in ("not_ip", "too_deep", "fragment", "truncated")
                for address in (b"\xc0\x00\x02\x0a", b"\xcb\x00\x71\x09", b"\xc6\x33\x64\x07", b"\x20\x01\x0d\xb8"):
                    assert address not in seen
    assert glimpses > 300


def test_a_packet_socket_runs_it_alike_and_loses_the_outer_tag() -> None:
    """The kernel takes the outer tag off before it asks the filter; what is left is shorter by it."""

    def test() -> None:
        namespace.pair()
        near = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with near, far:
            near.bind(("near", 0))
            attach(far, bpf.generate(ETHERNET, Wanted(encapsulations=EVERY)).instructions)
            far.bind(("far", _ETH_P_ALL))
            far.settimeout(30)
            for frame in wanted_frames:
                near.send(frame)
                tagged = frame[12:14] in (b"\x81\0", b"\x88\xa8")
                bare = frame[:12] + frame[16:] if tagged else frame
                seen = far.recv(1 << 17)
                assert seen == bare[: verdict(bare, ETHERNET, len(bare), Wanted(encapsulations=EVERY))], frame.hex()

    r = random.Random("veth")
    everything = Wanted(encapsulations=EVERY)
    wanted_frames = [
        frame
        for frame in any_frames(r, 4_000)
        if 60 < len(frame) < 1500 and verdict(frame, ETHERNET, len(frame), everything)
    ]
    assert len(wanted_frames) > 200
    assert sum(frame[12:14] in (b"\x81\0", b"\x88\xa8") for frame in wanted_frames) > 20
    namespace.alone(test)
