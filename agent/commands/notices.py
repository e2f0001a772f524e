"""``knockfirst notices queue|send|status``: which messages wait, and how telling stands. The rest of that command is
with what it renders (exporters/notices).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent.cases.case import grouped
from agent.commands.cases import moment
from agent.screen import table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def main(words: list[str]) -> int:
    """``queue``, ``send`` or ``status``. Raises ConfigError."""
    options = _parser().parse_args(words)
    code: int = options.run(options)
    return code


def _parser() -> ArgumentParser:
    from argparse import ArgumentParser

    from agent.orders import add_options

    parser = ArgumentParser(prog="knockfirst notices", description="Messages to customers: what waits, how it goes.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, what, run in (
        ("queue", "list the messages that have not come to their end", _queue),
        ("send", "try now what was put off", _send),
        ("status", "say how telling stands, in counts", _status),
    ):
        made = commands.add_parser(name, help=what, description=f"{what[:1].upper()}{what[1:]}.")
        made.add_argument("--json", action="store_true", help="print JSON")
        made.set_defaults(run=run)
        add_options(made)
    return parser


def _ordered(options: Namespace, verb: str) -> list[dict[str, Any]]:
    from agent.orders import ordered

    return list(ordered(options, verb, {}))


def _queue(options: Namespace) -> int:
    rows = _ordered(options, "notices.queue")
    if options.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    if not rows:
        print("no message waits")
        return 0
    print(table(("case", "customer", "step", "to", "made (UTC)", "tries", "next (UTC)"), [
        (grouped(row["case"]), row["customer"], row["step"], row["role"], moment(row["made"]), str(row["tries"]),
         "being sent" if row["due"] is None else moment(max(0.0, row["due"])))
        for row in rows
    ]))  # fmt: skip
    return 0


def _send(options: Namespace) -> int:
    (answer,) = _ordered(options, "notices.send")
    print(json.dumps(answer) if options.json else f"{answer['hurried']} messages that were put off are tried now")
    return 0


def _status(options: Namespace) -> int:
    (answer,) = _ordered(options, "notices.status")
    print(json.dumps(answer) if options.json else screen(answer))
    return 0


def screen(answer: dict[str, Any]) -> str:
    """How telling stands."""
    live = [(row["severity"], row["state"], row["age"], str(row["count"])) for row in answer["cases"] if row["count"]]
    sent = [
        (row["step"], row["channel"], row["outcome"], str(row["count"])) for row in answer["notices"] if row["count"]
    ]
    parts = []
    if answer["missing"]:
        parts.append(
            f"no mail is sent: {' and '.join(f'{key} is not set' for key in answer['missing'])}; customers are told\n"
            "by telephone, portal and letter, and in the end by the desk: `knockfirst cases tasks` has them"
        )
    parts.append(table(("severity", "state", "age", "cases"), live) if live else "there are no cases")
    if sent:
        parts.append(table(("step", "channel", "outcome", "since the start"), sent))
    waits = ", ".join(f"{channel} {count}" for channel, count in answer["tasks"].items() if count)
    untold = ", ".join(f"{reason} {count}" for reason, count in sorted(answer["untold"].items()))
    parts.append(
        f"messages that wait: {answer['waiting']}; that may have gone out twice: {answer['uncertain']}\n"
        f"tasks for a person: {waits or 'none'}\nfound, and nobody is told: {untold or 'none'}"
    )
    return "\n\n".join(parts)
