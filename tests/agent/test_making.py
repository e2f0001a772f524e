"""What is made beside the loop: it comes once, whole, or as what went wrong, and the loop waits for nothing."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from agent.making import Making

if TYPE_CHECKING:
    from collections.abc import Callable


def waited(making: Making[int]) -> int:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        made = making.taken()
        if made is not None:
            return made
        time.sleep(0.001)
    raise AssertionError("nothing was made")


def test_it_comes_once_and_not_before_it_is_made() -> None:
    making: Making[int] = Making()
    assert (making.busy, making.taken()) == (False, None)
    may = threading.Event()

    def make() -> int:
        may.wait(60)
        return 7

    making.begin(make)
    assert (making.busy, making.taken()) == (True, None)
    may.set()
    assert waited(making) == 7
    assert (making.busy, making.taken()) == (False, None)
    making.begin(lambda: 0)
    assert waited(making) == 0


def test_what_went_wrong_is_raised_where_it_is_asked_for_and_is_over_then() -> None:
    making: Making[int] = Making()
    fail: Callable[[], int] = lambda: 1 // 0  # noqa: E731
    making.begin(fail)
    with pytest.raises(ZeroDivisionError):
        waited(making)
    assert not making.busy
    making.begin(lambda: 8)
    assert waited(making) == 8
