"""All that is held of a customer, as files that he and machines can read: made of what ``customer.export`` gives.

The proof has every entry of his; tables for people are made of it, so that they cannot say anything else.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.audit.proof import joined
from agent.papers.making import LANGUAGES, OURS, made
from agent.templates import Templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

README = {"nl": "LEESMIJ.txt", "en": "README.txt"}
_READ = ("register.read", "finding.read", "customer.exported")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet takes a value for a formula
_FACTS = (
    "address", "port", "transport", "what", "value", "how", "seen_by", "first_seen", "last_seen",
)  # fmt: skip

Row = dict[str, Any]


class Held(NamedTuple):
    """``about``, ``proof``, ``cases``, ``facts`` as the orders of agent/verbs/customer.py give them; ``lists``: reads
    of lists of many customers.
    """

    about: Row
    proof: list[Row]
    cases: list[Row]
    facts: list[list[Any]]
    lists: list[Row]

    def entries(self) -> list[Row]:
        """His entries: number, time, kind, what is public of each and what is his alone."""
        found = []
        for piece in self.proof:
            if "entry" in piece:
                leaf = json.loads(piece["entry"]["leaf"])
                private = json.loads(piece["entry"]["private"])
                found.append({
                    "number": leaf["n"], "time": leaf["time"], "kind": leaf["kind"], "public": leaf["public"],
                    "yours": private,
                })  # fmt: skip
        return found


def files(held: Held, languages: Iterable[str], verifier: bytes, own: str = "") -> dict[str, bytes]:
    """Name -> content. ``own``: directory of the operator's templates, "" for none. Raises ConfigError for those."""
    entries = held.entries()
    tables = {
        "probes.csv": list(_probes(entries)),
        "reads.csv": list(_reads(entries, held.lists)),
        "notices.csv": list(_notices(entries)),
        "servers.csv": [dict(zip(_FACTS, _dated(fact), strict=True)) for fact in held.facts],
    }
    counts = {name.partition(".")[0]: len(rows) for name, rows in tables.items()}
    told = held.about | counts | {
        "date": _moment(held.about["time"])[:10], "entries": len(entries), "cases": len(held.cases),
    }  # fmt: skip
    texts = Templates(own, OURS, "--templates", trim=True)
    return {
        **{README[lang]: made(texts, f"dossier.{lang}.txt", told).encode() for lang in languages},
        "entries.jsonl": "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in entries).encode(),
        "messages.txt": "".join(_messages(held.cases)).encode(),
        "cases.json": (json.dumps(held.cases, ensure_ascii=False, indent=1) + "\n").encode(),
        **{name: _table(name, rows) for name, rows in tables.items()},
        "proof.json": joined(iter(held.proof)).encode(),
        "verify.py": verifier,
    }


def languages(held: Held) -> tuple[str, ...]:
    """Those that he is written to in; all where that is not known."""
    contacts = [one for entry in held.entries() for one in entry["yours"].get("contacts") or ()]
    found = {one.get("lang", "nl") for one in contacts}
    return tuple(lang for lang in LANGUAGES if lang in found) or LANGUAGES


_COLUMNS = {
    "probes.csv": (
        "asked", "address", "port", "name", "probe", "why", "record", "entry", "outcome", "outcome_entry",
        "connections", "milliseconds", "detail",
    ),
    "reads.csv": ("time", "entry", "kind", "what", "uid", "user", "by", "of"),
    "notices.csv": (
        "time", "entry", "kind", "case", "step", "channel", "role", "to", "outcome", "message_id", "sha256",
        "detail",
    ),
    "servers.csv": _FACTS,
}  # fmt: skip


def _probes(entries: list[Row]) -> Iterator[Row]:
    """Every probe with the record that it was made by, its intent, and what came of it."""
    ended = {each["public"].get("intent"): each for each in entries if each["kind"] == "probe.outcome"}
    for each in entries:
        if each["kind"] != "probe.intent":
            continue
        public, yours = each["public"], each["yours"]
        end = ended.get(each["number"], {"number": "", "public": {}, "yours": {}})
        yield {
            "asked": each["time"], "address": yours.get("address"), "port": yours.get("port"),
            "name": yours.get("name"), "probe": public.get("probe"), "why": public.get("why"),
            "record": yours.get("record"), "entry": each["number"], "outcome": end["public"].get("outcome"),
            "outcome_entry": end["number"], "connections": end["public"].get("connections"),
            "milliseconds": end["public"].get("ms"), "detail": end["yours"].get("detail"),
        }  # fmt: skip


def _reads(entries: list[Row], lists: list[Row]) -> Iterator[Row]:
    """Who read what is his, and who read lists in which he may have been."""
    his = [
        (each["time"], each["number"], each["kind"], each["public"] | each["yours"], "you")
        for each in entries
        if each["kind"] in _READ
    ]
    many = [(_moment(each["time"]), each["number"], each["kind"], each["public"], "a list") for each in lists]
    for time, number, kind, said, whose in sorted(his + many, key=lambda each: each[1]):
        what = said.get("what", "all of it" if kind == "customer.exported" else "")
        yield {
            "time": time, "entry": number, "kind": kind, "what": what, "uid": said.get("uid"),
            "user": said.get("user"), "by": said.get("by"), "of": whose,
        }  # fmt: skip


def _notices(entries: list[Row]) -> Iterator[Row]:
    for each in entries:
        if each["kind"].startswith("notice."):
            said = each["yours"] | each["public"]
            yield {
                "time": each["time"], "entry": each["number"], "kind": each["kind"], "case": said.get("case"),
                "step": each["public"].get("step"), "channel": said.get("channel"), "role": said.get("role"),
                "to": said.get("to"), "outcome": said.get("outcome"), "message_id": said.get("message_id"),
                "sha256": said.get("sha256"),
                "detail": said.get("detail") or said.get("status"),
            }  # fmt: skip


def _messages(cases: list[Row]) -> Iterator[str]:
    """What he was told, word for word: the SHA-256 of each text is with it, and in the entry that says it was sent."""
    steps = {step["id"]: step for case in cases for step in case["steps"]}
    told = [(text["time"], case["id"], text) for case in cases for text in case.get("texts", ())]
    for time, case, text in sorted(told, key=lambda each: each[0]):
        step = steps[text["step"]]
        yield (
            f"{'=' * 78}\n{_moment(time)}  case {case}  {step['kind']} ({step['channel']})\n"
            f"Message-ID {step['message_id']}\nSHA-256 {text['sha256']}\n{'=' * 78}\n{text['text']}\n"
        )


def _dated(fact: list[Any]) -> list[Any]:
    return [*fact[:-2], _moment(fact[-2]), _moment(fact[-1])]


def _moment(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _table(name: str, rows: list[Row]) -> bytes:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    writer.writerow(_COLUMNS[name])
    writer.writerows([[_cell(row[column]) for column in _COLUMNS[name]] for row in rows])
    return text.getvalue().encode()


def _cell(value: object) -> str:
    said = "" if value is None else str(value)
    return f"'{said}" if said.startswith(_FORMULA) else said
