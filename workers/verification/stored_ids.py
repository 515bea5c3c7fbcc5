"""The ids that the sink has, for `verify`: which of them belong to no record that Kafka holds, and what that means."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from workers.identity import parse_id
from workers.types import TopicPartition
from workers.verification.comparison import MAX_DISTANCE
from workers.verification.expected import DEAD_LETTER, NOTHING, SETTLED, STORED_ONLY
from workers.verification.offset_bitmap import OffsetBitmap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.verification.comparison import Comparison
    from workers.verification.expected import Expected
    from workers.verification.segments import Part, Segment

    Now = Callable[[], Mapping[TopicPartition, PartitionOffsets]]


class StoredIds:
    """Those of one part. What is stored at the offsets of the log is kept in `Expected`, the rest here."""

    def __init__(self, comparison: Comparison, part: Part, expected: Mapping[TopicPartition, Expected]) -> None:
        self._comparison, self._part, self._expected = comparison, part, expected
        self._segments: dict[TopicPartition, list[Segment]] = {}
        for segment in part.segments:
            self._segments.setdefault(segment.partition, []).append(segment)
        self._beyond: dict[TopicPartition, OffsetBitmap] = {}
        """Offsets from the end of the log on at which something is stored: of records that came since, if all is well."""
        self._second: set[tuple[TopicPartition, int, str]] = set()
        """Second ids. One that is behind the bounds of its segment may be read twice."""
        self.before: Counter[TopicPartition] = Counter()
        """How many are of offsets before the log start; without those that are left out on purpose, stored or not."""
        self.foreign = 0
        """How many are of no partition of the topic."""

    def place(self, document_id: Any, what: int) -> None:
        """Keep in mind what is stored under this id, if there is no record for it."""
        parsed = parse_id(document_id, self._comparison.topic)
        partition = TopicPartition(self._comparison.topic.name, parsed.partition if parsed else -1)
        if not parsed or partition not in self._comparison.offsets:
            self.foreign += self._counts(document_id)
        elif self._owns(partition, parsed.offset):
            if parsed.leader_epoch is not None:
                self._second.add((partition, parsed.offset, document_id))
            elif parsed.offset < (each := self._comparison.offsets[partition]).start:
                self.before[partition] += not each.left_out.word(parsed.offset)
            else:
                self._place_offset(partition, parsed.offset, what)

    def _place_offset(self, partition: TopicPartition, offset: int, what: int) -> None:
        end, expected = self._comparison.offsets[partition].end, self._expected[partition]
        if offset > end + MAX_DISTANCE:
            self._comparison.reports[partition].add("unexpected", offset)
        elif offset >= end:
            self._beyond.setdefault(partition, OffsetBitmap(end)).add(offset)
        elif expected[offset] == NOTHING or (expected[offset] == STORED_ONLY and what == DEAD_LETTER):
            expected[offset] = what

    def judge(self, now: Now, compacts: Callable[[], bool]) -> None:
        """Count what is stored without a record: see `Comparison.classify_unmatched`.

        Args: now: asks for the offsets; called when everything else was read.
        """
        for partition, offset, document_id in self._second:
            if self._expected[partition][offset] == SETTLED:
                # Of a record that was to be stored by now: others may have been stored since.
                is_due = offset < self._comparison.next_offsets[partition]
                if is_due and document_id not in self._comparison.second_ids.looked_up:
                    self._comparison.add_unmatched(partition, offset)
            elif offset >= self._comparison.offsets[partition].start:
                self._place_offset(partition, offset, STORED_ONLY)
        unmatched: dict[TopicPartition, OffsetBitmap] = {}
        for partition, expected in self._expected.items():
            start = self._comparison.offsets[partition].start
            offsets = (*expected.stored_only(), *(self._beyond[partition].all() if partition in self._beyond else ()))
            for offset in offsets:
                unmatched.setdefault(partition, OffsetBitmap(start)).add(offset)
        if unmatched:
            self._comparison.classify_unmatched(unmatched, now(), compacts)

    def _owns(self, partition: TopicPartition, offset: int) -> bool:
        """Whether the offset is of this part."""
        return any(segment.has(offset) for segment in self._segments.get(partition, ()))

    def _counts(self, document_id: Any) -> bool:
        """Whether an id of no partition is counted with this part, and with no other."""
        first, end = self._part.scanned[0]
        return self._part.has_rest or (first is not None and end is not None and first <= document_id < end)
