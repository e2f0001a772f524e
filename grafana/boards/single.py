"""Single servers under pseudonyms, and groups of them: there only where the configuration asks for them."""

from __future__ import annotations

from grafana.boards.fleet import TWICE
from grafana.panels import Board, bars, graph, row, stat, table

BOARD = Board(
    "knockfirst-single", "knockfirst / single servers",
    "Servers by pseudonym and groups by name, where `exporter.servers` and `exporter.groups` ask for them. A pseudonym "
    "changes with its period; `knockfirst servers whois` on the router tells whose it is, and leaves an entry.",
    (
        stat("Servers with series", f"Each has a few series of its own. {TWICE}", "count(knockfirst_server_info{@})"),
        stat("Without for want of room", "Servers beyond `exporter.servers`, the least urgent ones.",
             "sum(knockfirst_series_suppressed{@})", bad=(1,)),
        stat("Came to have none", "How often a server came to have no series in the time that is shown.",
             "sum(increase(knockfirst_series_suppressions_total{@}[$__range]))"),
        stat("Group files failing", "Files of groups, or their directory, that cannot be used.",
             "sum(knockfirst_group_files_failing{@})", bad=(1,)),
        stat("Keys of pseudonyms", "Routers with one key give a server one name; with several it has several.",
             "count(count by (key_id) (knockfirst_pseudonym_info{@}))"),
        stat("Seen last", "Since the hour in which the server that was seen longest ago was seen.",
             "time() - min(knockfirst_server_last_seen_timestamp_seconds{@})", "s"),
        row("Servers"),
        table("Most exploited holes", "The twenty servers with the most holes that CISA lists as exploited.", "short",
              {'topk(20, max by (server) (knockfirst_server_exposed{@,severity="exploited"}))': ""}, 8),
        table("What they are", "By product, build and support.", "short",
              {"max by (server, product, generation, build, support, verdict) (knockfirst_server_info{@})": ""}, 16),
        row("Groups"),
        bars("Servers by group", f"Groups that are too small are in `other`. {TWICE}", "short",
             {"sum by (group) (knockfirst_group_servers{@})": "{{group}}"}, 12),
        graph("Open, by group", f"Those of them with a known hole that is open. {TWICE}", "short",
              {"sum by (group) (knockfirst_group_servers_exposed{@})": "{{group}}"}, 12),
    ),
)  # fmt: skip
