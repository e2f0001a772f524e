"""Whether leave was asked, what was done with it, and whether the log holds all of it."""

from __future__ import annotations

from grafana.panels import Board, bars, graph, row, stat, table

_EFFECT = "knockfirst_objection_effect_seconds_bucket"

BOARD = Board(
    "knockfirst-consent", "knockfirst / consent and probes",
    "Consent, objections, decisions, probes, and the log that holds them.",
    (
        stat("Routers that may knock", "Every piece is in place, and the kill switch is off.",
             "sum(knockfirst_probe_armed{@})"),
        stat("Kill switches on", "Somebody stopped all knocking there.", "sum(knockfirst_probe_kill_switch{@})",
             bad=(1,)),
        stat("Probers", "Processes that are there to knock.", "sum(knockfirst_probe_prober_up{@})"),
        stat("Connections and log differ", "Connections seen and not in the log, or the other way round: must be 0.",
             "sum(knockfirst_selfaudit_syn_minus_intents{@})", bad=(1,)),
        stat("Oldest checkpoint outside", "Beyond `audit.checkpoint_minutes` nobody is knocked at.",
             "time() - min(knockfirst_audit_offbox_checkpoint_timestamp_seconds{@})", "s", bad=(300, 600)),
        stat("Objections not in force", "Changes of permission that are not everywhere yet; 0 after five seconds.",
             "sum(knockfirst_objections_pending{@})", bad=(1,)),
        row("Leave"),
        stat("Consent coverage", "Of the servers worth knocking at, those that a consent record in force covers.",
             'sum(knockfirst_consent_servers{@,leave="given"}) / (sum(knockfirst_consent_servers{@}) > 0)',
             "percentunit", width=6),
        stat("Prefixes in dispute", "Prefixes that two customers are said to have; nobody there is knocked at.",
             "sum(knockfirst_mapping_conflicts{@})", bad=(1,), width=6),
        stat("Dropped files failing", "Files with objections, or their directory, that cannot be used: see at once.",
             "sum(knockfirst_objection_files_failing{@})", bad=(1,), width=6),
        stat("Probes without an end", "Of these the log has the intent and no outcome, and they do not run.",
             "sum(knockfirst_audit_intents_without_outcome{@})", bad=(1,), width=6),
        bars("Servers by leave", "Servers worth knocking at, by whether there is leave.", "short",
             {"sum by (leave) (knockfirst_consent_servers{@})": "{{leave}}"}),
        bars("Customers by leave", "What each has said; `lapsed` and `told` may be asked again.", "short",
             {"sum by (leave) (knockfirst_consent_customers_by_leave{@})": "{{leave}}"}),
        bars("Consent records", "By basis and state.", "short",
             {"sum by (basis, state) (knockfirst_consent_records{@}) > 0": "{{basis}} {{state}}"}),
        graph("Customers", "Known to the register; told but not long enough ago; and objections that stand.", "short",
              {"sum by (instance) (knockfirst_consent_customers{@})": "{{instance}} known",
               "sum by (instance) (knockfirst_announcement_wait_customers{@})": "{{instance}} waiting",
               "sum by (instance) (knockfirst_consent_objections{@})": "{{instance}} objections"}),
        graph("Books", "Since a source of who holds which prefix was read in full, and how long that may be.", "s",
              {"time() - min by (instance, source) (knockfirst_mapping_synced_timestamp_seconds{@})":
                   "{{instance}} {{source}}",
               'max by (instance) (knockfirst_limit_seconds{@,limit="mapping"})': "{{instance}} at most"}),
        graph("Objections", "What came in, by what became of it.", "short",
              {"sum by (event) (increase(knockfirst_objections_total{@}[$__rate_interval]))": "{{event}}"}),
        graph("From an objection to its effect", "Seconds; the promise is five.", "s",
              {f"histogram_quantile(0.5, sum by (le) (rate({_EFFECT}{{@}}[$__rate_interval])))":
                   "half of them",
               f"histogram_quantile(0.99, sum by (le) (rate({_EFFECT}{{@}}[$__rate_interval])))":
                   "99 of 100"}),
        stat("Objections with effect", "Objections of the time that is shown that took effect.",
             "sum(increase(knockfirst_objection_effect_seconds_count{@}[$__range]))"),
        stat("Mean time to effect", "Of the objections of the time that is shown.",
             "sum(increase(knockfirst_objection_effect_seconds_sum{@}[$__range]))"
             " / (sum(increase(knockfirst_objection_effect_seconds_count{@}[$__range])) > 0)", "s", bad=(1, 5)),
        row("Grants and refusals"),
        table("Missing pieces", "1 for each piece of arming that a router lacks (docs/asking.md).", "short",
              {"sum by (instance, piece) (knockfirst_probe_missing{@}) > 0": ""}, 6),
        bars("Why nobody knocks", "Servers worth knocking at, by the reason why nobody does.", "short",
             {"sum by (reason) (knockfirst_gate_refused_servers{@})": "{{reason}}"}, 6),
        graph("Decisions", "Grants and refusals.", "cps",
              {"sum by (decision) (rate(knockfirst_gate_decisions_total{@}[$__rate_interval]))": "{{decision}}"}, 6),
        bars("Refused", "Refusals of the time that is shown, by the reason.", "short",
             {'sum by (reason) (increase(knockfirst_gate_decisions_total{@,decision="refused"}[$__range])) > 0':
                  "{{reason}}"}, 6),
        row("Probes"),
        bars("Outcomes", "How the probes of the time that is shown ended; unknown and bug are ours.", "short",
             {"sum by (probe, outcome) (increase(knockfirst_probe_outcomes_total{@}[$__range])) > 0":
                  "{{probe}} {{outcome}}"}),
        graph("Probes running", "Granted and not ended.", "short",
              {"sum by (instance) (knockfirst_probes_running{@})": "{{instance}}"}),
        graph("Pace", "Grants a second, and how many may begin.", "cps",
              {'sum by (instance) (rate(knockfirst_gate_decisions_total{@,decision="granted"}[$__rate_interval]))':
                   "{{instance}}",
               "sum by (instance) (knockfirst_limit_probes_per_second{@})": "{{instance}} at most"}),
        graph("Breakers open", "`host` is a server in trouble; `customer` and `whole` stop many.", "short",
              {"sum by (level) (knockfirst_breaker_open{@})": "{{level}}"}),
        row("The log"),
        graph("Connections by how they fit the log", "`seen_not_logged` and `logged_not_seen` must be 0.", "short",
              {"sum by (state) (increase(knockfirst_selfaudit_connections_total{@}[$__rate_interval]))": "{{state}}",
               "sum(knockfirst_selfaudit_waiting_connections{@})": "waiting"}, 6),
        graph("Entries", "Entries of the log; they only grow.", "short",
              {"sum by (instance) (knockfirst_audit_entries{@})": "{{instance}}"}, 6),
        graph("Failures", "Writes to the log and checkpoints that failed; without the log nobody is knocked at.",
              "short",
              {"sum by (instance) (increase(knockfirst_audit_write_failures_total{@}[$__rate_interval]))":
                   "{{instance}} writes",
               "sum by (instance) (increase(knockfirst_audit_checkpoint_failures_total{@}[$__rate_interval]))":
                   "{{instance}} checkpoints"}, 6),
        graph("Checkpoint outside", "Since one got outside, and how long that may be; then nobody is knocked at.", "s",
              {"time() - min by (instance) (knockfirst_audit_offbox_checkpoint_timestamp_seconds{@})": "{{instance}}",
               'max by (instance) (knockfirst_limit_seconds{@,limit="checkpoint"})': "{{instance}} at most"}, 6),
        table("Clocks", "1 where the clock is known to be synchronised; elsewhere nobody is knocked at.", "short",
              {"min by (instance) (knockfirst_probe_clock_synchronised{@})": ""}, 6),
    ),
)  # fmt: skip
