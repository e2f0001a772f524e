"""When each alert fires and when it does not: samples every fifteen seconds from time 0, in promtool's notation.

A time told in seconds is one of a look every fifteen seconds, in minutes of one every minute. A router is
``instance="r1",job="knockfirst"`` in every series. What does not fire comes near: the value at its bound, or a cause
that has another name.
"""

from __future__ import annotations

from typing import NamedTuple

Series = dict[str, str]
DAY = 5760  # samples of a day
HOUR = 240


class Case(NamedTuple):
    """``labels``: those of the alert beside job, instance and severity; ``value``: what its summary says it is."""

    fires: Series
    at: str
    quiet: tuple[tuple[Series, str], ...]
    labels: dict[str, str] = {}  # noqa: RUF012 - a tuple of constants
    value: str = ""


def _gauge(name: str, bad: str, good: str, at: str, early: str = "", **labels: str) -> Case:
    """A gauge that is bad at once, and one that is good; not told at ``early``, where that is given."""
    quiet = (({name: f"{good}x{HOUR}"}, at), *((({name: f"{bad}x{HOUR}"}, early),) if early else ()))
    return Case({name: f"{bad}x{HOUR}"}, at, quiet, labels)


def _counter(name: str, at: str = "5m", other: str = "", early: str = "", **labels: str) -> Case:
    """A counter that rises, one that stands, and one that began anew; ``other`` rises and is another matter."""
    rises = "0x4 1+1x200"
    quiet = (
        ({name: f"7x{HOUR}"}, at),
        ({name: "7x4 0x230"}, at),
        *((({other: rises}, at),) if other else ()),
        *((({name: rises}, early),) if early else ()),
    )
    return Case({name: rises}, at, quiet, labels)


_OFFERED = 'knockfirst_capture_frames_offered_total{interface="eth1"}'
_MISSED = 'knockfirst_capture_frames_missed_total{interface="eth1"}'
_SEEN = 'knockfirst_capture_frames_total{interface="eth1"}'
_DROPPED = 'knockfirst_capture_frames_dropped_total{interface="eth1",reason="%s"}'
_UP = 'knockfirst_capture_interface_up{interface="eth1"}'
_ARMED = 'knockfirst_probe_missing{piece="armed"}'
_SINK = 'knockfirst_probe_missing{piece="audit_sink"}'
_TXT = 'knockfirst_probe_missing{piece="probing_txt"}'
_CLOCK = "knockfirst_probe_clock_synchronised"
_MADE = "knockfirst_audit_offbox_checkpoint_timestamp_seconds"
_WITHIN = 'knockfirst_limit_seconds{limit="checkpoint"}'
_SYNCED = 'knockfirst_mapping_synced_timestamp_seconds{source="crm"}'
_FRESH = 'knockfirst_limit_seconds{limit="mapping"}'
_WAITS = "knockfirst_notices_oldest_timestamp_seconds"
_UNSURE = "knockfirst_notices_uncertain_total"
_TASK = 'knockfirst_case_task_oldest_timestamp_seconds{channel="%s"}'
_ENDED = 'knockfirst_notices_total{channel="%s",outcome="%s",step="tell"}'
_CAME = 'knockfirst_notice_bounces_total{kind="%s"}'
_UNTAKEN = "knockfirst_notice_webhook_oldest_timestamp_seconds"
_HOOK = 'knockfirst_notice_webhook_total{outcome="%s"}'
_DELETED = "knockfirst_case_deletion_timestamp_seconds"
_ERASED = "knockfirst_customer_erasures_oldest_timestamp_seconds"
_UNENDED = "knockfirst_audit_intents_without_outcome"
_REACH = 'knockfirst_catalogue_reach_timestamp_seconds{part="kev"}'
_SHELL = 'knockfirst_servers_exposed{cve="CVE-2021-34473",kev="%s",status="%s"}'
_OUTCOME = 'knockfirst_probe_outcomes_total{outcome="%s",probe="exchange-http"}'
_REJECTED = 'knockfirst_ipc_rejected_total{door="capture",reason="json"}'
_CVE = {"cve": "CVE-2021-34473"}

