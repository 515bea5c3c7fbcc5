"""The records of one partition that a poll has returned: pieces of record batches, as columns."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from workers.kafka.compat_batches import Decoders, hand_over_batches
from workers.kafka.record_batch import NO_HEADERS, DecodedRecords, Headers, decode
from workers.records import Record, Records
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kafka import KafkaConsumer


class KafkaRecord(NamedTuple):
    """One record. See `Record`."""

    topic: str
    partition: int
    offset: int
    leader_epoch: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class OldRecord:
    """A record in a format before that of Kafka 0.11, as the client has decoded it: a batch of one record."""

    def __init__(self, record: Any) -> None:
        self.offsets = (record.offset,)
        self.values = (record.value,)
        self.leader_epoch = -1
        self._record = record

    def __len__(self) -> int:
        return 1

    def timestamps(self) -> Sequence[int]:
        return (self._record.timestamp,)

    def keys(self) -> Sequence[bytes | None]:
        return (self._record.key,)

    def headers(self) -> Sequence[Headers]:
        return (NO_HEADERS,)


class Piece:
    """Some consecutive records of a batch, which other pieces may share."""

    def __init__(self, partition: tuple[str, int], batch: DecodedRecords | OldRecord, first: int, end: int) -> None:
        """Args: first, end: the indexes in the batch."""
        self.partition, self.batch, self.first = partition, batch, first
        whole = first == 0 and end == len(batch.values)
        self.offsets: Sequence[int] = batch.offsets if whole else batch.offsets[first:end]
        self.values: Sequence[bytes | None] = batch.values if whole else batch.values[first:end]

    def __len__(self) -> int:
        return len(self.values)

    def of_each(self, column: Sequence[Any]) -> Sequence[Any]:
        """Those of these records. Args: column: of all records of the batch."""
        whole = len(column) == len(self)
        return column if whole else column[self.first : self.first + len(self)]

    def cut(self, first: int, end: int) -> Piece | None:
        """The part of it between these indexes, which may be beyond it; None: there is none."""
        first, end = max(first, 0), min(end, len(self))
        return Piece(self.partition, self.batch, self.first + first, self.first + end) if first < end else None

    def record(self, index: int) -> Record:
        """Args: index: in this piece."""
        batch, place = self.batch, self.first + index
        return KafkaRecord(
            *self.partition,
            self.offsets[index],
            batch.leader_epoch,
            batch.timestamps()[place],
            batch.keys()[place],
            self.values[index],
            batch.headers()[place],
        )


class FetchedRecords(Records):
    """See `Records`. Nothing is copied but the references to the values."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._starts: list[int] | None = None
        """The index of the first record of each piece, once somebody has asked for a record."""
        self.offsets = _joined_offsets(pieces)
        self.values = pieces[0].values if len(pieces) == 1 else [*chain.from_iterable(each.values for each in pieces)]
        self.last_epoch = pieces[-1].batch.leader_epoch if pieces else -1

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> FetchedRecords: ...
    def __getitem__(self, index: int | slice) -> Record | FetchedRecords:
        first, end, step = index.indices(len(self)) if isinstance(index, slice) else (0, 0, 1)
        if step != 1:
            raise ValueError("records have no slice with a step")
        if self._starts is None:
            self._starts = [0, *accumulate(map(len, self._pieces))]
        starts = self._starts
        if isinstance(index, slice):
            parts = zip(self._pieces, starts, strict=False)
            return FetchedRecords([part for piece, start in parts if (part := piece.cut(first - start, end - start))])
        place = range(len(self))[index]
        number = bisect_right(starts, place) - 1
        return self._pieces[number].record(place - starts[number])

    def topic(self) -> str:
        return self._pieces[0].partition[0]

    def partition(self) -> int:
        return self._pieces[0].partition[1]

    def timestamps(self) -> Sequence[int]:
        return self._joined([each.of_each(each.batch.timestamps()) for each in self._pieces])

    def keys(self) -> Sequence[bytes | None]:
        return self._joined([each.of_each(each.batch.keys()) for each in self._pieces])

    def headers(self) -> Sequence[Headers]:
        return self._joined([each.of_each(each.batch.headers()) for each in self._pieces])

    @staticmethod
    def _joined(columns: Sequence[Sequence[Any]]) -> Sequence[Any]:
        return columns[0] if len(columns) == 1 else [*chain.from_iterable(columns)]

    def __iter__(self) -> Iterator[Record]:
        for piece in self._pieces:
            yield from map(piece.record, range(len(piece)))


def _joined_offsets(pieces: Sequence[Piece]) -> Sequence[int]:
    """A range, where there are no gaps: it has no object for each offset."""
    if not pieces:
        return ()
    first, end = pieces[0].offsets[0], pieces[-1].offsets[-1] + 1
    if end - first == sum(map(len, pieces)):
        return range(first, end)
    return [*chain.from_iterable(each.offsets for each in pieces)]


def install(consumer: KafkaConsumer) -> None:
    """Let this consumer's `poll` return what `from_poll` takes. Call it before the first poll."""
    hand_over_batches(consumer, Decoders(decode, OldRecord, Piece))


def from_poll(fetched: Mapping[Any, Sequence[Piece]]) -> dict[TopicPartition, FetchedRecords]:
    """What the poll of such a consumer returned."""
    return {TopicPartition(*partition): FetchedRecords(pieces) for partition, pieces in fetched.items()}
