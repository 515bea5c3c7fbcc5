"""The private names of kafka-python for reading logs: leaders and their epochs, commits, positions. See `compat`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

HEADER_BYTES = 61
"""Of a record batch, as Kafka writes it since 0.11: https://kafka.apache.org/documentation/#recordbatch"""


def leaders(consumer: Any, partitions: Iterable[Any]) -> dict[Any, tuple[int, int]]:
    """Of each partition the node id and the epoch of its leader in the client's metadata; -1: none, or not known.

    Why: a log may have been truncated when its leader epoch changes.
    Until: the consumer tells the epoch.
    Test: tests/integration/test_client_canary.py::test_a_leader_says_where_its_records_of_an_epoch_end
    """
    cluster = consumer._cluster
    found = {p: (cluster.leader_for_partition(p), cluster.leader_epoch_for_partition(p)) for p in partitions}
    return {p: (-1 if node is None else node, -1 if epoch is None else epoch) for p, (node, epoch) in found.items()}


def seek(consumer: Any, partition: Any, offset: int, leader_epoch: int) -> None:
    """Read on from this offset; `leader_epoch`: of the record before it, -1: not known.

    Why: the public `seek` drops the epoch, and a position without one is never validated (KIP-320).
    Until: it takes one.
    Test: tests/integration/test_client_canary.py::test_a_position_with_an_epoch_is_validated_by_the_broker
    """
    from kafka import OffsetAndMetadata

    consumer.seek(partition, offset)
    consumer._subscription.assignment[partition].seek(OffsetAndMetadata(offset, "", leader_epoch))


def epoch_ends(
    client: Any, asked: Mapping[Any, int], leaders: Mapping[Any, tuple[int, int]], timeout_ms: int
) -> dict[Any, tuple[int, int]]:
    """Ask the leaders where their records of a leader epoch end: one request for each node. On any thread but the client's.

    Args:
        client: a consumer or an admin client.
        asked: by partition, an epoch.
        leaders: see `leaders`. A leader whose own epoch is another refuses to answer.

    Returns:
        By partition, the largest epoch that is not greater, and the offset after its last record; both -1: there is
        none. A partition without an answer is left out: its leader is about to change, or away.

    Raises:
        KafkaError: a node refused this client.

    Why: OffsetForLeaderEpoch has no public name.
    Until: it has.
    Test: tests/integration/test_client_canary.py::test_a_leader_says_where_its_records_of_an_epoch_end
    """
    from kafka.errors import RetriableError, TopicAuthorizationFailedError
    from kafka.protocol.consumer import OffsetForLeaderEpochRequest as Request
    from kafka.structs import TopicPartition

    by_node: dict[int, dict[str, list[Any]]] = {}
    for partition, epoch in asked.items():
        node, current = leaders.get(partition, (-1, -1))
        asks = Request.OffsetForLeaderTopic.OffsetForLeaderPartition(
            partition=partition[1], current_leader_epoch=current, leader_epoch=epoch
        )
        if node >= 0:
            by_node.setdefault(node, {}).setdefault(partition[0], []).append(asks)

    async def ask() -> dict[Any, tuple[int, int]]:
        manager, found = client._manager, {}
        sent = [
            manager.send(Request(replica_id=-1, topics=list(topics.items())), node_id=node)
            for node, topics in by_node.items()
        ]
        for each in sent:
            try:
                topics = (await manager.wait_for(each, timeout_ms)).topics
            except RetriableError:
                continue
            for topic in topics:
                for answer in topic.partitions:
                    if answer.error_code == TopicAuthorizationFailedError.errno:
                        raise TopicAuthorizationFailedError(topic.topic)
                    if not answer.error_code:
                        found[TopicPartition(topic.topic, answer.partition)] = answer.leader_epoch, answer.end_offset
        if found.keys() != asked.keys():
            manager.cluster.request_update()
        return found

    answers: dict[Any, tuple[int, int]] = client._manager.run(ask) if by_node else {}
    return answers


def committed_offsets(consumer: Any, partitions: Collection[Any], timeout_ms: int) -> dict[Any, Any]:
    """The committed offsets, with their metadata, in one request. A partition without one is left out.

    Raises:
        KafkaError: not answered within the timeout, or refused.

    Why: `committed` takes one partition, and so a round trip for each: minutes for 1,000 partitions.
    Until: `committed` takes several partitions.
    Test: tests/integration/test_client_loops.py::test_all_committed_offsets_are_fetched_in_one_request
    """
    found: dict[Any, Any] = consumer._coordinator.fetch_committed_offsets(partitions, timeout_ms=timeout_ms)
    return found


def positions(consumer: Any) -> dict[Any, int]:
    """The offset that is fetched next, of every assigned partition that has one. No request is made.

    Why: `position` looks at all partitions to answer for one: seconds for each poll of 1,000 partitions.
    Until: the client returns all positions at once.
    Test: tests/integration/test_client_loops.py::test_positions_are_those_that_the_client_returns_one_by_one
    """
    states = dict(consumer._subscription.assignment)
    return {partition: state.position.offset for partition, state in states.items() if state.position is not None}


def batch_headers(
    client: Any, asked: Mapping[Any, int], leaders: Mapping[Any, tuple[int, int]], timeout_ms: int
) -> dict[Any, bytes]:
    """The first bytes of the batch at an offset, or of the next one behind it. Nothing is decompressed or kept.

    Args:
        client: an admin client.
        asked: by partition, an offset. One request for each: a broker returns one whole batch for each request.
        leaders: see `leaders`.

    Returns:
        By partition, up to `HEADER_BYTES`. A partition without an answer is left out.

    Raises:
        TopicAuthorizationFailedError: this client may not read the topic.

    Why: the consumer does not tell how a batch is compressed, and reads as many as fit.
    Until: it tells, and reads one.
    Test: tests/integration/test_client_canary.py::test_the_header_of_a_batch_tells_its_codec_and_its_time
    """
    from kafka.errors import KafkaError, TopicAuthorizationFailedError
    from kafka.protocol.consumer import FetchRequest as Request

    async def ask() -> dict[Any, bytes]:
        manager, found = client._manager, {}
        for partition, offset in asked.items():
            node, _ = leaders.get(partition, (-1, -1))
            if node < 0:
                continue
            wanted = Request.FetchTopic.FetchPartition(
                partition=partition[1], fetch_offset=offset, log_start_offset=-1, partition_max_bytes=1
            )
            request = Request(
                max_wait_ms=0,
                min_bytes=0,
                max_bytes=1,
                isolation_level=0,
                session_id=0,
                session_epoch=-1,
                topics=[Request.FetchTopic(topic=partition[0], partitions=[wanted])],
                forgotten_topics_data=[],
                rack_id="",
                # Later ones go by the id of the topic.
                max_version=12,
            )
            try:
                answer = await manager.wait_for(manager.send(request, node_id=node), timeout_ms)
            except KafkaError:
                continue
            for topic in answer.responses:
                for each in topic.partitions:
                    if each.error_code == TopicAuthorizationFailedError.errno:
                        raise TopicAuthorizationFailedError(partition[0])
                    if not each.error_code and each.records:
                        found[partition] = bytes(each.records[:HEADER_BYTES])
        return found

    headers: dict[Any, bytes] = client._manager.run(ask)
    return headers
