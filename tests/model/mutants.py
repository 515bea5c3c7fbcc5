"""The mistakes that would break the promise, one class each. The model must notice every one of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping

import bson

from tests.model.world import Variant
from tests.support.fakes import FakeDatabase, FakeStore, Pause
from workers.decode import read
from workers.errors import StoreAwayError
from workers.loop import Loop
from workers.record import Batch, CommitResult, Document, Reason, Reject, Written
from workers.reject_limit import RejectLimit


class CommitBeforeWrite(Loop):
    def run(self) -> None:
        while not self.stopping():
            fetched = self.source.poll(self.batch_size.now)
            if fetched is None:
                continue
            batch = read(fetched, self.limits)
            result = self.source.commit(batch.next_offsets)
            try:
                written = self.store.write(batch)
            except StoreAwayError as error:
                self._again(batch, error)
                continue
            self.observer.written(batch, written, 0.0)
            if result is not CommitResult.OK:
                self._again(batch)
        self.source.close()


class CommitOfTheLastOffset(Loop):
    """`offset` where it should be `offset + 1`."""

    def run(self) -> None:
        commit = self.source.commit
        self.source.commit = lambda offsets: commit({p: offset - 1 for p, offset in offsets.items()})  # type: ignore[method-assign]
        super().run()


class SkipOnWriteError(Loop):
    """Goes on with the next records when a write failed."""

    def _again(self, batch: Batch, error: StoreAwayError | None = None) -> None:
        if error is None:
            super()._again(batch)


class RetryOfAStaleCommit(Loop):
    """Keeps the offsets that were refused and offers them again after another poll."""

    def run(self) -> None:
        stale: dict[int, int] = {}
        commit, poll = self.source.commit, self.source.poll

        def remembering(offsets: Mapping[int, int]) -> CommitResult:
            result = commit(offsets)
            if result is CommitResult.REBALANCED:
                stale.update(offsets)
            return result

        def retrying(most: int) -> object:
            fetched = poll(most)
            if stale and fetched is not None and commit(stale) is CommitResult.OK:
                stale.clear()
            return fetched

        self.source.commit, self.source.poll = remembering, retrying  # type: ignore[method-assign,assignment]
        super().run()


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
        return super().write(Batch(renamed, batch.rejects, batch.first_offsets, batch.next_offsets))

    def _rename(self, document: Document) -> Document:
        new = f"{next(self._numbers):024x}"
        return Document(new, bson.encode(bson.decode(document.bson) | {"_id": new}), document.record)


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
        except StoreAwayError:
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
        strangers = {reject.id for reject in refused if reject.reason is Reason.DUPLICATE_KEY}
        return known | strangers, [reject for reject in refused if reject.id not in strangers]


MUTANTS = {
    "commit before write": Variant(loop=CommitBeforeWrite),
    "commit offset instead of offset + 1": Variant(loop=CommitOfTheLastOffset),
    "batch skipped on a write error": Variant(loop=SkipOnWriteError),
    "stale commit retried after another poll": Variant(loop=RetryOfAStaleCommit),
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
