"""Consent, knocking and the log as metrics; there are none where nothing is kept on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.families import by_one, histogram, many, one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from agent.asked import Permitted


def permission(said: Permitted | None) -> Iterator[Metric]:
    """The families; docs/metrics.md says what each means."""
    if said is not None:
        yield from _consent(said)
        yield from _knocking(said)
        yield from _log(said)


def _consent(said: Permitted) -> Iterator[Metric]:
    yield one("consent_customers", said.customers)
    yield by_one("consent_customers_by_leave", said.by_leave.items())
    yield by_one("consent_servers", said.covered.items())
    yield many("consent_records", [((row.basis, row.state), row.count) for row in said.records])
    yield one("consent_objections", said.standing_objections)
    yield one("announcement_wait_customers", said.waiting)
    yield by_one("mapping_synced_timestamp_seconds", said.synced.items())
    yield one("mapping_conflicts", said.mapping_conflicts)
    yield by_one("objections_total", said.objections.items())
    yield one("objections_pending", said.effects_pending)
    yield one("objection_files_failing", said.drop_failing)
    yield histogram("objection_effect_seconds", said.effect_seconds)


def _knocking(said: Permitted) -> Iterator[Metric]:
    yield one("probe_armed", not (any(said.missing.values()) or said.killed))
    yield by_one("probe_missing", said.missing.items())
    yield one("probe_kill_switch", said.killed)
    yield one("probe_prober_up", said.prober)
    yield one("probe_clock_synchronised", said.clock_synced)
    yield one("probes_running", said.running)
    yield many("gate_decisions_total", [((row.decision, row.reason), row.count) for row in said.decisions])
    yield by_one("gate_refused_servers", said.refused_now.items())
    yield many("probe_outcomes_total", [((row.probe, row.outcome), row.count) for row in said.outcomes])
    yield by_one("breaker_open", said.breakers.items())


def _log(said: Permitted) -> Iterator[Metric]:
    yield one("audit_entries", said.log_entries)
    if said.erasing_last_success is not None:
        yield one("customer_erasure_timestamp_seconds", said.erasing_last_success)
    yield one("customer_erasures_unended", said.erasures_unended)
    if said.erasure_oldest is not None:
        yield one("customer_erasures_oldest_timestamp_seconds", said.erasure_oldest)
    yield one("audit_intents_without_outcome", said.unended)
    yield one("audit_write_failures_total", said.log_failures)
    yield one("audit_checkpoint_failures_total", said.checkpoint_failures)
    if said.checkpoint_made is not None:
        yield one("audit_offbox_checkpoint_timestamp_seconds", said.checkpoint_made)
    audited = dict(said.self_audit)
    yield one("selfaudit_syn_minus_intents", audited.pop("difference", 0))
    yield one("selfaudit_waiting_connections", audited.pop("waiting", 0))
    yield by_one("selfaudit_connections_total", audited.items())
