"""The observer that logs the data path: one line a batch, a rebalance, an outage. Never a payload."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from workers.log_fields import Action, of_partition, of_partitions
from workers.types import CommitResult

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.errors import SinkUnavailableError
    from workers.pauses import Pause
    from workers.types import Batch, PartitionBatch, TopicPartition, Truncation, WriteResult

REMINDER_SECONDS = 30.0
"""Between two lines about the same outage."""


class LogObserver:
    """Logs the events of the data path."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()
        self._written: WriteResult | None = None
        self._write_seconds = 0.0
        self._unavailable_since: float | None = None
        self._last_reminder = 0.0
        self._paused: dict[TopicPartition, Pause] = {}
        self._limited: str | None = None

    def iterated(self) -> None: ...

    def rebalanced(self, event: str, partitions: Collection[TopicPartition]) -> None:
        if event == "lost":
            self._log.warning(
                "removed from the group; joining again. The batch in flight is redelivered, perhaps to another worker",
                action=Action.REBALANCE,
                **of_partitions(partitions),
            )
        elif partitions:
            self._log.info(f"partitions {event}", action=Action.REBALANCE, **of_partitions(partitions))

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        # Not resumed: they are somebody else's now.
        self._paused = {partition: why for partition, why in self._paused.items() if partition in partitions}
        if not partitions:
            self._log.info(
                "the assignment is empty: there are more workers than partitions",
                action=Action.REBALANCE,
            )

    def records_lost(self, partition: TopicPartition, first: int, count: int) -> None:
        self._log.error(
            "Kafka removed records before they were read",
            action=Action.READ,
            **of_partition(partition),
            first=first,
            last=first + count - 1,
            lost=count,
        )

    def log_truncated(self, partition: TopicPartition, truncation: Truncation) -> None:
        self._log.error(
            "the log was truncated: records that were read are not in it any more; reading on from where the logs part",
            action=Action.READ,
            **of_partition(partition),
            **truncation._asdict(),
        )

    def halted(self, partitions: Collection[TopicPartition], reason: str) -> None:
        self._log.error(f"partitions halted: {reason}", action=Action.READ, **of_partitions(partitions))

    def paused(self, pauses: Mapping[TopicPartition, Pause]) -> None:
        before, self._paused = self._paused, dict(pauses)
        for pause in dict.fromkeys(pauses.values()):
            if new := [partition for partition, why in pauses.items() if why == pause and before.get(partition) != why]:
                self._log.warning(
                    "partitions paused: they are not read, and nothing of them is in flight",
                    action=Action.READ,
                    **of_partitions(new),
                    by=pause.by,
                    because=pause.because,
                )
        if ended := before.keys() - pauses.keys():
            self._log.info("partitions resumed", action=Action.READ, **of_partitions(ended))

    def limited(self, limit: str | None, seconds: float) -> None:
        if limit and limit != self._limited:
            self._limited = limit
            self._log.info(f"reading no faster: limited by {limit}", action=Action.READ)

    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None:
        if self._unavailable_since is not None:
            self._log.info(
                "the database is available again",
                action=Action.WRITE,
                unavailable_seconds=round(time.monotonic() - self._unavailable_since, 1),
            )
            self._unavailable_since = None
        self._written, self._write_seconds = result, seconds
        for partition, part in batch.partitions.items():
            if part.replaced:
                self._log.warning(
                    "other documents are stored at these offsets, of records that the log does not hold any more; these "
                    "records are stored beside them",
                    action=Action.WRITE,
                    **of_partition(partition),
                    first=part.replaced.first,
                    last=part.replaced.end - 1,
                )
        for (partition, reason), count in result.dead_letters.items():
            self._log.warning(
                "dead letters",
                action=Action.DEAD_LETTER,
                **of_partition(partition),
                reason=str(reason),
                records=count,
            )

    def committed(self, batch: Batch, result: CommitResult) -> None:
        topics = {partition.topic for partition in batch.partitions}
        ranges = " ".join(
            f"{partition.partition if len(topics) == 1 else partition}:{_offsets(part)}"
            for partition, part in sorted(batch.partitions.items())
        )
        counts = self._written and {
            "stored": sum(self._written.stored.values()),
            "duplicates": sum(self._written.duplicates.values()),
            "dead_letters": sum(self._written.dead_letters.values()),
        }
        ignored = sum(part.ignored for part in batch.partitions.values())
        not_zero = Counter({"records": batch.size}) + Counter(counts or {}) + Counter({"ignored": ignored})
        if result is CommitResult.OK:
            self._log.info(
                "batch",
                action=Action.COMMIT,
                **of_partitions(batch.partitions),
                offsets=ranges,
                **not_zero,
                write_ms=round(self._write_seconds * 1000, 1),
            )
        else:
            self._log.warning(
                "batch written, but not committed; it will be redelivered",
                action=Action.COMMIT,
                **of_partitions(batch.partitions),
                offsets=ranges,
                **not_zero,
                commit=str(result),
            )

    def source_refused(self, refused: bool) -> None: ...

    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None:
        now = time.monotonic()
        if self._unavailable_since is None:
            self._unavailable_since = self._last_reminder = now
            self._log.warning(
                "the database is unavailable; retrying with backoff, nothing is committed",
                action=Action.WRITE,
                error=str(error),
            )
        elif now - self._last_reminder >= REMINDER_SECONDS:
            self._last_reminder = now
            seconds = round(now - self._unavailable_since, 1)
            self._log.warning(
                "the database is still unavailable",
                action=Action.WRITE,
                unavailable_seconds=seconds,
                attempt=attempt,
                error=str(error),
            )


def _offsets(part: PartitionBatch) -> str:
    """The range; `<100`: no record, but those before 100 were lost, or are before the start."""
    if part.first_offset == part.next_offset:
        return f"<{part.first_offset}"
    return f"{part.first_offset}-{part.next_offset - 1}"
