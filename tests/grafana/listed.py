"""What gives nothing where all is well, by name and with the reason. Everything else has to have data."""

from __future__ import annotations

# Metrics of which a router that is well has no series.
SILENT = {
    "knockfirst_capture_interface_state": "for what a later version measures and this one has no name for",
    "knockfirst_customer_erasures_oldest_timestamp_seconds": "no erasure waits for its end",
    "knockfirst_customer_erasure_timestamp_seconds": "the laboratory has no `audit.keep_months`",
    "knockfirst_notice_webhook_oldest_timestamp_seconds": "the laboratory has no webhook",
}
# Panels that are empty though all that they look at is there.
EMPTY = {
    "knockfirst-telling, Came back": "no message has ended: nobody is told of anything in the laboratory",
    "knockfirst-telling, From a step to the fix": "no case has been fixed there",
    "knockfirst-consent, Missing pieces": "the laboratory has every piece of arming, and only missing ones are shown",
}
