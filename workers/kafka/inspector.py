"""Questions about Kafka that only `workers doctor` asks. They change nothing: no record, no commit, no member, no topic.

The rights of this client come from the broker's own answers (KIP-430): beside a topic, a group and the cluster it returns
what the client that asks may do there. So nothing has to be tried, and no ACL has to be read.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from kafka import OffsetSpec
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from workers.errors import UnavailableError
from workers.identity import TopicIdentity
from workers.kafka import compat, compat_logs, topics
from workers.kafka.admin import Admin
from workers.kafka.commit_mark import LATER_VERSION, read_commit
from workers.kafka.leaders import log_offsets
from workers.kafka.partitions import to_client
from workers.kafka.topics import Topic
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.kafka.group_description import GroupDescription
    from workers.kafka.partition_offsets import PartitionOffsets

SAMPLED = 8
"""Partitions of which a batch is looked at: each costs a request, and one whole batch."""
FETCH_SECONDS = 2.0
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
"""By the number in the attributes of a batch: https://kafka.apache.org/documentation/#recordbatch"""
_HEADER = struct.Struct(">qiibIhiqq")
"""Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and greatest timestamp."""
_CODEC, _IS_CONTROL, _LENGTH_BEHIND = 0x07, 0x20, 12
"""Bits of the attributes; the bytes of a batch that its length does not count."""


class Broker(NamedTuple):
    """One broker, where it sends its clients."""

    id: int
    host: str
    port: int
    is_fenced: bool = False
    """Whether the controller takes it for dead."""

    @property
    def address(self) -> str:
        """For people."""
        return f"{self.host}:{self.port}"


class Cluster(NamedTuple):
    """The brokers, as they describe themselves."""

    id: str
    brokers: tuple[Broker, ...]
    version: str = ""
    """See `Inspector.version`; empty: not known."""


class PartitionState(NamedTuple):
    """A partition's replicas, by the id of their broker."""

    number: int
    leader: int
    """-1: none."""
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


class TopicDetails(NamedTuple):
    """A topic that exists."""

    topic: Topic
    partitions: tuple[PartitionState, ...]
    rights: frozenset[str] | None
    """What this client may do with it; None: the broker does not say."""


class Commits(NamedTuple):
    """By whom the committed offsets of a group in one topic are, in numbers of partitions."""

    ours: int = 0
    others: int = 0
    """Without our mark: another program has committed for this group."""
    of_deleted_topic: int = 0
    """Ours, for an earlier topic of this name: they do not count."""


class BatchHeader(NamedTuple):
    """What the header of a record batch says."""

    codec: str
    first_time: float
    """Unix time of its first record; negative: without one."""
    last_time: float
    bytes: int


