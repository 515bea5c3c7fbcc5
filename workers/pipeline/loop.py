"""The one file that knows the order: poll, decode, write, commit. Nothing else may call `commit`.

The order is the promise. A record is committed only after the sink has acknowledged what became of it, so a worker
that dies anywhere leaves records that are redelivered, and those are found stored under their own id: at-least-once
delivery, idempotent writes.

One batch is in flight (being written) while the next one is polled and decoded, so a rebalance, which happens inside
poll, may find it in flight. It is then written and not committed: every assignment begins at the committed offsets,
and whoever reads its records again finds them stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from workers.errors import RetryReason, SinkUnavailableError
from workers.pipeline.backoff import Backoff, BatchSize
from workers.pipeline.poison import NullPoisonGuard, PoisonGuard
from workers.pipeline.reject_limit import RejectLimit
from workers.types import Batch, CommitResult, Fetched, TopicPartition, WriteResult

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from workers.pipeline.observer import Observer


TOO_MANY_REJECTS = (
    "too many rejects; the records stay in Kafka. Put the producer right, or raise WORKERS_MAX_REJECT_SHARE, and "
    "restart this worker"
)


class Source(Protocol):
    """Where records come from: one member of a consumer group."""

    def poll(self, most: int, *, wait: bool) -> Fetched | None:
        """At most so many records; None: nothing to do. Rebalances happen in here only.

        Args: wait: a moment for them, and for the group; else only what has arrived is taken.
        """

    def commit(self, next_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> CommitResult:
        """Commit exactly these offsets, if this is still the assignment in which their records were fetched."""

    def rewind(self, first_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> None:
        """Redeliver from these offsets on. A later assignment has begun at the committed offsets, and stays there."""

    def hold(self, seconds: float) -> None:
        """Stay a member of the group and take no records, until the time is over or the worker is to stop."""

    def halt(self, partitions: Collection[TopicPartition]) -> None:
        """Pause these partitions until this process is restarted, and keep them assigned."""

    def close(self) -> None:
        """Leave the group, so that the others take over at once."""


class Reader(Protocol):
    """From bytes to operations: see `workers.pipeline.reader`."""

    def read(self, fetched: Fetched) -> Batch:
        """Never raises for bad input: what cannot be stored is in the batch, as a reject."""


class Writer(Protocol):
    """What writes one batch while the next one is read: see `workers.sinks.writer`."""

    def begin(self, batch: Batch) -> None: ...
    def finish(self) -> tuple[WriteResult, float]: ...


@dataclass
class Loop:
    """One worker's life. `run` returns when `stopping` says so and the batch in flight is committed."""

    source: Source
    reader: Reader
    writer: Writer
    observer: Observer
    stopping: Callable[[], bool]
    batch_size: BatchSize = field(default_factory=BatchSize)
    reject_limit: RejectLimit = field(default_factory=RejectLimit)
    poison_guard: PoisonGuard = field(default_factory=NullPoisonGuard)
    backoff: Backoff = field(default_factory=Backoff)

    def run(self) -> None:
        in_flight: Batch | None = None
        while not self.stopping():
            # 1. Poll and decode, while the batch in flight is written.
            next_batch = self._read(wait=in_flight is None)

            # 2. Write: the batch in flight is acknowledged, to its last document and dead letter, and the next is begun.
            if in_flight and (failure := self._await_write(in_flight)):
                self._back_off_and_redeliver(in_flight, next_batch, failure)
                in_flight = None
                continue
            if next_batch and not self.stopping():
                self.writer.begin(next_batch)
            else:
                # Read while a stop was asked for: not begun, and so redelivered to the next owner.
                next_batch = None

            # 3. Commit, only now. Without an answer the records are redelivered, and found stored.
            if in_flight and self._commit(in_flight).needs_redelivery:
                if next_batch:
                    # A second wait for a write in this iteration: the stall timer is to know.
                    self.observer.iterated()
                    self._await_write(next_batch)
                self._back_off_and_redeliver(in_flight, next_batch)
                in_flight = None
                continue
            in_flight = next_batch

        # 4. Leave the group with nothing in flight.
        if in_flight and not self._await_write(in_flight):
            self._commit(in_flight)
        self.source.close()

    def _read(self, *, wait: bool) -> Batch | None:
        """Poll and decode."""
        fetched = self.source.poll(self.batch_size.now, wait=wait)
        if fetched is None:
            return None
        fetched, deferred = self.poison_guard.isolate(fetched)
        if deferred:
            self.source.rewind(deferred, fetched.assignment_epoch)
        with self.poison_guard.in_progress(fetched):
            batch = self.reader.read(fetched)
        if over := self.reject_limit.over(batch):
            self._halt(over, batch)
            batch = batch.without(over)
        return batch if batch.partitions else None

    def _halt(self, partitions: set[TopicPartition], batch: Batch) -> None:
        """Leave the rest of these partitions in Kafka: too many of their records are rejects."""
        first_offsets = batch.first_offsets
        self.source.rewind({partition: first_offsets[partition] for partition in partitions}, batch.assignment_epoch)
        self.source.halt(partitions)
        self.observer.halted(partitions, TOO_MANY_REJECTS)

    def _await_write(self, batch: Batch) -> SinkUnavailableError | None:
        """Wait for the sink's acknowledgement of the batch; return why there is none."""
        try:
            result, seconds = self.writer.finish()
        except SinkUnavailableError as error:
            return error
        self.observer.written(batch, result, seconds)
        return None

    def _commit(self, batch: Batch) -> CommitResult:
        result = self.source.commit(batch.next_offsets, batch.assignment_epoch)
        if result is CommitResult.OK:
            self.backoff.reset()
            self.batch_size.grow()
        self.observer.committed(batch, result)
        return result

    def _back_off_and_redeliver(
        self, in_flight: Batch, next_batch: Batch | None, error: SinkUnavailableError | None = None
    ) -> None:
        """Rewind both batches and wait. Nothing is kept here: a rebalance may move the partitions elsewhere."""
        wait = self.backoff.next_wait()
        if error:
            if error.reason is RetryReason.TIMEOUT:
                self.batch_size.shrink()
            self.observer.sink_unavailable(error, self.backoff.attempts, wait)
        for batch in (next_batch, in_flight):
            if batch:
                self.source.rewind(batch.first_offsets, batch.assignment_epoch)
        self.source.hold(wait)
