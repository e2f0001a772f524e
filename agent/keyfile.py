"""Files that hold one secret: 32 bytes as 64 hex digits, the file ours alone (0600), written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from agent.errors import ConfigError

LENGTH = 32  # bytes


def secret(path: Path, what: str, *, make: bool, key: str = "agent.state") -> bytes:
    """The 32 bytes in a file. Where there is none, one is made if it may be: once, and never over another.

    ``what``: what it is for; ``key``: of the configuration that leads to it. Raises ConfigError.
    """
    try:
        if make and not path.exists():
            _make(path)
        held = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise ConfigError(f"{key}: {path}: {error.strerror}; {what}") from None
    except ValueError:
        held = b""
    if len(held) != LENGTH:
        raise ConfigError(f"{key}: {path}: not a key of {2 * LENGTH} hex digits; put the right one back")
    return held


def credential(name: str) -> Path | None:
    """The file of systemd's credential of that name (LoadCredential= of systemd.exec(5)); None where there is none.

    Raises ConfigError where that cannot be seen: nothing else is then taken in its place.
    """
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    if not given:
        return None
    path = Path(given) / name
    try:
        path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"LoadCredential=: {path}: {error.strerror}; let the daemon's user read it") from None
    return path


def entrusted(name: str, path: Path, what: str, *, make: bool = True) -> bytes:
    """The 32 bytes of systemd's credential of that name, else of the file. Raises ConfigError, as ``secret`` does."""
    if there := credential(name):
        return secret(there, what, make=False, key="LoadCredential=")
    return secret(path, what, make=make)


def _make(path: Path) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(LENGTH) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
