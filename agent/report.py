"""An assessment for machines (JSON) and for people (a table, an explanation)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent import ipc
from agent.ipc import Type
from agent.screen import colour, printable, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.model import Assessment, Evidence, Finding

# The statuses that are worth a person's time; the others are good news or no news.
TOLD = ("vulnerable", "possible", "fixed_if_configured", "unknown")

HEADERS = ("address", "product", "build", "verdict", "sure", "open", "support", "name")
_COLOURS = {"confirmed": "red", "probable": "yellow", "suspected": "cyan", "none": "grey"}


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the microsecond."""
    # Captures exist with times of the year 2107 and beyond, which datetime takes; what it does not take is not a time.
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00.000000Z"


def as_json(a: Assessment) -> dict[str, Any]:
    """One assessment in the machine contract's shape."""
    build = a.build and {"low": str(a.build.low), "high": str(a.build.high), "precision": a.build.precision}
    return {
        "address": a.address,
        "ports": list(a.ports),
        "product": a.product,
        "generation": a.generation,
        "verdict": a.verdict,
        "confidence": a.confidence,
        "build": build,
        "names": list(a.names),
        "evidence": [_evidence(e) for e in a.evidence],
        "exposure": [{"cve": f.cve, "name": f.name, "status": f.status} for f in open_findings(a)],
        "proxy": a.proxy,
        "notes": list(a.notes),
    }


def _evidence(e: Evidence) -> dict[str, Any]:
    o = e.observation
    return {
        "fingerprint": e.fingerprint, "kind": o.kind, "port": o.server.port, "value": o.value,
        "weight": e.weight, "time": rfc3339(o.time), "frame": o.frame,
    }  # fmt: skip


def open_findings(a: Assessment) -> list[Finding]:
    """The findings that somebody may have to act on."""
    return [f for f in a.findings if f.status in TOLD]


def what_it_is(a: Assessment) -> str:
    """Product and generation in a person's words."""
    names = {
        "exchange": f"Exchange {a.generation or ''}".strip(),
        "exchange-edge": f"Exchange {a.generation or ''} Edge".replace("  ", " "),
        "exchange-online": "Exchange Online",
        "iis-smtp": "IIS SMTP",
    }
    return names.get(a.product, a.product)


def build_text(a: Assessment) -> str:
    if a.build is None or a.build.precision in ("product", "generation"):
        return "-"
    if a.build.exact:
        return str(a.build.low)
    return ".".join(map(str, a.build.low.branch)) + ".x"


def support_text(a: Assessment) -> str:
    """Whether Microsoft's support for it has ended."""
    return "ended" if any(f.cve is None for f in open_findings(a)) else "-"


def open_text(a: Assessment) -> str:
    """How many known holes are open, or may be; `-` where no build tells, or nothing is known of its generation."""
    assessed = [f for f in a.findings if f.cve and f.status not in ("not_affected", "not_assessed")]
    return str(sum(f.status in ("vulnerable", "possible") for f in assessed)) if assessed else "-"


def overview(assessments: Iterable[Assessment], *, on: bool = False) -> str:
    """The table of servers: the surest first, then by address as text."""
    ranked = sorted(assessments, key=lambda a: (-a.confidence, a.address))
    rows = [
        (a.address, what_it_is(a) + (", proxy" if a.proxy else ""), build_text(a),
         colour(a.verdict, _COLOURS[a.verdict], on=on), f"{a.confidence:.2f}", open_text(a), support_text(a),
         a.names[0] if a.names else "-")
        for a in ranked
    ]  # fmt: skip
    return table(HEADERS, rows)


def explain(a: Assessment) -> str:
    """Why one server is believed to be what it is, and what follows from that."""
    head = f"{a.address}: {what_it_is(a)}, {a.verdict} ({a.confidence:.4f})"
    lines = [head, *(f"  {n}" for n in _facts(a)), "", "Why", _evidence_table(a.evidence)]
    found = open_findings(a)
    if found:
        rows = [(f.cve or "-", f.name, "yes" if f.kev else "", f"{f.cvss or ''}", f.status) for f in found[:12]]
        lines += ["", "What follows", table(("CVE", "name", "exploited", "CVSS", "status"), rows)]
        if len(found) > len(rows):
            lines.append(f"... and {len(found) - len(rows)} more; `--json` lists all")
    return "\n".join(lines) + "\n"


def _facts(a: Assessment) -> list[str]:
    facts = [f"names: {', '.join(a.names) or 'none seen'}", f"ports: {', '.join(map(str, a.ports))}"]
    if build_text(a) != "-":
        facts.append(f"build: {build_text(a)}")
    if a.proxy:
        facts.append(f"probably behind a reverse proxy: {a.proxy}")
    return [printable(fact) for fact in (*facts, *a.notes)]


def _evidence_table(evidence: Sequence[Evidence]) -> str:
    rows = [
        (f"{e.weight:+.1f}", str(e.observation.server.port), e.fingerprint, e.observation.value.replace("\n", " / "))
        for e in sorted(evidence, key=lambda e: -e.weight)
    ]
    return table(("weight", "port", "fingerprint", "what was seen"), rows)


def told(assessments: list[Assessment]) -> Iterator[bytes]:
    """The answer to "which servers": one message each, then the count. Made one by one, as the client takes them."""
    for assessment in assessments:
        try:
            yield ipc.frame(Type.ASSESSMENT, as_json(assessment))
        except ValueError:
            # A server that said more than a message holds is told without what it said.
            yield ipc.frame(Type.ASSESSMENT, as_json(assessment) | {"evidence": [], "names": []})
    yield ipc.frame(Type.END, {"count": len(assessments)})
