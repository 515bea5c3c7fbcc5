"""The decoder of a topic: makes the operations of a partition's records, and the rejects beside them.

What is plain is decoded for a whole partition at once, and makes no object but its document; everything else is decoded by
itself, the strict way, which alone knows the reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from workers.operations import Operations
from workers.types import Insert, Operation, PartitionBatch, Reject, RejectedError, Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from workers.formats.limits import Limits
    from workers.pipeline.metadata import Metadata
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
    """Makes documents of fields: the part of a sink that a decoder uses."""

    def encode(self, document_id: str, value: dict[str, Any]) -> Any:
        """See `Sink.encode`."""

    def encode_plain(self, prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[Any]:
        """See `Sink.encode_plain`."""


class Decoder:
    """Applies a format and a sink's encoding to every record."""

    def __init__(
        self,
        format_: Format,
        encoder: Encoder,
        limits: Limits,
        *,
        ignore_tombstones: bool = False,
        metadata: Metadata | None = None,
        may_grow: bool = False,
        remedy_words: Callable[[Remedy], str] = lambda _: "",
    ) -> None:
        """Args:
        limits: the largest value that is not a reject.
        ignore_tombstones: whether a record without a value is counted and left out, instead of rejected.
        metadata: what is stored of a record besides its value; None: nothing.
        may_grow: see `Operations.may_grow`.
        remedy_words: what is said, behind the error of a reject, of the setting that would have stored it.
        """
        self._format, self._encoder, self._limits = format_, encoder, limits
        self._ignore_tombstones, self._may_grow, self._remedy_words = ignore_tombstones, may_grow, remedy_words
        self._record_metadata = metadata

    @property
    def metadata_parts(self) -> Sequence[str]:
        """What of a record is stored besides its value."""
        return self._record_metadata.parts if self._record_metadata else ()

    def decode_plain(
        self, prefix: str, records: Records, values: Sequence[bytes | None]
    ) -> tuple[list[Any], list[int]]:
        """The documents of plain values, and the indexes of those that are not plain, of which there is a placeholder.

        Args: values: those of the records, or None for one that is to be left out.
        """
        documents, others, _ = self._decode_plain(prefix, records, values)
        return documents, others

    def decode_into(self, part: PartitionBatch, prefix: str, records: Records) -> None:
        """Decode the records of one partition. Args: prefix: of their ids."""
        documents, others, other_bytes = self._decode_plain(prefix, records, records.values)
        left_out: set[int] = set()
        for index in others:
            document_id = f"{prefix}{records.offsets[index]}"
            try:
                documents[index] = self._decode(
                    document_id, records.values[index], records[index] if self._record_metadata else None
                )
            except RejectedError as rejected:
                left_out.add(index)
                # Asked here, and not before: a good record pays nothing for it.
                if records.values[index] is None and self._ignore_tombstones:
                    part.ignored += 1
                else:
                    part.rejects.append(self._reject(document_id, rejected, records[index]))
        if left_out:
            documents = [each for index, each in enumerate(documents) if index not in left_out]
        part.operations = Operations(
            documents,
            lambda: _inserts(prefix, records, documents, left_out),
            records.values,
            may_grow=self._may_grow,
            other_bytes=other_bytes,
        )

    def decode(self, document_id: str, record: Record) -> Operation | Reject:
        """Decode one record, under this id, the strict way."""
        try:
            return Insert(document_id, self._decode(document_id, record.value, record), record)
        except RejectedError as rejected:
            return self._reject(document_id, rejected, record)

    def _reject(self, document_id: str, rejected: RejectedError, record: Record) -> Reject:
        words = "" if rejected.remedy is None else self._remedy_words(rejected.remedy)
        return Reject(document_id, rejected.reason, f"{rejected.error}; {words}" if words else rejected.error, record)

    def _decode_plain(
        self, prefix: str, records: Records, values: Sequence[bytes | None]
    ) -> tuple[list[Any], list[int], int]:
        """As `decode_plain`, and the bytes of what the documents have besides the values, at most."""
        fields, others = self._format.parse_plain(values, self._limits)
        other_bytes = 0
        if self._record_metadata is not None:
            others, other_bytes = self._record_metadata.add_plain(records, fields, others)
        return self._encoder.encode_plain(prefix, records.offsets, fields), others, other_bytes

    def _decode(self, document_id: str, value: bytes | None, record: Record | None) -> Any:
        """Args: record: only if there is metadata: it may have to be decoded for this."""
        fields = self._format.parse(value, self._limits)
        if self._record_metadata is not None and record is not None:
            self._record_metadata.add(record, fields)
        return self._encoder.encode(document_id, fields)


def _inserts(prefix: str, records: Records, documents: Sequence[Any], left_out: Collection[int]) -> list[Insert]:
    kept = [record for index, record in enumerate(records) if index not in left_out]
    return [
        Insert(f"{prefix}{record.offset}", document, record) for record, document in zip(kept, documents, strict=True)
    ]
