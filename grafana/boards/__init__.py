"""The dashboards, in the order in which they are listed."""

from __future__ import annotations

from grafana.boards import collector, consent, exposure, fleet, itself, router, single, telling

BOARDS = (
    fleet.BOARD, collector.BOARD, consent.BOARD, exposure.BOARD, telling.BOARD, single.BOARD, router.BOARD,
    itself.BOARD,
)  # fmt: skip
