"""``consent explain ADDRESS``: every input of the decision in words, what would have to change first, and by whom."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from agent.screen import colour, coloured, printable, table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

PORT = 443


def main(words: list[str]) -> int:
    """The command behind ``knockfirst consent explain``. Raises ConfigError."""
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="knockfirst consent explain", description="Say why somebody is or is not knocked at.")
    add_to(parser)
    return run(parser.parse_args(words))


def add_to(parser: ArgumentParser) -> None:
    """Its words and options, for a command that has it among others."""
    from agent.orders import add_options

    parser.add_argument("address", metavar="ADDRESS", help="like 192.0.2.1 or 2001:db8::1; a name is never looked up")
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help=f"of the server (default {PORT})")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_options(parser)


def run(options: Namespace) -> int:
    """Print it. Raises ConfigError."""
    answer, told = asked(options, options.address, options.port)
    if options.json:
        print(json.dumps(answer | {"inputs": told}))
        return 0
    on = coloured(sys.stdout)
    print("\n\n".join((summary(answer, told, on), screen(told, on))))
    return 0


def asked(options: Namespace, address: str, port: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The decision, and its inputs. Raises ConfigError."""
    from agent.orders import ordered

    answer, *told = ordered(options, "probe.explain", {"address": address, "port": port})
    return answer, told


def summary(answer: dict[str, Any], told: list[dict[str, Any]], on: bool) -> str:
    """Yes or no, why, and what first; a few lines."""
    where = f"{printable(answer['address'])} port {answer['port']}"
    if answer["reason"] is None:
        leave = answer["leave"]
        yes = colour("may be knocked at", "green", on)
        return f"{where}: {yes}\nby         record {leave['record']} of {leave['customer']}"
    first = next(each for each in told if each["reason"])
    no = colour(f"is not knocked at ({answer['reason']})", "red", on)
    return f"{where}: {no}\nwhy        {answer['detail']}\nfirst      {first['change']}\nby         {first['who']}"


def screen(told: list[dict[str, Any]], on: bool) -> str:
    """Every input, a line each; those that are in the way are marked."""
    rows = [
        (each["name"], each["value"], colour(each["reason"], "red", on) if each["reason"] else "in order")
        for each in told
    ]
    return table(("input", "is", "and so"), rows)
