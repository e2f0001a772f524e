"""The generated filter against the reference decoder, on machines of two makes."""

from __future__ import annotations

import random

import pytest

from collectors.packets import admit, bpf
from collectors.packets.assembler import ADD, JEQ, LDB_ABS, RET, Assembler
from collectors.packets.decode import LINK_TYPES, TCP, decode, tcp_header
from collectors.packets.wanted import HANDSHAKES, Wanted, inside
from tests import frames, machine

PREFIXES = (
    (),
    ("192.0.2.0/24",),
    ("203.0.113.0/29", "192.0.2.8/30", "2001:db8::/112", "0.0.0.0/0"),
    ("2001:db8::8000/113", "203.0.113.9/32"),
    ("2001:db8::10/128",),
)
LINKS = sorted(LINK_TYPES)


def wanted(frame: bytes, link: int, wire: int, of: Wanted, following: tuple[int, ...] = ()) -> bool:
    """What the filter should say, by way of the decoder."""
    packet = decode(frame, link, wire)
    if isinstance(packet, str):
        return False
    protocol, addresses, _, at, end = packet
    half = len(addresses) // 2
    if protocol != TCP:
        return frame[at : at + 2] == b"\0\x35" and admit.dns_wanted(frame[at + 8 :])
    source, _, _, ack, offset, flags, _ = tcp_header(frame, at)
    server = addresses[:half]
    if flags & 2:
        return bool(flags & 0x10) and source in admit.SERVICE_PORTS and of.tiers.of(server) & HANDSHAKES != 0
    if ack in following:
        return True
    start = at + (offset >> 2 & 0x3C)
    if start < at + 20 or end <= start:
        return False
    side = admit.payload_side(frame[start:end], end - start, source)
    if side == admit.CLIENT:
        server = addresses[half:]
    return side != 0 and of.tiers.of(server) & HANDSHAKES != 0


def headed(link: int, packet: bytes, r: random.Random) -> bytes:
    """The packet behind a header of that link type."""
    version6 = packet[0] >> 4 == 6
    ethertype = b"\x86\xdd" if version6 else b"\x08\x00"
    protocol = b"\0\x57" if version6 else b"\0\x21"
    heads = {
        0: bytes((2, 0, 0, 0)),
        9: r.choice((b"", b"\xff\x03")) + protocol,
        50: b"\xff\x03" + protocol,
        104: b"\x0f\x00" + ethertype,
        108: bytes((0, 0, 0, 2)),
        113: bytes(14) + ethertype,
        276: ethertype + bytes(18),
    }
    return heads.get(link, b"") + packet


@pytest.mark.parametrize("cidrs", PREFIXES, ids=lambda c: "-".join(c) or "everywhere")
def test_filter_and_decoder_agree_on_random_frames(cidrs: tuple[str, ...]) -> None:
    r = random.Random(f"frames {cidrs}")
    prefixes = inside(cidrs)
    program = bpf.generate(1, prefixes).instructions
    admitted = 0
    for _ in range(4000):
        frame = frames.damaged(r, frames.wrap(frames.random_stack(r), frames.random_packet(r)))
        wire = len(frame) + r.choice((0, 0, 0, 9))
        verdict = bool(machine.run(program, frame, wire))
        assert verdict == wanted(frame, 1, wire, prefixes), frame.hex()
        admitted += verdict
    assert admitted > 30


@pytest.mark.parametrize("link", LINKS)
def test_filter_and_decoder_agree_on_every_link_type(link: int) -> None:
    r = random.Random(link)
    program = bpf.generate(link, Wanted()).instructions
    admitted = 0
    for _ in range(600):
        packet = frames.random_packet(r)
        frame = frames.damaged(r, frames.wrap((), packet) if link == 1 else headed(link, packet, r))
        verdict = bool(machine.run(program, frame, len(frame)))
        assert verdict == wanted(frame, link, len(frame), Wanted()), frame.hex()
        admitted += verdict
    assert admitted > 30


def test_libpcap_runs_it_alike() -> None:
    cypcap = pytest.importorskip("cypcap", reason="no libpcap binding for this machine")
    r = random.Random("libpcap")
    program = bpf.generate(1, Wanted(), following=(77, 78)).instructions
    theirs = cypcap.BpfProgram(program)
    for _ in range(4000):
        frame = frames.damaged(r, frames.wrap(frames.random_stack(r), frames.random_packet(r)))
        header = cypcap.Pkthdr(0, len(frame), len(frame))
        expected = wanted(frame, 1, len(frame), Wanted(), (77, 78))
        assert bool(theirs.offline_filter(header, frame)) == expected, frame.hex()
        assert bool(machine.run(program, frame, len(frame))) == expected, frame.hex()


