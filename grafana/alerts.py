"""The alerts. Each has a section of its name in docs/runbook.md, and tests in which it fires and does not."""

from __future__ import annotations

from grafana.rules import Alert, Group

_ON = "{{ $labels.instance }}"
_FLEET, _COLLECTOR, _CONSENT = "knockfirst-fleet", "knockfirst-collector", "knockfirst-consent"
_EXPOSURE, _SELF, _TELLING = "knockfirst-exposure", "knockfirst-self", "knockfirst-telling"
_EXPLOITABLE = "instance_cve:knockfirst_servers_exploitable:sum"
# Only where the operator wants to knock, the pieces of it are missed.
_WANTED = 'and on (job, instance) knockfirst_probe_missing{piece="armed"} == 0'


def _grown(counter: str, over: str) -> str:
    """That a counter rose, or that it came to be: some are not there before they count anything."""
    return f"increase({counter}[{over}]) > 0 or ({counter} unless {counter} offset {over}) > 0"


def _since(what: str) -> str:
    """Seconds since then."""
    return f"time() - knockfirst_{what}_timestamp_seconds"


def _limit(what: str) -> str:
    """What the configuration of that router allows: a number that is written in one place."""
    return f'knockfirst_limit_seconds{{limit="{what}"}}'


def _mails(outcomes: str) -> str:
    """Of each router, the messages of a day that ended so."""
    chosen = f'channel="mail",outcome=~"{outcomes}"'
    return f"sum by (job, instance) (increase(knockfirst_notices_total{{{chosen}}}[1d]))"


ROUTER = Group("knockfirst-router", (
    Alert("KnockfirstAbsent", "critical", "5m", 'absent(up{job="knockfirst"})',
          "Prometheus knows no router with knockfirst", (_FLEET, "Routers scraped")),
    Alert("KnockfirstDown", "critical", "3m", 'up{job="knockfirst"} == 0',
          f"{_ON}: knockfirst cannot be scraped", (_FLEET, "Routers not scraped")),
    Alert("KnockfirstNotReady", "warning", "5m", "knockfirst_not_ready == 1",
          f"{_ON}: not ready: {{{{ $labels.reason }}}}", (_FLEET, "Why not ready")),
    Alert("KnockfirstSnapshotOld", "warning", "2m", "time() - knockfirst_snapshot_timestamp_seconds > 60",
          f"{_ON}: the agent has told nothing for more than a minute; what is shown is old",
          (_SELF, "Oldest snapshot")),
    Alert("KnockfirstCaptureSilent", "warning", "2m",
          "time() - knockfirst_last_progress_timestamp_seconds > 60"
          " and on (job, instance) count by (job, instance) (knockfirst_capture_interface_up) > 0",
          f"{_ON}: capture looks at interfaces and has told the agent nothing for more than a minute",
          (_SELF, "Since capture told anything")),
    Alert("KnockfirstRestarting", "warning", "0m", "changes(knockfirst_start_time_seconds[30m]) > 2",
          f"{_ON}: the agent was restarted more than twice in half an hour", (_SELF, "Youngest agent")),
    Alert("KnockfirstRoleRestarting", "warning", "0m",
          'increase(knockfirst_ipc_connections_total{door!="control"}[30m]) > 6',
          f"{_ON}: the role {{{{ $labels.door }}}} begins again and again", (_SELF, "Connections to the agent")),
    Alert("KnockfirstRoleRejected", "critical", "0m", _grown("knockfirst_ipc_rejected_total", "15m"),
          f"{_ON}: {{{{ $labels.door }}}} sent the agent what no role sends ({{{{ $labels.reason }}}})",
          (_SELF, "Connections rejected")),
    Alert("KnockfirstReloadFailed", "warning", "5m", "knockfirst_config_last_reload_successful == 0",
          f"{_ON}: the last reload failed; the configuration before is in force", (_SELF, "Reloads that failed")),
    Alert("KnockfirstSectionNotApplied", "critical", "1m", "knockfirst_section - knockfirst_section_applied > 0",
          f"{_ON}: capture does not judge by the newest prefixes; an objection may not be in force",
          (_SELF, "Capture behind")),
    Alert("KnockfirstPrefixFilesFailing", "warning", "2m", "knockfirst_prefix_files_failing > 0",
          f"{_ON}: a prefix file cannot be used; its last good set is in force", (_SELF, "Prefix files failing")),
    Alert("KnockfirstInventoryFull", "warning", "15m",
          "knockfirst_inventory_servers / knockfirst_inventory_servers_limit > 0.95",
          f"{_ON}: the inventory is nearly full; servers will be forgotten", (_SELF, "Inventory full")),
))  # fmt: skip

