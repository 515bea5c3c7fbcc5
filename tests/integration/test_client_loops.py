"""What the client does again and again, or once for each partition: how many requests it costs."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from kafka import TopicPartition
from pydantic import SecretStr
from pymongo import MongoClient

from tests.support.kafka_sides import Member, RealKafka, wait
from tests.support.ports import free_ports
from workers.kafka import compat_logs
from workers.kafka.first_records import FirstRecords
from workers.kafka.log_reader import read_log
from workers.kafka.options import log_reader_options, open_consumer
from workers.sinks.mongodb.reader import MongoReader
from workers.types import CommitResult
from workers.types import TopicPartition as OurPartition
from workers.verification.verify import verify

pytestmark = pytest.mark.integration

PARTITIONS = 30


@pytest.fixture
def kafka(stack):
    side = RealKafka(stack, partitions=PARTITIONS)
    yield side
    side.close()


def requests(member: Member, monkeypatch) -> Counter[str]:
    """Of this member's client, by kind, from now on."""
    manager, sent = member.source._consumer._manager, Counter()
    send = manager.send

    def counted(request, *arguments, **options):
        sent[type(request).__name__] += 1
        return send(request, *arguments, **options)

    monkeypatch.setattr(manager, "send", counted)
    return sent


def test_all_committed_offsets_are_fetched_in_one_request(kafka, monkeypatch):
    """It was one for each partition: 300 of them at 0.22 s outlasted the stall timer, at every start."""
    first = kafka.member()
    wait(lambda: first.poll() or len(first.told.owned) == PARTITIONS, "an assignment")
    for partition in range(PARTITIONS):
        kafka.produce(partition, b"before", b"after")
    assert len(first.take(2 * PARTITIONS)) == 2 * PARTITIONS
    assert first.commit(dict.fromkeys(range(PARTITIONS), 1)) is CommitResult.OK
    first.source.close()
    kafka._open.remove(first.source)

    member = kafka.member()
    sent = requests(member, monkeypatch)
    assert sorted(member.take(PARTITIONS)) == [(partition, b"after") for partition in range(PARTITIONS)]
    # The client asks for the commits once by itself.
    assert sent["OffsetFetchRequest"] <= 3
    assert sent["ListOffsetsRequest"] <= 3


def test_a_coordinator_that_is_found_and_cannot_be_reached_is_searched_slowly(kafka, monkeypatch):
    """As after the death of its broker: for 9 s the others name it. It was searched for without a pause."""
    member = kafka.member()
    wait(lambda: member.poll() or member.told.owned, "an assignment")
    coordinator = member.source._consumer._coordinator
    (dead,) = free_ports(1)
    with monkeypatch.context() as away:
        add = coordinator._cluster.add_coordinator

        def name_the_dead(result, *arguments, **options):
            result.port = dead
            return add(result, *arguments, **options)

        away.setattr(coordinator._cluster, "add_coordinator", name_the_dead)
        coordinator._manager.close(coordinator.coordinator_id)
        coordinator.coordinator_dead("its broker is dead")
        sent = requests(member, away)
        began = time.monotonic()
        while time.monotonic() - began < 3:
            member.poll()
        # Each search is two or three log lines.
        assert 2 <= sent["FindCoordinatorRequest"] <= 12
    began = time.monotonic()
    wait(member.source.connected, "it has found its coordinator")
    kafka.produce(0, b"1")
    assert member.take(1) == [(0, b"1")]
    assert member.commit({0: 1}) is CommitResult.OK
    assert time.monotonic() - began < 5


def test_a_partition_without_a_leader_does_not_stop_the_others(kafka, monkeypatch):
    """Several brokers, one replica: the client raised a KeyError out of the worker's poll, which ended it, again and again."""
    kafka.produce(0, b"0")
    kafka.produce(1, b"1")
    member = kafka.member()
    cluster = member.source._consumer._cluster
    leader = cluster.leader_for_partition
    with monkeypatch.context() as away:
        away.setattr(cluster, "leader_for_partition", lambda each: -1 if each.partition == 1 else leader(each))
        assert member.take(1) == [(0, b"0")]
        for number in range(5):
            kafka.produce(0, b"%d" % number)
            began = time.monotonic()
            assert member.take(1) == [(0, b"%d" % number)]
            assert time.monotonic() - began < 3
    assert member.take(1) == [(1, b"1")]
    assert member.told.gone == []


def test_positions_are_those_that_the_client_returns_one_by_one(kafka):
    kafka.produce(3, b"a", b"b")
    consumer = open_consumer(kafka.settings, log_reader_options(kafka.settings))
    try:
        partitions = [TopicPartition(kafka.settings.topic, number) for number in range(5)]
        consumer.assign(partitions)
        assert compat_logs.positions(consumer) == {}
        for each in partitions:
            consumer.seek(each, 0)
        wait(lambda: consumer.poll(timeout_ms=200), "records")
        assert compat_logs.positions(consumer) == {each: consumer.position(each) for each in partitions}
        assert compat_logs.positions(consumer)[partitions[3]] == 2
    finally:
        consumer.close()


def test_the_log_is_read_to_its_ends_also_past_transaction_markers(kafka):
    for partition in range(PARTITIONS):
        kafka.produce(partition, b"%d" % partition)
    kafka.abort(2)
    ranges = {OurPartition(kafka.settings.topic, number): (0, 1 if number != 2 else 3) for number in range(PARTITIONS)}
    found = Counter({tp.partition: len(records) for tp, records in read_log(kafka.settings, ranges)})
    assert found == Counter(dict.fromkeys(range(PARTITIONS), 1))

    first = FirstRecords(kafka.settings)
    try:
        (marker,) = [tp for tp in ranges if tp.partition == 2]
        assert first.times(kafka.topic, {marker: (1, 3)}) == {marker: None}
    finally:
        first.close()


def test_an_age_that_is_asked_for_again_and_again_stays_known(kafka):
    """A partition that was paused with records left was not read on when it was resumed: its age was unknown for no reason."""
    busy, records = range(4), 700
    for partition in busy:
        kafka.produce(partition, *[b"1"] * records)
    first = FirstRecords(kafka.settings)
    try:
        known = [
            len(first.times(kafka.topic, {OurPartition(kafka.settings.topic, each): (start, records) for each in busy}))
            for start in range(0, 40, 4)
        ]
        assert known == [len(busy)] * len(known)
    finally:
        first.close()


def test_verify_asks_the_database_once_for_many_partitions(kafka, stack, monkeypatch):
    """And not once for each partition: with a database at 100 ms, 1,000 partitions took minutes. What is not committed, and
    stored, is looked up; what is not stored is not.
    """
    for partition in range(PARTITIONS):
        kafka.produce(partition, b'{"number": 1}')
    own = {"mongodb_uri": SecretStr(stack.mongodb_uri), "database": kafka.settings.topic}
    asked, documents = [], MongoReader.documents
    monkeypatch.setattr(MongoReader, "documents", lambda reader, ids: asked.append(len(ids)) or documents(reader, ids))

    settings = kafka.settings.model_copy(update=own)

    report = verify(settings)

    assert (report.total("kafka"), report.total("pending"), asked) == (PARTITIONS, PARTITIONS, [])

    with MongoClient(stack.mongodb_uri) as client:
        client[settings.database][settings.collection].insert_many(
            [{"_id": kafka.topic.document_id(partition, 0), "number": 1} for partition in range(PARTITIONS)]
        )
        report = verify(settings)
        client.drop_database(settings.database)

    assert (report.total("kafka"), report.total("stored"), asked) == (PARTITIONS, PARTITIONS, [PARTITIONS])
