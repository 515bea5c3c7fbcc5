"""Reads ranges of Kafka's log outside any consumer group, for `verify`, the watchdog and the lag in seconds."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from kafka.errors import KafkaError

from workers.errors import UnavailableError
from workers.kafka.client_errors import describe
from workers.kafka.options import FIRST_RECORDS_SECONDS, first_records_options, log_reader_options, open_consumer
from workers.kafka.partitions import to_client
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.identity import TopicIdentity
    from workers.settings import Settings
    from workers.types import Record

NO_RECORD_SECONDS = 30.0
"""Reading fails after this long without a record: longer than the restart of a broker takes."""

log = structlog.get_logger()


def read_log(
    settings: Settings, ranges: Mapping[TopicPartition, tuple[int, int]]
) -> Iterator[tuple[TopicPartition, Sequence[Record]]]:
    """Every record in these ranges of offsets (first, end), by partition, in offset order.

    As for the workers, without the records of aborted transactions.

    Raises:
        UnavailableError: Kafka stopped answering before the ends were reached.
    """
    ends = {
        tp: ranges[TopicPartition(*tp)][1] for tp in to_client(p for p, (first, end) in ranges.items() if first < end)
    }
    if not ends:
        return
    consumer = open_consumer(settings, log_reader_options(settings))
    try:
        consumer.assign(list(ends))
        for tp in ends:
            consumer.seek(tp, ranges[TopicPartition(*tp)][0])
        progressed = time.monotonic()
        while ends:
            for tp, records in consumer.poll(timeout_ms=200, max_records=10_000).items():
                progressed = time.monotonic()
                end = ends.get(tp, 0)
                inside = records if records[-1].offset < end else [record for record in records if record.offset < end]
                if inside:
                    yield TopicPartition(*tp), inside
            # The position, not the last record: a transaction marker has an offset, and is never returned.
            done = [tp for tp, end in ends.items() if (consumer.position(tp, timeout_ms=1000) or 0) >= end]
            for tp in done:
                del ends[tp]
                consumer.pause(tp)
            if time.monotonic() - progressed > NO_RECORD_SECONDS:
                raise UnavailableError(
                    f"Kafka returned no record for {NO_RECORD_SECONDS:.0f} s, before the end of the log was reached"
                )
    except KafkaError as error:
        raise UnavailableError(f"Kafka stopped answering: {describe(error)}") from error
    finally:
        consumer.close(timeout_ms=2_000)


class FirstRecords:
    """The timestamps of the first records at or after some offsets: one small fetch each, on a connection that is kept.

    For one thread. After any error the timestamp is unknown, and the next call reconnects.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Any = None
        self._topic: TopicIdentity | None = None
        self._known: dict[TopicPartition, tuple[int, float]] = {}
        """By partition: an offset, and the timestamp that was found for it. A record's timestamp never changes."""

    def times(
        self, topic: TopicIdentity, ranges: Mapping[TopicPartition, tuple[int, int]]
    ) -> dict[TopicPartition, float | None]:
        """By partition: the Unix time of the first record in its range of offsets (first, end).

        None: the range holds no record, only transaction markers. A partition without an answer within
        `FIRST_RECORDS_SECONDS` is left out.
        """
        if topic != self._topic:
            self.close()
            self._topic, self._known = topic, {}
        self._known = {p: known for p, known in self._known.items() if p in ranges and ranges[p][0] == known[0]}
        found: dict[TopicPartition, float | None] = {p: time for p, (_, time) in self._known.items()}
        asked = {tp: ranges[TopicPartition(*tp)] for tp in to_client(ranges.keys() - found.keys())}
        if asked:
            try:
                found |= self._read(asked)
            except Exception as error:  # noqa: BLE001 a record may be corrupt, or larger than the memory
                log.warning("cannot read the timestamps of the oldest records", error=describe(error))
                self.close()
        return found

    def close(self) -> None:
        """Close the connection."""
        if self._consumer:
            with suppress(Exception):
                self._consumer.close(timeout_ms=1_000)
            self._consumer = None

    def _read(self, asked: dict[Any, tuple[int, int]]) -> dict[TopicPartition, float | None]:
        self._consumer = self._consumer or open_consumer(self._settings, first_records_options(self._settings))
        consumer, deadline = self._consumer, time.monotonic() + FIRST_RECORDS_SECONDS
        consumer.assign(list(asked))
        consumer.resume(*asked)
        for tp, (first, _) in asked.items():
            consumer.seek(tp, first)
        found: dict[TopicPartition, float | None] = {}
        while asked and time.monotonic() < deadline:
            for tp, records in consumer.poll(timeout_ms=100).items():
                first, _ = asked.pop(tp)
                consumer.pause(tp)
                if records[0].timestamp >= 0:
                    found[TopicPartition(*tp)] = records[0].timestamp / 1000
                    self._known[TopicPartition(*tp)] = first, records[0].timestamp / 1000
            for tp in [tp for tp, (_, end) in asked.items() if (consumer.position(tp, timeout_ms=100) or 0) >= end]:
                del asked[tp]
                consumer.pause(tp)
                found[TopicPartition(*tp)] = None
        if asked:
            # The fetches in flight may never end: reconnect at the next call.
            self.close()
        return found
