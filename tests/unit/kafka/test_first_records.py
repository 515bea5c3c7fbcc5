"""The reader of first records: what it cannot read is told once, although it is asked every few seconds for months."""

from __future__ import annotations

from uuid import UUID

import pytest
from kafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from structlog.testing import capture_logs

from workers.identity import TopicIdentity
from workers.kafka import first_records
from workers.kafka.first_records import FirstRecords
from workers.settings import Settings
from workers.types import TopicPartition

TOPIC = TopicIdentity("numtest", UUID(int=7))


def test_a_right_that_is_missing_is_told_once_and_another_trouble_again(monkeypatch: pytest.MonkeyPatch) -> None:
    troubles = iter(
        [TopicAuthorizationFailedError({"numtest"})] * 3
        + [KafkaConnectionError("gone")] * 2
        + [TopicAuthorizationFailedError()]
    )

    def refuses(*_: object) -> None:
        raise next(troubles)

    monkeypatch.setattr(first_records, "open_consumer", refuses)
    reader = FirstRecords(Settings())

    with capture_logs() as logged:
        for _ in range(6):
            assert reader.times(TOPIC, {TopicPartition("numtest", 0): (0, 9)}) == {}

    right = "not authorized to read the topic numtest (Kafka's right READ on the topic, for User:ANONYMOUS"
    assert [line["error"].startswith(right) for line in logged] == [True, False, True]
