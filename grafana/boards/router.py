"""One router, from its link to its log."""

from __future__ import annotations

from grafana.panels import Board, bars, graph, row, stat

_NO = {"0": "no", "1": "yes"}

BOARD = Board(
    "knockfirst-router", "knockfirst / one router",
    "Everything of one router on a page; the other dashboards have each part in full.",
    (
        stat("Scraped", "Whether Prometheus reaches it.", "min(up{@})", bad=(-1,), words=_NO),
        stat("Ready", "Whether its numbers can be relied on.", "min(knockfirst_ready{@})", bad=(-1,), words=_NO),
        stat("Running for", "Since the agent started.", "time() - max(knockfirst_start_time_seconds{@})", "s"),
        stat("May knock", "Every piece is in place, and the kill switch is off.", "min(knockfirst_probe_armed{@})",
             words=_NO),
        stat("Servers kept", "Servers in the inventory.", "sum(knockfirst_inventory_servers{@})"),
        stat("Exploited holes open", "CVEs that CISA lists as exploited, and that a server here is open to.",
             'count(sum by (cve) (knockfirst_servers_exposed{@,kev="yes",status="vulnerable"}) > 0) or vector(0)',
             bad=(1,)),
        row("Now"),
        bars("Not ready because", "1 for each reason (docs/operating.md, Pages).", "short",
             {"max by (reason) (knockfirst_not_ready{@})": "{{reason}}"}),
        bars("Products", "Servers by what they are believed to be.", "short",
             {"sum by (product, generation) (knockfirst_servers{@})": "{{product}} {{generation}}"}),
        bars("Why nobody knocks", "Servers worth knocking at, by the reason why nobody does.", "short",
             {"sum by (reason) (knockfirst_gate_refused_servers{@})": "{{reason}}"}),
        row("Frames"),
        graph("Offered, admitted, used", "Of all interfaces and files.", "pps",
              {"sum(rate(knockfirst_capture_frames_offered_total{@}[$__rate_interval]))": "offered",
               "sum(rate(knockfirst_capture_frames_total{@}[$__rate_interval]))": "admitted",
               "sum(rate(knockfirst_capture_frames_used_total{@}[$__rate_interval]))": "used"}),
        graph("Lost", "In the ring, by the card, and for want of room on the way to the agent.", "pps",
              {'sum(rate(knockfirst_capture_frames_dropped_total{@,reason="ring"}[$__rate_interval]))': "ring",
               "sum(rate(knockfirst_capture_frames_missed_total{@}[$__rate_interval]))": "card",
               "sum(rate(knockfirst_capture_observations_queue_full_total{@}[$__rate_interval]))": "facts"}),
        graph("Cores", "Of all capture processes together.", "short",
              {"sum(rate(knockfirst_capture_parse_seconds_total{@}[$__rate_interval]))": "cores"}),
        row("Leave and probes"),
        bars("Probes", "How those of the time that is shown ended.", "short",
             {"sum by (outcome) (increase(knockfirst_probe_outcomes_total{@}[$__range])) > 0": "{{outcome}}"}),
        graph("Decisions", "Grants and refusals.", "cps",
              {"sum by (decision) (rate(knockfirst_gate_decisions_total{@}[$__rate_interval]))": "{{decision}}"}),
        graph("Ages", "Seconds since the books were read, and since a checkpoint got outside.", "s",
              {"time() - min(knockfirst_mapping_synced_timestamp_seconds{@})": "books",
               "time() - min(knockfirst_audit_offbox_checkpoint_timestamp_seconds{@})": "checkpoint"}),
        row("Store"),
        graph("Facts", "Rows of the store and servers in it.", "short",
              {"sum(knockfirst_store_observations{@})": "observations", "sum(knockfirst_store_servers{@})": "servers"}),
        graph("Size", "Bytes on disk.", "bytes", {"sum(knockfirst_store_bytes{@})": "store"}),
        graph("Retention", "Seconds since nothing too old was left; an hour is as it should be.", "s",
              {"time() - max(knockfirst_retention_last_success_timestamp_seconds{@})": "age"}),
    ),
    many=False,
)  # fmt: skip
