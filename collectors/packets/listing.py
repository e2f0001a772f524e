"""A classic-BPF program in writing: as ``tcpdump -d`` lists it, or as the numbers of ``tcpdump -ddd``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.packets import assembler as op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.packets.assembler import Instruction

_LOADS = {op.LDW_ABS: "ld", op.LDH_ABS: "ldh", op.LDB_ABS: "ldb"}
_INDIRECT = {op.LDW: "ld", op.LDH: "ldh", op.LDB: "ldb"}
_NUMBER = {op.LD_IMM: "ld", op.LDX_IMM: "ldx", op.AND: "and", op.OR: "or"}
_DECIMAL = {op.ADD: "add", op.LSH: "lsh", op.RSH: "rsh", op.RET: "ret"}
_MEMORY = {op.LD_MEM: "ld", op.LDX_MEM: "ldx", op.ST: "st", op.STX: "stx"}
_PLAIN = {op.ADD_X: ("add", "x"), op.SUB_X: ("sub", "x"), op.TAX: ("tax", ""), op.TXA: ("txa", ""),
          op.RET_A: ("ret", "a"), op.LD_LEN: ("ld", "#pktlen")}  # fmt: skip
_JUMPS = {op.JEQ: "jeq", op.JGT: "jgt", op.JGE: "jge", op.JSET: "jset"}


def listing(program: Sequence[Instruction]) -> str:
    """One line an instruction, with the number of each and those of its targets."""
    return "".join(_line(number, instruction) for number, instruction in enumerate(program))


def numbers(program: Sequence[Instruction]) -> str:
    """How many instructions, then code, jt, jf and k of each."""
    return f"{len(program)}\n" + "".join(f"{code} {yes} {no} {k}\n" for code, yes, no, k in program)


def _line(number: int, instruction: Instruction) -> str:
    code, yes, no, k = instruction
    if code in _JUMPS:
        return f"({number:03}) {_JUMPS[code]:8} {f'#{k:#x}':16} jt {number + 1 + yes}\tjf {number + 1 + no}\n"
    name, operand = _operation(number, code, k)
    return f"({number:03}) {name:8} {operand}".rstrip() + "\n"


def _operation(number: int, code: int, k: int) -> tuple[str, str]:
    if code == op.JA:
        return "ja", str(number + 1 + k)
    if code in _LOADS:
        return _LOADS[code], "[random]" if k == op.RANDOM & 0xFFFFFFFF else f"[{k}]"
    if code in _INDIRECT:
        return _INDIRECT[code], f"[x + {_signed(k)}]"
    if code in _NUMBER:
        return _NUMBER[code], f"#{k:#x}"
    if code in _DECIMAL:
        return _DECIMAL[code], f"#{_signed(k)}"
    return (_MEMORY[code], f"M[{k}]") if code in _MEMORY else _PLAIN[code]


def _signed(k: int) -> int:
    return k - (1 << 32) if k >> 31 else k
