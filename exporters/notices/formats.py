"""What a finding is for machines: XARF 4.2, CSV with Shadowserver's columns, JSON lines. One table maps them all.

XARF (xarf.org, spec 4.2.0): a report of ``vulnerability/cve`` names at least one CVE and a port, so the end of support,
a hole that a setting decides, and what was seen on no known port go as ``vulnerability/misconfiguration``. No
``_internal`` is ever written, and no CVSS vector, since only scores are known. CSV: the columns of Shadowserver's
``scan_exchange`` report; who reads it goes by the header. Names of servers and of customers stay out of both.
"""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from agent.places import mailbox
from exporters.notices.told import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from agent.notice import Facts

VERSION = "4.2.0"
SERVICE = "Microsoft Exchange Server"
COLUMNS = (
    "timestamp", "severity", "ip", "protocol", "port", "hostname", "tag", "asn", "geo", "region", "city", "naics",
    "hostname_source", "sector", "version", "servername", "url",
)  # fmt: skip
FORMATS = ("xarf", "csv", "jsonl")

_MOST_CVES = 10  # of cve_ids
_MOST_TAGS = 20
_CVE = re.compile(r"CVE-\d{4}-\d{1,12}")
_TAG = re.compile(r"[a-z0-9][a-z0-9_+-]*:[a-z0-9][a-z0-9_+-]*")
_PLACE = re.compile(r"https?://([^/:]*)")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_FORMULA = ("=", "+", "-", "@")  # with which a spreadsheet takes a value for a formula

# The least share that each verdict stands for (agent/exchange/assess.py).
_SURE = {"confirmed": 0.99, "probable": 0.9, "suspected": 0.5}
_PERHAPS = 0.5  # at most so sure is a hole that the version alone does not decide


class Field(NamedTuple):
    """One fact. ``name``: in JSON lines; ``xarf``, ``csv``: there, "" for not; ``cve``: only in the report of a CVE."""

    name: str
    of: Callable[[Facts], Any]
    xarf: str = ""
    csv: str = ""
    cve: bool = False


