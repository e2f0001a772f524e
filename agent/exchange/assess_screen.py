"""What ``knockfirst assess`` shows to people: what the build is, what is open on it, what closes that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.exchange.known import FAR_FUTURE
from agent.screen import colour, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.exchange.assess_command import Answer, Question
    from agent.exchange.catalogue import Catalogue
    from agent.exchange.known import Flaw, Known
    from agent.model import Finding, Status

_OPEN: tuple[Status, ...] = ("vulnerable", "possible", "unknown", "fixed_if_configured")
_COLOURS = {
    "vulnerable": "red", "possible": "yellow", "fixed_if_configured": "cyan", "unknown": "grey", "fixed": "green",
}  # fmt: skip
_HEADERS = ("CVE", "name", "KEV", "CVSS", "status", "what closes it")


class Page(NamedTuple):
    """All that a screen is made of; ``on`` for colour."""

    question: Question
    found: Answer
    tables: Catalogue
    on: bool = False

    @property
    def flaws(self) -> dict[str, Flaw]:
        return {f.cve: f for f in self.tables.flaws}

    @property
    def newest(self) -> Known | None:
        return self.tables.newest(self.found.generation) if self.found.generation else None


def summary(page: Page, fixed_too: bool = False) -> str:
    """The whole screen, at most 100 columns wide, without a newline at the end."""
    findings = page.found.findings
    shown = [f for f in findings if f.status in _OPEN or (fixed_too and f.status != "not_affected")]
    blocks = [list(_head(page))]
    if shown:
        blocks.append([table(_HEADERS, list(_rows(shown, page)))])
    if findings:
        blocks += [_wrapped(_counts(page)), _wrapped(_notes(page))]
    blocks.append(_wrapped([_reach(page.tables)]))
    return "\n\n".join("\n".join(block) for block in blocks)


def _head(page: Page) -> Iterator[str]:
    text, found = page.question.text, page.found
    if found.product == "exchange-online":
        yield f"Exchange Online ({text}): Microsoft keeps it up to date"
        return
    if found.product == "unknown":
        yield f"{text}: not a build of any Exchange Server known here"
        return
    known = found.known if found.known and found.known.exact else None
    name = " ".join(filter(None, ("Exchange Server", found.generation, found.cu, known.update if known else None)))
    yield colour(f"{name} ({text})", "bold", page.on)
    if known:
        yield f"released  {_released(known)}"
    yield f"support   {_support(page)}"
    here = page.tables.newest(page.question.range.low) if found.cu else None
    if here and here != page.newest:
        yield f"newest    on {here.cu}: {here.update}, {here.build} ({_released(here)})"
    if page.newest:
        yield f"newest    of Exchange Server {found.generation}: {_named(page.newest)}"


def _released(known: Known) -> str:
    day = f"{known.released:%Y-%m}" if known.month_only else f"{known.released}"
    return f"{day}, {known.kb}" if known.kb else day


def _named(known: Known) -> str:
    return f"{known.cu} {known.update}, {known.build} ({_released(known)})"


def _support(page: Page) -> str:
    status = "extended security updates" if page.found.status == "esu" else page.found.status.replace("_", " ")
    if page.found.generation is None:
        return status
    life = page.tables.lifecycles[page.found.generation]
    if life.end_of_support == FAR_FUTURE:
        return f"{status} (no end announced)"
    extended = f", paid updates to {life.extended}" if life.extended else ""
    return f"{status} (support to {life.end_of_support}{extended})"


def _rows(findings: Iterable[Finding], page: Page) -> Iterator[tuple[str, ...]]:
    flaws = page.flaws
    for f in findings:
        status = colour(f.status.replace("_", " "), _COLOURS.get(f.status, ""), page.on)
        closes = _closes(f, flaws[f.cve], page) if f.cve else "a generation with support"
        score = "" if f.cvss is None else f"{f.cvss:.1f}"
        # Every name would begin with the product's, and the table is narrow.
        name = f.name.removeprefix("Exchange ")
        yield f.cve or "-", name, colour("yes", "red", page.on) if f.kev else "", score, status, closes


def _closes(finding: Finding, flaw: Flaw, page: Page) -> str:
    if finding.status in ("fixed", "not_assessed"):
        return flaw.fixed_by or ""
    if finding.status in ("possible", "fixed_if_configured") and flaw.config:
        return flaw.config
    fix = _nearest(flaw, page)
    if fix is None:
        return flaw.config or "a newer cumulative update"
    return f"{fix}; then {flaw.config}" if flaw.config else fix


def _nearest(flaw: Flaw, page: Page) -> str | None:
    """The nearest higher build that has the fix, or can be set so that it is one: the shortest way.

    A build whose number this one has passed without holding the fix (it is not cumulative) is no way at all.
    """
    generation, build = page.found.generation, page.tables.clamp(page.question.range).low
    if generation is None:
        return None
    ways = sorted((*flaw.fixes.get(generation, ()), *flaw.settings.get(generation, ())))
    way = next((w.build for w in ways if w.build > build), None)
    known = page.tables.lookup(way) if way else None
    if known is None:
        return None
    cu = "" if known.build.branch == build.branch else f"{known.cu} "
    return f"{cu}{known.update} ({known.build})"


def _counts(page: Page) -> Iterator[str]:
    cves = [f for f in page.found.findings if f.cve]
    parts = []
    for status in (*_OPEN, "not_assessed", "fixed"):
        some = [f for f in cves if f.status == status]
        exploited = sum(f.kev for f in some)
        if some:
            known = f" ({exploited} known to be exploited)" if exploited else ""
            parts.append(f"{len(some)} {status.replace('_', ' ')}{known}")
    yield "CVEs: " + (", ".join(parts) or "none of those known here affects this build")
    open_ones = {f.cve for f in cves if f.status in ("vulnerable", "unknown")}
    if page.newest and open_ones:
        low, high = page.newest.build, page.newest.build
        after = page.tables.findings(page.question.range._replace(low=low, high=high), page.question.at)
        closed = sum(f.cve in open_ones and f.status in ("fixed", "fixed_if_configured") for f in after)
        yield f"{low} ({page.newest.update}) has the fixes of {closed} of the {len(open_ones)} vulnerable or unknown."


def _notes(page: Page) -> Iterator[str]:
    yield from _about_the_build(page)
    flaws = page.flaws
    told = [(flaws[f.cve], f.status) for f in page.found.findings if f.cve]
    switched = [flaw.cve for flaw, status in told if flaw.override and status.startswith("fixed")]
    if switched:
        yield "An administrator can switch these fixes off again, which no version shows: " + ", ".join(switched)
    for flaw, status in told:
        if flaw.mitigation and status in ("vulnerable", "possible", "unknown"):
            yield f"{flaw.cve}, without the fix: {flaw.mitigation}"
    yield "A version tells that a build runs without a fix, never that it can be exploited."


def _about_the_build(page: Page) -> Iterator[str]:
    asked, known, tables = page.question, page.found.known, page.tables
    if asked.displayed:
        yield (
            "Get-ExchangeServer goes on showing the first build after a security update, so only the cumulative update"
            " is known; the file version of ExSetup.exe or X-OWA-Version tells the build."
        )
    elif not asked.range.exact:
        yield "Only a part of the build is known: what its builds do not agree on is unknown."
    if known and not known.exact:
        yield f"{asked.text} is not in the table; it is taken for the next lower one, {_named(known)}."
    if asked.range.exact and page.newest and not known and not tables.newer(asked.range.low):
        yield f"{asked.text} is not in the table, and no lower build of its branch is."
    if known and not known.cumulative:
        yield (
            "A special update of March 2021 for a cumulative update that was out of support: it holds the ProxyLogon"
            " fixes and none of the earlier security updates."
        )
    if known and known.note:
        yield known.note
    if asked.range.exact and tables.newer(asked.range.low):
        yield f"Newer than every build known here (table of {tables.reach.builds}): not held to be vulnerable."


def _reach(tables: Catalogue) -> str:
    r = tables.reach
    return f"Data: builds to {r.builds} ({r.update}), CVEs to {r.cves}, known exploitation (KEV) to {r.kev}."


def _wrapped(notes: Iterable[str]) -> list[str]:
    from textwrap import fill

    return [fill(note, 100, subsequent_indent="  ") for note in notes]