CAPTURE = Group("knockfirst-capture", (
    Alert("KnockfirstFilterSuspect", "warning", "1m", "knockfirst_capture_filter_suspect == 1",
          f"{_ON}: frames come to {{{{ $labels.interface }}}}, and for long none matched the filter",
          (_COLLECTOR, "Filters suspected")),
    Alert("KnockfirstNoFrames", "warning", "15m",
          "rate(knockfirst_capture_frames_offered_total[10m]) == 0 and knockfirst_capture_interface_up == 1",
          f"{_ON}: {{{{ $labels.interface }}}} is up, and no frames come to it", (_COLLECTOR, "Offered")),
    Alert("KnockfirstInterfaceDown", "warning", "2m", "knockfirst_capture_interface_up == 0",
          f"{_ON}: {{{{ $labels.interface }}}} is down or gone", (_COLLECTOR, "Interfaces up")),
    Alert("KnockfirstRingLoss", "warning", "10m",
          "instance_interface:knockfirst_capture_ring_loss:ratio_rate5m > 0.001",
          f"{_ON}: the ring of {{{{ $labels.interface }}}} loses frames", (_COLLECTOR, "Lost in the ring")),
    Alert("KnockfirstCardLoss", "warning", "10m",
          "instance_interface:knockfirst_capture_card_loss:ratio_rate5m > 0.001",
          f"{_ON}: the card of {{{{ $labels.interface }}}} loses frames before anybody sees them",
          (_COLLECTOR, "Lost by the card")),
    Alert("KnockfirstFactsLost", "warning", "5m", "increase(knockfirst_capture_observations_queue_full_total[15m]) > 0",
          f"{_ON}: the agent does not keep up with capture, and facts are let go", (_COLLECTOR, "Told")),
    Alert("KnockfirstPrefixesDemoted", "info", "15m", "knockfirst_capture_filter_demoted_prefixes > 0",
          f"{_ON}: prefixes do not fit into the filter of {{{{ $labels.interface }}}}; only headers are looked at",
          (_COLLECTOR, "Prefixes without payload")),
))  # fmt: skip

STORE = Group("knockfirst-store", (
    Alert("KnockfirstStoreWriteFailures", "warning", "0m", "increase(knockfirst_store_write_failures_total[10m]) > 0",
          f"{_ON}: the store cannot be written", (_SELF, "Writes failed")),
    Alert("KnockfirstRetentionLate", "critical", "15m",
          "time() - knockfirst_retention_last_success_timestamp_seconds > 7200",
          f"{_ON}: data that is too old may still be kept; retention has not been done for two hours",
          (_SELF, "Latest retention")),
    Alert("KnockfirstErasureStuck", "critical", "0m", f"{_since('customer_erasures_oldest')} > 600",
          f"{_ON}: a customer who is to be erased has waited for more than ten minutes; something cannot be deleted",
          (_SELF, "Erasure waiting longest")),
    Alert("KnockfirstStoreFull", "info", "0m", 'increase(knockfirst_store_deleted_total{reason="rows"}[1h]) > 0',
          f"{_ON}: observations are deleted for want of room, before their time", (_SELF, "Deleted")),
))  # fmt: skip

CONSENT = Group("knockfirst-consent", (
    Alert("KnockfirstObjectionPending", "critical", "30s", "knockfirst_objections_pending > 0",
          f"{_ON}: an objection is not in force everywhere after half a minute", (_CONSENT, "Objections not in force")),
    Alert("KnockfirstObjectionSlow", "warning", "0m",
          "increase(knockfirst_objection_effect_seconds_count[1h]) - on (job, instance)"
          ' increase(knockfirst_objection_effect_seconds_bucket{le=~"5([.]0)?"}[1h]) > 0',
          f"{_ON}: an objection took more than five seconds to be in force",
          (_CONSENT, "From an objection to its effect")),
    Alert("KnockfirstObjectionNotApplied", "warning", "0m",
          'increase(knockfirst_objections_total{event=~"unmatched|unavailable|file_failed|file_line_failed"}[1h]) > 0',
          f"{_ON}: an objection came in that somebody has to look at ({{{{ $labels.event }}}})",
          (_CONSENT, "Objections")),
    Alert("KnockfirstObjectionFilesFailing", "critical", "2m", "knockfirst_objection_files_failing > 0",
          f"{_ON}: a file with objections, or its directory, cannot be used; what is in it does not count yet",
          (_CONSENT, "Dropped files failing")),
    Alert("KnockfirstMappingAging", "warning", "15m",
          f"{_since('mapping_synced')} > on (job, instance) group_left () 0.8 * {_limit('mapping')}",
          f"{_ON}: the source {{{{ $labels.source }}}} was last read in full long ago; soon it counts no more",
          (_CONSENT, "Books")),
    Alert("KnockfirstMappingStale", "critical", "0m",
          f"{_since('mapping_synced')} > on (job, instance) group_left () {_limit('mapping')}",
          f"{_ON}: the source {{{{ $labels.source }}}} is too old; nobody of it is knocked at",
          (_CONSENT, "Books")),
    Alert("KnockfirstMappingConflicts", "warning", "60m", "knockfirst_mapping_conflicts > 0",
          f"{_ON}: {{{{ $value }}}} prefix(es) are said to be of more than one customer; nobody there is knocked at",
          (_CONSENT, "Prefixes in dispute")),
))  # fmt: skip

