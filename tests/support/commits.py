"""Every commit that landed, in order: the broker keeps them in a topic of its own, and a look now and then misses some."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition

TOPIC = "__consumer_offsets"
COMMIT_VERSIONS = (0, 1)
"""Of a key; others are about the group itself."""


def landed(bootstrap_servers: str, group: str, topic: str) -> dict[int, list[int]]:
    """By partition: the offsets that the group has committed there, from the first to the last."""
    found: dict[int, list[int]] = {}
    for key, value in _log(bootstrap_servers):
        if struct.unpack_from(">h", key)[0] not in COMMIT_VERSIONS or value is None:
            continue
        its_group, at = _text(key, 2)
        its_topic, at = _text(key, at)
        if (its_group, its_topic) == (group, topic):
            (partition,) = struct.unpack_from(">i", key, at)
            found.setdefault(partition, []).append(struct.unpack_from(">q", value, 2)[0])
    return found


def _log(bootstrap_servers: str) -> Iterator[tuple[bytes, bytes | None]]:
    """All partitions, one after the other: a group has all its commits in one."""
    reader = KafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=None, enable_auto_commit=False)
    try:
        partitions = [TopicPartition(TOPIC, each) for each in reader.partitions_for_topic(TOPIC) or ()]
        reader.assign(partitions)
        reader.seek_to_beginning(*partitions)
        ends = reader.end_offsets(partitions)
        while any(reader.position(tp) < end for tp, end in ends.items()):
            for records in reader.poll(timeout_ms=500).values():
                yield from ((record.key, record.value) for record in records)
    finally:
        reader.close()


def _text(data: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">h", data, at)
    return data[at + 2 : at + 2 + length].decode(), at + 2 + length
