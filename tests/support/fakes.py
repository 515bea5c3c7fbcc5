"""The source and the sink of `workers.pipeline.loop` in memory. tests/contract holds them to what the real ones do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import bson
from bson import json_util
from bson.raw_bson import RawBSONDocument

from tests.support.fake_broker import Answer, FakeBroker, UnknownMemberError
from tests.support.fake_start import FakeStart
from tests.support.records import ListedRecords
from workers.errors import RetryReason, SinkUnavailableError, UnavailableError
from workers.identity import OffsetRange, second_id
from workers.kafka.beginning import Leader, begin
from workers.kafka.commit_mark import CommitMark, read_commit
from workers.kafka.log_history import LogHistory, Question, Validation, validate
from workers.operations import Operations
from workers.pauses import NO_PAUSES, Pauses
from workers.pauses import Pause as Order
from workers.pipeline.observer import NullObserver, Observer
from workers.records import Record, Records
from workers.settings.start import EARLIEST
from workers.sinks.id_range import IdRange
from workers.sinks.mongodb.encoding import as_raw, encode, encode_plain
from workers.sinks.refusals import Refusal, Suspects, refused_alone, undecided
from workers.types import (
    Batch,
    CommitResult,
    Fetched,
    Insert,
    Operation,
    Reject,
    RejectReason,
    TopicPartition,
    WriteResult,
    partition_of,
)

MARGIN = 8
"""Two batches of the model: see `workers.kafka.beginning.margin_of`."""
Pause = Callable[[str], None]
"""Called where a process may be stopped or killed: the model stops workers there."""


PATIENCE_WRITES = 3
"""The refusal patience of the fake sink, in writes."""
CHOKES = "choke"
"""The fake database refuses whatever has this field, and does not say why."""
CHOKED = Refusal("code 1", RejectReason.REFUSED_BY_SERVER, "code 1: no")
CLOSED = "the collection of this partition is a view"
BUSY = Refusal("code 1", RejectReason.REFUSED_BY_SERVER, "code 1: not now")


def no_pause(_point: str) -> None: ...


class FakeSource:
    """One member of the broker's group."""

    start_type: type[FakeStart] = FakeStart

    def __init__(
        self,
        broker: FakeBroker,
        observer: Observer | None = None,
        pause: Pause = no_pause,
        stopping: Callable[[], bool] = lambda: False,
        pauses: Callable[[], Pauses] = lambda: NO_PAUSES,
        *,
        start: str = EARLIEST,
    ) -> None:
        self.starts = self.start_type(broker, start)
        self.member = broker.new_member_id()
        self._pauses = pauses
        self._ordered = NO_PAUSES
        self._paused: dict[TopicPartition, Order] = {}
        self._resting: dict[TopicPartition, Order] = {}
        self._settling = False
        self._broker = broker
        self._observer = observer or NullObserver()
        self._pause = pause
        self._stopping = stopping
        self._group_generation = -1
        self.assignment_epoch = 0
        self._topic = broker.topic
        self._positions: dict[TopicPartition, int] = {}
        self._skipped: dict[TopicPartition, int] = {}
        self._behind_a_loss: dict[TopicPartition, int] = {}
        self._halted: set[TopicPartition] = set()
        self._histories: dict[TopicPartition, LogHistory] = {}
        self._leader_epochs: dict[TopicPartition, int] = {}
        self._parted: dict[TopicPartition, OffsetRange] = {}

    @property
    def assigned(self) -> list[TopicPartition]:
        return sorted(self._positions)

    def poll(self, most: int, *, wait: bool) -> Fetched | None:
        self._pause("poll")
        self._look()
        return self._fetch(most) if self._keep_membership() else None

    def commit(self, next_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> CommitResult:
        self._pause("commit")
        if assignment_epoch != self.assignment_epoch:
            return CommitResult.REBALANCED
        self.starts.ended(next_offsets)
        try:
            answer = self._broker.commit(
                self.member,
                self._group_generation,
                {tp.partition: offset for tp, offset in next_offsets.items()},
                {tp.partition: self._mark(tp, offset) for tp, offset in next_offsets.items()},
            )
        except UnknownMemberError:
            return CommitResult.REBALANCED
        self._pause("committed")
        if answer is Answer.LANDS:
            return CommitResult.OK
        return CommitResult.ERROR if answer is Answer.FAILS else CommitResult.TIMEOUT

    def rewind(self, first_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> None:
        if assignment_epoch != self.assignment_epoch:
            return
        self.starts.ended(first_offsets)
        self._positions |= {p: offset for p, offset in first_offsets.items() if p in self._positions}
        self._skipped |= {p: offset for p, offset in first_offsets.items() if self._behind_a_loss.get(p) == offset}

    def _look(self) -> None:
        """As `UnreadPartitions.look`."""
        if self._settling:
            self._settling = False
            self._rest(self._paused)
        if (ordered := self._pauses()) is not self._ordered:
            self._ordered = ordered
            self._apply_pauses()

    def _apply_pauses(self, *, anew: bool = False) -> None:
        before, self._paused = self._paused, self._ordered.among(self._positions)
        if anew or self._paused.keys() - before.keys():
            self._settling = True
        resting = {partition: why for partition, why in self._paused.items() if partition in self._resting}
        if resting != self._resting:
            self._rest(resting)

    def _rest(self, resting: dict[TopicPartition, Order]) -> None:
        self._resting = resting
        self._observer.paused(resting)

    def _is_read(self, partition: TopicPartition) -> bool:
        return partition not in self._halted and partition not in self._paused

    def hold(self, seconds: float) -> None:
        self._pause("hold")
        if seconds > 0 and not self._stopping():
            self._keep_membership()

    def halt(self, partitions: Collection[TopicPartition]) -> None:
        self._halted |= set(partitions)

    def close(self) -> None:
        self._pause("close")
        self._broker.remove(self.member)

    def written(self, batch: Batch) -> None:
        if batch.assignment_epoch == self.assignment_epoch:
            for partition, part in batch.partitions.items():
                if part.replaced:
                    self._histories[partition].reuse(part.replaced.first, part.replaced.end + MARGIN)

    def _mark(self, partition: TopicPartition, offset: int) -> tuple[str, int]:
        history = self._histories.get(partition, self.starts.history(partition)).before(offset)
        return str(CommitMark(self._topic.uuid, history)), history.epoch_before(offset)

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
            self._begin({TopicPartition(broker.topic.name, p): broker.start(p) for p in broker.assignment[self.member]})
            self._observer.rebalanced("assigned", self.assigned)
            self._observer.owns(self.assigned)
            self._apply_pauses(anew=True)
        if self._topic != broker.topic:
            self._begin(dict.fromkeys(self._positions, 0))
        return True

    def _begin(self, positions: dict[TopicPartition, int]) -> None:
        self.assignment_epoch += 1
        self._topic = self._broker.topic
        self._positions, self._skipped, self._behind_a_loss = dict(positions), {}, {}
        self._histories = {}
        self.starts.begin(self._topic, positions, self._group_generation)
        for partition in positions:
            if partition not in self.starts.held:
                self._begin_partition(partition)
        self._parted = {}
        self._notice_gaps()

    def _begin_partition(self, partition: TopicPartition) -> None:
        log, offset = self._broker.partitions[partition.partition], self._broker.committed.get(partition.partition)
        metadata, epoch = self._broker.marks.get(partition.partition, ("", -1))
        commit = None if offset is None else read_commit(offset, metadata, epoch, self._topic.uuid)
        validation = self._validate(partition, commit.history, commit.offset) if commit else Validation(None)
        leader = Leader(log.beginning, log.end, log.epoch)
        begun = begin(commit, leader, validation, self._parted.get(partition), MARGIN)
        self._histories[partition], self._leader_epochs[partition] = begun.history, log.epoch
        if begun.truncation:
            self._positions[partition] = self._skipped[partition] = self._behind_a_loss[partition] = begun.offset
            self._observer.log_truncated(partition, begun.truncation)

    def _validate(self, partition: TopicPartition, history: LogHistory, offset: int) -> Validation:
        log = self._broker.partitions[partition.partition]
        question = {partition: Question(history, offset, log.epoch)}
        return validate(question, lambda asked: {p: log.epoch_end(epoch) for p, epoch in asked.items()})[partition]

    def _find_truncations(self) -> bool:
        """Compare the positions with the logs of leaders that are new; begin again at the commits if one was truncated."""
        for partition, position in self._positions.items():
            if partition in self.starts.held:
                continue
            epoch = self._broker.partitions[partition.partition].epoch
            if epoch != self._leader_epochs[partition]:
                self._leader_epochs[partition] = epoch
                validation = self._validate(partition, self._histories[partition], position)
                if validation.divergence is not None:
                    self._parted[partition] = OffsetRange(validation.divergence, position)
        if self._parted:
            self._begin({p: self._broker.start(p.partition) for p in self._positions})
            return True
        return False

    def _notice_gaps(self) -> None:
        for partition, offset in self._positions.items():
            if partition in self.starts.held:
                continue
            beginning = self._broker.partitions[partition.partition].beginning
            if beginning > offset:
                self._positions[partition] = self._skipped[partition] = self._behind_a_loss[partition] = beginning
                self._observer.records_lost(partition, offset, beginning - offset)

    def _fetch(self, most: int) -> Fetched | None:
        if self._find_truncations():
            return None
        for partition in self.starts.look():
            self._positions[partition] = self._broker.start(partition.partition)
            self._begin_partition(partition)
        self._notice_gaps()
        fetched: dict[TopicPartition, Records] = {}
        for partition, position in self._positions.items():
            if (
                most > 0
                and self._is_read(partition)
                and partition not in self.starts.held
                and (records := self._broker.partitions[partition.partition].read(position, most))
            ):
                fetched[partition] = ListedRecords(records)
                most -= len(records)
        for partition, records in fetched.items():
            self._positions[partition] = records.offsets[-1] + 1
            self._histories[partition].read(records, MARGIN)
        skipped, self._skipped = self._skipped | self.starts.take(), {}
        if not fetched and not skipped:
            return None
        reused = {
            partition: ranges
            for partition, records in fetched.items()
            if (ranges := self._histories[partition].to_compare(records.offsets[0], records.offsets[-1] + 1))
        }
        return Fetched({self._topic.name: self._topic}, fetched, skipped, None, reused, self.assignment_epoch)


class FakeSink:
    """A database in memory, which several workers share: see `FakeDatabase`."""

    def __init__(self, database: FakeDatabase, pause: Pause = no_pause) -> None:
        self._database = database
        self._pause = pause
        # Its clock counts what is written by all workers, so a schedule decides how long a refusal lasts.
        self._suspects = Suspects(PATIENCE_WRITES, lambda: database.writes)

    def check(self) -> None:
        self._database.take()

    def ping(self) -> None:
        self._database.take()

    def encode(self, document_id: str, value: dict[str, Any]) -> Any:
        return encode(document_id, value)

    def encode_plain(self, prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[Any]:
        return encode_plain(prefix, offsets, values)

    def write(self, batch: Batch) -> WriteResult:
        self._pause("write")
        self._database.writes += 1
        closed = {p: CLOSED for p in batch.partitions if p.partition in self._database.closed}
        batch = batch.without(closed)
        self._reused = {partition: part.reused for partition, part in batch.partitions.items()}
        self._replaced: dict[TopicPartition, OffsetRange] = {}
        operations = list(Operations.joined((part.operations for part in batch.partitions.values()), as_raw))
        known, refused = self._insert(operations)
        self._pause("dead letters")
        not_decoded = [reject for part in batch.partitions.values() for reject in part.rejects]
        for reject in not_decoded:
            if reject.id in self._database.documents:
                self._may_be_replaced(reject.record)
        rejects = not_decoded + refused
        new = self._write_dead_letters(rejects)
        for partition, offsets in self._replaced.items():
            batch.partitions[partition].replaced = offsets
        self._pause("written")
        gone = known | {reject.id for reject in refused}
        return WriteResult(
            stored=Counter(partition_of(each.record) for each in operations if each.id not in gone),
            duplicates=Counter(partition_of(each.record) for each in operations if each.id in known)
            + Counter(partition_of(each.record) for each in rejects if each.id not in new),
            dead_letters=Counter((partition_of(each.record), each.reason) for each in rejects if each.id in new),
            refused=Counter(partition_of(each.record) for each in refused if each.id in new),
            not_written=closed,
        )

    def write_one(self, operation: Operation) -> Reject | None:
        self._reused = {}
        _, refused = self._insert([operation])
        return refused[0] if refused else None

    def close(self) -> None: ...

    def _insert(self, inserts: list[Insert]) -> tuple[set[str], list[Reject]]:
        known: set[str] = set()
        refused: list[Reject] = []
        suspects: dict[str, Refusal] = {}
        for count, insert in enumerate(inserts):
            if count == len(inserts) // 2:
                self._pause("half")
            self._database.take()
            reason = self._database.insert(insert)
            if reason is RejectReason.CONFLICT:
                reason = self._insert_beside(insert)
            if isinstance(reason, Refusal):
                suspects[insert.id] = reason
            elif reason:
                refused.append(Reject(insert.id, RejectReason(reason), "refused", insert.record))
            elif reason is None:
                known.add(insert.id)
        gone = {reject.id for reject in refused}
        self._suspects.passed(each.id for each in inserts if each.id not in suspects and each.id not in gone)
        if suspects:
            letters = self._database.dead_letters
            for each in [each for each in inserts if each.id in suspects and each.id in letters]:
                if letters[each.id].record.value != each.record.value:
                    # Of a record that the log does not hold any more.
                    continue
                refused.append(letters[each.id])
                del suspects[each.id]
        if suspects:
            refused += self._judge(inserts, suspects)
        return known, refused

    def _judge(self, inserts: list[Insert], suspects: dict[str, Refusal]) -> list[Reject]:
        """As `MongoSink` does, for which the contract holds both."""
        self._suspects.refused(suspects, alone=True)
        if self._suspects.seconds_left(suspects) > 0:
            raise undecided(suspects, "too early to judge")
        tried = [each for each in inserts if each.id in suspects]
        guilty = refused_alone(tried, self._write_alone, lambda: self._prove(inserts, suspects))
        causes = self._suspects.passed(each.id for each in tried if each.id not in guilty)
        if causes & {refusal.cause for refusal in guilty.values()}:
            raise undecided(guilty, "the cause passes")
        return [
            Reject(each.id, guilty[each.id].reject_reason, guilty[each.id].error, each.record)
            for each in tried
            if each.id in guilty
        ]

    def _write_alone(self, insert: Insert) -> Refusal | None:
        self._database.take()
        answer = self._database.insert(insert)
        return answer if isinstance(answer, Refusal) else None

    def _prove(self, inserts: list[Insert], suspects: dict[str, Refusal]) -> None:
        documents = self._database.documents
        first = next(each for each in inserts if each.id in suspects)
        stored = [each.id for each in inserts if each.id in documents] or list(documents)
        if not stored:
            raise undecided(suspects, "nothing to compare with", no_proof=True)
        if self._write_alone(Insert(stored[0], RawBSONDocument(documents[stored[0]]), first.record)):
            raise undecided(suspects, "another is refused too", no_proof=True)

    def _write_dead_letters(self, rejects: list[Reject]) -> set[str]:
        new = set()
        for reject in rejects:
            self._database.take()
            letters, letter_id = self._database.dead_letters, reject.id
            stored = letters.get(letter_id)
            if stored and stored.record.value != reject.record.value and self._may_be_replaced(reject.record):
                letter_id = second_id(letter_id, reject.record.leader_epoch)
            if letter_id not in letters:
                letters[letter_id] = reject
                new.add(reject.id)
        return new

    def _insert_beside(self, insert: Insert) -> RejectReason | str | None:
        """As `FakeDatabase.insert`, under the record's second id, if another log's document may have the first."""
        other = second_id(insert.id, insert.record.leader_epoch)
        fields = bson.decode(insert.document.raw)
        del fields["_id"]
        document = encode(other, fields)
        stored = self._database.documents.get(other)
        if stored is None and self._may_be_replaced(insert.record):
            return self._database.insert(Insert(other, document, insert.record))
        return None if stored == document.raw else RejectReason.CONFLICT

    def _may_be_replaced(self, record: Record) -> bool:
        partition, offset = partition_of(record), record.offset
        if not any(offset in each for each in self._reused.get(partition, ())):
            return False
        first, end = self._replaced.get(partition, (offset, offset + 1))
        self._replaced[partition] = OffsetRange(min(first, offset), max(end, offset + 1))
        return True


class FakeReader:
    """What the database in memory holds."""

    def __init__(self, database: FakeDatabase) -> None:
        self._database = database

    def connect(self) -> None:
        self._ask()

    def encode(self, document_id: str, value: dict[str, Any]) -> Any:
        return encode(document_id, value)

    def encode_plain(self, prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[Any]:
        return encode_plain(prefix, offsets, values)

    def documents(self, ids: Sequence[str]) -> Mapping[str, Any]:
        self._ask()
        return {
            each: RawBSONDocument(self._database.documents[each]) for each in ids if each in self._database.documents
        }

    def equal(self, stored: Any, document: Any) -> bool:
        return bool(stored.raw == document.raw)

    def as_json(self, document: Any, *, exact: bool = False) -> str:
        options = json_util.CANONICAL_JSON_OPTIONS if exact else json_util.RELAXED_JSON_OPTIONS
        return json_util.dumps(bson.decode(document.raw), json_options=options, ensure_ascii=False)

    def dead_letters(self, ids: Sequence[str]) -> Mapping[str, str]:
        self._ask()
        letters = self._database.dead_letters
        return {each: str(letters[each].reason) for each in ids if each in letters}

    def all_dead_letters(self, limit: int = 100_000) -> Mapping[str, str] | None:
        found = self.dead_letters(list(self._database.dead_letters))
        return found if len(found) <= limit else None

    def content(self, document: Any) -> bytes:
        return bytes(as_raw(document).raw)

    def finds_ranges(self) -> bool:
        self._ask()
        return True

    def scan(self, ids: IdRange, most: int) -> Iterator[Sequence[tuple[Any, bytes]]]:
        found = [(each, raw) for each, raw in self._database.documents.items() if _inside(each, ids)]
        for first in range(0, len(found), most):
            self._ask()
            yield found[first : first + most]
        self._ask()

    def scan_dead_letters(self, ids: IdRange) -> Iterator[Sequence[tuple[Any, str | None]]]:
        self._ask()
        yield [(each, str(letter.reason)) for each, letter in self._database.dead_letters.items() if _inside(each, ids)]

    def scan_ids(self, ids: IdRange | None) -> Iterator[Sequence[Any]]:
        self._ask()
        for held in (self._database.documents, self._database.dead_letters):
            # Every id in here is text.
            yield [each for each in held if ids is not None and _inside(each, ids)]

    def close(self) -> None: ...

    def _ask(self) -> None:
        if not self._database.up:
            raise UnavailableError("the fake database is down")


def _inside(document_id: str, ids: IdRange) -> bool:
    return (ids.first is None or document_id >= ids.first) and (ids.end is None or document_id < ids.end)


class FakeWriter:
    """Writes on the thread of the loop, as soon as a batch is begun, or as late as it can: when it is to be finished."""

    def __init__(self, sink: FakeSink, late: Callable[[], bool] = lambda: False) -> None:
        self._sink = sink
        self._late = late
        self._batch: Batch | None = None
        self._ended: WriteResult | SinkUnavailableError | None = None

    def begin(self, batch: Batch) -> None:
        assert self._batch is None, "two batches in flight"
        self._batch = batch
        self._ended = None if self._late() else self._write(batch)

    def finish(self) -> tuple[WriteResult, float]:
        assert self._batch is not None, "nothing was begun"
        ended = self._ended or self._write(self._batch)
        self._batch = None
        if isinstance(ended, SinkUnavailableError):
            raise ended
        return ended, 0.0

    def _write(self, batch: Batch) -> WriteResult | SinkUnavailableError:
        try:
            return self._sink.write(batch)
        except SinkUnavailableError as error:
            return error


class FakeDatabase:
    """What it holds, whether it is up, and how many writes it takes before it goes away."""

    def __init__(self, unique_field: str | None = None) -> None:
        self.documents: dict[str, bytes] = {}
        self.dead_letters: dict[str, Reject] = {}
        self.up = True
        self.breaks_after: int | None = None
        self.refusals = 0
        """So many of the next documents are refused, and the database does not say why."""
        self.closed: set[int] = set()
        """Partitions whose collection cannot be used."""
        self.writes = 0
        """Of batches, by all workers: the time of the suspects."""
        self.unique_field = unique_field

    def take(self) -> None:
        """One more write is about to be made.

        Raises:
            SinkUnavailableError: it does not arrive.
        """
        if self.breaks_after == 0:
            self.up, self.breaks_after = False, None
        if not self.up:
            raise SinkUnavailableError(RetryReason.UNREACHABLE, "the fake database is down")
        if self.breaks_after is not None:
            self.breaks_after -= 1

    def insert(self, insert: Insert) -> RejectReason | Refusal | str | None:
        """Returns "" for stored, None for stored before with the same content, or why it is refused."""
        raw = insert.document.raw
        fields = bson.decode(raw)
        stored = self.documents.get(insert.id)
        if self.refusals:
            self.refusals -= 1
            return BUSY
        if CHOKES in fields or any(value != value for value in fields.values()):
            return CHOKED
        if stored is not None:
            return None if stored == raw else RejectReason.CONFLICT
        if self.unique_field and any(
            self._unique(fields) == self._unique(bson.decode(s)) for s in self.documents.values()
        ):
            return RejectReason.DUPLICATE_KEY
        self.documents[insert.id] = raw
        return ""

    def _unique(self, fields: Mapping[str, Any]) -> Any:
        return fields.get(self.unique_field or "")