PROBES = Group("knockfirst-probes", (
    Alert("KnockfirstSelfAuditDifference", "critical", "0m", "knockfirst_selfaudit_syn_minus_intents > 0",
          f"{_ON}: connections that were seen and the log differ", (_CONSENT, "Connections and log differ")),
    Alert("KnockfirstAuditWriteFailures", "critical", "0m", "increase(knockfirst_audit_write_failures_total[10m]) > 0",
          f"{_ON}: the audit log cannot be written", (_CONSENT, "Failures")),
    Alert("KnockfirstCheckpointFailures", "warning", "5m",
          "increase(knockfirst_audit_checkpoint_failures_total[15m]) > 0",
          f"{_ON}: checkpoints of the log do not reach a sink", (_CONSENT, "Failures")),
    Alert("KnockfirstCheckpointAging", "warning", "0m",
          f"{_since('audit_offbox_checkpoint')} > on (job, instance) 0.7 * {_limit('checkpoint')}",
          f"{_ON}: no checkpoint got outside for most of the time that is allowed; then nobody is knocked at",
          (_CONSENT, "Checkpoint outside")),
    Alert("KnockfirstCheckpointStale", "critical", "1m",
          f"{_since('audit_offbox_checkpoint')} > on (job, instance) {_limit('checkpoint')}"
          ' or (knockfirst_probe_missing{piece="audit_sink"} == 0'
          " unless on (job, instance) knockfirst_audit_offbox_checkpoint_timestamp_seconds)",
          f"{_ON}: no checkpoint got outside for longer than is allowed; nobody is knocked at",
          (_CONSENT, "Checkpoint outside")),
    Alert("KnockfirstIntentWithoutOutcome", "warning", "0m",
          "delta(knockfirst_audit_intents_without_outcome[1h]) > 0",
          f"{_ON}: the log has a probe that began, and nobody said how it ended",
          (_CONSENT, "Probes without an end")),
    Alert("KnockfirstKillSwitchOn", "info", "0m", "knockfirst_probe_kill_switch == 1",
          f"{_ON}: the kill switch is on", (_CONSENT, "Kill switches on")),
    Alert("KnockfirstProberDown", "warning", "2m", "knockfirst_probe_armed == 1 and knockfirst_probe_prober_up == 0",
          f"{_ON}: probing is armed, and there is no prober", (_CONSENT, "Probers")),
    Alert("KnockfirstPieceMissing", "warning", "15m",
          f'knockfirst_probe_missing{{piece!="armed"}} == 1 {_WANTED}',
          f"{_ON}: probing is switched on, and {{{{ $labels.piece }}}} is missing", (_CONSENT, "Missing pieces")),
    Alert("KnockfirstClockNotSynchronised", "warning", "10m", f"knockfirst_probe_clock_synchronised == 0 {_WANTED}",
          f"{_ON}: the clock is not known to be synchronised; nobody is knocked at", (_CONSENT, "Clocks")),
    Alert("KnockfirstBreakerOpen", "warning", "0m", 'knockfirst_breaker_open{level=~"customer|whole"} > 0',
          f"{_ON}: too many probes went badly; the breaker of the {{{{ $labels.level }}}} is open",
          (_CONSENT, "Breakers open")),
    Alert("KnockfirstHostBreakerOpen", "info", "0m", 'knockfirst_breaker_open{level="host"} > 0',
          f"{_ON}: two probes in a row went badly for a host; it is let be", (_CONSENT, "Breakers open")),
    Alert("KnockfirstOutcomeBug", "critical", "0m", 'increase(knockfirst_probe_outcomes_total{outcome="bug"}[1h]) > 0',
          f"{_ON}: a probe ended by a fault of ours", (_CONSENT, "Outcomes")),
    Alert("KnockfirstOutcomeUnknown", "warning", "0m",
          'increase(knockfirst_probe_outcomes_total{outcome="unknown"}[1h]) > 0',
          f"{_ON}: nobody knows how a probe ended", (_CONSENT, "Outcomes")),
    Alert("KnockfirstHolderChanged", "critical", "0m",
          'increase(knockfirst_probe_outcomes_total{outcome="holder_changed"}[1h]) > 0',
          f"{_ON}: an address had another holder by the time of the answer", (_CONSENT, "Outcomes")),
))  # fmt: skip

