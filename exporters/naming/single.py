"""Single servers, under pseudonyms, and groups of customers: opt-in."""

from __future__ import annotations

from agent.believed import PRECISIONS, SUPPORT
from agent.model import GENERATIONS
from exporters.naming.family import Family, Section

_SERVER = "pseudonyms, at most `exporter.servers`"
_LISTED = "where `exporter.servers` is not 0"
_GROUP = "names of files in `exporter.groups`, at most 256, and `other`"
_GROUPED = "where `exporter.groups` names a directory"

SINGLE = Section("Single servers and groups", (
    "Off unless asked for. A server is named by a pseudonym (`s-` and 16 letters and digits) that changes every "
    "`exporter.pseudonym_days`; `knockfirst servers whois` tells whose it is, and leaves an entry in the log. This "
    "is pseudonymous, not anonymous: it stays personal data ([operating.md](operating.md), Single servers). Only "
    "servers that are believed to be Exchange at a customer's are here."
), (
    Family("server_info", "gauge", "What a server is believed to be; always 1.",
           {"server": _SERVER, "product": ("exchange", "exchange-edge"), "generation": (*GENERATIONS, "unknown"),
            "build": "the builds of the catalogue, as `15.2 (Build 1544.11)`; empty where none is known exactly",
            "support": SUPPORT, "precision": PRECISIONS, "verdict": ("confirmed", "probable", "suspected")},
           "what a server is believed to be; always 1. The labels are those of `knockfirst_servers`", _LISTED),
    Family("server_exposed", "gauge", "Known holes that are open on a server.",
           {"server": _SERVER, "severity": ("exploited", "vulnerable", "possible")},
           "known holes of a server: open and exploited by CISA's list, open otherwise, or open perhaps, each hole "
           "in one of them. No row where nothing of the build is known", _LISTED),
    Family("server_last_seen_timestamp_seconds", "gauge", "The hour in which a server was last seen.",
           {"server": _SERVER},
           "the beginning of the hour in which a server was last seen: to the minute it would tell when people work, "
           "and a server that is known well is not looked at for an hour anyway", _LISTED),
    Family("series_suppressed", "gauge", "Servers that have no series for want of room.", {},
           "servers beyond `exporter.servers`, the least urgent ones: they have no series of their own", _LISTED),
    Family("series_suppressions_total", "counter", "How often a server came to have no series for want of room.",
           where=_LISTED),
    Family("pseudonym_info", "gauge", "The key and the period of the pseudonyms; always 1.",
           {"key_id": "one: what is in use", "epoch": "one: the number of the period"}, "", _LISTED),
    Family("group_servers", "gauge", "Servers believed to be Exchange, by the group of their address.",
           {"group": _GROUP},
           "servers believed to be Exchange, by group; no group with fewer than `exporter.least` of them is shown",
           _GROUPED),
    Family("group_servers_exposed", "gauge", "Those of them with a known hole that is open.", {"group": _GROUP},
           "those of them with at least one known hole that is open", _GROUPED),
    Family("group_files_failing", "gauge", "Files of groups, or their directory, that cannot be used as they are.",
           where=_GROUPED),
))  # fmt: skip
