"""The screens of the demo, from what the daemon answers (the JSON form of assessments). At most 100 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.screen import colour, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WORDS = {"exchange-edge": "Exchange Edge", "exchange-online": "Exchange Online", "iis-smtp": "IIS SMTP"}
_COLOURS = {"confirmed": "red", "probable": "yellow", "suspected": "cyan"}
_PSEUDOWIRE = {"ethernet": "pw", "control": "pw"}
_OPEN = ("vulnerable", "possible", "unknown")
_MOST = 4  # rows of a list that is there to give an idea

# The metrics that say most in few lines, by the beginning of their names, and how many lines of each are enough.
_TELLING = {
    "knockfirst_ready": 1,
    "knockfirst_servers{": 4,
    "knockfirst_gate_decisions_total{": 8,
    "knockfirst_probe_outcomes_total{": 2,
    "knockfirst_objections_total{": 2,
    "knockfirst_objection_effect_seconds_bucket{": 1,
    "knockfirst_probe_kill_switch": 1,
    "knockfirst_consent_customers": 1,
    "knockfirst_cases{": 1,
    "knockfirst_cases_untold_servers{": 2,
    "knockfirst_notices_total{": 1,
    "knockfirst_notice_answers_total{": 2,
    "knockfirst_audit_entries": 1,
}


def overview(simulated: Iterable[tuple[str, str, str]], found: Mapping[str, dict[str, Any]], *, on: bool) -> str:
    """One row a server: its address, its access line, what was simulated there, and what the daemon makes of it."""
    headers = ("address", "line", "simulated", "seen as", "sure", "build", "open", "support")
    rows = [(address, line(stack), label, *_seen(found.get(address), on=on)) for address, label, stack in simulated]
    return table(headers, rows)


def _seen(said: dict[str, Any] | None, *, on: bool) -> tuple[str, ...]:
    if said is None:
        return "not seen", "-", "-", "-", "-"
    seen_as = colour(product(said), _COLOURS.get(said["verdict"], ""), on)
    count = sum(1 for each in said["exposure"] if each["cve"] and each["status"] in _OPEN)
    ended = any(each["cve"] is None for each in said["exposure"])
    return seen_as, f"{said['confidence']:.2f}", build(said), str(count or "-"), "ended" if ended else "-"


def line(stack: str) -> str:
    """An access line in short: its encapsulations without their numbers, a pseudowire as ``pw``."""
    words = (word.partition(":")[0] for word in stack.split())
    return " ".join(_PSEUDOWIRE.get(word, word) for word in words) or "plain"


def product(said: dict[str, Any]) -> str:
    """Product and generation in a person's words."""
    name = _WORDS.get(said["product"], said["product"].capitalize() if said["verdict"] != "none" else said["product"])
    return f"{name} {said['generation'] or ''}".strip()


def build(said: dict[str, Any]) -> str:
    """The build as exactly as it is known."""
    known = said["build"]
    if not known or known["precision"] not in ("cu", "su"):
        return "-"
    exact = known["low"] == known["high"]
    return str(known["low"]) if exact else known["low"].rpartition(".")[0] + ".x"


def exposure(said: dict[str, Any]) -> str:
    """How many holes are open, and whether support has ended."""
    held = said["exposure"]
    counts = {status: sum(1 for each in held if each["cve"] and each["status"] == status) for status in _OPEN}
    parts = ["out of support"] if any(each["cve"] is None for each in held) else []
    return ", ".join([*parts, *(f"{count} {status}" for status, count in counts.items() if count)]) or "-"


def explanation(said: dict[str, Any]) -> str:
    """Why one server is believed to be what it is, and what follows."""
    telling = sorted(said["evidence"], key=lambda each: -each["weight"])[:_MOST]
    rows = [(str(each["port"]), each["fingerprint"], each["value"].replace("\n", " ")[:120]) for each in telling]
    lines = [f"Why {said['address']} is believed to be {product(said)}, build {build(said)}:", ""]
    lines += [table(("port", "fingerprint", "what the server said"), rows), ""]
    open_cves = [each for each in said["exposure"] if each["cve"] and each["status"] in _OPEN]
    if open_cves:
        rows = [(each["cve"], each["name"], each["status"]) for each in open_cves[:_MOST]]
        lines += [f"What follows: {exposure(said)}. The first of them:", "", table(("CVE", "name", "status"), rows), ""]
    return "\n".join(lines)


def metrics_lines(exposition: str) -> str:
    """A few telling lines of the metrics page that are not 0, or its first ones where none is known."""
    samples = [sample for sample in exposition.splitlines() if sample and not sample.startswith("#")]
    held = [sample for sample in samples if not sample.endswith(" 0.0")]
    telling = [sample for name, most in _TELLING.items() for sample in [s for s in held if s.startswith(name)][:most]]
    return "\n".join(f"  {sample[:97]}" for sample in (telling or samples[:12]))
