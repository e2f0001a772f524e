"""``knockfirst top``: the running daemon in the terminal, drawn anew each second; where there is none, a line each."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from agent.errors import UnavailableError
from agent.screen import coloured
from agent.tuning import asking, panel
from agent.tuning.doctor import as_json, walk
from agent.tuning.terminal import Ended, Terminal

if TYPE_CHECKING:
    from argparse import Namespace

    from agent.diagnosis import Diagnosis
    from agent.tuning.doctor import Step


class Course:
    """One diagnosis after the other, of whichever daemon is running; each is compared with the one before."""

    def __init__(self, daemon: asking.Daemon, options: Namespace) -> None:
        self._daemon = daemon
        self._options = options
        self._before: Diagnosis | None = None

    def begin(self) -> None:
        """What ``steps`` is first compared with. Raises UnavailableError."""
        self._before = self._daemon.ask()

    def steps(self) -> list[Step]:
        """What happened since this was last asked. Raises UnavailableError; the next call looks for a daemon again."""
        try:
            now = self._daemon.ask()
        except UnavailableError:
            self._daemon = asking.found(self._options)
            now = self._daemon.ask()
        before, self._before = self._before or now, now
        return walk(before, now)

    def close(self) -> None:
        self._daemon.close()


def main(words: list[str]) -> int:
    """0, also when a signal ends it. Raises UnavailableError (69) where no daemon answers at first, ConfigError."""
    options = _options(words)
    course = Course(asking.found(options), options)
    try:
        course.begin()
        if options.once or options.json or not sys.stdout.isatty():
            _tell(course, options)
        else:
            _show(course, options.interval)
    finally:
        course.close()
    return 0


def _options(words: list[str]) -> Namespace:
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="knockfirst top", description="Show what the running daemon does; q ends it.")
    asking.add_options(parser)
    parser.add_argument("--interval", type=asking.seconds, default=1.0, metavar="N", help="seconds between (default 1)")
    parser.add_argument("--once", action="store_true", help="show one interval, and end")
    parser.add_argument("--json", action="store_true", help="one JSON object a line and interval, as doctor's")
    return parser.parse_args(words)


def _tell(course: Course, options: Namespace) -> None:
    """Without a terminal to draw on: a line for each interval, or the whole panel once."""
    while True:
        time.sleep(options.interval)
        steps = course.steps()
        if options.json:
            text = as_json(steps)
        elif options.once:
            text = "\n".join(panel.lines(steps, 160, 200)) + "\n"
        else:
            text = panel.line(steps) + "\n"
        sys.stdout.write(text)
        sys.stdout.flush()
        if options.once:
            return


def _show(course: Course, interval: float) -> None:
    on = coloured(sys.stdout)
    try:
        with Terminal(sys.stdout, sys.stdin) as terminal:
            steps: list[Step] | None = None
            said = ""
            due = time.monotonic()
            while not terminal.wait(max(0.0, due - time.monotonic())):
                if time.monotonic() >= due:
                    due = time.monotonic() + interval
                    steps, said = _next(course, steps)
                terminal.draw(_picture(steps, said, terminal.size), on=on)
    except Ended:
        pass


def _next(course: Course, before: list[Step] | None) -> tuple[list[Step] | None, str]:
    """The next picture, or the last one and why there is no other."""
    try:
        return course.steps(), ""
    except UnavailableError as error:
        return before, f"loses: {error}"


def _picture(steps: list[Step] | None, said: str, size: tuple[int, int]) -> list[str]:
    width, height = size
    made = panel.lines(steps, width, height) if steps else []
    return panel.fit([said, *made] if said else made, width, height)
