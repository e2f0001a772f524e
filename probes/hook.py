"""The wall in the interpreter: an audit hook (PEP 578) that nothing takes away again, and that refuses by default.

What Python does that reaches out of itself raises an event first. The few that the prober needs are named here; every
other one is refused and counted, whoever caused it: a probe, a library, a mistake of ours. It is a guard rail and no
sandbox. C code raises no events, ``send`` on a socket that is connected raises none, and what was loaded before the
wall stands can be called: beneath it are the process without rights, and what the unit and the kernel let through.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[tuple[Any, ...]], bool]

# What imports raise, and what happens inside the interpreter alone.
HARMLESS = frozenset({
    "exec", "compile", "marshal.load", "marshal.loads", "object.__getattr__", "object.__setattr__", "sys._getframe",
    "sys._getframemodulename", "builtins.id", "time.sleep", "sys.unraisablehook", "sys.excepthook",
    "_thread.start_new_thread", "_thread.start_joinable_thread",
    "array.__new__",  # a descriptor that is handed over comes in one
    "cpython._PySys_ClearAuditHooks", "cpython.run_module", "cpython.run_command",
})  # fmt: skip

# Modules that exist to start programs, to reach below Python, or to connect by themselves.
NO_IMPORT = frozenset({
    "ctypes", "_ctypes", "cffi", "subprocess", "_posixsubprocess", "multiprocessing", "_multiprocessing", "pty", "tty",
    "asyncio", "concurrent", "httpx", "requests", "urllib3", "ftplib", "smtplib", "imaplib", "poplib", "telnetlib",
    "xmlrpc", "socketserver", "sqlite3", "_sqlite3", "pickle", "shelve", "dbm", "mmap", "scapy", "cypcap",
})  # fmt: skip
_CODE = (".py", ".pyc", ".so")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Refused(RuntimeError):  # noqa: N818 - that the wall holds is no error of its own
    """The wall holds. It is a mistake of ours, or something worse, and never an ordinary end of a probe."""


class Refusals:
    """How often each event was refused, and how often in the thread that asks."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self._here = threading.local()

    def note(self, event: str) -> None:
        self.events[event] += 1
        self._here.count = self.here() + 1

    def here(self) -> int:
        """How many there were in this thread."""
        return int(getattr(self._here, "count", 0))


def install(expected: Callable[[str, tuple[Any, ...]], bool]) -> Refusals:
    """Raise the wall, for the life of this process. ``expected``: whether an event of sockets is the wire's own.

    Import before it what needs more than the wall allows; what is imported after it is read, and not written to cache.
    """
    refusals = Refusals()
    sys.dont_write_bytecode = True
    checks = _checks(expected)

    def wall(event: str, values: tuple[Any, ...], harmless: frozenset[str] = HARMLESS) -> None:
        if event in harmless:
            return
        check = checks.get(event)
        if check is None or not check(values):
            refusals.note(event)
            raise Refused(f"{event} is refused in the prober")

    sys.addaudithook(wall)
    return refusals


def _checks(expected: Callable[[str, tuple[Any, ...]], bool]) -> dict[str, Check]:
    """What is allowed under a condition."""
    roots = _roots()
    listed = frozenset(map(os.path.abspath, sys.path))
    main = threading.main_thread()

    def below(path: object) -> bool:
        return isinstance(path, str) and os.path.normpath(path).startswith(roots)

    def made(values: tuple[Any, ...]) -> bool:
        # Without a family it is made of a descriptor, as the link to the next agent is, in the thread that takes it.
        if values[1] == -1:
            return threading.current_thread() is main
        return expected("socket.__new__", values)

    def opened(values: tuple[Any, ...]) -> bool:
        path, _, flags = values
        return not flags & _WRITES and below(path) and path.endswith(_CODE)

    return {
        "import": lambda values: values[0].partition(".")[0] not in NO_IMPORT,
        "open": opened,
        "os.listdir": lambda values: below(values[0]) or values[0] in listed,
        "socket.__new__": made,
        "socket.bind": lambda values: expected("socket.bind", values),
        "socket.connect": lambda values: expected("socket.connect", values),
    }


def _roots() -> tuple[str, ...]:
    """Where code is: of the interpreter, of the libraries, of our own."""
    library = find_spec("httpcore")
    files = [os.__file__, os.path.dirname(__file__)]
    if library and library.origin:
        files.append(os.path.dirname(library.origin))
    return tuple({os.path.dirname(os.path.abspath(file)) + os.sep for file in files})
