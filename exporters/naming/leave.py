"""Consent, knocking and the log. All of it is there where a store is kept."""

from __future__ import annotations

from agent.leave import BREAKERS, OBJECTED, OUTCOMES, PIECES, PROBES, REASONS
from agent.selfaudit import FITS
from agent.standing import BASES, CUSTOMERS, SERVERS, STATES
from exporters.naming.family import Family, Section

_KEPT = "where a store is kept"
_SOURCES = "the operator's own names for his books (`--source`)"

CONSENT = Section("Consent", "", (
    Family("consent_customers", "gauge", "Customers of whom the register knows anything.", where=_KEPT),
    Family("consent_customers_by_leave", "gauge", "The same customers, by whether they have said yes, no or nothing.",
           {"leave": CUSTOMERS},
           "the same customers, each in one class: `objection` (one of theirs stands, whatever it is about), `given` "
           "(a consent record is in force), `lapsed` (there were records, and none is in force), `told` (no record, "
           "and an announcement reached them), `none`", _KEPT),
    Family("consent_servers", "gauge", "Servers worth knocking at, by whether a consent record covers them.",
           {"leave": SERVERS},
           "consent coverage: servers that are worth knocking at, each in one class: `objection` (one that stands "
           "covers the address), `unmapped` (no book, or no single one, says whose it is), `given` (a record in "
           "force covers it and allows probes), `lacking` (none does). `given` over the sum is the share that is "
           "covered; whether anybody knocks depends on more than that (`gate_refused_servers`). Counted anew within "
           "a minute or two",
           _KEPT),
    Family("consent_records", "gauge", "Consent records by basis and state.", {"basis": BASES, "state": STATES},
           "consent records by what they rest on (`explicit`, `service_contract`, `terms_objection`): `in_force`, "
           "`not_yet`, `expired`, or `ended` by a withdrawal, a refusal or a newer one", _KEPT),
    Family("consent_objections", "gauge", "Objections that stand.", where=_KEPT),
    Family("announcement_wait_customers", "gauge", "Customers who were told, but not long enough ago.", {},
           "customers who were told less than `consent.announce_days` ago", _KEPT),
    Family("mapping_synced_timestamp_seconds", "gauge", "When a source was last read in full.", {"source": _SOURCES},
           "when a source of whose prefix is whose was last read in full; nobody of it is knocked at when that is "
           "longer ago than `limit_seconds{limit=\"mapping\"}`", _KEPT),
    Family("mapping_conflicts", "gauge", "Prefixes of which the sources do not agree whose they are.", {},
           "prefixes that two customers are said to have, by one source or several, or that lie in another customer's "
           "prefix of another source. Nobody in them is knocked at. Counted anew within a minute or two", _KEPT),
    Family("objections_total", "counter", "Objections that came in, and by what became of them.",
           {"event": OBJECTED},
           "objections that came in: `token`, `prefix` (of one customer), `unmatched` (nobody's or several customers', "
           "for a person to look at), `file` (a line of a dropped file); and what was not taken: `syntax`, `rate`, "
           "`unavailable` (the log could not be written), `file_line_failed`, `file_failed`", _KEPT),
    Family("objections_pending", "gauge", "Changes of permission that are not in force everywhere.", {},
           "objections that are not in force everywhere yet: a prober or capture process has not answered", _KEPT),
    Family("objection_files_failing", "gauge", "Dropped files, or their directory, that cannot be used as they are.",
           {}, "files with objections in `consent.drop` that cannot be used as they are now, or that directory itself",
           _KEPT),
    Family("objection_effect_seconds", "histogram", "From an objection to its being in force.", {},
           "from an objection's coming in to the last answer that it is in force", _KEPT),
))  # fmt: skip

