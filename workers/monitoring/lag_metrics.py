"""The metrics of `workers lag`: their names, their help, and their values at a scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.monitoring.lag import LagSnapshot, PartitionLag

GROUP = ("consumergroup", "topic", "partition")
PARTITION = ("topic", "partition")

BY_PARTITION: dict[str, tuple[str, tuple[str, ...], Callable[[PartitionLag], float | None]]] = {
    # Names and labels of danielqsj/kafka_exporter: public dashboards and alerts use them.
    "kafka_consumergroup_current_offset": (
        "The committed offset of the group. Absent: nothing was committed since the topic was created.",
        GROUP,
        lambda part: part.committed,
    ),
    "kafka_consumergroup_lag": (
        "Offsets from the committed one to the last stable offset. Counts transaction markers, which are no records.",
        GROUP,
        lambda part: part.records,
    ),
    "kafka_topic_partition_current_offset": (
        "The last stable offset: the end of the records that can be read.",
        PARTITION,
        lambda part: part.end,
    ),
    "kafka_topic_partition_oldest_offset": (
        "The log start: the first offset that Kafka still holds.",
        PARTITION,
        lambda part: part.start,
    ),
    "workers_lag_seconds": (
        "The age of the oldest record that is not committed; 0: there is none. Absent: not known.",
        PARTITION,
        lambda part: part.seconds,
    ),
    "workers_partition_unowned": (
        "1 if no member of the group owns the partition, also during a rebalance; else 0.",
        PARTITION,
        lambda part: float(part.owner is None),
    ),
    "workers_partition_last_commit_timestamp_seconds": (
        "When the committed offset last changed, or was first read.",
        PARTITION,
        lambda part: part.moved,
    ),
    "workers_partition_retention_headroom_records": (
        "Offsets from the log start to the committed offset; below 0: records were removed before they were read.",
        PARTITION,
        lambda part: part.headroom,
    ),
}
HELP_SUM = "Offsets that are not committed, over all partitions of the topic."
HELP_MEMBERS = "Members of the group; a killed one counts until it is evicted, or its session times out."
HELP_UP = "1 if Kafka answered at the last poll, else 0; then all series of the group and the topic are absent."
HELP_SUCCESS = "When Kafka last answered."


class LagMetrics(Collector):
    """Exports only what is known now: a stale lag would look like a constant one."""

    def __init__(
        self,
        group: str,
        topic: str,
        current: Callable[[], LagSnapshot | None],
        last_success: Callable[[], float | None],
    ) -> None:
        self._group, self._topic = group, topic
        self._current, self._last_success = current, last_success
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        snapshot = self._current()
        partitions = snapshot.partitions if snapshot else None
        for name, (text, labels, value) in BY_PARTITION.items():
            family = GaugeMetricFamily(name, text, labels=labels)
            for partition, part in sorted((partitions or {}).items()):
                if (number := value(part)) is not None:
                    values = {
                        "consumergroup": self._group,
                        "topic": partition.topic,
                        "partition": str(partition.partition),
                    }
                    family.add_metric([values[label] for label in labels], number)
            yield family
        lag_sum = GaugeMetricFamily("kafka_consumergroup_lag_sum", HELP_SUM, labels=["consumergroup", "topic"])
        members = GaugeMetricFamily("kafka_consumergroup_members", HELP_MEMBERS, labels=["consumergroup"])
        if snapshot:
            members.add_metric([self._group], snapshot.members)
            if partitions is not None:
                lag_sum.add_metric([self._group, self._topic], snapshot.point.lag)
        up = GaugeMetricFamily("workers_lag_up", HELP_UP, value=float(snapshot is not None))
        success = GaugeMetricFamily("workers_lag_last_success_timestamp_seconds", HELP_SUCCESS)
        if (time := self._last_success()) is not None:
            success.add_metric([], time)
        yield from (lag_sum, members, up, success)

    def describe(self) -> list[GaugeMetricFamily]:
        """The metrics for the registry, which needs their names."""
        return list(self.collect())
