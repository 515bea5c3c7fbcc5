"""The private names of kafka-python by which it hands record batches over whole. See `compat`.

The client reads a response in a generator: it checks a batch (its checksum, whether its transaction was aborted, whether it
is a control batch), then makes an object of each record. Here that generator sees a batch as a few records, each of which
carries up to a thousand decoded records as its value (`record_batch.DECODED_TOGETHER`). `take`, by which the client's `poll` asks
for so many records, divides them again. So the checks, and the positions behind them, stay the client's.
"""

from __future__ import annotations

import functools
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class Decoded(Protocol):
    """Records by ascending offset, in columns."""

    @property
    def offsets(self) -> Sequence[int]: ...
    @property
    def values(self) -> Sequence[bytes | None]: ...
    def __len__(self) -> int: ...


class Decoders(NamedTuple):
    """What is made of what the client has checked."""

    batch: Callable[[Any], Iterator[Decoded]]
    """Of a batch: all of its records, some at a time, none empty."""
    record: Callable[[Any], Decoded]
    """Of a record in a format before 2, that of Kafka 0.11, which the client has decoded."""
    piece: Callable[[Any, Any, int, int], Any]
    """Called with the partition, what was decoded, and the indexes of the first record and behind the last."""


def hand_over_batches(consumer: Any, decoders: Decoders) -> None:
    """`poll` returns, for each partition, pieces of batches in place of records. Call it before the first poll.

    Why: objects and calls for each record are most of what `poll` costs.
    Until: the client's consumer returns batches.
    Test: tests/integration/test_record_batch.py::test_batches_are_divided_as_the_client_divides_records
    """
    fetcher = consumer._fetcher
    fetcher.PartitionRecords = functools.partial(_partition_batches(type(fetcher).PartitionRecords), decoders)


def batch_content(batch: Any) -> tuple[bytes, int]:
    """The bytes of a batch, decompressed, and the index of the first record in them.

    Why: the decoder needs the bytes; the client's public names return records only.
    Until: as above.
    Test: tests/integration/test_record_batch.py::test_a_batch_is_read_as_the_client_reads_it
    """
    batch._maybe_uncompress()
    # In place of the client's own copy, which it keeps until all of the batch is read: it may have many megabytes.
    content = batch._buffer = bytes(batch._buffer)
    return content, batch._pos


class _ManyAsOne(NamedTuple):
    """The attributes of a record that the client's generator uses; its value are some records of a batch."""

    offset: int
    """Of the last one: the position behind it is the one behind all of them."""
    value: Any
    key: None = None
    timestamp: int = -1
    timestamp_type: int = 0
    headers: tuple[()] = ()
    checksum: None = None
    size_in_bytes: int = 0

    def validate_crc(self) -> bool:
        """Only a batch has a checksum."""
        return True


class _Batch:
    """A batch of the client, of which each iteration has some records."""

    def __init__(self, batch: Any, decode: Callable[[Any], Iterator[Decoded]]) -> None:
        self._batch, self._decode = batch, decode

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        """The client asks a control batch for its record so."""
        return next(self._batch)

    def __iter__(self) -> Iterator[_ManyAsOne]:
        for decoded in self._decode(self._batch):
            yield _ManyAsOne(decoded.offsets[-1], decoded)


class _Batches:
    """The batches of a response."""

    def __init__(self, records: Any, decode: Callable[[Any], Iterator[Decoded]]) -> None:
        self._records, self._decode = records, decode

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        # The formats before 2 are still in logs that are old enough.
        return batch if batch is None or batch.magic < 2 else _Batch(batch, self._decode)


class _TakenPieces:
    """Pieces of batches: as long as their records are many, by which the client counts."""

    def __init__(self, pieces: Sequence[Any]) -> None:
        self._pieces = pieces

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pieces)


@functools.cache
def _partition_batches(base: Any) -> Any:
    """A subclass of the client's class for what was fetched of one partition."""
    from kafka.errors import CorruptRecordError

    class PartitionBatches(base):  # type: ignore[misc]
        def __init__(self, decoders: Decoders, *args: Any, **options: Any) -> None:
            self._decoders = decoders
            self._rest: tuple[Decoded, int] | None = None
            """What was decoded, and the index of its first record that was not taken yet."""
            self._end = 0
            """Behind the last record that was decoded."""
            super().__init__(*args, **options)

        def _unpack_records(self, tp: Any, records: Any, *deserializers: Any) -> Any:
            return super()._unpack_records(tp, _Batches(records, self._decoders.batch), *deserializers)

        def take(self, n: int | None = None) -> _TakenPieces:
            self._maybe_raise_next_inline_exception()
            pieces: list[Any] = []
            left = sys.maxsize if n is None else n
            try:
                while left and (found := self._rest or self._next()):
                    decoded, first = found
                    end = min(len(decoded.values), first + left)
                    pieces.append(self._decoders.piece(self.topic_partition, decoded, first, end))
                    left -= end - first
                    self._rest = (decoded, end) if end < len(decoded.values) else None
                    self.next_fetch_offset = decoded.offsets[end - 1] + 1
            except Exception as error:  # as the client does it: what is good is returned first
                if not pieces:
                    raise
                self._next_inline_exception = error
            return _TakenPieces(pieces)

        def _next(self) -> tuple[Decoded, int] | None:
            """What is decoded next, and the index of its first record that is not before the position; None: nothing.

            A fetch may begin within a batch. The client leaves out what is before, but here only as a whole.
            """
            for record in self.record_iterator:
                # The client copies `_ManyAsOne` into a record of its own, so only its attributes are left to know it by: of
                # any other record the client makes a list of headers.
                decoded = record.value if type(record.headers) is tuple else self._decoders.record(record)
                if decoded.offsets[0] < self._end:
                    self.next_fetch_offset = self._end
                    raise CorruptRecordError(f"a record has offset {decoded.offsets[0]}, behind {self._end - 1}")
                self._end = decoded.offsets[-1] + 1
                # The client has counted one.
                self.records_read += len(decoded.values) - 1
                return decoded, bisect_left(decoded.offsets, self.fetch_offset)
            return None

    return PartitionBatches
