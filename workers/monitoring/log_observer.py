"""The observer that writes the log: one line a batch, a rebalance, an outage. Never a payload."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from workers.log_fields import Action, listed
from workers.types import CommitResult

if TYPE_CHECKING:
    from collections.abc import Collection

    from workers.errors import SinkUnavailableError
    from workers.types import Batch, Written

REMIND_SECONDS = 30.0


class LogObserver:
    """Tells what happened to whoever reads the log of this worker."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()
        self._written: Written | None = None
        self._seconds = 0.0
        self._away_since: float | None = None
        self._reminded = 0.0

    def iterated(self) -> None: ...

    def rebalanced(self, event: str, partitions: Collection[int]) -> None:
        if event == "lost":
            self._log.warning(
                "thrown out of the group; joining again. What was in hand is delivered again, perhaps to another worker",
                action=Action.REBALANCE,
                partitions=listed(partitions),
            )
        elif partitions:
            self._log.info(f"partitions {event}", action=Action.REBALANCE, partitions=listed(partitions))

    def owns(self, partitions: Collection[int]) -> None:
        if not partitions:
            self._log.info("in the group, and idle: there are more workers than partitions", action=Action.REBALANCE)

    def lost(self, partition: int, first: int, count: int) -> None:
        self._log.error(
            "Kafka removed records before they were read",
            action=Action.READ,
            partition=partition,
            first=first,
            last=first + count - 1,
            lost=count,
        )

    def stopped(self, partitions: Collection[int], reason: str) -> None:
        self._log.error(f"read no further: {reason}", action=Action.READ, partitions=listed(partitions))

    def written(self, batch: Batch, written: Written, seconds: float) -> None:
        if self._away_since is not None:
            self._log.info(
                "the database takes writes again",
                action=Action.WRITE,
                away_seconds=round(time.monotonic() - self._away_since, 1),
            )
            self._away_since = None
        self._written, self._seconds = written, seconds
        for (partition, reason), count in written.dead_letters.items():
            self._log.warning(
                "dead letters", action=Action.DEAD_LETTER, partition=partition, reason=str(reason), records=count
            )

    def committed(self, batch: Batch, result: CommitResult) -> None:
        ranges = " ".join(
            f"{p}:{first}-{batch.next_offsets[p] - 1}" if first < batch.next_offsets[p] else f"{p}:<{first}"
            for p, first in sorted(batch.first_offsets.items())
        )
        counts = self._written and {
            "stored": sum(self._written.stored.values()),
            "duplicates": sum(self._written.duplicates.values()),
            "dead_letters": sum(self._written.dead_letters.values()),
        }
        told = Counter({"records": batch.size}) + Counter(counts or {})
        if result is CommitResult.OK:
            self._log.info(
                "batch",
                action=Action.COMMIT,
                partitions=listed(batch.first_offsets),
                offsets=ranges,
                **told,
                write_ms=round(self._seconds * 1000, 1),
            )
        else:
            self._log.warning(
                "batch written, not committed: it comes again",
                action=Action.COMMIT,
                partitions=listed(batch.first_offsets),
                offsets=ranges,
                **told,
                commit=str(result),
            )

    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None:
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = self._reminded = now
            self._log.warning(
                "the database takes no writes; waiting, nothing is committed", action=Action.WRITE, error=str(error)
            )
        elif now - self._reminded >= REMIND_SECONDS:
            self._reminded = now
            away = round(now - self._away_since, 1)
            self._log.warning(
                "the database still takes no writes",
                action=Action.WRITE,
                away_seconds=away,
                attempt=attempt,
                error=str(error),
            )
