"""The whole line on capture files: two readers that say the same, and a sum of frames that holds."""

from __future__ import annotations

import random
from ipaddress import ip_address
from pathlib import Path

import pytest

from agent.errors import InputError
from agent.lab import sessions
from agent.lab.certificates import public
from agent.lab.files import pcap
from agent.lab.traffic import EPOCH_NS, Frame
from agent.model import Observation
from collectors.line import Line
from collectors.packets import source
from collectors.packets.decode import LINK_TYPES
from tests import frames, talk, wire
from tests.golden import cases, made

HTTPS_SEGMENTED = "192.0.2.200"
BUSY_SERVER, BUSY_6 = "192.0.2.201", "2001:db8::c9"
LAYERS = ((), ("vlan",), ("qinq", "vlan"), ("pppoe",), ("mpls", "mpls"), ("mpls", "pw", "vlan"))


def spanning(server: str, at: float, client_port: int) -> list[Frame]:
    """TLS on port 443 whose certificate takes four segments, three of which begin like nothing in particular."""
    turns = sessions.tls("mail.example.org", talk.long_leaf("mail.example.org"))
    return talk.conversation(server, 443, turns, client_port=client_port, at=at)


def visits(server: str, count: int, at: float = 0.0) -> list[Frame]:
    """That many clients of one web server, a second apart, and each sees the same."""
    turns = sessions.tls("www.example.org", public("www.example.org"))
    return [
        frame
        for n in range(count)
        for frame in talk.conversation(server, 443, turns, client_port=50_000 + n, at=at + n)
    ]


def hundreds() -> list[Frame]:
    """Several hundred conversations: mail, web and mailboxes, in every encapsulation, between and beside others."""
    r = random.Random("hundreds")
    seen: list[Frame] = []
    for n in range(300):
        server = f"2001:db8::{n + 1:x}" if n % 3 == 0 else f"192.0.2.{n % 190 + 1}"
        name = f"host{n % 190}.example.org"
        kind, turns = r.choice((
            (25, talk.mail_turns(name)),
            (443, sessions.tls(name, public(name), r.choice(("1.0", "1.2", "1.3")))),
            (80, sessions.http(name, "/", "302 Found", [("Server", "Microsoft-IIS/10.0"), ("X-FEServer", "EX")])),
            (143, sessions.imap("The Microsoft Exchange IMAP4 service is ready.", "IMAP4 IMAP4rev1 IDLE")),
            (110, sessions.pop3("Dovecot ready.", ("TOP", "UIDL"))),
            (587, talk.mail_turns(name)),
        ))  # fmt: skip
        layers = LAYERS[n % len(LAYERS)]
        seen += talk.conversation(server, kind, turns, client_port=33_000 + n, at=r.random() * 60, layers=layers)
    seen += [f for n in range(12) for f in spanning(f"192.0.2.{200 + n}", r.random() * 60, 45_000 + n)]
    noise = [frames.wrap(frames.random_stack(r), frames.random_packet(r)) for _ in range(2_000)]
    return seen + [Frame(EPOCH_NS + r.randrange(60 * talk.SECOND_NS), data, from_server=False) for data in noise]


