"""The records of a part that the documents did not settle: each is looked up, as if it were the only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.types import RejectReason
from workers.verification.comparison import RECORDS_PER_QUERY, chunks
from workers.verification.expected import PENDING_BUT_STORED, SETTLED
from workers.verification.segments import rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from workers.records import Record
    from workers.types import TopicPartition
    from workers.verification.comparison import Comparison, ReadLog
    from workers.verification.expected import Digest, Expected


def look_up_what_is_left(
    comparison: Comparison,
    expected_by_partition: Mapping[TopicPartition, Expected],
    read: ReadLog,
    digest: Digest,
    progress: Callable[[str, int], None],
) -> None:
    """Read these records again, and look each of them up; those that are PENDING stay so."""
    left = {partition: expected.ranges_left() for partition, expected in expected_by_partition.items()}

    def again() -> Iterator[tuple[TopicPartition, list[Record]]]:
        for ranges in rounds(left):
            for partition, records in read(ranges):
                expected = expected_by_partition[partition]
                if found := [record for record in records if expected[record.offset] >= PENDING_BUT_STORED]:
                    yield partition, found

    for found in chunks(again()):
        # Its dead letters are asked for now: it had none when they were listed.
        comparison.compare(found)
        for partition, record in found:
            expected_by_partition[partition][record.offset] = SETTLED
        progress("looked up", len(found))
    for partition, expected in expected_by_partition.items():
        gone = [*expected.left()]
        for first in range(0, len(gone), RECORDS_PER_QUERY):
            _judge_gone(comparison, partition, expected, digest, gone[first : first + RECORDS_PER_QUERY])
        for offset in expected.settle_pending():
            comparison.reports[partition].counts[comparison.absent(partition, offset)] += 1


def _judge_gone(
    comparison: Comparison,
    partition: TopicPartition,
    expected: Expected,
    digest: Digest,
    offsets: Sequence[int],
) -> None:
    """Count records that were read, and that Kafka has removed since: by their digests.

    One that was PENDING_BUT_STORED has none: it was not decoded, and nobody can say what it must be.
    """
    report, sink = comparison.reports[partition], comparison.sink
    ids = [comparison.topic.document_id(partition.partition, offset) for offset in offsets]
    documents, letters = sink.documents(ids), sink.dead_letters(ids)
    for document_id, offset in zip(ids, offsets, strict=True):
        document, reason = documents.get(document_id), letters.get(document_id)
        if expected[offset] == PENDING_BUT_STORED:
            outcome = comparison.absent(partition, offset)
        elif document is None:
            absent = comparison.absent(partition, offset)
            outcome = absent if reason is None else "dead_lettered"
        elif reason == RejectReason.CONFLICT:
            outcome = "conflicting"
        elif digest(sink.content(document)) != expected[offset]:
            # It may be of a time before metadata was switched on, which the digest alone cannot tell.
            outcome = "expired" if comparison.decoder.metadata_parts else "conflicting"
        else:
            outcome = "stored" if reason is None else "twice"
        report.add(outcome, offset)
        expected[offset] = SETTLED
