"""The admin client: topics, the committed offsets and the members of a group, evictions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove, OffsetTimestamp
from kafka.errors import KafkaError

from workers.errors import UnavailableError
from workers.kafka import topics
from workers.kafka.admin_client import AdminClient
from workers.kafka.assignors import routes_of
from workers.kafka.beginning import margin_of
from workers.kafka.client_errors import LOOK, unavailable
from workers.kafka.compat_brokers import forget_coordinators
from workers.kafka.diagnosis import DIAGNOSIS_SECONDS, require_admission
from workers.kafka.group_description import GroupDescription, Member, assigned_in
from workers.kafka.group_offsets import ask_epoch_ends, group_offsets
from workers.kafka.options import connection_options
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.partitions import to_client
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from workers.kafka.topics import Topic
    from workers.settings import Settings


PATIENCE_SECONDS = 5.0
"""For a command, for which a person waits: long enough for a broker that is busy."""
WATCH_PATIENCE_SECONDS = 3.0
"""For the watchdog and `workers lag`, which ask again every five seconds, and have other work to do in between."""


class Admin:
    """A connection for questions and administration. Use it with `with`, or close it."""

    def __init__(self, settings: Settings, patience: float = PATIENCE_SECONDS) -> None:
        """Args: patience: seconds to wait for a broker, and for each answer."""
        self._settings = settings
        self._patience = patience
        self._timeout_ms = int(patience * 1000)
        self._diagnosis_seconds = min(DIAGNOSIS_SECONDS, patience / 2)
        self._client: Any = None

    def connect(self) -> Self:
        """Connect; `with` does it.

        Raises:
            UnavailableError: no broker answered, or it refused this client.
        """
        require_admission(self._settings, self._diagnosis_seconds)
        try:
            self._client = AdminClient(
                **connection_options(self._settings),
                client_id=f"{self._settings.worker}-admin",
                bootstrap_timeout_ms=self._timeout_ms,
                request_timeout_ms=10_000,
            )
        except KafkaError as error:
            raise unavailable(self._settings, error, seconds=self._diagnosis_seconds) from error
        return self

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if self._client is not None:
            self._client.close()

    def topic(self, name: str, right: str = LOOK) -> Topic | None:
        """The topic of this name; None: it does not exist.

        Args: right: of Kafka, which whoever asks this needs.

        Raises:
            UnavailableError: no broker answered, or this client is not authorized.
        """
        found = self._ask(lambda: topics.describe(self._client, name), topic=right)
        if found is None:
            return None
        return topics.from_description(found)

    def topics(self, names: Collection[str]) -> tuple[dict[str, Topic], dict[str, KafkaError]]:
        """By name, those of these topics that exist, and why Kafka does not describe the others that do. In one request.

        Raises:
            UnavailableError: no broker answered.
        """
        answer: tuple[dict[str, Topic], dict[str, KafkaError]] = self._ask(
            lambda: topics.describe_all(self._client, names)
        )
        return answer

    def topic_names(self) -> list[str]:
        """The names of all topics that this client may see.

        Raises:
            UnavailableError: no broker answered.
        """
        return sorted(self._ask(self._client.list_topics))

    def create_topic(self, name: str, partitions: int) -> bool:
        """Create a topic with the broker's default replication factor; return False if it exists already.

        Raises:
            UnavailableError: the broker refused; the message has its reason.
        """
        return topics.create(self._settings, self._client, name, partitions)

    def evict(self, group: str, member_id: str) -> bool:
        """Remove a dead member, so that its partitions are reassigned before the session timeout.

        Returns:
            Whether it was still a member.
        """
        members = [MemberToRemove(member_id=member_id)]
        removed = self._ask(
            lambda: self._client.remove_group_members(group, members), group="READ", doing="remove a dead member from"
        )
        return all(error.errno == 0 for error in removed.values())

    def group(self, group: str, *topics: str) -> GroupDescription:
        """The members of the group, and their assignments, in these topics or in all; empty while the group rebalances.

        Raises:
            UnavailableError: no broker answered, or this client is not authorized.
        """
        found = self._ask(lambda: self._client.describe_groups([group]))[group]
        members = {
            each["member_id"]: Member(
                each["client_id"],
                each["client_host"].removeprefix("/"),
                assigned_in(each, topics),
                each.get("group_instance_id"),
                routes_of(_user_data(each)),
            )
            for each in found["members"]
        }
        return GroupDescription(found["group_state"], members)

    def partition_offsets(self, topic: Topic, group: str) -> dict[TopicPartition, PartitionOffsets]:
        """By partition: the committed offset of the group (asked first), the log start and the end.

        Raises:
            UnavailableError: one of the questions was not answered, for any partition.
        """
        deadline = time.monotonic() + self._patience
        while missing := set(topic.partitions) - (found := self.answered_offsets(topic, group)).keys():
            if time.monotonic() > deadline:
                listed = ", ".join(map(str, sorted(missing)))
                raise UnavailableError(f"Kafka does not tell the offsets of {listed}: is every broker up?")
            time.sleep(0.1)
            # It may have got a leader.
            topic = self.topic(topic.identity.name) or topic
        return found

    def answered_offsets(self, topic: Topic, group: str) -> dict[TopicPartition, PartitionOffsets]:
        """The same without the partitions for which Kafka does not answer: those without a leader, for example.

        Raises:
            UnavailableError: Kafka answered for none of those that have a leader.
        """
        return self.offsets_of_topics((topic,), group)

    def offsets_of_topics(self, topics: Collection[Topic], group: str) -> dict[TopicPartition, PartitionOffsets]:
        """The same of several topics, in as few requests as for one."""
        return group_offsets(
            self._ask, self._client, topics, group, margin_of(self._settings.max_poll_records), self._timeout_ms
        )

    def epoch_ends(
        self, topic: Topic, epochs: Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, tuple[int, int]]:
        """Where the records of these leader epochs end in the logs as they are now: see `compat_logs.epoch_ends`.

        Raises:
            UnavailableError: no broker answered, or this client is not authorized.
        """
        return ask_epoch_ends(self._ask, self._client, (topic,), self._timeout_ms)(epochs)

    def since(
        self, offsets: Mapping[TopicPartition, PartitionOffsets], seconds: float
    ) -> dict[TopicPartition, PartitionOffsets]:
        """The same, with the first record that is not older than so many seconds as the start."""
        then = OffsetTimestamp(int((time.time() - seconds) * 1000))
        found = self._ask(lambda: self._client.list_partition_offsets(dict.fromkeys(to_client(offsets), then)))
        return {
            partition: each._replace(
                start=found[partition].offset if found[partition].offset >= 0 else each.high_watermark
            )
            for partition, each in offsets.items()
        }

    def compacts(self, topic: str) -> bool:
        """Whether the topic is compacted; False if the broker does not return the setting."""
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": ""})]
        found = self._ask(lambda: self._client.describe_configs(asked, config_filter="all"), topic="DESCRIBE_CONFIGS")[
            "topic"
        ][topic]
        return "compact" in found.get("cleanup.policy", {}).get("value", "")

    def _ask(
        self, question: Callable[[], Any], *, topic: str = LOOK, group: str = LOOK, doing: str | None = None
    ) -> Any:
        """Retry retriable errors until the timeout: a coordinator may just be loading, or be another broker now.

        Args: topic, group, doing: as of `unavailable`.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return question()
            except KafkaError as error:
                if not error.retriable or time.monotonic() > deadline:
                    raise unavailable(
                        self._settings, error, topic=topic, group=group, doing=doing, seconds=self._diagnosis_seconds
                    ) from error
            forget_coordinators(self._client)
            time.sleep(0.1)


def _user_data(member: Mapping[str, Any]) -> bytes | None:
    """Of a member's subscription. The client returns it as text, as all bytes of a description."""
    found = (member["member_metadata"] or {}).get("user_data")
    return found.encode("utf-8", "replace") if isinstance(found, str) else found