@pytest.fixture
def through_libpcap(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cypcap", reason="no libpcap binding for this machine")
    monkeypatch.setattr(source, "WORTH_LIBPCAP", 0)


def told(observations: list[Observation]) -> list[tuple[object, ...]]:
    """Without the numbers of the frames, which a filter cannot give."""
    return sorted((o.server, o.kind, o.value, round(o.time, 5)) for o in observations)


PREFIXES = [(), ("192.0.2.0/25", "2001:db8::40/122"), ("2001:db8::/112",), ("192.0.2.201/32", "192.0.2.0/29")]


@pytest.mark.usefixtures("through_libpcap")
@pytest.mark.parametrize("prefixes", PREFIXES, ids=lambda p: " ".join(p) or "everywhere")
def test_libpcap_and_our_own_reader_say_the_same(tmp_path: Path, prefixes: tuple[str, ...]) -> None:
    path = talk.capture(tmp_path / "f", hundreds() + visits(BUSY_SERVER, 60) + visits(BUSY_6, 60))
    theirs, line = talk.observed(path, prefixes)
    ours, counted = talk.observed(path, prefixes, counting=True)
    assert told(theirs) == told(ours)
    assert len(ours) > 20
    assert line.losses == counted.losses == []
    assert line.counts["frames_seen"] == 0


# What stands before the IP header on each link type, for IPv4 and IPv6 (the registry of LINKTYPE_ values of tcpdump).
HEADS = {
    0: ("02000000", "0a000000"), 1: ("00" * 12 + "0800", "00" * 12 + "86dd"), 9: ("ff030021", "ff030057"),
    12: ("", ""), 14: ("", ""), 50: ("21", "57"), 101: ("", ""), 104: ("0f000800", "0f0086dd"),
    108: ("00000002", "00000018"), 113: ("00" * 14 + "0800", "00" * 14 + "86dd"), 228: ("", ""), 229: ("", ""),
    276: ("0800" + "00" * 18, "86dd" + "00" * 18),
}  # fmt: skip


@pytest.mark.usefixtures("through_libpcap")
@pytest.mark.parametrize("link", sorted(LINK_TYPES))
def test_both_readers_say_the_same_on_every_link_type(tmp_path: Path, link: int) -> None:
    seen = talk.conversation("192.0.2.25", 25, talk.mail_turns("ex01.example.org"))
    if link != 228:
        seen += talk.conversation("2001:db8::25", 25, talk.mail_turns("ex02.example.org"), client_port=40_001)
    heads = tuple(map(bytes.fromhex, HEADS[link]))
    bare = [frame._replace(data=heads[frame.data[12] == 0x86] + frame.data[14:]) for frame in seen]
    path = talk.capture(tmp_path / "f", bare, link=link)
    theirs, ours = talk.observed(path)[0], talk.observed(path, counting=True)[0]
    assert told(theirs) == told(ours)
    assert len(ours) == (6 if link == 228 else 12)


def test_prefixes_are_of_servers(tmp_path: Path) -> None:
    path = talk.capture(tmp_path / "f", hundreds())
    every, _ = talk.observed(path)
    four, _ = talk.observed(path, ("192.0.2.0/25",))
    six, _ = talk.observed(path, ("2001:db8::/64",))
    assert {o.server.address for o in six} == {o.server.address for o in every if ":" in o.server.address}
    assert {o.server.address for o in four} == {
        a for o in every if (a := o.server.address).startswith("192.0.2.") and int(a.rpartition(".")[2]) < 128
    }


@pytest.mark.usefixtures("through_libpcap")
def test_a_certificate_is_followed_through_its_segments(tmp_path: Path) -> None:
    path = talk.capture(tmp_path / "f", spanning(HTTPS_SEGMENTED, 0, 45_000))
    (leaf,) = [o.value for o in talk.observed(path)[0] if o.kind == "tls.certificate"]
    assert "sha256: " in leaf
    assert "truncated" not in leaf


@pytest.mark.usefixtures("through_libpcap")
def test_more_flights_at_a_time_than_are_followed(tmp_path: Path) -> None:
    """What is not followed to its end still says what its first segment holds, and nothing is told twice."""
    count = source.FOLLOWED * 3
    seen = [spanning(f"192.0.2.{n + 1}", n * 0.0001, 45_000 + n) for n in range(count)]
    path = talk.capture(tmp_path / "f", [frame for one in seen for frame in one])
    found = [o for o in talk.observed(path)[0] if o.kind == "tls.certificate"]
    assert len({o.server for o in found}) == len(found) == count
    whole = [o for o in found if "truncated" not in o.value]
    assert source.FOLLOWED <= len(whole) < count


@pytest.mark.usefixtures("through_libpcap")
@pytest.mark.parametrize("server", [BUSY_SERVER, BUSY_6])
def test_a_busy_server_is_muted_and_heard_again_after_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    monkeypatch.setattr(source, "BATCH", 16)
    # The clock of a capture is that of the frames that are admitted, so that somebody else has to say something.
    others = [
        f for n in range(6) for f in talk.conversation(f"192.0.2.{n}", 25, talk.mail_turns("a.example.org"), at=9e3)
    ]
    path = talk.capture(tmp_path / "f", visits(server, 60) + others + visits(server, 12, at=3 * 3600))
    line = Line()
    taken: list[float] = []
    frame = line.frame
    monkeypatch.setattr(line, "frame", lambda time, *rest: (taken.append(time), frame(time, *rest))[1])
    observations = list(line.read(path))
    # Of each visit the filter admits a SYN-ACK, a hello of each side: three frames.
    early = [time for time in taken if time < talk.START + 3600]
    assert len(early) < 60
    assert sum(time >= talk.START + 3 * 3600 for time in taken) >= 3
    assert {o.kind for o in observations if o.time >= talk.START + 3 * 3600} == {
        "tcp.synack", "tls.sni", "tls.server_hello", "tls.certificate",
    }  # fmt: skip


def test_who_is_erased_is_left_alone_no_more() -> None:
    line = Line()
    line.mute(["192.0.2.1", "198.51.100.1", "2001:db8::1", "2001:db8:1::1"], 100.0)
    line.let_go(["192.0.2.0/25", "2001:db8::/48"])
    assert line.muted(1.0) == [ip_address(text).packed for text in ("198.51.100.1", "2001:db8:1::1")]


def test_every_random_frame_is_used_or_dropped_for_a_reason(tmp_path: Path) -> None:
    r = random.Random("sum")
    seen = [
        Frame(n * 1_000_000, frames.damaged(r, frames.wrap(frames.random_stack(r), frames.random_packet(r))), False)
        for n in range(6_000)
    ]
    short_header = bytearray(talk.segment(BUSY_SERVER, 25, 40_000, b"220 a\r\n"))
    short_header[14 + 20 + 12] = 0x40
    seen.append(Frame(0, bytes(short_header), from_server=True))
    path = talk.capture(tmp_path / "f", seen)
    _, line = talk.observed(path, ("192.0.2.0/24",), counting=True)
    reasons = assert_sum(line, len(seen))
    assert reasons == {
        "bad_ip", "bad_tcp", "fragment", "no_payload", "not_ip", "not_tcp_udp", "not_wanted", "outside_prefixes",
        "too_deep", "truncated",
    }  # fmt: skip


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_sum_of_frames_holds_for_every_case(case: Path) -> None:
    _, line = talk.observed(str(case / made(case).INPUT), counting=True)
    assert_sum(line)


def assert_sum(line: Line, seen: int | None = None) -> set[str]:
    """frames_seen = frames_used + every drop_*. The reasons for which frames were dropped."""
    counts = line.counts
    drops = {name.removeprefix("drop_"): n for name, n in counts.items() if name.startswith("drop_")}
    assert counts["frames_seen"] == counts["frames_used"] + sum(drops.values())
    assert counts["frames_seen"] == (seen if seen is not None else counts["frames_seen"]) > 0
    return set(drops)


def test_a_link_type_that_nobody_reads_is_counted(tmp_path: Path) -> None:
    path = talk.capture(tmp_path / "f", visits(BUSY_SERVER, 1), link=147)
    observations, line = talk.observed(path, counting=True)
    assert observations == []
    assert assert_sum(line) == {"link_type"}


def address(name: str, *octets: int) -> bytes:
    return wire.dns_record(name, 1, bytes(octets))


EXCHANGER = wire.dns_record("example.org", 15, b"\0\x0a" + wire.dns_name("mx.example.org"))
DNS = [
    (wire.dns_message("example.org", 15, EXCHANGER, more=[address("mx.example.org", 192, 0, 2, 25)]), 1, 0),
    (wire.dns_message("autodiscover.example.org", 1, address("autodiscover.example.org", 192, 0, 2)), 0, 1),
    (wire.dns_message("www.example.org", 1, address("www.example.org", 192, 0, 2, 80)), 0, 0),
]


@pytest.mark.parametrize(("message", "facts", "malformed"), DNS, ids=["mail exchanger", "malformed", "not asked for"])
@pytest.mark.parametrize("inside", [True, False])
def test_dns_answers(tmp_path: Path, message: bytes, facts: int, malformed: int, inside: bool) -> None:
    data = frames.wrap((), frames.ipv4(17, frames.udp(53, 40000, message)))
    path = talk.capture(tmp_path / "f", [Frame(EPOCH_NS, data, from_server=True)])
    observations, line = talk.observed(path, ("192.0.2.0/24" if inside else "203.0.113.0/24",), counting=True)
    assert [o.kind for o in observations] == ["dns.mx"] * (facts * inside)
    assert line.counts["malformed_dns"] == malformed
    assert line.counts["frames_used"] == facts + malformed


@pytest.mark.parametrize("small", [True, False], ids=["own reader", "libpcap"])
def test_a_cut_file_is_read_up_to_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: bool) -> None:
    pytest.importorskip("cypcap", reason="no libpcap binding for this machine")
    monkeypatch.setattr(source, "WORTH_LIBPCAP", 1 << 40 if small else 0)
    whole = pcap(visits(BUSY_SERVER, 3))
    (tmp_path / "f").write_bytes(whole[:-7])
    observations, line = talk.observed(str(tmp_path / "f"))
    assert len(observations) == 4
    (loss,) = line.losses
    assert loss.startswith(str(tmp_path / "f"))
    assert "read up to there" in loss


