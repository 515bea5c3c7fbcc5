"""The newest records of some partitions, for a person who looks: bounded in records, bytes and time."""

from __future__ import annotations

import heapq
import time
from contextlib import closing
from typing import TYPE_CHECKING

from workers.kafka.log_reader import read_log
from workers.kafka.options import few_records_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.records import Record
    from workers.settings import Settings
    from workers.types import TopicPartition

SECONDS = 10.0
"""Where a long stretch of a log holds no record (aborted, or compacted), the search for older ones ends after so long."""
WIDER = 8
"""How much further back each look goes than the one before."""


def recent_records(
    settings: Settings, ranges: Mapping[TopicPartition, tuple[int, int]], count: int
) -> list[tuple[TopicPartition, Record]]:
    """At most `count` records of these ranges of offsets (first, end): the newest by their timestamps, oldest first.

    No more than `count` of them are in memory at once.

    Raises:
        UnavailableError: Kafka stopped answering.
    """
    newest: list[tuple[int, TopicPartition, int, Record]] = []
    left, width = dict(ranges), count
    deadline = time.monotonic() + SECONDS
    while left and len(newest) < count and time.monotonic() < deadline:
        asked = {partition: (max(first, end - width), end) for partition, (first, end) in left.items()}
        with closing(read_log(settings, asked, few_records_options(settings))) as log:
            for partition, records in log:
                for record in records:
                    heapq.heappush(newest, (record.timestamp, partition, record.offset, record))
                    if len(newest) > count:
                        heapq.heappop(newest)
                if time.monotonic() > deadline:
                    break
        left = {partition: (first, asked[partition][0]) for partition, (first, _) in left.items()}
        left = {partition: (first, end) for partition, (first, end) in left.items() if first < end}
        width *= WIDER
    return [(partition, record) for _, partition, _, record in sorted(newest, key=lambda each: each[:3])]
