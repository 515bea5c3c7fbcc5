"""The reader: decodes the records of a poll into the operations of a batch.

A record that cannot be decoded, or encoded for the sink, is found here, before its batch is written, and is part of the
batch as a reject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.types import Batch, Fetched, Insert, Operation, PartitionBatch, Record, Reject, RejectedError, RejectReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.formats.limits import Limits

    Parse = Callable[[bytes | None, Limits], dict[str, Any]]
    Encode = Callable[[str, dict[str, Any]], Any]


class RecordReader:
    """Applies a format and a sink's encoding to every record."""

    def __init__(self, parse: Parse, encode: Encode, limits: Limits, *, ignore_tombstones: bool = False) -> None:
        """Args:
        parse: the format's: makes fields of a record's value. Raises `RejectedError`.
        encode: the sink's: makes a document of an id and fields. Raises `RejectedError`.
        limits: the largest value that is not a reject.
        ignore_tombstones: whether a record without a value is counted and left out, instead of rejected.
        """
        self._parse, self._encode, self._limits = parse, encode, limits
        self._ignore_tombstones = ignore_tombstones

    def read(self, fetched: Fetched) -> Batch:
        """The batch of one poll, by partition in offset order."""
        batch = Batch(fetched.assignment_epoch)
        for partition, offset in fetched.skipped.items():
            batch.partitions[partition] = PartitionBatch(fetched.topics[partition.topic], offset, offset)
        for partition, records in fetched.records.items():
            topic = fetched.topics[partition.topic]
            part = PartitionBatch(topic, records[0].offset, records[-1].offset + 1)
            part.reused = fetched.reused.get(partition, ())
            batch.partitions[partition] = part
            prefix = topic.partition_prefix(partition.partition)
            if fetched.poison:
                part.rejects.append(_poison(f"{prefix}{records[0].offset}", records[0]))
                continue
            parse, encode, limits = self._parse, self._encode, self._limits
            for record in records:
                document_id = f"{prefix}{record.offset}"
                try:
                    document = encode(document_id, parse(record.value, limits))
                    part.operations.append(Insert(document_id, document, record))
                except RejectedError as rejected:
                    # Asked here, and not before: a good record pays nothing for it.
                    if record.value is None and self._ignore_tombstones:
                        part.ignored += 1
                    else:
                        part.rejects.append(Reject(document_id, rejected.reason, rejected.error, record))
        return batch

    def decode(self, document_id: str, record: Record) -> Operation | Reject:
        """Decode one record, under this id."""
        try:
            return Insert(document_id, self._encode(document_id, self._parse(record.value, self._limits)), record)
        except RejectedError as rejected:
            return Reject(document_id, rejected.reason, rejected.error, record)


def _poison(document_id: str, record: Record) -> Reject:
    return Reject(document_id, RejectReason.KILLED_WORKER, "workers crashed each time they decoded it", record)
