"""Kafka's administration, as far as this package needs it: what a topic is, where a group stands, who is in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

from kafka import IsolationLevel, KafkaAdminClient, OffsetSpec
from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove, OffsetTimestamp
from kafka.errors import KafkaError, TopicAlreadyExistsError

from workers.errors import UnavailableError
from workers.kafka.client_errors import describe, unreachable
from workers.kafka.compat import close_unconnected
from workers.kafka.options import connection_options
from workers.kafka.partitions import to_client
from workers.types import TopicIdentity, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.settings import Settings


PATIENCE_SECONDS = 5.0
"""For a command: long enough for a broker that is busy, and a person waits for the answer."""
WATCH_PATIENCE_SECONDS = 3.0
"""For those who ask again every five seconds anyway, the watchdog and `workers lag`: they have more to do than to wait."""


class Topic(NamedTuple):
    """A topic as it is now."""

    identity: TopicIdentity
    partitions: list[TopicPartition]


class PartitionOffsets(NamedTuple):
    """The offsets of one partition: Kafka holds those from `start` up to `end`, the group is done up to `committed`."""

    start: int
    end: int
    """The end of what may be read: the last stable offset, since aborted records are never read."""
    committed: int | None
    """None: nothing was ever committed, or only for an earlier topic of this name."""

    @property
    def next_offset(self) -> int:
        """The first offset that the group takes next: the committed one, but never one before the log start."""
        return self.start if self.committed is None else max(self.start, self.committed)

    @property
    def lag(self) -> int:
        """Offsets from `next_offset` to the end; never negative. Markers of transactions count, and are no records."""
        return max(0, self.end - self.next_offset)


class Member(NamedTuple):
    """One member of a consumer group, by the broker's word."""

    client_id: str
    host: str
    partitions: list[TopicPartition]
    """Of the topic that was asked for."""


class GroupDescription(NamedTuple):
    """A consumer group, by the broker's word."""

    state: str
    """Stable, PreparingRebalance, CompletingRebalance, Empty, or Dead: there is no such group."""
    members: dict[str, Member]
    """By member id."""


def _assigned(member: Mapping[str, Any], topic: str) -> list[TopicPartition]:
    assignment = member["member_assignment"] or {}
    return sorted(
        TopicPartition(topic, partition)
        for each in assignment.get("assigned_partitions", ())
        if each["topic"] == topic
        for partition in each["partitions"]
    )


class Admin:
    """A connection for questions and for housekeeping. Use it with `with`, or close it."""

    def __init__(self, settings: Settings, patience: float = PATIENCE_SECONDS) -> None:
        """Connect.

        Args:
            patience: seconds to wait for a broker, and for each answer.

        Raises:
            UnavailableError: no broker answered, or it refused this client.
        """
        self._settings = settings
        self._patience = patience
        try:
            self._client = _Client(
                **connection_options(settings),
                client_id=f"{settings.worker}-admin",
                bootstrap_timeout_ms=int(patience * 1000),
                request_timeout_ms=10_000,
            )
        except KafkaError as error:
            raise UnavailableError(unreachable(settings, error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. It may be called again."""
        self._client.close()

    def topic(self, name: str) -> Topic | None:
        """The topic of this name, or None where there is none."""
        (found,) = self._ask(lambda: self._client.describe_topics([name]))
        if found["error_code"]:
            return None
        partitions = sorted(TopicPartition(name, partition["partition_index"]) for partition in found["partitions"])
        return Topic(TopicIdentity(name, UUID(str(found["topic_id"]))), partitions)

    def create_topic(self, name: str, partitions: int) -> bool:
        """Make a topic with the broker's own replication factor; False where it is there already.

        Raises:
            UnavailableError: the broker refused, with its reason.
        """
        try:
            self._client.create_topics({name: {"num_partitions": partitions, "replication_factor": -1}})
        except TopicAlreadyExistsError:
            return False
        except KafkaError as error:
            raise UnavailableError(f"Kafka did not make the topic {name}: {describe(error)}") from error
        return True

    def evict(self, group: str, member_id: str) -> bool:
        """Remove a dead member, so that its partitions need not wait for the session timeout.

        Returns:
            True if it was still a member.
        """
        members = [MemberToRemove(member_id=member_id)]
        removed = self._ask(lambda: self._client.remove_group_members(group, members))
        return all(error.errno == 0 for error in removed.values())

    def group(self, group: str, topic: str) -> GroupDescription:
        """Who is in the group now, and who was given which partitions of the topic; none while it rebalances.

        Raises:
            UnavailableError: nobody answered, or this client may not ask.
        """
        found = self._ask(lambda: self._client.describe_groups([group]))[group]
        members = {
            each["member_id"]: Member(each["client_id"], each["client_host"].removeprefix("/"), _assigned(each, topic))
            for each in found["members"]
        }
        return GroupDescription(found["group_state"], members)

    def partition_offsets(self, topic: Topic, group: str) -> dict[TopicPartition, PartitionOffsets]:
        """By partition: what the group has committed (asked first), and what Kafka holds.

        Raises:
            UnavailableError: one of the questions was not answered; then nothing is known.
        """
        partitions = to_client(topic.partitions)
        commits = self._ask(lambda: self._client.list_group_offsets({group: partitions}))[group]
        starts = self._ask(lambda: self._client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST)))
        ends = self._ask(
            lambda: self._client.list_partition_offsets(
                dict.fromkeys(partitions, OffsetSpec.LATEST), isolation_level=IsolationLevel.READ_COMMITTED
            )
        )
        found = {}
        for partition in topic.partitions:
            commit = commits.get(partition)
            known = commit and commit.offset >= 0 and commit.metadata in ("", str(topic.identity.uuid))
            committed = commit.offset if known else None
            found[partition] = PartitionOffsets(starts[partition].offset, ends[partition].offset, committed)
        return found

    def since(
        self, offsets: Mapping[TopicPartition, PartitionOffsets], seconds: float
    ) -> dict[TopicPartition, PartitionOffsets]:
        """The same, less the records that are older than so many seconds."""
        then = OffsetTimestamp(int((time.time() - seconds) * 1000))
        found = self._ask(lambda: self._client.list_partition_offsets(dict.fromkeys(to_client(offsets), then)))
        return {
            partition: each._replace(start=found[partition].offset if found[partition].offset >= 0 else each.end)
            for partition, each in offsets.items()
        }

    def compacts(self, topic: str) -> bool:
        """Whether Kafka removes records of this topic for which there is a later one; False where it does not say."""
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": ""})]
        found = self._ask(lambda: self._client.describe_configs(asked, config_filter="all"))["topic"][topic]
        return "compact" in found.get("cleanup.policy", {}).get("value", "")

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Ask until there is an answer: a coordinator that is just being found or loaded says "not now"."""
        until = time.monotonic() + self._patience
        while True:
            try:
                return question()
            except KafkaError as error:
                if not error.retriable or time.monotonic() > until:
                    raise UnavailableError(unreachable(self._settings, error)) from error
            time.sleep(0.1)


class _Client(KafkaAdminClient):  # type: ignore[misc] # kafka-python is untyped
    """One that leaves no thread and no socket behind when it finds no broker: who waits for one asks for hours."""

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except KafkaError:
            close_unconnected(self)
            raise
