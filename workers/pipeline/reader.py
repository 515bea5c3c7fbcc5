"""The reader: decodes the records of a poll into the operations of a batch.

A record that cannot be decoded, or encoded for the sink, is found here, before its batch is written, and is part of the
batch as a reject. What is plain is decoded for a whole partition at once, and makes no object but its document; everything
else is decoded by itself, the strict way, which alone knows the reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from workers.operations import Operations
from workers.types import Batch, Fetched, Insert, Operation, PartitionBatch, Reject, RejectedError, RejectReason

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from workers.formats.limits import Limits
    from workers.records import Record, Records


class Format(Protocol):
    """Makes fields of values."""

    def parse(self, value: bytes | None, limits: Limits) -> dict[str, Any]:
        """The fields of any value.

        Raises:
            RejectedError: the value has no fields that are exactly what was sent.
        """

    def parse_plain(self, values: Sequence[bytes | None], limits: Limits) -> tuple[list[dict[str, Any]], list[int]]:
        """The fields of plain values, the same as those of `parse`, and the indexes of those that are not plain.

        What is plain is for the format to say; `workers.formats.plain_json.parse_plain` says what a sink may rely on.
        """


class Encoder(Protocol):
    """Makes documents of fields: the part of a sink that the reader uses."""

    def encode(self, document_id: str, value: dict[str, Any]) -> Any:
        """See `Sink.encode`."""

    def encode_plain(self, prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[Any]:
        """See `Sink.encode_plain`."""


class RecordReader:
    """Applies a format and a sink's encoding to every record."""

    def __init__(self, format_: Format, encoder: Encoder, limits: Limits, *, ignore_tombstones: bool = False) -> None:
        """Args:
        limits: the largest value that is not a reject.
        ignore_tombstones: whether a record without a value is counted and left out, instead of rejected.
        """
        self._format, self._encoder, self._limits = format_, encoder, limits
        self._ignore_tombstones = ignore_tombstones

    def read(self, fetched: Fetched) -> Batch:
        """The batch of one poll, by partition in offset order."""
        batch = Batch(fetched.assignment_epoch)
        for partition, offset in fetched.skipped.items():
            batch.partitions[partition] = PartitionBatch(fetched.topics[partition.topic], offset, offset)
        for partition, records in fetched.records.items():
            part = PartitionBatch(
                fetched.topics[partition.topic],
                records.offsets[0],
                records.offsets[-1] + 1,
                last_epoch=records.last_epoch,
                reused=fetched.reused.get(partition, ()),
            )
            batch.partitions[partition] = part
            prefix = part.topic.partition_prefix(partition.partition)
            if fetched.poison:
                part.rejects.append(_poison(f"{prefix}{records.offsets[0]}", records[0]))
            else:
                self._decode_into(part, prefix, records)
        return batch

    def _decode_into(self, part: PartitionBatch, prefix: str, records: Records) -> None:
        fields, others = self._format.parse_plain(records.values, self._limits)
        documents = self._encoder.encode_plain(prefix, records.offsets, fields)
        left_out: set[int] = set()
        for index in others:
            document_id = f"{prefix}{records.offsets[index]}"
            try:
                documents[index] = self._decode(document_id, records.values[index])
            except RejectedError as rejected:
                left_out.add(index)
                # Asked here, and not before: a good record pays nothing for it.
                if records.values[index] is None and self._ignore_tombstones:
                    part.ignored += 1
                else:
                    part.rejects.append(Reject(document_id, rejected.reason, rejected.error, records[index]))
        if left_out:
            documents = [each for index, each in enumerate(documents) if index not in left_out]
        part.operations = Operations(
            documents,
            lambda: _inserts(prefix, records, documents, left_out),
            records.values,
        )

    def _decode(self, document_id: str, value: bytes | None) -> Any:
        return self._encoder.encode(document_id, self._format.parse(value, self._limits))

    def decode(self, document_id: str, record: Record) -> Operation | Reject:
        """Decode one record, under this id, the strict way."""
        try:
            return Insert(document_id, self._decode(document_id, record.value), record)
        except RejectedError as rejected:
            return Reject(document_id, rejected.reason, rejected.error, record)


def _inserts(prefix: str, records: Records, documents: Sequence[Any], left_out: Collection[int]) -> list[Insert]:
    kept = [record for index, record in enumerate(records) if index not in left_out]
    return [
        Insert(f"{prefix}{record.offset}", document, record) for record, document in zip(kept, documents, strict=True)
    ]


def _poison(document_id: str, record: Record) -> Reject:
    return Reject(document_id, RejectReason.KILLED_WORKER, "workers crashed each time they decoded it", record)