def _seen(facts: Facts) -> str:
    return datetime.fromtimestamp(facts.seen, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cves(facts: Facts) -> list[str]:
    """CVEs that are open or may be, those that are listed first first, each once."""
    found = [cve for hole in facts.holes if hole.status in ("vulnerable", "possible") for cve in hole.cves]
    return [cve for cve in dict.fromkeys(found) if _CVE.fullmatch(cve)]


def _confidence(facts: Facts) -> float | None:
    sure = _SURE.get(facts.confidence)
    open_ = any(hole.status == "vulnerable" for hole in facts.holes) or (facts.ended and not facts.holes)
    return sure if open_ or sure is None else min(sure, _PERHAPS)


def _score(facts: Facts) -> float | None:
    """The highest that is known, where it is one (0 to 10)."""
    scores = [hole.cvss for hole in facts.holes if hole.cvss is not None and 0 <= hole.cvss <= 10]
    return max(scores, default=None)


def _description(facts: Facts) -> str:
    said = [clean(facts.product) or SERVICE]
    said += ["support has ended"] if facts.ended else []
    said += ["treat as possibly compromised"] if facts.exploited else []
    return "; ".join(said)


def _tags(facts: Facts) -> list[str]:
    words = [f"origin:{facts.origin}", *(["support:ended"] if facts.ended else [])]
    words += [f"cve:{cve.lower()}" for cve in _cves(facts)]
    return [word for word in words if _TAG.fullmatch(word)][:_MOST_TAGS]


def _tag(facts: Facts) -> str:
    """As Shadowserver writes it: ``exchange;cve-2021-26855;eol``."""
    return ";".join(["exchange", *(cve.lower() for cve in _cves(facts)), *(["eol"] if facts.ended else [])])


def _holes(facts: Facts) -> list[dict[str, Any]]:
    return [hole.model_dump() for hole in facts.holes]


# The one table. A row that is in no other format is in JSON lines, which is the operator's own and has everything.
FIELDS = (
    Field("case", lambda facts: facts.case),
    Field("customer", lambda facts: facts.customer),
    Field("seen", _seen, "timestamp", "timestamp"),
    Field("severity", lambda facts: facts.severity, "severity", "severity"),
    Field("address", lambda facts: facts.address, "source_identifier", "ip"),
    Field("transport", lambda facts: "tcp", csv="protocol"),
    Field("port", lambda facts: facts.ports[0] if facts.ports else None, "service_port", "port"),
    Field("ports", lambda facts: facts.ports),
    Field("service", lambda facts: SERVICE, "service"),
    Field("product", lambda facts: clean(facts.product)),
    Field("build", lambda facts: clean(facts.build), "service_version", "version"),
    Field("tag", _tag, csv="tag"),
    Field("tags", _tags, "tags"),
    Field("cve", lambda facts: next(iter(_cves(facts)), ""), "cve_id", cve=True),
    Field("cves", lambda facts: _cves(facts)[:_MOST_CVES], "cve_ids", cve=True),
    Field("cvss", _score, "cvss_score", cve=True),
    Field("kev", lambda facts: "weaponized" if any(h.kev for h in facts.holes) else "", "exploitability", cve=True),
    Field("update", lambda facts: facts.install.kind == "update", "patch_available", cve=True),
    Field("install_build", lambda facts: clean(facts.install.build), "patch_version", cve=True),
    Field("install", lambda facts: facts.install.model_dump()),
    Field("confidence", _confidence, "confidence"),
    Field("certainty", lambda facts: facts.confidence),
    Field("origin", lambda facts: facts.origin),
    Field("how", lambda f: "vulnerability_scan" if f.origin == "active" else "automated_discovery", "evidence_source"),
    Field("description", _description, "description"),
    Field("signs", lambda facts: facts.signs),
    Field("record", lambda facts: facts.record),
    Field("receipt", lambda facts: facts.receipt),
    Field("entry", lambda facts: facts.entry),
    Field("holes", _holes),
    Field("more", lambda facts: facts.more),
    Field("exploited", lambda facts: facts.exploited),
    Field("ended", lambda facts: facts.ended),
)


def xarf(facts: Facts) -> dict[str, Any]:
    """One report. What is not known has no key; ``sender`` and ``reporter`` are the operator."""
    kind = "cve" if _cves(facts) and facts.ports else "misconfiguration"
    contact = mailbox(clean(facts.contact))
    operator = {"org": clean(facts.operator), "contact": contact, "domain": _domain(contact)}
    report: dict[str, Any] = {
        "xarf_version": VERSION,
        "report_id": _id(facts),
        "reporter": operator,
        "sender": operator,
        "category": "vulnerability",
        "type": kind,
    }
    for field in FIELDS:
        value = field.of(facts) if field.xarf and (kind == "cve" or not field.cve) else None
        if value not in (None, "", []):
            report[field.xarf] = value
    return report


def _domain(contact: str) -> str:
    """The host of a mail address or a URL; a name that nobody has (RFC 6761) where there is none."""
    found = _PLACE.match(contact)
    host = found[1] if found else contact.rpartition("@")[2]
    return host if _HOST.fullmatch(host) else "invalid"


def _id(facts: Facts) -> str:
    """The same report has the same number, whenever it is made."""
    told = json.dumps([facts.customer, facts.case, facts.address, facts.seen, facts.origin])
    return str(UUID(bytes=sha256(told.encode()).digest()[:16], version=4))


def rows(facts: Facts) -> Iterator[dict[str, str]]:
    """A row of CSV for each port, as Shadowserver has it; one without where no port is known."""
    told = {field.csv: field.of(facts) for field in FIELDS if field.csv}
    told["timestamp"] = _seen(facts).replace("T", " ").removesuffix("Z")
    ports: list[int | None] = [*facts.ports] or [None]
    for port in ports:
        yield {column: _cell((told | {"port": port}).get(column, "")) for column in COLUMNS}


def _cell(value: object) -> str:
    said = "" if value is None else clean(str(value))
    return f"'{said}" if said.startswith(_FORMULA) else said


def line(facts: Facts) -> dict[str, Any]:
    """Everything, by the names of the table."""
    return {field.name: field.of(facts) for field in FIELDS}


def written(found: Iterable[Facts], form: str) -> Iterator[str]:
    """Lines of a format of FORMATS, each with its end. A server without an address is none of these."""
    known = (facts for facts in found if facts.address)
    if form == "csv":
        yield _row(dict(zip(COLUMNS, COLUMNS, strict=True)))
        for facts in known:
            yield from map(_row, rows(facts))
        return
    of = {"xarf": xarf, "jsonl": line}[form]
    for facts in known:
        yield json.dumps(of(facts), ensure_ascii=False, sort_keys=False) + "\n"


def _row(row: dict[str, str]) -> str:
    made = StringIO()
    csv.writer(made, lineterminator="\n").writerow([row[column] for column in COLUMNS])
    return made.getvalue()
