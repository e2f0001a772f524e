"""Something that takes long, made beside the loop that wants it, in a thread that has nothing but what it is given."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Making(Generic[T]):
    """One at a time. Whoever begins it asks for it; nothing is called from the thread but ``make``."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._made: list[T] = []
        self._fault: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being made, or has been and was not asked for yet."""
        return self._thread is not None

    def begin(self, make: Callable[[], T]) -> None:
        """Make this. May not be called while something is being made."""
        made = self._made = []

        def work() -> None:
            try:
                made.append(make())
            except BaseException as fault:  # whoever asks for it gets it
                self._fault = fault

        self._thread = threading.Thread(target=work, name="making", daemon=True)
        self._thread.start()

    def taken(self) -> T | None:
        """What was made, once; None while there is nothing. Raises what the making did."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread = None
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        return self._made.pop()
