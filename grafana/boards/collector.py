"""Where frames get lost, and what the keys of [capture] change."""

from __future__ import annotations

from grafana.panels import Board, Panel, graph, row, stat

_I = '@,interface=~"$interface"'
_BY = "{{instance}} {{interface}}"


def _rates(title: str, why: str, metric: str, by: str, unit: str = "cps", of: str = "@", width: int = 8) -> Panel:
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return graph(title, why, unit, {f"sum by ({by}) (rate({metric}{{{of}}}[$__rate_interval]))": legend}, width)


BOARD = Board(
    "knockfirst-collector", "knockfirst / collector",
    "Frames from the link to a fact, and where they stay; the stages are those of `knockfirst doctor`.",
    (
        stat("Interfaces up", "Interfaces that are there and up.",
             f"sum(knockfirst_capture_interface_up{{{_I}}})", bad=(-1,)),
        stat("Filters suspected", "Interfaces with frames of which for long none matched: look at capture.prefixes.",
             f"sum(knockfirst_capture_filter_suspect{{{_I}}})", bad=(1,)),
        stat("Lost in the ring", "Part of the admitted frames; above 0.1 % raise capture.ring_mib.",
             f'sum(rate(knockfirst_capture_frames_dropped_total{{{_I},reason="ring"}}[$__rate_interval]))'
             f" / clamp_min(sum(rate(knockfirst_capture_frames_total{{{_I}}}[$__rate_interval])), 0.001)",
             "percentunit", bad=(0.001, 0.01)),
        stat("Cores", "Of all workers together; near capture.workers there is no time to spare.",
             "sum(rate(knockfirst_capture_parse_seconds_total{@}[$__rate_interval]))", "short"),
        stat("Fullest ring", "The most that was full in a second; above a half comes before losses.",
             f"max(knockfirst_capture_ring_fill_ratio{{{_I}}})", "percentunit", bad=(0.5, 0.9)),
        stat("Prefixes without payload", "Prefixes that did not fit: fewer, or larger ones, are needed.",
             f"sum(knockfirst_capture_filter_demoted_prefixes{{{_I}}})", bad=(1,)),
        row("From the link to the ring"),
        _rates("Offered", "Frames that came to the interface, by its own counters.",
               "knockfirst_capture_frames_offered_total", "instance, interface", "pps", _I, 6),
        _rates("Admitted", "Frames that the filter let into the ring.",
               "knockfirst_capture_frames_total", "instance, interface", "pps", _I, 6),
        _rates("Used", "Frames that a fact or a dissector was made of.",
               "knockfirst_capture_frames_used_total", "instance, interface", "pps", _I, 6),
        _rates("Lost by the card", "Frames that card or driver lost before anybody saw them: its queues are short.",
               "knockfirst_capture_frames_missed_total", "instance, interface", "pps", _I, 6),
        _rates("Dropped by reason", "Admitted and not used; `ring` is loss, the others are choices.",
               "knockfirst_capture_frames_dropped_total", "interface, reason", "pps", _I, 12),
        _rates("Ring full", "How often a ring was full and the kernel waited.",
               "knockfirst_capture_ring_freezes_total", "instance, interface", "cps", _I, 6),
        graph("Ring", "The most of a ring that was full in a second.", "percentunit",
              {f"knockfirst_capture_ring_fill_ratio{{{_I}}}": _BY}, 6),
        graph("Time a frame", "Seconds of Python for each admitted frame.", "s",
              {"sum by (instance) (rate(knockfirst_capture_parse_seconds_total{@}[$__rate_interval]))"
               " / clamp_min(sum by (instance) (rate(knockfirst_capture_frames_total{@}[$__rate_interval])), 0.001)":
                   "{{instance}}"}, 6),
        row("The filter"),
        graph("Length", "Instructions of the filter; the kernel takes 4096.", "short",
              {f"knockfirst_capture_filter_instructions{{{_I}}}": _BY}, 6),
        graph("Muted servers", "Servers left out, because they are well known (capture.mute_seconds).", "short",
              {f"knockfirst_capture_filter_muted_servers{{{_I}}}": _BY}, 6),
        _rates("Takeovers", "How often a new filter took over; each reload, prefix file and muting makes one.",
               "knockfirst_capture_filter_takeovers_total", "instance, interface", "cps", _I, 6),
        _rates("Seen by both", "Frames that both filters saw while one took over; counted once elsewhere.",
               "knockfirst_capture_frames_seen_twice_total", "instance, interface", "pps", _I, 6),
        row("Streams and facts"),
        _rates("Events", "What else capture counts: streams, gaps, SYN-ACKs sampled.",
               "knockfirst_capture_events_total", "event"),
        _rates("Streams let go", "`full`: raise capture.max_streams; `age` is as it should be.",
               "knockfirst_capture_streams_evicted_total", "instance, reason"),
        _rates("Malformed", "Flows given up because of what the peer sent, by collector.",
               "knockfirst_capture_malformed_total", "collector"),
        graph("Told", "Observations told to the agent, and those that were not, by the reason.", "cps",
              {"sum(rate(knockfirst_capture_observations_total{@}[$__rate_interval]))": "told",
               "sum(rate(knockfirst_capture_observations_repeated_total{@}[$__rate_interval]))":
                   "known within the hour",
               "sum(rate(knockfirst_capture_observations_queue_full_total{@}[$__rate_interval]))": "queue full",
               "sum(rate(knockfirst_capture_observations_too_long_total{@}[$__rate_interval]))": "too long"}),
        _rates("Kinds", "Observations that the agent received.", "knockfirst_observations_total", "kind"),
        graph("Fingerprints", "The ten fingerprints that matched most.", "cps",
              {"topk(10, sum by (fingerprint) (rate(knockfirst_evidence_total{@}[$__rate_interval])))":
                  "{{fingerprint}}"}),
        row("The link"),
        _rates("Link", "Interfaces that went down, came back, or were renamed.",
               "knockfirst_capture_link_events_total", "instance, interface, event", "cps", _I),
        _rates("Other events", "Everything else that is counted of an interface.",
               "knockfirst_capture_interface_events_total", "instance, interface, event", "cps", _I),
        graph("Other states", "Everything else that is measured of an interface.", "short",
              {f"knockfirst_capture_interface_state{{{_I}}}": f"{_BY} {{{{state}}}}"}),
    ),
    choices={"interface": ("knockfirst_capture_frames_total", "interface")},
)  # fmt: skip
