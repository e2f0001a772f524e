"""The pages that show single servers, out of what the agent has told for them (agent/verbs/console.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.leave import MEANINGS, OUTCOME_MEANINGS
from agent.model import GENERATIONS, PRODUCTS
from exporters.console.content import Cell, Choice, Page, Section, Table, count
from exporters.console.words import (
    MARKS,
    PRODUCTS_NAMED,
    REASONS,
    STATUSES,
    SUPPORT,
    VERDICTS,
    ago,
    moment,
    outcome,
    product,
    spoken,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Row = dict[str, Any]

_PROBED = ("When", "Server", "What became of it", "What it says", "Asked by", "Entry")


def recent(rows: list[Row], now: float) -> Page:
    """The last probes and refusals. ``now``: seconds since the epoch."""
    of = {name: [row for row in rows if row.get("list") == name] for name in ("failed", "last", "refused")}
    refused = [
        (
            _link(row),
            Cell(spoken(str(row["reason"])), f"/servers?reason={row['reason']}"),
            _meant(row),
            _when(row["time"], now),
        )
        for row in of["refused"]
    ]
    heads = ("Server", "Reason", "What it says", "Since")
    sections = [
        Section(
            "failed", "Probes that told nothing", "Kept apart: what goes well pushes none of them out of this list.",
            tables=[Table("The last that told nothing", _PROBED, _probes(of["failed"], now), "none on record.")],
        ),
        Section("last", "All probes", tables=[Table("The last", _PROBED, _probes(of["last"], now), "none on record.")]),
        Section(
            "refused", "Refusals that hold now", "Servers that it would be worth knocking at, and why nobody does.",
            tables=[Table("The newest first", heads, refused, "nobody is refused now, or there is no prober.")],
        ),
    ]  # fmt: skip
    return Page("Recent", "recent", _PSEUDONYMS, sections=sections, private=True)


_PSEUDONYMS = "Servers go by a pseudonym that changes each period. The page of a server says which address it is."


def servers(rows: list[Row], words: Mapping[str, str], now: float) -> Page:
    """The servers that fit ``words``, of which each is checked, and a form for others."""
    head, *found = rows
    total, page, pages = (int(head[name]) for name in ("total", "page", "pages"))
    listed = [
        (
            _link(row),
            Cell(product(str(row["product"]), str(row["generation"])), note=_build(row)),
            Cell(str(row["verdict"])),
            _support(row),
            count(row["exploited"], state="bad" if row["exploited"] else ""),
            count(row["open"]),
            Cell(spoken(str(row["reason"])) or "-", note=MEANINGS.get(str(row["reason"]), "")),
            Cell(ago(row["seen"], now)),
        )
        for row in found
    ]
    heads = ("Server", "Believed to be", "Verdict", "Support", "Exploited holes", "Holes", "Not knocked at", "Seen")
    chosen = "".join(f"{key}={value}&" for key, value in words.items() if key != "page")
    more = [Cell("Previous", f"/servers?{chosen}page={page - 1}")] if page > 1 else []
    more += [Cell("Next", f"/servers?{chosen}page={page + 1}")] if page < pages else []
    caption = f"{total:,} servers with signs of Exchange; page {page:,} of {pages:,}, the most exploited holes first"
    table = Table(caption, heads, listed, "none fits.")
    section = Section("found", "Which", form=_form(words), tables=[table], more=more)
    return Page("Servers", "servers", _PSEUDONYMS, sections=[section], private=True)


def _form(words: Mapping[str, str]) -> list[Choice]:
    """A field for each of the words that a list of servers may be asked by."""
    return [
        *(
            Choice(
                name, label, words.get(name, ""), tuple((value, named.get(value, spoken(value))) for value in values)
            )
            for name, (label, values, named) in FILTERS.items()
        ),
        Choice("cve", "Open to CVE", words.get("cve", "")),
    ]


# What a list of servers may be asked for: name of the word -> label, values, and their names where those differ.
FILTERS: dict[str, tuple[str, tuple[str, ...], Mapping[str, str]]] = {
    "product": ("Product", PRODUCTS, PRODUCTS_NAMED),
    "generation": ("Generation", (*GENERATIONS, "unknown"), {}),
    "verdict": ("Verdict", (*VERDICTS, "none"), {}),
    "support": ("Support", tuple(SUPPORT), SUPPORT),
    "reason": ("Not knocked at", REASONS, {}),
}


def server(rows: list[Row], now: float) -> Page:
    """All about one server."""
    of: dict[str, list[Row]] = {}
    for row in rows:
        of.setdefault(str(row["is"]), []).append(row)
    one, decision = of["server"][0], of["decision"][0]
    sections = [
        _whose(one, now), _decision(decision, of.get("input", []), now), _evidence(of.get("evidence", []), now),
        Section("probes", "Probes of this server", tables=[
            Table("The last first", _PROBED, _probes(of.get("probe", []), now), "none that is remembered."),
        ]),
        _findings(one, of.get("finding", [])),
    ]  # fmt: skip
    what = product(str(one["product"]), str(one["generation"]))
    lead = f"Believed to be {what}: {one['verdict']} ({one['confidence']:.4f}); {_build(one)}."
    return Page(f"Server {one['server']}", "servers", lead, sections=sections, private=True)


def _whose(one: Row, now: float) -> Section:
    facts = [
        ("Address", Cell(str(one["address"]), kind="code")),
        ("Customer", Cell(", ".join(map(str, one["customers"])) or "not in the books", kind="code")),
        ("Names", Cell(", ".join(map(str, one["names"])) or "none seen", kind="code")),
        ("Ports", Cell(", ".join(map(str, one["ports"])) or "-")),
        ("Build", Cell(str(one["build"]))),
        ("Support", _support(one)),
        ("Exploited holes open", count(one["exploited"], state="bad" if one["exploited"] else "")._replace(kind="")),
        ("Holes open", Cell(f"{one['open']:,}", "#findings")),
        ("Seen last", _when(one["seen"], now)),
        ("Seen first", _when(one["first"], now)),
        ("Facts", Cell(f"{one['facts']:,}")),
    ]
    if one["proxy"]:
        facts.append(("Probably behind a proxy", Cell(str(one["proxy"]))))
    facts += [("Note", Cell(str(note))) for note in one["notes"]]
    return Section("whose", "Which server", facts=facts)


def _findings(one: Row, found: list[Row]) -> Section:
    rows = [
        (
            Cell(str(row["cve"] or "-")), Cell(str(row["name"])),
            Cell(STATUSES.get(str(row["status"]), str(row["status"])), state=MARKS.get(str(row["status"]), "")),
            Cell("yes", state="bad") if row["kev"] else Cell("-", state="quiet"),
            Cell("-" if row["cvss"] is None else f"{row['cvss']:.1f}", kind="number"),
        )
        for row in found
    ]  # fmt: skip
    closed = ", ".join(f"{n:,} {STATUSES.get(status, status)}" for status, n in one["closed"].items())
    heads = ("CVE", "Name", "Status", "Exploited", "CVSS")
    return Section(
        "findings", "What follows",
        "By the build; nobody has tried any of it." + (f" Besides: {closed}." if closed else ""),
        tables=[Table("Findings that somebody may have to act on", heads, rows, "nothing to act on.")],
    )  # fmt: skip


def _evidence(found: list[Row], now: float) -> Section:
    rows = [
        (
            Cell(str(row["fingerprint"])), Cell(str(row["kind"]), note="asked" if row["origin"] == "active" else ""),
            Cell(str(row["port"]), kind="number"), Cell(f"{row['weight']:+.1f}", kind="number"),
            _when(row["time"], now), Cell(str(row["value"]), kind="code"),
        )
        for row in found
    ]  # fmt: skip
    heads = ("Fingerprint", "Kind of fact", "Port", "Weight", "Seen", "What the server said")
    return Section(
        "evidence", "On which evidence",
        "A weight is the logarithm of how many times likelier this is with what the fingerprint speaks for.",
        tables=[Table("Facts that matched, the weightiest first", heads, rows, "no fact matched a fingerprint.")],
    )  # fmt: skip


def _decision(said: Row, inputs: list[Row], now: float) -> Section:
    reason = said["reason"]
    lead = f"Nobody may knock now: {MEANINGS.get(reason, reason)}." if reason else "There is leave to knock now."
    scheduled = said["scheduled"]
    facts = [
        ("Worth knocking at", Cell("yes" if said["worth"] else "no: not surely a server that answers by HTTP")),
        ("Port", Cell(str(said["port"]))),
        ("Refused by the schedule", Cell("no")),
    ]
    if scheduled:
        since = f"since {moment(scheduled['time'])}, {ago(scheduled['time'], now)}"
        facts[-1] = (facts[-1][0], Cell(spoken(str(scheduled["reason"])), note=f"{since}: {scheduled['detail']}"))
    rows = [
        (
            Cell(str(row["name"])), Cell(str(row["value"])),
            Cell("in order", state="ok") if row["reason"] is None else Cell(spoken(str(row["reason"])), state="warn"),
            Cell(str(row["change"]) or "-", note=f"by {row['who']}" if row["who"] else ""),
        )
        for row in inputs
    ]  # fmt: skip
    heads = ("Input", "Value", "Says", "What would have to change")
    table = Table("Every input, in the order in which they are looked at; the first that refuses is told", heads, rows)
    return Section("decision", "Why it is, or is not, knocked at", lead, facts, [table])


def _probes(rows: Iterable[Row], now: float) -> list[tuple[Cell, ...]]:
    return [
        (
            _when(row["time"], now),
            Cell(str(row["server"]), f"/servers/{row['server']}")
            if row["server"]
            else Cell("forgotten", state="quiet"),
            outcome(row["outcome"]),
            Cell(OUTCOME_MEANINGS.get(str(row["outcome"]), "-"), note=_details(row)),
            Cell(str(row["why"])),
            Cell(str(row["entry"]), kind="number"),
        )
        for row in rows
    ]


def _meant(row: Row) -> Cell:
    meaning = MEANINGS.get(str(row["reason"]), "")
    return Cell(meaning, note="" if row["detail"] == meaning else str(row["detail"]))


def _link(row: Row) -> Cell:
    return Cell(str(row["server"]), f"/servers/{row['server']}")


def _details(row: Row) -> str:
    took = "" if row["ms"] is None else f"port {row['port']}, {row['ms']:,} ms"
    return ": ".join(part for part in (took, str(row["detail"])) if part)


def _when(time: float, now: float) -> Cell:
    return Cell(ago(time, now), note=moment(time))


def _support(row: Row) -> Cell:
    said = str(row["support"])
    return Cell(SUPPORT.get(said, said), state="bad" if said == "end_of_support" else "")


def _build(row: Row) -> str:
    return str(row["build"]) if row["build"] != "-" else "build not known"
