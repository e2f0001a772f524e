"""All routers at a glance."""

from __future__ import annotations

from grafana.panels import Board, bars, graph, row, stat, table

TWICE = "A customer who is reached by two routers is counted by both."

BOARD = Board(
    "knockfirst-fleet", "knockfirst / fleet",
    "Whether every router looks, what is seen, and whether leave was asked.",
    (
        stat("Routers scraped", "Routers that Prometheus reaches, of those that it knows.", "sum(up{@})", bad=(-1,)),
        stat("Routers not scraped", "Their daemon, or the way to it, is down.", "count(up{@} == 0) or vector(0)",
             bad=(1,)),
        stat("Routers ready", "Routers whose numbers can be relied on.", "sum(knockfirst_ready{@})", bad=(-1,)),
        stat("Servers of Exchange", f"Servers that are Exchange for certain or likely. {TWICE}",
             'sum(knockfirst_servers{@,product="exchange"})'),
        stat("Exploited holes", f"CVEs that CISA lists as exploited, and that a server is open to. {TWICE}",
             'count(sum by (cve) (knockfirst_servers_exposed{@,kev="yes",status="vulnerable"}) > 0) or vector(0)',
             bad=(1,)),
        stat("Consent coverage", f"Of servers worth knocking at, those that a consent record in force covers. {TWICE}",
             'sum(knockfirst_consent_servers{@,leave="given"}) / (sum(knockfirst_consent_servers{@}) > 0)',
             "percentunit"),
        row("Routers"),
        table("Why not ready", "Reasons for which numbers cannot be relied on; empty rows are well.", "short",
              {"sum by (instance, reason) (knockfirst_not_ready{@})": ""}, 8),
        table("Versions", "What runs where; after an upgrade one version is left.", "short",
              {"count by (instance, version, python_version) (knockfirst_build_info{@})": ""}, 8),
        table("Configurations", "Routers that are to do the same have the same hash.", "short",
              {"count by (sha256) (knockfirst_config_hash{@})": ""}, 8),
        row("What is seen"),
        bars("Products", f"Servers by what they are believed to be, surely or not. {TWICE}", "short",
             {"sum by (product) (knockfirst_servers{@})": "{{product}}"}, 6),
        bars("Generations of Exchange", f"Where no handshake tells it, it is unknown. {TWICE}", "short",
             {'sum by (generation) (knockfirst_servers{@,product="exchange"})': "{{generation}}"}, 6),
        bars("Support has ended", f"Servers that get no more updates from Microsoft. {TWICE}", "short",
             {"sum by (generation, status) (knockfirst_servers_end_of_support{@}) > 0":
                 "{{generation}} {{status}}"}, 6),
        bars("Exploited holes by servers", f"CVEs that CISA lists, and how many servers are open to each. {TWICE}",
             "short",
             {'topk(10, sum by (cve) (knockfirst_servers_exposed{@,kev="yes",status="vulnerable"}) > 0)':
                  "{{cve}}"}, 6),
        graph("Frames", "Frames that came to the interfaces, and those of them that the filters admitted.", "pps",
              {"sum by (instance) (rate(knockfirst_capture_frames_offered_total{@}[$__rate_interval]))":
                   "{{instance}} offered",
               "sum by (instance) (rate(knockfirst_capture_frames_total{@}[$__rate_interval]))":
                   "{{instance}} admitted"}, 12),
        graph("Facts", "Observations that the agents received, by router.", "cps",
              {"sum by (instance) (rate(knockfirst_observations_total{@}[$__rate_interval]))": "{{instance}}"}, 12),
        row("Leave"),
        bars("Consent records", "Records by basis and state; in_force ones open a door.", "short",
             {"sum by (basis, state) (knockfirst_consent_records{@}) > 0": "{{basis}} {{state}}"}),
        bars("Probes", "How the probes of the time that is shown ended.", "short",
             {"sum by (outcome) (increase(knockfirst_probe_outcomes_total{@}[$__range])) > 0": "{{outcome}}"}),
        bars("Why nobody knocks", "Servers worth knocking at, by the reason why nobody does (docs/operating.md).",
             "short", {"sum by (reason) (knockfirst_gate_refused_servers{@})": "{{reason}}"}),
    ),
)  # fmt: skip
