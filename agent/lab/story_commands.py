"""The commands of the demo's story: each is run as if it had been typed, and shown with what it says."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import socket
import textwrap
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from agent.lab.story_papers import CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_WIDTH = 98
_INTERRUPTED = 130
_PATIENCE = 60.0  # seconds for what takes a second or two
# By name: the command line is above the laboratory, which it runs.
_COMMAND_LINE = "agent.__main__"


class FailedError(Exception):
    """A command of the story did not do what the story needs; the text says which, and what it said."""


class Commands:
    """Runs ``knockfirst`` commands of this process with the story's configuration; ``say`` shows a screen."""

    def __init__(self, directory: Path, say: Callable[[str], None]) -> None:
        self._directory = directory
        self._say = say

    def run(self, *words: str, code: int = 0, most: str = "") -> str:
        """What a command says, after it was shown with it.

        ``code``: how it has to end; ``most``: where what is shown ends, "" for all. Raises FailedError.
        """
        said = self.quietly(*words, code=code)
        shown = said.partition(most)[0].rstrip() if most else said
        self._say(f"$ {self.typed(words)}\n{shown}\n")
        return said

    def quietly(self, *words: str, code: int = 0) -> str:
        """What a command says. Raises FailedError."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            ended = import_module(_COMMAND_LINE).main([*words, "--config", str(self._directory / CONFIG)])
        text = said.getvalue().replace(f"{self._directory}/", "").rstrip()
        if ended == _INTERRUPTED:
            raise KeyboardInterrupt
        if ended != code:
            raise FailedError(f"`{self.typed(words)}` ended with {ended}: {text}")
        return text

    def path(self, name: str) -> str:
        """The path of a file of the story; shown by its name."""
        return str(self._directory / name)

    def typed(self, words: tuple[str, ...]) -> str:
        """The command line, short of what all of them have in common."""
        return wrapped(shlex.join(("knockfirst", *words)).replace(f"{self._directory}/", ""))


def wrapped(line: str) -> str:
    """A command line, in lines that fit and can be pasted."""
    lines = textwrap.wrap(line, _WIDTH, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False)
    return " \\\n".join(lines)


def posted(url: str, fields: dict[str, str]) -> dict[str, Any]:
    """The answer to a form in JSON, posted to a socket of our own daemon. Raises OSError, ValueError."""
    place, _, path = url.removeprefix("http://").partition("/")
    host, _, port = place.rpartition(":")
    body = json.dumps(fields).encode()
    head = f"POST /{path} HTTP/1.0\r\nHost: {place}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with socket.socket() as connection:
        connection.settimeout(20)
        connection.connect((host, int(port)))
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    said: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return said


def until(look: Callable[[], Any], otherwise: str) -> Any:
    """What there is to see, as soon as there is something. Raises FailedError."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.05)
    raise FailedError(otherwise)
