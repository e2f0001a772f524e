"""When a stage loses, why that is likely, and which key helps: a table.

A rule that does not lose is a remark: worth knowing, and no fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.tuning.conditions import (
    absent,
    configured,
    core_full,
    every,
    is_off,
    malformed,
    measures,
    no,
    nobody_looks,
    none,
    not_applied,
    not_looked_at,
    not_ready,
    one_sided,
    only,
    restarted,
    retention_late,
    rises,
    share,
    some,
)
from agent.tuning.reading import LINE

if TYPE_CHECKING:
    from agent.tuning.conditions import Condition
    from agent.tuning.reading import View, Where

INTERFACE, FILES, BOTH = ("interface",), ("file",), ("interface", "file")
BEHIND = (LINE,)


class Rule(NamedTuple):
    """One row. ``knobs`` are keys of the configuration, each with what to do to it; ``advice`` is what else helps."""

    id: str
    stage: str
    where: tuple[Where, ...]
    when: Condition
    cause: str
    knobs: tuple[tuple[str, str], ...] = ()
    advice: str = ""
    loses: bool = True


_DOWN = is_off("up")
_RING_LOSES = some(share("drop_ring", of="frames_seen"), rises("ring_freezes"))
_HEADERS_ALONE = only(("kind.tcp.synack",), 20)
_BY_CHOICE = configured("privacy.handshakes", "off")

RULES: tuple[Rule, ...] = (
    Rule(
        "nobody-looks", "link", INTERFACE, nobody_looks,
        "no capture process looks at this interface now",
        advice="the log says why it ended; a name that capture.interfaces does not hold any more is counted no further",
    ),
    Rule(
        "link-down", "link", INTERFACE, _DOWN,
        "the interface is down, or there is none of that name",
        knobs=(("capture.interfaces", "correct"),),
        advice="`ip link show` lists those there are; a cable or the mirror's other end may be down",
    ),
    Rule(
        "not-opened", "link", INTERFACE, rises("not_opened"),
        "the interface cannot be opened; the log says why",
        advice="capture needs CAP_NET_RAW, and room for its ring",
    ),
    Rule("link-unsteady", "link", INTERFACE, rises("went_down"), "the link goes down and comes back",
         advice="look at the cable, the optics and the other end"),
    Rule(
        "nothing-arrives", "arriving", INTERFACE,
        every(no(_DOWN), no(nobody_looks), lambda view: view.total("offered") == 0),
        "no frame has ever come: nothing is mirrored to this interface",
        knobs=(("capture.interfaces", "correct"), ("capture.promiscuous", "set to true")),
        advice="look at the mirror (SPAN session, tap, port) that should end here",
    ),
    Rule(
        "quiet", "arriving", INTERFACE,
        every(no(_DOWN), no(nobody_looks), lambda view: view.total("offered") > 0 and view.now("offered") == 0),
        "frames came before, and none in these seconds",
        advice="if that is not usual here, look at the mirror", loses=False,
    ),
    Rule(
        "card-misses", "card", INTERFACE, share("nic_missed", of="offered"),
        "the network card or its driver loses frames before anybody sees them",
        advice="more receive descriptors (ethtool -G), more receive queues (ethtool -L), interrupts on other CPUs than"
        " those of capture.cpus",
    ),
    Rule(
        "nothing-admitted", "filter", INTERFACE,
        every(
            no(rises("not_opened")),
            some(measures("filter_suspect", 1.0), none("frames_seen", although="offered", least=1000)),
        ),
        "frames arrive and the filter admits none: the prefixes are not those of the mirrored traffic, or it comes in a"
        " tunnel that is not configured, or the forwarding path (VPP, DPDK, a flow offload) passes the tap by",
        knobs=(("capture.prefixes", "correct"), ("privacy.customers", "correct"),
               ("capture.encapsulations", "add to"), ("capture.ports", "widen")),
        advice="`tcpdump -c 20 -nn -e` on that interface shows what really comes",
    ),
    Rule(
        "demoted", "filter", INTERFACE, measures("demoted", 1.0),
        "prefixes do not fit into the filter: of those only headers are looked at",
        advice="aggregate the prefixes of the files, so that there are fewer and wider ones",
    ),
    Rule(
        "ring-drops", "ring", INTERFACE, _RING_LOSES,
        "frames come faster than they are read out of the ring",
        knobs=(("capture.ring_mib", "raise"), ("capture.workers", "raise"), ("capture.synack_sample", "raise"),
               ("capture.ports", "narrow")),
        advice="see that nothing else has the CPUs of capture",
    ),
    Rule(
        "ring-nearly-full", "ring", INTERFACE, every(no(_RING_LOSES), measures("ring_fill", 0.5)),
        "more than half of the ring was full: a longer burst will be lost",
        knobs=(("capture.ring_mib", "raise"), ("capture.workers", "raise")), loses=False,
    ),
    Rule(
        "files-unreadable", "inputs", FILES, measures("unreadable", 1.0),
        "files cannot be read; the log names them and says why",
        knobs=(("capture.files", "correct"),),
    ),
    Rule(
        "not-counted", "arriving", FILES,
        every(configured("capture.count_frames", value=False), lambda view: view.total("frames_seen") == 0),
        "frames of files are not counted, by the configuration",
        knobs=(("capture.count_frames", "set to true"),), loses=False,
    ),
    Rule(
        "fragments", "decoded", BOTH, share("drop_fragment", of="frames_seen", over=0.01, least=10),
        "IP fragments: only the first one has ports, so that none is looked into",
        advice="mirror before the tunnel that makes them, or give that tunnel a larger MTU",
    ),
    Rule(
        "unknown-ethertypes", "decoded", BOTH, share("drop_not_ip", of="frames_seen", over=0.1, least=100),
        "much is neither IPv4 nor IPv6: other protocols, or a tag or tunnel that is not known",
        knobs=(("capture.encapsulations", "add to"),),
        advice="`tcpdump -c 20 -nn -e` shows the ethertypes",
    ),
    Rule(
        "too-deep", "decoded", BOTH, share("drop_too_deep", of="frames_seen", over=0.01, least=10),
        "frames with more tags, labels or tunnels inside each other than are followed",
        advice="mirror at a place where fewer of them are left",
    ),
    Rule(
        "truncated", "decoded", BOTH, share("drop_truncated", of="frames_seen", over=0.01, least=10),
        "frames are cut short before their payload",
        advice="let the mirror, or whoever wrote the file, copy whole frames (snaplen 0)",
    ),
    Rule(
        "damaged", "decoded", BOTH, share("drop_bad_ip", "drop_bad_tcp", of="frames_seen", over=0.01, least=10),
        "headers of IP or TCP contradict themselves",
        advice="look for a mirror that rewrites frames, or a link with errors (ethtool -S)",
    ),
    Rule(
        "others-traffic", "wanted", BOTH, share("drop_outside_prefixes", of="frames_seen", over=0.9, least=100),
        "nearly everything belongs to servers outside the customers' prefixes",
        knobs=(("capture.prefixes", "add to"), ("privacy.customers", "add to")),
        advice="or the mirror carries the wrong direction of traffic",
    ),
    Rule(
        "muted-late", "wanted", INTERFACE, share("drop_muted", of="frames_seen", over=0.5, least=1000),
        "much of what the filter admits is of servers that are known already, more than fit into it",
        knobs=(("capture.synack_sample", "raise"),), loses=False,
    ),
    Rule(
        "nothing-used", "used", BOTH, none("frames_used", although="frames_seen", least=1000),
        "of all that was admitted nothing could be looked into",
        knobs=(("capture.encapsulations", "add to"), ("capture.dissectors", "add to")),
    ),
    Rule(
        "capture-absent", "capture", BEHIND, not_ready("capture_absent"),
        "no capture process is connected to the agent",
        advice="the log says why it ended",
    ),
    Rule(
        "capture-not-permitted", "capture", BEHIND, not_ready("capture_not_permitted"),
        "capture may not look at interfaces: it has no right to a packet socket",
        advice="give it CAP_NET_RAW (AmbientCapabilities=CAP_NET_RAW in the unit), or start it as root",
    ),
    Rule(
        "prefixes-unreadable", "capture", BEHIND, not_ready("prefixes_unreadable"),
        "the prefix files cannot be used, so nobody is looked at; the log says which line of which file",
        knobs=(("privacy.customers", "correct"), ("privacy.excluded", "correct"), ("privacy.objected", "correct")),
    ),
    Rule(
        "not-applied", "capture", BEHIND, every(no(absent), not_applied),
        "capture does not look yet by the newest configuration and prefixes",
        advice="if it stays so, the log says why a new filter cannot take over",
    ),
    Rule(
        "reload-refused", "capture", BEHIND, is_off("sets.reload_successful"),
        "the last reload was refused, so that an older configuration is in force",
        advice="`knockfirst check-config FILE` names what is wrong",
    ),
    Rule(
        "prefixes-failing", "capture", BEHIND, measures("sets.prefix_files_failing", 1.0),
        "prefix files cannot be used as they are now: those from before are in force; the log says what is wrong",
        loses=False,
    ),
    Rule(
        "interface-missing", "capture", BEHIND, every(no(absent), not_looked_at),
        "an interface of the configuration is not looked at",
        knobs=(("capture.interfaces", "correct"),), advice="the log says why",
    ),
    Rule(
        "capture-restarts", "capture", BEHIND, every(restarted, rises("connections.capture")),
        "capture ended and was started anew in these seconds",
        advice="the log says why it ended",
    ),
    Rule(
        "capture-restarted", "capture", BEHIND, every(restarted, no(absent), no(rises("connections.capture"))),
        "capture was started more than once since the agent was", advice="the log says why it ended", loses=False,
    ),
    Rule(
        "refused", "capture", BEHIND, rises("rejected"),
        "the agent closes connections for what is said there",
        advice="roles of different versions run together: restart the daemon",
    ),
    Rule(
        "core-full", "capture", BEHIND, core_full,
        "the capture processes need all of their cores: more traffic will be lost",
        knobs=(("capture.workers", "raise"), ("capture.synack_sample", "raise"), ("capture.dissectors", "narrow")),
        loses=False,
    ),
    Rule(
        "streams-full", "streams", BEHIND, share("streams_evicted_full", of="streams"),
        "streams are let go unfinished, because too many are followed at once",
        knobs=(("capture.max_streams", "raise"), ("capture.stream_seconds", "lower")),
    ),
    Rule(
        "gaps", "streams", BEHIND, share("streams_with_gap", of="streams", over=0.05, least=10),
        "segments are missing in streams: the mirror loses frames, or shows one of several paths",
        advice="look at the counters of the mirror; where the ring loses too, mend that first",
    ),
    Rule(
        "cut", "streams", BEHIND, share("segments_cut", of="streams", over=0.05, least=10),
        "payload is cut short: the mirror truncates frames",
        advice="let the mirror copy whole frames",
    ),
    Rule(
        "at-limit", "streams", BEHIND, share("streams_at_limit", of="streams", over=0.05, least=10),
        "streams are looked at only up to their first bytes, and more would have come",
        knobs=(("capture.max_bytes", "raise"),), loses=False,
    ),
    Rule(
        "malformed", "dissected", BEHIND, malformed,
        "peers send what their protocol does not allow: another protocol on that port, or streams with holes",
        knobs=(("capture.dissectors", "narrow"), ("capture.ports", "narrow")),
    ),
    Rule(
        "nothing-told", "told", BEHIND, none("observations", "repeats", although="frames_used", least=1000),
        "frames are looked into and tell nothing: only one direction, or only the middle of connections, is mirrored",
        knobs=(("capture.dissectors", "add to"),),
        advice="see that the mirror copies both directions",
    ),
    Rule(
        "queue-full", "told", BEHIND, share("queue_full", of="observations"),
        "the agent takes observations more slowly than they come",
        knobs=(("capture.queue", "raise"),),
        advice="see that the agent gets a CPU: it should not share one with capture",
    ),
    Rule(
        "one-way", "told", BEHIND, one_sided,
        "handshakes are seen only from clients: the mirror carries one direction",
        advice="mirror both directions of the port, or a second interface with the other",
    ),
    Rule(
        "headers-by-choice", "told", BEHIND, every(_HEADERS_ALONE, _BY_CHOICE),
        'only SYN-ACKs are looked at, because privacy.handshakes is "off"',
        knobs=(("privacy.handshakes", "set to another value"),), loses=False,
    ),
    Rule(
        "headers-alone", "told", BEHIND, every(_HEADERS_ALONE, no(_BY_CHOICE)),
        "only SYN-ACKs tell anything: of no prefix handshakes may be looked at, or those prefixes did not fit into the"
        " filter",
        knobs=(("privacy.handshakes", "widen"), ("privacy.customers", "add to"), ("capture.dissectors", "add to")),
    ),
    Rule(
        "no-evidence", "evidence", BEHIND, none("matched", although="received", least=1000),
        "no fingerprint has matched anything: there may be no Exchange here",
        advice="`knockfirst fingerprints test` proves the book, `knockfirst selftest` the whole line", loses=False,
    ),
    Rule(
        "evicted", "believed", BEHIND, share("inventory.servers_evicted", of="inventory.observations"),
        "servers are forgotten, because there are more than may be kept",
        knobs=(("agent.max_servers", "raise"),),
    ),
    Rule(
        "store-fails", "stored", BEHIND, rises("store.write_failures"),
        "the store cannot be written; nothing is lost as long as the agent lives",
        advice="the log says why; see that its disk has room and that it is the daemon's own",
    ),
    Rule(
        "store-full", "stored", BEHIND, rises("store.deleted.rows"),
        "observations are deleted before their time, because there are more than may be stored",
        knobs=(("agent.max_observations", "raise"), ("agent.retention_days", "lower")),
    ),
    Rule(
        "too-long-kept", "stored", BEHIND, retention_late,
        "what is too old has not been deleted for two hours: it is kept longer than it may be",
        advice="the log says why; see that the store's disk has room",
    ),
)  # fmt: skip


def broken(view: View, stage: str) -> list[Rule]:
    """The rules of this stage that the view breaks, in the order of the table."""
    return [rule for rule in RULES if rule.stage == stage and view.where in rule.where and rule.when(view)]
