"""Several collections on one client: where each topic goes, and what one collection that refuses does to the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.support.fake_broker import FakeRecord
from tests.support.wire_mongo import StaySilent, WireMongo
from workers.errors import BadConfigurationError, RetryReason, SinkUnavailableError
from workers.identity import TopicIdentity
from workers.settings import load
from workers.sinks.mongodb.encoding import encode
from workers.sinks.mongodb.routed_sink import RoutedMongoSink
from workers.types import Batch, Insert, PartitionBatch, TopicPartition

ROUTES = """
[[route]]
topics = ["orders", "refunds"]
collection = "shop"
[[route]]
topic_pattern = "log.*"
"""
UNAUTHORIZED = {"ok": 0, "code": 13, "errmsg": 'not authorized on numtest to execute command { insert: "log-web" }'}
ORDERS, REFUNDS, LOGS = (TopicPartition(each, 0) for each in ("orders", "refunds", "log-web"))


@pytest.fixture
def opened(server: WireMongo, tmp_path: Path) -> Iterator[Callable[..., RoutedMongoSink]]:
    (tmp_path / "routes.toml").write_text(ROUTES)
    made: list[RoutedMongoSink] = []

    def open_sink(clock: Callable[[], float] = time.monotonic) -> RoutedMongoSink:
        settings = load(mongodb_uri=server.uri, write_timeout=1.0, routes=tmp_path / "routes.toml")
        made.append(RoutedMongoSink(settings, clock))
        return made[-1]

    yield open_sink
    for each in made:
        each.close()


def batch_of(*partitions: TopicPartition) -> Batch:
    """A document of each."""
    batch = Batch()
    for number, partition in enumerate(partitions):
        topic = TopicIdentity(partition.topic, UUID(int=number))
        key = topic.document_id(0, 7)
        batch.partitions[partition] = PartitionBatch(topic, 7, 8)
        batch.partitions[partition].operations = [
            Insert(key, encode(key, {"of": partition.topic}), FakeRecord(0, 7, b"{}"))
        ]
    return batch


def held(server: WireMongo, collection: str) -> list[str]:
    return sorted(each["of"] for each in server.collections[collection].values())


def test_each_topic_goes_into_the_collection_of_its_route(server, opened):
    result = opened().write(batch_of(ORDERS, LOGS, REFUNDS))

    assert (held(server, "shop"), held(server, "log-web")) == (["orders", "refunds"], ["log-web"])
    assert result.stored == {ORDERS: 1, LOGS: 1, REFUNDS: 1}
    assert not result.not_written


def test_a_collection_that_this_user_may_not_write_is_left_out_and_the_others_are_written(server, opened):
    sink = opened()
    server.script["log-web"].append(UNAUTHORIZED)
    result = sink.write(batch_of(LOGS, ORDERS))

    assert result.stored == {ORDERS: 1}
    assert "grant it the role readWrite" in result.not_written[LOGS]
    # Alone it is waited for: it may be the login, and nobody else is held up.
    server.script["log-web"].append(UNAUTHORIZED)
    with pytest.raises(SinkUnavailableError):
        sink.write(batch_of(LOGS))


def test_a_right_that_is_missing_everywhere_is_waited_for(server, opened):
    server.script["log-web"].append(UNAUTHORIZED)
    server.script["shop"].append(UNAUTHORIZED)
    with pytest.raises(SinkUnavailableError) as raised:
        opened().write(batch_of(LOGS, ORDERS))
    assert raised.value.reason is RetryReason.NOT_AUTHORIZED


def test_a_collection_that_drops_documents_is_refused_at_start_if_a_route_names_its_topic_else_left_out(server, opened):
    capped = {"name": "log-web", "type": "collection", "options": {"capped": True}}
    server.answers["listCollections"] = {"cursor": {"id": 0, "ns": "x", "firstBatch": [capped]}, "ok": 1}
    with pytest.raises(BadConfigurationError, match="is capped"):
        opened().check()

    del server.answers["listCollections"]
    sink = opened()
    sink.check()
    server.answers["listCollections"] = {"cursor": {"id": 0, "ns": "x", "firstBatch": [capped]}, "ok": 1}
    result = sink.write(batch_of(ORDERS, LOGS))
    assert (result.stored, result.not_written.keys()) == ({ORDERS: 1}, {LOGS})
    assert "is capped" in result.not_written[LOGS]


def test_all_collections_together_take_no_longer_than_one_write_may(server, opened):
    sink = opened()
    server.script["shop"].append(StaySilent)
    with pytest.raises(SinkUnavailableError) as raised:
        sink.write(batch_of(ORDERS, LOGS))
    assert raised.value.reason is RetryReason.TIMEOUT
    assert held(server, "log-web") == []


def test_a_login_that_is_refused_after_a_write_is_waited_for(server, opened):
    """It hits every collection, sooner or later: none of them is at fault."""
    sink = opened()
    sink.write(batch_of(ORDERS))
    for code in (13, 18, 8000):
        for name in ("shop", "log-web"):
            server.script[name].append({"ok": 0, "code": code, "errmsg": "no"})
        with pytest.raises(SinkUnavailableError):
            sink.write(batch_of(ORDERS, LOGS))


def test_a_collection_that_refuses_for_long_does_not_hold_the_others(server, opened, clock):
    sink = opened(clock)
    view = {"ok": 0, "code": 166, "errmsg": "Namespace is a view, not a collection"}
    server.script["log-web"].extend([view] * 30)
    with pytest.raises(SinkUnavailableError):
        sink.write(batch_of(LOGS, ORDERS))
    clock.now += 31
    result = sink.write(batch_of(LOGS, REFUNDS))
    assert (result.stored, result.not_written.keys()) == ({REFUNDS: 1}, {LOGS})
    # Alone it is waited for: then nobody else is held up.
    with pytest.raises(SinkUnavailableError):
        sink.write(batch_of(LOGS))


def test_topics_with_other_metadata_in_one_collection_are_compared_each_by_its_own(server, tmp_path):
    """A document of before the metadata was switched on is a duplicate, whichever topic comes first."""
    (tmp_path / "routes.toml").write_text(
        '[[route]]\ntopics = ["a"]\ncollection = "c"\n[[route]]\ntopics = ["b"]\ncollection = "c"\nmetadata = ["place"]\n'
    )
    sink = RoutedMongoSink(load(mongodb_uri=server.uri, write_timeout=1.0, routes=tmp_path / "routes.toml"))
    partition = TopicPartition("b", 0)
    batch = batch_of(TopicPartition("a", 0), partition)
    sink.write(batch)
    (insert,) = batch.partitions[partition].operations
    now = insert._replace(document=encode(insert.id, {"of": "b", "_kafka": {"place": {"offset": 7}}}))
    batch.partitions[partition].operations = [now]
    result = sink.write(batch)
    sink.close()

    assert result.duplicates == {TopicPartition("a", 0): 1, partition: 1}
    assert result.dead_letters == {}
