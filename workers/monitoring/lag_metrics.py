"""Every metric of `workers lag`: its name, its help, and what fills it at a scrape."""

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
        "The committed offset of the group. Absent: nothing was committed since the topic was made.",
        GROUP,
        lambda part: part.committed,
    ),
    "kafka_consumergroup_lag": (
        "Offsets from the committed one to the end of what may be read; a transaction's marker has one, and no record.",
        GROUP,
        lambda part: part.records,
    ),
    "kafka_topic_partition_current_offset": (
        "The end of what may be read: the last stable offset.",
        PARTITION,
        lambda part: part.end,
    ),
    "kafka_topic_partition_oldest_offset": (
        "The first offset that Kafka still holds.",
        PARTITION,
        lambda part: part.start,
    ),
    "workers_lag_seconds": (
        "The age of the oldest record that is not yet stored; 0 when there is none. Absent: not known.",
        PARTITION,
        lambda part: part.seconds,
    ),
    "workers_partition_unowned": (
        "1 where no member of the group reads the partition, also while the group rebalances; else 0.",
        PARTITION,
        lambda part: float(part.owner is None),
    ),
    "workers_partition_last_commit_timestamp_seconds": (
        "When the committed offset was last seen to move, or was first looked at.",
        PARTITION,
        lambda part: part.moved,
    ),
    "workers_partition_retention_headroom_records": (
        "Offsets from the first one that Kafka holds to the committed one; below 0, some were removed unread.",
        PARTITION,
        lambda part: part.headroom,
    ),
}
HELP_SUM = "Offsets that are not yet committed, over all partitions of the topic."
HELP_MEMBERS = "Members of the group; a killed one counts until it is evicted, or its session has timed out."
HELP_UP = "1 when Kafka answered the last look, else 0; then all that is known of the group and the topic is absent."
HELP_SUCCESS = "When Kafka last answered a look."


class LagMetrics(Collector):
    """Nothing that is not known now is exported: a number that stands still looks like one that is well."""

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
        look = self._current()
        partitions = look.partitions if look else None
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
        if look:
            members.add_metric([self._group], look.members)
            if partitions is not None:
                lag_sum.add_metric([self._group, self._topic], look.point.lag)
        up = GaugeMetricFamily("workers_lag_up", HELP_UP, value=float(look is not None))
        success = GaugeMetricFamily("workers_lag_last_success_timestamp_seconds", HELP_SUCCESS)
        if (time := self._last_success()) is not None:
            success.add_metric([], time)
        yield from (lag_sum, members, up, success)

    def describe(self) -> list[GaugeMetricFamily]:
        """The names, for the registry, which would look at Kafka's answers for them otherwise."""
        return list(self.collect())