def test_of_a_muted_server_nothing_of_port_443_is_admitted() -> None:
    r = random.Random("muted")
    four, six = bytes((192, 0, 2, 10)), bytes.fromhex("20010db8") + bytes(10) + b"\0\x0a"
    program = bpf.generate(1, Wanted(), muted=(bytes((192, 0, 2, 11)), four, six)).instructions
    muted = heard = 0
    for _ in range(6000):
        frame = frames.damaged(r, frames.wrap(frames.random_stack(r), frames.random_packet(r)))
        expected = wanted(frame, 1, len(frame), Wanted())
        if expected and about_https(frame, {four, six}):
            expected = False
            muted += 1
        assert bool(machine.run(program, frame, len(frame))) == expected, frame.hex()
        heard += expected
    assert muted > 10
    assert heard > 100


def about_https(frame: bytes, servers: set[bytes]) -> bool:
    """Whether an admitted frame is about port 443 of one of these servers."""
    packet = decode(frame, 1, len(frame))
    assert not isinstance(packet, str)
    protocol, addresses, _, at, end = packet
    if protocol != TCP:
        return False
    source, destination, _, _, offset, flags, _ = tcp_header(frame, at)
    half, start = len(addresses) // 2, at + (offset >> 2 & 0x3C)
    client = not flags & 2 and admit.payload_side(frame[start:end], end - start, source) == admit.CLIENT
    server, port = (addresses[half:], destination) if client else (addresses[:half], source)
    return port == 443 and server in servers


@pytest.mark.parametrize("depth", range(8))
@pytest.mark.parametrize("layer", ["vlan", "qinq", "old", "mpls"])
def test_six_layers_are_followed_and_no_more(layer: str, depth: int) -> None:
    frame = frames.wrap((layer,) * depth, frames.ipv4(6, frames.tcp(25, 40000, frames.PAYLOADS[0])))
    verdict = bool(machine.run(bpf.generate(1, Wanted()).instructions, frame, len(frame)))
    assert verdict == (depth <= 6)
    assert (decode(frame, 1, len(frame)) == "too_deep") == (depth > 6)


def test_a_mix_of_six_layers() -> None:
    stack = ("qinq", "vlan", "mpls", "pw", "vlan", "pppoe")
    frame = frames.wrap(stack, frames.ipv6(6, frames.tcp(25, 40000, frames.PAYLOADS[0])))
    assert machine.run(bpf.generate(1, Wanted()).instructions, frame, len(frame)) == bpf.SNAP_DATA


def test_the_wanted_length_depends_on_the_kind() -> None:
    program = bpf.generate(1, Wanted()).instructions
    answer = frames.wrap((), frames.ipv4(6, frames.tcp(443, 40000, b"", flags=0x12)))
    assert machine.run(program, answer, len(answer)) == bpf.SNAP_SYN_ACK


def test_an_unknown_link_type_is_refused() -> None:
    with pytest.raises(ValueError, match="link type 147"):
        bpf.generate(147, Wanted())


def far_program(distance: int) -> list[tuple[int, int, int, int]]:
    a = Assembler()
    a.op(LDB_ABS, 0)
    a.branch(JEQ, 1, yes="far", no="farther")
    for _ in range(distance):
        a.op(ADD, 1)
    a.label("far")
    a.op(RET, 1)
    a.label("farther")
    a.op(RET, 2)
    return a.assemble()


@pytest.mark.parametrize("distance", [0, 1, 253, 254, 255, 256, 600])
def test_far_branches_arrive(distance: int) -> None:
    program = far_program(distance)
    assert machine.run(program, b"\x01", 1) == 1
    assert machine.run(program, b"\x02", 1) == 2
    assert all(yes < 256 and no < 256 for _, yes, no, _ in program)


def test_the_assembler_refuses_what_no_machine_can_do() -> None:
    a = Assembler()
    a.branch(JEQ, 1, yes="nowhere")
    with pytest.raises(ValueError, match="no label nowhere"):
        a.assemble()
    b = Assembler()
    b.label("back")
    b.op(RET, 0)
    b.branch(JEQ, 1, yes="back")
    with pytest.raises(ValueError, match="behind"):
        b.assemble()
    with pytest.raises(ValueError, match="twice"):
        b.label("back")
