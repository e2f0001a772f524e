"""The generated filter against the reference decoder, on machines of two makes."""

from __future__ import annotations

import random

import pytest

from collectors.packets import bpf, verdicts
from collectors.packets.assembler import RET
from collectors.packets.decode import LINK_TYPES, decode
from collectors.packets.wanted import EVERYBODY, EVERYWHERE, Tiers, Wanted, inside
from tests import frames, machine
from tests.verdict import verdict

PREFIXES = (
    (),
    ("192.0.2.0/24",),
    ("203.0.113.0/29", "192.0.2.8/30", "2001:db8::/112", "0.0.0.0/0"),
    ("2001:db8::8000/113", "203.0.113.9/32"),
    ("2001:db8::10/128",),
)
LINKS = sorted(LINK_TYPES)


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


def frame_of(r: random.Random) -> bytes:
    return frames.damaged(r, frames.wrap(frames.random_stack(r), frames.random_packet(r)))


@pytest.mark.parametrize("cidrs", PREFIXES, ids=lambda c: "-".join(c) or "everywhere")
def test_filter_and_decoder_agree_on_random_frames(cidrs: tuple[str, ...]) -> None:
    r = random.Random(f"frames {cidrs}")
    wanted = inside(cidrs)
    program = bpf.generate(1, wanted).instructions
    admitted = 0
    for _ in range(4000):
        frame = frame_of(r)
        wire = len(frame) + r.choice((0, 0, 0, 9))
        length = machine.run(program, frame, wire)
        assert length == verdict(frame, 1, wire, wanted), frame.hex()
        admitted += length > 0
    assert admitted > 30


@pytest.mark.parametrize("link", LINKS)
def test_filter_and_decoder_agree_on_every_link_type(link: int) -> None:
    r = random.Random(link)
    program = bpf.generate(link, Wanted()).instructions
    admitted = 0
    for _ in range(600):
        packet = frames.random_packet(r)
        frame = frames.damaged(r, frames.wrap((), packet) if link == 1 else headed(link, packet, r))
        length = machine.run(program, frame, len(frame))
        assert length == verdict(frame, link, len(frame), Wanted()), frame.hex()
        admitted += length > 0
    assert admitted > 30


def test_libpcap_runs_it_alike() -> None:
    cypcap = pytest.importorskip("cypcap", reason="no libpcap binding for this machine")
    r = random.Random("libpcap")
    wanted = Wanted(sources=OURS)
    program = bpf.generate(1, wanted, following=(77, 78)).instructions
    theirs = cypcap.BpfProgram(program)
    for _ in range(4000):
        frame = frame_of(r)
        header = cypcap.Pkthdr(0, len(frame), len(frame))
        expected = verdict(frame, 1, len(frame), wanted, (77, 78))
        assert theirs.offline_filter(header, frame) == bool(expected), frame.hex()
        assert machine.run(program, frame, len(frame)) == expected, frame.hex()


OURS = (bytes((192, 0, 2, 10)), bytes.fromhex("20010db8") + bytes(10) + b"\x80\x10")


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(sources=OURS), Wanted(sources=OURS[:1], dissectors=frozenset()), Wanted(Tiers(), sources=OURS[1:]),
        inside(PREFIXES[2])._replace(sources=OURS, ports=(25,)),
    ],
    ids=["everything else too", "nothing else", "nobody else", "some others"],
)  # fmt: skip
@pytest.mark.parametrize("link", LINKS)
def test_of_our_own_knocks_the_headers_are_wanted_whoever_they_are_for(link: int, wanted: Wanted) -> None:
    r = random.Random(f"knocks {link}")
    program = bpf.generate(link, wanted).instructions
    knocks = 0
    for _ in range(900):
        packet = frames.random_packet(r)
        frame = frames.damaged(r, frames.wrap((), packet) if link == 1 else headed(link, packet, r))
        length = machine.run(program, frame, len(frame))
        assert length == verdict(frame, link, len(frame), wanted), frame.hex()
        knocks += length > verdict(frame, link, len(frame), wanted._replace(sources=()))
    assert knocks > 5


@pytest.mark.parametrize("flags", [0x02, 0x12, 0x10, 0xC2, 0x06])
@pytest.mark.parametrize("options", [b"", b"\x02\x04\x05\xb4", b"\x01" * 40])
def test_of_a_knock_not_one_byte_of_payload_is_shown(flags: int, options: bytes) -> None:
    """Nor is anything of what comes behind it: an answer or an acknowledgement is none."""
    program = bpf.generate(1, Wanted(Tiers(), sources=OURS)).instructions
    header = frames.tcp(40000, 443, b"", flags=flags, options=options)
    frame = frames.wrap(("vlan", "pppoe"), frames.ipv4(6, header + b"data in a SYN"))
    shown = frame[: machine.run(program, frame, len(frame))]
    assert shown.endswith(header) if flags & 0x12 == 0x02 else shown == b""


@pytest.mark.parametrize("https_only", [False, True])
def test_of_a_muted_server_nothing_is_admitted_or_nothing_of_its_https(https_only: bool) -> None:
    r = random.Random("muted")
    four, six = bytes((192, 0, 2, 10)), bytes.fromhex("20010db8") + bytes(10) + b"\0\x0a"
    muted = EVERYWHERE.without((bytes((192, 0, 2, 11)), four, six), https_only=https_only)
    program = bpf.generate(1, Wanted(muted)).instructions
    silenced = heard = 0
    for _ in range(6000):
        frame = frame_of(r)
        expected = verdict(frame, 1, len(frame), Wanted(muted))
        assert machine.run(program, frame, len(frame)) == expected, frame.hex()
        heard += expected > 0
        silenced += expected < verdict(frame, 1, len(frame), Wanted())
    assert silenced > 10
    assert heard > 100


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
    assert machine.run(bpf.generate(1, Wanted()).instructions, frame, len(frame)) == verdicts.SNAP_DATA


@pytest.mark.parametrize("options", [b"", b"\x02\x04\x05\xb4", b"\x01" * 40])
def test_of_a_syn_ack_the_headers_are_wanted(options: bytes) -> None:
    """Not one byte of payload, though TCP Fast Open (RFC 7413) lets it carry some."""
    program = bpf.generate(1, Wanted()).instructions
    header = frames.tcp(443, 40000, b"", flags=0x12, options=options)
    frame = frames.wrap(("vlan", "pppoe"), frames.ipv4(6, header + b"data in a SYN"))
    assert frame[: machine.run(program, frame, len(frame))].endswith(header)


def test_an_unknown_link_type_is_refused() -> None:
    with pytest.raises(ValueError, match="link type 147"):
        bpf.generate(147, Wanted())


@pytest.mark.parametrize(
    "wanted",
    [Wanted(Tiers()), Wanted(dissectors=frozenset()), Wanted(Tiers((), EVERYBODY), frozenset(("tls", "dns")))],
    ids=["nobody", "nothing", "payload of those whose headers alone are looked at"],
)
def test_where_nothing_is_wanted_all_is_dropped_at_once(wanted: Wanted) -> None:
    assert bpf.generate(1, wanted).instructions == [(RET, 0, 0, 0)]