class Inspector(Admin):
    """See `Admin`, for the connection. Every method raises `UnavailableError` as those of `Admin` do."""

    def cluster(self) -> Cluster:
        """The brokers."""
        found = self._ask(self._client.describe_cluster)
        brokers = tuple(
            Broker(each["broker_id"], each["host"], each["port"], bool(each.get("is_fenced")))
            for each in found["brokers"]
        )
        return Cluster(str(found["cluster_id"]), brokers)

    def version(self, brokers: Sequence[int]) -> str:
        """Kafka's version, by the requests that one of these brokers knows. One that cannot be reached takes 10 s."""
        for broker in brokers:
            try:
                version = self._client.get_broker_version_data(broker).broker_version
            except KafkaError:
                continue
            return ".".join(map(str, version))
        return ""

    def details(self, name: str) -> TopicDetails | None:
        """The topic of this name; None: it does not exist."""
        found = self._ask(lambda: topics.describe(self._client, name))
        if found is None:
            return None
        partitions = tuple(
            PartitionState(
                each["partition_index"], each["leader_id"], tuple(each["replica_nodes"]), tuple(each["isr_nodes"])
            )
            for each in sorted(found["partitions"], key=lambda each: int(each["partition_index"]))
        )
        epochs = {each["partition_index"]: each["leader_epoch"] for each in found["partitions"]}
        leaders = {TopicPartition(name, each.number): (each.leader, epochs[each.number]) for each in partitions}
        topic = Topic(TopicIdentity(name, UUID(str(found["topic_id"]))), sorted(leaders), leaders)
        rights = found.get("authorized_operations")
        return TopicDetails(topic, partitions, None if rights is None else frozenset(rights))

    def topic_configuration(self, name: str) -> dict[str, str] | None:
        """Every configuration of the topic, defaults too; None: this client may not see it (DESCRIBE_CONFIGS)."""
        return self._configuration(ConfigResourceType.TOPIC, name)

    def broker_configuration(self, broker: int) -> dict[str, str] | None:
        """The same of a broker; None: this client may not see it (DESCRIBE_CONFIGS on the cluster)."""
        return self._configuration(ConfigResourceType.BROKER, str(broker))

    def _configuration(self, kind: ConfigResourceType, name: str) -> dict[str, str] | None:
        asked = [ConfigResource(kind, name)]
        found = self._ask(
            lambda: self._client.describe_configs(asked, config_filter="all"), topic="DESCRIBE_CONFIGS"
        ).get(kind.name.lower(), {})
        # The client takes a refusal for an empty answer.
        return {each: str(value["value"]) for each, value in found.get(name, {}).items()} or None

    def group(self, group: str, *topics: str) -> GroupDescription:
        """See `Admin.group`; a coordinator that is loading is waited for."""
        deadline = time.monotonic() + self._patience
        while not (found := super().group(group, *topics)).state:
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"the broker that coordinates the group {group} is loading it: look again in a minute"
                )
            time.sleep(0.1)
        return found

    def group_rights(self, group: str) -> frozenset[str] | None:
        """What this client may do with the group; None: the broker does not say."""
        rights = self._ask(lambda: compat.group_rights(self._client, group))
        return None if rights is None else frozenset(rights)

    def commits(self, topic: Topic, group: str) -> Commits:
        """By whom the committed offsets are."""
        asked = to_client(topic.partitions)
        found = self._ask(lambda: self._client.list_group_offsets({group: asked}))[group]
        commits = [
            read_commit(each.offset, each.metadata, each.leader_epoch, topic.identity.uuid)
            for each in found.values()
            if each.offset >= 0
        ]
        deleted = sum(each.deleted_topic for each in commits)
        others = sum(not each.marked and each.warning != LATER_VERSION for each in commits)
        return Commits(len(commits) - deleted - others, others, deleted)

    def newest_times(self, topic: Topic) -> dict[TopicPartition, float]:
        """By partition, the greatest timestamp of its records (Unix time); without those that hold none."""
        leaders = {partition: topic.leaders[partition][0] for partition in topic.partitions}
        found = self._ask(lambda: log_offsets(self._client, leaders, OffsetSpec.MAX_TIMESTAMP))
        return {TopicPartition(*p): each.timestamp / 1000 for p, each in found.items() if each.timestamp >= 0}

    def oldest_unread(
        self, topic: Topic, offsets: Mapping[TopicPartition, PartitionOffsets]
    ) -> dict[TopicPartition, BatchHeader]:
        """By partition, the batch with the record that the group reads next: of those that lag most."""
        waiting = sorted((p for p, each in offsets.items() if each.lag), key=lambda p: -offsets[p].lag)
        return self._batches(topic, {p: offsets[p].next_offset for p in waiting[:SAMPLED]})

    def last_batches(
        self, topic: Topic, offsets: Mapping[TopicPartition, PartitionOffsets]
    ) -> dict[TopicPartition, BatchHeader]:
        """By partition, the batch with its last record: of some that hold any."""
        filled = [p for p, each in sorted(offsets.items()) if each.high_watermark > each.start]
        return self._batches(topic, {p: offsets[p].high_watermark - 1 for p in filled[:SAMPLED]})

    def _batches(self, topic: Topic, asked: Mapping[TopicPartition, int]) -> dict[TopicPartition, BatchHeader]:
        headers = self._ask(
            lambda: compat_logs.batch_headers(self._client, asked, topic.leaders, int(FETCH_SECONDS * 1000)),
            topic="READ",
        )
        return {TopicPartition(*p): batch for p, header in headers.items() if (batch := read_header(header))}


def read_header(header: bytes) -> BatchHeader | None:
    """What a batch's header says; None: it is a transaction marker, or of a format from before Kafka 0.11."""
    if len(header) < _HEADER.size:
        return None
    _, length, _, magic, _, attributes, _, first, greatest = _HEADER.unpack_from(header)
    codec = attributes & _CODEC
    if magic != 2 or attributes & _IS_CONTROL or codec >= len(CODECS):
        return None
    return BatchHeader(CODECS[codec], first / 1000, greatest / 1000, length + _LENGTH_BEHIND)
