"""A small assembler for classic BPF: instructions and labels in, ``(code, jt, jf, k)`` tuples out.

Conditional jumps reach 255 instructions ahead and no jump goes back (McCanne and Jacobson, 1993), so a far one is
routed through an unconditional jump that the assembler inserts behind it.
"""

from __future__ import annotations

Instruction = tuple[int, int, int, int]

# Loads: absolute (from the frame's start), relative to X, of a constant, of scratch memory, of the frame's length.
LDH_ABS, LDB_ABS = 0x28, 0x30
LDW, LDH, LDB = 0x40, 0x48, 0x50
LD_MEM, LD_LEN = 0x60, 0x80
LDX_IMM, LDX_MEM = 0x01, 0x61
ST, STX = 0x02, 0x03
ADD, ADD_X, SUB_X = 0x04, 0x0C, 0x1C
OR, AND, LSH, RSH = 0x44, 0x54, 0x64, 0x74
JA, JEQ, JGT, JGE, JSET = 0x05, 0x15, 0x25, 0x35, 0x45
RET = 0x06
TAX, TXA = 0x07, 0x87

REACH = 255
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS of Linux


class Op:
    """One instruction before its labels are resolved; ``far`` marks the branches that need a trampoline."""

    __slots__ = ("at", "code", "far_no", "far_yes", "k", "no", "yes")

    def __init__(self, code: int, k: int, yes: str | None, no: str | None) -> None:
        self.code, self.k, self.yes, self.no = code, k, yes, no
        self.far_yes = self.far_no = False
        self.at = 0

    @property
    def size(self) -> int:
        return 1 + self.far_yes + self.far_no


class Assembler:
    """Collects a program. A branch without a label falls through to the next instruction."""

    def __init__(self) -> None:
        self._ops: list[Op] = []
        self._labels: dict[str, int] = {}

    def op(self, code: int, k: int = 0) -> Op:
        """An instruction without a branch. ``k`` is taken modulo 2**32."""
        op = Op(code, k & 0xFFFFFFFF, None, None)
        self._ops.append(op)
        return op

    def branch(self, code: int, k: int, yes: str | None = None, no: str | None = None) -> Op:
        """A conditional jump on the accumulator."""
        op = Op(code, k & 0xFFFFFFFF, yes, no)
        self._ops.append(op)
        return op

    def goto(self, label: str) -> None:
        self._ops.append(Op(JA, 0, label, None))

    def label(self, name: str) -> None:
        if name in self._labels:
            raise ValueError(f"label {name} stands twice")
        self._labels[name] = len(self._ops)

    def assemble(self) -> list[Instruction]:
        """The finished program. Raises ValueError for an unknown label, a jump back, or a program that is too long."""
        while self._place():
            pass
        program = [instruction for i, op in enumerate(self._ops) for instruction in self._emit(i, op)]
        if len(program) > MAX_INSTRUCTIONS:
            raise ValueError(f"{len(program)} instructions, and the kernel takes {MAX_INSTRUCTIONS}")
        return program

    def _place(self) -> bool:
        """Give every instruction its address; True if a branch turned out to be far, so that all moves again."""
        at = 0
        for op in self._ops:
            op.at, at = at, at + op.size
        moved = False
        for i, op in enumerate(self._ops):
            if op.code == JA:
                continue
            if op.yes and not op.far_yes and self._distance(i, op, op.yes) > REACH:
                op.far_yes = moved = True
            if op.no and not op.far_no and self._distance(i, op, op.no) > REACH:
                op.far_no = moved = True
        return moved

    def _distance(self, i: int, op: Op, label: str) -> int:
        """Instructions between the one after ``op`` itself and ``label``."""
        target = self._labels.get(label)
        if target is None:
            raise ValueError(f"no label {label}")
        if target <= i:
            raise ValueError(f"{label} lies behind: classic BPF jumps forward only")
        return self._ops[target].at - op.at - 1

    def _emit(self, i: int, op: Op) -> list[Instruction]:
        if op.code == JA:
            assert op.yes is not None
            return [(JA, 0, 0, self._distance(i, op, op.yes))]
        if op.yes is None and op.no is None:
            return [(op.code, 0, 0, op.k)]
        trampolines = op.far_yes + op.far_no
        yes = no = trampolines
        if op.yes:
            yes = 0 if op.far_yes else self._distance(i, op, op.yes)
        if op.no:
            no = trampolines - 1 if op.far_no else self._distance(i, op, op.no)
        out = [(op.code, yes, no, op.k)]
        for far, label in ((op.far_yes, op.yes), (op.far_no, op.no)):
            if far and label:
                out.append((JA, 0, 0, self._distance(i, op, label) - len(out)))
        return out
