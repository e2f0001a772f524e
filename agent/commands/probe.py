"""``probe ADDRESS``: knock now, or say what would be sent. ``probe list``: what was done, and what was not, and why."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.commands import explain
from agent.leave import MEANINGS, OUTCOME_MEANINGS
from agent.screen import colour, coloured, printable, table

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable

_LOOK = 0.5  # seconds between two looks at whether it has ended
_MORE = 15.0  # seconds that it is waited for beyond its own


def main(words: list[str]) -> int:
    """The command behind ``knockfirst probe``: exit 1 where there was no leave. Raises ConfigError."""
    return listed(_list_options(words[1:])) if words[:1] == ["list"] else knock(_options(words))


def _options(words: list[str]) -> Namespace:
    from argparse import ArgumentParser

    from agent.orders import add_options

    parser = ArgumentParser(
        prog="knockfirst probe",
        description="Ask one server which build it runs, if its owner gave leave. `probe list` shows what was done.",
    )
    parser.add_argument("address", metavar="ADDRESS|list", help="an address; a name is never looked up")
    parser.add_argument("--port", type=int, default=explain.PORT, metavar="N", help=f"default {explain.PORT}")
    parser.add_argument("--dry-run", action="store_true", help="decide, say what would be sent, and send nothing")
    add_options(parser)
    return parser.parse_args(words)


def _list_options(words: list[str]) -> Namespace:
    from argparse import ArgumentParser

    from agent.orders import add_options

    parser = ArgumentParser(prog="knockfirst probe list", description="Say what was knocked at, and what came of it.")
    parser.add_argument("--refused", action="store_true", help="say instead how often there was no leave, and why")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="the last N probes (default 20)")
    add_options(parser)
    return parser.parse_args(words)


def knock(options: Namespace) -> int:
    """Give the order, wait for the end of it, and say what came of it. Raises ConfigError."""
    from agent.orders import opened

    if options.dry_run:
        answer, told = explain.asked(options, options.address, options.port)
        print(dry_run(answer, told, coloured(sys.stdout)))
        return 0 if answer["reason"] is None else 1
    with opened(options) as give:
        (answer,) = give("probe.now", {"address": options.address, "port": options.port})
        if answer["reason"] is not None:
            no = colour(f"not knocked at ({answer['reason']})", "red", coloured(sys.stdout))
            print(f"{printable(options.address)}: {no}: {answer['detail']}")
            port = "" if options.port == explain.PORT else f" --port {options.port}"
            print(f"`knockfirst consent explain {options.address}{port}` says what would have to change")
            return 1
        print(f"{options.address}: knocking; entry {answer['entry']} of the log, id {answer['id']}", flush=True)
        print(_ended(give, answer))
    return 0


def _ended(give: Callable[[str, dict[str, Any]], Iterable[dict[str, Any]]], answer: dict[str, Any]) -> str:
    until = time.monotonic() + answer["seconds"] + _MORE
    while time.monotonic() < until:
        time.sleep(_LOOK)
        for each in give("probe.ended", {"entry": answer["entry"]}):
            return f"{each['outcome']}: {OUTCOME_MEANINGS[each['outcome']]} ({each['ms']} ms)"
    return "nothing was heard of it; `knockfirst probe list` will say"


def dry_run(answer: dict[str, Any], told: list[dict[str, Any]], on: bool) -> str:
    """What would be sent, and by what leave; or why nothing would be."""
    made = [explain.summary(answer, told, on)]
    if answer["reason"] is None:
        seen, budget = answer["seen"], answer["budget"]
        name = printable(seen["name"] or "no name")
        made += [
            f"would send from {' or '.join(answer['sources']) or 'no address of its own'}",
            f"           TLS to port {answer['port']}, with {name} as the name of the server",
            f"           at most {budget['connections']} GET requests in {budget['seconds']:.0f} s, without a login:",
            "           /EWS/Exchange.asmx, then autodiscover, then /owa/, only while the build is not known",
            f"expects    one of {len(seen['certificates'])} certificates that were seen there"
            if seen["certificates"]
            else f"expects    the certificate for that name, or an answer of {', '.join(seen['products'])}",
        ]
    return "\n".join([*made, "nothing was sent"])


def listed(options: Namespace) -> int:
    """Print what was done, or what was not. Raises ConfigError."""
    from agent.orders import ordered

    limit = 0 if options.refused else options.limit
    state, *probes = ordered(options, "probe.list", {"limit": limit})
    on = coloured(sys.stdout)
    parts = [standing(state, on)]
    parts.append(_refused(state["refused"]) if options.refused else _probes(probes, on))
    print("\n\n".join(parts))
    return 0


def standing(state: dict[str, Any], on: bool) -> str:
    """Whether there is knocking at all, and which pieces that lacks."""
    lines = []
    if state["killed"]:
        lines.append(colour("the kill switch is on: nobody is knocked at", "red", on))
    if state["missing"]:
        lines.append("not armed: nobody is knocked at while anything of this is missing")
        lines.append(table(("missing", "what to do"), state["missing"]))
    if not lines:
        lines.append(colour("armed: who gave leave is knocked at", "green", on))
    tripped = ", ".join(f"{count} of {level}" for level, count in state["breakers"].items() if count)
    return "\n".join([*lines, f"under way: {state['running']}; breakers open: {tripped or 'none'}"])


def _refused(refused: dict[str, int]) -> str:
    if not refused:
        return "no refusals are on record for the last day; they are put there each hour"
    rows = [(reason, str(count), MEANINGS[reason]) for reason, count in refused.items()]
    return table(("refused, last day", "count", "because"), rows)


def _probes(probes: list[dict[str, Any]], on: bool) -> str:
    if not probes:
        return "nobody was knocked at yet"
    return table(("begun (UTC)", "address", "customer", "why", "outcome", "ms", "entry"), [_row(p, on) for p in probes])


def _row(probe: dict[str, Any], on: bool) -> tuple[str, ...]:
    outcome = probe["outcome"] or "under way"
    hue = {"confirmed": "green", "under way": "yellow"}.get(outcome, "")
    return (
        f"{datetime.fromtimestamp(probe['time'], UTC):%Y-%m-%d %H:%M:%S}",
        f"{probe['address']} {probe['port']}" if probe["address"] else "erased",
        probe["customer"] or "erased",
        probe["why"],
        colour(outcome, hue, on),
        "" if probe["ms"] is None else str(probe["ms"]),
        str(probe["entry"]),
    )
