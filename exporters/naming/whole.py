"""The program and its roles, and whether the numbers can be relied on."""

from __future__ import annotations

from agent.body import MAX_INTERFACES
from agent.ipc import REASONS
from agent.logfmt import LEVELS
from agent.model import KINDS
from agent.snapshot import DOORS, NOT_READY, ROLES
from exporters.naming.family import Family, Section

INTERFACE = f"names of interfaces of the configuration, and `file`: at most {MAX_INTERFACES + 1}"
_VERSION = "one: what runs"

WHOLE = Section("The program", "", (
    Family("build_info", "gauge", "The version that runs; always 1.",
           {"version": _VERSION, "python_version": _VERSION}),
    Family("ready", "gauge", "1 if the metrics can be relied on: there is a snapshot and every input is readable."),
    Family("not_ready", "gauge", "1 for each reason why not.", {"reason": NOT_READY},
           "1 for each reason why the metrics cannot be relied on ([operating.md](operating.md), Pages)"),
    Family("start_time_seconds", "gauge", "When the agent started, in seconds since the epoch."),
    Family("last_progress_timestamp_seconds", "gauge", "When capture last told the agent anything; 0 if never."),
    Family("snapshot_timestamp_seconds", "gauge", "When the snapshot that this scrape shows was made.", {},
           "when the snapshot that is shown was made; at most about 15 s ago"),
    Family("snapshot_duration_seconds", "gauge", "How long the snapshot before it took to make."),
    Family("role_resident_memory_bytes", "gauge", "Memory of a role's processes that is resident.", {"role": ROLES},
           "memory of the role's processes that is resident; told each fifteen seconds, and by a prober or notifier "
           "that has nothing to do when it last had"),
    Family("role_cpu_seconds_total", "counter", "Processor time of a role's processes, user and system.",
           {"role": ROLES}),
    Family("log_lines_total", "counter", "Lines that a role's processes logged.", {"role": ROLES, "level": LEVELS}),
    Family("log_suppressed_total", "counter", "Lines that a role's processes held back: the same came too often.",
           {"role": ROLES}),
))  # fmt: skip

AGENT = Section("What the agent takes in", "", (
    Family("inputs", "gauge", "Capture files by state.", {"state": ("read", "unreadable", "pending")}),
    Family("observations_total", "counter", "Observations received by the agent.", {"kind": KINDS},
           "facts about servers that the agent received, by kind ([observations.md](observations.md))"),
    Family("evidence_total", "counter", "Facts that matched a fingerprint of the book.",
           {"fingerprint": "the fingerprints of the book, all of them from the start"},
           "facts that matched a fingerprint, each fact of a server once"),
    Family("inventory_servers", "gauge", "Servers kept."),
    Family("inventory_servers_limit", "gauge", "Servers kept at most.", {},
           "servers kept at most: `agent.max_servers`"),
    Family("inventory_events_total", "counter", "What became of observations in the inventory.",
           {"event": ("observations", "repeats", "surplus", "servers_evicted")},
           "new `observations`, `repeats`, `surplus` (enough of that kind is known), `servers_evicted`"),
    Family("ipc_connections_total", "counter", "Connections to the agent by role.", {"door": DOORS},
           "connections to the agent; of all but `control` and `supervisor` each but the first is a restart"),
    Family("ipc_rejected_total", "counter", "Connections between the roles closed for what was sent.",
           {"door": DOORS, "reason": REASONS},
           "alarm: connections closed because a role sent what no role sends"),
))  # fmt: skip
