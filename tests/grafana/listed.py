"""What gives nothing where all is well, by name and with the reason. Everything else has to have data."""

from __future__ import annotations

# Metrics of which a router that is well has no series.
SILENT = {
    "knockfirst_capture_interface_state": "for what a later version measures and this one has no name for",
    "knockfirst_case_task_oldest_timestamp_seconds": "nothing waits for a person at first",
    "knockfirst_notices_oldest_timestamp_seconds": "no message waits where the relay takes them",
}
# Panels that are empty though all that they look at is there.
EMPTY = {
    "knockfirst-consent, Missing pieces": "the laboratory has every piece of arming, and only missing ones are shown",
}
