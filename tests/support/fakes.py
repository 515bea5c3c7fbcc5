"""The source and the store of `workers.pipeline.loop` in memory. tests/contract holds them to what the real ones do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

import bson

from tests.support.fake_broker import Answer, FakeBroker, FakeRecord, UnknownMemberError
from workers.errors import SinkUnavailableError
from workers.pipeline.observer import NullObserver, Observer
from workers.types import Batch, CommitResult, Document, Fetched, Reject, RejectReason, Written

Pause = Callable[[str], None]
"""Called where a process may be stopped or killed: the model stops workers there."""


def no_pause(_point: str) -> None: ...


class FakeSource:
    """One member of the broker's group."""

    def __init__(
        self,
        broker: FakeBroker,
        observer: Observer | None = None,
        pause: Pause = no_pause,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.member = broker.new_member_id()
        self._broker = broker
        self._observer = observer or NullObserver()
        self._pause = pause
        self._stopping = stopping
        self._group_generation = -1
        self.assignment_epoch = 0
        self._topic = broker.topic
        self._positions: dict[int, int] = {}
        self._skipped: dict[int, int] = {}
        self._behind_a_loss: dict[int, int] = {}
        self._stopped: set[int] = set()

    @property
    def assigned(self) -> list[int]:
        return sorted(self._positions)

    def poll(self, most: int, *, wait: bool) -> Fetched | None:
        self._pause("poll")
        return self._fetch(most) if self._keep_membership() else None

    def commit(self, next_offsets: Mapping[int, int], assignment_epoch: int) -> CommitResult:
        self._pause("commit")
        if assignment_epoch != self.assignment_epoch:
            return CommitResult.REBALANCED
        try:
            answer = self._broker.commit(self.member, self._group_generation, dict(next_offsets))
        except UnknownMemberError:
            return CommitResult.REBALANCED
        self._pause("committed")
        if answer is Answer.LANDS:
            return CommitResult.OK
        return CommitResult.ERROR if answer is Answer.FAILS else CommitResult.TIMEOUT

    def rewind(self, first_offsets: Mapping[int, int], assignment_epoch: int) -> None:
        if assignment_epoch != self.assignment_epoch:
            return
        self._positions |= {p: offset for p, offset in first_offsets.items() if p in self._positions}
        self._skipped |= {p: offset for p, offset in first_offsets.items() if self._behind_a_loss.get(p) == offset}

    def hold(self, seconds: float) -> None:
        self._pause("hold")
        if seconds > 0 and not self._stopping():
            self._keep_membership()

    def stop(self, partitions: Collection[int]) -> None:
        self._stopped |= set(partitions)

    def close(self) -> None:
        self._pause("close")
        self._broker.remove(self.member)

    def _keep_membership(self) -> bool:
        """What happens in the client's poll besides records. Returns whether this member is settled in the group."""
        broker = self._broker
        if self.member not in broker.members and self._group_generation >= 0:
            self._observer.rebalanced("lost", self.assigned)
            self._positions, self._group_generation = {}, -1
            self.assignment_epoch += 1
            self.member = broker.new_member_id()
        if self.member not in broker.members or broker.rebalancing:
            if self._positions:
                self._observer.rebalanced("revoked", self.assigned)
                self._positions = {}
            broker.join(self.member)
            if broker.rebalancing:
                return False
        if self._group_generation != broker.generation:
            self._group_generation = broker.generation
            self._begin({p: broker.start(p) for p in broker.assignment[self.member]})
            self._observer.rebalanced("assigned", self.assigned)
            self._observer.owns(self.assigned)
        if self._topic != broker.topic:
            self._begin(dict.fromkeys(self._positions, 0))
        return True

    def _begin(self, positions: dict[int, int]) -> None:
        self.assignment_epoch += 1
        self._topic = self._broker.topic
        self._positions, self._skipped, self._behind_a_loss = dict(positions), {}, {}
        self._notice_gaps()

    def _notice_gaps(self) -> None:
        for partition, offset in self._positions.items():
            beginning = self._broker.partitions[partition].beginning
            if beginning > offset:
                self._positions[partition] = self._skipped[partition] = self._behind_a_loss[partition] = beginning
                self._observer.lost(partition, offset, beginning - offset)

    def _fetch(self, most: int) -> Fetched | None:
        self._notice_gaps()
        fetched: dict[int, list[FakeRecord]] = {}
        for partition, position in self._positions.items():
            if (
                most > 0
                and partition not in self._stopped
                and (records := self._broker.partitions[partition].read(position, most))
            ):
                fetched[partition] = records
                most -= len(records)
        for partition, records in fetched.items():
            self._positions[partition] = records[-1].offset + 1
        skipped, self._skipped = self._skipped, {}
        if not fetched and not skipped:
            return None
        return Fetched(self._topic, fetched, skipped, assignment_epoch=self.assignment_epoch)


class FakeStore:
    """A database in memory, which several workers share: see `FakeDatabase`."""

    def __init__(self, database: FakeDatabase, pause: Pause = no_pause) -> None:
        self._database = database
        self._pause = pause

    def write(self, batch: Batch) -> Written:
        self._pause("write")
        known, refused = self._insert(batch.documents)
        self._pause("dead letters")
        rejects = batch.rejects + refused
        buried = self._bury(rejects)
        self._pause("written")
        gone = known | {reject.id for reject in refused}
        return Written(
            stored=Counter(document.record.partition for document in batch.documents if document.id not in gone),
            duplicates=Counter(document.record.partition for document in batch.documents if document.id in known)
            + Counter(reject.record.partition for reject in rejects if reject.id not in buried),
            dead_letters=Counter((reject.record.partition, reject.reason) for reject in rejects if reject.id in buried),
        )

    def _insert(self, documents: list[Document]) -> tuple[set[str], list[Reject]]:
        known: set[str] = set()
        refused: list[Reject] = []
        for count, document in enumerate(documents):
            if count == len(documents) // 2:
                self._pause("half")
            self._database.take()
            if reason := self._database.insert(document):
                refused.append(Reject(document.id, reason, "refused", document.record))
            elif reason is None:
                known.add(document.id)
        return known, refused

    def _bury(self, rejects: list[Reject]) -> set[str]:
        buried = set()
        for reject in rejects:
            self._database.take()
            if reject.id not in self._database.dead_letters:
                self._database.dead_letters[reject.id] = reject
                buried.add(reject.id)
        return buried


class FakeWriter:
    """Writes on the thread of the loop, as soon as a batch is begun, or as late as it can: when it is to be finished."""

    def __init__(self, store: FakeStore, late: Callable[[], bool] = lambda: False) -> None:
        self._store = store
        self._late = late
        self._batch: Batch | None = None
        self._ended: Written | SinkUnavailableError | None = None

    def begin(self, batch: Batch) -> None:
        assert self._batch is None, "two batches in flight"
        self._batch = batch
        self._ended = None if self._late() else self._write(batch)

    def finish(self) -> tuple[Written, float]:
        assert self._batch is not None, "nothing was begun"
        ended = self._ended or self._write(self._batch)
        self._batch = None
        if isinstance(ended, SinkUnavailableError):
            raise ended
        return ended, 0.0

    def _write(self, batch: Batch) -> Written | SinkUnavailableError:
        try:
            return self._store.write(batch)
        except SinkUnavailableError as error:
            return error


class FakeDatabase:
    """What it holds, whether it is up, and how many writes it takes before it goes away."""

    def __init__(self, unique_field: str | None = None) -> None:
        self.documents: dict[str, bytes] = {}
        self.dead_letters: dict[str, Reject] = {}
        self.up = True
        self.breaks_after: int | None = None
        self.unique_field = unique_field

    def take(self) -> None:
        """One more write is about to be made.

        Raises:
            SinkUnavailableError: it does not arrive.
        """
        if self.breaks_after == 0:
            self.up, self.breaks_after = False, None
        if not self.up:
            raise SinkUnavailableError("unreachable", "the fake database is down")
        if self.breaks_after is not None:
            self.breaks_after -= 1

    def insert(self, document: Document) -> RejectReason | str | None:
        """Returns "" for stored, None for stored before with the same content, or why it is refused."""
        fields = bson.decode(document.bson)
        stored = self.documents.get(document.id)
        if any(value != value for value in fields.values()):
            return RejectReason.REFUSED_BY_SERVER
        if stored is not None:
            return None if stored == document.bson else RejectReason.CONFLICT
        if self.unique_field and any(
            self._unique(fields) == self._unique(bson.decode(s)) for s in self.documents.values()
        ):
            return RejectReason.DUPLICATE_KEY
        self.documents[document.id] = document.bson
        return ""

    def _unique(self, fields: Mapping[str, Any]) -> Any:
        return fields.get(self.unique_field or "")
