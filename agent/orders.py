"""How a command gives an order: to the daemon that has the store open or, where none has, to the desk in-process.

for item in ordered(options, "consent.show", {"customer": "C-1"}): ...
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.config import load
from agent.desk import answered
from agent.errors import ConfigError, FailedError, InputError, UnavailableError
from agent.ipc import Type
from agent.keeping import directory_of
from agent.office import Office, Who
from agent.schema import HeldError, lock
from agent.sections import Agent, Config
from agent.tuning import asking

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS = 60.0  # for each wait: a large import is written to the disk before it is answered
_ANSWERS = frozenset({Type.REPLY, Type.END})
_FAMILIES = {cls.exit_code: cls for cls in (ConfigError, InputError, UnavailableError, FailedError)}


def add_options(parser: ArgumentParser) -> None:
    """The options that say whose register is meant; they may stand behind any of the command's words."""
    which = parser.add_argument_group("whose register")
    which.add_argument("--config", metavar="FILE", help="the daemon's configuration file")
    which.add_argument("--state", metavar="DIR", help="the directory of its store, where there is no such file")
    which.add_argument("--control", metavar="PATH", help="the control socket of a daemon that runs")


def ordered(options: Namespace, verb: str, words: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the order comes to, object by object.

    Raises UnavailableError where neither a daemon nor a store is found, InputError and ConfigError as the order does.
    """
    with opened(options) as give:
        yield from give(verb, words)


@contextmanager
def opened(options: Namespace) -> Iterator[Any]:
    """A function that gives an order, and another, to the same register: ``give(verb, words)`` -> objects."""
    config = configured(options)
    directory = directory_of(config.agent)
    if options.control or directory is None:
        with closing(_Remote(_control(options, config))) as remote:
            yield remote.give
        return
    try:
        held = lock(directory)
    except HeldError:
        with closing(_Remote(_control(options, config))) as remote:
            yield remote.give
        return
    try:
        with closing(_Local(config, directory)) as local:
            yield local.give
    finally:
        os.close(held)


def configured(options: Namespace) -> Config:
    """The configuration that the options mean. Raises ConfigError."""
    config = load(options.config) if options.config else Config()
    if getattr(options, "state", None):
        config = config.model_copy(update={"agent": Agent(state=os.path.abspath(options.state))})
    return config


def _control(options: Namespace, config: Config) -> str:
    if options.control or config.agent.control:
        return str(options.control or config.agent.control)
    return asking.path_found()


class _Local:
    """Nobody else has the store: the order is carried out here, and what it says of looking is nothing."""

    def __init__(self, config: Config, directory: Path) -> None:
        log = logging.getLogger("command")
        self._office = Office(config, directory, log=log, now=time.time, monotonic=time.monotonic)
        self._office.open()

    def give(self, verb: str, words: dict[str, Any]) -> Iterator[dict[str, Any]]:
        return iter(answered(self._office, verb, words, Who(os.getuid(), os.getpid())))

    def close(self) -> None:
        self._office.close()


class _Remote:
    """The daemon's agent, by its control socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._link = ipc.connect(path, _ANSWERS, _SECONDS)
        except OSError as error:
            raise UnavailableError(
                f"{path}: no daemon answers: {error.strerror or error}; start one, or name its socket"
            ) from None

    def give(self, verb: str, words: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The whole answer is taken before any of it is given, so that the next order does not meet the rest of it."""
        items: list[dict[str, Any]] = []
        fault: ConfigError | None = None
        try:
            self._link.send(Type.ORDER, {"verb": verb, "words": words})
            while (received := self._link.receive()) is not None and received[0] is not Type.END:
                body = received[1]
                items.append(body.get("item", {}))
                if "error" in body:
                    fault = fault or _FAMILIES.get(body.get("exit", 0), ConfigError)(str(body["error"]))
        except ValueError as error:
            raise InputError(f"more than one order can hold: {error}; give less at once") from None
        except (OSError, ipc.Unexpected) as error:
            raise UnavailableError(f"{self._path}: the daemon does not answer: {error}") from None
        if received is None:
            raise UnavailableError(f"{self._path}: the daemon went away in the middle of its answer")
        if fault is not None:
            raise fault
        return iter(items)

    def close(self) -> None:
        self._link.close()
