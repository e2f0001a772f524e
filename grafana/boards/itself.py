"""The program itself: restarts, reloads, its store, and its way to Prometheus."""

from __future__ import annotations

from grafana.panels import Board, graph, row, stat, table

BOARD = Board(
    "knockfirst-self", "knockfirst / self",
    "Restarts, reloads, prefix files, store and scrapes.",
    (
        stat("Youngest agent", "Since an agent started last.", "time() - max(knockfirst_start_time_seconds{@})", "s"),
        stat("Reloads that failed", "Routers where the configuration before is still in force.",
             "count(knockfirst_config_last_reload_successful{@} == 0) or vector(0)", bad=(1,)),
        stat("Prefix files failing", "Files that cannot be used; their last good sets are in force.",
             "sum(knockfirst_prefix_files_failing{@})", bad=(1,)),
        stat("Capture behind", "Sections that capture does not judge by yet; 0 within seconds.",
             "max(knockfirst_section{@} - knockfirst_section_applied{@})", bad=(1,)),
        stat("Oldest snapshot", "What a scrape shows is that old; fifteen seconds at most.",
             "time() - min(knockfirst_snapshot_timestamp_seconds{@})", "s", bad=(30, 60)),
        stat("Latest retention", "Since nothing too old was left in every store; an hour is as it should be.",
             "time() - min(knockfirst_retention_last_success_timestamp_seconds{@})", "s", bad=(5400, 7200)),
        row("Customers to be erased"),
        stat("Erasures without an end", "Begun, and something could not be deleted: must be 0.",
             "sum(knockfirst_customer_erasures_unended{@})", bad=(1,), width=8),
        stat("Erasure waiting longest", "Since it was begun; empty while none waits. One takes seconds.",
             "time() - min(knockfirst_customer_erasures_oldest_timestamp_seconds{@})", "s", bad=(60, 600), width=8),
        stat("Latest look for former customers", "Where `audit.keep_months` erases them: an hour is as it should be.",
             "time() - min(knockfirst_customer_erasure_timestamp_seconds{@})", "s", bad=(5400, 7200), width=8),
        row("Roles"),
        graph("Connections to the agent", "Each of capture, prober and exporter but the first is a restart.", "short",
              {"sum by (instance, door) (increase(knockfirst_ipc_connections_total{@}[$__rate_interval]))":
                   "{{instance}} {{door}}"}),
        graph("Connections rejected", "A role sent what no role sends: read its log.", "short",
              {"sum by (instance, door, reason) (increase(knockfirst_ipc_rejected_total{@}[$__rate_interval]))":
                   "{{instance}} {{door}} {{reason}}"}),
        graph("Since capture told anything", "Seconds; one where it looks at interfaces.", "s",
              {"time() - knockfirst_last_progress_timestamp_seconds{@}": "{{instance}}"}),
        graph("Memory", "Resident; agent and exporter tell it of themselves, of the others systemd knows it.", "bytes",
              {"max by (instance, role) (knockfirst_role_resident_memory_bytes{@})": "{{instance}} {{role}}"}),
        graph("Processor", "Cores that a role takes.", "short",
              {"sum by (instance, role) (rate(knockfirst_role_cpu_seconds_total{@}[$__rate_interval]))":
                   "{{instance}} {{role}}"}),
        graph("Log lines", "By level, and those held back because the same came too often.", "cps",
              {"sum by (level) (rate(knockfirst_log_lines_total{@}[$__rate_interval]))": "{{level}}",
               "sum(rate(knockfirst_log_suppressed_total{@}[$__rate_interval]))": "held back"}),
        row("Configuration"),
        table("In force", "When a configuration was taken over last, as seconds since then.", "s",
              {"time() - max by (instance) (knockfirst_config_last_reload_success_timestamp_seconds{@})": ""}, 6),
        graph("Prefixes", "Aggregated, by tier.", "short",
              {"sum by (instance, tier) (knockfirst_prefixes{@})": "{{instance}} {{tier}}"}, 6),
        graph("A change in force after", "Seconds from a change of a prefix file; one, or three with very many.", "s",
              {"max by (instance) (knockfirst_prefixes_applied_seconds{@})": "{{instance}}"}, 6),
        graph("Prefix files failed", "Times that one was found not to be usable.", "short",
              {"sum by (instance) (increase(knockfirst_prefix_file_failures_total{@}[$__rate_interval]))":
                  "{{instance}}"}, 6),
        row("Inventory and store"),
        graph("Inventory full", "Servers kept, of those that may be.", "percentunit",
              {"knockfirst_inventory_servers{@} / knockfirst_inventory_servers_limit{@}": "{{instance}}"}, 6),
        graph("Inventory", "What became of observations.", "cps",
              {"sum by (event) (rate(knockfirst_inventory_events_total{@}[$__rate_interval]))": "{{event}}"}, 6),
        graph("Deleted", "`age` is retention at work; `rows` is want of room (agent.max_observations).", "short",
              {"sum by (instance, reason) (increase(knockfirst_store_deleted_total{@}[$__rate_interval]))":
                   "{{instance}} {{reason}}"}, 6),
        graph("Writes failed", "Each is tried again; the disk is full, or gone.", "short",
              {"sum by (instance) (increase(knockfirst_store_write_failures_total{@}[$__rate_interval]))":
                  "{{instance}}"}, 6),
        graph("Size of the store", "Bytes on disk.", "bytes",
              {"sum by (instance) (knockfirst_store_bytes{@})": "{{instance}}"}, 6),
        table("Inputs", "Capture files by state.", "short",
              {"sum by (instance, state) (knockfirst_inputs{@})": ""}, 6),
        row("Scrapes"),
        graph("Snapshot", "Seconds that it took to make.", "s",
              {"max by (instance) (knockfirst_snapshot_duration_seconds{@})": "{{instance}}"}),
        graph("Scrape", "Seconds, as Prometheus measures it.", "s",
              {"max by (instance) (scrape_duration_seconds{@})": "{{instance}}"}),
        graph("Samples", "Of each scrape: bounded by the catalogue, not by the number of servers.", "short",
              {"max by (instance) (scrape_samples_scraped{@})": "{{instance}}"}),
    ),
)  # fmt: skip
