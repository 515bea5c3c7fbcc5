"""Kafka as a bystander sees it, with nothing of the code under test: who owns what, how far a group is, what was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from tests.support.embedded import wait_until

T = TypeVar("T")


class KafkaView:
    """One topic and one group. Connects when it is first asked."""

    def __init__(self, bootstrap_servers: str, topic: str, group: str) -> None:
        self._servers, self.topic, self.group = bootstrap_servers, topic, group
        self._admin: KafkaAdminClient | None = None

    def close(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    @property
    def admin(self) -> KafkaAdminClient:
        if self._admin is None:
            self._admin = KafkaAdminClient(bootstrap_servers=self._servers, bootstrap_timeout_ms=10_000)
        return self._admin

    def create(self, partitions: int) -> None:
        self.admin.create_topics([NewTopic(self.topic, partitions, 1)])

    def partitions(self) -> list[int]:
        """Of the topic; none where there is no such topic."""
        (found,) = self.asked(lambda: self.admin.describe_topics([self.topic]))
        return sorted(each["partition_index"] for each in found["partitions"])

    def members(self) -> dict[str, list[int]]:
        """By client id and member id: the partitions that the broker has assigned; empty while the group moves."""
        group = self.asked(lambda: self.admin.describe_groups([self.group])[self.group])
        if group["group_state"] != "Stable":
            return {}
        return {f"{each['client_id']} {each['member_id']}": sorted(_partitions(each)) for each in group["members"]}

    def owned(self) -> list[int]:
        """Every assigned partition, once for each owner."""
        return sorted(partition for partitions in self.members().values() for partition in partitions)

    def committed(self) -> dict[int, int]:
        found = self.asked(lambda: self.admin.list_group_offsets({self.group: None})[self.group])
        return {
            tp.partition: offset.offset for tp, offset in found.items() if tp.topic == self.topic and offset.offset > 0
        }

    def asked(self, question: Callable[[], T]) -> T:
        """A broker that has just been started may not know its groups yet."""

        def answers() -> list[T]:
            with suppress(KafkaError):
                return [question()]
            return []

        (answer,) = wait_until(answers, 30, f"Kafka tells about {self.group}")
        return answer

    def ends(self) -> dict[int, int]:
        """Of the partitions that hold something."""
        with self._reader() as (reader, partitions):
            return {tp.partition: end for tp, end in reader.end_offsets(partitions).items() if end}

    def values(self) -> dict[tuple[int, int], bytes]:
        """All that Kafka holds, by partition and offset."""
        found: dict[tuple[int, int], bytes] = {}
        with self._reader() as (reader, partitions):
            ends = reader.end_offsets(partitions)
            while any(reader.position(tp) < end for tp, end in ends.items()):
                for records in reader.poll(timeout_ms=500).values():
                    found |= {(record.partition, record.offset): record.value for record in records}
        return found

    @contextmanager
    def _reader(self) -> Iterator[tuple[KafkaConsumer, list[TopicPartition]]]:
        reader = KafkaConsumer(bootstrap_servers=self._servers, group_id=None, enable_auto_commit=False)
        try:
            partitions = [TopicPartition(self.topic, each) for each in reader.partitions_for_topic(self.topic) or ()]
            reader.assign(partitions)
            reader.seek_to_beginning(*partitions)
            yield reader, partitions
        finally:
            reader.close()


def _partitions(member: dict) -> list[int]:
    assigned = member["member_assignment"]
    return [number for each in (assigned or {}).get("assigned_partitions", []) for number in each["partitions"]]
