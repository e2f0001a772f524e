"""What ``top`` shows, as lines of text: rates of each interface, and below what has moved and what loses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.screen import printable
from agent.tuning.reading import LINE
from agent.tuning.stages import busy

if TYPE_CHECKING:
    from agent.diagnosis import Diagnosis
    from agent.tuning.doctor import Step
    from agent.tuning.reading import View

LOST = ("drop_ring", "nic_missed")

_HEADERS = ("interface", "link", "offered/s", "admitted/s", "used/s", "ring", "lost/s", "told/s", "parse")
_LEFT = ("interface", "link", "ring")  # the other columns are numbers
_BAR = 10
_MOST = 6  # of what has moved, the most


def lines(steps: list[Step], width: int, height: int) -> list[str]:
    """At most ``height`` lines of at most ``width`` columns: what matters most is highest."""
    views = _views(steps)
    behind = views[-1]
    losing = [f"loses: {s.place}: {_first_loss(s)}" for s in steps if s.state == "loses"]
    made = [
        head(behind.said),
        *table(_rows(views)),
        *moved("drops", [(f"{v.name} {n.removeprefix('drop_')}", v.rate(n)) for v in views for n in v.named("drop_")]),
        *moved("kinds", _named(behind, "kind.")),
        *moved("fingerprints", _named(behind, "evidence.")),
        *moved("malformed", _named(behind, "malformed_")),
        *losing,
    ]
    return fit(made, width, height)


def line(steps: list[Step]) -> str:
    """The same in one line, for where there is no terminal."""
    views = _views(steps)
    behind, collectors = views[-1], views[:-1]
    fill = max((view.gauges.get("ring_fill", 0.0) for view in collectors), default=0.0)
    said = behind.said
    losing = [step.place.replace(" of ", ":") for step in steps if step.state == "loses"]
    facts = {
        "offered": f"{_sum(collectors, 'offered'):.1f}", "admitted": f"{_sum(collectors, 'frames_seen'):.1f}",
        "lost": f"{_sum(collectors, *LOST):.1f}", "ring": f"{fill:.0%}", "told": f"{behind.rate('observations'):.1f}",
        "parse": f"{busy(behind):.0%}", "servers": str(said.kept), "exchange": str(said.exchange),
        "ready": ",".join(said.not_ready) or "yes", "loses": ",".join(losing) or "nothing",
    }  # fmt: skip
    clock = datetime.fromtimestamp(said.time, UTC).strftime("%H:%M:%S")
    return printable(" ".join([clock, *(f"{name}={value}" for name, value in facts.items())]))


def head(said: Diagnosis) -> str:
    """How long it has run, what it has found, and whether that can be relied on."""
    clock = datetime.fromtimestamp(said.time, UTC).strftime("%H:%M:%S UTC")
    return (
        f"knockfirst  {clock}  up {_lasted(said.time - said.started)}  servers {said.kept:,}  "
        f"with signs of Exchange {said.exchange:,}  ready {_ready(said)}"
    )


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Columns under their headers, numbers to the right."""
    cells = [_HEADERS, *rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(_HEADERS))]
    return ["  ".join(_aligned(*cell) for cell in zip(_HEADERS, row, widths, strict=True)).rstrip() for row in cells]


def moved(what: str, rates: list[tuple[str, float]]) -> list[str]:
    """A line with the fastest of what has moved; none where nothing has."""
    fastest = sorted(((n, r) for n, r in rates if r > 0), key=lambda rate: (-rate[1], rate[0]))[:_MOST]
    return [f"{what:12}  " + "  ".join(f"{name} {_rate(rate)}/s" for name, rate in fastest)] if fastest else []


def fit(made: list[str], width: int, height: int) -> list[str]:
    """No line longer, and no more lines, than there is room for; the last one says if there would be more."""
    if len(made) > height:
        made = [*made[: max(0, height - 1)], f"({len(made) - height + 1} more lines)"][:height]
    return [printable(text)[:width] for text in made]


def _first_loss(step: Step) -> str:
    return next(rule.cause for rule in step.broken if rule.loses)


def _views(steps: list[Step]) -> list[View]:
    """One for each collector, that of the line behind them last."""
    return list({(step.view.where, step.view.name): step.view for step in steps}.values())


def _named(view: View, start: str) -> list[tuple[str, float]]:
    return [(name.removeprefix(start), view.rate(name)) for name in view.named(start)]


def _rows(views: list[View]) -> list[tuple[str, ...]]:
    *collectors, behind = views
    rows = [_row(view) for view in collectors]
    together = (
        "together", "", _rate(_sum(collectors, "offered")), _rate(_sum(collectors, "frames_seen")),
        _rate(_sum(collectors, "frames_used")), "", _rate(_sum(collectors, *LOST)),
        _rate(behind.rate("observations")), f"{busy(behind):.0%}",
    )  # fmt: skip
    return [*rows, together]


def _row(view: View) -> tuple[str, ...]:
    gauges = view.gauges
    link = {1.0: "up", 0.0: "down"}.get(gauges.get("up", -1.0), "-")
    offered = _rate(view.rate("offered")) if "offered" in view.after else "-"
    ring = bar(gauges["ring_fill"]) if "ring_fill" in gauges else "-"
    return (
        printable(view.name), link, offered, _rate(view.rate("frames_seen")), _rate(view.rate("frames_used")), ring,
        _rate(view.rate(*LOST)), "", "",
    )  # fmt: skip


def bar(share: float) -> str:
    """How full something is, from 0 to 1."""
    share = min(max(share, 0.0), 1.0)
    filled = round(share * _BAR)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {share:4.0%}"


def _aligned(header: str, text: str, width: int) -> str:
    return text.ljust(width) if header in _LEFT else text.rjust(width)


def _sum(views: list[View], *names: str) -> float:
    return sum(view.rate(*names) for view in views if view.where != LINE)


def _rate(rate: float) -> str:
    return f"{rate:.1f}" if 0 < rate < 10 else f"{rate:,.0f}"


def _lasted(seconds: float) -> str:
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days:.0f} d {hours % 24:.0f} h"
    return f"{hours:.0f} h {minutes % 60:.0f} min" if hours else f"{minutes:.0f} min {seconds % 60:.0f} s"


def _ready(said: Diagnosis) -> str:
    return f"no ({' '.join(said.not_ready)})" if said.not_ready else "yes"
