"""What is known of the clocks: against what else on the machine says, and where nothing can be known."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from agent.audit import clock


def test_it_is_what_the_kernel_says() -> None:
    before, said, after = asked(), clock.synced(), asked()  # somebody may discipline it just now
    assert said in (before, after)


def asked() -> bool:
    """The same field, by the C library's other call (ntp_adjtime(3)), in a buffer that is read here."""
    buffer = ctypes.create_string_buffer(512)
    returned = ctypes.CDLL(None).ntp_adjtime(buffer)
    status = int.from_bytes(buffer.raw[5 * ctypes.sizeof(ctypes.c_long) :][:4], "little")
    return returned != 5 and not status & 0x40


@pytest.mark.parametrize(
    ("returned", "status", "known"), [(0, 0x2001, True), (5, 0x2041, False), (0, 0x40, False), (-1, 0, None)]
)
def test_what_it_says_of_what_the_kernel_answers(
    monkeypatch: pytest.MonkeyPatch, returned: int, status: int, known: bool | None
) -> None:
    def adjtimex(state: ctypes.Array[ctypes.c_char]) -> int:
        state._obj.status = status  # type: ignore[attr-defined]
        return returned

    monkeypatch.setattr(clock, "_call", lambda: adjtimex)
    assert clock.synced() is known


def test_where_it_cannot_be_asked_it_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clock, "_call", lambda: None)
    assert clock.synced() is None
    monkeypatch.setattr(clock, "_BOOT", tmp_path / "nowhere")
    assert clock.boot() == ""


def test_a_boot_has_a_name() -> None:
    assert clock.boot() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
