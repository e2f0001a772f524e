"""What the servers are believed to be, what they are open to, and how far the catalogue behind that reaches."""

from __future__ import annotations

from agent.believed import OPEN, PARTS, PRECISIONS, STATUSES, SUPPORT, VERDICTS
from agent.model import GENERATIONS, PRODUCTS
from exporters.naming.family import Family, Section

_GENERATIONS = (*GENERATIONS, "unknown")
_CVES = "the CVEs of the catalogue, all of them from the start"

BELIEFS = Section("What is believed of servers", (
    "No group of servers is folded away here: one server that is open to an exploited hole is a number of its own. "
    "Where two routers see one server, a sum over routers counts it twice."
), (
    Family("servers", "gauge", "Servers by what they are believed to be, how surely, and how exactly.",
           {"product": PRODUCTS, "generation": _GENERATIONS, "support": SUPPORT, "verdict": VERDICTS,
            "precision": PRECISIONS},
           "servers by what they are believed to be. `verdict`: how surely it is Exchange; what nothing points to is "
           "`unknown` with verdict `none`. `support`: by Microsoft, on this day; `unknown` where the builds that it "
           "may be do not agree, `none` where there is no build to ask it of. `precision`: how exactly the build is "
           "known: one update (`su`), one cumulative update (`cu`), its `generation`, no more than the `product`, or "
           "`none`. Only what there is has a row. Of all products, generation, support and precision hang together, "
           "so that there are a few dozen rows and not thousands"),
    Family("servers_exposed", "gauge", "Servers by CVE and status; kev is yes where CISA lists it as exploited.",
           {"cve": _CVES, "status": STATUSES, "kev": ("yes", "no")},
           "servers by CVE: `vulnerable`; `possible` (the build alone does not decide; only of CVEs where that is "
           "so); `fixed_if_configured` (an update alone does not suffice; only of CVEs that have such a setting); "
           "`unknown` (the build is not known exactly; only of the exploited ones, for of all others it is nearly "
           "the same number). `kev` is `yes` where CISA lists the CVE as exploited; those come first"),
    Family("servers_exposed_chain", "gauge", "Servers by named chain of CVEs, and by how much of it is open.",
           {"chain": "the chains that the catalogue names, all of them from the start", "open": OPEN},
           "servers by the name under which an attack is known. `all`: every link that concerns this generation is "
           "open, so that the attack works; `some`: at least one is; `unknown`: none is known to be open, and of at "
           "least one nobody can tell, because the build is not known exactly. A server is in one of them at most"),
    Family("servers_end_of_support", "gauge", "Servers whose support has ended, by generation.",
           {"generation": _GENERATIONS, "status": STATUSES},
           "servers whose support has ended (`vulnerable`), or may have (`possible`, `unknown`)"),
    Family("catalogue_reach_timestamp_seconds", "gauge", "The last day that a part of the catalogue covers.",
           {"part": PARTS},
           "the last day that a part of the catalogue covers: Microsoft's `builds`, the `cves`, and CISA's list of "
           "exploited ones (`kev`). What came after it is not known to this version"),
))  # fmt: skip
