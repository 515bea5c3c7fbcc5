"""The reader: makes the batch of one poll. Each topic has its decoder.

A record that cannot be decoded, or encoded for the sink, is found here, before its batch is written, and is part of the
batch as a reject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.types import Batch, Fetched, PartitionBatch, Reject, RejectReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.pipeline.decoder import Decoder
    from workers.records import Record


class RecordReader:
    """Decodes every record of a poll."""

    def __init__(self, decoder_of: Callable[[str], Decoder]) -> None:
        """Args: decoder_of: the decoder of a topic; asked once for each partition of a poll."""
        self._decoder_of = decoder_of

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
                self._decoder_of(partition.topic).decode_into(part, prefix, records)
        return batch


def _poison(document_id: str, record: Record) -> Reject:
    return Reject(document_id, RejectReason.KILLED_WORKER, "workers crashed each time they decoded it", record)
