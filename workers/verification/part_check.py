"""One part of a topic, verified in one pass over each side: the log, then the documents; the rest by look-ups.

From the log comes a digest of the document that each record must be; each document that has it is in order. A record that is
not committed, and of which nothing is stored, is pending. Only that is decided here. Whatever differs, or was not found, is
judged by `Comparison.compare`, with the record and with what is stored then: it may have been stored since.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.identity import parse_id
from workers.sinks.id_range import EVERY_ID
from workers.types import Insert, TopicPartition
from workers.verification.comparison import MOST_DEAD_LETTERS, chunks
from workers.verification.expected import (
    DEAD_LETTER,
    FIRST_DIGEST,
    NOTHING,
    PENDING,
    PENDING_BUT_STORED,
    SETTLED,
    STORED_ONLY,
    Digest,
    Expected,
)
from workers.verification.left_over import look_up_what_is_left
from workers.verification.segments import MOST_DIGITS, rounds
from workers.verification.stored_ids import StoredIds

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from workers.identity import OffsetRange
    from workers.records import Record, Records
    from workers.verification.comparison import Comparison, ReadLog
    from workers.verification.report import PartitionReport
    from workers.verification.segments import Part
    from workers.verification.stored_ids import Now

FETCH_BYTES = 4 << 20
"""Of documents, fetched at once."""
MOST_AT_ONCE = 10_000
"""Documents in one fetch, at most."""
AT_ONCE_IF_UNKNOWN = 500
"""Where no record has told how large documents are."""


class _LongestColumn(NamedTuple):
    """What is expected of a partition in its longest range, where nearly all of its offsets are."""

    partition: TopicPartition
    values: array[int]
    first: int


class PartResult(NamedTuple):
    """What was found in one part."""

    reports: dict[TopicPartition, PartitionReport]
    before: Counter[TopicPartition]
    """Ids of offsets before the log start."""
    foreign: int
    """Ids of no partition of this topic."""


class PartCheck:
    """Verifies one part. For one thread, and one use."""

    def __init__(
        self,
        comparison: Comparison,
        part: Part,
        read: ReadLog,
        now: Now,
        compacts: Callable[[], bool],
        progress: Callable[[str, int], None],
    ) -> None:
        """Args:
        comparison: its offsets were asked for before; it gets the counts.
        read: reads ranges of the log.
        now: asks Kafka for the offsets; called when all has been read.
        progress: called with what was read, and how much more of it.
        """
        self._comparison, self._part, self._read = comparison, part, read
        self._now, self._compacts, self._progress = now, compacts, progress
        self._topic, self._sink, self._offsets = comparison.topic, comparison.sink, comparison.offsets
        self._digest = Digest()
        self._ranges: dict[TopicPartition, list[OffsetRange]] = {}
        for segment in part.segments:
            each = self._offsets[segment.partition]
            self._ranges.setdefault(segment.partition, []).extend(segment.ranges(each.start, each.end))
        self._expected: dict[TopicPartition, Expected] = {}
        self._ids = StoredIds(comparison, part, self._expected)
        self._sampled_bytes = self._samples = 0

    def check(self) -> PartResult:
        """Verify it.

        Raises:
            UnavailableError: Kafka or the sink did not answer.
        """
        if not self._part.segments and self._part.has_rest:
            return self._count_the_rest()
        self._expected.update((partition, Expected(ranges)) for partition, ranges in self._ranges.items())
        listed = self._read_dead_letters()
        self._read_records(listed)
        self._read_documents()
        look_up_what_is_left(self._comparison, self._expected, self._read, self._digest, self._progress)
        self._ids.judge(self._now, self._compacts)
        reports = {p: self._comparison.reports[p] for p in self._expected}
        return PartResult(reports, self._ids.before, self._ids.foreign)

    def _count_the_rest(self) -> PartResult:
        """Only ids are read."""
        ranges = [*self._part.scanned] if EVERY_ID in self._part.scanned else [*self._part.scanned, None]
        # Also without an index: it may take a while.
        self._progress("other ids", 0)
        foreign = sum(len(found) for ids in ranges for found in self._sink.scan_ids(ids))
        return PartResult({}, Counter(), foreign)

    def _read_dead_letters(self) -> Mapping[str, str] | None:
        """The reasons of all that were not replayed, by id, if they are not too many.

        Read before the log: a record that has one is looked up as soon as it is read.
        """
        listed: dict[str, str] | None = {}
        for ids in self._part.scanned:
            for batch in self._sink.scan_dead_letters(ids):
                for document_id, reason in batch:
                    self._ids.place(document_id, STORED_ONLY if reason is None else DEAD_LETTER)
                    if listed is not None and reason is not None:
                        listed[document_id] = reason
                if listed is not None and len(listed) > MOST_DEAD_LETTERS:
                    listed = None
        return listed

    def _read_records(self, listed: Mapping[str, str] | None) -> None:
        for found in chunks(self._digested()):
            self._comparison.compare(found, listed)

    def _digested(self) -> Iterator[tuple[TopicPartition, list[Record]]]:
        """Keep the digest of every record; return those that have none, or that need another look."""
        for ranges in rounds(self._ranges):
            for partition, records in self._read(ranges):
                self._comparison.reports[partition].counts["kafka"] += len(records)
                if others := self._keep(partition, records):
                    yield partition, others
                self._progress("records", len(records))

    def _keep(self, partition: TopicPartition, records: Records) -> list[Record]:
        offsets = records.offsets
        column = self._expected[partition].column(offsets[0])
        if column is None:
            raise AssertionError(f"{partition}/{offsets[0]} was not asked for")
        values, first = column.values, column.first
        prefix, digest, content = self._topic.partition_prefix(partition.partition), self._digest, self._sink.content
        may_be_reused = bool(self._offsets[partition].reused)
        others = {
            index
            for index, offset in enumerate(offsets)
            if values[offset - first] == DEAD_LETTER
            or (may_be_reused and self._comparison.is_reused(partition, offset))
        }
        pending = self._comparison.not_to_be_stored(partition, offsets)
        # What became a dead letter, or was not read by a worker, is not decoded: it may be a poison record,
        # which must not kill `verify`.
        skipped = others.union(pending)
        contents = records.values
        if skipped:
            contents = [None if index in skipped else value for index, value in enumerate(contents)]
        decoder = self._comparison.decoder
        found, not_plain = decoder.decode_plain(prefix, records, contents)
        # Of a record that is skipped or not plain this is the digest of a placeholder; it is replaced below.
        documents = [content(each) for each in found]
        for offset, document in zip(offsets, documents, strict=True):
            values[offset - first] = digest(document)
        for index in set(not_plain) - skipped:
            decoded = decoder.decode(f"{prefix}{offsets[index]}", records[index])
            if isinstance(decoded, Insert):
                documents[index] = content(decoded.document)
                values[offsets[index] - first] = digest(documents[index])
            else:
                others.add(index)
        if len(offsets) - 1 not in skipped:
            self._sampled_bytes, self._samples = self._sampled_bytes + len(documents[-1]), self._samples + 1
        for index in pending:
            values[offsets[index] - first] = PENDING
        for index in others:
            values[offsets[index] - first] = SETTLED
        return [records[index] for index in sorted(others)]

    def _read_documents(self) -> None:
        longest = {}
        for partition, expected in self._expected.items():
            if expected.columns:
                column = expected.columns[0]
                longest[self._topic.partition_prefix(partition.partition)] = _LongestColumn(
                    partition, column.values, column.first
                )
        most = AT_ONCE_IF_UNKNOWN
        if self._samples:
            most = max(1, min(MOST_AT_ONCE, FETCH_BYTES * self._samples // self._sampled_bytes))
        for ids in self._part.scanned:
            for batch in self._sink.scan(ids, most):
                self._match(batch, longest)
                self._progress("documents", len(batch))

    def _match(self, batch: Sequence[tuple[Any, bytes]], longest: Mapping[str, _LongestColumn]) -> None:
        """Count the documents that are in order; keep in mind those without a record.

        Args: longest: by the beginning of the ids of its partition.
        """
        digest, found, others = self._digest, Counter[TopicPartition](), []
        for each in batch:
            document_id, content = each
            # An id with leading zeros gives the same number; its content has another `_id`, so its digest differs.
            prefix, slash, text = document_id.rpartition("/") if type(document_id) is str else ("", "", "")
            known = longest.get(prefix + slash)
            if known is not None and text.isdecimal() and len(text) <= MOST_DIGITS:
                partition, values, first = known
                index = int(text) - first
                expected = values[index] if 0 <= index < len(values) else NOTHING
                if expected >= FIRST_DIGEST and expected == digest(content):
                    values[index] = SETTLED
                    found[partition] += 1
                    continue
            if self._part.has_rest or type(document_id) is not str or document_id.startswith(self._topic.prefix):
                others.append(each)
            # Else it is counted elsewhere: another topic has the same collection.
        for partition, count in found.items():
            self._comparison.reports[partition].counts["stored"] += count
        for document_id, content in others:
            self._match_slowly(document_id, content)

    def _match_slowly(self, document_id: Any, content: bytes) -> None:
        parsed = parse_id(document_id, self._topic)
        if parsed and parsed.leader_epoch is None:
            partition = TopicPartition(self._topic.name, parsed.partition)
            expected = self._expected.get(partition)
            value = expected[parsed.offset] if expected else NOTHING
            if expected and value >= PENDING:
                if value == PENDING:
                    expected[parsed.offset] = PENDING_BUT_STORED
                elif value == self._digest(content):
                    expected[parsed.offset] = SETTLED
                    self._comparison.reports[partition].counts["stored"] += 1
                # If it differs, it stays to be looked up.
                return
        self._ids.place(document_id, STORED_ONLY)
