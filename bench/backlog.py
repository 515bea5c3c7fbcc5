"""The records that are measured: encoded once, then sent as they are, many times faster than anybody reads them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import (
    LeaderNotAvailableError,
    NotLeaderForPartitionError,
    UnknownTopicOrPartitionError,
    for_code,
)
from kafka.protocol.producer import ProduceRequest
from kafka.record.memory_records import MemoryRecordsBuilder

from workers.kafka.options import connection_options
from workers.settings import Settings

LZ4, FORMAT, BATCH_BYTES = 3, 2, 128 * 1024
"""As `workers produce` sends them."""
TEXT = "".join(random.Random(1).choices("0123456789abcdef", k=100_000))
FIELD_CHARACTERS = 40
NOT_YET = (LeaderNotAvailableError, NotLeaderForPartitionError, UnknownTopicOrPartitionError)
"""What a broker says of a topic that was just made. Nothing was appended then."""
PATIENCE_SECONDS = 30

Value = Callable[[int], bytes]


def shape(size: int) -> Value:
    """The value of the record with a number: `{"number": n}`, and fields of text besides, up to `size` bytes of JSON."""

    def value(number: int) -> bytes:
        text = f'{{"number": {number}'
        at = number * 977 % (len(TEXT) - 12_000)
        field = 0
        while (left := size - len(text) - len(', "field_000": ""}')) > 0:
            length = min(left, FIELD_CHARACTERS)
            text += f', "field_{field:03d}": "{TEXT[at : at + length]}"'
            at, field = at + length, field + 1
        return f"{text}}}".encode()

    return value if size else lambda number: b'{"number": %d}' % number


NESTED = "nested"


def nested(number: int) -> bytes:
    """Some 100 bytes with a list, documents in it, and a value of each kind: what an order may look like."""
    return (
        b'{"order": %d, "at": "2026-11-22T20:37:00Z", "price": 12.5, "paid": true, "note": null, "lines": [{"n": 1}, {"n": 2}]}'
        % number
    )


def values(kind: str) -> Value:
    """By a word on a command line: "nested", or the bytes of a flat document; "0" is a number as in the tutorial."""
    return nested if kind == NESTED else shape(int(kind))


def place_of(number: int, partitions: int) -> tuple[int, int]:
    """Partition and offset: the numbers go round."""
    return number % partitions, number // partitions


def last_places(first: int, records: int, partitions: int) -> list[tuple[int, int]]:
    """The last record of each partition that has one of these."""
    return [place_of(number, partitions) for number in range(max(first, first + records - partitions), first + records)]


class Backlog:
    """`records` records from the number `first` on, as batches in Kafka's own format, by partition."""

    def __init__(self, value: Value, first: int, records: int, partitions: int) -> None:
        self.first, self.records, self.partitions = first, records, partitions
        self.batches = {
            partition: list(_batches(value, range(first + partition, first + records, partitions)))
            for partition in range(min(partitions, records))
        }
        if first % partitions:
            raise ValueError(f"{first} records before these do not fill {partitions} partitions evenly")

    def last_places(self) -> list[tuple[int, int]]:
        return last_places(self.first, self.records, self.partitions)

    def rounds(self) -> Iterator[dict[int, bytes]]:
        """By partition: one batch, as a request may hold one of each."""
        for turn in range(max(map(len, self.batches.values()))):
            yield {partition: batches[turn] for partition, batches in self.batches.items() if turn < len(batches)}


def _batches(value: Value, numbers: range) -> Iterator[bytes]:
    builder, timestamp = None, int(time.time() * 1000)
    for number in numbers:
        while builder is None or builder.append(timestamp, None, value(number)) is None:
            if builder is not None:
                yield _closed(builder)
            builder = MemoryRecordsBuilder(FORMAT, LZ4, BATCH_BYTES)
    if builder is not None:
        yield _closed(builder)


def _closed(builder: Any) -> bytes:
    builder.close()
    return bytes(builder.buffer())


class Sender:
    """Sends encoded batches, acknowledged by all in-sync replicas. Use it with `with`.

    kafka-python's producer encodes record by record, about as slowly as a worker reads: a backlog of it could not be
    there all at once. Its admin client has the connections that this needs, if in private names.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic
        self._client = KafkaAdminClient(**connection_options(settings))
        self._leaders: dict[int, list[int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send_all(self, backlog: Backlog) -> None:
        for batches in backlog.rounds():
            self.send(batches)

    def send(self, batches: Mapping[int, bytes]) -> dict[int, int]:
        """One batch for each of these partitions; returns the offset of its first record, when it is acknowledged."""
        first_offsets: dict[int, int] = {}
        until = time.monotonic() + PATIENCE_SECONDS
        while left := {partition: batch for partition, batch in batches.items() if partition not in first_offsets}:
            try:
                self._client._manager.run(self._send, left, first_offsets)
            except NOT_YET:
                if time.monotonic() > until:
                    raise
                self._leaders.clear()
                time.sleep(0.05)
        return first_offsets

    async def _send(self, batches: Mapping[int, bytes], first_offsets: dict[int, int]) -> None:
        """Note what is acknowledged; raise where something is not."""
        missing = [partition for partition in batches if partition not in self._leaders]
        if missing:
            tps = {TopicPartition(self._topic, partition) for partition in missing}
            for leader, led in (await self._client._async_get_leader_for_partitions(tps)).items():
                self._leaders |= {tp.partition: leader for tp in led}
        errors = []
        for leader in set(self._leaders.values()):
            led = [partition for partition in batches if self._leaders[partition] == leader]
            if not led:
                continue
            response = await self._client._manager.send(self._request(batches, led), node_id=leader)
            for answer in response.responses[0].partition_responses:
                if answer.error_code:
                    errors.append(for_code(answer.error_code))
                else:
                    first_offsets[answer.index] = answer.base_offset
        if errors:
            raise errors[0]

    def _request(self, batches: Mapping[int, bytes], partitions: list[int]) -> Any:
        topic = ProduceRequest.TopicProduceData
        data = [topic.PartitionProduceData(index=each, records=batches[each]) for each in partitions]
        return ProduceRequest(
            transactional_id=None,
            acks=-1,
            timeout_ms=30_000,
            topic_data=[topic(name=self._topic, partition_data=data)],
            min_version=3,
            max_version=9,
        )
