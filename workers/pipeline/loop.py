"""The one file that knows the order: poll, decode, write, commit. Nothing else may call `commit`.

The order is the promise. A record is committed only after the database has acknowledged what became of it, so a
worker that dies anywhere leaves records that are delivered again, and those are found stored under their own id.

One batch is being written while the next one is polled and decoded, so a rebalance, which happens inside poll, may
find it in flight. It is then written and not committed: every generation begins at the committed offsets, and who
reads its records again finds them stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from workers.errors import SinkUnavailableError
from workers.formats.json_strict import decode_batch
from workers.formats.limits import Limits
from workers.pipeline.backoff import Backoff, BatchSize
from workers.pipeline.poison import NullPoisonGuard
from workers.pipeline.reject_limit import RejectLimit
from workers.types import Batch, CommitResult, Fetched, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from workers.pipeline.observer import Observer
    from workers.pipeline.poison import PoisonIsolator


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

    def commit(self, next_offsets: Mapping[int, int], assignment_epoch: int) -> CommitResult:
        """Commit exactly these offsets, if this is still the generation in which their records were fetched."""

    def rewind(self, first_offsets: Mapping[int, int], assignment_epoch: int) -> None:
        """Deliver again from these offsets on. A later generation has begun at the committed offsets, and stays there."""

    def hold(self, seconds: float) -> None:
        """Stay a member of the group and take no records, until the time is over or the worker is to stop."""

    def stop(self, partitions: Collection[int]) -> None:
        """Take no more records of these partitions while this process lives, and keep them assigned."""

    def close(self) -> None:
        """Leave the group, so that the others take over at once."""


class Writer(Protocol):
    """What writes a batch while the next one is read: see `workers.sinks.writer`."""

    def begin(self, batch: Batch) -> None: ...
    def finish(self) -> tuple[Written, float]: ...


@dataclass
class Loop:
    """One worker's life. `run` returns when `stopping` says so and the batch in hand is committed."""

    source: Source
    writer: Writer
    observer: Observer
    stopping: Callable[[], bool]
    limits: Limits = field(default_factory=Limits)
    batch_size: BatchSize = field(default_factory=BatchSize)
    reject_limit: RejectLimit = field(default_factory=RejectLimit)
    suspects: PoisonIsolator | NullPoisonGuard = field(default_factory=NullPoisonGuard)
    backoff: Backoff = field(default_factory=Backoff)

    def run(self) -> None:
        before: Batch | None = None
        while not self.stopping():
            # 1. Poll and decode, while the batch before is written.
            batch = self._read(wait=before is None)

            # 2. Write: the batch before is acknowledged, to its last document and dead letter, and this one is begun.
            if before and (error := self._finish(before)):
                self._again(before, batch, error)
                before = None
                continue
            if batch and not self.stopping():
                self.writer.begin(batch)
            else:
                # What was read while a stop was asked for is left to whoever reads on.
                batch = None

            # 3. Commit the batch before, only now. Without an answer its records come again, and are found stored.
            if before and not self._committed(before):
                if batch:
                    # The second wait of this turn.
                    self.observer.iterated()
                    self._finish(batch)
                self._again(before, batch)
                before = None
                continue
            before = batch

        # 4. Leave the group with nothing in hand.
        if before and not self._finish(before):
            self._committed(before)
        self.source.close()

    def _read(self, *, wait: bool) -> Batch | None:
        """Poll and decode. What cannot be decoded is part of the batch, as a reject."""
        fetched = self.source.poll(self.batch_size.now, wait=wait)
        if fetched is None:
            return None
        fetched, left = self.suspects.isolate(fetched)
        self.source.rewind(left, fetched.assignment_epoch)
        with self.suspects.in_progress(fetched):
            batch = decode_batch(fetched, self.limits)
        if over := self.reject_limit.over(batch):
            self._stop(over, batch)
            batch = batch.without(over)
        return batch if batch.next_offsets else None

    def _stop(self, partitions: set[int], batch: Batch) -> None:
        """Leave the rest of these partitions in Kafka: too many of their records are rejects."""
        self.source.rewind(
            {partition: batch.first_offsets[partition] for partition in partitions}, batch.assignment_epoch
        )
        self.source.stop(partitions)
        self.observer.stopped(partitions, TOO_MANY_REJECTS)

    def _finish(self, batch: Batch) -> SinkUnavailableError | None:
        """Wait for the database's acknowledgement of the batch; return why there is none."""
        try:
            written, seconds = self.writer.finish()
        except SinkUnavailableError as error:
            return error
        self.observer.written(batch, written, seconds)
        return None

    def _committed(self, batch: Batch) -> bool:
        """Commit the batch; return whether it need not come again, or will come again by itself."""
        result = self.source.commit(batch.next_offsets, batch.assignment_epoch)
        self.observer.committed(batch, result)
        if result is CommitResult.OK:
            self.suspects.past(batch.topic, batch.next_offsets)
            self.backoff.reset()
            self.batch_size.grow()
        # After a rebalance every partition begins at its committed offset, wherever it is then.
        return result in (CommitResult.OK, CommitResult.REBALANCED)

    def _again(self, before: Batch, batch: Batch | None, error: SinkUnavailableError | None = None) -> None:
        """Have both delivered again after a while. Nothing is kept here: a rebalance may move them elsewhere."""
        wait = self.backoff.next_wait()
        if error:
            if error.reason == "timeout":
                self.batch_size.shrink()
            self.observer.sink_unavailable(error, self.backoff.attempts, wait)
        for each in (batch, before):
            if each:
                self.source.rewind(each.first_offsets, each.assignment_epoch)
        self.source.hold(wait)
