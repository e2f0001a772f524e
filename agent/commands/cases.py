"""``knockfirst cases``: what was found at customers, what was said to them, and what waits for a person."""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.cases.case import grouped
from agent.screen import colour, coloured, table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

_WIDTH, _MOST = 100, 12  # of a screen; names in one line
_LONG = ("holes", "id", "sha256")  # of an event, what a line has no room for
_HUES = {"critical": "red", "high": "yellow"}
Answer = dict[str, Any]


def main(words: list[str]) -> int:
    """``cases list|show|close|note|tasks|done``. Raises ConfigError."""
    options = _parser().parse_args(words)
    code: int = options.run(options)
    return code


def _parser() -> ArgumentParser:
    from argparse import ArgumentParser

    from agent.cases.case import STATES
    from agent.cases.severity import SEVERITIES
    from agent.verbs.cases import RESULTS

    parser = ArgumentParser(prog="knockfirst cases", description="What was found at customers, and what became of it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    made = _command(commands, "list", "list cases, the oldest first", _list)
    made.add_argument("--standing", choices=("live", "all", *STATES), default="live", help="default: live")
    made.add_argument("--severity", choices=SEVERITIES)
    made.add_argument("--customer", metavar="REF")
    made = _command(commands, "show", "show one case, and all that happened to it", _show)
    made.add_argument("case", metavar="CASE", help="its id, or four digits from its beginning")
    made.add_argument("--texts", action="store_true", help="with what its mails said, word for word")
    made = _command(commands, "close", "close a case; nothing more is said to the customer", _close)
    made.add_argument("case", metavar="CASE")
    made.add_argument("--note", required=True, metavar="TEXT", help="why")
    made = _command(commands, "note", "put on record what a customer has said, or anything else", _note)
    made.add_argument("case", metavar="CASE")
    made.add_argument("--note", default="", metavar="TEXT")
    made.add_argument("--said", choices=[said for said, kind in RESULTS.items() if kind not in (None, "wrong")])
    made = _command(commands, "tasks", "list what waits for a person: calls, letters, cases", _tasks)
    made = _command(commands, "done", "say what came of a task", _done)
    made.add_argument("task", metavar="TASK", help="its case, as the list of tasks has it, or four digits of that")
    made.add_argument("--result", required=True, choices=tuple(RESULTS))
    made.add_argument("--note", default="", metavar="TEXT")
    return parser


def _command(commands: Any, name: str, what: str, run: Any) -> ArgumentParser:
    from agent.orders import add_options

    made: ArgumentParser = commands.add_parser(name, help=what, description=f"{what[:1].upper()}{what[1:]}.")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.set_defaults(run=run)
    add_options(made)
    return made


def _ordered(options: Namespace, verb: str, words: Answer) -> list[Answer]:
    from agent.orders import ordered

    return list(ordered(options, verb, words))


def _list(options: Namespace) -> int:
    rows = list(_all_rows(options))
    if options.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    print(listing(rows, coloured(sys.stdout)))
    return 0


def _all_rows(options: Namespace) -> Iterator[Answer]:
    from agent.orders import opened

    state = None if options.standing == "all" else options.standing
    words: Answer = {"state": state, "severity": options.severity, "customer": options.customer}
    start: int | None = 0
    with opened(options) as give:
        while start is not None:
            (answer,) = give("cases.list", words | {"start": start})
            yield from answer["cases"]
            start = answer["next"]


def listing(rows: list[Answer], on: bool, *, last: bool = True) -> str:
    """Cases, a line each. ``last``: with the step that was taken last, in place of build and hour."""
    if not rows:
        return "there are no such cases"
    more = ("opened", "last step") if last else ("build", "opened (UTC)")
    return table(("case", "severity", "state", "customer", "address", *more), [
        (row["id"], colour(row["severity"], _HUES[row["severity"]], on), row["state"], row["customer"], row["address"],
         *((moment(row["opened"])[:10], row["last"]) if last else (row["build"] or "not shown", moment(row["opened"]))))
        for row in rows
    ])  # fmt: skip


def _show(options: Namespace) -> int:
    (answer,) = _ordered(options, "cases.show", {"case": options.case, "texts": options.texts})
    if options.json:
        print(json.dumps(answer))
        return 0
    print(screen(answer, coloured(sys.stdout)))
    if options.texts:
        print(letters(answer))
    return 0


def letters(answer: Answer) -> str:
    """What the messages of a case said, word for word; what a call or a letter said is not kept."""
    if not answer["texts"]:
        return "\nno message of this case has gone out by mail"
    steps = {step["id"]: step["kind"] for step in answer["steps"]}
    return "".join(
        f"\n--- {steps[told['step']]}, {moment(told['time'])} UTC, SHA-256 {told['sha256']}\n\n"
        f"{_harmless(told['text'])}"
        for told in answer["texts"]
    )


def _harmless(text: str) -> str:
    """Whoever may write to the store says nothing to the terminal of who reads it."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def screen(answer: Answer, on: bool) -> str:
    """One case: what it is, and what happened."""
    from textwrap import fill

    from agent.cases.case import STATES

    case = answer["case"]
    parts = [
        f"{STATES[case['state']]}, since {moment(case['since'])}",
        f"open: {_named(case['holes']) or 'nothing by name'}",
    ]
    if case["exploited"]:
        parts.append(f"known to be exploited: {_named(case['exploited'])}; treat it as possibly broken into")
    rows = [(moment(event["time"]), event["kind"], _body(event["body"])) for event in answer["events"]]
    filled = [fill(part, _WIDTH, break_on_hyphens=False) for part in parts]
    return "\n\n".join(
        ["\n".join([listing([case], on, last=False), *filled]), table(("time (UTC)", "event", "what"), rows)]
    )


def _named(names: list[str]) -> str:
    """Names in a line; of very many, how many more there are."""
    more = f", and {len(names) - _MOST} more (--json has them)" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _body(body: Answer) -> str:
    shown = {key: value for key, value in body.items() if value not in ("", None, []) and key not in _LONG}
    return ", ".join(
        f"{key} {value if not isinstance(value, list) else ' '.join(value)}" for key, value in shown.items()
    )


def _close(options: Namespace) -> int:
    return _changed(options, "cases.close", {"case": options.case, "note": options.note})


def _note(options: Namespace) -> int:
    return _changed(options, "cases.note", {"case": options.case, "note": options.note, "said": options.said})


def _done(options: Namespace) -> int:
    return _changed(options, "cases.done", {"task": options.task, "result": options.result, "note": options.note})


def _changed(options: Namespace, verb: str, words: Answer) -> int:
    (row,) = _ordered(options, verb, words)
    print(json.dumps(row) if options.json else listing([row], coloured(sys.stdout)))
    return 0


def _tasks(options: Namespace) -> int:
    rows = _ordered(options, "cases.tasks", {})
    if options.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    if not rows:
        print("nothing waits for a person")
        return 0
    many = Counter(row["case"] for row in rows)
    head = ("case", "what", "severity", "customer", "to", "since (UTC)")
    print(table(head, [
        (_task(row, alone=many[row["case"]] == 1), f"{row['step']} ({row['channel']})", row["severity"],
         row["customer"], row["to"] or "the desk", moment(row["made"]))
        for row in rows
    ]))  # fmt: skip
    print(
        "\n`knockfirst cases done CASE --result ...` says what came of it; four digits of the case will do"
        "\n`knockfirst notices preview --case CASE --message phone` prints the script of a call;\n"
        "with `--message letter --letter FILE` it writes a letter"
    )
    return 0


def _task(row: Answer, *, alone: bool) -> str:
    """What names a task: its case, as it is read out; and where that has others, what tells it from them."""
    return grouped(row["case"]) + ("" if alone else row["task"].removeprefix(row["case"]))


def moment(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"
