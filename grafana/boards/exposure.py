"""Which holes are open, and in what."""

from __future__ import annotations

from grafana.boards.fleet import TWICE
from grafana.panels import Board, bars, graph, row, stat, table

BOARD = Board(
    "knockfirst-exposure", "knockfirst / exposure",
    "Holes and ends of support, by CVE and generation, and how surely they are known. No number here is folded: one "
    "server is one server.",
    (
        stat("Exploited holes open", "CVEs that CISA lists as exploited, and that at least one server is open to.",
             'count(sum by (cve) (knockfirst_servers_exposed{@,kev="yes",status="vulnerable"}) > 0) or vector(0)',
             bad=(1,)),
        stat("Worst of the exploited", f"Servers that are open to the one that most are open to. {TWICE}",
             'max(sum by (cve) (knockfirst_servers_exposed{@,kev="yes",status="vulnerable"}))', bad=(1,)),
        stat("Without support", f"Servers that get no more updates. {TWICE}",
             'sum(knockfirst_servers_end_of_support{@,status="vulnerable"})', bad=(1,)),
        stat("Exchange, build told", f"Of how many servers the generation is known. {TWICE}",
             'sum(knockfirst_servers{@,product="exchange",generation!="unknown"})'
             ' / sum(knockfirst_servers{@,product="exchange"})', "percentunit"),
        stat("Exchange, confirmed", f"What is not confirmed is likely or possible. {TWICE}",
             'sum(knockfirst_servers{@,product="exchange",verdict="confirmed"})'
             ' / sum(knockfirst_servers{@,product="exchange"})', "percentunit"),
        stat("Confirmed by a probe", "Probes of the time that is shown that Exchange answered.",
             'sum(increase(knockfirst_probe_outcomes_total{@,outcome="confirmed"}[$__range]))'),
        row("Holes"),
        table("Exploited, by CVE", f"Those that CISA lists. `unknown`: the build is not known exactly. {TWICE}",
              "short",
              {'sum by (cve, status) (knockfirst_servers_exposed{@,kev="yes",cve=~"$cve"}) > 0': ""}, 12),
        table("All others, by CVE", f"Those that CISA does not list as exploited. {TWICE}", "short",
              {'sum by (cve, status) (knockfirst_servers_exposed{@,kev="no",cve=~"$cve"}) > 0': ""}, 12),
        graph("Exploited, as it went", "A line that rises is a server that came, or was not patched.", "short",
              {'sum by (cve) (knockfirst_servers_exposed{@,kev="yes",status="vulnerable",cve=~"$cve"}) > 0':
                   "{{cve}}"}, 12),
        graph("By status", "Pairs of a server and a CVE, by status.", "short",
              {'sum by (status) (knockfirst_servers_exposed{@,cve=~"$cve"})': "{{status}}"}, 12),
        row("By name"),
        bars("Named chains",
             f"`all`: the attack works; `some`: a link is open; `unknown`: the build is not known. {TWICE}", "short",
             {"sum by (chain, open) (knockfirst_servers_exposed_chain{@})": "{{chain}}: {{open}}"}, 12),
        graph("Named chains that work", f"Servers of which every link is open. {TWICE}", "short",
              {'sum by (chain) (knockfirst_servers_exposed_chain{@,open="all"})': "{{chain}}"}, 12),
        row("Servers"),
        bars("Support has ended", f"By generation; `possible`: it may have. {TWICE}", "short",
             {"sum by (generation, status) (knockfirst_servers_end_of_support{@})": "{{generation}} {{status}}"}),
        bars("Exchange by generation and verdict", f"How surely each is known. {TWICE}", "short",
             {'sum by (generation, verdict) (knockfirst_servers{@,product="exchange"})': "{{generation}} {{verdict}}"}),
        bars("Exchange by support", f"By Microsoft, today; `esu` is paid for. {TWICE}", "short",
             {'sum by (support) (knockfirst_servers{@,product=~"exchange|exchange-edge"})': "{{support}}"}),
        bars("Exchange by precision",
             f"How exactly the build is known: to one update (`su`), one CU, or less. {TWICE}", "short",
             {'sum by (precision) (knockfirst_servers{@,product=~"exchange|exchange-edge"})': "{{precision}}"}),
        table("Catalogue", "Since the last day that each part of it covers; what came later is not known here.", "s",
              {"time() - min by (instance, part) (knockfirst_catalogue_reach_timestamp_seconds{@})": ""}, 8),
        bars("Facts by fingerprint", "What looking told: facts that matched, the twenty most frequent.", "short",
             {"topk(20, sum by (fingerprint) (increase(knockfirst_evidence_total{@}[$__range])))": "{{fingerprint}}"}),
    ),
    choices={"cve": ("knockfirst_servers_exposed", "cve")},
)  # fmt: skip
