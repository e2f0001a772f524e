"""Asking leave and knocking, as counts: what is missing, what became of probes, why nobody knocked, who agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.leave import MEANINGS, OUTCOME_MEANINGS
from exporters.console.content import Cell, Section, Table, count
from exporters.console.words import outcome, spoken

if TYPE_CHECKING:
    from agent.asked import Permitted


def asking(said: Permitted) -> Section:
    """Whether anybody may be knocked at, and what is missing."""
    from agent.consent.arming import SENTENCES

    missing = [piece for piece, lacks in said.missing.items() if lacks]
    rows = [(Cell(spoken(piece), state="warn"), Cell(SENTENCES.get(piece, "-"))) for piece in missing]
    armed = not missing and not said.killed
    facts = [
        ("Armed", Cell("yes", state="ok") if armed else Cell("no: nobody is knocked at", state="quiet")),
        ("Kill switch", Cell("on", state="warn") if said.killed else Cell("off")),
        ("Prober", Cell("at work") if said.prober else Cell("none", state="quiet")),
        ("Clock", Cell("synchronised") if said.clock_synced else Cell("not known to be synchronised", state="warn")),
        ("Breakers open", Cell(", ".join(f"{n:,} {level}" for level, n in said.breakers.items() if n) or "none")),
        ("Seen at the wire against the log", _self_audit(said)),
    ]
    table = Table("Missing pieces", ("Piece", "What to do"), rows, "every piece that knocking needs is in place.")
    return Section("asking", "Asking leave and knocking", facts=facts, tables=[table])


def _self_audit(said: Permitted) -> Cell:
    differ = said.self_audit.get("difference", 0)
    return Cell(f"{differ:,} connections differ", state="bad") if differ else Cell("no difference")


def knocked(said: Permitted) -> Section:
    """What became of probes, and why there was none."""
    ended = [(row.outcome, row.count) for row in said.outcomes if row.count]
    rows = [(outcome(name), Cell(OUTCOME_MEANINGS.get(name, "")), count(n)) for name, n in ended]
    return Section(
        "knocked",
        "Probes and refusals",
        "Since the start. A refusal is counted when it is news, and not each minute again.",
        tables=[
            Table("Probes that have ended", ("Outcome", "What it says", "Probes"), rows, "none since the start."),
            _refusals(said),
        ],
    )


def _refusals(said: Permitted) -> Table:
    decided = {row.reason: row.count for row in said.decisions if row.decision == "refused" and row.count}
    reasons = [reason for reason in MEANINGS if decided.get(reason) or said.refused_now.get(reason)]
    rows = [
        (
            Cell(spoken(reason)),
            Cell(MEANINGS[reason]),
            count(said.refused_now.get(reason, 0), f"/servers?reason={reason}"),
            count(decided.get(reason, 0)),
        )
        for reason in sorted(reasons, key=lambda reason: -said.refused_now.get(reason, 0))
    ]
    heads = ("Reason", "What it says", "Servers now", "Since the start")
    return Table("Why nobody knocked", heads, rows, "nobody was refused since the start.")


def consent(said: Permitted) -> Section:
    """Who was told, who agreed, who objects."""
    states = list(dict.fromkeys(row.state for row in said.records))
    bases = list(dict.fromkeys(row.basis for row in said.records))
    counts = {(row.basis, row.state): row.count for row in said.records}
    rows = [(Cell(spoken(basis)), *(count(counts.get((basis, state), 0)) for state in states)) for basis in bases]
    return Section(
        "consent",
        "Consent",
        facts=[
            ("Customers on record", count(said.customers)._replace(kind="")),
            *_coverage(said),
            ("Objections that stand", count(said.standing_objections)._replace(kind="")),
            ("Told, and not long enough ago", count(said.waiting)._replace(kind="")),
        ],
        tables=[Table("Consent records by basis and state", ("Basis", *map(spoken, states)), rows)],
    )


def _coverage(said: Permitted) -> list[tuple[str, Cell]]:
    """Customers by what they have said, and servers by whether a record covers them, as far as the agent tells."""
    told = [("Customers", said.by_leave), ("Servers worth knocking at", said.covered)]
    return [
        (f"{what}: {spoken(name)}", count(number)._replace(kind=""))
        for what, counts in told
        for name, number in counts.items()
    ]
