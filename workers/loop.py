"""The one file that knows the order: poll, decode, write, commit. Nothing else may call `commit`.

The order is the promise. A record is committed only after the database has acknowledged what became of it, so a
worker that dies anywhere leaves records that are delivered again, and those are found stored under their own id.
A batch never outlives one poll, so a rebalance, which happens inside poll, never finds one in flight.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from workers.decode import Limits, read
from workers.errors import StoreAwayError
from workers.record import Batch, CommitResult, Fetched, Written
from workers.reject_limit import RejectLimit
from workers.retry import Backoff, BatchSize
from workers.suspects import Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from workers.observe import Observer
    from workers.suspects import Suspects


TOO_MANY_REJECTS = (
    "too many rejects; the records stay in Kafka. Put the producer right, or raise WORKERS_MAX_REJECT_SHARE, and "
    "restart this worker"
)


class Source(Protocol):
    """Where records come from: one member of a consumer group."""

    def poll(self, most: int) -> Fetched | None:
        """Wait a moment for at most so many records; None: nothing to do. Rebalances happen in here only."""

    def commit(self, next_offsets: Mapping[int, int]) -> CommitResult:
        """Commit exactly these offsets, in the generation of the poll that fetched the records."""

    def rewind(self, first_offsets: Mapping[int, int]) -> None:
        """Deliver again from these offsets on, where the partition is still ours."""

    def hold(self, seconds: float) -> None:
        """Stay a member of the group and take no records, until the time is over or the worker is to stop."""

    def stop(self, partitions: Collection[int]) -> None:
        """Take no more records of these partitions while this process lives, and keep them assigned."""

    def close(self) -> None:
        """Leave the group, so that the others take over at once."""


class Store(Protocol):
    """Where documents and dead letters go."""

    def write(self, batch: Batch) -> Written:
        """Return when every record of the batch is acknowledged as a document or as a dead letter.

        Raises:
            StoreAwayError: nothing of the batch counts as written; the same records must come again.
        """


@dataclass
class Loop:
    """One worker's life. `run` returns when `stopping` says so and the batch in hand is committed."""

    source: Source
    store: Store
    observer: Observer
    stopping: Callable[[], bool]
    limits: Limits = field(default_factory=Limits)
    batch_size: BatchSize = field(default_factory=BatchSize)
    reject_limit: RejectLimit = field(default_factory=RejectLimit)
    suspects: Suspects | Trust = field(default_factory=Trust)
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = time.monotonic

    def run(self) -> None:
        while not self.stopping():
            # 1. Poll and decode. What cannot be decoded is part of the batch, as a reject.
            fetched = self.source.poll(self.batch_size.now)
            if fetched is None:
                continue
            fetched, left = self.suspects.single_out(fetched)
            self.source.rewind(left)
            with self.suspects.in_hand(fetched):
                batch = read(fetched, self.limits)
            if over := self.reject_limit.over(batch):
                self._stop(over, batch)
                batch = batch.without(over)
                if not batch:
                    continue

            # 2. Write. Returns when the database has acknowledged every document and every dead letter.
            started = self.clock()
            try:
                written = self.store.write(batch)
            except StoreAwayError as error:
                self._again(batch, error)
                continue
            self.observer.written(batch, written, self.clock() - started)

            # 3. Commit, only now. Refused or unanswered: the records come again, and are found stored.
            result = self.source.commit(batch.next_offsets)
            self.observer.committed(batch, result)
            if result is CommitResult.OK:
                self.suspects.past(fetched.topic, batch.next_offsets)
                self.backoff.reset()
                self.batch_size.grow()
            else:
                self._again(batch)

        # 4. Leave the group with nothing in hand.
        self.source.close()

    def _stop(self, partitions: set[int], batch: Batch) -> None:
        """Leave the rest of these partitions in Kafka: too many of their records are rejects."""
        self.source.rewind({partition: batch.first_offsets[partition] for partition in partitions})
        self.source.stop(partitions)
        self.observer.stopped(partitions, TOO_MANY_REJECTS)

    def _again(self, batch: Batch, error: StoreAwayError | None = None) -> None:
        """Have the batch delivered again after a while. Nothing is kept here: a rebalance may move it elsewhere."""
        wait = self.backoff.next_wait()
        if error and error.reason == "timeout":
            self.batch_size.shrink()
        if error:
            self.observer.store_away(error, self.backoff.attempts, wait)
        self.source.rewind(batch.first_offsets)
        self.source.hold(wait)
