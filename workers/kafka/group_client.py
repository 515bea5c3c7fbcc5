"""The consumer group by Kafka's word, for whoever watches over it for days while brokers come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from workers.kafka.admin import Admin, describe
from workers.kafka.log_reader import read_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.kafka.admin import PartitionOffsets
    from workers.settings import Settings
    from workers.types import TopicPartition

T = TypeVar("T")
PATIENCE = 3.0
"""Seconds: whoever asks has other things to do, and asks again."""

log = structlog.get_logger()


class GroupClient:
    """Keeps one connection. Where Kafka does not answer, the answer is None, and the next question connects anew."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin: Admin | None = None
        self._away = False
        self._empty: dict[TopicPartition, PartitionOffsets] = {}
        """By partition: offsets that hold no record, only markers of transactions, which are never read."""

    def partition_offsets(self) -> dict[TopicPartition, PartitionOffsets] | None:
        """By partition of the topic: where the group is, and what waits for it."""
        return self._ask(self._partition_offsets)

    def evict(self, member_id: str) -> bool | None:
        """Remove a member that is dead; whether it was still one."""
        return self._ask(lambda admin: admin.evict(self._settings.group, member_id))

    def can_be_read(self, partition: TopicPartition, offsets: PartitionOffsets) -> bool:
        """Whether another client gets a record there: only then it is the worker's fault that it gets none."""

        def read(_admin: Admin) -> bool:
            ranges = {partition: (offsets.next_offset, offsets.end)}
            return any(records for _, records in read_log(self._settings, ranges))

        found = self._ask(read)
        if found is False:
            self._empty[partition] = offsets
        return bool(found)

    def _partition_offsets(self, admin: Admin) -> dict[TopicPartition, PartitionOffsets] | None:
        topic = admin.topic(self._settings.topic)
        if topic is None:
            return None
        found = admin.partition_offsets(topic, self._settings.group)
        return {
            partition: each._replace(committed=each.end) if self._empty.get(partition) == each else each
            for partition, each in found.items()
        }

    def _ask(self, question: Callable[[Admin], T | None]) -> T | None:
        try:
            if self._admin is None:
                self._admin = Admin(self._settings, PATIENCE)
            answer = question(self._admin)
        except Exception as error:  # noqa: BLE001 whatever a client throws that lost its broker: the answer is not known
            if not self._away:
                log.warning("Kafka does not answer; until it does, nobody is judged by lag", error=describe(error))
            self._away = True
            self.close()
            return None
        if self._away:
            log.info("Kafka answers again")
        self._away = False
        return answer

    def close(self) -> None:
        if self._admin is not None:
            self._admin.__exit__()
            self._admin = None
