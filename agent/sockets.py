"""The sockets that the supervisor opens for the roles, with every refusal put in the operator's terms."""

from __future__ import annotations

import contextlib
import os
import socket
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from agent import ipc
from agent.errors import ConfigError
from agent.sections import address

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agent.sections import Exporter

# The exporter's listeners, by the keys of its section that name them.
LISTENERS = ("listen", "answers", "probing")


def listeners(
    section: Exporter, keys: Collection[str] = LISTENERS, replaced: Mapping[str, socket.socket] = MappingProxyType({})
) -> dict[str, socket.socket]:
    """The listeners of these keys, where the section names an address: all of them, or ConfigError is raised.

    ``replaced``: those that they are to take the place of.
    """
    opened: dict[str, socket.socket] = {}
    try:
        for key in keys:
            if wanted := getattr(section, key):
                opened[key] = listen(wanted, f"exporter.{key}", replaced.get(key))
    except ConfigError:
        for listener in opened.values():
            listener.close()
        raise
    return opened


def scheme_of(section: Exporter) -> str:
    """How the metrics are reached: "https" where the file of exporter.web_config turns TLS on, else "http"."""
    if not section.web_config:
        return "http"
    webconfig = import_module("exporters.webconfig")
    with contextlib.suppress(ConfigError):  # one that cannot be used is told of by who serves by it
        if webconfig.read(section.web_config, os.environ.get("CREDENTIALS_DIRECTORY")).context is not None:
            return "https"
    return "http"


def listen(text: str, key: str, replaced: socket.socket | None = None) -> socket.socket:
    """A listening TCP socket at ``address:port``. Raises ConfigError that names ``key``.

    ``replaced``: ours that it is to take the place of, and whose port it may share meanwhile.
    """
    host, port = address(text)
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _share(made, replaced, shared=True)
        made.bind((host, port))
        made.listen(64)
    except OSError as error:
        _share(made, replaced, shared=False)
        made.close()
        raise ConfigError(f"{key}: {text}: {error.strerror}; name an address of this host and a free port") from None
    _share(made, replaced, shared=False)
    return made


def _share(made: socket.socket, replaced: socket.socket | None, *, shared: bool) -> None:
    """Let two sockets of ours have the same port, for as long as it takes to open the second."""
    for one in (made, replaced) if replaced else ():
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)


def door(path: str, mode: int = 0o600) -> socket.socket:
    """A listening AF_UNIX socket at ``path``, which only our user may reach. Raises ConfigError that says why not.

    ``mode``: who else may, where its directory has given it to a group.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        remove_stale(path)
        made.bind(path)
        Path(path).chmod(mode)
        made.listen(64)
    except OSError as error:
        made.close()
        reason = error.strerror or str(error)
        raise ConfigError(
            f"agent.control: {path}: {reason}; name a path of less than 108 bytes in our own directory"
        ) from None
    return made


def remove_stale(path: str) -> None:
    """Take away a socket that a daemon left behind when it was killed. Raises ConfigError if one answers there."""
    if not Path(path).is_socket():
        return
    with contextlib.suppress(ConnectionRefusedError):
        ipc.connect(path, frozenset(), 1.0).close()
        raise ConfigError(f"agent.control: {path}: another daemon answers there; stop it or name another path")
    Path(path).unlink()
