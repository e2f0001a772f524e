"""``consent announce``: ``render`` writes the texts for customers, ``record`` puts on record to whom one was sent."""

from __future__ import annotations

import os
import re
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from agent.errors import ConfigError, InputError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from agent.consent.texts import Rendered
    from agent.sections import Config

MAX_FILE = 64 << 20  # bytes of a list of customers
DOCUMENTS = "documents.csv"
_NEXT = """once the documents are published where customers read them:
    knockfirst import csv {documents} --what documents --source texts
once an announcement was sent:
    knockfirst consent announce record --document {out}/announcement_mail.nl.txt --channel mail ..."""
_SHOWN = 20  # faults of such a list that are told one by one
_HASH = re.compile(r"[0-9a-f]{64}")


class Named(NamedTuple):
    """A customer's reference, and where it was read: ``FILE: line 3``, or on the command line."""

    where: str
    ref: str


def main(words: list[str]) -> int:
    """The command behind ``knockfirst consent announce``. Raises ConfigError, and InputError for its words."""
    options = _parser().parse_args(words)
    return render(options) if options.what == "render" else record(options)


def _parser() -> ArgumentParser:
    from argparse import ArgumentParser

    from agent.consent.written import Channel
    from agent.orders import add_options

    parser = ArgumentParser(prog="knockfirst consent announce", description="Tell customers, and record that.")
    commands = parser.add_subparsers(dest="what", required=True)
    texts = commands.add_parser("render", help="write the texts for customers, from the configuration's facts")
    texts.add_argument("--config", metavar="FILE", required=True, help="the daemon's configuration file")
    texts.add_argument("--lang", choices=("nl", "en"), help="one language (default: both)")
    texts.add_argument("--out", metavar="DIR", help="write a file for each there; without it, print them")
    texts.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="date, version or phone")
    texts.add_argument("--force", action="store_true", help="write over files that are there and differ")
    told = commands.add_parser("record", help="put on record to whom a text was sent, and whether it arrived")
    told.add_argument("--customers", nargs="+", required=True, metavar="FILE|REF", help="one reference a line; or it")
    told.add_argument("--channel", choices=get_args(Channel), required=True)
    told.add_argument("--sent-at", required=True, metavar="TIME", help="like 2026-11-24T08:00:00Z")
    told.add_argument("--delivered", choices=("yes", "no", "unknown"), required=True)
    told.add_argument("--document", required=True, metavar="FILE|SHA256", help="the text as it was sent, or its hash")
    told.add_argument("--dry-run", action="store_true", help="say what would be put on record")
    add_options(told)
    return parser


def render(options: Namespace) -> int:
    """Write or print every text, and say of each what its hash is, and what comes next. Raises ConfigError."""
    from agent.config import load
    from agent.consent import texts

    config = load(options.config)
    languages = (options.lang,) if options.lang else texts.LANGUAGES
    free = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "version": "1", **_set(options.set)}
    made = texts.render(config.consent.texts, languages, _facts(config, options.config, free))
    for line in texts.unequal(made):
        sys.stderr.write(f"knockfirst consent announce: {line}\n")
    if options.out:
        _write(Path(options.out), made, free["version"], force=options.force)
    for text in made:
        print(f"{text.sha256}  {text.name}{'  (your template)' if text.own else ''}")
        if not options.out:
            print(f"\n{text.text}")
    if options.out:
        print(_NEXT.format(out=options.out, documents=os.path.join(options.out, DOCUMENTS)))
    return 0


def _facts(config: Config, path: str, free: dict[str, str]) -> dict[str, object]:
    from agent.consent import probing_txt, texts

    if faults := probing_txt.lacking(config):
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    return texts.facts(config, free)


def _set(given: list[str]) -> dict[str, str]:
    for word in given:
        if "=" not in word:
            raise InputError(f"--set {word}: write it like phone='+31 20 123 45 67'")
    return dict(word.split("=", 1) for word in given)


