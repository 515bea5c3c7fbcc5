"""The metrics of a worker: their names, their help, and the observer that counts them."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from workers import __version__
from workers.errors import RetryReason
from workers.monitoring.route_labels import RouteLabels
from workers.types import CommitResult, RejectReason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.errors import SinkUnavailableError
    from workers.pauses import Pause
    from workers.settings.route import RouteTable
    from workers.types import Batch, TopicPartition, Truncation, WriteResult

OUTCOMES = ("stored", "duplicate", "dead_lettered", "ignored")
EVENTS = ("assigned", "revoked", "lost")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class WorkerMetrics:
    """The metrics of one worker, in a registry of its own."""

    def __init__(self, topic: str, routes: RouteTable | None = None) -> None:
        """Args: routes: None: `topic` is all that there is. With several topics each series of a topic has the label `route`."""
        # Otherwise each counter has a second series, for the time of its creation.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own
        self.registry = registry = CollectorRegistry()
        self._halted: set[TopicPartition] = set()
        self._route = route = RouteLabels(routes)
        self._records = Counter(
            "workers_records", "Records by outcome.", ["topic", "partition", "outcome", *route.names], registry=registry
        )
        self._dead_letters = Counter(
            "workers_dead_letters", "Dead letters by reason.", ["topic", "reason", *route.names], registry=registry
        )
        self._lost_records = Counter(
            "workers_lost_records",
            "Records that Kafka removed before they were read.",
            ["topic", "partition", *route.names],
            registry=registry,
        )
        self._truncations = Counter(
            "workers_log_truncations",
            "Times that a log was found to have lost records which were read: it is another log from there on.",
            ["topic", "partition", *route.names],
            registry=registry,
        )
        self._batches = Counter("workers_batches", "Batches that were written.", registry=registry)
        self._commits = Counter("workers_commits", "Commits of a batch's offsets.", ["result"], registry=registry)
        self._rebalances = Counter(
            "workers_rebalances",
            "Partitions assigned, revoked or lost, once a rebalance.",
            ["event"],
            registry=registry,
        )
        self._assigned = Gauge("workers_assigned_partitions", "Partitions that this worker owns.", registry=registry)
        self._owned = Gauge(
            "workers_partition_owned",
            "Partitions in the assignment of this worker: 1 for each.",
            ["topic", "partition", *route.names],
            registry=registry,
        )
        self._halted_partitions = Gauge(
            "workers_stopped_partitions",
            "Halted partitions: paused until the worker is restarted, after too many rejects or lost records.",
            registry=registry,
        )
        self._partition_halted = Gauge(
            "workers_partition_halted",
            "Whether this worker has halted the partition, and reads it no more until it is restarted: 1 or 0.",
            ["topic", "partition", *route.names],
            registry=registry,
        )
        self._paused = Gauge(
            "workers_partition_paused",
            "Partitions of this worker that somebody has paused (`workers pause`): 1 for each.",
            ["topic", "partition", *route.names],
            registry=registry,
        )
        self._limited = Gauge(
            "workers_rate_limited", "Whether this worker reads no faster because of a limit: 1 or 0.", registry=registry
        )
        self._limited_seconds = Counter(
            "workers_rate_limited_seconds",
            "Seconds in which nothing was read because of a limit: WORKERS_MAX_RATE, WORKERS_MAX_BYTE_RATE, WORKERS_MAX_FLEET_RATE.",
            registry=registry,
        )
        self._write_seconds = Histogram(
            "workers_write_seconds",
            "Seconds until the database acknowledged a batch.",
            buckets=SECONDS,
            registry=registry,
        )
        self._retries = Counter(
            "workers_write_retries",
            "Writes that failed because the sink was unavailable, and were retried.",
            ["reason"],
            registry=registry,
        )
        self._last_poll = Gauge("workers_last_poll_timestamp_seconds", "When the loop last polled.", registry=registry)
        self._last_commit = Gauge(
            "workers_last_commit_timestamp_seconds", "When a commit last succeeded.", registry=registry
        )
        # A series that appears with its first event hides that event from rate() and increase().
        for result in CommitResult:
            self._commits.labels(result)
        for event in EVENTS:
            self._rebalances.labels(event)
        for retry_reason in RetryReason:
            self._retries.labels(retry_reason)
        if not route.names:
            self._dead_letter_series(topic)
        Info("workers_build", "Versions.", registry=registry).info(
            {
                "version": __version__,
                "kafka_python": version("kafka-python"),
                "pymongo": version("pymongo"),
            }
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def iterated(self) -> None:
        self._last_poll.set(time.time())

    def rebalanced(self, event: str, partitions: Collection[TopicPartition]) -> None:
        if partitions:
            self._rebalances.labels(event).inc()
        if event != "assigned":
            self._assigned.set(0)
            self._owned.clear()
            self._partition_halted.clear()
            self._paused.clear()

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        self._assigned.set(len(partitions))
        self._owned.clear()
        self._partition_halted.clear()
        for topic in {partition.topic for partition in partitions}:
            self._dead_letter_series(topic)
        self._paused.clear()
        for partition in partitions:
            route = self._route.values(partition.topic)
            self._owned.labels(*partition, *route).set(1)
            self._lost_records.labels(*partition, *route)
            self._truncations.labels(*partition, *route)
            for outcome in OUTCOMES:
                self._records.labels(*partition, outcome, *route)
            self._partition_halted.labels(*partition, *route).set(partition in self._halted)

    def _dead_letter_series(self, topic: str) -> None:
        for reason in RejectReason:
            self._dead_letters.labels(topic, reason, *self._route.values(topic))

    def records_lost(self, partition: TopicPartition, first: int, count: int) -> None:
        self._lost_records.labels(*partition, *self._route.values(partition.topic)).inc(count)

    def log_truncated(self, partition: TopicPartition, truncation: Truncation) -> None:
        self._truncations.labels(*partition, *self._route.values(partition.topic)).inc()

    def halted(self, partitions: Collection[TopicPartition], reason: str) -> None:
        self._halted.update(partitions)
        self._halted_partitions.set(len(self._halted))
        for partition in partitions:
            self._partition_halted.labels(*partition, *self._route.values(partition.topic)).set(1)

    def paused(self, pauses: Mapping[TopicPartition, Pause]) -> None:
        self._paused.clear()
        for partition in pauses:
            self._paused.labels(*partition, *self._route.values(partition.topic)).set(1)

    def limited(self, limit: str | None, seconds: float) -> None:
        self._limited.set(limit is not None)
        self._limited_seconds.inc(seconds)

    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None:
        self._batches.inc()
        self._write_seconds.observe(seconds)
        for partition, count in result.stored.items():
            self._records.labels(*partition, "stored", *self._route.values(partition.topic)).inc(count)
        for partition, count in result.duplicates.items():
            self._records.labels(*partition, "duplicate", *self._route.values(partition.topic)).inc(count)
        for (partition, reason), count in result.dead_letters.items():
            route = self._route.values(partition.topic)
            self._records.labels(*partition, "dead_lettered", *route).inc(count)
            self._dead_letters.labels(partition.topic, reason, *route).inc(count)

    def committed(self, batch: Batch, result: CommitResult) -> None:
        self._commits.labels(result).inc()
        if result is CommitResult.OK:
            self._last_commit.set(time.time())
            # Counted here and not when it is written: it leaves no trace by which a redelivery would be known.
            for partition, part in batch.partitions.items():
                if part.ignored:
                    route = self._route.values(partition.topic)
                    self._records.labels(*partition, "ignored", *route).inc(part.ignored)

    def source_refused(self, refused: bool) -> None: ...

    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None:
        self._retries.labels(error.reason).inc()