@pytest.mark.usefixtures("through_libpcap")
def test_a_record_that_claims_too_much_ends_both_readers_alike(tmp_path: Path) -> None:
    head, tail = pcap(visits(BUSY_SERVER, 2)), pcap(visits(BUSY_6, 2))[24:]
    (tmp_path / "f").write_bytes(head + b"\0" * 8 + b"\xff\xff\xff\x7f" * 2 + tail)
    path = str(tmp_path / "f")
    (theirs, line), (ours, counted) = talk.observed(path), talk.observed(path, counting=True)
    assert told(theirs) == told(ours) != []
    assert len(line.losses) == len(counted.losses) == 1


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    path = talk.capture(tmp_path / "f", hundreds())
    positions: list[int] = []
    list(Line().read(path, progress=positions.append))
    assert positions == sorted(positions)
    assert positions[-1] == Path(path).stat().st_size
    assert len(positions) > 2


def test_two_files_are_one_line(tmp_path: Path) -> None:
    """A conversation is told once, although it is in both files; frames are numbered on."""
    path = talk.capture(tmp_path / "f", visits(BUSY_SERVER, 1))
    line = Line()
    first, second = list(line.read(path, counting=True)), list(line.read(path, counting=True))
    assert (len(first), second) == (4, [])
    assert line.counts["repeats"] == 4


