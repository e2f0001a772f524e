"""The servers as counts: what they are, and what they are open to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exporters.console.content import Cell, Figure, Section, Table, count
from exporters.console.words import STATUSES, SUPPORT, VERDICTS, moment, product

if TYPE_CHECKING:
    from agent.messages import Snapshot

_CVES = 15  # rows; the others are counted
_ENDED = "end_of_support"
_OPEN = ("vulnerable", "possible", "fixed_if_configured")
_CHAIN = {"all": "bad", "some": "warn", "possible": "warn"}


def figures(s: Snapshot) -> list[Figure]:
    """What is read first."""
    signs = sum(row.count for row in s.servers if row.verdict != "none")
    sure = sum(row.count for row in s.servers if row.verdict == "confirmed")
    ended = sum(row.count for row in s.servers if row.support == _ENDED and row.verdict != "none")
    exploited = {row.cve for row in s.exposed if row.kev and row.status == "vulnerable" and row.count}
    worst = max((row.count for row in s.exposed if row.kev and row.status == "vulnerable"), default=0)
    return [
        Figure("Exchange servers", f"{signs:,}", f"{sure:,} confirmed; of {s.kept:,} servers seen", href="#servers"),
        Figure("Support has ended", f"{ended:,}", "by what is believed of them", "bad" if ended else "", "#servers"),
        Figure(
            "Exploited holes open", f"{len(exploited):,}", f"CVEs; the widest on {worst:,} servers",
            "bad" if exploited else "", "#exposure",
        ),
    ]  # fmt: skip


def inventory(s: Snapshot) -> Section:
    """By product, generation, support and verdict, and how exactly the builds are known."""
    shown = [row for row in s.servers if row.verdict != "none"]
    groups: Counter[tuple[str, str, str]] = Counter()
    verdicts: Counter[tuple[str, str, str, str]] = Counter()
    exact: Counter[tuple[str, str, str]] = Counter()
    for row in shown:
        group = row.product, row.generation, row.support
        groups[group] += row.count
        verdicts[*group, row.verdict] += row.count
        exact[group] += row.count * (row.precision == "su")
    rows = [
        (
            Cell(product(*group[:2])),
            Cell(SUPPORT.get(group[2], group[2]), state="bad" if group[2] == _ENDED else ""),
            *(count(verdicts[*group, verdict]) for verdict in VERDICTS),
            count(exact[group]),
            count(number),
        )
        for group, number in sorted(groups.items())
    ]
    heads = ("Product", "Support", *(verdict.capitalize() for verdict in VERDICTS), "Exact build", "All")
    without = s.kept - sum(groups.values())
    return Section(
        "servers",
        "Servers",
        f"{without:,} more servers were seen without a sign of Exchange. Beyond {s.kept_at_most:,}, the one that was"
        " seen longest ago is forgotten.",
        tables=[Table("Servers with signs of Exchange, by what they are believed to be", heads, rows, _NOBODY)],
    )


_NOBODY = "no server with a sign of Exchange was seen yet."


def exposure(s: Snapshot) -> Section:
    """Named chains, then CVEs: what is known to be exploited first, then by how many servers are open to it."""
    reach = ", ".join(f"{part} to {moment(day)[:10]}" for part, day in sorted(s.reach.items()))
    return Section(
        "exposure",
        "Exposure",
        "By what the build tells. A mitigation cannot be seen from outside, and nobody tries a hole."
        + (f" The data reach: {reach}." if reach else ""),
        tables=[_chains(s), *_cves(s)],
    )


def _chains(s: Snapshot) -> Table:
    found: dict[str, Counter[str]] = {}
    for row in s.chains:
        found.setdefault(row.chain, Counter())[row.open] += row.count
    rows = [
        (Cell(name), *(count(counts[how], state=mark if counts[how] else "") for how, mark in _CHAIN.items()))
        for name, counts in found.items()
        if counts.total()
    ]
    heads = ("Chain", "All of it open", "Some of it", "May be")
    return Table("Servers by named chain of CVEs", heads, rows, "no server is open to a chain that has a name.")


def _cves(s: Snapshot) -> list[Table]:
    counts: dict[str, Counter[str]] = {}
    kev = {row.cve: row.kev for row in s.exposed}
    for row in s.exposed:
        if row.status in _OPEN and row.count:
            counts.setdefault(row.cve, Counter())[row.status] += row.count
    ranked = sorted(counts, key=lambda cve: (not kev[cve], *(-counts[cve][status] for status in _OPEN), cve))
    rows = [
        (
            Cell(cve),
            Cell("yes", state="bad") if kev[cve] else Cell("-", state="quiet"),
            *(count(counts[cve][status], f"/servers?cve={cve}" if status != _OPEN[2] else "") for status in _OPEN),
        )
        for cve in ranked[:_CVES]
    ]
    heads = ("CVE", "Exploited", *(STATUSES[status].capitalize() for status in _OPEN))
    more = len(ranked) - len(rows)
    caption = "Servers by CVE, the exploited ones first" + (f"; {more:,} more CVEs are open somewhere" if more else "")
    return [Table(caption, heads, rows, "no server is known to be open to any.")]
