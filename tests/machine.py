"""A classic-BPF machine in Python, after McCanne and Jacobson (1993): what a program does, independent of libpcap."""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_RANDOM = 0xFFFFF038  # SKF_AD_OFF + SKF_AD_RANDOM of linux/filter.h


class _OutOfFrameError(Exception):
    pass


def _load(frame: bytes, at: int, width: int) -> int:
    at &= _MASK
    if at + width > len(frame):
        raise _OutOfFrameError
    return int.from_bytes(frame[at : at + width], "big")


def run(program: list[tuple[int, int, int, int]], frame: bytes, wire: int, rolled: int = 0) -> int:
    """The program's verdict on a frame: how many bytes of it are wanted. ``rolled`` is every random number."""
    try:
        return _run(program, frame, wire, rolled)
    except _OutOfFrameError:
        return 0


def _run(program: list[tuple[int, int, int, int]], frame: bytes, wire: int, rolled: int) -> int:  # noqa: C901 - one arm an opcode
    a = x = pc = 0
    memory = [0] * 16
    while True:
        code, yes, no, k = program[pc]
        pc += 1
        family = code & 7
        if code == 0x20 and k == _RANDOM:
            a = rolled
        elif code in (0x20, 0x28, 0x30):
            a = _load(frame, k, {0x20: 4, 0x28: 2, 0x30: 1}[code])
        elif code in (0x40, 0x48, 0x50):
            a = _load(frame, x + k, {0x40: 4, 0x48: 2, 0x50: 1}[code])
        elif code == 0x00:
            a = k
        elif code == 0x60:
            a = memory[k]
        elif code == 0x80:
            a = wire
        elif code == 0x01:
            x = k
        elif code == 0x61:
            x = memory[k]
        elif code == 0x02:
            memory[k] = a
        elif code == 0x03:
            memory[k] = x
        elif code == 0x07:
            x = a
        elif code == 0x87:
            a = x
        elif code == 0x06:
            return k
        elif code == 0x16:
            return a
        elif code == 0x05:
            pc += k
        elif family == 5:
            holds = {0x15: a == k, 0x25: a > k, 0x35: a >= k, 0x45: bool(a & k)}[code]
            pc += yes if holds else no
        else:
            operand = x if code & 8 else k
            a = {
                0x00: a + operand, 0x10: a - operand, 0x40: a | operand, 0x50: a & operand,
                0x60: a << (operand & 31), 0x70: a >> (operand & 31),
            }[code & 0xF0] & _MASK  # fmt: skip
