"""Kafka's log as it is, read outside of any group, for whoever has to compare it with something."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers.admin import describe
from workers.errors import UnavailableError
from workers.header_keys import tolerate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.record import Record
    from workers.settings import Settings

PATIENCE_SECONDS = 30.0
"""How long the log may give nothing before reading it is given up."""


def read_log(settings: Settings, ranges: Mapping[int, tuple[int, int]]) -> Iterator[tuple[int, Sequence[Record]]]:
    """Every record of the topic in these ranges of offsets (first, end), by partition, in offset order.

    Records of aborted transactions are left out, as for the workers.

    Raises:
        UnavailableError: Kafka stopped answering before the ends were reached.
    """
    ends = {TopicPartition(settings.topic, p): end for p, (first, end) in ranges.items() if first < end}
    if not ends:
        return
    try:
        tolerate()
        consumer = KafkaConsumer(
            **settings.kafka_connection,
            group_id=None,
            enable_auto_commit=False,
            # Retention may move the beginning while this reads.
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=4 * 1024 * 1024,
            bootstrap_timeout_ms=5_000,
        )
    except KafkaError as error:
        raise UnavailableError(f"Kafka at {settings.bootstrap_servers}: {describe(error)}") from error
    try:
        consumer.assign(list(ends))
        for tp in ends:
            consumer.seek(tp, ranges[tp.partition][0])
        progressed = time.monotonic()
        while ends:
            for tp, records in consumer.poll(timeout_ms=200, max_records=10_000).items():
                progressed = time.monotonic()
                end = ends.get(tp, 0)
                inside = records if records[-1].offset < end else [record for record in records if record.offset < end]
                if inside:
                    yield tp.partition, inside
            # The position, not the last record: markers of transactions have an offset and are never returned.
            done = [tp for tp, end in ends.items() if (consumer.position(tp, timeout_ms=1000) or 0) >= end]
            for tp in done:
                del ends[tp]
                consumer.pause(tp)
            if time.monotonic() - progressed > PATIENCE_SECONDS:
                raise UnavailableError(
                    f"Kafka gave no record for {PATIENCE_SECONDS:.0f} s, short of the end of the log"
                )
    except KafkaError as error:
        raise UnavailableError(f"Kafka stopped answering: {describe(error)}") from error
    finally:
        consumer.close(timeout_ms=2_000)
