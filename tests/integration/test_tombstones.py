"""A change stream, for real: deletes are normal, so whatever becomes of the tombstones, every record of it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack
from tests.support.plain_workers import PlainWorkers

pytestmark = pytest.mark.integration

DELETES = 1_400
RECORDS = 3_001
VALUES = RECORDS - DELETES
SMALL = {"WORKERS_MAX_POLL_RECORDS": "500"}


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path, SMALL) as workers:
        workers.kafka.create(1)
        yield workers


def change_stream() -> list[bytes | None]:
    """As change data capture sends it: for each delete the event, then a tombstone; a last change at the end. More
    than half of the records that come after the first changes are tombstones."""
    changes = [b'{"op": "c", "id": %d}' % number for number in range(VALUES - DELETES)]
    deletes = [each for number in range(DELETES) for each in (b'{"op": "d", "id": %d}' % number, None)]
    late = deletes[1::2] + deletes[::2]
    return [*changes[:-1], *late, changes[-1]]


def test_a_topic_of_deletes_is_stored_whole_with_its_tombstones_as_dead_letters_or_ignored(
    workers: PlainWorkers,
) -> None:
    stream = change_stream()
    assert len(stream) == RECORDS
    workers.send(0, *stream, key=b"id")

    # As it is without any setting.
    workers.start()
    workers.wait_committed()
    assert workers.total("workers_stopped_partitions") == 0
    documents, letters = workers.contents()
    assert len(documents) == VALUES
    assert {(each["reason"], each["value"]) for each in letters} == {("tombstone", None)}
    verdict = workers.verify()
    assert (verdict.code, verdict.total("stored"), verdict.total("dead_lettered")) == (0, VALUES, DELETES)
    assert workers.stop() == 0

    # The same records again, behind them, now ignored; a null between values, and a batch of nothing else.
    workers.start(WORKERS_ON_TOMBSTONE="ignore")
    workers.send(0, *stream, key=b"id")
    workers.wait_committed()
    assert workers.total("workers_records_total", outcome="ignored") == DELETES
    assert "ignored=" in workers.log()
    assert workers.letters.count_documents({}) == DELETES, "an ignored tombstone is a dead letter all the same"

    # Proven whatever the setting of the one who asks.
    for setting in ({}, {"WORKERS_ON_TOMBSTONE": "ignore"}):
        ran = workers.command("verify", env=setting)
        assert (ran.returncode, "every record is accounted for" in ran.stdout) == (0, True), ran.stdout
    verdict = workers.verify()
    assert verdict.total("ignored") == verdict.total("dead_lettered") == DELETES
    assert (verdict.total("stored"), verdict.total("kafka")) == (2 * VALUES, 2 * RECORDS)
