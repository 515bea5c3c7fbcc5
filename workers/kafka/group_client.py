"""The consumer group by Kafka's word, for whoever watches over it for days while brokers come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from workers.kafka.admin import Admin
from workers.kafka.client_errors import describe
from workers.kafka.log_reader import read_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.kafka.admin import PartitionOffsets
    from workers.settings import Settings

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
        self._empty: dict[int, tuple[int, int]] = {}
        """By partition: a range of offsets (first, end) without a record, only markers of transactions."""

    def backlogs(self) -> dict[int, PartitionOffsets] | None:
        """By partition of the topic: what waits for the group; offsets that are known to hold no record count as taken."""
        return self._ask(self._backlogs)

    def evict(self, member_id: str) -> bool | None:
        """Remove a member that is dead; whether it was still one."""
        return self._ask(lambda admin: admin.evict(self._settings.group, member_id))

    def can_be_read(self, partition: int, offsets: PartitionOffsets) -> bool:
        """Whether another client gets a record there: only then it is the worker's fault that it gets none."""
        waiting = (offsets.next_offset, offsets.end)

        def read(_admin: Admin) -> bool:
            return any(records for _, records in read_log(self._settings, {partition: waiting}))

        found = self._ask(read)
        if found is False:
            self._empty[partition] = waiting
        return bool(found)

    def _backlogs(self, admin: Admin) -> dict[int, PartitionOffsets] | None:
        topic = admin.topic(self._settings.topic)
        if topic is None:
            return None
        return {
            partition: offsets._replace(committed=offsets.end)
            if self._empty.get(partition) == (offsets.next_offset, offsets.end)
            else offsets
            for partition, offsets in admin.partition_offsets(topic, self._settings.group).items()
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
