"""``knockfirst consent``: who was told, who agreed, who said no. Each word is an order to who keeps the register."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from agent.commands.agreement import announced, customer_screen, list_screen

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

# Words that are commands of their own, elsewhere.
_ELSEWHERE = {
    "announce": ("agent.commands.announce:main", "write the texts for customers; record who was told"),
    "request": ("agent.commands.request:main", "ask customers for leave by mail"),
    "allow-list": ("agent.commands.allowed:main", "print whom the kernel is to let the prober reach"),
    "explain": ("agent.commands.explain:main", "say why an address is or is not knocked at"),
    "objections": ("agent.commands.objections:main", "list the objections that wait for a person to look at"),
    "export": ("collectors.registry.export:main", "print the register, or write a signed snapshot of it"),
}

Answer = dict[str, Any]


def main(words: list[str]) -> int:
    """The command behind ``knockfirst consent``. Raises ConfigError, InputError, UnavailableError."""
    if words and words[0] in _ELSEWHERE:
        module, _, function = _ELSEWHERE[words[0]][0].partition(":")
        code: int = getattr(import_module(module), function)(words[1:])
        return code
    options = _parser().parse_args(words)
    run: int = options.run(options)
    return run


def _parser() -> ArgumentParser:
    from argparse import ArgumentParser, RawDescriptionHelpFormatter

    more = "\n".join(f"  {name:10} {what}" for name, (_, what) in _ELSEWHERE.items())
    parser = ArgumentParser(
        prog="knockfirst consent",
        description="The register of consent.",
        epilog=f"commands with options of their own:\n{more}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _reading(commands)
    _giving(commands)
    _stopping(commands)
    return parser


def _command(commands: Any, name: str, what: str, run: Any) -> ArgumentParser:
    from agent.orders import add_options

    made: ArgumentParser = commands.add_parser(name, help=what, description=f"{what[:1].upper()}{what[1:]}.")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.set_defaults(run=run)
    add_options(made)
    return made


def _reading(commands: Any) -> None:
    from agent.standing import BASES
    from agent.verbs.consent import STATES

    listing = _command(commands, "list", "list the customers and how they stand", _list)
    listing.add_argument("--basis", choices=BASES, help="only with a record in force on this basis")
    listing.add_argument("--standing", choices=STATES, help="only who stands like this")
    show = _command(commands, "show", "show all that is on record of one customer", _show)
    show.add_argument("customer", metavar="CUSTOMER")


def _giving(commands: Any) -> None:
    from typing import get_args

    from agent.consent.written import DocumentKind, Lang

    give = _command(commands, "give", "put a consent record on record", _give)
    give.add_argument("file", metavar="FILE", help="consent-record/1 as JSON; - for standard input")
    give.add_argument("--dry-run", action="store_true", help="only say whether it could be")
    lift = _command(commands, "lift", "take an objection back, by a new record that was verified", _lift)
    lift.add_argument("objection", metavar="OBJECTION")
    lift.add_argument("--record", required=True, metavar="FILE", help="consent-record/1, made after the objection")
    document = commands.add_parser("document", help="put published texts on record")
    publish = _command(
        document.add_subparsers(required=True, metavar="COMMAND"),
        "publish",
        "put on record that a text is published, by its hash",
        _publish,
    )
    publish.add_argument("file", metavar="FILE", help="the text as it is published")
    publish.add_argument("--kind", required=True, choices=get_args(DocumentKind))
    publish.add_argument("--lang", required=True, choices=get_args(Lang))
    publish.add_argument("--version", required=True)
    publish.add_argument("--url")
    publish.add_argument("--at", metavar="TIME", help="when it was published (default: now)")


def _stopping(commands: Any) -> None:
    objecting = _command(commands, "object", "put an objection on record; it holds at once", _object)
    objecting.add_argument("--customer", metavar="REF", help="to everything of this customer's")
    objecting.add_argument("--prefix", metavar="CIDR", help="to these addresses, whoever's they are")
    objecting.add_argument("--headers", action="store_true", help="not even headers may be looked at")
    withdraw = _command(commands, "withdraw", "put on record that consent was withdrawn", _withdraw)
    withdraw.add_argument("customer", metavar="CUSTOMER")
    withdraw.add_argument("--record", metavar="ID", help="this record alone (default: all of his)")
    for name, what, run in (
        ("suspend", "stop everything of a customer until it is resumed", _suspend),
        ("resume", "let go on what was suspended", _resume),
        ("end", "put on record that a customer's contract has ended", _end),
    ):
        _command(commands, name, what, run).add_argument("customer", metavar="CUSTOMER")


def _list(options: Namespace) -> int:
    rows = _all_rows(options)
    if options.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    print(list_screen(list(rows)))
    return 0


def _all_rows(options: Namespace) -> Iterator[Answer]:
    from agent.orders import opened

    start: int | None = 0
    with opened(options) as give:
        while start is not None:
            words = {"basis": options.basis, "state": options.standing, "start": start}
            start = None
            for answer in give("consent.list", words):
                yield from answer.get("customers", ())
                start = answer.get("next", start)


def _show(options: Namespace) -> int:
    from agent.orders import ordered

    told: dict[str, list[Any]] = {}
    for answer in ordered(options, "consent.show", {"customer": options.customer}):
        for key, value in answer.items():
            told.setdefault(key, []).append(value)
    if options.json:
        single = ("customer", "opens")
        print(json.dumps({key: values[0] if key in single else values for key, values in told.items()}))
        return 0
    print(customer_screen(told))
    return 0


def _give(options: Namespace) -> int:
    answer = _asked(options, "consent.give", {"record": _json(options.file), "dry_run": options.dry_run})
    if not options.json:
        done = "could be put on record" if options.dry_run else f"is on record, entry {answer['entry']}"
        print(f"record {answer['record']} of {answer['customer']} {done}\nhash {answer['hash']}")
        _warn(options, answer)
    return 0


def _lift(options: Namespace) -> int:
    answer = _asked(options, "consent.lift", {"objection": options.objection, "record": _json(options.record)})
    if not options.json:
        done = "is lifted" if answer["lifted"] else "still stands"
        print(f"objection {answer['objection']} {done}, by record {answer['record']}, entry {answer['entry']}")
        _warn(options, answer)
    return 0 if answer["lifted"] else 1


def _object(options: Namespace) -> int:
    words = {"customer": options.customer, "prefix": options.prefix, "headers": options.headers}
    answer = _asked(options, "consent.object", words)
    if not options.json:
        whose = f"of {answer['customer']}" if answer["customer"] else "of nobody who is known"
        print(f"objection {answer['objection']} {whose} is on record, entry {answer['entry']}")
        covers = answer["covers"]
        print(f"it covers {announced(covers)}" if covers else "it covers nothing now: nothing is mapped there")
    return 0


def _withdraw(options: Namespace) -> int:
    answer = _asked(options, "consent.withdraw", {"customer": options.customer, "record": options.record})
    if not options.json:
        print(f"withdrawn, entry {answer['entry']}: {announced(answer['records'])}")
    return 0


def _suspend(options: Namespace) -> int:
    answer = _asked(options, "consent.suspend", {"customer": options.customer})
    if not options.json:
        print(f"{answer['customer']} is suspended, entry {answer['entry']}")
    return 0


def _resume(options: Namespace) -> int:
    answer = _asked(options, "consent.resume", {"customer": options.customer})
    if not options.json:
        print(f"{answer['customer']} is {'still' if answer['suspended'] else 'not'} suspended, entry {answer['entry']}")
    return 1 if answer["suspended"] else 0


def _end(options: Namespace) -> int:
    answer = _asked(options, "consent.end", {"customer": options.customer})
    if not options.json:
        ended = f"; ended with it: {announced(answer['records'])}" if answer["records"] else ""
        print(f"the contract of {answer['customer']} has ended, entry {answer['entry']}{ended}")
    return 0


def _publish(options: Namespace) -> int:
    import time
    from hashlib import sha256

    at = options.at or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    digest = sha256(_bytes(options.file)).hexdigest()
    document = {"kind": options.kind, "lang": options.lang, "version": options.version, "published_at": at}
    named = {"url": options.url} if options.url else {}
    answer = _asked(options, "document.publish", {"document": {**document, **named, "sha256": digest}})
    if not options.json:
        done = "was on record before" if answer["entry"] is None else f"is on record, entry {answer['entry']}"
        print(f"{digest}  {options.kind} {done}")
    return 0


def _asked(options: Namespace, verb: str, words: Answer) -> Answer:
    """The one answer to an order, which is printed where JSON is wanted."""
    from agent.orders import ordered

    (answer,) = ordered(options, verb, words)
    if options.json:
        print(json.dumps(answer))
    return answer


def _warn(options: Namespace, answer: Answer) -> None:
    for warning in answer["warnings"]:
        sys.stderr.write(f"but {warning}\n")


def _json(path: str) -> Any:
    from agent.errors import InputError

    try:
        return json.loads(_bytes(path).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8; write one JSON object, like consent-record/1") from None
    except (json.JSONDecodeError, RecursionError) as error:
        said = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "is nested too deep"
        raise InputError(f"{path}: {said}; write one JSON object, like consent-record/1") from None


def _bytes(path: str) -> bytes:
    """What is in a file, or comes in. Raises InputError."""
    from agent.errors import InputError

    most = 1 << 20
    try:
        if path == "-":
            content = sys.stdin.buffer.read(most + 1)
        else:
            with open(path, "rb") as file:
                content = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}; name a file that can be read") from None
    if len(content) > most:
        raise InputError(f"{path}: is larger than {most} bytes")
    return content
