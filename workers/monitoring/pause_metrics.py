"""The metrics of `workers lag` about what people have paused on its host, by partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import CollectorRegistry

    from workers.monitoring.lag import LagSnapshot
    from workers.pauses import Pauses

LABELS = ("topic", "partition")
HELP_PAUSED = (
    "1 if somebody has paused the partition (`workers pause`) in the folder of this process; else 0. Absent: Kafka does not "
    "say which partitions there are."
)
HELP_SINCE = "Since when the partition is paused, by the oldest pause that covers it. Absent: it is not paused."


class PauseMetrics(Collector):
    """Beside those of the lag, for the same partitions."""

    def __init__(
        self, registry: CollectorRegistry, snapshot: Callable[[], LagSnapshot | None], pauses: Callable[[], Pauses]
    ) -> None:
        """Args: pauses: what is paused now."""
        self._snapshot, self._pauses = snapshot, pauses
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        pauses, snapshot = self._pauses(), self._snapshot()
        paused = GaugeMetricFamily("workers_lag_partition_paused", HELP_PAUSED, labels=LABELS)
        since = GaugeMetricFamily("workers_lag_partition_paused_since_timestamp_seconds", HELP_SINCE, labels=LABELS)
        for partition in sorted((snapshot.partitions if snapshot else None) or ()):
            labels = [partition.topic, str(partition.partition)]
            why = pauses.of(partition)
            paused.add_metric(labels, float(why is not None))
            if why:
                since.add_metric(labels, why.since)
        yield from (paused, since)

    def describe(self) -> list[GaugeMetricFamily]:
        """The metrics for the registry, which needs their names."""
        return list(self.collect())
