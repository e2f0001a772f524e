"""What capture counts: of each interface (files are one, named "file"), and of capture as a whole."""

from __future__ import annotations

from agent.body import MAX_COUNTERS
from exporters.naming.family import Family, Section
from exporters.naming.whole import INTERFACE

_OURS = f"names of capture's own counters, at most {MAX_COUNTERS}"
_I = {"interface": INTERFACE}
_LIVE = "of interfaces; capture files have neither link nor ring"

CAPTURE = Section("Capture", (
    "A restart of capture, or of one of its workers, takes nothing back: a file that is read again is counted again. "
    "`interface` is the name of an interface, and `file` for all capture files together."
), (
    Family("capture_frames_offered_total", "counter", "Frames that came to the interface, by its own counters.", _I,
           where=_LIVE),
    Family("capture_frames_missed_total", "counter",
           "Frames that the network card or its driver lost before the filter.", _I,
           "frames that the network card or its driver lost before anybody saw them", _LIVE),
    Family("capture_frames_total", "counter", "Frames that the filter admitted, or that a file holds.", _I,
           "frames that the filter admitted, or that a file holds: the sum of those used and of every drop"),
    Family("capture_frames_used_total", "counter", "Frames that a dissector or a fact was made of.", _I,
           "frames that were looked into"),
    Family("capture_frames_dropped_total", "counter", "Frames that were not used, by the reason.",
           {**_I, "reason": _OURS},
           "frames that were not, and why; `ring` where the ring was full"),
    Family("capture_frames_seen_twice_total", "counter",
           "Frames that both filters saw while one took over; counted once.", _I,
           "frames that both filters saw while a new one took over; counted once in the others", _LIVE),
    Family("capture_ring_freezes_total", "counter", "How often the ring was full.", _I, where=_LIVE),
    Family("capture_ring_fill_ratio", "gauge", "The most of the ring that was full in the last second.", _I,
           "the most of the ring that was full in the last second; of the fullest worker", _LIVE),
    Family("capture_interface_up", "gauge", "1 while the interface is there and up.", _I, where=_LIVE),
    Family("capture_link_events_total", "counter", "What happened to the interface.",
           {**_I, "event": ("went_down", "came_back", "renamed")},
           "how often the interface `went_down`, `came_back`, was `renamed`", _LIVE),
    Family("capture_interface_events_total", "counter", "Everything else that is counted of an interface.",
           {**_I, "event": _OURS}, where=_LIVE),
    Family("capture_interface_state", "gauge", "Everything else that is measured of an interface.",
           {**_I, "state": _OURS}, where=_LIVE),
    Family("capture_filter_suspect", "gauge",
           "1 while frames arrive and for long nothing has matched the filter.", _I,
           "alarm: 1 when frames arrive and nothing has matched the filter for `capture.suspect_seconds`", _LIVE),
    Family("capture_filter_instructions", "gauge", "Length of the filter; the kernel takes 4096 at most.", _I,
           where=_LIVE),
    Family("capture_filter_demoted_prefixes", "gauge",
           "Prefixes that did not fit: only headers of them are looked at.", _I,
           "prefixes that did not fit into the filter, so that only headers of them are looked at", _LIVE),
    Family("capture_filter_muted_servers", "gauge", "Servers that the filter leaves out, because well known.", _I,
           where=_LIVE),
    Family("capture_filter_takeovers_total", "counter", "How often a new filter took over from the one before.", _I,
           where=_LIVE),
    Family("capture_parse_seconds_total", "counter", "Time spent on frames in Python.", {},
           "time spent on frames in Python, all workers together; its rate is how much of a core they need"),
    Family("capture_observations_total", "counter", "Observations told to the agent."),
    Family("capture_observations_repeated_total", "counter", "Observations not told, because told within the hour."),
    Family("capture_observations_too_long_total", "counter", "Observations not told because their value is too long.",
           {}, "observations not told, because their value is longer than 16384 characters"),
    Family("capture_observations_queue_full_total", "counter",
           "Observations not told because too many waited for the agent.", {},
           "observations not told, because `capture.queue` of them waited for the agent"),
    Family("capture_malformed_total", "counter", "Flows given up because of what the peer sent.",
           {"collector": f"names of dissectors, as {_OURS}"}),
    Family("capture_streams_evicted_total", "counter", "Streams let go before their end, by the reason.",
           {"reason": _OURS}, "streams let go before their end: too old, or the table was full"),
    Family("capture_events_total", "counter", "Everything else that the capture role counts.", {"event": _OURS},
           "everything else that capture counts; `knocks`: connections that began at `probe.sources`, "
           "`knocks_repeated`: their SYNs that were sent or seen again, `knocks_untold`: beyond 200 in a second; "
           "`withdrawn_untold`: observations let go because an objection came first"),
))  # fmt: skip
