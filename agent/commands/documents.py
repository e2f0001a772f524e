"""``knockfirst documents``: the record of processing and a skeleton of a DPIA, from the configuration."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from pathlib import Path

from agent.config import load
from agent.errors import InputError
from agent.papers.making import LANGUAGES
from agent.papers.processing import PAPERS, paper
from agent.sections import Config

_WHAT = {
    "ropa": "the record of processing (GDPR, article 30)",
    "dpia": "a skeleton of the impact assessment (GDPR, article 35)",
}


def main(words: list[str]) -> int:
    """Print or write a paper. Raises ConfigError, and InputError for its words."""
    parser = ArgumentParser(
        prog="knockfirst documents",
        description="Papers about the processing, as the configuration has it; what only you can know is an open "
        "question in them.",
    )
    parser.add_argument("paper", choices=PAPERS, help="; ".join(f"{name}: {what}" for name, what in _WHAT.items()))
    parser.add_argument("--config", metavar="FILE", help="the daemon's configuration file; without it, the defaults")
    parser.add_argument("--lang", choices=LANGUAGES, default="nl", help="its language (default: nl)")
    parser.add_argument("--out", metavar="FILE", help="file to be made; without it, standard output")
    parser.add_argument("--templates", metavar="DIR", default="", help="your own, like ropa.nl.md, in place of ours")
    options = parser.parse_args(words)
    config = load(options.config) if options.config else Config()
    date = time.strftime("%Y-%m-%d", time.gmtime())
    text = paper(options.paper, options.lang, config, date, options.templates)
    if not options.out:
        sys.stdout.write(text)
        return 0
    try:
        with Path(options.out).open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{options.out}: {error.strerror}; name a file that is not there yet") from None
    print(f"{options.out}: {_WHAT[options.paper]}, with {text.count('**Open ')} open questions")
    return 0
