"""Offsets that hold nothing for the workers: removed before they were read, aborted, or of a topic that is no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers, offsets
from workers.kafka.options import METADATA_MAX_AGE

pytestmark = pytest.mark.integration

FRESH_METADATA = {METADATA_MAX_AGE: "1"}
"""The client asks every second which partitions there are."""
NODE = "1"
"""The one broker of the stack."""
REMOVED = "Kafka removed records before they were read"


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path) as workers:
        workers.kafka.create(2)
        yield workers


@pytest.fixture
def compact(workers: PlainWorkers) -> Iterator[Callable[[int], set[int]]]:
    """Has the broker compact partition 0 until fewer offsets than so many are left; tells which."""
    broker = ConfigResource(ConfigResourceType.BROKER, NODE, {"log.cleaner.backoff.ms": "200"})
    policy = {"cleanup.policy": "compact", "segment.ms": "50", "min.cleanable.dirty.ratio": "0.001"}

    def left(fewer_than: int) -> set[int]:
        workers.kafka.admin.alter_configs([broker, ConfigResource(ConfigResourceType.TOPIC, workers.topic, policy)])
        found: set[int] = set()

        def few() -> bool:
            # A segment ends when the next record comes, and only those that have ended are compacted.
            workers.send(0, b'{"number": -1}', key=b"last")
            found.clear()
            found.update(offset for partition, offset in workers.kafka.values() if partition == 0)
            return len(found) < fewer_than

        wait_until(few, 60, "the log is compacted")
        return found

    yield left
    workers.kafka.admin.reset_configs([broker])


def read_some_and_lose_some(workers: PlainWorkers) -> None:
    """Partition 0: 10 read, 15 removed unread, 5 left. Partition 1: 10 read, 5 more."""
    workers.numbers(0, 0, 10)
    workers.numbers(1, 100, 10)
    workers.start()
    workers.wait_committed({0: 10, 1: 10})
    assert workers.stop() == 0
    workers.numbers(0, 10, 20)
    workers.numbers(1, 110, 5)
    workers.delete_records(0, before=25)


def lost(workers: PlainWorkers, partition: int) -> float:
    return workers.total("workers_lost_records_total", partition=str(partition))


def test_records_that_were_removed_unread_are_counted_told_and_gone_past(workers: PlainWorkers) -> None:
    read_some_and_lose_some(workers)
    workers.start()
    workers.wait_committed({0: 30, 1: 15})

    assert (lost(workers, 0), lost(workers, 1)) == (15, 0)
    (told,) = [line for line in workers.log().splitlines() if REMOVED in line]
    assert "level=error" in told
    assert all(word in told.split() for word in ("partition=0", "first=10", "last=24", "lost=15"))
    assert offsets(workers.contents()[0]) == [
        *[(0, offset) for offset in [*range(10), *range(25, 30)]],
        *[(1, offset) for offset in range(15)],
    ]
    verdict = workers.verify()
    assert (verdict.code, verdict.total("expired"), verdict.total("missing")) == (0, 15, 0)
    assert "15 offsets were deleted from Kafka before they were read" in workers.command("verify").stdout


def test_records_that_were_read_before_they_were_removed_are_not_lost(workers: PlainWorkers) -> None:
    workers.numbers(0, 0, 30)
    workers.start()
    workers.wait_committed({0: 30})
    workers.delete_records(0, before=30)
    workers.numbers(0, 30, 5)
    workers.wait_committed({0: 35})
    assert workers.stop() == 0
    workers.start()
    workers.wait_owned(2)
    workers.numbers(0, 35, 1)
    workers.wait_committed({0: 36})
    assert lost(workers, 0) == 0
    assert REMOVED not in workers.log()
    verdict = workers.verify()
    assert (verdict.code, verdict.total("expired")) == (0, 0)


def test_lost_records_can_stop_their_partition_and_no_other(workers: PlainWorkers) -> None:
    read_some_and_lose_some(workers)
    workers.start(WORKERS_ON_LOST_RECORDS="stop")
    wait_until(lambda: workers.kafka.committed().get(1) == 15, 60, "the other partition is read on")
    workers.numbers(0, 30, 5)
    workers.numbers(1, 115, 5)
    wait_until(lambda: workers.kafka.committed().get(1) == 20, 60, "the other partition is read on")

    assert workers.kafka.committed()[0] == 10
    assert workers.total("workers_stopped_partitions") == 1
    (told,) = [line for line in workers.log().splitlines() if "partitions halted" in line]
    assert all(word in told for word in ("level=error", "WORKERS_ON_LOST_RECORDS", "partitions=0"))
    assert [place for place in offsets(workers.contents()[0]) if place[0] == 0] == [(0, offset) for offset in range(10)]
    assert workers.alive()

    assert workers.stop() == 0
    workers.start()
    workers.wait_committed({0: 35, 1: 20})
    assert workers.verify().code == 0


def test_records_of_an_aborted_transaction_are_never_stored(workers: PlainWorkers) -> None:
    workers.start()
    workers.wait_owned(2)
    producer = KafkaProducer(bootstrap_servers=workers.servers, transactional_id=workers.topic)
    try:
        producer.init_transactions()
        for number, commit in enumerate([True, False, True, False, False, True]):
            producer.begin_transaction()
            for each in range(3):
                producer.send(workers.topic, b'{"number": %d}' % (10 * number + each), partition=0).get(30)
            if commit:
                producer.commit_transaction()
            else:
                producer.abort_transaction()
    finally:
        producer.close()
    # Three records and a marker each; the last is committed, and the marker behind it has no record to commit.
    workers.wait_committed({0: 23})
    assert sorted(workers.documents().values()) == [0, 1, 2, 20, 21, 22, 50, 51, 52]
    assert lost(workers, 0) == 0
    verdict = workers.verify()
    counts = [verdict.total(word) for word in ("kafka", "stored", "pending", "missing", "unexpected", "expired")]
    assert (verdict.code, counts) == (0, [9, 9, 0, 0, 0, 0])


def test_offsets_that_compaction_emptied_are_neither_lost_nor_missing(
    workers: PlainWorkers, compact: Callable[[int], set[int]]
) -> None:
    """200 records of ten keys, the first half read before only the last record of each key is left."""

    def send(first: int) -> None:
        for each in range(first, first + 100):
            workers.send(0, b'{"number": %d}' % each, key=b"%d" % (each % 10))

    send(0)
    workers.start()
    workers.wait_committed({0: 100})
    assert workers.stop() == 0
    send(100)
    left = compact(100)
    assert len(left & set(range(100, 200))) < 100, "void: nothing was compacted that was not read"

    workers.start()
    workers.wait_committed()
    stored = {offset for _, offset in offsets(workers.contents()[0])}
    assert stored >= left | set(range(100))
    assert lost(workers, 0) == 0
    assert REMOVED not in workers.log()
    verdict = workers.verify()
    assert verdict.code == 0, verdict.report
    assert [verdict.total(word) for word in ("pending", "missing", "expired")] == [0, 0, 0]
    assert verdict.total("compacted") == len(stored - left) > 0


def test_partitions_that_are_added_are_read_by_those_who_run(workers: PlainWorkers) -> None:
    workers.start(**FRESH_METADATA)
    workers.wait_owned(2)
    workers.kafka.admin.create_partitions({workers.topic: 4})
    wait_until(lambda: len(workers.kafka.partitions()) == 4, 30, "there are four partitions")
    for partition in range(4):
        workers.numbers(partition, 10 * partition, 5)
    workers.wait_committed(dict.fromkeys(range(4), 5))
    assert workers.total("workers_assigned_partitions") == 4
    verdict = workers.verify()
    assert (verdict.code, verdict.total("stored")) == (0, 20)


def test_a_topic_made_again_under_a_running_worker_is_stored_beside_the_old_one(workers: PlainWorkers) -> None:
    for partition in (0, 1):
        workers.numbers(partition, 0, 20)
    workers.start()
    workers.wait_committed({0: 20, 1: 20})
    before = workers.documents()
    workers.kafka.admin.delete_topics([workers.topic])

    def made_again() -> bool:
        try:
            workers.kafka.create(2)
        except KafkaError:
            return False
        return True

    wait_until(made_again, 30, "the topic is made again")
    workers.forget_producer()
    # Fewer than before: what lies past the old positions may be read before the client knows the new id (docs/explanation/promise.md).
    workers.numbers(0, 1000, 15)
    workers.numbers(1, 2000, 5)
    workers.wait_committed({0: 15, 1: 5})

    documents = workers.documents()
    assert {key: documents[key] for key in before} == before
    new = sorted(number for key, number in documents.items() if key not in before)
    assert new == [*range(1000, 1015), *range(2000, 2005)]
    assert workers.letters.count_documents({}) == 0
    verdict = workers.verify()
    assert (verdict.code, verdict.total("stored"), verdict.report["foreign"]) == (0, 20, 40)


def test_a_worker_without_a_partition_is_ready_and_healthy(workers: PlainWorkers) -> None:
    for slot in range(3):
        workers.start(slot)
    wait_until(lambda: len(workers.kafka.members()) == 3, 30, "all are in the group")
    wait_until(
        lambda: sorted(workers.total("workers_assigned_partitions", slot) for slot in range(3)) == [0, 1, 1],
        30,
        "two have a partition each",
    )
    for slot in range(3):
        wait_until(lambda slot=slot: workers.page("/readyz", slot)[0] == 200, 30, "it is ready")
        assert workers.page("/healthz", slot) == (200, "ok\n")
    (idle,) = [slot for slot in range(3) if not workers.total("workers_assigned_partitions", slot)]
    assert "the assignment is empty: there are more workers than partitions" in workers.log(idle)
    workers.numbers(0, 0, 10)
    workers.wait_committed({0: 10})
    assert all(workers.alive(slot) for slot in range(3))


def test_a_broker_that_knows_no_such_offset_any_more_is_read_from_its_beginning(workers: PlainWorkers) -> None:
    """A commit beyond the end of the log, as after a broker that lost its last records: said, and not waited for."""
    workers.numbers(0, 0, 10)
    workers.commit({0: 50})
    workers.start()
    wait_until(lambda: len(workers.documents()) == 10, 60, "all of it is stored")
    assert workers.verify().code == 0


def test_lost_records_are_counted_once_although_their_partition_changes_hands(workers: PlainWorkers) -> None:
    """Nothing is left to read behind the gap, so nothing is committed behind it."""
    workers.numbers(0, 0, 10)
    workers.start()
    workers.wait_committed({0: 10})
    assert workers.stop() == 0
    workers.numbers(0, 10, 20)
    workers.delete_records(0, before=30)
    workers.start(1)
    wait_until(lambda: workers.total("workers_lost_records_total", 1, partition="0") == 20, 30, "they are counted")
    workers.start(0)
    workers.wait_owned(1, 1)
    assert workers.stop(0) == 0
    wait_until(lambda: workers.total("workers_assigned_partitions", 1) == 2, 30, "it has both again")
    workers.numbers(0, 30, 1)
    wait_until(lambda: workers.kafka.committed()[0] == 31, 30, "it goes on behind them")
    assert (workers.log(0) + workers.log(1)).count(REMOVED) == 1
    assert workers.total("workers_lost_records_total", 1, partition="0") == 20
