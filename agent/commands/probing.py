"""``probing``: ``text`` makes probing.txt (RFC 9511) for the operator's web server, ``check`` looks for it there."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.consent import probing_txt
from agent.errors import ConfigError, InputError, UnavailableError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from agent.sections import Config

FETCH = "collectors.registry.published"  # a process of its own: this one may have the store open
_SECONDS = 40.0
_DAYS = 180


def main(words: list[str]) -> int:
    """The command behind ``knockfirst probing``. Raises ConfigError."""
    options = _parser().parse_args(words)
    return text(options) if options.what == "text" else check(options)


def _parser() -> ArgumentParser:
    from argparse import ArgumentParser

    from agent.orders import add_options

    parser = ArgumentParser(prog="knockfirst probing", description="Say to everybody who knocks (RFC 9511).")
    commands = parser.add_subparsers(dest="what", required=True)
    made = commands.add_parser("text", help="make probing.txt for your web server")
    made.add_argument("--config", metavar="FILE", required=True, help="the daemon's configuration file")
    made.add_argument("--out", metavar="FILE", help="write it there; without it, print it")
    made.add_argument("--days", type=int, default=_DAYS, metavar="N", help=f"days that it holds (default {_DAYS})")
    looked = commands.add_parser("check", help="look whether it is at its URL, and put that on record")
    looked.add_argument("--file", metavar="FILE", help="look at this file instead, and put nothing on record")
    looked.add_argument("--ca", metavar="FILE", help="the authority of your server's certificate, in PEM")
    add_options(looked)
    return parser


def text(options: Namespace) -> int:
    """Print or write the file. Raises ConfigError."""
    from agent.config import load

    least, most = probing_txt.LEAST_DAYS, probing_txt.MOST_DAYS
    if not least <= options.days <= most:
        raise InputError(f"--days {options.days}: give a number from {least} to {most}")
    config = load(options.config)
    _publishable(config, options.config)
    made = probing_txt.text(probing_txt.facts(config), probing_txt.expiry(time.time(), options.days))
    if not options.out:
        sys.stdout.write(made)
        return 0
    try:
        Path(options.out).write_text(made, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{options.out}: {error.strerror}; name a file to write to") from None
    print(f"{options.out}: publish it at {config.probe.probing_url}, then run `knockfirst probing check`")
    return 0


def check(options: Namespace) -> int:
    """Hold what is published, or a file, against the configuration. Raises ConfigError; InputError where it differs."""
    from agent.orders import configured, ordered

    config = configured(options)
    where = options.file or config.probe.probing_url
    _publishable(config, options.config or "configuration")
    content = _read(options.file) if options.file else fetched(where, options.ca)
    if faults := probing_txt.judged(content, config, time.time()):
        raise InputError("\n".join(f"{where}: {fault}" for fault in faults))
    if options.file:
        print(f"{where}: is what the configuration says; publish it at {config.probe.probing_url}")
        return 0
    for seen in ordered(options, "probing.checked", {"text": content.decode()}):
        print(f"{where}: is what the configuration says; sha256 {seen['sha256']}")
        print(f"holds until {_day(seen['expires'])}; look again before {_day(seen['until'])}")
    return 0


def fetched(url: str, ca: str | None) -> bytes:
    """What is at the URL. Raises ConfigError, of the family of what went wrong."""
    from agent.child import itself

    command = itself(FETCH, url, *(["--ca", ca] if ca else []))
    try:
        done = subprocess.run(  # noqa: S603  (our own interpreter and our own words)
            command.words,
            executable=command.program,
            env=command.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{url}: no answer in {_SECONDS:.0f} s; is it published there?") from None
    if done.returncode:
        families = {family.exit_code: family for family in (InputError, UnavailableError)}
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise families.get(done.returncode, UnavailableError)(said or f"{url}: could not be fetched")
    return done.stdout


def _publishable(config: Config, where: str) -> None:
    if faults := probing_txt.lacking(config):
        raise ConfigError("\n".join(f"{where}: {fault}" for fault in faults))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(probing_txt.MAX_TEXT + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the file that is to be published") from None


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"
