"""Consent, knocking and the log as metrics; there are none where nothing is kept on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import HistogramMetricFamily

from exporters.families import by_one, counter, counters, gauge, gauges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from agent.asked import Delay, Permitted


def permission(said: Permitted | None) -> Iterator[Metric]:
    """The families; docs/operating.md says what each means."""
    if said is not None:
        yield from _consent(said)
        yield from _knocking(said)
        yield from _log(said)


def _consent(said: Permitted) -> Iterator[Metric]:
    yield gauge("consent_customers", "Customers of whom the register knows anything.", said.customers)
    yield gauges(
        "consent_records", "Consent records by basis and state.", ("basis", "state"),
        [((row.basis, row.state), row.count) for row in said.records],
    )  # fmt: skip
    yield gauge("consent_objections", "Objections that stand.", said.standing_objections)
    yield gauge("announcement_wait_customers", "Customers who were told, but not long enough ago.", said.waiting)
    yield gauges(
        "mapping_age_seconds", "Seconds since a source was last read in full.", ("source",),
        by_one(said.mapping_ages.items()),
    )  # fmt: skip
    yield counters("objections", "Objections that came in, and by what became of them.", ("event",),
        by_one(said.objections.items()))  # fmt: skip
    yield gauge("objections_pending", "Changes of permission that are not in force everywhere.", said.effects_pending)
    yield _histogram("objection_effect_seconds", "From an objection to its being in force.", said.effect_seconds)


def _knocking(said: Permitted) -> Iterator[Metric]:
    yield gauge("probe_armed", "1 if every piece is in place and the kill switch is off.",
        not (any(said.missing.values()) or said.killed))  # fmt: skip
    yield gauges("probe_missing", "1 for each piece of arming that is missing.", ("piece",),
        by_one(said.missing.items()))  # fmt: skip
    yield gauge("probe_kill_switch", "1 while the kill switch is on.", said.killed)
    yield gauge("probe_prober_up", "1 while there is a prober.", said.prober)
    yield gauge("probe_clock_synchronised", "1 if the clock is known to be synchronised.", said.clock_synced)
    yield gauge("probes_running", "Probes that have been granted and have not ended.", said.running)
    yield counters(
        "gate_decisions", "Decisions: granted, or refused and why; of the schedule, where that has changed.",
        ("decision", "reason"), [((row.decision, row.reason), row.count) for row in said.decisions],
    )  # fmt: skip
    yield gauges("gate_refused_servers", "Servers worth knocking at, by the reason why nobody does.", ("reason",),
        by_one(said.refused_now.items()))  # fmt: skip
    yield counters("probe_outcomes", "Probes that have ended, and how.", ("probe", "outcome"),
        [((row.probe, row.outcome), row.count) for row in said.outcomes])  # fmt: skip
    yield gauges("breaker_open", "Breakers that are open.", ("level",), by_one(said.breakers.items()))
    yield gauge(
        "selfaudit_syn_minus_intents", "Connections seen and not in the log, or in the log and not seen: must be 0.",
        said.self_audit.get("difference", 0),
    )  # fmt: skip
    yield gauges("selfaudit_connections", "Connections of the probe's addresses, by how they fit the log.", ("state",),
        by_one(item for item in said.self_audit.items() if item[0] != "difference"))  # fmt: skip


def _log(said: Permitted) -> Iterator[Metric]:
    yield gauge("audit_entries", "Entries in the audit log.", said.log_entries)
    yield counter("audit_write_failures", "Writes to the audit log that failed.", said.log_failures)
    yield counter("audit_checkpoint_failures", "Checkpoints that did not reach a sink.", said.checkpoint_failures)
    if said.checkpoint_age is not None:
        yield gauge(
            "audit_offbox_checkpoint_age_seconds", "Seconds since a checkpoint last reached a sink outside.",
            said.checkpoint_age,
        )  # fmt: skip


def _histogram(name: str, text: str, delay: Delay) -> Metric:
    # The canonical numbers of OpenMetrics 1.0: 1.0 and not 1.
    buckets = [
        *((str(float(bound)), float(count)) for bound, count in delay.buckets),
        ("+Inf", float(delay.count)),
    ]
    return HistogramMetricFamily(f"knockfirst_{name}", text, buckets=buckets, sum_value=delay.sum)
