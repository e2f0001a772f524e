"""How a family of metrics is made: one value, or one for each set of label values. Names get the program's prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric

# The values of a family's labels, and the number that belongs to them.
Row = tuple[tuple[str, ...], float]


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"knockfirst_{name}", text, value=float(value))


def counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"knockfirst_{name}", text, value=value)


def gauges(name: str, text: str, labels: tuple[str, ...], rows: Iterable[Row]) -> Metric:
    family = GaugeMetricFamily(f"knockfirst_{name}", text, labels=labels)
    for values, value in rows:
        family.add_metric(values, float(value))
    return family


def counters(name: str, text: str, labels: tuple[str, ...], rows: Iterable[Row]) -> Metric:
    family = CounterMetricFamily(f"knockfirst_{name}", text, labels=labels)
    for values, value in sorted(rows):
        family.add_metric(values, value)
    return family


def by_one(named: Iterable[tuple[str, float]]) -> list[Row]:
    """Rows for a family with one label."""
    return [((name,), value) for name, value in named]
