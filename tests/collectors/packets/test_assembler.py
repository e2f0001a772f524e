"""The assembler: jumps of any length, and what it refuses."""

from __future__ import annotations

import time

import pytest

from collectors.packets.assembler import ADD, JEQ, LDB_ABS, RET, Assembler
from tests import machine


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


@pytest.mark.parametrize("distance", [0, 1, *range(250, 258), 600])
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


def test_many_far_branches_share_their_jump() -> None:
    a = Assembler()
    a.op(LDB_ABS, 0)
    for n in range(200):
        a.branch(JEQ, n, yes="far")
    for _ in range(300):
        a.op(ADD, 1)
    a.op(RET, 2)
    a.label("far")
    a.op(RET, 1)
    program = a.assemble()
    assert len(program) < 200 + 300 + 3 + 5
    assert [machine.run(program, bytes((byte,)), 1) for byte in (0, 99, 199, 200)] == [1, 1, 1, 2]


def test_a_label_at_the_end_is_what_comes_behind() -> None:
    a = Assembler()
    a.op(LDB_ABS, 0)
    a.branch(JEQ, 1, yes="behind")
    a.op(RET, 7)
    a.label("behind")
    program = [*a.assemble(), (RET, 0, 0, 9)]
    assert machine.run(program, b"\x01", 1) == 9
    assert machine.run(program, b"\x02", 1) == 7


def test_far_branches_cost_no_more_time_than_near_ones() -> None:
    """Twenty thousand instructions, half of them with a branch over all the rest."""
    a = Assembler()
    a.op(LDB_ABS, 0)
    for n in range(10_000):
        a.branch(JEQ, n, yes="far")
        a.op(ADD, 1)
    a.label("far")
    a.op(RET, 1)
    began = time.perf_counter()
    a.assemble()
    assert time.perf_counter() - began < 1