EXPOSURE = Group("knockfirst-exposure", (
    Alert("KnockfirstExploitedHole", "warning", "0m", f"{_EXPLOITABLE} > 0",
          f"{_ON}: {{{{ $value }}}} server(s) open to {{{{ $labels.cve }}}}, which is exploited",
          (_EXPOSURE, "Exploited, by CVE")),
    Alert("KnockfirstExploitedHoleNew", "critical", "0m",
          f"{_EXPLOITABLE} > (max_over_time({_EXPLOITABLE}[1d] offset 10m) or {_EXPLOITABLE} * 0)",
          f"{_ON}: more servers than in the last day are open to {{{{ $labels.cve }}}}, which is exploited",
          (_EXPOSURE, "Exploited, as it went")),
    Alert("KnockfirstCatalogueOld", "info", "60m", f"{_since('catalogue_reach')} > 180 * 86400",
          f"{_ON}: the catalogue of this version ends half a year ago ({{{{ $labels.part }}}}); there is a newer one",
          (_EXPOSURE, "Catalogue")),
))  # fmt: skip

TELLING = Group("knockfirst-telling", (
    Alert("KnockfirstNoticesStuck", "warning", "15m", f"{_since('notices_oldest')} > 4 * 3600",
          f"{_ON}: a message to a customer has waited for hours; the relay does not take it",
          (_TELLING, "Oldest message")),
    Alert("KnockfirstCaseWriteFailures", "critical", "0m",
          "increase(knockfirst_case_write_failures_total[10m]) > 0",
          f"{_ON}: cases cannot be written; customers are not told", (_TELLING, "Writes failed")),
    Alert("KnockfirstNotifierAbsent", "warning", "10m",
          "knockfirst_notices_waiting > 0 and on (job, instance) knockfirst_notices_notifier_up == 0",
          f"{_ON}: messages to customers wait, and there is no notifier", (_TELLING, "Messages waiting")),
    Alert("KnockfirstNoticesUncertain", "warning", "0m", "increase(knockfirst_notices_uncertain_total[6h]) > 5",
          f"{_ON}: again and again nobody knows whether the relay took a message", (_TELLING, "Messages unsure")),
    Alert("KnockfirstNoticesComeBack", "warning", "30m",
          f"{_mails('bounced|refused|wrong')} > 0.2 * {_mails('sent|refused')} and {_mails('sent|refused')} > 9",
          f"{_ON}: of the messages of the last day more than one in five reached nobody", (_TELLING, "Came back")),
    Alert("KnockfirstBouncesUnreadable", "warning", "15m",
          'increase(knockfirst_notice_bounces_total{kind="unreadable"}[10m]) > 0',
          f"{_ON}: mail that came back cannot be read; nobody learns that a message did not arrive",
          (_TELLING, "What came back")),
    Alert("KnockfirstWebhookStuck", "warning", "5m", f"{_since('notice_webhook_oldest')} > 3600",
          f"{_ON}: the webhook has not taken what it is told for more than an hour; it is kept, and tried again",
          (_TELLING, "Webhook waits since")),
    Alert("KnockfirstWebhookGivenUp", "warning", "0m",
          'increase(knockfirst_notice_webhook_total{outcome=~"given_up|dropped"}[1h]) > 0',
          f"{_ON}: the webhook was not told of what became of a message, and will not be",
          (_TELLING, "Webhook")),
    Alert("KnockfirstTasksOverdue", "warning", "30m",
          'time() - knockfirst_case_task_oldest_timestamp_seconds{channel!="desk"} > 2 * 86400',
          f"{_ON}: a task has waited for a person for more than two days ({{{{ $labels.channel }}}})",
          (_TELLING, "Waits longest for a person")),
    Alert("KnockfirstCaseAtDesk", "warning", "30m",
          'time() - knockfirst_case_task_oldest_timestamp_seconds{channel="desk"} > 86400',
          f"{_ON}: a case has waited at the desk for more than a day; nothing happens by itself any more",
          (_TELLING, "Waits longest for a person")),
    Alert("KnockfirstCaseDeletionLate", "critical", "15m", f"{_since('case_deletion')} > 7200",
          f"{_ON}: what was found may be kept for longer than it may; it has not been deleted for two hours",
          (_TELLING, "Since the last deletion")),
))  # fmt: skip

GROUPS = (ROUTER, CAPTURE, STORE, CONSENT, PROBES, EXPOSURE, TELLING)
ALERTS = tuple(alert for group in GROUPS for alert in group.rules)
