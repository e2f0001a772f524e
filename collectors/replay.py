"""``knockfirst replay``: the passive line in one process, on capture files."""

from __future__ import annotations

import gc
import sys
from os.path import basename, getsize, isfile
from typing import TYPE_CHECKING

from agent.errors import InputError
from agent.screen import Progress
from collectors.line import Line
from collectors.packets.wanted import inside

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable
    from typing import Any

    from agent.inventory import Inventory
    from agent.model import Assessment


def main(words: list[str]) -> int:
    """Exit 0; 2 where a file could not be read, after the others were."""
    options = _options(words)
    # Nothing here makes cycles worth the name, and what is kept grows by the ten thousand: looking for garbage among it
    # at the usual rate costs some 25 ms in two million packets.
    gc.freeze()
    gc.set_threshold(100_000)
    line = Line(inside(options.prefix))
    inventory = _inventory()
    unreadable = [error for path in options.file if (error := _read(line, path, inventory, options))]
    for complaint in (*unreadable, *line.losses):
        sys.stderr.write(f"knockfirst replay: {complaint}\n")
    _print(inventory, line, options)
    return InputError.exit_code if unreadable else 0


def _options(words: list[str]) -> Namespace:
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="knockfirst replay", description="Say which addresses of capture files run Exchange.")
    parser.add_argument("file", nargs="+", metavar="FILE", help="a pcap or pcapng file")
    parser.add_argument("--json", action="store_true", help="one JSON object a line and server")
    parser.add_argument("--all", action="store_true", help="also servers that are not Exchange")
    parser.add_argument("--prefix", action="append", default=[], metavar="CIDR", help="only servers in this prefix")
    parser.add_argument("--frames", action="store_true", help="number the frames (reads every frame in Python: slower)")
    parser.add_argument("--stats", action="store_true", help="count every frame and what became of it (slower)")
    parser.add_argument("--explain", metavar="ADDRESS", help="say why this server is believed to be what it is")
    return parser.parse_args(words)


def _inventory() -> Inventory:
    from agent.exchange.catalogue import catalogue
    from agent.exchange.fingerprint import book
    from agent.inventory import Inventory

    return Inventory(book(), catalogue())


def _read(line: Line, path: str, inventory: Inventory, options: Namespace) -> InputError | None:
    progress = Progress(sys.stderr, getsize(path) if isfile(path) else 0, basename(path))
    try:
        for observation in line.read(path, counting=options.frames or options.stats, progress=progress.update):
            inventory.observe(observation)
    except InputError as error:
        return error
    finally:
        progress.close()
    return None


def _print(inventory: Inventory, line: Line, options: Namespace) -> None:
    from datetime import UTC, datetime

    today = datetime.now(UTC).date()
    found = [a for a in inventory.assessments(today, every=options.all) if options.all or a.verdict != "none"]
    if options.explain:
        sys.stdout.write(_explanation(inventory.assessment(options.explain, today), options.explain))
    elif options.json:
        _print_json(found, line, options)
    else:
        _print_table(found, len(inventory), line, options)


def _explanation(assessment: Assessment | None, address: str) -> str:
    from agent.report import explain

    return explain(assessment) if assessment else f"{address}: nothing was seen of it\n"


def _print_json(found: Iterable[Assessment], line: Line, options: Namespace) -> None:
    from json import dumps

    from agent.report import as_json

    for assessment in found:
        sys.stdout.write(dumps(as_json(assessment), ensure_ascii=False) + "\n")
    if options.stats:
        sys.stdout.write(dumps({"stats": stats(line.counts)}) + "\n")


def _print_table(found: list[Assessment], servers: int, line: Line, options: Namespace) -> None:
    from agent.report import overview
    from agent.screen import coloured

    if found:
        sys.stdout.write(overview(found, on=coloured(sys.stdout)) + "\n")
    of_them = f"{servers} server{'' if servers == 1 else 's'} seen"
    hint = "" if options.all else "; --all lists them all" if servers else ""
    sys.stdout.write(f"{of_them}, {sum(a.verdict != 'none' for a in found)} with signs of Exchange{hint}\n")
    if options.stats:
        for name, value in stats(line.counts).items():
            sys.stdout.write(f"  {name}: {value}\n")


def stats(counts: dict[str, int]) -> dict[str, Any]:
    """Frames seen, used and not used by reason (the sum holds), then everything else that is counted."""
    unused = {name.removeprefix("drop_"): n for name, n in sorted(counts.items()) if name.startswith("drop_")}
    rest = {n: v for n, v in counts.items() if not n.startswith(("drop_", "frames_"))}
    return {"frames": counts["frames_seen"], "used": counts["frames_used"], "unused": unused, **rest}
