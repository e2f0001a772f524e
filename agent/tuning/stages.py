"""The way of a frame, stage by stage: which counters and gauges tell how much came through each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.tuning.rules import BEHIND, BOTH, FILES, INTERFACE

if TYPE_CHECKING:
    from agent.tuning.reading import View, Where


class Stage(NamedTuple):
    """``counts`` and ``gauges``: name -> what it counts, for people. The first of the counts is always shown.

    ``of`` is the counter of which these are a part. ``families``: how the names of further counters begin. ``needs``: a
    gauge without which there is no such stage.
    """

    name: str
    where: tuple[Where, ...]
    counts: tuple[tuple[str, str], ...]
    gauges: tuple[tuple[str, str], ...] = ()
    of: str = ""
    families: tuple[str, ...] = ()
    needs: str = ""

    def belongs(self, view: View) -> bool:
        """Whether what the view is of has such a stage."""
        return view.where in self.where and (not self.needs or self.needs in view.gauges)


STAGES: tuple[Stage, ...] = (
    Stage("inputs", FILES, (), (("read", "files read"), ("waiting", "waiting"), ("unreadable", "unreadable"))),
    Stage(
        "link", INTERFACE,
        (("went_down", "went down"), ("came_back", "came back"), ("renamed", "renamed"), ("not_opened", "not opened")),
        (("up", "up"),),
    ),
    Stage("arriving", INTERFACE, (("offered", "frames"),)),
    Stage("arriving", FILES, (("frames_seen", "frames"),)),
    Stage("card", INTERFACE, (("nic_missed", "missed"),), of="offered"),
    Stage(
        "filter", INTERFACE,
        (("frames_seen", "admitted"), ("takeovers", "new filters"), ("seen_twice", "seen by two filters")),
        (("filter_suspect", "suspect"), ("demoted", "prefixes demoted"), ("muted_in_filter", "servers muted"),
         ("filter_instructions", "instructions")),
        of="offered",
    ),
    Stage(
        "ring", INTERFACE, (("drop_ring", "dropped"), ("ring_freezes", "times full")), (("ring_fill", "full at most"),),
        of="frames_seen",
    ),
    Stage(
        "decoded", BOTH,
        (("drop_not_ip", "not IP"), ("drop_fragment", "fragments"), ("drop_truncated", "cut short"),
         ("drop_too_deep", "nested too deeply"), ("drop_bad_ip", "bad IP headers"), ("drop_bad_tcp", "bad TCP headers"),
         ("drop_not_tcp_udp", "neither TCP nor UDP"), ("drop_link_type", "of unknown link types")),
        of="frames_seen",
    ),
    Stage(
        "wanted", BOTH,
        (("drop_not_wanted", "not wanted"), ("drop_outside_prefixes", "outside the prefixes"), ("drop_muted", "muted"),
         ("drop_no_payload", "without payload")),
        of="frames_seen", families=("drop_",),
    ),
    Stage("used", BOTH, (("frames_used", "frames looked into"),), of="frames_seen"),
    Stage(
        "capture", BEHIND,
        (("parse_microseconds", "of work"), ("connections.capture", "start(s)"), ("rejected", "messages refused")),
        (("sets.prefixes.handshakes", "prefixes for handshakes"), ("sets.prefixes.headers", "for headers"),
         ("sets.prefixes.resolvers", "of resolvers"), ("sets.number", "is the newest section"),
         ("sets.applied", "is applied")),
    ),
    Stage(
        "streams", BEHIND,
        (("streams", "streams"), ("streams_of_the_sated", "passed over, known"), ("streams_with_gap", "with a gap"),
         ("streams_evicted_full", "let go for lack of room"), ("streams_evicted_age", "let go for age"),
         ("segments_cut", "segments cut"), ("streams_at_limit", "longer than is looked at")),
    ),
    Stage("dissected", BEHIND, (("malformed_dns", "malformed DNS"),), of="streams", families=("malformed_",)),
    Stage(
        "told", BEHIND,
        (("observations", "observations"), ("repeats", "repeated, not told"), ("queue_full", "lost, queue full"),
         ("told_too_long", "too long")),
    ),
    Stage(
        "evidence", BEHIND,
        (("matched", "facts matched a fingerprint"), ("inventory.repeats", "known already"),
         ("inventory.surplus", "more than is needed of a kind")),
        of="received",
    ),
    Stage(
        "believed", BEHIND, (("inventory.servers_evicted", "servers forgotten"),),
        (("kept", "servers kept"), ("exchange", "with signs of Exchange"), ("servers.confirmed", "confirmed"),
         ("servers.probable", "probable"), ("servers.suspected", "suspected")),
    ),
    Stage(
        "stored", BEHIND,
        (("store.write_failures", "writes failed"), ("store.deleted.age", "deleted for age"),
         ("store.deleted.rows", "deleted for lack of room")),
        (("store.observations", "observations kept"), ("store.servers", "servers"), ("store.bytes", "bytes")),
        needs="store.observations",
    ),
)  # fmt: skip

_NAMED = frozenset(name for stage in STAGES for name, _ in stage.counts)
_ALWAYS = ("kept", "store.observations")
_RATIOS = ("ring_fill",)
_NO_PARTS = ("takeovers", "seen_twice", "ring_freezes", "inventory.repeats", "inventory.surplus")
PARSED = "parse_microseconds"
_SWITCHES = {"up": ("up", "down"), "filter_suspect": ("suspect", "")}


def counters(stage: Stage, view: View) -> list[tuple[str, str]]:
    """The counters of a stage that this view has, with what each counts; the first of the table in any case."""
    known = [(name, what) for at, (name, what) in enumerate(stage.counts) if not at or name in view.after]
    more = [(n, _spoken(n, start)) for start in stage.families for n in view.named(start) if n not in _NAMED]
    return [*known, *more]


def _spoken(name: str, start: str) -> str:
    return ("malformed " if start == "malformed_" else "") + name.removeprefix(start).replace("_", " ")


def shown(stage: Stage, view: View) -> str:
    """What came through a stage, in a line: gauges, then totals with their share and rate; zeros only where first."""
    gauges = [text for name, what in stage.gauges if name in view.gauges and (text := _gauge(name, what, view))]
    named = counters(stage, view)
    moved = [(name, what) for at, (name, what) in enumerate(named) if view.total(name) or (not at and not gauges)]
    return "; ".join([*gauges, *(_count(name, what, stage.of, view) for name, what in moved)]) or "nothing yet"


def _gauge(name: str, what: str, view: View) -> str:
    value = view.gauges[name]
    if name in _SWITCHES:
        return _SWITCHES[name][not value]
    if name in _RATIOS:
        return f"{value:.0%} {what}"
    return f"{value:,.0f} {what}" if value or name in _ALWAYS else ""


def _part(name: str, of: str, view: View) -> str:
    """What part of the whole it is, in brackets, where it is a part."""
    whole, part = (view.total(of), view.total(name)) if of and name not in _NO_PARTS else (0, 0)
    if not (whole and part):
        return ""
    return f" ({100 * part / whole:.3g} %)" if part >= whole / 10_000 else " (<0.01 %)"


def busy(view: View) -> float:
    """How much of a core capture needs for frames; more than 1 where several workers do."""
    return view.rate(PARSED) / 1e6


def _count(name: str, what: str, of: str, view: View) -> str:
    if name == PARSED:
        return f"{view.total(name) / 1e6:,.1f} s {what}, {busy(view):.0%} of a core"
    rate = view.rate(name)
    return f"{view.total(name):,} {what}{_part(name, of, view)}" + (f", {rate:,.0f}/s" if rate >= 1 else "")
