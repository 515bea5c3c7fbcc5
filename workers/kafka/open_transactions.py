"""Transactions that are open, or were never ended ("hanging"): what stands behind the last stable offset of a partition.

Kafka has acknowledged those records to their producer, and returns none of them to a reader of committed records, also
not those of other producers, until the first of these transactions ends.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.kafka.first_records import FirstRecords, by_name
from workers.kafka.options import first_records_options, uncommitted
from workers.kafka.partition_offsets import leader_epochs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.identity import TopicIdentity
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.settings import Settings
    from workers.types import TopicPartition

HANGING_SECONDS = 60.0
"""Older than the transaction of a producer with default settings gets: Kafka aborts it then (`transaction.timeout.ms`)."""
STANDING_SECONDS = 30.0
"""A last stable offset that was seen to move within so many seconds stands in no way: whatever timestamps its records
have, transactions do end there."""
SOURCES = {"record": "by the timestamp of its first record", "observed": "since it was first seen here"}


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """The first transaction that is open in a partition, at one moment."""

    first_offset: int
    """The last stable offset: the offset of its first record."""
    offsets: int
    """From there to the high watermark: all that cannot be read, whoever sent it."""
    seconds: float | None
    """Its age; None: not known yet."""
    source: str | None
    """How the age is known: `record`, by the timestamp of its first record; `observed`, since this last stable offset was
    first seen, which is the least that it can be."""
    standing_seconds: float | None = None
    """Since this last stable offset was seen to move; None: it was here at the first look."""

    @property
    def hanging(self) -> bool:
        """Whether it is older than transactions are, and stands."""
        stands = self.standing_seconds is None or self.standing_seconds > STANDING_SECONDS
        return self.seconds is not None and self.seconds > HANGING_SECONDS and stands

    def describe(self) -> str:
        """For a sentence that begins with the partition."""
        known = "" if self.seconds is None else f" for {self.seconds:.0f} s, {SOURCES[self.source or '']}"
        return (
            f"a transaction has been open at offset {self.first_offset:,}{known}; "
            f"{self.offsets:,} offsets from there on cannot be read before it ends"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"hanging": self.hanging}


class _Seen(NamedTuple):
    """A last stable offset with something behind it, as it was seen."""

    offset: int | None
    """None: nothing was behind it."""
    time: float
    """Unix time of the first look at it."""
    moved: bool
    """Whether an earlier look saw something else: then `time` is when it came to stand here."""
    timestamp: float | None
    """Of the record there; None: not known."""

    def is_same(self, offset: int | None, timestamp: float | None) -> bool:
        """Whether a later look saw the same transaction. Another timestamp at the same offset is that of another one: the
        log was truncated, and grew again.
        """
        return self.offset == offset and (None in (timestamp, self.timestamp) or timestamp == self.timestamp)


class OpenTransactions:
    """Looks for open transactions, with one small fetch where there is one. For one thread."""

    def __init__(self, settings: Settings) -> None:
        # Only timestamps are read: nothing that is not committed is ever stored.
        self._first_records = FirstRecords(settings, uncommitted(first_records_options(settings)))
        self._topics: dict[str, TopicIdentity] = {}
        self._seen: dict[TopicPartition, _Seen] = {}

    def look(
        self,
        topics: TopicIdentity | Collection[TopicIdentity],
        offsets: Mapping[TopicPartition, PartitionOffsets],
        now: float,
    ) -> dict[TopicPartition, OpenTransaction]:
        """By partition in which a transaction is open. Args: topics: all those of the offsets; now: Unix time."""
        named = by_name(topics)
        if gone := {name for name, topic in self._topics.items() if named.get(name) != topic}:
            self._seen = {partition: seen for partition, seen in self._seen.items() if partition.topic not in gone}
        self._topics = named
        unstable = {partition: each for partition, each in offsets.items() if each.unstable}
        ranges = {partition: (each.end, each.high_watermark) for partition, each in unstable.items()}
        times = self._first_records.times(topics, ranges, leader_epochs(unstable)) if ranges else {}
        for partition, each in offsets.items():
            before = self._seen.get(partition)
            offset, timestamp = each.end if each.unstable else None, times.get(partition)
            if before and before.is_same(offset, timestamp):
                self._seen[partition] = before._replace(timestamp=before.timestamp or timestamp)
            else:
                self._seen[partition] = _Seen(offset, now, before is not None, timestamp)
        return {
            partition: _open_transaction(each, self._seen[partition], times.get(partition), now)
            for partition, each in unstable.items()
        }

    def close(self) -> None:
        """Close the connection."""
        self._first_records.close()


def _open_transaction(offsets: PartitionOffsets, seen: _Seen, timestamp: float | None, now: float) -> OpenTransaction:
    observed = now - seen.time
    standing = observed if seen.moved else None
    if timestamp is not None and timestamp <= now:
        return OpenTransaction(offsets.end, offsets.unstable, now - timestamp, "record", standing)
    # Without a timestamp, or with one of a clock that runs ahead. A first look tells nothing about an age.
    known = seen.moved or observed > 0
    return OpenTransaction(
        offsets.end, offsets.unstable, observed if known else None, "observed" if known else None, standing
    )
