"""``knockfirst consent allow-list``: whom records let be knocked at; with ``--apply`` the kernel is told so.

With ``--relay`` it is about the notifier instead: where the mail relay and the webhook of the configuration are.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

from agent.errors import UnavailableError

_SECONDS = 30.0


def main(words: list[str]) -> int:
    """``allow-list [--most N | --relay] [--apply UNIT]``. 0, or 69 where nobody says, or systemd does not take it."""
    from argparse import ArgumentParser

    from agent.orders import add_options, ordered
    from agent.verbs.allowed import MOST

    parser = ArgumentParser(prog="knockfirst consent allow-list", description="Print whom records let be knocked at.")
    parser.add_argument(
        "--most", type=int, default=MOST, metavar="N", help=f"prefixes at most; more are joined ({MOST})"
    )
    parser.add_argument(
        "--apply", metavar="UNIT", help="let this unit of systemd reach these and nobody else; for root"
    )
    parser.add_argument(
        "--relay", action="store_true", help="the addresses of mail relay and webhook, for the notifier"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    options = parser.parse_args(words)
    if options.relay:
        (answer,) = ordered(options, "notices.hosts", {})
        found = _resolved(answer["hosts"])
        if options.apply:
            _apply(options.apply, found)
        else:
            print(json.dumps({"addresses": found}) if options.json else "\n".join(found))
        return 0
    applied = _applied() if options.apply else None
    known = applied.read_text(encoding="ascii") if applied is not None and applied.exists() else None
    (answer,) = ordered(options, "consent.allow_list", {"most": options.most, "known": known})
    prefixes: list[str] | None = answer["prefixes"]
    if not options.apply:
        print(json.dumps(answer) if options.json else "\n".join(prefixes or ()))
    elif prefixes is not None:
        _apply(options.apply, prefixes)
        if applied is not None:
            applied.write_text(answer["sha256"], encoding="ascii")
    return 0


def _resolved(hosts: list[str]) -> list[str]:
    """The addresses of these hosts. Raises UnavailableError that says which has none."""
    found: list[str] = []
    for host in hosts:
        try:
            told = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)  # noqa: TID251  (the operator's own servers)
        except OSError as error:
            raise UnavailableError(f"{host}: no address: {error.strerror}; name it in /etc/hosts") from None
        found += [str(place[4][0]) for place in told]
    return list(dict.fromkeys(found))


def _applied() -> Path | None:
    """Where it is kept what was applied last: beside what systemd keeps of it, gone with the next boot."""
    directory = os.environ.get("RUNTIME_DIRECTORY")
    return Path(directory) / "applied" if directory else None


def _apply(unit: str, prefixes: list[str]) -> None:
    """Raises UnavailableError: then what was allowed before still is."""
    # An empty one first: a list that is set is otherwise added to the one before.
    lists = ["IPAddressAllow=", *([f"IPAddressAllow={' '.join(prefixes)}"] if prefixes else [])]
    try:
        done = subprocess.run(  # noqa: S603  (prefixes that were parsed, and a unit that root names)
            ["/usr/bin/systemctl", "--no-ask-password", "set-property", "--runtime", "--", unit, *lists],
            check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{unit}: systemd was not told: {error}") from None
    if done.returncode:
        raise UnavailableError(f"{unit}: systemd did not take it: {done.stderr.strip()}")
    print(f"{unit}: {len(prefixes)} prefixes can be reached")
