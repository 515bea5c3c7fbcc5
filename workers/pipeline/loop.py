"""The order of the data path: poll, decode, write, commit. Nothing else may call `commit`.

The delivery guarantee is this order. An offset is committed only after the sink has acknowledged the record, so the
records that a worker had in flight when it crashed are redelivered, and are duplicates under their own id:
at-least-once delivery, idempotent writes.

One batch is in flight (being written) while the next one is polled and decoded. A rebalance happens inside poll, so it
may find a batch in flight. That batch is written but not committed: every assignment begins at the committed offsets,
and its redelivered records are duplicates.
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
    "too many rejects; the records stay in Kafka. Correct the producer, or raise WORKERS_MAX_REJECT_SHARE, and "
    "restart this worker"
)


class Source(Protocol):
    """The records' origin: one member of a consumer group."""

    def poll(self, max_records: int, *, wait: bool) -> Fetched | None:
        """Return what was fetched; None: nothing. Rebalances happen only in here.

        Args: wait: wait a moment for records and take part in rebalances; otherwise return only what has arrived.
        """

    def commit(self, next_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> CommitResult:
        """Commit exactly these offsets, if their records were fetched in the current assignment."""

    def rewind(self, first_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> None:
        """Redeliver from these offsets. Does nothing in a later assignment, which began at the committed offsets."""

    def hold(self, seconds: float) -> None:
        """Stay a member of the group without taking records, until the time is over or the worker is stopping."""

    def halt(self, partitions: Collection[TopicPartition]) -> None:
        """Pause these partitions until this process is restarted. They stay assigned."""

    def close(self) -> None:
        """Leave the group, so that its partitions are reassigned at once."""


class Reader(Protocol):
    """Decodes records into operations: see `workers.pipeline.reader`."""

    def read(self, fetched: Fetched) -> Batch:
        """Never raises for bad input: a record that cannot be stored is a reject of the batch."""


class Writer(Protocol):
    """Writes one batch while the next one is polled and decoded: see `workers.sinks.writer`."""

    def begin(self, batch: Batch) -> None: ...
    def finish(self) -> tuple[WriteResult, float]: ...


@dataclass
class Loop:
    """The main loop of a worker. `run` returns once `stopping` is true and the batch in flight is committed."""

    source: Source
    reader: Reader
    writer: Writer
    observer: Observer
    stopping: Callable[[], bool]
    batch_size: BatchSize = field(default_factory=BatchSize)
    reject_limit: RejectLimit = field(default_factory=RejectLimit)
    poison_guard: PoisonGuard = field(default_factory=NullPoisonGuard)
    backoff: Backoff = field(default_factory=Backoff)
    _to_halt: dict[TopicPartition, str] = field(default_factory=dict, init=False)
    """Partitions of the batch that was just written which are to be halted, and why: the sink has refused too many of their
    records, or cannot take them."""
    _rewound: set[TopicPartition] = field(default_factory=set, init=False)
    """Those of them that were rewound to their first record that was not written."""

    def run(self) -> None:
        in_flight: Batch | None = None
        while not self.stopping():
            # 1. Poll and decode, while the batch in flight is written.
            next_batch = self._read(wait=in_flight is None)

            # 2. Write: wait until every document and dead letter of the batch in flight is acknowledged; begin the next.
            if in_flight and (failure := self._await_write(in_flight)):
                self._back_off_and_redeliver(in_flight, next_batch, failure)
                in_flight = None
                continue
            next_batch = self._halt_after_write(next_batch)
            if next_batch and not self.stopping():
                self.writer.begin(next_batch)
            else:
                # The worker is stopping: its write is not begun, and the next owner gets its records.
                next_batch = None

            # 3. Commit, only now. If the commit failed, the records are redelivered, as duplicates.
            if in_flight and self._commit(in_flight).needs_redelivery:
                if next_batch:
                    # A second wait for a write in this iteration: it restarts the stall timer.
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
        fetched = self.source.poll(self.batch_size.current, wait=wait)
        if fetched is None:
            return None
        fetched, deferred = self.poison_guard.isolate(fetched)
        if deferred:
            self.source.rewind(deferred, fetched.assignment_epoch)
        with self.poison_guard.in_progress(fetched):
            batch = self.reader.read(fetched)
        if over_limit := self.reject_limit.count(batch):
            self._halt(dict.fromkeys(over_limit, TOO_MANY_REJECTS), batch)
            batch = batch.without(over_limit)
        return batch if batch.partitions else None

    def _halt_after_write(self, next_batch: Batch | None) -> Batch | None:
        """Halt what is to be halted after a write; returns the next batch without it. What was written is committed."""
        if reasons := self._to_halt:
            self._to_halt = {}
            batch = next_batch or Batch()
            self._halt(reasons, batch)
            self._rewound.clear()
            next_batch = batch.without(reasons)
        return next_batch if next_batch and next_batch.partitions else None

    def _halt(self, reasons: Mapping[TopicPartition, str], batch: Batch) -> None:
        """Stop reading these partitions, from this batch on."""
        to_rewind = reasons.keys() - self._rewound
        first_offsets = {partition: first for partition, first in batch.first_offsets.items() if partition in to_rewind}
        self.source.rewind(first_offsets, batch.assignment_epoch)
        self.source.halt(reasons.keys())
        for reason in dict.fromkeys(reasons.values()):
            self.observer.halted({partition for partition, each in reasons.items() if each == reason}, reason)

    def _await_write(self, batch: Batch) -> SinkUnavailableError | None:
        """Wait until the sink has acknowledged the batch; return the error if it has not."""
        try:
            result, seconds = self.writer.finish()
        except SinkUnavailableError as error:
            return error
        if result.not_written:
            # They are rewound and halted, and left out of the commit.
            self.source.rewind({p: batch.first_offsets[p] for p in result.not_written}, batch.assignment_epoch)
            for partition in result.not_written:
                del batch.partitions[partition]
            self._rewound.update(result.not_written)
            self._to_halt |= result.not_written
        self.observer.written(batch, result, seconds)
        if result.refused:
            over_limit = self.reject_limit.count_refused(batch, result.refused)
            self._to_halt |= dict.fromkeys(over_limit, TOO_MANY_REJECTS)
        return None

    def _commit(self, batch: Batch) -> CommitResult:
        if not batch.partitions:
            return CommitResult.OK
        result = self.source.commit(batch.next_offsets, batch.assignment_epoch)
        if result is CommitResult.OK:
            self.backoff.reset()
            self.batch_size.grow()
        self.observer.committed(batch, result)
        return result

    def _back_off_and_redeliver(
        self, in_flight: Batch, next_batch: Batch | None, error: SinkUnavailableError | None = None
    ) -> None:
        """Rewind both batches and wait. They are not kept in memory: a rebalance may revoke their partitions."""
        wait = self.backoff.next_wait(error.retry_after if error else 0.0)
        if error:
            if error.reason is RetryReason.TIMEOUT:
                self.batch_size.shrink()
            self.observer.sink_unavailable(error, self.backoff.attempts, wait)
        for batch in (next_batch, in_flight):
            if batch:
                self.source.rewind(batch.first_offsets, batch.assignment_epoch)
        self.source.hold(wait)
