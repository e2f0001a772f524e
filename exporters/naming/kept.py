"""The configuration in force, and the store."""

from __future__ import annotations

from agent.snapshot import LIMITS
from exporters.naming.family import Family, Section

CONFIGURATION = Section("Configuration", "", (
    Family("config_last_reload_successful", "gauge", "1 if the last reload took the file over.", {},
           "1 if the last reload took the configuration over; 0: the one before is in force"),
    Family("config_last_reload_success_timestamp_seconds", "gauge",
           "When a configuration was last taken over, in seconds since the epoch."),
    Family("config_hash", "gauge", "Of the configuration in force; always 1.",
           {"sha256": "one: the configuration in force"},
           "always 1; the label is the beginning of the SHA-256 of every key in effect, the same on two daemons that "
           "do the same"),
    Family("limit_seconds", "gauge", "What the configuration in force allows at most, or asks for at least.",
           {"limit": LIMITS},
           "what the configuration in force says, to compare ages with: `announce` (`consent.announce_days`), "
           "`mapping` (`consent.mapping_hours`), `quarantine` (`consent.quarantine_days`), `checkpoint` "
           "(`audit.checkpoint_minutes`), `recheck` (`probe.recheck_hours`), `probe` (`probe.seconds`), `retention` "
           "(`agent.retention_days`), `suspect` (`capture.suspect_seconds`)"),
    Family("limit_probes_per_second", "gauge", "How many probes may begin in a second.", {},
           "how many probes may begin in a second: `probe.per_minute` / 60"),
    Family("section", "gauge", "Number of the last section that capture was told.", {},
           "number of the last section that capture was told: it rises with each change of the configuration or of a "
           "prefix file"),
    Family("section_applied", "gauge", "Number of the last section that every capture process applied.", {},
           "number of the last section by which every capture process judges all frames"),
    Family("prefixes", "gauge", "Prefixes of each tier, aggregated.",
           {"tier": ("handshakes", "headers", "resolvers")},
           "prefixes that are looked at, aggregated: `handshakes`, `headers`, and the DNS servers of `resolvers`"),
    Family("prefixes_applied_seconds", "gauge",
           "From the last change of a prefix file to every capture process judging by it.", {},
           "of the last change of a prefix file: from the last look that did not know of it, until every capture "
           "process applied it"),
    Family("prefix_files_failing", "gauge", "Prefix files that cannot be used as they are now.", {},
           "prefix files that cannot be used as they are now; their last good sets are in force"),
    Family("prefix_file_failures_total", "counter", "Times that a prefix file was found not to be usable."),
))  # fmt: skip

_STORE = "where a store is kept"
STORE = Section("The store", "", (
    Family("store_observations", "gauge", "Observations in the store.", where=_STORE),
    Family("store_servers", "gauge", "Servers in the store.", where=_STORE),
    Family("store_bytes", "gauge", "Bytes of the store on disk.", where=_STORE),
    Family("store_deleted_total", "counter", "Observations deleted from the store.", {"reason": ("age", "rows")},
           "observations deleted: `age` (not seen for `agent.retention_days`) or `rows` (no room)", _STORE),
    Family("store_write_failures_total", "counter", "Writes to the store that failed; each is tried again.", {},
           "writes to the store that failed; each is tried again after 5 s", _STORE),
    Family("retention_last_success_timestamp_seconds", "gauge",
           "When the retention job last left nothing too old in the store; 0 if never.", {},
           "when nothing too old was left in the store; at most about an hour ago, 0 if never", _STORE),
))  # fmt: skip
