"""The reader of ranges, on a client that is a list: what no broker does when it is asked to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from workers.errors import UnavailableError
from workers.kafka import compat_logs, log_reader
from workers.kafka.fetched_records import Piece
from workers.kafka.log_reader import LogReader
from workers.settings import Settings
from workers.types import TopicPartition


class ClientPartition(NamedTuple):
    topic: str
    partition: int


PARTITION = TopicPartition("numtest", 0)


class Consumer:
    """A log of so many records. As Kafka's client does, it begins at the log start where an offset is not there."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end, self.at = start, end, 0

    def assign(self, _partitions: Any) -> None: ...

    def close(self, **_: Any) -> None: ...

    def seek(self, _partition: Any, offset: int) -> None:
        self.at = offset if self.start <= offset <= self.end else self.start

    def poll(self, max_records: int, **_: Any) -> dict[Any, list[Any]]:
        first, self.at = self.at, min(self.end, self.at + max_records)
        batch = SimpleNamespace(offsets=range(first, self.at), values=[b""] * (self.at - first), leader_epoch=0)
        return {PARTITION: [Piece(PARTITION, batch, 0, self.at - first)]} if self.at > first else {}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    def read(consumer: Consumer, first: int, end: int) -> list[int]:
        monkeypatch.setattr(log_reader, "open_consumer", lambda *_: consumer)
        monkeypatch.setattr(compat_logs, "positions", lambda _: {ClientPartition("numtest", 0): consumer.at})
        monkeypatch.setattr(log_reader, "NO_RECORD_SECONDS", 0.1)
        found = LogReader(Settings()).read({PARTITION: (first, end)})
        return [offset for _, records in found for offset in records.offsets]

    return read


def test_what_retention_has_removed_is_left_out(read: Any) -> None:
    assert read(Consumer(500, 1_000), 200, 700) == [*range(500, 700)]


def test_a_log_that_ends_before_the_range_is_refused_at_once_and_not_read_from_its_start(read: Any) -> None:
    with pytest.raises(UnavailableError, match=r"numtest-0 ends before offset 2000.*the log was truncated"):
        read(Consumer(0, 1_000), 2_000, 4_000)
