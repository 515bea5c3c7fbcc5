"""One question to the leaders of many partitions, such that a leader that is missing costs only its own partitions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kafka import IsolationLevel
from kafka.errors import BrokerResponseError, KafkaError, UnknownBrokerIdError

from workers.kafka.partitions import to_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kafka import KafkaAdminClient, OffsetSpec

    from workers.types import TopicPartition

NO_LEADER = -1
"""The leader of a partition that has none: all its replicas are down, or their disks are."""
LEADER_SECONDS = 1
"""How long the client looks for a new leader, where a broker says that it is not the leader any more."""
SPLIT_SECONDS = 2.0
"""How long one question is split. It takes a few more requests, unless a broker hangs."""


def log_offsets(
    client: KafkaAdminClient,
    leaders: Mapping[TopicPartition, int],
    spec: OffsetSpec,
    isolation_level: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
) -> dict[Any, Any]:
    """An offset of each partition's log, with its timestamp if it has one; see `ask_leaders`."""

    def ask(partitions: Sequence[TopicPartition]) -> Mapping[Any, Any]:
        asked = dict.fromkeys(to_client(partitions), spec)
        answer: Mapping[Any, Any] = client.list_partition_offsets(asked, isolation_level, LEADER_SECONDS * 1000)
        return answer

    return ask_leaders(ask, leaders)


def ask_leaders(
    question: Callable[[Sequence[TopicPartition]], Mapping[Any, Any]], leaders: Mapping[TopicPartition, int]
) -> dict[Any, Any]:
    """Ask for all partitions at once. Where that fails, leader by leader; of a leader that answers with an error, half
    by half: the client raises for all partitions of a question if one of them has an error.

    Args:
        question: returns the answer by partition, or raises.
        leaders: the id of the broker that leads each partition. Those with `NO_LEADER` are not asked for.

    Returns:
        By partition. Those that were not answered are absent, also if that is all of them for want of a leader.

    Raises:
        KafkaError: nobody answered, or this client is not authorized.
    """
    answers: dict[Any, Any] = {}
    deadline = time.monotonic() + SPLIT_SECONDS
    groups = [[partition for partition, leader in leaders.items() if leader != NO_LEADER]]
    failed: KafkaError | None = None
    while groups:
        group = groups.pop()
        try:
            answers |= question(group) if group else {}
        except KafkaError as error:
            if not error.retriable and not isinstance(error, UnknownBrokerIdError):
                raise
            failed = failed or error
            if time.monotonic() < deadline:
                groups += _split(group, leaders, error)
    if failed and not answers:
        raise failed
    return answers


def _split(
    group: list[TopicPartition], leaders: Mapping[TopicPartition, int], error: KafkaError
) -> list[list[TopicPartition]]:
    by_leader: dict[int, list[TopicPartition]] = {}
    for partition in group:
        by_leader.setdefault(leaders[partition], []).append(partition)
    if len(by_leader) > 1:
        return list(by_leader.values())
    # An error of the connection is one of the whole leader.
    if len(group) == 1 or not isinstance(error, (BrokerResponseError, UnknownBrokerIdError)):
        return []
    half = len(group) // 2
    return [group[:half], group[half:]]
