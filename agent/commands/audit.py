"""``knockfirst audit``: see that the log is whole, hand a customer his part of it, and take copies that tell nobody."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.audit import verify
from agent.audit.checkpoint import found
from agent.audit.proof import joined
from agent.errors import InputError
from agent.keeping import directory_of
from agent.orders import add_options, configured, ordered
from agent.screen import colour, coloured

if TYPE_CHECKING:
    from collections.abc import Callable

_HELP = "see that the log is whole, hand a customer his part of it, export it"
_OUTSIDE = "file that a sink of checkpoints has kept"
_VKEY = "the log's public key, where it is known from elsewhere; otherwise that of the key file there"


def main(words: list[str]) -> int:
    """``audit verify|prove|export|diff``: 0 it verifies, or is done; 1 it does not. Raises ConfigError."""
    parser = argparse.ArgumentParser(prog="knockfirst audit", description=f"{_HELP}.")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    one = _action(actions, "verify", _verify, "read the whole log, beside a daemon too: 0 it is whole, 1 it is not")
    one.add_argument("--checkpoints", metavar="FILE", action="append", default=[], help=_OUTSIDE)
    one.add_argument("--vkey", metavar="KEY", default="", help=_VKEY)
    one = _action(actions, "prove", _prove, "a file by which a customer can check his own entries: docs/verify.py")
    one.add_argument("--customer", metavar="REF", required=True, help="the customer's reference")
    one.add_argument("--older", metavar="FILE", help="file with a checkpoint that he has, to reach back to")
    one.add_argument("--out", metavar="FILE", help="file to be made; without it, standard output")
    one = _action(actions, "export", _export, "every entry as it is hashed, a line each; nothing private is in it")
    one.add_argument("--from", metavar="N", dest="start", type=int, default=0, help="number of the first")
    one = _action(actions, "diff", _diff, "whether one checkpoint's log begins that of the other, and is this one")
    one.add_argument("checkpoints", nargs=2, metavar="FILE", help="file with a checkpoint; its last one counts")
    one.add_argument("--vkey", metavar="KEY", default="", help=_VKEY)
    options = parser.parse_args(words)
    code: int = options.action(options)
    return code


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    action: Callable[[argparse.Namespace], int],
    what: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=what, description=f"{what}.")
    parser.set_defaults(action=action)
    add_options(parser)
    return parser


def _verify(options: argparse.Namespace) -> int:
    outside = [note for name in options.checkpoints for note in _notes(name)]
    told = verify.verified(_directory(options), outside, options.vkey)
    on = coloured(sys.stdout)
    if told.faults:
        print(colour("does not verify", "red", on))
        print("\n".join(f"  {fault}" for fault in told.faults))
    else:
        print(colour("verifies", "green", on))
    print(
        f"\n  log          {told.head.partition(chr(10))[0]}, {told.size:,} entries"
        f"\n  private      {told.opened:,} opened and as they were committed to, {told.erased:,} erased"
        f"\n  checkpoints  {told.checkpoints:,}, of which {len(outside):,} were given from outside"
        f"\n  key          {told.vkey}"
    )
    if not outside:
        print("\nHeld against the log's own checkpoint alone: --checkpoints FILE holds it against those kept outside.")
    return 1 if told.faults else 0


def _prove(options: argparse.Namespace) -> int:
    sizes = [int(note.split("\n")[1]) for note in _notes(options.older)] if options.older else []
    words = {"customer": options.customer, "sizes": sorted({size for size in sizes[-1:] if size})}
    if options.out and os.path.lexists(options.out):
        raise InputError(f"{options.out}: is there already; name a file that is not")
    text = joined(ordered(options, "audit.prove", words))
    if not options.out:
        sys.stdout.write(text)
        return 0
    try:
        descriptor = os.open(options.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{options.out}: {error.strerror}") from None
    print(f"{options.out}: the customer's own data, for him alone; he checks it with docs/verify.py")
    return 0


def _export(options: argparse.Namespace) -> int:
    if options.start < 0:
        raise InputError("--from: the number of an entry; the first is 0")
    for leaf in verify.exported(_directory(options), options.start):
        print(leaf.decode(errors="replace"))
    return 0


def _diff(options: argparse.Namespace) -> int:
    first, second = (_notes(name)[-1] for name in options.checkpoints)
    told = verify.compared(_directory(options), (first, second), options.vkey)
    print(f"{told.first.size:,} entries, then {told.second.size:,}: {told.second.size - told.first.size:,} were added")
    if told.faults:
        print("\n".join(["not consistent", *(f"  {fault}" for fault in told.faults)]))
        return 1
    print("\n".join(["consistent; proved by", *(f"  {node.hex()}" for node in told.path)]))
    return 0


def _directory(options: argparse.Namespace) -> Path:
    directory = directory_of(configured(options).agent)
    if directory is None:
        raise InputError("name the directory of the log with --state DIR, or the daemon's file with --config FILE")
    return directory


def _notes(name: str) -> list[str]:
    """The checkpoints in a file, at least one. Raises InputError."""
    try:
        text = Path(name).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from None
    if not (notes := found(text)):
        raise InputError(f"{name}: no checkpoint is in it; give what a sink has kept")
    return notes
