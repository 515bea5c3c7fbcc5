"""The metrics of what a worker writes to its disk and its log. Neither is needed for the promise, and both may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric


class OutputMetrics(Collector):
    """Reads the counts when it is scraped."""

    def __init__(
        self,
        registry: CollectorRegistry,
        problem: Callable[[], str | None],
        failures: Callable[[], int],
        dropped_lines: Callable[[], int],
    ) -> None:
        """Args:
        problem: what cannot be written now; None: everything can.
        failures: failed writes of state files since the start.
        dropped_lines: log lines since the start that could not be written.
        """
        self._problem, self._failures, self._dropped_lines = problem, failures, dropped_lines
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "workers_state_writable",
            "0 while a file of this worker's state cannot be written: a full disk, or a missing right; else 1.",
            value=0 if self._problem() else 1,
        )
        yield CounterMetricFamily(
            "workers_state_write_failures", "Writes of state files that failed.", value=self._failures()
        )
        yield CounterMetricFamily(
            "workers_log_dropped_lines",
            "Log lines that could not be written: a full disk, a closed output, or a pipe that nobody reads.",
            value=self._dropped_lines(),
        )