CASES = {
    "KnockfirstAbsent": Case(
        {'up{job="node"}': "1x240"}, "6m", (({"up": "0x240"}, "6m"), ({'up{job="node"}': "1x240"}, "4m"))
    ),
    "KnockfirstDown": Case(
        {"up": "0x240"}, "4m",
        (({"up": "1x240"}, "4m"), ({"up": "0x240"}, "2m"), ({'up{job="node"}': "0x240"}, "4m")),
    ),
    "KnockfirstNotReady": _gauge(
        'knockfirst_not_ready{reason="capture_absent"}', "1", "0", "6m", "4m", reason="capture_absent"
    ),
    "KnockfirstSnapshotOld": _gauge("knockfirst_snapshot_timestamp_seconds", "0", "0+15", "4m", "2m"),
    "KnockfirstCaptureSilent": Case(
        {"knockfirst_last_progress_timestamp_seconds": "0x240", _UP: "0x240"}, "4m",
        (
            ({"knockfirst_last_progress_timestamp_seconds": "0+15x240", _UP: "1x240"}, "4m"),
            ({"knockfirst_last_progress_timestamp_seconds": "0x240"}, "4m"),
            ({"knockfirst_last_progress_timestamp_seconds": "0x240", _UP: "0x240"}, "2m"),
        ),
    ),
    "KnockfirstRestarting": _gauge("knockfirst_start_time_seconds", "1x20 2x20 3x20 4", "1x40 2x40 3", "20m"),
    "KnockfirstRoleRestarting": Case(
        {'knockfirst_ipc_connections_total{door="capture"}': "1+1x240"}, "10m",
        (
            ({'knockfirst_ipc_connections_total{door="control"}': "1+1x240"}, "10m"),
            ({'knockfirst_ipc_connections_total{door="capture"}': "1x20 2x20 3x20 4x100"}, "15m"),
        ),
        {"door": "capture"},
    ),
    "KnockfirstRoleRejected": Case(
        {_REJECTED: "_x8 1x240"}, "4m", (({_REJECTED: "1x240"}, "20m"), ({_REJECTED: "0x240"}, "5m")),
        {"door": "capture", "reason": "json"},
    ),
    "KnockfirstReloadFailed": _gauge("knockfirst_config_last_reload_successful", "0", "1", "6m", "4m"),
    "KnockfirstSectionNotApplied": Case(
        {"knockfirst_section": "3x240", "knockfirst_section_applied": "2x240"}, "2m",
        (
            ({"knockfirst_section": "3x240", "knockfirst_section_applied": "3x240"}, "2m"),
            ({"knockfirst_section": "3x240", "knockfirst_section_applied": "2x2 3x230"}, "2m"),
            ({"knockfirst_section": "3x240", "knockfirst_section_applied": "2x240"}, "45s"),
        ),
    ),
    "KnockfirstPrefixFilesFailing": _gauge("knockfirst_prefix_files_failing", "1", "0", "3m", "1m"),
    "KnockfirstInventoryFull": Case(
        {"knockfirst_inventory_servers": "96x240", "knockfirst_inventory_servers_limit": "100x240"}, "16m",
        (
            ({"knockfirst_inventory_servers": "95x240", "knockfirst_inventory_servers_limit": "100x240"}, "16m"),
            ({"knockfirst_inventory_servers": "96x240", "knockfirst_inventory_servers_limit": "100x240"}, "14m"),
        ),
    ),
    "KnockfirstFilterSuspect": _gauge(
        'knockfirst_capture_filter_suspect{interface="eth1"}', "1", "0", "2m", "45s", interface="eth1"
    ),
    "KnockfirstNoFrames": Case(
        {_OFFERED: "7x240", _UP: "1x240"}, "20m",
        (
            ({_OFFERED: "7+1x240", _UP: "1x240"}, "20m"),
            ({_OFFERED: "7x240", _UP: "0x240"}, "20m"),
            ({_OFFERED: "7x240", _UP: "1x240"}, "14m"),
        ),
        {"interface": "eth1"},
    ),
    "KnockfirstInterfaceDown": _gauge(_UP, "0", "1", "3m", "1m", interface="eth1"),
    "KnockfirstRingLoss": Case(
        {_DROPPED % "ring": "0+2x240", _SEEN: "0+1000x240"}, "15m",
        (
            ({_DROPPED % "ring": "0+1x240", _SEEN: "0+1000x240"}, "15m"),
            ({_DROPPED % "not_wanted": "0+500x240", _SEEN: "0+1000x240"}, "15m"),
            ({_DROPPED % "ring": "0+2x240", _SEEN: "0+1000x240"}, "9m"),
        ),
        {"interface": "eth1"},
    ),
    "KnockfirstCardLoss": Case(
        {_MISSED: "0+2x240", _OFFERED: "0+1000x240"}, "15m",
        (
            ({_MISSED: "0+1x240", _OFFERED: "0+1000x240"}, "15m"),
            ({_MISSED: "0+2x240", _OFFERED: "0+1000x240"}, "9m"),
        ),
        {"interface": "eth1"},
    ),
    "KnockfirstFactsLost": _counter("knockfirst_capture_observations_queue_full_total", "8m", early="4m"),
    "KnockfirstPrefixesDemoted": _gauge(
        'knockfirst_capture_filter_demoted_prefixes{interface="eth1"}', "1", "0", "16m", "14m", interface="eth1"
    ),
    "KnockfirstStoreWriteFailures": _counter("knockfirst_store_write_failures_total"),
    "KnockfirstRetentionLate": Case(
        {"knockfirst_retention_last_success_timestamp_seconds": "0x720"}, "140m",
        (
            ({"knockfirst_retention_last_success_timestamp_seconds": "0x720"}, "130m"),
            ({"knockfirst_retention_last_success_timestamp_seconds": "0x240 3600x480"}, "140m"),
        ),
    ),
    "KnockfirstErasureStuck": Case(
        {_ERASED: "_x40 600x240"}, "21m", (({_ERASED: "_x40 600x240"}, "20m"), ({_ERASED: "_x40 600x20 _x200"}, "21m")),
    ),
    "KnockfirstStoreFull": _counter(
        'knockfirst_store_deleted_total{reason="rows"}', other='knockfirst_store_deleted_total{reason="age"}',
        reason="rows",
    ),
    "KnockfirstObjectionPending": Case(
        {"knockfirst_objections_pending": "1x240"}, "1m",
        (({"knockfirst_objections_pending": "0x240"}, "1m"), ({"knockfirst_objections_pending": "1 0 1 0 1 0"}, "60s")),
    ),
    "KnockfirstObjectionSlow": Case(
        {
            "knockfirst_objection_effect_seconds_count": "0x4 1x200",
            'knockfirst_objection_effect_seconds_bucket{le="5"}': "0x205",
        }, "5m",
        (
            ({
                "knockfirst_objection_effect_seconds_count": "0x4 1x200",
                'knockfirst_objection_effect_seconds_bucket{le="5"}': "0x4 1x200",
                'knockfirst_objection_effect_seconds_bucket{le="2.5"}': "0x205",
            }, "5m"),
            # As Prometheus 3 writes the bound.
            ({
                "knockfirst_objection_effect_seconds_count": "0x4 1x200",
                'knockfirst_objection_effect_seconds_bucket{le="5.0"}': "0x4 1x200",
            }, "5m"),
        ),
    ),
    "KnockfirstObjectionNotApplied": _counter(
        'knockfirst_objections_total{event="unmatched"}', other='knockfirst_objections_total{event="prefix"}',
        event="unmatched",
    ),
    "KnockfirstObjectionFilesFailing": _gauge("knockfirst_objection_files_failing", "1", "0", "3m", "1m"),
    "KnockfirstMappingAging": Case(
        {_SYNCED: "0x240", _FRESH: "1000x240"}, "30m",
        (
            ({_SYNCED: "0x240", _FRESH: "3000x240"}, "30m"),
            ({_SYNCED: "0x240", _FRESH: "1000x240"}, "25m"),  # longer than 800 s, but not for a quarter of an hour
            ({_SYNCED: "0+15x240", _FRESH: "1000x240"}, "30m"),
        ),
        {"source": "crm"},
    ),
    "KnockfirstMappingStale": Case(
        {_SYNCED: "0x240", _FRESH: "1000x240"}, "17m",
        (
            ({_SYNCED: "0x240", _FRESH: "1000x240"}, "16m"),
            ({_SYNCED: "0x240", _FRESH: "2000x240"}, "17m"),
            ({_SYNCED: "0x240", _WITHIN: "1x240"}, "17m"),
        ),
        {"source": "crm"},
    ),
    "KnockfirstMappingConflicts": Case(
        {"knockfirst_mapping_conflicts": "2x480"}, "61m",
        (
            ({"knockfirst_mapping_conflicts": "0x480"}, "61m"),
            ({"knockfirst_mapping_conflicts": "2x480"}, "59m"),
        ),
        value="2",
    ),
    "KnockfirstSelfAuditDifference": _gauge("knockfirst_selfaudit_syn_minus_intents", "1", "0", "1m"),
    "KnockfirstAuditWriteFailures": _counter("knockfirst_audit_write_failures_total"),
    "KnockfirstCheckpointFailures": _counter("knockfirst_audit_checkpoint_failures_total", "8m", early="4m"),
    "KnockfirstCheckpointAging": Case(
        {_MADE: "0x240", _WITHIN: "100x240"}, "75s",
        (
            ({_MADE: "0x240", _WITHIN: "100x240"}, "60s"),
            ({_MADE: "0x240", _WITHIN: "200x240"}, "75s"),
            ({_MADE: "0+15x240", _WITHIN: "100x240"}, "75s"),
        ),
    ),
    "KnockfirstCheckpointStale": Case(
        {_MADE: "0x240", _WITHIN: "100x240"}, "180s",
        (
            ({_MADE: "0x240", _WITHIN: "100x240"}, "150s"),  # longer than allowed, but not for a minute
            ({_MADE: "0x240", _WITHIN: "200x240"}, "180s"),
            ({_MADE: "0+15x240", _WITHIN: "100x240"}, "180s"),
        ),
    ),
    "KnockfirstIntentWithoutOutcome": Case(
        {_UNENDED: "3x100 4x140"}, "30m", (({_UNENDED: "3x240"}, "30m"), ({_UNENDED: "4x100 3x140"}, "30m")),
    ),
    "KnockfirstKillSwitchOn": _gauge("knockfirst_probe_kill_switch", "1", "0", "1m"),
    "KnockfirstProberDown": Case(
        {"knockfirst_probe_armed": "1x240", "knockfirst_probe_prober_up": "0x240"}, "3m",
        (
            ({"knockfirst_probe_armed": "0x240", "knockfirst_probe_prober_up": "0x240"}, "3m"),
            ({"knockfirst_probe_armed": "1x240", "knockfirst_probe_prober_up": "1x240"}, "3m"),
            ({"knockfirst_probe_armed": "1x240", "knockfirst_probe_prober_up": "0x240"}, "1m"),
        ),
    ),
    "KnockfirstPieceMissing": Case(
        {_ARMED: "0x240", _TXT: "1x240"}, "16m",
        (
            ({_ARMED: "1x240", _TXT: "1x240"}, "16m"),
            ({_ARMED: "0x240", _TXT: "0x240"}, "16m"),
            ({_ARMED: "0x240", _TXT: "1x240"}, "14m"),
        ),
        {"piece": "probing_txt"},
    ),
    "KnockfirstClockNotSynchronised": Case(
        {_ARMED: "0x240", _CLOCK: "0x240"}, "11m",
        (
            ({_ARMED: "1x240", _TXT: "0x240", _CLOCK: "0x240"}, "11m"),
            ({_ARMED: "0x240", _CLOCK: "1x240"}, "11m"),
            ({_ARMED: "0x240", _CLOCK: "0x240"}, "9m"),
        ),
    ),
    "KnockfirstBreakerOpen": Case(
        {'knockfirst_breaker_open{level="whole"}': "1x240"}, "1m",
        (
            ({'knockfirst_breaker_open{level="whole"}': "0x240"}, "1m"),
            ({'knockfirst_breaker_open{level="host"}': "1x240"}, "1m"),
        ),
        {"level": "whole"},
    ),
    "KnockfirstHostBreakerOpen": Case(
        {'knockfirst_breaker_open{level="host"}': "1x240"}, "1m",
        (
            ({'knockfirst_breaker_open{level="host"}': "0x240"}, "1m"),
            ({'knockfirst_breaker_open{level="customer"}': "1x240"}, "1m"),
        ),
        {"level": "host"},
    ),
    **{
        name: _counter(_OUTCOME % outcome, other=_OUTCOME % other, outcome=outcome, probe="exchange-http")
        for name, outcome, other in (
            ("KnockfirstOutcomeBug", "bug", "confirmed"),
            ("KnockfirstOutcomeUnknown", "unknown", "inconclusive"),
            ("KnockfirstHolderChanged", "holder_changed", "cancelled"),
        )
    },
    "KnockfirstExploitedHole": Case(
        {_SHELL % ("yes", "vulnerable"): "1x240"}, "1m",
        (
            ({_SHELL % ("yes", "vulnerable"): "0x240"}, "1m"),
            ({_SHELL % ("yes", "possible"): "1x240"}, "1m"),
            ({_SHELL % ("no", "vulnerable"): "1x240"}, "1m"),
        ),
        _CVE, "1",
    ),
    "KnockfirstCatalogueOld": Case(
        {_REACH: "-15552000x480"}, "62m",
        (({_REACH: "-15552000x480"}, "58m"), ({_REACH: "-15540000x480"}, "62m")), {"part": "kev"},
    ),
    "KnockfirstExploitedHoleNew": Case(
        {_SHELL % ("yes", "vulnerable"): "0x240 1x240"}, "62m",
        (
            ({_SHELL % ("yes", "vulnerable"): "1x240"}, "20m"),  # it was there before
            ({_SHELL % ("yes", "vulnerable"): "1x120 0x4 1x240"}, "35m"),  # the agent was restarted
            ({_SHELL % ("yes", "vulnerable"): "0x240"}, "1m"),
        ),
        _CVE,
    ),
    "KnockfirstNoticesStuck": Case(
        {_WAITS: "-14400x480"}, "16m",
        (({_WAITS: "-14400x480"}, "14m"), ({_WAITS: "-13000x480"}, "16m")),
    ),
    "KnockfirstCaseWriteFailures": _counter("knockfirst_case_write_failures_total"),
    "KnockfirstNotifierAbsent": Case(
        {"knockfirst_notices_waiting": "1x240", "knockfirst_notices_notifier_up": "0x240"}, "11m",
        (
            ({"knockfirst_notices_waiting": "0x240", "knockfirst_notices_notifier_up": "0x240"}, "11m"),
            ({"knockfirst_notices_waiting": "1x240", "knockfirst_notices_notifier_up": "1x240"}, "11m"),
            ({"knockfirst_notices_waiting": "1x240", "knockfirst_notices_notifier_up": "0x240"}, "9m"),
        ),
    ),
    "KnockfirstNoticesUncertain": Case(
        {_UNSURE: "0x20 0+1x10 10x400"}, "30m",
        (({_UNSURE: "0x20 0+1x3 3x400"}, "30m"), ({_UNSURE: "70x400"}, "30m"), ({_UNSURE: "70x40 0x400"}, "30m")),
    ),
    "KnockfirstNoticesComeBack": Case(
        {_ENDED % ("mail", "bounced"): "0+1x400", _ENDED % ("mail", "sent"): "0+4x400"}, "40m",
        (
            ({_ENDED % ("mail", "bounced"): "0+1x400", _ENDED % ("mail", "sent"): "0+6x400"}, "40m"),
            ({_ENDED % ("mail", "bounced"): "0+1x400", _ENDED % ("mail", "sent"): "0+4x400"}, "25m"),
            ({_ENDED % ("mail", "bounced"): "0x8 1x400", _ENDED % ("mail", "sent"): "0x8 2x400"}, "40m"),
            ({_ENDED % ("mail", "cancelled"): "0+9x400", _ENDED % ("mail", "sent"): "0+4x400"}, "40m"),
            ({_ENDED % ("phone", "wrong"): "0+9x400", _ENDED % ("mail", "sent"): "0+4x400"}, "40m"),
        ),
    ),
    "KnockfirstBouncesUnreadable": _counter(
        _CAME % "unreadable", "17m", other=_CAME % "others", early="14m", kind="unreadable"
    ),
    "KnockfirstWebhookStuck": Case(
        {_UNTAKEN: "0x480"}, "66m", (({_UNTAKEN: "0x480"}, "64m"), ({_UNTAKEN: "0x240 1800x240"}, "66m")),
    ),
    "KnockfirstWebhookGivenUp": _counter(
        _HOOK % "given_up", other=_HOOK % "retried", outcome="given_up"
    ),
    "KnockfirstTasksOverdue": Case(
        {_TASK % "phone": "-172800x480"}, "31m",
        (
            ({_TASK % "phone": "-172800x480"}, "29m"), ({_TASK % "phone": "-170000x480"}, "31m"),
            ({_TASK % "desk": "-172800x480"}, "31m"),
        ),
        {"channel": "phone"},
    ),
    "KnockfirstCaseAtDesk": Case(
        {_TASK % "desk": "-86400x480"}, "31m",
        (
            ({_TASK % "desk": "-86400x480"}, "29m"), ({_TASK % "desk": "-84000x480"}, "31m"),
            ({_TASK % "phone": "-86400x480"}, "31m"),
        ),
        {"channel": "desk"},
    ),
    "KnockfirstCaseDeletionLate": Case(
        {_DELETED: "0x720"}, "140m", (({_DELETED: "0x720"}, "130m"), ({_DELETED: "0x240 3600x480"}, "140m")),
    ),
}  # fmt: skip

# Further ways in which one fires.
MORE = {
    "KnockfirstCheckpointStale": Case(
        {_SINK: "0x240"}, "2m", (({_SINK: "1x240", _TXT: "0x240"}, "2m"),), {"piece": "audit_sink"}
    ),
    "KnockfirstRoleRejected": Case(
        {_REJECTED: "1x80 2x160"}, "21m", (({_REJECTED: "1x80 2x400"}, "40m"),), {"door": "capture", "reason": "json"}
    ),
    "KnockfirstWebhookGivenUp": _counter(_HOOK % "dropped", other=_HOOK % "delivered", outcome="dropped"),
    "KnockfirstExploitedHoleNew": Case(
        {_SHELL % ("yes", "vulnerable"): "4x240 5x240"}, "62m",
        (({_SHELL % ("yes", "vulnerable"): "4x240 3x240"}, "62m"),), _CVE,
    ),
}  # fmt: skip
