"""Rights as the kernel has them, given up by a process that really does, and read in its own /proc/self/status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
RAW = 1 << 13

# What each child does first; the parent reads what came of it. `ambient` is how systemd hands over a capability.
STATUS = "print({k: int(v, 16) for k, v in (l.split(':\t') for l in open('/proc/self/status')) if k.startswith('Cap')})"
AMBIENT = """
import os, ctypes
from agent import rights
rights._prctl(8, 1)
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
words = rights._sets()
words[0].permitted = words[0].effective = words[0].inheritable = 1 << 13
words[1].permitted = words[1].effective = words[1].inheritable = 0
rights._check(rights._libc.capset(ctypes.byref(rights._Head(rights._VERSION_3, 0)), words))
rights._prctl(47, 2, 13)
"""


@pytest.fixture(autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        assert os.environ.get("CI") != "true", "CI must run as root: rights can only be given up by who has them"
        pytest.skip("only root has rights to give up")


def child(code: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert not check or ended.returncode == 0, ended.stderr
    return ended


def sets(code: str) -> dict[str, int]:
    said: dict[str, int] = eval(child(f"{code}\n{STATUS}").stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize(
    ("kept", "mask"), [("set()", 0), ("{rights.NET_RAW}", RAW), ("{rights.NET_RAW, 40}", RAW | 1 << 40)]
)
def test_as_root_only_what_is_kept_is_left_in_every_set(kept: str, mask: int) -> None:
    said = sets(f"from agent import rights; rights.keep(frozenset({kept}))")
    assert said == {"CapInh": 0, "CapPrm": mask, "CapEff": mask, "CapBnd": mask, "CapAmb": 0}


def test_as_root_another_user_is_become_and_one_right_goes_along() -> None:
    said = sets(
        # What is imported is imported before: the library need not be readable to everybody where tests run.
        "import os, socket; from agent import rights; rights.settle('nobody', frozenset({rights.NET_RAW}))\n"
        "assert os.getresuid() == (65534,) * 3 and os.getgroups() == [] and 0 not in os.getresgid()\n"
        "assert rights.held() == {rights.NET_RAW}\n"
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()"
    )
    assert said == {"CapInh": 0, "CapPrm": RAW, "CapEff": RAW, "CapBnd": RAW, "CapAmb": 0}


@pytest.mark.parametrize(("kept", "mask"), [("", 0), ("{rights.NET_RAW}", RAW)])
def test_who_was_given_one_right_keeps_it_or_not_and_the_bounding_set_is_no_error(kept: str, mask: int) -> None:
    said = sets(f"{AMBIENT}\nrights.keep(frozenset({kept}))")
    assert {name: said[name] for name in SETS if name != "CapBnd"} == {
        "CapInh": 0, "CapPrm": mask, "CapEff": mask, "CapAmb": 0,
    }  # fmt: skip


def test_no_program_that_is_run_gets_anything_back() -> None:
    said = child(
        "from agent import rights; rights.keep(frozenset())\n"
        "import subprocess; print(subprocess.run(['cat', '/proc/self/status'], capture_output=True, text=True).stdout)"
    ).stdout
    status = dict(line.split(":\t") for line in said.splitlines() if ":\t" in line)
    assert (status["CapEff"], status["CapPrm"], status["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")


def test_without_the_right_the_packet_door_is_shut() -> None:
    ended = child(
        "from agent import rights; rights.keep(frozenset())\n"
        "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)",
        check=False,
    )
    assert "PermissionError" in ended.stderr


def test_a_user_that_is_not_there_is_said() -> None:
    ended = child("from agent import rights; rights.settle('nobody-of-that-name', frozenset())", check=False)
    assert "KeyError" in ended.stderr


def test_it_works_where_no_memory_is_writable_and_executable() -> None:
    """What systemd's MemoryDenyWriteExecute forbids, the kernel can forbid too (PR_SET_MDWE, Linux 6.3)."""
    forbid = (
        "import os, _ctypes\n"
        "libc = _ctypes.dlopen(None, 0)\n"
        "prctl = _ctypes.dlsym(libc, 'prctl')\n"
        "made = _ctypes.call_function(prctl, (65, 1, 0, 0, 0))\n"
        "import sys\n"
        "if made: print('old kernel'); sys.exit()\n"
        "import mmap\n"
        "try: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "except PermissionError: pass\n"
        "else: raise AssertionError\n"
    )
    said = child(f"{forbid}from agent import rights; rights.keep(frozenset({{rights.NET_RAW}}))\n{STATUS}").stdout
    if said.strip() == "old kernel":
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert eval(said)["CapEff"] == RAW
