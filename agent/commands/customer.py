"""``knockfirst customer``: give a customer all that is held of him, and erase him."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from agent.errors import InputError
from agent.papers.making import LANGUAGES

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from agent.papers.dossier import Held

Answer = dict[str, Any]


def main(words: list[str]) -> int:
    """The command behind ``knockfirst customer``. Raises InputError, UnavailableError, ConfigError."""
    options = _parser().parse_args(words)
    return export(options) if options.what == "export" else erase(options)


def _parser() -> ArgumentParser:
    from argparse import ArgumentParser

    from agent.erasing import REASONS
    from agent.orders import add_options

    parser = ArgumentParser(prog="knockfirst customer", description="A customer's rights: his data, and to be erased.")
    commands = parser.add_subparsers(dest="what", required=True)
    out = commands.add_parser("export", help="everything that is held of a customer, for him; on record first")
    out.add_argument("--customer", metavar="REF", required=True, help="the customer's reference")
    out.add_argument("--out", metavar="DIR|FILE.zip", required=True, help="what is to be made; it must not be there")
    out.add_argument("--lang", choices=LANGUAGES, help="language of what explains it (default: those of his contacts)")
    out.add_argument("--templates", metavar="DIR", default="", help="your own, like dossier.en.txt, in place of ours")
    add_options(out)
    gone = commands.add_parser("erase", help="make all that is held of a customer unreadable for ever")
    gone.add_argument("--customer", metavar="REF", required=True, help="the customer's reference")
    gone.add_argument("--yes", action="store_true", help="do it: nothing brings it back")
    gone.add_argument("--reason", choices=REASONS, default="request", help="in the log for ever (default: request)")
    which = gone.add_mutually_exclusive_group()
    which.add_argument("--keep-objection", action="store_true", help="his objections go on, by their prefixes alone")
    which.add_argument("--forget-objection", action="store_true", help="his objections go, too")
    add_options(gone)
    return parser


def export(options: Namespace) -> int:
    """Write the archive, all of it or nothing."""
    from agent.audit.shipped import verifier
    from agent.orders import opened
    from agent.papers import dossier

    out = Path(options.out)
    if os.path.lexists(out):
        raise InputError(f"{out}: is there already; name a file or directory that is not")
    try:
        checks = verifier().read_bytes()
    except OSError as error:
        raise InputError(f"{error}: the program that checks proofs is part of what he gets") from None
    if options.templates:
        _own(options.templates)
    with opened(options) as give:
        held = _held(give, options.customer)
    languages = (options.lang,) if options.lang else dossier.languages(held)
    files = dossier.files(held, languages, checks, options.templates)
    try:
        _write(out, files)
    except OSError as error:
        raise InputError(f"{error.filename or out}: {error.strerror}; name a place that can be written") from None
    print(f"{out}: {len(held.entries())} entries, {len(held.cases)} cases, {len(held.facts)} facts about servers")
    print("the customer's own data, for him alone; delete it here once he has it")
    return 0


def _own(directory: str) -> None:
    from agent.templates import own_files

    own_files(directory, [f"dossier.{lang}.txt" for lang in LANGUAGES], "--templates")


def _held(give: Callable[[str, Answer], Iterator[Answer]], customer: str) -> Held:
    from agent.papers.dossier import Held

    held = Held({}, [], [], [], [])
    for answer in give("customer.export", {"customer": customer}):
        held.about.update(answer.get("about", {}))
        for key, place in (("proof", held.proof), ("case", held.cases), ("fact", held.facts)):
            if key in answer:
                place.append(answer[key])
    start: int | None = min(entry["number"] for entry in held.entries())
    while start is not None:
        (page,) = give("customer.reads", {"start": start})
        held.lists.extend(page["reads"])
        start = page["next"]
    return held


def _write(out: Path, files: dict[str, bytes]) -> None:
    """All of them under that name, or nothing; readable by nobody else. Raises OSError."""
    part = out.with_name(f".{out.name}.part")
    packed = out.suffix == ".zip"
    if packed:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)
    else:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        for name, content in files.items():
            (part / name).write_bytes(content)
            (part / name).chmod(0o600)
    part.rename(out)


def erase(options: Namespace) -> int:
    """Erase a customer, and say what goes on without him."""
    from agent.orders import ordered

    if not options.yes:
        raise InputError(
            f"{options.customer}: nothing was done; --yes erases him, and nothing brings it back. Give him what is "
            "held of him before, if he wants it: `knockfirst customer export`"
        )
    objection = "keep" if options.keep_objection else "forget" if options.forget_objection else None
    words = {"customer": options.customer, "reason": options.reason, "objection": objection}
    (done,) = ordered(options, "customer.erase", words)
    print(f"erased: {done['entries']} entries of the log can be read by nobody any more; `audit verify` still holds")
    for ident, prefixes in done["kept"].items():
        print(f"an objection of nobody known goes on: {ident}, {', '.join(prefixes)}")
    if not done["kept"]:
        print("what is in capture.prefixes is looked at as privacy.handshakes says, whoever's it is")
    print("what is outside is not changed by it: exports, snapshots for other routers, copies, the relay's own log")
    print("an import that names him brings him back")
    return 0
