"""A small assembler for classic BPF: instructions and labels in, ``(code, jt, jf, k)`` tuples out.

Conditional jumps reach 255 instructions ahead and no jump goes back (McCanne and Jacobson, 1993). So a program is put
together from its end: every target is in place before the branch that leads to it, and a far one is reached through an
unconditional jump, one for all branches that it is near enough to.
"""

from __future__ import annotations

Instruction = tuple[int, int, int, int]

# Loads: absolute (from the frame's start), relative to X, of a constant, of scratch memory, of the frame's length.
LDW_ABS, LDH_ABS, LDB_ABS = 0x20, 0x28, 0x30
LDW, LDH, LDB = 0x40, 0x48, 0x50
LD_IMM, LD_MEM, LD_LEN = 0x00, 0x60, 0x80
LDX_IMM, LDX_MEM = 0x01, 0x61
ST, STX = 0x02, 0x03
ADD, ADD_X, SUB_X = 0x04, 0x0C, 0x1C
OR, AND, LSH, RSH = 0x44, 0x54, 0x64, 0x74
JA, JEQ, JGT, JGE, JSET = 0x05, 0x15, 0x25, 0x35, 0x45
RET, RET_A = 0x06, 0x16
TAX, TXA = 0x07, 0x87

# An absolute load of a word from here gives a random number (SKF_AD_OFF + SKF_AD_RANDOM of linux/filter.h).
RANDOM = -0x1000 + 56

# What a conditional jump reaches, less the jumps that may stand between it and what follows.
REACH = 255 - 2
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS of Linux


class Backwards:
    """A program from its end on. A place is the number of instructions from there to the end."""

    def __init__(self) -> None:
        self._reversed: list[Instruction] = []
        self._near: dict[int, int] = {}  # a place -> that of the last jump to it

    @property
    def here(self) -> int:
        """The place of what was put last, which is the next instruction of what is put now."""
        return len(self._reversed)

    def put(self, code: int, k: int = 0) -> int:
        """An instruction without a branch; its place."""
        self._reversed.append((code, 0, 0, k))
        return len(self._reversed)

    def jump(self, to: int) -> int:
        """An unconditional jump, or nothing where it leads to the next instruction."""
        distance = len(self._reversed) - to
        return self.put(JA, distance) if distance else to

    def branch(self, code: int, k: int, yes: int, no: int) -> int:
        """A conditional jump on the accumulator to two places."""
        yes, no = self._within_reach(yes), self._within_reach(no)
        here = len(self._reversed)
        self._reversed.append((code, here - yes, here - no, k))
        return here + 1

    def _within_reach(self, to: int) -> int:
        here = len(self._reversed)
        if here - to <= REACH:
            return to
        near = self._near.get(to, to)
        if here - near > REACH:
            near = self._near[to] = self.put(JA, here - to)
        return near

    def program(self) -> list[Instruction]:
        return self._reversed[::-1]


class Assembler:
    """Collects a program. A branch without a label falls through to the next instruction."""

    def __init__(self) -> None:
        self._ops: list[tuple[int, int, str | None, str | None]] = []
        self._labels: dict[str, int] = {}

    def op(self, code: int, k: int = 0) -> None:
        """An instruction without a branch. ``k`` is taken modulo 2**32."""
        self._ops.append((code, k & 0xFFFFFFFF, None, None))

    def branch(self, code: int, k: int, yes: str | None = None, no: str | None = None) -> None:
        """A conditional jump on the accumulator."""
        self._ops.append((code, k & 0xFFFFFFFF, yes, no))

    def goto(self, label: str) -> None:
        self._ops.append((JA, 0, label, None))

    def label(self, name: str) -> None:
        """At the very end it is the place of what will be put behind the program."""
        if name in self._labels:
            raise ValueError(f"label {name} stands twice")
        self._labels[name] = len(self._ops)

    def assemble(self) -> list[Instruction]:
        """The finished program. Raises ValueError for an unknown label, or a jump back."""
        out = Backwards()
        names: dict[int, list[str]] = {}
        for name, at in self._labels.items():
            names.setdefault(at, []).append(name)
        places = dict.fromkeys(names.get(len(self._ops), ()), 0)
        for at in range(len(self._ops) - 1, -1, -1):
            self._put(out, self._ops[at], places)
            for name in names.get(at, ()):
                places[name] = out.here
        return out.program()

    def _put(self, out: Backwards, op: tuple[int, int, str | None, str | None], places: dict[str, int]) -> None:
        code, k, yes, no = op
        if yes is None and no is None:
            out.put(code, k)
            return
        following = out.here
        to_yes = self._place(yes, places) if yes else following
        if code == JA:
            out.jump(to_yes)
        else:
            out.branch(code, k, to_yes, self._place(no, places) if no else following)

    def _place(self, label: str, places: dict[str, int]) -> int:
        if label in places:
            return places[label]
        if label in self._labels:
            raise ValueError(f"{label} lies behind: classic BPF jumps forward only")
        raise ValueError(f"no label {label}")
