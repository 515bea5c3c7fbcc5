"""The mistakes that would break the promise, one class each. The model must notice every one of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import bson
from bson.raw_bson import RawBSONDocument

from tests.model.world import Variant
from tests.support.fakes import FakeDatabase, FakeSource, FakeStore, Pause
from workers.errors import SinkUnavailableError
from workers.pipeline.loop import Loop
from workers.pipeline.reject_limit import RejectLimit
from workers.types import Batch, CommitResult, Document, Fetched, Reject, RejectReason, Written


@dataclass
class Begun:
    """A writer that does something else when a write is begun."""

    begin: Callable[[Batch], None]
    finish: Callable[[], tuple[Written, float]]


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

    def _committed(self, batch: Batch) -> bool:
        return super()._committed(self._begun or batch)


class CommitOfTheLastOffset(Loop):
    """`offset` where it should be `offset + 1`."""

    def _committed(self, batch: Batch) -> bool:
        return super()._committed(replace(batch, next_offsets={p: o - 1 for p, o in batch.next_offsets.items()}))


class SkipOnWriteError(Loop):
    """Goes on with the next records when a write failed."""

    def _again(self, before: Batch, batch: Batch | None, error: SinkUnavailableError | None = None) -> None:
        if error is None:
            super()._again(before, batch)


class ReadAheadForgotten(Loop):
    """Has the batch that failed delivered again, and not the one that was read meanwhile."""

    def _again(self, before: Batch, batch: Batch | None, error: SinkUnavailableError | None = None) -> None:
        super()._again(before, None, error)


class CommitInAnyGeneration(Loop):
    """Offers the offsets of a batch whatever happened to the group meanwhile."""

    def _committed(self, batch: Batch) -> bool:
        assert isinstance(self.source, FakeSource)
        return super()._committed(replace(batch, assignment_epoch=self.source.assignment_epoch))


class RetryOfAStaleCommit(FakeSource):
    """Keeps the offsets that were refused and offers them again after another poll."""

    _stale: Mapping[int, int] = MappingProxyType({})

    def commit(self, next_offsets: Mapping[int, int], assignment_epoch: int) -> CommitResult:
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

    _read: dict[int, int]

    def rewind(self, first_offsets: Mapping[int, int], assignment_epoch: int) -> None:
        super().rewind(first_offsets, assignment_epoch)
        self._read = self._positions.copy()

    def _fetch(self, most: int) -> Fetched | None:
        fetched = super()._fetch(most)
        self._read = self._positions.copy()
        return fetched

    def _begin(self, positions: dict[int, int]) -> None:
        kept = getattr(self, "_read", {})
        super()._begin({partition: max(offset, kept.get(partition, 0)) for partition, offset in positions.items()})


class LossNotCommitted(Loop):
    """Takes a poll that brought no records, only the offsets behind a loss, for one that brought nothing."""

    def _read(self, *, wait: bool) -> Batch | None:
        batch = super()._read(wait=wait)
        return batch if batch and batch.size else None


class RejectLimitSwallowed(Loop):
    """Counts the rejects, and goes on all the same."""

    def run(self) -> None:
        self.reject_limit = RejectLimit(share=1.0)
        super().run()


class StopForgotten(Loop):
    """Leaves out the batch that was over the limit, and reads on behind it."""

    def _stop(self, partitions: set[int], batch: Batch) -> None: ...


class RandomId(FakeStore):
    _numbers = itertools.count()

    def write(self, batch: Batch) -> Written:
        renamed = [self._rename(document) for document in batch.documents]
        return super().write(replace(batch, documents=renamed))

    def _rename(self, document: Document) -> Document:
        new = f"{next(self._numbers):024x}"
        return Document(new, RawBSONDocument(bson.encode(bson.decode(document.bson) | {"_id": new})), document.record)


class DeadLettersDropped(FakeStore):
    def _bury(self, rejects: list[Reject]) -> set[str]:
        return {reject.id for reject in rejects}


class OrderedBulk(FakeStore):
    """Stops at the first duplicate, as an ordered bulk does, and leaves the rest of the batch unwritten."""

    def _insert(self, documents: list[Document]) -> tuple[set[str], list[Reject]]:
        for index, document in enumerate(documents):
            if document.id in self._database.documents:
                super()._insert(documents[:index])
                return {document.id}, []
        return super()._insert(documents)


class UnacknowledgedWrite(FakeStore):
    """Counts as written what was only sent."""

    def write(self, batch: Batch) -> Written:
        try:
            return super().write(batch)
        except SinkUnavailableError:
            stored = Counter(document.record.partition for document in batch.documents)
            return Written(stored, {}, Counter((r.record.partition, r.reason) for r in batch.rejects))


class ForgetfulDuplicates(FakeStore):
    """Replaces what is stored already instead of comparing it: a conflict would pass unseen."""

    def __init__(self, database: FakeDatabase, pause: Pause) -> None:
        super().__init__(database, pause)
        self._database = database

    def _insert(self, documents: list[Document]) -> tuple[set[str], list[Reject]]:
        for document in documents:
            self._database.take()
            self._database.documents[document.id] = bson.encode({"_id": document.id})
        return set(), []


class StrangerCountedAsStored(FakeStore):
    """Takes every duplicate key for the record's own, whichever unique index it was."""

    def _insert(self, documents: list[Document]) -> tuple[set[str], list[Reject]]:
        known, refused = super()._insert(documents)
        strangers = {reject.id for reject in refused if reject.reason is RejectReason.DUPLICATE_KEY}
        return known | strangers, [reject for reject in refused if reject.id not in strangers]


MUTANTS = {
    "commit before write": Variant(loop=CommitBeforeWrite),
    "commit offset instead of offset + 1": Variant(loop=CommitOfTheLastOffset),
    "batch in flight committed for the one before": Variant(loop=CommitOfTheBatchInFlight),
    "batch skipped on a write error": Variant(loop=SkipOnWriteError),
    "batch read ahead forgotten on a write error": Variant(loop=ReadAheadForgotten),
    "batch committed in another generation": Variant(loop=CommitInAnyGeneration),
    "positions kept over a rebalance": Variant(source=PositionsKept),
    "loss without records behind it not committed": Variant(loop=LossNotCommitted),
    "stale commit retried after another poll": Variant(source=RetryOfAStaleCommit),
    "random _id": Variant(store=RandomId),
    "dead letters dropped": Variant(store=DeadLettersDropped),
    "ordered bulk that drops the tail": Variant(store=OrderedBulk),
    "unacknowledged write counted as written": Variant(store=UnacknowledgedWrite),
    "content of a document not kept": Variant(store=ForgetfulDuplicates),
}

MUTANTS_OF_THE_LIMIT = {
    "reject limit swallowed": Variant(loop=RejectLimitSwallowed),
    "stopped partition read on": Variant(loop=StopForgotten),
}
"""They show in a flood of poison, and nowhere else."""

MUTANT_OF_THE_INDEX = Variant(store=StrangerCountedAsStored)
"""It shows where the user has a unique index, and nowhere else."""
