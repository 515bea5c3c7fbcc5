"""The admin client: topics, the committed offsets and the members of a group, evictions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

from kafka import IsolationLevel, OffsetSpec
from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove, OffsetTimestamp
from kafka.errors import KafkaError, TopicAlreadyExistsError

from workers.errors import UnavailableError
from workers.identity import OffsetRange, TopicIdentity
from workers.kafka.admin_client import AdminClient
from workers.kafka.beginning import margin_of
from workers.kafka.client_errors import describe, unreachable
from workers.kafka.compat import epoch_ends
from workers.kafka.group_commits import NOTHING_COMMITTED, EpochEnds, group_commits
from workers.kafka.options import connection_options
from workers.kafka.partitions import to_client
from workers.types import TopicPartition, Truncation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.settings import Settings


PATIENCE_SECONDS = 5.0
"""For a command, for which a person waits: long enough for a broker that is busy."""
WATCH_PATIENCE_SECONDS = 3.0
"""For the watchdog and `workers lag`, which ask again every five seconds, and have other work to do in between."""


class Topic(NamedTuple):
    """A topic that exists now."""

    identity: TopicIdentity
    partitions: list[TopicPartition]
    leaders: Mapping[TopicPartition, tuple[int, int]] = {}
    """Of each partition the node id and the epoch of its leader; -1: none."""


class PartitionOffsets(NamedTuple):
    """The log start, the end and the committed offset of one partition."""

    start: int
    end: int
    """The last stable offset: records of open transactions cannot be read yet."""
    committed: int | None
    """None: nothing was ever committed, or only for a deleted topic of this name."""
    truncation: Truncation | None = None
    """The log was truncated before the committed offset, and no worker has read on from there yet."""
    reused: Sequence[OffsetRange] = ()
    """Offsets at which records were stored that the log may not hold any more: see `PartitionBatch.reused`."""

    @property
    def next_offset(self) -> int:
        """The offset that the group reads next: the committed one, or the log start if that is later."""
        if self.committed is None:
            return self.start
        committed = min(self.committed, self.truncation.divergence) if self.truncation else self.committed
        return max(self.start, committed)

    @property
    def lag(self) -> int:
        """Offsets from `next_offset` to the end; never negative. Counts transaction markers, which are no records."""
        return max(0, self.end - self.next_offset)


class Member(NamedTuple):
    """One member of a consumer group, as the broker reports it."""

    client_id: str
    host: str
    partitions: list[TopicPartition]
    """Its assignment, in one topic."""


class GroupDescription(NamedTuple):
    """A consumer group, as the broker reports it."""

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
    """A connection for questions and administration. Use it with `with`, or close it."""

    def __init__(self, settings: Settings, patience: float = PATIENCE_SECONDS) -> None:
        """Args: patience: seconds to wait for a broker, and for each answer."""
        self._settings = settings
        self._patience = patience
        self._client: Any = None

    def connect(self) -> Self:
        """Connect; `with` does it.

        Raises:
            UnavailableError: no broker answered, or it refused this client.
        """
        try:
            self._client = AdminClient(
                **connection_options(self._settings),
                client_id=f"{self._settings.worker}-admin",
                bootstrap_timeout_ms=int(self._patience * 1000),
                request_timeout_ms=10_000,
            )
        except KafkaError as error:
            raise UnavailableError(unreachable(self._settings, error)) from error
        return self

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._client.close()

    def topic(self, name: str) -> Topic | None:
        """The topic of this name; None: it does not exist."""
        (found,) = self._ask(lambda: self._client.describe_topics([name]))
        if found["error_code"]:
            return None
        partitions = sorted(TopicPartition(name, partition["partition_index"]) for partition in found["partitions"])
        leaders = {
            TopicPartition(name, each["partition_index"]): (each["leader_id"], each["leader_epoch"])
            for each in found["partitions"]
        }
        return Topic(TopicIdentity(name, UUID(str(found["topic_id"]))), partitions, leaders)

    def create_topic(self, name: str, partitions: int) -> bool:
        """Create a topic with the broker's default replication factor; return False if it exists already.

        Raises:
            UnavailableError: the broker refused; the message has its reason.
        """
        try:
            self._client.create_topics({name: {"num_partitions": partitions, "replication_factor": -1}})
        except TopicAlreadyExistsError:
            return False
        except KafkaError as error:
            raise UnavailableError(f"Kafka did not create the topic {name}: {describe(error)}") from error
        return True

    def evict(self, group: str, member_id: str) -> bool:
        """Remove a dead member, so that its partitions are reassigned before the session timeout.

        Returns:
            Whether it was still a member.
        """
        members = [MemberToRemove(member_id=member_id)]
        removed = self._ask(lambda: self._client.remove_group_members(group, members))
        return all(error.errno == 0 for error in removed.values())

    def group(self, group: str, topic: str) -> GroupDescription:
        """The members of the group, and their assignments in the topic; these are empty while the group rebalances.

        Raises:
            UnavailableError: no broker answered, or this client is not authorized.
        """
        found = self._ask(lambda: self._client.describe_groups([group]))[group]
        members = {
            each["member_id"]: Member(each["client_id"], each["client_host"].removeprefix("/"), _assigned(each, topic))
            for each in found["members"]
        }
        return GroupDescription(found["group_state"], members)

    def partition_offsets(self, topic: Topic, group: str) -> dict[TopicPartition, PartitionOffsets]:
        """By partition: the committed offset of the group (asked first), the log start and the end.

        Raises:
            UnavailableError: one of the questions was not answered.
        """
        partitions = to_client(topic.partitions)
        commits = self._ask(lambda: self._client.list_group_offsets({group: partitions}))[group]
        starts = self._ask(lambda: self._client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST)))
        ends = self._ask(
            lambda: self._client.list_partition_offsets(
                dict.fromkeys(partitions, OffsetSpec.LATEST), isolation_level=IsolationLevel.READ_COMMITTED
            )
        )
        committed = group_commits(
            commits,
            topic.identity.uuid,
            topic.leaders,
            {partition: found.offset for partition, found in starts.items()},
            margin_of(self._settings.max_poll_records),
            self._epoch_ends(topic),
        )
        found = {}
        for partition in topic.partitions:
            commit = committed.get(partition, NOTHING_COMMITTED)
            found[partition] = PartitionOffsets(
                starts[partition].offset,
                ends[partition].offset,
                commit.offset,
                truncation=commit.truncation,
                reused=commit.reused,
            )
        return found

    def _epoch_ends(self, topic: Topic) -> EpochEnds:
        timeout_ms = int(self._patience * 1000)
        return lambda asked: self._ask(lambda: epoch_ends(self._client, asked, topic.leaders, timeout_ms))

    def since(
        self, offsets: Mapping[TopicPartition, PartitionOffsets], seconds: float
    ) -> dict[TopicPartition, PartitionOffsets]:
        """The same, with the first record that is not older than so many seconds as the start."""
        then = OffsetTimestamp(int((time.time() - seconds) * 1000))
        found = self._ask(lambda: self._client.list_partition_offsets(dict.fromkeys(to_client(offsets), then)))
        return {
            partition: each._replace(start=found[partition].offset if found[partition].offset >= 0 else each.end)
            for partition, each in offsets.items()
        }

    def compacts(self, topic: str) -> bool:
        """Whether the topic is compacted; False if the broker does not return the setting."""
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": ""})]
        found = self._ask(lambda: self._client.describe_configs(asked, config_filter="all"))["topic"][topic]
        return "compact" in found.get("cleanup.policy", {}).get("value", "")

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Retry retriable errors until the timeout: a coordinator may just be loading."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return question()
            except KafkaError as error:
                if not error.retriable or time.monotonic() > deadline:
                    raise UnavailableError(unreachable(self._settings, error)) from error
            time.sleep(0.1)
