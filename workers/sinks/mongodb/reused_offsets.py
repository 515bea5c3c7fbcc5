"""Documents at offsets that the log has used twice, for one write: decision 15."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bson

from workers.identity import OffsetRange, second_id
from workers.sinks.mongodb.dead_letters import value_hash
from workers.sinks.mongodb.encoding import documents_equal, encode
from workers.types import Insert, partition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument
    from pymongo.collection import Collection

    from workers.records import Record
    from workers.types import Batch, Reject, TopicPartition


@dataclass(slots=True)
class ReusedOffsets:
    """Where a batch may meet documents of a log that is not there any more, and where it did."""

    ranges: Mapping[TopicPartition, Sequence[OffsetRange]] = field(default_factory=dict)
    """See `PartitionBatch.reused`."""
    _beside: set[str] = field(default_factory=set)
    """The second ids under which this write stores."""
    _found: dict[TopicPartition, OffsetRange] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: Batch) -> ReusedOffsets:
        return cls({partition: part.reused for partition, part in batch.partitions.items() if part.reused})

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def divide(
        self, inserts: Sequence[Insert], find: Callable[[list[str]], Mapping[str, RawBSONDocument]]
    ) -> tuple[set[str], dict[str, Insert], list[Insert]]:
        """Divide inserts under whose ids other documents are stored.

        Args:
            find: the stored documents among these ids.

        Returns:
            The ids of those that are stored under their second id; by id, inserts under the second id, for those whose id
            may belong to a record that the log does not hold any more; and the conflicts.
        """
        seconds = {each.id: _beside(each) for each in inserts if each.id not in self._beside and has_epoch(each.record)}
        stored = find([each.id for each in seconds.values()]) if seconds else {}
        known, others, conflicts = set(), {}, []
        for insert in inserts:
            second = seconds.get(insert.id)
            found = second and stored.get(second.id)
            if second and found and documents_equal(found, second.document):
                known.add(insert.id)
            elif second and not found and self._may_hold(insert.record):
                others[insert.id] = second
            else:
                conflicts.append(insert)
                continue
            if self._may_hold(insert.record):
                self._note(insert.record)
        self._beside |= {each.id for each in others.values()}
        return known, others, conflicts

    def letters(self, rejects: Sequence[Reject], collection: Collection[Any]) -> dict[str, Reject]:
        """Of rejects whose dead letters were stored before, by second id: those whose dead letter is of another record."""
        suspects = {each.id: each for each in rejects if self._may_hold(each.record) and each.id not in self._beside}
        if not suspects:
            return {}
        hashes = {
            each["_id"]: each.get("value_sha256")
            for each in collection.find({"_id": {"$in": [*suspects]}}, {"value_sha256": 1})
        }
        others = [each for each in suspects.values() if hashes.get(each.id) != value_hash(each.record)]
        for reject in others:
            self._note(reject.record)
        return {second_id(each.id, each.record.leader_epoch): each for each in others}

    def note_documents(
        self, rejects: Sequence[Reject], find: Callable[[list[str]], Mapping[str, RawBSONDocument]]
    ) -> None:
        """Note where a document of another log is stored under the id of a reject, which is a dead letter beside it."""
        suspects = {each.id: each for each in rejects if self._may_hold(each.record)}
        for document_id in find([*suspects]) if suspects else ():
            self._note(suspects[document_id].record)

    def _may_hold(self, record: Record) -> bool:
        """Whether the document at this record's offset may be of a record that the log does not hold any more."""
        return has_epoch(record) and any(record.offset in each for each in self.ranges.get(partition_of(record), ()))

    def _note(self, record: Record) -> None:
        partition, offset = partition_of(record), record.offset
        first, end = self._found.get(partition, (offset, offset + 1))
        self._found[partition] = OffsetRange(min(first, offset), max(end, offset + 1))

    def report(self, batch: Batch) -> None:
        """Set `PartitionBatch.replaced`."""
        for partition, offsets in self._found.items():
            batch.partitions[partition].replaced = offsets


def has_epoch(record: Record) -> bool:
    """Whether the record has a second id."""
    return record.leader_epoch >= 0


def _beside(insert: Insert) -> Insert:
    """The same document under the record's second id."""
    fields = bson.decode(insert.document.raw)
    del fields["_id"]
    document_id = second_id(insert.id, insert.record.leader_epoch)
    return Insert(document_id, encode(document_id, fields), insert.record)
