"""``knockfirst import``: customers, prefixes and consent from CSV, JSON, NetBox or another register's snapshot."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.consent.rows import moment
from agent.consent.written import rfc3339
from agent.errors import InputError
from agent.orders import add_options, opened
from collectors.registry.csv_rows import WHATS
from collectors.registry.netbox import KINDS
from collectors.registry.reading import content
from collectors.registry.sending import Outcome, driven, given_up, outcome, read, send

if TYPE_CHECKING:
    from argparse import Namespace

    from collectors.registry.reading import Reading

HELD = 3  # the exit code where a human has to say whether a loss is true
MOST = 50  # faults that are told

_TEXT = 256 << 10  # characters of a snapshot in one order

_COLUMNS = (
    "The first line names the columns. Those of a mapping: prefix, customer, kind (static, dynamic, shared, unknown), "
    "valid_until, session. Those of the rest are the fields of docs/registry.md, like contacts.0.channel."
)

_SUMMARY = {
    "customers_new": "customers new",
    "customers_gone": "customers gone",
    "prefixes_added": "prefixes added",
    "prefixes_removed": "prefixes removed",
    "prefixes_moved": "prefixes moved",
    "prefixes_changed": "prefixes changed",
}


def main(words: list[str]) -> int:
    """The command: 0, or 3 where something is held. Raises ConfigError, InputError, UnavailableError."""
    options = _options(words)
    if options.sort == "snapshot":
        return _said(options, options.file, _snapshot(options))
    made = None if options.made is None else _made(options.made)
    reading = _reading(options)
    if made is not None:
        reading = reading._replace(made=made)
    with opened(options) as give:
        came = send(give, reading, options.source, show=options.dry_run, accept_loss=options.accept_loss)
    return _said(options, options.url if options.sort == "netbox" else options.file, came)


def _reading(options: Namespace) -> Reading:
    if options.sort == "csv":
        from collectors.registry import csv_rows

        return csv_rows.read(options.file, options.what, full=options.what == "mapping" and not options.partial)
    if options.sort == "json":
        from collectors.registry import json_rows

        return json_rows.read(options.file)
    return _netbox(options)


def _netbox(options: Namespace) -> Reading:
    from collectors.registry import netbox

    token = content(options.token_file, 4096)[0].decode("ascii", "replace").strip()
    if not token or not token.isprintable():
        raise InputError(f"{options.token_file}: holds no token; write it into the file, alone")
    kinds = dict(each.rpartition("=")[::2] for each in options.kinds)
    wanted = netbox.Wanted(
        options.url,
        token,
        options.ca_file,
        options.tag,
        options.tenant_field,
        kinds,
        options.plain_http,
        options.wait,
    )
    return netbox.fetch(wanted, rfc3339(datetime.now(UTC)), time.monotonic)


def _snapshot(options: Namespace) -> Outcome:
    taken, _ = content(options.file)
    try:
        text = taken.decode()
    except UnicodeDecodeError:
        raise InputError(f"{options.file}: is not UTF-8, so it is no snapshot") from None
    try:
        with opened(options) as give:
            (begun,) = give("registry.snapshot", {})
            session = begun["session"]
            with given_up(give, session):
                read(give, session)
                for piece in _whole_lines(text):
                    list(give("registry.text", {"session": session, "text": piece}))
                words = {"session": session, "show": options.dry_run, "accept_loss": options.accept_loss}
                return outcome(driven(give, "registry.take", words), [])
    except InputError as error:
        raise InputError(f"{options.file}: {error}") from None


def _whole_lines(text: str) -> list[str]:
    """The text in pieces that end where a line does."""
    pieces, start = [], 0
    while start < len(text):
        stop = text.find("\n", start + _TEXT) + 1 or len(text)
        pieces.append(text[start:stop])
        start = stop
    return pieces


def _said(options: Namespace, name: str, came: Outcome) -> int:
    for sign, what, customer, text, held in came.changes:
        print(_plain(f"{sign} {what} {customer} {text}".rstrip() + (" (held)" if held else "")))
    counts = [f"{came.summary[key]} {words}" for key, words in _SUMMARY.items() if came.summary.get(key)]
    others = came.summary.keys() - {*_SUMMARY, "held", "counting"}
    counts += [f"{came.summary[what]} {what.replace('_', ' ')}" for what in sorted(others)]
    would = "would change" if options.dry_run else "changed"
    if came.fault_count:
        raise InputError(_refused(name, came, would))
    print(f"{name}: {would}: {', '.join(counts) or 'nothing'}")
    if came.held:
        print(f"{name}: held: {came.held}")
        print(
            f"{came.summary['held']} changes wait; what takes permission away does not. Where the loss is true, say so "
            "with --accept-loss; where it is not, export anew"
        )
        return HELD
    return 0


def _refused(name: str, came: Outcome, would: str) -> str:
    lines = [_plain(f"{name}: {fault}") for fault in came.faults[:MOST]]
    if came.fault_count > len(lines):
        lines.append(f"{name}: and {came.fault_count - len(lines)} more")
    waits, no = came.summary.get("held", 0), came.summary.get("counting", 0)
    taken = (
        f"what it says no to {'would count' if 'would' in would else 'counts'} ({no})"
        if no
        else "it says no to nothing"
    )
    return "\n".join([*lines, f"{name}: refused ({waits} changes wait for a file without faults); {taken}"])


def _plain(text: str) -> str:
    """What a terminal shows and does not obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _made(text: str) -> str:
    try:
        return rfc3339(moment(text))
    except ValueError as error:
        raise InputError(f"--made: {error}") from None


