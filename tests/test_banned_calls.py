"""Who connects, listens, resolves or starts programs, by name and with the reason: all others do none of it.

The lab is left out: it is imported by name, for the demo and for tests, and is on no path of the daemon.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in ("agent", "collectors", "probes", "exporters")
    for path in (ROOT / package).rglob("*.py")
    if not path.relative_to(ROOT).as_posix().startswith("agent/lab/")
)

_SOCKETS = {"connect", "connect_ex", "sendto", "sendmsg", "sendmmsg", "bind", "send_fds"}
_OF_SOCKET = {
    "socket", "SocketType", "create_connection", "create_server", "getaddrinfo", "gethostbyname", "gethostbyname_ex",
    "gethostbyaddr", "getnameinfo", "fromfd",
}  # fmt: skip
_OF_OS = {
    "system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "execv", "execve", "execvp", "execvpe",
    "execl", "execle", "execlp", "execlpe", "spawnv", "spawnve", "spawnl", "startfile",
}  # fmt: skip
_MODULES = {
    "subprocess", "ctypes", "multiprocessing", "asyncio", "pty", "_socket", "http.client", "urllib.request", "ftplib",
    "smtplib", "telnetlib", "xmlrpc", "socketserver", "http.server", "wsgiref.simple_server", "cffi", "anyio", "trio",
}  # fmt: skip
# `connect` of these is no connection to another machine.
_OURS = {"ipc", "sqlite3"}

ALLOWED: dict[str, tuple[set[str], str]] = {
    "probes/wire.py": ({"socket.socket", "bind", "connect_ex"}, "the one door: to what a permit names"),
    "agent/ipc.py": ({"socket.socket", "connect", "socket.send_fds"}, "AF_UNIX, between the roles"),
    "agent/notify.py": ({"socket.socket", "sendto", "connect"}, "AF_UNIX, to the service manager (sd_notify)"),
    "agent/role_doors.py": ({"socket.socket"}, "what systemd hands over: it is open already"),
    "agent/audit/sinks.py": ({"socket.socket", "connect"}, "AF_UNIX, checkpoints to the local syslog"),
    "agent/sockets.py": ({"socket.socket", "bind"}, "listeners: it connects to nobody"),
    "exporters/notices/mail.py": ({"smtplib"}, "to the relay that the configuration names"),
    "exporters/notices/webhook.py": ({"http.client"}, "to the one URL that the configuration names"),
    "exporters/web.py": ({"http.server", "socketserver"}, "serves what is handed over to it: it connects to nobody"),
    "collectors/packets/ring.py": ({"socket.socket", "bind"}, "AF_PACKET: to look"),
    "collectors/packets/interface.py": ({"socket.socket", "bind"}, "AF_NETLINK: to hear of interfaces"),
    "agent/rights.py": ({"ctypes"}, "prctl and capset: to give rights up"),
    "agent/audit/clock.py": ({"ctypes"}, "adjtimex: whether the clock is synchronised"),
    "agent/child.py": ({"subprocess"}, "the supervisor starts the roles"),
    "agent/commands/allowed.py": (
        {"subprocess", "socket.getaddrinfo"},
        "a command tells systemd whom the prober may reach, and where the relay is",
    ),
    "agent/commands/probing.py": ({"subprocess"}, "a command starts a one-shot role of ours"),
    "collectors/capture_command.py": ({"os.execve"}, "a command becomes the capture role"),
}


def uses(source: str) -> set[str]:
    """What a module names of all this, whether it calls it or only holds it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            found |= _attribute(node)
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names if _banned(name.name)}
            # Under another name it would go by unseen.
            found |= {f"{n.name} as {n.asname}" for n in node.names if n.asname and n.name in ("socket", "os")}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {name.name for name in node.names}
            if _banned(node.module):
                found.add(node.module)
            else:
                found |= {f"{node.module}.{name}" for name in names if _banned(f"{node.module}.{name}")}
            wanted = {"socket": _OF_SOCKET | _SOCKETS, "os": _OF_OS}.get(node.module, set())
            found |= {f"{node.module}.{name}" for name in names & (wanted | ({"*"} if wanted else set()))}
        elif isinstance(node, ast.Constant) and node.value in _MODULES - {"http.server"}:  # that is a fact's name too
            found.add(f"{node.value!r}")  # what importlib, or getattr, could be given
    return found


def _banned(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in _MODULES)


def _attribute(node: ast.Attribute) -> set[str]:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    if owner == "socket" and node.attr in _OF_SOCKET | _SOCKETS:
        return {f"socket.{node.attr}"}
    if owner == "os" and node.attr in _OF_OS:
        return {f"os.{node.attr}"}
    return {node.attr} if node.attr in _SOCKETS and owner not in _OURS else set()


@pytest.mark.parametrize("path", FILES)
def test_nobody_else_reaches_out(path: str) -> None:
    found = uses((ROOT / path).read_text())
    if path == "probes/hook.py":
        found -= {repr(name) for name in _MODULES}  # it names them to refuse them
    # Annotations name the type; a call is what makes one.
    found -= set() if "socket.socket" in ALLOWED.get(path, (set(), ""))[0] else _only_annotated(path)
    assert found == ALLOWED.get(path, (set(), ""))[0]


def _only_annotated(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    named = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n) == "socket.socket"]
    return set() if any(id(node) in called for node in named) else {"socket.socket"}


def test_every_exception_is_of_a_file_that_there_is() -> None:
    assert set(ALLOWED) <= set(FILES)


@pytest.mark.parametrize(
    "source",
    ["import socket\nx = socket.socket()", "from socket import create_connection", "import socket as s",
     "import subprocess", "a.b.connect(c)", "f = one.sendto", "from os import system", "import os\nos.execv('a', [])",
     "import http.client", "from urllib.request import urlopen", "from urllib import request",
     "import_module('ctypes')",
     "import asyncio.streams", "from socket import *", "socket.getaddrinfo"],
)  # fmt: skip
def test_what_it_would_see(source: str) -> None:
    assert uses(source)


@pytest.mark.parametrize("source", ["ipc.connect(p)", "import socket\nsocket.AF_INET", "import os\nos.open(p, 0)"])
def test_what_is_nothing_to_it(source: str) -> None:
    assert not uses(source)
