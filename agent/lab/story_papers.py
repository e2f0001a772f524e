"""What the provider of the demo's story has on disk: a configuration, its books, and what two customers signed."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.config import check, dump, load
from agent.lab import leave
from agent.lab.story_cast import BOOKSHOP, CUSTOMERS, OPTICIAN

if TYPE_CHECKING:
    from agent.lab.story_cast import Customer, Doors
    from agent.sections import Config

CONFIG = "knockfirst.toml"
TEXTS = "texts"
PUBLIC_URL = "https://example.net/checks/"
_RETENTION = 3650  # days: the made-up edge is as old as it is, so that it is the same each time
_SETTINGS: dict[str, dict[str, Any]] = {
    "agent": {"state": "state", "control": "control", "retention_days": _RETENTION},
    "consent": {"operator": "Example Net", "public_url": PUBLIC_URL},
    "probe": {
        "armed": True,
        "laboratory": True,
        "contact": "probes@example.net",
        "sources": ["127.0.0.1"],
        "probing_url": "https://probe.example.net/.well-known/probing.txt",
        "per_minute": 60,
    },
    "audit": {"origin": "example.net/demo", "file": "checkpoints"},
    "notices": {"route": "desk@example.net"},
    "exporter": {"listen": "127.0.0.1:0", "answers": "127.0.0.1:0"},
    "log": {"level": "error"},
}


def configuration(directory: Path, captures: list[str], relay: str = "") -> Config:
    """The daemon's configuration, as it is read from the file that is written here.

    ``relay``: host and port of a mail relay on this machine; without one no mail is sent.
    """
    (directory / "state").mkdir(mode=0o700)
    written = {**_SETTINGS, "capture": {"files": captures}}
    if relay:
        mail = {"relay": relay, "tls": "none", "sender": "notices@example.net"}
        written["notices"] = _SETTINGS["notices"] | mail
    (directory / CONFIG).write_text(dump(check(written, CONFIG)))
    return load(str(directory / CONFIG))


def books(directory: Path) -> None:
    """Whose addresses they are, and whom to call there."""
    contacts(directory)
    rows = "".join(f"{one.address}/32,{one.ref},static\n" for one in CUSTOMERS)
    (directory / "customers.csv").write_text(f"prefix,customer,kind\n{rows}# end {len(CUSTOMERS)} rows\n")


def contacts(directory: Path) -> None:
    """Who is told what is found; each of them was reached there once."""
    fields = ("role", "channel", "address", "lang", "verified_at")
    columns = ["customer", "at", *(f"contacts.{place}.{field}" for place in (0, 1) for field in fields)]
    now = time.time()
    rows = [
        [one.ref, leave.ago(now, 30), *(each[field] for each in _contacts(one, now) for field in fields)]
        for one in CUSTOMERS
    ]
    with (directory / "contacts.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows, [f"# end {len(rows)} rows"]])


def _contacts(one: Customer, now: float) -> list[dict[str, Any]]:
    return [each | {"lang": "en"} for each in leave.contacts(one.who, now)]


def signed(directory: Path, doors: Doors) -> None:
    """What optician and bookshop agreed to, of the documents that were published."""
    with (directory / TEXTS / "documents.csv").open(newline="") as file:
        documents = list(csv.DictReader(file))
    for one in (OPTICIAN, BOOKSHOP):
        written = _agreement(one, doors[one].port, documents)
        (directory / agreement(one)).write_text(json.dumps(written, indent=1))


def agreement(one: Customer) -> str:
    """The name of the file with what he signed."""
    return f"yes-{one.who}.json"


def mail_contact(file: str) -> str:
    """The mail address of an agreement in that file: there is one."""
    contacts = json.loads(Path(file).read_text())["contacts"]
    (found,) = [str(each["address"]) for each in contacts if each["channel"] == "mail"]
    return found


def _agreement(one: Customer, port: int, documents: list[dict[str, str]]) -> dict[str, Any]:
    now, prefixes = time.time(), [f"{one.address}/32"]
    record = leave.record(one.ref, prefixes, now, port=port, documents=documents, contacts=_contacts(one, now))
    return {"schema": "consent-record/1", **record}
