"""The mistakes that would break the promise, one class each. The model must notice every one of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import bson

from tests.model.world import Variant
from tests.support.fakes import FakeDatabase, FakeSink, FakeSource, Pause
from workers.errors import SinkUnavailableError
from workers.kafka.commit_mark import CommitMark
from workers.kafka.log_history import LogHistory, Validation
from workers.pipeline.loop import Loop
from workers.pipeline.reject_limit import RejectLimit
from workers.sinks.mongodb.encoding import as_raw, encode
from workers.types import (
    Batch,
    CommitResult,
    Fetched,
    Insert,
    Reject,
    RejectReason,
    TopicPartition,
    WriteResult,
    partition_of,
)


@dataclass
class Begun:
    """A writer that does something else when a write is begun."""

    begin: Callable[[Batch], None]
    finish: Callable[[], tuple[WriteResult, float]]


class CommitBeforeWrite(Loop):
    """Commits a batch as soon as its write is begun."""

    def run(self) -> None:
        begin = self.writer.begin

        def committing(batch: Batch) -> None:
            self.source.commit(batch.next_offsets, batch.assignment_epoch)
            begin(batch)

        self.writer = Begun(committing, self.writer.finish)
        super().run()


class CommitOfTheBatchInFlight(Loop):
    """Takes the acknowledgement of one batch for that of the next."""

    def run(self) -> None:
        begin = self.writer.begin
        self._begun: Batch | None = None

        def remembering(batch: Batch) -> None:
            self._begun = batch
            begin(batch)

        self.writer = Begun(remembering, self.writer.finish)
        super().run()

    def _commit(self, batch: Batch) -> CommitResult:
        return super()._commit(self._begun or batch)


class CommitOfTheLastOffset(Loop):
    """`offset` where it should be `offset + 1`."""

    def _commit(self, batch: Batch) -> CommitResult:
        parts = {p: replace(part, next_offset=part.next_offset - 1) for p, part in batch.partitions.items()}
        return super()._commit(replace(batch, partitions=parts))


class SkipOnWriteError(Loop):
    """Goes on with the next records when a write failed."""

    def _back_off_and_redeliver(
        self, in_flight: Batch, next_batch: Batch | None, error: SinkUnavailableError | None = None
    ) -> None:
        if error is None:
            super()._back_off_and_redeliver(in_flight, next_batch)


class ReadAheadForgotten(Loop):
    """Has the batch that failed delivered again, and not the one that was read meanwhile."""

    def _back_off_and_redeliver(
        self, in_flight: Batch, next_batch: Batch | None, error: SinkUnavailableError | None = None
    ) -> None:
        super()._back_off_and_redeliver(in_flight, None, error)


class CommitInAnyEpoch(Loop):
    """Offers the offsets of a batch whatever happened to the group meanwhile."""

    def _commit(self, batch: Batch) -> CommitResult:
        assert isinstance(self.source, FakeSource)
        return super()._commit(replace(batch, assignment_epoch=self.source.assignment_epoch))


class RetryOfAStaleCommit(FakeSource):
    """Keeps the offsets that were refused and offers them again after another poll."""

    _stale: Mapping[TopicPartition, int] = MappingProxyType({})

    def commit(self, next_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> CommitResult:
        result = super().commit(next_offsets, assignment_epoch)
        if result is CommitResult.REBALANCED:
            self._stale = {**self._stale, **next_offsets}
        return result

    def poll(self, most: int, *, wait: bool) -> Fetched | None:
        fetched = super().poll(most, wait=wait)
        if self._stale and fetched and super().commit(self._stale, fetched.assignment_epoch) is CommitResult.OK:
            self._stale = {}
        return fetched


class PositionsKept(FakeSource):
    """Goes on behind what it has read before a rebalance, as the client would, and not at what is committed."""

    _read: dict[TopicPartition, int]

    def rewind(self, first_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> None:
        super().rewind(first_offsets, assignment_epoch)
        self._read = self._positions.copy()

    def _fetch(self, most: int) -> Fetched | None:
        fetched = super()._fetch(most)
        self._read = self._positions.copy()
        return fetched

    def _begin(self, positions: dict[TopicPartition, int]) -> None:
        kept = getattr(self, "_read", {})
        super()._begin({partition: max(offset, kept.get(partition, 0)) for partition, offset in positions.items()})


class TruncationUnnoticed(FakeSource):
    """Takes every committed offset for one of the log that is there."""

    def _validate(self, partition: TopicPartition, history: LogHistory, offset: int) -> Validation:
        return Validation(None)


class ReusedOffsetsForgotten(FakeSource):
    """Reads on where the logs part, and takes what is stored there for documents of the same records."""

    def _fetch(self, most: int) -> Fetched | None:
        fetched = super()._fetch(most)
        return fetched and fetched._replace(reused={})


class ReusedOffsetsNotCommitted(FakeSource):
    """Knows only as long as it lives which offsets the log has used twice."""

    def _mark(self, partition: TopicPartition, offset: int) -> tuple[str, int]:
        history = self._histories[partition].before(offset)
        return str(CommitMark(self._topic.uuid, replace(history, reused=[]))), history.epoch_before(offset)


class WatchedOffsetsNotCommitted(FakeSource):
    """Leaves it to the next owner to see by itself where a leader began, which it does not behind the commit."""

    def _mark(self, partition: TopicPartition, offset: int) -> tuple[str, int]:
        history = self._histories[partition].before(offset)
        return str(CommitMark(self._topic.uuid, replace(history, watched=[]))), history.epoch_before(offset)


class LossNotCommitted(Loop):
    """Takes a poll that brought no records, only the offsets behind a loss, for one that brought nothing."""

    def _read(self, *, wait: bool) -> Batch | None:
        batch = super()._read(wait=wait)
        return batch if batch and batch.size else None


class RejectLimitSwallowed(Loop):
    """Counts the rejects, and goes on all the same."""

    def run(self) -> None:
        self.reject_limit = RejectLimit(max_share=1.0)
        super().run()


class HaltForgotten(Loop):
    """Leaves out the batch that was over the limit, and reads on behind it."""

    def _halt(self, reasons: Mapping[TopicPartition, str], batch: Batch) -> None: ...


class RandomId(FakeSink):
    _numbers = itertools.count()

    def write(self, batch: Batch) -> WriteResult:
        parts = {
            p: replace(part, operations=[*map(self._rename, part.operations)]) for p, part in batch.partitions.items()
        }
        return super().write(replace(batch, partitions=parts))

    def _rename(self, insert: Insert) -> Insert:
        new = f"{next(self._numbers):024x}"
        fields = bson.decode(as_raw(insert.document).raw)
        del fields["_id"]
        return Insert(new, encode(new, fields), insert.record)


class DeadLettersDropped(FakeSink):
    def _write_dead_letters(self, rejects: list[Reject]) -> set[str]:
        return {reject.id for reject in rejects}


class OrderedBulk(FakeSink):
    """Stops at the first duplicate, as an ordered bulk does, and leaves the rest of the batch unwritten."""

    def _insert(self, inserts: list[Insert]) -> tuple[set[str], list[Reject]]:
        for index, insert in enumerate(inserts):
            if insert.id in self._database.documents:
                super()._insert(inserts[:index])
                return {insert.id}, []
        return super()._insert(inserts)


class UnacknowledgedWrite(FakeSink):
    """Counts as written what was only sent."""

    def write(self, batch: Batch) -> WriteResult:
        try:
            return super().write(batch)
        except SinkUnavailableError:
            stored = {partition: len(part.operations) for partition, part in batch.partitions.items()}
            rejects = [reject for part in batch.partitions.values() for reject in part.rejects]
            return WriteResult(stored, {}, Counter((partition_of(each.record), each.reason) for each in rejects))


class ForgetfulDuplicates(FakeSink):
    """Replaces what is stored already instead of comparing it: a conflict would pass unseen."""

    def __init__(self, database: FakeDatabase, pause: Pause) -> None:
        super().__init__(database, pause)
        self._database = database

    def _insert(self, inserts: list[Insert]) -> tuple[set[str], list[Reject]]:
        for insert in inserts:
            self._database.take()
            self._database.documents[insert.id] = bson.encode({"_id": insert.id})
        return set(), []


class StrangerCountedAsStored(FakeSink):
    """Takes every duplicate key for the record's own, whichever unique index it was."""

    def _insert(self, inserts: list[Insert]) -> tuple[set[str], list[Reject]]:
        known, refused = super()._insert(inserts)
        strangers = {reject.id for reject in refused if reject.reason is RejectReason.DUPLICATE_KEY}
        return known | strangers, [reject for reject in refused if reject.id not in strangers]


