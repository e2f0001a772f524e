"""A command that nobody has written: with words of its own, one of them behind a parser of its own."""

from __future__ import annotations

from argparse import ArgumentParser


def main(words: list[str]) -> int:
    if words[:1] == ["later"]:
        parser = ArgumentParser(prog="knockfirst greet later", description="Greet later.")
        parser.add_argument("--hours", type=int, default=3, help="how much later (default %(default)s)")
        parser.parse_args(words[1:])
        return 0
    parser = ArgumentParser(prog="knockfirst greet", description="Greet.", epilog="Or later.")
    parser.add_argument("whom", metavar="NAME|later", help="a name, or .hidden 'quotes' and \\back")
    parser.add_argument("--tone", choices=("calm", "loud"))
    parser.add_argument("--from", metavar="FILE", help="a letter")
    parser.parse_args(words)
    raise AssertionError("nobody runs it")