PROBING = Section("Knocking", "", (
    Family("probe_armed", "gauge", "1 if every piece is in place and the kill switch is off.", where=_KEPT),
    Family("probe_missing", "gauge", "1 for each piece of arming that is missing.", {"piece": PIECES},
           "1 for each piece that arming lacks; `knockfirst probe list` says what to do", _KEPT),
    Family("probe_kill_switch", "gauge", "1 while the kill switch is on.", {},
           "1 while the kill switch is on, or cannot be seen", _KEPT),
    Family("probe_prober_up", "gauge", "1 while there is a prober.", where=_KEPT),
    Family("probe_clock_synchronised", "gauge", "1 if the clock is known to be synchronised.", where=_KEPT),
    Family("probes_running", "gauge", "Probes that have been granted and have not ended.", where=_KEPT),
    Family("gate_decisions_total", "counter",
           "Decisions: granted, or refused and why; of the schedule, where that has changed.",
           {"decision": ("granted", "refused"), "reason": ("", *REASONS)},
           "`granted`, or `refused` and why ([operating.md](operating.md), Why nobody knocked); of the schedule a "
           "refusal counts where it is news, of an order each does", _KEPT),
    Family("gate_refused_servers", "gauge", "Servers worth knocking at, by the reason why nobody does.",
           {"reason": REASONS}, "servers worth knocking at, by the reason why nobody does now", _KEPT),
    Family("probe_outcomes_total", "counter", "Probes that have ended, and how.",
           {"probe": PROBES, "outcome": OUTCOMES},
           "probes that have ended, and how ([operating.md](operating.md), table of outcomes)", _KEPT),
    Family("breaker_open", "gauge", "Breakers that are open.", {"level": BREAKERS},
           "breakers that are open, of a `host`, a `customer`, the `whole`", _KEPT),
))  # fmt: skip

LOG = Section("The log", "", (
    Family("audit_entries", "gauge", "Entries in the audit log.", where=_KEPT),
    Family("customer_erasure_timestamp_seconds", "gauge",
           "When nobody was left whose contract ended so long ago that he is erased; 0 if never.", {},
           "when nobody was left whose contract ended `audit.keep_months` ago; hourly, 0 if never",
           "where `audit.keep_months` is set"),
    Family("customer_erasures_unended", "gauge", "Erasures that were begun and could not be ended; must be 0.", {},
           "alarm: erasures that were begun, and of which something is left that could not be done; each is tried "
           "again every minute", _KEPT),
    Family("customer_erasures_oldest_timestamp_seconds", "gauge",
           "When the erasure was begun that has waited longest for its end.", {},
           "when the erasure was begun that has waited longest for its end", f"{_KEPT}, and one waits"),
    Family("audit_intents_without_outcome", "gauge",
           "Probes in the log that have begun, of which nobody said how they ended, and that do not run.", {},
           "probes of which the log has the intent and no outcome, though they do not run: an agent or prober was "
           "killed in the middle of one", _KEPT),
    Family("audit_write_failures_total", "counter", "Writes to the audit log that failed.", {},
           "writes to the audit log that failed; for 5 s after one, nobody is knocked at", _KEPT),
    Family("audit_checkpoint_failures_total", "counter", "Checkpoints that did not reach a sink.", where=_KEPT),
    Family("audit_offbox_checkpoint_timestamp_seconds", "gauge",
           "When the last checkpoint that reached a sink outside was made.", {},
           "when the last checkpoint that reached a sink outside was made; nobody is knocked at when that is longer "
           "ago than `limit_seconds{limit=\"checkpoint\"}`", f"{_KEPT}, and a checkpoint has reached a sink"),
    Family("selfaudit_syn_minus_intents", "gauge",
           "Connections seen and not in the log, or in the log and not seen: must be 0.", {},
           "alarm: connections from the probe's addresses that are in no entry, and those of entries that were not "
           "seen; must be 0", _KEPT),
    Family("selfaudit_connections_total", "counter", "Connections of the probe's addresses, by how they fit the log.",
           {"state": FITS},
           "connections by how they fit the log: `matched`, `seen_not_logged` and `logged_not_seen` (the alarm's two "
           "parts), `unwatched` (capture was not looking all the time), `unsent` (the last of a probe that may never "
           "have left), `unfinished` (of a grant that no outcome came of)", _KEPT),
    Family("selfaudit_waiting_connections", "gauge", "Connections that were seen or logged, and not yet both.",
           where=_KEPT),
))  # fmt: skip