def _write(directory: Path, made: list[Rendered], version: str, *, force: bool) -> None:
    """All of them or none that differs from what is there: what was published once is evidence. Raises InputError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        fresh = [text.name for text in made if _read(directory / text.name) != text.text.encode()]
        differ = [name for name in fresh if (directory / name).exists()]
        if differ and not force:
            raise InputError(
                f"{directory / differ[0]}: is there, and differs; keep what was published and name another "
                "directory, or give --force"
            )
        for name, content in [*((text.name, text.text) for text in made), (DOCUMENTS, _documents(made, version))]:
            if fresh:
                part = directory / f".{name}.part"
                part.write_text(content, encoding="utf-8", newline="\n")
                part.replace(directory / name)
    except OSError as error:
        raise InputError(f"{error.filename or directory}: {error.strerror}; name a directory to write to") from None


def _documents(made: list[Rendered], version: str) -> str:
    """The published texts as rows of an import (collectors/registry): kind, version, language, hash."""
    from agent.consent.texts import SENT

    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    quoted = version.replace('"', '""')
    rows = [f'{text.kind},"{quoted}",{text.lang},{text.sha256},{at}\n' for text in made if text.kind not in SENT]
    return "kind,version,lang,sha256,published_at\n" + "".join(rows)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def record(options: Namespace) -> int:
    """Put on record that a text was sent to customers. All are checked before the first is. Raises InputError."""
    from agent.orders import opened

    customers = list(references(options.customers))
    announced = {
        "channel": options.channel,
        "sent_at": options.sent_at,
        "delivered": options.delivered,
        "sha256": _document(options.document),
    }
    with opened(options) as give:
        sums = _ordered(give, customers, announced, dry=True)
        if not options.dry_run:
            sums = _ordered(give, customers, announced, dry=False)
    _say(options, announced, sums)
    return 0


def _ordered(
    give: Callable[..., Iterator[dict[str, Any]]], customers: list[Named], announced: dict[str, Any], *, dry: bool
) -> dict[str, int]:
    from agent.verbs.announce import AT_ONCE

    sums, unknown = dict.fromkeys(("already", "new", "denied"), 0), []
    for start in range(0, len(customers), AT_ONCE):
        part = customers[start : start + AT_ONCE]
        words = {"customers": [named.ref for named in part], "announced": announced, "dry_run": dry}
        for answer in give("announce.record", words):
            unknown += [part[place] for place in answer["unknown"]]
            for key in sums:
                sums[key] += answer[key]
    if unknown:
        raise InputError(_unknown(unknown))
    return sums


def _unknown(unknown: list[Named]) -> str:
    lines = [f"{named.where}: {named.ref!r:.80}: no customer of that reference is known" for named in unknown[:_SHOWN]]
    if len(unknown) > _SHOWN:
        lines.append(f"and {len(unknown) - _SHOWN} more")
    return "\n".join([*lines, "nothing was put on record; import the customers first (knockfirst import)"])


def _say(options: Namespace, announced: dict[str, Any], sums: dict[str, int]) -> None:
    done = "would be put on record" if options.dry_run else "put on record"
    print(f"{announced['sha256']}  {options.channel}, delivered: {options.delivered}")
    print(f"{_number(sums['new'])} {done}")
    if sums["already"]:
        print(f"{_number(sums['already'])} on record before")
    if sums["denied"]:
        print(f"{_number(sums['denied'])} from whom it came back, which stands: send it anew")
    if options.delivered != "yes":
        print("what was not delivered does not count: no probe follows from it")


def _number(customers: int) -> str:
    return f"{customers} customer{'' if customers == 1 else 's'}"


def references(words: list[str]) -> Iterator[Named]:
    """Every reference once, where it first stands. Raises InputError."""
    seen = set()
    for word in words:
        for named in _lines(word) if os.path.isfile(word) else [Named("--customers", word)]:
            if named.ref not in seen:
                seen.add(named.ref)
                yield named


def _lines(path: str) -> Iterator[Named]:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE + 1)
        text = content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        bad = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {bad}: not UTF-8; give a text with one reference a line") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a text with one reference a line") from None
    if len(content) > MAX_FILE:
        raise InputError(f"{path}: larger than {MAX_FILE} bytes; divide it")
    for number, line in enumerate(text.split("\n"), 1):
        ref = line.partition("#")[0].strip()
        if ref:
            yield Named(f"{path}: line {number}", ref)


def _document(word: str) -> str:
    if _HASH.fullmatch(word):
        return word
    try:
        return sha256(Path(word).read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise InputError(f"{word}: {said}; give the text as it was sent, or its SHA-256") from None
