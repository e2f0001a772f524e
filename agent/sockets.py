"""The sockets that the supervisor opens for the roles, with every refusal put in the operator's terms."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from agent import ipc
from agent.errors import ConfigError
from agent.sections import address


def listen(text: str) -> socket.socket:
    """A listening TCP socket at ``address:port``. Raises ConfigError that says why not."""
    host, port = address(text)
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(64)
    except OSError as error:
        made.close()
        raise ConfigError(
            f"exporter.listen: {text}: {error.strerror}; name an address of this host and a free port"
        ) from None
    return made


def door(path: str) -> socket.socket:
    """A listening AF_UNIX socket at ``path`` that only our user may reach. Raises ConfigError that says why not."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        remove_stale(path)
        made.bind(path)
        Path(path).chmod(0o600)
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