MUTANTS = {
    "commit before write": Variant(loop=CommitBeforeWrite),
    "commit offset instead of offset + 1": Variant(loop=CommitOfTheLastOffset),
    "batch in flight committed for the one before": Variant(loop=CommitOfTheBatchInFlight),
    "batch skipped on a write error": Variant(loop=SkipOnWriteError),
    "batch read ahead forgotten on a write error": Variant(loop=ReadAheadForgotten),
    "batch committed in another assignment": Variant(loop=CommitInAnyEpoch),
    "positions kept over a rebalance": Variant(source=PositionsKept),
    "loss without records behind it not committed": Variant(loop=LossNotCommitted),
    "stale commit retried after another poll": Variant(source=RetryOfAStaleCommit),
    "random _id": Variant(sink=RandomId),
    "dead letters dropped": Variant(sink=DeadLettersDropped),
    "ordered bulk that drops the tail": Variant(sink=OrderedBulk),
    "unacknowledged write counted as written": Variant(sink=UnacknowledgedWrite),
    "content of a document not kept": Variant(sink=ForgetfulDuplicates),
}

MUTANTS_OF_THE_LIMIT = {
    "reject limit swallowed": Variant(loop=RejectLimitSwallowed),
    "halted partition read on": Variant(loop=HaltForgotten),
}
"""They show in a flood of poison, and nowhere else."""

MUTANTS_OF_TRUNCATION = {
    "truncated log not noticed": Variant(source=TruncationUnnoticed),
    "offsets used twice not known": Variant(source=ReusedOffsetsForgotten),
}
"""They show where logs are truncated often."""

MUTANT_OF_OWNERS = Variant(source=ReusedOffsetsNotCommitted)
"""It shows where owners change behind a cut of more than two batches."""

MUTANT_OF_A_LATE_WRITE = Variant(source=WatchedOffsetsNotCommitted)
"""It shows where a worker that the group gave up writes records of a log that is not there any more."""

MUTANT_OF_THE_INDEX = Variant(sink=StrangerCountedAsStored)
"""It shows where the user has a unique index, and nowhere else."""
