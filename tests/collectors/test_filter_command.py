"""``capture-filter``: what it prints, and that kernel and libpcap take it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.errors import InputError
from collectors.filter_command import main as command
from collectors.packets import bpf
from collectors.packets.assembler import Instruction
from collectors.packets.listing import listing
from collectors.packets.ring import attach
from collectors.packets.wanted import ENCAPSULATIONS, Wanted, inside
from tests import frames, machine

EVERY = [word for name in ENCAPSULATIONS for word in ("--encapsulation", name)]
GREETING = frames.wrap((), frames.ipv4(6, frames.tcp(25, 40_000, frames.PAYLOADS[0])))


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["capture-filter", *words]) == 0
    return capsys.readouterr().out


def read(text: str) -> list[Instruction]:
    """The program of ``--numbers``."""
    count, *lines = text.splitlines()
    program = [(int(code), int(yes), int(no), int(k)) for code, yes, no, k in map(str.split, lines)]
    assert len(program) == int(count)
    return program


@pytest.mark.parametrize(
    "words", [[], EVERY, ["--prefix", "192.0.2.0/24", "--prefix", "2001:db8::/32"], ["--link", "113"]],
    ids=["plain", "tunnels", "prefixes", "cooked"],
)  # fmt: skip
def test_kernel_and_libpcap_take_the_numbers(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    program = read(printed(capsys, *words, "--numbers"))
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        attach(far, program)
    cypcap = pytest.importorskip("cypcap", reason="no libpcap binding for this machine")
    theirs = cypcap.BpfProgram(program)
    if "--link" not in words:
        assert theirs.offline_filter(cypcap.Pkthdr(0, len(GREETING), len(GREETING)), GREETING)


def test_the_listing_says_what_the_numbers_say(capsys: pytest.CaptureFixture[str]) -> None:
    """Line by line: the number of each instruction, and where a jump leads."""
    program = read(printed(capsys, *EVERY, "--numbers"))
    lines = [line for line in printed(capsys, *EVERY).splitlines() if not line.startswith("#")]
    assert len(lines) == len(program)
    for number, (line, (code, yes, no, k)) in enumerate(zip(lines, program, strict=True)):
        assert line.startswith(f"({number:03}) ")
        if code & 7 == 5 and code != 5:
            assert line.endswith(f"#{k:#x}".ljust(16) + f" jt {number + 1 + yes}\tjf {number + 1 + no}")


EXAMPLES = {
    (0x28, 0, 0, 12): "(000) ldh      [12]",
    (0x15, 16, 2, 0x800): "(000) jeq      #0x800           jt 17\tjf 3",
    (0x50, 0, 0, 14): "(000) ldb      [x + 14]",
    (0x04, 0, 0, 0xFFFFFFFF): "(000) add      #-1",
    (0x54, 0, 0, 0xF0): "(000) and      #0xf0",
    (0x61, 0, 0, 3): "(000) ldx      M[3]",
    (0x80, 0, 0, 0): "(000) ld       #pktlen",
    (0x05, 0, 0, 300): "(000) ja       301",
    (0x20, 0, 0, 0xFFFFF038): "(000) ld       [random]",
    (0x06, 0, 0, 16640): "(000) ret      #16640",
    (0x16, 0, 0, 0): "(000) ret      a",
    (0x07, 0, 0, 0): "(000) tax",
}


@pytest.mark.parametrize("instruction", EXAMPLES)
def test_how_an_instruction_is_written(instruction: Instruction) -> None:
    assert listing([instruction]) == EXAMPLES[instruction] + "\n"


def test_the_head_says_what_fits(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    crowd = tmp_path / "customers"
    crowd.write_text("# customers\n" + "".join(f"10.{n >> 8}.{n & 255}.0/25\n" for n in range(2_000)))
    head = printed(capsys, "--prefix-file", str(crowd), "--encapsulation", "erspan").splitlines()[:3]
    assert head[0].startswith("# ")
    assert head[0].endswith(" instructions of 4096, link type 1, tunnels: erspan")
    assert head[1] == "# ranges of addresses: 2000 handshakes, 0 headers alone, 0 DNS answers alone"
    assert int(head[2].rpartition(" ")[2]) > 500


def test_a_configuration_is_printed_as_the_daemon_attaches_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "customers").write_text("192.0.2.0/24\n")
    (tmp_path / "c.toml").write_text(
        '[capture]\ninterfaces = ["ens1"]\nsynack_sample = 8\n[privacy]\nhandshakes = "off"\ncustomers = "customers"\n'
    )
    out = printed(capsys, "--config", str(tmp_path / "c.toml"))
    assert "0 handshakes, 1 headers alone" in out
    assert "# one SYN-ACK in 8" in out
    program = read(printed(capsys, "--config", str(tmp_path / "c.toml"), "--numbers"))
    assert not machine.run(program, GREETING, len(GREETING))


def test_without_words_it_is_the_filter_for_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert read(printed(capsys, "--numbers")) == bpf.generate(1, Wanted()).instructions
    prefixed = read(printed(capsys, "--prefix", "2001:db8::/32", "--numbers"))
    assert len(prefixed) > len(bpf.generate(1, Wanted()).instructions)
    assert len(prefixed) <= len(bpf.generate(1, inside(("2001:db8::/32",))).instructions)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--prefix", "192.0.2.0/33"], r"capture\.prefixes\[0\]: '192.0.2.0/33' .*write it like"),
        (["--prefix-file", "absent"], "absent: No such file"),
    ],
)
def test_what_is_no_prefix_is_the_operators_fault(words: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        command(words)


def test_a_file_of_something_else_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("192.0.2.0/24\nexample.org\n")
    with pytest.raises(InputError, match=r"f: line 2: is not a prefix"):
        command(["--prefix-file", str(tmp_path / "f")])
