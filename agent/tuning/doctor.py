"""``knockfirst doctor``: walk the running daemon from the links to what is believed, and name the stage that loses."""

from __future__ import annotations

import sys
import time
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.screen import colour, coloured, printable
from agent.tuning import asking
from agent.tuning.reading import LINE, View, views
from agent.tuning.rules import Rule, broken
from agent.tuning.stages import STAGES, Stage, counters, shown

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from agent.diagnosis import Diagnosis

LOSES = 1  # the exit code where a stage does

_INDENT = " " * 20
_WIDTH = 110
_COLOURS = {"loses": "red", "remark": "yellow", "ok": "green"}


class Step(NamedTuple):
    """One stage of one collector, and the rules that it breaks."""

    view: View
    stage: Stage
    broken: list[Rule]

    @property
    def state(self) -> str:
        if any(rule.loses for rule in self.broken):
            return "loses"
        return "remark" if self.broken else "ok"

    @property
    def place(self) -> str:
        """The stage, and of which interface."""
        return self.stage.name if self.view.where == LINE else f"{self.stage.name} of {self.view.name}"


def walk(before: Diagnosis, after: Diagnosis) -> list[Step]:
    """Every stage of every collector and of the line behind them, in the order in which a frame comes by."""
    return [
        Step(view, stage, broken(view, stage.name))
        for view in views(before, after)
        for stage in STAGES
        if stage.belongs(view)
    ]


def main(words: list[str]) -> int:
    """0 if nothing loses, 1 where a stage does. Raises UnavailableError where no daemon answers (69), ConfigError."""
    options = _options(words)
    daemon = asking.found(options)
    try:
        steps = walk(*_asked_twice(daemon, options.seconds, time.sleep))
    finally:
        daemon.close()
    sys.stdout.write(as_json(steps) if options.json else report(steps, on=coloured(sys.stdout)))
    return LOSES if any(step.state == "loses" for step in steps) else 0


def _options(words: list[str]) -> Namespace:
    from argparse import ArgumentParser

    parser = ArgumentParser(
        prog="knockfirst doctor", description="Say at which stage the running daemon loses frames, and what helps."
    )
    asking.add_options(parser)
    parser.add_argument("--seconds", type=asking.seconds, default=2.0, metavar="N", help="look for so long (default 2)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args(words)


def _asked_twice(daemon: asking.Daemon, seconds: float, sleep: Callable[[float], None]) -> tuple[Diagnosis, Diagnosis]:
    before = daemon.ask()
    sleep(seconds)
    return before, daemon.ask()


def report(steps: list[Step], *, on: bool = False) -> str:
    """The walk for people: a line a stage, below it what is wrong and what helps; at the end what it comes to."""
    lines: list[str] = []
    heading = None
    for step in steps:
        if step.view.name != heading:
            heading = step.view.name
            lines += ["", colour(printable(_title(step.view)), "bold", on=on)]
        state = colour(f"{step.state:7}", _COLOURS[step.state], on=on)
        lines.append(f"  {step.stage.name:10}{state} {printable(shown(step.stage, step.view))}".rstrip())
        for rule in step.broken:
            lines += [wrapped for text in advice(rule, step.view) for wrapped in _wrapped(text)]
    return "\n".join([*lines[1:], "", *_verdict(steps)]) + "\n"


def _wrapped(text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=f"{_INDENT}  ", break_on_hyphens=False)


def _title(view: View) -> str:
    return {"file": "capture files", LINE: "behind the collectors"}.get(view.where, f"interface {view.name}")


def advice(rule: Rule, view: View) -> list[str]:
    """Sentences: the likely cause, the keys that help with their values now, what else does."""
    lines = [rule.cause]
    if rule.knobs:
        lines.append("try: " + ", or ".join(_turned(key, change, view) for key, change in rule.knobs))
    return [*lines, rule.advice] if rule.advice else lines


def _turned(key: str, change: str, view: View) -> str:
    verb, _, rest = change.partition(" ")
    now = view.said.config.get(key)
    value = "" if now is None else f" (now {_valued(now)})"
    return f"{verb} {key}{' ' + rest if verb == 'set' else ''}{value}" if verb != "add" else f"add to {key}{value}"


def _valued(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(map(str, value)) or "empty" if isinstance(value, list) else str(value)


def _verdict(steps: list[Step]) -> list[str]:
    losing = [step for step in steps if step.state == "loses"]
    if not losing:
        return ["Nothing loses."]
    places = [step.place for step in losing]
    also = f" Also: {', '.join(places[1:])}." if places[1:] else ""
    return [printable(f"First to lose: {places[0]}.{also}")]


def as_json(steps: list[Step]) -> str:
    """The walk for machines: a line with one object."""
    from json import dumps

    said = steps[-1].view.said
    first = next((step for step in steps if step.state == "loses"), None)
    return dumps({
        "time": said.time,
        "seconds": steps[-1].view.seconds,
        "not_ready": said.not_ready,
        "loses": first is not None,
        "first": first and {"collector": first.view.name, "stage": first.stage.name},
        "steps": [_step(step) for step in steps],
    }) + "\n"  # fmt: skip


def _step(step: Step) -> dict[str, Any]:
    view, config = step.view, step.view.said.config
    names = [name for name, _ in counters(step.stage, view)]
    return {
        "collector": view.name,
        "stage": step.stage.name,
        "state": step.state,
        "counts": {name: view.total(name) for name in names},
        "rates": {name: round(view.rate(name), 3) for name in names},
        "gauges": {name: view.gauges[name] for name, _ in step.stage.gauges if name in view.gauges},
        "findings": [
            {
                "id": rule.id,
                "loses": rule.loses,
                "cause": rule.cause,
                "knobs": [{"key": key, "change": change, "now": config.get(key)} for key, change in rule.knobs],
                "advice": rule.advice,
            }
            for rule in step.broken
        ],
    }
