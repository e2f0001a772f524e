"""What is written is, byte for byte, what the library writes of the same families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import exposition as library
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.openmetrics import exposition as library_openmetrics
from prometheus_client.registry import Collector

from exporters.exposition import openmetrics, plain
from exporters.prometheus import registry
from tests.exporters.permitted import PERMITTED
from tests.exporters.test_prometheus import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric

TEXT = st.text(max_size=12) | st.sampled_from(('"', "\\", "\n", '\\"\n', "é\x00"))
VALUES = st.floats() | st.integers(-(1 << 60), 1 << 60) | st.sampled_from((1e6, 1e7, 123456.5, 1e21, 1e-7, -0.0))


def same(registry_: CollectorRegistry) -> None:
    assert plain(registry_) == library.generate_latest(registry_)
    assert openmetrics(registry_) == library_openmetrics.generate_latest(registry_)


class Made(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


@settings(max_examples=80, deadline=None)
@example("", [("", "", 0.0), ("", "", -0.0)])
@given(TEXT, st.lists(st.tuples(TEXT, TEXT, VALUES), max_size=5))
def test_any_values(text: str, rows: list[tuple[str, str, float]]) -> None:
    gauge = GaugeMetricFamily("knockfirst_b", text, labels=("z", "a"))
    counter = CounterMetricFamily("knockfirst_c", text, labels=("one",))
    for one, other, value in rows:
        gauge.add_metric((one, other), value)
        counter.add_metric((one,), value)
    histogram = HistogramMetricFamily("knockfirst_d", text, buckets=[("1.0", 2), ("+Inf", 3)], sum_value=4.5)
    made = CollectorRegistry(auto_describe=False)
    made.register(Made([GaugeMetricFamily("knockfirst_a", text, value=1), gauge, counter, histogram]))
    same(made)


def test_a_whole_snapshot() -> None:
    shown = snapshot(permission=PERMITTED)
    families = list(registry("1.0", lambda: shown).collect())
    made = CollectorRegistry(auto_describe=False)
    made.register(Made(families))  # of one moment: processor time goes on
    same(made)
