"""``knockfirst run``: the daemon, from its command line to its end."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.config import Config, load, over
from agent.config_commands import exporter_usable
from agent.errors import InputError
from agent.logfmt import begin
from agent.prefixes import usable
from agent.supervisor import INTERRUPTED, PATIENCE, Daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WHAT = "Run the daemon: look, and serve metrics. SIGHUP: read the configuration anew. SIGUSR1: kill switch."


def main(words: list[str]) -> int:
    """``run [--config FILE] [--interface IFACE ...] [--prefix CIDR ...] [--once] [FILE...]``.

    0, 2, 70, 78 or 130: docs/operating.md.
    """
    import argparse

    parser = argparse.ArgumentParser(prog="knockfirst run", description=_WHAT)
    parser.add_argument("--config", metavar="FILE", help="configuration file (TOML); without it, the defaults")
    parser.add_argument(
        "--interface", action="append", default=[], metavar="IFACE", help="look at this interface; may be given again"
    )
    parser.add_argument(
        "--prefix", action="append", default=[], metavar="CIDR", help="prefix of customers; may be given again"
    )
    parser.add_argument("--once", action="store_true", help="end when every file has been read, instead of serving on")
    parser.add_argument("files", nargs="*", metavar="FILE", help="capture file to read")
    parser.epilog = "Files and interfaces named here take the place of those of the configuration; so do prefixes."
    wanted = parser.parse_args(words)

    def read() -> Config:
        config = configured(wanted.config, wanted.files, wanted.interface, wanted.prefix)
        exporter_usable(config)
        if wanted.once and config.capture.interfaces:
            raise InputError("--once ends when every file has been read, and an interface has no end; leave one out")
        return config

    config = read()
    begin("supervisor", config.log.level, config.log.format)
    return run(config, once=wanted.once, reread=read)


def configured(
    path: str | None, files: Sequence[str], interfaces: Sequence[str] = (), prefixes: Sequence[str] = ()
) -> Config:
    """The configuration with what the command line names in place of its own. Raises ConfigError."""
    config = load(path) if path else Config()
    capture: dict[str, Any] = {}
    if files or interfaces:
        capture |= {"files": [str(Path(name).absolute()) for name in files], "interfaces": list(interfaces)}
    if prefixes:
        capture["prefixes"] = list(prefixes)
    config = over(config, capture)
    if not (config.capture.files or config.capture.interfaces):
        where = f"{path}: capture.files and capture.interfaces: empty" if path else "nothing to look at"
        raise InputError(f"{where}; name capture files or interfaces there or on the command line")
    usable(config, path or "command line")
    return config


def run(config: Config, *, once: bool, reread: Callable[[], Config] | None = None) -> int:
    """Be the daemon until a signal, the end of the inputs (``once``) or a failure; gives the exit code."""
    log = logging.getLogger("supervisor")
    daemon = Daemon(config, patience=1 if once else PATIENCE, reread=reread)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.give_up())
    signal.signal(signal.SIGHUP, lambda *_: daemon.reload())
    signal.signal(signal.SIGUSR1, lambda *_: daemon.kill_switch())
    with daemon:
        looked_at = {"files": len(config.capture.files), "interfaces": len(config.capture.interfaces)}
        log.info("started", extra={"metrics": daemon.metrics_url, **looked_at})
        if once:
            return _once(daemon, log)
        daemon.wait_end()
        log.info("ending")
        return daemon.exit_code if daemon.failed.is_set() else 0


def _once(daemon: Daemon, log: logging.Logger) -> int:
    if not daemon.wait_finished(None):
        return daemon.exit_code if daemon.failed.is_set() else INTERRUPTED
    status = daemon.status()
    log.info("everything read", extra={"servers": status["servers"], "unreadable": status["unreadable"]})
    return InputError.exit_code if status["unreadable"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