CAPTURES = Path("../shared/captures")


@pytest.mark.usefixtures("through_libpcap")
def test_libpcap_and_our_own_reader_say_the_same_of_real_captures() -> None:
    """Other people's captures, where they are at hand: real stacks, real damage, every link type."""
    paths = sorted(path for path in CAPTURES.glob("*/*.pcap") if path.stat().st_size < 400_000)[::4]
    if not paths:
        pytest.skip("no captures beside this tree")
    compared = 0
    for path in paths:
        try:
            theirs, ours = talk.observed(str(path))[0], talk.observed(str(path), counting=True)[0]
        except InputError:
            continue
        # The filter leaves gaps: what stands behind one is told at the end, or seems to begin something.
        assert {fact[:3] for fact in told(theirs)} >= {fact[:3] for fact in told(ours)}, path
        compared += bool(ours)
    assert compared > 20


def test_an_answer_that_was_often_given_is_not_read_again() -> None:
    line, told = Line(), 0
    record_ = wire.dns_record("autodiscover.example.org", 1, bytes((192, 0, 2, 10)))
    message = wire.dns_message("autodiscover.example.org", 1, record_)
    for client in range(9):
        packet = frames.ipv4(17, frames.udp(53, 40_000 + client, message), destination="198.51.100.7")
        frame = frames.wrap((), packet)
        assert line.frame(client, 1, len(frame), frame) is None
        told += len(line.given())
    assert (told, line.counts["repeats"], line.passed) == (1, 3, 5)