def _options(words: list[str]) -> Namespace:
    parser = ArgumentParser(prog="knockfirst import", description="Take customers, prefixes and consent.")
    kinds = parser.add_subparsers(dest="sort", required=True, metavar="csv|json|netbox|snapshot")
    common = ArgumentParser(add_help=False)
    common.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    common.add_argument("--accept-loss", action="store_true", help="the loss is true: let a held import through")
    add_options(common)
    named = ArgumentParser(add_help=False)
    named.add_argument("--source", required=True, metavar="NAME", help="who says so: crm, netbox, ...")
    dated = ArgumentParser(add_help=False)
    dated.add_argument("--made", metavar="TIME", help="when it was exported; else what the file says, or its own time")

    of_csv = kinds.add_parser("csv", parents=[named, dated, common], help="a table of one sort of row", epilog=_COLUMNS)
    of_csv.add_argument("file", metavar="FILE")
    of_csv.add_argument("--what", choices=list(WHATS), default="mapping", help="what its rows are (mapping)")
    of_csv.add_argument("--partial", action="store_true", help="the mapping is not all of it: what it lacks stays")
    of_json = kinds.add_parser("json", parents=[named, dated, common], help="rows of every sort, or JSON lines")
    of_json.add_argument("file", metavar="FILE")
    _netbox_options(kinds.add_parser("netbox", parents=[named, common], help="prefix -> tenant of a NetBox"))
    of_snapshot = kinds.add_parser("snapshot", parents=[common], help="another register's signed snapshot")
    of_snapshot.add_argument("file", metavar="FILE")
    options = parser.parse_args(words)
    options.made = getattr(options, "made", None)
    return options


def _netbox_options(parser: ArgumentParser) -> None:
    parser.add_argument("--url", required=True, metavar="URL", help="like https://netbox.example.net")
    parser.add_argument("--token-file", required=True, metavar="FILE", help="file that holds the API token, alone")
    parser.add_argument("--ca-file", metavar="FILE", help="certificates of the CA that NetBox has its own from")
    parser.add_argument("--plain-http", action="store_true", help="http to another machine, which shows the token")
    parser.add_argument("--tag", metavar="SLUG", help="only prefixes with this tag")
    parser.add_argument(
        "--tenant-field", default="slug", metavar="PATH", help="the customer's reference: slug, id, custom_fields.crm"
    )
    parser.add_argument(
        "--kind",
        dest="kinds",
        action="append",
        default=[],
        metavar="role:SLUG=KIND",
        help=f"or status:VALUE=KIND: what its prefixes are: {', '.join(KINDS)}",
    )
    parser.add_argument("--wait", type=float, default=10.0, metavar="SECONDS", help="for each answer (10)")
