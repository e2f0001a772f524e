"""The way of a frame, stage by stage, by the rules of ``knockfirst doctor``: where it is lost, and what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporters.console.content import Cell, Section, Table

if TYPE_CHECKING:
    from agent.diagnosis import Diagnosis
    from agent.messages import Snapshot
    from agent.tuning.doctor import Step

_MARKS = {"loses": "bad", "remark": "warn", "ok": "ok"}


def steps(before: Snapshot, after: Snapshot) -> list[Step]:
    """Every stage of every collector; the two snapshots are of different times, or the same one twice."""
    from agent.tuning.doctor import walk

    return walk(_diagnosis(before), _diagnosis(after))


def section(walked: list[Step]) -> Section:
    """The stages, with a table for each collector and one for what is behind them all."""
    from agent.tuning.doctor import advice
    from agent.tuning.stages import shown

    tables: dict[str, list[tuple[Cell, ...]]] = {}
    for step in walked:
        helps = " ".join(f"{text}." for rule in step.broken for text in advice(rule, step.view))
        cells = (
            Cell(step.stage.name),
            Cell(step.state, state=_MARKS[step.state]),
            Cell(shown(step.stage, step.view), note=helps),
        )
        tables.setdefault(_title(step), []).append(cells)
    heads = ("Stage", "State", "What came through")
    return Section(
        "looking",
        "Looking",
        "From the link to what is believed. Totals are since the start; `knockfirst doctor` and `knockfirst top` on the"
        " machine itself also know the keys that it is configured with.",
        tables=[Table(title, heads, rows) for title, rows in tables.items()],
    )


def _title(step: Step) -> str:
    where = step.view.where
    return {"file": "Capture files", "line": "Behind the collectors"}.get(where, f"Interface {step.view.name}")


def _diagnosis(snapshot: Snapshot) -> Diagnosis:
    """What the snapshot tells of what a diagnosis is made of. The keys of the configuration are not in it."""
    from agent.diagnosis import Diagnosis as Model
    from agent.diagnosis import diagnosis
    from agent.sections import Config

    body = diagnosis(snapshot.model_dump(), Config())
    return Model.model_validate(body | {"config": {}})
