"""The metrics of `workers lag`: their names, their help, and their values at a scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from workers.monitoring.route_labels import RouteLabels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.monitoring.lag import LagSnapshot, PartitionLag
    from workers.settings.route import RouteTable

GROUP = ("consumergroup", "topic", "partition")
PARTITION = ("topic", "partition")
TOPIC = ("topic",)
NOT_COMMITTED = -1

BY_PARTITION: dict[str, tuple[str, tuple[str, ...], Callable[[PartitionLag], float | None]]] = {
    # Names, labels and meaning of danielqsj/kafka_exporter, whose dashboards and alerts are public: the newest offset is
    # the high watermark, and -1 is what it exports of a partition in which the group has committed nothing.
    "kafka_consumergroup_current_offset": (
        "The committed offset of the group; -1: none yet. Absent: it has committed nothing in the whole topic.",
        GROUP,
        lambda part: part.committed if part.committed is not None else NOT_COMMITTED if part.answered else None,
    ),
    "kafka_consumergroup_lag": (
        (
            "Offsets from the committed one to the high watermark: also what cannot be read yet, and transaction markers, "
            "which are no records; -1: nothing is committed. Absent: nothing in the whole topic."
        ),
        GROUP,
        lambda part: part.unread if part.unread is not None else NOT_COMMITTED if part.answered else None,
    ),
    "kafka_topic_partition_current_offset": (
        "The high watermark: the end of the records that Kafka has acknowledged.",
        PARTITION,
        lambda part: part.high_watermark,
    ),
    "kafka_topic_partition_oldest_offset": (
        "The log start: the first offset that Kafka still holds.",
        PARTITION,
        lambda part: part.start,
    ),
    "workers_lag_records": (
        (
            "Records that can be read and are not committed: offsets up to the last stable offset, 0 if they are known to be "
            "transaction markers only."
        ),
        GROUP,
        lambda part: part.readable,
    ),
    "workers_lag_seconds": (
        "The age of the oldest record that can be read and is not committed; 0: there is none. Absent: not known.",
        PARTITION,
        lambda part: part.seconds,
    ),
    "workers_partition_last_stable_offset": (
        "The last stable offset: the end of the records that can be read.",
        PARTITION,
        lambda part: part.end,
    ),
    "workers_partition_unstable_records": (
        (
            "Offsets from the last stable offset to the high watermark: acknowledged, and readable only when the transaction "
            "that is open there has ended."
        ),
        PARTITION,
        lambda part: part.unstable,
    ),
    "workers_partition_unstable_seconds": (
        (
            "The age of the open transaction: by the timestamp of its first record, or since it was first seen; 0: there is "
            "none. Absent: not known."
        ),
        PARTITION,
        lambda part: part.unstable_seconds,
    ),
    "workers_partition_unknown": (
        (
            "1 if Kafka does not answer for the partition, or the age of its oldest record is not known; else 0. Sums and "
            "maxima over the partitions are without it."
        ),
        PARTITION,
        lambda part: float(not part.answered or part.seconds is None),
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
NEEDS_A_COMMIT = ("kafka_consumergroup_current_offset", "kafka_consumergroup_lag")
"""Absent where the group has committed nothing in the whole topic."""
HELP_MISSING = "1 if a route names the topic and it does not exist; else 0."
HELP_UNROUTABLE = (
    "1 if no route can have the topic: workers halt its partitions, which are in no series of `workers lag`; else 0."
)
HELP_SUM = "kafka_consumergroup_lag, over the partitions in which something is committed. Absent: in none."
HELP_MEMBERS = (
    "Members of the group; a killed one counts until it is evicted, or its session times out. Absent: no such group."
)
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
        routes: RouteTable | None = None,
    ) -> None:
        """Args: routes: None: `topic` is all that there is. With several topics each series of a topic has the label `route`."""
        self._group, self._topic = group, topic
        self._route_labels = RouteLabels(routes)
        self._current, self._last_success = current, last_success
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        snapshot = self._current()
        partitions = (snapshot.partitions if snapshot else None) or {}
        unread: dict[str, int] = {}
        """By topic in which something is committed."""
        for partition, part in partitions.items():
            if part.unread is not None:
                unread[partition.topic] = unread.get(partition.topic, 0) + part.unread
        route = self._route_labels
        for name, (text, labels, value) in BY_PARTITION.items():
            family = GaugeMetricFamily(name, text, labels=[*labels, *route.names])
            needs_a_commit = name in NEEDS_A_COMMIT
            for partition, part in sorted(partitions.items()):
                if needs_a_commit and partition.topic not in unread:
                    continue
                if (number := value(part)) is not None:
                    own = [partition.topic, str(partition.partition), *route.values(partition.topic)]
                    family.add_metric([self._group, *own] if labels is GROUP else own, number)
            yield family
        lag_sum = GaugeMetricFamily(
            "kafka_consumergroup_lag_sum", HELP_SUM, labels=["consumergroup", *TOPIC, *route.names]
        )
        for topic, records in sorted(unread.items()):
            lag_sum.add_metric([self._group, topic, *route.values(topic)], records)
        yield lag_sum
        yield from self._of_topics(snapshot)
        members = GaugeMetricFamily("kafka_consumergroup_members", HELP_MEMBERS, labels=["consumergroup"])
        if snapshot and snapshot.members is not None:
            members.add_metric([self._group], snapshot.members)
        up = GaugeMetricFamily("workers_lag_up", HELP_UP, value=float(snapshot is not None))
        success = GaugeMetricFamily("workers_lag_last_success_timestamp_seconds", HELP_SUCCESS)
        if (time := self._last_success()) is not None:
            success.add_metric([], time)
        yield from (members, up, success)

    def _of_topics(self, snapshot: LagSnapshot | None) -> Iterator[GaugeMetricFamily]:
        """Those that are not there, and those that are not read."""
        route = self._route_labels
        missing = GaugeMetricFamily("workers_topic_missing", HELP_MISSING, labels=[*TOPIC, *route.names])
        unroutable = GaugeMetricFamily("workers_topic_unroutable", HELP_UNROUTABLE, labels=[*TOPIC, *route.names])
        if snapshot:
            there = {partition.topic for partition in snapshot.partitions or ()}
            for topic in sorted(there.union(snapshot.missing, snapshot.unroutable)):
                missing.add_metric([topic, *route.values(topic)], float(topic in snapshot.missing))
                unroutable.add_metric([topic, *route.values(topic)], float(topic in snapshot.unroutable))
        yield from (missing, unroutable)

    def describe(self) -> list[GaugeMetricFamily]:
        """The metrics for the registry, which needs their names."""
        return list(self.collect())
