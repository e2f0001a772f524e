"""How a family of metrics is made: one value, or one for each set of label values. The table says the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from exporters.naming import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric

    from agent.asked import Delay
    from exporters.naming import Family

# The values of a family's labels, in their order, and the number that belongs to them.
Row = tuple[tuple[str, ...], float]


class UnnamedError(KeyError):
    """A family that is not in the table, or not with this kind or these labels: a fault of ours."""


def one(name: str, value: float) -> Metric:
    """A family without labels: a gauge or a counter."""
    return many(name, [((), value)])


def many(name: str, rows: Iterable[Row]) -> Metric:
    """A row for each set of label values: of a gauge as they come, of a counter in order."""
    family = _named(name)
    if family.kind == "histogram":
        raise UnnamedError(name)
    made: Metric
    if family.kind == "counter":
        made, rows = CounterMetricFamily(family.exposed, family.text, labels=tuple(family.labels)), sorted(rows)
    else:
        made = GaugeMetricFamily(family.exposed, family.text, labels=tuple(family.labels))
    expected = len(family.labels)
    for values, value in rows:
        if len(values) != expected:
            raise UnnamedError(f"{name}{values}")
        made.add_metric(values, float(value))
    return made


def by_one(name: str, named: Iterable[tuple[str, float]]) -> Metric:
    """A family with one label."""
    return many(name, [((value,), number) for value, number in named])


def histogram(name: str, delay: Delay) -> Metric:
    """A family of buckets, without labels."""
    return histograms(name, [((), delay)])


def histograms(name: str, rows: Iterable[tuple[tuple[str, ...], Delay]]) -> Metric:
    """Buckets for each set of label values. The bounds are the canonical numbers of OpenMetrics 1.0: 1.0 and not 1."""
    family = _named(name)
    made = HistogramMetricFamily(family.exposed, family.text, labels=tuple(family.labels))
    for values, delay in rows:
        if len(values) != len(family.labels):
            raise UnnamedError(f"{name}{values}")
        buckets = [*((str(float(bound)), float(count)) for bound, count in delay.buckets), ("+Inf", float(delay.count))]
        made.add_metric(values, buckets=buckets, sum_value=delay.sum)
    return made


def _named(name: str) -> Family:
    try:
        return TABLE[name]
    except KeyError:
        raise UnnamedError(name) from None
